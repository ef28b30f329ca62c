//! A carrier over TCP or TLS in threads of its own: it takes every call, and its record is the
//! judge.

#![expect(clippy::unwrap_used, reason = "a far end that cannot go on has failed its test")]

use std::{
    collections::{BTreeMap, HashMap},
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use campanile_wire::{
    framing::{Frame, Framer},
    sdp::{self, Codec},
    time::Time,
    ua::{CallKey, Event, Peer, Transport, UaConfig, UserAgent},
};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How long a thread waits for bytes before it looks for something else to do.
const TICK: Duration = Duration::from_millis(3);

/// What it does with a call.
#[derive(Debug, Clone)]
pub(crate) enum Manner {
    /// Rings and answers; hangs up so long after the ACK, or never.
    Answer(Option<Duration>),
    /// Rings for ever.
    Ring,
    /// Says to go elsewhere.
    Redirect(String),
}

/// What came and went.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record {
    /// Connections that were made to it.
    pub(crate) connections: u32,
    /// INVITEs, without repetitions: their Call-ID and how often each came.
    pub(crate) invites: BTreeMap<String, u32>,
    pub(crate) acked: u32,
    pub(crate) hung_up_here: u32,
    pub(crate) hung_up_there: u32,
    pub(crate) cancelled: u32,
    /// Of the last INVITE.
    pub(crate) last_invite: String,
}

impl Record {
    pub(crate) fn ended(&self) -> u32 {
        self.hung_up_here + self.hung_up_there + self.cancelled
    }
}

pub(crate) struct FarEnd {
    addr: SocketAddr,
    inbox: SyncSender<Input>,
    record: Arc<Mutex<Record>>,
    thread: Option<JoinHandle<()>>,
}

enum Input {
    Message(Peer, Vec<u8>),
    Gone(Peer),
    /// Reset every connection.
    Reset,
    /// Hang up every call.
    HangUp,
    Stop,
}

