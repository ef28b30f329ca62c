//! The calls of the world: what the scheduler asks for, and what the line does with it.

use campanile_domain::{
    ids::AttemptId,
    outcome::Ending,
    scheduler::{CallEvent, Command, Input, Placement},
};
use jiff::SignedDuration;

use super::{Event, World};
use crate::{
    fault::Fault,
    judge::Check,
    line::{self, LineCall, Step},
    trace::Asked,
};

impl World {
    pub(super) fn carry_out(&mut self, command: Command) -> Check {
        self.trace.note(self.now, format_args!("{}", Asked(&command)));
        let life = self.life;
        match command {
            Command::Place(placement) => self.place(*placement),
            Command::Connect(attempt) => {
                let Some(call) = self.calls.get(&attempt) else { return Ok(()) };
                self.judge.connect(call.campaign, &self.known, &self.calls)?;
                if let Some(call) = self.calls.get_mut(&attempt) {
                    call.connected = true;
                }
                self.soon(100..40_000, Event::Attached(life, attempt));
                Ok(())
            }
            Command::Abandon(attempt) => {
                let Some(call) = self.calls.get(&attempt) else { return Ok(()) };
                if call.connected {
                    return Err(format!("{attempt:?} has a seat and is abandoned"));
                }
                let step = Step::End(Ending::NoSeat, Some(200), None);
                self.soon(500_000..4_000_000, Event::Line(life, attempt, step));
                Ok(())
            }
            Command::HangUp(attempt) => {
                let step = Step::End(Ending::Withdrawn, None, None);
                self.soon(1_000..40_000, Event::Line(life, attempt, step));
                Ok(())
            }
            Command::Progress(_) | Command::Alarm(_) => Ok(()),
            Command::Record(attempt) => {
                self.judge.record(&attempt, &self.store)?;
                if self.fault == Some(Fault::AnswersBeforeWriting) {
                    self.soon(50..1_000, Event::Tell(life, Input::Recorded(attempt.id)));
                }
                self.store_gets(Command::Record(attempt));
                Ok(())
            }
            Command::Reroute(attempt) => {
                self.judge.reroute(&attempt)?;
                self.store_gets(Command::Reroute(attempt));
                Ok(())
            }
            Command::Finish(finish) => {
                self.judge.finish(&finish)?;
                self.store_gets(Command::Finish(finish));
                Ok(())
            }
            Command::Lease { campaign, .. } => {
                self.judge.lease(campaign, self.now)?;
                self.store_gets(command);
                Ok(())
            }
            command @ (Command::Release(_)
            | Command::Bar(_)
            | Command::Sweep { .. }
            | Command::Complete { .. }
            | Command::Fail { .. }) => {
                self.store_gets(command);
                Ok(())
            }
        }
    }

    fn place(&mut self, placement: Placement) -> Check {
        let wall = self.wall();
        self.judge.invite(
            &placement,
            &self.known,
            &self.store,
            &self.calls,
            self.scene.max_calls,
            wall,
            self.now,
        )?;
        self.idle_since_boot = None;
        let id = placement.attempt.id;
        if self.network.is_some() {
            self.calls.insert(id, LineCall::new(&placement, &mut self.rng));
            return self.place_on_wire(&placement);
        }
        let weather = self.weather[placement.carrier.id.0 as usize - 1];
        let steps = line::fate(weather, placement.settings.ring_timeout_seconds, &mut self.rng);
        self.calls.insert(id, LineCall::new(&placement, &mut self.rng));
        for (after_ms, step) in steps {
            let at = self.now + SignedDuration::from_millis(after_ms);
            self.at(at, Event::Line(self.life, id, step));
        }
        Ok(())
    }

    pub(crate) fn line_does(&mut self, attempt: AttemptId, step: Step) -> Check {
        let wall = self.wall();
        let Some(call) = self.calls.get_mut(&attempt) else { return Ok(()) };
        match step {
            Step::Ring => {
                call.rang(wall);
                self.tell(Input::Call(attempt, CallEvent::Ringing))?;
                // A 180 that comes twice changes nothing.
                self.tell(Input::Call(attempt, CallEvent::Ringing)).map(drop)
            }
            Step::Answer => {
                call.answered(wall);
                let tries = call.tries;
                if let Some(network) = &mut self.network {
                    network.record.answered(attempt, tries, network.time(self.now));
                }
                self.tell(Input::Call(attempt, CallEvent::Answered))?;
                let Some(call) = self.calls.get(&attempt) else { return Ok(()) };
                let patience = SignedDuration::from_millis(call.abandon_after_ms)
                    + SignedDuration::from_secs(5);
                // By then it was connected, or abandoned and hung up.
                let step = Step::End(Ending::NoReply, None, None);
                if !call.connected {
                    let life = self.life;
                    self.at(self.now + patience, Event::Line(life, attempt, step));
                }
                Ok(())
            }
            Step::End(Ending::NoReply, ..) if call.answered_at.is_some() && call.connected => {
                Ok(())
            }
            Step::End(Ending::NoReply, ..) if call.answered_at.is_some() => {
                Err(format!("{attempt:?} was answered and left waiting"))
            }
            Step::End(ending, sip_code, retry_after) => {
                let Some(call) = self.calls.remove(&attempt) else { return Ok(()) };
                if let Some(network) = &mut self.network {
                    let time = network.time(self.now);
                    network.record.ended(attempt, call.tries, ending, time)?;
                    if self.fault != Some(Fault::ForgetsToHangUp) {
                        network.hang_up(attempt, self.now)?;
                    }
                }
                self.judge.ended(attempt, ending, call.has_rung());
                let report = Box::new(call.end(ending, sip_code, retry_after, wall));
                if self.fault == Some(Fault::LosesReports) {
                    return Ok(());
                }
                self.tell(Input::Call(attempt, CallEvent::Ended(report.clone())))?;
                // Whatever comes after the end is not heard.
                self.tell(Input::Call(attempt, CallEvent::Ended(report)))?;
                self.tell(Input::Call(attempt, CallEvent::Ringing)).map(drop)
            }
        }
    }

    pub(super) fn attached(&mut self, attempt: AttemptId) -> Check {
        let wall = self.wall();
        let Some(call) = self.calls.get_mut(&attempt) else { return Ok(()) };
        let (bot_failed, talk_ms) = (call.bot_fails, call.talk_ms);
        if !bot_failed {
            call.attached(wall);
            self.tell(Input::Call(attempt, CallEvent::BotAttached))?;
        }
        let talk_ms = if bot_failed { 100 } else { talk_ms };
        let step = Step::End(Ending::Connected { bot_failed }, Some(200), None);
        let at = self.now + SignedDuration::from_millis(talk_ms);
        self.at(at, Event::Line(self.life, attempt, step));
        Ok(())
    }
}
