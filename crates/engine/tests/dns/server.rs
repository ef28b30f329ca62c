//! A name server on loopback: hand-made packets (RFC 1035 4.1), answers as a test sets
//! them, and a count of what was asked.

#![allow(dead_code, reason = "each test file that takes it in uses a part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot make its world has failed")]

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::net::UdpSocket;

const A: u16 = 1;
const AAAA: u16 = 28;
const SRV: u16 = 33;
const NAPTR: u16 = 35;
const SOA: u16 = 6;

/// What a name server says of one name.
#[derive(Debug, Clone)]
pub(crate) enum Says {
    /// Addresses, with their time to live in seconds.
    At(Vec<IpAddr>, u32),
    /// `(priority, weight, port, target)`.
    Srv(Vec<(u16, u16, u16, &'static str)>, u32),
    /// `(order, preference, flags, service, replacement)`.
    Naptr(Vec<(u16, u16, &'static str, &'static str, &'static str)>, u32),
    /// An error code (RFC 1035 4.1.1): 2 SERVFAIL, 3 NXDOMAIN.
    Fails(u8),
    /// The same, but after a while.
    Later(Duration, Box<Says>),
    /// Nothing at all.
    Silence,
}

pub(crate) const SERVFAIL: Says = Says::Fails(2);

/// Answers until it is dropped. A name that it was told nothing of does not exist.
#[derive(Clone)]
pub(crate) struct NameServer {
    addr: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    zone: HashMap<(String, u16), Says>,
    asked: BTreeMap<String, usize>,
}

impl NameServer {
    pub(crate) async fn start() -> Self {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let addr = socket.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 1_500];
            while let Ok((bytes, from)) = socket.recv_from(&mut buffer).await {
                let Some((name, kind, end)) = question(&buffer[..bytes]) else { continue };
                let asked = buffer[..end].to_vec();
                let says = {
                    let mut state = shared.lock().unwrap();
                    *state.asked.entry(format!("{} {name}", word(kind))).or_default() += 1;
                    state.answer(&name, kind)
                };
                let socket = socket.clone();
                tokio::spawn(async move {
                    let mut says = says;
                    if let Says::Later(wait, then) = says {
                        tokio::time::sleep(wait).await;
                        says = *then;
                    }
                    if let Some(packet) = packet(&asked, &says) {
                        // The one who asked may have gone away.
                        let _ = socket.send_to(&packet, from).await;
                    }
                });
            }
        });
        Self { addr, state }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// From now on it says this of `name`, in the place of what it said of its records of
    /// that type.
    pub(crate) fn set(&self, name: &str, says: Says) {
        let kinds: &[u16] = match &says {
            Says::At(addresses, _) if addresses.iter().all(IpAddr::is_ipv6) => &[AAAA],
            Says::At(..) => &[A],
            Says::Srv(..) => &[SRV],
            Says::Naptr(..) => &[NAPTR],
            Says::Fails(_) | Says::Later(..) | Says::Silence => &[A, AAAA, SRV, NAPTR],
        };
        let mut state = self.state.lock().unwrap();
        for kind in kinds {
            state.zone.insert((name.into(), *kind), says.clone());
        }
    }

    /// Everything of `name` is gone.
    pub(crate) fn forget(&self, name: &str) {
        self.state.lock().unwrap().zone.retain(|(known, _), _| known != name);
    }

    /// How often a question was put, such as `A sip.example`.
    pub(crate) fn asked(&self, question: &str) -> usize {
        self.state.lock().unwrap().asked.get(question).copied().unwrap_or_default()
    }
}

impl State {
    fn answer(&self, name: &str, kind: u16) -> Says {
        if let Some(says) = self.zone.get(&(name.to_owned(), kind)) {
            return says.clone();
        }
        // The name exists when there is anything at it or below it.
        let exists = self.zone.keys().any(|(known, _)| {
            known == name || known.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'))
        });
        if exists { Says::At(Vec::new(), 0) } else { Says::Fails(3) }
    }
}

fn word(kind: u16) -> &'static str {
    match kind {
        A => "A",
        AAAA => "AAAA",
        SRV => "SRV",
        NAPTR => "NAPTR",
        _ => "other",
    }
}

/// The name in small letters, the type, and where the question ends.
fn question(packet: &[u8]) -> Option<(String, u16, usize)> {
    let mut at = 12;
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*packet.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        let label = packet.get(at..at + length)?;
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes(packet.get(at..at + 2)?.try_into().ok()?);
    Some((labels.join("."), kind, at + 4))
}

fn packet(asked: &[u8], says: &Says) -> Option<Vec<u8>> {
    let (code, records, ttl): (u8, Vec<(u16, Vec<u8>)>, u32) = match says {
        Says::Silence | Says::Later(..) => return None,
        Says::Fails(code) => (*code, Vec::new(), 0),
        Says::At(addresses, ttl) => {
            let record = |address: &IpAddr| match address {
                IpAddr::V4(address) => (A, address.octets().to_vec()),
                IpAddr::V6(address) => (AAAA, address.octets().to_vec()),
            };
            (0, addresses.iter().map(record).collect(), *ttl)
        }
        Says::Srv(records, ttl) => {
            let record = |&(priority, weight, port, target): &(u16, u16, u16, &str)| {
                let numbers = [priority, weight, port].map(u16::to_be_bytes).concat();
                (SRV, [numbers, name(target)].concat())
            };
            (0, records.iter().map(record).collect(), *ttl)
        }
        Says::Naptr(records, ttl) => {
            let text = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
            let record = |&(order, preference, flags, service, replacement): &(
                u16,
                u16,
                &str,
                &str,
                &str,
            )| {
                let numbers = [order, preference].map(u16::to_be_bytes).concat();
                let texts = [text(flags), text(service), text("")].concat();
                (NAPTR, [numbers, texts, name(replacement)].concat())
            };
            (0, records.iter().map(record).collect(), *ttl)
        }
    };
    let mut packet = asked[..2].to_vec();
    // An answer, with recursion asked for and available.
    packet.extend([0x81, 0x80 | code]);
    packet.extend(1u16.to_be_bytes());
    packet.extend((records.len() as u16).to_be_bytes());
    let authority = u16::from(records.is_empty() && code != 2);
    packet.extend(authority.to_be_bytes());
    packet.extend(0u16.to_be_bytes());
    packet.extend(&asked[12..]);
    let mut record = |kind: u16, ttl: u32, data: &[u8]| {
        // The name of the question (RFC 1035 4.1.4), class IN.
        packet.extend([0xc0, 12]);
        packet.extend(kind.to_be_bytes());
        packet.extend(1u16.to_be_bytes());
        packet.extend(ttl.to_be_bytes());
        packet.extend((data.len() as u16).to_be_bytes());
        packet.extend(data);
    };
    for (kind, data) in &records {
        record(*kind, ttl, data);
    }
    if authority == 1 {
        // A negative answer comes with the zone's SOA (RFC 2308 3); it holds for 7 s.
        let numbers = [1u32, 60, 60, 60, 7].map(u32::to_be_bytes).concat();
        record(SOA, 7, &[name("ns.example"), name("admin.example"), numbers].concat());
    }
    Some(packet)
}

fn name(dotted: &str) -> Vec<u8> {
    let labels = dotted.split('.').filter(|label| !label.is_empty());
    let mut bytes: Vec<u8> =
        labels.flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat()).collect();
    bytes.push(0);
    bytes
}
