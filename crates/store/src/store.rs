//! The store: what may be asked of it.

mod contact_files;
mod do_not_call;
mod people;
mod programs;
pub mod replies;
mod setup;

use std::{ops::ControlFlow, path::Path, sync::Arc};

use campanile_domain::{
    attempt::{Finish, Lease, NewAttempt, Next, Progress},
    campaign::CompletionReason,
    guard::day::Spent,
    ids::{AttemptId, CampaignId, ContactId, ImportId},
    settings::Settings,
    setup::{DiallerSetup, QueueState},
};
use jiff::Timestamp;
use tokio::sync::broadcast;

pub use crate::sqlite::backup::{BackupFacts, Restored};
use crate::{
    error::StoreError,
    rows::*,
    sqlite::{Sqlite, backup},
};

type Result<T> = std::result::Result<T, StoreError>;

/// Something was committed that others may want to look at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

/// What the writer did since the store was opened; for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriteStats {
    /// Transactions committed for verbs: each one wait for the disk.
    pub commits: u64,
    /// Verbs that they held.
    pub verbs: u64,
    /// Transactions that failed as a whole, such as on a full disk.
    pub failures: u64,
    /// Size of the write-ahead log; above 256 MB something keeps it from being used
    /// again.
    pub wal_bytes: u64,
}

/// Handle to the database; cheap to clone, safe from any thread.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Sqlite>,
}

impl Store {
    /// Opens (and migrates) the database in `dir`, creating both. Admin commands
    /// may have it open at the same time.
    pub fn open(dir: &Path) -> Result<Self> {
        Ok(Self { inner: Arc::new(Sqlite::open(dir)?) })
    }

    /// Writes the database in `dir` as it is at one moment into the new file `to`,
    /// whoever uses it meanwhile. `progress` is told how many pages of how many are
    /// copied. The file appears under its name only when it is whole, checked and on
    /// the disk. Blocks.
    ///
    /// # Errors
    ///
    /// `Conflict` when `to` exists or there is no database; `Unavailable` when a file
    /// cannot be read or written.
    pub fn backup(dir: &Path, to: &Path, progress: impl FnMut(u64, u64)) -> Result<BackupFacts> {
        backup::backup(dir, to, progress)
    }

    /// Puts a backup in the place of the database in `dir`, which nobody may be using.
    /// What was there is kept in a folder beside it. Blocks.
    ///
    /// # Errors
    ///
    /// `Conflict` when a server runs there, when there is a database and not `force`,
    /// or when the file is damaged, no backup or of a newer version.
    pub fn restore(dir: &Path, from: &Path, force: bool, now: Timestamp) -> Result<Restored> {
        backup::restore(dir, from, force, now)
    }

    /// An own database in a temporary directory that goes when the last handle is
    /// dropped; for tests and the demo.
    pub fn open_temporary() -> Result<Self> {
        Ok(Self { inner: Arc::new(Sqlite::open_temporary()?) })
    }

