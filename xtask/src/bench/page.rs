//! `cargo xtask bench page`: the pages of a campaign of a million contacts.

use std::{io::Write as _, process::Stdio, time::Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{Rounds, http::Browser, load_average, median, server};

/// How large the campaign is, and how often.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Contacts of the campaign; the deep pages begin in its middle.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1_000..))]
    contacts: u32,
    /// Requests of each page in a round.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    requests: u32,
    #[command(flatten)]
    rounds: Rounds,
}

/// What is asked for, in the order in which it is measured.
const PAGES: [&str; 4] = ["page, first", "page, deep", "API, first", "API, deep"];

const EMAIL: &str = "bench@example.org";
const PASSWORD: &str = "a-long-enough-password";

/// Runs it.
pub(crate) fn run(options: &Options) -> Result<()> {
    let binary = options.rounds.binary()?;
    let peer = options.rounds.peer()?;
    let data = tempfile::tempdir()?;
    let size = [options.contacts, options.contacts, 100];
    let (campaign, middle) = server::fill(&peer, data.path(), size)?;
    let server = server::Server::start(&binary, data.path(), &[])?;
    create_user(&binary, data.path())?;
    let browser = Browser::sign_in(server.api.address, EMAIL, PASSWORD)?;
    let html = format!("/dashboard/campaigns/{campaign}");
    let api = format!("/campaigns/{campaign}/contacts");
    let deep = (format!("{html}?after={middle}"), format!("{api}?cursor={middle}"));
    let ask = |page: usize| -> Result<()> {
        let answer = match page {
            0 => browser.get(&html)?,
            1 => browser.get(&deep.0)?,
            2 => server.api.get(&api)?.to_string(),
            _ => server.api.get(&deep.1)?.to_string(),
        };
        // The cells and the fields of fifty contacts.
        ensure!(answer.matches("\"phone").count() >= 50, "{} shows no contacts", PAGES[page]);
        Ok(())
    };
    if !options.rounds.json {
        println!(
            "{} contacts, {} requests, {} rounds in turns; CPU ms a request, wall ms a request\n\n\
             round  load   {}",
            options.contacts,
            options.requests,
            options.rounds.rounds,
            PAGES.map(|page| format!("{page:>16}")).join("")
        );
    }
    let mut costs: [Vec<f64>; 4] = Default::default();
    for number in 1..=options.rounds.rounds {
        let load = load_average()?;
        let mut walls = [0.0; 4];
        for (page, costs) in costs.iter_mut().enumerate() {
            let (cpu, begun) = (server.process.cpu()?, Instant::now());
            for _ in 0..options.requests {
                ask(page)?;
            }
            let each = 1e3 / f64::from(options.requests);
            costs.push((server.process.cpu()? - cpu) * each);
            walls[page] = begun.elapsed().as_secs_f64() * each;
        }
        let cpus = costs.each_ref().map(|costs| costs[costs.len() - 1]);
        if options.rounds.json {
            let line = json!({ "round": number, "load": load, "pages": PAGES,
                               "cpu_ms": cpus, "wall_ms": walls });
            println!("{line}");
        } else {
            let cells = cpus.iter().zip(walls).map(|(cpu, wall)| format!("{cpu:>9.2} {wall:>6.1}"));
            println!("{number:>5} {load:>5.2}   {}", cells.collect::<String>());
        }
    }
    let medians = costs.map(|costs| median(costs.into_iter()));
    if options.rounds.json {
        println!("{}", json!({ "median": { "pages": PAGES, "cpu_ms": medians } }));
    } else {
        println!("\nmedians, CPU ms a request");
        for (page, cost) in PAGES.iter().zip(medians) {
            println!("{page:<14} {cost:>8.2}");
        }
    }
    server.stop()
}

fn create_user(binary: &std::path::Path, data: &std::path::Path) -> Result<()> {
    let mut child = std::process::Command::new(binary)
        .args(["user", "create", "--email", EMAIL, "--role", "viewer", "--password-stdin"])
        .arg("--data")
        .arg(data)
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    child.stdin.take().context("stdin is piped")?.write_all(PASSWORD.as_bytes())?;
    let status = child.wait()?;
    ensure!(status.success(), "campanile user create: {status}");
    Ok(())
}
