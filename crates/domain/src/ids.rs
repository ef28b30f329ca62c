//! Identities: 63-bit numbers inside, prefixed text outside.
//!
//! An id is 43 bits of Unix milliseconds and 20 bits of sequence, so rows of one
//! import lie side by side and two data directories do not mint the same id.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Crockford's alphabet in lower case: no `i`, `l`, `o`, `u`.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const DIGITS: usize = 13;
/// Three letters, an underscore, the digits.
const TEXT: usize = 4 + DIGITS;

/// The text is not an id of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form {prefix}_ and 13 letters or digits")]
pub struct InvalidId {
    /// The prefix that the id should have had, such as `cmp`.
    pub prefix: &'static str,
}

/// `cmp_` and the digits.
fn text_of(prefix: &str, value: u64) -> [u8; TEXT] {
    let mut text = [b'_'; TEXT];
    let (head, digits) = text.split_at_mut(TEXT - DIGITS);
    head[..prefix.len()].copy_from_slice(prefix.as_bytes());
    for (index, byte) in digits.iter_mut().enumerate() {
        *byte = ALPHABET[((value >> (5 * (DIGITS - 1 - index))) & 31) as usize];
    }
    text
}

fn read_base32(text: &str) -> Option<u64> {
    if text.len() != DIGITS {
        return None;
    }
    let mut value: u64 = 0;
    for byte in text.bytes() {
        let digit = ALPHABET.iter().position(|letter| *letter == byte)? as u64;
        value = value.checked_mul(32)?.checked_add(digit)?;
    }
    (value <= i64::MAX as u64).then_some(value)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl $name {
            /// What the text form begins with, before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// The text form in ASCII, for whoever writes a million of them.
            pub fn text(self) -> [u8; 17] {
                text_of($prefix, self.0 as u64)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                let text = self.text();
                out.write_str(str::from_utf8(&text).expect("prefix and alphabet are ASCII"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, out)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(read_base32)
                    .map(|value| Self(value as i64))
                    .ok_or(InvalidId { prefix: $prefix })
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                crate::schema::of_id($prefix)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// A campaign.
    CampaignId = "cmp";
    /// One number to reach within one campaign.
    ContactId = "con";
    /// One dial of one contact.
    AttemptId = "att";
    /// A SIP trunk account.
    CarrierId = "car";
    /// A caller ID.
    NumberId = "num";
    /// What speaks.
    BotId = "bot";
    /// A person who signs in.
    UserId = "usr";
    /// An API key.
    KeyId = "key";
    /// A contact file being read and applied.
    ImportId = "imp";
}

/// Hands out ids in rising blocks.
#[derive(Debug)]
pub struct IdSource {
    next: i64,
}

impl IdSource {
    /// `random` separates two processes that start in the same millisecond.
    pub fn new(now_ms: i64, random: u32) -> Self {
        Self { next: (now_ms << 20) | i64::from(random & 0xF_FFFF) }
    }

    /// The first of `count` consecutive ids that nobody else has.
    pub fn block(&mut self, now_ms: i64, count: u32) -> i64 {
        let first = self.next.max(now_ms << 20);
        self.next = first + i64::from(count);
        first
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let campaign = CampaignId(1_790_000_000_000 << 20);
        assert_eq!(campaign.to_string().parse(), Ok(campaign));
        assert_eq!(campaign.to_string().parse::<ContactId>(), Err(InvalidId { prefix: "con" }));
        assert!("cmp_".parse::<CampaignId>().is_err());
        assert!("cmp_zzzzzzzzzzzzz".parse::<CampaignId>().is_err(), "over 63 bits");
    }

    #[test]
    fn blocks_do_not_overlap() {
        let mut source = IdSource::new(1_790_000_000_000, 0xF_FFFF);
        let first = source.block(1_790_000_000_000, 1_000);
        let second = source.block(1_790_000_000_000, 1);
        let later = source.block(1_790_000_000_005, 1);
        assert!(second >= first + 1_000);
        assert!(later > second);
    }

    proptest! {
        #[test]
        fn text_and_back(value in 0..i64::MAX) {
            prop_assert_eq!(AttemptId(value).to_string().parse(), Ok(AttemptId(value)));
        }
    }
}
