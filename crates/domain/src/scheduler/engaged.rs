//! Phones that a call of ours engages: never two live calls to one number, whatever
//! the campaigns (DI-13).

use std::collections::{BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};

use crate::{ids::CampaignId, phone::PhoneNumber};

/// The longest that a phone may ring after a silence: the longest ring timeout and
/// timer B.
const SILENCE_MAX: SignedDuration = SignedDuration::from_secs(300 + 32);

/// See the module. Holds a phone for every live call and every recent silence, and so
/// no more than the carriers' rates allow.
#[derive(Debug, Default)]
pub(super) struct Engaged {
    phones: HashMap<PhoneNumber, Engagement>,
    /// Those that end by time, soonest first.
    silent: BTreeSet<(Timestamp, PhoneNumber)>,
}

/// By what a phone is engaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Engagement {
    /// Whose call it is.
    pub(super) campaign: CampaignId,
    /// `None` while the call lives. Nobody answered our INVITE, and the phone may ring
    /// until then (DI-10).
    pub(super) until: Option<Timestamp>,
}

impl Engaged {
    pub(super) fn by(&self, phone: PhoneNumber) -> Option<Engagement> {
        self.phones.get(&phone).copied()
    }

    /// A call to it begins.
    pub(super) fn begin(&mut self, phone: PhoneNumber, campaign: CampaignId) {
        self.phones.insert(phone, Engagement { campaign, until: None });
    }

    /// The call to it is over; it may ring on until a time that is given.
    pub(super) fn end(&mut self, phone: PhoneNumber, until: Option<Timestamp>) {
        let Some(engagement) = self.phones.get_mut(&phone) else { return };
        match until {
            Some(until) => {
                engagement.until = Some(until);
                self.silent.insert((until, phone));
            }
            None => {
                self.phones.remove(&phone);
            }
        }
    }

    /// The phones whose time is over.
    pub(super) fn look(&mut self, now: Timestamp) -> Vec<PhoneNumber> {
        // A clock that was set back must not prolong what it measures.
        let longest = now + SILENCE_MAX;
        while let Some((until, phone)) = self.silent.last().copied().filter(|(at, _)| *at > longest)
        {
            self.silent.remove(&(until, phone));
            self.end(phone, Some(longest));
        }
        let mut freed = Vec::new();
        while let Some((_, phone)) = self.silent.first().copied().filter(|(at, _)| *at <= now) {
            self.silent.pop_first();
            self.phones.remove(&phone);
            freed.push(phone);
        }
        freed
    }

    /// When the next phone falls free by time.
    pub(super) fn next_free(&self) -> Option<Timestamp> {
        self.silent.first().map(|(until, _)| *until)
    }
}
