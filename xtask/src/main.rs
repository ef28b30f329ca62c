//! The chores of the house: `cargo xtask test`, `tidy`, `sim`, `fuzz`, `bench`.

mod bench;
mod fuzz;
mod install;
mod kill;
mod schemathesis;
mod sim;
mod soak;
mod test;
mod tidy;
mod tree;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The chores of the house.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Install what is missing, then check and test everything. What `.ci/run` calls.
    Test(test::Options),
    /// Check the rules of the house that no compiler holds.
    Tidy(tidy::Options),
    /// Run whole campaigns in virtual time, from a seed.
    Sim(sim::Options),
    /// Place many calls: over bad lines, for long, and more than a carrier takes.
    Soak(soak::Options),
    /// Kill the dialler, or cut its power, again and again in mid campaign.
    Kill(kill::Options),
    /// Give parsers and user agents what nobody would send, from a seed.
    Fuzz(fuzz::Options),
    /// Ask the API everything that its own description allows, and more.
    Schemathesis,
    /// Compare with a peer on this machine.
    Bench(bench::Options),
}

fn main() -> ExitCode {
    let done = match Cli::parse().chore {
        Chore::Test(options) => test::run(&options),
        Chore::Tidy(options) => tidy::run(&options),
        Chore::Sim(options) => sim::run(&options),
        Chore::Soak(options) => soak::run(&options),
        Chore::Kill(options) => kill::run(&options),
        Chore::Fuzz(options) => fuzz::run(&options),
        Chore::Schemathesis => schemathesis::run().map(drop),
        Chore::Bench(options) => bench::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
