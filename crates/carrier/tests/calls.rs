//! Calls over real loopback sockets: what the dialler saw and what the carrier wrote down agree.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeMap,
    net::{SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use campanile_carrier::{CarrierConfig, Fate, Line, Mix, Range, Side, SimCarrier};
use campanile_wire::{
    dtmf, rtp,
    sdp::{self, Codec, Local, Remote},
    time::Time,
    ua::{Auth, CallKey, EndCause, Ended, Event, Invite, Peer, Timers, UaConfig, UserAgent},
};

/// A dialler of one thread: a user agent and its socket.
struct Dialler {
    agent: UserAgent,
    socket: UdpSocket,
    carrier: SocketAddr,
    began: Instant,
    calls: BTreeMap<CallKey, Seen>,
}

/// What the dialler saw of one call.
#[derive(Debug, Default)]
struct Seen {
    call_id: String,
    rang: bool,
    answered: Option<Remote>,
    ended: Option<Ended>,
}

const LOOPBACK: &str = "127.0.0.1:0";

impl Dialler {
    fn new(carrier: SocketAddr, timers: Timers) -> Self {
        let socket = UdpSocket::bind(LOOPBACK).unwrap();
        let config = UaConfig { timers, ..UaConfig::new(socket.local_addr().unwrap()) };
        Self {
            agent: UserAgent::new(config, [9; 32]),
            socket,
            carrier,
            began: Instant::now(),
            calls: BTreeMap::new(),
        }
    }

    fn now(&self) -> Time {
        Time::from_origin(self.began.elapsed())
    }

    fn dial(&mut self, number: u32, media: SocketAddr, auth: Option<Auth>) -> CallKey {
        let call_id = format!("att_{number}.1@dialler");
        let codecs = vec![Codec::Pcma, Codec::Pcmu];
        let invite = Invite {
            to: Peer::udp(self.carrier),
            further: Vec::new(),
            route: Vec::new(),
            request_uri: format!("sip:+91{number:010}@{}", self.carrier),
            from_uri: "sip:+911140001000@dialler".to_owned(),
            from_display: None,
            to_uri: format!("sip:+91{number:010}@{}", self.carrier),
            call_id: call_id.clone(),
            sdp: sdp::offer(&Local { addr: media, codecs, session: 1, version: 1 }),
            late_offer: false,
            auth,
            headers: Vec::new(),
        };
        let key = self.agent.invite(self.now(), invite).unwrap();
        self.calls.insert(key, Seen { call_id, ..Seen::default() });
        self.flush();
        key
    }

    fn hang_up(&mut self, key: CallKey) {
        self.agent.hang_up(self.now(), key);
        self.flush();
    }

    /// Lets things happen until `done`; gives up after 20 s, which is a failed test.
    fn run_until(&mut self, mut done: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut buffer = [0; 65_535];
        while !done(self) {
            assert!(Instant::now() < deadline, "not done after 20 s: {:#?}", self.calls);
            let wait = self.agent.poll_timeout().map_or(Duration::MAX, |at| at - self.now());
            let wait = wait.clamp(Duration::from_millis(1), Duration::from_millis(20));
            self.socket.set_read_timeout(Some(wait)).unwrap();
            if let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
                self.agent.handle_message(self.now(), Peer::udp(from), &buffer[..length]);
            }
            self.agent.handle_timeout(self.now());
            self.flush();
        }
    }

    fn flush(&mut self) {
        while let Some(transmit) = self.agent.poll_transmit() {
            self.socket.send_to(&transmit.bytes, transmit.to.addr).unwrap();
        }
        while let Some((key, event)) = self.agent.poll_event() {
            let Some(seen) = self.calls.get_mut(&key) else { continue };
            match event {
                Event::Provisional { code: 180, .. } => seen.rang = true,
                Event::Answered { sdp, .. } => {
                    let remote = sdp::parse(&sdp.unwrap(), &[Codec::Pcma, Codec::Pcmu]);
                    seen.answered = Some(remote.unwrap());
                }
                Event::Ended(ended) => {
                    assert!(seen.ended.is_none(), "one end a call");
                    seen.ended = Some(ended);
                }
                _ => {}
            }
        }
    }

    fn all_ended(&mut self) -> bool {
        self.calls.values().all(|seen| seen.ended.is_some())
    }
}

fn only(fate: Fate) -> Mix {
    let weight = |of| if of == fate { 1.0 } else { 0.0 };
    Mix {
        answer: weight(Fate::Answer),
        ring_out: weight(Fate::RingOut),
        busy: weight(Fate::Busy),
        rejected: weight(Fate::Rejected),
        not_found: weight(Fate::NotFound),
        unavailable_480: weight(Fate::Unavailable),
        congestion_503: weight(Fate::Congestion),
        voicemail: weight(Fate::Voicemail),
        silent: weight(Fate::Silent),
        vanish: weight(Fate::Vanish),
        ..Mix::default()
    }
}

