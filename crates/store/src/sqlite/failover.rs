//! The carrier of an attempt that a first one refused (DI-10), claims that the
//! toll-fraud guard bars, and what of a day is spent (DI-14).

use campanile_domain::{
    attempt::{Lease, NewAttempt, Next},
    contact::ContactState,
    guard::day::Spent,
    ids::AttemptId,
};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::{
    error::StoreError,
    sqlite::{
        batch::Batch,
        claims,
        counters::RunKey,
        dial::Dial,
        sql::{self, digits, ms},
    },
    store::RecordRefused,
};

/// The attempt goes on through another carrier, as its n-th try: written before that
/// INVITE leaves, and once for each n.
pub(crate) fn reroute(
    batch: &mut Batch<'_>,
    new: &NewAttempt,
) -> Result<Result<(), RecordRefused>, StoreError> {
    let lease = &new.lease;
    let key = RunKey { campaign: lease.campaign, run: lease.run };
    let is_ours = |dial: &Dial| dial.attempt == Some(new.id.0) && dial.epoch == lease.epoch;
    let before = match claims::held(batch.db, new, is_ours)? {
        Ok(held) => held,
        Err(refused) => return Ok(Err(refused)),
    };
    if !batch.run(key)?.may_dial() {
        return Ok(Err(RecordRefused::NotRunning));
    }
    if write_carrier(batch, new, new.tries - 1)? == 0 {
        return Ok(Err(RecordRefused::LeaseLost));
    }
    let after = Dial { last_number: Some(new.number_id.0), ..before.clone() };
    after.replace(batch, &before)?;
    Ok(Ok(()))
}

/// At the end the row names the carrier that was dialled last. It may name a later one:
/// when nothing left for that any more.
pub(crate) fn name_last_carrier(
    batch: &mut Batch<'_>,
    dialled: &NewAttempt,
    tries: u32,
) -> Result<(), StoreError> {
    if tries != dialled.tries {
        write_carrier(batch, dialled, tries)?;
    }
    Ok(())
}

fn write_carrier(batch: &mut Batch<'_>, new: &NewAttempt, tries: u32) -> Result<usize, StoreError> {
    let carrier = batch.carrier_name(new.carrier)?;
    Ok(sql::run(
        batch.db,
        "UPDATE attempt SET caller_id = ?3, number_id = ?4, carrier_id = ?5, carrier = ?6,
             tries = ?7
         WHERE id = ?1 AND tries = ?2 AND outcome IS NULL",
        params![
            new.id.0,
            tries,
            digits(new.caller_id),
            new.number_id.0,
            new.carrier.0,
            carrier,
            new.tries
        ],
    )?)
}

/// Contacts that may never be dialled are done; no attempt was made. Claims that are
/// not ours any more are passed over.
pub(crate) fn bar(batch: &mut Batch<'_>, leases: &[Lease]) -> Result<(), StoreError> {
    for lease in leases {
        let key = RunKey { campaign: lease.campaign, run: lease.run };
        let Some(before) = Dial::load(batch.db, key, lease.contact)? else { continue };
        if before.is_held_by(lease) {
            let mut after = before.clone();
            after.settle(None, Next::Final(ContactState::Failed), false);
            after.replace(batch, &before)?;
        }
    }
    Ok(())
}

/// What was dialled since a moment. Attempts are numbered by time, so only theirs are
/// read.
pub(crate) fn spent_since(db: &Connection, since: Timestamp) -> Result<Spent, StoreError> {
    let first = AttemptId(ms(since) << 20);
    let spent = sql::first(
        db,
        "SELECT count(*), total(max(0, ended_at - answered_at)) FROM attempt WHERE id >= ?1",
        [first.0],
        |row| {
            let calls = row.count()?;
            let talk_ms: f64 = row.get()?;
            Ok(Spent { calls, talk_ms: talk_ms as u64 })
        },
    )?;
    Ok(spent.unwrap_or_default())
}
