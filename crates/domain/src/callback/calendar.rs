//! From a phrase to an instant: what it means when it is said at a place and a time.

use jiff::{
    SignedDuration, Timestamp, ToSpan,
    civil::{Date, Weekday},
    tz::TimeZone,
};

use super::phrase::{Bound, Calendar, Clock, Day, Half, Part, Phrase};
use crate::window::instants;

/// A callback lies at most so many calendar days ahead.
pub(super) const DAYS_MAX: i32 = 30;

impl Phrase {
    /// The instant that is meant when the phrase is said at `now` in `zone`: after `now`
    /// and at most 30 calendar days ahead, `None` when there is none. `is_open` says
    /// whether calling is allowed at an instant; it decides between 5 and 17 o'clock, and
    /// the answer may lie outside all the same.
    ///
    /// A wall-clock time that is skipped when clocks are set forward is the first instant
    /// after the jump; of one that comes twice it is the first.
    pub fn at(
        &self,
        now: Timestamp,
        zone: &TimeZone,
        is_open: impl Fn(Timestamp) -> bool,
    ) -> Option<Timestamp> {
        let at = match self {
            Self::Instant(at) => *at,
            Self::Elapsed(minutes) => {
                now.checked_add(SignedDuration::from_mins(i64::from(*minutes))).ok()?
            }
            Self::Calendar(calendar) => calendar.at(now, zone, is_open)?,
            Self::Unclear => return None,
        };
        is_near(at, now, zone).then_some(at)
    }
}

/// Whether `at` is to come, within the days that a callback may be ahead.
pub(super) fn is_near(at: Timestamp, now: Timestamp, zone: &TimeZone) -> bool {
    let day = |at: Timestamp| zone.to_datetime(at).date();
    at > now && days_between(day(now), day(at)).is_some_and(|days| days <= DAYS_MAX)
}

fn days_between(from: Date, to: Date) -> Option<i32> {
    Some(from.until(to).ok()?.get_days())
}

/// A time of day that a phrase can mean.
#[derive(Debug, Clone, Copy)]
struct Reading {
    /// Of the day; from 1,440 on of the day after.
    minute: i16,
    /// What people mean when nothing else decides.
    plausible: bool,
}

impl Calendar {
    fn at(
        &self,
        now: Timestamp,
        zone: &TimeZone,
        is_open: impl Fn(Timestamp) -> bool,
    ) -> Option<Timestamp> {
        if self.zone.is_some_and(|named| !is_called(zone, named, now)) {
            return None;
        }
        let today = zone.to_datetime(now).date();
        let days = match self.day {
            Some(day) => vec![day.date(today)?],
            None => vec![today, today.tomorrow().ok()?],
        };
        if let (Some(weekday), [day]) = (self.weekday, days.as_slice())
            && day.weekday() != weekday
        {
            return None;
        }
        let readings = self.readings()?;
        let dues: Vec<(Timestamp, bool)> = days
            .into_iter()
            .flat_map(|day| readings.iter().map(move |reading| (day, *reading)))
            .filter_map(|(day, reading)| {
                Some((self.due(day, reading.minute, now, zone)?, reading.plausible))
            })
            .collect();
        let callable = dues.iter().find(|(at, _)| readings.len() == 1 || is_open(*at));
        let plausible = || dues.iter().find(|(_, plausible)| *plausible).or(dues.first());
        callable.or_else(plausible).map(|(at, _)| *at)
    }

    /// When to call for a minute of a day, if that is to come.
    fn due(&self, day: Date, minute: i16, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let day = day.checked_add(i32::from(minute / 1_440).days()).ok()?;
        let at = instants(zone, day, minute % 1_440)?.into_iter().min()?;
        if at <= now {
            return None;
        }
        match self.bound {
            Bound::At | Bound::After => Some(at),
            Bound::Before => {
                let early = at.checked_sub(SignedDuration::from_hours(1)).ok()?;
                let half = SignedDuration::from_secs(at.duration_since(now).as_secs() / 2);
                Some(if early > now { early } else { now.checked_add(half).ok()? })
            }
        }
        .filter(|at| *at > now)
    }

    /// The times of day that are meant, the likelier first: none contradict the part of
    /// the day.
    fn readings(&self) -> Option<Vec<Reading>> {
        let sure = |minute: i16| Some(vec![Reading { minute, plausible: true }]);
        match (self.clock, self.part) {
            (Some(clock), part) => clock.readings(part.map(|part| part.part), self.day.is_some()),
            (None, Some(part)) => sure(part.part.minute() + part.shift),
            // CB-2: a day only.
            (None, None) => sure(Part::Morning.minute()),
        }
    }
}

