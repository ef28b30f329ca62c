//! The store: what may be asked of it.

use std::{path::Path, sync::Arc};

use campanile_domain::{
    attempt::{Finish, Lease, NewAttempt, Next, Progress},
    bot::{Bot, BotKind},
    campaign::CompletionReason,
    carrier::{Carrier, CarrierSettings, Direction, Number},
    ids::{AttemptId, BotId, CampaignId, CarrierId, ContactId, ImportId, KeyId, NumberId, UserId},
    phone::PhoneNumber,
    settings::Settings,
    setup::{DiallerSetup, QueueState},
};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::broadcast;

use crate::{error::StoreError, rows::*};

type Result<T> = std::result::Result<T, StoreError>;

/// Something was committed that others may want to look at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A campaign's status, settings, contacts or counters.
    Campaign(CampaignId),
    /// Carriers, numbers or bots.
    Setup,
    /// An import moved on.
    Import(ImportId),
}

/// Answer to a lease.
#[derive(Debug, Clone, PartialEq)]
pub struct Leased {
    /// The claims, in R-6 order; may be fewer than asked for.
    pub leases: Vec<Lease>,
    /// The line after them.
    pub queue: QueueState,
}

/// Why an attempt was not recorded; no row was written, the claim went back or was
/// not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordRefused {
    /// The claim is no longer ours (recovered, or another epoch).
    LeaseLost,
    /// The campaign is not running any more.
    NotRunning,
    /// The contact was excluded meanwhile.
    Excluded,
}

/// Answer to a finish.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled {
    /// Which attempt.
    pub attempt: AttemptId,
    /// What became of the contact, decided inside the transaction.
    pub next: Next,
    /// The line of its campaign and run after the commit.
    pub queue: QueueState,
}

/// Handle to the database; cheap to clone, safe from any thread.
#[derive(Clone)]
pub struct Store {
    inner: Arc<crate::sqlite::Sqlite>,
}

impl Store {
    /// Opens (and migrates) the database in `dir`, creating both. Admin commands may have it open at the same time.
    pub fn open(dir: &Path) -> Result<Self> {
        todo!()
    }

    /// An own database in a temporary directory that goes when the last handle is dropped; for tests and the demo.
    pub fn open_temporary() -> Result<Self> {
        todo!()
    }

