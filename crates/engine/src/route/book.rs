//! What is known of where carriers are, for how long, and what has to be asked.
//!
//! A call waits only for the first look-up of its own carrier, or for one after a long
//! rest. While a carrier is in use its entry is renewed before it runs out, and when that
//! fails the old addresses serve on for an hour.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    choice::Site,
    hop::Hop,
    locate::{Located, Unlocated},
};

/// How long old addresses serve after their time while the name cannot be looked up.
const GRACE: Duration = Duration::from_secs(3_600);
/// How long after a call the entry of its carrier is kept fresh.
const IN_USE: Duration = Duration::from_secs(600);
/// An entry is renewed when this share of its time, in tenths, has passed.
const RENEW_TENTHS: u32 = 8;
/// Not a real limit: a machine has a handful of carriers.
const ENTRIES_MAX: usize = 256;
/// How long an address that failed is tried last.
const SUSPECT: Duration = Duration::from_secs(60);
const SUSPECTS_MAX: usize = 256;

/// The entries, by hop.
#[derive(Debug, Default)]
pub(super) struct AddressBook {
    entries: HashMap<Hop, Entry>,
}

#[derive(Debug)]
struct Entry {
    found: Option<Found>,
    failed: Option<Failed>,
    /// A look-up is under way.
    asked: bool,
    used: Instant,
}

#[derive(Debug)]
struct Found {
    sites: Arc<[Site]>,
    renew: Instant,
    until: Instant,
}

#[derive(Debug)]
struct Failed {
    why: String,
    until: Instant,
}

/// What is known of a hop without asking.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Where it is.
    Is(Arc<[Site]>),
    /// It did not resolve a moment ago.
    Not(String),
    /// It has to be looked up; the caller does, and notes the answer.
    Ask,
    /// Somebody has asked.
    Wait,
}

impl AddressBook {
    /// What a call to `hop` may use.
    pub(super) fn look_up(&mut self, hop: &Hop, now: Instant) -> Known {
        if let Some(addr) = hop.address() {
            let site = Site { priority: 0, weight: 0, addresses: vec![addr] };
            return Known::Is([site].into());
        }
        if !self.entries.contains_key(hop) {
            self.make_room();
        }
        let entry = self.entries.entry(hop.clone()).or_insert_with(|| Entry::new(now));
        entry.used = now;
        let known = entry.known(now);
        if known == Known::Ask {
            entry.asked = true;
        }
        known
    }

    /// Notes the answer of a look-up and gives what to use now.
    pub(super) fn note(
        &mut self,
        hop: &Hop,
        answer: Result<Located, Unlocated>,
        now: Instant,
    ) -> Result<Arc<[Site]>, String> {
        // Whoever asked holds the entry open; one that was dropped all the same comes back.
        let entry = self.entries.entry(hop.clone()).or_insert_with(|| Entry::new(now));
        entry.asked = false;
        match answer {
            Ok(Located { sites, ttl }) => {
                let renew = now + ttl * RENEW_TENTHS / 10;
                entry.found = Some(Found { sites: sites.into(), renew, until: now + ttl });
                entry.failed = None;
            }
            Err(Unlocated { why, again }) => {
                entry.failed = Some(Failed { why, until: now + again });
            }
        }
        match entry.known(now) {
            Known::Is(sites) => Ok(sites),
            Known::Not(why) => Err(why),
            Known::Ask | Known::Wait => Err(format!("cannot resolve {}", hop.host)),
        }
    }

    /// When [`AddressBook::due`] has something next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.entries.values().filter_map(Entry::renew_at).min()
    }

    /// Hops in use whose time is nearly over: the caller asks again.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Hop> {
        let mut due = Vec::new();
        for (hop, entry) in &mut self.entries {
            if entry.renew_at().is_some_and(|at| at <= now) {
                entry.asked = true;
                due.push(hop.clone());
            }
        }
        due
    }

    fn make_room(&mut self) {
        if self.entries.len() < ENTRIES_MAX {
            return;
        }
        let idle = self.entries.iter().filter(|(_, entry)| !entry.asked);
        if let Some((oldest, _)) = idle.min_by_key(|(_, entry)| entry.used) {
            let oldest = oldest.clone();
            self.entries.remove(&oldest);
        }
    }
}

impl Entry {
    fn new(now: Instant) -> Self {
        Self { found: None, failed: None, asked: false, used: now }
    }

    fn known(&self, now: Instant) -> Known {
        let failed = self.failed.as_ref().filter(|failed| now < failed.until);
        if let Some(found) = &self.found {
            // It is being asked for, or will be in a moment: `renew_at`.
            let renewing = self.asked || self.failed.is_some();
            if now < found.until || (renewing && now < found.until + GRACE) {
                return Known::Is(found.sites.clone());
            }
        }
        match failed {
            Some(failed) => Known::Not(failed.why.clone()),
            None if self.asked => Known::Wait,
            None => Known::Ask,
        }
    }

    /// None when it is not in use, was never found, or is being asked for.
    fn renew_at(&self) -> Option<Instant> {
        let found = self.found.as_ref().filter(|_| !self.asked)?;
        let at = match &self.failed {
            Some(failed) => found.renew.max(failed.until),
            None => found.renew,
        };
        (at <= self.used + IN_USE).then_some(at)
    }
}

/// Addresses that refused or were silent a moment ago: the next calls try them last. The
/// SIP thread accuses, the router asks; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Suspects {
    until: Arc<Mutex<HashMap<std::net::SocketAddr, Instant>>>,
}

