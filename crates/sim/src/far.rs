//! The far ends: called sides of the same agent, and the record that they keep.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use campanile_domain::{ids::AttemptId, outcome::Ending};
use campanile_wire::{
    sdp::{self, Codec, Local},
    time::Time,
    ua::{CallKey, Event, IncomingInvite, UaConfig, UserAgent},
};
use rand::{RngExt, rngs::StdRng};

use crate::{
    judge::Check,
    line::{self, Step},
    scene::Weather,
    store::Store,
};

/// A far end rings and talks so long at most, ms: whoever called may have died.
const PATIENCE_MS: u64 = 200_000;
/// Two ends of a call may differ by so much when nothing of it was lost: a second, and
/// the ways of the answer and of the BYE.
const DIFFERENCE_MAX: Duration = Duration::from_secs(2);
/// By so much more when something was: 64*T1, after which nothing is repeated.
const REPEATS_MAX: Duration = Duration::from_secs(32);

/// The called side of a carrier.
pub(crate) struct FarEnd {
    pub(crate) agent: UserAgent,
    addr: SocketAddr,
    calls: BTreeMap<CallKey, Incoming>,
    /// What the callees are going to do.
    agenda: BTreeMap<(Time, u64), (CallKey, Act)>,
    entries: u64,
}

struct Incoming {
    call_id: String,
    offer: Vec<u8>,
}

enum Act {
    Ring,
    Answer,
    Reject(u16, Option<u32>),
    HangUp,
}

/// What both ends saw of each call, by Call-ID.
#[derive(Debug, Default)]
pub(crate) struct Record {
    calls: BTreeMap<String, Seen>,
    /// Datagrams of all calls that were lost.
    pub(crate) lost: u64,
}

#[derive(Debug, Default)]
struct Seen {
    attempt: Option<AttemptId>,
    /// Datagrams of this call that were lost.
    lost: u32,
    /// The far end saw its INVITE.
    came: bool,
    /// Final answers of the far end.
    code: Option<u16>,
    acked: bool,
    far: Span,
    ours: Span,
    ending: Option<Ending>,
    /// The dialler's process died before its agent was done with the call: nobody repeats
    /// a BYE that was lost.
    orphaned: bool,
}

/// A talk as one end saw it.
#[derive(Debug, Default)]
struct Span {
    answered: Option<Time>,
    ended: Option<Time>,
}

impl FarEnd {
    pub(crate) fn new(addr: SocketAddr) -> Self {
        let config = UaConfig { accept_calls: true, ring_messages: 0, ..UaConfig::new(addr) };
        Self {
            agent: UserAgent::new(config, [addr.ip().to_string().len() as u8; 32]),
            addr,
            calls: BTreeMap::new(),
            agenda: BTreeMap::new(),
            entries: 0,
        }
    }

    /// When it wants to be woken.
    pub(crate) fn next(&mut self) -> Option<Time> {
        let act = self.agenda.first_key_value().map(|((at, _), _)| *at);
        [act, self.agent.poll_timeout()].into_iter().flatten().min()
    }

