//! Telephone numbers by the libphonenumber rules, kept as E.164.

mod plan;
mod spelling;

use std::{fmt, str::FromStr};

use self::plan::Kind;
pub(crate) use self::spelling::decimal_digit;
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
    /// `x12`, `;ext=12`: an extension is sent as tones after the answer, never as part of
    /// the Request-URI, and nothing sends it yet.
    #[error(
        "an extension cannot be dialled; take it off, and give it a column of its own if the bot needs it"
    )]
    Extension,
    /// A vanity number, or a word.
    #[error("there are letters in it; write the number in digits")]
    Letters,
    /// `*`, `#`, `@`, `%0d`, `sip:…`: whatever it is, it must not reach a Request-URI.
    #[error("there is something in it that is no part of a telephone number")]
    NotANumber,
    /// More than the 15 digits of E.164, or than its country has.
    #[error("the number is too long")]
    TooLong,
    /// Fewer digits than its country has; often the area code is missing.
    #[error("the number is too short; is the area code missing?")]
    TooShort,
    /// Of a possible length, but nobody's by the rules of its country.
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
            Self::Extension => "extension",
            Self::Letters => "letters",
            Self::NotANumber => "not_a_number",
            Self::TooLong => "too_long",
            Self::TooShort => "too_short",
            Self::Invalid => "invalid_number",
            Self::Forbidden => "forbidden_number",
        }
    }

    /// The reason that a stable word stands for.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::Empty,
        Self::Scientific,
        Self::Extension,
        Self::Letters,
        Self::NotANumber,
        Self::TooLong,
        Self::TooShort,
        Self::Invalid,
        Self::Forbidden,
    ];
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
    let digits = &*spelled.digits;
    let found = if spelled.international {
        international(digits)
    } else {
        national(digits, default_country)
            // `00` is dialled before a country code almost everywhere.
            .or_else(|| digits.strip_prefix("00").and_then(international))
    };
    match found {
        Some(Found { kind: Kind::Premium, .. }) => Err(InvalidPhone::Forbidden),
        Some(Found { number: Some(number), .. }) => Ok(number),
        Some(Found { number: None, .. }) => Err(InvalidPhone::Invalid),
        None if is_short(digits, spelled.international) => Err(InvalidPhone::Forbidden),
        None => Err(misfit(digits, spelled.international, default_country)),
    }
}

/// The country of a number, ISO 3166-1 alpha-2; `None` when it belongs to none, or is
/// not valid.
pub fn country(number: PhoneNumber) -> Option<&'static str> {
    let digits = number.0.to_string();
    let (code, national) = plan::split(&digits)?;
    plan::classify(code, national).map(|(region, _)| region.id).filter(|id| *id != "001")
}

/// A number that its country's plan knows.
struct Found {
    /// `None` when E.164 has no room for it.
    number: Option<PhoneNumber>,
    kind: Kind,
}

impl Found {
    fn of(code: u16, national: &str) -> Option<Self> {
        let kind =
            if is_satellite(code) { Kind::Premium } else { plan::classify(code, national)?.1 };
        Some(Self { number: joined(code, national), kind })
    }

    /// What the library makes of it, where prefixes are not simply taken off.
    fn by_library(text: &str, country: Option<&str>) -> Option<Self> {
        let country = country.map(str::parse).transpose().ok()?;
        let number = phonenumber::parse(country, text).ok()?;
        Self::of(number.code().value(), &number.national().to_string())
    }
}

/// Country code and national digits as one number; zeros in front of the latter belong
/// to it (Italy).
fn joined(code: u16, national: &str) -> Option<PhoneNumber> {
    let places = u32::try_from(national.len()).ok().filter(|places| *places <= 14)?;
    let national: u64 = national.parse().ok()?;
    PhoneNumber::from_digits(u64::from(code) * 10_u64.pow(places) + national)
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

/// Why digits that no plan knows are not a number.
fn misfit(digits: &str, international: bool, country: &str) -> InvalidPhone {
    let (plan, national) = if international {
        match plan::split(digits) {
            Some((code, national)) => (plan::lengths_of(code), national),
            None => (None, digits),
        }
    } else {
        (plan::region(country).map(plan::Region::lengths), digits)
    };
    // The prefix that is dialled within the country has at most two digits where it is
    // counted wrongly here.
    let spare = if international { 0 } else { 2 };
    match plan {
        _ if international && digits.len() > 15 => InvalidPhone::TooLong,
        Some(lengths) if national.len() < usize::from(*lengths.start()) => InvalidPhone::TooShort,
        Some(lengths) if national.len() > usize::from(*lengths.end()) + spare => {
            InvalidPhone::TooLong
        }
        _ => InvalidPhone::Invalid,
    }
}

/// Whether `country` is a country code that numbers can be read in.
pub fn is_country(country: &str) -> bool {
    country.parse::<phonenumber::country::Id>().is_ok()
}

#[cfg(test)]
mod tests;
