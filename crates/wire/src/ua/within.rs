//! What the far end may ask for within a call, whoever placed it.

use std::sync::Arc;

use super::{
    call::{Came, Common, Shared},
    compose::{self, ALLOW, SDP, SUPPORTED},
    event::Event,
    session::{MIN_SE, Wish},
};
use crate::{message::Envelope, sdp, time::Time};

/// The extensions that a request may require of us.
pub(super) const EXTENSIONS: &[&str] = &["100rel", "timer"];

impl Common {
    /// A request within the call that needs no table: everything but ACK, BYE and CANCEL.
    /// `up` says whether the call is answered and not over, or not answered yet.
    pub(super) fn request(&mut self, shared: &mut Shared, now: Time, came: Came<'_>, up: bool) {
        let Some(order) = self.in_order(came.tag_of_from(), came.envelope) else {
            return self.answer(shared, now, came, 481, &[]);
        };
        if !order {
            return self.answer(shared, now, came, 500, &[]);
        }
        if let Some(unknown) = came.message.required_beyond(EXTENSIONS) {
            return self.answer(shared, now, came, 420, &[("Unsupported", &unknown)]);
        }
        let answered = self.leg_of(came.tag_of_from()).is_some();
        match came.envelope.method {
            "OPTIONS" => {
                let can = [("Allow", ALLOW), ("Accept", SDP), ("Supported", SUPPORTED)];
                self.answer(shared, now, came, 200, &can);
            }
            "INVITE" | "UPDATE" | "INFO" | "PRACK" if !up => {
                self.answer(shared, now, came, 481, &[]);
            }
            "INFO" => self.answer(shared, now, came, 200, &[]),
            "INVITE" if answered => self.re_invited(shared, now, came),
            // Theirs before ours is answered (RFC 3261 14.2).
            "INVITE" => self.answer(shared, now, came, 491, &[]),
            "UPDATE" => self.updated(shared, now, came),
            // We asked for no transfer and no news of one: nobody who is called moves the call
            // (RFC 3515 2.4.2, RFC 6665 4.1.3).
            "REFER" => self.answer(shared, now, came, 603, &[]),
            "NOTIFY" | "PRACK" => self.answer(shared, now, came, 481, &[]),
            method => {
                let code = if is_known(method) { 405 } else { 501 };
                self.answer(shared, now, came, code, &[("Allow", ALLOW)]);
            }
        }
    }

    /// Whether a request in the dialog with this tag is not older than its last one (RFC 3261
    /// 12.2.2); takes note of it. `None` when there is no such dialog.
    pub(super) fn in_order(&mut self, tag: &str, envelope: &Envelope<'_>) -> Option<bool> {
        let last = &mut self.dialog_mut(tag)?.remote_cseq;
        if last.is_some_and(|last| envelope.cseq < last) {
            return Some(false);
        }
        *last = Some(envelope.cseq);
        Some(true)
    }

    /// re-INVITE: we agree to what we can (RFC 3261 14.2).
    fn re_invited(&mut self, shared: &mut Shared, now: Time, came: Came<'_>) {
        let cseq = came.envelope.cseq;
        if let Some(sent) = &self.final_sent {
            if sent.cseq == cseq {
                let (to, bytes) = (sent.to, Arc::clone(&sent.bytes));
                self.send(shared, now, to, &bytes);
            } else {
                self.answer(shared, now, came, 500, &[("Retry-After", "1")]);
            }
            return;
        }
        if self.is_offering() {
            return self.answer(shared, now, came, 491, &[]);
        }
        self.renegotiate(shared, now, came);
    }

    /// UPDATE (RFC 3311 5.2): before the answer as well, once an offer was answered in a
    /// provisional.
    fn updated(&mut self, shared: &mut Shared, now: Time, came: Came<'_>) {
        if came.sdp().is_some() {
            let tag = came.tag_of_from();
            let early = self.early.iter().find(|early| early.dialog.remote_tag == tag);
            let is_unanswered = early.is_some_and(|early| early.sdp.is_none());
            // Our offer in the answer to their re-INVITE waits for its ACK.
            let is_asked = self.final_sent.as_ref().is_some_and(|sent| sent.offers);
            if is_unanswered || is_asked || self.is_offering() {
                return self.answer(shared, now, came, 491, &[]);
            }
        }
        self.renegotiate(shared, now, came);
    }

    fn renegotiate(&mut self, shared: &mut Shared, now: Time, came: Came<'_>) {
        let is_invite = came.envelope.method == "INVITE";
        let wish = Wish::of(came.message);
        if wish.is_too_short() {
            return self.answer(shared, now, came, 422, &[("Min-SE", &MIN_SE.to_string())]);
        }
        let offer = came.sdp();
        let body = match &offer {
            Some(offer) => match self.answer_to(offer) {
                Ok(answer) => Some(answer),
                Err(sdp::SdpError::Malformed) => {
                    return self.answer(shared, now, came, 400, &[]);
                }
                Err(_) => return self.answer(shared, now, came, 488, &[]),
            },
            // Our offer, which the ACK answers.
            None => is_invite.then(|| self.sdp.clone()),
        };
        let agreed = self.agree(shared, now, wish);
        if let Some(dialog) = self.dialog_mut(came.tag_of_from()) {
            dialog.moved(came.message);
        }
        let contact = compose::contact("", self.contact, self.transport);
        let reply = came.reply();
        let mut headers =
            vec![("Contact", contact.as_str()), ("Allow", ALLOW), ("Supported", SUPPORTED)];
        headers.extend(agreed.headers());
        let bytes = reply.answer(200, Some(&self.local_tag), &headers, body.as_deref());
        if is_invite {
            self.send_final(shared, now, reply.to_addr, bytes, came.envelope.cseq);
            if let Some(sent) = &mut self.final_sent {
                sent.offers = offer.is_none();
            }
        } else {
            self.send(shared, now, reply.to_addr, &bytes);
        }
        if let Some(sdp) = offer {
            self.tell(shared, Event::Renegotiated { sdp });
        }
    }

    /// Our answer to an offer.
    pub(super) fn answer_to(&mut self, offer: &[u8]) -> Result<Vec<u8>, sdp::SdpError> {
        let Some(mut local) = sdp::own(&self.sdp) else {
            // Not written by us, so not to be changed by us.
            return Ok(self.sdp.clone());
        };
        local.version += self.renewals + 1;
        let (answer, _remote) = sdp::answer(offer, &local)?;
        self.renewals += 1;
        Ok(answer)
    }
}

/// A method that some RFC defines: refused as not allowed, others as not implemented.
pub(super) fn is_known(method: &str) -> bool {
    const KNOWN: [&str; 14] = [
        "INVITE",
        "ACK",
        "BYE",
        "CANCEL",
        "OPTIONS",
        "REGISTER",
        "INFO",
        "UPDATE",
        "PRACK",
        "SUBSCRIBE",
        "NOTIFY",
        "REFER",
        "MESSAGE",
        "PUBLISH",
    ];
    KNOWN.contains(&method)
}
