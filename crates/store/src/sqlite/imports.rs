//! Contact files: staged row by row, accepted by one commit, applied in pieces (CT-6).
//!
//! A staged row is already a row of `contact`; what makes it a contact are its rows in
//! `contact_phone` and `dial`, so applying a file writes no variables again. Those two
//! are written in the order of their keys, numbers first and then contacts in file
//! order, because rows in random order would touch every page of a big campaign.

mod applying;
mod numbers;
mod seen;
mod staging;

use campanile_domain::{
    campaign::Status,
    ids::{CampaignId, ImportId},
};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::{
    error::StoreError,
    rows::{Actor, Import, ImportFile, ImportIdentity, ImportStage, RejectedRow},
    sqlite::{
        activity,
        batch::{Batch, RunNow},
        chores::{Chore, Task},
        counters::RunKey,
        garbage,
        sql::{self, ms},
    },
    store::Change,
};

pub(crate) use self::{
    applying::{Application, apply, end_of_piece},
    numbers::forget as forget_numbers,
    seen::Seen,
    staging::stage,
};

#[cfg(test)]
pub(crate) use self::applying::END_OF_PIECE;

/// So long a file is the same under the same key (API-2).
const KEYS_KEPT_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

/// How an accepted file becomes contacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The contacts it replaces go.
    Clear = 0,
    /// Its numbers are looked up among those of the campaign, in their own order.
    Numbers = 1,
    /// Its contacts join the waiting line, in file order.
    Line = 2,
}

struct Row {
    campaign: CampaignId,
    stage: ImportStage,
    replaces: bool,
    accepted: u64,
    step: i64,
    cursor: i64,
    first_contact: i64,
    last_contact: i64,
    accepted_at: i64,
}

impl Row {
    fn load(db: &Connection, id: ImportId) -> Result<Self, StoreError> {
        let found = sql::first(
            db,
            "SELECT campaign, stage, replaces, accepted, step, cursor,
                    coalesce(first_contact, 0), coalesce(last_contact, 0),
                    coalesce(accepted_at, 0)
             FROM import WHERE id = ?1",
            [id.0],
            |row| {
                Ok(Self {
                    campaign: CampaignId(row.get()?),
                    stage: row.code(ImportStage::from_code)?,
                    replaces: row.get()?,
                    accepted: row.count()?,
                    step: row.get()?,
                    cursor: row.get()?,
                    first_contact: row.get()?,
                    last_contact: row.get()?,
                    accepted_at: row.get()?,
                })
            },
        )?;
        found.ok_or(StoreError::NotFound("import"))
    }
}

/// Whether a file of contacts replaces those of the campaign or is added to them; a
/// refusal when it may do neither.
fn replaces(run: &RunNow) -> Result<bool, StoreError> {
    match (run.status, run.key.run) {
        (Status::Draft, 1) => Ok(true),
        (Status::Running | Status::Paused, _) => Ok(false),
        (Status::Draft, _) => Err(StoreError::conflict(
            "wrong_state",
            "the contacts of a prepared run are locked; clone the campaign for another set",
        )),
        (status @ (Status::Completed | Status::Failed), _) => Err(StoreError::conflict(
            "wrong_state",
            format!("a {} campaign takes no contacts", status.word()),
        )),
    }
}

/// Opens a staging area.
pub(crate) fn begin(
    batch: &mut Batch<'_>,
    campaign: CampaignId,
    now: Timestamp,
) -> Result<ImportId, StoreError> {
    let run = batch.current_run(campaign)?;
    let replaces = replaces(&run)?;
    let id = ImportId(batch.ids.block(ms(now), 1));
    sql::run(
        batch.db,
        "INSERT INTO import (id, campaign, stage, replaces) VALUES (?1, ?2, ?3, ?4)",
        params![id.0, campaign.0, ImportStage::Staging.code(), replaces],
    )?;
    Ok(id)
}

/// Notes how a file was read that is in staging whole.
pub(crate) fn describe(
    batch: &mut Batch<'_>,
    import: ImportId,
    file: &ImportFile,
    identity: &ImportIdentity,
) -> Result<(), StoreError> {
    let file = serde_json::to_string(file).expect("texts are JSON");
    let known = sql::run(
        batch.db,
        "UPDATE import SET file = ?2, sha256 = ?3, key = ?4 WHERE id = ?1",
        params![import.0, file, identity.sha256, identity.key],
    )?;
    if known == 0 { Err(StoreError::NotFound("import")) } else { Ok(()) }
}

/// The file that was accepted under the same key for the same campaign; a refusal when
/// it was another one.
fn before(
    db: &Connection,
    import: ImportId,
    now: Timestamp,
) -> Result<Option<ImportId>, StoreError> {
    let found = sql::first(
        db,
        "SELECT other.id, other.sha256 = mine.sha256
         FROM import AS mine JOIN import AS other
             ON other.campaign = mine.campaign AND other.key = mine.key
         WHERE mine.id = ?1 AND other.stage IN (?2, ?3) AND other.accepted_at > ?4
         ORDER BY other.id DESC LIMIT 1",
        params![
            import.0,
            ImportStage::Applying.code(),
            ImportStage::Done.code(),
            ms(now) - KEYS_KEPT_MS
        ],
        |row| Ok((ImportId(row.get()?), row.get::<bool>()?)),
    )?;
    match found {
        Some((_, false)) => Err(StoreError::invalid(
            "",
            "idempotency_mismatch",
            "another file was sent under this key; use a new key for a new file",
        )),
        Some((other, true)) => Ok(Some(other)),
        None => Ok(None),
    }
}

