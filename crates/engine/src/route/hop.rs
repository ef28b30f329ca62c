//! Where carriers are, and who we are to them.

use std::{
    collections::HashMap,
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    time::Duration,
};

use campanile_domain::carrier::CarrierSettings;
use tokio::time::Instant;

/// How long an address is used without asking again. `getaddrinfo` does not tell the
/// time to live of a record, and failover by DNS uses a minute.
const FRESH: Duration = Duration::from_secs(60);
/// How long an old address serves while the name cannot be looked up.
const STALE: Duration = Duration::from_secs(3_600);
/// How long a name that did not resolve is not asked for again.
const FAILED: Duration = Duration::from_secs(5);
/// How long one look-up may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The next hop of a carrier: a host, by name or address, and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Hop {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Hop {
    /// The outbound proxy of a carrier, or its own host and port.
    pub(super) fn of(settings: &CarrierSettings) -> Result<Self, String> {
        let Some(proxy) = settings.outbound_proxy.as_deref().filter(|proxy| !proxy.is_empty())
        else {
            return Ok(Self { host: bare(&settings.host).to_owned(), port: settings.port });
        };
        if let Ok(addr) = proxy.parse::<SocketAddr>() {
            return Ok(Self { host: addr.ip().to_string(), port: addr.port() });
        }
        let wrong = || format!("the outbound proxy `{proxy}` is not a host or host:port");
        let (host, port) = match proxy.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') => (host, port.parse().map_err(|_| wrong())?),
            _ => (bare(proxy), 5060),
        };
        if host.is_empty() {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port })
    }

    /// Looks the name up: the first address that the system prefers among those that a
    /// socket of our family reaches.
    pub(super) async fn resolve(self, family: Family) -> Result<SocketAddr, String> {
        let Self { host, port } = &self;
        let lookup =
            tokio::time::timeout(PATIENCE, tokio::net::lookup_host((host.as_str(), *port)));
        match lookup.await {
            Ok(Ok(mut found)) => found
                .find(|address| Family::of(*address) == family)
                .ok_or_else(|| format!("the carrier's host `{host}` has no {family} address")),
            Ok(Err(error)) => Err(format!("the carrier's host `{host}` does not resolve: {error}")),
            Err(_) => Err(format!("the carrier's host `{host}` was not resolved in time")),
        }
    }
}

/// The two kinds of addresses: a socket of one does not reach the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) fn of(address: SocketAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

fn bare(host: &str) -> &str {
    host.trim().trim_start_matches('[').trim_end_matches(']')
}

/// The addresses of names that were looked up.
#[derive(Debug, Default)]
pub(super) struct AddressBook {
    entries: HashMap<Hop, Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    address: Option<(SocketAddr, Instant)>,
    failed: Option<(String, Instant)>,
}

/// What is known of a hop without asking.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Its address.
    Is(SocketAddr),
    /// It did not resolve a moment ago.
    Not(String),
    /// It has to be looked up.
    Unasked,
}

impl AddressBook {
    pub(super) fn look_up(&self, hop: &Hop) -> Known {
        if let Ok(ip) = hop.host.parse::<IpAddr>() {
            return Known::Is(SocketAddr::new(ip, hop.port));
        }
        let Some(entry) = self.entries.get(hop) else { return Known::Unasked };
        let failed = entry.failed.as_ref().filter(|(_, at)| at.elapsed() < FAILED);
        match (entry.address, failed) {
            (Some((address, at)), _) if at.elapsed() < FRESH => Known::Is(address),
            (Some((address, at)), Some(_)) if at.elapsed() < STALE => Known::Is(address),
            (_, Some((why, _))) => Known::Not(why.clone()),
            (_, None) => Known::Unasked,
        }
    }

    /// Notes the answer of a look-up and gives what to use.
    pub(super) fn note(
        &mut self,
        hop: &Hop,
        answer: Result<SocketAddr, String>,
    ) -> Result<SocketAddr, String> {
        let now = Instant::now();
        let entry =
            self.entries.entry(hop.clone()).or_insert(Entry { address: None, failed: None });
        match answer {
            Ok(address) => *entry = Entry { address: Some((address, now)), failed: None },
            Err(why) => entry.failed = Some((why, now)),
        }
        match self.look_up(hop) {
            Known::Is(address) => Ok(address),
            Known::Not(why) => Err(why),
            Known::Unasked => Err("the carrier's address is not known".into()),
        }
    }
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
    use serde_json::json;

    use super::*;

    fn hop_of(host: &str, proxy: Option<&str>) -> Result<String, String> {
        let settings = json!({"name": "A", "host": host, "port": 5070, "cps": 1, "channels": 1,
            "outbound_proxy": proxy});
        let settings: CarrierSettings = serde_json::from_value(settings).unwrap();
        Hop::of(&settings).map(|hop| format!("{} {}", hop.host, hop.port))
    }

    #[test]
    fn the_next_hop_is_the_proxy_where_there_is_one() {
        assert_eq!(hop_of("sip.example", None).unwrap(), "sip.example 5070");
        assert_eq!(hop_of("[2001:db8::1]", None).unwrap(), "2001:db8::1 5070");
        assert_eq!(hop_of("sip.example", Some("")).unwrap(), "sip.example 5070");
        assert_eq!(
            hop_of("sip.example", Some("proxy.example:5080")).unwrap(),
            "proxy.example 5080"
        );
        assert_eq!(hop_of("sip.example", Some("proxy.example")).unwrap(), "proxy.example 5060");
        assert_eq!(hop_of("sip.example", Some("10.0.0.9:5080")).unwrap(), "10.0.0.9 5080");
        assert_eq!(hop_of("sip.example", Some("[2001:db8::9]:5080")).unwrap(), "2001:db8::9 5080");
        assert!(hop_of("sip.example", Some("proxy.example:many")).is_err());
        assert!(hop_of("sip.example", Some(":5060")).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_is_fresh_for_a_minute_and_serves_longer_when_dns_is_down() {
        let hop = Hop { host: "sip.example".into(), port: 5060 };
        let address = "10.0.0.1:5060".parse().unwrap();
        let mut book = AddressBook::default();
        assert_eq!(book.look_up(&hop), Known::Unasked);
        assert_eq!(book.note(&hop, Err("no".into())), Err("no".into()));
        assert_eq!(book.look_up(&hop), Known::Not("no".into()));
        tokio::time::advance(FAILED).await;
        assert_eq!(book.look_up(&hop), Known::Unasked);
        assert_eq!(book.note(&hop, Ok(address)), Ok(address));
        tokio::time::advance(FRESH).await;
        assert_eq!(book.look_up(&hop), Known::Unasked);
        assert_eq!(book.note(&hop, Err("down".into())), Ok(address));
        assert_eq!(book.look_up(&hop), Known::Is(address));
        tokio::time::advance(STALE).await;
        assert_eq!(book.note(&hop, Err("down".into())), Err("down".into()));
    }

    #[tokio::test]
    async fn a_name_is_resolved_to_the_family_of_our_socket() {
        let hop = Hop { host: "localhost".into(), port: 5060 };
        let found = hop.resolve(Family::V4).await.unwrap();
        assert_eq!(found, "127.0.0.1:5060".parse().unwrap());
    }

    #[test]
    fn we_are_loopback_to_loopback() {
        let ip = local_ip("127.0.0.1:9".parse().unwrap()).unwrap();
        assert!(ip.is_loopback());
    }
}
