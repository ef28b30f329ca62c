//! Users, keys, sessions; carriers, numbers, bots.

use campanile_domain::{bot::BotKind, carrier::Direction};
use campanile_store::{
    Change, StoreError,
    replies::{Asked, Kept, Reply},
    rows::{CampaignFilter, Role, Scope, Session, UserChange},
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

#[tokio::test]
async fn who_changes_is_signed_out_and_somebody_can_always_administer() {
    let World { store, backend: _backend, .. } = World::new().await;
    let asha =
        store.create_user("asha@example.org".into(), Role::Admin, "x".into(), t0()).await.unwrap();
    let data = json!({"user": asha.id, "since": t0(), "seen": after(9)}).to_string();
    for byte in [1, 2] {
        let session = Session {
            id_hash: [byte; 32],
            data: data.clone(),
            expires_at: "2100-01-01T00:00:00Z".parse().unwrap(),
        };
        store.save_session(session).await.unwrap();
    }
    let ids = async || {
        let sign_ins = store.sign_ins(asha.id, after(10)).await.unwrap();
        sign_ins.into_iter().map(|each| each.id).collect::<Vec<_>>()
    };
    assert_eq!(ids().await, ["0101010101010101", "0202020202020202"]);
    let one = Some("0101010101010101".to_owned());
    assert_eq!(store.end_sign_ins(asha.id, one.clone()).await.unwrap(), 1);
    assert_eq!(store.end_sign_ins(asha.id, one).await.unwrap(), 0);
    assert_eq!(ids().await, ["0202020202020202"]);

    let off = || UserChange { enabled: Some(false), ..UserChange::default() };
    let alone = store.change_user(asha.id, off(), t0()).await;
    assert!(matches!(alone, Err(StoreError::Conflict { code: "last_admin", .. })));
    let alone = store.delete_user(asha.id).await;
    assert!(matches!(alone, Err(StoreError::Conflict { code: "last_admin", .. })));
    assert_eq!(ids().await.len(), 1, "a refusal changes nothing");
    assert_eq!(store.user(asha.id).await.unwrap(), asha);

    let ravi =
        store.create_user("ravi@example.org".into(), Role::Admin, "x".into(), t0()).await.unwrap();
    let changed = store.change_user(asha.id, off(), after(20)).await.unwrap();
    assert_eq!(changed.disabled_at, Some(after(20)));
    assert!(ids().await.is_empty());
    let alone = store.delete_user(ravi.id).await;
    assert!(matches!(alone, Err(StoreError::Conflict { code: "last_admin", .. })));
    store.delete_user(asha.id).await.unwrap();
    assert!(matches!(store.user(asha.id).await, Err(StoreError::NotFound("user"))));
}

#[tokio::test]
async fn a_key_answers_once_and_is_never_worked_on_twice() {
    let World { store, backend: _backend, .. } = World::new().await;
    let asked = |who: &str, request: u8, process| Asked {
        who: who.into(),
        key: "offer-1".into(),
        request: [request; 32],
        process,
    };
    let first = asked("key_1", 1, 7);
    assert_eq!(store.begin_reply(first.clone(), t0()).await.unwrap(), Kept::Nothing);
    assert_eq!(store.begin_reply(first.clone(), t0()).await.unwrap(), Kept::Unanswered);
    let after_a_crash = store.begin_reply(asked("key_1", 1, 8), t0()).await.unwrap();
    assert_eq!(after_a_crash, Kept::Lost);
    assert_eq!(store.begin_reply(asked("key_1", 2, 7), t0()).await.unwrap(), Kept::Other);
    assert_eq!(store.begin_reply(asked("key_2", 2, 7), t0()).await.unwrap(), Kept::Nothing);
    let reply = Reply { status: 201, answer: "{}".into() };
    store.keep_reply(first.clone(), reply.clone()).await.unwrap();
    store.forget_reply(first.clone()).await.unwrap();
    let kept = Kept::Reply(reply);
    assert_eq!(store.begin_reply(first.clone(), after(86_399)).await.unwrap(), kept);
    assert_eq!(store.begin_reply(first.clone(), after(86_400)).await.unwrap(), Kept::Nothing);
    store.forget_reply(first.clone()).await.unwrap();
    assert_eq!(store.begin_reply(first, after(86_401)).await.unwrap(), Kept::Nothing);
}

#[tokio::test]
async fn what_is_in_use_stays() {
    let world = World::new().await;
    let store = &world.store;
    let refused = |result| matches!(result, Err(StoreError::Conflict { code: "in_use", .. }));
    let spare = store.bots().await.unwrap()[0].settings.clone();
    let spare = store.create_bot("Spare".into(), BotKind::Script, spare, t0()).await.unwrap();
    store.delete_bot(spare.id).await.unwrap();
    assert!(matches!(store.delete_bot(spare.id).await, Err(StoreError::NotFound("bot"))));

    let carrier = store.carriers().await.unwrap()[0].clone();
    let number = store
        .create_number("+911140009999".parse().unwrap(), carrier.id, None, Direction::Both, t0())
        .await
        .unwrap();
    assert!(refused(store.delete_carrier(carrier.id).await), "it is enabled");
    store.update_carrier(carrier.id, false, carrier.settings.clone()).await.unwrap();
    assert!(refused(store.delete_carrier(carrier.id).await), "it has numbers");
    store.delete_number(number.id).await.unwrap();
    assert!(matches!(store.delete_number(number.id).await, Err(StoreError::NotFound("number"))));
    let other = store.create_carrier(carrier.settings.clone(), t0()).await.unwrap();
    store.update_carrier(other.id, false, carrier.settings).await.unwrap();
    store.delete_carrier(other.id).await.unwrap();
    for campaign in
        store.campaigns(CampaignFilter { limit: 9, ..Default::default() }).await.unwrap()
    {
        if let Some(bot) = campaign.settings.bot_id {
            assert!(refused(store.delete_bot(bot).await));
        }
        for number in &campaign.settings.number_ids {
            assert!(refused(store.delete_number(*number).await));
        }
    }
}
