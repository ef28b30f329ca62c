//! The world: a clock, an agenda, and the loop that the runner is in the product.

mod answers;

use std::collections::{BTreeMap, HashMap};

use campanile_domain::{
    campaign::{Action, Status},
    contact::ContactState,
    ids::{AttemptId, CampaignId, CarrierId, IdSource},
    outcome::Ending,
    phone::PhoneNumber,
    scheduler::{CallEvent, Command, Input, Placement, Scheduler},
    settings::Mode,
    setup::DiallerSetup,
};
use jiff::{SignedDuration, Timestamp};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    Report,
    judge::{Check, Judge},
    line::{self, LineCall, Step},
    network::Network,
    scene::{Act, Scene, Weather},
    store::{Campaign, Contact, Store},
};

/// What is changed about a world.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Something that is broken on purpose, so that a check has something to find.
    pub fault: Option<Fault>,
}

/// A rule that the model of the store or the loop breaks on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The store says that a row is durable before it is.
    AnswersBeforeWriting,
    /// The store claims a contact for two dials at once.
    ClaimsTwice,
    /// The loop loses the reports of ended calls.
    LosesReports,
    /// The loop does not tell the scheduler of changes.
    HidesChanges,
    /// The line sends each INVITE as two dialogs.
    DialsTwice,
    /// The line reports calls as ended and leaves them up.
    ForgetsToHangUp,
    /// The line reports another code than the far end answered.
    MisreadsRefusals,
}

/// After this long every campaign must have ended.
const END: SignedDuration = SignedDuration::from_hours(24 * 21);
/// How often it is looked whether somebody could be dialled.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(10);
/// How often a page looks at the live views.
const VIEW_EVERY: SignedDuration = SignedDuration::from_millis(500);
/// So many steps are a busy loop.
const STEPS_MAX: u64 = 300_000;
/// So many steps without a thing done and within a millisecond each are one, too.
const SPINS_MAX: u32 = 200;

/// See the module.
pub(crate) struct World {
    rng: StdRng,
    pub(crate) fault: Option<Fault>,
    scene: Scene,
    /// True time.
    pub(crate) now: Timestamp,
    /// How far the wall clock is behind; negative when it is ahead.
    behind: SignedDuration,
    agenda: BTreeMap<(Timestamp, u64), Event>,
    /// The process dies before this event of the agenda, whatever it is.
    dies_before: Option<u64>,
    happened: u64,
    entries: u64,
    pub(crate) store: Store,
    store_down_until: Timestamp,
    scheduler: Option<Scheduler>,
    /// Counts the processes: what was meant for a dead one does not arrive.
    pub(crate) life: u32,
    /// The setup that the scheduler has been told last.
    known: DiallerSetup,
    /// A setup is being read.
    reading: bool,
    /// Something changed since.
    changed: bool,
    pub(crate) weather: Vec<Weather>,
    pub(crate) calls: HashMap<AttemptId, LineCall>,
    /// In some worlds the line is real.
    pub(crate) network: Option<Network>,
    judge: Judge,
    /// When it was last looked whether somebody could be dialled.
    looked_at: Timestamp,
    /// When the live views were last looked at.
    viewed_at: Timestamp,
    pub(crate) report: Report,
    phones: u64,
}

pub(crate) enum Event {
    Act(Act),
    Boot,
    /// The store carries out a command.
    Store(u32, Command),
    /// The scheduler is told.
    Tell(u32, Input),
    /// The setup is read from the store, then told.
    ReadSetup(u32),
    TellSetup(u32, DiallerSetup),
    Line(u32, AttemptId, Step),
    Attached(u32, AttemptId),
    /// It has rung for as long as the campaign wants.
    RingTimeout(u32, AttemptId, u32),
}

