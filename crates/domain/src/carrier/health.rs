//! How a carrier stands now, as the engine sees it; shown by the API and the setup page.
//! Nothing of it is kept over a restart, and nothing is decided by it: that is the
//! [`Breaker`](crate::breaker::Breaker)'s.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ids::CarrierId, outcome::words};

words! {
    /// Whether a carrier answers.
    CarrierState {
        /// It was neither called nor asked since the start.
        Unknown = "unknown" / 0,
        /// It answered the last call or question, whatever it said.
        Up = "up" / 1,
        /// It was not found, not reached, or did not answer.
        Down = "down" / 2,
    }
}

words! {
    /// Where a registration stands (RFC 3261 10).
    RegistrationState {
        /// Asked for, not granted yet.
        Trying = "trying" / 0,
        /// Granted, and refreshed in time.
        Registered = "registered" / 1,
        /// Refused or unanswered; tried again after a while. Calls are placed all the same.
        Failed = "failed" / 2,
    }
}

/// What is known of one carrier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CarrierHealth {
    /// Which.
    #[serde(skip)]
    pub carrier: CarrierId,
    /// Whether it answers.
    pub state: CarrierState,
    /// Since when; `None` while unknown.
    #[schemars(with = "Option<crate::schema::Time>")]
    pub since: Option<Timestamp>,
    /// Why it is down, in words.
    pub reason: Option<String>,
    /// Where it is, in the order that the last call tried: `192.0.2.1:5060`.
    pub addresses: Vec<String>,
    /// `None` for a carrier without registration.
    pub registration: Option<Registration>,
}

/// How our registration with a carrier stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Registration {
    /// Granted or not.
    pub state: RegistrationState,
    /// Since when.
    #[schemars(with = "crate::schema::Time")]
    pub since: Timestamp,
    /// Granted until then, unless refreshed.
    #[schemars(with = "Option<crate::schema::Time>")]
    pub until: Option<Timestamp>,
    /// Why it failed last, in words.
    pub reason: Option<String>,
}

impl CarrierHealth {
    /// Nothing is known yet.
    pub fn unknown(carrier: CarrierId) -> Self {
        Self {
            carrier,
            state: CarrierState::Unknown,
            since: None,
            reason: None,
            addresses: Vec::new(),
            registration: None,
        }
    }

    /// It answered. True when that is news.
    pub fn answered(&mut self, now: Timestamp) -> bool {
        self.turn(CarrierState::Up, None, now)
    }

    /// It was not found, not reached or silent. True when that, or the reason, is news.
    pub fn failed(&mut self, why: &str, now: Timestamp) -> bool {
        self.turn(CarrierState::Down, Some(why), now)
    }

    fn turn(&mut self, state: CarrierState, reason: Option<&str>, now: Timestamp) -> bool {
        if self.state == state && self.reason.as_deref() == reason {
            return false;
        }
        if self.state != state {
            self.since = Some(now);
        }
        self.state = state;
        self.reason = reason.map(str::to_owned);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_that_of_the_last_change_and_a_new_reason_is_news() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut health = CarrierHealth::unknown(CarrierId(1));
        assert!(health.answered(at(1)) && !health.answered(at(2)));
        assert_eq!(health.since, Some(at(1)));
        assert!(health.failed("silence", at(3)) && !health.failed("silence", at(4)));
        assert!(health.failed("no such name", at(5)));
        assert_eq!((health.since, health.reason.as_deref()), (Some(at(3)), Some("no such name")));
        assert!(health.answered(at(6)));
        assert_eq!((health.since, health.reason), (Some(at(6)), None));
    }
}
