//! What the store answers with.

mod callback;
mod report_row;

use std::sync::Arc;

use campanile_domain::{
    attempt::Audio,
    campaign::{CompletionReason, Status},
    contact::{ContactClass, ContactState},
    figures::{CallbackSums, PassRow, Sums},
    ids::{AttemptId, BotId, CampaignId, ContactId, ImportId, KeyId, UserId},
    outcome::{HangupBy, Outcome, words},
    phone::PhoneNumber,
    result::ConversationResult,
    settings::Settings,
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::{
    callback::{Callback, CallbackFilter},
    report_row::ReportRow,
};

/// Who did something: kept with every audited action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Actor {
    /// `usr_…`, `key_…`, or `dialler`.
    pub id: String,
    /// E-mail of the user, name of the key, or `Campanile`.
    pub name: String,
}

impl Actor {
    /// The dialler itself.
    pub fn dialler() -> Self {
        Self { id: "dialler".into(), name: "Campanile".into() }
    }
}

/// A time and who.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: Actor,
}

/// A campaign with its current run.
#[derive(Debug, Clone, PartialEq)]
pub struct Campaign {
    /// Identity.
    pub id: CampaignId,
    /// Where it stands.
    pub status: Status,
    /// Settings as they are now.
    pub settings: Arc<Settings>,
    /// Current run, from 1.
    pub run: u32,
    /// Revision within the run.
    pub revision: u32,
    /// Whether a run was ever started.
    pub has_run: bool,
    /// Created.
    pub created: Stamp,
    /// Current run started.
    pub started: Option<Stamp>,
    /// Last paused in this run.
    pub paused: Option<Stamp>,
    /// Last resumed in this run.
    pub resumed: Option<Stamp>,
    /// Completed or failed.
    pub ended: Option<Stamp>,
    /// Why it completed.
    pub completion_reason: Option<CompletionReason>,
    /// Why it failed.
    pub failure: Option<String>,
    /// Contacts by state in the current run (before Start: all `pending`), kept by
    /// delta.
    pub counts: Vec<(ContactState, u64)>,
    /// Entries in its activity log.
    pub activity_count: u64,
    /// Sums of the current run.
    pub sums: Sums,
    /// Last INVITE of the current run.
    pub last_dial_at: Option<Timestamp>,
}

impl Campaign {
    /// Contacts in `state`.
    pub fn count(&self, state: ContactState) -> u64 {
        self.counts.iter().find(|(each, _)| *each == state).map_or(0, |(_, count)| *count)
    }

    /// Contacts in one of the six final states (CT-8).
    pub fn processed(&self) -> u64 {
        self.sum(|class| class == ContactClass::Final)
    }

    /// Contacts, excluded ones not counted (CT-8).
    pub fn total(&self) -> u64 {
        self.sum(|class| class != ContactClass::Excluded)
    }

    fn sum(&self, of: impl Fn(ContactClass) -> bool) -> u64 {
        self.counts.iter().filter(|(state, _)| of(state.class())).map(|(_, count)| *count).sum()
    }
}

/// Which campaigns to list.
#[derive(Debug, Clone, Default)]
pub struct CampaignFilter {
    /// Only this status.
    pub status: Option<Status>,
    /// Name contains, case-insensitively.
    pub search: Option<String>,
    /// After this one (newest first).
    pub after: Option<CampaignId>,
    /// At most this many.
    pub limit: u32,
}

/// Which contacts to list.
#[derive(Debug, Clone, Default)]
pub struct ContactFilter {
    /// Only this state.
    pub state: Option<ContactState>,
    /// Number contains these digits at its start or its end.
    pub phone: Option<String>,
    /// Only those with such a callback.
    pub callback: Option<CallbackFilter>,
    /// After this one, in the order they were added.
    pub after: Option<ContactId>,
    /// At most this many.
    pub limit: u32,
}

/// A contact in the call list.
#[derive(Debug, Clone, PartialEq)]
pub struct Contact {
    /// Identity.
    pub id: ContactId,
    /// Its number.
    pub phone: PhoneNumber,
    /// Where it stands.
    pub state: ContactState,
    /// Counted attempts in the current run.
    pub counted: u32,
    /// When it falls due, if it waits.
    pub due_at: Option<Timestamp>,
    /// Its attempts in the current run, oldest first.
    pub trail: Vec<Attempt>,
    /// Its newest callback in the current run.
    pub callback: Option<Callback>,
    /// Its variables, in file order.
    pub variables: Map<String, Value>,
}

