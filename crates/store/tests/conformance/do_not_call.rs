//! The do-not-call list (EX-4): looked at when a contact is claimed and again at the INVITE.

use campanile_domain::{contact::ContactState, outcome::Outcome};
use campanile_store::{RecordRefused, StoreError, rows::DoNotCall, rows::Trigger};
use jiff::Timestamp;

use crate::world::{World, after, callee, finish, operator, t0};

fn listed(n: u64, expires_at: Option<Timestamp>) -> DoNotCall {
    DoNotCall {
        number: callee(n),
        source: "manual".into(),
        reason: Some("asked by letter".into()),
        at: t0(),
        by: operator(),
        expires_at,
    }
}

#[tokio::test]
async fn a_listed_number_is_never_claimed_and_its_contact_is_excluded() {
    let world = World::new().await;
    let id = world.running(3).await;
    assert_eq!(world.store.list_do_not_call(vec![listed(2, None)]).await.unwrap(), 1);
    assert_eq!(world.store.list_do_not_call(vec![listed(2, None)]).await.unwrap(), 0);
    let claims = world.lease(id, 3, after(1)).await;
    let phones: Vec<_> = claims.iter().map(|claim| claim.phone).collect();
    assert_eq!(phones, [callee(1), callee(3)]);
    assert_eq!(world.campaign(id).await.count(ContactState::Excluded), 1);
    world.audit(id).await;
}

#[tokio::test]
async fn a_number_listed_after_its_claim_is_refused_at_the_invite() {
    let mut world = World::new().await;
    let id = world.running(1).await;
    let claim = world.lease(id, 1, t0()).await.pop().unwrap();
    world.store.list_do_not_call(vec![listed(1, None)]).await.unwrap();
    let attempt = world.attempt(&claim, after(1));
    let refused = world.store.record(attempt.clone()).await.unwrap();
    assert_eq!(refused, Err(RecordRefused::Excluded));
    assert!(world.store.attempt(attempt.id).await.is_err(), "no row was written");
    assert_eq!(world.campaign(id).await.count(ContactState::Excluded), 1);
    world.audit(id).await;
}

#[tokio::test]
async fn an_entry_holds_until_it_expires_and_a_later_end_wins() {
    let world = World::new().await;
    let id = world.running(1).await;
    world.store.list_do_not_call(vec![listed(1, Some(after(60)))]).await.unwrap();
    assert_eq!(world.lease(id, 1, after(60)).await.len(), 1, "it has expired");

    let store = &world.store;
    store.list_do_not_call(vec![listed(1, Some(after(30)))]).await.unwrap();
    let end = store.do_not_call(callee(1)).await.unwrap().unwrap().expires_at;
    assert_eq!(end, Some(after(60)));
    store.list_do_not_call(vec![listed(1, None)]).await.unwrap();
    store.list_do_not_call(vec![listed(1, Some(after(90)))]).await.unwrap();
    assert_eq!(store.do_not_call(callee(1)).await.unwrap().unwrap().expires_at, None);
}

#[tokio::test]
async fn who_opts_out_is_listed_before_the_row_closes_and_called_by_no_campaign() {
    let mut world = World::new().await;
    let (first, second) = (world.running(1).await, world.running(1).await);
    let attempt = world.dial(first, t0()).await;
    let mut end = finish(&attempt, Outcome::Completed, t0());
    end.result.opt_out = Some(true);
    world.store.finish(end, after(30)).await.unwrap();
    let entry = world.store.do_not_call(callee(1)).await.unwrap().unwrap();
    assert_eq!((entry.source.as_str(), entry.expires_at), ("opt_out", None));
    assert_eq!(world.campaign(first).await.count(ContactState::Excluded), 1);
    assert!(world.lease(second, 1, after(31)).await.is_empty());
    assert_eq!(world.campaign(second).await.count(ContactState::Excluded), 1);

    let trigger = Trigger {
        campaign: second,
        number: callee(1),
        metadata: serde_json::Map::new(),
        key: None,
    };
    let refused = world.store.trigger(trigger, after(32)).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { code: "excluded", .. }), "{refused}");
    world.audit(first).await;
    world.audit(second).await;
}

#[tokio::test]
async fn a_number_listed_while_it_is_called_is_not_called_again() {
    let mut world = World::new().await;
    let id = world.running(1).await;
    let attempt = world.dial(id, t0()).await;
    world.store.list_do_not_call(vec![listed(1, None)]).await.unwrap();
    world.store.finish(finish(&attempt, Outcome::Busy, t0()), after(30)).await.unwrap();
    assert_eq!(world.campaign(id).await.count(ContactState::Excluded), 1);
    world.audit(id).await;
}

#[tokio::test]
async fn the_list_is_read_in_pages_and_shortened() {
    let world = World::new().await;
    let store = &world.store;
    store.list_do_not_call((1..=5).map(|n| listed(n, None)).collect()).await.unwrap();
    let page = store.do_not_calls(Some(callee(2)), 2).await.unwrap();
    let numbers: Vec<_> = page.iter().map(|entry| entry.number).collect();
    assert_eq!(numbers, [callee(3), callee(4)]);
    assert_eq!(page[0], listed(3, None));
    store.unlist_do_not_call(callee(3)).await.unwrap();
    let gone = store.unlist_do_not_call(callee(3)).await.unwrap_err();
    assert!(matches!(gone, StoreError::NotFound(_)));
}
