//! The user agent: places calls, and for the simulated carrier takes them.
//!
//! It is told what happened (`handle_*`), asked what to send (`poll_transmit`), what to tell
//! (`poll_event`, `poll_registration`, `poll_ping`) and when to wake it (`poll_timeout`). One
//! owner, no locks. The queues are bounded by being emptied: each call of a method adds a few
//! entries a call at most.

mod account;
mod agenda;
mod asking;
mod beside;
mod call;
mod callee;
mod caller;
mod compose;
mod config;
mod dialog;
mod event;
mod ladder;
mod legs;
mod lone;
mod outside;
mod peer;
mod ping;
mod placing;
mod registration;
mod renewal;
mod session;
mod slab;
mod taking;
mod within;

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    time::Duration,
};

use self::{
    agenda::{Agenda, Timer},
    beside::Beside,
    call::{COOKIE, Call, Came, Common, Shared, Side},
    outside::Gate,
    placing::Caller,
    session::{MIN_SE, Wish},
    slab::Slab,
    taking::Callee,
    within::EXTENSIONS,
};
use crate::{
    message::{self, Name, NameAddr, Start, Uri, Via},
    time::Time,
    tokens::Tokens,
};
pub use config::{Auth, Invite, Refused, Timers, UaConfig};
pub use event::{EndCause, Ended, Event, IncomingInvite, Means, Redirect, Transmit};
pub use ladder::{Flow, Message};
pub use peer::{Peer, Transport};
pub use ping::{Ping, PingKey};
pub use registration::{Registration, RegistrationEvent, RegistrationKey};
pub use slab::CallKey;

/// A SIP user agent (RFC 3261) over whatever its owner has: UDP, TCP, TLS.
pub struct UserAgent {
    calls: Slab<Call>,
    /// INVITEs that came, by transaction; for their repetitions and CANCELs.
    transactions: BTreeMap<Box<str>, CallKey>,
    shared: Shared,
    gate: Gate,
    beside: Beside,
}

impl UserAgent {
    /// A user agent without calls. `seed` makes its branches and tags; keep it secret, and take a
    /// new one for each process, or a restarted process repeats the branches of the one before.
    pub fn new(mut config: UaConfig, seed: [u8; 32]) -> Self {
        config.user_agent.retain(|c| !c.is_control());
        // Without a wait between two repetitions there would be no end of them.
        config.timers.t1 = config.timers.t1.max(Duration::from_millis(1));
        config.timers.t2 = config.timers.t2.max(config.timers.t1);
        Self {
            calls: Slab::new(),
            transactions: BTreeMap::new(),
            shared: Shared {
                config,
                tokens: Tokens::new(seed),
                agenda: Agenda::default(),
                transmits: VecDeque::new(),
                events: VecDeque::new(),
                live: 0,
                lingering: VecDeque::new(),
            },
            gate: Gate::new(),
            beside: Beside::new(),
        }
    }

    /// A message came from `from`: a datagram, or what was framed on a connection. What is not
    /// SIP is ignored, what is faulty is answered where RFC 3261 asks for an answer; nothing in
    /// it can make this panic.
    pub fn handle_message(&mut self, now: Time, from: Peer, bytes: &[u8]) {
        let Ok(message) = message::Message::scan(bytes) else { return };
        let envelope = match message.check() {
            Ok(envelope) => envelope,
            Err(fault) => return self.refuse_faulty(now, &message, fault, from),
        };
        let came = Came { message: &message, envelope: &envelope, from };
        match message.start {
            Start::Response { code, .. } => self.response(now, code, came, bytes),
            Start::Request { method, uri, .. } => self.request(now, method, uri, came, bytes),
        }
        self.release_the_oldest();
    }

    /// Nothing that was sent to `to` of late reached it: an ICMP error, or a far end that lets
    /// every connection fall. Calls that it never answered end as [`EndCause::NoReply`]; over
    /// UDP they go to the next of their addresses first. A BYE to it is not waited for.
    pub fn handle_unreachable(&mut self, now: Time, to: Peer) {
        self.unreachable(now, to, false);
    }

