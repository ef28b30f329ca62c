//! Ten times what the whole engine can place is asked of it: it places what it can all the same.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use serde_json::json;
use tempfile::TempDir;

use super::{
    calls::AT_ONCE,
    dialler::burst,
    server::{self, Server, id},
    sipp,
};

/// Calls a second asked for while the peak is looked for. The last is more than two cores place.
const STEPS: [u32; 4] = [1_000, 2_000, 3_000, 4_000];
/// How long each of these is measured, and the time afterwards.
const STEP: Duration = Duration::from_secs(8);
/// How long it is asked too much.
const CROWD: Duration = Duration::from_secs(30);
/// A campaign begins with an empty queue of claims.
const BEGIN: Duration = Duration::from_secs(2);
/// When all must be well again.
const RECOVERY: Duration = Duration::from_secs(5);
/// A carrier takes no more than this; beyond, several campaigns ask, of a carrier each.
const CARRIER_MAX: u32 = 10_000;
/// How many times the peak is asked for.
const TIMES: u32 = 10;
/// Of the peak, asked ten times as much; and of what is asked, afterwards.
const GOODPUT: f64 = 0.95;

/// What the campaigns of a phase came to, together.
struct Phase {
    /// Calls completed a second, once the beginning was over.
    goodput: f64,
    completed: u64,
    failed: u64,
}

/// Runs the phases, prints them, and fails when one of them does.
///
/// # Errors
///
/// When goodput falls below 95 % of the peak while ten times as much is asked, or below 95 % of
/// what is asked from five seconds later on; when more than one call in 1,000 fails.
pub(crate) fn run(binary: Option<PathBuf>) -> Result<()> {
    let binary = binary.map_or_else(server::build, Ok)?;
    println!(
        "the whole engine: campaigns against `sipp -sn uas` on this machine, calls hung up at once;\n\
         goodput is calls answered, hung up and durably completed a second, {AT_ONCE} lines"
    );
    let answering = sipp::Answering::start()?;
    let mut dialler = Crowded::start(&binary, &answering)?;
    let mut peak = 0.0_f64;
    for rate in STEPS {
        let phase = dialler.phase("asked for", rate, STEP, rate)?;
        peak = peak.max(phase.goodput);
    }
    let most = (peak * 1.3) as u32;
    let crowded = dialler.phase("asked ten times the peak:", TIMES * peak as u32, CROWD, most)?;
    let share = crowded.goodput / peak;
    println!("peak {peak:.0}/s; goodput {:.1} % of it under ten times as much", share * 100.0);

    thread::sleep(RECOVERY);
    let half = (peak / 2.0) as u32;
    let after = dialler.phase("5 s later, asked for half the peak:", half, STEP, half)?;
    let served = after.goodput / f64::from(half);
    println!("{:.1} % of what is asked then", served * 100.0);
    dialler.server.stop()?;

    ensure!(share >= GOODPUT, "goodput fell to {:.1} % of its peak", share * 100.0);
    ensure!(served >= GOODPUT, "only {:.1} % of what is asked afterwards", served * 100.0);
    for phase in [&crowded, &after] {
        let Phase { failed, completed, .. } = phase;
        ensure!(failed * 1_000 <= *completed, "{failed} calls failed, {completed} did not");
    }
    Ok(())
}

/// A server of which too much is asked.
struct Crowded {
    server: Server,
    bot: String,
    campaigns: u32,
    /// Numbers called so far: nobody is called twice.
    called: u32,
    target: SocketAddr,
    /// Removed at the end.
    _data: TempDir,
}

