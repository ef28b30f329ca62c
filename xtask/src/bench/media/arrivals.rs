//! Packets as they arrive, by the kernel's clock: the judge of whoever sent them.

use std::{
    io::{ErrorKind, IoSliceMut},
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    os::fd::AsRawFd,
    time::Duration,
};

use anyhow::{Result, ensure};
use nix::{
    cmsg_space,
    errno::Errno,
    sys::{
        socket::{ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt, sockopt},
        time::TimeSpec,
    },
};

/// Bytes before the payload.
const HEADER_BYTES: usize = 12;
/// Samples in 20 ms.
const FRAME_SAMPLES: i64 = 160;
/// Nanoseconds in a sample.
const SAMPLE_NS: i64 = 125_000;

/// A socket that many streams come to, told apart by their ports.
pub(super) struct Arrivals {
    socket: UdpSocket,
    control: Vec<u8>,
    /// By source port.
    streams: Vec<Stream>,
    is_recording: bool,
}

#[derive(Debug, Clone, Default)]
struct Stream {
    /// Extended from 16 and 32 bits as they come.
    sequence: i64,
    timestamp: i64,
    began: bool,
    /// Sequence number, timestamp and arrival in nanoseconds, while it is recorded.
    packets: Vec<(i64, i64, i64)>,
}

/// What became of the packets of all streams in the time that was recorded.
#[derive(Debug)]
pub(super) struct Judged {
    /// 20 ms that passed on the media clocks.
    frames: u64,
    /// Packets that were sent in them, by their numbers.
    sent: u64,
    arrived: u64,
    /// Later than the most punctual packet of the same stream, in nanoseconds; sorted.
    lateness: Vec<i64>,
}

impl Arrivals {
    pub(super) fn bind() -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        // As much as the system gives: while we are kept from reading, packets wait here.
        setsockopt(&socket, sockopt::RcvBuf, &(16 << 20))?;
        Ok(Self {
            socket,
            control: cmsg_space!(TimeSpec),
            streams: vec![Stream::default(); 1 << 16],
            is_recording: false,
        })
    }

    pub(super) fn address(&self) -> Result<SocketAddr> {
        Ok(self.socket.local_addr()?)
    }

    /// To send from the same port.
    pub(super) fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// Keeps what comes from now on.
    pub(super) fn record(&mut self) {
        for stream in &mut self.streams {
            stream.packets.clear();
        }
        self.is_recording = true;
    }

    /// Reads all that came.
    pub(super) fn read(&mut self) -> Result<()> {
        let mut buffer = [0; 2_048];
        loop {
            let mut slices = [IoSliceMut::new(&mut buffer)];
            let got = recvmsg::<SockaddrIn>(
                self.socket.as_raw_fd(),
                &mut slices,
                Some(&mut self.control),
                MsgFlags::MSG_DONTWAIT,
            );
            let (bytes, port, arrived) = match got {
                Ok(got) => {
                    let arrived = got.cmsgs()?.find_map(|message| match message {
                        ControlMessageOwned::ScmTimestampns(at) => {
                            Some(at.tv_sec() * 1_000_000_000 + at.tv_nsec())
                        }
                        _ => None,
                    });
                    (got.bytes, got.address.map(|address| address.port()), arrived)
                }
                Err(Errno::EAGAIN) => return Ok(()),
                // An ICMP error of what we sent to somebody who hung up.
                Err(Errno::ECONNREFUSED | Errno::EINTR) => continue,
                Err(errno) => return Err(std::io::Error::from(errno).into()),
            };
            let (Some(port), Some(arrived)) = (port, arrived) else { continue };
            if bytes >= HEADER_BYTES {
                self.note(port, &buffer[..bytes], arrived);
            }
        }
    }

    fn note(&mut self, port: u16, packet: &[u8], arrived: i64) {
        let stream = &mut self.streams[usize::from(port)];
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let timestamp = u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
        if stream.began {
            stream.sequence += i64::from(sequence.wrapping_sub(stream.sequence as u16) as i16);
            stream.timestamp += i64::from(timestamp.wrapping_sub(stream.timestamp as u32) as i32);
        } else {
            (stream.sequence, stream.timestamp) = (sequence.into(), timestamp.into());
            stream.began = true;
        }
        if self.is_recording {
            stream.packets.push((stream.sequence, stream.timestamp, arrived));
        }
    }

    /// Stops recording and judges `streams` streams, which must have sent for most of the
    /// `window`: on a machine that is too busy even a bare loop falls behind.
    pub(super) fn judge(&mut self, streams: u32, window: Duration) -> Result<Judged> {
        self.is_recording = false;
        let mut judged = Judged { frames: 0, sent: 0, arrived: 0, lateness: Vec::new() };
        let mut heard = 0;
        for stream in self.streams.iter_mut().filter(|stream| !stream.packets.is_empty()) {
            heard += 1;
            judged.take(&std::mem::take(&mut stream.packets));
        }
        ensure!(heard == streams, "{heard} streams were heard of {streams}");
        let least = u64::from(streams) * window.as_millis() as u64 / 20 * 3 / 4;
        ensure!(judged.frames >= least, "{} frames passed of {least}", judged.frames);
        judged.lateness.sort_unstable();
        Ok(judged)
    }

    /// A stream of this port ended; the next of the same port is another.
    pub(super) fn forget(&mut self, port: u16) {
        self.streams[usize::from(port)].began = false;
    }
}

