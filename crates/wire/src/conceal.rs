//! Packet loss concealment: what is heard where a packet is missing.
//!
//! After ITU-T G.711 Appendix I, in its spirit and in our own code: the last pitch period
//! goes on, unchanged for 10 ms, then quieter by a fifth every 10 ms, so that after 60 ms
//! there is silence; where the voice comes back, the two are blended. Unlike the appendix
//! it adds no delay of its own (its 3.75 ms let it smooth the beginning of a gap too), and
//! it repeats one period throughout instead of two and three.

/// Samples remembered: the window of the pitch search behind the longest period.
const HISTORY: usize = WINDOW + PERIOD_MAX;
/// 5 ms and 15 ms at 8 kHz: voices of 200 Hz to 66 Hz; higher ones repeat several periods.
const PERIOD_MIN: usize = 40;
const PERIOD_MAX: usize = 120;
/// What the pitch search compares: 20 ms.
const WINDOW: usize = 160;
/// 10 ms: as loud as before.
const FULL: usize = 80;
/// 60 ms: nothing is left.
const FADED: usize = 480;
/// 4 ms of blending for every 10 ms of gap, 10 ms at the most.
const BLEND: usize = 32;
const BLEND_MAX: usize = 80;

/// The memory of one stream.
#[derive(Debug, Clone)]
pub struct Concealer {
    history: [i16; HISTORY],
    /// The period that is repeated, its end made to fit its beginning.
    cycle: [i16; PERIOD_MAX],
    period: usize,
    /// Samples made up in a row so far.
    made_up: usize,
}

impl Default for Concealer {
    fn default() -> Self {
        Self { history: [0; HISTORY], cycle: [0; PERIOD_MAX], period: PERIOD_MIN, made_up: 0 }
    }
}

impl Concealer {
    /// A stream that was silent so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note of samples that came. After a gap their beginning is blended with what
    /// was made up.
    pub fn heard(&mut self, samples: &mut [i16]) {
        if self.made_up > 0 {
            let blend = (BLEND * self.made_up.div_ceil(FULL)).min(BLEND_MAX).min(samples.len());
            for (index, sample) in samples[..blend].iter_mut().enumerate() {
                let made_up = i32::from(self.at(self.made_up + index));
                let share = index as i32 + 1;
                let whole = blend as i32 + 1;
                *sample = ((i32::from(*sample) * share + made_up * (whole - share)) / whole) as i16;
            }
            self.made_up = 0;
        }
        self.remember(samples);
    }

    /// Makes up samples that did not come.
    pub fn conceal(&mut self, samples: &mut [i16]) {
        if self.made_up == 0 {
            self.find_cycle();
        }
        for sample in samples.iter_mut() {
            *sample = self.at(self.made_up);
            // Past the fade it stays silent: no need to count on.
            self.made_up = (self.made_up + 1).min(FADED);
        }
        self.remember(samples);
    }

    /// Whether the last samples were made up.
    pub fn is_concealing(&self) -> bool {
        self.made_up > 0
    }

    fn at(&self, index: usize) -> i16 {
        let sample = i32::from(self.cycle[index % self.period]);
        let quieter = index.saturating_sub(FULL);
        let left = (FADED - FULL).saturating_sub(quieter) as i32;
        (sample * left / (FADED - FULL) as i32) as i16
    }

    fn remember(&mut self, samples: &[i16]) {
        let samples = &samples[samples.len().saturating_sub(HISTORY)..];
        self.history.copy_within(samples.len().., 0);
        self.history[HISTORY - samples.len()..].copy_from_slice(samples);
    }

