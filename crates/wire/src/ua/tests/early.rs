//! Before the answer: reliable provisionals (RFC 3262), UPDATE (RFC 3311), offers that come late.

use std::time::Duration;

use super::{
    by_hand::{ByHand, answer, bare, branch, header, headers, request, what, with_sdp},
    net::{End, description, invite},
};
use crate::{
    sdp::{Codec, parse},
    ua::{Auth, CallKey, EndCause, Event, Invite},
};

const SECOND: Duration = Duration::from_secs(1);

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n\
                   m=audio 4000 RTP/AVP 8 0\r\n";

/// A provisional that asks for PRACK.
fn reliable(invited: &str, code: u16, tag: &str, rseq: u32) -> String {
    let more =
        format!("Contact: <sip:callee@192.0.2.2:5070>\r\nRequire: 100rel\r\nRSeq: {rseq}\r\n");
    answer(invited, code, tag, &more)
}

fn described(message: &str, sdp: &str) -> String {
    let body =
        format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len());
    message.replace("Content-Length: 0\r\n\r\n", &body)
}

fn body(message: &str) -> &str {
    message.split_once("\r\n\r\n").unwrap().1
}

fn provisionals(far: &ByHand) -> Vec<u16> {
    let code = |event: &Event| match event {
        Event::Provisional { code, .. } => Some(*code),
        _ => None,
    };
    far.events.iter().filter_map(|(_, event)| code(event)).collect()
}

/// A call whose answer to our offer came in a reliable 183.
fn early() -> (ByHand, CallKey, String) {
    let mut far = ByHand::new();
    let (key, invited) = far.call();
    far.receive(described(&reliable(&invited, 183, "b", 5), SDP));
    let prack = far.one();
    far.receive(answer(&prack, 200, "", ""));
    (far, key, invited)
}

#[test]
fn a_reliable_provisional_is_acknowledged_in_its_dialog() {
    let mut far = ByHand::new();
    let (_, invited) = far.call();
    assert!(header(&invited, "Supported").contains("100rel"));
    let routed = reliable(&invited, 183, "b", 776)
        .replace("Require", "Record-Route: <sip:192.0.2.2:5080;lr>, <sip:192.0.2.2;lr>\r\nRequire");
    far.receive(&routed);
    let prack = far.one();
    assert!(prack.starts_with("PRACK sip:callee@192.0.2.2:5070 SIP/2.0"), "{prack}");
    assert_eq!((what(&prack).as_str(), header(&prack, "RAck")), ("PRACK 2", "776 1 INVITE"));
    assert_eq!(header(&prack, "To"), format!("{};tag=b", header(&invited, "To")));
    assert_eq!(headers(&prack, "Route"), ["<sip:192.0.2.2;lr>", "<sip:192.0.2.2:5080;lr>"]);
    assert_ne!(branch(&prack), branch(&invited));
    assert_eq!(provisionals(&far), [183]);

    far.receive(&routed);
    assert_eq!(far.taken(), [""; 0], "it came again; its PRACK is repeated by itself");
    let sent = far.pass(2 * SECOND);
    assert_eq!(sent, [(500, "PRACK 2".to_owned()), (1_500, "PRACK 2".to_owned())]);
    far.receive(answer(&prack, 200, "", ""));
    assert_eq!(far.pass(20 * SECOND), []);

    far.receive(answer(&invited, 200, "b", "Contact: <sip:callee@192.0.2.2:5070>\r\n"));
    assert_eq!(what(&far.one()), "ACK 1");
    far.hang_up(far.events[0].0);
    assert_eq!(what(&far.one()), "BYE 3", "PRACK had taken 2");
}

