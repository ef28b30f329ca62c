//! The called side, message by message.

use std::time::Duration;

use super::{
    by_hand::{ByHand, answer, branch, header, headers, what},
    net::{End, description},
};
use crate::ua::{CallKey, EndCause, Event, Peer, UaConfig};

const SECOND: Duration = Duration::from_secs(1);

const INVITE: &str = "INVITE sip:+9198@192.0.2.1 SIP/2.0\r\n\
    Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKa\r\n\
    Record-Route: <sip:192.0.2.2;lr>\r\n\
    From: \"C\" <sip:+9111@far>;tag=a\r\nTo: <sip:+9198@near>\r\nCall-ID: c\r\nCSeq: 5 INVITE\r\n\
    Contact: <sip:c@192.0.2.2:5070>\r\n\r\n";

fn taking() -> ByHand {
    ByHand::with(UaConfig { accept_calls: true, ..UaConfig::new(End::Caller.addr()) })
}

/// A call came in.
fn called() -> (ByHand, CallKey) {
    let mut far = taking();
    far.receive(INVITE);
    assert!(far.one().starts_with("SIP/2.0 100 "));
    let (key, Event::Incoming(invite)) = far.events.remove(0) else { panic!("a call comes") };
    assert_eq!((invite.caller.as_str(), invite.callee.as_str()), ("+9111", "+9198"));
    assert_eq!((invite.call_id.as_str(), invite.from), ("c", Peer::udp(End::Callee.addr())));
    (far, key)
}

fn answered() -> (ByHand, CallKey, String) {
    let (mut far, key) = called();
    far.agent.answer(far.now, key, description(End::Caller));
    let ok = far.one();
    (far, key, ok)
}

/// The caller's next request within the call.
fn within(ok: &str, method: &str, cseq: u32) -> String {
    format!(
        "{method} sip:x@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK{method}\r\n\
         From: {}\r\nTo: {}\r\nCall-ID: c\r\nCSeq: {cseq} {method}\r\n\r\n",
        header(ok, "From"),
        header(ok, "To"),
    )
}

#[test]
fn a_call_rings_is_answered_and_talks() {
    let (mut far, key) = called();
    far.agent.ring(far.now, key, 180, None);
    let ringing = far.one();
    assert!(ringing.starts_with("SIP/2.0 180 Ringing"));
    far.receive(INVITE);
    assert_eq!(far.one(), ringing, "a repeated INVITE gets the last answer");
    assert_eq!(far.agent.invite_repeats(key), 1);
    far.agent.answer(far.now, key, description(End::Caller));
    let ok = far.one();
    assert_eq!(header(&ok, "To"), header(&ringing, "To"), "one tag");
    assert_eq!(headers(&ok, "Record-Route"), ["<sip:192.0.2.2;lr>"]);
    assert_eq!(far.pass(2 * SECOND).len(), 2, "repeated until ACK");
    far.receive(within(&ok, "ACK", 5));
    assert_eq!(far.pass(60 * SECOND), []);
    assert_eq!(far.events, [(key, Event::Acked { sdp: None })]);
    far.hang_up(key);
    let bye = far.one();
    assert!(bye.starts_with("BYE sip:c@192.0.2.2:5070 "), "{bye}");
    assert_eq!((what(&bye), header(&bye, "To")), ("BYE 1".to_owned(), "<sip:+9111@far>;tag=a"));
    assert_eq!(header(&bye, "Route"), "<sip:192.0.2.2;lr>");
    far.receive(answer(&bye, 200, "", ""));
    assert_eq!(far.cause(), EndCause::ByeSent);
    far.assert_all_released();
}

#[test]
fn an_answer_that_nobody_acknowledges_is_repeated_and_hung_up() {
    let (mut far, _, _) = answered();
    let sent = far.pass(33 * SECOND);
    let ok = sent.iter().filter(|(_, what)| what.starts_with("SIP/2.0")).count();
    assert_eq!(ok, 10, "{sent:?}");
    assert!(sent.iter().any(|(_, what)| what == "BYE 1"), "{sent:?}");
    far.pass(33 * SECOND);
    assert_eq!(far.cause(), EndCause::NoAck);
    far.assert_all_released();
}

