//! Work too long for one transaction, done in pieces between the batches of calls.
//!
//! Whatever begins such work leaves a row that says so, so that a crash only means
//! that [`find`] takes it up again.

use std::time::{Duration, Instant};

use campanile_domain::{
    campaign::CompletionReason,
    contact::ContactClass,
    ids::{CampaignId, ImportId},
};
use rusqlite::params;
use tokio::sync::oneshot;

use crate::{
    error::StoreError,
    rows::ImportStage,
    sqlite::{batch::Batch, claims, counters::RunKey, garbage, imports, metadata, restarts, sql},
};

/// How long one piece may take: calls wait for it.
const PIECE: Duration = Duration::from_millis(30);

/// Which work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// Waiting contacts of a run that was stopped or swept.
    CloseLine(RunKey),
    /// Rows of an accepted file become contacts.
    ApplyImport(ImportId),
    /// Contacts join a prepared run.
    FillRun(RunKey),
    /// What a prepared run left behind that was taken back.
    ClearRun(RunKey),
    /// A metadata key is made findable, by row of `metadata_key`.
    IndexMetadata(i64),
    /// What a deleted campaign or a file that is done with left behind, by row of
    /// `garbage`.
    TakeAway(i64),
}

/// Some work, and who waits for its end.
pub(crate) struct Chore {
    pub(crate) task: Task,
    pub(crate) done: Vec<oneshot::Sender<()>>,
    /// What the pieces of an import remember of each other.
    application: imports::Application,
}

impl Chore {
    pub(crate) fn new(task: Task) -> Self {
        Self { task, done: Vec::new(), application: imports::Application::default() }
    }

    /// Somebody waits for its end.
    pub(crate) fn awaited(task: Task, done: oneshot::Sender<()>) -> Self {
        Self { done: vec![done], ..Self::new(task) }
    }

    /// One piece of the work; whether that was the last.
    pub(crate) fn step(&mut self, batch: &mut Batch<'_>) -> Result<bool, StoreError> {
        match self.task {
            Task::CloseLine(key) => claims::close_line(batch, key, &Budget::piece()),
            Task::ApplyImport(import) => {
                imports::apply(batch, import, &mut self.application, &Budget::piece())
            }
            Task::FillRun(key) => restarts::fill(batch, key, &Budget::piece()),
            Task::ClearRun(key) => restarts::clear(batch, key, &Budget::piece()),
            Task::IndexMetadata(key) => metadata::index(batch, key, &Budget::piece()),
            Task::TakeAway(row) => garbage::take_away(batch, row, &Budget::piece()),
        }
    }
}

/// How long a piece has left.
pub(crate) struct Budget {
    until: Instant,
}

impl Budget {
    /// One piece of a chore.
    pub(crate) fn piece() -> Self {
        Self { until: Instant::now() + PIECE }
    }

    /// One look at the clock, and it is spent.
    #[cfg(test)]
    pub(crate) fn spent() -> Self {
        Self { until: Instant::now() }
    }

    pub(crate) fn is_spent(&self) -> bool {
        Instant::now() >= self.until
    }
}

/// All work that rows say is not finished. Files that were not accepted when their
/// process died are thrown away.
pub(crate) fn find(batch: &mut Batch<'_>, discard_staging: bool) -> Result<(), StoreError> {
    if discard_staging {
        let staging = sql::all(
            batch.db,
            "SELECT id FROM import WHERE stage = ?1",
            [ImportStage::Staging.code()],
            |row| row.get().map(ImportId),
        )?;
        for import in staging {
            imports::discard(batch, import)?;
        }
    }
    let applying = sql::all(
        batch.db,
        "SELECT id FROM import WHERE stage = ?1",
        [ImportStage::Applying.code()],
        |row| row.get().map(ImportId),
    )?;
    for import in applying {
        batch.chore(Chore::new(Task::ApplyImport(import)));
    }
    for row in sql::all(batch.db, "SELECT id FROM garbage", [], |row| row.get())? {
        batch.chore(Chore::new(Task::TakeAway(row)));
    }
    for chore in metadata::unfinished(batch.db)? {
        batch.chore(chore);
    }
    for chore in restarts::unfinished(batch)? {
        batch.chore(chore);
    }
    let ended = sql::all(
        batch.db,
        "SELECT campaign, run FROM run WHERE reason = ?1 OR swept_at IS NOT NULL",
        params![CompletionReason::ManuallyStopped.code()],
        |row| Ok(RunKey { campaign: CampaignId(row.get()?), run: row.get()? }),
    )?;
    for key in ended {
        if batch.counters(key)?.class(ContactClass::Waiting) > 0 {
            batch.chore(Chore::new(Task::CloseLine(key)));
        }
    }
    Ok(())
}
