//! The calling hours of a campaign: one window a day or several, less the holidays.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{Day, Window, instants, minutes};
use crate::field::FieldError;

/// When a campaign may call (R-4, DI-1): inside any of its windows, and not on a holiday.
///
/// All windows are in one zone, which is the campaign's. Hours that cannot be evaluated
/// are closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours<'a> {
    windows: &'a [Window],
    holidays: &'a [Date],
}

/// Windows of a campaign, at most.
pub const WINDOWS_MAX: usize = 10;
/// Holidays of a campaign, at most: two years of them.
pub const HOLIDAYS_MAX: usize = 750;
/// Days looked at together: a week and the days on either side.
const DAYS_AT_ONCE: usize = 9;

impl<'a> Hours<'a> {
    /// Open inside any of these windows, on days that are no holidays of their zone.
    pub fn new(windows: &'a [Window], holidays: &'a [Date]) -> Self {
        Self { windows, holidays }
    }

    /// Faults of several windows, each with the field it is in: a fault of one window,
    /// two zones, windows that overlap. `one` says that the field is `window`.
    pub fn check(&self, one: bool) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let place = |index: usize| match one {
            true => "/window".to_owned(),
            false => format!("/windows/{index}"),
        };
        let mut fault = |pointer: String, code: &'static str, message: &str| {
            errors.push(FieldError::new(pointer, code, message));
        };
        if self.windows.len() > WINDOWS_MAX {
            fault("/windows".into(), "out_of_range", "use at most 10 windows");
        }
        if self.holidays.len() > HOLIDAYS_MAX {
            fault("/holidays".into(), "out_of_range", "name at most 750 days");
        }
        for (index, window) in self.windows.iter().enumerate() {
            if let Err((field, message)) = window.check() {
                fault(place(index) + field, "invalid_window", message);
                continue;
            }
            let before = &self.windows[..index];
            if before.iter().any(|other| other.timezone != window.timezone) {
                let message = "all windows of a campaign are in one time zone";
                fault(place(index) + "/timezone", "invalid_window", message);
            } else if before.iter().any(|other| other.overlaps(window)) {
                let message = "it overlaps a window before it; join the two";
                fault(place(index), "overlaps", message);
            }
        }
        errors
    }

    /// Whether `now` is inside.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.zone().is_some_and(|zone| self.is_open_in(&zone, now))
    }

    /// Whether `now` is inside by the clocks of another zone: the same hours and days,
    /// on holidays too, as those are the campaign's.
    pub fn is_open_for(&self, zone: &TimeZone, now: Timestamp) -> bool {
        Self { holidays: &[], ..*self }.is_open_in(zone, now)
    }

    /// The next instant after `now` at which `is_open` changes, looking a week past
    /// all holidays: `None` when it never does, or cannot be evaluated.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        self.next_change_in(&self.zone()?, now)
    }

    /// `at` itself when the hours are open then, else the instant they open next.
    pub fn open_from(&self, at: Timestamp) -> Option<Timestamp> {
        if self.is_open(at) { Some(at) } else { self.next_change(at) }
    }

    /// The first instant from `at` on that is inside both by the campaign's clocks and by
    /// those of `zone`. `None` when there is none within two weeks of changes, or it
    /// cannot be evaluated.
    pub fn open_for_both(&self, zone: &TimeZone, at: Timestamp) -> Option<Timestamp> {
        let theirs = Self { holidays: &[], ..*self };
        let mut at = at;
        // Each step passes a whole stretch of closed hours.
        for _ in 0..8 * WINDOWS_MAX + 2 * HOLIDAYS_MAX {
            at = self.open_from(at)?;
            if theirs.is_open_in(zone, at) {
                return Some(at);
            }
            at = theirs.next_change_in(zone, at)?;
        }
        None
    }

    /// The end of a single-day campaign's day: where the last window ends on the
    /// calendar day of the first window open at or after `start`.
    pub fn day_end(&self, start: Timestamp) -> Option<Timestamp> {
        let zone = self.zone()?;
        let day = zone.to_datetime(self.open_from(start)?).date();
        let weekday = Day::of(day.weekday());
        let of_the_day = self.windows.iter().filter(|window| window.days.contains(&weekday));
        let ends = of_the_day.filter_map(|window| instants(&zone, day, minutes(&window.end)?));
        ends.flatten().max()
    }

    /// `09:00–12:00, 14:00–18:00`.
    pub fn spans(&self) -> String {
        let spans: Vec<String> =
            self.windows.iter().map(|window| format!("{}–{}", window.start, window.end)).collect();
        spans.join(", ")
    }

    /// The IANA name of its zone.
    pub fn zone_name(&self) -> &'a str {
        self.windows.first().map_or("", |window| window.timezone.as_str())
    }

    /// Whether `now` falls on a holiday.
    pub fn is_holiday(&self, now: Timestamp) -> bool {
        let today = |zone: TimeZone| zone.to_datetime(now).date();
        self.zone().map(today).is_some_and(|today| self.holidays.contains(&today))
    }

    fn zone(&self) -> Option<TimeZone> {
        let name = &self.windows.first()?.timezone;
        if self.windows.iter().any(|window| window.timezone != *name) {
            return None;
        }
        TimeZone::get(name).ok()
    }

    fn is_open_in(&self, zone: &TimeZone, now: Timestamp) -> bool {
        let local = zone.to_datetime(now);
        let minute = local.hour() as i16 * 60 + local.minute() as i16;
        !self.holidays.contains(&local.date())
            && self.windows.iter().any(|window| window.holds(Day::of(local.weekday()), minute))
    }

    fn next_change_in(&self, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
        let open = self.is_open_in(zone, now);
        let mut day = zone.to_datetime(now).date().yesterday().ok()?;
        let last_holiday = self.holidays.iter().copied().max();
        let mut from = now;
        loop {
            let first = day;
            let mut edges: Vec<Timestamp> = Vec::new();
            for _ in 0..DAYS_AT_ONCE + 2 {
                // Midnight is an edge where a holiday begins or ends.
                let midnight = if self.holidays.is_empty() { None } else { Some(0) };
                edges.extend(
                    midnight.and_then(|minute| instants(zone, day, minute)).unwrap_or_default(),
                );
                for window in self.windows {
                    for minute in [minutes(&window.start)?, minutes(&window.end)?] {
                        edges.extend(instants(zone, day, minute)?);
                    }
                }
                day = day.tomorrow().ok()?;
            }
            let last = edges.iter().copied().max()?;
            // Where the zone's offset changes the wall clock jumps, into or out of the
            // hours.
            edges.extend(
                zone.following(from).map(|change| change.timestamp()).take_while(|at| *at <= last),
            );
            edges.sort_unstable();
            let change = edges
                .into_iter()
                .filter(|at| *at > now)
                .find(|at| self.is_open_in(zone, *at) != open);
            // A stretch without a holiday tells all: the weeks are alike from there on.
            if change.is_some() || last_holiday.is_none_or(|holiday| holiday < first) {
                return change;
            }
            from = last;
        }
    }
}

#[cfg(test)]
mod tests;
