//! The calling side at work: carries out what its table says.

use std::sync::Arc;

use super::{
    account::{Account, Proof},
    agenda::Timer,
    call::{Came, Common, Pending, Shared, Verdict},
    caller::{Action, Input, Phase},
    compose::{self, ALLOW, SDP, Writer, name_addr, reason_text},
    config::Invite,
    dialog::{Dialog, Parties},
    event::Event,
    peer::Peer,
};
use crate::{
    message::{Name, Uri},
    time::Time,
};

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
    /// The ACKs to refusals and challenges, by branch, should these come again.
    acks: Vec<(String, Arc<[u8]>)>,
    /// The proofs that the INVITE carried, which its ACK must carry too (RFC 3261 22.1).
    proofs: Vec<Proof>,
    /// The last provisional and whether any had a description.
    provisional: (u16, bool),
    /// The tag of a callee whose BYE overtook his answer.
    early_bye: Option<String>,
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
        common.account = Account::new(invite.auth.take());
        common.sdp = std::mem::take(&mut invite.sdp);
        let to = invite.to;
        let nothing = Pending {
            branch: String::new(),
            to,
            bytes: Arc::default(),
            wait: shared.config.timers.t1,
        };
        let mut caller = Self {
            phase: Phase::Calling,
            invite,
            from: from.into(),
            cseq: 0,
            sent: nothing,
            cancel: None,
            acks: Vec::new(),
            proofs: Vec::new(),
            provisional: (0, false),
            early_bye: None,
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
                (Action::End(cause), _) => common.end(shared, now, *cause),
                (Action::Repeat, _) => {
                    common.verdict = Verdict::default();
                    self.send_invite(common, shared, now);
                }
                (Action::SendCancel, _) => self.send_cancel(common, shared, now),
                (Action::SendBye, _) => common.bye(shared, now, 0),
                (Action::ReportProvisional, Some(came)) => {
                    self.report_provisional(common, shared, came);
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
            "INVITE" => self.invite_answered(common, shared, now, code, branch, came),
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
            _ => {}
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
                    if !common.in_order(leg, came.envelope) {
                        return common.answer(shared, now, came, 500, &[]);
                    }
                    common.bye_over(shared, leg);
                    if leg != 0 {
                        return common.answer(shared, now, came, 200, &[]);
                    }
                } else if !common.legs.is_empty() {
                    return common.answer(shared, now, came, 481, &[]);
                }
                self.input(common, shared, now, Input::Bye, Some(came));
            }
            // A re-INVITE is answered at once, so its CANCEL always comes too late.
            "CANCEL" => common.answer(shared, now, came, 200, &[]),
            _ => common.request(shared, now, came, self.phase == Phase::Talking),
        }
    }

    pub(super) fn wake(
        &mut self,
        common: &mut Common,
        shared: &mut Shared,
        now: Time,
        timer: Timer,
    ) {
        let t1_doubled = self.sent.wait * 2;
        match timer {
            Timer::InviteAgain => {
                self.sent.wait = t1_doubled;
                let bytes = Arc::clone(&self.sent.bytes);
                common.send(shared, now, self.sent.to, &bytes);
                common.start(shared, Timer::InviteAgain, now + self.sent.wait);
            }
            Timer::InviteGiveUp => self.input(common, shared, now, Input::NoReply, None),
            Timer::CancelAgain => {
                if let Some(cancel) = &mut self.cancel {
                    cancel.wait = (cancel.wait * 2).min(shared.config.timers.t2);
                    let (to, bytes, wait) = (cancel.to, Arc::clone(&cancel.bytes), cancel.wait);
                    common.send(shared, now, to, &bytes);
                    common.start(shared, Timer::CancelAgain, now + wait);
                }
            }
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
            Timer::Release => {}
        }
    }

    /// Nobody is at `to`.
    pub(super) fn unreachable(
        &mut self,
        common: &mut Common,
        shared: &mut Shared,
        now: Time,
        to: Peer,
    ) {
        if self.sent.to == to {
            if matches!(self.phase, Phase::Calling | Phase::CancelWait) {
                common.verdict.reason = Some(format!("{to} is unreachable"));
            }
            self.input(common, shared, now, Input::NoReply, None);
        }
        let bye_to = common.legs.first().and_then(|leg| leg.bye.as_ref()).map(|bye| bye.to);
        if bye_to == Some(to) {
            common.bye_over(shared, 0);
            self.input(common, shared, now, Input::ByeDone, None);
        }
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
            && let Some((_, ack)) = self.acks.iter().find(|(known, _)| known == branch)
        {
            let ack = Arc::clone(ack);
            return common.send(shared, now, self.sent.to, &ack);
        }
        if branch != self.sent.branch || came.envelope.cseq != self.cseq {
            return;
        }
        // Anything that comes back ends the repeating (RFC 3261 17.1.1.2).
        common.stop(shared, Timer::InviteAgain);
        common.stop(shared, Timer::InviteGiveUp);
        match code {
            100..200 => self.input(common, shared, now, Input::Provisional, Some(came)),
            200..300 => self.answered(common, shared, now, code, came),
            _ => {
                if !common.is_ended() {
                    self.note_verdict(common, code, came);
                }
                let challenged = common.account.take(code, came.message, false);
                let input = if challenged { Input::Challenge } else { Input::Failure };
                self.input(common, shared, now, input, Some(came));
            }
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
        common.tell(shared, Event::Answered { sdp: came.sdp() });
        if self.early_bye.as_deref() == Some(came.tag_of_to()) {
            self.phase = Phase::Over;
            common.end(shared, now, super::event::EndCause::ByeReceived);
        }
    }

    fn send_invite(&mut self, common: &mut Common, shared: &mut Shared, now: Time) {
        self.cseq += 1;
        self.sent.branch = shared.branch(common.key);
        let uri = &self.invite.request_uri;
        self.proofs = common.account.prove(&mut shared.tokens, "INVITE", uri);
        let contact = common.contact;
        let mut writer = Writer::request("INVITE", uri);
        writer.via(self.sent.to.transport, contact, &self.sent.branch);
        self.write_routes(&mut writer);
        writer.header("From", self.from.as_bytes());
        writer.header("To", name_addr(None, &self.invite.to_uri));
        writer.header("Call-ID", &self.invite.call_id);
        writer.header("CSeq", format!("{} INVITE", self.cseq));
        let user = Uri::parse(&self.invite.from_uri).and_then(|uri| uri.user).unwrap_or_default();
        writer.header("Contact", compose::contact(user, contact, common.transport));
        writer.header("Allow", ALLOW);
        writer.header("User-Agent", &shared.config.user_agent);
        for (name, proof) in &self.proofs {
            writer.header(name, proof);
        }
        for (name, value) in &self.invite.headers {
            writer.header(name, value);
        }
        self.sent.bytes = writer.finish(Some((SDP, &common.sdp)));
        self.sent.wait = shared.config.timers.t1;
        common.send(shared, now, self.sent.to, &self.sent.bytes);
        common.start(shared, Timer::InviteAgain, now + self.sent.wait);
        common.start(shared, Timer::InviteGiveUp, now + shared.patience());
    }

    /// A request that belongs to the INVITE's transaction: the same branch, URI, From, Call-ID,
    /// CSeq number and Route (RFC 3261 9.1, 17.1.1.3).
    fn within_invite(&self, common: &Common, method: &str, to: &[u8]) -> Arc<[u8]> {
        let mut writer = Writer::request(method, &self.invite.request_uri);
        writer.via(self.sent.to.transport, common.contact, &self.sent.branch);
        self.write_routes(&mut writer);
        writer.header("From", self.from.as_bytes());
        writer.header("To", to);
        writer.header("Call-ID", &self.invite.call_id);
        writer.header("CSeq", format!("{} {method}", self.cseq));
        writer.finish(None)
    }

    fn write_routes(&self, writer: &mut Writer) {
        for route in &self.invite.route {
            writer.header("Route", format!("<{route}>"));
        }
    }

    fn send_cancel(&mut self, common: &mut Common, shared: &mut Shared, now: Time) {
        if self.cancel.is_some() {
            return;
        }
        let to = name_addr(None, &self.invite.to_uri);
        let bytes = self.within_invite(common, "CANCEL", to.as_bytes());
        common.send(shared, now, self.sent.to, &bytes);
        let wait = shared.config.timers.t1;
        common.start(shared, Timer::CancelAgain, now + wait);
        if !common.is_ended() {
            common.start(shared, Timer::CancelGiveUp, now + shared.patience());
        }
        common.linger(shared, now);
        let branch = self.sent.branch.clone();
        self.cancel = Some(Pending { branch, to: self.sent.to, bytes, wait });
    }

    fn ack_failure(&mut self, common: &mut Common, shared: &mut Shared, now: Time, came: Came<'_>) {
        let to = came.message.get(Name::To).unwrap_or_default();
        let ack = self.within_invite(common, "ACK", to);
        common.send(shared, now, self.sent.to, &ack);
        // At most two challenges of two kinds and one refusal.
        self.acks.push((self.sent.branch.clone(), ack));
        self.sent.bytes = Arc::default();
    }

    /// Takes the dialog of a 2xx and acknowledges it.
    fn add_leg(
        &mut self,
        common: &mut Common,
        shared: &mut Shared,
        now: Time,
        came: Came<'_>,
    ) -> Option<usize> {
        let parties = Parties {
            call_id: Arc::clone(&common.call_id),
            local: Arc::clone(&self.from),
            remote_uri: &self.invite.to_uri,
            remote_tag: came.tag_of_to(),
            fallback_target: &self.invite.request_uri,
            peer: self.sent.to,
        };
        let mut dialog = Dialog::of(came.message, parties, true);
        dialog.cseq = self.cseq;
        let leg = common.add_leg(dialog)?;
        self.ack(common, shared, now, leg);
        common.linger(shared, now);
        self.sent.bytes = Arc::default();
        Some(leg)
    }

    /// An ACK for each 2xx that comes, a new one each time (RFC 3261 13.2.2.4): a far end that
    /// took it for a repetition might repeat its answer in turn, and so on for ever.
    fn ack(&self, common: &mut Common, shared: &mut Shared, now: Time, leg: usize) {
        let branch = shared.branch(common.key);
        let dialog = &common.legs[leg].dialog;
        let mut ready = dialog.request("ACK", self.cseq, common.contact, &branch);
        for (name, proof) in &self.proofs {
            ready.writer.header(name, proof);
        }
        let bytes = ready.writer.finish(None);
        common.send(shared, now, ready.to, &bytes);
    }
}
