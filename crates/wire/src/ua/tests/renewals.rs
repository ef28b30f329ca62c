//! Descriptions that change while a call is up: offers of ours, theirs, and both at once.

use std::time::Duration;

use super::{
    by_hand::{ByHand, answer, bare, branch, header, headers, ok, what, with_sdp},
    net::{End, Net, Weather, description, invite},
};
use crate::{
    sdp::{Codec, Direction, parse},
    ua::{Auth, CallKey, EndCause, Event, Invite, Means, UserAgent},
};

const SECOND: Duration = Duration::from_secs(1);
const CONTACT: &str = "Contact: <sip:callee@192.0.2.2:5060>\r\n";

fn talking() -> (ByHand, CallKey, String) {
    let mut far = ByHand::new();
    let (key, invited) = far.call();
    far.receive(ok(&invited, "b"));
    far.taken();
    far.events.clear();
    (far, key, invited)
}

fn offer(far: &mut ByHand, key: CallKey, means: Means) -> String {
    assert!(far.agent.renegotiate(far.now, key, means, description(End::Caller)));
    far.one()
}

fn sdp() -> String {
    String::from_utf8(description(End::Callee)).unwrap()
}

#[test]
fn an_offer_of_ours_is_answered_once_and_acknowledged_as_often_as_it_takes() {
    let (mut far, key, _) = talking();
    let asked = offer(&mut far, key, Means::Reinvite);
    assert_eq!(what(&asked), "INVITE 2");
    assert_eq!(headers(&asked, "Contact").len(), 1);
    assert!(!far.agent.renegotiate(far.now, key, Means::Update, Vec::new()), "one at a time");
    assert_eq!(far.pass(2 * SECOND).len(), 2, "Timer A");
    far.receive(answer(&asked, 100, "", ""));
    assert_eq!(far.pass(20 * SECOND), [], "it was heard");
    let answered = answer(&asked, 200, "", "Contact: <sip:moved@192.0.2.2:5077>\r\n");
    far.receive(&answered);
    let ack = far.one();
    assert!(ack.starts_with("ACK sip:moved@192.0.2.2:5077 "), "{ack}");
    assert_eq!(what(&ack), "ACK 2");
    assert_ne!(branch(&ack), branch(&asked), "RFC 3261 13.2.2.4");
    far.receive(&answered);
    assert_eq!(far.one(), ack);
    assert_eq!(far.events, [(key, Event::Reanswered { code: 200, sdp: None })]);
    far.hang_up(key);
    assert!(far.one().starts_with("BYE sip:moved@192.0.2.2:5077 "), "the target moved");
}

#[test]
fn a_refused_offer_leaves_the_call_as_it_was() {
    for (means, code) in [(Means::Reinvite, 488), (Means::Update, 488), (Means::Update, 405)] {
        let (mut far, key, invited) = talking();
        let asked = offer(&mut far, key, means);
        let refusal = answer(&asked, code, "", "");
        far.receive(&refusal);
        if means == Means::Reinvite {
            let ack = far.one();
            assert_eq!((branch(&ack), what(&ack).as_str()), (branch(&asked), "ACK 2"));
            far.receive(&refusal);
            assert_eq!(far.one(), ack, "its ACK was lost");
        }
        assert_eq!(far.events, [(key, Event::Reanswered { code, sdp: None })]);
        far.receive(bare(&invited, "INVITE", 1, "b"));
        let ours = far.one();
        assert!(ours.contains("o=- 1 1 IN"), "still the description of the INVITE: {ours}");
        assert!(far.is_up());
    }
}

#[test]
fn a_challenged_offer_is_proved() {
    let auth = Auth { username: "u".to_owned(), password: "p".to_owned(), realm: None };
    let mut far = ByHand::new();
    let (key, invited) = far.place(Invite { auth: Some(auth), ..invite(1) });
    far.receive(answer(&invited, 200, "b", CONTACT));
    far.taken();
    let asked = offer(&mut far, key, Means::Reinvite);
    let ask = "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n";
    far.receive(answer(&asked, 407, "", ask));
    let sent = far.taken();
    assert_eq!(sent.iter().map(|sent| what(sent)).collect::<Vec<_>>(), ["ACK 2", "INVITE 3"]);
    assert_eq!(headers(&sent[1], "Proxy-Authorization").len(), 1);
    far.receive(answer(&sent[1], 407, "", ask));
    assert_eq!(what(&far.one()), "ACK 3", "a wrong password stays wrong");
    assert!(far.is_up());
}