    /// No connection to `to` came about, so that nothing left that was sent to it since
    /// [`handle_broken`](Self::handle_broken) or the beginning. Calls to it go to the next of
    /// their addresses, or end as [`EndCause::NoConnection`]; a call of which something left
    /// before, over a connection that broke, ends as [`EndCause::NoReply`].
    pub fn handle_unconnected(&mut self, now: Time, to: Peer) {
        self.unreachable(now, to, true);
    }

    fn unreachable(&mut self, now: Time, to: Peer, never_left: bool) {
        self.each_caller(|caller, common, shared| {
            caller.unreachable(common, shared, now, to, never_left);
        });
        self.beside.unreachable(&mut self.shared, now, to);
    }

    /// A connection that was up broke. Nobody knows what of the last messages arrived, so each
    /// request that waits for its answer is sent once more, byte for byte, which makes a new
    /// connection: who had it takes it for a repetition (RFC 3261 17.2.3), and no callee is
    /// rung twice. If the new connection cannot be made, `handle_unconnected` is to follow.
    ///
    /// Calls that are up stay up. One that rings ends as [`EndCause::NoReply`] (RFC 3261 17.1.4,
    /// 18.4): its answer has lost its way. CANCEL goes to the far end over a new connection, and
    /// an answer that comes all the same is acknowledged and hung up.
    pub fn handle_broken(&mut self, now: Time, to: Peer) {
        self.each_caller(|caller, common, shared| caller.broken(common, shared, now, to));
        self.beside.broken(&mut self.shared, to);
    }

    fn each_caller(&mut self, mut act: impl FnMut(&mut Caller, &mut Common, &mut Shared)) {
        let keys: Vec<_> = self.calls.keys().collect();
        for key in keys {
            if let Some(Call { common, side: Side::Caller(caller) }) = self.calls.get_mut(key) {
                act(caller, common, &mut self.shared);
            }
        }
        self.release_the_oldest();
    }

    /// The time that `poll_timeout` asked for has come. Too early does no harm.
    pub fn handle_timeout(&mut self, now: Time) {
        self.beside.wake(&mut self.shared, now);
        while let Some((key, timer)) = self.due(now) {
            let Some(call) = self.calls.get_mut(key) else { continue };
            call.common.stop(&mut self.shared, timer);
            if timer == Timer::Release {
                self.release(key);
                continue;
            }
            let Call { common, side } = call;
            match side {
                Side::Caller(caller) => caller.wake(common, &mut self.shared, now, timer),
                Side::Callee(callee) => callee.wake(common, &mut self.shared, now, timer),
            }
        }
        self.release_the_oldest();
    }

    /// Places a call. The INVITE is the first of the datagrams that follow.
    pub fn invite(&mut self, now: Time, invite: Invite) -> Result<CallKey, Refused> {
        self.invite_from(now, self.shared.config.contact, invite)
    }

    /// Places a call whose Via and Contact say `contact` rather than what the config says: a
    /// machine with several addresses is reached by each carrier at the one that it sees.
    pub fn invite_from(
        &mut self,
        now: Time,
        contact: SocketAddr,
        invite: Invite,
    ) -> Result<CallKey, Refused> {
        if self.shared.live >= self.shared.config.max_calls {
            return Err(Refused::Full);
        }
        compose::check(&invite)?;
        self.shared.live += 1;
        let shared = &mut self.shared;
        Ok(self.calls.insert_with(|key| {
            let tag = key.token(shared.tokens.next());
            let transport = invite.to.transport;
            let mut common = Common::new(key, &invite.call_id, tag, contact, transport, true, now);
            let caller = Caller::start(&mut common, shared, now, invite);
            Call { common, side: Side::Caller(Box::new(caller)) }
        }))
    }

    /// Takes an unanswered call back: CANCEL, as soon as a provisional allows it (RFC 3261 9.1).
    /// Without effect on an answered or ended call.
    pub fn cancel(&mut self, now: Time, call: CallKey) {
        if let Some(Call { common, side: Side::Caller(caller) }) = self.calls.get_mut(call) {
            caller.input(common, &mut self.shared, now, caller::Input::Cancel, None);
        }
    }

