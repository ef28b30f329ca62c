//! From a hop to addresses: RFC 3263 4.2, with the transport given.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use campanile_wire::ua::Transport;
use futures_util::future::join_all;

use super::{
    choice::Site,
    dns::{AddressKind, Dns, NameServers, Naptr, Nothing, Records, Srv},
    hop::Hop,
};

/// How long a whole look-up may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long NAPTR may take of it: name servers that drop questions for it are about.
const NAPTR_PATIENCE: Duration = Duration::from_secs(2);
/// A record without a time to live is asked for again after this, and a failure too.
const TTL_MIN: Duration = Duration::from_secs(5);
/// The longest that an address is used without asking again.
const TTL_MAX: Duration = Duration::from_secs(3_600);
/// The longest that a failure is remembered, whatever the zone says: a name that is being
/// set up should not hold a campaign for an hour.
const NEGATIVE_TTL_MAX: Duration = Duration::from_secs(30);
/// SRV records and addresses beyond are left aside.
const SITES_MAX: usize = 16;
const ADDRESSES_MAX: usize = 8;

/// What a socket of ours reaches: one of IPv4 does not reach IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) v4: bool,
    pub(crate) v6: bool,
}

/// Where a hop is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Located {
    /// Never empty, nor are their addresses.
    pub(super) sites: Vec<Site>,
    /// For how long that holds: 5 s to an hour.
    pub(super) ttl: Duration,
}

/// Why it is not known where a hop is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unlocated {
    /// Such as `cannot resolve sip.example.net: no such name`.
    pub(super) why: String,
    /// When it may be asked again: after 5 s to 30 s.
    pub(super) again: Duration,
}

/// Looks a hop up; takes at most five seconds.
pub(super) async fn locate(
    servers: NameServers,
    hop: Hop,
    reach: Reach,
) -> Result<Located, Unlocated> {
    let lookup = async {
        let dns = servers.open().map_err(Nothing::Unknown)?;
        Search { dns, hop: &hop, reach }.run().await
    };
    let found = match tokio::time::timeout(PATIENCE, lookup).await {
        Ok(found) => found,
        Err(_) => Err(Nothing::Unknown(format!(
            "the name server did not answer within {} s",
            PATIENCE.as_secs()
        ))),
    };
    match found {
        Ok(located) => {
            Ok(Located { ttl: located.ttl.clamp(TTL_MIN, TTL_MAX), sites: located.sites })
        }
        Err(nothing) => {
            let again = match &nothing {
                Nothing::NoSuchName(ttl) | Nothing::NoRecords(ttl) => ttl.unwrap_or(TTL_MIN),
                Nothing::Unknown(_) => TTL_MIN,
            };
            let why = match &nothing {
                Nothing::NoRecords(_) => format!("it has no {reach} address"),
                other => other.to_string(),
            };
            Err(Unlocated {
                why: format!("cannot resolve {}: {why}", hop.host),
                again: again.clamp(TTL_MIN, NEGATIVE_TTL_MAX),
            })
        }
    }
}

struct Search<'h> {
    dns: Dns,
    hop: &'h Hop,
    reach: Reach,
}

