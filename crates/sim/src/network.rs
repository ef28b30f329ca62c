//! The line for real: user agents of the wire, joined by a network in virtual time that
//! loses, delays, reorders and repeats what it carries, by the seed.
//!
//! The dialler's agent dies with its process; the far ends live on and keep the record
//! that calls are judged by.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
};

use campanile_domain::{ids::AttemptId, scheduler::Placement};
use campanile_wire::{
    sdp::{self, Codec, Local},
    time::Time,
    ua::{CallKey, Event, Invite, Peer, Transport, UaConfig, UserAgent},
};
use jiff::{SignedDuration, Timestamp};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    far::{FarEnd, Record},
    fault::Fault,
    judge::Check,
    scene::Weather,
    store::Store,
};

/// A datagram is under way for so long at most, ms: less than T4, or a straggler would
/// rightly begin a second dialog (RFC 3261 17.1.2.2).
const DELAY_MAX_MS: i64 = 500;
/// Steps of the wire after the end of the world, at most: all timers of 64*T1 fit.
const DRAIN_MAX: u32 = 200_000;

/// See the module.
pub(crate) struct Network {
    rng: StdRng,
    /// True time at the origin of the wire's.
    origin: Timestamp,
    weather: Quality,
    /// The dialler's agent; none while the process is down.
    ours: Option<UserAgent>,
    lives: u8,
    calls: BTreeMap<CallKey, AttemptId>,
    keys: BTreeMap<AttemptId, CallKey>,
    far: Vec<FarEnd>,
    /// By arrival and a number that tells two apart: at whom, from whom, what.
    on_the_way: BTreeMap<(Timestamp, u64), (Port, Port, Vec<u8>)>,
    sent: u64,
    /// What our agent said and the dialler has not heard yet.
    told: VecDeque<(AttemptId, Event)>,
    pub(crate) record: Record,
    /// Sends each INVITE as two dialogs: a fault for the judge to find.
    dials_twice: bool,
    /// Forgets that the agent is done with a call: another.
    never_releases: bool,
}

/// How bad the network is, in per cent and milliseconds.
#[derive(Debug, Clone, Copy)]
struct Quality {
    loss: u32,
    repeat: u32,
    delay_ms: i64,
}

/// An end of the network: the dialler, or the far end of a carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    Ours,
    Far(usize),
}

impl Network {
    /// The network of a world: in two of three the line is but a model.
    pub(crate) fn of_world(
        seed: u64,
        fault: Option<Fault>,
        carriers: usize,
        origin: Timestamp,
    ) -> Option<Self> {
        (seed % 3 == 1).then(|| Self {
            dials_twice: fault == Some(Fault::DialsTwice),
            never_releases: fault == Some(Fault::NeverReleases),
            ..Self::new(seed, carriers, origin)
        })
    }

    fn new(seed: u64, carriers: usize, origin: Timestamp) -> Self {
        let mut rng = StdRng::seed_from_u64(seed ^ 0x5157_A11E);
        let weather = Quality {
            loss: rng.random_range(0..=20),
            repeat: rng.random_range(0..=10),
            delay_ms: rng.random_range(1..=DELAY_MAX_MS),
        };
        let far = (0..carriers).map(|index| FarEnd::new(peer(Port::Far(index)).addr)).collect();
        Self {
            rng,
            origin,
            weather,
            ours: None,
            lives: 0,
            calls: BTreeMap::new(),
            keys: BTreeMap::new(),
            far,
            on_the_way: BTreeMap::new(),
            sent: 0,
            told: VecDeque::new(),
            record: Record::default(),
            dials_twice: false,
            never_releases: false,
        }
    }

    /// The process begins: its agent knows nothing of what was before.
    pub(crate) fn boot(&mut self) {
        self.lives = self.lives.wrapping_add(1);
        let config = UaConfig { ring_messages: 0, ..UaConfig::new(peer(Port::Ours).addr) };
        self.ours = Some(UserAgent::new(config, [self.lives; 32]));
    }

