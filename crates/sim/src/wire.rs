//! The world's side of the real line: what user agents say, in the words of the
//! scheduler. As `campanile-engine` has it, without its audio.

use campanile_domain::{ids::AttemptId, outcome::Ending, scheduler::Placement};
use campanile_wire::ua::{EndCause, Ended, Event as Said};
use jiff::SignedDuration;

use crate::{
    fault::Fault,
    judge::Check,
    line::{LineCall, Step},
    world::{Event, World},
};

impl World {
    /// The INVITE leaves through a real agent.
    pub(crate) fn place_on_wire(&mut self, placement: &Placement) -> Check {
        let attempt = &placement.attempt;
        let ring = SignedDuration::from_secs(placement.settings.ring_timeout_seconds.into());
        let timeout = Event::RingTimeout(self.life, attempt.id, attempt.tries);
        self.at(self.now + ring, timeout);
        let Some(network) = &mut self.network else { return Ok(()) };
        network.place(placement, self.now)
    }

    /// A datagram arrives, or a timer of an agent runs out.
    pub(crate) fn wire_passes(&mut self) -> Check {
        let Some(network) = &mut self.network else { return Ok(()) };
        network.pass(self.now, &self.weather, &self.store)?;
        while let Some((attempt, said)) = self.network.as_mut().and_then(|net| net.poll_told()) {
            self.hear(attempt, said)?;
        }
        Ok(())
    }

    /// Nobody answered in time: the call is taken back, and ends when the wire says so.
    pub(crate) fn rang_too_long(&mut self, attempt: AttemptId, tries: u32) -> Check {
        let Some(call) = self.calls.get_mut(&attempt) else { return Ok(()) };
        if call.tries != tries || call.answered_at.is_some() {
            return Ok(());
        }
        call.timed_out = true;
        let Some(network) = &mut self.network else { return Ok(()) };
        network.hang_up(attempt, self.now)
    }

    /// After the last campaign: nothing is left on the wire, and both sides' records agree.
    pub(crate) fn wire_ends(&mut self) -> Check {
        let Some(network) = &mut self.network else { return Ok(()) };
        network.drain(self.now, &self.store)?;
        self.report.on_the_wire = 1;
        self.report.lost = network.record.lost;
        network.record.compare(&self.store)
    }

    fn hear(&mut self, attempt: AttemptId, said: Said) -> Check {
        let Some(call) = self.calls.get(&attempt) else { return Ok(()) };
        match said {
            Said::Provisional { code: 180..190, .. } => self.line_does(attempt, Step::Ring),
            Said::Answered { .. } if !call.timed_out => self.line_does(attempt, Step::Answer),
            Said::Ended(ended) => {
                let mut ending = ending_of(call, &ended);
                if let (Some(Fault::MisreadsRefusals), Ending::Refused { sip_code, .. }) =
                    (self.fault, &mut ending)
                {
                    *sip_code = 480;
                }
                self.line_does(attempt, Step::End(ending, ended.code, ended.retry_after))
            }
            _ => Ok(()),
        }
    }
}

fn ending_of(call: &LineCall, ended: &Ended) -> Ending {
    match (call.answered_at, ended.cause) {
        (Some(_), _) if call.connected => Ending::Connected { bot_failed: false },
        (Some(_), _) => Ending::NoSeat,
        (None, EndCause::Refused) => Ending::Refused {
            sip_code: ended.code.unwrap_or(500),
            after_ms: u32::try_from(ended.after.as_millis()).unwrap_or(u32::MAX),
            rang: call.has_rung(),
        },
        (None, EndCause::NoReply) => Ending::NoReply,
        (None, EndCause::NoConnection) => Ending::NoConnection,
        (None, _) if call.timed_out => Ending::RingTimeout { sip_code: ended.code },
        (None, _) => Ending::Withdrawn,
    }
}
