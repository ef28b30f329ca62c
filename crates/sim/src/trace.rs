//! What happened last in a world, in words: what is printed when a seed fails.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
};

use campanile_domain::{
    attempt::NewAttempt,
    ids::CampaignId,
    live::LiveView,
    scheduler::{CallEvent, Command, Input},
    why::{Reason, ReasonCode},
};
use jiff::Timestamp;

/// So many lines are kept.
const LINES_MAX: usize = 50;

/// The last things that happened. Off it keeps nothing and formats nothing: sweeps
/// are long, and a seed replays exactly.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    lines: Option<VecDeque<String>>,
    /// What each campaign's page said last.
    said: BTreeMap<CampaignId, ReasonCode>,
}

impl Trace {
    /// One that keeps its lines only when it is `on`.
    pub(crate) fn new(on: bool) -> Self {
        Self { lines: on.then(VecDeque::new), said: BTreeMap::new() }
    }

    /// Something happens.
    pub(crate) fn note(&mut self, at: Timestamp, what: fmt::Arguments<'_>) {
        let Some(lines) = &mut self.lines else { return };
        if lines.len() == LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(format!("{at:.6}  {what}"));
    }

    /// A page is told why nothing more is dialled; worth a line when that is new.
    pub(crate) fn view(&mut self, view: &LiveView, at: Timestamp) {
        let Reason { code, sentence, .. } = &view.reason;
        if self.lines.is_some() && self.said.insert(view.campaign, *code) != Some(*code) {
            self.note(at, format_args!("{:?} says: {sentence}", view.campaign));
        }
    }

    /// What is kept, oldest first.
    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines.map(Vec::from).unwrap_or_default()
    }
}

/// What the scheduler is told, in a line.
pub(crate) struct Told<'a>(pub(crate) &'a Input);

impl fmt::Display for Told<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Input::Setup(setup) => {
                write!(out, "told the setup:")?;
                for each in &setup.campaigns {
                    let queue = each.queue;
                    write!(
                        out,
                        " {:?} {} ({} wait, {} active, next due {:?})",
                        each.id,
                        each.status.word(),
                        queue.waiting,
                        queue.active,
                        queue.next_due
                    )?;
                }
                Ok(())
            }
            Input::Leased { campaign, leases, queue, .. } => write!(
                out,
                "told {} claims of {campaign:?}, {} wait, {} active",
                leases.len(),
                queue.waiting,
                queue.active
            ),
            Input::Call(attempt, CallEvent::Ended(report)) => {
                write!(out, "told {attempt:?} ended: {:?}", report.ending)
            }
            Input::Settled { attempt, queue } => write!(
                out,
                "told {attempt:?} is settled, {} wait, {} active",
                queue.waiting, queue.active
            ),
            other => write!(out, "told {other:?}"),
        }
    }
}

/// What the scheduler asks, in a line.
pub(crate) struct Asked<'a>(pub(crate) &'a Command);

impl fmt::Display for Asked<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Command::Record(attempt) => write!(out, "  asks to record {}", Row(attempt)),
            Command::Reroute(attempt) => write!(out, "  asks to reroute {}", Row(attempt)),
            Command::Place(placement) => write!(out, "  INVITE of {}", Row(&placement.attempt)),
            Command::Finish(finish) => write!(
                out,
                "  finishes {:?} as {:?}, counts {}",
                finish.attempt.id, finish.outcome, finish.counts
            ),
            Command::Release(leases) => write!(out, "  gives {} claims back", leases.len()),
            Command::Bar(leases) => write!(out, "  bars {} claims", leases.len()),
            Command::Progress(progress) => {
                write!(out, "  notes progress of {:?}", progress.attempt)
            }
            other => write!(out, "  asks {other:?}"),
        }
    }
}

struct Row<'a>(&'a NewAttempt);

impl fmt::Display for Row<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attempt = self.0;
        write!(
            out,
            "{:?} (number {}, try {}) of {:?} to +{} through {:?}",
            attempt.id,
            attempt.number,
            attempt.tries,
            attempt.lease.contact,
            attempt.lease.phone.digits(),
            attempt.carrier
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_last_lines_and_none_when_it_is_off() {
        let mut trace = Trace::new(true);
        for index in 0..60 {
            trace.note(Timestamp::UNIX_EPOCH, format_args!("thing {index}"));
        }
        let lines = trace.into_lines();
        assert_eq!(lines.len(), LINES_MAX);
        assert!(lines[0].ends_with("thing 10") && lines[49].ends_with("thing 59"), "{lines:?}");

        let mut off = Trace::new(false);
        off.note(Timestamp::UNIX_EPOCH, format_args!("thing"));
        assert!(off.into_lines().is_empty());
    }
}
