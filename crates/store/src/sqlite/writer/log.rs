//! The write-ahead log, watched: a reader that never ends keeps it from being used again.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use rusqlite::Connection;

/// It stays near 16 MB while checkpoints can be taken; from here on somebody is told.
const ALARM_BYTES: u64 = 256 << 20;

/// Between two lines in the log about the same trouble.
const QUIET: Duration = Duration::from_secs(60);

/// The file beside the database.
#[derive(Debug)]
pub(super) struct WriteAheadLog {
    path: PathBuf,
    told: Option<Instant>,
}

impl WriteAheadLog {
    pub(super) fn of(db: &Connection) -> Self {
        let mut path = db.path().unwrap_or_default().to_owned();
        path.push_str("-wal");
        Self { path: path.into(), told: None }
    }

    /// Its size in bytes; whoever reads our log is told when it is alarming.
    pub(super) fn look(&mut self) -> u64 {
        let bytes = std::fs::metadata(&self.path).map_or(0, |file| file.len());
        if is_alarming(bytes) && self.told.is_none_or(|told| told.elapsed() >= QUIET) {
            self.told = Some(Instant::now());
            tracing::warn!(
                wal.bytes = bytes,
                "The write-ahead log of the database has grown to {} MB: something reads one view \
                 of it for long (a backup, another program) and keeps it from being used again",
                bytes >> 20
            );
        }
        bytes
    }
}

fn is_alarming(bytes: u64) -> bool {
    bytes > ALARM_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_begins_above_the_limit_and_is_told_once_a_minute() {
        let dir = tempfile::tempdir().unwrap();
        let db = Connection::open(dir.path().join("x.db")).unwrap();
        let mut log = WriteAheadLog::of(&db);
        assert_eq!((log.look(), log.told), (0, None));
        let file = std::fs::File::create(dir.path().join("x.db-wal")).unwrap();
        file.set_len(ALARM_BYTES).unwrap();
        assert_eq!((log.look(), log.told), (ALARM_BYTES, None));
        file.set_len(ALARM_BYTES + 1).unwrap();
        assert_eq!(log.look(), ALARM_BYTES + 1);
        let told = log.told.expect("somebody was told");
        log.look();
        assert_eq!(log.told, Some(told));
    }
}
