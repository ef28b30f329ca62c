//! Our side: the release binary as a user runs it, driven through its API.

use std::{
    fmt::Write as _,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    calls::{AT_ONCE, Calls, Round},
    server::{Server, id},
    sipp,
};

/// `campanile serve` on a fresh data directory, with one carrier: the answering sipp.
#[derive(Debug)]
pub(super) struct Dialler {
    server: Server,
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
        let server = Server::start(binary, data.path(), &["--max-calls", &AT_ONCE.to_string()])?;
        let api = &server.api;
        let target = answering.address();
        let carrier = api.post(
            "/carriers",
            &json!({
                "name": "sipp", "host": target.ip().to_string(), "port": target.port(),
                "transport": "udp", "auth": null,
                // The rate is the limit, not the rest: seats and channels never hold a call back.
                "cps": options.rate, "burst": burst(options.rate), "channels": AT_ONCE,
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
        let (bot, number) = (id(&bot)?, id(&number)?);
        Ok(Self { server, bot, number, _data: data })
    }

    /// One campaign from its start to its last call.
    pub(super) fn call(&self, round: u32, options: &Calls) -> Result<Round> {
        let campaign = self.server.api.post(
            "/campaigns",
            &json!({
                "name": format!("bench {round}"), "bot_id": self.bot, "number_ids": [self.number],
                "mode": "continuous", "concurrency": AT_ONCE, "max_attempts": 1,
                "window": {"start": "00:00", "end": "24:00", "timezone": "Asia/Kolkata"},
            }),
        )?;
        let campaign = id(&campaign)?;
        let import = self
            .server
            .api
            .post_csv(&format!("/campaigns/{campaign}/contacts"), &csv(round, options))?;
        ensure!(import["accepted"] == options.calls, "not every contact was accepted: {import}");
        let cpu_before = self.server.process.cpu()?;
        let begun = Instant::now();
        self.server.api.act(&format!("/campaigns/{campaign}/start"))?;
        let settled = self.settled(&campaign, begun + sipp::limit(options), options)?;
        let seconds = begun.elapsed().as_secs_f64();
        let cpu = self.server.process.cpu()? - cpu_before;
        let completed = settled["counts"]["completed"].as_u64().unwrap_or(0);
        let failed = u64::from(options.calls).saturating_sub(completed);
        let fates = if failed == 0 { Vec::new() } else { self.fates(&campaign)? };
        Ok(Round { calls: options.calls, failed: u32::try_from(failed)?, seconds, cpu, fates })
    }

    /// What became of those that were not completed, the first ones.
    fn fates(&self, campaign: &str) -> Result<Vec<String>> {
        let list = self.server.api.get(&format!("/campaigns/{campaign}/contacts?state=failed"))?;
        let contacts = list["data"].as_array().cloned().unwrap_or_default();
        Ok(contacts.iter().map(|contact| contact["trail"].to_string()).collect())
    }

    /// Ends the server as a service manager would.
    pub(super) fn stop(self) -> Result<()> {
        self.server.stop()
    }

    /// The campaign once every contact is processed.
    fn settled(&self, campaign: &str, deadline: Instant, options: &Calls) -> Result<Value> {
        loop {
            let now = self.server.api.get(&format!("/campaigns/{campaign}"))?;
            if now["processed"] == options.calls {
                return Ok(now);
            }
            self.server.process.still_runs()?;
            if Instant::now() > deadline {
                let live = self.server.api.get(&format!("/campaigns/{campaign}/live"))?;
                bail!("the campaign is stuck: {now:#}\n{live:#}");
            }
            thread::sleep(Duration::from_millis(200));
        }
    }
}

/// Calls of a twentieth of a second, which may leave at once: sipp too makes up for what it was late with when the
/// processor was somebody else's.
pub(super) fn burst(rate: u32) -> u32 {
    (rate / 20).max(10)
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
    fn rounds_do_not_share_numbers() {
        let options = Calls { calls: 90_000, rate: 1, rounds: 2, binary: None, json: false };
        let (first, second) = (csv(1, &options), csv(2, &options));
        let last = first.lines().last().unwrap().split(',').next().unwrap();
        let next = second.lines().nth(1).unwrap().split(',').next().unwrap();
        assert!(last < next, "{last} {next}");
        assert_eq!(first.lines().count(), 90_001);
    }
}
