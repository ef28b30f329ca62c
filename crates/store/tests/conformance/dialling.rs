//! Claims, attempts and their ends.

use campanile_domain::{
    attempt::{Next, Progress},
    campaign::Status,
    contact::ContactState,
    outcome::{Ending, Outcome},
    settings::Settings,
};
use campanile_store::RecordRefused;

use crate::world::{World, after, callee, finish, operator, retry_at, t0};

#[tokio::test]
async fn contacts_are_claimed_in_file_order_and_once() {
    let world = World::new().await;
    let id = world.running(5).await;
    let first = world.store.lease(id, 1, 3, t0()).await.unwrap();
    let phones: Vec<_> = first.leases.iter().map(|lease| lease.phone).collect();
    assert_eq!(phones, [callee(1), callee(2), callee(3)]);
    assert_eq!((first.queue.waiting, first.queue.active), (2, 3));
    assert_eq!(first.queue.next_due, Some(t0()), "those present at Start wait since then");

    let second = world.store.lease(id, 1, 10, t0()).await.unwrap();
    assert_eq!(second.leases.len(), 2);
    assert_eq!((second.queue.waiting, second.queue.next_due), (0, None));
    assert!(world.lease(id, 10, t0()).await.is_empty());
    world.audit(id).await;
}

#[tokio::test]
async fn a_claim_that_goes_back_finds_its_place_again() {
    let world = World::new().await;
    let id = world.running(3).await;
    let claims = world.lease(id, 2, t0()).await;
    world.store.release(claims.clone()).await.unwrap();
    let again = world.lease(id, 1, after(60)).await;
    assert_eq!(again[0].phone, callee(1));
    assert!(again[0].epoch > claims[0].epoch, "a later claim has a higher epoch");

    // The first claim is stale now: giving it back changes nothing.
    world.store.release(claims).await.unwrap();
    assert_eq!(world.campaign(id).await.count(ContactState::Leased), 1);
    world.audit(id).await;
}

#[tokio::test]
async fn nothing_is_claimed_or_recorded_unless_the_campaign_runs() {
    let mut world = World::new().await;
    let id = world.running(2).await;
    let claim = world.lease(id, 1, t0()).await.pop().unwrap();
    world.store.pause(id, operator(), after(1)).await.unwrap();
    assert!(world.lease(id, 1, after(1)).await.is_empty());

    let attempt = world.attempt(&claim, after(1));
    let refused = world.store.record(attempt.clone()).await.unwrap();
    assert_eq!(refused, Err(RecordRefused::NotRunning));
    assert!(world.store.attempt(attempt.id).await.is_err(), "no row was written");
    assert_eq!(world.campaign(id).await.count(ContactState::Pending), 2, "the claim went back");

    world.store.resume(id, operator(), after(2)).await.unwrap();
    let stale = world.store.record(attempt).await.unwrap();
    assert_eq!(stale, Err(RecordRefused::LeaseLost));
    assert!(world.store.lease(id, 2, 1, after(2)).await.is_err(), "there is no run 2");
    world.audit(id).await;
}

#[tokio::test]
async fn one_claim_becomes_one_attempt() {
    let mut world = World::new().await;
    let id = world.running(1).await;
    let claim = world.lease(id, 1, t0()).await.pop().unwrap();
    let first = world.attempt(&claim, t0());
    let second = world.attempt(&claim, t0());
    assert_eq!(world.store.record(first.clone()).await.unwrap(), Ok(()));
    assert_eq!(world.store.record(second).await.unwrap(), Err(RecordRefused::LeaseLost));

    let kept = world.store.attempt(first.id).await.unwrap();
    assert_eq!((kept.number, kept.pass, kept.outcome), (1, 1, None));
    assert_eq!((kept.carrier.as_str(), kept.phone), ("Tata", callee(1)));
    let campaign = world.campaign(id).await;
    assert_eq!(campaign.count(ContactState::Dialling), 1);
    assert_eq!((campaign.sums.dials, campaign.last_dial_at), (1, Some(t0())));
    world.audit(id).await;
}

#[tokio::test]
async fn a_retry_waits_its_delay_and_keeps_its_number_of_ours() {
    let mut world = World::new().await;
    let id = world.running(1).await;
    let settled = world.call(id, Outcome::Busy, t0()).await;
    assert_eq!(retry_at(&settled), after(30 + 600));
    assert_eq!((settled.queue.waiting, settled.queue.next_due), (1, Some(after(630))));
    assert!(world.lease(id, 1, after(629)).await.is_empty());

    let claim = world.lease(id, 1, after(630)).await.pop().unwrap();
    assert_eq!((claim.counted, claim.dialled, claim.last_number), (1, 1, Some(world.number)));
    world.audit(id).await;
}

