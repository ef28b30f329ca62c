//! Contact files: staged row by row, accepted by one commit, applied in pieces (CT-6).
//!
//! A staged row is already a row of `contact`; what makes it a contact are its rows in
//! `contact_phone` and `dial`, so applying a file writes no variables again. Those two
//! are written in the order of their keys, numbers first and then contacts in file
//! order, because rows in random order would touch every page of a big campaign.

use campanile_domain::{
    campaign::Status,
    ids::{CampaignId, ContactId, ImportId},
};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::{
    error::StoreError,
    rows::{Actor, Import, ImportStage, RejectedRow, StagedRow},
    sqlite::{
        activity,
        batch::{Batch, RunNow},
        chores::{Budget, Chore, Task},
        counters::RunKey,
        dial::{self, Dial},
        garbage,
        sql::{self, Cells, digits, ms},
    },
    store::Change,
};

/// Rejected rows that are kept for download, for each file; the others are counted.
const REJECTED_KEPT_MAX: i64 = 100_000;

/// Rows applied between two looks at the clock.
const AT_ONCE: usize = 200;

/// Numbers of a file that were not looked up yet, in their order.
pub(crate) const STAGED_NUMBERS: &str = "SELECT phone, contact, line FROM import_phone
     WHERE import = ?1 AND phone > ?2 ORDER BY phone LIMIT ?3";

/// Contacts of a file that are not in the line yet, in file order. Those of another
/// file that was read at the same time may lie between them.
pub(crate) const STAGED_CONTACTS: &str = "SELECT id, phone FROM contact
     WHERE id > ?1 AND id < ?2 AND import = ?3 ORDER BY id LIMIT ?4";

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

/// Adds rows in file order.
pub(crate) fn stage(
    batch: &mut Batch<'_>,
    import: ImportId,
    rows: &[StagedRow],
    rejected: &[RejectedRow],
) -> Result<(), StoreError> {
    let row = Row::load(batch.db, import)?;
    if row.stage != ImportStage::Staging {
        return Err(StoreError::conflict(
            "wrong_state",
            format!("the file is {} and takes no more rows", row.stage.word()),
        ));
    }
    let count = u32::try_from(rows.len()).expect("a chunk of rows fits memory");
    let first = batch.ids.block(0, count);
    let mut accepted = 0;
    for (staged, contact) in rows.iter().zip(first..) {
        let new = sql::run(
            batch.db,
            "INSERT INTO import_phone (import, phone, contact, line) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO NOTHING",
            params![import.0, digits(staged.phone), contact, line(staged.line)],
        )?;
        if new == 0 {
            reject(batch, import, staged.line, &staged.phone.to_string(), "duplicate")?;
            continue;
        }
        sql::run(
            batch.db,
            "INSERT INTO contact (id, campaign, phone, variables, import)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![contact, row.campaign.0, digits(staged.phone), staged.variables, import.0],
        )?;
        accepted += 1;
    }
    for each in rejected {
        reject(batch, import, each.line, &each.text, &each.reason)?;
    }
    let duplicates = rows.len() as i64 - accepted;
    sql::run(
        batch.db,
        "UPDATE import SET rows = rows + ?2, accepted = accepted + ?3,
             duplicates = duplicates + ?4, invalid = invalid + ?5,
             first_contact = coalesce(first_contact, ?6), last_contact = ?7
         WHERE id = ?1",
        params![
            import.0,
            (rows.len() + rejected.len()) as i64,
            accepted,
            duplicates,
            rejected.len() as i64,
            first,
            first + i64::from(count)
        ],
    )?;
    batch.loud(Change::Import(import));
    Ok(())
}

fn line(line: u64) -> i64 {
    i64::try_from(line).unwrap_or(i64::MAX)
}

/// Keeps a refused row for download, as long as there are not too many of them.
fn reject(
    batch: &mut Batch<'_>,
    import: ImportId,
    number: u64,
    text: &str,
    reason: &str,
) -> Result<(), StoreError> {
    let room = sql::run(
        batch.db,
        "UPDATE import SET rejected_kept = rejected_kept + 1
         WHERE id = ?1 AND rejected_kept < ?2",
        params![import.0, REJECTED_KEPT_MAX],
    )?;
    if room > 0 {
        sql::run(
            batch.db,
            "INSERT INTO import_rejected (import, line, text, reason) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO NOTHING",
            params![import.0, line(number), text, reason],
        )?;
    }
    Ok(())
}

