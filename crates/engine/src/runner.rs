//! The runner: the one task that owns the scheduler.
//!
//! It tells the scheduler what the store, the line and the clock say and carries out
//! what it asks. It never waits for the store: what was asked of it is under way in
//! [`Writes`] while calls go on.

mod publish;
mod writes;

use std::{collections::HashSet, time::Duration};

use campanile_domain::{
    attempt::CallReport,
    ids::AttemptId,
    scheduler::{CallEvent, Command, Input, Scheduler},
    setup::DiallerSetup,
};
use campanile_store::{Change, Store, live::LiveHub};
use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::{
    sync::{broadcast, watch},
    time::Instant,
};

use crate::line::Line;
use publish::Publisher;
use writes::{Answer, Work, Writes};

/// Changes within this time are read in one go: a busy campaign commits a hundred
/// times a second.
const SETUP_PAUSE: Duration = Duration::from_millis(100);
/// Events or answers taken in one round; then a pause or a shutdown gets its turn.
const BURST_MAX: usize = 256;
/// How long to wait before the setup is read again when reading it failed.
const SETUP_RETRY: Duration = Duration::from_secs(1);
/// How long calls that were hung up at the end of the drain may take to report by
/// themselves: CANCEL and its 487 need a round trip.
const HANG_UP_GRACE: Duration = Duration::from_secs(2);
/// How long the line may take to stop: the farewells of the shard, and then some.
const LAST_FAREWELLS: Duration = Duration::from_secs(3);
/// How long the store may take for what is still to be written at the end.
const LAST_WRITES: Duration = Duration::from_secs(10);

/// What the runner is made from.
pub(crate) struct RunnerParts<L> {
    pub(crate) scheduler: Scheduler,
    pub(crate) store: Store,
    pub(crate) live: LiveHub,
    pub(crate) line: L,
    /// Becomes true when the process is asked to end.
    pub(crate) shutdown: watch::Receiver<bool>,
    /// How long live calls may then go on.
    pub(crate) drain: Duration,
}

/// See the module.
pub(crate) struct Runner<L> {
    scheduler: Scheduler,
    line: L,
    writes: Writes,
    changes: broadcast::Receiver<Change>,
    setup: SetupReads,
    publisher: Publisher,
    /// Placed and not reported.
    up: HashSet<AttemptId>,
    /// False once the line has stopped.
    line_is_open: bool,
    shutdown: watch::Receiver<bool>,
    drain: Duration,
    phase: Phase,
}

/// When the setup is read next.
#[derive(Debug, Clone, Copy)]
struct SetupReads {
    under_way: bool,
    /// Something changed since the last read began.
    wanted: bool,
    not_before: Instant,
}

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It has not.
    Running,
    /// No new call; live ones may go on.
    Draining { until: Instant },
    /// The live ones were hung up.
    HangingUp { until: Instant },
    /// The line was told to stop, and reports what is left.
    Stopping { until: Instant },
    /// All calls have reported; the store writes.
    Writing { until: Instant },
}

/// The line ended by itself: a thread behind it broke.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LineBroke;

impl<L: Line> Runner<L> {
    /// `setup` is what the store held a moment ago, after `changes` was subscribed.
    pub(crate) fn new(
        parts: RunnerParts<L>,
        setup: DiallerSetup,
        changes: broadcast::Receiver<Change>,
    ) -> Self {
        let RunnerParts { mut scheduler, store, live, line, shutdown, drain } = parts;
        scheduler.handle(Input::Setup(setup), Timestamp::now());
        Self {
            scheduler,
            line,
            writes: Writes::new(store),
            changes,
            setup: SetupReads { under_way: false, wanted: false, not_before: Instant::now() },
            publisher: Publisher::new(live),
            up: HashSet::new(),
            line_is_open: true,
            shutdown,
            drain,
            phase: Phase::Running,
        }
    }

