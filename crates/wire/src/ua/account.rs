//! What a call knows of the carrier's challenges and how it answers them (RFC 3261 22).

use super::config::Auth;
use crate::{
    digest::Challenge,
    message::{Message, Name},
    tokens::Tokens,
};

/// The account of one call and what was asked for it so far.
#[derive(Debug, Default)]
pub(super) struct Account {
    auth: Option<Auth>,
    /// By the callee's side (401) and by a proxy (407); both may ask.
    asked: [Option<Asked>; 2],
}

#[derive(Debug)]
struct Asked {
    challenge: Challenge,
    /// How often its nonce was used.
    uses: u32,
    /// A stale nonce was replaced once.
    renewed: bool,
}

/// A header with a proof.
pub(super) type Proof = (&'static str, String);

impl Account {
    pub(super) fn new(auth: Option<Auth>) -> Self {
        Self { auth, asked: [None, None] }
    }

    /// Takes the challenge of a 401 or 407. False when it cannot be answered, or was and the
    /// carrier asks again without calling the nonce stale: then the password is wrong. A `first`
    /// challenge of another request may replace the nonce.
    pub(super) fn take(&mut self, code: u16, message: &Message<'_>, first: bool) -> bool {
        let Some(auth) = &self.auth else { return false };
        let (index, name) = match code {
            401 => (0, Name::WwwAuthenticate),
            407 => (1, Name::ProxyAuthenticate),
            _ => return false,
        };
        // The first that we can do is what the carrier prefers (RFC 8760 2.4).
        let realm_fits = |challenge: &Challenge| {
            auth.realm.as_ref().is_none_or(|realm| *realm == challenge.realm)
        };
        let Some(challenge) = message.all(name).filter_map(Challenge::parse).find(realm_fits)
        else {
            return false;
        };
        let renewed = match &self.asked[index] {
            None => false,
            Some(_) if first => false,
            Some(asked) if challenge.stale && !asked.renewed => true,
            Some(_) => return false,
        };
        self.asked[index] = Some(Asked { challenge, uses: 0, renewed });
        true
    }

    /// The proofs for a request, one for each side that asked.
    pub(super) fn prove(&mut self, tokens: &mut Tokens, method: &str, uri: &str) -> Vec<Proof> {
        let Some(auth) = &self.auth else { return Vec::new() };
        let names = ["Authorization", "Proxy-Authorization"];
        let asked = self.asked.iter_mut().zip(names);
        asked
            .filter_map(|(asked, name)| {
                let asked = asked.as_mut()?;
                asked.uses += 1;
                let proof = asked.challenge.answer(
                    &auth.username,
                    &auth.password,
                    method,
                    uri,
                    asked.uses,
                    tokens.next(),
                );
                Some((name, proof))
            })
            .collect()
    }
}
