use std::sync::Arc;

use super::*;
use crate::{
    bot::{Bot, BotKind},
    carrier::{Carrier, CarrierSettings, Direction, Number, NumberFormat, Transport},
    figures::Sums,
    ids::{BotId, CarrierId, ContactId, NumberId},
    live::LiveState,
    outcome::Outcome,
    settings::{Mode, PacingMode, PacingSettings, Settings},
    setup::CampaignSetup,
    why::ReasonCode,
    window::Window,
};

/// Tuesday noon in India.
const NOON: &str = "2026-11-17T06:30:00Z";

/// A scheduler with a world that is moved by hand. Rows are durable at once unless
/// `slow`.
struct Rig {
    scheduler: Scheduler,
    now: Timestamp,
    setup: DiallerSetup,
    /// What was asked and not answered yet, oldest first.
    asked: Vec<Command>,
    contacts: i64,
}

fn campaign(id: i64) -> CampaignSetup {
    let settings = Settings {
        name: format!("Campaign {id}"),
        concurrency: 10,
        window: Window::default(),
        ..Settings::default()
    };
    CampaignSetup {
        id: CampaignId(id),
        status: Status::Running,
        run: 1,
        revision: 1,
        started_at: NOON.parse().unwrap(),
        settings: Arc::new(settings),
        bot: Some(Arc::new(bot())),
        numbers: vec![number(1, 1)].into(),
        queue: QueueState { waiting: 100, active: 0, next_due: Some(NOON.parse().unwrap()) },
        sums: Sums::default(),
    }
}

fn bot() -> Bot {
    let settings = serde_json::json!({});
    Bot { id: BotId(1), name: "Greeter".into(), kind: BotKind::Script, enabled: true, settings }
}

fn number(id: i64, carrier: i64) -> Number {
    Number {
        id: NumberId(id),
        e164: crate::phone::PhoneNumber::from_digits(918_000_000_000 + id as u64).unwrap(),
        carrier_id: CarrierId(carrier),
        label: None,
        direction: Direction::Outbound,
        enabled: true,
    }
}

fn carrier(id: i64, name: &str) -> Carrier {
    Carrier {
        id: CarrierId(id),
        enabled: true,
        settings: CarrierSettings {
            name: name.into(),
            host: "192.0.2.1".into(),
            port: 5060,
            transport: Transport::Udp,
            auth: None,
            cps: 100.0,
            burst: 100,
            channels: 500,
            codecs: vec!["PCMA".into()],
            register: false,
            from_domain: None,
            outbound_proxy: None,
            number_format: NumberFormat::E164Plus,
            prefix: None,
            any_caller_id: false,
        },
    }
}

impl Rig {
    fn new(campaigns: Vec<CampaignSetup>, carriers: Vec<Carrier>) -> Self {
        Self::with_max_calls(campaigns, carriers, 1_000)
    }

    fn with_max_calls(
        campaigns: Vec<CampaignSetup>,
        carriers: Vec<Carrier>,
        max_calls: u32,
    ) -> Self {
        let now: Timestamp = NOON.parse().unwrap();
        let ids = IdSource::new(now.as_millisecond(), 0);
        let carriers = carriers.into_iter().map(Arc::new).collect();
        let mut rig = Self {
            scheduler: Scheduler::new(ids, max_calls, now),
            now,
            setup: DiallerSetup { campaigns, carriers },
            asked: Vec::new(),
            contacts: 0,
        };
        rig.tell_setup();
        rig
    }

    fn one(change: impl FnOnce(&mut CampaignSetup)) -> Self {
        let mut setup = campaign(1);
        change(&mut setup);
        Self::new(vec![setup], vec![carrier(1, "Acme")])
    }

    fn tell(&mut self, input: Input) -> &mut Self {
        self.scheduler.handle(input, self.now);
        while let Some(command) = self.scheduler.poll_command() {
            self.asked.push(command);
        }
        assert!(self.scheduler.poll_timeout() > self.now, "a timeout that has passed is a loop");
        self
    }

    fn tell_setup(&mut self) -> &mut Self {
        let setup = self.setup.clone();
        self.tell(Input::Setup(setup))
    }

    /// Changes the first campaign and tells it.
    fn change(&mut self, change: impl FnOnce(&mut CampaignSetup)) -> &mut Self {
        change(&mut self.setup.campaigns[0]);
        self.tell_setup()
    }

    fn settings(&mut self, change: impl FnOnce(&mut Settings)) -> &mut Self {
        self.change(|campaign| change(Arc::make_mut(&mut campaign.settings)))
    }

