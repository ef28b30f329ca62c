//! What must hold whatever happens, checked as it happens (design/reliability.md 3a,
//! as far as it applies without a wire).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use campanile_domain::{
    attempt::{Finish, NewAttempt},
    campaign::Status,
    contact::{ContactClass, ContactState},
    guard,
    ids::{AttemptId, CampaignId, CarrierId, ContactId},
    live::LiveView,
    outcome::{Ending, Outcome},
    retry,
    scheduler::Placement,
    setup::DiallerSetup,
    why::ReasonCode,
};
use jiff::{SignedDuration, Timestamp};

use crate::{line::LineCall, store::Store};

/// How many INVITEs of a carrier are looked back at.
const LOOK_BACK: usize = 200;
/// For this long nothing may be dialled for no reason.
const SILENCE_MAX: SignedDuration = SignedDuration::from_secs(10);

/// For this long nobody may be dialled who could be: the longest rest of a carrier,
/// and a probe.
const STANDSTILL_MAX: SignedDuration = SignedDuration::from_secs(330);

/// A claim goes back within a second, and the store may take as long again.
const CLAIMS_MAX: SignedDuration = SignedDuration::from_secs(30);

/// Longer than its longest call no attempt is without an end (I4).
const ENDS_WITHIN: SignedDuration = SignedDuration::from_secs(90);

/// So many leases within a second may bring nobody: settings change, and rows are refused.
const LEASES_IN_VAIN_MAX: usize = 20;

/// A check that failed, in words.
pub(crate) type Check = Result<(), String>;

/// What the judge saw, in true time.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    /// INVITEs by contact: the attempt numbers used.
    numbers: HashMap<(CampaignId, ContactId), BTreeSet<u32>>,
    /// INVITEs of each carrier under its present limits.
    invites: HashMap<CarrierId, Vec<Timestamp>>,
    /// INVITEs: attempts and their tries.
    placed: HashSet<(AttemptId, u32)>,
    /// How the last INVITE of each attempt ended, and whether it had rung.
    refused: HashMap<AttemptId, (Ending, bool)>,
    finished: HashSet<AttemptId>,
    /// Counted attempts by contact, as they became durable (I2).
    counted: HashMap<(CampaignId, ContactId), u32>,
    /// Attempts whose end was never seen, as far as they are counted.
    unknown: HashSet<AttemptId>,
    /// The most attempts that each campaign ever allowed: who waits is dialled once more.
    attempts_max: HashMap<CampaignId, u32>,
    /// Whoever is excluded, and the attempt that was in hand then.
    excluded: HashMap<(CampaignId, ContactId), Option<AttemptId>>,
    /// By when each attempt must have its end (I4).
    ends_by: BTreeMap<AttemptId, Timestamp>,
    /// Leases asked for since one brought a claim.
    in_vain: BTreeMap<CampaignId, VecDeque<Timestamp>>,
    /// When processes began: each may take one token of a slow carrier too early.
    boots: Vec<Timestamp>,
    last_invite: BTreeMap<CampaignId, Timestamp>,
    /// Since when a campaign has been saying that it dials.
    says_it_dials: BTreeMap<CampaignId, Timestamp>,
    /// Since when a campaign could have dialled all the time.
    could_dial: BTreeMap<CampaignId, Timestamp>,
    /// Since when a campaign has been holding claims that it may not use.
    held_in_vain: BTreeMap<CampaignId, Timestamp>,
    pub(crate) dials: u64,
    pub(crate) connected: u64,
    pub(crate) failovers: u64,
}

impl Judge {
    /// A carrier's limits changed: the old INVITEs were under the old ones.
    pub(crate) fn limits_changed(&mut self, carrier: CarrierId) {
        self.invites.remove(&carrier);
    }

    /// The process dies: what it said, held and could do was its own.
    pub(crate) fn crashed(&mut self) {
        self.says_it_dials.clear();
        self.could_dial.clear();
        self.held_in_vain.clear();
        self.ends_by.clear();
        self.in_vain.clear();
    }

    /// The store takes no writes for so long: that is not the dialler's time.
    pub(crate) fn store_is_away(&mut self, length: SignedDuration) {
        for by in self.ends_by.values_mut() {
            *by += length;
        }
    }

    /// A campaign allows so many attempts now.
    pub(crate) fn allows(&mut self, campaign: CampaignId, attempts: u32) {
        let most = self.attempts_max.entry(campaign).or_default();
        *most = (*most).max(attempts);
    }

    /// A contact is excluded; `in_hand` is the attempt that goes on all the same.
    pub(crate) fn excluded(
        &mut self,
        campaign: CampaignId,
        contact: ContactId,
        in_hand: Option<AttemptId>,
    ) {
        self.excluded.entry((campaign, contact)).or_insert(in_hand);
    }

