//! The SIP user agent alone: INVITE, ACK and BYE at a rate, as `sipp -sn uac` does them.
//!
//! `signalling ADDRESS RATE CALLS` calls ADDRESS (UDP) and prints one JSON object with
//! `calls` and `failed`. `cargo xtask bench calls` runs it in turns with sipp; it shows
//! what of the dialler's CPU is signalling.

use std::{
    env,
    net::SocketAddr,
    process::ExitCode,
    time::{Duration, Instant},
};

use campanile_wire::{
    sdp::{self, Codec},
    time::Time,
    ua::{EndCause, Event, Invite, Peer, Transport, UaConfig, UserAgent},
};
use mio::{Events, Interest, Poll, Token, net::UdpSocket};
use socket2::{Domain, Protocol, Socket, Type};

/// Calls leave in bursts this far apart, as sipp's do.
const BURST_EVERY: Duration = Duration::from_millis(5);
/// Calls up at once.
const CALLS_MAX: usize = 10_000;
/// What the product gives its SIP socket.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;

fn main() -> ExitCode {
    match arguments().and_then(|(to, rate, calls)| run(to, rate, calls)) {
        Ok((calls, failed)) => {
            println!("{{\"calls\": {calls}, \"failed\": {failed}}}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}\nusage: signalling ADDRESS RATE CALLS");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<(SocketAddr, u32, u32), String> {
    let given: Vec<String> = env::args().skip(1).collect();
    let [to, rate, calls] = given.as_slice() else { return Err("three arguments".into()) };
    let number = |text: &String| text.parse().map_err(|error| format!("{text}: {error}"));
    Ok((to.parse().map_err(|error| format!("{to}: {error}"))?, number(rate)?, number(calls)?))
}

fn run(to: SocketAddr, rate: u32, calls: u32) -> Result<(u32, u32), String> {
    let mut caller = Caller::start(to).map_err(|error| error.to_string())?;
    let origin = Instant::now();
    let mut events = Events::with_capacity(64);
    let mut next_burst = Duration::ZERO;
    while caller.ended < calls {
        let now = origin.elapsed();
        if caller.placed < calls && now >= next_burst {
            let due = (now.as_secs_f64() * f64::from(rate)) as u32 + 1;
            while caller.placed < calls.min(due) {
                caller.place(Time::from_origin(origin.elapsed()))?;
            }
            next_burst = now + BURST_EVERY;
        }
        let burst = (caller.placed < calls).then_some(next_burst);
        let timer =
            caller.agent.poll_timeout().map(|at| at.since(Time::from_origin(Duration::ZERO)));
        let wake = [burst, timer].into_iter().flatten().min();
        let timeout = wake.map(|wake| wake.saturating_sub(origin.elapsed()));
        caller.poll.poll(&mut events, timeout).map_err(|error| error.to_string())?;
        caller.turn(origin)?;
    }
    Ok((calls, calls - caller.good))
}

/// A user agent with its socket.
struct Caller {
    agent: UserAgent,
    socket: UdpSocket,
    poll: Poll,
    here: SocketAddr,
    to: SocketAddr,
    buffer: Box<[u8]>,
    placed: u32,
    ended: u32,
    good: u32,
}

impl Caller {
    fn start(to: SocketAddr) -> std::io::Result<Self> {
        let socket = Socket::new(Domain::for_address(to), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
        socket.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SocketAddr::new(to.ip(), 0).into())?;
        let mut socket = UdpSocket::from_std(socket.into());
        let here = socket.local_addr()?;
        let poll = Poll::new()?;
        poll.registry().register(&mut socket, Token(0), Interest::READABLE)?;
        let agent = UserAgent::new(
            UaConfig { max_calls: CALLS_MAX, ..UaConfig::new(here) },
            rand::random(),
        );
        let buffer = vec![0; 65_535].into_boxed_slice();
        Ok(Self { agent, socket, poll, here, to, buffer, placed: 0, ended: 0, good: 0 })
    }

    fn place(&mut self, now: Time) -> Result<(), String> {
        self.placed += 1;
        let (here, to, number) = (self.here, self.to, self.placed);
        let offer = sdp::offer(&sdp::Local {
            addr: SocketAddr::new(here.ip(), 20_000),
            codecs: vec![Codec::Pcma, Codec::Pcmu],
            session: u64::from(number),
            version: 1,
        });
        let invite = Invite {
            to: Peer { transport: Transport::Udp, addr: to },
            further: Vec::new(),
            route: Vec::new(),
            request_uri: format!("sip:+9198{number:08}@{to}"),
            from_uri: format!("sip:+911140001000@{here}"),
            from_display: None,
            to_uri: format!("sip:+9198{number:08}@{to}"),
            call_id: format!("{number}.1@{here}"),
            sdp: offer,
            late_offer: false,
            auth: None,
            headers: Vec::new(),
        };
        self.agent.invite(now, invite).map_err(|error| error.to_string())?;
        self.drain(now)
    }

    /// Reads what came and does what is due.
    fn turn(&mut self, origin: Instant) -> Result<(), String> {
        let now = Time::from_origin(origin.elapsed());
        // An error other than "nothing more" is an ICMP message of an earlier datagram.
        while let Ok((bytes, from)) = self.socket.recv_from(&mut self.buffer) {
            let from = Peer { transport: Transport::Udp, addr: from };
            self.agent.handle_message(now, from, &self.buffer[..bytes]);
            self.drain(now)?;
        }
        self.agent.handle_timeout(now);
        self.drain(now)
    }

    fn drain(&mut self, now: Time) -> Result<(), String> {
        loop {
            if let Some((call, event)) = self.agent.poll_event() {
                match event {
                    Event::Answered { .. } => self.agent.hang_up(now, call),
                    Event::Ended(ended) => {
                        self.ended += 1;
                        self.good += u32::from(ended.cause == EndCause::ByeSent);
                        // The product keeps it for the page of the attempt.
                        drop(self.agent.take_ladder(call));
                    }
                    _ => {}
                }
            } else if let Some(transmit) = self.agent.poll_transmit() {
                // What the system does not take is retransmitted by the timers.
                let _ = self.socket.send_to(&transmit.bytes, transmit.to.addr);
            } else {
                return Ok(());
            }
        }
    }
}
