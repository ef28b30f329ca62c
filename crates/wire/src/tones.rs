//! Keys in the audio itself: DTMF by the tones of ITU-T Q.23, recognised within the limits of
//! Q.24. For far ends that do not send telephone events.

/// 12.75 ms: a tone of 40 ms, the shortest that counts (Q.24), fills two blocks wherever it
/// begins.
const BLOCK: usize = 102;
/// Blocks in a row that make a key, and that end it: a tone of 23 ms fills less than two, and
/// a dropout of 10 ms (Q.24) does not make one key two.
const PRESSED: u8 = 2;
const RELEASED: u8 = 2;
const KEYS: [[char; 4]; 4] =
    [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];
/// A column may be so much stronger than its row (4 dB), and a row than its column (8 dB).
/// Q.24 leaves the bounds to administrations; these are those of AT&T in its Table A-1.
const COLUMN_LOUDER: f32 = 2.51;
const ROW_LOUDER: f32 = 6.31;
/// A tone is so much stronger than the others of its group (8 dB).
const ALONE: f32 = 6.31;
/// The two tones hold so much of all the energy: voices hold more between and above them.
const PURE: f32 = 0.8;
/// The weakest tone pair: -36 dBm0 in the sum, below the -25 dBm a tone that Q.24 asks for.
const WEAKEST: f32 = 250.0;

/// Finds keys in a stream of samples at 8 kHz.
#[derive(Debug, Clone)]
pub struct Detector {
    /// Of the Goertzel recursion, a lane a tone.
    first: [f32; 8],
    second: [f32; 8],
    energy: f32,
    filled: usize,
    /// What the last blocks were, and how many.
    candidate: Option<char>,
    seen: u8,
    /// The key that is held down.
    held: Option<char>,
    missed: u8,
}

impl Default for Detector {
    fn default() -> Self {
        Self {
            first: [0.0; 8],
            second: [0.0; 8],
            energy: 0.0,
            filled: 0,
            candidate: None,
            seen: 0,
            held: None,
            missed: 0,
        }
    }
}

/// `2 cos(2 pi f / 8000)` of each tone: the rows 697, 770, 852 and 941 Hz, then the columns
/// 1209, 1336, 1477 and 1633 Hz (Q.23).
const COEFFICIENTS: [f32; 8] = [
    1.707_737_8,
    1.645_281,
    1.568_687,
    1.478_204_6,
    1.164_104,
    0.996_370_2,
    0.798_618_4,
    0.568_532_7,
];

impl Detector {
    /// Nothing was heard yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next samples; gives the key that was pressed within them, once a press.
    pub fn hear(&mut self, samples: &[i16]) -> Option<char> {
        let mut pressed = None;
        let mut rest = samples;
        while !rest.is_empty() {
            let (block, after) = rest.split_at(rest.len().min(BLOCK - self.filled));
            for sample in block {
                let sample = f32::from(*sample);
                self.energy += sample * sample;
                let lanes = self.first.iter_mut().zip(&mut self.second).zip(COEFFICIENTS);
                for ((first, second), coefficient) in lanes {
                    let next = coefficient * *first - *second + sample;
                    *second = std::mem::replace(first, next);
                }
            }
            self.filled += block.len();
            rest = after;
            if self.filled == BLOCK {
                let key = self.judge();
                pressed = self.follow(key).or(pressed);
                self.first = [0.0; 8];
                self.second = [0.0; 8];
                (self.energy, self.filled) = (0.0, 0);
            }
        }
        pressed
    }

    /// Which key the block holds.
    fn judge(&self) -> Option<char> {
        if self.energy < WEAKEST * WEAKEST * BLOCK as f32 {
            return None;
        }
        let mut power = [0.0f32; 8];
        for (lane, power) in power.iter_mut().enumerate() {
            let (first, second) = (self.first[lane], self.second[lane]);
            *power = first * first + second * second - COEFFICIENTS[lane] * first * second;
        }
        let (row, row_power) = strongest(&power[..4])?;
        let (column, column_power) = strongest(&power[4..])?;
        let twisted =
            column_power > row_power * COLUMN_LOUDER || row_power > column_power * ROW_LOUDER;
        // A tone of magnitude a has the power (a N / 2)^2 and the energy N a^2 / 2.
        let pure = row_power + column_power >= PURE * self.energy * BLOCK as f32 / 2.0;
        (!twisted && pure).then(|| KEYS[row][column])
    }

    fn follow(&mut self, key: Option<char>) -> Option<char> {
        if self.held.is_some() && key == self.held {
            self.missed = 0;
            return None;
        }
        if self.held.is_some() {
            self.missed += 1;
            if self.missed >= RELEASED {
                self.held = None;
            }
        }
        self.seen = if key.is_some() && key == self.candidate { self.seen + 1 } else { 1 };
        self.candidate = key;
        if key.is_none() || self.seen < PRESSED {
            return None;
        }
        self.held = key;
        self.missed = 0;
        key
    }
}

