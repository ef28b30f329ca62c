//! When calling is allowed (R-4, DI-1).

use jiff::{
    Timestamp,
    civil::{Date, Weekday},
    tz::{AmbiguousOffset, Offset, TimeZone},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod hours;

pub use self::hours::{HOLIDAYS_MAX, Hours, WINDOWS_MAX};

/// A daily calling window in an IANA zone. An instant is inside when its
/// wall-clock time in the zone lies in [start, end) on a working day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Window {
    /// `HH:MM`.
    pub start: String,
    /// `HH:MM`, after `start`; `24:00` is the end of the day.
    pub end: String,
    /// IANA zone name.
    pub timezone: String,
    /// `mon` … `sun`.
    pub days: Vec<Day>,
}

/// A working day.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names of the weekdays")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    /// The whole week.
    pub const ALL: [Self; 7] =
        [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];

    /// `Mon`, `Tue`, …
    pub fn label(self) -> &'static str {
        ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][self as usize]
    }

    fn of(weekday: Weekday) -> Self {
        Self::ALL[weekday.to_monday_zero_offset() as usize]
    }
}

impl Default for Window {
    fn default() -> Self {
        Self {
            start: "09:00".into(),
            end: "21:00".into(),
            timezone: "Asia/Kolkata".into(),
            days: Day::ALL.to_vec(),
        }
    }
}

impl Window {
    /// Field and message of the first fault.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let start = minutes(&self.start).ok_or(("/start", "use HH:MM, such as 09:00"))?;
        let end = minutes(&self.end).ok_or(("/end", "use HH:MM, such as 21:00, or 24:00"))?;
        if end <= start {
            return Err((
                "/end",
                "the end must be after the start; a window over midnight is two windows",
            ));
        }
        if TimeZone::get(&self.timezone).is_err() {
            return Err(("/timezone", "use an IANA zone such as Asia/Kolkata"));
        }
        if self.days.is_empty() {
            return Err(("/days", "choose at least one day"));
        }
        Ok(())
    }

    /// Whether `now` is inside. A window that cannot be evaluated is closed.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.hours().is_open(now)
    }

    /// The next instant after `now` at which `is_open` changes, looking nine days
    /// ahead: `None` when the window never closes, or cannot be evaluated.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        self.hours().next_change(now)
    }

    /// `at` itself when the window is open then, else the instant it opens next.
    pub fn open_from(&self, at: Timestamp) -> Option<Timestamp> {
        self.hours().open_from(at)
    }

    /// The end of a single-day campaign's day: where the window ends on the calendar
    /// day of the first window open at or after `start`.
    pub fn day_end(&self, start: Timestamp) -> Option<Timestamp> {
        self.hours().day_end(start)
    }

    fn hours(&self) -> Hours<'_> {
        Hours::new(std::slice::from_ref(self), &[])
    }

    /// Whether a minute of such a day is inside.
    fn holds(&self, day: Day, minute: i16) -> bool {
        let (Some(start), Some(end)) = (minutes(&self.start), minutes(&self.end)) else {
            return false;
        };
        self.days.contains(&day) && (start..end).contains(&minute)
    }

    /// Whether some minute of some day is inside both.
    fn overlaps(&self, other: &Self) -> bool {
        let span = |window: &Self| Some((minutes(&window.start)?, minutes(&window.end)?));
        let (Some(one), Some(two)) = (span(self), span(other)) else { return false };
        one.0 < two.1 && two.0 < one.1 && self.days.iter().any(|day| other.days.contains(day))
    }
}

/// The instants at which the wall clock shows `minute` of `day`: two where the clock
/// is set back over it, the moment of the jump where it is set forward over it.
pub(crate) fn instants(zone: &TimeZone, day: Date, minute: i16) -> Option<Vec<Timestamp>> {
    // 24:00 is the first moment of the next day.
    let day = if minute == 1_440 { day.tomorrow().ok()? } else { day };
    let minute = minute % 1_440;
    let wall = day.at((minute / 60) as i8, (minute % 60) as i8, 0, 0);
    let at = |offset: Offset| offset.to_timestamp(wall).ok();
    match zone.to_ambiguous_timestamp(wall).offset() {
        AmbiguousOffset::Unambiguous { offset } => Some(vec![at(offset)?]),
        AmbiguousOffset::Fold { before, after } => Some(vec![at(before)?, at(after)?]),
        // Read with the offset after the jump, a wall time in the gap lies before it.
        AmbiguousOffset::Gap { after, .. } => {
            Some(vec![zone.following(at(after)?).next()?.timestamp()])
        }
    }
}

fn minutes(text: &str) -> Option<i16> {
    let (hours, minutes) = text.split_once(':')?;
    let is_number = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(hours) || !is_number(minutes) {
        return None;
    }
    let (hours, minutes): (i16, i16) = (hours.parse().ok()?, minutes.parse().ok()?);
    let total = hours * 60 + minutes;
    ((0..60).contains(&minutes) && (0..=1440).contains(&total)).then_some(total)
}

#[cfg(test)]
mod tests;
