//! The toll-fraud guard: which numbers a campaign may dial, and how much the whole
//! deployment may in a day (DI-14).
//!
//! It stands at the import, and again before every INVITE: an allow-list that was
//! narrowed, or a number that got in by an older version, must not slip through.

pub mod day;

use crate::{
    phone::{self, InvalidPhone, PhoneNumber},
    settings::Settings,
};

/// Why a number is barred. The word is stable; `Display` explains it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Barred {
    /// Emergency, premium, satellite or short number.
    #[error("emergency, premium, satellite and short numbers are never dialled")]
    Forbidden,
    /// Of a country that is not on the campaign's allow-list.
    #[error("{0} is not among the countries that this campaign may call")]
    Country(&'static str),
    /// Of no country, or not valid in any.
    #[error("the number belongs to no country that this campaign may call")]
    NoCountry,
}

impl Barred {
    /// Stable word for programs and for the rejected-rows file.
    pub fn code(self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden_number",
            Self::Country(_) | Self::NoCountry => "country_not_allowed",
        }
    }
}

/// Whether a campaign with these settings may dial the number: asked before every
/// INVITE.
pub fn check(number: PhoneNumber, settings: &Settings) -> Result<(), Barred> {
    match phone::parse(&number.to_string(), &settings.default_country) {
        Err(InvalidPhone::Forbidden) => Err(Barred::Forbidden),
        // One that is not valid has no country either.
        Ok(_) | Err(_) => check_country(number, settings),
    }
}

/// Whether the country of a number is on the allow-list, for numbers that
/// [`phone::parse`] has just let through: an import need not look twice.
pub fn check_country(number: PhoneNumber, settings: &Settings) -> Result<(), Barred> {
    let Some(country) = phone::country(number) else { return Err(Barred::NoCountry) };
    if may_call(country, settings) { Ok(()) } else { Err(Barred::Country(country)) }
}

/// Whether the allow-list names a country: by default it is the campaign's own alone.
pub fn may_call(country: &str, settings: &Settings) -> bool {
    match &settings.allowed_countries {
        Some(allowed) => allowed.iter().any(|each| each == country),
        None => settings.default_country == country,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowing(countries: Option<&[&str]>) -> Settings {
        let list = |all: &[&str]| all.iter().map(|country| (*country).to_owned()).collect();
        Settings { allowed_countries: countries.map(list), ..Settings::default() }
    }

    #[test]
    fn each_number_and_what_the_guard_says_of_it() {
        let home = allowing(None);
        let abroad = allowing(Some(&["US", "GB"]));
        let table = [
            ("+919812345678", &home, Ok(())),
            ("+919812345678", &abroad, Err(Barred::Country("IN"))),
            ("+447400123456", &abroad, Ok(())),
            ("+447400123456", &home, Err(Barred::Country("GB"))),
            // One country code, two countries.
            ("+12015550123", &abroad, Ok(())),
            ("+15062345678", &abroad, Err(Barred::Country("CA"))),
            // Premium, satellite, and the international premium service.
            ("+19002345678", &abroad, Err(Barred::Forbidden)),
            ("+870773111632", &abroad, Err(Barred::Forbidden)),
            ("+881612345678", &home, Err(Barred::Forbidden)),
            ("+979123456789", &home, Err(Barred::Forbidden)),
            // Valid nowhere.
            ("+910000000000", &home, Err(Barred::NoCountry)),
        ];
        for (number, settings, expected) in table {
            assert_eq!(check(number.parse().unwrap(), settings), expected, "{number}");
        }
    }
}
