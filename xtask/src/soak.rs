//! `cargo xtask soak`: the long forms of the end-to-end tests that place many calls.
//!
//! The tests themselves are in `crates/campanile/tests/e2e/soak`; here is only how much of
//! each is asked for. Each prints its figures. What overloads the engine itself is a benchmark.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use crate::{bench::overload, install, tree};

/// What to run; everything, unless something is named.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Place so many short calls in four parts and compare what is held before, between and after (40,000 unless told
    /// otherwise). Fails when descriptors, ports, threads, tasks or calls that SIP knows of are not back at their idle
    /// figures, or when memory grows from the second part to the fourth.
    #[arg(long, num_args = 0..=1, default_missing_value = "40000")]
    calls: Option<u32>,
    /// Call over lines that lose 5, 10 and 20 % of all datagrams, both ways.
    #[arg(long)]
    loss: bool,
    /// Ask for ten times the limit for 30 s: first of a carrier that answers 503 above its limit, then of what the whole
    /// engine can place on this machine. Goodput must stay at 95 % of its peak, and be as ever 5 s later.
    #[arg(long)]
    overload: bool,
    /// Ask only for ten times what the engine can place, of this program instead of one that is built.
    #[arg(long, requires = "overload")]
    binary: Option<PathBuf>,
    /// Use the development build: quicker to be had, and slower.
    #[arg(long)]
    dev: bool,
    /// The seed of the lines and phones; a new one each time unless given.
    #[arg(long)]
    seed: Option<u64>,
}

/// Loss in each direction, calls, and the share of them that must end right (issue 3).
const LOSSES: [(&str, &str, &str); 3] =
    [("0.05", "2000", "0.999"), ("0.1", "2000", "0.995"), ("0.2", "1000", "0.98")];

/// Runs what was asked for and stops at the first that fails.
pub(crate) fn run(options: &Options) -> Result<()> {
    install::missing_tools()?;
    let all = options.calls.is_none() && !options.loss && !options.overload;
    if let Some(calls) = options.calls.or(all.then_some(40_000)) {
        let calls = calls.to_string();
        let asked = [("CALLS", calls.as_str()), ("CPS", "300"), ("RESTS", "true")];
        test(options, "leaks::after_many_short_calls_nothing_is_held_that_was_not_before", &asked)?;
    }
    if options.loss || all {
        for (loss, calls, right) in LOSSES {
            println!("── {loss} lost each way");
            let asked = [("LOSS", loss), ("CALLS", calls), ("RIGHT", right), ("CPS", "40")];
            test(
                options,
                "loss::calls_over_a_line_that_loses_a_tenth_end_right_and_nobody_is_called_twice",
                &asked,
            )?;
        }
    }
    if (options.overload || all) && options.binary.is_none() {
        let asked = [("SECONDS", "30"), ("CPS", "100"), ("GOODPUT", "0.95")];
        test(
            options,
            "overload::asked_for_ten_times_its_limit_a_carrier_is_used_to_its_limit",
            &asked,
        )?;
    }
    if options.overload || all {
        println!("── ten times what the engine can place");
        overload::run(options.binary.clone())?;
    }
    Ok(())
}

/// One test with these variables, each named `CAMPANILE_SOAK_` and so on.
fn test(options: &Options, name: &str, asked: &[(&str, &str)]) -> Result<()> {
    let mut command = tree::cargo();
    command.args(["test", "--quiet", "--package", "campanile", "--test", "e2e"]);
    if !options.dev {
        command.arg("--release");
    }
    // Cargo's own clock kills no test, however long it runs.
    command.args(["--", "--exact", "--nocapture"]).arg(format!("soak::{name}"));
    for (variable, value) in asked {
        command.env(format!("CAMPANILE_SOAK_{variable}"), value);
    }
    if let Some(seed) = options.seed {
        command.env("CAMPANILE_SOAK_SEED", seed.to_string());
    }
    let status = command.status()?;
    ensure!(status.success(), "soak::{name} failed");
    Ok(())
}
