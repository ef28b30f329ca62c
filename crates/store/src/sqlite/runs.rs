//! The life of a run: start, pause, resume, stop, sweep, completion, failure.

use campanile_domain::{
    bot::BotKind,
    campaign::{Action, CompletionReason, Status},
    carrier::Direction,
    contact::ContactClass,
    field::FieldError,
    ids::CampaignId,
    retry::RunEnd,
    settings::Settings,
};
use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde_json::json;

use crate::{
    error::StoreError,
    rows::Actor,
    sqlite::{
        activity,
        batch::{Batch, RunNow},
        campaigns,
        chores::{Budget, Chore, Task},
        claims,
        counters::{Kind, RunKey},
        imports, restarts, setup,
        sql::{self, ms},
    },
};

/// draft → running, when everything that the store can see is in order (CL-2).
pub(crate) fn start(
    batch: &mut Batch<'_>,
    id: CampaignId,
    by: &Actor,
    now: Timestamp,
) -> Result<(), StoreError> {
    let run = batch.current_run(id)?;
    let status = run.status.after(Action::Start)?;
    if imports::is_applying(batch.db, id)? {
        return Err(imports::importing());
    }
    if restarts::is_filling(batch, run.key)? {
        return Err(StoreError::conflict(
            "preparing",
            "contacts are still joining the prepared run; try again in a moment",
        ));
    }
    let mut errors = run.settings.check();
    check_bot(batch.db, &run.settings, &mut errors)?;
    check_numbers(batch.db, &run.settings, &mut errors)?;
    let callable = batch.counters(run.key)?.class(ContactClass::Waiting);
    if callable == 0 && !run.settings.always_on {
        errors.push(FieldError::new(
            "/contacts",
            "required",
            "upload at least one contact that may be called",
        ));
    }
    if !errors.is_empty() {
        return Err(StoreError::Invalid(errors));
    }
    sql::run(
        batch.db,
        "UPDATE run SET status = ?3, started_at = ?4, started_by = ?5
         WHERE campaign = ?1 AND run = ?2",
        params![id.0, run.key.run, status.code(), ms(now), serde_json::to_string(by)?],
    )?;
    write_revision(batch, id, now)?;
    activity::append(batch, id, by, "start", &format!("run {}", run.key.run), now)?;
    batch.changed(id);
    Ok(())
}

fn check_bot(
    db: &Connection,
    settings: &Settings,
    errors: &mut Vec<FieldError>,
) -> Result<(), StoreError> {
    let (code, message) = match settings.bot_id {
        None => ("required", "choose a bot"),
        Some(id) => match setup::bot(db, id)? {
            None => ("not_found", "the bot was removed; choose another"),
            Some(bot) if !bot.enabled => ("disabled", "the bot is disabled; enable it"),
            Some(_) => return Ok(()),
        },
    };
    errors.push(FieldError::new("/bot_id", code, message));
    Ok(())
}

fn check_numbers(
    db: &Connection,
    settings: &Settings,
    errors: &mut Vec<FieldError>,
) -> Result<(), StoreError> {
    for id in &settings.number_ids {
        if let Some(number) = setup::number(db, *id)?
            && number.enabled
            && matches!(number.direction, Direction::Outbound | Direction::Both)
            && setup::carrier(db, number.carrier_id)?.is_some_and(|carrier| carrier.enabled)
        {
            return Ok(());
        }
    }
    let (code, message) = if settings.number_ids.is_empty() {
        ("required", "choose at least one outbound number")
    } else {
        ("unusable", "none of the numbers is an enabled outbound number on an enabled carrier")
    };
    errors.push(FieldError::new("/number_ids", code, message));
    Ok(())
}

/// The next revision of the run, with the whole setup as it is now (CL-15). Bots of
/// other kinds than `script` may hold secrets, so their settings are left out.
pub(crate) fn write_revision(
    batch: &mut Batch<'_>,
    id: CampaignId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let campaign = campaigns::campaign(batch.db, id)?;
    let revision = campaign.revision + 1;
    let settings = &campaign.settings;
    let bot = match settings.bot_id {
        Some(bot) => setup::bot(batch.db, bot)?,
        None => None,
    };
    let mut numbers = Vec::new();
    for number in &settings.number_ids {
        if let Some(number) = setup::number(batch.db, *number)? {
            let carrier = batch.carrier_name(number.carrier_id)?;
            numbers.push(json!({
                "id": number.id,
                "e164": number.e164,
                "carrier_id": number.carrier_id,
                "carrier": &*carrier,
                "label": number.label,
            }));
        }
    }
    let snapshot = json!({
        "campaign_id": id,
        "run": campaign.run,
        "revision": revision,
        "created_at": campaign.created.at,
        "created_by": campaign.created.by,
        "started_at": campaign.started.as_ref().map(|stamp| stamp.at),
        "started_by": campaign.started.as_ref().map(|stamp| &stamp.by),
        "bot": bot.map(|bot| json!({
            "id": bot.id,
            "name": bot.name,
            "kind": bot.kind,
            "settings": (bot.kind == BotKind::Script)
                .then_some(bot.settings),
        })),
        "number_pool": numbers,
        "config_url": settings.config_url,
        "config": settings.as_ref(),
    });
    sql::run(
        batch.db,
        "INSERT INTO setup (campaign, run, revision, at, setup) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![id.0, campaign.run, revision, ms(now), snapshot.to_string()],
    )?;
    sql::run(
        batch.db,
        "UPDATE run SET revision = ?3 WHERE campaign = ?1 AND run = ?2",
        params![id.0, campaign.run, revision],
    )?;
    batch.changed(id);
    Ok(())
}

