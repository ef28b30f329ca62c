//! What goes on beside the call itself: provisionals that must be acknowledged (RFC 3262), and
//! sessions that must be refreshed (RFC 4028).

use std::time::Duration;

use serde_json::json;

use super::{
    Scenario,
    peer::{AS_SDP, Ear, Peer, audio},
};

const COMPLETED: (&str, &str) = ("completed", "200");
/// The shortest session that the dialler refreshes as often as it should: every 10 s.
const SHORT: u32 = 20;

pub(super) fn all() -> Vec<Scenario> {
    vec![
        Scenario::new("a 183 that is to be acknowledged", COMPLETED, |far| {
            let invite = far.expect("INVITE");
            assert!(invite.header("Supported").contains("100rel"), "{}", invite.text());
            rings_reliably(far, 1);
            let prack = far.expect("PRACK");
            assert_eq!(prack.header("RAck"), format!("1 {} INVITE", invite.cseq()));
            far.say(&prack, "200 OK");
            far.accept(&invite);
            far.expect("ACK");
            far.is_hung_up();
        }),
        Scenario::new("a 183 that comes again is acknowledged once", COMPLETED, |far| {
            let invite = far.expect("INVITE");
            rings_reliably(far, 7);
            rings_reliably(far, 7);
            let prack = far.expect("PRACK");
            far.say(&prack, "200 OK");
            far.hears_nothing(Duration::from_millis(200));
            far.accept(&invite);
            far.expect("ACK");
            far.is_hung_up();
        }),
        Scenario::new("a 183 that overtook another waits for it", COMPLETED, |far| {
            let invite = far.expect("INVITE");
            for number in [1, 3, 2] {
                rings_reliably(far, number);
                if number != 3 {
                    let prack = far.expect("PRACK");
                    assert!(prack.header("RAck").starts_with(&format!("{number} ")));
                    far.say(&prack, "200 OK");
                }
            }
            far.accept(&invite);
            far.expect("ACK");
            far.is_hung_up();
        }),
        Scenario::new("a 183 is acknowledged, and then the line is busy", ("busy", "486"), |far| {
            far.expect("INVITE");
            rings_reliably(far, 1);
            let prack = far.expect("PRACK");
            far.say(&prack, "200 OK");
            far.refuses("486 Busy Here");
        }),
        Scenario::new("a session of ours that is too short for them", COMPLETED, |far| {
            let invite = far.expect("INVITE");
            far.send(invite.answer("422 Session Interval Too Small", "Min-SE: 3600\r\n", ""));
            far.expect("ACK");
            let second = far.expect("INVITE");
            let seconds = second.header("Session-Expires").split(';').next().unwrap();
            assert!(seconds.parse::<u32>().unwrap() >= 3_600, "{}", second.text());
            assert_eq!(second.header("Min-SE"), "3600");
            far.accept(&second);
            far.expect("ACK");
            far.is_hung_up();
        }),
        talk("a session that we refresh by UPDATE", |far| {
            agrees(far, "uac", "Allow: INVITE, ACK, BYE, UPDATE\r\n");
            let update = far.expect("UPDATE");
            assert!(update.find("Session-Expires").is_some(), "{}", update.text());
            let again = session("uac");
            far.send(update.answer("200 OK", &format!("{}{again}", far.contact()), ""));
            far.hangs_up();
        }),
        talk("a session that we refresh by re-INVITE", |far| {
            agrees(far, "uac", "Allow: INVITE, ACK, BYE\r\n");
            let again = far.expect("INVITE");
            assert!(again.find("Session-Expires").is_some(), "{}", again.text());
            far.accept_with(&again, &session("uac"));
            far.expect("ACK");
            far.hangs_up();
        }),
        talk("a session that they refresh", |far| {
            agrees(far, "uas", "");
            std::thread::sleep(Duration::from_secs(u64::from(SHORT) / 2));
            let contact = far.contact();
            let more =
                format!("{contact}Session-Expires: 90;refresher=uac\r\nSupported: timer\r\n");
            let answer = far.ask("UPDATE", &more, "");
            assert_eq!(answer.code, 200, "{answer:?}");
            assert!(answer.header("Session-Expires").is_some(), "{answer:?}");
            far.hangs_up();
        }),
        // The far end is gone: BYE before the session is over (RFC 4028 10).
        talk("a session that nobody refreshes", |far| {
            agrees(far, "uas", "");
            let bye = far.expect_within("BYE", Duration::from_secs(u64::from(SHORT) + 1));
            far.say(&bye, "200 OK");
        }),
        talk("a refresh of ours that nobody answers", |far| {
            agrees(far, "uac", "Allow: INVITE, ACK, BYE, UPDATE\r\n");
            let update = far.expect("UPDATE");
            far.say(&update, "481 Call/Transaction Does Not Exist");
            far.is_hung_up();
        }),
    ]
}

/// A call in which nobody is heard and the bot listens, until the session says otherwise.
fn talk(name: &str, play: fn(&mut Peer)) -> Scenario {
    Scenario::new(name, COMPLETED, play)
        .listens()
        .settings(json!({ "no_media_seconds": 120, "silent_customer_seconds": 120 }))
}

/// A 183 that asks for PRACK.
fn rings_reliably(far: &mut Peer, number: u32) {
    let more = format!("Require: 100rel\r\nRSeq: {number}\r\n{}{AS_SDP}", far.contact());
    let invite = far.invite();
    far.send(invite.answer("183 Session Progress", &more, &audio(9)));
}

/// Answers with a short session that this side refreshes.
fn agrees(far: &mut Peer, refresher: &str, more: &str) {
    let (ear, invite) = (Ear::new(), far.expect("INVITE"));
    assert!(invite.header("Supported").contains("timer"), "{}", invite.text());
    let session = format!("{}Require: timer\r\n{more}", session(refresher));
    let more = format!("{}{AS_SDP}{session}", far.contact());
    far.send(invite.answer("200 OK", &more, &audio(ear.port())));
    far.expect("ACK");
    ear.hears(8);
}

fn session(refresher: &str) -> String {
    format!("Session-Expires: {SHORT};refresher={refresher}\r\n")
}
