//! The result of a conversation: one shape, whoever wrote it (api.md, "Words").

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a conversation came to. Only `disposition` is required; fields that are
/// not named here are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConversationResult {
    /// The business word, such as `interested`.
    pub disposition: String,
    /// Who was reached, such as `human`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reached: Option<String>,
    /// One or two sentences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// A wish to be called back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<CallbackWish>,
    /// The person asked never to be called again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opt_out: Option<bool>,
    /// Everything else that was said with a name.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// When the person wants to be called.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CallbackWish {
    /// Their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when_text: Option<String>,
    /// The exact time, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::schema::Time>")]
    pub at: Option<jiff::Timestamp>,
    /// The zone they named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tz: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
}

impl ConversationResult {
    /// A result that is a disposition alone, as the automatic ones are (BT-4).
    pub fn of(disposition: impl Into<String>) -> Self {
        Self {
            disposition: disposition.into(),
            reached: None,
            summary: None,
            callback: None,
            opt_out: None,
            more: Map::new(),
        }
    }
}