    /// Runs until everything is wound up after `shutdown`, or the line breaks.
    pub(crate) async fn run(mut self) -> Result<(), LineBroke> {
        loop {
            self.carry_out().await;
            self.publisher.look(&self.scheduler);
            if self.wind_up().await {
                return Ok(());
            }
            let wake = self.wake_at();
            tokio::select! {
                // In this order: a pause and a shutdown go before another dial.
                biased;
                changed = self.shutdown.changed(), if self.phase == Phase::Running => {
                    // When nobody is left who could ask, nobody waits for a drain either.
                    if changed.is_err() {
                        self.drain = Duration::ZERO;
                    }
                    if changed.is_err() || *self.shutdown.borrow() {
                        self.begin_shutdown();
                    }
                }
                change = self.changes.recv() => self.on_change(change),
                event = self.line.next_event(), if self.line_is_open => match event {
                    Some((attempt, event)) => self.on_calls(attempt, event),
                    None if self.is_stopping() => self.line_is_open = false,
                    None => return Err(LineBroke),
                },
                Some(answer) = self.writes.next() => self.on_answers(answer),
                () = tokio::time::sleep_until(wake) => {}
            }
            self.tick();
        }
    }

    fn on_change(&mut self, change: Result<Change, broadcast::error::RecvError>) {
        match change {
            Ok(Change::Import(_)) => {}
            // A lagging receiver has missed changes: read everything.
            Ok(Change::Campaign(_) | Change::Setup)
            | Err(broadcast::error::RecvError::Lagged(_)) => self.setup.wanted = true,
            // The store keeps the sender as long as we keep the store.
            Err(broadcast::error::RecvError::Closed) => {}
        }
    }

    /// What happened to a call, and to others by now: a burst costs one round.
    fn on_calls(&mut self, attempt: AttemptId, event: CallEvent) {
        self.on_call(attempt, event);
        for _ in 1..BURST_MAX {
            let Some(Some((attempt, event))) = self.line.next_event().now_or_never() else {
                return;
            };
            self.on_call(attempt, event);
        }
    }

    /// An answer of the store, and those that came with it: a commit answers many.
    fn on_answers(&mut self, answer: Answer) {
        self.on_answer(answer);
        for _ in 1..BURST_MAX {
            let Some(Some(answer)) = self.writes.next().now_or_never() else { return };
            self.on_answer(answer);
        }
    }

    fn on_call(&mut self, attempt: AttemptId, event: CallEvent) {
        if let CallEvent::Ended(report) = &event {
            log_ended(report);
            if !self.up.remove(&attempt) {
                tracing::error!(attempt.id = %attempt, "A call reported twice");
                return;
            }
        }
        self.tell(Input::Call(attempt, event));
    }

    fn on_answer(&mut self, answer: Answer) {
        match answer {
            Answer::Tell(input) => self.tell(*input),
            Answer::TellAndReread(input) => {
                self.setup.wanted = true;
                self.tell(*input);
            }
            Answer::Setup(Ok(setup)) => {
                self.setup.under_way = false;
                self.tell(Input::Setup(setup));
            }
            Answer::Setup(Err(error)) => {
                tracing::error!(%error, "The campaigns could not be read");
                self.setup.under_way = false;
                self.setup.wanted = true;
                self.setup.not_before = Instant::now() + SETUP_RETRY;
            }
            Answer::Reread => self.setup.wanted = true,
            Answer::RereadLater => {
                self.setup.wanted = true;
                self.setup.not_before = Instant::now() + SETUP_RETRY;
            }
            Answer::Nothing => {}
        }
    }

    fn tick(&mut self) {
        let now = Timestamp::now();
        if self.scheduler.poll_timeout() <= now {
            self.scheduler.handle(Input::Tick, now);
        }
        if self.setup.wanted && !self.setup.under_way && Instant::now() >= self.setup.not_before {
            self.setup = SetupReads {
                under_way: true,
                wanted: false,
                not_before: Instant::now() + SETUP_PAUSE,
            };
            self.writes.ask(Work::Setup);
        }
    }

    fn tell(&mut self, input: Input) {
        self.scheduler.handle(input, Timestamp::now());
    }

