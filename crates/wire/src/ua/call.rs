//! What both sides of a call share: its legs, its timers, its one end.

use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use super::{
    account::Account,
    agenda::{Agenda, Running, Timer},
    asking::Ask,
    compose::{Reply, SDP},
    config::UaConfig,
    dialog::Dialog,
    event::{EndCause, Ended, Event, Transmit},
    ladder::{Flow, Ring},
    peer::{Peer, Transport},
    placing::Caller,
    renewal::Renewal,
    session::Session,
    slab::CallKey,
    taking::Callee,
};
use crate::{
    message::{Envelope, Message, Name, header},
    time::Time,
    tokens::Tokens,
};

/// Branches begin with it (RFC 3261 8.1.1.7).
pub(super) const COOKIE: &str = "z9hG4bK";
/// A call has its carrier's addresses, its route, its callee and its 3xx; more is mischief.
const HOSTS_MAX: usize = 32;
/// Answers of more forks than this are not worth an ACK.
const LEGS_MAX: usize = 8;

/// What all calls reach beyond themselves.
pub(super) struct Shared {
    pub(super) config: UaConfig,
    pub(super) tokens: Tokens,
    pub(super) agenda: Agenda,
    pub(super) transmits: VecDeque<Transmit>,
    pub(super) events: VecDeque<(CallKey, Event)>,
    /// Calls that have not ended.
    pub(super) live: usize,
    /// Ended calls in the order of their ends; some may be gone already.
    pub(super) lingering: VecDeque<CallKey>,
}

/// One call, whoever placed it.
pub(super) struct Call {
    pub(super) common: Common,
    pub(super) side: Side,
}

pub(super) enum Side {
    Caller(Box<Caller>),
    Callee(Box<Callee>),
}

/// What a call has on either side.
pub(super) struct Common {
    pub(super) key: CallKey,
    pub(super) call_id: Arc<str>,
    pub(super) local_tag: String,
    /// What Via and Contact of this call say.
    pub(super) contact: SocketAddr,
    /// We placed it.
    pub(super) placed: bool,
    /// The transport that it was placed with.
    pub(super) transport: Transport,
    pub(super) account: Account,
    /// The first is the call itself, the others are forks that answered as well.
    pub(super) legs: Vec<Leg>,
    /// The dialogs of reliable provisionals, until the answer (calling side).
    pub(super) early: Vec<Early>,
    /// Requests of ours within the dialogs that are not answered, besides BYE.
    pub(super) asks: Vec<Ask>,
    /// How many there were.
    pub(super) asked: u8,
    /// The new description or refresh that is under way, one at a time.
    pub(super) renewal: Option<Renewal>,
    /// The ACK of our last re-INVITE, with the branch that this had.
    pub(super) reinvite_acked: Option<(String, Peer, Arc<[u8]>)>,
    /// Who keeps the session alive, when anybody must.
    pub(super) session: Option<Session>,
    /// The shortest session that the far end takes, in seconds, once it said so.
    pub(super) min_se: Option<u32>,
    /// Our final answer to an INVITE or re-INVITE, until it is acknowledged.
    pub(super) final_sent: Option<FinalSent>,
    /// The final answer to the INVITE, as it will be reported.
    pub(super) verdict: Verdict,
    /// Our description.
    pub(super) sdp: Vec<u8>,
    started: Time,
    running: Running,
    ring: Ring,
    ended: bool,
    /// How often our description was changed.
    pub(super) renewals: u64,
    /// Until when something of the call may be on the way on any transport.
    awaited_until: Time,
    /// The hosts that requests of this call went to: only they can have answers to them.
    asked_hosts: Vec<IpAddr>,
}

/// One dialog of a call with what must be repeated in it.
pub(super) struct Leg {
    pub(super) dialog: Dialog,
    pub(super) bye: Option<Pending>,
    bye_proved: bool,
}

/// A dialog before the answer (RFC 3261 12.1.2).
pub(super) struct Early {
    pub(super) dialog: Dialog,
    /// The RSeq of its last reliable provisional (RFC 3262 4).
    pub(super) rseq: u32,
    /// The description that one of these brought: offer and answer are exchanged.
    pub(super) sdp: Option<Vec<u8>>,
}

/// A request of ours that waits for its answer.
pub(super) struct Pending {
    pub(super) branch: String,
    pub(super) to: Peer,
    pub(super) bytes: Arc<[u8]>,
    /// Until it is sent again.
    pub(super) wait: Duration,
    /// It was sent once more when its connection broke.
    pub(super) resent: bool,
}

