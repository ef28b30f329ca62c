//! The slab of calls: a key finds its call without a search and never finds another's.

/// Names a call from [`Event::Incoming`](super::Event::Incoming) or
/// [`invite`](super::UserAgent::invite) to [`Event::Released`](super::Event::Released); after
/// that it names nothing, for its generation is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallKey {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

pub(super) struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

struct Slot<T> {
    generation: u32,
    held: Option<T>,
}

impl CallKey {
    /// Writes the key so that a branch or tag that begins with it leads back to the call.
    pub(super) fn token(self, random: u64) -> String {
        format!("{:x}.{:x}.{random:016x}", self.slot, self.generation)
    }

    /// The key at the beginning of a branch (without its cookie) or tag of ours.
    pub(super) fn of_token(token: &str) -> Option<Self> {
        let mut parts = token.splitn(3, '.');
        let mut number = || u32::from_str_radix(parts.next()?, 16).ok();
        Some(Self { slot: number()?, generation: number()? })
    }
}

impl<T> Slab<T> {
    pub(super) fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }

    /// Takes a slot and puts in what `make` makes of its key.
    pub(super) fn insert_with(&mut self, make: impl FnOnce(CallKey) -> T) -> CallKey {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, held: None });
            u32::try_from(self.slots.len() - 1).expect("memory ends before four billion calls")
        });
        let place = &mut self.slots[slot as usize];
        let key = CallKey { slot, generation: place.generation };
        place.held = Some(make(key));
        key
    }

    pub(super) fn get(&self, key: CallKey) -> Option<&T> {
        let slot = self.slots.get(key.slot as usize)?;
        slot.held.as_ref().filter(|_| slot.generation == key.generation)
    }

    pub(super) fn get_mut(&mut self, key: CallKey) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        slot.held.as_mut().filter(|_| slot.generation == key.generation)
    }

    pub(super) fn remove(&mut self, key: CallKey) -> Option<T> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        if slot.generation != key.generation {
            return None;
        }
        let held = slot.held.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.slot);
        Some(held)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| slot.held.as_ref())
    }

    /// The keys of all that is held, in the order of the slots.
    pub(super) fn keys(&self) -> impl Iterator<Item = CallKey> {
        self.slots
            .iter()
            .zip(0..)
            .filter(|(slot, _)| slot.held.is_some())
            .map(|(slot, index)| CallKey { slot: index, generation: slot.generation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_outlives_its_call_without_finding_the_next_one() {
        let mut slab = Slab::new();
        let first = slab.insert_with(|_| "first");
        assert_eq!(slab.remove(first), Some("first"));
        let second = slab.insert_with(|_| "second");
        assert_eq!(second.slot, first.slot, "the slot is used again");
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get_mut(second), Some(&mut "second"));
        assert_eq!((slab.len(), slab.keys().collect::<Vec<_>>()), (1, vec![second]));
    }

    #[test]
    fn a_token_leads_back_to_its_key() {
        let key = CallKey { slot: 300, generation: 2 };
        assert_eq!(key.token(7), "12c.2.0000000000000007");
        assert_eq!(CallKey::of_token(&key.token(7)), Some(key));
        for token in ["", "x", "12c", "12c.", "fffffffff.1.1", "-1.2.3"] {
            assert_eq!(CallKey::of_token(token), None, "{token}");
        }
    }
}
