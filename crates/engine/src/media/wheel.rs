//! The wheel that spreads the packets of many calls over 20 ms.

use std::time::Duration;

use campanile_wire::time::Time;

/// Every stream sends once in this time.
pub(crate) const FRAME: Duration = Duration::from_millis(20);
/// Streams of one slot send together.
const SLOT: Duration = Duration::from_millis(2);
const SLOTS: usize = (FRAME.as_micros() / SLOT.as_micros()) as usize;

/// Streams by the 2 ms in which they send.
#[derive(Debug, Default)]
pub(crate) struct Wheel {
    slots: [Vec<u32>; SLOTS],
    /// The last slot that was turned to, counted from the origin of time.
    turned: u64,
}

fn slot_number(at: Time) -> u64 {
    at.0 / SLOT.as_micros() as u64
}

fn index(slot: u64) -> usize {
    (slot % SLOTS as u64) as usize
}

impl Wheel {
    /// Puts a stream into the next slot to come; returns where to find it and when it
    /// is due first.
    pub(crate) fn insert(&mut self, stream: u32, now: Time) -> (usize, Time) {
        let slot = slot_number(now).max(self.turned) + 1;
        self.slots[index(slot)].push(stream);
        (index(slot), Time(slot * SLOT.as_micros() as u64))
    }

    /// Takes a stream out of the slot that `insert` named.
    pub(crate) fn remove(&mut self, slot: usize, stream: u32) {
        self.slots[slot].retain(|known| *known != stream);
    }

    /// Turns to `now`; gives each stream that became due, once, however late it is.
    pub(crate) fn turn(&mut self, now: Time, due: &mut Vec<u32>) {
        let to = slot_number(now);
        let passed = to.saturating_sub(self.turned).min(SLOTS as u64);
        for slot in to + 1 - passed..=to {
            due.extend_from_slice(&self.slots[index(slot)]);
        }
        self.turned = self.turned.max(to);
    }

    /// When to turn next; `None` while the wheel is empty.
    pub(crate) fn next(&self) -> Option<Time> {
        (self.turned + 1..=self.turned + SLOTS as u64)
            .find(|slot| !self.slots[index(*slot)].is_empty())
            .map(|slot| Time(slot * SLOT.as_micros() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(wheel: &mut Wheel, ms: u64) -> Vec<u32> {
        let mut due = Vec::new();
        wheel.turn(Time(ms * 1_000), &mut due);
        due
    }

    #[test]
    fn a_stream_is_due_within_two_milliseconds_and_then_every_twenty() {
        let mut wheel = Wheel::default();
        assert_eq!(wheel.next(), None);
        turn(&mut wheel, 101);
        let (_, first) = wheel.insert(7, Time(101_500));
        assert_eq!(first, Time(102_000));
        assert_eq!(wheel.next(), Some(Time(102_000)));
        let due: Vec<u64> = (101..=150).filter(|ms| !turn(&mut wheel, *ms).is_empty()).collect();
        assert_eq!(due, [102, 122, 142]);
        assert_eq!(wheel.next(), Some(Time(162_000)));
    }

    #[test]
    fn a_late_wake_up_gives_every_stream_once() {
        let mut wheel = Wheel::default();
        let places: Vec<_> = (0..10).map(|n| wheel.insert(n, Time(u64::from(n) * 2_000))).collect();
        let mut due = turn(&mut wheel, 1_000);
        due.sort_unstable();
        assert_eq!(due, (0..10).collect::<Vec<_>>());
        assert_eq!(turn(&mut wheel, 1_000), [0; 0], "the same slot is not turned to twice");
        for (stream, (slot, _)) in places.into_iter().enumerate() {
            wheel.remove(slot, stream as u32);
        }
        assert_eq!(wheel.next(), None);
    }
}
