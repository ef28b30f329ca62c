//! OPTIONS as a sign of life (RFC 3261 11).

use std::net::SocketAddr;

use super::{
    call::{COOKIE, Came, Shared},
    compose::{self, Writer, name_addr},
    config::Refused,
    lone::Lone,
    peer::Peer,
    slab::CallKey,
};
use crate::{message::Uri, time::Time};

/// Names a ping until it is told what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PingKey(pub(super) CallKey);

/// Whom to ask whether he lives.
#[derive(Debug, Clone)]
pub struct Ping {
    /// Where to.
    pub to: Peer,
    /// Such as `sip:carrier.example`.
    pub uri: String,
    /// Who asks, such as `sip:198.51.100.1`.
    pub from_uri: String,
    /// What Via and Contact say.
    pub contact: SocketAddr,
}

/// A ping on its way.
pub(super) struct Pinging {
    call_id: String,
    tag: String,
    lone: Lone,
}

impl Pinging {
    pub(super) fn check(ping: &Ping) -> Result<(), Refused> {
        for (uri, name) in [(&ping.uri, "the request URI"), (&ping.from_uri, "the URI of From")] {
            if Uri::parse(uri).is_none() {
                return Err(Refused::InvalidHeader(name));
            }
        }
        Ok(())
    }

    pub(super) fn start(shared: &mut Shared, now: Time, key: CallKey, ping: &Ping) -> Self {
        let Ping { to, uri, from_uri, contact } = ping;
        let call_id = format!("{:016x}{:016x}", shared.tokens.next(), shared.tokens.next());
        let tag = format!("{:016x}", shared.tokens.next());
        let branch = format!("{COOKIE}p{}", key.token(shared.tokens.next()));
        let mut writer = Writer::request("OPTIONS", uri);
        writer.via(to.transport, *contact, &branch);
        writer.header("From", format!("{};tag={tag}", name_addr(None, from_uri)));
        writer.header("To", name_addr(None, uri));
        writer.header("Call-ID", &call_id);
        writer.header("CSeq", "1 OPTIONS");
        writer.header("Contact", compose::contact("", *contact, to.transport));
        writer.header("Accept", compose::SDP);
        writer.header("User-Agent", &shared.config.user_agent);
        let bytes = writer.finish(None);
        let lone = Lone::send(shared, now, *to, branch, (1, "OPTIONS"), bytes);
        Self { call_id, tag, lone }
    }

    pub(super) fn next(&self) -> Time {
        self.lone.next()
    }

    /// True when nobody answered.
    pub(super) fn wake(&mut self, shared: &mut Shared, now: Time) -> bool {
        self.lone.next() <= now && self.lone.wake(shared, now)
    }

    /// The final answer, if it is that.
    pub(super) fn answered(&mut self, shared: &Shared, code: u16, came: Came<'_>) -> Option<u16> {
        if *self.call_id != *came.envelope.call_id || self.tag != came.tag_of_from() {
            return None;
        }
        self.lone.answered(shared, code, came)
    }

    pub(super) fn is_to(&self, to: Peer) -> bool {
        self.lone.to == to
    }

    pub(super) fn broken(&mut self, shared: &mut Shared, to: Peer) {
        self.lone.broken(shared, to);
    }
}
