//! What is sent: frames of 20 ms in packets as long as the far end wants them.

use campanile_wire::{g711::FRAME_SAMPLES, rtp::Sender, sdp::Remote};

/// Samples, and so bytes, in a millisecond.
const MS: usize = 8;
/// 60 ms, the longest packet, behind a frame that began it.
const PENDING: usize = 60 * MS + FRAME_SAMPLES;

/// The sending side of one call.
pub(super) struct Speaking {
    sender: Sender,
    /// Encoded audio that does not fill a packet yet.
    pending: [u8; PENDING],
    filled: usize,
    /// Bytes of a packet at present.
    size: usize,
    sent: u32,
    skipped: u32,
}

impl Speaking {
    pub(super) fn new(ssrc: u32, sequence: u16, timestamp: u32) -> Self {
        Self {
            sender: Sender::new(ssrc, sequence, timestamp),
            pending: [0; PENDING],
            filled: 0,
            size: FRAME_SAMPLES,
            sent: 0,
            skipped: 0,
        }
    }

    pub(super) fn sender(&self) -> &Sender {
        &self.sender
    }

    /// Packets that left.
    pub(super) fn sent(&self) -> u32 {
        self.sent
    }

    /// Frames whose time passed unsent, because we were late.
    pub(super) fn skipped(&self) -> u32 {
        self.skipped
    }

    /// We are late by so many frames.
    pub(super) fn skip(&mut self, frames: u32) {
        if frames > 0 {
            self.skipped = self.skipped.saturating_add(frames);
            self.pass(frames);
        }
    }

    /// The far end does not listen in these 20 ms.
    pub(super) fn hold(&mut self) {
        self.pass(1);
    }

    /// Sends a frame, or keeps it until a packet is full. What the system would not take is
    /// lost, as on any network.
    pub(super) fn say(
        &mut self,
        remote: &Remote,
        frame: &[u8],
        packet: &mut Vec<u8>,
        send: &mut dyn FnMut(&[u8]) -> bool,
    ) {
        let size = remote.ptime as usize * MS;
        if size != self.size {
            // What the old size left over goes out in a packet of its own.
            self.emit(remote, self.filled, packet, send);
            self.size = size;
        }
        if self.filled == 0 && size == frame.len() {
            self.sender.audio(remote.payload_type, frame, size as u32, packet);
            self.sent += u32::from(send(packet));
            return;
        }
        self.pending[self.filled..self.filled + frame.len()].copy_from_slice(frame);
        self.filled += frame.len();
        while self.filled >= size {
            self.emit(remote, size, packet, send);
        }
    }

    fn emit(
        &mut self,
        remote: &Remote,
        bytes: usize,
        packet: &mut Vec<u8>,
        send: &mut dyn FnMut(&[u8]) -> bool,
    ) {
        if bytes == 0 {
            return;
        }
        let payload = &self.pending[..bytes];
        self.sender.audio(remote.payload_type, payload, bytes as u32, packet);
        self.sent += u32::from(send(packet));
        self.pending.copy_within(bytes..self.filled, 0);
        self.filled -= bytes;
    }

    /// Time passes without packets; what was pending is too old by then.
    fn pass(&mut self, frames: u32) {
        self.sender.pass(self.filled as u32 + frames * FRAME_SAMPLES as u32);
        self.filled = 0;
    }
}

#[cfg(test)]
mod tests {
    use campanile_wire::{
        rtp::Packet,
        sdp::{Codec, Direction},
    };

    use super::*;

    fn remote(ptime: u32) -> Remote {
        Remote {
            addr: "10.0.0.1:4000".parse().unwrap(),
            codec: Codec::Pcma,
            payload_type: 8,
            dtmf: None,
            direction: Direction::SendRecv,
            ptime,
            rtcp: "10.0.0.1:4001".parse().unwrap(),
        }
    }

    /// Says numbered frames, one for each packet time in `ptimes`; gives the packets as
    /// (frame in which it left, timestamp, samples) and everything that was in them.
    fn say(ptimes: &[u32]) -> (Vec<(usize, u32, usize)>, Vec<u8>) {
        let mut speaking = Speaking::new(1, 1, 0);
        let (mut packets, mut all, mut packet) = (Vec::new(), Vec::new(), Vec::new());
        for (number, ptime) in ptimes.iter().enumerate() {
            let frame = [number as u8; FRAME_SAMPLES];
            speaking.say(&remote(*ptime), &frame, &mut packet, &mut |bytes| {
                let parsed = Packet::parse(bytes).unwrap();
                packets.push((number, parsed.header.timestamp, parsed.payload.len()));
                all.extend(parsed.payload);
                true
            });
        }
        assert_eq!(speaking.sent() as usize, packets.len());
        (packets, all)
    }

    #[test]
    fn packets_are_as_long_as_the_far_end_wants_and_nothing_is_left_out() {
        for (ptime, first) in [
            (10, vec![(0, 0, 80), (0, 80, 80), (1, 160, 80)]),
            (20, vec![(0, 0, 160), (1, 160, 160)]),
            (30, vec![(1, 0, 240), (2, 240, 240), (4, 480, 240)]),
            (40, vec![(1, 0, 320), (3, 320, 320)]),
            (60, vec![(2, 0, 480), (5, 480, 480)]),
        ] {
            let (packets, all) = say(&[ptime; 12]);
            assert_eq!(packets[..first.len()], first, "{ptime}");
            assert_eq!(all.len(), 12 * 160, "{ptime}");
            assert!(all.is_sorted(), "{ptime}");
        }
    }

    #[test]
    fn a_change_of_length_loses_nothing_and_leaves_nothing_behind() {
        for (before, after) in [(30, 20), (60, 20), (20, 30), (30, 10), (10, 60), (40, 30)] {
            let (packets, all) = say(&[[before; 7], [after; 7]].concat());
            assert!(all.is_sorted(), "{before} to {after}: {packets:?}");
            let timestamps: Vec<u32> = packets.iter().map(|packet| packet.1).collect();
            let mut expected = 0;
            for (timestamp, packet) in timestamps.iter().zip(&packets) {
                assert_eq!(*timestamp, expected, "{before} to {after}");
                expected += packet.2 as u32;
            }
            if after <= 20 {
                assert_eq!(all.len(), 14 * 160, "{before} to {after}");
            }
        }
    }

    #[test]
    fn skipped_time_is_on_the_media_clock() {
        let mut speaking = Speaking::new(1, 1, 0);
        let mut packet = Vec::new();
        speaking.say(&remote(40), &[1; 160], &mut packet, &mut |_| true);
        speaking.skip(3);
        for _ in 0..2 {
            speaking.say(&remote(40), &[2; 160], &mut packet, &mut |_| true);
        }
        let header = Packet::parse(&packet).unwrap().header;
        assert_eq!((header.timestamp, header.marker), (4 * 160, true));
        assert_eq!((speaking.skipped(), speaking.sent()), (3, 1));
    }
}
