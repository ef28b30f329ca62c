//! `campanile demo`: a newcomer's first campaign, against the built-in carrier.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use bytes::Bytes;
use campanile_carrier::{CarrierConfig, Mix, SimCarrier, Summary};
use campanile_domain::{
    bot::BotKind,
    campaign::Status,
    carrier::{CarrierSettings, Direction},
    ids::CampaignId,
    settings::Settings,
    window::{Day, Window},
};
use campanile_engine::{EngineConfig, PublicAddress};
use campanile_store::{
    Change, Store,
    rows::{Actor, Role},
};
use campanile_web::csv_import::{ImportLimits, ImportOptions};
use clap::Args;
use jiff::Timestamp;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::Serialize;
use serde_json::json;

use crate::{
    record::{self, Comparison},
    serve::{self, Server},
};

/// Rings, talks and waits of the simulated callees shrink to this with `--fast`.
const FAST: f64 = 0.05;
/// What `--once` waits for at most; a demo that hangs must not hang a script.
const ONCE_LIMIT: Duration = Duration::from_secs(3_600);

/// Ctrl-C cuts calls that last longer than this.
const DRAIN: Duration = Duration::from_secs(3);

/// `campanile demo`
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// How many contacts the campaign has.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    contacts: u32,
    /// Address of the console; another free port is taken when this one is in use.
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// End when the campaign is completed, and compare the carrier's record with the
    /// database.
    #[arg(long)]
    once: bool,
    /// With --once: print the summary as one JSON object.
    #[arg(long, requires = "once")]
    json: bool,
    /// The same seed gives the same contacts and the same callees.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Short rings, talks and retry delays.
    #[arg(long)]
    fast: bool,
}

/// What `--once` prints.
#[derive(Debug, Serialize)]
struct DemoSummary {
    contacts: u64,
    processed: u64,
    attempts: u64,
    connected: u64,
    by_outcome: BTreeMap<&'static str, u64>,
    elapsed_seconds: f64,
    carrier_record: CarrierRecord,
}

#[derive(Debug, Serialize)]
struct CarrierRecord {
    invites: u64,
    answered: u64,
    distinct_numbers: u64,
}

pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<()> {
    let began = Instant::now();
    let dir = tempfile::tempdir().context("a temporary directory for the demo")?;
    let record = dir.path().join("carrier.jsonl");
    let carrier = start_carrier(&args, record.clone())?;
    let server = start_server(&args, &dir.path().join("data")).await?;
    let password = random_password();
    let campaign = prepare(&args, &server, &carrier, &password).await?;
    greet(&args, &server, &password);

    let ended = tokio::select! {
        ended = wait(&server.store, campaign, args.once) => ended?,
        _ = serve::end_signal() => Ended::Interrupted,
    };
    let Ended::Completed = ended else {
        server.stop().await;
        carrier.stop();
        return if args.once { bail!("interrupted") } else { Ok(()) };
    };

    let store = server.store.clone();
    server.stop().await;
    let record_summary = carrier.stop();
    report(&args, &store, campaign, &record, record_summary, began.elapsed()).await
}

fn start_carrier(args: &DemoArgs, record: PathBuf) -> anyhow::Result<SimCarrier> {
    SimCarrier::start(CarrierConfig {
        sip: SocketAddr::from(([127, 0, 0, 1], 0)),
        seed: args.seed,
        // Nobody opts out: the demo's contacts are all there at its end.
        mix: Mix { keys: "112".into(), ..Mix::default() },
        record: Some(record),
        time_scale: if args.fast { FAST } else { 1.0 },
        auth: None,
    })
    .context("the simulated carrier cannot start")
}