/// What became of an accepting commit.
pub(crate) enum Accepted {
    /// The rows will be contacts, whatever happens.
    Yes,
    /// The file held no good row and was thrown away.
    Empty,
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
    batch.chore(Chore { task: Task::ApplyImport(import), done: Some(done) });
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

/// One piece of an accepted file; whether it was the last.
pub(crate) fn apply(
    batch: &mut Batch<'_>,
    import: ImportId,
    budget: &Budget,
) -> Result<bool, StoreError> {
    // The campaign, and with it the file, may have been deleted meanwhile.
    let row = match Row::load(batch.db, import) {
        Ok(row) if row.stage == ImportStage::Applying => row,
        Ok(_) | Err(StoreError::NotFound(_)) => return Ok(true),
        Err(error) => return Err(error),
    };
    let run = batch.current_run(row.campaign)?;
    batch.loud(Change::Import(import));
    if row.step == Step::Clear as i64 {
        if garbage::take_contacts(batch, row.campaign, run.key.run, budget)? {
            go_on(batch, import, Step::Numbers)?;
        }
        Ok(false)
    } else if row.step == Step::Numbers as i64 {
        if add_numbers(batch, import, &row, budget)? {
            go_on(batch, import, Step::Line)?;
        }
        Ok(false)
    } else if join_line(batch, import, &row, &run, budget)? {
        sql::run(
            batch.db,
            "UPDATE import SET stage = ?2 WHERE id = ?1",
            params![import.0, ImportStage::Done.code()],
        )?;
        garbage::leave(batch, row.campaign, Some(import))?;
        batch.loud(Change::Campaign(row.campaign));
        Ok(true)
    } else {
        Ok(false)
    }
}

fn go_on(batch: &mut Batch<'_>, import: ImportId, step: Step) -> Result<(), StoreError> {
    sql::run(
        batch.db,
        "UPDATE import SET step = ?2, cursor = 0 WHERE id = ?1",
        params![import.0, step as i64],
    )?;
    Ok(())
}

/// Enters numbers in their order. One that the campaign has already is a duplicate.
fn add_numbers(
    batch: &mut Batch<'_>,
    import: ImportId,
    row: &Row,
    budget: &Budget,
) -> Result<bool, StoreError> {
    let (mut cursor, mut duplicates) = (row.cursor, 0);
    let finished = loop {
        let staged = sql::all(
            batch.db,
            STAGED_NUMBERS,
            params![import.0, cursor, AT_ONCE as i64],
            |cells| Ok((cells.phone()?, cells.get::<i64>()?, cells.count()?)),
        )?;
        let Some((last, ..)) = staged.last() else { break true };
        cursor = digits(*last);
        for (phone, contact, line) in staged {
            let new = sql::run(
                batch.db,
                "INSERT INTO contact_phone (campaign, phone, contact) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO NOTHING",
                params![row.campaign.0, digits(phone), contact],
            )?;
            if new == 0 {
                sql::run(batch.db, "DELETE FROM contact WHERE id = ?1", [contact])?;
                reject(batch, import, line, &phone.to_string(), "duplicate")?;
                duplicates += 1;
            }
        }
        if budget.is_spent() {
            break false;
        }
    };
    sql::run(
        batch.db,
        "UPDATE import SET cursor = ?2, accepted = accepted - ?3, duplicates = duplicates + ?3
         WHERE id = ?1",
        params![import.0, cursor, duplicates],
    )?;
    Ok(finished)
}

/// Contacts join the line in file order, or come too late for it.
fn join_line(
    batch: &mut Batch<'_>,
    import: ImportId,
    row: &Row,
    run: &RunNow,
    budget: &Budget,
) -> Result<bool, StoreError> {
    // Present at Start, or added later: their place in the line.
    let began = if row.replaces { 0 } else { row.accepted_at };
    let late = dial::closed_state(run.end);
    let mut cursor = row.cursor.max(row.first_contact - 1);
    let mut applied = 0;
    let finished = loop {
        let staged = sql::all(
            batch.db,
            STAGED_CONTACTS,
            params![cursor, row.last_contact, import.0, AT_ONCE as i64],
            |cells: &mut Cells<'_>| Ok((ContactId(cells.get()?), cells.phone()?)),
        )?;
        let Some((last, _)) = staged.last() else { break true };
        cursor = last.0;
        for (contact, phone) in &staged {
            let mut dial = Dial::fresh(run.key, *contact, *phone, began);
            dial.state = late.unwrap_or(dial.state);
            dial.insert(batch.db)?;
            batch.deltas().contact(run.key, &dial, 1);
        }
        applied += staged.len() as i64;
        if budget.is_spent() {
            break false;
        }
    };
    batch.deltas().now(run.key, row.accepted_at);
    batch.quiet(row.campaign);
    sql::run(
        batch.db,
        "UPDATE import SET cursor = ?2, applied = applied + ?3 WHERE id = ?1",
        params![import.0, cursor, applied],
    )?;
    Ok(finished)
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
        "UPDATE import SET stage = ?2 WHERE id = ?1",
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
        "SELECT campaign, stage, rows, accepted, duplicates, invalid, applied
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
        "SELECT line, text, reason FROM import_rejected
         WHERE import = ?1 AND line > ?2 ORDER BY line LIMIT ?3",
        params![import.0, line(after_line), limit],
        |row| Ok(RejectedRow { line: row.count()?, text: row.get()?, reason: row.get()? }),
    )?)
}
