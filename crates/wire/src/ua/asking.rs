//! Requests of ours within a dialog, besides BYE: PRACK, UPDATE and re-INVITE.

use std::{sync::Arc, time::Duration};

use super::{
    agenda::Timer,
    call::{Came, Common, Pending, Shared},
    compose::{self, ALLOW, SDP, SUPPORTED},
    event::Means,
};
use crate::{message::Refresher, time::Time};

/// More at once are a far end that plays with us: forks with a reliable provisional each.
const ASKS_MAX: usize = 16;
/// How long a re-INVITE that was answered 1xx is waited for (as RFC 3261 16.6 point 11).
const REINVITE_PATIENCE: Duration = Duration::from_secs(180);

/// A request that waits for its final answer.
pub(super) struct Ask {
    /// Names its timers.
    number: u8,
    purpose: Purpose,
    /// The far end's tag of its dialog.
    tag: String,
    cseq: u32,
    pub(super) pending: Pending,
    proved: bool,
}

/// What it is for.
#[derive(Debug, Clone)]
pub(super) enum Purpose {
    /// Acknowledges a provisional (RFC 3262 4), perhaps with the answer to its offer.
    Prack { rack: String, sdp: Option<Vec<u8>> },
    /// Carries out the renewal that is under way.
    Renew(Means),
}

/// What a final answer to it means to the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    /// Nothing beyond what was done.
    Done,
    /// The far end does not know the call any more (RFC 3261 12.2.1.2).
    Lost,
}

impl Purpose {
    fn method(&self) -> &'static str {
        match self {
            Self::Prack { .. } => "PRACK",
            Self::Renew(Means::Update) => "UPDATE",
            Self::Renew(Means::Reinvite) => "INVITE",
        }
    }
}

impl Common {
    /// Sends a request in the dialog with this tag.
    pub(super) fn ask(&mut self, shared: &mut Shared, now: Time, tag: &str, purpose: Purpose) {
        if self.asks.len() < ASKS_MAX {
            self.asked = self.asked.wrapping_add(1);
            self.send_ask(shared, now, tag, purpose, self.asked, false);
        }
    }

    /// Whether an offer of ours waits for its answer.
    pub(super) fn is_offering(&self) -> bool {
        self.asks.iter().any(|ask| match ask.purpose {
            Purpose::Prack { .. } => false,
            Purpose::Renew(Means::Reinvite) => true,
            Purpose::Renew(Means::Update) => self.renewal.as_ref().is_some_and(|r| r.sdp.is_some()),
        })
    }

    fn send_ask(
        &mut self,
        shared: &mut Shared,
        now: Time,
        tag: &str,
        purpose: Purpose,
        number: u8,
        proved: bool,
    ) {
        let (contact, transport) = (self.contact, self.transport);
        let branch = shared.branch(self.key);
        let method = purpose.method();
        let Some(dialog) = self.dialog_mut(tag) else { return };
        dialog.cseq += 1;
        let cseq = dialog.cseq;
        let mut ready = dialog.request(method, cseq, contact, &branch);
        for (name, proof) in self.account.prove(&mut shared.tokens, method, &ready.uri, ready.to) {
            ready.writer.header(name, proof);
        }
        let sdp = match &purpose {
            Purpose::Prack { rack, sdp } => {
                ready.writer.header("RAck", rack);
                sdp.as_deref()
            }
            Purpose::Renew(_) => {
                ready.writer.header("Contact", compose::contact("", contact, transport));
                ready.writer.header("Allow", ALLOW);
                ready.writer.header("Supported", SUPPORTED);
                if let Some(session) = &self.session {
                    let refresher = if session.ours { Refresher::Uac } else { Refresher::Uas };
                    let expiry = format!("{};refresher={}", session.seconds, refresher.name());
                    ready.writer.header("Session-Expires", expiry);
                }
                if let Some(min_se) = self.min_se {
                    ready.writer.header("Min-SE", min_se.to_string());
                }
                self.renewal.as_ref().and_then(|renewal| renewal.sdp.as_deref())
            }
        };
        ready.writer.header("User-Agent", &shared.config.user_agent);
        let bytes = ready.writer.finish(sdp.map(|sdp| (SDP, sdp)));
        self.send(shared, now, ready.to, &bytes);
        let wait = shared.config.timers.t1;
        self.repeat(shared, Timer::AskAgain(number), now + wait, ready.to);
        self.start(shared, Timer::AskGiveUp(number), now + shared.patience());
        let pending = Pending { branch, to: ready.to, bytes, wait, resent: false };
        let tag = tag.to_owned();
        self.asks.push(Ask { number, purpose, tag, cseq, pending, proved });
    }

