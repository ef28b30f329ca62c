//! What people, carriers and machines do to the world.

use campanile_domain::{
    campaign::Action,
    ids::{CampaignId, CarrierId},
    phone::PhoneNumber,
};

use super::{World, phone};
use crate::{judge::Check, scene::Act};

impl World {
    pub(super) fn act(&mut self, act: Act) -> Check {
        self.trace.note(self.now, format_args!("{act:?}"));
        let wall = self.wall();
        let id = |index: usize| CampaignId(index as i64 + 1);
        match act {
            Act::Start(index) => drop(self.store.act(id(index), Action::Start, wall)),
            Act::Pause(index) => drop(self.store.act(id(index), Action::Pause, wall)),
            Act::Resume(index) => drop(self.store.act(id(index), Action::Resume, wall)),
            Act::Stop(index) => drop(self.store.act(id(index), Action::Stop, wall)),
            Act::Concurrency(index, seats) => {
                let campaign = self.store.campaign(id(index));
                let mut settings = (*campaign.settings).clone();
                settings.concurrency = seats;
                campaign.settings = settings.into();
                campaign.revision += 1;
            }
            Act::Exclude(index, contact) => self.store.exclude(id(index), contact),
            Act::AddContacts(index, count) => {
                let phones: Vec<PhoneNumber> =
                    (0..count).map(|_| phone(&mut self.phones)).collect();
                self.store.add_contacts(id(index), &phones, wall);
            }
            Act::Limits(index, cps, channels) => {
                let settings = &mut self.store.carriers[index].settings;
                settings.cps = cps;
                settings.channels = channels;
                self.judge.limits_changed(CarrierId(index as i64 + 1));
            }
            Act::CarrierEnabled(index, enabled) => self.store.carriers[index].enabled = enabled,
            Act::Weather(index, weather) => self.weather[index] = weather,
            Act::BotEnabled(enabled) => {
                if let Some(bot) = &mut self.store.bot {
                    std::sync::Arc::make_mut(bot).enabled = enabled;
                }
            }
            Act::Outage(length) => self.store_down_until = self.now + length,
            Act::ClockBack(length) => self.behind += length,
            Act::ClockForward(length) => self.behind -= length,
            Act::Crash(length) => {
                self.crash(length);
                return Ok(());
            }
        }
        self.changed();
        Ok(())
    }
}
