//! The carriers as the scheduler sees them: who may take the next call, and what is
//! on its way through whom.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use super::meter::Meter;
use crate::{
    attempt::CallReport,
    breaker::{Breaker, BreakerState, Verdict},
    carrier::{Carrier, Number},
    ids::{AttemptId, CarrierId, NumberId},
    limits::TokenBucket,
    live::CarrierLoad,
};

/// All carriers, over all campaigns.
#[derive(Debug, Default)]
pub(super) struct Carriers {
    desks: BTreeMap<CarrierId, Desk>,
    /// When each caller ID was used last, as a rising count.
    last_use: HashMap<NumberId, u64>,
    uses: u64,
}

/// One carrier: its limits, its health, and the calls on it.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) carrier: Arc<Carrier>,
    pub(super) breaker: Breaker,
    bucket: TokenBucket,
    /// Calls that hold a channel, from the moment their row is asked for.
    channels_used: u32,
    /// Of those, the ones whose row is being written.
    recording: u32,
    /// Of those, the ones whose row is durable and whose INVITE waits for a token.
    queue: VecDeque<AttemptId>,
    /// INVITEs of the last ten seconds.
    dials: Meter,
    /// No longer among the carriers; kept until its last call ended.
    gone: bool,
}

/// Why no carrier takes a call now, worst first: of several carriers the mildest
/// refusal counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Refusal {
    /// The pool has no carrier that may be used.
    Missing,
    /// It rests, or is on trial, until then.
    Resting(Timestamp),
    /// All its channels are used.
    Channels,
    /// Rows that are being written have all its tokens: only they change that.
    Rows,
    /// Its next call may leave then.
    Rate(Timestamp),
}

/// A caller ID and the carrier to use it with.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) number: Number,
    pub(super) carrier: Arc<Carrier>,
}

impl Desk {
    fn new(carrier: Arc<Carrier>) -> Self {
        let settings = &carrier.settings;
        Self {
            bucket: TokenBucket::new(settings.cps, settings.burst),
            breaker: Breaker::default(),
            channels_used: 0,
            recording: 0,
            queue: VecDeque::new(),
            dials: Meter::new(SignedDuration::from_secs(10), 100),
            gone: false,
            carrier,
        }
    }

    /// Whether it is there, enabled, and not resting.
    fn is_usable(&mut self, now: Timestamp) -> bool {
        !self.gone
            && self.carrier.enabled
            && !matches!(self.breaker.state(now), BreakerState::Resting { .. })
    }

    /// Whether one more row may be asked for, so that its INVITE has its token when the
    /// row is durable, `lead` from now.
    fn admits(&mut self, now: Timestamp, lead: SignedDuration) -> Result<(), Refusal> {
        if self.gone || !self.carrier.enabled {
            return Err(Refusal::Missing);
        }
        let ready = self.breaker.ready_at(now);
        if ready > now {
            return Err(Refusal::Resting(ready));
        }
        if self.channels_used >= self.carrier.settings.channels {
            return Err(Refusal::Channels);
        }
        let ahead = self.recording + self.queue.len() as u32;
        match self.token_at(ahead, now) {
            None => Err(Refusal::Channels),
            Some(at) if at > now + lead && self.bucket.is_full(now) => Err(Refusal::Rows),
            Some(at) if at > now + lead => Err(Refusal::Rate(at)),
            Some(_) => Ok(()),
        }
    }

    fn token_at(&mut self, ahead: u32, now: Timestamp) -> Option<Timestamp> {
        self.bucket.set_percent(self.breaker.percent(now));
        self.bucket.ready_at(ahead, now)
    }

