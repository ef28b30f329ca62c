//! One attempt: where its time went, event by event (MO-9).

use campanile_domain::{
    attempt::{Audio, Leg},
    outcome::{Outcome, label_of_code},
};
use campanile_store::rows::{Attempt, Campaign, Contact};
use jiff::Timestamp;
use maud::{Markup, html};

use super::calls::{is_instant, outcome_words, plain, result_words, ring_seconds, talk_seconds};
use crate::console::{
    icons::Icon,
    parts::{Shape, Stretch, Tone, badge, bar, copy},
    text::{Clock, NBSP, count, phone, span},
};

/// What the page shows.
pub(crate) struct AttemptView {
    pub(crate) campaign: Campaign,
    pub(crate) contact: Contact,
    pub(crate) attempt: Attempt,
    pub(crate) clock: Clock,
}

/// One line of the timeline.
struct Event {
    name: &'static str,
    at: Timestamp,
    note: String,
    key: bool,
}

/// The page below the frame.
pub(crate) fn page(view: &AttemptView) -> Markup {
    let attempt = &view.attempt;
    let id = attempt.id.to_string();
    html! {
        header.head {
            div.head-row {
                div.head-title {
                    h1 { "Attempt " (attempt.number) " to " span.phone { (phone(attempt.phone)) } }
                    (outcome_badge(attempt))
                    @if is_instant(attempt) { (badge(Tone::Grey, Shape::Icon(Icon::Clock), "instant")) }
                }
            }
            dl.life {
                div { dt { "Outcome" } dd { (outcome_words(attempt)) @if let Some(code) = raw_code(attempt) { small { (code) } } } }
                div { dt { "Attempt ID" } dd.id { code { "…" (&id[id.len().saturating_sub(8)..]) } (copy("Copy attempt ID", &id)) } }
                div { dt { "Dialled" } dd { (view.clock.stamp(attempt.dialled_at)) } }
                div { dt { "Shown number" } dd.phone { (phone(attempt.caller_id)) } }
                div { dt { "Carrier" } dd { (attempt.carrier) } }
                div { dt { "Pass" } dd { (attempt.pass) @if !attempt.counts { small { "does not count" } } } }
                div { dt { "Revision" } dd { (attempt.run) "." (attempt.revision) } }
            }
        }
        (phases(attempt))
        div.split.even.stretch {
            (timeline(view))
            (conversation(view))
        }
        (others(view))
    }
}

fn outcome_badge(attempt: &Attempt) -> Markup {
    let words = outcome_words(attempt);
    let (tone, shape) = match attempt.outcome {
        None => (Tone::Green, Shape::Beat),
        Some(Outcome::Completed) => (Tone::Blue, Shape::Icon(Icon::StCompleted)),
        Some(Outcome::Abandoned | Outcome::BotError) => (Tone::Red, Shape::Icon(Icon::StFailed)),
        Some(_) => (Tone::Grey, Shape::Icon(Icon::PhoneOff)),
    };
    badge(tone, shape, &words)
}

/// The code and the carrier's own words, where the friendly label hides them.
fn raw_code(attempt: &Attempt) -> Option<String> {
    let code = attempt.sip_code?;
    let reason = attempt.sip_reason.as_deref().unwrap_or_default();
    Some(format!("SIP {code} {reason}").trim_end().to_owned())
}

fn milliseconds(from: Timestamp, to: Timestamp) -> i64 {
    to.as_millisecond() - from.as_millisecond()
}

fn phases(attempt: &Attempt) -> Markup {
    let Some(end) = attempt.ended_at else { return html! {} };
    let whole = milliseconds(attempt.dialled_at, end);
    if whole <= 0 {
        return html! {};
    }
    // From the INVITE on, each phase lasts until the next thing that happened.
    let ringing = attempt.ringing_at.or(attempt.answered_at).unwrap_or(end);
    let answered = attempt.answered_at.unwrap_or(end);
    let spoke = attempt.first_bot_audio_at.or(attempt.bot_attached_at).unwrap_or(answered);
    let phases = [
        ("excl", "Setup", milliseconds(attempt.dialled_at, ringing)),
        ("grey", "Rang", milliseconds(ringing, answered)),
        ("blue", "Answer to first word", milliseconds(answered, spoke)),
        (
            "green",
            "Talked",
            milliseconds(spoke, end).min(if attempt.answered_at.is_some() { i64::MAX } else { 0 }),
        ),
    ];
    let seconds = |ms: i64| match ms {
        ..1_000 => format!("{ms}{NBSP}ms"),
        _ => format!("{:.1}{NBSP}s", ms as f64 / 1_000.0),
    };
    let drawn: Vec<Stretch> = phases
        .iter()
        .map(|(class, _, ms)| Stretch { class, share: (*ms).max(0) as f64 / whole as f64 })
        .collect();
    let label = phases
        .iter()
        .filter(|(_, _, ms)| *ms > 0)
        .map(|(_, name, ms)| format!("{name} {}", seconds(*ms)))
        .collect::<Vec<_>>()
        .join(", ");
    html! {
        section.card aria-labelledby="phases-title" {
            div.card-head {
                h2 id="phases-title" { "Where the time went" }
                p.push { (seconds(whole)) " from dialling to the end" }
            }
            div.phases {
                (bar("big", &label, &drawn))
                ul.legend {
                    @for (class, name, ms) in phases {
                        @if ms > 0 { li { span class={ "swatch " (class) } {} (name) " " b { (seconds(ms)) } } }
                    }
                }
            }
        }
    }
}

