//! The scheduler: decides whom to dial, when and through whom, for every campaign
//! of this machine, and does nothing.
//!
//! The loop that owns it tells it what happened ([`Scheduler::handle`]), carries out
//! what it asks ([`Scheduler::poll_command`]) and wakes it again in time
//! ([`Scheduler::poll_timeout`]). It opens no socket, runs no query and reads no
//! clock.

mod call;
mod carriers;
mod figures;
mod meter;
mod reasons;
mod run;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque, btree_map::Entry},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use self::{
    call::Call,
    carriers::{Carriers, Refusal},
    run::{Hold, Run},
};
use crate::{
    attempt::{AttemptEvent, AttemptState, CallReport, Finish, Lease, NewAttempt, Next, Progress},
    bot::Bot,
    breaker::Verdict,
    campaign::Status,
    carrier::Carrier,
    ids::{AttemptId, CampaignId, IdSource},
    live::LiveView,
    outcome::Ending,
    pacing::PacingEvent,
    passes,
    retry::{self, After, RunEnd},
    settings::Settings,
    setup::{DiallerSetup, QueueState},
};

/// What happened.
#[derive(Debug, Clone)]
pub enum Input {
    /// The campaigns and carriers as they stand: at start-up and after every
    /// change. Idempotent; what is missing from it is gone.
    Setup(DiallerSetup),
    /// Answer to [`Command::Lease`]; may hold fewer claims than were asked for.
    Leased {
        /// Which campaign.
        campaign: CampaignId,
        /// Its run when asked.
        run: u32,
        /// The claims.
        leases: Vec<Lease>,
        /// The line after them.
        queue: QueueState,
    },
    /// Answer to [`Command::Record`]: the attempt row is durable.
    Recorded(AttemptId),
    /// Answer to [`Command::Record`]: no row was written and the claim is gone or
    /// went back; nothing may be dialled.
    NotRecorded(AttemptId),
    /// The store failed to answer a lease, record or complete; ask again later.
    StoreFailed {
        /// Which campaign's command.
        campaign: CampaignId,
        /// The attempt, when it was a record: it may or may not be durable, and
        /// must not be dialled.
        attempt: Option<AttemptId>,
    },
    /// A live call moved on.
    Call(AttemptId, CallEvent),
    /// A [`Command::Finish`] was committed; the line of its run after it.
    Settled {
        /// Which attempt.
        attempt: AttemptId,
        /// The line after the commit.
        queue: QueueState,
    },
    /// `poll_timeout` came.
    Tick,
    /// The process is asked to end: no new call.
    ShutDown,
}

/// How a live call moves on, as the line tells it.
#[derive(Debug, Clone)]
pub enum CallEvent {
    /// First 18x.
    Ringing,
    /// 200 OK: waits for [`Command::Connect`] or [`Command::Abandon`].
    Answered,
    /// The bot is attached.
    BotAttached,
    /// The one report that ends every call.
    Ended(Box<CallReport>),
}

/// What the owner of the scheduler shall do.
#[derive(Debug, Clone)]
pub enum Command {
    /// Claim contacts; answer with `Leased` or `StoreFailed`.
    Lease {
        /// Of which campaign.
        campaign: CampaignId,
        /// In which run.
        run: u32,
        /// At most this many.
        max: u32,
    },
    /// Give claims back.
    Release(Vec<Lease>),
    /// Make the attempt durable; answer with `Recorded`, `NotRecorded` or
    /// `StoreFailed`.
    Record(NewAttempt),
    /// Send the INVITE.
    Place(Box<Placement>),
    /// The answered call has a seat: attach its bot.
    Connect(AttemptId),
    /// The answered call has no seat: play the message and hang up.
    Abandon(AttemptId),
    /// End the call, whatever state it is in.
    HangUp(AttemptId),
    /// Write how far a call has come.
    Progress(Progress),
    /// Write the end of an attempt; answer with `Settled`.
    Finish(Box<Finish>),
    /// The single day is over.
    Sweep {
        /// Which campaign.
        campaign: CampaignId,
        /// Which run.
        run: u32,
    },
    /// Complete the run if really nothing is left. When the store finds somebody
    /// waiting, a fresh `Setup` follows.
    Complete {
        /// Which campaign.
        campaign: CampaignId,
        /// Which run.
        run: u32,
    },
    /// The run cannot go on.
    Fail {
        /// Which campaign.
        campaign: CampaignId,
        /// Which run.
        run: u32,
        /// Shown to people.
        reason: String,
    },
}