    /// What is committed from now on, by this process, and (noticed within a
    /// second) by others. A change of contacts and counters alone is told at most
    /// twice a second for each campaign, any other at once. A lagging receiver
    /// reads everything anew.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.inner.changes()
    }

    /// Takes the dialler role of this data directory, which one process may hold;
    /// `Conflict` when another has it.
    pub fn lock_dialler(&self) -> Result<()> {
        self.inner.lock_dialler()
    }

    /// After a crash: claims go back untouched, attempts without an end become
    /// `unknown` (R-1, DI-11), `processing` is settled, accepted imports are
    /// rolled forward. Returns the unknown attempts by campaign.
    pub async fn recover(&self, now: Timestamp) -> Result<Vec<(CampaignId, u64)>> {
        self.inner.recover(now).await
    }

    /// Every campaign that is running or paused (and those that completed and
    /// still have active contacts), with its line, and all carriers.
    pub async fn dialler_setup(&self) -> Result<DiallerSetup> {
        self.inner.dialler_setup().await
    }

    /// Claims up to `max` due contacts in R-6 order; nothing when the campaign is
    /// not running this run.
    pub async fn lease(
        &self,
        campaign: CampaignId,
        run: u32,
        max: u32,
        now: Timestamp,
    ) -> Result<Leased> {
        self.inner.lease(campaign, run, max, now).await
    }

    /// Gives claims without an attempt back, untouched.
    pub async fn release(&self, leases: Vec<Lease>) -> Result<()> {
        self.inner.release(leases).await
    }

    /// The durable write before the INVITE: the attempt row exists after this
    /// returns `Ok(Ok(()))` and not otherwise. Group-committed with its
    /// neighbours.
    pub async fn record(
        &self,
        attempt: NewAttempt,
    ) -> Result<std::result::Result<(), RecordRefused>> {
        self.inner.record(attempt).await
    }

    /// The attempt goes on through another carrier, as the n-th try that its `tries`
    /// says (DI-10): durable when this returns, and only once for each n. Refused, the
    /// row is as it was.
    pub async fn reroute(
        &self,
        attempt: NewAttempt,
    ) -> Result<std::result::Result<(), RecordRefused>> {
        self.inner.reroute(attempt).await
    }

    /// Contacts that the toll-fraud guard bars become `failed` without an attempt
    /// (DI-14); claims that are not ours any more are passed over.
    pub async fn bar(&self, leases: Vec<Lease>) -> Result<()> {
        self.inner.bar(leases).await
    }

    /// What was dialled since a moment, over all campaigns (DI-14).
    pub async fn spent_since(&self, since: Timestamp) -> Result<Spent> {
        self.inner.spent_since(since).await
    }

    /// Ringing, answered, attached. Returns when queued; losing it is harmless.
    pub async fn progress(&self, progress: Progress) -> Result<()> {
        self.inner.progress(progress);
        Ok(())
    }

    /// Attempt final, result kept, R-8 applied, contact moved, counters by delta;
    /// one transaction, group-committed.
    pub async fn finish(&self, finish: Finish, now: Timestamp) -> Result<Settled> {
        self.inner.finish(finish, now).await
    }

    /// The single day is over (CL-13): waiting contacts become `window_closed`.
    pub async fn sweep(&self, campaign: CampaignId, run: u32, now: Timestamp) -> Result<()> {
        self.inner.sweep(campaign, run, now).await
    }

    /// Completes the run if nobody waits and nobody is active, checked
    /// inside the transaction; `None` when somebody does.
    pub async fn complete(
        &self,
        campaign: CampaignId,
        run: u32,
        now: Timestamp,
    ) -> Result<Option<CompletionReason>> {
        self.inner.complete(campaign, run, now).await
    }

    /// running or paused → failed; waiting contacts stay as they are.
    pub async fn fail(
        &self,
        campaign: CampaignId,
        run: u32,
        reason: String,
        now: Timestamp,
    ) -> Result<()> {
        self.inner.fail(campaign, run, reason, now).await
    }

    /// A new draft. `Invalid` when a bot or number does not exist.
    pub async fn create_campaign(
        &self,
        settings: Settings,
        by: Actor,
        now: Timestamp,
    ) -> Result<Campaign> {
        self.inner.create_campaign(settings, by, now).await
    }

    /// One campaign.
    pub async fn campaign(&self, id: CampaignId) -> Result<Campaign> {
        self.inner.campaign(id).await
    }

    /// Newest first.
    pub async fn campaigns(&self, filter: CampaignFilter) -> Result<Vec<Campaign>> {
        self.inner.campaigns(filter).await
    }

    /// New settings for a draft or paused campaign (CL-11), a new revision when
    /// it has run; name and bot are locked then. Of a running one, only what may be
    /// tuned (CL-19): any other field is `locked`.
    pub async fn update_campaign(
        &self,
        id: CampaignId,
        settings: Settings,
        by: Actor,
        now: Timestamp,
    ) -> Result<Campaign> {
        self.inner.update_campaign(id, settings, by, now).await
    }

    /// Only a draft that never ran (CL-10); its contacts go too.
    pub async fn delete_campaign(&self, id: CampaignId, by: Actor, now: Timestamp) -> Result<()> {
        self.inner.delete_campaign(id, by, now).await
    }

    /// draft → running after the checks of CL-2 that the store can see (bot
    /// exists and is enabled, an enabled outbound number on an enabled carrier,
    /// at least one callable contact unless always-on): `Invalid` lists what
    /// fails by field.
    pub async fn start(&self, id: CampaignId, by: Actor, now: Timestamp) -> Result<Campaign> {
        self.inner.start(id, by, now).await
    }

    /// running → paused; no attempt is recorded after this commit.
    pub async fn pause(&self, id: CampaignId, by: Actor, now: Timestamp) -> Result<Campaign> {
        self.inner.pause(id, by, now).await
    }

    /// paused → running.
    pub async fn resume(&self, id: CampaignId, by: Actor, now: Timestamp) -> Result<Campaign> {
        self.inner.resume(id, by, now).await
    }

    /// → completed; waiting contacts become `manual_stopped` (CL-4).
    pub async fn stop(&self, id: CampaignId, by: Actor, now: Timestamp) -> Result<Campaign> {
        self.inner.stop(id, by, now).await
    }

    /// completed or failed → draft: prepares the next run, in which every contact that is
    /// not excluded waits again (CL-7, R-9).
    ///
    /// # Errors
    ///
    /// `Conflict` `draining` while contacts of the finished run are active or its line is
    /// being closed; `importing` while a file is being applied.
    pub async fn restart(&self, id: CampaignId, by: Actor, now: Timestamp) -> Result<Campaign> {
        self.inner.restart(id, by, now).await
    }

    /// Takes a prepared run back that was not started: the finished run, its settings,
    /// figures and contacts are the campaign's again as they were (CL-8).
    ///
    /// # Errors
    ///
    /// `Conflict` `wrong_state` when no run is prepared.
    pub async fn cancel_restart(
        &self,
        id: CampaignId,
        by: Actor,
        now: Timestamp,
    ) -> Result<Campaign> {
        self.inner.cancel_restart(id, by, now).await
    }

    /// Sums, passes and outcomes of a run.
    pub async fn figures(&self, id: CampaignId, run: u32) -> Result<RunFigures> {
        self.inner.figures(id, run).await
    }

    /// The log, newest first, at most 1,000 entries.
    pub async fn activity(&self, id: CampaignId) -> Result<Vec<Activity>> {
        self.inner.activity(id).await
    }

    /// Newest first.
    pub async fn setup_snapshots(&self, id: CampaignId) -> Result<Vec<SetupSnapshot>> {
        self.inner.setup_snapshots(id).await
    }

    /// A keyset page of the current run, with trails.
    pub async fn contacts(
        &self,
        campaign: CampaignId,
        filter: ContactFilter,
    ) -> Result<Vec<Contact>> {
        self.inner.contacts(campaign, filter).await
    }

    /// A keyset page of a run's callbacks, in the order in which they were asked for.
    pub async fn callbacks(
        &self,
        campaign: CampaignId,
        run: u32,
        filter: CallbackFilter,
        after: Option<AttemptId>,
        limit: u32,
    ) -> Result<Vec<Callback>> {
        self.inner.callbacks(campaign, run, filter, after, limit).await
    }

    /// One contact with its trail.
    pub async fn contact(&self, campaign: CampaignId, id: ContactId) -> Result<Contact> {
        self.inner.contact(campaign, id).await
    }

    /// A chunk of the attempt report in order of attempt id, with variables.
    pub async fn attempts(
        &self,
        campaign: CampaignId,
        run: Option<u32>,
        after: Option<AttemptId>,
        limit: u32,
    ) -> Result<Vec<Attempt>> {
        self.inner.attempts(campaign, run, after, limit).await
    }

    /// A chunk of the attempt report in order of attempt id: gives each row to `take`,
    /// which keeps in `sink` what it wants and says when it has enough. Returns the
    /// sink, and the attempt after which the next chunk begins; `None` at the end.
    ///
    /// `take` runs on a thread where blocking is allowed, and holds a view of the
    /// database: it should only write to memory.
    pub async fn report<Sink: Send + 'static>(
        &self,
        campaign: CampaignId,
        run: Option<u32>,
        after: Option<AttemptId>,
        sink: Sink,
        take: impl Fn(&mut Sink, &ReportRow<'_>) -> ControlFlow<()> + Send + 'static,
    ) -> Result<(Sink, Option<AttemptId>)> {
        self.inner.report(campaign, run, after, sink, take).await
    }

    /// One attempt.
    pub async fn attempt(&self, id: AttemptId) -> Result<Attempt> {
        self.inner.attempt(id).await
    }

    /// Whether a write would be taken now.
    pub async fn ready(&self) -> Result<()> {
        self.inner.ready().await
    }

    /// How much was written so far.
    pub fn write_stats(&self) -> WriteStats {
        self.inner.write_stats()
    }

    /// Counts every row of a campaign again and names each counter, pass or log entry
    /// that says otherwise; empty when all is well. Reads everything: for tests and
    /// after a repair.
    pub async fn recount(&self, campaign: CampaignId) -> Result<Vec<String>> {
        self.inner.recount(campaign).await
    }
}
