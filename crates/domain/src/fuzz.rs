//! Bodies of fuzzing: each takes any bytes whatever and panics when what reads them does,
//! or when it breaks a promise of its own. Run by property tests here, and for long by
//! `cargo xtask fuzz`.

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    bot::Script,
    carrier::{CarrierSettings, NumberFormat},
    guard,
    ids::{AttemptId, CampaignId},
    phone::{self, PhoneNumber},
    result::ConversationResult,
    settings::Settings,
    window::{Hours, Window},
};

/// A body: any bytes are fine.
pub type Body = fn(&[u8]);

/// Every body by its name.
pub const BODIES: [(&str, Body); 7] = [
    ("phone", phone),
    ("settings", settings),
    ("window", window),
    ("script", script),
    ("carrier", carrier),
    ("result", result),
    ("ids", ids),
];

/// What mutations begin with.
pub const SEEDS: [&[u8]; 12] = [
    b"+91 98765-43210",
    b"tel:+49-30-901820;ext=12",
    b"0049 (0) 30 901820 x5",
    b"'4.91701E+11",
    b"\xef\xbc\x8b\xef\xbc\x94\xef\xbc\x99 \xd9\xa3\xd9\xa0 901820.0",
    br#"{"name":"Diwali","default_country":"IN","concurrency":50,"max_attempts":3,"retry_delay_minutes":0.5,
        "window":{"start":"09:00","end":"21:00","timezone":"Asia/Kolkata","days":["mon","sun"]},
        "retry_on_system":["busy","no_answer"],"retry_on_custom":["later"],"allowed_countries":["IN","DE"],
        "pacing":{"mode":"progressive","ratio":1.5,"abandon_limit":0.03,"burst_seats":2,"grace_ms":2000}}"#,
    br#"{"start":"00:00","end":"24:00","timezone":"America/St_Johns","days":["tue","wed"]}"#,
    br##"{"start":"a","steps":{"a":{"say":["greeting"],"listen":{"keys":{"1":"b","#":"a"},"seconds":4.5},
        "result":{"disposition":"x","callback":{"at":"2030-01-07T05:30:00Z","tz":"Asia/Kolkata"}},
        "next":"b"},"b":{"say":[]}}}"##,
    br##"{"name":"Acme","host":"sip.example.com","port":5061,"transport":"tls","cps":10.5,"burst":1,
        "channels":50,"codecs":["PCMA"],"auth":{"username":"u","password":"p"},"prefix":"77#"}"##,
    br#"{"disposition":"interested","reached":"human","opt_out":false,"data":{"a":[1,null]},"quote":"x"}"#,
    b"cmp_0000000000001",
    b"att_zzzzzzzzzzzzz",
];

const COUNTRIES: [&str; 9] = ["IN", "DE", "US", "GB", "IT", "AR", "RU", "XX", ""];

/// A spelling of a number: what is read is E.164, is read again as itself, and is no
/// number that must not be dialled.
pub fn phone(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let country = COUNTRIES[bytes.len() % COUNTRIES.len()];
    let Ok(number) = phone::parse(&text, country) else { return };
    let e164 = number.to_string();
    assert_eq!(e164.parse::<PhoneNumber>(), Ok(number));
    assert_eq!(phone::parse(&e164, "IN"), Ok(number), "what was read is read again");
    assert_eq!(PhoneNumber::from_digits(number.digits()), Some(number));
    for format in [NumberFormat::E164Plus, NumberFormat::E164, NumberFormat::National] {
        let dialled = number.format_for(format, None);
        let is_plain = dialled.bytes().all(|byte| byte.is_ascii_digit() || byte == b'+');
        assert!(is_plain, "{dialled:?} goes into a Request-URI");
    }
    let _ = phone::country(number);
    let _ = guard::check(number, &Settings::default());
}

/// Settings of a campaign: what is taken is written and read as itself.
pub fn settings(bytes: &[u8]) {
    let Ok(Value::Object(patch)) = serde_json::from_slice(bytes) else { return };
    let Ok(settings) = Settings::default().patched(&patch) else { return };
    assert!(settings.check().is_empty(), "what was taken is right");
    let json = serde_json::to_string(&settings).expect("settings are plain data");
    assert_eq!(serde_json::from_str::<Settings>(&json).ok().as_ref(), Some(&settings), "{json}");
    hours(settings.hours(), true, bytes);
    let _ = settings.seat_patience_ms();
}

