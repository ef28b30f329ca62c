//! The task between the runner and the shard: calls wait here for the address of their
//! carrier, and for nothing else.

use std::{collections::HashMap, sync::Arc};

use campanile_domain::{
    bot::Bot,
    ids::{AttemptId, BotId, CarrierId},
    outcome::Ending,
    scheduler::{CallEvent, Placement},
};
use campanile_wire::ua::Peer;
use jiff::Timestamp;
use rand::{SeedableRng, rngs::StdRng};
use tokio::{
    sync::{mpsc, oneshot},
    task::{Id, JoinError, JoinSet},
    time::Instant,
};

use super::{
    Reach, RouterParts,
    book::{AddressBook, Known},
    choice::{self, Site},
    hop::Hop,
    locate::{Located, Unlocated, locate},
    ours, request,
};
use crate::{
    bot::Script,
    line::unplaced,
    sip::{self, Dial, Redirected},
};

pub(super) enum Command {
    Place(Box<Placement>),
    /// Where is it? For those who place no call.
    Find(Hop, oneshot::Sender<Result<Vec<Peer>, String>>),
    Shard(sip::Command),
}

pub(super) struct Router {
    parts: RouterParts,
    reach: Reach,
    queue: mpsc::Receiver<Command>,
    book: AddressBook,
    /// Calls and questions whose hop is being looked up.
    waiting: HashMap<Hop, Vec<Waiting>>,
    lookups: JoinSet<Result<Located, Unlocated>>,
    hops: HashMap<Id, Hop>,
    scripts: HashMap<BotId, Prepared>,
    /// Where each carrier was last said to be; as many as carriers were used.
    shown: HashMap<CarrierId, Box<[Site]>>,
    random: StdRng,
}

enum Waiting {
    Call(Box<Placement>),
    Question(oneshot::Sender<Result<Vec<Peer>, String>>),
    /// A call may go on at `uri`, or else where the rest of its 3xx points.
    Redirect {
        uri: String,
        rest: Redirected,
    },
}

/// A bot's script, or why there is none, and the settings it was made from.
struct Prepared {
    bot: Arc<Bot>,
    script: Result<Arc<Script>, String>,
}

impl Router {
    pub(super) fn new(parts: RouterParts, queue: mpsc::Receiver<Command>) -> Self {
        Self {
            reach: Reach::of(parts.sip),
            parts,
            queue,
            book: AddressBook::default(),
            waiting: HashMap::new(),
            lookups: JoinSet::new(),
            hops: HashMap::new(),
            scripts: HashMap::new(),
            shown: HashMap::new(),
            random: StdRng::seed_from_u64(rand::random()),
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            let renewal = self.book.next();
            tokio::select! {
                command = self.queue.recv() => match command {
                    Some(Command::Place(placement)) => self.place(placement).await,
                    Some(Command::Find(hop, answer)) => {
                        self.enter(hop, Waiting::Question(answer)).await;
                    }
                    Some(Command::Shard(sip::Command::Stop)) | None => return self.stop().await,
                    Some(Command::Shard(command)) => self.forward(command).await,
                },
                Some(found) = self.lookups.join_next_with_id() => self.found(found).await,
                Some(redirected) = self.parts.redirects.recv() => self.redirect(redirected).await,
                () = until(renewal) => {
                    for hop in self.book.due(Instant::now()) {
                        self.ask(hop);
                    }
                }
            }
        }
    }

    async fn place(&mut self, placement: Box<Placement>) {
        match Hop::of(&placement.carrier.settings) {
            Ok(hop) => self.enter(hop, Waiting::Call(placement)).await,
            Err(why) => self.fail(&placement, Ending::NoConnection, &why).await,
        }
    }

    /// Finds the first of the places that a 3xx points to.
    async fn redirect(&mut self, mut redirected: Redirected) {
        while !redirected.contacts.is_empty() {
            let uri = redirected.contacts.remove(0);
            if let Some(hop) = Hop::of_uri(&uri, redirected.transport) {
                let waiting = Waiting::Redirect { uri, rest: redirected };
                return Box::pin(self.enter(hop, waiting)).await;
            }
        }
        self.parts.shard.send(sip::Command::Follow(redirected.attempt, None)).await;
    }

    /// Goes on at once where the hop's address is known, else waits for it.
    async fn enter(&mut self, hop: Hop, waiting: Waiting) {
        match self.book.look_up(&hop, Instant::now()) {
            Known::Is(sites) => self.go_on(&hop, waiting, Ok(&sites)).await,
            Known::Not(why) => self.go_on(&hop, waiting, Err(&why)).await,
            Known::Wait => self.waiting.entry(hop).or_default().push(waiting),
            Known::Ask => {
                self.waiting.entry(hop.clone()).or_default().push(waiting);
                self.ask(hop);
            }
        }
    }

