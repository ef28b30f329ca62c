//! The next carrier of an attempt, barred numbers, owed seats, and the sums of a day.

use campanile_domain::{
    attempt::NewAttempt,
    contact::ContactState,
    guard::day,
    outcome::{Ending, Outcome},
};
use campanile_store::RecordRefused;
use serde_json::json;

use crate::world::{World, after, finish, operator, t0};

/// The same attempt through a second carrier.
async fn second(world: &World, attempt: &NewAttempt) -> NewAttempt {
    let carrier = json!({"name": "Vodafone", "host": "sip.example.net", "cps": 5, "channels": 30});
    let carrier = serde_json::from_value(carrier).unwrap();
    let carrier = world.store.create_carrier(carrier, t0()).await.unwrap().id;
    let e164 = "+918045670002".parse().unwrap();
    let direction = campanile_domain::carrier::Direction::Outbound;
    let number = world.store.create_number(e164, carrier, None, direction, t0()).await.unwrap();
    NewAttempt {
        carrier,
        caller_id: number.e164,
        number_id: number.id,
        tries: attempt.tries + 1,
        ..attempt.clone()
    }
}

#[tokio::test]
async fn each_try_of_an_attempt_is_written_once() {
    let mut world = World::new().await;
    let id = world.running(1).await;
    let first = world.dial(id, t0()).await;
    let next = second(&world, &first).await;
    let skipped = NewAttempt { tries: 3, ..next.clone() };
    assert_eq!(world.store.reroute(skipped).await.unwrap(), Err(RecordRefused::LeaseLost));
    assert_eq!(world.store.reroute(next.clone()).await.unwrap(), Ok(()));
    assert_eq!(world.store.reroute(next.clone()).await.unwrap(), Err(RecordRefused::LeaseLost));

    let kept = world.store.attempt(first.id).await.unwrap();
    assert_eq!((kept.carrier.as_str(), kept.caller_id), ("Vodafone", next.caller_id));
    assert_eq!((kept.number, kept.outcome), (1, None), "it is one attempt");

    world.store.finish(finish(&next, Outcome::Busy, after(9)), after(9)).await.unwrap();
    let kept = world.store.attempt(first.id).await.unwrap();
    assert_eq!((kept.carrier.as_str(), kept.outcome), ("Vodafone", Some(Outcome::Busy)));
    let again = world.lease(id, 1, after(3_600)).await.pop().unwrap();
    assert_eq!(again.last_number, Some(next.number_id), "the number that the callee saw");
    let late = NewAttempt { tries: 3, ..next };
    assert_eq!(world.store.reroute(late).await.unwrap(), Err(RecordRefused::LeaseLost), "over");
    world.audit(id).await;
}

#[tokio::test]
async fn a_carrier_that_was_written_and_not_dialled_is_taken_back_at_the_end() {
    let mut world = World::new().await;
    let id = world.running(1).await;
    let first = world.dial(id, t0()).await;
    let next = second(&world, &first).await;
    assert_eq!(world.store.reroute(next).await.unwrap(), Ok(()));
    let end = finish(&first, Outcome::Congestion, after(9));
    world.store.finish(end, after(9)).await.unwrap();
    let kept = world.store.attempt(first.id).await.unwrap();
    assert_eq!((kept.carrier.as_str(), kept.caller_id), ("Tata", first.caller_id));
    let again = world.lease(id, 1, after(3_600)).await.pop().unwrap();
    assert_eq!(again.last_number, Some(first.number_id));
    world.audit(id).await;
}

#[tokio::test]
async fn no_attempt_goes_on_in_a_campaign_that_does_not_run() {
    let mut world = World::new().await;
    let id = world.running(1).await;
    let first = world.dial(id, t0()).await;
    let next = second(&world, &first).await;
    world.store.pause(id, operator(), after(1)).await.unwrap();
    assert_eq!(world.store.reroute(next).await.unwrap(), Err(RecordRefused::NotRunning));
    let kept = world.store.attempt(first.id).await.unwrap();
    assert_eq!((kept.carrier.as_str(), kept.outcome), ("Tata", None), "the row is as it was");
}

