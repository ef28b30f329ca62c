//! Rates, turns and caller IDs.

use std::collections::BTreeMap;

use super::*;

#[test]
fn the_rate_is_kept_to_the_microsecond_and_used_whole() {
    let paced = Carrier {
        settings: CarrierSettings { cps: 8.0, burst: 1, ..carrier(1, "Acme").settings },
        ..carrier(1, "Acme")
    };
    let mut rig = Rig::new(vec![campaign(1)], vec![paced]);
    rig.settings(|settings| settings.concurrency = 100);
    let mut placed = rig.serve().len();
    let begun = rig.now;
    while rig.now < begun + SignedDuration::from_secs(10) {
        rig.now = rig.scheduler.poll_timeout();
        rig.tell(Input::Tick);
        placed += rig.serve().len();
    }
    assert_eq!(placed, 81);
    let view = rig.view();
    assert_eq!(view.dials_per_second, Some(8.0));
    assert_eq!(view.reason.code, ReasonCode::CarrierCps);
}

#[test]
fn campaigns_of_one_priority_share_evenly_and_a_higher_one_goes_first() {
    let paced = Carrier {
        settings: CarrierSettings { cps: 10.0, burst: 1, ..carrier(1, "Acme").settings },
        ..carrier(1, "Acme")
    };
    let with_priority = |id, priority, waiting| {
        let mut setup = campaign(id);
        let settings = Arc::make_mut(&mut setup.settings);
        settings.priority = priority;
        settings.concurrency = 1_000;
        setup.queue.waiting = waiting;
        setup
    };
    let campaigns =
        vec![with_priority(1, 0, 500), with_priority(2, 0, 500), with_priority(3, 5, 40)];
    let mut rig = Rig::new(campaigns, vec![paced]);
    let mut order: Vec<i64> = Vec::new();
    for _ in 0..400 {
        order.extend(rig.serve().iter().map(|call| call.attempt.lease.campaign.0));
        rig.now = rig.scheduler.poll_timeout();
        rig.tell(Input::Tick);
    }
    let (first, rest) = order.split_at(40);
    let urgent = first.iter().filter(|id| **id == 3).count();
    assert!(urgent >= 38, "all but the first few, before its claims were in hand: {urgent}");
    let shares: BTreeMap<i64, usize> = rest.iter().fold(BTreeMap::new(), |mut shares, id| {
        *shares.entry(*id).or_default() += 1;
        shares
    });
    assert!(shares[&1].abs_diff(shares[&2]) <= 2, "{shares:?}");
}

#[test]
fn a_contact_keeps_its_caller_id_while_that_number_is_healthy() {
    let mut setup = campaign(1);
    setup.numbers = vec![number(1, 1), number(2, 2), number(3, 1)].into();
    setup.queue.waiting = 0;
    let mut rig = Rig::new(vec![setup], vec![carrier(1, "Acme"), carrier(2, "Blue")]);
    let dial = |rig: &mut Rig, last: Option<i64>| {
        let lease = rig.lease(1, last);
        let queue = QueueState { waiting: 0, active: 1, next_due: None };
        rig.tell(Input::Leased { campaign: CampaignId(1), run: 1, leases: vec![lease], queue });
        let placed = rig.serve();
        (placed[0].attempt.number_id.0, placed[0].attempt.id)
    };
    assert_eq!(dial(&mut rig, None).0, 1);
    assert_eq!(dial(&mut rig, None).0, 2, "least recently used");
    assert_eq!(dial(&mut rig, None).0, 3);
    let (number, attempt) = dial(&mut rig, Some(2));
    assert_eq!(number, 2, "the one it was called from before");
    assert_eq!(dial(&mut rig, None).0, 1);
    rig.end(attempt, OVERLOADED);
    assert_eq!(dial(&mut rig, Some(2)).0, 3, "its carrier rests: another");
}

#[test]
fn another_carrier_of_the_pool_takes_over_where_it_takes_any_caller_id() {
    let blue = carrier(2, "Blue");
    let open = Carrier {
        settings: CarrierSettings { any_caller_id: true, ..blue.settings.clone() },
        ..blue.clone()
    };
    for (second, expected) in [(blue, 2), (open, 2)] {
        let mut setup = campaign(1);
        setup.numbers = vec![number(1, 1), number(2, 2)].into();
        let mut rig = Rig::new(vec![setup], vec![carrier(1, "Acme"), second]);
        let calls = rig.serve();
        let acme =
            calls.iter().find(|call| call.carrier.id == CarrierId(1)).expect("both are used");
        rig.end(acme.attempt.id, OVERLOADED);
        let placed = rig.serve();
        assert!(!placed.is_empty());
        assert!(placed.iter().all(|call| call.carrier.id == CarrierId(expected)));
    }
}
