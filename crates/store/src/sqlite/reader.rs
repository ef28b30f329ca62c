//! Connections that only read, each on a thread where blocking is allowed.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::{error::StoreError, sqlite::schema};

/// Connections that exist at most; further readers wait.
const READERS_MAX: usize = 4;

/// A few connections, opened when they are first needed.
pub(crate) struct Readers {
    dir: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    places: Arc<Semaphore>,
}

impl Readers {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir, idle: Arc::default(), places: Arc::new(Semaphore::new(READERS_MAX)) }
    }

    /// Everything that `read` asks for is seen at one moment.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let place = self.places.clone().acquire_owned().await;
        let idle = self.idle.clone();
        let dir = self.dir.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let _place = place;
            let kept = idle.lock().expect("no holder of this lock panics").pop();
            let db = match kept {
                Some(db) => db,
                None => schema::open_reader(&dir)?,
            };
            // A connection whose transaction went wrong is not used again.
            let transaction = db.unchecked_transaction()?;
            let value = read(&transaction);
            transaction.commit()?;
            idle.lock().expect("no holder of this lock panics").push(db);
            value
        });
        reading.await.map_err(|error| StoreError::Internal(Box::new(error)))?
    }
}
