use jiff::civil::DateTime;
use proptest::prelude::*;

use super::*;
use crate::window::Window;

/// Calls from 9 to 21 o'clock; an unclear wish waits for an hour.
fn resolved(text: &str, said_at: Timestamp, zone: &TimeZone, hours: &Window) -> Resolved {
    let wish = CallbackWish { when_text: Some(text.to_owned()), ..CallbackWish::default() };
    resolve(&wish, said_at, zone, |at| hours.open_from(at), SignedDuration::from_hours(1))
}

fn hours(start: &str, end: &str, timezone: &str) -> Window {
    Window { start: start.into(), end: end.into(), timezone: timezone.into(), ..Window::default() }
}

fn local(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned_datetime(zone.clone()).strftime("%a %Y-%m-%d %H:%M %:z").to_string()
}

#[test]
fn every_phrase_of_the_reviewed_table_means_what_it_says() {
    let (mut rows, mut faults) = (0, String::new());
    for line in include_str!("phrases.txt").lines() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [phrase, said, name, due, kind] = cells[..] else {
            panic!("five columns, not {}: {line}", cells.len());
        };
        let zone = TimeZone::get(name).unwrap();
        let said = said.parse::<DateTime>().unwrap();
        let said_at = zone.to_ambiguous_timestamp(said).compatible().unwrap();
        let span = if kind.ends_with('*') { ("00:00", "24:00") } else { ("09:00", "21:00") };
        let hours = hours(span.0, span.1, name);
        let answer = resolved(phrase, said_at, &zone, &hours);
        let moved = if answer.moved_to_window { ", moved" } else { "" };
        let all_day = if kind.ends_with('*') { " *" } else { "" };
        let is =
            format!("{} | {}{moved}{all_day}", local(answer.due, &zone), answer.understood.word());
        rows += 1;
        if is != format!("{due} | {kind}") {
            faults += &format!("{phrase:40} | {} | {name:19} | {is}\n", cells[1]);
        }
    }
    assert!(faults.is_empty(), "differs, and is:\n{faults}");
    assert!(rows >= 220, "{rows} rows");
}

/// Words of the grammar in any order, and anything else.
fn any_text() -> impl Strategy<Value = String> {
    let word = prop::sample::select(
        include_str!("phrases.txt").split([' ', '|', '\n']).collect::<Vec<&'static str>>(),
    );
    prop_oneof![
        3 => prop::collection::vec(word, 0..12).prop_map(|words| words.join(" ")),
        1 => any::<String>(),
        1 => "[0-9:./ -]{0,40}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(800))]

    #[test]
    fn whatever_is_said_a_call_is_neither_past_nor_far(
        text in any_text(),
        second in 1_700_000_000_i64..1_900_000_000,
        name in prop::sample::select(vec![
            "Asia/Kolkata", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe",
            "Africa/Casablanca", "Asia/Kathmandu",
        ]),
    ) {
        let (now, zone) = (Timestamp::from_second(second).unwrap(), TimeZone::get(name).unwrap());
        let hours = hours("09:00", "21:00", name);
        let answer = resolved(&text, now, &zone, &hours);
        prop_assert!(answer.due > now);
        prop_assert!(answer.due <= now + SignedDuration::from_hours(24 * 31 + 2));
        prop_assert!(hours.is_open(answer.due));
        prop_assert_eq!(answer.wanted.is_none(), answer.understood.needs_a_person());
        prop_assert!(answer.wanted.is_none_or(|at| at > now && at <= answer.due));
        prop_assert_eq!(resolved(&text.to_ascii_uppercase(), now, &zone, &hours), answer);
    }
}

#[test]
fn a_long_text_is_no_phrase_and_the_longest_is_read_whole() {
    let padded = |letters: usize| format!("{:letters$}", "tomorrow");
    assert_eq!(phrase::parse(&padded(501)), Phrase::Unclear);
    assert_ne!(phrase::parse(&padded(500)), Phrase::Unclear);
    for piece in ["5 se ", "5-", "half ", "a quarter to ", "not ", "1.", "saadhe 5 "] {
        phrase::parse(&piece.repeat(500 / piece.len()));
    }
}

#[test]
fn an_exact_time_goes_before_words_and_a_named_zone_before_the_contacts() {
    let now: Timestamp = "2026-11-23T08:30:00Z".parse().unwrap();
    let kolkata = TimeZone::get("Asia/Kolkata").unwrap();
    let open = hours("00:00", "24:00", "Asia/Kolkata");
    let due = |at: Option<&str>, text: &str, tz: Option<&str>| {
        let wish = CallbackWish {
            at: at.map(|at| at.parse().unwrap()),
            when_text: Some(text.to_owned()),
            tz: tz.map(str::to_owned),
            ..CallbackWish::default()
        };
        let delay = SignedDuration::from_hours(1);
        let answer = resolve(&wish, now, &kolkata, |at| open.open_from(at), delay);
        format!("{} {}", answer.due, answer.understood.word())
    };
    let later = Some("2026-11-24T05:00:00Z");
    assert_eq!(due(later, "tomorrow 5pm", None), "2026-11-24T05:00:00Z exact");
    let passed = Some("2026-11-23T05:00:00Z");
    assert_eq!(due(passed, "tomorrow 5pm", None), "2026-11-24T11:30:00Z exact");
    let far = Some("2027-11-23T05:00:00Z");
    assert_eq!(due(far, "", None), "2026-11-23T09:30:00Z unclear");
    assert_eq!(due(None, "tomorrow 5pm", Some("Europe/Berlin")), "2026-11-24T16:00:00Z exact");
    assert_eq!(due(None, "tomorrow 5pm", Some("IST")), "2026-11-24T11:30:00Z exact");
    assert_eq!(due(None, "tomorrow 5pm", Some("Mars")), "2026-11-23T09:30:00Z unclear");
    assert_eq!(due(None, "in 2 hours", Some("Mars")), "2026-11-23T10:30:00Z relative");
}

#[test]
fn a_window_that_cannot_be_evaluated_and_a_negative_delay_move_nothing_into_the_past() {
    let now: Timestamp = "2026-11-23T08:30:00Z".parse().unwrap();
    let delay = SignedDuration::from_hours(-1);
    let answer = resolve(&CallbackWish::default(), now, &TimeZone::UTC, |_| None, delay);
    assert_eq!((answer.due, answer.moved_to_window), (now, false));
}
