//! When somebody wants to be called back: from their words to an instant (CB-2).

mod calendar;
mod mentions;
mod numbers;
pub mod phrase;
mod state;
mod tokens;
mod words;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

pub use self::state::{CallbackEvent, CallbackState};
use self::{
    calendar::{is_called, is_near},
    phrase::{Calendar, Phrase},
};
use crate::{outcome::words as coded, result::CallbackWish};

/// When to call back, and how that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolved {
    /// When to dial. Never before the wish was said.
    pub due: Timestamp,
    /// The time that was wanted, before the calling hours; `None` when it is unclear.
    pub wanted: Option<Timestamp>,
    /// What kind of time it was.
    pub understood: Understood,
    /// The wanted time, or the retry delay in its place, lay outside the calling hours.
    pub moved_to_window: bool,
}

coded! {
    /// What kind of time was asked for.
    Understood {
        /// An instant, or an hour of a day.
        Exact = "exact" / 0,
        /// So long after it was said.
        Relative = "relative" / 1,
        /// A part of a day, such as tomorrow evening.
        DayPart = "day_part" / 2,
        /// A day alone.
        Day = "day" / 3,
        /// No time that code should decide on: the retry delay stands in its place.
        Unclear = "unclear" / 4,
    }
}

impl Understood {
    /// Whether a person should look at the wish (CB-2).
    pub fn needs_a_person(self) -> bool {
        self == Self::Unclear
    }
}

/// Resolves a wish that was said at `said_at`.
///
/// `zone` is the contact's zone, else the campaign's; a zone that the wish names goes
/// before it. `open_from` gives the first instant at or after one at which calling is
/// allowed, such as [`Window::open_from`](crate::window::Window::open_from); `None`
/// leaves the time as it is, and the window is looked at again at the INVITE (DI-1).
///
/// The exact time of a wish goes before its words, unless it has passed. A wanted time
/// is never in the past and never more than 30 calendar days ahead in `zone`; what would
/// be is unclear. A time that has passed today means tomorrow, unless `today` was said:
/// then nobody knows what was meant. Hours without a half of the day are taken by day
/// (7 to 18 o'clock) when that is to come and calling is allowed then, else in the
/// other half: `5` is 17:00.
pub fn resolve(
    wish: &CallbackWish,
    said_at: Timestamp,
    zone: &TimeZone,
    open_from: impl Fn(Timestamp) -> Option<Timestamp>,
    retry_delay: SignedDuration,
) -> Resolved {
    let wanted = wanted(wish, said_at, zone, |at| open_from(at) == Some(at));
    let moved = |at: Timestamp| open_from(at).unwrap_or(at);
    if let Some((at, zone, understood)) = wanted {
        let due = moved(at);
        if is_near(due, said_at, &zone) {
            return Resolved { due, wanted: Some(at), understood, moved_to_window: due != at };
        }
    }
    let delay = retry_delay.max(SignedDuration::ZERO);
    let at = said_at.checked_add(delay).unwrap_or(Timestamp::MAX);
    let due = moved(at);
    Resolved { due, wanted: None, understood: Understood::Unclear, moved_to_window: due != at }
}

/// The wanted time, the zone it was read in, and its kind.
fn wanted(
    wish: &CallbackWish,
    said_at: Timestamp,
    zone: &TimeZone,
    is_open: impl Fn(Timestamp) -> bool,
) -> Option<(Timestamp, TimeZone, Understood)> {
    let named = named(wish.tz.as_deref(), zone, said_at);
    let at = wish.at.filter(|at| *at > said_at);
    let phrase = match (at, &wish.when_text) {
        (Some(at), _) => Phrase::Instant(at),
        (None, Some(text)) => phrase::parse(text),
        (None, None) => Phrase::Unclear,
    };
    // An hour in a zone that nobody knows is no hour; an instant needs no zone.
    let zone = match (&phrase, named) {
        (_, Some(named)) => named,
        (Phrase::Calendar(_), None) => return None,
        (Phrase::Instant(_) | Phrase::Elapsed(_) | Phrase::Unclear, None) => zone.clone(),
    };
    let at = phrase.at(said_at, &zone, is_open)?;
    Some((at, zone, phrase.understood()))
}

/// The zone that a wish names, by its IANA name or the abbreviation that `zone` goes by;
/// `zone` when it names none.
fn named(name: Option<&str>, zone: &TimeZone, now: Timestamp) -> Option<TimeZone> {
    let Some(name) = name.map(str::trim).filter(|name| !name.is_empty()) else {
        return Some(zone.clone());
    };
    let abbreviated = match words::meaning(&name.to_lowercase()) {
        words::Word::Zone(named) => is_called(zone, named, now),
        _ => false,
    };
    if abbreviated { Some(zone.clone()) } else { TimeZone::get(name).ok() }
}

impl Phrase {
    /// What kind of time it says.
    pub fn understood(&self) -> Understood {
        match self {
            Self::Instant(_) | Self::Calendar(Calendar { clock: Some(_), .. }) => Understood::Exact,
            Self::Elapsed(_) => Understood::Relative,
            Self::Calendar(Calendar { part: Some(_), .. }) => Understood::DayPart,
            Self::Calendar(_) => Understood::Day,
            Self::Unclear => Understood::Unclear,
        }
    }
}

#[cfg(test)]
mod tests;
