//! The carriers of the setup page: how each stands, and the form that adds one.

use campanile_domain::{
    carrier::{Carrier, CarrierHealth, CarrierSettings, CarrierState, RegistrationState},
    field::FieldError,
};
use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::{Form, Pairs, Setup, adds, enabled, one, toggle};
use crate::console::{
    icons::Icon,
    parts::{Field, Shape, Tone, bare_badge, fault, fault_or_hint, none},
    text::local_time,
};

/// The settings that the form means; what it does not ask for, or was left empty, has the
/// defaults of api.md.
pub(super) fn settings_of(pairs: &Pairs) -> Result<CarrierSettings, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut object = Map::new();
    object.insert("name".into(), json!(one(pairs, "name")));
    object.insert("host".into(), json!(one(pairs, "host")));
    object.insert("register".into(), json!(!one(pairs, "register").is_empty()));
    for name in ["number_format", "transport", "prefix", "from_domain", "outbound_proxy"] {
        if !one(pairs, name).is_empty() {
            object.insert(name.into(), json!(one(pairs, name)));
        }
    }
    for (name, whole) in [("port", true), ("cps", false), ("channels", true)] {
        let text = one(pairs, name);
        if name == "port" && text.is_empty() {
            continue;
        }
        let value = if whole {
            text.parse::<u32>().ok().map(Value::from)
        } else {
            text.parse::<f64>().ok().filter(|value| value.is_finite()).map(Value::from)
        };
        match value {
            Some(value) => {
                object.insert(name.into(), value);
            }
            None => errors.push(FieldError::new(format!("/{name}"), "invalid", "use a number")),
        }
    }
    if !one(pairs, "username").is_empty() {
        let auth =
            json!({ "username": one(pairs, "username"), "password": one(pairs, "password") });
        object.insert("auth".into(), auth);
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    serde_json::from_value(Value::Object(object))
        .map_err(|error| vec![FieldError::new("", "invalid", error.to_string())])
}

/// The card of the page.
pub(super) fn section(setup: &Setup) -> Markup {
    let (entries, errors) = setup.refused(Form::Carrier);
    let open = setup.carriers.is_empty() || !errors.is_empty();
    html! {
        section.card id="carriers" aria-labelledby="carriers-title" {
            div.card-head { h2 id="carriers-title" { "Carriers" } p { "SIP accounts with their limits" } }
            @if setup.carriers.is_empty() { (none("No carrier yet", "The simulated carrier is one too: campanile carrier --sip 127.0.0.1:5080")) }
            @else {
                div.scroll tabindex="0" role="region" aria-label="Table of carriers" {
                    table.table {
                        thead { tr {
                            th scope="col" { "Name" } th scope="col" { "Address" } th.num scope="col" { "Calls a second" }
                            th.num scope="col" { "Channels" } th scope="col" { "State" } th scope="col" { span.vh { "Actions" } }
                        } }
                        tbody { @for carrier in &setup.carriers { (row(setup, carrier)) } }
                    }
                }
            }
            @if setup.administers {
                (adds("Add a carrier", open, "/dashboard/setup/carriers", errors, fields(&entries, errors)))
            }
        }
    }
}

fn row(setup: &Setup, carrier: &Carrier) -> Markup {
    let settings = &carrier.settings;
    let health = setup.health.get(&carrier.id).filter(|_| carrier.enabled);
    html! {
        tr {
            th scope="row" { (settings.name) }
            td { code { (address(settings)) } }
            td.num { (settings.cps) }
            td.num { (settings.channels) }
            td {
                (enabled(carrier.enabled))
                @if let Some(health) = health { (standing(health)) }
            }
            td.num { @if setup.administers {
                (toggle(format!("/dashboard/setup/carriers/{}/toggle", carrier.id), carrier.enabled, &settings.name))
            } }
        }
    }
}

/// Where a carrier is, as entered: without a port DNS knows it, and UDP goes without saying.
fn address(settings: &CarrierSettings) -> String {
    let host = match settings.port {
        Some(port) => format!("{}:{port}", settings.host),
        None => settings.host.clone(),
    };
    match settings.transport.word() {
        "udp" => host,
        word => format!("{word}:{host}"),
    }
}

/// Whether it answers, and its registration; nothing before either is known.
fn standing(health: &CarrierHealth) -> Markup {
    let answers = match health.state {
        CarrierState::Unknown => None,
        CarrierState::Up => Some((Tone::Green, Shape::Dot, "Answers")),
        CarrierState::Down => Some((Tone::Red, Shape::Icon(Icon::StFailed), "Does not answer")),
    };
    html! {
        @if let Some((tone, shape, words)) = answers {
            div {
                (bare_badge(tone, shape, words))
                @if let Some(since) = health.since { small { " since " (local_time(since)) } }
                @if let Some(reason) = &health.reason { p.hint { (reason) } }
            }
        }
        @if let Some(registration) = &health.registration {
            div {
                @match registration.state {
                    RegistrationState::Trying => (bare_badge(Tone::Grey, Shape::Ring, "Registering")),
                    RegistrationState::Registered => {
                        (bare_badge(Tone::Green, Shape::Dot, "Registered"))
                        @if let Some(until) = registration.until { small { " until " (local_time(until)) } }
                    }
                    RegistrationState::Failed => {
                        (bare_badge(Tone::Red, Shape::Icon(Icon::StFailed), "Not registered"))
                        small { " since " (local_time(registration.since)) }
                    }
                }
                @if let Some(reason) = &registration.reason { p.hint { (reason) } }
            }
        }
    }
}

