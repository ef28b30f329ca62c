//! A call that its carrier refuses goes on through the next carrier of the pool; the
//! records of both carriers are the judges (DI-10, R-1).

#[path = "calls/world.rs"]
mod world;

use std::collections::BTreeSet;

use campanile_domain::{
    campaign::Status, carrier::Direction, ids::NumberId, outcome::Outcome, phone::PhoneNumber,
    settings::Settings,
};
use campanile_store::rows::{Actor, StagedRow};
use jiff::Timestamp;
use serde_json::json;
use world::{Plan, World, attempts, carrier, record, until};

const CONTACTS: u64 = 30;

/// A number of a new carrier at this port.
#[expect(clippy::unwrap_used, reason = "a test that cannot make its world has failed")]
async fn number(world: &World, port: u16, digits: u64) -> NumberId {
    let now = Timestamp::now();
    let settings = json!({
        "name": "Full", "host": "127.0.0.1", "port": port, "cps": 50, "burst": 5, "channels": 100,
    });
    let settings = serde_json::from_value(settings).unwrap();
    let carrier = world.store.create_carrier(settings, now).await.unwrap();
    let e164 = PhoneNumber::from_digits(digits).unwrap();
    let number = world.store.create_number(e164, carrier.id, None, Direction::Outbound, now).await;
    number.unwrap().id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_call_reaches_its_phone_through_the_second_carrier_as_the_same_attempt() {
    let talk = json!({"answer": 1.0, "hangs_up": 1.0, "talk_seconds": [0.2, 0.4]});
    let (full, full_dir) = carrier(json!({"congestion_503": 1.0}));
    let (good, good_dir) = carrier(talk);
    // The campaign of the world is one call through the good carrier.
    let world = World::start(Plan { contacts: 1, ..Plan::through(good.addr(), 25_000) }).await;
    world.completed().await;
    assert_eq!(world.attempts().await.len(), 1);
    let good_number = world.store.numbers().await.unwrap()[0].id;
    let full_number = number(&world, full.addr().port(), 912_240_005_000).await;

    let me = Actor { id: "usr_test".into(), name: "Test".into() };
    let first = world.campaign().await;
    let settings = Settings {
        name: "Two carriers".into(),
        number_ids: vec![full_number, good_number],
        ..(*first.settings).clone()
    };
    let now = Timestamp::now();
    let campaign = world.store.create_campaign(settings, me.clone(), now).await.unwrap().id;
    let import = world.store.begin_import(campaign, now).await.unwrap();
    let rows = (0..CONTACTS).map(|index| StagedRow {
        line: index + 2,
        phone: PhoneNumber::from_digits(919_812_390_000 + index).unwrap(),
        variables: "{}".into(),
    });
    world.store.stage_rows(import, rows.collect(), Vec::new()).await.unwrap();
    world.store.accept_import(import, me.clone(), now).await.unwrap();
    world.store.start(campaign, me, Timestamp::now()).await.unwrap();
    until(async || {
        let status = world.store.campaign(campaign).await.unwrap().status;
        Some(status).filter(|status| *status == Status::Completed)
    })
    .await;

    let mut attempts = attempts(&world.store, campaign).await;
    // Withdrawn when their carrier began to rest: nothing had left for it.
    attempts.retain(|attempt| attempt.outcome != Some(Outcome::Cancelled));
    assert_eq!(attempts.len() as u64, CONTACTS, "a second carrier is no second attempt");
    for attempt in &attempts {
        assert_eq!(attempt.outcome, Some(Outcome::Completed), "{attempt:?}");
        assert_eq!(attempt.carrier, "Simulated", "the carrier of the last try");
        assert!(attempt.counts);
    }
    let ladders: Vec<_> = {
        let mut ladders = Vec::new();
        for attempt in &attempts {
            ladders.push((attempt.id, world.engine.ladder(attempt.id).await));
        }
        ladders
    };
    let load = world.engine.load();
    assert_eq!((load.calls, load.rtp_ports_used), (0, 0));
    world.engine.shutdown().await;

    let refused = record(full, &full_dir);
    assert!(!refused.is_empty(), "the full carrier was tried");
    let answered: BTreeSet<String> =
        record(good, &good_dir).into_iter().map(|line| line.call_id).collect();
    for line in &refused {
        let (attempt, host) = line.call_id.split_once(".1@").expect("a first try");
        assert!(answered.contains(&format!("{attempt}.2@{host}")), "{attempt} went on");
        assert!(!answered.contains(&line.call_id), "under another Call-ID");
        let (_, ladder) = ladders.iter().find(|(id, _)| id.to_string() == attempt).unwrap();
        let invites = ladder.iter().filter(|message| message.first_line.starts_with("INVITE "));
        assert_eq!(invites.count(), 2, "the ladder shows both carriers");
    }
    let tries = answered.iter().filter(|call_id| call_id.contains(".2@")).count();
    assert_eq!(tries, refused.len(), "and nobody else was tried twice");
    assert_eq!(answered.len() as u64, CONTACTS + 1);
}
