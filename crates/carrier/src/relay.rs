//! A bad line: a UDP relay in front of somebody, with loss, delay, reordering and duplication
//! from a seed.
//!
//! Whoever sends to it is given a socket of its own towards the far side, as a NAT would do; the
//! far side sees one address for each of them and answers to that. It does not look into what it
//! relays, so it serves SIP and RTP alike.

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, Waker, net::UdpSocket};
use serde::Serialize;

use crate::{
    carrier::{bind, receive},
    impairment::Impairment,
    transit::{Counts, Transit},
};

/// Callers at once; the one that was silent for longest gives way.
const CALLERS_MAX: usize = 1_024;
const DATAGRAM_MAX: usize = 65_535;

const NEAR: Token = Token(0);
const STOP: Token = Token(1);
/// The far sockets of callers count from here.
const FAR: usize = 2;

/// A running relay. Dropping it stops it.
pub struct Relay {
    addr: SocketAddr,
    waker: Waker,
    common: Arc<Common>,
    thread: Option<JoinHandle<()>>,
}

/// A relay that has its address and does not relay yet: what it stands in front of may have to
/// know the address first.
pub struct BoundRelay {
    near: UdpSocket,
    addr: SocketAddr,
}

/// What a relay did, in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Relayed {
    /// From the callers to the far side.
    pub there: Counts,
    /// From the far side to the callers.
    pub back: Counts,
}

#[derive(Default)]
struct Common {
    stopping: AtomicBool,
    relayed: Mutex<Relayed>,
}

impl BoundRelay {
    /// Where callers send to.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Begins to relay to `target`. Each direction draws its own luck from `seed`. An impairment
    /// with a chance that is none is an error of the kind `InvalidInput`.
    pub fn start(
        self,
        target: SocketAddr,
        there: Impairment,
        back: Impairment,
        seed: u64,
    ) -> io::Result<Relay> {
        for impairment in [there, back] {
            let checked = impairment.check();
            checked.map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?;
        }
        let Self { mut near, addr } = self;
        let poll = Poll::new()?;
        poll.registry().register(&mut near, NEAR, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), STOP)?;
        let common = Arc::new(Common::default());
        let thread = Thread {
            poll,
            near,
            target,
            callers: Vec::new(),
            by_addr: HashMap::new(),
            there: Transit::new(there, seed),
            back: Transit::new(back, !seed),
            began: Instant::now(),
            buffer: vec![0; DATAGRAM_MAX],
            common: Arc::clone(&common),
        };
        let thread =
            std::thread::Builder::new().name("relay".to_owned()).spawn(move || thread.run())?;
        Ok(Relay { addr, waker, common, thread: Some(thread) })
    }
}

impl Relay {
    /// Opens the socket that callers send to, on a free port of `ip`.
    pub fn bind(ip: IpAddr) -> io::Result<BoundRelay> {
        let near = bind(SocketAddr::new(ip, 0))?;
        let addr = near.local_addr()?;
        Ok(BoundRelay { near, addr })
    }

    /// Where callers send to.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it did until now.
    pub fn relayed(&self) -> Relayed {
        *self.common.relayed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends it; what was on the way does not arrive any more.
    pub fn stop(mut self) -> Relayed {
        self.end();
        self.relayed()
    }

    fn end(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.common.stopping.store(true, Ordering::Release);
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "The relay cannot be woken to stop");
            return;
        }
        if thread.join().is_err() {
            tracing::error!("The relay's thread panicked");
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.end();
    }
}

/// Somebody who sent to us, and the socket that stands for it on the far side.
struct Caller {
    addr: SocketAddr,
    socket: UdpSocket,
    last_heard: Duration,
}

struct Thread {
    poll: Poll,
    near: UdpSocket,
    target: SocketAddr,
    callers: Vec<Caller>,
    by_addr: HashMap<SocketAddr, usize>,
    /// From whom, by the number of the caller.
    there: Transit<usize>,
    /// For whom.
    back: Transit<usize>,
    began: Instant,
    buffer: Vec<u8>,
    common: Arc<Common>,
}

impl Thread {
    fn run(mut self) {
        let mut events = Events::with_capacity(256);
        let mut readable = VecDeque::new();
        while !self.common.stopping.load(Ordering::Acquire) {
            let now = self.began.elapsed();
            let next = [self.there.next_at(), self.back.next_at()].into_iter().flatten().min();
            let next = next.map(|at| at.saturating_sub(now));
            // Rounded up to what the poll can wait, or it would spin until then.
            let timeout = next.map(|wait| wait.max(Duration::from_micros(500)));
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    tracing::error!(%error, "The relay cannot wait for its sockets");
                    break;
                }
            }
            readable.extend(events.iter().map(|event| event.token()));
            while let Some(token) = readable.pop_front() {
                match token {
                    STOP => {}
                    NEAR => self.receive_near(),
                    Token(far) => self.receive_far(far - FAR),
                }
            }
            self.deliver();
            *self.common.relayed.lock().unwrap_or_else(PoisonError::into_inner) =
                Relayed { there: self.there.counts, back: self.back.counts };
        }
    }

    fn receive_near(&mut self) {
        while let Some((length, from)) = receive(&self.near, &mut self.buffer) {
            let now = self.began.elapsed();
            match self.caller(from, now) {
                Ok(caller) => self.there.take(now, caller, &self.buffer[..length]),
                Err(error) => {
                    tracing::warn!(%error, "The relay has no socket for another caller");
                    self.there.counts.came += 1;
                    self.there.counts.dropped += 1;
                }
            }
        }
    }

    fn receive_far(&mut self, caller: usize) {
        while let Some((length, from)) = receive(&self.callers[caller].socket, &mut self.buffer) {
            // The far side may speak from another port; from another machine it is a stranger.
            if from.ip() == self.target.ip() {
                self.back.take(self.began.elapsed(), caller, &self.buffer[..length]);
            }
        }
    }

    /// The caller with this address; a new one gets a socket, if need be that of another.
    fn caller(&mut self, addr: SocketAddr, now: Duration) -> io::Result<usize> {
        if let Some(index) = self.by_addr.get(&addr).copied() {
            self.callers[index].last_heard = now;
            return Ok(index);
        }
        let mut socket = bind(SocketAddr::new(self.near.local_addr()?.ip(), 0))?;
        let oldest = if self.callers.len() < CALLERS_MAX {
            None
        } else {
            (0..self.callers.len()).min_by_key(|index| self.callers[*index].last_heard)
        };
        let index = oldest.unwrap_or(self.callers.len());
        self.poll.registry().register(&mut socket, Token(FAR + index), Interest::READABLE)?;
        let caller = Caller { addr, socket, last_heard: now };
        match self.callers.get_mut(index) {
            Some(place) => {
                let before = std::mem::replace(place, caller);
                self.by_addr.remove(&before.addr);
            }
            None => self.callers.push(caller),
        }
        self.by_addr.insert(addr, index);
        Ok(index)
    }

    fn deliver(&mut self) {
        let now = self.began.elapsed();
        while let Some((caller, bytes)) = self.there.due(now) {
            let sent = self.callers[caller].socket.send_to(&bytes, self.target);
            self.there.handed_on(sent.is_ok());
        }
        while let Some((caller, bytes)) = self.back.due(now) {
            let sent = self.near.send_to(&bytes, self.callers[caller].addr);
            self.back.handed_on(sent.is_ok());
        }
    }
}
