//! What the shard does beside calls: registrations, and questions to carriers whether they
//! live. Who wants which is decided by [`upkeep`](crate::upkeep).

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use campanile_domain::{
    carrier::{CarrierHealth, Registration, RegistrationState},
    ids::CarrierId,
};
use campanile_wire::ua::{self, Peer, Ping, PingKey, RegistrationEvent, RegistrationKey};

use super::Shard;
use crate::clock::Now;

/// Whose each of them is.
#[derive(Default)]
pub(super) struct Beside {
    registrations: HashMap<CarrierId, (RegistrationKey, Peer)>,
    /// What is registered once an earlier registration has ended: the other way round, its
    /// farewell would take the new one with it.
    next: HashMap<RegistrationKey, (CarrierId, Arc<str>, ua::Registration)>,
    pings: HashMap<PingKey, (CarrierId, Peer)>,
}

impl Shard {
    /// Registers with a carrier, in the place of an earlier registration with it. `host` is
    /// what it is called.
    pub(super) fn register(
        &mut self,
        carrier: CarrierId,
        host: &Arc<str>,
        mut registration: ua::Registration,
        now: Now,
    ) {
        self.beside.next.retain(|_, (other, ..)| *other != carrier);
        if let Some((old, _)) = self.beside.registrations.remove(&carrier) {
            self.beside.next.insert(old, (carrier, host.clone(), registration));
            self.parts.agent.unregister(now.at, old);
            return self.drain(now);
        }
        let to = registration.to;
        registration.contact = self.contact_over(to, registration.contact);
        let asked = self.name_beside(to, host, now).and_then(|()| {
            let key = self.parts.agent.register(now.at, registration);
            key.map_err(|refused| refused.to_string())
        });
        match asked {
            Ok(key) => {
                self.beside.registrations.insert(carrier, (key, to));
                self.show(carrier, RegistrationState::Trying, None, now);
            }
            Err(why) => self.show(carrier, RegistrationState::Failed, Some(why), now),
        }
        self.drain(now);
    }

    /// Tells the carrier that we are gone.
    pub(super) fn unregister(&mut self, carrier: CarrierId, now: Now) {
        self.beside.next.retain(|_, (other, ..)| *other != carrier);
        if let Some((key, _)) = self.beside.registrations.remove(&carrier) {
            self.parts.agent.unregister(now.at, key);
        }
        self.parts.standings.change(carrier, |health| health.registration.take().is_some());
        self.drain(now);
    }

    pub(super) fn unregister_all(&mut self, now: Now) {
        self.beside.next.clear();
        let carriers: Vec<CarrierId> = self.beside.registrations.keys().copied().collect();
        for carrier in carriers {
            self.unregister(carrier, now);
        }
    }

    /// Asks a carrier for a sign of life.
    pub(super) fn ping(&mut self, carrier: CarrierId, host: &Arc<str>, mut ping: Ping, now: Now) {
        let to = ping.to;
        ping.contact = self.contact_over(to, ping.contact);
        let asked = self.name_beside(to, host, now).and_then(|()| {
            self.parts.agent.ping(now.at, &ping).map_err(|refused| refused.to_string())
        });
        match asked {
            Ok(key) => {
                self.beside.pings.insert(key, (carrier, to));
            }
            Err(why) => self.parts.standings.failed(carrier, &why),
        }
        self.drain(now);
    }

    /// Takes from the user agent what became of one of them; false when there is nothing.
    pub(super) fn drain_beside(&mut self, now: Now) -> bool {
        if let Some((key, event)) = self.parts.agent.poll_registration() {
            self.on_registration(key, event, now);
            return true;
        }
        let Some((key, code)) = self.parts.agent.poll_ping() else { return false };
        if let Some((carrier, to)) = self.beside.pings.remove(&key) {
            match code {
                Some(_) => self.parts.standings.answered(carrier),
                None => {
                    self.parts.suspects.accuse(to.addr);
                    let why = self.trouble_with(to, "OPTIONS had no reply");
                    self.parts.standings.failed(carrier, &why);
                }
            }
        }
        true
    }

