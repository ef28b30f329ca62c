//! `cargo xtask fuzz`: the bodies of fuzzing for long, from a seed.
//!
//! `cargo xtask` builds without optimisation; for a million datagrams add `--release`
//! behind `cargo run`: `cargo run --release -p xtask -- fuzz`.

use std::{
    panic::{self, UnwindSafe},
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};
use campanile_domain::fuzz as domain;
use campanile_wire::fuzz::{self as wire, dice::Dice, seeds, storm::storm};

/// Changed datagrams of one storm: some dozens of calls.
const DATAGRAMS_A_STORM: usize = 1_000;
/// Inputs of every parser to each storm.
const INPUTS_A_STORM: usize = 200;
/// The name of the body that is no parser.
const STORM: &str = "storm";

/// How much, and from where.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Stop after so many changed datagrams; the parsers get inputs besides.
    #[arg(long, default_value_t = 1_000_000)]
    iterations: usize,
    /// The first seed, to search where nobody has been.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Run one body alone on `--input`, as a failure says.
    #[arg(long, requires = "input")]
    body: Option<String>,
    /// Its input, as hex.
    #[arg(long, requires = "body")]
    input: Option<String>,
}

/// Runs storms and parsers until one of them panics; its input replays it exactly.
pub(crate) fn run(options: &Options) -> Result<()> {
    if let (Some(body), Some(input)) = (&options.body, &options.input) {
        let input = from_hex(input)?;
        return survive(body, &input, || call(body, &input))?.map(drop);
    }
    let parsers: Vec<_> = wire::BODIES.iter().map(|(name, _)| (*name, &seeds::SEEDS[..])).collect();
    let readers = domain::BODIES.iter().map(|(name, _)| (*name, &domain::SEEDS[..]));
    let bodies: Vec<_> = parsers.into_iter().chain(readers).collect();
    let begun = Instant::now();
    let (mut datagrams, mut storms, mut inputs) = (0, 0, 0);
    for seed in options.from.. {
        if datagrams >= options.iterations {
            break;
        }
        let input = seed.to_be_bytes();
        datagrams += survive(STORM, &input, || call(STORM, &input))??;
        storms += 1;
        let mut dice = Dice::new(seed);
        for (body, seeds) in &bodies {
            for _ in 0..INPUTS_A_STORM {
                let (one, other) = (dice.one_of(seeds), dice.one_of(seeds));
                let (one, other) = one.zip(other).context("there are seeds")?;
                let input = dice.mutated(one, other);
                survive(body, &input, || call(body, &input))??;
                inputs += 1;
            }
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{datagrams} changed datagrams in {storms} storms from seed {}, and {inputs} inputs of {} parsers: \
         0 panics in {seconds:.1} s, {:.0} datagrams/s",
        options.from,
        bodies.len(),
        datagrams as f64 / seconds,
    );
    Ok(())
}

/// Runs a body; for a storm, how many datagrams it changed.
fn call(body: &str, input: &[u8]) -> Result<usize> {
    if body == STORM {
        return Ok(storm(input, DATAGRAMS_A_STORM));
    }
    let all = wire::BODIES.iter().chain(&domain::BODIES);
    let found = all.into_iter().find(|(name, _)| *name == body);
    let (_, run) = found.with_context(|| format!("there is no body {body}"))?;
    run(input);
    Ok(0)
}

/// A panic becomes an error with all that is needed to see it again.
fn survive<R>(body: &str, input: &[u8], run: impl FnOnce() -> R + UnwindSafe) -> Result<R> {
    panic::catch_unwind(run).or_else(|_| {
        let input = to_hex(input);
        bail!(
            "{body} panicked (message above); make it a test, and replay it with:\n  \
             cargo xtask fuzz --body {body} --input {input}"
        )
    })
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Result<Vec<u8>> {
    ensure!(text.is_ascii() && text.len().is_multiple_of(2), "the input has pairs of hex digits");
    let pairs = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16));
    pairs.collect::<Result<_, _>>().context("the input has pairs of hex digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_body_has_one_name_and_its_seeds_pass() {
        let mut names: Vec<_> =
            wire::BODIES.iter().chain(&domain::BODIES).map(|(name, _)| *name).collect();
        names.push(STORM);
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        assert_eq!(call("message", seeds::SEEDS[0]).unwrap(), 0);
        assert!(call("no such body", b"").is_err());
    }

    #[test]
    fn a_panic_says_how_to_see_it_again() {
        let error = survive("uri", b"\x00\xff", || -> usize { panic!("expected by this test") });
        assert!(error.unwrap_err().to_string().ends_with("--body uri --input 00ff"));
        assert_eq!(from_hex("00ff").unwrap(), b"\x00\xff");
        assert!(from_hex("0").is_err() && from_hex("zz").is_err());
    }
}