    /// Time passes; the scheduler is woken when it asked to be.
    fn pass(&mut self, time: SignedDuration) -> &mut Self {
        let end = self.now + time;
        while self.scheduler.poll_timeout() <= end {
            self.now = self.scheduler.poll_timeout();
            self.tell(Input::Tick);
        }
        self.now = end;
        self.tell(Input::Tick)
    }

    fn seconds(&mut self, seconds: i64) -> &mut Self {
        self.pass(SignedDuration::from_secs(seconds))
    }

    fn lease(&mut self, campaign: i64, last_number: Option<i64>) -> Lease {
        self.contacts += 1;
        Lease {
            campaign: CampaignId(campaign),
            run: 1,
            contact: ContactId(self.contacts),
            phone: crate::phone::PhoneNumber::from_digits(919_800_000_000 + self.contacts as u64)
                .unwrap(),
            counted: 0,
            dialled: 0,
            last_number: last_number.map(NumberId),
            epoch: self.contacts,
        }
    }

    /// Answers every lease in full and every record, until nothing more is asked;
    /// the placements that came of it.
    fn serve(&mut self) -> Vec<Placement> {
        let mut placed = Vec::new();
        while let Some(index) = self.asked.iter().position(|command| {
            matches!(command, Command::Lease { .. } | Command::Record(_) | Command::Place(_))
        }) {
            match self.asked.remove(index) {
                Command::Lease { campaign, run, max } => {
                    let place = self.setup.campaigns.iter().position(|each| each.id == campaign);
                    let waiting = place.map_or(0, |at| self.setup.campaigns[at].queue.waiting);
                    let count = u64::from(max).min(waiting);
                    let leases = (0..count).map(|_| self.lease(campaign.0, None)).collect();
                    let queue = &mut self.setup.campaigns[place.unwrap()].queue;
                    queue.waiting -= count;
                    queue.active += count;
                    let queue = *queue;
                    self.tell(Input::Leased { campaign, run, leases, queue });
                }
                Command::Record(attempt) => {
                    self.tell(Input::Recorded(attempt.id));
                }
                Command::Place(placement) => placed.push(*placement),
                _ => unreachable!("asked for above"),
            }
        }
        placed
    }

    fn call(&mut self, attempt: AttemptId, event: CallEvent) -> &mut Self {
        self.tell(Input::Call(attempt, event))
    }

    fn connect(&mut self, attempt: AttemptId) -> &mut Self {
        self.call(attempt, CallEvent::Ringing);
        self.call(attempt, CallEvent::Answered);
        self.call(attempt, CallEvent::BotAttached)
    }

    fn end(&mut self, attempt: AttemptId, ending: Ending) -> &mut Self {
        let report = self.report(attempt, ending);
        self.call(attempt, CallEvent::Ended(Box::new(report)))
    }

    fn report(&self, attempt: AttemptId, ending: Ending) -> CallReport {
        let (sip_code, retry_after_seconds) = match ending {
            Ending::Refused { sip_code: 503, .. } => (Some(503), Some(60)),
            Ending::Refused { sip_code, .. } => (Some(sip_code), None),
            _ => (None, None),
        };
        CallReport {
            attempt,
            ending,
            sip_code,
            sip_reason: None,
            retry_after_seconds,
            hangup_by: None,
            ringing_at: None,
            answered_at: None,
            bot_attached_at: None,
            first_bot_audio_at: None,
            ended_at: self.now,
            result: None,
            rtp_sent: 0,
            rtp_received: 0,
            media: None,
        }
    }

    /// Ends a chain.
    fn done(&mut self) {}

    fn view(&self) -> LiveView {
        self.scheduler.live(self.now).into_iter().next().expect("it holds a campaign")
    }

    /// The commands asked since, taken out, as short words.
    fn words(&mut self) -> Vec<String> {
        self.asked.drain(..).map(|command| word(&command)).collect()
    }
}

fn word(command: &Command) -> String {
    match command {
        Command::Lease { max, .. } => format!("lease {max}"),
        Command::Release(leases) => format!("release {}", leases.len()),
        Command::Record(_) => "record".into(),
        Command::Place(_) => "place".into(),
        Command::Connect(_) => "connect".into(),
        Command::Abandon(_) => "abandon".into(),
        Command::HangUp(_) => "hang up".into(),
        Command::Progress(_) => "progress".into(),
        Command::Finish(finish) => {
            let counts = if finish.counts { "counts" } else { "does not count" };
            format!("finish {} ({counts})", finish.outcome.word())
        }
        Command::Sweep { .. } => "sweep".into(),
        Command::Complete { .. } => "complete".into(),
        Command::Fail { reason, .. } => format!("fail: {reason}"),
    }
}