impl Search<'_> {
    async fn run(&self) -> Result<Located, Nothing> {
        if let Some(port) = self.hop.port {
            return self.plain(port).await;
        }
        for (service, ttl) in self.services().await {
            match self.dns.srv(&service).await {
                Ok(records) => return self.sites(records, ttl).await,
                Err(Nothing::NoSuchName(_) | Nothing::NoRecords(_)) => {}
                // An A record beside SRV records mostly belongs to a web server.
                Err(unknown) => return Err(unknown),
            }
        }
        self.plain(self.hop.port_or_default()).await
    }

    /// The names whose SRV records count, the best first: those that NAPTR gives for our
    /// transport, then the usual one.
    async fn services(&self) -> Vec<(String, Duration)> {
        let (service, prefix) = match self.hop.transport {
            Transport::Udp => ("SIP+D2U", "_sip._udp"),
            Transport::Tcp => ("SIP+D2T", "_sip._tcp"),
            Transport::Tls => ("SIPS+D2T", "_sips._tcp"),
        };
        let usual = (format!("{prefix}.{}", self.hop.host), TTL_MAX);
        let naptr = tokio::time::timeout(NAPTR_PATIENCE, self.dns.naptr(&self.hop.host)).await;
        let Ok(Ok(Records { records, ttl })) = naptr else { return vec![usual] };
        let mut ours: Vec<Naptr> = records
            .into_iter()
            .filter(|naptr| {
                naptr.service.eq_ignore_ascii_case(service) && naptr.flags.eq_ignore_ascii_case("s")
            })
            .collect();
        ours.sort_by_key(|naptr| (naptr.order, naptr.preference));
        ours.truncate(SITES_MAX);
        let named = ours.into_iter().map(|naptr| (naptr.replacement, ttl));
        named.chain([usual]).collect()
    }

    async fn sites(&self, srv: Records<Srv>, ttl: Duration) -> Result<Located, Nothing> {
        let mut records = srv.records;
        if records.iter().all(|record| record.target == ".") {
            let why = format!("it offers no SIP over {}", self.hop.transport.name());
            return Err(Nothing::Unknown(why));
        }
        records.retain(|record| record.target != ".");
        // The same order whatever the name server shuffles, for the cut and for the dice.
        records
            .sort_by(|a, b| (a.priority, &a.target, a.port).cmp(&(b.priority, &b.target, b.port)));
        records.truncate(SITES_MAX);
        let addresses = join_all(records.iter().map(|record| self.addresses(&record.target))).await;
        let mut ttl = ttl.min(srv.ttl);
        let mut located = Vec::new();
        let mut missing = Nothing::NoRecords(None);
        for (record, found) in records.iter().zip(addresses) {
            match found {
                Ok(found) => {
                    ttl = ttl.min(found.ttl);
                    let at = |ip: &IpAddr| SocketAddr::new(*ip, record.port);
                    located.push(Site {
                        priority: record.priority,
                        weight: record.weight,
                        addresses: found.records.iter().map(at).collect(),
                    });
                }
                // A part is better than nothing, and asked for again soon.
                Err(nothing) => {
                    ttl = TTL_MIN;
                    missing = nothing;
                }
            }
        }
        if located.is_empty() { Err(missing) } else { Ok(Located { sites: located, ttl }) }
    }

    async fn plain(&self, port: u16) -> Result<Located, Nothing> {
        let Records { records, ttl } = self.addresses(&self.hop.host).await?;
        let addresses = records.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
        Ok(Located { sites: vec![Site { priority: 0, weight: 0, addresses }], ttl })
    }

    /// What our sockets reach of a host; IPv4 first, over which most trunks are tested.
    async fn addresses(&self, host: &str) -> Result<Records<IpAddr>, Nothing> {
        let ask = async |wanted: bool, kind| match wanted {
            true => Some(self.dns.addresses(host, kind).await),
            false => None,
        };
        let (v4, v6) =
            tokio::join!(ask(self.reach.v4, AddressKind::A), ask(self.reach.v6, AddressKind::Aaaa));
        let mut all = Records { records: Vec::new(), ttl: TTL_MAX };
        let mut missing = Nothing::NoRecords(None);
        for answer in [v4, v6].into_iter().flatten() {
            match answer {
                Ok(found) => {
                    all.ttl = all.ttl.min(found.ttl);
                    all.records.extend(found.records);
                }
                // Whoever could not tell may have kept an address back.
                Err(nothing) if !matches!(missing, Nothing::Unknown(_)) => missing = nothing,
                Err(_) => {}
            }
        }
        all.records.truncate(ADDRESSES_MAX);
        if all.records.is_empty() { Err(missing) } else { Ok(all) }
    }
}

impl Unlocated {
    /// The look-up itself broke down.
    pub(super) fn by_bug(error: &tokio::task::JoinError) -> Self {
        Self { why: format!("looking up the carrier failed: {error}"), again: TTL_MIN }
    }
}

impl Reach {
    /// What a socket bound to `address` reaches; that of all IPv6 addresses takes in IPv4.
    pub(crate) fn of(address: SocketAddr) -> Self {
        Self { v4: address.is_ipv4() || address.ip().is_unspecified(), v6: address.is_ipv6() }
    }

    pub(crate) fn covers(self, address: SocketAddr) -> bool {
        if address.is_ipv4() { self.v4 } else { self.v6 }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match (self.v4, self.v6) {
            (true, true) => "IPv4 or IPv6",
            (true, false) => "IPv4",
            (false, _) => "IPv6",
        })
    }
}

#[cfg(test)]
#[path = "../../tests/dns/server.rs"]
mod server;

#[cfg(test)]
mod tests {
    use super::{
        server::{NameServer, SERVFAIL, Says},
        *,
    };

