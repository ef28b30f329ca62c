//! Carriers, numbers and bots: from nothing to a first campaign (CO-3, CO-4).

mod carriers;

use std::{collections::HashMap, sync::Arc};

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use campanile_domain::{
    bot::{Bot, BotKind},
    carrier::{Carrier, CarrierHealth, Direction, Number},
    field::FieldError,
    ids::{BotId, CarrierId},
};
use maud::{Markup, html};
use serde_json::Value;

use super::{
    Fault, Visit,
    icons::Icon,
    layout::{Page, Place},
    own_path,
    parts::{Field, Shape, Tone, bare_badge, described, fault, fault_or_hint, none},
    text::phone,
};
use crate::{
    app::App,
    auth::Act,
    service::{self, ServiceError, numbers::NewNumber},
};

/// Routes of the page.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/dashboard/setup", get(show))
        .route("/dashboard/setup/carriers", post(add_carrier))
        .route("/dashboard/setup/carriers/{id}/toggle", post(toggle_carrier))
        .route("/dashboard/setup/numbers", post(add_number))
        .route("/dashboard/setup/bots", post(add_bot))
        .route("/dashboard/setup/bots/{id}/toggle", post(toggle_bot))
}

/// Everything the page shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Setup {
    pub(crate) carriers: Vec<Carrier>,
    /// How those stand that the dialler has heard of.
    pub(crate) health: HashMap<CarrierId, Arc<CarrierHealth>>,
    pub(crate) numbers: Vec<Number>,
    pub(crate) bots: Vec<Bot>,
    /// May change carriers and numbers.
    pub(crate) administers: bool,
    /// May change bots.
    pub(crate) edits: bool,
    /// What was typed into the form that was refused, and why.
    pub(crate) refused: Option<Refused>,
}

/// Which of the three forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Carrier,
    Number,
    Bot,
}

/// A form that was refused.
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    pub(crate) form: Form,
    pub(crate) entries: Pairs,
    pub(crate) errors: Vec<FieldError>,
}

/// Fields as typed.
pub(crate) type Pairs = Vec<(String, String)>;

fn one<'p>(pairs: &'p Pairs, name: &str) -> &'p str {
    pairs.iter().find(|(each, _)| each == name).map_or("", |(_, value)| value.trim())
}

async fn show(State(app): State<App>, visit: Visit) -> Result<Response, Fault> {
    page(&app, &visit, None).await
}

async fn page(app: &App, visit: &Visit, refused: Option<Refused>) -> Result<Response, Fault> {
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let read = async {
        let who = visit.who();
        let carriers = service::carriers::list(app, who).await?;
        let health = carriers.iter().filter_map(|each| Some((each.id, app.live.carrier(each.id)?)));
        Ok::<_, ServiceError>(Setup {
            health: health.collect(),
            carriers,
            numbers: service::numbers::list(app, who).await?,
            bots: service::bots::list(app, who).await?,
            administers: who.may(Act::Administer),
            edits: who.may(Act::Edit),
            refused,
        })
    };
    let setup = read.await.map_err(|error| visit.fault(error))?;
    let page = Page { title: "Setup", place: Place::Setup, crumbs: (None, "Setup"), live: None };
    Ok((status, visit.frame(app).page(&page, view(&setup))).into_response())
}

/// 303 to the page, or the form again with its faults.
async fn settle<T>(
    app: &App,
    visit: &Visit,
    form: Form,
    entries: Pairs,
    to: &str,
    result: service::Result<T>,
) -> Result<Response, Fault> {
    match result {
        Ok(_) => Ok(Redirect::to(to).into_response()),
        Err(ServiceError::Invalid(errors)) => {
            page(app, visit, Some(Refused { form, entries, errors })).await
        }
        Err(ServiceError::Conflict { code, message }) => {
            let errors = vec![FieldError::new("", code, message)];
            page(app, visit, Some(Refused { form, entries, errors })).await
        }
        Err(error) => Err(visit.fault(error)),
    }
}

async fn add_carrier(
    State(app): State<App>,
    visit: Visit,
    axum::Form(pairs): axum::Form<Pairs>,
) -> Result<Response, Fault> {
    let made = async {
        let settings = carriers::settings_of(&pairs).map_err(ServiceError::Invalid)?;
        service::carriers::create(&app, visit.who(), settings).await
    };
    let result = made.await;
    settle(&app, &visit, Form::Carrier, pairs, "/dashboard/setup#carriers", result).await
}

