//! The mix: which fates the phones of a carrier have, and how often.

use serde::{Deserialize, Serialize};

/// What becomes of one call to one phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Rings, is answered, talks.
    Answer,
    /// Rings until the caller gives up.
    RingOut,
    /// 486 after a short while.
    Busy,
    /// Rings, then 603: somebody pressed the red button.
    Rejected,
    /// 404.
    NotFound,
    /// 480: switched off or out of coverage.
    #[serde(rename = "unavailable_480")]
    Unavailable,
    /// 503 with `Retry-After`: the carrier itself is full.
    #[serde(rename = "congestion_503")]
    Congestion,
    /// Answered by a machine that speaks for long, beeps and listens.
    Voicemail,
    /// Answered, and no audio ever comes back.
    Silent,
    /// Says 100 and nothing more: the call fell into a hole.
    Vanish,
    /// Not a fate of a phone: the INVITE was challenged and never repeated with an answer.
    Challenged,
}

/// Seconds, from the least to the most; drawn evenly.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Range(pub f64, pub f64);

/// Weights of the fates and the habits of the people who answer.
///
/// In JSON any field may be left out (its default holds) and an unknown one is an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mix {
    /// Weight of phones that a person answers.
    pub answer: f64,
    /// Weight of phones that ring until the caller gives up.
    pub ring_out: f64,
    /// Weight of busy phones.
    pub busy: f64,
    /// Weight of people who reject the call.
    pub rejected: f64,
    /// Weight of numbers that do not exist.
    pub not_found: f64,
    /// Weight of phones that are switched off.
    pub unavailable_480: f64,
    /// Weight of calls that the carrier has no room for.
    pub congestion_503: f64,
    /// Weight of phones that go to voicemail.
    pub voicemail: f64,
    /// Weight of phones that are answered and send no audio.
    pub silent: f64,
    /// Weight of calls that fall into a hole.
    pub vanish: f64,
    /// How long a phone rings before it is answered or rejected, in seconds.
    pub ring_seconds: Range,
    /// How long a person stays who does not wait for the bot to hang up, in seconds.
    pub talk_seconds: Range,
    /// The chance that a person presses a key, 0 to 1.
    pub presses_key: f64,
    /// The keys to choose from.
    pub keys: String,
    /// How long a person listens before pressing, in seconds.
    pub press_after_seconds: Range,
    /// The chance that a person hangs up after `talk_seconds` rather than let the bot, 0 to 1.
    pub hangs_up: f64,
    /// What 503 says in `Retry-After`, in seconds.
    pub retry_after_seconds: u32,
}

/// A mix that cannot be used, in words for the person who wrote it.
#[derive(Debug, thiserror::Error)]
pub enum MixError {
    /// The text is not JSON or has a field that a mix does not have.
    #[error("the mix cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// A weight below zero or not a number.
    #[error("{0}: a weight is zero or more")]
    Weight(&'static str),
    /// Nothing has any weight.
    #[error("the mix has no fate with a weight above zero")]
    Empty,
    /// A chance outside 0 to 1.
    #[error("{0}: a chance is between 0 and 1")]
    Chance(&'static str),
    /// A range that runs backwards or below zero.
    #[error("{0}: a range is two numbers of seconds, the smaller first")]
    Range(&'static str),
    /// A key that telephones do not have.
    #[error("keys: {0:?} is not a key of a telephone")]
    Key(char),
}

impl Default for Mix {
    /// A plausible list of Indian consumers, called by day.
    fn default() -> Self {
        Self {
            answer: 38.0,
            ring_out: 24.0,
            busy: 9.0,
            rejected: 8.0,
            not_found: 4.0,
            unavailable_480: 9.0,
            congestion_503: 1.0,
            voicemail: 5.0,
            silent: 1.0,
            vanish: 1.0,
            ring_seconds: Range(3.0, 18.0),
            talk_seconds: Range(8.0, 40.0),
            presses_key: 0.45,
            keys: "1129".to_owned(),
            press_after_seconds: Range(3.0, 9.0),
            hangs_up: 0.4,
            retry_after_seconds: 5,
        }
    }
}
