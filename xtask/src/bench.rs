//! `cargo xtask bench`: figures beside those of a peer, on this machine, in turns.

mod dialler;
mod http;
mod media;
mod page;
mod process;
mod report;
mod server;
mod sipp;
mod store;

use std::{fs, path::PathBuf, thread};

use anyhow::{Context, Result};

use crate::install;

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, clap::Subcommand)]
enum Subject {
    /// Calls a second and CPU a call of the whole dialler, beside `sipp -sn uac`.
    ///
    /// Both call the same `sipp -sn uas` on loopback, in turns. Nobody talks: sipp hangs up at once, and so does our
    /// bot. Ours reads its contacts from a CSV, keeps every attempt durably before its INVITE and every result after
    /// it, and serves the console meanwhile; sipp does nothing but SIP.
    Calls(Calls),
    /// Rows a CPU second of an import through the API, beside a raw insert of the same file.
    ///
    /// The peer reads the same CSV into one table without an index or any check, in one
    /// transaction. Ours parses every number, finds duplicates and makes contacts that
    /// can be dialled.
    Store(store::Options),
    /// Megabytes a CPU second of the attempt report, streamed through the API.
    Report(report::Options),
    /// CPU a request of the campaign page and of a page of contacts, at its beginning
    /// and deep in a campaign of a million.
    Page(page::Options),
    /// Many calls that talk both ways at once: CPU and memory a call, and how late packets leave, beside a bare timer
    /// loop that sends as many from as many sockets, in turns.
    ///
    /// The far end answers every call by hand-written SIP, talks for as long as the call lasts, and takes the arrival
    /// times from the kernel. Late is what a packet is later than the most punctual one of its stream.
    Media(media::Options),
}

/// How often, with which program, told how; for every benchmark of the store.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Rounds {
    /// Rounds. The figures are medians.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Measure this program instead of building one, to compare two versions.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// One JSON object a round and a last one with the medians, instead of text.
    #[arg(long)]
    json: bool,
}

impl Rounds {
    fn binary(&self) -> Result<PathBuf> {
        match &self.binary {
            Some(binary) => Ok(binary.clone()),
            None => server::build(),
        }
    }
}

/// Calls up at once, for both. Nobody talks, so it is far from being reached; it bounds what a far end that stops
/// answering would pile up.
const AT_ONCE: u32 = 2_000;

/// How many calls, how fast, how often.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Calls {
    /// Calls in each round, for each of the two.
    #[arg(long, default_value_t = 4_000, value_parser = clap::value_parser!(u32).range(1..=90_000))]
    calls: u32,
    /// New calls a second offered by both.
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Rounds. The figures are medians.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Measure this program instead of building one, to compare two versions.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// One JSON object a round and a last one with the medians, instead of text.
    #[arg(long)]
    json: bool,
}

/// What one of the two did in one round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Round {
    /// Calls.
    pub(crate) calls: u32,
    /// Of these, not answered and hung up in order.
    pub(crate) failed: u32,
    /// From the first to the last, in seconds.
    pub(crate) seconds: f64,
    /// User and system time of its process in that time, in seconds.
    pub(crate) cpu: f64,
}

impl Round {
    fn calls_a_second(&self) -> f64 {
        f64::from(self.calls) / self.seconds
    }

    fn cpu_a_thousand(&self) -> f64 {
        self.cpu / f64::from(self.calls) * 1_000.0
    }
}

/// Runs the benchmark that was asked for.
pub(crate) fn run(options: &Options) -> Result<()> {
    match &options.subject {
        Subject::Calls(options) => calls(options),
        Subject::Store(options) => store::run(options),
        Subject::Report(options) => report::run(options),
        Subject::Page(options) => page::run(options),
        Subject::Media(options) => media::run(options),
    }
}

