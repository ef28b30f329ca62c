//! What a campaign's page is told: its live figures, and why nothing more is dialled
//! (MO-4, MO-5, DI-12).

use jiff::{SignedDuration, Timestamp};

use super::{
    Scheduler,
    carriers::{Carriers, Refusal},
    figures::Left,
    run::{Hold, Run},
};
use crate::{
    breaker::BreakerState,
    campaign::Status,
    guard::day::Reached,
    live::{LiveState, LiveView},
    pacing::Eased,
    why::{self, Reason, ReasonCode},
};

/// Contacts named in a view, at most.
const ENGAGED_MAX: usize = 100;
/// How long the last thing that held a dial back is the reason for its not being
/// made.
const HOLD_BELIEF: SignedDuration = SignedDuration::from_millis(1_500);

impl Scheduler {
    pub(super) fn view(&self, run: &Run, now: Timestamp) -> LiveView {
        let setup = &run.setup;
        let reason = self.reason(run, now);
        let state = state(run, &reason, now);
        let estimates = setup.status == Status::Running
            && run.window.is_open
            && !setup.settings.always_on
            && !run.is_day_over(now);
        let left = Left {
            waiting: setup.queue.waiting + (run.claims.len() + run.parked.len()) as u64,
            active: u64::from(run.tally.calls),
            attempts_max: setup.settings.max_attempts,
        };
        LiveView {
            campaign: setup.id,
            run: setup.run,
            at: now,
            state,
            reason,
            ringing: run.tally.ringing,
            in_progress: run.tally.seated,
            seats: setup.settings.concurrency,
            dials_per_second: run.figures.dials_per_second(now),
            connected_per_hour: run.figures.connected_per_hour(now),
            avg_ring_seconds: run.figures.avg_ring_seconds(),
            last_dial_at: run.figures.last_dial_at,
            eta_seconds: if estimates { run.figures.eta_seconds(left, now) } else { None },
            carriers: self.carriers.loads(&setup.numbers, now),
            engaged: run.parked.iter().take(ENGAGED_MAX).map(|(lease, _)| lease.contact).collect(),
        }
    }

    /// Why this campaign does not dial more, the most lasting cause first.
    fn reason(&self, run: &Run, now: Timestamp) -> Reason {
        let setup = &run.setup;
        let ending = ending_calls(run.tally.calls);
        match setup.status {
            Status::Completed | Status::Failed => {
                return because(ReasonCode::NothingLeft, format!("The run is over{ending}"));
            }
            Status::Paused => {
                let up = match run.tally.calls {
                    0 => String::new(),
                    1 => "; 1 call goes on".to_owned(),
                    calls => format!("; {} calls go on", grouped(u64::from(calls))),
                };
                return because(ReasonCode::Paused, format!("Paused by a person{up}"));
            }
            Status::Draft => return because(ReasonCode::Paused, "Not started".into()),
            Status::Running => {}
        }
        if self.shutting_down {
            let sentence = format!("The dialler is shutting down{ending}");
            return because(ReasonCode::DiallerDown, sentence);
        }
        self.standing_reason(run, now)
            .or_else(|| self.engaged_reason(run, now))
            .or_else(|| line_reason(run, &self.carriers, now))
            .unwrap_or_else(|| self.passing_reason(run, now))
    }

    /// What somebody has to change, or time.
    fn standing_reason(&self, run: &Run, now: Timestamp) -> Option<Reason> {
        let setup = &run.setup;
        match &setup.bot {
            None => return Some(because(ReasonCode::BotMissing, "The bot was removed".into())),
            Some(bot) if !bot.enabled => {
                let sentence = format!("The bot {} is disabled", bot.name);
                return Some(because(ReasonCode::BotMissing, sentence));
            }
            Some(_) => {}
        }
        if setup.numbers.is_empty() {
            let sentence = "No enabled outbound number in the pool".into();
            return Some(because(ReasonCode::NoNumber, sentence));
        }
        let mut desks = self.carriers.of_pool(&setup.numbers).peekable();
        if desks.peek().is_none() || desks.all(|desk| !desk.carrier.enabled) {
            let sentence = "Every carrier of the number pool is disabled or missing".into();
            return Some(because(ReasonCode::NoCarrier, sentence));
        }
        if run.is_day_over(now) {
            let sentence = format!("The calling window of its single day is over{}", {
                ending_calls(run.tally.calls)
            });
            return Some(because(ReasonCode::OutsideWindow, sentence));
        }
        if !run.window.is_open {
            return Some(Reason {
                code: ReasonCode::OutsideWindow,
                sentence: why::outside(setup.settings.hours(), now),
                until: run.window.changes_at,
            });
        }
        if let Some(reached) = self.reached {
            return Some(Reason {
                code: ReasonCode::DailyLimit,
                sentence: daily_limit(reached),
                until: Some(self.day.ends()),
            });
        }
        if run.is_store_down(now) {
            let sentence = "The database does not take writes; trying again every second".into();
            return Some(because(ReasonCode::StoreDown, sentence));
        }
        None
    }

