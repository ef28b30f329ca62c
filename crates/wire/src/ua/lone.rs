//! A request of ours outside of every call, and what is to come of it (RFC 3261 17.1.2).

use std::{sync::Arc, time::Duration};

use super::{
    call::{Came, Shared},
    event::Transmit,
    peer::Peer,
};
use crate::time::Time;

/// A client transaction of anything but INVITE.
pub(super) struct Lone {
    /// Where it went.
    pub(super) to: Peer,
    branch: String,
    cseq: u32,
    method: &'static str,
    bytes: Arc<[u8]>,
    wait: Duration,
    /// Timer E; none over a connection.
    again: Option<Time>,
    /// Timer F.
    give_up: Time,
    resent: bool,
}

impl Lone {
    /// Sends it.
    pub(super) fn send(
        shared: &mut Shared,
        now: Time,
        to: Peer,
        branch: String,
        (cseq, method): (u32, &'static str),
        bytes: Arc<[u8]>,
    ) -> Self {
        shared.transmits.push_back(Transmit { to, bytes: Arc::clone(&bytes) });
        let wait = shared.config.timers.t1;
        let again = (!to.transport.is_reliable()).then_some(now + wait);
        let give_up = now + shared.patience();
        Self { to, branch, cseq, method, bytes, wait, again, give_up, resent: false }
    }

    /// When to wake it.
    pub(super) fn next(&self) -> Time {
        self.again.map_or(self.give_up, |again| again.min(self.give_up))
    }

    /// Its time has come; true when nobody answered.
    pub(super) fn wake(&mut self, shared: &mut Shared, now: Time) -> bool {
        if now >= self.give_up {
            return true;
        }
        if self.again.is_some_and(|again| again <= now) {
            self.wait = shared.longer(self.wait);
            self.again = Some(now + self.wait);
            self.send_again(shared);
        }
        false
    }

    /// An answer came; its code when that is final.
    pub(super) fn answered(&mut self, shared: &Shared, code: u16, came: Came<'_>) -> Option<u16> {
        let ours = came.envelope.via.branch == Some(&self.branch)
            && came.envelope.cseq == self.cseq
            && came.envelope.method == self.method;
        let host = |peer: Peer| peer.addr.ip().to_canonical();
        let asked = shared.config.answers_from_anywhere || host(came.from) == host(self.to);
        if !ours || !asked {
            return None;
        }
        if code < 200 {
            // It lives, and is asked every T2 from now on.
            self.wait = shared.config.timers.t2;
            return None;
        }
        Some(code)
    }

    /// Its connection broke: once more, on a new one.
    pub(super) fn broken(&mut self, shared: &mut Shared, to: Peer) {
        if self.to == to && to.transport.is_reliable() && !self.resent {
            self.resent = true;
            self.send_again(shared);
        }
    }

    fn send_again(&self, shared: &mut Shared) {
        shared.transmits.push_back(Transmit { to: self.to, bytes: Arc::clone(&self.bytes) });
    }
}
