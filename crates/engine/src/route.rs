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
    ids::{AttemptId, CarrierId},
    scheduler::{CallEvent, Placement},
};
use tokio::sync::mpsc;

use crate::{
    config::PublicAddress,
    doorbell::Doorbell,
    line::{Line, LineEvent},
    sip,
};
pub(crate) use book::Suspects;
pub(crate) use dns::NameServers;
pub(crate) use locate::Reach;
pub(crate) use ours::local_ip;
use router::{Command, Router};
pub(crate) use standing::Standings;

/// The line that reaches real carriers.
pub(crate) struct SipLine {
    commands: mpsc::Sender<Command>,
    events: mpsc::Receiver<LineEvent>,
    standings: Standings,
    /// Whose calls are under way; as many as there are calls.
    carriers: HashMap<AttemptId, CarrierId>,
}

impl SipLine {
    pub(crate) fn new(router: RouterParts, events: mpsc::Receiver<LineEvent>) -> Self {
        // The shard's queue behind it has room for everything; this one is a hand-over.
        let (commands, queue) = mpsc::channel(64);
        let standings = router.standings.clone();
        tokio::spawn(Router::new(router, queue).run());
        Self { commands, events, standings, carriers: HashMap::new() }
    }

    async fn send(&self, command: Command) {
        // A router that is gone has closed the events too, which the runner notices.
        let _ = self.commands.send(command).await;
    }
}

impl Line for SipLine {
    async fn place(&mut self, placement: Box<Placement>) {
        self.carriers.insert(placement.attempt.id, placement.carrier.id);
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
        if let CallEvent::Ended(_) = event {
            self.carriers.remove(&attempt);
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
