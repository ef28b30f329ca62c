//! What the world looks at every few seconds, without anything happening.

use campanile_domain::{campaign::Status, contact::ContactState, settings::Mode};
use jiff::SignedDuration;

use super::World;
use crate::{judge::Check, scene::Weather};

/// From the beginning of a process to its first dial, at most (I10).
const FIRST_DIAL_MAX: SignedDuration = SignedDuration::from_secs(5);

impl World {
    /// Whether claims of a campaign that may not dial are still in the dialler's hand.
    pub(super) fn holds_in_vain(&self, index: usize) -> bool {
        let campaign = &self.store.campaigns[index];
        let may_dial =
            campaign.status == Status::Running && campaign.settings.hours().is_open(self.wall());
        let claimed = campaign.contacts.iter().any(|contact| contact.state == ContactState::Leased);
        claimed && !may_dial && self.store_answers()
    }

    /// Whether the store does what it is asked.
    pub(super) fn store_answers(&self) -> bool {
        let bad = self.store_down_until.max(self.stalled_until).max(self.locked_until);
        self.now >= bad
    }

    /// I10: somebody who could be dialled from the first moment of a process on is.
    pub(super) fn watch_boot(&mut self) -> Check {
        let Some(booted) = self.idle_since_boot else { return Ok(()) };
        if !(0..self.store.campaigns.len()).any(|index| self.could_dial(index)) {
            self.idle_since_boot = None;
        } else if self.now.duration_since(booted) > FIRST_DIAL_MAX {
            return Err(format!("nobody is dialled within {FIRST_DIAL_MAX:#} of {booted}"));
        }
        Ok(())
    }

    /// Whether nothing at all keeps a campaign from dialling, as the world knows it and
    /// the dialler need not: somebody is due, and there is a seat, a channel and a
    /// healthy carrier.
    pub(super) fn could_dial(&self, index: usize) -> bool {
        let wall = self.wall();
        let campaign = &self.store.campaigns[index];
        let settings = &campaign.settings;
        let queue = campaign.queue();
        let calls = self.calls.values().filter(|call| call.campaign == campaign.id).count();
        let carrier_free = campaign.numbers.iter().filter(|number| number.enabled).any(|number| {
            let carrier = &self.store.carriers[number.carrier_id.0 as usize - 1];
            let used = self.calls.values().filter(|call| call.carrier == carrier.id).count();
            carrier.enabled && used < carrier.settings.channels as usize
        });
        let over = settings.mode == Mode::SingleDay
            && settings.hours().day_end(campaign.started_at).is_none_or(|end| wall >= end);
        campaign.status == Status::Running
            && !over
            && self.store_answers()
            && self.weather.iter().all(|weather| *weather == Weather::Fair)
            && self.store.bot.as_ref().is_some_and(|bot| bot.enabled)
            && settings.hours().is_open(wall)
            && queue.waiting > 0
            && queue.next_due.is_some_and(|due| due <= wall)
            && calls < settings.concurrency as usize
            && self.calls.len() < self.scene.max_calls as usize
            && carrier_free
    }
}
