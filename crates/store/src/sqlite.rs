//! The store on SQLite: one data directory, one thread that writes, a few connections
//! that read.

mod accounts;
mod activity;
mod attempt;
mod awaited;
pub(crate) mod backup;
mod batch;
mod callbacks;
mod campaigns;
mod chores;
mod claims;
mod contacts;
mod counters;
mod dial;
pub(crate) mod do_not_call;
mod exclusions;
mod failover;
mod garbage;
mod imports;
mod metadata;
mod people;
mod reader;
mod recount;
mod removal;
mod replies;
mod report;
mod restarts;
mod runs;
mod schema;
mod setup;
mod sql;
#[cfg(test)]
mod tests;
mod triggers;
mod verbs;
mod writer;

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Mutex,
};

use campanile_domain::ids::IdSource;
use jiff::Timestamp;
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::sync::broadcast;

use crate::{
    error::StoreError,
    sqlite::{
        awaited::Awaited,
        batch::Batch,
        imports::Seen,
        reader::Readers,
        writer::{Lane, Writer},
    },
    store::Change,
};

/// Changes that a slow receiver may fall behind before it is told to read everything
/// anew.
const CHANGES_MAX: usize = 1_024;

/// One data directory.
pub(crate) struct Sqlite {
    // Fields are dropped in this order: the writer ends before its directory goes.
    writer: Writer,
    readers: Readers,
    seen: Seen,
    awaited: Awaited,
    changes: broadcast::Sender<Change>,
    dir: PathBuf,
    dialler: Mutex<Option<File>>,
    _temporary: Option<TempDir>,
}

impl Sqlite {
    pub(crate) fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_in(dir.to_owned(), None)
    }

    pub(crate) fn open_temporary() -> Result<Self, StoreError> {
        let dir = TempDir::with_prefix("campanile-")
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Self::open_in(dir.path().to_owned(), Some(dir))
    }

    fn open_in(dir: PathBuf, temporary: Option<TempDir>) -> Result<Self, StoreError> {
        let db = schema::open(&dir)?;
        let ids = IdSource::new(Timestamp::now().as_millisecond(), rand::random());
        let (changes, _) = broadcast::channel(CHANGES_MAX);
        Ok(Self {
            writer: Writer::start(db, ids, changes.clone())?,
            readers: Readers::new(dir.clone()),
            seen: Seen::default(),
            awaited: Awaited::default(),
            changes,
            dir,
            dialler: Mutex::default(),
            _temporary: temporary,
        })
    }

    pub(crate) fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    pub(crate) fn lock_dialler(&self) -> Result<(), StoreError> {
        let mut held = self.dialler.lock().expect("no holder of this lock panics");
        if held.is_none() {
            *held = Some(schema::lock_dialler(&self.dir)?);
        }
        Ok(())
    }

    pub(crate) async fn write<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&mut Batch<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.write(Lane::People, verb).await
    }

    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.read(read).await
    }
}
