//! The two times of a running engine: one for intervals, one for the record.

use std::time::Instant;

use campanile_wire::time::Time;
use jiff::{SignedDuration, Timestamp};

/// A moment in both times.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// For intervals and timers: never set back.
    pub(crate) at: Time,
    /// For the record.
    pub(crate) wall: Timestamp,
}

/// The clock of the threads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { origin: Instant::now() }
    }

    pub(crate) fn now(&self) -> Now {
        Now { at: Time::from_origin(self.origin.elapsed()), wall: Timestamp::now() }
    }
}

impl Now {
    /// The wall time of a moment before this one.
    pub(crate) fn wall_at(&self, earlier: Time) -> Timestamp {
        let ago = SignedDuration::try_from(self.at - earlier).unwrap_or(SignedDuration::MAX);
        self.wall.checked_sub(ago).unwrap_or(Timestamp::MIN)
    }
}
