//! The whole database into one file while it is in use, and back.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
};

use crate::{
    error::StoreError,
    sqlite::{
        schema::{self, FILE},
        sql,
    },
};

type Result<T> = std::result::Result<T, StoreError>;

/// Pages between two reports of progress: 16 MB.
const PAGES_AT_ONCE: i32 = 4_096;

/// What belongs to a database besides its main file.
const COMPANIONS: [&str; 3] = ["", "-wal", "-shm"];

/// What a backup file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupFacts {
    /// Its size.
    pub bytes: u64,
    /// The newest migration that ran on it.
    pub schema: i64,
    /// Campaigns in it.
    pub campaigns: u64,
    /// Attempts in it.
    pub attempts: u64,
}

/// A backup that is in its place. No server starts there while this lives.
#[derive(Debug)]
pub struct Restored {
    /// What it holds.
    pub facts: BackupFacts,
    /// Where the database is now that was there before.
    pub aside: Option<PathBuf>,
    _role: File,
}

/// Writes the database in `dir` as it is at one moment into the new file `to`, whoever
/// uses it meanwhile. `progress` is told how many pages of how many are copied. The
/// file appears under its name only when it is whole, checked and on the disk.
///
/// # Errors
///
/// `Conflict` when `to` exists or there is no database; `Unavailable` when a file
/// cannot be read or written; `Internal` when the database is damaged.
pub(crate) fn backup(
    dir: &Path,
    to: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<BackupFacts> {
    if to.exists() {
        return Err(exists(to));
    }
    if !dir.join(FILE).exists() {
        return Err(StoreError::conflict(
            "no_database",
            format!("there is no database in {}", dir.display()),
        ));
    }
    let source = schema::open_reader(dir)?;
    let partial = beside(to, ".partial");
    create_private(&partial)?;
    let copied = copy(&source, &partial, &mut progress).and_then(|()| {
        let facts = inspect(&partial)?;
        // A link fails where a rename would overwrite.
        fs::hard_link(&partial, to).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => exists(to),
            _ => cannot("write", to, &error),
        })?;
        sync_folder(to)?;
        Ok(facts)
    });
    // Whatever came of it; the file itself has its own name now.
    let _ = fs::remove_file(&partial);
    copied
}

fn copy(source: &Connection, to: &Path, progress: &mut impl FnMut(u64, u64)) -> Result<()> {
    let mut copy = Connection::open(to)?;
    // One view for the whole copy: without it every commit of the server would begin
    // the copy anew.
    let view = source.unchecked_transaction()?;
    sql::first(&view, "SELECT 1 FROM sqlite_schema LIMIT 1", [], |_| Ok(()))?;
    {
        let backup = Backup::new(&view, &mut copy)?;
        loop {
            let step = backup.step(PAGES_AT_ONCE)?;
            let now = backup.progress();
            let [all, left] = [now.pagecount, now.remaining].map(|pages| pages.unsigned_abs());
            progress(u64::from(all - left.min(all)), u64::from(all));
            match step {
                StepResult::Done => break,
                StepResult::More => {}
                // Somebody recovers the WAL after a crash, or takes a checkpoint.
                _ => std::thread::sleep(std::time::Duration::from_millis(50)),
            }
        }
    }
    view.commit()?;
    // A file alone, without a WAL beside it.
    copy.pragma_update(None, "journal_mode", "DELETE")?;
    drop(copy);
    File::open(to).and_then(|file| file.sync_all()).map_err(|error| cannot("sync", to, &error))
}

/// Puts a backup in the place of the database in `dir`, which nobody may be using. What
/// was there is kept in a folder beside it.
///
/// # Errors
///
/// `Conflict` when a server runs there, when there is a database and not `force`, or
/// when the backup is of a newer version; `Internal` when the backup is damaged.
pub(crate) fn restore(dir: &Path, from: &Path, force: bool, now: Timestamp) -> Result<Restored> {
    let facts = inspect(from)?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| cannot("create", dir, &error))?;
    // Held to the end: no server starts in between.
    let role = schema::lock_dialler(dir)?;
    let kept: Vec<String> = COMPANIONS.iter().map(|end| format!("{FILE}{end}")).collect();
    let kept: Vec<String> = kept.into_iter().filter(|name| dir.join(name).exists()).collect();
    if !kept.is_empty() && !force {
        return Err(StoreError::conflict(
            "data_exists",
            format!(
                "there is a database in {} already; with --force it is put aside and replaced",
                dir.display()
            ),
        ));
    }
    let restoring = dir.join(format!("{FILE}.restoring"));
    let _ = fs::remove_file(&restoring);
    let mut copy = create_private(&restoring)?;
    File::open(from)
        .and_then(|mut backup| io::copy(&mut backup, &mut copy))
        .and_then(|_| copy.sync_all())
        .map_err(|error| cannot("write", &restoring, &error))?;
    let aside = put_aside(dir, &kept, now)?;
    let target = dir.join(FILE);
    fs::rename(&restoring, &target).map_err(|error| cannot("write", &target, &error))?;
    sync_folder(&target)?;
    Ok(Restored { facts, aside, _role: role })
}