#[test]
fn bye_waits_for_the_ack_of_the_answer() {
    let (mut far, key, ok) = answered();
    far.hang_up(key);
    assert_eq!(far.taken(), [""; 0], "RFC 3261 15");
    far.receive(within(&ok, "ACK", 5));
    assert_eq!(what(&far.one()), "BYE 1");
}

#[test]
fn a_cancelled_call_is_answered_487_and_ends_when_that_is_acknowledged() {
    let (mut far, key) = called();
    far.receive(INVITE.replace("INVITE", "CANCEL"));
    let sent = far.taken();
    assert!(sent[0].starts_with("SIP/2.0 200 ") && header(&sent[0], "CSeq") == "5 CANCEL");
    assert!(sent[1].starts_with("SIP/2.0 487 ") && header(&sent[1], "CSeq") == "5 INVITE");
    assert_eq!(header(&sent[0], "To"), header(&sent[1], "To"));
    assert_eq!(far.events, [(key, Event::Cancelled)]);
    far.agent.answer(far.now, key, description(End::Caller));
    assert_eq!(far.taken(), [""; 0], "too late to answer");
    far.receive(within(&sent[1], "ACK", 5).replace("z9hG4bKACK", "z9hG4bKa"));
    assert_eq!((far.cause(), far.ended().code), (EndCause::Cancelled, Some(487)));
    far.receive(INVITE.replace("INVITE", "CANCEL"));
    assert!(far.one().starts_with("SIP/2.0 200 "), "and once more");
    far.assert_all_released();
}

#[test]
fn a_cancel_that_comes_after_the_answer_changes_nothing() {
    let (mut far, _, ok) = answered();
    far.receive(INVITE.replace("INVITE", "CANCEL"));
    assert!(far.one().starts_with("SIP/2.0 200 "));
    far.receive(within(&ok, "ACK", 5));
    assert!(far.is_up());
}

#[test]
fn a_refusal_is_repeated_until_it_is_acknowledged_and_carries_its_headers() {
    let (mut far, key) = called();
    far.agent.reject(far.now, key, 503, &[("Retry-After", "7\r\nX: y".to_owned())]);
    let refused = far.one();
    assert_eq!(header(&refused, "Retry-After"), "7  X: y", "one line whatever it holds");
    assert_eq!(far.pass(2 * SECOND).len(), 2);
    far.receive(within(&refused, "ACK", 5).replace("z9hG4bKACK", branch(&refused)));
    assert_eq!(far.pass(20 * SECOND), []);
    assert_eq!((far.cause(), far.ended().code), (EndCause::Refused, Some(503)));
    far.assert_all_released();
}

#[test]
fn a_refusal_that_nobody_acknowledges_ends_by_itself() {
    let (mut far, key) = called();
    far.agent.reject(far.now, key, 486, &[]);
    far.pass(33 * SECOND);
    assert_eq!(far.cause(), EndCause::NoAck);
    far.assert_all_released();
}

#[test]
fn the_caller_hangs_up_before_it_acknowledged() {
    let (mut far, _, ok) = answered();
    far.receive(within(&ok, "BYE", 6));
    assert!(far.one().starts_with("SIP/2.0 200 "));
    assert_eq!(far.cause(), EndCause::ByeReceived);
    assert_eq!(far.pass(20 * SECOND), [], "the answer is not repeated any more");
    far.assert_all_released();
}

#[test]
fn calls_beyond_the_limit_are_answered_503_and_not_kept() {
    let mut far = ByHand::with(UaConfig {
        accept_calls: true,
        max_calls: 1,
        ..UaConfig::new(End::Caller.addr())
    });
    far.receive(INVITE);
    far.taken();
    far.receive(INVITE.replace("Call-ID: c", "Call-ID: d"));
    assert!(far.one().starts_with("SIP/2.0 503 "));
    assert_eq!(far.agent.kept_calls(), 1);
}

#[test]
fn the_same_call_with_another_branch_is_another_call() {
    let (mut far, _) = called();
    far.receive(INVITE.replace("z9hG4bKa", "z9hG4bKb").replace("CSeq: 5", "CSeq: 6"));
    far.taken();
    assert_eq!(far.agent.live_calls(), 2, "as after a challenge");
}
