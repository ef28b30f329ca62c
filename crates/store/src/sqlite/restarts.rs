//! Another run of the same campaign: prepared, filled with contacts, taken back (CL-7, CL-8).
//!
//! A prepared run is a row of its own beside the finished one, which nobody touches: taking it
//! back deletes the row and puts back the settings. Its contacts join it in pieces, and leave
//! it in pieces.

use campanile_domain::{
    campaign::{Action, Status},
    contact::{ContactClass, ContactState},
    ids::{CampaignId, ContactId},
    retry::RunEnd,
};
use jiff::Timestamp;
use rusqlite::params;

use crate::{
    error::StoreError,
    rows::Actor,
    sqlite::{
        activity,
        batch::Batch,
        chores::{Budget, Chore, Task},
        counters::RunKey,
        dial::Dial,
        imports,
        sql::{self, ms},
    },
};

/// Contacts between two looks at the clock.
const AT_ONCE: u32 = 200;

/// completed or failed → draft: prepares the next run, in which every contact that is not
/// excluded waits again.
pub(crate) fn restart(
    batch: &mut Batch<'_>,
    id: CampaignId,
    by: &Actor,
    now: Timestamp,
) -> Result<(), StoreError> {
    let key = prepare(batch, id, by, now)?;
    if !fill(batch, key, &Budget::piece())? {
        batch.chore(Chore::new(Task::FillRun(key)));
    }
    Ok(())
}

/// The run's row; no contact has joined it.
pub(crate) fn prepare(
    batch: &mut Batch<'_>,
    id: CampaignId,
    by: &Actor,
    now: Timestamp,
) -> Result<RunKey, StoreError> {
    let before = batch.current_run(id)?;
    let status = before.status.after(Action::Restart)?;
    if imports::is_applying(batch.db, id)? {
        return Err(imports::importing());
    }
    let counters = batch.counters(before.key)?;
    // The line of a stopped or swept run is emptied in pieces; that of a failed one stays.
    let is_closing = before.end != RunEnd::Open && counters.class(ContactClass::Waiting) > 0;
    if is_closing || counters.class(ContactClass::Active) > 0 {
        return Err(StoreError::conflict(
            "draining",
            "calls of the finished run are still ending; try again in a moment",
        ));
    }
    let key = RunKey { campaign: id, run: before.key.run + 1 };
    if is_clearing(batch, key)? {
        return Err(StoreError::conflict(
            "draining",
            "the run that was prepared before is still being taken away; try again in a moment",
        ));
    }
    sql::run(
        batch.db,
        "INSERT INTO run (campaign, run, status, prepared_at, prepared_by, settings_before,
                          filling)
         SELECT id, ?2, ?3, ?4, ?5, settings, 0 FROM campaign WHERE id = ?1",
        params![id.0, key.run, status.code(), ms(now), serde_json::to_string(by)?],
    )?;
    sql::run(batch.db, "UPDATE campaign SET run = ?2 WHERE id = ?1", params![id.0, key.run])?;
    activity::append(batch, id, by, "restart", &format!("run {} prepared", key.run), now)?;
    batch.changed(id);
    Ok(key)
}

/// The prepared run goes, and the finished one is the campaign's again as it was.
pub(crate) fn cancel(
    batch: &mut Batch<'_>,
    id: CampaignId,
    by: &Actor,
    now: Timestamp,
) -> Result<(), StoreError> {
    let key = discard(batch, id, by, now)?;
    if !clear(batch, key, &Budget::piece())? {
        batch.chore(Chore::new(Task::ClearRun(key)));
    }
    // Last, as it cannot be refused any more: what this batch would still write of it.
    batch.forget_counters(key);
    Ok(())
}

/// The finished run is the campaign's; contacts of the prepared one are left over.
pub(crate) fn discard(
    batch: &mut Batch<'_>,
    id: CampaignId,
    by: &Actor,
    now: Timestamp,
) -> Result<RunKey, StoreError> {
    let prepared = batch.current_run(id)?;
    let key = prepared.key;
    if prepared.status != Status::Draft || key.run == 1 {
        return Err(StoreError::conflict(
            "wrong_state",
            format!(
                "a {} campaign has no prepared run; only one that was restarted and not \
                 started since has",
                prepared.status.word()
            ),
        ));
    }
    sql::run(
        batch.db,
        "UPDATE campaign SET run = ?2 - 1,
             settings = (SELECT settings_before FROM run WHERE campaign = ?1 AND run = ?2)
         WHERE id = ?1",
        params![id.0, key.run],
    )?;
    for statement in [
        "DELETE FROM run WHERE campaign = ?1 AND run = ?2",
        "INSERT INTO cancelled_run (campaign, run) VALUES (?1, ?2)",
    ] {
        sql::run(batch.db, statement, params![id.0, key.run])?;
    }
    activity::append(batch, id, by, "cancel_restart", &format!("run {} discarded", key.run), now)?;
    batch.changed(id);
    Ok(key)
}