    const V4: Reach = Reach { v4: true, v6: false };
    const BOTH: Reach = Reach { v4: true, v6: true };

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    async fn find(
        server: &NameServer,
        hop: (&str, Option<u16>, Transport),
        reach: Reach,
    ) -> Result<Located, Unlocated> {
        let servers = NameServers { instead: vec![server.addr()] };
        let (host, port, transport) = hop;
        locate(servers, Hop { host: host.into(), port, transport }, reach).await
    }

    /// The addresses of each site, and for how many seconds they hold.
    async fn found(
        server: &NameServer,
        hop: (&str, Option<u16>, Transport),
        reach: Reach,
    ) -> (Vec<(u16, Vec<String>)>, u64) {
        let located = find(server, hop, reach).await.unwrap();
        let sites = located.sites.iter().map(|site| {
            (site.priority, site.addresses.iter().map(SocketAddr::to_string).collect())
        });
        (sites.collect(), located.ttl.as_secs())
    }

    fn one(site: &[&str]) -> Vec<(u16, Vec<String>)> {
        vec![(0, site.iter().map(|address| (*address).to_owned()).collect())]
    }

    #[tokio::test]
    async fn a_port_means_an_address_record_and_nothing_else() {
        let server = NameServer::start().await;
        server.set("sip.example", Says::At(vec![ip("192.0.2.1"), ip("192.0.2.2")], 90));
        server.set("_sip._udp.sip.example", Says::Srv(vec![(1, 1, 7, "sip.example")], 90));
        let (sites, ttl) = found(&server, ("sip.example", Some(5070), Transport::Udp), V4).await;
        assert_eq!((sites, ttl), (one(&["192.0.2.1:5070", "192.0.2.2:5070"]), 90));
        assert_eq!(server.asked("SRV _sip._udp.sip.example"), 0);
        assert_eq!(server.asked("AAAA sip.example"), 0, "our socket does not reach IPv6");
    }

    #[tokio::test]
    async fn without_a_port_srv_records_tell_and_without_them_the_port_is_the_transports() {
        let server = NameServer::start().await;
        server.set("one.example", Says::At(vec![ip("192.0.2.1")], 600));
        server.set("two.example", Says::At(vec![ip("192.0.2.2")], 30));
        let srv = vec![(20, 0, 5080, "two.example"), (10, 0, 5070, "one.example")];
        server.set("_sip._udp.sip.example", Says::Srv(srv, 300));
        let (sites, ttl) = found(&server, ("sip.example", None, Transport::Udp), V4).await;
        let expected =
            vec![(10, vec!["192.0.2.1:5070".to_owned()]), (20, vec!["192.0.2.2:5080".to_owned()])];
        assert_eq!((sites, ttl), (expected, 30), "the shortest of all records");

        let tls = ("one.example", None, Transport::Tls);
        assert_eq!(found(&server, tls, V4).await.0, one(&["192.0.2.1:5061"]));
        assert_eq!(server.asked("SRV _sips._tcp.one.example"), 1);
    }

    #[tokio::test]
    async fn naptr_names_the_srv_records_of_our_transport() {
        let server = NameServer::start().await;
        let naptr = vec![
            (10, 0, "s", "SIPS+D2T", "_sips._tcp.sip.example"),
            (20, 9, "s", "SIP+D2U", "_sip._udp.last.example"),
            (20, 1, "S", "sip+d2u", "_sip._udp.far.example"),
        ];
        server.set("sip.example", Says::Naptr(naptr, 20));
        server.set("_sip._udp.far.example", Says::Srv(vec![(0, 0, 5090, "far.example")], 60));
        server.set("far.example", Says::At(vec![ip("192.0.2.9")], 60));
        let (sites, ttl) = found(&server, ("sip.example", None, Transport::Udp), V4).await;
        assert_eq!((sites, ttl), (one(&["192.0.2.9:5090"]), 20));
        assert_eq!(server.asked("SRV _sip._udp.last.example"), 0);
    }

