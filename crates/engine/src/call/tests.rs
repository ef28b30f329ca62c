use campanile_domain::{attempt::Audio, outcome::Outcome};
use campanile_wire::sdp::{Direction, Local, offer};

use super::*;

const ATTEMPT: AttemptId = AttemptId(1);

fn at(ms: u64) -> Now {
    let wall = Timestamp::from_millisecond(1_790_000_000_000 + ms as i64).unwrap();
    Now { at: Time(ms * 1_000), wall }
}

/// A call of which a test knows what it was told and what it did, by millisecond.
struct Rig {
    call: Call,
    did: Vec<String>,
    report: Option<CallReport>,
    events: mpsc::Receiver<LineEvent>,
}

impl Rig {
    fn new() -> Self {
        let (sender, events) = mpsc::channel(4);
        let settings =
            Settings { ring_timeout_seconds: 30, max_call_seconds: 60, ..Settings::default() };
        let codecs = vec![Codec::Pcma, Codec::Pcmu];
        let call = Call::new(ATTEMPT, Arc::new(settings), codecs, sender, Time::ZERO);
        Self { call, did: Vec::new(), report: None, events }
    }

    fn tell(mut self, ms: u64, input: Input) -> Self {
        self.call.handle(input, at(ms));
        self.collect();
        self
    }

    fn collect(&mut self) {
        while let Some(action) = self.call.poll_action() {
            self.did.push(match action {
                Action::HangUp => "hang up".into(),
                Action::Disagree => "disagree".into(),
                Action::Describe(remote) => format!("describe {}", remote.addr.port()),
                Action::AttachBot { answered_at } => format!("bot since {answered_at:?}"),
                Action::AttachMessage { .. } => "message".into(),
                Action::CloseMedia => "close".into(),
                Action::Tell(CallEvent::Ended(report)) => {
                    assert!(self.report.replace(*report).is_none(), "two reports");
                    "report".into()
                }
                Action::Tell(event) => format!("{event:?}"),
            });
        }
    }

    /// The audio is closed; gives what was done and how it ended.
    fn close(self, figures: Figures) -> (String, CallReport) {
        let rig = self.tell(99_000, Input::Closed(Box::new(figures)));
        assert!(rig.call.is_over());
        let report = rig.report.expect("it has ended");
        (rig.did.join(", "), report)
    }

    fn ringing(self) -> Self {
        self.tell(500, Input::Provisional { code: 180, sdp: None })
    }

    fn answered(self) -> Self {
        self.ringing().tell(2_000, ok(Some(sdp(4_000))))
    }

    fn talking(self) -> Self {
        self.answered().tell(2_010, Input::Connect)
    }
}

fn sdp(port: u16) -> Vec<u8> {
    let addr = ([127, 0, 0, 1], port).into();
    offer(&Local { addr, codecs: vec![Codec::Pcma], session: 1, version: 1 })
}

fn ok(sdp: Option<Vec<u8>>) -> Input {
    Input::Answered { code: 200, reason: "OK".into(), sdp }
}

fn ended(cause: EndCause, code: Option<u16>, after_ms: u64) -> Input {
    Input::SipEnded(Ended {
        cause,
        code,
        reason: code.map(|_| "Reason".into()),
        retry_after: None,
        q850: None,
        after: Duration::from_millis(after_ms),
    })
}

fn outcome(report: &CallReport) -> Outcome {
    report.ending.outcome(false)
}

#[test]
fn a_call_rings_is_answered_talks_and_is_hung_up_by_the_bot() {
    let rig = Rig::new().talking().tell(9_000, Input::Verdict(Verdict::BotHungUp));
    let figures = Figures {
        sent: 350,
        received: 340,
        first_bot_audio_at: Some(at(2_012).wall),
        result: Some(ConversationResult::of("interested")),
        audio: Some(Audio { sent: 350, ..Audio::default() }),
    };
    let (did, report) = rig.close(figures.clone());
    assert_eq!(
        did,
        "Ringing, describe 4000, Answered, bot since 2.000000s, BotAttached, hang up, close, report"
    );
    assert_eq!(
        report,
        CallReport {
            attempt: ATTEMPT,
            ending: Ending::Connected { bot_failed: false },
            sip_code: Some(200),
            sip_reason: Some("OK".into()),
            retry_after_seconds: None,
            hangup_by: Some(HangupBy::Bot),
            ringing_at: Some(at(500).wall),
            answered_at: Some(at(2_000).wall),
            bot_attached_at: Some(at(2_010).wall),
            first_bot_audio_at: figures.first_bot_audio_at,
            ended_at: at(9_000).wall,
            result: figures.result,
            rtp_sent: 350,
            rtp_received: 340,
            media: Some(Audio { sent: 350, ..Audio::default() }),
        }
    );
}

