use std::sync::{Arc, Mutex};

use campanile_wire::dtmf::Press;

use super::*;

const PHONE: &str = "10.0.0.1:4000";

/// A bot that notes what it hears and says one sample value, until told otherwise.
#[derive(Clone, Default)]
struct Parrot {
    heard: Arc<Mutex<Vec<String>>>,
    says: Arc<Mutex<Option<&'static str>>>,
}

impl Bot for Parrot {
    fn hear(&mut self, heard: Heard<'_>, now_ms: u64) {
        let told = match heard {
            Heard::Audio(frame) => format!("{now_ms} audio {}", frame[0].signum()),
            Heard::Digit(key) => format!("{now_ms} key {key}"),
        };
        self.heard.lock().unwrap().push(told);
        assert!(*self.says.lock().unwrap() != Some("panic in hear"));
    }

    fn speak(&mut self, _now_ms: u64) -> Said<'_> {
        const LOUD: &Frame = &[8_000; FRAME_SAMPLES];
        match *self.says.lock().unwrap() {
            None => Said::Audio(LOUD),
            Some("silence") => Said::Silence,
            Some("hang up") => Said::HangUp,
            Some(other) => panic!("{other}"),
        }
    }

    fn conclude(&mut self) -> Option<ConversationResult> {
        Some(ConversationResult::of("parroted"))
    }
}

fn at(ms: u64) -> Now {
    let wall = Timestamp::from_millisecond(ms as i64).unwrap();
    Now { at: Time(ms * 1_000), wall }
}

fn remote() -> Remote {
    Remote {
        addr: PHONE.parse().unwrap(),
        codec: Codec::Pcma,
        payload_type: 8,
        dtmf: Some(101),
        direction: Direction::SendRecv,
        ptime: 20,
        rtcp: "10.0.0.1:4001".parse().unwrap(),
    }
}

fn limits() -> Limits {
    Limits { no_media: Duration::from_secs(20), silent_customer: Duration::from_secs(15) }
}

fn stream() -> Stream {
    let mut stream = Stream::new(1, 100, 1_000);
    stream.described(remote(), Time::ZERO);
    stream
}

fn talking(bot: &Parrot) -> Stream {
    let mut stream = stream();
    stream.attach(Box::new(bot.clone()), limits(), Time::ZERO, Time::ZERO);
    stream
}

/// The far end's side.
struct Phone {
    sender: rtp::Sender,
    packet: Vec<u8>,
}

impl Phone {
    fn new() -> Self {
        Self { sender: rtp::Sender::new(9, 0, 0), packet: Vec::new() }
    }

    fn says(&mut self, stream: &mut Stream, sample: i16, ms: u64) {
        let mut encoded = [0; FRAME_SAMPLES];
        g711::encode(Codec::Pcma, &[sample; FRAME_SAMPLES], &mut encoded);
        self.sender.frame(8, &encoded, &mut self.packet);
        stream.receive(PHONE.parse().unwrap(), &self.packet, at(ms).at);
    }
}

/// Ticks every 20 ms from `from` to `to`; tells the first verdict and when.
fn run(stream: &mut Stream, from: u64, to: u64) -> Option<(u64, Verdict)> {
    let mut packet = Vec::new();
    (from..=to)
        .step_by(20)
        .find_map(|ms| stream.tick(at(ms), &mut packet).1.map(|verdict| (ms, verdict)))
}

#[test]
fn nothing_is_sent_before_the_bot_is_attached_and_every_20_ms_after() {
    let mut packet = Vec::new();
    assert_eq!(stream().tick(at(0), &mut packet), (None, None));

    let mut stream = talking(&Parrot::default());
    for round in 0..3u16 {
        let (to, verdict) = stream.tick(at(u64::from(round) * 20), &mut packet);
        assert_eq!((to, verdict), (Some(PHONE.parse().unwrap()), None));
        stream.was_sent();
        let sent = Packet::parse(&packet).unwrap();
        assert_eq!(sent.header.sequence, 100 + round);
        assert_eq!(sent.header.timestamp, 1_000 + 160 * u32::from(round));
        assert_eq!((sent.header.payload_type, sent.payload.len()), (8, 160));
        assert_ne!(sent.payload[0], g711::silence(Codec::Pcma));
    }
    let figures = stream.conclude();
    assert_eq!((figures.sent, figures.first_bot_audio_at), (3, Some(at(0).wall)));
    assert_eq!(figures.result.unwrap().disposition, "parroted");
}

#[test]
fn a_silent_bot_sends_silence_which_is_not_its_first_audio() {
    let bot = Parrot::default();
    *bot.says.lock().unwrap() = Some("silence");
    let mut stream = talking(&bot);
    let mut packet = Vec::new();
    stream.tick(at(0), &mut packet);
    assert_eq!(Packet::parse(&packet).unwrap().payload, [0xD5; 160]);
    *bot.says.lock().unwrap() = None;
    stream.tick(at(20), &mut packet);
    assert_eq!(stream.conclude().first_bot_audio_at, Some(at(20).wall));
}

#[test]
fn a_late_wake_up_skips_and_does_not_burst() {
    let mut stream = talking(&Parrot::default());
    let mut packet = Vec::new();
    let mut sent = |ms| {
        stream.tick(at(ms), &mut packet);
        let header = Packet::parse(&packet).unwrap().header;
        (header.sequence, (header.timestamp - 1_000) / 160, header.marker)
    };
    assert_eq!(sent(0), (100, 0, true));
    assert_eq!(sent(39), (101, 1, false), "late, and still within its 20 ms");
    assert_eq!(sent(40), (102, 2, false));
    assert_eq!(sent(155), (103, 7, true), "four frames were missed: their time has passed");
    assert_eq!(sent(160), (104, 8, false));
}

