//! Rows of the attempt report, straight from the memory of the database into text: at
//! a million attempts a string for each cell would be all the work.

use std::borrow::Cow;

use campanile_domain::{ids::CampaignId, phone::PhoneNumber};
use campanile_store::rows::ReportRow;
use jiff::Timestamp;
use serde::Deserialize;

use crate::report::cell::neutralised;

/// The header of the attempt report (api.md): a promise.
pub(super) const HEADER: &str = "campaign_id,run,revision,pass,attempt_id,attempt_number,counts,\
    contact_id,phone_number,caller_id,carrier,dialled_at,ringing_at,answered_at,bot_attached_at,\
    first_bot_audio_at,ended_at,ring_seconds,talk_seconds,sip_code,sip_reason,outcome,\
    disposition,hangup_by,amd,callback_at,variables\r\n";

const MINUTE_MS: i64 = 60_000;

/// Rows of the report, in memory.
pub(super) struct AttemptRows {
    text: Vec<u8>,
    campaign: String,
    is_raw: bool,
    /// The minute of the last time that was written, and how it begins:
    /// `2026-06-01T10:00:`.
    minute: (i64, String),
}

/// What the report shows of a conversation's result.
#[derive(Deserialize)]
struct Conversation<'r> {
    #[serde(borrow)]
    disposition: Cow<'r, str>,
    callback: Option<Callback>,
}

#[derive(Deserialize)]
struct Callback {
    at: Option<Timestamp>,
}

impl<'r> Conversation<'r> {
    fn read(json: &'r str) -> Option<Self> {
        // Most calls end without a conversation, and their results are of this form.
        let word =
            json.strip_prefix(r#"{"disposition":""#).and_then(|rest| rest.strip_suffix(r#""}"#));
        match word {
            Some(word) if !word.bytes().any(|byte| matches!(byte, b'"' | b'\\')) => {
                Some(Self { disposition: Cow::Borrowed(word), callback: None })
            }
            _ => serde_json::from_str(json).ok(),
        }
    }
}

impl AttemptRows {
    /// None yet, with room for so many bytes. Raw, nothing is neutralised.
    pub(super) fn with_capacity(bytes: usize, campaign: CampaignId, is_raw: bool) -> Self {
        Self {
            text: Vec::with_capacity(bytes),
            campaign: campaign.to_string(),
            is_raw,
            minute: (i64::MIN, String::new()),
        }
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// The text of all rows.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.text
    }

    /// Writes a row.
    pub(super) fn push(&mut self, row: &ReportRow<'_>) {
        let conversation = row.result.and_then(Conversation::read);
        self.text.extend_from_slice(self.campaign.as_bytes());
        self.text.push(b',');
        self.count(row.run.into());
        self.count(row.revision.into());
        self.count(row.pass.into());
        self.id(row.id.text());
        self.count(row.number.into());
        self.plain(if row.counts { "true" } else { "false" });
        self.id(row.contact.text());
        self.number(row.phone);
        self.number(row.caller_id);
        self.outside(row.carrier);
        self.time(Some(row.dialled_at));
        self.time(row.ringing_at);
        self.time(row.answered_at);
        self.time(row.bot_attached_at);
        self.time(row.first_bot_audio_at);
        self.time(row.ended_at);
        self.seconds(row.ringing_at, row.answered_at.or(row.ended_at));
        self.seconds(row.answered_at, row.ended_at);
        match row.sip_code {
            Some(code) => self.count(code.into()),
            None => self.plain(""),
        }
        self.outside(row.sip_reason.unwrap_or_default());
        self.plain(row.outcome.map_or("", |outcome| outcome.word()));
        self.outside(conversation.as_ref().map_or("", |result| &result.disposition));
        self.plain(row.hangup_by.map_or("", |by| by.word()));
        // The detector comes with a later version.
        self.plain("");
        let callback = conversation.and_then(|result| result.callback);
        self.time(callback.and_then(|callback| callback.at).map(|at| at.as_millisecond()));
        self.outside(row.variables.unwrap_or("{}"));
        self.text.pop();
        self.text.extend_from_slice(b"\r\n");
    }

    /// A word of ours.
    fn plain(&mut self, word: &str) {
        self.text.extend_from_slice(word.as_bytes());
        self.text.push(b',');
    }

    fn id(&mut self, text: [u8; 17]) {
        self.text.extend_from_slice(&text);
        self.text.push(b',');
    }

    fn count(&mut self, count: u64) {
        self.decimal(count);
        self.text.push(b',');
    }

    /// A telephone number. It begins with `+` and is not neutralised: its type holds
    /// digits alone, so a spreadsheet can make nothing of it but a number, and a `'`
    /// would break every program that reads the file.
    fn number(&mut self, number: PhoneNumber) {
        self.text.push(b'+');
        self.count(number.digits());
    }