impl Crowded {
    fn start(binary: &Path, answering: &sipp::Answering) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let server = Server::start(binary, data.path(), &["--max-calls", &AT_ONCE.to_string()])?;
        let bot = server.api.post(
            "/bots",
            &json!({
                "name": "hangs up at once", "kind": "script",
                "settings": {"start": "end", "steps": {"end": {}}},
            }),
        )?;
        let (bot, target) = (id(&bot)?, answering.address());
        Ok(Self { server, bot, campaigns: 0, called: 0, target, _data: data })
    }

    /// Asks for `rate` calls a second, for so long; there are contacts for `most` a second.
    fn phase(&mut self, name: &str, rate: u32, time: Duration, most: u32) -> Result<Phase> {
        let parts = rate.div_ceil(CARRIER_MAX);
        let contacts = most * ((BEGIN + time).as_secs() as u32 + 2);
        let mut paths = Vec::new();
        for _ in 0..parts {
            let path = format!("/campaigns/{}", self.campaign(rate / parts)?);
            let csv = csv(self.called, contacts);
            let import = self.server.api.post_csv(&format!("{path}/contacts"), &csv)?;
            ensure!(import["accepted"] == contacts, "not every contact was accepted: {import}");
            self.called += contacts;
            paths.push(path);
        }
        self.each(&paths, "start")?;
        thread::sleep(BEGIN);
        let cpu = self.server.process.cpu()?;
        let (begun, [before, _]) = (Instant::now(), self.counts(&paths)?);
        thread::sleep(time);
        let (took, [then, _]) = (begun.elapsed(), self.counts(&paths)?);
        let used = self.server.process.cpu()? - cpu;
        let goodput = (then - before) as f64 / took.as_secs_f64();
        for path in &paths {
            let now = self.server.api.get(path)?;
            ensure!(now["status"] == "running", "{contacts} contacts were too few: {now}");
        }
        self.each(&paths, "stop")?;
        // What is up ends by itself, at once.
        thread::sleep(Duration::from_secs(1));
        let [completed, failed] = self.counts(&paths)?;
        println!(
            "{name} {rate}/s for {} s: {goodput:.1}/s; {completed} completed, {failed} failed, {:.2} cores, {:.0} MB",
            time.as_secs(),
            used / took.as_secs_f64(),
            self.server.process.memory()? as f64 / 1e6,
        );
        Ok(Phase { goodput, completed, failed })
    }

    fn each(&self, paths: &[String], action: &str) -> Result<()> {
        paths.iter().try_for_each(|path| self.server.api.act(&format!("{path}/{action}")).map(drop))
    }

    /// Contacts completed and failed, of all these campaigns.
    fn counts(&self, paths: &[String]) -> Result<[u64; 2]> {
        self.server.process.still_runs()?;
        let mut counts = [0; 2];
        for path in paths {
            let campaign = self.server.api.get(path)?;
            for (count, state) in counts.iter_mut().zip(["completed", "failed"]) {
                *count += campaign["counts"][state].as_u64().unwrap_or(0);
            }
        }
        Ok(counts)
    }

    fn campaign(&mut self, rate: u32) -> Result<String> {
        self.campaigns += 1;
        let Self { server: Server { api, .. }, campaigns: nth, target, .. } = self;
        let carrier = api.post(
            "/carriers",
            &json!({
                "name": format!("sipp {nth}"), "host": target.ip().to_string(),
                "port": target.port(), "transport": "udp", "auth": null,
                "cps": rate, "burst": burst(rate), "channels": AT_ONCE,
            }),
        )?;
        let number = api.post(
            "/numbers",
            &json!({"e164": format!("+91114000{nth:04}"), "carrier_id": id(&carrier)?}),
        )?;
        let campaign = api.post(
            "/campaigns",
            &json!({
                "name": format!("overload {nth}"), "bot_id": self.bot,
                "number_ids": [id(&number)?], "mode": "continuous", "concurrency": AT_ONCE,
                "max_attempts": 1,
                "window": {"start": "00:00", "end": "24:00", "timezone": "Asia/Kolkata"},
            }),
        )?;
        id(&campaign)
    }
}

/// Indian mobile numbers from the `first` on.
fn csv(first: u32, contacts: u32) -> String {
    let mut csv = String::from("phone_number\n");
    for number in first..first + contacts {
        writeln!(csv, "+91{}", 9_810_000_000 + u64::from(number))
            .expect("a String takes everything");
    }
    csv
}
