//! A model of the store in memory: the same verbs, the same rules of `domain`, no
//! disk.

use std::{collections::BTreeMap, sync::Arc};

use campanile_domain::{
    attempt::{Finish, Lease, NewAttempt, Next},
    bot::Bot,
    campaign::{Action, Status},
    carrier::{Carrier, Number},
    contact::{ContactClass, ContactState},
    figures::Sums,
    guard::Barred,
    ids::{AttemptId, CampaignId, ContactId, NumberId},
    outcome::Outcome,
    phone::PhoneNumber,
    retry::{self, After, RunEnd},
    settings::Settings,
    setup::{CampaignSetup, DiallerSetup, QueueState},
};
use jiff::Timestamp;

/// All that is durable.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) campaigns: Vec<Campaign>,
    pub(crate) carriers: Vec<Carrier>,
    pub(crate) bot: Option<Arc<Bot>>,
    pub(crate) attempts: BTreeMap<AttemptId, Row>,
    epoch: i64,
    /// Claims the first contact of a line twice: a fault for the judge to find.
    pub(crate) claims_twice: bool,
    /// Counts no attempt: the same.
    pub(crate) forgets_attempts: bool,
}

/// A campaign with its contacts.
#[derive(Debug)]
pub(crate) struct Campaign {
    pub(crate) id: CampaignId,
    pub(crate) status: Status,
    pub(crate) revision: u32,
    pub(crate) settings: Arc<Settings>,
    pub(crate) numbers: Arc<[Number]>,
    pub(crate) started_at: Timestamp,
    pub(crate) end: RunEnd,
    pub(crate) contacts: Vec<Contact>,
    sums: Sums,
}

/// One contact.
#[derive(Debug)]
pub(crate) struct Contact {
    pub(crate) phone: PhoneNumber,
    pub(crate) state: ContactState,
    pub(crate) counted: u32,
    pub(crate) dialled: u32,
    /// When it began to wait, or falls due.
    pub(crate) due: Timestamp,
    epoch: i64,
    last_number: Option<NumberId>,
    /// Abandoned, and not served since.
    pub(crate) seat_owed: bool,
    pub(crate) attempt: Option<AttemptId>,
    /// Excluded while in a call.
    excluded: bool,
}

/// An attempt row.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) attempt: NewAttempt,
    pub(crate) outcome: Option<Outcome>,
}

/// Contacts of one campaign have ids in a row, so that an id names its place.
const CONTACTS: i64 = 100_000;

impl Contact {
    pub(crate) fn new(phone: PhoneNumber, now: Timestamp) -> Self {
        Self {
            phone,
            state: ContactState::Pending,
            counted: 0,
            dialled: 0,
            due: now,
            epoch: 0,
            last_number: None,
            seat_owed: false,
            attempt: None,
            excluded: false,
        }
    }
}

impl Campaign {
    pub(crate) fn new(id: CampaignId, settings: Settings, numbers: Arc<[Number]>) -> Self {
        Self {
            id,
            status: Status::Draft,
            revision: 1,
            settings: Arc::new(settings),
            numbers,
            started_at: Timestamp::UNIX_EPOCH,
            end: RunEnd::Open,
            contacts: Vec::new(),
            sums: Sums::default(),
        }
    }

    pub(crate) fn contact_id(&self, index: usize) -> ContactId {
        ContactId(self.id.0 * CONTACTS + index as i64)
    }

    pub(crate) fn index_of(contact: ContactId) -> usize {
        (contact.0 % CONTACTS) as usize
    }

    pub(crate) fn queue(&self) -> QueueState {
        let mut queue = QueueState::default();
        for contact in &self.contacts {
            match contact.state.class() {
                ContactClass::Waiting => {
                    queue.waiting += 1;
                    queue.next_due =
                        Some(queue.next_due.map_or(contact.due, |due| due.min(contact.due)));
                }
                ContactClass::Active => queue.active += 1,
                ContactClass::Final | ContactClass::Excluded => {}
            }
        }
        queue
    }

    /// Every waiting contact becomes `state`.
    fn end_waiting(&mut self, end: RunEnd, state: ContactState) {
        self.end = end;
        for contact in &mut self.contacts {
            if contact.state.class() == ContactClass::Waiting {
                contact.state = state;
            }
        }
    }

    fn is_dialling(&self) -> bool {
        matches!(self.status, Status::Running | Status::Paused)
    }
}

impl Store {
    pub(crate) fn campaign(&mut self, id: CampaignId) -> &mut Campaign {
        self.campaigns.iter_mut().find(|campaign| campaign.id == id).expect("it was set up")
    }

    /// What `Store::dialler_setup` reads.
    pub(crate) fn setup(&self) -> DiallerSetup {
        let campaigns = self
            .campaigns
            .iter()
            .filter(|campaign| {
                campaign.is_dialling()
                    || campaign.status == Status::Completed && campaign.queue().active > 0
            })
            .map(|campaign| CampaignSetup {
                id: campaign.id,
                status: campaign.status,
                run: 1,
                revision: campaign.revision,
                started_at: campaign.started_at,
                settings: campaign.settings.clone(),
                bot: self.bot.clone(),
                numbers: campaign.numbers.iter().filter(|each| each.enabled).cloned().collect(),
                queue: campaign.queue(),
                sums: campaign.sums,
            })
            .collect();
        let carriers = self.carriers.iter().cloned().map(Arc::new).collect();
        DiallerSetup { campaigns, carriers }
    }

