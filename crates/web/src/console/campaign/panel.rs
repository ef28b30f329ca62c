//! The live panel: what the dialler does, why not more, and until when (MO-4 to
//! MO-7).

use campanile_domain::{
    campaign::Status,
    contact::{ContactClass, ContactState},
    live::LiveView,
};
use maud::{Markup, html};

use super::{
    View,
    headline::{fresh, headline},
};
use crate::console::{
    parts::{Stretch, bar, off, stat},
    spark::spark,
    text::{
        Clock, NBSP, ago, count, counted, eta, percent, rate, rfc, seconds_between, share, span,
        utc,
    },
};

/// From here on Last Dial is orange (MO-5).
const LATE_SECONDS: u64 = 30;

/// The panel of a campaign that is running or paused, or whose last calls are
/// ending; nothing for the others.
pub(super) fn panel(view: &View) -> Markup {
    let Some(headline) = headline(view) else { return html! {} };
    let live = fresh(view);
    html! {
        section.card.live aria-label=(headline.label) {
            div class={ "live-head " (headline.tone.class()) } {
                p.live-label { (headline.shape.render_small()) (headline.label) }
                p.why { (headline.said(&view.clock)) }
                @if !headline.advice.is_empty() { p { (headline.advice) } }
                @if let Some(seconds) = live.and_then(|live| live.eta_seconds) {
                    (estimate(seconds, &view.clock))
                }
            }
            (progress(view))
            (counters(view, live))
        }
    }
}

/// What the hidden status speaks: changes only when the state does.
pub(super) fn spoken(view: &View) -> String {
    let status = crate::console::parts::status_look(view.campaign.status).2;
    match headline(view) {
        Some(headline) => format!("{status}. {}.", headline.label),
        None => format!("{status}."),
    }
}

/// The processed bar with its legend; shown in every status.
pub(super) fn progress(view: &View) -> Markup {
    let campaign = &view.campaign;
    let (processed, total) = (campaign.processed(), campaign.total());
    let excluded = campaign.count(ContactState::Excluded);
    let all = total + excluded;
    let class = |wanted: ContactClass| -> u64 {
        campaign.counts.iter().filter(|(state, _)| state.class() == wanted).map(|(_, n)| n).sum()
    };
    let (active, waiting) = (class(ContactClass::Active), class(ContactClass::Waiting));
    let one = |state: ContactState| campaign.count(state);
    // Colour, word, figure, and whether it is told when there are none.
    let stretches = [
        ("blue", "Completed", one(ContactState::Completed), true),
        ("fail", "Failed", one(ContactState::Failed), true),
        ("machine", "Machine", one(ContactState::AmdMachine), false),
        ("red", "Abandoned", one(ContactState::Abandoned), false),
        ("orange", "Window closed", one(ContactState::WindowClosed), false),
        ("yellow", "Stopped", one(ContactState::ManualStopped), false),
        ("excl", "Excluded", excluded, false),
        ("green", "In a call", active, false),
    ];
    let drawn: Vec<Stretch> = stretches
        .iter()
        .map(|(class, _, figure, _)| Stretch { class, share: share(*figure, all) })
        .collect();
    let done = percent(share(processed, total), 1);
    let label = format!(
        "{done} percent processed: {}",
        stretches
            .iter()
            .filter(|(_, _, figure, _)| *figure > 0)
            .map(|(_, word, figure, _)| format!("{} {}", count(*figure), word.to_lowercase()))
            .collect::<Vec<_>>()
            .join(", ")
    );
    html! {
        div.progress {
            @if all == 0 {
                p.progress-top { b { "No contacts yet" } }
            } @else {
                p.progress-top {
                    b { (count(processed)) " of " (count(total)) " processed" }
                    span { (done) (NBSP) "%" }
                    span.push {
                        @if processed < total { (counted(total - processed, "contact", "contacts")) " to go" }
                        @else { (counted(total, "contact", "contacts")) }
                    }
                }
                (bar("big", &label, &drawn))
                ul.legend {
                    @for (class, word, figure, always) in stretches {
                        @if always || figure > 0 {
                            li { span class={ "swatch " (class) } {} (word) " " b { (count(figure)) } }
                        }
                    }
                    @if waiting > 0 {
                        li { span.swatch.hollow {} "Waiting " b { (count(waiting)) } }
                    }
                }
            }
        }
    }
}

