//! Claims on contacts: leased, given back, turned into attempts, taken back after a crash;
//! and the line emptied when its run was ended.

use campanile_domain::{
    attempt::{Lease, NewAttempt},
    contact::ContactState,
};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::{
    error::StoreError,
    sqlite::{
        attempt,
        batch::{Batch, RunNow},
        chores::Budget,
        counters::RunKey,
        dial::{ACTIVE, DUE, Dial, FRESH, Line, WAITING, closed_state},
        do_not_call,
        sql::{self, ms},
    },
    store::RecordRefused,
};

/// Contacts taken out of a line between two looks at the clock.
const CLOSED_AT_ONCE: u32 = 100;

/// Claims up to `max` due contacts, in the order of R-6.
pub(crate) fn lease(
    batch: &mut Batch<'_>,
    key: RunKey,
    max: u32,
    now: Timestamp,
) -> Result<Vec<Lease>, StoreError> {
    let run = batch.run(key)?;
    if !run.may_dial() {
        return Ok(Vec::new());
    }
    let mut leases = Vec::new();
    for line in Line::ALL {
        let wanted = max as usize - leases.len();
        if wanted == 0 {
            break;
        }
        for before in due(batch.db, key, line, wanted, now)? {
            if do_not_call::bars(batch.db, before.phone, now)? {
                exclude(batch, &before)?;
                continue;
            }
            let after =
                Dial { state: ContactState::Leased, epoch: before.epoch + 1, ..before.clone() };
            after.replace(batch, &before)?;
            leases.push(after.lease());
        }
    }
    Ok(leases)
}

/// The first due contacts of one part of the line, at most `wanted`.
fn due(
    db: &Connection,
    key: RunKey,
    line: Line,
    wanted: usize,
    now: Timestamp,
) -> rusqlite::Result<Vec<Dial>> {
    let mut due = match line {
        Line::Callbacks | Line::Triggered => Vec::new(),
        Line::Rest => {
            sql::all(db, FRESH, params![key.campaign.0, key.run, wanted as i64], Dial::read)?
        }
    };
    let left = wanted - due.len();
    if left > 0 {
        let params = params![key.campaign.0, key.run, line.code(), ms(now), left as i64];
        due.extend(sql::all(db, DUE, params, Dial::read)?);
    }
    Ok(due)
}

/// Gives claims back; those that are not ours any more are passed over.
pub(crate) fn release(batch: &mut Batch<'_>, leases: &[Lease]) -> Result<(), StoreError> {
    for lease in leases {
        let key = RunKey { campaign: lease.campaign, run: lease.run };
        let Some(dial) = Dial::load(batch.db, key, lease.contact)? else { continue };
        if dial.is_held_by(lease) {
            let run = batch.run(key)?;
            give_back(batch, &run, &dial)?;
        }
    }
    Ok(())
}

fn give_back(batch: &mut Batch<'_>, run: &RunNow, dial: &Dial) -> Result<(), StoreError> {
    let mut after = dial.clone();
    after.go_back(run.end);
    after.replace(batch, dial)?;
    Ok(())
}

/// Its number may not be called any more.
fn exclude(batch: &mut Batch<'_>, dial: &Dial) -> Result<(), StoreError> {
    Ok(Dial { state: ContactState::Excluded, ..dial.clone() }.replace(batch, dial)?)
}

/// The contact that an attempt calls, unless it was excluded meanwhile or is not ours any
/// more.
pub(crate) fn held(
    db: &Connection,
    attempt: &NewAttempt,
    is_ours: impl FnOnce(&Dial) -> bool,
) -> rusqlite::Result<Result<Dial, RecordRefused>> {
    let lease = &attempt.lease;
    let key = RunKey { campaign: lease.campaign, run: lease.run };
    Ok(match Dial::load(db, key, lease.contact)? {
        Some(dial) if dial.state == ContactState::Excluded => Err(RecordRefused::Excluded),
        Some(dial) if is_ours(&dial) => Ok(dial),
        Some(_) | None => Err(RecordRefused::LeaseLost),
    })
}

/// Turns a claim into an attempt: the durable write before the INVITE.
pub(crate) fn record(
    batch: &mut Batch<'_>,
    new: &NewAttempt,
) -> Result<Result<(), RecordRefused>, StoreError> {
    let lease = &new.lease;
    let key = RunKey { campaign: lease.campaign, run: lease.run };
    let is_ours = |dial: &Dial| dial.is_held_by(lease) && new.number == dial.dialled + 1;
    let before = match held(batch.db, new, is_ours)? {
        Ok(held) => held,
        Err(refused) => return Ok(Err(refused)),
    };
    let run = batch.run(key)?;
    if !run.may_dial() {
        give_back(batch, &run, &before)?;
        return Ok(Err(RecordRefused::NotRunning));
    }
    if do_not_call::bars(batch.db, before.phone, new.at)? {
        exclude(batch, &before)?;
        return Ok(Err(RecordRefused::Excluded));
    }
    attempt::insert(batch, key, new)?;
    let after = Dial {
        state: ContactState::Dialling,
        dialled: new.number,
        wave_dialled: true,
        attempt: Some(new.id.0),
        last_number: Some(new.number_id.0),
        ..before.clone()
    };
    after.replace(batch, &before)?;
    batch.deltas().dialled(key, before.wave, ms(new.at));
    batch.deltas().now(key, ms(new.at));
    Ok(Ok(()))
}

/// What [`take_back`] found in one chunk.
pub(crate) struct TakenBack {
    /// Rows that were looked at; 0 when none is left.
    pub(crate) seen: usize,
    /// Attempts that became `unknown`.
    pub(crate) unknown: u64,
}

/// After a crash: contacts of a dead process, up to `max` of them. A claim goes back
/// untouched, an attempt without an end becomes `unknown`, one whose result was still
/// awaited is settled.
pub(crate) fn take_back(
    batch: &mut Batch<'_>,
    key: RunKey,
    max: u32,
    now: Timestamp,
) -> Result<TakenBack, StoreError> {
    let run = batch.run(key)?;
    let active = sql::all(batch.db, ACTIVE, params![key.campaign.0, key.run, max], Dial::read)?;
    let mut unknown = 0;
    for dial in &active {
        if dial.state == ContactState::Leased {
            give_back(batch, &run, dial)?;
        } else if attempt::recover(batch, &run, dial, now)? {
            unknown += 1;
        }
    }
    batch.deltas().now(key, ms(now));
    Ok(TakenBack { seen: active.len(), unknown })
}

/// Takes waiting contacts out of the line of an ended run, as long as the budget
/// lasts; whether none is left.
pub(crate) fn close_line(
    batch: &mut Batch<'_>,
    key: RunKey,
    budget: &Budget,
) -> Result<bool, StoreError> {
    let run = batch.run(key)?;
    let Some(state) = closed_state(run.end) else { return Ok(true) };
    batch.deltas().now(key, run.ended_at.unwrap_or_default());
    for statement in [FRESH, WAITING] {
        loop {
            let params = params![key.campaign.0, key.run, CLOSED_AT_ONCE];
            let waiting = sql::all(batch.db, statement, params, Dial::read)?;
            for before in &waiting {
                Dial { state, ..before.clone() }.replace(batch, before)?;
            }
            if waiting.len() < CLOSED_AT_ONCE as usize {
                break;
            }
            if budget.is_spent() {
                return Ok(false);
            }
        }
    }
    Ok(true)
}
