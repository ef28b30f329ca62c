//! The call list: contacts of the current run with their trails.

use std::collections::HashMap;

use campanile_domain::{
    callback::CallbackState,
    contact::{ContactClass, ContactState},
    ids::{CampaignId, ContactId},
    phone::PhoneNumber,
};
use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde_json::{Map, Value};

use crate::{
    error::StoreError,
    rows::{Attempt, CallbackFilter, Contact, ContactFilter},
    sqlite::{
        callbacks,
        counters::RunKey,
        dial::{fresh, moved},
        report,
        sql::{self, Cells},
    },
};

/// A SELECT whose columns are those that [`read`] expects; the first literal may
/// name an index.
macro_rules! select_contact {
    ($index:literal, $($rest:expr),+) => {
        concat!(
            "SELECT dial.contact, dial.phone, dial.state, dial.counted, dial.due_at,
                    contact.variables
             FROM dial ",
            $index,
            " JOIN contact ON contact.id = dial.contact ",
            $($rest),+
        )
    };
}

pub(crate) const PAGE: &str = select_contact!(
    "",
    "WHERE dial.campaign = ?1 AND dial.run = ?2 AND dial.contact > ?3
     ORDER BY dial.contact LIMIT ?4"
);

pub(crate) const PAGE_OF_STATE: &str = select_contact!(
    "INDEXED BY dial_state",
    "WHERE dial.campaign = ?1 AND dial.run = ?2 AND dial.state = ?5 AND dial.contact > ?3 AND ",
    moved!(),
    " ORDER BY dial.contact LIMIT ?4"
);

/// Those who are pending stand in two indexes, which are merged.
pub(crate) const PAGE_OF_PENDING: &str = concat!(
    select_contact!(
        "INDEXED BY dial_fresh",
        "WHERE dial.campaign = ?1 AND dial.run = ?2 AND dial.contact > ?3 AND ",
        fresh!()
    ),
    " UNION ALL ",
    select_contact!(
        "INDEXED BY dial_state",
        "WHERE dial.campaign = ?1 AND dial.run = ?2 AND dial.state = 0 AND dial.contact > ?3 AND ",
        moved!()
    ),
    " ORDER BY 1 LIMIT ?4"
);

/// Reads the run's narrow rows in order until the page is full: as long as 500,000
/// rows for a number that is not there.
pub(crate) const PAGE_OF_PHONE: &str = select_contact!(
    "",
    "WHERE dial.campaign = ?1 AND dial.run = ?2 AND dial.contact > ?3
       AND (?5 IS NULL OR dial.state = ?5)
       AND (CAST(dial.phone AS TEXT) LIKE ?6 || '%' OR CAST(dial.phone AS TEXT) LIKE '%' || ?6)
     ORDER BY dial.contact LIMIT ?4"
);

/// Contacts that have a callback in a state, or any: a run has few of them.
pub(crate) const PAGE_OF_CALLBACK: &str = select_contact!(
    "",
    "WHERE dial.campaign = ?1 AND dial.run = ?2 AND dial.contact > ?3
       AND dial.contact IN (SELECT contact FROM callback WHERE campaign = ?1 AND run = ?2
                            AND (?7 IS NULL OR state = ?7))
       AND (?5 IS NULL OR dial.state = ?5)
       AND (?6 IS NULL OR CAST(dial.phone AS TEXT) LIKE ?6 || '%'
                       OR CAST(dial.phone AS TEXT) LIKE '%' || ?6)
     ORDER BY dial.contact LIMIT ?4"
);

