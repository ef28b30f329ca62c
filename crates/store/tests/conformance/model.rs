//! Random verbs, crashes among them, and after each: counters equal rows, nobody is
//! lost, no attempt number is used twice, an end that was acknowledged stays.

use std::collections::{HashMap, HashSet};

use campanile_domain::{
    attempt::{Lease, NewAttempt, Progress},
    campaign::Status,
    contact::{ContactClass, ContactState},
    ids::{AttemptId, CampaignId, ContactId},
    outcome::{Ending, Outcome},
    result::CallbackWish,
    settings::Settings,
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::world::{World, finish, operator, t0};

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    Lease(u32),
    Record,
    Release,
    Progress(u8),
    Finish(Outcome, Twist),
    FinishAgain,
    Add(u64),
    Pause,
    Resume,
    Sweep,
    Stop,
    Complete,
    Crash,
    Wait(i64),
}

/// What is special about an end.
#[derive(Debug, Clone, Copy)]
enum Twist {
    None,
    Uncounted,
    NotSent,
    Callback,
    OptOut,
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop::sample::select(vec![
        Outcome::Completed,
        Outcome::Abandoned,
        Outcome::Machine,
        Outcome::NoAnswer,
        Outcome::Busy,
        Outcome::InvalidNumber,
        Outcome::Congestion,
        Outcome::Cancelled,
    ]);
    let twist = prop_oneof![
        6 => Just(Twist::None),
        2 => Just(Twist::Uncounted),
        1 => Just(Twist::NotSent),
        1 => Just(Twist::Callback),
        1 => Just(Twist::OptOut),
    ];
    prop_oneof![
        12 => (1..4u32).prop_map(Step::Lease),
        20 => Just(Step::Record),
        2 => Just(Step::Release),
        8 => (0..3u8).prop_map(Step::Progress),
        20 => (outcome, twist).prop_map(|(outcome, twist)| Step::Finish(outcome, twist)),
        3 => Just(Step::FinishAgain),
        2 => (1..30u64).prop_map(Step::Add),
        2 => Just(Step::Pause),
        4 => Just(Step::Resume),
        1 => Just(Step::Sweep),
        1 => Just(Step::Stop),
        2 => Just(Step::Complete),
        2 => Just(Step::Crash),
        6 => (1..900i64).prop_map(Step::Wait),
    ]
}

/// What a dialler remembers, and what it knows must hold.
struct Dialler {
    world: World,
    id: CampaignId,
    now: Timestamp,
    claims: Vec<Lease>,
    live: Vec<NewAttempt>,
    ended: Vec<NewAttempt>,
    /// Acknowledged ends.
    outcomes: HashMap<AttemptId, Outcome>,
    numbers: HashSet<(ContactId, u32)>,
}

impl Dialler {
    async fn new() -> Self {
        let world = World::new().await;
        let settings =
            Settings { callback_detection: true, retry_unknown: true, ..world.settings() };
        let id = world.running_with(settings, 12).await;
        Self {
            world,
            id,
            now: t0(),
            claims: Vec::new(),
            live: Vec::new(),
            ended: Vec::new(),
            outcomes: HashMap::new(),
            numbers: HashSet::new(),
        }
    }