/// The console's usual address, else any free one: a demo should just start.
async fn start_server(args: &DemoArgs, data: &std::path::Path) -> anyhow::Result<Server> {
    let listen = args.listen.unwrap_or_else(crate::default_listen);
    let fallback = SocketAddr::new(listen.ip(), 0);
    let free = std::net::TcpListener::bind(listen).is_ok();
    let listen = if free || args.listen.is_some() { listen } else { fallback };
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let engine = EngineConfig {
        sip: SocketAddr::new(loopback, 0),
        sip_tcp_listen: None,
        sip_ca_file: None,
        public_address: PublicAddress::Ip(loopback),
        rtp_ports: 20_000..=29_999,
        max_calls: 500,
        daily_limits: Default::default(),
        drain: DRAIN,
        options_after: crate::config::OPTIONS_AFTER,
        dns_servers: Vec::new(),
    };
    Server::start(serve::open(data)?, listen, ImportLimits::default(), engine).await
}

fn random_password() -> String {
    let letters = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = rand::rng();
    (0..14).map(|_| letters[random.random_range(0..letters.len())] as char).collect()
}

/// The address one signs in to the demo with.
const DEMO_EMAIL: &str = "demo@campanile.local";

/// A user, a carrier, two numbers, a bot, a campaign with contacts from a CSV; and
/// starts it.
async fn prepare(
    args: &DemoArgs,
    server: &Server,
    carrier: &SimCarrier,
    password: &str,
) -> anyhow::Result<CampaignId> {
    let store = &server.store;
    let now = Timestamp::now();
    let hash = campanile_web::hash_password(password)?;
    let user = store.create_user(DEMO_EMAIL.into(), Role::Admin, hash, now).await?;
    let by = Actor { id: user.id.to_string(), name: user.email };

    let settings: CarrierSettings = serde_json::from_value(json!({
        "name": "Simulated carrier",
        "host": carrier.addr().ip().to_string(),
        "port": carrier.addr().port(),
        "cps": if args.fast { 50.0 } else { 5.0 },
        "burst": 2,
        "channels": 200,
    }))?;
    let carrier = store.create_carrier(settings, now).await?;
    let mut number_ids = Vec::new();
    for e164 in ["+912240001000", "+912240001001"] {
        let number = store
            .create_number(
                e164.parse()?,
                carrier.id,
                Some("Mumbai".into()),
                Direction::Outbound,
                now,
            )
            .await?;
        number_ids.push(number.id);
    }
    let bot = store.create_bot("Welcome script".into(), BotKind::Script, json!({}), now).await?;
    let campaign = store
        .create_campaign(
            Settings {
                name: "Demo: welcome calls".into(),
                bot_id: Some(bot.id),
                number_ids,
                concurrency: if args.fast { 100 } else { 20 },
                window: Window {
                    start: "00:00".into(),
                    end: "24:00".into(),
                    timezone: "Asia/Kolkata".into(),
                    days: Day::ALL.to_vec(),
                },
                ring_timeout_seconds: if args.fast { 15 } else { 30 },
                retry_delay_minutes: if args.fast { 0.03 } else { 0.5 },
                ..Settings::default()
            },
            by.clone(),
            now,
        )
        .await?;
    let csv = contacts(args.contacts, args.seed);
    let stream = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from(csv))]);
    let options = ImportOptions::new(server.app.import_limits);
    campanile_web::import_csv(store, campaign.id, stream, options, by.clone(), now).await?;
    store.start(campaign.id, by, Timestamp::now()).await?;
    Ok(campaign.id)
}

/// A contact file as a user would upload it: Indian mobile numbers that exist only
/// in the demo, with a name and an amount.
fn contacts(count: u32, seed: u64) -> String {
    const NAMES: &[&str] = &[
        "Deepa Patel",
        "Anil Nair",
        "Fatima Shaikh",
        "Vikram Rao",
        "Priya Khan",
        "Asha Gupta",
        "Imran Mathew",
        "Kavya Reddy",
        "Rohit Verma",
        "Sunita Joshi",
        "Harpreet Singh",
        "Lakshmi Menon",
    ];
    let mut random = StdRng::seed_from_u64(seed);
    let mut csv = String::from("phone_number,name,amount\n");
    for index in 0..count {
        let name = NAMES[random.random_range(0..NAMES.len())];
        let amount = random.random_range(20..400) * 50;
        csv += &format!("+9198{:08},{name},{amount}\n", 20_000_000 + index * 37);
    }
    csv
}