fn put_aside(dir: &Path, names: &[String], now: Timestamp) -> Result<Option<PathBuf>> {
    if names.is_empty() {
        return Ok(None);
    }
    let aside = dir.join(format!("replaced-{}", now.strftime("%Y%m%dT%H%M%SZ")));
    DirBuilder::new()
        .mode(0o700)
        .create(&aside)
        .map_err(|error| cannot("create", &aside, &error))?;
    for name in names {
        fs::rename(dir.join(name), aside.join(name))
            .map_err(|error| cannot("move", &dir.join(name), &error))?;
    }
    sync_folder(&aside.join(FILE))?;
    Ok(Some(aside))
}

/// Reads a backup file from its first page to its last.
fn inspect(path: &Path) -> Result<BackupFacts> {
    let length = fs::metadata(path).map_err(|error| cannot("read", path, &error))?.len();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let damaged = |what: &dyn std::fmt::Display| {
        StoreError::conflict("not_a_backup", format!("{} is no backup: {what}", path.display()))
    };
    let db = Connection::open_with_flags(path, flags).map_err(|error| damaged(&error))?;
    let found: String = db
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(|error| damaged(&error))?;
    if found != "ok" {
        return Err(damaged(&found));
    }
    let count = |statement: &str| -> Result<i64> {
        let found = sql::first(&db, statement, [], |row| row.get::<Option<i64>>());
        Ok(found.map_err(|error| damaged(&error))?.flatten().unwrap_or(0))
    };
    let schema = count("SELECT max(version) FROM refinery_schema_history")?;
    schema::refuse_newer(schema)?;
    Ok(BackupFacts {
        bytes: length,
        schema,
        campaigns: count("SELECT count(*) FROM campaign")?.unsigned_abs(),
        attempts: count("SELECT count(*) FROM attempt")?.unsigned_abs(),
    })
}

/// A new file that only its owner may read: it holds telephone numbers and the hashes
/// of passwords and keys.
fn create_private(path: &Path) -> Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.map_err(|error| cannot("create", path, &error))
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// A new name is durable only with the folder that holds it.
fn sync_folder(of: &Path) -> Result<()> {
    let folder = match of.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| cannot("sync", folder, &error))
}

fn exists(path: &Path) -> StoreError {
    StoreError::conflict("exists", format!("{} exists already", path.display()))
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> StoreError {
    StoreError::Unavailable(format!("cannot {what} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_backup_is_refused_and_nothing_is_touched() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        drop(schema::open(&data).unwrap());
        let before = fs::read(data.join(FILE)).unwrap();
        let from = dir.path().join("backup.db");
        for garbage in ["", "SQLite format 3\0 and then nothing", "hello"] {
            fs::write(&from, garbage).unwrap();
            let refused = restore(&data, &from, true, Timestamp::now());
            let Err(StoreError::Conflict { code, .. }) = refused else {
                panic!("{garbage:?}: {refused:?}");
            };
            assert_eq!(code, "not_a_backup", "{garbage:?}");
            assert_eq!(fs::read(data.join(FILE)).unwrap(), before);
        }
    }

    #[test]
    fn a_damaged_page_is_found_before_anything_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        drop(schema::open(&data).unwrap());
        let to = dir.path().join("backup.db");
        backup(&data, &to, |_, _| {}).unwrap();
        let mut bytes = fs::read(&to).unwrap();
        bytes[4_096..12_288].fill(0xA5);
        fs::write(&to, bytes).unwrap();
        let refused = restore(&data, &to, true, Timestamp::now());
        assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    }

    #[test]
    fn a_backup_overwrites_nothing_and_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;

        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        drop(schema::open(&data).unwrap());
        let to = dir.path().join("backup.db");
        let mut told = Vec::new();
        let facts = backup(&data, &to, |done, all| told.push((done, all))).unwrap();
        assert_eq!(told.last().map(|(done, all)| done == all), Some(true));
        assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(facts.bytes, fs::metadata(&to).unwrap().len());
        let refused = backup(&data, &to, |_, _| {});
        assert!(matches!(refused, Err(StoreError::Conflict { code: "exists", .. })));

        let refused = restore(&data, &to, false, Timestamp::now());
        assert!(matches!(refused, Err(StoreError::Conflict { code: "data_exists", .. })));
        let restored = restore(&data, &to, true, Timestamp::now()).unwrap();
        assert!(restored.aside.unwrap().join(FILE).exists(), "what was there is kept");
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|each| each.unwrap()).collect();
        assert_eq!(left.len(), 2, "nothing but the data and the backup: {left:?}");
    }
}
