//! The exchange: decides for every phone; holds no socket and no clock.
//!
//! The thread in `carrier` feeds it datagrams and the time and sends what it asks to send.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    io,
    net::SocketAddr,
    time::Duration,
};

use campanile_wire::{
    digest,
    message::{Message, Name, Uri},
    rtp::{Packet, Sender},
    sdp::{self, Codec, Local},
    time::Time,
    ua::{CallKey, EndCause, Ended, Event, IncomingInvite, Peer, Transmit, UaConfig, UserAgent},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    carrier::CarrierConfig,
    mix::{Course, Fate},
    phone::{Deed, Phone, Voices},
    record::{Line, Recorder, Side, Summary, now as wall_now},
};

/// The callee's network is asked before a call is refused, at any time scale: a refusal
/// sooner than 300 ms is how a carrier sheds load.
const REFUSAL_MIN: Duration = Duration::from_millis(400);
/// 20 ms of audio.
const FRAME: Duration = Duration::from_millis(20);
/// A person who leaves hanging up to a bot that never does.
const PATIENCE: Duration = Duration::from_secs(600);
/// How old a line may be before it is on the disk.
const FLUSH: Duration = Duration::from_millis(200);
/// Calls up at once; the next are answered 503.
const CALLS_MAX: usize = 20_000;

/// Callers behind a relay whose addresses are kept.
const CALLERS_MAX: usize = 10_000;

/// A phone's deed to be done.
type Entry = Reverse<(Time, CallKey, Deed)>;

/// All phones and the user agent that speaks for them.
pub(crate) struct Exchange {
    config: CarrierConfig,
    media: SocketAddr,
    agent: UserAgent,
    phones: HashMap<CallKey, Phone>,
    /// Whose audio comes from where.
    speakers: HashMap<SocketAddr, CallKey>,
    /// Calls whose phone fell off the network: nothing of them comes or goes any more.
    vanished: HashMap<CallKey, String>,
    /// Where callers are reached who say that they are somewhere else, by what they say; kept
    /// for a carrier behind a relay only.
    ways_back: Option<HashMap<SocketAddr, Peer>>,
    /// INVITEs that were challenged and did not come again yet.
    challenged: HashMap<CallKey, Line>,
    nonce: String,
    agenda: BinaryHeap<Entry>,
    recorder: Recorder,
    flush_at: Option<Time>,
    voices: Voices,
    rng: StdRng,
    packet: Vec<u8>,
}

impl Exchange {
    pub(crate) fn new(
        config: CarrierConfig,
        sip: SocketAddr,
        media: SocketAddr,
        secret: [u8; 32],
    ) -> io::Result<Self> {
        let recorder = Recorder::open(config.record.as_deref())?;
        let ua = UaConfig {
            user_agent: "Campanile simulated carrier".to_owned(),
            max_calls: CALLS_MAX,
            ring_messages: 0,
            accept_calls: true,
            ..UaConfig::new(sip)
        };
        let mut rng = StdRng::from_seed(secret);
        Ok(Self {
            config,
            media,
            agent: UserAgent::new(ua, secret),
            phones: HashMap::new(),
            speakers: HashMap::new(),
            vanished: HashMap::new(),
            ways_back: None,
            challenged: HashMap::new(),
            nonce: format!("{:032x}", rng.random::<u128>()),
            agenda: BinaryHeap::new(),
            recorder,
            flush_at: None,
            voices: Voices::new(),
            rng,
            packet: Vec::new(),
        })
    }

    /// Requests go where the INVITE came from from now on, not where its Contact says.
    pub(crate) fn answer_the_way_back(&mut self) {
        self.ways_back = Some(HashMap::new());
    }

    /// A SIP message came.
    pub(crate) fn signal(&mut self, now: Time, from: Peer, bytes: &[u8]) {
        if self.is_of_vanished(bytes) {
            return;
        }
        if let Some(ways_back) = &mut self.ways_back
            && let Some(said) = contact_of(bytes, from)
        {
            if ways_back.len() >= CALLERS_MAX {
                ways_back.clear();
            }
            ways_back.insert(said, from);
        }
        self.agent.handle_message(now, from, bytes);
        self.take_events(now);
    }

