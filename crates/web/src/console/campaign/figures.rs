//! Passes, limits and the green strip: how the run goes in figures (MO-6, MO-8,
//!

use campanile_domain::{figures::PassRow, why::ReasonCode};
use maud::{Markup, Render, html};

use super::View;
use crate::console::{
    icons::Icon,
    parts::{Shape, Stretch, Tone, bar, bare_badge, none, off, stat},
    text::{NBSP, count, percent, rate, share},
};

/// The pass table.
pub(super) fn passes(view: &View) -> Markup {
    html! {
        div.card-head { h2 { "Passes" } p { "Everyone once, then the retries" } }
        @if view.figures.passes.is_empty() {
            (none("No pass yet", "Pass 1 begins with the first dial."))
        } @else {
            div.scroll tabindex="0" role="region" aria-label="Table of passes" {
                table.table.passes {
                    thead {
                        tr {
                            th scope="col" { "Pass #" }
                            th.num scope="col" { "Attempted / Eligible" }
                            th.num scope="col" { "Connected %" }
                            th scope="col" { "Time range (" (view.clock.zone_name()) ")" }
                        }
                    }
                    tbody { @for pass in &view.figures.passes { (pass_row(view, pass)) } }
                }
            }
        }
    }
}

fn pass_row(view: &View, pass: &PassRow) -> Markup {
    let clock = &view.clock;
    let begun = pass.started_at.is_some();
    let name = format!("Pass {}", pass.pass);
    html! {
        tr.nil[!begun] {
            th scope="row" {
                @if begun { (bare_badge(Tone::Green, Shape::Dot, &name)) }
                @else { (bare_badge(Tone::Grey, Shape::Ring, &name)) }
            }
            td.num { (count(pass.attempted)) " / " (count(pass.eligible)) }
            td.num {
                @if pass.attempted == 0 { span.nil { "--" } }
                @else { (percent(share(pass.connected, pass.attempted), 1)) }
            }
            td {
                @match (pass.started_at, pass.ended_at) {
                    (None, _) => "not begun",
                    (Some(start), None) => {
                        (clock.plain(start, &clock.brief(start)))
                        @match &view.campaign.ended {
                            None => ", still running",
                            Some(end) => { "–" (clock.plain(end.at, &clock.brief(end.at))) }
                        }
                    }
                    (Some(start), Some(end)) => {
                        (clock.plain(start, &clock.brief(start))) "–" (clock.plain(end, &clock.brief(end)))
                    }
                }
            }
        }
    }
}

/// Use against each limit; the one that binds says so.
pub(super) fn limits(view: &View) -> Markup {
    let live = view.live.as_deref();
    let code = live.map(|live| live.reason.code);
    let settings = &view.campaign.settings;
    let sums = &view.figures.sums;
    let abandon = sums.metrics().abandon_rate;
    html! {
        div.card-head { h2 { "What holds it" } p { "Use against each limit" } }
        div.gauges {
            (seats(view, code == Some(ReasonCode::SeatsFull)))
            @for carrier in live.map(|live| live.carriers.as_slice()).unwrap_or_default() {
                (gauge(
                    &format!("{}, calls per second", carrier.name),
                    &rate(carrier.dials_per_second),
                    &trimmed(carrier.cps),
                    carrier.dials_per_second / carrier.cps.max(f64::MIN_POSITIVE),
                    code == Some(ReasonCode::CarrierCps),
                ))
                (gauge(
                    &format!("{}, channels", carrier.name),
                    &carrier.channels_used.to_string(),
                    &carrier.channels.to_string(),
                    share(u64::from(carrier.channels_used), u64::from(carrier.channels)),
                    code == Some(ReasonCode::CarrierChannels),
                ))
                @if let Some(until) = carrier.resting_until.filter(|until| *until > view.clock.now()) {
                    p.hint.late.amber {
                        (Icon::TriangleAlert.small()) (carrier.name) " rests after failures until "
                        (view.clock.plain(until, &view.clock.seconds(until)))
                    }
                }
            }
            (gauge(
                "Abandon %",
                &abandon.map_or_else(|| "--".into(), |rate| percent(rate, 2)),
                &percent(settings.pacing.abandon_limit, 2),
                abandon.unwrap_or(0.0) / settings.pacing.abandon_limit.max(f64::MIN_POSITIVE),
                code == Some(ReasonCode::AbandonLimit),
            ))
        }
    }
}

