//! API keys; the secret is in the answer to its making and nowhere else.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
};
use campanile_domain::ids::KeyId;
use campanile_store::rows::{Key, Scope};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{
        body::{self, Object},
        created,
        page::{Page, PageQuery, Query},
        path_id,
    },
    app::{App, to_millisecond},
    auth::Caller,
    problem::Problem,
    service::keys,
};

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ApiKey")]
pub(crate) struct View {
    id: KeyId,
    name: String,
    prefix: String,
    scope: Scope,
    #[schemars(with = "campanile_domain::schema::Time")]
    created_at: Timestamp,
    #[schemars(with = "Option<campanile_domain::schema::Time>")]
    last_used_at: Option<Timestamp>,
    /// Not taken any more from then on; null: until it is deleted.
    #[schemars(with = "Option<campanile_domain::schema::Time>")]
    expires_at: Option<Timestamp>,
    /// The whole key, once.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl View {
    fn of(key: Key, secret: Option<String>) -> Self {
        Self {
            id: key.id,
            name: key.name,
            prefix: key.prefix,
            scope: key.scope,
            created_at: key.created_at,
            last_used_at: key.last_used_at,
            expires_at: key.expires_at.map(to_millisecond),
            key: secret,
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewApiKey")]
pub(crate) struct New {
    name: String,
    scope: Scope,
    /// Not taken any more from then on; absent: until it is deleted.
    #[serde(default)]
    #[schemars(with = "Option<campanile_domain::schema::Time>")]
    expires_at: Option<Timestamp>,
}

impl body::Shape for New {
    const REQUIRED: &'static [&'static str] = &["name", "scope"];
}

pub(crate) async fn list(
    State(app): State<App>,
    Caller(who): Caller,
    Query(page): Query<PageQuery>,
) -> Result<Page<View>, Problem> {
    let keys = keys::list(&app, &who).await?;
    Page::of_all(keys, &page, |key| key.id, |key| View::of(key, None))
}

pub(crate) async fn create(
    State(app): State<App>,
    Caller(who): Caller,
    Object(object): Object,
) -> Result<impl IntoResponse, Problem> {
    let New { name, scope, expires_at } = body::read(object)?;
    let (key, secret) = keys::create(&app, &who, name, scope, expires_at).await?;
    Ok(created(format!("/api/v1/keys/{}", key.id), View::of(key, Some(secret))))
}

pub(crate) async fn delete(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id: KeyId = path_id(&id, "key")?;
    keys::delete(&app, &who, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
