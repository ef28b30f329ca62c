//! `cargo xtask test`: one command that checks everything, with the seconds of each step.

use std::{
    io::{self, BufRead, BufReader, IsTerminal, Read, Write},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};

use crate::{install, schemathesis, tidy, tree};

/// How to test.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Use `cargo test` even where cargo-nextest is installed.
    #[arg(long)]
    without_nextest: bool,
}

/// The steps so far, for the closing summary.
#[derive(Debug, Default)]
struct Steps {
    done: Vec<(&'static str, Duration)>,
    closing: Vec<String>,
}

impl Steps {
    fn step(
        &mut self,
        name: &'static str,
        work: impl FnOnce() -> Result<Vec<String>>,
    ) -> Result<()> {
        println!("\n── {name}");
        let begun = Instant::now();
        let outcome = work();
        self.done.push((name, begun.elapsed()));
        self.closing.extend(outcome.map_err(|error| error.context(format!("{name} failed")))?);
        Ok(())
    }

    fn summary(&self, passed: bool) -> String {
        let total: Duration = self.done.iter().map(|(_, took)| *took).sum();
        let mut text = String::from("\n── summary\n");
        for (name, took) in &self.done {
            text += &format!("{:>7.1} s  {name}\n", took.as_secs_f64());
        }
        text += &format!("{:>7.1} s  in all\n", total.as_secs_f64());
        for line in &self.closing {
            text += &format!("{}\n", line.trim_end());
        }
        text += if passed { "everything passed" } else { "FAILED" };
        text
    }
}

/// Runs every step and stops at the first that fails.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut steps = Steps::default();
    let outcome = all(&mut steps, options);
    println!("{}", steps.summary(outcome.is_ok()));
    outcome
}

fn all(steps: &mut Steps, options: &Options) -> Result<()> {
    steps.step("what is missing", || {
        install::missing_components()?;
        install::missing_tools()?;
        Ok(Vec::new())
    })?;
    steps.step("cargo fmt --check", || quiet(cargo(&["fmt", "--all", "--check"])))?;
    steps.step("cargo clippy", || {
        quiet(cargo(&[
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ]))
    })?;
    steps.step("cargo deny", || {
        if !install::has_cargo_command("deny") {
            println!("cargo-deny is not installed: licences, bans and sources were not checked");
            return Ok(Vec::new());
        }
        quiet(cargo(&["deny", "--log-level", "error", "check", "licenses", "bans", "sources"]))
    })?;
    let nextest = !options.without_nextest && install::has_cargo_command("nextest");
    steps.step("build the tests", || {
        let runner: &[&str] = if nextest { &["nextest", "run"] } else { &["test"] };
        quiet(cargo(&[runner, &["--locked", "--workspace", "--no-run"]].concat()))
    })?;
    if nextest {
        steps.step("cargo nextest run", || {
            told(cargo(&["nextest", "run", "--locked", "--workspace"]), is_closing)
        })?;
        // nextest does not run the examples in the documentation.
        steps.step("cargo test --doc", || {
            told(cargo(&["test", "--locked", "--workspace", "--doc", "--quiet"]), |_| false)
        })?;
    } else {
        steps.step("cargo test", || {
            let arguments = ["test", "--locked", "--workspace", "--no-fail-fast"];
            Ok(vec![sum_up(&told(cargo(&arguments), is_closing)?)])
        })?;
    }
    steps.step("schemathesis", schemathesis::run)?;
    steps.step("cargo doc", || {
        let mut doc = cargo(&["doc", "--locked", "--workspace", "--no-deps"]);
        doc.env("RUSTDOCFLAGS", "--deny warnings");
        quiet(doc)
    })?;
    steps.step("tidy", || {
        tidy::check_tree()?;
        Ok(Vec::new())
    })
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = tree::cargo();
    // A snapshot that differs is a failure, not a file to write into the checkout.
    command.args(arguments).env("INSTA_UPDATE", "no").env("INSTA_FORCE_PASS", "0");
    command
}

