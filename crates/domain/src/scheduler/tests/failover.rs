//! The next carrier after an explicit refusal (DI-10).

use super::*;

/// A campaign with a number on each of so many carriers, and nobody in its line.
fn pool(carriers: i64) -> Rig {
    let mut setup = idle(1);
    setup.numbers = (1..=carriers).map(|id| number(id, id)).collect();
    let names = ["Acme", "Blue", "Coral"];
    let carriers = (1..=carriers).map(|id| carrier(id, names[id as usize - 1])).collect();
    Rig::new(vec![setup], carriers)
}

fn dial(rig: &mut Rig) -> Placement {
    let lease = rig.lease(1, None);
    let mut placed = rig.hand(vec![lease]).serve();
    assert_eq!(placed.len(), 1);
    rig.asked.clear();
    placed.remove(0)
}

/// What is asked after a call through the first of two carriers ended so.
fn after(ending: Ending) -> Vec<String> {
    let mut rig = pool(2);
    let call = dial(&mut rig);
    rig.end(call.attempt.id, ending);
    rig.words()
}

#[test]
fn every_ending_and_whether_another_carrier_gets_the_call() {
    let refused = |sip_code| Ending::Refused { sip_code, after_ms: 40, rang: false };
    let rang = |sip_code| Ending::Refused { sip_code, after_ms: 9_000, rang: true };
    for sip_code in [401, 407, 429, 500, 502, 503, 504, 599] {
        assert_eq!(after(refused(sip_code)), ["reroute 2"], "{sip_code}");
        assert_ne!(after(rang(sip_code)), ["reroute 2"], "{sip_code} after a 18x");
    }
    for sip_code in [302, 403, 404, 408, 480, 484, 486, 488, 600, 603, 607] {
        assert_ne!(after(refused(sip_code)), ["reroute 2"], "{sip_code}");
    }
    assert_eq!(after(Ending::NoConnection), ["reroute 2"], "nothing can have rung");
    for ending in [
        Ending::NoReply,
        Ending::RingTimeout { sip_code: None },
        Ending::RingTimeout { sip_code: Some(503) },
        Ending::Withdrawn,
        Ending::Connected { bot_failed: true },
    ] {
        let words = after(ending);
        assert!(!words.contains(&"reroute 2".to_owned()), "{ending:?}: {words:?}");
    }
}

#[test]
fn a_refused_call_goes_through_each_carrier_once_and_is_one_attempt() {
    let mut rig = pool(3);
    let first = dial(&mut rig);
    let (mut calls, mut now) = (vec![first.clone()], first);
    for tries in 2..=3 {
        rig.end(now.attempt.id, OVERLOADED);
        let asked = rig.words();
        assert_eq!(asked, [format!("reroute {tries}")], "and nothing leaves before it is durable");
        assert_eq!(rig.view().ringing, 0);
        assert!(rig.tell(Input::Recorded(now.attempt.id)).asked.len() == 1);
        now = rig.serve().remove(0);
        calls.push(now.clone());
    }
    let attempts: Vec<_> =
        calls.iter().map(|call| (call.attempt.id, call.attempt.number)).collect();
    assert!(attempts.iter().all(|attempt| *attempt == attempts[0]), "one attempt: {attempts:?}");
    let routes: Vec<_> = calls
        .iter()
        .map(|call| (call.attempt.tries, call.carrier.id.0, call.attempt.number_id.0))
        .collect();
    assert_eq!(routes, [(1, 1, 1), (2, 2, 2), (3, 3, 3)], "each number through its own carrier");
    // No carrier is left: as it would have ended without a pool.
    rig.end(now.attempt.id, OVERLOADED);
    let Some(Command::Finish(finish)) = rig.asked.pop() else { panic!("it ends") };
    assert_eq!((finish.outcome, finish.counts), (Outcome::Congestion, false));
    assert_eq!((finish.attempt.tries, finish.attempt.carrier), (3, CarrierId(3)));
}

#[test]
fn the_last_try_says_what_the_attempt_came_to() {
    let mut rig = pool(2);
    let call = dial(&mut rig);
    rig.end(call.attempt.id, OVERLOADED);
    assert_eq!(rig.serve().len(), 1);
    rig.connect(call.attempt.id);
    rig.words();
    rig.end(call.attempt.id, Ending::Connected { bot_failed: false });
    assert_eq!(rig.words(), ["finish completed (counts)"]);
    assert!(rig.scheduler.engaged.by(call.attempt.lease.phone).is_none());
    let load = rig.view().carriers;
    assert!(load.iter().all(|carrier| carrier.channels_used == 0), "{load:?}");
}

#[test]
fn what_the_first_carrier_says_late_is_not_heard() {
    let mut rig = pool(2);
    let call = dial(&mut rig);
    rig.end(call.attempt.id, OVERLOADED);
    rig.words();
    rig.end(call.attempt.id, OVERLOADED);
    rig.connect(call.attempt.id);
    assert!(rig.words().is_empty());
    rig.tell(Input::Recorded(call.attempt.id));
    assert_eq!(rig.words(), ["place"]);
}

