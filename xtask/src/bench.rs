//! `cargo xtask bench`: figures beside those of a peer, on this machine, in turns.

mod calls;
mod dialler;
mod http;
mod media;
pub(crate) mod overload;
mod page;
mod process;
mod report;
pub(crate) mod server;
mod signalling;
mod sipp;
mod store;

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, clap::Subcommand)]
enum Subject {
    /// Calls a second and CPU a call, beside `sipp -sn uac`: of our SIP user agent alone, and of the whole dialler.
    ///
    /// All three call the same `sipp -sn uas` on loopback, in turns. Nobody talks: sipp hangs up at once, and so does
    /// our bot. The dialler reads its contacts from a CSV, keeps every attempt durably before its INVITE and every
    /// result after it, and serves the console meanwhile; sipp and the user agent do nothing but SIP. Calls that were
    /// not completed are listed by what became of them.
    Calls(calls::Calls),
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
    /// Use this `bench_peer` instead of building one.
    #[arg(long)]
    peer: Option<PathBuf>,
    /// One JSON object a round and a last one with the medians, instead of text.
    #[arg(long)]
    json: bool,
}

impl Rounds {
    fn peer(&self) -> Result<PathBuf> {
        match &self.peer {
            Some(peer) => Ok(peer.clone()),
            None => server::build_peer(),
        }
    }

    fn binary(&self) -> Result<PathBuf> {
        match &self.binary {
            Some(binary) => Ok(binary.clone()),
            None => server::build(),
        }
    }
}

/// Builds the program as users have it, and says where it is.
pub(crate) fn release_binary() -> Result<PathBuf> {
    server::build()
}

/// Runs the benchmark that was asked for.
pub(crate) fn run(options: &Options) -> Result<()> {
    match &options.subject {
        Subject::Calls(options) => calls::run(options),
        Subject::Store(options) => store::run(options),
        Subject::Report(options) => report::run(options),
        Subject::Page(options) => page::run(options),
        Subject::Media(options) => media::run(options),
    }
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
}