    /// A datagram on the media socket.
    pub(crate) fn audio(&mut self, now: Time, from: SocketAddr, bytes: &[u8]) {
        let Some(key) = self.speakers.get(&from).copied() else { return };
        let Some(phone) = self.phones.get_mut(&key) else { return };
        if Packet::parse(bytes).is_err() || !phone.hears() {
            return;
        }
        if let Some((_, after)) = phone.course.key {
            let at = now + self.scaled(after);
            self.plan(key, Deed::Press, at);
        }
    }

    /// The time that `wake_at` asked for has come.
    pub(crate) fn wake(&mut self, now: Time, mut send: impl FnMut(SocketAddr, &[u8])) {
        self.agent.handle_timeout(now);
        self.take_events(now);
        while let Some(Reverse((at, key, deed))) = self.agenda.peek().copied()
            && at <= now
        {
            self.agenda.pop();
            self.carry_out(now, at, key, deed, &mut send);
            self.take_events(now);
        }
        if self.recorder.is_unflushed() {
            if self.flush_at.is_some_and(|at| at <= now) {
                self.recorder.flush();
                self.flush_at = None;
            } else {
                self.flush_at.get_or_insert(now + FLUSH);
            }
        }
    }

    pub(crate) fn wake_at(&mut self) -> Option<Time> {
        let deed = self.agenda.peek().map(|Reverse((at, ..))| *at);
        [self.agent.poll_timeout(), deed, self.flush_at].into_iter().flatten().min()
    }

    /// The next SIP message to be sent.
    pub(crate) fn transmit(&mut self) -> Option<Transmit> {
        loop {
            let mut transmit = self.agent.poll_transmit()?;
            if !self.is_of_vanished(&transmit.bytes) {
                let ways_back = self.ways_back.as_ref();
                if let Some(way) = ways_back.and_then(|ways| ways.get(&transmit.to.addr)) {
                    transmit.to = *way;
                }
                return Some(transmit);
            }
        }
    }

    pub(crate) fn summary(&self) -> Summary {
        self.recorder.summary()
    }

    /// Writes down the calls that are still up.
    pub(crate) fn close(&mut self) -> Summary {
        let mut open: Vec<_> = self.phones.drain().collect();
        open.sort_by_key(|(key, _)| *key);
        for (key, mut phone) in open {
            phone.line.retransmissions = self.agent.invite_repeats(key);
            self.recorder.write(&phone.line);
        }
        let challenged: Vec<_> = self.challenged.drain().collect();
        for (_, line) in challenged {
            self.recorder.came(&line.callee);
            self.recorder.write(&line);
        }
        self.recorder.flush();
        self.recorder.summary()
    }

    fn take_events(&mut self, now: Time) {
        while let Some((key, event)) = self.agent.poll_event() {
            match event {
                Event::Incoming(invite) => self.incoming(now, key, &invite),
                Event::Acked { .. } => {
                    self.note(key, |phone| phone.line.acked_at = Some(wall_now()))
                }
                Event::Cancelled => {
                    self.note(key, |phone| phone.line.cancelled_at = Some(wall_now()));
                }
                Event::Ended(ended) => self.ended(key, &ended),
                Event::Released => self.released(key),
                Event::Renegotiated { sdp } => {
                    if let Ok(remote) = sdp::parse(&sdp, &CODECS) {
                        self.speakers.insert(remote.addr, key);
                        self.note(key, |phone| phone.remote = Some(remote));
                    }
                }
                // Of the calling side, which we never are.
                Event::Provisional { .. } | Event::Answered { .. } | Event::Redirected { .. } => {}
                // We describe nothing anew.
                Event::Reanswered { .. } => {}
            }
        }
    }

