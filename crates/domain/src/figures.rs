//! The figures of a run, each of which can be recomputed from its attempt report
//!

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Sums over the finished attempts of a run, kept by delta in the transaction
/// that finishes an attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// Attempt rows created: INVITEs that may have left.
    pub dials: u64,
    /// Attempts that ended with an outcome other than `unknown`.
    pub attempts: u64,
    /// Of those, answered.
    pub answered: u64,
    /// Of those, bot attached and not a machine.
    pub connected: u64,
    /// Completed conversations of at least `conversation_min_seconds`.
    pub conversations: u64,
    /// Outcome `abandoned`.
    pub abandoned: u64,
    /// Sum of talk time of connected attempts, milliseconds.
    pub talk_ms: u64,
    /// Attempts that rang.
    pub rang: u64,
    /// Sum of their ring time, milliseconds.
    pub ring_ms: u64,
}

/// The four ratios of the green strip and two means; `None` when the denominator
/// is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// answered / attempts.
    pub answer_rate: Option<f64>,
    /// conversations / connected.
    pub completion_rate: Option<f64>,
    /// abandoned / answered.
    pub abandon_rate: Option<f64>,
    /// Mean talk of connected, seconds.
    pub aht_seconds: Option<f64>,
    /// Mean ring time, seconds.
    pub avg_ring_seconds: Option<f64>,
}

impl Sums {
    /// The ratios.
    pub fn metrics(&self) -> Metrics {
        let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        Metrics {
            answer_rate: share(self.answered, self.attempts),
            completion_rate: share(self.conversations, self.connected),
            abandon_rate: share(self.abandoned, self.answered),
            aht_seconds: share(self.talk_ms, self.connected).map(|ms| ms / 1_000.0),
            avg_ring_seconds: share(self.ring_ms, self.rang).map(|ms| ms / 1_000.0),
        }
    }
}

/// Callbacks of a run (CB-4), kept by delta.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallbackSums {
    /// Asked for, whatever became of them.
    pub requested: u64,
    /// Wait for their time.
    pub pending: u64,
    /// Their calls were made and are over.
    pub completed: u64,
    /// Stop, the end of the day or an exclusion came first.
    pub cancelled: u64,
    /// Their calls were made, over or not.
    pub dialled: u64,
    /// Sum of INVITE − request over those dialled, milliseconds.
    pub delay_ms: u64,
    /// Sum of INVITE − due time over those dialled, milliseconds.
    pub late_ms: u64,
}

impl CallbackSums {
    /// Mean of INVITE − request, seconds.
    pub fn average_delay_seconds(&self) -> Option<f64> {
        self.mean(self.delay_ms)
    }

    /// Mean of INVITE − due time, seconds.
    pub fn average_lateness_seconds(&self) -> Option<f64> {
        self.mean(self.late_ms)
    }

    fn mean(&self, ms: u64) -> Option<f64> {
        (self.dialled > 0).then(|| ms as f64 / 1_000.0 / self.dialled as f64)
    }
}

/// One row of the pass table (MO-6, R-6).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PassRow {
    /// 1, 2, …
    pub pass: u32,
    /// Contacts dialled in this pass.
    pub attempted: u64,
    /// Contacts that belong to it so far.
    pub eligible: u64,
    /// Of the attempted, connected to the bot.
    pub connected: u64,
    /// First INVITE.
    #[schemars(with = "Option<crate::schema::Time>")]
    pub started_at: Option<Timestamp>,
    /// When nobody waited for it and no earlier pass could feed it.
    #[schemars(with = "Option<crate::schema::Time>")]
    pub ended_at: Option<Timestamp>,
}
