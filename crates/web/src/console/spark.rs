//! Small curves of the last quarter of an hour, drawn here: a line and the ground
//! below it, from zero to the highest value.

use jiff::Timestamp;
use maud::{Markup, html};

use super::text::{NBSP, rate, span};
use crate::live::SPAN_SECONDS;

/// Time that one step of the curve stands for, seconds. Bound to the clock, so that a
/// curve wanders and does not tremble.
const STEP_SECONDS: i64 = 15;
const STEPS: i64 = SPAN_SECONDS / STEP_SECONDS;
/// The least that a curve's width stands for, so that a young one is neither a blot
/// at the edge nor a mountain.
const STEPS_MIN: i64 = 12;
/// Height of the drawing; two units are left above the highest value.
const HEIGHT: f64 = 26.0;
const HEADROOM: f64 = 2.0;

/// A value at a moment.
pub(crate) type Sample = (Timestamp, f64);

/// Mean of the samples of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Step {
    /// 0 is the oldest that is drawn, `STEPS` is now.
    x: i64,
    mean: f64,
}

/// The curve of `samples`, oldest first; nothing while there are fewer than two
/// steps to draw it from. `name` is what it shows, such as `Dials a second`; with
/// `top`, it shares its scale with other curves.
pub(crate) fn spark(
    class: &str,
    name: &str,
    samples: &[Sample],
    now: Timestamp,
    top: Option<f64>,
) -> Markup {
    let steps = steps(samples, now);
    let [first, .., _] = steps.as_slice() else { return html! {} };
    let (low, high) = steps
        .iter()
        .fold((f64::MAX, 0.0_f64), |(low, high), step| (low.min(step.mean), high.max(step.mean)));
    let seconds = u64::try_from((STEPS - first.x) * STEP_SECONDS).unwrap_or(0);
    let left = first.x.min(STEPS - STEPS_MIN);
    let (line, ground) = paths(&steps, top.unwrap_or(high).max(high));
    html! {
        svg class={ "spark " (class) } viewBox={ (left) " 0 " (STEPS - left) " " (HEIGHT) }
            width="76" height="26" preserveAspectRatio="none" role="img" {
            title {
                (name) ", last " (span(seconds)) ": "
                @if rate(low) == rate(high) { "steady at " (rate(high)) }
                @else { "between " (rate(low)) " and" (NBSP) (rate(high)) }
            }
            path.a d=(ground) {}
            path.l d=(line) {}
        }
    }
}

fn steps(samples: &[Sample], now: Timestamp) -> Vec<Step> {
    let oldest = now.as_second().div_euclid(STEP_SECONDS) - STEPS;
    let mut steps: Vec<(Step, u32)> = Vec::new();
    for (at, value) in samples.iter().filter(|(_, value)| value.is_finite()) {
        let x = at.as_second().div_euclid(STEP_SECONDS) - oldest;
        if !(0..=STEPS).contains(&x) {
            continue;
        }
        match steps.last_mut() {
            Some((step, n)) if step.x == x => {
                step.mean += (value - step.mean) / f64::from(*n + 1);
                *n += 1;
            }
            _ => steps.push((Step { x, mean: *value }, 1)),
        }
    }
    steps.into_iter().map(|(step, _)| step).collect()
}

/// The line and the closed ground. Where steps are missing the curve is interrupted,
/// not invented.
fn paths(steps: &[Step], top: f64) -> (String, String) {
    let y = |value: f64| {
        let share = if top > 0.0 { value / top } else { 0.0 };
        format!("{:.1}", HEIGHT - share * (HEIGHT - HEADROOM))
    };
    let (mut line, mut ground) = (String::new(), String::new());
    for piece in steps.chunk_by(|left, right| right.x - left.x == 1) {
        let points: Vec<String> =
            piece.iter().map(|step| format!("{} {}", step.x, y(step.mean))).collect();
        let (from, to) = (piece[0].x, piece[piece.len() - 1].x);
        let points = points.join("L");
        line += &format!("M{points}");
        ground += &format!("M{points}L{to} {HEIGHT}L{from} {HEIGHT}z");
    }
    (line, ground)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_900_000_005 + second).unwrap()
    }

    #[test]
    fn a_curve_tells_its_span_and_its_range() {
        let samples: Vec<Sample> = (0..24).map(|n| (at(n * 5), (n % 6) as f64)).collect();
        let drawn = spark("green", "Dials a second", &samples, at(115), None).into_string();
        insta::assert_snapshot!(drawn);
    }

    #[test]
    fn there_is_no_curve_without_a_history() {
        assert!(spark("green", "x", &[], at(0), None).0.is_empty());
        assert!(spark("green", "x", &[(at(0), 1.0), (at(1), 2.0)], at(1), None).0.is_empty());
        let old = [(at(0), 1.0), (at(20), 1.0)];
        assert!(spark("green", "x", &old, at(2_000), None).0.is_empty());
    }

    #[test]
    fn what_is_missing_is_not_invented() {
        let step = |x, mean| Step { x, mean };
        let (line, ground) = paths(&[step(1, 0.0), step(2, 4.0), step(9, 2.0), step(10, 2.0)], 4.0);
        assert_eq!(line, "M1 26.0L2 2.0M9 14.0L10 14.0");
        assert_eq!(ground, "M1 26.0L2 2.0L2 26L1 26zM9 14.0L10 14.0L10 26L9 26z");
    }

    #[test]
    fn an_hour_of_silence_is_a_line_on_the_ground() {
        let samples: Vec<Sample> = (0..10).map(|n| (at(n * 15), 0.0)).collect();
        let drawn = spark("grey", "Dials a second", &samples, at(150), None).into_string();
        assert!(drawn.contains("steady at 0.0") && !drawn.contains("NaN"), "{drawn}");
    }
}
