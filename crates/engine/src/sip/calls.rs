//! The calls of the shard, found by place, by attempt and by the user agent's key.

use std::{collections::HashMap, sync::Arc};

use campanile_domain::ids::AttemptId;
use campanile_wire::{
    time::Time,
    ua::{CallKey, Peer},
};

use crate::{bot::Script, call::Call, media::Place};

/// A call with what belongs to it in this thread.
pub(super) struct Entry {
    pub(super) call: Call,
    pub(super) key: CallKey,
    /// Where its INVITE went first, or after a 3xx.
    pub(super) to: Peer,
    /// The user part of its request URI.
    pub(super) callee: Box<str>,
    pub(super) port: u16,
    pub(super) script: Arc<Script>,
    /// The deadline of the call that the heap knows of.
    pub(super) listed: Option<Time>,
}

/// What a key of the user agent stands for. It outlives the call: the answer to a BYE
/// comes after the report.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trace {
    pub(super) attempt: AttemptId,
    pub(super) to: Peer,
    pub(super) place: Option<Place>,
}

/// See the module. A place is used again only after its call was removed.
#[derive(Default)]
pub(super) struct Calls {
    entries: Vec<Option<Entry>>,
    vacant: Vec<Place>,
    places: HashMap<AttemptId, Place>,
    traces: HashMap<CallKey, Trace>,
}

impl Calls {
    pub(super) fn insert(&mut self, attempt: AttemptId, entry: Entry) -> Place {
        let place = self.vacant.pop().unwrap_or_else(|| {
            self.entries.push(None);
            (self.entries.len() - 1) as Place
        });
        self.places.insert(attempt, place);
        self.traces.insert(entry.key, Trace { attempt, to: entry.to, place: Some(place) });
        self.entries[place as usize] = Some(entry);
        place
    }

    pub(super) fn get_mut(&mut self, place: Place) -> Option<&mut Entry> {
        self.entries.get_mut(place as usize)?.as_mut()
    }

    /// The call has reported; its key is known until the user agent is done with it.
    pub(super) fn remove(&mut self, place: Place) -> Option<Entry> {
        let entry = self.entries.get_mut(place as usize)?.take()?;
        self.vacant.push(place);
        self.places.remove(&entry.call.attempt());
        if let Some(trace) = self.traces.get_mut(&entry.key) {
            trace.place = None;
        }
        Some(entry)
    }

    /// A 3xx sent the call elsewhere.
    pub(super) fn moved(&mut self, place: Place, to: Peer) {
        let Some(entry) = self.entries.get_mut(place as usize).and_then(Option::as_mut) else {
            return;
        };
        entry.to = to;
        if let Some(trace) = self.traces.get_mut(&entry.key) {
            trace.to = to;
        }
    }

    /// The user agent is done with a call.
    pub(super) fn forget_key(&mut self, key: CallKey) -> Option<Trace> {
        self.traces.remove(&key)
    }

    pub(super) fn place_of(&self, attempt: AttemptId) -> Option<Place> {
        self.places.get(&attempt).copied()
    }

    pub(super) fn place_of_key(&self, key: CallKey) -> Option<Place> {
        self.traces.get(&key)?.place
    }

    /// A search, for the rare question: one key a carrier tried.
    pub(super) fn keys_of(&self, attempt: AttemptId) -> impl Iterator<Item = CallKey> {
        let own = self.traces.iter().filter(move |(_, trace)| trace.attempt == attempt);
        own.map(|(key, _)| *key)
    }

    pub(super) fn places(&self) -> Vec<Place> {
        self.places.values().copied().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}