    fn incoming(&mut self, now: Time, key: CallKey, invite: &IncomingInvite) {
        let IncomingInvite { caller, callee, call_id, .. } = invite;
        if let Some((username, password)) = self.config.auth.clone() {
            let proved = invite
                .authorization
                .as_ref()
                .map(|proof| digest::verify(proof, "INVITE", &self.nonce, &username, &password));
            if proved != Some(true) {
                let mut line = Line::new(call_id, caller, callee, Fate::Challenged);
                let code = if proved.is_none() { 407 } else { 403 };
                line.code = Some(code);
                let ask = format!(
                    "Digest realm=\"simulated\", nonce=\"{}\", algorithm=MD5, qop=\"auth\"",
                    self.nonce
                );
                let headers: &[_] = if code == 407 { &[("Proxy-Authenticate", ask)] } else { &[] };
                self.agent.reject(now, key, code, headers);
                self.challenged.retain(|_, known| known.call_id != *call_id);
                self.challenged.insert(key, line);
                return;
            }
            self.challenged.retain(|_, known| known.call_id != *call_id);
        }
        let nth = self.recorder.came(callee);
        let course = self.config.mix.course(self.config.seed, callee, nth);
        let line = Line::new(call_id, caller, callee, course.fate);
        let remote = invite.sdp.as_ref().and_then(|offer| sdp::parse(offer, &CODECS).ok());
        let sender = Sender::new(self.rng.random(), self.rng.random(), self.rng.random());
        self.phones.insert(key, Phone::new(line, course, remote, sender));
        let Course { fate, reached_after, decided_after, .. } = course;
        let rings = matches!(
            fate,
            Fate::Answer
                | Fate::RingOut
                | Fate::Rejected
                | Fate::Voicemail
                | Fate::Silent
                | Fate::Vanish
        );
        if rings {
            self.plan(key, Deed::Ring, now + self.scaled(reached_after));
        }
        let refused = matches!(fate, Fate::Busy | Fate::NotFound | Fate::Unavailable);
        let soonest = if refused { REFUSAL_MIN } else { Duration::ZERO };
        self.plan(key, Deed::Decide, now + self.scaled(decided_after).max(soonest));
    }

    fn carry_out(
        &mut self,
        now: Time,
        planned: Time,
        key: CallKey,
        deed: Deed,
        send: &mut impl FnMut(SocketAddr, &[u8]),
    ) {
        // Deeds of calls that are over are left in the agenda and fall through here.
        let Some(phone) = self.phones.get_mut(&key) else { return };
        match deed {
            Deed::Ring => {
                phone.rings();
                self.agent.ring(now, key, 180, None);
            }
            Deed::Decide => self.decide(now, key),
            Deed::Press => phone.press(),
            Deed::Speak => {
                let late = (now - planned).as_millis() / FRAME.as_millis();
                let late = u32::try_from(late).unwrap_or(u32::MAX);
                let mut packet = std::mem::take(&mut self.packet);
                if let Some(to) = phone.speak(&self.voices, late, &mut packet) {
                    phone.line.rtp_out += 1;
                    send(to, &packet);
                }
                self.packet = packet;
                self.plan(key, Deed::Speak, planned + FRAME * (late + 1));
            }
            Deed::Leave if phone.course.fate == Fate::Vanish => {
                self.vanished.insert(key, phone.line.call_id.clone());
                phone.line.ended_at = Some(wall_now());
                // What the user agent does about it from here on reaches nobody.
                self.agent.hang_up(now, key);
                self.finish(key);
            }
            Deed::Leave => {
                phone.bye(Side::Callee);
                self.agent.hang_up(now, key);
            }
        }
    }

