//! Who a message goes to or came from: an address, and how it is reached.

use std::{fmt, net::SocketAddr};

/// How messages travel (RFC 3261 18).
///
/// A request stays on the transport it was placed with, however long it is: one of more than
/// 1,300 bytes does not move from UDP to TCP as RFC 3261 18.1.1 would have it, for carriers that
/// take UDP take it in fragments, and few of them listen on TCP as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Transport {
    /// A datagram a message; what is lost is sent again.
    #[default]
    Udp,
    /// A connection, on which nothing is sent again.
    Tcp,
    /// As TCP, inside TLS. A call that began on it never leaves it.
    Tls,
}

/// A transport and an address: the other end of a datagram or of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// How.
    pub transport: Transport,
    /// Where.
    pub addr: SocketAddr,
}

impl Transport {
    /// Whether nothing needs to be sent again (RFC 3261 17: Timers A, E and G do not run, and
    /// D, I, J and K are zero).
    pub fn is_reliable(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp | Self::Tls => true,
        }
    }

    /// The value of a URI's `transport` parameter (RFC 3261 19.1.1); `None` for others, such as
    /// `sctp` and `ws`.
    pub fn of_param(name: &str) -> Option<Self> {
        let all = [Self::Udp, Self::Tcp, Self::Tls];
        all.into_iter().find(|known| known.param().eq_ignore_ascii_case(name))
    }

    /// The port when a URI names none: 5060, or 5061 for TLS (RFC 3261 19.1.2).
    pub fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
        }
    }

    /// As Via says it: `UDP`, `TCP`, `TLS`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// As a URI says it.
    pub fn param(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

impl Peer {
    /// An address over UDP.
    pub const fn udp(addr: SocketAddr) -> Self {
        Self { transport: Transport::Udp, addr }
    }

    /// An address over TCP.
    pub const fn tcp(addr: SocketAddr) -> Self {
        Self { transport: Transport::Tcp, addr }
    }

    /// An address over TLS.
    pub const fn tls(addr: SocketAddr) -> Self {
        Self { transport: Transport::Tls, addr }
    }
}

impl fmt::Display for Peer {
    /// `192.0.2.1:5060`, and with a transport in front of it unless that is UDP.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.transport {
            Transport::Udp => write!(out, "{}", self.addr),
            other => write!(out, "{}:{}", other.param(), self.addr),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transport_is_named_as_its_uri_parameter() {
        for (written, transport) in [
            ("tcp", Some(Transport::Tcp)),
            ("TLS", Some(Transport::Tls)),
            ("Udp", Some(Transport::Udp)),
            ("sctp", None),
            ("", None),
        ] {
            assert_eq!(Transport::of_param(written), transport, "{written}");
        }
        let addr = "[2001:db8::1]:5061".parse().unwrap();
        assert_eq!(Peer::tls(addr).to_string(), "tls:[2001:db8::1]:5061");
        assert_eq!(Peer::udp(addr).to_string(), "[2001:db8::1]:5061");
    }
}
