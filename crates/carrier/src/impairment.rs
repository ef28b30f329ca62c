//! What a bad line does to one datagram: decided from a seed, without a socket or a clock.

use std::{str::FromStr, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};

/// How one direction of a line treats datagrams. The default lets everything through at once.
///
/// Chances are between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Impairment {
    /// Chance that a datagram is lost, each for itself.
    pub loss: f64,
    /// Losses that come in bursts, besides.
    pub burst: Option<Burst>,
    /// Chance that a datagram arrives twice.
    pub duplicate: f64,
    /// Chance that a datagram is held back until others have overtaken it.
    pub reorder: f64,
    /// The shortest time on the way, in milliseconds.
    pub delay_ms: u32,
    /// What comes on top at most, evenly spread, in milliseconds. Without `reorder` it changes
    /// no order: who comes early waits for those before of the same sender.
    pub jitter_ms: u32,
}

/// Gilbert and Elliott's line of two states: a good one that loses nothing, and a bad one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Burst {
    /// Chance, with each datagram, that a good line turns bad.
    pub begin: f64,
    /// Chance, with each datagram, that a bad line turns good.
    pub end: f64,
    /// Chance that a bad line loses a datagram.
    pub loss: f64,
}

/// How much longer than usual a datagram waits that others are to overtake.
const HELD_BACK: Duration = Duration::from_millis(30);
/// A second copy comes this much after the first.
const COPY_AFTER: Duration = Duration::from_millis(1);

/// What becomes of one datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Passage {
    /// When the copies arrive, after the moment at which it was sent; none when it is lost.
    pub(crate) copies: [Option<Duration>; 2],
    /// Others may overtake it.
    pub(crate) held_back: bool,
}

/// One direction of a line at work. The same seed decides the same for the same datagrams.
#[derive(Debug)]
pub(crate) struct Line {
    impairment: Impairment,
    rng: StdRng,
    is_bad: bool,
}

impl Impairment {
    /// Whether every chance is one; the text names the first that is none.
    pub fn check(&self) -> Result<(), String> {
        let burst = self.burst.unwrap_or(Burst { begin: 0.0, end: 0.0, loss: 0.0 });
        for (name, chance) in [
            ("loss", self.loss),
            ("duplicate", self.duplicate),
            ("reorder", self.reorder),
            ("burst.begin", burst.begin),
            ("burst.end", burst.end),
            ("burst.loss", burst.loss),
        ] {
            if !(0.0..=1.0).contains(&chance) {
                return Err(format!("{name}: a chance is between 0 and 1"));
            }
        }
        Ok(())
    }
}

impl FromStr for Impairment {
    type Err = String;

    /// Reads `loss=0.05,jitter_ms=60`: names and numbers of the fields, those without `burst`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut fields = serde_json::Map::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, number) = part.split_once('=').ok_or(format!("{part}: not name=number"))?;
            let number = serde_json::from_str::<serde_json::Number>(number.trim());
            let number = number.map_err(|_| format!("{part}: not a number"))?;
            fields.insert(name.trim().to_owned(), number.into());
        }
        let read = serde_json::from_value::<Self>(fields.into()).map_err(|why| why.to_string())?;
        read.check()?;
        Ok(read)
    }
}

