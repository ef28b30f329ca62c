//! Carriers and caller IDs: what an administrator enters.

mod health;

pub use health::{CarrierHealth, CarrierState, Registration, RegistrationState};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    ids::{CarrierId, NumberId},
    outcome::words,
    phone::PhoneNumber,
};

words! {
    /// How SIP travels to a carrier.
    Transport {
        /// RFC 3261 over UDP.
        Udp = "udp" / 0,
        /// RFC 3261 over TCP.
        Tcp = "tcp" / 1,
        /// RFC 3261 over TLS.
        Tls = "tls" / 2,
    }
}

words! {
    /// How a carrier wants the callee's number in the Request-URI.
    NumberFormat {
        /// `+919876543210`.
        E164Plus = "e164_plus" / 0,
        /// `919876543210`.
        E164 = "e164" / 1,
        /// `09876543210`: as dialled within its country.
        National = "national" / 2,
    }
}

words! {
    /// What a number of ours may be used for.
    Direction {
        /// As a caller ID.
        Outbound = "outbound" / 0,
        /// To be called.
        Inbound = "inbound" / 1,
        /// Both.
        Both = "both" / 2,
    }
}

/// Digest credentials (RFC 3261 22).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// User name of the account.
    pub username: String,
    /// Its password. Never shown again by the API, never logged.
    pub password: String,
    /// Answer challenges of this realm only; any realm when absent.
    #[serde(default)]
    pub realm: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// A SIP trunk account as entered (api.md, POST /carriers).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CarrierSettings {
    /// Name for people.
    pub name: String,
    /// Host name or address.
    pub host: String,
    /// Port. Without one the host's NAPTR and SRV records say where SIP is spoken, and
    /// the transport's own port where there are none (RFC 3263 4.2).
    #[serde(default)]
    pub port: Option<u16>,
    /// Transport.
    #[serde(default = "default_transport")]
    pub transport: Transport,
    /// Digest credentials, if the carrier challenges.
    #[serde(default)]
    pub auth: Option<Credentials>,
    /// New calls per second.
    pub cps: f64,
    /// Calls that may leave at once beyond the even rate (DI-3).
    #[serde(default = "default_burst")]
    pub burst: u32,
    /// Simultaneous calls.
    pub channels: u32,
    /// Codecs in order of preference: `PCMA`, `PCMU`.
    #[serde(default = "default_codecs")]
    pub codecs: Vec<String>,
    /// Register with the carrier (RFC 3261 10).
    #[serde(default)]
    pub register: bool,
    /// Host in the From URI; the carrier's host when absent.
    #[serde(default)]
    pub from_domain: Option<String>,
    /// `host` or `host:port` that requests are sent to instead of `host` above, which
    /// they go on to name.
    #[serde(default)]
    pub outbound_proxy: Option<String>,
    /// Form of the callee's number.
    #[serde(default = "default_format")]
    pub number_format: NumberFormat,
    /// Put before the callee's number, such as `0091` or a tech prefix.
    #[serde(default)]
    pub prefix: Option<String>,
    /// Accepts caller IDs that belong to other carriers.
    #[serde(default)]
    pub any_caller_id: bool,
}

fn default_transport() -> Transport {
    Transport::Udp
}
fn default_burst() -> u32 {
    1
}
fn default_codecs() -> Vec<String> {
    vec!["PCMA".into(), "PCMU".into()]
}
fn default_format() -> NumberFormat {
    NumberFormat::E164Plus
}

impl Transport {
    /// The port when neither the carrier nor DNS names one (RFC 3261 19.1.2).
    pub fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
        }
    }
}

/// A carrier as kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Carrier {
    /// Identity.
    pub id: CarrierId,
    /// May be dialled through.
    pub enabled: bool,
    /// As entered.
    pub settings: CarrierSettings,
}

/// A caller ID as kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Number {
    /// Identity.
    pub id: NumberId,
    /// The number itself.
    pub e164: PhoneNumber,
    /// The carrier it belongs to.
    pub carrier_id: CarrierId,
    /// A name for people.
    pub label: Option<String>,
    /// What it may be used for.
    pub direction: Direction,
    /// May be used.
    pub enabled: bool,
}
