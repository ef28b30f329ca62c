//! The campaign list, `/dashboard/campaigns`: which are at work, why not, and the
//! next thing to do (CO-1).

mod newcomer;
mod row;

use axum::{
    Router,
    extract::{Query, State},
    response::{IntoResponse, Response},
    routing::get,
};
use campanile_domain::{campaign::Status, ids::CampaignId, live::LiveView};
use campanile_store::rows::{Campaign, CampaignFilter, Role};
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;

use self::newcomer::newcomer;
pub(crate) use self::row::row;
use super::{
    Fault, Visit,
    campaign::Powers,
    icons::Icon,
    layout::{Page, Place},
    parts::{none, status_look},
    spark::Sample,
    text::{count, counted, seconds_between},
};
use crate::{app::App, auth::Act, service};

/// Rows of a page.
const PAGE: u32 = 50;
/// Campaigns counted by status; beyond, the tabs say `1,000+`.
const COUNTED: u32 = 1_000;
/// How long a campaign that changed its status stays in the live frame.
const NEWS_SECONDS: u64 = 300;

/// Routes of the list.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(async || axum::response::Redirect::to("/dashboard/campaigns")))
        .route("/dashboard", get(async || axum::response::Redirect::to("/dashboard/campaigns")))
        .route("/dashboard/campaigns", get(show))
}

/// What the address asks for.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) search: String,
    #[serde(default)]
    pub(crate) after: String,
}

impl Asked {
    fn status(&self) -> Option<Status> {
        Status::from_word(&self.status)
    }
}

/// A campaign with what the engine says of it.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) campaign: Campaign,
    pub(crate) live: Option<std::sync::Arc<LiveView>>,
    /// Dials a second of the last quarter of an hour; of a running campaign only.
    pub(crate) dials: Vec<Sample>,
}

/// Everything the page shows.
#[derive(Debug, Clone)]
pub(crate) struct List {
    pub(crate) asked: Asked,
    pub(crate) rows: Vec<Row>,
    /// The campaign after which the next page begins.
    pub(crate) next: Option<CampaignId>,
    pub(crate) counts: Counts,
    pub(crate) powers: Powers,
    pub(crate) now: Timestamp,
    /// What a newcomer has made so far; only while there is no campaign.
    pub(crate) beginnings: Option<Beginnings>,
}

/// Campaigns by status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    all: u64,
    by_status: Vec<(Status, u64)>,
    /// There are more than were counted.
    more: bool,
}

/// The three steps to the first call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Beginnings {
    /// An enabled carrier with an enabled number.
    pub(crate) carrier: bool,
    /// An enabled bot.
    pub(crate) bot: bool,
    /// May make carriers and numbers.
    pub(crate) administers: bool,
}

impl Counts {
    pub(crate) fn of(campaigns: &[Campaign]) -> Self {
        let number = |status: Status| {
            campaigns.iter().filter(|campaign| campaign.status == status).count() as u64
        };
        Self {
            all: campaigns.len() as u64,
            by_status: Status::ALL.iter().map(|status| (*status, number(*status))).collect(),
            more: campaigns.len() >= COUNTED as usize,
        }
    }
}

