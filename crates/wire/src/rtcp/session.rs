//! The reports of one call: when they are due, what they say, what the others say.

use std::time::Duration;

use super::{Block, NotRtcp, SenderInfo, parse, write};
use crate::{
    rtp::{self, Heard},
    time::Time,
};

/// Between two reports, on average (RFC 3550 6.2); the first comes after half of it.
const INTERVAL: Duration = Duration::from_secs(5);
/// Reports of ours that an answer may refer to.
const REMEMBERED: usize = 4;
/// A round trip beyond this is a mistake of somebody's clock.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(10);
/// Samples a second of everything we speak.
const CLOCK_HZ: u64 = 8_000;

/// What the far end said last about the audio that it had from us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Packets that it had.
    pub received: u32,
    /// Packets that it missed.
    pub lost: u32,
    /// Interarrival jitter that it saw.
    pub jitter: Duration,
}

/// One side of the RTCP of one call.
#[derive(Debug, Clone)]
pub struct Session {
    ssrc: u32,
    /// Sequence number of our first packet.
    first: u16,
    name: String,
    random: u64,
    /// NTP at the moment `since`. Later times are counted from here, so that a wall clock
    /// that is set does not spoil round trips.
    ntp: u64,
    since: Time,
    due: Time,
    /// Middles of the NTP times of our last reports.
    sent: [u32; REMEMBERED],
    reports: usize,
    /// The far end's last sender report: the middle of its time, and when it came.
    had: Option<(u32, Time)>,
    told: Option<Told>,
    round_trip: Option<Duration>,
}

impl Session {
    /// The reports of the source `ssrc`, whose packets begin with the number `first`. `ntp`
    /// is the time of day (NTP, 32.32 bits) at `now`; `random` spreads the reports of many
    /// calls and names this one (RFC 7022: a name that tells nothing).
    pub fn new(ssrc: u32, first: u16, ntp: u64, random: u64, now: Time) -> Self {
        let mut session = Self {
            ssrc,
            first,
            name: format!("{random:016x}"),
            random: random | 1,
            ntp,
            since: now,
            due: now,
            sent: [0; REMEMBERED],
            reports: 0,
            had: None,
            told: None,
            round_trip: None,
        };
        session.due = now + session.interval() / 2;
        session
    }

    /// When the next report is due.
    pub fn due(&self) -> Time {
        self.due
    }

    /// Writes the report that is due, or the last one when `is_leaving`.
    pub fn report(
        &mut self,
        now: Time,
        sender: &rtp::Sender,
        heard: Option<Heard>,
        is_leaving: bool,
        out: &mut Vec<u8>,
    ) {
        let ntp = self.ntp_at(now);
        self.due = now + self.interval();
        let info = (sender.packets() > 0).then(|| SenderInfo {
            ntp,
            timestamp: sender.timestamp(),
            packets: sender.packets() as u32,
            bytes: sender.bytes() as u32,
        });
        let block = heard.map(|heard| {
            let (last_report, since_last_report) = match self.had {
                Some((middle, at)) => (middle, (((now - at).as_micros() << 16) / 1_000_000) as u32),
                None => (0, 0),
            };
            Block {
                ssrc: heard.ssrc,
                fraction_lost: heard.fraction_lost,
                lost: heard.lost,
                highest: heard.highest,
                jitter: heard.jitter,
                last_report,
                since_last_report,
            }
        });
        if info.is_some() {
            self.sent[self.reports % REMEMBERED] = middle(ntp);
            self.reports += 1;
        }
        write(self.ssrc, info, block, &self.name, is_leaving, out);
    }

    /// Takes in what came to the call's RTCP port. A BYE changes nothing: anybody can send
    /// one, and the call ends by SIP.
    pub fn receive(&mut self, now: Time, sent: &rtp::Sender, bytes: &[u8]) -> Result<(), NotRtcp> {
        let report = parse(bytes, self.ssrc)?;
        if let Some(info) = report.sender {
            self.had = Some((middle(info.ntp), now));
        }
        let Some(block) = report.block else { return Ok(()) };
        // What it says it had, bounded by what it can have had.
        let all = u32::try_from(sent.packets()).unwrap_or(u32::MAX);
        let expected = block.highest.wrapping_sub(u32::from(self.first)).wrapping_add(1).min(all);
        let lost = u32::try_from(block.lost).unwrap_or(0).min(expected);
        self.told = Some(Told {
            received: expected - lost,
            lost,
            jitter: Duration::from_micros(u64::from(block.jitter) * 1_000_000 / CLOCK_HZ),
        });
        if block.last_report != 0 && self.sent.contains(&block.last_report) {
            let elapsed = middle(self.ntp_at(now)).wrapping_sub(block.last_report);
            let trip = elapsed.saturating_sub(block.since_last_report);
            let trip = Duration::from_micros((u64::from(trip) * 1_000_000) >> 16);
            if trip <= ROUND_TRIP_MAX {
                self.round_trip = Some(trip);
            }
        }
        Ok(())
    }

