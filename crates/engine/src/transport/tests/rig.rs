//! The links of a SIP thread with the loop around them, and a far end by hand.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use campanile_wire::{
    time::Time,
    ua::{Peer, Transmit},
};
use mio::{Events, Poll, Token};
use tokio::sync::watch;

use super::super::{Connection, Links, Loss, Tls, listener};

const LISTENER: Token = Token(0);
const FIRST: usize = 1;
/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Rig {
    poll: Poll,
    pub(super) links: Links,
    pub(super) now: Time,
    /// Calls are up.
    pub(super) needed: bool,
    pub(super) heard: Vec<String>,
    pub(super) unreachable: Vec<Peer>,
    pub(super) broken: Vec<Peer>,
    pub(super) told: watch::Receiver<Vec<Connection>>,
    listens: std::net::SocketAddr,
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::trusting(Tls::new(None).unwrap())
    }

    pub(super) fn trusting(tls: Tls) -> Self {
        let poll = Poll::new().unwrap();
        let (tell, told) = watch::channel(Vec::new());
        let local = Ipv4Addr::LOCALHOST.into();
        let registry = poll.registry().try_clone().unwrap();
        let mut links = Links::new(tls, local, registry, FIRST, tell);
        let listener = listener("127.0.0.1:0".parse().unwrap()).unwrap();
        let listens = links.listen(listener, LISTENER).unwrap();
        Self {
            poll,
            links,
            now: Time(1_000_000),
            needed: false,
            heard: Vec::new(),
            unreachable: Vec::new(),
            broken: Vec::new(),
            told,
            listens,
        }
    }

    /// With a connection over which an INVITE went and an answer came.
    pub(super) fn connected() -> (Self, Far) {
        let mut rig = Self::new();
        let mut far = Far::at(TcpListener::bind("127.0.0.1:0").unwrap());
        rig.send(far.peer, super::INVITE);
        far.accept(&mut rig);
        far.read(&mut rig, super::INVITE.len());
        far.write(super::OK);
        rig.until(|rig| rig.heard.len() == 1);
        rig.heard.clear();
        (rig, far)
    }

    pub(super) fn send(&mut self, to: Peer, message: &str) {
        self.links.send(Transmit { to, bytes: message.as_bytes().into() }, self.now);
        self.collect();
    }

    /// One turn of the loop of a SIP thread.
    pub(super) fn turn(&mut self) {
        let Self { poll, links, now, heard, .. } = self;
        let mut hear = |_, bytes: &[u8]| heard.push(String::from_utf8(bytes.to_vec()).unwrap());
        links.flush(*now, &mut hear);
        let mut events = Events::with_capacity(64);
        let wait = if links.is_busy() { 0 } else { 2 };
        poll.poll(&mut events, Some(Duration::from_millis(wait))).unwrap();
        for event in &events {
            match event.token() {
                LISTENER => links.accept(*now),
                token => links.ready(token, *now, &mut hear),
            }
        }
        links.flush(*now, &mut hear);
        self.collect();
    }

    pub(super) fn until(&mut self, mut done: impl FnMut(&mut Self) -> bool) {
        let begun = Instant::now();
        while !done(self) {
            assert!(begun.elapsed() < PATIENCE, "what was waited for did not come");
            self.turn();
        }
    }

    /// So much later.
    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.links.wake(self.now, self.needed);
        self.turn();
    }

    /// Somebody who connects to us.
    pub(super) fn stranger(&self) -> Far {
        let stream = TcpStream::connect(self.listens).unwrap();
        stream.set_nonblocking(true).unwrap();
        let peer = Peer::tcp(stream.local_addr().unwrap());
        Far { listener: None, stream: Some(stream), peer }
    }

    fn collect(&mut self) {
        while let Some(loss) = self.links.poll_loss() {
            match loss {
                Loss::Unconnected(peer) | Loss::Unreachable(peer) => self.unreachable.push(peer),
                Loss::Broken(peer) => self.broken.push(peer),
            }
        }
    }
}

/// A far end whose every byte the test decides.
pub(super) struct Far {
    listener: Option<TcpListener>,
    stream: Option<TcpStream>,
    pub(super) peer: Peer,
}

impl Far {
    pub(super) fn at(listener: TcpListener) -> Self {
        listener.set_nonblocking(true).unwrap();
        let peer = Peer::tcp(listener.local_addr().unwrap());
        Self { listener: Some(listener), stream: None, peer }
    }

    pub(super) fn accept(&mut self, rig: &mut Rig) {
        rig.until(|_| match self.listener.as_ref().unwrap().accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(true).unwrap();
                self.stream = Some(stream);
                true
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                false
            }
        });
    }

    pub(super) fn nobody_else_connects(&self) -> bool {
        self.listener.as_ref().unwrap().accept().is_err()
    }

    pub(super) fn stream(&mut self) -> &mut TcpStream {
        self.stream.as_mut().unwrap()
    }

    pub(super) fn write(&mut self, text: &str) {
        self.stream().write_all(text.as_bytes()).unwrap();
    }

    /// The next so many bytes.
    pub(super) fn read(&mut self, rig: &mut Rig, len: usize) -> String {
        let mut text = vec![0; len];
        let mut read = 0;
        rig.until(|_| {
            match self.stream().read(&mut text[read..]) {
                Ok(0) => panic!("closed after {:?}", String::from_utf8_lossy(&text[..read])),
                Ok(bytes) => read += bytes,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            read == len
        });
        String::from_utf8(text).unwrap()
    }

    /// Whether we are hung up on, whatever came before.
    pub(super) fn is_closed(&mut self, rig: &mut Rig) -> bool {
        rig.until(|_| self.is_closed_now());
        true
    }

    pub(super) fn is_closed_now(&mut self) -> bool {
        loop {
            match self.stream().read(&mut [0; 65_536]) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() != ErrorKind::WouldBlock,
            }
        }
    }

    pub(super) fn close(&mut self) {
        self.stream = None;
    }

    /// Drops the connection with RST.
    pub(super) fn reset(&mut self) {
        let stream = self.stream.take().unwrap();
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

/// An address that nobody listens at.
pub(super) fn closed_port() -> Peer {
    Peer::tcp(TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
}
