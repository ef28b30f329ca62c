//! The campaign page, `/dashboard/campaigns/{id}`: where a campaign is run and
//! watched (MO).

mod actions;
mod attempt;
mod callbacks;
pub(crate) mod calls;
mod config;
mod figures;
mod handlers;
mod head;
pub(crate) mod headline;
mod panel;
pub(crate) mod upload;

use std::sync::Arc;

use campanile_domain::{
    campaign::Status, contact::ContactClass, field::FieldError, live::LiveView, phone::PhoneNumber,
    window::Hours,
};
use campanile_store::rows::{Activity, Campaign, Import, RunFigures};
use jiff::Timestamp;
use maud::{Markup, html};
use serde_json::Value;

pub(super) use handlers::load as load_view;
pub(super) use handlers::routes;

use self::{actions::Need, calls::Calls};
use super::{
    icons::Icon,
    parts::{Tone, notice, sentence},
    text::{Clock, seconds_between},
};
use crate::{live::Point, service::ServiceError};

/// Everything the page shows, as it was at one moment.
pub(crate) struct View {
    pub(crate) campaign: Campaign,
    pub(crate) figures: RunFigures,
    /// The newest view that the engine published, however old.
    pub(crate) live: Option<Arc<LiveView>>,
    /// The last quarter of an hour of the run.
    pub(crate) history: Vec<Point>,
    pub(crate) bot: Option<BotLine>,
    pub(crate) pool: Vec<PoolNumber>,
    pub(crate) activity: Vec<Activity>,
    /// The setup of the run, raw.
    pub(crate) setup: Value,
    pub(crate) calls: Calls,
    /// Time with the window open and not paused.
    pub(crate) dialling_seconds: u64,
    /// A file that was just taken.
    pub(crate) import: Option<Import>,
    pub(crate) powers: Powers,
    pub(crate) clock: Clock,
}

/// The bot of the campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BotLine {
    pub(crate) name: String,
    pub(crate) enabled: bool,
}

/// A number of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PoolNumber {
    pub(crate) e164: PhoneNumber,
    /// It and its carrier are enabled.
    pub(crate) usable: bool,
}

/// What the reader may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Powers {
    pub(crate) run: bool,
    pub(crate) export: bool,
    pub(crate) edit: bool,
}

impl Powers {
    fn allow(self, need: Need) -> bool {
        match need {
            Need::Look => true,
            Need::Run => self.run,
            Need::Export => self.export,
            Need::Edit => self.edit,
        }
    }
}

