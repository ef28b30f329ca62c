//! Rows before INVITEs, and a store that fails.

use super::*;

#[test]
fn an_invite_leaves_only_after_its_row_is_durable() {
    let mut rig = Rig::one(|campaign| campaign.queue.waiting = 1);
    let lease = rig.lease(1, None);
    let queue = QueueState { waiting: 0, active: 1, next_due: None };
    assert_eq!(rig.words(), ["lease 10"]);
    rig.tell(Input::Leased { campaign: CampaignId(1), run: 1, leases: vec![lease], queue });
    let Some(Command::Record(attempt)) = rig.asked.pop() else { panic!("a row is asked for") };
    assert!(rig.asked.is_empty());
    rig.seconds(20);
    assert!(rig.asked.is_empty(), "however long it takes");
    rig.tell(Input::Recorded(attempt.id));
    let Some(Command::Place(placement)) = rig.asked.pop() else { panic!("then it is placed") };
    assert_eq!(placement.attempt, attempt);
    assert_eq!(placement.callee, attempt.lease.phone.to_string());
    rig.tell(Input::Recorded(attempt.id));
    assert!(rig.asked.is_empty(), "once");
}

/// Whatever happens between the row and the INVITE, the contact is none the worse.
#[test]
fn a_row_whose_campaign_may_not_dial_any_more_is_withdrawn() {
    let pause = |rig: &mut Rig| rig.change(|campaign| campaign.status = Status::Paused).done();
    let stop = |rig: &mut Rig| {
        rig.setup.campaigns.clear();
        rig.tell_setup();
    };
    let close = |rig: &mut Rig| {
        rig.settings(|settings| settings.window.end = "11:00".into()).done();
    };
    let disable = |rig: &mut Rig| {
        rig.change(|campaign| campaign.bot = Some(Arc::new(Bot { enabled: false, ..bot() })))
            .done();
    };
    let shut_down = |rig: &mut Rig| rig.tell(Input::ShutDown).done();
    let lose_carrier = |rig: &mut Rig| {
        rig.setup.carriers.clear();
        rig.tell_setup();
    };
    type Change<'a> = (&'a str, &'a dyn Fn(&mut Rig));
    let changes: [Change<'_>; 6] = [
        ("paused", &pause),
        ("stopped", &stop),
        ("window closed", &close),
        ("bot disabled", &disable),
        ("shutting down", &shut_down),
        ("carrier gone", &lose_carrier),
    ];
    for (name, change) in changes {
        let mut rig = Rig::one(|campaign| campaign.queue.waiting = 1);
        let lease = rig.lease(1, None);
        let queue = QueueState { waiting: 0, active: 1, next_due: None };
        rig.tell(Input::Leased { campaign: CampaignId(1), run: 1, leases: vec![lease], queue });
        let Some(Command::Record(attempt)) = rig.asked.pop() else { panic!("{name}: no record") };
        rig.asked.clear();
        change(&mut rig);
        rig.tell(Input::Recorded(attempt.id));
        let words = rig.words();
        assert!(
            words.contains(&"finish cancelled (does not count)".to_owned()),
            "{name}: {words:?}"
        );
        assert!(!words.contains(&"place".to_owned()), "{name}: {words:?}");
    }
}

#[test]
fn claims_go_back_at_once_when_the_campaign_is_paused() {
    let slow = Carrier {
        settings: CarrierSettings { cps: 5.0, burst: 1, ..carrier(1, "Acme").settings },
        ..carrier(1, "Acme")
    };
    let mut rig = Rig::new(vec![campaign(1)], vec![slow]);
    let calls = rig.serve();
    assert_eq!(calls.len(), 1, "the burst");
    rig.words();
    rig.change(|campaign| campaign.status = Status::Paused);
    assert_eq!(rig.words(), ["release 5"], "a second's worth was in hand");
    rig.end(calls[0].attempt.id, BUSY);
    assert_eq!(rig.words(), ["finish busy (counts)"], "the call that was up went on");
}

