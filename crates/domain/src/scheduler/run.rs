//! One campaign in the scheduler: its claims, its window, its day, and what it may do.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use super::{call::Tally, carriers::Refusal, figures::Figures};
use crate::{
    attempt::Lease,
    campaign::Status,
    pacing::Pacing,
    phone::PhoneNumber,
    settings::Mode,
    setup::{CampaignSetup, QueueState},
    window::Hours,
};

/// A question that had no effect is put again after this.
const ASK_AGAIN: SignedDuration = SignedDuration::from_secs(5);
/// An answer of the store that does not come within this will not come.
const ANSWER_MAX: SignedDuration = SignedDuration::from_secs(30);
/// An end that the store has not confirmed after this is not waited for.
const FINISH_MAX: SignedDuration = SignedDuration::from_secs(60);
/// The store is left alone for this long after it failed.
const STORE_REST: SignedDuration = SignedDuration::from_secs(1);
/// A line that answered with nobody, though somebody was due, is asked again then.
const EMPTY_REST: SignedDuration = SignedDuration::from_secs(1);
/// How long a window's state is believed when it has no next change.
const WINDOW_BELIEF: SignedDuration = SignedDuration::from_hours(24);

/// See the module.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) setup: CampaignSetup,
    pub(super) pacing: Pacing,
    pub(super) window: WindowState,
    /// Where a single day ends (CL-13).
    pub(super) day_end: Option<Timestamp>,
    /// Claims in hand, in the order they are to be dialled, and since when.
    pub(super) claims: VecDeque<(Lease, Timestamp)>,
    /// Claims whose phone another call engages, and since when they are in hand. They
    /// hold nobody back; there are no more of them than engaged phones.
    pub(super) parked: Vec<(Lease, Timestamp)>,
    /// Its calls that have not ended.
    pub(super) tally: Tally,
    /// Ends of attempts that the store has not confirmed, and when the last was given
    /// to it.
    finishing: u32,
    finished_at: Timestamp,
    /// A `Lease` was asked for then.
    lease_asked_at: Option<Timestamp>,
    /// No `Lease` before this.
    lease_not_before: Option<Timestamp>,
    /// The store failed then, and has not answered since.
    store_failed_at: Option<Timestamp>,
    /// `Complete`, `Sweep` or `Fail` was asked for then.
    ended_asked_at: Option<Timestamp>,
    /// Open window during which nobody could be dialled for want of a carrier.
    down: SignedDuration,
    /// Since when it is being counted.
    down_since: Option<Timestamp>,
    /// What held the last dial back, and when.
    pub(super) held: Option<(Hold, Timestamp)>,
    /// Its dials, and those it let pass while it could not use them: among campaigns of
    /// one priority the lowest goes first.
    pub(super) served: u64,
    pub(super) figures: Figures,
}

/// What keeps a campaign that may dial from dialling more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// Every seat is taken or spoken for.
    Seats,
    /// `--max-calls`.
    Machine,
    /// No carrier takes a call.
    Carrier(Refusal),
}

/// Whether a window is open, evaluated when it changes and not at every event.
#[derive(Debug, Clone)]
pub(super) struct WindowState {
    pub(super) is_open: bool,
    /// When it changes.
    pub(super) changes_at: Option<Timestamp>,
    seen_at: Timestamp,
    look_again_at: Timestamp,
}

impl WindowState {
    fn of(window: Hours<'_>, now: Timestamp) -> Self {
        let changes_at = window.next_change(now);
        let look_again_at = changes_at.unwrap_or(now + WINDOW_BELIEF).min(now + WINDOW_BELIEF);
        Self { is_open: window.is_open(now), changes_at, seen_at: now, look_again_at }
    }

    fn is_stale(&self, now: Timestamp) -> bool {
        now >= self.look_again_at || now < self.seen_at
    }
}

impl Run {
    pub(super) fn new(setup: CampaignSetup, now: Timestamp) -> Self {
        let mut run = Self {
            pacing: Pacing::of(&setup.settings.pacing),
            window: WindowState::of(setup.settings.hours(), now),
            day_end: None,
            claims: VecDeque::new(),
            parked: Vec::new(),
            tally: Tally::default(),
            finishing: 0,
            finished_at: now,
            lease_asked_at: None,
            lease_not_before: None,
            store_failed_at: None,
            ended_asked_at: None,
            down: SignedDuration::ZERO,
            down_since: None,
            held: None,
            served: 0,
            figures: Figures::new(setup.started_at, setup.sums, now),
            setup,
        };
        run.day_end = run.find_day_end();
        run
    }

