//! One contact that a program asks to be dialled.

use campanile_domain::{guard, ids::CampaignId, phone};
use campanile_store::rows::{Trigger, Triggered};
use serde_json::{Map, Value};

use crate::{
    app::App,
    auth::{Act, Who},
    service::{Result, ServiceError},
};

/// Longest key of a request, characters.
const KEY_MAX: usize = 200;
/// Largest metadata of a contact, bytes of JSON.
const METADATA_MAX: usize = 64 << 10;

/// What a program asks.
pub struct NewTrigger {
    /// By which campaign.
    pub campaign: CampaignId,
    /// The callee, with `+` and its country.
    pub mobile: String,
    /// Its variables.
    pub metadata: Map<String, Value>,
    /// The program's name for the request.
    pub key: Option<String>,
}

/// Adds the contact to a running or paused campaign, or brings it back to the line.
pub async fn trigger(app: &App, who: &Who, new: NewTrigger) -> Result<Triggered> {
    who.require(Act::Trigger)?;
    let settings = app.store.campaign(new.campaign).await?.settings;
    let mobile = new.mobile.trim();
    if !mobile.starts_with('+') {
        return Err(ServiceError::field(
            "/mobile",
            "invalid_number",
            "write the number in international form, with `+` and its country code",
        ));
    }
    let number = phone::parse(mobile, &settings.default_country)
        .map_err(|fault| ServiceError::field("/mobile", fault.code(), fault.to_string()))?;
    guard::check_country(number, &settings)
        .map_err(|barred| ServiceError::field("/mobile", barred.code(), barred.to_string()))?;
    if serde_json::to_vec(&new.metadata).map_or(0, |text| text.len()) > METADATA_MAX {
        return Err(ServiceError::field(
            "/metadata",
            "too_large",
            format!("metadata of a contact are at most {} KB", METADATA_MAX >> 10),
        ));
    }
    if let Some(key) = &new.key
        && (key.is_empty() || key.chars().count() > KEY_MAX)
    {
        return Err(ServiceError::field(
            "/idempotency_key",
            "invalid",
            format!("use 1 to {KEY_MAX} characters"),
        ));
    }
    let trigger = Trigger { campaign: new.campaign, number, metadata: new.metadata, key: new.key };
    Ok(app.store.trigger(trigger, app.now()).await?)
}
