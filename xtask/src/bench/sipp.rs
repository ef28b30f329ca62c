//! The peer: sipp answers both sides, and calls as one of them.

use std::{
    fs,
    net::{SocketAddr, UdpSocket},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use super::{
    calls::{AT_ONCE, Calls, Round},
    process::Running,
};

/// `sipp -sn uas` on a port of its own.
#[derive(Debug)]
pub(super) struct Answering {
    process: Running,
    address: SocketAddr,
}

impl Answering {
    /// Starts it and waits until it holds its port.
    pub(super) fn start() -> Result<Self> {
        let address = free_port()?;
        let process = Running::start("sipp -sn uas", &mut sipp("uas", address))?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while UdpSocket::bind(address).is_ok() {
            process.still_runs()?;
            ensure!(Instant::now() < deadline, "sipp -sn uas does not listen on {address}");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { process, address })
    }

    /// Where it answers.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// An error if it is gone.
    pub(super) fn still_runs(&self) -> Result<()> {
        self.process.still_runs()
    }
}

/// One round of `sipp -sn uac` against it.
pub(super) fn call(answering: &Answering, options: &Calls) -> Result<Round> {
    answering.still_runs()?;
    let folder = tempfile::tempdir()?;
    let figures = folder.path().join("figures.csv");
    let mut command = sipp("uac", free_port()?);
    command
        .current_dir(folder.path())
        .args(["-m", &options.calls.to_string(), "-r", &options.rate.to_string()])
        .args(["-l", &AT_ONCE.to_string()])
        .args(["-trace_stat", "-fd", "1", "-stf"])
        .arg(&figures)
        .arg(answering.address().to_string());
    let begun = Instant::now();
    let running = Running::start("sipp -sn uac", &mut command)?;
    let (status, cpu) = running.finish(limit(options))?;
    let seconds = begun.elapsed().as_secs_f64();
    // 0: every call succeeded, 1: some failed; anything else is trouble of sipp itself.
    ensure!(matches!(status.code(), Some(0 | 1)), "sipp -sn uac: {status}");
    let text = fs::read_to_string(&figures).context("sipp wrote no figures")?;
    let calls = column(&text, "TotalCallCreated")?;
    let good = column(&text, "SuccessfulCall(C)")?;
    Ok(Round { calls, failed: calls.saturating_sub(good), seconds, cpu, fates: Vec::new() })
}

/// How long a round may take before it counts as stuck.
pub(super) fn limit(options: &Calls) -> Duration {
    Duration::from_secs(u64::from(60 + 10 * options.calls / options.rate))
}

fn sipp(scenario: &str, local: SocketAddr) -> Command {
    let ip = local.ip().to_string();
    let mut command = Command::new("sipp");
    command
        .args(["-sn", scenario, "-i", &ip, "-mi", &ip, "-p", &local.port().to_string(), "-nostdin"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// A port that was free a moment ago.
fn free_port() -> Result<SocketAddr> {
    Ok(UdpSocket::bind("127.0.0.1:0")?.local_addr()?)
}

/// A column of the last line of sipp's statistics.
fn column(text: &str, name: &str) -> Result<u32> {
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default();
    let last = lines.next_back().context("sipp wrote no figures")?;
    let index = header.split(';').position(|column| column == name);
    index
        .and_then(|index| last.split(';').nth(index))
        .and_then(|cell| cell.parse().ok())
        .with_context(|| format!("sipp's figures have no {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_the_figures_counts() {
        let text = "StartTime;SuccessfulCall(C);FailedCall(C);\nx;3;0;\nx;41;2;\n";
        assert_eq!(column(text, "SuccessfulCall(C)").unwrap(), 41);
        assert_eq!(column(text, "FailedCall(C)").unwrap(), 2);
        assert!(column(text, "CallRate").is_err());
        assert!(column("StartTime;\n", "StartTime").is_err());
    }
}
