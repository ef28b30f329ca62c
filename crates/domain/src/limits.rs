//! What a carrier allows: new calls per second with a burst (DI-3).

use jiff::Timestamp;

/// Hands out the right to start a call so that in any window of T seconds at most
/// cps·T + burst are taken.
///
/// All arithmetic is in whole microseconds: a token costs one interval, and the
/// bucket knows the moment at which it would be full again. Nothing accumulates, so
/// nothing drifts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenBucket {
    /// Microseconds between two calls at the even rate; `None` when the rate is 0.
    interval_us: Option<i64>,
    burst: i64,
    /// Share of the rate in use, 1 to 100.
    percent: i64,
    /// When the bucket is full again, Unix microseconds; in the past when it is.
    full_at_us: i64,
}

/// A bucket that only may be empty is believed to be for so long at most: the window in
/// which carriers count, and short enough that a restart is not felt.
const DRAINED_MAX_US: i64 = 1_000_000;

impl TokenBucket {
    /// A full bucket. `cps` that is 0, negative or not a number allows nothing; a
    /// `burst` of 0 counts as 1.
    pub fn new(cps: f64, burst: u32) -> Self {
        Self {
            interval_us: interval(cps),
            burst: i64::from(burst.max(1)),
            percent: 100,
            full_at_us: i64::MIN,
        }
    }

    /// Counts as if every token had just been taken: somebody else may have. The first comes
    /// after an interval, or after a second at most.
    pub fn drain(&mut self, now: Timestamp) {
        let Some(cost) = self.cost_us() else { return };
        let first_us = now.as_microsecond() + cost.min(DRAINED_MAX_US);
        self.full_at_us = self.full_at_us.max(first_us + self.allowance_us(cost));
    }

    /// Changed limits; what was taken stays taken.
    pub fn set_limits(&mut self, cps: f64, burst: u32) {
        self.interval_us = interval(cps);
        self.burst = i64::from(burst.max(1));
    }

    /// Uses a share of the rate only, evenly spaced, from 1 to 100 percent.
    pub fn set_percent(&mut self, percent: u32) {
        self.percent = i64::from(percent.clamp(1, 100));
    }

    /// When a token is there for a call that lets `ahead` others go first, not before
    /// `now`; `None` when never.
    pub fn ready_at(&mut self, ahead: u32, now: Timestamp) -> Option<Timestamp> {
        let now_us = now.as_microsecond();
        let cost = self.cost_us()?;
        let full_at = self.full_at(now_us, cost);
        let behind = full_at.saturating_add(cost.saturating_mul(i64::from(ahead)));
        let ready = behind.saturating_sub(self.allowance_us(cost));
        if ready <= now_us { Some(now) } else { Timestamp::from_microsecond(ready).ok() }
    }

    /// Whether nothing was taken lately: time alone brings no further token.
    pub fn is_full(&self, now: Timestamp) -> bool {
        self.full_at_us <= now.as_microsecond()
    }

    /// Takes a token, if there is one.
    pub fn take(&mut self, now: Timestamp) -> bool {
        let now_us = now.as_microsecond();
        let Some(cost) = self.cost_us() else { return false };
        let full_at = self.full_at(now_us, cost);
        if full_at - self.allowance_us(cost) > now_us {
            return false;
        }
        // Counted from the next whole microsecond: never early by a part of one.
        let begun_us = now_us + i64::from(now.as_nanosecond() % 1_000 != 0);
        self.full_at_us = full_at.max(begun_us) + cost;
        true
    }

    fn cost_us(&self) -> Option<i64> {
        self.interval_us.map(|interval| interval.saturating_mul(100) / self.percent)
    }

    /// How far the calls may run ahead of the even rate.
    fn allowance_us(&self, cost: i64) -> i64 {
        if self.percent < 100 { 0 } else { (self.burst - 1).saturating_mul(cost) }
    }

    /// Never further ahead than an empty bucket is: a clock that was set back must not
    /// stop the calls for as long as it jumped.
    fn full_at(&mut self, now_us: i64, cost: i64) -> i64 {
        let empty = now_us.saturating_add(1).saturating_add(self.burst.saturating_mul(cost));
        self.full_at_us = self.full_at_us.min(empty);
        self.full_at_us.max(now_us)
    }
}

