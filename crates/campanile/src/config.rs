//! What `serve` is told: flags first, then the environment, then the file.

use std::{net::SocketAddr, ops::RangeInclusive, path::PathBuf, str::FromStr, time::Duration};

use anyhow::{Context, bail};
use campanile_domain::guard::day::DailyLimits;
use campanile_engine::PublicAddress;
use campanile_web::csv_import::ImportLimits;
use clap::Args;
use serde::Deserialize;

/// How long live calls may go on after a signal, unless told otherwise.
const DRAIN: Duration = Duration::from_secs(30);

/// When an idle carrier is asked for a sign of life, unless told otherwise.
pub(crate) const OPTIONS_AFTER: Duration = Duration::from_secs(60);

/// `campanile serve`
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Data directory; made if it is not there.
    #[arg(long, env = "CAMPANILE_DATA")]
    data: Option<PathBuf>,
    /// Address of the console and the API [default: 127.0.0.1:8080].
    #[arg(long, env = "CAMPANILE_LISTEN")]
    listen: Option<SocketAddr>,
    /// Address of SIP over UDP [default: 0.0.0.0:5060].
    #[arg(long, env = "CAMPANILE_SIP")]
    sip: Option<SocketAddr>,
    /// Address that carriers see: an IP, or `auto` for the local address of the
    /// route to each carrier [default: auto].
    #[arg(long, env = "CAMPANILE_PUBLIC_ADDRESS")]
    public_address: Option<PublicAddress>,
    /// Ports of RTP, first-last [default: 20000-39999].
    #[arg(long, env = "CAMPANILE_RTP_PORTS")]
    rtp_ports: Option<PortRange>,
    /// Most calls of this machine at once [default: 1000].
    #[arg(long, env = "CAMPANILE_MAX_CALLS")]
    max_calls: Option<u32>,
    /// How long live calls may go on after SIGTERM, in seconds [default: 30].
    #[arg(long, env = "CAMPANILE_DRAIN_SECONDS")]
    drain_seconds: Option<u32>,
    /// TOML file with the same names (`data`, `listen`, `sip`, `public_address`,
    /// `rtp_ports`, `max_calls`, `drain_seconds`), and `daily_calls_max`,
    /// `daily_minutes_max`, `import_rows_max`, `import_bytes_max`, `dns_servers`, `sip_tcp_listen` and `sip_ca_file`; flags win
    /// over it.
    #[arg(long, env = "CAMPANILE_CONFIG")]
    config: Option<PathBuf>,
}

/// The same, settled.
#[derive(Debug, Clone)]
pub(crate) struct ServeConfig {
    pub(crate) data: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) sip: SocketAddr,
    pub(crate) sip_tcp_listen: Option<SocketAddr>,
    pub(crate) sip_ca_file: Option<PathBuf>,
    pub(crate) public_address: PublicAddress,
    pub(crate) rtp_ports: RangeInclusive<u16>,
    pub(crate) max_calls: u32,
    pub(crate) daily_limits: DailyLimits,
    pub(crate) import_limits: ImportLimits,
    pub(crate) drain: Duration,
    pub(crate) options_after: Duration,
    pub(crate) dns_servers: Vec<SocketAddr>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    data: Option<PathBuf>,
    listen: Option<SocketAddr>,
    sip: Option<SocketAddr>,
    /// Where connections of carriers are taken, such as `"0.0.0.0:5060"`; without it the requests
    /// of carriers over TCP and TLS come over the connections that we make.
    sip_tcp_listen: Option<SocketAddr>,
    /// PEM file of certificate authorities that carriers over TLS may have beside those of the
    /// system.
    sip_ca_file: Option<PathBuf>,
    public_address: Option<String>,
    rtp_ports: Option<String>,
    max_calls: Option<u32>,
    drain_seconds: Option<u32>,
    /// Calls that may be dialled from midnight to midnight in UTC, over all campaigns; no
    /// limit when absent. The guard against a night of toll fraud (DI-14).
    daily_calls_max: Option<u64>,
    /// The same for minutes of talk.
    daily_minutes_max: Option<u64>,
    /// Rows that a contact file may have; 500,000 when absent (CT-1).
    import_rows_max: Option<u64>,
    /// Bytes that a contact file may have; 50,000,000 when absent.
    import_bytes_max: Option<u64>,
    /// After how many idle seconds a carrier is asked for a sign of life (OPTIONS); 0: never.
    options_seconds: Option<u32>,
    /// Name servers that carriers are looked up with, such as `["10.0.0.2:53"]`, instead of
    /// those of the system.
    #[serde(default)]
    dns_servers: Vec<SocketAddr>,
}

