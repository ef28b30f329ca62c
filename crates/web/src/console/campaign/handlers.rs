//! What the campaign page answers to: looking, acting, contacts.

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, FromRequest, Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use bytes::Bytes;
use campanile_domain::{
    campaign::Status,
    ids::{AttemptId, CampaignId, ContactId, ImportId},
};
use campanile_store::rows::{Campaign, ContactFilter, Role};
use futures_util::stream;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    BotLine, PoolNumber, Powers, View, actions, attempt,
    attempt::AttemptView,
    calls,
    calls::{Calls, Look, PAGE},
    dialling_seconds,
};
use crate::{
    app::App,
    auth::{
        Act, SignedIn, Who,
        rights::{Rank, can},
    },
    console::{
        Fault, Visit,
        layout::{Page, Place},
        text::Clock,
    },
    csv_import::ImportOptions,
    service::{self, ServiceError},
};

/// Rows that the browser may ask for at once.
const ROWS_MAX: usize = PAGE as usize;

/// Bytes of pasted rows; a file has the limit of CT-1.
const PASTED_MAX: usize = 1 << 20;

/// Routes under `/dashboard/campaigns/{id}`.
pub(crate) fn routes() -> Router<App> {
    let contacts = post(add_contacts).layer(DefaultBodyLimit::disable());
    Router::new()
        .route("/dashboard/campaigns/{id}", get(show))
        .route("/dashboard/campaigns/{id}/start", post(start))
        .route("/dashboard/campaigns/{id}/pause", post(pause))
        .route("/dashboard/campaigns/{id}/resume", post(resume))
        .route("/dashboard/campaigns/{id}/stop", post(stop))
        .route("/dashboard/campaigns/{id}/restart", post(restart))
        .route("/dashboard/campaigns/{id}/cancel-restart", post(cancel_restart))
        .route("/dashboard/campaigns/{id}/delete", post(delete))
        .route("/dashboard/campaigns/{id}/contacts", contacts)
        .route("/dashboard/campaigns/{id}/rows", get(rows))
        .route("/dashboard/campaigns/{id}/log", get(log))
        .route("/dashboard/campaigns/{id}/attempts/{attempt}", get(show_attempt))
}

impl Powers {
    /// What a role allows; the server asks the same table again at each action.
    pub(crate) fn of(role: Role) -> Self {
        let may = |act| can(Rank::User(role), act);
        Self { run: may(Act::Run), export: may(Act::Export), edit: may(Act::Edit) }
    }
}

/// What a live frame shows, read from the store.
pub(crate) async fn load(app: &App, role: Role, id: CampaignId) -> service::Result<View> {
    let campaign = app.store.campaign(id).await?;
    let figures = app.store.figures(id, campaign.run).await?;
    // Only the finished figures need the pauses here; a page reads the whole log.
    let is_over = matches!(campaign.status, Status::Completed | Status::Failed);
    let activity = if is_over { app.store.activity(id).await? } else { Vec::new() };
    let (bots, numbers, carriers) =
        (app.store.bots().await?, app.store.numbers().await?, app.store.carriers().await?);
    let settings = &campaign.settings;
    let bot = bots
        .into_iter()
        .find(|bot| Some(bot.id) == settings.bot_id)
        .map(|bot| BotLine { name: bot.name, enabled: bot.enabled });
    let pool = settings
        .number_ids
        .iter()
        .filter_map(|id| numbers.iter().find(|number| number.id == *id))
        .map(|number| PoolNumber {
            e164: number.e164,
            usable: number.enabled
                && carriers
                    .iter()
                    .any(|carrier| carrier.enabled && carrier.id == number.carrier_id),
        })
        .collect();
    let now = app.now();
    Ok(View {
        dialling_seconds: dialling_seconds(&campaign, &activity, now),
        clock: Clock::new(&settings.window.timezone, now),
        live: app.live.latest(id),
        history: app.histories.of(id, campaign.run),
        calls: Calls::default(),
        import: None,
        powers: Powers::of(role),
        campaign,
        figures,
        bot,
        pool,
        activity,
        setup: Value::Null,
    })
}

/// What a page shows besides.
async fn complete(app: &App, view: &mut View, asked: Asked) -> service::Result<()> {
    let id = view.campaign.id;
    view.activity = app.store.activity(id).await?;
    view.setup = setup_of(app, &view.campaign).await?;
    view.calls = calls_of(app, id, asked.calls).await?;
    if let Ok(import) = asked.import.parse::<ImportId>() {
        let import = app.store.import(import).await?;
        view.import = Some(import).filter(|import| import.campaign == id);
    }
    Ok(())
}

async fn setup_of(app: &App, campaign: &Campaign) -> service::Result<Value> {
    let newest = app.store.setup_snapshots(campaign.id).await?.into_iter().next();
    // A draft has no snapshot yet; what Start would write is what stands.
    Ok(newest.map_or_else(
        || {
            json!({
                "run": campaign.run,
                "settings": *campaign.settings,
                "created_by": campaign.created.by.name,
                "created_at": campaign.created.at,
                "started_at": null,
            })
        },
        |snapshot| snapshot.setup,
    ))
}

