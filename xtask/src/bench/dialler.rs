//! Our side: the release binary as a user runs it, driven through its API.

use std::{
    env,
    fmt::Write as _,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{AT_ONCE, Calls, Round, http::Api, process::Running, sipp};
use crate::tree;

/// `campanile serve` on a fresh data directory, with one carrier: the answering sipp.
#[derive(Debug)]
pub(super) struct Dialler {
    process: Running,
    api: Api,
    bot: String,
    number: String,
    /// Removed at the end.
    _data: TempDir,
}

impl Dialler {
    /// Starts the server and enters carrier, number and bot.
    pub(super) fn start(
        binary: &Path,
        answering: &sipp::Answering,
        options: &Calls,
    ) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let mut command = Command::new(binary);
        command
            .arg("serve")
            .arg("--data")
            .arg(data.path())
            .args(["--listen", "127.0.0.1:0", "--sip", "127.0.0.1:0"])
            .args(["--max-calls", &AT_ONCE.to_string()])
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut process = Running::start("campanile serve", &mut command)?;
        let address = listening(&mut process)?;
        let key = key(binary, data.path())?;
        let api = Api { address, key };
        let target = answering.address();
        let carrier = api.post(
            "/carriers",
            &json!({
                "name": "sipp", "host": target.ip().to_string(), "port": target.port(),
                "transport": "udp", "auth": null,
                // The rate is the limit, not the rest: seats and channels never hold a call back.
                "cps": options.rate, "burst": 10, "channels": AT_ONCE,
            }),
        )?;
        let number =
            api.post("/numbers", &json!({"e164": "+911140000000", "carrier_id": id(&carrier)?}))?;
        let bot = api.post(
            "/bots",
            &json!({
                "name": "hangs up at once", "kind": "script",
                "settings": {"start": "end", "steps": {"end": {}}},
            }),
        )?;
        Ok(Self { process, bot: id(&bot)?, number: id(&number)?, api, _data: data })
    }

    /// One campaign from its start to its last call.
    pub(super) fn call(&self, round: u32, options: &Calls) -> Result<Round> {
        let campaign = self.api.post(
            "/campaigns",
            &json!({
                "name": format!("bench {round}"), "bot_id": self.bot, "number_ids": [self.number],
                "mode": "continuous", "concurrency": AT_ONCE, "max_attempts": 1,
                "window": {"start": "00:00", "end": "24:00", "timezone": "Asia/Kolkata"},
            }),
        )?;
        let campaign = id(&campaign)?;
        let import =
            self.api.post_csv(&format!("/campaigns/{campaign}/contacts"), &csv(round, options))?;
        ensure!(import["accepted"] == options.calls, "not every contact was accepted: {import}");
        let cpu_before = self.process.cpu()?;
        let begun = Instant::now();
        self.api.act(&format!("/campaigns/{campaign}/start"))?;
        let settled = self.settled(&campaign, begun + sipp::limit(options), options)?;
        let seconds = begun.elapsed().as_secs_f64();
        let cpu = self.process.cpu()? - cpu_before;
        let completed = settled["counts"]["completed"].as_u64().unwrap_or(0);
        let failed = u64::from(options.calls).saturating_sub(completed);
        Ok(Round { calls: options.calls, failed: u32::try_from(failed)?, seconds, cpu })
    }

    /// Ends the server as a service manager would.
    pub(super) fn stop(self) -> Result<()> {
        let status = self.process.stop(Duration::from_secs(60))?;
        ensure!(status.success(), "campanile serve: {status}");
        Ok(())
    }

    /// The campaign once every contact is processed.
    fn settled(&self, campaign: &str, deadline: Instant, options: &Calls) -> Result<Value> {
        loop {
            let now = self.api.get(&format!("/campaigns/{campaign}"))?;
            if now["processed"] == options.calls {
                return Ok(now);
            }
            self.process.still_runs()?;
            if Instant::now() > deadline {
                let live = self.api.get(&format!("/campaigns/{campaign}/live"))?;
                bail!("the campaign is stuck: {now:#}\n{live:#}");
            }
            thread::sleep(Duration::from_millis(200));
        }
    }
}

/// Builds the release binary and says where it is.
pub(super) fn build() -> Result<PathBuf> {
    let built = tree::cargo().args(["build", "--release", "--package", "campanile"]).status()?;
    ensure!(built.success(), "the release binary does not build");
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| tree::root().join("target"), |target| tree::root().join(target));
    Ok(target.join("release/campanile"))
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

fn id(made: &Value) -> Result<String> {
    made["id"].as_str().map(str::to_owned).with_context(|| format!("no id in {made}"))
}

/// Indian mobile numbers, other ones in each round.
fn csv(round: u32, options: &Calls) -> String {
    let mut csv = String::from("phone_number,name\n");
    for index in 0..options.calls {
        let number = 9_810_000_000 + u64::from(round) * 100_000 + u64::from(index);
        writeln!(csv, "+91{number},Callee {index}").expect("a String takes everything");
    }
    csv
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

    #[test]
    fn rounds_do_not_share_numbers() {
        let options = Calls { calls: 90_000, rate: 1, rounds: 2, binary: None, json: false };
        let (first, second) = (csv(1, &options), csv(2, &options));
        let last = first.lines().last().unwrap().split(',').next().unwrap();
        let next = second.lines().nth(1).unwrap().split(',').next().unwrap();
        assert!(last < next, "{last} {next}");
        assert_eq!(first.lines().count(), 90_001);
    }
}