const BUSY: Ending = Ending::Refused { sip_code: 486, after_ms: 5_000, rang: true };
const OVERLOADED: Ending = Ending::Refused { sip_code: 503, after_ms: 50, rang: false };

mod carriers;
mod why;

/// Two dials a seat, all answered: half of them are abandoned, and pacing is eased.
fn over_dialled() -> Rig {
    let mut rig = Rig::one(|campaign| {
        let settings = Arc::make_mut(&mut campaign.settings);
        settings.concurrency = 2;
        settings.pacing =
            PacingSettings { mode: PacingMode::Ratio, ratio: 2.0, ..PacingSettings::default() };
    });
    let calls = rig.serve();
    assert_eq!(calls.len(), 4, "two dials for each free seat");
    for call in &calls {
        rig.call(call.attempt.id, CallEvent::Answered);
    }
    rig.pass(SignedDuration::from_millis(2_000));
    rig
}

#[test]
fn an_answered_call_without_a_seat_is_abandoned_when_its_patience_ends() {
    let mut rig = over_dialled();
    let words = rig.words();
    assert_eq!(words.iter().filter(|word| *word == "connect").count(), 2);
    assert_eq!(words.iter().filter(|word| *word == "abandon").count(), 2);
    assert_eq!(rig.view().in_progress, 2);
}

#[test]
fn a_seat_that_falls_free_in_time_goes_to_whoever_waited_longest() {
    let mut rig = Rig::one(|campaign| Arc::make_mut(&mut campaign.settings).concurrency = 2);
    let calls = rig.serve();
    rig.settings(|settings| settings.concurrency = 1);
    rig.connect(calls[0].attempt.id);
    rig.call(calls[1].attempt.id, CallEvent::Answered);
    rig.pass(SignedDuration::from_millis(1_500));
    rig.words();
    rig.end(calls[0].attempt.id, Ending::Connected { bot_failed: false });
    assert_eq!(rig.words(), ["finish completed (counts)", "connect"]);
}

#[test]
fn an_invite_leaves_only_after_its_row_is_durable() {
    let mut rig = Rig::one(|campaign| campaign.queue.waiting = 1);
    let lease = rig.lease(1, None);
    let queue = QueueState { waiting: 0, active: 1, next_due: None };
    assert_eq!(rig.words(), ["lease 10"]);
    rig.tell(Input::Leased { campaign: CampaignId(1), run: 1, leases: vec![lease], queue });
    let Some(Command::Record(attempt)) = rig.asked.pop() else { panic!("a row is asked for") };
    assert!(rig.asked.is_empty());
    rig.seconds(20);
    assert!(rig.asked.is_empty(), "however long it takes");
    rig.tell(Input::Recorded(attempt.id));
    let Some(Command::Place(placement)) = rig.asked.pop() else { panic!("then it is placed") };
    assert_eq!(placement.attempt, attempt);
    assert_eq!(placement.callee, attempt.lease.phone.to_string());
    rig.tell(Input::Recorded(attempt.id));
    assert!(rig.asked.is_empty(), "once");
}

/// Whatever happens between the row and the INVITE, the contact is none the worse.
#[test]
fn a_row_whose_campaign_may_not_dial_any_more_is_withdrawn() {
    let pause = |rig: &mut Rig| rig.change(|campaign| campaign.status = Status::Paused).done();
    let stop = |rig: &mut Rig| {
        rig.setup.campaigns.clear();
        rig.tell_setup();
    };
    let close = |rig: &mut Rig| {
        rig.settings(|settings| settings.window.end = "11:00".into()).done();
    };
    let disable = |rig: &mut Rig| {
        rig.change(|campaign| campaign.bot = Some(Arc::new(Bot { enabled: false, ..bot() })))
            .done();
    };
    let shut_down = |rig: &mut Rig| rig.tell(Input::ShutDown).done();
    let lose_carrier = |rig: &mut Rig| {
        rig.setup.carriers.clear();
        rig.tell_setup();
    };
    type Change<'a> = (&'a str, &'a dyn Fn(&mut Rig));
    let changes: [Change<'_>; 6] = [
        ("paused", &pause),
        ("stopped", &stop),
        ("window closed", &close),
        ("bot disabled", &disable),
        ("shutting down", &shut_down),
        ("carrier gone", &lose_carrier),
    ];
    for (name, change) in changes {
        let mut rig = Rig::one(|campaign| campaign.queue.waiting = 1);
        let lease = rig.lease(1, None);
        let queue = QueueState { waiting: 0, active: 1, next_due: None };
        rig.tell(Input::Leased { campaign: CampaignId(1), run: 1, leases: vec![lease], queue });
        let Some(Command::Record(attempt)) = rig.asked.pop() else { panic!("{name}: no record") };
        rig.asked.clear();
        change(&mut rig);
        rig.tell(Input::Recorded(attempt.id));
        let words = rig.words();
        assert!(
            words.contains(&"finish cancelled (does not count)".to_owned()),
            "{name}: {words:?}"
        );
        assert!(!words.contains(&"place".to_owned()), "{name}: {words:?}");
    }
}

