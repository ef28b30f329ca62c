//! Carriers, numbers and bots, and what the dialler has to know of everything.

use std::sync::Arc;

use campanile_domain::{
    bot::{Bot, BotKind, Script},
    campaign::Status,
    carrier::{Carrier, CarrierSettings, Direction, Number},
    contact::ContactState,
    field::FieldError,
    ids::{BotId, CampaignId, CarrierId, NumberId},
    phone::PhoneNumber,
    setup::{CampaignSetup, DiallerSetup},
};
use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde_json::Value;

use crate::{
    error::StoreError,
    sqlite::{
        batch::{Batch, RunNow},
        counters::{self, Counters, RunKey},
        sql::{self, Cells, digits, ms},
    },
    store::Change,
};

/// A new, enabled carrier.
pub(crate) fn create_carrier(
    batch: &mut Batch<'_>,
    settings: CarrierSettings,
    now: Timestamp,
) -> Result<Carrier, StoreError> {
    let carrier = Carrier { id: CarrierId(batch.ids.block(ms(now), 1)), enabled: true, settings };
    sql::run(
        batch.db,
        "INSERT INTO carrier (id, enabled, settings, created_at) VALUES (?1, 1, ?2, ?3)",
        params![carrier.id.0, serde_json::to_string(&carrier.settings)?, ms(now)],
    )?;
    batch.loud(Change::Setup);
    Ok(carrier)
}

/// Other settings of a carrier.
pub(crate) fn update_carrier(
    batch: &mut Batch<'_>,
    carrier: Carrier,
) -> Result<Carrier, StoreError> {
    let changed = sql::run(
        batch.db,
        "UPDATE carrier SET enabled = ?2, settings = ?3 WHERE id = ?1",
        params![carrier.id.0, carrier.enabled, serde_json::to_string(&carrier.settings)?],
    )?;
    if changed == 0 {
        return Err(StoreError::NotFound("carrier"));
    }
    batch.renamed();
    batch.loud(Change::Setup);
    Ok(carrier)
}

pub(crate) fn carriers(db: &Connection) -> Result<Vec<Carrier>, StoreError> {
    let statement = "SELECT id, enabled, settings FROM carrier ORDER BY id";
    Ok(sql::all(db, statement, [], read_carrier)?)
}

pub(crate) fn carrier(db: &Connection, id: CarrierId) -> Result<Option<Carrier>, StoreError> {
    let statement = "SELECT id, enabled, settings FROM carrier WHERE id = ?1";
    Ok(sql::first(db, statement, [id.0], read_carrier)?)
}

fn read_carrier(row: &mut Cells<'_>) -> rusqlite::Result<Carrier> {
    Ok(Carrier { id: CarrierId(row.get()?), enabled: row.get()?, settings: row.json()? })
}

/// A new, enabled number.
pub(crate) fn create_number(
    batch: &mut Batch<'_>,
    e164: PhoneNumber,
    carrier_id: CarrierId,
    label: Option<String>,
    direction: Direction,
    now: Timestamp,
) -> Result<Number, StoreError> {
    if carrier(batch.db, carrier_id)?.is_none() {
        return Err(StoreError::invalid(
            "/carrier_id",
            "not_found",
            "there is no carrier with this id",
        ));
    }
    let taken =
        sql::first(batch.db, "SELECT id FROM number WHERE e164 = ?1", [digits(e164)], |row| {
            row.get::<i64>()
        })?;
    if taken.is_some() {
        return Err(StoreError::conflict("exists", format!("{e164} is entered already")));
    }
    let number = Number {
        id: NumberId(batch.ids.block(ms(now), 1)),
        e164,
        carrier_id,
        label,
        direction,
        enabled: true,
    };
    sql::run(
        batch.db,
        "INSERT INTO number (id, e164, carrier, label, direction, enabled, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6)",
        params![number.id.0, digits(e164), carrier_id.0, number.label, direction.code(), ms(now)],
    )?;
    batch.loud(Change::Setup);
    Ok(number)
}

pub(crate) fn numbers(db: &Connection) -> Result<Vec<Number>, StoreError> {
    let statement = "SELECT id, e164, carrier, label, direction, enabled FROM number ORDER BY id";
    Ok(sql::all(db, statement, [], read_number)?)
}

pub(crate) fn number(db: &Connection, id: NumberId) -> Result<Option<Number>, StoreError> {
    let statement = "SELECT id, e164, carrier, label, direction, enabled FROM number WHERE id = ?1";
    Ok(sql::first(db, statement, [id.0], read_number)?)
}

fn read_number(row: &mut Cells<'_>) -> rusqlite::Result<Number> {
    Ok(Number {
        id: NumberId(row.get()?),
        e164: row.phone()?,
        carrier_id: CarrierId(row.get()?),
        label: row.get()?,
        direction: row.code(Direction::from_code)?,
        enabled: row.get()?,
    })
}

