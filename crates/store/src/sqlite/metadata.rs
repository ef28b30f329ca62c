//! Contacts by their metadata: a key is made findable the first time somebody asks for it,
//! and kept so by everyone who writes contacts afterwards.
//!
//! A campaign of a million contacts whose metadata nobody ever asks for pays nothing for it.

use campanile_domain::{
    exclusion::{Selector, comparable},
    ids::{CampaignId, ContactId},
};
use rusqlite::{Connection, params};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::{
    error::StoreError,
    sqlite::{
        batch::Batch,
        chores::{Budget, Chore, Task},
        sql,
    },
};

/// Contacts read between two looks at the clock.
const AT_ONCE: u32 = 500;

/// Keys that a campaign keeps findable at most: each costs a row for every contact.
const KEYS_MAX: i64 = 16;

/// Contacts with one value of one key.
pub(crate) const OF_VALUE: &str = "SELECT contact FROM metadata_value
     WHERE key = ?1 AND hash = ?2 AND contact > ?3 ORDER BY contact LIMIT ?4";

/// A key that is findable, or is being made so.
struct Key {
    id: i64,
    name: String,
}

/// The keys of a campaign.
fn keys(db: &Connection, campaign: CampaignId) -> rusqlite::Result<Vec<Key>> {
    let statement = "SELECT id, key FROM metadata_key WHERE campaign = ?1";
    sql::all(db, statement, [campaign.0], |row| Ok(Key { id: row.get()?, name: row.get()? }))
}

/// Begins to make these keys findable; the chores that are still needed.
pub(crate) fn begin(
    batch: &mut Batch<'_>,
    campaign: CampaignId,
    names: &[String],
) -> Result<Vec<Task>, StoreError> {
    let mut tasks = Vec::new();
    for name in names {
        let found = sql::first(
            batch.db,
            "SELECT id, cursor FROM metadata_key WHERE campaign = ?1 AND key = ?2",
            params![campaign.0, name],
            |row| Ok((row.get::<i64>()?, row.get::<Option<i64>>()?)),
        )?;
        match found {
            Some((_, None)) => {}
            Some((id, Some(_))) => tasks.push(Task::IndexMetadata(id)),
            None => tasks.push(Task::IndexMetadata(insert(batch.db, campaign, name)?)),
        }
    }
    Ok(tasks)
}

fn insert(db: &Connection, campaign: CampaignId, name: &str) -> Result<i64, StoreError> {
    let known = sql::first(
        db,
        "SELECT count(*) FROM metadata_key WHERE campaign = ?1",
        [campaign.0],
        |row| row.get::<i64>(),
    )?;
    if known.unwrap_or(0) >= KEYS_MAX {
        return Err(StoreError::invalid(
            "/match",
            "too_many_keys",
            format!("contacts of one campaign are excluded by at most {KEYS_MAX} different keys"),
        ));
    }
    sql::run(
        db,
        "INSERT INTO metadata_key (campaign, key, cursor) VALUES (?1, ?2, 0)",
        params![campaign.0, name],
    )?;
    Ok(db.last_insert_rowid())
}

/// One piece of making a key findable; whether that was the last.
pub(crate) fn index(batch: &mut Batch<'_>, key: i64, budget: &Budget) -> Result<bool, StoreError> {
    let found = sql::first(
        batch.db,
        "SELECT campaign, key, cursor FROM metadata_key WHERE id = ?1",
        [key],
        |row| Ok((row.get::<i64>()?, row.get::<String>()?, row.get::<Option<i64>>()?)),
    )?;
    let Some((campaign, name, Some(mut cursor))) = found else { return Ok(true) };
    let key = Key { id: key, name };
    let finished = loop {
        let rows = sql::all(
            batch.db,
            "SELECT contact_phone.phone, contact.id, contact.variables
             FROM contact_phone JOIN contact ON contact.id = contact_phone.contact
             WHERE contact_phone.campaign = ?1 AND contact_phone.phone > ?2
             ORDER BY contact_phone.phone LIMIT ?3",
            params![campaign, cursor, AT_ONCE],
            |row| Ok((row.get::<i64>()?, ContactId(row.get()?), row.json::<Map<_, _>>()?)),
        )?;
        for (phone, contact, variables) in &rows {
            enter(batch.db, &key, *contact, variables)?;
            cursor = *phone;
        }
        if rows.len() < AT_ONCE as usize {
            break true;
        }
        if budget.is_spent() {
            break false;
        }
    };
    sql::run(
        batch.db,
        "UPDATE metadata_key SET cursor = ?2 WHERE id = ?1",
        params![key.id, (!finished).then_some(cursor)],
    )?;
    Ok(finished)
}

