//! The API for machines, `/api/v1` (api.md): reads requests, calls service functions,
//! writes answers in the words of api.md.

pub(crate) mod body;
pub(crate) mod bots;
pub(crate) mod callbacks;
pub(crate) mod campaigns;
pub(crate) mod carriers;
pub(crate) mod contacts;
pub(crate) mod do_not_call;
pub(crate) mod docs;
pub(crate) mod events;
pub(crate) mod guard;
pub(crate) mod keys;
pub(crate) mod live;
pub(crate) mod numbers;
pub(crate) mod openapi;
pub(crate) mod page;
pub(crate) mod programs;
pub(crate) mod rates;
pub(crate) mod replies;
pub(crate) mod route;
pub(crate) mod routes;
pub(crate) mod users;

use std::str::FromStr;

use axum::http::{HeaderName, StatusCode, header};

use crate::{problem::Problem, service::ServiceError};

/// An address under `/api/v1` that there is not.
pub(crate) async fn unknown() -> Problem {
    Problem::of_status(StatusCode::NOT_FOUND)
}

/// The id in a path; a text that is none is as unknown as an id nobody has.
pub(crate) fn path_id<T: FromStr>(text: &str, what: &'static str) -> Result<T, Problem> {
    text.parse().map_err(|_| ServiceError::NotFound(what).into())
}

/// 201 with the address of what was made.
pub(crate) fn created<T: serde::Serialize>(
    path: String,
    made: T,
) -> (StatusCode, [(HeaderName, String); 1], axum::Json<T>) {
    (StatusCode::CREATED, [(header::LOCATION, path)], axum::Json(made))
}
