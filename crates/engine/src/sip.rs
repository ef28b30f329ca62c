//! The SIP shard: a thread with one UDP socket that owns every call on it.
//!
//! Datagrams and timers go to the user agent of `wire`, what that says goes to the
//! [`Call`] concerned, and what the call wants is done: on the socket, in the media
//! thread, towards the runner. Nothing here waits for anybody.

mod calls;
mod ladder;
mod probe;

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc as std_mpsc,
    },
    time::Duration,
};

use campanile_domain::{ids::AttemptId, outcome::Ending, scheduler::CallEvent, settings::Settings};
use campanile_wire::{
    sdp::{self, Codec},
    time::Time,
    ua::{self, CallKey, Invite, Peer, UserAgent},
};
use mio::{Events, Interest, Poll, Token, net::UdpSocket};
use tokio::sync::{mpsc, oneshot};

use crate::{
    bot::{Script, ScriptBot},
    call::{Action, Call, Input},
    clock::{Clock, Now},
    doorbell::Doorbell,
    line::{LineEvent, unplaced},
    media::{self, Media, Place, Stream},
    ports::PortPool,
    prompts,
    route::Suspects,
};
use calls::{Calls, Entry};
pub use ladder::LadderMessage;
use ladder::Recent;
use probe::Probes;

/// Ended attempts whose SIP ladder is kept.
const RECENT_LADDERS: usize = 500;
/// Datagrams read before commands and timers get their turn.
const BATCH: usize = 256;
/// The largest datagram there is: a cut SIP message would be a broken one.
const DATAGRAM_BYTES: usize = 65_535;
/// Datagrams that wait for a full socket; beyond, the oldest is left to be
/// retransmitted.
const UNSENT_MAX: usize = 4_096;
/// When those are tried again.
const UNSENT_RETRY: Duration = Duration::from_millis(2);
/// How long the thread stays after `Stop` so that BYE and CANCEL get their answers.
const FAREWELL: Duration = Duration::from_millis(800);

const SOCKET: Token = Token(0);
const WAKER: Token = Token(1);
const PROBES: Token = Token(2);

/// What the runner's side asks.
pub(crate) enum Command {
    Dial(Box<Dial>),
    Connect(AttemptId),
    Abandon(AttemptId),
    HangUp(AttemptId),
    Ladder(AttemptId, oneshot::Sender<Vec<LadderMessage>>),
    /// End every call, give its report, end the thread.
    Stop,
}

/// A call to be placed, with everything looked up.
pub(crate) struct Dial {
    pub(crate) attempt: AttemptId,
    pub(crate) settings: Arc<Settings>,
    pub(crate) script: Arc<Script>,
    /// Where the far end reaches us: SIP there, audio on a port of the same address.
    pub(crate) contact: SocketAddr,
    pub(crate) codecs: Vec<Codec>,
    /// Lacks the SDP, which names the port.
    pub(crate) invite: Invite,
}

/// Gauges for `/metrics`.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    pub(crate) calls: AtomicU32,
    pub(crate) ports_used: AtomicU32,
    pub(crate) ports: AtomicU32,
}

/// What the shard is made from.
pub(crate) struct Parts {
    pub(crate) clock: Clock,
    pub(crate) socket: UdpSocket,
    pub(crate) agent: UserAgent,
    pub(crate) ports: PortPool,
    pub(crate) poll: Poll,
    /// Of this thread; held here too so that a wake-up outlives the one who sent it and left.
    pub(crate) bell: Arc<Doorbell>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) events: mpsc::Sender<LineEvent>,
    /// Calls are spread over them by their place.
    pub(crate) media: Vec<Media>,
    pub(crate) media_events: std_mpsc::Receiver<media::Event>,
    pub(crate) max_calls: u32,
    pub(crate) gauges: Arc<Gauges>,
    /// Told of addresses that fail.
    pub(crate) suspects: Suspects,
}

/// The state of the thread.
pub(crate) struct Shard {
    parts: Parts,
    calls: Calls,
    /// When to look at which call; entries of calls that moved on are stale.
    deadlines: BinaryHeap<Reverse<(Time, Place, AttemptId)>>,
    unsent: VecDeque<ua::Transmit>,
    recent: Recent,
    probes: Probes,
    message: Arc<Script>,
    buffer: Box<[u8]>,
    /// The socket had more to read than one batch.
    unfinished: bool,
}

impl Shard {
    /// A poll and the bell of it, made before the thread, so that failures show at
    /// start-up.
    pub(crate) fn poll() -> io::Result<(Poll, Arc<Doorbell>)> {
        let poll = Poll::new()?;
        let bell = Arc::new(Doorbell::new(poll.registry(), WAKER)?);
        Ok((poll, bell))
    }

