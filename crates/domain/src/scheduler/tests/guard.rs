//! The toll-fraud guard before the INVITE, and the limits of the day (DI-14).

use super::*;

#[test]
fn a_number_that_the_guard_bars_is_not_dialled_and_holds_nobody_back() {
    let mut rig = Rig::new(vec![idle(1)], vec![carrier(1, "Acme")]);
    rig.words();
    let mut leases: Vec<Lease> = (0..4).map(|_| rig.lease(1, None)).collect();
    // A satellite, a premium service, and a country that is not the campaign's.
    for (lease, phone) in leases.iter_mut().zip(["+881612345678", "+19002345678", "+447400123456"])
    {
        lease.phone = phone.parse().unwrap();
    }
    rig.hand(leases);
    let calls = rig.serve();
    assert_eq!(calls.len(), 1);
    assert_eq!(rig.words(), ["bar 3"]);
    rig.end(calls[0].attempt.id, BUSY);
    rig.tell(Input::Settled { attempt: calls[0].attempt.id, queue: QueueState::default() });
    assert_eq!(rig.words().last().map(String::as_str), Some("complete"), "and keeps no run open");
}

#[test]
fn countries_are_looked_at_under_the_settings_of_the_moment() {
    let mut rig = Rig::new(vec![idle(1)], vec![carrier(1, "Acme")]);
    rig.settings(|settings| settings.allowed_countries = Some(vec!["GB".into(), "IN".into()]));
    let lease = Lease { phone: "+447400123456".parse().unwrap(), ..rig.lease(1, None) };
    rig.hand(vec![lease]);
    let Some(Command::Record(attempt)) = rig.asked.pop() else { panic!("it may be called") };
    rig.settings(|settings| settings.allowed_countries = None);
    rig.words();
    rig.tell(Input::Recorded(attempt.id));
    assert_eq!(rig.words(), ["finish cancelled (does not count)"], "its row is not dialled");
}

#[test]
fn the_calls_of_a_day_end_at_their_limit_until_midnight() {
    let mut rig = Rig::limited(DailyLimits { calls_max: Some(1_003), minutes_max: None });
    let calls = rig.serve();
    assert_eq!(calls.len(), 3, "after the 1,000 of before the restart");
    let words = rig.words();
    let alarm = "alarm: This deployment's limit of 1,003 calls a day is reached: \
                 nothing is dialled before midnight UTC";
    assert!(words.contains(&alarm.to_owned()), "{words:?}");
    assert!(words.iter().any(|word| word.starts_with("release")), "claims go back: {words:?}");
    let reason = rig.view().reason;
    let midnight: Timestamp = "2026-11-18T00:00:00Z".parse().unwrap();
    assert_eq!((reason.code, reason.until), (ReasonCode::DailyLimit, Some(midnight)));
    rig.connect(calls[0].attempt.id);
    assert!(rig.words().contains(&"connect".to_owned()), "calls that are up go on");

    // Dialling goes on with the day, in the window.
    rig.settings(|settings| settings.window.end = "24:00".into());
    rig.settings(|settings| settings.window.start = "00:00".into());
    rig.pass(midnight.duration_since(rig.now) - SignedDuration::from_millis(1));
    let words = rig.words();
    assert!(!words.iter().any(|word| word.starts_with("alarm")), "once a day: {words:?}");
    assert!(rig.serve().is_empty());
    rig.pass(SignedDuration::from_millis(1));
    assert!(!rig.serve().is_empty());
}

#[test]
fn a_call_that_was_not_sent_spends_nothing() {
    let mut rig = Rig::limited(DailyLimits { calls_max: Some(1_001), minutes_max: None });
    let lease = rig.asked.iter().any(|command| matches!(command, Command::Lease { .. }));
    assert!(lease);
    rig.asked.clear();
    let lease = rig.lease(1, None);
    rig.hand(vec![lease]);
    let Some(Command::Record(attempt)) =
        rig.asked.iter().find(|command| matches!(command, Command::Record(_))).cloned()
    else {
        panic!("a row is asked for")
    };
    assert_eq!(rig.view().reason.code, ReasonCode::DailyLimit);
    rig.tell(Input::NotRecorded(attempt.id));
    assert_ne!(rig.view().reason.code, ReasonCode::DailyLimit);
}

#[test]
fn minutes_count_while_they_are_talked() {
    let mut rig = Rig::limited(DailyLimits { calls_max: None, minutes_max: Some(506) });
    rig.settings(|settings| settings.concurrency = 2);
    let calls = rig.serve();
    calls.iter().for_each(|call| rig.connect(call.attempt.id).done());
    rig.seconds(179);
    assert_ne!(rig.view().reason.code, ReasonCode::DailyLimit);
    rig.seconds(2);
    assert_eq!(rig.view().reason.code, ReasonCode::DailyLimit, "two calls of three minutes");
    for call in &calls {
        let mut report = rig.report(call.attempt.id, Ending::Connected { bot_failed: false });
        report.answered_at = Some(rig.now - SignedDuration::from_secs(181));
        rig.call(call.attempt.id, CallEvent::Ended(Box::new(report)));
    }
    rig.seconds(10);
    assert_eq!(rig.view().reason.code, ReasonCode::DailyLimit);
    assert!(rig.serve().is_empty());
    let alarms = rig.words().iter().filter(|word| word.starts_with("alarm")).count();
    assert_eq!(alarms, 1);
}
