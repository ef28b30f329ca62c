//! The stream that we receive: what was lost, came twice, came late, and how unevenly.

use std::time::Duration;

use super::Header;
use crate::time::Time;

/// Samples a second of everything we speak.
const CLOCK_HZ: u64 = 8_000;
/// A jump of more than this many packets is a new beginning of the same stream, not a loss
/// (RFC 3550 A.1, MAX_DROPOUT).
const DROPOUT_MAX: u16 = 3_000;
/// How many packets back one counts as late rather than as a new beginning (MAX_MISORDER),
/// and how far back a duplicate is known.
const MISORDER_MAX: u16 = 64;

/// What a packet was within its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// The one after the last, or after a gap.
    InOrder,
    /// Older than the newest and not seen before.
    Late,
    /// Seen before: not to be played again.
    Duplicate,
    /// A new stream, or a jump so far that counting starts anew.
    Restart,
}

/// What was counted, over all sources of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Packets received, without duplicates.
    pub received: u64,
    /// Packets that never came, as far as is known now; a late one is taken off again.
    pub lost: u64,
    /// Packets that came more than once.
    pub duplicates: u64,
    /// Packets that came after a younger one.
    pub reordered: u64,
    /// Interarrival jitter (RFC 3550 6.4.1).
    pub jitter: Duration,
}

/// What a reception report says of a stream (RFC 3550 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// Which stream.
    pub ssrc: u32,
    /// The share lost since the last report, in 256ths.
    pub fraction_lost: u8,
    /// Lost in all of this stream.
    pub lost: i32,
    /// The highest sequence number, extended by its wraps.
    pub highest: u32,
    /// Interarrival jitter, in samples.
    pub jitter: u32,
}

/// Watches one stream. It holds no packets: who plays them decides how long to wait.
#[derive(Debug, Clone, Default)]
pub struct Receiver {
    stream: Option<Stream>,
    figures: Figures,
}

#[derive(Debug, Clone, Copy)]
struct Stream {
    ssrc: u32,
    newest: u16,
    /// Bit n is set when the packet n before the newest has come.
    seen: u64,
    /// Of the last packet: arrival minus timestamp, in samples, modulo 2^32.
    transit: u32,
    timestamp: u32,
    /// RFC 3550 A.8 keeps sixteen times the estimate in samples.
    jitter_16: u32,
    /// The first sequence number, and how often it wrapped since, times 65,536.
    first: u16,
    wraps: u32,
    received: u32,
    /// At the last report.
    expected_before: u32,
    received_before: u32,
}

impl Receiver {
    /// A stream that nothing has been heard of.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note of a packet that came at `now`.
    pub fn receive(&mut self, now: Time, header: &Header) -> Arrival {
        let transit = transit(now, header.timestamp);
        let Some(stream) = self.stream.as_mut().filter(|stream| stream.ssrc == header.ssrc) else {
            return self.restart(header, transit);
        };
        let ahead = header.sequence.wrapping_sub(stream.newest);
        let behind = stream.newest.wrapping_sub(header.sequence);
        if behind < MISORDER_MAX {
            let bit = 1 << behind;
            if stream.seen & bit != 0 {
                self.figures.duplicates += 1;
                return Arrival::Duplicate;
            }
            stream.seen |= bit;
            stream.received += 1;
            self.figures.jitter = stream.note_transit(header.timestamp, transit);
            self.figures.received += 1;
            self.figures.reordered += 1;
            self.figures.lost = self.figures.lost.saturating_sub(1);
            return Arrival::Late;
        }
        if ahead > DROPOUT_MAX {
            return self.restart(header, transit);
        }
        if header.sequence < stream.newest {
            stream.wraps = stream.wraps.wrapping_add(1 << 16);
        }
        stream.newest = header.sequence;
        stream.received += 1;
        stream.seen = stream.seen.checked_shl(u32::from(ahead)).unwrap_or(0) | 1;
        self.figures.jitter = stream.note_transit(header.timestamp, transit);
        self.figures.received += 1;
        self.figures.lost += u64::from(ahead - 1);
        Arrival::InOrder
    }

    /// What to report of the present stream; the next report tells of what came after this.
    pub fn heard(&mut self) -> Option<Heard> {
        let stream = self.stream.as_mut()?;
        let highest = stream.wraps | u32::from(stream.newest);
        // RFC 3550 A.3.
        let expected = highest.wrapping_sub(u32::from(stream.first)).wrapping_add(1);
        let expected_now = expected.wrapping_sub(stream.expected_before);
        let received_now = stream.received.wrapping_sub(stream.received_before);
        stream.expected_before = expected;
        stream.received_before = stream.received;
        let lost_now = u64::from(expected_now.saturating_sub(received_now));
        let fraction = (lost_now << 8).checked_div(u64::from(expected_now)).unwrap_or(0);
        Some(Heard {
            ssrc: stream.ssrc,
            fraction_lost: fraction.min(255) as u8,
            lost: expected.wrapping_sub(stream.received) as i32,
            highest,
            jitter: stream.jitter_16 >> 4,
        })
    }

    /// What was counted so far.
    pub fn figures(&self) -> Figures {
        self.figures
    }

    fn restart(&mut self, header: &Header, transit: u32) -> Arrival {
        self.stream = Some(Stream {
            ssrc: header.ssrc,
            newest: header.sequence,
            seen: 1,
            transit,
            timestamp: header.timestamp,
            jitter_16: 0,
            first: header.sequence,
            wraps: 0,
            received: 1,
            expected_before: 0,
            received_before: 0,
        });
        self.figures.received += 1;
        Arrival::Restart
    }
}

