//! The calling side at work: carries out what its table says.

mod early;
mod redirect;
mod sending;

use std::sync::Arc;

use super::{
    account::{Account, Proof},
    agenda::Timer,
    asking::Answered,
    call::{Came, Common, Pending, Shared, Verdict},
    caller::{Action, Input, Phase},
    compose::{name_addr, reason_text},
    config::Invite,
    event::{EndCause, Event},
    peer::Peer,
};
use crate::{message::Message, time::Time};

/// So many transactions of one call are remembered to acknowledge their refusals again.
const ACKS_MAX: usize = 16;

/// A call that we placed.
pub(super) struct Caller {
    phase: Phase,
    invite: Invite,
    /// From with our tag.
    from: Arc<str>,
    cseq: u32,
    /// The INVITE that is on the way.
    sent: Pending,
    cancel: Option<Pending>,
    /// The ACKs to refusals and challenges, should these come again.
    acks: Vec<Acked>,
    /// The proofs that the INVITE carried, which its ACK must carry too (RFC 3261 22.1).
    proofs: Vec<Proof>,
    /// The last provisional and whether any had a description.
    provisional: (u16, bool),
    /// The tag of a callee whose BYE overtook his answer.
    early_bye: Option<String>,
    /// How many 3xx were followed.
    hops: u8,
    /// The next INVITE goes to the next address.
    onward: bool,
    /// Our answer to the offer of the 200, for its ACK.
    late_answer: Option<Vec<u8>>,
    /// The offer of the 200 was none that we could answer.
    disagreed: bool,
}

/// An ACK to a refusal.
struct Acked {
    branch: String,
    to: Peer,
    bytes: Arc<[u8]>,
}

impl Caller {
    /// Sends the INVITE.
    pub(super) fn start(
        common: &mut Common,
        shared: &mut Shared,
        now: Time,
        mut invite: Invite,
    ) -> Self {
        let display = invite.from_display.as_deref();
        let from = format!("{};tag={}", name_addr(display, &invite.from_uri), common.local_tag);
        let mut carrier = vec![invite.to];
        carrier.extend_from_slice(&invite.further);
        common.account = Account::new(invite.auth.take(), carrier);
        common.sdp = std::mem::take(&mut invite.sdp);
        let sent = Pending {
            branch: String::new(),
            to: invite.to,
            bytes: Arc::default(),
            wait: shared.config.timers.t1,
            resent: false,
        };
        let mut caller = Self {
            phase: Phase::Calling,
            invite,
            from: from.into(),
            cseq: 0,
            sent,
            cancel: None,
            acks: Vec::new(),
            proofs: Vec::new(),
            provisional: (0, false),
            early_bye: None,
            hops: 0,
            onward: false,
            late_answer: None,
            disagreed: false,
        };
        caller.send_invite(common, shared, now);
        caller
    }

    pub(super) fn input(
        &mut self,
        common: &mut Common,
        shared: &mut Shared,
        now: Time,
        input: Input,
        came: Option<Came<'_>>,
    ) {
        let (next, actions) = self.phase.after(input);
        self.phase = next;
        for action in actions {
            match (action, came) {
                (Action::End(cause), _) => {
                    common.end(shared, now, *cause);
                    if self.phase == Phase::Gone {
                        common.await_stragglers(shared, now);
                    }
                }
                (Action::Repeat, _) => self.send_invite_again(common, shared, now),
                (Action::SendCancel, _) => self.send_cancel(common, shared, now),
                (Action::SendBye, _) => common.bye(shared, now, 0),
                (Action::ReportProvisional, Some(came)) => {
                    self.report_provisional(common, shared, came);
                }
                (Action::ReportRedirect, Some(came)) => {
                    self.report_redirect(common, shared, now, came);
                }
                (Action::AckFailure, Some(came)) => self.ack_failure(common, shared, now, came),
                (Action::AckSuccess, Some(came)) => {
                    self.add_leg(common, shared, now, came);
                }
                (Action::ReportAnswer, Some(came)) => {
                    self.report_answer(common, shared, now, came);
                }
                (Action::AnswerBye, Some(came)) => {
                    let code = if common.leg_of(came.tag_of_from()).is_some() { 200 } else { 481 };
                    common.answer(shared, now, came, code, &[]);
                }
                (Action::AnswerEarlyBye, Some(came)) => {
                    self.early_bye = Some(came.tag_of_from().to_owned());
                    common.answer(shared, now, came, 200, &[]);
                }
                (
                    Action::ReportProvisional
                    | Action::ReportRedirect
                    | Action::AckFailure
                    | Action::AckSuccess
                    | Action::ReportAnswer
                    | Action::AnswerBye
                    | Action::AnswerEarlyBye,
                    None,
                ) => unreachable!("{action:?} answers a message"),
            }
        }
    }

