//! Passes: pass n is everyone's n-th counted attempt (DI-5, R-6).
//!
//! The store keeps eligible, attempted and connected of each pass by delta; the
//! rules for the deltas are here.

use crate::attempt::Next;

/// The pass that a contact's next attempt belongs to, if that attempt counts.
pub fn pass_of_next(counted: u32) -> u32 {
    counted.saturating_add(1)
}

/// The pass that a contact becomes eligible for by what was settled, if any.
///
/// A contact is eligible for pass 1 from the moment it is in the run, and for a
/// later pass once, when it is scheduled for that counted attempt: an attempt that
/// did not count leaves it in the pass in which it already was. `counted` includes
/// the attempt that was settled.
pub fn newly_eligible(next: &Next, counts: bool, counted: u32) -> Option<u32> {
    match next {
        Next::Retry(_) | Next::Callback(_) if counts => Some(pass_of_next(counted)),
        Next::Retry(_) | Next::Callback(_) | Next::Final(_) => None,
    }
}

/// Whether a pass has ended: it began, and nobody waits for it or is in a call of it,
/// nor of any earlier pass that could feed it.
///
/// `open_by_pass` holds how many contacts wait for or are in an attempt of pass 1,
/// 2, …; passes that it does not reach have none.
pub fn has_ended(pass: u32, started: bool, open_by_pass: &[u64]) -> bool {
    let reach = usize::try_from(pass).unwrap_or(usize::MAX).min(open_by_pass.len());
    started && open_by_pass[..reach].iter().all(|open| *open == 0)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::contact::ContactState;

    #[test]
    fn only_a_counted_attempt_moves_a_contact_to_the_next_pass() {
        let retry = Next::Retry(Timestamp::UNIX_EPOCH);
        assert_eq!(newly_eligible(&retry, true, 1), Some(2));
        assert_eq!(newly_eligible(&retry, false, 0), None, "it still waits for pass 1");
        assert_eq!(newly_eligible(&Next::Callback(Timestamp::UNIX_EPOCH), true, 3), Some(4));
        assert_eq!(newly_eligible(&Next::Final(ContactState::Failed), true, 1), None);
    }

    #[test]
    fn a_pass_ends_when_nothing_can_feed_it_any_more() {
        assert!(!has_ended(1, false, &[0, 0]), "it has not begun");
        assert!(!has_ended(1, true, &[1, 0]), "somebody waits for it");
        assert!(has_ended(1, true, &[0, 7]), "a later pass does not hold it open");
        assert!(!has_ended(2, true, &[1, 0]), "pass 1 can still feed it");
        assert!(has_ended(2, true, &[0, 0]));
        assert!(has_ended(9, true, &[0]), "passes beyond the list hold nobody");
    }
}
