//! The live figures of a campaign (MO-5, R-12).

use jiff::{SignedDuration, Timestamp};

use super::meter::Meter;
use crate::{attempt::CallReport, figures::Sums};

/// Without a dial for this long a campaign is idle (MO-4).
pub(super) const IDLE_AFTER: SignedDuration = SignedDuration::from_secs(30);
/// Over which rates of connecting and settling are taken.
const LONG: SignedDuration = SignedDuration::from_mins(10);
/// Fewer settled attempts than this make no estimate.
const SETTLED_MIN: u64 = 20;

/// Sums and rates of one run.
#[derive(Debug, Clone)]
pub(super) struct Figures {
    started_at: Timestamp,
    /// From when on there is something to count.
    since: Timestamp,
    dials: Meter,
    connected: Meter,
    settled: Meter,
    retried: Meter,
    rang: u64,
    ring_ms: u64,
    pub(super) last_dial_at: Option<Timestamp>,
    /// The latest known time at which a retry or callback falls due.
    last_due: Option<Timestamp>,
}

/// What is left to do, for the estimate of the end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left {
    pub(super) waiting: u64,
    pub(super) active: u64,
    pub(super) attempts_max: u32,
}

impl Figures {
    pub(super) fn new(started_at: Timestamp, sums: Sums, now: Timestamp) -> Self {
        let long = || Meter::new(LONG, 120);
        Self {
            started_at,
            since: started_at.max(now),
            dials: Meter::new(SignedDuration::from_secs(10), 100),
            connected: long(),
            settled: long(),
            retried: long(),
            rang: sums.rang,
            ring_ms: sums.ring_ms,
            last_dial_at: None,
            last_due: None,
        }
    }

    /// The sums as the store has them now.
    pub(super) fn set_sums(&mut self, sums: Sums) {
        self.rang = sums.rang;
        self.ring_ms = sums.ring_ms;
    }

    /// An INVITE left.
    pub(super) fn dialled(&mut self, now: Timestamp) {
        self.dials.add(now, 1);
        self.last_dial_at = Some(now);
    }

    /// A bot was attached.
    pub(super) fn connected(&mut self, now: Timestamp) {
        self.connected.add(now, 1);
    }

    /// An attempt ended; its contact waits again until `due`, or is done.
    pub(super) fn settled(&mut self, report: &CallReport, due: Option<Timestamp>, now: Timestamp) {
        if let Some(ring_ms) = report.ring_ms() {
            self.rang += 1;
            self.ring_ms += ring_ms;
        }
        self.settled.add(now, 1);
        if let Some(due) = due {
            self.retried.add(now, 1);
            self.last_due = Some(self.last_due.map_or(due, |last| last.max(due)));
        }
    }

    /// Whether nothing was dialled for about thirty seconds.
    pub(super) fn is_idle(&self, now: Timestamp) -> bool {
        now.duration_since(self.last_dial_at.unwrap_or(self.started_at)) >= IDLE_AFTER
    }

    /// INVITEs a second over the last ten; `None` when idle.
    pub(super) fn dials_per_second(&self, now: Timestamp) -> Option<f64> {
        let last = self.last_dial_at?;
        (now.duration_since(last) < IDLE_AFTER).then(|| self.dials.sum(now) as f64 / 10.0)
    }

    /// Connected calls an hour over the last ten minutes or since the start; `None` when
    /// idle.
    pub(super) fn connected_per_hour(&self, now: Timestamp) -> Option<f64> {
        self.dials_per_second(now)?;
        Some(self.connected.sum(now) as f64 * 3_600.0 / self.span_s(now))
    }

    /// Mean ring time over the run.
    pub(super) fn avg_ring_seconds(&self) -> Option<f64> {
        (self.rang > 0).then(|| self.ring_ms as f64 / self.rang as f64 / 1_000.0)
    }

    /// Seconds to the end: the dials expected over those settled a second, and not
    /// before the last known retry.
    pub(super) fn eta_seconds(&self, left: Left, now: Timestamp) -> Option<u64> {
        let settled = self.settled.sum(now);
        if settled < SETTLED_MIN {
            return None;
        }
        let again = self.retried.sum(now) as f64 / settled as f64;
        // 1 + p + p² + … for every waiting contact; those in a call have had their first.
        let mut dials_each = 0.0;
        let mut share = 1.0;
        for _ in 0..left.attempts_max {
            dials_each += share;
            share *= again;
        }
        let dials = left.waiting as f64 * dials_each
            + left.active as f64 * (1.0 + again * (dials_each - 1.0).max(0.0));
        let seconds = (dials * self.span_s(now) / settled as f64).ceil() as u64;
        let retry_s = self
            .last_due
            .filter(|_| left.waiting > 0)
            .map_or(0, |due| now.duration_until(due).as_secs().max(0) as u64);
        Some(seconds.max(retry_s))
    }

    /// The seconds that the long meters cover.
    fn span_s(&self, now: Timestamp) -> f64 {
        let elapsed = now.duration_since(self.since);
        elapsed.clamp(SignedDuration::from_secs(1), LONG).as_secs_f64()
    }
}