async fn show(
    State(app): State<App>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Fault> {
    let list = read(&app, &visit, asked).await.map_err(|error| visit.fault(error))?;
    let page = Page {
        title: "Campaigns",
        place: Place::Campaigns,
        crumbs: (None, "Campaigns"),
        live: list.beginnings.is_none().then_some("list"),
    };
    Ok(visit.frame(&app).page(&page, page_of(&list)).into_response())
}

async fn read(app: &App, visit: &Visit, asked: Asked) -> service::Result<List> {
    visit.who().require(Act::Look)?;
    let everyone =
        app.store.campaigns(CampaignFilter { limit: COUNTED, ..Default::default() }).await?;
    let beginnings = if everyone.is_empty() { Some(beginnings(app, visit).await?) } else { None };
    let search = asked.search.trim();
    let filter = CampaignFilter {
        status: asked.status(),
        search: (!search.is_empty()).then(|| search.to_owned()),
        after: asked.after.parse().ok(),
        // One more tells whether there is a next page.
        limit: PAGE + 1,
    };
    let mut campaigns = app.store.campaigns(filter).await?;
    let more = campaigns.len() > PAGE as usize;
    campaigns.truncate(PAGE as usize);
    Ok(List {
        next: campaigns.last().filter(|_| more).map(|last| last.id),
        rows: campaigns.into_iter().map(|campaign| row_of(app, campaign)).collect(),
        counts: Counts::of(&everyone),
        powers: Powers::of(visit.role()),
        now: app.now(),
        asked,
        beginnings,
    })
}

async fn beginnings(app: &App, visit: &Visit) -> service::Result<Beginnings> {
    let (carriers, numbers, bots) =
        (app.store.carriers().await?, app.store.numbers().await?, app.store.bots().await?);
    let reachable = |id| carriers.iter().any(|carrier| carrier.enabled && carrier.id == id);
    Ok(Beginnings {
        carrier: numbers.iter().any(|number| number.enabled && reachable(number.carrier_id)),
        bot: bots.iter().any(|bot| bot.enabled),
        administers: visit.who().may(Act::Administer),
    })
}

fn row_of(app: &App, campaign: Campaign) -> Row {
    let live = app.live.latest(campaign.id).filter(|live| live.run == campaign.run);
    let points = match campaign.status {
        Status::Running => app.histories.of(campaign.id, campaign.run),
        Status::Draft | Status::Paused | Status::Completed | Status::Failed => Vec::new(),
    };
    let dials = points.iter().map(|point| (point.at, point.dials_per_second)).collect();
    Row { campaign, live, dials }
}

/// The highest speed of any campaign: their curves share one scale, so that a slow
/// one looks slow.
fn fastest(rows: &[Row]) -> f64 {
    rows.iter().flat_map(|row| &row.dials).map(|(_, dials)| *dials).fold(0.0, f64::max)
}

/// The live frame: the counts, and the rows of every campaign that is at work or
/// was a moment ago. The page takes those that it shows.
pub(super) async fn frame(app: &App, role: Role) -> service::Result<Markup> {
    let now = app.now();
    let everyone =
        app.store.campaigns(CampaignFilter { limit: COUNTED, ..Default::default() }).await?;
    let counts = Counts::of(&everyone);
    let moved = |campaign: &Campaign| {
        let stamps = [&campaign.started, &campaign.paused, &campaign.resumed, &campaign.ended];
        let newest = stamps.into_iter().flatten().map(|stamp| stamp.at).max();
        matches!(campaign.status, Status::Running)
            || newest.is_some_and(|at| seconds_between(at, now) < NEWS_SECONDS)
    };
    let powers = Powers::of(role);
    let rows: Vec<Row> =
        everyone.into_iter().filter(moved).map(|campaign| row_of(app, campaign)).collect();
    let fastest = fastest(&rows);
    Ok(html! {
        @for (status, words) in tabs(&counts) {
            span id={ "tab-" (status.map_or("all", Status::word)) } data-part="" { (words) }
        }
        table { tbody { @for each in &rows { (row(each, powers, now, fastest)) } } }
    })
}

/// The page below the frame.
pub(crate) fn page_of(list: &List) -> Markup {
    if let Some(beginnings) = list.beginnings {
        return newcomer(beginnings, list.powers);
    }
    let chosen = list.asked.status();
    html! {
        header.head-row {
            div.head-title { h1 { "Campaigns" } }
            @if list.powers.edit {
                div.row.actions { a.btn.primary href="/dashboard/campaigns/new" { (Icon::Plus.draw()) "New campaign" } }
            }
        }
        div.tabbar {
            nav.tabs aria-label="By status" {
                @for (status, figure) in tabs(&list.counts) {
                    a href=(address(status, &list.asked.search)) aria-current=[(status == chosen).then_some("page")] {
                        (status.map_or("All", |status| status_look(status).2))
                        span.n id={ "tab-" (status.map_or("all", Status::word)) } { (figure) }
                    }
                }
            }
        }
        form.row role="search" method="get" action="/dashboard/campaigns" {
            @if let Some(status) = chosen { input type="hidden" name="status" value=(status.word()); }
            label.with.lead {
                span.vh { "Search campaigns" }
                (Icon::Search.small())
                input.input type="search" name="search" value=(list.asked.search) placeholder="Name" size="26" data-key="/";
            }
            button.btn type="submit" { "Search" }
            span.push.note { "Newest first" }
        }
        section.card aria-label="Campaign list" {
            @if list.rows.is_empty() {
                (none("No campaign fits", html! { a.link href="/dashboard/campaigns" { "Show all campaigns" } }))
            } @else { (table(list)) }
            div.card-foot {
                span { (counted(list.rows.len() as u64, "campaign", "campaigns")) }
                @if let Some(next) = list.next {
                    span.push.row {
                        @if !list.asked.after.is_empty() {
                            a.btn.sm href=(address(chosen, &list.asked.search)) { "First page" }
                        }
                        a.btn.sm href={ (address(chosen, &list.asked.search)) "&after=" (next) } { "Next" }
                    }
                }
            }
        }
    }
}

fn tabs(counts: &Counts) -> Vec<(Option<Status>, String)> {
    let number = |wanted: Status| {
        counts.by_status.iter().find(|(status, _)| *status == wanted).map_or(0, |(_, n)| *n)
    };
    let all = if counts.more { format!("{}+", count(counts.all)) } else { count(counts.all) };
    let order = [Status::Running, Status::Paused, Status::Draft, Status::Completed, Status::Failed];
    std::iter::once((None, all))
        .chain(order.into_iter().map(|status| (Some(status), count(number(status)))))
        .collect()
}

fn address(status: Option<Status>, search: &str) -> String {
    let mut out = "/dashboard/campaigns?".to_owned();
    if let Some(status) = status {
        out += &format!("status={}", status.word());
    }
    if !search.trim().is_empty() {
        out += &format!("&search={}", super::escape_query(search.trim()));
    }
    out
}

fn table(list: &List) -> Markup {
    let fastest = fastest(&list.rows);
    html! {
        div.scroll tabindex="0" role="region" aria-label="Table of campaigns" {
            table.table.hov.list role="table" {
                thead {
                    tr {
                        th scope="col" { "Campaign" }
                        th scope="col" { "Status" }
                        th scope="col" { "Processed" }
                        th.num scope="col" { "Dials/sec" }
                        th.num scope="col" { "Connected" }
                        th.num scope="col" { "Answer %" }
                        th.num scope="col" { "Abandon %" }
                        th scope="col" { span.vh { "Actions" } }
                    }
                }
                tbody { @for each in &list.rows { (row(each, list.powers, list.now, fastest)) } }
            }
        }
    }
}