/// An INVITE of the second try may have left: the fate of the attempt is not known.
#[tokio::test]
async fn an_attempt_that_went_on_and_has_no_end_is_unknown_after_a_crash() {
    let mut world = World::new().await;
    let id = world.running(1).await;
    let first = world.dial(id, t0()).await;
    let next = second(&world, &first).await;
    assert_eq!(world.store.reroute(next.clone()).await.unwrap(), Ok(()));
    let world = world.crash();
    assert_eq!(world.store.recover(after(60)).await.unwrap(), [(id, 1)]);
    let kept = world.store.attempt(first.id).await.unwrap();
    assert_eq!((kept.carrier.as_str(), kept.outcome), ("Vodafone", Some(Outcome::Unknown)));
    let third = NewAttempt { tries: 3, ..next };
    assert_eq!(world.store.reroute(third).await.unwrap(), Err(RecordRefused::LeaseLost));
    world.audit(id).await;
}

#[tokio::test]
async fn a_barred_contact_is_done_without_an_attempt() {
    let world = World::new().await;
    let id = world.running(2).await;
    let claims = world.lease(id, 2, t0()).await;
    world.store.release(vec![claims[1].clone()]).await.unwrap();
    world.store.bar(claims).await.unwrap();
    let contacts = world.contacts(id).await;
    assert_eq!(contacts[0].state, ContactState::Failed);
    assert!(contacts[0].trail.is_empty());
    assert_eq!(contacts[1].state, ContactState::Pending, "that claim was not ours any more");
    world.audit(id).await;
}

#[tokio::test]
async fn an_abandoned_contact_is_owed_a_seat_until_it_is_served() {
    let mut world = World::new().await;
    let id = world.running(1).await;
    let mut owed = Vec::new();
    for (hour, outcome) in
        [Outcome::NoAnswer, Outcome::Abandoned, Outcome::Busy, Outcome::Abandoned]
            .iter()
            .enumerate()
    {
        let now = after(hour as i64 * 3_600);
        let claim = world.lease(id, 1, now).await.pop().unwrap();
        owed.push(claim.seat_owed);
        let attempt = world.attempt(&claim, now);
        world.store.record(attempt.clone()).await.unwrap().unwrap();
        let mut end = finish(&attempt, *outcome, now);
        // Uncounted, so that there are enough of them.
        end.counts = false;
        world.store.finish(end, now).await.unwrap();
    }
    assert_eq!(owed, [false, false, true, true]);
    let mut world = world.crash();
    let now = after(5 * 3_600);
    let claim = world.lease(id, 1, now).await.pop().unwrap();
    assert!(claim.seat_owed, "after a crash too");
    let attempt = world.attempt(&claim, now);
    world.store.record(attempt.clone()).await.unwrap().unwrap();
    world.store.finish(finish(&attempt, Outcome::Completed, now), now).await.unwrap();
    world.audit(id).await;
}

#[tokio::test]
async fn what_a_day_has_spent_is_told_by_its_attempts() {
    let mut world = World::new().await;
    let id = world.running(3).await;
    // Attempts are numbered by their time.
    let begun = jiff::Timestamp::from_millisecond(1_780_000_000_000).unwrap();
    let none = world.store.spent_since(begun).await.unwrap();
    assert_eq!((none.calls, none.talk_ms), (0, 0));
    let talked = world.dial(id, t0()).await;
    let mut end = finish(&talked, Outcome::Completed, t0());
    end.report.answered_at = Some(t0());
    end.report.ended_at = after(90);
    end.report.ending = Ending::Connected { bot_failed: false };
    world.store.finish(end, after(90)).await.unwrap();
    world.call(id, Outcome::Busy, after(91)).await;
    world.dial(id, after(92)).await;
    let spent = world.store.spent_since(begun).await.unwrap();
    assert_eq!((spent.calls, spent.talk_ms), (3, 90_000));
    let tomorrow = day::beginning(begun + jiff::SignedDuration::from_hours(24));
    let spent = world.store.spent_since(tomorrow).await.unwrap();
    assert_eq!((spent.calls, spent.talk_ms), (0, 0));
}
