//! The activity log: append-only, each entry chained to the one before (CL-14).

use campanile_domain::ids::CampaignId;
use jiff::Timestamp;
use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};

use crate::{
    error::StoreError,
    rows::{Activity, Actor},
    sqlite::{
        batch::Batch,
        sql::{self, Cells, ms},
    },
};

/// What the first entry is chained to.
pub(crate) const GENESIS: [u8; 32] = [0; 32];

/// Entries that are shown at most.
const SHOWN_MAX: u32 = 1_000;

/// Adds an entry.
pub(crate) fn append(
    batch: &mut Batch<'_>,
    campaign: CampaignId,
    by: &Actor,
    action: &str,
    detail: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    let head = sql::first(
        batch.db,
        "SELECT activity_count, activity_head FROM campaign WHERE id = ?1",
        [campaign.0],
        |row| Ok((row.get::<i64>()?, row.get::<[u8; 32]>()?)),
    )?;
    let (count, previous) = head.ok_or(StoreError::NotFound("campaign"))?;
    let by = serde_json::to_string(by)?;
    let seq = count + 1;
    let hash = chained(&previous, seq, ms(at), &by, action, detail);
    sql::run(
        batch.db,
        "INSERT INTO activity (campaign, seq, at, by, action, detail, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![campaign.0, seq, ms(at), by, action, detail, hash],
    )?;
    sql::run(
        batch.db,
        "UPDATE campaign SET activity_count = ?2, activity_head = ?3 WHERE id = ?1",
        params![campaign.0, seq, hash],
    )?;
    Ok(())
}

/// SHA-256 over the previous hash and the fields of an entry. Texts go in with their
/// length first, so that no two entries read the same.
fn chained(
    previous: &[u8; 32],
    seq: i64,
    at: i64,
    by: &str,
    action: &str,
    detail: &str,
) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(previous);
    hash.update(seq.to_be_bytes());
    hash.update(at.to_be_bytes());
    for text in [by, action, detail] {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}

/// Newest first.
pub(crate) fn newest(db: &Connection, campaign: CampaignId) -> Result<Vec<Activity>, StoreError> {
    Ok(sql::all(
        db,
        "SELECT seq, at, by, action, detail, hash FROM activity
         WHERE campaign = ?1 ORDER BY seq DESC LIMIT ?2",
        params![campaign.0, SHOWN_MAX],
        read,
    )?)
}

fn read(row: &mut Cells<'_>) -> rusqlite::Result<Activity> {
    Ok(Activity {
        seq: row.get()?,
        at: row.at()?,
        by: row.json()?,
        action: row.get()?,
        detail: row.get()?,
        hash: row.get::<[u8; 32]>()?.iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}

/// The first entry, counted from 1, that does not follow from the one before; `None`
/// when the log is whole.
pub(crate) fn first_break(
    db: &Connection,
    campaign: CampaignId,
) -> Result<Option<i64>, StoreError> {
    let head = sql::first(
        db,
        "SELECT activity_count, activity_head FROM campaign WHERE id = ?1",
        [campaign.0],
        |row| Ok((row.get::<i64>()?, row.get::<[u8; 32]>()?)),
    )?;
    let (count, head) = head.ok_or(StoreError::NotFound("campaign"))?;
    let mut statement = db.prepare_cached(
        "SELECT seq, at, by, action, detail, hash FROM activity WHERE campaign = ?1 ORDER BY seq",
    )?;
    let mut rows = statement.query([campaign.0])?;
    let (mut previous, mut expected) = (GENESIS, 1);
    while let Some(row) = rows.next()? {
        let (seq, at): (i64, i64) = (row.get(0)?, row.get(1)?);
        let (by, action, detail): (String, String, String) =
            (row.get(2)?, row.get(3)?, row.get(4)?);
        let hash = chained(&previous, seq, at, &by, &action, &detail);
        if seq != expected || row.get::<_, [u8; 32]>(5)? != hash {
            return Ok(Some(expected));
        }
        (previous, expected) = (hash, seq + 1);
    }
    let whole = expected == count + 1 && previous == head;
    Ok((!whole).then_some(expected))
}