fn fields(entries: &Pairs, errors: &[FieldError]) -> Markup {
    let kept = |name: &str, default: &'static str| -> String {
        if entries.is_empty() { default.into() } else { one(entries, name).into() }
    };
    let (name, host, port, cps) =
        (kept("name", ""), kept("host", ""), kept("port", ""), kept("cps", "10"));
    let (channels, username, prefix) =
        (kept("channels", "100"), kept("username", ""), kept("prefix", ""));
    let (proxy, domain) = (kept("outbound_proxy", ""), kept("from_domain", ""));
    let (format, transport) = (kept("number_format", "e164_plus"), kept("transport", "udp"));
    let registers = !kept("register", "").is_empty();
    let register_fault = fault(errors, &["/register"]);
    let field = |name: &'static str, label: &'static str| Field {
        name,
        label,
        class: "c2",
        ..Field::default()
    };
    html! {
        (Field { value: &name, required: true, pointers: &["/name"], class: "c3", ..field("name", "Name") }.draw(errors))
        (Field { value: &host, required: true, hint: "Host name or address, such as sip.example.com.", pointers: &["/host"], class: "c3", ..field("host", "Host") }.draw(errors))
        (Field { value: &port, aside: "optional", hint: "Empty: as DNS says, else the usual one.", pointers: &["/port"], ..field("port", "Port") }.draw(errors))
        div.field.c2 {
            label for="transport" { "Transport" }
            select.input.select id="transport" name="transport" {
                @for (word, words) in [("udp", "UDP"), ("tcp", "TCP"), ("tls", "TLS")] {
                    option value=(word) selected[transport == word] { (words) }
                }
            }
        }
        (Field { value: &proxy, aside: "optional", hint: "host or host:port that calls are sent to.", pointers: &["/outbound_proxy"], ..field("outbound_proxy", "Outbound proxy") }.draw(errors))
        (Field { value: &cps, unit: "a second", pointers: &["/cps"], ..field("cps", "New calls") }.draw(errors))
        (Field { value: &channels, unit: "at once", pointers: &["/channels"], ..field("channels", "Channels") }.draw(errors))
        (Field { value: &domain, aside: "optional", hint: "Host in From; the carrier's when empty.", pointers: &["/from_domain"], ..field("from_domain", "From domain") }.draw(errors))
        (Field { value: &username, aside: "optional", autocomplete: "off", pointers: &["/auth/username", "/auth"], ..field("username", "SIP user") }.draw(errors))
        (Field { kind: "password", aside: "optional", autocomplete: "new-password", pointers: &["/auth/password"], ..field("password", "SIP password") }.draw(errors))
        div.field.c2 {
            label.check for="register" {
                input id="register" name="register" type="checkbox" value="true" checked[registers];
                "Register with the carrier"
            }
            (fault_or_hint("register", register_fault, "Where the account asks for it."))
        }
        (Field { value: &prefix, aside: "optional", hint: "Put before the number.", pointers: &["/prefix"], ..field("prefix", "Prefix") }.draw(errors))
        div.field.c3 {
            label for="number_format" { "Form of the number" }
            select.input.select id="number_format" name="number_format" {
                @for (word, example) in [("e164_plus", "+919876543210"), ("e164", "919876543210"), ("national", "09876543210")] {
                    option value=(word) selected[format == word] { (example) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use campanile_domain::carrier::{NumberFormat, Transport};

    use super::*;

    fn pairs(form: &[(&str, &str)]) -> Pairs {
        form.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn a_form_left_as_it_stands_means_the_defaults_of_the_api() {
        let least = [("name", "Acme"), ("host", "sip.example"), ("cps", "2.5"), ("channels", "9")];
        let settings = settings_of(&pairs(&least)).unwrap();
        assert_eq!((settings.port, settings.transport), (None, Transport::Udp));
        assert_eq!((settings.register, settings.number_format), (false, NumberFormat::E164Plus));
        assert_eq!((settings.outbound_proxy, settings.from_domain), (None, None));
        assert_eq!((settings.cps, settings.channels), (2.5, 9));
    }

    #[test]
    fn every_field_of_the_form_reaches_the_settings() {
        let form = pairs(&[
            ("name", "Acme"),
            ("host", "sip.example"),
            ("port", "5071"),
            ("transport", "tls"),
            ("cps", "1"),
            ("channels", "1"),
            ("username", "me"),
            ("password", "secret"),
            ("register", "true"),
            ("outbound_proxy", "proxy.example:5080"),
            ("from_domain", "example.com"),
            ("number_format", "national"),
            ("prefix", "0091"),
        ]);
        let settings = settings_of(&form).unwrap();
        assert_eq!((settings.port, settings.transport), (Some(5071), Transport::Tls));
        assert_eq!(address(&settings), "tls:sip.example:5071");
        assert_eq!(settings.auth.map(|auth| auth.username).as_deref(), Some("me"));
        assert!(settings.register);
        assert_eq!(settings.outbound_proxy.as_deref(), Some("proxy.example:5080"));
        assert_eq!(settings.from_domain.as_deref(), Some("example.com"));
        assert_eq!(settings.number_format, NumberFormat::National);
        assert_eq!(settings.prefix.as_deref(), Some("0091"));
    }

    #[test]
    fn what_is_no_number_is_told_by_its_field() {
        let form = [("name", "Acme"), ("host", "h"), ("port", "sip"), ("cps", "ten")];
        let errors = settings_of(&pairs(&form)).unwrap_err();
        let told: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(told, ["/port", "/cps", "/channels"]);
    }
}
