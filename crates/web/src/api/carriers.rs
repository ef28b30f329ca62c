//! Carriers. A password goes in and never comes out.

use axum::{
    Json,
    extract::{Path, State},
    response::IntoResponse,
};
use campanile_domain::{
    carrier::{Carrier, CarrierSettings},
    field::FieldError,
    ids::CarrierId,
};
use serde_json::{Map, Value, json};

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

pub(crate) async fn list(
    State(app): State<App>,
    Caller(who): Caller,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<Value>>, Problem> {
    let carriers = carriers::list(&app, &who).await?;
    Ok(Json(Page::of_all(carriers, &page, |carrier| carrier.id, |carrier| view(&app, &carrier))?))
}

pub(crate) async fn one(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(view(&app, &carriers::get(&app, &who, read_id(&id)?).await?)))
}

pub(crate) async fn create(
    State(app): State<App>,
    Caller(who): Caller,
    Object(object): Object,
) -> Result<impl IntoResponse, Problem> {
    let settings: CarrierSettings = body::read(object)?;
    let carrier = carriers::create(&app, &who, settings).await?;
    Ok(created(format!("/api/v1/carriers/{}", carrier.id), view(&app, &carrier)))
}

/// Only the fields given change; `enabled` is one of them.
pub(crate) async fn update(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Object(mut patch): Object,
) -> Result<Json<Value>, Problem> {
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
    Ok(Json(view(&app, &carrier)))
}

/// The settings, and how it stands: `health` is null until the dialler has heard of it.
fn view(app: &App, carrier: &Carrier) -> Value {
    let mut view = Map::new();
    view.insert("id".into(), json!(carrier.id));
    view.insert("enabled".into(), json!(carrier.enabled));
    view.extend(carriers::settings_as_json(carrier));
    if let Some(Value::Object(auth)) = view.get_mut("auth") {
        auth.shift_remove("password");
    }
    view.insert("health".into(), json!(app.live.carrier(carrier.id).as_deref()));
    Value::Object(view)
}

fn read_id(text: &str) -> Result<CarrierId, Problem> {
    path_id(text, "carrier")
}
