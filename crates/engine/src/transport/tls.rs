//! TLS to carriers: who is trusted, whose name a certificate must have, and what to tell an
//! operator when it does not.

use std::{io, net::IpAddr, path::Path, sync::Arc};

use campanile_wire::ua::Peer;
use jiff::Timestamp;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, Error, RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::ring,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};

/// How TLS is spoken.
pub(crate) struct Tls {
    /// Or why it is not.
    trust: Result<Trust, String>,
}

struct Trust {
    config: Arc<ClientConfig>,
    verifier: Arc<WebPkiServerVerifier>,
}

impl Tls {
    /// Trusts the authorities that this machine trusts and those of `ca_file` (PEM), which
    /// private carriers need.
    ///
    /// A machine without any is no error as long as no carrier asks for TLS; a `ca_file` that
    /// cannot be read is one at once.
    pub(crate) fn new(ca_file: Option<&Path>) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        let native = rustls_native_certs::load_native_certs();
        for error in native.errors {
            tracing::warn!(%error, "A certificate authority of this machine cannot be read");
        }
        roots.add_parsable_certificates(native.certs);
        if let Some(path) = ca_file {
            let unreadable = |error| io::Error::new(io::ErrorKind::InvalidData, format!("{error}"));
            let before = roots.len();
            for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
                let certificate = certificate.map_err(unreadable)?;
                roots.add(certificate).map_err(io::Error::other)?;
            }
            if roots.len() == before {
                let why = "it holds no certificate in PEM format";
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
        }
        Ok(Self { trust: Trust::in_roots(roots) })
    }

    /// A client that has said nothing yet. The certificate of the far end must be for `host`.
    pub(crate) fn client(&self, host: &str) -> Result<ClientConnection, String> {
        let trust = self.trust.as_ref().map_err(Clone::clone)?;
        ClientConnection::new(trust.config.clone(), name_of(host)?)
            .map_err(|error| error.to_string())
    }

    /// Whether the far end that showed this chain may be called `host` as well: carriers share
    /// machines, and so connections.
    pub(crate) fn is_also(&self, chain: &[CertificateDer<'_>], host: &str) -> Result<(), String> {
        let trust = self.trust.as_ref().map_err(Clone::clone)?;
        let [own, intermediates @ ..] = chain else { return Err("it has no certificate".into()) };
        let verdict = trust.verifier.verify_server_cert(
            own,
            intermediates,
            &name_of(host)?,
            &[],
            UnixTime::now(),
        );
        verdict.map(drop).map_err(|error| in_words(&error, host))
    }
}

impl Trust {
    fn in_roots(roots: RootCertStore) -> Result<Self, String> {
        let provider = Arc::new(ring::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()
                .map_err(|_| {
                    "this machine trusts no certificate authority: install its CA certificates, or \
                     name a file of them as `sip_ca_file`"
                        .to_owned()
                })?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_webpki_verifier(verifier.clone())
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config), verifier })
    }
}

/// What a certificate is checked against; an address stands for itself (RFC 5922 7.2 has names
/// only, private carriers have addresses).
fn name_of(host: &str) -> Result<ServerName<'static>, String> {
    let bare = host.trim().trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok(ServerName::IpAddress(ip.into()));
    }
    // A name with a dot at its end is the same name, and in no certificate.
    ServerName::try_from(bare.trim_end_matches('.').to_owned())
        .map_err(|_| format!("`{host}` is no name that a certificate could be for"))
}

/// What went wrong and what to do, after "no TLS to HOST: ".
pub(crate) fn in_words(error: &Error, host: &str) -> String {
    let certificate = match error {
        Error::InvalidCertificate(certificate) => certificate,
        Error::InvalidMessage(_) => return "what answers there does not speak TLS".into(),
        Error::AlertReceived(
            AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion,
        ) => {
            return "it shares no version or cipher of TLS with us; it must offer TLS 1.2 or 1.3"
                .into();
        }
        Error::AlertReceived(alert) => return format!("it ended the handshake with {alert:?}"),
        other => return format!("the handshake failed: {other}"),
    };
    match certificate {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("its certificate expired on {}; the carrier must renew it", day(*not_after))
        }
        CertificateError::Expired => {
            "its certificate has expired; the carrier must renew it".into()
        }
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "its certificate is valid from {} on; check the clock of this machine",
            day(*not_before)
        ),
        CertificateError::NotValidForNameContext { presented, .. } => format!(
            "its certificate is for {}, not for {host}; set the carrier's host to a name that it is \
             for, or ask the carrier for the right one",
            names(presented)
        ),
        CertificateError::NotValidForName => format!("its certificate is not for {host}"),
        CertificateError::UnknownIssuer => {
            "its certificate was issued by nobody whom this machine trusts; if that is meant, name \
             a file with the issuer's certificate as `sip_ca_file`"
                .into()
        }
        other => format!("its certificate is not good: {other}"),
    }
}