/// A ringing call may need a seat when it is answered, so both are drawn.
fn seats(view: &View, binds: bool) -> Markup {
    let (talking, ringing) =
        view.live.as_deref().map_or((0, 0), |live| (live.in_progress, live.ringing));
    let seats = view.campaign.settings.concurrency.max(1);
    let of = |calls: u32| share(u64::from(calls.min(seats)), u64::from(seats));
    let (first, both) = (of(talking), of(talking.saturating_add(ringing)));
    let (class, soft) = if binds { ("green", "green soft") } else { ("grey", "grey soft") };
    let label = format!("Seats: {talking} talking and {ringing} ringing of {seats}");
    html! {
        div.gauge.tops[binds] {
            span { "Seats" @if binds { em { " · the limit now" } } @else { em { " · talking + ringing" } } }
            b { (talking) @if ringing > 0 { " + " (ringing) } small { " / " (seats) } }
            (bar("thin", &label, &[
                Stretch { class, share: first },
                Stretch { class: soft, share: both - first },
            ]))
        }
    }
}

fn trimmed(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

fn gauge(name: &str, used: &str, cap: &str, share: f64, binds: bool) -> Markup {
    let class = if binds { "green" } else { "grey" };
    html! {
        div.gauge.tops[binds] {
            span { (name) @if binds { em { " · the limit now" } } }
            b { (used) small { " / " (cap) } }
            (bar("thin", &format!("{name}: {used} of {cap}"), &[Stretch { class, share: share.clamp(0.0, 1.0) }]))
        }
    }
}

/// The four figures that people report on, each with its numbers and its formula.
pub(super) fn strip(view: &View) -> Markup {
    let sums = &view.figures.sums;
    let metrics = sums.metrics();
    let ratio = |value: Option<f64>, digits: usize| {
        value.map_or_else(off, |value| html! { (percent(value, digits)) small { (NBSP) "%" } })
    };
    html! {
        dl.stats.four {
            (stat(
                named("Answer Rate", "m-answer", "answered ÷ attempts. An attempt is a dial that ended with a known outcome; answered means the carrier sent a 200."),
                ratio(metrics.answer_rate, 1),
                format!("{} answered of {} attempts", count(sums.answered), count(sums.attempts)),
            ))
            (stat(
                named("Completion Rate", "m-completion", &format!(
                    "completed conversations ÷ connected. A conversation is complete from {} s of talk, unless the bot failed; connected means the bot talked to a person.",
                    view.campaign.settings.conversation_min_seconds
                )),
                ratio(metrics.completion_rate, 1),
                format!("{} of {} connected", count(sums.conversations), count(sums.connected)),
            ))
            (stat(
                named("Abandon Rate", "m-abandon", "abandoned ÷ answered. Abandoned: answered, and no seat was free in time."),
                ratio(metrics.abandon_rate, 2),
                format!(
                    "{} of {} answered, limit {} %",
                    count(sums.abandoned), count(sums.answered),
                    trimmed(view.campaign.settings.pacing.abandon_limit * 100.0)
                ),
            ))
            (stat(
                named("AHT", "m-aht", "talk time ÷ connected: the mean length of a connected conversation, from the answer to the end."),
                metrics.aht_seconds.map_or_else(off, |seconds| html! { (rate(seconds)) small { (NBSP) "s" } }),
                "mean connected conversation",
            ))
        }
    }
}

/// Below the strip: these are not the carrier's figures.
pub(super) fn strip_note() -> Markup {
    html! {
        p.card-foot {
            "The console counts conversations and outcomes, the carrier counts SIP minutes. \
             For billing, compare with the carrier’s own call report."
        }
    }
}

/// A name with a button that shows the formula, by click, tap or key.
fn named(name: &str, id: &str, formula: &str) -> impl Render {
    html! {
        (name)
        button.how type="button" popovertarget=(id) aria-label={ "How " (name) " is reckoned" } { (Icon::Info.small()) }
        span.pop.formula id=(id) popover { (formula) }
    }
}
