//! The mix: which fates the phones of a carrier have, and how often.

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};

/// What becomes of one call to one phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Rings, is answered, talks.
    Answer,
    /// Rings until the caller gives up, or the network does with 480.
    RingOut,
    /// 486 after a short while.
    Busy,
    /// Rings, then 603: somebody pressed the red button.
    Rejected,
    /// 404.
    NotFound,
    /// 480: switched off or out of coverage.
    #[serde(rename = "unavailable_480")]
    Unavailable,
    /// 503 with `Retry-After`: the carrier itself is full.
    #[serde(rename = "congestion_503")]
    Congestion,
    /// Answered by a machine that speaks for long, beeps and listens.
    Voicemail,
    /// Answered, and no audio ever comes back.
    Silent,
    /// Answered; then the phone falls off the network: no audio, no BYE, no answer to one.
    Vanish,
    /// Not a fate of a phone: the INVITE was challenged and never repeated with an answer.
    Challenged,
}

/// Seconds, from the least to the most; drawn evenly.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Range(pub f64, pub f64);

/// Weights of the fates and the habits of the people who answer.
///
/// In JSON any field may be left out (its default holds) and an unknown one is an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mix {
    /// Weight of phones that a person answers.
    pub answer: f64,
    /// Weight of phones that nobody answers.
    pub ring_out: f64,
    /// Weight of busy phones.
    pub busy: f64,
    /// Weight of people who reject the call.
    pub rejected: f64,
    /// Weight of numbers that do not exist.
    pub not_found: f64,
    /// Weight of phones that are switched off.
    pub unavailable_480: f64,
    /// Weight of calls that the carrier has no room for.
    pub congestion_503: f64,
    /// Weight of phones that go to voicemail.
    pub voicemail: f64,
    /// Weight of phones that are answered and send no audio.
    pub silent: f64,
    /// Weight of phones that fall off the network in the middle of the call.
    pub vanish: f64,
    /// How long a phone rings before it is answered or rejected, in seconds.
    pub ring_seconds: Range,
    /// How long the network lets a phone ring before it answers 480 itself, in seconds.
    pub ring_out_seconds: f64,
    /// How long a person stays who does not wait for the bot to hang up, in seconds.
    pub talk_seconds: Range,
    /// The chance that a person presses a key, 0 to 1.
    pub presses_key: f64,
    /// The keys to choose from.
    pub keys: String,
    /// How long a person listens before pressing, in seconds.
    pub press_after_seconds: Range,
    /// The chance that a person hangs up after `talk_seconds` rather than let the bot, 0 to 1.
    pub hangs_up: f64,
    /// What 503 says in `Retry-After`, in seconds.
    pub retry_after_seconds: u32,
}

