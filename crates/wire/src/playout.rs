//! What is heard of a stream: one frame every 20 ms, whatever comes or does not.

use std::time::Duration;

use crate::{
    comfort::{self, Noise},
    conceal::Concealer,
    g711::FRAME_SAMPLES,
    jitter::{Buffer, Put},
    rtp::Header,
    sdp::Codec,
    time::Time,
};

/// What most of a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sound {
    /// As it was sent.
    Voice,
    /// Made up, because it did not come (in time); silence once that lasts.
    Missing,
    /// Noise that the far end asked for in place of its silence (RFC 3389).
    Noise,
}

/// Jitter buffer, concealment and comfort noise of one stream.
#[derive(Debug, Clone, Default)]
pub struct Playout {
    buffer: Buffer,
    concealer: Concealer,
    noise: Noise,
    /// Timestamp from which on the far end is silent by its own word.
    quiet_from: Option<u32>,
    late: u64,
}

impl Playout {
    /// Nothing came yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// An audio packet came at `now`.
    pub fn audio(&mut self, now: Time, header: &Header, codec: Codec, payload: &[u8]) -> Put {
        let put = self.buffer.put(now, header, codec, payload);
        match put {
            Put::Late => self.late += 1,
            Put::Restart => self.quiet_from = None,
            Put::Kept => {}
        }
        let after = |from: u32| header.timestamp.wrapping_sub(from) as i32 >= 0;
        if put == Put::Kept && self.quiet_from.is_some_and(after) {
            // It speaks again. What is still to be played before that may hiss or fade: it
            // is a moment.
            self.quiet_from = None;
        }
        put
    }

    /// A comfort noise packet came ([`comfort::PAYLOAD_TYPE`]).
    pub fn comfort(&mut self, header: &Header, payload: &[u8]) {
        self.noise.described(payload);
        self.quiet_from = Some(header.timestamp);
    }

    /// The frame to be heard at `now`.
    pub fn frame(&mut self, now: Time, frame: &mut [i16; FRAME_SAMPLES]) -> Sound {
        let Self { buffer, concealer, noise, quiet_from, .. } = self;
        let is_quiet = quiet_from.is_some_and(|from| !buffer.is_ahead(from));
        let mut came = 0;
        buffer.take(now, frame, |run, is_there| {
            if is_there {
                came += run.len();
                concealer.heard(run);
            } else if is_quiet {
                noise.fill(run);
                concealer.heard(run);
            } else {
                concealer.conceal(run);
            }
        });
        match came {
            _ if came * 2 >= FRAME_SAMPLES => Sound::Voice,
            _ if is_quiet => Sound::Noise,
            _ => Sound::Missing,
        }
    }

    /// Packets that came too late to be heard.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// How long a packet waits at present before it is heard.
    pub fn waiting(&self) -> Duration {
        self.buffer.waiting()
    }
}

/// Whether packets of this type are comfort noise.
pub fn is_comfort(payload_type: u8) -> bool {
    payload_type == comfort::PAYLOAD_TYPE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::g711;

    fn header(timestamp: u32) -> Header {
        Header { marker: false, payload_type: 8, sequence: 0, timestamp, ssrc: 1 }
    }

    fn loudness(frame: &[i16]) -> u32 {
        frame.iter().map(|sample| u32::from(sample.unsigned_abs())).sum::<u32>() / 160
    }

    /// A tone of 250 Hz, which fits into 20 ms five times.
    fn tone() -> Vec<u8> {
        let samples: Vec<i16> = (0..160)
            .map(|at| ((at as f64 / 32.0 * std::f64::consts::TAU).sin() * 8_000.0) as i16)
            .collect();
        let mut encoded = vec![0; 160];
        g711::encode(Codec::Pcma, &samples, &mut encoded);
        encoded
    }

    /// Plays 100 frames of which those in `missing` are not sent; tells what each became.
    fn play(missing: std::ops::Range<u64>, comfort_at: Option<u64>) -> Vec<(Sound, u32)> {
        let (mut playout, tone) = (Playout::new(), tone());
        (0..100)
            .map(|n| {
                let header = header(n as u32 * 160);
                if comfort_at == Some(n) {
                    playout.comfort(&header, &[45]);
                } else if !missing.contains(&n) {
                    playout.audio(Time(n * 20_000), &header, Codec::Pcma, &tone);
                }
                let mut frame = [0; FRAME_SAMPLES];
                (playout.frame(Time(n * 20_000 + 11_000), &mut frame), loudness(&frame))
            })
            .collect()
    }

    #[test]
    fn nothing_at_all_is_silence() {
        let mut frame = [9; FRAME_SAMPLES];
        assert_eq!(Playout::new().frame(Time(5), &mut frame), Sound::Missing);
        assert_eq!(frame, [0; FRAME_SAMPLES]);
    }

    #[test]
    fn a_lost_packet_is_hardly_heard_and_a_dead_line_fades_to_silence() {
        let one = play(50..51, None);
        assert_eq!(one.iter().skip(5).filter(|(sound, _)| *sound == Sound::Missing).count(), 1);
        assert!(one[5..].iter().all(|(_, loud)| *loud > 3_500), "{one:?}");
        let dead = play(50..100, None);
        assert_eq!(dead[60], (Sound::Missing, 0));
        assert_eq!(dead[99], (Sound::Missing, 0));
    }

    #[test]
    fn announced_silence_hisses_until_the_voice_is_back() {
        let frames = play(50..80, Some(50));
        let noise: Vec<_> = frames.iter().filter(|(sound, _)| *sound == Sound::Noise).collect();
        assert!((28..=30).contains(&noise.len()), "{}", noise.len());
        // The first is blended with the voice.
        assert!(noise[1..].iter().all(|(_, loud)| (100..400).contains(loud)), "{noise:?}");
        assert!(frames[85..].iter().all(|(sound, _)| *sound == Sound::Voice));
    }

    #[test]
    fn late_packets_are_counted() {
        let mut playout = Playout::new();
        let mut frame = [0; FRAME_SAMPLES];
        for n in 0..20u32 {
            playout.audio(Time(u64::from(n) * 20_000), &header(n * 160), Codec::Pcma, &tone());
            playout.frame(Time(u64::from(n) * 20_000 + 1), &mut frame);
        }
        playout.audio(Time(400_001), &header(160), Codec::Pcma, &tone());
        assert_eq!(playout.late(), 1);
    }
}
