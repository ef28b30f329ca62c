use std::sync::{Arc, Mutex};

use campanile_wire::{dtmf::Press, rtcp, rtp, sdp::Codec};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::*;
use crate::bot::Frame;

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
        self.plays(stream, &[sample; FRAME_SAMPLES], ms);
    }

    fn plays(&mut self, stream: &mut Stream, samples: &Frame, ms: u64) {
        let mut encoded = [0; FRAME_SAMPLES];
        g711::encode(Codec::Pcma, samples, &mut encoded);
        self.sender.frame(8, &encoded, &mut self.packet);
        stream.receive(PHONE.parse().unwrap(), &self.packet, at(ms).at);
    }
}

/// One tick: where the packet went and what was in it, and the verdict.
fn tick(
    stream: &mut Stream,
    now: Now,
    packet: &mut Vec<u8>,
) -> (Option<SocketAddr>, Option<Verdict>) {
    let (mut to, mut sent) = (None, Vec::new());
    let verdict = stream.tick(now, packet, &mut |destination, bytes| {
        to = Some(destination);
        sent = bytes.to_vec();
        true
    });
    *packet = sent;
    (to, verdict)
}

/// Ticks every 20 ms from `from` to `to`; tells the first verdict and when.
fn run(stream: &mut Stream, from: u64, to: u64) -> Option<(u64, Verdict)> {
    let mut packet = Vec::new();
    (from..=to)
        .step_by(20)
        .find_map(|ms| tick(stream, at(ms), &mut packet).1.map(|verdict| (ms, verdict)))
}