#[test]
fn the_bot_hears_frames_however_the_phone_packs_them() {
    let bot = Parrot::default();
    let mut stream = talking(&bot);
    let mut sender = rtp::Sender::new(9, 0, 0);
    let mut packet = Vec::new();
    for (ms, bytes) in [(10, 80), (20, 80), (50, 240), (80, 240)] {
        sender.frame(8, &vec![0xAA; bytes], &mut packet);
        stream.receive(PHONE.parse().unwrap(), &packet, at(ms).at);
        stream.receive(PHONE.parse().unwrap(), &packet, at(ms).at);
    }
    let heard = bot.heard.lock().unwrap();
    let times: Vec<&str> = heard.iter().map(|told| told.split_once(' ').unwrap().0).collect();
    assert_eq!(times, ["20", "50", "80", "80"], "80 + 80, then 240 twice; repeats are not played");
    assert_eq!(stream.conclude().received, 4);
}

#[test]
fn a_key_is_heard_once_and_a_stranger_not_at_all() {
    let bot = Parrot::default();
    let mut stream = talking(&bot);
    let mut phone = Phone::new();
    let mut press = Press::new('5', 3).unwrap();
    let mut packet = Vec::new();
    while press.packet(&mut phone.sender, 101, &mut packet) {
        stream.receive(PHONE.parse().unwrap(), &packet, at(100).at);
    }
    assert_eq!(*bot.heard.lock().unwrap(), ["100 key 5"]);
    let received = stream.receiver.figures().received;
    phone.sender.frame(8, &[0xAA; 160], &mut packet);
    stream.receive("203.0.113.9:4000".parse().unwrap(), &packet, at(6_000).at);
    stream.receive(PHONE.parse().unwrap(), b"not RTP", at(6_000).at);
    assert_eq!(stream.receiver.figures().received, received);
}

#[test]
fn no_rtp_at_all_is_no_media_and_not_a_silent_customer() {
    let mut stream = talking(&Parrot::default());
    assert_eq!(run(&mut stream, 0, 60_000), Some((20_000, Verdict::NoMedia)));
    assert_eq!(run(&mut stream, 20_020, 60_000), None, "told once");
}

#[test]
fn rtp_that_stops_is_no_media_after_the_limit() {
    let mut stream = talking(&Parrot::default());
    let mut phone = Phone::new();
    for ms in (0..3_000).step_by(20) {
        phone.says(&mut stream, 9_000, ms);
        assert_eq!(run(&mut stream, ms, ms), None);
    }
    assert_eq!(run(&mut stream, 3_000, 60_000), Some((22_980, Verdict::NoMedia)));
}

#[test]
fn a_callee_on_hold_is_neither_sent_to_nor_missed() {
    let mut stream = talking(&Parrot::default());
    let hold = Remote { direction: Direction::Inactive, ..remote() };
    stream.described(hold, Time::ZERO);
    let mut packet = Vec::new();
    for ms in (0..30_000).step_by(20) {
        assert_eq!(stream.tick(at(ms), &mut packet), (None, None));
    }
    stream.described(remote(), at(30_000).at);
    let (to, _) = stream.tick(at(30_000), &mut packet);
    assert!(to.is_some());
    assert_eq!(Packet::parse(&packet).unwrap().header.timestamp, 1_000 + 160 * 1_500);
}

#[test]
fn noise_without_a_voice_is_a_silent_customer_and_a_word_or_a_key_is_not() {
    // What the phone sends at a second, and what that makes of the callee.
    for (sample, key, verdict) in [
        (60, None, Some((15_000, Verdict::SilentCustomer))),
        (9_000, None, None),
        (60, Some('1'), None),
    ] {
        let mut stream = talking(&Parrot::default());
        let mut phone = Phone::new();
        let mut ended = None;
        for ms in (0..18_000).step_by(20) {
            let loud = (2_000..2_200).contains(&ms);
            phone.says(&mut stream, if loud { sample } else { 40 }, ms);
            if ms == 2_000
                && let Some(mut press) = key.and_then(|key| Press::new(key, 3))
            {
                let mut packet = Vec::new();
                while press.packet(&mut phone.sender, 101, &mut packet) {
                    stream.receive(PHONE.parse().unwrap(), &packet, at(ms).at);
                }
            }
            ended = ended.or(run(&mut stream, ms, ms));
        }
        assert_eq!(ended, verdict, "{sample} {key:?}");
    }
}

#[test]
fn a_bot_that_hangs_up_is_asked_nothing_more_and_the_line_stays_quiet_until_the_end() {
    let bot = Parrot::default();
    let mut stream = talking(&bot);
    run(&mut stream, 0, 80);
    *bot.says.lock().unwrap() = Some("hang up");
    assert_eq!(run(&mut stream, 100, 100), Some((100, Verdict::BotHungUp)));
    *bot.says.lock().unwrap() = Some("would panic");
    let mut packet = Vec::new();
    let (to, verdict) = stream.tick(at(120), &mut packet);
    assert!(to.is_some() && verdict.is_none());
    assert_eq!(Packet::parse(&packet).unwrap().payload, [0xD5; 160]);
}

#[test]
fn a_bot_that_panics_fails_its_own_call() {
    for says in ["panic in speak", "panic in hear"] {
        let bot = Parrot::default();
        let mut stream = talking(&bot);
        *bot.says.lock().unwrap() = Some(says);
        Phone::new().says(&mut stream, 9_000, 10);
        let failed = Verdict::BotFailed("the bot panicked".into());
        assert_eq!(run(&mut stream, 20, 20), Some((20, failed)));
    }
}
