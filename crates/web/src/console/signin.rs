//! Signing in and out, and the first administrator.

use axum::{
    Router,
    extract::{Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use campanile_domain::field::FieldError;
use maud::{Markup, html};
use serde::Deserialize;
use tower_sessions::Session;

use super::{
    Fault, icons,
    layout::{Theme, gate},
    own_path,
    parts::{Field, Tone, notice, sentence},
    text::span,
};
use crate::{
    app::App,
    auth::signed_in::{PeerAddress, SignInRefused, sign_in, sign_out},
    service::{self, ServiceError},
};

/// Routes that need nobody signed in.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/signin", get(show).post(enter))
        .route("/signout", post(leave))
        .route("/setup", get(first_run).post(create_first))
}

#[derive(Debug, Default, Deserialize)]
struct Asked {
    #[serde(default)]
    next: String,
}

#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    next: String,
}

/// What the sign-in page shows.
#[derive(Debug, Default)]
pub(crate) struct SignIn<'a> {
    pub(crate) host: &'a str,
    pub(crate) email: &'a str,
    pub(crate) next: &'a str,
    /// Why it was refused.
    pub(crate) fault: Option<String>,
    /// Nobody can sign in yet: the server has printed a link.
    pub(crate) nobody_yet: bool,
}

async fn show(
    State(app): State<App>,
    theme: Theme,
    Query(asked): Query<Asked>,
) -> Result<Response, Fault> {
    let page = SignIn {
        host: host(&app),
        next: &asked.next,
        nobody_yet: nobody_yet(&app, theme).await?,
        ..Default::default()
    };
    Ok(gate(theme, "Sign in", sign_in_page(&page)).into_response())
}

/// Whether the one-time link is what a newcomer needs.
async fn nobody_yet(app: &App, theme: Theme) -> Result<bool, Fault> {
    let token = app.first_run_token().await;
    Ok(token.map_err(|error| Fault { theme, error: error.into() })?.is_some())
}

