//! What the guide for programmers shows, run as it stands against a server that dials; the
//! carrier's record is the judge.

use std::{collections::HashMap, net::Ipv4Addr, path::Path, process::Command, time::Duration};

use campanile_carrier::{CarrierConfig, Line, Mix, Range, SimCarrier};
use campanile_domain::ids::AttemptId;
use serde_json::{Value, json};

use crate::server::{Server, open_campaign, text};

const GUIDE: &str = include_str!("../../../../docs/integration.md");

/// A program that a reader would paste, in one of three languages.
struct Snippet {
    language: &'static str,
    program: String,
}

/// The snippets under a heading of the guide.
fn snippets(heading: &str) -> Vec<Snippet> {
    let part = GUIDE.split("\n## ").find(|part| part.starts_with(heading)).expect(heading);
    let fenced: Vec<&str> = part.split("```").skip(1).step_by(2).collect();
    let found = ["sh", "python", "js"].map(|language| {
        let program =
            fenced.iter().find_map(|block| block.strip_prefix(language)?.strip_prefix('\n'));
        Snippet { language, program: program.expect(language).to_owned() }
    });
    found.into()
}

impl Snippet {
    /// Runs it as it stands; what it prints, without quotes and blanks.
    fn run(&self, server: &Server, campaign: &str, key: &str) -> String {
        let mut command = match self.language {
            "sh" => Command::new("sh"),
            "python" => Command::new("python3"),
            _ => Command::new("node"),
        };
        match self.language {
            "js" => command.args(["--input-type=module", "--eval", &self.program]),
            _ => command.args(["-c", &self.program]),
        };
        let output = command
            .env("CAMPANILE_URL", &server.url)
            .env("CAMPANILE_KEY", key)
            .env("CAMPANILE_CAMPAIGN", campaign)
            .output()
            .unwrap_or_else(|error| panic!("{} is missing: {error}", self.language));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let wrong = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{}: {said}{wrong}", self.language);
        // Each language prints what it read in its own way: `{'matched': 1}`.
        said.chars().filter(|each| !matches!(each, ' ' | '\'' | '"')).collect()
    }
}

/// A carrier whose phones answer at once and talk on, and its record.
pub(crate) fn carrier(record: &Path) -> SimCarrier {
    let none = json!({
        "answer": 1, "ring_out": 0, "busy": 0, "rejected": 0, "not_found": 0,
        "unavailable_480": 0, "congestion_503": 0, "voicemail": 0, "silent": 0, "vanish": 0,
    });
    let mix: Mix = serde_json::from_value(none).unwrap();
    SimCarrier::start(CarrierConfig {
        sip: (Ipv4Addr::LOCALHOST, 0).into(),
        seed: 7,
        mix: Mix { ring_seconds: Range(0.2, 0.5), talk_seconds: Range(30.0, 30.0), ..mix },
        record: Some(record.to_owned()),
        time_scale: 1.0,
        auth: None,
    })
    .unwrap()
}

/// The server with a running campaign that takes contacts and has none.
async fn always_on(data: &Path, port: u16) -> (Server, String) {
    let server = Server::start(data);
    // Says nothing for a second and hangs up.
    let script = json!({ "start": "on", "steps": {
        "on": { "listen": { "seconds": 1.0 }, "next": "end" }, "end": {} } });
    let (number, bot) = server.setup(port, json!({}), script).await;
    let mut settings = open_campaign("triggered", &number, &bot);
    settings["mode"] = json!("continuous");
    settings["always_on"] = json!(true);
    settings["sticky_exclusion"] = json!(true);
    let campaign = text(&server.call("POST", "/campaigns", settings).await["id"]);
    server.call("POST", &format!("/campaigns/{campaign}/start"), Value::Null).await;
    (server, campaign)
}

/// The INVITEs of a record, by callee.
pub(crate) fn rung(record: &Path) -> HashMap<String, usize> {
    let text = std::fs::read_to_string(record).unwrap();
    let mut rung = HashMap::new();
    for line in text.lines() {
        let line: Line = serde_json::from_str(line).unwrap();
        *rung.entry(line.callee).or_default() += 1;
    }
    rung
}

#[tokio::test]
async fn the_guides_programs_dial_and_exclude_as_they_stand() {
    let dir = tempfile::tempdir().unwrap();
    let record = dir.path().join("record.jsonl");
    let carrier = carrier(&record);
    let (server, campaign) = always_on(dir.path(), carrier.addr().port()).await;
    let key = server.call("POST", "/keys", json!({"name": "crm", "scope": "trigger"})).await;
    let key = text(&key["key"]);

    for snippet in snippets("Trigger") {
        for _ in 0..2 {
            let said = snippet.run(&server, &campaign, &key);
            assert!(said.contains("status:dialled") || said.contains("status:queued"), "{said}");
        }
    }
    // Each ran twice under its key: one contact, one call.
    let contacts = format!("/campaigns/{campaign}/contacts");
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while server.get(&format!("{contacts}?state=completed")).await["data"]
        .as_array()
        .is_none_or(|done| done.len() < 3)
    {
        assert!(std::time::Instant::now() < deadline, "{}", server.get(&contacts).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for snippet in snippets("Exclude") {
        let said = snippet.run(&server, &campaign, &key);
        assert!(said.contains("matched:1"), "{said}");
    }
    // All three are excluded now, and exclusion is sticky.
    let again = json!({"campaign_id": campaign, "mobile": "+919876543210"});
    let (status, refused) = server.try_call("POST", "/campaigns/trigger", again).await;
    assert_eq!((status, &refused["code"]), (409, &json!("excluded")));
    assert_eq!(server.report(&campaign).await.len(), 3);
    carrier.stop();
    let rung = rung(&record);
    assert_eq!((rung.len(), rung.values().sum::<usize>()), (3, 3), "{rung:?}");
}

#[tokio::test]
async fn a_hundred_equal_triggers_at_once_make_one_call() {
    let dir = tempfile::tempdir().unwrap();
    let record = dir.path().join("record.jsonl");
    let carrier = carrier(&record);
    let (server, campaign) = always_on(dir.path(), carrier.addr().port()).await;
    let body = json!({
        "campaign_id": campaign, "mobile": "+919876543210", "idempotency_key": "order-1",
    });
    let asked = (0..100).map(|_| server.call("POST", "/campaigns/trigger", body.clone()));
    let answers = futures_util::future::join_all(asked).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    let rows = loop {
        let rows = server.report(&campaign).await;
        if rows.iter().any(|row| row["outcome"] == "completed") {
            break rows;
        }
        assert!(std::time::Instant::now() < deadline, "not completed: {rows:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(rows.len(), 1);
    rows[0]["attempt_id"].parse::<AttemptId>().unwrap();
    carrier.stop();
    assert_eq!(rung(&record).values().sum::<usize>(), 1);
}
