//! The UDP socket of a shard, and what it had no room for.

use std::{collections::VecDeque, io, net::SocketAddr, time::Duration};

use campanile_wire::{
    time::Time,
    ua::{Peer, Transmit},
};
use mio::{Interest, Registry, Token, net::UdpSocket};

use super::{Parts, Shard};
use crate::clock::Now;

/// Datagrams read before commands and timers get their turn.
const BATCH: usize = 256;
/// The largest datagram there is: a cut SIP message would be a broken one.
const DATAGRAM_BYTES: usize = 65_535;
/// Datagrams that wait for a full socket; beyond, the oldest is left to be
/// retransmitted.
const UNSENT_MAX: usize = 4_096;
/// When those are tried again.
const UNSENT_RETRY: Duration = Duration::from_millis(2);

/// See the module.
pub(crate) struct Datagrams {
    socket: UdpSocket,
    unsent: VecDeque<Transmit>,
    buffer: Box<[u8]>,
    /// The socket had more to read than one batch.
    unfinished: bool,
}

impl Datagrams {
    pub(crate) fn new(socket: UdpSocket) -> Self {
        Self {
            socket,
            unsent: VecDeque::new(),
            buffer: vec![0; DATAGRAM_BYTES].into_boxed_slice(),
            unfinished: false,
        }
    }

    pub(super) fn watch(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.socket, token, Interest::READABLE | Interest::WRITABLE)
    }

    pub(super) fn is_unfinished(&self) -> bool {
        self.unfinished
    }

    /// When to `flush` again: the socket is not watched for room, which comes within moments.
    pub(super) fn retry(&self, now: Time) -> Option<Time> {
        (!self.unsent.is_empty()).then(|| now + UNSENT_RETRY)
    }

    /// The next datagram and who sent it; `None` when there is none.
    fn next(&mut self) -> Option<(SocketAddr, &[u8])> {
        loop {
            match self.socket.recv_from(&mut self.buffer) {
                Ok((bytes, from)) => {
                    // A socket of both families writes IPv4 addresses as IPv6 ones.
                    let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                    return Some((from, &self.buffer[..bytes]));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                // An ICMP error of an earlier datagram: says nothing of the next one.
                Err(_) => {}
            }
        }
    }

    /// An error says that nothing reaches the far end for now.
    pub(super) fn send(&mut self, transmit: Transmit) -> io::Result<()> {
        if !self.unsent.is_empty() {
            self.keep(transmit);
            return Ok(());
        }
        match self.socket.send_to(&transmit.bytes, transmit.to.addr) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.keep(transmit);
                Ok(())
            }
            Err(error) => {
                tracing::warn!(%error, to = %transmit.to, "A SIP message could not be sent");
                // No route, or a firewall of this machine; anything else may pass.
                match error.kind() {
                    io::ErrorKind::NetworkUnreachable
                    | io::ErrorKind::HostUnreachable
                    | io::ErrorKind::PermissionDenied => Err(error),
                    _ => Ok(()),
                }
            }
        }
    }

    /// Sends what the socket had no room for.
    pub(super) fn flush(&mut self) {
        while let Some(transmit) = self.unsent.front() {
            match self.socket.send_to(&transmit.bytes, transmit.to.addr) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Ok(_) | Err(_) => self.unsent.pop_front(),
            };
        }
    }

    fn keep(&mut self, transmit: Transmit) {
        if self.unsent.len() == UNSENT_MAX {
            self.unsent.pop_front();
        }
        self.unsent.push_back(transmit);
    }
}

impl Shard {
    /// Hears the datagrams that are there, up to a batch.
    pub(super) fn read(&mut self, now: Now) {
        self.parts.datagrams.unfinished = false;
        for _ in 0..BATCH {
            let Parts { datagrams, agent, .. } = &mut self.parts;
            let Some((from, bytes)) = datagrams.next() else { return };
            self.probes.heard(from);
            agent.handle_message(now.at, Peer::udp(from), bytes);
            self.drain(now);
        }
        self.parts.datagrams.unfinished = true;
    }
}
