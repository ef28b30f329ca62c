//! Faults of input, each naming its field: the `errors` of a 422.

use schemars::JsonSchema;
use serde::Serialize;

/// One field that cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FieldError {
    /// JSON pointer to the field (RFC 6901), such as `/window/end`.
    pub pointer: String,
    /// Stable word for programs, such as `required` or `out_of_range`.
    pub code: &'static str,
    /// What is wrong and what to do, in a sentence for people.
    pub message: String,
}

impl FieldError {
    /// A fault of the field at `pointer`.
    pub fn new(pointer: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code, message: message.into() }
    }
}
