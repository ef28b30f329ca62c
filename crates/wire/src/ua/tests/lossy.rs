//! Many calls through bad weather: each ends once at each end, and nothing is left of any.

use std::{collections::BTreeMap, time::Duration};

use super::{
    net::{End, Net, Weather, description, invite},
    pair::assert_empty,
};
use crate::{
    time::Time,
    ua::{CallKey, EndCause, Event, Means, UserAgent},
};

const CALLS: u32 = 200;

/// What a phone does is in the last digit of its number; half of those that were answered describe
/// themselves anew at once.
fn phones(agent: &mut UserAgent, now: Time, key: CallKey, event: &Event) {
    let invite = match event {
        Event::Incoming(invite) => invite,
        Event::Acked { .. } => {
            let means = if key.slot.is_multiple_of(2) { Means::Reinvite } else { Means::Update };
            if key.slot % 4 < 2 {
                agent.renegotiate(now, key, means, description(End::Callee));
            }
            return;
        }
        _ => return,
    };
    match invite.callee.as_bytes().last() {
        Some(b'2') => {
            agent.ring_reliably(now, key, 180, None);
            agent.answer(now, key, description(End::Callee));
        }
        Some(b'0'..=b'4') => {
            agent.ring(now, key, 180, None);
            agent.answer(now, key, description(End::Callee));
        }
        Some(b'5') => agent.reject(now, key, 486, &[]),
        Some(b'6') => agent.reject(now, key, 503, &[("Retry-After", "7".to_owned())]),
        Some(b'7') => {}
        Some(b'8') => agent.ring_reliably(now, key, 183, Some(description(End::Callee))),
        _ => agent.ring(now, key, 180, None),
    }
}

/// Places all calls over ten seconds; each is given up or hung up at a moment of its own.
fn storm(seed: u64, weather: Weather) -> (Net, BTreeMap<u32, CallKey>) {
    let mut net = Net::new(seed, weather, phones);
    let mut keys = BTreeMap::new();
    for number in 0..CALLS {
        let key = net.caller.invite(net.now, invite(number)).unwrap();
        keys.insert(number, key);
        let lasts = Duration::from_millis(net.random(40_000));
        net.later(lasts, move |net| {
            // As an owner does who has had enough: whatever the state, and the callee's too.
            if number % 3 == 0 {
                net.caller.cancel(net.now, key);
            }
            net.caller.hang_up(net.now, key);
        });
        net.run(Duration::from_millis(50));
    }
    net.run(Duration::from_secs(200));
    (net, keys)
}

fn assert_each_call_ended_once(net: &Net, seed: u64) {
    for end in [End::Caller, End::Callee] {
        let mut seen: BTreeMap<CallKey, (u32, u32)> = BTreeMap::new();
        for (_, who, key, event) in &net.events {
            if *who != end {
                continue;
            }
            let (ended, released) = seen.entry(*key).or_default();
            assert_eq!(*released, 0, "seed {seed}: {event:?} after the release");
            match event {
                Event::Ended(_) => *ended += 1,
                Event::Released => *released += 1,
                _ => assert_eq!(*ended, 0, "seed {seed}: {event:?} after the end"),
            }
        }
        assert!(seen.values().all(|counts| *counts == (1, 1)), "seed {seed}: {seen:?}");
    }
}

#[test]
fn two_hundred_calls_end_rightly_through_fifteen_per_cent_loss() {
    for seed in 0..10 {
        let weather = Weather { loss: 0.15, doubled: 0.05, delay_ms: (5, 60) };
        let (mut net, keys) = storm(seed, weather);
        assert_each_call_ended_once(&net, seed);
        assert_empty(&mut net);
        for (number, key) in keys {
            let ended = net
                .events
                .iter()
                .find_map(|(_, end, of, event)| match event {
                    Event::Ended(ended) if *end == End::Caller && *of == key => Some(ended),
                    _ => None,
                })
                .unwrap();
            let right = match number % 10 {
                0..=4 => {
                    &[EndCause::ByeSent, EndCause::Cancelled, EndCause::AnsweredWhileCancelling][..]
                }
                // Before the refusal came through, the call may have been given up.
                5 | 6 => &[EndCause::Refused, EndCause::Cancelled],
                _ => &[EndCause::Cancelled],
            };
            // A callee whose ACK never came through hangs up himself.
            let right = |cause| right.contains(&cause) || cause == EndCause::ByeReceived;
            assert!(right(ended.cause), "seed {seed}, call {number}: {ended:?}");
        }
    }
}

#[test]
fn a_network_that_reorders_everything_confuses_nobody() {
    for seed in 0..5 {
        let weather = Weather { loss: 0.02, doubled: 0.3, delay_ms: (0, 2_000) };
        let (mut net, _) = storm(seed, weather);
        assert_each_call_ended_once(&net, seed);
        assert_empty(&mut net);
    }
}

#[test]
fn a_dead_network_leaves_nothing_behind() {
    let (mut net, _) = storm(1, Weather { loss: 1.0, ..Weather::FAIR });
    let ends = net.ends(End::Caller);
    assert_eq!(ends.len(), CALLS as usize);
    assert!(ends.iter().all(|cause| *cause == EndCause::NoReply));
    assert_empty(&mut net);
}

#[test]
fn the_same_seed_gives_the_same_ladder() {
    let weather = Weather { loss: 0.15, doubled: 0.05, delay_ms: (5, 60) };
    assert_eq!(storm(3, weather).0.ladder(), storm(3, weather).0.ladder());
}
