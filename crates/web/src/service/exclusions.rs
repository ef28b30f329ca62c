//! Contacts that a campaign must not dial.

use campanile_domain::{exclusion::Selector, ids::CampaignId, phone};
use serde_json::{Map, Value};

use crate::{
    app::App,
    auth::{Act, Who},
    service::{Result, ServiceError},
};

/// Longest reason, characters.
const REASON_MAX: usize = 500;

/// What is asked.
pub struct NewExclusion {
    /// Of which campaign.
    pub campaign: CampaignId,
    /// Whom, by number.
    pub mobile: Option<String>,
    /// Whom, by one or two metadata keys.
    pub metadata: Option<Map<String, Value>>,
    /// Why; kept in the log.
    pub reason: Option<String>,
}

/// Excludes the contacts that are meant, and says how many there are.
pub async fn exclude(app: &App, who: &Who, new: NewExclusion) -> Result<u64> {
    who.require(Act::Trigger)?;
    let settings = app.store.campaign(new.campaign).await?.settings;
    let selector = match (new.mobile, new.metadata) {
        (Some(mobile), None) => {
            let number = phone::parse(&mobile, &settings.default_country)
                .map_err(|fault| ServiceError::field("/mobile", fault.code(), fault.to_string()))?;
            Selector::Number(number)
        }
        (None, Some(pairs)) => {
            Selector::by_metadata(&pairs).map_err(|fault| ServiceError::Invalid(vec![fault]))?
        }
        (Some(_), Some(_)) | (None, None) => {
            return Err(ServiceError::field(
                "",
                "invalid",
                "name the contact either by `mobile` or by `match`",
            ));
        }
    };
    let reason = new.reason.map(|reason| reason.trim().to_owned()).filter(|it| !it.is_empty());
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > REASON_MAX) {
        let message = format!("use at most {REASON_MAX} characters");
        return Err(ServiceError::field("/reason", "too_long", message));
    }
    Ok(app.store.exclude(new.campaign, selector, reason, who.actor.clone(), app.now()).await?)
}