impl Stream {
    /// Takes the next packet in the order of arrival into the estimate, and gives that.
    fn note_transit(&mut self, timestamp: u32, transit: u32) -> Duration {
        // The packets of a key share the timestamp of its beginning (RFC 4733 2.1), so only
        // the first of them tells something about the network.
        if timestamp != self.timestamp {
            let change = (transit.wrapping_sub(self.transit) as i32).unsigned_abs();
            self.timestamp = timestamp;
            self.transit = transit;
            self.jitter_16 =
                self.jitter_16.saturating_add(change).saturating_sub((self.jitter_16 + 8) >> 4);
        }
        Duration::from_micros(u64::from(self.jitter_16 >> 4) * 1_000_000 / CLOCK_HZ)
    }
}

fn transit(now: Time, timestamp: u32) -> u32 {
    let arrival = u128::from(now.0) * u128::from(CLOCK_HZ) / 1_000_000;
    (arrival as u32).wrapping_sub(timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets as (sequence, milliseconds of arrival); timestamps follow the sequence.
    fn play(packets: &[(u16, u64)]) -> (Vec<Arrival>, Figures) {
        let mut receiver = Receiver::new();
        let first = packets[0].0;
        let arrivals = packets
            .iter()
            .map(|(sequence, at_ms)| {
                let header = Header {
                    marker: false,
                    payload_type: 8,
                    sequence: *sequence,
                    timestamp: u32::from(sequence.wrapping_sub(first)).wrapping_mul(160),
                    ssrc: 1,
                };
                receiver.receive(Time(at_ms * 1_000), &header)
            })
            .collect();
        (arrivals, receiver.figures())
    }

    use Arrival::{Duplicate, InOrder, Late, Restart};

    #[test]
    fn a_gap_is_lost_until_the_late_packet_comes() {
        let (arrivals, figures) =
            play(&[(10, 0), (11, 20), (13, 60), (12, 61), (12, 62), (14, 80)]);
        assert_eq!(arrivals, [Restart, InOrder, InOrder, Late, Duplicate, InOrder]);
        assert_eq!((figures.received, figures.lost), (5, 0));
        assert_eq!((figures.duplicates, figures.reordered), (1, 1));
    }

    #[test]
    fn the_sequence_wraps_without_loss() {
        let (arrivals, figures) = play(&[(65534, 0), (65535, 20), (0, 40), (2, 80)]);
        assert_eq!(arrivals, [Restart, InOrder, InOrder, InOrder]);
        assert_eq!((figures.received, figures.lost), (4, 1));
    }

    #[test]
    fn a_far_jump_is_a_restart_and_not_forty_thousand_lost() {
        let (arrivals, figures) = play(&[(1, 0), (40_000, 20), (40_001, 40)]);
        assert_eq!(arrivals, [Restart, Restart, InOrder]);
        assert_eq!((figures.received, figures.lost), (3, 0));
    }

    #[test]
    fn another_source_on_the_same_port_starts_anew() {
        let mut receiver = Receiver::new();
        let mut header =
            Header { marker: true, payload_type: 8, sequence: 500, timestamp: 0, ssrc: 1 };
        receiver.receive(Time(0), &header);
        header.ssrc = 2;
        header.sequence = 9;
        assert_eq!(receiver.receive(Time(20_000), &header), Restart);
        assert_eq!(receiver.figures().lost, 0);
    }

    #[test]
    fn a_report_tells_of_the_time_since_the_last_one_and_of_all_time() {
        let mut receiver = Receiver::new();
        assert_eq!(receiver.heard(), None);
        let mut header =
            Header { marker: false, payload_type: 8, sequence: 0, timestamp: 0, ssrc: 9 };
        let mut hear = |receiver: &mut Receiver, numbers: std::ops::Range<u32>, skip: u32| {
            for number in numbers.filter(|number| number % skip != 0) {
                header.sequence = (65_500 + number) as u16;
                header.timestamp = number * 160;
                receiver.receive(Time(u64::from(number) * 20_000), &header);
            }
            receiver.heard().unwrap()
        };
        let first = hear(&mut receiver, 1..101, 4);
        // The last of the hundred was lost too, which nobody can know yet.
        assert_eq!((first.highest, first.lost, first.fraction_lost), (65_599, 24, 62));
        let second = hear(&mut receiver, 101..201, 1_000);
        assert_eq!((second.highest, second.lost, second.fraction_lost), (65_700, 25, 2));
        assert_eq!((second.ssrc, second.jitter), (9, 0));
        assert_eq!(receiver.heard().unwrap().fraction_lost, 0, "nothing was expected since");
    }

    #[test]
    fn the_packets_of_a_key_are_no_jitter() {
        let mut receiver = Receiver::new();
        for number in 0..100u16 {
            let timestamp = u32::from(if (50..60).contains(&number) { 50 } else { number }) * 160;
            let header =
                Header { marker: false, payload_type: 8, sequence: number, timestamp, ssrc: 1 };
            receiver.receive(Time(u64::from(number) * 20_000), &header);
        }
        assert_eq!(receiver.figures().jitter, Duration::ZERO);
    }

    #[test]
    fn even_arrival_has_no_jitter_and_uneven_arrival_approaches_its_mean() {
        let even: Vec<_> = (0..200).map(|index| (index as u16, index * 20)).collect();
        assert_eq!(play(&even).1.jitter, Duration::ZERO);
        // Every other packet is 8 ms late: transit changes by 8 ms each time.
        let uneven: Vec<_> =
            (0..400).map(|index| (index as u16, index * 20 + (index % 2) * 8)).collect();
        let jitter = play(&uneven).1.jitter;
        assert!((7..=8).contains(&jitter.as_millis()), "{jitter:?}");
    }
}
