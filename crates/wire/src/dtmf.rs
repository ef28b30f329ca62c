//! DTMF as telephone events (RFC 4733): a key pressed is one digit, however many packets carry it.

use crate::{g711::FRAME_SAMPLES, rtp::Sender};

/// What the last packet of an event is sent, so that a lost one does not stretch the key
/// (RFC 4733 2.5.1.4).
const ENDS: u8 = 3;
/// -10 dBm0, what a telephone sends.
const VOLUME: u8 = 10;
const END_BIT: u8 = 0x80;
/// Events 0 to 15 in order of their number (RFC 4733 3.2).
const KEYS: [char; 16] =
    ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];

/// One press of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digit {
    /// `0`–`9`, `*`, `#`, `A`–`D`.
    pub key: char,
}

/// Makes presses out of event packets that are repeated, lost and reordered.
///
/// A press is known by the timestamp of its beginning, which all its packets share; it is
/// reported with the first packet that arrives, so a lost end loses nothing.
#[derive(Debug, Clone, Default)]
pub struct Receiver {
    last: Option<Last>,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    began: u32,
    event: u8,
    duration: u16,
    ended: bool,
}

impl Receiver {
    /// No key pressed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the payload of a packet of the telephone-event type and its RTP timestamp.
    pub fn receive(&mut self, timestamp: u32, payload: &[u8]) -> Option<Digit> {
        let [event, flags, high, low] = *payload.first_chunk::<4>()?;
        let key = *KEYS.get(usize::from(event))?;
        let duration = u16::from_be_bytes([high, low]);
        let ended = flags & END_BIT != 0;
        let Some(last) = self.last.as_mut() else {
            self.last = Some(Last { began: timestamp, event, duration, ended });
            return Some(Digit { key });
        };
        let after = timestamp.wrapping_sub(last.began) as i32;
        if after == 0 {
            last.ended |= ended;
            last.duration = last.duration.max(duration);
            return None;
        }
        if after < 0 {
            return None; // a straggler of an earlier press
        }
        // A key held beyond 8 s goes on as a new segment (RFC 4733 2.5.1.3), which begins where
        // the full duration of the last one ends: still the same press.
        let continues = !last.ended && last.event == event && after == i32::from(u16::MAX);
        *last = Last { began: timestamp, event, duration, ended };
        (!continues).then_some(Digit { key })
    }
}

/// One press that we send: a packet every 20 ms in place of audio.
#[derive(Debug, Clone)]
pub struct Press {
    event: u8,
    frames: u16,
    sent: u16,
    ends: u8,
    began: Option<u32>,
}

impl Press {
    /// A press of `key` for `frames` times 20 ms (at least 2; RFC 4733 asks for 40 ms and more,
    /// telephones press 100). `None` when there is no such key.
    pub fn new(key: char, frames: u16) -> Option<Self> {
        let key = key.to_ascii_uppercase();
        let event = KEYS.iter().position(|known| *known == key)? as u8;
        // 400 frames are 8 s: one segment, so the duration never overflows.
        Some(Self { event, frames: frames.clamp(2, 400), sent: 0, ends: 0, began: None })
    }

    /// Writes the packet of these 20 ms; false when the press is over and audio goes on.
    pub fn packet(&mut self, sender: &mut Sender, payload_type: u8, packet: &mut Vec<u8>) -> bool {
        if self.ends == ENDS {
            return false;
        }
        let began = *self.began.get_or_insert(sender.timestamp());
        let marker = self.sent == 0;
        self.sent = (self.sent + 1).min(self.frames);
        let end = self.sent == self.frames;
        self.ends += u8::from(end);
        let duration = (self.sent * FRAME_SAMPLES as u16).to_be_bytes();
        let flags = VOLUME | if end { END_BIT } else { 0 };
        sender.event(
            payload_type,
            marker,
            began,
            [self.event, flags, duration[0], duration[1]],
            packet,
        );
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::Packet;

    fn packets_of(presses: &str, frames: u16) -> Vec<Vec<u8>> {
        let mut sender = Sender::new(1, 1, u32::MAX - 300);
        let mut packet = Vec::new();
        let mut packets = Vec::new();
        for key in presses.chars() {
            let mut press = Press::new(key, frames).unwrap();
            while press.packet(&mut sender, 101, &mut packet) {
                packets.push(packet.clone());
            }
            sender.frame(8, &[0xD5; 160], &mut packet);
        }
        packets
    }

    fn heard<'a>(packets: impl IntoIterator<Item = &'a Vec<u8>>) -> String {
        let mut receiver = Receiver::new();
        packets
            .into_iter()
            .filter_map(|bytes| {
                let packet = Packet::parse(bytes).unwrap();
                receiver.receive(packet.header.timestamp, packet.payload)
            })
            .map(|digit| digit.key)
            .collect()
    }

    #[test]
    fn every_key_is_heard_once_however_often_its_packets_come() {
        let packets = packets_of("0123456789*#ABCD", 5);
        assert_eq!(packets.len(), 16 * 7, "five packets, the last one three times");
        assert_eq!(heard(&packets), "0123456789*#ABCD");
        assert_eq!(heard(packets.iter().flat_map(|packet| [packet, packet])), "0123456789*#ABCD");
    }

    #[test]
    fn the_same_key_pressed_twice_is_two_digits() {
        assert_eq!(heard(&packets_of("11", 3)), "11");
    }

    #[test]
    fn a_press_survives_the_loss_of_its_beginning_or_of_all_its_ends() {
        let packets = packets_of("57", 4);
        let (first, second) = packets.split_at(6);
        assert_eq!(heard(first[5..].iter().chain(&second[..2])), "57");
    }

    #[test]
    fn a_straggler_of_an_earlier_press_is_not_a_new_one() {
        let packets = packets_of("12", 3);
        let mut order: Vec<_> = packets.iter().collect();
        order.push(&packets[0]);
        assert_eq!(heard(order), "12");
    }

    #[test]
    fn a_key_held_beyond_one_segment_is_one_press() {
        let mut receiver = Receiver::new();
        assert_eq!(receiver.receive(1_000, &[5, 10, 0xFF, 0xFF]), Some(Digit { key: '5' }));
        assert_eq!(receiver.receive(1_000 + 65_535, &[5, 10, 0, 160]), None);
        assert_eq!(receiver.receive(1_000 + 65_535, &[5, 0x8A, 1, 64]), None);
        assert_eq!(receiver.receive(90_000, &[5, 10, 0, 160]), Some(Digit { key: '5' }));
    }

    #[test]
    fn other_events_and_scraps_are_ignored() {
        let mut receiver = Receiver::new();
        assert_eq!(receiver.receive(1, &[16, 10, 0, 160]), None, "a flash");
        assert_eq!(receiver.receive(1, &[1, 10, 0]), None, "three bytes");
        assert!(Press::new('x', 5).is_none());
    }
}
