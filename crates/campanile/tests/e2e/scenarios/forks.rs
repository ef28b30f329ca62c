//! Several phones answer one call: one is talked to, the others are acknowledged and told
//! that it is over (RFC 3261 13.2.2.4).

use super::{
    Scenario,
    peer::{AS_SDP, Peer, audio},
};
use crate::far_end::{Request, param};

const COMPLETED: (&str, &str) = ("completed", "200");

pub(super) fn all() -> Vec<Scenario> {
    vec![
        Scenario::new("two phones answer", COMPLETED, |far| {
            let invite = far.talks();
            also_answers(far, &invite, "late");
            far.hangs_up();
        })
        .listens()
        .hung_up_by("callee"),
        Scenario::new("six phones answer", COMPLETED, |far| {
            let invite = far.talks();
            for tag in ["a", "b", "c", "d", "e"] {
                also_answers(far, &invite, tag);
            }
            far.hangs_up();
        })
        .listens(),
        Scenario::new("a second phone answers after the call is over", COMPLETED, |far| {
            let invite = far.answers();
            far.is_hung_up();
            also_answers(far, &invite, "late");
        }),
        Scenario::new("the phone that lost hangs up too", COMPLETED, |far| {
            let invite = far.talks();
            far.send(answer_of(far, &invite, "late"));
            far.expect("ACK");
            let theirs = far.expect("BYE");
            far.tag = "late";
            far.hangs_up();
            far.say(&theirs, "200 OK");
            far.tag = "far";
            far.hangs_up();
        })
        .listens(),
        Scenario::new("the phone that lost sends its 200 again", COMPLETED, |far| {
            let invite = far.talks();
            also_answers(far, &invite, "late");
            far.send(answer_of(far, &invite, "late"));
            far.expect_again("ACK");
            far.hangs_up();
        })
        .listens(),
        Scenario::new("a phone answers, another refuses", COMPLETED, |far| {
            let invite = far.talks();
            far.send(invite.answer_from("late", "486 Busy Here", "", ""));
            far.hangs_up();
        })
        .listens(),
    ]
}

/// The 200 of another phone, which is acknowledged, and hung up at once.
fn also_answers(far: &mut Peer, invite: &Request, tag: &str) {
    let answer = answer_of(far, invite, tag);
    far.send(answer);
    let ack = far.expect("ACK");
    assert_eq!(param(ack.header("To"), "tag"), Some(tag), "{}", ack.text());
    let bye = far.expect("BYE");
    assert_eq!(param(bye.header("To"), "tag"), Some(tag), "{}", bye.text());
    far.say(&bye, "200 OK");
}

fn answer_of(far: &Peer, invite: &Request, tag: &str) -> Vec<u8> {
    let more = format!("{}{AS_SDP}", far.contact());
    invite.answer_from(tag, "200 OK", &more, &audio(9))
}