/// A final answer of ours that waits for its ACK.
pub(super) struct FinalSent {
    pub(super) to: Peer,
    pub(super) bytes: Arc<[u8]>,
    pub(super) cseq: u32,
    /// It holds an offer of ours, which the ACK answers.
    pub(super) offers: bool,
    wait: Duration,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Verdict {
    pub(super) code: Option<u16>,
    pub(super) reason: Option<String>,
    pub(super) retry_after: Option<u32>,
    pub(super) q850: Option<u8>,
}

/// A message that came, with what was already taken from it.
#[derive(Clone, Copy)]
pub(super) struct Came<'m> {
    pub(super) message: &'m Message<'m>,
    pub(super) envelope: &'m Envelope<'m>,
    pub(super) from: Peer,
}

impl Came<'_> {
    pub(super) fn reply(&self) -> Reply {
        Reply::of(self.message, &self.envelope.via, self.from)
    }

    /// The session description that it carries.
    pub(super) fn sdp(&self) -> Option<Vec<u8>> {
        let body = self.envelope.body;
        let is_sdp = match self.message.get(Name::ContentType) {
            Some(kind) => {
                let kind = header::split(kind, b';').next().unwrap_or_default().trim_ascii();
                kind.eq_ignore_ascii_case(SDP.as_bytes())
            }
            None => body.starts_with(b"v="),
        };
        (is_sdp && !body.is_empty()).then(|| body.to_vec())
    }

    pub(super) fn tag_of_from(&self) -> &str {
        self.envelope.from_tag.unwrap_or_default()
    }

    pub(super) fn tag_of_to(&self) -> &str {
        self.envelope.to_tag.unwrap_or_default()
    }
}

impl Shared {
    pub(super) fn branch(&mut self, key: CallKey) -> String {
        format!("{COOKIE}{}", key.token(self.tokens.next()))
    }

    /// How long the other side has to answer anything.
    pub(super) fn patience(&self) -> Duration {
        self.config.timers.t1 * 64
    }

    /// The wait after `wait` for anything but INVITE (Timers E and G).
    pub(super) fn longer(&self, wait: Duration) -> Duration {
        (wait * 2).min(self.config.timers.t2)
    }
}

