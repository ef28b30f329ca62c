//! Wakes a thread that sleeps in a poll, once for many messages.
//!
//! A wake-up is a system call, and commands come in bursts: whoever rings while the bell
//! already rings has nothing to do.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
};

use mio::{Registry, Token, Waker};

/// The bell of one thread. Put the message into its queue first, then ring.
#[derive(Debug)]
pub(crate) struct Doorbell {
    waker: Waker,
    rung: AtomicBool,
}

impl Doorbell {
    /// A bell that shows as `token` in the poll of `registry`.
    pub(crate) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        Ok(Self { waker: Waker::new(registry, token)?, rung: AtomicBool::new(false) })
    }

    /// Makes the thread look at its queues, now or when it is through with what it does.
    pub(crate) fn ring(&self) -> io::Result<()> {
        if self.rung.swap(true, Ordering::AcqRel) { Ok(()) } else { self.waker.wake() }
    }

    /// Said by the thread before it looks at its queues: who comes from now on rings anew.
    pub(crate) fn answer(&self) {
        self.rung.swap(false, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mio::{Events, Poll};

    use super::*;

    #[test]
    fn many_rings_are_one_wake_up_and_none_is_lost_after_the_answer() {
        let mut poll = Poll::new().unwrap();
        let bell = Doorbell::new(poll.registry(), Token(1)).unwrap();
        let mut events = Events::with_capacity(4);
        let mut woken = |bell: &Doorbell| {
            poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
            let woken = !events.is_empty();
            if woken {
                bell.answer();
            }
            woken
        };
        for _ in 0..3 {
            bell.ring().unwrap();
            bell.ring().unwrap();
            assert!(woken(&bell));
            assert!(!woken(&bell), "two rings, one wake-up");
        }
    }
}
