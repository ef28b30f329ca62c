//! JSON bodies: read once, every fault named by its field.

use std::fmt::Write;

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header},
};
use campanile_domain::field::FieldError;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::problem::Problem;

/// The body as a JSON object.
pub(crate) struct Object(pub(crate) Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for Object {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Send JSON with `Content-Type: application/json`.",
            ));
        }
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| Problem::of_status(rejection.status()))?;
        match serde_json::from_slice(&body) {
            Ok(Value::Object(object)) => Ok(Self(object)),
            Ok(_) => Err(Problem::invalid(vec![FieldError::new(
                "",
                "invalid",
                "the body must be a JSON object",
            )])),
            Err(error) => Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "malformed_json",
                format!("The body is not JSON: {error}."),
            )),
        }
    }
}

/// An object read as `T`: unknown fields, missing ones and wrong types are each
/// named by their pointer.
pub(crate) fn read<T: DeserializeOwned>(object: Map<String, Value>) -> Result<T, Problem> {
    let mut errors = Vec::new();
    let mut rest = object.clone();
    // serde stops at the first fault: take the field at fault out and read on. Each
    // turn takes a field out or ends.
    loop {
        match serde_json::from_value::<T>(Value::Object(rest.clone())) {
            Ok(value) if errors.is_empty() => return Ok(value),
            Ok(_) => break,
            Err(error) => {
                let message = error.to_string();
                if let Some(field) = named_after("missing field `", &message) {
                    if !object.contains_key(field) {
                        errors.push(fault(field, "required", format!("`{field}` is required")));
                    }
                    break;
                }
                let Some((field, code)) = guilty_field::<T>(&rest, &message) else {
                    errors.push(FieldError::new("", "invalid", message));
                    break;
                };
                rest.shift_remove(&field);
                errors.push(fault(&field, code, message));
            }
        }
    }
    Err(Problem::invalid(errors))
}

/// The field whose absence changes what serde says.
fn guilty_field<T: DeserializeOwned>(
    object: &Map<String, Value>,
    message: &str,
) -> Option<(String, &'static str)> {
    if let Some(field) = named_after("unknown field `", message)
        && object.contains_key(field)
    {
        return Some((field.to_owned(), "unknown"));
    }
    object
        .keys()
        .find(|field| {
            let mut without = object.clone();
            without.shift_remove(*field);
            let said = serde_json::from_value::<T>(Value::Object(without)).err();
            said.is_none_or(|error| error.to_string() != message)
        })
        .map(|field| (field.clone(), "invalid"))
}

fn named_after<'a>(start: &str, message: &'a str) -> Option<&'a str> {
    message.strip_prefix(start)?.split('`').next()
}

fn fault(field: &str, code: &'static str, message: impl Into<String>) -> FieldError {
    let mut pointer = String::with_capacity(field.len() + 1);
    // RFC 6901 3: `~` and `/` within a name are escaped.
    let _ = write!(pointer, "/{}", field.replace('~', "~0").replace('/', "~1"));
    FieldError::new(pointer, code, message)
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
        || (kind.len() > 5 && kind[kind.len() - 5..].eq_ignore_ascii_case("+json"))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Thing {
        name: String,
        size: u8,
        #[serde(default)]
        more: Option<bool>,
    }

    fn faults(value: Value) -> Vec<String> {
        let Value::Object(object) = value else { panic!("tests give objects") };
        match read::<Thing>(object) {
            Ok(_) => Vec::new(),
            Err(problem) => problem
                .errors
                .iter()
                .map(|error| format!("{} {}", error.pointer, error.code))
                .collect(),
        }
    }

    #[test]
    fn every_fault_names_its_field() {
        assert_eq!(faults(json!({"name": "a", "size": 1})), [""; 0]);
        assert_eq!(faults(json!({"name": "a"})), ["/size required"]);
        assert_eq!(faults(json!({"name": "a", "size": 1, "sise": 2})), ["/sise unknown"]);
        assert_eq!(
            faults(json!({"name": 1, "size": 300, "more": "x", "~/": 1})),
            ["/name invalid", "/size invalid", "/more invalid", "/~0~1 unknown"]
        );
    }
}
