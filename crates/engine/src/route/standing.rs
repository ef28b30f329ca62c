//! How each carrier stands, from what its calls and questions come to: shown through the
//! live seam, decided by nobody.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use campanile_domain::{
    attempt::CallReport,
    carrier::{CarrierHealth, CarrierState},
    ids::CarrierId,
    outcome::Ending,
    scheduler::CallEvent,
};
use campanile_store::live::LiveHub;
use campanile_wire::ua::Peer;
use jiff::Timestamp;

/// Said when a call ended without an answer and nobody knows more.
const SILENCE: &str = "the last call had no reply";

/// The carriers as known; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Standings {
    hub: LiveHub,
    /// As many as carriers were ever used since the start.
    carriers: Arc<Mutex<HashMap<CarrierId, Standing>>>,
}

struct Standing {
    health: CarrierHealth,
    /// Calls under way.
    calls: usize,
    /// When it was last heard of, or found silent.
    seen: Instant,
}

impl Standings {
    pub(crate) fn new(hub: LiveHub) -> Self {
        Self { hub, carriers: Arc::default() }
    }

    /// A call through it begins.
    pub(super) fn called(&self, carrier: CarrierId) {
        self.with(carrier, |standing| standing.calls += 1);
    }

    /// A call through it is over.
    pub(super) fn freed(&self, carrier: CarrierId) {
        self.with(carrier, |standing| {
            standing.calls = standing.calls.saturating_sub(1);
            standing.seen = Instant::now();
        });
    }

    /// For how long nothing was heard of it and nothing asked; `None` while calls are under
    /// way, which will tell.
    pub(crate) fn idle(&self, carrier: CarrierId) -> Option<Duration> {
        self.with(carrier, |standing| (standing.calls == 0).then(|| standing.seen.elapsed()))
    }

    /// What an event of a call says about its carrier.
    pub(super) fn heard(&self, carrier: CarrierId, event: &CallEvent) {
        match event {
            CallEvent::Ringing | CallEvent::Answered => self.answered(carrier),
            CallEvent::BotAttached => {}
            CallEvent::Ended(report) => match report.ending {
                Ending::Refused { .. } => self.answered(carrier),
                Ending::NoReply | Ending::NoConnection => self.failed(carrier, why(report)),
                // Its answer was told before, or it is our doing.
                Ending::Connected { .. }
                | Ending::NoSeat
                | Ending::Left
                | Ending::RingTimeout { .. }
                | Ending::Withdrawn
                | Ending::NotSent => {}
            },
        }
    }

    pub(crate) fn answered(&self, carrier: CarrierId) {
        self.seen(carrier);
        self.change(carrier, |health| {
            // Mostly it is up, and the clock is left alone.
            health.state != CarrierState::Up && health.answered(Timestamp::now())
        });
    }

    /// It was heard of, or asked.
    pub(crate) fn seen(&self, carrier: CarrierId) {
        self.with(carrier, |standing| standing.seen = Instant::now());
    }

    pub(crate) fn failed(&self, carrier: CarrierId, why: &str) {
        self.change(carrier, |health| health.failed(why, Timestamp::now()));
    }

    /// Where it is now.
    pub(super) fn located(&self, carrier: CarrierId, peers: &[Peer]) {
        self.change(carrier, |health| {
            let same = health.addresses.len() == peers.len()
                && health.addresses.iter().zip(peers).all(|(old, new)| *old == new.to_string());
            if !same {
                health.addresses = peers.iter().map(Peer::to_string).collect();
            }
            !same
        });
    }

    /// Changes what is known, and shows it when `act` says that it is news.
    pub(crate) fn change(&self, carrier: CarrierId, act: impl FnOnce(&mut CarrierHealth) -> bool) {
        self.with(carrier, |standing| {
            if act(&mut standing.health) {
                self.hub.publish_carrier(standing.health.clone());
            }
        });
    }

    fn with<T>(&self, carrier: CarrierId, act: impl FnOnce(&mut Standing) -> T) -> T {
        let mut carriers = self.carriers.lock().unwrap_or_else(PoisonError::into_inner);
        act(carriers.entry(carrier).or_insert_with(|| Standing {
            health: CarrierHealth::unknown(carrier),
            calls: 0,
            seen: Instant::now(),
        }))
    }
}

fn why(report: &CallReport) -> &str {
    report.sip_reason.as_deref().unwrap_or(SILENCE)
}

#[cfg(test)]
mod tests {
    use campanile_domain::ids::AttemptId;

    use super::*;
    use crate::line::unplaced;

    fn ended(ending: Ending, why: &str) -> CallEvent {
        let report = unplaced(AttemptId(1), ending, why, Timestamp::now());
        CallEvent::Ended(Box::new(report))
    }

    #[test]
    fn an_answer_of_any_kind_is_a_sign_of_life_and_what_we_did_ourselves_is_none() {
        let hub = LiveHub::default();
        let standings = Standings::new(hub.clone());
        let carrier = CarrierId(7);
        standings.heard(carrier, &ended(Ending::Withdrawn, ""));
        assert_eq!(hub.carrier(carrier), None, "nothing is known");
        standings.heard(carrier, &ended(Ending::NoReply, "cannot resolve x: no such name"));
        let health = hub.carrier(carrier).unwrap();
        assert_eq!(health.state, CarrierState::Down);
        assert_eq!(health.reason.as_deref(), Some("cannot resolve x: no such name"));
        let refused = Ending::Refused { sip_code: 503, after_ms: 4, rang: false };
        standings.heard(carrier, &ended(refused, ""));
        assert_eq!(hub.carrier(carrier).unwrap().state, CarrierState::Up);
        standings.heard(carrier, &ended(Ending::NoReply, ""));
        assert_eq!(hub.carrier(carrier).unwrap().reason.as_deref(), Some(SILENCE));
    }

    #[test]
    fn addresses_are_shown_anew_when_they_change() {
        let hub = LiveHub::default();
        let standings = Standings::new(hub.clone());
        let peer = |text: &str| Peer::tcp(text.parse().unwrap());
        standings.located(CarrierId(7), &[peer("192.0.2.1:5060"), peer("192.0.2.2:5060")]);
        let first = hub.carrier(CarrierId(7)).unwrap();
        assert_eq!(first.addresses, ["tcp:192.0.2.1:5060", "tcp:192.0.2.2:5060"]);
        standings.located(CarrierId(7), &[peer("192.0.2.1:5060"), peer("192.0.2.2:5060")]);
        assert!(Arc::ptr_eq(&first, &hub.carrier(CarrierId(7)).unwrap()), "no news");
    }
}
