//! Figures and times in the words of the console: grouped digits, honest
//! percentages, times in the campaign's zone with UTC beside them (R-14).

use campanile_domain::phone::PhoneNumber;
use jiff::{Timestamp, ZonedDateTime, tz::TimeZone};
use maud::{Markup, html};

/// No-break space: stands between a figure and its unit.
pub(crate) const NBSP: &str = "\u{a0}";

/// Where and when a page is read: the campaign's zone and the time of rendering.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    zone: TimeZone,
    now: Timestamp,
}

impl Clock {
    /// Times in the IANA zone `zone`; in UTC when it is not known.
    pub(crate) fn new(zone: &str, now: Timestamp) -> Self {
        Self { zone: TimeZone::get(zone).unwrap_or(TimeZone::UTC), now }
    }

    /// When the page was rendered.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Short name of the zone, such as `IST`.
    pub(crate) fn zone_name(&self) -> String {
        self.local(self.now).strftime("%Z").to_string()
    }

    /// `10:36`, or `18 Nov 10:36` on another day.
    pub(crate) fn brief(&self, at: Timestamp) -> String {
        let (local, today) = (self.local(at), self.local(self.now));
        let time = local.strftime("%H:%M");
        if local.date() == today.date() {
            time.to_string()
        } else {
            format!("{} {time}", self.day(&local))
        }
    }

    /// `Today, 10:36` or `18 Nov, 17:18`.
    pub(crate) fn long(&self, at: Timestamp) -> String {
        let (local, today) = (self.local(at), self.local(self.now));
        let time = local.strftime("%H:%M");
        if local.date() == today.date() {
            format!("Today, {time}")
        } else {
            format!("{}, {time}", self.day(&local))
        }
    }

    /// `10:36:12`, or `18 Nov, 10:36:12` on another day.
    pub(crate) fn seconds(&self, at: Timestamp) -> String {
        let (local, today) = (self.local(at), self.local(self.now));
        let time = local.strftime("%H:%M:%S");
        if local.date() == today.date() {
            time.to_string()
        } else {
            format!("{}, {time}", self.day(&local))
        }
    }

    /// A time to come: `at 10:00`, `tomorrow at 10:00`, `Mon at 09:00`,
    /// `3 Dec at 09:00`.
    pub(crate) fn upcoming(&self, at: Timestamp) -> String {
        let (local, today) = (self.local(at), self.local(self.now));
        let time = local.strftime("%H:%M");
        let days = local.date().since(today.date()).map_or(0, |span| span.get_days());
        match days {
            ..=0 => format!("at {time}"),
            1 => format!("tomorrow at {time}"),
            2..=6 => format!("{} at {time}", local.strftime("%a")),
            _ => format!("{} at {time}", self.day(&local)),
        }
    }

    /// A time gone by, in a sentence: `at 13:12`, `on 18 Nov at 17:18`.
    pub(crate) fn past(&self, at: Timestamp) -> String {
        let (local, today) = (self.local(at), self.local(self.now));
        let time = local.strftime("%H:%M");
        if local.date() == today.date() {
            format!("at {time}")
        } else {
            format!("on {} at {time}", self.day(&local))
        }
    }

    /// A time with its zone, focusable so that UTC can be read without a mouse.
    pub(crate) fn stamp(&self, at: Timestamp) -> Markup {
        html! {
            time.tip tabindex="0" datetime=(rfc(at)) data-tip=(utc(at)) {
                (self.long(at)) " " (self.local(at).strftime("%Z"))
            }
        }
    }

    /// A time as machines and people read it, without a place in the tab order.
    pub(crate) fn plain(&self, at: Timestamp, words: &str) -> Markup {
        html! { time datetime=(rfc(at)) title=(utc(at)) { (words) } }
    }

    fn local(&self, at: Timestamp) -> ZonedDateTime {
        at.to_zoned_datetime(self.zone.clone())
    }

    fn day(&self, local: &ZonedDateTime) -> String {
        if local.year() == self.local(self.now).year() {
            local.strftime("%-d %b").to_string()
        } else {
            local.strftime("%-d %b %Y").to_string()
        }
    }
}

/// A time on a page over several campaigns: UTC from the server, the reader's own
/// zone once the script has run (R-14).
pub(crate) fn local_time(at: Timestamp) -> Markup {
    html! { time data-local="" datetime=(rfc(at)) { (at.strftime("%-d %b, %H:%M UTC")) } }
}

