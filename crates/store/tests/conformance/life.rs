//! The life of a run: start, pause, stop, sweep, completion, failure.

use campanile_domain::{
    campaign::{CompletionReason, Status},
    carrier::Direction,
    contact::ContactState,
    ids::{BotId, CampaignId},
    outcome::Outcome,
    settings::{Mode, Settings},
};
use campanile_store::{Change, StoreError, rows::CampaignFilter};

use crate::world::{World, after, operator, t0};

/// The pointers and codes of a refusal.
fn faults<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> Vec<(String, &'static str)> {
    match answer {
        Err(StoreError::Invalid(errors)) => {
            errors.into_iter().map(|each| (each.pointer, each.code)).collect()
        }
        other => panic!("expected faults of fields, got {other:?}"),
    }
}

#[tokio::test]
async fn start_names_every_field_that_is_not_ready() {
    let world = World::new().await;
    let settings = Settings { bot_id: None, number_ids: Vec::new(), ..world.settings() };
    let id = world.draft_with(settings, 0).await;
    let faults = faults(world.store.start(id, operator(), t0()).await);
    assert_eq!(
        faults,
        [
            ("/bot_id".to_owned(), "required"),
            ("/number_ids".to_owned(), "required"),
            ("/contacts".to_owned(), "required"),
        ]
    );
    assert_eq!(world.campaign(id).await.status, Status::Draft);
}

#[tokio::test]
async fn start_wants_an_enabled_bot_and_a_number_that_can_dial() {
    let world = World::new().await;
    let id = world.draft(1).await;
    let bot = world.store.bots().await.unwrap().remove(0);
    world.store.update_bot(bot.id, false, bot.name, bot.settings).await.unwrap();
    let carrier = world.store.carriers().await.unwrap().remove(0);
    world.store.update_carrier(carrier.id, false, carrier.settings).await.unwrap();
    let faults = faults(world.store.start(id, operator(), t0()).await);
    assert_eq!(
        faults,
        [("/bot_id".to_owned(), "disabled"), ("/number_ids".to_owned(), "unusable")]
    );

    let inbound = "+918045670009".parse().unwrap();
    let carrier = world.carrier;
    let inbound =
        world.store.create_number(inbound, carrier, None, Direction::Inbound, t0()).await.unwrap();
    let settings = Settings { number_ids: vec![inbound.id], ..world.settings() };
    world.store.update_campaign(id, settings, operator(), t0()).await.unwrap();
    let refused = world.store.start(id, operator(), t0()).await;
    assert!(matches!(refused, Err(StoreError::Invalid(errors)) if errors.len() == 2));
}

#[tokio::test]
async fn a_bot_or_number_that_does_not_exist_is_a_fault_of_its_field() {
    let world = World::new().await;
    let settings = Settings { bot_id: Some(BotId(1)), ..world.settings() };
    let answer = world.store.create_campaign(settings, operator(), t0()).await;
    assert_eq!(faults(answer), [("/bot_id".to_owned(), "not_found")]);
    let everything = world.store.campaigns(CampaignFilter { limit: 9, ..Default::default() });
    assert_eq!(everything.await.unwrap(), [], "nothing of it was written");
}

#[tokio::test]
async fn every_move_is_stamped_and_logged() {
    let world = World::new().await;
    let id = world.running(1).await;
    world.store.pause(id, operator(), after(1)).await.unwrap();
    world.store.resume(id, operator(), after(2)).await.unwrap();
    let stopped = world.store.stop(id, operator(), after(3)).await.unwrap();
    let at = |stamp: Option<campanile_store::rows::Stamp>| stamp.map(|stamp| stamp.at);
    assert_eq!(at(stopped.started), Some(t0()));
    assert_eq!(at(stopped.paused), Some(after(1)));
    assert_eq!(at(stopped.resumed), Some(after(2)));
    assert_eq!(stopped.ended.as_ref().map(|stamp| &stamp.by), Some(&operator()));
    assert_eq!(stopped.completion_reason, Some(CompletionReason::ManuallyStopped));

    let log = world.store.activity(id).await.unwrap();
    let actions: Vec<_> = log.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["stop", "resume", "pause", "start", "contacts_uploaded"]);
    assert_eq!(stopped.activity_count, 5);
    assert!(log.iter().all(|entry| entry.hash.len() == 64));
    world.audit(id).await;
}

#[tokio::test]
async fn a_move_that_the_status_does_not_allow_changes_nothing() {
    let world = World::new().await;
    let id = world.draft(1).await;
    let before = world.campaign(id).await;
    for refused in [
        world.store.pause(id, operator(), t0()).await,
        world.store.resume(id, operator(), t0()).await,
        world.store.stop(id, operator(), t0()).await,
    ] {
        assert!(matches!(refused, Err(StoreError::WrongState(_))), "{refused:?}");
    }
    assert_eq!(world.campaign(id).await, before);
    let nobody = CampaignId(1);
    let refused = world.store.start(nobody, operator(), t0()).await;
    assert!(matches!(refused, Err(StoreError::NotFound("campaign"))));
}

