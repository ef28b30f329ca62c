//! Does the carrier's own record agree with the database?
//!
//! The judge of a campaign is the far end: each INVITE it saw must have its attempt
//! row, no attempt may have been dialled twice, and no row may claim a call that the
//! carrier never saw.

use std::{
    collections::{HashMap, HashSet},
    io::BufRead,
    path::Path,
};

use anyhow::Context;
use campanile_domain::{
    ids::{AttemptId, CampaignId, ContactId},
    outcome::Outcome,
};
use campanile_store::{Store, rows::Attempt};
use serde::Deserialize;

/// One line of the carrier's record, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Line {
    call_id: String,
}

/// What was compared, and every difference.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    pub(crate) invites: u64,
    pub(crate) differences: Vec<String>,
}

/// Every attempt of a campaign, all runs.
pub(crate) async fn attempts(store: &Store, campaign: CampaignId) -> anyhow::Result<Vec<Attempt>> {
    let mut all: Vec<Attempt> = Vec::new();
    loop {
        let after = all.last().map(|attempt| attempt.id);
        let chunk = store.attempts(campaign, None, after, 2_000).await?;
        if chunk.is_empty() {
            return Ok(all);
        }
        all.extend(chunk);
    }
}

/// Reads the record and lays it beside the attempts.
pub(crate) fn compare(record: &Path, attempts: &[Attempt]) -> anyhow::Result<Comparison> {
    let file = std::fs::File::open(record)
        .with_context(|| format!("cannot read the carrier's record {}", record.display()))?;
    let mut call_ids = Vec::new();
    for line in std::io::BufReader::new(file).lines() {
        let line: Line = serde_json::from_str(&line?).context("a line of the carrier's record")?;
        call_ids.push(line.call_id);
    }
    Ok(differences(&call_ids, attempts))
}

fn differences(call_ids: &[String], attempts: &[Attempt]) -> Comparison {
    let mut found = Comparison { invites: call_ids.len() as u64, differences: Vec::new() };
    let mut numbers: HashSet<(ContactId, u32, u32)> = HashSet::new();
    for attempt in attempts {
        if !numbers.insert((attempt.contact, attempt.run, attempt.number)) {
            found.differences.push(format!(
                "contact {} has two attempts number {}",
                attempt.contact, attempt.number
            ));
        }
    }
    let mut seen: HashMap<AttemptId, u32> = HashMap::new();
    let mut dialogs: HashSet<&str> = HashSet::new();
    let known: HashMap<AttemptId, &Attempt> =
        attempts.iter().map(|attempt| (attempt.id, attempt)).collect();
    for call_id in call_ids {
        if !dialogs.insert(call_id) {
            found.differences.push(format!("the carrier got the call {call_id} twice"));
        }
        // `{attempt_id}.{n}@host`: n counts the carriers tried.
        let attempt = call_id.split_once('.').and_then(|(id, _)| id.parse::<AttemptId>().ok());
        match attempt {
            Some(id) if known.contains_key(&id) => *seen.entry(id).or_default() += 1,
            _ => found.differences.push(format!("the INVITE {call_id} has no attempt row")),
        }
    }
    for (id, times) in &seen {
        if *times > 1 {
            found.differences.push(format!("attempt {id} was dialled {times} times"));
        }
    }
    for attempt in attempts {
        // An INVITE that got lost, or was withdrawn before it left, is nobody's lie.
        let may_be_unseen = matches!(
            attempt.outcome,
            None | Some(Outcome::NetworkError | Outcome::Cancelled | Outcome::Unknown)
        );
        if !may_be_unseen && !seen.contains_key(&attempt.id) {
            found.differences.push(format!(
                "attempt {} ended as {} but the carrier never saw it",
                attempt.id,
                attempt.outcome.map_or("nothing", Outcome::word)
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(id: i64, contact: i64, number: u32, outcome: Option<Outcome>) -> Attempt {
        Attempt {
            id: AttemptId(id),
            contact: ContactId(contact),
            run: 1,
            revision: 1,
            pass: number,
            number,
            counts: true,
            phone: "+919876543210".parse().unwrap(),
            caller_id: "+912240000000".parse().unwrap(),
            carrier: "sim".into(),
            dialled_at: jiff::Timestamp::UNIX_EPOCH,
            ringing_at: None,
            answered_at: None,
            bot_attached_at: None,
            first_bot_audio_at: None,
            ended_at: None,
            sip_code: None,
            sip_reason: None,
            outcome,
            result: None,
            hangup_by: None,
            media: None,
            variables: None,
        }
    }

    fn call(id: i64) -> String {
        format!("{}.1@127.0.0.1", AttemptId(id))
    }

    #[test]
    fn a_record_that_agrees_has_no_differences() {
        let rows = [
            attempt(1, 7, 1, Some(Outcome::Busy)),
            attempt(2, 7, 2, Some(Outcome::Completed)),
            attempt(3, 8, 1, Some(Outcome::NetworkError)),
        ];
        let found = differences(&[call(1), call(2)], &rows);
        assert!(found.differences.is_empty(), "{:?}", found.differences);
        assert_eq!(found.invites, 2);
    }

    #[test]
    fn every_kind_of_disagreement_is_found() {
        let busy = Some(Outcome::Busy);
        let one = |rows: &[Attempt], calls: &[String]| differences(calls, rows).differences;
        assert_eq!(one(&[], &[call(1)]).len(), 1, "an INVITE without a row");
        assert_eq!(one(&[attempt(1, 7, 1, busy)], &[]).len(), 1, "a row without an INVITE");
        let twice = [call(1), format!("{}.2@127.0.0.1", AttemptId(1))];
        assert_eq!(one(&[attempt(1, 7, 1, busy)], &twice).len(), 1, "dialled twice");
        let same = [attempt(1, 7, 1, busy), attempt(2, 7, 1, busy)];
        assert_eq!(one(&same, &[call(1), call(2)]).len(), 1, "one number, two attempts");
        assert_eq!(one(&[], &["garbage".into()]).len(), 1, "a foreign Call-ID");
    }
}