/// running → paused: no attempt is recorded after this commit.
pub(crate) fn pause(
    batch: &mut Batch<'_>,
    id: CampaignId,
    by: &Actor,
    now: Timestamp,
) -> Result<(), StoreError> {
    let run = batch.current_run(id)?;
    let status = run.status.after(Action::Pause)?;
    sql::run(
        batch.db,
        "UPDATE run SET status = ?3, paused_at = ?4, paused_by = ?5
         WHERE campaign = ?1 AND run = ?2",
        params![id.0, run.key.run, status.code(), ms(now), serde_json::to_string(by)?],
    )?;
    activity::append(batch, id, by, "pause", "", now)?;
    batch.changed(id);
    Ok(())
}

/// paused → running.
pub(crate) fn resume(
    batch: &mut Batch<'_>,
    id: CampaignId,
    by: &Actor,
    now: Timestamp,
) -> Result<(), StoreError> {
    let run = batch.current_run(id)?;
    let status = run.status.after(Action::Resume)?;
    sql::run(
        batch.db,
        "UPDATE run SET status = ?3, resumed_at = ?4, resumed_by = ?5
         WHERE campaign = ?1 AND run = ?2",
        params![id.0, run.key.run, status.code(), ms(now), serde_json::to_string(by)?],
    )?;
    activity::append(batch, id, by, "resume", "", now)?;
    batch.changed(id);
    Ok(())
}

/// running or paused → completed at once; the line is emptied in pieces (CL-4).
pub(crate) fn stop(
    batch: &mut Batch<'_>,
    id: CampaignId,
    by: &Actor,
    now: Timestamp,
) -> Result<(), StoreError> {
    let run = batch.current_run(id)?;
    let status = run.status.after(Action::Stop)?;
    end(batch, &run, status, Some(CompletionReason::ManuallyStopped), None, by, now)?;
    activity::append(batch, id, by, "stop", "", now)?;
    close(batch, run.key)
}

/// The single day is over: the line is emptied; live calls go on (CL-13).
pub(crate) fn sweep(batch: &mut Batch<'_>, key: RunKey, now: Timestamp) -> Result<(), StoreError> {
    let run = batch.run(key)?;
    if !run.current || !matches!(run.status, Status::Running | Status::Paused) {
        return Ok(());
    }
    sql::run(
        batch.db,
        "UPDATE run SET swept_at = coalesce(swept_at, ?3) WHERE campaign = ?1 AND run = ?2",
        params![key.campaign.0, key.run, ms(now)],
    )?;
    batch.changed(key.campaign);
    close(batch, key)
}

/// The first piece with the verb, so that a small campaign is closed when it answers.
fn close(batch: &mut Batch<'_>, key: RunKey) -> Result<(), StoreError> {
    if !claims::close_line(batch, key, &Budget::piece())? {
        batch.chore(Chore::new(Task::CloseLine(key)));
    }
    Ok(())
}

/// Completes the run if nobody waits, nobody is in a call and no file is being
/// applied; the reason is the first of R-3 that holds.
pub(crate) fn complete(
    batch: &mut Batch<'_>,
    key: RunKey,
    now: Timestamp,
) -> Result<Option<CompletionReason>, StoreError> {
    let run = batch.run(key)?;
    if !run.current {
        return Ok(None);
    }
    let status = match run.status.after(Action::Complete) {
        Ok(status) => status,
        Err(_) => return Ok(None),
    };
    let swept = run.end == RunEnd::Swept;
    let counters = batch.counters(key)?;
    let left = counters.class(ContactClass::Waiting) + counters.class(ContactClass::Active);
    if left > 0
        || (run.settings.always_on && !swept)
        || imports::is_applying(batch.db, key.campaign)?
    {
        return Ok(None);
    }
    let reason = if swept {
        CompletionReason::WindowEnded
    } else if counters.get(Kind::DIALS) == 0 {
        CompletionReason::NoCallableContacts
    } else if counters.get(Kind::EXHAUSTED) > 0 {
        CompletionReason::MaxRetries
    } else {
        CompletionReason::AllFinal
    };
    let by = Actor::dialler();
    end(batch, &run, status, Some(reason), None, &by, now)?;
    activity::append(batch, key.campaign, &by, "complete", reason.label(), now)?;
    Ok(Some(reason))
}

/// running or paused → failed; the line stays as it is (CL-6).
pub(crate) fn fail(
    batch: &mut Batch<'_>,
    key: RunKey,
    failure: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let run = batch.run(key)?;
    if !run.current {
        return Ok(());
    }
    let status = run.status.after(Action::Fail)?;
    let by = Actor::dialler();
    end(batch, &run, status, None, Some(failure), &by, now)?;
    activity::append(batch, key.campaign, &by, "fail", failure, now)?;
    Ok(())
}

fn end(
    batch: &mut Batch<'_>,
    run: &RunNow,
    status: Status,
    reason: Option<CompletionReason>,
    failure: Option<&str>,
    by: &Actor,
    now: Timestamp,
) -> Result<(), StoreError> {
    sql::run(
        batch.db,
        "UPDATE run SET status = ?3, ended_at = ?4, ended_by = ?5, reason = ?6, failure = ?7
         WHERE campaign = ?1 AND run = ?2",
        params![
            run.key.campaign.0,
            run.key.run,
            status.code(),
            ms(now),
            serde_json::to_string(by)?,
            reason.map(CompletionReason::code),
            failure
        ],
    )?;
    batch.changed(run.key.campaign);
    Ok(())
}
