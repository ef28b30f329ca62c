//! Campaigns dialled from a CSV through sipp: each scenario ends in the outcome of
//! the API's table, and sipp counts no failed call where none may fail.

mod endings;
mod streams;

use std::{
    net::{TcpListener, UdpSocket},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::server::{Process, Server, contacts, open_campaign, scenarios, text};

/// A sipp that plays the carrier.
struct Sipp {
    process: Process,
    port: u16,
    stats: std::path::PathBuf,
}

impl Sipp {
    fn start(dir: &Path, scenario: &str, more: &[&str]) -> Self {
        // sipp cannot tell which free port it took, so each test process has a block of
        // its own, below the ports that the system and our servers pick from.
        let block = 10_000 + (std::process::id() % 300) as u16 * 32;
        let (port, media) = (block, block + 2);
        let stats = dir.join("sipp.csv");
        let log = std::fs::File::create(dir.join("sipp.log")).unwrap();
        let child = Command::new("sipp")
            .current_dir(scenarios())
            .args(["-sf", &format!("{scenario}.xml"), "-i", "127.0.0.1", "-p", &port.to_string()])
            .args(["-mi", "127.0.0.1", "-mp", &media.to_string()])
            .args(["-nostdin", "-trace_stat", "-fd", "1", "-stf"])
            .arg(&stats)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("sipp is installed: `cargo xtask test` installs it");
        let mut sipp = Self { process: Process(child), port, stats };
        sipp.wait_bound(&dir.join("sipp.log"));
        sipp
    }

    /// The port is taken once sipp listens.
    fn wait_bound(&mut self, log: &Path) {
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        let addr = ("127.0.0.1", self.port);
        while UdpSocket::bind(addr).is_ok() && TcpListener::bind(addr).is_ok() {
            let ended = self.process.0.try_wait().unwrap();
            if ended.is_some() || std::time::Instant::now() > deadline {
                panic!("sipp does not listen: {}", std::fs::read_to_string(log).unwrap());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Calls that sipp itself judged: successful and failed.
    fn judge(mut self) -> (u64, u64) {
        // SIGUSR1: sipp ends gracefully and writes its last line of statistics.
        let id = self.process.0.id().to_string();
        let _ = Command::new("kill").args(["-USR1", &id]).status();
        let deadline = std::time::Instant::now() + Duration::from_secs(5);
        while self.process.0.try_wait().unwrap().is_none() && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
        }
        let stats = std::fs::read_to_string(&self.stats).unwrap();
        let mut lines = stats.lines();
        let header: Vec<&str> = lines.next().unwrap().split(';').collect();
        let last: Vec<&str> = lines.next_back().unwrap().split(';').collect();
        let column = |name: &str| -> u64 {
            let index = header.iter().position(|each| *each == name).unwrap();
            last[index].parse().unwrap()
        };
        (column("SuccessfulCall(C)"), column("FailedCall(C)"))
    }
}

/// What a scenario is dialled with.
struct Case {
    scenario: &'static str,
    sipp: &'static [&'static str],
    contacts: usize,
    carrier: Value,
    settings: Value,
    script: Value,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            scenario: "",
            sipp: &[],
            contacts: 4,
            carrier: json!({}),
            settings: json!({}),
            script: json!({}),
        }
    }
}

/// What came of it.
struct Dialled {
    rows: Vec<std::collections::HashMap<String, String>>,
    campaign: Value,
    successful: u64,
    failed: u64,
}

impl Dialled {
    fn column(&self, name: &str) -> Vec<&str> {
        self.rows.iter().map(|row| row[name].as_str()).collect()
    }

    fn all(&self, name: &str, expected: &str) {
        for cell in self.column(name) {
            assert_eq!(cell, expected, "{name} in {:#?}", self.rows);
        }
    }
}

/// Hangs up as soon as it is connected.
fn hang_up() -> Value {
    json!({ "start": "end", "steps": { "end": {} } })
}

/// Listens until the callee hangs up.
fn listen() -> Value {
    json!({ "start": "on", "steps": { "on": { "listen": { "seconds": 60.0 }, "next": "on" } } })
}

async fn dial(case: Case) -> Dialled {
    let dir = tempfile::tempdir().unwrap();
    let sipp = Sipp::start(dir.path(), case.scenario, case.sipp);
    let server = Server::start(dir.path());
    let (number, bot) = server.setup(sipp.port, case.carrier, case.script).await;
    let mut settings = open_campaign(case.scenario, &number, &bot);
    for (field, value) in case.settings.as_object().unwrap() {
        settings[field] = value.clone();
    }
    let campaign = text(&server.call("POST", "/campaigns", settings).await["id"]);
    let imported = server.upload(&campaign, contacts(case.contacts)).await;
    assert_eq!(imported["accepted"], case.contacts, "{imported}");
    server.call("POST", &format!("/campaigns/{campaign}/start"), json!(null)).await;
    let done = server.wait_completed(&campaign, Duration::from_secs(110)).await;
    let rows = server.report(&campaign).await;
    let (successful, failed) = sipp.judge();
    Dialled { rows, campaign: done, successful, failed }
}

