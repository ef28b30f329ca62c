//! Callbacks: asked for when an attempt ends, moved on with the contact's place in the line.
//!
//! Every change of a contact goes through `Dial::replace`, which tells [`follow`] of it.
//! So Stop, the end of the day, exclusion and triggers need not know of callbacks.

use std::collections::HashMap;

use campanile_domain::{
    attempt::Next,
    callback::{CallbackEvent, CallbackState, Understood},
    contact::{ContactClass, ContactState},
    ids::{AttemptId, CampaignId, ContactId},
    retry::{self, After},
    zone,
};
use rusqlite::{Connection, params};

use crate::{
    error::StoreError,
    rows::{Callback, CallbackFilter},
    sqlite::{
        batch::Batch,
        counters::RunKey,
        dial::{Dial, Line},
        sql::{self, Cells, ms},
    },
};

/// Rows deleted at once with their campaign.
const AT_ONCE: u32 = 1_000;

/// What a callback contributes to the sums of its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CallbackFacts {
    pub(crate) state: CallbackState,
    pub(crate) requested_at: i64,
    pub(crate) due_at: i64,
    pub(crate) dialled_at: Option<i64>,
}

/// What `after` has to know before it decides about somebody who asked to be called back.
pub(crate) fn inform<'a>(
    db: &Connection,
    dial: &Dial,
    mut after: After<'a>,
) -> Result<After<'a>, StoreError> {
    if !after.settings.callback_detection || after.result.callback.is_none() {
        return Ok(after);
    }
    let variables =
        sql::first(db, "SELECT variables FROM contact WHERE id = ?1", [dial.contact.0], |row| {
            row.json()
        })?;
    after.zone = zone::of_contact(&variables.unwrap_or_default(), dial.phone);
    let callbacks = sql::first(
        db,
        "SELECT count(*) FROM callback WHERE campaign = ?1 AND run = ?2 AND contact = ?3",
        params![dial.key.campaign.0, dial.key.run, dial.contact.0],
        |row| row.get::<u32>(),
    )?;
    after.callbacks = callbacks.unwrap_or(0);
    Ok(after)
}

/// The attempt `asked_in` came to `next`: when that is a callback, its row.
pub(crate) fn keep(
    batch: &mut Batch<'_>,
    dial: &Dial,
    asked_in: AttemptId,
    after: &After<'_>,
    next: Next,
) -> Result<(), StoreError> {
    let (Next::Callback(_), Some(wish), Some(resolved)) =
        (next, &after.result.callback, retry::wanted_callback(after))
    else {
        return Ok(());
    };
    sql::run(
        batch.db,
        "INSERT INTO callback (asked_in, campaign, run, contact, state, requested_at, due_at,
                               wanted_at, understood, wish)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            asked_in.0,
            dial.key.campaign.0,
            dial.key.run,
            dial.contact.0,
            CallbackState::Pending.code(),
            ms(after.now),
            ms(resolved.due),
            resolved.wanted.map(ms),
            resolved.understood.code(),
            serde_json::to_string(wish)?
        ],
    )?;
    let facts = CallbackFacts {
        state: CallbackState::Pending,
        requested_at: ms(after.now),
        due_at: ms(resolved.due),
        dialled_at: None,
    };
    batch.deltas().callback(dial.key, &facts, 1);
    Ok(())
}

/// A contact moved from one place to another: what that means for its open callback.
pub(crate) fn follow(batch: &mut Batch<'_>, before: &Dial, after: &Dial) -> rusqlite::Result<()> {
    for event in events(before, after).into_iter().flatten() {
        advance(batch, after, event)?;
    }
    Ok(())
}

fn events(before: &Dial, after: &Dial) -> [Option<CallbackEvent>; 2] {
    use CallbackEvent::{Dialled, Ended, NotSent, Overtaken, Withdrawn};
    let leaves = match after.state.class() {
        ContactClass::Waiting | ContactClass::Active => Overtaken,
        ContactClass::Final | ContactClass::Excluded => Withdrawn,
    };
    match (Place::of(before), Place::of(after)) {
        (Place::Elsewhere, _) | (Place::Waits, Place::Waits) | (Place::InCall, Place::InCall) => {
            [None, None]
        }
        (Place::Waits, Place::InCall) => [Some(Dialled), None],
        (Place::Waits, Place::Elsewhere) => [Some(leaves), None],
        // An attempt that left no trace but its number never left.
        (Place::InCall, place) => {
            let sent = before.counted + before.uncounted != after.counted + after.uncounted;
            match (sent, place) {
                (true, _) => [Some(Ended), None],
                (false, Place::Elsewhere) => [Some(NotSent), Some(leaves)],
                (false, Place::Waits | Place::InCall) => [Some(NotSent), None],
            }
        }
    }
}

/// Where a contact stands, as far as callbacks go.
enum Place {
    /// In their part of the line, or claimed from it.
    Waits,
    /// In the call that honours one.
    InCall,
    Elsewhere,
}

impl Place {
    fn of(dial: &Dial) -> Self {
        match (dial.line, dial.state) {
            (Line::Callbacks, ContactState::CallbackScheduled | ContactState::Leased) => {
                Self::Waits
            }
            (Line::Callbacks, state) if state.class() == ContactClass::Active => Self::InCall,
            _ => Self::Elsewhere,
        }
    }
}

