//! Contact files: staged, accepted by one commit, applied in pieces.

use campanile_domain::{campaign::Status, contact::ContactState, ids::CampaignId};
use campanile_store::{
    StoreError,
    rows::{ContactFilter, ImportFile, ImportIdentity, ImportStage, RejectedRow},
};

use crate::world::{World, after, callee, operator, rows, t0};

fn refused(line: u64, text: &str, reason: &str) -> RejectedRow {
    let variables = r#"{"name":"x"}"#.into();
    RejectedRow { line, text: text.into(), reason: reason.into(), variables }
}

async fn phones(world: &World, id: CampaignId) -> Vec<campanile_domain::phone::PhoneNumber> {
    world.contacts(id).await.into_iter().map(|each| each.phone).collect()
}

#[tokio::test]
async fn a_file_counts_what_it_holds_and_keeps_file_order() {
    let world = World::new().await;
    let id = world.draft(0).await;
    let import = world.store.begin_import(id, t0()).await.unwrap();
    let banana = refused(9, "12", "invalid_number");
    world.store.stage_rows(import, rows([5, 3, 5, 1]), vec![banana.clone()]).await.unwrap();
    let staged = world.store.import(import).await.unwrap();
    assert_eq!(staged.stage, ImportStage::Staging);
    assert_eq!(phones(&world, id).await, [], "nothing is a contact before it is accepted");

    let done = world.store.accept_import(import, operator(), t0()).await.unwrap();
    assert_eq!(done.stage, ImportStage::Done);
    assert_eq!((done.rows, done.accepted, done.duplicates, done.invalid), (5, 3, 1, 1));
    assert_eq!(done.applied, 3);
    assert_eq!(phones(&world, id).await, [callee(5), callee(3), callee(1)]);
    assert_eq!(world.campaign(id).await.count(ContactState::Pending), 3);

    // Its variables are those of its row.
    let mut duplicate = refused(4, &callee(5).to_string(), "duplicate");
    duplicate.variables = rows([5]).remove(0).variables;
    let rejected = world.store.rejected_rows(import, 0, 10).await.unwrap();
    assert_eq!(rejected, [duplicate, banana.clone()]);
    assert_eq!(world.store.rejected_rows(import, 4, 10).await.unwrap(), [banana]);
    world.audit(id).await;
}

#[tokio::test]
async fn on_a_draft_a_new_file_replaces_the_contacts() {
    let world = World::new().await;
    let id = world.draft(700).await;
    world.add(id, 650..=760).await;
    let expected: Vec<_> = (650..=760).map(callee).collect();
    assert_eq!(phones(&world, id).await, expected);
    assert_eq!(world.campaign(id).await.total(), 111);
    let passes = world.store.figures(id, 1).await.unwrap().passes;
    assert_eq!(passes[0].eligible, 111);
    world.audit(id).await;
}

#[tokio::test]
async fn a_file_without_a_good_row_leaves_the_contacts_alone() {
    let world = World::new().await;
    let id = world.draft(2).await;
    let import = world.store.begin_import(id, t0()).await.unwrap();
    let bad = refused(2, "x", "invalid_number");
    world.store.stage_rows(import, Vec::new(), vec![bad]).await.unwrap();
    let refused = world.store.accept_import(import, operator(), t0()).await;
    assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    assert_eq!(world.store.import(import).await.unwrap().stage, ImportStage::Discarded);
    assert_eq!(phones(&world, id).await, [callee(1), callee(2)]);
    world.audit(id).await;
}

#[tokio::test]
async fn a_file_on_a_running_campaign_adds_those_that_are_new() {
    let world = World::new().await;
    let id = world.running(3).await;
    let import = world.add(id, [4, 2, 5]).await;
    assert_eq!((import.accepted, import.duplicates, import.applied), (2, 1, 2));
    let rejected = world.store.rejected_rows(import.id, 0, 10).await.unwrap();
    assert_eq!((rejected.len(), rejected[0].line), (1, 3));
    let claims = world.lease(id, 9, after(1)).await;
    let order: Vec<_> = claims.iter().map(|claim| claim.phone).collect();
    assert_eq!(order, [1, 2, 3, 4, 5].map(callee));
    world.audit(id).await;
}

#[tokio::test]
async fn those_added_later_wait_behind_retries_that_fell_due_before() {
    let mut world = World::new().await;
    let id = world.running(1).await;
    world.call(id, campanile_domain::outcome::Outcome::Busy, t0()).await;
    let import = world.store.begin_import(id, after(700)).await.unwrap();
    world.store.stage_rows(import, rows([2]), Vec::new()).await.unwrap();
    world.store.accept_import(import, operator(), after(700)).await.unwrap();
    let claims = world.lease(id, 9, after(800)).await;
    let order: Vec<_> = claims.iter().map(|claim| claim.phone).collect();
    assert_eq!(order, [callee(1), callee(2)], "the retry was due at 630");
}

#[tokio::test]
async fn a_campaign_that_is_over_takes_no_file() {
    let world = World::new().await;
    let id = world.running(1).await;
    let early = world.store.begin_import(id, t0()).await.unwrap();
    world.store.stage_rows(early, rows([2]), Vec::new()).await.unwrap();
    world.store.stop(id, operator(), after(1)).await.unwrap();
    let refused = world.store.begin_import(id, after(2)).await;
    assert!(matches!(refused, Err(StoreError::Conflict { code: "wrong_state", .. })));
    let refused = world.store.accept_import(early, operator(), after(2)).await;
    assert!(matches!(refused, Err(StoreError::Conflict { code: "wrong_state", .. })));
}