#[test]
fn nothing_is_sent_before_the_bot_is_attached_and_every_20_ms_after() {
    let mut packet = Vec::new();
    assert_eq!(tick(&mut stream(), at(0), &mut packet), (None, None));

    let mut stream = talking(&Parrot::default());
    for round in 0..3u16 {
        let (to, verdict) = tick(&mut stream, at(u64::from(round) * 20), &mut packet);
        assert_eq!((to, verdict), (Some(PHONE.parse().unwrap()), None));
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
    tick(&mut stream, at(0), &mut packet);
    assert_eq!(Packet::parse(&packet).unwrap().payload, [0xD5; 160]);
    *bot.says.lock().unwrap() = None;
    tick(&mut stream, at(20), &mut packet);
    assert_eq!(stream.conclude().first_bot_audio_at, Some(at(20).wall));
}

#[test]
fn a_late_wake_up_skips_and_does_not_burst() {
    let mut stream = talking(&Parrot::default());
    let mut packet = Vec::new();
    let mut sent = |ms| {
        tick(&mut stream, at(ms), &mut packet);
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
fn the_bot_hears_a_frame_every_20_ms_however_the_phone_packs_them() {
    let bot = Parrot::default();
    let mut stream = talking(&bot);
    let mut sender = rtp::Sender::new(9, 0, 0);
    let mut packet = Vec::new();
    let mut next = 0;
    for (index, ms) in (0..1_000).step_by(20).enumerate() {
        // 10, 20 and 60 ms in turns, as soon as they were spoken, and each of them twice.
        while next + 60 <= ms {
            let ptime = [10, 20, 60][index % 3];
            sender.audio(8, &vec![0xAA; ptime * 8], ptime as u32 * 8, &mut packet);
            for _ in 0..2 {
                stream.receive(PHONE.parse().unwrap(), &packet, at(ms).at);
            }
            next += ptime as u64;
        }
        assert_eq!(run(&mut stream, ms, ms), None);
    }
    let heard = bot.heard.lock().unwrap();
    assert_eq!(heard.len(), 50, "one a tick");
    let began = heard.iter().position(|told| told.ends_with("audio 1")).unwrap();
    assert!(began < 10, "{heard:?}");
    assert!(heard[began..].iter().all(|told| told.ends_with("audio 1")), "{heard:?}");
}

#[test]
fn frames_that_were_missed_are_heard_afterwards_up_to_a_bound() {
    let bot = Parrot::default();
    let mut stream = talking(&bot);
    for (ms, frames) in [(0, 1), (100, 6), (120, 7), (60_000, 18)] {
        run(&mut stream, ms, ms);
        assert_eq!(bot.heard.lock().unwrap().len(), frames, "{ms}");
    }
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
    let received = stream.hearing.figures().received;
    phone.sender.frame(8, &[0xAA; 160], &mut packet);
    stream.receive("203.0.113.9:4000".parse().unwrap(), &packet, at(6_000).at);
    stream.receive(PHONE.parse().unwrap(), b"not RTP", at(6_000).at);
    assert_eq!(stream.hearing.figures().received, received);
    assert_eq!(stream.conclude().audio.unwrap().strays, 2);
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
        assert_eq!(tick(&mut stream, at(ms), &mut packet), (None, None));
    }
    stream.described(remote(), at(30_000).at);
    let (to, _) = tick(&mut stream, at(30_000), &mut packet);
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
    let (to, verdict) = tick(&mut stream, at(120), &mut packet);
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

#[test]
fn time_on_hold_is_neither_silence_nor_a_dead_line() {
    let mut stream = talking(&Parrot::default());
    let mut phone = Phone::new();
    phone.says(&mut stream, 40, 0);
    assert_eq!(run(&mut stream, 0, 5_000), None);
    // Music is not sent by everybody who puts us on hold.
    stream.described(Remote { direction: Direction::SendOnly, ..remote() }, at(5_000).at);
    assert_eq!(run(&mut stream, 5_020, 65_000), None);
    stream.described(remote(), at(65_000).at);
    for ms in (65_020..74_900).step_by(20) {
        phone.says(&mut stream, 40, ms);
        assert_eq!(run(&mut stream, ms, ms), None, "{ms}");
    }
    let silent = Some((75_000, Verdict::SilentCustomer));
    assert_eq!(run(&mut stream, 74_900, 80_000), silent, "five seconds before, ten after");
}

#[test]
fn who_holds_from_the_answer_on_is_not_waited_for() {
    let held = |direction| {
        let mut stream = Stream::new(1, 100, 1_000);
        stream.described(Remote { direction, ..remote() }, Time::ZERO);
        stream.attach(Box::new(Parrot::default()), limits(), Time::ZERO, Time::ZERO);
        stream
    };
    for direction in [Direction::Inactive, Direction::SendOnly] {
        assert_eq!(run(&mut held(direction), 0, 25_000), Some((20_000, Verdict::NoMedia)));
        // To say the same again is no beginning.
        let mut stream = held(direction);
        assert_eq!(run(&mut stream, 0, 10_000), None);
        stream.described(Remote { direction: Direction::Inactive, ..remote() }, at(10_000).at);
        assert_eq!(run(&mut stream, 10_020, 25_000), Some((20_000, Verdict::NoMedia)));
    }
    // Music, however loud, is nobody who speaks.
    let (mut stream, mut phone) = (held(Direction::SendOnly), Phone::new());
    let mut ended = None;
    for ms in (0..18_000).step_by(20) {
        phone.says(&mut stream, 9_000, ms);
        ended = ended.or(run(&mut stream, ms, ms));
    }
    assert_eq!(ended, Some((15_000, Verdict::SilentCustomer)));
    // Taken off hold, the call has all its time.
    let mut stream = held(Direction::Inactive);
    assert_eq!(run(&mut stream, 0, 19_000), None);
    stream.described(remote(), at(19_000).at);
    assert_eq!(run(&mut stream, 19_020, 45_000), Some((39_000, Verdict::NoMedia)));
    // Who listens and says so is spoken to for as long as the bot likes.
    assert_eq!(run(&mut held(Direction::RecvOnly), 0, 60_000), None);
}

#[test]
fn what_this_side_had_no_time_to_hear_is_not_the_callees_silence() {
    let mut stream = talking(&Parrot::default());
    let mut phone = Phone::new();
    phone.says(&mut stream, 40, 0);
    assert_eq!(run(&mut stream, 0, 1_000), None);
    // The machine stands still for ten seconds and hears a fifth of a second of them.
    phone.says(&mut stream, 40, 11_000);
    let mut ended = None;
    for ms in (11_000..27_000).step_by(20) {
        phone.says(&mut stream, 40, ms);
        ended = ended.or(run(&mut stream, ms, ms));
    }
    let (at, verdict) = ended.unwrap();
    assert_eq!(verdict, Verdict::SilentCustomer);
    assert!((24_700..24_900).contains(&at), "{at}");
}

#[test]
fn keys_in_the_audio_are_heard_from_those_who_send_no_events_and_only_from_them() {
    for (dtmf, expected) in [(None, "5"), (Some(101), "")] {
        let bot = Parrot::default();
        let mut stream = talking(&bot);
        stream.described(Remote { dtmf, ..remote() }, Time::ZERO);
        let mut phone = Phone::new();
        for ms in (0..1_000).step_by(20) {
            let mut samples = [0; FRAME_SAMPLES];
            if (400..500).contains(&ms) {
                for (index, sample) in samples.iter_mut().enumerate() {
                    let angle = (ms * 8 + index as u64) as f64 / 8_000.0 * std::f64::consts::TAU;
                    *sample = (((angle * 770.0).sin() + (angle * 1_336.0).sin()) * 5_000.0) as i16;
                }
            }
            phone.plays(&mut stream, &samples, ms);
            run(&mut stream, ms, ms);
        }
        let heard = bot.heard.lock().unwrap();
        let keys: String =
            heard.iter().filter_map(|told| told.split_once("key ")).map(|key| key.1).collect();
        assert_eq!(keys, expected);
    }
}

#[test]
fn what_is_told_of_the_audio_is_what_happened_to_it() {
    let mut stream = talking(&Parrot::default());
    stream.open_reports(at(0));
    let (mut phone, mut theirs) = (Phone::new(), rtp::Receiver::new());
    let mut reports = rtcp::Session::new(9, 0, 1 << 60, 5, Time::ZERO);
    let rtcp: SocketAddr = "10.0.0.1:4001".parse().unwrap();
    let mut random = StdRng::seed_from_u64(4);
    let (mut sent, mut lost, mut there_lost, mut packet) = (0, 0, 0, Vec::new());
    for ms in (0..60_000).step_by(20) {
        phone.sender.frame(8, &[0xAA; 160], &mut phone.packet);
        sent += 1;
        // The very last cannot be known to be lost.
        if random.random_bool(0.2) && ms < 59_900 {
            lost += 1;
        } else {
            stream.receive(PHONE.parse().unwrap(), &phone.packet, at(ms).at);
        }
        let mut scratch = Vec::new();
        stream.tick(at(ms), &mut scratch, &mut |_, bytes| {
            if random.random_bool(0.05) {
                there_lost += 1;
            } else {
                // 30 ms each way.
                theirs.receive(at(ms + 30).at, &Packet::parse(bytes).unwrap().header);
            }
            true
        });
        if reports.due() <= at(ms).at {
            reports.report(at(ms - 30).at, &phone.sender, theirs.heard(), false, &mut packet);
            stream.receive_report(rtcp, &packet, at(ms).at);
        }
        if let Some(to) = stream.report(at(ms).at, false, &mut packet) {
            assert_eq!(to, rtcp);
            reports.receive(at(ms + 30).at, &phone.sender, &packet).unwrap();
        }
    }
    // A forged good-bye, and one from a stranger: the call goes on.
    let bye = [0x80, 201, 0, 1, 0, 0, 0, 9, 0x81, 203, 0, 1, 0, 0, 0, 9];
    stream.receive_report(rtcp, &bye, at(60_000).at);
    stream.receive_report("203.0.113.9:4001".parse().unwrap(), &bye, at(60_000).at);
    assert_eq!(run(&mut stream, 60_000, 60_000), None);

    let audio = stream.conclude().audio.unwrap();
    assert_eq!((audio.heard.received, audio.heard.lost), (sent - lost, lost));
    assert!(audio.heard.jitter_ms < 1.0 && audio.heard.late < 20, "{audio:?}");
    let opinion = audio.heard.mos.unwrap();
    assert!((2.2..2.7).contains(&opinion), "20 % of loss: {opinion}");
    let told = audio.told.unwrap();
    let share = f64::from(told.lost) / f64::from(told.lost + told.received);
    let truth = f64::from(there_lost) / f64::from(audio.sent);
    assert!((share - truth).abs() < 0.01, "{share} for {truth}");
    let trip = audio.round_trip_ms.unwrap();
    assert!((55.0..65.0).contains(&trip), "{trip} ms");
    assert_eq!(audio.strays, 1);
}

#[test]
fn through_a_bad_network_the_bot_hears_on_and_the_figures_are_true() {
    let bot = Parrot::default();
    let mut stream = talking(&bot);
    let mut phone = Phone::new();
    let mut random = StdRng::seed_from_u64(15);
    // What is on its way, by the millisecond of its arrival: a fifth is lost, the rest takes
    // up to 100 ms, so it is overtaken, and every twentieth comes twice.
    let mut flying = std::collections::BTreeMap::<u64, Vec<Vec<u8>>>::new();
    let (mut sent, mut lost, mut twice) = (0u32, 0u32, 0u32);
    for ms in 0..60_000 {
        if ms % 20 == 0 && ms < 59_000 {
            phone.sender.frame(8, &[0xAA; 160], &mut phone.packet);
            sent += 1;
            if random.random_bool(0.2) {
                lost += 1;
            } else {
                let copies = 1 + u32::from(random.random_bool(0.05));
                twice += copies - 1;
                for _ in 0..copies {
                    let at = ms + random.random_range(0..=100);
                    flying.entry(at).or_default().push(phone.packet.clone());
                }
            }
        }
        for packet in flying.remove(&ms).unwrap_or_default() {
            stream.receive(PHONE.parse().unwrap(), &packet, at(ms).at);
        }
        if ms % 20 == 13 {
            assert_eq!(run(&mut stream, ms, ms), None, "{ms}");
        }
    }
    let heard = bot.heard.lock().unwrap();
    assert_eq!(heard.len(), 3_000, "a frame every 20 ms");
    // What was lost is concealed, so almost every frame sounds.
    let voiced = heard.iter().filter(|told| told.ends_with("audio 1")).count();
    assert!(voiced > 2_900, "{voiced}");
    drop(heard);
    let audio = stream.conclude().audio.unwrap().heard;
    let is_true = |told: u32, truth: u32| told.abs_diff(truth) <= sent / 100;
    assert!(is_true(audio.lost, lost), "{audio:?}, lost {lost}");
    assert!(is_true(audio.received, sent - lost), "{audio:?}, lost {lost}");
    assert!(is_true(audio.duplicates, twice), "{audio:?}, twice {twice}");
    assert!(audio.late < sent / 25, "{audio:?}");
    // Uniform over 100 ms: two packets in a row differ by a third of that on average.
    assert!((25.0..42.0).contains(&audio.jitter_ms), "{audio:?}");
}
