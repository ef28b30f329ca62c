//! What a campaign is doing now, and its figures.

use axum::{
    Json,
    extract::{Path, State},
};
use campanile_domain::{
    campaign::Status,
    figures::PassRow,
    ids::CampaignId,
    live::{CarrierLoad, LiveState, LiveView},
    outcome::Outcome,
    why::{Reason, ReasonCode},
};
use campanile_store::rows::{Campaign, RunFigures};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    api::{
        callbacks,
        campaigns::{Ratios, read_id},
        page::Query,
    },
    app::{App, to_millisecond},
    auth::Caller,
    problem::Problem,
    service,
};

/// `GET /campaigns/{id}/live` (api.md).
#[derive(Serialize, JsonSchema)]
pub(crate) struct Live {
    /// A named state of MO-4; the status of a campaign that does not dial.
    state: &'static str,
    reason: String,
    reason_code: ReasonCode,
    #[schemars(with = "Option<campanile_domain::schema::Time>")]
    until: Option<Timestamp>,
    ringing: u32,
    in_progress: u32,
    dials_per_second: Option<f64>,
    connected_per_hour: Option<f64>,
    avg_ring_seconds: Option<f64>,
    #[schemars(with = "Option<campanile_domain::schema::Time>")]
    last_dial_at: Option<Timestamp>,
    seats: u32,
    eta_seconds: Option<u64>,
    passes: Vec<PassRow>,
    carriers: Vec<CarrierLoad>,
    /// When this was true; null when the dialler has not reported.
    #[schemars(with = "Option<campanile_domain::schema::Time>")]
    at: Option<Timestamp>,
}

impl Live {
    /// The engine's view, if it is of the current run; else what the row says.
    pub(crate) fn of(campaign: &Campaign, view: Option<&LiveView>, passes: Vec<PassRow>) -> Self {
        match view.filter(|view| view.run == campaign.run) {
            Some(view) => Self {
                state: state_word(campaign.status, Some(view.state)),
                reason: view.reason.sentence.clone(),
                reason_code: view.reason.code,
                until: view.reason.until.map(to_millisecond),
                ringing: view.ringing,
                in_progress: view.in_progress,
                dials_per_second: view.dials_per_second,
                connected_per_hour: view.connected_per_hour,
                avg_ring_seconds: view.avg_ring_seconds,
                last_dial_at: view.last_dial_at.map(to_millisecond).or(campaign.last_dial_at),
                seats: view.seats,
                eta_seconds: view.eta_seconds,
                passes,
                carriers: view.carriers.iter().map(told).collect(),
                at: Some(to_millisecond(view.at)),
            },
            None => {
                let Reason { code, sentence, until } = unreported(campaign.status);
                Self {
                    state: state_word(campaign.status, None),
                    reason: sentence,
                    reason_code: code,
                    until,
                    ringing: 0,
                    in_progress: 0,
                    dials_per_second: None,
                    connected_per_hour: None,
                    avg_ring_seconds: campaign.sums.metrics().avg_ring_seconds,
                    last_dial_at: campaign.last_dial_at,
                    seats: campaign.settings.concurrency,
                    eta_seconds: None,
                    passes,
                    carriers: Vec::new(),
                    at: None,
                }
            }
        }
    }
}

fn told(load: &CarrierLoad) -> CarrierLoad {
    CarrierLoad { resting_until: load.resting_until.map(to_millisecond), ..load.clone() }
}

fn state_word(status: Status, live: Option<LiveState>) -> &'static str {
    match (status, live) {
        // Paused by a person is known at once, before the dialler reports it.
        (Status::Paused, _) => LiveState::Paused.word(),
        (Status::Running, Some(state)) => state.word(),
        (Status::Running, None) => LiveState::Idle.word(),
        (Status::Completed | Status::Failed, Some(LiveState::Draining)) => {
            LiveState::Draining.word()
        }
        (Status::Draft | Status::Completed | Status::Failed, _) => status.word(),
    }
}

/// Why a campaign does not dial that no dialler has reported.
fn unreported(status: Status) -> Reason {
    let (code, sentence) = match status {
        Status::Draft => (ReasonCode::Paused, "Not started."),
        Status::Running => (ReasonCode::DiallerDown, "The dialler has not reported yet."),
        Status::Paused => (ReasonCode::Paused, "Paused by a person."),
        Status::Completed => (ReasonCode::NothingLeft, "The run is over."),
        Status::Failed => (ReasonCode::NothingLeft, "The run failed."),
    };
    Reason { code, sentence: sentence.into(), until: None }
}

pub(crate) async fn one(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Json<Live>, Problem> {
    let id: CampaignId = read_id(&id)?;
    let campaign = service::campaigns::get(&app, &who, id).await?;
    let figures = service::campaigns::figures(&app, &who, id, None).await?;
    let view = service::campaigns::live(&app, &who, id).await?;
    Ok(Json(Live::of(&campaign, view.as_deref(), figures.passes)))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunQuery {
    pub(crate) run: Option<u32>,
}

/// The figures of a run (`GET /campaigns/{id}/stats`).
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RunFigures")]
pub(crate) struct Stats {
    campaign_id: CampaignId,
    run: u32,
    dials: u64,
    attempts: u64,
    answered: u64,
    connected: u64,
    conversations: u64,
    abandoned: u64,
    talk_seconds: f64,
    metrics: Ratios,
    avg_ring_seconds: Option<f64>,
    /// Attempts by outcome; every outcome is there.
    #[schemars(with = "std::collections::BTreeMap<String, u64>")]
    by_outcome: Map<String, Value>,
    passes: Vec<PassRow>,
    callbacks: callbacks::Figures,
}

/// Sums, ratios, passes and outcomes of a run.
pub(crate) async fn stats(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Query(query): Query<RunQuery>,
) -> Result<Json<Stats>, Problem> {
    let id = read_id(&id)?;
    let campaign = service::campaigns::get(&app, &who, id).await?;
    let run = query.run.unwrap_or(campaign.run);
    let RunFigures { sums, passes, outcomes, callbacks } =
        service::campaigns::figures(&app, &who, id, Some(run)).await?;
    let count = |outcome: &Outcome| {
        let found = outcomes.iter().find(|(each, _)| each == outcome);
        found.map_or(0, |(_, count)| *count)
    };
    Ok(Json(Stats {
        campaign_id: id,
        run,
        dials: sums.dials,
        attempts: sums.attempts,
        answered: sums.answered,
        connected: sums.connected,
        conversations: sums.conversations,
        abandoned: sums.abandoned,
        talk_seconds: sums.talk_ms as f64 / 1_000.0,
        metrics: Ratios::from(&sums),
        avg_ring_seconds: sums.metrics().avg_ring_seconds,
        by_outcome: Outcome::ALL
            .iter()
            .map(|outcome| (outcome.word().to_owned(), count(outcome).into()))
            .collect(),
        passes,
        callbacks: callbacks.into(),
    }))
}
