//! A model of the line: what happens to a call after its INVITE, by the weather of
//! its carrier and the whims of the callee.

use campanile_domain::{
    attempt::CallReport,
    ids::{AttemptId, CampaignId, CarrierId, ContactId},
    outcome::{Ending, HangupBy},
    phone::PhoneNumber,
    result::{CallbackWish, ConversationResult},
    scheduler::Placement,
};
use jiff::{SignedDuration, Timestamp};
use rand::{RngExt, rngs::StdRng};

use crate::scene::Weather;

/// A call between its INVITE and its report.
#[derive(Debug, Clone)]
pub(crate) struct LineCall {
    pub(crate) campaign: CampaignId,
    pub(crate) contact: ContactId,
    pub(crate) carrier: CarrierId,
    pub(crate) phone: PhoneNumber,
    pub(crate) connected: bool,
    /// Which INVITE of its attempt.
    pub(crate) tries: u32,
    /// It rang for too long and was taken back.
    pub(crate) timed_out: bool,
    pub(crate) answered_at: Option<Timestamp>,
    pub(crate) abandon_after_ms: i64,
    pub(crate) talk_ms: i64,
    pub(crate) bot_fails: bool,
    result: Option<ConversationResult>,
    report: CallReport,
}

/// What the network does next with a call, milliseconds from the INVITE.
pub(crate) enum Step {
    Ring,
    Answer,
    End(Ending, Option<u16>, Option<u32>),
}

impl LineCall {
    pub(crate) fn new(placement: &Placement, rng: &mut StdRng) -> Self {
        let attempt = &placement.attempt;
        let result = match rng.random_range(0..10) {
            0..4 => Some(ConversationResult::of("interested")),
            4 => Some(ConversationResult {
                opt_out: Some(true),
                ..ConversationResult::of("opt_out")
            }),
            5 => Some(ConversationResult {
                callback: Some(CallbackWish {
                    at: Some(attempt.at + SignedDuration::from_mins(rng.random_range(-5..90))),
                    ..CallbackWish::default()
                }),
                ..ConversationResult::of("callback")
            }),
            6 => Some(ConversationResult::of("no_key")),
            _ => None,
        };
        Self {
            campaign: attempt.lease.campaign,
            contact: attempt.lease.contact,
            carrier: attempt.carrier,
            phone: attempt.lease.phone,
            connected: false,
            tries: attempt.tries,
            timed_out: false,
            answered_at: None,
            abandon_after_ms: i64::from(placement.settings.seat_patience_ms()),
            talk_ms: rng
                .random_range(500..90_000)
                .min(i64::from(placement.settings.max_call_seconds) * 1_000),
            bot_fails: rng.random_bool(0.03),
            result,
            report: empty_report(attempt.id),
        }
    }

    pub(crate) fn rang(&mut self, now: Timestamp) {
        self.report.ringing_at.get_or_insert(now);
    }

    pub(crate) fn answered(&mut self, now: Timestamp) {
        self.answered_at = Some(now);
        self.report.answered_at = Some(now);
    }

    pub(crate) fn attached(&mut self, now: Timestamp) {
        self.report.bot_attached_at = Some(now);
        if !self.bot_fails {
            self.report.first_bot_audio_at = Some(now);
        }
    }

    /// Whether it has rung.
    pub(crate) fn has_rung(&self) -> bool {
        self.report.ringing_at.is_some()
    }

    /// The one report.
    pub(crate) fn end(
        mut self,
        ending: Ending,
        sip_code: Option<u16>,
        retry_after_seconds: Option<u32>,
        now: Timestamp,
    ) -> CallReport {
        let connected = matches!(ending, Ending::Connected { .. });
        self.report.ending = ending;
        self.report.sip_code = sip_code;
        self.report.retry_after_seconds = retry_after_seconds;
        self.report.hangup_by = Some(HangupBy::Callee);
        self.report.ended_at = now;
        self.report.result = self.result.filter(|_| connected && !self.bot_fails);
        self.report.rtp_received = u32::from(connected) * 100;
        self.report
    }
}

/// What becomes of an INVITE, in order.
pub(crate) fn fate(
    weather: Weather,
    ring_timeout_seconds: u32,
    rng: &mut StdRng,
) -> Vec<(i64, Step)> {
    let refuse = |code: u16, after_ms: i64, rang: bool, retry_after: Option<u32>| {
        let ending = Ending::Refused { sip_code: code, after_ms: after_ms as u32, rang };
        (after_ms, Step::End(ending, Some(code), retry_after))
    };
    let quick = rng.random_range(5..250);
    match weather {
        Weather::Overloaded { retry_after_seconds } => {
            return vec![refuse(503, quick, false, retry_after_seconds)];
        }
        Weather::ServerErrors => return vec![refuse(500, quick, false, None)],
        Weather::Silent => return vec![(32_000, Step::End(Ending::NoReply, None, None))],
        Weather::InstantRefusals => return vec![refuse(480, quick, false, None)],
        Weather::Fair => {}
    }
    let ring = rng.random_range(50..3_000);
    let later = ring + rng.random_range(200..14_000);
    match rng.random_range(0..100) {
        0..45 => vec![(ring, Step::Ring), (later, Step::Answer)],
        45..50 => vec![(later, Step::Answer)],
        50..72 => {
            let timeout = i64::from(ring_timeout_seconds) * 1_000;
            let ending = Ending::RingTimeout { sip_code: Some(487) };
            vec![(ring, Step::Ring), (timeout, Step::End(ending, Some(487), None))]
        }
        72..82 => vec![(ring, Step::Ring), refuse(486, later, true, None)],
        82..86 => vec![refuse(486, quick, false, None)],
        86..91 => vec![refuse(404, quick, false, None)],
        91..95 => vec![(ring, Step::Ring), refuse(603, later, true, None)],
        95..97 => vec![refuse(488, quick, false, None)],
        97 => vec![refuse(500, quick, false, None)],
        98 => vec![refuse(503, quick, false, Some(2))],
        _ => vec![(32_000, Step::End(Ending::NoReply, None, None))],
    }
}

fn empty_report(attempt: AttemptId) -> CallReport {
    CallReport {
        attempt,
        ending: Ending::NoReply,
        sip_code: None,
        sip_reason: None,
        retry_after_seconds: None,
        hangup_by: None,
        ringing_at: None,
        answered_at: None,
        bot_attached_at: None,
        first_bot_audio_at: None,
        ended_at: Timestamp::UNIX_EPOCH,
        result: None,
        rtp_sent: 0,
        rtp_received: 0,
        media: None,
    }
}
