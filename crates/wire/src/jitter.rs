//! The jitter buffer: packets as they came become samples as they were spoken.
//!
//! It is a ring of samples addressed by RTP timestamps, so packets of any length, in any
//! order and more than once find their place by themselves, and sequence numbers do not
//! matter here. How long it waits adapts to the network, between 20 and 200 ms.

mod delay;

use crate::{
    g711::{self, FRAME_SAMPLES},
    rtp::Header,
    sdp::Codec,
    time::Time,
};
use delay::Delay;

/// 512 ms: the longest wait and the longest packets, with room for a burst.
const RING: usize = 4_096;
/// No sample of G.711 decodes to this.
const ABSENT: i16 = i16::MIN;
/// Timestamps further from what is played than this are another beginning: 1 s.
const JUMP: i32 = 8_000;
/// So many late packets in a row mean that the far end set its media clock back.
const LATE_MAX: u32 = 25;
/// Mean magnitude below which 20 ms may be left out, or doubled, unheard.
const QUIET: u32 = 200;
/// One tick plays this.
const FRAME: i32 = FRAME_SAMPLES as i32;
/// Played this much too early, it waits 20 ms more: then it is as much too late.
const EARLY: i32 = -FRAME / 2;
/// Played this much too late, it leaves out 20 ms: then it is `EARLY`'s counterpart again.
const TARDY: i32 = FRAME * 3 / 2;
/// So wrong that a word may suffer for it.
const URGENT: i32 = FRAME * 3;
/// So wrong that playing begins anew.
const HOPELESS: i32 = 1_600;

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It will be heard.
    Kept,
    /// Its time has passed: dropped.
    Late,
    /// It begins another stream: what was still unheard of the old one is dropped.
    Restart,
}

/// The audio of one call between its arrival and its playing.
#[derive(Debug, Clone)]
pub struct Buffer {
    ring: Box<[i16]>,
    /// Whose samples these are.
    ssrc: Option<u32>,
    /// Timestamp of the next sample to be played; `None` until playing begins.
    next: Option<u32>,
    /// Timestamp behind the newest sample.
    newest: u32,
    delay: Delay,
    late_in_a_row: u32,
}

impl Default for Buffer {
    fn default() -> Self {
        Self {
            ring: vec![ABSENT; RING].into_boxed_slice(),
            ssrc: None,
            next: None,
            newest: 0,
            delay: Delay::default(),
            late_in_a_row: 0,
        }
    }
}

fn index(timestamp: u32) -> usize {
    timestamp as usize % RING
}

fn distance(from: u32, to: u32) -> i32 {
    to.wrapping_sub(from) as i32
}

impl Buffer {
    /// Nothing came yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the audio of a packet that came at `now`. What does not fit into the ring is
    /// cut off.
    pub fn put(&mut self, now: Time, header: &Header, codec: Codec, payload: &[u8]) -> Put {
        let begin = header.timestamp;
        let reference = self.next.unwrap_or(self.newest);
        let jumped = distance(reference, begin).saturating_abs() > JUMP;
        let restart = self.ssrc != Some(header.ssrc) || jumped || self.late_in_a_row >= LATE_MAX;
        if restart {
            self.restart(header);
        }
        self.delay.note(now, begin);
        let mut payload = &payload[..payload.len().min(RING / 2)];
        let mut at = begin;
        if let Some(next) = self.next {
            let passed = distance(at, next);
            if passed > 0 {
                let Some(rest) = payload.get(passed as usize..).filter(|rest| !rest.is_empty())
                else {
                    self.late_in_a_row += 1;
                    return Put::Late;
                };
                (payload, at) = (rest, next);
            }
            let room = RING as i32 - distance(next, at);
            if room <= 0 {
                // A burst of more than half a second: the newest is what matters.
                self.restart(header);
                self.delay.note(now, begin);
            } else {
                payload = &payload[..payload.len().min(room as usize)];
            }
        }
        self.late_in_a_row = 0;
        let end = at.wrapping_add(payload.len() as u32);
        while !payload.is_empty() {
            // Up to the end of the ring, then from its beginning.
            let taken = g711::decode(codec, payload, &mut self.ring[index(at)..]);
            payload = &payload[taken..];
            at = at.wrapping_add(taken as u32);
        }
        if distance(self.newest, end) > 0 {
            self.newest = end;
        }
        if restart { Put::Restart } else { Put::Kept }
    }

