//! G.711: A-law and µ-law, in frames of 20 ms.

use audio_codec_algorithms::{decode_alaw, decode_ulaw, encode_alaw, encode_ulaw};

use crate::sdp::Codec;

/// Samples, and so bytes, in the 20 ms that one packet carries at 8 kHz.
pub const FRAME_SAMPLES: usize = 160;

/// The byte that encodes silence.
pub fn silence(codec: Codec) -> u8 {
    match codec {
        Codec::Pcma => 0xD5,
        Codec::Pcmu => 0xFF,
    }
}

/// Encodes 16-bit samples at 8 kHz, one byte each.
///
/// # Panics
/// When the slices differ in length: a frame of the caller's own making.
pub fn encode(codec: Codec, samples: &[i16], encoded: &mut [u8]) {
    assert_eq!(samples.len(), encoded.len(), "one byte a sample");
    let law = match codec {
        Codec::Pcma => encode_alaw,
        Codec::Pcmu => encode_ulaw,
    };
    for (byte, sample) in encoded.iter_mut().zip(samples) {
        *byte = law(*sample);
    }
}

/// Decodes as many bytes as `samples` has room for; returns how many that were.
///
/// A packet of a stranger may have any length, so this does not ask for one.
pub fn decode(codec: Codec, encoded: &[u8], samples: &mut [i16]) -> usize {
    let law = match codec {
        Codec::Pcma => decode_alaw,
        Codec::Pcmu => decode_ulaw,
    };
    for (sample, byte) in samples.iter_mut().zip(encoded) {
        *sample = law(*byte);
    }
    samples.len().min(encoded.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_laws_give_back_a_tone_within_their_quantising_step() {
        let tone: Vec<i16> = (0..FRAME_SAMPLES)
            .map(|index| ((index as f64 * 0.345).sin() * 12_000.0) as i16)
            .collect();
        for codec in [Codec::Pcma, Codec::Pcmu] {
            let mut encoded = [0; FRAME_SAMPLES];
            encode(codec, &tone, &mut encoded);
            let mut heard = [0; FRAME_SAMPLES];
            assert_eq!(decode(codec, &encoded, &mut heard), FRAME_SAMPLES);
            for (said, heard) in tone.iter().zip(heard) {
                let error = i32::from(*said) - i32::from(heard);
                assert!(error.abs() <= 16 + i32::from(said.abs()) / 16, "{codec:?} {said} {heard}");
            }
        }
    }

    #[test]
    fn silence_decodes_to_almost_nothing() {
        for codec in [Codec::Pcma, Codec::Pcmu] {
            let mut heard = [99; 1];
            decode(codec, &[silence(codec)], &mut heard);
            assert!(heard[0].abs() <= 8, "{codec:?}: {}", heard[0]);
        }
    }

    #[test]
    fn a_packet_longer_or_shorter_than_a_frame_is_taken_as_far_as_it_goes() {
        let mut heard = [7; FRAME_SAMPLES];
        assert_eq!(decode(Codec::Pcma, &[0xD5; 40], &mut heard), 40);
        assert_eq!(heard[40], 7, "the rest is left alone");
        assert_eq!(decode(Codec::Pcma, &[0xD5; 400], &mut heard), FRAME_SAMPLES);
    }
}
