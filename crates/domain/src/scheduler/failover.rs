//! The next carrier for a call that its carrier refused (DI-10).
//!
//! Only after an explicit refusal that is the carrier's trouble, or when there was no
//! connection to it, and only while nothing rang: after a silence the phone may be ringing
//! all the same. What goes on is the same attempt, and its row names the carrier of the last
//! try. That is durable before the next INVITE leaves, so an (attempt, n) is dialled at most
//! once, as an attempt is.

use jiff::SignedDuration;

use super::{Command, Scheduler, call::Call, call::Refused};
use crate::{
    attempt::{AttemptEvent, CallReport, NewAttempt},
    breaker::Verdict,
    guard,
    ids::AttemptId,
    outcome::Ending,
    pacing::PacingEvent,
};

/// A refused call waits for the next carrier's token so long at most. Less would make it
/// another attempt whenever many are refused at once.
const TOKEN_WAIT: SignedDuration = SignedDuration::from_secs(1);

impl Scheduler {
    /// Sends a refused call on through another carrier of its pool, if one takes it now;
    /// else the report is the call's end.
    pub(super) fn fail_over(
        &mut self,
        attempt: AttemptId,
        report: &CallReport,
        verdict: Verdict,
    ) -> bool {
        let now = self.now;
        let refused =
            matches!(report.ending, Ending::Refused { rang: false, .. } | Ending::NoConnection);
        if !verdict.trouble || !refused || report.ringing_at.is_some() || self.shutting_down {
            return false;
        }
        let Some(call) = self.calls.get_mut(&attempt) else { return false };
        let Some(run) = self.runs.get_mut(&call.campaign()) else { return false };
        // The same looks as before the first INVITE.
        let lease = &call.attempt.lease;
        if run.setup.run != lease.run
            || !run.may_dial(now)
            || guard::check(lease.phone, &run.setup.settings).is_err()
        {
            return false;
        }
        call.tried.push(call.carrier.id);
        let next = self.carriers.route_beyond(&run.setup.numbers, &call.tried, now, TOKEN_WAIT);
        let Some(route) = next else { return false };
        if !call.advance(AttemptEvent::FailedOver, &mut run.tally) {
            return false;
        }
        self.carriers.ended(call.carrier.id, attempt);
        self.carriers.recording(&route, now);
        let before = call.attempt.clone();
        call.attempt = NewAttempt {
            carrier: route.carrier.id,
            caller_id: route.number.e164,
            number_id: route.number.id,
            tries: before.tries + 1,
            ..before.clone()
        };
        call.carrier = route.carrier;
        call.asked_at = now;
        call.refused = Some(Box::new(Refused { attempt: before, report: report.clone(), verdict }));
        self.commands.push_back(Command::Reroute(call.attempt.clone()));
        true
    }

    /// The call ends as the last carrier left it: nothing leaves for the next.
    pub(super) fn end_refused(&mut self, mut call: Call, refused: Refused) {
        if let Some(run) = self.runs.get_mut(&call.campaign()) {
            let after_ms = super::elapsed_ms(call.placed_at, self.now);
            run.pacing.observe(PacingEvent::NotAnswered { after_ms }, self.now);
            call.advance(AttemptEvent::Ended, &mut run.tally);
        }
        self.free_phone(&call, &refused.report);
        self.finish(refused.attempt, refused.report, refused.verdict, true);
    }
}
