//! Errors on the wire: problem documents (RFC 9457).
//!
//! A handler answers with a [`Problem`]; the `finish` layer writes it, because
//! only there the id of the request is known. It also gives a document to the
//! answers of the framework (unknown path, wrong method, too large a body) under
//! `/api`, so that no error leaves in another shape.

use std::any::Any;

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use campanile_domain::field::FieldError;
use campanile_store::StoreError;
use schemars::JsonSchema;
use serde::Serialize;
use tower_http::request_id::RequestId;

use crate::service::ServiceError;

/// An error as the caller sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// HTTP status.
    pub status: StatusCode,
    /// Stable word for programs.
    pub code: &'static str,
    /// What is the matter and what to do, for people.
    pub detail: String,
    /// Fields at fault, for 422.
    pub errors: Vec<FieldError>,
    /// Seconds to wait, for 429 and 503.
    pub retry_after_seconds: Option<u64>,
}

impl Problem {
    /// A problem without fields.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), errors: Vec::new(), retry_after_seconds: None }
    }

    /// Nobody known asks.
    pub(crate) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "Show an API key: `Authorization: Bearer KEY` or `X-API-Key: KEY`.",
        )
    }

    /// Fields at fault.
    pub(crate) fn invalid(errors: Vec<FieldError>) -> Self {
        Self { errors, ..Self::of_status(StatusCode::UNPROCESSABLE_ENTITY) }
    }

    /// What the framework means by a bare status.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let (code, detail) = match status {
            StatusCode::BAD_REQUEST => ("bad_request", "The request cannot be read."),
            StatusCode::NOT_FOUND => ("not_found", "There is nothing at this address."),
            StatusCode::METHOD_NOT_ALLOWED => {
                ("method_not_allowed", "This address does not take this method; see `Allow`.")
            }
            StatusCode::PAYLOAD_TOO_LARGE => ("too_large", "The body is too large."),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                ("unsupported_media_type", "The body has a `Content-Type` that is not taken here.")
            }
            StatusCode::UNPROCESSABLE_ENTITY => {
                ("invalid", "The input has faults; `errors` names each.")
            }
            status if status.is_server_error() => {
                ("internal", "Something went wrong in the server; its log tells more.")
            }
            _ => ("refused", "The request was refused."),
        };
        Self::new(status, code, detail)
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        let (status, code) = (error.status(), error.code());
        match error {
            ServiceError::Invalid(errors) => Self::invalid(errors),
            ServiceError::Internal(cause) => {
                tracing::error!(%cause, "A request failed");
                Self::of_status(status)
            }
            ServiceError::TooMany { retry_after_seconds } => Self {
                retry_after_seconds: Some(retry_after_seconds),
                ..Self::new(status, code, sentence(&error.to_string()))
            },
            ServiceError::Unavailable => Self {
                retry_after_seconds: Some(2),
                ..Self::new(status, code, sentence(&error.to_string()))
            },
            error => {
                let detail = sentence(&error.to_string());
                let errors = match &error {
                    ServiceError::Import(error) => error.field().into_iter().collect(),
                    _ => Vec::new(),
                };
                Self { errors, ..Self::new(status, code, detail) }
            }
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        ServiceError::from(error).into()
    }
}

/// The problem travels as an extension until `finish` writes it.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl IntoResponse for ServiceError {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

/// A problem document (RFC 9457), for the description.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(crate) struct Described {
    /// A name of the kind of problem, `urn:campanile:problem:` and the code.
    r#type: String,
    title: String,
    status: u16,
    /// What is the matter and what to do, for people.
    detail: String,
    /// Stable word for programs.
    code: String,
    /// Names the request in the server's log.
    request_id: String,
    /// Fields at fault, for 422.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
}

/// Marks an answer whose problem, if it has one, is written already.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written;

/// The id that the server gave a request.
pub(crate) fn request_id(request: &Request) -> String {
    let id = request.extensions().get::<RequestId>();
    id.and_then(|id| id.header_value().to_str().ok()).unwrap_or_default().to_owned()
}

/// `response` with its problem written, if it has one.
pub(crate) fn written(response: Response, request_id: &str) -> Response {
    match response.extensions().get::<Problem>().cloned() {
        Some(problem) => write(&problem, request_id, response),
        None => response,
    }
}

/// Writes the problem of an answer, if it has one or ought to.
pub(crate) async fn finish(request: Request, next: Next) -> Response {
    let id = request_id(&request);
    let is_api = request.uri().path().starts_with("/api/") || request.uri().path() == "/api";
    let response = next.run(request).await;
    let status = response.status();
    if response.extensions().get::<Written>().is_some() {
        return response;
    }
    let problem = match response.extensions().get::<Problem>() {
        Some(problem) => problem.clone(),
        None if is_api && (status.is_client_error() || status.is_server_error()) => {
            Problem::of_status(status)
        }
        None => return response,
    };
    write(&problem, &id, response)
}

fn write(problem: &Problem, request_id: &str, bare: Response) -> Response {
    let document = Document {
        r#type: format!("urn:campanile:problem:{}", problem.code),
        title: problem.status.canonical_reason().unwrap_or("Error"),
        status: problem.status.as_u16(),
        detail: &problem.detail,
        code: problem.code,
        request_id,
        errors: &problem.errors,
    };
    let body = serde_json::to_vec(&document).expect("a problem is plain data");
    let mut response = (problem.status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    // What the framework said beside its status, such as `Allow`.
    for name in ["allow", "www-authenticate", "ratelimit", "ratelimit-policy"] {
        let name = HeaderName::from_static(name);
        if let Some(value) = bare.headers().get(&name) {
            headers.insert(name, value.clone());
        }
    }
    if problem.status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(seconds) = problem.retry_after_seconds {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// Makes a panic of a handler an answer; the cause is for the log alone.
pub(crate) fn of_panic(panic: Box<dyn Any + Send + 'static>) -> Response {
    let cause = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    tracing::error!(cause, "A request panicked");
    Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR).into_response()
}

/// Messages of error types begin small and end without a stop; a detail is a
/// sentence.
fn sentence(message: &str) -> String {
    let mut chars = message.chars();
    let Some(first) = chars.next() else { return String::new() };
    let first = first.to_uppercase();
    let stop = if message.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{stop}", chars.as_str())
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware::from_fn, routing::get};
    use http_body_util::BodyExt;
    use serde_json::Value;
    use tower::ServiceExt;
    use tower_http::catch_panic::CatchPanicLayer;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_problem_that_keeps_its_cause_to_itself() {
        async fn handler() -> &'static str {
            panic!("secret cause")
        }
        let router = Router::new()
            .route("/api/v1/x", get(handler))
            .layer(CatchPanicLayer::custom(of_panic))
            .layer(from_fn(finish));
        let request = Request::get("/api/v1/x").body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let document: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(document["code"], "internal");
        assert!(!document.to_string().contains("secret"));
    }

    #[test]
    fn a_detail_is_a_sentence() {
        assert_eq!(sentence("it is over"), "It is over.");
        assert_eq!(sentence("Élan!"), "Élan!");
        assert_eq!(sentence(""), "");
    }
}
