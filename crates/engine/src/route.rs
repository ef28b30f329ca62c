//! Finds the way to a carrier before a call reaches the shard: its address, ours as it
//! sees us, and what the SIP request says.
//!
//! Names are looked up here, in a task, with the calls to them waiting; the shard
//! never waits.

mod address;
mod request;

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use campanile_domain::{
    bot::Bot,
    carrier::Transport,
    ids::{AttemptId, BotId},
    outcome::Ending,
    scheduler::{CallEvent, Placement},
};
use jiff::Timestamp;
use mio::Waker;
use tokio::{
    sync::mpsc,
    task::{Id, JoinError, JoinSet},
};

use crate::{
    bot::Script,
    config::PublicAddress,
    line::{Line, LineEvent, unplaced},
    sip::{self, Dial},
};
pub(crate) use address::local_ip;
use address::{AddressBook, Family, Hop, Known};

/// The line that reaches real carriers.
pub(crate) struct SipLine {
    commands: mpsc::Sender<Command>,
    events: mpsc::Receiver<LineEvent>,
}

enum Command {
    Place(Box<Placement>),
    Shard(sip::Command),
}

impl SipLine {
    pub(crate) fn new(router: RouterParts, events: mpsc::Receiver<LineEvent>) -> Self {
        // The shard's queue behind it has room for everything; this one is a hand-over.
        let (commands, queue) = mpsc::channel(64);
        tokio::spawn(Router::new(router, queue).run());
        Self { commands, events }
    }

    async fn send(&self, command: Command) {
        // A router that is gone has closed the events too, which the runner notices.
        let _ = self.commands.send(command).await;
    }
}

impl Line for SipLine {
    async fn place(&mut self, placement: Box<Placement>) {
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
        self.events.recv().await
    }
}

/// How to reach a shard from async code.
#[derive(Clone)]
pub(crate) struct ShardHandle {
    pub(crate) commands: mpsc::Sender<sip::Command>,
    pub(crate) waker: Arc<Waker>,
}

impl ShardHandle {
    /// False when the shard is gone.
    pub(crate) async fn send(&self, command: sip::Command) -> bool {
        self.commands.send(command).await.is_ok() && self.waker.wake().is_ok()
    }
}

/// What the router is made from.
pub(crate) struct RouterParts {
    pub(crate) shard: ShardHandle,
    pub(crate) events: mpsc::Sender<LineEvent>,
    /// The address that SIP listens on, with its port.
    pub(crate) sip: SocketAddr,
    pub(crate) public: PublicAddress,
}

struct Router {
    parts: RouterParts,
    queue: mpsc::Receiver<Command>,
    book: AddressBook,
    /// Calls whose carrier's name is being looked up.
    waiting: HashMap<Hop, Vec<Placement>>,
    lookups: JoinSet<Result<SocketAddr, String>>,
    hops: HashMap<Id, Hop>,
    scripts: HashMap<BotId, Prepared>,
}

/// A bot's script, or why there is none, and the settings it was made from.
struct Prepared {
    bot: Arc<Bot>,
    script: Result<Arc<Script>, String>,
}

impl Router {
    fn new(parts: RouterParts, queue: mpsc::Receiver<Command>) -> Self {
        Self {
            parts,
            queue,
            book: AddressBook::default(),
            waiting: HashMap::new(),
            lookups: JoinSet::new(),
            hops: HashMap::new(),
            scripts: HashMap::new(),
        }
    }

    async fn run(mut self) {
        loop {
            tokio::select! {
                command = self.queue.recv() => match command {
                    Some(Command::Place(placement)) => self.place(placement).await,
                    Some(Command::Shard(sip::Command::Stop)) | None => return self.stop().await,
                    Some(Command::Shard(command)) => self.forward(command).await,
                },
                Some(found) = self.lookups.join_next_with_id() => self.found(found).await,
            }
        }
    }

    async fn place(&mut self, placement: Box<Placement>) {
        let settings = &placement.carrier.settings;
        if settings.transport != Transport::Udp {
            let transport = settings.transport.word();
            let why = format!("the carrier asks for SIP over {transport}, which is not spoken yet");
            return self.fail(&placement, Ending::NoReply, &why).await;
        }
        let hop = match Hop::of(settings) {
            Ok(hop) => hop,
            Err(why) => return self.fail(&placement, Ending::NoReply, &why).await,
        };
        match self.book.look_up(&hop) {
            Known::Is(to) => self.dial(*placement, to).await,
            Known::Not(why) => self.fail(&placement, Ending::NoReply, &why).await,
            Known::Unasked => {
                let waiting = self.waiting.entry(hop.clone()).or_default();
                waiting.push(*placement);
                if waiting.len() == 1 {
                    let handle =
                        self.lookups.spawn(hop.clone().resolve(Family::of(self.parts.sip)));
                    self.hops.insert(handle.id(), hop);
                }
            }
        }
    }