    /// An answer to one of our requests.
    pub(super) fn response(
        &mut self,
        common: &mut Common,
        shared: &mut Shared,
        now: Time,
        code: u16,
        came: Came<'_>,
    ) {
        let branch = came.envelope.via.branch.unwrap_or_default();
        match came.envelope.method {
            // Whatever it says, the INVITE's own final answer decides (RFC 3261 9.1).
            "CANCEL" if code >= 200 && branch == self.sent.branch => {
                common.stop(shared, Timer::CancelAgain);
            }
            "BYE" => {
                let Some(leg) = common.bye_leg(branch) else { return };
                if common.bye_answered(shared, now, leg, code, came) && leg == 0 {
                    self.input(common, shared, now, Input::ByeDone, None);
                }
            }
            method => match common.ask_answered(shared, now, code, came) {
                Some(Answered::Lost) => self.input(common, shared, now, Input::Lost, None),
                Some(Answered::Done) => {}
                None if method == "INVITE" => {
                    self.invite_answered(common, shared, now, code, branch, came);
                }
                None => {}
            },
        }
    }

    /// A request within the call.
    pub(super) fn request(
        &mut self,
        common: &mut Common,
        shared: &mut Shared,
        now: Time,
        came: Came<'_>,
    ) {
        match came.envelope.method {
            "ACK" => {
                // Only a re-INVITE of theirs is acknowledged to us.
                if common.acked(shared, came.envelope.cseq)
                    && let Some(sdp) = came.sdp()
                {
                    common.tell(shared, Event::Renegotiated { sdp });
                }
            }
            "BYE" => {
                if let Some(leg) = common.leg_of(came.tag_of_from()) {
                    if common.in_order(came.tag_of_from(), came.envelope) == Some(false) {
                        return common.answer(shared, now, came, 500, &[]);
                    }
                    common.bye_over(shared, leg);
                    if leg != 0 {
                        return common.answer(shared, now, came, 200, &[]);
                    }
                } else if !common.legs.is_empty() {
                    return common.answer(shared, now, came, 481, &[]);
                }
                common.verdict.q850 = came.message.q850().or(common.verdict.q850);
                self.input(common, shared, now, Input::Bye, Some(came));
            }
            // A re-INVITE is answered at once, so its CANCEL always comes too late.
            "CANCEL" => common.answer(shared, now, came, 200, &[]),
            _ => {
                let up = matches!(self.phase, Phase::Talking | Phase::Calling | Phase::Proceeding);
                common.request(shared, now, came, up);
            }
        }
    }