/// Runs a command whose own output says all there is to say.
fn quiet(mut command: Command) -> Result<Vec<String>> {
    let status = command.status()?;
    ensure!(status.success(), "{status}");
    Ok(Vec::new())
}

/// Runs a command, passes its output on as it comes, and keeps the lines that
/// are wanted again in the summary.
fn told(mut command: Command, keep: fn(&str) -> bool) -> Result<Vec<String>> {
    if io::stdout().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let out = child.stdout.take().expect("stdout is piped");
    let err = child.stderr.take().expect("stderr is piped");
    let err = thread::spawn(move || pass_on(err, io::stderr(), keep));
    let mut kept = pass_on(out, io::stdout(), keep)?;
    match err.join() {
        Ok(lines) => kept.extend(lines?),
        Err(_) => bail!("the reader of stderr panicked"),
    }
    let status = child.wait()?;
    if !status.success() {
        for line in &kept {
            println!("{}", line.trim_end());
        }
        bail!("{status}");
    }
    Ok(kept)
}

fn pass_on(from: impl Read, mut to: impl Write, keep: fn(&str) -> bool) -> io::Result<Vec<String>> {
    let mut from = BufReader::new(from);
    let mut kept = Vec::new();
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        to.flush()?;
        let text = String::from_utf8_lossy(&line);
        if keep(&text) {
            kept.push(text.into_owned());
        }
        line.clear();
    }
    Ok(kept)
}

/// The lines with which nextest and the built-in runner close.
fn is_closing(line: &str) -> bool {
    line.contains("Summary") && line.contains(" run: ")
        || line.starts_with("test result:")
        || line.contains("test result:") && line.contains("passed;")
}

/// One line for the many test programs of `cargo test`.
fn sum_up(results: &[String]) -> String {
    let count = |word: &str| -> u64 {
        results
            .iter()
            .flat_map(|line| line.split(['.', ';']))
            .filter_map(|part| part.trim().strip_suffix(word)?.trim().parse::<u64>().ok())
            .sum()
    };
    format!(
        "test result: {} passed; {} failed; {} ignored, in {} test programs",
        count("passed"),
        count("failed"),
        count("ignored"),
        results.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_step_is_named_and_timed_and_nothing_follows_it() {
        let mut steps = Steps::default();
        steps.step("first", || Ok(vec!["12 tests run".into()])).unwrap();
        let error = steps.step("second", || bail!("exit status: 101")).unwrap_err();
        assert_eq!(format!("{error:#}"), "second failed: exit status: 101");
        let summary = steps.summary(false);
        assert!(summary.contains("first") && summary.contains("second"), "{summary}");
        assert!(summary.contains("12 tests run") && summary.ends_with("FAILED"), "{summary}");
    }

    #[test]
    fn the_exit_status_of_a_program_decides() {
        assert!(quiet(Command::new("true")).is_ok());
        assert!(quiet(Command::new("false")).is_err());
        assert!(told(Command::new("false"), is_closing).is_err());
    }

    #[test]
    fn the_closing_lines_of_the_runner_are_kept() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo noise; echo 'test result: ok. 3 passed; 0 failed' >&2"]);
        assert_eq!(told(shell, is_closing).unwrap(), ["test result: ok. 3 passed; 0 failed\n"]);
        assert!(is_closing("     Summary [   0.012s] 5 tests run: 5 passed, 0 skipped"));
    }

    #[test]
    fn the_results_of_many_test_programs_add_up() {
        let lines = [
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out".into(),
            "test result: FAILED. 39 passed; 2 failed; 0 ignored; 0 measured".into(),
        ];
        assert_eq!(
            sum_up(&lines),
            "test result: 42 passed; 2 failed; 1 ignored, in 2 test programs"
        );
    }
}
