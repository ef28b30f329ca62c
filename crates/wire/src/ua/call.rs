//! What both sides of a call share: its legs, its timers, its one end.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc, time::Duration};

use super::{
    account::Account,
    agenda::{Agenda, Running, Timer},
    compose::{Reply, SDP},
    config::UaConfig,
    dialog::Dialog,
    event::{EndCause, Ended, Event, Transmit},
    ladder::{Flow, Ring},
    peer::{Peer, Transport},
    placing::Caller,
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
    /// The transport that it was placed with.
    pub(super) transport: Transport,
    pub(super) account: Account,
    /// The first is the call itself, the others are forks that answered as well.
    pub(super) legs: Vec<Leg>,
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
}

/// One dialog of a call with what must be repeated in it.
pub(super) struct Leg {
    pub(super) dialog: Dialog,
    pub(super) bye: Option<Pending>,
    bye_proved: bool,
}

/// A request of ours that waits for its answer.
pub(super) struct Pending {
    pub(super) branch: String,
    pub(super) to: Peer,
    pub(super) bytes: Arc<[u8]>,
    /// Until it is sent again.
    pub(super) wait: Duration,
}

/// A final answer of ours that waits for its ACK.
pub(super) struct FinalSent {
    pub(super) to: Peer,
    pub(super) bytes: Arc<[u8]>,
    pub(super) cseq: u32,
    wait: Duration,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Verdict {
    pub(super) code: Option<u16>,
    pub(super) reason: Option<String>,
    pub(super) retry_after: Option<u32>,
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
    fn longer(&self, wait: Duration) -> Duration {
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
        started: Time,
    ) -> Self {
        Self {
            key,
            call_id: call_id.into(),
            local_tag: tag,
            contact,
            transport,
            account: Account::default(),
            legs: Vec::new(),
            final_sent: None,
            verdict: Verdict::default(),
            sdp: Vec::new(),
            started,
            running: Running::default(),
            ring: Ring::default(),
            ended: false,
            renewals: 0,
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
        shared.transmits.push_back(Transmit { to, bytes: Arc::clone(bytes) });
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
        for timer in [
            Timer::InviteAgain,
            Timer::InviteGiveUp,
            Timer::CancelAgain,
            Timer::CancelGiveUp,
            Timer::ByeAgain(0),
            Timer::ByeGiveUp(0),
            Timer::FinalAgain,
            Timer::FinalGiveUp,
        ] {
            self.stop(shared, timer);
        }
        self.linger(shared, now);
        shared.lingering.push_back(self.key);
        let Verdict { code, reason, retry_after } = self.verdict.clone();
        let after = now - self.started;
        self.tell(shared, Event::Ended(Ended { cause, code, reason, retry_after, after }));
    }

    /// Keeps an ended call for as long as something that was just sent may be answered.
    pub(super) fn linger(&mut self, shared: &mut Shared, now: Time) {
        if self.ended {
            self.start(shared, Timer::Release, now + shared.patience());
        }
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
        let dialog = &mut self.legs[leg].dialog;
        dialog.cseq += 1;
        let mut ready = dialog.request("BYE", dialog.cseq, self.contact, &branch);
        for (name, proof) in self.account.prove(&mut shared.tokens, "BYE", &ready.uri) {
            ready.writer.header(name, proof);
        }
        ready.writer.header("User-Agent", &shared.config.user_agent);
        let bytes = ready.writer.finish(None);
        self.send(shared, now, ready.to, &bytes);
        let wait = shared.config.timers.t1;
        self.start(shared, Timer::ByeAgain(leg as u8), now + wait);
        self.start(shared, Timer::ByeGiveUp(leg as u8), now + shared.patience());
        self.legs[leg].bye = Some(Pending { branch, to: ready.to, bytes, wait });
        self.linger(shared, now);
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
        if !self.legs[leg].bye_proved && self.account.take(code, came.message, true) {
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
        self.start(shared, Timer::FinalAgain, now + wait);
        self.start(shared, Timer::FinalGiveUp, now + shared.patience());
        self.final_sent = Some(FinalSent { to, bytes, cseq, wait });
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