/// A page in the order in which contacts were added.
pub(crate) fn page(
    db: &Connection,
    campaign: CampaignId,
    filter: &ContactFilter,
) -> Result<Vec<Contact>, StoreError> {
    let (key, started_at) = current_run(db, campaign)?;
    let after = filter.after.map_or(0, |after| after.0);
    let state = filter.state.map(ContactState::code);
    let digits = filter
        .phone
        .as_ref()
        .map(|text| text.chars().filter(char::is_ascii_digit).collect::<String>());
    let (id, run, limit) = (key.campaign.0, key.run, filter.limit);
    let rows = match (state, digits.as_deref()) {
        // Something was asked for that no number holds.
        (_, Some("")) if filter.phone.as_deref().is_some_and(|text| !text.trim().is_empty()) => {
            Vec::new()
        }
        (state, digits) if filter.callback.is_some() => {
            let digits = digits.filter(|digits| !digits.is_empty());
            let wanted = filter.callback.and_then(CallbackFilter::state).map(CallbackState::code);
            let params = params![id, run, after, limit, state, digits, wanted];
            sql::all(db, PAGE_OF_CALLBACK, params, read)?
        }
        (None, None | Some("")) => sql::all(db, PAGE, params![id, run, after, limit], read)?,
        (Some(pending), None | Some("")) if pending == ContactState::Pending.code() => {
            sql::all(db, PAGE_OF_PENDING, params![id, run, after, limit], read)?
        }
        (Some(state), None | Some("")) => {
            sql::all(db, PAGE_OF_STATE, params![id, run, after, limit, state], read)?
        }
        (state, Some(digits)) => {
            sql::all(db, PAGE_OF_PHONE, params![id, run, after, limit, state, digits], read)?
        }
    };
    with_trails(db, key, started_at, rows)
}

/// One contact.
pub(crate) fn contact(
    db: &Connection,
    campaign: CampaignId,
    id: ContactId,
) -> Result<Contact, StoreError> {
    let (key, started_at) = current_run(db, campaign)?;
    let row = sql::first(
        db,
        select_contact!("", "WHERE dial.campaign = ?1 AND dial.run = ?2 AND dial.contact = ?3"),
        params![campaign.0, key.run, id.0],
        read,
    )?;
    let row = row.ok_or(StoreError::NotFound("contact"))?;
    let mut contacts = with_trails(db, key, started_at, vec![row])?;
    contacts.pop().ok_or(StoreError::NotFound("contact"))
}

fn current_run(
    db: &Connection,
    campaign: CampaignId,
) -> Result<(RunKey, Option<Timestamp>), StoreError> {
    let found = sql::first(
        db,
        "SELECT campaign.run, run.started_at
         FROM campaign JOIN run ON run.campaign = campaign.id AND run.run = campaign.run
         WHERE campaign.id = ?1",
        [campaign.0],
        |row| Ok((RunKey { campaign, run: row.get()? }, row.maybe_at()?)),
    )?;
    found.ok_or(StoreError::NotFound("campaign"))
}

struct Row {
    id: ContactId,
    phone: PhoneNumber,
    state: ContactState,
    counted: u32,
    due_at: Timestamp,
    variables: Map<String, Value>,
}

fn read(row: &mut Cells<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        id: ContactId(row.get()?),
        phone: row.phone()?,
        state: row.code(ContactState::from_code)?,
        counted: row.get()?,
        due_at: row.at()?,
        variables: row.json()?,
    })
}

/// One statement for the attempts of the whole page.
fn with_trails(
    db: &Connection,
    key: RunKey,
    started_at: Option<Timestamp>,
    rows: Vec<Row>,
) -> Result<Vec<Contact>, StoreError> {
    let ids: Vec<i64> = rows.iter().map(|row| row.id.0).collect();
    let mut trails: HashMap<ContactId, Vec<Attempt>> = HashMap::new();
    for attempt in report::of_contacts(db, key.run, &ids)? {
        trails.entry(attempt.contact).or_default().push(attempt);
    }
    let mut callbacks = callbacks::newest(db, key, &ids)?;
    let contacts = rows.into_iter().map(|row| Contact {
        id: row.id,
        phone: row.phone,
        state: row.state,
        counted: row.counted,
        // Before Start nobody waits for a time; those present at Start wait since then.
        due_at: started_at
            .filter(|_| row.state.class() == ContactClass::Waiting)
            .map(|started_at| row.due_at.max(started_at)),
        trail: trails.remove(&row.id).unwrap_or_default(),
        callback: callbacks.remove(&row.id),
        variables: row.variables,
    });
    Ok(contacts.collect())
}