/// RFC 3339 in UTC, to the second.
pub(crate) fn rfc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `2026-11-19 05:06:12 UTC`.
pub(crate) fn utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `84,344`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 contact`, `84,344 contacts`.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{}{NBSP}{}", count(number), if number == 1 { one } else { many })
}

/// A share of 0 to 1 as a percentage with `digits` after the point. Only the whole
/// is written as 100, and only nothing as 0.
pub(crate) fn percent(share: f64, digits: usize) -> String {
    let scale = 10f64.powi(i32::try_from(digits).unwrap_or(0));
    let rounded = (share * 100.0 * scale).round() / scale;
    let shown = if rounded >= 100.0 && share < 1.0 {
        100.0 - 1.0 / scale
    } else if rounded <= 0.0 && share > 0.0 {
        1.0 / scale
    } else {
        rounded
    };
    format!("{shown:.digits$}")
}

/// `part` of `whole` from 0 to 1; 0 when there is no whole.
pub(crate) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A rate a person can take in: `9.2`, `0.1`, `7,520`.
pub(crate) fn rate(value: f64) -> String {
    if value >= 100.0 { count(value.round() as u64) } else { format!("{value:.1}") }
}

/// `45 s`, `3 m 12 s`, `19 h 13 m`, `2 d 4 h`, with no-break spaces.
pub(crate) fn span(seconds: u64) -> String {
    let parts = match seconds {
        0..60 => vec![(seconds, "s")],
        60..3_600 => vec![(seconds / 60, "m"), (seconds % 60, "s")],
        3_600..86_400 => vec![(seconds / 3_600, "h"), (seconds % 3_600 / 60, "m")],
        _ => vec![(seconds / 86_400, "d"), (seconds % 86_400 / 3_600, "h")],
    };
    let words: Vec<String> =
        parts.into_iter().map(|(figure, unit)| format!("{figure}{NBSP}{unit}")).collect();
    words.join(NBSP)
}

/// `8s ago`, `3m ago`, `1h47m ago` (MO-5).
pub(crate) fn ago(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s ago"),
        60..3_600 => format!("{}m ago", seconds / 60),
        3_600..86_400 => format!("{}h{:02}m ago", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d ago", seconds / 86_400),
    }
}

/// `~1h43m` (MO-7), rounded up to the minute.
pub(crate) fn eta(seconds: u64) -> String {
    let minutes = seconds.div_ceil(60);
    format!("~{}h{:02}m", minutes / 60, minutes % 60)
}

/// A number as people write it; as stored where we do not know the habit.
pub(crate) fn phone(number: PhoneNumber) -> String {
    let text = number.to_string();
    match text.strip_prefix("+91") {
        Some(rest) if rest.len() == 10 => format!("+91 {} {}", &rest[..5], &rest[5..]),
        _ => match text.strip_prefix("+1") {
            Some(rest) if rest.len() == 10 => {
                format!("+1 {} {} {}", &rest[..3], &rest[3..6], &rest[6..])
            }
            _ => text,
        },
    }
}

/// Whole seconds from `from` to `to`; 0 when `to` comes first.
pub(crate) fn seconds_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.as_second().saturating_sub(from.as_second())).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_grouped_and_only_the_whole_is_a_hundred_percent() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_000), "1,000");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(percent(0.9997, 1), "99.9");
        assert_eq!(percent(1.0, 1), "100.0");
        assert_eq!(percent(0.00001, 1), "0.1");
        assert_eq!(percent(0.0, 1), "0.0");
        assert_eq!(percent(0.2956, 1), "29.6");
        assert_eq!(rate(9.16), "9.2");
        assert_eq!(rate(7_520.4), "7,520");
    }

    #[test]
    fn spans_read_as_people_say_them() {
        assert_eq!(span(45), "45\u{a0}s");
        assert_eq!(span(192), "3\u{a0}m\u{a0}12\u{a0}s");
        assert_eq!(span(69_180), "19\u{a0}h\u{a0}13\u{a0}m");
        assert_eq!(ago(8), "8s ago");
        assert_eq!(ago(200), "3m ago");
        assert_eq!(ago(6_420), "1h47m ago");
        assert_eq!(eta(6_150), "~1h43m");
        assert_eq!(eta(61), "~0h02m");
    }

    #[test]
    fn a_time_is_told_in_the_campaigns_zone_with_utc_beside_it() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let clock = Clock::new("Asia/Kolkata", at("2026-11-19T09:17:20Z"));
        assert_eq!(clock.zone_name(), "IST");
        assert_eq!(clock.long(at("2026-11-19T05:06:12Z")), "Today, 10:36");
        assert_eq!(clock.long(at("2026-11-18T11:48:09Z")), "18 Nov, 17:18");
        assert_eq!(clock.long(at("2025-11-18T11:48:09Z")), "18 Nov 2025, 17:18");
        assert_eq!(clock.upcoming(at("2026-11-20T04:30:00Z")), "tomorrow at 10:00");
        assert_eq!(clock.upcoming(at("2026-11-23T03:30:00Z")), "Mon at 09:00");
        insta::assert_snapshot!(clock.stamp(at("2026-11-19T05:06:12Z")).into_string(), @r#"<time class="tip" tabindex="0" datetime="2026-11-19T05:06:12Z" data-tip="2026-11-19 05:06:12 UTC">Today, 10:36 IST</time>"#);
    }

    #[test]
    fn an_unknown_zone_falls_back_to_utc_and_not_to_a_panic() {
        let clock = Clock::new("Nowhere/Else", "2026-11-19T09:17:20Z".parse().unwrap());
        assert_eq!(clock.brief("2026-11-19T05:06:12Z".parse().unwrap()), "05:06");
    }

    #[test]
    fn numbers_are_spaced_where_the_habit_is_known() {
        let phone_of = |text: &str| phone(text.parse().unwrap());
        assert_eq!(phone_of("+919922256441"), "+91 99222 56441");
        assert_eq!(phone_of("+12025550123"), "+1 202 555 0123");
        assert_eq!(phone_of("+4930123456"), "+4930123456");
    }
}
