//! Attempts as they are read: trails, and the report in chunks.

use std::ops::ControlFlow;

use campanile_domain::{
    ids::{AttemptId, CampaignId, ContactId},
    outcome::{HangupBy, Outcome},
};
use rusqlite::{Connection, params};

use crate::{
    error::StoreError,
    rows::{Attempt, ReportRow},
    sqlite::sql::{self, Cells},
};

/// Rows of the report that one view of the database may hold up the checkpoint for.
const AT_ONCE: u32 = 20_000;

/// A SELECT whose columns are those that [`read`] and [`borrow`] expect; the first two literals are
/// the expressions for the audio and for the variables.
macro_rules! select_attempt {
    ($media:literal, $variables:literal, $rest:literal) => {
        concat!(
            "SELECT attempt.id, attempt.contact, attempt.run, attempt.revision, attempt.pass,
                    attempt.number, attempt.counts, attempt.phone, attempt.caller_id,
                    attempt.carrier, attempt.dialled_at, attempt.ringing_at,
                    attempt.answered_at, attempt.bot_attached_at, attempt.first_bot_audio_at,
                    attempt.ended_at, attempt.sip_code, attempt.sip_reason, attempt.outcome,
                    attempt.result, attempt.hangup_by, ",
            $media,
            ", ",
            $variables,
            " FROM attempt ",
            $rest
        )
    };
}

pub(crate) const CHUNK: &str = select_attempt!(
    "NULL",
    "coalesce(attempt.variables, contact.variables)",
    "LEFT JOIN contact ON contact.id = attempt.contact
     WHERE attempt.campaign = ?1 AND attempt.id > ?2 AND (?3 IS NULL OR attempt.run = ?3)
     ORDER BY attempt.id LIMIT ?4"
);

pub(crate) const TRAILS: &str = select_attempt!(
    "attempt.media",
    "NULL",
    "WHERE attempt.contact IN (SELECT value FROM json_each(?1)) AND attempt.run = ?2
     ORDER BY attempt.contact, attempt.number"
);

/// A chunk of the report, with variables.
pub(crate) fn chunk(
    db: &Connection,
    campaign: CampaignId,
    run: Option<u32>,
    after: Option<AttemptId>,
    limit: u32,
) -> Result<Vec<Attempt>, StoreError> {
    let after = after.map_or(0, |after| after.0);
    Ok(sql::all(db, CHUNK, params![campaign.0, after, run, limit], read)?)
}

/// Gives a chunk of the report to `take`, row by row as SQLite holds them, until it has
/// had enough. Returns the last attempt that it got, or `None` when no other follows.
pub(crate) fn each(
    db: &Connection,
    campaign: CampaignId,
    run: Option<u32>,
    after: Option<AttemptId>,
    mut take: impl FnMut(&ReportRow<'_>) -> ControlFlow<()>,
) -> Result<Option<AttemptId>, StoreError> {
    let mut statement = db.prepare_cached(CHUNK)?;
    let after = after.map_or(0, |after| after.0);
    let mut rows = statement.query(params![campaign.0, after, run, AT_ONCE])?;
    let (mut last, mut taken) = (None, 0);
    while let Some(row) = rows.next()? {
        let row = borrow(&mut Cells::of(row))?;
        (last, taken) = (Some(row.id), taken + 1);
        if take(&row).is_break() {
            return Ok(last);
        }
    }
    Ok(last.filter(|_| taken == AT_ONCE))
}

fn borrow<'r>(row: &mut Cells<'r>) -> rusqlite::Result<ReportRow<'r>> {
    Ok(ReportRow {
        id: AttemptId(row.get()?),
        contact: ContactId(row.get()?),
        run: row.get()?,
        revision: row.get()?,
        pass: row.get()?,
        number: row.get()?,
        counts: row.get()?,
        phone: row.phone()?,
        caller_id: row.phone()?,
        carrier: row.maybe_text()?.unwrap_or_default(),
        dialled_at: row.get()?,
        ringing_at: row.get()?,
        answered_at: row.get()?,
        bot_attached_at: row.get()?,
        first_bot_audio_at: row.get()?,
        ended_at: row.get()?,
        sip_code: row.get()?,
        sip_reason: row.maybe_text()?,
        outcome: row.maybe_code(Outcome::from_code)?,
        result: row.maybe_text()?,
        hangup_by: row.maybe_code(HangupBy::from_code)?,
        variables: {
            // The audio stands between; the report does not show it.
            row.skip();
            row.maybe_text()?
        },
    })
}

/// The attempts of some contacts in a run, oldest first for each, without variables.
pub(crate) fn of_contacts(
    db: &Connection,
    run: u32,
    contacts: &[i64],
) -> Result<Vec<Attempt>, StoreError> {
    let contacts = serde_json::to_string(contacts)?;
    Ok(sql::all(db, TRAILS, params![contacts, run], read)?)
}

/// One attempt, with variables.
pub(crate) fn attempt(db: &Connection, id: AttemptId) -> Result<Attempt, StoreError> {
    let found = sql::first(
        db,
        select_attempt!(
            "attempt.media",
            "coalesce(attempt.variables, contact.variables)",
            "LEFT JOIN contact ON contact.id = attempt.contact WHERE attempt.id = ?1"
        ),
        [id.0],
        read,
    )?;
    found.ok_or(StoreError::NotFound("attempt"))
}

fn read(row: &mut Cells<'_>) -> rusqlite::Result<Attempt> {
    Ok(Attempt {
        id: AttemptId(row.get()?),
        contact: ContactId(row.get()?),
        run: row.get()?,
        revision: row.get()?,
        pass: row.get()?,
        number: row.get()?,
        counts: row.get()?,
        phone: row.phone()?,
        caller_id: row.phone()?,
        carrier: row.get()?,
        dialled_at: row.at()?,
        ringing_at: row.maybe_at()?,
        answered_at: row.maybe_at()?,
        bot_attached_at: row.maybe_at()?,
        first_bot_audio_at: row.maybe_at()?,
        ended_at: row.maybe_at()?,
        sip_code: row.get()?,
        sip_reason: row.get()?,
        outcome: row.maybe_code(Outcome::from_code)?,
        result: row.maybe_json()?,
        hangup_by: row.maybe_code(HangupBy::from_code)?,
        media: row.maybe_json()?,
        variables: row.get()?,
    })
}
