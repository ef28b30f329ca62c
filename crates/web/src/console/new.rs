//! Creating a campaign, and editing one: the same form.

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use campanile_domain::{field::FieldError, ids::CampaignId, settings::Settings};
use maud::{Markup, html};

use super::{
    Fault, Visit,
    campaign::upload::file_field,
    form::{Choices, Entries, unplaced},
    icons::Icon,
    layout::{Page, Place},
    parts::{Tone, notice, sentence},
};
use crate::{
    app::App,
    auth::Act,
    service::{self, ServiceError},
};

/// Routes of both.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/dashboard/campaigns/new", get(blank).post(create))
        .route("/dashboard/campaigns/{id}/edit", get(edit).post(save))
}

async fn choices(app: &App, locked: bool) -> service::Result<Choices> {
    Ok(Choices {
        bots: app.store.bots().await?,
        numbers: app.store.numbers().await?,
        carriers: app.store.carriers().await?,
        locked,
    })
}

async fn blank(State(app): State<App>, visit: Visit) -> Result<Response, Fault> {
    visit.who().require(Act::Edit).map_err(|error| visit.fault(error))?;
    let choices = choices(&app, false).await.map_err(|error| visit.fault(error))?;
    let entries = Entries::of(&Settings::default()).with_defaults(&choices);
    Ok(new_page(&app, &visit, &entries, &choices, &[]))
}

async fn create(
    State(app): State<App>,
    visit: Visit,
    axum::Form(pairs): axum::Form<Vec<(String, String)>>,
) -> Result<Response, Fault> {
    let entries = Entries::new(pairs);
    let created = async {
        visit.who().require(Act::Edit)?;
        let patch = entries.patch(false).map_err(ServiceError::Invalid)?;
        service::campaigns::create(&app, visit.who(), &patch).await
    };
    match created.await {
        Ok(campaign) => {
            Ok(Redirect::to(&format!("/dashboard/campaigns/{}", campaign.id)).into_response())
        }
        Err(ServiceError::Invalid(errors)) => {
            let choices = choices(&app, false).await.map_err(|error| visit.fault(error))?;
            Ok(new_page(&app, &visit, &entries, &choices, &errors))
        }
        Err(error) => Err(visit.fault(error)),
    }
}

fn new_page(
    app: &App,
    visit: &Visit,
    entries: &Entries,
    choices: &Choices,
    errors: &[FieldError],
) -> Response {
    let page = Page {
        title: "New campaign",
        place: Place::Campaigns,
        crumbs: (Some(("/dashboard/campaigns", "Campaigns")), "New campaign"),
        live: None,
    };
    let markup = visit.frame(app).page(&page, create_view(entries, choices, errors));
    (status_of(errors), markup).into_response()
}

fn status_of(errors: &[FieldError]) -> StatusCode {
    if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }
}

/// The create form.
pub(crate) fn create_view(entries: &Entries, choices: &Choices, errors: &[FieldError]) -> Markup {
    html! {
        header.head { h1 { "New campaign" } }
        form.stack.narrow id="campaign-form" method="post" action="/dashboard/campaigns/new" novalidate data-create="" {
            (faults(errors))
            (entries.draw(choices, errors))
            section.card aria-labelledby="contacts-title" {
                div.card-head { h2 id="contacts-title" { "Contacts" } p { "A phone_number column; every other column becomes a variable" } }
                div.card-body {
                    div.js { (file_field()) }
                    noscript { p.hint { "Create the draft first; its page takes the contacts." } }
                }
            }
            div.bottom {
                a.btn href="/dashboard/campaigns" { "Cancel" }
                span.hint.push { "Nothing is dialled until you press Start." }
                button.btn.primary type="submit" { "Create draft" }
            }
        }
    }
}

fn faults(errors: &[FieldError]) -> Markup {
    let other = unplaced(errors);
    html! {
        @if !errors.is_empty() {
            (notice(Tone::Red, Icon::CircleX, html! {
                b { @match errors.len() { 1 => "One field needs a look", n => { (n) " fields need a look" } } }
                @if !other.is_empty() { ul.faults { @for error in other { li { (sentence(&error.message)) } } } }
            }))
        }
    }
}

async fn edit(
    State(app): State<App>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let read = async {
        visit.who().require(Act::Edit)?;
        let id: CampaignId = id.parse().map_err(|_| ServiceError::NotFound("campaign"))?;
        let campaign = app.store.campaign(id).await?;
        let choices = choices(&app, campaign.has_run).await?;
        Ok::<_, ServiceError>((campaign, choices))
    };
    let (campaign, choices) = read.await.map_err(|error| visit.fault(error))?;
    if !campaign.status.is_editable() {
        return Ok(Redirect::to(&format!("/dashboard/campaigns/{}", campaign.id)).into_response());
    }
    let entries = Entries::of(&campaign.settings);
    Ok(edit_page(&app, &visit, campaign.id, &campaign.settings.name, &entries, &choices, &[]))
}

async fn save(
    State(app): State<App>,
    visit: Visit,
    Path(id): Path<String>,
    axum::Form(pairs): axum::Form<Vec<(String, String)>>,
) -> Result<Response, Fault> {
    let entries = Entries::new(pairs);
    let read = async {
        visit.who().require(Act::Edit)?;
        let id: CampaignId = id.parse().map_err(|_| ServiceError::NotFound("campaign"))?;
        Ok::<_, ServiceError>(app.store.campaign(id).await?)
    };
    let campaign = read.await.map_err(|error| visit.fault(error))?;
    let saved = async {
        let patch = entries.patch(campaign.has_run).map_err(ServiceError::Invalid)?;
        service::campaigns::update(&app, visit.who(), campaign.id, &patch).await
    };
    match saved.await {
        Ok(campaign) => {
            Ok(Redirect::to(&format!("/dashboard/campaigns/{}", campaign.id)).into_response())
        }
        Err(ServiceError::Invalid(errors)) => {
            let choices =
                choices(&app, campaign.has_run).await.map_err(|error| visit.fault(error))?;
            let name = &campaign.settings.name;
            Ok(edit_page(&app, &visit, campaign.id, name, &entries, &choices, &errors))
        }
        Err(error) => Err(visit.fault(error)),
    }
}

fn edit_page(
    app: &App,
    visit: &Visit,
    id: CampaignId,
    name: &str,
    entries: &Entries,
    choices: &Choices,
    errors: &[FieldError],
) -> Response {
    let above = format!("/dashboard/campaigns/{id}");
    let title = format!("Edit {name}");
    let page = Page {
        title: &title,
        place: Place::Campaigns,
        crumbs: (Some((&above, name)), "Edit"),
        live: None,
    };
    let markup = visit.frame(app).page(&page, edit_view(&above, name, entries, choices, errors));
    (status_of(errors), markup).into_response()
}

/// The edit form.
pub(crate) fn edit_view(
    above: &str,
    name: &str,
    entries: &Entries,
    choices: &Choices,
    errors: &[FieldError],
) -> Markup {
    html! {
        header.head { h1 { "Edit " (name) } }
        form.stack.narrow method="post" action={ (above) "/edit" } novalidate {
            (faults(errors))
            (entries.draw(choices, errors))
            div.bottom {
                a.btn href=(above) { "Cancel" }
                span.hint.push { "Applies to waiting contacts at their next decision." }
                button.btn.primary type="submit" { "Save" }
            }
        }
    }
}
