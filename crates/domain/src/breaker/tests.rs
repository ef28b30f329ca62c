use super::*;
use crate::ids::AttemptId;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap()
}

fn report(ending: Ending) -> CallReport {
    let sip_code = match ending {
        Ending::Refused { sip_code, .. } => Some(sip_code),
        _ => None,
    };
    CallReport {
        attempt: AttemptId(1),
        ending,
        sip_code,
        sip_reason: None,
        retry_after_seconds: None,
        hangup_by: None,
        ringing_at: None,
        answered_at: None,
        bot_attached_at: None,
        first_bot_audio_at: None,
        ended_at: at(0),
        result: None,
        rtp_sent: 0,
        rtp_received: 0,
        media: None,
    }
}

fn refused(sip_code: u16) -> CallReport {
    report(Ending::Refused { sip_code, after_ms: 40, rang: false })
}

fn refused_late(sip_code: u16) -> CallReport {
    report(Ending::Refused { sip_code, after_ms: 9_000, rang: true })
}

fn overloaded(retry_after_seconds: Option<u32>) -> CallReport {
    CallReport { retry_after_seconds, ..refused(503) }
}

fn silent() -> CallReport {
    report(Ending::NoReply)
}

fn show(state: BreakerState) -> String {
    let since = |time: Timestamp| time.duration_since(at(0)).as_secs();
    match state {
        BreakerState::Closed { recovered_at: None } => "closed".into(),
        BreakerState::Closed { recovered_at: Some(time) } => {
            format!("closed, ramp from {} s", since(time))
        }
        BreakerState::Resting { until } => format!("resting until {} s", since(until)),
        BreakerState::Probing { next_at } => format!("probing, next at {} s", since(next_at)),
    }
}

/// The whole machine on one screen, at second 100.
#[test]
fn every_state_answers_every_event() {
    let states = [
        BreakerState::Closed { recovered_at: None },
        BreakerState::Closed { recovered_at: Some(at(95)) },
        BreakerState::Resting { until: at(110) },
        BreakerState::Probing { next_at: at(100) },
    ];
    let events = [
        BreakerEvent::Worked,
        BreakerEvent::Failed,
        BreakerEvent::Tripped { until: at(130) },
        BreakerEvent::RestOver,
        BreakerEvent::CallStarted,
    ];
    let mut table = String::new();
    for state in states {
        for event in events {
            let name = match event {
                BreakerEvent::Tripped { .. } => "Tripped until 130 s".into(),
                event => format!("{event:?}"),
            };
            table += &format!("{:25}{name:21}{}\n", show(state), show(state.after(event, at(100))));
        }
    }
    insta::assert_snapshot!(table);
}

/// What one report does to a healthy carrier, and to one on trial.
#[test]
fn every_kind_of_ending_on_a_healthy_carrier_and_on_trial() {
    let rang = |ending| CallReport { ringing_at: Some(at(0)), ..report(ending) };
    let answered = |ending| CallReport { answered_at: Some(at(0)), ..report(ending) };
    let reports = [
        ("answered", answered(Ending::Connected { bot_failed: false })),
        ("answered, bot failed", answered(Ending::Connected { bot_failed: true })),
        ("no bot, not dialled", report(Ending::Connected { bot_failed: true })),
        ("no seat", report(Ending::NoSeat)),
        ("rang out", rang(Ending::RingTimeout { sip_code: Some(487) })),
        ("timed out unheard", report(Ending::RingTimeout { sip_code: None })),
        ("withdrawn", report(Ending::Withdrawn)),
        ("not sent", report(Ending::NotSent)),
        ("no reply", silent()),
        ("no connection", report(Ending::NoConnection)),
        ("left at once", answered(Ending::Left)),
        ("429", refused(429)),
        ("503", overloaded(None)),
        ("503 for 7 s", overloaded(Some(7))),
        ("503 for a day", overloaded(Some(86_400))),
        ("503 for 0 s", overloaded(Some(0))),
        ("500", refused(500)),
        ("504", refused(504)),
        ("407", refused(407)),
        ("404", refused(404)),
        ("486 at once", refused(486)),
        ("486 after ringing", refused_late(486)),
        ("603", refused(603)),
    ];
    let mut table = String::new();
    for (name, report) in reports {
        let mut healthy = Breaker::default();
        let verdict = healthy.call_ended(&report, at(0));
        let mut on_trial =
            Breaker { state: BreakerState::Probing { next_at: at(0) }, ..Breaker::default() };
        on_trial.call_ended(&report, at(0));
        table += &format!(
            "{name:22}{:10}{:24}{}\n",
            if verdict.trouble { "trouble" } else { "" },
            show(healthy.state(at(0))),
            show(on_trial.state(at(0)))
        );
    }
    insta::assert_snapshot!(table);
}

