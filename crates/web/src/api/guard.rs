//! The gate before every handler of the API: who asks, whether he may, and not too
//! often.

use axum::{
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    api::{
        page, replies,
        route::{Repeat, Rule},
    },
    app::App,
    auth::Caller,
    problem::Problem,
    service::ServiceError,
};

/// What the gate of one route knows.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) app: App,
    pub(crate) rule: Rule,
    pub(crate) repeat: Repeat,
}

/// Lets those in who may, before anything of the body is read.
pub(crate) async fn enter(State(entry): State<Entry>, request: Request, next: Next) -> Response {
    let Rule::May(act) = entry.rule else { return next.run(request).await };
    let (mut parts, body) = request.into_parts();
    let caller = match Caller::from_request_parts(&mut parts, &entry.app).await {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    if let Err(error) = caller.0.require(act) {
        return Problem::from(error).into_response();
    }
    let app = &entry.app;
    let standing = match app.api_rates.take(&caller.0.actor.id, app.now()) {
        Ok(standing) => standing,
        Err(standing) => {
            let seconds = standing.retry_after_seconds();
            let error = ServiceError::TooMany { retry_after_seconds: seconds };
            let mut response = Problem::from(error).into_response();
            standing.tell(response.headers_mut());
            return response;
        }
    };
    let who = caller.0.actor.id.clone();
    parts.extensions.insert(caller);
    let address = parts.uri.clone();
    let key = match entry.repeat {
        Repeat::Reply => replies::key_of(&parts.headers),
        Repeat::Handler | Repeat::Ignored => Ok(None),
    };
    let mut response = match key {
        Err(problem) => problem.into_response(),
        Ok(None) => next.run(Request::from_parts(parts, body)).await,
        Ok(Some(key)) => replies::once(entry.app.clone(), who, key, parts, body, next).await,
    };
    page::link_next(&address, &mut response);
    standing.tell(response.headers_mut());
    response
}
