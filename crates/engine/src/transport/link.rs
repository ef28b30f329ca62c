//! One far end over TCP or TLS: its connection, what waits for it, and how it fared.

use std::{io, sync::Arc, time::Duration};

use campanile_wire::{
    framing::Frame,
    time::Time,
    ua::{Peer, Transport},
};

use super::{
    channel::{Came, Channel, Fault},
    queue::{Queue, ends_a_call, is_ack},
    tls::{self, Tls},
};

/// How long connecting and the TLS handshake may take together. Nothing was sent yet, so the
/// calls that wait may go elsewhere afterwards.
const OPENING_MAX: Duration = Duration::from_secs(5);
/// After a connection that failed the next is not tried before then; doubled with each failure.
const BACK_OFF: Duration = Duration::from_secs(1);
const BACK_OFF_MAX: Duration = Duration::from_secs(30);
/// A connection that breaks sooner may break as soon again: the next is tried at once, the one
/// after that is not.
const STEADY: Duration = Duration::from_secs(5);
/// An idle connection is sent a keep-alive so often (RFC 5626 3.5.1), which NATs and firewalls on
/// the way see too.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// A far end that answers keep-alives does so within this (RFC 5626 4.4.1).
const PONG_MAX: Duration = Duration::from_secs(10);
/// A far end takes some of what it is sent within this.
const STUCK_MAX: Duration = Duration::from_secs(15);
/// A message that has begun ends within this.
const MESSAGE_MAX: Duration = Duration::from_secs(32);
/// A connection that nobody needs is closed after this, one that a stranger made sooner.
const IDLE_MAX: Duration = Duration::from_secs(600);
const IDLE_THEIRS_MAX: Duration = Duration::from_secs(120);
/// Reads before other connections, datagrams and timers get their turn.
const READS: usize = 16;

/// Carriers that share an address beyond these have their name checked with every call.
const ALIASES_MAX: usize = 16;

const PING: &[u8] = b"\r\n\r\n";
const PONG: &[u8] = b"\r\n";

/// See the module.
pub(super) struct Link {
    pub(super) peer: Peer,
    /// What the carrier is called: the name in its certificate, and in alarms.
    pub(super) host: Arc<str>,
    /// What else its certificate allows it to be called, as carriers asked for it.
    aliases: Vec<Arc<str>>,
    /// The far end made it: it is never made anew from here.
    theirs: bool,
    state: State,
    queue: Queue,
    /// Connections in a row that failed.
    failures: u32,
    /// Why there is no connection, until there is one.
    trouble: Option<Arc<str>>,
    /// When a message last went or came.
    used: Time,
}

enum State {
    /// No connection, and none is tried before then.
    Down { retry_at: Time },
    /// The TCP connection or the TLS handshake is under way.
    Opening { channel: Box<Channel>, until: Time },
    /// Messages pass.
    Up { channel: Box<Channel>, pulse: Pulse },
}

/// What went and came on an open connection.
struct Pulse {
    since: Time,
    said: Time,
    /// A keep-alive went and nothing came since.
    pinged: Option<Time>,
    /// The far end answers keep-alives; not all do.
    pongs: bool,
    /// An unfinished message began to come.
    began: Option<Time>,
    /// The far end takes nothing since then.
    stuck: Option<Time>,
    /// There is more to read than one turn took.
    unread: bool,
}

/// What became of a link.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Fate {
    /// It goes on.
    Goes,
    /// It was opened: an alarm is over, if there was one.
    Opened,
    /// No connection came about, and what was to be sent never left.
    Unconnected,
    /// The connection broke once more, and another is not tried at once.
    Unreachable,
    /// The connection broke: what of the last messages arrived is not known.
    Broken,
    /// The connection is gone, and nobody needs it.
    Closed,
}

impl Link {
    /// A far end that is to be connected to when there is something to say.
    pub(super) fn new(peer: Peer, host: Arc<str>, now: Time) -> Self {
        Self {
            peer,
            host,
            aliases: Vec::new(),
            theirs: false,
            state: State::Down { retry_at: now },
            queue: Queue::default(),
            failures: 0,
            trouble: None,
            used: now,
        }
    }

