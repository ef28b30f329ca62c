//! What is happening now in one campaign: published by the engine once a second
//! and at every change of state, watched by pages and the API.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    ids::{CampaignId, CarrierId, ContactId},
    outcome::words,
    why::Reason,
};

words! {
    /// The named states of the live panel (MO-4).
    LiveState {
        /// Dialling, or calls ring or talk.
        Live = "live" / 0,
        /// No dial for about thirty seconds.
        Idle = "idle" / 1,
        /// Holds for the window.
        OutsideWindow = "outside_window" / 2,
        /// Paused by a person.
        Paused = "paused" / 3,
        /// The run is over and calls are still ending.
        Draining = "draining" / 4,
    }
}

/// The live figures of a campaign (MO-4, MO-5, R-12).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveView {
    /// Which campaign.
    pub campaign: CampaignId,
    /// Its run.
    pub run: u32,
    /// When this was true.
    pub at: Timestamp,
    /// The named state.
    pub state: LiveState,
    /// What holds dialling, in one sentence, and until when.
    pub reason: Reason,
    /// Calls ringing (or sent and not yet ringing).
    pub ringing: u32,
    /// Calls connected to the bot.
    pub in_progress: u32,
    /// Seats of the campaign (concurrency).
    pub seats: u32,
    /// INVITEs of the last 10 s / 10; `None` when idle.
    pub dials_per_second: Option<f64>,
    /// Connected in the last 10 minutes, per hour; `None` when idle.
    pub connected_per_hour: Option<f64>,
    /// Mean ring time over the run.
    pub avg_ring_seconds: Option<f64>,
    /// Last INVITE.
    pub last_dial_at: Option<Timestamp>,
    /// Expected time to the end.
    pub eta_seconds: Option<u64>,
    /// Use of each carrier of the pool.
    pub carriers: Vec<CarrierLoad>,
    /// Contacts that wait because a call of another campaign engages their number
    /// (DI-13), at most 100 of them.
    #[serde(default)]
    pub engaged: Vec<ContactId>,
}

/// Use of one carrier, over all campaigns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CarrierLoad {
    /// Which.
    pub carrier: CarrierId,
    /// Its name.
    pub name: String,
    /// INVITEs of the last 10 s / 10.
    pub dials_per_second: f64,
    /// Its limit.
    pub cps: f64,
    /// Calls up.
    pub channels_used: u32,
    /// Its limit.
    pub channels: u32,
    /// Rests after failures until this time.
    #[schemars(with = "Option<crate::schema::Time>")]
    pub resting_until: Option<Timestamp>,
}