    async fn take(mut self, step: Step) -> Self {
        let store = self.world.store.clone();
        let (id, now) = (self.id, self.now);
        match step {
            Step::Lease(max) => self.claims.extend(self.world.lease(id, max, now).await),
            Step::Record => {
                if let Some(claim) = self.claims.pop() {
                    let attempt = self.world.attempt(&claim, now);
                    if store.record(attempt.clone()).await.unwrap().is_ok() {
                        let fresh = self.numbers.insert((claim.contact, attempt.number));
                        assert!(fresh, "attempt {} of {} twice", attempt.number, claim.contact);
                        self.live.push(attempt);
                    }
                }
            }
            Step::Release => {
                store.release(self.claims.drain(..).collect()).await.unwrap();
            }
            Step::Progress(far) => {
                if let Some(attempt) = self.live.last() {
                    let seen = |at_least: u8| (far >= at_least).then_some(now);
                    let news = Progress {
                        attempt: attempt.id,
                        campaign: id,
                        contact: attempt.lease.contact,
                        ringing_at: seen(0),
                        answered_at: seen(1),
                        bot_attached_at: seen(2),
                    };
                    store.progress(news).await.unwrap();
                }
            }
            Step::Finish(outcome, twist) => {
                if !self.live.is_empty() {
                    let attempt = self.live.remove(0);
                    let mut end = finish(&attempt, outcome, now);
                    match twist {
                        Twist::None => {}
                        Twist::Uncounted => end.counts = false,
                        Twist::NotSent => {
                            end.report.ending = Ending::NotSent;
                            end.counts = false;
                        }
                        Twist::Callback => {
                            let at = Some(now + SignedDuration::from_secs(300));
                            end.result.callback =
                                Some(CallbackWish { at, ..CallbackWish::default() });
                        }
                        Twist::OptOut => end.result.opt_out = Some(true),
                    }
                    store.finish(end, now).await.unwrap();
                    self.outcomes.insert(attempt.id, outcome);
                    self.ended.push(attempt);
                }
            }
            Step::FinishAgain => {
                if let Some(attempt) = self.ended.last() {
                    let again = finish(attempt, Outcome::Busy, now);
                    store.finish(again, now).await.unwrap();
                }
            }
            Step::Add(callee) => {
                // Refused once the run is over, which is as it should be.
                if let Ok(import) = store.begin_import(id, now).await {
                    let rows = crate::world::rows([callee, callee + 1]);
                    store.stage_rows(import, rows, Vec::new()).await.unwrap();
                    store.accept_import(import, operator(), now).await.unwrap();
                }
            }
            // These are refused in some states, which is as it should be.
            Step::Pause => drop(store.pause(id, operator(), now).await),
            Step::Resume => drop(store.resume(id, operator(), now).await),
            Step::Stop => drop(store.stop(id, operator(), now).await),
            Step::Sweep => store.sweep(id, 1, now).await.unwrap(),
            Step::Complete => {
                if store.complete(id, 1, now).await.unwrap().is_some() {
                    let campaign = store.campaign(id).await.unwrap();
                    assert_eq!(campaign.processed(), campaign.total());
                }
            }
            Step::Wait(seconds) => self.now += SignedDuration::from_secs(seconds),
            Step::Crash => {
                drop(store);
                let live = self.live.len() as u64;
                self.world = self.world.crash();
                let unknown = self.world.store.recover(now).await.unwrap();
                assert_eq!(unknown.iter().map(|(_, count)| count).sum::<u64>(), live);
                self.claims.clear();
                // Their real ends may still come, when a leg outlived the database.
                for attempt in self.live.drain(..) {
                    self.ended.push(attempt);
                }
            }
        }
        self
    }

    async fn check(&self) {
        // Progress is not durable until something else is; commit it with this.
        self.world.store.ready().await.unwrap();
        self.world.audit(self.id).await;
        let campaign = self.world.campaign(self.id).await;
        let contacts = self.world.contacts(self.id).await;
        let all: u64 = campaign.counts.iter().map(|(_, count)| count).sum();
        assert_eq!(contacts.len() as u64, all, "somebody is lost");

        let of = |class| contacts.iter().filter(move |each| each.state.class() == class);
        let leased = of(ContactClass::Active).filter(|each| each.state == ContactState::Leased);
        assert_eq!(leased.count(), self.claims.len());
        let active = of(ContactClass::Active).count();
        assert_eq!(active, self.claims.len() + self.live.len());
        if campaign.status == Status::Completed {
            assert_eq!(of(ContactClass::Waiting).count(), 0, "somebody waits for ever");
        }
        for contact in &contacts {
            let numbers: Vec<u32> = contact.trail.iter().map(|each| each.number).collect();
            let expected: Vec<u32> = (1..=numbers.len() as u32).collect();
            assert_eq!(numbers, expected);
            for attempt in &contact.trail {
                if let Some(outcome) = self.outcomes.get(&attempt.id) {
                    assert_eq!(attempt.outcome, Some(*outcome), "an end was lost");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 60, ..Default::default() })]

    #[test]
    fn counters_equal_rows_whatever_happens(steps in prop::collection::vec(step(), 60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut dialler = Dialler::new().await;
            for step in steps {
                dialler = dialler.take(step).await;
                dialler.check().await;
            }
        });
    }
}
