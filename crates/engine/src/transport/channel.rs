//! An open connection: a socket, perhaps inside TLS, and what came in pieces.

use std::{
    io::{self, IoSlice, Read, Write},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use campanile_wire::framing::Framer;
use mio::net::TcpStream;
use rustls::{ClientConnection, pki_types::CertificateDer};
use socket2::{Domain, Protocol, Socket, Type};

use super::queue::Queue;

/// How long the system waits for the far end to confirm what was written (TCP_USER_TIMEOUT): a
/// half-open connection shows before Timer B gives up the calls on it.
const UNCONFIRMED_MAX: Duration = Duration::from_secs(15);
/// Messages written at once.
const PIECES: usize = 64;

/// See the module.
pub(super) struct Channel {
    socket: TcpStream,
    /// The TCP connection stands.
    connected: bool,
    tls: Option<Box<ClientConnection>>,
    pub(super) framer: Framer,
}

/// What one read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    /// Bytes for the framer; there may be more.
    Some,
    /// All there was for now.
    Nothing,
    /// The far end closed it.
    End,
}

/// Why a connection cannot go on.
#[derive(Debug)]
pub(super) enum Fault {
    Io(io::Error),
    Tls(rustls::Error),
    /// Closed before it was open.
    Ended,
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Channel {
    /// Begins to connect, from `local` if it matters from where.
    pub(super) fn connect(
        to: SocketAddr,
        local: Option<IpAddr>,
        tls: Option<ClientConnection>,
    ) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        if let Some(local) = local.filter(|local| local.is_ipv4() == to.is_ipv4()) {
            socket.bind(&SocketAddr::new(local, 0).into())?;
        }
        set_up(&socket)?;
        match socket.connect(&to.into()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error)
                if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
            Err(error) => return Err(error),
        }
        let socket = TcpStream::from_std(socket.into());
        Ok(Self { socket, connected: false, tls: tls.map(Box::new), framer: Framer::default() })
    }

    /// One that the far end made.
    pub(super) fn accepted(socket: TcpStream) -> io::Result<Self> {
        set_up(&socket2::SockRef::from(&socket))?;
        Ok(Self { socket, connected: true, tls: None, framer: Framer::default() })
    }

    pub(super) fn socket(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// What the far end proved to be.
    pub(super) fn certificates(&self) -> Option<&[CertificateDer<'static>]> {
        self.tls.as_ref()?.peer_certificates()
    }

    /// Goes on with connecting; true once messages can pass.
    pub(super) fn open(&mut self) -> Result<bool, Fault> {
        if !self.connected {
            if let Some(error) = self.socket.take_error()? {
                return Err(error.into());
            }
            match self.socket.peer_addr() {
                Ok(_) => self.connected = true,
                Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        loop {
            self.write_tls()?;
            let Some(tls) = &mut self.tls else { return Ok(true) };
            if !tls.is_handshaking() {
                return Ok(true);
            }
            match self.read_tls()? {
                Came::Some => {}
                Came::Nothing => return Ok(false),
                Came::End => return Err(Fault::Ended),
            }
        }
    }

    /// Reads once into the framer, which is to be emptied before the next time.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<Came, Fault> {
        loop {
            let read = match &mut self.tls {
                Some(tls) => tls.reader().read(buffer),
                None => self.socket.read(buffer),
            };
            match read {
                Ok(0) => return Ok(Came::End),
                Ok(bytes) => {
                    self.framer.push(&buffer[..bytes]);
                    return Ok(Came::Some);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.tls.is_none() {
                        return Ok(Came::Nothing);
                    }
                    match self.read_tls()? {
                        Came::Some => {}
                        other => return Ok(other),
                    }
                }
                // TLS that was cut off without its farewell.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Came::End),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Writes as much as the socket takes; whether it took any.
    pub(super) fn write(&mut self, queue: &mut Queue) -> Result<bool, Fault> {
        let mut moved = false;
        loop {
            let wrote = match &mut self.tls {
                Some(tls) => {
                    while let Some(piece) = queue.front() {
                        let bytes = tls.writer().write(piece)?;
                        if bytes == 0 {
                            break;
                        }
                        queue.advance(bytes);
                    }
                    if !self.write_tls()? {
                        return Ok(moved);
                    }
                    moved = true;
                    if queue.is_empty() {
                        return Ok(true);
                    }
                    continue;
                }
                None if queue.is_empty() => return Ok(moved),
                None => {
                    let pieces: Vec<_> = queue.pieces(PIECES).map(IoSlice::new).collect();
                    self.socket.write_vectored(&pieces)
                }
            };
            match wrote {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Ok(bytes) => {
                    queue.advance(bytes);
                    moved = true;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(moved),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether TLS holds bytes that the socket had no room for.
    pub(super) fn is_clogged(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Says farewell inside TLS; TCP says its own when it is dropped.
    pub(super) fn close(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            // A far end that takes nothing any more is not waited for.
            let _ = self.write_tls();
        }
    }

    /// Whether anything was written.
    fn write_tls(&mut self) -> Result<bool, Fault> {
        let Some(tls) = &mut self.tls else { return Ok(false) };
        let mut wrote = false;
        while tls.wants_write() {
            match tls.write_tls(&mut self.socket) {
                Ok(_) => wrote = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(wrote),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(wrote)
    }

    fn read_tls(&mut self) -> Result<Came, Fault> {
        let Some(tls) = &mut self.tls else { return Ok(Came::Nothing) };
        match tls.read_tls(&mut self.socket) {
            Ok(0) => return Ok(Came::End),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Came::Nothing),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Came::Some),
            Err(error) => return Err(error.into()),
        }
        let processed = tls.process_new_packets();
        // The far end is told why, if it still listens.
        let _ = self.write_tls();
        processed.map(|_| Came::Some).map_err(Fault::Tls)
    }
}

fn set_up(socket: &Socket) -> io::Result<()> {
    // A SIP message waits for no other.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(Some(UNCONFIRMED_MAX))
}
