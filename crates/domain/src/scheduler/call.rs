//! One attempt in the scheduler's memory, and what a campaign's calls add up to.

use std::sync::Arc;

use jiff::Timestamp;

use crate::{
    attempt::{AttemptEvent, AttemptState, CallReport, NewAttempt, Progress},
    bot::Bot,
    carrier::Carrier,
    ids::CampaignId,
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
    /// When the INVITE was handed to the line.
    pub(super) placed_at: Option<Timestamp>,
    /// When it was given a seat.
    pub(super) seated_at: Option<Timestamp>,
    /// How far it has come, as it was last written.
    pub(super) progress: Progress,
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
        tally.leave(self.state);
        tally.enter(next);
        self.state = next;
        moved
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
    /// That may still take a seat.
    pub(super) in_flight: u32,
    /// Sent and not answered.
    pub(super) ringing: u32,
    /// That hold a seat.
    pub(super) seated: u32,
}

impl Tally {
    /// A call in `state` is one more.
    pub(super) fn enter(&mut self, state: AttemptState) {
        let Self { calls, in_flight, ringing, seated } = self;
        *calls += u32::from(state != AttemptState::Ended);
        *in_flight += u32::from(state.is_in_flight());
        *ringing += u32::from(state.is_ringing());
        *seated += u32::from(state.is_seated());
    }

    /// A call in `state` is one less.
    pub(super) fn leave(&mut self, state: AttemptState) {
        let Self { calls, in_flight, ringing, seated } = self;
        *calls -= u32::from(state != AttemptState::Ended);
        *in_flight -= u32::from(state.is_in_flight());
        *ringing -= u32::from(state.is_ringing());
        *seated -= u32::from(state.is_seated());
    }

    /// For pacing.
    pub(super) fn load(&self, seats: u32) -> Load {
        Load { seats, talking: self.seated, in_flight: self.in_flight }
    }
}