#[test]
fn provisionals_are_taken_in_their_order_and_each_once() {
    let mut far = ByHand::new();
    let (_, invited) = far.call();
    let mut tell = |code, rseq| {
        far.receive(reliable(&invited, code, "b", rseq));
        far.taken().iter().map(|sent| header(sent, "RAck").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(tell(180, 10), ["10 1 INVITE"]);
    assert_eq!(tell(183, 12), [""; 0], "it overtook another (RFC 3262 4)");
    assert_eq!(tell(181, 9), [""; 0], "older than the first");
    assert_eq!(tell(182, 11), ["11 1 INVITE"]);
    assert_eq!(tell(183, 12), ["12 1 INVITE"]);
    assert_eq!(tell(183, 12), [""; 0]);
    assert_eq!(provisionals(&far), [180, 182, 183]);
    // What is no reliable provisional after all, is none.
    for odd in ["RSeq: 0", "RSeq: x", "Other: 13"] {
        let plain = reliable(&invited, 180, "b", 13).replace("RSeq: 13", odd);
        far.receive(plain);
        assert_eq!(far.taken(), [""; 0], "{odd}");
    }
    far.receive(reliable(&invited, 183, "fork", 1));
    assert_eq!(header(&far.one(), "RAck"), "1 1 INVITE", "another fork counts for itself");
}

#[test]
fn a_prack_that_nobody_answers_leaves_the_call_to_its_invite() {
    let mut far = ByHand::new();
    let (_, invited) = far.call();
    far.receive(reliable(&invited, 180, "b", 1));
    far.taken();
    let sent = far.pass(40 * SECOND);
    assert!(sent.len() > 5 && sent.iter().all(|(_, what)| what == "PRACK 2"), "{sent:?}");
    assert!(far.is_up());
    far.receive(answer(&invited, 486, "b", ""));
    assert_eq!(far.cause(), EndCause::Refused);
    far.taken();
    far.assert_all_released();
}

#[test]
fn a_challenged_prack_is_proved_and_its_refusal_does_no_harm() {
    let auth = Auth { username: "u".to_owned(), password: "p".to_owned(), realm: None };
    let mut far = ByHand::new();
    let (_, invited) = far.place(Invite { auth: Some(auth), ..invite(1) });
    let there = reliable(&invited, 180, "b", 1).replace("192.0.2.2:5070", "192.0.2.2:5060");
    far.receive(there);
    let prack = far.one();
    far.receive(answer(&prack, 401, "", "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n"));
    let again = far.one();
    assert_eq!((what(&again).as_str(), header(&again, "RAck")), ("PRACK 3", "1 1 INVITE"));
    assert_eq!(headers(&again, "Authorization").len(), 1);
    far.receive(answer(&again, 481, "", ""));
    assert_eq!((far.taken().len(), far.is_up()), (0, true));
}

#[test]
fn an_answer_without_a_description_means_that_of_the_provisional() {
    let (mut far, _, invited) = early();
    far.receive(answer(&invited, 200, "b", "Contact: <sip:callee@192.0.2.2:5070>\r\n"));
    let answered = far.events.iter().find_map(|(_, event)| match event {
        Event::Answered { sdp, .. } => sdp.clone(),
        _ => None,
    });
    assert_eq!(answered.as_deref(), Some(SDP.as_bytes()));
}

#[test]
fn an_update_before_the_answer_is_taken_once_an_offer_was_answered() {
    let moved = SDP.replace("4000", "4002");
    let mut far = ByHand::new();
    let (_, invited) = far.call();
    far.receive(with_sdp(&invited, "UPDATE", 1, "b", &moved));
    assert!(far.one().starts_with("SIP/2.0 481 "), "there is no dialog");
    far.receive(reliable(&invited, 180, "b", 1));
    far.taken();
    far.receive(with_sdp(&invited, "UPDATE", 1, "b", &moved));
    assert!(far.one().starts_with("SIP/2.0 491 "), "our offer is not answered (RFC 3311 5.2)");
    far.receive(bare(&invited, "UPDATE", 2, "b"));
    assert!(far.one().starts_with("SIP/2.0 200 "), "it offers nothing");

    let (mut far, key, invited) = early();
    far.events.clear();
    far.receive(with_sdp(&invited, "UPDATE", 1, "b", &moved));
    let agreed = far.one();
    assert!(agreed.starts_with("SIP/2.0 200 ") && body(&agreed).starts_with("v=0"), "{agreed}");
    assert_eq!(far.events, [(key, Event::Renegotiated { sdp: moved.into_bytes() })]);
    far.receive(with_sdp(&invited, "INVITE", 2, "b", SDP));
    assert!(far.one().starts_with("SIP/2.0 491 "), "ours is not answered (RFC 3261 14.2)");
    for (method, code) in [("INFO", 200), ("OPTIONS", 200), ("REFER", 603), ("DANCE", 501)] {
        far.receive(bare(&invited, method, 3, "b"));
        assert!(far.one().starts_with(&format!("SIP/2.0 {code} ")), "{method}");
    }
}

#[test]
fn an_offer_in_a_provisional_is_answered_in_its_prack() {
    let mut far = ByHand::new();
    let (_, invited) = far.place(Invite { late_offer: true, ..invite(1) });
    assert_eq!(body(&invited), "");
    far.receive(described(&reliable(&invited, 183, "b", 1), SDP));
    let prack = far.one();
    let ours = parse(body(&prack).as_bytes(), &[Codec::Pcma, Codec::Pcmu]).unwrap();
    assert_eq!((ours.codec, ours.addr.port()), (Codec::Pcma, 20_000));
    far.receive(answer(&prack, 200, "", ""));
    far.receive(answer(&invited, 200, "b", "Contact: <sip:callee@192.0.2.2:5070>\r\n"));
    let ack = far.one();
    assert_eq!((what(&ack).as_str(), body(&ack)), ("ACK 1", ""), "all is said");
    assert!(far.is_up());
}

#[test]
fn an_offer_in_the_answer_is_answered_in_its_ack_or_the_call_is_hung_up() {
    let contact = "Contact: <sip:callee@192.0.2.2:5070>\r\n";
    for (offer, agreed) in [(SDP.to_owned(), true), (SDP.replace("8 0", "18"), false)] {
        let mut far = ByHand::new();
        let (_, invited) = far.place(Invite { late_offer: true, ..invite(1) });
        let ok = described(&answer(&invited, 200, "b", contact), &offer);
        far.receive(&ok);
        let sent = far.taken();
        let said: Vec<_> = sent.iter().map(|sent| what(sent)).collect();
        if agreed {
            assert_eq!(said, ["ACK 1"]);
            assert!(parse(body(&sent[0]).as_bytes(), &[Codec::Pcma]).is_ok());
            far.receive(&ok);
            assert_eq!(body(&far.one()), body(&sent[0]), "as often as it is asked for");
        } else {
            assert_eq!(said, ["ACK 1", "BYE 2"], "RFC 3261 13.2.2.4");
            far.receive(answer(&sent[1], 200, "", ""));
            assert_eq!(far.cause(), EndCause::ByeSent);
        }
    }
}

#[test]
fn the_early_dialog_is_hung_up_by_cancel_and_gone_with_it() {
    let (mut far, key, invited) = early();
    far.hang_up(key);
    assert_eq!(what(&far.one()), "CANCEL 1");
    far.receive(answer(&invited, 487, "b", ""));
    far.taken();
    assert_eq!(far.cause(), EndCause::Cancelled);
    far.receive(request(&invited, "INFO", 9, "b", "\r\n"));
    assert!(far.one().starts_with("SIP/2.0 481 "));
    far.assert_all_released();
}

#[test]
fn what_a_carrier_requires_and_we_lack_is_a_refusal() {
    for (code, more) in [(420, "Unsupported: timer\r\n"), (421, "Require: dance\r\n")] {
        let mut far = ByHand::new();
        let (_, invited) = far.call();
        far.receive(answer(&invited, code, "b", more));
        assert_eq!(what(&far.one()), "ACK 1");
        assert_eq!((far.cause(), far.ended().code), (EndCause::Refused, Some(code)));
    }
}

#[test]
fn two_agents_ring_reliably_update_and_talk() {
    use super::net::{Net, Weather};
    use crate::ua::Means;
    let mut net = Net::new(1, Weather::FAIR, |agent, now, key, event| {
        if let Event::Incoming(_) = event {
            agent.ring_reliably(now, key, 183, Some(description(End::Callee)));
            agent.ring_reliably(now, key, 180, None);
        }
    });
    let call = net.caller.invite(net.now, invite(1)).unwrap();
    net.later(2 * SECOND, |net| {
        let (_, _, key, _) = net.events[0].clone();
        let (now, sdp) = (net.now, description(End::Callee));
        assert!(!net.callee.renegotiate(now, key, Means::Reinvite, sdp.clone()), "not answered");
        assert!(net.callee.renegotiate(now, key, Means::Update, sdp.clone()));
        assert!(!net.callee.renegotiate(now, key, Means::Update, sdp), "one is under way");
    });
    net.later(4 * SECOND, |net| {
        let (_, _, key, _) = net.events[0].clone();
        net.callee.answer(net.now, key, description(End::Callee));
    });
    net.later(6 * SECOND, move |net| net.caller.hang_up(net.now, call));
    net.run(60 * SECOND);
    insta::assert_snapshot!(net.ladder());
    assert_eq!(net.ends(End::Caller), [EndCause::ByeSent]);
    super::pair::assert_empty(&mut net);
}
