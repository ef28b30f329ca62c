//! The call list: every contact, how its calls went, 50 a page (MO-9).

use campanile_domain::{
    contact::{ContactClass, ContactState},
    ids::{CampaignId, ContactId},
    outcome::{INSTANT_FAILURE_MS, Outcome, label_of_code},
};
use campanile_store::rows::{Attempt, CallbackFilter, Contact};
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::{View, callbacks};
use crate::console::{
    icons::Icon,
    parts::{contact_badge, none},
    text::{Clock, count, counted, phone, rfc, seconds_between, span},
};

/// Rows of a page.
pub(super) const PAGE: u32 = 50;
/// A chip's ring line is full at this many seconds.
const FULL_RING_SECONDS: u64 = 45;
/// Empty places are drawn up to this many; a contact with more attempts wraps.
const SLOTS: u32 = 3;
/// Earlier pages that the address remembers.
const REMEMBERED: usize = 40;

/// What the address asks of the list.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Query {
    /// Digits at the start or the end of the number.
    #[serde(default)]
    pub(crate) phone: String,
    /// A state's word.
    #[serde(default)]
    pub(crate) state: String,
    /// A word of the callback filters.
    #[serde(default)]
    pub(crate) callback: String,
    /// After this contact.
    #[serde(default)]
    pub(crate) after: String,
    /// Cursors of the pages before, newest last, joined by `.`.
    #[serde(default)]
    pub(crate) seen: String,
}

/// A page of the list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calls {
    /// What was asked.
    pub(crate) query: Query,
    /// Its rows, in the order in which the contacts were added.
    pub(crate) rows: Vec<Contact>,
    /// Whether there are more after them.
    pub(crate) more: bool,
}

impl Query {
    /// The state, when it is one.
    pub(super) fn state(&self) -> Option<ContactState> {
        ContactState::from_word(&self.state)
    }

    /// Only contacts with such a callback.
    pub(super) fn callback(&self) -> Option<CallbackFilter> {
        CallbackFilter::from_word(&self.callback)
    }

    /// The same list, but of such callbacks.
    fn with_callback(&self, filter: Option<CallbackFilter>) -> Self {
        let callback = filter.map_or_else(String::new, |filter| filter.word().to_owned());
        Self { callback, ..self.clone() }
    }

    /// Digits to look for.
    pub(super) fn digits(&self) -> Option<String> {
        let digits: String = self.phone.chars().filter(char::is_ascii_digit).collect();
        (!digits.is_empty()).then_some(digits)
    }

    /// The contact after which the page begins.
    pub(super) fn cursor(&self) -> Option<ContactId> {
        self.after.parse().ok()
    }

    fn is_filtered(&self) -> bool {
        self.state().is_some() || self.callback().is_some() || self.digits().is_some()
    }

    fn address(&self, id: CampaignId, after: &str, seen: &str) -> String {
        let mut pairs = Vec::new();
        // Digits and words of our own lists need no escaping.
        for (name, value) in [
            ("phone", self.digits().unwrap_or_default()),
            ("state", self.state().map(|state| state.word().to_owned()).unwrap_or_default()),
            ("callback", self.callback().map(|each| each.word().to_owned()).unwrap_or_default()),
            ("after", after.to_owned()),
            ("seen", seen.to_owned()),
        ] {
            if !value.is_empty() {
                pairs.push(format!("{name}={value}"));
            }
        }
        let query = if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) };
        format!("/dashboard/campaigns/{id}{query}#calls")
    }

    /// Cursors of the pages before; anything that is not one of ours is dropped.
    fn stack(&self) -> Vec<&str> {
        self.seen
            .split('.')
            .filter(|cursor| *cursor == "0" || cursor.parse::<ContactId>().is_ok())
            .collect()
    }

    fn next(&self, id: CampaignId, last: ContactId) -> String {
        let mut stack = self.stack();
        stack.push(if self.cursor().is_some() { &self.after } else { "0" });
        let keep = stack.len().saturating_sub(REMEMBERED);
        self.address(id, &last.to_string(), &stack[keep..].join("."))
    }

    fn previous(&self, id: CampaignId) -> Option<String> {
        let mut stack = self.stack();
        let before = match stack.pop() {
            Some(before) => before,
            // Deep in the list without a memory of the way: back to its start.
            None => return self.cursor().map(|_| self.address(id, "", "")),
        };
        let after = if before == "0" { "" } else { before };
        Some(self.address(id, after, &stack.join(".")))
    }
}

