//! Why nothing more is dialled: a cause for every reason.

use super::*;

/// Every reason with the cause that brings it about, and what the page is told.
#[test]
fn every_reason_has_its_cause_and_its_sentence() {
    let mut scenes: Vec<(ReasonCode, Rig)> = Vec::new();
    let mut scene = |code, rig| scenes.push((code, rig));

    let mut rig = Rig::one(|campaign| campaign.queue.waiting = 6);
    let calls = rig.serve();
    calls.iter().take(3).for_each(|call| rig.connect(call.attempt.id).done());
    rig.seconds(5);
    rig.change(|campaign| {
        campaign.queue = QueueState { waiting: 5, active: 6, next_due: Some(campaign.started_at) };
    });
    scene(ReasonCode::Dialling, rig);

    let mut rig = Rig::one(|_| {});
    rig.now = "2026-11-17T18:30:00Z".parse().unwrap();
    rig.tell(Input::Tick);
    scene(ReasonCode::OutsideWindow, rig);

    let due = Some("2026-11-17T07:02:15Z".parse().unwrap());
    let mut rig = Rig::one(|campaign| {
        campaign.queue = QueueState { waiting: 8_214, active: 0, next_due: due };
    });
    rig.seconds(31);
    scene(ReasonCode::RetryWait, rig);

    let mut rig = Rig::one(|_| {});
    let calls = rig.serve();
    calls.iter().take(8).for_each(|call| rig.connect(call.attempt.id).done());
    scene(ReasonCode::SeatsFull, rig);

    let mut rig = Rig::new(
        vec![campaign(1)],
        vec![Carrier {
            settings: CarrierSettings { cps: 0.5, burst: 1, ..carrier(1, "Acme").settings },
            ..carrier(1, "Acme")
        }],
    );
    rig.serve();
    scene(ReasonCode::CarrierCps, rig);

    let mut rig = Rig::new(
        vec![campaign(1)],
        vec![Carrier {
            settings: CarrierSettings { channels: 4, ..carrier(1, "Acme").settings },
            ..carrier(1, "Acme")
        }],
    );
    rig.serve();
    scene(ReasonCode::CarrierChannels, rig);

    let mut rig = Rig::one(|campaign| Arc::make_mut(&mut campaign.settings).concurrency = 1);
    let calls = rig.serve();
    rig.end(calls[0].attempt.id, OVERLOADED);
    scene(ReasonCode::CarrierResting, rig);

    let disabled = Carrier { enabled: false, ..carrier(1, "Acme") };
    scene(ReasonCode::NoCarrier, Rig::new(vec![campaign(1)], vec![disabled]));
    scene(ReasonCode::NoNumber, Rig::one(|campaign| campaign.numbers = Vec::new().into()));

    let mut rig = Rig::one(|_| {});
    rig.serve();
    rig.change(|campaign| campaign.status = Status::Paused);
    scene(ReasonCode::Paused, rig);

    let mut rig = Rig::one(|campaign| campaign.queue.waiting = 2);
    rig.serve();
    scene(ReasonCode::NothingLeft, rig);

    let disabled = Arc::new(Bot { enabled: false, ..bot() });
    scene(ReasonCode::BotMissing, Rig::one(|campaign| campaign.bot = Some(disabled)));

    let mut rig = Rig::with_max_calls(vec![campaign(1)], vec![carrier(1, "Acme")], 3);
    rig.serve();
    scene(ReasonCode::MachineFull, rig);

    let rig = Rig::one(|campaign| {
        Arc::make_mut(&mut campaign.settings).always_on = true;
        campaign.queue = QueueState::default();
    });
    scene(ReasonCode::WaitingForContacts, rig);

    let mut rig = Rig::one(|_| {});
    rig.tell(Input::StoreFailed { campaign: CampaignId(1), attempt: None });
    scene(ReasonCode::StoreDown, rig);

    let mut rig = Rig::one(|_| {});
    rig.serve();
    rig.tell(Input::ShutDown);
    scene(ReasonCode::DiallerDown, rig);

    // A ratio that has seen no answers yet.
    let mut rig = Rig::one(|campaign| {
        let pacing = &mut Arc::make_mut(&mut campaign.settings).pacing;
        (pacing.mode, pacing.ratio) = (PacingMode::Ratio, 2.0);
    });
    rig.serve();
    scene(ReasonCode::AbandonLimit, rig);

    let mut rig = Rig::new(vec![idle(1), idle(2)], vec![carrier(1, "Acme")]);
    for campaign in [2, 1] {
        let lease = Lease { contact: ContactId(campaign), ..rig.lease(campaign, None) };
        let phone = "+919812345678".parse().unwrap();
        rig.hand(vec![Lease { phone, ..lease }]);
        rig.serve();
    }
    scene(ReasonCode::AnotherCall, rig);

    let mut rig = Rig::limited(DailyLimits { calls_max: Some(1_000), minutes_max: None });
    rig.tell(Input::Tick);
    scene(ReasonCode::DailyLimit, rig);

    let mut table = String::new();
    // A campaign goes on without a barred contact.
    for code in ReasonCode::ALL.iter().filter(|code| **code != ReasonCode::NumberBarred) {
        let (_, rig) =
            scenes.iter().find(|(named, _)| named == code).expect("each code has a scene");
        let view = rig.view();
        assert_eq!(view.reason.code, *code, "{}", view.reason.sentence);
        let until = view.reason.until.map(|at| format!(" until {at}")).unwrap_or_default();
        table +=
            &format!("{:21}{:15}{}{until}\n", code.word(), view.state.word(), view.reason.sentence);
    }
    insta::assert_snapshot!(table);
}

#[test]
fn whoever_waits_after_a_failure_of_the_carrier_is_told_of_it() {
    let mut rig = Rig::one(|campaign| campaign.queue.waiting = 1);
    let calls = rig.serve();
    rig.end(calls[0].attempt.id, Ending::NoReply);
    let due = Some(rig.now + SignedDuration::from_secs(77));
    let queue = QueueState { waiting: 1, active: 0, next_due: due };
    rig.tell(Input::Settled { attempt: calls[0].attempt.id, queue });
    let reason = rig.view().reason;
    assert_eq!((reason.code, reason.until), (ReasonCode::RetryWait, due));
    assert_eq!(reason.sentence, "1 contact waits for its retry; the carrier Acme failed: no reply");
}
