//! How a call must have sounded: the E-model of ITU-T G.107, for G.711 with concealment.

use std::time::Duration;

/// `R` of a perfect narrow-band call with all other factors at their defaults (G.107, Annex B).
const BEST: f32 = 93.2;
/// Robustness of G.711 with concealment against random loss, `Bpl` (G.113, Table I.2);
/// its equipment impairment `Ie` is 0.
const ROBUSTNESS: f32 = 25.1;
/// From here on delay hurts a conversation by itself (G.107 7.4, in the linear form of
/// Cole and Rosenbluth, "Voice over IP performance monitoring", 2001).
const PATIENCE_MS: f32 = 177.3;

/// The mean opinion score, 1 to 4.4, of a direction in which the share `loss` (0 to 1) of the
/// audio was not heard and whose way from mouth to ear took `delay`.
///
/// `R = 93.2 - Id - Ie,eff` with `Id = 0.024 d + 0.11 (d - 177.3)` (the second term for
/// `d > 177.3` ms) and `Ie,eff = 95 Ppl / (Ppl + Bpl)` for random loss of `Ppl` percent
/// (G.107 7.5 with `Ie` 0 and `BurstR` 1); `MOS = 1 + 0.035 R + R (R - 60)(100 - R) 7e-6`
/// (G.107 Annex B).
pub fn mos(loss: f32, delay: Duration) -> f32 {
    let percent = loss.clamp(0.0, 1.0) * 100.0;
    let delay_ms = delay.as_secs_f32() * 1_000.0;
    let from_delay = 0.024 * delay_ms + 0.11 * (delay_ms - PATIENCE_MS).max(0.0);
    let from_loss = 95.0 * percent / (percent + ROBUSTNESS);
    let rating = (BEST - from_delay - from_loss).clamp(0.0, 100.0);
    // Below R of about 6.5 the cubic dips under the lowest opinion there is.
    let opinion = 1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6;
    opinion.clamp(1.0, 4.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(percent: f32, delay_ms: u64) -> f32 {
        mos(percent / 100.0, Duration::from_millis(delay_ms))
    }

    #[test]
    fn the_scores_are_those_of_the_recommendation() {
        // R 93.2 is a MOS of 4.41 (G.107 Annex B); the others follow from the formulae by hand.
        for (percent, delay_ms, score) in [
            (0.0, 0, 4.41),
            (0.0, 100, 4.36),  // Id 2.4, R 90.8
            (1.0, 0, 4.32),    // Ie,eff 3.64, R 89.56
            (5.0, 50, 3.90),   // Ie,eff 15.78, Id 1.2, R 76.22
            (20.0, 100, 2.48), // Ie,eff 42.13, Id 2.4, R 48.67
            (0.0, 400, 3.08),  // Id 34.1, R 59.1
        ] {
            let found = of(percent, delay_ms);
            assert!((found - score).abs() < 0.05, "{percent} %, {delay_ms} ms: {found}");
        }
    }

    #[test]
    fn more_loss_and_more_delay_never_sound_better_and_nothing_leaves_the_scale() {
        for delay_ms in (0..2_000).step_by(50) {
            let scores: Vec<f32> = (0..=100).map(|percent| of(percent as f32, delay_ms)).collect();
            assert!(scores.is_sorted_by(|earlier, later| later <= earlier), "{delay_ms}");
            assert!(scores.iter().all(|score| (1.0..=4.5).contains(score)));
            assert!(of(3.0, delay_ms + 50) <= of(3.0, delay_ms));
        }
        assert_eq!(mos(f32::NAN.max(2.0), Duration::MAX), 1.0);
    }
}