    /// An answer to one of these requests; `None` when it is to another.
    pub(super) fn ask_answered(
        &mut self,
        shared: &mut Shared,
        now: Time,
        code: u16,
        came: Came<'_>,
    ) -> Option<Answered> {
        let branch = came.envelope.via.branch.unwrap_or_default();
        if let Some((_, to, ack)) = self.reinvite_acked.as_ref().filter(|(b, ..)| b == branch) {
            // Its ACK was lost.
            let (to, ack) = (*to, Arc::clone(ack));
            if code >= 200 && came.envelope.method == "INVITE" {
                self.send(shared, now, to, &ack);
            }
            return Some(Answered::Done);
        }
        let index = self.asks.iter().position(|ask| ask.pending.branch == branch)?;
        let ask = &self.asks[index];
        let is_invite = matches!(ask.purpose, Purpose::Renew(Means::Reinvite));
        if ask.purpose.method() != came.envelope.method || ask.cseq != came.envelope.cseq {
            return Some(Answered::Done);
        }
        if code < 200 {
            if is_invite {
                let number = ask.number;
                self.stop(shared, Timer::AskAgain(number));
                self.start(shared, Timer::AskGiveUp(number), now + REINVITE_PATIENCE);
            }
            return Some(Answered::Done);
        }
        let ask = self.take_ask(shared, index);
        // The ACK goes to the new target already.
        if matches!((&ask.purpose, code), (Purpose::Renew(_), 200..300))
            && let Some(dialog) = self.dialog_mut(&ask.tag)
        {
            dialog.moved(came.message);
        }
        if is_invite {
            self.ack_reinvite(shared, now, &ask, code);
        }
        if !ask.proved && self.account.take(code, came.message, ask.pending.to, true) {
            self.send_ask(shared, now, &ask.tag, ask.purpose, ask.number, true);
            return Some(Answered::Done);
        }
        Some(match ask.purpose {
            // Whether a provisional was acknowledged or not, the INVITE goes its way.
            Purpose::Prack { .. } => Answered::Done,
            Purpose::Renew(means) => self.renewed(shared, now, means, code, came),
        })
    }

    pub(super) fn ask_again(&mut self, shared: &mut Shared, now: Time, number: u8) {
        let Some(ask) = self.asks.iter_mut().find(|ask| ask.number == number) else { return };
        let pending = &mut ask.pending;
        pending.wait = match ask.purpose {
            Purpose::Renew(Means::Reinvite) => pending.wait * 2,
            Purpose::Renew(Means::Update) | Purpose::Prack { .. } => shared.longer(pending.wait),
        };
        let (to, bytes, at) = (pending.to, Arc::clone(&pending.bytes), now + pending.wait);
        self.send(shared, now, to, &bytes);
        self.start(shared, Timer::AskAgain(number), at);
    }

    /// Nothing came back: as an answer 408 (RFC 3261 8.1.3.1).
    pub(super) fn ask_given_up(&mut self, shared: &mut Shared, number: u8) -> Answered {
        let Some(index) = self.asks.iter().position(|ask| ask.number == number) else {
            return Answered::Done;
        };
        match self.take_ask(shared, index).purpose {
            Purpose::Prack { .. } => Answered::Done,
            Purpose::Renew(_) => Answered::Lost,
        }
    }

    fn take_ask(&mut self, shared: &mut Shared, index: usize) -> Ask {
        let ask = self.asks.swap_remove(index);
        self.stop(shared, Timer::AskAgain(ask.number));
        self.stop(shared, Timer::AskGiveUp(ask.number));
        ask
    }

    /// ACK to a re-INVITE: to a 2xx as a request of its own, to a refusal within the transaction.
    fn ack_reinvite(&mut self, shared: &mut Shared, now: Time, ask: &Ask, code: u16) {
        let branch = match code {
            200..300 => shared.branch(self.key),
            _ => ask.pending.branch.clone(),
        };
        let contact = self.contact;
        let Some(dialog) = self.dialog_mut(&ask.tag) else { return };
        let ready = dialog.request("ACK", ask.cseq, contact, &branch);
        let bytes = ready.writer.finish(None);
        self.send(shared, now, ready.to, &bytes);
        self.reinvite_acked = Some((ask.pending.branch.clone(), ready.to, bytes));
    }
}