#[tokio::test]
async fn the_completion_reason_is_the_first_that_holds() {
    let mut world = World::new().await;
    let one = Settings { max_attempts: 1, ..world.settings() };

    let id = world.running_with(one.clone(), 2).await;
    world.call(id, Outcome::Completed, t0()).await;
    assert_eq!(world.store.complete(id, 1, after(40)).await.unwrap(), None, "somebody waits");
    world.call(id, Outcome::Busy, t0()).await;
    let reason = world.store.complete(id, 1, after(40)).await.unwrap();
    assert_eq!(reason, Some(CompletionReason::MaxRetries));
    assert_eq!(world.store.complete(id, 1, after(41)).await.unwrap(), None, "it is over");
    world.audit(id).await;

    let id = world.running_with(one.clone(), 1).await;
    world.call(id, Outcome::Completed, t0()).await;
    let reason = world.store.complete(id, 1, after(40)).await.unwrap();
    assert_eq!(reason, Some(CompletionReason::AllFinal));

    let id = world.running_with(Settings { always_on: true, ..one.clone() }, 0).await;
    assert_eq!(world.store.complete(id, 1, after(40)).await.unwrap(), None, "always on");

    let single = Settings { mode: Mode::SingleDay, ..one };
    let id = world.running_with(single, 2).await;
    world.call(id, Outcome::Busy, t0()).await;
    world.store.sweep(id, 1, after(60)).await.unwrap();
    assert_eq!(world.campaign(id).await.count(ContactState::WindowClosed), 1);
    let reason = world.store.complete(id, 1, after(61)).await.unwrap();
    assert_eq!(reason, Some(CompletionReason::WindowEnded));
    world.audit(id).await;
}

#[tokio::test]
async fn a_run_is_not_complete_while_somebody_is_called() {
    let mut world = World::new().await;
    let id = world.running(1).await;
    let attempt = world.dial(id, t0()).await;
    assert_eq!(world.store.complete(id, 1, after(1)).await.unwrap(), None);
    let end = crate::world::finish(&attempt, Outcome::Completed, t0());
    world.store.finish(end, after(30)).await.unwrap();
    assert!(world.store.complete(id, 1, after(31)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_failed_run_keeps_its_line_and_its_reason() {
    let world = World::new().await;
    let id = world.running(2).await;
    world
        .store
        .fail(id, 1, "every carrier was down for 30 minutes".into(), after(9))
        .await
        .unwrap();
    let campaign = world.campaign(id).await;
    assert_eq!(campaign.status, Status::Failed);
    assert_eq!(campaign.failure.as_deref(), Some("every carrier was down for 30 minutes"));
    assert_eq!(campaign.count(ContactState::Pending), 2);
    assert!(world.lease(id, 1, after(10)).await.is_empty());
    world.audit(id).await;
}

#[tokio::test]
async fn a_long_line_is_emptied_in_pieces_after_stop() {
    let world = World::new().await;
    let id = world.running(3_500).await;
    let mut changes = world.store.changes();
    let stopped = world.store.stop(id, operator(), after(1)).await.unwrap();
    assert_eq!(stopped.status, Status::Completed, "at once");
    while world.campaign(id).await.count(ContactState::ManualStopped) < 3_500 {
        while changes.recv().await.unwrap() != Change::Campaign(id) {}
    }
    world.audit(id).await;
}

#[tokio::test]
async fn a_line_that_was_being_emptied_is_emptied_after_a_crash() {
    let world = World::new().await;
    let id = world.running(3_500).await;
    world.store.stop(id, operator(), after(1)).await.unwrap();
    let world = world.crash();
    let mut changes = world.store.changes();
    world.store.recover(after(2)).await.unwrap();
    while world.campaign(id).await.count(ContactState::ManualStopped) < 3_500 {
        while changes.recv().await.unwrap() != Change::Campaign(id) {}
    }
    world.audit(id).await;
}

#[tokio::test]
async fn the_dialler_sees_what_runs_and_what_still_has_calls() {
    let mut world = World::new().await;
    let _draft = world.draft(1).await;
    let paused = world.running(1).await;
    world.store.pause(paused, operator(), after(1)).await.unwrap();
    let draining = world.running(2).await;
    let attempt = world.dial(draining, t0()).await;
    world.store.stop(draining, operator(), after(1)).await.unwrap();
    let stopped = world.running(1).await;
    world.store.stop(stopped, operator(), after(1)).await.unwrap();

    let setup = world.store.dialler_setup().await.unwrap();
    let ids: Vec<_> = setup.campaigns.iter().map(|each| (each.id, each.status)).collect();
    assert_eq!(ids, [(paused, Status::Paused), (draining, Status::Completed)]);
    assert_eq!((setup.campaigns[1].queue.waiting, setup.campaigns[1].queue.active), (0, 1));
    assert_eq!(setup.campaigns[0].numbers.len(), 1);
    assert_eq!(setup.campaigns[0].bot.as_ref().map(|bot| bot.id), Some(world.bot));
    assert_eq!((setup.campaigns[0].revision, setup.campaigns[0].started_at), (1, t0()));
    assert_eq!(setup.carriers.len(), 1);

    let end = crate::world::finish(&attempt, Outcome::Completed, t0());
    world.store.finish(end, after(30)).await.unwrap();
    assert_eq!(world.store.dialler_setup().await.unwrap().campaigns.len(), 1);
}