    /// Nobody else is due, and whoever is has a phone that another call engages.
    fn engaged_reason(&self, run: &Run, now: Timestamp) -> Option<Reason> {
        let parked = run.parked.len() as u64;
        if parked == 0 || !run.claims.is_empty() || run.is_somebody_due(now) {
            return None;
        }
        let engagements = run.parked.iter().map(|(lease, _)| self.engaged.by(lease.phone));
        let mut until = None;
        for engagement in engagements {
            match engagement.and_then(|engagement| engagement.until) {
                // When a call that lives will end, nobody knows.
                None => {
                    until = None;
                    break;
                }
                Some(at) => until = Some(until.map_or(at, |first: Timestamp| first.min(at))),
            }
        }
        let sentence = match parked {
            1 => "1 contact waits: another campaign's call engages its number".to_owned(),
            parked => format!(
                "{} contacts wait: calls of other campaigns engage their numbers",
                grouped(parked)
            ),
        };
        Some(Reason { code: ReasonCode::AnotherCall, sentence, until })
    }

    /// What passes by itself: rests, seats, limits.
    fn passing_reason(&self, run: &Run, now: Timestamp) -> Reason {
        if let Some(reason) = resting_reason(run, &self.carriers, now) {
            return reason;
        }
        let rate = run.figures.dials_per_second(now).filter(|rate| *rate > 0.0);
        let held = run.held.filter(|(_, at)| now.duration_since(*at) < HOLD_BELIEF && now >= *at);
        let (code, by, until) = match held.map(|(hold, _)| hold) {
            None | Some(Hold::Carrier(Refusal::Missing | Refusal::Resting(_) | Refusal::Rows)) => {
                let sentence = match rate {
                    Some(rate) => format!("Dialling {} a second", decimal(rate)),
                    None => "Dialling".into(),
                };
                return because(ReasonCode::Dialling, sentence);
            }
            Some(Hold::Seats) => match run.pacing.eased() {
                Some(eased) => (ReasonCode::AbandonLimit, abandon_limit(eased), None),
                None => (ReasonCode::SeatsFull, seats_taken(run), None),
            },
            Some(Hold::Machine) => (
                ReasonCode::MachineFull,
                format!("this machine's limit of {} calls", grouped(u64::from(self.max_calls))),
                None,
            ),
            Some(Hold::Carrier(Refusal::Channels)) => {
                (ReasonCode::CarrierChannels, channels_taken(run, &self.carriers), None)
            }
            Some(Hold::Carrier(Refusal::Rate(at))) => {
                (ReasonCode::CarrierCps, rate_limit(run, &self.carriers), far(at, now))
            }
        };
        let sentence = match rate {
            Some(rate) => format!("Dialling {} a second, held by {by}", decimal(rate)),
            None => format!("Held by {by}"),
        };
        Reason { code, sentence, until }
    }
}

/// What the line says: nobody left, or nobody due.
fn line_reason(run: &Run, carriers: &Carriers, now: Timestamp) -> Option<Reason> {
    let queue = run.setup.queue;
    if !run.claims.is_empty() || run.is_lease_asked() && queue.waiting > 0 {
        return None;
    }
    if queue.waiting == 0 {
        return Some(if run.setup.settings.always_on {
            because(
                ReasonCode::WaitingForContacts,
                format!("Every contact was called; waiting for new ones{}", {
                    ending_calls(run.tally.calls)
                }),
            )
        } else {
            let tail = match run.tally.calls {
                0 => "; the run is being closed".to_owned(),
                calls => ending_calls(calls),
            };
            because(ReasonCode::NothingLeft, format!("Nobody is left to call{tail}"))
        });
    }
    let due = queue.next_due.filter(|due| *due > now)?;
    let idle = run.tally.calls == 0 && run.figures.is_idle(now);
    let idle = if idle { "Idle: " } else { "" };
    let mut sentence = match queue.waiting {
        1 => format!("{idle}1 contact waits for its retry"),
        waiting => format!("{idle}{} contacts wait for retries", grouped(waiting)),
    };
    for desk in carriers.of_pool(&run.setup.numbers).filter(|desk| desk.carrier.enabled) {
        if let Some(trouble) = desk.breaker.trouble() {
            sentence += &format!("; the carrier {} failed: {trouble}", desk.carrier.settings.name);
        }
    }
    Some(Reason { code: ReasonCode::RetryWait, sentence, until: Some(due) })
}

