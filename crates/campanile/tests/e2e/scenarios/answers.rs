//! The answer itself: what a 200 may look like, and what makes it useless.

use std::net::Ipv4Addr;

use super::{
    Scenario,
    peer::{AS_SDP, Ear, Peer, audio},
};
use crate::far_end::sdp;

const COMPLETED: (&str, &str) = ("completed", "200");
/// Acknowledged, and ended at once.
const USELESS: (&str, &str) = ("unreachable", "200");

pub(super) fn all() -> Vec<Scenario> {
    vec![
        Scenario::new("answered at once, without 100 or 180", COMPLETED, |far| {
            answered(far, "200 OK", AS_SDP, &audio(9));
        }),
        Scenario::new("another 2xx is an answer too", ("completed", "202"), |far| {
            answered(far, "202 Accepted", AS_SDP, &audio(9));
        }),
        Scenario::new("200 without a reason phrase", COMPLETED, |far| {
            answered(far, "200 ", AS_SDP, &audio(9));
        }),
        Scenario::new("200 with a reason in another alphabet", COMPLETED, |far| {
            answered(far, "200 ठीक है", AS_SDP, &audio(9));
        }),
        Scenario::new("200 without a description", USELESS, |far| {
            answered(far, "200 OK", "", "");
        }),
        Scenario::new("200 with mu-law alone", COMPLETED, |far| {
            let ear = Ear::new();
            let body = sdp(&format!("m=audio {} RTP/AVP 0\r\n", ear.port()));
            let invite = far.expect("INVITE");
            far.send(invite.answer("200 OK", &format!("{}{AS_SDP}", far.contact()), &body));
            far.expect("ACK");
            ear.hears(0);
            far.hangs_up();
        })
        .listens(),
        Scenario::new("200 that names codecs of ours and of others", COMPLETED, |far| {
            let ear = Ear::new();
            let media = format!(
                "m=audio {} RTP/AVP 18 8 101\r\na=rtpmap:18 G729/8000\r\na=rtpmap:8 PCMA/8000\r\n\
                 a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n",
                ear.port()
            );
            let invite = far.expect("INVITE");
            far.send(invite.answer("200 OK", &format!("{}{AS_SDP}", far.contact()), &sdp(&media)));
            far.expect("ACK");
            ear.hears(8);
            far.hangs_up();
        })
        .listens(),
        Scenario::new("200 with an address in the media part alone", COMPLETED, |far| {
            let ear = Ear::new();
            let body = format!(
                "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n\
                 m=audio {} RTP/AVP 8\r\nc=IN IP4 {}\r\n",
                ear.port(),
                Ipv4Addr::LOCALHOST
            );
            let invite = far.expect("INVITE");
            far.send(invite.answer("200 OK", &format!("{}{AS_SDP}", far.contact()), &body));
            far.expect("ACK");
            ear.hears(8);
            far.hangs_up();
        })
        .listens(),
        Scenario::new("200 that refuses a film and takes the audio", COMPLETED, |far| {
            let body = audio(9) + "m=video 0 RTP/AVP 31\r\n";
            answered(far, "200 OK", AS_SDP, &body);
        }),
        Scenario::new("200 with another ptime", COMPLETED, |far| {
            answered(far, "200 OK", AS_SDP, &(audio(9) + "a=ptime:30\r\na=maxptime:150\r\n"));
        }),
        Scenario::new("200 that only listens", COMPLETED, |far| {
            answered(far, "200 OK", AS_SDP, &(audio(9) + "a=recvonly\r\n"));
        }),
        Scenario::new("200 with parameters on the content type", COMPLETED, |far| {
            let kind = "Content-Type: Application/SDP ;charset=utf-8\r\n";
            answered(far, "200 OK", kind, &audio(9));
        }),
        Scenario::new("200 with its headers compact", COMPLETED, |far| {
            let invite = far.expect("INVITE");
            let more = format!("m: <{}>\r\nc: application/sdp\r\n", far.uri());
            let answer = String::from_utf8(invite.answer("200 OK", &more, &audio(9))).unwrap();
            let compact = [
                ("Via: ", "v: "),
                ("From: ", "f: "),
                ("To: ", "t: "),
                ("Call-ID: ", "i: "),
                ("Content-Length: ", "l: "),
            ];
            let write = |text: String, (long, short): (&str, &str)| text.replacen(long, short, 1);
            far.says_ok(&invite, compact.into_iter().fold(answer, write));
            far.is_hung_up();
        }),
        Scenario::new("200 with its headers folded and in odd case", COMPLETED, |far| {
            let invite = far.expect("INVITE");
            let more = format!("contact:\r\n <{}>\r\n{AS_SDP}", far.uri());
            let answer = String::from_utf8(invite.answer("200 OK", &more, &audio(9))).unwrap();
            let answer = answer
                .replacen("From: ", "FROM \t:\r\n\t", 1)
                .replacen("Via: SIP/2.0/UDP ", "vIa: SIP / 2.0 / UDP\r\n  ", 1)
                .replacen("Content-Type: ", "content-TYPE:\r\n ", 1);
            far.says_ok(&invite, answer);
            far.is_hung_up();
        }),
        Scenario::new("200 with a name in Latin-1", COMPLETED, |far| {
            let invite = far.expect("INVITE");
            let more = format!("{}{AS_SDP}X-Name: Mull?r\r\n", far.contact());
            let mut answer = invite.answer("200 OK", &more, &audio(9));
            let at = answer.iter().position(|byte| *byte == b'?').expect("it was written");
            answer[at] = 0xFC;
            far.send(answer);
            far.expect("ACK");
            far.is_hung_up();
        }),
        Scenario::new("200 with more bytes than its length says", COMPLETED, |far| {
            let invite = far.expect("INVITE");
            let more = format!("{}{AS_SDP}", far.contact());
            let mut answer = invite.answer("200 OK", &more, &audio(9));
            answer.extend_from_slice(b"\r\n\r\nSIP/2.0 486 Busy Here\r\n\r\n");
            far.send(answer);
            far.expect("ACK");
            far.is_hung_up();
        })
        .by_datagrams(),
        Scenario::new("200 without a Contact", COMPLETED, |far| {
            let invite = far.expect("INVITE");
            far.send(invite.answer("200 OK", AS_SDP, &audio(9)));
            assert_eq!(far.expect("ACK").uri(), invite.uri());
            far.is_hung_up();
        }),
        Scenario::new("200 with a tel: Contact", COMPLETED, |far| {
            let invite = far.expect("INVITE");
            let more = format!("Contact: <tel:+919820000000>\r\n{AS_SDP}");
            far.send(invite.answer("200 OK", &more, &audio(9)));
            far.expect("ACK");
            far.is_hung_up();
        }),
        Scenario::new("200 with a Contact in a name that does not resolve", COMPLETED, |far| {
            let invite = far.expect("INVITE");
            let more = format!("Contact: \"Far, end\" <sip:far@sbc.invalid:5070>\r\n{AS_SDP}");
            far.send(invite.answer("200 OK", &more, &audio(9)));
            far.expect("ACK");
            far.is_hung_up();
        }),
        Scenario::new("200 with everything that carriers add", COMPLETED, |far| {
            let long = "a".repeat(2_000);
            let more = format!(
                "Server: SBC/1.2 (x; y)\r\nP-Asserted-Identity: <tel:+91>\r\n\
                 Supported: timer,100rel,replaces\r\nAllow: INVITE,ACK,BYE,UPDATE\r\n\
                 X-Long: {long}\r\n"
            );
            answered(far, "200 OK", &format!("{more}{AS_SDP}"), &audio(9));
        }),
        Scenario::new("200 again and again, until each is acknowledged", COMPLETED, |far| {
            let invite = far.talks();
            for _ in 0..5 {
                far.accept(&invite);
                far.expect_again("ACK");
            }
            far.hangs_up();
        })
        .listens(),
        Scenario::new("200 once more after the BYE", COMPLETED, |far| {
            let invite = far.answers();
            far.is_hung_up();
            far.accept(&invite);
            far.expect_again("ACK");
        }),
    ]
}

/// Answers; and is hung up, since the bot has nothing to say or nobody to say it to.
fn answered(far: &mut Peer, status: &str, more: &str, body: &str) {
    let invite = far.expect("INVITE");
    far.send(invite.answer(status, &format!("{}{more}", far.contact()), body));
    far.expect("ACK");
    far.is_hung_up();
}
