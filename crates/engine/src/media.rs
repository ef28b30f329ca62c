//! The media thread: sends and hears the audio of all its calls.
//!
//! One UDP socket a call, one thread for many calls. A wheel gives every call its
//! 2 ms within the 20, readiness comes from the poll, and nothing is allocated for a
//! packet.

mod latch;
mod stream;
mod wheel;

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TryRecvError},
    },
    time::Duration,
};

use campanile_wire::{sdp::Remote, time::Time};
use mio::{Events, Interest, Poll, Token, net::UdpSocket};

use crate::{
    bot::Bot,
    clock::{Clock, Now},
    doorbell::Doorbell,
};
pub(crate) use stream::{Figures, Limits, Stream, Verdict};
use wheel::Wheel;

/// A call as its audio knows it: the number of its place in the SIP shard, which is
/// given to another call only after [`Event::Closed`].
pub(crate) type Place = u32;

/// What the owner of a call asks of its audio.
pub(crate) enum Command {
    /// A call begins; its port hears from now on.
    Open(Place, UdpSocket, Box<Stream>),
    /// The far end described itself.
    Described(Place, Remote),
    /// The bot speaks from now on.
    Attach { place: Place, bot: Box<dyn Bot>, limits: Limits, answered_at: Time },
    /// The call is over: nothing is sent any more. Answered with [`Event::Closed`].
    Close(Place),
    /// End the thread.
    Stop,
}

/// What the audio of a call tells its owner: at most one verdict and one close each.
#[derive(Debug)]
pub(crate) enum Event {
    /// The call shall end.
    Verdict(Place, Verdict),
    /// It is closed, its port is free.
    Closed(Place, Box<Figures>),
}

/// How to reach a media thread. Dropping it ends the thread.
pub(crate) struct Media {
    pub(crate) commands: SyncSender<Command>,
    pub(crate) bell: Arc<Doorbell>,
}

impl Media {
    /// Asks for something. Waits while the thread has too much to do, which it works
    /// off without waiting for anybody.
    pub(crate) fn send(&self, command: Command) {
        if self.commands.send(command).is_err() || self.bell.ring().is_err() {
            // The watch over the threads reports why it ended.
            tracing::error!("The media thread is gone");
        }
    }
}

impl Drop for Media {
    fn drop(&mut self) {
        if self.commands.send(Command::Stop).is_ok() {
            // A bell fails with its poll only, and then nobody sleeps there.
            let _ = self.bell.ring();
        }
    }
}

/// Datagrams read from one socket before the others get their turn.
const BATCH: usize = 32;
/// Larger than any RTP packet of a telephone call; what is longer is cut and refused.
const DATAGRAM_BYTES: usize = 2_048;
const WAKER: Token = Token(usize::MAX);

/// The state of the thread.
pub(crate) struct MediaThread {
    clock: Clock,
    poll: Poll,
    commands: Receiver<Command>,
    events: SyncSender<Event>,
    /// Of the thread that reads `events`.
    owner: Arc<Doorbell>,
    /// Of this thread. Held here because a wake-up is lost when the last handle of its
    /// bell is closed before the poll returns, as when the owner says `Stop` and goes.
    own: Arc<Doorbell>,
    legs: HashMap<Place, Leg>,
    wheel: Wheel,
    /// Sockets that had more to read than one batch.
    unfinished: Vec<Place>,
    due: Vec<Place>,
    packet: Vec<u8>,
    buffer: Box<[u8; DATAGRAM_BYTES]>,
    told: bool,
}

/// A call's stream with its socket.
struct Leg {
    socket: UdpSocket,
    stream: Box<Stream>,
    /// Where it is in the wheel, once it sends.
    slot: Option<usize>,
    /// Listed as such: it had its batch, and its turn comes again.
    unfinished: bool,
}

impl MediaThread {
    /// A poll and the bell of it, made before the thread, so that failures show at
    /// start-up.
    pub(crate) fn poll() -> io::Result<(Poll, Arc<Doorbell>)> {
        let poll = Poll::new()?;
        let bell = Arc::new(Doorbell::new(poll.registry(), WAKER)?);
        Ok((poll, bell))
    }

    pub(crate) fn new(
        clock: Clock,
        poll: Poll,
        commands: Receiver<Command>,
        events: SyncSender<Event>,
        owner: Arc<Doorbell>,
        own: Arc<Doorbell>,
    ) -> Self {
        Self {
            clock,
            poll,
            commands,
            events,
            owner,
            own,
            legs: HashMap::new(),
            wheel: Wheel::default(),
            unfinished: Vec::new(),
            due: Vec::new(),
            packet: Vec::with_capacity(256),
            buffer: Box::new([0; DATAGRAM_BYTES]),
            told: false,
        }
    }

