//! `Idempotency-Key`: a write that is asked for twice is done once, and both get the
//! same answer (draft-ietf-httpapi-idempotency-key-header).
//!
//! The key is taken in the database before the handler runs and answered after it. A
//! process that ends in between leaves it unanswered: nobody knows then whether the
//! deed was done, so it is refused, never done again.

use std::panic::AssertUnwindSafe;

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use campanile_store::replies::{Asked, Kept, Reply};
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    app::App,
    problem::{self, Problem},
    router::BODY_MAX,
};

/// Longest key that is taken, bytes.
const KEY_MAX: usize = 255;
/// Headers of an answer that are kept with it.
const KEPT: [HeaderName; 3] = [header::CONTENT_TYPE, header::LOCATION, header::LINK];

/// What is kept of an answer beside its status.
#[derive(Serialize, Deserialize)]
struct Content {
    headers: Vec<(String, String)>,
    body: String,
}

/// The key that a request carries.
pub(crate) fn key_of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().unwrap_or_default();
    let is_sound =
        (1..=KEY_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    if is_sound {
        return Ok(Some(key.to_owned()));
    }
    Err(Problem::new(
        StatusCode::BAD_REQUEST,
        "invalid_idempotency_key",
        format!("An `Idempotency-Key` is 1 to {KEY_MAX} visible ASCII characters."),
    ))
}

/// Runs the handler for the first request with `key`; gives the kept answer to the others.
pub(crate) async fn once(
    app: App,
    who: String,
    key: String,
    parts: Parts,
    body: Body,
    next: Next,
) -> Response {
    let Ok(body) = to_bytes(body, BODY_MAX).await else {
        return Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE).into_response();
    };
    let asked = Asked { who, key, request: hash_of(&parts, &body), process: app.process };
    match app.store.begin_reply(asked.clone(), app.now()).await {
        Err(error) => Problem::from(error).into_response(),
        Ok(Kept::Reply(reply)) => replayed(reply),
        Ok(Kept::Other) => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency_mismatch",
            "This `Idempotency-Key` came with another request before; use a new one.",
        )
        .into_response(),
        Ok(Kept::Unanswered) => Problem {
            retry_after_seconds: Some(1),
            ..Problem::new(
                StatusCode::CONFLICT,
                "in_flight",
                "The request with this `Idempotency-Key` is still being worked on; ask again.",
            )
        }
        .into_response(),
        Ok(Kept::Lost) => Problem::new(
            StatusCode::CONFLICT,
            "outcome_unknown",
            "The server stopped while it worked on the request with this `Idempotency-Key`. Look \
             whether it was done, and use a new key if it was not.",
        )
        .into_response(),
        Ok(Kept::Nothing) => {
            // A caller who goes away must not leave it half done and never answered.
            let work = tokio::spawn(answer(
                app,
                asked,
                Request::from_parts(parts, Body::from(body)),
                next,
            ));
            work.await.unwrap_or_else(|_| {
                Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR).into_response()
            })
        }
    }
}

/// Runs the handler and keeps what it answers.
async fn answer(app: App, asked: Asked, request: Request, next: Next) -> Response {
    let id = problem::request_id(&request);
    let response = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let response = response.unwrap_or_else(problem::of_panic);
    let is_undone = matches!(
        response.status(),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
    );
    if is_undone {
        if let Err(error) = app.store.forget_reply(asked).await {
            tracing::warn!(%error, "An idempotency key was not given free");
        }
        return response;
    }
    let (mut parts, body) = problem::written(response, &id).into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR).into_response();
    };
    let headers = KEPT
        .iter()
        .filter_map(|name| {
            let value = parts.headers.get(name)?.to_str().ok()?;
            Some((name.as_str().to_owned(), value.to_owned()))
        })
        .collect();
    let content = Content { headers, body: String::from_utf8_lossy(&body).into_owned() };
    let reply = Reply {
        status: parts.status.as_u16(),
        answer: serde_json::to_string(&content).expect("texts are plain data"),
    };
    if let Err(error) = app.store.keep_reply(asked, reply).await {
        // The caller gets his answer; a second request is told that nobody knows.
        tracing::warn!(%error, "The answer to an idempotency key was not kept");
    }
    parts.extensions.insert(problem::Written);
    Response::from_parts(parts, Body::from(body))
}

fn replayed(reply: Reply) -> Response {
    let Ok(content) = serde_json::from_str::<Content>(&reply.answer) else {
        return Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR).into_response();
    };
    let mut response = Response::new(Body::from(content.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    for (name, value) in content.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    response.extensions_mut().insert(problem::Written);
    response
}

fn hash_of(parts: &Parts, body: &Bytes) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [parts.method.as_str(), &parts.uri.to_string()] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.update(body);
    hash.finalize().into()
}
