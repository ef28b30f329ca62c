//! The scheduler: decides whom to dial, when and through whom, for every campaign
//! of this machine, and does nothing.
//!
//! The loop that owns it tells it what happened ([`Scheduler::handle`]), carries out
//! what it asks ([`Scheduler::poll_command`]) and wakes it again in time
//! ([`Scheduler::poll_timeout`]). It opens no socket, runs no query and reads no
//! clock.

mod call;
mod carriers;
mod dial;
mod ending;
mod engaged;
mod failover;
mod figures;
mod lead;
mod messages;
mod meter;
mod reasons;
mod run;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque, btree_map::Entry};

use jiff::{SignedDuration, Timestamp};

pub use self::messages::{CallEvent, Command, Input, Placement};
use self::{
    call::{Call, Refused},
    carriers::{Carriers, Refusal},
    ending::NO_VERDICT,
    engaged::Engaged,
    lead::Lead,
    run::Run,
};
use crate::{
    attempt::{AttemptEvent, AttemptState, Lease},
    campaign::Status,
    guard::day::{DailyLimits, Day, Reached, Spent},
    ids::{AttemptId, CampaignId, IdSource},
    live::LiveView,
    pacing::PacingEvent,
    setup::{DiallerSetup, QueueState},
};

/// While something is live, its figures change at least this often.
const LIVE_TICK: SignedDuration = SignedDuration::from_secs(1);
/// Nothing at all to do: look again then, in case a clock was set.
const LONG_SLEEP: SignedDuration = SignedDuration::from_mins(1);
/// The next moment is never this one.
const WAKE_MIN: SignedDuration = SignedDuration::from_nanos(1);

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
/// given back and its attempt finished as [`Ending::NotSent`](crate::outcome::Ending::NotSent), of which the store
/// does what fits: the one without a row, the other with. Nothing waits for the answer
/// to such a `Finish`, because the store may know nothing of the attempt.
pub struct Scheduler {
    ids: IdSource,
    max_calls: u32,
    now: Timestamp,
    shutting_down: bool,
    /// Another process may have dialled until this one was told its first setup.
    succeeds: bool,
    runs: BTreeMap<CampaignId, Run>,
    carriers: Carriers,
    calls: HashMap<AttemptId, Call>,
    /// The phones that those calls engage.
    engaged: Engaged,
    day: Day,
    /// The daily limit that is reached.
    reached: Option<Reached>,
    /// Talk of live calls, as it was last added up, and when.
    live_talk: (u64, Timestamp),
    /// Answered calls that wait for a seat, oldest first, and until when.
    waiting: VecDeque<(AttemptId, Timestamp)>,
    /// Finished attempts that the store has not confirmed.
    finishing: HashMap<AttemptId, Finishing>,
    /// What it takes from asking for a row to having it.
    lead: Lead,
    /// The most dials that a campaign had when it got one more, as `Run::served` counts.
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
            succeeds: false,
            runs: BTreeMap::new(),
            carriers: Carriers::default(),
            calls: HashMap::new(),
            engaged: Engaged::default(),
            day: Day::new(DailyLimits::default(), Spent::default(), now),
            reached: None,
            live_talk: (0, Timestamp::MIN),
            waiting: VecDeque::new(),
            finishing: HashMap::new(),
            lead: Lead::default(),
            served: 0,
            commands: VecDeque::new(),
            wake_at: now,
        }
    }

    /// Under these limits of the deployment, of which so much is spent today.
    pub fn with_daily_limits(self, limits: DailyLimits, spent: Spent) -> Self {
        Self { day: Day::new(limits, spent, self.now), ..self }
    }

    /// After another process, which may have dialled until just now: the carriers of the
    /// first setup begin without their burst, so that a crash gives no second one (DI-3).
    pub fn after_another(self) -> Self {
        Self { succeeds: true, ..self }
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
            Input::Settled { attempt, queue } => self.settled(attempt, Some(queue)),
            Input::NotSettled(attempt) => self.settled(attempt, None),
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
            && self.runs.values().all(|run| run.is_quiet(self.now))
    }

    fn set_up(&mut self, setup: DiallerSetup) {
        let now = self.now;
        self.carriers.set(setup.carriers);
        if std::mem::take(&mut self.succeeds) {
            self.carriers.drain(now);
        }
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
        self.runs.retain(|id, run| present.contains(id) || !run.is_quiet(now));
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
        run.store_answered();
        self.lead.note(self.now.duration_since(call.asked_at));
        self.carriers.recorded(call.carrier.id, attempt);
    }

    fn not_recorded(&mut self, attempt: AttemptId) {
        let Some((call, refused)) = self.forget_unrecorded(attempt) else { return };
        let run = self.runs.get_mut(&call.campaign());
        match (refused, run) {
            (Some(refused), _) => self.end_refused(call, *refused),
            (None, Some(run)) => {
                run.not_recorded(self.now);
                run.gave_back(1, self.now);
            }
            (None, None) => {}
        }
    }

    fn store_failed(&mut self, campaign: CampaignId, attempt: Option<AttemptId>) {
        let doubtful = attempt.and_then(|attempt| self.forget_unrecorded(attempt));
        if let Some(run) = self.runs.get_mut(&campaign) {
            run.store_failed(self.now);
            let claims = doubtful.iter().filter(|(_, refused)| refused.is_none()).count();
            run.gave_back(claims, self.now);
        }
        match doubtful {
            // The row is there, whichever carrier it names.
            Some((call, Some(refused))) => self.end_refused(call, *refused),
            Some((call, None)) => {
                self.commands.push_back(Command::Release(vec![call.attempt.lease.clone()]));
                let report = call.not_sent(self.now);
                self.finish(call.attempt, report, NO_VERDICT, false);
            }
            None => {}
        }
    }

    /// Drops a call whose row, or next carrier, was not written, or perhaps not; with
    /// the end that the carrier before gave it.
    fn forget_unrecorded(&mut self, attempt: AttemptId) -> Option<(Call, Option<Box<Refused>>)> {
        if self.calls.get(&attempt)?.state != AttemptState::Recording {
            return None;
        }
        let mut call = self.calls.remove(&attempt)?;
        let run = self.runs.get_mut(&call.campaign())?;
        call.advance(AttemptEvent::Ended, &mut run.tally);
        self.carriers.not_recorded(call.carrier.id);
        let refused = call.refused.take();
        if refused.is_none() {
            self.day.not_dialled(call.attempt.at);
            self.engaged.end(call.attempt.lease.phone, None);
            self.unpark(call.attempt.lease.phone);
        }
        Some((call, refused))
    }

    fn settled(&mut self, attempt: AttemptId, queue: Option<QueueState>) {
        let Some(finishing) = self.finishing.remove(&attempt) else { return };
        if let Some(run) = self.runs.get_mut(&finishing.campaign) {
            if finishing.awaited {
                run.finish_confirmed();
            }
            if let Some(queue) = queue {
                run.set_queue(queue);
            }
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
                    if call.progress.ringing_at.is_none()
                        && let Some(desk) = self.carriers.desk_mut(call.carrier.id)
                    {
                        desk.breaker.call_progressed(now);
                    }
                    run.pacing.observe(PacingEvent::Answered { after_ms: since_placed }, now);
                    let patience = call.settings.seat_patience_ms();
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

    /// Does what the moment allows, and finds out when the next one is.
    fn step(&mut self) {
        for run in self.runs.values_mut() {
            run.look(self.now);
        }
        for phone in self.engaged.look(self.now) {
            self.unpark(phone);
        }
        self.look_at_day();
        self.give_seats();
        self.place_queued();
        self.keep_house();
        self.dial();
        self.wake_at = self.next_wake();
    }

    /// Whether the deployment may dial any more today (DI-14).
    fn look_at_day(&mut self) {
        let now = self.now;
        self.day.look(now);
        let (_, added_up) = self.live_talk;
        if self.day.counts_minutes()
            && (now < added_up || now.duration_since(added_up) >= LIVE_TICK)
        {
            let talk = |call: &Call| elapsed_ms(call.progress.answered_at, now);
            let today = self.calls.values().filter(|call| self.day.holds(call.attempt.at));
            self.live_talk = (today.map(talk).sum(), now);
        }
        self.is_day_spent();
    }

    /// Whether a daily limit is reached now; the first time, somebody is told.
    fn is_day_spent(&mut self) -> bool {
        let before = self.reached;
        self.reached = self.day.reached(self.live_talk.0);
        if let Some(reached) = self.reached.filter(|_| before.is_none()) {
            let sentence = reasons::daily_limit(reached);
            self.commands.push_back(Command::Alarm(format!(
                "{sentence}: nothing is dialled before midnight UTC"
            )));
        }
        self.reached.is_some()
    }

    /// What a campaign owes besides dialling: claims it may not use, the end of its day,
    /// of its run, of its hope.
    fn keep_house(&mut self) {
        let now = self.now;
        for (id, run) in &mut self.runs {
            let (campaign, number) = (*id, run.setup.run);
            let may_call = !self.shutting_down && self.reached.is_none();
            let dials = may_call && run.may_dial(now);
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
            if over && run.is_quiet(now) && queue.waiting == 0 && run.ask_to_end(now) {
                self.commands.push_back(Command::Complete { campaign, run: number });
            }
            let needs_carrier = running && may_call && run.has_bot() && run.is_somebody_due(now);
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
            matches!(run.setup.status, Status::Completed | Status::Failed) && run.is_quiet(now)
        };
        let before = self.runs.len();
        self.runs.retain(|_, run| !over(run));
        if self.runs.len() < before {
            let runs = &self.runs;
            self.finishing.retain(|_, finishing| runs.contains_key(&finishing.campaign));
        }
    }

    fn next_wake(&mut self) -> Timestamp {
        let now = self.now;
        let mut wake = now + LONG_SLEEP;
        let mut live = !self.calls.is_empty();
        for run in self.runs.values_mut() {
            wake = wake.min(run.wake_at(now));
            live |= run.figures.dials_per_second(now).is_some();
            let hungry = run.may_dial(now) && (!run.claims.is_empty() || run.is_somebody_due(now));
            if !hungry || self.shutting_down || self.reached.is_some() {
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
                Some(Refusal::Rate(at)) if !run.claims.is_empty() => at - self.lead.time(),
                Some(Refusal::Rate(_) | Refusal::Rows | Refusal::Channels | Refusal::Missing)
                | None => continue,
            };
            if at > now {
                wake = wake.min(at);
            }
        }
        if live {
            wake = wake.min(now + LIVE_TICK);
        }
        wake = wake.min(self.carriers.next_token(now).unwrap_or(wake));
        wake = wake.min(self.engaged.next_free().unwrap_or(wake));
        if self.reached.is_some() {
            wake = wake.min(self.day.ends());
        }
        for (_, until) in &self.waiting {
            wake = wake.min(*until);
        }
        wake.max(now + WAKE_MIN)
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

#[cfg(test)]
mod tests;
