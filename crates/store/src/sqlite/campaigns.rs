//! Campaigns: created, edited, deleted, read.

use std::sync::Arc;

use campanile_domain::{
    campaign::{CompletionReason, Status},
    field::FieldError,
    ids::CampaignId,
    settings::Settings,
};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::{
    error::StoreError,
    rows::{Actor, Campaign, CampaignFilter, RunFigures, SetupSnapshot, Stamp},
    sqlite::{
        activity,
        batch::Batch,
        counters::{self, Counters, RunKey},
        garbage, imports, runs, setup,
        sql::{self, Cells, ms},
    },
};

/// A SELECT whose columns are those that [`read`] expects.
macro_rules! select_campaign {
    ($rest:literal) => {
        concat!(
            "SELECT campaign.id, run.status, campaign.settings, campaign.run, run.revision,
                    campaign.created_at, campaign.created_by, run.started_at, run.started_by,
                    run.paused_at, run.paused_by, run.resumed_at, run.resumed_by, run.ended_at,
                    run.ended_by, run.reason, run.failure, campaign.activity_count,
                    run.last_dial_at
             FROM campaign JOIN run ON run.campaign = campaign.id AND run.run = campaign.run ",
            $rest
        )
    };
}

/// A new draft with its first run, which is not started.
pub(crate) fn create(
    batch: &mut Batch<'_>,
    settings: &Settings,
    by: &Actor,
    now: Timestamp,
) -> Result<CampaignId, StoreError> {
    check(batch.db, settings)?;
    let id = CampaignId(batch.ids.block(ms(now), 1));
    sql::run(
        batch.db,
        "INSERT INTO campaign (id, folded_name, settings, run, created_at, created_by,
                               activity_head)
         VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6)",
        params![
            id.0,
            settings.name.to_lowercase(),
            serde_json::to_string(settings)?,
            ms(now),
            serde_json::to_string(by)?,
            activity::GENESIS
        ],
    )?;
    sql::run(
        batch.db,
        "INSERT INTO run (campaign, run, status) VALUES (?1, 1, ?2)",
        params![id.0, Status::Draft.code()],
    )?;
    batch.changed(id);
    Ok(id)
}

/// Other settings, in draft and paused (CL-11).
pub(crate) fn update(
    batch: &mut Batch<'_>,
    id: CampaignId,
    settings: &Settings,
    by: &Actor,
    now: Timestamp,
) -> Result<(), StoreError> {
    let run = batch.current_run(id)?;
    if run.status == Status::Running {
        if let Some(field) = run.settings.locked_while_running(settings) {
            return Err(StoreError::conflict(
                "locked",
                format!(
                    "`{field}` is locked while the campaign runs; pause it first. Concurrency \
                     and the ends of the windows can be changed"
                ),
            ));
        }
    } else if !run.status.is_editable() {
        return Err(StoreError::conflict(
            "wrong_state",
            format!("a {} campaign cannot be edited", run.status.word()),
        ));
    }
    let has_run = run.key.run > 1 || run.started_at.is_some();
    if has_run {
        let locked = |what: &str| {
            StoreError::conflict(
                "locked",
                format!("{what} is locked once a campaign has run; clone it for another one"),
            )
        };
        if settings.name != run.settings.name {
            return Err(locked("the name"));
        }
        if settings.bot_id != run.settings.bot_id {
            return Err(locked("the bot"));
        }
    }
    check(batch.db, settings)?;
    let changed = run.settings.changed(settings);
    if changed.is_empty() {
        return Ok(());
    }
    sql::run(
        batch.db,
        "UPDATE campaign SET settings = ?2, folded_name = ?3 WHERE id = ?1",
        params![id.0, serde_json::to_string(settings)?, settings.name.to_lowercase()],
    )?;
    let action = if run.status == Status::Running { "tune" } else { "edit" };
    activity::append(batch, id, by, action, &changed.join(", "), now)?;
    batch.changed(id);
    if run.started_at.is_some() {
        runs::write_revision(batch, id, now)?;
    }
    Ok(())
}

