//! The end of a call: what it says about the carrier, what it is called, and whom it
//! sets free.

use jiff::Timestamp;

use super::{Command, Finishing, Scheduler, call::Call, elapsed_ms};
use crate::{
    attempt::{AttemptEvent, AttemptState, CallReport, Finish, NewAttempt, Next},
    breaker::Verdict,
    ids::AttemptId,
    outcome::Ending,
    pacing::PacingEvent,
    phone::PhoneNumber,
    retry::{self, After, RunEnd},
};

/// Of a call that says nothing about its carrier.
pub(super) const NO_VERDICT: Verdict = Verdict { storms: false, trouble: false };

impl Scheduler {
    /// The line reports the end of a call.
    pub(super) fn call_ended(&mut self, attempt: AttemptId, report: CallReport) {
        let now = self.now;
        // A line that reports a call it was never given is mistaken.
        let Some(call) = self.calls.get(&attempt) else { return };
        if matches!(call.state, AttemptState::Recording | AttemptState::Queued) {
            return;
        }
        let verdict = self.carriers.judge(call.carrier.id, &report, now);
        if self.fail_over(attempt, &report, verdict) {
            return;
        }
        let Some(mut call) = self.calls.remove(&attempt) else { return };
        if let Some(run) = self.runs.get_mut(&call.campaign()) {
            if call.state.is_seated() {
                let after_ms = elapsed_ms(call.seated_at, now);
                run.pacing.observe(PacingEvent::SeatFreed { after_ms }, now);
            } else if report.answered_at.is_none() {
                let after_ms = elapsed_ms(call.placed_at, now);
                run.pacing.observe(PacingEvent::NotAnswered { after_ms }, now);
            }
            call.advance(AttemptEvent::Ended, &mut run.tally);
        }
        self.carriers.ended(call.carrier.id, attempt);
        self.free_phone(&call, &report);
        self.finish(call.attempt, report, verdict, true);
    }

    /// A call is over: others may call its phone, after a silence only when it cannot
    /// ring any more; and its talk counts for the day.
    pub(super) fn free_phone(&mut self, call: &Call, report: &CallReport) {
        let phone = call.attempt.lease.phone;
        self.day.talked(call.attempt.at, report.talk_ms());
        // What it talked is no longer talk of a live call.
        self.live_talk.1 = Timestamp::MIN;
        if report.ending == Ending::NoReply {
            self.engaged.end(phone, Some(self.now + retry::silence(&call.settings)));
        } else {
            self.engaged.end(phone, None);
            self.unpark(phone);
        }
    }

    /// Whoever waited for a phone may have it.
    pub(super) fn unpark(&mut self, phone: PhoneNumber) {
        for run in self.runs.values_mut() {
            run.unpark(phone);
        }
    }

    /// Names what an attempt came to and has it written.
    pub(super) fn finish(
        &mut self,
        attempt: NewAttempt,
        mut report: CallReport,
        verdict: Verdict,
        awaited: bool,
    ) {
        let now = self.now;
        let outcome = report.ending.outcome(verdict.storms);
        let uncounted = attempt.lease.dialled.saturating_sub(attempt.lease.counted);
        let counts = retry::counts(outcome, &report, verdict.trouble, uncounted);
        let result =
            report.result.take().unwrap_or_else(|| retry::automatic_result(outcome, &report));
        let campaign = attempt.lease.campaign;
        let counted = attempt.lease.counted + u32::from(counts);
        self.finishing.insert(attempt.id, Finishing { campaign, awaited });
        let finish = Finish { attempt, report, outcome, counts, result };
        if let Some(run) = self.runs.get_mut(&campaign) {
            if awaited {
                run.finish_asked(now);
            }
            if finish.report.ending != Ending::NotSent {
                let settings = run.setup.settings.clone();
                let after = After::of(&finish, &settings, counted, RunEnd::Open, false, now);
                let due = match retry::settle(&after) {
                    Next::Retry(due) | Next::Callback(due) => Some(due),
                    Next::Final(_) => None,
                };
                run.figures.settled(&finish.report, due, now);
            }
        }
        self.commands.push_back(Command::Finish(Box::new(finish)));
    }
}
