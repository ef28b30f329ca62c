//! Another run of the same campaign, and the way back (CL-7, CL-8, R-9).

use campanile_domain::{
    campaign::Status, contact::ContactState, exclusion::Selector, ids::CampaignId,
    outcome::Outcome, settings::Settings,
};
use campanile_store::{
    StoreError,
    rows::{Attempt, Campaign, Contact, RunFigures, SetupSnapshot},
};
use proptest::prelude::*;

use crate::world::{World, after, callee, operator, t0};

fn code<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> &'static str {
    match answer {
        Err(StoreError::Conflict { code, .. }) => code,
        other => panic!("expected a conflict, got {other:?}"),
    }
}

/// A campaign whose only run is over: the first of its contacts was spoken with.
async fn finished(world: &mut World, contacts: u64) -> CampaignId {
    let id = world.running(contacts).await;
    world.call(id, Outcome::Completed, t0()).await;
    world.store.stop(id, operator(), after(60)).await.unwrap();
    id
}

#[tokio::test]
async fn a_restart_dials_everybody_again_but_those_who_are_excluded() {
    let mut world = World::new().await;
    let id = finished(&mut world, 3).await;
    let excluded = Selector::Number(callee(3));
    world.store.exclude(id, excluded, None, operator(), after(61)).await.unwrap();

    let prepared = world.store.restart(id, operator(), after(62)).await.unwrap();
    assert_eq!((prepared.status, prepared.run, prepared.revision), (Status::Draft, 2, 0));
    assert_eq!((&prepared.started, &prepared.ended), (&None, &None));
    assert_eq!(prepared.count(ContactState::Pending), 2, "who was spoken with waits again");
    assert_eq!(prepared.count(ContactState::Excluded), 1);
    assert_eq!(prepared.sums.dials, 0);
    assert!(world.contacts(id).await.iter().all(|contact| contact.trail.is_empty()));
    assert!(world.lease(id, 9, after(63)).await.is_empty(), "nothing is dialled before Start");

    world.store.start(id, operator(), after(64)).await.unwrap();
    let claims = world.store.lease(id, 2, 9, after(65)).await.unwrap().leases;
    let phones: Vec<_> = claims.iter().map(|claim| (claim.run, claim.phone)).collect();
    assert_eq!(phones, [(2, callee(1)), (2, callee(2))]);
    let kept = world.store.attempts(id, Some(1), None, 9).await.unwrap();
    assert_eq!(kept.len(), 1, "old attempts stay under their run");
    assert_eq!(world.store.figures(id, 1).await.unwrap().sums.conversations, 1);
    world.audit(id).await;
}

#[tokio::test]
async fn a_restart_waits_for_the_last_call_of_the_run() {
    let mut world = World::new().await;
    let id = world.running(2).await;
    assert!(matches!(
        world.store.restart(id, operator(), t0()).await,
        Err(StoreError::WrongState(_))
    ));
    let attempt = world.dial(id, t0()).await;
    world.store.stop(id, operator(), after(1)).await.unwrap();
    let before = world.campaign(id).await;
    assert_eq!(code(world.store.restart(id, operator(), after(2)).await), "draining");
    assert_eq!(world.campaign(id).await, before, "a refusal changes nothing");

    let finish = crate::world::finish(&attempt, Outcome::Completed, t0());
    world.store.finish(finish, after(30)).await.unwrap();
    world.store.restart(id, operator(), after(31)).await.unwrap();
    world.audit(id).await;
}

#[tokio::test]
async fn contacts_of_a_prepared_run_are_locked_and_it_is_not_deleted() {
    let mut world = World::new().await;
    let id = finished(&mut world, 1).await;
    world.store.restart(id, operator(), after(61)).await.unwrap();
    assert_eq!(code(world.store.begin_import(id, after(62)).await), "wrong_state");
    assert_eq!(code(world.store.delete_campaign(id, operator(), after(62)).await), "wrong_state");
    let renamed = Settings { name: "Other".into(), ..world.settings() };
    let refused = world.store.update_campaign(id, renamed, operator(), after(62)).await;
    assert_eq!(code(refused), "locked");
}

