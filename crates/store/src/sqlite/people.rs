//! Users, API keys and console sessions.

use campanile_domain::ids::{KeyId, UserId};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::{
    error::StoreError,
    rows::{Key, NewKey, Role, Scope, Session, User},
    sqlite::{
        batch::Batch,
        sql::{self, Cells, ms},
    },
};

/// How precisely the last use of a key is kept: every request would be a write else.
const TOUCH_MS: i64 = 60_000;

/// A new user. Addresses are kept in lower case.
pub(crate) fn create_first_user(
    batch: &mut Batch<'_>,
    email: &str,
    password_hash: String,
    now: Timestamp,
) -> Result<User, StoreError> {
    if !users(batch.db)?.is_empty() {
        return Err(StoreError::conflict(
            "setup_done",
            "somebody has an account already; sign in, or let an administrator make you one",
        ));
    }
    create_user(batch, email, Role::Admin, password_hash, now)
}

pub(crate) fn create_user(
    batch: &mut Batch<'_>,
    email: &str,
    role: Role,
    password_hash: String,
    now: Timestamp,
) -> Result<User, StoreError> {
    let email = folded(email);
    if user_by_email(batch.db, &email)?.is_some() {
        return Err(StoreError::conflict("exists", format!("{email} has an account already")));
    }
    let id = UserId(batch.ids.block(ms(now), 1));
    sql::run(
        batch.db,
        "INSERT INTO user (id, email, role, password_hash, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5)",
        params![id.0, email, role.code(), password_hash, ms(now)],
    )?;
    Ok(User { id, email, role, password_hash, created_at: now, disabled_at: None })
}

fn folded(email: &str) -> String {
    email.trim().to_lowercase()
}

pub(crate) fn users(db: &Connection) -> Result<Vec<User>, StoreError> {
    let statement = "SELECT id, email, role, password_hash, created_at, disabled_at
                     FROM user ORDER BY id";
    Ok(sql::all(db, statement, [], read_user)?)
}

pub(crate) fn user(db: &Connection, id: UserId) -> Result<User, StoreError> {
    let statement = "SELECT id, email, role, password_hash, created_at, disabled_at
                     FROM user WHERE id = ?1";
    sql::first(db, statement, [id.0], read_user)?.ok_or(StoreError::NotFound("user"))
}

pub(crate) fn user_by_email(db: &Connection, email: &str) -> Result<Option<User>, StoreError> {
    let statement = "SELECT id, email, role, password_hash, created_at, disabled_at
                     FROM user WHERE email = ?1";
    Ok(sql::first(db, statement, [folded(email)], read_user)?)
}

fn read_user(row: &mut Cells<'_>) -> rusqlite::Result<User> {
    Ok(User {
        id: UserId(row.get()?),
        email: row.get()?,
        role: row.code(Role::from_code)?,
        password_hash: row.get()?,
        created_at: row.at()?,
        disabled_at: row.maybe_at()?,
    })
}

/// A new key; the key itself is not among the arguments.
pub(crate) fn create_key(
    batch: &mut Batch<'_>,
    new: NewKey,
    now: Timestamp,
) -> Result<Key, StoreError> {
    let NewKey { name, prefix, hash, scope, expires_at } = new;
    if key_by_prefix(batch.db, &prefix)?.is_some() {
        return Err(StoreError::conflict("exists", format!("there is a key {prefix} already")));
    }
    let id = KeyId(batch.ids.block(ms(now), 1));
    sql::run(
        batch.db,
        "INSERT INTO api_key (id, name, prefix, hash, scope, created_at, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![id.0, name, prefix, hash, scope.code(), ms(now), expires_at.map(ms)],
    )?;
    Ok(Key { id, name, prefix, hash, scope, created_at: now, expires_at, last_used_at: None })
}

/// Ends a key.
pub(crate) fn delete_key(batch: &mut Batch<'_>, id: KeyId) -> Result<(), StoreError> {
    match sql::run(batch.db, "DELETE FROM api_key WHERE id = ?1", [id.0])? {
        0 => Err(StoreError::NotFound("key")),
        _ => Ok(()),
    }
}

/// Whether the use of a key now is worth a write.
pub(crate) fn is_stale(db: &Connection, id: KeyId, now: Timestamp) -> Result<bool, StoreError> {
    let found = sql::first(
        db,
        "SELECT last_used_at IS NULL OR last_used_at <= ?2 FROM api_key WHERE id = ?1",
        params![id.0, ms(now) - TOUCH_MS],
        |row| row.get(),
    )?;
    found.ok_or(StoreError::NotFound("key"))
}

pub(crate) fn touch_key(
    batch: &mut Batch<'_>,
    id: KeyId,
    now: Timestamp,
) -> Result<(), StoreError> {
    sql::run(
        batch.db,
        "UPDATE api_key SET last_used_at = max(coalesce(last_used_at, ?2), ?2) WHERE id = ?1",
        params![id.0, ms(now)],
    )?;
    Ok(())
}

pub(crate) fn keys(db: &Connection) -> Result<Vec<Key>, StoreError> {
    let statement = "SELECT id, name, prefix, hash, scope, created_at, expires_at, last_used_at
                     FROM api_key ORDER BY id";
    Ok(sql::all(db, statement, [], read_key)?)
}

pub(crate) fn key_by_prefix(db: &Connection, prefix: &str) -> Result<Option<Key>, StoreError> {
    let statement = "SELECT id, name, prefix, hash, scope, created_at, expires_at, last_used_at
                     FROM api_key WHERE prefix = ?1";
    Ok(sql::first(db, statement, [prefix], read_key)?)
}

fn read_key(row: &mut Cells<'_>) -> rusqlite::Result<Key> {
    Ok(Key {
        id: KeyId(row.get()?),
        name: row.get()?,
        prefix: row.get()?,
        hash: row.get()?,
        scope: row.code(Scope::from_code)?,
        created_at: row.at()?,
        expires_at: row.maybe_at()?,
        last_used_at: row.maybe_at()?,
    })
}

/// Creates or replaces a session, and takes away some that expired before `now`.
pub(crate) fn save_session(
    batch: &mut Batch<'_>,
    session: &Session,
    now: Timestamp,
) -> Result<(), StoreError> {
    sql::run(
        batch.db,
        "INSERT INTO session (id_hash, data, expires_at) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET data = excluded.data, expires_at = excluded.expires_at",
        params![session.id_hash, session.data, ms(session.expires_at)],
    )?;
    sql::run(
        batch.db,
        "DELETE FROM session WHERE id_hash IN
             (SELECT id_hash FROM session WHERE expires_at <= ?1 LIMIT 100)",
        [ms(now)],
    )?;
    Ok(())
}

pub(crate) fn session(
    db: &Connection,
    id_hash: [u8; 32],
    now: Timestamp,
) -> Result<Option<Session>, StoreError> {
    Ok(sql::first(
        db,
        "SELECT data, expires_at FROM session WHERE id_hash = ?1 AND expires_at > ?2",
        params![id_hash, ms(now)],
        |row| Ok(Session { id_hash, data: row.get()?, expires_at: row.at()? }),
    )?)
}

pub(crate) fn delete_session(batch: &mut Batch<'_>, id_hash: [u8; 32]) -> Result<(), StoreError> {
    sql::run(batch.db, "DELETE FROM session WHERE id_hash = ?1", [id_hash])?;
    Ok(())
}
