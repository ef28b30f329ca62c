//! Callbacks that people asked for, and what becomes of them.

use campanile_domain::{
    attempt::{Finish, NewAttempt, Next},
    callback::{CallbackState, Understood},
    contact::ContactState,
    exclusion::Selector,
    ids::CampaignId,
    outcome::{Ending, Outcome},
    result::CallbackWish,
    retry,
    settings::Settings,
};
use campanile_store::rows::{Callback, CallbackFilter, ContactFilter};
use jiff::{SignedDuration, Timestamp};

use crate::world::{World, after, callee, finish, operator, t0};

/// A campaign that calls back, and this many contacts.
async fn running(world: &World, contacts: u64) -> CampaignId {
    let settings = Settings { callback_detection: true, max_attempts: 1, ..world.settings() };
    world.running_with(settings, contacts).await
}

/// The end of a call in which somebody said these words.
fn asked(attempt: &NewAttempt, words: &str, at: Timestamp) -> Finish {
    let mut end = finish(attempt, Outcome::Completed, at);
    end.result.callback = Some(CallbackWish {
        when_text: Some(words.into()),
        reason: Some("driving".into()),
        ..CallbackWish::default()
    });
    end
}

async fn all(world: &World, id: CampaignId) -> Vec<Callback> {
    world.store.callbacks(id, 1, CallbackFilter::Requested, None, 100).await.unwrap()
}

async fn states(world: &World, id: CampaignId) -> Vec<CallbackState> {
    all(world, id).await.iter().map(|callback| callback.state).collect()
}

#[tokio::test]
async fn words_become_a_time_that_is_kept_dialled_and_counted() {
    let mut world = World::new().await;
    let id = running(&world, 2).await;
    let first = world.dial(id, t0()).await;
    let settled = world.store.finish(asked(&first, "in 2 hours", t0()), t0()).await.unwrap();
    assert_eq!(settled.next, Next::Callback(after(7_200)), "at max attempts too");
    let kept = &all(&world, id).await[0];
    assert_eq!((kept.state, kept.due_at), (CallbackState::Pending, after(7_200)));
    assert_eq!((kept.understood, kept.asked_in), (Understood::Relative, first.id));
    assert_eq!(kept.wish.reason.as_deref(), Some("driving"));
    let listed = &world.contacts(id).await[0];
    assert_eq!(listed.callback.as_ref(), Some(kept));
    world.audit(id).await;

    let again = world.dial(id, after(7_201)).await;
    assert_eq!(again.lease.phone, callee(1), "before the one who was never called");
    assert_eq!(again.lease.last_number, Some(first.number_id), "with the same caller ID");
    assert_eq!(states(&world, id).await, [CallbackState::Dialling]);
    world.audit(id).await;
    let end = finish(&again, Outcome::NoAnswer, after(7_230));
    let settled = world.store.finish(end, after(7_230)).await.unwrap();
    assert_eq!(settled.next, Next::Final(ContactState::Failed), "then the ordinary rules");
    let kept = &all(&world, id).await[0];
    assert_eq!((kept.state, kept.dialled_in), (CallbackState::Completed, Some(again.id)));
    let figures = world.store.figures(id, 1).await.unwrap().callbacks;
    assert_eq!((figures.requested, figures.pending, figures.completed), (1, 0, 1));
    let delay = kept.dialled_at.unwrap().duration_since(kept.requested_at).as_secs_f64();
    assert_eq!(figures.average_delay_seconds(), Some(delay));
    assert_eq!(figures.average_lateness_seconds(), Some(delay - 7_200.0));
    world.audit(id).await;
}

#[tokio::test]
async fn what_is_no_time_waits_the_retry_delay_and_is_flagged() {
    let mut world = World::new().await;
    let id = running(&world, 1).await;
    let attempt = world.dial(id, t0()).await;
    world.store.finish(asked(&attempt, "when pigs fly", t0()), t0()).await.unwrap();
    let kept = &all(&world, id).await[0];
    assert!(kept.understood.needs_a_person());
    assert_eq!(kept.wanted_at, None);
    let delay = SignedDuration::from_secs_f64(world.settings().retry_delay_minutes * 60.0);
    assert_eq!(kept.due_at, t0() + delay);
}

