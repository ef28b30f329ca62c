//! How often a caller may ask: a bucket of requests for each user and API key.

use std::{collections::HashMap, sync::Mutex};

use axum::http::{HeaderMap, HeaderValue};
use jiff::Timestamp;

/// Buckets kept before those that are full again are forgotten. Callers are known ones,
/// so there are hardly ever more.
const KEPT_MAX: usize = 10_000;

/// What a caller may ask.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ApiRate {
    /// Requests a second, in the long run; above 0.
    pub per_second: f64,
    /// Requests that may come at once after a rest; at least 1.
    pub burst: u32,
}

impl Default for ApiRate {
    /// Far above what a program that works asks, and far below what would keep the
    /// server from dialling.
    fn default() -> Self {
        Self { per_second: 2_000.0, burst: 10_000 }
    }
}

/// The buckets.
pub(crate) struct Rates {
    rate: ApiRate,
    buckets: Mutex<HashMap<String, Bucket>>,
}

#[derive(Clone, Copy)]
struct Bucket {
    left: f64,
    at: Timestamp,
}

/// Where a caller stands after a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Standing {
    rate: ApiRate,
    left: f64,
}

impl Rates {
    pub(crate) fn new(rate: ApiRate) -> Self {
        Self { rate, buckets: Mutex::default() }
    }

    /// Takes one request out of the bucket of `caller`; `Err` when it is empty.
    pub(crate) fn take(&self, caller: &str, now: Timestamp) -> Result<Standing, Standing> {
        let mut buckets = self.buckets.lock().expect("no holder of this lock panics");
        if buckets.len() >= KEPT_MAX && !buckets.contains_key(caller) {
            buckets.retain(|_, bucket| self.filled(*bucket, now) < f64::from(self.rate.burst));
        }
        let full = Bucket { left: f64::from(self.rate.burst), at: now };
        let bucket = buckets.entry(caller.to_owned()).or_insert(full);
        bucket.left = self.filled(*bucket, now);
        bucket.at = now;
        let may = bucket.left >= 1.0;
        if may {
            bucket.left -= 1.0;
        }
        let standing = Standing { rate: self.rate, left: bucket.left };
        if may { Ok(standing) } else { Err(standing) }
    }

    fn filled(&self, bucket: Bucket, now: Timestamp) -> f64 {
        let rested = now.duration_since(bucket.at).as_secs_f64().max(0.0);
        (bucket.left + rested * self.rate.per_second).min(f64::from(self.rate.burst))
    }
}

impl Standing {
    /// Whole seconds until there is a request in the bucket again, at least 1.
    pub(crate) fn retry_after_seconds(&self) -> u64 {
        let lacking = (1.0 - self.left).max(0.0) / self.rate.per_second;
        lacking.ceil().max(1.0) as u64
    }

    /// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers).
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        let ApiRate { per_second, burst } = self.rate;
        let window = (f64::from(burst) / per_second).ceil().max(1.0);
        let lacking = f64::from(burst) - self.left.floor();
        let reset = (lacking / per_second).ceil();
        let policy = format!("\"caller\";q={burst};w={window}");
        let standing = format!("\"caller\";r={};t={reset}", self.left.floor());
        for (name, value) in [("ratelimit-policy", policy), ("ratelimit", standing)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + milliseconds).unwrap()
    }

    #[test]
    fn a_caller_gets_his_burst_and_then_his_rate_whatever_others_do() {
        let rates = Rates::new(ApiRate { per_second: 2.0, burst: 3 });
        for _ in 0..3 {
            assert!(rates.take("key_1", at(0)).is_ok());
        }
        let empty = rates.take("key_1", at(0)).unwrap_err();
        assert_eq!(empty.retry_after_seconds(), 1);
        assert!(rates.take("key_2", at(0)).is_ok());
        assert!(rates.take("key_1", at(499)).is_err());
        assert!(rates.take("key_1", at(500)).is_ok());
        assert!(rates.take("key_1", at(500)).is_err());
        // A clock that was set back gives nothing and takes nothing.
        assert!(rates.take("key_1", at(-9_000)).is_err());
        assert!(rates.take("key_1", at(-8_500)).is_ok());
    }

    #[test]
    fn the_headers_say_what_is_left() {
        let rates = Rates::new(ApiRate { per_second: 10.0, burst: 20 });
        rates.take("key_1", at(0)).unwrap();
        let mut headers = HeaderMap::new();
        rates.take("key_1", at(0)).unwrap().tell(&mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"caller\";q=20;w=2");
        assert_eq!(headers["ratelimit"], "\"caller\";r=18;t=1");
    }
}