#[tokio::test]
async fn everybody_is_dialled_before_a_retry_that_falls_due_later() {
    let mut world = World::new().await;
    let id = world.running(3).await;
    let settled = world.call(id, Outcome::Busy, t0()).await;
    let claims = world.lease(id, 3, retry_at(&settled)).await;
    let phones: Vec<_> = claims.iter().map(|claim| claim.phone).collect();
    assert_eq!(phones, [callee(2), callee(3), callee(1)]);
}

#[tokio::test]
async fn a_due_callback_goes_before_everybody() {
    let mut world = World::new().await;
    let id = world.running_with(Settings { callback_detection: true, ..world.settings() }, 3).await;
    let attempt = world.dial(id, t0()).await;
    let mut end = finish(&attempt, Outcome::Completed, t0());
    end.result.callback =
        Some(campanile_domain::result::CallbackWish { at: Some(after(900)), ..Default::default() });
    let settled = world.store.finish(end, after(30)).await.unwrap();
    assert_eq!(settled.next, Next::Callback(after(900)));
    assert_eq!(world.campaign(id).await.count(ContactState::CallbackScheduled), 1);

    assert_eq!(world.lease(id, 1, after(899)).await[0].phone, callee(2));
    assert_eq!(world.lease(id, 1, after(900)).await[0].phone, callee(1));
    world.audit(id).await;
}

#[tokio::test]
async fn a_second_end_of_the_same_attempt_changes_nothing() {
    let mut world = World::new().await;
    let id = world.running(1).await;
    let attempt = world.dial(id, t0()).await;
    let end = finish(&attempt, Outcome::Completed, t0());
    let first = world.store.finish(end, after(30)).await.unwrap();
    let campaign = world.campaign(id).await;

    let again = world.store.finish(finish(&attempt, Outcome::Busy, t0()), after(90)).await.unwrap();
    assert_eq!(again, first);
    assert_eq!(world.campaign(id).await, campaign);
    let kept = world.store.attempt(attempt.id).await.unwrap();
    assert_eq!(kept.outcome, Some(Outcome::Completed));
    world.audit(id).await;
}

#[tokio::test]
async fn ends_sent_at_once_are_counted_once_each() {
    let mut world = World::new().await;
    let id = world.running(40).await;
    let mut ends = Vec::new();
    for _ in 0..40 {
        let attempt = world.dial(id, t0()).await;
        for _ in 0..2 {
            ends.push(finish(&attempt, Outcome::Completed, t0()));
        }
    }
    let mut tasks = tokio::task::JoinSet::new();
    for end in ends {
        let store = world.store.clone();
        tasks.spawn(async move { store.finish(end, after(30)).await.unwrap() });
    }
    let settled = tasks.join_all().await;
    assert!(settled.iter().all(|each| each.next == Next::Final(ContactState::Completed)));
    let sums = world.campaign(id).await.sums;
    assert_eq!((sums.attempts, sums.connected, sums.conversations), (40, 40, 40));
    assert_eq!((sums.talk_ms, sums.ring_ms), (40 * 20_000, 40 * 4_000));
    world.audit(id).await;
}

#[tokio::test]
async fn an_uncounted_attempt_leaves_the_contact_in_its_pass() {
    let mut world = World::new().await;
    let id = world.running(1).await;
    let attempt = world.dial(id, t0()).await;
    let mut end = finish(&attempt, Outcome::Congestion, t0());
    end.counts = false;
    world.store.finish(end, after(30)).await.unwrap();

    let claim = world.lease(id, 1, after(30)).await.pop().unwrap();
    assert_eq!((claim.counted, claim.dialled), (0, 1));
    let attempt = world.attempt(&claim, after(31));
    world.store.record(attempt.clone()).await.unwrap().unwrap();
    world.store.finish(finish(&attempt, Outcome::Completed, after(31)), after(61)).await.unwrap();

    let passes = world.store.figures(id, 1).await.unwrap().passes;
    assert_eq!(passes.len(), 1);
    assert_eq!((passes[0].eligible, passes[0].attempted, passes[0].connected), (1, 1, 1));
    assert_eq!((passes[0].started_at, passes[0].ended_at), (Some(t0()), Some(after(61))));
    world.audit(id).await;
}

#[tokio::test]
async fn an_attempt_that_never_left_puts_its_contact_back_in_its_place() {
    let mut world = World::new().await;
    let id = world.running(2).await;
    let attempt = world.dial(id, t0()).await;
    let mut end = finish(&attempt, Outcome::Cancelled, t0());
    end.report.ending = Ending::NotSent;
    end.counts = false;
    world.store.finish(end, after(5)).await.unwrap();
    assert_eq!(world.campaign(id).await.count(ContactState::Pending), 2);
    let claim = world.lease(id, 1, after(5)).await.pop().unwrap();
    assert_eq!((claim.phone, claim.dialled, claim.counted), (callee(1), 1, 0));
    world.audit(id).await;
}

