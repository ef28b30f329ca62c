//! The RTCP of one call, with the addresses that it goes between.

use std::{net::SocketAddr, time::Duration};

use campanile_domain::attempt::Leg;
use campanile_wire::{
    quality,
    rtcp::Session,
    rtp::{Heard, Sender},
    sdp::Remote,
    time::Time,
};
use jiff::Timestamp;

use crate::clock::Now;

/// Seconds from 1900, where NTP begins, to 1970.
const NTP_EPOCH: u64 = 2_208_988_800;
/// How long a far end lets packets wait: unknown, so the usual.
const USUAL_WAIT: Duration = Duration::from_millis(60);

pub(super) struct Reports {
    session: Session,
    /// Where the last report came from: behind NAT not where it was said to.
    heard_from: Option<SocketAddr>,
}

impl Reports {
    pub(super) fn new(sender: &Sender, now: Now) -> Self {
        // Spread over calls as evenly as their random beginnings are.
        let random = (u64::from(sender.ssrc()) << 32 | u64::from(sender.timestamp()))
            .wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let session = Session::new(sender.ssrc(), sender.sequence(), ntp(now.wall), random, now.at);
        Self { session, heard_from: None }
    }

    pub(super) fn due(&self) -> Time {
        self.session.due()
    }

    pub(super) fn write(
        &mut self,
        now: Time,
        sender: &Sender,
        heard: Option<Heard>,
        is_last: bool,
        packet: &mut Vec<u8>,
    ) {
        self.session.report(now, sender, heard, is_last, packet);
    }

    /// Takes in a report; whether it was one.
    pub(super) fn receive(
        &mut self,
        from: SocketAddr,
        datagram: &[u8],
        sender: &Sender,
        now: Time,
    ) -> bool {
        let is_report = self.session.receive(now, sender, datagram).is_ok();
        if is_report {
            self.heard_from = Some(from);
        }
        is_report
    }

    /// Where reports go, when audio goes to `audio`.
    pub(super) fn destination(&self, remote: &Remote, audio: SocketAddr) -> SocketAddr {
        self.heard_from.unwrap_or_else(|| match audio.ip() == remote.addr.ip() {
            true => remote.rtcp,
            false => SocketAddr::new(audio.ip(), audio.port().saturating_add(1)),
        })
    }

    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.session.round_trip()
    }

    /// How our audio was at the far end.
    pub(super) fn told(&self) -> Option<Leg> {
        let told = self.session.told()?;
        let loss = told.lost as f32 / (told.received + told.lost).max(1) as f32;
        let way = self.session.round_trip().unwrap_or_default() / 2;
        Some(Leg {
            received: told.received,
            lost: told.lost,
            jitter_ms: told.jitter.as_secs_f32() * 1_000.0,
            mos: (told.received >= 50).then(|| quality::mos(loss, way + USUAL_WAIT)),
            ..Leg::default()
        })
    }
}

/// Seconds since 1900 in 32.32 bits (RFC 3550 4); wraps in 2036 as all of NTP does.
fn ntp(wall: Timestamp) -> u64 {
    let nanoseconds = u128::try_from(wall.as_nanosecond()).unwrap_or(0);
    let seconds = (nanoseconds / 1_000_000_000) as u64 + NTP_EPOCH;
    let fraction = ((nanoseconds % 1_000_000_000) << 32) / 1_000_000_000;
    seconds << 32 | fraction as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ntp_counts_from_1900() {
        assert_eq!(ntp(Timestamp::UNIX_EPOCH), NTP_EPOCH << 32);
        let half = Timestamp::from_millisecond(1_500).unwrap();
        assert_eq!(ntp(half), (NTP_EPOCH + 1) << 32 | 1 << 31);
    }
}
