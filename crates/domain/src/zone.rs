//! The zone a contact lives in, as far as its row or its number tells (CB-2, DI-1).

use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use crate::phone::{self, PhoneNumber};

/// Variables that name a contact's zone, whatever their case.
const COLUMNS: [&str; 2] = ["timezone", "tz"];

/// Countries whose whole territory keeps one clock all year, with its zone. Those with
/// several (the United States, Australia, Brazil, …) are not here: their numbers say
/// nothing certain.
const ONE_ZONE: &[(&str, &str)] = &[
    ("AE", "Asia/Dubai"),
    ("AT", "Europe/Vienna"),
    ("BD", "Asia/Dhaka"),
    ("BE", "Europe/Brussels"),
    ("BG", "Europe/Sofia"),
    ("BH", "Asia/Bahrain"),
    ("CH", "Europe/Zurich"),
    ("CO", "America/Bogota"),
    ("CZ", "Europe/Prague"),
    ("DE", "Europe/Berlin"),
    ("EG", "Africa/Cairo"),
    ("FI", "Europe/Helsinki"),
    ("GB", "Europe/London"),
    ("GH", "Africa/Accra"),
    ("GR", "Europe/Athens"),
    ("HK", "Asia/Hong_Kong"),
    ("HU", "Europe/Budapest"),
    ("IE", "Europe/Dublin"),
    ("IL", "Asia/Jerusalem"),
    ("IN", "Asia/Kolkata"),
    ("IT", "Europe/Rome"),
    ("JP", "Asia/Tokyo"),
    ("KE", "Africa/Nairobi"),
    ("KR", "Asia/Seoul"),
    ("KW", "Asia/Kuwait"),
    ("LK", "Asia/Colombo"),
    ("MY", "Asia/Kuala_Lumpur"),
    ("NG", "Africa/Lagos"),
    ("NP", "Asia/Kathmandu"),
    ("OM", "Asia/Muscat"),
    ("PE", "America/Lima"),
    ("PH", "Asia/Manila"),
    ("PK", "Asia/Karachi"),
    ("PL", "Europe/Warsaw"),
    ("QA", "Asia/Qatar"),
    ("RO", "Europe/Bucharest"),
    ("SA", "Asia/Riyadh"),
    ("SE", "Europe/Stockholm"),
    ("SG", "Asia/Singapore"),
    ("TH", "Asia/Bangkok"),
    ("TR", "Europe/Istanbul"),
    ("TW", "Asia/Taipei"),
    ("TZ", "Africa/Dar_es_Salaam"),
    ("UG", "Africa/Kampala"),
    ("VN", "Asia/Ho_Chi_Minh"),
    ("ZA", "Africa/Johannesburg"),
];

/// The contact's own zone: the IANA name in its variable `timezone` or `tz`, else that of
/// its number's country where the country has one zone. `None` leaves the campaign's. A
/// name that is no zone is passed over: a spelling mistake in a file stops nobody.
pub fn of_contact(variables: &Map<String, Value>, number: PhoneNumber) -> Option<TimeZone> {
    named(variables).or_else(|| of_number(number))
}

fn named(variables: &Map<String, Value>) -> Option<TimeZone> {
    COLUMNS.iter().find_map(|column| {
        let mut cells = variables.iter().filter(|(name, _)| name.eq_ignore_ascii_case(column));
        cells.find_map(|(_, value)| TimeZone::get(value.as_str()?.trim()).ok())
    })
}

fn of_number(number: PhoneNumber) -> Option<TimeZone> {
    let country = phone::country(number)?;
    let (_, zone) = ONE_ZONE.iter().find(|(each, _)| *each == country)?;
    TimeZone::get(zone).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn zone_of(variables: Value, number: &str) -> Option<String> {
        let Value::Object(variables) = variables else { panic!("an object") };
        let number = phone::parse(number, "IN").unwrap();
        of_contact(&variables, number).map(|zone| zone.iana_name().unwrap_or("?").to_owned())
    }

    #[test]
    fn a_column_goes_before_the_number_and_a_number_before_nothing() {
        let zone = |variables, number| zone_of(variables, number).unwrap_or_default();
        assert_eq!(zone(json!({}), "+919876543210"), "Asia/Kolkata");
        assert_eq!(zone(json!({ "tz": "Asia/Dubai" }), "+919876543210"), "Asia/Dubai");
        assert_eq!(
            zone(json!({ "tz": "Asia/Dubai", "TimeZone": " Asia/Tokyo " }), "+919876543210"),
            "Asia/Tokyo"
        );
        assert_eq!(zone(json!({ "tz": "Mars/Olympus" }), "+919876543210"), "Asia/Kolkata");
        assert_eq!(zone(json!({ "tz": 5 }), "+919876543210"), "Asia/Kolkata");
    }

    #[test]
    fn a_country_of_several_zones_says_nothing() {
        assert_eq!(zone_of(json!({}), "+12125550123"), None);
        assert_eq!(
            zone_of(json!({ "timezone": "America/Chicago" }), "+12125550123").as_deref(),
            Some("America/Chicago")
        );
    }

    #[test]
    fn every_zone_is_one_and_every_country_stands_once() {
        for (index, (country, zone)) in ONE_ZONE.iter().enumerate() {
            assert!(phone::is_country(country), "{country}");
            assert!(TimeZone::get(zone).is_ok(), "{zone}");
            assert!(ONE_ZONE[..index].iter().all(|(other, _)| other < country), "{country}");
        }
    }
}
