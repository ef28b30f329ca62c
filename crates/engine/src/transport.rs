//! Connections to carriers: SIP over TCP and TLS (RFC 3261 18).
//!
//! The SIP thread owns them as it owns its calls. The sockets are non-blocking and TLS is a state
//! machine, so a far end that is slow to connect, to prove who it is, to read or to finish a
//! message costs the others nothing. There is one connection to an address, used by all calls
//! through it, made when there is something to send and again after it broke; calls outlive it.

mod channel;
mod link;
mod queue;
mod tls;

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use campanile_wire::{
    time::Time,
    ua::{Peer, Transmit, Transport},
};
use mio::{
    Interest, Registry, Token,
    net::{TcpListener, TcpStream},
};
use rustls::ClientConnection;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::watch;

use self::{
    channel::Channel,
    link::{Fate, Link},
};
pub(crate) use tls::Tls;

/// Far ends that we connect to; a machine has a handful of carriers.
const OURS_MAX: usize = 128;
/// Connections that far ends made; those beyond are closed at once.
const THEIRS_MAX: usize = 128;
/// Of them, from one address: no stranger takes all.
const THEIRS_A_SOURCE_MAX: usize = 8;
/// Read at once.
const BUFFER_BYTES: usize = 16 * 1024;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// How it stands with a carrier's connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// The carrier's host, as configured.
    pub host: Arc<str>,
    /// Over what, and where.
    pub peer: Peer,
    /// Whether messages pass.
    pub up: bool,
    /// Why there is no connection, for an operator. Stays until there is one again.
    pub trouble: Option<Arc<str>>,
}

/// What became of messages to a far end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// No connection came about: none of them left.
    Unconnected(Peer),
    /// No connection lasts, or the far end takes nothing: some of them may have arrived.
    Unreachable(Peer),
    /// The connection broke: what arrived is not known.
    Broken(Peer),
}

/// See the module.
pub(crate) struct Links {
    links: Vec<Option<Link>>,
    vacant: Vec<usize>,
    places: HashMap<Peer, usize>,
    /// Links that have something to write or left to read.
    busy: Vec<usize>,
    losses: VecDeque<Loss>,
    tls: Tls,
    /// Where connections come from, when it matters.
    local: Option<IpAddr>,
    listener: Option<TcpListener>,
    registry: Registry,
    first_token: usize,
    buffer: Box<[u8]>,
    told: watch::Sender<Vec<Connection>>,
    news: bool,
}

impl Links {
    /// None yet. Sockets are registered with tokens from `first_token` on; how the connections
    /// stand is told through `told`.
    pub(crate) fn new(
        tls: Tls,
        local: IpAddr,
        registry: Registry,
        first_token: usize,
        told: watch::Sender<Vec<Connection>>,
    ) -> Self {
        Self {
            links: Vec::new(),
            vacant: Vec::new(),
            places: HashMap::new(),
            busy: Vec::new(),
            losses: VecDeque::new(),
            tls,
            local: Some(local).filter(|ip| !ip.is_unspecified()),
            listener: None,
            registry,
            first_token,
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            told,
            news: false,
        }
    }

    /// Takes connections of far ends too; its readiness comes with `token`. Gives its address.
    pub(crate) fn listen(
        &mut self,
        mut listener: TcpListener,
        token: Token,
    ) -> io::Result<SocketAddr> {
        self.registry.register(&mut listener, token, Interest::READABLE)?;
        let address = listener.local_addr()?;
        self.listener = Some(listener);
        Ok(address)
    }

    /// The port that far ends connect to, when they may.
    pub(crate) fn port(&self) -> Option<u16> {
        Some(self.listener.as_ref()?.local_addr().ok()?.port())
    }

    /// Says what the carrier at `peer` is called, before anything is sent to it. An error, for an
    /// operator, when the far end of the connection that stands may not be called so.
    pub(crate) fn name(&mut self, peer: Peer, host: &Arc<str>, now: Time) -> Result<(), String> {
        let place = || tls::place(host, peer);
        let known = self.places.get(&peer).and_then(|index| self.links[*index].as_mut());
        match known {
            Some(link) => link
                .is_for(host, &self.tls)
                .map_err(|why| format!("no connection to {}: {why}", place())),
            None => match self.insert(Link::new(peer, host.clone(), now)) {
                Some(_) => Ok(()),
                None => Err(format!("no connection to {}: there are too many", place())),
            },
        }
    }

