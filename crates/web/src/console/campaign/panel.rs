//! The live panel: what the dialler does, why not more, and until when (MO-4 to
//! MO-7).

use campanile_domain::{
    campaign::Status,
    contact::{ContactClass, ContactState},
    live::{LiveState, LiveView},
    why::{Reason, ReasonCode},
};
use maud::{Markup, Render, html};

use super::View;
use crate::console::{
    icons::Icon,
    parts::{Shape, Stretch, Tone, bar, off, stat},
    spark::spark,
    text::{
        Clock, NBSP, ago, count, counted, eta, percent, rate, rfc, seconds_between, share, span,
        utc,
    },
};

/// A view older than this is no news: the dialler has stopped reporting.
const STALE_SECONDS: u64 = 15;
/// From here on Last Dial is orange (MO-5).
const LATE_SECONDS: u64 = 30;

/// What the head of the panel says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Headline {
    tone: Tone,
    shape: Shape,
    label: String,
    /// The reason, without its time.
    sentence: String,
    /// When it passes, in words and as a time.
    until: Option<Until>,
    /// One line of advice below.
    advice: String,
}

#[derive(Debug, Clone, PartialEq)]
struct Until {
    before: &'static str,
    at: jiff::Timestamp,
    /// Counts down rather than names the clock.
    ticks: bool,
}

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

fn fresh(view: &View) -> Option<&LiveView> {
    view.live
        .as_deref()
        .filter(|live| live.run == view.campaign.run)
        .filter(|live| seconds_between(live.at, view.clock.now()) <= STALE_SECONDS)
}

fn headline(view: &View) -> Option<Headline> {
    let ending = view.in_calls();
    match view.campaign.status {
        Status::Draft => None,
        Status::Completed | Status::Failed if ending == 0 => None,
        Status::Completed | Status::Failed => Some(Headline {
            tone: Tone::Blue,
            shape: Shape::Beat,
            label: "Ending".into(),
            sentence: format!("{} still ending", counted(ending, "call", "calls")),
            until: None,
            advice: "No new call leaves. Calls that were out keep their real outcomes.".into(),
        }),
        Status::Paused => Some(paused(view, ending)),
        Status::Running => Some(match fresh(view) {
            // Resumed a moment ago; the dialler has not looked yet.
            Some(live) if live.state == LiveState::Paused => Headline {
                tone: Tone::Green,
                shape: Shape::Dot,
                label: "Live Activity".into(),
                sentence: "Resumed; the dialler takes it up now".into(),
                until: None,
                advice: String::new(),
            },
            Some(live) => running(live),
            None => Headline {
                tone: Tone::Amber,
                shape: Shape::Icon(Icon::TriangleAlert),
                label: "No news from the dialler".into(),
                sentence: match view.live.as_deref() {
                    Some(live) => format!(
                        "The dialler has not reported since {}",
                        view.clock.seconds(live.at)
                    ),
                    None => "The dialler has not reported yet".into(),
                },
                until: None,
                advice: advice(ReasonCode::DiallerDown).into(),
            },
        }),
    }
}

fn paused(view: &View, ending: u64) -> Headline {
    let sentence = match &view.campaign.paused {
        Some(stamp) => {
            format!("Paused by {} {}; no new calls", stamp.by.name, view.clock.past(stamp.at))
        }
        None => "Paused; no new calls".into(),
    };
    let to_go = view.campaign.total().saturating_sub(view.campaign.processed());
    let advice = match ending {
        0 => format!(
            "No call is left in flight. Resume goes on with {}.",
            counted(to_go, "contact", "contacts")
        ),
        ending => format!(
            "{} still in flight and {} real outcome.",
            counted(ending, "call is", "calls are"),
            if ending == 1 { "keeps its" } else { "keep their" }
        ),
    };
    Headline {
        tone: Tone::Amber,
        shape: Shape::Icon(Icon::StPaused),
        label: "Paused".into(),
        sentence,
        until: None,
        advice,
    }
}

