//! One attempt in the scheduler's memory, and what a campaign's calls add up to.

use std::sync::Arc;

use jiff::Timestamp;

use crate::{
    attempt::{AttemptEvent, AttemptState, CallReport, NewAttempt, Progress},
    bot::Bot,
    breaker::Verdict,
    carrier::Carrier,
    guard,
    ids::{CampaignId, CarrierId},
    outcome::{Ending, HangupBy},
    pacing::Load,
    settings::Settings,
};

/// An attempt from the moment its row is asked for to its one report.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// The row.
    pub(super) attempt: NewAttempt,
    /// Where it stands.
    pub(super) state: AttemptState,
    /// Through whom.
    pub(super) carrier: Arc<Carrier>,
    /// Under which settings.
    pub(super) settings: Arc<Settings>,
    /// With which bot.
    pub(super) bot: Arc<Bot>,
    /// The carriers that refused it before, at most as many as its pool has.
    pub(super) tried: Vec<CarrierId>,
    /// How the last of them did, as long as nothing has left for the next.
    pub(super) refused: Option<Box<Refused>>,
    /// A seat is kept for it, so that its answer finds one (DI-16).
    pub(super) seat_kept: bool,
    /// When its row, or its next carrier, was given to the store.
    pub(super) asked_at: Timestamp,
    /// When the INVITE was handed to the line.
    pub(super) placed_at: Option<Timestamp>,
    /// When it was given a seat.
    pub(super) seated_at: Option<Timestamp>,
    /// How far it has come, as it was last written.
    pub(super) progress: Progress,
}

/// The end of a call as far as its last carrier is concerned.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    /// The attempt as it was dialled through that carrier.
    pub(super) attempt: NewAttempt,
    pub(super) report: CallReport,
    pub(super) verdict: Verdict,
}

impl Call {
    pub(super) fn new(
        attempt: NewAttempt,
        carrier: Arc<Carrier>,
        settings: Arc<Settings>,
        bot: Arc<Bot>,
    ) -> Self {
        let progress = Progress {
            attempt: attempt.id,
            campaign: attempt.lease.campaign,
            contact: attempt.lease.contact,
            ringing_at: None,
            answered_at: None,
            bot_attached_at: None,
        };
        Self {
            tried: Vec::new(),
            refused: None,
            seat_kept: attempt.lease.seat_owed,
            asked_at: attempt.at,
            attempt,
            state: AttemptState::Recording,
            carrier,
            settings,
            bot,
            placed_at: None,
            seated_at: None,
            progress,
        }
    }

    pub(super) fn campaign(&self) -> CampaignId {
        self.attempt.lease.campaign
    }

    /// Moves on; an event that makes no sense is dropped, the call stays as it is.
    pub(super) fn advance(&mut self, event: AttemptEvent, tally: &mut Tally) -> bool {
        let Ok(next) = self.state.after(event) else { return false };
        let moved = next != self.state;
        tally.leave(self.state, self.seat_kept);
        tally.enter(next, self.seat_kept);
        self.state = next;
        moved
    }

    /// Whether the number may still be dialled under what the settings are now. It was
    /// looked at when the row was asked for: only changed settings say something new.
    pub(super) fn passes_guard(&self, now: &Arc<Settings>) -> bool {
        Arc::ptr_eq(&self.settings, now) || guard::check(self.attempt.lease.phone, now).is_ok()
    }

    /// The report of a call whose INVITE never left.
    pub(super) fn not_sent(&self, now: Timestamp) -> CallReport {
        CallReport {
            attempt: self.attempt.id,
            ending: Ending::NotSent,
            sip_code: None,
            sip_reason: None,
            retry_after_seconds: None,
            hangup_by: Some(HangupBy::Dialler),
            ringing_at: None,
            answered_at: None,
            bot_attached_at: None,
            first_bot_audio_at: None,
            ended_at: now,
            result: None,
            rtp_sent: 0,
            rtp_received: 0,
            media: None,
        }
    }
}

/// How many calls of a campaign stand where; kept by delta.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Every call that has not ended.
    pub(super) calls: u32,
    /// That may still take a seat, and have none kept for them.
    pub(super) in_flight: u32,
    /// That have one kept for them and do not sit in it yet.
    pub(super) kept: u32,
    /// Sent and not answered.
    pub(super) ringing: u32,
    /// That hold a seat.
    pub(super) seated: u32,
}

impl Tally {
    /// A call in `state` is one more.
    pub(super) fn enter(&mut self, state: AttemptState, seat_kept: bool) {
        let Self { calls, in_flight, kept, ringing, seated } = self;
        *calls += u32::from(state != AttemptState::Ended);
        *in_flight += u32::from(state.is_in_flight() && !seat_kept);
        *kept += u32::from(state.is_in_flight() && seat_kept);
        *ringing += u32::from(state.is_ringing());
        *seated += u32::from(state.is_seated());
    }

    /// A call in `state` is one less.
    pub(super) fn leave(&mut self, state: AttemptState, seat_kept: bool) {
        let Self { calls, in_flight, kept, ringing, seated } = self;
        *calls -= u32::from(state != AttemptState::Ended);
        *in_flight -= u32::from(state.is_in_flight() && !seat_kept);
        *kept -= u32::from(state.is_in_flight() && seat_kept);
        *ringing -= u32::from(state.is_ringing());
        *seated -= u32::from(state.is_seated());
    }

    /// For pacing: a seat that is kept is as good as taken.
    pub(super) fn load(&self, seats: u32) -> Load {
        Load { seats, talking: self.seated + self.kept, in_flight: self.in_flight }
    }

    /// Whether an answered call finds one of so many seats.
    pub(super) fn has_seat(&self, seats: u32, seat_kept: bool) -> bool {
        let taken = if seat_kept { self.seated } else { self.seated + self.kept };
        taken < seats
    }
}
