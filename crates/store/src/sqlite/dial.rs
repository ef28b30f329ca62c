//! Where a contact stands in a run: the hot row, and the claim on it.

use campanile_domain::{
    attempt::{Lease, Next},
    contact::{ContactClass, ContactState},
    ids::{CampaignId, ContactId, ImportId, NumberId},
    phone::PhoneNumber,
    retry::RunEnd,
};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::sqlite::{
    batch::Batch,
    callbacks,
    counters::RunKey,
    sql::{self, Cells, digits, ms},
};

/// The parts of the waiting line, in the order in which they are dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// Due callbacks.
    Callbacks = 0,
    /// Triggered contacts, first in first out.
    Triggered = 1,
    /// All others, by the time they began to wait.
    Rest = 2,
}

impl Line {
    pub(crate) const ALL: [Self; 3] = [Self::Callbacks, Self::Triggered, Self::Rest];

    /// The number that the table keeps.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|line| line.code() == code)
    }
}

/// A contact in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dial {
    pub(crate) key: RunKey,
    pub(crate) contact: ContactId,
    pub(crate) phone: PhoneNumber,
    pub(crate) state: ContactState,
    /// The part of the line it stands in, or stood in when it was claimed.
    pub(crate) line: Line,
    /// Its place there: when it falls due or began to wait, Unix milliseconds; 0 for
    /// those present at Start.
    pub(crate) due_at: i64,
    /// The pass it is in or waits for, from 1.
    pub(crate) wave: u32,
    /// Whether it was dialled in that pass.
    pub(crate) wave_dialled: bool,
    /// Finished attempts that counted.
    pub(crate) counted: u32,
    /// Finished attempts that did not.
    pub(crate) uncounted: u32,
    /// Number of the last attempt.
    pub(crate) dialled: u32,
    /// It ended because its attempts were used up.
    pub(crate) exhausted: bool,
    /// Of the last claim.
    pub(crate) epoch: i64,
    /// The last attempt.
    pub(crate) attempt: Option<i64>,
    /// Its caller ID.
    pub(crate) last_number: Option<i64>,
    /// It was abandoned and has not been served since (DI-16).
    pub(crate) seat_owed: bool,
}

/// A SELECT whose columns are those that [`Dial::read`] expects. Where it matters the
/// index is named: without statistics SQLite guesses, and guesses wrong.
macro_rules! select_dial {
    ($($rest:expr),+) => {
        concat!(
            "SELECT campaign, run, contact, phone, state, line, due_at, wave, wave_dialled,
                 counted, uncounted, dialled, exhausted, epoch, attempt, last_number,
                 seat_owed
             FROM dial ",
            $($rest),+
        )
    };
}

/// Contacts that wait since Start and were never dialled, in the order in which they are:
/// an index holds them alone, and the other two hold all others (V6).
macro_rules! fresh {
    () => {
        "state = 0 AND line = 2 AND due_at = 0"
    };
}

/// The contrary of `fresh!`, as the indexes of those that have moved have it word by word.
macro_rules! moved {
    () => {
        "(state > 0 OR line < 2 OR due_at <> 0)"
    };
}

pub(crate) use {fresh, moved};

/// The first of those present at Start whom nobody has dialled; all of them are due.
pub(crate) const FRESH: &str = select_dial!(
    "INDEXED BY dial_fresh WHERE campaign = ?1 AND run = ?2 AND ",
    fresh!(),
    " ORDER BY contact LIMIT ?3"
);

/// Due contacts of one part of the line, but for the fresh ones.
pub(crate) const DUE: &str = select_dial!(
    "INDEXED BY dial_line WHERE campaign = ?1 AND run = ?2 AND line = ?3 AND state < 3 AND ",
    moved!(),
    " AND due_at <= ?4 ORDER BY due_at, contact LIMIT ?5"
);

/// Contacts that are claimed, in a call or being settled.
pub(crate) const ACTIVE: &str = select_dial!(
    "INDEXED BY dial_state WHERE campaign = ?1 AND run = ?2 AND state BETWEEN 3 AND 9 AND ",
    moved!(),
    " LIMIT ?3"
);