    /// A connection that the far end made.
    pub(super) fn accepted(peer: Peer, channel: Channel, now: Time) -> Self {
        let mut link = Self::new(peer, peer.addr.ip().to_string().into(), now);
        link.theirs = true;
        link.state = State::Up { channel: Box::new(channel), pulse: Pulse::new(now) };
        link
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    /// Whether a connection stands or is being made.
    pub(super) fn has_connection(&self) -> bool {
        !matches!(self.state, State::Down { .. })
    }

    pub(super) fn is_theirs(&self) -> bool {
        self.theirs
    }

    pub(super) fn trouble(&self) -> Option<&Arc<str>> {
        self.trouble.as_ref()
    }

    /// Whether nothing would be missed without it: no connection, nothing that waits, and no
    /// failure that still holds others back.
    pub(super) fn is_spent(&self, now: Time) -> bool {
        match self.state {
            State::Down { retry_at } => {
                self.queue.is_empty()
                    && (self.theirs || (retry_at <= now && now.since(self.used) >= IDLE_MAX))
            }
            State::Opening { .. } | State::Up { .. } => false,
        }
    }

    /// When a message last went or came.
    pub(super) fn used(&self) -> Time {
        self.used
    }

    pub(super) fn channel(&mut self) -> Option<&mut Channel> {
        match &mut self.state {
            State::Down { .. } => None,
            State::Opening { channel, .. } | State::Up { channel, .. } => Some(channel),
        }
    }

    /// Whether a connection is wanted and may be tried.
    pub(super) fn wants_opening(&self, now: Time) -> bool {
        let State::Down { retry_at } = self.state else { return false };
        !self.theirs && retry_at <= now && !self.queue.is_empty()
    }

    /// Whether the connection that stands may be used for a carrier called `host`; without one,
    /// the next connection is to prove that name.
    pub(super) fn is_for(&mut self, host: &Arc<str>, tls: &Tls) -> Result<(), String> {
        if self.host == *host
            || self.peer.transport != Transport::Tls
            || self.aliases.contains(host)
        {
            return Ok(());
        }
        match &self.state {
            State::Down { .. } => self.host = host.clone(),
            State::Opening { .. } => {
                return Err(format!(
                    "its address is being asked to prove that it is {}",
                    self.host
                ));
            }
            State::Up { channel, .. } => {
                tls.is_also(channel.certificates().unwrap_or_default(), host)?;
                if self.aliases.len() < ALIASES_MAX {
                    self.aliases.push(host.clone());
                }
            }
        }
        Ok(())
    }

    /// A connection is being made.
    pub(super) fn opening(&mut self, channel: Channel, now: Time) {
        self.aliases.clear();
        self.state = State::Opening { channel: Box::new(channel), until: now + OPENING_MAX };
    }

    /// Takes a message to be sent; false when it cannot be, and its sender should know.
    ///
    /// While the far end is held back after a failure, only what ends calls waits for it.
    pub(super) fn send(&mut self, message: Arc<[u8]>, now: Time) -> bool {
        if let State::Down { retry_at } = self.state
            && (self.theirs || (retry_at > now && !ends_a_call(&message)))
        {
            return false;
        }
        self.used = now;
        self.queue.push(now, message)
    }

    /// Its socket is ready for something, or there is something to write or left to read.
    pub(super) fn turn(
        &mut self,
        now: Time,
        buffer: &mut [u8],
        hear: &mut dyn FnMut(Peer, &[u8]),
    ) -> Fate {
        let mut fate = Fate::Goes;
        if let State::Opening { channel, .. } = &mut self.state {
            match channel.open() {
                Ok(false) => return Fate::Goes,
                Err(fault) => return self.fall(fault, now),
                Ok(true) => {
                    self.be_up(now);
                    fate = Fate::Opened;
                }
            }
        }
        if let Err(fault) = self.read(now, buffer, hear).and_then(|()| self.write(now)) {
            return self.fall(fault, now);
        }
        fate
    }

    /// Whether there is more to read at once.
    pub(super) fn is_unread(&self) -> bool {
        matches!(&self.state, State::Up { pulse, .. } if pulse.unread)
    }

    /// Writes what waits.
    pub(super) fn flush(&mut self, now: Time) -> Fate {
        match self.write(now) {
            Ok(()) => Fate::Goes,
            Err(fault) => self.fall(fault, now),
        }
    }

    /// When to call `wake`. `needed`: there are calls, and their far ends may speak on it.
    pub(super) fn next(&self, needed: bool) -> Option<Time> {
        match &self.state {
            State::Down { .. } if self.theirs => None,
            State::Down { retry_at } if !self.queue.is_empty() => Some(*retry_at),
            State::Down { .. } => Some(self.used + IDLE_MAX),
            State::Opening { until, .. } => Some(*until),
            State::Up { pulse, .. } => {
                let alive = match pulse.pinged {
                    Some(at) if pulse.pongs => at + PONG_MAX,
                    _ => pulse.said + KEEP_ALIVE,
                };
                let idle = match self.theirs {
                    true => Some(self.used + IDLE_THEIRS_MAX),
                    false => Some(self.used + IDLE_MAX).filter(|_| !needed),
                };
                let others = [
                    pulse.began.map(|at| at + MESSAGE_MAX),
                    pulse.stuck.map(|at| at + STUCK_MAX),
                    idle,
                ];
                others.into_iter().flatten().chain([alive]).min()
            }
        }
    }

    /// The time that `next` asked for has come. Too early does no harm.
    pub(super) fn wake(&mut self, now: Time, needed: bool) -> Fate {
        if self.next(needed).is_none_or(|at| at > now) {
            return Fate::Goes;
        }
        let over = |since: Option<Time>, max| since.is_some_and(|at| now.since(at) >= max);
        let State::Up { channel, pulse } = &mut self.state else {
            return match self.state {
                State::Opening { .. } => self.fail("it does not answer", now),
                State::Down { .. } | State::Up { .. } => Fate::Goes,
            };
        };
        let idle_max = if self.theirs { IDLE_THEIRS_MAX } else { IDLE_MAX };
        if now.since(self.used) >= idle_max && (self.theirs || !needed) {
            channel.close();
            self.state = State::Down { retry_at: now };
            return Fate::Closed;
        }
        if over(pulse.began, MESSAGE_MAX) {
            return self.fail("it began a message and did not end it", now);
        }
        if over(pulse.stuck, STUCK_MAX) {
            return self.fail("it takes nothing any more", now);
        }
        if over(pulse.pinged.filter(|_| pulse.pongs), PONG_MAX) {
            return self.fail("it answers no keep-alive any more", now);
        }
        if now.since(pulse.said) >= KEEP_ALIVE {
            pulse.said = now;
            pulse.pinged = Some(now);
            if self.queue.is_empty() {
                // There is room in what is empty.
                self.queue.push(now, PING.into());
            }
            return self.flush(now);
        }
        Fate::Goes
    }

    /// It never came to a connection, or to none that lasts: `why` is what to tell an operator. `lasting`: trying again
    /// soon does not help.
    pub(super) fn refuse(&mut self, why: &str, lasting: bool, now: Time) -> Fate {
        let fate = if self.is_up() { Fate::Unreachable } else { Fate::Unconnected };
        self.failures = self.failures.saturating_add(1);
        let wait = match lasting {
            true => BACK_OFF_MAX,
            false => BACK_OFF_MAX.min(BACK_OFF * 2_u32.pow((self.failures - 1).min(8))),
        };
        self.state = State::Down { retry_at: now + wait };
        self.queue.keep(now, ends_a_call);
        let place = tls::place(&self.host, self.peer);
        let trouble: Arc<str> = format!("no connection to {place}: {why}").into();
        if self.trouble.as_ref() != Some(&trouble) {
            match lasting {
                true => tracing::error!("{trouble}. No call passes until that is mended"),
                false => tracing::warn!("{trouble}"),
            }
            self.trouble = Some(trouble);
        }
        fate
    }

    fn be_up(&mut self, now: Time) {
        let before = std::mem::replace(&mut self.state, State::Down { retry_at: now });
        let (State::Opening { channel, .. } | State::Up { channel, .. }) = before else { return };
        self.state = State::Up { channel, pulse: Pulse::new(now) };
        let place = tls::place(&self.host, self.peer);
        match self.trouble.take() {
            Some(_) => tracing::info!("Connected to {place} again"),
            None => tracing::debug!("Connected to {place}"),
        }
    }

    fn read(
        &mut self,
        now: Time,
        buffer: &mut [u8],
        hear: &mut dyn FnMut(Peer, &[u8]),
    ) -> Result<(), Fault> {
        let State::Up { channel, pulse } = &mut self.state else { return Ok(()) };
        pulse.unread = false;
        for _ in 0..READS {
            match channel.read(buffer)? {
                Came::Nothing => return Ok(()),
                Came::End => return Err(Fault::Ended),
                Came::Some => {}
            }
            let pinged = pulse.pinged.take();
            while let Some(frame) = channel.framer.next() {
                match frame {
                    Ok(Frame::Message(message)) => {
                        self.used = now;
                        hear(self.peer, message);
                    }
                    Ok(Frame::Pong) => {
                        pulse.pongs |= pinged.is_some_and(|at| now.since(at) < PONG_MAX);
                    }
                    // A full queue has its own end.
                    Ok(Frame::Ping) => drop(self.queue.push(now, PONG.into())),
                    Err(broken) => return Err(io::Error::other(broken).into()),
                }
            }
            match channel.framer.is_within_message() {
                true => drop(pulse.began.get_or_insert(now)),
                false => pulse.began = None,
            }
        }
        pulse.unread = true;
        Ok(())
    }

    fn write(&mut self, now: Time) -> Result<(), Fault> {
        let State::Up { channel, pulse } = &mut self.state else { return Ok(()) };
        let moved = channel.write(&mut self.queue)?;
        if moved {
            pulse.said = now;
            pulse.stuck = None;
        }
        if self.queue.is_empty() && !channel.is_clogged() {
            pulse.stuck = None;
        } else {
            pulse.stuck.get_or_insert(now);
        }
        Ok(())
    }

    fn fall(&mut self, fault: Fault, now: Time) -> Fate {
        match fault {
            Fault::Ended if self.is_up() => self.fail("it closed the connection", now),
            Fault::Ended => self.fail("it closed the connection before it was open", now),
            Fault::Io(error) => self.fail(&in_words(&error), now),
            Fault::Tls(error) => {
                let why = tls::in_words(&error, &self.host);
                self.refuse(&why, tls::is_lasting(&error), now)
            }
        }
    }

    /// The connection is gone, or never came.
    fn fail(&mut self, why: &str, now: Time) -> Fate {
        let State::Up { pulse, .. } = &self.state else { return self.refuse(why, false, now) };
        let steady = now.since(pulse.since) >= STEADY;
        if self.theirs {
            self.state = State::Down { retry_at: now };
            self.queue = Queue::default();
            return Fate::Closed;
        }
        if !steady && self.failures > 0 {
            return self.refuse(why, false, now);
        }
        tracing::info!("The connection to {} is gone: {why}", tls::place(&self.host, self.peer));
        self.failures = u32::from(!steady);
        self.state = State::Down { retry_at: now };
        // What still waits for an answer is sent again by whoever waits for it.
        self.queue.keep(now, is_ack);
        Fate::Broken
    }
}

impl Pulse {
    fn new(now: Time) -> Self {
        Self {
            since: now,
            said: now,
            pinged: None,
            pongs: false,
            began: None,
            stuck: None,
            unread: false,
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(channel) = self.channel() {
            channel.close();
        }
    }
}

/// What went wrong, for an operator.
pub(super) fn in_words(error: &io::Error) -> String {
    let known = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused: nobody listens there",
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "it broke the connection",
        io::ErrorKind::ConnectionAborted => "it broke the connection",
        io::ErrorKind::TimedOut => "it does not answer any more",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "there is no way through the network"
        }
        _ => return error.to_string(),
    };
    known.to_owned()
}
