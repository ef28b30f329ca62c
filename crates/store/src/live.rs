//! The seam of live state: the engine publishes, pages watch.
//!
//! Nothing here is durable. In one process it is a watch channel per campaign; a
//! viewer always gets the newest view, never a queue of old ones.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use campanile_domain::{
    carrier::CarrierHealth,
    ids::{CampaignId, CarrierId},
    live::LiveView,
};
use tokio::sync::watch;

type Slot = watch::Sender<Option<Arc<LiveView>>>;

/// Live views by campaign, and how each carrier stands; cheap to clone.
#[derive(Clone, Default)]
pub struct LiveHub {
    slots: Arc<Mutex<HashMap<CampaignId, Slot>>>,
    carriers: Arc<Mutex<HashMap<CarrierId, Arc<CarrierHealth>>>>,
}

impl LiveHub {
    /// Shows `view` to everyone who watches its campaign.
    pub fn publish(&self, view: LiveView) {
        self.with_slot(view.campaign, |slot| {
            slot.send_replace(Some(Arc::new(view)));
        });
    }

    /// The campaign has nothing live any more.
    pub fn clear(&self, campaign: CampaignId) {
        self.with_slot(campaign, |slot| {
            slot.send_replace(None);
        });
    }

    /// The newest view, if the engine has published one.
    pub fn latest(&self, campaign: CampaignId) -> Option<Arc<LiveView>> {
        self.with_slot(campaign, |slot| slot.borrow().clone())
    }

    /// The newest view of every campaign that has one.
    pub fn all(&self) -> Vec<Arc<LiveView>> {
        let slots = self.slots.lock().expect("no holder of this lock panics");
        slots.values().filter_map(|slot| slot.borrow().clone()).collect()
    }

    /// Wakes at every new view of a campaign.
    pub fn watch(&self, campaign: CampaignId) -> watch::Receiver<Option<Arc<LiveView>>> {
        self.with_slot(campaign, |slot| slot.subscribe())
    }

    /// Shows how a carrier stands to everyone who asks.
    pub fn publish_carrier(&self, health: CarrierHealth) {
        let mut carriers = self.carriers.lock().expect("no holder of this lock panics");
        carriers.insert(health.carrier, Arc::new(health));
    }

    /// How a carrier stands; `None` when the engine has not heard of it.
    pub fn carrier(&self, carrier: CarrierId) -> Option<Arc<CarrierHealth>> {
        let carriers = self.carriers.lock().expect("no holder of this lock panics");
        carriers.get(&carrier).cloned()
    }

    fn with_slot<T>(&self, campaign: CampaignId, act: impl FnOnce(&Slot) -> T) -> T {
        let mut slots = self.slots.lock().expect("no holder of this lock panics");
        act(slots.entry(campaign).or_insert_with(|| watch::Sender::new(None)))
    }
}
