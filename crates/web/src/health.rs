//! `/healthz`, `/readyz` and `/metrics`: for machines that watch the machine.

use std::sync::atomic::AtomicU64;

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use campanile_domain::campaign::Status;
use campanile_store::rows::CampaignFilter;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{family::Family, gauge::Gauge, info::Info},
    registry::Registry,
};
use serde_json::json;

use crate::{app::App, problem::Problem};

/// Campaigns that one scrape looks at; more are a sign that something else should
/// count them.
const CAMPAIGNS_MAX: u32 = 500;

/// Alive: the process answers.
pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// Ready: a write would be taken, and a dialler reports.
pub(crate) async fn ready(State(app): State<App>) -> Response {
    let store = app.store.ready().await.map_err(|error| error.to_string());
    let dialler = app.engine.load().ok_or("no dialler reports");
    let is_ready = store.is_ok() && dialler.is_ok();
    let body = json!({
        "ready": is_ready,
        "store": store.err().unwrap_or_else(|| "ok".into()),
        "dialler": dialler.err().unwrap_or("ok"),
    });
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(body)).into_response()
}

/// Figures in the OpenMetrics text format. Everything is read from counters that
/// are kept anyway; a scrape counts nothing.
pub(crate) async fn metrics(State(app): State<App>) -> Result<Response, Problem> {
    let mut text = String::new();
    encode(&mut text, &registry(&app).await?).expect("writing to a string does not fail");
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

type Float = Gauge<f64, AtomicU64>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByStatus {
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByState {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByCarrier {
    carrier: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    reason: &'static str,
}

/// A registry of one scrape: there is nothing to keep between two.
async fn registry(app: &App) -> Result<Registry, Problem> {
    let mut registry = Registry::with_prefix("campanile");
    registry.register("build", "Version of this build", Info::new([("version", app.version)]));
    engine(app, &mut registry);
    process(app, &mut registry);

    let campaigns = Family::<ByStatus, Gauge>::default();
    let contacts = Family::<ByState, Gauge>::default();
    let reasons = Family::<ByReason, Gauge>::default();
    let [ringing, in_progress, seats]: [Gauge; 3] = Default::default();
    let dials = Float::default();
    let resting = Family::<ByCarrier, Gauge>::default();
    let channels = Family::<ByCarrier, Gauge>::default();
    for status in [Status::Running, Status::Paused] {
        let filter =
            CampaignFilter { status: Some(status), limit: CAMPAIGNS_MAX, ..Default::default() };
        let found = app.store.campaigns(filter).await?;
        campaigns.get_or_create(&ByStatus { status: status.word() }).set(found.len() as i64);
        for campaign in found {
            for (state, count) in &campaign.counts {
                contacts.get_or_create(&ByState { state: state.word() }).inc_by(*count as i64);
            }
            let Some(view) = app.live.latest(campaign.id) else { continue };
            reasons.get_or_create(&ByReason { reason: view.reason.code.word() }).inc();
            ringing.inc_by(i64::from(view.ringing));
            in_progress.inc_by(i64::from(view.in_progress));
            seats.inc_by(i64::from(view.seats));
            dials.inc_by(view.dials_per_second.unwrap_or(0.0));
            for load in &view.carriers {
                let carrier = ByCarrier { carrier: load.carrier.to_string() };
                resting
                    .get_or_create(&carrier)
                    .set(i64::from(load.resting_until.is_some_and(|until| until > view.at)));
                channels.get_or_create(&carrier).set(i64::from(load.channels_used));
            }
        }
    }
    registry.register("campaigns", "Campaigns by status, running and paused", campaigns);
    registry.register("contacts", "Contacts of running and paused campaigns by state", contacts);
    registry.register("campaigns_held", "Campaigns by what holds their dialling", reasons);
    registry.register("calls_ringing", "Calls that ring or were sent", ringing);
    registry.register("calls_in_progress", "Calls connected to a bot", in_progress);
    registry.register("seats", "Seats of the campaigns that report", seats);
    registry.register("dials_per_second", "INVITEs of the last 10 s, a second", dials);
    registry.register("carrier_resting", "1 while a carrier rests after failures", resting);
    registry.register("carrier_channels_used", "Calls up on a carrier", channels);
    Ok(registry)
}

/// What must come back to where it was once calls are over.
fn process(app: &App, registry: &mut Registry) {
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    for (name, help, value) in [
        ("tasks", "Tasks that are alive", tasks as u64),
        ("wal_bytes", "Size of the write-ahead log", app.store.write_stats().wal_bytes),
    ] {
        let gauge = <Gauge>::default();
        gauge.set(value as i64);
        registry.register(name, help, gauge);
    }
}

fn engine(app: &App, registry: &mut Registry) {
    let load = app.engine.load();
    let up = <Gauge>::default();
    up.set(i64::from(load.is_some()));
    registry.register("dialler_up", "1 while a dialler reports", up);
    let Some(load) = load else { return };
    for (name, help, value) in [
        ("calls_up", "Calls between INVITE and end", load.calls_up),
        ("calls_max", "The most that --max-calls allows", load.calls_max),
        ("rtp_ports_used", "RTP ports in use or resting", load.rtp_ports_used),
        ("rtp_ports", "RTP ports of the range", load.rtp_ports),
        ("kept_calls", "Calls up, or ended less than 32 s ago", load.kept_calls),
        ("sip_connections", "TCP and TLS connections of SIP", load.connections),
    ] {
        let gauge = <Gauge>::default();
        gauge.set(value as i64);
        registry.register(name, help, gauge);
    }
}
