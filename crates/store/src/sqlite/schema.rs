//! Opening a database file: where it may lie, its pragmas, its migrations.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    os::unix::fs::DirBuilderExt,
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};
use rustix::fs::FlockOperation;

use crate::{error::StoreError, sqlite::sql};

#[allow(missing_docs, unreachable_pub, reason = "written by the macro of refinery")]
mod embedded {
    refinery::embed_migrations!("migrations");
}

/// The database within the data directory.
pub(crate) const FILE: &str = "campanile.db";

/// SQLite before this version can corrupt a WAL database that two connections
/// checkpoint at once (fixed in 3.51.3).
const OLDEST_SQLITE: i32 = 3_051_003;

/// How long a connection waits for another process that writes (an admin command, a
/// backup) before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// More statements than the verbs have, so that none is ever compiled twice.
const STATEMENTS: usize = 256;

/// Creates the directory and brings the database in it to the schema of this binary.
/// Returns the connection that may write.
pub(crate) fn open(dir: &Path) -> Result<Connection, StoreError> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        let found = rusqlite::version();
        return Err(StoreError::Internal(
            format!("SQLite {found} is older than 3.51.3, which this database needs").into(),
        ));
    }
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| {
        StoreError::Unavailable(format!("cannot create {}: {error}", dir.display()))
    })?;
    refuse_network(dir)?;

    let mut db = Connection::open(dir.join(FILE))?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    // An INVITE leaves after the commit: the commit has to be on the disk.
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    db.pragma_update(None, "journal_size_limit", 64 << 20)?;
    db.pragma_update(None, "cache_size", -16_000)?;
    db.pragma_update(None, "temp_store", "MEMORY")?;
    db.pragma_update(None, "foreign_keys", true)?;
    keep_plans(&db)?;

    // Two processes that start together must not migrate together.
    let turn = lock_file(&dir.join("migrate.lock"))?;
    rustix::fs::flock(&turn, FlockOperation::LockExclusive).map_err(|error| {
        StoreError::Unavailable(format!("cannot lock {}: {error}", dir.display()))
    })?;
    migrate(&mut db)?;
    Ok(db)
}

/// A connection that cannot write.
pub(crate) fn open_reader(dir: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(dir.join(FILE), flags)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.pragma_update(None, "query_only", true)?;
    db.pragma_update(None, "cache_size", -4_000)?;
    keep_plans(&db)?;
    Ok(db)
}

/// A statement is parsed once. Without the stability guarantee SQLite looks for another
/// plan whenever a value is bound to some of them, which cost a sixth of the writer's time.
fn keep_plans(db: &Connection) -> Result<(), StoreError> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

/// Takes the dialler role: held as long as the file is open, given back by the kernel
/// however the process ends.
pub(crate) fn lock_dialler(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join("dialler.lock");
    let file = lock_file(&path)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(StoreError::conflict(
            "locked",
            format!("another Campanile dials from {}; stop it first", dir.display()),
        )),
        Err(error) => {
            Err(StoreError::Unavailable(format!("cannot lock {}: {error}", path.display())))
        }
    }
}

fn lock_file(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(|error| {
        StoreError::Unavailable(format!("cannot open {}: {error}", path.display()))
    })
}

fn migrate(db: &mut Connection) -> Result<(), StoreError> {
    let runner = embedded::migrations::runner();
    let ours = runner.get_migrations().iter().map(|each| i64::from(each.version())).max();
    let theirs = if db.table_exists(None, "refinery_schema_history")? {
        sql::first(db, "SELECT max(version) FROM refinery_schema_history", [], |row| {
            row.get::<Option<i64>>()
        })?
        .flatten()
    } else {
        None
    };
    refuse_newer(theirs.unwrap_or(0))?;
    if theirs != ours {
        runner.run(db).map_err(|error| StoreError::Internal(Box::new(error)))?;
    }
    Ok(())
}

/// As it was left by the Campanile whose schema this is.
#[cfg(test)]
pub(crate) fn migrate_to(db: &mut Connection, version: i32) {
    let runner = embedded::migrations::runner();
    runner.set_target(refinery::Target::Version(version)).run(db).expect("the fixture is good");
}

/// A database that a newer Campanile has used is not touched.
pub(crate) fn refuse_newer(theirs: i64) -> Result<(), StoreError> {
    let runner = embedded::migrations::runner();
    let ours = runner.get_migrations().iter().map(|each| i64::from(each.version())).max();
    match ours {
        Some(ours) if theirs > ours => Err(StoreError::conflict(
            "newer_database",
            format!(
                "the database has schema {theirs}, this Campanile knows schema {ours}: \
                 it was used by a newer Campanile; start that version, or restore a backup"
            ),
        )),
        _ => Ok(()),
    }
}

/// File locks and shared memory, on which WAL stands, do not work over a network.
#[cfg(target_os = "linux")]
fn refuse_network(dir: &Path) -> Result<(), StoreError> {
    const NETWORK: [(i64, &str); 4] =
        [(0x6969, "NFS"), (0x517b, "SMB"), (0xfe53_4d42, "SMB"), (0xff53_4d42, "CIFS")];
    let Ok(found) = rustix::fs::statfs(dir) else { return Ok(()) };
    let kind = found.f_type & 0xffff_ffff;
    match NETWORK.iter().find(|(magic, _)| *magic == kind) {
        Some((_, name)) => Err(StoreError::conflict(
            "network_file_system",
            format!(
                "{} lies on a network file system ({name}), where a crash can corrupt the \
                 database; use a local disk",
                dir.display()
            ),
        )),
        None => Ok(()),
    }
}

#[cfg(not(target_os = "linux"))]
fn refuse_network(_dir: &Path) -> Result<(), StoreError> {
    Ok(())
}