impl Clock {
    fn readings(self, part: Option<Part>, has_day: bool) -> Option<Vec<Reading>> {
        let hour = i16::from(self.hour);
        let reading = |hour: i16, plausible| Reading {
            minute: hour * 60 + i16::from(self.minute),
            plausible,
        };
        let is_twelve_hours = (1..=12).contains(&hour);
        let said = match self.half {
            Some(Half::Am) => Some(hour % 12),
            Some(Half::Pm) => Some(hour % 12 + 12),
            None if is_twelve_hours => None,
            None => Some(hour),
        };
        if let Some(part) = part {
            let twelve = if is_twelve_hours { hour } else { said? - 12 };
            let meant = if said == Some(0) || said == Some(24) {
                hour_in(part, 12)?
            } else {
                hour_in(part, twelve)?
            };
            if said.is_some_and(|said| said % 24 != meant % 24) {
                return None;
            }
            // The small hours belong to the night before; without a day they come next.
            return Some(vec![reading(if has_day { meant } else { meant % 24 }, true)]);
        }
        match said {
            Some(hour) => Some(vec![reading(hour, true)]),
            None => {
                let (am, pm) = (hour % 12, hour % 12 + 12);
                // People are called by day: from 7 to 18 o'clock.
                let (likely, other) = if (7..12).contains(&am) { (am, pm) } else { (pm, am) };
                Some(vec![reading(likely, true), reading(other, false)])
            }
        }
    }
}

/// The hour of 24 that an hour of 12 is in a part of the day; from 24 on after midnight.
fn hour_in(part: Part, hour: i16) -> Option<i16> {
    match (part, hour) {
        (Part::Morning | Part::Breakfast, 12) => Some(0),
        (Part::Morning | Part::Breakfast, 1..=11) => Some(hour),
        (Part::Noon | Part::Afternoon | Part::Lunch, 10..=12) => Some(hour),
        (Part::Noon | Part::Afternoon | Part::Lunch, 1..=6)
        | (Part::Evening | Part::EndOfDay | Part::Work, 1..=11)
        | (Part::Night | Part::Dinner, 5..=11)
        | (Part::Midnight, 11) => Some(hour + 12),
        (Part::Night | Part::Midnight, 12) => Some(24),
        (Part::Night | Part::Midnight, 1..=4) => Some(hour + 24),
        _ => None,
    }
}

impl Day {
    /// The date that is meant when it is said on `today`.
    fn date(self, today: Date) -> Option<Date> {
        let ahead = |days: i32| today.checked_add(days.days()).ok();
        // 1 to 7 days ahead.
        let next = |weekday: Weekday| i32::from(today.weekday().until(weekday) + 6) % 7 + 1;
        match self {
            Self::Ahead(days) => ahead(i32::try_from(days).ok().filter(|days| *days <= DAYS_MAX)?),
            Self::Weekday(weekday) => ahead(next(weekday)),
            Self::NextWeek(weekday) => {
                let monday = next(Weekday::Monday);
                ahead(monday + i32::from(weekday.to_monday_zero_offset()))
            }
            Self::Weekend if today.weekday() == Weekday::Saturday => ahead(1),
            Self::Weekend => ahead(next(Weekday::Saturday)),
            Self::WorkingDay => match today.weekday() {
                Weekday::Friday | Weekday::Saturday => ahead(next(Weekday::Monday)),
                _ => ahead(1),
            },
            Self::OfMonth(day) => {
                let month = if day > today.day() { today } else { next_month(today)? };
                month.with().day(day).build().ok()
            }
            Self::OfNextMonth(day) => next_month(today)?.with().day(day).build().ok(),
            Self::Date { month, day, year } => {
                let this = |year| Date::new(year, month, day).ok();
                match year {
                    Some(year) => this(year),
                    None => this(today.year())
                        .filter(|date| *date >= today)
                        .or_else(|| this(today.year().checked_add(1)?)),
                }
            }
            Self::Numeric(first, second) => [(first, second), (second, first)]
                .into_iter()
                .filter_map(|(day, month)| Self::Date { month, day, year: None }.date(today))
                .find(|date| days_between(today, *date).is_some_and(|days| days <= DAYS_MAX)),
        }
    }
}

/// The first day of the month after.
fn next_month(today: Date) -> Option<Date> {
    today.last_of_month().tomorrow().ok()
}

/// Whether clocks in `zone` say that they show `named`, in summer or in winter.
pub(super) fn is_called(zone: &TimeZone, named: &str, now: Timestamp) -> bool {
    let info = zone.to_offset_info(now);
    let name = info.abbreviation().to_ascii_lowercase();
    if named == "utc" {
        return matches!(name.as_str(), "utc" | "gmt");
    }
    // EST and EDT are both `et` here, CET and CEST both `cet`.
    let season: String = match name.len() {
        3 if name != "ist" && !name.starts_with("ce") => name
            .chars()
            .enumerate()
            .filter(|(place, _)| *place != 1)
            .map(|(_, letter)| letter)
            .collect(),
        4 if name == "cest" => "cet".to_owned(),
        _ => name,
    };
    season == named
}
