//! The organisation's do-not-call list (EX-4): looked at when a contact is claimed, and once
//! more in the transaction before its INVITE.

use campanile_domain::phone::PhoneNumber;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::{
    error::StoreError,
    rows::{Actor, DoNotCall},
    sqlite::{
        batch::Batch,
        sql::{self, Cells, digits, ms},
    },
    store::Change,
};

/// A SELECT whose columns are those that [`read`] expects.
macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT phone, source, reason, at, by, expires_at FROM do_not_call ", $rest)
    };
}

/// Whether nobody may dial the number now.
pub(crate) fn bars(db: &Connection, number: PhoneNumber, now: Timestamp) -> rusqlite::Result<bool> {
    let found = sql::first(
        db,
        "SELECT 1 FROM do_not_call
         WHERE phone = ?1 AND (expires_at IS NULL OR expires_at > ?2)",
        params![digits(number), ms(now)],
        |row| row.get::<i64>(),
    )?;
    Ok(found.is_some())
}

/// Lists numbers; one that is listed already is listed anew, with the later of the two ends.
pub(crate) fn add(batch: &mut Batch<'_>, entries: &[DoNotCall]) -> Result<u64, StoreError> {
    let mut added = 0;
    for entry in entries {
        let known = sql::first(
            batch.db,
            "SELECT 1 FROM do_not_call WHERE phone = ?1",
            [digits(entry.number)],
            |row| row.get::<i64>(),
        )?;
        added += u64::from(known.is_none());
        sql::run(
            batch.db,
            "INSERT INTO do_not_call (phone, source, reason, at, by, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO UPDATE SET source = excluded.source, reason = excluded.reason,
                 at = excluded.at, by = excluded.by,
                 expires_at = CASE WHEN expires_at IS NULL OR excluded.expires_at IS NULL THEN NULL
                                   ELSE max(expires_at, excluded.expires_at) END",
            params![
                digits(entry.number),
                entry.source,
                entry.reason,
                ms(entry.at),
                serde_json::to_string(&entry.by)?,
                entry.expires_at.map(ms)
            ],
        )?;
    }
    batch.loud(Change::Setup);
    Ok(added)
}

/// The callee asked never to be called again (BT-5): written with the end of the attempt.
pub(crate) fn opt_out(
    batch: &mut Batch<'_>,
    number: PhoneNumber,
    now: Timestamp,
) -> Result<(), StoreError> {
    let entry = DoNotCall {
        number,
        source: "opt_out".into(),
        reason: None,
        at: now,
        by: Actor::dialler(),
        expires_at: None,
    };
    add(batch, &[entry]).map(drop)
}

/// Takes a number off the list; whether it was there.
pub(crate) fn remove(batch: &mut Batch<'_>, number: PhoneNumber) -> Result<bool, StoreError> {
    let gone = sql::run(batch.db, "DELETE FROM do_not_call WHERE phone = ?1", [digits(number)])?;
    batch.loud(Change::Setup);
    Ok(gone > 0)
}

/// One entry, expired or not.
pub(crate) fn entry(db: &Connection, number: PhoneNumber) -> Result<Option<DoNotCall>, StoreError> {
    Ok(sql::first(db, select!("WHERE phone = ?1"), [digits(number)], read)?)
}

/// Entries in order of number, behind the number `after`.
pub(crate) fn page(
    db: &Connection,
    after: Option<PhoneNumber>,
    limit: u32,
) -> Result<Vec<DoNotCall>, StoreError> {
    Ok(sql::all(
        db,
        select!("WHERE phone > ?1 ORDER BY phone LIMIT ?2"),
        params![after.map_or(0, digits), limit],
        read,
    )?)
}

fn read(row: &mut Cells<'_>) -> rusqlite::Result<DoNotCall> {
    Ok(DoNotCall {
        number: row.phone()?,
        source: row.get()?,
        reason: row.get()?,
        at: row.at()?,
        by: row.json()?,
        expires_at: row.maybe_at()?,
    })
}