/// Between the refusal and the next INVITE the world may change: then the attempt ends
/// as the first carrier left it, and no second INVITE leaves.
#[test]
fn the_looks_before_an_invite_are_taken_before_the_second_too() {
    type Change<'a> = (&'a str, &'a dyn Fn(&mut Rig));
    let pause = |rig: &mut Rig| rig.change(|campaign| campaign.status = Status::Paused).done();
    let close =
        |rig: &mut Rig| rig.settings(|settings| settings.window.end = "11:00".into()).done();
    let shut_down = |rig: &mut Rig| rig.tell(Input::ShutDown).done();
    let bar = |rig: &mut Rig| {
        rig.settings(|settings| settings.allowed_countries = Some(vec!["US".into()])).done();
    };
    let disable = |rig: &mut Rig| {
        Arc::make_mut(&mut rig.setup.carriers[1]).enabled = false;
        rig.tell_setup();
    };
    let changes: [Change<'_>; 5] = [
        ("paused", &pause),
        ("window closed", &close),
        ("shutting down", &shut_down),
        ("country barred", &bar),
        ("second carrier disabled", &disable),
    ];
    let ended = "finish congestion (does not count)".to_owned();
    for (name, change) in changes {
        // Before the refusal.
        let mut rig = pool(2);
        let call = dial(&mut rig);
        change(&mut rig);
        rig.words();
        rig.end(call.attempt.id, OVERLOADED);
        let words = rig.words();
        assert!(words.contains(&ended), "{name}: {words:?}");
        assert!(!words.contains(&"reroute 2".to_owned()), "{name}: {words:?}");

        // Between the row and the token.
        let mut rig = pool(2);
        let call = dial(&mut rig);
        rig.end(call.attempt.id, OVERLOADED);
        rig.words();
        change(&mut rig);
        rig.words();
        rig.tell(Input::Recorded(call.attempt.id));
        let finish = rig.asked.iter().find_map(|command| match command {
            Command::Finish(finish) => Some(finish),
            _ => None,
        });
        let finish = finish.unwrap_or_else(|| panic!("{name}: {:?}", rig.asked));
        assert_eq!((finish.attempt.tries, finish.attempt.carrier), (1, CarrierId(1)), "{name}");
        assert_eq!(finish.report.sip_code, Some(503), "{name}");
        assert!(!rig.words().contains(&"place".to_owned()), "{name}");
    }
}

#[test]
fn a_second_carrier_that_the_store_did_not_write_is_not_dialled() {
    for answer in [true, false] {
        let mut rig = pool(2);
        let call = dial(&mut rig);
        rig.end(call.attempt.id, OVERLOADED);
        rig.words();
        rig.tell(if answer {
            Input::NotRecorded(call.attempt.id)
        } else {
            Input::StoreFailed { campaign: CampaignId(1), attempt: Some(call.attempt.id) }
        });
        assert_eq!(rig.words(), ["finish congestion (does not count)"], "and no claim goes back");
        rig.tell(Input::Recorded(call.attempt.id));
        assert!(rig.words().is_empty());
        assert_eq!(rig.view().carriers[1].channels_used, 0);
        rig.tell(Input::Settled { attempt: call.attempt.id, queue: QueueState::default() });
        assert!(rig.words().contains(&"complete".to_owned()));
    }
}

#[test]
fn a_carrier_without_a_token_a_channel_or_health_is_passed_over() {
    let busy = |change: fn(&mut CarrierSettings)| {
        let mut rig = pool(2);
        change(&mut Arc::make_mut(&mut rig.setup.carriers[1]).settings);
        rig.tell_setup();
        // The first two calls use what there is of both.
        let first = dial(&mut rig);
        dial(&mut rig);
        rig.end(first.attempt.id, OVERLOADED);
        rig.words()
    };
    let ended = ["finish congestion (does not count)"];
    assert_eq!(busy(|settings| settings.channels = 1), ended);
    assert_eq!(busy(|settings| (settings.cps, settings.burst) = (0.01, 1)), ended);
    assert_eq!(busy(|_| {}), ["reroute 2"]);

    let mut rig = pool(2);
    let (first, second) = (dial(&mut rig), dial(&mut rig));
    rig.end(second.attempt.id, OVERLOADED);
    rig.serve();
    rig.words();
    rig.end(first.attempt.id, OVERLOADED);
    assert_eq!(rig.words(), ended, "both rest");
    // A carrier on trial gets whole calls as its probes, and no call that was refused.
    rig.pass(SignedDuration::from_secs(61));
    assert!(rig.view().carriers.iter().all(|carrier| carrier.resting_until.is_none()));
    let probe = dial(&mut rig);
    rig.end(probe.attempt.id, OVERLOADED);
    assert_eq!(rig.words(), ended);
}

#[test]
fn a_carrier_that_takes_any_caller_id_lets_the_rotation_go_on() {
    let mut setup = idle(1);
    // Three numbers of Acme's and one of Blue's, which was just used.
    setup.numbers = vec![number(1, 1), number(2, 1), number(3, 1), number(4, 2)].into();
    let mut blue = carrier(2, "Blue");
    blue.settings.any_caller_id = true;
    let mut rig = Rig::new(vec![setup], vec![carrier(1, "Acme"), blue]);
    let calls: Vec<Placement> = (0..4).map(|_| dial(&mut rig)).collect();
    rig.end(calls[2].attempt.id, OVERLOADED);
    let next = rig.serve().remove(0);
    assert_eq!((next.carrier.id, next.attempt.number_id), (CarrierId(2), NumberId(1)));
}

#[test]
fn a_storm_of_instant_refusals_sends_the_next_refused_call_elsewhere() {
    let mut rig = pool(2);
    rig.settings(|settings| settings.concurrency = 50);
    let instant = Ending::Refused { sip_code: 480, after_ms: 30, rang: false };
    let mut last = Vec::new();
    for _ in 0..10 {
        let call = loop {
            let call = dial(&mut rig);
            if call.carrier.id == CarrierId(1) {
                break call;
            }
        };
        rig.end(call.attempt.id, instant);
        last = rig.words();
    }
    assert_eq!(last, ["reroute 2"], "the tenth of ten is the carrier's doing, not the callee's");
}