#[tokio::test]
async fn a_file_meant_for_a_draft_is_not_added_to_what_was_started_meanwhile() {
    let world = World::new().await;
    let id = world.draft(1).await;
    let import = world.store.begin_import(id, t0()).await.unwrap();
    world.store.stage_rows(import, rows([2]), Vec::new()).await.unwrap();
    world.store.start(id, operator(), t0()).await.unwrap();
    let refused = world.store.accept_import(import, operator(), after(1)).await;
    assert!(matches!(refused, Err(StoreError::Conflict { code: "wrong_state", .. })));
    world.store.discard_import(import).await.unwrap();
    assert_eq!(phones(&world, id).await, [callee(1)]);
}

#[tokio::test]
async fn a_file_that_was_not_accepted_is_gone_after_a_crash() {
    let world = World::new().await;
    let id = world.draft(0).await;
    let import = world.store.begin_import(id, t0()).await.unwrap();
    world.store.stage_rows(import, rows(1..=10), Vec::new()).await.unwrap();
    let world = world.crash();
    world.store.recover(after(1)).await.unwrap();
    assert_eq!(world.store.import(import).await.unwrap().stage, ImportStage::Discarded);
    assert_eq!(world.campaign(id).await.total(), 0);
    let refused = world.store.stage_rows(import, rows([11]), Vec::new()).await;
    assert!(refused.is_err());
}

#[tokio::test]
async fn an_accepted_file_is_applied_to_its_end_after_a_crash() {
    let world = World::new().await;
    let id = world.draft(3_000).await;
    let import = world.store.begin_import(id, t0()).await.unwrap();
    world.store.stage_rows(import, rows(2_000..=9_000), Vec::new()).await.unwrap();
    // The file is accepted, and the process goes before all of it is applied.
    let store = world.store.clone();
    let accepting =
        tokio::spawn(async move { store.accept_import(import, operator(), t0()).await });
    let mut changes = world.store.changes();
    while world.store.import(import).await.unwrap().stage == ImportStage::Staging {
        changes.recv().await.unwrap();
    }
    accepting.abort();
    assert!(accepting.await.is_err_and(|error| error.is_cancelled()));

    let world = world.crash();
    let mut changes = world.store.changes();
    world.store.recover(after(1)).await.unwrap();
    while world.store.import(import).await.unwrap().stage != ImportStage::Done {
        changes.recv().await.unwrap();
    }
    let campaign = world.campaign(id).await;
    assert_eq!(campaign.total(), 7_001);
    let first = ContactFilter { limit: 1, ..Default::default() };
    assert_eq!(world.store.contacts(id, first).await.unwrap()[0].phone, callee(2_000));
    world.audit(id).await;
    assert_eq!(world.store.start(id, operator(), after(2)).await.unwrap().status, Status::Running);
}

async fn send_under_key(
    world: &World,
    id: CampaignId,
    callees: &[u64],
    sha256: [u8; 32],
    key: Option<&str>,
) -> Result<campanile_store::rows::Import, StoreError> {
    let import = world.store.begin_import(id, t0()).await?;
    world.store.stage_rows(import, rows(callees.iter().copied()), Vec::new()).await?;
    let file = ImportFile {
        encoding: "UTF-8".into(),
        separator: "comma".into(),
        columns: vec!["phone_number".into(), "name".into()],
    };
    let identity = ImportIdentity { sha256, key: key.map(str::to_owned) };
    world.store.describe_import(import, file, identity).await?;
    world.store.accept_import(import, operator(), t0()).await
}

#[tokio::test]
async fn the_same_file_under_the_same_key_is_one_file() {
    let world = World::new().await;
    let id = world.running(1).await;
    let first = send_under_key(&world, id, &[2, 3], [7; 32], Some("monday")).await.unwrap();
    assert_eq!((first.accepted, first.duplicates), (2, 0));
    assert_eq!(first.file.as_ref().unwrap().columns, ["phone_number", "name"]);
    let again = send_under_key(&world, id, &[2, 3], [7; 32], Some("monday")).await.unwrap();
    assert_eq!(again, first, "the answer that was lost");
    let other = send_under_key(&world, id, &[4], [8; 32], Some("monday")).await.unwrap_err();
    let StoreError::Invalid(faults) = &other else { panic!("{other:?}") };
    assert_eq!(faults[0].code, "idempotency_mismatch");
    // Without a key, and under another, the numbers alone decide.
    for key in [None, Some("tuesday")] {
        let again = send_under_key(&world, id, &[2, 3], [7; 32], key).await.unwrap();
        assert_eq!((again.accepted, again.duplicates), (0, 2), "{key:?}");
    }
    assert_eq!(phones(&world, id).await, [1, 2, 3].map(callee));
    world.audit(id).await;
}

#[tokio::test]
async fn everybody_pending_is_on_one_list_whenever_they_came() {
    let world = World::new().await;
    let id = world.running(3).await;
    world.add(id, 4..=5).await;
    // One is claimed and given back, one stays claimed.
    let leases = world.lease(id, 2, after(10)).await;
    world.store.release(leases[..1].to_vec()).await.unwrap();
    let list = async |after, limit| {
        let state = Some(campanile_domain::contact::ContactState::Pending);
        let filter = ContactFilter { state, after, limit, ..Default::default() };
        world.store.contacts(id, filter).await.unwrap()
    };
    let all = list(None, 10).await;
    let phones = |page: &[campanile_store::rows::Contact]| -> Vec<_> {
        page.iter().map(|contact| contact.phone).collect()
    };
    assert_eq!(phones(&all), [1, 3, 4, 5].map(callee));
    assert_eq!(phones(&list(Some(all[0].id), 2).await), [3, 4].map(callee));
    world.audit(id).await;
}