impl Line {
    pub(crate) fn new(impairment: Impairment, seed: u64) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        Self { impairment, rng, is_bad: false }
    }

    /// Decides for a datagram that is sent at `now`, a time that does not run backwards. `last`
    /// is when the latest of the same sender that kept its order arrives.
    pub(crate) fn pass(&mut self, now: Duration, last: &mut Duration) -> Passage {
        let Impairment { loss, burst, duplicate, reorder, delay_ms, jitter_ms } = self.impairment;
        // Every draw is made for every datagram, so that one chance does not shift the others.
        let [lost, burst_lost, turns, copied, overtaken, late] =
            std::array::from_fn(|_| self.rng.random::<f64>());
        let mut is_lost = lost < loss;
        if let Some(burst) = burst {
            self.is_bad = if self.is_bad { turns >= burst.end } else { turns < burst.begin };
            is_lost |= self.is_bad && burst_lost < burst.loss;
        }
        if is_lost {
            return Passage::default();
        }
        let way = Duration::from_millis(u64::from(delay_ms))
            + Duration::from_millis(u64::from(jitter_ms)).mul_f64(late);
        let held_back = overtaken < reorder;
        let at = if held_back {
            now + way + HELD_BACK
        } else {
            *last = (*last).max(now + way);
            *last
        };
        let copy = (copied < duplicate).then(|| at - now + COPY_AFTER);
        Passage { copies: [Some(at - now), copy], held_back }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn passages(impairment: Impairment, seed: u64, count: u32) -> Vec<Passage> {
        let (mut line, mut last) = (Line::new(impairment, seed), Duration::ZERO);
        (0..count).map(|n| line.pass(MS * n, &mut last)).collect()
    }

    fn lost(passages: &[Passage]) -> f64 {
        let lost = passages.iter().filter(|passage| passage.copies[0].is_none()).count();
        lost as f64 / passages.len() as f64
    }

    #[test]
    fn a_perfect_line_passes_everything_at_once() {
        let at_once = Passage { copies: [Some(Duration::ZERO), None], held_back: false };
        assert!(passages(Impairment::default(), 1, 100).iter().all(|each| *each == at_once));
    }

    #[test]
    fn the_same_seed_decides_the_same_and_another_seed_something_else() {
        let bad = Impairment {
            loss: 0.2,
            duplicate: 0.1,
            reorder: 0.1,
            jitter_ms: 50,
            ..Default::default()
        };
        assert_eq!(passages(bad, 7, 1_000), passages(bad, 7, 1_000));
        assert_ne!(passages(bad, 7, 1_000), passages(bad, 8, 1_000));
    }

    #[test]
    fn losses_are_as_many_as_asked_for() {
        let line = Impairment { loss: 0.1, ..Default::default() };
        assert!((lost(&passages(line, 3, 20_000)) - 0.1).abs() < 0.01);
        // Bad for a tenth of the time, and then it loses half.
        let burst = Burst { begin: 0.01, end: 0.09, loss: 0.5 };
        let line = Impairment { burst: Some(burst), ..Default::default() };
        assert!((lost(&passages(line, 3, 50_000)) - 0.05).abs() < 0.01);
    }

    #[test]
    fn bursts_lose_neighbours() {
        let burst = Burst { begin: 0.01, end: 0.1, loss: 1.0 };
        let passages = passages(Impairment { burst: Some(burst), ..Default::default() }, 5, 50_000);
        let lost: Vec<bool> = passages.iter().map(|each| each.copies[0].is_none()).collect();
        let [all, after_lost] = [
            lost.iter().filter(|lost| **lost).count(),
            lost.windows(2).filter(|pair| pair[0] && pair[1]).count(),
        ];
        let share = after_lost as f64 / all as f64;
        assert!((share - 0.9).abs() < 0.03, "the next is lost too in nine of ten: {share}");
    }

    #[test]
    fn jitter_alone_changes_no_order_and_reordering_does() {
        let order = |impairment| {
            let passages = passages(impairment, 9, 5_000);
            let arrivals: Vec<Duration> = passages
                .iter()
                .enumerate()
                .map(|(n, each)| MS * n as u32 + each.copies[0].expect("nothing is lost"))
                .collect();
            arrivals.is_sorted()
        };
        let jitter = Impairment { delay_ms: 10, jitter_ms: 80, ..Default::default() };
        assert!(order(jitter));
        assert!(!order(Impairment { reorder: 0.05, ..jitter }));
        for each in passages(jitter, 9, 5_000) {
            let way = each.copies[0].expect("nothing is lost");
            assert!((MS * 10..=MS * 90).contains(&way), "{way:?}");
        }
    }

    #[test]
    fn a_chance_is_between_0_and_1() {
        assert!(Impairment::default().check().is_ok());
        let line = Impairment { duplicate: 1.5, ..Default::default() };
        assert_eq!(line.check().unwrap_err(), "duplicate: a chance is between 0 and 1");
        let line: Impairment = serde_json::from_str(r#"{"loss":0.1,"jitter_ms":20}"#).unwrap();
        assert_eq!(line, Impairment { loss: 0.1, jitter_ms: 20, ..Default::default() });
        assert!(serde_json::from_str::<Impairment>(r#"{"los":0.1}"#).is_err());
    }

    #[test]
    fn an_impairment_is_read_from_a_line_of_names_and_numbers() {
        let read: Impairment = "loss=0.1, jitter_ms=20".parse().unwrap();
        assert_eq!(read, Impairment { loss: 0.1, jitter_ms: 20, ..Default::default() });
        assert_eq!("".parse(), Ok(Impairment::default()));
        for (text, why) in [
            ("loss", "not name=number"),
            ("loss=much", "not a number"),
            ("loss=1.5", "between 0 and 1"),
            ("los=0.1", "unknown field"),
            ("delay_ms=-1", "invalid value"),
        ] {
            let found = text.parse::<Impairment>().unwrap_err();
            assert!(found.contains(why), "{text}: {found}");
        }
    }
}