    /// Takes the 20 ms to be played at `now` into `frame` and hands them on run by run: some
    /// samples, and whether they came. Those that did not are as `frame` held them.
    pub fn take(
        &mut self,
        now: Time,
        frame: &mut [i16; FRAME_SAMPLES],
        mut run: impl FnMut(&mut [i16], bool),
    ) {
        if self.ssrc.is_none() {
            return run(frame, false);
        }
        let ideal = self.delay.playing(now);
        let mut next = self.next.unwrap_or(ideal);
        let error = distance(next, ideal);
        if error.saturating_abs() > HOPELESS {
            self.forget(next, error.clamp(0, RING as i32) as u32);
            next = ideal;
        } else if error >= TARDY && (error >= URGENT || self.is_quiet(next)) {
            self.forget(next, FRAME_SAMPLES as u32);
            next = next.wrapping_add(FRAME_SAMPLES as u32);
        } else if error <= EARLY && (error <= -URGENT || self.is_quiet(next)) {
            self.next = Some(next);
            return run(frame, false);
        }
        let place = index(next);
        if let Some(whole) = self.ring.get_mut(place..place + FRAME_SAMPLES)
            && !whole.contains(&ABSENT)
        {
            // Nearly always: all came, and it does not wrap.
            frame.copy_from_slice(whole);
            whole.fill(ABSENT);
            self.next = Some(next.wrapping_add(FRAME_SAMPLES as u32));
            return run(frame, true);
        }
        let mut begin = 0;
        while begin < FRAME_SAMPLES {
            let came = self.at(next, begin) != ABSENT;
            let mut end = begin;
            while end < FRAME_SAMPLES && (self.at(next, end) != ABSENT) == came {
                let place = index(next.wrapping_add(end as u32));
                if came {
                    frame[end] = std::mem::replace(&mut self.ring[place], ABSENT);
                }
                end += 1;
            }
            run(&mut frame[begin..end], came);
            begin = end;
        }
        self.next = Some(next.wrapping_add(FRAME_SAMPLES as u32));
    }

    /// Whether the timestamp is still to be played.
    pub fn is_ahead(&self, timestamp: u32) -> bool {
        self.next.is_none_or(|next| distance(next, timestamp) > 0)
    }

    /// How long a packet waits at present before it is heard.
    pub fn waiting(&self) -> std::time::Duration {
        self.delay.target()
    }

    fn at(&self, next: u32, offset: usize) -> i16 {
        self.ring[index(next.wrapping_add(offset as u32))]
    }

    fn is_quiet(&self, next: u32) -> bool {
        let samples = (0..FRAME_SAMPLES).map(|offset| self.at(next, offset));
        let sum: u32 = samples
            .filter(|sample| *sample != ABSENT)
            .map(|sample| u32::from(sample.unsigned_abs()))
            .sum();
        sum < QUIET * FRAME_SAMPLES as u32
    }

    fn forget(&mut self, from: u32, samples: u32) {
        for offset in 0..samples {
            self.ring[index(from.wrapping_add(offset))] = ABSENT;
        }
    }

    fn restart(&mut self, header: &Header) {
        self.ring.fill(ABSENT);
        self.ssrc = Some(header.ssrc);
        self.next = None;
        self.newest = header.timestamp;
        self.delay = Delay::default();
        self.late_in_a_row = 0;
    }
}

#[cfg(test)]
mod tests;