impl World {
    pub(crate) fn new(seed: u64, options: &Options) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let scene = Scene::of(&mut rng);
        let now = scene.start;
        let mut store = Store::default();
        store.carriers.clone_from(&scene.carriers);
        store.bot = Some(scene.bot.clone());
        store.claims_twice = options.fault == Some(Fault::ClaimsTwice);
        let network = Network::of_world(seed, options.fault, scene.carriers.len(), now);
        let mut world = Self {
            rng,
            fault: options.fault,
            now,
            behind: SignedDuration::ZERO,
            agenda: BTreeMap::new(),
            dies_before: None,
            happened: 0,
            entries: 0,
            store,
            store_down_until: now,
            scheduler: None,
            life: 0,
            known: DiallerSetup::default(),
            reading: false,
            changed: false,
            weather: vec![Weather::Fair; scene.carriers.len()],
            calls: HashMap::new(),
            network,
            judge: Judge::default(),
            looked_at: now,
            viewed_at: now,
            report: Report { seed, ..Report::default() },
            phones: 0,
            scene,
        };
        for (index, plan) in world.scene.campaigns.iter().enumerate() {
            let numbers =
                plan.numbers.iter().map(|number| world.scene.numbers[*number].clone()).collect();
            let id = CampaignId(index as i64 + 1);
            let mut campaign = Campaign::new(id, plan.settings.clone(), numbers);
            for _ in 0..plan.contacts {
                let first = world.store.campaigns.first();
                let shared = first.and_then(|first| first.contacts.get(campaign.contacts.len()));
                let phone = match (shared, world.rng.random_range(0..100)) {
                    // Somebody whom the first campaign calls, too.
                    (Some(contact), 0..20) => contact.phone,
                    (_, 20..23) => satellite(&mut world.phones),
                    _ => phone(&mut world.phones),
                };
                campaign.contacts.push(Contact::new(phone, now));
            }
            world.store.campaigns.push(campaign);
        }
        for (at, act) in std::mem::take(&mut world.scene.acts) {
            world.at(at, Event::Act(act));
        }
        world.at(now, Event::Boot);
        world.dies_before = world.rng.random_bool(0.3).then(|| world.rng.random_range(10..2_000));
        world
    }

    /// Lives to the end of every campaign.
    pub(crate) fn live(mut self) -> Result<Report, String> {
        let end = self.now + END;
        let mut spins = 0;
        while !self.is_over() {
            let before = self.now;
            let wake =
                self.scheduler.as_ref().map(|scheduler| scheduler.poll_timeout() + self.behind);
            let next = self.agenda.first_key_value().map(|((at, _), _)| *at);
            let arrival = self.network.as_mut().and_then(Network::next);
            if let Some(at) = arrival.filter(|at| [wake, next].iter().flatten().all(|o| at < o)) {
                self.now = self.now.max(at);
                self.wire_passes()?;
                continue;
            }
            let tick = wake.filter(|wake| next.is_none_or(|next| *wake < next));
            match (tick, next) {
                (Some(at), _) => {
                    self.now = self.now.max(at);
                    let acted = self.tell(Input::Tick)?;
                    let quick = self.now.duration_since(before) < SignedDuration::from_millis(1);
                    spins = if acted || !quick { 0 } else { spins + 1 };
                    if spins > SPINS_MAX {
                        return Err(format!("wakes for nothing again and again at {}", self.now));
                    }
                }
                (None, Some(at)) => {
                    self.now = self.now.max(at);
                    self.happened += 1;
                    if self.dies_before == Some(self.happened) && self.scheduler.is_some() {
                        self.act(Act::Crash(SignedDuration::from_secs(2)))?;
                    }
                    if let Some((_, event)) = self.agenda.pop_first() {
                        self.happen(event)?;
                    }
                }
                (None, None) => return Err("nothing will ever happen again".into()),
            }
            if self.now > end {
                let stuck: Vec<String> = self
                    .store
                    .campaigns
                    .iter()
                    .map(|campaign| {
                        format!(
                            "{:?} is {} with {:?}",
                            campaign.id,
                            campaign.status.word(),
                            campaign.queue()
                        )
                    })
                    .collect();
                return Err(format!("not over after {END:#}: {}", stuck.join(", ")));
            }
            if self.report.steps > STEPS_MAX {
                return Err(format!("{STEPS_MAX} steps by {}", self.now));
            }
        }
        self.judge.end(&self.store)?;
        self.wire_ends()?;
        self.report.contacts =
            self.store.campaigns.iter().map(|campaign| campaign.contacts.len() as u64).sum();
        self.report.dials = self.judge.dials;
        self.report.connected = self.judge.connected;
        self.report.failovers = self.judge.failovers;
        self.report.virtual_seconds =
            self.now.duration_since(self.scene.start).as_secs().unsigned_abs();
        Ok(self.report)
    }

    fn is_over(&self) -> bool {
        let ended =
            |campaign: &Campaign| matches!(campaign.status, Status::Completed | Status::Failed);
        self.store.campaigns.iter().all(ended)
            && self.calls.is_empty()
            && self.store.campaigns.iter().all(|campaign| campaign.queue().active == 0)
    }

    pub(crate) fn at(&mut self, at: Timestamp, event: Event) {
        self.entries += 1;
        self.agenda.insert((at.max(self.now), self.entries), event);
    }

    fn soon(&mut self, us: std::ops::Range<i64>, event: Event) {
        let delay = SignedDuration::from_micros(self.rng.random_range(us));
        self.at(self.now + delay, event);
    }

    /// The time that the scheduler is told.
    fn wall(&self) -> Timestamp {
        self.now - self.behind
    }

    fn happen(&mut self, event: Event) -> Check {
        let alive = |life: u32| life == self.life && self.scheduler.is_some();
        match event {
            Event::Act(act) => self.act(act),
            Event::Boot => {
                self.boot();
                Ok(())
            }
            Event::Store(life, command) if alive(life) => self.store_does(command),
            Event::Tell(life, input) if alive(life) => self.tell(input).map(drop),
            Event::ReadSetup(life) if alive(life) => {
                self.changed = false;
                let setup = self.store.setup();
                self.soon(100..20_000, Event::TellSetup(life, setup));
                Ok(())
            }
            Event::TellSetup(life, setup) if alive(life) => {
                self.reading = false;
                if self.changed {
                    self.read_setup();
                }
                self.known = setup.clone();
                self.tell(Input::Setup(setup)).map(drop)
            }
            Event::Line(life, attempt, step) if alive(life) => self.line_does(attempt, step),
            Event::Attached(life, attempt) if alive(life) => self.attached(attempt),
            Event::RingTimeout(life, attempt, tries) if alive(life) => {
                self.rang_too_long(attempt, tries)
            }
            Event::Store(..)
            | Event::Tell(..)
            | Event::ReadSetup(..)
            | Event::TellSetup(..)
            | Event::Line(..)
            | Event::Attached(..)
            | Event::RingTimeout(..) => Ok(()),
        }
    }

    /// Tells the scheduler and carries out what it asks; whether it asked anything.
    fn tell(&mut self, input: Input) -> Result<bool, String> {
        self.report.steps += 1;
        let wall = self.wall();
        let Some(scheduler) = &mut self.scheduler else { return Ok(false) };
        scheduler.handle(input, wall);
        if scheduler.poll_timeout() <= wall {
            return Err(format!("wants to be woken at once, at {}", self.now));
        }
        let mut acted = false;
        while let Some(command) = self.scheduler.as_mut().and_then(Scheduler::poll_command) {
            acted = true;
            self.carry_out(command)?;
        }
        let Some(scheduler) = &self.scheduler else { return Ok(acted) };
        if self.now.duration_since(self.viewed_at) >= VIEW_EVERY {
            self.viewed_at = self.now;
            for view in scheduler.live(wall) {
                self.judge.view(&view, self.now)?;
            }
        }
        if self.now.duration_since(self.looked_at) >= LOOK_EVERY {
            self.looked_at = self.now;
            for index in 0..self.store.campaigns.len() {
                let could = self.could_dial(index);
                self.judge.look(self.store.campaigns[index].id, could, self.now)?;
                let held = self.holds_in_vain(index);
                self.judge.claims(self.store.campaigns[index].id, held, self.now)?;
            }
        }
        Ok(acted)
    }

    /// Whether claims of a campaign that may not dial are still in the dialler's hand.
    fn holds_in_vain(&self, index: usize) -> bool {
        let campaign = &self.store.campaigns[index];
        let may_dial =
            campaign.status == Status::Running && campaign.settings.window.is_open(self.wall());
        let claimed = campaign.contacts.iter().any(|contact| contact.state == ContactState::Leased);
        claimed && !may_dial && self.now >= self.store_down_until
    }

    /// Whether nothing at all keeps a campaign from dialling, as the world knows it and
    /// the dialler need not: somebody is due, and there is a seat, a channel and a
    /// healthy carrier.
    fn could_dial(&self, index: usize) -> bool {
        let wall = self.wall();
        let campaign = &self.store.campaigns[index];
        let settings = &campaign.settings;
        let queue = campaign.queue();
        let calls = self.calls.values().filter(|call| call.campaign == campaign.id).count();
        let carrier_free = campaign.numbers.iter().any(|number| {
            let carrier = &self.store.carriers[number.carrier_id.0 as usize - 1];
            let used = self.calls.values().filter(|call| call.carrier == carrier.id).count();
            carrier.enabled && used < carrier.settings.channels as usize
        });
        let over = settings.mode == Mode::SingleDay
            && settings.window.day_end(campaign.started_at).is_none_or(|end| wall >= end);
        campaign.status == Status::Running
            && !over
            && self.now >= self.store_down_until
            && self.weather.iter().all(|weather| *weather == Weather::Fair)
            && self.store.bot.as_ref().is_some_and(|bot| bot.enabled)
            && settings.window.is_open(wall)
            && queue.waiting > 0
            && queue.next_due.is_some_and(|due| due <= wall)
            && calls < settings.concurrency as usize
            && self.calls.len() < self.scene.max_calls as usize
            && carrier_free
    }

    fn carry_out(&mut self, command: Command) -> Check {
        let life = self.life;
        match command {
            Command::Place(placement) => self.place(*placement),
            Command::Connect(attempt) => {
                let Some(call) = self.calls.get(&attempt) else { return Ok(()) };
                self.judge.connect(call.campaign, &self.known, &self.calls)?;
                if let Some(call) = self.calls.get_mut(&attempt) {
                    call.connected = true;
                }
                self.soon(100..40_000, Event::Attached(life, attempt));
                Ok(())
            }
            Command::Abandon(attempt) => {
                let Some(call) = self.calls.get(&attempt) else { return Ok(()) };
                if call.connected {
                    return Err(format!("{attempt:?} has a seat and is abandoned"));
                }
                let step = Step::End(Ending::NoSeat, Some(200), None);
                self.soon(500_000..4_000_000, Event::Line(life, attempt, step));
                Ok(())
            }
            Command::HangUp(attempt) => {
                let step = Step::End(Ending::Withdrawn, None, None);
                self.soon(1_000..40_000, Event::Line(life, attempt, step));
                Ok(())
            }
            Command::Progress(_) | Command::Alarm(_) => Ok(()),
            Command::Record(attempt) => {
                self.judge.record(&attempt, &self.store)?;
                if self.fault == Some(Fault::AnswersBeforeWriting) {
                    self.soon(50..1_000, Event::Tell(life, Input::Recorded(attempt.id)));
                }
                self.store_gets(Command::Record(attempt));
                Ok(())
            }
            Command::Reroute(attempt) => {
                self.judge.reroute(&attempt)?;
                self.store_gets(Command::Reroute(attempt));
                Ok(())
            }
            Command::Finish(finish) => {
                self.judge.finish(&finish)?;
                self.store_gets(Command::Finish(finish));
                Ok(())
            }
            command @ (Command::Lease { .. }
            | Command::Release(_)
            | Command::Bar(_)
            | Command::Sweep { .. }
            | Command::Complete { .. }
            | Command::Fail { .. }) => {
                self.store_gets(command);
                Ok(())
            }
        }
    }

    fn read_setup(&mut self) {
        self.reading = true;
        self.soon(100..5_000, Event::ReadSetup(self.life));
    }

    fn boot(&mut self) {
        self.life += 1;
        self.report.unknown += self.store.recover(self.wall());
        let ids = IdSource::new(self.wall().as_millisecond(), self.rng.random());
        self.scheduler = Some(Scheduler::new(ids, self.scene.max_calls, self.wall()));
        self.reading = false;
        if let Some(network) = &mut self.network {
            network.boot();
        }
        self.changed();
    }

    fn act(&mut self, act: Act) -> Check {
        let wall = self.wall();
        let id = |index: usize| CampaignId(index as i64 + 1);
        match act {
            Act::Start(index) => drop(self.store.act(id(index), Action::Start, wall)),
            Act::Pause(index) => drop(self.store.act(id(index), Action::Pause, wall)),
            Act::Resume(index) => drop(self.store.act(id(index), Action::Resume, wall)),
            Act::Stop(index) => drop(self.store.act(id(index), Action::Stop, wall)),
            Act::Concurrency(index, seats) => {
                let campaign = self.store.campaign(id(index));
                let mut settings = (*campaign.settings).clone();
                settings.concurrency = seats;
                campaign.settings = settings.into();
                campaign.revision += 1;
            }
            Act::Exclude(index, contact) => self.store.exclude(id(index), contact),
            Act::AddContacts(index, count) => {
                let phones: Vec<PhoneNumber> =
                    (0..count).map(|_| phone(&mut self.phones)).collect();
                self.store.add_contacts(id(index), &phones, wall);
            }
            Act::Limits(index, cps, channels) => {
                let settings = &mut self.store.carriers[index].settings;
                settings.cps = cps;
                settings.channels = channels;
                self.judge.limits_changed(CarrierId(index as i64 + 1));
            }
            Act::CarrierEnabled(index, enabled) => self.store.carriers[index].enabled = enabled,
            Act::Weather(index, weather) => self.weather[index] = weather,
            Act::BotEnabled(enabled) => {
                if let Some(bot) = &mut self.store.bot {
                    std::sync::Arc::make_mut(bot).enabled = enabled;
                }
            }
            Act::Outage(length) => self.store_down_until = self.now + length,
            Act::ClockBack(length) => self.behind += length,
            Act::ClockForward(length) => self.behind -= length,
            Act::Crash(length) => {
                self.report.crashes += 1;
                self.scheduler = None;
                self.calls.clear();
                if let Some(network) = &mut self.network {
                    network.crash();
                }
                self.known = DiallerSetup::default();
                self.at(self.now + length, Event::Boot);
                return Ok(());
            }
        }
        self.changed();
        Ok(())
    }

    fn place(&mut self, placement: Placement) -> Check {
        let wall = self.wall();
        self.judge.invite(
            &placement,
            &self.known,
            &self.store,
            &self.calls,
            self.scene.max_calls,
            wall,
            self.now,
        )?;
        let id = placement.attempt.id;
        if self.network.is_some() {
            self.calls.insert(id, LineCall::new(&placement, &mut self.rng));
            return self.place_on_wire(&placement);
        }
        let weather = self.weather[placement.carrier.id.0 as usize - 1];
        let steps = line::fate(weather, placement.settings.ring_timeout_seconds, &mut self.rng);
        self.calls.insert(id, LineCall::new(&placement, &mut self.rng));
        for (after_ms, step) in steps {
            let at = self.now + SignedDuration::from_millis(after_ms);
            self.at(at, Event::Line(self.life, id, step));
        }
        Ok(())
    }

    pub(crate) fn line_does(&mut self, attempt: AttemptId, step: Step) -> Check {
        let wall = self.wall();
        let Some(call) = self.calls.get_mut(&attempt) else { return Ok(()) };
        match step {
            Step::Ring => {
                call.rang(wall);
                self.tell(Input::Call(attempt, CallEvent::Ringing))?;
                // A 180 that comes twice changes nothing.
                self.tell(Input::Call(attempt, CallEvent::Ringing)).map(drop)
            }
            Step::Answer => {
                call.answered(wall);
                let tries = call.tries;
                if let Some(network) = &mut self.network {
                    network.record.answered(attempt, tries, network.time(self.now));
                }
                self.tell(Input::Call(attempt, CallEvent::Answered))?;
                let Some(call) = self.calls.get(&attempt) else { return Ok(()) };
                let patience = SignedDuration::from_millis(call.abandon_after_ms)
                    + SignedDuration::from_secs(5);
                // By then it was connected, or abandoned and hung up.
                let step = Step::End(Ending::NoReply, None, None);
                if !call.connected {
                    let life = self.life;
                    self.at(self.now + patience, Event::Line(life, attempt, step));
                }
                Ok(())
            }
            Step::End(Ending::NoReply, ..) if call.answered_at.is_some() && call.connected => {
                Ok(())
            }
            Step::End(Ending::NoReply, ..) if call.answered_at.is_some() => {
                Err(format!("{attempt:?} was answered and left waiting"))
            }
            Step::End(ending, sip_code, retry_after) => {
                let Some(call) = self.calls.remove(&attempt) else { return Ok(()) };
                if let Some(network) = &mut self.network {
                    let time = network.time(self.now);
                    network.record.ended(attempt, call.tries, ending, time)?;
                    if self.fault != Some(Fault::ForgetsToHangUp) {
                        network.hang_up(attempt, self.now)?;
                    }
                }
                self.judge.ended(attempt, ending, call.has_rung());
                let report = Box::new(call.end(ending, sip_code, retry_after, wall));
                if self.fault == Some(Fault::LosesReports) {
                    return Ok(());
                }
                self.tell(Input::Call(attempt, CallEvent::Ended(report.clone())))?;
                // Whatever comes after the end is not heard.
                self.tell(Input::Call(attempt, CallEvent::Ended(report)))?;
                self.tell(Input::Call(attempt, CallEvent::Ringing)).map(drop)
            }
        }
    }

    fn attached(&mut self, attempt: AttemptId) -> Check {
        let wall = self.wall();
        let Some(call) = self.calls.get_mut(&attempt) else { return Ok(()) };
        let (bot_failed, talk_ms) = (call.bot_fails, call.talk_ms);
        if !bot_failed {
            call.attached(wall);
            self.tell(Input::Call(attempt, CallEvent::BotAttached))?;
        }
        let talk_ms = if bot_failed { 100 } else { talk_ms };
        let step = Step::End(Ending::Connected { bot_failed }, Some(200), None);
        let at = self.now + SignedDuration::from_millis(talk_ms);
        self.at(at, Event::Line(self.life, attempt, step));
        Ok(())
    }
}

/// A phone that nobody may call.
fn satellite(phones: &mut u64) -> PhoneNumber {
    *phones += 1;
    PhoneNumber::from_digits(881_600_000_000 + *phones).expect("twelve digits")
}

fn phone(phones: &mut u64) -> PhoneNumber {
    *phones += 1;
    PhoneNumber::from_digits(919_800_000_000 + *phones).expect("twelve digits")
}
