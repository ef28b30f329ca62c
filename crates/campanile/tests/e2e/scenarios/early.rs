//! Before the answer: provisional answers of every kind, with and without early media.

use super::{
    Scenario,
    peer::{AS_SDP, Ear, Peer, audio},
};

const BUSY: (&str, &str) = ("busy", "486");
const COMPLETED: (&str, &str) = ("completed", "200");

pub(super) fn all() -> Vec<Scenario> {
    vec![
        Scenario::new("183 with early media, then busy", BUSY, |far| {
            let (ear, invite) = (Ear::new(), far.expect("INVITE"));
            far.send(invite.answer("183 Session Progress", AS_SDP, &audio(ear.port())));
            far.refuses("486 Busy Here");
        }),
        Scenario::new("183 with early media, then the answer", COMPLETED, |far| {
            let (ear, invite) = (Ear::new(), far.expect("INVITE"));
            let body = audio(ear.port());
            far.send(invite.answer("183 Session Progress", AS_SDP, &body));
            far.send(invite.answer("200 OK", &format!("{}{AS_SDP}", far.contact()), &body));
            far.expect("ACK");
            ear.hears(8);
            far.hangs_up();
        })
        .listens()
        .hung_up_by("callee"),
        Scenario::new("183 with early media, the answer from another machine", COMPLETED, |far| {
            let (early, late, invite) = (Ear::new(), Ear::new(), far.expect("INVITE"));
            far.send(invite.answer("183 Session Progress", AS_SDP, &audio(early.port())));
            let more = format!("{}{AS_SDP}", far.contact());
            far.send(invite.answer("200 OK", &more, &audio(late.port())));
            far.expect("ACK");
            late.hears(8);
            early.falls_silent();
            far.hangs_up();
        })
        .listens(),
        Scenario::new("183 without a description", COMPLETED, |far| {
            rings_with(far, &["183 Session Progress"]);
        }),
        Scenario::new("181, 182, 183 and codes that nobody knows", COMPLETED, |far| {
            rings_with(
                far,
                &["181 Call Is Being Forwarded", "182 Queued", "188 Odd", "155 Odd", "199 Odd"],
            );
        }),
        Scenario::new("100 after 180", COMPLETED, |far| {
            rings_with(far, &["100 Trying", "180 Ringing", "100 Trying"]);
        }),
        Scenario::new("180 again and again", COMPLETED, |far| {
            rings_with(far, &["180 Ringing"; 40]);
        }),
        Scenario::new("180 after the answer", COMPLETED, |far| {
            let invite = far.answers();
            far.say(&invite, "180 Ringing");
            far.say(&invite, "100 Trying");
            far.is_hung_up();
        }),
        Scenario::new("180 without a tag", COMPLETED, |far| {
            let invite = far.expect("INVITE");
            let ringing = String::from_utf8(invite.answer("180 Ringing", "", "")).unwrap();
            far.send(ringing.replace(";tag=far", ""));
            far.accept(&invite);
            far.expect("ACK");
            far.is_hung_up();
        }),
        Scenario::new("199: an early dialog ended, another answers", COMPLETED, |far| {
            let invite = far.expect("INVITE");
            far.send(invite.answer_from("one", "180 Ringing", "", ""));
            far.send(invite.answer_from("one", "199 Early Dialog Terminated", "", ""));
            far.send(invite.answer_from("far", "180 Ringing", "", ""));
            far.accept(&invite);
            far.expect("ACK");
            far.is_hung_up();
        }),
        Scenario::new("199, then busy", BUSY, |far| {
            let invite = far.expect("INVITE");
            far.say(&invite, "180 Ringing");
            far.say(&invite, "199 Early Dialog Terminated");
            far.refuses("486 Busy Here");
        }),
        Scenario::new("phones ring one after the other, the last answers", COMPLETED, |far| {
            let invite = far.expect("INVITE");
            for tag in ["one", "two", "three", "far"] {
                far.send(invite.answer_from(tag, "180 Ringing", "", ""));
            }
            far.accept(&invite);
            far.expect("ACK");
            far.is_hung_up();
        }),
        Scenario::new("an announcement of one machine, the answer of another", COMPLETED, |far| {
            let (one, two, invite) = (Ear::new(), Ear::new(), far.expect("INVITE"));
            let early = audio(one.port());
            far.send(invite.answer_from("one", "183 Session Progress", AS_SDP, &early));
            far.send(invite.answer_from("far", "180 Ringing", "", ""));
            let more = format!("{}{AS_SDP}", far.contact());
            far.send(invite.answer("200 OK", &more, &audio(two.port())));
            far.expect("ACK");
            two.hears(8);
            far.hangs_up();
        })
        .listens(),
        Scenario::new("a tone after the announcement: 183, 180, 183", COMPLETED, |far| {
            let (ear, invite) = (Ear::new(), far.expect("INVITE"));
            let body = audio(ear.port());
            far.send(invite.answer("183 Session Progress", AS_SDP, &body));
            far.say(&invite, "180 Ringing");
            far.send(invite.answer("183 Session Progress", AS_SDP, &body));
            far.send(invite.answer("200 OK", &format!("{}{AS_SDP}", far.contact()), &body));
            far.expect("ACK");
            ear.hears(8);
            far.is_hung_up();
        }),
        Scenario::new("early media whose description is nonsense", COMPLETED, |far| {
            let invite = far.expect("INVITE");
            far.send(invite.answer("183 Session Progress", AS_SDP, "v=0\r\nm=banana\r\n"));
            far.accept(&invite);
            far.expect("ACK");
            far.is_hung_up();
        }),
    ]
}

fn rings_with(far: &mut Peer, codes: &[&str]) {
    let invite = far.expect("INVITE");
    for code in codes {
        far.say(&invite, code);
    }
    far.accept(&invite);
    far.expect("ACK");
    far.is_hung_up();
}