    pub(super) fn wake(
        &mut self,
        common: &mut Common,
        shared: &mut Shared,
        now: Time,
        timer: Timer,
    ) {
        match timer {
            Timer::InviteAgain => {
                self.sent.wait *= 2;
                let bytes = Arc::clone(&self.sent.bytes);
                common.send(shared, now, self.sent.to, &bytes);
                common.start(shared, Timer::InviteAgain, now + self.sent.wait);
            }
            Timer::InviteGiveUp => self.input(common, shared, now, Input::NoReply, None),
            Timer::RedirectGiveUp => {
                self.input(common, shared, now, Input::RedirectTimeout, None);
            }
            Timer::CancelAgain => self.cancel_again(common, shared, now),
            Timer::CancelGiveUp => self.input(common, shared, now, Input::CancelTimeout, None),
            Timer::ByeAgain(leg) => common.bye_again(shared, now, usize::from(leg)),
            Timer::ByeGiveUp(leg) => {
                common.bye_over(shared, usize::from(leg));
                if leg == 0 {
                    self.input(common, shared, now, Input::ByeDone, None);
                }
            }
            Timer::FinalAgain => common.final_again(shared, now),
            // Our answer to a re-INVITE is not acknowledged: the call is dead (RFC 3261 14.2).
            Timer::FinalGiveUp => {
                common.final_sent = None;
                common.stop(shared, Timer::FinalAgain);
                self.input(common, shared, now, Input::HangUp, None);
            }
            Timer::AskAgain(number) => common.ask_again(shared, now, number),
            Timer::AskGiveUp(number) => {
                if common.ask_given_up(shared, number) == Answered::Lost {
                    self.input(common, shared, now, Input::Lost, None);
                }
            }
            Timer::RenewAgain => common.renew_again(shared, now),
            Timer::Refresh => common.refresh(shared, now),
            Timer::SessionEnd => self.input(common, shared, now, Input::Lost, None),
            // Of the called side, or of the user agent.
            Timer::ReliableAgain | Timer::ReliableGiveUp | Timer::Release => {}
        }
    }

    /// Nobody is at `to`. `never_left`: not even a connection to it came about.
    pub(super) fn unreachable(
        &mut self,
        common: &mut Common,
        shared: &mut Shared,
        now: Time,
        to: Peer,
        never_left: bool,
    ) {
        if self.sent.to == to {
            let unsent = never_left && !self.sent.resent;
            if matches!(self.phase, Phase::Calling | Phase::CancelWait) {
                common.verdict.reason = Some(format!("{to} is unreachable"));
            }
            // What may have arrived over a connection rings, for all we know: not twice.
            self.onward = self.phase == Phase::Calling
                && !self.invite.further.is_empty()
                && (unsent || !to.transport.is_reliable());
            let input = match (self.onward, unsent) {
                (true, _) => Input::Elsewhere,
                (false, true) => Input::Unsent,
                (false, false) => Input::NoReply,
            };
            self.input(common, shared, now, input, None);
        }
        if common.nobody_takes_bye(shared, to) {
            self.input(common, shared, now, Input::ByeDone, None);
        }
    }

    /// The connection to `to` broke: what waits for an answer is sent once more on a new one.
    /// The far end takes it for a repetition, so that no call is placed twice. An INVITE that
    /// was heard, or broke two connections, is over.
    pub(super) fn broken(&mut self, common: &mut Common, shared: &mut Shared, now: Time, to: Peer) {
        if self.sent.to == to && to.transport.is_reliable() {
            match self.phase {
                Phase::Calling | Phase::CancelWait if !self.sent.resent => {
                    common.resend(shared, now, &mut self.sent, to);
                }
                Phase::Calling | Phase::CancelWait | Phase::Proceeding => {
                    common.verdict.reason = Some(format!("the connection to {to} broke"));
                    self.input(common, shared, now, Input::Torn, None);
                }
                _ => {}
            }
        }
        if let Some(cancel) = &mut self.cancel
            && !common.is_ended()
        {
            common.resend(shared, now, cancel, to);
        }
        common.broken(shared, now, to);
    }

    /// Whether it is answered and not over.
    pub(super) fn is_up(&self) -> bool {
        self.phase == Phase::Talking
    }

