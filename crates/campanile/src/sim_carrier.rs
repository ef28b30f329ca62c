//! `campanile carrier`: the simulated carrier as a process of its own.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Context;
use campanile_carrier::{BadLine, CarrierConfig, Impairment, Mix, SimCarrier};
use clap::Args;

/// `campanile carrier`
#[derive(Debug, Args)]
pub(crate) struct CarrierArgs {
    /// Address of SIP over UDP; port 0 picks a free one.
    #[arg(long, default_value = "127.0.0.1:5080")]
    sip: SocketAddr,
    /// The same seed gives every number the same fate.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// JSON file that says how many phones answer, ring out, are busy, …
    #[arg(long)]
    mix: Option<PathBuf>,
    /// Write one JSON line per INVITE received to this file.
    #[arg(long)]
    record: Option<PathBuf>,
    /// A bad line, for SIP and RTP in both directions: any of `loss`, `duplicate` and `reorder`
    /// (chances between 0 and 1), `delay_ms` and `jitter_ms`, such as `loss=0.05,jitter_ms=60`.
    #[arg(long, value_name = "NAME=NUMBER,…")]
    impair: Option<Impairment>,
}

pub(crate) async fn run(args: CarrierArgs) -> anyhow::Result<()> {
    let mix = match &args.mix {
        None => Mix::default(),
        Some(path) => read_mix(path)?,
    };
    let config = CarrierConfig {
        sip: args.sip,
        seed: args.seed,
        mix,
        record: args.record,
        time_scale: 1.0,
        auth: None,
    };
    let carrier = match args.impair {
        Some(impairment) => SimCarrier::start_on(config, BadLine::all(impairment)),
        None => SimCarrier::start(config),
    };
    let carrier =
        carrier.with_context(|| format!("the simulated carrier cannot listen on {}", args.sip))?;
    println!("sip  udp {}", carrier.addr());
    crate::serve::end_signal().await;
    let passed = carrier.passed();
    let summary = carrier.stop();
    eprintln!(
        "{} INVITEs, {} answered, {} numbers",
        summary.invites, summary.answered, summary.distinct_numbers
    );
    if args.impair.is_some() {
        eprintln!("line {}", serde_json::to_string(&passed)?);
    }
    Ok(())
}

fn read_mix(path: &std::path::Path) -> anyhow::Result<Mix> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the mix {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("the mix {} has a fault", path.display()))
}