    /// Ends a call in whatever state it is: CANCEL, BYE or a refusal, whichever is right.
    pub fn hang_up(&mut self, now: Time, call: CallKey) {
        let Some(Call { common, side }) = self.calls.get_mut(call) else { return };
        match side {
            Side::Caller(caller) => {
                caller.input(common, &mut self.shared, now, caller::Input::HangUp, None);
            }
            Side::Callee(callee) => {
                callee.input(common, &mut self.shared, now, callee::Input::HangUp, None);
            }
        }
    }

    /// The same; a BYE tells the far end why, as `Reason: SIP ;cause=488` (RFC 3326): the final
    /// answer that `code` and `text` would be to a request.
    pub fn hang_up_because(&mut self, now: Time, call: CallKey, code: u16, text: &'static str) {
        if let Some(Call { common, .. }) = self.calls.get_mut(call) {
            common.farewell = Some((code, text));
        }
        self.hang_up(now, call);
    }

    /// After [`Event::Redirected`]: places the call at `to`, where `uri` leads, as its owner
    /// resolved it. It keeps its Call-ID; credentials and the outbound proxy's Route go along
    /// only if `to` is an address of the call's own carrier. Without effect on a call that waits
    /// for no such decision.
    pub fn follow(&mut self, now: Time, call: CallKey, to: Peer, uri: &str) -> Result<(), Refused> {
        if Uri::parse(uri).is_none() {
            return Err(Refused::InvalidHeader("the request URI"));
        }
        if let Some(Call { common, side: Side::Caller(caller) }) = self.calls.get_mut(call) {
            caller.follow(common, &mut self.shared, now, to, uri);
        }
        Ok(())
    }

    /// Offers `sdp` within the call (hold, another address or codec), by re-INVITE or UPDATE; with
    /// UPDATE the called side may do so before the answer, after `ring_reliably` with a
    /// description. [`Event::Reanswered`] says what became of it. False when the call is not up,
    /// or an offer or refresh is under way.
    pub fn renegotiate(&mut self, now: Time, call: CallKey, means: Means, sdp: Vec<u8>) -> bool {
        let Some(Call { common, side }) = self.calls.get_mut(call) else { return false };
        let up = match side {
            Side::Caller(caller) => caller.is_up(),
            Side::Callee(callee) => callee.may_offer(means),
        };
        up && common.renew(&mut self.shared, now, means, Some(sdp), true)
    }

    /// Called side: as `ring`, and wants it acknowledged by PRACK (RFC 3262) if the caller can
    /// do that. One at a time: without effect while the one before is not acknowledged.
    pub fn ring_reliably(&mut self, now: Time, call: CallKey, code: u16, sdp: Option<Vec<u8>>) {
        if let Some(Call { common, side: Side::Callee(callee) }) = self.calls.get_mut(call) {
            callee.ring_reliably(common, &mut self.shared, now, code, sdp.as_deref());
        }
    }

    /// Called side: answers 180 or 183, perhaps with early media. Without effect once the call
    /// has its final answer.
    pub fn ring(&mut self, now: Time, call: CallKey, code: u16, sdp: Option<Vec<u8>>) {
        if let Some(Call { common, side: Side::Callee(callee) }) = self.calls.get_mut(call) {
            callee.ring(common, &mut self.shared, now, code, sdp.as_deref());
        }
    }

    /// Called side: answers 200. Without effect once the call has its final answer.
    pub fn answer(&mut self, now: Time, call: CallKey, sdp: Vec<u8>) {
        if let Some(Call { common, side: Side::Callee(callee) }) = self.calls.get_mut(call) {
            callee.answer(common, &mut self.shared, now, sdp);
        }
    }

    /// Called side: refuses with a final code of 300 or more, with further headers. Without
    /// effect once the call has its final answer.
    pub fn reject(&mut self, now: Time, call: CallKey, code: u16, headers: &[(&str, String)]) {
        if let Some(Call { common, side: Side::Callee(callee) }) = self.calls.get_mut(call) {
            let headers: Vec<_> =
                headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            callee.reject(common, &mut self.shared, now, code, &headers);
        }
    }

