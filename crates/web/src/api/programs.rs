//! Trigger and Exclude: what a CRM asks, contact by contact.

use axum::{Json, extract::State};
use campanile_domain::ids::{CampaignId, ContactId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    api::body::{self, Object},
    app::App,
    auth::Caller,
    problem::Problem,
    service::{
        exclusions::{self, NewExclusion},
        triggers::{self, NewTrigger},
    },
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trigger {
    campaign_id: CampaignId,
    /// In international form, with `+`.
    mobile: String,
    /// Variables of the contact.
    #[serde(default)]
    metadata: Option<Map<String, Value>>,
    /// Asked again under the same key within seven days, the answer is the same.
    #[serde(default)]
    #[schemars(length(min = 1, max = 200))]
    idempotency_key: Option<String>,
}

impl body::Shape for Trigger {
    const REQUIRED: &'static [&'static str] = &["campaign_id", "mobile"];
}

/// Whether the callee was dialled at once.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TriggerStatus {
    /// Its attempt was durable within a quarter of a second.
    Dialled,
    /// It waits for its turn.
    Queued,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Triggered {
    status: TriggerStatus,
    contact_id: ContactId,
    campaign_id: CampaignId,
    run: u32,
}

pub(crate) async fn trigger(
    State(app): State<App>,
    Caller(who): Caller,
    Object(object): Object,
) -> Result<Json<Triggered>, Problem> {
    let Trigger { campaign_id, mobile, metadata, idempotency_key } = body::read(object)?;
    let new = NewTrigger {
        campaign: campaign_id,
        mobile,
        metadata: metadata.unwrap_or_default(),
        key: idempotency_key,
    };
    let taken = triggers::trigger(&app, &who, new).await?;
    Ok(Json(Triggered {
        status: if taken.dialled { TriggerStatus::Dialled } else { TriggerStatus::Queued },
        contact_id: taken.contact,
        campaign_id,
        run: taken.run,
    }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exclude {
    campaign_id: CampaignId,
    /// The contact with this number; or `match`.
    #[serde(default)]
    mobile: Option<String>,
    /// Contacts with all of these metadata, one or two keys, compared as texts; or `mobile`.
    #[serde(default, rename = "match")]
    metadata: Option<Map<String, Value>>,
    /// Kept in the activity log.
    #[serde(default)]
    #[schemars(length(max = 500))]
    reason: Option<String>,
}

impl body::Shape for Exclude {
    const REQUIRED: &'static [&'static str] = &["campaign_id"];
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Excluded {
    /// Contacts that are meant, in whatever state.
    matched: u64,
}

pub(crate) async fn exclude(
    State(app): State<App>,
    Caller(who): Caller,
    Object(object): Object,
) -> Result<Json<Excluded>, Problem> {
    let Exclude { campaign_id, mobile, metadata, reason } = body::read(object)?;
    let new = NewExclusion { campaign: campaign_id, mobile, metadata, reason };
    Ok(Json(Excluded { matched: exclusions::exclude(&app, &who, new).await? }))
}
