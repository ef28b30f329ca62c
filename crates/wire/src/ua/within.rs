//! What the far end may ask for within a call, whoever placed it.

use std::sync::Arc;

use super::{
    call::{Came, Common, Shared},
    compose::{self, ALLOW, SDP},
    event::Event,
};
use crate::{
    message::{Envelope, Name},
    sdp,
    time::Time,
};

impl Common {
    /// A request within the call that needs no table: everything but ACK, BYE and CANCEL.
    /// `up` says whether the call is answered and not over.
    pub(super) fn request(&mut self, shared: &mut Shared, now: Time, came: Came<'_>, up: bool) {
        let Some(leg) = self.leg_of(came.tag_of_from()) else {
            return self.answer(shared, now, came, 481, &[]);
        };
        if !self.in_order(leg, came.envelope) {
            return self.answer(shared, now, came, 500, &[]);
        }
        if let Some(required) = came.message.get(Name::Require) {
            let required = String::from_utf8_lossy(required);
            return self.answer(shared, now, came, 420, &[("Unsupported", &required)]);
        }
        match came.envelope.method {
            "OPTIONS" => self.answer(shared, now, came, 200, &[("Allow", ALLOW), ("Accept", SDP)]),
            "INVITE" | "UPDATE" | "INFO" if !up => self.answer(shared, now, came, 481, &[]),
            "INFO" => self.answer(shared, now, came, 200, &[]),
            "INVITE" | "UPDATE" => self.renegotiate(shared, now, came, leg),
            method => {
                let code = if is_known(method) { 405 } else { 501 };
                self.answer(shared, now, came, code, &[("Allow", ALLOW)]);
            }
        }
    }

    /// Whether a request is not older than the last one (RFC 3261 12.2.2); takes note of it.
    pub(super) fn in_order(&mut self, leg: usize, envelope: &Envelope<'_>) -> bool {
        let last = &mut self.legs[leg].dialog.remote_cseq;
        if last.is_some_and(|last| envelope.cseq < last) {
            return false;
        }
        *last = Some(envelope.cseq);
        true
    }

    /// re-INVITE or UPDATE: we agree to what we can (RFC 3261 14.2, RFC 3311).
    fn renegotiate(&mut self, shared: &mut Shared, now: Time, came: Came<'_>, leg: usize) {
        let is_invite = came.envelope.method == "INVITE";
        let cseq = came.envelope.cseq;
        if is_invite && let Some(sent) = &self.final_sent {
            if sent.cseq == cseq {
                let (to, bytes) = (sent.to, Arc::clone(&sent.bytes));
                self.send(shared, now, to, &bytes);
            } else {
                self.answer(shared, now, came, 500, &[("Retry-After", "1")]);
            }
            return;
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
        self.legs[leg].dialog.moved(came.message);
        let contact = compose::contact("", self.contact, self.transport);
        let reply = came.reply();
        let headers = [("Contact", contact.as_str()), ("Allow", ALLOW)];
        let bytes = reply.answer(200, Some(&self.local_tag), &headers, body.as_deref());
        if is_invite {
            self.send_final(shared, now, reply.to_addr, bytes, cseq);
        } else {
            self.send(shared, now, reply.to_addr, &bytes);
        }
        if let Some(sdp) = offer {
            self.tell(shared, Event::Renegotiated { sdp });
        }
    }

    fn answer_to(&mut self, offer: &[u8]) -> Result<Vec<u8>, sdp::SdpError> {
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
