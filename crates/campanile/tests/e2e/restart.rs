//! A finished campaign dials again (CL-7), or is as it was (CL-8); the carrier's record is the
//! judge.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    integration::{carrier, rung},
    server::{Server, contacts, open_campaign, text},
};

#[tokio::test]
async fn a_restarted_campaign_calls_everybody_again_and_only_after_start() {
    let dir = tempfile::tempdir().unwrap();
    let record = dir.path().join("record.jsonl");
    let carrier = carrier(&record);
    let server = Server::start(dir.path());
    // Says nothing for a second and hangs up.
    let script = json!({ "start": "on", "steps": {
        "on": { "listen": { "seconds": 1.0 }, "next": "end" }, "end": {} } });
    let (number, bot) = server.setup(carrier.addr().port(), json!({}), script).await;
    let settings = open_campaign("twice", &number, &bot);
    let campaign = text(&server.call("POST", "/campaigns", settings).await["id"]);
    server.upload(&campaign, contacts(3)).await;
    let act = |what: &str| {
        let path = format!("/campaigns/{campaign}/{what}");
        let server = &server;
        async move { server.call("POST", &path, Value::Null).await }
    };
    act("start").await;
    let finished = server.wait_completed(&campaign, Duration::from_secs(30)).await;
    assert_eq!((&finished["run"], &finished["counts"]["completed"]), (&json!(1), &json!(3)));

    // Prepared and taken back: as it was, and nobody was called.
    let prepared = act("restart").await;
    assert_eq!((&prepared["status"], &prepared["prepared_run"]), (&json!("draft"), &json!(2)));
    assert_eq!(prepared["counts"]["pending"], 3);
    assert_eq!(act("cancel-restart").await, finished);

    act("restart").await;
    act("start").await;
    let again = server.wait_completed(&campaign, Duration::from_secs(30)).await;
    assert_eq!((&again["run"], &again["counts"]["completed"]), (&json!(2), &json!(3)));
    let rows = server.report(&campaign).await;
    let runs: Vec<_> = rows.iter().map(|row| (&*row["run"], &*row["attempt_number"])).collect();
    assert_eq!(runs, [("1", "1"), ("1", "1"), ("1", "1"), ("2", "1"), ("2", "1"), ("2", "1")]);
    carrier.stop();
    let rung = rung(&record);
    assert!(rung.len() == 3 && rung.values().all(|times| *times == 2), "{rung:?}");
}