#[tokio::test]
async fn a_call_that_never_left_leaves_the_callback_waiting() {
    let mut world = World::new().await;
    let id = running(&world, 1).await;
    let attempt = world.dial(id, t0()).await;
    world.store.finish(asked(&attempt, "in 10 minutes", t0()), t0()).await.unwrap();
    let unsent = world.dial(id, after(600)).await;
    let mut end = finish(&unsent, Outcome::Cancelled, after(600));
    (end.report.ending, end.counts) = (Ending::NotSent, false);
    world.store.finish(end, after(600)).await.unwrap();
    let kept = &all(&world, id).await[0];
    assert_eq!(
        (kept.state, kept.dialled_in, kept.dialled_at),
        (CallbackState::Pending, None, None)
    );
    world.audit(id).await;
}

#[tokio::test]
async fn stop_the_end_of_the_day_and_an_exclusion_cancel_what_waits() {
    for way in 0..3 {
        let mut world = World::new().await;
        let id = running(&world, 1).await;
        let attempt = world.dial(id, t0()).await;
        world.store.finish(asked(&attempt, "in 2 hours", t0()), t0()).await.unwrap();
        let now = after(60);
        match way {
            0 => drop(world.store.stop(id, operator(), now).await.unwrap()),
            1 => world.store.sweep(id, 1, now).await.unwrap(),
            _ => {
                let selector = Selector::Number(callee(1));
                world.store.exclude(id, selector, None, operator(), now).await.unwrap();
            }
        }
        world.store.ready().await.unwrap();
        assert_eq!(states(&world, id).await, [CallbackState::Cancelled], "way {way}");
        let figures = world.store.figures(id, 1).await.unwrap().callbacks;
        assert_eq!((figures.requested, figures.pending, figures.cancelled), (1, 0, 1));
        assert!(world.lease(id, 1, after(7_200)).await.is_empty());
        world.audit(id).await;
    }
}

#[tokio::test]
async fn nobody_is_called_back_more_than_five_times() {
    let mut world = World::new().await;
    let id = running(&world, 1).await;
    let mut now = t0();
    for round in 0..=retry::CALLBACKS_MAX {
        let attempt = world.dial(id, now).await;
        let settled = world.store.finish(asked(&attempt, "in 10 minutes", now), now).await.unwrap();
        let goes_on = round < retry::CALLBACKS_MAX;
        assert_eq!(matches!(settled.next, Next::Callback(_)), goes_on, "call {}", round + 1);
        now += SignedDuration::from_secs(600);
    }
    assert_eq!(states(&world, id).await, [CallbackState::Completed; 5]);
    world.audit(id).await;
}

#[tokio::test]
async fn contacts_and_callbacks_are_found_by_how_far_they_came() {
    let mut world = World::new().await;
    let id = running(&world, 3).await;
    for _ in 0..2 {
        let attempt = world.dial(id, t0()).await;
        world.store.finish(asked(&attempt, "in 10 minutes", t0()), t0()).await.unwrap();
    }
    let again = world.dial(id, after(600)).await;
    let end = finish(&again, Outcome::Completed, after(640));
    world.store.finish(end, after(640)).await.unwrap();

    let mut found = Vec::new();
    for callback in CallbackFilter::LISTED {
        let filter =
            ContactFilter { callback: Some(callback), limit: 10, ..ContactFilter::default() };
        let contacts = world.store.contacts(id, filter).await.unwrap();
        let phones: Vec<_> = contacts.iter().map(|contact| contact.phone).collect();
        let rows = world.store.callbacks(id, 1, callback, None, 10).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.phone).collect::<Vec<_>>(), phones);
        found.push(phones);
    }
    let expected = [vec![callee(1), callee(2)], vec![callee(2)], vec![callee(1)], Vec::new()];
    assert_eq!(found, expected);

    let page = world.store.callbacks(id, 1, CallbackFilter::Requested, None, 1).await.unwrap();
    let next = Some(page[0].asked_in);
    let page = world.store.callbacks(id, 1, CallbackFilter::Requested, next, 10).await.unwrap();
    assert_eq!(page.len(), 1);
    assert_eq!(page[0].phone, callee(2));
}
