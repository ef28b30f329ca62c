//! Seats, and answered calls that find none.

use super::*;

#[test]
fn an_answered_call_without_a_seat_is_abandoned_when_its_patience_ends() {
    let mut rig = over_dialled();
    let words = rig.words();
    assert_eq!(words.iter().filter(|word| *word == "connect").count(), 2);
    assert_eq!(words.iter().filter(|word| *word == "abandon").count(), 2);
    assert_eq!(rig.view().in_progress, 2);
}

#[test]
fn a_seat_that_falls_free_in_time_goes_to_whoever_waited_longest() {
    let mut rig = Rig::one(|campaign| Arc::make_mut(&mut campaign.settings).concurrency = 2);
    let calls = rig.serve();
    rig.settings(|settings| settings.concurrency = 1);
    rig.connect(calls[0].attempt.id);
    rig.call(calls[1].attempt.id, CallEvent::Answered);
    rig.pass(SignedDuration::from_millis(1_500));
    rig.words();
    rig.end(calls[0].attempt.id, Ending::Connected { bot_failed: false });
    assert_eq!(rig.words(), ["finish completed (counts)", "connect"]);
}

fn ratio(settings: &mut Settings, ratio: f64, abandon_limit: f64) {
    let pacing = &mut settings.pacing;
    (pacing.mode, pacing.ratio, pacing.abandon_limit) = (PacingMode::Ratio, ratio, abandon_limit);
}

#[test]
fn a_ratio_never_over_dials_cold_and_not_beyond_what_may_be_abandoned() {
    let mut rig = Rig::one(|campaign| {
        campaign.queue.waiting = 1_000;
        ratio(Arc::make_mut(&mut campaign.settings), 3.0, 0.03);
    });
    let mut up = rig.serve();
    assert_eq!(up.len(), 10, "one a seat");
    let mut answered = 0;
    while answered < 100 {
        for call in std::mem::take(&mut up) {
            rig.connect(call.attempt.id);
            rig.end(call.attempt.id, Ending::Connected { bot_failed: false });
            answered += 1;
        }
        rig.seconds(1);
        up = rig.serve();
    }
    assert_eq!(up.len(), 10 + 3, "three of a hundred answers may be abandoned");
    rig.words();
    up.iter().for_each(|call| rig.call(call.attempt.id, CallEvent::Answered).done());
    rig.seconds(2);
    let abandoned = rig.words().iter().filter(|word| *word == "abandon").count();
    assert_eq!(abandoned, 3, "all answer at once: the worst that can happen");
    for call in &up {
        rig.end(call.attempt.id, Ending::Connected { bot_failed: false });
    }
    rig.seconds(1);
    assert_eq!(rig.serve().len(), 10, "back to one a seat");
}

#[test]
fn burst_seats_catch_answers_that_no_dial_counted_on() {
    let mut rig = Rig::one(|campaign| {
        let settings = Arc::make_mut(&mut campaign.settings);
        settings.concurrency = 2;
        settings.pacing.burst_seats = 1;
        ratio(settings, 2.0, 1.0);
    });
    let calls = rig.serve();
    assert_eq!(calls.len(), 4, "two a seat of the two");
    rig.words();
    calls.iter().for_each(|call| rig.call(call.attempt.id, CallEvent::Answered).done());
    let connected = rig.words().iter().filter(|word| *word == "connect").count();
    assert_eq!(connected, 3);
    rig.seconds(2);
    assert_eq!(rig.words().iter().filter(|word| *word == "abandon").count(), 1);
    rig.end(calls[0].attempt.id, Ending::Connected { bot_failed: false });
    assert!(rig.serve().is_empty(), "two seats are still taken");
}

#[test]
fn patience_is_the_shorter_of_the_two_settings() {
    for (grace_ms, abandon_after_ms) in [(500, 2_000), (2_000, 500)] {
        let mut rig = Rig::one(|campaign| {
            let settings = Arc::make_mut(&mut campaign.settings);
            settings.concurrency = 1;
            (settings.pacing.grace_ms, settings.abandon_after_ms) = (grace_ms, abandon_after_ms);
            ratio(settings, 2.0, 1.0);
            settings.pacing.grace_ms = grace_ms;
        });
        for call in rig.serve() {
            rig.call(call.attempt.id, CallEvent::Answered);
        }
        rig.words();
        rig.pass(SignedDuration::from_millis(499));
        assert!(rig.words().is_empty());
        rig.pass(SignedDuration::from_millis(1));
        assert_eq!(rig.words(), ["abandon"]);
    }
}

/// A campaign of two seats and two dials a seat.
fn owing() -> Rig {
    let mut rig = Rig::new(vec![idle(1)], vec![carrier(1, "Acme")]);
    rig.settings(|settings| {
        settings.concurrency = 2;
        ratio(settings, 2.0, 1.0);
    });
    rig
}

#[test]
fn whoever_was_abandoned_is_dialled_with_a_seat_kept_and_always_finds_it() {
    let mut rig = owing();
    let owed = Lease { seat_owed: true, ..rig.lease(1, None) };
    let phone = owed.phone;
    let others: Vec<Lease> = (0..5).map(|_| rig.lease(1, None)).collect();
    let calls = rig.hand([vec![owed], others].concat()).serve();
    assert_eq!(calls.len(), 1 + 2, "one seat is kept, the other is dialled for twice");
    // The others answer first, and may not have the seat.
    rig.words();
    for call in calls.iter().filter(|call| call.attempt.lease.phone != phone) {
        rig.call(call.attempt.id, CallEvent::Answered);
    }
    assert_eq!(rig.words().iter().filter(|word| *word == "connect").count(), 1);
    rig.seconds(2);
    assert!(rig.words().contains(&"abandon".to_owned()), "one of the others is");
    let kept = calls.iter().find(|call| call.attempt.lease.phone == phone).unwrap();
    rig.call(kept.attempt.id, CallEvent::Answered);
    assert!(rig.words().contains(&"connect".to_owned()));
    assert_eq!(rig.view().in_progress, 2);
}

#[test]
fn a_kept_seat_is_given_back_when_nobody_answers() {
    let mut rig = owing();
    let owed = Lease { seat_owed: true, ..rig.lease(1, None) };
    let calls = rig.hand(vec![owed]).serve();
    rig.end(calls[0].attempt.id, BUSY);
    let others: Vec<Lease> = (0..5).map(|_| rig.lease(1, None)).collect();
    assert_eq!(rig.hand(others).serve().len(), 4);
}

#[test]
fn without_a_seat_to_keep_it_waits_lets_others_go_first_and_not_for_ever() {
    let mut rig = owing();
    let first: Vec<Lease> = (0..4).map(|_| rig.lease(1, None)).collect();
    let calls = rig.hand(first).serve();
    let owed = Lease { seat_owed: true, ..rig.lease(1, None) };
    let phone = owed.phone;
    let more: Vec<Lease> = (0..20).map(|_| rig.lease(1, None)).collect();
    assert!(rig.hand([vec![owed], more].concat()).serve().is_empty());
    rig.end(calls[0].attempt.id, BUSY);
    let next = rig.serve();
    assert_eq!(next.len(), 1);
    assert_ne!(next[0].attempt.lease.phone, phone, "three are on their way to two seats");
    rig.seconds(5);
    for call in &calls[1..3] {
        rig.end(call.attempt.id, BUSY);
    }
    let next = rig.serve();
    assert_eq!(next[0].attempt.lease.phone, phone, "now all others wait for it");
}
