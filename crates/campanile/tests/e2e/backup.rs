//! A backup taken in mid campaign, restored elsewhere: it goes on from there.

use std::{path::Path, process::Output, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    kill::{carrier, verdict},
    server::{Server, binary, contacts, open_campaign, text},
};

const CONTACTS: usize = 200;

fn campanile(command: &str, data: &Path, file: &Path, more: &[&str]) -> Output {
    binary().arg(command).arg("--data").arg(data).arg(file).args(more).output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_backup_of_a_running_campaign_goes_on_where_it_was_taken() {
    let dir = tempfile::tempdir().unwrap();
    let (data, elsewhere) = (dir.path().join("data"), dir.path().join("elsewhere"));
    std::fs::create_dir(&data).unwrap();
    let record = dir.path().join("carrier.jsonl");
    let (mut carrier, port) = carrier(&record, dir.path());
    let key = Server::create_key(&data);
    let mut server = Server::start_in(&data, key.clone(), Vec::new());
    let limits = json!({ "cps": 40.0, "channels": 200 });
    let (number, bot) = server.setup(port, limits, json!({})).await;
    let mut settings = open_campaign("backed up", &number, &bot);
    settings["concurrency"] = json!(100);
    settings["no_media_seconds"] = json!(5);
    let campaign = text(&server.call("POST", "/campaigns", settings).await["id"]);
    server.upload(&campaign, contacts(CONTACTS)).await;
    server.call("POST", &format!("/campaigns/{campaign}/start"), json!(null)).await;
    let path = format!("/campaigns/{campaign}");
    while server.get(&path).await["processed"].as_u64() < Some(30) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    let backup = dir.path().join("backup.db");
    let taken = Timestamp::now();
    let output = campanile("backup", &data, &backup, &[]);
    assert!(output.status.success(), "{}", told(&output));
    let refused = campanile("restore", &data, &backup, &["--force"]);
    assert!(!refused.status.success() && told(&refused).contains("stop it first"));
    server.process.kill();
    let killed = Timestamp::now();

    let output = campanile("restore", &elsewhere, &backup, &[]);
    assert!(output.status.success(), "{}", told(&output));
    let mut server = Server::start_in(&elsewhere, key, Vec::new());
    assert_eq!(server.get(&path).await["status"], "paused", "a person decides what goes on");
    let known = server.report(&campaign).await;
    assert!(known.iter().any(|row| row["outcome"] == "unknown"), "calls were up at the backup");
    assert!(known.iter().all(|row| !row["outcome"].is_empty()), "none is left open");
    server.call("POST", &format!("{path}/resume"), json!(null)).await;
    let done = server.wait_completed(&campaign, Duration::from_secs(60)).await;
    let rows = server.report(&campaign).await;
    server.process.terminate();
    carrier.terminate();

    // What was dialled between the backup and the kill is what a backup cannot know.
    let whole = std::fs::read_to_string(&record).unwrap();
    let known = whole.lines().filter(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        let at: Timestamp = text(&line["time"]).parse().unwrap();
        let call_id = text(&line["call_id"]);
        let attempt = call_id.split('.').next().unwrap();
        at < taken || at > killed || rows.iter().any(|row| row["attempt_id"] == attempt)
    });
    let known: String = known.map(|line| format!("{line}\n")).collect();
    std::fs::write(&record, known).unwrap();
    let watch = verdict::Watch::default();
    let verdict = verdict::judge(&record, &rows, &[], &watch, CONTACTS, &done);
    assert!(verdict.broken.is_empty(), "{verdict}\n{:#?}", verdict.broken);
}