#[test]
fn claims_go_back_at_once_when_the_campaign_is_paused() {
    let slow = Carrier {
        settings: CarrierSettings { cps: 5.0, burst: 1, ..carrier(1, "Acme").settings },
        ..carrier(1, "Acme")
    };
    let mut rig = Rig::new(vec![campaign(1)], vec![slow]);
    let calls = rig.serve();
    assert_eq!(calls.len(), 1, "the burst");
    rig.words();
    rig.change(|campaign| campaign.status = Status::Paused);
    assert_eq!(rig.words(), ["release 5"], "a second's worth was in hand");
    rig.end(calls[0].attempt.id, BUSY);
    assert_eq!(rig.words(), ["finish busy (counts)"], "the call that was up went on");
}

#[test]
fn a_record_that_failed_is_never_dialled_and_not_forgotten() {
    let mut rig = Rig::one(|campaign| campaign.queue.waiting = 1);
    let lease = rig.lease(1, None);
    let queue = QueueState { waiting: 0, active: 1, next_due: None };
    rig.tell(Input::Leased { campaign: CampaignId(1), run: 1, leases: vec![lease], queue });
    let Some(Command::Record(attempt)) = rig.asked.pop() else { panic!("a row is asked for") };
    rig.words();
    rig.tell(Input::StoreFailed { campaign: CampaignId(1), attempt: Some(attempt.id) });
    assert_eq!(rig.words(), ["release 1", "finish cancelled (does not count)"]);
    rig.tell(Input::Recorded(attempt.id));
    assert!(rig.words().is_empty(), "an answer that comes late after all changes nothing");
    assert!(rig.scheduler.is_idle(), "and nothing waits for the store to know of it");
}

#[test]
fn a_run_without_anybody_left_is_completed_and_asked_again_only_after_a_while() {
    let mut rig = Rig::one(|campaign| campaign.queue.waiting = 1);
    let calls = rig.serve();
    rig.words();
    rig.end(calls[0].attempt.id, BUSY);
    assert_eq!(rig.words(), ["finish busy (counts)"], "not before the store has its end");
    let queue = QueueState::default();
    rig.tell(Input::Settled { attempt: calls[0].attempt.id, queue });
    assert_eq!(rig.words(), ["complete"]);
    rig.seconds(4);
    assert!(rig.words().is_empty());
    rig.seconds(2);
    assert_eq!(rig.words(), ["complete"]);
    // The store found somebody after all.
    rig.change(|campaign| campaign.queue.waiting = 1);
    assert_eq!(rig.words(), ["lease 10"]);
}

#[test]
fn an_always_on_campaign_is_never_completed() {
    let mut rig = Rig::one(|campaign| {
        Arc::make_mut(&mut campaign.settings).always_on = true;
        campaign.queue = QueueState::default();
    });
    rig.seconds(60);
    assert!(rig.words().is_empty());
    rig.change(|campaign| {
        campaign.queue = QueueState { waiting: 1, active: 0, next_due: Some(campaign.started_at) };
    });
    assert_eq!(rig.words(), ["lease 10"], "until somebody comes");
}