/// The card with tools, table and pager.
pub(super) fn card(view: &View) -> Markup {
    let id = view.campaign.id;
    let calls = &view.calls;
    let query = &calls.query;
    let all = view.campaign.total() + view.campaign.count(ContactState::Excluded);
    let chosen = query.state();
    html! {
        section.card id="calls" aria-labelledby="calls-title"
            data-hx-target:inherited="#calls" data-hx-select:inherited="#calls"
            data-hx-swap:inherited="outerHTML" data-hx-push-url:inherited="true" {
            form.card-head.calls-tools method="get" action={ "/dashboard/campaigns/" (id) "#calls" }
                data-hx-get={ "/dashboard/campaigns/" (id) } data-hx-trigger="submit, change" role="search" {
                h2 id="calls-title" { "Calls" }
                p { span id="calls-count" { (counted(all, "contact", "contacts")) } ", times in " (view.clock.zone_name()) }
                label.with.lead.push {
                    span.vh { "Search by phone" }
                    (Icon::Search.small())
                    input.input type="search" name="phone" value=(query.phone) placeholder="Number or last digits" size="20" inputmode="tel" data-key="/";
                }
                @if let Some(callback) = query.callback() {
                    input type="hidden" name="callback" value=(callback.word());
                }
                label {
                    span.vh { "State" }
                    select.input.select name="state" {
                        option value="" { "All states" }
                        @for state in ContactState::ALL {
                            option value=(state.word()) selected[chosen == Some(*state)] { (state.label()) }
                        }
                    }
                }
                button.btn type="submit" { "Show" }
            }
            (callbacks::filters(view, |filter| query.with_callback(filter).address(id, "", "")))
            @if calls.rows.is_empty() { (empty(view)) } @else { (table(view)) }
            div.card-foot {
                span {
                    @if query.is_filtered() { (counted(calls.rows.len() as u64, "contact", "contacts")) " on this page" }
                    @else { (range(query, calls.rows.len(), all)) }
                }
                span.push.row {
                    (step(query.previous(id), "Previous"))
                    (step(calls.rows.last().filter(|_| calls.more).map(|last| query.next(id, last.id)), "Next"))
                }
            }
        }
    }
}

fn range(query: &Query, rows: usize, all: u64) -> String {
    let page = query.stack().len() as u64;
    let first = page * u64::from(PAGE) + 1;
    match (rows, query.cursor().is_some() && page == 0) {
        (0, _) => "No rows".into(),
        // The way here is not known, so neither is the position.
        (rows, true) => format!("{rows} of {}", count(all)),
        (rows, false) => {
            format!("{}–{} of {}", count(first), count(first + rows as u64 - 1), count(all))
        }
    }
}

fn step(address: Option<String>, words: &str) -> Markup {
    html! {
        @match address {
            Some(address) => a.btn.sm href=(address) data-hx-get=(address) { (words) },
            None => button.btn.sm type="button" disabled { (words) },
        }
    }
}

fn empty(view: &View) -> Markup {
    let query = &view.calls.query;
    if query.is_filtered() {
        none(
            "No contact fits",
            html! {
                a.link href={ "/dashboard/campaigns/" (view.campaign.id) "#calls" } { "Show all calls" }
            },
        )
    } else {
        none(
            "No contacts yet",
            "Upload a CSV with a phone_number column; every other column becomes a variable.",
        )
    }
}

fn table(view: &View) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Table of calls" {
            table.table.hov.calls.tight role="table" data-rows={ "/dashboard/campaigns/" (view.campaign.id) "/rows" } {
                thead {
                    tr {
                        th scope="col" { "Phone" }
                        th scope="col" { "Status" }
                        th.num scope="col" { "Attempts" }
                        th scope="col" { "Attempt Trail" }
                        th scope="col" { "Last Result" }
                        th scope="col" { "Variables" }
                    }
                }
                tbody { @for contact in &view.calls.rows { (row(view.campaign.id, &Look::of(view), contact)) } }
            }
        }
    }
}

