//! How calls end, and what still comes afterwards.

use std::time::Duration;

use super::{
    by_hand::{ByHand, answer, bare, branch, header, headers, ok, request, what},
    net::{End, invite},
};
use crate::ua::{EndCause, Event, Peer, Timers, UaConfig};

const SECOND: Duration = Duration::from_secs(1);

fn lines(sent: &[(u64, String)]) -> Vec<u64> {
    sent.iter().map(|(at, _)| *at).collect()
}

#[test]
fn an_invite_that_nobody_answers_goes_out_seven_times_and_ends_after_32_seconds() {
    let mut far = ByHand::new();
    far.call();
    let sent = far.pass(Duration::from_millis(31_999));
    assert_eq!(lines(&sent), [500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    assert!(far.is_up());
    far.pass(SECOND);
    let ended = far.ended();
    assert_eq!((ended.cause, ended.code), (EndCause::NoReply, None));
    assert_eq!(ended.after, 32 * SECOND);
    far.assert_all_released();
}

#[test]
fn an_unreachable_carrier_ends_its_unanswered_calls_at_once_and_no_others() {
    let mut far = ByHand::new();
    let (first, invited) = far.call();
    far.place(invite(2));
    far.receive(answer(&invited, 100, "", ""));
    far.agent.handle_unreachable(far.now, Peer::udp("192.0.2.99:5060".parse().unwrap()));
    far.taken();
    assert!(far.is_up(), "another host");
    far.agent.handle_unreachable(far.now, Peer::udp(End::Callee.addr()));
    far.taken();
    let ended = far.ended();
    assert_eq!((ended.cause, ended.code), (EndCause::NoReply, None));
    let reason = format!("{} is unreachable", End::Callee.addr());
    assert_eq!(ended.reason, Some(reason), "other than after silence");
    assert_ne!(far.events[0].0, first, "the call that was answered 100 goes on");
}

#[test]
fn a_refusal_is_acknowledged_within_its_transaction_as_often_as_it_comes() {
    let mut far = ByHand::new();
    let mut call = invite(1);
    call.route.push("sip:192.0.2.2;lr".to_owned());
    let (_, invited) = far.place(call);
    let busy = answer(&invited, 486, "b", "");
    far.receive(&busy);
    let ack = far.one();
    assert_eq!(what(&ack), "ACK 1");
    assert_eq!(branch(&ack), branch(&invited));
    assert_eq!(header(&ack, "To"), format!("{};tag=b", header(&invited, "To")));
    assert_eq!(header(&ack, "Route"), "<sip:192.0.2.2;lr>");
    far.receive(&busy);
    assert_eq!(far.one(), ack);
    let ended = far.ended();
    assert_eq!((ended.cause, ended.code), (EndCause::Refused, Some(486)));
    assert_eq!(ended.reason.as_deref(), Some("Whatever"));
    far.assert_all_released();
}

#[test]
fn a_refusal_says_when_to_come_back() {
    for (said, seconds) in [
        ("7", Some(7)),
        ("7 (overload)", Some(7)),
        ("60;duration=10", Some(60)),
        ("86400", Some(3_600)),
        ("99999999999999999999999", Some(3_600)),
        ("-1", None),
        ("soon", None),
        ("7x", None),
        ("", None),
    ] {
        let mut far = ByHand::new();
        let (_, invited) = far.call();
        far.receive(answer(&invited, 503, "b", &format!("Retry-After: {said}\r\n")));
        assert_eq!(far.ended().retry_after, seconds, "{said}");
    }
}

#[test]
fn the_cause_of_the_telephone_network_is_told() {
    let mut far = ByHand::new();
    let (_, invited) = far.call();
    far.receive(answer(&invited, 480, "b", "Reason: Q.850;cause=19;text=\"No answer\"\r\n"));
    assert_eq!((far.ended().code, far.ended().q850), (Some(480), Some(19)));

    let mut far = ByHand::new();
    let (_, invited) = far.call();
    far.receive(ok(&invited, "b"));
    far.receive(request(&invited, "BYE", 1, "b", "Reason: SIP;cause=200, Q.850;cause=16\r\n\r\n"));
    assert_eq!((far.cause(), far.ended().q850), (EndCause::ByeReceived, Some(16)));
}

#[test]
fn cancel_waits_for_a_provisional_and_repeats_what_the_invite_said() {
    let mut far = ByHand::new();
    let mut call = invite(1);
    call.route.push("sip:192.0.2.2;lr".to_owned());
    let (key, invited) = far.place(call);
    far.cancel(key);
    assert_eq!(far.taken(), [""; 0], "nothing was heard, so nothing can be cancelled");
    assert_eq!(lines(&far.pass(SECOND)), [500], "the INVITE goes on");
    far.receive(answer(&invited, 100, "", ""));
    let cancel = far.one();
    assert_eq!(what(&cancel), "CANCEL 1");
    for name in ["From", "To", "Call-ID", "Route"] {
        assert_eq!(header(&cancel, name), header(&invited, name), "{name}");
    }
    assert_eq!(branch(&cancel), branch(&invited));
    assert_eq!(cancel.split(' ').nth(1), invited.split(' ').nth(1), "request URI");
    far.cancel(key);
    assert_eq!(far.taken(), [""; 0], "once is enough");
    far.receive(answer(&cancel, 200, "b", ""));
    assert_eq!(lines(&far.pass(SECOND)), [0; 0], "the answered CANCEL is not repeated");
    far.receive(answer(&invited, 487, "b", ""));
    assert_eq!(what(&far.one()), "ACK 1");
    assert_eq!((far.cause(), far.ended().code), (EndCause::Cancelled, Some(487)));
    far.assert_all_released();
}

#[test]
fn a_cancel_that_is_not_answered_is_repeated_and_given_up_after_32_seconds() {
    for refused in [false, true] {
        let mut far = ByHand::new();
        let (key, invited) = far.call();
        far.receive(answer(&invited, 180, "b", ""));
        far.cancel(key);
        let cancel = far.one();
        if refused {
            // The INVITE's own final answer is still waited for.
            far.receive(answer(&cancel, 481, "b", ""));
        }
        let sent = far.pass(Duration::from_millis(31_999));
        let expected: &[u64] = if refused {
            &[]
        } else {
            &[500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]
        };
        assert_eq!(lines(&sent), expected);
        assert!(far.is_up());
        far.pass(SECOND);
        assert_eq!((far.cause(), far.ended().code), (EndCause::Cancelled, None));
        far.assert_all_released();
    }
}

#[test]
fn an_answer_that_crosses_cancel_is_acknowledged_and_hung_up() {
    let mut far = ByHand::new();
    let (key, invited) = far.call();
    far.receive(answer(&invited, 180, "b", ""));
    far.cancel(key);
    far.one();
    far.receive(ok(&invited, "b"));
    let sent = far.taken();
    assert_eq!(sent.iter().map(|sent| what(sent)).collect::<Vec<_>>(), ["ACK 1", "BYE 2"]);
    assert!(far.is_up(), "its BYE is not answered yet");
    far.receive(answer(&sent[1], 200, "", ""));
    let ended = far.ended();
    assert_eq!((ended.cause, ended.code), (EndCause::AnsweredWhileCancelling, Some(200)));
    let answered = far.events.iter().any(|(_, event)| matches!(event, Event::Answered { .. }));
    assert!(!answered, "nobody is to be connected");
    far.assert_all_released();
}

#[test]
fn an_answer_that_comes_too_late_is_acknowledged_and_hung_up() {
    let mut far = ByHand::new();
    let (_, invited) = far.call();
    far.pass(50 * SECOND);
    assert_eq!(far.cause(), EndCause::NoReply);
    far.receive(ok(&invited, "b"));
    let sent = far.taken();
    assert_eq!(sent.iter().map(|sent| what(sent)).collect::<Vec<_>>(), ["ACK 1", "BYE 2"]);
    assert_eq!(lines(&far.pass(SECOND)), [500], "and its BYE is repeated like any other");
    far.receive(ok(&invited, "b"));
    assert_eq!(what(&far.one()), "ACK 1");
    assert_eq!(far.cause(), EndCause::NoReply, "the one end stands");
    far.assert_all_released();
}

#[test]
fn a_phone_that_begins_to_ring_too_late_is_cancelled() {
    let mut far = ByHand::new();
    let (_, invited) = far.call();
    far.pass(40 * SECOND);
    far.receive(answer(&invited, 180, "b", ""));
    assert_eq!(what(&far.one()), "CANCEL 1");
    far.receive(answer(&invited, 487, "b", ""));
    assert_eq!(what(&far.one()), "ACK 1");
    assert_eq!(far.cause(), EndCause::NoReply);
    far.assert_all_released();
}

#[test]
fn an_answer_is_acknowledged_each_time_it_comes_and_reported_once() {
    let mut far = ByHand::new();
    let (_, invited) = far.call();
    far.receive(ok(&invited, "b"));
    let ack = far.one();
    assert_eq!(what(&ack), "ACK 1");
    assert_ne!(branch(&ack), branch(&invited), "a request of its own");
    assert!(ack.starts_with("ACK sip:callee@192.0.2.2:5070 "), "to the Contact: {ack}");
    for _ in 0..3 {
        far.receive(ok(&invited, "b"));
        let again = far.one();
        assert_ne!(branch(&again), branch(&ack));
        assert_eq!(again.replace(branch(&again), branch(&ack)), ack);
    }
    assert_eq!(far.events.len(), 1, "{:?}", far.events);
}

#[test]
fn a_second_fork_that_answers_is_acknowledged_and_hung_up_without_harm_to_the_first() {
    let mut far = ByHand::new();
    let (key, invited) = far.call();
    far.receive(ok(&invited, "b"));
    far.one();
    far.receive(ok(&invited, "c"));
    let sent = far.taken();
    assert_eq!(sent.iter().map(|sent| what(sent)).collect::<Vec<_>>(), ["ACK 1", "BYE 2"]);
    assert!(sent.iter().all(|sent| header(sent, "To").ends_with(";tag=c")));
    assert_eq!(lines(&far.pass(SECOND)), [500], "its BYE is repeated");
    far.receive(answer(&sent[1], 481, "", ""));
    assert!(far.is_up());
    far.receive(ok(&invited, "c"));
    assert_eq!(what(&far.one()), "ACK 1");
    far.hang_up(key);
    let bye = far.one();
    assert!(header(&bye, "To").ends_with(";tag=b"));
    far.receive(answer(&bye, 200, "", ""));
    assert_eq!(far.cause(), EndCause::ByeSent);
    far.assert_all_released();
}

#[test]
fn more_forks_than_anybody_has_are_ignored() {
    let mut far = ByHand::new();
    let (_, invited) = far.call();
    for fork in 0..100 {
        far.receive(ok(&invited, &format!("fork{fork}")));
    }
    assert!(far.taken().len() < 20);
}

#[test]
fn a_bye_that_is_not_answered_is_repeated_eleven_times_in_all() {
    let mut far = ByHand::new();
    let (key, invited) = far.call();
    far.receive(ok(&invited, "b"));
    far.hang_up(key);
    far.taken();
    let sent = far.pass(Duration::from_millis(31_999));
    assert_eq!(
        lines(&sent),
        [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]
    );
    far.pass(SECOND);
    assert_eq!(far.cause(), EndCause::ByeSent);
    far.assert_all_released();
}

#[test]
fn the_far_end_hangs_up_and_is_answered_as_often_as_it_says_so() {
    let mut far = ByHand::new();
    let (key, invited) = far.call();
    far.receive(ok(&invited, "b"));
    far.taken();
    let bye = bare(&invited, "BYE", 1, "b");
    for _ in 0..3 {
        far.receive(&bye);
        assert!(far.one().starts_with("SIP/2.0 200 OK"));
    }
    assert_eq!(far.cause(), EndCause::ByeReceived);
    far.hang_up(key);
    assert_eq!(far.taken(), [""; 0], "there is nothing left to hang up");
    far.assert_all_released();
}

#[test]
fn both_hang_up_at_the_same_moment() {
    let mut far = ByHand::new();
    let (key, invited) = far.call();
    far.receive(ok(&invited, "b"));
    far.hang_up(key);
    far.taken();
    far.receive(bare(&invited, "BYE", 1, "b"));
    assert!(far.one().starts_with("SIP/2.0 200 OK"));
    assert_eq!(far.cause(), EndCause::ByeSent);
    assert_eq!(far.pass(SECOND), [], "nothing is repeated to a far end that is gone");
    far.assert_all_released();
}

#[test]
fn a_bye_that_overtakes_the_answer_ends_the_call_when_the_answer_comes() {
    let mut far = ByHand::new();
    let (_, invited) = far.call();
    far.receive(answer(&invited, 180, "b", ""));
    far.receive(bare(&invited, "BYE", 1, "b"));
    assert!(far.one().starts_with("SIP/2.0 200 OK"));
    assert!(far.is_up());
    far.receive(ok(&invited, "b"));
    assert_eq!(what(&far.one()), "ACK 1");
    assert_eq!(far.cause(), EndCause::ByeReceived);
    let told = far.events.iter().filter(|(_, event)| matches!(event, Event::Answered { .. }));
    assert_eq!(told.count(), 1);
    far.assert_all_released();
}

#[test]
fn provisionals_are_told_once_each_and_100_not_at_all() {
    let mut far = ByHand::new();
    let (_, invited) = far.call();
    let early = "Content-Type: application/sdp\r\n";
    let with_media =
        answer(&invited, 183, "b", early).replace("Length: 0\r\n\r\n", "Length: 3\r\n\r\nv=0");
    for message in [
        answer(&invited, 100, "", ""),
        answer(&invited, 180, "b", ""),
        answer(&invited, 180, "b", ""),
        with_media.clone(),
        with_media,
        answer(&invited, 180, "b", ""),
    ] {
        far.receive(message);
    }
    assert_eq!(far.pass(60 * SECOND), [], "an INVITE that was heard of is not repeated");
    let told: Vec<_> = far
        .events
        .iter()
        .map(|(_, event)| match event {
            Event::Provisional { code, sdp } => (*code, sdp.as_ref().map(Vec::len)),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, [(180, None), (183, Some(3)), (180, None)]);
}

#[test]
fn the_oldest_ended_call_makes_room_when_too_many_linger() {
    let mut far = ByHand::with(UaConfig { max_lingering: 2, ..UaConfig::new(End::Caller.addr()) });
    let mut keys = Vec::new();
    for number in 0..5 {
        let (key, invited) = far.place(invite(number));
        far.receive(answer(&invited, 486, "b", ""));
        far.one();
        keys.push(key);
    }
    assert_eq!((far.agent.live_calls(), far.agent.kept_calls()), (0, 2));
    let released: Vec<_> = far
        .events
        .iter()
        .filter(|(_, event)| matches!(event, Event::Released))
        .map(|(key, _)| *key)
        .collect();
    assert_eq!(released, keys[..3]);
    assert!(far.agent.ladder(keys[0]).is_empty() && !far.agent.ladder(keys[4]).is_empty());
}

#[test]
fn the_ladder_shows_both_directions_until_it_is_taken() {
    let mut far = ByHand::new();
    let (key, invited) = far.call();
    far.receive(answer(&invited, 486, "b", ""));
    let ladder = far.agent.take_ladder(key);
    let shown: Vec<_> =
        ladder.iter().map(|message| (message.flow, message.first_line.as_str())).collect();
    use crate::ua::Flow::{Received, Sent};
    assert_eq!(
        shown,
        [
            (Sent, "INVITE sip:+910000000001@192.0.2.2 SIP/2.0"),
            (Received, "SIP/2.0 486 Whatever"),
            (Sent, "ACK sip:+910000000001@192.0.2.2 SIP/2.0"),
        ]
    );
    assert_eq!(&*ladder[0].bytes, invited.as_bytes());
    assert!(far.agent.ladder(key).is_empty());
}

#[test]
fn routes_are_taken_in_reverse_from_the_answer() {
    let mut far = ByHand::new();
    let (_, invited) = far.call();
    let routes = "Record-Route: <sip:192.0.2.12;lr>, <sip:192.0.2.11:5090;lr>\r\n\
                  Record-Route: <sip:192.0.2.10;lr>\r\nm: <sip:callee@192.0.2.2:5070>\r\n";
    far.receive(answer(&invited, 200, "b", routes));
    let (to, ack) = far.addressed().remove(0);
    assert_eq!(to, Peer::udp("192.0.2.10:5060".parse().unwrap()));
    assert_eq!(
        headers(&ack, "Route"),
        ["<sip:192.0.2.10;lr>", "<sip:192.0.2.11:5090;lr>", "<sip:192.0.2.12;lr>"]
    );
}

#[test]
fn a_call_says_in_all_its_requests_from_which_address_it_is_made() {
    let mut far = ByHand::new();
    let elsewhere = "198.51.100.77:5099".parse().unwrap();
    let key = far.agent.invite_from(far.now, elsewhere, invite(1)).unwrap();
    let invited = far.one();
    assert!(header(&invited, "Contact").ends_with("@198.51.100.77:5099>"));
    far.receive(ok(&invited, "b"));
    far.hang_up(key);
    let sent = far.taken();
    assert_eq!(sent.len(), 2, "ACK and BYE");
    for message in sent.iter().chain([&invited]) {
        assert!(header(message, "Via").starts_with("SIP/2.0/UDP 198.51.100.77:5099;"), "{message}");
    }
}

#[test]
fn timers_of_zero_do_not_repeat_for_ever() {
    let timers = Timers { t1: Duration::ZERO, t2: Duration::ZERO, t4: Duration::ZERO };
    let mut far = ByHand::with(UaConfig { timers, ..UaConfig::new(End::Caller.addr()) });
    far.call();
    assert_eq!(far.pass(SECOND).len(), 6);
    assert_eq!(far.cause(), EndCause::NoReply);
}