#[test]
fn whoever_ends_an_answered_call_is_named() {
    let end = |input| {
        let (_, report) = Rig::new().talking().tell(5_000, input).close(Figures::default());
        (
            report.hangup_by.unwrap(),
            outcome(&report),
            report.result.map(|result| result.disposition),
        )
    };
    use HangupBy::{Bot, Callee, Dialler};
    use Outcome::{BotError, Completed};
    assert_eq!(end(ended(EndCause::ByeReceived, Some(200), 0)), (Callee, Completed, None));
    assert_eq!(end(Input::HangUp), (Dialler, Completed, None));
    let failed = Input::Verdict(Verdict::BotFailed("gone".into()));
    assert_eq!(end(failed), (Bot, BotError, None));
    let timeout = Some("timeout".to_owned());
    assert_eq!(end(Input::Verdict(Verdict::NoMedia)), (Dialler, Completed, timeout.clone()));
    let silent = Some("silent_customer".to_owned());
    assert_eq!(end(Input::Verdict(Verdict::SilentCustomer)), (Dialler, Completed, silent));

    let rig = Rig::new().talking();
    assert_eq!(rig.call.deadline(), Some(Time(62_000_000)));
    let (_, report) = rig.tell(62_000, Input::Timeout).close(Figures::default());
    assert_eq!(report.result.map(|result| result.disposition), timeout);
}

#[test]
fn a_silent_customer_has_no_other_result_and_a_long_call_keeps_the_bots() {
    let said = || Figures { result: Some(ConversationResult::of("no_key")), ..Figures::default() };
    let end = |verdict| {
        let rig = Rig::new().talking().tell(20_000, Input::Verdict(verdict));
        rig.close(said()).1.result.unwrap().disposition
    };
    assert_eq!(end(Verdict::SilentCustomer), "silent_customer");
    assert_eq!(end(Verdict::NoMedia), "no_key");
}

#[test]
fn a_refusal_is_told_with_its_code_and_time() {
    let refuse = |rig: Rig, code| {
        let input = ended(EndCause::Refused, Some(code), 1_234);
        rig.tell(1_234, input).close(Figures::default()).1
    };
    let report = refuse(Rig::new(), 404);
    assert_eq!(report.ending, Ending::Refused { sip_code: 404, after_ms: 1_234, rang: false });
    assert_eq!((report.sip_code, report.sip_reason.as_deref()), (Some(404), Some("Reason")));
    assert_eq!(report.hangup_by, Some(HangupBy::Carrier));
    assert_eq!(refuse(Rig::new(), 486).hangup_by, Some(HangupBy::Callee));
    let report = refuse(Rig::new().ringing(), 480);
    assert_eq!(report.ending, Ending::Refused { sip_code: 480, after_ms: 1_234, rang: true });
    assert_eq!(report.hangup_by, Some(HangupBy::Callee));
}

#[test]
fn the_ring_timeout_takes_the_call_back_and_waits_for_the_final_answer() {
    let rig = Rig::new().ringing();
    assert_eq!(rig.call.deadline(), Some(Time(30_000_000)));
    let rig = rig.tell(29_000, Input::Timeout);
    assert_eq!(rig.did, ["Ringing"], "too early");
    let rig = rig.tell(30_000, Input::Timeout).tell(30_001, Input::HangUp);
    assert_eq!(rig.did, ["Ringing", "hang up"]);
    assert_eq!(rig.call.deadline(), None);
    let end = |cause, code| {
        let rig = Rig::new().ringing().tell(30_000, Input::Timeout);
        rig.tell(30_100, ended(cause, code, 30_100)).close(Figures::default()).1
    };
    let report = end(EndCause::Cancelled, Some(487));
    assert_eq!(report.ending, Ending::RingTimeout { sip_code: Some(487) });
    assert_eq!(report.hangup_by, Some(HangupBy::Dialler));
    let report = end(EndCause::AnsweredWhileCancelling, Some(200));
    assert_eq!(report.ending, Ending::RingTimeout { sip_code: Some(200) });
    assert_eq!((report.sip_code, report.answered_at), (Some(200), None));
    assert_eq!(end(EndCause::Cancelled, None).ending, Ending::RingTimeout { sip_code: None });
    assert!(matches!(end(EndCause::Refused, Some(486)).ending, Ending::Refused { .. }));
}

