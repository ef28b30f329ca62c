//! Session timers (RFC 4028), from both ends.

use std::time::Duration;

use super::{
    by_hand::{ByHand, answer, bare, header, headers, request, what, with_sdp},
    net::{End, Net, Weather, description, invite},
};
use crate::ua::{CallKey, EndCause, Event, UaConfig};

const SECOND: Duration = Duration::from_secs(1);
const CONTACT: &str = "Contact: <sip:callee@192.0.2.2:5070>\r\n";

/// A call that is up, with what its 200 says of the session.
fn talking(session: &str) -> (ByHand, CallKey, String) {
    let mut far = ByHand::new();
    let (key, invited) = far.call();
    far.receive(answer(&invited, 200, "b", &format!("{CONTACT}{session}")));
    far.taken();
    far.events.clear();
    (far, key, invited)
}

/// The next message of ours, and after how many seconds it went out.
fn next(far: &mut ByHand) -> (u64, String) {
    let began = far.now;
    while let Some(at) = far.agent.poll_timeout() {
        far.now = at;
        far.agent.handle_timeout(at);
        let sent = far.taken();
        if let [sent] = &*sent {
            return ((far.now - began).as_secs(), sent.clone());
        }
        assert!(sent.is_empty(), "{sent:#?}");
    }
    panic!("nothing is to come")
}

#[test]
fn an_invite_asks_for_a_session_and_a_422_for_a_longer_one() {
    let mut far = ByHand::new();
    let (_, invited) = far.call();
    assert_eq!(header(&invited, "Session-Expires"), "1800");
    assert!(header(&invited, "Supported").contains("timer"));
    far.receive(answer(&invited, 422, "x", "Min-SE: 3600\r\n"));
    let again = far.taken().remove(1);
    assert_eq!(what(&again), "INVITE 2");
    assert_eq!((header(&again, "Session-Expires"), header(&again, "Min-SE")), ("3600", "3600"));
    far.receive(answer(&again, 422, "x", "Min-SE: 3600\r\n"));
    assert_eq!(what(&far.one()), "ACK 2");
    assert_eq!((far.cause(), far.ended().code), (EndCause::Refused, Some(422)), "no end of it");

    let none = UaConfig { session_expires: None, ..UaConfig::new(End::Caller.addr()) };
    let (_, invited) = ByHand::with(none).call();
    assert!(headers(&invited, "Session-Expires").is_empty());
}

#[test]
fn we_refresh_by_update_at_half_time() {
    let (mut far, _, _) =
        talking("Session-Expires: 200;refresher=uac\r\nAllow: INVITE, BYE, UPDATE\r\n");
    for cseq in [2, 3] {
        let (after, update) = next(&mut far);
        assert_eq!((after, what(&update)), (100, format!("UPDATE {cseq}")));
        assert_eq!(header(&update, "Session-Expires"), "200;refresher=uac");
        assert_eq!(header(&update, "Content-Length"), "0", "nothing is described anew");
        far.receive(answer(&update, 200, "", "Session-Expires: 200;refresher=uac\r\n"));
    }
    assert_eq!(far.events, [], "the owner need not know");
    // A 200 that says nothing of it turns it off.
    let (_, update) = next(&mut far);
    far.receive(answer(&update, 200, "", ""));
    assert_eq!(far.agent.poll_timeout(), None);
}

#[test]
fn we_refresh_by_re_invite_where_update_is_not_taken() {
    let (mut far, _, invited) = talking("Session-Expires: 90;refresher=uac\r\nAllow: INVITE\r\n");
    let (after, again) = next(&mut far);
    assert_eq!((after, what(&again).as_str()), (45, "INVITE 2"));
    let body = |message: &str| message.split_once("\r\n\r\n").unwrap().1.to_owned();
    assert_eq!(body(&again), body(&invited), "the same description, the same version");
    far.receive(answer(&again, 100, "", ""));
    let ok = answer(&again, 200, "", &format!("{CONTACT}x: 90;refresher=uac\r\n"));
    far.receive(&ok);
    let ack = far.one();
    assert_eq!(what(&ack), "ACK 2");
    far.receive(&ok);
    assert_eq!(far.one(), ack, "the ACK was lost");

    // Allow said UPDATE, yet it is refused.
    let (mut far, _, _) = talking("Session-Expires: 90;refresher=uac\r\nAllow: UPDATE\r\n");
    let (_, update) = next(&mut far);
    far.receive(answer(&update, 501, "", ""));
    assert_eq!(what(&far.one()), "INVITE 3");
}

#[test]
fn a_far_end_that_answers_no_refresh_is_hung_up_on() {
    let session = "Session-Expires: 200;refresher=uac\r\nAllow: UPDATE\r\n";
    for code in [408, 481] {
        let (mut far, _, _) = talking(session);
        let (_, update) = next(&mut far);
        far.receive(answer(&update, code, "", ""));
        assert_eq!(what(&far.one()), "BYE 3");
        assert_eq!(far.cause(), EndCause::SessionExpired, "it does not wait for an answer");
        far.assert_all_released();
    }
    let (mut far, _, _) = talking(session);
    next(&mut far);
    let sent = far.pass(33 * SECOND);
    assert_eq!(sent.last().unwrap().1, "BYE 3", "{sent:?}");
    assert_eq!(far.cause(), EndCause::SessionExpired);

    // A refusal may pass: it is tried again until the session is over.
    let (mut far, _, _) = talking(&session.replace("200", "190"));
    let mut tries = 0;
    loop {
        let (_, sent) = next(&mut far);
        if what(&sent).starts_with("BYE") {
            break;
        }
        tries += 1;
        far.receive(answer(&sent, 500, "", ""));
    }
    assert_eq!((tries, far.cause()), (5, EndCause::SessionExpired));
}

