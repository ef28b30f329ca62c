//! A row of the campaign list: the campaign, why it does not dial, and the next thing to do.

use campanile_domain::{
    campaign::{CompletionReason, Status},
    contact::ContactState,
};
use campanile_store::rows::Campaign;
use jiff::Timestamp;
use maud::{Markup, html};

use super::Row;
use crate::console::{
    campaign::{Powers, headline::row_reason},
    icons::Icon,
    parts::{Stretch, Tone, bar, status_badge},
    spark::spark,
    text::{count, local_time, percent, rate, share},
};

/// One campaign of the list, with its curve on the scale up to `fastest`.
pub(crate) fn row(row: &Row, powers: Powers, now: Timestamp, fastest: f64) -> Markup {
    let campaign = &row.campaign;
    let id = campaign.id;
    let metrics = campaign.sums.metrics();
    let speed = row
        .live
        .as_deref()
        .filter(|_| campaign.status == Status::Running)
        .and_then(|live| live.dials_per_second);
    let nil = || html! { span.nil { "--" } };
    let ratio = |value: Option<f64>, digits| {
        value.map_or_else(nil, |value| html! { (percent(value, digits)) })
    };
    let (tone, reason) = reason(row, now);
    let limit = campaign.settings.pacing.abandon_limit;
    let over = metrics.abandon_rate.is_some_and(|rate| rate > limit);
    html! {
        tr id={ "row-" (id) } data-part="" {
            td.camp.two {
                span {
                    a.cut href={ "/dashboard/campaigns/" (id) } { (campaign.settings.name) }
                    @if campaign.settings.always_on {
                        span.badge.purple title="Always-on · runs until stopped" { (Icon::Infinity.draw()) "Always-on" }
                    }
                }
                small class=[tone.map(|tone: Tone| format!("tone {}", tone.class()))] { (reason) }
            }
            td.st { div.status { (status_badge(campaign.status)) } }
            td.prog { (progress(campaign)) }
            td.num data-l="Dials/sec" {
                div.sparkcell {
                    (spark(tone_of(speed), "Dials a second", &row.dials, now, Some(fastest)))
                    span { @match speed { Some(speed) => (rate(speed)), None => (nil()) } }
                }
            }
            td.num data-l="Connected" { @if campaign.started.is_some() { (count(campaign.sums.connected)) } @else { (nil()) } }
            td.num data-l="Answer %" { (ratio(metrics.answer_rate, 1)) }
            td.num.lowp data-l="Abandon %" {
                @if over { span.late.red { (Icon::TriangleAlert.small()) (ratio(metrics.abandon_rate, 2)) } }
                @else { (ratio(metrics.abandon_rate, 2)) }
            }
            td.num.act { div.status { (next_action(campaign, powers)) } }
        }
    }
}

fn tone_of(speed: Option<f64>) -> &'static str {
    if speed.is_some() { "green" } else { "grey" }
}

fn progress(campaign: &Campaign) -> Markup {
    let (processed, total) = (campaign.processed(), campaign.total());
    if total == 0 {
        return html! { span.nil { "No contacts yet" } };
    }
    let done = share(processed, total);
    let class = if campaign.status == Status::Failed { "fail" } else { "blue" };
    html! {
        (bar("thin", &format!("{} percent processed", percent(done, 1)), &[Stretch { class, share: done }]))
        small { b { (count(processed)) } span { "of " (count(total)) } }
    }
}

/// One sentence: what it does, or why not.
fn reason(row: &Row, now: Timestamp) -> (Option<Tone>, Markup) {
    let campaign = &row.campaign;
    match campaign.status {
        Status::Draft if campaign.has_run => {
            (None, html! { "Run #" (campaign.run) " is prepared, not started" })
        }
        Status::Draft => match campaign.total() {
            0 if !campaign.settings.always_on => (None, html! { "Contacts missing" }),
            _ => (None, html! { "Not started" }),
        },
        Status::Running => match row.live.as_deref() {
            Some(live) => row_reason(live, now),
            None => (Some(Tone::Amber), html! { "The dialler has not reported yet" }),
        },
        Status::Paused => (
            None,
            match &campaign.paused {
                Some(stamp) => html! { "Paused by " (stamp.by.name) ", " (local_time(stamp.at)) },
                None => html! { "Paused" },
            },
        ),
        Status::Completed => {
            let words = campaign.completion_reason.map_or("Completed", CompletionReason::label);
            let left = campaign.count(ContactState::ManualStopped);
            (
                None,
                html! {
                    (words)
                    @if left > 0 { ", " (count(left)) " not called" }
                    @if let Some(stamp) = &campaign.ended { ", " (local_time(stamp.at)) }
                },
            )
        }
        Status::Failed => (
            Some(Tone::Red),
            html! {
                (campaign.failure.as_deref().unwrap_or("The run could not go on"))
                @if let Some(stamp) = &campaign.ended { ", " (local_time(stamp.at)) }
            },
        ),
    }
}

/// The one button that is most likely wanted.
fn next_action(campaign: &Campaign, powers: Powers) -> Markup {
    let id = campaign.id;
    let post = |action: &str, icon: Icon, words: &str| {
        html! {
            form method="post" action={ "/dashboard/campaigns/" (id) "/" (action) } {
                input type="hidden" name="back" value="list";
                button.btn.sm type="submit" aria-label={ (words) " " (campaign.settings.name) } { (icon.draw()) (words) }
            }
        }
    };
    match campaign.status {
        Status::Draft if powers.run && (campaign.total() > 0 || campaign.settings.always_on) => {
            post("start", Icon::Play, "Start")
        }
        Status::Running if powers.run => post("pause", Icon::Pause, "Pause"),
        Status::Paused if powers.run => post("resume", Icon::Play, "Resume"),
        Status::Draft | Status::Running | Status::Paused | Status::Completed | Status::Failed => {
            html! {
                a.btn.sm href={ "/dashboard/campaigns/" (id) } aria-label={ "Open " (campaign.settings.name) } { "Open" }
            }
        }
    }
}
