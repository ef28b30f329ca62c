//! API keys: `cmpk_` + 8-character public id + `_` + 32 random base62 characters.
//!
//! The secret has 190 bits of chance, so its SHA-256 needs neither salt nor a slow
//! hash; it is looked up by the public part and compared in constant time.

use axum::http::{HeaderMap, header};
use campanile_store::{Store, StoreError, rows::Key};
use jiff::Timestamp;
use rand::distr::{Alphanumeric, SampleString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const MARK: &str = "cmpk_";
const ID_LENGTH: usize = 8;
const SECRET_LENGTH: usize = 32;

/// A new key, before it is kept.
pub struct MintedKey {
    /// The whole key: shown once, never kept.
    pub secret: String,
    /// Its public first part, `cmpk_` and 8 characters.
    pub prefix: String,
    /// SHA-256 of the whole key.
    pub hash: [u8; 32],
}

/// A new key from the system's random source.
pub fn mint_key() -> MintedKey {
    let mut rng = rand::rng();
    let prefix = format!("{MARK}{}", Alphanumeric.sample_string(&mut rng, ID_LENGTH));
    let secret = format!("{prefix}_{}", Alphanumeric.sample_string(&mut rng, SECRET_LENGTH));
    let hash = hash_of(&secret);
    MintedKey { secret, prefix, hash }
}

/// The key that `secret` is, if it is one.
pub(crate) async fn authenticate(
    store: &Store,
    secret: &str,
    now: Timestamp,
) -> Result<Option<Key>, StoreError> {
    let Some(prefix) = prefix_of(secret) else { return Ok(None) };
    let Some(key) = store.key_by_prefix(prefix).await? else { return Ok(None) };
    if !bool::from(key.hash.ct_eq(&hash_of(secret))) || key.expires_at.is_some_and(|end| end <= now)
    {
        return Ok(None);
    }
    // Its last use is a comfort: a database that takes no writes must still let
    // readers in.
    if key.last_used_at.is_none_or(|last| now.duration_since(last).as_secs() >= 60)
        && let Err(error) = store.touch_key(key.id, now).await
    {
        tracing::warn!(key.id = %key.id, %error, "Last use of a key was not kept");
    }
    Ok(Some(key))
}

/// The key that a request shows, in `Authorization: Bearer` (RFC 6750 2.1) or
/// `X-API-Key`; `Some("")` when such a header is there and unreadable, so that a
/// broken key is never taken for no key.
pub(crate) fn shown_in(headers: &HeaderMap) -> Option<&str> {
    if let Some(value) = headers.get("x-api-key") {
        return Some(value.to_str().unwrap_or_default().trim());
    }
    let value = headers.get(header::AUTHORIZATION)?.to_str().unwrap_or_default();
    let (scheme, secret) = value.trim().split_once(' ').unwrap_or_default();
    Some(if scheme.eq_ignore_ascii_case("bearer") { secret.trim() } else { "" })
}

fn prefix_of(secret: &str) -> Option<&str> {
    let rest = secret.strip_prefix(MARK)?;
    let (id, random) = rest.split_once('_')?;
    let sound = id.len() == ID_LENGTH
        && random.len() == SECRET_LENGTH
        && id.bytes().chain(random.bytes()).all(|byte| byte.is_ascii_alphanumeric());
    sound.then(|| &secret[..MARK.len() + ID_LENGTH])
}

fn hash_of(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_minted_key_has_its_public_part_in_front() {
        let key = mint_key();
        assert_eq!(key.secret.len(), 5 + 8 + 1 + 32);
        assert_eq!(prefix_of(&key.secret), Some(key.prefix.as_str()));
        assert_eq!(key.hash, hash_of(&key.secret));
        assert_ne!(mint_key().secret, key.secret);
    }

    #[test]
    fn what_is_not_a_key_has_no_public_part() {
        let key = mint_key().secret;
        for broken in ["", "cmpk_", "cmpk_abc_def", &key[1..], &key[..key.len() - 1]] {
            assert_eq!(prefix_of(broken), None, "{broken}");
        }
        assert_eq!(prefix_of(&format!("{key}x")), None);
        assert_eq!(prefix_of(&key.replace(|c: char| c.is_ascii_digit(), "é")[..]), None);
    }

    #[test]
    fn a_key_is_read_from_either_header() {
        let shown = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            shown_in(&headers).map(str::to_owned)
        };
        assert_eq!(shown("authorization", "Bearer abc").as_deref(), Some("abc"));
        assert_eq!(shown("authorization", "bearer  abc ").as_deref(), Some("abc"));
        assert_eq!(shown("authorization", "Basic abc").as_deref(), Some(""));
        assert_eq!(shown("authorization", "abc").as_deref(), Some(""));
        assert_eq!(shown("x-api-key", "abc").as_deref(), Some("abc"));
        assert_eq!(shown("accept", "abc"), None);
    }
}
