//! The Config panel: every setting of the current run, read-only (MO-12).

use campanile_domain::{settings::Mode, window::Day};
use maud::{Markup, Render, html};

use super::View;
use crate::console::{
    icons::Icon,
    parts::{Shape, Tone, badge},
    text::phone,
};

/// Numbers named before `+N more`.
const PREVIEW: usize = 4;

/// The panel with the raw setup below.
pub(super) fn panel(view: &View) -> Markup {
    let settings = &view.campaign.settings;
    let list =
        |words: Vec<&str>| if words.is_empty() { "None".to_owned() } else { words.join(", ") };
    let seconds = |value: u32| format!("{value} seconds");
    html! {
        section.card aria-labelledby="config-title" {
            div.card-head {
                h2 id="config-title" { "Campaign Config" }
                (badge(Tone::Grey, Shape::Icon(Icon::FileText), &format!("Run #{}", view.campaign.run)))
                p.push {
                    @if view.campaign.status.is_editable() { "Read-only. Use Edit to change it." }
                    @else { "Read-only. Pause the campaign to edit." }
                }
            }
            dl.cfg {
                (row("Bot ID", html! {
                    @match settings.bot_id { Some(id) => code { (id) }, None => "None" }
                }, view.bot.as_ref().map(|bot| bot.name.as_str())))
                (row("Concurrency", settings.concurrency.to_string(), Some("most calls with the bot at once")))
                (row("Time Window", settings.hours().spans(), Some(&settings.window.timezone)))
                (row("Working Days", days(&settings.window.days), Some(match settings.mode {
                    Mode::SingleDay => "single day: what waits at its end is closed",
                    Mode::Continuous => "goes on at the next window",
                })))
                (pool(view))
                (row("Max Attempts", settings.max_attempts.to_string(), None))
                (row("Retry Delay", minutes(settings.retry_delay_minutes), None))
                (row("Retry On System", list(settings.retry_on_system.iter().map(|outcome| outcome.word()).collect()), None))
                (row("Retry On Custom", list(settings.retry_on_custom.iter().map(String::as_str).collect()), None))
                @if let Some(value) = settings.stop_redials_after_seconds {
                    (row("Stop Redials After", seconds(value), Some("a longer conversation is never redialled")))
                }
                @if let Some(value) = settings.redial_only_under_seconds {
                    (row("Redial Only Under", seconds(value), Some("a longer call is not redialled")))
                }
                @if settings.sticky_exclusion {
                    (row("Sticky Exclusion", "On", Some("excluded contacts stay out however they are added")))
                }
                @if let Some(address) = &settings.config_url {
                    (row("Config URL", address, None))
                }
            }
            (raw(view))
        }
    }
}

/// `All days`, or `Mon, Tue`.
pub(super) fn days(days: &[Day]) -> String {
    if Day::ALL.iter().all(|day| days.contains(day)) {
        "All days".into()
    } else {
        let words: Vec<&str> =
            Day::ALL.iter().filter(|day| days.contains(day)).map(|day| day.label()).collect();
        words.join(", ")
    }
}

/// `All days`, `Mon–Fri`, `Mon, Wed–Fri`: where there is little room.
pub(super) fn day_ranges(chosen: &[Day]) -> String {
    if chosen.len() >= Day::ALL.len() {
        return days(chosen);
    }
    let mut ranges: Vec<(Day, Day)> = Vec::new();
    for day in Day::ALL.into_iter().filter(|day| chosen.contains(day)) {
        match ranges.last_mut() {
            Some((_, last)) if *last as usize + 1 == day as usize => *last = day,
            _ => ranges.push((day, day)),
        }
    }
    let words: Vec<String> = ranges
        .into_iter()
        .map(|(first, last)| match last as usize - first as usize {
            0 => first.label().to_owned(),
            1 => format!("{}, {}", first.label(), last.label()),
            _ => format!("{}–{}", first.label(), last.label()),
        })
        .collect();
    words.join(", ")
}

fn row(name: &str, value: impl Render, note: Option<&str>) -> Markup {
    html! {
        div { dt { (name) } dd { (value) @if let Some(note) = note { small { (note) } } } }
    }
}

fn pool(view: &View) -> Markup {
    let words = match view.pool.len() {
        0 => "No outbound numbers configured".to_owned(),
        1 => "1 outbound number".to_owned(),
        n => format!("{n} outbound numbers"),
    };
    html! {
        div {
            dt { "Number Pool" }
            dd {
                (words)
                @if !view.pool.is_empty() {
                    small {
                        @for (index, number) in view.pool.iter().take(PREVIEW).enumerate() {
                            @if index > 0 { ", " }
                            span.nowrap { (phone(number.e164)) }
                        }
                        @if view.pool.len() > PREVIEW { " +" (view.pool.len() - PREVIEW) " more" }
                    }
                }
            }
        }
    }
}

fn minutes(value: f64) -> String {
    if value == 1.0 { "1 minute".into() } else { format!("{value} minutes") }
}

fn raw(view: &View) -> Markup {
    let text = serde_json::to_string_pretty(&view.setup).unwrap_or_default();
    html! {
        details.fold {
            summary { (Icon::ChevronRight.small()) "Details: the raw setup of this run" }
            pre.code id="setup-json" tabindex="0" aria-label="Raw setup JSON" { (text) }
            p.card-foot {
                button.btn.sm.js type="button" data-copy="" data-from="setup-json" { (Icon::Copy.draw()) "Copy setup" }
                span { "Paste it into a ticket when you escalate." }
            }
        }
    }
}