/// The strongest of a group, when it stands out.
fn strongest(group: &[f32]) -> Option<(usize, f32)> {
    let (best, power) =
        group.iter().copied().enumerate().max_by(|one, other| one.1.total_cmp(&other.1))?;
    let alone = group.iter().enumerate().all(|(at, other)| at == best || power > *other * ALONE);
    alone.then_some((best, power))
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    /// A key as it is on the line.
    #[derive(Clone, Copy)]
    struct Press {
        ms: f64,
        pause_ms: f64,
        /// Magnitude of the row's tone, and of the column's in decibels to it.
        level: f64,
        twist: f64,
        /// Both tones are off by this, in percent.
        off: f64,
        /// Largest sample of a noise beneath.
        noise: f64,
    }

    const PLAIN: Press =
        Press { ms: 60.0, pause_ms: 60.0, level: 4_000.0, twist: 0.0, off: 0.0, noise: 0.0 };

    fn line(keys: &str, press: Press) -> Vec<i16> {
        let mut random = StdRng::seed_from_u64(24);
        let mut samples = Vec::new();
        for key in keys.chars() {
            let row = KEYS.iter().position(|row| row.contains(&key)).unwrap();
            let column = KEYS[row].iter().position(|known| *known == key).unwrap();
            let factor = 1.0 + press.off / 100.0;
            let step =
                |tone: usize| f64::from(TONES[tone]) * factor / 8_000.0 * std::f64::consts::TAU;
            let louder = 10.0f64.powf(press.twist / 20.0);
            let begin = samples.len() as f64;
            for at in 0..(press.ms * 8.0) as usize {
                let at = begin + at as f64;
                samples.push(
                    press.level * ((at * step(row)).sin() + louder * (at * step(4 + column)).sin()),
                );
            }
            samples.extend(std::iter::repeat_n(0.0, (press.pause_ms * 8.0) as usize));
        }
        samples
            .into_iter()
            .map(|sample| {
                let hiss = if press.noise > 0.0 {
                    random.random_range(-press.noise..press.noise)
                } else {
                    0.0
                };
                (sample + hiss) as i16
            })
            .collect()
    }

    fn found(samples: &[i16]) -> String {
        let mut detector = Detector::new();
        samples.chunks(160).filter_map(|frame| detector.hear(frame)).collect()
    }

    const TONES: [f32; 8] = [697.0, 770.0, 852.0, 941.0, 1_209.0, 1_336.0, 1_477.0, 1_633.0];
    const ALL: &str = "1234567890*#ABCD";

    #[test]
    fn the_coefficients_are_those_of_the_tones() {
        for (tone, coefficient) in TONES.iter().zip(COEFFICIENTS) {
            let exact = 2.0 * (f64::from(*tone) / 8_000.0 * std::f64::consts::TAU).cos();
            assert!((f64::from(coefficient) - exact).abs() < 1e-4, "{tone}: {exact}");
        }
    }

    #[test]
    fn every_key_is_found_once_within_the_limits_of_q_24() {
        for (press, why) in [
            (PLAIN, "plain"),
            (Press { ms: 40.0, pause_ms: 40.0, ..PLAIN }, "as short and as close as allowed"),
            (Press { ms: 900.0, ..PLAIN }, "held long"),
            (Press { level: 400.0, ..PLAIN }, "-28 dBm0 a tone"),
            (Press { level: 14_000.0, ..PLAIN }, "as loud as can be"),
            (Press { twist: 3.5, ..PLAIN }, "the column louder"),
            (Press { twist: -7.0, ..PLAIN }, "the row louder"),
            (Press { off: 1.5, ..PLAIN }, "1.5 % high"),
            (Press { off: -1.5, ..PLAIN }, "1.5 % low"),
            (Press { noise: 1_700.0, ..PLAIN }, "a noise 12 dB below"),
        ] {
            assert_eq!(found(&line(ALL, press)), ALL, "{why}");
            assert_eq!(found(&line("1122", press)), "1122", "{why}");
        }
    }

    #[test]
    fn what_is_no_key_by_q_24_is_none() {
        for (press, why) in [
            (Press { ms: 20.0, ..PLAIN }, "too short"),
            (Press { twist: 9.0, ..PLAIN }, "the column far louder"),
            (Press { twist: -12.0, ..PLAIN }, "the row far louder"),
            (Press { level: 60.0, ..PLAIN }, "too quiet"),
            (Press { noise: 12_000.0, ..PLAIN }, "buried in noise"),
        ] {
            assert_eq!(found(&line(ALL, press)), "", "{why}");
        }
        for tone in TONES {
            let step = f64::from(tone) / 8_000.0 * std::f64::consts::TAU;
            let single: Vec<i16> =
                (0..8_000).map(|at| ((f64::from(at) * step).sin() * 8_000.0) as i16).collect();
            assert_eq!(found(&single), "", "a single tone of {tone} Hz");
        }
    }

    #[test]
    fn a_dropout_does_not_make_two_keys_of_one() {
        let mut samples = line("5", Press { ms: 200.0, ..PLAIN });
        samples[800..880].fill(0);
        assert_eq!(found(&samples), "5");
    }

    #[test]
    fn voices_press_no_keys() {
        // A minute of gliding pitch with harmonics and formants, syllable by syllable.
        let mut random = StdRng::seed_from_u64(7);
        let mut samples = Vec::new();
        let mut phase = 0.0f64;
        for _ in 0..300 {
            let (low, high) = (random.random_range(80.0..260.0), random.random_range(80.0..260.0));
            let formants: [f64; 3] = [
                random.random_range(300.0..900.0),
                random.random_range(900.0..1_800.0),
                random.random_range(2_000.0..3_000.0),
            ];
            for at in 0..1_600 {
                let share = f64::from(at) / 1_600.0;
                let pitch = low + (high - low) * share;
                phase += pitch / 8_000.0 * std::f64::consts::TAU;
                let loudness = (share * std::f64::consts::PI).sin() * 6_000.0;
                let sample: f64 = (1..18)
                    .map(|harmonic| {
                        let hertz = pitch * f64::from(harmonic);
                        let weight: f64 = formants
                            .iter()
                            .map(|formant| (-((hertz - formant) / 120.0).powi(2)).exp())
                            .sum();
                        (phase * f64::from(harmonic)).sin() * (weight + 0.02)
                    })
                    .sum();
                samples.push((sample * loudness).clamp(-32_000.0, 32_000.0) as i16);
            }
        }
        assert_eq!(found(&samples), "");
    }
}