/// The lines of the activity log, for the dialog that was just opened.
async fn log(
    State(app): State<App>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Markup, ServiceError> {
    visit.who().require(Act::Look)?;
    let mut view = load(&app, visit.role(), campaign_id(&id)?).await?;
    view.activity = app.store.activity(view.campaign.id).await?;
    Ok(actions::log(&view))
}

async fn calls_of(app: &App, id: CampaignId, query: calls::Query) -> service::Result<Calls> {
    let filter = ContactFilter {
        state: query.state(),
        phone: query.digits(),
        callback: query.callback(),
        after: query.cursor(),
        // One more tells whether there is a next page.
        limit: PAGE + 1,
    };
    let mut rows = app.store.contacts(id, filter).await?;
    let more = rows.len() > PAGE as usize;
    rows.truncate(PAGE as usize);
    Ok(Calls { query, rows, more })
}

#[derive(Debug, Default, Deserialize)]
struct Asked {
    #[serde(default)]
    import: String,
    #[serde(flatten)]
    calls: calls::Query,
}

async fn show(
    State(app): State<App>,
    visit: Visit,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Fault> {
    page(&app, &visit, &id, asked, None).await
}

async fn page(
    app: &App,
    visit: &Visit,
    id: &str,
    asked: Asked,
    refused: Option<ServiceError>,
) -> Result<Response, Fault> {
    visit.who().require(Act::Look).map_err(|error| visit.fault(error))?;
    let read = async {
        let id = campaign_id(id)?;
        let mut view = load(app, visit.role(), id).await?;
        complete(app, &mut view, asked).await?;
        Ok::<_, ServiceError>(view)
    };
    let view = read.await.map_err(|error| visit.fault(error))?;
    let status = refused.as_ref().map_or(StatusCode::OK, ServiceError::status);
    let name = &view.campaign.settings.name;
    let word = crate::console::parts::status_look(view.campaign.status).2;
    let page = Page {
        title: &format!("{name} · {word}"),
        place: Place::Campaigns,
        crumbs: (Some(("/dashboard/campaigns", "Campaigns")), name),
        live: Some(&format!("campaign:{}", view.campaign.id)),
    };
    let markup = visit.frame(app).page(&page, view.page(refused.as_ref()));
    Ok((status, markup).into_response())
}

/// An id from the address; a text that is none is as unknown as an id nobody has.
fn campaign_id(text: &str) -> service::Result<CampaignId> {
    text.parse().map_err(|_| ServiceError::NotFound("campaign"))
}

/// Where a form wants to be led after it was done.
#[derive(Debug, Default, Deserialize)]
struct After {
    #[serde(default)]
    back: String,
}

async fn done(
    app: &App,
    visit: &Visit,
    id: &str,
    after: &After,
    result: service::Result<Campaign>,
) -> Result<Response, Fault> {
    match result {
        Ok(_) if after.back == "list" => Ok(Redirect::to("/dashboard/campaigns").into_response()),
        Ok(campaign) => {
            Ok(Redirect::to(&format!("/dashboard/campaigns/{}", campaign.id)).into_response())
        }
        Err(error @ (ServiceError::NotFound(_) | ServiceError::Internal(_))) => {
            Err(visit.fault(error))
        }
        Err(error) => page(app, visit, id, Asked::default(), Some(error)).await,
    }
}

macro_rules! actions {
    ($($name:ident),*) => {$(
        async fn $name(
            State(app): State<App>,
            visit: Visit,
            Path(id): Path<String>,
            axum::Form(after): axum::Form<After>,
        ) -> Result<Response, Fault> {
            let act = async { service::campaigns::$name(&app, visit.who(), campaign_id(&id)?).await };
            let result = act.await;
            done(&app, &visit, &id, &after, result).await
        }
    )*};
}

actions!(start, pause, resume, stop, restart, cancel_restart);

async fn delete(
    State(app): State<App>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let act = async { service::campaigns::delete(&app, visit.who(), campaign_id(&id)?).await };
    match act.await {
        Ok(()) => Ok(Redirect::to("/dashboard/campaigns").into_response()),
        Err(error @ (ServiceError::NotFound(_) | ServiceError::Internal(_))) => {
            Err(visit.fault(error))
        }
        Err(error) => page(&app, &visit, &id, Asked::default(), Some(error)).await,
    }
}

#[derive(Debug, Deserialize)]
struct Pasted {
    #[serde(default)]
    csv: String,
}

/// The raw file from the script, or pasted rows from the plain form.
async fn add_contacts(
    State(app): State<App>,
    visit: Visit,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    let kind =
        headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_file = !kind.starts_with("application/x-www-form-urlencoded");
    let result = if is_file {
        match ImportOptions::from_headers(&headers, app.import_limits) {
            Ok(options) => import(&app, visit.who(), &id, body.into_data_stream(), options).await,
            Err(error) => Err(error.into()),
        }
    } else {
        pasted(&app, visit.who(), &id, body).await
    };
    match result {
        Ok(next) if is_file => Ok(axum::Json(json!({ "next": next })).into_response()),
        Ok(next) => Ok(Redirect::to(&next).into_response()),
        // The script shows the words beside the file and keeps the page.
        Err(error) if is_file => Ok(refused_file(&error)),
        Err(error @ (ServiceError::NotFound(_) | ServiceError::Internal(_))) => {
            Err(visit.fault(error))
        }
        Err(error) => page(&app, &visit, &id, Asked::default(), Some(error)).await,
    }
}

async fn pasted(app: &App, who: &Who, id: &str, body: Body) -> service::Result<String> {
    let body = axum::body::to_bytes(body, PASTED_MAX).await.map_err(|_| {
        ServiceError::field("/csv", "too_large", "these are too many rows to paste; upload a file")
    })?;
    let pasted = read_form(body).await?;
    let rows = stream::iter([Ok::<_, std::convert::Infallible>(Bytes::from(pasted.csv))]);
    import(app, who, id, rows, ImportOptions::new(app.import_limits)).await
}

async fn read_form(body: Bytes) -> service::Result<Pasted> {
    let request = axum::extract::Request::builder()
        .method("POST")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body))
        .expect("these parts make a request");
    axum::Form::from_request(request, &())
        .await
        .map(|axum::Form(pasted)| pasted)
        .map_err(|_| ServiceError::field("/csv", "invalid", "the form cannot be read"))
}

