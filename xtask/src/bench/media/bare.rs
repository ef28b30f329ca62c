//! The peer: as many sockets, the same packets, and nothing but a timer.

use std::{
    net::{Ipv4Addr, UdpSocket},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;

use super::arrivals::{Arrivals, Judged, header, is_passing};

const FRAME: Duration = Duration::from_millis(20);

/// Sends from `streams` sockets for `window` and says how punctual that was.
pub(super) fn run(streams: u32, window: Duration) -> Result<Judged> {
    let mut arrivals = Arrivals::bind()?;
    let to = arrivals.address()?;
    let sockets = (0..streams)
        .map(|_| {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        })
        .collect::<Result<Vec<_>>>()?;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let sender = scope.spawn(|| -> Result<()> {
            let mut packet = [0xD5; 172];
            let began = Instant::now();
            for frame in 0u32.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                for (number, socket) in sockets.iter().enumerate() {
                    let header = header(frame as u16, frame.wrapping_mul(160), number as u32);
                    packet[..12].copy_from_slice(&header);
                    match socket.send_to(&packet, to) {
                        Err(error) if !is_passing(&error) => return Err(error.into()),
                        _ => {}
                    }
                }
                let next = began + FRAME * (frame + 1);
                thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            Ok(())
        });
        let read_for = |arrivals: &mut Arrivals, time: Duration| -> Result<()> {
            let end = Instant::now() + time;
            while Instant::now() < end {
                arrivals.read()?;
                thread::sleep(Duration::from_millis(2));
            }
            Ok(())
        };
        let read = read_for(&mut arrivals, Duration::from_millis(500)).and_then(|()| {
            arrivals.record();
            read_for(&mut arrivals, window)
        });
        stop.store(true, Ordering::Relaxed);
        sender.join().expect("it does not panic")?;
        read
    })?;
    arrivals.judge(streams, window)
}
