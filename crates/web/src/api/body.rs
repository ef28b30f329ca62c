//! JSON bodies: read once, every fault named by its field.

use std::fmt::Write;

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header},
};
use campanile_domain::{carrier::CarrierSettings, field::FieldError};
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

/// What a body is read as.
pub(crate) trait Shape: DeserializeOwned {
    /// The fields that must be there. serde names only the first that is not; a test
    /// holds each list to what serde asks for.
    const REQUIRED: &'static [&'static str];
}

impl Shape for CarrierSettings {
    const REQUIRED: &'static [&'static str] = &["name", "host", "cps", "channels"];
}

/// An object read as `T`: unknown fields, missing ones and wrong types are each
/// named by their pointer.
pub(crate) fn read<T: Shape>(object: Map<String, Value>) -> Result<T, Problem> {
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
                // serde asks for absent fields after it has read the others. One that
                // was taken out for a fault of its own is not missing.
                if named_after("missing field `", &message)
                    .is_some_and(|field| T::REQUIRED.contains(&field) && !rest.contains_key(field))
                {
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
    let missing = T::REQUIRED.iter().filter(|field| !object.contains_key(**field));
    errors.extend(missing.map(|field| fault(field, "required", format!("`{field}` is required"))));
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
    use campanile_domain::ids::CarrierId;
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

    impl Shape for Thing {
        const REQUIRED: &'static [&'static str] = &["name", "size"];
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
        assert_eq!(faults(json!({})), ["/name required", "/size required"]);
        assert_eq!(faults(json!({"name": 1})), ["/name invalid", "/size required"]);
        assert_eq!(faults(json!({"name": "a", "size": 1, "sise": 2})), ["/sise unknown"]);
        assert_eq!(
            faults(json!({"nam": "a"})),
            ["/nam unknown", "/name required", "/size required"]
        );
        assert_eq!(
            faults(json!({"name": 1, "size": 300, "more": "x", "~/": 1})),
            ["/name invalid", "/size invalid", "/more invalid", "/~0~1 unknown"]
        );
    }

    /// Whether `T` lists exactly what serde asks for, of the fields of a whole body.
    fn lists_what_it_needs<T: Shape>(whole: Value) {
        let Value::Object(whole) = whole else { panic!("tests give objects") };
        assert!(read::<T>(whole.clone()).is_ok(), "{whole:?}");
        for field in whole.keys() {
            let mut without = whole.clone();
            without.shift_remove(field);
            let asked = serde_json::from_value::<T>(Value::Object(without)).is_err();
            assert_eq!(asked, T::REQUIRED.contains(&field.as_str()), "{field}");
        }
        assert!(T::REQUIRED.iter().all(|field| whole.contains_key(*field)));
    }

    #[test]
    fn every_body_lists_the_fields_that_it_needs() {
        use crate::api::{bots, keys, numbers};

        lists_what_it_needs::<bots::New>(json!({"name": "a", "kind": "script", "settings": {}}));
        lists_what_it_needs::<bots::Patch>(json!({"name": "a", "enabled": true, "settings": {}}));
        lists_what_it_needs::<keys::New>(json!({"name": "a", "scope": "read"}));
        lists_what_it_needs::<numbers::New>(json!({
            "e164": "+911140001234", "carrier_id": CarrierId(1), "label": "", "direction": "outbound",
        }));
        let settings: CarrierSettings =
            serde_json::from_value(json!({"name": "a", "host": "b", "cps": 1, "channels": 1}))
                .unwrap();
        lists_what_it_needs::<CarrierSettings>(json!(settings));
    }

    #[test]
    fn a_field_missing_within_another_is_a_fault_of_that_one() {
        let settings = json!({"name": "a", "host": "b", "cps": 1, "channels": 1, "auth": {}});
        let Value::Object(settings) = settings else { panic!("an object") };
        let problem = read::<CarrierSettings>(settings).unwrap_err();
        let pointers: Vec<_> = problem.errors.iter().map(|error| &error.pointer).collect();
        assert_eq!(pointers, ["/auth"]);
    }
}
