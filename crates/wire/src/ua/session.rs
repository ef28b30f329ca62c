//! Session timers (RFC 4028): a call whose far end has vanished does not last for ever.

use std::time::Duration;

use super::{
    agenda::Timer,
    call::{Common, Shared},
    event::Means,
};
use crate::{
    message::{Expiry, Message, Name, Refresher},
    time::Time,
};

/// The shortest session that anybody may ask us for, in seconds (RFC 4028 4).
pub(super) const MIN_SE: u32 = 90;
/// A far end that grants less is not refreshed more often than this asks for.
const GRANTED_MIN: u32 = 20;

/// What was agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Session {
    /// How long it lives without a refresh.
    pub(super) seconds: u32,
    /// We refresh it.
    pub(super) ours: bool,
    /// The far end takes UPDATE.
    pub(super) by_update: bool,
}

/// What a request of theirs says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    expiry: Option<Expiry>,
    /// It knows session timers.
    can: bool,
    /// It takes UPDATE, if it says so.
    by_update: Option<bool>,
}

/// What our 2xx says of the session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Agreed {
    /// The value of `Session-Expires`.
    pub(super) expires: Option<String>,
    /// The far end refreshes, so it must know how (`Require: timer`).
    pub(super) required: bool,
}

impl Wish {
    pub(super) fn of(message: &Message<'_>) -> Self {
        Self {
            expiry: message.session_expires(),
            can: message.lists(Name::Supported, "timer"),
            by_update: takes_update(message),
        }
    }

    /// Whether it asks for less than anybody may.
    pub(super) fn is_too_short(&self) -> bool {
        self.expiry.is_some_and(|expiry| expiry.seconds < MIN_SE)
    }
}

impl Agreed {
    /// As headers.
    pub(super) fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let expires = self.expires.as_deref().map(|expires| ("Session-Expires", expires));
        let required = self.required.then_some(("Require", "timer"));
        expires.into_iter().chain(required)
    }
}

impl Common {
    /// Takes what the 2xx to a request of ours grants. Without a grant there is no session timer,
    /// and one that ran is off (RFC 4028 7.2).
    pub(super) fn session_of_answer(
        &mut self,
        shared: &mut Shared,
        now: Time,
        message: &Message<'_>,
    ) {
        let by_update = self.by_update(takes_update(message));
        let session = message.session_expires().map(|expiry| Session {
            seconds: expiry.seconds.max(GRANTED_MIN),
            // One that does not say who is refreshed by us, which does no harm.
            ours: expiry.refresher != Some(Refresher::Uas),
            by_update,
        });
        self.start_session(shared, now, session);
    }

    /// Agrees to what an INVITE, re-INVITE or UPDATE of theirs wishes; the session begins anew.
    pub(super) fn agree(&mut self, shared: &mut Shared, now: Time, wish: Wish) -> Agreed {
        let by_update = self.by_update(wish.by_update);
        let session = match (wish.expiry, self.session) {
            (Some(Expiry { seconds, refresher }), _) => {
                let ours = refresher == Some(Refresher::Uas) || !wish.can;
                Some(Session { seconds: seconds.max(MIN_SE), ours, by_update })
            }
            (None, Some(running)) if running.ours || wish.can => Some(running),
            (None, _) => None,
        };
        self.start_session(shared, now, session);
        let Some(Session { seconds, ours, .. }) = session else { return Agreed::default() };
        let refresher = if ours { Refresher::Uas } else { Refresher::Uac };
        let expires = format!("{seconds};refresher={}", refresher.name());
        Agreed { expires: Some(expires), required: !ours }
    }

    /// A 422 to a request of ours; whether a longer session may do (RFC 4028 7.4).
    pub(super) fn session_too_short(&mut self, message: &Message<'_>) -> bool {
        let Some(least) = message.min_se() else { return false };
        if self.min_se.is_some_and(|known| known >= least) {
            return false;
        }
        self.min_se = Some(least);
        if let Some(session) = &mut self.session {
            session.seconds = session.seconds.max(least);
        }
        true
    }

    /// Refreshes the session now: by UPDATE, which needs no description, where that is taken.
    pub(super) fn refresh(&mut self, shared: &mut Shared, now: Time) {
        let Some(session) = self.session.filter(|session| session.ours) else { return };
        let (means, sdp) = match session.by_update {
            true => (Means::Update, None),
            false => (Means::Reinvite, Some(self.sdp.clone())),
        };
        if !self.renew(shared, now, means, sdp, false) {
            self.refresh_later(shared, now);
        }
    }

    /// Refreshes it soon, for now something was in the way.
    pub(super) fn refresh_later(&mut self, shared: &mut Shared, now: Time) {
        if let Some(session) = self.session.filter(|session| session.ours) {
            let soon = Duration::from_secs(u64::from(session.seconds / 8).max(2));
            self.start(shared, Timer::Refresh, now + soon);
        }
    }

    fn start_session(&mut self, shared: &mut Shared, now: Time, session: Option<Session>) {
        self.stop(shared, Timer::Refresh);
        self.stop(shared, Timer::SessionEnd);
        self.session = session;
        let Some(Session { seconds, ours, .. }) = session else { return };
        let seconds = u64::from(seconds);
        if ours {
            self.start(shared, Timer::Refresh, now + Duration::from_secs(seconds / 2));
        }
        // Who does not refresh hangs up before the other's time is over (RFC 4028 10).
        let end = if ours { seconds } else { seconds - (seconds / 3).min(32) };
        self.start(shared, Timer::SessionEnd, now + Duration::from_secs(end));
    }

    /// What the far end's Allow says, or said before.
    fn by_update(&self, said: Option<bool>) -> bool {
        said.unwrap_or_else(|| self.session.is_some_and(|session| session.by_update))
    }
}

fn takes_update(message: &Message<'_>) -> Option<bool> {
    message.get(Name::Allow).map(|_| message.lists(Name::Allow, "UPDATE"))
}
