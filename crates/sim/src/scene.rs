//! What a seed makes of the world: campaigns, carriers, and what people and machines
//! do to them.

use std::{collections::BTreeMap, sync::Arc};

use campanile_domain::{
    bot::{Bot, BotKind},
    carrier::{Carrier, CarrierSettings, Direction, Number, NumberFormat, Transport},
    ids::{BotId, CarrierId, NumberId},
    outcome::Outcome,
    phone::PhoneNumber,
    settings::{Mode, PacingMode, PacingSettings, Settings},
    window::{Day, Window},
};
use jiff::{SignedDuration, Timestamp};
use rand::{RngExt, rngs::StdRng};

/// The world as it begins, and what is going to happen in it.
pub(crate) struct Scene {
    pub(crate) start: Timestamp,
    pub(crate) max_calls: u32,
    pub(crate) carriers: Vec<Carrier>,
    pub(crate) numbers: Vec<Number>,
    pub(crate) bot: Arc<Bot>,
    pub(crate) campaigns: Vec<Plan>,
    /// What happens, and when.
    pub(crate) acts: Vec<(Timestamp, Act)>,
    /// What happens between the row of an attempt and its INVITE, by the count of rows.
    pub(crate) ambushes: BTreeMap<u64, Deed>,
    /// This lease is answered when nobody waits for it any more.
    pub(crate) late_lease: Option<u64>,
}

/// A campaign to be run.
pub(crate) struct Plan {
    pub(crate) settings: Settings,
    pub(crate) contacts: u32,
    pub(crate) numbers: Vec<usize>,
}

/// Something that people, carriers or machines do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Act {
    Start(usize),
    Pause(usize),
    Resume(usize),
    Stop(usize),
    Concurrency(usize, u32),
    Exclude(usize, usize),
    AddContacts(usize, u32),
    Limits(usize, f64, u32),
    CarrierEnabled(usize, bool),
    Weather(usize, Weather),
    BotEnabled(bool),
    /// The store takes no writes until then.
    Outage(SignedDuration),
    /// The process dies, and comes back after a while.
    Crash(SignedDuration),
    /// The wall clock is set back.
    ClockBack(SignedDuration),
    /// The wall clock jumps forward.
    ClockForward(SignedDuration),
    /// A person hangs up the call that has been up for the longest.
    HangUp,
    NumberEnabled(usize, bool),
    /// The window becomes the whole day, or narrow; and so many attempts at most.
    Edit(usize, bool, u32),
    /// The store answers nothing until then, and carries everything out in the end.
    Stall(SignedDuration),
    /// Somebody else holds the rows of the line: leases come back empty until then.
    Locked(SignedDuration),
}

/// Something that hits an attempt whose row has just become durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    DisableCarrier,
    TakeChannels,
    DisableBot,
    Pause,
    Stop,
    Exclude,
    Crash,
}

/// What a carrier does to the calls it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    Fair,
    Overloaded { retry_after_seconds: Option<u32> },
    ServerErrors,
    Silent,
    InstantRefusals,
}

/// Where and when a world begins: quiet days, and the days on which clocks change.
const PLACES: &[(&str, &str)] = &[
    ("Asia/Kolkata", "2026-11-17T02:10:00Z"),
    ("Europe/Berlin", "2026-03-28T19:00:00Z"),
    ("Europe/Berlin", "2026-10-24T22:30:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T09:00:00Z"),
    ("America/New_York", "2026-03-07T15:00:00Z"),
    ("Asia/Kathmandu", "2026-06-01T00:00:00Z"),
    ("Africa/Casablanca", "2026-02-14T20:00:00Z"),
];

impl Scene {
    pub(crate) fn of(rng: &mut StdRng) -> Self {
        let (zone, start) = PLACES[rng.random_range(0..PLACES.len())];
        let start: Timestamp = start.parse().expect("the list holds RFC 3339 times");
        let carriers: Vec<Carrier> =
            (0..rng.random_range(1..=3)).map(|index| carrier(rng, index)).collect();
        let mut numbers: Vec<Number> = Vec::new();
        for (index, carrier) in carriers.iter().enumerate() {
            for own in 0..rng.random_range(1..=2) {
                numbers.push(number(index * 10 + own, carrier.id));
            }
        }
        let campaigns: Vec<Plan> = (0..rng.random_range(1..=3))
            .map(|index| plan(rng, zone, index, numbers.len()))
            .collect();
        let mut scene = Self {
            start,
            max_calls: if rng.random_bool(0.2) { rng.random_range(1..=6) } else { 500 },
            carriers,
            numbers,
            bot: Arc::new(Bot {
                id: BotId(1),
                name: "Greeter".into(),
                kind: BotKind::Script,
                enabled: true,
                settings: serde_json::Value::Null,
            }),
            campaigns,
            acts: Vec::new(),
            ambushes: BTreeMap::new(),
            late_lease: None,
        };
        scene.plan_acts(rng);
        scene
    }