/// What became of an accepting commit.
pub(crate) enum Accepted {
    /// The rows will be contacts, whatever happens.
    Yes,
    /// The file held no good row and was thrown away.
    Empty,
    /// It was accepted earlier, under this key; this copy was thrown away.
    Before(ImportId),
}

/// The one commit that accepts a file.
pub(crate) fn accept(
    batch: &mut Batch<'_>,
    import: ImportId,
    by: &Actor,
    now: Timestamp,
    done: tokio::sync::oneshot::Sender<()>,
) -> Result<Accepted, StoreError> {
    let row = Row::load(batch.db, import)?;
    if row.stage != ImportStage::Staging {
        return Err(StoreError::conflict(
            "wrong_state",
            format!("the file is {} already", row.stage.word()),
        ));
    }
    if let Some(other) = before(batch.db, import, now)? {
        discard(batch, import)?;
        return Ok(Accepted::Before(other));
    }
    let run = batch.current_run(row.campaign)?;
    if replaces(&run)? != row.replaces {
        return Err(StoreError::conflict(
            "wrong_state",
            "the campaign was started while the file was read; add the contacts again",
        ));
    }
    if row.accepted == 0 {
        discard(batch, import)?;
        return Ok(Accepted::Empty);
    }
    if row.replaces && is_applying(batch.db, row.campaign)? {
        return Err(importing());
    }
    sql::run(
        batch.db,
        "UPDATE import SET stage = ?2, step = ?3, accepted_at = ?4 WHERE id = ?1",
        params![
            import.0,
            ImportStage::Applying.code(),
            if row.replaces { Step::Clear } else { Step::Numbers } as i64,
            ms(now)
        ],
    )?;
    if row.replaces {
        // From this commit on the old contacts do not count; they are deleted in pieces.
        forget_counters(batch, run.key)?;
    }
    let action = if row.replaces { "contacts_uploaded" } else { "contacts_added" };
    let detail = format!("{} numbers from a file", grouped(row.accepted));
    activity::append(batch, row.campaign, by, action, &detail, now)?;
    batch.chore(Chore::awaited(Task::ApplyImport(import), done));
    batch.loud(Change::Import(import));
    batch.changed(row.campaign);
    Ok(Accepted::Yes)
}

/// The refusal of what has to wait until a file is applied.
pub(crate) fn importing() -> StoreError {
    StoreError::conflict("importing", "contacts are still being added; try again in a moment")
}

/// Whether rows of an accepted file are not contacts yet.
pub(crate) fn is_applying(db: &Connection, campaign: CampaignId) -> Result<bool, StoreError> {
    let found = sql::first(
        db,
        "SELECT 1 FROM import WHERE stage = ?1 AND campaign = ?2 LIMIT 1",
        params![ImportStage::Applying.code(), campaign.0],
        |row| row.get::<i64>(),
    )?;
    Ok(found.is_some())
}

fn forget_counters(batch: &mut Batch<'_>, key: RunKey) -> Result<(), StoreError> {
    // A draft that never ran has no counters but those of its waiting contacts, and the
    // batch has none that are not written: only imports change them, one at a time.
    for table in ["DELETE FROM counter", "DELETE FROM pass"] {
        let statement = format!("{table} WHERE campaign = ?1 AND run = ?2");
        sql::run(batch.db, &statement, params![key.campaign.0, key.run])?;
    }
    Ok(())
}

/// `1,200`, as people write it.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Throws away a file that was not accepted.
pub(crate) fn discard(batch: &mut Batch<'_>, import: ImportId) -> Result<(), StoreError> {
    let row = Row::load(batch.db, import)?;
    match row.stage {
        ImportStage::Discarded => return Ok(()),
        ImportStage::Staging => {}
        ImportStage::Applying | ImportStage::Done => {
            return Err(StoreError::conflict("wrong_state", "the file was accepted already"));
        }
    }
    sql::run(
        batch.db,
        "UPDATE import SET stage = ?2, cursor = coalesce(first_contact, 1) - 1 WHERE id = ?1",
        params![import.0, ImportStage::Discarded.code()],
    )?;
    garbage::leave(batch, row.campaign, Some(import))?;
    batch.loud(Change::Import(import));
    Ok(())
}

/// How far a file has come.
pub(crate) fn import(db: &Connection, id: ImportId) -> Result<Import, StoreError> {
    let found = sql::first(
        db,
        "SELECT campaign, stage, rows, accepted, duplicates, invalid, applied, file
         FROM import WHERE id = ?1",
        [id.0],
        |row| {
            Ok(Import {
                id,
                campaign: CampaignId(row.get()?),
                stage: row.code(ImportStage::from_code)?,
                rows: row.count()?,
                accepted: row.count()?,
                duplicates: row.count()?,
                invalid: row.count()?,
                applied: row.count()?,
                // What is not understood any more is only not shown.
                file: row
                    .get::<Option<String>>()?
                    .and_then(|file| serde_json::from_str(&file).ok()),
            })
        },
    )?;
    found.ok_or(StoreError::NotFound("import"))
}

/// Refused rows in file order.
pub(crate) fn rejected(
    db: &Connection,
    import: ImportId,
    after_line: u64,
    limit: u32,
) -> Result<Vec<RejectedRow>, StoreError> {
    Ok(sql::all(
        db,
        "SELECT line, text, reason, variables FROM import_rejected
         WHERE import = ?1 AND line > ?2 ORDER BY line LIMIT ?3",
        params![import.0, line(after_line), limit],
        |row| {
            Ok(RejectedRow {
                line: row.count()?,
                text: row.get()?,
                reason: row.get()?,
                variables: row.get()?,
            })
        },
    )?)
}

/// How a line number is stored.
fn line(line: u64) -> i64 {
    i64::try_from(line).unwrap_or(i64::MAX)
}
