//! 3xx (RFC 3261 8.1.3.4): told to the owner, and followed where he says.

use super::{Caller, Input, Phase};
use crate::{
    message::Message,
    time::Time,
    ua::{
        agenda::Timer,
        call::{Came, Common, Shared},
        event::{Event, Redirect},
        peer::Peer,
    },
};

/// So many 3xx are followed, one after the other.
const HOPS_MAX: u8 = 3;
/// So many contacts of a 3xx are told.
const CONTACTS_MAX: usize = 8;

impl Caller {
    /// Whether a 3xx leads anywhere, and not on and on.
    pub(super) fn may_follow(&self, message: &Message<'_>) -> bool {
        self.hops < HOPS_MAX && !redirects(message).is_empty()
    }

    pub(super) fn report_redirect(
        &self,
        common: &mut Common,
        shared: &mut Shared,
        now: Time,
        came: Came<'_>,
    ) {
        let code = common.verdict.code.unwrap_or(300);
        common.tell(shared, Event::Redirected { code, contacts: redirects(came.message) });
        common.start(shared, Timer::RedirectGiveUp, now + shared.patience());
    }

    /// The owner says where to go after a 3xx.
    pub(in crate::ua) fn follow(
        &mut self,
        common: &mut Common,
        shared: &mut Shared,
        now: Time,
        to: Peer,
        uri: &str,
    ) {
        if self.phase != Phase::Redirected {
            return;
        }
        uri.clone_into(&mut self.invite.request_uri);
        self.invite.further.clear();
        if !common.account.is_for(to) {
            self.invite.route.clear();
        }
        common.account.forget();
        common.transport = to.transport;
        self.sent.to = to;
        self.hops += 1;
        self.input(common, shared, now, Input::Follow, None);
    }
}

/// Where a 3xx points that a call can go to. Headers and method of a Contact are not for us to
/// take over (RFC 3261 19.1.5).
fn redirects(message: &Message<'_>) -> Vec<Redirect> {
    let contacts = message.contacts_by_q().into_iter();
    let sip =
        contacts.filter(|(uri, _)| uri.get(..3).is_some_and(|s| s.eq_ignore_ascii_case("sip")));
    let bare = |uri: &str| {
        let user = uri.find('@').unwrap_or(0);
        let end = uri[user..].find('?').map_or(uri.len(), |at| user + at);
        uri[..end].to_owned()
    };
    sip.map(|(uri, q)| Redirect { uri: bare(uri), q }).take(CONTACTS_MAX).collect()
}