    /// The process dies: nobody says goodbye.
    pub(crate) fn crash(&mut self) {
        self.ours = None;
        self.record.crashed();
        self.calls.clear();
        self.keys.clear();
        self.told.clear();
    }

    /// The INVITE leaves.
    pub(crate) fn place(&mut self, placement: &Placement, now: Timestamp) -> Check {
        let attempt = &placement.attempt;
        let carrier = attempt.carrier.0 as usize - 1;
        let to = peer(Port::Far(carrier));
        let host = to.addr.ip();
        let description = Local {
            addr: SocketAddr::new(peer(Port::Ours).addr.ip(), 20_000),
            codecs: vec![Codec::Pcma],
            session: 1,
            version: 1,
        };
        let invite = Invite {
            to,
            further: Vec::new(),
            route: Vec::new(),
            request_uri: format!("sip:{}@{host}", placement.callee),
            from_uri: format!("sip:{}@{host}", placement.caller),
            from_display: None,
            to_uri: format!("sip:{}@{host}", placement.callee),
            call_id: self.record.placed(attempt.id, attempt.tries),
            sdp: sdp::offer(&description),
            late_offer: false,
            auth: None,
            headers: Vec::new(),
        };
        let time = self.time(now);
        let Some(agent) = &mut self.ours else { return Ok(()) };
        if self.dials_twice {
            agent.invite(time, invite.clone()).map_err(|refused| refused.to_string())?;
        }
        let key = agent.invite(time, invite).map_err(|refused| refused.to_string())?;
        self.calls.insert(key, attempt.id);
        self.keys.insert(attempt.id, key);
        self.collect(now)
    }

    /// Ends a call whatever its state; nothing if it has ended.
    pub(crate) fn hang_up(&mut self, attempt: AttemptId, now: Timestamp) -> Check {
        let time = self.time(now);
        if let (Some(agent), Some(key)) = (&mut self.ours, self.keys.get(&attempt)) {
            agent.hang_up(time, *key);
        }
        self.collect(now)
    }

    /// What our agent said, oldest first.
    pub(crate) fn poll_told(&mut self) -> Option<(AttemptId, Event)> {
        self.told.pop_front()
    }

    /// When something happens next.
    pub(crate) fn next(&mut self) -> Option<Timestamp> {
        let arrival = self.on_the_way.first_key_value().map(|((at, _), _)| *at);
        let ours = self.ours.as_mut().and_then(UserAgent::poll_timeout);
        let timers = self.far.iter_mut().filter_map(FarEnd::next).chain(ours).min();
        let timer = timers.map(|time| self.timestamp(time));
        [arrival, timer].into_iter().flatten().min()
    }

    /// What is due happens.
    pub(crate) fn pass(&mut self, now: Timestamp, skies: &[Weather], store: &Store) -> Check {
        let time = self.time(now);
        if let Some(entry) = self.on_the_way.first_entry()
            && entry.key().0 <= now
        {
            let (to, from, bytes) = entry.remove();
            match to {
                Port::Ours => {
                    if let Some(agent) = &mut self.ours {
                        agent.handle_message(time, peer(from), &bytes);
                    }
                }
                // A silent carrier hears no new calls.
                Port::Far(index)
                    if skies[index] == Weather::Silent && bytes.starts_with(b"INVITE") => {}
                Port::Far(index) => {
                    self.far[index].agent.handle_message(time, peer(from), &bytes);
                }
            }
        }
        if let Some(agent) = &mut self.ours {
            agent.handle_timeout(time);
        }
        for (index, sky) in skies.iter().enumerate() {
            self.far[index].wake(time, &mut self.record);
            self.collect_far(index, now)?;
            self.far[index].hear(time, *sky, store, &mut self.record, &mut self.rng)?;
        }
        self.collect(now)
    }