    /// Its timers run out, and its callees do what they were going to.
    pub(crate) fn wake(&mut self, now: Time, record: &mut Record) {
        self.agent.handle_timeout(now);
        while let Some(entry) = self.agenda.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let (key, act) = entry.remove();
            self.does(key, &act, now, record);
        }
    }

    fn does(&mut self, key: CallKey, act: &Act, now: Time, record: &mut Record) {
        let Some(call) = self.calls.get(&key) else { return };
        let Some(seen) = record.calls.get_mut(&call.call_id) else { return };
        match act {
            Act::Ring => self.agent.ring(now, key, 180, None),
            Act::Answer => {
                let own = Local {
                    addr: SocketAddr::new(self.addr.ip(), 30_000),
                    codecs: vec![Codec::Pcma],
                    session: 2,
                    version: 1,
                };
                let Ok((answer, _)) = sdp::answer(&call.offer, &own) else { return };
                self.agent.answer(now, key, answer);
                seen.code = Some(200);
                seen.far.answered = Some(now);
            }
            Act::Reject(code, retry_after) => {
                let headers = retry_after.map(|seconds| ("Retry-After", seconds.to_string()));
                self.agent.reject(now, key, *code, headers.as_slice());
                seen.code = Some(*code);
            }
            Act::HangUp => self.agent.hang_up(now, key),
        }
    }

    /// Takes in what its agent says.
    pub(crate) fn hear(
        &mut self,
        now: Time,
        weather: Weather,
        store: &Store,
        record: &mut Record,
        rng: &mut StdRng,
    ) -> Check {
        while let Some((key, event)) = self.agent.poll_event() {
            match event {
                Event::Incoming(invite) => {
                    record.came(&invite, store)?;
                    let IncomingInvite { call_id, sdp, .. } = invite;
                    let offer = sdp.unwrap_or_default();
                    self.calls.insert(key, Incoming { call_id, offer });
                    self.decide(key, now, weather, rng);
                }
                event => {
                    let call_id = self.calls.get(&key).map(|call| &call.call_id);
                    let Some(seen) = call_id.and_then(|id| record.calls.get_mut(id)) else {
                        return Err(format!("{key:?} is nobody's, and was told {event:?}"));
                    };
                    match event {
                        Event::Acked { .. } => seen.acked = true,
                        Event::Cancelled => seen.code = Some(487),
                        Event::Ended(_) => seen.far.ended = Some(now),
                        Event::Released => drop(self.calls.remove(&key)),
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }

    /// The callee makes up its mind.
    fn decide(&mut self, key: CallKey, now: Time, weather: Weather, rng: &mut StdRng) {
        let mut plan = |after_ms: u64, act: Act| {
            self.entries += 1;
            let at = now + Duration::from_millis(after_ms);
            self.agenda.insert((at, self.entries), (key, act));
        };
        plan(PATIENCE_MS, Act::HangUp);
        for (after_ms, step) in line::fate(weather, 0, rng) {
            let after_ms = u64::try_from(after_ms).unwrap_or(0);
            match step {
                Step::Ring => plan(after_ms, Act::Ring),
                Step::Answer => {
                    plan(after_ms, Act::Answer);
                    if rng.random_bool(0.5) {
                        plan(after_ms + rng.random_range(500..90_000), Act::HangUp);
                    }
                }
                Step::End(Ending::Refused { sip_code, .. }, _, retry_after) => {
                    plan(after_ms, Act::Reject(sip_code, retry_after));
                }
                // The caller's patience ends those.
                Step::End(..) => {}
            }
        }
    }
}

impl Record {
    /// An INVITE of an attempt leaves; its Call-ID.
    pub(crate) fn placed(&mut self, attempt: AttemptId, tries: u32) -> String {
        let call_id = call_id(attempt, tries);
        self.calls.entry(call_id.clone()).or_default().attempt = Some(attempt);
        call_id
    }

    /// A datagram is lost.
    pub(crate) fn lost(&mut self, bytes: &[u8]) {
        self.lost += 1;
        let text = String::from_utf8_lossy(bytes);
        let call_id = text.lines().find_map(|line| line.strip_prefix("Call-ID: "));
        if let Some(seen) = call_id.and_then(|call_id| self.calls.get_mut(call_id)) {
            seen.lost += 1;
        }
    }

    /// The dialler's process dies, and its agent with it.
    pub(crate) fn crashed(&mut self) {
        for seen in self.calls.values_mut().filter(|seen| seen.far.ended.is_none()) {
            seen.orphaned = true;
        }
    }

    /// The far end sees an INVITE: its attempt was durable before (I3), and it is the
    /// only dialog of its Call-ID.
    fn came(&mut self, invite: &IncomingInvite, store: &Store) -> Check {
        let who = format!("the INVITE {}", invite.call_id);
        let Some(seen) = self.calls.get_mut(&invite.call_id) else {
            return Err(format!("{who} at the far end was never placed"));
        };
        if seen.attempt.is_none_or(|attempt| !store.attempts.contains_key(&attempt)) {
            return Err(format!("{who} at the far end has no durable row"));
        }
        if seen.came {
            return Err(format!("{who} makes a second dialog at the far end"));
        }
        seen.came = true;
        Ok(())
    }

    /// The dialler sees the answer.
    pub(crate) fn answered(&mut self, attempt: AttemptId, tries: u32, now: Time) {
        if let Some(seen) = self.calls.get_mut(&call_id(attempt, tries)) {
            seen.ours.answered = Some(now);
        }
    }

    /// The dialler reports the end: nothing that the far end does not know (I6).
    pub(crate) fn ended(
        &mut self,
        attempt: AttemptId,
        tries: u32,
        ending: Ending,
        now: Time,
    ) -> Check {
        let call_id = call_id(attempt, tries);
        let Some(seen) = self.calls.get_mut(&call_id) else {
            return Err(format!("{call_id} is reported and was never placed"));
        };
        if seen.ending.replace(ending).is_some() {
            return Err(format!("{call_id} is reported twice"));
        }
        seen.ours.ended = Some(now);
        let agrees = match ending {
            Ending::Connected { .. } | Ending::NoSeat => seen.far.answered.is_some(),
            Ending::Refused { sip_code, .. } => seen.code == Some(sip_code),
            Ending::RingTimeout { sip_code: Some(_) } => seen.came,
            _ => true,
        };
        if agrees {
            Ok(())
        } else {
            Err(format!("{call_id} is reported as {ending:?}; the far end saw {seen:?}"))
        }
    }

    /// At the end: the two records tell the same story (I5, I6).
    pub(crate) fn compare(&self, store: &Store) -> Check {
        for (call_id, seen) in &self.calls {
            let row = seen.attempt.and_then(|attempt| store.attempts.get(&attempt));
            if seen.came && row.is_none_or(|row| row.outcome.is_none()) {
                return Err(format!("{call_id} reached the far end and has no row with an end"));
            }
            if seen.came && seen.far.ended.is_none() {
                return Err(format!("{call_id} never ended at the far end"));
            }
            // Without a report its process died.
            let Some(ending) = seen.ending else { continue };
            if seen.acked && seen.code == Some(200) && !may_follow_answer(ending) {
                return Err(format!("{call_id} was answered and is reported as {ending:?}"));
            }
            if let (Some(far), Some(ours)) = (seen.far.talk(), seen.ours.talk()) {
                let repeats = if seen.lost > 0 { REPEATS_MAX } else { Duration::ZERO };
                if !seen.orphaned && far.abs_diff(ours) > DIFFERENCE_MAX + repeats {
                    return Err(format!("{call_id} talked {ours:?} here and {far:?} there"));
                }
            }
        }
        Ok(())
    }
}

impl Span {
    fn talk(&self) -> Option<Duration> {
        Some(self.ended?.since(self.answered?))
    }
}

/// Whether a call that the callee answered may be reported so: connected, without a
/// seat, or taken back while the answer was under way.
fn may_follow_answer(ending: Ending) -> bool {
    !matches!(ending, Ending::Refused { .. } | Ending::NoReply | Ending::NotSent)
}

fn call_id(attempt: AttemptId, tries: u32) -> String {
    format!("{}-{tries}@sim", attempt.0)
}
