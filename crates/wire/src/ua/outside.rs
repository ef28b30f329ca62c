//! Requests outside of every call: answered without keeping anything of them, if at all.
//!
//! Whoever scans for accounts learns nothing here: the answer does not depend on the user that
//! is asked for, nobody is challenged, and an answer is hardly longer than its request.

use std::{net::IpAddr, time::Duration};

use super::{
    UserAgent,
    call::Came,
    compose::{ALLOW, Reply, SDP, SUPPORTED},
    event::Transmit,
    peer::Peer,
    within::is_known,
};
use crate::{
    message::{self, Fault, Name, Start, Via},
    time::Time,
};

/// Answers to one source that are given at once.
const BURST: u32 = 100;
/// How many a second are given for long.
const RATE: u32 = 50;
/// Sources are told apart by so many places; two that share one share its answers.
const PLACES: usize = 1_024;

/// How many answers each source may still have. Its memory does not grow with the number of
/// sources, and no source can be pushed out of it by others.
pub(super) struct Gate {
    places: Box<[Place]>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    /// In thousandths of an answer.
    left: u32,
    since: Time,
}

impl Gate {
    pub(super) fn new() -> Self {
        let full = Place { left: BURST * 1_000, since: Time::ZERO };
        Self { places: vec![full; PLACES].into_boxed_slice() }
    }

    /// Whether the source of this hash may have an answer; takes note of it.
    fn passes(&mut self, hash: u64, now: Time) -> bool {
        let place = &mut self.places[hash as usize % PLACES];
        let waited = now.since(place.since).min(Duration::from_secs(60)).as_millis() as u32;
        place.left = (place.left + waited * RATE).min(BURST * 1_000);
        place.since = now;
        let passes = place.left >= 1_000;
        if passes {
            place.left -= 1_000;
        }
        passes
    }
}

impl UserAgent {
    /// A request that belongs to no call and begins none.
    pub(super) fn stranger(&mut self, now: Time, method: &str, came: Came<'_>) {
        match method {
            "ACK" => {}
            "OPTIONS" => {
                let can = [("Allow", ALLOW), ("Accept", SDP), ("Supported", SUPPORTED)];
                self.refuse(now, 200, came, &can);
            }
            "BYE" | "CANCEL" | "INFO" | "UPDATE" | "PRACK" | "NOTIFY" => {
                self.refuse(now, 481, came, &[]);
            }
            _ if is_known(method) => self.refuse(now, 405, came, &[("Allow", ALLOW)]),
            _ => self.refuse(now, 501, came, &[("Allow", ALLOW)]),
        }
    }

    /// Answers a request of which nothing is kept. An ACK is never answered.
    pub(super) fn refuse(
        &mut self,
        now: Time,
        code: u16,
        came: Came<'_>,
        headers: &[(&str, &str)],
    ) {
        if came.envelope.method == "ACK" || !self.may_answer(now, came.from) {
            return;
        }
        let branch = came.envelope.via.branch.unwrap_or_default();
        let parts = [b"stateless", branch.as_bytes(), came.envelope.call_id.as_bytes()];
        let tag = format!("{:016x}", self.shared.tokens.of(&parts));
        let reply = came.reply();
        let bytes = reply.answer(code, Some(&tag), headers, None);
        self.shared.transmits.push_back(Transmit { to: reply.to_addr, bytes });
    }

    /// A faulty request is told so when it has a way back; a faulty answer is dropped.
    pub(super) fn refuse_faulty(
        &mut self,
        now: Time,
        message: &message::Message<'_>,
        fault: Fault,
        from: Peer,
    ) {
        let Start::Request { method, .. } = message.start else { return };
        let Some(via) = message.list(Name::Via).next().and_then(Via::parse) else { return };
        if method == "ACK" || !self.may_answer(now, from) {
            return;
        }
        let tag = format!("{:016x}", self.shared.tokens.of(&[b"faulty"]));
        let reply = Reply::of(message, &via, from);
        let warning = format!("399 campanile \"{fault}\"");
        let bytes = reply.answer(fault.code(), Some(&tag), &[("Warning", &warning)], None);
        self.shared.transmits.push_back(Transmit { to: reply.to_addr, bytes });
    }

    fn may_answer(&mut self, now: Time, from: Peer) -> bool {
        let hash = match from.addr.ip().to_canonical() {
            IpAddr::V4(ip) => self.shared.tokens.of(&[b"source", &ip.octets()]),
            // One customer has a whole /64.
            IpAddr::V6(ip) => self.shared.tokens.of(&[b"source", &ip.octets()[..8]]),
        };
        self.gate.passes(hash, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_its_burst_and_then_its_rate() {
        let mut gate = Gate::new();
        let mut now = Time(1_000_000);
        let passed = (0..1_000).filter(|_| gate.passes(7, now)).count();
        assert_eq!(passed, BURST as usize);
        assert!(gate.passes(8, now), "another source has its own");
        let mut passed = 0;
        for _ in 0..10_000 {
            now += Duration::from_millis(1);
            passed += u32::from(gate.passes(7, now));
        }
        assert_eq!(passed, 10 * RATE);
    }
}
