//! Carriers, numbers and bots that nobody needs any more, and changes to numbers.

use campanile_domain::{
    carrier::Number,
    ids::{BotId, CarrierId, NumberId},
};
use rusqlite::{Connection, params};

use crate::{
    error::StoreError,
    sqlite::{
        batch::Batch,
        setup,
        sql::{self, digits},
    },
    store::Change,
};

/// Other settings of a number; the number itself stays.
pub(crate) fn update_number(batch: &mut Batch<'_>, number: Number) -> Result<Number, StoreError> {
    if setup::carrier(batch.db, number.carrier_id)?.is_none() {
        return Err(StoreError::invalid(
            "/carrier_id",
            "not_found",
            "there is no carrier with this id",
        ));
    }
    let changed = sql::run(
        batch.db,
        "UPDATE number SET carrier = ?2, label = ?3, direction = ?4, enabled = ?5 WHERE id = ?1",
        params![
            number.id.0,
            number.carrier_id.0,
            number.label,
            number.direction.code(),
            number.enabled
        ],
    )?;
    if changed == 0 {
        return Err(StoreError::NotFound("number"));
    }
    batch.loud(Change::Setup);
    Ok(number)
}

/// Whether an attempt went through a carrier: it stays then, as reports name it.
pub(crate) fn has_dialled(db: &Connection, id: CarrierId) -> Result<bool, StoreError> {
    let statement = "SELECT 1 FROM attempt WHERE carrier_id = ?1 LIMIT 1";
    Ok(sql::first(db, statement, [id.0], |row| row.get::<i64>())?.is_some())
}

/// Takes a carrier away that is disabled and has no numbers.
pub(crate) fn delete_carrier(batch: &mut Batch<'_>, id: CarrierId) -> Result<(), StoreError> {
    let carrier = setup::carrier(batch.db, id)?.ok_or(StoreError::NotFound("carrier"))?;
    if carrier.enabled {
        return Err(in_use("the carrier is enabled; disable it first"));
    }
    let numbers = sql::all(
        batch.db,
        "SELECT e164 FROM number WHERE carrier = ?1 ORDER BY e164 LIMIT 5",
        [id.0],
        |row| row.get::<i64>(),
    )?;
    if !numbers.is_empty() {
        let numbers: Vec<_> = numbers.iter().map(|number| format!("+{number}")).collect();
        return Err(in_use(format!("numbers belong to it: {}", numbers.join(", "))));
    }
    sql::run(batch.db, "DELETE FROM carrier WHERE id = ?1", [id.0])?;
    batch.loud(Change::Setup);
    Ok(())
}

/// Takes a number away that no campaign shows.
pub(crate) fn delete_number(batch: &mut Batch<'_>, id: NumberId) -> Result<(), StoreError> {
    let number = setup::number(batch.db, id)?.ok_or(StoreError::NotFound("number"))?;
    refuse_if_named(
        batch.db,
        "SELECT settings ->> '$.name' FROM campaign
         WHERE EXISTS (SELECT 1 FROM json_each(settings, '$.number_ids') WHERE value = ?1)
         ORDER BY id DESC LIMIT 5",
        &id.to_string(),
    )?;
    sql::run(batch.db, "DELETE FROM number WHERE e164 = ?1", [digits(number.e164)])?;
    batch.loud(Change::Setup);
    Ok(())
}

/// Takes a bot away that no campaign speaks through.
pub(crate) fn delete_bot(batch: &mut Batch<'_>, id: BotId) -> Result<(), StoreError> {
    setup::bot(batch.db, id)?.ok_or(StoreError::NotFound("bot"))?;
    refuse_if_named(
        batch.db,
        "SELECT settings ->> '$.name' FROM campaign WHERE settings ->> '$.bot_id' = ?1
         ORDER BY id DESC LIMIT 5",
        &id.to_string(),
    )?;
    sql::run(batch.db, "DELETE FROM bot WHERE id = ?1", [id.0])?;
    batch.loud(Change::Setup);
    Ok(())
}

fn refuse_if_named(db: &Connection, statement: &str, id: &str) -> Result<(), StoreError> {
    let names: Vec<String> =
        sql::all(db, statement, [id], |row| Ok(row.get::<Option<String>>()?.unwrap_or_default()))?;
    if names.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = names.iter().map(|name| format!("“{name}”")).collect();
    Err(in_use(format!("campaigns use it: {}", names.join(", "))))
}

pub(crate) fn in_use(why: impl Into<String>) -> StoreError {
    StoreError::conflict("in_use", why)
}