    /// The lag at which the last 20 ms resemble what was before them most.
    fn find_cycle(&mut self) {
        let window = &self.history[HISTORY - WINDOW..];
        let mut best = (f32::MIN, PERIOD_MAX);
        for lag in PERIOD_MIN..=PERIOD_MAX {
            let before = &self.history[HISTORY - WINDOW - lag..HISTORY - lag];
            let (mut product, mut energy) = (0.0f32, 1.0f32);
            for (now, then) in window.iter().zip(before) {
                product += f32::from(*now) * f32::from(*then);
                energy += f32::from(*then) * f32::from(*then);
            }
            let likeness = product / energy.sqrt();
            if likeness > best.0 {
                best = (likeness, lag);
            }
        }
        self.period = best.1;
        let begin = HISTORY - self.period;
        self.cycle[..self.period].copy_from_slice(&self.history[begin..]);
        // The last quarter of the period glides into what preceded its beginning.
        let quarter = self.period / 4;
        for index in 0..quarter {
            let end = self.period - quarter + index;
            let (from, to) = (self.history[begin + end], self.history[begin - quarter + index]);
            let share = index as i32 + 1;
            let whole = quarter as i32 + 1;
            self.cycle[end] =
                ((i32::from(from) * (whole - share) + i32::from(to) * share) / whole) as i16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voice(at: usize) -> i16 {
        let angle = at as f64 / 8_000.0 * std::f64::consts::TAU * 125.0;
        (angle.sin() * 6_000.0 + (angle * 3.0).sin() * 2_000.0) as i16
    }

    fn after_voice(samples: usize) -> Concealer {
        let mut concealer = Concealer::new();
        for begin in (0..samples).step_by(160) {
            let mut frame: Vec<i16> = (begin..begin + 160).map(voice).collect();
            concealer.heard(&mut frame);
        }
        concealer
    }

    fn loudness(samples: &[i16]) -> f64 {
        let sum = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>();
        (sum / samples.len() as f64).sqrt()
    }

    #[test]
    fn a_voice_goes_on_in_its_pitch_and_its_phase() {
        let mut concealer = after_voice(800);
        let mut gap = [0; 80];
        concealer.conceal(&mut gap);
        for (index, sample) in gap.iter().enumerate() {
            let error = (i32::from(*sample) - i32::from(voice(800 + index))).abs();
            assert!(error < 400, "sample {index} is off by {error}");
        }
    }

    #[test]
    fn it_fades_and_is_silent_after_60_ms_however_long_the_gap() {
        let mut concealer = after_voice(800);
        let mut gap = vec![0; 8_000];
        concealer.conceal(&mut gap);
        let loud: Vec<f64> = gap.chunks(80).take(6).map(loudness).collect();
        assert!(
            loud.windows(2).all(|pair| pair[1] < pair[0] * 0.95 || pair[0] == loud[0]),
            "{loud:?}"
        );
        assert!(gap[480..].iter().all(|sample| *sample == 0));
    }

    #[test]
    fn where_the_voice_comes_back_nothing_jumps() {
        let step = |samples: &[i16]| {
            let steps =
                samples.windows(2).map(|pair| (i32::from(pair[0]) - i32::from(pair[1])).abs());
            steps.max().unwrap()
        };
        let natural = step(&(0..800).map(voice).collect::<Vec<_>>());
        for lost in [80, 160, 320, 800] {
            let mut concealer = after_voice(800);
            let mut all: Vec<i16> = (640..800).map(voice).collect();
            let mut gap = vec![0; lost];
            concealer.conceal(&mut gap);
            assert!(concealer.is_concealing());
            // It comes back in another phase: the worst that can happen.
            let mut back: Vec<i16> = (0..160).map(|at| voice(at + 821)).collect();
            concealer.heard(&mut back);
            assert!(!concealer.is_concealing());
            all.extend(&gap);
            all.extend(&back);
            assert!(step(&all) <= natural * 3 / 2, "{lost}: {} against {natural}", step(&all));
        }
    }

    #[test]
    fn silence_is_continued_by_silence() {
        let mut gap = [9; 160];
        Concealer::new().conceal(&mut gap);
        assert_eq!(gap, [0; 160]);
    }
}
