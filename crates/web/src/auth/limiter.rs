//! How often one may fail to sign in, by account and by address.

use std::{collections::HashMap, net::IpAddr, sync::Mutex};

use jiff::{SignedDuration, Timestamp};

/// Failures are forgotten this long after the first of them.
const SPAN: SignedDuration = SignedDuration::from_mins(15);
/// Failures an account may have in a span.
const PER_ACCOUNT: u32 = 5;
/// Failures an address may have in a span: several people may share one.
const PER_ADDRESS: u32 = 30;
/// Names kept at most; the oldest go first, so memory stays bounded under a flood
/// of invented names.
const KEPT_MAX: usize = 10_000;

/// Come back after so many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooOften {
    pub(crate) retry_after_seconds: u64,
}

#[derive(Default)]
pub(crate) struct SignInLimiter {
    failures: Mutex<HashMap<Name, Failures>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Name {
    Account(String),
    Address(IpAddr),
}

struct Failures {
    first: Timestamp,
    count: u32,
}

impl SignInLimiter {
    /// Counts one try as a failure before it is looked at, so that many at once
    /// cannot slip through; [`SignInLimiter::succeeded`] takes it back.
    pub(crate) fn try_once(
        &self,
        account: &str,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<(), TooOften> {
        let mut failures = self.failures.lock().expect("no holder of this lock panics");
        if failures.len() >= KEPT_MAX {
            forget(&mut failures, now);
        }
        let names = names(account, address);
        for (name, limit) in &names {
            let Some(kept) = failures.get(name).filter(|kept| is_recent(kept, now)) else {
                continue;
            };
            if kept.count >= *limit {
                let left = SPAN.saturating_sub(now.duration_since(kept.first));
                return Err(TooOften { retry_after_seconds: left.as_secs().max(1) as u64 });
            }
        }
        for (name, _) in names {
            let kept = failures.entry(name).or_insert(Failures { first: now, count: 0 });
            if !is_recent(kept, now) {
                *kept = Failures { first: now, count: 0 };
            }
            kept.count += 1;
        }
        Ok(())
    }

    /// The account is cleared; the address keeps what it failed at other accounts.
    pub(crate) fn succeeded(&self, account: &str, address: Option<IpAddr>) {
        let mut failures = self.failures.lock().expect("no holder of this lock panics");
        for (name, _) in names(account, address) {
            match name {
                Name::Account(_) => {
                    failures.remove(&name);
                }
                Name::Address(_) => {
                    if let Some(kept) = failures.get_mut(&name) {
                        kept.count = kept.count.saturating_sub(1);
                    }
                }
            }
        }
    }
}

fn names(account: &str, address: Option<IpAddr>) -> Vec<(Name, u32)> {
    let mut names = vec![(Name::Account(account.to_owned()), PER_ACCOUNT)];
    names.extend(address.map(|address| (Name::Address(address), PER_ADDRESS)));
    names
}

fn is_recent(failures: &Failures, now: Timestamp) -> bool {
    now.duration_since(failures.first) < SPAN
}

fn forget(failures: &mut HashMap<Name, Failures>, now: Timestamp) {
    failures.retain(|_, kept| is_recent(kept, now));
    while failures.len() >= KEPT_MAX {
        let mut ages: Vec<_> = failures.values().map(|kept| kept.first).collect();
        let middle = ages.len() / 2;
        let (_, median, _) = ages.select_nth_unstable(middle);
        let median = *median;
        failures.retain(|_, kept| kept.first > median);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn the_sixth_failure_of_an_account_waits_for_the_span_to_end() {
        let limiter = SignInLimiter::default();
        for second in 0..5 {
            assert_eq!(limiter.try_once("a@example.com", None, at(second)), Ok(()));
        }
        assert_eq!(
            limiter.try_once("a@example.com", None, at(60)),
            Err(TooOften { retry_after_seconds: 840 })
        );
        assert_eq!(limiter.try_once("b@example.com", None, at(60)), Ok(()));
        assert_eq!(limiter.try_once("a@example.com", None, at(900)), Ok(()));
    }

    #[test]
    fn a_success_clears_the_account_and_not_the_address() {
        let limiter = SignInLimiter::default();
        let address = Some(IpAddr::from([192, 0, 2, 1]));
        for index in 0..30 {
            assert_eq!(limiter.try_once(&format!("{index}@example.com"), address, at(0)), Ok(()));
        }
        assert!(limiter.try_once("me@example.com", address, at(1)).is_err());
        limiter.succeeded("0@example.com", address);
        assert_eq!(limiter.try_once("me@example.com", address, at(1)), Ok(()));
        assert!(limiter.try_once("me@example.com", address, at(1)).is_err());
    }

    #[test]
    fn a_flood_of_names_does_not_grow_without_bound() {
        let limiter = SignInLimiter::default();
        for index in 0..(3 * KEPT_MAX) {
            let _ = limiter.try_once(&format!("{index}@example.com"), None, at(index as i64 / 100));
        }
        assert!(limiter.failures.lock().unwrap().len() <= KEPT_MAX);
    }
}