#[test]
fn a_carrier_that_says_nothing_is_a_network_error_even_when_the_ring_timeout_was_first() {
    let early = Rig::new().tell(30_000, Input::Timeout);
    for rig in [Rig::new(), early] {
        let silence = ended(EndCause::NoReply, None, 32_000);
        let report = rig.tell(32_000, silence).close(Figures::default()).1;
        assert_eq!((report.ending, report.sip_code), (Ending::NoReply, None));
        assert_eq!(report.hangup_by, Some(HangupBy::Carrier));
    }
}

#[test]
fn what_is_known_of_a_silence_is_told() {
    let silence = Ended {
        cause: EndCause::NoReply,
        code: None,
        reason: Some("127.0.0.1:9 is unreachable".into()),
        retry_after: None,
        q850: None,
        after: Duration::from_secs(1),
    };
    let rig = Rig::new().tell(1_000, Input::SipEnded(silence));
    let report = rig.close(Figures::default()).1;
    assert_eq!((report.ending, report.sip_code), (Ending::NoReply, None));
    assert_eq!(report.sip_reason.as_deref(), Some("127.0.0.1:9 is unreachable"));
}

#[test]
fn a_call_taken_back_by_the_runner_is_withdrawn_whatever_comes_then() {
    for (cause, code) in [
        (EndCause::Cancelled, Some(487)),
        (EndCause::AnsweredWhileCancelling, Some(200)),
        (EndCause::NoReply, None),
    ] {
        let rig = Rig::new().ringing().tell(1_000, Input::HangUp);
        let report = rig.tell(1_100, ended(cause, code, 1_100)).close(Figures::default()).1;
        assert_eq!(report.ending, Ending::Withdrawn, "{cause:?}");
    }
}

#[test]
fn an_answer_without_a_seat_is_abandoned_with_a_message_or_without() {
    let rig = Rig::new().answered().tell(4_000, Input::Abandon);
    assert_eq!(rig.call.deadline(), Some(Time(19_000_000)), "a message on hold ends, too");
    let (did, report) = rig.tell(7_500, Input::Verdict(Verdict::BotHungUp)).close(Figures {
        first_bot_audio_at: Some(at(4_001).wall),
        sent: 170,
        ..Figures::default()
    });
    assert!(did.ends_with("Answered, message, hang up, close, report"), "{did}");
    assert_eq!((report.ending, report.hangup_by), (Ending::NoSeat, Some(HangupBy::Dialler)));
    assert_eq!((report.bot_attached_at, report.first_bot_audio_at), (None, None));
    assert_eq!(report.rtp_sent, 170);

    let message = Rig::new().answered().tell(4_000, Input::Abandon);
    let rig = message.tell(4_500, ended(EndCause::ByeReceived, Some(200), 4_500));
    let (_, report) = rig.close(Figures::default());
    assert_eq!((report.ending, report.hangup_by), (Ending::NoSeat, Some(HangupBy::Callee)));
}

#[test]
fn a_callee_who_leaves_before_the_time_for_a_seat_is_up_is_not_abandoned() {
    for (ms, ending, name) in [
        (2_001, Ending::Left, Outcome::Completed),
        (3_999, Ending::Left, Outcome::Completed),
        (4_000, Ending::NoSeat, Outcome::Abandoned),
    ] {
        let rig = Rig::new().answered().tell(ms, ended(EndCause::ByeReceived, Some(200), ms));
        let (did, report) = rig.tell(ms + 1, Input::Connect).close(Figures::default());
        assert!(!did.contains("bot"), "{did}");
        assert_eq!((report.ending, outcome(&report)), (ending, name), "{ms}");
        assert_eq!((report.sip_code, report.hangup_by), (Some(200), Some(HangupBy::Callee)));
        assert_eq!((report.answered_at, report.bot_attached_at), (Some(at(2_000).wall), None));
    }
    let lost = Rig::new().answered().tell(2_500, ended(EndCause::SessionExpired, Some(200), 2_500));
    assert_eq!(lost.close(Figures::default()).1.ending, Ending::NoSeat, "we had none for him");
}

