//! The record: one JSON line for each INVITE.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::mix::Fate;

/// What the carrier saw of one call. Times are RFC 3339 in UTC with milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// When the INVITE came.
    pub time: String,
    /// As the caller made it.
    pub call_id: String,
    /// The user part of From.
    pub caller: String,
    /// The user part of the request URI.
    pub callee: String,
    /// What became of the call.
    pub fate: Fate,
    /// When 180 went.
    pub ringing_at: Option<String>,
    /// When 200 went for the first time.
    pub answered_at: Option<String>,
    /// When the final answer was acknowledged.
    pub acked_at: Option<String>,
    /// When CANCEL came.
    pub cancelled_at: Option<String>,
    /// When BYE came or went.
    pub bye_at: Option<String>,
    /// Who sent BYE.
    pub bye_by: Option<Side>,
    /// When the call was over; absent when the carrier stopped first.
    pub ended_at: Option<String>,
    /// The final answer.
    pub code: Option<u16>,
    /// The key that the person pressed.
    pub key: Option<char>,
    /// RTP packets that the phone received.
    pub rtp_in: u64,
    /// RTP packets that the phone sent.
    pub rtp_out: u64,
    /// How often the INVITE came again.
    pub retransmissions: u32,
}

/// One of the two ends of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Who placed the call.
    Caller,
    /// The phone.
    Callee,
}

/// The record in four numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Summary {
    /// INVITEs: as many lines will there be. Retransmissions do not count, nor do INVITEs that
    /// were challenged and came again with an answer.
    pub invites: u64,
    /// Calls that were answered 200.
    pub answered: u64,
    /// Different callees.
    pub distinct_numbers: u64,
    /// Calls that are up.
    pub calls_now: u64,
}

impl Line {
    pub(crate) fn new(call_id: &str, caller: &str, callee: &str, fate: Fate) -> Self {
        Self {
            time: now(),
            call_id: call_id.to_owned(),
            caller: caller.to_owned(),
            callee: callee.to_owned(),
            fate,
            ringing_at: None,
            answered_at: None,
            acked_at: None,
            cancelled_at: None,
            bye_at: None,
            bye_by: None,
            ended_at: None,
            code: None,
            key: None,
            rtp_in: 0,
            rtp_out: 0,
            retransmissions: 0,
        }
    }
}

/// The time on the wall, as the record writes it.
pub(crate) fn now() -> String {
    format!("{:.3}", Timestamp::now())
}

/// Counts calls and writes their lines. How often each number was called is kept for ever: it
/// decides what the next call to it will be like.
pub(crate) struct Recorder {
    out: Option<BufWriter<File>>,
    unflushed: bool,
    calls_to: HashMap<String, u32>,
    summary: Summary,
}

impl Recorder {
    pub(crate) fn open(path: Option<&Path>) -> io::Result<Self> {
        let open = |path| File::options().create(true).append(true).open(path);
        let out = path.map(open).transpose()?.map(BufWriter::new);
        Ok(Self { out, unflushed: false, calls_to: HashMap::new(), summary: Summary::default() })
    }

    /// A call came; how many came to this number so far, this one included.
    pub(crate) fn came(&mut self, callee: &str) -> u32 {
        self.summary.invites += 1;
        self.summary.calls_now += 1;
        let count = self.calls_to.entry(callee.to_owned()).or_default();
        *count += 1;
        *count
    }

    pub(crate) fn answered(&mut self) {
        self.summary.answered += 1;
    }

    /// The last word on a call.
    pub(crate) fn write(&mut self, line: &Line) {
        self.summary.calls_now -= 1;
        let Some(out) = &mut self.out else { return };
        let written = serde_json::to_writer(&mut *out, line)
            .map_err(io::Error::from)
            .and_then(|()| out.write_all(b"\n"));
        self.unflushed = true;
        report(written);
    }

    /// Whether lines wait to be flushed.
    pub(crate) fn is_unflushed(&self) -> bool {
        self.unflushed
    }

    pub(crate) fn flush(&mut self) {
        self.unflushed = false;
        report(self.out.as_mut().map_or(Ok(()), BufWriter::flush));
    }

    pub(crate) fn summary(&self) -> Summary {
        Summary { distinct_numbers: self.calls_to.len() as u64, ..self.summary }
    }
}

fn report(written: io::Result<()>) {
    if let Err(error) = written {
        tracing::error!(%error, "The carrier's record cannot be written; lines are missing from it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_of_json_with_utc_milliseconds() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("record.jsonl");
        let mut recorder = Recorder::open(Some(&path)).unwrap();
        assert_eq!((recorder.came("1"), recorder.came("1"), recorder.came("2")), (1, 2, 1));
        recorder.answered();
        let line = Line::new("att_1.1@host", "100\n", "1", Fate::Unavailable);
        recorder.write(&line);
        recorder.write(&line);
        assert!(recorder.is_unflushed());
        recorder.flush();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<Line> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines, [line.clone(), line]);
        let time: Timestamp = lines[0].time.parse().unwrap();
        assert_eq!(lines[0].time, format!("{time:.3}"));
        assert!(lines[0].time.ends_with('Z') && text.contains(r#""fate":"unavailable_480""#));
        let summary = Summary { invites: 3, answered: 1, distinct_numbers: 2, calls_now: 1 };
        assert_eq!(recorder.summary(), summary);
    }
}
