//! Invented campaigns, one for every state of the page.

use campanile_domain::{
    campaign::CompletionReason,
    contact::ContactState,
    figures::{PassRow, Sums},
    ids::{AttemptId, BotId, CampaignId, CarrierId, ContactId},
    live::{CarrierLoad, LiveState},
    outcome::Outcome,
    result::ConversationResult,
    settings::Settings,
    why::{Reason, ReasonCode},
};
use campanile_store::rows::{Actor, Attempt, Contact, RunFigures, Stamp};
use serde_json::json;

use super::super::*;
use crate::console::text::Clock;

pub(super) const ALL: Powers = Powers { run: true, export: true, edit: true };

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn now() -> Timestamp {
    at("2026-11-19T09:17:20Z")
}

pub(super) fn asha() -> Actor {
    Actor { id: "usr_1".into(), name: "asha.rao@suraksha.example".into() }
}

pub(super) fn stamp(text: &str) -> Option<Stamp> {
    Some(Stamp { at: at(text), by: asha() })
}

pub(super) fn id() -> CampaignId {
    "cmp_01hxc7w4q2m8d".parse().unwrap()
}

pub(super) fn settings() -> Settings {
    let mut settings = Settings {
        name: "November EMI reminders <b>personal</b> loans".into(),
        bot_id: Some(BotId(7)),
        concurrency: 100,
        retry_delay_minutes: 45.0,
        retry_on_custom: vec!["call_dropped".into()],
        stop_redials_after_seconds: Some(20),
        sticky_exclusion: true,
        ..Settings::default()
    };
    settings.window.end = "18:00".into();
    settings.window.days.pop();
    settings
}

pub(super) fn sums() -> Sums {
    Sums {
        dials: 119_981,
        attempts: 119_815,
        answered: 35_413,
        connected: 30_686,
        conversations: 27_210,
        abandoned: 493,
        talk_ms: 1_439_173_000,
        rang: 110_000,
        ring_ms: 1_991_000_000,
    }
}

pub(super) fn campaign(status: Status) -> Campaign {
    let started = status != Status::Draft;
    Campaign {
        id: id(),
        status,
        settings: settings().into(),
        run: 1,
        revision: 1,
        has_run: started,
        created: stamp("2026-11-18T11:48:09Z").unwrap(),
        started: started.then(|| stamp("2026-11-19T05:06:12Z").unwrap()),
        paused: None,
        resumed: None,
        ended: None,
        completion_reason: None,
        failure: None,
        counts: vec![
            (ContactState::Pending, 43_000),
            (ContactState::RetryScheduled, 635),
            (ContactState::Ringing, 166),
            (ContactState::InProgress, 98),
            (ContactState::Processing, 15),
            (ContactState::Completed, 25_798),
            (ContactState::Failed, 9_062),
            (ContactState::AmdMachine, 4_230),
            (ContactState::Excluded, 1_340),
        ],
        activity_count: 4,
        sums: if started { sums() } else { Sums::default() },
        last_dial_at: started.then(now),
    }
}

pub(super) fn live(
    state: LiveState,
    code: ReasonCode,
    sentence: &str,
    until: Option<&str>,
) -> Arc<LiveView> {
    let dialling = state == LiveState::Live;
    Arc::new(LiveView {
        campaign: id(),
        run: 1,
        at: now(),
        state,
        reason: Reason { code, sentence: sentence.into(), until: until.map(at) },
        ringing: if dialling { 166 } else { 0 },
        in_progress: if dialling { 98 } else { 0 },
        seats: 100,
        dials_per_second: dialling.then_some(9.2),
        connected_per_hour: dialling.then_some(7_520.0),
        avg_ring_seconds: Some(18.1),
        last_dial_at: Some(at(if dialling {
            "2026-11-19T09:17:19Z"
        } else {
            "2026-11-19T09:14:00Z"
        })),
        eta_seconds: dialling.then_some(6_150),
        carriers: vec![CarrierLoad {
            carrier: CarrierId(1),
            name: "Carrier Bengaluru".into(),
            dials_per_second: if dialling { 9.2 } else { 0.0 },
            cps: 20.0,
            channels_used: if dialling { 268 } else { 0 },
            channels: 400,
            resting_until: None,
        }],
        engaged: Vec::new(),
    })
}

