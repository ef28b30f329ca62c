//! What every conformance test begins with: a data directory, things to dial with,
//! and a dialler that does by hand what the engine does.

use campanile_domain::{
    attempt::{Audio, CallReport, Finish, Lease, Leg, NewAttempt, Next},
    bot::BotKind,
    carrier::Direction,
    ids::{AttemptId, BotId, CampaignId, CarrierId, NumberId},
    outcome::{Ending, HangupBy, Outcome},
    phone::PhoneNumber,
    result::ConversationResult,
    settings::Settings,
};
use campanile_store::{
    Settled, Store,
    rows::{Actor, Campaign, Contact, ContactFilter, Import, StagedRow},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tempfile::TempDir;

/// The instant at which every test begins.
pub(crate) fn t0() -> Timestamp {
    "2026-06-01T10:00:00Z".parse().unwrap()
}

pub(crate) fn after(seconds: i64) -> Timestamp {
    t0() + SignedDuration::from_secs(seconds)
}

pub(crate) fn operator() -> Actor {
    Actor { id: "usr_1".into(), name: "asha@example.org".into() }
}

/// The n-th callee.
pub(crate) fn callee(n: u64) -> PhoneNumber {
    PhoneNumber::from_digits(919_810_000_000 + n).unwrap()
}

/// A data directory that outlives the stores opened in it.
pub(crate) struct Backend {
    dir: TempDir,
}

impl Backend {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn open(&self) -> Store {
        Store::open(self.dir.path()).unwrap()
    }
}

/// An open store with a carrier, a number and a bot.
pub(crate) struct World {
    pub(crate) backend: Backend,
    pub(crate) store: Store,
    pub(crate) carrier: CarrierId,
    pub(crate) number: NumberId,
    pub(crate) bot: BotId,
    next_attempt: i64,
}

impl World {
    pub(crate) async fn new() -> Self {
        let backend = Backend::new();
        let store = backend.open();
        let carrier = json!({"name": "Tata", "host": "sip.example.org", "cps": 5, "channels": 30});
        let carrier = serde_json::from_value(carrier).unwrap();
        let carrier = store.create_carrier(carrier, t0()).await.unwrap().id;
        let e164 = "+918045670001".parse().unwrap();
        let number =
            store.create_number(e164, carrier, None, Direction::Outbound, t0()).await.unwrap().id;
        let bot =
            store.create_bot("Hello".into(), BotKind::Script, json!({}), t0()).await.unwrap().id;
        Self { backend, store, carrier, number, bot, next_attempt: 1 }
    }

    /// The process dies, and another begins with the same directory.
    pub(crate) fn crash(self) -> Self {
        let Self { backend, store, carrier, number, bot, next_attempt } = self;
        drop(store);
        let store = backend.open();
        Self { backend, store, carrier, number, bot, next_attempt }
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            name: "Renewals".into(),
            bot_id: Some(self.bot),
            number_ids: vec![self.number],
            retry_delay_minutes: 10.0,
            max_attempts: 3,
            ..Settings::default()
        }
    }

    /// A draft with callees 1 to `contacts`.
    pub(crate) async fn draft(&self, contacts: u64) -> CampaignId {
        self.draft_with(self.settings(), contacts).await
    }

    pub(crate) async fn draft_with(&self, settings: Settings, contacts: u64) -> CampaignId {
        let id = self.store.create_campaign(settings, operator(), t0()).await.unwrap().id;
        if contacts > 0 {
            self.add(id, 1..=contacts).await;
        }
        id
    }

    /// Reads a file of these callees to its end.
    pub(crate) async fn add(
        &self,
        campaign: CampaignId,
        callees: impl IntoIterator<Item = u64>,
    ) -> Import {
        let import = self.store.begin_import(campaign, t0()).await.unwrap();
        self.store.stage_rows(import, rows(callees), Vec::new()).await.unwrap();
        self.store.accept_import(import, operator(), t0()).await.unwrap()
    }

    /// A running campaign with callees 1 to `contacts`.
    pub(crate) async fn running(&self, contacts: u64) -> CampaignId {
        self.running_with(self.settings(), contacts).await
    }

    pub(crate) async fn running_with(&self, settings: Settings, contacts: u64) -> CampaignId {
        let id = self.draft_with(settings, contacts).await;
        self.store.start(id, operator(), t0()).await.unwrap();
        id
    }

    pub(crate) async fn campaign(&self, id: CampaignId) -> Campaign {
        self.store.campaign(id).await.unwrap()
    }

    pub(crate) async fn contacts(&self, id: CampaignId) -> Vec<Contact> {
        let filter = ContactFilter { limit: 1_000, ..Default::default() };
        self.store.contacts(id, filter).await.unwrap()
    }

    pub(crate) async fn lease(&self, id: CampaignId, max: u32, at: Timestamp) -> Vec<Lease> {
        self.store.lease(id, 1, max, at).await.unwrap().leases
    }

    pub(crate) fn attempt(&mut self, lease: &Lease, at: Timestamp) -> NewAttempt {
        self.next_attempt += 1;
        NewAttempt {
            id: AttemptId((1_780_000_000_000 << 20) + self.next_attempt),
            number: lease.dialled + 1,
            pass: lease.counted + 1,
            revision: 1,
            carrier: self.carrier,
            caller_id: "+918045670001".parse().unwrap(),
            number_id: self.number,
            tries: 1,
            at,
            lease: lease.clone(),
        }
    }

    /// Claims one contact and makes its attempt durable.
    pub(crate) async fn dial(&mut self, id: CampaignId, at: Timestamp) -> NewAttempt {
        let lease = self.lease(id, 1, at).await.pop().expect("somebody is due");
        let attempt = self.attempt(&lease, at);
        self.store.record(attempt.clone()).await.unwrap().expect("the claim is ours");
        attempt
    }

    /// Dials the next contact, and the call ends with this outcome.
    pub(crate) async fn call(
        &mut self,
        id: CampaignId,
        outcome: Outcome,
        at: Timestamp,
    ) -> Settled {
        let attempt = self.dial(id, at).await;
        let finish = finish(&attempt, outcome, at);
        self.store.finish(finish, at + SignedDuration::from_secs(30)).await.unwrap()
    }

    /// That the counters say what the rows say.
    pub(crate) async fn audit(&self, id: CampaignId) {
        let differences = self.store.recount(id).await.unwrap();
        assert!(differences.is_empty(), "counters differ from rows: {differences:#?}");
    }
}

