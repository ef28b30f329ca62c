//! What a user agent tells its owner.

use std::{sync::Arc, time::Duration};

use super::peer::Peer;

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// Where to, and how: on TCP and TLS over the connection to that address, which is made when
    /// there is none.
    pub to: Peer,
    /// What; shared with the retransmission to come and the ladder.
    pub bytes: Arc<[u8]>,
}

/// What happened to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Called side: somebody calls. `ring`, `answer` or `reject` it.
    Incoming(IncomingInvite),
    /// Calling side: 101 to 199. Repeats of the same answer are not reported.
    Provisional {
        /// 180 rings, 183 may bring early media.
        code: u16,
        /// The description of early media.
        sdp: Option<Vec<u8>>,
    },
    /// Calling side: the callee answered, and was sent ACK.
    Answered {
        /// 200 to 299, as the far end said it.
        code: u16,
        /// Its reason phrase; may be empty.
        reason: String,
        /// Its answer to our offer.
        sdp: Option<Vec<u8>>,
    },
    /// Called side: the answer or refusal was acknowledged.
    Acked {
        /// Only when our answer was the offer.
        sdp: Option<Vec<u8>>,
    },
    /// Called side: the caller gave up before the answer. `Ended` follows.
    Cancelled,
    /// The far end described its media anew (hold, another address) and was answered.
    Renegotiated {
        /// What it said.
        sdp: Vec<u8>,
    },
    /// Calling side: a 3xx said to try elsewhere. The call waits until the owner, who alone can
    /// resolve names, [`follow`](super::UserAgent::follow)s one of the contacts or hangs up; left
    /// alone for 64*T1 it ends as [`EndCause::Refused`] with the code of the 3xx.
    ///
    /// Another user part may be another callee, and another host another carrier: whoever
    /// follows without looking lets a stranger place calls at his cost.
    Redirected {
        /// 300 to 399.
        code: u16,
        /// The best first; never empty.
        contacts: Vec<Redirect>,
    },
    /// The far end answered what [`renegotiate`](super::UserAgent::renegotiate) offered.
    Reanswered {
        /// 200 to 299 when it agreed; otherwise all stays as it was.
        code: u16,
        /// Its description.
        sdp: Option<Vec<u8>>,
    },
    /// The call is over. Exactly one for each call.
    Ended(Ended),
    /// The last straggler was waited for; the key and its ladder are gone. Always the last.
    Released,
}

/// By which request a session is described anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// re-INVITE (RFC 3261 14).
    Reinvite,
    /// UPDATE (RFC 3311).
    Update,
}

/// Where a 3xx points (RFC 3261 8.1.3.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// A `sip:` URI, with its parameters.
    pub uri: String,
    /// How much the far end prefers it, in thousandths; 1,000 when it does not say.
    pub q: u16,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Who or what ended it.
    pub cause: EndCause,
    /// The final answer to the INVITE, when there was one.
    pub code: Option<u16>,
    /// Why the telephone network ended it, when the far end said so (`Reason`, RFC 3326): the
    /// cause of Q.850, such as 16 for normal clearing and 17 for busy.
    pub q850: Option<u8>,
    /// Its reason phrase; without an answer, why there is none, if that is known.
    pub reason: Option<String>,
    /// Seconds, from `Retry-After`; at most an hour.
    pub retry_after: Option<u32>,
    /// Since the INVITE.
    pub after: Duration,
}

/// Who or what ended a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndCause {
    /// A final answer of 300 or more.
    Refused,
    /// Nothing came back: Timer B, or the network said that nobody is there. Or the connection
    /// broke before the final answer (RFC 3261 17.1.4): the phone may ring all the same.
    NoReply,
    /// There was no connection to any address, so that no INVITE ever left: no phone can ring.
    NoConnection,
    /// Before the answer: 487 or another final answer after CANCEL, or none for 64*T1 after it.
    Cancelled,
    /// A 200 crossed our CANCEL; it was acknowledged and the call hung up.
    AnsweredWhileCancelling,
    /// The far end hung up.
    ByeReceived,
    /// We hung up; the far end confirmed it, or did not within 64*T1.
    ByeSent,
    /// Called side: our final answer was never acknowledged (Timer H).
    NoAck,
    /// The far end no longer refreshed the session, or no longer answered when we did (RFC 4028
    /// 10); it was sent BYE.
    SessionExpired,
}

/// A call that comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomingInvite {
    /// Where it came from.
    pub from: Peer,
    /// The user part of From.
    pub caller: String,
    /// The user part of the request URI.
    pub callee: String,
    /// The whole request URI.
    pub request_uri: String,
    /// As the caller made it.
    pub call_id: String,
    /// The offer, when there is one.
    pub sdp: Option<Vec<u8>>,
    /// `Authorization` or `Proxy-Authorization`, to be checked with [`crate::digest::verify`].
    pub authorization: Option<String>,
}
