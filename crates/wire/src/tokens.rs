//! Tags, branches and nonces that nobody can guess, from one seed.

use sha2::{Digest, Sha256};

/// A keyed source: the same seed gives the same tokens, without it they cannot be foretold.
pub(crate) struct Tokens {
    seed: [u8; 32],
    drawn: u64,
}

impl Tokens {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { seed, drawn: 0 }
    }

    /// A fresh number each time.
    pub(crate) fn next(&mut self) -> u64 {
        self.drawn += 1;
        self.of(&[b"next", &self.drawn.to_le_bytes()])
    }

    /// The same number for the same parts: a tag for an answer of which nothing is kept.
    pub(crate) fn of(&self, parts: &[&[u8]]) -> u64 {
        let mut hash = Sha256::new();
        hash.update(self.seed);
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let hash: [u8; 32] = hash.finalize().into();
        u64::from_le_bytes(*hash.first_chunk().expect("32 bytes begin with 8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_itself_and_another_seed_does_not() {
        let draw = |seed| {
            let mut tokens = Tokens::new([seed; 32]);
            (tokens.next(), tokens.next(), tokens.of(&[b"a", b"b"]))
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert_ne!(draw(1).0, draw(1).1);
        let tokens = Tokens::new([1; 32]);
        assert_ne!(tokens.of(&[b"ab", b""]), tokens.of(&[b"a", b"b"]), "parts are told apart");
    }
}
