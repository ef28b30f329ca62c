//! What is on its way over one direction of a line, and when it arrives.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BinaryHeap, HashMap},
    hash::Hash,
    sync::Arc,
    time::Duration,
};

use serde::Serialize;

use crate::impairment::{Impairment, Line, Passage};

/// Datagrams on the way at once; what comes on top is dropped and counted.
const ON_THE_WAY_MAX: usize = 100_000;
/// Senders whose order is kept at once.
const SENDERS_MAX: usize = 20_000;

/// What became of the datagrams of one direction. Everything that came was lost, was dropped,
/// arrived or is on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Datagrams that came.
    pub came: u64,
    /// Of these, lost on purpose.
    pub lost: u64,
    /// Of these, held back so that others could overtake them.
    pub held_back: u64,
    /// Copies that were added.
    pub copies: u64,
    /// Datagrams and copies that arrived.
    pub arrived: u64,
    /// Dropped because too many were on the way, or nobody to send them to.
    pub dropped: u64,
}

/// One direction: datagrams go in with whom they are from or for, and come out when their time
/// has come. Times are counted from any moment, the same for all of them.
pub(crate) struct Transit<T> {
    line: Line,
    on_the_way: BinaryHeap<Reverse<Datagram<T>>>,
    /// When the latest of each sender arrives that kept its order.
    last: HashMap<T, Duration>,
    taken: u64,
    pub(crate) counts: Counts,
}

/// The earliest first, then in the order in which they came.
struct Datagram<T> {
    at: Duration,
    order: u64,
    whose: T,
    bytes: Arc<[u8]>,
}

impl<T: Copy + Eq + Hash> Transit<T> {
    pub(crate) fn new(impairment: Impairment, seed: u64) -> Self {
        Self {
            line: Line::new(impairment, seed),
            on_the_way: BinaryHeap::new(),
            last: HashMap::new(),
            taken: 0,
            counts: Counts::default(),
        }
    }

    /// Decides for a datagram that was sent at `now`.
    pub(crate) fn take(&mut self, now: Duration, whose: T, bytes: &[u8]) {
        if self.last.len() >= SENDERS_MAX {
            // Whose datagrams have all arrived, there is no order to be kept with.
            self.last.retain(|_, last| *last > now);
            if self.last.len() >= SENDERS_MAX / 2 {
                self.last.clear();
            }
        }
        let last = self.last.entry(whose).or_default();
        let Passage { copies, held_back } = self.line.pass(now, last);
        self.counts.came += 1;
        self.counts.lost += u64::from(copies[0].is_none());
        self.counts.held_back += u64::from(held_back);
        self.counts.copies += u64::from(copies[1].is_some());
        let bytes: Arc<[u8]> = bytes.into();
        for after in copies.into_iter().flatten() {
            if self.on_the_way.len() >= ON_THE_WAY_MAX {
                self.counts.dropped += 1;
                continue;
            }
            self.taken += 1;
            let bytes = Arc::clone(&bytes);
            let datagram = Datagram { at: now + after, order: self.taken, whose, bytes };
            self.on_the_way.push(Reverse(datagram));
        }
    }

    /// The next datagram whose time has come; whoever hands it on says [`Self::handed_on`].
    pub(crate) fn due(&mut self, now: Duration) -> Option<(T, Arc<[u8]>)> {
        if self.next_at()? > now {
            return None;
        }
        let Reverse(Datagram { whose, bytes, .. }) = self.on_the_way.pop()?;
        Some((whose, bytes))
    }

    /// When something is due again.
    pub(crate) fn next_at(&self) -> Option<Duration> {
        self.on_the_way.peek().map(|Reverse(next)| next.at)
    }

    /// A datagram that was due reached somebody, or there was nobody to reach.
    pub(crate) fn handed_on(&mut self, arrived: bool) {
        if arrived {
            self.counts.arrived += 1;
        } else {
            self.counts.dropped += 1;
        }
    }
}

impl<T> Ord for Datagram<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl<T> PartialOrd for Datagram<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Datagram<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Datagram<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_datagram_waits_for_those_of_its_sender_and_not_for_others() {
        let uneven = Impairment { jitter_ms: 100, ..Impairment::default() };
        let mut transit = Transit::new(uneven, 3);
        for nth in 0..1_000u32 {
            transit.take(MS * nth, nth % 10, &nth.to_be_bytes());
        }
        let mut arrived: Vec<u32> = Vec::new();
        while let Some((_, bytes)) = transit.due(Duration::MAX) {
            arrived.push(u32::from_be_bytes(bytes[..].try_into().unwrap()));
        }
        assert_eq!(arrived.len(), 1_000);
        assert!(!arrived.is_sorted(), "others are overtaken");
        for sender in 0..10 {
            assert!(arrived.iter().filter(|nth| **nth % 10 == sender).is_sorted());
        }
    }

    #[test]
    fn what_is_kept_of_senders_is_bounded() {
        let uneven = Impairment { jitter_ms: 1_000, ..Impairment::default() };
        let mut transit = Transit::new(uneven, 3);
        for nth in 0..2 * SENDERS_MAX {
            transit.take(Duration::ZERO, nth, b"");
            assert!(transit.last.len() <= SENDERS_MAX);
        }
    }
}
