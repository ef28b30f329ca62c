//! The store's side of the world: what was asked of it, when it answers, and what the
//! dialler is told of changes.

use campanile_domain::{
    attempt::{Finish, NewAttempt},
    campaign::Action,
    ids::CampaignId,
    scheduler::{Command, Input},
};
use jiff::SignedDuration;
use rand::RngExt;

use super::{Event, World};
use crate::{fault::Fault, judge::Check, scene::Act};

impl World {
    pub(super) fn store_gets(&mut self, command: Command) {
        // Most commits are quick; some wait for a checkpoint.
        let us = if self.rng.random_bool(0.02) { 100_000..1_500_000 } else { 200..15_000 };
        let delay = SignedDuration::from_micros(self.rng.random_range(us));
        // What comes in a stall is carried out after it.
        let at = self.now.max(self.stalled_until) + delay;
        self.at(at, Event::Store(self.life, command));
    }

    pub(super) fn answer(&mut self, input: Input) {
        // Now and then the loop is busy with something else.
        let us = if self.rng.random_bool(0.03) { 20_000..600_000 } else { 50..5_000 };
        self.soon(us, Event::Tell(self.life, input));
    }

    /// The store commits, or fails to.
    pub(super) fn store_does(&mut self, command: Command) -> Check {
        let wall = self.wall();
        let down = self.now < self.store_down_until || self.rng.random_bool(0.003);
        match command {
            Command::Lease { campaign, run, .. } if down => {
                let _ = run;
                self.answer(Input::StoreFailed { campaign, attempt: None });
            }
            Command::Lease { campaign, run, .. } if self.now < self.locked_until => {
                let queue = self.store.campaign(campaign).queue();
                self.answer(Input::Leased { campaign, run, leases: Vec::new(), queue });
            }
            Command::Lease { campaign, run, max } => {
                let (leases, queue) = self.store.lease(campaign, max, wall);
                if !leases.is_empty() {
                    self.judge.leased(campaign);
                    self.leases += 1;
                    if self.scene.late_lease == Some(self.leases) {
                        let late = Input::Leased { campaign, run, leases, queue };
                        self.answer_too_late(campaign, late);
                        return Ok(());
                    }
                }
                self.answer(Input::Leased { campaign, run, leases, queue });
            }
            Command::Record(attempt) => return self.record(attempt, down),
            Command::Reroute(attempt) => {
                let (id, campaign) = (attempt.id, attempt.lease.campaign);
                let written = (!down || self.rng.random_bool(0.5)) && self.store.reroute(&attempt);
                self.answer(match (down, written) {
                    (true, _) => Input::StoreFailed { campaign, attempt: Some(id) },
                    (false, true) => Input::Recorded(id),
                    (false, false) => Input::NotRecorded(id),
                });
            }
            Command::Bar(leases) if down => {
                self.soon(200_000..900_000, Event::Store(self.life, Command::Bar(leases)));
            }
            Command::Bar(leases) => {
                self.report.barred += leases.len() as u64;
                self.store.bar(&leases);
                self.changed();
            }
            Command::Finish(finish) if down => {
                // The loop does not let go of an end.
                self.soon(200_000..900_000, Event::Store(self.life, Command::Finish(finish)));
            }
            Command::Finish(finish) => self.finish(&finish),
            Command::Release(leases) if down => {
                self.soon(200_000..900_000, Event::Store(self.life, Command::Release(leases)));
            }
            Command::Release(leases) => self.store.release(&leases),
            Command::Complete { campaign, .. }
            | Command::Sweep { campaign, .. }
            | Command::Fail { campaign, .. }
                if down =>
            {
                self.answer(Input::StoreFailed { campaign, attempt: None });
            }
            Command::Complete { campaign, .. } => {
                self.store.complete(campaign, wall);
                self.changed();
            }
            Command::Sweep { campaign, .. } => {
                self.store.sweep(campaign);
                self.changed();
            }
            Command::Fail { campaign, .. } => {
                self.store.act(campaign, Action::Fail, wall);
                self.changed();
            }
            Command::Place(_)
            | Command::Connect(_)
            | Command::Abandon(_)
            | Command::HangUp(_)
            | Command::Alarm(_)
            | Command::Progress(_) => {}
        }
        Ok(())
    }

    pub(super) fn record(&mut self, attempt: NewAttempt, down: bool) -> Check {
        let (id, campaign) = (attempt.id, attempt.lease.campaign);
        // A commit whose answer was lost may have happened.
        let written = (!down || self.rng.random_bool(0.5)) && self.store.record(&attempt);
        if down {
            self.answer(Input::StoreFailed { campaign, attempt: Some(id) });
        } else if self.fault == Some(Fault::AnswersBeforeWriting) {
        } else if written {
            self.answer(Input::Recorded(id));
        } else {
            self.answer(Input::NotRecorded(id));
        }
        if written { self.ambush(&attempt) } else { Ok(()) }
    }

    pub(super) fn finish(&mut self, finish: &Finish) {
        let attempt = finish.attempt.id;
        if self.store.attempts.get(&attempt).is_some_and(|row| row.outcome.is_none()) {
            self.judge.settled(finish);
        }
        if let Some(queue) = self.store.finish(finish, self.wall()) {
            self.answer(Input::Settled { attempt, queue });
        }
    }

    /// The dialler gives up an answer after 30 s; when it comes, the run is over and gone, and
    /// what was claimed must still go back.
    fn answer_too_late(&mut self, campaign: CampaignId, late: Input) {
        let index = campaign.0 as usize - 1;
        let (now, after) = (self.now, SignedDuration::from_secs);
        self.locked_until = self.locked_until.max(now + after(8));
        self.at(now + after(8), Event::Act(Act::Pause(index)));
        self.at(now + after(31), Event::Act(Act::Stop(index)));
        self.at(now + after(33), Event::Tell(self.life, late));
    }

    /// Something was committed that the dialler may want to look at.
    pub(super) fn changed(&mut self) {
        if self.fault == Some(Fault::HidesChanges) && !self.known.campaigns.is_empty() {
            return;
        }
        self.changed = true;
        if !self.reading && self.scheduler.is_some() {
            self.read_setup();
        }
    }
}
