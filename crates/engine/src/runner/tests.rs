use std::{
    collections::VecDeque,
    future::pending,
    sync::{Arc, Mutex},
};

use campanile_domain::{
    bot::BotKind,
    campaign::Status,
    carrier::Direction,
    contact::ContactState,
    ids::{CampaignId, IdSource},
    outcome::{Ending, HangupBy, Outcome},
    phone::PhoneNumber,
    scheduler::Placement,
    settings::Settings,
    window::{Day, Window},
};
use campanile_store::rows::{Actor, StagedRow};
use serde_json::json;
use tokio::task::JoinHandle;

use super::*;
use crate::line::{LineEvent, unplaced};

/// What the phones of a fake line do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phones {
    /// They answer, talk and hang up.
    Answer,
    /// They ring until somebody gives up.
    Ring,
    /// They ring, and what gives up is not heard.
    RingForEver,
    /// They ring, and the line never stops.
    Hang,
    /// The line breaks with the first call.
    Break,
}

/// A line without a wire. It notes what it was asked.
struct FakeLine {
    phones: Phones,
    events: VecDeque<LineEvent>,
    ringing: Vec<AttemptId>,
    asked: Arc<Mutex<Vec<&'static str>>>,
    over: bool,
}

impl FakeLine {
    fn note(&self, what: &'static str) {
        self.asked.lock().unwrap().push(what);
    }

    fn end(&mut self, attempt: AttemptId, ending: Ending) {
        let report = CallReport {
            hangup_by: Some(HangupBy::Callee),
            ..unplaced(attempt, ending, "", Timestamp::now())
        };
        self.events.push_back((attempt, CallEvent::Ended(Box::new(report))));
    }
}

impl Line for FakeLine {
    async fn place(&mut self, placement: Box<Placement>) {
        self.note("place");
        let attempt = placement.attempt.id;
        self.events.push_back((attempt, CallEvent::Ringing));
        match self.phones {
            Phones::Answer => self.events.push_back((attempt, CallEvent::Answered)),
            Phones::Ring | Phones::RingForEver | Phones::Hang => self.ringing.push(attempt),
            Phones::Break => self.over = true,
        }
    }

    async fn connect(&mut self, attempt: AttemptId) {
        self.note("connect");
        self.events.push_back((attempt, CallEvent::BotAttached));
        let now = Timestamp::now();
        let report = CallReport {
            ringing_at: Some(now),
            answered_at: Some(now),
            bot_attached_at: Some(now),
            ..unplaced(attempt, Ending::Connected { bot_failed: false }, "", now)
        };
        self.events.push_back((attempt, CallEvent::Ended(Box::new(report.clone()))));
        // A line that is wrong: the runner must not pass the second one on.
        self.events.push_back((attempt, CallEvent::Ended(Box::new(report))));
    }

    async fn abandon(&mut self, _attempt: AttemptId) {
        self.note("abandon");
    }

    async fn hang_up(&mut self, attempt: AttemptId) {
        self.note("hang up");
        if self.phones == Phones::Ring {
            self.ringing.retain(|ringing| *ringing != attempt);
            self.end(attempt, Ending::Withdrawn);
        }
    }

    async fn stop(&mut self) {
        self.note("stop");
        if self.phones == Phones::Hang {
            return;
        }
        for attempt in std::mem::take(&mut self.ringing) {
            self.end(attempt, Ending::Withdrawn);
        }
        self.over = true;
    }

    async fn next_event(&mut self) -> Option<LineEvent> {
        match self.events.pop_front() {
            Some(event) => Some(event),
            None if self.over => None,
            None => pending().await,
        }
    }
}

/// A runner at work on a campaign of `contacts` contacts.
struct Rig {
    store: Store,
    live: LiveHub,
    campaign: CampaignId,
    asked: Arc<Mutex<Vec<&'static str>>>,
    shutdown: watch::Sender<bool>,
    runner: JoinHandle<Result<(), LineBroke>>,
}

impl Rig {
    async fn new(phones: Phones, contacts: u64, drain: Duration) -> Self {
        let store = Store::open_temporary().unwrap();
        let campaign = started_campaign(&store, contacts).await;
        let changes = store.changes();
        let setup = store.dialler_setup().await.unwrap();
        let asked = Arc::default();
        let line = FakeLine {
            phones,
            events: VecDeque::new(),
            ringing: Vec::new(),
            asked: Arc::clone(&asked),
            over: false,
        };
        let live = LiveHub::default();
        let now = Timestamp::now();
        let (shutdown, shutdown_out) = watch::channel(false);
        let parts = RunnerParts {
            scheduler: Scheduler::new(IdSource::new(now.as_millisecond(), 7), 100, now),
            store: store.clone(),
            live: live.clone(),
            line,
            shutdown: shutdown_out,
            drain,
        };
        let runner = tokio::spawn(Runner::new(parts, setup, changes).run());
        Self { store, live, campaign, asked, shutdown, runner }
    }

