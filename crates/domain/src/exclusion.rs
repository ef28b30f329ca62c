//! Whom an exclusion means (EX-2, R-10).

use serde_json::{Map, Value};

use crate::{field::FieldError, phone::PhoneNumber};

/// Keys that a selector may name at most; all of them must match.
pub const KEYS_MAX: usize = 2;

/// Contacts of a campaign, by number or by metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// The contact with this number.
    Number(PhoneNumber),
    /// Every contact whose metadata have all of these values, by key in order: one or two.
    Metadata(Vec<(String, String)>),
}

impl Selector {
    /// By metadata, as `match` of a request names them.
    ///
    /// # Errors
    ///
    /// No key or more than [`KEYS_MAX`], or a value that is no text, number or truth value.
    pub fn by_metadata(pairs: &Map<String, Value>) -> Result<Self, FieldError> {
        if pairs.is_empty() || pairs.len() > KEYS_MAX {
            return Err(FieldError::new("/match", "invalid", "name one or two metadata keys"));
        }
        let mut values = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            let Some(text) = comparable(value) else {
                return Err(FieldError::new(
                    format!("/match/{}", key.replace('~', "~0").replace('/', "~1")),
                    "invalid",
                    "use a text, a number, true or false",
                ));
            };
            values.push((key.clone(), text));
        }
        values.sort();
        Ok(Self::Metadata(values))
    }

    /// Whether a contact with this number and these metadata is meant.
    pub fn means(&self, number: PhoneNumber, metadata: &Map<String, Value>) -> bool {
        match self {
            Self::Number(excluded) => *excluded == number,
            Self::Metadata(values) => values
                .iter()
                .all(|(key, value)| metadata.get(key).and_then(comparable).as_ref() == Some(value)),
        }
    }
}

/// A metadata value as it is compared: values are compared as texts, so that `7` from an
/// API and `7` from a file are the same. `None` for what has parts, and for null.
pub fn comparable(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn number() -> PhoneNumber {
        "+919820000001".parse().unwrap()
    }

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn one_or_two_keys_are_taken_and_each_fault_is_named() {
        let pointer = |value| {
            let selector = Selector::by_metadata(&object(value));
            selector.map_err(|fault| fault.pointer)
        };
        assert!(pointer(json!({"crm": "7"})).is_ok());
        assert!(pointer(json!({"crm": 7, "vip": true})).is_ok());
        assert_eq!(pointer(json!({})), Err("/match".into()));
        assert_eq!(pointer(json!({"a": 1, "b": 2, "c": 3})), Err("/match".into()));
        assert_eq!(pointer(json!({"a/b": null})), Err("/match/a~1b".into()));
        assert_eq!(pointer(json!({"a": [1]})), Err("/match/a".into()));
    }

    #[test]
    fn every_key_must_match_and_values_are_compared_as_texts() {
        let selector = Selector::by_metadata(&object(json!({"vip": true, "crm": 7}))).unwrap();
        let means = |metadata| selector.means(number(), &object(metadata));
        assert!(means(json!({"crm": "7", "vip": "true", "city": "Pune"})));
        assert!(means(json!({"crm": 7, "vip": true})));
        assert!(!means(json!({"crm": 7})));
        assert!(!means(json!({"crm": 7, "vip": false})));
        assert!(!means(json!({"crm": [7], "vip": true})));
    }

    #[test]
    fn a_number_means_itself_alone() {
        let selector = Selector::Number(number());
        assert!(selector.means(number(), &Map::new()));
        assert!(!selector.means("+919820000002".parse().unwrap(), &Map::new()));
    }
}
