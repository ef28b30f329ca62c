//! The do-not-call list.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
};
use campanile_domain::phone::PhoneNumber;
use campanile_store::rows::{Actor, DoNotCall};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{
        body::{self, Object},
        created,
        page::{Page, PageQuery, Query},
    },
    app::App,
    auth::Caller,
    problem::Problem,
    service::do_not_call::{self as service, NewEntry},
};

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DoNotCall")]
pub(crate) struct View {
    number: PhoneNumber,
    source: String,
    reason: Option<String>,
    #[schemars(with = "campanile_domain::schema::Time")]
    listed_at: Timestamp,
    listed_by: Actor,
    /// Until when; null for good.
    #[schemars(with = "Option<campanile_domain::schema::Time>")]
    expires_at: Option<Timestamp>,
}

impl From<DoNotCall> for View {
    fn from(entry: DoNotCall) -> Self {
        let DoNotCall { number, source, reason, at, by, expires_at } = entry;
        Self { number, source, reason, listed_at: at, listed_by: by, expires_at }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewDoNotCall")]
pub(crate) struct New {
    /// In international form, with `+`.
    number: String,
    /// Where it comes from; `manual` unless told.
    #[serde(default)]
    #[schemars(length(max = 200))]
    source: Option<String>,
    #[serde(default)]
    #[schemars(length(max = 200))]
    reason: Option<String>,
    /// Until when; for good unless told.
    #[serde(default)]
    #[schemars(with = "Option<campanile_domain::schema::Time>")]
    expires_at: Option<Timestamp>,
}

impl body::Shape for New {
    const REQUIRED: &'static [&'static str] = &["number"];
}

pub(crate) async fn list(
    State(app): State<App>,
    Caller(who): Caller,
    Query(page): Query<PageQuery>,
) -> Result<Page<View>, Problem> {
    let limit = page.limit()?;
    let entries = service::list(&app, &who, page.after()?, limit + 1).await?;
    Ok(Page::of(entries, limit, |entry| entry.number, View::from))
}

pub(crate) async fn one(
    State(app): State<App>,
    Caller(who): Caller,
    Path(number): Path<String>,
) -> Result<axum::Json<View>, Problem> {
    Ok(axum::Json(service::get(&app, &who, &number).await?.into()))
}

pub(crate) async fn create(
    State(app): State<App>,
    Caller(who): Caller,
    Object(object): Object,
) -> Result<impl IntoResponse, Problem> {
    let New { number, source, reason, expires_at } = body::read(object)?;
    let new = NewEntry { number, source, reason, expires_at };
    let entry = service::add(&app, &who, new).await?;
    Ok(created(format!("/api/v1/dnc/{}", entry.number), View::from(entry)))
}

pub(crate) async fn delete(
    State(app): State<App>,
    Caller(who): Caller,
    Path(number): Path<String>,
) -> Result<StatusCode, Problem> {
    service::remove(&app, &who, &number).await?;
    Ok(StatusCode::NO_CONTENT)
}