/// Everything the line needs to place one call.
#[derive(Debug, Clone)]
pub struct Placement {
    /// The durable attempt.
    pub attempt: NewAttempt,
    /// Through whom.
    pub carrier: Arc<Carrier>,
    /// The callee in the carrier's format, with its prefix.
    pub callee: String,
    /// The caller ID in the carrier's format.
    pub caller: String,
    /// Limits of the call.
    pub settings: Arc<Settings>,
    /// What speaks.
    pub bot: Arc<Bot>,
}

/// A row is asked for this long before its INVITE has a token, at most: as long as the
/// store lately took to write one.
const LEAD_MAX: SignedDuration = SignedDuration::from_millis(250);
/// A claim whose last caller ID is busy takes another after this.
const PATIENCE: SignedDuration = SignedDuration::from_secs(2);
/// Claims asked for at once, at most.
const CLAIMS_MAX: u32 = 1_000;
/// While something is live, its figures change at least this often.
const LIVE_TICK: SignedDuration = SignedDuration::from_secs(1);
/// Nothing at all to do: look again then, in case a clock was set.
const LONG_SLEEP: SignedDuration = SignedDuration::from_mins(1);
/// Less than this is not worth a timer, and more than a busy loop.
const WAKE_MIN: SignedDuration = SignedDuration::from_micros(100);

/// See the module.
///
/// # What it promises
/// An INVITE leaves ([`Command::Place`]) only for an attempt that the store called
/// durable, through a carrier that has a token and a channel for it, while its
/// campaign runs, its window is open and its bot is there; each attempt is placed at
/// most once and finished exactly once. Calls whose INVITE left go on whatever
/// happens to the campaign.
///
/// # When the store fails
/// A record that failed may or may not be durable: it is never dialled. Its claim is
/// given back and its attempt finished as [`Ending::NotSent`], of which the store
/// does what fits: the one without a row, the other with. Nothing waits for the answer
/// to such a `Finish`, because the store may know nothing of the attempt.
pub struct Scheduler {
    ids: IdSource,
    max_calls: u32,
    now: Timestamp,
    shutting_down: bool,
    runs: BTreeMap<CampaignId, Run>,
    carriers: Carriers,
    calls: HashMap<AttemptId, Call>,
    /// Answered calls that wait for a seat, oldest first, and until when.
    waiting: VecDeque<(AttemptId, Timestamp)>,
    /// Finished attempts that the store has not confirmed.
    finishing: HashMap<AttemptId, Finishing>,
    /// Mean time from asking for a row to having it.
    lead: SignedDuration,
    /// Dials over all campaigns.
    served: u64,
    commands: VecDeque<Command>,
    wake_at: Timestamp,
}

/// An end that was given to the store.
#[derive(Debug, Clone, Copy)]
struct Finishing {
    campaign: CampaignId,
    /// The run is not over before the answer came.
    awaited: bool,
}

impl Scheduler {
    /// `max_calls` bounds the calls of this machine.
    pub fn new(ids: IdSource, max_calls: u32, now: Timestamp) -> Self {
        Self {
            ids,
            max_calls,
            now,
            shutting_down: false,
            runs: BTreeMap::new(),
            carriers: Carriers::default(),
            calls: HashMap::new(),
            waiting: VecDeque::new(),
            finishing: HashMap::new(),
            lead: SignedDuration::from_millis(1),
            served: 0,
            commands: VecDeque::new(),
            wake_at: now,
        }
    }