    fn load(&self, now: Timestamp) -> CarrierLoad {
        let resting_until = match self.breaker.clone().state(now) {
            BreakerState::Resting { until } => Some(until),
            BreakerState::Closed { .. } | BreakerState::Probing { .. } => None,
        };
        CarrierLoad {
            carrier: self.carrier.id,
            name: self.carrier.settings.name.clone(),
            dials_per_second: self.dials.sum(now) as f64 / 10.0,
            cps: self.carrier.settings.cps,
            channels_used: self.channels_used,
            channels: self.carrier.settings.channels,
            resting_until,
        }
    }
}

impl Carriers {
    /// The carriers as they stand; health and use are kept.
    pub(super) fn set(&mut self, carriers: Vec<Arc<Carrier>>) {
        for desk in self.desks.values_mut() {
            desk.gone = true;
        }
        for carrier in carriers {
            match self.desks.get_mut(&carrier.id) {
                Some(desk) => {
                    desk.bucket.set_limits(carrier.settings.cps, carrier.settings.burst);
                    desk.gone = false;
                    // Another address is another far end: what the old one did says nothing.
                    let (old, new) = (&desk.carrier.settings, &carrier.settings);
                    if (&old.host, old.port, old.transport, &old.auth, &old.outbound_proxy)
                        != (&new.host, new.port, new.transport, &new.auth, &new.outbound_proxy)
                    {
                        desk.breaker = Breaker::default();
                    }
                    desk.carrier = carrier;
                }
                None => {
                    self.desks.insert(carrier.id, Desk::new(carrier));
                }
            }
        }
        self.desks.retain(|_, desk| !desk.gone || desk.channels_used > 0);
    }

    /// Somebody else may have dialled through all of them until now.
    pub(super) fn drain(&mut self, now: Timestamp) {
        for desk in self.desks.values_mut() {
            desk.bucket.drain(now);
        }
    }

    /// The caller ID and carrier for the next call: the contact's last number while its
    /// carrier is healthy (DI-8), else the one least recently used.
    ///
    /// With `insist_on_last` a healthy last number whose carrier is merely busy makes
    /// the call wait.
    pub(super) fn route(
        &mut self,
        numbers: &[Number],
        last: Option<NumberId>,
        insist_on_last: bool,
        now: Timestamp,
        lead: SignedDuration,
    ) -> Result<Route, Refusal> {
        let mut best: Result<(u64, Route), Refusal> = Err(Refusal::Missing);
        for number in numbers {
            let used = self.last_use.get(&number.id).copied().unwrap_or(0);
            let is_last = Some(number.id) == last;
            let route = self.carrier_for(number, numbers, now, lead);
            match route {
                Ok(carrier) if is_last => return Ok(Route { number: number.clone(), carrier }),
                Ok(carrier) => {
                    if best.as_ref().map_or(true, |(oldest, _)| used < *oldest) {
                        best = Ok((used, Route { number: number.clone(), carrier }));
                    }
                }
                Err(refusal @ (Refusal::Channels | Refusal::Rows | Refusal::Rate(_)))
                    if is_last && insist_on_last =>
                {
                    return Err(refusal);
                }
                Err(refusal) => best = best.map_err(|milder| milder.or_milder(refusal)),
            }
        }
        best.map(|(_, route)| route)
    }

    /// The number's own carrier, else one of the pool that takes any caller ID.
    fn carrier_for(
        &mut self,
        number: &Number,
        pool: &[Number],
        now: Timestamp,
        lead: SignedDuration,
    ) -> Result<Arc<Carrier>, Refusal> {
        let mut refused = match self.desks.get_mut(&number.carrier_id) {
            None => Refusal::Missing,
            Some(desk) => match desk.admits(now, lead) {
                Ok(()) => return Ok(desk.carrier.clone()),
                // Its own carrier is healthy: worth waiting for.
                Err(refusal @ (Refusal::Channels | Refusal::Rows | Refusal::Rate(_))) => {
                    return Err(refusal);
                }
                Err(refusal) => refusal,
            },
        };
        for other in pool.iter().filter(|other| other.carrier_id != number.carrier_id) {
            let Some(desk) = self.desks.get_mut(&other.carrier_id) else { continue };
            if !desk.carrier.settings.any_caller_id {
                continue;
            }
            match desk.admits(now, lead) {
                Ok(()) => return Ok(desk.carrier.clone()),
                Err(refusal) => refused = refused.or_milder(refusal),
            }
        }
        Err(refused)
    }