/// What a row needs to know of its campaign.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look<'a> {
    pub(crate) clock: &'a Clock,
    pub(crate) max_attempts: u32,
}

impl<'a> Look<'a> {
    fn of(view: &'a View) -> Self {
        Self { clock: &view.clock, max_attempts: view.campaign.settings.max_attempts }
    }
}

/// One contact. The browser asks again for the rows that may still change.
pub(crate) fn row(campaign: CampaignId, look: &Look<'_>, contact: &Contact) -> Markup {
    let settled = is_settled(contact.state);
    html! {
        tr id=(contact.id) data-settled=[settled.then_some("")] {
            td.phone { (phone(contact.phone)) }
            td {
                div.status {
                    // That state's own badge says the same with fewer words.
                    @if contact.state != ContactState::CallbackScheduled || contact.callback.is_none() {
                        (contact_badge(contact.state))
                    }
                    (callbacks::mark(contact.callback.as_ref()))
                    @if let Some(due) = contact.due_at.filter(|due| contact.state.class() == ContactClass::Waiting && *due > look.clock.now()) {
                        span.muted.nowrap { (look.clock.plain(due, &format!("at {}", look.clock.brief(due)))) }
                    }
                }
            }
            td.num { (contact.counted) "/" (look.max_attempts) }
            td { div.trail { (trail(campaign, look, contact)) } }
            td { (last_result(contact)) }
            td { (variables(contact)) }
        }
    }
}

/// Nothing more is planned for it.
fn is_settled(state: ContactState) -> bool {
    matches!(state.class(), ContactClass::Final | ContactClass::Excluded)
}

fn trail(campaign: CampaignId, look: &Look<'_>, contact: &Contact) -> Markup {
    let made = u32::try_from(contact.trail.len()).unwrap_or(u32::MAX);
    let settled = is_settled(contact.state);
    let slots = if settled { 0 } else { look.max_attempts.min(SLOTS).saturating_sub(made) };
    html! {
        @for attempt in &contact.trail { (chip(campaign, look.clock, attempt)) }
        @for slot in 0..slots { span.chip.slot { i { (made + slot + 1) } } }
    }
}

fn chip(campaign: CampaignId, clock: &Clock, attempt: &Attempt) -> Markup {
    let words = outcome_words(attempt);
    let ring = ring_seconds(attempt);
    let tenths = ring.map_or(0, |ring| (ring * 10).div_ceil(FULL_RING_SECONDS).min(10));
    let tone = match attempt.outcome {
        None => "green",
        Some(Outcome::Completed) => "blue",
        Some(Outcome::Abandoned | Outcome::BotError) => "red",
        Some(_) => "",
    };
    let instant = is_instant(attempt);
    let rang = match ring {
        _ if instant => ", instant failure".to_owned(),
        Some(ring) => format!(", rang {}", span(ring)),
        None => ", did not ring".to_owned(),
    };
    let title =
        format!("Attempt {}: {words}, {}{rang}", attempt.number, clock.seconds(attempt.dialled_at));
    html! {
        a class={ "chip " (tone) " r" (tenths) } title=(title)
            href={ "/dashboard/campaigns/" (campaign) "/attempts/" (attempt.id) } {
            i { (attempt.number) }
            span { (short(&words)) }
            @if instant { em { "instant" } } @else if let Some(ring) = ring { em { (ring) "s" } }
            time datetime=(rfc(attempt.dialled_at)) { (clock.brief(attempt.dialled_at)) }
        }
    }
}

/// The words in the room of a chip, whose title has them whole.
fn short(words: &str) -> &str {
    match words {
        "Temporarily unavailable" => "Unavailable",
        "Number not in service" => "Not in service",
        "Line busy" => "Busy",
        "No reply from carrier" => "No reply",
        "Carrier congestion" => "Congestion",
        "Incomplete number" => "Incomplete",
        "No common codec" => "No codec",
        words => words,
    }
}

