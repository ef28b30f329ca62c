//! The carrier's thread: its two sockets and its clock.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use campanile_wire::{
    time::Time,
    ua::{Peer, Transmit},
};
use mio::{Events, Interest, Poll, Token, Waker, net::UdpSocket};
use socket2::{Domain, Protocol, Socket, Type};

use crate::{
    bad_line::{BadLine, Impaired, Passed},
    exchange::Exchange,
    mix::Mix,
    record::Summary,
    relay::BoundRelay,
    transit::Transit,
};

const SIP: Token = Token(0);
const MEDIA: Token = Token(1);
const STOP: Token = Token(2);
/// Bursts of a thousand calls wait here while the thread is busy.
const BUFFER_BYTES: usize = 4 << 20;
const DATAGRAM_MAX: usize = 65_535;

/// What a simulated carrier is made from.
#[derive(Debug, Clone)]
pub struct CarrierConfig {
    /// The address of its SIP socket; port 0 picks a free one. Phones send audio from the same IP.
    pub sip: SocketAddr,
    /// The same seed gives every phone the same fates.
    pub seed: u64,
    /// The fates and habits.
    pub mix: Mix,
    /// Where to write the record; an existing file is appended to.
    pub record: Option<PathBuf>,
    /// Rings, talks and pauses are multiplied by it: 1.0 is real life.
    pub time_scale: f64,
    /// Asks for this name and password before it takes a call.
    pub auth: Option<(String, String)>,
}

/// A running carrier. Dropping it stops it as [`SimCarrier::stop`] does.
pub struct SimCarrier {
    addr: SocketAddr,
    waker: Waker,
    common: Arc<Common>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread and its owner share.
#[derive(Default)]
struct Common {
    stopping: AtomicBool,
    summary: Mutex<Summary>,
    passed: Mutex<Passed>,
}

impl SimCarrier {
    /// Opens the sockets and the record and starts the thread. A mix or a scale that cannot be
    /// used is an error of the kind `InvalidInput`.
    pub fn start(config: CarrierConfig) -> io::Result<Self> {
        Self::start_at(config, None, None)
    }

    /// The same, on a line that treats everything that comes and goes as `line` says; the luck of
    /// each datagram is drawn from the seed of `config`. A chance that is none is an error of the
    /// kind `InvalidInput`.
    pub fn start_on(config: CarrierConfig, line: BadLine) -> io::Result<Self> {
        line.check().map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?;
        let impaired = Impaired::new(line, config.seed);
        Self::start_at(config, None, Some(impaired))
    }

    /// The same, for callers who come through a relay: the carrier says that it is where the
    /// relay is, and its requests go the way the call came, as session border controllers do.
    pub fn start_behind(config: CarrierConfig, relay: &BoundRelay) -> io::Result<Self> {
        Self::start_at(config, Some(relay.addr()), None)
    }

    fn start_at(
        config: CarrierConfig,
        relay: Option<SocketAddr>,
        line: Option<Impaired>,
    ) -> io::Result<Self> {
        let invalid = |why| io::Error::new(io::ErrorKind::InvalidInput, why);
        config.mix.check().map_err(|why| invalid(why.to_string()))?;
        if !(0.0..=1_000.0).contains(&config.time_scale) {
            return Err(invalid("the time scale is between 0 and 1,000".to_owned()));
        }
        let mut sip = bind(config.sip)?;
        let mut media = bind(SocketAddr::new(config.sip.ip(), 0))?;
        let addr = sip.local_addr()?;
        let poll = Poll::new()?;
        poll.registry().register(&mut sip, SIP, Interest::READABLE | Interest::WRITABLE)?;
        poll.registry().register(&mut media, MEDIA, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), STOP)?;
        let said = |addr: SocketAddr| SocketAddr::new(reachable(addr.ip()), addr.port());
        let mut exchange = Exchange::new(
            config,
            relay.unwrap_or(said(addr)),
            said(media.local_addr()?),
            secret(),
        )?;
        if relay.is_some() {
            exchange.answer_the_way_back();
        }
        let common = Arc::new(Common::default());
        let thread = Thread {
            poll,
            sip,
            media,
            exchange,
            line,
            unsent: None,
            began: Instant::now(),
            buffer: vec![0; DATAGRAM_MAX],
            common: Arc::clone(&common),
        };
        let thread =
            std::thread::Builder::new().name("carrier".to_owned()).spawn(move || thread.run())?;
        Ok(Self { addr, waker, common, thread: Some(thread) })
    }

    /// Where its SIP socket is.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The figures of this moment.
    pub fn summary(&self) -> Summary {
        *self.common.summary.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What its bad line did until now; nothing on a line that is none.
    pub fn passed(&self) -> Passed {
        *self.common.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the lines of calls that are still up, flushes the record and ends the thread.
    pub fn stop(mut self) -> Summary {
        self.end();
        self.summary()
    }

    fn end(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.common.stopping.store(true, Ordering::Release);
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "The simulated carrier cannot be woken to stop");
            return;
        }
        if thread.join().is_err() {
            tracing::error!("The simulated carrier's thread panicked; its record is incomplete");
        }
    }
}

impl Drop for SimCarrier {
    fn drop(&mut self) {
        self.end();
    }
}

struct Thread {
    poll: Poll,
    sip: UdpSocket,
    media: UdpSocket,
    exchange: Exchange,
    line: Option<Impaired>,
    /// What the socket had no room for; it goes first when there is room again.
    unsent: Option<Transmit>,
    began: Instant,
    buffer: Vec<u8>,
    common: Arc<Common>,
}

