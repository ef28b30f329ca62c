//! A calling user agent whose far end is the test itself, message by message.

use std::time::Duration;

use super::net::{End, invite};
use crate::{
    time::Time,
    ua::{CallKey, EndCause, Ended, Event, Invite, Peer, UaConfig, UserAgent},
};

/// The user agent under test and what it did.
pub(super) struct ByHand {
    pub(super) agent: UserAgent,
    pub(super) now: Time,
    /// Datagrams sent since they were last taken.
    sent: Vec<(Peer, String)>,
    pub(super) events: Vec<(CallKey, Event)>,
}

/// The value of a header in a message that we wrote, the first of its name.
pub(super) fn header<'a>(message: &'a str, name: &str) -> &'a str {
    headers(message, name).first().copied().unwrap_or_else(|| panic!("no {name} in {message}"))
}

/// All values of a header in a message that we wrote.
pub(super) fn headers<'a>(message: &'a str, name: &str) -> Vec<&'a str> {
    message
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        .collect()
}

pub(super) fn branch(message: &str) -> &str {
    let via = header(message, "Via");
    via.split(';').find_map(|param| param.strip_prefix("branch=")).unwrap()
}

/// The first word and the CSeq: `INVITE 1`.
pub(super) fn what(message: &str) -> String {
    let method = message.split(' ').next().unwrap();
    format!("{method} {}", header(message, "CSeq").split(' ').next().unwrap())
}

/// An answer to a request, with `tag` on To and further header lines.
pub(super) fn answer(request: &str, code: u16, tag: &str, more: &str) -> String {
    let mut text = format!("SIP/2.0 {code} Whatever\r\n");
    for name in ["Via", "From", "Call-ID", "CSeq"] {
        for value in headers(request, name) {
            text += &format!("{name}: {value}\r\n");
        }
    }
    let to = header(request, "To");
    let tag =
        if to.contains("tag=") || tag.is_empty() { String::new() } else { format!(";tag={tag}") };
    text + &format!("To: {to}{tag}\r\n{more}Content-Length: 0\r\n\r\n")
}

/// A 2xx from a callee at the usual address.
pub(super) fn ok(request: &str, tag: &str) -> String {
    answer(request, 200, tag, "Contact: <sip:callee@192.0.2.2:5070>\r\n")
}

/// A request of the far end within the call that `invite` began.
pub(super) fn request(invite: &str, method: &str, cseq: u32, tag: &str, more: &str) -> String {
    let (from, to) = (header(invite, "From"), header(invite, "To"));
    format!(
        "{method} sip:caller@192.0.2.1 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKfar{method}{cseq}\r\n\
         From: {to};tag={tag}\r\nTo: {from}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\n{more}",
        header(invite, "Call-ID"),
    )
}

/// As [`request`], without a body.
pub(super) fn bare(invite: &str, method: &str, cseq: u32, tag: &str) -> String {
    request(invite, method, cseq, tag, "Content-Length: 0\r\n\r\n")
}

/// As [`request`], with a description.
pub(super) fn with_sdp(invite: &str, method: &str, cseq: u32, tag: &str, sdp: &str) -> String {
    let more = format!(
        "Contact: <sip:callee@192.0.2.2:5099>\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    );
    request(invite, method, cseq, tag, &more)
}

impl ByHand {
    pub(super) fn new() -> Self {
        Self::with(UaConfig::new(End::Caller.addr()))
    }

    pub(super) fn with(config: UaConfig) -> Self {
        Self {
            agent: UserAgent::new(config, [1; 32]),
            now: Time(1_000_000),
            sent: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Places a call; its INVITE.
    pub(super) fn call(&mut self) -> (CallKey, String) {
        self.place(invite(1))
    }

    pub(super) fn place(&mut self, invite: Invite) -> (CallKey, String) {
        let key = self.agent.invite(self.now, invite).unwrap();
        (key, self.one())
    }

    /// A datagram comes from the usual far end.
    pub(super) fn receive(&mut self, message: impl AsRef<[u8]>) {
        self.agent.handle_message(self.now, Peer::udp(End::Callee.addr()), message.as_ref());
        self.collect();
    }

    /// A datagram comes from another address.
    pub(super) fn receive_from(&mut self, from: &str, message: impl AsRef<[u8]>) {
        self.receive_by(Peer::udp(from.parse().unwrap()), message);
    }

    /// A message comes from a peer.
    pub(super) fn receive_by(&mut self, from: Peer, message: impl AsRef<[u8]>) {
        self.agent.handle_message(self.now, from, message.as_ref());
        self.collect();
    }

    pub(super) fn cancel(&mut self, key: CallKey) {
        self.agent.cancel(self.now, key);
        self.collect();
    }

    pub(super) fn hang_up(&mut self, key: CallKey) {
        self.agent.hang_up(self.now, key);
        self.collect();
    }

    /// Lets time pass; what was sent, as milliseconds since now and first line.
    pub(super) fn pass(&mut self, duration: Duration) -> Vec<(u64, String)> {
        let (began, end) = (self.now, self.now + duration);
        let mut sent = Vec::new();
        while let Some(at) = self.agent.poll_timeout().filter(|at| *at <= end) {
            self.now = at;
            self.agent.handle_timeout(at);
            self.collect();
            let after = (at - began).as_millis() as u64;
            sent.extend(self.taken().into_iter().map(|message| (after, what(&message))));
        }
        self.now = end;
        sent
    }

    /// What was sent since it was last asked for.
    pub(super) fn taken(&mut self) -> Vec<String> {
        self.addressed().into_iter().map(|(_, message)| message).collect()
    }

    /// As `taken`, with where it went.
    pub(super) fn addressed(&mut self) -> Vec<(Peer, String)> {
        self.collect();
        std::mem::take(&mut self.sent)
    }

    /// The one message that was sent since it was last asked for.
    pub(super) fn one(&mut self) -> String {
        let sent = self.taken();
        assert_eq!(sent.len(), 1, "{sent:#?}");
        sent.into_iter().next().unwrap()
    }

    /// How the call ended, which it must have done once.
    pub(super) fn ended(&self) -> Ended {
        let ends: Vec<_> = self
            .events
            .iter()
            .filter_map(
                |(_, event)| if let Event::Ended(ended) = event { Some(ended) } else { None },
            )
            .collect();
        assert_eq!(ends.len(), 1, "{:#?}", self.events);
        ends[0].clone()
    }

    pub(super) fn cause(&self) -> EndCause {
        self.ended().cause
    }

    pub(super) fn is_up(&self) -> bool {
        !self.events.iter().any(|(_, event)| matches!(event, Event::Ended(_)))
    }

    /// After 64*T1 nothing may be left; and the last event of each call is its release.
    pub(super) fn assert_all_released(&mut self) {
        self.pass(Duration::from_secs(33));
        assert_eq!((self.agent.live_calls(), self.agent.kept_calls()), (0, 0));
        assert_eq!(self.agent.poll_timeout(), None);
        assert!(self.agent.shared.agenda.is_empty());
        assert!(matches!(self.events.last(), Some((_, Event::Released))), "{:?}", self.events);
    }

    fn collect(&mut self) {
        while let Some(transmit) = self.agent.poll_transmit() {
            let text = String::from_utf8_lossy(&transmit.bytes).into_owned();
            self.sent.push((transmit.to, text));
        }
        while let Some(event) = self.agent.poll_event() {
            self.events.push(event);
        }
    }
}