#[test]
fn a_refresh_that_is_too_short_is_made_longer() {
    let (mut far, _, _) = talking("Session-Expires: 100;refresher=uac\r\nAllow: UPDATE\r\n");
    let (_, update) = next(&mut far);
    far.receive(answer(&update, 422, "", "Min-SE: 300\r\n"));
    let again = far.one();
    assert_eq!(header(&again, "Session-Expires"), "300;refresher=uac");
    assert_eq!(header(&again, "Min-SE"), "300");
    far.receive(answer(&again, 200, "", "Session-Expires: 300;refresher=uac\r\n"));
    assert_eq!(next(&mut far).0, 150);
}

#[test]
fn a_far_end_that_stops_refreshing_is_hung_up_on_in_time() {
    let (mut far, _, invited) = talking("Session-Expires: 90;refresher=uas\r\n");
    far.pass(50 * SECOND);
    let more = "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\nContent-Length: 0\r\n\r\n";
    far.receive(request(&invited, "UPDATE", 1, "b", more));
    let ok = far.one();
    assert_eq!(header(&ok, "Session-Expires"), "90;refresher=uac");
    assert_eq!(header(&ok, "Require"), "timer");
    let (after, bye) = next(&mut far);
    assert_eq!((after, what(&bye).as_str()), (60, "BYE 2"), "90 s less a third (RFC 4028 10)");
    assert_eq!(far.cause(), EndCause::SessionExpired);
    far.assert_all_released();

    let (mut far, _, _) = talking("Session-Expires: 1800;refresher=uas\r\n");
    assert_eq!(next(&mut far).0, 1_768, "32 s before the end");
}

#[test]
fn their_refresh_may_hand_the_task_to_us_or_turn_it_off() {
    let (mut far, _, invited) = talking("Session-Expires: 90;refresher=uas\r\nAllow: UPDATE\r\n");
    let sdp = String::from_utf8(description(End::Callee)).unwrap();
    let asks = with_sdp(&invited, "INVITE", 1, "b", &sdp)
        .replace("Contact", "Supported: timer\r\nx: 120;refresher=uas\r\nContact");
    far.receive(asks);
    let ok = far.one();
    assert_eq!(header(&ok, "Session-Expires"), "120;refresher=uas");
    assert!(headers(&ok, "Require").is_empty());
    far.receive(bare(&invited, "ACK", 1, "b"));
    let (after, update) = next(&mut far);
    assert_eq!((after, what(&update).as_str()), (60, "UPDATE 2"));
    far.receive(answer(&update, 200, "", "Session-Expires: 120;refresher=uas\r\n"));

    far.receive(bare(&invited, "UPDATE", 2, "b"));
    assert!(headers(&far.one(), "Session-Expires").is_empty(), "it does not know of timers");
    assert_eq!(far.agent.poll_timeout(), None);
}

#[test]
fn nobody_may_ask_for_less_than_90_seconds() {
    let (mut far, _, invited) = talking("");
    far.receive(request(&invited, "UPDATE", 1, "b", "Session-Expires: 89\r\n\r\n"));
    let refused = far.one();
    assert!(refused.starts_with("SIP/2.0 422 "), "{refused}");
    assert_eq!(header(&refused, "Min-SE"), "90");

    let config = UaConfig { accept_calls: true, ..UaConfig::new(End::Caller.addr()) };
    let mut far = ByHand::with(config);
    far.receive(
        "INVITE sip:a@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKa\r\n\
         From: <sip:c@far>;tag=a\r\nTo: <sip:a@near>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nx: 30\r\n\r\n",
    );
    assert!(far.one().starts_with("SIP/2.0 422 "));
    assert_eq!(far.agent.kept_calls(), 0);
}

#[test]
fn a_hung_up_call_is_not_refreshed() {
    let (mut far, key, _) = talking("Session-Expires: 90;refresher=uac\r\n");
    far.hang_up(key);
    let bye = far.one();
    far.receive(answer(&bye, 200, "", ""));
    assert_eq!(far.pass(100 * SECOND), []);
    far.assert_all_released();
}

/// The callee vanishes after its answer; each agent in turn refreshes.
#[test]
fn two_agents_keep_a_session_alive_until_one_vanishes() {
    let mut net = Net::new(1, Weather::FAIR, |agent, now, key, event| {
        if let Event::Incoming(_) = event {
            agent.answer(now, key, description(End::Callee));
        }
    });
    net.caller.shared.config.session_expires = Some(90);
    net.caller.invite(net.now, invite(1)).unwrap();
    net.run(1_000 * SECOND);
    assert_eq!((net.ends(End::Caller), net.ends(End::Callee)), (vec![], vec![]));
    let refreshes = net.log.iter().filter(|(_, _, line)| line.starts_with("UPDATE")).count();
    assert_eq!(refreshes, 22, "every 45 s");
    net.weather.loss = 1.0;
    net.run(200 * SECOND);
    assert_eq!(net.ends(End::Caller), [EndCause::SessionExpired]);
    assert_eq!(net.ends(End::Callee), [EndCause::SessionExpired]);
    super::pair::assert_empty(&mut net);
}
