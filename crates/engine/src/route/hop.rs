//! What a carrier's settings say about where it is.

use std::net::{IpAddr, SocketAddr};

use campanile_domain::carrier::{self, CarrierSettings};
use campanile_wire::{message::Uri, ua::Transport};

/// The next hop of a carrier: a host, by name or address, perhaps a port, and how SIP is
/// spoken there. What is looked up and cached goes by it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Hop {
    /// Without brackets.
    pub(super) host: String,
    /// Without one DNS tells (RFC 3263 4.2).
    pub(super) port: Option<u16>,
    pub(super) transport: Transport,
}

impl Hop {
    /// The outbound proxy of a carrier, or its own host.
    pub(super) fn of(settings: &CarrierSettings) -> Result<Self, String> {
        let transport = transport(settings.transport);
        let Some(proxy) = proxy(settings) else {
            let host = bare(&settings.host).to_owned();
            return Ok(Self { host, port: settings.port, transport });
        };
        if let Ok(addr) = proxy.parse::<SocketAddr>() {
            return Ok(Self { host: addr.ip().to_string(), port: Some(addr.port()), transport });
        }
        let wrong = || format!("the outbound proxy `{proxy}` is not a host or host:port");
        let (host, port) = match proxy.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') => {
                (host, Some(port.parse().map_err(|_| wrong())?))
            }
            _ => (bare(proxy), None),
        };
        if host.is_empty() {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port, transport })
    }

    /// Where a 3xx points; `transport` unless the URI names another that we speak.
    pub(super) fn of_uri(uri: &str, transport: Transport) -> Option<Self> {
        let uri = Uri::parse(uri)?;
        let transport = uri.transport().ok()?.unwrap_or(transport);
        // A `tel:` URI has none.
        if uri.host.is_empty() {
            return None;
        }
        Some(Self { host: bare(uri.host).to_owned(), port: uri.port, transport })
    }

    /// Its address, when the host is one: then there is nothing to look up.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        let ip: IpAddr = self.host.parse().ok()?;
        Some(SocketAddr::new(ip, self.port_or_default()))
    }

    pub(super) fn port_or_default(&self) -> u16 {
        self.port.unwrap_or_else(|| self.transport.default_port())
    }
}

/// The outbound proxy as entered; an empty one is none.
pub(super) fn proxy(settings: &CarrierSettings) -> Option<&str> {
    settings.outbound_proxy.as_deref().map(str::trim).filter(|proxy| !proxy.is_empty())
}

/// As the wire calls it.
pub(super) fn transport(transport: carrier::Transport) -> Transport {
    match transport {
        carrier::Transport::Udp => Transport::Udp,
        carrier::Transport::Tcp => Transport::Tcp,
        carrier::Transport::Tls => Transport::Tls,
    }
}

fn bare(host: &str) -> &str {
    host.trim().trim_start_matches('[').trim_end_matches(']')
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn hop_of(with: Value) -> Result<String, String> {
        let mut settings = json!({"name": "A", "cps": 1, "channels": 1});
        for (field, value) in with.as_object().unwrap() {
            settings[field] = value.clone();
        }
        let settings: CarrierSettings = serde_json::from_value(settings).unwrap();
        let hop = Hop::of(&settings)?;
        Ok(format!("{} {} {:?}", hop.transport.param(), hop.host, hop.port))
    }

    #[test]
    fn the_next_hop_is_the_proxy_where_there_is_one() {
        let proxied = |proxy: &str| hop_of(json!({"host": "sip.example", "outbound_proxy": proxy}));
        assert_eq!(
            hop_of(json!({"host": "sip.example", "port": 5070})).unwrap(),
            "udp sip.example Some(5070)"
        );
        assert_eq!(
            hop_of(json!({"host": "[2001:db8::1]", "transport": "tls"})).unwrap(),
            "tls 2001:db8::1 None"
        );
        assert_eq!(proxied("").unwrap(), "udp sip.example None");
        assert_eq!(proxied("proxy.example:5080").unwrap(), "udp proxy.example Some(5080)");
        assert_eq!(proxied("proxy.example").unwrap(), "udp proxy.example None");
        assert_eq!(proxied("10.0.0.9:5080").unwrap(), "udp 10.0.0.9 Some(5080)");
        assert_eq!(proxied("[2001:db8::9]:5080").unwrap(), "udp 2001:db8::9 Some(5080)");
        assert!(proxied("proxy.example:many").is_err());
        assert!(proxied(":5060").is_err());
    }

    #[test]
    fn an_address_needs_no_looking_up_and_has_the_port_of_its_transport() {
        let hop = |host: &str, port, transport| Hop { host: host.into(), port, transport };
        let address = |hop: Hop| hop.address().map(|address| address.to_string());
        assert_eq!(
            address(hop("192.0.2.1", None, Transport::Tcp)).as_deref(),
            Some("192.0.2.1:5060")
        );
        assert_eq!(address(hop("::1", None, Transport::Tls)).as_deref(), Some("[::1]:5061"));
        assert_eq!(address(hop("::1", Some(7), Transport::Udp)).as_deref(), Some("[::1]:7"));
        assert_eq!(address(hop("sip.example", Some(7), Transport::Udp)), None);
    }
}
