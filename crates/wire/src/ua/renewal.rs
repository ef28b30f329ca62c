//! A session described anew by us: by the owner's wish, or to keep it alive.

use std::time::Duration;

use super::{
    agenda::Timer,
    asking::{Answered, Purpose},
    call::{Came, Common, Shared},
    event::{Event, Means},
};
use crate::time::Time;

/// Both offered at once; after this many times the owner is told.
const GLARES_MAX: u8 = 4;
/// A session that is said to be too short is asked for anew no more often than this.
const TOO_SHORT_MAX: u8 = 2;

/// What is under way.
#[derive(Debug, Clone)]
pub(super) struct Renewal {
    means: Means,
    /// What we offer; `None`: an UPDATE that only refreshes.
    pub(super) sdp: Option<Vec<u8>>,
    by_owner: bool,
    glares: u8,
    too_short: u8,
}

impl Common {
    /// Offers `sdp`, or refreshes the session. False when the call is not up, or something of
    /// the kind is under way.
    pub(super) fn renew(
        &mut self,
        shared: &mut Shared,
        now: Time,
        means: Means,
        sdp: Option<Vec<u8>>,
        by_owner: bool,
    ) -> bool {
        let Some(tag) = self.tag().filter(|_| self.renewal.is_none() && !self.is_ended()) else {
            return false;
        };
        // Their re-INVITE of which we wait for the ACK comes first (RFC 3261 14.1).
        if self.final_sent.is_some() {
            return false;
        }
        self.renewal = Some(Renewal { means, sdp, by_owner, glares: 0, too_short: 0 });
        self.ask(shared, now, &tag, Purpose::Renew(means));
        true
    }

    /// Tries again after a pause.
    pub(super) fn renew_again(&mut self, shared: &mut Shared, now: Time) {
        if let Some(means) = self.renewal.as_ref().map(|renewal| renewal.means)
            && let Some(tag) = self.tag()
        {
            self.ask(shared, now, &tag, Purpose::Renew(means));
        }
    }

    /// The final answer to it.
    pub(super) fn renewed(
        &mut self,
        shared: &mut Shared,
        now: Time,
        means: Means,
        code: u16,
        came: Came<'_>,
    ) -> Answered {
        let Some(mut renewal) = self.renewal.take() else { return Answered::Done };
        match code {
            200..300 => {
                self.session_of_answer(shared, now, came.message);
                if renewal.by_owner
                    && let Some(sdp) = renewal.sdp.take()
                {
                    self.sdp = sdp;
                }
                match (renewal.by_owner, came.sdp()) {
                    (true, sdp) => self.tell(shared, Event::Reanswered { code, sdp }),
                    (false, Some(sdp)) => self.tell(shared, Event::Renegotiated { sdp }),
                    (false, None) => {}
                }
            }
            // The dialog is gone (RFC 3261 12.2.1.2).
            408 | 481 => return Answered::Lost,
            // Glare: who placed the call waits longer (RFC 3261 14.1).
            491 if renewal.glares < GLARES_MAX => {
                renewal.glares += 1;
                self.renewal = Some(renewal);
                let wait = self.after_glare(shared);
                self.start(shared, Timer::RenewAgain, now + wait);
            }
            422 if renewal.too_short < TOO_SHORT_MAX && self.session_too_short(came.message) => {
                renewal.too_short += 1;
                self.renewal = Some(renewal);
                self.renew_again(shared, now);
            }
            405 | 501 if !renewal.by_owner && means == Means::Update => {
                if let Some(session) = &mut self.session {
                    session.by_update = false;
                }
                self.refresh(shared, now);
            }
            _ if renewal.by_owner => self.tell(shared, Event::Reanswered { code, sdp: None }),
            // It may be taken later; the end of the session is near enough.
            _ => self.refresh_later(shared, now),
        }
        Answered::Done
    }

    /// 2.1 to 4 s for who made the Call-ID, 0 to 2 s for the other, in steps of 10 ms.
    fn after_glare(&self, shared: &mut Shared) -> Duration {
        let random = shared.tokens.next();
        let steps = if self.placed { 210 + random % 191 } else { random % 201 };
        Duration::from_millis(steps * 10)
    }
}