/// How an attempt went, in the words of the page (DI-9): a live one by how far it
/// has come; a refused one by its friendly label, else by the raw code.
pub(crate) fn outcome_words(attempt: &Attempt) -> String {
    let Some(outcome) = attempt.outcome else {
        let words = match (attempt.bot_attached_at, attempt.answered_at, attempt.ringing_at) {
            (Some(_), ..) => "Talking",
            (None, Some(_), _) => "Answered",
            (None, None, Some(_)) => "Ringing",
            (None, None, None) => "Dialling",
        };
        return words.into();
    };
    let raw = |code: u16| format!("SIP {code}");
    match (outcome, attempt.sip_code) {
        // The code of these is no reason: 487 answers our own CANCEL, 200 crossed it.
        (Outcome::NoAnswer, None | Some(200 | 487))
        | (
            Outcome::Completed
            | Outcome::Abandoned
            | Outcome::Machine
            | Outcome::BotError
            | Outcome::Cancelled
            | Outcome::Unknown
            | Outcome::NetworkError,
            _,
        )
        | (_, None) => outcome.label().into(),
        // The carrier sheds load in the disguise of the callee.
        (Outcome::Congestion, Some(code @ (403 | 480 | 486))) => raw(code),
        (_, Some(code)) => label_of_code(code).map_or_else(|| raw(code), str::to_owned),
    }
}

/// Seconds from the first 18x to the answer or the end (R-12).
pub(crate) fn ring_seconds(attempt: &Attempt) -> Option<u64> {
    let end = attempt.answered_at.or(attempt.ended_at)?;
    Some(seconds_between(attempt.ringing_at?, end))
}

/// Seconds of talk, from the answer to the end.
pub(crate) fn talk_seconds(attempt: &Attempt) -> Option<u64> {
    Some(seconds_between(attempt.answered_at?, attempt.ended_at?))
}

/// A failure within a second without any 18x (DI-9).
pub(crate) fn is_instant(attempt: &Attempt) -> bool {
    let (Some(ended), Some(_), None, None) =
        (attempt.ended_at, attempt.outcome, attempt.ringing_at, attempt.answered_at)
    else {
        return false;
    };
    ended.as_millisecond() - attempt.dialled_at.as_millisecond() <= i64::from(INSTANT_FAILURE_MS)
}

fn last_result(contact: &Contact) -> Markup {
    let Some(last) = contact.trail.last() else { return html! { span.nil { "--" } } };
    let talking: Option<Timestamp> =
        last.bot_attached_at.filter(|_| last.outcome.is_none()).and(last.answered_at);
    html! {
        span.cut {
            @if let Some(since) = talking {
                "Talking, " b.nowrap { time datetime=(rfc(since)) data-clock="" {} }
            } @else if last.outcome.is_none() {
                // The call is out; the last outcome is that of the one before.
                @match contact.trail.iter().rev().find(|attempt| attempt.outcome.is_some()) {
                    Some(before) => (result_words(before)),
                    None => span.nil { "--" },
                }
            } @else { (result_words(last)) }
        }
    }
}

/// The disposition where there was a conversation, else the outcome.
pub(crate) fn result_words(attempt: &Attempt) -> String {
    match (&attempt.result, attempt.answered_at) {
        (Some(result), Some(_)) => {
            crate::console::parts::sentence(&result.disposition.replace('_', " "))
        }
        (Some(_) | None, _) => outcome_words(attempt),
    }
}

fn variables(contact: &Contact) -> Markup {
    let pop = format!("vars-{}", contact.id);
    let more = contact.variables.len().saturating_sub(2);
    html! {
        @if contact.variables.is_empty() { span.nil { "--" } } @else {
            div.vars {
                @for (name, value) in contact.variables.iter().take(2) {
                    span { i { bdi { (name) } } bdi { (plain(value)) } }
                }
                @if more > 0 {
                    button.more type="button" popovertarget=(pop)
                        aria-label={ "+" (more) ", all variables of " (contact.phone) } { "+" (more) }
                }
            }
            @if more > 0 {
                div.pop id=(pop) popover {
                    dl { @for (name, value) in &contact.variables { dt { bdi { (name) } } dd { bdi { (plain(value)) } } } }
                }
            }
        }
    }
}

/// A variable as text: strings without their quotes.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
