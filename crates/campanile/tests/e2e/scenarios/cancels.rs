//! Ringing that is given up: the CANCEL and all that can cross it. The judge looks at each
//! CANCEL's branch, URI and CSeq.

use std::time::Duration;

use super::{Scenario, peer::Peer};

const NO_ANSWER: (&str, &str) = ("no_answer", "487");
/// The ring timeout is 15 s, the shortest that may be set.
const RING: Duration = Duration::from_secs(17);

pub(super) fn all() -> Vec<Scenario> {
    vec![
        Scenario::new("180, then silence", NO_ANSWER, |far| {
            rings(far, "180 Ringing");
            cancelled(far, "487 Request Terminated");
        })
        .hung_up_by("dialler"),
        Scenario::new("100, then silence", NO_ANSWER, |far| {
            rings(far, "100 Trying");
            cancelled(far, "487 Request Terminated");
        }),
        Scenario::new("183, then silence", NO_ANSWER, |far| {
            rings(far, "183 Session Progress");
            cancelled(far, "487 Request Terminated");
        }),
        Scenario::new("nothing until the ring timeout, then 180", NO_ANSWER, |far| {
            let invite = far.expect("INVITE");
            // The sixth comes 15.5 s after the first; before a provisional there is no CANCEL.
            for _ in 0..5 {
                far.expect_again("INVITE");
            }
            far.say(&invite, "180 Ringing");
            cancelled(far, "487 Request Terminated");
        })
        .by_datagrams(),
        Scenario::new("the answer crosses our CANCEL", ("no_answer", "200"), |far| {
            rings(far, "180 Ringing");
            let cancel = far.expect_within("CANCEL", RING);
            let invite = far.invite();
            far.accept(&invite);
            far.say(&cancel, "200 OK");
            far.expect("ACK");
            far.is_hung_up();
        })
        .hung_up_by("dialler"),
        Scenario::new(
            "our CANCEL is refused, and answered all the same",
            ("no_answer", "200"),
            |far| {
                rings(far, "180 Ringing");
                let cancel = far.expect_within("CANCEL", RING);
                far.say(&cancel, "481 Call/Transaction Does Not Exist");
                let invite = far.invite();
                far.accept(&invite);
                far.expect("ACK");
                far.is_hung_up();
            },
        ),
        Scenario::new("our CANCEL is refused, and then obeyed", NO_ANSWER, |far| {
            rings(far, "180 Ringing");
            let cancel = far.expect_within("CANCEL", RING);
            far.say(&cancel, "481 Call/Transaction Does Not Exist");
            far.refuses("487 Request Terminated");
        }),
        Scenario::new("our CANCEL is lost twice", NO_ANSWER, |far| {
            rings(far, "180 Ringing");
            let cancel = far.expect_within("CANCEL", RING);
            far.expect_again("CANCEL");
            far.expect_again("CANCEL");
            far.say(&cancel, "200 OK");
            far.refuses("487 Request Terminated");
        })
        .by_datagrams(),
        Scenario::new("487 without an answer to our CANCEL", NO_ANSWER, |far| {
            rings(far, "180 Ringing");
            far.expect_within("CANCEL", RING);
            far.refuses("487 Request Terminated");
        }),
        Scenario::new("487, and its ACK is lost", NO_ANSWER, |far| {
            rings(far, "180 Ringing");
            cancelled(far, "487 Request Terminated");
            let invite = far.invite();
            for _ in 0..2 {
                far.say(&invite, "487 Request Terminated");
                far.expect_again("ACK");
            }
        })
        .by_datagrams(),
        Scenario::new("another phone answers after the 487", NO_ANSWER, |far| {
            rings(far, "180 Ringing");
            cancelled(far, "487 Request Terminated");
            let invite = far.invite();
            far.send(invite.answer_from("late", "200 OK", &far.contact(), ""));
            far.expect("ACK");
            far.is_hung_up();
        }),
        Scenario::new("180 goes on after our CANCEL", NO_ANSWER, |far| {
            rings(far, "180 Ringing");
            let cancel = far.expect_within("CANCEL", RING);
            let invite = far.invite();
            far.say(&invite, "180 Ringing");
            far.say(&cancel, "200 OK");
            far.say(&invite, "180 Ringing");
            far.refuses("487 Request Terminated");
        }),
        // 64*T1 after the CANCEL nobody waits for the carrier any more (RFC 3261 9.1).
        Scenario::new("our CANCEL is agreed to, and no 487 comes", ("no_answer", ""), |far| {
            rings(far, "180 Ringing");
            let cancel = far.expect_within("CANCEL", RING);
            far.say(&cancel, "200 OK");
            far.hears_nothing(Duration::from_secs(33));
        }),
        Scenario::new("an answer when nobody waits any more", ("no_answer", ""), |far| {
            rings(far, "180 Ringing");
            let cancel = far.expect_within("CANCEL", RING);
            far.say(&cancel, "200 OK");
            far.hears_nothing(Duration::from_millis(32_500));
            let invite = far.invite();
            far.accept(&invite);
            far.expect("ACK");
            far.is_hung_up();
        }),
    ]
}

fn rings(far: &mut Peer, status: &str) {
    let invite = far.expect("INVITE");
    far.say(&invite, status);
}

fn cancelled(far: &mut Peer, status: &str) {
    let cancel = far.expect_within("CANCEL", RING);
    far.say(&cancel, "200 OK");
    far.refuses(status);
}