impl Thread {
    fn run(mut self) {
        let mut events = Events::with_capacity(8);
        while !self.common.stopping.load(Ordering::Acquire) {
            let line_due = self.line.as_ref().and_then(Impaired::next_at).map(Time::from_origin);
            let due = [self.exchange.wake_at(), line_due].into_iter().flatten().min();
            let timeout = due.map(|at| {
                // Rounded up to what the poll can wait, or it would spin until then.
                at.since(self.now()).max(Duration::from_micros(500))
            });
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    tracing::error!(%error, "The simulated carrier cannot wait for its sockets");
                    break;
                }
            }
            // Whatever woke us: both sockets are drained, which also covers an edge that was lost.
            self.receive_signals();
            self.receive_audio();
            let now = self.now();
            let (media, line, began) = (&self.media, &mut self.line, self.began);
            self.exchange.wake(now, |to, packet| match line {
                Some(line) => line.audio.back.take(began.elapsed(), to, packet),
                None => {
                    // A packet that the socket has no room for is late already.
                    let _ = media.send_to(packet, to);
                }
            });
            self.send_signals();
            self.deliver();
            self.publish(self.exchange.summary());
        }
        // What came before the end was asked for belongs into the record.
        self.receive_signals();
        self.receive_audio();
        let summary = self.exchange.close();
        self.publish(summary);
    }

    fn now(&self) -> Time {
        Time::from_origin(self.began.elapsed())
    }

    fn publish(&self, summary: Summary) {
        if let Some(line) = &self.line {
            *self.common.passed.lock().unwrap_or_else(PoisonError::into_inner) = line.passed();
        }
        *self.common.summary.lock().unwrap_or_else(PoisonError::into_inner) = summary;
    }

    fn receive_signals(&mut self) {
        while let Some((length, from)) = receive(&self.sip, &mut self.buffer) {
            let (now, bytes) = (self.began.elapsed(), &self.buffer[..length]);
            match &mut self.line {
                Some(line) => line.signals.there.take(now, from, bytes),
                None => {
                    self.exchange.signal(Time::from_origin(now), Peer::udp(from), bytes);
                    self.send_signals();
                }
            }
        }
    }

    fn receive_audio(&mut self) {
        while let Some((length, from)) = receive(&self.media, &mut self.buffer) {
            let (now, bytes) = (self.began.elapsed(), &self.buffer[..length]);
            match &mut self.line {
                Some(line) => line.audio.there.take(now, from, bytes),
                None => self.exchange.audio(Time::from_origin(now), from, bytes),
            }
        }
    }

    /// Hands on what was on a bad line for long enough, in both directions.
    fn deliver(&mut self) {
        let now = self.began.elapsed();
        while let Some((from, bytes)) = self.of_line(now, |line| &mut line.signals.there) {
            self.exchange.signal(Time::from_origin(now), Peer::udp(from), &bytes);
            self.send_signals();
        }
        while let Some((from, bytes)) = self.of_line(now, |line| &mut line.audio.there) {
            self.exchange.audio(Time::from_origin(now), from, &bytes);
        }
        while let Some((to, bytes)) = self.of_line(now, |line| &mut line.signals.back) {
            // What does not get through is one more loss.
            let _ = self.sip.send_to(&bytes, to);
        }
        while let Some((to, bytes)) = self.of_line(now, |line| &mut line.audio.back) {
            let _ = self.media.send_to(&bytes, to);
        }
    }

    fn of_line(
        &mut self,
        now: Duration,
        way: impl Fn(&mut Impaired) -> &mut Transit<SocketAddr>,
    ) -> Option<(SocketAddr, Arc<[u8]>)> {
        let way = way(self.line.as_mut()?);
        let due = way.due(now)?;
        way.handed_on(true);
        Some(due)
    }

    fn send_signals(&mut self) {
        while let Some(transmit) = self.unsent.take().or_else(|| self.exchange.transmit()) {
            if let Some(line) = &mut self.line {
                line.signals.back.take(self.began.elapsed(), transmit.to.addr, &transmit.bytes);
                continue;
            }
            match self.sip.send_to(&transmit.bytes, transmit.to.addr) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.unsent = Some(transmit);
                    return;
                }
                // Retransmissions and timers deal with what did not get through.
                Ok(_) | Err(_) => {}
            }
        }
    }
}

/// The next datagram; errors of earlier sends that the socket reports here are skipped.
pub(crate) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
    for _ in 0..16 {
        match socket.recv_from(buffer) {
            Ok(received) => return Some(received),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(_) => {}
        }
    }
    None
}

pub(crate) fn bind(addr: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    // The kernel may give less than was asked for; that is no reason not to start.
    let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(BUFFER_BYTES);
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    Ok(UdpSocket::from_std(socket.into()))
}

/// An address that can stand in Contact and SDP: bound to all, the one of the way out.
fn reachable(ip: IpAddr) -> IpAddr {
    if !ip.is_unspecified() {
        return ip;
    }
    let far: IpAddr = match ip {
        IpAddr::V4(_) => Ipv4Addr::new(192, 0, 2, 1).into(),
        IpAddr::V6(_) => Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, 1).into(),
    };
    // Connecting a UDP socket sends nothing; it only asks the routing table.
    let route = std::net::UdpSocket::bind((ip, 0))
        .and_then(|socket| socket.connect((far, 9)).and_then(|()| socket.local_addr()));
    route.map_or(Ipv4Addr::LOCALHOST.into(), |addr| addr.ip())
}

/// Unlike the phones' fates, branches and tags must not repeat themselves in the next process.
fn secret() -> [u8; 32] {
    let mut secret = [0; 32];
    for chunk in secret.chunks_exact_mut(8) {
        // Each hasher of the standard library has random keys of its own.
        chunk.copy_from_slice(&RandomState::new().hash_one("carrier").to_le_bytes());
    }
    secret
}
