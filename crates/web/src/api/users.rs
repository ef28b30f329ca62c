//! People who sign in, and where they are signed in.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
};
use campanile_domain::ids::UserId;
use campanile_store::rows::{Role, SignIn, User};
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
    app::App,
    auth::Caller,
    problem::Problem,
    service::users,
};

/// A user as the API shows him.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "User")]
pub(crate) struct View {
    id: UserId,
    email: String,
    role: Role,
    enabled: bool,
    #[schemars(with = "campanile_domain::schema::Time")]
    created_at: Timestamp,
    #[schemars(with = "Option<campanile_domain::schema::Time>")]
    disabled_at: Option<Timestamp>,
}

impl From<User> for View {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            email: user.email,
            role: user.role,
            enabled: user.disabled_at.is_none(),
            created_at: user.created_at,
            disabled_at: user.disabled_at,
        }
    }
}

/// A sign-in that has not ended.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SignIn")]
pub(crate) struct SignInView {
    id: String,
    #[schemars(with = "Option<campanile_domain::schema::Time>")]
    since: Option<Timestamp>,
    /// To five minutes.
    #[schemars(with = "Option<campanile_domain::schema::Time>")]
    seen_at: Option<Timestamp>,
    #[schemars(with = "campanile_domain::schema::Time")]
    expires_at: Timestamp,
}

impl From<SignIn> for SignInView {
    fn from(sign_in: SignIn) -> Self {
        let SignIn { id, since, seen_at, expires_at } = sign_in;
        Self { id, since, seen_at, expires_at }
    }
}

/// A user to be.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewUser")]
pub(crate) struct New {
    email: String,
    role: Role,
    /// At least 10 characters.
    password: String,
}

impl body::Shape for New {
    const REQUIRED: &'static [&'static str] = &["email", "role", "password"];
}

/// What becomes other. Each change ends his sign-ins.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "UserPatch")]
pub(crate) struct Patch {
    #[serde(default)]
    role: Option<Role>,
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    password: Option<String>,
}

impl body::Shape for Patch {
    const REQUIRED: &'static [&'static str] = &[];
}

pub(crate) async fn list(
    State(app): State<App>,
    Caller(who): Caller,
    Query(page): Query<PageQuery>,
) -> Result<Page<View>, Problem> {
    let users = users::list(&app, &who).await?;
    Page::of_all(users, &page, |user| user.id, View::from)
}

pub(crate) async fn create(
    State(app): State<App>,
    Caller(who): Caller,
    Object(object): Object,
) -> Result<impl IntoResponse, Problem> {
    let New { email, role, password } = body::read(object)?;
    let user = users::create(&app, &who, &email, role, password).await?;
    Ok(created(format!("/api/v1/users/{}", user.id), View::from(user)))
}

pub(crate) async fn one(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Json<View>, Problem> {
    Ok(Json(users::get(&app, &who, read_id(&id)?).await?.into()))
}

pub(crate) async fn update(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Object(object): Object,
) -> Result<Json<View>, Problem> {
    let Patch { role, enabled, password } = body::read(object)?;
    let user = users::change(&app, &who, read_id(&id)?, role, enabled, password).await?;
    Ok(Json(user.into()))
}

pub(crate) async fn delete(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    users::delete(&app, &who, read_id(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn sign_ins(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Query(page): Query<PageQuery>,
) -> Result<Page<SignInView>, Problem> {
    let mut sign_ins = users::sign_ins(&app, &who, read_id(&id)?).await?;
    sign_ins.sort_by(|one, other| one.id.cmp(&other.id));
    Page::of_all(sign_ins, &page, |sign_in| sign_in.id.clone(), SignInView::from)
}

/// Signs him out everywhere.
pub(crate) async fn end_sign_ins(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    users::end_sign_ins(&app, &who, read_id(&id)?, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Signs him out in one place.
pub(crate) async fn end_sign_in(
    State(app): State<App>,
    Caller(who): Caller,
    Path((id, sign_in)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    users::end_sign_ins(&app, &who, read_id(&id)?, Some(sign_in)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn read_id(text: &str) -> Result<UserId, Problem> {
    path_id(text, "user")
}
