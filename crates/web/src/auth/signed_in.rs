//! Extractors: the person behind a console request, the caller of the API; and
//! signing in and out.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{Method, StatusCode, request::Parts},
    response::{IntoResponse, Redirect, Response},
};
use campanile_domain::ids::UserId;
use campanile_store::{StoreError, rows::User};
use jiff::Timestamp;
use tower_sessions::Session;

use crate::{
    app::App,
    auth::{keys, rights::Who, sessions},
    problem::Problem,
    service::ServiceError,
};

const USER: &str = "user";
const SINCE: &str = "since";
const SEEN: &str = "seen";

/// A person who is signed in. Without one the console is left for the sign-in page,
/// which leads back.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The person.
    pub user: User,
    /// The same, as service functions want it.
    pub who: Who,
}

impl FromRequestParts<App> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        match user_of(parts, app).await {
            Ok(Some(user)) => {
                let who = Who::user(&user);
                Ok(Self { user, who })
            }
            Ok(None) => Err(to_sign_in(parts)),
            Err(error) => Err(error.into_response()),
        }
    }
}

/// Who calls the API: the key he shows, or, for our own pages, his session.
#[derive(Debug, Clone)]
pub struct Caller(pub Who);

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        // The guard of the route has asked already.
        if let Some(known) = parts.extensions.get::<Self>() {
            return Ok(known.clone());
        }
        if let Some(secret) = keys::shown_in(&parts.headers) {
            let key = keys::authenticate(&app.store, secret, app.now())
                .await
                .map_err(|error| Problem::from(ServiceError::from(error)))?;
            return key.map(|key| Self(Who::key(&key))).ok_or_else(Problem::unauthorized);
        }
        match user_of(parts, app).await? {
            Some(user) => Ok(Self(Who::user(&user))),
            None => Err(Problem::unauthorized()),
        }
    }
}

/// Address of the peer, when the server tells it.
#[derive(Debug, Clone, Copy)]
pub struct PeerAddress(pub Option<IpAddr>);

impl<S: Sync> FromRequestParts<S> for PeerAddress {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self(peer.map(|ConnectInfo(address)| address.ip())))
    }
}

/// Why nobody was signed in.
#[derive(Debug)]
pub enum SignInRefused {
    /// Unknown address or wrong password: not told apart.
    WrongPassword,
    /// Too many failures; try again after so many seconds (HTTP 429).
    TooOften {
        /// Seconds to wait.
        retry_after_seconds: u64,
    },
    /// The store or the session layer failed.
    Failed(ServiceError),
}

impl From<StoreError> for SignInRefused {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// Signs a person in: checks the password, then gives the session a new id.
pub async fn sign_in(
    app: &App,
    session: &Session,
    PeerAddress(address): PeerAddress,
    email: &str,
    password: &str,
) -> Result<User, SignInRefused> {
    let email = email.trim().to_lowercase();
    let now = app.now();
    app.sign_ins.try_once(&email, address, now).map_err(|too_often| SignInRefused::TooOften {
        retry_after_seconds: too_often.retry_after_seconds,
    })?;
    let user = app.store.user_by_email(&email).await?;
    let hash = user.as_ref().map(|user| user.password_hash.clone());
    let right = app
        .passwords
        .verify(password.to_owned(), hash)
        .await
        .map_err(|_| SignInRefused::TooOften { retry_after_seconds: 5 })?;
    let Some(user) = user.filter(|user| right && user.disabled_at.is_none()) else {
        tracing::warn!(address = address.map(tracing::field::display), "Sign-in failed");
        return Err(SignInRefused::WrongPassword);
    };
    app.sign_ins.succeeded(&email, address);
    begin_session(session, &user, now).await.map_err(SignInRefused::Failed)?;
    Ok(user)
}

/// Makes `session` that of `user`, under a new id, so that an id planted before
/// the sign-in is worth nothing after it.
pub(crate) async fn begin_session(
    session: &Session,
    user: &User,
    now: Timestamp,
) -> Result<(), ServiceError> {
    session.clear().await;
    session.cycle_id().await?;
    session.insert(USER, user.id).await?;
    session.insert(SINCE, now).await?;
    session.insert(SEEN, now).await?;
    Ok(())
}

/// Signs out: the session is forgotten here and in the browser.
pub async fn sign_out(session: &Session) -> Result<(), ServiceError> {
    Ok(session.flush().await?)
}

async fn user_of(parts: &mut Parts, app: &App) -> Result<Option<User>, Problem> {
    let Some(session) = parts.extensions.get::<Session>().cloned() else {
        return Ok(None);
    };
    // Without a cookie there is nothing to look up.
    if session.id().is_none() {
        return Ok(None);
    }
    let user = read_session(&session, app).await.map_err(Problem::from)?;
    Ok(user)
}

async fn read_session(session: &Session, app: &App) -> Result<Option<User>, ServiceError> {
    let now = app.now();
    let (Some(id), Some(since)) =
        (session.get::<UserId>(USER).await?, session.get::<Timestamp>(SINCE).await?)
    else {
        return Ok(None);
    };
    if now.duration_since(since) >= sessions::WHOLE {
        session.flush().await?;
        return Ok(None);
    }
    let user = match app.store.user(id).await {
        Ok(user) if user.disabled_at.is_none() => user,
        Ok(_) | Err(StoreError::NotFound(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // Writing it moves the end of the session; once in five minutes is enough.
    let seen = session.get::<Timestamp>(SEEN).await?;
    if seen.is_none_or(|seen| now.duration_since(seen).as_mins() >= 5) {
        session.insert(SEEN, now).await?;
    }
    Ok(Some(user))
}

fn to_sign_in(parts: &Parts) -> Response {
    // A script of ours would take the sign-in page for its answer.
    let mode = parts.headers.get("sec-fetch-mode");
    if mode.is_some_and(|mode| mode != "navigate") {
        return Problem::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "You are signed out; sign in and try again.",
        )
        .into_response();
    }
    if parts.method != Method::GET {
        // What he did is lost, and a form cannot be sent again by a link.
        return Redirect::to("/signin").into_response();
    }
    let here = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let next: String = here
        .bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect();
    Redirect::to(&format!("/signin?next={next}")).into_response()
}
