//! A seeded world in virtual time: whole campaigns against a model of the store and
//! of the line, with the invariants of the product checked after every step. In a third
//! of the worlds the line is two real user agents and a network that loses messages.
//!
//! The scheduler is the real one, and the model of the store decides with the same
//! functions of `domain` as the real store does. Everything else is made up from the
//! seed: phones, carriers and their bad days, operators, clocks, slow and failing
//! databases, crashes. A failing seed replays exactly.

mod far;
mod fault;
mod judge;
mod line;
mod network;
mod scene;
mod store;
mod trace;
mod wire;
mod world;

use std::{fmt, ops::Range};

pub use fault::{Fault, Options};

/// What a simulated world came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The seed that replays it.
    pub seed: u64,
    /// Contacts over all campaigns.
    pub contacts: u64,
    /// INVITEs.
    pub dials: u64,
    /// Calls connected to a bot.
    pub connected: u64,
    /// INVITEs through a carrier after another had refused the call.
    pub failovers: u64,
    /// Contacts that the toll-fraud guard barred.
    pub barred: u64,
    /// Times the process died.
    pub crashes: u64,
    /// Attempts whose end was never seen.
    pub unknown: u64,
    /// Times the scheduler was told something or woken.
    pub steps: u64,
    /// Worlds whose line was of real user agents.
    pub on_the_wire: u64,
    /// Datagrams that the network lost.
    pub lost: u64,
    /// Virtual seconds that passed.
    pub virtual_seconds: u64,
}

/// An invariant that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The seed that replays it.
    pub seed: u64,
    /// What was broken, and when.
    pub what: String,
    /// The last things that happened before, oldest first; empty when they were not
    /// asked for.
    pub trace: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "seed {}: {}", self.seed, self.what)
    }
}

impl std::error::Error for Violation {}

/// Lives through the world of `seed`.
pub fn run_seed(seed: u64) -> Result<Report, Violation> {
    run_with(seed, &Options::default())
}

/// Lives through the world of `seed`, changed by `options`.
pub fn run_with(seed: u64, options: &Options) -> Result<Report, Violation> {
    world::World::new(seed, options).live()
}

/// Lives through many worlds and adds up what they came to; stops at the first
/// violation.
pub fn sweep(seeds: Range<u64>) -> Result<Report, Violation> {
    let mut sum = Report { seed: seeds.start, ..Report::default() };
    for seed in seeds {
        let report = run_seed(seed)?;
        sum.contacts += report.contacts;
        sum.dials += report.dials;
        sum.connected += report.connected;
        sum.failovers += report.failovers;
        sum.barred += report.barred;
        sum.crashes += report.crashes;
        sum.unknown += report.unknown;
        sum.steps += report.steps;
        sum.on_the_wire += report.on_the_wire;
        sum.lost += report.lost;
        sum.virtual_seconds += report.virtual_seconds;
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_worlds_hold_every_invariant() {
        let sum = sweep(0..100).unwrap_or_else(|violation| panic!("{violation}"));
        assert!(sum.dials > 2_000 && sum.connected > 500, "a world worth living in: {sum:?}");
        assert!(sum.failovers > 20 && sum.barred > 20, "with several carriers: {sum:?}");
        assert!(sum.on_the_wire > 20 && sum.lost > 500, "a third on a bad network: {sum:?}");
        assert!(sum.crashes > 10 && sum.unknown > 0, "with its crashes: {sum:?}");
    }

    #[test]
    fn a_seed_replays_exactly() {
        assert_eq!(run_seed(7), run_seed(7));
    }

    /// Each check must be able to fail: a world that breaks the rule is found out.
    fn is_found_out(fault: Fault, words: &str) {
        let options = Options { fault: Some(fault), ..Options::default() };
        let found = (0..20).find_map(|seed| run_with(seed, &options).err());
        let what = found.unwrap_or_else(|| panic!("{fault:?} goes unnoticed")).what;
        assert!(what.contains(words), "{fault:?} is taken for: {what}");
    }

    #[test]
    fn an_invite_before_its_row_is_found_out() {
        is_found_out(Fault::AnswersBeforeWriting, "has no durable row");
    }

    #[test]
    fn a_contact_dialled_twice_is_found_out() {
        is_found_out(Fault::ClaimsTwice, "repeats attempt number");
    }

    #[test]
    fn a_call_without_an_end_is_found_out() {
        is_found_out(Fault::LosesReports, "should have had its end");
    }

    #[test]
    fn two_dialogs_of_one_call_are_found_out() {
        is_found_out(Fault::DialsTwice, "makes a second dialog at the far end");
    }

    #[test]
    fn a_call_that_is_left_up_is_found_out() {
        is_found_out(Fault::ForgetsToHangUp, " there");
    }

    #[test]
    fn a_misread_refusal_is_found_out() {
        is_found_out(Fault::MisreadsRefusals, "the far end saw");
    }

    #[test]
    fn a_process_that_sleeps_after_its_start_is_found_out() {
        is_found_out(Fault::SleepsAfterBoot, "nobody is dialled within");
    }

    #[test]
    fn one_call_more_than_there_are_channels_is_found_out() {
        is_found_out(Fault::OverstatesChannels, " channels");
    }

    #[test]
    fn a_rate_that_is_too_high_is_found_out() {
        is_found_out(Fault::OverstatesRate, "/s, burst");
    }

    #[test]
    fn a_call_outside_the_window_is_found_out() {
        is_found_out(Fault::WidensWindows, "leaves outside the window");
    }

    #[test]
    fn a_call_through_a_disabled_carrier_is_found_out() {
        is_found_out(Fault::HidesDisabledCarriers, "through a disabled carrier");
    }

    #[test]
    fn one_attempt_too_many_is_found_out() {
        is_found_out(Fault::ForgetsAttempts, "leaves after");
    }

    #[test]
    fn a_call_to_somebody_excluded_is_found_out() {
        is_found_out(Fault::IgnoresExclusions, "who was excluded");
    }

    #[test]
    fn a_call_that_is_never_released_is_found_out() {
        is_found_out(Fault::NeverReleases, "never released");
    }

    #[test]
    fn a_dialler_that_is_not_told_of_changes_is_found_out() {
        is_found_out(Fault::HidesChanges, "says that it dials, and does not");
    }
}