    /// Takes a message to be sent; it goes with the next [`flush`](Self::flush).
    pub(crate) fn send(&mut self, transmit: Transmit, now: Time) {
        let Transmit { to, bytes } = transmit;
        let known = match self.places.get(&to) {
            Some(index) => Some(*index),
            // Answers go where the question came from, or nowhere (RFC 3261 18.2.2 would connect
            // to whatever Via says: a stranger would choose where to).
            None if bytes.starts_with(b"SIP/2.0 ") => None,
            None => self.insert(Link::new(to, to.addr.ip().to_string().into(), now)),
        };
        let Some(index) = known else { return };
        let Some(link) = self.links[index].as_mut() else { return };
        if link.send(bytes, now) {
            self.busy.push(index);
        } else if link.has_connection() {
            self.losses.push_back(Loss::Unreachable(to));
        } else {
            self.losses.push_back(Loss::Unconnected(to));
        }
    }

    /// What senders should know, one at a time; empty it after every call of the other methods.
    pub(crate) fn poll_loss(&mut self) -> Option<Loss> {
        self.losses.pop_front()
    }

    /// Why nothing reaches a far end, for an operator.
    pub(crate) fn trouble(&self, peer: Peer) -> Option<Arc<str>> {
        let link = self.links[*self.places.get(&peer)?].as_ref()?;
        link.trouble().cloned()
    }

    /// A socket is ready. What it brings is given to `hear`.
    pub(crate) fn ready(&mut self, token: Token, now: Time, mut hear: impl FnMut(Peer, &[u8])) {
        let index = token.0.wrapping_sub(self.first_token);
        self.turn(index, now, &mut hear);
    }

    /// Writes what is to be sent and reads what was left.
    pub(crate) fn flush(&mut self, now: Time, mut hear: impl FnMut(Peer, &[u8])) {
        for index in std::mem::take(&mut self.busy) {
            let Some(link) = self.links.get_mut(index).and_then(Option::as_mut) else { continue };
            if link.wants_opening(now) {
                self.open(index, now);
            } else if link.is_unread() {
                self.turn(index, now, &mut hear);
            } else {
                let fate = link.flush(now);
                self.settle(index, fate, now);
            }
        }
        self.tell();
    }

    /// Whether `flush` has something to do at once.
    pub(crate) fn is_busy(&self) -> bool {
        !self.busy.is_empty()
    }

    /// When to call `wake`. `needed`: calls are up, and their far ends may speak at any time.
    pub(crate) fn next(&self, needed: bool) -> Option<Time> {
        self.links.iter().flatten().filter_map(|link| link.next(needed)).min()
    }

    /// The time that `next` asked for has come. Too early does no harm.
    pub(crate) fn wake(&mut self, now: Time, needed: bool) {
        for index in 0..self.links.len() {
            let Some(link) = self.links[index].as_mut() else { continue };
            let fate = link.wake(now, needed);
            self.settle(index, fate, now);
            let Some(link) = self.links[index].as_mut() else { continue };
            if link.wants_opening(now) {
                self.open(index, now);
            } else if link.is_spent(now) {
                self.remove(index);
            }
        }
        self.tell();
    }

