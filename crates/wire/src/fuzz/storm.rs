//! Two user agents in a storm: calls between them in virtual time, while their messages are
//! changed, lost, doubled and sent to the wrong end, strangers send seeds, and their owners
//! do everything they may at random moments.
//!
//! What holds whatever arrives: nothing panics, each call ends exactly once and is then
//! released, one message makes a bounded number of others, and when the storm is over
//! nothing is left.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use crate::{
    fuzz::{dice::Dice, seeds::SEEDS},
    sdp::{self, Codec, Local},
    time::Time,
    ua::{Auth, CallKey, Event, Invite, Means, Peer, Transport, UaConfig, UserAgent},
};

/// Messages and events that may follow from one message, timer or act, at most. A call that
/// ends may send all that it held back.
const FOLLOWERS_MAX: usize = 200;
/// Calls that an end begins.
const CALLS_MAX: u32 = 12;
/// Steps after which a storm that does not end is a finding.
const STEPS_MAX: usize = 200_000;

/// Lets a storm blow until `datagrams` changed messages were handled; gives how many were.
/// The same bytes make the same storm.
///
/// # Panics
///
/// When one of the promises above is broken: that is what it is for.
pub fn storm(bytes: &[u8], datagrams: usize) -> usize {
    let mut storm = Storm::new(Dice::of(bytes));
    for _ in 0..STEPS_MAX {
        if storm.changed >= datagrams {
            break;
        }
        storm.step();
    }
    storm.calm_down();
    storm.changed
}

struct Storm {
    dice: Dice,
    now: Time,
    ends: [End; 2],
    /// By the time they arrive and a number that keeps the order: at which end, and what.
    on_the_way: BTreeMap<(Time, u64), (usize, Vec<u8>)>,
    sent: u64,
    /// The last message, where pieces come from.
    last: Vec<u8>,
    placed: u32,
    changed: usize,
    is_calm: bool,
}

struct End {
    agent: UserAgent,
    addr: SocketAddr,
    /// Calls that were told of and not released, and whether they ended.
    calls: BTreeMap<CallKey, bool>,
    released: BTreeSet<CallKey>,
}

impl Storm {
    fn new(mut dice: Dice) -> Self {
        let ends = [1, 2].map(|number| {
            let addr = SocketAddr::from(([192, 0, 2, number], 5060));
            let config = UaConfig {
                accept_calls: number == 2 || dice.percent(30),
                answers_from_anywhere: dice.percent(30),
                max_calls: 50,
                ring_messages: dice.below(5),
                ..UaConfig::new(addr)
            };
            End {
                agent: UserAgent::new(config, [number; 32]),
                addr,
                calls: BTreeMap::new(),
                released: BTreeSet::new(),
            }
        });
        Self {
            dice,
            now: Time::from_origin(Duration::from_secs(1)),
            ends,
            on_the_way: BTreeMap::new(),
            sent: 0,
            last: SEEDS[0].to_vec(),
            placed: 0,
            changed: 0,
            is_calm: false,
        }
    }

    /// One act of an owner or a stranger, or the next thing in time.
    fn step(&mut self) {
        match self.dice.below(100) {
            0..10 => self.place(),
            10..18 => self.act(),
            18..22 => self.send_seed(),
            22..23 => self.lose_peer(),
            _ => {
                let _ = self.pass();
            }
        }
        self.collect();
    }

