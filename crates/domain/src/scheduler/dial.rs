//! Starting calls: seats, tokens, turns and claims.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::{Command, NO_VERDICT, Placement, Scheduler, call::Call, run::Hold};
use crate::{
    attempt::{AttemptEvent, AttemptState, NewAttempt},
    guard,
    ids::{AttemptId, CampaignId},
    pacing::PacingEvent,
    passes,
};

/// A claim whose last caller ID is busy takes another after this.
const PATIENCE: SignedDuration = SignedDuration::from_secs(2);
/// A claim that is owed a seat lets others go first for so long at most.
const OWED_PATIENCE: SignedDuration = SignedDuration::from_secs(5);
/// Dials that a campaign may be behind the others of its priority and still get first.
const CREDIT_MAX: u64 = 16;
/// Claims asked for at once, at most.
const CLAIMS_MAX: u32 = 1_000;

impl Scheduler {
    /// Seats for answered calls, in the order of their answers; no seat in time is an
    /// abandoned call (DI-16).
    pub(super) fn give_seats(&mut self) {
        let now = self.now;
        let Self { waiting, calls, runs, commands, .. } = self;
        waiting.retain(|(attempt, until)| {
            let Some(call) = calls.get_mut(attempt) else { return false };
            let Some(run) = runs.get_mut(&call.campaign()) else { return false };
            if call.state != AttemptState::Answered {
                return false;
            }
            let settings = &run.setup.settings;
            let seats = settings.concurrency.saturating_add(settings.pacing.burst_seats);
            if run.tally.has_seat(seats, call.seat_kept) {
                call.advance(AttemptEvent::Seated, &mut run.tally);
                call.seated_at = Some(now);
                run.pacing.observe(PacingEvent::Seated, now);
                commands.push_back(Command::Connect(*attempt));
                false
            } else if now >= *until {
                call.advance(AttemptEvent::Unseated, &mut run.tally);
                run.pacing.observe(PacingEvent::Abandoned, now);
                commands.push_back(Command::Abandon(*attempt));
                false
            } else {
                true
            }
        });
    }

    /// INVITEs of durable attempts: the last look at campaign, number and carrier, then
    /// the token.
    pub(super) fn place_queued(&mut self) {
        let now = self.now;
        for attempt in self.carriers.queued() {
            let Some(call) = self.calls.get_mut(&attempt) else { continue };
            let Some(run) = self.runs.get_mut(&call.campaign()) else { continue };
            let carrier = call.carrier.id;
            let allowed = !self.shutting_down
                && run.setup.run == call.attempt.lease.run
                && run.may_dial(now)
                && call.passes_guard(&run.setup.settings)
                && self.carriers.still_takes(carrier, now);
            if !allowed {
                self.carriers.ended(carrier, attempt);
                if let Some(call) = self.calls.remove(&attempt) {
                    self.withdraw(call);
                }
            } else if self.carriers.take_token(carrier, attempt, now) {
                call.advance(AttemptEvent::Placed, &mut run.tally);
                call.placed_at = Some(now);
                run.figures.dialled(now);
                if call.refused.take().is_none() {
                    run.pacing.observe(PacingEvent::Dialled, now);
                }
                self.commands.push_back(Command::Place(Box::new(Placement::of(call))));
            }
        }
    }

    /// Nothing leaves any more for a durable attempt: it is as if it had never been
    /// claimed, or ends as the carrier before left it.
    fn withdraw(&mut self, mut call: Call) {
        if let Some(refused) = call.refused.take() {
            return self.end_refused(call, *refused);
        }
        if let Some(run) = self.runs.get_mut(&call.campaign()) {
            call.advance(AttemptEvent::Ended, &mut run.tally);
        }
        let report = call.not_sent(self.now);
        self.day.not_dialled(call.attempt.at);
        self.free_phone(&call, &report);
        self.finish(call.attempt, report, NO_VERDICT, true);
    }

    /// Starts calls: higher priorities first; among campaigns of one priority, whichever
    /// had the fewest (CL-16).
    pub(super) fn dial(&mut self) {
        if self.shutting_down || self.is_day_spent() {
            return;
        }
        let now = self.now;
        let mut order: Vec<(i32, u64, CampaignId)> = self
            .runs
            .iter()
            .filter(|(_, run)| run.may_dial(now))
            .map(|(id, run)| (-run.setup.settings.priority, run.served, *id))
            .collect();
        order.sort_unstable();
        for equals in order.chunk_by(|one, two| one.0 == two.0) {
            let mut hungry: BTreeSet<(u64, CampaignId)> =
                equals.iter().map(|(_, served, id)| (*served, *id)).collect();
            while let Some((_, id)) = hungry.pop_first() {
                if self.dial_one(id) {
                    hungry.extend(self.runs.get(&id).map(|run| (run.served, id)));
                }
            }
        }
        if self.reached.is_some() {
            return;
        }
        for (_, _, id) in order {
            self.claim(id);
        }
    }