    #[tokio::test]
    async fn a_name_server_that_ignores_naptr_costs_two_seconds_and_no_more() {
        let server = NameServer::start().await;
        server.set("sip.example", Says::Silence);
        server.set("sip.example", Says::At(vec![ip("192.0.2.1")], 60));
        server.set("_sip._udp.sip.example", Says::Srv(vec![(0, 0, 5070, "sip.example")], 60));
        let begun = std::time::Instant::now();
        let (sites, _) = found(&server, ("sip.example", None, Transport::Udp), V4).await;
        assert_eq!(sites, one(&["192.0.2.1:5070"]));
        assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn a_target_that_does_not_resolve_leaves_the_others_and_is_asked_for_again_soon() {
        let server = NameServer::start().await;
        server.set("one.example", Says::At(vec![ip("192.0.2.1")], 600));
        let srv = vec![(10, 0, 5070, "gone.example"), (20, 0, 5070, "one.example")];
        server.set("_sip._tcp.sip.example", Says::Srv(srv, 600));
        let (sites, ttl) = found(&server, ("sip.example", None, Transport::Tcp), V4).await;
        assert_eq!((sites, ttl), (vec![(20, vec!["192.0.2.1:5070".to_owned()])], 5));
    }

    #[tokio::test]
    async fn both_families_are_asked_for_where_both_are_reached() {
        let server = NameServer::start().await;
        server.set("sip.example", Says::At(vec![ip("192.0.2.1")], 60));
        server.set("sip.example", Says::At(vec![ip("2001:db8::1")], 60));
        let hop = ("sip.example", Some(5060), Transport::Udp);
        assert_eq!(
            found(&server, hop, BOTH).await.0,
            one(&["192.0.2.1:5060", "[2001:db8::1]:5060"])
        );
        let v6 = Reach { v4: false, v6: true };
        assert_eq!(found(&server, hop, v6).await.0, one(&["[2001:db8::1]:5060"]));
    }

    #[tokio::test]
    async fn why_a_name_is_not_found_is_told_in_words() {
        let server = NameServer::start().await;
        server.set("v6.example", Says::At(vec![ip("2001:db8::1")], 60));
        server.set("ill.example", SERVFAIL);
        server.set("srv.ill.example", Says::At(vec![ip("192.0.2.1")], 60));
        server.set("_sip._udp.srv.ill.example", SERVFAIL);
        server.set("_sip._udp.none.example", Says::Srv(vec![(0, 0, 0, ".")], 60));
        let mut told = Vec::new();
        for (host, port) in [
            ("gone.example", Some(5060)),
            ("v6.example", Some(5060)),
            ("ill.example", Some(5060)),
            ("srv.ill.example", None),
            ("none.example", None),
            ("a..b", None),
        ] {
            let lost = find(&server, (host, port, Transport::Udp), V4).await.unwrap_err();
            told.push(format!("{} ({} s)", lost.why, lost.again.as_secs()));
        }
        assert_eq!(
            told,
            [
                "cannot resolve gone.example: no such name (7 s)",
                "cannot resolve v6.example: it has no IPv4 address (7 s)",
                "cannot resolve ill.example: the name server answered Server Failure (5 s)",
                "cannot resolve srv.ill.example: the name server answered Server Failure (5 s)",
                "cannot resolve none.example: it offers no SIP over UDP (5 s)",
                "cannot resolve a..b: it is not a name: Malformed label:  (5 s)",
            ]
        );
    }

    #[tokio::test]
    async fn a_slow_name_server_is_given_up_after_five_seconds() {
        let server = NameServer::start().await;
        let late = Says::At(vec![ip("192.0.2.1")], 60);
        server.set("slow.example", Says::Later(Duration::from_secs(6), Box::new(late)));
        let begun = std::time::Instant::now();
        let lost = find(&server, ("slow.example", Some(5060), Transport::Udp), V4).await;
        let why = lost.unwrap_err().why;
        assert!(why.starts_with("cannot resolve slow.example: the name server d"), "{why}");
        assert!(begun.elapsed() < PATIENCE + Duration::from_millis(900), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn times_to_live_are_kept_between_five_seconds_and_an_hour() {
        let server = NameServer::start().await;
        server.set("short.example", Says::At(vec![ip("192.0.2.1")], 0));
        server.set("long.example", Says::At(vec![ip("192.0.2.1")], 1_000_000));
        let ttl = async |host| found(&server, (host, Some(5060), Transport::Udp), V4).await.1;
        assert_eq!((ttl("short.example").await, ttl("long.example").await), (5, 3_600));
    }

    #[tokio::test]
    async fn this_machine_is_found_without_a_name_server() {
        let hop = Hop { host: "localhost".into(), port: Some(5060), transport: Transport::Udp };
        let located = locate(NameServers::default(), hop, V4).await.unwrap();
        assert_eq!(located.sites[0].addresses, ["127.0.0.1:5060".parse().unwrap()]);
    }
}
