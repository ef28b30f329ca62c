//! What a user agent and a call are made from.

use std::{net::SocketAddr, time::Duration};

use super::peer::Peer;

/// How a user agent introduces itself and where its limits are.
#[derive(Debug, Clone)]
pub struct UaConfig {
    /// What Via and Contact say: the public address of the socket.
    pub contact: SocketAddr,
    /// The value of `User-Agent` and `Server`.
    pub user_agent: String,
    /// The base timers.
    pub timers: Timers,
    /// Calls that may be up at once; [`Refused::Full`] beyond. Ended calls do not count.
    pub max_calls: usize,
    /// Ended calls kept to answer stragglers; the oldest goes early when there are more.
    pub max_lingering: usize,
    /// Messages kept for the SIP ladder of each call; 0 keeps none.
    pub ring_messages: usize,
    /// How long a session may live without a refresh (RFC 4028), in seconds, as our INVITEs ask
    /// for it; 90 at least. `None`: they do not ask. What the far end asks for is done anyway.
    pub session_expires: Option<u32>,
    /// Takes answers to our requests from hosts that these did not go to. A carrier that answers
    /// from elsewhere breaks RFC 3581 4; the random part of our branch still protects its calls.
    pub answers_from_anywhere: bool,
    /// Takes calls of others. When false, a stranger's INVITE is answered 480.
    pub accept_calls: bool,
}

/// The base timers (RFC 3261 17.1.1.1); all others follow from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// An estimate of the round trip: the first retransmission comes after it, and the other side
    /// has 64 times as long to answer.
    pub t1: Duration,
    /// The longest wait between two retransmissions of anything but INVITE.
    pub t2: Duration,
    /// How long a message may remain in the network.
    pub t4: Duration,
}

/// A call to be placed.
#[derive(Debug, Clone)]
pub struct Invite {
    /// Next hop: the carrier or its outbound proxy.
    pub to: Peer,
    /// Further addresses of the same carrier, tried in this order when the one before is
    /// unreachable or answers 503 before anything rang (RFC 3263 4.3); never after mere silence.
    /// These and `to` are the only ones that credentials are sent to.
    pub further: Vec<Peer>,
    /// Routes to begin with, such as `sip:proxy.example;lr` (RFC 3261 8.1.2); `to` is then the
    /// address of the first.
    pub route: Vec<String>,
    /// Such as `sip:+919812345678@carrier.example`.
    pub request_uri: String,
    /// Such as `sip:+911140001000@carrier.example`.
    pub from_uri: String,
    /// The name in front of `from_uri`; quoted as needed.
    pub from_display: Option<String>,
    /// Mostly the same as `request_uri`.
    pub to_uri: String,
    /// Unique for ever.
    pub call_id: String,
    /// The offer; of an INVITE without one (`late_offer`) what its answer is made from.
    pub sdp: Vec<u8>,
    /// Leaves the offer to the callee: the INVITE goes without a description, and the offer that
    /// comes in a reliable provisional or in the 200 is answered in PRACK or ACK.
    pub late_offer: bool,
    /// What to answer a challenge with.
    pub auth: Option<Auth>,
    /// Further headers, in this order.
    pub headers: Vec<(String, String)>,
}

/// The account at a carrier (RFC 3261 22).
#[derive(Clone, PartialEq, Eq)]
pub struct Auth {
    /// The name of the account.
    pub username: String,
    /// Its password; never printed.
    pub password: String,
    /// Answers challenges of this realm only; `None`: of any.
    pub realm: Option<String>,
}

/// Why a call was not placed; nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// As many calls are up as the user agent takes.
    #[error("all calls are in use")]
    Full,
    /// A value holds a line break or NUL, or is not what its header asks for.
    #[error("{0} cannot stand in a header")]
    InvalidHeader(&'static str),
}

impl UaConfig {
    /// A caller at `contact`: RFC timers, 1,000 calls, 20 ladder messages a call, takes no calls.
    pub fn new(contact: SocketAddr) -> Self {
        Self {
            contact,
            user_agent: concat!("Campanile/", env!("CARGO_PKG_VERSION")).to_owned(),
            timers: Timers::default(),
            max_calls: 1_000,
            max_lingering: 100_000,
            ring_messages: 20,
            session_expires: Some(1_800),
            answers_from_anywhere: false,
            accept_calls: false,
        }
    }
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
        }
    }
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Auth")
            .field("username", &self.username)
            .field("realm", &self.realm)
            .finish_non_exhaustive()
    }
}
