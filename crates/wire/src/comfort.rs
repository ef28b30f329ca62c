//! Comfort noise (RFC 3389): what is heard while a far end that detects silence sends none.

/// The payload type of comfort noise at 8 kHz (RFC 3551 6).
pub const PAYLOAD_TYPE: u8 = 13;

/// White noise of the level that the far end asked for.
///
/// Its spectrum, which the bytes after the first may describe, is not shaped: at the levels
/// of a quiet room nobody hears the difference, and a bot has no use for it.
#[derive(Debug, Clone)]
pub struct Noise {
    /// Largest magnitude of a sample.
    peak: i32,
    state: u32,
}

impl Default for Noise {
    fn default() -> Self {
        Self { peak: 0, state: 0x9E37_79B9 }
    }
}

impl Noise {
    /// Silence, until a level is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the payload of a comfort noise packet: the level in -dBov, 0 to 127, then the
    /// spectrum. An empty one changes nothing.
    pub fn described(&mut self, payload: &[u8]) {
        let Some(level) = payload.first() else { return };
        // RFC 3389 3.1: relative to the overload point of the system. Anything above
        // -30 dBov is no noise that comforts.
        let level = f32::from((level & 0x7F).max(30));
        let rms = 32_768.0 * 10.0f32.powf(-level / 20.0);
        // Evenly spread samples have a root mean square of their peak by the root of three.
        self.peak = (rms * 3.0f32.sqrt()) as i32;
    }

    /// The next samples.
    pub fn fill(&mut self, samples: &mut [i16]) {
        for sample in samples {
            // xorshift (Marsaglia 2003): even enough to be heard as a hiss.
            self.state ^= self.state << 13;
            self.state ^= self.state >> 17;
            self.state ^= self.state << 5;
            let random = (self.state >> 16) as i32 - 32_768;
            *sample = (random * self.peak / 32_768) as i16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rms(noise: &mut Noise) -> f64 {
        let mut samples = [0; 8_000];
        noise.fill(&mut samples);
        let sum = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>();
        (sum / samples.len() as f64).sqrt()
    }

    #[test]
    fn the_level_is_the_one_asked_for() {
        for level in [40u8, 50, 60] {
            let mut noise = Noise::new();
            noise.described(&[level, 80, 80]);
            let found = -20.0 * (rms(&mut noise) / 32_768.0).log10();
            assert!((found - f64::from(level)).abs() < 1.0, "{level} was asked, {found} it is");
        }
    }

    #[test]
    fn nothing_is_heard_before_a_level_and_no_level_is_loud() {
        let mut noise = Noise::new();
        assert_eq!(rms(&mut noise), 0.0);
        noise.described(&[]);
        assert_eq!(rms(&mut noise), 0.0);
        noise.described(&[0]);
        assert!(rms(&mut noise) < 1_200.0, "a level of 0 would be as loud as can be");
        noise.described(&[127]);
        assert_eq!(rms(&mut noise), 0.0);
    }
}