async fn add_number(
    State(app): State<App>,
    visit: Visit,
    axum::Form(pairs): axum::Form<Pairs>,
) -> Result<Response, Fault> {
    let made = async {
        let carrier_id: CarrierId = one(&pairs, "carrier_id").parse().map_err(|_| {
            ServiceError::Invalid(vec![FieldError::new(
                "/carrier_id",
                "required",
                "choose the carrier it belongs to",
            )])
        })?;
        let label = Some(one(&pairs, "label").to_owned()).filter(|label| !label.is_empty());
        let e164 = one(&pairs, "e164").to_owned();
        let number = NewNumber { e164, carrier_id, label, direction: Direction::Outbound };
        service::numbers::create(&app, visit.who(), number).await
    };
    let result = made.await;
    settle(&app, &visit, Form::Number, pairs, "/dashboard/setup#numbers", result).await
}

async fn add_bot(
    State(app): State<App>,
    visit: Visit,
    axum::Form(pairs): axum::Form<Pairs>,
) -> Result<Response, Fault> {
    let made = async {
        let text = one(&pairs, "settings");
        let settings = match serde_json::from_str(if text.is_empty() { "{}" } else { text }) {
            Ok(Value::Object(settings)) => settings,
            Ok(_) => return Err(bad_settings("the settings are a JSON object".into())),
            Err(error) => return Err(bad_settings(format!("this is not JSON: {error}"))),
        };
        let name = one(&pairs, "name").to_owned();
        service::bots::create(&app, visit.who(), name, BotKind::Script, settings).await
    };
    let result = made.await;
    let to = if one(&pairs, "back") == "list" {
        "/dashboard/campaigns"
    } else {
        "/dashboard/setup#bots"
    };
    settle(&app, &visit, Form::Bot, pairs, to, result).await
}

fn bad_settings(message: String) -> ServiceError {
    ServiceError::Invalid(vec![FieldError::new("/settings", "invalid", message)])
}

async fn toggle_carrier(
    State(app): State<App>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let done = async {
        let id: CarrierId = id.parse().map_err(|_| ServiceError::NotFound("carrier"))?;
        let carrier = service::carriers::get(&app, visit.who(), id).await?;
        service::carriers::update(&app, visit.who(), id, !carrier.enabled, carrier.settings).await
    };
    done.await.map_err(|error| visit.fault(error))?;
    Ok(Redirect::to(own_path("/dashboard/setup#carriers")).into_response())
}

async fn toggle_bot(
    State(app): State<App>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let done = async {
        let id: BotId = id.parse().map_err(|_| ServiceError::NotFound("bot"))?;
        let bot = service::bots::get(&app, visit.who(), id).await?;
        service::bots::update(&app, visit.who(), id, Some(!bot.enabled), None, None).await
    };
    done.await.map_err(|error| visit.fault(error))?;
    Ok(Redirect::to(own_path("/dashboard/setup#bots")).into_response())
}

/// The page below the frame.
pub(crate) fn view(setup: &Setup) -> Markup {
    html! {
        header.head {
            h1 { "Setup" }
            p.lede { "What a campaign calls through, shows, and speaks with." }
        }
        (carriers::section(setup))
        (numbers(setup))
        (bots(setup))
    }
}

impl Setup {
    fn refused(&self, form: Form) -> (Pairs, &[FieldError]) {
        match &self.refused {
            Some(refused) if refused.form == form => (refused.entries.clone(), &refused.errors),
            _ => (Vec::new(), &[]),
        }
    }
}

fn enabled(on: bool) -> Markup {
    if on {
        bare_badge(Tone::Green, Shape::Dot, "Enabled")
    } else {
        bare_badge(Tone::Grey, Shape::Ring, "Disabled")
    }
}

fn toggle(address: String, on: bool, name: &str) -> Markup {
    let word = if on { "Disable" } else { "Enable" };
    html! {
        form method="post" action=(address) {
            button.btn.sm type="submit" aria-label={ (word) " " (name) } { (word) }
        }
    }
}

/// The form that adds one more, open when the list is empty or it was refused.
fn adds(words: &str, open: bool, address: &str, errors: &[FieldError], fields: Markup) -> Markup {
    let general = errors.iter().find(|error| error.pointer.is_empty());
    html! {
        details.fold open[open] {
            summary { (Icon::ChevronRight.small()) (words) }
            form method="post" action=(address) novalidate {
                @if let Some(error) = general { div.card-body { (fault_or_hint("form", Some(error), "")) } }
                div.form { (fields) }
                div.card-foot { button.btn.primary type="submit" { (Icon::Plus.draw()) (words) } }
            }
        }
    }
}

