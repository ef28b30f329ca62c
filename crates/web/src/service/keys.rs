//! API keys: shown once, kept as a hash.

use campanile_domain::ids::KeyId;
use campanile_store::rows::{Key, NewKey, Scope};
use jiff::Timestamp;

use crate::{
    app::App,
    auth::{Act, Who, keys::mint_key},
    service::{Result, ServiceError},
};

/// All, in the order they were made.
pub async fn list(app: &App, who: &Who) -> Result<Vec<Key>> {
    who.require(Act::Administer)?;
    let mut keys = app.store.keys().await?;
    keys.sort_by_key(|key| key.id);
    Ok(keys)
}

/// A new key and its secret, which nobody can show again.
///
/// It is not taken any more from `expires_at` on.
pub async fn create(
    app: &App,
    who: &Who,
    name: String,
    scope: Scope,
    expires_at: Option<Timestamp>,
) -> Result<(Key, String)> {
    who.require(Act::Administer)?;
    let name = name.trim().to_owned();
    if name.is_empty() {
        return Err(ServiceError::field("/name", "required", "give the key a name"));
    }
    if name.chars().count() > 200 {
        return Err(ServiceError::field("/name", "too_long", "use at most 200 characters"));
    }
    if expires_at.is_some_and(|at| at <= app.now()) {
        return Err(ServiceError::field("/expires_at", "past", "use a time that is to come"));
    }
    let minted = mint_key();
    let new = NewKey { name, prefix: minted.prefix, hash: minted.hash, scope, expires_at };
    let key = app.store.add_key(new, app.now()).await?;
    Ok((key, minted.secret))
}

/// Ends another key at once.
pub async fn delete(app: &App, who: &Who, id: KeyId) -> Result<()> {
    who.require(Act::Administer)?;
    if who.actor.id == id.to_string() {
        return Err(ServiceError::Conflict {
            code: "yourself",
            message: "a key does not end itself; use another one or the console".into(),
        });
    }
    Ok(app.store.delete_key(id).await?)
}
