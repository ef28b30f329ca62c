//! One dial of one contact: what is written before the INVITE, and the report
//! that ends it.

mod audio;
mod state;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    ids::{AttemptId, CampaignId, CarrierId, ContactId, NumberId},
    outcome::{Ending, HangupBy, Outcome},
    phone::PhoneNumber,
    result::ConversationResult,
};

pub use audio::{Audio, Leg};
pub use state::{AttemptEvent, AttemptState, UnexpectedEvent};

/// A claim of a contact. Consumes nothing; given back or turned into an
/// attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Campaign.
    pub campaign: CampaignId,
    /// Run number.
    pub run: u32,
    /// Whom.
    pub contact: ContactId,
    /// The callee.
    pub phone: PhoneNumber,
    /// Counted attempts so far; the pass of a counted next attempt is one more.
    pub counted: u32,
    /// Attempts so far, counted or not: the next attempt's number is one more.
    pub dialled: u32,
    /// The caller ID of the last attempt, kept while it is healthy (DI-8).
    pub last_number: Option<NumberId>,
    /// It was abandoned in this run and has not talked to a bot since: it is dialled
    /// only with a seat kept for it (DI-16).
    pub seat_owed: bool,
    /// Fences this claim: a later claim of the same contact has a higher epoch.
    pub epoch: i64,
}

/// An attempt about to be made: durable before its INVITE leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAttempt {
    /// Identity; also the Call-ID's first part.
    pub id: AttemptId,
    /// The claim it is made under.
    pub lease: Lease,
    /// 1, 2, … within contact and run, never reused.
    pub number: u32,
    /// The wave it belongs to, from 1.
    pub pass: u32,
    /// Revision of the settings it is dialled under (CL-15).
    pub revision: u32,
    /// Through whom.
    pub carrier: CarrierId,
    /// Shown to the callee.
    pub caller_id: PhoneNumber,
    /// Which number of ours that is.
    pub number_id: NumberId,
    /// Carriers tried, this one included: the n of its Call-ID. `carrier`,
    /// `caller_id` and `number_id` are those of this try.
    pub tries: u32,
    /// When it was first asked for.
    pub at: Timestamp,
}

/// How far a live call has come; coalesced, losing one is harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Which.
    pub attempt: AttemptId,
    /// Campaign it belongs to.
    pub campaign: CampaignId,
    /// Contact it belongs to.
    pub contact: ContactId,
    /// First 18x.
    pub ringing_at: Option<Timestamp>,
    /// 200 OK.
    pub answered_at: Option<Timestamp>,
    /// Bot attached.
    pub bot_attached_at: Option<Timestamp>,
}

/// The one report that ends every call.
#[derive(Debug, Clone, PartialEq)]
pub struct CallReport {
    /// Which attempt.
    pub attempt: AttemptId,
    /// What the leg came to.
    pub ending: Ending,
    /// Final SIP answer to the INVITE, if one came.
    pub sip_code: Option<u16>,
    /// Its reason phrase.
    pub sip_reason: Option<String>,
    /// `Retry-After` of a refusal, seconds.
    pub retry_after_seconds: Option<u32>,
    /// Who ended it.
    pub hangup_by: Option<HangupBy>,
    /// First 18x.
    pub ringing_at: Option<Timestamp>,
    /// 200 OK.
    pub answered_at: Option<Timestamp>,
    /// Bot attached.
    pub bot_attached_at: Option<Timestamp>,
    /// First bot audio on the wire.
    pub first_bot_audio_at: Option<Timestamp>,
    /// End of the call.
    pub ended_at: Timestamp,
    /// What the conversation came to, when the bot said it.
    pub result: Option<ConversationResult>,
    /// RTP packets sent and received.
    pub rtp_sent: u32,
    /// RTP packets received.
    pub rtp_received: u32,
    /// How the audio was; `None` when there was none to judge.
    pub media: Option<Audio>,
}

impl CallReport {
    /// Milliseconds from answer to end; 0 when it was not answered.
    pub fn talk_ms(&self) -> u64 {
        millis_between(self.answered_at, Some(self.ended_at)).unwrap_or(0)
    }

    /// Milliseconds from the first 18x to the answer or the end; `None` when it did
    /// not ring.
    pub fn ring_ms(&self) -> Option<u64> {
        millis_between(self.ringing_at, Some(self.answered_at.unwrap_or(self.ended_at)))
    }
}

/// Never negative: a clock that was set back between the two counts as no time.
fn millis_between(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<u64> {
    let elapsed = to?.as_millisecond() - from?.as_millisecond();
    Some(u64::try_from(elapsed).unwrap_or(0))
}

/// A finished attempt to be written: the report and what was concluded from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Finish {
    /// The attempt as it was recorded.
    pub attempt: NewAttempt,
    /// How it went.
    pub report: CallReport,
    /// Its name.
    pub outcome: Outcome,
    /// Whether it uses up one of the contact's attempts.
    pub counts: bool,
    /// The result, the bot's or the automatic one (BT-4).
    pub result: ConversationResult,
}

/// What became of a contact after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Next {
    /// Waits for a retry from this time on.
    Retry(Timestamp),
    /// Waits for a callback at this time.
    Callback(Timestamp),
    /// Done.
    Final(crate::contact::ContactState),
}