    fn asked(&self, what: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| **asked == what).count()
    }

    /// Waits until something holds; a test that waits a minute has failed.
    async fn until(&self, holds: impl AsyncFn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !holds(self).await {
            assert!(Instant::now() < deadline, "what was waited for did not come");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn outcomes(&self) -> Vec<Option<Outcome>> {
        let attempts = self.store.attempts(self.campaign, None, None, 1_000).await.unwrap();
        attempts.into_iter().map(|attempt| attempt.outcome).collect()
    }

    async fn status(&self) -> Status {
        self.store.campaign(self.campaign).await.unwrap().status
    }
}

async fn started_campaign(store: &Store, contacts: u64) -> CampaignId {
    let now = Timestamp::now();
    let me = Actor { id: "usr_test".into(), name: "Test".into() };
    let carrier = json!({"name": "Fake", "host": "127.0.0.1", "cps": 1_000, "burst": 100,
        "channels": 100});
    let carrier =
        store.create_carrier(serde_json::from_value(carrier).unwrap(), now).await.unwrap();
    let e164 = "+912240001000".parse().unwrap();
    let number =
        store.create_number(e164, carrier.id, None, Direction::Outbound, now).await.unwrap();
    let bot = store.create_bot("Bot".into(), BotKind::Script, json!({}), now).await.unwrap();
    let settings = Settings {
        name: "Test".into(),
        bot_id: Some(bot.id),
        number_ids: vec![number.id],
        max_attempts: 1,
        window: Window {
            start: "00:00".into(),
            end: "24:00".into(),
            timezone: "UTC".into(),
            days: Day::ALL.to_vec(),
        },
        ..Settings::default()
    };
    let campaign = store.create_campaign(settings, me.clone(), now).await.unwrap().id;
    let import = store.begin_import(campaign, now).await.unwrap();
    let rows = (0..contacts).map(|index| StagedRow {
        line: index + 2,
        phone: PhoneNumber::from_digits(919_812_300_000 + index).unwrap(),
        variables: "{}".into(),
    });
    store.stage_rows(import, rows.collect(), Vec::new()).await.unwrap();
    store.accept_import(import, me.clone(), now).await.unwrap();
    store.start(campaign, me, Timestamp::now()).await.unwrap();
    campaign
}

#[tokio::test]
async fn every_contact_is_placed_connected_and_settled_once_and_the_run_completes() {
    let rig = Rig::new(Phones::Answer, 40, Duration::ZERO).await;
    rig.until(async |rig| rig.status().await == Status::Completed).await;
    assert_eq!(rig.outcomes().await, [Some(Outcome::Completed); 40]);
    assert_eq!((rig.asked("place"), rig.asked("connect")), (40, 40));
    rig.shutdown.send(true).unwrap();
    assert_eq!(rig.runner.await.unwrap(), Ok(()));
}

#[tokio::test]
async fn pages_see_calls_ring_and_after_a_stop_drain() {
    let rig = Rig::new(Phones::Ring, 5, Duration::ZERO).await;
    rig.until(async |rig| rig.live.latest(rig.campaign).is_some_and(|view| view.ringing == 5))
        .await;
    let me = Actor { id: "usr_test".into(), name: "Test".into() };
    rig.store.stop(rig.campaign, me, Timestamp::now()).await.unwrap();
    rig.until(async |rig| {
        let view = rig.live.latest(rig.campaign);
        view.is_some_and(|view| view.state == campanile_domain::live::LiveState::Draining)
    })
    .await;
    rig.shutdown.send(true).unwrap();
    assert_eq!(rig.runner.await.unwrap(), Ok(()));
}

#[tokio::test]
async fn calls_that_outlive_the_drain_are_hung_up_and_nothing_stays_claimed() {
    for phones in [Phones::Ring, Phones::RingForEver] {
        let mut rig = Rig::new(phones, 80, Duration::from_millis(50)).await;
        rig.until(async |rig| rig.asked("place") >= 10).await;
        rig.shutdown.send(true).unwrap();
        assert_eq!((&mut rig.runner).await.unwrap(), Ok(()));
        let placed = rig.asked("place");
        assert_eq!(rig.asked("hang up"), placed, "{phones:?}");
        assert_eq!(rig.asked("stop"), 1);
        let outcomes = rig.outcomes().await;
        assert_eq!(outcomes, vec![Some(Outcome::Cancelled); outcomes.len()]);
        assert!(outcomes.len() >= placed);
        let campaign = rig.store.campaign(rig.campaign).await.unwrap();
        for state in [ContactState::Leased, ContactState::Dialling, ContactState::Ringing] {
            assert_eq!(campaign.count(state), 0, "{state:?}");
        }
    }
}

#[tokio::test]
async fn a_line_that_does_not_stop_does_not_hold_up_the_end() {
    let rig = Rig::new(Phones::Hang, 5, Duration::ZERO).await;
    rig.until(async |rig| rig.asked("place") == 5).await;
    rig.shutdown.send(true).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(30), rig.runner).await;
    assert_eq!(ended.expect("it ends").unwrap(), Ok(()));
}

#[tokio::test]
async fn a_line_that_breaks_ends_the_runner_with_an_error() {
    let rig = Rig::new(Phones::Break, 5, Duration::ZERO).await;
    assert_eq!(rig.runner.await.unwrap(), Err(LineBroke));
}

#[tokio::test]
async fn when_nobody_can_ask_any_more_the_runner_winds_up() {
    let rig = Rig::new(Phones::Ring, 5, Duration::from_secs(3_600)).await;
    rig.until(async |rig| rig.asked("place") == 5).await;
    drop(rig.shutdown);
    assert_eq!(rig.runner.await.unwrap(), Ok(()));
}
