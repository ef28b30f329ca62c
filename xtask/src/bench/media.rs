//! `cargo xtask bench media`: many calls that talk both ways at once, beside a bare timer loop.

mod arrivals;
mod bare;
mod far_end;

use std::{
    fmt::Write as _,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Rounds, load_average, median, server};
use arrivals::Judged;
use far_end::FarEnd;

/// How many calls, how long.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Calls at once.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    calls: u32,
    /// Seconds that are measured of each round, for each of the two.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..=600))]
    seconds: u32,
    /// The far end sends no telephone events, so that every call listens for tones.
    #[arg(long)]
    tones: bool,
    #[command(flatten)]
    rounds: Rounds,
}

/// New calls a second until all are up.
const RATE: u32 = 200;
/// Quiet time between the last answer and the measuring.
const SETTLE: Duration = Duration::from_secs(3);

/// What one round of ours showed.
#[derive(Debug)]
struct Round {
    load: f64,
    /// CPU seconds of our process in a second, a hundred calls.
    cores: f64,
    /// Kilobytes that the process grew by, a call.
    memory: f64,
    ours: Judged,
    bare: Judged,
}

/// Measures round by round: the bare loop, then ours.
pub(crate) fn run(options: &Options) -> Result<()> {
    let binary = options.rounds.binary()?;
    let cores = thread::available_parallelism()?;
    if !options.rounds.json {
        println!(
            "{} calls at once, both ways, {} s measured, {} rounds in turns, {cores} cores; the kernel's arrival \
             times at the far end\n\n\
             round  load   bare loop: sent %  late ms p50    p99  p99.9   campanile: sent %  late ms p50    p99  \
             p99.9  cores/100  KB/call",
            options.calls, options.seconds, options.rounds.rounds
        );
    }
    let data = tempfile::tempdir()?;
    let far_end = FarEnd::start(!options.tones)?;
    let bench = Bench::new(&binary, data.path(), &far_end, options)?;
    let mut rounds = Vec::new();
    for number in 1..=options.rounds.rounds {
        let round = bench.round(number)?;
        print(options, &number.to_string(), &figures(&[&round]));
        rounds.push(round);
    }
    print(options, "median", &figures(&rounds.iter().collect::<Vec<_>>()));
    bench.server.stop()
}

/// A server with everything that a campaign needs.
struct Bench<'a> {
    server: server::Server,
    far_end: &'a FarEnd,
    options: &'a Options,
    bot: String,
    number: String,
    /// Bytes before the first call.
    idle: u64,
}

impl<'a> Bench<'a> {
    fn new(binary: &Path, data: &Path, far_end: &'a FarEnd, options: &'a Options) -> Result<Self> {
        let calls = (options.calls + 10).to_string();
        // Room for the calls of two rounds, away from the ports that the system gives out.
        let ports = format!("20000-{}", 20_000 + 4 * options.calls.max(100));
        let more = ["--max-calls", &calls, "--rtp-ports", &ports];
        let server = server::Server::start(binary, data, &more)?;
        let carrier = server.api.post(
            "/carriers",
            &json!({
                "name": "far end", "host": "127.0.0.1", "port": far_end.sip().port(), "transport": "udp",
                "auth": null, "cps": RATE, "burst": 10, "channels": options.calls + 10, "codecs": ["PCMA"],
            }),
        )?;
        let number = json!({"e164": "+911140000000", "carrier_id": server::id(&carrier)?});
        let number = server::id(&server.api.post("/numbers", &number)?)?;
        // Speaks without an end.
        let bot = json!({
            "name": "speaks on", "kind": "script",
            "settings": {"start": "on", "steps": {"on": {"say": ["greeting", "thanks"], "next": "on"}}},
        });
        let bot = server::id(&server.api.post("/bots", &bot)?)?;
        server.at_rest()?;
        let idle = server.process.memory()?;
        Ok(Self { server, far_end, options, bot, number, idle })
    }

    fn round(&self, number: u32) -> Result<Round> {
        let load = load_average()?;
        let window = Duration::from_secs(self.options.seconds.into());
        let bare = bare::run(self.options.calls, window)?;
        let (ours, cpu, memory) = self.ours(number, window).context("campanile")?;
        let calls = f64::from(self.options.calls);
        Ok(Round {
            load,
            cores: cpu / window.as_secs_f64() / calls * 100.0,
            memory: memory as f64 / 1_024.0 / calls,
            ours,
            bare,
        })
    }