fn start(
    mix: Mix,
    time_scale: f64,
    auth: Option<(&str, &str)>,
) -> (SimCarrier, PathBuf, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let record = dir.path().join("record.jsonl");
    let auth = auth.map(|(name, password)| (name.to_owned(), password.to_owned()));
    let sip = LOOPBACK.parse().unwrap();
    let config =
        CarrierConfig { sip, seed: 7, mix, record: Some(record.clone()), time_scale, auth };
    (SimCarrier::start(config).unwrap(), record, dir)
}

fn lines(record: &Path) -> Vec<Line> {
    let text = std::fs::read_to_string(record).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_record_agrees_with_what_fifty_calls_saw() {
    let (carrier, record, _dir) = start(Mix::default(), 0.02, None);
    let mut dialler = Dialler::new(carrier.addr(), Timers::default());
    for number in 0..50 {
        dialler.dial(number, "127.0.0.1:9".parse().unwrap(), None);
    }
    dialler.run_until(|dialler| {
        let answered = dialler.calls.iter().filter(|(_, seen)| seen.answered.is_some());
        let keys: Vec<_> = answered.map(|(key, _)| *key).collect();
        // The numbers of two digits are hung up by us when they answer; the others wait.
        for key in keys {
            if dialler.calls[&key].call_id.len() % 2 == 0 {
                dialler.hang_up(key);
            }
        }
        if dialler.calls.values().all(|seen| seen.answered.is_some() || seen.ended.is_some()) {
            let open = dialler.calls.iter().filter(|(_, seen)| seen.ended.is_none());
            let keys: Vec<_> = open.map(|(key, _)| *key).collect();
            keys.into_iter().for_each(|key| dialler.hang_up(key));
        }
        dialler.all_ended()
    });
    let summary = carrier.stop();
    let lines = lines(&record);
    assert_eq!((summary.invites, summary.distinct_numbers, summary.calls_now), (50, 50, 0));
    assert_eq!(lines.len(), 50);
    let by_call: BTreeMap<_, _> = lines.iter().map(|line| (line.call_id.as_str(), line)).collect();
    assert_eq!(by_call.len(), 50, "one line an INVITE");
    let mut answered = 0;
    for seen in dialler.calls.values() {
        let (line, ended) = (by_call[seen.call_id.as_str()], seen.ended.as_ref().unwrap());
        assert_eq!(line.code, ended.code, "{seen:?} {line:?}");
        assert_eq!(line.answered_at.is_some(), seen.answered.is_some(), "{line:?}");
        assert_eq!(line.ringing_at.is_some(), seen.rang, "{line:?}");
        assert!(line.acked_at.is_some() && line.ended_at.is_some(), "{line:?}");
        let bye_by = match ended.cause {
            EndCause::ByeSent => Some(Side::Caller),
            EndCause::ByeReceived => Some(Side::Callee),
            _ => None,
        };
        assert!(line.bye_by == bye_by || line.bye_at.is_some(), "{seen:?} {line:?}");
        answered += u64::from(line.answered_at.is_some());
    }
    assert_eq!(summary.answered, answered);
    assert!(answered > 10, "the mix answers about half");
}

#[test]
fn a_person_is_heard_hears_us_and_presses_a_key() {
    let mix = Mix {
        presses_key: 1.0,
        keys: "5".to_owned(),
        press_after_seconds: Range(0.1, 0.1),
        ring_seconds: Range(0.0, 0.0),
        hangs_up: 0.0,
        ..only(Fate::Answer)
    };
    let (carrier, record, _dir) = start(mix, 1.0, None);
    let media = UdpSocket::bind(LOOPBACK).unwrap();
    media.set_nonblocking(true).unwrap();
    let mut dialler = Dialler::new(carrier.addr(), Timers::default());
    let call = dialler.dial(1, media.local_addr().unwrap(), None);
    dialler.run_until(|dialler| dialler.calls[&call].answered.is_some());
    let remote = dialler.calls[&call].answered.unwrap();

    let mut sender = rtp::Sender::new(1, 1, 1);
    let mut packet = Vec::new();
    let mut receiver = rtp::Receiver::new();
    let mut digits = dtmf::Receiver::new();
    let mut heard = String::new();
    let mut sent = 0;
    let mut buffer = [0; 2_048];
    dialler.run_until(|dialler| {
        if sent < 10 {
            sender.frame(remote.payload_type, &[0xD5; 160], &mut packet);
            media.send_to(&packet, remote.addr).unwrap();
            sent += 1;
        }
        while let Ok((length, from)) = media.recv_from(&mut buffer) {
            assert_eq!(from, remote.addr, "audio comes from where it is sent to");
            let packet = rtp::Packet::parse(&buffer[..length]).unwrap();
            receiver.receive(dialler.now(), &packet.header);
            if Some(packet.header.payload_type) == remote.dtmf {
                heard.extend(
                    digits.receive(packet.header.timestamp, packet.payload).map(|digit| digit.key),
                );
            }
        }
        !heard.is_empty() && sent == 10 && receiver.figures().received > 15
    });
    dialler.hang_up(call);
    dialler.run_until(Dialler::all_ended);
    carrier.stop();
    let line = &lines(&record)[0];
    assert_eq!((heard.as_str(), line.key), ("5", Some('5')));
    assert_eq!(line.rtp_in, 10);
    assert!(line.rtp_out >= receiver.figures().received, "{line:?}");
    assert_eq!((line.bye_by, line.fate), (Some(Side::Caller), Fate::Answer));
}

#[test]
fn a_phone_that_vanishes_answers_no_bye() {
    let mix =
        Mix { ring_seconds: Range(0.0, 0.0), talk_seconds: Range(0.1, 0.1), ..only(Fate::Vanish) };
    let (carrier, record, _dir) = start(mix, 1.0, None);
    let quick = Duration::from_millis(10);
    let timers = Timers { t1: quick, t2: quick * 4, t4: quick * 5 };
    let mut dialler = Dialler::new(carrier.addr(), timers);
    let call = dialler.dial(1, "127.0.0.1:9".parse().unwrap(), None);
    dialler.run_until(|dialler| dialler.calls[&call].answered.is_some());
    // The line of a vanished phone is written when it vanishes.
    dialler.run_until(|_| !lines(&record).is_empty());
    dialler.hang_up(call);
    dialler.run_until(Dialler::all_ended);
    let ended = dialler.calls[&call].ended.clone().unwrap();
    assert_eq!(ended.cause, EndCause::ByeSent);
    let summary = carrier.stop();
    let lines = lines(&record);
    assert_eq!((lines.len(), summary.calls_now), (1, 0));
    assert_eq!((lines[0].fate, lines[0].bye_at.as_ref()), (Fate::Vanish, None));
}

#[test]
fn a_carrier_with_an_account_takes_only_calls_that_prove_it() {
    let (carrier, record, _dir) = start(only(Fate::Busy), 0.02, Some(("dialler", "s3cret")));
    let mut dialler = Dialler::new(carrier.addr(), Timers::default());
    let auth = |password: &str| {
        Some(Auth { username: "dialler".to_owned(), password: password.to_owned(), realm: None })
    };
    let media = "127.0.0.1:9".parse().unwrap();
    let good = dialler.dial(1, media, auth("s3cret"));
    let wrong = dialler.dial(2, media, auth("guess"));
    let without = dialler.dial(3, media, None);
    dialler.run_until(Dialler::all_ended);
    let code = |key| dialler.calls[&key].ended.as_ref().unwrap().code;
    assert_eq!((code(good), code(wrong), code(without)), (Some(486), Some(403), Some(407)));
    let summary = carrier.stop();
    let mut fates: Vec<_> =
        lines(&record).into_iter().map(|line| (line.callee, line.fate, line.code)).collect();
    fates.sort_by(|one, other| one.0.cmp(&other.0));
    let callee = |number| format!("+91{number:010}");
    assert_eq!(
        fates,
        [
            (callee(1), Fate::Busy, Some(486)),
            (callee(2), Fate::Challenged, Some(403)),
            (callee(3), Fate::Challenged, Some(407)),
        ]
    );
    assert_eq!(summary.invites, 3);
}

#[test]
fn calls_that_are_up_when_the_carrier_stops_have_their_line() {
    let (carrier, record, _dir) = start(only(Fate::RingOut), 1.0, None);
    let mut dialler = Dialler::new(carrier.addr(), Timers::default());
    let call = dialler.dial(1, "127.0.0.1:9".parse().unwrap(), None);
    dialler.run_until(|dialler| dialler.calls[&call].rang);
    dialler.run_until(|_| carrier.summary().calls_now == 1);
    let summary = carrier.stop();
    assert_eq!((summary.invites, summary.answered), (1, 0));
    let line = &lines(&record)[0];
    assert!(line.ringing_at.is_some() && line.ended_at.is_none(), "{line:?}");
}

#[test]
fn what_cannot_work_is_refused_at_the_start() {
    let sip = LOOPBACK.parse().unwrap();
    let mix = Mix { busy: -1.0, ..Mix::default() };
    let config = CarrierConfig { sip, seed: 1, mix, record: None, time_scale: 1.0, auth: None };
    let refused = SimCarrier::start(config.clone()).err().unwrap();
    assert!(refused.to_string().contains("busy"), "{refused}");
    let config = CarrierConfig { mix: Mix::default(), time_scale: f64::NAN, ..config };
    assert!(SimCarrier::start(config).is_err());
}