#[test]
fn a_503_rests_the_carrier_and_it_comes_back_slowly() {
    let mut breaker = Breaker::default();
    breaker.call_ended(&overloaded(Some(7)), at(0));
    assert_eq!(breaker.cause(), "503 Carrier congestion");
    assert_eq!(breaker.ready_at(at(3)), at(7));
    assert_eq!(breaker.ready_at(at(7)), at(7), "one call");
    breaker.call_started(at(7));
    assert_eq!(breaker.ready_at(at(8)), at(17), "and the next ten seconds later");
    breaker.call_progressed(at(9));
    assert!(breaker.is_closed());
    let percents = [9, 10, 14, 18, 19, 60].map(|second| breaker.percent(at(second)));
    assert_eq!(percents, [10, 19, 55, 91, 100, 100]);
}

#[test]
fn a_carrier_that_fails_its_trials_rests_longer_each_time() {
    let mut breaker = Breaker::default();
    let mut now = 0;
    let rests: Vec<i64> = (0..8)
        .map(|_| {
            breaker.call_started(at(now));
            breaker.call_ended(&overloaded(None), at(now));
            let until = breaker.ready_at(at(now));
            let rest = until.duration_since(at(now)).as_secs();
            now += rest;
            rest
        })
        .collect();
    assert_eq!(rests, [10, 20, 40, 80, 160, 300, 300, 300]);
    // Once it has come back whole, the next trouble is a first one again.
    breaker.call_progressed(at(now));
    breaker.call_ended(&overloaded(None), at(now + 60));
    assert_eq!(breaker.ready_at(at(now + 60)), at(now + 70));
}

#[test]
fn one_lone_timeout_rests_nobody_and_three_in_a_row_do() {
    let mut breaker = Breaker::default();
    assert!(breaker.call_ended(&silent(), at(0)).trouble, "it does not count against the contact");
    assert!(breaker.is_closed());
    breaker.call_ended(&silent(), at(1));
    breaker.call_progressed(at(2));
    breaker.call_ended(&silent(), at(3));
    assert!(!breaker.is_closed(), "three of three are silent, if not in a row");

    let mut lively = Breaker::default();
    for second in 0..20 {
        lively.call_ended(&refused_late(486), at(second));
    }
    for second in 20..22 {
        lively.call_ended(&silent(), at(second));
    }
    assert!(lively.is_closed());
    lively.call_ended(&silent(), at(22));
    assert!(!lively.is_closed(), "three in a row");
}

#[test]
fn server_errors_rest_it_when_three_come_in_a_row() {
    let mut breaker = Breaker::default();
    for second in 0..30 {
        breaker.call_ended(&refused(500), at(second));
        breaker.call_ended(&refused_late(486), at(second));
    }
    assert!(breaker.is_closed(), "one bad number in two is not a dead carrier");
    for second in 40..43 {
        breaker.call_ended(&refused(500), at(second));
    }
    assert!(!breaker.is_closed());
}

#[test]
fn ten_instant_refusals_of_twenty_are_a_storm() {
    let mut breaker = Breaker::default();
    for second in 0..9 {
        let verdict = breaker.call_ended(&refused(486), at(second));
        assert_eq!(verdict, Verdict { storms: false, trouble: false }, "the callee is busy");
        breaker.call_ended(&refused_late(486), at(second));
    }
    let verdict = breaker.call_ended(&refused(480), at(9));
    assert_eq!(verdict, Verdict { storms: true, trouble: true });
    assert!(!breaker.is_closed());
}

#[test]
fn phones_that_ring_speak_against_a_storm_before_they_end() {
    let mut breaker = Breaker::default();
    for second in 0..12 {
        breaker.call_progressed(at(second));
        breaker.call_ended(&refused(486), at(second));
        breaker.call_progressed(at(second));
    }
    assert!(breaker.is_closed(), "a third of the calls was refused at once");
}