    /// The campaign as it stands now.
    pub(super) fn update(&mut self, setup: CampaignSetup, now: Timestamp) {
        if setup.run != self.setup.run {
            let fresh = Self::new(setup, now);
            let (tally, finishing) = (self.tally, self.finishing);
            let finished_at = self.finished_at;
            *self = Self { tally, finishing, finished_at, served: self.served, ..fresh };
            return;
        }
        let old = &self.setup;
        if old.settings.pacing != setup.settings.pacing {
            self.pacing = Pacing::of(&setup.settings.pacing);
        }
        let (same_settings, same_line) = (
            old.settings == setup.settings,
            old.queue == setup.queue && old.status == setup.status,
        );
        if !(same_settings && same_line) {
            self.ended_asked_at = None;
            self.lease_not_before =
                self.lease_not_before.filter(|_| self.store_failed_at.is_some());
        }
        self.figures.set_sums(setup.sums);
        self.setup = setup;
        if !same_settings {
            self.window = WindowState::of(self.setup.settings.hours(), now);
            self.day_end = self.find_day_end();
        }
    }

    /// The campaign is gone from the setup: its calls end by themselves.
    pub(super) fn orphan(&mut self) {
        if matches!(self.setup.status, Status::Running | Status::Paused | Status::Draft) {
            self.setup.status = Status::Completed;
        }
    }

    fn find_day_end(&self) -> Option<Timestamp> {
        match self.setup.settings.mode {
            Mode::SingleDay => self.setup.settings.hours().day_end(self.setup.started_at),
            Mode::Continuous => None,
        }
    }

    /// Looks at the clock.
    pub(super) fn look(&mut self, now: Timestamp) {
        if self.window.is_stale(now) {
            self.window = WindowState::of(self.setup.settings.hours(), now);
        }
        if self.lease_asked_at.is_some_and(|asked| is_over(asked, ANSWER_MAX, now)) {
            self.lease_asked_at = None;
        }
        // Waits are short: one that reaches further was measured before the clock was
        // set back.
        if let Some(at) = &mut self.lease_not_before {
            *at = (*at).min(now + STORE_REST);
        }
    }

    /// Whether an INVITE of this campaign may leave now, as far as the campaign itself
    /// decides: the last look before it does.
    pub(super) fn may_dial(&self, now: Timestamp) -> bool {
        self.setup.status == Status::Running
            && self.window.is_open
            && !self.is_day_over(now)
            && self.has_bot()
            && !self.setup.numbers.is_empty()
    }

    /// Whether its bot is there and may be used.
    pub(super) fn has_bot(&self) -> bool {
        self.setup.bot.as_ref().is_some_and(|bot| bot.enabled)
    }

    /// Whether its single day is over.
    pub(super) fn is_day_over(&self, now: Timestamp) -> bool {
        self.day_end.is_some_and(|end| now >= end)
    }

    /// Whether somebody waits and is due.
    pub(super) fn is_somebody_due(&self, now: Timestamp) -> bool {
        self.setup.queue.waiting > 0 && self.setup.queue.next_due.is_none_or(|due| due <= now)
    }

    /// The line as the store saw it last.
    pub(super) fn set_queue(&mut self, queue: QueueState) {
        if queue != self.setup.queue {
            self.ended_asked_at = None;
        }
        self.setup.queue = queue;
        self.store_answered();
    }

    /// Takes all claims out of its hand; the line has them again.
    pub(super) fn give_back(&mut self, now: Timestamp) -> Vec<Lease> {
        let in_hand = self.parked.drain(..).chain(self.claims.drain(..));
        let leases: Vec<Lease> = in_hand.map(|(lease, _)| lease).collect();
        self.gave_back(leases.len(), now);
        leases
    }

    /// Claims go back to the line, of which the store will say nothing: the next lease
    /// tells how the line stands.
    pub(super) fn gave_back(&mut self, count: usize, now: Timestamp) {
        if count > 0 {
            let queue = &mut self.setup.queue;
            queue.waiting += count as u64;
            queue.active = queue.active.saturating_sub(count as u64);
            queue.next_due = Some(queue.next_due.map_or(now, |due| due.min(now)));
        }
    }

    /// Takes a claim out of the line in hand, as long as its phone is engaged.
    pub(super) fn park(&mut self, index: usize) {
        self.parked.extend(self.claims.remove(index));
    }

    /// A phone is engaged no longer: whoever waited for it is first.
    pub(super) fn unpark(&mut self, phone: PhoneNumber) {
        while let Some(index) = self.parked.iter().position(|(lease, _)| lease.phone == phone) {
            self.claims.push_front(self.parked.swap_remove(index));
        }
    }

    /// Whether a `Lease` may be asked for now.
    pub(super) fn may_lease(&self, now: Timestamp) -> bool {
        self.lease_asked_at.is_none() && self.lease_not_before.is_none_or(|at| now >= at)
    }

    /// A `Lease` is on its way.
    pub(super) fn lease_asked(&mut self, now: Timestamp) {
        self.lease_asked_at = Some(now);
    }