    /// Runs until [`Command::Stop`], or until nobody can send commands any more.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1_024);
        loop {
            let timeout = self.timeout();
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            self.own.answer();
            let mut now = self.clock.now();
            self.read_on(now);
            for event in &events {
                if event.token() != WAKER {
                    self.read(event.token().0 as Place, now);
                }
            }
            loop {
                match self.commands.try_recv() {
                    Ok(Command::Stop) | Err(TryRecvError::Disconnected) => return Ok(()),
                    Ok(command) => self.obey(command, now),
                    Err(TryRecvError::Empty) => break,
                }
            }
            now = self.clock.now();
            self.turn(now);
            if std::mem::take(&mut self.told) {
                self.owner.ring()?;
            }
        }
    }

    fn timeout(&self) -> Option<Duration> {
        if !self.unfinished.is_empty() {
            return Some(Duration::ZERO);
        }
        self.wheel.next().map(|at| at - self.clock.now().at)
    }

    fn obey(&mut self, command: Command, now: Now) {
        match command {
            Command::Open(place, mut socket, stream) => {
                let token = Token(place as usize);
                if let Err(error) =
                    self.poll.registry().register(&mut socket, token, Interest::READABLE)
                {
                    // The call goes on deaf, and the no-media limit ends it.
                    tracing::error!(%error, "The audio of a call cannot be watched");
                }
                self.legs.insert(place, Leg { socket, stream, slot: None, unfinished: false });
            }
            Command::Described(place, remote) => {
                if let Some(leg) = self.legs.get_mut(&place) {
                    leg.stream.described(remote, now.at);
                }
            }
            Command::Attach { place, bot, limits, answered_at } => {
                let Some(leg) = self.legs.get_mut(&place) else { return };
                let (slot, due) = self.wheel.insert(place, now.at);
                leg.slot = Some(slot);
                leg.stream.attach(bot, limits, answered_at, due);
            }
            Command::Close(place) => {
                let Some(mut leg) = self.legs.remove(&place) else { return };
                if let Some(slot) = leg.slot {
                    self.wheel.remove(slot, place);
                }
                if let Err(error) = self.poll.registry().deregister(&mut leg.socket) {
                    tracing::warn!(%error, "The audio of a call was not watched");
                }
                drop(leg.socket);
                self.tell(Event::Closed(place, Box::new(leg.stream.conclude())));
            }
            Command::Stop => {}
        }
    }

    /// Hears what came to a call's port, up to a batch: a flood of one call does not
    /// silence the others.
    fn read(&mut self, place: Place, now: Now) {
        let Some(leg) = self.legs.get_mut(&place).filter(|leg| !leg.unfinished) else { return };
        for _ in 0..BATCH {
            match leg.socket.recv_from(&mut self.buffer[..]) {
                Ok((bytes, from)) => leg.stream.receive(from, &self.buffer[..bytes], now.at),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Such as an ICMP error of a packet sent before: says nothing of the next.
                Err(_) => {}
            }
        }
        leg.unfinished = true;
        self.unfinished.push(place);
    }

    /// Another batch for those who had more than one.
    fn read_on(&mut self, now: Now) {
        for place in std::mem::take(&mut self.unfinished) {
            if let Some(leg) = self.legs.get_mut(&place) {
                leg.unfinished = false;
                self.read(place, now);
            }
        }
    }

    /// Sends for every call whose 20 ms have come.
    fn turn(&mut self, now: Now) {
        let mut due = std::mem::take(&mut self.due);
        self.wheel.turn(now.at, &mut due);
        for place in due.drain(..) {
            let Some(leg) = self.legs.get_mut(&place) else { continue };
            let (destination, verdict) = leg.stream.tick(now, &mut self.packet);
            if let Some(destination) = destination
                && leg.socket.send_to(&self.packet, destination).is_ok()
            {
                // What the system would not take is lost, as on any network.
                leg.stream.was_sent();
            }
            if let Some(verdict) = verdict {
                self.tell(Event::Verdict(place, verdict));
            }
        }
        self.due = due;
    }

    fn tell(&mut self, event: Event) {
        // Room for every event of every call was made at start-up, so this never waits.
        if self.events.send(event).is_ok() {
            self.told = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn a_flooded_call_has_one_batch_a_turn_however_often_its_socket_calls() {
        let (poll, bell) = MediaThread::poll().unwrap();
        let (_commands, commands_out) = sync_channel(1);
        let (events, _events_out) = sync_channel(1);
        let clock = Clock::start();
        let own = bell.clone();
        let mut thread = MediaThread::new(clock, poll, commands_out, events, bell, own);
        let socket = UdpSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = socket.local_addr().unwrap();
        let now = clock.now();
        thread.obey(Command::Open(3, socket, Box::new(Stream::new(1, 2, 3))), now);
        let flood = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..3 * BATCH {
            flood.send_to(b"noise", port).unwrap();
        }
        for _ in 0..5 {
            thread.read(3, now);
        }
        assert_eq!(thread.unfinished, [3]);
        thread.read_on(now);
        thread.read(3, now);
        assert_eq!(thread.unfinished, [3], "the third batch is still there");
        thread.read_on(now);
        thread.read_on(now);
        assert!(thread.unfinished.is_empty(), "all was read");
    }
}
