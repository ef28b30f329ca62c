//! What becomes of a contact after an attempt, and which attempts use one up
//!
//!
//! The store calls [`settle`] inside the transaction that ends an attempt, with what
//! its rows say at that moment.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use crate::{
    attempt::{CallReport, Finish, Next},
    callback::{self, Resolved},
    contact::ContactState,
    outcome::{Ending, Outcome},
    result::ConversationResult,
    settings::Settings,
};

/// After this many uncounted attempts of a contact in a run the next one counts,
/// whatever it came to.
pub const UNCOUNTED_MAX: u32 = 5;

/// So many callbacks a contact gets in a run, and so many counted attempts beyond the
/// most may be made for them (CB-3): a bot that asks for one in every call does not call
/// for ever.
pub const CALLBACKS_MAX: u32 = 5;

/// How long an INVITE that nobody answered may still reach a phone: timer B of RFC
/// 3261 17.1.1.2.
const SILENCE_S: i64 = 32;

/// Whether the run that an attempt belongs to still goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunEnd {
    /// It goes on (running, paused or failed).
    Open,
    /// A person stopped it (CL-4).
    Stopped,
    /// Its single day ended (CL-13).
    Swept,
}

/// Everything that decides about a contact after an attempt.
#[derive(Debug, Clone)]
pub struct After<'a> {
    /// The settings as they are now: edits apply at the next decision.
    pub settings: &'a Settings,
    /// How the attempt ended.
    pub outcome: Outcome,
    /// Whether it used up one of the contact's attempts.
    pub counts: bool,
    /// Whether its INVITE may have left; `false` for [`Ending::NotSent`] alone.
    pub sent: bool,
    /// The result of the conversation, the bot's or the automatic one.
    pub result: &'a ConversationResult,
    /// Milliseconds from answer to end, 0 when it was not answered.
    pub talk_ms: u64,
    /// Counted attempts of the contact in this run, this one included.
    pub counted: u32,
    /// Now.
    pub now: Timestamp,
    /// Whether the run was ended meanwhile.
    pub ended: RunEnd,
    /// The contact was excluded meanwhile, or its number is on a do-not-call list.
    pub excluded: bool,
    /// The contact's own zone; `None` is the campaign's (CB-2).
    pub zone: Option<TimeZone>,
    /// Callbacks that the contact has had in this run.
    pub callbacks: u32,
}

impl<'a> After<'a> {
    /// What a finished attempt tells, with what the store's rows say now.
    /// `counted` includes this attempt when it counts. The zone is the campaign's and no
    /// callback was asked for before; whoever knows better says so.
    pub fn of(
        finish: &'a Finish,
        settings: &'a Settings,
        counted: u32,
        ended: RunEnd,
        excluded: bool,
        now: Timestamp,
    ) -> Self {
        Self {
            settings,
            outcome: finish.outcome,
            counts: finish.counts,
            sent: finish.report.ending != Ending::NotSent,
            result: &finish.result,
            talk_ms: finish.report.talk_ms(),
            counted,
            now,
            ended,
            excluded,
            zone: None,
            callbacks: 0,
        }
    }
}

/// Decides what becomes of the contact, in the order of R-8.
pub fn settle(after: &After<'_>) -> Next {
    if after.excluded || after.result.opt_out == Some(true) {
        return Next::Final(ContactState::Excluded);
    }
    let next = settle_open(after);
    match (next, after.ended) {
        (next, RunEnd::Open) | (next @ Next::Final(_), RunEnd::Stopped | RunEnd::Swept) => next,
        (Next::Retry(_) | Next::Callback(_), RunEnd::Stopped) => {
            Next::Final(ContactState::ManualStopped)
        }
        (Next::Retry(_) | Next::Callback(_), RunEnd::Swept) => {
            Next::Final(ContactState::WindowClosed)
        }
    }
}

/// The decision for a run that goes on and a contact that may be dialled.
fn settle_open(after: &After<'_>) -> Next {
    let settings = after.settings;
    let done = Next::Final(final_state(after.outcome));
    // Nothing left this machine: the claim goes back.
    if !after.sent {
        return Next::Retry(after.now);
    }
    if let Some(callback) = wanted_callback(after) {
        return Next::Callback(callback.due);
    }
    let talked = |seconds: u32| after.talk_ms >= u64::from(seconds) * 1_000;
    let conversed = matches!(after.outcome, Outcome::Completed | Outcome::BotError);
    if conversed && settings.stop_redials_after_seconds.is_some_and(talked) {
        return done;
    }
    if after.counted >= settings.max_attempts {
        return done;
    }
    let completed = after.outcome == Outcome::Completed;
    if completed && settings.redial_only_under_seconds.is_some_and(talked) {
        return done;
    }
    let may_retry = !matches!(after.outcome, Outcome::InvalidNumber | Outcome::Cancelled);
    let by_custom = settings.retry_on_custom.contains(&after.result.disposition);
    let by_length = completed && settings.redial_only_under_seconds.is_some();
    let by_system = settings.retry_on_system.contains(&after.outcome);
    if may_retry && (by_custom || by_length || by_system) {
        Next::Retry(retry_at(after))
    } else {
        done
    }
}