fn calls(options: &Calls) -> Result<()> {
    install::missing_tools()?;
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => server::build()?,
    };
    let cores = thread::available_parallelism()?;
    if !options.json {
        println!(
            "{} calls a round at {}/s offered, {} rounds in turns, {cores} cores; sipp -sn uas answers both\n\n\
             round  load   sipp -sn uac: calls/s  failed  CPU s/1000   campanile: calls/s  failed  CPU s/1000",
            options.calls, options.rate, options.rounds
        );
    }
    let answering = sipp::Answering::start()?;
    let dialler = dialler::Dialler::start(&binary, &answering, options)?;
    let (mut peer, mut ours) = (Vec::new(), Vec::new());
    for number in 1..=options.rounds {
        let load = load_average()?;
        let theirs = sipp::call(&answering, options).context("sipp -sn uac")?;
        let own = dialler.call(number, options).context("campanile")?;
        print_round(options, number, load, &theirs, &own);
        peer.push(theirs);
        ours.push(own);
    }
    print_medians(options, &peer, &ours);
    dialler.stop()
}

fn print_round(options: &Calls, number: u32, load: f64, peer: &Round, ours: &Round) {
    if options.json {
        let side = |round: &Round| {
            serde_json::json!({
                "calls": round.calls,
                "failed": round.failed,
                "seconds": round.seconds,
                "calls_per_second": round.calls_a_second(),
                "cpu_seconds_per_1000": round.cpu_a_thousand(),
            })
        };
        let line = serde_json::json!({
            "round": number, "load": load, "sipp": side(peer), "campanile": side(ours),
        });
        println!("{line}");
    } else {
        println!(
            "{number:>5} {load:>5.2} {:>23.1} {:>7} {:>11.3} {:>20.1} {:>7} {:>11.3}",
            peer.calls_a_second(),
            peer.failed,
            peer.cpu_a_thousand(),
            ours.calls_a_second(),
            ours.failed,
            ours.cpu_a_thousand()
        );
    }
}

fn print_medians(options: &Calls, peer: &[Round], ours: &[Round]) {
    let of = |rounds: &[Round], figure: fn(&Round) -> f64| median(rounds.iter().map(figure));
    let rates = [of(peer, Round::calls_a_second), of(ours, Round::calls_a_second)];
    let cpus = [of(peer, Round::cpu_a_thousand), of(ours, Round::cpu_a_thousand)];
    let failed = [peer, ours].map(|rounds| rounds.iter().map(|round| round.failed).sum::<u32>());
    let (rate_ratio, cpu_ratio) = (rates[1] / rates[0], cpus[1] / cpus[0]);
    if options.json {
        let line = serde_json::json!({
            "median": {
                "calls_per_second": {"sipp": rates[0], "campanile": rates[1], "ratio": rate_ratio},
                "cpu_seconds_per_1000": {"sipp": cpus[0], "campanile": cpus[1], "ratio": cpu_ratio},
            },
            "failed": {"sipp": failed[0], "campanile": failed[1]},
        });
        println!("{line}");
        return;
    }
    println!("\nmedians             sipp -sn uac    campanile   ratio");
    println!("calls/s             {:>12.1} {:>12.1} {rate_ratio:>7.2}", rates[0], rates[1]);
    println!("CPU s/1,000 calls   {:>12.3} {:>12.3} {cpu_ratio:>7.2}", cpus[0], cpus[1]);
    println!("failed, all rounds  {:>12} {:>12}", failed[0], failed[1]);
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[odd / 2],
        even => f64::midpoint(values[even / 2 - 1], values[even / 2]),
    }
}

fn load_average() -> Result<f64> {
    let text = fs::read_to_string("/proc/loadavg")?;
    let first = text.split(' ').next().unwrap_or_default();
    first.parse().with_context(|| format!("/proc/loadavg says {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_round_does_not_move_the_median() {
        assert_eq!(median([1.0, 900.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([1.0, 3.0, 2.0, 900.0].into_iter()), 2.5);
        assert!(median(std::iter::empty()).is_nan());
    }

    #[test]
    fn figures_are_per_second_and_per_thousand_calls() {
        let round = Round { calls: 500, failed: 0, seconds: 2.0, cpu: 0.25 };
        assert_eq!(round.calls_a_second(), 250.0);
        assert_eq!(round.cpu_a_thousand(), 0.5);
    }
}
