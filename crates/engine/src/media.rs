//! The media thread: sends and hears the audio of all its calls.
//!
//! One UDP socket a call, one thread for many calls. A wheel gives every call its
//! 2 ms within the 20, readiness comes from the poll, and nothing is allocated for a
//! packet. Answered calls have a second socket, for RTCP on the odd port above: most calls
//! of a dialler are not answered, and need none.

mod latch;
mod stream;
mod wheel;

use std::{
    io,
    net::SocketAddr,
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
/// Set in the token of a call's RTCP socket.
const REPORTS: usize = 1 << 32;
/// Sockets read before those who must send are looked after.
const ROUND: usize = 32;

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
    /// By place.
    legs: Vec<Option<Leg>>,
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
    /// For RTCP; `None` before the answer, and when the port is not free.
    reports: Option<UdpSocket>,
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
            legs: Vec::new(),
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
            for (number, event) in events.iter().enumerate() {
                if number % ROUND == 0 {
                    // Who must send does not wait until all have been heard.
                    now = self.clock.now();
                    self.turn(now);
                }
                match event.token() {
                    WAKER => {}
                    Token(token) if token & REPORTS != 0 => {
                        self.read_reports((token & !REPORTS) as Place, now);
                    }
                    Token(token) => self.read(token as Place, now),
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
                let index = place as usize;
                if self.legs.len() <= index {
                    self.legs.resize_with(index + 1, || None);
                }
                let leg = Leg { socket, reports: None, stream, slot: None, unfinished: false };
                self.legs[index] = Some(leg);
            }
            Command::Described(place, remote) => {
                if let Some(leg) = leg(&mut self.legs, place) {
                    leg.stream.described(remote, now.at);
                }
            }
            Command::Attach { place, bot, limits, answered_at } => {
                let Some(leg) = leg(&mut self.legs, place) else { return };
                let (slot, due) = self.wheel.insert(place, now.at);
                leg.slot = Some(slot);
                leg.stream.attach(bot, limits, answered_at, due);
                match open_reports(&leg.socket, &self.poll, place) {
                    Ok(socket) => {
                        leg.reports = Some(socket);
                        leg.stream.open_reports(now);
                    }
                    // Another program's port: the call goes on and is told nothing.
                    Err(error) => tracing::debug!(%error, "A call goes without RTCP"),
                }
            }
            Command::Close(place) => {
                let Some(mut leg) = self.legs.get_mut(place as usize).and_then(Option::take) else {
                    return;
                };
                if let Some(slot) = leg.slot {
                    self.wheel.remove(slot, place);
                }
                // Closing a socket ends the watch over it.
                leg.report(now.at, true, &mut self.packet);
                drop(leg.socket);
                drop(leg.reports);
                self.tell(Event::Closed(place, Box::new(leg.stream.conclude())));
            }
            Command::Stop => {}
        }
    }

    /// Hears what came to a call's port, up to a batch: a flood of one call does not
    /// silence the others.
    fn read(&mut self, place: Place, now: Now) {
        let Some(leg) = leg(&mut self.legs, place).filter(|leg| !leg.unfinished) else { return };
        for _ in 0..BATCH {
            match leg.socket.recv_from(&mut self.buffer[..]) {
                Ok((bytes, from)) => {
                    leg.stream.receive(canonical(from), &self.buffer[..bytes], now.at);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Such as an ICMP error of a packet sent before: says nothing of the next.
                Err(_) => {}
            }
        }
        leg.unfinished = true;
        self.unfinished.push(place);
    }

    /// Hears the reports that came. They are few, and a flood of them is cut off: the
    /// socket is heard again with the next one.
    fn read_reports(&mut self, place: Place, now: Now) {
        let Some(leg) = leg(&mut self.legs, place) else { return };
        let Some(socket) = &leg.reports else { return };
        for _ in 0..BATCH {
            match socket.recv_from(&mut self.buffer[..]) {
                Ok((bytes, from)) => {
                    leg.stream.receive_report(canonical(from), &self.buffer[..bytes], now.at);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // As above.
                Err(_) => {}
            }
        }
    }

    /// Another batch for those who had more than one.
    fn read_on(&mut self, now: Now) {
        for place in std::mem::take(&mut self.unfinished) {
            if let Some(leg) = leg(&mut self.legs, place) {
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
            if leg(&mut self.legs, place).is_some_and(|leg| leg.stream.is_silent(now.at)) {
                // What came while this thread was kept from running is no silence.
                self.read(place, now);
            }
            let Some(leg) = leg(&mut self.legs, place) else { continue };
            let socket = &leg.socket;
            let mut send = |to: SocketAddr, packet: &[u8]| socket.send_to(packet, to).is_ok();
            let verdict = leg.stream.tick(now, &mut self.packet, &mut send);
            leg.report(now.at, false, &mut self.packet);
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

impl Leg {
    /// Sends the report that is due.
    fn report(&mut self, now: Time, is_last: bool, packet: &mut Vec<u8>) {
        let Some(socket) = &self.reports else { return };
        if let Some(to) = self.stream.report(now, is_last, packet) {
            // A report that is lost is made good by the next.
            let _ = socket.send_to(packet, to);
        }
    }
}

fn leg(legs: &mut [Option<Leg>], place: Place) -> Option<&mut Leg> {
    legs.get_mut(place as usize)?.as_mut()
}

/// The socket on the odd port above that of the audio (RFC 3550 11), watched.
/// A socket of both families writes IPv4 addresses as IPv6 ones; descriptions do not.
fn canonical(from: SocketAddr) -> SocketAddr {
    SocketAddr::new(from.ip().to_canonical(), from.port())
}

fn open_reports(audio: &UdpSocket, poll: &Poll, place: Place) -> io::Result<UdpSocket> {
    let mut addr = audio.local_addr()?;
    addr.set_port(addr.port().checked_add(1).ok_or(io::ErrorKind::AddrNotAvailable)?);
    let mut socket = UdpSocket::bind(addr)?;
    let token = Token(place as usize | REPORTS);
    poll.registry().register(&mut socket, token, Interest::READABLE)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use campanile_wire::{
        rtp,
        sdp::{Codec, parse},
    };

    use super::*;
    use crate::{
        bot::{Script, ScriptBot},
        prompts,
    };

    #[test]
    fn a_thread_that_had_no_time_does_not_take_its_own_silence_for_the_callees() {
        let (poll, bell) = MediaThread::poll().unwrap();
        let (_commands, commands_out) = sync_channel(1);
        let (events, events_out) = sync_channel(2);
        let clock = Clock::start();
        let own = bell.clone();
        let mut thread = MediaThread::new(clock, poll, commands_out, events, bell, own);
        let phone = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let addr = phone.local_addr().unwrap();
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=audio {} RTP/AVP 8\r\n",
            addr.port()
        );
        let remote = parse(sdp.as_bytes(), &[Codec::Pcma]).unwrap();
        let start = clock.now();
        let later = Now { at: start.at + Duration::from_millis(1_200), ..start };
        let clip = prompts::prompt(prompts::ABANDONED).unwrap();
        let mut ports = Vec::new();
        for place in 0..2 {
            let socket = UdpSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
            ports.push(socket.local_addr().unwrap());
            let stream = Box::new(Stream::new(1, 2, 3));
            thread.obey(Command::Open(place, socket, stream), start);
            thread.obey(Command::Described(place, remote), start);
            let second = Duration::from_secs(1);
            let limits = Limits { no_media: second, silent_customer: 9 * second };
            let bot = Box::new(ScriptBot::new(Arc::new(Script::message(clip))));
            let attach = Command::Attach { place, bot, limits, answered_at: start.at };
            thread.obey(attach, start);
        }
        // One phone spoke while the thread did not run; the packet lies in the socket.
        let mut packet = Vec::new();
        rtp::Sender::new(1, 1, 1).frame(8, &[0xD5; 160], &mut packet);
        phone.send_to(&packet, ports[0]).unwrap();
        thread.turn(later);
        drop(thread);
        let told: Vec<_> = events_out.try_iter().collect();
        assert!(matches!(told[..], [Event::Verdict(1, Verdict::NoMedia)]), "{told:?}");
    }

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
