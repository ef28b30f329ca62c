//! The attempt report and the figures, which must agree.

use campanile_domain::{
    figures::Sums,
    outcome::{HangupBy, Outcome},
};
use campanile_store::{StoreError, rows::Attempt};

use crate::world::{World, after, t0};

/// R-12 over the rows of a report.
fn recomputed(attempts: &[Attempt], conversation_ms: i64) -> Sums {
    let mut sums = Sums { dials: attempts.len() as u64, ..Sums::default() };
    for attempt in attempts {
        let Some(outcome) = attempt.outcome.filter(|each| *each != Outcome::Unknown) else {
            continue;
        };
        let ended = attempt.ended_at.unwrap().as_millisecond();
        let answered = attempt.answered_at.map(|at| at.as_millisecond());
        let talk = answered.map_or(0, |answered| ended - answered);
        let connected = attempt.bot_attached_at.is_some() && outcome != Outcome::Machine;
        sums.attempts += 1;
        sums.answered += u64::from(answered.is_some());
        sums.connected += u64::from(connected);
        sums.abandoned += u64::from(outcome == Outcome::Abandoned);
        sums.conversations += u64::from(outcome == Outcome::Completed && talk >= conversation_ms);
        sums.talk_ms += if connected { talk as u64 } else { 0 };
        if let Some(ringing) = attempt.ringing_at {
            sums.rang += 1;
            sums.ring_ms += (answered.unwrap_or(ended) - ringing.as_millisecond()) as u64;
        }
    }
    sums
}

#[tokio::test]
async fn the_figures_can_be_recomputed_from_the_report() {
    let mut world = World::new().await;
    let id = world.running(6).await;
    for outcome in [
        Outcome::Completed,
        Outcome::Abandoned,
        Outcome::Machine,
        Outcome::NoAnswer,
        Outcome::Busy,
        Outcome::Completed,
    ] {
        world.call(id, outcome, t0()).await;
    }
    world.call(id, Outcome::Completed, after(3_600)).await;
    let attempts = world.store.attempts(id, None, None, 100).await.unwrap();
    let figures = world.store.figures(id, 1).await.unwrap();
    assert_eq!(figures.sums, recomputed(&attempts, 5_000));
    assert_eq!(figures.sums.dials, 7);
    assert_eq!(
        figures.outcomes,
        [
            (Outcome::Completed, 3),
            (Outcome::Abandoned, 1),
            (Outcome::Machine, 1),
            (Outcome::NoAnswer, 1),
            (Outcome::Busy, 1),
        ]
    );
    world.audit(id).await;
}

#[tokio::test]
async fn the_report_comes_in_chunks_in_order_with_variables() {
    let mut world = World::new().await;
    let id = world.running(5).await;
    let other = world.running(1).await;
    for _ in 0..5 {
        world.call(id, Outcome::Completed, t0()).await;
    }
    world.call(other, Outcome::Completed, t0()).await;
    let first = world.store.attempts(id, Some(1), None, 3).await.unwrap();
    let last = first.last().unwrap().id;
    let rest = world.store.attempts(id, Some(1), Some(last), 3).await.unwrap();
    assert_eq!((first.len(), rest.len()), (3, 2));
    assert!(first.iter().chain(&rest).is_sorted_by_key(|each| each.id));
    assert_eq!(first[0].variables.as_deref(), Some(r#"{"name":"Callee 1"}"#));
    assert_eq!(world.store.attempts(id, Some(2), None, 9).await.unwrap(), []);
}

#[tokio::test]
async fn an_attempt_keeps_everything_that_its_report_said() {
    let mut world = World::new().await;
    let id = world.running(1).await;
    world.call(id, Outcome::Completed, t0()).await;
    let listed = world.store.attempts(id, None, None, 1).await.unwrap().remove(0);
    let kept = world.store.attempt(listed.id).await.unwrap();
    assert_eq!(kept.media.as_ref().map(|audio| audio.heard.lost), Some(100));
    assert_eq!(
        Attempt { media: None, ..kept.clone() },
        listed,
        "the report has no column for audio"
    );
    assert_eq!((kept.dialled_at, kept.ringing_at), (t0(), Some(after(2))));
    assert_eq!((kept.answered_at, kept.bot_attached_at), (Some(after(6)), Some(after(6))));
    assert_eq!((kept.first_bot_audio_at, kept.ended_at), (Some(after(7)), Some(after(26))));
    assert_eq!((kept.sip_code, kept.hangup_by), (Some(200), Some(HangupBy::Callee)));
    assert_eq!(kept.result.unwrap().disposition, "interested");
    assert_eq!((kept.run, kept.revision, kept.pass, kept.number, kept.counts), (1, 1, 1, 1, true));
}

#[tokio::test]
async fn there_are_no_figures_of_a_run_that_is_not_there() {
    let world = World::new().await;
    let id = world.draft(1).await;
    assert!(world.store.figures(id, 1).await.is_ok());
    assert!(matches!(world.store.figures(id, 2).await, Err(StoreError::NotFound("run"))));
}
