//! How values look as JSON Schema, where their own types cannot say it.
//!
//! The API's description is made from the types that are sent and received, so what
//! is written by hand here is only what serde writes by hand: times, ids, numbers and words.

use std::borrow::Cow;

#[doc(hidden)]
pub use schemars;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::phone::PhoneNumber;

/// A time in UTC as the API tells it (RFC 3339). Stands for `jiff::Timestamp`, which
/// knows no schema: `#[schemars(with = "Time")]`.
#[derive(Debug)]
pub struct Time;

impl JsonSchema for Time {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time", "examples": ["2030-01-07T05:30:00Z"] })
    }
}

/// A day of the calendar. Stands for `jiff::civil::Date`, as [`Time`] for a timestamp.
#[derive(Debug)]
pub struct Date;

impl JsonSchema for Date {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Date".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date", "examples": ["2030-01-26"] })
    }
}

impl JsonSchema for PhoneNumber {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PhoneNumber".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "International, with `+` (E.164). The middle is hidden from those who may not see numbers.",
            "examples": ["+919876543210"],
        })
    }
}

/// The schema of an id with a prefix.
#[doc(hidden)]
pub fn of_id(prefix: &str) -> Schema {
    json_schema!({
        "type": "string",
        "pattern": format!("^{prefix}_[0-9a-hjkmnp-tv-z]{{13}}$"),
        "examples": [format!("{prefix}_0000000000001")],
    })
}

/// The schema of one of some words.
#[doc(hidden)]
pub fn of_words(words: impl Iterator<Item = &'static str>) -> Schema {
    let words: Vec<_> = words.collect();
    json_schema!({ "type": "string", "enum": words })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{campaign::Status, ids::CampaignId};

    #[test]
    fn an_id_and_a_word_are_described_as_they_are_written() {
        let shown = super::schemars::schema_for!((CampaignId, Status));
        let items = shown.get("prefixItems").unwrap();
        assert_eq!(items[0]["pattern"], "^cmp_[0-9a-hjkmnp-tv-z]{13}$");
        let words = &shown.get("$defs").unwrap()["Status"]["enum"];
        assert_eq!(words[0], json!(Status::ALL[0]));
        assert_eq!(words.as_array().unwrap().len(), Status::ALL.len());
    }
}