    /// An action of a person; what the status does not allow does not happen, and nobody
    /// restarts a campaign: a world has one run of each.
    pub(crate) fn act(&mut self, id: CampaignId, action: Action, now: Timestamp) -> bool {
        if action == Action::Restart {
            return false;
        }
        let campaign = self.campaign(id);
        let Ok(status) = campaign.status.after(action) else { return false };
        campaign.status = status;
        match action {
            Action::Start => {
                campaign.started_at = now;
                for contact in &mut campaign.contacts {
                    contact.due = now;
                }
            }
            Action::Stop => campaign.end_waiting(RunEnd::Stopped, ContactState::ManualStopped),
            Action::Pause | Action::Resume | Action::Complete | Action::Fail | Action::Restart => {}
        }
        true
    }

    /// New contacts, unless the run is over.
    pub(crate) fn add_contacts(&mut self, id: CampaignId, phones: &[PhoneNumber], now: Timestamp) {
        let campaign = self.campaign(id);
        if campaign.is_dialling() && campaign.end == RunEnd::Open {
            campaign.contacts.extend(phones.iter().map(|phone| Contact::new(*phone, now)));
        }
    }

    /// A number of the pools is enabled or not.
    pub(crate) fn enable_number(&mut self, id: NumberId, enabled: bool) {
        for campaign in &mut self.campaigns {
            let mut numbers = campaign.numbers.to_vec();
            for number in numbers.iter_mut().filter(|number| number.id == id) {
                number.enabled = enabled;
            }
            campaign.numbers = numbers.into();
        }
    }

    /// Never to be dialled again; a call that is up is not cut.
    pub(crate) fn exclude(&mut self, id: CampaignId, index: usize) {
        let Some(contact) = self.campaign(id).contacts.get_mut(index) else { return };
        match contact.state.class() {
            ContactClass::Waiting => contact.state = ContactState::Excluded,
            ContactClass::Active => contact.excluded = true,
            ContactClass::Final | ContactClass::Excluded => {}
        }
    }

    pub(crate) fn lease(
        &mut self,
        id: CampaignId,
        max: u32,
        now: Timestamp,
    ) -> (Vec<Lease>, QueueState) {
        let (epoch, claims_twice) = (self.epoch + 1, self.claims_twice);
        let campaign = self.campaign(id);
        let mut due: Vec<usize> = (0..campaign.contacts.len())
            .filter(|index| {
                let contact = &campaign.contacts[*index];
                campaign.status == Status::Running
                    && contact.state.class() == ContactClass::Waiting
                    && contact.due <= now
            })
            .collect();
        // due callbacks, then everybody by the time they began to wait.
        due.sort_by_key(|index| {
            let contact = &campaign.contacts[*index];
            (contact.state != ContactState::CallbackScheduled, contact.due, *index)
        });
        due.truncate(max as usize);
        let mut leases: Vec<Lease> = due
            .into_iter()
            .map(|index| {
                let contact_id = campaign.contact_id(index);
                let contact = &mut campaign.contacts[index];
                contact.state = ContactState::Leased;
                contact.epoch = epoch;
                Lease {
                    campaign: id,
                    run: 1,
                    contact: contact_id,
                    phone: contact.phone,
                    counted: contact.counted,
                    dialled: contact.dialled,
                    last_number: contact.last_number,
                    seat_owed: contact.seat_owed,
                    epoch,
                }
            })
            .collect();
        if claims_twice {
            leases.extend(leases.first().cloned());
        }
        let queue = campaign.queue();
        self.epoch = epoch;
        (leases, queue)
    }

    pub(crate) fn release(&mut self, leases: &[Lease]) {
        for lease in leases {
            let campaign = self.campaign(lease.campaign);
            let end = campaign.end;
            let contact = &mut campaign.contacts[Campaign::index_of(lease.contact)];
            if contact.state == ContactState::Leased && contact.epoch == lease.epoch {
                go_back(contact, end);
            }
        }
    }

    /// The durable write before the INVITE; `false` when it is refused.
    pub(crate) fn record(&mut self, attempt: &NewAttempt) -> bool {
        let lease = &attempt.lease;
        let claims_twice = self.claims_twice;
        let campaign = self.campaign(lease.campaign);
        let status = campaign.status;
        let end = campaign.end;
        let contact = &mut campaign.contacts[Campaign::index_of(lease.contact)];
        let ours = contact.state == ContactState::Leased && contact.epoch == lease.epoch;
        if !ours && !claims_twice {
            return false;
        }
        if status != Status::Running || contact.excluded {
            go_back(contact, end);
            return false;
        }
        contact.state = ContactState::Dialling;
        contact.dialled = attempt.number;
        contact.last_number = Some(attempt.number_id);
        contact.attempt = Some(attempt.id);
        campaign.sums.dials += 1;
        self.attempts.insert(attempt.id, Row { attempt: attempt.clone(), outcome: None });
        true
    }

