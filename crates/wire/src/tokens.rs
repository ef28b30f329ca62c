//! Tags, branches and nonces that nobody can guess, from one seed.

use sha2::{Digest, Sha256};

/// A keyed source: the same seed gives the same tokens, without it they cannot be foretold.
pub(crate) struct Tokens {
    seed: [u8; 32],
    drawn: u64,
    /// What the last hash gave beyond the number that was asked for.
    spare: Vec<u64>,
}

impl Tokens {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { seed, drawn: 0, spare: Vec::with_capacity(4) }
    }

    /// A fresh number each time.
    pub(crate) fn next(&mut self) -> u64 {
        if self.spare.is_empty() {
            self.drawn += 1;
            let hash = self.hash(&[b"next", &self.drawn.to_le_bytes()]);
            let (numbers, _) = hash.as_chunks();
            self.spare.extend(numbers.iter().map(|number| u64::from_le_bytes(*number)));
        }
        self.spare.pop().expect("a hash holds four numbers")
    }

    /// The same number for the same parts: a tag for an answer of which nothing is kept.
    pub(crate) fn of(&self, parts: &[&[u8]]) -> u64 {
        let hash = self.hash(parts);
        u64::from_le_bytes(*hash.first_chunk().expect("32 bytes begin with 8"))
    }

    fn hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.seed);
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.finalize().into()
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
        let mut tokens = Tokens::new([1; 32]);
        let many: std::collections::BTreeSet<_> = (0..1_000).map(|_| tokens.next()).collect();
        assert_eq!(many.len(), 1_000, "none comes twice");
        let tokens = Tokens::new([1; 32]);
        assert_ne!(tokens.of(&[b"ab", b""]), tokens.of(&[b"a", b"b"]), "parts are told apart");
    }
}
