//! The console: pages for people, rendered here, alive by server-sent events.
//!
//! Each screen is a file of handlers and view functions; a view takes plain values
//! and gives markup, so that every state of a page is a test. Every action is a
//! form that works without scripts and answers 303.

mod assets;
mod campaign;
mod campaigns;
mod form;
mod icons;
mod keys;
mod layout;
pub(crate) mod live;
mod new;
mod parts;
mod setup;
mod signin;
mod spark;
mod text;

use std::convert::Infallible;

use axum::{
    Router,
    extract::{FromRequestParts, State},
    http::{HeaderValue, header, request::Parts},
    response::{IntoResponse, Redirect, Response},
    routing::{any, post},
};
use campanile_store::rows::Role;
use maud::html;
use serde::Deserialize;

use self::layout::{Frame, Reader};
pub(crate) use self::layout::{Theme, document};
use crate::{
    app::App,
    auth::{SignedIn, Who},
    service::ServiceError,
};

/// Every route of the console.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .merge(assets::routes())
        .merge(signin::routes())
        .merge(setup::routes())
        .merge(campaigns::routes())
        .merge(new::routes())
        .merge(campaign::routes())
        .route("/dashboard/theme", post(choose_theme))
        .route("/dashboard/{*rest}", any(nothing_here))
}

/// A signed-in person at an address, with the theme he chose.
pub(crate) struct Visit {
    signed_in: SignedIn,
    theme: Theme,
    here: String,
}

impl FromRequestParts<App> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let theme = Theme::of(&parts.headers);
        let here = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let signed_in = SignedIn::from_request_parts(parts, app).await?;
        Ok(Self { signed_in, theme, here })
    }
}

impl Visit {
    fn who(&self) -> &Who {
        &self.signed_in.who
    }

    fn role(&self) -> Role {
        self.signed_in.user.role
    }

    fn frame(&self, app: &App) -> Frame {
        Frame {
            reader: Reader {
                email: self.signed_in.user.email.clone(),
                role: self.signed_in.user.role.word(),
            },
            theme: self.theme,
            here: self.here.clone(),
            version: app.version.to_owned(),
        }
    }

    fn fault(&self, error: ServiceError) -> Fault {
        Fault { theme: self.theme, error }
    }
}

/// A page that cannot be shown.
pub(crate) struct Fault {
    theme: Theme,
    error: ServiceError,
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = self.error.status();
        if let ServiceError::Internal(cause) = &self.error {
            tracing::error!(%cause, "A page could not be shown");
        }
        let title = status.canonical_reason().unwrap_or("Error");
        let words = match &self.error {
            ServiceError::NotFound("page") => "There is no page at this address".into(),
            ServiceError::Internal(_) => {
                "Something went wrong in the server, and its log says what. Try again".into()
            }
            ServiceError::Forbidden(_) => {
                "Your role does not allow this. Ask an administrator for another one".into()
            }
            error => parts::sentence(&error.to_string()),
        };
        let page = layout::gate(
            self.theme,
            title,
            html! {
                div.who { (icons::mark()) h1 { (title) } p { (words) "." } }
                a.btn href="/dashboard/campaigns" { "Back to the campaigns" }
            },
        );
        (status, page).into_response()
    }
}

/// The theme of a visitor who need not be signed in.
impl<S: Sync> FromRequestParts<S> for Theme {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

#[derive(Debug, Deserialize)]
struct Choice {
    theme: String,
    #[serde(default)]
    back: String,
}

/// Remembers the theme for a year; the cookie is no secret, the script reads it.
async fn choose_theme(State(app): State<App>, axum::Form(choice): axum::Form<Choice>) -> Response {
    let theme = Theme::from_word(&choice.theme);
    let secure = if app.is_https() { "; Secure" } else { "" };
    let cookie = format!(
        "{}={}; Path=/; Max-Age=31536000; SameSite=Lax{secure}",
        Theme::COOKIE,
        theme.word()
    );
    let cookie = HeaderValue::try_from(cookie).expect("words of ours are a header value");
    let mut response = Redirect::to(own_path(&choice.back)).into_response();
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response
}

async fn nothing_here(visit: Visit) -> Fault {
    visit.fault(ServiceError::NotFound("page"))
}

/// `path` if it leads to this server, else the campaign list: what a form or an
/// address says must not lead a signed-in person elsewhere.
fn own_path(path: &str) -> &str {
    let bytes = path.as_bytes();
    let is_own = bytes.first() == Some(&b'/')
        && !matches!(bytes.get(1), Some(b'/' | b'\\'))
        && path.bytes().all(|byte| byte.is_ascii_graphic());
    if is_own { path } else { "/dashboard/campaigns" }
}

/// `text` as a value of a query.
fn escape_query(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_server_are_followed() {
        for path in ["/", "/dashboard/campaigns/cmp_1?state=failed#calls"] {
            assert_eq!(own_path(path), path);
        }
        for path in
            ["", "//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nb", "a"]
        {
            assert_eq!(own_path(path), "/dashboard/campaigns", "{path:?}");
        }
    }

    #[test]
    fn a_query_value_keeps_no_meaning_of_its_own() {
        assert_eq!(escape_query("EMI & more?"), "EMI%20%26%20more%3F");
    }
}
