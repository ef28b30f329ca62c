use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;

fn window(start: &str, end: &str, days: &[Day]) -> Window {
    Window { start: start.into(), end: end.into(), days: days.to_vec(), ..Window::default() }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

/// The changes of these hours from a moment on, in their own wall-clock time.
fn changes(hours: Hours<'_>, from: &str, count: usize) -> Vec<String> {
    let zone = hours.zone().unwrap();
    let mut now = at(from);
    let mut table = Vec::new();
    for _ in 0..count {
        let Some(next) = hours.next_change(now) else { break };
        let word = if hours.is_open(next) { "opens" } else { "closes" };
        table.push(format!("{word} {}", zone.to_datetime(next).strftime("%a %d %H:%M")));
        now = next;
    }
    table
}

#[test]
fn several_windows_open_and_close_by_turns_and_rest_on_holidays() {
    let windows = [
        window("09:00", "12:00", &Day::ALL),
        window("12:00", "13:00", &[Day::Wed]),
        window("14:00", "18:00", &Day::ALL),
    ];
    let holidays = ["2026-11-26".parse().unwrap()];
    let hours = Hours::new(&windows, &holidays);
    assert_eq!(
        changes(hours, "2026-11-24T00:00:00Z", 10),
        [
            "opens Tue 24 09:00",
            "closes Tue 24 12:00",
            "opens Tue 24 14:00",
            "closes Tue 24 18:00",
            "opens Wed 25 09:00",
            "closes Wed 25 13:00",
            "opens Wed 25 14:00",
            "closes Wed 25 18:00",
            "opens Fri 27 09:00",
            "closes Fri 27 12:00",
        ],
    );
    assert!(hours.is_holiday(at("2026-11-26T05:00:00Z")));
    assert!(!hours.is_holiday(at("2026-11-26T20:00:00Z")), "in the zone it is the 27th");
}

#[test]
fn a_whole_day_closes_only_for_holidays_however_many_there_are() {
    let windows = [window("00:00", "24:00", &Day::ALL)];
    let first: Date = "2026-12-01".parse().unwrap();
    let month: Vec<Date> = first.series(jiff::Span::new().days(1)).take(31).collect();
    assert_eq!(
        changes(Hours::new(&windows, &month), "2026-11-24T00:00:00Z", 3),
        ["closes Tue 01 00:00", "opens Fri 01 00:00"],
    );
}

#[test]
fn a_single_day_ends_with_the_last_window_of_its_day() {
    let windows = [window("14:00", "18:00", &[Day::Tue]), window("09:00", "12:00", &Day::ALL)];
    let hours = Hours::new(&windows, &[]);
    let ends = |start: &str| hours.day_end(at(start)).unwrap().to_string();
    assert_eq!(ends("2026-11-24T04:00:00Z"), "2026-11-24T12:30:00Z", "two windows on a Tuesday");
    assert_eq!(ends("2026-11-24T07:00:00Z"), "2026-11-24T12:30:00Z", "between them");
    assert_eq!(ends("2026-11-25T00:00:00Z"), "2026-11-25T06:30:00Z", "one on a Wednesday");
}

#[test]
fn a_call_needs_the_hours_of_the_campaign_and_of_the_contact() {
    let windows = [window("09:00", "18:00", &Day::ALL)];
    let hours = Hours::new(&windows, &[]);
    let from = |name: &str, text: &str| {
        hours.open_for_both(&zone(name), at(text)).map(|open| open.to_string())
    };
    // 09:00 in Kolkata is 07:30 in Dubai, which opens at 10:30 in Kolkata.
    let dubai = from("Asia/Dubai", "2026-11-24T00:00:00Z");
    assert_eq!(dubai.as_deref(), Some("2026-11-24T05:00:00Z"));
    assert_eq!(from("America/Los_Angeles", "2026-11-24T00:00:00Z"), None, "nights and days");
    let both = at("2026-11-24T12:00:00Z");
    assert_eq!(hours.open_for_both(&zone("Asia/Dubai"), both), Some(both));
}

#[test]
fn hours_that_cannot_be_evaluated_are_closed() {
    let broken = Window { timezone: "Mars/Olympus".into(), ..Window::default() };
    for windows in [vec![], vec![Window::default(), broken]] {
        let hours = Hours::new(&windows, &[]);
        let now = at("2026-11-24T08:00:00Z");
        assert!(!hours.is_open(now));
        assert_eq!((hours.next_change(now), hours.day_end(now)), (None, None));
        assert_eq!(hours.open_for_both(&zone("Asia/Kolkata"), now), None);
    }
}

proptest! {
    #[test]
    fn hours_are_their_windows_less_the_holidays(
        zone in prop::sample::select(&["Asia/Kolkata", "Europe/Berlin", "Pacific/Apia"][..]),
        edges in prop::collection::btree_set(0i64..=1_440, 2..=6),
        days in prop::sample::subsequence(Day::ALL.to_vec(), 1..=7),
        holidays in prop::collection::vec((1i8..=12, 1i8..=28), 0..5),
        second in 1_767_225_600i64..1_798_761_600,
    ) {
        let text = |minute: &i64| format!("{:02}:{:02}", minute / 60, minute % 60);
        let edges: Vec<i64> = edges.into_iter().collect();
        let windows: Vec<Window> = edges
            .chunks_exact(2)
            .map(|edge| Window {
                timezone: zone.into(),
                ..window(&text(&edge[0]), &text(&edge[1]), &days)
            })
            .collect();
        let holidays: Vec<Date> =
            holidays.into_iter().map(|(month, day)| Date::constant(2026, month, day)).collect();
        let hours = Hours::new(&windows, &holidays);
        prop_assert!(hours.check(false).is_empty());
        let clock = TimeZone::get(zone).unwrap();
        let expected = |at: Timestamp| {
            !holidays.contains(&clock.to_datetime(at).date())
                && windows.iter().any(|window| window.is_open(at))
        };
        let now = Timestamp::from_second(second).unwrap();
        let next = hours.next_change(now);
        if let Some(next) = next {
            prop_assert!(next > now);
            prop_assert_ne!(expected(next), expected(now));
        }
        let last = now + SignedDuration::from_hours(24 * 8);
        let mut look = now;
        while look < next.unwrap_or(last).min(last) {
            prop_assert_eq!(hours.is_open(look), expected(now), "at {}", look);
            look += SignedDuration::from_secs(427);
        }
    }
}
