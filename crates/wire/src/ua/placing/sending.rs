//! What the calling side writes: INVITE, CANCEL and ACK.

use std::sync::Arc;

use super::{ACKS_MAX, Acked, Caller};
use crate::{
    message::Uri,
    time::Time,
    ua::{
        agenda::Timer,
        call::{Came, Common, Pending, Shared, Verdict},
        compose::{self, ALLOW, SDP, SUPPORTED, Writer, name_addr},
        dialog::{Dialog, Parties},
    },
};

impl Caller {
    pub(super) fn send_invite(&mut self, common: &mut Common, shared: &mut Shared, now: Time) {
        self.cseq += 1;
        self.sent.branch = shared.branch(common.key);
        let to = self.sent.to;
        let uri = &self.invite.request_uri;
        self.proofs = common.account.prove(&mut shared.tokens, "INVITE", uri, to);
        let contact = common.contact;
        let mut writer = Writer::request("INVITE", uri);
        writer.via(to.transport, contact, &self.sent.branch);
        self.write_routes(&mut writer);
        writer.header("From", self.from.as_bytes());
        writer.header("To", name_addr(None, &self.invite.to_uri));
        writer.header("Call-ID", &self.invite.call_id);
        writer.line("CSeq", format_args!("{} INVITE", self.cseq));
        let user = Uri::parse(&self.invite.from_uri).and_then(|uri| uri.user).unwrap_or_default();
        writer.header("Contact", compose::contact(user, contact, common.transport));
        writer.header("Allow", ALLOW);
        writer.header("Supported", SUPPORTED);
        if let Some(seconds) = shared.config.session_expires {
            let seconds = seconds.max(common.min_se.unwrap_or(0));
            writer.header("Session-Expires", seconds.to_string());
        }
        if let Some(min_se) = common.min_se {
            writer.header("Min-SE", min_se.to_string());
        }
        writer.header("User-Agent", &shared.config.user_agent);
        for (name, proof) in &self.proofs {
            writer.header(name, proof);
        }
        for (name, value) in &self.invite.headers {
            writer.header(name, value);
        }
        let body = (!self.invite.late_offer).then_some((SDP, common.sdp.as_slice()));
        self.sent.bytes = writer.finish(body);
        self.sent.wait = shared.config.timers.t1;
        self.sent.resent = false;
        common.send(shared, now, to, &self.sent.bytes);
        common.repeat(shared, Timer::InviteAgain, now + self.sent.wait, to);
        common.start(shared, Timer::InviteGiveUp, now + shared.patience());
    }

    /// The same call once more, as a transaction of its own: with credentials, a longer session,
    /// at the next address or where a 3xx points.
    pub(super) fn send_invite_again(
        &mut self,
        common: &mut Common,
        shared: &mut Shared,
        now: Time,
    ) {
        common.verdict = Verdict::default();
        common.early.clear();
        common.stop(shared, Timer::RedirectGiveUp);
        self.provisional = (0, false);
        if std::mem::take(&mut self.onward) && !self.invite.further.is_empty() {
            self.sent.to = self.invite.further.remove(0);
            common.transport = self.sent.to.transport;
            common.account.forget();
        }
        self.send_invite(common, shared, now);
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
        writer.line("CSeq", format_args!("{} {method}", self.cseq));
        writer.finish(None)
    }

    fn write_routes(&self, writer: &mut Writer) {
        for route in &self.invite.route {
            writer.line("Route", format_args!("<{route}>"));
        }
    }

    pub(super) fn send_cancel(&mut self, common: &mut Common, shared: &mut Shared, now: Time) {
        if self.cancel.is_some() {
            return;
        }
        let to = name_addr(None, &self.invite.to_uri);
        let bytes = self.within_invite(common, "CANCEL", to.as_bytes());
        common.send(shared, now, self.sent.to, &bytes);
        let wait = shared.config.timers.t1;
        common.repeat(shared, Timer::CancelAgain, now + wait, self.sent.to);
        if !common.is_ended() {
            common.start(shared, Timer::CancelGiveUp, now + shared.patience());
        }
        common.await_stragglers(shared, now);
        let branch = self.sent.branch.clone();
        self.cancel = Some(Pending { branch, to: self.sent.to, bytes, wait, resent: false });
    }

    pub(super) fn cancel_again(&mut self, common: &mut Common, shared: &mut Shared, now: Time) {
        let Some(cancel) = &mut self.cancel else { return };
        cancel.wait = shared.longer(cancel.wait);
        let (to, bytes, wait) = (cancel.to, Arc::clone(&cancel.bytes), cancel.wait);
        common.send(shared, now, to, &bytes);
        common.start(shared, Timer::CancelAgain, now + wait);
    }

    pub(super) fn ack_failure(
        &mut self,
        common: &mut Common,
        shared: &mut Shared,
        now: Time,
        came: Came<'_>,
    ) {
        let to = came.message.get(crate::message::Name::To).unwrap_or_default();
        let bytes = self.within_invite(common, "ACK", to);
        common.send(shared, now, self.sent.to, &bytes);
        if self.acks.len() == ACKS_MAX {
            self.acks.remove(0);
        }
        self.acks.push(Acked { branch: self.sent.branch.clone(), to: self.sent.to, bytes });
        self.sent.bytes = Arc::default();
    }

    /// Takes the dialog of a 2xx and acknowledges it.
    pub(super) fn add_leg(
        &mut self,
        common: &mut Common,
        shared: &mut Shared,
        now: Time,
        came: Came<'_>,
    ) -> Option<usize> {
        let mut dialog = self.dialog_of(common, came);
        let early = common.early.iter().find(|e| e.dialog.remote_tag == dialog.remote_tag);
        if let Some(early) = early {
            dialog.cseq = early.dialog.cseq;
            dialog.remote_cseq = early.dialog.remote_cseq;
        }
        // Before the answer nothing but a description that it brings can be unanswered.
        let answered = early.is_some_and(|early| early.sdp.is_some());
        let leg = common.add_leg(dialog)?;
        if self.invite.late_offer && leg == 0 && !answered {
            self.late_answer = came.sdp().and_then(|offer| common.answer_to(&offer).ok());
            self.disagreed = self.late_answer.is_none();
        }
        self.ack(common, shared, now, leg);
        common.await_stragglers(shared, now);
        self.sent.bytes = Arc::default();
        Some(leg)
    }

    /// The dialog that an answer to the INVITE makes (RFC 3261 12.1.2).
    pub(super) fn dialog_of(&self, common: &Common, came: Came<'_>) -> Dialog {
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
        dialog
    }

    /// An ACK for each 2xx that comes, a new one each time (RFC 3261 13.2.2.4): a far end that
    /// took it for a repetition might repeat its answer in turn, and so on for ever.
    pub(super) fn ack(&self, common: &mut Common, shared: &mut Shared, now: Time, leg: usize) {
        let branch = shared.branch(common.key);
        let dialog = &common.legs[leg].dialog;
        let mut ready = dialog.request("ACK", self.cseq, common.contact, &branch);
        // Not to a callee beyond the carrier.
        if common.account.is_for(ready.to) {
            for (name, proof) in &self.proofs {
                ready.writer.header(name, proof);
            }
        }
        let answer = self.late_answer.as_deref().filter(|_| leg == 0);
        let bytes = ready.writer.finish(answer.map(|answer| (SDP, answer)));
        common.send(shared, now, ready.to, &bytes);
    }
}