    async fn found(&mut self, found: Result<(Id, Result<SocketAddr, String>), JoinError>) {
        let (id, answer) = match found {
            Ok((id, answer)) => (id, answer),
            Err(error) => (error.id(), Err(format!("looking up the carrier failed: {error}"))),
        };
        let Some(hop) = self.hops.remove(&id) else { return };
        let answer = self.book.note(&hop, answer);
        for placement in self.waiting.remove(&hop).unwrap_or_default() {
            match &answer {
                Ok(to) => self.dial(placement, *to).await,
                Err(why) => self.fail(&placement, Ending::NoReply, why).await,
            }
        }
    }

    async fn forward(&mut self, command: sip::Command) {
        if let sip::Command::HangUp(attempt) = &command
            && let Some(placement) = self.take_waiting(*attempt)
        {
            return self.fail(&placement, Ending::NotSent, "").await;
        }
        self.parts.shard.send(command).await;
    }

    /// Reports what never reached the shard and stops that. The events end when both
    /// are gone.
    async fn stop(mut self) {
        let waiting: Vec<_> = self.waiting.drain().flat_map(|(_, calls)| calls).collect();
        for placement in waiting {
            self.fail(&placement, Ending::NotSent, "").await;
        }
        self.parts.shard.send(sip::Command::Stop).await;
    }

    fn take_waiting(&mut self, attempt: AttemptId) -> Option<Placement> {
        self.waiting.values_mut().find_map(|calls| {
            let index = calls.iter().position(|waiting| waiting.attempt.id == attempt)?;
            Some(calls.swap_remove(index))
        })
    }

    async fn dial(&mut self, placement: Placement, to: SocketAddr) {
        let (ours, theirs) = (Family::of(self.parts.sip), Family::of(to));
        if ours != theirs {
            let why = format!("the carrier is at {to}, and --sip speaks {ours} only");
            return self.fail(&placement, Ending::NoReply, &why).await;
        }
        let script = match self.script(&placement.bot) {
            Ok(script) => script,
            Err(why) => {
                let ending = Ending::Connected { bot_failed: true };
                return self.fail(&placement, ending, &why).await;
            }
        };
        let ip = match self.parts.public {
            PublicAddress::Ip(ip) => ip,
            PublicAddress::Auto if !self.parts.sip.ip().is_unspecified() => self.parts.sip.ip(),
            PublicAddress::Auto => match local_ip(to) {
                Ok(ip) => ip,
                Err(error) => {
                    let why = format!("there is no route to the carrier at {to}: {error}");
                    return self.fail(&placement, Ending::NoReply, &why).await;
                }
            },
        };
        let contact = SocketAddr::new(ip, self.parts.sip.port());
        let invite = request::invite(&placement, to, contact);
        let codecs = request::codecs(&placement.carrier.settings);
        let Placement { attempt, settings, .. } = placement;
        let attempt = attempt.id;
        let dial = Dial { attempt, settings, script, to, contact, codecs, invite };
        self.parts.shard.send(sip::Command::Dial(Box::new(dial))).await;
    }

    /// The script of a bot, made once for all calls of the same settings.
    fn script(&mut self, bot: &Arc<Bot>) -> Result<Arc<Script>, String> {
        if let Some(prepared) = self.scripts.get(&bot.id)
            && (Arc::ptr_eq(&prepared.bot, bot) || prepared.bot == *bot)
        {
            return prepared.script.clone();
        }
        let script = Script::of(bot).map(Arc::new);
        self.scripts.insert(bot.id, Prepared { bot: bot.clone(), script: script.clone() });
        script
    }

    async fn fail(&self, placement: &Placement, ending: Ending, why: &str) {
        let attempt = placement.attempt.id;
        if ending != Ending::NotSent {
            tracing::warn!(attempt.id = %attempt, "A call was not placed: {why}");
        }
        let report = unplaced(attempt, ending, why, Timestamp::now());
        // A runner that is gone takes no reports.
        let _ = self.parts.events.send((attempt, CallEvent::Ended(Box::new(report)))).await;
    }
}