fn events(attempt: &Attempt) -> Vec<Event> {
    let mut events = vec![Event {
        name: "INVITE",
        at: attempt.dialled_at,
        note: format!("from {}", phone(attempt.caller_id)),
        key: false,
    }];
    let mut push = |name, at: Option<Timestamp>, note: String, key| {
        if let Some(at) = at {
            events.push(Event { name, at, note, key });
        }
    };
    push("Ringing", attempt.ringing_at, "first 18x".into(), false);
    let rang = ring_seconds(attempt).map(|ring| format!("rang {}", span(ring))).unwrap_or_default();
    push("200 OK", attempt.answered_at, rang, true);
    push("Bot attached", attempt.bot_attached_at, String::new(), true);
    let wait = attempt
        .answered_at
        .zip(attempt.first_bot_audio_at)
        .map(|(answered, spoke)| format!("{} ms after the answer", milliseconds(answered, spoke)));
    push("First bot audio", attempt.first_bot_audio_at, wait.unwrap_or_default(), true);
    let by = attempt.hangup_by.map(|by| format!("by the {}", by.word())).unwrap_or_default();
    let ending = match (attempt.sip_code, attempt.answered_at) {
        (Some(code), None) => {
            let words = label_of_code(code).unwrap_or_default();
            format!("SIP {code} {words} {by}").trim_end().to_owned()
        }
        _ => by,
    };
    push("End", attempt.ended_at, ending, false);
    events
}

fn timeline(view: &AttemptView) -> Markup {
    let attempt = &view.attempt;
    html! {
        section.card aria-labelledby="timeline-title" {
            div.card-head { h2 id="timeline-title" { "Timeline" } p { "milliseconds since dialling" } }
            div.scroll tabindex="0" role="region" aria-label="Table of events" {
                table.table.tight.events {
                    thead { tr { th.num scope="col" { "ms" } th scope="col" { "Event" } th scope="col" { "Note" } } }
                    tbody {
                        @for event in events(attempt) {
                            tr.key[event.key] {
                                td.ms { (count(u64::try_from(milliseconds(attempt.dialled_at, event.at)).unwrap_or(0))) }
                                th scope="row" { (event.name) }
                                td.nil { (view.clock.plain(event.at, &event.note)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn conversation(view: &AttemptView) -> Markup {
    let attempt = &view.attempt;
    html! {
        section.card aria-labelledby="result-title" {
            div.card-head { h2 id="result-title" { "Result" } }
            dl.lines {
                div { dt { "Disposition" } dd { (result_words(attempt)) } }
                @if let Some(talk) = talk_seconds(attempt) { div { dt { "Talked" } dd { (span(talk)) } } }
                @if let Some(audio) = &attempt.media { div { dt { "Audio" } dd { (audio_words(audio)) } } }
                @if let Some(result) = &attempt.result {
                    @if let Some(reached) = &result.reached { div { dt { "Reached" } dd { (reached) } } }
                    @if let Some(summary) = &result.summary { div { dt { "Summary" } dd { (summary) } } }
                    @if result.opt_out == Some(true) { div { dt { "Opt-out" } dd { "asked never to be called again" } } }
                    @if let Some(wish) = &result.callback {
                        div { dt { "Callback" } dd { (wish.when_text.as_deref().unwrap_or("asked for")) } }
                    }
                    @for (name, value) in &result.more { div { dt { bdi { (name) } } dd { bdi { (plain(value)) } } } }
                }
            }
            @if !view.contact.variables.is_empty() {
                div.card-head { h2 { "Variables" } p { "of the contact" } }
                dl.lines {
                    @for (name, value) in &view.contact.variables {
                        div { dt { bdi { (name) } } dd { bdi { (plain(value)) } } }
                    }
                }
            }
        }
    }
}

/// What was heard of the callee; what he was sent, when his phone reported it.
fn audio_words(audio: &Audio) -> String {
    let leg = |leg: &Leg| {
        let opinion = leg.mos.map(|mos| format!(", MOS{NBSP}{mos:.1}")).unwrap_or_default();
        format!(
            "{:.1}{NBSP}% lost, jitter {:.0}{NBSP}ms{opinion}",
            leg.loss() * 100.0,
            leg.jitter_ms
        )
    };
    match &audio.told {
        _ if audio.heard.received == 0 => "nothing was heard".into(),
        None => leg(&audio.heard),
        Some(told) => format!("{}; at the callee {}", leg(&audio.heard), leg(told)),
    }
}

fn others(view: &AttemptView) -> Markup {
    let others: Vec<&Attempt> =
        view.contact.trail.iter().filter(|other| other.id != view.attempt.id).collect();
    html! {
        @if !others.is_empty() {
            section.card aria-labelledby="others-title" {
                div.card-head { h2 id="others-title" { "Other attempts to this contact" } }
                dl.lines {
                    @for other in others {
                        div {
                            dt {
                                a.link href={ "/dashboard/campaigns/" (view.campaign.id) "/attempts/" (other.id) } {
                                    "Attempt " (other.number)
                                }
                            }
                            dd { (outcome_words(other)) ", " (view.clock.plain(other.dialled_at, &view.clock.seconds(other.dialled_at))) }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audio_is_told_in_one_line_for_each_side_that_is_known() {
        let heard =
            Leg { received: 996, lost: 4, jitter_ms: 3.2, mos: Some(4.31), ..Leg::default() };
        let one = Audio { heard, ..Audio::default() };
        assert_eq!(audio_words(&one).replace(NBSP, " "), "0.4 % lost, jitter 3 ms, MOS 4.3");
        let told = Some(Leg { received: 50, lost: 50, mos: None, ..Leg::default() });
        assert_eq!(
            audio_words(&Audio { told, ..one }).replace(NBSP, " "),
            "0.4 % lost, jitter 3 ms, MOS 4.3; at the callee 50.0 % lost, jitter 0 ms"
        );
        assert_eq!(audio_words(&Audio::default()), "nothing was heard");
    }
}
