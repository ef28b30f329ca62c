//! A few thousand cases of every body in the standard run; `cargo xtask fuzz` runs more.

use proptest::prelude::*;

use super::{BODIES, dice::Dice, seeds::SEEDS, storm::storm};
use crate::message::torture::TORTURE;

/// Everything that mutations begin with.
fn beginnings() -> Vec<&'static [u8]> {
    SEEDS.into_iter().chain(TORTURE.iter().map(|(_, _, bytes)| *bytes)).collect()
}

/// Seeds, torture messages and noise, changed and not.
fn any_input() -> impl Strategy<Value = Vec<u8>> {
    let all = beginnings();
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..600),
        9 => (0..all.len(), 0..all.len(), any::<u64>()).prop_map(move |(one, other, seed)| {
            Dice::new(seed).mutated(all[one], all[other])
        }),
    ]
}

#[test]
fn what_mutations_begin_with_passes_every_body() {
    for bytes in beginnings() {
        for (_, body) in BODIES {
            body(bytes);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn no_parser_panics_whatever_it_is_given(input in any_input()) {
        for (_, body) in BODIES {
            body(&input);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_storm_ends_with_every_call_ended_once(seed in any::<u64>()) {
        storm(&seed.to_be_bytes(), 60);
    }
}

#[test]
fn the_same_bytes_make_the_same_storm() {
    assert_eq!(storm(b"again", 40), storm(b"again", 40));
}
