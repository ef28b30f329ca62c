//! Calls: ours beside sipp's.

use std::{path::PathBuf, thread};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{dialler, load_average, median, server, signalling, sipp};
use crate::install;

/// Calls up at once, for each. Nobody talks, so it is far from being reached; it bounds what a far end that stops
/// answering would pile up.
pub(super) const AT_ONCE: u32 = 2_000;

/// How many calls, how fast, how often.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Calls {
    /// Calls in each round, for each of the three.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=90_000))]
    pub(super) calls: u32,
    /// New calls a second offered by each.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) rate: u32,
    /// Rounds. The figures are medians.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) rounds: u32,
    /// Measure this program instead of building one, to compare two versions.
    #[arg(long)]
    pub(super) binary: Option<PathBuf>,
    /// One JSON object a round and a last one with the medians, instead of text.
    #[arg(long)]
    pub(super) json: bool,
}

/// What one of them did in one round.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Round {
    /// Calls.
    pub(super) calls: u32,
    /// Of these, not answered and hung up in order.
    pub(super) failed: u32,
    /// From the first to the last, in seconds.
    pub(super) seconds: f64,
    /// User and system time of its process in that time, in seconds.
    pub(super) cpu: f64,
    /// What became of the failed ones, in words.
    pub(super) fates: Vec<String>,
}

impl Round {
    fn calls_a_second(&self) -> f64 {
        f64::from(self.calls) / self.seconds
    }

    fn cpu_a_thousand(&self) -> f64 {
        self.cpu / f64::from(self.calls) * 1_000.0
    }

    fn json(&self, side: &str) -> Value {
        json!({
            "side": side,
            "calls": self.calls,
            "failed": self.failed,
            "fates": self.fates,
            "seconds": self.seconds,
            "calls_per_second": self.calls_a_second(),
            "cpu_seconds_per_1000": self.cpu_a_thousand(),
        })
    }
}

/// The three that call, in the order in which they take their turns.
const SIDES: [&str; 3] = ["sipp -sn uac", "signalling", "campanile"];

/// Runs the rounds and prints what they came to.
pub(super) fn run(options: &Calls) -> Result<()> {
    install::missing_tools()?;
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => server::build()?,
    };
    let caller = signalling::build()?;
    let cores = thread::available_parallelism()?;
    if !options.json {
        println!(
            "{} calls a round at {}/s offered, {} rounds in turns, {cores} cores; sipp -sn uas answers all\n",
            options.calls, options.rate, options.rounds
        );
        let side = |name: &str| format!("  {name:>12}: calls/s  failed  CPU s/1000");
        println!("round   load{}", SIDES.map(side).concat());
    }
    let answering = sipp::Answering::start()?;
    let dialler = dialler::Dialler::start(&binary, &answering, options)?;
    let mut rounds = Vec::new();
    for number in 1..=options.rounds {
        let load = load_average()?;
        let round = [
            sipp::call(&answering, options).context(SIDES[0])?,
            signalling::call(&caller, &answering, options).context(SIDES[1])?,
            dialler.call(number, options).context(SIDES[2])?,
        ];
        print_round(options, number, load, &round);
        rounds.push(round);
    }
    print_medians(options, &rounds);
    dialler.stop()
}

fn print_round(options: &Calls, number: u32, load: f64, round: &[Round; 3]) {
    if options.json {
        let sides: Vec<Value> =
            SIDES.iter().zip(round).map(|(name, side)| side.json(name)).collect();
        println!("{}", json!({"round": number, "load": load, "sides": sides}));
        return;
    }
    let side = |side: &Round| {
        format!(
            "{:>23.1} {:>7} {:>11.3}",
            side.calls_a_second(),
            side.failed,
            side.cpu_a_thousand()
        )
    };
    println!("{number:>5} {load:>6.2} {}", round.each_ref().map(side).join(" "));
    for fate in round.iter().flat_map(|side| &side.fates) {
        println!("        not completed: {fate}");
    }
}

fn print_medians(options: &Calls, rounds: &[[Round; 3]]) {
    let of = |side: usize, figure: fn(&Round) -> f64| {
        median(rounds.iter().map(|round| figure(&round[side])))
    };
    let figures = [0, 1, 2].map(|side| {
        let failed: u32 = rounds.iter().map(|round| round[side].failed).sum();
        let cpu = of(side, Round::cpu_a_thousand);
        (of(side, Round::calls_a_second), cpu, cpu / of(0, Round::cpu_a_thousand), failed)
    });
    if options.json {
        let side = |(name, (rate, cpu, ratio, failed)): (&&str, &(f64, f64, f64, u32))| {
            json!({
                "side": name, "calls_per_second": rate, "cpu_seconds_per_1000": cpu,
                "cpu_to_sipp": ratio, "failed": failed,
            })
        };
        let sides: Vec<Value> = SIDES.iter().zip(&figures).map(side).collect();
        println!("{}", json!({"median": sides}));
        return;
    }
    println!("\nmedians        calls/s  CPU s/1,000 calls  to sipp  failed, all rounds");
    for (name, (rate, cpu, ratio, failed)) in SIDES.iter().zip(figures) {
        println!("{name:>12} {rate:>9.1} {cpu:>18.3} {ratio:>8.2} {failed:>19}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_per_second_and_per_thousand_calls() {
        let round = Round { calls: 500, failed: 0, seconds: 2.0, cpu: 0.25, fates: Vec::new() };
        assert_eq!(round.calls_a_second(), 250.0);
        assert_eq!(round.cpu_a_thousand(), 0.5);
    }
}