#[test]
fn a_single_day_is_swept_at_its_end_even_while_paused_or_when_the_process_was_down() {
    let single = |campaign: &mut CampaignSetup| {
        Arc::make_mut(&mut campaign.settings).mode = Mode::SingleDay;
    };
    // 21:00 in India.
    let end: Timestamp = "2026-11-17T15:30:00Z".parse().unwrap();
    let mut rig = Rig::one(|campaign| {
        single(campaign);
        campaign.status = Status::Paused;
    });
    assert!(rig.words().is_empty());
    rig.pass(end.duration_since(rig.now) - SignedDuration::from_micros(1));
    assert!(rig.words().is_empty());
    assert_eq!(rig.scheduler.poll_timeout(), end);
    rig.pass(SignedDuration::from_micros(1));
    assert_eq!(rig.words(), ["sweep"]);
    rig.change(|campaign| campaign.queue = QueueState::default());
    assert_eq!(rig.words(), ["complete"], "although it is paused");

    let mut late = Rig::one(|campaign| {
        single(campaign);
        campaign.started_at = "2026-11-15T06:30:00Z".parse().unwrap();
    });
    assert_eq!(late.words(), ["sweep"], "the day before yesterday");
    assert!(late.serve().is_empty());
}

#[test]
fn a_run_fails_when_no_carrier_worked_for_so_long_of_open_window() {
    let mut rig = Rig::one(|campaign| {
        Arc::make_mut(&mut campaign.settings).fail_after_minutes = 30;
    });
    let calls = rig.serve();
    for call in &calls {
        rig.end(call.attempt.id, OVERLOADED);
    }
    rig.words();
    let begun = rig.now;
    let failed = loop {
        rig.now = rig.scheduler.poll_timeout();
        rig.tell(Input::Tick);
        // Each trial is refused.
        for call in rig.serve() {
            rig.end(call.attempt.id, OVERLOADED);
        }
        if let Some(word) = rig.words().into_iter().find(|word| word.starts_with("fail")) {
            break word;
        }
        assert!(rig.now < begun + SignedDuration::from_hours(2), "it goes on for ever");
    };
    assert_eq!(
        failed,
        "fail: No carrier of the pool worked for 30 minutes of calling time \
         (Acme: 503 Carrier congestion)"
    );
    assert_eq!(rig.now, begun + SignedDuration::from_mins(30));
}

#[test]
fn a_run_whose_bot_was_removed_fails() {
    let mut rig = Rig::one(|campaign| campaign.bot = None);
    assert_eq!(rig.words(), ["fail: The bot was removed"]);
}

#[test]
fn the_store_is_left_alone_for_a_second_after_it_failed() {
    let mut rig = Rig::one(|_| {});
    assert_eq!(rig.words(), ["lease 10"]);
    rig.tell(Input::StoreFailed { campaign: CampaignId(1), attempt: None });
    rig.pass(SignedDuration::from_millis(999));
    assert!(rig.words().is_empty());
    rig.pass(SignedDuration::from_millis(1));
    assert_eq!(rig.words(), ["lease 10"]);
}

#[test]
fn carrier_trouble_does_not_count_against_the_contact() {
    let mut rig = Rig::one(|_| {});
    let calls = rig.serve();
    rig.words();
    rig.end(calls[0].attempt.id, OVERLOADED);
    rig.end(calls[1].attempt.id, Ending::NoReply);
    rig.end(calls[2].attempt.id, BUSY);
    let words: Vec<String> =
        rig.words().into_iter().filter(|word| word.starts_with("finish")).collect();
    assert_eq!(
        words,
        [
            "finish congestion (does not count)",
            "finish network_error (does not count)",
            "finish busy (counts)"
        ]
    );
}

#[test]
fn a_scheduler_with_nothing_to_do_sleeps() {
    let mut rig = Rig::one(|campaign| campaign.status = Status::Paused);
    rig.seconds(60);
    assert!(rig.scheduler.poll_timeout() >= rig.now + SignedDuration::from_secs(59));
    // Outside the window it sleeps to its opening, and not past it.
    let mut rig = Rig::one(|campaign| {
        Arc::make_mut(&mut campaign.settings).window.start = "12:01".into();
    });
    assert_eq!(rig.view().state, LiveState::OutsideWindow);
    assert_eq!(rig.scheduler.poll_timeout(), "2026-11-17T06:31:00Z".parse().unwrap());
    assert!(rig.words().is_empty());
    rig.seconds(60);
    assert_eq!(rig.words(), ["lease 10"]);
    // And to the first retry.
    let due: Timestamp = "2026-11-17T06:30:41.5Z".parse().unwrap();
    let mut rig = Rig::one(|campaign| campaign.queue.next_due = Some(due));
    assert_eq!(rig.scheduler.poll_timeout(), due);
    rig.now = due;
    assert_eq!(rig.tell(Input::Tick).words(), ["lease 10"]);
}

