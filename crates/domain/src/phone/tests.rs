use phonenumber::{Type, country::Id, metadata::DATABASE};
use proptest::prelude::*;

use super::*;

/// One spelling a line, as it is read in India unless a country stands before it.
#[test]
fn spellings_of_people_and_spreadsheets() {
    let spellings = [
        ("IN", "+919876543210"),
        ("IN", "9876543210"),
        ("IN", "09876543210"),
        ("IN", "919876543210"),
        ("IN", "00919876543210"),
        ("IN", " +91\u{a0}98765\u{a0}43210 "),
        ("IN", "98765.43210"),
        ("IN", "98765–43210"),
        ("IN", "(98765) 432-10"),
        ("IN", "+９１ ９８７６５ ４３２１０"),
        ("IN", "٩٨٧٦٥٤٣٢١٠"),
        ("IN", "۹۸۷۶۵۴۳۲۱۰"),
        ("IN", "९८७६५४३२१०"),
        ("IN", "tel:+91-98765-43210"),
        ("IN", "TEL:98765-43210;phone-context=+91"),
        ("IN", "tel:+91-98765-43210;ext=12"),
        ("IN", "'9876543210"),
        ("IN", "9876543210.0"),
        ("IN", "919876543210.00"),
        ("IN", "\u{feff}9876543210\u{200e}"),
        ("IN", "9.19999E+11"),
        ("IN", "4,917E+11"),
        ("IN", "9e11"),
        ("IN", ""),
        ("IN", " \u{a0}'"),
        ("IN", "n/a"),
        ("IN", "12345"),
        ("IN", "98765432101"),
        ("IN", "+91 98765 43210 x5"),
        ("IN", "sip:9876543210@example.com"),
        ("IN", "9876543210;ls"),
        ("IN", "*#06#"),
        ("IN", "98+76543210"),
        ("IN", "++919876543210"),
        ("IN", "+91 1234567890123456"),
        ("IN", "+999 1234567"),
        ("IN", "+0 98765 43210"),
        ("IN", "112"),
        ("IN", "100"),
        ("IN", "+91112"),
        ("US", "911"),
        ("GB", "999"),
        ("IN", "+1 900 234 5678"),
        ("GB", "0909 879 0000"),
        ("IN", "+8816 3100 1234"),
        ("IN", "+882 16 123 4567"),
        ("IN", "+883 5100 0123 4567"),
        ("IN", "+870 773 111 632"),
        ("IN", "+979 123 456 789"),
        ("IN", "+44 (0)20 7946 0018"),
        ("IN", "0044 (0) 20 7946 0018"),
        ("GB", "020 7946 0018"),
        ("DE", "0171/123 45 67"),
        ("DE", "+49 (0) 30 1234567"),
        ("IN", "+39 06 698 12345"),
        ("IT", "06 698 12345"),
        ("RU", "8 (800) 555-35-35"),
        ("RU", "8 916 123-45-67"),
        ("US", "(212) 555-2368"),
        ("US", "1 212 555 2368"),
        ("US", "011 91 98765 43210"),
        ("US", "0091 98765 43210"),
        ("AU", "0011 91 98765 43210"),
        ("AU", "0412 345 678"),
        ("BR", "0 15 11 91234-5678"),
        ("BR", "(11) 91234-5678"),
        ("AR", "011 15 2345-6789"),
        ("MX", "55 1234 5678"),
        ("SG", "8123 4567"),
        ("XX", "9876543210"),
        ("XX", "+919876543210"),
    ];
    let mut table = String::new();
    for (country, text) in spellings {
        let read = match parse(text, country) {
            Ok(number) => number.to_string(),
            Err(reason) => reason.code().to_owned(),
        };
        table += &format!("{country} {:42} {read}\n", format!("{text:?}"));
    }
    insta::assert_snapshot!(table);
}