    fn on_registration(&mut self, key: RegistrationKey, event: RegistrationEvent, now: Now) {
        if event == RegistrationEvent::Unregistered
            && let Some((carrier, host, registration)) = self.beside.next.remove(&key)
        {
            return self.register(carrier, &host, registration, now);
        }
        let registrations = &self.beside.registrations;
        let of_key = registrations.iter().find(|(_, (own, _))| *own == key);
        // One that was given up still says its last words.
        let Some((carrier, to)) = of_key.map(|(carrier, (_, to))| (*carrier, *to)) else { return };
        match event {
            RegistrationEvent::Registered { until } => {
                let until = now.wall.checked_add(until.since(now.at)).ok();
                self.parts.standings.answered(carrier);
                self.parts.standings.change(carrier, |health| {
                    turn(health, RegistrationState::Registered, None, now);
                    if let Some(registration) = &mut health.registration {
                        registration.until = until;
                    }
                    true
                });
            }
            RegistrationEvent::Failed { code, why, .. } => {
                let why = match code {
                    Some(code) => format!("REGISTER was answered {code} {why}"),
                    None => {
                        self.parts.suspects.accuse(to.addr);
                        self.trouble_with(to, &format!("REGISTER: {why}"))
                    }
                };
                self.show(carrier, RegistrationState::Failed, Some(why), now);
            }
            RegistrationEvent::Unregistered => {
                self.beside.registrations.remove(&carrier);
                self.parts.standings.change(carrier, |health| health.registration.take().is_some());
            }
        }
    }

    fn show(&self, carrier: CarrierId, state: RegistrationState, reason: Option<String>, now: Now) {
        self.parts.standings.change(carrier, |health| {
            let before = health.registration.as_ref();
            if let Some(why) = &reason
                && before.is_none_or(|before| before.reason.as_ref() != Some(why))
            {
                tracing::warn!(carrier.id = %carrier, "A carrier did not register us: {why}");
            }
            turn(health, state, reason, now)
        });
    }

    /// What the connection to a far end is up against, if it is known better than `else_why`.
    fn trouble_with(&self, to: Peer, else_why: &str) -> String {
        self.parts.links.trouble(to).map_or_else(|| else_why.to_owned(), |why| why.to_string())
    }

    /// Where far ends on connections reach us, if they may connect at all.
    pub(super) fn contact_over(&self, to: Peer, mut contact: SocketAddr) -> SocketAddr {
        if to.transport.is_reliable()
            && let Some(port) = self.parts.links.port()
        {
            contact.set_port(port);
        }
        contact
    }

    fn name_beside(&mut self, to: Peer, host: &Arc<str>, now: Now) -> Result<(), String> {
        if to.transport.is_reliable() {
            self.parts.links.name(to, host, now.at)?;
        }
        Ok(())
    }
}

/// True when the state or the reason is news. A registration that fails to be refreshed
/// may hold until its end.
fn turn(
    health: &mut CarrierHealth,
    state: RegistrationState,
    reason: Option<String>,
    now: Now,
) -> bool {
    let before = health.registration.take();
    let news = before.as_ref().is_none_or(|old| old.state != state || old.reason != reason);
    let since = before.as_ref().filter(|old| old.state == state).map_or(now.wall, |old| old.since);
    let until = before.and_then(|old| old.until).filter(|until| *until > now.wall);
    health.registration = Some(Registration { state, since, until, reason });
    news
}

#[cfg(test)]
mod tests {
    use campanile_wire::time::Time;
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn the_time_of_a_registration_is_that_of_its_last_turn() {
        let at = |second| Now {
            at: Time(second as u64 * 1_000_000),
            wall: Timestamp::from_second(second).unwrap(),
        };
        let mut health = CarrierHealth::unknown(CarrierId(1));
        assert!(turn(&mut health, RegistrationState::Trying, None, at(1)));
        assert!(!turn(&mut health, RegistrationState::Trying, None, at(2)));
        assert!(turn(&mut health, RegistrationState::Registered, None, at(3)));
        health.registration.as_mut().unwrap().until = Some(at(60).wall);
        let why = || Some("403 Forbidden".to_owned());
        assert!(turn(&mut health, RegistrationState::Failed, why(), at(4)));
        assert!(!turn(&mut health, RegistrationState::Failed, why(), at(9)));
        let registration = health.registration.clone().unwrap();
        assert_eq!((registration.since, registration.until), (at(4).wall, Some(at(60).wall)));
        turn(&mut health, RegistrationState::Failed, why(), at(61));
        assert_eq!(health.registration.unwrap().until, None, "it has run out");
    }
}
