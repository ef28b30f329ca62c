//! SIP URIs, as far as a call needs them.

use std::net::{IpAddr, SocketAddr};

use crate::ua::Transport;

/// `sip:user@host:port;params?headers`, or a `tel:` number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uri<'a> {
    /// Without a password; the number of a `tel:` URI.
    pub user: Option<&'a str>,
    /// A name or an address, an IPv6 address without its brackets; empty in a `tel:` URI.
    pub host: &'a str,
    /// When it is given.
    pub port: Option<u16>,
    params: &'a str,
}

/// A URI asks for a transport that we do not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an unknown transport")]
pub struct UnknownTransport;

impl<'a> Uri<'a> {
    /// Takes a URI apart; `None` for other schemes and for what is not a URI.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once(':')?;
        let breaks_out = |byte: u8| byte <= b' ' || matches!(byte, 0x7F | b'<' | b'>');
        let odd = |c: char| c.is_whitespace() || c.is_control();
        if text.bytes().any(breaks_out) || !text.is_ascii() && text.contains(odd) {
            return None;
        }
        if scheme.eq_ignore_ascii_case("tel") {
            let (number, params) = split_at_first(rest, ';');
            return Some(Self { user: Some(number), host: "", port: None, params });
        }
        if !scheme.eq_ignore_ascii_case("sip") && !scheme.eq_ignore_ascii_case("sips") {
            return None;
        }
        // A user part may hold `;` and `?`, so the `@` is looked for first.
        let (user, rest) = match rest.split_once('@') {
            Some((user, rest)) => (Some(split_at_first(user, ':').0), rest),
            None => (None, rest),
        };
        let (rest, _headers) = split_at_first(rest, '?');
        let (host_port, params) = split_at_first(rest, ';');
        let (host, port) = host_port_of(host_port)?;
        (!host.is_empty()).then_some(Self { user, host, port, params })
    }

    /// Where a request to this URI goes over `transport`, when that can be said without a
    /// resolver.
    pub fn socket_addr(&self, transport: Transport) -> Option<SocketAddr> {
        let host: IpAddr = self.host.parse().ok()?;
        Some(SocketAddr::new(host, self.port.unwrap_or(transport.default_port())))
    }

    /// The `transport` parameter: an error when it names one that we do not have.
    pub fn transport(&self) -> Result<Option<Transport>, UnknownTransport> {
        match self.param("transport") {
            None => Ok(None),
            Some(name) => Transport::of_param(name).map(Some).ok_or(UnknownTransport),
        }
    }

    /// Whether it has a parameter, such as `lr`.
    pub fn has_param(&self, name: &str) -> bool {
        self.param(name).is_some()
    }

    fn param(&self, name: &str) -> Option<&'a str> {
        let mut params = self.params.split(';').map(|param| split_at_first(param, '='));
        params.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Takes `host`, `host:port` or `[v6]:port` apart.
pub(super) fn host_port_of(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            (host, after.trim_start())
        }
        None => {
            let colon = text.find(':').unwrap_or(text.len());
            (&text[..colon], &text[colon..])
        }
    };
    let port = match port.strip_prefix(':') {
        Some(port) => Some(port.trim().parse().ok()?),
        None if port.is_empty() => None,
        None => return None,
    };
    Some((host.trim(), port))
}

fn split_at_first(text: &str, separator: char) -> (&str, &str) {
    text.split_once(separator).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_taken_apart() {
        for (text, user, host, port) in [
            ("sip:+9198@carrier.example", Some("+9198"), "carrier.example", None),
            ("SIP:a:secret@192.0.2.1:5070;lr", Some("a"), "192.0.2.1", Some(5070)),
            ("sips:[2001:db8::1]:5061", None, "2001:db8::1", Some(5061)),
            ("sip:a;b?c@host;x=1?Subject=d", Some("a;b?c"), "host", None),
            ("tel:+911140001000;phone-context=x", Some("+911140001000"), "", None),
        ] {
            let uri = Uri::parse(text).unwrap();
            assert_eq!((uri.user, uri.host, uri.port), (user, host, port), "{text}");
        }
        for text in ["", "sip:", "http://x", "sip:a@", "sip:h:99999", "sip:a b@c", "sip:[::1"] {
            assert_eq!(Uri::parse(text), None, "{text}");
        }
    }

    #[test]
    fn only_an_address_says_where_to_send() {
        let to = |text| Uri::parse(text).unwrap().socket_addr(Transport::Udp);
        assert_eq!(to("sip:a@192.0.2.1"), Some("192.0.2.1:5060".parse().unwrap()));
        assert_eq!(to("sip:[::1]:70;lr"), Some("[::1]:70".parse().unwrap()));
        assert_eq!(to("sip:a@carrier.example"), None);
        assert!(Uri::parse("sip:p;transport=udp;LR").unwrap().has_param("lr"));
        assert!(!Uri::parse("sip:p;lrx").unwrap().has_param("lr"));
    }
}
