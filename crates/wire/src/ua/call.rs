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
    event::{EndCause, Ended, Event, Transmit},
    ladder::{Flow, Ring},
    legs::{Early, Leg},
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
    /// Why we hang up, for the `Reason` of our BYE.
    pub(super) farewell: Option<(u16, &'static str)>,
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
            farewell: None,
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

    /// Whether we sent anything to the host that this came from, or it is another of the
    /// carrier's.
    pub(super) fn was_asked(&self, from: Peer) -> bool {
        self.asked_hosts.contains(&from.addr.ip().to_canonical()) || self.account.is_for(from)
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
