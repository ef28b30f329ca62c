//! `cargo xtask sim`: whole campaigns in virtual time, from a seed.

use std::{
    fmt,
    panic::{self, UnwindSafe},
    time::Instant,
};

use anyhow::{Result, bail};
use campanile_sim::Violation;

/// Which worlds to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Run this one world and print what it came to; when it breaks a rule, the last
    /// fifty things that happened in it.
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// How many worlds to run, with the seeds 0, 1, 2 …
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first of these seeds, to search where nobody has been.
    #[arg(long, default_value_t = 0)]
    from: u64,
}

/// Runs the worlds until one breaks a rule; its seed replays it exactly.
pub(crate) fn run(options: &Options) -> Result<()> {
    if let Some(seed) = options.seed {
        let options = campanile_sim::Options { traced: true, ..Default::default() };
        let report = live(|| campanile_sim::run_with(seed, &options).map_err(Told))?;
        println!("{report:#?}");
        return Ok(());
    }
    let begun = Instant::now();
    let seeds = options.from..options.from.saturating_add(options.seeds);
    let (mut contacts, mut dials, mut crashes, mut virtual_seconds) = (0, 0, 0, 0);
    let mut hundred = Instant::now();
    for (done, seed) in seeds.enumerate() {
        if done > 0 && done % 100 == 0 {
            let seconds = hundred.elapsed().as_secs_f64();
            println!("{done} of {} hold, the last hundred in {seconds:.1} s", options.seeds);
            hundred = Instant::now();
        }
        match live(|| campanile_sim::run_seed(seed)) {
            Ok(report) => {
                contacts += report.contacts;
                dials += report.dials;
                crashes += report.crashes;
                virtual_seconds += report.virtual_seconds;
            }
            Err(error) => {
                bail!("{error}\nreplay it with:\n  cargo xtask sim --seed {seed}")
            }
        }
    }
    println!(
        "{} worlds from seed {} hold every rule: {contacts} contacts, {dials} dials, {crashes} crashes, \
         {:.1} days in {:.1} s",
        options.seeds,
        options.from,
        virtual_seconds as f64 / 86_400.0,
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}

/// A violation with what happened before it.
struct Told(Violation);

impl fmt::Display for Told {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(violation) = self;
        for line in &violation.trace {
            writeln!(out, "{line}")?;
        }
        write!(out, "{violation}")
    }
}

/// A panic inside a world is a broken rule like any other: the seed matters more than the unwinding.
fn live<R, E: std::fmt::Display>(world: impl FnOnce() -> Result<R, E> + UnwindSafe) -> Result<R> {
    match panic::catch_unwind(world) {
        Ok(Ok(report)) => Ok(report),
        Ok(Err(violation)) => bail!("{violation}"),
        Err(_) => bail!("the world panicked (message above)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_that_breaks_a_rule_or_panics_is_an_error() {
        assert_eq!(live(|| Ok::<_, String>(7)).unwrap(), 7);
        let broken = live(|| Err::<(), _>("seed 3: dialled twice")).unwrap_err();
        assert_eq!(broken.to_string(), "seed 3: dialled twice");
        assert!(live(|| -> Result<(), String> { panic!("expected by this test") }).is_err());
    }
}
