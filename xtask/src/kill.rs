//! `cargo xtask kill`: the kill tests with as many kills and contacts as asked for.

use std::{path::PathBuf, process::Command, time::Instant};

use anyhow::{Result, ensure};

use crate::{bench, tree};

/// What to live through.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How often the dialler is killed.
    #[arg(long, default_value_t = 100)]
    kills: u32,
    /// Contacts of the campaign.
    #[arg(long, default_value_t = 5_000)]
    contacts: u32,
    /// Decides when; chosen and printed when it is left out.
    #[arg(long)]
    seed: Option<u64>,
    /// Cut the power: all that was not synced is lost with the process, or reaches the disk in part.
    #[arg(long)]
    power: bool,
    /// Kill this program instead of a release build of today's tree.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// With --power: nothing that was not synced reaches the disk.
    #[arg(long, requires = "power")]
    whole: bool,
}

/// Runs it; the judge is the carrier's record.
pub(crate) fn run(options: &Options) -> Result<()> {
    let test = if options.power {
        "kill::power_cuts_in_mid_campaign_dial_nothing_twice_and_lose_nobody"
    } else {
        "kill::kills_in_mid_campaign_dial_nothing_twice_and_lose_nobody"
    };
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => bench::release_binary()?,
    };
    let mut command: Command = tree::cargo();
    command
        .args(["test", "--package", "campanile", "--test", "e2e", "--"])
        .args(["--exact", test, "--nocapture"])
        .env("CAMPANILE_BINARY", binary.canonicalize()?)
        .env("CAMPANILE_KILLS", options.kills.to_string())
        .env("CAMPANILE_CONTACTS", options.contacts.to_string());
    if let Some(seed) = options.seed {
        command.env("CAMPANILE_SEED", seed.to_string());
    }
    if options.whole {
        command.env("CAMPANILE_POWER_WHOLE", "1");
    }
    let begun = Instant::now();
    let status = command.status()?;
    ensure!(status.success(), "a promise was broken, or the test could not run: see above");
    println!("{} kills held in {:.0} s", options.kills, begun.elapsed().as_secs_f64());
    Ok(())
}
