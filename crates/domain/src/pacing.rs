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
    /// A fixed number of calls on their way for each free seat, as far as the abandon
    /// limit has room for every one of them that finds no seat.
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
        self.on_their_way(load.free()).saturating_sub(load.in_flight)
    }

    /// Whether a free seat may be kept for one call: taking it out leaves room enough
    /// for the calls that are on their way (DI-16).
    pub fn may_keep_seat(&self, load: Load) -> bool {
        load.free() > 0 && load.in_flight <= self.on_their_way(load.free() - 1)
    }

    /// The most calls that may be on their way to so many free seats.
    fn on_their_way(&self, free: u32) -> u32 {
        match self {
            Self::Progressive | Self::Predictive => free,
            Self::Ratio { ratio, answers } => {
                let wanted = (f64::from(free) * ratio).floor() as u32;
                wanted.min(free.saturating_add(answers.room()))
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

    /// Why it dials less than it was set to, if it does.
    pub fn eased(&self) -> Option<Eased> {
        match self {
            Self::Ratio { ratio, answers } if *ratio > 1.0 && answers.room() == 0 => {
                Some(if answers.abandoned == 0 { Eased::Cold } else { Eased::AtLimit })
            }
            Self::Ratio { .. } | Self::Progressive | Self::Predictive => None,
        }
    }
}

/// Why one dial a free seat is all there is for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eased {
    /// Too few calls were answered for even one abandoned among them: the start never
    /// over-dials.
    Cold,
    /// One more abandoned call would break the limit.
    AtLimit,
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

    /// How many calls could be abandoned now, all at once, and the limit would hold.
    ///
    /// Nothing is assumed of how many answer: while seats do not vanish, the share of
    /// abandoned calls among the last answers never exceeds the limit. A limit of 1
    /// limits nothing.
    fn room(&self) -> u32 {
        if self.limit >= 1.0 {
            return u32::MAX;
        }
        // A hair more, so that 0.03 × 100 is 3.
        let allowed = (self.limit * self.recent.len() as f64 + 1e-9) as usize;
        allowed.saturating_sub(self.abandoned) as u32
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn ratio(ratio: f64) -> Pacing {
        limited(ratio, 1.0)
    }

    fn limited(ratio: f64, abandon_limit: f64) -> Pacing {
        Pacing::of(&PacingSettings {
            mode: PacingMode::Ratio,
            ratio,
            abandon_limit,
            ..PacingSettings::default()
        })
    }

    #[test]
    fn a_ratio_over_dials_as_far_as_three_in_a_hundred_may_be_abandoned() {
        let mut pacing = limited(2.0, 0.03);
        let load = Load { seats: 10, talking: 0, in_flight: 0 };
        let mut after = |count: u32, event| {
            (0..count).for_each(|_| pacing.observe(event, NOW));
            (pacing.eased(), pacing.dials(load, NOW))
        };
        assert_eq!(after(33, PacingEvent::Seated), (Some(Eased::Cold), 10), "no over-dial cold");
        assert_eq!(after(1, PacingEvent::Seated), (None, 11));
        assert_eq!(after(66, PacingEvent::Seated), (None, 13));
        assert_eq!(after(3, PacingEvent::Abandoned), (Some(Eased::AtLimit), 10));
        assert_eq!(after(297, PacingEvent::Seated), (None, 19));
        assert_eq!(after(1_000, PacingEvent::Seated), (None, 20), "what is long past is forgotten");
    }

    #[test]
    fn a_ratio_of_one_and_a_half_dials_three_for_two_seats() {
        let mut pacing = ratio(1.5);
        assert_eq!(pacing.dials(Load { seats: 10, talking: 8, in_flight: 0 }, NOW), 3);
        assert_eq!(pacing.dials(Load { seats: 10, talking: 8, in_flight: 2 }, NOW), 1);
        assert_eq!(pacing.dials(Load { seats: 10, talking: 9, in_flight: 0 }, NOW), 1);
        assert_eq!(pacing.dials(Load { seats: 10, talking: 10, in_flight: 0 }, NOW), 0);
    }

    #[test]
    fn a_seat_is_kept_only_when_the_calls_on_their_way_can_spare_it() {
        let load = |in_flight| Load { seats: 3, talking: 1, in_flight };
        assert!(Pacing::Progressive.may_keep_seat(load(1)));
        assert!(!Pacing::Progressive.may_keep_seat(load(2)));
        assert!(ratio(2.0).may_keep_seat(load(2)));
        assert!(!ratio(2.0).may_keep_seat(load(3)));
        assert!(!ratio(9.0).may_keep_seat(Load { seats: 3, talking: 3, in_flight: 0 }));
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

        /// Whoever answers, and in whatever order seats fall free: the share of abandoned
        /// calls never exceeds the limit.
        #[test]
        fn no_ratio_breaks_the_abandon_limit(
            seats in 1u32..60, dials_a_seat in 1.0f64..10.0, percent in 0u32..30,
            dice in prop::collection::vec(0u32..100, 800),
        ) {
            let limit = f64::from(percent) / 100.0;
            let mut pacing = limited(dials_a_seat, limit);
            let mut load = Load { seats, talking: 0, in_flight: 0 };
            let (mut answered, mut abandoned) = (0u32, 0u32);
            for die in dice {
                load.in_flight += pacing.dials(load, NOW);
                match die {
                    0..50 if load.in_flight > 0 => {
                        load.in_flight -= 1;
                        answered += 1;
                        let event = if load.free() > 0 {
                            load.talking += 1;
                            PacingEvent::Seated
                        } else {
                            abandoned += 1;
                            PacingEvent::Abandoned
                        };
                        pacing.observe(event, NOW);
                    }
                    50..75 if load.in_flight > 0 => load.in_flight -= 1,
                    75..100 if load.talking > 0 => load.talking -= 1,
                    _ => {}
                }
                // The window looks back at a thousand answers; so few are all in it.
                if answered < 1_000 {
                    prop_assert!(
                        f64::from(abandoned) <= limit * f64::from(answered) + 1e-6,
                        "{abandoned} of {answered} abandoned at {limit}"
                    );
                }
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
