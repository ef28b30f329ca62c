//! Console sessions: tower-sessions over our own table, which keeps only the
//! SHA-256 of the session id.

use std::{collections::HashMap, fmt};

use async_trait::async_trait;
use campanile_store::{Store, StoreError, rows};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use tower_sessions::{
    Expiry, SessionManagerLayer, SessionStore,
    cookie::SameSite,
    session::{Id, Record},
    session_store,
};

use crate::app::{App, Clock};

/// A session ends after so long without a request.
pub const IDLE: SignedDuration = SignedDuration::from_hours(12);
/// A session ends so long after its sign-in, however busy it is.
pub const WHOLE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Name of the session cookie.
pub const COOKIE: &str = "sid";

/// The layer that gives handlers their session.
pub(crate) fn layer(app: &App) -> SessionManagerLayer<Sessions> {
    let clock = app.clone();
    SessionManagerLayer::new(Sessions {
        store: app.store.clone(),
        clock: std::sync::Arc::new(move || clock.now()),
    })
    .with_name(COOKIE)
    .with_http_only(true)
    .with_same_site(SameSite::Lax)
    .with_secure(app.is_https())
    .with_expiry(Expiry::OnInactivity(time::Duration::seconds(IDLE.as_secs())))
}

/// SHA-256 of a session id, as it is kept.
pub(crate) fn hash_of(id: &Id) -> [u8; 32] {
    Sha256::digest(id.to_string().as_bytes()).into()
}

/// Sessions in the store.
#[derive(Clone)]
pub(crate) struct Sessions {
    store: Store,
    clock: Clock,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Sessions").finish_non_exhaustive()
    }
}

#[async_trait]
impl SessionStore for Sessions {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        // 127 bits of chance: a collision is not a case.
        self.save(record).await
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        let data = serde_json::to_string(&record.data)
            .map_err(|error| session_store::Error::Encode(error.to_string()))?;
        let session = rows::Session {
            id_hash: hash_of(&record.id),
            data,
            // By our clock, which tests fix, not by the record's, which they cannot.
            expires_at: (self.clock)().saturating_add(IDLE).unwrap_or(Timestamp::MAX),
        };
        self.store.save_session(session).await.map_err(backend)
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        let kept = self.store.session(hash_of(id), (self.clock)()).await.map_err(backend)?;
        let Some(kept) = kept else { return Ok(None) };
        let data: HashMap<String, Value> = serde_json::from_str(&kept.data)
            .map_err(|error| session_store::Error::Decode(error.to_string()))?;
        let expiry_date = OffsetDateTime::from_unix_timestamp(kept.expires_at.as_second())
            .map_err(|error| session_store::Error::Decode(error.to_string()))?;
        Ok(Some(Record { id: *id, data, expiry_date }))
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        self.store.delete_session(hash_of(id)).await.map_err(backend)
    }
}

fn backend(error: StoreError) -> session_store::Error {
    session_store::Error::Backend(error.to_string())
}
