//! A disk that is full or slow for a while: dialling waits, calls go on, nothing is lost.

use std::{path::Path, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    kill::{self, power::Disk, verdict},
    server::{Process, Server, contacts, open_campaign, text},
};

const CONTACTS: usize = 250;

/// A dialler on a disk that can fail, in mid campaign.
struct Scene {
    server: Server,
    disk: Disk,
    carrier: Process,
    campaign: String,
    record: std::path::PathBuf,
    _dir: tempfile::TempDir,
}

impl Scene {
    async fn dialling() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let record = dir.path().join("carrier.jsonl");
        let (carrier, port) = kill::carrier(&record, dir.path());
        let key = Server::create_key(&data);
        let disk = Disk::that_fails().under(&data);
        let server = Server::start_in(&data, key, disk.environment());
        let limits = json!({ "cps": 40.0, "channels": 200 });
        let (number, bot) = server.setup(port, limits, json!({})).await;
        let mut settings = open_campaign("disk", &number, &bot);
        settings["concurrency"] = json!(100);
        settings["no_media_seconds"] = json!(5);
        let campaign = text(&server.call("POST", "/campaigns", settings).await["id"]);
        server.upload(&campaign, contacts(CONTACTS)).await;
        server.call("POST", &format!("/campaigns/{campaign}/start"), json!(null)).await;
        let scene = Self { server, disk, carrier, campaign, record, _dir: dir };
        scene.wait("calls", async || scene.campaign().await["processed"].as_u64() > Some(20)).await;
        scene
    }

    async fn campaign(&self) -> Value {
        self.server.get(&format!("/campaigns/{}", self.campaign)).await
    }

    async fn reason(&self) -> Value {
        let live = self.server.get(&format!("/campaigns/{}/live", self.campaign)).await;
        live["reason_code"].clone()
    }

    async fn wait(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        for _ in 0..200 {
            if holds().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let (now, why) = (self.campaign().await, self.reason().await);
        panic!("no {what} within ten seconds: {why}\n{}", now["counts"]);
    }

    /// The campaign to its end: every call has its report, and every INVITE its row.
    async fn finish(mut self) -> Vec<Value> {
        let limit = Duration::from_secs(60);
        let done = self.server.wait_completed(&self.campaign, limit).await;
        let rows = self.server.report(&self.campaign).await;
        self.server.process.terminate();
        self.carrier.terminate();
        let watch = verdict::Watch::default();
        let verdict = verdict::judge(&self.record, &rows, &[], &watch, CONTACTS, &done);
        assert!(verdict.broken.is_empty(), "{verdict}\n{:#?}", verdict.broken);
        for row in &rows {
            assert_ne!(row["outcome"], "unknown", "a call lost its end: {row:?}");
        }
        calls(&self.record)
    }
}

fn calls(record: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(record).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn at(call: &Value, field: &str) -> Option<Timestamp> {
    call[field].as_str().map(|time| time.parse().unwrap())
}

#[tokio::test]
async fn a_full_disk_stops_dialling_before_the_invite_and_nothing_else() {
    let scene = Scene::dialling().await;
    scene.disk.be_full(true);
    scene.wait("reason", async || scene.reason().await == "store_down").await;
    let stopped = Timestamp::now() + SignedDuration::from_millis(500);
    let ready = reqwest::get(format!("{}/readyz", scene.server.url)).await.unwrap();
    assert_eq!(ready.status(), 503);
    let told = ready.text().await.unwrap();
    assert!(told.contains("full"), "{told}");
    assert!(
        scene.campaign().await["processed"].as_u64() < Some(CONTACTS as u64),
        "it ended before"
    );

    // Longer than any of its calls: each of them ends on the full disk.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let room = Timestamp::now();
    scene.disk.be_full(false);
    scene.wait("dialling", async || scene.reason().await != "store_down").await;
    let ready = reqwest::get(format!("{}/readyz", scene.server.url)).await.unwrap();
    assert_eq!(ready.status(), 200);

    let calls = scene.finish().await;
    for call in &calls {
        let time = at(call, "time").unwrap();
        assert!(time < stopped || time > room, "an INVITE that nobody could record: {call}");
    }
    let ended_meanwhile =
        calls.iter().filter(|call| at(call, "bye_at").is_some_and(|at| at > stopped && at < room));
    assert!(ended_meanwhile.count() > 0, "no call went on to its end on the full disk");
}

#[tokio::test]
async fn a_slow_disk_slows_neither_answers_nor_the_end() {
    let scene = Scene::dialling().await;
    scene.disk.be_slow(true);
    let slow = Timestamp::now();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_ne!(scene.reason().await, "store_down", "200 ms are no failure");
    scene.disk.be_slow(false);
    let fast = Timestamp::now();

    let calls = scene.finish().await;
    let meanwhile = calls.iter().filter(|call| {
        let time = at(call, "time").unwrap();
        time > slow && time < fast
    });
    assert!(meanwhile.count() > 10, "dialling went on");
    for call in &calls {
        let (Some(answered), Some(acked)) = (at(call, "answered_at"), at(call, "acked_at")) else {
            continue;
        };
        let took = answered.duration_until(acked);
        assert!(
            took < SignedDuration::from_millis(450),
            "no ACK before the 200 came again: {call}"
        );
    }
}