async fn enter(
    State(app): State<App>,
    theme: Theme,
    session: Session,
    peer: PeerAddress,
    axum::Form(entry): axum::Form<Entry>,
) -> Result<Response, Fault> {
    let mut wait_seconds = None;
    let (status, fault) = match sign_in(&app, &session, peer, &entry.email, &entry.password).await {
        Ok(_) => return Ok(Redirect::to(own_path(&entry.next)).into_response()),
        Err(SignInRefused::WrongPassword) => {
            (StatusCode::UNPROCESSABLE_ENTITY, "E-mail or password is wrong.".to_owned())
        }
        Err(SignInRefused::TooOften { retry_after_seconds }) => {
            wait_seconds = Some(retry_after_seconds);
            (
                StatusCode::TOO_MANY_REQUESTS,
                format!("Too many tries. Try again in {}.", span(retry_after_seconds)),
            )
        }
        Err(SignInRefused::Failed(error)) => return Err(Fault { theme, error }),
    };
    let page = SignIn {
        host: host(&app),
        email: &entry.email,
        next: &entry.next,
        fault: Some(fault),
        nobody_yet: nobody_yet(&app, theme).await?,
    };
    let mut response = (status, gate(theme, "Sign in", sign_in_page(&page))).into_response();
    if let Some(seconds) = wait_seconds {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    Ok(response)
}

async fn leave(theme: Theme, session: Session) -> Result<Redirect, Fault> {
    sign_out(&session).await.map_err(|error| Fault { theme, error })?;
    Ok(Redirect::to("/signin"))
}

fn host(app: &App) -> &str {
    app.base_url.split_once("://").map_or(app.base_url.as_str(), |(_, host)| host)
}

/// The page.
pub(crate) fn sign_in_page(page: &SignIn<'_>) -> Markup {
    let errors: Vec<FieldError> = page
        .fault
        .iter()
        .map(|words| FieldError::new("/password", "refused", words.clone()))
        .collect();
    let email = Field {
        name: "email",
        label: "E-mail",
        kind: "email",
        value: page.email,
        autocomplete: "username",
        required: true,
        ..Field::default()
    };
    let password = Field {
        name: "password",
        label: "Password",
        kind: "password",
        autocomplete: "current-password",
        required: true,
        pointers: &["/password"],
        ..Field::default()
    };
    html! {
        div.who { (icons::mark()) h1 { "Sign in to Campanile" } p { (page.host) } }
        @if page.nobody_yet {
            (notice(Tone::Blue, icons::Icon::Info, html! {
                b { "Nobody can sign in yet." } " "
                span { "Open the one-time link that the server printed when it started." }
            }))
        }
        section.card aria-label="Sign in" {
            form method="post" action="/signin" {
                input type="hidden" name="next" value=(page.next);
                (email.draw(&[]))
                (password.draw(&errors))
                button.btn.primary type="submit" { "Sign in" }
            }
        }
        p.note { "Forgotten it? An administrator can make you a new one." }
    }
}

#[derive(Debug, Deserialize)]
struct Token {
    #[serde(default)]
    token: String,
}

#[derive(Debug, Deserialize)]
struct First {
    #[serde(default)]
    token: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
}

async fn first_run(
    State(app): State<App>,
    theme: Theme,
    Query(asked): Query<Token>,
) -> Result<Response, Fault> {
    let is_right = service::users::is_first_run_token(&app, &asked.token).await;
    Ok(if is_right.map_err(|error| Fault { theme, error })? {
        gate(theme, "First run", first_run_page(&asked.token, "", &[])).into_response()
    } else {
        expired(theme)
    })
}

async fn create_first(
    State(app): State<App>,
    theme: Theme,
    session: Session,
    peer: PeerAddress,
    axum::Form(first): axum::Form<First>,
) -> Result<Response, Fault> {
    match service::users::create_first_admin(&app, &first.token, &first.email, &first.password)
        .await
    {
        Ok(_) => {}
        Err(ServiceError::Invalid(errors)) => {
            let page = first_run_page(&first.token, &first.email, &errors);
            let page = gate(theme, "First run", page);
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
        }
        Err(ServiceError::Conflict { .. }) => return Ok(expired(theme)),
        Err(error) => return Err(Fault { theme, error }),
    }
    match sign_in(&app, &session, peer, &first.email, &first.password).await {
        Ok(_) => Ok(Redirect::to("/dashboard/campaigns").into_response()),
        Err(SignInRefused::Failed(error)) => Err(Fault { theme, error }),
        // The account is there; the person signs in by hand.
        Err(SignInRefused::WrongPassword | SignInRefused::TooOften { .. }) => {
            Ok(Redirect::to("/signin").into_response())
        }
    }
}

/// The page of a link that is right.
pub(crate) fn first_run_page(token: &str, email: &str, errors: &[FieldError]) -> Markup {
    let email = Field {
        name: "email",
        label: "E-mail",
        kind: "email",
        value: email,
        autocomplete: "username",
        required: true,
        pointers: &["/email"],
        ..Field::default()
    };
    let password = Field {
        name: "password",
        label: "Password",
        kind: "password",
        autocomplete: "new-password",
        hint: "At least 10 characters.",
        required: true,
        pointers: &["/password"],
        ..Field::default()
    };
    let other: Vec<&FieldError> = errors
        .iter()
        .filter(|error| !matches!(error.pointer.as_str(), "/email" | "/password"))
        .collect();
    html! {
        div.who {
            (icons::mark())
            h1 { "Welcome to Campanile" }
            p { "Make the first administrator. This link works once." }
        }
        section.card aria-label="First administrator" {
            form method="post" action="/setup" {
                @for error in other { (notice(Tone::Red, icons::Icon::CircleX, sentence(&error.message))) }
                input type="hidden" name="token" value=(token);
                (email.draw(errors))
                (password.draw(errors))
                button.btn.primary type="submit" { "Create and sign in" }
            }
        }
    }
}

fn expired(theme: Theme) -> Response {
    let page = gate(
        theme,
        "Link used",
        html! {
            div.who {
                (icons::mark())
                h1 { "This link is used or wrong" }
                p { "An administrator exists already, or the server was started again and printed a new link." }
            }
            a.btn href="/signin" { "Sign in" }
        },
    );
    (StatusCode::NOT_FOUND, page).into_response()
}
