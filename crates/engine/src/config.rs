//! How an engine is started, and what it checks before it starts.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use campanile_domain::guard::day::DailyLimits;
use rustix::process::{Resource, getrlimit, setrlimit};

/// The sockets of an answered call: RTP, and RTCP above it.
const FILES_A_CALL: u64 = 2;
/// Files that the process needs beside those of calls: database, console connections,
/// listeners, logs.
const FILES_BESIDE_CALLS: u64 = 512;

/// How an engine is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineConfig {
    /// Where SIP is spoken; port 0 picks a free one.
    pub sip: SocketAddr,
    /// Where connections of far ends are taken (SIP over TCP); none are without it, and requests
    /// of far ends come over the connections that we make.
    pub sip_tcp_listen: Option<SocketAddr>,
    /// Certificate authorities (PEM) that carriers over TLS may have beside those that this
    /// machine trusts.
    pub sip_ca_file: Option<PathBuf>,
    /// What carriers are told to send to.
    pub public_address: PublicAddress,
    /// UDP ports of the calls' audio; a call takes an even one (RFC 3550 11).
    pub rtp_ports: RangeInclusive<u16>,
    /// Calls of this machine at once, from the INVITE on; at least 1.
    pub max_calls: u32,
    /// What the deployment may dial in a day (DI-14).
    pub daily_limits: DailyLimits,
    /// How long live calls may go on after [`crate::Engine::shutdown`] (OP-3).
    pub drain: Duration,
    /// An idle carrier is asked for a sign of life (OPTIONS) after so long, and again after
    /// as long; never when zero.
    pub options_after: Duration,
    /// Name servers that carriers are looked up with; those of the system when empty.
    pub dns_servers: Vec<SocketAddr>,
}

/// The address in Contact and SDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PublicAddress {
    /// The local address of the route to the carrier of each call.
    #[default]
    Auto,
    /// This one, as when a NAT forwards the ports one to one.
    Ip(IpAddr),
}

/// Neither `auto` nor an address that a carrier could send to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("use `auto` or an IP address that carriers can reach, not `{0}`")]
pub struct InvalidPublicAddress(String);

/// Why an engine did not start. The text tells an operator what to change.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The SIP address cannot be used.
    #[error("SIP cannot listen on {address}; choose another --sip")]
    Sip {
        /// As configured.
        address: SocketAddr,
        /// From the system.
        source: io::Error,
    },
    /// The address for connections of far ends cannot be used.
    #[error("SIP over TCP cannot listen on {address}; choose another sip_tcp_listen")]
    SipTcp {
        /// As configured.
        address: SocketAddr,
        /// From the system.
        source: io::Error,
    },
    /// The file of certificate authorities cannot be read.
    #[error("sip_ca_file {} is not a file of certificates: {source}", path.display())]
    CaFile {
        /// As configured.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// Zero calls.
    #[error("max-calls must be at least 1")]
    NoCalls,
    /// The RTP range does not hold the calls.
    #[error(
        "rtp-ports {first}-{last} holds {holds} calls and max-calls is {max_calls}: a call takes two \
         ports, so give at least {needed} ports or lower max-calls"
    )]
    TooFewPorts {
        /// First port.
        first: u16,
        /// Last port.
        last: u16,
        /// Calls that the range holds.
        holds: u32,
        /// As configured.
        max_calls: u32,
        /// Ports that max-calls asks for.
        needed: u32,
    },
    /// The limit of open files does not hold the calls and may not be raised so far.
    #[error(
        "max-calls {max_calls} needs {needed} open files and the limit is {limit}: raise it \
         (`ulimit -n {needed}`, or LimitNOFILE in the systemd unit) or lower max-calls to {affordable}"
    )]
    TooFewFiles {
        /// As configured.
        max_calls: u32,
        /// Files that max-calls asks for.
        needed: u64,
        /// The hard limit.
        limit: u64,
        /// Calls that the hard limit holds.
        affordable: u64,
    },
    /// The database, at start-up.
    #[error("the database did not answer the dialler: {0}")]
    Store(#[from] campanile_store::StoreError),
    /// Threads, wake-ups, sockets.
    #[error("the system refused what the engine needs: {0}")]
    System(#[from] io::Error),
}

impl FromStr for PublicAddress {
    type Err = InvalidPublicAddress;

    fn from_str(text: &str) -> Result<Self, InvalidPublicAddress> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        match text.parse::<IpAddr>() {
            Ok(ip) if !ip.is_unspecified() && !ip.is_multicast() => Ok(Self::Ip(ip)),
            _ => Err(InvalidPublicAddress(text.to_owned())),
        }
    }
}

