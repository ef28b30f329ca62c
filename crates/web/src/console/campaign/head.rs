//! Name, badges, lifecycle and notices: what a returning eye looks at first (MO-1,
//! MO-10).

use campanile_domain::campaign::{CompletionReason, Status};
use campanile_store::rows::Stamp;
use maud::{Markup, html};

use super::View;
use crate::console::{
    icons::Icon,
    parts::{Shape, Tone, badge, bare_badge, copy, notice, opens, status_badge},
    text::counted,
};

/// Name and badges.
pub(super) fn title(view: &View) -> Markup {
    let campaign = &view.campaign;
    html! {
        h1 { (campaign.settings.name) }
        (status_badge(campaign.status))
        @if campaign.settings.always_on {
            (badge(Tone::Purple, Shape::Icon(Icon::Infinity), "Always-on · runs until stopped"))
        }
    }
}

/// The lifecycle grid: identity, run, bot, and what happened when and by whom.
pub(super) fn lifecycle(view: &View) -> Markup {
    let campaign = &view.campaign;
    let window = &campaign.settings.window;
    let id = campaign.id.to_string();
    let ended = match campaign.status {
        Status::Failed => "Failed",
        _ if campaign.completion_reason == Some(CompletionReason::ManuallyStopped) => "Stopped",
        _ => "Completed",
    };
    let step = |name: &str, stamp: &Option<Stamp>| -> Markup {
        html! {
            @if let Some(stamp) = stamp {
                div { dt { (name) } dd { (view.clock.stamp(stamp.at)) small { (stamp.by.name) } } }
            }
        }
    };
    // A pause that was resumed is history; only the newer of the two is news.
    let resumed_after = campaign
        .resumed
        .as_ref()
        .zip(campaign.paused.as_ref())
        .is_some_and(|(resumed, paused)| resumed.at >= paused.at);
    html! {
        dl.life {
            div {
                dt { "Campaign ID" }
                dd.id { code { (short(&id)) } (copy("Copy campaign ID", &id)) }
            }
            div { dt { "Run" } dd { "#" (campaign.run) } }
            div {
                dt { "Bot" }
                dd { @match &view.bot { Some(bot) => (bot.name), None => span.nil { "none" } } }
            }
            (step("Created", &Some(campaign.created.clone())))
            (step("Started", &campaign.started))
            @if resumed_after { (step("Last resumed", &campaign.resumed)) }
            @else { (step("Paused", &campaign.paused)) }
            (step(ended, &campaign.ended))
            div {
                dt { "Window" }
                dd {
                    (window.start) "–" (window.end)
                    small { (super::config::day_ranges(&window.days)) ", " (window.timezone) }
                }
            }
        }
    }
}

/// `cmp_` and the last eight characters.
pub(super) fn short(id: &str) -> String {
    let prefix = id.split_inclusive('_').next().unwrap_or_default();
    let tail = id.len().saturating_sub(8);
    format!("{prefix}…{}", &id[tail..])
}

