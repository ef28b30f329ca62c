//! `cargo xtask bench store`: a contact file through the API, beside a raw insert of it.

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{Rounds, load_average, median, process::Running, server};

/// How large the file is, and how often.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Rows of the file; one in a hundred repeats a number.
    #[arg(long, default_value_t = 500_000, value_parser = clap::value_parser!(u32).range(100..=500_000))]
    rows: u32,
    #[command(flatten)]
    rounds: Rounds,
}

/// One import by one of the two.
#[derive(Debug, Clone, Copy)]
struct Import {
    seconds: f64,
    cpu: f64,
    /// Bytes by which its memory grew at most.
    grew: u64,
}

/// Runs it.
pub(crate) fn run(options: &Options) -> Result<()> {
    let binary = options.rounds.binary()?;
    let peer = options.rounds.peer()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("contacts.csv");
    let csv = csv(options.rows);
    fs::write(&file, &csv)?;
    if !options.rounds.json {
        println!(
            "{} rows, {:.1} MB, {} rounds in turns\n\n\
             round  load   raw insert: s   CPU s   campanile: s   CPU s   rows/CPU s   ratio   memory +MB",
            options.rows,
            csv.len() as f64 / 1e6,
            options.rounds.rounds
        );
    }
    let (mut raws, mut ours) = (Vec::new(), Vec::new());
    for number in 1..=options.rounds.rounds {
        let load = load_average()?;
        let raw = insert_raw(&peer, &file).context("the raw insert")?;
        let own = import(&binary, &csv, options.rows).context("campanile")?;
        print_round(options, number, load, &raw, &own);
        raws.push(raw);
        ours.push(own);
    }
    print_medians(options, &raws, &ours);
    Ok(())
}

fn insert_raw(peer: &Path, file: &Path) -> Result<Import> {
    let folder = tempfile::tempdir()?;
    let mut command = Command::new(peer);
    command.arg("raw").arg(file).arg(folder.path().join("raw.db")).stdin(Stdio::null());
    let begun = Instant::now();
    let (status, cpu) =
        Running::start("bench_peer raw", &mut command)?.finish(Duration::from_secs(300))?;
    ensure!(status.success(), "{status}");
    Ok(Import { seconds: begun.elapsed().as_secs_f64(), cpu, grew: 0 })
}

/// The whole import by a fresh server: from the first byte of the request until every
/// row is a contact and its staging area is cleared.
fn import(binary: &Path, csv: &str, rows: u32) -> Result<Import> {
    let data = tempfile::tempdir()?;
    let server = server::Server::start(binary, data.path(), &[])?;
    let campaign = server::empty_campaign(&server.api)?;
    server.process.forget_peak()?;
    let (memory, cpu) = (server.process.memory()?, server.process.cpu()?);
    let begun = Instant::now();
    let answer = server.api.post_csv(&format!("/campaigns/{campaign}/contacts"), csv)?;
    let seconds = begun.elapsed().as_secs_f64();
    let good = u64::from(rows - rows / 100);
    ensure!(answer["accepted"] == good, "not every contact was accepted: {answer}");
    let cpu = server.at_rest()? - cpu;
    let grew = server.process.memory_peak()?.saturating_sub(memory);
    server.stop()?;
    Ok(Import { seconds, cpu, grew })
}

/// A file just under the 50 MB that are allowed: numbers in no order, one in a hundred
/// for the second time.
fn csv(rows: u32) -> String {
    let mut csv = String::with_capacity(rows as usize * 100);
    csv.push_str("phone_number,name,city,account,amount,due,note\n");
    for row in 0..u64::from(rows) {
        let index = if row % 100 == 99 { row - 50 } else { row };
        // 48,271 generates every residue of the prime 2³¹ − 1: no two rows share a number.
        let number = 7_000_000_000 + (index + 1) * 48_271 % 2_147_483_647;
        writeln!(
            csv,
            "+91{number},Asha Rao {index},Pune,AC-{index:07},{},2026-12-01,please pay online",
            index * 7 % 100_000
        )
        .expect("a String takes everything");
    }
    csv
}

fn print_round(options: &Options, number: u32, load: f64, raw: &Import, own: &Import) {
    let rate = f64::from(options.rows) / own.cpu;
    let ratio = own.cpu / raw.cpu;
    let grew = own.grew as f64 / 1e6;
    if options.rounds.json {
        let line = json!({
            "round": number, "load": load,
            "raw": { "seconds": raw.seconds, "cpu_seconds": raw.cpu },
            "campanile": {
                "seconds": own.seconds, "cpu_seconds": own.cpu, "rows_per_cpu_second": rate,
                "memory_grew_mb": grew,
            },
            "cpu_ratio": ratio,
        });
        println!("{line}");
    } else {
        println!(
            "{number:>5} {load:>5.2} {:>15.2} {:>7.2} {:>14.2} {:>7.2} {rate:>12.0} {ratio:>7.2} {grew:>12.1}",
            raw.seconds, raw.cpu, own.seconds, own.cpu
        );
    }
}

fn print_medians(options: &Options, raws: &[Import], ours: &[Import]) {
    let raw = median(raws.iter().map(|round| round.cpu));
    let own = median(ours.iter().map(|round| round.cpu));
    let ratio = median(raws.iter().zip(ours).map(|(raw, own)| own.cpu / raw.cpu));
    let grew = median(ours.iter().map(|round| round.grew as f64 / 1e6));
    let rate = f64::from(options.rows) / own;
    if options.rounds.json {
        let line = json!({ "median": {
            "raw_cpu_seconds": raw, "campanile_cpu_seconds": own, "rows_per_cpu_second": rate,
            "cpu_ratio": ratio, "memory_grew_mb": grew,
        }});
        println!("{line}");
        return;
    }
    println!("\nmedians");
    println!("raw insert           {raw:>10.2} CPU s");
    println!("campanile            {own:>10.2} CPU s   ratio {ratio:.2}");
    println!("rows a CPU second    {rate:>10.0}");
    println!("memory grew by       {grew:>10.1} MB");
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn one_row_in_a_hundred_repeats_a_number() {
        let csv = csv(1_000);
        let numbers: Vec<&str> =
            csv.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
        assert_eq!(numbers.len(), 1_000);
        assert_eq!(numbers.iter().collect::<HashSet<_>>().len(), 990);
        assert!(numbers.iter().all(|number| number.len() == 13));
    }
}