#[test]
fn a_record_that_failed_is_never_dialled_and_not_forgotten() {
    let mut rig = Rig::one(|campaign| campaign.queue.waiting = 1);
    let lease = rig.lease(1, None);
    let queue = QueueState { waiting: 0, active: 1, next_due: None };
    rig.tell(Input::Leased { campaign: CampaignId(1), run: 1, leases: vec![lease], queue });
    let Some(Command::Record(attempt)) = rig.asked.pop() else { panic!("a row is asked for") };
    rig.words();
    rig.tell(Input::StoreFailed { campaign: CampaignId(1), attempt: Some(attempt.id) });
    assert_eq!(rig.words(), ["release 1", "finish cancelled (does not count)"]);
    rig.tell(Input::Recorded(attempt.id));
    assert!(rig.words().is_empty(), "an answer that comes late after all changes nothing");
    assert!(rig.scheduler.is_idle(), "and nothing waits for the store to know of it");
}

#[test]
fn the_store_is_left_alone_for_a_second_after_it_failed() {
    let mut rig = Rig::one(|_| {});
    assert_eq!(rig.words(), ["lease 10"]);
    rig.tell(Input::StoreFailed { campaign: CampaignId(1), attempt: None });
    rig.pass(SignedDuration::from_millis(999));
    assert!(rig.words().is_empty());
    rig.pass(SignedDuration::from_millis(1));
    assert_eq!(rig.words(), ["lease 10"]);
}

#[test]
fn an_end_that_the_store_will_never_take_is_not_waited_for() {
    let mut rig = Rig::one(|campaign| campaign.queue.waiting = 1);
    let calls = rig.serve();
    rig.end(calls[0].attempt.id, BUSY);
    rig.words();
    assert!(!rig.scheduler.is_idle(), "the store has not answered");
    rig.tell(Input::NotSettled(calls[0].attempt.id));
    rig.words();
    assert!(rig.scheduler.is_idle());
    assert!(rig.scheduler.finishing.is_empty());
}

#[test]
fn a_doubtful_record_leaves_nothing_behind() {
    let mut rig = Rig::one(|campaign| campaign.queue.waiting = 1);
    let lease = rig.lease(1, None);
    let queue = QueueState { waiting: 0, active: 1, next_due: None };
    rig.tell(Input::Leased { campaign: CampaignId(1), run: 1, leases: vec![lease], queue });
    let Some(Command::Record(attempt)) = rig.asked.pop() else { panic!("a row is asked for") };
    rig.tell(Input::StoreFailed { campaign: CampaignId(1), attempt: Some(attempt.id) });
    rig.tell(Input::NotSettled(attempt.id));
    assert!(rig.scheduler.finishing.is_empty());
}

#[test]
fn an_outcome_that_the_store_is_given_has_a_result() {
    let mut rig = Rig::one(|campaign| campaign.queue.waiting = 1);
    let calls = rig.serve();
    rig.connect(calls[0].attempt.id);
    rig.asked.clear();
    rig.end(calls[0].attempt.id, Ending::Connected { bot_failed: false });
    let Some(Command::Finish(finish)) = rig.asked.pop() else { panic!("it is finished") };
    assert_eq!(finish.outcome, Outcome::Completed);
    assert_eq!(finish.result.disposition, "silent_customer", "no packet was heard");
    assert_eq!(finish.report.result, None, "taken over into the finish");
}

#[test]
fn no_event_of_an_unknown_or_ended_call_does_anything() {
    let mut rig = Rig::one(|campaign| campaign.queue.waiting = 1);
    let calls = rig.serve();
    let attempt = calls[0].attempt.id;
    rig.end(attempt, BUSY);
    rig.words();
    rig.end(attempt, BUSY);
    rig.connect(attempt);
    rig.connect(AttemptId(42));
    rig.tell(Input::Recorded(AttemptId(42)));
    rig.tell(Input::NotRecorded(attempt));
    rig.tell(Input::StoreFailed { campaign: CampaignId(9), attempt: Some(AttemptId(42)) });
    rig.tell(Input::Settled { attempt: AttemptId(42), queue: QueueState::default() });
    assert!(rig.words().is_empty());
    assert_eq!(rig.view().in_progress, 0);
}
