use serde_json::{Map, json};

use super::*;
use crate::{outcome::HangupBy, result::CallbackWish, window::Window};

fn now() -> Timestamp {
    "2026-11-17T06:30:00Z".parse().unwrap()
}

/// Retries after an hour, calls the whole day, three attempts.
fn settings() -> Settings {
    let window = Window { start: "00:00".into(), end: "24:00".into(), ..Window::default() };
    Settings { name: "Test".into(), window, ..Settings::default() }
}

fn report(ending: Ending) -> CallReport {
    CallReport {
        attempt: crate::ids::AttemptId(1),
        ending,
        sip_code: None,
        sip_reason: None,
        retry_after_seconds: None,
        hangup_by: Some(HangupBy::Callee),
        ringing_at: None,
        answered_at: None,
        bot_attached_at: None,
        first_bot_audio_at: None,
        ended_at: now(),
        result: None,
        rtp_sent: 0,
        rtp_received: 0,
        media: None,
    }
}

fn show(next: Next) -> String {
    let minutes = |at: Timestamp| at.duration_since(now()).as_secs_f64() / 60.0;
    match next {
        Next::Retry(at) => format!("retry +{:.2} min", minutes(at)),
        Next::Callback(at) => format!("callback +{:.2} min", minutes(at)),
        Next::Final(state) => state.word().to_owned(),
    }
}

/// Everything at once: outcome, whether it counted, attempts left, and the end of the
/// run.
#[test]
fn every_outcome_in_every_situation() {
    let settings = settings();
    let result = ConversationResult::of("x");
    let mut table = format!(
        "{:15}{:11}{:20}{:20}{:20}{}\n",
        "outcome", "", "attempts left", "used up", "stopped", "swept"
    );
    for outcome in Outcome::ALL.iter().copied() {
        for counts in [true, false] {
            let after = After {
                settings: &settings,
                outcome,
                counts,
                sent: true,
                result: &result,
                talk_ms: 0,
                counted: 1,
                now: now(),
                ended: RunEnd::Open,
                excluded: false,
                zone: None,
                callbacks: 0,
            };
            let cells = [
                settle(&after),
                settle(&After { counted: 3, ..after.clone() }),
                settle(&After { ended: RunEnd::Stopped, ..after.clone() }),
                settle(&After { ended: RunEnd::Swept, ..after.clone() }),
            ];
            table += &format!(
                "{:15}{:11}{:20}{:20}{:20}{}\n",
                outcome.word(),
                if counts { "counted" } else { "uncounted" },
                show(cells[0]),
                show(cells[1]),
                show(cells[2]),
                show(cells[3])
            );
        }
    }
    insta::assert_snapshot!(table);
}

