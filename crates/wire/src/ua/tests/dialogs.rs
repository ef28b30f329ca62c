//! What the far end may ask for within a call.

use std::time::Duration;

use super::by_hand::{ByHand, bare, header, ok, request, with_sdp};
use crate::{
    sdp::{Codec, Direction, parse},
    ua::{CallKey, EndCause, Event},
};

const HOLD: &str = "v=0\r\no=- 1 2 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n\
                    m=audio 4000 RTP/AVP 0 8\r\na=sendonly\r\n";

/// A call that is up.
fn talking() -> (ByHand, CallKey, String) {
    let mut far = ByHand::new();
    let (key, invited) = far.call();
    far.receive(ok(&invited, "b"));
    far.taken();
    far.events.clear();
    (far, key, invited)
}

fn body(message: &str) -> &str {
    message.split_once("\r\n\r\n").unwrap().1
}

fn renegotiations(far: &ByHand) -> usize {
    far.events.iter().filter(|(_, event)| matches!(event, Event::Renegotiated { .. })).count()
}

#[test]
fn hold_is_agreed_to_until_it_is_acknowledged() {
    let (mut far, key, invited) = talking();
    let hold = with_sdp(&invited, "INVITE", 1, "b", HOLD);
    far.receive(&hold);
    let agreed = far.one();
    assert!(agreed.starts_with("SIP/2.0 200 OK") && header(&agreed, "CSeq") == "1 INVITE");
    let ours = parse(body(&agreed).as_bytes(), &[Codec::Pcma, Codec::Pcmu]).unwrap();
    assert_eq!((ours.direction, ours.codec), (Direction::RecvOnly, Codec::Pcmu));
    assert!(body(&agreed).contains("o=- 1 2 IN"), "a new version of our session: {agreed}");
    assert_eq!(renegotiations(&far), 1);

    far.receive(&hold);
    assert_eq!(far.one(), agreed, "a repeated re-INVITE is the same one");
    assert_eq!(far.pass(Duration::from_secs(2)).len(), 2, "repeated until ACK");
    far.receive(bare(&invited, "ACK", 1, "b"));
    assert_eq!(far.pass(Duration::from_secs(10)), []);
    assert_eq!(renegotiations(&far), 1);

    far.hang_up(key);
    let bye = far.one();
    assert!(bye.starts_with("BYE sip:callee@192.0.2.2:5099 "), "the target moved: {bye}");
}

#[test]
fn a_re_invite_without_an_offer_gets_ours_and_its_answer_is_told() {
    let (mut far, _, invited) = talking();
    far.receive(bare(&invited, "INVITE", 1, "b"));
    let offered = far.one();
    assert!(parse(body(&offered).as_bytes(), &[Codec::Pcma]).is_ok());
    assert_eq!(renegotiations(&far), 0);
    far.receive(with_sdp(&invited, "ACK", 1, "b", HOLD));
    assert_eq!(renegotiations(&far), 1);
}

#[test]
fn a_re_invite_that_nobody_acknowledges_ends_the_call() {
    let (mut far, _, invited) = talking();
    far.receive(with_sdp(&invited, "INVITE", 1, "b", HOLD));
    far.one();
    let sent = far.pass(Duration::from_secs(33));
    assert!(sent.iter().any(|(_, what)| what == "BYE 2"), "{sent:?}");
    far.pass(Duration::from_secs(33));
    assert_eq!(far.cause(), EndCause::ByeSent);
    far.assert_all_released();
}

#[test]
fn what_we_cannot_speak_changes_nothing() {
    let (mut far, _, invited) = talking();
    let offers = [
        (HOLD.replace("0 8", "18"), 488),
        (HOLD.replace("4000", "0"), 488),
        ("hello".to_owned(), 400),
    ];
    for (cseq, (offer, code)) in (1..).zip(offers) {
        far.receive(with_sdp(&invited, "UPDATE", cseq, "b", &offer));
        assert!(far.one().starts_with(&format!("SIP/2.0 {code} ")), "{offer}");
    }
    assert_eq!(renegotiations(&far), 0);
    assert!(far.is_up());
}

#[test]
fn a_second_re_invite_must_wait_for_the_first() {
    let (mut far, _, invited) = talking();
    far.receive(with_sdp(&invited, "INVITE", 1, "b", HOLD));
    far.one();
    far.receive(with_sdp(&invited, "INVITE", 2, "b", HOLD));
    let refused = far.one();
    assert!(refused.starts_with("SIP/2.0 500 "), "RFC 3261 14.2: {refused}");
    assert_eq!(header(&refused, "Retry-After"), "1");
}

#[test]
fn other_requests_within_a_call_get_a_sensible_answer() {
    for (method, code) in [
        ("OPTIONS", 200),
        ("INFO", 200),
        ("UPDATE", 200),
        ("MESSAGE", 405),
        ("SUBSCRIBE", 405),
        ("REFER", 603),
        ("NOTIFY", 481),
        ("PRACK", 481),
        ("DANCE", 501),
        ("CANCEL", 200),
    ] {
        let (mut far, _, invited) = talking();
        far.receive(bare(&invited, method, 5, "b"));
        assert!(far.one().starts_with(&format!("SIP/2.0 {code} ")), "{method}");
        assert!(far.is_up(), "{method}");
    }
}

#[test]
fn an_extension_that_we_do_not_have_is_refused_by_name() {
    let (mut far, _, invited) = talking();
    far.receive(request(&invited, "INFO", 1, "b", "Require: 100rel, dance\r\n\r\n"));
    let refused = far.one();
    assert!(refused.starts_with("SIP/2.0 420 "));
    assert_eq!(header(&refused, "Unsupported"), "dance");
}

#[test]
fn requests_older_than_the_last_one_are_refused() {
    let (mut far, _, invited) = talking();
    far.receive(bare(&invited, "INFO", 7, "b"));
    far.one();
    for method in ["INFO", "BYE"] {
        far.receive(bare(&invited, method, 6, "b"));
        assert!(far.one().starts_with("SIP/2.0 500 "), "{method}");
    }
    assert!(far.is_up());
}

#[test]
fn a_request_with_another_tag_is_of_no_call_of_ours() {
    let (mut far, _, invited) = talking();
    for method in ["BYE", "INFO", "INVITE"] {
        far.receive(bare(&invited, method, 1, "somebody-else"));
        assert!(far.one().starts_with("SIP/2.0 481 "), "{method}");
    }
    far.receive(bare(&invited, "BYE", 1, "b").replace("Call-ID: att", "Call-ID: other"));
    assert!(far.one().starts_with("SIP/2.0 481 "));
    assert!(far.is_up());
}

#[test]
fn an_ended_call_answers_only_what_it_must() {
    let (mut far, _, invited) = talking();
    far.receive(bare(&invited, "BYE", 1, "b"));
    far.one();
    far.receive(with_sdp(&invited, "INVITE", 2, "b", HOLD));
    assert!(far.one().starts_with("SIP/2.0 481 "));
    far.receive(bare(&invited, "OPTIONS", 3, "b"));
    assert!(far.one().starts_with("SIP/2.0 200 "));
    assert_eq!(renegotiations(&far), 0);
}