/// Whether it takes the carrier or the operator to mend it: trying again does not.
pub(crate) fn is_lasting(error: &Error) -> bool {
    matches!(error, Error::InvalidCertificate(_))
}

fn day(time: UnixTime) -> String {
    let at = i64::try_from(time.as_secs()).ok().and_then(|at| Timestamp::from_second(at).ok());
    at.map_or_else(|| "a day that is none".into(), |at| at.strftime("%Y-%m-%d").to_string())
}

/// The first few of the names that a certificate is for; a far end can put thousands there.
fn names(presented: &[String]) -> String {
    // They come as `DnsName("sip.example")`.
    let bare = |name: &String| name.split('"').nth(1).unwrap_or(name).to_owned();
    let mut told: Vec<_> = presented.iter().take(3).map(bare).collect();
    match presented.len() {
        0 => return "no name at all".into(),
        1..=3 => {}
        more => told.push(format!("{} more", more - 3)),
    }
    told.join(", ")
}

/// How an alarm and an attempt name a far end.
pub(crate) fn place(host: &str, peer: Peer) -> String {
    let over = peer.transport.name();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host == peer.addr.ip().to_string() {
        format!("{} over {over}", peer.addr)
    } else {
        format!("{host} ({} over {over})", peer.addr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_checked_against_the_host_however_it_is_written() {
        for (host, name) in [
            ("sip.example", "sip.example"),
            ("sip.example.", "sip.example"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("192.0.2.1", "192.0.2.1"),
        ] {
            assert_eq!(name_of(host).unwrap().to_str(), name);
        }
        assert!(name_of("no name").is_err());
    }

    #[test]
    fn a_machine_that_trusts_nobody_says_so_when_tls_is_asked_for() {
        let tls = Tls { trust: Trust::in_roots(RootCertStore::empty()) };
        let why = tls.client("sip.example").unwrap_err();
        assert!(why.contains("sip_ca_file"), "{why}");
    }

    #[test]
    fn a_ca_file_without_certificates_is_an_error_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        assert!(Tls::new(Some(&path)).is_err(), "it is not there");
        std::fs::write(&path, "nothing").unwrap();
        let error = Tls::new(Some(&path)).err().unwrap();
        assert_eq!(error.to_string(), "it holds no certificate in PEM format");
    }

    #[test]
    fn an_alarm_tells_what_is_wrong_and_what_to_do() {
        let at = |seconds| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        let of = |error| in_words(&Error::InvalidCertificate(error), "sip.example");
        let expired = CertificateError::ExpiredContext {
            time: at(2_000_000_000),
            not_after: at(1_767_225_600),
        };
        assert_eq!(of(expired), "its certificate expired on 2026-01-01; the carrier must renew it");
        let presented = ["a", "b", "c", "d", "e"].map(|name| format!("DnsName({name:?})")).to_vec();
        let expected = name_of("sip.example").unwrap();
        let other = of(CertificateError::NotValidForNameContext { expected, presented });
        assert!(
            other.starts_with("its certificate is for a, b, c, 2 more, not for sip.example;"),
            "{other}"
        );
        assert!(of(CertificateError::UnknownIssuer).contains("sip_ca_file"));
    }

    #[test]
    fn a_place_is_named_once() {
        let peer = Peer::tls("192.0.2.1:5061".parse().unwrap());
        assert_eq!(place("192.0.2.1", peer), "192.0.2.1:5061 over TLS");
        assert_eq!(place("sip.example", peer), "sip.example (192.0.2.1:5061 over TLS)");
    }
}
