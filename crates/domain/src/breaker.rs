//! Rests a carrier that fails, tries it again with single calls, and lets it come
//! back slowly (DI-10).
//!
//! An explicit sign of overload rests it at once; other trouble must repeat. What
//! fails so is the carrier's, not the contact's: such attempts do not count.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use crate::{
    attempt::CallReport,
    outcome::{Ending, label_of_code},
};

/// The health of one carrier.
#[derive(Debug, Clone)]
pub struct Breaker {
    state: BreakerState,
    /// The last calls that told something, oldest first.
    recent: VecDeque<Recent>,
    /// Server errors and silences since the last sign of life.
    failures_in_a_row: u32,
    /// Rests without a whole recovery between them: each is longer than the last.
    rests_in_a_row: u32,
    /// What the last trouble was, in words.
    cause: String,
}

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls go through.
    Closed {
        /// When it closed after a rest: the rate rises again from then on.
        recovered_at: Option<Timestamp>,
    },
    /// No call.
    Resting {
        /// When it may be tried again.
        until: Timestamp,
    },
    /// One call every ten seconds, until one shows that the carrier works.
    Probing {
        /// When the next may leave.
        next_at: Timestamp,
    },
}

/// What may happen to a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerEvent {
    /// The carrier took a call as far as the callee: a 18x, an answer, a refusal that
    /// is the callee's.
    Worked,
    /// A call failed by the carrier, which alone does not rest it.
    Failed,
    /// A call failed by the carrier, and that is enough.
    Tripped {
        /// Rest at least until then.
        until: Timestamp,
    },
    /// The rest is over.
    RestOver,
    /// A call is about to leave.
    CallStarted,
}

/// What the end of a call says about its carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Ten or more of the last twenty calls were instant 403, 480 or 486, for
    /// [`Ending::outcome`].
    pub storms: bool,
    /// The call failed by the carrier: it does not count against the contact.
    pub trouble: bool,
}

/// How many calls are looked back at.
const RECENT_MAX: usize = 20;
/// Instant refusals among them that are a storm.
const STORM: usize = 10;
/// Silences among them that rest the carrier, if they are half of them.
const SILENT: usize = 3;
/// Server errors or silences in a row that rest it.
const IN_A_ROW: u32 = 3;
/// Between two probes.
const PROBE_EVERY: SignedDuration = SignedDuration::from_secs(10);
/// From a tenth of the rate to all of it, after a rest.
const RAMP: SignedDuration = SignedDuration::from_secs(10);
/// The first rest, when the carrier names none.
const REST_S: u32 = 10;
/// The longest, whatever it names.
const REST_MAX_S: u32 = 300;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Recent {
    storm: bool,
    silent: bool,
}

/// What one report says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Worked,
    Overloaded {
        retry_after_seconds: Option<u32>,
    },
    ServerError,
    InstantRefusal,
    Silence,
    /// Says nothing about the carrier: we withdrew it, or it timed out unheard.
    Nothing,
}

impl BreakerState {
    /// The state after `event`.
    pub fn after(self, event: BreakerEvent, now: Timestamp) -> Self {
        use BreakerEvent as E;
        use BreakerState as S;
        match (self, event) {
            (closed @ S::Closed { .. }, E::Worked | E::Failed | E::RestOver | E::CallStarted) => {
                closed
            }
            (S::Closed { .. } | S::Probing { .. }, E::Tripped { until }) => S::Resting { until },

            // Calls that left before the rest still end: only a longer wish changes it.
            (S::Resting { until }, E::Tripped { until: later }) => {
                S::Resting { until: until.max(later) }
            }
            (resting @ S::Resting { .. }, E::Worked | E::Failed | E::CallStarted) => resting,
            (S::Resting { .. }, E::RestOver) => S::Probing { next_at: now },

            (S::Probing { .. }, E::Worked) => S::Closed { recovered_at: Some(now) },
            (S::Probing { .. }, E::CallStarted) => S::Probing { next_at: now + PROBE_EVERY },
            (probing @ S::Probing { .. }, E::Failed | E::RestOver) => probing,
        }
    }
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            state: BreakerState::Closed { recovered_at: None },
            recent: VecDeque::with_capacity(RECENT_MAX),
            failures_in_a_row: 0,
            rests_in_a_row: 0,
            cause: String::new(),
        }
    }
}

