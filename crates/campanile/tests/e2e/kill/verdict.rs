//! What the carrier's record, the report and everybody who looked say together.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    path::Path,
    time::Duration,
};

use jiff::Timestamp;
use serde_json::Value;

use crate::server::text;

/// How soon after its start a dialler with work must have sent its first INVITE.
const FIRST_INVITE_WITHIN: Duration = Duration::from_secs(3);
/// The same for a build without optimisation, between other tests on a busy machine.
const FIRST_INVITE_WITHIN_AT_LEISURE: Duration = Duration::from_secs(20);

type Row = HashMap<String, String>;

/// From the start of a process to its kill.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    pub(crate) begun: Timestamp,
    pub(crate) ended: Timestamp,
}

/// Finished attempts that anybody has seen, with their outcomes.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    finished: HashMap<String, String>,
}

impl Watch {
    /// Somebody reads the report.
    pub(crate) fn look(&mut self, rows: &[Row]) {
        for row in rows {
            // The real end of an attempt may come late and replace `unknown`.
            if !matches!(row["outcome"].as_str(), "" | "unknown") {
                self.finished.insert(row["attempt_id"].clone(), row["outcome"].clone());
            }
        }
    }
}

/// Every promise that was broken, and how fast it came back.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) broken: Vec<String>,
    invites: usize,
    attempts: usize,
    unknown: usize,
    seen_finished: usize,
    /// From each start to its first INVITE.
    comebacks: Vec<Duration>,
}

impl Verdict {
    /// It did not come back at all.
    pub(crate) fn of_refusal(refusal: String) -> Self {
        Self { broken: vec![refusal], ..Self::default() }
    }

    pub(crate) fn assert(&self) {
        assert!(self.broken.is_empty(), "{self}\n{:#?}", self.broken);
        assert!(self.unknown > 0, "no kill met a live call: {self}");
        assert!(!self.comebacks.is_empty(), "no life was long enough to dial: {self}");
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comebacks = self.comebacks.clone();
        comebacks.sort();
        let median = comebacks.get(comebacks.len() / 2).copied().unwrap_or_default();
        let worst = comebacks.last().copied().unwrap_or_default();
        write!(
            out,
            "{} promises broken; {} INVITEs, {} attempts, {} unknown, {} seen finished; first INVITE \
             after {} starts: median {median:.2?}, worst {worst:.2?}",
            self.broken.len(),
            self.invites,
            self.attempts,
            self.unknown,
            self.seen_finished,
            comebacks.len()
        )
    }
}

/// Lays everything side by side.
pub(crate) fn judge(
    record: &Path,
    rows: &[Row],
    lives: &[Life],
    watch: &Watch,
    contacts: usize,
    done: &Value,
) -> Verdict {
    let mut verdict = Verdict { attempts: rows.len(), ..Verdict::default() };
    let mut broken = Vec::new();
    for field in ["total", "processed"] {
        if done[field] != contacts {
            broken.push(format!("{field} is {}, there were {contacts} contacts", done[field]));
        }
    }
    let (mut attempts, mut numbers) = (HashMap::new(), HashSet::new());
    let mut dialled = HashSet::new();
    for row in rows {
        if row["outcome"].is_empty() {
            broken.push(format!("not final: {row:?}"));
        }
        if !numbers.insert((&row["contact_id"], &row["attempt_number"])) {
            broken.push(format!("an attempt number twice: {row:?}"));
        }
        dialled.insert(&row["contact_id"]);
        attempts.insert(row["attempt_id"].as_str(), row);
        verdict.unknown += usize::from(row["outcome"] == "unknown");
    }
    if dialled.len() != contacts {
        broken.push(format!("{} of {contacts} contacts were dialled", dialled.len()));
    }
    for (attempt, outcome) in &watch.finished {
        let now = attempts.get(attempt.as_str()).map(|row| row["outcome"].as_str());
        if now != Some(outcome) {
            broken.push(format!("{attempt} was seen as {outcome} and is {now:?}"));
        }
    }
    verdict.seen_finished = watch.finished.len();

    let (mut invites, mut seen) = (Vec::new(), HashSet::new());
    for line in std::fs::read_to_string(record).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let call_id = text(&line["call_id"]);
        let attempt = call_id.split('.').next().unwrap().to_owned();
        if !attempts.contains_key(attempt.as_str()) {
            broken.push(format!("an INVITE without its attempt row: {call_id}"));
        }
        if !seen.insert(attempt) {
            broken.push(format!("an attempt dialled twice: {call_id}"));
        }
        let at: Timestamp = text(&line["time"]).parse().unwrap();
        invites.push((at, text(&line["callee"])));
    }
    for (id, row) in &attempts {
        let unseen = matches!(row["outcome"].as_str(), "unknown" | "network_error" | "cancelled");
        if !unseen && !seen.contains(*id) {
            broken.push(format!("the carrier never saw {row:?}"));
        }
    }
    invites.sort();
    verdict.invites = invites.len();
    verdict.comebacks = comebacks(&invites, lives, &mut broken);
    verdict.broken = broken;
    verdict
}

/// How long each life but the first took to its first INVITE. One that had contacts to
/// dial and took too long broke its promise.
fn comebacks(
    invites: &[(Timestamp, String)],
    lives: &[Life],
    broken: &mut Vec<String>,
) -> Vec<Duration> {
    let mut comebacks = Vec::new();
    for life in lives.iter().skip(1) {
        let later = &invites[invites.partition_point(|(at, _)| *at < life.begun)..];
        let earlier = &invites[..invites.len() - later.len()];
        let known: HashSet<&str> = earlier.iter().map(|(_, callee)| callee.as_str()).collect();
        // Somebody was waiting who had never been dialled; a retry may not be due.
        if later.iter().all(|(_, callee)| known.contains(callee.as_str())) {
            continue;
        }
        let first = later.iter().map(|(at, _)| *at).find(|at| *at < life.ended);
        let took = life.begun.duration_until(first.unwrap_or(life.ended)).unsigned_abs();
        if first.is_some() {
            comebacks.push(took);
        }
        let is_release = std::env::var_os("CAMPANILE_BINARY").is_some();
        let limit = if is_release { FIRST_INVITE_WITHIN } else { FIRST_INVITE_WITHIN_AT_LEISURE };
        if took > limit {
            broken.push(format!("the first INVITE came {took:.2?} after the start"));
        }
    }
    comebacks
}