/// Rounded up: never faster than asked for.
fn interval(cps: f64) -> Option<i64> {
    const DAY_US: f64 = 86_400_000_000.0;
    (cps > 0.0).then(|| (1_000_000.0 / cps).ceil().clamp(1.0, DAY_US) as i64)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;

    fn at(us: i64) -> Timestamp {
        Timestamp::from_microsecond(1_790_000_000_000_000 + us).unwrap()
    }

    #[test]
    fn a_carrier_of_two_a_second_with_a_burst_of_three() {
        let mut bucket = TokenBucket::new(2.0, 3);
        let taken: Vec<i64> =
            (0..40).filter(|tick| bucket.take(at(tick * 100_000))).map(|tick| tick * 100).collect();
        assert_eq!(taken, [0, 100, 200, 500, 1_000, 1_500, 2_000, 2_500, 3_000, 3_500]);
        assert_eq!(bucket.ready_at(0, at(3_900_000)), Some(at(4_000_000)));
        assert_eq!(bucket.ready_at(2, at(3_900_000)), Some(at(5_000_000)));
    }

    #[test]
    fn a_rate_of_nothing_allows_nothing() {
        for cps in [0.0, -1.0, f64::NAN] {
            let mut bucket = TokenBucket::new(cps, 5);
            assert!(!bucket.take(at(0)));
            assert_eq!(bucket.ready_at(0, at(0)), None);
        }
    }

    #[test]
    fn a_clock_set_back_by_an_hour_holds_the_calls_for_one_interval_only() {
        let mut bucket = TokenBucket::new(10.0, 1);
        assert!(bucket.take(at(0)));
        let before = at(0) - SignedDuration::from_hours(1);
        assert!(!bucket.take(before));
        assert!(bucket.take(before + SignedDuration::from_micros(100_001)));
    }

    #[test]
    fn a_drained_bucket_has_its_first_token_after_an_interval_or_a_second() {
        for (cps, first_ms) in [(4.0, 250), (0.1, 1_000)] {
            let mut bucket = TokenBucket::new(cps, 3);
            bucket.drain(at(0));
            assert_eq!(bucket.ready_at(0, at(0)), Some(at(first_ms * 1_000)), "{cps} a second");
            assert!(bucket.take(at(first_ms * 1_000)));
            assert!(!bucket.take(at(first_ms * 1_000 + 1)), "and no burst behind it");
        }
    }

    proptest! {
        #[test]
        fn no_window_ever_holds_more_than_the_rate_and_the_burst(
            tenths in 1u32..2_000,
            burst in 1u32..8,
            gaps in prop::collection::vec(0i64..300_000, 1..400),
            percents in prop::collection::vec(1u32..=100, 400),
        ) {
            let cps = f64::from(tenths) / 10.0;
            let mut bucket = TokenBucket::new(cps, burst);
            let mut now = 0;
            let mut taken = Vec::new();
            for (gap, percent) in gaps.iter().zip(percents) {
                now += gap;
                // Half of the time at the full rate, as when a carrier is healthy.
                bucket.set_percent(if percent > 50 { 100 } else { percent * 2 });
                let ready = bucket.ready_at(0, at(now)) == Some(at(now));
                let took = bucket.take(at(now));
                prop_assert_eq!(ready, took, "ready_at tells what take does");
                if took {
                    taken.push(now);
                }
            }
            for (first, from) in taken.iter().enumerate() {
                for (last, to) in taken.iter().enumerate().skip(first) {
                    let allowed = cps * (to - from) as f64 / 1e6 + f64::from(burst);
                    prop_assert!(
                        (last - first + 1) as f64 <= allowed + 1e-9,
                        "{} calls in {} us at {cps}/s, burst {burst}", last - first + 1, to - from
                    );
                }
            }
        }

        #[test]
        fn a_caller_who_comes_at_ready_at_gets_the_whole_rate(tenths in 1u32..2_000) {
            let cps = f64::from(tenths) / 10.0;
            let mut bucket = TokenBucket::new(cps, 1);
            let mut now = at(0);
            for _ in 0..100 {
                now = bucket.ready_at(0, now).unwrap();
                prop_assert!(bucket.take(now));
            }
            let elapsed = (now.as_microsecond() - at(0).as_microsecond()) as f64 / 1e6;
            prop_assert!(99.0 / elapsed >= 0.999 * cps, "{} of {cps}", 99.0 / elapsed);
        }
    }
}
