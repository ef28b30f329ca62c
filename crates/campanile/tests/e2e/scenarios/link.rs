//! What carries a far end's messages: datagrams, or a stream with or without TLS.

use std::{
    collections::VecDeque,
    io::{ErrorKind, Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How often a far end looks for somebody who connects.
const LOOK: Duration = Duration::from_millis(5);

/// How the dialler reaches a far end.
#[derive(Clone)]
pub(super) enum Transport {
    Udp,
    Tcp,
    /// With the certificate that it shows.
    Tls(Arc<ServerConfig>),
}

/// One message at a time, whatever carries it.
pub(super) struct Link {
    way: Way,
    pub(super) transport: Transport,
    /// Where the last request came from: answers go there.
    pub(super) from: Option<SocketAddr>,
    arrived: VecDeque<Vec<u8>>,
}

enum Way {
    Datagrams(UdpSocket),
    Stream { listener: TcpListener, stream: Option<Stream>, read: Vec<u8> },
}

enum Stream {
    Plain(TcpStream),
    Secret(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Transport {
    /// As a carrier's setting names it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls(_) => "tls",
        }
    }
}

impl Link {
    pub(super) fn udp(ip: IpAddr) -> Self {
        Self::open(ip, Transport::Udp)
    }

    pub(super) fn open(ip: IpAddr, transport: Transport) -> Self {
        let way = match transport {
            Transport::Udp => Way::Datagrams(UdpSocket::bind((ip, 0)).unwrap()),
            Transport::Tcp | Transport::Tls(_) => {
                let listener = TcpListener::bind((ip, 0)).unwrap();
                listener.set_nonblocking(true).unwrap();
                Way::Stream { listener, stream: None, read: Vec::new() }
            }
        };
        Self { way, transport, from: None, arrived: VecDeque::new() }
    }

    pub(super) fn addr(&self) -> SocketAddr {
        match &self.way {
            Way::Datagrams(socket) => socket.local_addr().unwrap(),
            Way::Stream { listener, .. } => listener.local_addr().unwrap(),
        }
    }

    /// The next message, or `None` when none came until `deadline`. What is no message, such
    /// as a keep-alive, is not given.
    pub(super) fn receive(&mut self, deadline: Instant) -> Option<Vec<u8>> {
        loop {
            if let Some(message) = self.arrived.pop_front() {
                return Some(message);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            // A timeout of nothing would mean none at all.
            self.wait(left.max(Duration::from_millis(1)));
        }
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        match &mut self.way {
            Way::Datagrams(socket) => {
                let to = self.from.expect("the dialler speaks first");
                socket.send_to(bytes, to).unwrap();
            }
            Way::Stream { stream, .. } => {
                // Whoever hung up hears no more; what he missed, the scenario misses too.
                let Some(stream) = stream else { return };
                let _ = stream.write(bytes);
            }
        }
    }

    /// Closes the connection; the next is taken.
    pub(super) fn close(&mut self) {
        if let Way::Stream { stream, read, .. } = &mut self.way {
            *stream = None;
            read.clear();
        }
    }

    /// Takes what comes, for so long at most.
    fn wait(&mut self, limit: Duration) {
        match &mut self.way {
            Way::Datagrams(socket) => {
                let mut buffer = vec![0; 65_535];
                socket.set_read_timeout(Some(limit)).unwrap();
                match socket.recv_from(&mut buffer) {
                    // RTCP for a port of somebody's who is gone: of version 2 (RFC 3550 6.4).
                    Ok((length, _)) if length > 0 && buffer[0] >> 6 == 2 => {}
                    Ok((length, from)) => {
                        self.from = Some(from);
                        if !buffer[..length].trim_ascii().is_empty() {
                            self.arrived.push_back(buffer[..length].to_vec());
                        }
                    }
                    // ICMP about something sent earlier is nothing that arrived.
                    Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => panic!("the far end cannot receive: {error}"),
                }
            }
            Way::Stream { listener, stream, read } => {
                let Some(open) = stream else {
                    match listener.accept() {
                        Ok((tcp, from)) => {
                            self.from = Some(from);
                            *stream = Some(Stream::open(tcp, &self.transport));
                        }
                        Err(_) => std::thread::sleep(LOOK.min(limit)),
                    }
                    return;
                };
                if !open.read(limit, read) {
                    *stream = None;
                    read.clear();
                }
                self.arrived.extend(std::iter::from_fn(|| cut(read)));
            }
        }
    }
}

impl Stream {
    fn open(tcp: TcpStream, transport: &Transport) -> Self {
        tcp.set_nonblocking(false).unwrap();
        tcp.set_nodelay(true).unwrap();
        match transport {
            Transport::Tls(config) => {
                let tls = ServerConnection::new(Arc::clone(config)).unwrap();
                Self::Secret(Box::new(StreamOwned::new(tls, tcp)))
            }
            _ => Self::Plain(tcp),
        }
    }

    /// Reads what is there; false when there will be no more.
    fn read(&mut self, limit: Duration, into: &mut Vec<u8>) -> bool {
        let mut buffer = [0; 16_384];
        let tcp = match self {
            Self::Plain(tcp) => &*tcp,
            Self::Secret(tls) => &tls.sock,
        };
        tcp.set_read_timeout(Some(limit)).unwrap();
        let read = match self {
            Self::Plain(tcp) => tcp.read(&mut buffer),
            Self::Secret(tls) => tls.read(&mut buffer),
        };
        match read {
            Ok(length) => {
                into.extend_from_slice(&buffer[..length]);
                length > 0
            }
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.write_all(bytes),
            Self::Secret(tls) => tls.write_all(bytes).and_then(|()| tls.flush()),
        }
    }
}

/// Cuts the first whole message off a stream (RFC 3261 18.3).
fn cut(read: &mut Vec<u8>) -> Option<Vec<u8>> {
    let start = read.iter().position(|byte| !byte.is_ascii_whitespace())?;
    read.drain(..start);
    let head = read.windows(4).position(|part| part == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.expect("a stream needs lengths").trim().parse().unwrap();
    (read.len() >= head + length).then(|| read.drain(..head + length).collect())
}