    /// A call from one end to the other, sometimes with something that must not stand in a
    /// header.
    fn place(&mut self) {
        let live = self.ends.iter().map(|end| end.agent.live_calls()).sum::<usize>();
        if live >= CALLS_MAX as usize {
            return;
        }
        self.placed += 1;
        let from = self.dice.below(2);
        let (addr, to) = (self.ends[from].addr, self.ends[1 - from].addr);
        let transport = if self.dice.percent(80) { Transport::Udp } else { Transport::Tcp };
        let auth = Auth { username: "u".into(), password: "p".into(), realm: None };
        let mut invite = Invite {
            to: Peer { transport, addr: to },
            further: Vec::new(),
            route: Vec::new(),
            request_uri: format!("sip:+9198765{:05}@{}", self.placed, to.ip()),
            from_uri: format!("sip:+911140001000@{}", addr.ip()),
            from_display: self.dice.percent(20).then(|| "A \"B\" \\C".into()),
            to_uri: format!("sip:+9198765{:05}@{}", self.placed, to.ip()),
            call_id: format!("storm.{}.{}", self.placed, self.dice.roll()),
            sdp: description(addr),
            late_offer: self.dice.percent(10),
            auth: self.dice.percent(50).then_some(auth),
            headers: vec![("X-Storm".into(), "1".into())],
        };
        if self.dice.percent(5) {
            invite.headers.push(("X-Evil".into(), "a\r\nVia: b".into()));
        }
        let is_evil = invite.headers.len() > 1;
        let end = &mut self.ends[from];
        match end.agent.invite(self.now, invite) {
            Ok(key) => {
                assert!(!is_evil, "a line break stood in a header");
                assert!(end.calls.insert(key, false).is_none(), "{key:?} twice");
            }
            Err(refused) => assert!(is_evil || live > 0, "{refused}"),
        }
    }

    /// An owner does something to one of his calls, whether it makes sense or not.
    fn act(&mut self) {
        let which = self.dice.below(2);
        let end = &mut self.ends[which];
        let keys: Vec<_> = end.calls.keys().copied().collect();
        let Some(key) = self.dice.one_of(&keys).copied() else { return };
        let (agent, now, sdp) = (&mut end.agent, self.now, description(end.addr));
        match self.dice.below(9) {
            0 => agent.cancel(now, key),
            1 => agent.hang_up(now, key),
            2 => agent.ring(now, key, 180, None),
            3 => agent.ring_reliably(now, key, 183, Some(sdp)),
            4 | 5 => agent.answer(now, key, sdp),
            6 => agent.reject(now, key, 486, &[("Retry-After", "5".to_owned())]),
            7 => {
                let means = if self.dice.percent(50) { Means::Reinvite } else { Means::Update };
                let _ = agent.renegotiate(now, key, means, sdp);
            }
            _ => {
                let to = Peer { transport: Transport::Udp, addr: self.ends[1 - which].addr };
                let agent = &mut self.ends[which].agent;
                let _ = agent.follow(now, key, to, "sip:+919876599999@192.0.2.2;lr");
            }
        }
    }

    /// A stranger, or the other end, sends a seed.
    fn send_seed(&mut self) {
        let seed = self.dice.one_of(&SEEDS).copied().unwrap_or_default();
        let bytes = self.dice.mutated(seed, &self.last);
        self.changed += 1;
        let to = self.dice.below(2);
        let addr = match self.dice.percent(50) {
            true => self.ends[1 - to].addr,
            false => SocketAddr::from(([203, 0, 113, 9], 5060)),
        };
        let transport = if self.dice.percent(80) { Transport::Udp } else { Transport::Tls };
        self.ends[to].agent.handle_message(self.now, Peer { transport, addr }, &bytes);
    }

    fn lose_peer(&mut self) {
        let which = self.dice.below(2);
        let transport = if self.dice.percent(50) { Transport::Udp } else { Transport::Tcp };
        let peer = Peer { transport, addr: self.ends[1 - which].addr };
        if self.dice.percent(50) {
            self.ends[which].agent.handle_unreachable(self.now, peer);
        } else {
            self.ends[which].agent.handle_broken(self.now, peer);
        }
    }

