//! What is played of what came, in virtual time.

use proptest::prelude::*;

use super::*;

/// The µ-law codes 1 to 120 decode to values that all differ: a sample says which it is.
fn code(sample: u32) -> u8 {
    (sample % 120 + 1) as u8
}

fn decoded(sample: u32) -> i16 {
    let mut out = [0];
    g711::decode(Codec::Pcmu, &[code(sample)], &mut out);
    out[0]
}

fn header(ssrc: u32, timestamp: u32) -> Header {
    Header { marker: false, payload_type: 0, sequence: 0, timestamp, ssrc }
}

/// Plays a stream; samples are numbered from the first timestamp.
struct Deck {
    buffer: Buffer,
    first: u32,
    /// Numbers of the samples that were played, `None` where one was missing.
    played: Vec<Option<i16>>,
}

impl Deck {
    fn new(first: u32) -> Self {
        Self { buffer: Buffer::new(), first, played: Vec::new() }
    }

    fn put(&mut self, ms: u64, begin: u32, samples: u32) -> Put {
        let payload: Vec<u8> = (begin..begin + samples).map(code).collect();
        let header = header(1, self.first.wrapping_add(begin));
        self.buffer.put(Time(ms * 1_000), &header, Codec::Pcmu, &payload)
    }

    fn tick(&mut self, ms: u64) {
        let played = &mut self.played;
        let before = played.len();
        self.buffer.take(Time(ms * 1_000), &mut [0; FRAME_SAMPLES], |run, came| {
            played.extend(run.iter().map(|sample| came.then_some(*sample)));
        });
        assert_eq!(played.len() - before, FRAME_SAMPLES, "always 20 ms");
    }

    fn heard(&self) -> Vec<i16> {
        self.played.iter().copied().flatten().collect()
    }
}

/// Packets as (milliseconds of arrival, first sample, samples), played every 20 ms at odd
/// moments until `end`.
fn play(first: u32, packets: &[(u64, u32, u32)], end: u64) -> Deck {
    let mut packets = packets.to_vec();
    packets.sort_by_key(|(ms, ..)| *ms);
    let mut deck = Deck::new(first);
    let mut packets = packets.into_iter().peekable();
    for ms in (11..end).step_by(20) {
        while let Some((at, begin, samples)) = packets.next_if(|(at, ..)| *at <= ms) {
            deck.put(at, begin, samples);
        }
        deck.tick(ms);
    }
    deck
}

fn spoken(samples: u32) -> Vec<i16> {
    (0..samples).map(decoded).collect()
}

#[test]
fn packets_of_every_length_are_played_whole_and_in_order_across_the_wrap() {
    for ptime in [10, 20, 30, 40, 60] {
        let samples = ptime as u32 * 8;
        let packets: Vec<_> =
            (0..1_200 / ptime).map(|n| (n * ptime, n as u32 * samples, samples)).collect();
        let deck = play(u32::MAX - 2_000, &packets, 1_600);
        assert_eq!(deck.heard(), spoken(1_200 / ptime as u32 * samples), "{ptime} ms");
    }
}

#[test]
fn a_change_of_length_in_mid_call_is_not_heard() {
    let mut packets = Vec::new();
    let mut at = 0;
    for ptime in [20, 20, 20, 30, 30, 60, 60, 10, 10, 20, 20, 40] {
        packets.push((u64::from(at), at * 8, ptime * 8));
        at += ptime;
    }
    assert_eq!(play(77, &packets, 600).heard(), spoken(at * 8));
}

#[test]
fn reordered_and_repeated_packets_are_heard_once_in_order() {
    // Every third one is overtaken by the next, every fourth comes twice.
    let mut packets = Vec::new();
    for n in 0..100u32 {
        let late = if n % 3 == 0 { 25 } else { 0 };
        packets.push((u64::from(n) * 20 + late, n * 160, 160));
        if n % 4 == 0 {
            packets.push((u64::from(n) * 20 + 15, n * 160, 160));
        }
    }
    let deck = play(5, &packets, 2_200);
    // The first frames teach it how long to wait.
    let heard = deck.heard();
    assert!(heard.ends_with(&spoken(16_000)[160 * 12..]), "all but the beginning is whole");
}

