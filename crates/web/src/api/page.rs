//! Lists: `?limit=50&cursor=…` → `{data, next_cursor}`.

use std::{fmt::Display, str::FromStr};

use axum::{
    Json,
    extract::{FromRequestParts, rejection::QueryRejection},
    http::{HeaderValue, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use campanile_domain::field::FieldError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::problem::Problem;

const LIMIT_DEFAULT: u32 = 50;
/// Entries a page may have.
pub(crate) const LIMIT_MAX: u32 = 500;

/// A page of a list.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PageOf{T}")]
pub(crate) struct Page<T> {
    data: Vec<T>,
    /// Shown again as `cursor`, gives the next page; null on the last.
    next_cursor: Option<String>,
}

/// Which page is wanted.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageQuery {
    pub(crate) limit: Option<u32>,
    pub(crate) cursor: Option<String>,
}

impl PageQuery {
    /// Entries wanted.
    pub(crate) fn limit(&self) -> Result<u32, Problem> {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        if (1..=LIMIT_MAX).contains(&limit) {
            Ok(limit)
        } else {
            Err(fault("/limit", "out_of_range", format!("use 1 to {LIMIT_MAX}")))
        }
    }

    /// The entry after which the page begins.
    pub(crate) fn after<Id: FromStr>(&self) -> Result<Option<Id>, Problem> {
        let wrong = |_| fault("/cursor", "invalid", "use `next_cursor` of the page before");
        self.cursor.as_deref().map(|cursor| cursor.parse().map_err(wrong)).transpose()
    }
}

impl<T> Page<T> {
    /// The first `limit` of `rows`, which were read one further to see whether the
    /// list goes on.
    pub(crate) fn of<Row, Id: Display>(
        mut rows: Vec<Row>,
        limit: u32,
        id: impl Fn(&Row) -> Id,
        show: impl FnMut(Row) -> T,
    ) -> Self {
        let goes_on = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next_cursor = rows.last().filter(|_| goes_on).map(|last| id(last).to_string());
        Self { data: rows.into_iter().map(show).collect(), next_cursor }
    }

    /// A page of a list that is short enough to be read whole, in order of id.
    pub(crate) fn of_all<Row, Id: Display + FromStr + Ord>(
        rows: Vec<Row>,
        query: &PageQuery,
        id: impl Fn(&Row) -> Id,
        show: impl FnMut(Row) -> T,
    ) -> Result<Self, Problem> {
        let limit = query.limit()?;
        let after = query.after::<Id>()?;
        let rows = rows
            .into_iter()
            .filter(|row| after.as_ref().is_none_or(|after| id(row) > *after))
            .take(limit as usize + 1)
            .collect();
        Ok(Self::of(rows, limit, id, show))
    }
}

/// Where the list goes on, for the layer that knows the address.
#[derive(Clone)]
struct NextCursor(String);

impl<T: Serialize> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        let next = self.next_cursor.clone().map(NextCursor);
        let mut response = Json(self).into_response();
        if let Some(next) = next {
            response.extensions_mut().insert(next);
        }
        response
    }
}

/// Names the next page in `Link` (RFC 8288 3), for an answer that has one. `address` is
/// what was asked for; the target is relative to it.
pub(crate) fn link_next(address: &Uri, response: &mut Response) {
    let Some(NextCursor(cursor)) = response.extensions().get() else { return };
    let mut query: Vec<_> = address
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="))
        .map(str::to_owned)
        .collect();
    query.push(format!("cursor={cursor}"));
    let link = format!("<?{}>; rel=\"next\"", query.join("&"));
    if let Ok(link) = HeaderValue::try_from(link) {
        response.headers_mut().insert(header::LINK, link);
    }
}

/// The query of a request; a parameter that is unknown or unreadable is 422, so
/// that a misspelt filter never looks like an unfiltered list.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        axum::extract::Query::<T>::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|rejection| {
                let message = match &rejection {
                    QueryRejection::FailedToDeserializeQueryString(error) => {
                        std::error::Error::source(error)
                            .map_or_else(|| error.to_string(), ToString::to_string)
                    }
                    other => other.to_string(),
                };
                fault(&format!("/{}", field_of(&message)), "invalid", message)
            })
    }
}

/// The parameter that a message of serde names: "unknown field `x`, …" or "x: …".
fn field_of(message: &str) -> &str {
    match message.split_once('`').and_then(|(_, rest)| rest.split_once('`')) {
        Some((field, _)) if message.contains("field `") => field,
        _ => message.split_once(": ").map_or("", |(field, _)| field),
    }
}

fn fault(pointer: &str, code: &'static str, message: impl Into<String>) -> Problem {
    Problem::invalid(vec![FieldError::new(pointer, code, message)])
}