impl Common {
    pub(super) fn new(
        key: CallKey,
        call_id: &str,
        tag: String,
        contact: SocketAddr,
        transport: Transport,
        placed: bool,
        started: Time,
    ) -> Self {
        Self {
            key,
            call_id: call_id.into(),
            local_tag: tag,
            contact,
            transport,
            placed,
            account: Account::default(),
            legs: Vec::new(),
            early: Vec::new(),
            asks: Vec::new(),
            asked: 0,
            renewal: None,
            reinvite_acked: None,
            session: None,
            min_se: None,
            final_sent: None,
            verdict: Verdict::default(),
            sdp: Vec::new(),
            started,
            running: Running::default(),
            ring: Ring::default(),
            ended: false,
            renewals: 0,
            awaited_until: started,
            asked_hosts: Vec::new(),
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    pub(super) fn wants(&self, timer: Timer, at: Time) -> bool {
        self.running.wants(timer, at)
    }

    pub(super) fn ring(&self) -> &Ring {
        &self.ring
    }

    pub(super) fn ring_mut(&mut self) -> &mut Ring {
        &mut self.ring
    }

    pub(super) fn received(&mut self, shared: &Shared, now: Time, bytes: &[u8]) {
        let kept_max = shared.config.ring_messages;
        if kept_max > 0 {
            self.ring.push(kept_max, now, Flow::Received, &Arc::from(bytes));
        }
    }

    pub(super) fn send(&mut self, shared: &mut Shared, now: Time, to: Peer, bytes: &Arc<[u8]>) {
        self.ring.push(shared.config.ring_messages, now, Flow::Sent, bytes);
        let host = to.addr.ip().to_canonical();
        if !self.asked_hosts.contains(&host) && self.asked_hosts.len() < HOSTS_MAX {
            self.asked_hosts.push(host);
        }
        shared.transmits.push_back(Transmit { to, bytes: Arc::clone(bytes) });
    }

    /// Whether we sent anything to the host that this came from.
    pub(super) fn was_asked(&self, from: Peer) -> bool {
        self.asked_hosts.contains(&from.addr.ip().to_canonical())
    }

    pub(super) fn tell(&self, shared: &mut Shared, event: Event) {
        shared.events.push_back((self.key, event));
    }

    pub(super) fn start(&mut self, shared: &mut Shared, timer: Timer, at: Time) {
        shared.agenda.start(self.key, &mut self.running, timer, at);
    }

    pub(super) fn stop(&mut self, shared: &mut Shared, timer: Timer) {
        shared.agenda.stop(&mut self.running, timer);
    }

    pub(super) fn stop_all(&mut self, shared: &mut Shared) {
        shared.agenda.stop_all(&mut self.running);
    }

    /// The one end of the call. What is left of it answers stragglers for 64*T1 (Timers D, J, K).
    pub(super) fn end(&mut self, shared: &mut Shared, now: Time, cause: EndCause) {
        debug_assert!(!self.ended, "the tables end a call once");
        self.ended = true;
        shared.live -= 1;
        // A BYE to a fork is none of the owner's business, and goes on.
        let forks =
            |timer| matches!(timer, Timer::ByeAgain(leg) | Timer::ByeGiveUp(leg) if leg > 0);
        shared.agenda.stop_but(&mut self.running, forks);
        self.asks.clear();
        self.renewal = None;
        self.session = None;
        self.linger(shared, now);
        shared.lingering.push_back(self.key);
        let Verdict { code, reason, retry_after, q850 } = self.verdict.clone();
        let after = now - self.started;
        let ended = Ended { cause, code, q850, reason, retry_after, after };
        self.tell(shared, Event::Ended(ended));
    }

    /// Keeps an ended call for as long as something that was just sent may be answered: 64*T1
    /// over UDP, not at all over a connection (RFC 3261 17.1.1.2, 17.1.2.2).
    pub(super) fn linger(&mut self, shared: &mut Shared, now: Time) {
        if self.ended {
            let until = match self.transport.is_reliable() {
                true => self.awaited_until.max(now),
                false => now + shared.patience(),
            };
            self.start(shared, Timer::Release, until);
        }
    }

    /// Something may come within 64*T1 on any transport: the answer of another fork (RFC 3261
    /// 13.2.2.4), or the one that a CANCEL is sent against.
    pub(super) fn await_stragglers(&mut self, shared: &mut Shared, now: Time) {
        self.awaited_until = now + shared.patience();
        self.linger(shared, now);
    }

    /// Starts a timer that repeats a message, which over a connection is never needed.
    pub(super) fn repeat(&mut self, shared: &mut Shared, timer: Timer, at: Time, to: Peer) {
        if !to.transport.is_reliable() {
            self.start(shared, timer, at);
        }
    }

    /// The dialog with this tag of the far end, answered or early.
    pub(super) fn dialog_mut(&mut self, tag: &str) -> Option<&mut Dialog> {
        let legs = self.legs.iter_mut().map(|leg| &mut leg.dialog);
        let early = self.early.iter_mut().map(|early| &mut early.dialog);
        legs.chain(early).find(|dialog| dialog.remote_tag == tag)
    }

    /// The first leg, if it is up, by its tag.
    pub(super) fn tag(&self) -> Option<String> {
        self.legs.first().map(|leg| leg.dialog.remote_tag.clone())
    }

    /// The leg with this tag of the far end.
    pub(super) fn leg_of(&self, tag: &str) -> Option<usize> {
        self.legs.iter().position(|leg| leg.dialog.remote_tag == tag)
    }

    /// Adds a leg; `None` when there are too many.
    pub(super) fn add_leg(&mut self, dialog: Dialog) -> Option<usize> {
        if self.legs.len() == LEGS_MAX {
            return None;
        }
        self.legs.push(Leg { dialog, bye: None, bye_proved: false });
        Some(self.legs.len() - 1)
    }

    /// Sends BYE on a leg.
    pub(super) fn bye(&mut self, shared: &mut Shared, now: Time, leg: usize) {
        let branch = shared.branch(self.key);
        if leg == 0 {
            for timer in [Timer::Refresh, Timer::SessionEnd, Timer::RenewAgain] {
                self.stop(shared, timer);
            }
        }
        let dialog = &mut self.legs[leg].dialog;
        dialog.cseq += 1;
        let mut ready = dialog.request("BYE", dialog.cseq, self.contact, &branch);
        for (name, proof) in self.account.prove(&mut shared.tokens, "BYE", &ready.uri, ready.to) {
            ready.writer.header(name, proof);
        }
        ready.writer.header("User-Agent", &shared.config.user_agent);
        let bytes = ready.writer.finish(None);
        self.send(shared, now, ready.to, &bytes);
        let wait = shared.config.timers.t1;
        self.repeat(shared, Timer::ByeAgain(leg as u8), now + wait, ready.to);
        self.start(shared, Timer::ByeGiveUp(leg as u8), now + shared.patience());
        self.legs[leg].bye = Some(Pending { branch, to: ready.to, bytes, wait, resent: false });
        self.await_stragglers(shared, now);
    }

    /// The leg whose BYE has this branch.
    pub(super) fn bye_leg(&self, branch: &str) -> Option<usize> {
        self.legs.iter().position(|leg| leg.bye.as_ref().is_some_and(|bye| bye.branch == branch))
    }

    /// An answer to a BYE; whether that BYE is done.
    pub(super) fn bye_answered(
        &mut self,
        shared: &mut Shared,
        now: Time,
        leg: usize,
        code: u16,
        came: Came<'_>,
    ) -> bool {
        if code < 200 {
            return false;
        }
        let to = self.legs[leg].bye.as_ref().map_or(came.from, |bye| bye.to);
        if !self.legs[leg].bye_proved && self.account.take(code, came.message, to, true) {
            self.legs[leg].bye_proved = true;
            self.bye(shared, now, leg);
            return false;
        }
        self.bye_over(shared, leg);
        true
    }

    /// Nothing more is to be done about the BYE of a leg.
    pub(super) fn bye_over(&mut self, shared: &mut Shared, leg: usize) {
        self.stop(shared, Timer::ByeAgain(leg as u8));
        self.stop(shared, Timer::ByeGiveUp(leg as u8));
        self.legs[leg].bye = None;
    }

    pub(super) fn bye_again(&mut self, shared: &mut Shared, now: Time, leg: usize) {
        let Some(bye) = &mut self.legs[leg].bye else { return };
        bye.wait = shared.longer(bye.wait);
        let (to, bytes, at) = (bye.to, Arc::clone(&bye.bytes), now + bye.wait);
        self.send(shared, now, to, &bytes);
        self.start(shared, Timer::ByeAgain(leg as u8), at);
    }

    /// Nobody is at `to`: whether our BYE to it is therefore done.
    pub(super) fn nobody_takes_bye(&mut self, shared: &mut Shared, to: Peer) -> bool {
        let bye_to = self.legs.first().and_then(|leg| leg.bye.as_ref()).map(|bye| bye.to);
        if bye_to != Some(to) {
            return false;
        }
        self.bye_over(shared, 0);
        true
    }

    /// Sends once more what was lost with a connection.
    pub(super) fn resend(
        &mut self,
        shared: &mut Shared,
        now: Time,
        pending: &mut Pending,
        to: Peer,
    ) {
        if pending.to == to && to.transport.is_reliable() && !pending.resent {
            pending.resent = true;
            self.send(shared, now, to, &pending.bytes);
        }
    }

    /// The connection to `to` broke: sends our requests within the dialogs once more.
    pub(super) fn broken(&mut self, shared: &mut Shared, now: Time, to: Peer) {
        let mut asks = std::mem::take(&mut self.asks);
        for ask in &mut asks {
            self.resend(shared, now, &mut ask.pending, to);
        }
        self.asks = asks;
        for leg in 0..self.legs.len() {
            if let Some(mut bye) = self.legs[leg].bye.take() {
                self.resend(shared, now, &mut bye, to);
                self.legs[leg].bye = Some(bye);
            }
        }
    }

    /// Sends a final answer to an INVITE and repeats it until ACK (Timers G and H).
    pub(super) fn send_final(
        &mut self,
        shared: &mut Shared,
        now: Time,
        to: Peer,
        bytes: Arc<[u8]>,
        cseq: u32,
    ) {
        self.send(shared, now, to, &bytes);
        let wait = shared.config.timers.t1;
        // A 2xx is repeated on every transport, since it is acknowledged from end to end (RFC
        // 3261 13.3.1.4).
        if bytes.starts_with(b"SIP/2.0 2") || !to.transport.is_reliable() {
            self.start(shared, Timer::FinalAgain, now + wait);
        }
        self.start(shared, Timer::FinalGiveUp, now + shared.patience());
        self.final_sent = Some(FinalSent { to, bytes, cseq, offers: false, wait });
    }

    pub(super) fn final_again(&mut self, shared: &mut Shared, now: Time) {
        let Some(sent) = &mut self.final_sent else { return };
        sent.wait = shared.longer(sent.wait);
        let (to, bytes, at) = (sent.to, Arc::clone(&sent.bytes), now + sent.wait);
        self.send(shared, now, to, &bytes);
        self.start(shared, Timer::FinalAgain, at);
    }

    /// An ACK came; whether it is the one that our final answer waits for.
    pub(super) fn acked(&mut self, shared: &mut Shared, cseq: u32) -> bool {
        if self.final_sent.as_ref().is_none_or(|sent| sent.cseq != cseq) {
            return false;
        }
        self.final_sent = None;
        self.stop(shared, Timer::FinalAgain);
        self.stop(shared, Timer::FinalGiveUp);
        true
    }

    /// Answers a request with our tag.
    pub(super) fn answer(
        &mut self,
        shared: &mut Shared,
        now: Time,
        came: Came<'_>,
        code: u16,
        headers: &[(&str, &str)],
    ) {
        let reply = came.reply();
        let bytes = reply.answer(code, Some(&self.local_tag), headers, None);
        self.send(shared, now, reply.to_addr, &bytes);
    }
}
