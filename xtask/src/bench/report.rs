//! `cargo xtask bench report`: the attempts of a big run, streamed.

use std::{path::Path, time::Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{Rounds, load_average, median, server};

/// How large the run is, and how often.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Attempts of the run, one for each contact.
    #[arg(long, default_value_t = 400_000, value_parser = clap::value_parser!(u32).range(1_000..))]
    attempts: u32,
    /// Bytes of variables in the second of the two runs.
    #[arg(long, default_value_t = 200)]
    variables: u32,
    #[command(flatten)]
    rounds: Rounds,
}

/// One report.
#[derive(Debug, Clone, Copy)]
struct Stream {
    bytes: u64,
    seconds: f64,
    cpu: f64,
    /// Bytes by which the server's memory grew at most.
    grew: u64,
}

impl Stream {
    fn rate(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.cpu
    }
}

/// A server with one run in its database.
struct Subject {
    server: server::Server,
    path: String,
    least: u64,
    _data: tempfile::TempDir,
}

impl Subject {
    fn make(binary: &Path, peer: &Path, attempts: u32, variables: u32) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let size = [attempts, attempts, variables];
        let (campaign, _) = server::fill(peer, data.path(), size)?;
        let server = server::Server::start(binary, data.path(), &[])?;
        let path = format!("/campaigns/{campaign}/attempts.csv");
        let least = u64::from(attempts) * (200 + u64::from(variables));
        Ok(Self { server, path, least, _data: data })
    }

    fn stream(&self) -> Result<Stream> {
        self.server.process.forget_peak()?;
        let (memory, cpu) = (self.server.process.memory()?, self.server.process.cpu()?);
        let begun = Instant::now();
        let bytes = self.server.api.count(&self.path)?;
        let seconds = begun.elapsed().as_secs_f64();
        ensure!(bytes > self.least, "the report is cut off: {bytes} bytes");
        let cpu = self.server.process.cpu()? - cpu;
        let grew = self.server.process.memory_peak()?.saturating_sub(memory);
        Ok(Stream { bytes, seconds, cpu, grew })
    }
}

/// Runs it.
pub(crate) fn run(options: &Options) -> Result<()> {
    let binary = options.rounds.binary()?;
    let peer = options.rounds.peer()?;
    let subjects = [0, options.variables].map(|variables| {
        Subject::make(&binary, &peer, options.attempts, variables).context("a big run")
    });
    let [empty, full] = subjects;
    let (empty, full) = (empty?, full?);
    if !options.rounds.json {
        println!(
            "{} attempts, {} rounds in turns\n\n\
             round  load   no variables: MB   s   MB/CPU s   +MB   {} bytes of them: MB   s   MB/CPU s   +MB",
            options.attempts, options.rounds.rounds, options.variables
        );
    }
    let (mut empties, mut fulls) = (Vec::new(), Vec::new());
    for number in 1..=options.rounds.rounds {
        let load = load_average()?;
        let (without, with) = (empty.stream()?, full.stream()?);
        print_round(options, number, load, &without, &with);
        empties.push(without);
        fulls.push(with);
    }
    print_medians(options, &empties, &fulls);
    empty.server.stop()?;
    full.server.stop()
}

fn figures(stream: &Stream) -> serde_json::Value {
    json!({
        "megabytes": stream.bytes as f64 / 1e6, "seconds": stream.seconds,
        "cpu_seconds": stream.cpu, "megabytes_per_cpu_second": stream.rate(),
        "memory_grew_mb": stream.grew as f64 / 1e6,
    })
}

fn print_round(options: &Options, number: u32, load: f64, without: &Stream, with: &Stream) {
    if options.rounds.json {
        let line = json!({
            "round": number, "load": load,
            "without_variables": figures(without), "with_variables": figures(with),
        });
        println!("{line}");
        return;
    }
    print!("{number:>5} {load:>5.2}");
    for stream in [without, with] {
        print!(
            "   {:>8.1} {:>6.2} {:>8.1} {:>6.1}",
            stream.bytes as f64 / 1e6,
            stream.seconds,
            stream.rate(),
            stream.grew as f64 / 1e6
        );
    }
    println!();
}

fn print_medians(options: &Options, empties: &[Stream], fulls: &[Stream]) {
    let of = |streams: &[Stream]| {
        let rate = median(streams.iter().map(Stream::rate));
        (rate, median(streams.iter().map(|stream| stream.grew as f64 / 1e6)))
    };
    let ((empty, empty_grew), (full, full_grew)) = (of(empties), of(fulls));
    if options.rounds.json {
        let side = |rate: f64, grew: f64| json!({ "megabytes_per_cpu_second": rate, "memory_grew_mb": grew });
        let line = json!({ "median": {
            "without_variables": side(empty, empty_grew), "with_variables": side(full, full_grew),
        }});
        println!("{line}");
        return;
    }
    println!("\nmedians             MB/CPU s   memory +MB");
    println!("no variables        {empty:>8.1} {empty_grew:>12.1}");
    println!("with variables      {full:>8.1} {full_grew:>12.1}");
}
