//! What a crash leaves, and what becomes of it.

use campanile_domain::{
    attempt::Next, campaign::CompletionReason, contact::ContactState, outcome::Outcome,
    settings::Settings,
};
use campanile_store::{Change, RecordRefused, StoreError};

use crate::world::{World, after, finish, operator, t0};

#[tokio::test]
async fn claims_go_back_and_attempts_without_an_end_become_unknown() {
    let mut world = World::new().await;
    let id = world.running(4).await;
    let attempt = world.dial(id, t0()).await;
    let claim = world.lease(id, 1, t0()).await.pop().unwrap();
    let stale = world.attempt(&claim, after(60));

    let world = world.crash();
    assert_eq!(world.store.recover(after(60)).await.unwrap(), [(id, 1)]);
    let kept = world.store.attempt(attempt.id).await.unwrap();
    assert_eq!((kept.outcome, kept.ended_at), (Some(Outcome::Unknown), None));
    let campaign = world.campaign(id).await;
    assert_eq!(campaign.count(ContactState::Failed), 1);
    assert_eq!(campaign.count(ContactState::Pending), 3);
    assert_eq!((campaign.sums.dials, campaign.sums.attempts), (1, 0), "unknown is no figure");

    let refused = world.store.record(stale).await.unwrap();
    assert_eq!(refused, Err(RecordRefused::LeaseLost), "a claim does not outlive its process");
    assert_eq!(world.store.recover(after(61)).await.unwrap(), [], "once is enough");
    world.audit(id).await;
}

#[tokio::test]
async fn an_unknown_attempt_is_dialled_again_only_if_asked_for() {
    let mut world = World::new().await;
    let settings = Settings { retry_unknown: true, ..world.settings() };
    let id = world.running_with(settings, 1).await;
    world.dial(id, t0()).await;
    let world = world.crash();
    world.store.recover(after(100)).await.unwrap();
    // Ring timeout and 32 s: until then the phone may still ring.
    assert!(world.lease(id, 1, after(100 + 76)).await.is_empty());
    let claim = world.lease(id, 1, after(100 + 77)).await.pop().unwrap();
    assert_eq!((claim.counted, claim.dialled), (1, 1), "the unknown attempt counts");
    world.audit(id).await;
}

#[tokio::test]
async fn the_real_end_replaces_unknown_while_nobody_took_the_contact_up() {
    let mut world = World::new().await;
    let settings = Settings { retry_unknown: true, ..world.settings() };
    let id = world.running_with(settings, 2).await;
    let (first, second) = (world.dial(id, t0()).await, world.dial(id, t0()).await);
    let mut world = world.crash();
    world.store.recover(after(100)).await.unwrap();
    let claim = world.lease(id, 1, after(200)).await.pop().unwrap();
    assert_eq!(claim.contact, first.lease.contact);

    let late = world.store.finish(finish(&first, Outcome::Completed, t0()), after(201)).await;
    assert!(matches!(late.unwrap().next, Next::Retry(_)), "it is claimed again");
    let kept = world.store.attempt(first.id).await.unwrap();
    assert_eq!(kept.outcome, Some(Outcome::Unknown));

    let late = world.store.finish(finish(&second, Outcome::Completed, t0()), after(201)).await;
    assert_eq!(late.unwrap().next, Next::Final(ContactState::Completed));
    let kept = world.store.attempt(second.id).await.unwrap();
    assert_eq!(kept.outcome, Some(Outcome::Completed));
    world.audit(id).await;

    let again = world.attempt(&claim, after(202));
    world.store.record(again.clone()).await.unwrap().unwrap();
    world.store.finish(finish(&again, Outcome::Busy, after(202)), after(230)).await.unwrap();
    let passes = world.store.figures(id, 1).await.unwrap().passes;
    let rows: Vec<_> = passes.iter().map(|row| (row.eligible, row.attempted)).collect();
    assert_eq!(rows, [(2, 2), (1, 1), (1, 0)]);
    world.audit(id).await;
}

#[tokio::test]
async fn a_late_end_does_not_revive_a_completed_run() {
    let mut world = World::new().await;
    let id = world.running(1).await;
    let attempt = world.dial(id, t0()).await;
    let world = world.crash();
    world.store.recover(after(60)).await.unwrap();
    let reason = world.store.complete(id, 1, after(61)).await.unwrap();
    assert_eq!(reason, Some(CompletionReason::AllFinal));
    let late = world.store.finish(finish(&attempt, Outcome::Busy, t0()), after(62)).await.unwrap();
    assert_eq!(late.next, Next::Final(ContactState::Failed));
    assert_eq!((late.queue.waiting, late.queue.active), (0, 0));
    world.audit(id).await;
}

#[tokio::test]
async fn a_claim_of_a_stopped_run_ends_as_stopped_after_a_crash() {
    let world = World::new().await;
    let id = world.running(2).await;
    world.lease(id, 1, t0()).await;
    world.store.stop(id, operator(), after(1)).await.unwrap();
    let world = world.crash();
    world.store.recover(after(2)).await.unwrap();
    assert_eq!(world.campaign(id).await.count(ContactState::ManualStopped), 2);
    world.audit(id).await;
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_crash() {
    let mut world = World::new().await;
    let id = world.running(2).await;
    world.call(id, Outcome::Completed, t0()).await;
    let before = world.campaign(id).await;
    let world = world.crash();
    assert_eq!(world.store.recover(after(60)).await.unwrap(), []);
    assert_eq!(world.campaign(id).await, before);
}

#[tokio::test]
async fn one_process_dials_from_a_directory_and_others_may_look_and_write() {
    let world = World::new().await;
    world.store.lock_dialler().unwrap();
    world.store.lock_dialler().unwrap();
    let other = world.backend.open();
    let refused = other.lock_dialler();
    assert!(matches!(refused, Err(StoreError::Conflict { code: "locked", .. })), "{refused:?}");
    assert_eq!(other.carriers().await.unwrap().len(), 1);

    let World { store, backend, .. } = world;
    drop(store);
    other.lock_dialler().unwrap();
    drop(backend);
}

#[tokio::test]
async fn what_another_process_changes_is_noticed() {
    let world = World::new().await;
    let id = world.running(1).await;
    let mut changes = world.store.changes();
    let other = world.backend.open();
    other.stop(id, operator(), after(1)).await.unwrap();
    while changes.recv().await.unwrap() != Change::Setup {}
    while changes.recv().await.unwrap() != Change::Campaign(id) {}
    assert_eq!(world.campaign(id).await.count(ContactState::ManualStopped), 1);
}

#[tokio::test]
async fn two_processes_write_in_turns() {
    let world = World::new().await;
    let id = world.running(60).await;
    let other = world.backend.open();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..30 {
        let (store, other) = (world.store.clone(), other.clone());
        tasks.spawn(async move {
            store.lease(id, 1, 1, t0()).await.unwrap();
            let email = format!("user{n}@example.org");
            let role = campanile_store::rows::Role::Viewer;
            other.create_user(email, role, String::new(), t0()).await.unwrap();
        });
    }
    tasks.join_all().await;
    assert_eq!(world.store.users().await.unwrap().len(), 30);
    assert_eq!(world.campaign(id).await.count(ContactState::Leased), 30);
    world.audit(id).await;
}
