//! Counters against rows: everything is counted again, and differences are named.

use campanile_domain::{contact::ContactClass, contact::ContactState, ids::CampaignId};
use rusqlite::{Connection, params};

use crate::{
    error::StoreError,
    sqlite::{
        activity, attempt, callbacks,
        counters::{Deltas, RunKey},
        dial::{self, Dial},
        sql,
    },
};

/// What a campaign's counters, passes and log say otherwise than its rows.
pub(crate) fn differences(
    db: &Connection,
    campaign: CampaignId,
) -> Result<Vec<String>, StoreError> {
    let runs = sql::all(
        db,
        "SELECT run FROM run WHERE campaign = ?1 ORDER BY run",
        [campaign.0],
        |row| Ok(RunKey { campaign, run: row.get()? }),
    )?;
    if runs.is_empty() {
        return Err(StoreError::NotFound("campaign"));
    }
    let mut differences = Vec::new();
    for key in runs {
        let mut sum = Deltas::default();
        for dial in sql::all(db, dial::OF_RUN, params![campaign.0, key.run], Dial::read)? {
            sum.contact(key, &dial, 1);
            check_contact(db, &dial, &mut differences)?;
            differences.extend(callbacks::difference(db, &dial)?);
        }
        for facts in attempt::facts_of_run(db, key)? {
            sum.attempt(key, &facts, 1);
        }
        for facts in callbacks::facts_of_run(db, key)? {
            sum.callback(key, &facts, 1);
        }
        differences.extend(sum.differences(db, key)?);
    }
    if let Some(seq) = activity::first_break(db, campaign)? {
        differences.push(format!("the activity log is broken at entry {seq}"));
    }
    Ok(differences)
}

/// A contact in a call has one attempt without an end, any other has none.
fn check_contact(
    db: &Connection,
    dial: &Dial,
    differences: &mut Vec<String>,
) -> Result<(), StoreError> {
    let (attempts, open) = sql::first(
        db,
        "SELECT count(*), coalesce(sum(outcome IS NULL), 0) FROM attempt
         WHERE contact = ?1 AND run = ?2",
        params![dial.contact.0, dial.key.run],
        |row| Ok((row.get::<u32>()?, row.get::<u32>()?)),
    )?
    .unwrap_or_default();
    let in_call = dial.state.class() == ContactClass::Active
        && !matches!(dial.state, ContactState::Leased | ContactState::Processing);
    if attempts != dial.dialled || open != u32::from(in_call) {
        differences.push(format!(
            "{} is {} with {attempts} attempts ({} known), {open} of them open",
            dial.contact,
            dial.state.word(),
            dial.dialled
        ));
    }
    Ok(())
}