    /// RFC 3339 in UTC with milliseconds; empty for a time that no calendar has.
    fn time(&mut self, at: Option<i64>) {
        if let Some(at) = at {
            let (minute, rest) =
                (at.div_euclid(MINUTE_MS), at.rem_euclid(MINUTE_MS).unsigned_abs());
            if self.minute.0 != minute {
                self.minute = (minute, minute_text(minute));
            }
            if !self.minute.1.is_empty() {
                self.text.extend_from_slice(self.minute.1.as_bytes());
                let [second, ms] = [rest / 1_000, rest % 1_000 / 10].map(two);
                let last = b'0' + (rest % 10) as u8;
                self.text
                    .extend_from_slice(&[second[0], second[1], b'.', ms[0], ms[1], last, b'Z']);
            }
        }
        self.text.push(b',');
    }

    /// Seconds between two times, with milliseconds; never negative.
    fn seconds(&mut self, from: Option<i64>, to: Option<i64>) {
        if let (Some(from), Some(to)) = (from, to) {
            let ms = to.saturating_sub(from).max(0).unsigned_abs();
            self.decimal(ms / 1_000);
            let [high, low] = two(ms % 1_000 / 10);
            self.text.extend_from_slice(&[b'.', high, low, b'0' + (ms % 10) as u8]);
        }
        self.text.push(b',');
    }

    fn decimal(&mut self, mut value: u64) {
        if value < 10 {
            self.text.push(b'0' + value as u8);
            return;
        }
        let mut digits = [0; 20];
        let mut begin = digits.len();
        while value >= 10 {
            begin -= 2;
            digits[begin..begin + 2].copy_from_slice(&two(value % 100));
            value /= 100;
        }
        if value > 0 {
            begin -= 1;
            digits[begin] = b'0' + value as u8;
        }
        self.text.extend_from_slice(&digits[begin..]);
    }

    /// A text from outside: neutralised, and quoted where CSV asks for it.
    fn outside(&mut self, text: &str) {
        if self.is_raw || is_harmless(text) {
            self.quoted(text);
        } else {
            self.quoted(&neutralised(text));
        }
        self.text.push(b',');
    }

    fn quoted(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let special = |found: bool, byte: &u8| found | matches!(byte, b'"' | b',' | b'\r' | b'\n');
        // Without an early end, so that it goes over many bytes at once.
        if !bytes.iter().fold(false, special) {
            self.text.extend_from_slice(bytes);
            return;
        }
        self.text.push(b'"');
        let mut parts = bytes.split(|byte| *byte == b'"');
        self.text.extend_from_slice(parts.next().unwrap_or_default());
        for part in parts {
            self.text.extend_from_slice(b"\"\"");
            self.text.extend_from_slice(part);
        }
        self.text.push(b'"');
    }
}

/// Whether a text surely begins no formula: what it begins with is harmless, and it has
/// one line. Others are looked at with care.
fn is_harmless(text: &str) -> bool {
    let begins = matches!(text.as_bytes().first(), None | Some(b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'{'));
    begins && !text.bytes().fold(false, |found, byte| found | matches!(byte, b'\r' | b'\n'))
}

fn two(value: u64) -> [u8; 2] {
    [b'0' + (value / 10 % 10) as u8, b'0' + (value % 10) as u8]
}

/// How a minute begins, such as `2026-06-01T10:00:`; empty when no calendar has it.
fn minute_text(minute: i64) -> String {
    let begin = minute.checked_mul(MINUTE_MS).map(Timestamp::from_millisecond);
    let Some(Ok(begin)) = begin else { return String::new() };
    let mut text = begin.to_string();
    text.truncate(text.rfind(':').map_or(0, |at| at + 1));
    text
}

#[cfg(test)]
mod tests {
    use campanile_domain::{
        ids::{AttemptId, ContactId},
        outcome::{HangupBy, Outcome},
    };
    use proptest::prelude::*;

    use super::*;
    use crate::report::cell::Rows;

    fn row<'r>() -> ReportRow<'r> {
        ReportRow {
            id: AttemptId(1_790_000_000_000 << 20),
            contact: ContactId(1_780_000_000_000 << 20),
            run: 1,
            revision: 12,
            pass: 3,
            number: 4,
            counts: true,
            phone: "+919876543210".parse().unwrap(),
            caller_id: "+918045670001".parse().unwrap(),
            carrier: "Tata",
            dialled_at: 1_780_000_000_007,
            ringing_at: None,
            answered_at: None,
            bot_attached_at: None,
            first_bot_audio_at: None,
            ended_at: None,
            sip_code: None,
            sip_reason: None,
            outcome: None,
            result: None,
            hangup_by: None,
            variables: None,
        }
    }