    /// The caller ID and carrier for a call that other carriers refused: a healthy one
    /// that has a channel now and a token within `wait`, with the number least recently
    /// used among those it takes. One on trial is not healthy: a call that was refused once is no
    /// probe.
    pub(super) fn route_beyond(
        &mut self,
        numbers: &[Number],
        tried: &[CarrierId],
        now: Timestamp,
        wait: SignedDuration,
    ) -> Option<Route> {
        let mut best: Option<(u64, Route)> = None;
        for number in numbers {
            let used = self.last_use.get(&number.id).copied().unwrap_or(0);
            if best.as_ref().is_some_and(|(oldest, _)| *oldest <= used) {
                continue;
            }
            // Its own carrier first; then one that takes the number of another.
            let own = std::iter::once((number.carrier_id, true));
            let others = numbers.iter().map(|other| (other.carrier_id, false));
            for (id, is_own) in own.chain(others) {
                let Some(desk) = self.desks.get_mut(&id).filter(|_| !tried.contains(&id)) else {
                    continue;
                };
                if (is_own || desk.carrier.settings.any_caller_id)
                    && desk.breaker.is_closed()
                    && desk.admits(now, wait).is_ok()
                {
                    let route = Route { number: number.clone(), carrier: desk.carrier.clone() };
                    best = Some((used, route));
                    break;
                }
            }
        }
        best.map(|(_, route)| route)
    }

    /// What the end of a call says about its carrier; its breaker learns it.
    pub(super) fn judge(
        &mut self,
        carrier: CarrierId,
        report: &CallReport,
        now: Timestamp,
    ) -> Verdict {
        match self.desks.get_mut(&carrier) {
            Some(desk) => desk.breaker.call_ended(report, now),
            None => Verdict { storms: false, trouble: false },
        }
    }

    /// The mildest reason why none of these numbers can be dialled from now, `None` when
    /// one can.
    pub(super) fn refusal(&mut self, numbers: &[Number], now: Timestamp) -> Option<Refusal> {
        self.route(numbers, None, false, now, SignedDuration::ZERO).err()
    }

    /// Whether some carrier of the pool is there, enabled and not resting.
    pub(super) fn any_usable(&mut self, numbers: &[Number], now: Timestamp) -> bool {
        numbers.iter().any(|number| {
            self.desks.get_mut(&number.carrier_id).is_some_and(|desk| desk.is_usable(now))
        })
    }

    /// Whether some carrier of the pool works: not resting, and not on trial.
    pub(super) fn any_working(&mut self, numbers: &[Number], now: Timestamp) -> bool {
        numbers.iter().any(|number| {
            self.desks
                .get_mut(&number.carrier_id)
                .is_some_and(|desk| desk.is_usable(now) && desk.breaker.is_closed())
        })
    }

