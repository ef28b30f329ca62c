//! The organisation's do-not-call list.

use campanile_domain::phone::{self, PhoneNumber};
use campanile_store::rows::DoNotCall;
use jiff::Timestamp;

use crate::{
    app::App,
    auth::{Act, Who},
    service::{Result, ServiceError},
};

/// What an address of a number names.
const LISTED: &str = "number on the do-not-call list";

/// Longest source and reason, characters.
const TEXT_MAX: usize = 200;

/// A number that nobody shall call.
pub struct NewEntry {
    /// In international form.
    pub number: String,
    /// Where it comes from; `manual` unless told.
    pub source: Option<String>,
    /// A note.
    pub reason: Option<String>,
    /// Until when; for good unless told.
    pub expires_at: Option<Timestamp>,
}

/// A page in order of number.
pub async fn list(
    app: &App,
    who: &Who,
    after: Option<PhoneNumber>,
    limit: u32,
) -> Result<Vec<DoNotCall>> {
    who.require(Act::Export)?;
    Ok(app.store.do_not_calls(after, limit).await?)
}

/// What the list says of a number.
pub async fn get(app: &App, who: &Who, number: &str) -> Result<DoNotCall> {
    who.require(Act::Look)?;
    let found = app.store.do_not_call(named(number)?).await?;
    found.ok_or(ServiceError::NotFound(LISTED))
}

/// Lists a number from now on: no campaign dials it.
pub async fn add(app: &App, who: &Who, new: NewEntry) -> Result<DoNotCall> {
    who.require(Act::Trigger)?;
    let number = read(&new.number)?;
    let now = app.now();
    if new.expires_at.is_some_and(|end| end <= now) {
        return Err(ServiceError::field("/expires_at", "past", "name a time that is to come"));
    }
    for (pointer, text) in [("/source", &new.source), ("/reason", &new.reason)] {
        if text.as_ref().is_some_and(|text| text.chars().count() > TEXT_MAX) {
            let message = format!("use at most {TEXT_MAX} characters");
            return Err(ServiceError::field(pointer, "too_long", message));
        }
    }
    let given = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let entry = DoNotCall {
        number,
        source: given(new.source).unwrap_or_else(|| "manual".into()),
        reason: given(new.reason),
        at: now,
        by: who.actor.clone(),
        expires_at: new.expires_at,
    };
    app.store.list_do_not_call(vec![entry]).await?;
    // As it stands: of two ends the later holds.
    get(app, who, &number.to_string()).await
}

/// Takes a number off the list.
pub async fn remove(app: &App, who: &Who, number: &str) -> Result<()> {
    who.require(Act::Edit)?;
    Ok(app.store.unlist_do_not_call(named(number)?).await?)
}

/// The number in an address: one that is none is not listed either.
fn named(text: &str) -> Result<PhoneNumber> {
    text.parse().map_err(|_| ServiceError::NotFound(LISTED))
}

fn read(text: &str) -> Result<PhoneNumber> {
    let text = text.trim();
    if !text.starts_with('+') {
        return Err(ServiceError::field(
            "/number",
            "invalid_number",
            "write the number in international form, with `+` and its country code",
        ));
    }
    // What is no number that could be dialled may be listed too: only its digits matter.
    text.parse::<PhoneNumber>()
        .or_else(|_| phone::parse(text, "ZZ"))
        .map_err(|fault| ServiceError::field("/number", fault.code(), fault.to_string()))
}