/// What a finished run came to (MO-7).
pub(super) fn finished(view: &View) -> Markup {
    let sums = &view.figures.sums;
    let seconds = view.dialling_seconds;
    let per = |amount: u64, unit: f64| -> Markup {
        match seconds {
            0 => off(),
            seconds => html! { (rate(amount as f64 * unit / seconds as f64)) },
        }
    };
    html! {
        section.card aria-label={ "Performance of run " (view.campaign.run) } {
            (progress(view))
            dl.stats.four {
                (stat("Total connected", count(sums.connected), format!("of {}", counted(sums.dials, "dial", "dials"))))
                (stat("Dials/sec", per(sums.dials, 1.0), format!("over {} of dialling", span(seconds))))
                (stat("Connected/hr", per(sums.connected, 3_600.0), "mean of the run"))
                (stat("Calls/min", per(sums.dials, 60.0), "mean of the run"))
            }
        }
    }
}

fn counters(view: &View, live: Option<&LiveView>) -> Markup {
    let seats = view.campaign.settings.concurrency;
    let in_calls = |state: &[ContactState]| -> u64 {
        state.iter().map(|state| view.campaign.count(*state)).sum()
    };
    // Without news from the dialler the stored states still tell who is in a call.
    let ringing = live.map_or_else(
        || in_calls(&[ContactState::Dialling, ContactState::Ringing]),
        |live| u64::from(live.ringing),
    );
    let talking = live
        .map_or_else(|| in_calls(&[ContactState::InProgress]), |live| u64::from(live.in_progress));
    let figure = |value: Option<f64>| value.map_or_else(off, |value| html! { (rate(value)) });
    let idle = |value: Option<f64>, words: &'static str| value.map_or("not dialling", |_| words);
    let ring = live.and_then(|live| live.avg_ring_seconds).or(view
        .figures
        .sums
        .metrics()
        .avg_ring_seconds);
    let last = live.and_then(|live| live.last_dial_at).or(view.campaign.last_dial_at);
    let speed = live.and_then(|live| live.dials_per_second);
    let hourly = live.and_then(|live| live.connected_per_hour);
    let (dials, connected) = curves(view);
    html! {
        dl.stats {
            (stat("Ringing", count(ringing), if ringing == 0 { "none out" } else { "not yet answered" }))
            (stat("In Progress", html! { (count(talking)) small { " / " (count(u64::from(seats))) } }, "seats talking"))
            (stat("Dials/sec", html! { (figure(speed)) (dials) }, idle(speed, "last 10 s")))
            (stat("Connected/hr", html! { (figure(hourly)) (connected) }, idle(hourly, "projected")))
            (stat(
                "Avg Ring Time",
                ring.map_or_else(off, |ring| html! { (rate(ring)) small { (NBSP) "s" } }),
                "over this run",
            ))
            (last_dial(view, last))
        }
    }
}

/// The last quarter of an hour of both rates.
fn curves(view: &View) -> (Markup, Markup) {
    let now = view.clock.now();
    let tone = if view.campaign.status == Status::Running { "green" } else { "grey" };
    let dials: Vec<_> =
        view.history.iter().map(|point| (point.at, point.dials_per_second)).collect();
    let connected: Vec<_> = view
        .history
        .iter()
        .filter_map(|point| Some((point.at, point.connected_per_hour?)))
        .collect();
    (
        spark(tone, "Dials a second", &dials, now, None),
        spark(tone, "Connected an hour", &connected, now, None),
    )
}

/// Last Dial ticks in the browser; the server draws what was true at rendering.
fn last_dial(view: &View, last: Option<jiff::Timestamp>) -> Markup {
    let Some(at) = last else { return stat("Last Dial", off(), "none in this run") };
    let age = seconds_between(at, view.clock.now());
    let late = age > LATE_SECONDS;
    stat(
        "Last Dial",
        html! {
            time.late.orange[late] datetime=(rfc(at)) title=(utc(at)) data-since="" data-late=(LATE_SECONDS) {
                (ago(age))
            }
        },
        html! { span.late.orange[late] { (if late { "over 30 s" } else { "on time" }) } },
    )
}

fn estimate(seconds: u64, clock: &Clock) -> Markup {
    let span = jiff::SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    let done = clock.now().checked_add(span).ok();
    html! {
        p.eta {
            b { (eta(seconds)) }
            @if let Some(done) = done {
                span { "done about " (clock.plain(done, &clock.brief(done))) " " (clock.zone_name()) }
            }
        }
    }
}