pub(crate) fn rows(callees: impl IntoIterator<Item = u64>) -> Vec<StagedRow> {
    let rows = callees.into_iter().enumerate().map(|(index, n)| StagedRow {
        line: index as u64 + 2,
        phone: callee(n),
        variables: format!(r#"{{"name":"Callee {n}"}}"#),
    });
    rows.collect()
}

/// How a call that went this way ends: a conversation lasts 20 s.
pub(crate) fn finish(attempt: &NewAttempt, outcome: Outcome, at: Timestamp) -> Finish {
    let later = |seconds| Some(at + SignedDuration::from_secs(seconds));
    let answered = matches!(outcome, Outcome::Completed | Outcome::Abandoned | Outcome::Machine);
    let attached = outcome == Outcome::Completed;
    let (ending, sip_code) = match outcome {
        Outcome::Completed | Outcome::Machine => {
            (Ending::Connected { bot_failed: false }, Some(200))
        }
        Outcome::Abandoned => (Ending::NoSeat, Some(200)),
        Outcome::Busy => (Ending::Refused { sip_code: 486, after_ms: 900, rang: false }, Some(486)),
        Outcome::Cancelled => (Ending::Withdrawn, None),
        _ => (Ending::RingTimeout { sip_code: Some(487) }, Some(487)),
    };
    Finish {
        attempt: attempt.clone(),
        report: CallReport {
            attempt: attempt.id,
            ending,
            sip_code,
            sip_reason: None,
            retry_after_seconds: None,
            hangup_by: Some(HangupBy::Callee),
            ringing_at: (outcome != Outcome::Busy).then(|| later(2).unwrap()),
            answered_at: later(6).filter(|_| answered),
            bot_attached_at: later(6).filter(|_| attached),
            first_bot_audio_at: later(7).filter(|_| attached),
            ended_at: later(26).unwrap(),
            result: None,
            rtp_sent: 1_000,
            rtp_received: 900,
            media: attached.then(|| Audio {
                sent: 1_000,
                heard: Leg { received: 900, lost: 100, mos: Some(2.5), ..Leg::default() },
                ..Audio::default()
            }),
        },
        outcome,
        counts: true,
        result: ConversationResult::of(if attached { "interested" } else { "no_answer" }),
    }
}

/// When the contact is dialled again.
pub(crate) fn retry_at(settled: &Settled) -> Timestamp {
    match settled.next {
        Next::Retry(at) => at,
        other => panic!("expected a retry, got {other:?}"),
    }
}