    /// The world is over: what is under way arrives or expires, and then nobody may hold
    /// anything (I8). The network does no more harm.
    pub(crate) fn drain(&mut self, mut now: Timestamp, store: &Store) -> Check {
        let fair = vec![Weather::Fair; self.far.len()];
        self.weather = Quality { loss: 0, repeat: 0, delay_ms: 1 };
        for _ in 0..DRAIN_MAX {
            let Some(at) = self.next() else { break };
            now = now.max(at);
            self.pass(now, &fair, store)?;
            self.told.clear();
        }
        let agents = self.ours.iter().chain(self.far.iter().map(|far| &far.agent));
        let kept: Vec<_> = agents.map(|agent| (agent.live_calls(), agent.kept_calls())).collect();
        if kept.iter().any(|kept| *kept != (0, 0)) || self.next().is_some() {
            return Err(format!("agents hold calls (live, kept) after the end: {kept:?}"));
        }
        if !self.keys.is_empty() || !self.calls.is_empty() {
            return Err(format!("calls were never released: {:?}", self.keys));
        }
        Ok(())
    }

    /// What everybody wants sent and told.
    fn collect(&mut self, now: Timestamp) -> Check {
        for index in 0..self.far.len() {
            self.collect_far(index, now)?;
        }
        let Some(agent) = &mut self.ours else { return Ok(()) };
        let mut datagrams = Vec::new();
        while let Some(transmit) = agent.poll_transmit() {
            datagrams.push((transmit.to, transmit.bytes));
        }
        while let Some((key, event)) = agent.poll_event() {
            let Some(attempt) = self.calls.get(&key).copied() else { continue };
            if event == Event::Released && self.never_releases {
                continue;
            }
            if event == Event::Released {
                self.calls.remove(&key);
                // A failover may have placed the next call of this attempt already.
                if self.keys.get(&attempt) == Some(&key) {
                    self.keys.remove(&attempt);
                }
            } else if self.keys.get(&attempt) == Some(&key) {
                self.told.push_back((attempt, event));
            }
        }
        for (to, bytes) in datagrams {
            let to = (0..self.far.len()).map(Port::Far).find(|port| peer(*port) == to);
            let Some(to) = to else { return Err("a datagram to nobody".into()) };
            self.send(Port::Ours, to, &bytes, now);
        }
        Ok(())
    }

    fn collect_far(&mut self, index: usize, now: Timestamp) -> Check {
        while let Some(transmit) = self.far[index].agent.poll_transmit() {
            if transmit.to != peer(Port::Ours) {
                return Err(format!("a far end writes to {:?}", transmit.to));
            }
            self.send(Port::Far(index), Port::Ours, &transmit.bytes, now);
        }
        Ok(())
    }

    fn send(&mut self, from: Port, to: Port, bytes: &[u8], now: Timestamp) {
        let copies = if self.rng.random_range(0..100) < self.weather.loss {
            self.record.lost(bytes);
            0
        } else {
            1 + u32::from(self.rng.random_range(0..100) < self.weather.repeat)
        };
        for _ in 0..copies {
            let delay = self.rng.random_range(0..=self.weather.delay_ms * 1_000);
            self.sent += 1;
            let at = now + SignedDuration::from_micros(delay);
            self.on_the_way.insert((at, self.sent), (to, from, bytes.to_vec()));
        }
    }

    /// The wire's count of a moment.
    pub(crate) fn time(&self, now: Timestamp) -> Time {
        let since = now.duration_since(self.origin).as_micros();
        Time(u64::try_from(since).unwrap_or(0))
    }

    fn timestamp(&self, time: Time) -> Timestamp {
        self.origin + SignedDuration::from_micros(time.0 as i64)
    }
}

fn peer(port: Port) -> Peer {
    let last = match port {
        Port::Ours => 1,
        Port::Far(index) => 10 + index as u8,
    };
    Peer { transport: Transport::Udp, addr: SocketAddr::from(([192, 0, 2, last], 5_060)) }
}
