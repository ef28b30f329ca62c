//! One contact added by a program, or dialled again (EX-1, R-11).

use campanile_domain::{
    campaign::Status,
    contact::{ContactClass, ContactState},
    ids::{CampaignId, ContactId},
    settings::Mode,
};
use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::{
    error::StoreError,
    rows::Trigger,
    sqlite::{
        batch::{Batch, RunNow},
        dial::{Dial, Line},
        do_not_call, exclusions, metadata,
        sql::{self, digits, ms},
    },
    store::Change,
};

/// So long a key is kept with its answer (EX-1).
const KEYS_KEPT_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

/// Old keys that a trigger with a key takes away: more than it adds.
const SWEPT_AT_ONCE: u32 = 3;

/// A trigger that was taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) contact: ContactId,
    pub(crate) run: u32,
    /// The number of the contact's last attempt before it: a later one is the answer.
    pub(crate) after: u32,
    /// When it was taken, the first time.
    pub(crate) at: Timestamp,
    /// Whether it was dialled at once; `None` while that is not known.
    pub(crate) dialled: Option<bool>,
}

/// Adds the contact, or brings it back to the line, unless the same was asked under the same
/// key before.
pub(crate) fn trigger(
    batch: &mut Batch<'_>,
    trigger: &Trigger,
    now: Timestamp,
) -> Result<Taken, StoreError> {
    let body = fingerprint(trigger);
    if let Some(key) = &trigger.key
        && let Some(taken) = answered(batch.db, trigger.campaign, key, body, now)?
    {
        return Ok(taken);
    }
    let run = batch.current_run(trigger.campaign)?;
    check_open(&run, now)?;
    if do_not_call::bars(batch.db, trigger.number, now)? {
        return Err(StoreError::conflict("excluded", "the number is on the do-not-call list"));
    }
    if exclusions::bars(batch.db, &run, trigger.number, &trigger.metadata)? {
        return Err(StoreError::conflict(
            "excluded",
            "the number is excluded from this campaign, and exclusion is sticky",
        ));
    }
    let known = exclusions::contact_of(batch.db, trigger.campaign, trigger.number)?;
    let dial = match known {
        None => add(batch, &run, trigger, now)?,
        Some(contact) => bring_back(batch, &run, trigger, contact, now)?,
    };
    let may_be_dialled = run.status == Status::Running
        && dial.state.class() == ContactClass::Waiting
        && run.settings.hours().is_open(now);
    let taken = Taken {
        contact: dial.contact,
        run: run.key.run,
        after: dial.dialled,
        at: now,
        dialled: (!may_be_dialled).then_some(false),
    };
    if let Some(key) = &trigger.key {
        remember(batch.db, trigger.campaign, key, body, &taken)?;
    }
    batch.deltas().now(run.key, ms(now));
    batch.loud(Change::Campaign(trigger.campaign));
    Ok(taken)
}

/// Whether the campaign takes contacts now.
fn check_open(run: &RunNow, now: Timestamp) -> Result<(), StoreError> {
    match run.status {
        Status::Running | Status::Paused => {}
        status @ (Status::Draft | Status::Completed | Status::Failed) => {
            return Err(StoreError::conflict(
                "not_accepting",
                format!("a {} campaign takes no contacts; start it first", status.word()),
            ));
        }
    }
    if run.settings.mode == Mode::SingleDay && !run.settings.hours().is_open(now) {
        return Err(StoreError::conflict(
            "outside_window",
            "the campaign runs for a single day, and its calling window is closed now",
        ));
    }
    Ok(())
}

/// A number that the campaign has not had.
fn add(
    batch: &mut Batch<'_>,
    run: &RunNow,
    trigger: &Trigger,
    now: Timestamp,
) -> Result<Dial, StoreError> {
    let contact = ContactId(batch.ids.block(ms(now), 1));
    let campaign = trigger.campaign;
    sql::run(
        batch.db,
        "INSERT INTO contact (id, campaign, phone, variables) VALUES (?1, ?2, ?3, ?4)",
        params![
            contact.0,
            campaign.0,
            digits(trigger.number),
            serde_json::to_string(&trigger.metadata)?
        ],
    )?;
    sql::run(
        batch.db,
        "INSERT INTO contact_phone (campaign, phone, contact) VALUES (?1, ?2, ?3)",
        params![campaign.0, digits(trigger.number), contact.0],
    )?;
    metadata::keep(batch.db, campaign, contact, &trigger.metadata)?;
    let mut dial = Dial::fresh(run.key, contact, trigger.number, ms(now));
    dial.line = Line::Triggered;
    dial.insert(batch)?;
    Ok(dial)
}

