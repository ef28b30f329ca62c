//! Numbers.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
};
use campanile_domain::{
    carrier::{Direction, Number},
    ids::{CarrierId, NumberId},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    api::{
        body::{self, Object},
        created,
        page::{Page, PageQuery, Query},
        path_id,
    },
    app::App,
    auth::Caller,
    problem::Problem,
    service::numbers::{self, NewNumber, NumberChange},
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewNumber")]
pub(crate) struct New {
    e164: String,
    carrier_id: CarrierId,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    direction: Option<Direction>,
}

/// What becomes other of a number; an empty label takes the label away.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NumberPatch")]
pub(crate) struct Patch {
    #[serde(default)]
    carrier_id: Option<CarrierId>,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    direction: Option<Direction>,
    #[serde(default)]
    enabled: Option<bool>,
}

impl body::Shape for Patch {
    const REQUIRED: &'static [&'static str] = &[];
}

impl body::Shape for New {
    const REQUIRED: &'static [&'static str] = &["e164", "carrier_id"];
}

pub(crate) async fn list(
    State(app): State<App>,
    Caller(who): Caller,
    Query(page): Query<PageQuery>,
) -> Result<Page<Number>, Problem> {
    let numbers = numbers::list(&app, &who).await?;
    Page::of_all(numbers, &page, |number| number.id, |number| number)
}

pub(crate) async fn one(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Json<Number>, Problem> {
    let id: NumberId = path_id(&id, "number")?;
    Ok(Json(numbers::get(&app, &who, id).await?))
}

pub(crate) async fn create(
    State(app): State<App>,
    Caller(who): Caller,
    Object(object): Object,
) -> Result<impl IntoResponse, Problem> {
    let New { e164, carrier_id, label, direction } = body::read(object)?;
    let direction = direction.unwrap_or(Direction::Outbound);
    let new = NewNumber { e164, carrier_id, label, direction };
    let number = numbers::create(&app, &who, new).await?;
    Ok(created(format!("/api/v1/numbers/{}", number.id), number))
}

pub(crate) async fn update(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Object(object): Object,
) -> Result<Json<Number>, Problem> {
    let id: NumberId = path_id(&id, "number")?;
    let Patch { carrier_id, label, direction, enabled } = body::read(object)?;
    let change = NumberChange { carrier_id, label, direction, enabled };
    Ok(Json(numbers::update(&app, &who, id, change).await?))
}

pub(crate) async fn delete(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id: NumberId = path_id(&id, "number")?;
    numbers::delete(&app, &who, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
