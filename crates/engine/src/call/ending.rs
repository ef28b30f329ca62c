//! What an end of the SIP side means for the report, and the report of a call that was lost.

use std::time::Duration;

use campanile_domain::{
    ids::AttemptId,
    outcome::{Ending, HangupBy},
    scheduler::CallEvent,
};
use campanile_wire::ua::{EndCause, Ended};
use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::line::{LineEvent, unplaced};

/// Why a call was taken back before its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Withdrawal {
    RingTimeout,
    HungUp,
}

/// Sees to it that a call which is dropped without a report still gets one.
pub(super) struct Guard {
    pub(super) attempt: AttemptId,
    pub(super) events: mpsc::Sender<LineEvent>,
    pub(super) armed: bool,
}

/// What the end of the SIP side means before an answer.
pub(super) fn before_answer(
    ended: &Ended,
    withdrawal: Option<Withdrawal>,
    rang: bool,
) -> (Ending, HangupBy) {
    let taken_back = |withdrawal| match withdrawal {
        Withdrawal::RingTimeout => Ending::RingTimeout { sip_code: ended.code },
        Withdrawal::HungUp => Ending::Withdrawn,
    };
    match (ended.cause, withdrawal) {
        (EndCause::NoConnection, None | Some(Withdrawal::RingTimeout)) => {
            (Ending::NoConnection, HangupBy::Carrier)
        }
        (EndCause::NoReply, None | Some(Withdrawal::RingTimeout)) => {
            (Ending::NoReply, HangupBy::Carrier)
        }
        // A refusal that came before our CANCEL could leave is still the refusal.
        (EndCause::Refused, _) => {
            let sip_code = ended.code.unwrap_or(500);
            let by = match sip_code {
                486 | 600 | 603 | 607 | 608 => HangupBy::Callee,
                _ if rang => HangupBy::Callee,
                _ => HangupBy::Carrier,
            };
            (Ending::Refused { sip_code, after_ms: millis(ended.after), rang }, by)
        }
        (_, Some(withdrawal)) => (taken_back(withdrawal), HangupBy::Dialler),
        // The agent ends no call before its answer that nobody took back.
        (_, None) => (Ending::Withdrawn, HangupBy::Dialler),
    }
}

/// Who ended a call that was answered.
pub(super) fn after_answer(cause: EndCause) -> HangupBy {
    match cause {
        EndCause::ByeReceived => HangupBy::Callee,
        EndCause::NoReply
        | EndCause::NoConnection
        | EndCause::Refused
        | EndCause::NoAck
        | EndCause::SessionExpired => HangupBy::Carrier,
        EndCause::Cancelled | EndCause::AnsweredWhileCancelling | EndCause::ByeSent => {
            HangupBy::Dialler
        }
    }
}

/// Whole milliseconds, as far as they can be told.
pub(super) fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        tracing::error!(attempt.id = %self.attempt, "A call was dropped without a report");
        // Not `NoReply`, which is dialled again: the phone may be ringing.
        let report = unplaced(
            self.attempt,
            Ending::Withdrawn,
            "the dialler lost the call",
            Timestamp::now(),
        );
        let event = (self.attempt, CallEvent::Ended(Box::new(report)));
        if self.events.try_send(event).is_err() {
            tracing::error!(attempt.id = %self.attempt, "Nobody takes the report of a lost call");
        }
    }
}