fn refused_file(error: &ServiceError) -> Response {
    let words = crate::console::parts::sentence(&error.to_string());
    let fields: Vec<String> = error
        .fields()
        .iter()
        .map(|field| crate::console::parts::sentence(&field.message))
        .collect();
    let message = if fields.is_empty() { words } else { fields.join(" ") };
    (error.status(), axum::Json(json!({ "message": message }))).into_response()
}

/// The address at which the page tells what became of the file.
async fn import<E: std::fmt::Display + Send>(
    app: &App,
    who: &Who,
    id: &str,
    body: impl futures_util::Stream<Item = Result<Bytes, E>> + Send,
    options: ImportOptions,
) -> service::Result<String> {
    let id = campaign_id(id)?;
    let import = service::contacts::import(app, who, id, body, options).await?;
    Ok(format!("/dashboard/campaigns/{id}?import={}", import.id))
}

#[derive(Debug, Deserialize)]
struct Wanted {
    ids: String,
}

/// The rows of these contacts as they are now, for a page that shows them: its order
/// is its own and does not change under the pointer.
async fn rows(
    State(app): State<App>,
    SignedIn { who, .. }: SignedIn,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, ServiceError> {
    who.require(Act::Look)?;
    let id = campaign_id(&id)?;
    let campaign = app.store.campaign(id).await?;
    let clock = Clock::new(&campaign.settings.window.timezone, app.now());
    let look = Look { clock: &clock, max_attempts: campaign.settings.max_attempts };
    let mut contacts = Vec::new();
    for contact in
        wanted.ids.split(',').take(ROWS_MAX).filter_map(|id| id.parse::<ContactId>().ok())
    {
        // One that is gone leaves its row as it was until the page is loaded again.
        if let Ok(contact) = app.store.contact(id, contact).await {
            contacts.push(contact);
        }
    }
    Ok(html! { @for contact in &contacts { (calls::row(id, &look, contact)) } }.into_response())
}

async fn show_attempt(
    State(app): State<App>,
    visit: Visit,
    Path((id, attempt)): Path<(String, String)>,
) -> Result<Response, Fault> {
    visit.who().require(Act::Look).map_err(|error| visit.fault(error))?;
    let read = async {
        let id = campaign_id(&id)?;
        let attempt: AttemptId = attempt.parse().map_err(|_| ServiceError::NotFound("attempt"))?;
        let campaign = app.store.campaign(id).await?;
        let attempt = app.store.attempt(attempt).await?;
        // The contact belongs to the campaign of the address, or there is no page.
        let contact = app.store.contact(id, attempt.contact).await?;
        let clock = Clock::new(&campaign.settings.window.timezone, app.now());
        Ok::<_, ServiceError>(AttemptView { campaign, contact, attempt, clock })
    };
    let view = read.await.map_err(|error| visit.fault(error))?;
    let number = format!("Attempt {}", view.attempt.number);
    let above = format!("/dashboard/campaigns/{}", view.campaign.id);
    let page = Page {
        title: &format!("{number} · {}", view.campaign.settings.name),
        place: Place::Campaigns,
        crumbs: (Some((&above, &view.campaign.settings.name)), &number),
        live: None,
    };
    Ok(visit.frame(&app).page(&page, attempt::page(&view)).into_response())
}
