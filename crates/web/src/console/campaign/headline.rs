//! What the head of the live panel says: the state in a word, the reason in a sentence,
//! until when, and what to do (MO-4, DI-12).

use campanile_domain::{
    campaign::Status,
    live::{LiveState, LiveView},
    why::{Reason, ReasonCode},
};
use maud::{Markup, Render, html};

use super::View;
use crate::console::{
    icons::Icon,
    parts::{Shape, Tone},
    text::{Clock, counted, rfc, seconds_between, span, utc},
};

/// A view older than this is no news: the dialler has stopped reporting.
const STALE_SECONDS: u64 = 15;
/// What the head of the panel says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Headline {
    pub(super) tone: Tone,
    pub(super) shape: Shape,
    pub(super) label: String,
    /// The reason, without its time.
    sentence: String,
    /// When it passes, in words and as a time.
    until: Option<Until>,
    /// One line of advice below.
    pub(super) advice: String,
}

#[derive(Debug, Clone, PartialEq)]
struct Until {
    before: &'static str,
    at: jiff::Timestamp,
    /// Counts down rather than names the clock.
    ticks: bool,
}

/// The newest view of this run, unless it is too old to be news.
pub(super) fn fresh(view: &View) -> Option<&LiveView> {
    view.live
        .as_deref()
        .filter(|live| live.run == view.campaign.run)
        .filter(|live| seconds_between(live.at, view.clock.now()) <= STALE_SECONDS)
}

/// What the head says now; nothing where nothing is under way.
pub(super) fn headline(view: &View) -> Option<Headline> {
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
    pub(super) fn said(&self, clock: &Clock) -> Markup {
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
    pub(super) fn render_small(self) -> Markup {
        match self {
            Self::Icon(icon) => icon.small(),
            Self::Dot | Self::Beat | Self::Ring => self.render(),
        }
    }
}