#[test]
fn theirs_while_ours_is_open_is_refused_491() {
    for ours in [Means::Reinvite, Means::Update] {
        for theirs in ["INVITE", "UPDATE"] {
            let (mut far, key, invited) = talking();
            offer(&mut far, key, ours);
            far.receive(with_sdp(&invited, theirs, 1, "b", &sdp()));
            let refused = far.one();
            assert!(refused.starts_with("SIP/2.0 491 "), "{ours:?} {theirs}: {refused}");
            assert!(!far.events.iter().any(|(_, e)| matches!(e, Event::Renegotiated { .. })));
        }
    }
    // Their late offer's answer is on its way in ACK: another offer has to wait.
    let (mut far, _, invited) = talking();
    far.receive(bare(&invited, "INVITE", 1, "b"));
    far.taken();
    far.receive(with_sdp(&invited, "UPDATE", 2, "b", &sdp()));
    assert!(far.one().starts_with("SIP/2.0 491 "));
    // With their own offer answered, it need not.
    let (mut far, _, invited) = talking();
    far.receive(with_sdp(&invited, "INVITE", 1, "b", &sdp()));
    far.taken();
    far.receive(with_sdp(&invited, "UPDATE", 2, "b", &sdp()));
    assert!(far.one().starts_with("SIP/2.0 200 "));
}

#[test]
fn ours_that_is_refused_491_is_tried_again_after_a_while() {
    let (mut far, key, _) = talking();
    let mut asked = offer(&mut far, key, Means::Reinvite);
    for _ in 0..4 {
        far.receive(answer(&asked, 491, "", ""));
        assert!(far.one().starts_with("ACK "));
        let began = far.now;
        far.now = far.agent.poll_timeout().unwrap();
        far.agent.handle_timeout(far.now);
        let wait = (far.now - began).as_millis();
        assert!((2_100..=4_000).contains(&wait) && wait.is_multiple_of(10), "{wait} ms");
        asked = far.one();
        assert!(asked.starts_with("INVITE "));
    }
    far.receive(answer(&asked, 491, "", ""));
    far.taken();
    assert_eq!(far.events, [(key, Event::Reanswered { code: 491, sdp: None })]);
}

#[test]
fn an_offer_that_nobody_answers_ends_the_call() {
    for means in [Means::Reinvite, Means::Update] {
        let (mut far, key, _) = talking();
        offer(&mut far, key, means);
        let sent = far.pass(33 * SECOND);
        assert!(sent.iter().any(|(_, what)| what == "BYE 3"), "{sent:?}");
        assert_eq!(far.cause(), EndCause::SessionExpired, "RFC 3261 12.2.1.2");
    }
}

#[test]
fn a_bye_overtakes_an_open_offer() {
    let (mut far, key, invited) = talking();
    let asked = offer(&mut far, key, Means::Reinvite);
    far.hang_up(key);
    let bye = far.one();
    assert_eq!(what(&bye), "BYE 3");
    far.receive(answer(&asked, 487, "", ""));
    assert_eq!(what(&far.one()), "ACK 2");
    far.receive(answer(&bye, 200, "", ""));
    assert_eq!(far.cause(), EndCause::ByeSent);
    far.assert_all_released();

    let (mut far, key, _) = talking();
    offer(&mut far, key, Means::Update);
    far.receive(bare(&invited, "BYE", 1, "b"));
    assert!(far.one().starts_with("SIP/2.0 200 "));
    assert_eq!(far.cause(), EndCause::ByeReceived);
    assert_eq!(far.pass(10 * SECOND), [], "nothing of an ended call is repeated");
    assert!(!far.agent.renegotiate(far.now, key, Means::Update, Vec::new()));
    far.assert_all_released();
}