fn running(live: &LiveView) -> Headline {
    let code = live.reason.code;
    let (tone, shape, label) = match live.state {
        LiveState::Live if code == ReasonCode::AbandonLimit => {
            (Tone::Amber, Shape::Icon(Icon::TriangleAlert), "Live Activity, eased".to_owned())
        }
        // Calls are up, but no new one can leave.
        LiveState::Live
            if matches!(
                code,
                ReasonCode::CarrierResting
                    | ReasonCode::NoCarrier
                    | ReasonCode::NoNumber
                    | ReasonCode::BotMissing
                    | ReasonCode::StoreDown
                    | ReasonCode::DiallerDown
                    | ReasonCode::DailyLimit
            ) =>
        {
            (Tone::Amber, Shape::Icon(Icon::TriangleAlert), "Live Activity, held".into())
        }
        LiveState::Live if live.ringing > 0 => (Tone::Green, Shape::Beat, "Live Activity".into()),
        LiveState::Live => (Tone::Green, Shape::Dot, "Live Activity".into()),
        LiveState::OutsideWindow => {
            (Tone::Orange, Shape::Icon(Icon::Moon), "Paused — Outside time window".into())
        }
        LiveState::Paused => (Tone::Amber, Shape::Icon(Icon::StPaused), "Paused".into()),
        LiveState::Draining => (Tone::Blue, Shape::Beat, "Ending".into()),
        LiveState::Idle => {
            let (tone, icon, words) = idle_look(code);
            (tone, Shape::Icon(icon), format!("Idle — {words}"))
        }
    };
    Headline {
        tone,
        shape,
        label,
        sentence: live.reason.sentence.trim_end_matches('.').to_owned(),
        until: until(&live.reason),
        advice: advice(code).into(),
    }
}

/// Amber waits for time, red for a person.
fn idle_look(code: ReasonCode) -> (Tone, Icon, &'static str) {
    use ReasonCode as R;
    match code {
        R::RetryWait => (Tone::Amber, Icon::Hourglass, "Waiting for retries"),
        R::Dialling => (Tone::Amber, Icon::Hourglass, "No dial for 30 seconds"),
        R::OutsideWindow => (Tone::Orange, Icon::Moon, "Outside time window"),
        R::SeatsFull => (Tone::Amber, Icon::Gauge, "Every seat is taken"),
        R::CarrierCps => (Tone::Amber, Icon::Gauge, "Carrier calls per second used up"),
        R::CarrierChannels => (Tone::Amber, Icon::Gauge, "Carrier channels used up"),
        R::CarrierResting => (Tone::Amber, Icon::TriangleAlert, "Carrier resting after failures"),
        R::NoCarrier => (Tone::Red, Icon::TriangleAlert, "No carrier"),
        R::NoNumber => (Tone::Red, Icon::TriangleAlert, "No outbound number"),
        R::Paused => (Tone::Amber, Icon::StPaused, "Paused"),
        R::NothingLeft => (Tone::Blue, Icon::StCompleted, "Last calls are ending"),
        R::BotMissing => (Tone::Red, Icon::TriangleAlert, "Bot missing"),
        R::MachineFull => (Tone::Amber, Icon::Gauge, "Machine full"),
        R::WaitingForContacts => (Tone::Amber, Icon::Hourglass, "Waiting for contacts"),
        R::StoreDown => (Tone::Red, Icon::TriangleAlert, "Database takes no writes"),
        R::DiallerDown => (Tone::Red, Icon::TriangleAlert, "Dialler not running"),
        R::AbandonLimit => (Tone::Amber, Icon::TriangleAlert, "Abandon rate at its limit"),
        R::AnotherCall => (Tone::Amber, Icon::Hourglass, "Waiting for another campaign’s call"),
        R::NumberBarred => (Tone::Red, Icon::TriangleAlert, "Number barred"),
        R::DailyLimit => (Tone::Red, Icon::TriangleAlert, "Daily limit reached"),
    }
}