    /// The end of an attempt is durable.
    pub(crate) fn settled(&mut self, finish: &Finish) {
        let lease = &finish.attempt.lease;
        *self.counted.entry((lease.campaign, lease.contact)).or_default() +=
            u32::from(finish.counts);
        self.ends_by.remove(&finish.attempt.id);
    }

    /// After a crash the store has ended what nobody saw the end of: that counts (I2).
    pub(crate) fn recovered(&mut self, store: &Store) {
        for (id, row) in &store.attempts {
            if row.outcome == Some(Outcome::Unknown) && self.unknown.insert(*id) {
                let lease = &row.attempt.lease;
                *self.counted.entry((lease.campaign, lease.contact)).or_default() += 1;
            }
        }
    }

    /// Claims are asked for: not again and again while the line gives none.
    pub(crate) fn lease(&mut self, campaign: CampaignId, now: Timestamp) -> Check {
        let asked = self.in_vain.entry(campaign).or_default();
        asked.push_back(now);
        asked.retain(|at| now.duration_since(*at) < SignedDuration::from_secs(1));
        if asked.len() > LEASES_IN_VAIN_MAX {
            return Err(format!("{campaign:?} asks for claims again and again, at {now}"));
        }
        Ok(())
    }

    /// Some were given.
    pub(crate) fn leased(&mut self, campaign: CampaignId) {
        self.in_vain.remove(&campaign);
    }

    /// I4: every attempt has its end in time, looked at every few seconds.
    pub(crate) fn ends(&self, now: Timestamp) -> Check {
        match self.ends_by.iter().find(|(_, by)| **by < now) {
            Some((id, by)) => Err(format!("{id:?} should have had its end by {by}, at {now}")),
            None => Ok(()),
        }
    }

    /// A process begins.
    pub(crate) fn boots(&mut self, now: Timestamp) {
        self.boots.push(now);
    }

    /// A row is asked for.
    pub(crate) fn record(&mut self, attempt: &NewAttempt, store: &Store) -> Check {
        let lease = &attempt.lease;
        let Some(campaign) = store.campaigns.iter().find(|each| each.id == lease.campaign) else {
            return Err(format!("a row of {:?}, which does not exist", lease.campaign));
        };
        if attempt.pass != lease.counted + 1 || attempt.number != lease.dialled + 1 {
            return Err(format!(
                "{:?} has pass {} and number {}",
                attempt.id, attempt.pass, attempt.number
            ));
        }
        // Pass 1 before retries: whoever waited when this retry fell due is claimed.
        let index = crate::store::Campaign::index_of(lease.contact);
        let own = &campaign.contacts[index];
        let is_retry = lease.dialled > 0 && own.state == ContactState::Leased;
        let passed_over = |other: &crate::store::Contact| {
            other.state == ContactState::Pending && other.dialled == 0 && other.due < own.due
        };
        let callback =
            own.due > Timestamp::UNIX_EPOCH && lease.counted >= campaign.settings.max_attempts;
        if is_retry
            && !callback
            && !campaign.settings.callback_detection
            && campaign.contacts.iter().any(passed_over)
        {
            return Err(format!(
                "{:?} is dialled again before others were dialled once",
                lease.contact
            ));
        }
        Ok(())
    }

