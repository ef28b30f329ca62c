//! Campaigns: made, looked at, started and stopped.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
};
use campanile_domain::{
    campaign::{CompletionReason, Status},
    contact::{ContactClass, ContactState},
    field::FieldError,
    ids::CampaignId,
    settings::Settings,
};
use campanile_store::rows::{Activity, Actor, Campaign, CampaignFilter, SetupSnapshot, Stamp};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    api::{
        body::Object,
        created,
        page::{Page, PageQuery, Query},
        path_id,
    },
    app::App,
    auth::Caller,
    problem::Problem,
    service,
};

/// A campaign as the API shows it: its settings, and where it stands.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Campaign")]
pub(crate) struct View {
    id: CampaignId,
    status: Status,
    run: u32,
    revision: u32,
    completion_reason: Option<CompletionReason>,
    failure: Option<String>,
    prepared_run: Option<u32>,
    /// Contacts of the current run by state; every state is there.
    #[schemars(with = "std::collections::BTreeMap<String, u64>")]
    counts: Map<String, Value>,
    /// Contacts in a final state.
    processed: u64,
    /// Contacts that are not excluded: `processed / total` is the progress (CT-8).
    total: u64,
    metrics: Ratios,
    #[schemars(with = "Option<campanile_domain::schema::Time>")]
    last_dial_at: Option<Timestamp>,
    #[schemars(with = "campanile_domain::schema::Time")]
    created_at: Timestamp,
    created_by: Actor,
    #[schemars(with = "Option<campanile_domain::schema::Time>")]
    started_at: Option<Timestamp>,
    started_by: Option<Actor>,
    #[schemars(with = "Option<campanile_domain::schema::Time>")]
    paused_at: Option<Timestamp>,
    paused_by: Option<Actor>,
    #[schemars(with = "Option<campanile_domain::schema::Time>")]
    resumed_at: Option<Timestamp>,
    resumed_by: Option<Actor>,
    #[schemars(with = "Option<campanile_domain::schema::Time>")]
    ended_at: Option<Timestamp>,
    ended_by: Option<Actor>,
    #[serde(flatten)]
    settings: Settings,
}

/// The ratios of R-12, 0 to 1; null when nothing was counted yet.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Ratios {
    answer_rate: Option<f64>,
    completion_rate: Option<f64>,
    abandon_rate: Option<f64>,
    aht_seconds: Option<f64>,
}

impl From<&campanile_domain::figures::Sums> for Ratios {
    fn from(sums: &campanile_domain::figures::Sums) -> Self {
        let metrics = sums.metrics();
        Self {
            answer_rate: metrics.answer_rate,
            completion_rate: metrics.completion_rate,
            abandon_rate: metrics.abandon_rate,
            aht_seconds: metrics.aht_seconds,
        }
    }
}

/// How far a campaign has come.
pub(crate) struct Progress {
    pub(crate) counts: Map<String, Value>,
    pub(crate) processed: u64,
    pub(crate) total: u64,
}

impl Progress {
    pub(crate) fn of(campaign: &Campaign) -> Self {
        let mut progress = Self { counts: Map::new(), processed: 0, total: 0 };
        for state in ContactState::ALL {
            let count = campaign.count(*state);
            progress.counts.insert(state.word().to_owned(), count.into());
            match state.class() {
                ContactClass::Final => {
                    progress.processed += count;
                    progress.total += count;
                }
                ContactClass::Waiting | ContactClass::Active => progress.total += count,
                ContactClass::Excluded => {}
            }
        }
        progress
    }
}

impl From<Campaign> for View {
    fn from(campaign: Campaign) -> Self {
        let Progress { counts, processed, total } = Progress::of(&campaign);
        let split = |stamp: Option<Stamp>| stamp.map(|stamp| (stamp.at, stamp.by)).unzip();
        let (started_at, started_by) = split(campaign.started);
        let (paused_at, paused_by) = split(campaign.paused);
        let (resumed_at, resumed_by) = split(campaign.resumed);
        let (ended_at, ended_by) = split(campaign.ended);
        Self {
            id: campaign.id,
            status: campaign.status,
            run: campaign.run,
            revision: campaign.revision,
            completion_reason: campaign.completion_reason,
            failure: campaign.failure,
            // A draft that has run waits for the Start of the run that was prepared.
            prepared_run: (campaign.status == Status::Draft && campaign.has_run)
                .then_some(campaign.run),
            counts,
            processed,
            total,
            metrics: Ratios::from(&campaign.sums),
            last_dial_at: campaign.last_dial_at,
            created_at: campaign.created.at,
            created_by: campaign.created.by,
            started_at,
            started_by,
            paused_at,
            paused_by,
            resumed_at,
            resumed_by,
            ended_at,
            ended_by,
            settings: Settings::clone(&campaign.settings),
        }
    }
}