    /// Does what the scheduler asks, until it asks for nothing more.
    async fn carry_out(&mut self) {
        while let Some(command) = self.scheduler.poll_command() {
            match command {
                Command::Place(placement) => {
                    self.up.insert(placement.attempt.id);
                    self.line.place(placement).await;
                }
                Command::Connect(attempt) => self.line.connect(attempt).await,
                Command::Abandon(attempt) => self.line.abandon(attempt).await,
                Command::HangUp(attempt) => self.line.hang_up(attempt).await,
                Command::Lease { campaign, run, max } => {
                    self.writes.ask(Work::Lease { campaign, run, max });
                }
                Command::Release(leases) => self.writes.ask(Work::Release(leases)),
                Command::Record(attempt) => self.writes.ask(Work::Record(Box::new(attempt))),
                Command::Reroute(attempt) => self.writes.ask(Work::Reroute(Box::new(attempt))),
                Command::Bar(leases) => self.writes.ask(Work::Bar(leases)),
                Command::Alarm(what) => tracing::error!("{what}"),
                Command::Progress(progress) => self.writes.ask(Work::Progress(progress)),
                Command::Finish(finish) => self.writes.ask(Work::Finish(finish)),
                Command::Sweep { campaign, run } => self.writes.ask(Work::Sweep { campaign, run }),
                Command::Complete { campaign, run } => {
                    self.writes.ask(Work::Complete { campaign, run });
                }
                Command::Fail { campaign, run, reason } => {
                    self.writes.ask(Work::Fail { campaign, run, reason });
                }
            }
        }
    }

    fn begin_shutdown(&mut self) {
        tracing::info!(calls = self.up.len(), "No new calls; waiting for live ones to end");
        self.tell(Input::ShutDown);
        self.phase = Phase::Draining { until: Instant::now() + self.drain };
    }

    /// Goes on with the end; true when it is done.
    async fn wind_up(&mut self) -> bool {
        let now = Instant::now();
        match self.phase {
            Phase::Running => {}
            Phase::Draining { until } => {
                if self.up.is_empty() && self.scheduler.is_idle() || now >= until {
                    for attempt in &self.up {
                        self.line.hang_up(*attempt).await;
                    }
                    self.phase = Phase::HangingUp { until: now + HANG_UP_GRACE };
                }
            }
            Phase::HangingUp { until } => {
                if self.up.is_empty() || now >= until {
                    self.line.stop().await;
                    self.phase = Phase::Stopping { until: now + LAST_FAREWELLS };
                }
            }
            Phase::Stopping { until } => {
                if self.line_is_open && now >= until {
                    // Its calls become `unknown` at the next start, as after a crash.
                    tracing::error!(calls = self.up.len(), "The line did not stop in time");
                }
                if !self.line_is_open || now >= until {
                    self.phase = Phase::Writing { until: now + LAST_WRITES };
                }
            }
            Phase::Writing { until } => {
                if self.writes.is_settled() {
                    return true;
                }
                if now >= until {
                    // The next start cleans up after it, as after a crash.
                    tracing::error!("The database did not take the last writes in time");
                    return true;
                }
            }
        }
        false
    }

    /// Whether the line was told to stop: then its end is no surprise.
    fn is_stopping(&self) -> bool {
        matches!(self.phase, Phase::Stopping { .. } | Phase::Writing { .. })
    }

    /// When to wake, whatever else happens.
    fn wake_at(&self) -> Instant {
        let now = Instant::now();
        let in_wall_time = self.scheduler.poll_timeout().duration_since(Timestamp::now());
        let timeout = Duration::try_from(in_wall_time).unwrap_or(Duration::ZERO);
        let mut wake = self.publisher.next_look().min(now + timeout);
        if self.setup.wanted && !self.setup.under_way {
            wake = wake.min(self.setup.not_before);
        }
        match self.phase {
            Phase::Running => wake,
            Phase::Draining { until }
            | Phase::HangingUp { until }
            | Phase::Stopping { until }
            | Phase::Writing { until } => wake.min(until),
        }
    }
}

fn log_ended(report: &CallReport) {
    tracing::debug!(
        attempt.id = %report.attempt,
        sip.code = report.sip_code,
        rtp.sent = report.rtp_sent,
        rtp.received = report.rtp_received,
        "A call ended: {:?}",
        report.ending,
    );
}

#[cfg(test)]
mod tests;
