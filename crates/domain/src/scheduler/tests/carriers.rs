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

#[test]
fn carrier_trouble_does_not_count_against_the_contact() {
    let mut rig = Rig::one(|_| {});
    let calls = rig.serve();
    rig.words();
    rig.end(calls[0].attempt.id, OVERLOADED);
    rig.end(calls[1].attempt.id, Ending::NoReply);
    rig.end(calls[2].attempt.id, BUSY);
    let words: Vec<String> =
        rig.words().into_iter().filter(|word| word.starts_with("finish")).collect();
    assert_eq!(
        words,
        [
            "finish congestion (does not count)",
            "finish network_error (does not count)",
            "finish busy (counts)"
        ]
    );
}

#[test]
fn a_thousand_dials_use_every_number_equally() {
    let mut setup = idle(1);
    setup.numbers = (1..=7).map(|id| number(id, 1 + id % 2)).collect();
    Arc::make_mut(&mut setup.settings).concurrency = 100;
    let mut rig = Rig::new(vec![setup], vec![carrier(1, "Acme"), carrier(2, "Blue")]);
    let mut used: BTreeMap<i64, usize> = BTreeMap::new();
    for _ in 0..1_000 {
        let lease = rig.lease(1, None);
        let call = rig.hand(vec![lease]).serve().remove(0);
        *used.entry(call.attempt.number_id.0).or_default() += 1;
        rig.end(call.attempt.id, BUSY);
        rig.asked.clear();
        rig.pass(SignedDuration::from_millis(20));
    }
    assert_eq!(used.len(), 7);
    assert!(used.values().all(|dials| (142..=143).contains(dials)), "{used:?}");
}

#[test]
fn a_contact_shows_one_number_over_its_retries_whatever_others_do() {
    let mut setup = idle(1);
    setup.numbers = (1..=3).map(|id| number(id, id)).collect();
    let names = ["Acme", "Blue", "Coral"];
    let carriers = (1..=3).map(|id| carrier(id, names[id as usize - 1])).collect();
    let mut rig = Rig::new(vec![setup], carriers);
    let mut last: BTreeMap<i64, Option<i64>> = (0..5).map(|contact| (contact, None)).collect();
    for round in 0..20 {
        for contact in 0..5 {
            let mut lease = rig.lease(1, last[&contact]);
            lease.contact = ContactId(contact);
            let call = rig.hand(vec![lease]).serve().remove(0);
            let number = call.attempt.number_id.0;
            if round > 0 {
                assert_eq!(last[&contact], Some(number), "round {round}");
            }
            last.insert(contact, Some(number));
            rig.end(call.attempt.id, BUSY);
            rig.asked.clear();
            rig.pass(SignedDuration::from_millis(50));
        }
    }
    let numbers: std::collections::BTreeSet<_> = last.values().collect();
    assert_eq!(numbers.len(), 3, "and together they use them all");
}

#[test]
fn a_process_after_another_gives_no_carrier_a_second_burst() {
    let first_after = |cps: f64| {
        let mut acme = carrier(1, "Acme");
        (acme.settings.cps, acme.settings.burst) = (cps, 3);
        let mut rig = Rig::new(vec![campaign(1)], vec![acme]);
        let ids = IdSource::new(rig.now.as_millisecond(), 1);
        rig.scheduler = Scheduler::new(ids, 1_000, rig.now).after_another();
        rig.asked.clear();
        rig.tell_setup();
        let begun = rig.now;
        while rig.serve().is_empty() {
            rig.pass(SignedDuration::from_millis(10));
        }
        assert!(rig.serve().is_empty(), "and one call alone");
        rig.now.duration_since(begun)
    };
    assert!(first_after(4.0) >= SignedDuration::from_millis(250));
    assert!(first_after(0.1) <= SignedDuration::from_millis(1_010), "nobody waits for long");
}
