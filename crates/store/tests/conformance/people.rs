//! Users, keys, sessions; carriers, numbers, bots.

use campanile_domain::{bot::BotKind, carrier::Direction};
use campanile_store::{
    Change, StoreError,
    rows::{Role, Scope, Session},
};
use serde_json::json;

use crate::world::{World, after, t0};

#[tokio::test]
async fn an_address_has_one_user_whatever_its_case() {
    let World { store, backend: _backend, .. } = World::new().await;
    let user = store
        .create_user(" Asha@Example.org".into(), Role::Admin, "$argon2id$".into(), t0())
        .await
        .unwrap();
    assert_eq!(user.email, "asha@example.org");
    let again = store.create_user("ASHA@example.org".into(), Role::Viewer, "x".into(), t0()).await;
    assert!(matches!(again, Err(StoreError::Conflict { code: "exists", .. })));
    assert_eq!(store.user_by_email("ASHA@EXAMPLE.ORG").await.unwrap(), Some(user.clone()));
    assert_eq!(store.user_by_email("nobody@example.org").await.unwrap(), None);
    assert_eq!(store.user(user.id).await.unwrap(), user);
    assert_eq!(store.users().await.unwrap(), [user]);
}

#[tokio::test]
async fn the_first_user_is_an_administrator_and_there_is_no_second_first() {
    let World { store, backend: _backend, .. } = World::new().await;
    let first = async |email: &str| store.create_first_user(email.into(), "x".into(), t0()).await;
    assert_eq!(first("asha@example.org").await.unwrap().role, Role::Admin);
    let late = first("ravi@example.org").await;
    assert!(matches!(late, Err(StoreError::Conflict { code: "setup_done", .. })));
    assert_eq!(store.users().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_key_is_found_by_its_prefix_and_its_use_kept_to_the_minute() {
    let World { store, backend: _backend, .. } = World::new().await;
    let key = store
        .create_key("crm".into(), "cmpk_ab12".into(), [7; 32], Scope::Trigger, t0())
        .await
        .unwrap();
    let used = async || store.key_by_prefix("cmpk_ab12").await.unwrap().unwrap().last_used_at;
    assert_eq!(used().await, None);
    store.touch_key(key.id, after(1)).await.unwrap();
    store.touch_key(key.id, after(30)).await.unwrap();
    assert_eq!(used().await, Some(after(1)));
    store.touch_key(key.id, after(61)).await.unwrap();
    assert_eq!(used().await, Some(after(61)));
    assert_eq!(store.keys().await.unwrap().len(), 1);
    store.delete_key(key.id).await.unwrap();
    assert!(matches!(store.delete_key(key.id).await, Err(StoreError::NotFound("key"))));
    assert_eq!(store.key_by_prefix("cmpk_ab12").await.unwrap(), None);
}

#[tokio::test]
async fn a_session_lives_until_it_expires_or_is_ended() {
    let World { store, backend: _backend, .. } = World::new().await;
    let far = "2999-01-01T00:00:00Z".parse().unwrap();
    let session = |id, expires_at| Session { id_hash: [id; 32], data: "{}".into(), expires_at };
    store.save_session(session(1, far)).await.unwrap();
    assert_eq!(store.session([1; 32], t0()).await.unwrap(), Some(session(1, far)));
    assert_eq!(store.session([1; 32], far).await.unwrap(), None, "it has expired");
    let sooner = "2998-01-01T00:00:00Z".parse().unwrap();
    store.save_session(session(1, sooner)).await.unwrap();
    assert_eq!(store.session([1; 32], t0()).await.unwrap(), Some(session(1, sooner)));
    store.delete_session([1; 32]).await.unwrap();
    assert_eq!(store.session([1; 32], t0()).await.unwrap(), None);
}

#[tokio::test]
async fn a_number_belongs_to_a_carrier_and_exists_once() {
    let World { store, carrier, backend: _backend, .. } = World::new().await;
    let e164 = "+918045670002".parse().unwrap();
    let nobody = campanile_domain::ids::CarrierId(1);
    let refused = store.create_number(e164, nobody, None, Direction::Both, t0()).await;
    assert!(
        matches!(refused, Err(StoreError::Invalid(errors)) if errors[0].pointer == "/carrier_id")
    );
    let label = Some("Sales".to_owned());
    let number = store.create_number(e164, carrier, label, Direction::Both, t0()).await.unwrap();
    let again = store.create_number(e164, carrier, None, Direction::Both, t0()).await;
    assert!(matches!(again, Err(StoreError::Conflict { code: "exists", .. })));
    assert_eq!(store.numbers().await.unwrap()[1], number);
}

#[tokio::test]
async fn a_script_that_cannot_run_is_refused() {
    let World { store, backend: _backend, .. } = World::new().await;
    let settings = json!({"start": "nowhere"});
    let refused = store.create_bot("x".into(), BotKind::Script, settings, t0()).await;
    assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    assert_eq!(store.bots().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_changed_carrier_is_told_and_seen() {
    let world = World::new().await;
    let mut changes = world.store.changes();
    let carrier = world.store.carriers().await.unwrap().remove(0);
    let mut settings = carrier.settings;
    settings.cps = 9.0;
    let changed = world.store.update_carrier(carrier.id, false, settings).await.unwrap();
    assert_eq!(changes.recv().await.unwrap(), Change::Setup);
    assert_eq!(world.store.carriers().await.unwrap(), [changed]);
}
