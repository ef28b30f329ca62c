//! Telephone numbers by the libphonenumber rules, kept as E.164.

mod plan;
mod spelling;

use std::{fmt, str::FromStr};

use self::plan::Kind;
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
            NumberFormat::National => format!("{prefix}{}", self.national()),
        }
    }

    /// The digits that are dialled within its own country.
    fn national(self) -> String {
        let e164 = self.to_string();
        match phonenumber::parse(None, &e164) {
            Ok(number) => {
                let mut text = number.format().mode(phonenumber::Mode::National).to_string();
                text.retain(|letter| letter.is_ascii_digit());
                text
            }
            Err(_) => self.0.to_string(),
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
    let spelled = spelling::read(text)?;
    let digits = spelled.digits.as_str();
    let found = if spelled.international {
        international(digits)
    } else {
        national(digits, default_country)
            // `00` is dialled before a country code almost everywhere.
            .or_else(|| digits.strip_prefix("00").and_then(international))
    };
    match found {
        Some(found) => found.check(),
        None if is_short(digits, spelled.international) => Err(InvalidPhone::Forbidden),
        None => Err(InvalidPhone::Invalid),
    }
}

/// The country of a number, ISO 3166-1 alpha-2; `None` when it belongs to none, or is
/// not valid.
pub fn country(number: PhoneNumber) -> Option<&'static str> {
    let digits = number.0.to_string();
    let (code, national) = plan::split(&digits)?;
    plan::classify(code, national).map(|(region, _)| region.id).filter(|id| *id != "001")
}

/// A number taken apart.
struct Found {
    code: u16,
    national: String,
    kind: Kind,
}

impl Found {
    fn of(code: u16, national: &str) -> Option<Self> {
        let kind =
            if is_satellite(code) { Kind::Premium } else { plan::classify(code, national)?.1 };
        Some(Self { code, national: national.to_owned(), kind })
    }

    /// What the library makes of it, where prefixes are not simply taken off.
    fn by_library(text: &str, country: Option<&str>) -> Option<Self> {
        let country = country.map(str::parse).transpose().ok()?;
        let number = phonenumber::parse(country, text).ok()?;
        Self::of(number.code().value(), &number.national().to_string())
    }

    fn check(self) -> Result<PhoneNumber, InvalidPhone> {
        if self.kind == Kind::Premium {
            return Err(InvalidPhone::Forbidden);
        }
        format!("+{}{}", self.code, self.national).parse()
    }
}

/// Digits that begin with a country code.
fn international(digits: &str) -> Option<Found> {
    let (code, national) = plan::split(digits)?;
    Found::of(code, national).or_else(|| Found::by_library(&format!("+{digits}"), None))
}

/// Digits as they are dialled within a country, or with its code and no `+`.
fn national(digits: &str, country: &str) -> Option<Found> {
    let region = plan::region(country)?;
    region
        .plainly_national(digits)
        .and_then(|national| Found::of(region.code, national))
        .or_else(|| Found::by_library(digits, Some(country)))
}

/// Satellite networks and the international premium service (ITU-T E.164 annex).
fn is_satellite(code: u16) -> bool {
    matches!(code, 870 | 878 | 881 | 882 | 883 | 979)
}

/// Emergency and other short numbers, by their length: no country's subscribers have
/// so few digits unless its plan says so.
fn is_short(digits: &str, international: bool) -> bool {
    if international {
        plan::split(digits).is_some_and(|(_, national)| (2..=5).contains(&national.len()))
    } else {
        (2..=6).contains(&digits.len())
    }
}

/// Whether `country` is a country code that numbers can be read in.
pub fn is_country(country: &str) -> bool {
    country.parse::<phonenumber::country::Id>().is_ok()
}

#[cfg(test)]
mod tests;
