//! What a call knows of the carrier's challenges and how it answers them (RFC 3261 22, RFC 8760).
//!
//! Credentials go to the carrier's own addresses only. Whoever is called can answer 401 as well,
//! name himself as Contact, or send the call elsewhere by a 3xx; were he answered, he could try
//! passwords against the digest at leisure, or use it to place calls of his own.

use super::{
    config::Auth,
    peer::{Peer, Transport},
};
use crate::{
    digest::Challenge,
    message::{Message, Name},
    tokens::Tokens,
};

/// The sides that may ask, each in its realm. More are not those of a carrier.
const ASKED_MAX: usize = 4;

/// An account and what was asked for it so far.
#[derive(Debug, Default)]
pub(super) struct Account {
    auth: Option<Auth>,
    /// The addresses that may be shown a proof.
    carrier: Vec<Peer>,
    asked: Vec<Asked>,
}

#[derive(Debug)]
struct Asked {
    by: By,
    challenge: Challenge,
    /// How often its nonce was used.
    uses: u32,
    /// A stale nonce was replaced once.
    renewed: bool,
}

/// Who asks: the callee's side by 401, a proxy by 407. Both may, and several proxies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Server,
    Proxy,
}

/// A header with a proof.
pub(super) type Proof = (&'static str, String);

impl By {
    /// Whose challenge a final answer of this code is, and where it stands.
    fn of(code: u16) -> Option<(Self, Name)> {
        match code {
            401 => Some((Self::Server, Name::WwwAuthenticate)),
            407 => Some((Self::Proxy, Name::ProxyAuthenticate)),
            _ => None,
        }
    }

    fn header(self) -> &'static str {
        match self {
            Self::Server => "Authorization",
            Self::Proxy => "Proxy-Authorization",
        }
    }
}

impl Account {
    /// An account that is shown to these addresses of its carrier.
    pub(super) fn new(auth: Option<Auth>, carrier: Vec<Peer>) -> Self {
        Self { auth, carrier, asked: Vec::new() }
    }

    /// Whether an address is one of the carrier's: by its host, for carriers answer from several
    /// ports; and what is kept for TLS is not told in the clear.
    pub(super) fn is_for(&self, peer: Peer) -> bool {
        self.carrier.iter().any(|known| {
            let safe = peer.transport == Transport::Tls || known.transport != Transport::Tls;
            known.addr.ip().to_canonical() == peer.addr.ip().to_canonical() && safe
        })
    }

    /// Takes the challenges of the final answer to a request that went to `peer`. False when they
    /// cannot be answered, or were and the carrier asks again without calling the nonce stale:
    /// then the password is wrong. A `first` challenge of another request may replace the nonce.
    pub(super) fn take(
        &mut self,
        code: u16,
        message: &Message<'_>,
        peer: Peer,
        first: bool,
    ) -> bool {
        let Some((by, name)) = By::of(code) else { return false };
        if !self.is_for(peer) {
            return false;
        }
        let mut taken = 0;
        for challenge in self.strongest(message, name) {
            let known =
                self.asked.iter().position(|a| a.by == by && a.challenge.realm == challenge.realm);
            let renewed = match known.map(|known| &self.asked[known]) {
                None => false,
                Some(_) if first => false,
                Some(asked) if challenge.stale && !asked.renewed => true,
                Some(_) => return false,
            };
            let asked = Asked { by, challenge, uses: 0, renewed };
            match known {
                Some(known) => self.asked[known] = asked,
                None if self.asked.len() == ASKED_MAX => return false,
                None => self.asked.push(asked),
            }
            taken += 1;
        }
        taken > 0
    }

    /// The challenges that our account can answer, of each realm the strongest: whoever stands
    /// between us and the carrier could remove or reorder them (RFC 8760 2.4, 3).
    fn strongest(&self, message: &Message<'_>, name: Name) -> Vec<Challenge> {
        let Some(auth) = &self.auth else { return Vec::new() };
        let mut strongest: Vec<Challenge> = Vec::new();
        for challenge in message.all(name).filter_map(Challenge::parse) {
            if auth.realm.as_ref().is_some_and(|realm| *realm != challenge.realm) {
                continue;
            }
            let known = strongest.iter().position(|known| known.realm == challenge.realm);
            match known {
                Some(known) if strongest[known].algorithm < challenge.algorithm => {
                    strongest[known] = challenge;
                }
                None if strongest.len() < ASKED_MAX => strongest.push(challenge),
                Some(_) | None => {}
            }
        }
        strongest
    }

    /// Forgets the challenges: another server has nonces of its own.
    pub(super) fn forget(&mut self) {
        self.asked.clear();
    }

    /// The proofs for a request to `peer`, one for each side that asked.
    pub(super) fn prove(
        &mut self,
        tokens: &mut Tokens,
        method: &str,
        uri: &str,
        peer: Peer,
    ) -> Vec<Proof> {
        if self.asked.is_empty() || !self.is_for(peer) {
            return Vec::new();
        }
        let Some(auth) = &self.auth else { return Vec::new() };
        let proofs = self.asked.iter_mut().map(|asked| {
            asked.uses += 1;
            let (count, cnonce) = (asked.uses, tokens.next());
            let Auth { username, password, .. } = auth;
            let proof = asked.challenge.answer(username, password, method, uri, count, cnonce);
            (asked.by.header(), proof)
        });
        proofs.collect()
    }
}