/// Settings that no campaign can have, and names of bots and numbers that there are
/// not.
fn check(db: &Connection, settings: &Settings) -> Result<(), StoreError> {
    let mut errors = settings.check();
    if let Some(bot) = settings.bot_id
        && setup::bot(db, bot)?.is_none()
    {
        errors.push(FieldError::new("/bot_id", "not_found", "there is no bot with this id"));
    }
    for (index, number) in settings.number_ids.iter().enumerate() {
        if setup::number(db, *number)?.is_none() {
            errors.push(FieldError::new(
                format!("/number_ids/{index}"),
                "not_found",
                "there is no number with this id",
            ));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(StoreError::Invalid(errors)) }
}

/// A draft that never ran goes, with its contacts (CL-10).
pub(crate) fn delete(batch: &mut Batch<'_>, id: CampaignId) -> Result<(), StoreError> {
    let run = batch.current_run(id)?;
    if run.status != Status::Draft || run.key.run > 1 {
        return Err(StoreError::conflict(
            "wrong_state",
            "only a draft that never ran can be deleted",
        ));
    }
    if imports::is_applying(batch.db, id)? {
        return Err(imports::importing());
    }
    for statement in [
        "DELETE FROM counter WHERE campaign = ?1",
        "DELETE FROM pass WHERE campaign = ?1",
        "DELETE FROM activity WHERE campaign = ?1",
        "DELETE FROM setup WHERE campaign = ?1",
        "DELETE FROM exclusion WHERE campaign = ?1",
        "DELETE FROM exclusion_match WHERE campaign = ?1",
        "DELETE FROM trigger_key WHERE campaign = ?1",
        "DELETE FROM run WHERE campaign = ?1",
        "DELETE FROM campaign WHERE id = ?1",
    ] {
        sql::run(batch.db, statement, [id.0])?;
    }
    garbage::leave(batch, id, None)?;
    batch.changed(id);
    Ok(())
}

/// One campaign.
pub(crate) fn campaign(db: &Connection, id: CampaignId) -> Result<Campaign, StoreError> {
    let found = sql::first(db, select_campaign!("WHERE campaign.id = ?1"), [id.0], read)?;
    with_counters(db, found.ok_or(StoreError::NotFound("campaign"))?)
}

/// A page, newest first. The search reads every newer campaign's name: there are
/// thousands of them at most.
pub(crate) fn page(db: &Connection, filter: &CampaignFilter) -> Result<Vec<Campaign>, StoreError> {
    let found = sql::all(
        db,
        select_campaign!(
            "WHERE campaign.id < ?1
               AND (?2 IS NULL OR run.status = ?2)
               AND (?3 IS NULL OR instr(campaign.folded_name, ?3) > 0)
             ORDER BY campaign.id DESC LIMIT ?4"
        ),
        params![
            filter.after.map_or(i64::MAX, |after| after.0),
            filter.status.map(Status::code),
            filter.search.as_ref().map(|search| search.trim().to_lowercase()),
            filter.limit
        ],
        read,
    )?;
    found.into_iter().map(|each| with_counters(db, each)).collect()
}

fn read(row: &mut Cells<'_>) -> rusqlite::Result<Campaign> {
    let id = CampaignId(row.get()?);
    let status = row.code(Status::from_code)?;
    let settings = Arc::new(row.json()?);
    let (run, revision) = (row.get()?, row.get()?);
    let created = Stamp { at: row.at()?, by: row.json()? };
    let started = stamp(row)?;
    Ok(Campaign {
        id,
        status,
        settings,
        run,
        revision,
        has_run: run > 1 || started.is_some(),
        created,
        started,
        paused: stamp(row)?,
        resumed: stamp(row)?,
        ended: stamp(row)?,
        completion_reason: row.maybe_code(CompletionReason::from_code)?,
        failure: row.get()?,
        activity_count: row.count()?,
        last_dial_at: row.maybe_at()?,
        counts: Vec::new(),
        sums: Default::default(),
    })
}

fn stamp(row: &mut Cells<'_>) -> rusqlite::Result<Option<Stamp>> {
    let (at, by) = (row.maybe_at()?, row.maybe_json()?);
    Ok(at.zip(by).map(|(at, by)| Stamp { at, by }))
}

fn with_counters(db: &Connection, mut campaign: Campaign) -> Result<Campaign, StoreError> {
    let key = RunKey { campaign: campaign.id, run: campaign.run };
    let counters = Counters::read(db, key)?;
    campaign.counts = counters.states();
    campaign.sums = counters.sums();
    Ok(campaign)
}

/// Sums, passes and outcomes of a run.
pub(crate) fn figures(db: &Connection, key: RunKey) -> Result<RunFigures, StoreError> {
    let exists = sql::first(
        db,
        "SELECT 1 FROM run WHERE campaign = ?1 AND run = ?2",
        params![key.campaign.0, key.run],
        |row| row.get::<i64>(),
    )?;
    exists.ok_or(StoreError::NotFound("run"))?;
    let counters = Counters::read(db, key)?;
    Ok(RunFigures {
        sums: counters.sums(),
        passes: counters::pass_rows(db, key)?,
        outcomes: counters.outcomes(),
        callbacks: counters.callbacks(),
    })
}

/// The setups of every revision, newest first (CL-15).
pub(crate) fn snapshots(db: &Connection, id: CampaignId) -> Result<Vec<SetupSnapshot>, StoreError> {
    Ok(sql::all(
        db,
        "SELECT run, revision, at, setup FROM setup
         WHERE campaign = ?1 ORDER BY run DESC, revision DESC",
        [id.0],
        |row| {
            Ok(SetupSnapshot {
                run: row.get()?,
                revision: row.get()?,
                at: row.at()?,
                setup: row.json()?,
            })
        },
    )?)
}
