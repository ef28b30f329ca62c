//! What the shard is asked, and how a call begins.

use std::{cmp::Reverse, net::SocketAddr, sync::Arc};

use campanile_domain::{
    ids::{AttemptId, CarrierId},
    outcome::Ending,
    scheduler::CallEvent,
    settings::Settings,
};
use campanile_wire::{
    message::Uri,
    sdp::{self, Codec},
    ua::{Invite, Peer, Ping, Registration, Transport},
};
use tokio::sync::oneshot;

use super::{LadderMessage, Parts, Shard, calls::Entry};
use crate::{
    bot::Script,
    call::{Call, Input},
    clock::Now,
    line::unplaced,
    media::{self, Stream},
};

/// What the runner's side asks.
pub(crate) enum Command {
    Dial(Box<Dial>),
    Connect(AttemptId),
    Abandon(AttemptId),
    HangUp(AttemptId),
    /// Where a redirected call goes on, and what its far end there is called; `None` when
    /// nowhere.
    Follow(AttemptId, Option<(Peer, Arc<str>, String)>),
    Ladder(AttemptId, oneshot::Sender<Vec<LadderMessage>>),
    /// Register with a carrier that is called so, or register anew.
    Register(CarrierId, Arc<str>, Box<Registration>),
    Unregister(CarrierId),
    /// Ask a carrier that is called so for a sign of life.
    Ping(CarrierId, Arc<str>, Box<Ping>),
    /// End every call, give its report, end every registration and the thread.
    Stop,
}

/// A call to be placed, with everything looked up.
pub(crate) struct Dial {
    pub(crate) attempt: AttemptId,
    pub(crate) settings: Arc<Settings>,
    pub(crate) script: Arc<Script>,
    /// What the next hop is called: the name in its certificate, and in alarms.
    pub(crate) host: Arc<str>,
    /// Where the far end reaches us: SIP there, audio on a port of the same address.
    pub(crate) contact: SocketAddr,
    pub(crate) codecs: Vec<Codec>,
    /// Lacks the SDP, which names the port.
    pub(crate) invite: Invite,
}

impl Shard {
    pub(super) fn obey(&mut self, command: Command, now: Now) {
        let (attempt, input) = match command {
            Command::Dial(dial) => return self.dial(*dial, now),
            Command::Connect(attempt) => (attempt, Input::Connect),
            Command::Abandon(attempt) => (attempt, Input::Abandon),
            Command::HangUp(attempt) => (attempt, Input::HangUp),
            Command::Ladder(attempt, answer) => {
                // Whoever asked may have gone away meanwhile.
                let _ = answer.send(self.ladder(attempt, now));
                return;
            }
            Command::Follow(attempt, to) => return self.follow(attempt, to, now),
            Command::Register(carrier, host, registration) => {
                return self.register(carrier, &host, *registration, now);
            }
            Command::Unregister(carrier) => return self.unregister(carrier, now),
            Command::Ping(carrier, host, ping) => return self.ping(carrier, &host, *ping, now),
            Command::Stop => return,
        };
        if let Some(place) = self.calls.place_of(attempt) {
            self.tell_call(place, input, now);
        }
    }

    fn dial(&mut self, dial: Dial, now: Now) {
        let (attempt, to) = (dial.attempt, dial.invite.to);
        match self.invite(dial, now) {
            Ok(()) => {
                if to.transport == Transport::Udp {
                    self.probes.called(to.addr, now.at);
                }
                self.drain(now);
            }
            Err((ending, why)) => {
                tracing::warn!(attempt.id = %attempt, "A call was not placed: {why}");
                let report = unplaced(attempt, ending, &why, now.wall);
                self.report(attempt, CallEvent::Ended(Box::new(report)));
            }
        }
    }

    /// Sends the INVITE, or says what to report instead and why. Trouble of this machine would
    /// be the same through every carrier.
    fn invite(&mut self, dial: Dial, now: Now) -> Result<(), (Ending, String)> {
        let ours = |why| (Ending::NoReply, why);
        let Dial { attempt, settings, script, host, contact, codecs, mut invite } = dial;
        if self.calls.len() >= self.parts.max_calls as usize {
            return Err(ours("every line of this machine is in use".into()));
        }
        self.name(&mut invite, &host, now).map_err(|why| (Ending::NoConnection, why))?;
        let contact = self.contact_over(invite.to, contact);
        let opened = self.parts.ports.open(now.at);
        let (port, socket) =
            opened.map_err(|error| ours(format!("no port for its audio: {error}")))?;
        invite.sdp = sdp::offer(&sdp::Local {
            addr: SocketAddr::new(contact.ip(), port),
            codecs: codecs.clone(),
            session: attempt.0.unsigned_abs(),
            version: 1,
        });
        let to = invite.to;
        let callee = Uri::parse(&invite.request_uri).and_then(|uri| uri.user).unwrap_or_default();
        let callee = callee.into();
        let key = match self.parts.agent.invite_from(now.at, contact, invite) {
            Ok(key) => key,
            Err(refused) => {
                self.parts.ports.give_back(port, now.at);
                return Err(ours(refused.to_string()));
            }
        };
        let events = self.parts.events.clone();
        let call = Call::new(attempt, settings, codecs, events, now.at);
        let listed = call.deadline();
        let place =
            self.calls.insert(attempt, Entry { call, key, to, callee, port, script, listed });
        if let Some(deadline) = listed {
            self.deadlines.push(Reverse((deadline, place, attempt)));
        }
        let stream = Stream::new(rand::random(), rand::random(), rand::random());
        self.media(place).send(media::Command::Open(place, socket, Box::new(stream)));
        Ok(())
    }

    /// Tells the connections what the carrier is called. An error when none of its addresses may
    /// be spoken to.
    fn name(&mut self, invite: &mut Invite, host: &Arc<str>, now: Now) -> Result<(), String> {
        if !invite.to.transport.is_reliable() {
            return Ok(());
        }
        self.parts.links.name(invite.to, host, now.at)?;
        invite.further.retain(|peer| self.parts.links.name(*peer, host, now.at).is_ok());
        Ok(())
    }

    /// Goes on with a call where a 3xx sent it.
    fn follow(&mut self, attempt: AttemptId, to: Option<(Peer, Arc<str>, String)>, now: Now) {
        let Some(place) = self.calls.place_of(attempt) else { return };
        let Some(Entry { key, .. }) = self.calls.get_mut(place) else { return };
        let key = *key;
        let Parts { links, agent, .. } = &mut self.parts;
        let named = to.filter(|(peer, host, _)| {
            !peer.transport.is_reliable() || links.name(*peer, host, now.at).is_ok()
        });
        match named {
            Some((peer, _, uri)) if agent.follow(now.at, key, peer, &uri).is_ok() => {
                self.calls.moved(place, peer);
            }
            _ => agent.hang_up(now.at, key),
        }
        self.drain(now);
    }

    pub(super) fn cut_all(&mut self, now: Now) {
        for place in self.calls.places() {
            if let Some(entry) = self.calls.get_mut(place) {
                entry.call.cut(now);
                self.carry_out(place, now);
            }
        }
        self.drain(now);
    }
}