/// Whether contacts are still joining the run: it cannot start before they all did.
pub(crate) fn is_filling(batch: &Batch<'_>, key: RunKey) -> Result<bool, StoreError> {
    Ok(cursor(batch, key)?.is_some())
}

/// The last number that joined the run; `None` when all did, or the run is gone.
fn cursor(batch: &Batch<'_>, key: RunKey) -> Result<Option<i64>, StoreError> {
    let filling = sql::first(
        batch.db,
        "SELECT filling FROM run WHERE campaign = ?1 AND run = ?2",
        params![key.campaign.0, key.run],
        |row| row.get::<Option<i64>>(),
    )?;
    Ok(filling.flatten())
}

fn is_clearing(batch: &Batch<'_>, key: RunKey) -> Result<bool, StoreError> {
    let found = sql::first(
        batch.db,
        "SELECT 1 FROM cancelled_run WHERE campaign = ?1 AND run = ?2",
        params![key.campaign.0, key.run],
        |row| row.get::<i64>(),
    )?;
    Ok(found.is_some())
}

/// Contacts of the campaign join the run in order of number, as long as the budget lasts;
/// whether all did.
pub(crate) fn fill(
    batch: &mut Batch<'_>,
    key: RunKey,
    budget: &Budget,
) -> Result<bool, StoreError> {
    let Some(mut last) = cursor(batch, key)? else { return Ok(true) };
    loop {
        let joining = sql::all(
            batch.db,
            "SELECT contact_phone.contact, contact_phone.phone, exclusion.phone IS NOT NULL,
                    contact_phone.phone
             FROM contact_phone LEFT JOIN exclusion
                 ON exclusion.campaign = contact_phone.campaign
                    AND exclusion.phone = contact_phone.phone
             WHERE contact_phone.campaign = ?1 AND contact_phone.phone > ?2
             ORDER BY contact_phone.phone LIMIT ?3",
            params![key.campaign.0, last, AT_ONCE],
            |row| {
                let contact = ContactId(row.get()?);
                Ok((contact, row.phone()?, row.get::<bool>()?, row.get::<i64>()?))
            },
        )?;
        for (contact, phone, is_excluded, digits) in &joining {
            let mut dial = Dial::fresh(key, *contact, *phone, 0);
            if *is_excluded {
                dial.state = ContactState::Excluded;
            }
            dial.insert(batch)?;
            last = *digits;
        }
        let is_full = joining.len() < AT_ONCE as usize;
        if is_full || budget.is_spent() {
            sql::run(
                batch.db,
                "UPDATE run SET filling = ?3 WHERE campaign = ?1 AND run = ?2",
                params![key.campaign.0, key.run, (!is_full).then_some(last)],
            )?;
            return Ok(is_full);
        }
    }
}

/// What a run that was taken back left behind goes, as long as the budget lasts; whether
/// nothing is left.
pub(crate) fn clear(
    batch: &mut Batch<'_>,
    key: RunKey,
    budget: &Budget,
) -> Result<bool, StoreError> {
    let params = params![key.campaign.0, key.run];
    // Of a chore that outlived its run: the next one has the same number.
    if !is_clearing(batch, key)? {
        return Ok(true);
    }
    for statement in [
        "DELETE FROM counter WHERE campaign = ?1 AND run = ?2",
        "DELETE FROM pass WHERE campaign = ?1 AND run = ?2",
    ] {
        sql::run(batch.db, statement, params)?;
    }
    loop {
        let gone = sql::run(
            batch.db,
            "DELETE FROM dial WHERE (campaign, run, contact) IN
                 (SELECT campaign, run, contact FROM dial
                  WHERE campaign = ?1 AND run = ?2 LIMIT ?3)",
            params![key.campaign.0, key.run, AT_ONCE],
        )?;
        if gone < AT_ONCE as usize {
            sql::run(
                batch.db,
                "DELETE FROM cancelled_run WHERE campaign = ?1 AND run = ?2",
                params,
            )?;
            return Ok(true);
        }
        if budget.is_spent() {
            return Ok(false);
        }
    }
}

/// All such work that is not finished.
pub(crate) fn unfinished(batch: &Batch<'_>) -> Result<Vec<Chore>, StoreError> {
    let mut chores = Vec::new();
    for (statement, task) in [
        (
            "SELECT campaign, run FROM run WHERE filling IS NOT NULL",
            Task::FillRun as fn(RunKey) -> Task,
        ),
        ("SELECT campaign, run FROM cancelled_run", Task::ClearRun),
    ] {
        let keys = sql::all(batch.db, statement, [], |row| {
            Ok(RunKey { campaign: CampaignId(row.get()?), run: row.get()? })
        })?;
        chores.extend(keys.into_iter().map(|key| Chore::new(task(key))));
    }
    Ok(chores)
}
