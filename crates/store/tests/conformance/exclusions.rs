//! Exclusion, row by row of R-10, and what adding the number again does (EX-3, R-11).

use campanile_domain::{
    contact::ContactState, exclusion::Selector, ids::CampaignId, outcome::Outcome,
    settings::Settings,
};
use campanile_store::{RecordRefused, StoreError};
use serde_json::{Value, json};

use crate::world::{World, after, callee, finish, operator, t0};

fn number(n: u64) -> Selector {
    Selector::Number(callee(n))
}

fn metadata(pairs: Value) -> Selector {
    Selector::by_metadata(pairs.as_object().unwrap()).unwrap()
}

async fn exclude(world: &World, id: CampaignId, selector: Selector) -> u64 {
    let reason = Some("asked by phone".to_owned());
    world.store.exclude(id, selector, reason, operator(), t0()).await.unwrap()
}

async fn state(world: &World, id: CampaignId, n: u64) -> ContactState {
    let contacts = world.contacts(id).await;
    contacts.iter().find(|contact| contact.phone == callee(n)).expect("it is a contact").state
}

#[tokio::test]
async fn a_waiting_contact_is_excluded_at_once_and_a_repeat_gives_the_same_number() {
    let world = World::new().await;
    let id = world.running(3).await;
    assert_eq!(exclude(&world, id, number(2)).await, 1);
    assert_eq!(exclude(&world, id, number(2)).await, 1);
    assert_eq!(exclude(&world, id, number(9)).await, 0, "nobody has this number");
    assert_eq!(state(&world, id, 2).await, ContactState::Excluded);

    let claims = world.lease(id, 9, t0()).await;
    let phones: Vec<_> = claims.iter().map(|claim| claim.phone).collect();
    assert_eq!(phones, [callee(1), callee(3)]);
    let figures = world.store.figures(id, 1).await.unwrap();
    assert_eq!(figures.passes[0].eligible, 2, "excluded before its first dial: of no pass");
    let log = world.store.activity(id).await.unwrap();
    let last: Vec<_> = log[..2].iter().rev().map(|entry| entry.detail.as_str()).collect();
    assert_eq!(
        last,
        [
            "the number ending 0002, 1 matched: asked by phone",
            "the number ending 0009, 0 matched: asked by phone"
        ]
    );
    assert!(log[..3].iter().all(|entry| entry.action == "exclude"));
    world.audit(id).await;
}

#[tokio::test]
async fn a_claim_that_was_not_dialled_is_refused_at_the_invite() {
    let mut world = World::new().await;
    let id = world.running(1).await;
    let claim = world.lease(id, 1, t0()).await.pop().unwrap();
    assert_eq!(exclude(&world, id, number(1)).await, 1);
    let attempt = world.attempt(&claim, t0());
    assert_eq!(world.store.record(attempt).await.unwrap(), Err(RecordRefused::Excluded));
    world.store.release(vec![claim]).await.unwrap();
    assert_eq!(state(&world, id, 1).await, ContactState::Excluded);
    world.audit(id).await;
}

#[tokio::test]
async fn a_call_is_not_cut_and_its_contact_is_excluded_when_it_ends() {
    let mut world = World::new().await;
    let id = world.running(1).await;
    let attempt = world.dial(id, t0()).await;
    assert_eq!(exclude(&world, id, number(1)).await, 1);
    assert_eq!(state(&world, id, 1).await, ContactState::Dialling);
    world.store.finish(finish(&attempt, Outcome::Busy, t0()), after(30)).await.unwrap();
    assert_eq!(state(&world, id, 1).await, ContactState::Excluded);
    assert_eq!(world.store.attempt(attempt.id).await.unwrap().outcome, Some(Outcome::Busy));
    world.audit(id).await;
}

#[tokio::test]
async fn a_call_whose_end_was_never_seen_leaves_an_excluded_contact() {
    let mut world = World::new().await;
    let settings = Settings { retry_unknown: true, ..world.settings() };
    let id = world.running_with(settings, 1).await;
    world.dial(id, t0()).await;
    assert_eq!(exclude(&world, id, number(1)).await, 1);
    let world = world.crash();
    world.store.recover(after(60)).await.unwrap();
    assert_eq!(state(&world, id, 1).await, ContactState::Excluded);
    world.audit(id).await;
}

#[tokio::test]
async fn a_final_contact_keeps_its_state() {
    let mut world = World::new().await;
    let id = world.running(2).await;
    world.call(id, Outcome::Completed, t0()).await;
    assert_eq!(exclude(&world, id, number(1)).await, 1);
    assert_eq!(state(&world, id, 1).await, ContactState::Completed);
    world.audit(id).await;
}

