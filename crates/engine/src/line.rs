//! The line: the one way to place a call, and the seam where tests put theirs.

use std::future::Future;

use campanile_domain::{
    attempt::CallReport,
    ids::AttemptId,
    outcome::Ending,
    scheduler::{CallEvent, Placement},
};
use jiff::Timestamp;

/// An attempt and what happened to its call.
pub(crate) type LineEvent = (AttemptId, CallEvent);

/// Places calls and tells how they move on.
///
/// Whatever is asked, each placed call ends in exactly one [`CallEvent::Ended`], its
/// last event. Asking for something that a call is past (it ended a moment ago) has no
/// effect. The methods wait only while the line is overwhelmed.
pub(crate) trait Line: Send {
    /// Sends the INVITE. A call that cannot be placed ends at once.
    fn place(&mut self, placement: Box<Placement>) -> impl Future<Output = ()> + Send;

    /// Attaches the bot to an answered call.
    fn connect(&mut self, attempt: AttemptId) -> impl Future<Output = ()> + Send;

    /// Plays the message for abandoned callees to an answered call and hangs up.
    fn abandon(&mut self, attempt: AttemptId) -> impl Future<Output = ()> + Send;

    /// Ends a call in whatever state it is.
    fn hang_up(&mut self, attempt: AttemptId) -> impl Future<Output = ()> + Send;

    /// Ends all calls now: each reports, and `next_event` then gives `None`.
    fn stop(&mut self) -> impl Future<Output = ()> + Send;

    /// What happens next. Cancel-safe. `None` when the line has stopped or broken.
    fn next_event(&mut self) -> impl Future<Output = Option<LineEvent>> + Send;
}

/// The report of a call that came to nothing: never placed, or lost.
pub(crate) fn unplaced(
    attempt: AttemptId,
    ending: Ending,
    why: &str,
    now: Timestamp,
) -> CallReport {
    CallReport {
        attempt,
        ending,
        sip_code: None,
        sip_reason: (!why.is_empty()).then(|| why.to_owned()),
        retry_after_seconds: None,
        hangup_by: None,
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
