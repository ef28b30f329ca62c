//! Attempts as they are read: trails, and the report in chunks.

use campanile_domain::{
    ids::{AttemptId, CampaignId, ContactId},
    outcome::{HangupBy, Outcome},
};
use rusqlite::{Connection, params};

use crate::{
    error::StoreError,
    rows::Attempt,
    sqlite::sql::{self, Cells},
};

/// A SELECT whose columns are those that [`read`] expects; the first two literals are
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
