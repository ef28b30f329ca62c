//! The user agent: places calls, and for the simulated carrier takes them.
//!
//! It is told what happened (`handle_*`), asked what to send (`poll_transmit`), what to tell
//! (`poll_event`) and when to wake it (`poll_timeout`). One owner, no locks.

mod config;
mod event;
mod ladder;
mod slab;

use std::net::SocketAddr;

use crate::time::Time;
pub use config::{Auth, Invite, Refused, Timers, UaConfig};
pub use event::{EndCause, Ended, Event, IncomingInvite, Transmit};
pub use ladder::{Flow, Message};
pub use slab::CallKey;

/// A SIP user agent over UDP (RFC 3261).
pub struct UserAgent {
    config: UaConfig,
}

impl UserAgent {
    /// A user agent without calls. `seed` makes its branches and tags; keep it secret, and take a
    /// new one for each process, or a restarted process repeats the branches of the one before.
    pub fn new(config: UaConfig, seed: [u8; 32]) -> Self {
        let _ = seed;
        Self { config }
    }

    /// A datagram came from `from`.
    pub fn handle_datagram(&mut self, now: Time, from: SocketAddr, bytes: &[u8]) {
        let _ = (now, from, bytes, &self.config);
    }

    /// The socket said that nothing reaches `to`: calls that it never answered end as
    /// [`EndCause::NoReply`].
    pub fn handle_unreachable(&mut self, now: Time, to: SocketAddr) {
        let _ = (now, to);
    }

    /// The time that `poll_timeout` asked for has come. Too early does no harm.
    pub fn handle_timeout(&mut self, now: Time) {
        let _ = now;
    }

    /// Places a call.
    pub fn invite(&mut self, now: Time, invite: Invite) -> Result<CallKey, Refused> {
        let _ = (now, invite);
        Err(Refused::Full)
    }

    /// Takes an unanswered call back: CANCEL, as soon as a provisional allows it (RFC 3261 9.1).
    /// Without effect on an answered or ended call.
    pub fn cancel(&mut self, now: Time, call: CallKey) {
        let _ = (now, call);
    }

    /// Ends a call in whatever state it is: CANCEL, BYE or a refusal, whichever is right.
    pub fn hang_up(&mut self, now: Time, call: CallKey) {
        let _ = (now, call);
    }

    /// Called side: answers 180 or 183, perhaps with early media.
    pub fn ring(&mut self, now: Time, call: CallKey, code: u16, sdp: Option<Vec<u8>>) {
        let _ = (now, call, code, sdp);
    }

    /// Called side: answers 200.
    pub fn answer(&mut self, now: Time, call: CallKey, sdp: Vec<u8>) {
        let _ = (now, call, sdp);
    }

    /// Called side: refuses with a final code of 300 or more, with further headers.
    pub fn reject(&mut self, now: Time, call: CallKey, code: u16, headers: &[(&str, String)]) {
        let _ = (now, call, code, headers);
    }

    /// The next datagram to send; empty the queue after every call of the other methods.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        None
    }

    /// The next thing that happened; empty the queue after every call of the other methods.
    pub fn poll_event(&mut self) -> Option<(CallKey, Event)> {
        None
    }

    /// When to call `handle_timeout`, at the latest; `None` while nothing is under way.
    pub fn poll_timeout(&mut self) -> Option<Time> {
        None
    }

    /// The last messages of a call, oldest first, until it is [`Event::Released`].
    pub fn ladder(&self, call: CallKey) -> Vec<Message> {
        let _ = call;
        Vec::new()
    }
}
