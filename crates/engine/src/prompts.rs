//! The prompts that come with the product, ready for the wire.

use std::{collections::BTreeMap, sync::LazyLock};

use campanile_wire::{
    g711::{self, FRAME_SAMPLES},
    sdp::Codec,
};

/// What an abandoned callee hears (DI-16).
pub(crate) const ABANDONED: &str = "abandoned";

/// A recording in both laws, in whole frames: encoded once, sent to any number of calls.
#[derive(Debug)]
pub struct Clip {
    alaw: Box<[u8]>,
    mulaw: Box<[u8]>,
}

impl Clip {
    /// From samples at 8 kHz; the last frame is filled up with silence.
    pub fn new(samples: &[i16]) -> Self {
        let encode = |codec| {
            let whole = samples.len().next_multiple_of(FRAME_SAMPLES);
            let mut encoded = vec![g711::silence(codec); whole];
            g711::encode(codec, samples, &mut encoded[..samples.len()]);
            encoded.into_boxed_slice()
        };
        Self { alaw: encode(Codec::Pcma), mulaw: encode(Codec::Pcmu) }
    }

    /// How many frames of 20 ms it has.
    pub fn frames(&self) -> usize {
        self.alaw.len() / FRAME_SAMPLES
    }

    /// Frame `index`, counted from 0; `None` past the end.
    pub fn frame(&self, codec: Codec, index: usize) -> Option<&[u8]> {
        let encoded = match codec {
            Codec::Pcma => &self.alaw,
            Codec::Pcmu => &self.mulaw,
        };
        encoded.chunks_exact(FRAME_SAMPLES).nth(index)
    }
}

/// The prompt with this name, if there is one.
pub(crate) fn prompt(name: &str) -> Option<&'static Clip> {
    PROMPTS.get(name)
}

static PROMPTS: LazyLock<BTreeMap<&'static str, Clip>> = LazyLock::new(|| {
    FILES.iter().map(|(name, file)| (*name, Clip::new(&samples_of(file)))).collect()
});

macro_rules! files {
    ($($name:literal),*) => {
        &[$(($name, include_bytes!(concat!("../prompts/", $name, ".wav")))),*]
    };
}

/// Made by `prompts/make.py`.
const FILES: &[(&str, &[u8])] =
    files!["greeting", "menu", "thanks", "callback", "opt_out", "goodbye", "abandoned"];

fn samples_of(file: &[u8]) -> Vec<i16> {
    let wav = hound::WavReader::new(file).expect("a prompt is a WAV file, which a test checks");
    wav.into_samples().collect::<Result<_, _>>().expect("a prompt holds 16-bit samples")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prompt_that_a_script_may_name_is_there_and_is_telephone_speech() {
        let names = campanile_domain::bot::PROMPTS.iter().chain([&ABANDONED]);
        for name in names {
            let file = FILES.iter().find(|(known, _)| known == name).unwrap().1;
            let spec = hound::WavReader::new(file).unwrap().spec();
            assert_eq!((spec.channels, spec.sample_rate, spec.bits_per_sample), (1, 8_000, 16));
            let seconds = prompt(name).unwrap().frames() as f64 / 50.0;
            assert!((1.0..=4.0).contains(&seconds), "{name} lasts {seconds} s");
            let samples = samples_of(file);
            let power = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>();
            let level = 10.0 * (power / samples.len() as f64 / 32_768f64.powi(2)).log10();
            assert!((-32.0..=-15.0).contains(&level), "{name} has a level of {level} dBFS");
        }
        let bytes: usize = FILES.iter().map(|(_, file)| file.len()).sum();
        assert!(bytes < 500_000, "{bytes} bytes");
    }

    #[test]
    fn no_prompt_presses_a_key_in_the_ear_of_another_machine_or_our_own() {
        for (name, file) in FILES {
            let mut detector = campanile_wire::tones::Detector::new();
            for frame in samples_of(file).chunks(FRAME_SAMPLES) {
                assert_eq!(detector.hear(frame), None, "{name}");
            }
        }
    }

    #[test]
    fn a_clip_is_filled_up_to_whole_frames_with_silence() {
        let clip = Clip::new(&[1_000; 161]);
        assert_eq!(clip.frames(), 2);
        for codec in [Codec::Pcma, Codec::Pcmu] {
            let last = clip.frame(codec, 1).unwrap();
            assert_ne!(last[0], g711::silence(codec));
            assert!(last[1..].iter().all(|byte| *byte == g711::silence(codec)));
            assert_eq!(clip.frame(codec, 2), None);
        }
    }
}
