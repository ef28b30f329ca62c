//! Questions to the name servers, one record type at a time.
//!
//! The resolver's own cache is off: the [`AddressBook`](super::book::AddressBook) keeps
//! whole answers, with rules of its own for when they are renewed and how long an old one
//! serves. The system's configuration is read anew for each carrier that is looked up, so
//! that a changed `resolv.conf` or hosts file needs no restart.

use std::{fmt, net::SocketAddr, time::Duration};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolverConfig},
    lookup::Lookup,
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::{
        op::ResponseCode,
        rr::{Name, RData, RecordType},
    },
};

/// How long a name server may take before the question is put again.
const ASK_AGAIN: Duration = Duration::from_millis(1_500);

/// Where questions go.
#[derive(Debug, Clone, Default)]
pub(crate) struct NameServers {
    /// Instead of those of the system.
    pub(crate) instead: Vec<SocketAddr>,
}

/// One reading of the configuration.
pub(super) struct Dns {
    resolver: TokioResolver,
}

/// Records of one type, and for how long they hold.
#[derive(Debug)]
pub(super) struct Records<T> {
    pub(super) records: Vec<T>,
    pub(super) ttl: Duration,
}

/// Why there are no records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Nothing {
    /// The name does not exist; for how long that holds, if the zone says so.
    NoSuchName(Option<Duration>),
    /// The name exists, records of this type do not.
    NoRecords(Option<Duration>),
    /// Nobody could tell; in words.
    Unknown(String),
}

/// RFC 2782.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Srv {
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
    /// `.` when the service is decidedly not offered.
    pub(super) target: String,
}

/// RFC 3403 4.1, as far as RFC 3263 uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Naptr {
    pub(super) order: u16,
    pub(super) preference: u16,
    /// `s` where the replacement has SRV records.
    pub(super) flags: String,
    /// Such as `SIP+D2U`.
    pub(super) service: String,
    pub(super) replacement: String,
}

impl NameServers {
    /// Reads the configuration of the system, unless other servers were named.
    pub(super) fn open(&self) -> Result<Dns, String> {
        let named = || {
            let provider = TokioRuntimeProvider::default();
            TokioResolver::builder_with_config(self.config(), provider)
        };
        let mut builder = match self.instead.is_empty() {
            // A machine without a resolv.conf still has a hosts file.
            true => TokioResolver::builder_tokio().unwrap_or_else(|_| named()),
            false => named(),
        };
        let options = builder.options_mut();
        options.cache_size = 0;
        options.timeout = ASK_AGAIN;
        options.attempts = 2;
        let resolver = builder.build().map_err(|error| format!("no resolver: {error}"))?;
        Ok(Dns { resolver })
    }

    fn config(&self) -> ResolverConfig {
        let servers = self.instead.iter().map(|server| {
            let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
            connections.iter_mut().for_each(|connection| connection.port = server.port());
            NameServerConfig::new(server.ip(), true, connections)
        });
        ResolverConfig::from_name_servers(servers.collect())
    }
}

impl Dns {
    /// Addresses, as the search list and the hosts file have them too.
    pub(super) async fn addresses(
        &self,
        host: &str,
        kind: AddressKind,
    ) -> Result<Records<std::net::IpAddr>, Nothing> {
        let (kind, name) = (kind.record_type(), parse(host, false)?);
        let pick = |data: &RData| match data {
            RData::A(address) => Some(std::net::IpAddr::V4(address.0)),
            RData::AAAA(address) => Some(std::net::IpAddr::V6(address.0)),
            _ => None,
        };
        records(self.resolver.lookup(name, kind).await, pick)
    }

    pub(super) async fn srv(&self, name: &str) -> Result<Records<Srv>, Nothing> {
        let pick = |data: &RData| match data {
            RData::SRV(srv) => Some(Srv {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                target: srv.target.to_ascii(),
            }),
            _ => None,
        };
        records(self.resolver.lookup(parse(name, true)?, RecordType::SRV).await, pick)
    }

    pub(super) async fn naptr(&self, host: &str) -> Result<Records<Naptr>, Nothing> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let pick = |data: &RData| match data {
            RData::NAPTR(naptr) => Some(Naptr {
                order: naptr.order,
                preference: naptr.preference,
                flags: text(&naptr.flags),
                service: text(&naptr.services),
                replacement: naptr.replacement.to_ascii(),
            }),
            _ => None,
        };
        records(self.resolver.lookup(parse(host, true)?, RecordType::NAPTR).await, pick)
    }
}

/// Which addresses are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AddressKind {
    A,
    Aaaa,
}

impl AddressKind {
    fn record_type(self) -> RecordType {
        match self {
            Self::A => RecordType::A,
            Self::Aaaa => RecordType::AAAA,
        }
    }
}

/// A name with a dot in it stands by itself when `whole`; else the search list is tried too.
fn parse(host: &str, whole: bool) -> Result<Name, Nothing> {
    let mut name = Name::from_utf8(host)
        .map_err(|error| Nothing::Unknown(format!("it is not a name: {error}")))?;
    if whole && host.contains('.') {
        name.set_fqdn(true);
    }
    Ok(name)
}

fn records<T>(
    answer: Result<Lookup, NetError>,
    pick: impl Fn(&RData) -> Option<T>,
) -> Result<Records<T>, Nothing> {
    let lookup = answer.map_err(nothing)?;
    let ttl = lookup.answers().iter().map(|record| record.ttl).min().unwrap_or_default();
    let records: Vec<T> = lookup.answers().iter().filter_map(|record| pick(&record.data)).collect();
    if records.is_empty() {
        return Err(Nothing::NoRecords(None));
    }
    Ok(Records { records, ttl: Duration::from_secs(ttl.into()) })
}

fn nothing(error: NetError) -> Nothing {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => {
            let ttl = none.negative_ttl.map(|seconds| Duration::from_secs(seconds.into()));
            match none.response_code {
                ResponseCode::NXDomain => Nothing::NoSuchName(ttl),
                ResponseCode::NoError => Nothing::NoRecords(ttl),
                other => Nothing::Unknown(format!("the name server answered {other}")),
            }
        }
        NetError::Dns(DnsError::ResponseCode(code)) => {
            Nothing::Unknown(format!("the name server answered {code}"))
        }
        NetError::Timeout => Nothing::Unknown("the name server does not answer".into()),
        NetError::NoConnections => Nothing::Unknown("no name server can be reached".into()),
        other => Nothing::Unknown(other.to_string()),
    }
}

impl fmt::Display for Nothing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchName(_) => out.write_str("no such name"),
            Self::NoRecords(_) => out.write_str("the name has no address"),
            Self::Unknown(why) => out.write_str(why),
        }
    }
}