#[tokio::test]
async fn answer_talk_bye_is_completed_and_the_callee_hung_up() {
    let done = dial(Case {
        scenario: "uas_answer_talk_bye",
        sipp: &["-d", "2000"],
        script: listen(),
        ..Case::default()
    })
    .await;
    assert_eq!(done.rows.len(), 4);
    done.all("outcome", "completed");
    done.all("hangup_by", "callee");
    done.all("sip_code", "200");
    for talk in done.column("talk_seconds") {
        let talk: f64 = talk.parse().unwrap();
        assert!((1.8..4.0).contains(&talk), "the callee hangs up after 2 s: {talk}");
    }
    assert_eq!((done.successful, done.failed), (4, 0));
}

#[tokio::test]
async fn answer_wait_is_completed_and_the_bot_hung_up() {
    let done =
        dial(Case { scenario: "uas_answer_wait", sipp: &["-rtp_echo"], ..Case::default() }).await;
    assert_eq!(done.rows.len(), 4);
    done.all("outcome", "completed");
    done.all("hangup_by", "bot");
    done.all("disposition", "no_key");
    for cell in done.column("first_bot_audio_at") {
        assert!(!cell.is_empty(), "the bot spoke");
    }
    assert_eq!(done.campaign["completion_reason"], "all_final");
    assert_eq!((done.successful, done.failed), (4, 0));
}

#[tokio::test]
async fn busy_is_busy_and_retried_to_its_maximum() {
    let done = dial(Case {
        scenario: "uas_busy",
        settings: json!({ "max_attempts": 2, "retry_delay_minutes": 0.02 }),
        ..Case::default()
    })
    .await;
    assert_eq!(done.rows.len(), 8, "two attempts a contact");
    done.all("outcome", "busy");
    done.all("sip_code", "486");
    done.all("counts", "true");
    assert_eq!(done.campaign["completion_reason"], "max_retries");
    assert_eq!((done.successful, done.failed), (8, 0));
}

#[tokio::test]
async fn no_answer_is_cancelled_at_the_ring_timeout() {
    let done = dial(Case {
        scenario: "uas_noanswer",
        settings: json!({ "ring_timeout_seconds": 15 }),
        ..Case::default()
    })
    .await;
    done.all("outcome", "no_answer");
    done.all("hangup_by", "dialler");
    for ring in done.column("ring_seconds") {
        let ring: f64 = ring.parse().unwrap();
        assert!((14.5..17.0).contains(&ring), "15 s of ringing, not {ring}");
    }
    assert_eq!((done.successful, done.failed), (4, 0));
}

#[tokio::test]
async fn a_407_is_answered_with_credentials() {
    challenged("uas_407_auth").await;
}

#[tokio::test]
async fn a_401_is_answered_with_a_digest_that_sipp_verifies() {
    challenged("uas_401_auth").await;
}

async fn challenged(scenario: &'static str) {
    let auth = json!({ "auth": { "username": "dialler", "password": "s3cret" } });
    let done = dial(Case { scenario, carrier: auth, script: hang_up(), ..Case::default() }).await;
    assert_eq!(done.rows.len(), 4);
    done.all("outcome", "completed");
    assert_eq!((done.successful, done.failed), (4, 0));
}

#[tokio::test]
async fn a_wrong_password_is_rejected_and_explained() {
    let auth = json!({ "auth": { "username": "dialler", "password": "wrong" } });
    let done =
        dial(Case { scenario: "uas_401_auth", carrier: auth, contacts: 1, ..Case::default() })
            .await;
    done.all("outcome", "rejected");
    done.all("sip_code", "403");
}

#[tokio::test]
async fn a_200_that_crosses_our_cancel_is_acked_ended_and_no_answer() {
    let done = dial(Case {
        scenario: "uas_late200_after_cancel",
        settings: json!({ "ring_timeout_seconds": 15 }),
        ..Case::default()
    })
    .await;
    done.all("outcome", "no_answer");
    done.all("sip_code", "200");
    done.all("hangup_by", "dialler");
    done.all("bot_attached_at", "");
    assert_eq!((done.successful, done.failed), (4, 0), "each got its ACK and its BYE");
}

