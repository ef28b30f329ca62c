//! Numbers that a campaign must not dial: excluded while they are contacts, and, when
//! exclusion is sticky, barred from being added.

use campanile_domain::{
    contact::{ContactClass, ContactState},
    exclusion::Selector,
    ids::{CampaignId, ContactId, ImportId},
    phone::PhoneNumber,
};
use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde_json::{Map, Value};

use crate::{
    error::StoreError,
    rows::Actor,
    sqlite::{
        activity,
        batch::{Batch, RunNow},
        counters::RunKey,
        dial::{Dial, Line},
        metadata,
        sql::{self, digits, ms},
    },
};

/// Contacts excluded by one transaction: calls wait for it.
const AT_ONCE: u32 = 1_000;

/// An exclusion as it was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) campaign: CampaignId,
    pub(crate) selector: Selector,
    pub(crate) reason: Option<String>,
    pub(crate) by: Actor,
    pub(crate) at: Timestamp,
}

/// What one piece of an exclusion did.
pub(crate) struct Piece {
    pub(crate) matched: u64,
    /// Where the next piece begins; `None` when this was the last.
    pub(crate) next: Option<i64>,
}

/// Excludes the contacts that are meant, one piece of them, behind the contact `after`.
/// `before` of them were excluded by earlier pieces; the last piece tells the log.
pub(crate) fn exclude(
    batch: &mut Batch<'_>,
    wish: &Wish,
    after: i64,
    before: u64,
) -> Result<Piece, StoreError> {
    let run = batch.current_run(wish.campaign)?;
    if run.settings.sticky_exclusion {
        keep_selector(batch.db, wish)?;
    }
    let (contacts, next) = match &wish.selector {
        Selector::Number(number) => {
            (contact_of(batch.db, wish.campaign, *number)?.into_iter().collect(), None)
        }
        Selector::Metadata(_) => {
            metadata::find(batch.db, wish.campaign, &wish.selector, after, AT_ONCE)?
        }
    };
    for contact in &contacts {
        exclude_one(batch, wish, run.key, *contact)?;
    }
    let matched = contacts.len() as u64;
    if next.is_none() {
        let detail = detail(wish, before + matched);
        activity::append(batch, wish.campaign, &wish.by, "exclude", &detail, wish.at)?;
    }
    batch.deltas().now(run.key, ms(wish.at));
    batch.loud(crate::store::Change::Campaign(wish.campaign));
    Ok(Piece { matched, next })
}

/// Sticky: the selector itself stands, also for numbers that are not there yet.
fn keep_selector(db: &Connection, wish: &Wish) -> Result<(), StoreError> {
    match &wish.selector {
        Selector::Number(number) => insert(db, wish, *number)?,
        Selector::Metadata(values) => {
            let selector: Map<String, Value> =
                values.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
            sql::run(
                db,
                "INSERT INTO exclusion_match (campaign, selector, at, by, reason)
                 VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
                params![
                    wish.campaign.0,
                    Value::Object(selector).to_string(),
                    ms(wish.at),
                    serde_json::to_string(&wish.by)?,
                    wish.reason
                ],
            )?;
        }
    }
    Ok(())
}

fn insert(db: &Connection, wish: &Wish, number: PhoneNumber) -> Result<(), StoreError> {
    sql::run(
        db,
        "INSERT INTO exclusion (campaign, phone, at, by, reason) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO NOTHING",
        params![
            wish.campaign.0,
            digits(number),
            ms(wish.at),
            serde_json::to_string(&wish.by)?,
            wish.reason
        ],
    )?;
    Ok(())
}

/// Waiting, or claimed and not dialled: excluded at once. In a call: when it ends. Final: only
/// barred from being added again.
fn exclude_one(
    batch: &mut Batch<'_>,
    wish: &Wish,
    key: RunKey,
    contact: ContactId,
) -> Result<(), StoreError> {
    let Some(before) = Dial::load(batch.db, key, contact)? else {
        // It has not joined the prepared run yet, and joins it excluded.
        let phone = sql::first(
            batch.db,
            "SELECT phone FROM contact WHERE id = ?1 AND campaign = ?2",
            params![contact.0, wish.campaign.0],
            |row| row.phone(),
        )?;
        return phone.map_or(Ok(()), |phone| insert(batch.db, wish, phone));
    };
    insert(batch.db, wish, before.phone)?;
    let not_dialled =
        before.state.class() == ContactClass::Waiting || before.state == ContactState::Leased;
    if not_dialled {
        Dial { state: ContactState::Excluded, ..before.clone() }.replace(batch, &before)?;
    }
    Ok(())
}

/// What the log says: of a number its end alone, as every viewer reads the log.
fn detail(wish: &Wish, matched: u64) -> String {
    let whom = match &wish.selector {
        Selector::Number(number) => {
            let digits = number.digits().to_string();
            format!("the number ending {}", &digits[digits.len().saturating_sub(4)..])
        }
        Selector::Metadata(values) => {
            let keys: Vec<&str> = values.iter().map(|(key, _)| key.as_str()).collect();
            format!("by {}", keys.join(" and "))
        }
    };
    let reason = wish.reason.as_deref().map(|reason| format!(": {reason}"));
    format!("{whom}, {matched} matched{}", reason.unwrap_or_default())
}

