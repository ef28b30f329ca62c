//! What does not belong to the call: strangers, spoofed answers, noise on the line.

use std::{
    net::{Ipv4Addr, UdpSocket},
    time::Duration,
};

use super::{Scenario, peer::Beside};
use crate::far_end::Request;

const COMPLETED: (&str, &str) = ("completed", "200");
const BUSY: (&str, &str) = ("busy", "486");

pub(super) fn all() -> Vec<Scenario> {
    let all = vec![
        Scenario::new("noise between the messages", COMPLETED, |far| {
            let noise: [&[u8]; 8] = [
                b"\r\n\r\n",
                b"\0\0\0\0",
                b"\0\x01\0\0\x21\x12\xA4\x42aaaaaaaaaaaa",
                b"SIP/2.0\r\n\r\n",
                b"SIP/2.0 200 OK\r\n\r\n",
                b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                b"INVITE\r\n",
                &[0xFF; 1_400],
            ];
            let invite = far.expect("INVITE");
            let noisy = |far: &mut super::Peer, status: Option<&str>| {
                noise.iter().for_each(|bytes| far.send(bytes));
                match status {
                    Some(status) => far.say(&invite, status),
                    None => far.accept(&invite),
                }
            };
            noisy(far, Some("100 Trying"));
            noisy(far, Some("180 Ringing"));
            noisy(far, None);
            far.expect("ACK");
            noise.iter().for_each(|bytes| far.send(bytes));
            far.is_hung_up();
        }),
        Scenario::new("answers with the branch of nobody", BUSY, |far| {
            forged(far, |text, invite| text.replace(invite.branch(), "z9hG4bK0000"));
        }),
        Scenario::new("answers with half our branch", BUSY, |far| {
            forged(far, |text, invite| {
                let branch = invite.branch();
                text.replace(branch, &branch[..branch.len() - 1])
            });
        }),
        Scenario::new("answers with another Call-ID", BUSY, |far| {
            forged(far, |text, _| text.replace("Call-ID: ", "Call-ID: x"));
        }),
        Scenario::new("answers with another tag of ours", BUSY, |far| {
            forged(far, |text, invite| {
                let tag = crate::far_end::param(invite.header("From"), "tag").unwrap();
                text.replace(tag, "guess")
            });
        }),
        Scenario::new("answers with another CSeq number", BUSY, |far| {
            forged(far, |text, invite| {
                let cseq = invite.header("CSeq");
                text.replace(&format!("CSeq: {cseq}"), "CSeq: 77 INVITE")
            });
        }),
        Scenario::new("answers to another method", BUSY, |far| {
            forged(far, |text, _| text.replace(" INVITE\r\n", " OPTIONS\r\n"));
        }),
        Scenario::new("a stranger's BYE while it rings", COMPLETED, |far| {
            let invite = far.expect("INVITE");
            far.say(&invite, "180 Ringing");
            stranger_says_bye(&invite, "guess");
            far.accept(&invite);
            far.expect("ACK");
            far.is_hung_up();
        }),
        Scenario::new("a stranger's BYE in the call, by a guessed tag", COMPLETED, |far| {
            let invite = far.talks();
            stranger_says_bye(&invite, "guess");
            far.hears_nothing(Duration::from_millis(500));
            far.hangs_up();
        })
        .listens()
        .hung_up_by("callee"),
        Scenario::new("the carrier answers from another port", COMPLETED, |far| {
            let invite = far.expect("INVITE");
            let other = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let to = far.caller();
            for status in ["100 Trying", "180 Ringing"] {
                other.send_to(&invite.answer(status, "", ""), to).unwrap();
            }
            far.accept(&invite);
            far.expect("ACK");
            far.is_hung_up();
        }),
        Scenario::new("an INVITE to us in the middle of our call", COMPLETED, |far| {
            let invite = far.talks();
            let mut stranger = Beside::new();
            let (me, to) = (stranger.addr(), far.caller());
            let theirs = format!(
                "INVITE sip:900@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bKscan\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:100@{me}>;tag=scan\r\nTo: <sip:900@{to}>\r\n\
                 Call-ID: scan{me}\r\nCSeq: 1 INVITE\r\nContact: <sip:100@{me}>\r\n\
                 Content-Length: 0\r\n\r\n"
            );
            let code = stranger.asks(to, theirs.as_bytes());
            assert!((400..700).contains(&code), "{code}");
            assert_eq!(invite.method, "INVITE");
            far.hangs_up();
        })
        .listens()
        .hung_up_by("callee"),
    ];
    // They speak from several sockets.
    all.into_iter().map(Scenario::by_datagrams).collect()
}

/// 200, 486 and 180 that somebody changed; then the carrier's own busy.
fn forged(far: &mut super::Peer, change: impl Fn(&str, &Request) -> String) {
    let invite = far.expect("INVITE");
    let refused = invite.answer("404 Not Found", "", "");
    for answer in [invite.accept(), refused, invite.answer("180 Ringing", "", "")] {
        let answer = String::from_utf8(answer).unwrap();
        let changed = change(&answer, &invite);
        assert_ne!(changed, answer, "nothing was changed");
        far.send(changed);
    }
    far.refuses("486 Busy Here");
}

/// From a socket of its own, with the Call-ID right.
fn stranger_says_bye(invite: &Request, tag: &str) {
    let contact = invite.header("Contact");
    let uri = contact.split(['<', '>']).nth(1).unwrap();
    let to = uri.rsplit('@').next().unwrap().trim_start_matches("sip:").to_owned();
    let mut stranger = Beside::new();
    let (me, call_id) = (stranger.addr(), invite.call_id());
    let bye = format!(
        "BYE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bKbye\r\nMax-Forwards: 70\r\n\
         From: <sip:x@{me}>;tag=far\r\nTo: <{uri}>;tag={tag}\r\nCall-ID: {call_id}\r\n\
         CSeq: 900 BYE\r\nContent-Length: 0\r\n\r\n"
    );
    assert_eq!(stranger.asks(to.parse().unwrap(), bye.as_bytes()), 481);
}
