//! Numbers.

use axum::{
    Json,
    extract::{Path, State},
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
    service::numbers::{self, NewNumber},
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
