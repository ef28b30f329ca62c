//! Never two live calls to one number, whatever the campaigns (DI-13).

use super::*;

const PHONE: &str = "+919812345678";

/// Two campaigns of so many contacts each that have one number in common, the first in
/// line.
fn two_campaigns(contacts: usize) -> Rig {
    let mut rig = Rig::new(vec![idle(1), idle(2)], vec![carrier(1, "Acme")]);
    for campaign in [1, 2] {
        let mut leases: Vec<Lease> = (0..contacts).map(|_| rig.lease(campaign, None)).collect();
        leases[0].phone = PHONE.parse().unwrap();
        rig.hand(leases);
    }
    rig
}

fn to_phone(calls: &[Placement]) -> Vec<&Placement> {
    calls.iter().filter(|call| call.attempt.lease.phone.to_string() == PHONE).collect()
}

#[test]
fn a_number_in_a_call_is_not_dialled_by_another_campaign_and_holds_nobody_back() {
    let mut rig = two_campaigns(4);
    let calls = rig.serve();
    assert_eq!(calls.len(), 7, "all but the one whose number is engaged");
    let live = to_phone(&calls);
    assert_eq!(live.len(), 1);
    let attempt = live[0].attempt.clone();
    assert_eq!(attempt.lease.campaign, CampaignId(1));

    let waits = rig.scheduler.live(rig.now).remove(1);
    assert_eq!(waits.reason.code, ReasonCode::AnotherCall);
    assert_eq!(waits.engaged.len(), 1);
    assert!(!rig.scheduler.is_idle());
    rig.seconds(600);
    assert!(to_phone(&rig.serve()).is_empty(), "however long the call takes");
    rig.end(attempt.id, BUSY);
    let next = rig.serve();
    assert_eq!(to_phone(&next).len(), 1, "as soon as it has ended");
    assert_eq!(next[0].attempt.lease.campaign, CampaignId(2));
}

#[test]
fn a_claim_that_waits_for_its_number_takes_no_place_in_the_hand() {
    let mut one = idle(1);
    Arc::make_mut(&mut one.settings).concurrency = 1;
    let mut rig = Rig::new(vec![one, idle(2)], vec![carrier(1, "Acme")]);
    let phone = PHONE.parse().unwrap();
    let lease = Lease { phone, ..rig.lease(2, None) };
    rig.hand(vec![lease]).serve();
    let lease = Lease { phone, ..rig.lease(1, None) };
    let (campaign, run) = (lease.campaign, lease.run);
    let queue = QueueState { waiting: 5, active: 1, next_due: Some(rig.now) };
    rig.words();
    rig.tell(Input::Leased { campaign, run, leases: vec![lease], queue });
    assert_eq!(rig.words(), ["lease 1"], "somebody else is asked for");
    // And it goes back with the others when its campaign is paused.
    rig.change(|campaign| campaign.status = Status::Paused);
    assert_eq!(rig.words(), ["release 1"]);
}

#[test]
fn after_a_silence_the_phone_may_ring_and_nobody_calls_it() {
    let mut rig = two_campaigns(1);
    let calls = rig.serve();
    rig.end(calls[0].attempt.id, Ending::NoReply);
    rig.words();
    // 45 s of ringing and 32 s of timer B.
    let until = rig.now + SignedDuration::from_secs(77);
    let waits = rig.scheduler.live(rig.now).remove(1);
    assert_eq!((waits.reason.code, waits.reason.until), (ReasonCode::AnotherCall, Some(until)));
    rig.pass(SignedDuration::from_millis(76_999));
    assert!(rig.serve().is_empty());
    rig.pass(SignedDuration::from_millis(1));
    assert_eq!(rig.serve().len(), 1);
}

#[test]
fn a_clock_set_back_does_not_keep_a_phone_engaged() {
    let mut rig = two_campaigns(1);
    let calls = rig.serve();
    rig.end(calls[0].attempt.id, Ending::NoReply);
    rig.now -= SignedDuration::from_hours(1);
    rig.tell(Input::Tick);
    rig.seconds(332);
    assert_eq!(rig.scheduler.engaged.next_free(), None);
    // The carrier's rate holds it for an interval.
    rig.seconds(1);
    assert_eq!(rig.serve().len(), 1);
}

#[test]
fn a_row_that_was_not_written_engages_nobody() {
    for answer in [true, false] {
        let mut rig = two_campaigns(1);
        let Some(Command::Record(attempt)) = rig.asked.pop() else { panic!("a row is asked for") };
        rig.words();
        rig.tell(if answer {
            Input::NotRecorded(attempt.id)
        } else {
            Input::StoreFailed { campaign: attempt.lease.campaign, attempt: Some(attempt.id) }
        });
        let words = rig.words();
        assert!(words.contains(&"record".to_owned()), "the other campaign goes on: {words:?}");
    }
}
