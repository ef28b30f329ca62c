//! Trigger, row by row of R-11.

use campanile_domain::{
    contact::ContactState,
    exclusion::Selector,
    ids::CampaignId,
    outcome::Outcome,
    settings::{Mode, Settings},
};
use campanile_store::{
    Store, StoreError,
    rows::{Contact, Trigger, Triggered},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::world::{World, after, callee, operator, t0};

fn trigger(campaign: CampaignId, n: u64, metadata: Value) -> Trigger {
    let metadata = metadata.as_object().unwrap().clone();
    Trigger { campaign, number: callee(n), metadata, key: None }
}

fn keyed(campaign: CampaignId, n: u64, key: &str) -> Trigger {
    Trigger { key: Some(key.into()), ..trigger(campaign, n, json!({"order": 7})) }
}

async fn take(world: &World, trigger: Trigger, at: Timestamp) -> Triggered {
    world.store.trigger(trigger, at).await.unwrap()
}

fn code(refused: Result<Triggered, StoreError>) -> &'static str {
    match refused {
        Err(StoreError::Conflict { code, .. }) => code,
        Err(StoreError::Invalid(fields)) => fields[0].code,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// A campaign that runs and has nobody yet.
async fn open(world: &World) -> CampaignId {
    let settings = Settings { always_on: true, mode: Mode::Continuous, ..world.settings() };
    world.running_with(settings, 0).await
}

async fn contact(world: &World, id: CampaignId, n: u64) -> Contact {
    let contacts = world.contacts(id).await;
    contacts.into_iter().find(|contact| contact.phone == callee(n)).expect("it is a contact")
}

#[tokio::test]
async fn a_new_number_goes_before_all_that_wait_but_callbacks() {
    let world = World::new().await;
    let id = world.running(2).await;
    let queued = take(&world, trigger(id, 9, json!({"order": 7})), t0()).await;
    assert!(!queued.dialled, "nobody dials here");
    assert_eq!(queued.run, 1);
    take(&world, trigger(id, 8, json!({})), after(1)).await;
    let claims = world.lease(id, 3, after(2)).await;
    let phones: Vec<_> = claims.iter().map(|claim| claim.phone).collect();
    assert_eq!(phones, [callee(9), callee(8), callee(1)], "first in, first out");
    assert_eq!(contact(&world, id, 9).await.variables["order"], 7);
    world.audit(id).await;
}

#[tokio::test]
async fn dialled_means_that_the_attempt_is_durable() {
    let mut world = World::new().await;
    let id = open(&world).await;
    // On a busy machine a quarter of a second may pass before the row is written: then the
    // answer is `queued`, and rightly so. Of some, one is in time.
    for n in 1..=20 {
        let store = world.store.clone();
        let asked =
            tokio::spawn(async move { store.trigger(trigger(id, n, json!({})), t0()).await });
        let claim = loop {
            if let Some(claim) = world.lease(id, 1, after(1)).await.pop() {
                break claim;
            }
            tokio::task::yield_now().await;
        };
        let attempt = world.attempt(&claim, after(1));
        world.store.record(attempt).await.unwrap().unwrap();
        if asked.await.unwrap().unwrap().dialled {
            return world.audit(id).await;
        }
    }
    panic!("none of twenty was dialled at once");
}

#[tokio::test]
async fn a_waiting_contact_moves_up_and_its_metadata_are_merged() {
    let mut world = World::new().await;
    let id = world.running(2).await;
    // Callee 1 waits for its retry, in ten minutes.
    world.call(id, Outcome::Busy, t0()).await;
    let queued = take(&world, trigger(id, 1, json!({"order": 7})), after(40)).await;
    assert_eq!(queued.contact, contact(&world, id, 1).await.id, "the same contact");
    let merged = contact(&world, id, 1).await;
    assert_eq!(merged.state, ContactState::Pending);
    assert_eq!(Value::Object(merged.variables), json!({"name": "Callee 1", "order": 7}));
    // Its first attempt keeps what it was dialled with.
    let rows = world.store.attempts(id, None, None, 10).await.unwrap();
    assert_eq!(rows[0].variables.as_deref(), Some(r#"{"name":"Callee 1"}"#));
    let claims = world.lease(id, 2, after(41)).await;
    assert_eq!((claims[0].phone, claims[0].counted), (callee(1), 1));
    world.audit(id).await;
}

#[tokio::test]
async fn nothing_else_happens_to_a_contact_in_a_call() {
    let mut world = World::new().await;
    let id = world.running(1).await;
    world.dial(id, t0()).await;
    let before = contact(&world, id, 1).await;
    let queued = take(&world, trigger(id, 1, json!({"order": 7})), after(1)).await;
    assert!(!queued.dialled);
    assert_eq!(contact(&world, id, 1).await, before);
    world.audit(id).await;
}

#[tokio::test]
async fn a_final_contact_is_dialled_again_with_attempts_from_nought_and_new_metadata() {
    let mut world = World::new().await;
    let settings = Settings { max_attempts: 1, ..world.settings() };
    let id = world.running_with(settings, 2).await;
    world.call(id, Outcome::Busy, t0()).await;
    assert_eq!(contact(&world, id, 1).await.state, ContactState::Failed);
    take(&world, trigger(id, 1, json!({"order": 7})), after(60)).await;
    let again = contact(&world, id, 1).await;
    assert_eq!((again.state, again.counted), (ContactState::Pending, 0));
    assert_eq!(Value::Object(again.variables), json!({"order": 7}));
    let claim = world.lease(id, 1, after(61)).await.pop().unwrap();
    assert_eq!((claim.counted, claim.dialled), (0, 1), "attempt numbers are never reused");
    let attempt = world.attempt(&claim, after(61));
    assert_eq!(attempt.number, 2);
    world.store.record(attempt).await.unwrap().unwrap();
    world.audit(id).await;
}

#[tokio::test]
async fn an_excluded_number_comes_back_unless_exclusion_is_sticky() {
    for sticky in [false, true] {
        let world = World::new().await;
        let settings = Settings { sticky_exclusion: sticky, ..world.settings() };
        let id = world.running_with(settings, 1).await;
        let exclude = |selector| world.store.exclude(id, selector, None, operator(), t0());
        exclude(Selector::Number(callee(1))).await.unwrap();
        exclude(Selector::Number(callee(5))).await.unwrap();
        let by_city = Selector::by_metadata(json!({"city": "Pune"}).as_object().unwrap()).unwrap();
        exclude(by_city).await.unwrap();
        for (n, metadata) in [(1, json!({})), (5, json!({})), (6, json!({"city": "Pune"}))] {
            let asked = world.store.trigger(trigger(id, n, metadata), after(1)).await;
            if sticky {
                assert_eq!(code(asked), "excluded", "{n}");
            } else {
                assert!(asked.is_ok(), "{n}: {asked:?}");
                assert_eq!(contact(&world, id, n).await.state, ContactState::Pending);
            }
        }
        world.audit(id).await;
    }
}

#[tokio::test]
async fn a_paused_campaign_queues_and_one_that_does_not_run_refuses() {
    let world = World::new().await;
    let id = world.draft(1).await;
    assert_eq!(code(world.store.trigger(trigger(id, 9, json!({})), t0()).await), "not_accepting");
    world.store.start(id, operator(), t0()).await.unwrap();
    world.store.pause(id, operator(), t0()).await.unwrap();
    assert!(!take(&world, trigger(id, 9, json!({})), t0()).await.dialled);
    world.store.stop(id, operator(), t0()).await.unwrap();
    assert_eq!(code(world.store.trigger(trigger(id, 8, json!({})), t0()).await), "not_accepting");
    world.audit(id).await;
}

#[tokio::test]
async fn a_single_day_refuses_outside_its_window_and_a_longer_one_queues() {
    let evening = t0() + SignedDuration::from_hours(8);
    for (mode, refused) in [(Mode::SingleDay, true), (Mode::Continuous, false)] {
        let world = World::new().await;
        let settings = Settings { mode, ..world.settings() };
        let id = world.running_with(settings, 1).await;
        let asked = world.store.trigger(trigger(id, 9, json!({})), evening).await;
        match refused {
            true => assert_eq!(code(asked), "outside_window"),
            false => assert!(!asked.unwrap().dialled),
        }
    }
}

#[tokio::test]
async fn equal_requests_under_one_key_are_taken_once_and_answered_alike() {
    let world = World::new().await;
    let id = open(&world).await;
    let ask = |store: Store| async move { store.trigger(keyed(id, 9, "order-7"), t0()).await };
    let asked: Vec<_> = (0..100).map(|_| tokio::spawn(ask(world.store.clone()))).collect();
    let mut answers = Vec::new();
    for each in asked {
        answers.push(each.await.unwrap().unwrap());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(world.contacts(id).await.len(), 1);
    world.audit(id).await;
}

#[tokio::test]
async fn a_key_holds_for_seven_days_through_crashes_and_for_one_body() {
    let world = World::new().await;
    let id = open(&world).await;
    let first = take(&world, keyed(id, 9, "order-7"), t0()).await;
    let world = world.crash();
    let days = |days: i64| t0() + SignedDuration::from_hours(24 * days);
    assert_eq!(take(&world, keyed(id, 9, "order-7"), days(6)).await, first);
    let other = world.store.trigger(keyed(id, 8, "order-7"), days(6)).await;
    assert_eq!(code(other), "idempotency_mismatch");
    // The key belongs to its campaign.
    let second = open(&world).await;
    take(&world, keyed(second, 8, "order-7"), t0()).await;
    // After seven days it is any other key.
    assert_eq!(take(&world, keyed(id, 8, "order-7"), days(8)).await.contact, {
        contact(&world, id, 8).await.id
    });
    world.audit(id).await;
}