    /// An INVITE leaves.
    #[expect(clippy::too_many_arguments, reason = "everything that an INVITE depends on")]
    pub(crate) fn invite(
        &mut self,
        placement: &Placement,
        known: &DiallerSetup,
        store: &Store,
        calls: &HashMap<AttemptId, LineCall>,
        max_calls: u32,
        wall: Timestamp,
        now: Timestamp,
    ) -> Check {
        let attempt = &placement.attempt;
        let lease = &attempt.lease;
        let who = format!("the INVITE of {:?} to {:?}", attempt.id, lease.contact);
        let row = store.attempts.get(&attempt.id);
        if row.is_none_or(|row| row.outcome.is_some() || row.attempt != *attempt) {
            return Err(format!("{who} has no durable row without an end"));
        }
        if !self.placed.insert((attempt.id, attempt.tries)) {
            return Err(format!("{who} leaves twice"));
        }
        if attempt.tries > 1 && !self.placed.contains(&(attempt.id, attempt.tries - 1)) {
            return Err(format!("{who} is try {} after no other", attempt.tries));
        }
        let first = attempt.tries == 1;
        self.failovers += u64::from(!first);
        let of_whom = (lease.campaign, lease.contact);
        if self.excluded.get(&of_whom).is_some_and(|in_hand| *in_hand != Some(attempt.id)) {
            return Err(format!("{who} goes to somebody who was excluded"));
        }
        let most = self.attempts_max.entry(lease.campaign).or_default();
        *most = (*most).max(placement.settings.max_attempts);
        let callbacks = u32::from(placement.settings.callback_detection) * retry::CALLBACKS_MAX;
        let counted = self.counted.get(&of_whom).copied().unwrap_or(0);
        if counted >= *most + callbacks {
            return Err(format!("{who} leaves after {counted} attempts of {most}"));
        }
        let call_max = SignedDuration::from_secs(placement.settings.max_call_seconds.into());
        self.ends_by.entry(attempt.id).or_insert(now + call_max + ENDS_WITHIN);
        if first
            && !self
                .numbers
                .entry((lease.campaign, lease.contact))
                .or_default()
                .insert(attempt.number)
        {
            return Err(format!("{who} repeats attempt number {}", attempt.number));
        }
        if calls
            .values()
            .any(|call| call.campaign == lease.campaign && call.contact == lease.contact)
        {
            return Err(format!("{who} leaves while another call to it is up"));
        }
        if calls.values().any(|call| call.phone == lease.phone) {
            return Err(format!("{who} leaves while another campaign's call to it is up"));
        }
        if guard::check(lease.phone, &placement.settings).is_err() {
            return Err(format!("{who} goes to a number that its campaign may not call"));
        }
        if placement.callee != format!("+{}", lease.phone.digits()) {
            return Err(format!("{who} goes to {}", placement.callee));
        }
        let Some(setup) = known.campaigns.iter().find(|setup| setup.id == lease.campaign) else {
            return Err(format!("{who} leaves though its campaign is gone"));
        };
        if setup.status != Status::Running {
            return Err(format!("{who} leaves while the campaign is {}", setup.status.word()));
        }
        if !setup.settings.hours().is_open(wall) {
            return Err(format!("{who} leaves outside the window, at {wall}"));
        }
        if !setup.bot.as_ref().is_some_and(|bot| bot.enabled) {
            return Err(format!("{who} leaves without a bot"));
        }
        if setup.settings.mode == campanile_domain::settings::Mode::SingleDay
            && setup.settings.hours().day_end(setup.started_at).is_none_or(|end| wall >= end)
        {
            return Err(format!("{who} leaves after its single day"));
        }
        let Some(carrier) = known.carriers.iter().find(|carrier| carrier.id == attempt.carrier)
        else {
            return Err(format!("{who} leaves through a carrier that is gone"));
        };
        if !carrier.enabled {
            return Err(format!("{who} leaves through a disabled carrier"));
        }
        let number = setup.numbers.iter().find(|number| number.id == attempt.number_id);
        if number.is_none_or(|number| {
            number.carrier_id != attempt.carrier && !carrier.settings.any_caller_id
        }) {
            return Err(format!("{who} shows a number that this carrier does not take"));
        }
        let used = calls.values().filter(|call| call.carrier == carrier.id).count();
        if used >= carrier.settings.channels as usize {
            return Err(format!(
                "{who} is call {} of {} channels",
                used + 1,
                carrier.settings.channels
            ));
        }
        if calls.len() >= max_calls as usize {
            return Err(format!("{who} is call {} of {max_calls}", calls.len() + 1));
        }
        let (cps, burst) = (carrier.settings.cps, f64::from(carrier.settings.burst));
        let invites = self.invites.entry(carrier.id).or_default();
        invites.push(now);
        for (back, earlier) in invites.iter().rev().take(LOOK_BACK).enumerate() {
            let seconds = now.duration_since(*earlier).as_secs_f64();
            let boots = self.boots.iter().filter(|boot| **boot > *earlier).count() as f64;
            let early = if cps < 1.0 { boots } else { 0.0 };
            if (back + 1) as f64 > cps * seconds + burst + early + 1e-6 {
                return Err(format!(
                    "{who} is one of {} within {seconds} s at {cps}/s, burst {burst}",
                    back + 1
                ));
            }
        }
        self.last_invite.insert(lease.campaign, now);
        self.dials += 1;
        Ok(())
    }

    /// A call has ended, whether or not its attempt has.
    pub(crate) fn ended(&mut self, attempt: AttemptId, ending: Ending, rang: bool) {
        self.refused.insert(attempt, (ending, rang));
    }

    /// An attempt goes on through another carrier: only after an explicit refusal of a
    /// call that did not ring (DI-10).
    pub(crate) fn reroute(&self, attempt: &NewAttempt) -> Check {
        match self.refused.get(&attempt.id) {
            Some((Ending::Refused { rang: false, .. }, false)) => Ok(()),
            before => Err(format!("{:?} goes on through another after {before:?}", attempt.id)),
        }
    }