/// One dial, as kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// Identity.
    pub id: AttemptId,
    /// Contact.
    pub contact: ContactId,
    /// Run.
    pub run: u32,
    /// Revision it was dialled under.
    pub revision: u32,
    /// Wave.
    pub pass: u32,
    /// Number within contact and run.
    pub number: u32,
    /// Whether it uses up one of the contact's attempts.
    pub counts: bool,
    /// The callee.
    pub phone: PhoneNumber,
    /// Shown to the callee.
    pub caller_id: PhoneNumber,
    /// Name of the carrier.
    pub carrier: String,
    /// Durable before the INVITE.
    pub dialled_at: Timestamp,
    /// First 18x.
    pub ringing_at: Option<Timestamp>,
    /// 200 OK.
    pub answered_at: Option<Timestamp>,
    /// Bot attached.
    pub bot_attached_at: Option<Timestamp>,
    /// First bot audio.
    pub first_bot_audio_at: Option<Timestamp>,
    /// End.
    pub ended_at: Option<Timestamp>,
    /// Final SIP answer.
    pub sip_code: Option<u16>,
    /// Its reason phrase.
    pub sip_reason: Option<String>,
    /// How it ended; `None` while it lives.
    pub outcome: Option<Outcome>,
    /// What the conversation came to.
    pub result: Option<ConversationResult>,
    /// Who ended it.
    pub hangup_by: Option<HangupBy>,
    /// How its audio was, when asked for and known: not in the chunks of a report, whose
    /// columns have no place for it.
    pub media: Option<Audio>,
    /// Variables it was dialled with, JSON text, when asked for.
    pub variables: Option<String>,
}

/// A number that no campaign may dial (EX-4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoNotCall {
    /// The number.
    pub number: PhoneNumber,
    /// Where it comes from, such as `manual`, `opt_out` or the name of a register.
    pub source: String,
    /// A note.
    pub reason: Option<String>,
    /// When it was listed.
    pub at: Timestamp,
    /// By whom.
    pub by: Actor,
    /// Until when; `None` for good.
    pub expires_at: Option<Timestamp>,
}

/// One contact that a program asks to be dialled (EX-1).
#[derive(Debug, Clone, PartialEq)]
pub struct Trigger {
    /// By which campaign.
    pub campaign: CampaignId,
    /// The callee.
    pub number: PhoneNumber,
    /// Its variables.
    pub metadata: Map<String, Value>,
    /// What the program calls the request: asked twice, it is done once.
    pub key: Option<String>,
}

/// What a trigger came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Triggered {
    /// Whom it means.
    pub contact: ContactId,
    /// In which run.
    pub run: u32,
    /// Whether an attempt was durable within a quarter of a second; else it waits.
    pub dialled: bool,
}

/// Figures of a run for the page.
#[derive(Debug, Clone, PartialEq)]
pub struct RunFigures {
    /// Sums.
    pub sums: Sums,
    /// Passes.
    pub passes: Vec<PassRow>,
    /// Attempts by outcome.
    pub outcomes: Vec<(Outcome, u64)>,
    /// Callbacks.
    pub callbacks: CallbackSums,
}

/// One line of the activity log (CL-14).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Activity {
    /// Position, rising.
    pub seq: i64,
    /// When.
    #[schemars(with = "campanile_domain::schema::Time")]
    pub at: Timestamp,
    /// Who.
    pub by: Actor,
    /// What, such as `start`, `pause`, `edit`, `contacts_added`.
    pub action: String,
    /// More in words, such as `1,200 contacts added`.
    pub detail: String,
    /// SHA-256 over the previous hash and this entry, hexadecimal.
    pub hash: String,
}

words! {
    /// How far a contact file has come (CT-6).
    ImportStage {
        /// Rows are being read into staging.
        Staging = "staging" / 0,
        /// Accepted; rows are being applied.
        Applying = "applying" / 1,
        /// All rows are contacts.
        Done = "done" / 2,
        /// Given up; nothing was kept.
        Discarded = "discarded" / 3,
    }
}

/// One good row of a contact file.
#[derive(Debug, Clone, PartialEq)]
pub struct StagedRow {
    /// Line in the file, from 1 (the header is line 1).
    pub line: u64,
    /// The number.
    pub phone: PhoneNumber,
    /// The other columns, compact JSON object.
    pub variables: String,
}