/// When a retry falls due. Delays are elapsed time.
fn retry_at(after: &After<'_>) -> Timestamp {
    let settings = after.settings;
    let delay = seconds(settings.retry_delay_minutes * 60.0);
    match (after.outcome, after.counts) {
        // The carrier refused it: the callee's phone did not ring, and the next carrier
        // may have it at once (DI-10).
        (Outcome::Congestion, false) => after.now,
        // The carrier was silent: the phone may be ringing (DI-10).
        (Outcome::NetworkError, false) => later(after.now, silence(settings)),
        (Outcome::Abandoned, _) => {
            later(after.now, delay.max(seconds(settings.abandon_rest_hours * 3_600.0)))
        }
        _ => later(after.now, delay),
    }
}

/// When the person is to be called back, if callbacks are on and one was asked for
/// (CB-2). It is honoured at max attempts too and after a long talk, within
/// [`CALLBACKS_MAX`]. What is no time becomes the retry delay.
pub fn wanted_callback(after: &After<'_>) -> Option<Resolved> {
    let settings = after.settings;
    if !settings.callback_detection
        || after.callbacks >= CALLBACKS_MAX
        || after.counted >= settings.max_attempts.saturating_add(CALLBACKS_MAX)
    {
        return None;
    }
    let wish = after.result.callback.as_ref()?;
    let campaigns = || TimeZone::get(&settings.window.timezone).unwrap_or(TimeZone::UTC);
    let zone = after.zone.clone().unwrap_or_else(campaigns);
    let delay = seconds(settings.retry_delay_minutes * 60.0);
    let hours = settings.hours();
    Some(callback::resolve(wish, after.now, &zone, |at| hours.open_from(at), delay))
}

/// Decides about a contact whose attempt's end was never seen: the process died
/// after the INVITE may have left (R-1, DI-11). Such an attempt counts.
pub fn settle_unknown(
    settings: &Settings,
    counted: u32,
    ended: RunEnd,
    excluded: bool,
    now: Timestamp,
) -> Next {
    if excluded {
        return Next::Final(ContactState::Excluded);
    }
    if !settings.retry_unknown || counted >= settings.max_attempts {
        return Next::Final(final_state(Outcome::Unknown));
    }
    match ended {
        RunEnd::Open => Next::Retry(later(now, silence(settings))),
        RunEnd::Stopped => Next::Final(ContactState::ManualStopped),
        RunEnd::Swept => Next::Final(ContactState::WindowClosed),
    }
}

/// The final state that an outcome leads to.
pub fn final_state(outcome: Outcome) -> ContactState {
    match outcome {
        Outcome::Completed => ContactState::Completed,
        Outcome::Abandoned => ContactState::Abandoned,
        Outcome::Machine => ContactState::AmdMachine,
        Outcome::NoAnswer
        | Outcome::Busy
        | Outcome::Rejected
        | Outcome::InvalidNumber
        | Outcome::Unreachable
        | Outcome::Congestion
        | Outcome::NetworkError
        | Outcome::BotError
        | Outcome::Cancelled
        | Outcome::Unknown => ContactState::Failed,
    }
}

/// Whether an attempt uses up one of the contact's attempts.
///
/// `carrier_trouble` is the breaker's verdict on the report (DI-10);
/// `uncounted_so_far` are this contact's uncounted attempts of the run before this
/// one.
pub fn counts(
    outcome: Outcome,
    report: &CallReport,
    carrier_trouble: bool,
    uncounted_so_far: u32,
) -> bool {
    // Nothing left this machine, however often that happens.
    if report.ending == Ending::NotSent {
        return false;
    }
    if uncounted_so_far >= UNCOUNTED_MAX {
        return true;
    }
    let uncounted = match outcome {
        Outcome::BotError => report.first_bot_audio_at.is_none(),
        Outcome::Cancelled => report.ringing_at.is_none() && report.answered_at.is_none(),
        Outcome::Completed
        | Outcome::Abandoned
        | Outcome::Machine
        | Outcome::NoAnswer
        | Outcome::Busy
        | Outcome::Rejected
        | Outcome::InvalidNumber
        | Outcome::Unreachable
        | Outcome::Congestion
        | Outcome::NetworkError
        | Outcome::Unknown => carrier_trouble,
    };
    !uncounted
}

/// The result of an attempt whose bot said none (BT-4).
pub fn automatic_result(outcome: Outcome, report: &CallReport) -> ConversationResult {
    let disposition = match outcome {
        Outcome::Completed if report.rtp_received == 0 => "silent_customer",
        // The conversation ended, or was cut at its limit, before it came to anything.
        Outcome::Completed => "timeout",
        Outcome::Machine => "voicemail",
        Outcome::NoAnswer
        | Outcome::Busy
        | Outcome::Rejected
        | Outcome::Unreachable
        | Outcome::Cancelled => "no_answer",
        Outcome::Abandoned
        | Outcome::InvalidNumber
        | Outcome::Congestion
        | Outcome::NetworkError
        | Outcome::BotError
        | Outcome::Unknown => "error",
    };
    ConversationResult::of(disposition)
}

/// How long after a silence the callee's phone may still ring (R-1, DI-10).
pub(crate) fn silence(settings: &Settings) -> SignedDuration {
    SignedDuration::from_secs(i64::from(settings.ring_timeout_seconds) + SILENCE_S)
}

/// Whole milliseconds, so that the same settings give the same instant everywhere.
fn seconds(seconds: f64) -> SignedDuration {
    SignedDuration::from_millis((seconds * 1_000.0).round() as i64)
}

/// Saturates at the end of time instead of failing.
fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
