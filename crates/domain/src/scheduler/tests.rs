//! The scheduler in a world that is moved by hand.

use std::sync::Arc;

use super::*;
use crate::{
    attempt::CallReport,
    bot::{Bot, BotKind},
    carrier::{Carrier, CarrierSettings, Direction, Number, NumberFormat, Transport},
    figures::Sums,
    ids::{BotId, CarrierId, ContactId, NumberId},
    live::LiveState,
    outcome::{Ending, Outcome},
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

/// One whose line is empty.
fn idle(id: i64) -> CampaignSetup {
    CampaignSetup { queue: QueueState::default(), ..campaign(id) }
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
            port: Some(5060),
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

    /// A deployment that has dialled 1,000 calls of 500 minutes today.
    fn limited(limits: DailyLimits) -> Self {
        let mut rig = Self::one(|_| {});
        let ids = IdSource::new(rig.now.as_millisecond(), 0);
        let spent = Spent { calls: 1_000, talk_ms: 500 * 60_000 };
        rig.scheduler = Scheduler::new(ids, 1_000, rig.now).with_daily_limits(limits, spent);
        rig.asked.clear();
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
            seat_owed: false,
            epoch: self.contacts,
        }
    }

    /// Gives a campaign claims that it did not ask for.
    fn hand(&mut self, leases: Vec<Lease>) -> &mut Self {
        let (campaign, run) = (leases[0].campaign, leases[0].run);
        let queue = QueueState { waiting: 0, active: leases.len() as u64, next_due: None };
        self.tell(Input::Leased { campaign, run, leases, queue })
    }

    /// Answers every lease in full and every record, until nothing more is asked;
    /// the placements that came of it.
    fn serve(&mut self) -> Vec<Placement> {
        let mut placed = Vec::new();
        while let Some(index) = self.asked.iter().position(|command| {
            matches!(
                command,
                Command::Lease { .. }
                    | Command::Record(_)
                    | Command::Reroute(_)
                    | Command::Place(_)
            )
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
                Command::Record(attempt) | Command::Reroute(attempt) => {
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
        Command::Reroute(attempt) => format!("reroute {}", attempt.tries),
        Command::Bar(leases) => format!("bar {}", leases.len()),
        Command::Alarm(what) => format!("alarm: {what}"),
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
mod engaged;
mod failover;
mod guard;
mod rows;
mod runs;
mod seats;
mod share;
mod why;

/// Two dials a seat, all answered: half of them are abandoned, and pacing is eased.
fn over_dialled() -> Rig {
    let mut rig = Rig::one(|campaign| {
        let settings = Arc::make_mut(&mut campaign.settings);
        settings.concurrency = 2;
        settings.pacing = PacingSettings {
            mode: PacingMode::Ratio,
            ratio: 2.0,
            abandon_limit: 1.0,
            ..PacingSettings::default()
        };
    });
    let calls = rig.serve();
    assert_eq!(calls.len(), 4, "two dials for each free seat");
    for call in &calls {
        rig.call(call.attempt.id, CallEvent::Answered);
    }
    rig.pass(SignedDuration::from_millis(2_000));
    rig
}