    /// Takes in what happened.
    pub fn handle(&mut self, input: Input, now: Timestamp) {
        self.now = now;
        match input {
            Input::Setup(setup) => self.set_up(setup),
            Input::Leased { campaign, run, leases, queue } => {
                self.leased(campaign, run, leases, queue);
            }
            Input::Recorded(attempt) => self.recorded(attempt),
            Input::NotRecorded(attempt) => self.not_recorded(attempt),
            Input::StoreFailed { campaign, attempt } => self.store_failed(campaign, attempt),
            Input::Call(attempt, event) => self.call_moved(attempt, event),
            Input::Settled { attempt, queue } => self.settled(attempt, queue),
            Input::Tick => {}
            Input::ShutDown => self.shutting_down = true,
        }
        self.step();
    }

    /// The next thing to do.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// When to call `handle` with [`Input::Tick`], at the latest.
    pub fn poll_timeout(&self) -> Timestamp {
        self.wake_at
    }

    /// What is happening now, for every campaign it holds.
    pub fn live(&self, now: Timestamp) -> Vec<LiveView> {
        self.runs.values().map(|run| self.view(run, now)).collect()
    }

    /// Whether no call is up and nothing waits for an answer of the store.
    pub fn is_idle(&self) -> bool {
        self.calls.is_empty()
            && self.finishing.values().all(|finishing| !finishing.awaited)
            && self.commands.is_empty()
            && self.runs.values().all(Run::is_quiet)
    }

    fn set_up(&mut self, setup: DiallerSetup) {
        self.carriers.set(setup.carriers);
        let mut present = BTreeSet::new();
        for campaign in setup.campaigns {
            present.insert(campaign.id);
            match self.runs.entry(campaign.id) {
                Entry::Occupied(mut known) => {
                    let run = known.get_mut();
                    if campaign.run != run.setup.run {
                        release(&mut self.commands, run.give_back(self.now));
                    }
                    run.update(campaign, self.now);
                }
                Entry::Vacant(unknown) => {
                    unknown.insert(Run::new(campaign, self.now));
                }
            }
        }
        for (id, run) in &mut self.runs {
            if !present.contains(id) {
                run.orphan();
                release(&mut self.commands, run.give_back(self.now));
            }
        }
        self.runs.retain(|id, run| present.contains(id) || !run.is_quiet());
    }

    fn leased(&mut self, campaign: CampaignId, run: u32, leases: Vec<Lease>, queue: QueueState) {
        match self.runs.get_mut(&campaign).filter(|known| known.setup.run == run) {
            Some(known) => known.leased(leases, queue, self.now),
            None => release(&mut self.commands, leases),
        }
    }

    fn recorded(&mut self, attempt: AttemptId) {
        let Some(call) = self.calls.get_mut(&attempt) else { return };
        let Some(run) = self.runs.get_mut(&call.campaign()) else { return };
        if call.state != AttemptState::Recording {
            return;
        }
        call.advance(AttemptEvent::Recorded, &mut run.tally);
        run.store_down = false;
        let took = self.now.duration_since(call.attempt.at).max(SignedDuration::ZERO);
        self.lead = (self.lead * 7 / 8 + took / 8).min(LEAD_MAX);
        self.carriers.recorded(call.carrier.id, attempt);
    }

    fn not_recorded(&mut self, attempt: AttemptId) {
        if let Some(call) = self.forget_unrecorded(attempt)
            && let Some(run) = self.runs.get_mut(&call.campaign())
        {
            run.not_recorded(self.now);
        }
    }

    fn store_failed(&mut self, campaign: CampaignId, attempt: Option<AttemptId>) {
        let doubtful = attempt.and_then(|attempt| self.forget_unrecorded(attempt));
        if let Some(run) = self.runs.get_mut(&campaign) {
            run.store_failed(self.now);
        }
        if let Some(call) = doubtful {
            self.commands.push_back(Command::Release(vec![call.attempt.lease.clone()]));
            let report = call.not_sent(self.now);
            self.finish(call.attempt, report, false);
        }
    }

