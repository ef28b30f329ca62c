//! Carriers. A password goes in and never comes out.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
};
use campanile_domain::{
    carrier::{Carrier, CarrierHealth, CarrierSettings, NumberFormat, Transport},
    field::FieldError,
    ids::CarrierId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    api::{
        body::{self, Object},
        created,
        page::{Page, PageQuery, Query},
        path_id,
    },
    app::App,
    auth::{Act, Caller},
    problem::Problem,
    service::carriers,
};

/// A carrier as the API shows it: its settings without the password, and how it stands.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Carrier")]
pub(crate) struct View {
    id: CarrierId,
    enabled: bool,
    name: String,
    host: String,
    port: Option<u16>,
    transport: Transport,
    auth: Option<Account>,
    cps: f64,
    burst: u32,
    channels: u32,
    codecs: Vec<String>,
    register: bool,
    from_domain: Option<String>,
    outbound_proxy: Option<String>,
    number_format: NumberFormat,
    prefix: Option<String>,
    any_caller_id: bool,
    /// Null until the dialler has heard of it.
    health: Option<Arc<CarrierHealth>>,
}

/// Digest credentials, as far as they are shown.
#[derive(Serialize, JsonSchema)]
struct Account {
    username: String,
    realm: Option<String>,
}

impl View {
    fn of(app: &App, carrier: Carrier) -> Self {
        let CarrierSettings {
            name,
            host,
            port,
            transport,
            auth,
            cps,
            burst,
            channels,
            codecs,
            register,
            from_domain,
            outbound_proxy,
            number_format,
            prefix,
            any_caller_id,
        } = carrier.settings;
        Self {
            id: carrier.id,
            enabled: carrier.enabled,
            name,
            host,
            port,
            transport,
            auth: auth.map(|auth| Account { username: auth.username, realm: auth.realm }),
            cps,
            burst,
            channels,
            codecs,
            register,
            from_domain,
            outbound_proxy,
            number_format,
            prefix,
            any_caller_id,
            health: app.live.carrier(carrier.id),
        }
    }
}

/// What of a carrier can be changed: for the description alone, as a change is read as
/// the whole that it makes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "its fields are read from the whole")]
pub(crate) struct Patch {
    enabled: Option<bool>,
    #[serde(flatten)]
    settings: CarrierSettings,
}

pub(crate) async fn list(
    State(app): State<App>,
    Caller(who): Caller,
    Query(page): Query<PageQuery>,
) -> Result<Page<View>, Problem> {
    let carriers = carriers::list(&app, &who).await?;
    Page::of_all(carriers, &page, |carrier| carrier.id, |carrier| View::of(&app, carrier))
}

pub(crate) async fn one(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Json<View>, Problem> {
    Ok(Json(View::of(&app, carriers::get(&app, &who, read_id(&id)?).await?)))
}

pub(crate) async fn create(
    State(app): State<App>,
    Caller(who): Caller,
    Object(object): Object,
) -> Result<impl IntoResponse, Problem> {
    let settings: CarrierSettings = body::read(object)?;
    let carrier = carriers::create(&app, &who, settings).await?;
    Ok(created(format!("/api/v1/carriers/{}", carrier.id), View::of(&app, carrier)))
}

/// Only the fields given change; `enabled` is one of them.
pub(crate) async fn update(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Object(mut patch): Object,
) -> Result<Json<View>, Problem> {
    // Before it is told whether there is such a carrier.
    who.require(Act::Administer)?;
    let carrier = carriers::get(&app, &who, read_id(&id)?).await?;
    let enabled = match patch.shift_remove("enabled") {
        None => carrier.enabled,
        Some(Value::Bool(enabled)) => enabled,
        Some(_) => {
            let fault = FieldError::new("/enabled", "invalid", "use true or false");
            return Err(Problem::invalid(vec![fault]));
        }
    };
    let mut whole = carriers::settings_as_json(&carrier);
    whole.extend(patch);
    let settings: CarrierSettings = body::read(whole)?;
    let carrier = carriers::update(&app, &who, carrier.id, enabled, settings).await?;
    Ok(Json(View::of(&app, carrier)))
}

pub(crate) async fn delete(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    carriers::delete(&app, &who, read_id(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn read_id(text: &str) -> Result<CarrierId, Problem> {
    path_id(text, "carrier")
}