#[test]
fn a_carrier_gets_the_form_it_wants() {
    let form = |number: &str, format, prefix| {
        number.parse::<PhoneNumber>().unwrap().format_for(format, prefix)
    };
    assert_eq!(form("+919876543210", NumberFormat::E164Plus, None), "+919876543210");
    assert_eq!(form("+919876543210", NumberFormat::E164, Some("77#")), "77#919876543210");
    assert_eq!(form("+919876543210", NumberFormat::National, None), "09876543210");
    assert_eq!(form("+442079460018", NumberFormat::National, Some("9")), "902079460018");
    assert_eq!(form("+390669812345", NumberFormat::National, None), "0669812345");
    assert_eq!(form("+6581234567", NumberFormat::National, None), "81234567");
}

#[test]
fn a_number_knows_its_country() {
    let of = |number: &str| country(number.parse().unwrap());
    assert_eq!(of("+919876543210"), Some("IN"));
    assert_eq!(of("+12125552368"), Some("US"));
    assert_eq!(of("+16137827274"), Some("CA"));
    assert_eq!(of("+18095551234"), Some("DO"), "one of many under +1");
    assert_eq!(of("+77012345678"), Some("KZ"), "shares +7 with Russia");
    assert_eq!(of("+80012345678"), None, "toll-free everywhere, of no country");
    assert_eq!(of("+919999999"), None, "no such number in its country");
}

/// The library's own examples: each plan is read as it means it.
#[test]
fn every_example_of_every_country_is_read() {
    let mut read = 0;
    for meta in DATABASE.iter() {
        let kinds = meta.descriptors();
        for descriptor in [kinds.fixed_line(), kinds.mobile(), kinds.toll_free()] {
            let Some(example) = descriptor.and_then(|descriptor| descriptor.example()) else {
                continue;
            };
            let text = format!("+{}{example}", meta.country_code());
            if is_satellite(meta.country_code()) {
                assert_eq!(parse(&text, "IN"), Err(InvalidPhone::Forbidden), "{text}");
            } else if text.len() > 7 {
                assert_eq!(parse(&text, "IN").map(|number| number.to_string()), Ok(text));
                read += 1;
            }
        }
        let premium = kinds.premium_rate().and_then(|descriptor| descriptor.example());
        if let Some(example) = premium {
            let text = format!("+{}{example}", meta.country_code());
            assert_eq!(parse(&text, "IN"), Err(InvalidPhone::Forbidden), "{text}");
        }
    }
    assert!(read > 500, "{read} examples");
}

const COUNTRIES: [&str; 12] =
    ["IN", "US", "DE", "GB", "FR", "IT", "BR", "AE", "SG", "AU", "RU", "ZA"];

proptest! {
    /// The quick way and the library agree: what we take, it takes, as the same number.
    #[test]
    fn what_is_taken_is_valid_to_the_library(
        country in prop::sample::select(&COUNTRIES[..]),
        digits in "0?[1-9][0-9]{6,10}",
        plus in any::<bool>(),
    ) {
        let text = if plus { format!("+{digits}") } else { digits.clone() };
        let ours = parse(&text, country);
        if let Ok(number) = ours {
            let again = phonenumber::parse(None, number.to_string()).unwrap();
            // It takes the 8 of +7 811, which is Pskov, for a national prefix.
            prop_assume!(format!("+{}{}", again.code().value(), again.national()) == number.to_string());
            prop_assert!(again.is_valid(), "{text} in {country} became {number}");
            prop_assert_ne!(again.number_type(&DATABASE), Type::PremiumRate);
        }
        // And the other way, where the library reads it without guessing a country.
        let id = (!plus).then(|| country.parse::<Id>().unwrap());
        if let Ok(theirs) = phonenumber::parse(id, &text)
            && theirs.is_valid()
            && plan::classify(theirs.code().value(), &theirs.national().to_string())
                .is_some_and(|(_, kind)| kind == Kind::Ordinary)
        {
            let e164 = format!("+{}{}", theirs.code().value(), theirs.national());
            prop_assert_eq!(ours.map(|number| number.to_string()), Ok(e164), "{} in {}", text, country);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*", country in prop::sample::select(&COUNTRIES[..])) {
        if let Ok(number) = parse(&text, country) {
            prop_assert_eq!(number.to_string().parse(), Ok(number));
            prop_assert_eq!(parse(&number.to_string(), "IN"), Ok(number), "what was read is read again");
        }
    }
}
