//! Counts what happened within the last stretch of time.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

/// A sliding count in buckets: exact to a bucket, and of bounded size however fast
/// things happen.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    bucket_ms: i64,
    buckets: usize,
    /// (index of the bucket in time, count), oldest first.
    counts: VecDeque<(i64, u64)>,
}

impl Meter {
    /// Counts the last `span`, in `buckets` parts.
    pub(super) fn new(span: SignedDuration, buckets: usize) -> Self {
        let bucket_ms = (span.as_millis() as i64 / buckets as i64).max(1);
        Self { bucket_ms, buckets, counts: VecDeque::new() }
    }

    /// It happened `count` times more.
    pub(super) fn add(&mut self, now: Timestamp, count: u64) {
        let index = now.as_millisecond().div_euclid(self.bucket_ms);
        match self.counts.back_mut() {
            Some((last, sum)) if *last == index => *sum += count,
            // The clock was set back: what was counted belongs to no time any more.
            Some((last, _)) if *last > index => {
                self.counts.clear();
                self.counts.push_back((index, count));
            }
            _ => {
                if self.counts.len() > self.buckets {
                    self.counts.pop_front();
                }
                self.counts.push_back((index, count));
            }
        }
    }

    /// How often it happened in the stretch that ends now.
    pub(super) fn sum(&self, now: Timestamp) -> u64 {
        let index = now.as_millisecond().div_euclid(self.bucket_ms);
        let oldest = index - self.buckets as i64 + 1;
        self.counts.iter().filter(|(at, _)| (oldest..=index).contains(at)).map(|(_, n)| n).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_forgets_what_is_older_than_its_span() {
        let second = |s: i64| Timestamp::from_second(1_790_000_000 + s).unwrap();
        let mut meter = Meter::new(SignedDuration::from_secs(10), 10);
        for s in 0..30 {
            meter.add(second(s), 2);
        }
        assert_eq!(meter.sum(second(29)), 20);
        assert_eq!(meter.sum(second(34)), 10);
        assert_eq!(meter.sum(second(60)), 0);
        meter.add(second(-3_600), 1);
        assert_eq!(meter.sum(second(-3_600)), 1, "a clock set back starts the count anew");
        assert!(meter.counts.len() <= 11);
    }
}
