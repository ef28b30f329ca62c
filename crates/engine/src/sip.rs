//! The SIP shard: a thread with one UDP socket, and the connections to carriers, that owns
//! every call on them.
//!
//! Messages and timers go to the user agent of `wire`, what that says goes to the
//! [`Call`](crate::call::Call) concerned, and what the call wants is done: on the sockets, in
//! the media thread, towards the runner. Nothing here waits for anybody.

mod actions;
mod beside;
mod calls;
mod command;
mod datagrams;
mod events;
mod ladder;
mod probe;

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc as std_mpsc,
    },
    time::Duration,
};

use campanile_domain::ids::AttemptId;
use campanile_wire::{
    time::Time,
    ua::{Peer, UserAgent},
};
use mio::{Events, Poll, Token};
use tokio::sync::mpsc;

use crate::{
    bot::Script,
    call::Input,
    clock::{Clock, Now},
    doorbell::Doorbell,
    line::LineEvent,
    media::{self, Media, Place},
    ports::PortPool,
    prompts,
    route::{Standings, Suspects},
    transport::{Links, Loss},
};
use beside::Beside;
use calls::Calls;
pub(crate) use command::{Command, Dial};
pub(crate) use datagrams::Datagrams;
pub(crate) use events::Redirected;
pub use ladder::LadderMessage;
use ladder::Recent;
use probe::Probes;

/// Ended attempts whose SIP ladder is kept.
const RECENT_LADDERS: usize = 500;
/// Deadlines that may be stale whatever the number of calls.
const STALE_DEADLINES: usize = 1_024;
/// How long the thread stays after `Stop` so that BYE and CANCEL get their answers.
const FAREWELL: Duration = Duration::from_millis(800);

const SOCKET: Token = Token(0);
const WAKER: Token = Token(1);
const PROBES: Token = Token(2);
/// Connections of far ends come here.
pub(crate) const LISTENER: Token = Token(3);
/// Connections have their tokens from here on.
pub(crate) const FIRST_LINK: usize = 16;

/// Gauges for `/metrics`.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    pub(crate) calls: AtomicU32,
    pub(crate) kept_calls: AtomicU32,
    pub(crate) connections: AtomicU32,
    pub(crate) ports_used: AtomicU32,
    pub(crate) ports: AtomicU32,
}

/// What the shard is made from.
pub(crate) struct Parts {
    pub(crate) clock: Clock,
    pub(crate) datagrams: Datagrams,
    pub(crate) links: Links,
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
    /// Told how carriers stand.
    pub(crate) standings: Standings,
    /// Asked where a 3xx leads.
    pub(crate) redirects: mpsc::Sender<Redirected>,
}

