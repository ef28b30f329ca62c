//! The upkeep of carriers beside their calls: those that ask for it are registered with, and
//! idle ones are asked for a sign of life (R-15, CO-3).
//!
//! A task that wakes a few times a minute. It holds nothing back: a carrier that did not
//! register us, or is silent, is shown so and called all the same; calls have their breaker.

use std::{collections::HashMap, sync::Arc, time::Duration};

use campanile_domain::{
    carrier::{Carrier, CarrierSettings},
    ids::CarrierId,
};
use campanile_store::{Change, Store};
use tokio::{
    sync::{broadcast, watch},
    time::{MissedTickBehavior, interval},
};

use crate::{
    route::{Finder, Found, ShardHandle, Standings, Suspects, ping, registration},
    sip,
};

/// How often it is looked whether there is something to do, at the least.
const ROUND: Duration = Duration::from_secs(10);

/// What the task is made from.
pub(crate) struct UpkeepParts {
    pub(crate) store: Store,
    pub(crate) finder: Finder,
    pub(crate) shard: ShardHandle,
    pub(crate) standings: Standings,
    pub(crate) suspects: Suspects,
    /// A carrier of which nothing was heard for so long is asked, and again after as long;
    /// never when zero.
    pub(crate) idle: Duration,
    /// True, or gone, when the dialler stops.
    pub(crate) shutdown: watch::Receiver<bool>,
}

/// The state of the task.
pub(crate) struct Upkeep {
    parts: UpkeepParts,
    changes: broadcast::Receiver<Change>,
    carriers: Vec<Arc<Carrier>>,
    /// What each carrier was asked to register; as many as carriers.
    registered: HashMap<CarrierId, Registered>,
}

/// What a registration was made from; another one is needed when it changes.
struct Registered {
    settings: CarrierSettings,
    found: Found,
}

impl Upkeep {
    pub(crate) fn new(parts: UpkeepParts, carriers: Vec<Arc<Carrier>>) -> Self {
        let changes = parts.store.changes();
        Self { parts, changes, carriers, registered: HashMap::new() }
    }

    /// Runs until the dialler stops; the shard ends the registrations then.
    pub(crate) async fn run(mut self) {
        let asks = Some(self.parts.idle).filter(|idle| !idle.is_zero());
        let mut rounds = interval(asks.map_or(ROUND, |idle| idle.min(ROUND)));
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut shutdown = self.parts.shutdown.clone();
        let mut stopping = std::pin::pin!(async move {
            // An engine that was dropped stops too.
            let _ = shutdown.wait_for(|stops| *stops).await;
        });
        loop {
            tokio::select! {
                () = &mut stopping => return,
                _ = rounds.tick() => {}
                change = self.changes.recv() => match change {
                    Ok(Change::Setup) | Err(broadcast::error::RecvError::Lagged(_)) => {
                        self.read().await;
                    }
                    Ok(Change::Campaign(_) | Change::Import(_)) => continue,
                    Err(broadcast::error::RecvError::Closed) => return,
                },
            }
            // A look-up takes five seconds at most; nobody else waits for this task.
            tokio::select! {
                () = &mut stopping => return,
                () = self.round() => {}
            }
        }
    }

    async fn read(&mut self) {
        match self.parts.store.carriers().await {
            Ok(carriers) => self.carriers = carriers.into_iter().map(Arc::new).collect(),
            Err(error) => tracing::warn!(%error, "The carriers could not be read for upkeep"),
        }
    }

    async fn round(&mut self) {
        let wanted = |carrier: &&Arc<Carrier>| carrier.enabled && carrier.settings.register;
        let ids: Vec<CarrierId> = self.carriers.iter().filter(wanted).map(|each| each.id).collect();
        let gone: Vec<CarrierId> =
            self.registered.keys().filter(|id| !ids.contains(id)).copied().collect();
        for carrier in gone {
            self.registered.remove(&carrier);
            self.parts.shard.send(sip::Command::Unregister(carrier)).await;
        }
        for carrier in self.carriers.clone() {
            if !carrier.enabled {
                continue;
            }
            if carrier.settings.register {
                self.register(&carrier).await;
            }
            self.look_after(&carrier).await;
        }
    }

    /// Registers where that is new: another account, or another place of the registrar. The
    /// user agent refreshes it, and tries again after a failure.
    async fn register(&mut self, carrier: &Carrier) {
        let found = match self.parts.finder.find(&carrier.settings).await {
            Ok(found) => found,
            Err(why) => return self.parts.standings.failed(carrier.id, &why),
        };
        if let Some(registered) = self.registered.get(&carrier.id)
            && registered.stands(&carrier.settings, &found, &self.parts.suspects)
        {
            return;
        }
        let Some(asked) = registration(&carrier.settings, &found) else { return };
        let command = sip::Command::Register(carrier.id, found.host.clone(), Box::new(asked));
        self.parts.shard.send(command).await;
        let settings = carrier.settings.clone();
        self.registered.insert(carrier.id, Registered { settings, found });
    }

    /// Asks a carrier that was idle for a while; calls and other answers say the same.
    async fn look_after(&self, carrier: &Carrier) {
        let Some(idle) = self.parts.standings.idle(carrier.id) else { return };
        if self.parts.idle.is_zero() || idle < self.parts.idle {
            return;
        }
        self.parts.standings.seen(carrier.id);
        match self.parts.finder.find(&carrier.settings).await {
            Ok(found) => {
                let asked = Box::new(ping(&carrier.settings, &found));
                self.parts.shard.send(sip::Command::Ping(carrier.id, found.host, asked)).await;
            }
            Err(why) => self.parts.standings.failed(carrier.id, &why),
        }
    }
}

impl Registered {
    /// Whether it is still what the carrier wants. The address in use may be any of those
    /// that it has now; one that failed is left for another.
    fn stands(&self, settings: &CarrierSettings, found: &Found, suspects: &Suspects) -> bool {
        let (old, new) = (&self.settings, settings);
        let same = (&old.host, old.port, old.transport, &old.auth)
            == (&new.host, new.port, new.transport, &new.auth)
            && (&old.from_domain, &old.outbound_proxy) == (&new.from_domain, &new.outbound_proxy);
        let ours = self.found.peers[0];
        let in_place =
            found.peers.contains(&ours) && (found.peers[0] == ours || !suspects.holds(ours.addr));
        same && in_place && self.found.contact == found.contact
    }
}
