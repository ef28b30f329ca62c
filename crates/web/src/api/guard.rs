//! The gate before every handler of the API: who asks, whether he may, and not too
//! often.

use axum::{
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    api::{
        page,
        route::{Repeat, Rule},
    },
    app::App,
    auth::Caller,
    problem::Problem,
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
    parts.extensions.insert(caller);
    let address = parts.uri.clone();
    let mut response = next.run(Request::from_parts(parts, body)).await;
    page::link_next(&address, &mut response);
    response
}