#[tokio::test]
async fn only_a_prepared_run_that_was_not_started_is_taken_back() {
    let mut world = World::new().await;
    let draft = world.draft(1).await;
    let refused = world.store.cancel_restart(draft, operator(), t0()).await;
    assert_eq!(code(refused), "wrong_state");
    let id = finished(&mut world, 1).await;
    assert_eq!(code(world.store.cancel_restart(id, operator(), after(61)).await), "wrong_state");
    world.store.restart(id, operator(), after(62)).await.unwrap();
    world.store.start(id, operator(), after(63)).await.unwrap();
    assert_eq!(code(world.store.cancel_restart(id, operator(), after(64)).await), "wrong_state");
    world.audit(id).await;
}

/// Everything that is told of a campaign, but for its log, which only grows.
#[derive(Debug, PartialEq)]
struct Told {
    campaign: Campaign,
    figures: RunFigures,
    contacts: Vec<Contact>,
    each: Vec<Contact>,
    attempts: Vec<Attempt>,
    setups: Vec<SetupSnapshot>,
}

async fn told(world: &World, id: CampaignId) -> Told {
    let contacts = world.contacts(id).await;
    let mut each = Vec::new();
    for contact in &contacts {
        each.push(world.store.contact(id, contact.id).await.unwrap());
    }
    let campaign = world.campaign(id).await;
    Told {
        figures: world.store.figures(id, campaign.run).await.unwrap(),
        campaign: Campaign { activity_count: 0, ..campaign },
        contacts,
        each,
        attempts: world.store.attempts(id, None, None, 1_000).await.unwrap(),
        setups: world.store.setup_snapshots(id).await.unwrap(),
    }
}

/// What is done to a prepared run.
#[derive(Debug, Clone)]
enum Change {
    Edit(u32),
    Exclude(u64),
    Crash,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (2..5u32).prop_map(Change::Edit),
        (1..8u64).prop_map(Change::Exclude),
        Just(Change::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 60, ..Default::default() })]

    #[test]
    fn cancel_restart_brings_every_answer_back(
        outcomes in prop::collection::vec(prop::sample::select(vec![
            Outcome::Completed, Outcome::Busy, Outcome::NoAnswer, Outcome::Abandoned,
            Outcome::Machine,
        ]), 0..6),
        excluded in prop::option::of(1..8u64),
        changes in prop::collection::vec(change(), 0..5),
        rounds in 1..3usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            let id = world.running(7).await;
            for outcome in outcomes {
                world.call(id, outcome, t0()).await;
            }
            if let Some(n) = excluded {
                let number = Selector::Number(callee(n));
                world.store.exclude(id, number, None, operator(), after(50)).await.unwrap();
            }
            world.store.stop(id, operator(), after(60)).await.unwrap();
            let before = told(&world, id).await;
            for _ in 0..rounds {
                world.store.restart(id, operator(), after(61)).await.unwrap();
                for change in &changes {
                    world = take(world, id, change).await;
                }
                world.store.cancel_restart(id, operator(), after(70)).await.unwrap();
                prop_assert_eq!(&told(&world, id).await, &before);
                world.audit(id).await;
            }
            Ok(())
        })?;
    }
}

async fn take(world: World, id: CampaignId, change: &Change) -> World {
    match change {
        Change::Edit(attempts) => {
            let settings = Settings { max_attempts: *attempts, ..world.settings() };
            world.store.update_campaign(id, settings, operator(), after(65)).await.unwrap();
            world
        }
        Change::Exclude(n) => {
            let number = Selector::Number(callee(*n));
            world.store.exclude(id, number, None, operator(), after(66)).await.unwrap();
            world
        }
        Change::Crash => world.crash(),
    }
}

#[tokio::test]
async fn an_exclusion_of_a_prepared_run_outlives_its_end() {
    let mut world = World::new().await;
    let id = finished(&mut world, 3).await;
    world.store.restart(id, operator(), after(61)).await.unwrap();
    let number = Selector::Number(callee(2));
    world.store.exclude(id, number, None, operator(), after(62)).await.unwrap();
    world.store.cancel_restart(id, operator(), after(63)).await.unwrap();
    let again = world.store.restart(id, operator(), after(64)).await.unwrap();
    assert_eq!(again.count(ContactState::Excluded), 1);
    let state = |contact: &Contact| (contact.phone == callee(2)).then_some(contact.state);
    let excluded = world.contacts(id).await.iter().find_map(state);
    assert_eq!(excluded, Some(ContactState::Excluded));
    world.audit(id).await;
}
