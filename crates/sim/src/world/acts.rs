//! What people, carriers and machines do to the world.

use campanile_domain::{
    attempt::NewAttempt,
    campaign::Action,
    ids::{CampaignId, CarrierId},
    outcome::Ending,
    phone::PhoneNumber,
};
use jiff::SignedDuration;
use rand::RngExt;

use super::{Event, World, phone};
use crate::{
    fault::Fault,
    judge::Check,
    line::Step,
    scene::{Act, Deed},
    store::Campaign,
};

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
            Act::Exclude(index, contact) => self.exclude(index, contact),
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
            Act::Outage(length) => {
                self.store_down_until = self.now + length;
                self.judge.store_is_away(length);
            }
            Act::Stall(length) => {
                self.stalled_until = self.now + length;
                self.judge.store_is_away(length);
            }
            Act::Locked(length) => self.locked_until = self.now + length,
            Act::HangUp => return self.hang_up_a_call(),
            Act::NumberEnabled(index, enabled) => {
                self.store.enable_number(self.scene.numbers[index].id, enabled);
            }
            Act::Edit(index, whole_day, attempts) => {
                let campaign = self.store.campaign(id(index));
                let mut settings = (*campaign.settings).clone();
                self.judge.allows(id(index), settings.max_attempts.max(attempts));
                settings.max_attempts = attempts;
                settings.window.start = if whole_day { "00:00".into() } else { "09:00".into() };
                settings.window.end = if whole_day { "24:00".into() } else { "18:00".into() };
                campaign.settings = settings.into();
                campaign.revision += 1;
            }
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

    /// A row has just become durable: whatever lay in wait for it happens, and the
    /// scheduler hears of both at once.
    pub(super) fn ambush(&mut self, attempt: &NewAttempt) -> Check {
        self.rows += 1;
        let Some(deed) = self.scene.ambushes.remove(&self.rows) else { return Ok(()) };
        let lease = &attempt.lease;
        let index = lease.campaign.0 as usize - 1;
        let carrier = attempt.carrier.0 as usize - 1;
        let later = self.now + SignedDuration::from_secs(self.rng.random_range(1..300));
        self.hasty = true;
        match deed {
            Deed::DisableCarrier => {
                self.at(later, Event::Act(Act::CarrierEnabled(carrier, true)));
                self.act(Act::CarrierEnabled(carrier, false))
            }
            Deed::TakeChannels => {
                let used = self.calls.values().filter(|call| call.carrier == attempt.carrier);
                let (left, cps) = (used.count().max(1), self.store.carriers[carrier].settings.cps);
                self.act(Act::Limits(carrier, cps, left as u32))
            }
            Deed::DisableBot => {
                self.at(later, Event::Act(Act::BotEnabled(true)));
                self.act(Act::BotEnabled(false))
            }
            Deed::Pause => {
                self.at(later, Event::Act(Act::Resume(index)));
                self.act(Act::Pause(index))
            }
            Deed::Stop => self.act(Act::Stop(index)),
            Deed::Exclude => self.act(Act::Exclude(index, Campaign::index_of(lease.contact))),
            Deed::Crash => self.act(Act::Crash(SignedDuration::from_millis(800))),
        }
    }

    fn exclude(&mut self, index: usize, contact: usize) {
        let campaign = &self.store.campaigns[index];
        if let Some(known) = campaign.contacts.get(contact) {
            self.judge.excluded(campaign.id, campaign.contact_id(contact), known.attempt);
        }
        if self.fault != Some(Fault::IgnoresExclusions) {
            self.store.exclude(CampaignId(index as i64 + 1), contact);
        }
    }

    /// As the engine ends a call that a person hangs up, whatever its state.
    fn hang_up_a_call(&mut self) -> Check {
        let Some(attempt) = self.calls.keys().min().copied() else { return Ok(()) };
        let call = &self.calls[&attempt];
        let ending = match (call.answered_at, call.connected) {
            (Some(_), true) => Ending::Connected { bot_failed: false },
            (Some(_), false) => Ending::NoSeat,
            (None, _) => Ending::Withdrawn,
        };
        self.line_does(attempt, Step::End(ending, None, None))
    }
}
