//! A network in virtual time between two user agents: it loses, delays and reorders from a seed.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    net::SocketAddr,
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    sdp::{self, Codec, Local},
    time::Time,
    ua::{CallKey, EndCause, Event, Invite, Peer, UaConfig, UserAgent},
};

/// Which end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    Caller,
    Callee,
}

impl End {
    pub(super) fn addr(self) -> SocketAddr {
        match self {
            Self::Caller => "192.0.2.1:5060".parse().unwrap(),
            Self::Callee => "192.0.2.2:5060".parse().unwrap(),
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }
}

/// What the network does to datagrams.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weather {
    /// The chance that a datagram is lost.
    pub(super) loss: f64,
    /// The chance that it comes twice.
    pub(super) doubled: f64,
    /// Milliseconds on the way, from and to; a wide range reorders.
    pub(super) delay_ms: (u64, u64),
}

impl Weather {
    pub(super) const FAIR: Self = Self { loss: 0.0, doubled: 0.0, delay_ms: (10, 10) };
}

/// The callee's owner: what to do with a call, by its callee's number.
pub(super) type Owner = fn(&mut UserAgent, Time, CallKey, &Event);

/// When it arrives, a number that keeps the order, where to, and what.
type Datagram = (Time, u64, End, Vec<u8>);

/// Two user agents and what is on the way between them.
pub(super) struct Net {
    pub(super) now: Time,
    pub(super) caller: UserAgent,
    pub(super) callee: UserAgent,
    pub(super) weather: Weather,
    owner: Owner,
    rng: StdRng,
    sent: u64,
    on_the_way: BinaryHeap<Reverse<Datagram>>,
    /// First lines as they were sent, from the start of the test.
    pub(super) log: Vec<(Time, End, String)>,
    /// Everything that both told, in order.
    pub(super) events: Vec<(Time, End, CallKey, Event)>,
    /// The script of the callee: what to do at which time.
    plans: BTreeMap<(Time, u64), Plan>,
}

/// Something to be done to a user agent later.
pub(super) type Plan = Box<dyn FnOnce(&mut Net)>;

pub(super) fn description(end: End) -> Vec<u8> {
    let addr = SocketAddr::new(end.addr().ip(), 20_000);
    sdp::offer(&Local { addr, codecs: vec![Codec::Pcma, Codec::Pcmu], session: 1, version: 1 })
}

pub(super) fn invite(number: u32) -> Invite {
    Invite {
        to: Peer::udp(End::Callee.addr()),
        further: Vec::new(),
        route: Vec::new(),
        request_uri: format!("sip:+91{number:010}@192.0.2.2"),
        from_uri: "sip:+911140001000@192.0.2.1".to_owned(),
        from_display: None,
        to_uri: format!("sip:+91{number:010}@192.0.2.2"),
        call_id: format!("att_{number}.1@test"),
        sdp: description(End::Caller),
        late_offer: false,
        auth: None,
        headers: Vec::new(),
    }
}

impl Net {
    pub(super) fn new(seed: u64, weather: Weather, owner: Owner) -> Self {
        let config = UaConfig::new(End::Caller.addr());
        let callee = UaConfig { accept_calls: true, ..UaConfig::new(End::Callee.addr()) };
        Self {
            now: Time(1_000_000),
            caller: UserAgent::new(config, [1; 32]),
            callee: UserAgent::new(callee, [2; 32]),
            weather,
            owner,
            rng: StdRng::seed_from_u64(seed),
            sent: 0,
            on_the_way: BinaryHeap::new(),
            log: Vec::new(),
            events: Vec::new(),
            plans: BTreeMap::new(),
        }
    }

    /// Does `plan` after `delay`.
    pub(super) fn later(&mut self, delay: Duration, plan: impl FnOnce(&mut Net) + 'static) {
        self.sent += 1;
        self.plans.insert((self.now + delay, self.sent), Box::new(plan));
    }

    pub(super) fn random(&mut self, below: u64) -> u64 {
        self.rng.random_range(0..below)
    }

    /// Lets time pass until nothing is left to happen or `limit` is over.
    pub(super) fn run(&mut self, limit: Duration) {
        let end = self.now + limit;
        // A simulation that cannot end is a finding of its own.
        for _ in 0..10_000_000 {
            self.collect();
            let next = [
                self.caller.poll_timeout(),
                self.callee.poll_timeout(),
                self.on_the_way.peek().map(|Reverse((at, ..))| *at),
                self.plans.first_key_value().map(|((at, _), _)| *at),
            ];
            let Some(next) = next.into_iter().flatten().min().filter(|next| *next <= end) else {
                self.now = end;
                return;
            };
            assert!(next >= self.now, "time runs backwards");
            self.now = next;
            if self.plans.first_key_value().is_some_and(|((at, _), _)| *at <= next) {
                let (_, plan) = self.plans.pop_first().unwrap();
                plan(self);
            } else if self.on_the_way.peek().is_some_and(|Reverse((at, ..))| *at <= next) {
                let Reverse((_, _, to, bytes)) = self.on_the_way.pop().unwrap();
                let agent = match to {
                    End::Caller => &mut self.caller,
                    End::Callee => &mut self.callee,
                };
                agent.handle_message(next, Peer::udp(to.other().addr()), &bytes);
            } else {
                self.caller.handle_timeout(next);
                self.callee.handle_timeout(next);
            }
        }
        panic!("the simulation did not come to its end");
    }

    /// The first lines sent, one a line, with who sent them and when (in ms since the start).
    pub(super) fn ladder(&self) -> String {
        self.log
            .iter()
            .map(|(at, from, line)| {
                let arrow = if *from == End::Caller { "→" } else { "←" };
                format!("{:>6} {arrow} {line}\n", (*at - Time(1_000_000)).as_millis())
            })
            .collect()
    }

    pub(super) fn ends(&self, end: End) -> Vec<EndCause> {
        self.events
            .iter()
            .filter_map(|(_, who, _, event)| match event {
                Event::Ended(ended) if *who == end => Some(ended.cause),
                _ => None,
            })
            .collect()
    }

    /// Takes what both want sent and told.
    fn collect(&mut self) {
        loop {
            let mut idle = true;
            for end in [End::Caller, End::Callee] {
                let agent = match end {
                    End::Caller => &mut self.caller,
                    End::Callee => &mut self.callee,
                };
                if let Some(transmit) = agent.poll_transmit() {
                    idle = false;
                    assert_eq!(transmit.to, Peer::udp(end.other().addr()), "sent to a stranger");
                    let text = String::from_utf8_lossy(&transmit.bytes);
                    self.log.push((self.now, end, text.lines().next().unwrap().to_owned()));
                    self.put_on_the_way(end.other(), &transmit.bytes);
                    continue;
                }
                if let Some((key, event)) = agent.poll_event() {
                    idle = false;
                    if end == End::Callee {
                        (self.owner)(agent, self.now, key, &event);
                    }
                    self.events.push((self.now, end, key, event));
                }
            }
            if idle {
                return;
            }
        }
    }

    fn put_on_the_way(&mut self, to: End, bytes: &[u8]) {
        let Weather { loss, doubled, delay_ms: (from, until) } = self.weather;
        let copies = if self.rng.random_bool(doubled) { 2 } else { 1 };
        for _ in 0..copies {
            if self.rng.random_bool(loss) {
                continue;
            }
            let delay = Duration::from_millis(self.rng.random_range(from..=until));
            self.sent += 1;
            self.on_the_way.push(Reverse((self.now + delay, self.sent, to, bytes.to_vec())));
        }
    }
}