impl Judged {
    fn take(&mut self, packets: &[(i64, i64, i64)]) {
        let bounds = |of: fn(&(i64, i64, i64)) -> i64| {
            let values = packets.iter().map(of);
            values.clone().max().unwrap_or(0) - values.min().unwrap_or(0)
        };
        self.frames += (bounds(|packet| packet.1) / FRAME_SAMPLES + 1) as u64;
        self.sent += (bounds(|packet| packet.0) + 1) as u64;
        self.arrived += packets.len() as u64;
        let way = |packet: &(i64, i64, i64)| packet.2 - packet.1 * SAMPLE_NS;
        let fastest = packets.iter().map(way).min().unwrap_or(0);
        self.lateness.extend(packets.iter().map(|packet| way(packet) - fastest));
    }

    /// Packets sent for each 20 ms that passed.
    pub(super) fn sent_share(&self) -> f64 {
        self.sent as f64 / self.frames as f64
    }

    /// Packets that came for each 20 ms that passed.
    pub(super) fn arrived_share(&self) -> f64 {
        self.arrived as f64 / self.frames as f64
    }

    /// The lateness that the share `quantile` of the packets does not exceed.
    pub(super) fn late_ms(&self, quantile: f64) -> f64 {
        let index = (self.lateness.len() as f64 * quantile) as usize;
        let index = index.min(self.lateness.len().saturating_sub(1));
        self.lateness.get(index).map_or(f64::NAN, |late| *late as f64 / 1e6)
    }
}

/// Twelve bytes of header for 20 ms of A-law.
pub(super) fn header(sequence: u16, timestamp: u32, ssrc: u32) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[0] = 0x80;
    bytes[1] = 8;
    bytes[2..4].copy_from_slice(&sequence.to_be_bytes());
    bytes[4..8].copy_from_slice(&timestamp.to_be_bytes());
    bytes[8..12].copy_from_slice(&ssrc.to_be_bytes());
    bytes
}

/// Whether a packet that was not sent is a matter of the moment.
pub(super) fn is_passing(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_is_against_the_most_punctual_packet_of_the_stream() {
        let mut judged = Judged { frames: 0, sent: 0, arrived: 0, lateness: Vec::new() };
        // A frame was skipped between the second and the third, a packet lost before the last.
        let late = [0, 3_000_000, 1_000_000, 0];
        let packets: Vec<_> = [(10, 0), (11, 1), (12, 3), (14, 5)]
            .iter()
            .zip(late)
            .map(|((number, frame), late)| (*number, frame * 160, 777 + frame * 20_000_000 + late))
            .collect();
        judged.take(&packets);
        assert_eq!((judged.frames, judged.sent, judged.arrived), (6, 5, 4));
        assert_eq!(judged.lateness, late);
        judged.lateness.sort_unstable();
        assert_eq!((judged.late_ms(0.5), judged.late_ms(1.0)), (1.0, 3.0));
    }

    #[test]
    fn the_kernel_says_when_a_packet_came() {
        let mut arrivals = Arrivals::bind().unwrap();
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        arrivals.record();
        for number in 0..50u16 {
            let packet = header(number.wrapping_sub(20), u32::from(number) * 160, 1);
            sender.send_to(&packet, arrivals.address().unwrap()).unwrap();
        }
        std::thread::sleep(Duration::from_millis(100));
        arrivals.read().unwrap();
        let judged = arrivals.judge(1, Duration::from_millis(500)).unwrap();
        assert_eq!((judged.frames, judged.sent, judged.arrived), (50, 50, 50));
        // All at once: the first is a second later than its time, beside the last.
        assert!((950.0..=981.0).contains(&judged.late_ms(1.0)), "{}", judged.late_ms(1.0));
    }
}