#[test]
fn a_list_of_busy_phones_is_worked_off_ten_calls_a_rest() {
    let mut breaker = Breaker::default();
    let (mut now, mut busy, mut rests) = (0, 0, 0);
    while busy < 36 {
        now = breaker.ready_at(at(now)).as_second() - at(0).as_second();
        breaker.call_started(at(now));
        match breaker.call_ended(&refused(486), at(now)).trouble {
            false => busy += 1,
            true => rests += 1,
        }
    }
    assert_eq!(rests, 3, "nine busy phones, then a rest, and again");
    assert!(now <= 10 + 20 + 40, "within the rests alone: {now} s");
}

#[test]
fn a_call_that_left_before_the_rest_does_not_end_it() {
    let mut breaker = Breaker::default();
    breaker.call_ended(&overloaded(Some(60)), at(0));
    breaker.call_progressed(at(1));
    breaker.call_ended(&report(Ending::Connected { bot_failed: false }), at(2));
    assert_eq!(breaker.ready_at(at(3)), at(60));
}

#[test]
fn a_clock_set_back_prolongs_no_rest() {
    let mut breaker = Breaker::default();
    breaker.call_ended(&overloaded(Some(10)), at(0));
    assert_eq!(breaker.ready_at(at(-86_400)), at(-86_400 + 300), "the longest rest at most");
}

#[test]
fn trouble_is_told_with_its_cause_from_the_first_failure_to_the_next_sign_of_life() {
    let mut breaker = Breaker::default();
    assert_eq!(breaker.trouble(), None);
    breaker.call_ended(&silent(), at(0));
    assert_eq!(breaker.trouble(), Some("no reply"), "although it does not rest yet");
    breaker.call_progressed(at(1));
    assert_eq!(breaker.trouble(), None);
    let unreachable = CallReport { sip_reason: Some("nobody is there".into()), ..silent() };
    for _ in 0..3 {
        breaker.call_ended(&unreachable, at(2));
    }
    assert_eq!(breaker.trouble(), Some("no reply: nobody is there"));
    breaker.call_progressed(at(3));
    assert!(breaker.trouble().is_some(), "it rests, and a call that left before it says little");
}

#[test]
fn a_silent_carrier_is_tried_alone_every_ten_seconds_and_seen_when_it_wakes() {
    let mut breaker = Breaker::default();
    for _ in 0..3 {
        breaker.call_ended(&silent(), at(0));
    }
    assert_eq!(breaker.ready_at(at(0)), at(10));
    // Each probe is silent for as long as timer B takes; the next do not wait for that.
    let mut probes = Vec::new();
    for second in 10..200 {
        if breaker.ready_at(at(second)) == at(second) {
            probes.push(second);
            breaker.call_started(at(second));
        }
        if probes.contains(&(second - 32)) {
            breaker.call_ended(&silent(), at(second));
        }
    }
    assert_eq!(probes, (1..20).map(|probe| probe * 10).collect::<Vec<_>>());
    breaker.call_progressed(at(200));
    assert!(breaker.is_closed());
}

#[test]
fn refusals_of_calls_that_left_before_the_rest_do_not_prolong_it_and_a_time_named_does() {
    let mut breaker = Breaker::default();
    for _ in 0..8 {
        breaker.call_ended(&overloaded(None), at(0));
    }
    assert_eq!(breaker.ready_at(at(0)), at(10), "the first rest, however many fell into it");
    breaker.call_ended(&overloaded(Some(7)), at(1));
    assert_eq!(breaker.ready_at(at(1)), at(10));
    breaker.call_ended(&overloaded(Some(42)), at(2));
    assert_eq!(breaker.ready_at(at(2)), at(44));
}

/// The silence rule over the last twenty calls (F6): half of them, whatever the order.
#[test]
fn half_of_the_last_twenty_silent_is_too_much_and_less_is_not() {
    let lives = |silences: usize| {
        let mut breaker = Breaker::default();
        for _ in 0..20 - silences {
            breaker.call_ended(&refused_late(486), at(0));
        }
        // Never three in a row, and never twice as many as the signs of life before.
        for pair in 0..silences.div_ceil(2) {
            let left = (silences - pair * 2).min(2);
            for _ in 0..left {
                breaker.call_ended(&silent(), at(1));
            }
            breaker.call_progressed(at(1));
        }
        breaker.is_closed()
    };
    assert!(lives(6));
    assert!(!lives(14));
}