/// The order of R-8, rule by rule: each line adds what the next rule looks at.
#[test]
fn the_rules_in_their_order() {
    let completed = |talk_s: u64| (Outcome::Completed, talk_s * 1_000);
    let with = |change: fn(&mut Settings)| {
        let mut settings = settings();
        change(&mut settings);
        settings
    };
    let plain = settings();
    let callbacks = with(|settings| settings.callback_detection = true);
    let limits = with(|settings| {
        settings.stop_redials_after_seconds = Some(60);
        settings.redial_only_under_seconds = Some(20);
        settings.retry_on_custom = vec!["no_key".into()];
    });
    let night = with(|settings| {
        settings.callback_detection = true;
        settings.window = Window::default();
    });
    let wish = |at: Option<&str>| ConversationResult {
        callback: Some(CallbackWish {
            at: at.map(|at| at.parse().unwrap()),
            ..CallbackWish::default()
        }),
        ..ConversationResult::of("callback")
    };
    let at_seven = wish(Some("2026-11-17T07:00:00Z"));
    let at_night = wish(Some("2026-11-17T20:00:00Z"));
    let long_ago = wish(Some("2026-11-16T07:00:00Z"));
    let in_words = wish(None);
    let opt_out = ConversationResult { opt_out: Some(true), ..at_seven.clone() };
    let no_key = ConversationResult::of("no_key");
    let sold = ConversationResult::of("sold");

    type Case<'a> = (&'a str, &'a Settings, (Outcome, u64), &'a ConversationResult, u32);
    let cases: [Case<'_>; 22] = [
        ("opt-out beats a callback", &callbacks, completed(30), &opt_out, 1),
        ("a callback", &callbacks, completed(30), &at_seven, 1),
        ("a callback at max attempts", &callbacks, completed(30), &at_seven, 3),
        ("a callback after all too many", &callbacks, completed(30), &at_seven, 8),
        ("a callback in words", &callbacks, completed(30), &in_words, 1),
        ("a callback in the past", &callbacks, completed(30), &long_ago, 1),
        ("a callback outside the window", &night, completed(30), &at_night, 1),
        ("a callback nobody wants to honour", &plain, completed(30), &at_seven, 1),
        ("a conversation of a minute, to be repeated", &limits, completed(60), &no_key, 1),
        ("just under a minute", &limits, completed(59), &no_key, 1),
        ("under 20 s", &limits, completed(19), &sold, 1),
        ("under 20 s at max attempts", &limits, completed(19), &sold, 3),
        ("20 s", &limits, completed(20), &sold, 1),
        ("20 s, to be repeated", &limits, completed(20), &no_key, 1),
        (
            "to be repeated",
            &with(|s| s.retry_on_custom = vec!["no_key".into()]),
            completed(9),
            &no_key,
            1,
        ),
        ("busy", &plain, (Outcome::Busy, 0), &sold, 1),
        (
            "busy, not in the list",
            &with(|s| s.retry_on_system.clear()),
            (Outcome::Busy, 0),
            &sold,
            1,
        ),
        ("invalid, to be repeated", &limits, (Outcome::InvalidNumber, 0), &no_key, 1),
        ("cancelled, to be repeated", &limits, (Outcome::Cancelled, 0), &no_key, 1),
        ("abandoned", &plain, (Outcome::Abandoned, 2_000), &sold, 1),
        (
            "abandoned, with a rest of 6 h",
            &with(|s| s.abandon_rest_hours = 6.0),
            (Outcome::Abandoned, 2_000),
            &sold,
            1,
        ),
        (
            "no answer, at once",
            &with(|s| s.retry_delay_minutes = 0.0),
            (Outcome::NoAnswer, 0),
            &sold,
            1,
        ),
    ];
    let mut table = String::new();
    for (name, settings, (outcome, talk_ms), result, counted) in cases {
        let next = settle(&After {
            settings,
            outcome,
            counts: true,
            sent: true,
            result,
            talk_ms,
            counted,
            now: now(),
            ended: RunEnd::Open,
            excluded: false,
            zone: None,
            callbacks: 0,
        });
        table += &format!("{name:45}{}\n", show(next));
    }
    insta::assert_snapshot!(table);
}

#[test]
fn an_exclusion_beats_everything() {
    let settings = settings();
    let result = ConversationResult::of("x");
    for ended in [RunEnd::Open, RunEnd::Stopped, RunEnd::Swept] {
        let after = After {
            settings: &settings,
            outcome: Outcome::Completed,
            counts: true,
            sent: false,
            result: &result,
            talk_ms: 0,
            counted: 1,
            now: now(),
            ended,
            excluded: true,
            zone: None,
            callbacks: 0,
        };
        assert_eq!(settle(&after), Next::Final(ContactState::Excluded));
    }
}

#[test]
fn a_contact_whose_invite_never_left_waits_as_before() {
    let settings = settings();
    let result = ConversationResult::of("no_answer");
    let after = After {
        settings: &settings,
        outcome: Outcome::Cancelled,
        counts: false,
        sent: false,
        result: &result,
        talk_ms: 0,
        counted: 0,
        now: now(),
        ended: RunEnd::Open,
        excluded: false,
        zone: None,
        callbacks: 0,
    };
    assert_eq!(settle(&after), Next::Retry(now()));
    let stopped = After { ended: RunEnd::Stopped, ..after };
    assert_eq!(settle(&stopped), Next::Final(ContactState::ManualStopped));
}

