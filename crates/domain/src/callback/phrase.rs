//! The grammar of times that people ask to be called at: from words to a [`Phrase`],
//! without a clock or a calendar.

use jiff::{Timestamp, civil::Weekday};

use super::{
    mentions::{self, Mention, What},
    tokens,
};

/// A wanted time as it was said, before anybody looked at a calendar.
///
/// What is said more than once, contradicts itself, is denied without something in its
/// place (`don't call tomorrow`), or says no time at all (`later`, `I'm busy`) is
/// [`Phrase::Unclear`]: a guess would ring a phone at a time that nobody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phrase {
    /// An instant in full, RFC 3339 with an offset.
    Instant(Timestamp),
    /// So many minutes of elapsed time from now, at least one.
    Elapsed(u32),
    /// A day, a time of day, or both.
    Calendar(Calendar),
    /// No time that code should decide on.
    Unclear,
}

/// A day, a time of day, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calendar {
    /// Without one: today, or tomorrow when the time has passed today.
    pub day: Option<Day>,
    /// The weekday that was named beside the day, which must agree with it.
    pub weekday: Option<Weekday>,
    /// The hour that was named.
    pub clock: Option<Clock>,
    /// The part of the day that was named; beside a clock it tells morning from evening.
    pub part: Option<PartOfDay>,
    /// On which side of the time.
    pub bound: Bound,
    /// The abbreviated zone that was named, which must be the one it is resolved in.
    pub zone: Option<&'static str>,
}

/// A day as it was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Day {
    /// So many days ahead: today is 0. `kal`, which in Hindi is yesterday too, is 1 and
    /// `parso` 2, because a callback lies in the future.
    Ahead(u32),
    /// The next day of this name, never today. `next friday` is the same one: callers
    /// mean the Friday that comes.
    Weekday(Weekday),
    /// That day of the next week; weeks begin on Monday.
    NextWeek(Weekday),
    /// The next Saturday; on a Saturday the day after.
    Weekend,
    /// The next day from Monday to Friday.
    WorkingDay,
    /// The next day of this number, never today.
    OfMonth(i8),
    /// This day of the next month.
    OfNextMonth(i8),
    /// A date; without a year the next one, today included.
    Date {
        /// 1 to 12.
        month: i8,
        /// 1 to 31.
        day: i8,
        /// Four digits.
        year: Option<i16>,
    },
    /// `5/12`: the reading that lies within the next 30 days, and of two such day first.
    Numeric(i8, i8),
}

/// An hour as it was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// 0 to 24.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// `am` or `pm`. Without it hours from 1 to 12 are read by the part of the day, else
    /// by the calling hours.
    pub half: Option<Half>,
}

/// Which half of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "what a watch shows")]
pub enum Half {
    Am,
    Pm,
}

/// A part of the day, and how much earlier or later in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartOfDay {
    /// Which.
    pub part: Part,
    /// Minutes: `early` is an hour less, `late` an hour more.
    pub shift: i16,
}

/// A part of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words themselves; their hours are in `minute`")]
pub enum Part {
    Morning,
    Noon,
    Afternoon,
    Evening,
    Night,
    Midnight,
    EndOfDay,
    Breakfast,
    Lunch,
    Work,
    Dinner,
}

impl Part {
    /// The minute of the day that it stands for (CB-2 gives morning and evening).
    pub fn minute(self) -> i16 {
        60 * match self {
            Self::Morning => 10,
            Self::Noon => 12,
            Self::Afternoon => 15,
            Self::Evening => 18,
            Self::Night => 20,
            Self::Midnight => 24,
            Self::EndOfDay | Self::Work => 17,
            Self::Breakfast => 9,
            Self::Lunch => 13,
            Self::Dinner => 19,
        }
    }

    /// Whether it is an hour spent with something: `after lunch` is when that is over.
    fn lasts(self) -> bool {
        match self {
            Self::Breakfast | Self::Lunch | Self::Work | Self::Dinner => true,
            Self::Morning
            | Self::Noon
            | Self::Afternoon
            | Self::Evening
            | Self::Night
            | Self::Midnight
            | Self::EndOfDay => false,
        }
    }
}

/// On which side of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bound {
    /// At it, around it, between it and a later one.
    #[default]
    At,
    /// From it on: at it.
    After,
    /// `before 6`, `by 6`: an hour before it; when that has passed, half the time left.
    Before,
}

