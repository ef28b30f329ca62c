//! Provisionals that must be acknowledged (RFC 3262), on the called side.

use std::{sync::Arc, time::Duration};

use super::{Callee, Phase};
use crate::{
    message::{Message, Name},
    time::Time,
    ua::{
        agenda::Timer,
        call::{Came, Common, Shared},
        compose::ALLOW,
        event::Event,
    },
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
/// What an INVITE says of reliable provisionals.
pub(super) enum Extension {
    Unknown,
    Supported,
    Required,
}

/// One that is not acknowledged.
pub(super) struct Reliable {
    bytes: Arc<[u8]>,
    wait: Duration,
    described: bool,
}

impl Extension {
    pub(super) fn of(message: &Message<'_>) -> Self {
        if message.lists(Name::Require, "100rel") {
            Self::Required
        } else if message.lists(Name::Supported, "100rel") {
            Self::Supported
        } else {
            Self::Unknown
        }
    }
}

impl Callee {
    /// 101 to 199 that asks for PRACK; one at a time (RFC 3262 3). A caller who does not know of
    /// that gets it plain.
    pub(in crate::ua) fn ring_reliably(
        &mut self,
        common: &mut Common,
        shared: &mut Shared,
        now: Time,
        code: u16,
        sdp: Option<&[u8]>,
    ) {
        if self.extension == Extension::Unknown {
            return self.ring(common, shared, now, code, sdp);
        }
        if self.phase != Phase::Ringing || !(101..200).contains(&code) || self.reliable.is_some() {
            return;
        }
        self.rseq += 1;
        let rseq = self.rseq.to_string();
        let headers = [("Require", "100rel"), ("RSeq", &rseq), ("Allow", ALLOW)];
        let bytes = self.write(common, shared, code, &headers, sdp);
        if let Some(sdp) = sdp {
            sdp.clone_into(&mut common.sdp);
        }
        common.send(shared, now, self.reply.to_addr, &bytes);
        let wait = shared.config.timers.t1;
        common.start(shared, Timer::ReliableAgain, now + wait);
        common.start(shared, Timer::ReliableGiveUp, now + shared.patience());
        self.last = Arc::clone(&bytes);
        self.reliable = Some(Reliable { bytes, wait, described: sdp.is_some() });
    }

    pub(super) fn reliable_again(&mut self, common: &mut Common, shared: &mut Shared, now: Time) {
        let Some(reliable) = &mut self.reliable else { return };
        reliable.wait *= 2;
        common.send(shared, now, self.reply.to_addr, &reliable.bytes);
        common.start(shared, Timer::ReliableAgain, now + reliable.wait);
    }

    /// PRACK; also one that comes again.
    pub(super) fn acknowledged(
        &mut self,
        common: &mut Common,
        shared: &mut Shared,
        now: Time,
        came: Came<'_>,
    ) {
        let fits = came.message.rack().is_some_and(|rack| {
            rack.rseq == self.rseq && rack.cseq == self.cseq && rack.method == "INVITE"
        });
        match common.in_order(came.tag_of_from(), came.envelope) {
            Some(true) if fits => {}
            Some(false) => return common.answer(shared, now, came, 500, &[]),
            Some(true) | None => return common.answer(shared, now, came, 481, &[]),
        }
        common.answer(shared, now, came, 200, &[]);
        let Some(reliable) = self.stop_reliable(common, shared) else { return };
        self.rang_reliably |= reliable.described;
        if let Some(sdp) = came.sdp() {
            common.tell(shared, Event::Renegotiated { sdp });
        }
    }

    pub(super) fn stop_reliable(
        &mut self,
        common: &mut Common,
        shared: &mut Shared,
    ) -> Option<Reliable> {
        common.stop(shared, Timer::ReliableAgain);
        common.stop(shared, Timer::ReliableGiveUp);
        self.reliable.take()
    }
}