#[test]
fn an_attempt_of_unknown_fate_is_dialled_again_only_if_asked() {
    let careful = settings();
    let eager = Settings { retry_unknown: true, ring_timeout_seconds: 45, ..settings() };
    let failed = Next::Final(ContactState::Failed);
    assert_eq!(settle_unknown(&careful, 1, RunEnd::Open, false, now()), failed);
    assert_eq!(
        settle_unknown(&eager, 1, RunEnd::Open, false, now()),
        Next::Retry(now() + SignedDuration::from_secs(45 + 32))
    );
    assert_eq!(settle_unknown(&eager, 3, RunEnd::Open, false, now()), failed);
    assert_eq!(
        settle_unknown(&eager, 1, RunEnd::Stopped, false, now()),
        Next::Final(ContactState::ManualStopped)
    );
    assert_eq!(
        settle_unknown(&eager, 1, RunEnd::Swept, false, now()),
        Next::Final(ContactState::WindowClosed)
    );
    assert_eq!(
        settle_unknown(&eager, 1, RunEnd::Open, true, now()),
        Next::Final(ContactState::Excluded)
    );
}

/// What uses up an attempt.
#[test]
fn what_counts() {
    let silent = report(Ending::NoReply);
    let refused = report(Ending::Refused { sip_code: 503, after_ms: 20, rang: false });
    let mut mute = report(Ending::Connected { bot_failed: true });
    mute.answered_at = Some(now());
    let spoke = CallReport { first_bot_audio_at: Some(now()), ..mute.clone() };
    let withdrawn = report(Ending::Withdrawn);
    let rang = CallReport { ringing_at: Some(now()), ..withdrawn.clone() };
    let not_sent = report(Ending::NotSent);
    let cases = [
        ("carrier trouble", Outcome::Congestion, &refused, true, 0, false),
        ("the same for the fifth time", Outcome::Congestion, &refused, true, 4, false),
        ("the same for the sixth time", Outcome::Congestion, &refused, true, 5, true),
        ("a refusal that is no trouble", Outcome::Congestion, &refused, false, 0, true),
        ("silence", Outcome::NetworkError, &silent, true, 0, false),
        ("a bot that said nothing", Outcome::BotError, &mute, false, 0, false),
        ("a bot that broke down later", Outcome::BotError, &spoke, false, 0, true),
        ("withdrawn before it rang", Outcome::Cancelled, &withdrawn, false, 0, false),
        ("withdrawn while it rang", Outcome::Cancelled, &rang, false, 0, true),
        ("never sent, however often", Outcome::Cancelled, &not_sent, false, 9, false),
        ("a conversation", Outcome::Completed, &spoke, false, 0, true),
    ];
    for (name, outcome, report, trouble, uncounted, expected) in cases {
        assert_eq!(counts(outcome, report, trouble, uncounted), expected, "{name}");
    }
}

#[test]
fn dispositions_without_a_bot() {
    let heard = CallReport { rtp_received: 100, ..report(Ending::Connected { bot_failed: false }) };
    let unheard = report(Ending::Connected { bot_failed: false });
    let mut table = String::new();
    for outcome in Outcome::ALL.iter().copied() {
        let line = |report| automatic_result(outcome, report).disposition;
        table += &format!("{:15}{:17}{}\n", outcome.word(), line(&heard), line(&unheard));
    }
    insta::assert_snapshot!(table);
}

#[test]
fn a_result_keeps_what_it_does_not_know() {
    let given = json!({"disposition": "sold", "data": {"plan": "gold"}, "quote": "yes please"});
    let result: ConversationResult = serde_json::from_value(given.clone()).unwrap();
    assert_eq!(result.more.len(), 2);
    assert_eq!(serde_json::to_value(&result).unwrap(), given);
    assert_eq!(ConversationResult::of("x").more, Map::new());
}