    pub(crate) fn new(mut parts: Parts) -> io::Result<Self> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        parts.poll.registry().register(&mut parts.socket, SOCKET, interest)?;
        let abandoned = prompts::prompt(prompts::ABANDONED)
            .ok_or_else(|| io::Error::other("the message for abandoned callees is missing"))?;
        parts.gauges.ports.store(parts.ports.total() as u32, Ordering::Relaxed);
        Ok(Self {
            calls: Calls::default(),
            deadlines: BinaryHeap::new(),
            unsent: VecDeque::new(),
            recent: Recent::new(RECENT_LADDERS),
            probes: Probes::new(),
            message: Arc::new(Script::message(abandoned)),
            buffer: vec![0; DATAGRAM_BYTES].into_boxed_slice(),
            unfinished: false,
            parts,
        })
    }

    /// Runs until [`Command::Stop`], or until nobody can send commands any more.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(64);
        let mut stop_at: Option<Time> = None;
        loop {
            self.wait(&mut events, stop_at)?;
            self.parts.bell.answer();
            let mut now = self.parts.clock.now();
            let socket = events.iter().find(|event| event.token() == SOCKET);
            if self.unfinished || socket.is_some_and(|event| event.is_readable()) {
                self.read(now);
            }
            if events.iter().any(|event| event.token() == PROBES) {
                self.hear_probes(now);
            }
            now = self.parts.clock.now();
            loop {
                match self.parts.commands.try_recv() {
                    Ok(Command::Stop) | Err(mpsc::error::TryRecvError::Disconnected) => {
                        if stop_at.is_none() {
                            self.cut_all(now);
                            stop_at = Some(now.at + FAREWELL);
                        }
                        break;
                    }
                    Ok(command) => self.obey(command, now),
                    Err(mpsc::error::TryRecvError::Empty) => break,
                }
            }
            while let Ok(event) = self.parts.media_events.try_recv() {
                let (place, input) = match event {
                    media::Event::Verdict(place, verdict) => (place, Input::Verdict(verdict)),
                    media::Event::Closed(place, figures) => (place, Input::Closed(figures)),
                };
                self.tell_call(place, input, now);
            }
            self.turn_timers(now);
            self.flush();
            self.publish();
            if let Some(stop_at) = stop_at {
                let quiet = self.calls.is_empty() && self.parts.agent.poll_timeout().is_none();
                // Calls that are still there have lost their media thread; dropping them
                // reports them.
                if quiet || now.at >= stop_at {
                    return Ok(());
                }
            }
        }
    }

    fn wait(&mut self, events: &mut Events, stop_at: Option<Time>) -> io::Result<()> {
        let now = self.parts.clock.now().at;
        let deadline = self.deadlines.peek().map(|Reverse((at, ..))| *at);
        let next = [self.parts.agent.poll_timeout(), deadline, self.probes.next(), stop_at];
        let timeout = match next.into_iter().flatten().min() {
            _ if self.unfinished => Some(Duration::ZERO),
            // The socket is not watched for room, which comes within moments.
            _ if !self.unsent.is_empty() => Some(UNSENT_RETRY),
            at => at.map(|at| at - now),
        };
        match self.parts.poll.poll(events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            other => other,
        }
    }

    fn read(&mut self, now: Now) {
        self.unfinished = false;
        for _ in 0..BATCH {
            match self.parts.socket.recv_from(&mut self.buffer) {
                Ok((bytes, from)) => {
                    self.probes.heard(from);
                    let from = Peer::udp(from);
                    self.parts.agent.handle_message(now.at, from, &self.buffer[..bytes]);
                    self.drain(now);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // An ICMP error of an earlier datagram: says nothing of the next one.
                Err(_) => {}
            }
        }
        self.unfinished = true;
    }

    fn obey(&mut self, command: Command, now: Now) {
        let (attempt, input) = match command {
            Command::Dial(dial) => return self.dial(*dial, now),
            Command::Connect(attempt) => (attempt, Input::Connect),
            Command::Abandon(attempt) => (attempt, Input::Abandon),
            Command::HangUp(attempt) => (attempt, Input::HangUp),
            Command::Ladder(attempt, answer) => {
                // Whoever asked may have gone away meanwhile.
                let _ = answer.send(self.ladder(attempt, now));
                return;
            }
            Command::Stop => return,
        };
        if let Some(place) = self.calls.place_of(attempt) {
            self.tell_call(place, input, now);
        }
    }

    fn dial(&mut self, dial: Dial, now: Now) {
        let (attempt, to) = (dial.attempt, dial.invite.to.addr);
        match self.invite(dial, now) {
            Ok(()) => {
                self.probes.called(to, now.at);
                self.drain(now);
            }
            Err(why) => {
                tracing::warn!(attempt.id = %attempt, "A call was not placed: {why}");
                let report = unplaced(attempt, Ending::NoReply, &why, now.wall);
                self.report(attempt, CallEvent::Ended(Box::new(report)));
            }
        }
    }

    fn invite(&mut self, dial: Dial, now: Now) -> Result<(), String> {
        let Dial { attempt, settings, script, contact, codecs, mut invite, .. } = dial;
        if self.calls.len() >= self.parts.max_calls as usize {
            return Err("every line of this machine is in use".into());
        }
        let opened = self.parts.ports.open(now.at);
        let (port, socket) = opened.map_err(|error| format!("no port for its audio: {error}"))?;
        invite.sdp = sdp::offer(&sdp::Local {
            addr: SocketAddr::new(contact.ip(), port),
            codecs: codecs.clone(),
            session: attempt.0.unsigned_abs(),
            version: 1,
        });
        let to = invite.to.addr;
        let key = match self.parts.agent.invite_from(now.at, contact, invite) {
            Ok(key) => key,
            Err(refused) => {
                self.parts.ports.give_back(port, now.at);
                return Err(refused.to_string());
            }
        };
        let events = self.parts.events.clone();
        let call = Call::new(attempt, settings, codecs, events, now.at);
        let listed = call.deadline();
        let place = self.calls.insert(attempt, Entry { call, key, to, port, script, listed });
        if let Some(deadline) = listed {
            self.deadlines.push(Reverse((deadline, place, attempt)));
        }
        let stream = Stream::new(rand::random(), rand::random(), rand::random());
        self.media(place).send(media::Command::Open(place, socket, Box::new(stream)));
        Ok(())
    }

    /// Takes from the user agent what it tells and what it wants sent.
    fn drain(&mut self, now: Now) {
        loop {
            if let Some((key, event)) = self.parts.agent.poll_event() {
                self.on_agent(key, event, now);
            } else if let Some(transmit) = self.parts.agent.poll_transmit() {
                self.send(transmit, now);
            } else {
                return;
            }
        }
    }

    fn on_agent(&mut self, key: CallKey, event: ua::Event, now: Now) {
        let input = match event {
            ua::Event::Provisional { code, sdp } => Input::Provisional { code, sdp },
            ua::Event::Answered { sdp } => Input::Answered { sdp },
            ua::Event::Renegotiated { sdp } => Input::Renegotiated { sdp },
            // Nobody here can say whether the new number may be called: the 3xx is a refusal.
            ua::Event::Redirected { .. } => return self.parts.agent.hang_up(now.at, key),
            ua::Event::Ended(ended) => return self.sip_ended(key, ended, now),
            // We describe nothing anew but to keep a session alive.
            ua::Event::Reanswered { .. } => return,
            // The called side; we take no calls.
            ua::Event::Incoming(_) | ua::Event::Acked { .. } | ua::Event::Cancelled => return,
            ua::Event::Released => return,
        };
        if let Some(place) = self.calls.place_of_key(key) {
            self.tell_call(place, input, now);
        }
    }

    fn sip_ended(&mut self, key: CallKey, ended: ua::Ended, now: Now) {
        let Some(trace) = self.calls.forget_key(key) else { return };
        if ended.cause == ua::EndCause::NoReply {
            self.parts.suspects.accuse(trace.to);
        }
        let messages = self.parts.agent.take_ladder(key);
        self.recent.keep(trace.attempt, ladder::in_wall_time(messages, now));
        if let Some(place) = trace.place {
            self.tell_call(place, Input::SipEnded(ended), now);
        }
    }

    fn tell_call(&mut self, place: Place, input: Input, now: Now) {
        let Some(entry) = self.calls.get_mut(place) else { return };
        entry.call.handle(input, now);
        self.carry_out(place, now);
    }

    /// Does what a call wants, until it wants nothing more.
    fn carry_out(&mut self, place: Place, now: Now) {
        while let Some(entry) = self.calls.get_mut(place) {
            let Some(action) = entry.call.poll_action() else { break };
            let (key, attempt) = (entry.key, entry.call.attempt());
            match action {
                Action::HangUp => self.parts.agent.hang_up(now.at, key),
                Action::Describe(remote) => {
                    self.media(place).send(media::Command::Described(place, remote));
                }
                Action::AttachBot { answered_at } => {
                    let script = entry.script.clone();
                    self.attach(place, script, answered_at);
                }
                Action::AttachMessage { answered_at } => {
                    let script = self.message.clone();
                    self.attach(place, script, answered_at);
                }
                Action::CloseMedia => self.media(place).send(media::Command::Close(place)),
                Action::Tell(event) => self.report(attempt, event),
            }
        }
        let Some(entry) = self.calls.get_mut(place) else { return };
        if entry.call.is_over() {
            if let Some(entry) = self.calls.remove(place) {
                self.parts.ports.give_back(entry.port, now.at);
            }
        } else if let Some(deadline) = entry.call.deadline() {
            let (attempt, listed) = (entry.call.attempt(), entry.listed);
            if listed != Some(deadline) {
                entry.listed = Some(deadline);
                self.deadlines.push(Reverse((deadline, place, attempt)));
            }
        }
    }

    fn attach(&mut self, place: Place, script: Arc<Script>, answered_at: Time) {
        let Some(entry) = self.calls.get_mut(place) else { return };
        let settings = entry.call.settings();
        let limits = media::Limits {
            no_media: Duration::from_secs(settings.no_media_seconds.into()),
            silent_customer: Duration::from_secs(settings.silent_customer_seconds.into()),
        };
        let bot = Box::new(ScriptBot::new(script));
        self.media(place).send(media::Command::Attach { place, bot, limits, answered_at });
    }

    fn turn_timers(&mut self, now: Now) {
        self.parts.agent.handle_timeout(now.at);
        self.drain(now);
        while let Some(Reverse((at, place, attempt))) = self.deadlines.peek().copied() {
            if at > now.at {
                break;
            }
            self.deadlines.pop();
            let Some(entry) = self.calls.get_mut(place) else { continue };
            // The place may have gone to another call, which has an entry of its own.
            if entry.call.attempt() == attempt {
                self.tell_call(place, Input::Timeout, now);
            }
        }
        self.drain(now);
        for unreachable in self.probes.turn(now.at, self.parts.poll.registry()) {
            self.unreachable(unreachable, now);
        }
    }

    fn hear_probes(&mut self, now: Now) {
        for unreachable in self.probes.ready(self.parts.poll.registry()) {
            self.unreachable(unreachable, now);
        }
    }

    fn unreachable(&mut self, peer: SocketAddr, now: Now) {
        self.parts.suspects.accuse(peer);
        self.parts.agent.handle_unreachable(now.at, Peer::udp(peer));
        self.drain(now);
    }

    fn cut_all(&mut self, now: Now) {
        for place in self.calls.places() {
            if let Some(entry) = self.calls.get_mut(place) {
                entry.call.cut(now);
                self.carry_out(place, now);
            }
        }
        self.drain(now);
    }

    fn send(&mut self, transmit: ua::Transmit, now: Now) {
        if !self.unsent.is_empty() {
            return self.keep_unsent(transmit);
        }
        match self.parts.socket.send_to(&transmit.bytes, transmit.to.addr) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.keep_unsent(transmit),
            Err(error) => {
                tracing::warn!(%error, to = %transmit.to, "A SIP message could not be sent");
                // No route, or a firewall of this machine; anything else may pass.
                if matches!(
                    error.kind(),
                    io::ErrorKind::NetworkUnreachable
                        | io::ErrorKind::HostUnreachable
                        | io::ErrorKind::PermissionDenied
                ) {
                    self.parts.suspects.accuse(transmit.to.addr);
                    self.parts.agent.handle_unreachable(now.at, transmit.to);
                }
            }
        }
    }

    fn keep_unsent(&mut self, transmit: ua::Transmit) {
        if self.unsent.len() == UNSENT_MAX {
            self.unsent.pop_front();
        }
        self.unsent.push_back(transmit);
    }

    /// Sends what the socket had no room for.
    fn flush(&mut self) {
        while let Some(transmit) = self.unsent.front() {
            match self.parts.socket.send_to(&transmit.bytes, transmit.to.addr) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Ok(_) | Err(_) => self.unsent.pop_front(),
            };
        }
    }

    fn report(&mut self, attempt: AttemptId, event: CallEvent) {
        // There is room for every event of every call, so this waits for nobody; a
        // runner that is gone takes no reports, and the watch over it tells so.
        if let Err(mpsc::error::TrySendError::Full(_)) =
            self.parts.events.try_send((attempt, event))
        {
            tracing::error!(attempt.id = %attempt, "An event of a call was lost: no room");
        }
    }

    fn ladder(&self, attempt: AttemptId, now: Now) -> Vec<LadderMessage> {
        match self.calls.key_of(attempt) {
            Some(key) => ladder::in_wall_time(self.parts.agent.ladder(key), now),
            None => self.recent.of(attempt),
        }
    }

    fn media(&self, place: Place) -> &Media {
        &self.parts.media[place as usize % self.parts.media.len()]
    }

    fn publish(&self) {
        let gauges = &self.parts.gauges;
        gauges.calls.store(self.calls.len() as u32, Ordering::Relaxed);
        gauges.ports_used.store(self.parts.ports.used() as u32, Ordering::Relaxed);
    }
}