    /// Drops a call whose row was not written, or perhaps not.
    fn forget_unrecorded(&mut self, attempt: AttemptId) -> Option<Call> {
        if self.calls.get(&attempt)?.state != AttemptState::Recording {
            return None;
        }
        let mut call = self.calls.remove(&attempt)?;
        let run = self.runs.get_mut(&call.campaign())?;
        call.advance(AttemptEvent::Ended, &mut run.tally);
        self.carriers.not_recorded(call.carrier.id);
        Some(call)
    }

    fn settled(&mut self, attempt: AttemptId, queue: QueueState) {
        let Some(finishing) = self.finishing.remove(&attempt) else { return };
        if let Some(run) = self.runs.get_mut(&finishing.campaign) {
            run.finishing -= u32::from(finishing.awaited);
            run.set_queue(queue);
        }
    }

    fn call_moved(&mut self, attempt: AttemptId, event: CallEvent) {
        let now = self.now;
        let Some(call) = self.calls.get_mut(&attempt) else { return };
        let Some(run) = self.runs.get_mut(&call.campaign()) else { return };
        let since_placed = elapsed_ms(call.placed_at, now);
        match event {
            CallEvent::Ringing => {
                if call.advance(AttemptEvent::Ringing, &mut run.tally) {
                    call.progress.ringing_at = Some(now);
                    self.commands.push_back(Command::Progress(call.progress));
                    if let Some(desk) = self.carriers.desk_mut(call.carrier.id) {
                        desk.breaker.call_progressed(now);
                    }
                }
            }
            CallEvent::Answered => {
                if call.advance(AttemptEvent::Answered, &mut run.tally) {
                    call.progress.answered_at = Some(now);
                    self.commands.push_back(Command::Progress(call.progress));
                    if let Some(desk) = self.carriers.desk_mut(call.carrier.id) {
                        desk.breaker.call_progressed(now);
                    }
                    run.pacing.observe(PacingEvent::Answered { after_ms: since_placed }, now);
                    let patience = call.settings.abandon_after_ms;
                    let until = now + SignedDuration::from_millis(i64::from(patience));
                    self.waiting.push_back((attempt, until));
                }
            }
            CallEvent::BotAttached => {
                if call.advance(AttemptEvent::BotAttached, &mut run.tally) {
                    call.progress.bot_attached_at = Some(now);
                    self.commands.push_back(Command::Progress(call.progress));
                    run.figures.connected(now);
                }
            }
            CallEvent::Ended(report) => self.call_ended(attempt, *report),
        }
    }

