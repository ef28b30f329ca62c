//! Answers to writes that carried an `Idempotency-Key`.

use jiff::Timestamp;
use rusqlite::params;

use crate::{
    error::StoreError,
    sqlite::{
        batch::Batch,
        sql::{self, ms},
    },
    store::replies::{Asked, Kept, Reply},
};

/// How long an answer is kept.
const KEPT_MS: i64 = 24 * 3_600_000;
/// Old answers that go with each new one.
const SWEPT_AT_ONCE: u32 = 20;

/// Takes the key for this request, or says what became of the one that has it.
pub(crate) fn begin(
    batch: &mut Batch<'_>,
    asked: &Asked,
    now: Timestamp,
) -> Result<Kept, StoreError> {
    let oldest = ms(now) - KEPT_MS;
    sql::run(
        batch.db,
        "DELETE FROM reply WHERE (who, key) IN
             (SELECT who, key FROM reply WHERE begun_at <= ?1 ORDER BY begun_at LIMIT ?2)",
        params![oldest, SWEPT_AT_ONCE],
    )?;
    let Asked { who, key, request, process } = asked;
    // Beyond the sweep above an answer can be older than a day.
    sql::run(
        batch.db,
        "DELETE FROM reply WHERE who = ?1 AND key = ?2 AND begun_at <= ?3",
        params![who, key, oldest],
    )?;
    let found = sql::first(
        batch.db,
        "SELECT request, process, status, answer FROM reply WHERE who = ?1 AND key = ?2",
        params![who, key],
        |row| {
            Ok((
                row.get::<[u8; 32]>()?,
                row.get::<i64>()?,
                row.get::<Option<u16>>()?,
                row.get::<Option<String>>()?,
            ))
        },
    )?;
    let Some((first, began, status, answer)) = found else {
        sql::run(
            batch.db,
            "INSERT INTO reply (who, key, request, begun_at, process) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![who, key, request, ms(now), process],
        )?;
        return Ok(Kept::Nothing);
    };
    if first != *request {
        return Ok(Kept::Other);
    }
    match (status, answer) {
        (Some(status), Some(answer)) => Ok(Kept::Reply(Reply { status, answer })),
        _ if began == *process => Ok(Kept::Unanswered),
        _ => Ok(Kept::Lost),
    }
}

/// Keeps the answer.
pub(crate) fn keep(batch: &mut Batch<'_>, asked: &Asked, reply: &Reply) -> Result<(), StoreError> {
    sql::run(
        batch.db,
        "UPDATE reply SET status = ?3, answer = ?4 WHERE who = ?1 AND key = ?2",
        params![asked.who, asked.key, reply.status, reply.answer],
    )?;
    Ok(())
}

/// Gives the key free: nothing was done.
pub(crate) fn forget(batch: &mut Batch<'_>, asked: &Asked) -> Result<(), StoreError> {
    sql::run(
        batch.db,
        "DELETE FROM reply WHERE who = ?1 AND key = ?2 AND status IS NULL",
        params![asked.who, asked.key],
    )?;
    Ok(())
}
