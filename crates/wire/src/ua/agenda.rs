//! The agenda: when to wake which call for what.
//!
//! One binary heap for all calls. A timer is stopped by forgetting it in its call; its entry in
//! the heap is then skipped when it comes up, or swept when most entries are of that kind.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::slab::CallKey;
use crate::time::Time;

/// What a call can be woken for. Names in brackets are those of RFC 3261.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Timer {
    /// Send the INVITE again (A).
    InviteAgain,
    /// Nothing came back (B).
    InviteGiveUp,
    /// Send CANCEL again (E).
    CancelAgain,
    /// No final answer since CANCEL (RFC 3261 9.1).
    CancelGiveUp,
    /// Send the BYE of this leg again (E).
    ByeAgain(u8),
    /// The BYE of this leg is not answered (F).
    ByeGiveUp(u8),
    /// Send the final answer again (G).
    FinalAgain,
    /// The final answer is not acknowledged (H).
    FinalGiveUp,
    /// The owner does not say where to go after a 3xx.
    RedirectGiveUp,
    /// Send this request within the dialog again (A, E).
    AskAgain(u8),
    /// This request within the dialog is not answered (B, F).
    AskGiveUp(u8),
    /// Offer again after both offered at once (RFC 3261 14.1).
    RenewAgain,
    /// Refresh the session (RFC 4028 7.2).
    Refresh,
    /// The session was not refreshed (RFC 4028 10).
    SessionEnd,
    /// Send the reliable provisional again (RFC 3262 3).
    ReliableAgain,
    /// The reliable provisional is not acknowledged.
    ReliableGiveUp,
    /// Nothing of this call is on the way any more (D, I, J, K).
    Release,
}

/// The running timers of one call; a handful.
#[derive(Debug, Default)]
pub(super) struct Running(Vec<(Timer, Time)>);

#[derive(Default)]
pub(super) struct Agenda {
    heap: BinaryHeap<Reverse<(Time, CallKey, Timer)>>,
    /// How many entries are still wanted.
    running: usize,
}

impl Agenda {
    /// Starts a timer, or moves it when it runs.
    pub(super) fn start(&mut self, key: CallKey, running: &mut Running, timer: Timer, at: Time) {
        match running.0.iter_mut().find(|(known, _)| *known == timer) {
            Some((_, when)) => *when = at,
            None => {
                running.0.push((timer, at));
                self.running += 1;
            }
        }
        self.heap.push(Reverse((at, key, timer)));
    }

    pub(super) fn stop(&mut self, running: &mut Running, timer: Timer) {
        if let Some(index) = running.0.iter().position(|(known, _)| *known == timer) {
            running.0.swap_remove(index);
            self.running -= 1;
        }
    }

    /// Stops all but those that `keeps` wants.
    pub(super) fn stop_but(&mut self, running: &mut Running, keeps: impl Fn(Timer) -> bool) {
        let before = running.0.len();
        running.0.retain(|(timer, _)| keeps(*timer));
        self.running -= before - running.0.len();
    }

    pub(super) fn stop_all(&mut self, running: &mut Running) {
        self.running -= running.0.len();
        running.0.clear();
    }

    /// The earliest entry that its call still wants; `wanted` asks the call.
    pub(super) fn next(
        &mut self,
        wanted: impl Fn(CallKey, Timer, Time) -> bool,
    ) -> Option<(Time, CallKey, Timer)> {
        if self.heap.len() > 1_024 + 4 * self.running {
            self.heap.retain(|Reverse((at, key, timer))| wanted(*key, *timer, *at));
        }
        while let Some(Reverse((at, key, timer))) = self.heap.peek().copied() {
            if wanted(key, timer, at) {
                return Some((at, key, timer));
            }
            self.heap.pop();
        }
        None
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.running == 0
    }
}

impl Running {
    pub(super) fn wants(&self, timer: Timer, at: Time) -> bool {
        self.0.contains(&(timer, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: CallKey = CallKey { slot: 0, generation: 0 };

    #[test]
    fn a_stopped_or_moved_timer_does_not_wake() {
        let mut agenda = Agenda::default();
        let mut running = Running::default();
        agenda.start(KEY, &mut running, Timer::InviteAgain, Time(1));
        agenda.start(KEY, &mut running, Timer::InviteGiveUp, Time(5));
        agenda.start(KEY, &mut running, Timer::InviteAgain, Time(3));
        let next = |agenda: &mut Agenda, running: &Running| {
            agenda.next(|_, timer, at| running.wants(timer, at))
        };
        assert_eq!(next(&mut agenda, &running), Some((Time(3), KEY, Timer::InviteAgain)));
        agenda.stop(&mut running, Timer::InviteAgain);
        assert_eq!(next(&mut agenda, &running), Some((Time(5), KEY, Timer::InviteGiveUp)));
        agenda.stop_all(&mut running);
        assert_eq!(next(&mut agenda, &running), None);
        assert!(agenda.is_empty());
    }

    #[test]
    fn abandoned_entries_are_swept_before_their_time() {
        let mut agenda = Agenda::default();
        let mut running = Running::default();
        for at in 0..100_000 {
            agenda.start(KEY, &mut running, Timer::Release, Time(at));
            agenda.next(|_, timer, at| running.wants(timer, at));
        }
        assert!(agenda.heap.len() < 2_000, "{}", agenda.heap.len());
    }
}
