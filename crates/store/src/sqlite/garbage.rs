//! What deleted campaigns and files that are done with left behind.

use campanile_domain::ids::{CampaignId, ImportId};
use rusqlite::params;

use crate::{
    error::StoreError,
    rows::ImportStage,
    sqlite::{
        batch::Batch,
        callbacks,
        chores::{Budget, Chore, Task},
        imports, metadata, sql,
    },
};

/// Rows deleted between two looks at the clock.
const AT_ONCE: i64 = 200;

/// Leaves a campaign's contacts, or what a file has in staging, to be taken away.
pub(crate) fn leave(
    batch: &mut Batch<'_>,
    campaign: CampaignId,
    import: Option<ImportId>,
) -> Result<(), StoreError> {
    sql::run(
        batch.db,
        "INSERT INTO garbage (campaign, import) VALUES (?1, ?2)",
        params![campaign.0, import.map(|import| import.0)],
    )?;
    let row = batch.db.last_insert_rowid();
    batch.chore(Chore::new(Task::TakeAway(row)));
    Ok(())
}

/// One piece; whether nothing is left.
pub(crate) fn take_away(
    batch: &mut Batch<'_>,
    row: i64,
    budget: &Budget,
) -> Result<bool, StoreError> {
    let found =
        sql::first(batch.db, "SELECT campaign, import FROM garbage WHERE id = ?1", [row], |row| {
            Ok((CampaignId(row.get()?), row.get::<Option<i64>>()?.map(ImportId)))
        })?;
    let Some((campaign, import)) = found else { return Ok(true) };
    let finished = match import {
        Some(import) => take_staging(batch, import, budget)?,
        None => take_campaign(batch, campaign, budget)?,
    };
    if finished {
        sql::run(batch.db, "DELETE FROM garbage WHERE id = ?1", [row])?;
    }
    Ok(finished)
}

fn take_campaign(
    batch: &mut Batch<'_>,
    campaign: CampaignId,
    budget: &Budget,
) -> Result<bool, StoreError> {
    if !take_contacts(batch, campaign, 1, budget)?
        || !metadata::take_away(batch.db, campaign, budget)?
    {
        return Ok(false);
    }
    while !callbacks::take_away(batch.db, campaign)? {
        if budget.is_spent() {
            return Ok(false);
        }
    }
    let imports = sql::all(
        batch.db,
        "SELECT id FROM import WHERE campaign = ?1 LIMIT 100",
        [campaign.0],
        |row| row.get().map(ImportId),
    )?;
    for import in &imports {
        // Rows that never became contacts, whatever stage the file had reached.
        sql::run(
            batch.db,
            "UPDATE import SET stage = ?2, cursor = coalesce(first_contact, 1) - 1
             WHERE id = ?1 AND stage IN (?3, ?4)",
            params![
                import.0,
                ImportStage::Discarded.code(),
                ImportStage::Staging.code(),
                ImportStage::Applying.code()
            ],
        )?;
        if !take_staging(batch, *import, budget)? {
            return Ok(false);
        }
        loop {
            let gone = sql::run(
                batch.db,
                "DELETE FROM import_rejected WHERE (import, line) IN
                     (SELECT import, line FROM import_rejected WHERE import = ?1 LIMIT ?2)",
                params![import.0, AT_ONCE],
            )?;
            if gone == 0 {
                break;
            }
            if budget.is_spent() {
                return Ok(false);
            }
        }
        sql::run(batch.db, "DELETE FROM import WHERE id = ?1", [import.0])?;
    }
    Ok(imports.is_empty())
}

/// Deletes contacts of a run that was never dialled; `false` when the budget ended
/// first. Counters are left to the caller.
pub(crate) fn take_contacts(
    batch: &mut Batch<'_>,
    campaign: CampaignId,
    run: u32,
    budget: &Budget,
) -> Result<bool, StoreError> {
    loop {
        let contacts = sql::all(
            batch.db,
            "SELECT contact, phone FROM dial WHERE campaign = ?1 AND run = ?2 LIMIT ?3",
            params![campaign.0, run, AT_ONCE],
            |row| Ok((row.get::<i64>()?, row.get::<i64>()?)),
        )?;
        if contacts.is_empty() {
            return Ok(true);
        }
        for (contact, phone) in contacts {
            sql::run(
                batch.db,
                "DELETE FROM dial WHERE campaign = ?1 AND run = ?2 AND contact = ?3",
                params![campaign.0, run, contact],
            )?;
            sql::run(
                batch.db,
                "DELETE FROM contact_phone WHERE campaign = ?1 AND phone = ?2",
                params![campaign.0, phone],
            )?;
            sql::run(batch.db, "DELETE FROM contact WHERE id = ?1", [contact])?;
        }
        if budget.is_spent() {
            return Ok(false);
        }
    }
}

/// Empties the staging area of a file, contacts included unless they were applied.
fn take_staging(
    batch: &mut Batch<'_>,
    import: ImportId,
    budget: &Budget,
) -> Result<bool, StoreError> {
    let staged = sql::first(
        batch.db,
        "SELECT cursor, last_contact FROM import
         WHERE id = ?1 AND stage = ?2 AND first_contact IS NOT NULL",
        params![import.0, ImportStage::Discarded.code()],
        |row| Ok(row.get::<i64>()?..row.get::<i64>()?),
    )?;
    let mut left = staged.unwrap_or(0..0);
    while let Some((last, _)) =
        imports::end_of_piece(batch.db, import, left.clone(), AT_ONCE as usize)?
    {
        sql::run(
            batch.db,
            "DELETE FROM contact WHERE id > ?1 AND id <= ?2 AND import = ?3",
            params![left.start, last.0, import.0],
        )?;
        left.start = last.0;
        if budget.is_spent() {
            sql::run(
                batch.db,
                "UPDATE import SET cursor = ?2 WHERE id = ?1",
                params![import.0, left.start],
            )?;
            return Ok(false);
        }
    }
    imports::forget_numbers(batch.db, import)?;
    Ok(true)
}