#[tokio::test]
async fn passes_follow_the_counted_attempts() {
    let mut world = World::new().await;
    let id = world.running(3).await;
    world.call(id, Outcome::Completed, after(0)).await;
    world.call(id, Outcome::Busy, after(1)).await;
    world.call(id, Outcome::NoAnswer, after(2)).await;
    let passes = world.store.figures(id, 1).await.unwrap().passes;
    let rows: Vec<_> =
        passes.iter().map(|row| (row.pass, row.eligible, row.attempted, row.connected)).collect();
    assert_eq!(rows, [(1, 3, 3, 1), (2, 2, 0, 0)]);
    assert_eq!((passes[0].started_at, passes[0].ended_at), (Some(after(0)), Some(after(32))));
    assert_eq!((passes[1].started_at, passes[1].ended_at), (None, None));

    world.call(id, Outcome::Completed, after(700)).await;
    let passes = world.store.figures(id, 1).await.unwrap().passes;
    assert_eq!((passes[1].attempted, passes[1].connected), (1, 1));
    assert_eq!(passes[1].ended_at, None, "the other contact still waits for pass 2");
    world.audit(id).await;
}

#[tokio::test]
async fn progress_is_written_and_never_goes_backwards() {
    let mut world = World::new().await;
    let id = world.running(2).await;
    let attempt = world.dial(id, t0()).await;
    let news = |ringing_at, answered_at, bot_attached_at| Progress {
        attempt: attempt.id,
        campaign: id,
        contact: attempt.lease.contact,
        ringing_at,
        answered_at,
        bot_attached_at,
    };
    world.store.progress(news(Some(after(2)), None, None)).await.unwrap();
    // Progress rides with the next commit.
    world.store.ready().await.unwrap();
    assert_eq!(world.campaign(id).await.count(ContactState::Ringing), 1);

    world.store.progress(news(None, Some(after(6)), Some(after(6)))).await.unwrap();
    world.store.ready().await.unwrap();
    assert_eq!(world.campaign(id).await.count(ContactState::InProgress), 1);
    world.store.progress(news(Some(after(9)), None, None)).await.unwrap();
    world.store.ready().await.unwrap();
    let kept = world.store.attempt(attempt.id).await.unwrap();
    assert_eq!((kept.ringing_at, kept.answered_at), (Some(after(2)), Some(after(6))));
    assert_eq!(world.campaign(id).await.count(ContactState::InProgress), 1);

    world.store.finish(finish(&attempt, Outcome::Completed, t0()), after(30)).await.unwrap();
    world.store.progress(news(Some(after(40)), None, None)).await.unwrap();
    world.store.ready().await.unwrap();
    assert_eq!(world.campaign(id).await.count(ContactState::Completed), 1, "it has ended");
    world.audit(id).await;
}

#[tokio::test]
async fn a_call_that_ends_after_stop_keeps_its_outcome() {
    let mut world = World::new().await;
    let id = world.running(4).await;
    let talking = world.dial(id, t0()).await;
    let ringing = world.dial(id, t0()).await;
    let claim = world.lease(id, 1, t0()).await;
    let stopped = world.store.stop(id, operator(), after(1)).await.unwrap();
    assert_eq!(stopped.status, Status::Completed);
    assert_eq!(stopped.count(ContactState::ManualStopped), 1);

    world.store.release(claim).await.unwrap();
    world.store.finish(finish(&talking, Outcome::Completed, t0()), after(30)).await.unwrap();
    let settled =
        world.store.finish(finish(&ringing, Outcome::NoAnswer, t0()), after(30)).await.unwrap();
    assert_eq!(settled.next, Next::Final(ContactState::ManualStopped), "it would have waited");
    let campaign = world.campaign(id).await;
    assert_eq!(campaign.count(ContactState::Completed), 1);
    assert_eq!(campaign.count(ContactState::ManualStopped), 3);
    assert_eq!(campaign.processed(), 4);
    world.audit(id).await;
}

#[tokio::test]
async fn a_person_who_opted_out_is_excluded() {
    let mut world = World::new().await;
    let id = world.running(1).await;
    let attempt = world.dial(id, t0()).await;
    let mut end = finish(&attempt, Outcome::Completed, t0());
    end.result.opt_out = Some(true);
    let settled = world.store.finish(end, after(30)).await.unwrap();
    assert_eq!(settled.next, Next::Final(ContactState::Excluded));
    let campaign = world.campaign(id).await;
    assert_eq!((campaign.processed(), campaign.total()), (0, 0));
    world.audit(id).await;
}