/// The contact of a campaign with this number.
pub(crate) fn contact_of(
    db: &Connection,
    campaign: CampaignId,
    number: PhoneNumber,
) -> rusqlite::Result<Option<ContactId>> {
    sql::first(
        db,
        "SELECT contact FROM contact_phone WHERE campaign = ?1 AND phone = ?2",
        params![campaign.0, digits(number)],
        |row| row.get().map(ContactId),
    )
}

/// Whether the campaign must not dial the number.
pub(crate) fn is_excluded(
    db: &Connection,
    campaign: CampaignId,
    number: PhoneNumber,
) -> rusqlite::Result<bool> {
    let found = sql::first(
        db,
        "SELECT 1 FROM exclusion WHERE campaign = ?1 AND phone = ?2",
        params![campaign.0, digits(number)],
        |row| row.get::<i64>(),
    )?;
    Ok(found.is_some())
}

/// Somebody adds a number on purpose: whether a sticky exclusion bars it. Without sticky
/// exclusion what excluded it is forgotten (EX-3).
pub(crate) fn bars(
    db: &Connection,
    run: &RunNow,
    number: PhoneNumber,
    variables: &Map<String, Value>,
) -> Result<bool, StoreError> {
    let campaign = run.key.campaign;
    if !run.settings.sticky_exclusion {
        lift(db, campaign, number)?;
        return Ok(false);
    }
    Ok(is_excluded(db, campaign, number)?
        || selectors(db, campaign)?.iter().any(|selector| selector.means(number, variables)))
}

fn lift(db: &Connection, campaign: CampaignId, number: PhoneNumber) -> rusqlite::Result<bool> {
    let gone = sql::run(
        db,
        "DELETE FROM exclusion WHERE campaign = ?1 AND phone = ?2",
        params![campaign.0, digits(number)],
    )?;
    Ok(gone > 0)
}

/// The sticky selectors by metadata.
fn selectors(db: &Connection, campaign: CampaignId) -> Result<Vec<Selector>, StoreError> {
    let rows = sql::all(
        db,
        "SELECT selector FROM exclusion_match WHERE campaign = ?1",
        [campaign.0],
        |row| row.json::<Map<_, _>>(),
    )?;
    rows.iter()
        .map(|pairs| {
            Selector::by_metadata(pairs).map_err(|fault| StoreError::Internal(fault.message.into()))
        })
        .collect()
}

/// Contacts of a file joined the line, behind the contact `after` up to `last`: those that are
/// excluded stickily leave it at once, of the others what excluded them is forgotten.
pub(crate) fn meet_file(
    batch: &mut Batch<'_>,
    run: &RunNow,
    import: ImportId,
    after: i64,
    last: i64,
) -> Result<(), StoreError> {
    let campaign = run.key.campaign;
    let known = sql::all(
        batch.db,
        "SELECT contact.id, contact.phone FROM contact
         JOIN exclusion ON exclusion.campaign = ?1 AND exclusion.phone = contact.phone
         WHERE contact.id > ?2 AND contact.id <= ?3 AND contact.import = ?4",
        params![campaign.0, after, last, import.0],
        |row| Ok((ContactId(row.get()?), row.phone()?)),
    )?;
    for (contact, number) in known {
        if run.settings.sticky_exclusion {
            leave_line(batch, run.key, contact)?;
        } else {
            lift(batch.db, campaign, number)?;
        }
    }
    let selectors =
        if run.settings.sticky_exclusion { selectors(batch.db, campaign)? } else { Vec::new() };
    if selectors.is_empty() {
        return Ok(());
    }
    let joined = sql::all(
        batch.db,
        "SELECT id, phone, variables FROM contact WHERE id > ?1 AND id <= ?2 AND import = ?3",
        params![after, last, import.0],
        |row| Ok((ContactId(row.get()?), row.phone()?, row.json::<Map<_, _>>()?)),
    )?;
    for (contact, number, variables) in joined {
        if selectors.iter().any(|selector| selector.means(number, &variables)) {
            leave_line(batch, run.key, contact)?;
            sql::run(
                batch.db,
                "INSERT INTO exclusion (campaign, phone, at, by, reason)
                 SELECT ?1, ?2, at, by, reason FROM exclusion_match WHERE campaign = ?1 LIMIT 1
                 ON CONFLICT DO NOTHING",
                params![campaign.0, digits(number)],
            )?;
        }
    }
    Ok(())
}

fn leave_line(batch: &mut Batch<'_>, key: RunKey, contact: ContactId) -> Result<(), StoreError> {
    if let Some(before) = Dial::load(batch.db, key, contact)?
        && before.state.class() == ContactClass::Waiting
    {
        Dial { state: ContactState::Excluded, ..before.clone() }.replace(batch, &before)?;
    }
    Ok(())
}

/// A file names a contact that is excluded, and exclusion is not sticky: it waits again
/// . Whether it does.
pub(crate) fn readmit(
    batch: &mut Batch<'_>,
    run: &RunNow,
    contact: ContactId,
    began: i64,
) -> Result<bool, StoreError> {
    if run.settings.sticky_exclusion {
        return Ok(false);
    }
    let Some(before) = Dial::load(batch.db, run.key, contact)? else { return Ok(false) };
    if before.state != ContactState::Excluded {
        return Ok(false);
    }
    lift(batch.db, run.key.campaign, before.phone)?;
    let mut after = Dial { line: Line::Rest, due_at: began, ..before.clone() };
    after.go_back(run.end);
    after.replace(batch, &before)?;
    Ok(true)
}
