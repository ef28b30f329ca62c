//! The record: one JSON line for each INVITE.

use serde::{Deserialize, Serialize};

use crate::mix::Fate;

/// What the carrier saw of one call. Times are RFC 3339 in UTC with milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// When the INVITE came.
    pub time: String,
    /// As the caller made it.
    pub call_id: String,
    /// The user part of From.
    pub caller: String,
    /// The user part of the request URI.
    pub callee: String,
    /// What became of the call.
    pub fate: Fate,
    /// When 180 went.
    pub ringing_at: Option<String>,
    /// When 200 went for the first time.
    pub answered_at: Option<String>,
    /// When the final answer was acknowledged.
    pub acked_at: Option<String>,
    /// When CANCEL came.
    pub cancelled_at: Option<String>,
    /// When BYE came or went.
    pub bye_at: Option<String>,
    /// Who sent BYE.
    pub bye_by: Option<Side>,
    /// When the call was over; absent when the carrier stopped first.
    pub ended_at: Option<String>,
    /// The final answer.
    pub code: Option<u16>,
    /// The key that the person pressed.
    pub key: Option<char>,
    /// RTP packets that the phone received.
    pub rtp_in: u64,
    /// RTP packets that the phone sent.
    pub rtp_out: u64,
    /// How often the INVITE came again.
    pub retransmissions: u32,
}

/// One of the two ends of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Who placed the call.
    Caller,
    /// The phone.
    Callee,
}

/// The record in four numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Summary {
    /// INVITEs, retransmissions and challenged ones not counted.
    pub invites: u64,
    /// Calls that were answered 200.
    pub answered: u64,
    /// Different callees.
    pub distinct_numbers: u64,
    /// Calls that are up.
    pub calls_now: u64,
}
