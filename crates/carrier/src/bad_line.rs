//! The line between a simulated carrier and its callers, when it is a bad one.

use std::{net::SocketAddr, time::Duration};

use serde::Serialize;

use crate::{impairment::Impairment, relay::Relayed, transit::Transit};

/// How a carrier's line treats what passes it, the same in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BadLine {
    /// SIP.
    pub signals: Impairment,
    /// RTP.
    pub audio: Impairment,
}

/// What a bad line did. `there` is from the callers to the carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Passed {
    /// SIP.
    pub signals: Relayed,
    /// RTP.
    pub audio: Relayed,
}

/// The two directions of what one socket speaks.
pub(crate) struct Ways {
    pub(crate) there: Transit<SocketAddr>,
    pub(crate) back: Transit<SocketAddr>,
}

/// A bad line at work.
pub(crate) struct Impaired {
    pub(crate) signals: Ways,
    pub(crate) audio: Ways,
}

impl BadLine {
    /// The same for SIP and RTP.
    pub fn all(impairment: Impairment) -> Self {
        Self { signals: impairment, audio: impairment }
    }

    /// Whether every chance is one; the text names the first that is none.
    pub fn check(&self) -> Result<(), String> {
        self.signals.check().and_then(|()| self.audio.check())
    }
}

impl Ways {
    fn new(impairment: Impairment, seed: u64) -> Self {
        Self { there: Transit::new(impairment, seed), back: Transit::new(impairment, !seed) }
    }

    fn relayed(&self) -> Relayed {
        Relayed { there: self.there.counts, back: self.back.counts }
    }
}

impl Impaired {
    /// Each direction draws its own luck from the seed.
    pub(crate) fn new(line: BadLine, seed: u64) -> Self {
        Self {
            signals: Ways::new(line.signals, seed),
            audio: Ways::new(line.audio, seed.rotate_left(32) ^ 1),
        }
    }

    /// When something is due.
    pub(crate) fn next_at(&self) -> Option<Duration> {
        let Self { signals, audio } = self;
        let ways = [&signals.there, &signals.back, &audio.there, &audio.back];
        ways.into_iter().filter_map(Transit::next_at).min()
    }

    pub(crate) fn passed(&self) -> Passed {
        Passed { signals: self.signals.relayed(), audio: self.audio.relayed() }
    }
}