    fn text(row: &ReportRow<'_>, is_raw: bool) -> String {
        let mut rows = AttemptRows::with_capacity(0, CampaignId(5 << 20), is_raw);
        rows.push(row);
        String::from_utf8(rows.into_bytes()).unwrap()
    }

    #[test]
    fn a_row_has_a_cell_for_each_column() {
        let full = ReportRow {
            ringing_at: Some(1_780_000_000_507),
            answered_at: Some(1_780_000_007_010),
            ended_at: Some(1_780_000_107_011),
            sip_code: Some(200),
            sip_reason: Some("OK, then"),
            outcome: Some(Outcome::Completed),
            result: Some(
                r#"{"disposition":"=interested","callback":{"at":"2026-06-01T10:00:00+02:00"}}"#,
            ),
            hangup_by: Some(HangupBy::Callee),
            variables: Some(r#"{"name":"Asha"}"#),
            ..row()
        };
        assert_eq!(
            text(&full, false),
            "cmp_0000000050000,1,12,3,att_1m3250v000000,4,true,con_1ksr492000000,+919876543210,\
             +918045670001,Tata,2026-05-28T20:26:40.007Z,2026-05-28T20:26:40.507Z,\
             2026-05-28T20:26:47.010Z,,,2026-05-28T20:28:27.011Z,6.503,100.001,200,\"OK, then\",\
             completed,'=interested,callee,,2026-06-01T08:00:00.000Z,\"{\"\"name\"\":\"\"Asha\"\"}\"\r\n"
        );
        assert_eq!(
            text(&row(), true),
            "cmp_0000000050000,1,12,3,att_1m3250v000000,4,true,con_1ksr492000000,+919876543210,\
             +918045670001,Tata,2026-05-28T20:26:40.007Z,,,,,,,,,,,,,,,{}\r\n"
        );
        for row in [full, row()] {
            let text = text(&row, false);
            let mut cells =
                csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
            let columns = HEADER.split(',').count();
            assert_eq!(cells.records().next().unwrap().unwrap().len(), columns);
        }
    }

    #[test]
    fn a_time_that_no_calendar_has_is_an_empty_cell() {
        let mut rows = AttemptRows::with_capacity(0, CampaignId(1), false);
        for at in [i64::MAX, i64::MIN, -1, 0] {
            rows.time(Some(at));
        }
        let text = String::from_utf8(rows.into_bytes()).unwrap();
        assert_eq!(text, ",,1969-12-31T23:59:59.999Z,1970-01-01T00:00:00.000Z,");
    }

    proptest! {
        #[test]
        fn cells_are_those_of_the_csv_crate(texts in prop::collection::vec("[ =+@a\"',\r\n\t{\u{a0}\u{ff1d}]{0,6}", 2..5), is_raw: bool) {
            let mut ours = AttemptRows::with_capacity(0, CampaignId(1), is_raw);
            let mut theirs = Rows::with_capacity(0, is_raw);
            for text in &texts {
                ours.outside(text);
                theirs.text(text);
            }
            theirs.end();
            let mut ours = ours.into_bytes();
            ours.pop();
            ours.extend_from_slice(b"\r\n");
            prop_assert_eq!(String::from_utf8(ours), String::from_utf8(theirs.into_bytes()));
        }

        #[test]
        fn numbers_are_written_as_rust_writes_them(value: u64, short in 0..1_000_u64) {
            for value in [value, short, value % 10_000_000_000_000] {
                let mut rows = AttemptRows::with_capacity(0, CampaignId(1), false);
                rows.decimal(value);
                prop_assert_eq!(String::from_utf8(rows.into_bytes()).unwrap(), value.to_string());
            }
        }

        #[test]
        fn a_disposition_is_what_serde_reads(json in r#"\{"disposition":"[a-z"\\n]{0,4}"(,"more":1)?\}"#) {
            let read = Conversation::read(&json).map(|found| found.disposition);
            let expected = serde_json::from_str::<Conversation<'_>>(&json).ok().map(|found| found.disposition);
            prop_assert_eq!(read, expected);
        }

        #[test]
        fn times_are_those_of_jiff(at in -10_000_000_000_000_i64..100_000_000_000_000) {
            let mut rows = AttemptRows::with_capacity(0, CampaignId(1), false);
            rows.time(Some(at));
            let expected = format!("{:.3},", Timestamp::from_millisecond(at).unwrap());
            prop_assert_eq!(String::from_utf8(rows.into_bytes()).unwrap(), expected);
        }
    }
}