/// A part of the page that a live frame replaces: its id and what stands in it.
type Part = (&'static str, Markup);

impl View {
    /// Calls that are out: sent, ringing, talking, or being settled.
    fn in_calls(&self) -> u64 {
        let stored = self
            .campaign
            .counts
            .iter()
            .filter(|(state, _)| state.class() == ContactClass::Active)
            .map(|(_, count)| count)
            .sum();
        match self.live.as_deref().filter(|live| live.run == self.campaign.run) {
            Some(live) => u64::from(live.ringing + live.in_progress).max(stored),
            None => stored,
        }
    }

    /// Every part that a live frame replaces.
    fn parts(&self) -> Vec<Part> {
        let started = self.campaign.started.is_some();
        let shown = |shown: bool, draw: fn(&Self) -> Markup| {
            if shown {
                draw(self)
            } else {
                html! {}
            }
        };
        let dialling = matches!(self.campaign.status, Status::Running | Status::Paused);
        vec![
            ("c-title", head::title(self)),
            ("c-life", head::lifecycle(self)),
            ("c-actions", actions::bar(self)),
            ("c-said", html! { (panel::spoken(self)) }),
            ("c-notices", head::notices(self)),
            ("c-live", self.activity_panel()),
            ("c-passes", shown(started, figures::passes)),
            ("c-limits", shown(dialling, figures::limits)),
            ("c-strip", shown(started, figures::strip)),
            ("c-callbacks", shown(started, callbacks::panel)),
        ]
    }

    fn activity_panel(&self) -> Markup {
        match self.campaign.status {
            Status::Draft => html! { (head::before_start(self)) },
            Status::Running | Status::Paused => panel::panel(self),
            Status::Completed | Status::Failed => {
                html! { (panel::panel(self)) (panel::finished(self)) }
            }
        }
    }

    /// The page below the frame. `refused` is what an action came to, when it was
    /// not done.
    pub(crate) fn page(&self, refused: Option<&ServiceError>) -> Markup {
        let parts = self.parts();
        let part = |id: &str| {
            parts
                .iter()
                .find(|(each, _)| *each == id)
                .map(|(_, markup)| markup.clone())
                .unwrap_or_default()
        };
        html! {
            header.head {
                div.head-row { div.head-title id="c-title" { (part("c-title")) } }
                div id="c-life" { (part("c-life")) }
            }
            div.tabbar {
                nav.tabs aria-label="Campaign" {
                    a href={ "/dashboard/campaigns/" (self.campaign.id) } aria-current="page" { "Details" }
                }
                div.row.actions id="c-actions" { (part("c-actions")) }
            }
            p.vh id="c-said" role="status" { (part("c-said")) }
            @if let Some(error) = refused { (refusal(error)) }
            @if let Some(import) = &self.import { (upload::outcome(self, import)) }
            div.stack id="c-notices" { (part("c-notices")) }
            div.stack id="c-live" { (part("c-live")) }
            div.split.stretch {
                section.card id="c-passes" aria-label="Passes" { (part("c-passes")) }
                section.card id="c-limits" aria-label="What holds it" { (part("c-limits")) }
            }
            section.card.strip.green aria-label="Performance" hidden[self.campaign.started.is_none()] {
                div id="c-strip" { (part("c-strip")) }
                (figures::strip_note())
            }
            div.stack id="c-callbacks" { (part("c-callbacks")) }
            (calls::card(self))
            (config::panel(self))
            div id="c-dialogs" { (actions::dialogs(self)) }
            (actions::log_dialog(self))
        }
    }

    /// One live frame: each part with its id, and the questions, which the browser
    /// leaves alone while one of them is open.
    pub(crate) fn frame(&self) -> Markup {
        html! {
            @for (id, markup) in self.parts() { div id=(id) data-part="" { (markup) } }
            @if matches!(self.campaign.status, Status::Running | Status::Paused) {
                div id="stop-cost" data-part="" { (actions::stop_cost(self)) }
            }
            div id="c-dialogs" data-part="" data-quiet="" { (actions::dialogs(self)) }
        }
    }
}

/// What an action came to that was not done.
fn refusal(error: &ServiceError) -> Markup {
    let fields: &[FieldError] = error.fields();
    notice(
        Tone::Red,
        Icon::CircleX,
        html! {
            b { (if fields.is_empty() { sentence(&error.to_string()) } else { "Not done".into() }) }
            @if !fields.is_empty() {
                " " span { "Mend this first:" }
                ul.faults { @for field in fields { li { (sentence(&field.message)) } } }
            }
        },
    )
}

/// Seconds of a run in which it could dial: window open, not paused.
fn dialling_seconds(campaign: &Campaign, activity: &[Activity], now: Timestamp) -> u64 {
    let Some(started) = &campaign.started else { return 0 };
    let end = campaign.ended.as_ref().map_or(now, |stamp| stamp.at);
    // The log is newest first; a run is dialling from its start, and from each resume.
    let mut edges: Vec<(Timestamp, bool)> = activity
        .iter()
        .rev()
        .filter(|entry| entry.at >= started.at && entry.at <= end)
        .filter_map(|entry| match entry.action.as_str() {
            "pause" => Some((entry.at, false)),
            "resume" => Some((entry.at, true)),
            _ => None,
        })
        .collect();
    edges.push((end, false));
    let hours = campaign.settings.hours();
    let (mut sum, mut from, mut on) = (0, started.at, true);
    for (at, next) in edges {
        if on {
            sum += open_seconds(hours, from, at);
        }
        (from, on) = (at, next);
    }
    sum
}

/// Seconds between `from` and `to` in which the window was open.
fn open_seconds(hours: Hours<'_>, from: Timestamp, to: Timestamp) -> u64 {
    let (mut sum, mut at) = (0, from);
    // A window changes at most a few times a day; a year's run stays in bounds.
    for _ in 0..4_000 {
        if at >= to {
            break;
        }
        let next = hours.next_change(at).filter(|next| *next > at).map_or(to, |next| next.min(to));
        if hours.is_open(at) {
            sum += seconds_between(at, next);
        }
        at = next;
    }
    sum
}

#[cfg(test)]
mod tests;