impl FarEnd {
    /// On a free port of loopback; inside TLS when it is told how.
    pub(crate) fn start(manner: Manner, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (inbox, inputs) = sync_channel(10_000);
        let record = Arc::new(Mutex::new(Record::default()));
        listener.set_nonblocking(true).unwrap();
        let desk = Desk {
            listener,
            tls,
            manner,
            agent: UserAgent::new(
                UaConfig { accept_calls: true, ..UaConfig::new(addr) },
                [addr.port() as u8; 32],
            ),
            lines: HashMap::new(),
            plans: Vec::new(),
            up: Vec::new(),
            begun: Instant::now(),
            inbox: inbox.clone(),
            record: record.clone(),
        };
        let thread = std::thread::spawn(move || desk.run(&inputs));
        Self { addr, inbox, record, thread: Some(thread) }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn record(&self) -> Record {
        self.record.lock().unwrap().clone()
    }

    /// Drops its connections with RST; the calls stay.
    pub(crate) fn reset(&self) {
        self.inbox.send(Input::Reset).unwrap();
    }

    pub(crate) fn hang_up(&self) {
        self.inbox.send(Input::HangUp).unwrap();
    }
}

impl Drop for FarEnd {
    fn drop(&mut self) {
        let _ = self.inbox.send(Input::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread that owns its calls.
struct Desk {
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    manner: Manner,
    agent: UserAgent,
    lines: HashMap<Peer, (SyncSender<Vec<u8>>, TcpStream)>,
    plans: Vec<(Instant, CallKey)>,
    up: Vec<CallKey>,
    begun: Instant,
    inbox: SyncSender<Input>,
    record: Arc<Mutex<Record>>,
}

impl Desk {
    fn run(mut self, inputs: &Receiver<Input>) {
        loop {
            self.accept();
            let input = match inputs.recv_timeout(TICK) {
                Ok(Input::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(input) => Some(input),
                Err(RecvTimeoutError::Timeout) => None,
            };
            let now = Time::from_origin(self.begun.elapsed());
            match input {
                Some(Input::Message(from, bytes)) => {
                    self.note(&bytes);
                    self.agent.handle_message(now, from, &bytes);
                }
                Some(Input::Gone(peer)) => drop(self.lines.remove(&peer)),
                Some(Input::Reset) => {
                    for (_, (_, stream)) in self.lines.drain() {
                        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
                        let _ = stream.shutdown(std::net::Shutdown::Read);
                    }
                }
                Some(Input::HangUp) => {
                    for key in std::mem::take(&mut self.up) {
                        self.agent.hang_up(now, key);
                    }
                }
                Some(Input::Stop) | None => {}
            }
            let due: Vec<_> = self.plans.extract_if(.., |(at, _)| *at <= Instant::now()).collect();
            for (_, key) in due {
                self.agent.hang_up(now, key);
            }
            self.agent.handle_timeout(now);
            while let Some((key, event)) = self.agent.poll_event() {
                self.on_event(now, key, &event);
            }
            while let Some(transmit) = self.agent.poll_transmit() {
                self.send(transmit.to, &transmit.bytes);
            }
        }
    }

    fn accept(&mut self) {
        while let Ok((stream, from)) = self.listener.accept() {
            self.record.lock().unwrap().connections += 1;
            let transport = if self.tls.is_some() { Transport::Tls } else { Transport::Tcp };
            self.open(Peer { transport, addr: from }, stream, self.tls.clone());
        }
    }

    fn open(&mut self, peer: Peer, stream: TcpStream, tls: Option<Arc<ServerConfig>>) {
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(TICK)).unwrap();
        stream.set_nodelay(true).unwrap();
        let (line, to_write) = sync_channel(10_000);
        self.lines.insert(peer, (line, stream.try_clone().unwrap()));
        let inbox = self.inbox.clone();
        std::thread::spawn(move || {
            match tls {
                Some(config) => {
                    let connection = ServerConnection::new(config).unwrap();
                    talk(peer, StreamOwned::new(connection, stream), &to_write, &inbox);
                }
                None => talk(peer, stream, &to_write, &inbox),
            }
            let _ = inbox.send(Input::Gone(peer));
        });
    }

    fn send(&mut self, to: Peer, bytes: &[u8]) {
        // When the caller's connection is gone, its Contact says where to reach it.
        if !self.lines.contains_key(&to) {
            let invite = self.record.lock().unwrap().last_invite.clone();
            let contact = invite.lines().find(|line| line.starts_with("Contact:")).unwrap();
            let (_, addr) = contact.split_once("<sip:").unwrap();
            let addr = addr.split([';', '>']).next().unwrap();
            let addr = addr.rsplit('@').next().unwrap();
            let Ok(stream) = TcpStream::connect(addr) else { return };
            self.open(to, stream, None);
        }
        let _ = self.lines[&to].0.send(bytes.to_vec());
    }

    fn note(&mut self, bytes: &[u8]) {
        if !bytes.starts_with(b"INVITE ") {
            return;
        }
        let text = String::from_utf8_lossy(bytes).into_owned();
        let call_id = text.lines().find_map(|line| line.strip_prefix("Call-ID: "));
        let mut record = self.record.lock().unwrap();
        *record.invites.entry(call_id.unwrap().to_owned()).or_default() += 1;
        record.last_invite = text;
    }

    fn on_event(&mut self, now: Time, key: CallKey, event: &Event) {
        let mut record = self.record.lock().unwrap();
        match event {
            Event::Incoming(_) => match &self.manner {
                Manner::Answer(_) => {
                    self.agent.ring(now, key, 180, None);
                    let addr = SocketAddr::new(self.addr_of_audio(), 9);
                    let codecs = vec![Codec::Pcma];
                    let local = sdp::Local { addr, codecs, session: 1, version: 1 };
                    self.agent.answer(now, key, sdp::offer(&local));
                }
                Manner::Ring => self.agent.ring(now, key, 180, None),
                Manner::Redirect(contact) => {
                    let contact = [("Contact", contact.clone())];
                    self.agent.reject(now, key, 302, &contact);
                }
            },
            Event::Acked { .. } => {
                if let Manner::Answer(talk) = self.manner {
                    record.acked += 1;
                    self.up.push(key);
                    self.plans.extend(talk.map(|talk| (Instant::now() + talk, key)));
                }
            }
            Event::Ended(ended) => match ended.cause {
                campanile_wire::ua::EndCause::ByeReceived => record.hung_up_there += 1,
                campanile_wire::ua::EndCause::ByeSent => record.hung_up_here += 1,
                campanile_wire::ua::EndCause::Cancelled => record.cancelled += 1,
                _ => {}
            },
            _ => {}
        }
    }

    fn addr_of_audio(&self) -> std::net::IpAddr {
        self.listener.local_addr().unwrap().ip()
    }
}

/// Reads and writes on one connection until it ends. What it writes goes in small pieces, and
/// now and then with a keep-alive before it: a network owes nobody whole messages.
fn talk(
    peer: Peer,
    mut stream: impl Read + Write,
    to_write: &Receiver<Vec<u8>>,
    inbox: &SyncSender<Input>,
) {
    let mut framer = Framer::default();
    let mut buffer = [0; 16_384];
    let mut written = 0_usize;
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(bytes) => framer.push(&buffer[..bytes]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
        while let Some(Ok(frame)) = framer.next() {
            if let Frame::Message(message) = frame {
                let _ = inbox.send(Input::Message(peer, message.to_vec()));
            }
        }
        let all: Vec<u8> = to_write.try_iter().flatten().collect();
        written += all.len();
        if written % 7 == 1 && stream.write_all(b"\r\n\r\n").is_err() {
            return;
        }
        for piece in all.chunks(100 + written % 400) {
            if stream.write_all(piece).is_err() {
                return;
            }
        }
    }
}