    /// The next message or timer; whether there was one.
    fn pass(&mut self) -> bool {
        let timer = self.ends.iter_mut().filter_map(|end| end.agent.poll_timeout()).min();
        let arrival = self.on_the_way.first_key_value().map(|((at, _), _)| *at);
        match (timer, arrival) {
            (None, None) => return false,
            (Some(timer), arrival) if arrival.is_none_or(|arrival| timer < arrival) => {
                self.now = self.now.max(timer);
                for end in &mut self.ends {
                    end.agent.handle_timeout(self.now);
                }
            }
            (_, None) => unreachable!("a timer alone was handled above"),
            (_, Some(arrival)) => {
                self.now = self.now.max(arrival);
                if let Some((_, (to, bytes))) = self.on_the_way.pop_first() {
                    let peer = Peer { transport: Transport::Udp, addr: self.ends[1 - to].addr };
                    self.ends[to].agent.handle_message(self.now, peer, &bytes);
                }
            }
        }
        true
    }

    /// What both want sent and told.
    fn collect(&mut self) {
        for which in 0..2 {
            let mut followers = 0;
            while let Some(transmit) = self.ends[which].agent.poll_transmit() {
                followers += 1;
                self.send(which, &transmit.bytes);
            }
            let end = &mut self.ends[which];
            while let Some((key, event)) = end.agent.poll_event() {
                followers += 1;
                end.told(key, &event);
            }
            assert!(followers <= FOLLOWERS_MAX, "{followers} followed from one thing");
        }
    }

    /// On its way a message is changed, lost, doubled or misled.
    fn send(&mut self, from: usize, bytes: &[u8]) {
        let mut to = 1 - from;
        let mut bytes = bytes.to_vec();
        let mut copies = 1;
        if !self.is_calm {
            if self.dice.percent(50) {
                bytes = self.dice.mutated(&bytes, &self.last);
                self.changed += 1;
            }
            match self.dice.below(20) {
                0 => copies = 0,
                1 => copies = 2,
                2 => to = from,
                _ => {}
            }
            self.last.clone_from(&bytes);
        }
        for _ in 0..copies {
            let delay = Duration::from_micros(self.dice.roll() % 300_000);
            self.sent += 1;
            self.on_the_way.insert((self.now + delay, self.sent), (to, bytes.clone()));
        }
    }

    /// No more changes and no more calls: everybody hangs up, and nothing may be left.
    fn calm_down(&mut self) {
        self.is_calm = true;
        self.collect();
        for end in &mut self.ends {
            for key in end.calls.keys().copied().collect::<Vec<_>>() {
                end.agent.reject(self.now, key, 480, &[]);
                end.agent.hang_up(self.now, key);
            }
        }
        for step in 0.. {
            self.collect();
            // A call that comes from a message still on its way finds nobody.
            for end in &mut self.ends {
                for (key, _) in end.calls.iter().filter(|(_, ended)| !**ended) {
                    end.agent.reject(self.now, *key, 480, &[]);
                }
            }
            self.collect();
            if !self.pass() {
                break;
            }
            assert!(step < STEPS_MAX, "the storm does not end");
        }
        for end in &self.ends {
            assert!(end.calls.is_empty(), "calls that were never released: {:?}", end.calls);
            assert_eq!((end.agent.live_calls(), end.agent.kept_calls()), (0, 0));
        }
    }
}

impl End {
    fn told(&mut self, key: CallKey, event: &Event) {
        assert!(!self.released.contains(&key), "{key:?} was released and told {event:?}");
        if let Event::Incoming(_) = event {
            assert!(self.calls.insert(key, false).is_none(), "{key:?} came twice");
            return;
        }
        let Some(has_ended) = self.calls.get_mut(&key) else {
            panic!("{key:?} is nobody's, and was told {event:?}");
        };
        match event {
            Event::Ended(_) => {
                assert!(!*has_ended, "{key:?} ended twice");
                *has_ended = true;
            }
            Event::Released => {
                assert!(*has_ended, "{key:?} was released and never ended");
                self.calls.remove(&key);
                self.released.insert(key);
            }
            _ => assert!(!*has_ended, "{key:?} had ended and was told {event:?}"),
        }
    }
}

fn description(addr: SocketAddr) -> Vec<u8> {
    let addr = SocketAddr::new(addr.ip(), 20_000);
    sdp::offer(&Local { addr, codecs: vec![Codec::Pcma, Codec::Pcmu], session: 1, version: 1 })
}