/// What it means and what to do, in one line.
fn advice(code: ReasonCode) -> &'static str {
    use ReasonCode as R;
    match code {
        R::Dialling => "",
        R::OutsideWindow => "It goes on by itself when the window opens.",
        R::RetryWait => {
            "Nothing is wrong: everyone who is left waits out the retry delay. It goes on by itself."
        }
        R::SeatsFull => {
            "To dial faster: pause, raise Concurrency under Edit, resume. The bot must take as many calls."
        }
        R::CarrierCps => {
            "To dial faster, add a carrier under Setup and one of its numbers to this campaign."
        }
        R::CarrierChannels => {
            "For more calls at once, add a carrier under Setup and one of its numbers to this campaign."
        }
        R::CarrierResting => {
            "The carrier refused or lost too many calls. It is tried again by itself; these \
             attempts do not count against the contacts. If it lasts, ask the carrier."
        }
        R::NoCarrier => "Enable a carrier of the number pool under Setup.",
        R::NoNumber => "Pause, choose an outbound number under Edit, resume.",
        R::Paused => "Press Resume to go on.",
        R::NothingLeft => "Nobody is left to call; the run completes with its last call.",
        R::BotMissing => "Enable it under Setup; for another bot, make a new campaign.",
        R::MachineFull => {
            "All campaigns share this machine. Pause another one, or start the server with more --max-calls."
        }
        R::WaitingForContacts => {
            "Always-on: it dials as soon as contacts arrive, by CSV or by the API."
        }
        R::StoreDown => {
            "No call leaves that could not be recorded. Check that the server’s disk has room."
        }
        R::DiallerDown => "Check that the server still runs; its log says more.",
        R::AbandonLimit => {
            "Dialling is slower while one more abandoned call could break the limit. More seats help, too."
        }
        R::AnotherCall => {
            "Nobody is called by two campaigns at once. It goes on by itself when that call is over."
        }
        R::NumberBarred => {
            "Add its country to the campaign’s allowed countries, if it may be called."
        }
        R::DailyLimit => {
            "A guard against toll fraud, for all campaigns together. If these calls are wanted, \
             raise the limit in the configuration file and restart the server."
        }
    }
}

fn until(reason: &Reason) -> Option<Until> {
    use ReasonCode as R;
    let at = reason.until?;
    let (before, ticks) = match reason.code {
        R::OutsideWindow => ("resumes ", false),
        R::RetryWait => ("the next is due in ", true),
        R::CarrierResting => ("tried again in ", true),
        R::DailyLimit => ("goes on ", false),
        R::AnotherCall => ("free in ", true),
        R::AbandonLimit | R::CarrierCps | R::CarrierChannels | R::SeatsFull | R::MachineFull => {
            ("looked at again in ", true)
        }
        R::Dialling
        | R::NoCarrier
        | R::NoNumber
        | R::Paused
        | R::NothingLeft
        | R::BotMissing
        | R::WaitingForContacts
        | R::StoreDown
        | R::DiallerDown
        | R::NumberBarred => return None,
    };
    Some(Until { before, at, ticks })
}

impl Headline {
    /// The sentence with its time, which the browser counts down.
    fn said(&self, clock: &Clock) -> Markup {
        html! {
            (self.sentence)
            @if let Some(until) = &self.until {
                "; " (until.before)
                @if until.ticks {
                    time datetime=(rfc(until.at)) title=(utc(until.at)) data-until="" {
                        (span(seconds_between(clock.now(), until.at)))
                    }
                } @else {
                    (clock.plain(until.at, &clock.upcoming(until.at))) " " (clock.zone_name())
                }
            }
        }
    }
}

/// The reason in a row of the list: the sentence, its tone and its time.
pub(crate) fn row_reason(live: &LiveView, now: jiff::Timestamp) -> (Option<Tone>, Markup) {
    let headline = running(live);
    let tone = match headline.tone {
        Tone::Green | Tone::Blue => None,
        tone => Some(tone),
    };
    let words = html! {
        (headline.sentence)
        @if let Some(until) = &headline.until {
            "; " (until.before)
            @if until.ticks {
                time datetime=(rfc(until.at)) data-until="" { (span(seconds_between(now, until.at))) }
            } @else { (crate::console::text::local_time(until.at)) }
        }
    };
    (tone, words)
}

impl Shape {
    fn render_small(self) -> Markup {
        match self {
            Self::Icon(icon) => icon.small(),
            Self::Dot | Self::Beat | Self::Ring => self.render(),
        }
    }
}
