//! `campanile serve` as a service manager runs it: started, asked, ended.

use std::{
    env,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{http::Api, process::Running};
use crate::tree;

/// A server on a data directory, with an admin key.
#[derive(Debug)]
pub(super) struct Server {
    /// To measure.
    pub(super) process: Running,
    /// To drive.
    pub(super) api: Api,
}

impl Server {
    /// Starts it on free ports of loopback, with further arguments of `serve`.
    pub(super) fn start(binary: &Path, data: &Path, more: &[&str]) -> Result<Self> {
        let mut command = Command::new(binary);
        command
            .arg("serve")
            .arg("--data")
            .arg(data)
            .args(["--listen", "127.0.0.1:0", "--sip", "127.0.0.1:0"])
            .args(more)
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut process = Running::start("campanile serve", &mut command)?;
        let address = listening(&mut process)?;
        let key = key(binary, data)?;
        Ok(Self { process, api: Api { address, key } })
    }

    /// Its CPU seconds once it has nothing left to do behind an answer.
    pub(super) fn at_rest(&self) -> Result<f64> {
        let deadline = Instant::now() + Duration::from_secs(120);
        let mut last = self.process.cpu()?;
        let mut still = 0;
        while still < 4 {
            ensure!(Instant::now() < deadline, "the server does not come to rest");
            thread::sleep(Duration::from_millis(250));
            let now = self.process.cpu()?;
            // An idle server uses a hundredth of a second now and then.
            still = if now - last > 0.015 { 0 } else { still + 1 };
            last = now;
        }
        Ok(last)
    }

    /// Ends it with SIGTERM.
    pub(super) fn stop(self) -> Result<()> {
        let status = self.process.stop(Duration::from_secs(60))?;
        ensure!(status.success(), "campanile serve: {status}");
        Ok(())
    }
}

/// Runs `work` against a server on a fresh data directory, given its address and an admin key; the server must end
/// well after it.
pub(crate) fn with_server<T>(
    binary: &Path,
    work: impl FnOnce(SocketAddr, &str) -> Result<T>,
) -> Result<T> {
    let data = tempfile::tempdir()?;
    let server = Server::start(binary, data.path(), &[])?;
    let done = work(server.api.address, &server.api.key);
    let stopped = server.stop();
    let done = done?;
    stopped?;
    Ok(done)
}

/// Builds the development binary and says where it is.
pub(crate) fn build_dev() -> Result<PathBuf> {
    let built = tree::cargo().args(["build", "--locked", "--package", "campanile"]).status()?;
    ensure!(built.success(), "the binary does not build");
    Ok(target().join("debug/campanile"))
}

/// Builds the release binary and says where it is.
pub(super) fn build() -> Result<PathBuf> {
    let built = tree::cargo().args(["build", "--release", "--package", "campanile"]).status()?;
    ensure!(built.success(), "the release binary does not build");
    Ok(target().join("release/campanile"))
}

/// Builds what only the store may do, and says where it is: the raw engine, and data directories made by hand.
pub(super) fn build_peer() -> Result<PathBuf> {
    let built = tree::cargo()
        .args(["build", "--release", "--package", "campanile-store", "--example", "bench_peer"])
        .status()?;
    ensure!(built.success(), "the store's example does not build");
    Ok(target().join("release/examples/bench_peer"))
}

/// A data directory with a campaign of so many contacts, so many attempts and so many bytes of variables each: the
/// ids of the campaign and of the contact in its middle.
pub(super) fn fill(peer: &Path, data: &Path, size: [u32; 3]) -> Result<(String, String)> {
    let filled = Command::new(peer)
        .arg("fill")
        .arg(data)
        .args(size.map(|each| each.to_string()))
        .output()?;
    ensure!(filled.status.success(), "bench_peer: {}", String::from_utf8_lossy(&filled.stderr));
    let told = String::from_utf8(filled.stdout)?;
    let (campaign, middle) = told.trim().split_once(' ').context("two ids")?;
    Ok((campaign.to_owned(), middle.to_owned()))
}

/// A draft without contacts, and all that it needs.
pub(super) fn empty_campaign(api: &Api) -> Result<String> {
    let carrier = json!({ "name": "nobody", "host": "192.0.2.1", "cps": 5, "channels": 30 });
    let carrier = api.post("/carriers", &carrier)?;
    let number =
        api.post("/numbers", &json!({ "e164": "+911140000000", "carrier_id": id(&carrier)? }))?;
    let bot = api.post("/bots", &json!({ "name": "b", "kind": "script", "settings": {} }))?;
    let campaign = api.post(
        "/campaigns",
        &json!({
            "name": "bench", "bot_id": id(&bot)?, "number_ids": [id(&number)?],
            "window": {"start": "00:00", "end": "24:00", "timezone": "Asia/Kolkata"},
        }),
    )?;
    id(&campaign)
}

/// The id that an answer names.
pub(super) fn id(made: &Value) -> Result<String> {
    made["id"].as_str().map(str::to_owned).with_context(|| format!("no id in {made}"))
}

pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| tree::root().join("target"), |target| tree::root().join(target))
}

/// The address of the console, which `serve` prints once it listens.
fn listening(process: &mut Running) -> Result<SocketAddr> {
    let out = process.child().stdout.take().context("stdout is piped")?;
    let (told, hear) = mpsc::sync_channel(1);
    // Reads to the end, so that the server never blocks on a full pipe.
    thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            if let Some(address) = console_address(&line) {
                // Nobody listens any more when the address is printed twice.
                let _ = told.try_send(address);
            }
        }
    });
    let limit = Duration::from_secs(20);
    hear.recv_timeout(limit).context("campanile serve did not say where it listens")
}

fn console_address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("http://")?;
    let end = rest
        .find(|letter: char| !letter.is_alphanumeric() && !matches!(letter, '.' | ':' | '[' | ']'))
        .unwrap_or(rest.len());
    rest[..end].trim_end_matches(['.', ':']).parse().ok()
}

fn key(binary: &Path, data: &Path) -> Result<String> {
    let made = Command::new(binary)
        .args(["key", "create", "--name", "bench", "--scope", "admin", "--data"])
        .arg(data)
        .output()?;
    ensure!(
        made.status.success(),
        "campanile key create: {}",
        String::from_utf8_lossy(&made.stderr)
    );
    Ok(String::from_utf8(made.stdout)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_what_serve_prints() {
        let address = Some("127.0.0.1:40123".parse().unwrap());
        for line in [
            "console  http://127.0.0.1:40123",
            "Console: http://127.0.0.1:40123/setup?token=abc",
            "listening on http://127.0.0.1:40123.",
        ] {
            assert_eq!(console_address(line), address, "{line}");
        }
        assert_eq!(console_address("sip 127.0.0.1:5060"), None);
    }
}
