//! SIGTERM: in the middle of calls, twice, and while somebody watches.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{House, hang_up, listen, log};
use crate::far_end::FarEnd;

/// Calls whose number ends in an even digit are answered, the others ring for ever.
fn phones() -> FarEnd {
    FarEnd::start(|request, answers| {
        if request.method == "INVITE" {
            answers.push(request.answer("180 Ringing", "", ""));
            let last = request.callee().chars().last().and_then(|digit| digit.to_digit(10));
            if last.is_some_and(|digit| digit % 2 == 0) {
                answers.push(request.accept());
            }
        }
        request.part(answers);
    })
}

/// Three calls that ring and three that talk.
async fn six_calls(house: &mut House, phones: &FarEnd) -> String {
    let campaign = house.dial(6, json!({ "port": phones.port }), json!({})).await;
    let up = |live: &Value| live["ringing"] == 3 && live["in_progress"] == 3;
    house.live_until(&campaign, Duration::from_secs(10), up).await;
    campaign
}

#[tokio::test]
async fn calls_that_outlive_the_drain_are_hung_up_before_the_process_ends() {
    const DRAIN: Duration = Duration::from_secs(2);
    let phones = phones();
    let mut house = House::new(listen(), &["--drain-seconds", "2"]).await;
    let campaign = six_calls(&mut house, &phones).await;
    let asked = Instant::now();
    house.server.process.signal("TERM");
    let status = house.server.process.ends_within(DRAIN + Duration::from_secs(5)).await;
    assert!(status.success(), "{status}: {}", log(house.dir.path()));
    assert!(asked.elapsed() >= DRAIN, "nobody was given time: {:?}", asked.elapsed());
    assert_eq!(phones.calls("INVITE").len(), 6, "no new call");
    assert_eq!((phones.calls("BYE").len(), phones.calls("CANCEL").len()), (3, 3));

    // Everything was written down: nobody is of unknown fate, and the run goes on.
    house.server = house.server.restart(house.dir.path());
    let rows = house.server.report(&campaign).await;
    let ended = |outcome: &str| rows.iter().filter(|row| row["outcome"] == outcome).count();
    assert_eq!((ended("completed"), ended("cancelled")), (3, 3), "{rows:#?}");
    house.is_sound();
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let phones = phones();
    let mut house = House::new(listen(), &["--drain-seconds", "600"]).await;
    six_calls(&mut house, &phones).await;
    house.server.process.signal("TERM");
    let deadline = Instant::now() + Duration::from_secs(5);
    while !log(house.dir.path()).contains("a second signal ends at once") {
        assert!(Instant::now() < deadline, "the first signal was not heard");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    house.server.process.signal("TERM");
    let status = house.server.process.ends_within(Duration::from_secs(3)).await;
    assert!(!status.success(), "calls were up, and that is not a clean end");
    house.is_sound();
}

#[tokio::test]
async fn an_open_stream_does_not_hold_up_the_end() {
    let mut house = House::new(hang_up(), &[]).await;
    let phones = phones();
    let campaign = house.dial(1, json!({ "port": phones.port }), json!({})).await;
    house.act(&campaign, "pause").await;
    let mut events = house.server.events(&campaign).await;
    let first = events.chunk().await.unwrap().expect("the stream begins with how it stands");
    assert!(first.starts_with(b"event: campaign"), "{first:?}");
    house.act(&campaign, "stop").await;
    house.server.wait_completed(&campaign, Duration::from_secs(5)).await;
    house.server.process.signal("TERM");
    let status = house.server.process.ends_within(Duration::from_secs(5)).await;
    assert!(status.success(), "{status}: {}", log(house.dir.path()));
    while let Some(chunk) = events.chunk().await.expect("the stream ends whole, not broken") {
        assert!(!chunk.is_empty());
    }
    house.is_sound();
}