/// No carrier of the pool works, and one of them rests or is on trial.
fn resting_reason(run: &Run, carriers: &Carriers, now: Timestamp) -> Option<Reason> {
    let mut first: Option<(Timestamp, String)> = None;
    let mut resting = 0;
    for desk in carriers.of_pool(&run.setup.numbers).filter(|desk| desk.carrier.enabled) {
        let name = &desk.carrier.settings.name;
        let cause = desk.breaker.cause();
        let (until, sentence) = match desk.breaker.clone().state(now) {
            BreakerState::Closed { .. } => return None,
            BreakerState::Resting { until } => {
                (until, format!("The carrier {name} rests after {cause}"))
            }
            BreakerState::Probing { next_at } => (
                next_at.max(now),
                format!("The carrier {name} is tried with single calls after {cause}"),
            ),
        };
        resting += 1;
        if first.as_ref().is_none_or(|(earliest, _)| until < *earliest) {
            first = Some((until, sentence));
        }
    }
    let (until, mut sentence) = first?;
    if resting > 1 {
        sentence = format!("All {resting} carriers of the pool rest. {sentence}");
    }
    Some(Reason { code: ReasonCode::CarrierResting, sentence, until: Some(until) })
}

fn state(run: &Run, reason: &Reason, now: Timestamp) -> LiveState {
    match run.setup.status {
        Status::Completed | Status::Failed => LiveState::Draining,
        Status::Paused | Status::Draft => LiveState::Paused,
        Status::Running if reason.code == ReasonCode::OutsideWindow => LiveState::OutsideWindow,
        Status::Running if run.tally.calls > 0 || !run.figures.is_idle(now) => LiveState::Live,
        Status::Running => LiveState::Idle,
    }
}

/// Why a run fails for want of carriers (CL-6).
pub(super) fn out_of_carriers(run: &Run, carriers: &Carriers) -> String {
    let minutes = run.setup.settings.fail_after_minutes;
    let causes: Vec<String> = carriers
        .of_pool(&run.setup.numbers)
        .map(|desk| {
            let name = &desk.carrier.settings.name;
            match (desk.carrier.enabled, desk.breaker.cause()) {
                (false, _) => format!("{name} is disabled"),
                (true, "") => format!("{name} took no call"),
                (true, cause) => format!("{name}: {cause}"),
            }
        })
        .collect();
    let causes =
        if causes.is_empty() { "the pool has no carrier".to_owned() } else { causes.join(", ") };
    let unit = if minutes == 1 { "minute" } else { "minutes" };
    format!("No carrier of the pool worked for {minutes} {unit} of calling time ({causes})")
}

/// The limit of the day that is reached (DI-14).
pub(super) fn daily_limit(reached: Reached) -> String {
    match reached {
        Reached::Calls(max) => {
            format!("This deployment's limit of {} calls a day is reached", grouped(max))
        }
        Reached::Minutes(max) => {
            format!("This deployment's limit of {} minutes a day is reached", grouped(max))
        }
    }
}

fn abandon_limit(eased: Eased) -> String {
    let until = match eased {
        Eased::Cold => "more calls were answered",
        Eased::AtLimit => "fewer calls are abandoned",
    };
    format!("the abandon limit: one dial a free seat until {until}")
}

fn because(code: ReasonCode, sentence: String) -> Reason {
    Reason { code, sentence, until: None }
}

fn seats_taken(run: &Run) -> String {
    let seats = run.setup.settings.concurrency;
    let talking = run.tally.seated;
    let on_their_way = run.tally.in_flight;
    let taken = format!(
        "concurrency: {} of {} seats {} talking",
        grouped(u64::from(talking)),
        grouped(u64::from(seats)),
        if talking == 1 { "is" } else { "are" }
    );
    match on_their_way {
        0 => taken,
        1 => format!("{taken}, 1 call is on its way"),
        calls => format!("{taken}, {} calls are on their way", grouped(u64::from(calls))),
    }
}

fn channels_taken(run: &Run, carriers: &Carriers) -> String {
    let loads: Vec<String> = carriers
        .of_pool(&run.setup.numbers)
        .filter(|desk| desk.carrier.enabled)
        .map(|desk| {
            let settings = &desk.carrier.settings;
            format!("{} has {}", settings.name, grouped(u64::from(settings.channels)))
        })
        .collect();
    format!("the carrier's channels, all in use: {}", loads.join(", "))
}

fn rate_limit(run: &Run, carriers: &Carriers) -> String {
    let rates: Vec<String> = carriers
        .of_pool(&run.setup.numbers)
        .filter(|desk| desk.carrier.enabled)
        .map(|desk| {
            let settings = &desk.carrier.settings;
            format!("{} takes {} a second", settings.name, decimal(settings.cps))
        })
        .collect();
    format!("the carrier's rate: {}", rates.join(", "))
}

/// A time worth telling: one that a reader can see pass.
fn far(at: Timestamp, now: Timestamp) -> Option<Timestamp> {
    (now.duration_until(at) > SignedDuration::from_secs(1)).then_some(at)
}

fn ending_calls(calls: u32) -> String {
    match calls {
        0 => String::new(),
        1 => "; 1 call is still ending".into(),
        calls => format!("; {} calls are still ending", grouped(u64::from(calls))),
    }
}

/// `8214` as `8,214`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// One decimal, left out when it is 0.
fn decimal(number: f64) -> String {
    let text = format!("{number:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}