    /// Starts one call of a campaign; `false` when it can start no more.
    fn dial_one(&mut self, id: CampaignId) -> bool {
        let now = self.now;
        let Some(run) = self.runs.get_mut(&id).filter(|_| self.reached.is_none()) else {
            return false;
        };
        let load = run.tally.load(run.setup.settings.concurrency);
        if run.pacing.dials(load, now) == 0 {
            run.held = Some((Hold::Seats, now));
            return false;
        }
        if self.calls.len() >= self.max_calls as usize {
            run.held = Some((Hold::Machine, now));
            return false;
        }
        let Some(bot) = run.setup.bot.clone() else { return false };
        let mut index = 0;
        let mut barred = Vec::new();
        let found = loop {
            let Some((lease, since)) = run.claims.get(index) else { break None };
            if self.engaged.by(lease.phone).is_some() {
                run.park(index);
                continue;
            }
            if lease.seat_owed && !run.pacing.may_keep_seat(load) {
                run.held = Some((Hold::Seats, now));
                if now.duration_since(*since) >= OWED_PATIENCE {
                    break None;
                }
                index += 1;
                continue;
            }
            let insist = now.duration_since(*since) < PATIENCE;
            let numbers = &run.setup.numbers;
            match self.carriers.route(numbers, lease.last_number, insist, now, self.lead.time()) {
                Ok(route) => {
                    let Some((lease, _)) = run.claims.remove(index) else { break None };
                    match guard::check(lease.phone, &run.setup.settings) {
                        Ok(()) => break Some((lease, route)),
                        Err(why) => barred.push((lease, why)),
                    }
                }
                Err(refusal) => {
                    run.held = Some((Hold::Carrier(refusal), now));
                    // Whoever takes any number was refused by all of them.
                    if !insist || lease.last_number.is_none() {
                        break None;
                    }
                    index += 1;
                }
            }
        };
        if !barred.is_empty() {
            self.commands.push_back(Command::Bar(barred));
        }
        let Some((lease, route)) = found else { return false };
        // Who could not dial for a while catches up, but not on all of its absence.
        let before = run.served.max(self.served.saturating_sub(CREDIT_MAX));
        self.served = self.served.max(before);
        run.served = before + 1;
        let attempt = NewAttempt {
            id: AttemptId(self.ids.block(now.as_millisecond(), 1)),
            number: lease.dialled + 1,
            pass: passes::pass_of_next(lease.counted),
            lease,
            revision: run.setup.revision,
            carrier: route.carrier.id,
            caller_id: route.number.e164,
            number_id: route.number.id,
            tries: 1,
            at: now,
        };
        self.carriers.recording(&route, now);
        self.engaged.begin(attempt.lease.phone, id);
        self.day.dialled();
        self.commands.push_back(Command::Record(attempt.clone()));
        let call = Call::new(attempt, route.carrier, run.setup.settings.clone(), bot);
        run.tally.enter(call.state, call.seat_kept);
        self.calls.insert(call.attempt.id, call);
        self.is_day_spent();
        true
    }

    /// Claims contacts for the next second or so, if somebody is due and could be
    /// dialled.
    fn claim(&mut self, id: CampaignId) {
        let now = self.now;
        let Some(run) = self.runs.get_mut(&id) else { return };
        if !run.may_lease(now) || !run.is_somebody_due(now) {
            return;
        }
        let load = run.tally.load(run.setup.settings.concurrency);
        let wanted = run
            .pacing
            .dials(load, now)
            .min(self.carriers.capacity(&run.setup.numbers, now))
            .min(self.max_calls.saturating_sub(self.calls.len() as u32))
            .min(CLAIMS_MAX);
        let held = run.claims.len() as u32;
        // Half a hand is asked for at once, rather than one claim after every dial.
        if wanted > 0 && held <= wanted / 2 {
            run.lease_asked(now);
            let max = wanted - held;
            self.commands.push_back(Command::Lease { campaign: id, run: run.setup.run, max });
        }
    }
}