    /// The phone's final answer.
    fn decide(&mut self, now: Time, key: CallKey) {
        let Some(phone) = self.phones.get_mut(&key) else { return };
        let retry_after = self.config.mix.retry_after_seconds.to_string();
        let (code, headers): (u16, &[(&str, String)]) = match phone.course.fate {
            Fate::RingOut | Fate::Unavailable => (480, &[]),
            Fate::Busy => (486, &[]),
            Fate::Rejected => (603, &[]),
            Fate::NotFound => (404, &[]),
            Fate::Congestion => (503, &[("Retry-After", retry_after)]),
            Fate::Challenged => (403, &[]),
            Fate::Answer | Fate::Voicemail | Fate::Silent | Fate::Vanish => {
                return self.pick_up(now, key);
            }
        };
        phone.line.code = Some(code);
        self.agent.reject(now, key, code, headers);
    }

    fn pick_up(&mut self, now: Time, key: CallKey) {
        let Some(phone) = self.phones.get_mut(&key) else { return };
        let Some(remote) = phone.remote else {
            // No offer that we understand (RFC 3261 13.3.1.3).
            phone.line.code = Some(488);
            return self.agent.reject(now, key, 488, &[]);
        };
        phone.answers();
        phone.line.code = Some(200);
        self.recorder.answered();
        let speaks = phone.speaks();
        let leaves_after = phone.course.hangs_up_after;
        self.speakers.insert(remote.addr, key);
        let local = Local {
            addr: self.media,
            codecs: vec![remote.codec],
            session: u64::from(self.rng.random::<u32>()),
            version: 1,
        };
        self.agent.answer(now, key, sdp::offer(&local));
        let leaves_after = leaves_after.map_or(PATIENCE, |after| self.scaled(after));
        self.plan(key, Deed::Leave, now + leaves_after);
        if speaks {
            // Phones do not all breathe at the same moment.
            let offset = Duration::from_millis(self.rng.random_range(0..20));
            self.plan(key, Deed::Speak, now + offset);
        }
    }

    fn ended(&mut self, key: CallKey, ended: &Ended) {
        if let Some(line) = self.challenged.get_mut(&key) {
            line.ended_at = Some(wall_now());
            return;
        }
        let Some(phone) = self.phones.get_mut(&key) else { return };
        phone.line.code = ended.code;
        phone.line.ended_at = Some(wall_now());
        if ended.cause == EndCause::ByeReceived {
            phone.bye(Side::Caller);
        }
        self.finish(key);
    }

    /// Writes the line of a call and forgets its phone.
    fn finish(&mut self, key: CallKey) {
        let Some(mut phone) = self.phones.remove(&key) else { return };
        phone.line.retransmissions = self.agent.invite_repeats(key);
        if let Some(remote) = phone.remote
            && self.speakers.get(&remote.addr) == Some(&key)
        {
            self.speakers.remove(&remote.addr);
        }
        self.recorder.write(&phone.line);
    }

    fn released(&mut self, key: CallKey) {
        self.vanished.remove(&key);
        if let Some(line) = self.challenged.remove(&key) {
            self.recorder.came(&line.callee);
            self.recorder.write(&line);
        }
    }

    fn note(&mut self, key: CallKey, note: impl FnOnce(&mut Phone)) {
        if let Some(phone) = self.phones.get_mut(&key) {
            note(phone);
        }
    }

    fn plan(&mut self, key: CallKey, deed: Deed, at: Time) {
        self.agenda.push(Reverse((at, key, deed)));
    }

    fn scaled(&self, seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds * self.config.time_scale)
    }

    fn is_of_vanished(&self, bytes: &[u8]) -> bool {
        if self.vanished.is_empty() {
            return false;
        }
        let Ok(message) = Message::scan(bytes) else { return false };
        let call_id = message.get(Name::CallId).unwrap_or_default();
        self.vanished.values().any(|vanished| vanished.as_bytes() == call_id)
    }
}

const CODECS: [Codec; 2] = [Codec::Pcma, Codec::Pcmu];

/// Where a caller says that it is reached.
fn contact_of(bytes: &[u8], from: Peer) -> Option<SocketAddr> {
    Uri::parse(Message::scan(bytes).ok()?.contact()?)?.socket_addr(from.transport)
}
