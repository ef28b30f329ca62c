//! Cross-site request forgery: an unsafe method must come from our own pages.
//!
//! Browsers say where a request comes from in `Sec-Fetch-Site`, older ones in
//! `Origin`. A request to the API that shows a key is exempt: it is judged by the
//! key, which a foreign page cannot know, and never by the cookie.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{app::App, auth::keys, problem::Problem};

/// Refuses unsafe requests of foreign pages.
pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    if is_safe(request.method())
        || is_api && keys::shown_in(request.headers()).is_some()
        || is_ours(request.headers(), &app.base_url)
    {
        next.run(request).await
    } else {
        Problem::new(
            StatusCode::FORBIDDEN,
            "cross_site",
            "This request comes from another site; open the console itself and try again.",
        )
        .into_response()
    }
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// `base_url` is where people reach the console: a proxy in between may have put a host
/// of its own into the request.
fn is_ours(headers: &HeaderMap, base_url: &str) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match text("sec-fetch-site") {
        Some("same-origin" | "none") => return true,
        Some(_) => return false,
        None => {}
    }
    match text("origin") {
        Some(origin) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            origin == base_url || host.is_some() && host == text(header::HOST.as_str())
        }
        // Neither header: not a browser, or one without cookies of ours to abuse.
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_may_change_things() {
        let ours = |headers: &[(&'static str, &'static str)]| {
            let headers = headers
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect();
            is_ours(&headers, "https://dial.example.com")
        };
        assert!(ours(&[("sec-fetch-site", "same-origin")]));
        assert!(ours(&[("sec-fetch-site", "none")]));
        assert!(!ours(&[("sec-fetch-site", "cross-site")]));
        assert!(!ours(&[("sec-fetch-site", "same-site")]));
        assert!(!ours(&[("sec-fetch-site", "cross-site"), ("host", "a"), ("origin", "http://a")]));
        assert!(ours(&[("host", "a:8080"), ("origin", "http://a:8080")]));
        assert!(!ours(&[("host", "a:8080"), ("origin", "http://evil")]));
        assert!(!ours(&[("host", "a:8080"), ("origin", "null")]));
        assert!(!ours(&[("origin", "http://a:8080")]));
        assert!(ours(&[("host", "a:8080")]));
        assert!(ours(&[("host", "10.0.0.7:8080"), ("origin", "https://dial.example.com")]));
        assert!(!ours(&[("host", "10.0.0.7:8080"), ("origin", "http://dial.example.com")]));
        assert!(!ours(&[("sec-fetch-site", "cross-site"), ("x-api-key", "cmpk_x")]));
    }
}