/// Contacts in the line, due or not, but for the fresh ones.
pub(crate) const WAITING: &str = select_dial!(
    "INDEXED BY dial_line WHERE campaign = ?1 AND run = ?2 AND state < 3 AND ",
    moved!(),
    " LIMIT ?3"
);

/// Every contact of a run.
pub(crate) const OF_RUN: &str = select_dial!("WHERE campaign = ?1 AND run = ?2");

impl Dial {
    /// A contact that nobody has dialled. `began` is its place in the line.
    pub(crate) fn fresh(key: RunKey, contact: ContactId, phone: PhoneNumber, began: i64) -> Self {
        Self {
            key,
            contact,
            phone,
            state: ContactState::Pending,
            line: Line::Rest,
            due_at: began,
            wave: 1,
            wave_dialled: false,
            counted: 0,
            uncounted: 0,
            dialled: 0,
            exhausted: false,
            epoch: 0,
            attempt: None,
            last_number: None,
            seat_owed: false,
        }
    }

    pub(crate) fn read(row: &mut Cells<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            key: RunKey { campaign: CampaignId(row.get()?), run: row.get()? },
            contact: ContactId(row.get()?),
            phone: row.phone()?,
            state: row.code(ContactState::from_code)?,
            line: row.code(Line::from_code)?,
            due_at: row.get()?,
            wave: row.get()?,
            wave_dialled: row.get()?,
            counted: row.get()?,
            uncounted: row.get()?,
            dialled: row.get()?,
            exhausted: row.get()?,
            epoch: row.get()?,
            attempt: row.get()?,
            last_number: row.get()?,
            seat_owed: row.get()?,
        })
    }

    pub(crate) fn load(
        db: &Connection,
        key: RunKey,
        contact: ContactId,
    ) -> rusqlite::Result<Option<Self>> {
        sql::first(
            db,
            select_dial!("WHERE campaign = ?1 AND run = ?2 AND contact = ?3"),
            params![key.campaign.0, key.run, contact.0],
            Self::read,
        )
    }

    /// Puts the contact into the line, counters included.
    pub(crate) fn insert(&self, batch: &mut Batch<'_>) -> rusqlite::Result<()> {
        sql::run(
            batch.db,
            "INSERT INTO dial (campaign, run, contact, phone, state, line, due_at, wave,
                 wave_dialled, counted, uncounted, dialled, exhausted, epoch)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            params![
                self.key.campaign.0,
                self.key.run,
                self.contact.0,
                digits(self.phone),
                self.state.code(),
                self.line.code(),
                self.due_at,
                self.wave,
                self.wave_dialled,
                self.counted,
                self.uncounted,
                self.dialled,
                self.exhausted,
                self.epoch
            ],
        )?;
        batch.deltas().contact(self.key, self, 1);
        batch.quiet(self.key.campaign);
        Ok(())
    }

    /// Puts this contact of a file into the line, and with it all others of the file
    /// behind the contact `after`, each in the same place. Returns how many.
    pub(crate) fn insert_with_those_before(
        &self,
        db: &Connection,
        import: ImportId,
        after: i64,
    ) -> rusqlite::Result<i64> {
        let joined = sql::run(
            db,
            "INSERT INTO dial (campaign, run, contact, phone, state, line, due_at, wave,
                 wave_dialled, counted, uncounted, dialled, exhausted, epoch)
             SELECT ?1, ?2, id, phone, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12
             FROM contact WHERE id > ?13 AND id <= ?14 AND import = ?15 ORDER BY id",
            params![
                self.key.campaign.0,
                self.key.run,
                self.state.code(),
                self.line.code(),
                self.due_at,
                self.wave,
                self.wave_dialled,
                self.counted,
                self.uncounted,
                self.dialled,
                self.exhausted,
                self.epoch,
                after,
                self.contact.0,
                import.0
            ],
        )?;
        Ok(joined as i64)
    }

    /// Writes the row over what it was, counters included.
    pub(crate) fn replace(&self, batch: &mut Batch<'_>, before: &Self) -> rusqlite::Result<()> {
        sql::run(
            batch.db,
            "UPDATE dial SET state = ?4, line = ?5, due_at = ?6, wave = ?7, wave_dialled = ?8,
                 counted = ?9, uncounted = ?10, dialled = ?11, exhausted = ?12, epoch = ?13,
                 attempt = ?14, last_number = ?15, seat_owed = ?16
             WHERE campaign = ?1 AND run = ?2 AND contact = ?3",
            params![
                self.key.campaign.0,
                self.key.run,
                self.contact.0,
                self.state.code(),
                self.line.code(),
                self.due_at,
                self.wave,
                self.wave_dialled,
                self.counted,
                self.uncounted,
                self.dialled,
                self.exhausted,
                self.epoch,
                self.attempt,
                self.last_number,
                self.seat_owed
            ],
        )?;
        batch.deltas().contact(self.key, before, -1);
        batch.deltas().contact(self.key, self, 1);
        callbacks::follow(batch, before, self)?;
        batch.quiet(self.key.campaign);
        Ok(())
    }

    /// The state of a contact that stands where this one stands.
    fn waiting_state(&self) -> ContactState {
        match self.line {
            Line::Callbacks => ContactState::CallbackScheduled,
            Line::Triggered => ContactState::Pending,
            Line::Rest if self.counted + self.uncounted == 0 => ContactState::Pending,
            Line::Rest => ContactState::RetryScheduled,
        }
    }

    /// Back to its place in the line, or out of it when the run was ended meanwhile
    ///
    pub(crate) fn go_back(&mut self, end: RunEnd) {
        self.state = closed_state(end).unwrap_or_else(|| self.waiting_state());
    }

    /// The attempt is over: the contact goes where R-8 sends it. `counts` is `None` for
    /// an attempt whose INVITE never left; it leaves no trace but its number.
    pub(crate) fn settle(&mut self, counts: Option<bool>, next: Next, exhausted: bool) {
        match counts {
            Some(true) => self.counted += 1,
            Some(false) => self.uncounted += 1,
            None => {}
        }
        match (next, counts) {
            // It keeps the place it had, so that a pause puts nobody to the end.
            (Next::Retry(_), None) => self.state = self.waiting_state(),
            (Next::Retry(at), _) => {
                self.line = Line::Rest;
                self.due_at = ms(at);
                self.state = ContactState::RetryScheduled;
            }
            (Next::Callback(at), _) => {
                self.line = Line::Callbacks;
                self.due_at = ms(at);
                self.state = ContactState::CallbackScheduled;
            }
            (Next::Final(state), _) => self.state = state,
        }
        let waits = self.state.class() == ContactClass::Waiting;
        self.exhausted = exhausted && !waits;
        if waits && counts == Some(true) {
            self.wave = self.counted + 1;
            self.wave_dialled = false;
        }
    }

    /// What became of it, told again.
    pub(crate) fn next(&self) -> Next {
        let due = Timestamp::from_millisecond(self.due_at).unwrap_or_default();
        match self.state {
            ContactState::CallbackScheduled => Next::Callback(due),
            state if matches!(state.class(), ContactClass::Final | ContactClass::Excluded) => {
                Next::Final(state)
            }
            _ => Next::Retry(due),
        }
    }

    pub(crate) fn lease(&self) -> Lease {
        Lease {
            campaign: self.key.campaign,
            run: self.key.run,
            contact: self.contact,
            phone: self.phone,
            counted: self.counted,
            dialled: self.dialled,
            last_number: self.last_number.map(NumberId),
            seat_owed: self.seat_owed,
            epoch: self.epoch,
        }
    }

    pub(crate) fn is_held_by(&self, lease: &Lease) -> bool {
        self.state == ContactState::Leased && self.epoch == lease.epoch
    }
}

/// Where a waiting contact goes when its run was ended (CL-4, CL-13).
pub(crate) fn closed_state(end: RunEnd) -> Option<ContactState> {
    match end {
        RunEnd::Open => None,
        RunEnd::Stopped => Some(ContactState::ManualStopped),
        RunEnd::Swept => Some(ContactState::WindowClosed),
    }
}
