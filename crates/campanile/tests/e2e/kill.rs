//! `kill -9` at random moments: by the carrier's own record nothing is dialled
//! twice, and no contact is lost.

use std::{
    collections::{HashMap, HashSet},
    io::{BufRead, BufReader},
    path::Path,
    process::Stdio,
    time::Duration,
};

use rand::{RngExt, SeedableRng};
use serde_json::json;

use crate::server::{Process, Server, binary, contacts, open_campaign, text};

const CONTACTS: usize = 1_000;
const KILLS: usize = 10;

/// A simulated carrier in a process of its own, so that it outlives the dialler.
pub(crate) fn carrier(record: &Path, dir: &Path) -> (Process, u16) {
    let mix = dir.join("mix.json");
    std::fs::write(&mix, MIX).unwrap();
    let mut child = binary()
        .args(["carrier", "--sip", "127.0.0.1:0", "--seed", "11", "--record"])
        .arg(record)
        .arg("--mix")
        .arg(mix)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let port = first.rsplit(':').next().unwrap().trim().parse().unwrap();
    std::thread::spawn(move || lines.for_each(drop));
    (Process(child), port)
}

#[tokio::test]
async fn ten_kills_in_a_thousand_contacts_dial_nothing_twice_and_lose_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let record = dir.path().join("carrier.jsonl");
    let (mut carrier, port) = carrier(&record, dir.path());

    let mut server = Server::start(dir.path());
    let limits = json!({ "cps": 60.0, "channels": 200 });
    let (number, bot) = server.setup(port, limits, json!({})).await;
    let mut settings = open_campaign("kill", &number, &bot);
    settings["concurrency"] = json!(150);
    settings["max_attempts"] = json!(2);
    settings["retry_delay_minutes"] = json!(0.05);
    settings["ring_timeout_seconds"] = json!(15);
    settings["no_media_seconds"] = json!(5);
    let campaign = text(&server.call("POST", "/campaigns", settings).await["id"]);
    server.upload(&campaign, contacts(CONTACTS)).await;
    server.call("POST", &format!("/campaigns/{campaign}/start"), json!(null)).await;

    let seed: u64 = rand::random();
    eprintln!("the kills follow seed {seed}");
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    for _ in 0..KILLS {
        tokio::time::sleep(Duration::from_millis(random.random_range(300..2_500))).await;
        server.process.kill();
        server = server.restart(dir.path());
    }
    let done = server.wait_completed(&campaign, Duration::from_secs(150)).await;
    let rows = server.report(&campaign).await;
    server.process.terminate();
    carrier.terminate();

    assert_eq!(done["total"], CONTACTS, "{done:#}");
    assert_eq!(done["processed"], CONTACTS, "every contact reached a final state: {done:#}");
    let mut attempts = HashMap::new();
    let mut numbers = HashSet::new();
    let mut dialled = HashSet::new();
    for row in &rows {
        assert!(!row["outcome"].is_empty(), "every attempt is final: {row:#?}");
        let key = (row["contact_id"].clone(), row["attempt_number"].clone());
        assert!(numbers.insert(key), "an attempt number twice: {row:#?}");
        dialled.insert(row["contact_id"].clone());
        attempts.insert(row["attempt_id"].clone(), row);
    }
    assert_eq!(dialled.len(), CONTACTS, "every contact was dialled");

    let record = std::fs::read_to_string(&record).unwrap();
    let mut seen = HashSet::new();
    for line in record.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let call_id = text(&line["call_id"]);
        let attempt = call_id.split('.').next().unwrap().to_owned();
        assert!(attempts.contains_key(&attempt), "an INVITE without its attempt row: {call_id}");
        assert!(seen.insert(attempt), "an attempt dialled twice: {call_id}");
    }
    for (id, row) in &attempts {
        let unseen = matches!(row["outcome"].as_str(), "unknown" | "network_error" | "cancelled");
        assert!(unseen || seen.contains(id), "the carrier never saw {row:#?}");
    }
    assert!(rows.iter().any(|row| row["outcome"] == "unknown"), "the kills hit live calls");
}

/// Short calls, so that a kill meets calls in every state.
const MIX: &str = r#"{
    "answer": 60, "ring_out": 0, "busy": 15, "rejected": 5, "not_found": 5, "unavailable_480": 15,
    "congestion_503": 0, "voicemail": 0, "silent": 0, "vanish": 0,
    "ring_seconds": [0.2, 1.5], "talk_seconds": [0.3, 2.0], "hangs_up": 1.0, "presses_key": 0.2, "keys": "1",
    "press_after_seconds": [0.1, 0.3]
}"#;
