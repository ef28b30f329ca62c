//! An accepted file becomes contacts, in pieces between the batches of calls.

use std::ops::Range;

use campanile_domain::{
    ids::{CampaignId, ContactId, ImportId},
    phone::PhoneNumber,
};
use rusqlite::{Connection, params};

use crate::{
    error::StoreError,
    rows::{ImportStage, RejectedRow},
    sqlite::{
        batch::{Batch, RunNow},
        chores::Budget,
        dial::{self, Dial},
        exclusions, garbage,
        imports::{
            Row, Step,
            numbers::{self, Staged},
            staging::reject,
        },
        metadata, sql,
    },
    store::Change,
};

/// Rows applied between two looks at the clock.
const AT_ONCE: usize = 500;

/// Numbers entered by one statement: to begin and end one takes longer than a row.
const ROWS: usize = 100;

/// The last of the next contacts of a file, in file order. Contacts of another file that
/// was read at the same time may lie between them.
pub(crate) const END_OF_PIECE: &str = "SELECT max(id), phone FROM
     (SELECT id, phone FROM contact WHERE id > ?1 AND id < ?2 AND import = ?3
      ORDER BY id LIMIT ?4)";

/// What need not be read again for each piece.
#[derive(Debug, Default)]
pub(crate) struct Application {
    /// The numbers of the file in order, once its numbers are being entered.
    numbers: Option<Vec<Staged>>,
}

/// One piece of an accepted file; whether it was the last.
pub(crate) fn apply(
    batch: &mut Batch<'_>,
    import: ImportId,
    application: &mut Application,
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
        match &application.numbers {
            // Reading and ordering them all is a piece of its own.
            None => application.numbers = Some(numbers::in_order(batch.db, import)?),
            Some(numbers) => {
                if add_numbers(batch, import, &row, &run, numbers, budget)? {
                    go_on(batch, import, Step::Line)?;
                }
            }
        }
        Ok(false)
    } else if join_line(batch, import, &row, &run, budget)? {
        sql::run(
            batch.db,
            "UPDATE import SET stage = ?2 WHERE id = ?1",
            params![import.0, ImportStage::Done.code()],
        )?;
        numbers::forget(batch.db, import)?;
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
    run: &RunNow,
    numbers: &[Staged],
    budget: &Budget,
) -> Result<bool, StoreError> {
    // Numbers are entered whole: of equal ones the cursor passes all or none.
    let begin = numbers.partition_point(|staged| staged.phone <= row.cursor);
    let mut rest = &numbers[begin..];
    let (mut cursor, mut duplicates) = (row.cursor, 0);
    while let Some(last) = rest.get(..AT_ONCE).unwrap_or(rest).last() {
        cursor = last.phone;
        let (piece, more) = rest.split_at(rest.partition_point(|staged| staged.phone <= cursor));
        rest = more;
        for few in sql::pieces(piece, ROWS) {
            if enter(batch.db, row.campaign, few)? < few.len() {
                duplicates += refuse_known(batch, import, run, few, row.accepted_at)?;
            }
        }
        if budget.is_spent() {
            break;
        }
    }
    sql::run(
        batch.db,
        "UPDATE import SET cursor = ?2, accepted = accepted - ?3, duplicates = duplicates + ?3
         WHERE id = ?1",
        params![import.0, cursor, duplicates],
    )?;
    Ok(rest.is_empty())
}

/// Enters numbers that the campaign does not have; returns how many.
fn enter(db: &Connection, campaign: CampaignId, few: &[Staged]) -> rusqlite::Result<usize> {
    let statement = format!(
        "INSERT INTO contact_phone (campaign, phone, contact) VALUES {} ON CONFLICT DO NOTHING",
        sql::places(1, 2, few.len())
    );
    let mut insert = db.prepare_cached(&statement)?;
    insert.raw_bind_parameter(1, campaign.0)?;
    for (index, staged) in few.iter().enumerate() {
        insert.raw_bind_parameter(2 + 2 * index, staged.phone)?;
        insert.raw_bind_parameter(3 + 2 * index, staged.contact)?;
    }
    insert.raw_execute()
}

/// Refuses those numbers that belong to another contact; returns how many. One that is excluded
/// and may come back waits again instead.
fn refuse_known(
    batch: &mut Batch<'_>,
    import: ImportId,
    run: &RunNow,
    few: &[Staged],
    began: i64,
) -> Result<i64, StoreError> {
    let mut refused = 0;
    for staged in few {
        let owner = sql::first(
            batch.db,
            "SELECT contact FROM contact_phone WHERE campaign = ?1 AND phone = ?2",
            params![run.key.campaign.0, staged.phone],
            |row| row.get::<i64>(),
        )?;
        let Some(owner) = owner.filter(|owner| *owner != staged.contact) else { continue };
        let variables = sql::first(
            batch.db,
            "DELETE FROM contact WHERE id = ?1 RETURNING variables",
            [staged.contact],
            |row| row.get::<String>(),
        )?;
        if exclusions::readmit(batch, run, ContactId(owner), began)? {
            continue;
        }
        let duplicate = RejectedRow {
            line: staged.line.unsigned_abs(),
            text: format!("+{}", staged.phone),
            reason: "duplicate".into(),
            variables: variables.unwrap_or_else(|| "{}".into()),
        };
        reject(batch, import, &duplicate)?;
        refused += 1;
    }
    Ok(refused)
}

/// Contacts join the line in file order, or come too late for it.
fn join_line(
    batch: &mut Batch<'_>,
    import: ImportId,
    row: &Row,
    run: &RunNow,
    budget: &Budget,
) -> Result<bool, StoreError> {
    let late = dial::closed_state(run.end);
    let mut cursor = row.cursor.max(row.first_contact - 1);
    let mut applied = 0;
    // Present at Start, or added later: their place in the line.
    let began = if row.replaces { 0 } else { row.accepted_at };
    let finished = loop {
        let Some((last, phone)) =
            end_of_piece(batch.db, import, cursor..row.last_contact, AT_ONCE)?
        else {
            break true;
        };
        let mut fresh = Dial::fresh(run.key, last, phone, began);
        fresh.state = late.unwrap_or(fresh.state);
        let joined = fresh.insert_with_those_before(batch.db, import, cursor)?;
        batch.deltas().contact(run.key, &fresh, joined);
        exclusions::meet_file(batch, run, import, cursor, last.0)?;
        metadata::keep_all(batch.db, row.campaign, import.0, cursor, last.0)?;
        applied += joined;
        cursor = last.0;
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

/// The last of the next `count` contacts of a file behind the first id of `ids`, below
/// the other one.
pub(crate) fn end_of_piece(
    db: &Connection,
    import: ImportId,
    ids: Range<i64>,
    count: usize,
) -> Result<Option<(ContactId, PhoneNumber)>, StoreError> {
    let params = params![ids.start, ids.end, import.0, count as i64];
    let last = sql::first(db, END_OF_PIECE, params, |cells| {
        let id: Option<i64> = cells.get()?;
        id.map(|id| Ok((ContactId(id), cells.phone()?))).transpose()
    })?;
    Ok(last.flatten())
}