impl Breaker {
    /// Where it stands, with a rest that is over by `now` ended.
    pub fn state(&mut self, now: Timestamp) -> BreakerState {
        // A clock that was set back must not prolong what it measures.
        let longest = now + SignedDuration::from_secs(i64::from(REST_MAX_S));
        match &mut self.state {
            BreakerState::Resting { until } if *until <= now => {
                self.state = self.state.after(BreakerEvent::RestOver, now);
                // A storm that goes on shows itself anew. With the old refusals kept, one
                // busy phone a rest would be all that a list of busy phones ever got.
                self.recent.clear();
            }
            BreakerState::Resting { until } => *until = (*until).min(longest),
            BreakerState::Probing { next_at } => *next_at = (*next_at).min(now + PROBE_EVERY),
            BreakerState::Closed { .. } => {}
        }
        self.state
    }

    /// When the next call may leave, not before `now`.
    pub fn ready_at(&mut self, now: Timestamp) -> Timestamp {
        match self.state(now) {
            BreakerState::Closed { .. } => now,
            BreakerState::Resting { until } => until,
            BreakerState::Probing { next_at } => next_at.max(now),
        }
    }

    /// Whether it is neither resting nor on trial.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, BreakerState::Closed { .. })
    }

    /// The share of the carrier's rate to use, 10 to 100 percent.
    pub fn percent(&self, now: Timestamp) -> u32 {
        match self.state {
            BreakerState::Closed { recovered_at: Some(since) } => {
                let elapsed = now.duration_since(since).as_millis();
                let ramp = RAMP.as_millis();
                if (0..ramp).contains(&elapsed) { (10 + elapsed * 90 / ramp) as u32 } else { 100 }
            }
            BreakerState::Closed { recovered_at: None }
            | BreakerState::Resting { .. }
            | BreakerState::Probing { .. } => 100,
        }
    }

    /// What the last trouble was, such as `503 Carrier congestion`.
    pub fn cause(&self) -> &str {
        &self.cause
    }

    /// What is wrong with the carrier, while it rests, is on trial, or has shown no sign
    /// of life since its last failure.
    pub fn trouble(&self) -> Option<&str> {
        (self.failures_in_a_row > 0 || !self.is_closed()).then_some(self.cause())
    }

    /// A call is about to leave through the carrier.
    pub fn call_started(&mut self, now: Timestamp) {
        self.apply(BreakerEvent::CallStarted, now);
    }

    /// A call rings, or was answered without having rung: told once a call. It counts
    /// among the recent ones from now on, long before it ends; else the refusals, which
    /// end first, would be all that a young campaign is judged by.
    pub fn call_progressed(&mut self, now: Timestamp) {
        self.remember(Sign::Worked);
        self.apply(BreakerEvent::Worked, now);
    }

    /// A call ended.
    pub fn call_ended(&mut self, report: &CallReport, now: Timestamp) -> Verdict {
        let sign = Sign::of(report);
        let progressed = report.ringing_at.is_some() || report.answered_at.is_some();
        if !(progressed && sign == Sign::Worked) {
            self.remember(sign);
        }
        let storms = self.recent.iter().filter(|recent| recent.storm).count() >= STORM;
        let (trouble, trips, retry_after) = match sign {
            Sign::Nothing => return Verdict { storms, trouble: false },
            Sign::Worked => (false, false, None),
            Sign::InstantRefusal => (storms, storms, None),
            Sign::Overloaded { retry_after_seconds } => (true, true, retry_after_seconds),
            Sign::ServerError => (true, self.failures_in_a_row >= IN_A_ROW, None),
            Sign::Silence => (true, self.is_silent(), None),
        };
        if trouble {
            self.cause = cause_of(report);
        }
        let again = match self.state(now) {
            BreakerState::Closed { .. } => trips,
            // Calls that left before it rests say what is known; a time that it names
            // itself does not.
            BreakerState::Resting { .. } => trips && retry_after.is_some(),
            // On trial one refusal is enough, and a silence says nothing new: the probes
            // go on, one every ten seconds, so that a carrier that wakes up is seen soon.
            BreakerState::Probing { .. } => trouble && sign != Sign::Silence,
        };
        let event = if again {
            BreakerEvent::Tripped { until: now + self.rest(retry_after, now) }
        } else if trouble {
            BreakerEvent::Failed
        } else {
            BreakerEvent::Worked
        };
        self.apply(event, now);
        Verdict { storms, trouble }
    }

    fn apply(&mut self, event: BreakerEvent, now: Timestamp) {
        let before = self.state(now);
        self.state = before.after(event, now);
        match (before, self.state) {
            (BreakerState::Probing { .. }, BreakerState::Closed { .. }) => {
                self.recent.clear();
                self.failures_in_a_row = 0;
            }
            (BreakerState::Resting { .. }, _) => {}
            (_, BreakerState::Resting { .. }) => self.rests_in_a_row += 1,
            _ => {}
        }
    }

    fn remember(&mut self, sign: Sign) {
        match sign {
            Sign::Nothing => return,
            Sign::Worked | Sign::InstantRefusal => self.failures_in_a_row = 0,
            Sign::Overloaded { .. } | Sign::ServerError | Sign::Silence => {
                self.failures_in_a_row += 1;
            }
        }
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(Recent {
            storm: sign == Sign::InstantRefusal,
            silent: sign == Sign::Silence,
        });
    }

    fn is_silent(&self) -> bool {
        let silent = self.recent.iter().filter(|recent| recent.silent).count();
        self.failures_in_a_row >= IN_A_ROW || (silent >= SILENT && silent * 2 >= self.recent.len())
    }

    /// How long to rest: as the carrier says, else longer each time.
    fn rest(&mut self, retry_after_seconds: Option<u32>, now: Timestamp) -> SignedDuration {
        if let BreakerState::Closed { recovered_at } = self.state
            && recovered_at.is_none_or(|since| now.duration_since(since) >= RAMP)
        {
            self.rests_in_a_row = 0;
        }
        let seconds = retry_after_seconds
            .unwrap_or_else(|| REST_S.saturating_mul(1 << self.rests_in_a_row.min(8)));
        SignedDuration::from_secs(i64::from(seconds.clamp(1, REST_MAX_S)))
    }
}

