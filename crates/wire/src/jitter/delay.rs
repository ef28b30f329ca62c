//! How long to wait for packets: long enough for 98 of 100.

use std::time::Duration;

use crate::time::Time;

/// Samples in a millisecond.
const MS: u32 = 8;
/// 10 ms a bucket, up to 200 ms; the last takes everything beyond.
const BUCKET: i32 = 10 * MS as i32;
const BUCKETS: usize = 20;
/// The shortest and the longest wait: 20 and 200 ms.
const SHORTEST: i32 = 20 * MS as i32;
const LONGEST: i32 = 200 * MS as i32;
/// While little is known, 40 ms.
const CAUTIOUS: i32 = 40 * MS as i32;
/// Packets until something is known: a second.
const KNOWN: u32 = 50;
/// At so many packets all counts are halved, so that the last ten seconds weigh most.
const HALVED: u32 = 512;
/// The fastest packet of the last five to ten seconds is what the others are measured by, so
/// a clock that drifts and a route that changes are followed.
const WINDOW: Duration = Duration::from_secs(5);

/// The arrival of packets against their timestamps. All differences are in samples.
#[derive(Debug, Clone, Default)]
pub(super) struct Delay {
    /// Arrival minus timestamp of the first packet, modulo 2^32; the rest is relative to it.
    origin: Option<u32>,
    /// The smallest of this window and of the one before.
    fastest: i32,
    fastest_before: i32,
    since: Time,
    counts: [u32; BUCKETS],
    total: u32,
    target: i32,
}

fn samples(now: Time) -> u32 {
    // Modulo 2^32 like the timestamps themselves.
    (u128::from(now.0) * u128::from(MS) / 1_000) as u32
}

impl Delay {
    /// A packet with this timestamp came at `now`.
    pub(super) fn note(&mut self, now: Time, timestamp: u32) {
        let transit = samples(now).wrapping_sub(timestamp);
        let Some(origin) = self.origin else {
            *self = Self { origin: Some(transit), since: now, target: CAUTIOUS, ..Self::default() };
            return;
        };
        let relative = transit.wrapping_sub(origin) as i32;
        let before = self.base();
        if now - self.since >= WINDOW {
            self.fastest_before = std::mem::replace(&mut self.fastest, relative);
            self.since = now;
        }
        self.fastest = self.fastest.min(relative);
        self.shift(self.base().saturating_sub(before) / BUCKET);
        let behind = relative.saturating_sub(self.base()).max(0);
        self.counts[((behind / BUCKET) as usize).min(BUCKETS - 1)] += 1;
        self.total += 1;
        if self.total >= HALVED {
            self.counts.iter_mut().for_each(|count| *count /= 2);
            self.total = self.counts.iter().sum();
        }
        if self.total.is_multiple_of(8) {
            self.target = self.aim();
        }
    }

    /// The timestamp to be played at `now`; meaningless before the first packet.
    pub(super) fn playing(&self, now: Time) -> u32 {
        let transit = self.origin.unwrap_or(0).wrapping_add_signed(self.base());
        samples(now).wrapping_sub(transit).wrapping_sub(self.target as u32)
    }

    /// How long packets wait.
    pub(super) fn target(&self) -> Duration {
        Duration::from_micros(self.target.max(0) as u64 * 1_000 / u64::from(MS))
    }

    fn base(&self) -> i32 {
        self.fastest.min(self.fastest_before)
    }

    /// The fastest packet is slower by `buckets`: what was counted is counted against it.
    fn shift(&mut self, buckets: i32) {
        if buckets == 0 {
            return;
        }
        let counts = std::mem::take(&mut self.counts);
        for (bucket, count) in counts.into_iter().enumerate() {
            let moved = (bucket as i32).saturating_sub(buckets).clamp(0, BUCKETS as i32 - 1);
            self.counts[moved as usize] += count;
        }
        self.target = self.aim();
    }

    fn aim(&self) -> i32 {
        let mut missing = self.total / 50;
        let mut bucket = BUCKETS - 1;
        while bucket > 0 && self.counts[bucket] <= missing {
            missing -= self.counts[bucket];
            bucket -= 1;
        }
        let least = if self.total < KNOWN { CAUTIOUS } else { SHORTEST };
        // One bucket more than the slowest that is waited for: it is only just in it.
        ((bucket as i32 + 1) * BUCKET + BUCKET).clamp(least, LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets every 20 ms, late by what `late_ms` says of each.
    fn after(packets: u64, late_ms: impl Fn(u64) -> u64) -> Delay {
        let mut delay = Delay::default();
        for number in 0..packets {
            let now = Time((number * 20 + late_ms(number)) * 1_000);
            delay.note(now, (number * 160) as u32);
        }
        delay
    }

    #[test]
    fn an_even_stream_is_waited_for_20_ms_and_an_uneven_one_as_long_as_it_takes() {
        assert_eq!(after(200, |_| 7).target(), Duration::from_millis(20));
        let uneven = after(500, |number| number * 37 % 100).target();
        assert!((100..=120).contains(&(uneven.as_millis() as u64)), "{uneven:?}");
        assert_eq!(after(500, |number| number * 97 % 500).target(), Duration::from_millis(200));
    }

    #[test]
    fn a_rare_straggler_is_not_waited_for() {
        let delay = after(1_000, |number| if number % 100 == 99 { 150 } else { 3 });
        assert_eq!(delay.target(), Duration::from_millis(20));
    }

    #[test]
    fn what_once_was_uneven_is_forgotten() {
        let delay = after(3_000, |number| if number < 500 { number * 37 % 100 } else { 0 });
        assert_eq!(delay.target(), Duration::from_millis(20));
    }

    #[test]
    fn a_slower_route_and_a_drifting_clock_are_followed() {
        let slower = after(1_200, |number| if number < 500 { 0 } else { 80 });
        assert_eq!(slower.target(), Duration::from_millis(20));
        let at = Time(1_200 * 20_000);
        assert_eq!(slower.playing(at), (1_200 * 160) - 80 * 8 - 160);
        // 200 parts in a million, far beyond any crystal: 1 ms in five seconds.
        let drifting = after(5_000, |number| number / 250);
        assert_eq!(drifting.target(), Duration::from_millis(20));
    }
}
