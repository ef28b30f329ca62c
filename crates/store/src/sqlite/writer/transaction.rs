//! All or nothing: one transaction, and one verb in its savepoint.

use campanile_domain::ids::IdSource;
use rusqlite::Connection;

use crate::{
    error::StoreError,
    sqlite::{
        batch::{Batch, Effects},
        sql,
        writer::job::Job,
    },
};

type Result<T> = std::result::Result<T, StoreError>;

/// One verb in its savepoint. The inner answer is its own refusal, the outer one a
/// fault of the whole batch.
pub(super) fn apply(batch: &mut Batch<'_>, job: &mut dyn Job) -> Result<Option<StoreError>> {
    let db = batch.db;
    sql::run(db, "SAVEPOINT verb", [])?;
    match job.apply(batch) {
        Ok(()) => {
            sql::run(db, "RELEASE verb", [])?;
            batch.keep();
            Ok(None)
        }
        Err(failure) if failure.is_everybodys() => Err(failure),
        Err(refusal) => {
            sql::run(db, "ROLLBACK TO verb", [])?;
            sql::run(db, "RELEASE verb", [])?;
            batch.forget();
            Ok(Some(refusal))
        }
    }
}

/// All or nothing. On failure the database is as it was.
pub(super) fn transact<T>(
    db: &Connection,
    ids: &mut IdSource,
    act: impl FnOnce(&mut Batch<'_>) -> Result<T>,
) -> Result<(T, Effects)> {
    sql::run(db, "BEGIN IMMEDIATE", [])?;
    let mut batch = Batch::new(db, ids);
    let outcome = act(&mut batch).and_then(|value| {
        sql::run(db, "COMMIT", [])?;
        Ok((value, batch.into_effects()))
    });
    // SQLite rolls back by itself after some faults and not after others.
    if outcome.is_err() && !db.is_autocommit() && db.execute_batch("ROLLBACK").is_err() {
        tracing::error!("A transaction could not be rolled back");
    }
    outcome
}