    /// What the far end said last of our audio.
    pub fn told(&self) -> Option<Told> {
        self.told
    }

    /// There and back, as measured last.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    fn ntp_at(&self, now: Time) -> u64 {
        let passed = ((now - self.since).as_micros() << 32) / 1_000_000;
        self.ntp.wrapping_add(passed as u64)
    }

    /// Half to one and a half times the average (RFC 3550 6.3.1, for the two of a call: no
    /// reconsideration, and so no compensation for it).
    fn interval(&mut self) -> Duration {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let share = (self.random >> 40) as u32;
        INTERVAL / 2 + INTERVAL.mul_f64(f64::from(share) / f64::from(1u32 << 24))
    }
}

fn middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::{Packet, Receiver, Sender};

    const NTP: u64 = 0xEC00_0000_0000_0000;

    fn at(ms: u64) -> Time {
        Time(ms * 1_000)
    }

    /// Two sides that talk for `seconds`; every `every`th packet of the first is lost, and
    /// each way takes `way_ms`.
    fn talk(seconds: u64, every: u16, way_ms: u64) -> (Session, Session) {
        let mut senders = [Sender::new(1, 65_000, 0), Sender::new(2, 5, 0)];
        let mut receivers = [Receiver::new(), Receiver::new()];
        let mut sessions = [
            Session::new(1, 65_000, NTP, 11, at(0)),
            Session::new(2, 5, NTP + (77 << 32), 13, at(0)),
        ];
        let mut flying: Vec<(Time, usize, bool, Vec<u8>)> = Vec::new();
        let mut packet = Vec::new();
        for ms in (0..seconds * 1_000).step_by(10) {
            for side in 0..2 {
                if ms % 20 == 0 {
                    senders[side].frame(8, &[0xD5; 160], &mut packet);
                    let number = Packet::parse(&packet).unwrap().header.sequence;
                    if side == 1 || every == 0 || !number.is_multiple_of(every) {
                        flying.push((at(ms + way_ms), 1 - side, false, packet.clone()));
                    }
                }
                if sessions[side].due() <= at(ms) {
                    let heard = receivers[side].heard();
                    sessions[side].report(at(ms), &senders[side], heard, false, &mut packet);
                    flying.push((at(ms + way_ms), 1 - side, true, packet.clone()));
                }
            }
            let now = at(ms);
            flying.retain(|(due, to, is_rtcp, bytes)| {
                if *due > now {
                    return true;
                }
                if *is_rtcp {
                    sessions[*to].receive(now, &senders[*to], bytes).unwrap();
                } else {
                    receivers[*to].receive(now, &Packet::parse(bytes).unwrap().header);
                }
                false
            });
        }
        let [first, second] = sessions;
        (first, second)
    }

    #[test]
    fn each_side_learns_the_round_trip_and_what_became_of_its_packets() {
        let (first, second) = talk(60, 10, 35);
        for session in [&first, &second] {
            let trip = session.round_trip().unwrap().as_millis();
            assert!((68..=82).contains(&trip), "{trip} ms");
        }
        let told = first.told().unwrap();
        let share = f64::from(told.lost) / f64::from(told.lost + told.received);
        assert!((share - 0.1).abs() < 0.01, "{told:?}");
        assert!(told.received + told.lost > 2_500, "{told:?}");
        assert_eq!(second.told().unwrap().lost, 0);
    }

    #[test]
    fn reports_come_every_five_seconds_at_uneven_times() {
        let mut session = Session::new(1, 1, NTP, 99, at(0));
        assert!((1_250..=3_750).contains(&(session.due().0 / 1_000)));
        let (sender, mut out) = (Sender::new(1, 1, 1), Vec::new());
        let mut times = Vec::new();
        for _ in 0..1_000 {
            let now = session.due();
            session.report(now, &sender, None, false, &mut out);
            times.push((session.due() - now).as_millis() as u64);
        }
        assert!(times.iter().all(|ms| (2_500..=7_500).contains(ms)));
        let mean = times.iter().sum::<u64>() / 1_000;
        assert!((4_800..=5_200).contains(&mean), "{mean}");
        assert!(times.iter().filter(|ms| **ms < 4_000).count() > 200);
    }

    #[test]
    fn a_bye_and_a_forged_answer_change_nothing() {
        let (mut session, _) = talk(20, 0, 5);
        let before = session.round_trip();
        let sender = Sender::new(1, 65_000, 0);
        let forged = Block { ssrc: 1, last_report: 0x1234_5678, ..Block::default() };
        let mut out = Vec::new();
        write(2, None, Some(forged), "x", true, &mut out);
        session.receive(at(20_000), &sender, &out).unwrap();
        assert_eq!(session.round_trip(), before);
        assert!(session.receive(at(20_000), &sender, &[0x81, 203, 0, 1, 0, 0, 0, 2]).is_err());
        assert_eq!(session.told().unwrap().received, 0, "it can have had no more than was sent");
    }
}
