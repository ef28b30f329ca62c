//! Where the audio of a call really comes from (symmetric RTP).

use std::{net::SocketAddr, time::Duration};

use campanile_wire::time::Time;

/// How long after a description any source may be learned, because a phone behind NAT
/// describes an address that it does not send from. Short, because anybody may be learned.
const LEARNING: Duration = Duration::from_millis(900);

/// The far end of a stream: what its description said, and what was heard.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latch {
    said: Option<SocketAddr>,
    heard: Option<SocketAddr>,
    since: Time,
}

impl Latch {
    /// A description came: of early media, of the answer or of a change. A new address is
    /// learned anew; who was learned behind the same one stays.
    pub(crate) fn described(&mut self, said: SocketAddr, now: Time) {
        if self.said != Some(said) {
            self.heard = None;
        }
        *self = Self { said: Some(said), heard: self.heard, since: now };
    }

    /// Whether a packet from `from` belongs to the call; learns the source.
    ///
    /// The first source within the window is learned, and given up for the described
    /// address if that speaks up within the window. Afterwards nobody else is heard:
    /// the one who was learned, or, when nobody was, the described host.
    pub(crate) fn accepts(&mut self, from: SocketAddr, now: Time) -> bool {
        let Some(said) = self.said else { return false };
        let learning = now - self.since < LEARNING;
        let accepted = match self.heard {
            Some(heard) if heard == from => true,
            Some(_) => learning && from == said,
            None => learning || from.ip() == said.ip(),
        };
        if accepted {
            self.heard = Some(from);
        }
        accepted
    }

    /// Where to send to.
    pub(crate) fn destination(&self) -> Option<SocketAddr> {
        self.heard.or(self.said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EARLY: Time = Time(500_000);
    const LATE: Time = Time(9_000_000);

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn described() -> Latch {
        let mut latch = Latch::default();
        latch.described(addr("10.0.0.1:4000"), Time::ZERO);
        latch
    }

    #[test]
    fn nothing_is_heard_before_a_description() {
        let mut latch = Latch::default();
        assert!(!latch.accepts(addr("10.0.0.1:4000"), EARLY));
        assert_eq!(latch.destination(), None);
    }

    #[test]
    fn a_phone_behind_nat_is_learned_and_a_stranger_then_refused() {
        let mut latch = described();
        assert_eq!(latch.destination(), Some(addr("10.0.0.1:4000")));
        assert!(latch.accepts(addr("192.0.2.9:61000"), EARLY));
        assert_eq!(latch.destination(), Some(addr("192.0.2.9:61000")));
        assert!(!latch.accepts(addr("203.0.113.5:5000"), EARLY));
        assert!(!latch.accepts(addr("10.0.0.1:4000"), LATE), "too late even for the described");
        assert!(latch.accepts(addr("192.0.2.9:61000"), LATE));
    }

    #[test]
    fn the_described_address_wins_over_one_who_was_faster() {
        let mut latch = described();
        assert!(latch.accepts(addr("203.0.113.5:5000"), EARLY));
        assert!(latch.accepts(addr("10.0.0.1:4000"), EARLY));
        assert!(!latch.accepts(addr("203.0.113.5:5000"), EARLY));
    }

    #[test]
    fn whoever_begins_late_must_be_the_described_host() {
        let mut latch = described();
        assert!(!latch.accepts(addr("203.0.113.5:5000"), LATE));
        assert!(latch.accepts(addr("10.0.0.1:4002"), LATE));
        assert!(!latch.accepts(addr("10.0.0.1:4004"), LATE));
    }

    #[test]
    fn a_new_address_is_learned_anew_and_the_same_one_is_not() {
        let mut latch = described();
        assert!(latch.accepts(addr("192.0.2.9:61000"), EARLY));
        latch.described(addr("10.0.0.1:4000"), LATE);
        assert_eq!(latch.destination(), Some(addr("192.0.2.9:61000")));
        latch.described(addr("10.0.0.2:4000"), LATE);
        assert!(!latch.accepts(addr("10.0.0.3:4000"), LATE + LEARNING));
        assert!(latch.accepts(addr("10.0.0.2:4000"), LATE + LEARNING));
    }

    #[test]
    fn the_answer_opens_the_window_again_for_who_was_silent_in_early_media() {
        let mut latch = described();
        assert!(!latch.accepts(addr("192.0.2.9:61000"), LATE), "it is closed");
        latch.described(addr("10.0.0.1:4000"), LATE);
        assert!(latch.accepts(addr("192.0.2.9:61000"), LATE + LEARNING / 2));
    }

    #[test]
    fn nobody_takes_the_place_of_who_was_learned_however_often_the_far_end_describes_itself() {
        let mut latch = described();
        assert!(latch.accepts(addr("192.0.2.9:61000"), EARLY));
        for round in 1..5 {
            let now = LATE + LEARNING * round;
            latch.described(addr("10.0.0.1:4000"), now);
            assert!(!latch.accepts(addr("203.0.113.5:5000"), now));
            assert!(!latch.accepts(addr("192.0.2.9:61002"), now), "not even another port");
            assert!(latch.accepts(addr("192.0.2.9:61000"), now));
        }
    }
}