impl fmt::Display for PublicAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => out.write_str("auto"),
            Self::Ip(ip) => ip.fmt(out),
        }
    }
}

impl EngineConfig {
    /// What can be checked without the system.
    pub(crate) fn check(&self) -> Result<(), EngineError> {
        if self.max_calls == 0 {
            return Err(EngineError::NoCalls);
        }
        let holds = u32::try_from(even_ports(&self.rtp_ports).count()).unwrap_or(u32::MAX);
        if holds < self.max_calls {
            return Err(EngineError::TooFewPorts {
                first: *self.rtp_ports.start(),
                last: *self.rtp_ports.end(),
                holds,
                max_calls: self.max_calls,
                needed: self.max_calls.saturating_mul(2),
            });
        }
        Ok(())
    }

    /// Raises the soft limit of open files as far as the calls need it.
    pub(crate) fn raise_file_limit(&self) -> Result<(), EngineError> {
        let needed = FILES_A_CALL * u64::from(self.max_calls) + FILES_BESIDE_CALLS;
        let mut limit = getrlimit(Resource::Nofile);
        let allows = |limit: Option<u64>| limit.is_none_or(|files| files >= needed);
        if allows(limit.current) {
            return Ok(());
        }
        if !allows(limit.maximum) {
            let hard = limit.maximum.unwrap_or(u64::MAX);
            return Err(EngineError::TooFewFiles {
                max_calls: self.max_calls,
                needed,
                limit: hard,
                affordable: hard.saturating_sub(FILES_BESIDE_CALLS) / FILES_A_CALL,
            });
        }
        limit.current = Some(needed);
        setrlimit(Resource::Nofile, limit).map_err(|errno| EngineError::System(errno.into()))
    }
}

/// The ports that carry RTP; the odd one above each belongs to RTCP.
pub(crate) fn even_ports(range: &RangeInclusive<u16>) -> impl Iterator<Item = u16> + use<> {
    let first = range.start().saturating_add(range.start() % 2);
    let last = *range.end();
    (first..=last).step_by(2).filter(move |port| *port != 0 && *port < last.max(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(rtp_ports: RangeInclusive<u16>, max_calls: u32) -> EngineConfig {
        EngineConfig {
            sip: "127.0.0.1:0".parse().unwrap(),
            sip_tcp_listen: None,
            sip_ca_file: None,
            public_address: PublicAddress::Auto,
            rtp_ports,
            max_calls,
            daily_limits: DailyLimits::default(),
            drain: Duration::ZERO,
            options_after: Duration::ZERO,
            dns_servers: Vec::new(),
        }
    }

    #[test]
    fn a_call_takes_an_even_port_and_the_odd_one_above_it() {
        assert_eq!(even_ports(&(20_000..=20_005)).collect::<Vec<_>>(), [20_000, 20_002, 20_004]);
        assert_eq!(even_ports(&(20_001..=20_006)).collect::<Vec<_>>(), [20_002, 20_004]);
        assert_eq!(even_ports(&(0..=3)).collect::<Vec<_>>(), [2]);
        assert_eq!(even_ports(&(65_534..=65_535)).collect::<Vec<_>>(), [65_534]);
        assert_eq!(even_ports(&RangeInclusive::new(7, 6)).count(), 0);
    }

    #[test]
    fn a_port_range_too_small_names_the_numbers() {
        let error = config(20_000..=20_005, 4).check().unwrap_err();
        assert_eq!(
            error.to_string(),
            "rtp-ports 20000-20005 holds 3 calls and max-calls is 4: a call takes two ports, so give \
             at least 8 ports or lower max-calls"
        );
        assert!(config(20_000..=20_005, 3).check().is_ok());
        assert!(matches!(config(20_000..=20_005, 0).check(), Err(EngineError::NoCalls)));
    }

    #[test]
    fn more_calls_than_open_files_are_refused_with_the_numbers() {
        let error = config(1..=65_535, u32::MAX).raise_file_limit();
        if let Err(error) = error {
            assert!(
                error.to_string().starts_with("max-calls 4294967295 needs 8589935102 open files")
            );
        } else {
            // Only a machine without any limit holds this many.
            assert_eq!(getrlimit(Resource::Nofile).maximum, None);
        }
    }

    #[test]
    fn a_public_address_is_auto_or_one_that_can_be_reached() {
        assert_eq!("auto".parse(), Ok(PublicAddress::Auto));
        assert_eq!("192.0.2.7".parse(), Ok(PublicAddress::Ip([192, 0, 2, 7].into())));
        assert!("0.0.0.0".parse::<PublicAddress>().is_err());
        assert!("host.example".parse::<PublicAddress>().is_err());
    }
}