    /// How many calls the pool can take within about a second.
    pub(super) fn capacity(&mut self, numbers: &[Number], now: Timestamp) -> u32 {
        let mut ids: Vec<CarrierId> = numbers.iter().map(|number| number.carrier_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut sum = 0u32;
        for id in ids {
            let Some(desk) = self.desks.get_mut(&id).filter(|desk| !desk.gone) else { continue };
            if !desk.is_usable(now) {
                continue;
            }
            let settings = &desk.carrier.settings;
            let calls = if desk.breaker.is_closed() {
                settings.cps.clamp(0.0, 10_000.0).ceil() as u32 + settings.burst.min(1_000)
            } else {
                1
            };
            sum = sum.saturating_add(calls.min(settings.channels));
        }
        sum
    }

    /// A row is asked for: it holds a channel, and a place in the rate.
    pub(super) fn recording(&mut self, route: &Route, now: Timestamp) {
        self.uses += 1;
        self.last_use.insert(route.number.id, self.uses);
        if let Some(desk) = self.desks.get_mut(&route.carrier.id) {
            desk.recording += 1;
            desk.channels_used += 1;
            desk.breaker.call_started(now);
        }
    }

    /// The row is durable: the call waits for its token.
    pub(super) fn recorded(&mut self, carrier: CarrierId, attempt: AttemptId) {
        if let Some(desk) = self.desks.get_mut(&carrier) {
            desk.recording -= 1;
            desk.queue.push_back(attempt);
        }
    }

    /// No row: its channel is free.
    pub(super) fn not_recorded(&mut self, carrier: CarrierId) {
        if let Some(desk) = self.desks.get_mut(&carrier) {
            desk.recording -= 1;
            desk.channels_used -= 1;
        }
    }

    /// A call ended, or was withdrawn: its channel is free.
    pub(super) fn ended(&mut self, carrier: CarrierId, attempt: AttemptId) {
        if let Some(desk) = self.desks.get_mut(&carrier) {
            desk.channels_used -= 1;
            desk.queue.retain(|queued| *queued != attempt);
        }
    }

    /// The calls that wait for a token, in the order in which they became durable.
    pub(super) fn queued(&self) -> Vec<AttemptId> {
        self.desks.values().flat_map(|desk| desk.queue.iter().copied()).collect()
    }

    /// Whether the carrier still takes a call that was admitted earlier.
    pub(super) fn still_takes(&mut self, carrier: CarrierId, now: Timestamp) -> bool {
        self.desks.get_mut(&carrier).is_some_and(|desk| {
            desk.is_usable(now) && desk.channels_used <= desk.carrier.settings.channels
        })
    }

    /// Takes the token for the INVITE of a queued call, if it is its turn and there is
    /// one.
    pub(super) fn take_token(
        &mut self,
        carrier: CarrierId,
        attempt: AttemptId,
        now: Timestamp,
    ) -> bool {
        let Some(desk) = self.desks.get_mut(&carrier) else { return false };
        if desk.queue.front() != Some(&attempt) {
            return false;
        }
        desk.bucket.set_percent(desk.breaker.percent(now));
        if !desk.bucket.take(now) {
            return false;
        }
        desk.queue.pop_front();
        desk.dials.add(now, 1);
        true
    }

    /// When the next queued call gets its token.
    pub(super) fn next_token(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.desks
            .values_mut()
            .filter(|desk| !desk.queue.is_empty())
            .filter_map(|desk| desk.token_at(0, now))
            .min()
    }

    pub(super) fn desk_mut(&mut self, carrier: CarrierId) -> Option<&mut Desk> {
        self.desks.get_mut(&carrier)
    }

    /// The carriers of a pool, each once, in the pool's order.
    pub(super) fn of_pool<'a>(&'a self, numbers: &'a [Number]) -> impl Iterator<Item = &'a Desk> {
        numbers.iter().enumerate().filter_map(|(index, number)| {
            let seen =
                numbers[..index].iter().any(|earlier| earlier.carrier_id == number.carrier_id);
            self.desks.get(&number.carrier_id).filter(|desk| !seen && !desk.gone)
        })
    }

    /// Use of each carrier of a pool.
    pub(super) fn loads(&self, numbers: &[Number], now: Timestamp) -> Vec<CarrierLoad> {
        self.of_pool(numbers).map(|desk| desk.load(now)).collect()
    }
}

impl Refusal {
    fn or_milder(self, other: Self) -> Self {
        match (self, other) {
            (Self::Resting(one), Self::Resting(two)) => Self::Resting(one.min(two)),
            (Self::Rate(one), Self::Rate(two)) => Self::Rate(one.min(two)),
            (one, two) => one.max(two),
        }
    }
}