    fn plan_acts(&mut self, rng: &mut StdRng) {
        let start = self.start;
        for index in 0..self.campaigns.len() {
            let at = after(start, rng, 0..600);
            self.acts.push((at, Act::Start(index)));
            self.end_of_day(rng, index, at);
            let always_on = self.campaigns[index].settings.always_on;
            for _ in 0..rng.random_range(0..6) {
                // Half of it in the first minutes, when the most is going on.
                let within = if rng.random_bool(0.5) { 1..180 } else { 1..40_000 };
                let at = after(at, rng, within);
                self.operate(rng, index, at);
            }
            if always_on || rng.random_bool(0.1) {
                let at = after(at, rng, 3_000..200_000);
                self.acts.push((at, Act::Stop(index)));
            }
        }
        for _ in 0..rng.random_range(0..4) {
            let at = after(start, rng, 60..40_000);
            self.misfortune(rng, at);
        }
        self.late_lease = rng.random_bool(0.15).then(|| rng.random_range(1..4));
        for _ in 0..rng.random_range(0..3) {
            let deed = match rng.random_range(0..7) {
                0 => Deed::DisableCarrier,
                1 => Deed::TakeChannels,
                2 => Deed::DisableBot,
                3 => Deed::Pause,
                4 => Deed::Stop,
                5 => Deed::Exclude,
                _ => Deed::Crash,
            };
            self.ambushes.insert(rng.random_range(1..40), deed);
        }
    }

    /// People come late on a single day, and some of them find it over: the machine was
    /// off for the night, or its clock jumps.
    fn end_of_day(&mut self, rng: &mut StdRng, index: usize, at: Timestamp) {
        let settings = &self.campaigns[index].settings;
        let Some(end) = settings.hours().day_end(at) else { return };
        if settings.mode != Mode::SingleDay {
            return;
        }
        let late = end - SignedDuration::from_millis(rng.random_range(500..20_000));
        if late > at {
            self.acts.push((late, Act::AddContacts(index, rng.random_range(5..30))));
        }
        let night = SignedDuration::from_hours(25);
        match rng.random_range(0..4) {
            0 => self.acts.push((after(at, rng, 5..120), Act::Crash(night))),
            1 => self.acts.push((after(at, rng, 5..120), Act::ClockForward(night))),
            _ => {}
        }
    }

    fn operate(&mut self, rng: &mut StdRng, index: usize, at: Timestamp) {
        let contacts = self.campaigns[index].contacts as usize;
        match rng.random_range(0..7) {
            4 => self.acts.push((at, Act::HangUp)),
            5 => {
                let number = rng.random_range(0..self.numbers.len());
                self.acts.push((at, Act::NumberEnabled(number, false)));
                self.acts.push((after(at, rng, 1..900), Act::NumberEnabled(number, true)));
            }
            6 => {
                let edited = after(at, rng, 1..600);
                let edit = Act::Edit(index, rng.random_bool(0.7), rng.random_range(1..=5));
                self.acts.push((at, Act::Pause(index)));
                self.acts.push((edited, edit));
                self.acts.push((after(edited, rng, 1..600), Act::Resume(index)));
            }
            0 => {
                self.acts.push((at, Act::Pause(index)));
                self.acts.push((after(at, rng, 1..4_000), Act::Resume(index)));
            }
            1 => {
                let seats = rng.random_range(1..=12);
                self.acts.push((at, Act::Concurrency(index, seats)));
            }
            2 if contacts > 0 => {
                self.acts.push((at, Act::Exclude(index, rng.random_range(0..contacts))));
            }
            _ => self.acts.push((at, Act::AddContacts(index, rng.random_range(1..8)))),
        }
    }

    fn misfortune(&mut self, rng: &mut StdRng, at: Timestamp) {
        let carrier = rng.random_range(0..self.carriers.len());
        match rng.random_range(0..10) {
            7 => {
                let length = SignedDuration::from_secs(rng.random_range(1..60));
                self.acts.push((at, Act::Stall(length)));
                // Whoever waited for an answer gives up after 30 s; then the run ends.
                let index = rng.random_range(0..self.campaigns.len());
                if length.as_secs() > 35 && rng.random_bool(0.5) {
                    self.acts.push((at + SignedDuration::from_secs(33), Act::Stop(index)));
                }
            }
            8 => {
                let length = SignedDuration::from_millis(rng.random_range(500..20_000));
                self.acts.push((at, Act::Locked(length)));
            }
            0 => {
                let weather = match rng.random_range(0..4) {
                    0 => Weather::Overloaded {
                        retry_after_seconds: rng.random_bool(0.5).then(|| rng.random_range(0..400)),
                    },
                    1 => Weather::ServerErrors,
                    2 => Weather::Silent,
                    _ => Weather::InstantRefusals,
                };
                self.acts.push((at, Act::Weather(carrier, weather)));
                self.acts.push((after(at, rng, 5..3_000), Act::Weather(carrier, Weather::Fair)));
            }
            1 => {
                let cps = f64::from(rng.random_range(2u32..60)) / 4.0;
                self.acts.push((at, Act::Limits(carrier, cps, rng.random_range(1..20))));
            }
            2 => {
                self.acts.push((at, Act::CarrierEnabled(carrier, false)));
                self.acts.push((after(at, rng, 1..900), Act::CarrierEnabled(carrier, true)));
            }
            3 => {
                self.acts.push((at, Act::BotEnabled(false)));
                self.acts.push((after(at, rng, 1..900), Act::BotEnabled(true)));
            }
            4 => {
                let length = SignedDuration::from_secs(rng.random_range(1..60));
                self.acts.push((at, Act::Outage(length)));
            }
            5 => {
                let length = SignedDuration::from_secs(rng.random_range(1..7_200));
                self.acts.push((at, Act::ClockBack(length)));
            }
            6 => {
                let length = SignedDuration::from_hours(if rng.random_bool(0.5) { 1 } else { 25 });
                let forward = rng.random_bool(0.5);
                let jump = if forward { Act::ClockForward } else { Act::ClockBack };
                self.acts.push((at, jump(length)));
            }
            _ => {
                let length = SignedDuration::from_millis(rng.random_range(500..90_000));
                self.acts.push((at, Act::Crash(length)));
            }
        }
    }
}