/// Where the console is and how to sign in. On stderr with `--json`: stdout is data.
fn greet(args: &DemoArgs, server: &Server, password: &str) {
    let text = format!(
        "Campanile demo: {} contacts, dialled through a simulated carrier on this machine\n\n  \
         Console   {}\n  Sign in   {DEMO_EMAIL}\n  Password  {password}\n",
        args.contacts, server.url
    );
    if args.json {
        eprintln!("{text}");
    } else {
        println!("{text}");
        if !args.once {
            println!("Ctrl-C ends it; nothing of the demo is kept.");
        }
    }
}

enum Ended {
    Completed,
    Interrupted,
}

/// Waits for the end of the campaign; without `--once`, for ever.
async fn wait(store: &Store, campaign: CampaignId, once: bool) -> anyhow::Result<Ended> {
    if !once {
        std::future::pending::<()>().await;
    }
    let deadline = Instant::now() + ONCE_LIMIT;
    let mut changes = store.changes();
    loop {
        let now = store.campaign(campaign).await?;
        match now.status {
            Status::Completed => return Ok(Ended::Completed),
            Status::Failed => {
                bail!("the campaign failed: {}", now.failure.unwrap_or_default());
            }
            Status::Draft | Status::Running | Status::Paused => {}
        }
        if Instant::now() > deadline {
            bail!("the campaign did not complete within an hour");
        }
        // Woken by the change that completes it; the second is for a lost wake-up.
        let _ = tokio::time::timeout(Duration::from_secs(1), async {
            while let Ok(change) = changes.recv().await {
                if change == Change::Campaign(campaign) {
                    break;
                }
            }
        })
        .await;
    }
}

/// The summary, and whether the carrier's record agrees.
async fn report(
    args: &DemoArgs,
    store: &Store,
    campaign: CampaignId,
    record: &std::path::Path,
    seen: Summary,
    elapsed: Duration,
) -> anyhow::Result<()> {
    let row = store.campaign(campaign).await?;
    let attempts = record::attempts(store, campaign).await?;
    let Comparison { invites, mut differences } = record::compare(record, &attempts)?;
    if invites != seen.invites {
        differences.push(format!("{invites} lines on record, {} INVITEs counted", seen.invites));
    }
    let mut by_outcome = BTreeMap::new();
    for attempt in &attempts {
        match attempt.outcome {
            Some(outcome) => *by_outcome.entry(outcome.word()).or_default() += 1,
            None => differences.push(format!("attempt {} has no outcome", attempt.id)),
        }
    }
    let processed = row.processed();
    if processed != row.total() {
        differences.push(format!("{processed} of {} contacts are processed", row.total()));
    }
    let summary = DemoSummary {
        contacts: row.total(),
        processed,
        attempts: attempts.len() as u64,
        connected: row.sums.connected,
        by_outcome,
        elapsed_seconds: (elapsed.as_secs_f64() * 10.0).round() / 10.0,
        carrier_record: CarrierRecord {
            invites,
            answered: seen.answered,
            distinct_numbers: seen.distinct_numbers,
        },
    };
    if args.json {
        println!("{}", serde_json::to_string(&summary)?);
    } else {
        print_summary(&summary);
    }
    for difference in &differences {
        eprintln!("difference: {difference}");
    }
    if !differences.is_empty() {
        bail!("the carrier's record and the database differ in {} points", differences.len());
    }
    Ok(())
}

fn print_summary(summary: &DemoSummary) {
    println!(
        "{} of {} contacts processed in {} s: {} attempts, {} connected",
        summary.processed,
        summary.contacts,
        summary.elapsed_seconds,
        summary.attempts,
        summary.connected
    );
    for (outcome, count) in &summary.by_outcome {
        println!("  {count:>6}  {outcome}");
    }
    println!(
        "The carrier's record agrees: {} INVITEs to {} numbers, {} answered.",
        summary.carrier_record.invites,
        summary.carrier_record.distinct_numbers,
        summary.carrier_record.answered
    );
}