/// Ports, both ends included; even ones carry RTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PortRange(u16, u16);

impl FromStr for PortRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text
            .split_once('-')
            .and_then(|(first, last)| Some(Self(first.parse().ok()?, last.parse().ok()?)));
        match parsed {
            Some(Self(first, last)) if first >= 1024 && last > first => Ok(Self(first, last)),
            _ => Err("give two ports from 1024 up, such as 20000-39999".into()),
        }
    }
}

impl ServeArgs {
    /// Settles flags and file.
    pub(crate) fn settle(self) -> anyhow::Result<ServeConfig> {
        let file = match &self.config {
            None => ConfigFile::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read the configuration {}", path.display()))?;
                toml::from_str(&text)
                    .with_context(|| format!("the configuration {} has a fault", path.display()))?
            }
        };
        let public_address = file
            .public_address
            .map(|text| text.parse::<PublicAddress>())
            .transpose()
            .context("public_address in the configuration")?;
        let rtp_ports = file
            .rtp_ports
            .map(|text| text.parse::<PortRange>())
            .transpose()
            .map_err(|error| anyhow::anyhow!("rtp_ports in the configuration: {error}"))?;
        let Some(data) = self.data.or(file.data) else {
            bail!("tell where the data directory is: --data DIR");
        };
        let PortRange(first, last) =
            self.rtp_ports.or(rtp_ports).unwrap_or(PortRange(20_000, 39_999));
        Ok(ServeConfig {
            data,
            listen: self.listen.or(file.listen).unwrap_or_else(crate::default_listen),
            sip: self.sip.or(file.sip).unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 5060))),
            sip_tcp_listen: file.sip_tcp_listen,
            sip_ca_file: file.sip_ca_file,
            public_address: self.public_address.or(public_address).unwrap_or_default(),
            rtp_ports: first..=last,
            max_calls: self.max_calls.or(file.max_calls).unwrap_or(1_000),
            daily_limits: DailyLimits {
                calls_max: file.daily_calls_max,
                minutes_max: file.daily_minutes_max,
            },
            import_limits: ImportLimits {
                rows_max: file.import_rows_max.unwrap_or(ImportLimits::default().rows_max),
                bytes_max: file.import_bytes_max.unwrap_or(ImportLimits::default().bytes_max),
            },
            drain: self
                .drain_seconds
                .or(file.drain_seconds)
                .map_or(DRAIN, |seconds| Duration::from_secs(seconds.into())),
            options_after: file
                .options_seconds
                .map_or(OPTIONS_AFTER, |seconds| Duration::from_secs(seconds.into())),
            dns_servers: file.dns_servers,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_need_two_ends_in_order() {
        assert_eq!("20000-20100".parse(), Ok(PortRange(20_000, 20_100)));
        for wrong in ["", "20000", "20100-20000", "80-90", "a-b", "70000-70001"] {
            assert!(wrong.parse::<PortRange>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_unknown_name_in_the_file_is_refused() {
        assert!(toml::from_str::<ConfigFile>("lisen = '127.0.0.1:1'").is_err());
        let file: ConfigFile = toml::from_str("listen = '127.0.0.1:1'\nmax_calls = 5").unwrap();
        assert_eq!(file.max_calls, Some(5));
        let limits = "daily_calls_max = 20_000\ndaily_minutes_max = 9_000";
        let file: ConfigFile = toml::from_str(limits).unwrap();
        assert_eq!((file.daily_calls_max, file.daily_minutes_max), (Some(20_000), Some(9_000)));
        assert!(toml::from_str::<ConfigFile>("daily_calls_max = -1").is_err());
        let limits = "import_rows_max = 1_000_000\nimport_bytes_max = 200_000_000";
        let file: ConfigFile = toml::from_str(limits).unwrap();
        assert_eq!(file.import_rows_max, Some(1_000_000));
        assert_eq!(file.import_bytes_max, Some(200_000_000));
    }
}