/// A new, enabled bot.
pub(crate) fn create_bot(
    batch: &mut Batch<'_>,
    name: String,
    kind: BotKind,
    settings: Value,
    now: Timestamp,
) -> Result<Bot, StoreError> {
    check_bot(&name, kind, &settings)?;
    let bot = Bot { id: BotId(batch.ids.block(ms(now), 1)), name, kind, enabled: true, settings };
    sql::run(
        batch.db,
        "INSERT INTO bot (id, name, kind, enabled, settings, created_at)
         VALUES (?1, ?2, ?3, 1, ?4, ?5)",
        params![bot.id.0, bot.name, kind.code(), bot.settings.to_string(), ms(now)],
    )?;
    batch.loud(Change::Setup);
    Ok(bot)
}

/// Another name or other settings of a bot; its kind stays.
pub(crate) fn update_bot(
    batch: &mut Batch<'_>,
    id: BotId,
    enabled: bool,
    name: String,
    settings: Value,
) -> Result<Bot, StoreError> {
    let kind = bot(batch.db, id)?.ok_or(StoreError::NotFound("bot"))?.kind;
    check_bot(&name, kind, &settings)?;
    sql::run(
        batch.db,
        "UPDATE bot SET enabled = ?2, name = ?3, settings = ?4 WHERE id = ?1",
        params![id.0, enabled, name, settings.to_string()],
    )?;
    batch.loud(Change::Setup);
    Ok(Bot { id, name, kind, enabled, settings })
}

fn check_bot(name: &str, kind: BotKind, settings: &Value) -> Result<(), StoreError> {
    let mut errors = Vec::new();
    if name.trim().is_empty() {
        errors.push(FieldError::new("/name", "required", "give the bot a name"));
    }
    match kind {
        BotKind::Script => {
            errors.extend(Script::from_settings(settings).err().into_iter().flatten())
        }
        BotKind::MediaStream | BotKind::Realtime | BotKind::Sip => {
            if !settings.is_object() {
                errors.push(FieldError::new("/settings", "invalid", "use a JSON object"));
            }
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(StoreError::Invalid(errors)) }
}

pub(crate) fn bots(db: &Connection) -> Result<Vec<Bot>, StoreError> {
    let statement = "SELECT id, name, kind, enabled, settings FROM bot ORDER BY id";
    Ok(sql::all(db, statement, [], read_bot)?)
}

pub(crate) fn bot(db: &Connection, id: BotId) -> Result<Option<Bot>, StoreError> {
    let statement = "SELECT id, name, kind, enabled, settings FROM bot WHERE id = ?1";
    Ok(sql::first(db, statement, [id.0], read_bot)?)
}

fn read_bot(row: &mut Cells<'_>) -> rusqlite::Result<Bot> {
    Ok(Bot {
        id: BotId(row.get()?),
        name: row.get()?,
        kind: row.code(BotKind::from_code)?,
        enabled: row.get()?,
        settings: row.json()?,
    })
}

/// Campaigns that dial, may dial again, or still have calls; and all carriers.
pub(crate) fn dialler_setup(db: &Connection) -> Result<DiallerSetup, StoreError> {
    let runs = sql::all(
        db,
        "SELECT campaign.id, campaign.run
         FROM campaign JOIN run ON run.campaign = campaign.id AND run.run = campaign.run
         WHERE run.started_at IS NOT NULL
           AND (run.status IN (?1, ?2)
                OR EXISTS (SELECT 1 FROM counter
                           WHERE counter.campaign = run.campaign AND counter.run = run.run
                             AND counter.kind BETWEEN ?3 AND ?4 AND counter.n > 0))
         ORDER BY campaign.id",
        params![
            Status::Running.code(),
            Status::Paused.code(),
            ContactState::Leased.code(),
            ContactState::Processing.code()
        ],
        |row| Ok(RunKey { campaign: CampaignId(row.get()?), run: row.get()? }),
    )?;
    let campaigns = runs.into_iter().map(|key| campaign_setup(db, key));
    Ok(DiallerSetup {
        campaigns: campaigns.collect::<Result<_, _>>()?,
        carriers: carriers(db)?.into_iter().map(Arc::new).collect(),
    })
}

fn campaign_setup(db: &Connection, key: RunKey) -> Result<CampaignSetup, StoreError> {
    let run = RunNow::read(db, key)?;
    let counters = Counters::read(db, key)?;
    let bot = match run.settings.bot_id {
        Some(id) => bot(db, id)?.map(Arc::new),
        None => None,
    };
    let mut numbers = Vec::new();
    for id in &run.settings.number_ids {
        numbers.extend(number(db, *id)?.filter(|number| {
            number.enabled && matches!(number.direction, Direction::Outbound | Direction::Both)
        }));
    }
    Ok(CampaignSetup {
        id: key.campaign,
        status: run.status,
        run: key.run,
        revision: run.revision,
        started_at: run.started_at.ok_or(StoreError::NotFound("run"))?,
        settings: Arc::new((*run.settings).clone()),
        bot,
        numbers: numbers.into(),
        queue: counters::queue(db, key, &counters, run.started_at)?,
        sums: counters.sums(),
    })
}
