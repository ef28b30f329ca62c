//! Finds out that nobody listens at a carrier's address.
//!
//! A socket that speaks to many peers is not told of ICMP errors. So a carrier that was
//! called and has said nothing for a second is sent an empty line (a keep-alive of RFC
//! 5626 3.5.1, which every SIP stack ignores) from a socket that speaks to it alone and
//! is told. Without an error nothing follows: Timer B decides.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use campanile_wire::time::Time;
use mio::{Interest, Registry, net::UdpSocket};

use super::PROBES;

/// How long a carrier may be silent after a call before it is probed: two INVITEs.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long one is listened to for an error.
const LISTEN: Duration = Duration::from_secs(2);
/// Not a real limit: a machine has a handful of carriers.
const PEERS_MAX: usize = 256;

/// Carriers that were called and have not answered yet.
pub(super) struct Probes {
    peers: HashMap<SocketAddr, Probe>,
}

enum Probe {
    /// Called; not probed before then.
    Waiting(Time),
    /// Probed; nothing more is expected after then.
    Listening(UdpSocket, Time),
}

impl Probes {
    pub(super) fn new() -> Self {
        Self { peers: HashMap::new() }
    }

    /// An INVITE went to a peer.
    pub(super) fn called(&mut self, peer: SocketAddr, now: Time) {
        if self.peers.len() < PEERS_MAX {
            self.peers.entry(peer).or_insert(Probe::Waiting(now + PATIENCE));
        }
    }

    /// A peer said something: it lives.
    pub(super) fn heard(&mut self, peer: SocketAddr) {
        if !self.peers.is_empty() {
            self.peers.remove(&peer);
        }
    }

    /// When to turn next.
    pub(super) fn next(&self) -> Option<Time> {
        self.peers.values().map(Probe::at).min()
    }

    /// Probes the peers whose time has come; gives those known to be unreachable.
    pub(super) fn turn(&mut self, now: Time, registry: &Registry) -> Vec<SocketAddr> {
        let due = self.peers.iter().filter(|(_, probe)| probe.at() <= now);
        let due: Vec<SocketAddr> = due.map(|(peer, _)| *peer).collect();
        let mut unreachable = Vec::new();
        for peer in due {
            if let Some(Probe::Waiting(_)) = self.peers.remove(&peer) {
                match probe(peer, registry) {
                    Ok(socket) => {
                        self.peers.insert(peer, Probe::Listening(socket, now + LISTEN));
                    }
                    Err(error) if is_unreachable(&error) => unreachable.push(peer),
                    Err(error) => tracing::warn!(%error, %peer, "A carrier cannot be probed"),
                }
            }
        }
        unreachable
    }

    /// A probe was told something: gives the peers that it says are unreachable.
    pub(super) fn ready(&mut self, registry: &Registry) -> Vec<SocketAddr> {
        let mut unreachable = Vec::new();
        let mut over = Vec::new();
        for (peer, probe) in &mut self.peers {
            let Probe::Listening(socket, _) = probe else { continue };
            match socket.recv(&mut [0; 64]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    if is_unreachable(&error) {
                        unreachable.push(*peer);
                    }
                    over.push(*peer);
                }
                Ok(_) => over.push(*peer),
            }
        }
        for peer in over {
            if let Some(Probe::Listening(mut socket, _)) = self.peers.remove(&peer)
                && let Err(error) = registry.deregister(&mut socket)
            {
                tracing::debug!(%error, "A probe was not watched");
            }
        }
        unreachable
    }
}

impl Probe {
    fn at(&self) -> Time {
        match self {
            Self::Waiting(at) | Self::Listening(_, at) => *at,
        }
    }
}

fn probe(peer: SocketAddr, registry: &Registry) -> io::Result<UdpSocket> {
    let any: IpAddr = match peer {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let mut socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    socket.connect(peer)?;
    socket.send(b"\r\n\r\n")?;
    registry.register(&mut socket, PROBES, Interest::READABLE)?;
    Ok(socket)
}

fn is_unreachable(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
    )
}

#[cfg(test)]
mod tests {
    use mio::{Events, Poll};

    use super::*;

    /// Calls `peer` and watches until the probe has said what it knows.
    fn verdict(peer: SocketAddr) -> Vec<SocketAddr> {
        let mut poll = Poll::new().unwrap();
        let mut probes = Probes::new();
        probes.called(peer, Time::ZERO);
        assert_eq!(probes.next(), Some(Time(1_000_000)));
        let mut unreachable = probes.turn(Time(1_000_000), poll.registry());
        poll.poll(&mut Events::with_capacity(4), Some(Duration::from_millis(300))).unwrap();
        unreachable.extend(probes.ready(poll.registry()));
        probes.turn(Time(9_000_000), poll.registry());
        assert_eq!(probes.next(), None, "nothing is left behind");
        unreachable
    }

    #[test]
    fn a_closed_port_is_found_out_and_an_open_one_is_not_accused() {
        let open = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let open_addr = open.local_addr().unwrap();
        assert_eq!(verdict(open_addr), []);
        drop(open);
        assert_eq!(verdict(open_addr), [open_addr]);
    }

    #[test]
    fn a_carrier_that_answers_is_not_probed() {
        let mut probes = Probes::new();
        let peer = "127.0.0.1:9".parse().unwrap();
        probes.called(peer, Time::ZERO);
        probes.heard(peer);
        assert_eq!(probes.next(), None);
    }
}