#[test]
fn a_lost_packet_is_a_gap_of_its_own_length() {
    let packets: Vec<_> =
        (0..50).filter(|n| *n != 20).map(|n| (n * 20, n as u32 * 160, 160)).collect();
    let deck = play(0, &packets, 1_100);
    let begin = deck.played.iter().position(Option::is_some).unwrap();
    let played = &deck.played[begin..begin + 8_000];
    let missing: Vec<_> = (0..8_000).filter(|at| played[*at].is_none()).collect();
    assert_eq!(missing, (3_200..3_360).collect::<Vec<_>>());
}

#[test]
fn what_comes_after_its_time_is_late_and_a_clock_set_back_is_a_new_beginning() {
    let mut deck =
        play(0, &(0..50).map(|n| (n * 20, n as u32 * 160, 160)).collect::<Vec<_>>(), 1_000);
    assert_eq!(deck.put(1_000, 10 * 160, 160), Put::Late);
    assert_eq!(deck.put(1_000, 50 * 160, 160), Put::Kept);
    let restarts =
        (0..60).position(|n| deck.put(1_020 + n * 20, (20 + n as u32) * 160, 160) == Put::Restart);
    assert_eq!(restarts, Some(LATE_MAX as usize), "half a second later it is believed");
}

#[test]
fn another_source_and_a_far_jump_begin_anew() {
    let mut deck = play(0, &[(0, 0, 160), (20, 160, 160)], 60);
    assert_eq!(deck.put(60, 320, 160), Put::Kept);
    assert_eq!(deck.put(80, 900_000, 160), Put::Restart);
    let other = deck.buffer.put(Time(100_000), &header(2, 77), Codec::Pcmu, &[1; 160]);
    assert_eq!(other, Put::Restart);
    assert_eq!(deck.buffer.put(Time(120_000), &header(2, 237), Codec::Pcmu, &[1; 160]), Put::Kept);
}

#[test]
fn a_pause_of_a_far_end_that_detects_silence_shifts_nothing() {
    let talk =
        |begin: u64| (0..25).map(move |n| (begin + n * 20, (begin + n * 20) as u32 * 8, 160));
    let deck = play(9, &talk(0).chain(talk(3_000)).collect::<Vec<_>>(), 3_700);
    assert_eq!(deck.heard().len(), 50 * 160);
    let first = deck.played.iter().position(Option::is_some).unwrap();
    assert!(deck.played[first + 24_000].is_some() && deck.played[first + 23_999].is_none());
}

#[test]
fn jitter_of_100_ms_costs_little_once_it_is_known() {
    let packets: Vec<_> =
        (0..2_000u64).map(|n| (n * 20 + n * 7_919 % 101, n as u32 * 160, 160)).collect();
    let mut deck = Deck::new(0);
    let mut sorted = packets.clone();
    sorted.sort();
    let mut late = 0;
    let mut packets = sorted.into_iter().peekable();
    for ms in (5..40_000).step_by(20) {
        while let Some((at, begin, samples)) = packets.next_if(|(at, ..)| *at <= ms) {
            let put = deck.put(at, begin, samples);
            late += u32::from(put == Put::Late && ms > 2_000);
        }
        deck.tick(ms);
    }
    assert!(late < 20, "{late} of 1900");
    let wait = deck.buffer.waiting().as_millis();
    assert!((80..=130).contains(&wait), "{wait} ms");
}

proptest! {
    #[test]
    fn nothing_makes_it_panic_and_it_always_plays_20_ms(
        packets: Vec<(u16, u32, u32, Vec<u8>)>, ticks in 1u64..40,
    ) {
        let mut deck = Deck::new(0);
        let mut now = 0;
        for (pause, ssrc, timestamp, payload) in packets {
            now += u64::from(pause);
            let header = header(ssrc % 2, timestamp);
            deck.buffer.put(Time(now * 1_000), &header, Codec::Pcma, &payload);
            for tick in 0..ticks % 3 {
                deck.tick(now + tick * 20);
            }
        }
        for tick in 0..ticks {
            deck.tick(now + tick * 20);
        }
    }

    #[test]
    fn whatever_the_order_within_the_wait_nothing_is_lost(late in prop::collection::vec(0u64..18, 60)) {
        let packets: Vec<_> = late
            .iter()
            .enumerate()
            .map(|(n, late)| (n as u64 * 20 + late, n as u32 * 160, 160))
            .collect();
        let deck = play(3, &packets, 1_400);
        prop_assert_eq!(deck.heard(), spoken(9_600));
    }
}
