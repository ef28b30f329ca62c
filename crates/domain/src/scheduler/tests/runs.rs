//! How runs end, and what they sleep through.

use super::*;

#[test]
fn a_run_without_anybody_left_is_completed_and_asked_again_only_after_a_while() {
    let mut rig = Rig::one(|campaign| campaign.queue.waiting = 1);
    let calls = rig.serve();
    rig.words();
    rig.end(calls[0].attempt.id, BUSY);
    assert_eq!(rig.words(), ["finish busy (counts)"], "not before the store has its end");
    let queue = QueueState::default();
    rig.tell(Input::Settled { attempt: calls[0].attempt.id, queue });
    assert_eq!(rig.words(), ["complete"]);
    rig.seconds(4);
    assert!(rig.words().is_empty());
    rig.seconds(2);
    assert_eq!(rig.words(), ["complete"]);
    // The store found somebody after all.
    rig.change(|campaign| campaign.queue.waiting = 1);
    assert_eq!(rig.words(), ["lease 10"]);
}

#[test]
fn an_always_on_campaign_is_never_completed() {
    let mut rig = Rig::one(|campaign| {
        Arc::make_mut(&mut campaign.settings).always_on = true;
        campaign.queue = QueueState::default();
    });
    rig.seconds(60);
    assert!(rig.words().is_empty());
    rig.change(|campaign| {
        campaign.queue = QueueState { waiting: 1, active: 0, next_due: Some(campaign.started_at) };
    });
    assert_eq!(rig.words(), ["lease 10"], "until somebody comes");
}

#[test]
fn a_single_day_is_swept_at_its_end_even_while_paused_or_when_the_process_was_down() {
    let single = |campaign: &mut CampaignSetup| {
        Arc::make_mut(&mut campaign.settings).mode = Mode::SingleDay;
    };
    // 21:00 in India.
    let end: Timestamp = "2026-11-17T15:30:00Z".parse().unwrap();
    let mut rig = Rig::one(|campaign| {
        single(campaign);
        campaign.status = Status::Paused;
    });
    assert!(rig.words().is_empty());
    rig.pass(end.duration_since(rig.now) - SignedDuration::from_micros(1));
    assert!(rig.words().is_empty());
    assert_eq!(rig.scheduler.poll_timeout(), end);
    rig.pass(SignedDuration::from_micros(1));
    assert_eq!(rig.words(), ["sweep"]);
    rig.change(|campaign| campaign.queue = QueueState::default());
    assert_eq!(rig.words(), ["complete"], "although it is paused");

    let mut late = Rig::one(|campaign| {
        single(campaign);
        campaign.started_at = "2026-11-15T06:30:00Z".parse().unwrap();
    });
    assert_eq!(late.words(), ["sweep"], "the day before yesterday");
    assert!(late.serve().is_empty());
}

#[test]
fn a_run_fails_when_no_carrier_worked_for_so_long_of_open_window() {
    let mut rig = Rig::one(|campaign| {
        Arc::make_mut(&mut campaign.settings).fail_after_minutes = 30;
    });
    let calls = rig.serve();
    for call in &calls {
        rig.end(call.attempt.id, OVERLOADED);
    }
    rig.words();
    let begun = rig.now;
    let failed = loop {
        rig.now = rig.scheduler.poll_timeout();
        rig.tell(Input::Tick);
        // Each trial is refused.
        for call in rig.serve() {
            rig.end(call.attempt.id, OVERLOADED);
        }
        if let Some(word) = rig.words().into_iter().find(|word| word.starts_with("fail")) {
            break word;
        }
        assert!(rig.now < begun + SignedDuration::from_hours(2), "it goes on for ever");
    };
    assert_eq!(
        failed,
        "fail: No carrier of the pool worked for 30 minutes of calling time \
         (Acme: 503 Carrier congestion)"
    );
    assert_eq!(rig.now, begun + SignedDuration::from_mins(30));
}

#[test]
fn a_run_whose_bot_was_removed_fails() {
    let mut rig = Rig::one(|campaign| campaign.bot = None);
    assert_eq!(rig.words(), ["fail: The bot was removed"]);
}

#[test]
fn a_scheduler_with_nothing_to_do_sleeps() {
    let mut rig = Rig::one(|campaign| campaign.status = Status::Paused);
    rig.seconds(60);
    assert!(rig.scheduler.poll_timeout() >= rig.now + SignedDuration::from_secs(59));
    // Outside the window it sleeps to its opening, and not past it.
    let mut rig = Rig::one(|campaign| {
        Arc::make_mut(&mut campaign.settings).window.start = "12:01".into();
    });
    assert_eq!(rig.view().state, LiveState::OutsideWindow);
    assert_eq!(rig.scheduler.poll_timeout(), "2026-11-17T06:31:00Z".parse().unwrap());
    assert!(rig.words().is_empty());
    rig.seconds(60);
    assert_eq!(rig.words(), ["lease 10"]);
    // And to the first retry.
    let due: Timestamp = "2026-11-17T06:30:41.5Z".parse().unwrap();
    let mut rig = Rig::one(|campaign| campaign.queue.next_due = Some(due));
    assert_eq!(rig.scheduler.poll_timeout(), due);
    rig.now = due;
    assert_eq!(rig.tell(Input::Tick).words(), ["lease 10"]);
}

#[test]
fn live_figures_of_a_run() {
    let mut rig = Rig::one(|campaign| campaign.queue.waiting = 1_000);
    assert_eq!(rig.view().dials_per_second, None, "no dial yet");
    let mut outcomes = [true, false, false].into_iter().cycle();
    for _ in 0..60 {
        for call in rig.serve() {
            if outcomes.next() == Some(true) {
                rig.connect(call.attempt.id);
                rig.end(call.attempt.id, Ending::Connected { bot_failed: false });
            } else {
                let mut report = rig.report(call.attempt.id, BUSY);
                report.ringing_at = Some(rig.now - SignedDuration::from_secs(6));
                rig.call(call.attempt.id, CallEvent::Ended(Box::new(report)));
            }
            let queue = rig.setup.campaigns[0].queue;
            rig.tell(Input::Settled { attempt: call.attempt.id, queue });
            rig.asked.retain(|command| {
                matches!(command, Command::Lease { .. } | Command::Record(_) | Command::Place(_))
            });
            if rig.setup.campaigns[0].queue.waiting < 400 {
                break;
            }
        }
        rig.seconds(1);
    }
    let view = rig.view();
    assert_eq!(view.state, LiveState::Live);
    assert_eq!(view.avg_ring_seconds, Some(6.0));
    assert!(view.connected_per_hour.is_some_and(|rate| rate > 1_000.0), "{view:?}");
    assert!(view.eta_seconds.is_some_and(|eta| eta > 3_000), "the retries wait an hour: {view:?}");
    assert_eq!(view.carriers.len(), 1);
    rig.change(|campaign| campaign.status = Status::Paused);
    assert_eq!(rig.view().eta_seconds, None, "paused");
    rig.seconds(40);
    let view = rig.view();
    assert_eq!((view.dials_per_second, view.connected_per_hour), (None, None), "idle");
}
