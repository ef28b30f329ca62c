//! Bots.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
};
use campanile_domain::{
    bot::{Bot, BotKind},
    ids::BotId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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
    service::bots,
};

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Bot")]
pub(crate) struct View {
    id: BotId,
    name: String,
    kind: BotKind,
    enabled: bool,
    settings: Value,
}

impl From<Bot> for View {
    fn from(bot: Bot) -> Self {
        Self {
            id: bot.id,
            name: bot.name,
            kind: bot.kind,
            enabled: bot.enabled,
            settings: bot.settings,
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewBot")]
pub(crate) struct New {
    name: String,
    kind: BotKind,
    #[serde(default)]
    settings: Map<String, Value>,
}

impl body::Shape for New {
    const REQUIRED: &'static [&'static str] = &["name", "kind"];
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "BotPatch")]
pub(crate) struct Patch {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    settings: Option<Map<String, Value>>,
}

impl body::Shape for Patch {
    const REQUIRED: &'static [&'static str] = &[];
}

pub(crate) async fn list(
    State(app): State<App>,
    Caller(who): Caller,
    Query(page): Query<PageQuery>,
) -> Result<Page<View>, Problem> {
    let bots = bots::list(&app, &who).await?;
    Page::of_all(bots, &page, |bot| bot.id, View::from)
}

pub(crate) async fn one(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Json<View>, Problem> {
    Ok(Json(bots::get(&app, &who, read_id(&id)?).await?.into()))
}

pub(crate) async fn create(
    State(app): State<App>,
    Caller(who): Caller,
    Object(object): Object,
) -> Result<impl IntoResponse, Problem> {
    let New { name, kind, settings } = body::read(object)?;
    let bot = bots::create(&app, &who, name, kind, settings).await?;
    Ok(created(format!("/api/v1/bots/{}", bot.id), View::from(bot)))
}

pub(crate) async fn update(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Object(object): Object,
) -> Result<Json<View>, Problem> {
    let Patch { name, enabled, settings } = body::read(object)?;
    let bot = bots::update(&app, &who, read_id(&id)?, enabled, name, settings).await?;
    Ok(Json(bot.into()))
}

pub(crate) async fn delete(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    bots::delete(&app, &who, read_id(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn read_id(text: &str) -> Result<BotId, Problem> {
    path_id(text, "bot")
}