#[test]
fn every_change_of_theirs_gets_the_answer_that_fits() {
    let (mut far, _, invited) = talking();
    let base = "v=0\r\no=- 1 2 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n\
                m=audio 4000 RTP/AVP 0 8\r\n";
    let changes: [(String, Direction, Codec); 6] = [
        (base.to_owned() + "a=sendonly\r\n", Direction::RecvOnly, Codec::Pcmu),
        (base.to_owned() + "a=inactive\r\n", Direction::Inactive, Codec::Pcmu),
        (base.to_owned() + "a=recvonly\r\n", Direction::SendOnly, Codec::Pcmu),
        (base.replace("0 8", "8"), Direction::SendRecv, Codec::Pcma),
        (base.to_owned() + "a=ptime:40\r\n", Direction::SendRecv, Codec::Pcmu),
        (base.replace("c=IN IP4 192.0.2.2", "c=IN IP4 0.0.0.0"), Direction::SendRecv, Codec::Pcmu),
    ];
    let mut version = 1;
    for (cseq, (offer, direction, codec)) in (1..).zip(changes) {
        let method = if cseq % 2 == 0 { "UPDATE" } else { "INVITE" };
        far.receive(with_sdp(&invited, method, cseq, "b", &offer));
        let agreed = far.one();
        let (_, body) = agreed.split_once("\r\n\r\n").unwrap();
        let ours = parse(body.as_bytes(), &[Codec::Pcma, Codec::Pcmu]).unwrap();
        assert_eq!((ours.direction, ours.codec), (direction, codec), "{offer}");
        version += 1;
        assert!(body.contains(&format!("o=- 1 {version} IN")), "{body}");
        if method == "INVITE" {
            far.receive(bare(&invited, "ACK", cseq, "b"));
        }
    }
    let told = far.events.iter().filter(|(_, e)| matches!(e, Event::Renegotiated { .. })).count();
    assert_eq!(told, 6);
    assert_eq!(header(&invited, "CSeq"), "1 INVITE");
}

/// Answers at once.
fn answers(agent: &mut UserAgent, now: crate::time::Time, key: CallKey, event: &Event) {
    if let Event::Incoming(_) = event {
        agent.answer(now, key, description(End::Callee));
    }
}

#[test]
fn two_agents_that_offer_at_once_come_to_terms() {
    let mut net = Net::new(1, Weather::FAIR, answers);
    let call = net.caller.invite(net.now, invite(1)).unwrap();
    net.later(SECOND, move |net| {
        let (_, _, key, _) = net.events[0].clone();
        let now = net.now;
        assert!(net.caller.renegotiate(now, call, Means::Reinvite, description(End::Caller)));
        assert!(net.callee.renegotiate(now, key, Means::Reinvite, description(End::Callee)));
    });
    net.later(30 * SECOND, move |net| net.caller.hang_up(net.now, call));
    net.run(90 * SECOND);
    let agreed = net
        .events
        .iter()
        .filter(|(_, _, _, event)| matches!(event, Event::Reanswered { code: 200, .. }))
        .count();
    assert_eq!(agreed, 2, "{}", net.ladder());
    assert_eq!(net.log.iter().filter(|(_, _, line)| line.contains(" 491 ")).count(), 2);
    super::pair::assert_empty(&mut net);
}

#[test]
fn two_agents_that_hang_up_at_once_both_get_their_200() {
    let mut net = Net::new(1, Weather::FAIR, answers);
    let call = net.caller.invite(net.now, invite(1)).unwrap();
    net.later(SECOND, move |net| {
        let (_, _, key, _) = net.events[0].clone();
        net.caller.hang_up(net.now, call);
        net.callee.hang_up(net.now, key);
    });
    net.run(60 * SECOND);
    let byes: Vec<_> = net.log.iter().filter(|(_, _, line)| line.starts_with("BYE")).collect();
    assert_eq!(byes.len(), 2, "{}", net.ladder());
    assert_eq!(net.ends(End::Caller), [EndCause::ByeSent]);
    assert_eq!(net.ends(End::Callee), [EndCause::ByeSent]);
    assert_eq!(net.log.iter().filter(|(_, _, line)| line == "SIP/2.0 200 OK").count(), 3);
    super::pair::assert_empty(&mut net);
}