/// What is worth a notice, by status (MO-10).
pub(super) fn notices(view: &View) -> Markup {
    let campaign = &view.campaign;
    let when = |stamp: &Option<Stamp>| {
        stamp.as_ref().map(|stamp| view.clock.past(stamp.at)).unwrap_or_default()
    };
    let zone = view.clock.zone_name();
    match (campaign.status, campaign.completion_reason) {
        (Status::Completed, Some(CompletionReason::ManuallyStopped)) => {
            let by = campaign.ended.as_ref().map_or("somebody", |stamp| &stamp.by.name);
            let left = campaign.count(campanile_domain::contact::ContactState::ManualStopped);
            html! {
                (notice(Tone::Blue, Icon::CircleCheck, html! { b { (CompletionReason::ManuallyStopped.label()) } }))
                (notice(Tone::Yellow, Icon::Square, html! {
                    b { "Stopped by " (by) } " "
                    span {
                        (when(&campaign.ended)) " " (zone) ". "
                        @if left == 0 { "Nobody was waiting any more." }
                        @else { (counted(left, "waiting contact was", "waiting contacts were")) " not called." }
                    }
                }))
            }
        }
        (Status::Completed, Some(reason)) => notice(
            Tone::Blue,
            Icon::CircleCheck,
            html! {
                b { (reason.label()) } " "
                span {
                    (when(&campaign.ended)) " " (zone) ", after "
                    (counted(passes(view), "pass", "passes")) "."
                }
            },
        ),
        (Status::Failed, _) => notice(
            Tone::Red,
            Icon::CircleX,
            html! {
                b { (campaign.failure.as_deref().unwrap_or("The run could not go on")) } " "
                span {
                    (when(&campaign.ended)) " " (zone)
                    ". Look at the calls below and at the carrier under Setup. If the cause stays unclear, copy the raw setup JSON below into a ticket."
                }
            },
        ),
        (Status::Draft, _) if campaign.has_run => notice(
            Tone::Blue,
            Icon::RotateCcw,
            html! {
                b { "Run #" (campaign.run) " is prepared, not started" } " "
                span { "Review the number pool and dialler settings, then press Start." }
            },
        ),
        (Status::Draft | Status::Running | Status::Paused | Status::Completed, _) => html! {},
    }
}

fn passes(view: &View) -> u64 {
    view.figures.passes.iter().filter(|pass| pass.started_at.is_some()).count() as u64
}

/// What a draft still lacks, in the order in which Start asks for it (CL-2).
pub(super) fn before_start(view: &View) -> Markup {
    let campaign = &view.campaign;
    let settings = &campaign.settings;
    let edit = format!("/dashboard/campaigns/{}/edit", campaign.id);
    let good = |words: String| bare_badge(Tone::Green, Shape::Icon(Icon::StCompleted), &words);
    let lacks = |words: &str, address: &str, remedy: &str| {
        html! {
            (bare_badge(Tone::Amber, Shape::Icon(Icon::TriangleAlert), words))
            " " a.link href=(address) { (remedy) }
        }
    };
    let pool = view.pool.iter().filter(|number| number.usable).count() as u64;
    let checks = [
        (
            "Bot",
            match &view.bot {
                Some(bot) if bot.enabled => Ok(bot.name.clone()),
                Some(_) => Err(lacks("disabled", "/dashboard/setup#bots", "Enable it")),
                None => Err(lacks("none chosen", &edit, "Choose a bot")),
            },
        ),
        (
            "Numbers and carrier",
            match pool {
                0 => Err(lacks("no enabled number on an enabled carrier", &edit, "Choose numbers")),
                n => Ok(counted(n, "number", "numbers")),
            },
        ),
        (
            "Contacts",
            match campaign.total() {
                0 if settings.always_on => Ok("none yet; they may come later".into()),
                0 => Err(html! {
                    (bare_badge(Tone::Amber, Shape::Icon(Icon::TriangleAlert), "none"))
                    @if view.powers.run {
                        " " (opens("upload", "sm", Icon::Upload, "Upload a CSV"))
                    }
                }),
                n => Ok(counted(n, "contact", "contacts")),
            },
        ),
        (
            "Calling window",
            match settings.hours().check(true).first() {
                None => Ok(format!("{} {}", settings.hours().spans(), view.clock.zone_name())),
                Some(fault) => Err(lacks(&fault.message, &edit, "Mend it")),
            },
        ),
    ];
    let ready = checks.iter().filter(|(_, check)| check.is_ok()).count();
    html! {
        section.card {
            div.card-head {
                h2 { "Before Start" }
                p.push { (ready) " of " (checks.len()) " in order" }
            }
            dl.lines {
                @for (name, check) in checks {
                    div {
                        dt { (name) }
                        dd { @match check { Ok(words) => (good(words)), Err(lack) => (lack) } }
                    }
                }
            }
        }
    }
}