    fn invite_answered(
        &mut self,
        common: &mut Common,
        shared: &mut Shared,
        now: Time,
        code: u16,
        branch: &str,
        came: Came<'_>,
    ) {
        if code >= 300
            && let Some(acked) = self.acks.iter().find(|acked| acked.branch == branch)
        {
            return common.send(shared, now, acked.to, &acked.bytes);
        }
        if branch != self.sent.branch || came.envelope.cseq != self.cseq {
            return;
        }
        // Anything that comes back ends the repeating (RFC 3261 17.1.1.2).
        common.stop(shared, Timer::InviteAgain);
        common.stop(shared, Timer::InviteGiveUp);
        match code {
            100..200 => {
                if self.takes_provisional(common, shared, now, code, came) {
                    self.input(common, shared, now, Input::Provisional, Some(came));
                }
            }
            200..300 => self.answered(common, shared, now, code, came),
            _ => {
                if !common.is_ended() {
                    self.note_verdict(common, code, came);
                }
                let input = self.after_refusal(common, code, came.message);
                self.input(common, shared, now, input, Some(came));
            }
        }
    }

    /// What can be done about a final answer of 300 and more.
    fn after_refusal(&mut self, common: &mut Common, code: u16, message: &Message<'_>) -> Input {
        if common.account.take(code, message, self.sent.to, false) {
            return Input::Again;
        }
        match code {
            300..400 if self.may_follow(message) => Input::Redirect,
            422 if common.session_too_short(message) => Input::Again,
            // Once it rang, another address of the carrier might ring the callee again.
            503 if self.provisional.0 <= 100 && !self.invite.further.is_empty() => {
                self.onward = true;
                Input::Again
            }
            _ => Input::Failure,
        }
    }

    /// A 2xx: the first, one of those again, or one of another fork (RFC 3261 13.2.2.4).
    fn answered(
        &mut self,
        common: &mut Common,
        shared: &mut Shared,
        now: Time,
        code: u16,
        came: Came<'_>,
    ) {
        if let Some(leg) = common.leg_of(came.tag_of_to()) {
            return self.ack(common, shared, now, leg);
        }
        if common.legs.is_empty() {
            common.stop(shared, Timer::CancelAgain);
            common.stop(shared, Timer::CancelGiveUp);
            if !common.is_ended() {
                self.note_verdict(common, code, came);
            }
            self.input(common, shared, now, Input::Success, Some(came));
        } else if let Some(leg) = self.add_leg(common, shared, now, came) {
            common.bye(shared, now, leg);
        }
    }

    fn note_verdict(&self, common: &mut Common, code: u16, came: Came<'_>) {
        common.verdict = Verdict {
            code: Some(code),
            reason: Some(reason_text(came.message)),
            retry_after: came.message.retry_after(),
            q850: came.message.q850(),
        };
    }

    fn report_provisional(&mut self, common: &Common, shared: &mut Shared, came: Came<'_>) {
        let crate::message::Start::Response { code, .. } = came.message.start else { return };
        let sdp = came.sdp();
        let news = code != self.provisional.0 || (sdp.is_some() && !self.provisional.1);
        if code > 100 && news {
            self.provisional = (code, self.provisional.1 || sdp.is_some());
            common.tell(shared, Event::Provisional { code, sdp });
        }
    }

    fn report_answer(
        &mut self,
        common: &mut Common,
        shared: &mut Shared,
        now: Time,
        came: Came<'_>,
    ) {
        let tag = came.tag_of_to();
        let early = common.early.iter_mut().find(|early| early.dialog.remote_tag == tag);
        // What a reliable provisional said need not be said again.
        let sdp = came.sdp().or_else(|| early?.sdp.take());
        common.early.clear();
        let code = common.verdict.code.unwrap_or(200);
        common.tell(shared, Event::Answered { code, reason: reason_text(came.message), sdp });
        if self.early_bye.as_deref() == Some(tag) {
            self.phase = Phase::Over;
            return common.end(shared, now, EndCause::ByeReceived);
        }
        common.session_of_answer(shared, now, came.message);
        if self.disagreed {
            common.farewell = Some((488, "No common codec"));
            self.input(common, shared, now, Input::HangUp, None);
        }
    }
}