    fn call_ended(&mut self, attempt: AttemptId, report: CallReport) {
        let now = self.now;
        // A line that reports a call it was never given is mistaken.
        if self
            .calls
            .get(&attempt)
            .is_none_or(|call| matches!(call.state, AttemptState::Recording | AttemptState::Queued))
        {
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
        self.finish(call.attempt, report, true);
    }

    /// Names what an attempt came to and has it written.
    fn finish(&mut self, attempt: NewAttempt, mut report: CallReport, awaited: bool) {
        let now = self.now;
        let verdict = match self.carriers.desk_mut(attempt.carrier) {
            Some(desk) => desk.breaker.call_ended(&report, now),
            None => Verdict { storms: false, trouble: false },
        };
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
            run.finishing += u32::from(awaited);
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

    /// Does what the moment allows, and finds out when the next one is.
    fn step(&mut self) {
        for run in self.runs.values_mut() {
            run.look(self.now);
        }
        self.give_seats();
        self.place_queued();
        self.keep_house();
        self.dial();
        self.wake_at = self.next_wake();
    }

    /// Seats for answered calls, in the order of their answers; no seat in time is an
    /// abandoned call (DI-16).
    fn give_seats(&mut self) {
        let now = self.now;
        let Self { waiting, calls, runs, commands, .. } = self;
        waiting.retain(|(attempt, until)| {
            let Some(call) = calls.get_mut(attempt) else { return false };
            let Some(run) = runs.get_mut(&call.campaign()) else { return false };
            if call.state != AttemptState::Answered {
                return false;
            }
            if run.tally.load(run.setup.settings.concurrency).free() > 0 {
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

    /// INVITEs of durable attempts: the last look at campaign and carrier, then the
    /// token.
    fn place_queued(&mut self) {
        let now = self.now;
        for attempt in self.carriers.queued() {
            let Some(call) = self.calls.get_mut(&attempt) else { continue };
            let Some(run) = self.runs.get_mut(&call.campaign()) else { continue };
            let carrier = call.carrier.id;
            let allowed = !self.shutting_down
                && run.setup.run == call.attempt.lease.run
                && run.may_dial(now)
                && self.carriers.still_takes(carrier, now);
            if !allowed {
                call.advance(AttemptEvent::Ended, &mut run.tally);
                let report = call.not_sent(now);
                self.carriers.ended(carrier, attempt);
                if let Some(call) = self.calls.remove(&attempt) {
                    self.finish(call.attempt, report, true);
                }
            } else if self.carriers.take_token(carrier, attempt, now) {
                call.advance(AttemptEvent::Placed, &mut run.tally);
                call.placed_at = Some(now);
                run.figures.dialled(now);
                run.pacing.observe(PacingEvent::Dialled, now);
                self.commands.push_back(Command::Place(Box::new(Placement::of(call))));
            }
        }
    }

    /// What a campaign owes besides dialling: claims it may not use, the end of its day,
    /// of its run, of its hope.
    fn keep_house(&mut self) {
        let now = self.now;
        for (id, run) in &mut self.runs {
            let (campaign, number) = (*id, run.setup.run);
            let dials = !self.shutting_down && run.may_dial(now);
            let usable = dials && self.carriers.any_usable(&run.setup.numbers, now);
            if !usable {
                release(&mut self.commands, run.give_back(now));
            }
            if self.shutting_down {
                continue;
            }
            let running = run.setup.status == Status::Running;
            let live = running || run.setup.status == Status::Paused;
            let queue = run.setup.queue;
            if live && run.is_day_over(now) && queue.waiting > 0 {
                if run.ask_to_end(now) {
                    self.commands.push_back(Command::Sweep { campaign, run: number });
                }
                continue;
            }
            if running && run.setup.bot.is_none() {
                if run.ask_to_end(now) {
                    let reason = "The bot was removed".to_owned();
                    self.commands.push_back(Command::Fail { campaign, run: number, reason });
                }
                continue;
            }
            let over = running && !run.setup.settings.always_on || live && run.is_day_over(now);
            // With somebody active that we know nothing of, the store knows better.
            if over && run.is_quiet() && queue.waiting == 0 && run.ask_to_end(now) {
                self.commands.push_back(Command::Complete { campaign, run: number });
            }
            let needs_carrier = running && run.has_bot() && run.is_somebody_due(now);
            let works = self.carriers.any_working(&run.setup.numbers, now);
            if works {
                run.carriers_work();
            }
            let is_down = needs_carrier && run.window.is_open && !works;
            if run.is_out_of_carriers(is_down, now) && running && run.ask_to_end(now) {
                let reason = reasons::out_of_carriers(run, &self.carriers);
                self.commands.push_back(Command::Fail { campaign, run: number, reason });
            }
        }
        let over = |run: &Run| {
            matches!(run.setup.status, Status::Completed | Status::Failed) && run.is_quiet()
        };
        let before = self.runs.len();
        self.runs.retain(|_, run| !over(run));
        if self.runs.len() < before {
            let runs = &self.runs;
            self.finishing.retain(|_, finishing| runs.contains_key(&finishing.campaign));
        }
    }

    /// Starts calls: higher priorities first, campaigns of one priority in turn.
    fn dial(&mut self) {
        if self.shutting_down {
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
            let mut hungry: Vec<CampaignId> = equals.iter().map(|(_, _, id)| *id).collect();
            while !hungry.is_empty() {
                hungry.retain(|id| self.dial_one(*id));
            }
        }
        for (_, _, id) in order {
            self.claim(id);
        }
    }

    /// Starts one call of a campaign; `false` when it can start no more.
    fn dial_one(&mut self, id: CampaignId) -> bool {
        let now = self.now;
        let Some(run) = self.runs.get_mut(&id) else { return false };
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
        let mut found = None;
        for (index, (lease, since)) in run.claims.iter().enumerate() {
            let insist = now.duration_since(*since) < PATIENCE;
            let numbers = &run.setup.numbers;
            match self.carriers.route(numbers, lease.last_number, insist, now, self.lead) {
                Ok(route) => {
                    found = Some((index, route));
                    break;
                }
                Err(refusal) => {
                    run.held = Some((Hold::Carrier(refusal), now));
                    // Whoever takes any number was refused by all of them.
                    if !insist || lease.last_number.is_none() {
                        break;
                    }
                }
            }
        }
        let Some((index, route)) = found else { return false };
        let Some((lease, _)) = run.claims.remove(index) else { return false };
        self.served += 1;
        run.served = self.served;
        let attempt = NewAttempt {
            id: AttemptId(self.ids.block(now.as_millisecond(), 1)),
            number: lease.dialled + 1,
            pass: passes::pass_of_next(lease.counted),
            lease,
            revision: run.setup.revision,
            carrier: route.carrier.id,
            caller_id: route.number.e164,
            number_id: route.number.id,
            at: now,
        };
        self.carriers.recording(&route, now);
        self.commands.push_back(Command::Record(attempt.clone()));
        let call = Call::new(attempt, route.carrier, run.setup.settings.clone(), bot);
        run.tally.enter(call.state);
        self.calls.insert(call.attempt.id, call);
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

    fn next_wake(&mut self) -> Timestamp {
        let now = self.now;
        let mut wake = now + LONG_SLEEP;
        let mut live = !self.calls.is_empty();
        for run in self.runs.values_mut() {
            wake = wake.min(run.wake_at(now));
            live |= run.setup.status == Status::Running && !run.figures.is_idle(now);
            let hungry = run.may_dial(now) && (!run.claims.is_empty() || run.is_somebody_due(now));
            if !hungry || self.shutting_down {
                continue;
            }
            live = true;
            let load = run.tally.load(run.setup.settings.concurrency);
            if run.pacing.dials(load, now) == 0 {
                continue;
            }
            let at = match self.carriers.refusal(&run.setup.numbers, now) {
                Some(Refusal::Resting(at)) => at,
                // A row may be asked for as early before its token as it takes to write.
                Some(Refusal::Rate(at)) if !run.claims.is_empty() => at - self.lead,
                Some(Refusal::Rate(_) | Refusal::Channels | Refusal::Missing) | None => continue,
            };
            if at > now {
                wake = wake.min(at);
            }
        }
        if live {
            wake = wake.min(now + LIVE_TICK);
        }
        wake = wake.min(self.carriers.next_token(now).unwrap_or(wake));
        for (_, until) in &self.waiting {
            wake = wake.min(*until);
        }
        wake.max(now + WAKE_MIN)
    }
}

impl Placement {
    fn of(call: &Call) -> Self {
        let settings = &call.carrier.settings;
        let prefix = settings.prefix.as_deref();
        Self {
            callee: call.attempt.lease.phone.format_for(settings.number_format, prefix),
            caller: call.attempt.caller_id.format_for(settings.number_format, None),
            attempt: call.attempt.clone(),
            carrier: call.carrier.clone(),
            settings: call.settings.clone(),
            bot: call.bot.clone(),
        }
    }
}

fn release(commands: &mut VecDeque<Command>, leases: Vec<Lease>) {
    if !leases.is_empty() {
        commands.push_back(Command::Release(leases));
    }
}

fn elapsed_ms(since: Option<Timestamp>, now: Timestamp) -> u64 {
    since.map_or(0, |since| now.duration_since(since).as_millis().max(0) as u64)
}