/// One refused row of a contact file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectedRow {
    /// Line in the file.
    pub line: u64,
    /// The number as it stood there.
    pub text: String,
    /// Stable word, such as `invalid_number`, `duplicate`.
    pub reason: String,
    /// The other columns, compact JSON object; cells without a column are a list under
    /// the empty name. `{}` when there were too many to keep.
    pub variables: String,
}

/// How a contact file was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImportFile {
    /// Name of its encoding (Encoding Standard), such as `windows-1252`.
    pub encoding: String,
    /// `comma`, `semicolon`, `tab` or `pipe`.
    pub separator: String,
    /// Names of the columns, in file order.
    pub columns: Vec<String>,
}

/// What tells a contact file from others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportIdentity {
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// What its sender calls the request (`Idempotency-Key`).
    pub key: Option<String>,
}

/// A contact file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Import {
    /// Identity.
    pub id: ImportId,
    /// For which campaign.
    pub campaign: CampaignId,
    /// How far.
    pub stage: ImportStage,
    /// Data rows read.
    pub rows: u64,
    /// Rows that are or will be contacts.
    pub accepted: u64,
    /// Rows whose number stood earlier in the file or in the campaign.
    pub duplicates: u64,
    /// Rows refused.
    pub invalid: u64,
    /// Rows applied so far.
    pub applied: u64,
    /// How it was read; `None` until it was, whole.
    pub file: Option<ImportFile>,
}

words! {
    /// Rank of a user (CO-5), lowest first.
    Role {
        /// Looks.
        Viewer = "viewer" / 0,
        /// Runs campaigns.
        Operator = "operator" / 1,
        /// Edits and exports.
        Supervisor = "supervisor" / 2,
        /// Everything.
        Admin = "admin" / 3,
    }
}

words! {
    /// What an API key may do.
    Scope {
        /// Read.
        Read = "read" / 0,
        /// Trigger and exclude.
        Trigger = "trigger" / 1,
        /// Run campaigns.
        Operator = "operator" / 2,
        /// Everything.
        Admin = "admin" / 3,
    }
}

/// A person who signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Identity.
    pub id: UserId,
    /// Lower-cased.
    pub email: String,
    /// Rank.
    pub role: Role,
    /// Argon2id PHC string.
    pub password_hash: String,
    /// Since when.
    pub created_at: Timestamp,
    /// Cannot sign in since then.
    pub disabled_at: Option<Timestamp>,
}

/// What becomes other of a user; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserChange {
    /// Rank.
    pub role: Option<Role>,
    /// Argon2id PHC string.
    pub password_hash: Option<String>,
    /// Whether he can sign in.
    pub enabled: Option<bool>,
}

/// A sign-in of a user that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// The first 16 hexadecimal digits of what is kept of its secret.
    pub id: String,
    /// When he signed in.
    pub since: Option<Timestamp>,
    /// When he was seen, to five minutes.
    pub seen_at: Option<Timestamp>,
    /// Ends then, unless he is seen again.
    pub expires_at: Timestamp,
}

/// An API key before it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// Name for people.
    pub name: String,
    /// The readable first part.
    pub prefix: String,
    /// SHA-256 of the whole key.
    pub hash: [u8; 32],
    /// What it may do.
    pub scope: Scope,
    /// Ends then.
    pub expires_at: Option<Timestamp>,
}

/// An API key; the secret itself is never kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Identity.
    pub id: KeyId,
    /// Name for people.
    pub name: String,
    /// The readable first part.
    pub prefix: String,
    /// SHA-256 of the whole key.
    pub hash: [u8; 32],
    /// What it may do.
    pub scope: Scope,
    /// Since when.
    pub created_at: Timestamp,
    /// Not taken any more from then on.
    pub expires_at: Option<Timestamp>,
    /// Last use, to the minute.
    pub last_used_at: Option<Timestamp>,
}

/// A console session; the token itself is never kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// SHA-256 of the token.
    pub id_hash: [u8; 32],
    /// Data of the session layer, JSON.
    pub data: String,
    /// Valid until.
    pub expires_at: Timestamp,
}

/// Which bot a campaign names and how it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BotName {
    /// Identity.
    pub id: BotId,
    /// Name.
    pub name: String,
}

/// The immutable setup of a run's revision (CL-15), as JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct SetupSnapshot {
    /// Run.
    pub run: u32,
    /// Revision within the run.
    pub revision: u32,
    /// When it was written.
    pub at: Timestamp,
    /// The whole snapshot.
    pub setup: Value,
}
