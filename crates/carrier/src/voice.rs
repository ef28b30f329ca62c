//! What phones say: rendered once for both codecs, then copied packet by packet.

use campanile_wire::{
    g711::{self, FRAME_SAMPLES},
    sdp::Codec,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

/// 20 ms, encoded.
pub(crate) type Frame = [u8; FRAME_SAMPLES];

/// Packets in a second.
const RATE: usize = 50;

/// Who is on the phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaker {
    /// Says a short hello and listens.
    Person,
    /// Speaks for seven seconds, beeps and listens.
    Machine,
}

/// The sounds in one codec.
pub(crate) struct Voice {
    hello: Vec<Frame>,
    greeting: Vec<Frame>,
    beep: Vec<Frame>,
    room: Vec<Frame>,
}

impl Voice {
    pub(crate) fn new(codec: Codec) -> Self {
        let mut noise = StdRng::seed_from_u64(4_733);
        let mut render = |frames: usize, sound: &dyn Fn(f64) -> f64| -> Vec<Frame> {
            (0..frames)
                .map(|frame| {
                    let mut samples = [0i16; FRAME_SAMPLES];
                    for (index, sample) in samples.iter_mut().enumerate() {
                        let at = (frame * FRAME_SAMPLES + index) as f64 / 8_000.0;
                        // The hiss of a room, about -60 dBm0, below everything.
                        let hiss = noise.random_range(-24.0..24.0);
                        *sample = (sound(at) + hiss) as i16;
                    }
                    let mut encoded = [0; FRAME_SAMPLES];
                    g711::encode(codec, &samples, &mut encoded);
                    encoded
                })
                .collect()
        };
        Self {
            hello: render(RATE * 7 / 10, &speech),
            greeting: render(RATE * 7, &speech),
            beep: render(RATE / 2, &|at| tone(at, 1_000.0) * 6_000.0),
            room: render(RATE, &|_| 0.0),
        }
    }

    /// The `nth` frame since the answer.
    pub(crate) fn frame(&self, speaker: Speaker, nth: u64) -> &Frame {
        // Half a second to bring the phone to the ear.
        let mut nth = (nth as usize).checked_sub(RATE / 2);
        let said: &[&Vec<Frame>] = match speaker {
            Speaker::Person => &[&self.hello],
            Speaker::Machine => &[&self.greeting, &self.beep],
        };
        for part in said {
            if let Some(frame) = nth.and_then(|nth| part.get(nth)) {
                return frame;
            }
            nth = nth.and_then(|nth| nth.checked_sub(part.len()));
        }
        &self.room[nth.unwrap_or(0) % self.room.len()]
    }
}

/// Not words, but voiced and in syllables: four a second, of a gliding pitch with two formants.
fn speech(at: f64) -> f64 {
    let syllable = (at * 4.0).fract();
    let loudness = (syllable * std::f64::consts::PI).sin().powi(2);
    let pitch = 130.0 + 25.0 * (at * 1.7).sin();
    loudness
        * (tone(at, pitch) * 2_600.0
            + tone(at, pitch * 4.0) * 1_500.0
            + tone(at, pitch * 9.0) * 700.0)
}

fn tone(at: f64, hz: f64) -> f64 {
    (at * hz * std::f64::consts::TAU).sin()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loudness(frame: &Frame) -> u32 {
        let mut samples = [0i16; FRAME_SAMPLES];
        g711::decode(Codec::Pcma, frame, &mut samples);
        samples.iter().map(|sample| u32::from(sample.unsigned_abs())).sum::<u32>() / 160
    }

    #[test]
    fn a_person_says_hello_and_a_machine_speaks_on_and_beeps() {
        let voice = Voice::new(Codec::Pcma);
        let loud = |speaker, from: u64, to: u64| {
            (from..to).map(|nth| loudness(voice.frame(speaker, nth))).max().unwrap()
        };
        assert!(loud(Speaker::Person, 0, 25) < 60, "lifts the phone");
        assert!(loud(Speaker::Person, 25, 60) > 1_000, "says hello");
        assert!(loud(Speaker::Person, 60, 500) < 60, "listens");
        assert!(loud(Speaker::Machine, 60, 370) > 1_000, "speaks on");
        assert!(loudness(voice.frame(Speaker::Machine, 380)) > 3_000, "beeps");
        assert!(loud(Speaker::Machine, 400, 1_000) < 60, "records");
    }
}
