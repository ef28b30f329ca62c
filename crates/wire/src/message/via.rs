//! Via: the way back (RFC 3261 20.42, RFC 3581).

use std::net::SocketAddr;

use super::{header::params, uri::host_port_of};
use crate::ua::Peer;

/// The topmost Via of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Via<'m> {
    /// Who sent it, by its own account.
    pub host: &'m str,
    /// Its port, when it gave one.
    pub port: Option<u16>,
    /// The transaction.
    pub branch: Option<&'m str>,
    /// The sender wants the answer where the request came from.
    pub rport: bool,
}

impl<'m> Via<'m> {
    /// Takes `SIP/2.0/UDP host:port;params` apart, with spaces wherever the grammar lets them be.
    pub fn parse(value: &'m [u8]) -> Option<Self> {
        let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
        let sent = str::from_utf8(&value[..end]).ok()?;
        let mut protocol = sent.splitn(3, '/');
        let (sip, version, rest) = (protocol.next()?, protocol.next()?, protocol.next()?);
        if !sip.trim().eq_ignore_ascii_case("SIP") || version.trim() != "2.0" {
            return None;
        }
        let (_transport, sent_by) = rest.trim().split_once([' ', '\t'])?;
        let (host, port) = host_port_of(sent_by.trim())?;
        if host.is_empty() {
            return None;
        }
        let mut via = Self { host, port, branch: None, rport: false };
        for (name, said) in params(&value[end..]) {
            if name.eq_ignore_ascii_case(b"branch") {
                let branch = str::from_utf8(said.unwrap_or_default()).ok();
                via.branch = via.branch.or(branch);
            } else if name.eq_ignore_ascii_case(b"rport") {
                via.rport = true;
            }
        }
        Some(via)
    }

    /// Where the answer to a request that came from `from` goes (RFC 3261 18.2.2, RFC 3581 4):
    /// over a connection, back on it.
    pub fn answer_to(&self, from: Peer) -> Peer {
        if self.rport || from.transport.is_reliable() {
            return from;
        }
        let port = self.port.unwrap_or(from.transport.default_port());
        Peer { addr: SocketAddr::new(from.addr.ip(), port), ..from }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_via_is_read_with_spaces_in_odd_places() {
        let via =
            Via::parse(b"SIP  / 2.0  / UDP  192.0.2.2 : 5070 ; ttl=1 ;branch = z9hG4bKx ; rport")
                .unwrap();
        assert_eq!((via.host, via.port), ("192.0.2.2", Some(5070)));
        assert_eq!((via.branch, via.rport), (Some("z9hG4bKx"), true));
        for broken in ["", "SIP/2.0/UDP", "SIP/3.0/UDP h", "HTTP/2.0/UDP h", "SIP/2.0/UDP h:x"] {
            assert_eq!(Via::parse(broken.as_bytes()), None, "{broken}");
        }
    }

    #[test]
    fn the_answer_goes_where_rport_or_the_via_say() {
        let from = Peer::udp("203.0.113.5:40000".parse().unwrap());
        let to = |via: &[u8]| Via::parse(via).unwrap().answer_to(from).to_string();
        assert_eq!(to(b"SIP/2.0/UDP 10.0.0.1:5080;branch=1"), "203.0.113.5:5080");
        assert_eq!(to(b"SIP/2.0/UDP 10.0.0.1:5080;branch=1;rport"), "203.0.113.5:40000");
        assert_eq!(to(b"SIP/2.0/UDP host"), "203.0.113.5:5060");
    }
}
