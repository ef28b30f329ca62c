use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;

fn window(start: &str, end: &str, timezone: &str, days: &[Day]) -> Window {
    Window { start: start.into(), end: end.into(), timezone: timezone.into(), days: days.to_vec() }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The changes of a window from a moment on, in its own wall-clock time.
fn changes(window: &Window, from: &str, count: usize) -> String {
    let zone = TimeZone::get(&window.timezone).unwrap();
    let mut now = at(from);
    let mut table = format!(
        "{}–{} {} from {from}, {}\n",
        window.start,
        window.end,
        window.timezone,
        if window.is_open(now) { "open" } else { "closed" }
    );
    for _ in 0..count {
        let Some(next) = window.next_change(now) else {
            table += "  no change\n";
            break;
        };
        let word = if window.is_open(next) { "opens " } else { "closes" };
        let local = next.to_zoned_datetime(zone.clone());
        table += &format!("  {word} {next}  {}\n", local.strftime("%a %H:%M %:z"));
        now = next;
    }
    table
}

#[test]
fn windows_through_ordinary_days_and_the_days_on_which_clocks_change() {
    use Day::{Fri, Mon, Sat, Sun, Thu, Tue, Wed};
    let all = Day::ALL;
    let office = [Mon, Tue, Wed, Thu, Fri];
    let table = [
        changes(&window("09:00", "21:00", "Asia/Kolkata", &all), "2026-11-17T00:00:00Z", 3),
        changes(&window("09:00", "18:00", "Asia/Kolkata", &office), "2026-11-20T13:00:00Z", 2),
        changes(&window("10:00", "24:00", "Asia/Kathmandu", &[Sat]), "2026-11-17T00:00:00Z", 3),
        changes(&window("00:00", "24:00", "Asia/Kolkata", &all), "2026-11-17T00:00:00Z", 1),
        changes(&window("00:00", "24:00", "Asia/Kolkata", &[Sun, Mon]), "2026-11-17T00:00:00Z", 3),
        // 02:00 becomes 03:00: a window that begins in the gap begins at its end.
        changes(&window("02:30", "08:00", "Europe/Berlin", &all), "2026-03-28T12:00:00Z", 4),
        // One that lies within the gap does not open that day.
        changes(&window("02:10", "02:50", "Europe/Berlin", &all), "2026-03-28T12:00:00Z", 4),
        // 03:00 becomes 02:00: a window that ends in the overlap is open twice.
        changes(&window("01:00", "02:30", "Europe/Berlin", &all), "2026-10-24T12:00:00Z", 6),
        changes(&window("02:15", "02:45", "Europe/Berlin", &all), "2026-10-24T12:00:00Z", 6),
        // Half an hour, at 02:00.
        changes(&window("01:45", "09:00", "Australia/Lord_Howe", &all), "2026-04-04T00:00:00Z", 4),
        changes(&window("02:15", "09:00", "Australia/Lord_Howe", &all), "2026-10-03T00:00:00Z", 4),
        // Ramadan: back in February, forward in March.
        changes(&window("02:30", "20:00", "Africa/Casablanca", &all), "2026-02-14T21:00:00Z", 4),
        changes(&window("02:30", "20:00", "Africa/Casablanca", &all), "2026-03-21T21:00:00Z", 4),
    ];
    insta::assert_snapshot!(table.join("\n"));
}

#[test]
fn a_single_day_ends_where_its_window_does() {
    let ends = |window: &Window, start: &str| {
        window.day_end(at(start)).map(|end| end.to_string()).unwrap_or_default()
    };
    let india = window("09:00", "21:00", "Asia/Kolkata", &Day::ALL);
    assert_eq!(ends(&india, "2026-11-17T02:00:00Z"), "2026-11-17T15:30:00Z", "before it opens");
    assert_eq!(ends(&india, "2026-11-17T10:00:00Z"), "2026-11-17T15:30:00Z", "within");
    assert_eq!(ends(&india, "2026-11-17T15:30:00Z"), "2026-11-18T15:30:00Z", "at its end");
    let saturdays = window("09:00", "24:00", "Asia/Kolkata", &[Day::Sat]);
    assert_eq!(ends(&saturdays, "2026-11-17T10:00:00Z"), "2026-11-21T18:30:00Z");
    let whole = window("00:00", "24:00", "Asia/Kolkata", &Day::ALL);
    assert_eq!(ends(&whole, "2026-11-17T10:00:00Z"), "2026-11-17T18:30:00Z", "the day, not never");
    let overlap = window("01:00", "02:30", "Europe/Berlin", &Day::ALL);
    assert_eq!(ends(&overlap, "2026-10-24T23:10:00Z"), "2026-10-25T01:30:00Z", "the second 02:30");
    let gap = window("01:00", "02:30", "Europe/Berlin", &Day::ALL);
    assert_eq!(ends(&gap, "2026-03-29T00:10:00Z"), "2026-03-29T01:00:00Z", "when the clock jumps");
}

#[test]
fn a_window_that_cannot_be_evaluated_is_closed_and_stays_closed() {
    for broken in [
        window("09:00", "21:00", "Mars/Olympus", &Day::ALL),
        window("9", "21:00", "Asia/Kolkata", &Day::ALL),
        window("09:00", "21:00", "Asia/Kolkata", &[]),
    ] {
        let now = at("2026-11-17T08:00:00Z");
        assert!(broken.check().is_err());
        assert!(!broken.is_open(now));
        assert_eq!(broken.next_change(now), None);
        assert_eq!(broken.day_end(now), None);
    }
}

#[test]
fn what_no_window_can_be_is_named_by_its_field() {
    let pointer = |window: Window| window.check().map_err(|(pointer, _)| pointer);
    let all = Day::ALL;
    assert_eq!(pointer(window("09:00", "24:00", "Asia/Kolkata", &all)), Ok(()));
    assert_eq!(pointer(window("9:00", "21:00", "Asia/Kolkata", &all)), Err("/start"));
    assert_eq!(pointer(window("+9:00", "21:00", "Asia/Kolkata", &all)), Err("/start"));
    assert_eq!(pointer(window("09:00", "24:01", "Asia/Kolkata", &all)), Err("/end"));
    assert_eq!(pointer(window("21:00", "09:00", "Asia/Kolkata", &all)), Err("/end"));
    assert_eq!(pointer(window("09:00", "09:00", "Asia/Kolkata", &all)), Err("/end"));
    assert_eq!(pointer(window("09:00", "21:00", "Kolkata", &all)), Err("/timezone"));
    assert_eq!(pointer(window("09:00", "21:00", "Asia/Kolkata", &[])), Err("/days"));
}

const ZONES: [&str; 8] = [
    "Asia/Kolkata",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "America/Santiago",
    "Pacific/Apia",
];

proptest! {
    #[test]
    fn a_change_is_the_first_moment_at_which_it_is_otherwise(
        zone in prop::sample::select(&ZONES[..]),
        start in 0i64..1_439,
        length in 1i64..1_440,
        days in prop::sample::subsequence(Day::ALL.to_vec(), 1..=7),
        second in 1_767_225_600i64..1_798_761_600,
    ) {
        let end = (start + length).min(1_440);
        let text = |minute: i64| format!("{:02}:{:02}", minute / 60, minute % 60);
        let window = window(&text(start), &text(end), zone, &days);
        prop_assert!(window.check().is_ok());
        let now = Timestamp::from_second(second).unwrap();
        let open = window.is_open(now);
        let last = now + SignedDuration::from_hours(24 * 9);
        let next = window.next_change(now);
        if let Some(next) = next {
            prop_assert!(next > now);
            prop_assert_ne!(window.is_open(next), open);
            prop_assert_eq!(window.is_open(next - SignedDuration::from_secs(1)), open);
        }
        // Nothing happens before it: looked at every seven minutes and a bit.
        let mut look = now;
        while look < next.unwrap_or(last) {
            prop_assert_eq!(window.is_open(look), open, "at {}", look);
            look += SignedDuration::from_secs(427);
        }
    }
}