/// Most things happen while there is something to disturb: early.
fn after(start: Timestamp, rng: &mut StdRng, seconds: std::ops::Range<i64>) -> Timestamp {
    let late = rng.random_range(seconds.clone());
    let early = rng.random_range(seconds.start..=late);
    start + SignedDuration::from_millis(early * 1_000 + rng.random_range(0..1_000))
}

fn carrier(rng: &mut StdRng, index: usize) -> Carrier {
    Carrier {
        id: CarrierId(index as i64 + 1),
        enabled: true,
        settings: CarrierSettings {
            name: format!("Carrier {index}"),
            host: "192.0.2.1".into(),
            port: Some(5060),
            transport: Transport::Udp,
            auth: None,
            cps: f64::from(rng.random_range(1u32..80)) / 4.0,
            burst: rng.random_range(1..=3),
            channels: rng.random_range(1..=30),
            codecs: vec!["PCMA".into()],
            register: false,
            from_domain: None,
            outbound_proxy: None,
            number_format: NumberFormat::E164Plus,
            prefix: None,
            any_caller_id: rng.random_bool(0.3),
        },
    }
}

fn number(index: usize, carrier_id: CarrierId) -> Number {
    Number {
        id: NumberId(index as i64 + 1),
        e164: PhoneNumber::from_digits(918_000_000_000 + index as u64).expect("thirteen digits"),
        carrier_id,
        label: None,
        direction: Direction::Outbound,
        enabled: true,
    }
}

fn plan(rng: &mut StdRng, zone: &str, index: usize, numbers: usize) -> Plan {
    let single_day = rng.random_bool(0.25);
    let from = rng.random_range(0..20);
    let to = rng.random_range(from + 2..=24);
    let whole_day = rng.random_bool(0.3);
    let days = if rng.random_bool(0.7) {
        Day::ALL.to_vec()
    } else {
        Day::ALL.into_iter().filter(|_| rng.random_bool(0.6)).chain([Day::Wed]).collect()
    };
    let mut retry_on_system = Settings::default().retry_on_system;
    if rng.random_bool(0.2) {
        retry_on_system.push(Outcome::Rejected);
    }
    let settings = Settings {
        name: format!("Campaign {index}"),
        bot_id: Some(BotId(1)),
        mode: if single_day { Mode::SingleDay } else { Mode::Continuous },
        always_on: !single_day && rng.random_bool(0.15),
        concurrency: rng.random_range(1..=10),
        window: Window {
            start: if whole_day { "00:00".into() } else { format!("{from:02}:30") },
            end: if whole_day || to == 24 { "24:00".into() } else { format!("{to:02}:15") },
            timezone: zone.into(),
            days,
        },
        ring_timeout_seconds: rng.random_range(15..=45),
        max_attempts: rng.random_range(1..=4),
        retry_delay_minutes: f64::from(rng.random_range(0u32..90)),
        retry_on_system,
        retry_on_custom: if rng.random_bool(0.2) { vec!["no_key".into()] } else { vec![] },
        retry_unknown: rng.random_bool(0.3),
        redial_only_under_seconds: rng.random_bool(0.1).then_some(10),
        callback_detection: rng.random_bool(0.3),
        pacing: PacingSettings {
            mode: PacingMode::ALL[rng.random_range(0..PacingMode::ALL.len())],
            ratio: 1.0 + rng.random_range(0.0..2.0),
            ..PacingSettings::default()
        },
        max_call_seconds: rng.random_range(30..=120),
        fail_after_minutes: rng.random_range(1..=30),
        priority: rng.random_range(0..=1),
        ..Settings::default()
    };
    let mut pool: Vec<usize> = (0..numbers).filter(|_| rng.random_bool(0.7)).collect();
    if pool.is_empty() {
        pool.push(0);
    }
    Plan { contacts: rng.random_range(3..50), settings, numbers: pool }
}
