//! The UDP ports that calls receive their audio on.

use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    time::Duration,
};

use campanile_wire::time::Time;
use mio::net::UdpSocket;

use crate::config::even_ports;

/// How long a port is left alone after a call: packets of that call may still be on
/// their way, and the next call on the port would hear them.
const REST: Duration = Duration::from_secs(4);

/// Ports of other programs that are skipped in a row before a call is given up.
const TRIES: usize = 64;

/// Hands out even ports, the longest unused first. The odd port above each belongs to the
/// same call, which opens it for RTCP once it is answered (RFC 3550 11).
pub(crate) struct PortPool {
    ip: IpAddr,
    free: VecDeque<Port>,
    total: usize,
    hurried: u64,
    skipped: u64,
}

#[derive(Debug, Clone, Copy)]
struct Port {
    number: u16,
    rested_at: Time,
}

impl PortPool {
    /// Ports of `range` on the local address `ip`, which may be unspecified.
    pub(crate) fn new(ip: IpAddr, range: &RangeInclusive<u16>) -> Self {
        let free: VecDeque<_> =
            even_ports(range).map(|number| Port { number, rested_at: Time::ZERO }).collect();
        Self { ip, total: free.len(), free, hurried: 0, skipped: 0 }
    }

    /// A socket on a free port. A port that another program holds is skipped.
    ///
    /// When every free port still rests, the one that rested longest is taken: a
    /// range as small as the calls allow must not hold calls back.
    pub(crate) fn open(&mut self, now: Time) -> io::Result<(u16, UdpSocket)> {
        for _ in 0..TRIES.min(self.free.len()) {
            let Some(port) = self.free.pop_front() else { break };
            match UdpSocket::bind(SocketAddr::new(self.ip, port.number)) {
                Ok(socket) => {
                    if port.rested_at > now {
                        self.hurried += 1;
                        if self.hurried.is_power_of_two() {
                            tracing::warn!(
                                rtp.hurried = self.hurried,
                                "RTP ports are used again sooner than they should; give a larger \
                                 range to --rtp-ports"
                            );
                        }
                    }
                    return Ok((port.number, socket));
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    self.skipped += 1;
                    if self.skipped.is_power_of_two() {
                        tracing::warn!(
                            rtp.port = port.number,
                            rtp.skipped = self.skipped,
                            "An RTP port is held by another program and was skipped; give \
                             --rtp-ports a range that nobody else uses"
                        );
                    }
                    self.free.push_back(Port { rested_at: now + REST, ..port });
                }
                Err(error) => {
                    self.free.push_back(Port { rested_at: now + REST, ..port });
                    return Err(error);
                }
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, "no RTP port is free"))
    }

    /// Takes a port back; it rests before it is handed out again.
    pub(crate) fn give_back(&mut self, number: u16, now: Time) {
        self.free.push_back(Port { number, rested_at: now + REST });
    }

    /// Ports with a call on them.
    pub(crate) fn used(&self) -> usize {
        self.total - self.free.len()
    }

    /// How often a port of another program was skipped.
    #[cfg(test)]
    fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Ports of the range.
    pub(crate) fn total(&self) -> usize {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// Eight ports that were free a moment ago.
    fn range() -> RangeInclusive<u16> {
        let probe = std::net::UdpSocket::bind((LOOPBACK, 0)).unwrap();
        let first = probe.local_addr().unwrap().port().min(65_000) & !1;
        first..=first + 15
    }

    #[test]
    fn a_freed_port_goes_to_the_end_of_the_line() {
        let mut pool = PortPool::new(LOOPBACK, &range());
        let (first, socket) = pool.open(Time::ZERO).unwrap();
        assert_eq!(first % 2, 0);
        assert_eq!(pool.used(), 1);
        drop(socket);
        pool.give_back(first, Time::ZERO);
        assert_eq!(pool.used(), 0);
        let mut others = Vec::new();
        while pool.free.len() > 1 {
            let (port, socket) = pool.open(Time::ZERO).unwrap();
            assert_ne!(port, first, "others were free and rested");
            others.push(socket);
        }
        let (again, _socket) = pool.open(Time::ZERO).unwrap();
        assert_eq!(again, first, "better a tired port than no call");
    }

    #[test]
    fn a_port_of_another_program_is_skipped_and_an_empty_pool_says_so() {
        let range = range();
        let taken = std::net::UdpSocket::bind((LOOPBACK, *range.start())).unwrap();
        let mut pool = PortPool::new(LOOPBACK, &range);
        let (port, _socket) = pool.open(Time::ZERO).unwrap();
        assert_ne!(port, taken.local_addr().unwrap().port());
        assert_eq!(pool.skipped(), 1);

        let mut single = PortPool::new(LOOPBACK, &(*range.start()..=*range.start() + 1));
        assert_eq!(single.total(), 1);
        assert_eq!(single.open(Time::ZERO).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(single.used(), 0, "the port is still in the pool");
    }

    #[test]
    fn fifty_ports_carry_five_thousand_short_calls_beside_three_ports_of_a_stranger() {
        // A hundred ports in a row of which nobody held one a moment ago.
        let first = (20_000..60_000)
            .step_by(100)
            .find(|first| {
                (0..50).all(|n| std::net::UdpSocket::bind((LOOPBACK, first + 2 * n)).is_ok())
            })
            .unwrap();
        let held = |n: u16| std::net::UdpSocket::bind((LOOPBACK, first + 2 * n)).unwrap();
        let strangers = [held(0), held(17), held(49)];
        let mut pool = PortPool::new(LOOPBACK, &(first..=first + 99));
        let mut up: VecDeque<(Time, u16, UdpSocket)> = VecDeque::new();
        let mut last_end = std::collections::BTreeMap::new();
        for call in 0..5_000u64 {
            // 50 a second, half a second each.
            let now = Time(call * 20_000);
            while up.front().is_some_and(|(end, ..)| *end <= now) {
                let (end, port, socket) = up.pop_front().unwrap();
                drop(socket);
                pool.give_back(port, end);
                last_end.insert(port, end);
            }
            let (port, socket) = pool.open(now).unwrap();
            assert!(strangers.iter().all(|taken| taken.local_addr().unwrap().port() != port));
            assert_eq!(port % 2, 0);
            if let Some(end) = last_end.get(&port) {
                // 47 ports, 25 of them in use: 22 calls pass before a port's turn comes.
                assert!(now - *end >= Duration::from_millis(300), "{port} had no rest");
            }
            up.push_back((now + Duration::from_millis(500), port, socket));
        }
        assert!(pool.skipped() >= 3);
        assert_eq!(pool.used(), up.len());
    }
}
