//! Changes to users, and the sign-ins that they have.

use campanile_domain::ids::UserId;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::{
    error::StoreError,
    rows::{Role, SignIn, User, UserChange},
    sqlite::{
        batch::Batch,
        people,
        sql::{self, ms},
    },
};

/// Sign-ins that are listed at most.
const SIGN_INS: u32 = 500;

/// Another role or password, or no access any more. Whatever changes who he is ends his
/// sign-ins.
pub(crate) fn change_user(
    batch: &mut Batch<'_>,
    id: UserId,
    change: UserChange,
    now: Timestamp,
) -> Result<User, StoreError> {
    let mut user = people::user(batch.db, id)?;
    let before = user.clone();
    if let Some(role) = change.role {
        user.role = role;
    }
    if let Some(hash) = change.password_hash {
        user.password_hash = hash;
    }
    if let Some(enabled) = change.enabled {
        user.disabled_at = if enabled { None } else { user.disabled_at.or(Some(now)) };
    }
    if user == before {
        return Ok(user);
    }
    sql::run(
        batch.db,
        "UPDATE user SET role = ?2, password_hash = ?3, disabled_at = ?4 WHERE id = ?1",
        params![id.0, user.role.code(), user.password_hash, user.disabled_at.map(ms)],
    )?;
    if administers(&before) {
        keep_an_admin(batch.db)?;
    }
    end_sign_ins(batch, id, None)?;
    Ok(user)
}

/// Takes a user and his sign-ins away; what he did keeps his name.
pub(crate) fn delete_user(batch: &mut Batch<'_>, id: UserId) -> Result<(), StoreError> {
    let user = people::user(batch.db, id)?;
    sql::run(batch.db, "DELETE FROM user WHERE id = ?1", [id.0])?;
    if administers(&user) {
        keep_an_admin(batch.db)?;
    }
    end_sign_ins(batch, id, None)?;
    Ok(())
}

fn administers(user: &User) -> bool {
    user.role == Role::Admin && user.disabled_at.is_none()
}

/// Refuses what would leave nobody who can administer.
fn keep_an_admin(db: &Connection) -> Result<(), StoreError> {
    let left = sql::first(
        db,
        "SELECT id FROM user WHERE role = ?1 AND disabled_at IS NULL",
        [Role::Admin.code()],
        |row| row.get::<i64>(),
    )?;
    if left.is_some() {
        return Ok(());
    }
    Err(StoreError::conflict(
        "last_admin",
        "nobody could administer any more; make somebody else an administrator first",
    ))
}

/// Those that have not expired.
pub(crate) fn sign_ins(
    db: &Connection,
    id: UserId,
    now: Timestamp,
) -> Result<Vec<SignIn>, StoreError> {
    people::user(db, id)?;
    Ok(sql::all(
        db,
        "SELECT substr(lower(hex(id_hash)), 1, 16), data ->> '$.since', data ->> '$.seen', expires_at
         FROM session
         WHERE expires_at > ?2 AND data ->> '$.user' = ?1
         ORDER BY 2 DESC LIMIT ?3",
        params![id.to_string(), ms(now), SIGN_INS],
        |row| {
            let time = |text: Option<String>| text.and_then(|text| text.parse().ok());
            Ok(SignIn {
                id: row.get()?,
                since: time(row.get()?),
                seen_at: time(row.get()?),
                expires_at: row.at()?,
            })
        },
    )?)
}

/// Ends one sign-in of a user, or all; how many there were.
pub(crate) fn end_sign_ins(
    batch: &mut Batch<'_>,
    id: UserId,
    sign_in: Option<&str>,
) -> Result<usize, StoreError> {
    Ok(sql::run(
        batch.db,
        "DELETE FROM session WHERE data ->> '$.user' = ?1
             AND (?2 IS NULL OR substr(lower(hex(id_hash)), 1, 16) = ?2)",
        params![id.to_string(), sign_in],
    )?)
}