/// Reads a phrase. Texts of more than 500 characters are no phrase.
pub fn parse(text: &str) -> Phrase {
    if let Ok(at) = text.trim().parse() {
        return Phrase::Instant(at);
    }
    let said = mentions::read(&tokens::read(text));
    joined(said).unwrap_or(Phrase::Unclear)
}

/// One phrase of everything that was mentioned, if it makes one.
fn joined(said: Vec<Mention>) -> Option<Phrase> {
    if said.iter().any(|mention| mention.what == What::Fog || is_denied_for_nothing(mention, &said))
    {
        return None;
    }
    let mut said: Vec<Mention> =
        said.into_iter().filter(|mention| !mention.negated && mention.what != What::Now).collect();
    // Of `at 5 or 6` and `between 5 and 6` the first counts.
    let mut first = Vec::new();
    said.retain(|mention| {
        let is_again = mention.alternative && first.contains(&mention.what.kind());
        first.push(mention.what.kind());
        !is_again
    });
    let elapsed = said.iter().find_map(|mention| match mention.what {
        What::Elapsed(minutes) => Some(minutes),
        _ => None,
    });
    if let Some(minutes) = elapsed {
        let alone = said.len() == 1 && said[0].bound != Bound::Before && minutes > 0;
        return alone.then_some(Phrase::Elapsed(minutes));
    }
    let mut phrase = Calendar {
        day: None,
        weekday: None,
        clock: None,
        part: None,
        bound: Bound::At,
        zone: None,
    };
    let mut week = None;
    for mention in said {
        match mention.what {
            What::Day(Day::Weekday(weekday)) => {
                bounded(Day::Weekday(weekday), mention.bound)?;
                set(&mut phrase.weekday, weekday)?;
            }
            What::Day(day) => set(&mut phrase.day, bounded(day, mention.bound)?)?,
            What::Week => set(&mut week, Day::NextWeek(Weekday::Monday))?,
            What::Month => set(&mut week, Day::OfNextMonth(1))?,
            What::Clock(clock) => {
                set(&mut phrase.clock, clock)?;
                phrase.bound = mention.bound;
            }
            What::Part(part) => {
                set(&mut phrase.part, part)?;
                if phrase.clock.is_none() {
                    phrase.bound = mention.bound;
                }
            }
            What::Zone(zone) => set(&mut phrase.zone, zone)?,
            What::Elapsed(_) | What::Now | What::Fog => return None,
        }
    }
    match (week, phrase.day, phrase.weekday) {
        (Some(Day::NextWeek(_)), None, Some(weekday)) => {
            phrase.day = Some(Day::NextWeek(weekday));
            phrase.weekday = None;
        }
        (Some(Day::OfNextMonth(_)), Some(Day::OfMonth(day)), _) => {
            phrase.day = Some(Day::OfNextMonth(day));
        }
        (Some(_), Some(_), _) => return None,
        (Some(week), None, _) => phrase.day = Some(week),
        (None, None, Some(weekday)) => {
            phrase.day = Some(Day::Weekday(weekday));
            phrase.weekday = None;
        }
        (None, _, _) => {}
    }
    if let (None, Some(part), Bound::After) = (phrase.clock, &mut phrase.part, phrase.bound)
        && part.part.lasts()
    {
        part.shift += 60;
    }
    let says_something = phrase.day.is_some() || phrase.clock.is_some() || phrase.part.is_some();
    says_something.then_some(Phrase::Calendar(phrase))
}

/// Whether it is denied and nothing of its kind is said after it.
fn is_denied_for_nothing(mention: &Mention, said: &[Mention]) -> bool {
    mention.negated
        && mention.what != What::Now
        && !said.iter().any(|other| {
            !other.negated && other.at > mention.at && other.what.replaces(&mention.what)
        })
}

/// Takes what is said once, or twice the same.
fn set<T: PartialEq>(place: &mut Option<T>, value: T) -> Option<()> {
    match place {
        Some(there) if *there != value => None,
        _ => {
            *place = Some(value);
            Some(())
        }
    }
}

/// `after tomorrow` is the day that follows; other days after or before which something
/// is wanted say no day.
fn bounded(day: Day, bound: Bound) -> Option<Day> {
    match (bound, day) {
        (Bound::At, day) => Some(day),
        (Bound::After, Day::Ahead(days)) => Some(Day::Ahead(days + 1)),
        (Bound::After, Day::Weekend) => Some(Day::Weekday(Weekday::Monday)),
        (Bound::After | Bound::Before, _) => None,
    }
}
