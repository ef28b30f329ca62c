//! Drafts, edits, lists, snapshots.

use campanile_domain::{campaign::Status, contact::ContactState, settings::Settings};
use campanile_store::{
    Change, StoreError,
    rows::{CampaignFilter, ContactFilter},
};

use crate::world::{World, after, callee, operator, t0};

fn code<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> &'static str {
    match answer {
        Err(StoreError::Conflict { code, .. }) => code,
        other => panic!("expected a conflict, got {other:?}"),
    }
}

#[tokio::test]
async fn a_new_campaign_is_a_draft_of_run_1() {
    let world = World::new().await;
    let draft = world.store.create_campaign(world.settings(), operator(), t0()).await.unwrap();
    assert_eq!((draft.status, draft.run, draft.has_run), (Status::Draft, 1, false));
    assert_eq!((draft.created.at, &draft.created.by), (t0(), &operator()));
    assert_eq!((draft.activity_count, draft.total(), draft.started), (0, 0, None));
    assert_eq!(world.campaign(draft.id).await.settings.name, "Renewals");
}

#[tokio::test]
async fn a_campaign_is_edited_in_draft_and_paused_and_only_tuned_while_it_runs() {
    let world = World::new().await;
    let id = world.draft(1).await;
    let renamed = Settings { name: "Winter".into(), ..world.settings() };
    let edited = world.store.update_campaign(id, renamed.clone(), operator(), t0()).await.unwrap();
    assert_eq!((edited.settings.name.as_str(), edited.revision), ("Winter", 0));

    world.store.start(id, operator(), t0()).await.unwrap();
    let faster = Settings { concurrency: 7, ..renamed.clone() };
    let tuned = Settings { concurrency: 6, ..renamed.clone() };
    let tuned = world.store.update_campaign(id, tuned, operator(), after(1)).await.unwrap();
    assert_eq!((tuned.settings.concurrency, tuned.revision), (6, 2));
    let log = world.store.activity(id).await.unwrap();
    assert_eq!((log[0].action.as_str(), log[0].detail.as_str()), ("tune", "concurrency"));
    let harder = Settings { max_attempts: 9, ..faster.clone() };
    let refused = world.store.update_campaign(id, harder, operator(), after(1)).await.unwrap_err();
    assert!(refused.to_string().contains("`max_attempts` is locked"), "{refused}");

    world.store.pause(id, operator(), after(2)).await.unwrap();
    let other_bot = Settings { bot_id: None, ..renamed.clone() };
    let refused = world.store.update_campaign(id, other_bot, operator(), after(3)).await;
    assert_eq!(code(refused), "locked");
    let refused = world.store.update_campaign(id, world.settings(), operator(), after(3)).await;
    assert_eq!(code(refused), "locked", "the name too");

    let edited =
        world.store.update_campaign(id, faster.clone(), operator(), after(4)).await.unwrap();
    assert_eq!((edited.settings.concurrency, edited.revision), (7, 3));
    let again = world.store.update_campaign(id, faster, operator(), after(5)).await.unwrap();
    assert_eq!(again.revision, 3, "nothing changed");
    let log = world.store.activity(id).await.unwrap();
    assert_eq!((log[0].action.as_str(), log[0].detail.as_str()), ("edit", "concurrency"));
}

#[tokio::test]
async fn each_start_and_edit_leaves_a_setup_that_stays_as_it_is() {
    let world = World::new().await;
    let id = world.running(1).await;
    world.store.pause(id, operator(), after(1)).await.unwrap();
    let settings = Settings { concurrency: 7, ..world.settings() };
    world.store.update_campaign(id, settings, operator(), after(2)).await.unwrap();
    let setups = world.store.setup_snapshots(id).await.unwrap();
    let revisions: Vec<_> = setups.iter().map(|each| (each.run, each.revision, each.at)).collect();
    assert_eq!(revisions, [(1, 2, after(2)), (1, 1, t0())]);
    assert_eq!(setups[1].setup["config"]["concurrency"], 50);
    assert_eq!(setups[0].setup["config"]["concurrency"], 7);
    assert_eq!(setups[0].setup["bot"]["name"], "Hello");
    assert_eq!(setups[0].setup["number_pool"][0]["e164"], "+918045670001");
    assert_eq!(setups[0].setup["number_pool"][0]["carrier"], "Tata");
    assert_eq!(setups[0].setup["started_by"]["name"], "asha@example.org");
}

