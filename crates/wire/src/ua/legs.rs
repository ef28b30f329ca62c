//! The dialogs of one call: the one that counts, forks that answered as well, and those before
//! the answer.

use std::sync::Arc;

use super::{
    agenda::Timer,
    call::{Came, Common, Pending, Shared},
    dialog::Dialog,
    peer::Peer,
};
use crate::time::Time;

/// Answers of more forks than this are not worth an ACK.
const LEGS_MAX: usize = 8;

/// One dialog of a call with what must be repeated in it.
pub(super) struct Leg {
    pub(super) dialog: Dialog,
    pub(super) bye: Option<Pending>,
    bye_proved: bool,
}

/// A dialog before the answer (RFC 3261 12.1.2).
pub(super) struct Early {
    pub(super) dialog: Dialog,
    /// The RSeq of its last reliable provisional (RFC 3262 4).
    pub(super) rseq: u32,
    /// The description that one of these brought: offer and answer are exchanged.
    pub(super) sdp: Option<Vec<u8>>,
}

impl Common {
    /// The dialog with this tag of the far end, answered or early.
    pub(super) fn dialog_mut(&mut self, tag: &str) -> Option<&mut Dialog> {
        let legs = self.legs.iter_mut().map(|leg| &mut leg.dialog);
        let early = self.early.iter_mut().map(|early| &mut early.dialog);
        legs.chain(early).find(|dialog| dialog.remote_tag == tag)
    }

    /// The first leg, if it is up, by its tag.
    pub(super) fn tag(&self) -> Option<String> {
        self.legs.first().map(|leg| leg.dialog.remote_tag.clone())
    }

    /// The leg with this tag of the far end.
    pub(super) fn leg_of(&self, tag: &str) -> Option<usize> {
        self.legs.iter().position(|leg| leg.dialog.remote_tag == tag)
    }

    /// Adds a leg; `None` when there are too many.
    pub(super) fn add_leg(&mut self, dialog: Dialog) -> Option<usize> {
        if self.legs.len() == LEGS_MAX {
            return None;
        }
        self.legs.push(Leg { dialog, bye: None, bye_proved: false });
        Some(self.legs.len() - 1)
    }

    /// Sends BYE on a leg.
    pub(super) fn bye(&mut self, shared: &mut Shared, now: Time, leg: usize) {
        let branch = shared.branch(self.key);
        if leg == 0 {
            for timer in [Timer::Refresh, Timer::SessionEnd, Timer::RenewAgain] {
                self.stop(shared, timer);
            }
        }
        let dialog = &mut self.legs[leg].dialog;
        dialog.cseq += 1;
        let mut ready = dialog.request("BYE", dialog.cseq, self.contact, &branch);
        for (name, proof) in self.account.prove(&mut shared.tokens, "BYE", &ready.uri, ready.to) {
            ready.writer.header(name, proof);
        }
        if let Some((code, text)) = self.farewell.filter(|_| leg == 0) {
            ready.writer.line("Reason", format_args!("SIP ;cause={code} ;text=\"{text}\""));
        }
        ready.writer.header("User-Agent", &shared.config.user_agent);
        let bytes = ready.writer.finish(None);
        self.send(shared, now, ready.to, &bytes);
        let wait = shared.config.timers.t1;
        self.repeat(shared, Timer::ByeAgain(leg as u8), now + wait, ready.to);
        self.start(shared, Timer::ByeGiveUp(leg as u8), now + shared.patience());
        self.legs[leg].bye = Some(Pending { branch, to: ready.to, bytes, wait, resent: false });
        self.await_stragglers(shared, now);
    }

    /// The leg whose BYE has this branch.
    pub(super) fn bye_leg(&self, branch: &str) -> Option<usize> {
        self.legs.iter().position(|leg| leg.bye.as_ref().is_some_and(|bye| bye.branch == branch))
    }

    /// An answer to a BYE; whether that BYE is done.
    pub(super) fn bye_answered(
        &mut self,
        shared: &mut Shared,
        now: Time,
        leg: usize,
        code: u16,
        came: Came<'_>,
    ) -> bool {
        if code < 200 {
            return false;
        }
        let to = self.legs[leg].bye.as_ref().map_or(came.from, |bye| bye.to);
        if !self.legs[leg].bye_proved && self.account.take(code, came.message, to, true) {
            self.legs[leg].bye_proved = true;
            self.bye(shared, now, leg);
            return false;
        }
        self.bye_over(shared, leg);
        true
    }

    /// Nothing more is to be done about the BYE of a leg.
    pub(super) fn bye_over(&mut self, shared: &mut Shared, leg: usize) {
        self.stop(shared, Timer::ByeAgain(leg as u8));
        self.stop(shared, Timer::ByeGiveUp(leg as u8));
        self.legs[leg].bye = None;
    }

    pub(super) fn bye_again(&mut self, shared: &mut Shared, now: Time, leg: usize) {
        let Some(bye) = &mut self.legs[leg].bye else { return };
        bye.wait = shared.longer(bye.wait);
        let (to, bytes, at) = (bye.to, Arc::clone(&bye.bytes), now + bye.wait);
        self.send(shared, now, to, &bytes);
        self.start(shared, Timer::ByeAgain(leg as u8), at);
    }

    /// Nobody is at `to`: whether our BYE to it is therefore done.
    pub(super) fn nobody_takes_bye(&mut self, shared: &mut Shared, to: Peer) -> bool {
        let bye_to = self.legs.first().and_then(|leg| leg.bye.as_ref()).map(|bye| bye.to);
        if bye_to != Some(to) {
            return false;
        }
        self.bye_over(shared, 0);
        true
    }

    /// Sends once more what was lost with a connection.
    pub(super) fn resend(
        &mut self,
        shared: &mut Shared,
        now: Time,
        pending: &mut Pending,
        to: Peer,
    ) {
        if pending.to == to && to.transport.is_reliable() && !pending.resent {
            pending.resent = true;
            self.send(shared, now, to, &pending.bytes);
        }
    }

    /// The connection to `to` broke: sends our requests within the dialogs once more.
    pub(super) fn broken(&mut self, shared: &mut Shared, now: Time, to: Peer) {
        let mut asks = std::mem::take(&mut self.asks);
        for ask in &mut asks {
            self.resend(shared, now, &mut ask.pending, to);
        }
        self.asks = asks;
        for leg in 0..self.legs.len() {
            if let Some(mut bye) = self.legs[leg].bye.take() {
                self.resend(shared, now, &mut bye, to);
                self.legs[leg].bye = Some(bye);
            }
        }
    }
}