    fn ours(&self, number: u32, window: Duration) -> Result<(Judged, f64, u64)> {
        let calls = self.options.calls;
        let ramp = Duration::from_secs(u64::from(calls / RATE) + 2);
        let campaign = self.server.api.post(
            "/campaigns",
            &json!({
                "name": format!("bench {number}"), "bot_id": self.bot, "number_ids": [self.number],
                "mode": "continuous", "concurrency": calls, "max_attempts": 1,
                "window": {"start": "00:00", "end": "24:00", "timezone": "Asia/Kolkata"},
            }),
        )?;
        let campaign = server::id(&campaign)?;
        let path = format!("/campaigns/{campaign}");
        let imported =
            self.server.api.post_csv(&format!("{path}/contacts"), &csv(number, calls))?;
        ensure!(imported["accepted"] == calls, "not every contact was accepted: {imported}");
        self.server.at_rest()?;
        self.server.api.act(&format!("{path}/start"))?;
        self.wait("answered", ramp * 3 + Duration::from_secs(20), |up| up >= calls)?;
        thread::sleep(SETTLE);
        let cpu = self.server.process.cpu()?;
        let judged = self.far_end.measure(window);
        let cpu = self.server.process.cpu()? - cpu;
        let memory = self.server.process.memory()?.saturating_sub(self.idle);
        ensure!(self.far_end.up() == calls, "only {} calls lasted", self.far_end.up());
        self.far_end.hang_up();
        self.wait("hung up", Duration::from_secs(60), |up| up == 0)?;
        let settled = self.settled(&path)?;
        ensure!(
            settled["counts"]["completed"] == calls,
            "not every call was completed: {settled:#}"
        );
        Ok((judged?, cpu, memory))
    }

    fn wait(&self, what: &str, limit: Duration, done: impl Fn(u32) -> bool) -> Result<()> {
        let deadline = Instant::now() + limit;
        while !done(self.far_end.up()) {
            self.server.process.still_runs()?;
            let up = self.far_end.up();
            ensure!(Instant::now() < deadline, "not all calls are {what}: {up} are up");
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn settled(&self, path: &str) -> Result<Value> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let now = self.server.api.get(path)?;
            if now["processed"] == self.options.calls || Instant::now() > deadline {
                return Ok(now);
            }
            thread::sleep(Duration::from_millis(200));
        }
    }
}

/// Medians of some rounds, by name.
fn figures(rounds: &[&Round]) -> Value {
    let of = |figure: &dyn Fn(&Round) -> f64| median(rounds.iter().map(|round| figure(round)));
    let side = |judged: fn(&Round) -> &Judged| {
        json!({
            "sent_percent": of(&|round| judged(round).sent_share() * 100.0),
            "arrived_percent": of(&|round| judged(round).arrived_share() * 100.0),
            "late_ms_p50": of(&|round| judged(round).late_ms(0.5)),
            "late_ms_p99": of(&|round| judged(round).late_ms(0.99)),
            "late_ms_p999": of(&|round| judged(round).late_ms(0.999)),
        })
    };
    json!({
        "load": of(&|round| round.load),
        "bare": side(|round| &round.bare),
        "campanile": side(|round| &round.ours),
        "cores_per_100_calls": of(&|round| round.cores),
        "kilobytes_per_call": of(&|round| round.memory),
        "late_p99_beyond_bare_ms": of(&|round| round.ours.late_ms(0.99) - round.bare.late_ms(0.99)),
    })
}

fn print(options: &Options, name: &str, figures: &Value) {
    if options.rounds.json {
        println!("{}", json!({ "round": name, "figures": figures }));
        return;
    }
    let number = |path: &str| figures.pointer(path).and_then(Value::as_f64).unwrap_or(f64::NAN);
    let side = |side: &str| {
        let of = |name: &str| number(&format!("/{side}/{name}"));
        format!(
            "{:>17.3} {:>12.2} {:>6.2} {:>6.2}",
            of("sent_percent"),
            of("late_ms_p50"),
            of("late_ms_p99"),
            of("late_ms_p999")
        )
    };
    println!(
        "{name:>6} {:>5.2} {} {} {:>10.4} {:>8.1}",
        number("/load"),
        side("bare"),
        side("campanile"),
        number("/cores_per_100_calls"),
        number("/kilobytes_per_call")
    );
}

/// Indian mobile numbers, other ones in each round.
fn csv(round: u32, calls: u32) -> String {
    let mut csv = String::from("phone_number,name\n");
    for index in 0..calls {
        let number = 9_820_000_000 + u64::from(round) * 10_000 + u64::from(index);
        writeln!(csv, "+91{number},Callee {index}").expect("a String takes everything");
    }
    csv
}