#[tokio::test]
async fn a_file_brings_an_excluded_contact_back_unless_exclusion_is_sticky() {
    for (sticky, state_after, duplicates) in
        [(false, ContactState::Pending, 1), (true, ContactState::Excluded, 2)]
    {
        let world = World::new().await;
        let settings = Settings { sticky_exclusion: sticky, ..world.settings() };
        let id = world.running_with(settings, 3).await;
        exclude(&world, id, number(2)).await;
        // One that waits, the excluded one, and one that is new.
        let import = world.add(id, [1, 2, 4]).await;
        assert_eq!(import.duplicates, duplicates, "sticky {sticky}");
        assert_eq!(state(&world, id, 2).await, state_after);
        assert_eq!(state(&world, id, 4).await, ContactState::Pending);
        world.audit(id).await;
        // The same again, when it waits: a known number like any other.
        assert_eq!(world.add(id, [1, 2, 4]).await.duplicates, 3);
        world.audit(id).await;
    }
}

#[tokio::test]
async fn a_sticky_exclusion_stands_for_numbers_that_are_not_there_yet() {
    for (sticky, state_after) in [(true, ContactState::Excluded), (false, ContactState::Pending)] {
        let world = World::new().await;
        let settings = Settings { sticky_exclusion: sticky, ..world.settings() };
        let id = world.running_with(settings, 1).await;
        assert_eq!(exclude(&world, id, number(7)).await, 0);
        assert_eq!(exclude(&world, id, metadata(json!({"name": "Callee 8"}))).await, 0);
        world.add(id, [7, 8, 9]).await;
        assert_eq!(state(&world, id, 7).await, state_after, "by number, sticky {sticky}");
        assert_eq!(state(&world, id, 8).await, state_after, "by metadata, sticky {sticky}");
        assert_eq!(state(&world, id, 9).await, ContactState::Pending);
        world.audit(id).await;
    }
}

#[tokio::test]
async fn contacts_are_found_by_metadata_before_and_after_a_key_was_first_used() {
    let world = World::new().await;
    let id = world.running(1_200).await;
    assert_eq!(exclude(&world, id, metadata(json!({"name": "Callee 1100"}))).await, 1);
    assert_eq!(state_of(&world, id, 1100).await, ContactState::Excluded);
    // A contact that came after the key was made findable.
    world.add(id, [2_000]).await;
    assert_eq!(exclude(&world, id, metadata(json!({"name": "Callee 2000"}))).await, 1);
    assert_eq!(exclude(&world, id, metadata(json!({"name": "Callee 5", "city": "Pune"}))).await, 0);
    assert_eq!(exclude(&world, id, metadata(json!({"city": "Pune"}))).await, 0);
    assert_eq!(world.campaign(id).await.count(ContactState::Excluded), 2);
    world.audit(id).await;
}

async fn state_of(world: &World, id: CampaignId, n: u64) -> ContactState {
    let filter = campanile_store::rows::ContactFilter {
        phone: Some(callee(n).to_string()),
        limit: 2,
        ..Default::default()
    };
    world.store.contacts(id, filter).await.unwrap()[0].state
}

#[tokio::test]
async fn many_contacts_with_one_value_are_excluded_in_pieces_and_told_once() {
    let world = World::new().await;
    let id = world.draft(0).await;
    let import = world.store.begin_import(id, t0()).await.unwrap();
    let mut rows = crate::world::rows(1..=2_500);
    for row in &mut rows {
        row.variables = r#"{"city":"Pune"}"#.into();
    }
    world.store.stage_rows(import, rows, Vec::new()).await.unwrap();
    world.store.accept_import(import, operator(), t0()).await.unwrap();
    assert_eq!(exclude(&world, id, metadata(json!({"city": "Pune"}))).await, 2_500);
    assert_eq!(world.campaign(id).await.count(ContactState::Excluded), 2_500);
    let log = world.store.activity(id).await.unwrap();
    let told = log.iter().filter(|entry| entry.action == "exclude").count();
    assert_eq!((told, log[0].detail.as_str()), (1, "by city, 2500 matched: asked by phone"));
    world.audit(id).await;
}

#[tokio::test]
async fn a_crash_while_a_key_is_made_findable_loses_nothing() {
    let world = World::new().await;
    let id = world.running(3_000).await;
    // The walk begins and nobody waits for it.
    let asked =
        world.store.exclude(id, metadata(json!({"name": "Callee 2999"})), None, operator(), t0());
    drop(tokio::time::timeout(std::time::Duration::from_micros(50), asked).await);
    let world = world.crash();
    world.store.recover(after(1)).await.unwrap();
    assert_eq!(exclude(&world, id, metadata(json!({"name": "Callee 2999"}))).await, 1);
    world.audit(id).await;
}

#[tokio::test]
async fn a_campaign_that_is_not_there_is_named() {
    let world = World::new().await;
    for selector in [number(1), metadata(json!({"a": 1}))] {
        let refused =
            world.store.exclude(CampaignId(7), selector, None, operator(), t0()).await.unwrap_err();
        assert!(matches!(refused, StoreError::NotFound("campaign")), "{refused}");
    }
}