/// A mix that cannot be used, in words for the person who wrote it.
#[derive(Debug, thiserror::Error)]
pub enum MixError {
    /// A weight below zero or not a number.
    #[error("{0}: a weight is zero or more")]
    Weight(&'static str),
    /// Nothing has any weight.
    #[error("the mix has no fate with a weight above zero")]
    Empty,
    /// A chance outside 0 to 1.
    #[error("{0}: a chance is between 0 and 1")]
    Chance(&'static str),
    /// A range that runs backwards or below zero.
    #[error("{0}: a range is two numbers of seconds, the smaller first")]
    Range(&'static str),
    /// A key that telephones do not have.
    #[error("keys: {0:?} is not a key of a telephone")]
    Key(char),
}

impl Default for Mix {
    /// A plausible list of Indian consumers, called by day. Nobody vanishes, so that a campaign
    /// need not wait half a minute for its last call.
    fn default() -> Self {
        Self {
            answer: 38.0,
            ring_out: 24.0,
            busy: 9.0,
            rejected: 8.0,
            not_found: 4.0,
            unavailable_480: 9.0,
            congestion_503: 1.0,
            voicemail: 6.5,
            silent: 0.5,
            vanish: 0.0,
            ring_seconds: Range(3.0, 18.0),
            ring_out_seconds: 60.0,
            talk_seconds: Range(8.0, 40.0),
            presses_key: 0.45,
            keys: "1129".to_owned(),
            press_after_seconds: Range(3.0, 9.0),
            hangs_up: 0.4,
            retry_after_seconds: 5,
        }
    }
}

/// One call to one phone as it will go if nobody cuts it short. Seconds of real life: the time
/// scale is applied by who carries it out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Course {
    pub(crate) fate: Fate,
    /// From the INVITE to 180, or to the answer of a call that does not ring.
    pub(crate) reached_after: f64,
    /// From the INVITE to 200, 603 or 480.
    pub(crate) decided_after: f64,
    /// From the answer to BYE of the phone; `None` leaves it to the caller.
    pub(crate) hangs_up_after: Option<f64>,
    /// The key, and how long after the first audio it is pressed.
    pub(crate) key: Option<(char, f64)>,
}

impl Mix {
    /// Whether the carrier can work with it.
    pub fn check(&self) -> Result<(), MixError> {
        let weights = self.weights();
        for (_, name, weight) in weights {
            if !(weight.is_finite() && weight >= 0.0) {
                return Err(MixError::Weight(name));
            }
        }
        if weights.iter().all(|(_, _, weight)| *weight == 0.0) {
            return Err(MixError::Empty);
        }
        for (name, chance) in [("presses_key", self.presses_key), ("hangs_up", self.hangs_up)] {
            if !(0.0..=1.0).contains(&chance) {
                return Err(MixError::Chance(name));
            }
        }
        for (name, Range(from, to)) in [
            ("ring_seconds", self.ring_seconds),
            ("ring_out_seconds", Range(self.ring_out_seconds, self.ring_out_seconds)),
            ("talk_seconds", self.talk_seconds),
            ("press_after_seconds", self.press_after_seconds),
        ] {
            // A day is enough for anybody, and any number of them fits a timer.
            if !(0.0 <= from && from <= to && to <= 86_400.0) {
                return Err(MixError::Range(name));
            }
        }
        if self.presses_key > 0.0 && self.keys.is_empty() {
            return Err(MixError::Key(' '));
        }
        match self.keys.chars().find(|key| !"0123456789*#ABCD".contains(*key)) {
            Some(key) => Err(MixError::Key(key)),
            None => Ok(()),
        }
    }

    /// What the `nth` call (from 1) to `callee` will be like: the same whatever was called before.
    pub(crate) fn course(&self, seed: u64, callee: &str, nth: u32) -> Course {
        let mut rng = StdRng::seed_from_u64(number_of(seed, callee, nth));
        let fate = self.fate(&mut rng);
        let within = |rng: &mut StdRng, Range(from, to): Range| rng.random_range(from..=to);
        // All are drawn for each fate, so that one setting does not change another's draws.
        let reached_after = within(&mut rng, Range(0.05, 0.6));
        let rings = within(&mut rng, self.ring_seconds);
        let talks = within(&mut rng, self.talk_seconds);
        let hangs_up = rng.random_bool(self.hangs_up);
        let presses = rng.random_bool(self.presses_key);
        let key_at = rng.random_range(0.0..1.0);
        let press_after = within(&mut rng, self.press_after_seconds);
        let keys: Vec<char> = self.keys.chars().collect();
        let key = keys.get((key_at * keys.len() as f64) as usize).map(|key| (*key, press_after));
        let decided_after = match fate {
            Fate::RingOut => self.ring_out_seconds,
            Fate::Rejected => rings / 2.0,
            // The network waits for a person first.
            Fate::Voicemail => self.ring_seconds.1,
            Fate::Busy | Fate::NotFound | Fate::Unavailable | Fate::Congestion => 0.0,
            Fate::Answer | Fate::Silent | Fate::Vanish | Fate::Challenged => rings,
        };
        Course {
            fate,
            reached_after,
            decided_after: decided_after.max(reached_after),
            hangs_up_after: match fate {
                Fate::Vanish => Some(talks),
                Fate::Voicemail => Some(60.0),
                _ => hangs_up.then_some(talks),
            },
            key: key.filter(|_| presses && fate == Fate::Answer),
        }
    }

    fn weights(&self) -> [(Fate, &'static str, f64); 10] {
        [
            (Fate::Answer, "answer", self.answer),
            (Fate::RingOut, "ring_out", self.ring_out),
            (Fate::Busy, "busy", self.busy),
            (Fate::Rejected, "rejected", self.rejected),
            (Fate::NotFound, "not_found", self.not_found),
            (Fate::Unavailable, "unavailable_480", self.unavailable_480),
            (Fate::Congestion, "congestion_503", self.congestion_503),
            (Fate::Voicemail, "voicemail", self.voicemail),
            (Fate::Silent, "silent", self.silent),
            (Fate::Vanish, "vanish", self.vanish),
        ]
    }

    fn fate(&self, rng: &mut impl Rng) -> Fate {
        let weights = self.weights();
        let all: f64 = weights.iter().map(|(_, _, weight)| weight).sum();
        let mut left = rng.random_range(0.0..1.0) * all;
        let mut last = Fate::Answer;
        for (fate, _, weight) in weights {
            if weight > 0.0 {
                if left < weight {
                    return fate;
                }
                last = fate;
            }
            left -= weight;
        }
        last // rounding left a crumb
    }
}

/// FNV-1a: the same number in every build, unlike the hashes of the standard library.
fn number_of(seed: u64, callee: &str, nth: u32) -> u64 {
    let bytes = seed.to_le_bytes().into_iter().chain(callee.bytes()).chain(nth.to_le_bytes());
    bytes.fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_phone_behaves_the_same_whenever_it_is_called() {
        let mix = Mix::default();
        assert_eq!(mix.course(7, "+9198", 1), mix.course(7, "+9198", 1));
        let others =
            [mix.course(8, "+9198", 1), mix.course(7, "+9199", 1), mix.course(7, "+9198", 2)];
        for other in others {
            assert_ne!(mix.course(7, "+9198", 1).reached_after, other.reached_after);
        }
    }

    #[test]
    fn fates_come_as_often_as_their_weights_say() {
        let mix = Mix::default();
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for phone in 0..20_000 {
            let fate = mix.course(1, &format!("+91{phone}"), 1).fate;
            let (_, name, _) = mix.weights().into_iter().find(|known| known.0 == fate).unwrap();
            *counts.entry(name).or_default() += 1;
        }
        let all: f64 = mix.weights().iter().map(|(_, _, weight)| weight).sum();
        for (_, name, weight) in mix.weights() {
            let share = f64::from(counts.get(name).copied().unwrap_or(0)) / 20_000.0;
            assert!((share - weight / all).abs() < 0.012, "{name}: {share}");
        }
    }

    #[test]
    fn a_mix_is_read_and_its_faults_are_named() {
        let mix: Mix = serde_json::from_str(r#"{"answer": 1, "ring_seconds": [1, 2]}"#).unwrap();
        assert_eq!((mix.answer, mix.ring_seconds, mix.busy), (1.0, Range(1.0, 2.0), 9.0));
        assert!(mix.check().is_ok());
        let unknown = serde_json::from_str::<Mix>(r#"{"anwser": 1}"#).unwrap_err().to_string();
        assert!(unknown.contains("anwser") && unknown.contains("ring_out"), "{unknown}");
        for (text, why) in [
            (r#"{"busy": -1}"#, "busy: a weight is zero or more"),
            (r#"{"hangs_up": 2}"#, "hangs_up: a chance is between 0 and 1"),
            (
                r#"{"talk_seconds": [5, 2]}"#,
                "talk_seconds: a range is two numbers of seconds, the smaller first",
            ),
            (r#"{"keys": "1x"}"#, "keys: 'x' is not a key of a telephone"),
            (
                r#"{"answer":0,"ring_out":0,"busy":0,"rejected":0,"not_found":0,"unavailable_480":0,"congestion_503":0,"voicemail":0,"silent":0,"vanish":0}"#,
                "the mix has no fate with a weight above zero",
            ),
        ] {
            let mix: Mix = serde_json::from_str(text).unwrap();
            assert_eq!(mix.check().unwrap_err().to_string(), why);
        }
    }
}
