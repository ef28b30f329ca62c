//! RTP (RFC 3550): the header, a stream that is sent, a stream that is received.

mod receiver;

use crate::g711::FRAME_SAMPLES;
pub use receiver::{Arrival, Figures, Heard, Receiver};

/// Bytes of a header without contributing sources and extension.
pub const HEADER_BYTES: usize = 12;

/// The fixed header (RFC 3550 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// First packet after silence.
    pub marker: bool,
    /// 0 to 127; 0 is PCMU, 8 is PCMA (RFC 3551), the rest is agreed in SDP.
    pub payload_type: u8,
    /// Goes up by one a packet and wraps.
    pub sequence: u16,
    /// In samples; wraps.
    pub timestamp: u32,
    /// Which stream.
    pub ssrc: u32,
}

/// Not an RTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRtp {
    /// Fewer bytes than the header announces.
    #[error("too short for its header")]
    Short,
    /// Not version 2: STUN, or something else on our port.
    #[error("not RTP version 2")]
    Version,
    /// Payload types 72 to 76 are RTCP packets on the same port (RFC 5761 4).
    #[error("an RTCP packet")]
    Rtcp,
    /// The padding count is zero or larger than the payload.
    #[error("its padding does not fit")]
    Padding,
}

/// One received packet, taken apart in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The fixed header.
    pub header: Header,
    /// What follows the header, contributing sources and extension, without the padding.
    pub payload: &'a [u8],
}

impl Header {
    /// The twelve bytes on the wire.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0] = 0x80;
        bytes[1] = (u8::from(self.marker) << 7) | (self.payload_type & 0x7F);
        bytes[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        bytes
    }
}

impl<'a> Packet<'a> {
    /// Takes a datagram apart.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, NotRtp> {
        let (fixed, mut rest) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(NotRtp::Short)?;
        if fixed[0] >> 6 != 2 {
            return Err(NotRtp::Version);
        }
        let header = Header {
            marker: fixed[1] & 0x80 != 0,
            payload_type: fixed[1] & 0x7F,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
        };
        if header.marker && (72..=76).contains(&header.payload_type) {
            return Err(NotRtp::Rtcp);
        }
        let sources = usize::from(fixed[0] & 0x0F) * 4;
        rest = rest.get(sources..).ok_or(NotRtp::Short)?;
        if fixed[0] & 0x10 != 0 {
            let (extension, after) = rest.split_first_chunk::<4>().ok_or(NotRtp::Short)?;
            let words = usize::from(u16::from_be_bytes([extension[2], extension[3]]));
            rest = after.get(words * 4..).ok_or(NotRtp::Short)?;
        }
        if fixed[0] & 0x20 != 0 {
            let padding = usize::from(*rest.last().ok_or(NotRtp::Padding)?);
            let kept = rest.len().checked_sub(padding).ok_or(NotRtp::Padding)?;
            if padding == 0 {
                return Err(NotRtp::Padding);
            }
            rest = &rest[..kept];
        }
        Ok(Self { header, payload: rest })
    }
}

/// The stream that we send: it numbers packets and keeps the media clock.
///
/// The first packet, and the first after [`Sender::skip`], carries the marker.
#[derive(Debug, Clone)]
pub struct Sender {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    marker: bool,
    packets: u64,
    bytes: u64,
}

impl Sender {
    /// A stream whose three numbers are random, so that they cannot be guessed (RFC 3550 5.1).
    pub fn new(ssrc: u32, sequence: u16, timestamp: u32) -> Self {
        Self { ssrc, sequence, timestamp, marker: true, packets: 0, bytes: 0 }
    }

    /// Writes the next packet of 20 ms over `packet`, whatever it held.
    pub fn frame(&mut self, payload_type: u8, payload: &[u8], packet: &mut Vec<u8>) {
        self.audio(payload_type, payload, FRAME_SAMPLES as u32, packet);
    }

    /// Writes the next packet over `packet`, whatever it held; the media clock goes on by
    /// `samples`.
    pub fn audio(&mut self, payload_type: u8, payload: &[u8], samples: u32, packet: &mut Vec<u8>) {
        let marker = std::mem::take(&mut self.marker);
        self.write(payload_type, marker, self.timestamp, payload, packet);
        self.timestamp = self.timestamp.wrapping_add(samples);
    }

    /// Lets `frames` times 20 ms pass without a packet: silence, or a late wake-up.
    pub fn skip(&mut self, frames: u32) {
        self.pass(frames.wrapping_mul(FRAME_SAMPLES as u32));
    }

