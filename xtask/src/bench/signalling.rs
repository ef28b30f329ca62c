//! Our SIP user agent alone, as an example of the engine.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{
    calls::{Calls, Round},
    process::Running,
    sipp,
};
use crate::tree;

/// Builds it and says where it is.
pub(super) fn build() -> Result<PathBuf> {
    let built = tree::cargo()
        .args(["build", "--release", "--package", "campanile-engine", "--example", "signalling"])
        .status()?;
    ensure!(built.success(), "the example `signalling` does not build");
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| tree::root().join("target"), |target| tree::root().join(target));
    Ok(target.join("release/examples/signalling"))
}

/// One round of calls.
pub(super) fn call(program: &Path, answering: &sipp::Answering, options: &Calls) -> Result<Round> {
    answering.still_runs()?;
    let mut command = Command::new(program);
    command
        .arg(answering.address().to_string())
        .args([options.rate.to_string(), options.calls.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let begun = Instant::now();
    let mut running = Running::start("signalling", &mut command)?;
    let out = running.child().stdout.take().context("stdout is piped")?;
    let (status, cpu) = running.finish(sipp::limit(options))?;
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(status.success(), "signalling: {status}");
    let said: Value = serde_json::from_reader(out).context("signalling said nothing")?;
    let failed = said["failed"].as_u64().context("signalling did not say how many failed")?;
    let fates = Vec::new();
    Ok(Round { calls: options.calls, failed: u32::try_from(failed)?, seconds, cpu, fates })
}