fn numbers(setup: &Setup) -> Markup {
    let (entries, errors) = setup.refused(Form::Number);
    let (e164, label) = (one(&entries, "e164").to_owned(), one(&entries, "label").to_owned());
    let chosen = one(&entries, "carrier_id").to_owned();
    let carrier_fault = fault(errors, &["/carrier_id"]);
    let fields = html! {
        (Field { name: "e164", label: "Number", value: &e164, required: true, hint: "International, such as +911140001234.", pointers: &["/e164"], class: "c2", ..Field::default() }.draw(errors))
        div.field.c2 {
            label for="carrier_id" { "Carrier" }
            select.input.select.red[carrier_fault.is_some()] id="carrier_id" name="carrier_id" aria-describedby=[described("carrier_id", carrier_fault, "")] {
                @for carrier in &setup.carriers {
                    option value=(carrier.id) selected[chosen == carrier.id.to_string()] { (carrier.settings.name) }
                }
            }
            (fault_or_hint("carrier_id", carrier_fault, ""))
        }
        (Field { name: "label", label: "Label", value: &label, aside: "optional", pointers: &["/label"], class: "c2", ..Field::default() }.draw(errors))
    };
    let carrier = |number: &Number| {
        setup
            .carriers
            .iter()
            .find(|carrier| carrier.id == number.carrier_id)
            .map_or("--", |carrier| carrier.settings.name.as_str())
    };
    html! {
        section.card id="numbers" aria-labelledby="numbers-title" {
            div.card-head { h2 id="numbers-title" { "Numbers" } p { "Shown to the people called" } }
            @if setup.numbers.is_empty() { (none("No number yet", "A campaign shows one of your numbers to the person it calls.")) }
            @else {
                div.scroll tabindex="0" role="region" aria-label="Table of numbers" {
                    table.table {
                        thead { tr { th scope="col" { "Number" } th scope="col" { "Carrier" } th scope="col" { "Label" } th scope="col" { "Use" } th scope="col" { "State" } } }
                        tbody {
                            @for number in &setup.numbers {
                                tr {
                                    th.phone scope="row" { (phone(number.e164)) }
                                    td { (carrier(number)) }
                                    td { @match &number.label { Some(label) => (label), None => span.nil { "--" } } }
                                    td { (super::parts::sentence(number.direction.word())) }
                                    td { (enabled(number.enabled)) }
                                }
                            }
                        }
                    }
                }
            }
            @if setup.administers && setup.carriers.is_empty() {
                p.card-foot { "Add a carrier first: a number belongs to one." }
            } @else if setup.administers {
                (adds("Add a number", setup.numbers.is_empty() || !errors.is_empty(), "/dashboard/setup/numbers", errors, fields))
            }
        }
    }
}

fn bots(setup: &Setup) -> Markup {
    let (entries, errors) = setup.refused(Form::Bot);
    let (name, settings) = (one(&entries, "name").to_owned(), one(&entries, "settings").to_owned());
    let settings_fault = fault(errors, &["/settings"]);
    let hint = "JSON with start and steps. Empty: it greets, listens for 1 or 9, says goodbye.";
    let fields = html! {
        (Field { name: "name", label: "Name", value: &name, required: true, pointers: &["/name"], ..Field::default() }.draw(errors))
        div.field {
            label for="settings" { "Script" small { "optional" } }
            textarea.input.area.mono.red[settings_fault.is_some()] id="settings" name="settings" rows="5" spellcheck="false"
                aria-invalid=[settings_fault.map(|_| "true")] aria-describedby=[described("settings", settings_fault, hint)] { (settings) }
            (fault_or_hint("settings", settings_fault, hint))
        }
    };
    html! {
        section.card id="bots" aria-labelledby="bots-title" {
            div.card-head { h2 id="bots-title" { "Bots" } p { "What speaks once a call is answered" } }
            @if setup.bots.is_empty() { (none("No bot yet", "The built-in script needs nothing else installed.")) }
            @else {
                div.scroll tabindex="0" role="region" aria-label="Table of bots" {
                    table.table {
                        thead { tr { th scope="col" { "Name" } th scope="col" { "Kind" } th scope="col" { "Bot ID" } th scope="col" { "State" } th scope="col" { span.vh { "Actions" } } } }
                        tbody {
                            @for bot in &setup.bots {
                                tr {
                                    th scope="row" { (bot.name) }
                                    td { (super::parts::sentence(&bot.kind.word().replace('_', " "))) }
                                    td { code { (bot.id) } }
                                    td { (enabled(bot.enabled)) }
                                    td.num { @if setup.edits {
                                        (toggle(format!("/dashboard/setup/bots/{}/toggle", bot.id), bot.enabled, &bot.name))
                                    } }
                                }
                            }
                        }
                    }
                }
            }
            @if setup.edits {
                (adds("Add a script bot", setup.bots.is_empty() || !errors.is_empty(), "/dashboard/setup/bots", errors, fields))
            }
        }
    }
}