pub(super) fn attempt(
    number: u32,
    outcome: Option<Outcome>,
    code: Option<u16>,
    ring: Option<i64>,
) -> Attempt {
    let dialled = at("2026-11-19T07:54:00Z");
    let plus = |ms: i64| Timestamp::from_millisecond(dialled.as_millisecond() + ms).unwrap();
    let ringing_at = ring.map(|_| plus(1_900));
    let end_of_ring = ring.map_or(plus(400), |ring| plus(1_900 + ring * 1_000));
    let answered = matches!(outcome, Some(Outcome::Completed));
    let talking = outcome.is_none();
    Attempt {
        id: AttemptId(1_790_000_000_000 + i64::from(number)),
        contact: ContactId(1),
        run: 1,
        revision: 1,
        pass: number,
        number,
        counts: true,
        phone: "+919922256441".parse().unwrap(),
        caller_id: "+918047192203".parse().unwrap(),
        carrier: "Carrier Bengaluru".into(),
        dialled_at: dialled,
        ringing_at,
        answered_at: (answered || talking).then_some(end_of_ring),
        bot_attached_at: (answered || talking).then(|| plus(1_980 + ring.unwrap_or(0) * 1_000)),
        first_bot_audio_at: answered.then(|| plus(2_120 + ring.unwrap_or(0) * 1_000)),
        ended_at: match outcome {
            None => None,
            Some(Outcome::Completed) => Some(plus(54_000 + ring.unwrap_or(0) * 1_000)),
            Some(_) => Some(end_of_ring),
        },
        sip_code: code,
        sip_reason: None,
        outcome,
        result: answered.then(|| ConversationResult::of("will_pay_today")),
        hangup_by: None,
        media: None,
        variables: None,
    }
}

pub(super) fn contact(number: i64, state: ContactState, trail: Vec<Attempt>) -> Contact {
    let variables =
        [("name", "Deepa Patel"), ("emi", "14,950"), ("dpd", "5"), ("loan_id", "PL4456527")];
    Contact {
        id: ContactId(number),
        phone: campanile_domain::phone::PhoneNumber::from_digits(919_922_256_000 + number as u64)
            .unwrap(),
        state,
        counted: trail.len() as u32,
        due_at: matches!(state, ContactState::RetryScheduled | ContactState::CallbackScheduled)
            .then(|| at("2026-11-19T09:54:00Z")),
        trail,
        callback: None,
        variables: variables.into_iter().map(|(name, value)| (name.into(), json!(value))).collect(),
    }
}

pub(super) fn contacts() -> Vec<Contact> {
    use ContactState as S;
    let none = || attempt(1, Some(Outcome::NoAnswer), Some(487), Some(45));
    let busy = || attempt(1, Some(Outcome::Busy), Some(486), Some(5));
    let mut ringing = attempt(2, None, None, Some(4));
    (ringing.answered_at, ringing.bot_attached_at) = (None, None);
    vec![
        contact(1, S::InProgress, vec![busy(), attempt(2, None, Some(200), Some(14))]),
        contact(2, S::Ringing, vec![none(), ringing]),
        contact(
            3,
            S::RetryScheduled,
            vec![attempt(1, Some(Outcome::Rejected), Some(403), None), busy()],
        ),
        contact(4, S::Completed, vec![attempt(1, Some(Outcome::Completed), Some(200), Some(14))]),
        contact(
            5,
            S::CallbackScheduled,
            vec![attempt(1, Some(Outcome::Completed), Some(200), Some(18))],
        ),
        contact(
            6,
            S::Failed,
            vec![
                none(),
                attempt(2, Some(Outcome::NoAnswer), Some(480), Some(12)),
                attempt(3, Some(Outcome::NetworkError), None, None),
            ],
        ),
        contact(7, S::AmdMachine, vec![attempt(1, Some(Outcome::Machine), Some(200), Some(23))]),
        contact(8, S::Excluded, vec![none()]),
        contact(
            9,
            S::Abandoned,
            vec![none(), attempt(2, Some(Outcome::Abandoned), Some(200), Some(18))],
        ),
        contact(10, S::Processing, vec![attempt(1, Some(Outcome::Completed), Some(200), Some(9))]),
        contact(11, S::Pending, vec![]),
        contact(12, S::WindowClosed, vec![busy()]),
        contact(13, S::ManualStopped, vec![]),
        contact(
            14,
            S::Dialling,
            vec![{
                let mut out = attempt(1, None, None, None);
                (out.answered_at, out.bot_attached_at) = (None, None);
                out
            }],
        ),
    ]
}

pub(super) fn passes() -> Vec<PassRow> {
    let pass =
        |pass, attempted, eligible, connected, start: Option<&str>, end: Option<&str>| PassRow {
            pass,
            attempted,
            eligible,
            connected,
            started_at: start.map(at),
            ended_at: end.map(at),
        };
    vec![
        pass(1, 84_212, 84_212, 22_568, Some("2026-11-19T05:06:00Z"), Some("2026-11-19T08:10:00Z")),
        pass(2, 35_603, 54_147, 8_117, Some("2026-11-19T08:11:00Z"), None),
        pass(3, 0, 25_091, 0, None, None),
    ]
}

pub(super) fn log() -> Vec<Activity> {
    let line = |seq, time: &str, action: &str, detail: &str| Activity {
        seq,
        at: at(time),
        by: asha(),
        action: action.into(),
        detail: detail.into(),
        hash: String::new(),
    };
    vec![
        line(4, "2026-11-19T06:01:52Z", "resume", ""),
        line(3, "2026-11-19T05:58:42Z", "pause", ""),
        line(2, "2026-11-19T05:06:12Z", "start", "run 1"),
        line(1, "2026-11-18T11:52:00Z", "contacts_added", "84,344 contacts"),
    ]
}