/// The state of the thread.
pub(crate) struct Shard {
    parts: Parts,
    calls: Calls,
    /// When to look at which call; entries of calls that moved on are stale.
    deadlines: BinaryHeap<Reverse<(Time, Place, AttemptId)>>,
    recent: Recent,
    probes: Probes,
    beside: Beside,
    message: Arc<Script>,
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
        parts.datagrams.watch(parts.poll.registry(), SOCKET)?;
        let abandoned = prompts::prompt(prompts::ABANDONED)
            .ok_or_else(|| io::Error::other("the message for abandoned callees is missing"))?;
        parts.gauges.ports.store(parts.ports.total() as u32, Ordering::Relaxed);
        Ok(Self {
            calls: Calls::default(),
            deadlines: BinaryHeap::new(),
            recent: Recent::new(RECENT_LADDERS),
            probes: Probes::new(),
            beside: Beside::default(),
            message: Arc::new(Script::message(abandoned)),
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
            if self.parts.datagrams.is_unfinished() {
                self.read(now);
            }
            for event in &events {
                match event.token() {
                    SOCKET if event.is_readable() => self.read(now),
                    SOCKET | WAKER => {}
                    PROBES => self.hear_probes(now),
                    LISTENER => self.parts.links.accept(now.at),
                    link => self.hear_link(link, now),
                }
            }
            now = self.parts.clock.now();
            loop {
                match self.parts.commands.try_recv() {
                    Ok(Command::Stop) | Err(mpsc::error::TryRecvError::Disconnected) => {
                        if stop_at.is_none() {
                            self.cut_all(now);
                            self.unregister_all(now);
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
            self.flush(now);
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
        let next = [
            self.parts.agent.poll_timeout(),
            deadline,
            self.probes.next(),
            self.parts.links.next(!self.calls.is_empty()),
            self.parts.datagrams.retry(now),
            stop_at,
        ];
        let busy = self.parts.datagrams.is_unfinished() || self.parts.links.is_busy();
        let timeout = match next.into_iter().flatten().min() {
            _ if busy => Some(Duration::ZERO),
            at => at.map(|at| at - now),
        };
        match self.parts.poll.poll(events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            other => other,
        }
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
        self.forget_stale_deadlines();
        self.parts.links.wake(now.at, !self.calls.is_empty());
        self.drain(now);
        for unreachable in self.probes.turn(now.at, self.parts.poll.registry()) {
            self.unreachable(unreachable, now);
        }
    }

    /// A call that ended leaves its longest deadline behind: an hour of short calls would gather
    /// millions of them.
    fn forget_stale_deadlines(&mut self) {
        if self.deadlines.len() <= 4 * self.calls.len() + STALE_DEADLINES {
            return;
        }
        let calls = &mut self.calls;
        self.deadlines.retain(|Reverse((at, place, attempt))| {
            calls
                .get_mut(*place)
                .is_some_and(|entry| entry.call.attempt() == *attempt && entry.listed == Some(*at))
        });
    }

    fn hear_probes(&mut self, now: Now) {
        for unreachable in self.probes.ready(self.parts.poll.registry()) {
            self.unreachable(unreachable, now);
        }
    }

    fn hear_link(&mut self, token: Token, now: Now) {
        let Parts { links, agent, .. } = &mut self.parts;
        links.ready(token, now.at, |from, bytes| agent.handle_message(now.at, from, bytes));
        self.drain(now);
    }

    fn flush(&mut self, now: Now) {
        let Parts { datagrams, links, agent, .. } = &mut self.parts;
        datagrams.flush();
        links.flush(now.at, |from, bytes| agent.handle_message(now.at, from, bytes));
        self.drain(now);
    }

    /// An address was found to have nobody behind it.
    fn unreachable(&mut self, peer: SocketAddr, now: Now) {
        self.parts.suspects.accuse(peer);
        self.parts.agent.handle_unreachable(now.at, Peer::udp(peer));
        self.drain(now);
    }

    /// Messages to a far end were lost on the way to it.
    fn lost(&mut self, loss: Loss, now: Now) {
        match loss {
            Loss::Unconnected(peer) => {
                self.parts.suspects.accuse(peer.addr);
                self.parts.agent.handle_unconnected(now.at, peer);
            }
            Loss::Unreachable(peer) => {
                self.parts.suspects.accuse(peer.addr);
                self.parts.agent.handle_unreachable(now.at, peer);
            }
            Loss::Broken(peer) => self.parts.agent.handle_broken(now.at, peer),
        }
    }

    fn ladder(&self, attempt: AttemptId, now: Now) -> Vec<LadderMessage> {
        let mut messages = self.recent.of(attempt);
        for key in self.calls.keys_of(attempt) {
            messages.extend(ladder::in_wall_time(self.parts.agent.ladder(key), now));
        }
        // An attempt that went on through another carrier has a call through each.
        messages.sort_by_key(|message| message.at);
        messages
    }

    fn media(&self, place: Place) -> &Media {
        &self.parts.media[place as usize % self.parts.media.len()]
    }

    fn publish(&self) {
        let gauges = &self.parts.gauges;
        gauges.calls.store(self.calls.len() as u32, Ordering::Relaxed);
        gauges.kept_calls.store(self.parts.agent.kept_calls() as u32, Ordering::Relaxed);
        gauges.connections.store(self.parts.links.len() as u32, Ordering::Relaxed);
        gauges.ports_used.store(self.parts.ports.used() as u32, Ordering::Relaxed);
    }
}
