//! What the INVITE of a placement says.

use std::{fmt::Write, net::SocketAddr};

use campanile_domain::{carrier::CarrierSettings, scheduler::Placement};
use campanile_wire::{
    sdp::Codec,
    ua::{Auth, Invite, Peer, Transport},
};

use super::hop;

/// The INVITE, but for its SDP. `contact` is who we are to the carrier, which is at the
/// first of `peers` unless that fails.
pub(super) fn invite(placement: &Placement, mut peers: Vec<Peer>, contact: SocketAddr) -> Invite {
    let carrier = &placement.carrier.settings;
    let host = uri_host(&carrier.host);
    let port = carrier.port.map_or_else(String::new, |port| format!(":{port}"));
    let request_uri = format!("sip:{}@{host}{port}", uri_user(&placement.callee));
    let to = peers.remove(0);
    let from_host = carrier.from_domain.as_deref().map_or_else(|| host.clone(), uri_host);
    Invite {
        to,
        further: peers,
        route: route(carrier).into_iter().collect(),
        to_uri: request_uri.clone(),
        request_uri,
        from_uri: format!("sip:{}@{from_host}", uri_user(&placement.caller)),
        from_display: None,
        call_id: format!(
            "{}.{}@{}",
            placement.attempt.id,
            placement.attempt.tries,
            uri_host(&contact.ip().to_string())
        ),
        sdp: Vec::new(),
        late_offer: false,
        auth: carrier.auth.as_ref().map(|auth| Auth {
            username: auth.username.clone(),
            password: auth.password.clone(),
            realm: auth.realm.clone(),
        }),
        headers: Vec::new(),
    }
}

/// The outbound proxy as a loose route (RFC 3261 8.1.2): the request is sent there and
/// still names the carrier.
fn route(carrier: &CarrierSettings) -> Option<String> {
    let proxy = uri_host(hop::proxy(carrier)?);
    let transport = match hop::transport(carrier.transport) {
        Transport::Udp => String::new(),
        other => format!(";transport={}", other.param()),
    };
    Some(format!("sip:{proxy}{transport};lr"))
}

/// The codecs of a carrier in its order; both when it names none that we speak.
pub(super) fn codecs(settings: &CarrierSettings) -> Vec<Codec> {
    let mut codecs = Vec::new();
    for name in &settings.codecs {
        let known = [Codec::Pcma, Codec::Pcmu]
            .into_iter()
            .find(|codec| codec.name().eq_ignore_ascii_case(name));
        codecs.extend(known.filter(|codec| !codecs.contains(codec)));
    }
    if codecs.is_empty() { vec![Codec::Pcma, Codec::Pcmu] } else { codecs }
}

/// The user part of a URI: what it may not hold is percent-encoded (RFC 3261 25.1).
fn uri_user(user: &str) -> String {
    let mut encoded = String::with_capacity(user.len());
    for byte in user.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => encoded.push(char::from(byte)),
            b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')' | b'&' | b'=' | b'+'
            | b'$' | b',' | b';' | b'?' | b'/' => encoded.push(char::from(byte)),
            _ => write!(encoded, "%{byte:02X}").expect("a String takes every byte"),
        }
    }
    encoded
}

/// An IPv6 address stands in brackets.
fn uri_host(host: &str) -> String {
    let host = host.trim();
    if host.parse::<std::net::Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stands_as_it_is_and_what_could_break_out_of_the_uri_does_not() {
        assert_eq!(uri_user("+919812345678"), "+919812345678");
        assert_eq!(uri_user("0091#98"), "0091%2398");
        assert_eq!(uri_user("1@evil>\r\nX: y"), "1%40evil%3E%0D%0AX%3A%20y");
        assert_eq!(uri_user("é"), "%C3%A9");
    }

    #[test]
    fn an_ipv6_host_stands_in_brackets_once() {
        assert_eq!(uri_host("2001:db8::1"), "[2001:db8::1]");
        assert_eq!(uri_host("[2001:db8::1]"), "[2001:db8::1]");
        assert_eq!(uri_host(" sip.example "), "sip.example");
    }
}