fn enter(
    db: &Connection,
    key: &Key,
    contact: ContactId,
    variables: &Map<String, Value>,
) -> rusqlite::Result<()> {
    let Some(value) = variables.get(&key.name).and_then(comparable) else { return Ok(()) };
    sql::run(
        db,
        "INSERT INTO metadata_value (key, hash, contact) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        params![key.id, hash_of(&value), contact.0],
    )?;
    Ok(())
}

/// Keeps the findable keys of a contact that was added, or whose metadata changed.
pub(crate) fn keep(
    db: &Connection,
    campaign: CampaignId,
    contact: ContactId,
    variables: &Map<String, Value>,
) -> rusqlite::Result<()> {
    for key in keys(db, campaign)? {
        enter(db, &key, contact, variables)?;
    }
    Ok(())
}

/// The same for contacts of a file, behind the id `after` up to `last`.
pub(crate) fn keep_all(
    db: &Connection,
    campaign: CampaignId,
    import: i64,
    after: i64,
    last: i64,
) -> rusqlite::Result<()> {
    let keys = keys(db, campaign)?;
    if keys.is_empty() {
        return Ok(());
    }
    let rows = sql::all(
        db,
        "SELECT id, variables FROM contact WHERE id > ?1 AND id <= ?2 AND import = ?3",
        params![after, last, import],
        |row| Ok((ContactId(row.get()?), row.json::<Map<_, _>>()?)),
    )?;
    for (contact, variables) in &rows {
        for key in &keys {
            enter(db, key, *contact, variables)?;
        }
    }
    Ok(())
}

/// The next contacts that a selector by metadata means, behind the contact `after`, looked up
/// by its first key; and the last contact that was looked at, `None` when there are no more.
pub(crate) fn find(
    db: &Connection,
    campaign: CampaignId,
    selector: &Selector,
    after: i64,
    limit: u32,
) -> Result<(Vec<ContactId>, Option<i64>), StoreError> {
    let Selector::Metadata(values) = selector else { return Ok((Vec::new(), None)) };
    // Of two keys the rarer one would be the better: nobody has counted, and a look at a
    // contact costs microseconds.
    let Some((name, value)) = values.first() else { return Ok((Vec::new(), None)) };
    let key = sql::first(
        db,
        "SELECT id FROM metadata_key WHERE campaign = ?1 AND key = ?2 AND cursor IS NULL",
        params![campaign.0, name],
        |row| row.get::<i64>(),
    )?;
    let Some(key) = key else {
        return Err(StoreError::Unavailable(format!("`{name}` is still being made findable")));
    };
    let params = params![key, hash_of(value), after, limit];
    let candidates = sql::all(db, OF_VALUE, params, |row| row.get::<i64>())?;
    let mut found = Vec::new();
    for contact in &candidates {
        let row = sql::first(
            db,
            "SELECT contact.phone, contact.variables
             FROM contact JOIN contact_phone ON contact_phone.campaign = contact.campaign
                 AND contact_phone.phone = contact.phone AND contact_phone.contact = contact.id
             WHERE contact.id = ?1 AND contact.campaign = ?2",
            params![contact, campaign.0],
            |row| Ok((row.phone()?, row.json::<Map<_, _>>()?)),
        )?;
        if row.is_some_and(|(phone, variables)| selector.means(phone, &variables)) {
            found.push(ContactId(*contact));
        }
    }
    let more = candidates.len() == limit as usize;
    Ok((found, candidates.last().copied().filter(|_| more)))
}

/// What a deleted campaign kept findable goes, as long as the budget lasts; whether nothing is
/// left.
pub(crate) fn take_away(
    db: &Connection,
    campaign: CampaignId,
    budget: &Budget,
) -> Result<bool, StoreError> {
    for key in keys(db, campaign)? {
        loop {
            let gone = sql::run(
                db,
                "DELETE FROM metadata_value WHERE (key, hash, contact) IN
                     (SELECT key, hash, contact FROM metadata_value WHERE key = ?1 LIMIT ?2)",
                params![key.id, AT_ONCE],
            )?;
            if gone == 0 {
                break;
            }
            if budget.is_spent() {
                return Ok(false);
            }
        }
        sql::run(db, "DELETE FROM metadata_key WHERE id = ?1", [key.id])?;
    }
    Ok(true)
}

/// Keys whose contacts were not all walked when the process ended.
pub(crate) fn unfinished(db: &Connection) -> rusqlite::Result<Vec<Chore>> {
    sql::all(db, "SELECT id FROM metadata_key WHERE cursor IS NOT NULL", [], |row| {
        Ok(Chore::new(Task::IndexMetadata(row.get()?)))
    })
}

/// 63 bits of SHA-256: two values rarely share one, and whoever looks up compares the value.
fn hash_of(value: &str) -> i64 {
    let digest = Sha256::digest(value);
    let bytes: [u8; 8] = digest[..8].try_into().expect("a digest has 32 bytes");
    i64::from_be_bytes(bytes) & i64::MAX
}