/// A calling window, right or wrong.
pub fn window(bytes: &[u8]) {
    let Ok(window) = serde_json::from_slice::<Window>(bytes) else { return };
    hours(Hours::new(std::slice::from_ref(&window), &[]), window.check().is_ok(), bytes);
}

fn hours(window: Hours<'_>, is_right: bool, bytes: &[u8]) {
    let some_second =
        bytes.iter().fold(0i64, |sum, byte| (sum * 131 + i64::from(*byte)) % 4_000_000_007);
    for second in [some_second, Timestamp::MIN.as_second(), Timestamp::MAX.as_second()] {
        let now = Timestamp::from_second(second).expect("a second within the bounds");
        let is_open = window.is_open(now);
        assert!(is_right || !is_open, "a window that is wrong is closed");
        if let Some(change) = window.next_change(now) {
            assert!(change > now, "the next change is ahead");
            assert_ne!(window.is_open(change), is_open, "and it is a change");
        }
        let _ = (window.open_from(now), window.day_end(now));
    }
}

/// The settings of a script bot: what is taken is written and read as itself.
pub fn script(bytes: &[u8]) {
    let Ok(settings) = serde_json::from_slice::<Value>(bytes) else { return };
    let Ok(script) = Script::from_settings(&settings) else { return };
    let json = serde_json::to_value(&script).expect("a script is plain data");
    assert_eq!(Script::from_settings(&json).as_ref(), Ok(&script), "{json}");
}

/// The settings of a carrier.
pub fn carrier(bytes: &[u8]) {
    let Ok(carrier) = serde_json::from_slice::<CarrierSettings>(bytes) else { return };
    let json = serde_json::to_string(&carrier).expect("settings are plain data");
    assert_eq!(serde_json::from_str::<CarrierSettings>(&json).ok(), Some(carrier), "{json}");
}

/// The result of a conversation: nothing of it is lost.
pub fn result(bytes: &[u8]) {
    let Ok(result) = serde_json::from_slice::<ConversationResult>(bytes) else { return };
    let json = serde_json::to_string(&result).expect("a result is plain data");
    assert_eq!(serde_json::from_str::<ConversationResult>(&json).ok(), Some(result), "{json}");
}

/// Ids: what is read is written the same.
pub fn ids(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Ok(id) = text.parse::<CampaignId>() {
        assert_eq!(id.to_string(), text);
    }
    if let Ok(id) = text.parse::<AttemptId>() {
        assert_eq!(id.to_string(), text);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Seeds with bytes and words put in, taken out and doubled, and noise.
    fn any_input() -> impl Strategy<Value = Vec<u8>> {
        let words: [&[u8]; 12] = [
            b"null",
            b"-1",
            b"1e400",
            b"\"\"",
            b"24:00",
            b"00",
            b"+",
            b"\0",
            b"\\ud800",
            b"[[[[",
            b"18446744073709551616",
            b"Asia/Kolkata",
        ];
        let edit = (any::<prop::sample::Index>(), 0..words.len() + 2, any::<u8>());
        let edits = prop::collection::vec(edit, 0..5);
        let changed = (0..SEEDS.len(), edits).prop_map(move |(seed, edits)| {
            let mut bytes = SEEDS[seed].to_vec();
            for (place, what, byte) in edits {
                let at = place.index(bytes.len() + 1);
                let end = (at + usize::from(byte % 8)).min(bytes.len());
                match words.get(what) {
                    Some(word) => drop(bytes.splice(at..end, word.iter().copied())),
                    None if what == words.len() => drop(bytes.drain(at..end)),
                    None => bytes.insert(at, byte),
                }
            }
            bytes
        });
        prop_oneof![9 => changed, 1 => prop::collection::vec(any::<u8>(), 0..200)]
    }

    #[test]
    fn a_number_of_a_result_is_the_same_when_it_is_read_back() {
        result(br#"{"disposition":"x","data":111111111111111111111111}"#);
    }

    #[test]
    fn every_seed_passes_every_body() {
        for seed in SEEDS {
            for (_, body) in BODIES {
                body(seed);
            }
        }
        assert!(phone::parse("+91 98765-43210", "IN").is_ok());
        let settings: Value = serde_json::from_slice(SEEDS[5]).unwrap();
        let taken = Settings::default().patched(settings.as_object().unwrap());
        assert!(taken.is_ok(), "a seed that is refused finds little: {taken:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]

        #[test]
        fn nothing_panics_whatever_it_is_given(input in any_input()) {
            for (_, body) in BODIES {
                body(&input);
            }
        }
    }
}
