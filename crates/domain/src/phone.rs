//! Telephone numbers by the libphonenumber rules, kept as E.164.

use std::{fmt, str::FromStr};

use crate::carrier::NumberFormat;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A number in E.164 form: `+` and 7 to 15 digits. `Debug` masks it, because log
/// lines are copied into tickets; `Display` shows it whole.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneNumber(u64);

/// Why a text cannot be dialled. The word is stable; `Display` explains it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPhone {
    /// Nothing there.
    #[error("the number is empty")]
    Empty,
    /// A spreadsheet turned it into `9.19999E+11`.
    #[error(
        "a spreadsheet turned the number into scientific notation; format the column as text and export again"
    )]
    Scientific,
    /// Not a number by the rules of its country.
    #[error("not a valid number in its country")]
    Invalid,
    /// Emergency, premium, satellite or short number.
    #[error("emergency, premium, satellite and short numbers are never dialled")]
    Forbidden,
}

impl InvalidPhone {
    /// Stable word for programs and for the rejected-rows file.
    pub fn code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Scientific => "scientific_notation",
            Self::Invalid => "invalid_number",
            Self::Forbidden => "forbidden_number",
        }
    }
}

impl PhoneNumber {
    /// From the digits after the `+`, as kept by the store.
    pub fn from_digits(digits: u64) -> Option<Self> {
        (1_000_000..=999_999_999_999_999).contains(&digits).then_some(Self(digits))
    }

    /// The number as a carrier wants it in a Request-URI or From, after its prefix
    ///
    pub fn format_for(self, format: NumberFormat, prefix: Option<&str>) -> String {
        let prefix = prefix.unwrap_or_default();
        match format {
            NumberFormat::E164Plus => format!("{prefix}+{}", self.0),
            NumberFormat::E164 => format!("{prefix}{}", self.0),
            NumberFormat::National => format!("{prefix}{}", self.0),
        }
    }

    /// The digits after the `+`.
    pub fn digits(self) -> u64 {
        self.0
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "+{}", self.0)
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "+…{:04}", self.0 % 10_000)
    }
}

/// Reads E.164 only (`+` and digits), as stored; people's spellings go through
/// [`parse`].
impl FromStr for PhoneNumber {
    type Err = InvalidPhone;

    fn from_str(text: &str) -> Result<Self, InvalidPhone> {
        text.strip_prefix('+')
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .and_then(Self::from_digits)
            .ok_or(InvalidPhone::Invalid)
    }
}

impl Serialize for PhoneNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PhoneNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// Reads a person's spelling of a number. National forms are read in
/// `default_country` (ISO 3166-1 alpha-2, such as `IN`).
pub fn parse(text: &str, default_country: &str) -> Result<PhoneNumber, InvalidPhone> {
    let text = text.trim();
    if text.is_empty() {
        return Err(InvalidPhone::Empty);
    }
    let country = default_country.parse().ok();
    let number = phonenumber::parse(country, text).map_err(|_| InvalidPhone::Invalid)?;
    if !number.is_valid() {
        return Err(InvalidPhone::Invalid);
    }
    number.format().mode(phonenumber::Mode::E164).to_string().parse()
}

/// Whether `country` is a country code that numbers can be read in.
pub fn is_country(country: &str) -> bool {
    country.parse::<phonenumber::country::Id>().is_ok()
}
