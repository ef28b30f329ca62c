//! How much the deployment may dial in a day: the limit that ends a night of toll fraud
//! (DI-14).
//!
//! A day is a calendar day in UTC, so that it is the same for every campaign whatever
//! its zone, and one that no daylight saving shortens. A call and all its minutes belong
//! to the day in which it was dialled.

use jiff::{SignedDuration, Timestamp};

/// What may be dialled in one day; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DailyLimits {
    /// Calls dialled.
    pub calls_max: Option<u64>,
    /// Minutes of talk, those of calls that are still up included.
    pub minutes_max: Option<u64>,
}

/// What was dialled in one day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Attempts made.
    pub calls: u64,
    /// Milliseconds from answer to end, of those that have ended.
    pub talk_ms: u64,
}

/// The day as it goes.
#[derive(Debug, Clone)]
pub struct Day {
    limits: DailyLimits,
    begins: Timestamp,
    spent: Spent,
}

/// A limit that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// So many calls.
    Calls(u64),
    /// So many minutes.
    Minutes(u64),
}

const DAY_S: i64 = 86_400;

/// When the day of `now` began.
pub fn beginning(now: Timestamp) -> Timestamp {
    let second = now.as_second().div_euclid(DAY_S) * DAY_S;
    let midnight = Timestamp::from_second(second).unwrap_or(Timestamp::MIN);
    // Before 1970 the second of an instant is the one after it.
    if midnight > now { midnight - SignedDuration::from_secs(DAY_S) } else { midnight }
}

impl DailyLimits {
    /// Whether there is any.
    pub fn is_limited(&self) -> bool {
        self.calls_max.is_some() || self.minutes_max.is_some()
    }
}

impl Day {
    /// The day of `now`, of which so much is spent.
    pub fn new(limits: DailyLimits, spent: Spent, now: Timestamp) -> Self {
        Self { limits, begins: beginning(now), spent }
    }

    /// Whether minutes are limited at all: the talk of live calls is looked at only then.
    pub fn counts_minutes(&self) -> bool {
        self.limits.minutes_max.is_some()
    }

    /// A new day has nothing spent. A clock that is set back to yesterday brings no
    /// second allowance.
    pub fn look(&mut self, now: Timestamp) {
        let begins = beginning(now);
        if begins > self.begins {
            self.begins = begins;
            self.spent = Spent::default();
        }
    }

    /// When it ends.
    pub fn ends(&self) -> Timestamp {
        self.begins.checked_add(SignedDuration::from_secs(DAY_S)).unwrap_or(Timestamp::MAX)
    }

    /// A call is dialled.
    pub fn dialled(&mut self) {
        self.spent.calls += 1;
    }

    /// A call that was counted was not dialled after all.
    pub fn not_dialled(&mut self, at: Timestamp) {
        if self.holds(at) {
            self.spent.calls = self.spent.calls.saturating_sub(1);
        }
    }

    /// A call that was dialled `at` ended after so much talk.
    pub fn talked(&mut self, at: Timestamp, talk_ms: u64) {
        if self.holds(at) {
            self.spent.talk_ms += talk_ms;
        }
    }

    /// Whether a call dialled `at` belongs to this day.
    pub fn holds(&self, at: Timestamp) -> bool {
        at >= self.begins
    }

    /// The limit that is reached, with so much talk on calls that are still up.
    pub fn reached(&self, live_talk_ms: u64) -> Option<Reached> {
        let calls = self.limits.calls_max.filter(|max| self.spent.calls >= *max);
        let minutes = self.limits.minutes_max.filter(|max| {
            self.spent.talk_ms.saturating_add(live_talk_ms) >= max.saturating_mul(60_000)
        });
        calls.map(Reached::Calls).or(minutes.map(Reached::Minutes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_begins_at_midnight_in_utc() {
        let noon: Timestamp = "2026-03-29T12:00:00.5Z".parse().unwrap();
        assert_eq!(beginning(noon), "2026-03-29T00:00:00Z".parse().unwrap());
        assert_eq!(beginning(beginning(noon)), beginning(noon));
        let old: Timestamp = "1969-12-31T23:59:59.9Z".parse().unwrap();
        assert_eq!(beginning(old), "1969-12-31T00:00:00Z".parse().unwrap());
    }

    #[test]
    fn a_limit_holds_until_midnight_and_a_clock_set_back_does_not_lift_it() {
        let now: Timestamp = "2026-03-29T23:59:00Z".parse().unwrap();
        let limits = DailyLimits { calls_max: Some(2), minutes_max: Some(10) };
        let mut day = Day::new(limits, Spent { calls: 1, talk_ms: 0 }, now);
        assert_eq!(day.reached(0), None);
        assert_eq!(day.reached(600_000), Some(Reached::Minutes(10)), "live talk counts");
        day.dialled();
        assert_eq!(day.reached(0), Some(Reached::Calls(2)));
        day.look(now - SignedDuration::from_hours(48));
        assert_eq!(day.reached(0), Some(Reached::Calls(2)));
        assert_eq!(day.ends(), "2026-03-30T00:00:00Z".parse().unwrap());
        day.look(day.ends());
        assert_eq!(day.reached(0), None);
        day.talked(now, 600_000);
        day.not_dialled(now);
        assert_eq!(day.spent, Spent::default(), "yesterday's calls are yesterday's");
    }
}
