//! How long before its token a row is asked for.

use jiff::SignedDuration;

/// The longest lead, whatever the store takes.
const LEAD_MAX: SignedDuration = SignedDuration::from_millis(250);

/// What the store lately took to write a row, in whole microseconds, as tokens are
/// counted in.
///
/// A row that is durable too early waits for its token; one that is too late wastes it.
/// So the lead is what nearly every write takes, not the mean: the mean and four
/// deviations, as TCP judges a round trip (RFC 6298 2).
#[derive(Debug, Clone, Copy)]
pub(super) struct Lead {
    mean_us: i64,
    deviation_us: i64,
}

impl Default for Lead {
    fn default() -> Self {
        Self { mean_us: 1_000, deviation_us: 0 }
    }
}

impl Lead {
    /// How early to ask now.
    pub(super) fn time(self) -> SignedDuration {
        SignedDuration::from_micros(self.mean_us + 4 * self.deviation_us).min(LEAD_MAX)
    }

    /// A row took so long; negative when a clock was set.
    pub(super) fn note(&mut self, took: SignedDuration) {
        let took = took.clamp(SignedDuration::ZERO, LEAD_MAX).as_micros() as i64;
        let off = (took - self.mean_us).abs();
        self.deviation_us = (3 * self.deviation_us + off) / 4;
        self.mean_us = (7 * self.mean_us + took) / 8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_takes_its_time_now_and_then_is_asked_early_enough() {
        let mut lead = Lead::default();
        for round in 0..100 {
            lead.note(SignedDuration::from_millis(if round % 2 == 0 { 2 } else { 12 }));
        }
        assert!(lead.time() >= SignedDuration::from_millis(12), "{lead:?}");
        assert!(lead.time() < SignedDuration::from_millis(40), "{lead:?}");
    }

    #[test]
    fn an_even_store_is_asked_just_in_time() {
        let mut lead = Lead::default();
        for _ in 0..100 {
            lead.note(SignedDuration::from_millis(5));
        }
        assert!((4_900..5_100).contains(&lead.time().as_micros()), "{lead:?}");
    }

    #[test]
    fn neither_a_stall_nor_a_clock_that_was_set_leads_astray() {
        let mut lead = Lead::default();
        lead.note(SignedDuration::from_hours(2));
        assert!(lead.time() <= LEAD_MAX);
        lead.note(SignedDuration::from_hours(-2));
        assert!(lead.time() >= SignedDuration::ZERO);
    }
}