/// Moves the open callback of a contact, if it has one.
fn advance(batch: &mut Batch<'_>, dial: &Dial, event: CallbackEvent) -> rusqlite::Result<()> {
    let open = sql::first(
        batch.db,
        "SELECT asked_in, state, requested_at, due_at, dialled_at FROM callback
         WHERE campaign = ?1 AND run = ?2 AND contact = ?3 AND state IN (0, 1)",
        params![dial.key.campaign.0, dial.key.run, dial.contact.0],
        |row| Ok((row.get::<i64>()?, facts(row)?)),
    )?;
    let Some((id, before)) = open else { return Ok(()) };
    let state = before.state.after(event);
    if state == before.state {
        return Ok(());
    }
    // The row of the attempt is written before its contact's.
    sql::run(
        batch.db,
        "UPDATE callback SET state = ?2,
             dialled_in = CASE ?2 WHEN 0 THEN NULL WHEN 1 THEN ?3 ELSE dialled_in END,
             dialled_at = CASE ?2 WHEN 0 THEN NULL
                 WHEN 1 THEN (SELECT dialled_at FROM attempt WHERE id = ?3)
                 ELSE dialled_at END
         WHERE asked_in = ?1",
        params![id, state.code(), dial.attempt],
    )?;
    let after = sql::first(
        batch.db,
        "SELECT state, requested_at, due_at, dialled_at FROM callback WHERE asked_in = ?1",
        [id],
        facts,
    )?;
    batch.deltas().callback(dial.key, &before, -1);
    if let Some(after) = after {
        batch.deltas().callback(dial.key, &after, 1);
    }
    Ok(())
}

fn facts(row: &mut Cells<'_>) -> rusqlite::Result<CallbackFacts> {
    Ok(CallbackFacts {
        state: row.code(CallbackState::from_code)?,
        requested_at: row.get()?,
        due_at: row.get()?,
        dialled_at: row.get()?,
    })
}

/// What every callback of a run contributes to its sums.
pub(crate) fn facts_of_run(db: &Connection, key: RunKey) -> rusqlite::Result<Vec<CallbackFacts>> {
    sql::all(
        db,
        "SELECT state, requested_at, due_at, dialled_at FROM callback
         WHERE campaign = ?1 AND run = ?2",
        params![key.campaign.0, key.run],
        facts,
    )
}

/// A contact has an open callback exactly while it stands in their part of the line or is
/// in the call: otherwise what is wrong.
pub(crate) fn difference(db: &Connection, dial: &Dial) -> Result<Option<String>, StoreError> {
    let wanted = match Place::of(dial) {
        Place::Waits => Some(CallbackState::Pending),
        Place::InCall => Some(CallbackState::Dialling),
        Place::Elsewhere => None,
    };
    let open = sql::all(
        db,
        "SELECT state FROM callback
         WHERE campaign = ?1 AND run = ?2 AND contact = ?3 AND state IN (0, 1)",
        params![dial.key.campaign.0, dial.key.run, dial.contact.0],
        |row| row.code(CallbackState::from_code),
    )?;
    if open.iter().copied().eq(wanted) {
        return Ok(None);
    }
    Ok(Some(format!("{} is {} with callbacks {open:?}", dial.contact, dial.state.word())))
}

/// A SELECT whose columns are those that [`read`] expects.
macro_rules! select_callback {
    ($rest:literal) => {
        concat!(
            "SELECT asked_in, callback.run, callback.contact, contact.phone, callback.state,
                    requested_at, due_at, wanted_at, understood, wish, dialled_in, dialled_at
             FROM callback JOIN contact ON contact.id = callback.contact ",
            $rest
        )
    };
}

fn read(row: &mut Cells<'_>) -> rusqlite::Result<Callback> {
    Ok(Callback {
        asked_in: AttemptId(row.get()?),
        run: row.get()?,
        contact: ContactId(row.get()?),
        phone: row.phone()?,
        state: row.code(CallbackState::from_code)?,
        requested_at: row.at()?,
        due_at: row.at()?,
        wanted_at: row.maybe_at()?,
        understood: row.code(Understood::from_code)?,
        wish: row.json()?,
        dialled_in: row.get::<Option<i64>>()?.map(AttemptId),
        dialled_at: row.maybe_at()?,
    })
}

/// Callbacks of a run in the order in which they were asked for, behind `after`.
pub(crate) fn page(
    db: &Connection,
    campaign: CampaignId,
    run: u32,
    filter: CallbackFilter,
    after: Option<AttemptId>,
    limit: u32,
) -> Result<Vec<Callback>, StoreError> {
    Ok(sql::all(
        db,
        select_callback!(
            "WHERE callback.campaign = ?1 AND callback.run = ?2 AND asked_in > ?3
               AND (?4 IS NULL OR callback.state = ?4)
             ORDER BY asked_in LIMIT ?5"
        ),
        params![
            campaign.0,
            run,
            after.map_or(0, |after| after.0),
            filter.state().map(CallbackState::code),
            limit
        ],
        read,
    )?)
}

/// The newest callback in a run of each of these contacts that has one.
pub(crate) fn newest(
    db: &Connection,
    key: RunKey,
    contacts: &[i64],
) -> Result<HashMap<ContactId, Callback>, StoreError> {
    let rows = sql::all(
        db,
        select_callback!(
            "WHERE callback.campaign = ?1 AND callback.run = ?2
               AND callback.contact IN (SELECT value FROM json_each(?3))
             ORDER BY asked_in"
        ),
        params![key.campaign.0, key.run, serde_json::to_string(contacts)?],
        read,
    )?;
    // A later row of the same contact takes the place of an earlier one.
    Ok(rows.into_iter().map(|callback| (callback.contact, callback)).collect())
}

/// Deletes some callbacks of a campaign that is gone; whether none is left.
pub(crate) fn take_away(db: &Connection, campaign: CampaignId) -> Result<bool, StoreError> {
    let gone = sql::run(
        db,
        "DELETE FROM callback WHERE asked_in IN
             (SELECT asked_in FROM callback WHERE campaign = ?1 LIMIT ?2)",
        params![campaign.0, AT_ONCE],
    )?;
    Ok(gone < AT_ONCE as usize)
}
