//! API keys: shown once, kept as a hash.

use campanile_domain::ids::KeyId;
use campanile_store::rows::{Key, Scope};

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
pub async fn create(app: &App, who: &Who, name: String, scope: Scope) -> Result<(Key, String)> {
    who.require(Act::Administer)?;
    let name = name.trim().to_owned();
    if name.is_empty() {
        return Err(ServiceError::field("/name", "required", "give the key a name"));
    }
    if name.chars().count() > 200 {
        return Err(ServiceError::field("/name", "too_long", "use at most 200 characters"));
    }
    let minted = mint_key();
    let key = app.store.create_key(name, minted.prefix, minted.hash, scope, app.now()).await?;
    Ok((key, minted.secret))
}

/// Ends a key at once.
pub async fn delete(app: &App, who: &Who, id: KeyId) -> Result<()> {
    who.require(Act::Administer)?;
    Ok(app.store.delete_key(id).await?)
}
