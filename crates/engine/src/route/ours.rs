//! Who we are to a carrier: the address in Contact, Via and SDP.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

use crate::config::PublicAddress;

/// The address that `peer` is told to send to. A public address serves its own family;
/// the other one has the address of the route.
pub(super) fn address_towards(
    peer: SocketAddr,
    public: PublicAddress,
    sip: SocketAddr,
) -> Result<SocketAddr, String> {
    let ip = match public {
        PublicAddress::Ip(ip) if ip.is_ipv4() == peer.is_ipv4() => ip,
        _ if !sip.ip().is_unspecified() => sip.ip(),
        _ => local_ip(peer)
            .map_err(|error| format!("there is no route to the carrier at {peer}: {error}"))?,
    };
    Ok(SocketAddr::new(ip, sip.port()))
}

/// The local address of the route to `peer`: what it sees as our source, unless a NAT
/// lies between.
pub(crate) fn local_ip(peer: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = match peer {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    // Sends nothing: it only chooses the route.
    socket.connect(peer)?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn towards(peer: &str, public: PublicAddress, sip: &str) -> String {
        let (peer, sip) = (peer.parse().unwrap(), sip.parse().unwrap());
        address_towards(peer, public, sip).unwrap().to_string()
    }

    #[test]
    fn we_are_loopback_to_loopback() {
        assert_eq!(towards("127.0.0.1:9", PublicAddress::Auto, "0.0.0.0:5060"), "127.0.0.1:5060");
        assert_eq!(towards("127.0.0.1:9", PublicAddress::Auto, "[::]:5060"), "127.0.0.1:5060");
    }

    #[test]
    fn a_public_address_is_told_to_carriers_of_its_family_only() {
        let public = PublicAddress::Ip([203, 0, 113, 7].into());
        assert_eq!(towards("127.0.0.1:9", public, "[::]:5060"), "203.0.113.7:5060");
        assert_eq!(towards("127.0.0.1:9", public, "0.0.0.0:5060"), "203.0.113.7:5060");
        assert_eq!(towards("[2001:db8::9]:5060", public, "[::1]:5060"), "[::1]:5060");
    }
}
