//! How many calls to start: the seam between the scheduler and the policies (DI-4).

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::settings::{PacingMode, PacingSettings};

/// A pacing policy with whatever it remembers. It is fed every event of its
/// campaign's calls and asked before each dial.
#[derive(Debug, Clone, PartialEq)]
pub enum Pacing {
    /// Never more calls on their way than free seats: nobody is abandoned.
    Progressive,
    /// A fixed number of calls on their way for each free seat, eased to one while the
    /// abandon limit is reached.
    Ratio {
        /// Dials a free seat, 1 to 10.
        ratio: f64,
        /// What became of the last answered calls.
        answers: Answers,
    },
    /// As many as the abandon limit allows (design/pacing.md, 5). Its controller is
    /// not built yet: until it is, this dials as `Progressive` does, which keeps every
    /// abandon limit.
    Predictive,
}

/// What a campaign has going.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Concurrency: the most calls connected to the bot.
    pub seats: u32,
    /// Seats taken.
    pub talking: u32,
    /// Calls that may still take one: being recorded, dialling, ringing, or answered
    /// and waiting.
    pub in_flight: u32,
}

/// What happened to one call, for policies that learn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PacingEvent {
    /// Its INVITE left.
    Dialled,
    /// Answered, so many milliseconds after the INVITE.
    Answered {
        /// Since the INVITE.
        after_ms: u64,
    },
    /// Ended unanswered, so many milliseconds after the INVITE.
    NotAnswered {
        /// Since the INVITE.
        after_ms: u64,
    },
    /// A seat was taken.
    Seated,
    /// A seat was given back after so many milliseconds.
    SeatFreed {
        /// Since it was taken.
        after_ms: u64,
    },
    /// Answered, and no seat came in time.
    Abandoned,
}

impl Load {
    /// Seats that nobody sits in.
    pub fn free(&self) -> u32 {
        self.seats.saturating_sub(self.talking)
    }
}

impl Pacing {
    /// The policy that the settings ask for.
    pub fn of(settings: &PacingSettings) -> Self {
        match settings.mode {
            PacingMode::Progressive => Self::Progressive,
            PacingMode::Ratio => Self::Ratio {
                ratio: settings.ratio,
                answers: Answers { limit: settings.abandon_limit, ..Answers::default() },
            },
            PacingMode::Predictive => Self::Predictive,
        }
    }

    /// How many calls to start now.
    pub fn dials(&mut self, load: Load, now: Timestamp) -> u32 {
        let _ = now;
        match self {
            Self::Progressive | Self::Predictive => load.free().saturating_sub(load.in_flight),
            Self::Ratio { ratio, answers } => {
                let ratio = if answers.is_at_limit() { 1.0 } else { *ratio };
                let wanted = (f64::from(load.free()) * ratio).floor() as u32;
                wanted.saturating_sub(load.in_flight)
            }
        }
    }

    /// Takes in what happened to a call.
    pub fn observe(&mut self, event: PacingEvent, now: Timestamp) {
        let _ = (event, now);
        match (self, event) {
            (Self::Ratio { answers, .. }, PacingEvent::Seated) => answers.push(false),
            (Self::Ratio { answers, .. }, PacingEvent::Abandoned) => answers.push(true),
            (
                Self::Progressive | Self::Ratio { .. } | Self::Predictive,
                PacingEvent::Dialled
                | PacingEvent::Answered { .. }
                | PacingEvent::NotAnswered { .. }
                | PacingEvent::Seated
                | PacingEvent::SeatFreed { .. }
                | PacingEvent::Abandoned,
            ) => {}
        }
    }

    /// Whether it dials less than it was set to, for the abandon limit.
    pub fn is_eased(&self) -> bool {
        match self {
            Self::Ratio { answers, .. } => answers.is_at_limit(),
            Self::Progressive | Self::Predictive => false,
        }
    }
}

/// How many answered calls are looked back at for the abandon limit.
const ANSWERS_MAX: usize = 1_000;

/// The last answered calls and how many of them were abandoned.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answers {
    /// Oldest first; `true` was abandoned.
    recent: VecDeque<bool>,
    abandoned: usize,
    /// The share that may be abandoned, 0 to 1.
    limit: f64,
}

impl Answers {
    fn push(&mut self, abandoned: bool) {
        if self.recent.len() == ANSWERS_MAX && self.recent.pop_front() == Some(true) {
            self.abandoned -= 1;
        }
        self.recent.push_back(abandoned);
        self.abandoned += usize::from(abandoned);
    }

    /// The next abandoned call would break the limit.
    fn is_at_limit(&self) -> bool {
        self.abandoned > 0
            && (self.abandoned + 1) as f64 > self.limit * (self.recent.len() + 1) as f64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn ratio(ratio: f64) -> Pacing {
        Pacing::of(&PacingSettings { mode: PacingMode::Ratio, ratio, ..PacingSettings::default() })
    }

    #[test]
    fn a_ratio_is_eased_while_three_in_a_hundred_are_abandoned() {
        let mut pacing = ratio(2.0);
        let load = Load { seats: 10, talking: 0, in_flight: 0 };
        let answers = |pacing: &mut Pacing, count: u32, event| {
            (0..count).for_each(|_| pacing.observe(event, NOW));
            (pacing.is_eased(), pacing.dials(load, NOW))
        };
        assert_eq!(answers(&mut pacing, 80, PacingEvent::Seated), (false, 20));
        assert_eq!(answers(&mut pacing, 1, PacingEvent::Abandoned), (false, 20));
        assert_eq!(answers(&mut pacing, 1, PacingEvent::Abandoned), (true, 10));
        assert_eq!(answers(&mut pacing, 60, PacingEvent::Seated), (false, 20));
    }

    #[test]
    fn a_ratio_of_one_and_a_half_dials_three_for_two_seats() {
        let mut pacing = ratio(1.5);
        assert_eq!(pacing.dials(Load { seats: 10, talking: 8, in_flight: 0 }, NOW), 3);
        assert_eq!(pacing.dials(Load { seats: 10, talking: 8, in_flight: 2 }, NOW), 1);
        assert_eq!(pacing.dials(Load { seats: 10, talking: 9, in_flight: 0 }, NOW), 1);
        assert_eq!(pacing.dials(Load { seats: 10, talking: 10, in_flight: 0 }, NOW), 0);
    }

    proptest! {
        #[test]
        fn progressive_never_has_more_calls_than_seats(
            seats in 0u32..1_000, talking in 0u32..1_200, in_flight in 0u32..1_200,
        ) {
            for mut pacing in [Pacing::Progressive, Pacing::Predictive] {
                let dials = pacing.dials(Load { seats, talking, in_flight }, NOW);
                prop_assert!(dials == 0 || talking + in_flight + dials <= seats);
            }
        }

        #[test]
        fn no_ratio_dials_without_a_free_seat(
            seats in 0u32..1_000, over in 0u32..100, dials_a_seat in 1.0f64..10.0,
        ) {
            let load = Load { seats, talking: seats + over, in_flight: 0 };
            prop_assert_eq!(ratio(dials_a_seat).dials(load, NOW), 0);
        }
    }
}