pub(super) fn view(campaign: Campaign, live: Option<Arc<LiveView>>) -> View {
    let started = campaign.started.is_some();
    let pool = (1..=6)
        .map(|n| PoolNumber {
            e164: PhoneNumber::from_digits(918_047_192_200 + n).unwrap(),
            usable: true,
        })
        .collect();
    View {
        figures: RunFigures {
            sums: campaign.sums,
            passes: if started { passes() } else { Vec::new() },
            outcomes: Vec::new(),
            callbacks: campanile_domain::figures::CallbackSums::default(),
        },
        dialling_seconds: 13_000,
        clock: Clock::new(&campaign.settings.window.timezone, now()),
        live,
        history: if started { history() } else { Vec::new() },
        bot: Some(BotLine { name: "emi-reminder-hi".into(), enabled: true }),
        pool,
        activity: log(),
        setup: json!({ "run": 1, "number_pool": ["+918047192201"], "config": { "concurrency": 100 } }),
        calls: Calls {
            rows: if started { contacts() } else { Vec::new() },
            more: true,
            ..Calls::default()
        },
        import: None,
        powers: ALL,
        campaign,
    }
}

/// Ten minutes of steady dialling, with a pause in it.
fn history() -> Vec<Point> {
    let point = |tick: i64| {
        let second = now().as_second() - tick * 5;
        Point {
            at: Timestamp::from_second(second).unwrap(),
            dials_per_second: if (40..52).contains(&tick) {
                0.0
            } else {
                8.5 + (tick % 7) as f64 / 5.0
            },
            connected_per_hour: Some(7_200.0 + (tick % 11) as f64 * 40.0),
        }
    };
    (0..120).rev().map(point).collect()
}

/// Every state worth a look, by name.
pub(super) fn states() -> Vec<(&'static str, View)> {
    use LiveState as L;
    use ReasonCode as R;
    let running = |live| view(campaign(Status::Running), Some(live));
    let mut paused = campaign(Status::Paused);
    paused.paused = stamp("2026-11-19T07:42:00Z");
    paused.counts.retain(|(state, _)| state.class() != ContactClass::Active);
    let finished = |reason| {
        let mut campaign = campaign(Status::Completed);
        campaign.ended = stamp("2026-11-19T09:00:00Z");
        campaign.completion_reason = Some(reason);
        campaign.counts.retain(|(state, _)| state.class() == ContactClass::Final);
        campaign
    };
    let mut stopped = finished(CompletionReason::ManuallyStopped);
    stopped.counts.push((ContactState::ManualStopped, 9_310));
    let mut failed = finished(CompletionReason::AllFinal);
    (failed.status, failed.completion_reason) = (Status::Failed, None);
    failed.failure = Some("Every carrier of the pool was down for 30 minutes".into());
    failed.counts.push((ContactState::Pending, 5_868));
    let mut empty = campaign(Status::Draft);
    empty.counts.clear();
    empty.activity_count = 0;
    let mut always = campaign(Status::Running);
    always.settings = Arc::new(Settings { always_on: true, ..settings() });
    let mut draining = finished(CompletionReason::ManuallyStopped);
    draining.counts.push((ContactState::InProgress, 3));
    vec![
        ("draft-empty", {
            let mut view = view(empty, None);
            (view.bot, view.pool) = (None, Vec::new());
            view
        }),
        ("draft", {
            let mut draft = campaign(Status::Draft);
            draft.counts = vec![(ContactState::Pending, 84_344)];
            view(draft, None)
        }),
        (
            "running",
            running(live(
                L::Live,
                R::SeatsFull,
                "Dialling 9.2 a second, held by concurrency: 98 of 100 seats are talking",
                None,
            )),
        ),
        (
            "idle-retries",
            running(live(
                L::Idle,
                R::RetryWait,
                "1,206 contacts wait for retries",
                Some("2026-11-19T09:20:32Z"),
            )),
        ),
        (
            "outside-window",
            running(live(
                L::OutsideWindow,
                R::OutsideWindow,
                "Outside 10:00–13:00",
                Some("2026-11-20T04:30:00Z"),
            )),
        ),
        (
            "carrier-resting",
            running(live(
                L::Idle,
                R::CarrierResting,
                "Every carrier of the pool rests after failures",
                Some("2026-11-19T09:18:00Z"),
            )),
        ),
        (
            "live-held",
            running(live(
                L::Live,
                R::CarrierResting,
                "The carrier rests after 503",
                Some("2026-11-19T09:18:00Z"),
            )),
        ),
        ("bot-missing", running(live(L::Idle, R::BotMissing, "The bot is disabled", None))),
        ("no-news", view(campaign(Status::Running), None)),
        (
            "always-on",
            view(
                always,
                Some(live(
                    L::Idle,
                    R::WaitingForContacts,
                    "Nobody waits; it dials as soon as contacts arrive",
                    None,
                )),
            ),
        ),
        ("paused", view(paused, Some(live(L::Paused, R::Paused, "Paused", None)))),
        ("completed", view(finished(CompletionReason::MaxRetries), None)),
        ("stopped", view(stopped, None)),
        ("draining", view(draining, None)),
        ("failed", view(failed, None)),
    ]
}