#[tokio::test]
async fn only_a_draft_that_never_ran_can_be_deleted() {
    let world = World::new().await;
    let id = world.running(1).await;
    assert_eq!(code(world.store.delete_campaign(id, operator(), t0()).await), "wrong_state");

    let draft = world.draft(1_200).await;
    world.store.delete_campaign(draft, operator(), t0()).await.unwrap();
    assert!(matches!(world.store.campaign(draft).await, Err(StoreError::NotFound("campaign"))));
    let contacts = world.store.contacts(draft, ContactFilter { limit: 1, ..Default::default() });
    assert!(contacts.await.is_err());
    world.audit(id).await;
}

#[tokio::test]
async fn the_list_is_newest_first_in_pages_and_searched_without_case() {
    let world = World::new().await;
    let named = |name: &str| Settings { name: name.into(), ..world.settings() };
    let first = world.draft_with(named("Renewals Élan"), 1).await;
    let second = world.draft_with(named("Winter"), 1).await;
    let third = world.draft_with(named("renewals again"), 1).await;
    world.store.start(second, operator(), t0()).await.unwrap();

    let list = async |filter: CampaignFilter| -> Vec<_> {
        let page = world.store.campaigns(filter).await.unwrap();
        page.into_iter().map(|each| each.id).collect()
    };
    let all = CampaignFilter { limit: 2, ..Default::default() };
    assert_eq!(list(all.clone()).await, [third, second]);
    assert_eq!(list(CampaignFilter { after: Some(second), ..all.clone() }).await, [first]);
    let running = CampaignFilter { status: Some(Status::Running), ..all.clone() };
    assert_eq!(list(running).await, [second]);
    let search = |text: &str| CampaignFilter { search: Some(text.into()), ..all.clone() };
    assert_eq!(list(search("RENEWALS")).await, [third, first]);
    assert_eq!(list(search("éLAN")).await, [first]);
    assert!(list(search("100%")).await.is_empty());
}

#[tokio::test]
async fn contacts_come_in_pages_by_state_and_by_number() {
    let mut world = World::new().await;
    let id = world.running(5).await;
    world.call(id, campanile_domain::outcome::Outcome::Completed, t0()).await;
    world.call(id, campanile_domain::outcome::Outcome::Busy, t0()).await;
    let list = async |filter: ContactFilter| -> Vec<_> {
        let page = world.store.contacts(id, filter).await.unwrap();
        page.into_iter().map(|each| each.phone).collect()
    };
    let all = ContactFilter { limit: 2, ..Default::default() };
    assert_eq!(list(all.clone()).await, [callee(1), callee(2)]);
    let second = world.contacts(id).await[1].id;
    let next = ContactFilter { after: Some(second), ..all.clone() };
    assert_eq!(list(next).await, [callee(3), callee(4)]);
    let of = |state| ContactFilter { state: Some(state), ..all.clone() };
    assert_eq!(list(of(ContactState::Completed)).await, [callee(1)]);
    assert_eq!(list(of(ContactState::RetryScheduled)).await, [callee(2)]);
    assert_eq!(list(of(ContactState::Pending)).await, [callee(3), callee(4)]);
    let phone = |text: &str| ContactFilter { phone: Some(text.into()), ..all.clone() };
    assert_eq!(list(phone("000 004")).await, [callee(4)], "the end of the number");
    assert_eq!(list(phone("+91 98100")).await, [callee(1), callee(2)], "its start");
    assert!(list(phone("81000000")).await.is_empty(), "not its middle");
    assert!(list(phone("nobody")).await.is_empty());
}

#[tokio::test]
async fn a_contact_shows_its_trail_and_when_it_is_due() {
    let mut world = World::new().await;
    let id = world.running(2).await;
    world.call(id, campanile_domain::outcome::Outcome::Busy, t0()).await;
    let contacts = world.contacts(id).await;
    let (busy, fresh) = (&contacts[0], &contacts[1]);
    assert_eq!((busy.counted, busy.due_at, busy.trail.len()), (1, Some(after(630)), 1));
    assert_eq!(busy.trail[0].sip_code, Some(486));
    assert_eq!((fresh.due_at, fresh.trail.len()), (Some(t0()), 0));
    assert_eq!(fresh.variables["name"], "Callee 2");
    assert_eq!(&world.store.contact(id, busy.id).await.unwrap(), busy);
    let other = world.running(1).await;
    let elsewhere = world.store.contact(other, busy.id).await;
    assert!(matches!(elsewhere, Err(StoreError::NotFound("contact"))));
}

#[tokio::test]
async fn a_change_of_status_is_told_at_once() {
    let world = World::new().await;
    let id = world.draft(1).await;
    let mut changes = world.store.changes();
    world.store.start(id, operator(), t0()).await.unwrap();
    assert_eq!(changes.recv().await.unwrap(), Change::Campaign(id));
}
