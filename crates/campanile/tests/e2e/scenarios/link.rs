//! What carries a far end's messages: datagrams, or a stream with or without TLS.

use std::{
    collections::VecDeque,
    io::ErrorKind,
    net::{IpAddr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

/// One message at a time, whatever carries it.
pub(super) struct Link {
    socket: UdpSocket,
    /// Where the last request came from: answers go there.
    pub(super) from: Option<SocketAddr>,
    arrived: VecDeque<Vec<u8>>,
}

impl Link {
    pub(super) fn udp(ip: IpAddr) -> Self {
        let socket = UdpSocket::bind((ip, 0)).unwrap();
        Self { socket, from: None, arrived: VecDeque::new() }
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    /// The next message, or `None` when none came until `deadline`. What is no message, such
    /// as a keep-alive, is not given.
    pub(super) fn receive(&mut self, deadline: Instant) -> Option<Vec<u8>> {
        let mut buffer = vec![0; 65_535];
        loop {
            if let Some(message) = self.arrived.pop_front() {
                return Some(message);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            // A timeout of nothing would mean none at all.
            self.socket.set_read_timeout(Some(left.max(Duration::from_millis(1)))).unwrap();
            match self.socket.recv_from(&mut buffer) {
                Ok((length, from)) => {
                    self.from = Some(from);
                    if !buffer[..length].trim_ascii().is_empty() {
                        self.arrived.push_back(buffer[..length].to_vec());
                    }
                }
                // ICMP about something sent earlier is nothing that arrived.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) => panic!("the far end cannot receive: {error}"),
            }
        }
    }

    pub(super) fn send(&self, bytes: &[u8]) {
        let to = self.from.expect("the dialler speaks first");
        self.socket.send_to(bytes, to).unwrap();
    }
}