#[test]
fn live_figures_of_a_run() {
    let mut rig = Rig::one(|campaign| campaign.queue.waiting = 1_000);
    assert_eq!(rig.view().dials_per_second, None, "no dial yet");
    let mut outcomes = [true, false, false].into_iter().cycle();
    for _ in 0..60 {
        for call in rig.serve() {
            if outcomes.next() == Some(true) {
                rig.connect(call.attempt.id);
                rig.end(call.attempt.id, Ending::Connected { bot_failed: false });
            } else {
                let mut report = rig.report(call.attempt.id, BUSY);
                report.ringing_at = Some(rig.now - SignedDuration::from_secs(6));
                rig.call(call.attempt.id, CallEvent::Ended(Box::new(report)));
            }
            let queue = rig.setup.campaigns[0].queue;
            rig.tell(Input::Settled { attempt: call.attempt.id, queue });
            rig.asked.retain(|command| {
                matches!(command, Command::Lease { .. } | Command::Record(_) | Command::Place(_))
            });
            if rig.setup.campaigns[0].queue.waiting < 400 {
                break;
            }
        }
        rig.seconds(1);
    }
    let view = rig.view();
    assert_eq!(view.state, LiveState::Live);
    assert_eq!(view.avg_ring_seconds, Some(6.0));
    assert!(view.connected_per_hour.is_some_and(|rate| rate > 1_000.0), "{view:?}");
    assert!(view.eta_seconds.is_some_and(|eta| eta > 3_000), "the retries wait an hour: {view:?}");
    assert_eq!(view.carriers.len(), 1);
    rig.change(|campaign| campaign.status = Status::Paused);
    assert_eq!(rig.view().eta_seconds, None, "paused");
    rig.seconds(40);
    let view = rig.view();
    assert_eq!((view.dials_per_second, view.connected_per_hour), (None, None), "idle");
}

#[test]
fn no_event_of_an_unknown_or_ended_call_does_anything() {
    let mut rig = Rig::one(|campaign| campaign.queue.waiting = 1);
    let calls = rig.serve();
    let attempt = calls[0].attempt.id;
    rig.end(attempt, BUSY);
    rig.words();
    rig.end(attempt, BUSY);
    rig.connect(attempt);
    rig.connect(AttemptId(42));
    rig.tell(Input::Recorded(AttemptId(42)));
    rig.tell(Input::NotRecorded(attempt));
    rig.tell(Input::StoreFailed { campaign: CampaignId(9), attempt: Some(AttemptId(42)) });
    rig.tell(Input::Settled { attempt: AttemptId(42), queue: QueueState::default() });
    assert!(rig.words().is_empty());
    assert_eq!(rig.view().in_progress, 0);
}

#[test]
fn an_end_that_the_store_will_never_take_is_not_waited_for() {
    let mut rig = Rig::one(|campaign| campaign.queue.waiting = 1);
    let calls = rig.serve();
    rig.end(calls[0].attempt.id, BUSY);
    rig.words();
    assert!(!rig.scheduler.is_idle(), "the store has not answered");
    rig.tell(Input::NotSettled(calls[0].attempt.id));
    rig.words();
    assert!(rig.scheduler.is_idle());
    assert!(rig.scheduler.finishing.is_empty());
}

#[test]
fn a_doubtful_record_leaves_nothing_behind() {
    let mut rig = Rig::one(|campaign| campaign.queue.waiting = 1);
    let lease = rig.lease(1, None);
    let queue = QueueState { waiting: 0, active: 1, next_due: None };
    rig.tell(Input::Leased { campaign: CampaignId(1), run: 1, leases: vec![lease], queue });
    let Some(Command::Record(attempt)) = rig.asked.pop() else { panic!("a row is asked for") };
    rig.tell(Input::StoreFailed { campaign: CampaignId(1), attempt: Some(attempt.id) });
    rig.tell(Input::NotSettled(attempt.id));
    assert!(rig.scheduler.finishing.is_empty());
}

#[test]
fn an_outcome_that_the_store_is_given_has_a_result() {
    let mut rig = Rig::one(|campaign| campaign.queue.waiting = 1);
    let calls = rig.serve();
    rig.connect(calls[0].attempt.id);
    rig.asked.clear();
    rig.end(calls[0].attempt.id, Ending::Connected { bot_failed: false });
    let Some(Command::Finish(finish)) = rig.asked.pop() else { panic!("it is finished") };
    assert_eq!(finish.outcome, Outcome::Completed);
    assert_eq!(finish.result.disposition, "silent_customer", "no packet was heard");
    assert_eq!(finish.report.result, None, "taken over into the finish");
}