#[test]
fn an_answer_is_told_with_its_own_code_and_words() {
    let answer = |code, reason: &str| {
        let input = Input::Answered { code, reason: reason.into(), sdp: Some(sdp(4_000)) };
        let rig = Rig::new().tell(900, input).tell(910, Input::Connect);
        let report = rig.tell(2_000, Input::HangUp).close(Figures::default()).1;
        (report.sip_code, report.sip_reason)
    };
    assert_eq!(answer(202, "Accepted"), (Some(202), Some("Accepted".into())));
    assert_eq!(answer(200, ""), (Some(200), None));
    let useless = Input::Answered { code: 202, reason: "Accepted".into(), sdp: None };
    let report = Rig::new().tell(900, useless).close(Figures::default()).1;
    assert_eq!((report.sip_code, outcome(&report)), (Some(202), Outcome::Unreachable));
}

#[test]
fn a_call_without_a_connection_never_left_unless_it_was_withdrawn() {
    let end = |rig: Rig| {
        let never = ended(EndCause::NoConnection, None, 40);
        rig.tell(40, never).close(Figures::default()).1.ending
    };
    assert_eq!(end(Rig::new()), Ending::NoConnection);
    assert_eq!(end(Rig::new().tell(20, Input::HangUp)), Ending::Withdrawn);
}

#[test]
fn an_answer_without_usable_audio_ends_as_no_common_codec() {
    for (sdp, why) in
        [(None, "no audio stream"), (Some(b"garbage".to_vec()), "not a session description")]
    {
        let (did, report) = Rig::new().tell(900, ok(sdp)).close(Figures::default());
        assert_eq!(did, "disagree, close, report");
        assert_eq!(outcome(&report), Outcome::Unreachable);
        assert_eq!(report.sip_code, Some(200));
        assert!(report.sip_reason.as_ref().unwrap().ends_with(why), "{report:?}");
    }
}

#[test]
fn early_media_serves_when_the_answer_describes_nothing() {
    let rig = Rig::new()
        .tell(100, Input::Provisional { code: 183, sdp: Some(sdp(5_000)) })
        .tell(200, ok(None))
        .tell(300, Input::Renegotiated { sdp: sdp(6_000) })
        .tell(400, Input::Renegotiated { sdp: b"garbage".to_vec() });
    assert_eq!(rig.did, ["Ringing", "describe 5000", "describe 5000", "Answered", "describe 6000"]);
    let parsed = sdp::parse(&sdp(5_000), &[Codec::Pcma]).unwrap();
    assert_eq!(parsed.direction, Direction::SendRecv);
    rig.tell(500, Input::HangUp).close(Figures::default());
}

#[test]
fn what_comes_after_the_end_changes_nothing() {
    let rig = Rig::new().talking().tell(5_000, Input::HangUp);
    let before = rig.did.len();
    let rig = rig
        .tell(5_001, ended(EndCause::ByeReceived, Some(200), 5_001))
        .tell(5_002, Input::Verdict(Verdict::NoMedia))
        .tell(5_003, Input::Connect)
        .tell(5_004, Input::Abandon)
        .tell(5_005, Input::Timeout)
        .tell(5_006, Input::Provisional { code: 180, sdp: None })
        .tell(5_007, ok(None));
    assert_eq!(rig.did.len(), before);
    let (_, report) = rig.close(Figures::default());
    assert_eq!((report.hangup_by, report.ended_at), (Some(HangupBy::Dialler), at(5_000).wall));
}

#[test]
fn a_call_that_is_cut_reports_without_waiting_for_the_far_end() {
    let cut = |mut rig: Rig| {
        rig.call.cut(at(3_000));
        rig.collect();
        rig.close(Figures::default()).1.ending
    };
    assert_eq!(cut(Rig::new()), Ending::Withdrawn);
    assert_eq!(cut(Rig::new().tell(2_500, Input::HangUp)), Ending::Withdrawn);
    let timed_out = Rig::new().ringing().tell(30_000, Input::Timeout);
    assert_eq!(cut(timed_out), Ending::RingTimeout { sip_code: None });
    assert_eq!(cut(Rig::new().answered()), Ending::NoSeat);
    assert_eq!(cut(Rig::new().talking()), Ending::Connected { bot_failed: false });
}

#[test]
fn a_call_that_is_dropped_still_reports_once() {
    let Rig { call, mut events, .. } = Rig::new().talking();
    drop(call);
    let (attempt, event) = events.try_recv().unwrap();
    assert_eq!(attempt, ATTEMPT);
    assert!(matches!(event, CallEvent::Ended(report) if report.ending == Ending::Withdrawn));
    assert!(events.try_recv().is_err());

    let mut rig = Rig::new().talking().tell(5_000, Input::HangUp);
    rig = rig.tell(5_001, Input::Closed(Box::default()));
    drop(rig.call);
    assert!(rig.events.try_recv().is_err(), "its report was given in the ordinary way");
}
