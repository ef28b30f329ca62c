//! A row of the attempt report, while SQLite holds it.

use campanile_domain::{
    ids::{AttemptId, ContactId},
    outcome::{HangupBy, Outcome},
    phone::PhoneNumber,
};

/// An attempt as the report reads it. Texts lie in the memory of SQLite and live as long
/// as the row: a report of a million rows makes no strings. Times are Unix milliseconds,
/// UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportRow<'r> {
    /// Which attempt.
    pub id: AttemptId,
    /// Whom it dialled.
    pub contact: ContactId,
    /// In which run.
    pub run: u32,
    /// Under which revision of the settings.
    pub revision: u32,
    /// In which pass.
    pub pass: u32,
    /// The attempt's number for its contact in the run.
    pub number: u32,
    /// Whether it counts against the attempts of the contact.
    pub counts: bool,
    /// The callee.
    pub phone: PhoneNumber,
    /// The caller ID.
    pub caller_id: PhoneNumber,
    /// The carrier's name.
    pub carrier: &'r str,
    /// When its row was written, right before the INVITE.
    pub dialled_at: i64,
    /// When the callee's phone rang.
    pub ringing_at: Option<i64>,
    /// When the call was answered.
    pub answered_at: Option<i64>,
    /// When a bot was attached.
    pub bot_attached_at: Option<i64>,
    /// When the bot was first heard.
    pub first_bot_audio_at: Option<i64>,
    /// When it was over.
    pub ended_at: Option<i64>,
    /// The final SIP code.
    pub sip_code: Option<u16>,
    /// Its reason phrase.
    pub sip_reason: Option<&'r str>,
    /// What came of it; `None` while it lives.
    pub outcome: Option<Outcome>,
    /// The conversation's result, JSON.
    pub result: Option<&'r str>,
    /// Who hung up.
    pub hangup_by: Option<HangupBy>,
    /// The variables of the contact when it was dialled, a JSON object.
    pub variables: Option<&'r str>,
}
