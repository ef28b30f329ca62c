//! What the user agent tells and wants, carried to calls and sockets.

use campanile_domain::{ids::AttemptId, scheduler::CallEvent};
use campanile_wire::{
    message::Uri,
    ua::{self, CallKey, Peer, Redirect, Transport},
};
use tokio::sync::mpsc;

use super::{Shard, ladder};
use crate::{call::Input, clock::Now};

/// A call that a 3xx sends elsewhere: whoever resolves names answers with
/// [`Command::Follow`](super::Command::Follow).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Redirected {
    pub(crate) attempt: AttemptId,
    /// How the call travels, unless a contact names another way.
    pub(crate) transport: Transport,
    /// `sip:` URIs of the same callee, the best first; never empty.
    pub(crate) contacts: Vec<String>,
}

impl Shard {
    /// Takes from the user agent what it tells and what it wants sent.
    pub(super) fn drain(&mut self, now: Now) {
        loop {
            if let Some((key, event)) = self.parts.agent.poll_event() {
                self.on_agent(key, event, now);
            } else if let Some(transmit) = self.parts.agent.poll_transmit() {
                self.send(transmit, now);
            } else if let Some(loss) = self.parts.links.poll_loss() {
                self.lost(loss, now);
            } else if self.drain_beside(now) {
                // There may be more.
            } else {
                return;
            }
        }
    }

    fn on_agent(&mut self, key: CallKey, event: ua::Event, now: Now) {
        let input = match event {
            ua::Event::Provisional { code, sdp } => Input::Provisional { code, sdp },
            ua::Event::Answered { code, reason, sdp } => Input::Answered { code, reason, sdp },
            ua::Event::Renegotiated { sdp } => Input::Renegotiated { sdp },
            ua::Event::Redirected { contacts, .. } => return self.redirected(key, &contacts, now),
            ua::Event::Ended(ended) => return self.sip_ended(key, ended, now),
            // We describe nothing anew but to keep a session alive.
            ua::Event::Reanswered { .. } => return,
            // The called side; we take no calls.
            ua::Event::Incoming(_) | ua::Event::Acked { .. } | ua::Event::Cancelled => return,
            ua::Event::Released => return,
        };
        if let Some(place) = self.calls.place_of_key(key) {
            self.tell_call(place, input, now);
        }
    }

    fn sip_ended(&mut self, key: CallKey, mut ended: ua::Ended, now: Now) {
        let Some(trace) = self.calls.forget_key(key) else { return };
        if matches!(ended.cause, ua::EndCause::NoReply | ua::EndCause::NoConnection) {
            self.parts.suspects.accuse(trace.to.addr);
            // A certificate that has expired tells more than that nothing came.
            if let Some(trouble) = self.parts.links.trouble(trace.to) {
                ended.reason = Some(trouble.to_string());
            }
        }
        let messages = self.parts.agent.take_ladder(key);
        self.recent.keep(trace.attempt, ladder::in_wall_time(messages, now));
        if let Some(place) = trace.place {
            self.tell_call(place, Input::SipEnded(ended), now);
        }
    }

    fn send(&mut self, transmit: ua::Transmit, now: Now) {
        let to = transmit.to;
        match to.transport {
            Transport::Tcp | Transport::Tls => self.parts.links.send(transmit, now.at),
            Transport::Udp => {
                if self.parts.datagrams.send(transmit).is_err() {
                    self.parts.suspects.accuse(to.addr);
                    self.parts.agent.handle_unreachable(now.at, to);
                }
            }
        }
    }

    /// A 3xx is followed to wherever the same callee is. Another number would be a call that
    /// nobody asked for, past every guard (DI-14), and a call on TLS does not leave it.
    fn redirected(&mut self, key: CallKey, contacts: &[Redirect], now: Now) {
        let Some(place) = self.calls.place_of_key(key) else {
            return self.parts.agent.hang_up(now.at, key);
        };
        let Some(entry) = self.calls.get_mut(place) else { return };
        let Peer { transport, .. } = entry.to;
        let fits = |contact: &&Redirect| {
            let Some(uri) = Uri::parse(&contact.uri) else { return false };
            let same = uri.user.is_some_and(|user| bare(user) == bare(&entry.callee));
            let safe = transport != Transport::Tls
                || matches!(uri.transport(), Ok(None | Some(Transport::Tls)));
            same && safe
        };
        let contacts: Vec<_> =
            contacts.iter().filter(fits).map(|contact| contact.uri.clone()).collect();
        let redirected = Redirected { attempt: entry.call.attempt(), transport, contacts };
        // A router that is full or gone resolves nothing.
        if redirected.contacts.is_empty() || self.parts.redirects.try_send(redirected).is_err() {
            self.parts.agent.hang_up(now.at, key);
        }
    }

    pub(super) fn report(&mut self, attempt: AttemptId, event: CallEvent) {
        // There is room for every event of every call, so this waits for nobody; a
        // runner that is gone takes no reports, and the watch over it tells so.
        if let Err(mpsc::error::TrySendError::Full(_)) =
            self.parts.events.try_send((attempt, event))
        {
            tracing::error!(attempt.id = %attempt, "An event of a call was lost: no room");
        }
    }
}

/// A number without its parameters, such as where it was ported to.
fn bare(user: &str) -> &str {
    user.split(';').next().unwrap_or(user)
}