    /// Takes the connections that far ends made.
    pub(crate) fn accept(&mut self, now: Time) {
        loop {
            let Some(listener) = &self.listener else { return };
            match listener.accept() {
                Ok((socket, from)) => {
                    let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                    if let Err(error) = self.take(socket, from, now) {
                        tracing::debug!(%error, %from, "A connection was not taken");
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!(%error, "Connections cannot be taken");
                    return;
                }
            }
        }
    }

    /// Connections that stand or are being made.
    pub(crate) fn len(&self) -> usize {
        self.links.iter().flatten().filter(|link| link.has_connection()).count()
    }

    fn take(&mut self, socket: TcpStream, from: SocketAddr, now: Time) -> io::Result<()> {
        let theirs = || self.links.iter().flatten().filter(|link| link.is_theirs());
        let same = theirs().filter(|link| link.peer.addr.ip() == from.ip());
        let peer = Peer::tcp(from);
        if theirs().count() >= THEIRS_MAX
            || same.count() >= THEIRS_A_SOURCE_MAX
            || self.places.contains_key(&peer)
        {
            return Err(io::Error::other("there are too many"));
        }
        let channel = Channel::accepted(socket)?;
        let Some(index) = self.insert(Link::accepted(peer, channel, now)) else { return Ok(()) };
        self.watch(index)
    }

    fn turn(&mut self, index: usize, now: Time, hear: &mut dyn FnMut(Peer, &[u8])) {
        let Some(link) = self.links.get_mut(index).and_then(Option::as_mut) else { return };
        let fate = link.turn(now, &mut self.buffer, hear);
        if link.is_unread() {
            self.busy.push(index);
        }
        self.settle(index, fate, now);
    }

    fn open(&mut self, index: usize, now: Time) {
        let Some(link) = self.links[index].as_mut() else { return };
        let client: Result<Option<ClientConnection>, String> = match link.peer.transport {
            Transport::Tls => self.tls.client(&link.host).map(Some),
            Transport::Udp | Transport::Tcp => Ok(None),
        };
        let fate = match client {
            // Only the configuration can mend it.
            Err(why) => link.refuse(&why, true, now),
            Ok(client) => match Channel::connect(link.peer.addr, self.local, client) {
                Ok(channel) => {
                    link.opening(channel, now);
                    match self.watch(index) {
                        Ok(()) => Fate::Goes,
                        Err(error) => self.refuse(index, &error, now),
                    }
                }
                Err(error) => self.refuse(index, &error, now),
            },
        };
        self.settle(index, fate, now);
    }

    fn refuse(&mut self, index: usize, error: &io::Error, now: Time) -> Fate {
        match self.links[index].as_mut() {
            Some(link) => link.refuse(&link::in_words(error), false, now),
            None => Fate::Goes,
        }
    }

    fn watch(&mut self, index: usize) -> io::Result<()> {
        let token = Token(self.first_token + index);
        let Some(channel) = self.links[index].as_mut().and_then(Link::channel) else {
            return Ok(());
        };
        self.registry.register(channel.socket(), token, Interest::READABLE | Interest::WRITABLE)
    }

    fn settle(&mut self, index: usize, fate: Fate, now: Time) {
        self.news |= fate != Fate::Goes;
        let Some(link) = self.links[index].as_mut() else { return };
        match fate {
            Fate::Goes | Fate::Opened => {}
            Fate::Unconnected => self.losses.push_back(Loss::Unconnected(link.peer)),
            Fate::Unreachable => self.losses.push_back(Loss::Unreachable(link.peer)),
            Fate::Broken => self.losses.push_back(Loss::Broken(link.peer)),
            Fate::Closed if link.is_theirs() => self.remove(index),
            Fate::Closed => {}
        }
        let wanted = self.links[index].as_ref().is_some_and(|link| link.wants_opening(now));
        if wanted {
            self.busy.push(index);
        }
    }

    /// `None` when there are too many, and none that could go.
    fn insert(&mut self, link: Link) -> Option<usize> {
        if !link.is_theirs() {
            let ours = || self.links.iter().flatten().filter(|link| !link.is_theirs());
            if ours().count() >= OURS_MAX {
                let idle = ours().filter(|link| !link.has_connection());
                let oldest = idle.min_by_key(|link| link.used()).map(|link| link.peer)?;
                let index = *self.places.get(&oldest)?;
                self.remove(index);
            }
        }
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.links.push(None);
            self.links.len() - 1
        });
        self.places.insert(link.peer, index);
        self.links[index] = Some(link);
        self.news = true;
        Some(index)
    }

    fn remove(&mut self, index: usize) {
        if let Some(link) = self.links[index].take() {
            self.places.remove(&link.peer);
            self.vacant.push(index);
            self.news = true;
        }
    }

    fn tell(&mut self) {
        if !std::mem::take(&mut self.news) {
            return;
        }
        let ours = self.links.iter().flatten().filter(|link| !link.is_theirs());
        let connections: Vec<_> = ours
            .map(|link| Connection {
                host: link.host.clone(),
                peer: link.peer,
                up: link.is_up(),
                trouble: link.trouble().cloned(),
            })
            .collect();
        self.told.send_if_modified(|told| {
            let news = *told != connections;
            *told = connections;
            news
        });
    }
}

/// A socket that takes connections of far ends at `address`.
pub(crate) fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart does not wait for connections of the process before.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

#[cfg(test)]
mod tests;