type Answer = Result<Json<View>, Problem>;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    status: Option<String>,
    search: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(crate) async fn list(
    State(app): State<App>,
    Caller(who): Caller,
    Query(query): Query<ListQuery>,
) -> Result<Page<View>, Problem> {
    let status = query.status.as_deref().map(read_status).transpose()?;
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let limit = page.limit()?;
    let filter = CampaignFilter {
        status,
        search: query.search.filter(|search| !search.trim().is_empty()),
        after: page.after()?,
        limit: limit + 1,
    };
    let campaigns = service::campaigns::list(&app, &who, filter).await?;
    Ok(Page::of(campaigns, limit, |campaign| campaign.id, View::from))
}

pub(crate) async fn create(
    State(app): State<App>,
    Caller(who): Caller,
    Object(settings): Object,
) -> Result<impl IntoResponse, Problem> {
    let campaign = service::campaigns::create(&app, &who, &settings).await?;
    Ok(created(format!("/api/v1/campaigns/{}", campaign.id), View::from(campaign)))
}

pub(crate) async fn one(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Answer {
    Ok(Json(service::campaigns::get(&app, &who, read_id(&id)?).await?.into()))
}

pub(crate) async fn update(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Object(patch): Object,
) -> Answer {
    Ok(Json(service::campaigns::update(&app, &who, read_id(&id)?, &patch).await?.into()))
}

pub(crate) async fn delete(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    service::campaigns::delete(&app, &who, read_id(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn start(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Answer {
    Ok(Json(service::campaigns::start(&app, &who, read_id(&id)?).await?.into()))
}

pub(crate) async fn pause(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Answer {
    Ok(Json(service::campaigns::pause(&app, &who, read_id(&id)?).await?.into()))
}

pub(crate) async fn resume(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Answer {
    Ok(Json(service::campaigns::resume(&app, &who, read_id(&id)?).await?.into()))
}

pub(crate) async fn stop(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Answer {
    Ok(Json(service::campaigns::stop(&app, &who, read_id(&id)?).await?.into()))
}

pub(crate) async fn restart(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Answer {
    Ok(Json(service::campaigns::restart(&app, &who, read_id(&id)?).await?.into()))
}

pub(crate) async fn cancel_restart(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Answer {
    Ok(Json(service::campaigns::cancel_restart(&app, &who, read_id(&id)?).await?.into()))
}

/// The log, newest first, in pages by position.
pub(crate) async fn activity(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Query(page): Query<PageQuery>,
) -> Result<Page<Activity>, Problem> {
    let limit = page.limit()?;
    let before = page.after::<i64>()?;
    let mut entries = service::campaigns::activity(&app, &who, read_id(&id)?).await?;
    entries.retain(|entry| before.is_none_or(|before| entry.seq < before));
    Ok(Page::of(entries, limit, |entry| entry.seq, |entry| entry))
}

/// The setup as it was from one Start or edit on (CL-15).
#[derive(Serialize, JsonSchema)]
pub(crate) struct Revision {
    run: u32,
    revision: u32,
    #[schemars(with = "campanile_domain::schema::Time")]
    at: Timestamp,
    setup: Value,
}

/// The setup of the latest revision, and the earlier ones, in pages by revision.
pub(crate) async fn setup(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Query(page): Query<PageQuery>,
) -> Result<Page<Revision>, Problem> {
    let limit = page.limit()?;
    let before = page.after::<u64>()?;
    let place =
        |snapshot: &SetupSnapshot| u64::from(snapshot.run) << 32 | u64::from(snapshot.revision);
    let mut snapshots = service::campaigns::setup_snapshots(&app, &who, read_id(&id)?).await?;
    snapshots.retain(|snapshot| before.is_none_or(|before| place(snapshot) < before));
    let show = |snapshot: SetupSnapshot| Revision {
        run: snapshot.run,
        revision: snapshot.revision,
        at: snapshot.at,
        setup: snapshot.setup,
    };
    Ok(Page::of(snapshots, limit, place, show))
}

pub(crate) fn read_id(text: &str) -> Result<CampaignId, Problem> {
    path_id(text, "campaign")
}

fn read_status(word: &str) -> Result<Status, Problem> {
    Status::from_word(word).ok_or_else(|| {
        let words: Vec<_> = Status::ALL.iter().map(|status| status.word()).collect();
        Problem::invalid(vec![FieldError::new(
            "/status",
            "invalid",
            format!("use one of {}", words.join(", ")),
        )])
    })
}