    /// The attempt goes on through another carrier; `false` when it is refused.
    pub(crate) fn reroute(&mut self, attempt: &NewAttempt) -> bool {
        let lease = &attempt.lease;
        let campaign = self.campaign(lease.campaign);
        let status = campaign.status;
        let contact = &mut campaign.contacts[Campaign::index_of(lease.contact)];
        if status != Status::Running || contact.excluded || contact.attempt != Some(attempt.id) {
            return false;
        }
        contact.last_number = Some(attempt.number_id);
        let next = |row: &&mut Row| row.outcome.is_none() && row.attempt.tries + 1 == attempt.tries;
        match self.attempts.get_mut(&attempt.id).filter(next) {
            Some(row) => {
                row.attempt = attempt.clone();
                true
            }
            None => false,
        }
    }

    /// Claims that may never be dialled.
    pub(crate) fn bar(&mut self, leases: &[(Lease, Barred)]) {
        for (lease, _) in leases {
            let campaign = self.campaign(lease.campaign);
            let contact = &mut campaign.contacts[Campaign::index_of(lease.contact)];
            if contact.state == ContactState::Leased && contact.epoch == lease.epoch {
                contact.state = ContactState::Failed;
            }
        }
    }

    /// Ends an attempt; `None` when there is no such row.
    pub(crate) fn finish(&mut self, finish: &Finish, now: Timestamp) -> Option<QueueState> {
        let lease = &finish.attempt.lease;
        let forgets = self.forgets_attempts;
        let row = self.attempts.get_mut(&finish.attempt.id)?;
        let first = row.outcome.is_none();
        if first {
            row.outcome = Some(finish.outcome);
            // The row names the carrier that was dialled last.
            row.attempt = finish.attempt.clone();
        }
        let campaign = self.campaign(lease.campaign);
        if first {
            let index = Campaign::index_of(lease.contact);
            let (settings, end) = (campaign.settings.clone(), campaign.end);
            let contact = &mut campaign.contacts[index];
            contact.counted += u32::from(finish.counts && !forgets);
            contact.attempt = None;
            contact.last_number = Some(finish.attempt.number_id);
            contact.seat_owed = match finish.outcome {
                Outcome::Abandoned => true,
                Outcome::Completed => false,
                _ => contact.seat_owed,
            };
            let after = After::of(finish, &settings, contact.counted, end, contact.excluded, now);
            settle(contact, retry::settle(&after));
            let sums = &mut campaign.sums;
            sums.attempts += 1;
            if let Some(ring_ms) = finish.report.ring_ms() {
                sums.rang += 1;
                sums.ring_ms += ring_ms;
            }
        }
        Some(campaign.queue())
    }

    pub(crate) fn sweep(&mut self, id: CampaignId) {
        let campaign = self.campaign(id);
        if campaign.is_dialling() {
            campaign.end_waiting(RunEnd::Swept, ContactState::WindowClosed);
        }
    }

    /// Completes the run if nobody waits and nobody is active.
    pub(crate) fn complete(&mut self, id: CampaignId, now: Timestamp) -> bool {
        let queue = self.campaign(id).queue();
        queue.waiting == 0 && queue.active == 0 && self.act(id, Action::Complete, now)
    }

    /// After a crash: claims go back, attempts without an end become `unknown`. Returns
    /// how many did.
    pub(crate) fn recover(&mut self, now: Timestamp) -> u64 {
        let mut unknown = 0;
        for campaign in &mut self.campaigns {
            let (settings, end) = (campaign.settings.clone(), campaign.end);
            for contact in &mut campaign.contacts {
                if contact.state == ContactState::Leased {
                    go_back(contact, end);
                } else if contact.state.class() == ContactClass::Active {
                    unknown += 1;
                    contact.counted += 1;
                    if let Some(row) =
                        contact.attempt.take().and_then(|id| self.attempts.get_mut(&id))
                    {
                        row.outcome = Some(Outcome::Unknown);
                    }
                    let next = retry::settle_unknown(
                        &settings,
                        contact.counted,
                        end,
                        contact.excluded,
                        now,
                    );
                    settle(contact, next);
                }
            }
        }
        unknown
    }
}

/// A claim goes back to the line as it was; or is over with the run.
fn go_back(contact: &mut Contact, end: RunEnd) {
    contact.state = match (contact.excluded, end) {
        (true, _) => ContactState::Excluded,
        (false, RunEnd::Stopped) => ContactState::ManualStopped,
        (false, RunEnd::Swept) => ContactState::WindowClosed,
        (false, RunEnd::Open) if contact.dialled == 0 => ContactState::Pending,
        (false, RunEnd::Open) => ContactState::RetryScheduled,
    };
}

fn settle(contact: &mut Contact, next: Next) {
    match next {
        Next::Retry(due) => {
            contact.state = ContactState::RetryScheduled;
            contact.due = due;
        }
        Next::Callback(due) => {
            contact.state = ContactState::CallbackScheduled;
            contact.due = due;
        }
        Next::Final(state) => contact.state = state,
    }
}