    /// As [`Sender::skip`], in samples.
    pub fn pass(&mut self, samples: u32) {
        self.timestamp = self.timestamp.wrapping_add(samples);
        self.marker = true;
    }

    /// The media clock: the timestamp of the next frame.
    pub fn timestamp(&self) -> u32 {
        self.timestamp
    }

    /// The number of the next packet.
    pub fn sequence(&self) -> u16 {
        self.sequence
    }

    /// Packets written so far, DTMF included.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Bytes of payload written so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The stream's source identifier.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// A packet of a DTMF event: its timestamp is the beginning of the event (RFC 4733 2.1),
    /// while the media clock goes on by 20 ms unless it is a repeated end.
    pub(crate) fn event(
        &mut self,
        payload_type: u8,
        marker: bool,
        began: u32,
        payload: [u8; 4],
        packet: &mut Vec<u8>,
    ) {
        self.write(payload_type, marker, began, &payload, packet);
        self.timestamp = self.timestamp.wrapping_add(FRAME_SAMPLES as u32);
        self.marker = true;
    }

    fn write(
        &mut self,
        payload_type: u8,
        marker: bool,
        timestamp: u32,
        payload: &[u8],
        packet: &mut Vec<u8>,
    ) {
        let header =
            Header { marker, payload_type, sequence: self.sequence, timestamp, ssrc: self.ssrc };
        packet.clear();
        packet.extend_from_slice(&header.to_bytes());
        packet.extend_from_slice(payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.packets += 1;
        self.bytes += payload.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_stream_marks_its_first_packet_and_counts_samples() {
        let mut sender = Sender::new(7, u16::MAX, u32::MAX - 100);
        let mut packet = vec![1, 2, 3];
        let mut seen = Vec::new();
        for round in 0..4 {
            if round == 3 {
                sender.skip(2);
            }
            sender.frame(8, &[0xD5; 160], &mut packet);
            assert_eq!(packet.len(), HEADER_BYTES + 160);
            let parsed = Packet::parse(&packet).unwrap();
            seen.push((parsed.header.marker, parsed.header.sequence, parsed.header.timestamp));
        }
        let start = u32::MAX - 100;
        assert_eq!(
            seen,
            [
                (true, u16::MAX, start),
                (false, 0, start.wrapping_add(160)),
                (false, 1, start.wrapping_add(320)),
                (true, 2, start.wrapping_add(800)),
            ]
        );
    }

    #[test]
    fn sources_extension_and_padding_are_left_out_of_the_payload() {
        let mut bytes = vec![0x80 | 0x20 | 0x10 | 2, 8, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        bytes.extend([0; 8]); // two contributing sources
        bytes.extend([0xBE, 0xDE, 0, 1, 9, 9, 9, 9]); // an extension of one word
        bytes.extend([1, 2, 3, 0, 2]); // payload, then two bytes of padding
        assert_eq!(Packet::parse(&bytes).unwrap().payload, [1, 2, 3]);
    }

    #[test]
    fn what_is_not_rtp_is_told_apart() {
        for (bytes, why) in [
            (vec![], NotRtp::Short),
            (vec![0x80; 11], NotRtp::Short),
            (vec![0x00; 20], NotRtp::Version),
            ([&[0x80, 200][..], &[0; 26]].concat(), NotRtp::Rtcp),
            ([&[0x8F, 0][..], &[0; 12]].concat(), NotRtp::Short),
            ([&[0x90, 0][..], &[0; 12]].concat(), NotRtp::Short),
            ([&[0xA0, 0][..], &[0; 11]].concat(), NotRtp::Padding),
            ([&[0xA0, 0][..], &[0; 10], &[9]].concat(), NotRtp::Padding),
        ] {
            assert_eq!(Packet::parse(&bytes), Err(why), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back(
            marker: bool, payload_type in 0u8..72, sequence: u16, timestamp: u32, ssrc: u32,
            payload: Vec<u8>,
        ) {
            let header = Header { marker, payload_type, sequence, timestamp, ssrc };
            let bytes = [&header.to_bytes()[..], &payload].concat();
            prop_assert_eq!(Packet::parse(&bytes), Ok(Packet { header, payload: &payload }));
        }

        #[test]
        fn no_datagram_makes_the_parser_panic(bytes: Vec<u8>) {
            let _ = Packet::parse(&bytes);
        }
    }
}
