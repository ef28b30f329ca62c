//! Rows of a file, put aside until the file is accepted.

use campanile_domain::ids::{CampaignId, ImportId};
use rusqlite::{Connection, params};

use crate::{
    error::StoreError,
    rows::{ImportStage, RejectedRow, StagedRow},
    sqlite::{
        batch::Batch,
        imports::{
            Row, line,
            numbers::{self, Staged},
        },
        sql::{self, digits},
    },
    store::Change,
};

/// Rejected rows that are kept for download, for each file; the others are counted.
const REJECTED_KEPT_MAX: i64 = 500_000;

/// Contacts put aside by one statement: to begin and end one takes longer than a row.
const ROWS: usize = 25;

/// Bytes of the other columns that are kept of a rejected row.
const VARIABLES_KEPT_MAX: usize = 4_096;

/// Adds rows in file order: good ones, those that repeat a number of the file, and bad
/// ones.
pub(crate) fn stage(
    batch: &mut Batch<'_>,
    import: ImportId,
    rows: &[StagedRow],
    duplicates: &[RejectedRow],
    invalid: &[RejectedRow],
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
    let mut next = first;
    for few in sql::pieces(rows, ROWS) {
        insert(batch.db, row.campaign, import, few, next)?;
        next += few.len() as i64;
    }
    let staged = rows.iter().zip(first..).map(|(row, contact)| Staged {
        phone: digits(row.phone),
        line: line(row.line),
        contact,
    });
    numbers::keep(batch.db, import, staged.collect())?;
    for each in duplicates.iter().chain(invalid) {
        reject(batch, import, each)?;
    }
    sql::run(
        batch.db,
        "UPDATE import SET rows = rows + ?2, accepted = accepted + ?3,
             duplicates = duplicates + ?4, invalid = invalid + ?5,
             first_contact = coalesce(first_contact, ?6), last_contact = ?7
         WHERE id = ?1",
        params![
            import.0,
            (rows.len() + duplicates.len() + invalid.len()) as i64,
            rows.len() as i64,
            duplicates.len() as i64,
            invalid.len() as i64,
            first,
            first + i64::from(count)
        ],
    )?;
    batch.loud(Change::Import(import));
    Ok(())
}

/// Puts rows aside as contacts with the ids from `contact` on.
fn insert(
    db: &Connection,
    campaign: CampaignId,
    import: ImportId,
    rows: &[StagedRow],
    contact: i64,
) -> rusqlite::Result<()> {
    let statement = format!(
        "INSERT INTO contact (campaign, import, id, phone, variables) VALUES {}",
        sql::places(2, 3, rows.len())
    );
    let mut insert = db.prepare_cached(&statement)?;
    insert.raw_bind_parameter(1, campaign.0)?;
    insert.raw_bind_parameter(2, import.0)?;
    for (index, (row, contact)) in rows.iter().zip(contact..).enumerate() {
        insert.raw_bind_parameter(3 + 3 * index, contact)?;
        insert.raw_bind_parameter(4 + 3 * index, digits(row.phone))?;
        insert.raw_bind_parameter(5 + 3 * index, &row.variables)?;
    }
    insert.raw_execute().map(drop)
}

/// Keeps a refused row for download, as long as there are not too many of them.
pub(super) fn reject(
    batch: &mut Batch<'_>,
    import: ImportId,
    rejected: &RejectedRow,
) -> Result<(), StoreError> {
    let room = sql::run(
        batch.db,
        "UPDATE import SET rejected_kept = rejected_kept + 1
         WHERE id = ?1 AND rejected_kept < ?2",
        params![import.0, REJECTED_KEPT_MAX],
    )?;
    if room > 0 {
        let RejectedRow { text, reason, variables, .. } = rejected;
        let variables = if variables.len() > VARIABLES_KEPT_MAX { "{}" } else { variables };
        sql::run(
            batch.db,
            "INSERT INTO import_rejected (import, line, text, reason, variables)
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
            params![import.0, line(rejected.line), text, reason, variables],
        )?;
    }
    Ok(())
}