impl Sign {
    fn of(report: &CallReport) -> Self {
        match report.ending {
            Ending::Withdrawn | Ending::NotSent => Self::Nothing,
            // A bot that could not be prepared: nothing was dialled.
            Ending::Connected { .. } if report.answered_at.is_none() => Self::Nothing,
            Ending::Connected { .. } | Ending::NoSeat | Ending::Left => Self::Worked,
            Ending::RingTimeout { .. } if report.ringing_at.is_none() => Self::Nothing,
            Ending::RingTimeout { .. } => Self::Worked,
            Ending::NoReply | Ending::NoConnection => Self::Silence,
            Ending::Refused { sip_code: 429 | 503, .. } => {
                Self::Overloaded { retry_after_seconds: report.retry_after_seconds }
            }
            // Credentials that the carrier does not take are between it and us.
            Ending::Refused { sip_code: 401 | 407 | 500..=599, .. } => Self::ServerError,
            ending @ Ending::Refused { .. } if ending.may_be_storm() => Self::InstantRefusal,
            Ending::Refused { .. } => Self::Worked,
        }
    }
}

fn cause_of(report: &CallReport) -> String {
    match (report.ending, report.sip_code) {
        (Ending::NoConnection, _) => {
            report.sip_reason.clone().unwrap_or_else(|| "no connection".into())
        }
        (Ending::NoReply, _) | (_, None) => match &report.sip_reason {
            // It was never reached, and that is why.
            Some(why) => format!("no reply: {why}"),
            None => "no reply".into(),
        },
        (_, Some(code)) => {
            match label_of_code(code).map(str::to_owned).or_else(|| report.sip_reason.clone()) {
                Some(label) => format!("{code} {label}"),
                None => code.to_string(),
            }
        }
    }
}

#[cfg(test)]
mod tests;