    /// A call gets a seat.
    pub(crate) fn connect(
        &mut self,
        campaign: CampaignId,
        known: &DiallerSetup,
        calls: &HashMap<AttemptId, LineCall>,
    ) -> Check {
        self.connected += 1;
        let taken =
            calls.values().filter(|call| call.campaign == campaign && call.connected).count();
        // A campaign that ended keeps the seats that it had.
        let seats = known.campaigns.iter().find(|setup| setup.id == campaign);
        let seats = seats.map(|setup| {
            setup.settings.concurrency as usize + setup.settings.pacing.burst_seats as usize
        });
        if seats.is_some_and(|seats| taken >= seats) {
            return Err(format!("{campaign:?} takes seat {} of its concurrency", taken + 1));
        }
        Ok(())
    }

    /// The end of an attempt is given to the store.
    pub(crate) fn finish(&mut self, finish: &Finish) -> Check {
        let id = finish.attempt.id;
        if !self.finished.insert(id) {
            return Err(format!("{id:?} is finished twice"));
        }
        let sent = finish.report.ending != Ending::NotSent;
        if sent != self.placed.contains(&(id, finish.attempt.tries)) {
            return Err(format!("{id:?} is finished as {:?}", finish.report.ending));
        }
        if finish.result.disposition.is_empty() {
            return Err(format!("{id:?} has no disposition"));
        }
        Ok(())
    }

    /// What pages are told, at least every few seconds.
    pub(crate) fn view(&mut self, view: &LiveView, store_answers: bool, now: Timestamp) -> Check {
        let reason = &view.reason;
        if reason.sentence.trim().is_empty() {
            return Err(format!("{:?} gives {:?} without a word", view.campaign, reason.code));
        }
        if reason.code != ReasonCode::Dialling || !store_answers {
            self.says_it_dials.remove(&view.campaign);
            return Ok(());
        }
        let said = *self.says_it_dials.entry(view.campaign).or_insert(now);
        let dialled = self.last_invite.get(&view.campaign).copied().unwrap_or(said);
        if now.duration_since(said.max(dialled)) > SILENCE_MAX {
            return Err(format!(
                "{:?} says that it dials, and does not: {}",
                view.campaign, reason.sentence
            ));
        }
        Ok(())
    }

    /// Whether a campaign could dial, looked at every few seconds. While it could, somebody
    /// must be dialled; a longest rest may have begun just before.
    pub(crate) fn look(&mut self, campaign: CampaignId, could: bool, now: Timestamp) -> Check {
        if !could {
            self.could_dial.remove(&campaign);
            return Ok(());
        }
        let since = *self.could_dial.entry(campaign).or_insert(now);
        // Any campaign: one of a higher priority may take all that a carrier has.
        let last = self.last_invite.values().max().copied().unwrap_or(since);
        if now.duration_since(since.max(last)) > STANDSTILL_MAX {
            return Err(format!("{campaign:?} stands still, though it could dial, at {now}"));
        }
        Ok(())
    }

    /// Whether claims are held that cannot be used, looked at every few seconds: they go
    /// back as soon as the store takes them.
    pub(crate) fn claims(&mut self, campaign: CampaignId, held: bool, now: Timestamp) -> Check {
        if !held {
            self.held_in_vain.remove(&campaign);
            return Ok(());
        }
        let since = *self.held_in_vain.entry(campaign).or_insert(now);
        if now.duration_since(since) > CLAIMS_MAX {
            return Err(format!("{campaign:?} holds claims that it may not use, at {now}"));
        }
        Ok(())
    }

    /// The world has come to rest.
    pub(crate) fn end(&self, store: &Store) -> Check {
        for campaign in &store.campaigns {
            for (index, contact) in campaign.contacts.iter().enumerate() {
                let who = format!("contact {index} of {:?}", campaign.id);
                let callbacks =
                    u32::from(campaign.settings.callback_detection) * retry::CALLBACKS_MAX;
                let most = self.attempts_max.get(&campaign.id).copied().unwrap_or(0);
                if contact.counted > most.max(campaign.settings.max_attempts) + callbacks {
                    return Err(format!("{who} has {} counted attempts", contact.counted));
                }
                let done =
                    matches!(contact.state.class(), ContactClass::Final | ContactClass::Excluded);
                if campaign.status == Status::Completed && !done {
                    return Err(format!("{who} is {} in a completed run", contact.state.word()));
                }
                if contact.state.class() == ContactClass::Active {
                    return Err(format!(
                        "{who} is {} at the end of the world",
                        contact.state.word()
                    ));
                }
            }
        }
        for (id, _) in &self.placed {
            if store.attempts.get(id).is_none_or(|row| row.outcome.is_none()) {
                return Err(format!("{id:?} was dialled and has no end"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