    /// The next datagram to send; empty the queue after every call of the other methods.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.shared.transmits.pop_front()
    }

    /// The next thing that happened; empty the queue after every call of the other methods.
    pub fn poll_event(&mut self) -> Option<(CallKey, Event)> {
        self.shared.events.pop_front()
    }

    /// When to call `handle_timeout`, at the latest; `None` while nothing is under way.
    pub fn poll_timeout(&mut self) -> Option<Time> {
        let call = self.next_timer().map(|(at, _, _)| at);
        [call, self.beside.next()].into_iter().flatten().min()
    }

    /// The last messages of a call, oldest first, until it is [`Event::Released`].
    pub fn ladder(&self, call: CallKey) -> Vec<Message> {
        self.calls.get(call).map(|call| call.common.ring().messages()).unwrap_or_default()
    }

    /// As [`UserAgent::ladder`], and forgets them: an ended call lingers for 32 s, its messages
    /// need not.
    pub fn take_ladder(&mut self, call: CallKey) -> Vec<Message> {
        let Some(call) = self.calls.get_mut(call) else { return Vec::new() };
        let messages = call.common.ring().messages();
        call.common.ring_mut().clear();
        messages
    }

    /// Called side: how often the INVITE of a call came again, until it is released.
    pub fn invite_repeats(&self, call: CallKey) -> u32 {
        match self.calls.get(call) {
            Some(Call { side: Side::Callee(callee), .. }) => callee.repeats,
            _ => 0,
        }
    }

    /// Calls that have not ended.
    pub fn live_calls(&self) -> usize {
        self.shared.live
    }

    /// Calls that are kept, those included that only answer stragglers.
    pub fn kept_calls(&self) -> usize {
        self.calls.len()
    }

    fn response(&mut self, now: Time, code: u16, came: Came<'_>, bytes: &[u8]) {
        // Our branch names the call; its random part, the tag and the Call-ID prove that the
        // answer is meant for it.
        let branch = came.envelope.via.branch.unwrap_or_default();
        let Some(token) = branch.strip_prefix(COOKIE) else { return };
        if self.beside.response(&mut self.shared, now, token, code, came) {
            return;
        }
        let Some(key) = CallKey::of_token(token) else { return };
        let Some(Call { common, side }) = self.calls.get_mut(key) else { return };
        let ours =
            *common.call_id == *came.envelope.call_id && common.local_tag == came.tag_of_from();
        let asked = self.shared.config.answers_from_anywhere || common.was_asked(came.from);
        if !ours || !asked {
            return;
        }
        common.received(&self.shared, now, bytes);
        match side {
            Side::Caller(caller) => caller.response(common, &mut self.shared, now, code, came),
            Side::Callee(callee) => callee.response(common, &mut self.shared, now, code, came),
        }
    }

    fn request(&mut self, now: Time, method: &str, uri: &str, came: Came<'_>, bytes: &[u8]) {
        if let Some(tag) = came.envelope.to_tag {
            let key = CallKey::of_token(tag);
            let call = key.and_then(|key| self.calls.get_mut(key)).filter(|call| {
                call.common.local_tag == tag && *call.common.call_id == *came.envelope.call_id
            });
            return match call {
                Some(call) => call.request(&mut self.shared, now, came, bytes),
                None => self.refuse(now, 481, came, &[]),
            };
        }
        let known = match method {
            "INVITE" | "CANCEL" => {
                let transaction = transaction(came);
                let known = self.transactions.get(&*transaction).copied();
                if known.is_none() && method == "INVITE" {
                    return self.incoming(now, uri, transaction, came, bytes);
                }
                known
            }
            _ => None,
        };
        let Some(call) = known.and_then(|key| self.calls.get_mut(key)) else {
            return self.stranger(now, method, came);
        };
        match &mut call.side {
            Side::Callee(callee) if method == "INVITE" => {
                call.common.received(&self.shared, now, bytes);
                callee.repeated(&mut call.common, &mut self.shared, now);
            }
            _ => call.request(&mut self.shared, now, came, bytes),
        }
    }

    fn incoming(
        &mut self,
        now: Time,
        uri: &str,
        transaction: Box<str>,
        came: Came<'_>,
        bytes: &[u8],
    ) {
        if !self.shared.config.accept_calls {
            return self.refuse(now, 480, came, &[]);
        }
        if let Some(unknown) = came.message.required_beyond(EXTENSIONS) {
            return self.refuse(now, 420, came, &[("Unsupported", &unknown)]);
        }
        if Wish::of(came.message).is_too_short() {
            return self.refuse(now, 422, came, &[("Min-SE", &MIN_SE.to_string())]);
        }
        if self.shared.live >= self.shared.config.max_calls {
            return self.refuse(now, 503, came, &[("Retry-After", "1")]);
        }
        self.shared.live += 1;
        let shared = &mut self.shared;
        let key = self.calls.insert_with(|key| {
            let tag = key.token(shared.tokens.next());
            let (call_id, contact) = (came.envelope.call_id, shared.config.contact);
            let mut common =
                Common::new(key, call_id, tag, contact, came.from.transport, false, now);
            common.received(shared, now, bytes);
            let callee = Callee::start(&mut common, shared, now, transaction.clone(), came);
            Call { common, side: Side::Callee(Box::new(callee)) }
        });
        self.transactions.insert(transaction, key);
        let user_of = |uri: &str| Uri::parse(uri).and_then(|uri| uri.user).unwrap_or("").to_owned();
        let from = came.message.get(Name::From).and_then(NameAddr::parse);
        let text =
            |name| came.message.get(name).map(|value| String::from_utf8_lossy(value).into_owned());
        let invite = IncomingInvite {
            from: came.from,
            caller: from.map(|from| user_of(from.uri)).unwrap_or_default(),
            callee: user_of(uri),
            request_uri: uri.to_owned(),
            call_id: came.envelope.call_id.to_owned(),
            sdp: came.sdp(),
            authorization: text(Name::Authorization).or_else(|| text(Name::ProxyAuthorization)),
        };
        self.shared.events.push_back((key, Event::Incoming(invite)));
    }

    fn next_timer(&mut self) -> Option<(Time, CallKey, Timer)> {
        let calls = &self.calls;
        self.shared
            .agenda
            .next(|key, timer, at| calls.get(key).is_some_and(|call| call.common.wants(timer, at)))
    }

    fn due(&mut self, now: Time) -> Option<(CallKey, Timer)> {
        self.next_timer().filter(|(at, _, _)| *at <= now).map(|(_, key, timer)| (key, timer))
    }

    fn release(&mut self, key: CallKey) {
        let Some(mut call) = self.calls.remove(key) else { return };
        call.common.stop_all(&mut self.shared);
        if let Side::Callee(callee) = &call.side {
            self.transactions.remove(&callee.transaction);
        }
        self.shared.events.push_back((key, Event::Released));
        while self.shared.lingering.front().is_some_and(|key| self.calls.get(*key).is_none()) {
            self.shared.lingering.pop_front();
        }
    }

    fn release_the_oldest(&mut self) {
        while self.shared.lingering.len() > self.shared.config.max_lingering {
            match self.shared.lingering.pop_front() {
                Some(key) => self.release(key),
                None => return,
            }
        }
    }
}

impl Call {
    fn request(&mut self, shared: &mut Shared, now: Time, came: Came<'_>, bytes: &[u8]) {
        let Self { common, side } = self;
        common.received(shared, now, bytes);
        match side {
            Side::Caller(caller) => caller.request(common, shared, now, came),
            Side::Callee(callee) => callee.request(common, shared, now, came),
        }
    }
}

/// What an INVITE, its repetitions and its CANCEL have in common (RFC 3261 17.2.3), for branches
/// of before RFC 3261 too.
fn transaction(came: Came<'_>) -> Box<str> {
    let Via { host, port, branch, .. } = came.envelope.via;
    let (call_id, cseq) = (came.envelope.call_id, came.envelope.cseq);
    let branch = branch.unwrap_or_default();
    format!("{branch} {host}:{} {call_id} {cseq} {}", port.unwrap_or(5060), came.tag_of_from())
        .into()
}

#[cfg(test)]
mod tests;
