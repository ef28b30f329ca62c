//! The world: a clock, an agenda, and the loop that the runner is in the product.

mod acts;
mod answers;
mod calls;
mod life;
mod looks;

use std::collections::{BTreeMap, HashMap};

use campanile_domain::{
    campaign::Status,
    ids::{AttemptId, CampaignId},
    phone::PhoneNumber,
    scheduler::{Command, Input, Scheduler},
    setup::DiallerSetup,
};
use jiff::{SignedDuration, Timestamp};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    Report, Violation,
    fault::{self, Fault, Options},
    judge::{Check, Judge},
    line::{LineCall, Step},
    network::Network,
    scene::{Act, Scene, Weather},
    store::{Campaign, Contact, Store},
    trace::{Told, Trace},
};

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
    /// It answers nothing before.
    stalled_until: Timestamp,
    /// Its leases are empty before.
    locked_until: Timestamp,
    /// Rows that became durable.
    rows: u64,
    /// Leases that brought a claim.
    leases: u64,
    /// The next setup is read and told at once.
    hasty: bool,
    /// When the process began, as long as it could have dialled ever since and has not.
    idle_since_boot: Option<Timestamp>,
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
    trace: Trace,
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
        store.forgets_attempts = options.fault == Some(Fault::ForgetsAttempts);
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
            stalled_until: now,
            locked_until: now,
            rows: 0,
            leases: 0,
            hasty: false,
            idle_since_boot: None,
            scheduler: None,
            life: 0,
            known: DiallerSetup::default(),
            reading: false,
            changed: false,
            weather: vec![Weather::Fair; scene.carriers.len()],
            calls: HashMap::new(),
            network,
            judge: Judge::default(),
            trace: Trace::new(options.traced),
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
    pub(crate) fn live(mut self) -> Result<Report, Violation> {
        match self.live_on() {
            Ok(()) => Ok(self.report),
            Err(what) => {
                Err(Violation { seed: self.report.seed, what, trace: self.trace.into_lines() })
            }
        }
    }

    fn live_on(&mut self) -> Check {
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
        Ok(())
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
                let us = if std::mem::take(&mut self.hasty) { 0..1 } else { 100..20_000 };
                self.soon(us, Event::TellSetup(life, setup));
                Ok(())
            }
            Event::TellSetup(life, setup) if alive(life) => {
                self.reading = false;
                if self.changed {
                    self.read_setup();
                }
                self.known = setup.clone();
                self.tell(Input::Setup(fault::told(self.fault, setup))).map(drop)
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
        self.watch_boot()?;
        let wall = self.wall();
        if !matches!(input, Input::Tick) {
            self.trace.note(self.now, format_args!("{}", Told(&input)));
        }
        // Whatever changed, the pages say so.
        let changed = matches!(input, Input::Setup(_));
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
        if changed || self.now.duration_since(self.viewed_at) >= VIEW_EVERY {
            self.viewed_at = self.now;
            for view in scheduler.live(wall) {
                self.trace.view(&view, self.now);
                // Of a store that keeps silent a page learns nothing before it fails.
                self.judge.view(&view, self.store_answers(), self.now)?;
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
            self.judge.ends(self.now)?;
        }
        Ok(acted)
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