impl Suspects {
    /// An address could not be reached, or did not answer.
    pub(crate) fn accuse(&self, address: std::net::SocketAddr) {
        let now = Instant::now();
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.len() >= SUSPECTS_MAX {
            until.retain(|_, until| *until > now);
        }
        if until.len() < SUSPECTS_MAX {
            until.insert(address, now + SUSPECT);
        }
    }

    pub(crate) fn holds(&self, address: std::net::SocketAddr) -> bool {
        let until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.get(&address).is_some_and(|until| *until > Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use campanile_wire::ua::Transport;

    use super::*;

    fn hop(host: &str) -> Hop {
        Hop { host: host.into(), port: Some(5060), transport: Transport::Udp }
    }

    fn at(port: u16) -> Vec<Site> {
        let addresses = vec![([192, 0, 2, 1], port).into()];
        vec![Site { priority: 0, weight: 0, addresses }]
    }

    fn found(port: u16, seconds: u64) -> Result<Located, Unlocated> {
        Ok(Located { sites: at(port), ttl: Duration::from_secs(seconds) })
    }

    fn lost(why: &str) -> Result<Located, Unlocated> {
        Err(Unlocated { why: why.into(), again: Duration::from_secs(5) })
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_name_is_asked_for_once_and_a_failure_is_remembered_for_a_moment() {
        let (mut book, now, hop) = (AddressBook::default(), Instant::now(), hop("sip.example"));
        assert_eq!(book.look_up(&hop, now), Known::Ask);
        assert_eq!(book.look_up(&hop, now), Known::Wait, "never two at once");
        assert_eq!(book.note(&hop, lost("no"), now), Err("no".into()));
        assert_eq!(book.look_up(&hop, now + seconds(4)), Known::Not("no".into()));
        assert_eq!(book.look_up(&hop, now + seconds(5)), Known::Ask);
        let later = now + seconds(6);
        assert_eq!(book.note(&hop, found(1, 60), later).as_deref(), Ok(at(1).as_slice()));
        assert_eq!(book.look_up(&hop, later + seconds(59)), Known::Is(at(1).into()));
    }

    #[test]
    fn an_entry_in_use_is_renewed_before_it_runs_out_and_calls_never_wait_for_that() {
        let (mut book, now, hop) = (AddressBook::default(), Instant::now(), hop("sip.example"));
        book.look_up(&hop, now);
        book.note(&hop, found(1, 100), now).unwrap();
        assert_eq!(book.next(), Some(now + seconds(80)));
        assert_eq!(book.due(now + seconds(79)), []);
        assert_eq!(book.due(now + seconds(80)), std::slice::from_ref(&hop));
        assert_eq!(book.due(now + seconds(81)), [], "never two at once");
        let over = now + seconds(101);
        assert_eq!(book.look_up(&hop, over), Known::Is(at(1).into()), "being asked for");
        book.note(&hop, found(2, 100), over).unwrap();
        assert_eq!(book.look_up(&hop, over), Known::Is(at(2).into()), "changed");
    }

    #[test]
    fn old_addresses_serve_for_an_hour_while_the_name_cannot_be_looked_up() {
        let (mut book, now, hop) = (AddressBook::default(), Instant::now(), hop("sip.example"));
        book.look_up(&hop, now);
        book.note(&hop, found(1, 10), now).unwrap();
        let mut at_seconds = 8;
        while at_seconds < 10 + 3_600 {
            let then = now + seconds(at_seconds);
            assert_eq!(book.look_up(&hop, then), Known::Is(at(1).into()), "{at_seconds}");
            let due = book.due(then);
            assert_eq!(due, std::slice::from_ref(&hop), "asked again after each failure");
            assert_eq!(book.note(&hop, lost("down"), then).as_deref(), Ok(at(1).as_slice()));
            at_seconds += 5;
        }
        let then = now + seconds(at_seconds);
        book.due(then);
        assert_eq!(book.note(&hop, lost("down"), then), Err("down".into()));
    }

    #[test]
    fn a_carrier_at_rest_is_not_asked_for_and_its_first_call_asks() {
        let (mut book, now, hop) = (AddressBook::default(), Instant::now(), hop("sip.example"));
        book.look_up(&hop, now);
        book.note(&hop, found(1, 3_600), now).unwrap();
        assert_eq!(book.next(), None, "renewed only within ten minutes of a call");
        let then = now + seconds(3_601);
        assert_eq!(book.look_up(&hop, then), Known::Ask);
        assert_eq!(
            book.note(&hop, lost("down"), then).as_deref(),
            Ok(at(1).as_slice()),
            "better an old address than none"
        );
    }

    #[test]
    fn an_address_stands_for_itself_and_the_book_is_bounded() {
        let mut book = AddressBook::default();
        let now = Instant::now();
        let here = Hop { host: "::1".into(), port: None, transport: Transport::Tls };
        let Known::Is(sites) = book.look_up(&here, now) else { panic!("it is an address") };
        assert_eq!(sites[0].addresses, ["[::1]:5061".parse().unwrap()]);
        assert!(book.entries.is_empty());
        for index in 0..2 * ENTRIES_MAX as u64 {
            let hop = hop(&format!("{index}.example"));
            book.look_up(&hop, now + seconds(index));
            book.note(&hop, lost("no"), now).unwrap_err();
        }
        assert_eq!(book.entries.len(), ENTRIES_MAX);
        assert!(book.entries.contains_key(&hop("511.example")), "the oldest go");
    }

    #[tokio::test(start_paused = true)]
    async fn a_suspect_is_one_for_a_minute() {
        let suspects = Suspects::default();
        let (one, other) = ("192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5060".parse().unwrap());
        suspects.clone().accuse(one);
        assert!(suspects.holds(one) && !suspects.holds(other));
        tokio::time::advance(SUSPECT).await;
        assert!(!suspects.holds(one));
    }
}
