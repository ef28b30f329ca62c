//! Numbers: the caller IDs that campaigns show.

use campanile_domain::{
    carrier::{Direction, Number},
    ids::{CarrierId, NumberId},
    phone::PhoneNumber,
};

use crate::{
    app::App,
    auth::{Act, Who},
    service::{Result, ServiceError},
};

/// A number as it is entered.
#[derive(Debug, Clone)]
pub struct NewNumber {
    /// International, with `+`. Blanks are ignored.
    pub e164: String,
    /// The carrier it belongs to.
    pub carrier_id: CarrierId,
    /// A name for people.
    pub label: Option<String>,
    /// What it may be used for.
    pub direction: Direction,
}

/// What becomes other of a number; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct NumberChange {
    /// The carrier it belongs to.
    pub carrier_id: Option<CarrierId>,
    /// A name for people; blank takes it away.
    pub label: Option<String>,
    /// What it may be used for.
    pub direction: Option<Direction>,
    /// May be used at all.
    pub enabled: Option<bool>,
}

/// All, in the order they were made.
pub async fn list(app: &App, who: &Who) -> Result<Vec<Number>> {
    who.require(Act::Look)?;
    let mut numbers = app.store.numbers().await?;
    numbers.sort_by_key(|number| number.id);
    Ok(numbers)
}

/// One.
pub async fn get(app: &App, who: &Who, id: NumberId) -> Result<Number> {
    let numbers = list(app, who).await?;
    numbers.into_iter().find(|number| number.id == id).ok_or(ServiceError::NotFound("number"))
}

/// A new, enabled number.
pub async fn create(app: &App, who: &Who, new: NewNumber) -> Result<Number> {
    who.require(Act::Administer)?;
    let digits: String = new.e164.chars().filter(|char| !char.is_whitespace()).collect();
    // Not by the rules of its country: a private exchange may show what it likes.
    let e164: PhoneNumber = digits.parse().map_err(|_| {
        ServiceError::field(
            "/e164",
            "invalid_number",
            "use the international form, such as +911140001234",
        )
    })?;
    let label = checked(new.label)?;
    Ok(app.store.create_number(e164, new.carrier_id, label, new.direction, app.now()).await?)
}

/// Changed fields of a number; its digits stay.
pub async fn update(app: &App, who: &Who, id: NumberId, change: NumberChange) -> Result<Number> {
    who.require(Act::Administer)?;
    let mut number = get(app, who, id).await?;
    if let Some(carrier_id) = change.carrier_id {
        number.carrier_id = carrier_id;
    }
    if change.label.is_some() {
        number.label = checked(change.label)?;
    }
    if let Some(direction) = change.direction {
        number.direction = direction;
    }
    if let Some(enabled) = change.enabled {
        number.enabled = enabled;
    }
    Ok(app.store.update_number(number).await?)
}

/// Takes a number away that no campaign uses.
pub async fn delete(app: &App, who: &Who, id: NumberId) -> Result<()> {
    who.require(Act::Administer)?;
    Ok(app.store.delete_number(id).await?)
}

fn checked(label: Option<String>) -> Result<Option<String>> {
    let label = label.map(|label| label.trim().to_owned()).filter(|label| !label.is_empty());
    if label.as_deref().is_some_and(|label| label.chars().count() > 200) {
        return Err(ServiceError::field("/label", "too_long", "use at most 200 characters"));
    }
    Ok(label)
}