    fn ask(&mut self, hop: Hop) {
        let lookup = locate(self.parts.name_servers.clone(), hop.clone(), self.reach);
        let handle = self.lookups.spawn(lookup);
        self.hops.insert(handle.id(), hop);
    }

    async fn found(&mut self, found: Result<(Id, Result<Located, Unlocated>), JoinError>) {
        let (id, answer) = match found {
            Ok((id, answer)) => (id, answer),
            Err(error) => (error.id(), Err(Unlocated::by_bug(&error))),
        };
        let Some(hop) = self.hops.remove(&id) else { return };
        if let Err(Unlocated { why, .. }) = &answer {
            tracing::warn!(carrier.host = hop.host, "A carrier was not found: {why}");
        }
        let answer = self.book.note(&hop, answer, Instant::now());
        for waiting in self.waiting.remove(&hop).unwrap_or_default() {
            let answer = answer.as_ref().map(|sites| &**sites).map_err(String::as_str);
            self.go_on(&hop, waiting, answer).await;
        }
    }

    async fn go_on(&mut self, hop: &Hop, waiting: Waiting, answer: Result<&[Site], &str>) {
        let sites = answer.ok();
        let peers = answer.map_err(str::to_owned).and_then(|sites| self.peers(hop, sites));
        match (waiting, peers) {
            (Waiting::Call(placement), Ok(peers)) => {
                self.show(placement.carrier.id, sites.unwrap_or_default(), &peers);
                self.dial(*placement, hop, peers).await;
            }
            (Waiting::Redirect { uri, rest }, Ok(peers)) => {
                let to = (peers[0], hop.host.as_str().into(), uri);
                self.parts.shard.send(sip::Command::Follow(rest.attempt, Some(to))).await;
            }
            (Waiting::Redirect { rest, .. }, Err(_)) => self.redirect(rest).await,
            (Waiting::Call(placement), Err(why)) => {
                self.fail(&placement, Ending::NoConnection, &why).await;
            }
            (Waiting::Question(answer), peers) => {
                // Whoever asked may have gone away meanwhile.
                let _ = answer.send(peers);
            }
        }
    }

    /// Shows where a carrier is, each time that it is elsewhere.
    fn show(&mut self, carrier: CarrierId, sites: &[Site], peers: &[Peer]) {
        if self.shown.get(&carrier).is_none_or(|shown| **shown != *sites) {
            self.shown.insert(carrier, sites.into());
            self.parts.standings.located(carrier, peers);
        }
    }

    /// What a call tries, in order; never empty. All are of one family, for all are told
    /// the same address of ours.
    fn peers(&mut self, hop: &Hop, sites: &[Site]) -> Result<Vec<Peer>, String> {
        let suspects = &self.parts.suspects;
        let mut order = choice::order(sites, &mut self.random, |address| suspects.holds(address));
        let wanted = order.first().copied();
        order.retain(|address| self.reach.covers(*address));
        let Some(first) = order.first().copied() else {
            let at = wanted.map_or_else(|| hop.host.clone(), |address| address.to_string());
            return Err(format!("the carrier is at {at}, and --sip speaks {} only", self.reach));
        };
        order.retain(|address| address.is_ipv4() == first.is_ipv4());
        Ok(order.into_iter().map(|addr| Peer { transport: hop.transport, addr }).collect())
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
        for waiting in self.waiting.drain().flat_map(|(_, waiting)| waiting).collect::<Vec<_>>() {
            if let Waiting::Call(placement) = waiting {
                self.fail(&placement, Ending::NotSent, "").await;
            }
        }
        self.parts.shard.send(sip::Command::Stop).await;
    }

    fn take_waiting(&mut self, attempt: AttemptId) -> Option<Box<Placement>> {
        let is_it = |waiting: &Waiting| matches!(waiting, Waiting::Call(placement) if placement.attempt.id == attempt);
        self.waiting.values_mut().find_map(|waiting| {
            let index = waiting.iter().position(is_it)?;
            match waiting.swap_remove(index) {
                Waiting::Call(placement) => Some(placement),
                Waiting::Question(_) | Waiting::Redirect { .. } => None,
            }
        })
    }

    async fn dial(&mut self, placement: Placement, hop: &Hop, peers: Vec<Peer>) {
        let script = match self.script(&placement.bot) {
            Ok(script) => script,
            Err(why) => {
                let ending = Ending::Connected { bot_failed: true };
                return self.fail(&placement, ending, &why).await;
            }
        };
        let to = peers[0].addr;
        let contact = match ours::address_towards(to, self.parts.public, self.parts.sip) {
            Ok(contact) => contact,
            Err(why) => return self.fail(&placement, Ending::NoConnection, &why).await,
        };
        let invite = request::invite(&placement, peers, contact);
        let codecs = request::codecs(&placement.carrier.settings);
        let Placement { attempt, settings, .. } = placement;
        let attempt = attempt.id;
        let host = hop.host.as_str().into();
        let dial = Dial { attempt, settings, script, host, contact, codecs, invite };
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

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
