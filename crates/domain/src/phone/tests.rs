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

/// Every kind of number that the papers name (design/reliability.md 3d), one a line:
/// what is taken, and why the others are not.
#[test]
fn every_kind_of_number_that_lists_hold() {
    let kinds = [
        ("national with its zero", "DE", "030 901820"),
        ("national without its zero", "DE", "30 901820"),
        ("a zero that a spreadsheet took", "DE", "1711234567"),
        ("E.164", "DE", "+4930901820"),
        ("00 in front", "DE", "004930901820"),
        ("(0) in the middle", "IN", "+49 (0) 30 901820"),
        ("(0) behind 00", "IN", "0049(0)30901820"),
        ("dots", "DE", "030.90.18.20"),
        ("blanks", "DE", "0 30 90 18 20"),
        ("no-break spaces", "DE", "+49\u{a0}30\u{202f}901820"),
        ("en dash", "DE", "030–901820"),
        ("figure dash, minus sign", "DE", "030\u{2012}9018\u{2212}20"),
        ("slash", "DE", "030/901820"),
        ("full-width digits", "DE", "＋４９３０９０１８２０"),
        ("Arabic-Indic digits", "AE", "٠٤ ٢٢٢ ٢٢٢٢"),
        ("Devanagari digits", "IN", "+९१ ९८७६५ ४३२१०"),
        ("tel: URI", "IN", "tel:+49-30-901820"),
        ("tel: URI with its context", "IN", "tel:30-901820;phone-context=+49"),
        ("tel: URI with another parameter", "IN", "tel:+49-30-901820;isub=12"),
        ("tel: URI with a name for its context", "IN", "tel:901820;phone-context=example.com"),
        ("extension as a parameter", "DE", "+4930901820;ext=12"),
        ("extension in a tel: URI", "DE", "tel:+4930901820;ext=12"),
        ("extension as x12", "US", "(212) 555-2368 x12"),
        ("extension in words", "US", "212 555 2368 ext. 12"),
        ("hash", "IN", "9876543210#"),
        ("extension behind a hash", "IN", "9876543210#12"),
        ("star", "IN", "*9876543210"),
        ("service code", "IN", "*#06#"),
        ("vanity", "US", "1-800-FLOWERS"),
        ("a word", "US", "n/a"),
        ("a word in another script", "IN", "नहीं"),
        ("short code", "US", "74992"),
        ("short code of a carrier", "IN", "59999"),
        ("emergency 112", "DE", "112"),
        ("emergency 110", "DE", "110"),
        ("emergency 911", "US", "911"),
        ("emergency 999", "GB", "999"),
        ("emergency of elsewhere", "IN", "911"),
        ("emergency behind a country code", "IN", "+49112"),
        ("emergency behind 00", "IN", "0049112"),
        ("emergency in other digits", "IN", "٩١١"),
        ("emergency with a zero in front", "DE", "0112"),
        ("premium +1 900", "US", "+1 900 234 5678"),
        ("premium 900 at home", "US", "900 234 5678"),
        ("premium 0900", "DE", "0900 1 234567"),
        ("premium 0190", "DE", "0190 123456"),
        ("premium 09", "GB", "0909 879 0000"),
        ("satellite +881", "IN", "+8816 3100 1234"),
        ("satellite +882", "IN", "+882 16 123 4567"),
        ("satellite +883", "IN", "+883 5100 0123 4567"),
        ("satellite +870", "IN", "+870 773 111 632"),
        ("satellite behind 00", "IN", "00 8816 3100 1234"),
        ("premium of no country, +979", "IN", "+979 123 456 789"),
        ("16 digits", "IN", "+9198765432101234"),
        ("30 digits", "IN", "987654321098765432109876543210"),
        ("longer than its country's", "US", "+1 212 555 23689"),
        ("no area code", "US", "555-2368"),
        ("shorter than its country's", "IN", "+91 98765"),
        ("nobody's country code", "IN", "+999 1234567"),
        ("empty", "IN", ""),
        ("blanks alone", "IN", " \t\u{a0}"),
        ("a sip: URI", "IN", "sip:9876543210@example.com"),
        ("a URI parameter", "IN", "+919876543210;transport=tcp"),
        ("another host", "IN", "+919876543210@evil.example"),
        ("an escaped line end", "IN", "+919876543210%0d%0aVia: x"),
        ("a line end", "IN", "+919876543210\r\nVia: x"),
        ("a line end behind the number", "IN", "+919876543210\r\n"),
        ("SQL", "IN", "9876543210' OR 1=1 --"),
        ("a header's brackets", "IN", "<9876543210>"),
        ("NUL", "IN", "98765\u{0}43210"),
        ("scientific notation", "DE", "4.91701E+11"),
        ("scientific notation with a comma", "DE", "4,91701E+11"),
        ("an apostrophe in front", "DE", "'+4930901820"),
        ("a decimal behind", "DE", "4930901820.0"),
        ("a formula", "DE", "=\"+4930901820\""),
        ("two numbers in one cell", "DE", "030 901820, 030 901821"),
        ("two plus signs", "DE", "+49 30 +901820"),
    ];
    let mut table = String::new();
    for (kind, country, text) in kinds {
        let read = match parse(text, country) {
            Ok(number) => number.to_string(),
            Err(reason) => reason.code().to_owned(),
        };
        table += &format!("{kind:38} {country} {:36} {read}\n", format!("{text:?}"));
    }
    insta::assert_snapshot!(table);
}

#[test]
fn every_reason_is_a_word_and_a_sentence() {
    for reason in InvalidPhone::ALL {
        assert_eq!(InvalidPhone::from_code(reason.code()), Some(reason));
        assert!(reason.to_string().len() > reason.code().len() / 2, "{reason}");
    }
    assert_eq!(InvalidPhone::from_code("duplicate"), None);
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

#[test]
fn a_zero_in_front_tells_a_landline_of_salerno_from_a_number_that_costs_extra() {
    assert_eq!(
        parse("089200000", "IT").map(|number| number.to_string()),
        Ok("+39089200000".into())
    );
    assert_eq!(parse("892000", "IT"), Err(InvalidPhone::Forbidden));
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
            // Of a number that begins with 0 it judges the digits behind: +39 089 200000 is a
            // landline of Salerno, and 89 200000 would cost extra.
            if !again.national().to_string().starts_with('0') {
                prop_assert_ne!(again.number_type(&DATABASE), Type::PremiumRate);
            }
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