    /// Whether the answer to a `Lease` is still to come.
    pub(super) fn is_lease_asked(&self) -> bool {
        self.lease_asked_at.is_some()
    }

    /// The answer to a `Lease` came.
    pub(super) fn leased(&mut self, leases: Vec<Lease>, queue: QueueState, now: Timestamp) {
        self.lease_asked_at = None;
        self.set_queue(queue);
        if leases.is_empty() && self.is_somebody_due(now) {
            self.lease_not_before = Some(now + EMPTY_REST);
        }
        self.claims.extend(leases.into_iter().map(|lease| (lease, now)));
    }

    /// The end of an attempt was given to the store.
    pub(super) fn finish_asked(&mut self, now: Timestamp) {
        self.finishing += 1;
        self.finished_at = now;
    }

    /// The store confirmed it.
    pub(super) fn finish_confirmed(&mut self) {
        self.finishing = self.finishing.saturating_sub(1);
    }

    /// A row was refused: whoever is next may be refused too.
    pub(super) fn not_recorded(&mut self, now: Timestamp) {
        let soon = now + SignedDuration::from_millis(100);
        self.lease_not_before = Some(self.lease_not_before.map_or(soon, |at| at.max(soon)));
    }

    /// The store failed.
    pub(super) fn store_failed(&mut self, now: Timestamp) {
        self.store_failed_at = Some(now);
        self.lease_asked_at = None;
        self.lease_not_before = Some(now + STORE_REST);
        self.ended_asked_at = self.ended_asked_at.map(|_| now);
    }

    /// The store answered.
    pub(super) fn store_answered(&mut self) {
        self.store_failed_at = None;
    }

    /// Whether the store failed lately, and has not answered since.
    pub(super) fn is_store_down(&self, now: Timestamp) -> bool {
        self.store_failed_at.is_some_and(|failed| !is_over(failed, ASK_AGAIN, now))
    }

    /// Whether the store may be asked to end the run now; if so, it is.
    pub(super) fn ask_to_end(&mut self, now: Timestamp) -> bool {
        if self.store_failed_at.is_some() && self.lease_not_before.is_some_and(|at| now < at) {
            return false;
        }
        if self.ended_asked_at.is_some_and(|asked| !is_over(asked, ASK_AGAIN, now)) {
            return false;
        }
        self.ended_asked_at = Some(now);
        true
    }

    /// Whether nothing of this run is in the dialler's hands.
    ///
    /// An end that the store never confirms is not waited for without end: whether the
    /// run is over is the store's to say.
    pub(super) fn is_quiet(&self, now: Timestamp) -> bool {
        self.tally.calls == 0
            && (self.finishing == 0 || is_over(self.finished_at, FINISH_MAX, now))
            && self.claims.is_empty()
            && self.parked.is_empty()
            && self.lease_asked_at.is_none()
    }

    /// Counts open window without a working carrier, and tells whether that was too
    /// much (CL-6).
    pub(super) fn is_out_of_carriers(&mut self, is_down: bool, now: Timestamp) -> bool {
        match (is_down, self.down_since) {
            (true, Some(since)) => {
                self.down += now.duration_since(since).max(SignedDuration::ZERO);
                self.down_since = Some(now);
            }
            (true, None) => self.down_since = Some(now),
            (false, _) => self.down_since = None,
        }
        self.down >= self.down_max()
    }

    /// A carrier works, or nobody needs one: what was counted is forgotten.
    pub(super) fn carriers_work(&mut self) {
        self.down = SignedDuration::ZERO;
        self.down_since = None;
    }

    fn down_max(&self) -> SignedDuration {
        SignedDuration::from_mins(i64::from(self.setup.settings.fail_after_minutes))
    }

    /// When it must be looked at next, without any event.
    pub(super) fn wake_at(&self, now: Timestamp) -> Timestamp {
        let mut wake = self.window.look_again_at;
        let mut at = |time: Option<Timestamp>| {
            if let Some(time) = time.filter(|time| *time > now) {
                wake = wake.min(time);
            }
        };
        let live = matches!(self.setup.status, Status::Running | Status::Paused);
        at(self.day_end.filter(|_| live));
        at(self.lease_asked_at.map(|asked| asked + ANSWER_MAX));
        at((self.finishing > 0).then_some(self.finished_at + FINISH_MAX));
        at(self.ended_asked_at.map(|asked| asked + ASK_AGAIN));
        at(self.down_since.map(|since| since + (self.down_max() - self.down)));
        at(self.lease_not_before);
        if self.setup.status == Status::Running {
            at(self.setup.queue.next_due);
        }
        wake
    }
}

/// Whether `span` has passed since `from`, or the clock was set back before it.
fn is_over(from: Timestamp, span: SignedDuration, now: Timestamp) -> bool {
    now < from || now >= from + span
}