#[tokio::test]
async fn a_404_is_an_invalid_number_and_never_dialled_again() {
    let done = dial(Case {
        scenario: "uas_reject_404",
        settings: json!({ "max_attempts": 3, "retry_delay_minutes": 0.0 }),
        ..Case::default()
    })
    .await;
    assert_eq!(done.rows.len(), 4);
    done.all("outcome", "invalid_number");
    assert_eq!(done.campaign["completion_reason"], "all_final");
}

#[tokio::test]
async fn a_503_rests_the_carrier_and_costs_the_contact_nothing() {
    let done = dial(Case {
        scenario: "uas_503_retry_after",
        contacts: 1,
        settings: json!({
            "max_attempts": 1, "retry_delay_minutes": 0.0, "retry_on_system": ["congestion"],
        }),
        ..Case::default()
    })
    .await;
    // Five uncounted attempts and a sixth that counts.
    assert_eq!(done.rows.len(), 6, "{:#?}", done.rows);
    done.all("outcome", "congestion");
    let counts = done.column("counts");
    assert_eq!(counts, ["false", "false", "false", "false", "false", "true"]);
    let times: Vec<jiff::Timestamp> =
        done.column("dialled_at").iter().map(|at| at.parse().unwrap()).collect();
    for pair in times.windows(2) {
        let rest = pair[1].as_millisecond() - pair[0].as_millisecond();
        assert!(rest >= 6_900, "Retry-After: 7 was not kept: {rest} ms");
    }
}

#[tokio::test]
async fn a_callee_who_vanishes_is_ended_by_missing_media() {
    let done = dial(Case {
        scenario: "uas_vanish_after",
        sipp: &["-d", "2000"],
        contacts: 2,
        settings: json!({ "no_media_seconds": 3 }),
        script: listen(),
        ..Case::default()
    })
    .await;
    assert_eq!(done.rows.len(), 2);
    done.all("outcome", "completed");
    done.all("hangup_by", "dialler");
    for talk in done.column("talk_seconds") {
        let talk: f64 = talk.parse().unwrap();
        assert!((4.5..9.0).contains(&talk), "2 s of talk and 3 s of nothing: {talk}");
    }
}

#[tokio::test]
async fn a_mixed_carrier_leaves_nothing_unexplained() {
    let done = dial(Case {
        scenario: "uas_mix",
        contacts: 60,
        settings: json!({
            "ring_timeout_seconds": 15, "max_attempts": 2, "retry_delay_minutes": 0.02,
            "no_media_seconds": 25, "silent_customer_seconds": 25,
        }),
        ..Case::default()
    })
    .await;
    assert!(done.rows.len() >= 60);
    for row in &done.rows {
        let expected = match row["sip_code"].as_str() {
            "200" => "completed",
            // The dice may fall so that the api's rule of the storm holds.
            "480" | "486" if row["outcome"] == "congestion" => {
                assert!(is_in_a_storm(&done.rows, row), "{row:#?} in {:#?}", done.rows);
                "congestion"
            }
            "486" => "busy",
            "404" => "invalid_number",
            "503" => "congestion",
            "480" | "487" => "no_answer",
            // Withdrawn before its INVITE: a 503 sent the carrier to rest meanwhile.
            "" => "cancelled",
            other => panic!("no such answer in the scenario: {other:?} {row:#?}"),
        };
        assert_eq!(row["outcome"], expected, "{row:#?}");
    }
    assert_eq!(done.campaign["processed"], 60);
    assert_eq!(done.failed, 0, "sipp judged every call good");
}

/// Whether ten or more of the last twenty calls that told something, `row` among them, were
/// refused at once: then api.md books a refusal as `congestion`.
fn is_in_a_storm(
    rows: &[std::collections::HashMap<String, String>],
    row: &std::collections::HashMap<String, String>,
) -> bool {
    // What a call tells it tells when it rings or is answered, else when it ends.
    let told_at = |row: &std::collections::HashMap<String, String>| {
        let times = ["ringing_at", "answered_at", "ended_at"].map(|name| row[name].clone());
        times.into_iter().find(|at| !at.is_empty()).unwrap()
    };
    let is_instant = |row: &std::collections::HashMap<String, String>| {
        row["ringing_at"].is_empty() && matches!(row["sip_code"].as_str(), "403" | "480" | "486")
    };
    let mut before: Vec<_> = rows
        .iter()
        .filter(|other| !other["sip_code"].is_empty() && told_at(other) <= told_at(row))
        .collect();
    // Within a millisecond the order is not known.
    before.sort_by_key(|other| (told_at(other), is_instant(other)));
    before.iter().rev().take(20).filter(|other| is_instant(other)).count() >= 10
}