    /// What is committed from now on, by this process, and (noticed within a second) by others. A lagging receiver reads everything anew.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        todo!()
    }

    /// Takes the dialler role of this data directory, which one process may hold; `Conflict` when another has it.
    pub fn lock_dialler(&self) -> Result<()> {
        todo!()
    }

    /// After a crash: claims go back untouched, attempts without an end become `unknown` (R-1, DI-11), `processing` is settled, accepted imports are rolled forward. Returns the unknown attempts by campaign.
    pub async fn recover(&self, now: Timestamp) -> Result<Vec<(CampaignId, u64)>> {
        todo!()
    }

    /// Every campaign that is running or paused (and those that completed and still have active contacts), with its line, and all carriers.
    pub async fn dialler_setup(&self) -> Result<DiallerSetup> {
        todo!()
    }

    /// Claims up to `max` due contacts in R-6 order; nothing when the campaign is not running this run.
    pub async fn lease(
        &self,
        campaign: CampaignId,
        run: u32,
        max: u32,
        now: Timestamp,
    ) -> Result<Leased> {
        todo!()
    }

    /// Gives claims without an attempt back, untouched.
    pub async fn release(&self, leases: Vec<Lease>) -> Result<()> {
        todo!()
    }

    /// The durable write before the INVITE: the attempt row exists after this returns `Ok(Ok(()))` and not otherwise. Group-committed with its neighbours.
    pub async fn record(
        &self,
        attempt: NewAttempt,
    ) -> Result<std::result::Result<(), RecordRefused>> {
        todo!()
    }

    /// Ringing, answered, attached. Returns when queued; losing it is harmless.
    pub async fn progress(&self, progress: Progress) -> Result<()> {
        todo!()
    }

    /// Attempt final, result kept, R-8 applied, contact moved, counters by delta; one transaction, group-committed.
    pub async fn finish(&self, finish: Finish, now: Timestamp) -> Result<Settled> {
        todo!()
    }

    /// The single day is over (CL-13): waiting contacts become `window_closed`.
    pub async fn sweep(&self, campaign: CampaignId, run: u32, now: Timestamp) -> Result<()> {
        todo!()
    }

    /// Completes the run if nobody waits and nobody is active, checked inside the transaction; `None` when somebody does.
    pub async fn complete(
        &self,
        campaign: CampaignId,
        run: u32,
        now: Timestamp,
    ) -> Result<Option<CompletionReason>> {
        todo!()
    }

    /// running or paused → failed; waiting contacts stay as they are.
    pub async fn fail(
        &self,
        campaign: CampaignId,
        run: u32,
        reason: String,
        now: Timestamp,
    ) -> Result<()> {
        todo!()
    }

    /// A new draft. `Invalid` when a bot or number does not exist.
    pub async fn create_campaign(
        &self,
        settings: Settings,
        by: Actor,
        now: Timestamp,
    ) -> Result<Campaign> {
        todo!()
    }

    /// One campaign.
    pub async fn campaign(&self, id: CampaignId) -> Result<Campaign> {
        todo!()
    }

    /// Newest first.
    pub async fn campaigns(&self, filter: CampaignFilter) -> Result<Vec<Campaign>> {
        todo!()
    }

    /// New settings for a draft or paused campaign (CL-11), a new revision when it has run; name and bot are locked then.
    pub async fn update_campaign(
        &self,
        id: CampaignId,
        settings: Settings,
        by: Actor,
        now: Timestamp,
    ) -> Result<Campaign> {
        todo!()
    }

    /// Only a draft that never ran (CL-10); its contacts go too.
    pub async fn delete_campaign(&self, id: CampaignId, by: Actor, now: Timestamp) -> Result<()> {
        todo!()
    }

    /// draft → running after the checks of CL-2 that the store can see (bot exists and is enabled, an enabled outbound number on an enabled carrier, at least one callable contact unless always-on): `Invalid` lists what fails by field.
    pub async fn start(&self, id: CampaignId, by: Actor, now: Timestamp) -> Result<Campaign> {
        todo!()
    }

    /// running → paused; no attempt is recorded after this commit.
    pub async fn pause(&self, id: CampaignId, by: Actor, now: Timestamp) -> Result<Campaign> {
        todo!()
    }

    /// paused → running.
    pub async fn resume(&self, id: CampaignId, by: Actor, now: Timestamp) -> Result<Campaign> {
        todo!()
    }

    /// → completed; waiting contacts become `manual_stopped` (CL-4).
    pub async fn stop(&self, id: CampaignId, by: Actor, now: Timestamp) -> Result<Campaign> {
        todo!()
    }

    /// Sums, passes and outcomes of a run.
    pub async fn figures(&self, id: CampaignId, run: u32) -> Result<RunFigures> {
        todo!()
    }

    /// The log, newest first, at most 1,000 entries.
    pub async fn activity(&self, id: CampaignId) -> Result<Vec<Activity>> {
        todo!()
    }

    /// Newest first.
    pub async fn setup_snapshots(&self, id: CampaignId) -> Result<Vec<SetupSnapshot>> {
        todo!()
    }

    /// A keyset page of the current run, with trails.
    pub async fn contacts(
        &self,
        campaign: CampaignId,
        filter: ContactFilter,
    ) -> Result<Vec<Contact>> {
        todo!()
    }

    /// One contact with its trail.
    pub async fn contact(&self, campaign: CampaignId, id: ContactId) -> Result<Contact> {
        todo!()
    }

    /// A staging area for one file. `Conflict` unless the campaign is a draft that never ran (replaces, CT-4), running or paused (appends, CT-5).
    pub async fn begin_import(&self, campaign: CampaignId, now: Timestamp) -> Result<ImportId> {
        todo!()
    }

    /// Adds rows; duplicates within the file are found here.
    pub async fn stage_rows(
        &self,
        import: ImportId,
        rows: Vec<StagedRow>,
        rejected: Vec<RejectedRow>,
    ) -> Result<()> {
        todo!()
    }

    /// One commit accepts the file (`Invalid` and discarded when it holds no good row), then it is applied in chunks; returns when all rows are contacts.
    pub async fn accept_import(
        &self,
        import: ImportId,
        by: Actor,
        now: Timestamp,
    ) -> Result<Import> {
        todo!()
    }

    /// Forgets a file that was not accepted.
    pub async fn discard_import(&self, import: ImportId) -> Result<()> {
        todo!()
    }

    /// How far it has come.
    pub async fn import(&self, id: ImportId) -> Result<Import> {
        todo!()
    }

    /// In file order.
    pub async fn rejected_rows(
        &self,
        import: ImportId,
        after_line: u64,
        limit: u32,
    ) -> Result<Vec<RejectedRow>> {
        todo!()
    }

    /// A chunk of the attempt report in order of attempt id, with variables.
    pub async fn attempts(
        &self,
        campaign: CampaignId,
        run: Option<u32>,
        after: Option<AttemptId>,
        limit: u32,
    ) -> Result<Vec<Attempt>> {
        todo!()
    }

    /// One attempt.
    pub async fn attempt(&self, id: AttemptId) -> Result<Attempt> {
        todo!()
    }

    /// A new, enabled carrier.
    pub async fn create_carrier(
        &self,
        settings: CarrierSettings,
        now: Timestamp,
    ) -> Result<Carrier> {
        todo!()
    }

    /// Changed settings; the dialler sees them at once.
    pub async fn update_carrier(
        &self,
        id: CarrierId,
        enabled: bool,
        settings: CarrierSettings,
    ) -> Result<Carrier> {
        todo!()
    }

    /// All.
    pub async fn carriers(&self) -> Result<Vec<Carrier>> {
        todo!()
    }

    /// `Invalid` when the carrier does not exist, `Conflict` when the number exists.
    pub async fn create_number(
        &self,
        e164: PhoneNumber,
        carrier: CarrierId,
        label: Option<String>,
        direction: Direction,
        now: Timestamp,
    ) -> Result<Number> {
        todo!()
    }

    /// All.
    pub async fn numbers(&self) -> Result<Vec<Number>> {
        todo!()
    }

    /// A new, enabled bot; settings are checked by kind.
    pub async fn create_bot(
        &self,
        name: String,
        kind: BotKind,
        settings: Value,
        now: Timestamp,
    ) -> Result<Bot> {
        todo!()
    }

    /// Changed bot.
    pub async fn update_bot(
        &self,
        id: BotId,
        enabled: bool,
        name: String,
        settings: Value,
    ) -> Result<Bot> {
        todo!()
    }

    /// All.
    pub async fn bots(&self) -> Result<Vec<Bot>> {
        todo!()
    }

    /// `Conflict` when the address is taken.
    pub async fn create_user(
        &self,
        email: String,
        role: Role,
        password_hash: String,
        now: Timestamp,
    ) -> Result<User> {
        todo!()
    }

    /// All.
    pub async fn users(&self) -> Result<Vec<User>> {
        todo!()
    }

    /// For signing in.
    pub async fn user_by_email(&self, email: &str) -> Result<Option<User>> {
        todo!()
    }

    /// One user.
    pub async fn user(&self, id: UserId) -> Result<User> {
        todo!()
    }

    /// A new key; only its hash is kept.
    pub async fn create_key(
        &self,
        name: String,
        prefix: String,
        hash: [u8; 32],
        scope: Scope,
        now: Timestamp,
    ) -> Result<Key> {
        todo!()
    }

    /// All.
    pub async fn keys(&self) -> Result<Vec<Key>> {
        todo!()
    }

    /// For authentication.
    pub async fn key_by_prefix(&self, prefix: &str) -> Result<Option<Key>> {
        todo!()
    }

    /// Last use, at most once a minute.
    pub async fn touch_key(&self, id: KeyId, now: Timestamp) -> Result<()> {
        todo!()
    }

    /// Ends it.
    pub async fn delete_key(&self, id: KeyId) -> Result<()> {
        todo!()
    }

    /// Creates or replaces.
    pub async fn save_session(&self, session: Session) -> Result<()> {
        todo!()
    }

    /// If it is still valid.
    pub async fn session(&self, id_hash: [u8; 32], now: Timestamp) -> Result<Option<Session>> {
        todo!()
    }

    /// Signs out.
    pub async fn delete_session(&self, id_hash: [u8; 32]) -> Result<()> {
        todo!()
    }

    /// Whether a write would be taken now.
    pub async fn ready(&self) -> Result<()> {
        todo!()
    }
}
