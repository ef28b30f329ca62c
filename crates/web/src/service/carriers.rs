//! Carriers: SIP trunk accounts with their limits.

use campanile_domain::{
    carrier::{Carrier, CarrierSettings},
    field::FieldError,
    ids::CarrierId,
};
use serde_json::{Map, Value};

use crate::{
    app::App,
    auth::{Act, Who},
    service::{Result, ServiceError},
};

/// All, in the order they were made.
pub async fn list(app: &App, who: &Who) -> Result<Vec<Carrier>> {
    who.require(Act::Look)?;
    let mut carriers = app.store.carriers().await?;
    carriers.sort_by_key(|carrier| carrier.id);
    Ok(carriers)
}

/// One.
pub async fn get(app: &App, who: &Who, id: CarrierId) -> Result<Carrier> {
    let carriers = list(app, who).await?;
    carriers.into_iter().find(|carrier| carrier.id == id).ok_or(ServiceError::NotFound("carrier"))
}

/// A new, enabled carrier.
pub async fn create(app: &App, who: &Who, settings: CarrierSettings) -> Result<Carrier> {
    who.require(Act::Administer)?;
    check(&settings)?;
    Ok(app.store.create_carrier(settings, app.now()).await?)
}

/// Changed settings; the dialler sees them at once.
pub async fn update(
    app: &App,
    who: &Who,
    id: CarrierId,
    enabled: bool,
    settings: CarrierSettings,
) -> Result<Carrier> {
    who.require(Act::Administer)?;
    check(&settings)?;
    Ok(app.store.update_carrier(id, enabled, settings).await?)
}

/// Takes a disabled carrier away that was never used and has no numbers.
pub async fn delete(app: &App, who: &Who, id: CarrierId) -> Result<()> {
    who.require(Act::Administer)?;
    Ok(app.store.delete_carrier(id).await?)
}

/// The settings as JSON, password and all: what a change is laid over. Not for
/// anybody's eyes.
pub(crate) fn settings_as_json(carrier: &Carrier) -> Map<String, Value> {
    match serde_json::to_value(&carrier.settings) {
        Ok(Value::Object(settings)) => settings,
        _ => unreachable!("a struct of plain data serialises to an object"),
    }
}

/// Everything a carrier cannot have. What ends up in a SIP header must not be able
/// to end it.
fn check(settings: &CarrierSettings) -> Result<()> {
    let mut errors = Vec::new();
    let mut fault = |pointer: &str, code: &'static str, message: &str| {
        errors.push(FieldError::new(pointer, code, message));
    };
    if settings.name.trim().is_empty() {
        fault("/name", "required", "give the carrier a name");
    } else if settings.name.chars().count() > 200 {
        fault("/name", "too_long", "use at most 200 characters");
    }
    if !is_host(&settings.host) {
        fault("/host", "invalid", "use a host name or an address, such as sip.example.com");
    }
    if settings.port == Some(0) {
        fault("/port", "out_of_range", "use 1 to 65535");
    }
    if let Some(auth) = &settings.auth {
        if auth.username.is_empty() || !is_plain(&auth.username) {
            fault(
                "/auth/username",
                "invalid",
                "use 1 to 256 characters without control characters",
            );
        }
        if !is_plain(&auth.password) {
            fault(
                "/auth/password",
                "invalid",
                "use at most 256 characters without control characters",
            );
        }
        if auth.realm.as_deref().is_some_and(|realm| realm.is_empty() || !is_plain(realm)) {
            fault(
                "/auth/realm",
                "invalid",
                "use 1 to 256 characters, or leave it out for any realm",
            );
        }
    }
    if !(settings.cps > 0.0 && settings.cps <= 10_000.0) {
        fault("/cps", "out_of_range", "use more than 0 and at most 10000 calls per second");
    }
    if !(1..=10_000).contains(&settings.burst) {
        fault("/burst", "out_of_range", "use 1 to 10000 calls");
    }
    if !(1..=100_000).contains(&settings.channels) {
        fault("/channels", "out_of_range", "use 1 to 100000 channels");
    }
    let mut seen = Vec::new();
    let codecs = &settings.codecs;
    if codecs.is_empty()
        || codecs.iter().any(|codec| {
            let again = seen.contains(&codec);
            seen.push(codec);
            again || !matches!(codec.as_str(), "PCMA" | "PCMU")
        })
    {
        fault("/codecs", "invalid", "use `PCMA`, `PCMU` or both, in order of preference");
    }
    if settings.register && settings.auth.is_none() {
        fault("/auth", "required", "registering takes the user and password of the account");
    }
    if settings.from_domain.as_deref().is_some_and(|domain| !is_host(domain)) {
        fault("/from_domain", "invalid", "use a host name, such as example.com");
    }
    if settings.outbound_proxy.as_deref().is_some_and(|proxy| !is_next_hop(proxy)) {
        fault(
            "/outbound_proxy",
            "invalid",
            "use host or host:port, such as proxy.example.com:5060",
        );
    }
    let is_prefix = |prefix: &str| {
        prefix.len() <= 20
            && prefix.bytes().all(|byte| byte.is_ascii_digit() || b"+*#".contains(&byte))
    };
    if settings.prefix.as_deref().is_some_and(|prefix| !is_prefix(prefix)) {
        fault("/prefix", "invalid", "use at most 20 digits, `+`, `*` or `#`");
    }
    if errors.is_empty() { Ok(()) } else { Err(ServiceError::Invalid(errors)) }
}

fn is_plain(text: &str) -> bool {
    text.chars().count() <= 256 && !text.chars().any(char::is_control)
}

/// A host name, an IPv4 address, or an IPv6 address with or without brackets.
fn is_host(text: &str) -> bool {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if bare.contains(':') {
        return bare.parse::<std::net::Ipv6Addr>().is_ok();
    }
    bare.len() == text.len()
        && (1..=253).contains(&text.len())
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        })
}

/// A host with or without a port; an IPv6 address with a port stands in brackets.
fn is_next_hop(text: &str) -> bool {
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    is_host(text)
        || text.rsplit_once(':').is_some_and(|(host, port)| {
            is_host(host) && (!host.contains(':') || host.starts_with('[')) && is_port(port)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_and_addresses_and_nothing_else() {
        for host in ["sip.example.com", "10.0.0.1", "localhost", "::1", "[2001:db8::1]", "a_b.c"] {
            assert!(is_host(host), "{host}");
        }
        for host in ["", "a b", "a\r\nVia: x", "sip:x@y", "a;transport=tcp", "-a", "a..b", "a:5060"]
        {
            assert!(!is_host(host), "{host}");
        }
        for hop in ["proxy.example.com:5060", "proxy.example.com", "[::1]:5060", "[::1]", "::1"] {
            assert!(is_next_hop(hop), "{hop}");
        }
        for hop in ["a:0", "a:", ":5060", "a:65536", "a b:5060", "2001:db8::1:99999"] {
            assert!(!is_next_hop(hop), "{hop}");
        }
    }
}
