//! `kill -9` and power cuts at random moments: by the carrier's own record nothing is
//! dialled twice, nobody is lost, and what once was seen as finished stays finished.
//!
//! The tests are short; `cargo xtask kill` runs the same with more kills and more
//! contacts, told by the environment.

pub(crate) mod power;
pub(crate) mod verdict;

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;

use self::{
    power::Disk,
    verdict::{Life, Verdict, Watch},
};
use crate::server::{Process, Server, binary, contacts, open_campaign, text};

/// What to live through.
#[derive(Debug, Clone)]
struct Plan {
    kills: usize,
    contacts: usize,
    cps: f64,
    seed: u64,
}

impl Plan {
    /// As given here, unless the environment asks for more (`cargo xtask kill`).
    fn or_asked(kills: usize, contacts: usize) -> Self {
        let asked = |name: &str| std::env::var(name).ok().map(|value| value.parse().unwrap());
        Self {
            kills: asked("CAMPANILE_KILLS").map_or(kills, |value: u64| value as usize),
            contacts: asked("CAMPANILE_CONTACTS").map_or(contacts, |value: u64| value as usize),
            cps: 40.0,
            seed: asked("CAMPANILE_SEED").unwrap_or_else(rand::random),
        }
    }
}

#[tokio::test]
async fn kills_in_mid_campaign_dial_nothing_twice_and_lose_nobody() {
    let verdict = live_through(&Plan::or_asked(8, 600), None).await;
    verdict.assert();
}

#[tokio::test]
async fn power_cuts_in_mid_campaign_dial_nothing_twice_and_lose_nobody() {
    let torn = std::env::var_os("CAMPANILE_POWER_WHOLE").is_none();
    let verdict = live_through(&Plan::or_asked(3, 300), Some(Disk::keeps_synced(torn))).await;
    verdict.assert();
}

/// The proof can fail: on a disk that answers syncs and does nothing, it has to.
#[tokio::test]
async fn a_disk_that_lies_about_syncs_is_found_out() {
    let plan = Plan { kills: 2, contacts: 200, cps: 40.0, seed: 7 };
    let verdict = live_through(&plan, Some(Disk::lies())).await;
    assert!(!verdict.broken.is_empty(), "two cuts of a disk that keeps nothing went unnoticed");
}

/// A campaign from its start to its end, through every kill.
async fn live_through(plan: &Plan, disk: Option<Disk>) -> Verdict {
    eprintln!("{} kills, {} contacts, seed {}", plan.kills, plan.contacts, plan.seed);
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let record = dir.path().join("carrier.jsonl");
    let (mut carrier, port) = carrier(&record, dir.path());

    let key = Server::create_key(&data);
    let disk = disk.map(|disk| disk.under(&data));
    let environment = disk.as_ref().map(Disk::environment).unwrap_or_default();
    let mut begun = Timestamp::now();
    let mut server = Server::start_in(&data, key, environment);
    let limits = json!({ "cps": plan.cps, "channels": 200 });
    let (number, bot) = server.setup(port, limits, json!({})).await;
    let mut settings = open_campaign("kill", &number, &bot);
    settings["concurrency"] = json!(150);
    settings["max_attempts"] = json!(2);
    settings["retry_delay_minutes"] = json!(0.05);
    settings["ring_timeout_seconds"] = json!(15);
    settings["no_media_seconds"] = json!(5);
    let campaign = text(&server.call("POST", "/campaigns", settings).await["id"]);
    server.upload(&campaign, contacts(plan.contacts)).await;
    server.call("POST", &format!("/campaigns/{campaign}/start"), json!(null)).await;

    let mut random = StdRng::seed_from_u64(plan.seed);
    let (mut lives, mut watch) = (Vec::new(), Watch::default());
    for _ in 0..plan.kills {
        let end = Instant::now() + Duration::from_millis(random.random_range(200..3_500));
        // What anybody has seen as finished must stay so.
        while Instant::now() + Duration::from_millis(400) < end {
            watch.look(&server.report(&campaign).await);
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        tokio::time::sleep(end.saturating_duration_since(Instant::now())).await;
        server.process.kill();
        lives.push(Life { begun, ended: Timestamp::now() });
        cut(disk.as_ref());
        // One in five dies before it is up, in the middle of its recovery.
        if random.random_range(0..5) == 0 {
            let mut stillborn = server.spawn_again(&data);
            std::thread::sleep(Duration::from_millis(random.random_range(0..400)));
            stillborn.kill();
            cut(disk.as_ref());
        }
        begun = Timestamp::now();
        server = match server.try_restart(&data) {
            Ok(server) => server,
            Err(refusal) => {
                carrier.terminate();
                return Verdict::of_refusal(refusal);
            }
        };
    }
    lives.push(Life { begun, ended: Timestamp::MAX });
    // A disk that loses commits can lose the campaign: nothing to wait for.
    let found = server.try_call("GET", &format!("/campaigns/{campaign}"), json!(null)).await;
    if found.0 != 200 {
        carrier.terminate();
        return Verdict::of_refusal(format!("the campaign is gone: {}", found.1));
    }
    let limit = Duration::from_secs(60 + 3 * plan.contacts as u64 / plan.cps as u64);
    let done = server.wait_completed(&campaign, limit).await;
    let rows = server.report(&campaign).await;
    server.process.terminate();
    carrier.terminate();
    let verdict = verdict::judge(&record, &rows, &lives, &watch, plan.contacts, &done);
    eprintln!("{verdict}");
    verdict
}

fn cut(disk: Option<&Disk>) {
    if let Some(disk) = disk {
        disk.cut();
    }
}

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

/// Short calls, so that a kill meets calls in every state.
const MIX: &str = r#"{
    "answer": 60, "ring_out": 0, "busy": 15, "rejected": 5, "not_found": 5, "unavailable_480": 15,
    "congestion_503": 0, "voicemail": 0, "silent": 0, "vanish": 0,
    "ring_seconds": [0.2, 1.5], "talk_seconds": [0.3, 2.0], "hangs_up": 1.0, "presses_key": 0.2, "keys": "1",
    "press_after_seconds": [0.1, 0.3]
}"#;
