//! Finds the way to a carrier before a call reaches the shard: its address, ours as it
//! sees us, and what the SIP request says.
//!
//! Names are looked up here, in tasks, with the calls to them waiting; the shard never
//! waits.

mod book;
mod choice;
mod dns;
mod hop;
mod locate;
mod ours;
mod request;
mod router;
mod standing;

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use campanile_domain::{
    carrier::CarrierSettings,
    ids::{AttemptId, CarrierId},
    scheduler::{CallEvent, Placement},
};
use campanile_wire::ua::Peer;
use tokio::sync::{mpsc, oneshot};

use crate::{
    config::PublicAddress,
    doorbell::Doorbell,
    line::{Line, LineEvent},
    sip,
};
pub(crate) use book::Suspects;
pub(crate) use dns::NameServers;
use hop::Hop;
pub(crate) use locate::Reach;
pub(crate) use ours::local_ip;
pub(crate) use request::{ping, registration};
use router::{Command, Router};
pub(crate) use standing::Standings;

/// The line that reaches real carriers.
pub(crate) struct SipLine {
    commands: mpsc::Sender<Command>,
    events: mpsc::Receiver<LineEvent>,
    finder: Finder,
    standings: Standings,
    /// Whose calls are under way; as many as there are calls.
    carriers: HashMap<AttemptId, CarrierId>,
}

impl SipLine {
    pub(crate) fn new(router: RouterParts, events: mpsc::Receiver<LineEvent>) -> Self {
        // The shard's queue behind it has room for everything; this one is a hand-over.
        let (commands, queue) = mpsc::channel(64);
        let standings = router.standings.clone();
        let (sip, public) = (router.sip, router.public);
        let finder = Finder { commands: commands.clone(), sip, public };
        tokio::spawn(Router::new(router, queue).run());
        Self { commands, events, finder, standings, carriers: HashMap::new() }
    }

    /// Finds carriers as this line does, with what it knows.
    pub(crate) fn finder(&self) -> Finder {
        self.finder.clone()
    }

    async fn send(&self, command: Command) {
        // A router that is gone has closed the events too, which the runner notices.
        let _ = self.commands.send(command).await;
    }
}

/// Where carriers are, for those who place no call; cheap to clone.
#[derive(Clone)]
pub(crate) struct Finder {
    commands: mpsc::Sender<Command>,
    sip: SocketAddr,
    public: PublicAddress,
}

/// Where a carrier is, and who we are to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// In the order that they should be tried; never empty.
    pub(crate) peers: Vec<Peer>,
    /// What it is called: the name in its certificate.
    pub(crate) host: Arc<str>,
    pub(crate) contact: SocketAddr,
}

impl Finder {
    /// Looks a carrier up, or remembers; an error in words.
    pub(crate) async fn find(&self, settings: &CarrierSettings) -> Result<Found, String> {
        let hop = Hop::of(settings)?;
        let host = hop.host.as_str().into();
        let (answer, answered) = oneshot::channel();
        let gone = "the dialler is stopping";
        self.commands.send(Command::Find(hop, answer)).await.map_err(|_| gone)?;
        let peers = answered.await.map_err(|_| gone)??;
        let contact = ours::address_towards(peers[0].addr, self.public, self.sip)?;
        Ok(Found { peers, host, contact })
    }
}

impl Line for SipLine {
    async fn place(&mut self, placement: Box<Placement>) {
        self.carriers.insert(placement.attempt.id, placement.carrier.id);
        self.standings.called(placement.carrier.id);
        self.send(Command::Place(placement)).await;
    }

    async fn connect(&mut self, attempt: AttemptId) {
        self.send(Command::Shard(sip::Command::Connect(attempt))).await;
    }

    async fn abandon(&mut self, attempt: AttemptId) {
        self.send(Command::Shard(sip::Command::Abandon(attempt))).await;
    }

    async fn hang_up(&mut self, attempt: AttemptId) {
        self.send(Command::Shard(sip::Command::HangUp(attempt))).await;
    }

    async fn stop(&mut self) {
        self.send(Command::Shard(sip::Command::Stop)).await;
    }

    async fn next_event(&mut self) -> Option<LineEvent> {
        let (attempt, event) = self.events.recv().await?;
        if let Some(carrier) = self.carriers.get(&attempt) {
            self.standings.heard(*carrier, &event);
        }
        if let CallEvent::Ended(_) = event
            && let Some(carrier) = self.carriers.remove(&attempt)
        {
            self.standings.freed(carrier);
        }
        Some((attempt, event))
    }
}

/// How to reach a shard from async code.
#[derive(Clone)]
pub(crate) struct ShardHandle {
    pub(crate) commands: mpsc::Sender<sip::Command>,
    pub(crate) bell: Arc<Doorbell>,
}

impl ShardHandle {
    /// False when the shard is gone.
    pub(crate) async fn send(&self, command: sip::Command) -> bool {
        self.commands.send(command).await.is_ok() && self.bell.ring().is_ok()
    }
}

/// What the router is made from.
pub(crate) struct RouterParts {
    pub(crate) shard: ShardHandle,
    pub(crate) events: mpsc::Sender<LineEvent>,
    /// The address that SIP listens on, with its port.
    pub(crate) sip: SocketAddr,
    pub(crate) public: PublicAddress,
    pub(crate) name_servers: NameServers,
    /// Addresses that failed a moment ago, as the shard finds out.
    pub(crate) suspects: Suspects,
    pub(crate) standings: Standings,
    /// Calls that a 3xx sends elsewhere.
    pub(crate) redirects: mpsc::Receiver<sip::Redirected>,
}
