//! What requests to a carrier say: the INVITE of a placement, REGISTER, OPTIONS.

use std::{fmt::Write, net::SocketAddr};

use campanile_domain::{carrier::CarrierSettings, scheduler::Placement};
use campanile_wire::{
    sdp::Codec,
    ua::{Auth, Invite, Peer, Ping, Registration, Transport},
};

use super::{Found, hop};

/// For how many seconds we ask to be registered; registrars shorten it as they like.
const EXPIRES: u32 = 3_600;

/// The INVITE, but for its SDP. `contact` is who we are to the carrier, which is at the
/// first of `peers` unless that fails.
pub(super) fn invite(placement: &Placement, mut peers: Vec<Peer>, contact: SocketAddr) -> Invite {
    let carrier = &placement.carrier.settings;
    let request_uri = format!("sip:{}@{}", uri_user(&placement.callee), place(carrier));
    let to = peers.remove(0);
    Invite {
        to,
        further: peers,
        route: route(carrier).into_iter().collect(),
        to_uri: request_uri.clone(),
        request_uri,
        from_uri: format!("sip:{}@{}", uri_user(&placement.caller), domain(carrier)),
        from_display: None,
        call_id: format!(
            "{}.{}@{}",
            placement.attempt.id,
            placement.attempt.tries,
            uri_host(&contact.ip().to_string())
        ),
        sdp: Vec::new(),
        late_offer: false,
        auth: auth(carrier),
        headers: Vec::new(),
    }
}

/// The registration that a carrier asks for (RFC 3261 10.2): the account's name at its
/// domain is where we are. `None` for one without an account.
pub(crate) fn registration(carrier: &CarrierSettings, found: &Found) -> Option<Registration> {
    let account = carrier.auth.as_ref()?;
    Some(Registration {
        to: found.peers[0],
        route: route(carrier).into_iter().collect(),
        registrar: format!("sip:{}", place(carrier)),
        address_of_record: format!("sip:{}@{}", uri_user(&account.username), domain(carrier)),
        contact: found.contact,
        auth: auth(carrier),
        expires: EXPIRES,
    })
}

/// The question whether a carrier lives (RFC 3261 11).
pub(crate) fn ping(carrier: &CarrierSettings, found: &Found) -> Ping {
    Ping {
        to: found.peers[0],
        uri: format!("sip:{}", place(carrier)),
        from_uri: format!("sip:{}", uri_host(&found.contact.ip().to_string())),
        contact: found.contact,
    }
}

/// The carrier's host, with its port where one was entered.
fn place(carrier: &CarrierSettings) -> String {
    let host = uri_host(&carrier.host);
    carrier.port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"))
}

/// The host in From, and of the account.
fn domain(carrier: &CarrierSettings) -> String {
    uri_host(carrier.from_domain.as_deref().unwrap_or(&carrier.host))
}

fn auth(carrier: &CarrierSettings) -> Option<Auth> {
    let account = carrier.auth.as_ref()?;
    Some(Auth {
        username: account.username.clone(),
        password: account.password.clone(),
        realm: account.realm.clone(),
    })
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
    use campanile_domain::phone::PhoneNumber;
    use serde_json::{Value, json};

    use super::*;

    fn carrier(with: Value) -> CarrierSettings {
        let mut settings = json!({"name": "A", "host": "sip.example", "cps": 1, "channels": 1});
        for (field, value) in with.as_object().unwrap() {
            settings[field] = value.clone();
        }
        serde_json::from_value(settings).unwrap()
    }

    fn found(peer: Peer) -> Found {
        let contact = "192.0.2.7:5060".parse().unwrap();
        Found { peers: vec![peer], host: "sip.example".into(), contact }
    }

    #[test]
    fn a_number_is_written_as_the_carrier_wants_it_in_each_country() {
        let numbers = ["+919876543210", "+442079460018", "+6581234567", "+12125550123"];
        let written = |format: &str, prefix: Option<&str>| {
            let settings = carrier(json!({"number_format": format, "prefix": prefix}));
            let callee = |number: &&str| {
                let number: PhoneNumber = number.parse().unwrap();
                uri_user(&number.format_for(settings.number_format, settings.prefix.as_deref()))
            };
            numbers.iter().map(callee).collect::<Vec<_>>()
        };
        let plus = ["+919876543210", "+442079460018", "+6581234567", "+12125550123"];
        assert_eq!(written("e164_plus", None), plus);
        let digits = ["919876543210", "442079460018", "6581234567", "12125550123"];
        assert_eq!(written("e164", None), digits);
        let national = ["09876543210", "02079460018", "81234567", "2125550123"];
        assert_eq!(written("national", None), national);
        let prefixed =
            ["0091919876543210", "0091442079460018", "00916581234567", "009112125550123"];
        assert_eq!(written("e164", Some("0091")), prefixed);
        assert_eq!(written("national", Some("77#"))[0], "77%2309876543210");
        assert_eq!(written("e164_plus", Some("9"))[3], "9+12125550123");
    }

    #[test]
    fn the_port_is_named_where_it_was_entered_and_the_domain_of_from_where_it_differs() {
        let plain = carrier(json!({}));
        assert_eq!((place(&plain), domain(&plain)), ("sip.example".into(), "sip.example".into()));
        let full = carrier(json!({"port": 5070, "from_domain": "example.com"}));
        assert_eq!(
            (place(&full), domain(&full)),
            ("sip.example:5070".into(), "example.com".into())
        );
        let address = carrier(json!({"host": "2001:db8::1", "port": 5070}));
        assert_eq!(
            (place(&address), domain(&address)),
            ("[2001:db8::1]:5070".into(), "[2001:db8::1]".into())
        );
    }

    #[test]
    fn an_outbound_proxy_is_a_loose_route_and_the_request_still_names_the_carrier() {
        let proxied = |with| route(&carrier(with));
        assert_eq!(proxied(json!({})), None);
        assert_eq!(proxied(json!({"outbound_proxy": ""})), None);
        assert_eq!(
            proxied(json!({"outbound_proxy": "proxy.example:5080"})).as_deref(),
            Some("sip:proxy.example:5080;lr")
        );
        assert_eq!(
            proxied(json!({"outbound_proxy": "2001:db8::9", "transport": "tcp"})).as_deref(),
            Some("sip:[2001:db8::9];transport=tcp;lr")
        );
    }

    #[test]
    fn a_registration_is_for_the_account_at_its_domain_and_takes_an_account() {
        let peer = Peer::tls("192.0.2.1:5061".parse().unwrap());
        assert!(registration(&carrier(json!({"register": true})), &found(peer)).is_none());
        let settings = carrier(json!({
            "register": true, "auth": {"username": "a@b", "password": "p"},
            "from_domain": "example.com", "outbound_proxy": "proxy.example", "transport": "tls",
        }));
        let asked = registration(&settings, &found(peer)).unwrap();
        assert_eq!(asked.to, peer);
        assert_eq!(asked.registrar, "sip:sip.example");
        assert_eq!(asked.address_of_record, "sip:a%40b@example.com");
        assert_eq!(asked.route, ["sip:proxy.example;transport=tls;lr"]);
        assert_eq!(asked.auth.unwrap().username, "a@b");
        let ping = ping(&settings, &found(peer));
        assert_eq!(
            (ping.uri.as_str(), ping.from_uri.as_str()),
            ("sip:sip.example", "sip:192.0.2.7")
        );
    }

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