/// A number that is a contact already.
fn bring_back(
    batch: &mut Batch<'_>,
    run: &RunNow,
    trigger: &Trigger,
    contact: ContactId,
    now: Timestamp,
) -> Result<Dial, StoreError> {
    let Some(before) = Dial::load(batch.db, run.key, contact)? else {
        // A row of a file that is being applied: its place comes with the file.
        return Err(StoreError::conflict(
            "importing",
            "the number is in a file of contacts that is being added; try again in a moment",
        ));
    };
    let mut after = Dial { line: Line::Triggered, due_at: ms(now), ..before.clone() };
    match before.state.class() {
        ContactClass::Active => return Ok(before),
        ContactClass::Waiting => {
            merge(batch.db, trigger, contact, |old| {
                let mut merged = old;
                merged.extend(trigger.metadata.clone());
                merged
            })?;
        }
        // As if it were new, but for the numbers of its attempts.
        ContactClass::Final => {
            merge(batch.db, trigger, contact, |_| trigger.metadata.clone())?;
            after = Dial {
                wave: 1,
                wave_dialled: false,
                counted: 0,
                uncounted: 0,
                exhausted: false,
                ..after
            };
        }
        ContactClass::Excluded => {
            merge(batch.db, trigger, contact, |_| trigger.metadata.clone())?;
        }
    }
    after.state = ContactState::Pending;
    after.replace(batch, &before)?;
    Ok(after)
}

/// Other metadata for a contact. Its attempts keep those they were dialled with.
fn merge(
    db: &Connection,
    trigger: &Trigger,
    contact: ContactId,
    change: impl FnOnce(Map<String, Value>) -> Map<String, Value>,
) -> Result<(), StoreError> {
    let old = sql::first(db, "SELECT variables FROM contact WHERE id = ?1", [contact.0], |row| {
        row.get::<String>()
    })?;
    let old = old.ok_or(StoreError::NotFound("contact"))?;
    let new = change(serde_json::from_str(&old)?);
    let text = serde_json::to_string(&new)?;
    if text == old {
        return Ok(());
    }
    sql::run(
        db,
        "UPDATE attempt SET variables = ?2 WHERE contact = ?1 AND variables IS NULL",
        params![contact.0, old],
    )?;
    sql::run(db, "UPDATE contact SET variables = ?2 WHERE id = ?1", params![contact.0, text])?;
    metadata::keep(db, trigger.campaign, contact, &new)?;
    Ok(())
}

/// SHA-256 of what is asked, whatever the order of its metadata.
fn fingerprint(trigger: &Trigger) -> [u8; 32] {
    let mut pairs: Vec<_> = trigger.metadata.iter().collect();
    pairs.sort_by_key(|(name, _)| *name);
    let mut hash = Sha256::new();
    hash.update(trigger.number.digits().to_be_bytes());
    for (name, value) in pairs {
        for text in [name, &value.to_string()] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
    }
    hash.finalize().into()
}

/// What was answered under the key; a refusal when something else was asked.
fn answered(
    db: &Connection,
    campaign: CampaignId,
    key: &str,
    body: [u8; 32],
    now: Timestamp,
) -> Result<Option<Taken>, StoreError> {
    let found = sql::first(
        db,
        "SELECT body, contact, run, after, at, dialled FROM trigger_key
         WHERE campaign = ?1 AND key = ?2 AND at > ?3",
        params![campaign.0, key, ms(now) - KEYS_KEPT_MS],
        |row| {
            let body: [u8; 32] = row.get()?;
            let taken = Taken {
                contact: ContactId(row.get()?),
                run: row.get()?,
                after: row.get()?,
                at: row.at()?,
                dialled: row.get()?,
            };
            Ok((body, taken))
        },
    )?;
    match found {
        Some((before, _)) if before != body => Err(StoreError::invalid(
            "/idempotency_key",
            "idempotency_mismatch",
            "something else was asked under this key; use a new key for a new request",
        )),
        found => Ok(found.map(|(_, taken)| taken)),
    }
}

fn remember(
    db: &Connection,
    campaign: CampaignId,
    key: &str,
    body: [u8; 32],
    taken: &Taken,
) -> Result<(), StoreError> {
    sql::run(
        db,
        "DELETE FROM trigger_key WHERE (campaign, key) IN
             (SELECT campaign, key FROM trigger_key WHERE at <= ?1 LIMIT ?2)",
        params![ms(taken.at) - KEYS_KEPT_MS, SWEPT_AT_ONCE],
    )?;
    // One that is too old and was not swept yet is written over.
    sql::run(
        db,
        "INSERT OR REPLACE INTO trigger_key (campaign, key, body, contact, run, after, at, dialled)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            campaign.0,
            key,
            body,
            taken.contact.0,
            taken.run,
            taken.after,
            ms(taken.at),
            taken.dialled
        ],
    )?;
    Ok(())
}

/// Keeps the answer under the key: the first one stands, and is given to everybody.
pub(crate) fn answer(
    db: &Connection,
    campaign: CampaignId,
    key: &str,
    dialled: bool,
) -> Result<bool, StoreError> {
    let stands = sql::first(
        db,
        "UPDATE trigger_key SET dialled = coalesce(dialled, ?3)
         WHERE campaign = ?1 AND key = ?2 RETURNING dialled",
        params![campaign.0, key, dialled],
        |row| row.get::<bool>(),
    )?;
    Ok(stands.unwrap_or(dialled))
}

/// Whether the contact was dialled after the attempt of this number.
pub(crate) fn was_dialled(db: &Connection, taken: &Taken) -> Result<bool, StoreError> {
    let found = sql::first(
        db,
        "SELECT 1 FROM attempt WHERE contact = ?1 AND run = ?2 AND number > ?3 LIMIT 1",
        params![taken.contact.0, taken.run, taken.after],
        |row| row.get::<i64>(),
    )?;
    Ok(found.is_some())
}
