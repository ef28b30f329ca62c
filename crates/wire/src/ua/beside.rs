//! What the user agent does beside its calls: registrations and pings.

use std::collections::VecDeque;

use super::{
    UserAgent,
    call::{Came, Shared},
    config::Refused,
    peer::Peer,
    ping::{Ping, PingKey, Pinging},
    registration::{Registering, Registration, RegistrationEvent, RegistrationKey},
    slab::{CallKey, Slab},
};
use crate::time::Time;

/// Registrations and pings at once, each; a machine has a handful of carriers.
const EACH_MAX: usize = 256;

/// The requests outside of calls that wait for something.
pub(super) struct Beside {
    registrations: Slab<Registering>,
    registered: VecDeque<(RegistrationKey, RegistrationEvent)>,
    pings: Slab<Pinging>,
    pinged: VecDeque<(PingKey, Option<u16>)>,
}

impl UserAgent {
    /// Registers with a carrier, refreshes that in time and tries again after failures, until
    /// [`UserAgent::unregister`]. At most 256 at once.
    pub fn register(
        &mut self,
        now: Time,
        registration: Registration,
    ) -> Result<RegistrationKey, Refused> {
        Registering::check(&registration)?;
        if self.beside.registrations.len() >= EACH_MAX {
            return Err(Refused::Full);
        }
        let shared = &mut self.shared;
        let key = self
            .beside
            .registrations
            .insert_with(|key| Registering::start(shared, now, key, registration));
        Ok(RegistrationKey(key))
    }

    /// Ends a registration: the carrier is told, and [`RegistrationEvent::Unregistered`] follows,
    /// after 64*T1 at the latest.
    pub fn unregister(&mut self, now: Time, key: RegistrationKey) {
        if let Some(registering) = self.beside.registrations.get_mut(key.0) {
            registering.leave(&mut self.shared, now);
        }
    }

    /// The next thing that became of a registration; empty the queue after every call of the
    /// other methods.
    pub fn poll_registration(&mut self) -> Option<(RegistrationKey, RegistrationEvent)> {
        self.beside.registered.pop_front()
    }

    /// Asks a carrier for a sign of life, once. At most 256 at once.
    pub fn ping(&mut self, now: Time, ping: &Ping) -> Result<PingKey, Refused> {
        Pinging::check(ping)?;
        if self.beside.pings.len() >= EACH_MAX {
            return Err(Refused::Full);
        }
        let shared = &mut self.shared;
        Ok(PingKey(self.beside.pings.insert_with(|key| Pinging::start(shared, now, key, ping))))
    }

    /// What became of a ping: the code of its answer, whatever that says a sign of life (RFC 3261
    /// 11.2); `None` when nothing came within 64*T1 or nobody is there. Empty the queue after
    /// every call of the other methods.
    pub fn poll_ping(&mut self) -> Option<(PingKey, Option<u16>)> {
        self.beside.pinged.pop_front()
    }
}

impl Beside {
    pub(super) fn new() -> Self {
        Self {
            registrations: Slab::new(),
            registered: VecDeque::new(),
            pings: Slab::new(),
            pinged: VecDeque::new(),
        }
    }

    /// When to wake it.
    pub(super) fn next(&self) -> Option<Time> {
        let registrations = self.registrations.values().filter_map(Registering::next);
        registrations.chain(self.pings.values().map(Pinging::next)).min()
    }

    pub(super) fn wake(&mut self, shared: &mut Shared, now: Time) {
        if self.next().is_none_or(|next| next > now) {
            return;
        }
        self.each_registration(|registering| registering.wake(shared, now));
        self.each_ping(|ping| ping.wake(shared, now));
    }

    /// An answer whose branch is `token` after its cookie: whether it is to a request of these.
    pub(super) fn response(
        &mut self,
        shared: &mut Shared,
        now: Time,
        token: &str,
        code: u16,
        came: Came<'_>,
    ) -> bool {
        if let Some(key) = token.strip_prefix('r').and_then(CallKey::of_token) {
            if let Some(registering) = self.registrations.get_mut(key)
                && let Some(event) = registering.answered(shared, now, code, came)
            {
                self.registered(key, event);
            }
            true
        } else if let Some(key) = token.strip_prefix('p').and_then(CallKey::of_token) {
            if let Some(pinging) = self.pings.get_mut(key)
                && let Some(code) = pinging.answered(shared, code, came)
            {
                self.pings.remove(key);
                self.pinged.push_back((PingKey(key), Some(code)));
            }
            true
        } else {
            false
        }
    }

    pub(super) fn unreachable(&mut self, shared: &mut Shared, now: Time, to: Peer) {
        self.each_registration(|registering| registering.unreachable(shared, now, to));
        self.each_ping(|ping| ping.is_to(to));
    }

    pub(super) fn broken(&mut self, shared: &mut Shared, to: Peer) {
        self.each_registration(|registering| {
            registering.broken(shared, to);
            None
        });
        self.each_ping(|ping| {
            ping.broken(shared, to);
            false
        });
    }

    fn each_registration(
        &mut self,
        mut act: impl FnMut(&mut Registering) -> Option<RegistrationEvent>,
    ) {
        let keys: Vec<_> = self.registrations.keys().collect();
        for key in keys {
            if let Some(event) = self.registrations.get_mut(key).and_then(&mut act) {
                self.registered(key, event);
            }
        }
    }

    fn registered(&mut self, key: CallKey, event: RegistrationEvent) {
        if event == RegistrationEvent::Unregistered {
            self.registrations.remove(key);
        }
        self.registered.push_back((RegistrationKey(key), event));
    }

    /// Ends the pings of which `act` says so.
    fn each_ping(&mut self, mut act: impl FnMut(&mut Pinging) -> bool) {
        let keys: Vec<_> = self.pings.keys().collect();
        for key in keys {
            if self.pings.get_mut(key).is_some_and(&mut act) {
                self.pings.remove(key);
                self.pinged.push_back((PingKey(key), None));
            }
        }
    }
}
