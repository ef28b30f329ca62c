//! A far end that follows a scenario line by line, and takes nothing that it did not expect.

use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use super::{
    judge::Judge,
    link::{Link, Transport},
};
use crate::far_end::{Request, param, sdp};

/// How long anything may take that is to come at once.
const SOON: Duration = Duration::from_secs(20);

/// The far end of one scenario. Repetitions of what came before are passed over; anything
/// else that the scenario does not wait for is its end.
pub(super) struct Peer {
    link: Link,
    judge: Judge,
    requests: VecDeque<Request>,
    repetitions: VecDeque<Request>,
    answers: VecDeque<Answer>,
    /// The INVITE that came last.
    invite: Option<Request>,
    /// Our tag in requests of ours.
    pub(super) tag: &'static str,
    cseq: u32,
}

/// Another socket of the same carrier: a proxy on the way, or where a Contact leads.
pub(super) struct Beside(Link);

/// Where a phone hears: counts the audio that comes.
pub(super) struct Ear(UdpSocket);

/// An answer of the dialler to a request of ours.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) code: u16,
    text: String,
}

impl Peer {
    pub(super) fn new() -> Self {
        Self::at(Ipv4Addr::LOCALHOST.into(), Transport::Udp)
    }

    pub(super) fn at(ip: IpAddr, transport: Transport) -> Self {
        Self {
            link: Link::open(ip, transport),
            judge: Judge::default(),
            requests: VecDeque::new(),
            repetitions: VecDeque::new(),
            answers: VecDeque::new(),
            invite: None,
            tag: "far",
            cseq: 100,
        }
    }

    /// Where it listens.
    pub(super) fn addr(&self) -> SocketAddr {
        self.link.addr()
    }

    /// `sip:far@127.0.0.1:PORT`, and how it is reached unless by datagrams.
    pub(super) fn uri(&self) -> String {
        match &self.link.transport {
            Transport::Udp => format!("sip:far@{}", self.addr()),
            other => format!("sip:far@{};transport={}", self.addr(), other.name()),
        }
    }

    /// How it is reached, as the setting of a carrier says it.
    pub(super) fn transport(&self) -> &'static str {
        self.link.transport.name()
    }

    /// `Contact: <uri>` as a header line.
    pub(super) fn contact(&self) -> String {
        format!("Contact: <{}>\r\n", self.uri())
    }

    /// Where the dialler speaks from.
    pub(super) fn caller(&self) -> SocketAddr {
        self.link.from.expect("the dialler speaks first")
    }

    /// The INVITE that came last.
    pub(super) fn invite(&self) -> Request {
        self.invite.clone().expect("there is a call")
    }

    /// The next request, which must be of this method.
    pub(super) fn expect(&mut self, method: &str) -> Request {
        // The call itself waits for its turn on a server that is new and has much to do.
        let is_first = self.invite.is_none();
        self.expect_within(method, if is_first { SOON * 3 } else { SOON })
    }

    pub(super) fn expect_within(&mut self, method: &str, limit: Duration) -> Request {
        let deadline = Instant::now() + limit;
        while self.requests.is_empty() {
            assert!(self.receive(deadline), "no {method} within {limit:?}");
        }
        let request = self.requests.pop_front().expect("the loop waited for it");
        assert_eq!(request.method, method, "another request than expected: {}", request.text());
        // Not the dialler's re-INVITE, which is a request within the call.
        if method == "INVITE" && param(request.header("To"), "tag").is_none() {
            self.invite = Some(request.clone());
        }
        request
    }

    /// Waits until a request of this method that came before comes once more.
    pub(super) fn expect_again(&mut self, method: &str) -> Request {
        let deadline = Instant::now() + SOON;
        loop {
            if let Some(request) = self.repetitions.pop_front() {
                if request.method == method {
                    return request;
                }
                continue;
            }
            assert!(self.receive(deadline), "no {method} came again within {SOON:?}");
        }
    }

    /// Nothing new comes for so long.
    pub(super) fn hears_nothing(&mut self, time: Duration) {
        let deadline = Instant::now() + time;
        while self.receive(deadline) {
            if let Some(request) = self.requests.front() {
                panic!("nothing was to come, but: {}", request.text());
            }
        }
    }

    /// Sends bytes to where the last request came from.
    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.judge.say(bytes.as_ref());
        self.link.send(bytes.as_ref());
    }

    /// Answers a request in one line, such as `180 Ringing`.
    pub(super) fn say(&mut self, to: &Request, status: &str) {
        self.send(to.answer(status, "", ""));
    }

    /// 200 with a Contact of ours and audio that goes nowhere.
    pub(super) fn accept(&mut self, invite: &Request) {
        self.accept_with(invite, "");
    }

    /// The same, with further header lines.
    pub(super) fn accept_with(&mut self, invite: &Request, more: &str) {
        let more = format!("{}{AS_SDP}{more}", self.contact());
        self.send(invite.answer("200 OK", &more, &audio(9)));
    }

    /// INVITE, 180, 200, ACK.
    pub(super) fn answers(&mut self) -> Request {
        let invite = self.expect("INVITE");
        self.say(&invite, "180 Ringing");
        self.accept(&invite);
        self.expect("ACK");
        invite
    }

    /// The same, with a phone that hears the bot before anything else happens.
    pub(super) fn talks(&mut self) -> Request {
        let (ear, invite) = (Ear::new(), self.expect("INVITE"));
        self.say(&invite, "180 Ringing");
        let more = format!("{}{AS_SDP}", self.contact());
        self.send(invite.answer("200 OK", &more, &audio(ear.port())));
        self.expect("ACK");
        ear.hears(8);
        invite
    }

    /// Sends a 200 of the scenario's own making; it is acknowledged.
    pub(super) fn says_ok(&mut self, invite: &Request, answer: String) {
        // The judge reads plain headers: it is told the same in its own words.
        let more = format!("{}{AS_SDP}", self.contact());
        self.judge.say(&invite.answer("200 OK", &more, ""));
        self.link.send(answer.as_bytes());
        self.expect("ACK");
    }

    /// Refuses the call and waits for the ACK.
    pub(super) fn refuses(&mut self, status: &str) {
        let invite = self.invite();
        self.say(&invite, status);
        self.expect("ACK");
    }

    /// Waits for the BYE and agrees to it.
    pub(super) fn is_hung_up(&mut self) {
        let bye = self.expect("BYE");
        self.say(&bye, "200 OK");
    }

    /// Closes the connection; the dialler may make another.
    pub(super) fn breaks_off(&mut self) {
        self.link.close();
    }

    /// Sends a request within the call.
    pub(super) fn request(&mut self, method: &str, more: &str, body: &str) -> Request {
        let request = self.next_request(method, more, body);
        self.send(request.text());
        request
    }

    /// A request within the call, not sent.
    pub(super) fn next_request(&mut self, method: &str, more: &str, body: &str) -> Request {
        let invite = self.invite.as_ref().expect("there is a call");
        let contact = invite.header("Contact");
        let uri = contact.split(['<', '>']).nth(1).unwrap_or(contact);
        let [from, to, call_id] = ["From", "To", "Call-ID"].map(|name| invite.header(name));
        if method != "ACK" {
            self.cseq += 1;
        }
        let (me, cseq, tag, length) = (self.addr(), self.cseq, self.tag, body.len());
        let transport = self.transport().to_ascii_uppercase();
        let text = format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/{transport} {me};branch=z9hG4bKfar{cseq}{method}\r\nMax-Forwards: 70\r\n\
             From: {to};tag={tag}\r\nTo: {from}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
             {more}Content-Length: {length}\r\n\r\n{body}"
        );
        Request::parse(text.as_bytes()).expect("it was just written")
    }

    /// Sends a request within the call; what it is answered in the end.
    pub(super) fn ask(&mut self, method: &str, more: &str, body: &str) -> Answer {
        let request = self.request(method, more, body);
        self.is_answered(&request)
    }

    /// The final answer to a request of ours.
    pub(super) fn is_answered(&mut self, request: &Request) -> Answer {
        let deadline = Instant::now() + SOON;
        loop {
            while let Some(answer) = self.answers.pop_front() {
                if answer.code >= 200 && answer.header("CSeq") == Some(request.header("CSeq")) {
                    return answer;
                }
            }
            assert!(self.receive(deadline), "no answer to {}", request.text());
        }
    }

    /// Hangs up, to which everybody agrees.
    pub(super) fn hangs_up(&mut self) {
        let answer = self.ask("BYE", "", "");
        assert_eq!(answer.code, 200, "{answer:?}");
    }

    /// Acknowledges a 2xx to a re-INVITE of ours.
    pub(super) fn acknowledge(&mut self, body: &str) {
        let more = if body.is_empty() { "" } else { AS_SDP };
        let ack = self.next_request("ACK", more, body);
        self.send(ack.text());
    }

    /// Listens on until the call is over for everybody: nothing may come any more.
    pub(super) fn stays(&mut self, over: &AtomicBool) {
        while !over.load(Ordering::Relaxed) {
            self.hears_nothing(Duration::from_millis(50));
        }
    }

    /// Takes what arrives; false when nothing did until `deadline`.
    fn receive(&mut self, deadline: Instant) -> bool {
        let from = self.link.from;
        let Some(bytes) = self.link.receive(deadline) else { return false };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some(code) = text.strip_prefix("SIP/2.0 ") {
            let code = code.get(..3).and_then(|code| code.parse().ok());
            let code = code.unwrap_or_else(|| panic!("a strange answer: {text}"));
            self.answers.push_back(Answer { code, text });
            return true;
        }
        let request = Request::parse(&bytes).unwrap_or_else(|| panic!("no message: {text}"));
        let is_of_a_call = request.find("To").is_some_and(|to| to.contains("tag="));
        if is_of_a_call && !self.judge.knows(&request.call_id()) {
            // Meant for whoever had this port before: another test's far end still hangs up.
            self.link.from = from;
        } else if request.method == "OPTIONS" && !is_of_a_call {
            // The dialler looks whether its carrier is well.
            self.link.send(&request.answer("200 OK", "", ""));
        } else if self.judge.hear(&request) {
            self.requests.push_back(request);
        } else {
            self.repetitions.push_back(request);
        }
        true
    }
}

impl Beside {
    pub(super) fn new() -> Self {
        Self(Link::udp(Ipv4Addr::LOCALHOST.into()))
    }

    /// One on another machine than the carrier.
    pub(super) fn elsewhere() -> Self {
        Self(Link::udp(Ipv4Addr::new(127, 0, 0, 2).into()))
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.0.addr()
    }

    /// The next request; it must be of this method.
    pub(super) fn expect(&mut self, method: &str) -> Request {
        let request = self.next_within(SOON).unwrap_or_else(|| panic!("no {method} came here"));
        assert_eq!(request.method, method, "{}", request.text());
        request
    }

    /// The next request, if one comes in time.
    pub(super) fn next_within(&mut self, limit: Duration) -> Option<Request> {
        let bytes = self.0.receive(Instant::now() + limit)?;
        Some(Request::parse(&bytes).expect("a request"))
    }

    /// Sends a request to an address; the code of its final answer.
    pub(super) fn asks(&mut self, to: SocketAddr, request: &[u8]) -> u16 {
        self.0.from = Some(to);
        self.0.send(request);
        let deadline = Instant::now() + SOON;
        loop {
            let answer = self.0.receive(deadline).expect("an answer");
            let answer = String::from_utf8_lossy(&answer).into_owned();
            let code = answer.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3));
            match code.and_then(|code| code.parse().ok()) {
                Some(code) if code >= 200 => return code,
                _ => {}
            }
        }
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.0.send(bytes);
    }
}

impl Ear {
    pub(super) fn new() -> Self {
        Self(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
    }

    pub(super) fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// Waits for audio of this RTP payload type.
    pub(super) fn hears(&self, payload: u8) {
        self.0.set_read_timeout(Some(SOON)).unwrap();
        let mut packet = [0; 2_048];
        loop {
            let length = self.0.recv(&mut packet).expect("audio comes");
            if length > 12 && packet[1] & 0x7F == payload {
                return;
            }
        }
    }

    /// No audio came, and none comes.
    pub(super) fn heard_nothing(&self) {
        self.0.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        assert!(self.0.recv(&mut [0; 2_048]).is_err(), "there was audio");
    }

    /// Waits until no more audio comes.
    pub(super) fn falls_silent(&self) {
        self.0.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let deadline = Instant::now() + SOON;
        while self.0.recv(&mut [0; 2_048]).is_ok() {
            assert!(Instant::now() < deadline, "audio comes on and on");
        }
    }
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.text.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(super) fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }
}

pub(super) const AS_SDP: &str = "Content-Type: application/sdp\r\n";

/// A description of G.711 at this port of loopback.
pub(super) fn audio(port: u16) -> String {
    sdp(&format!("m=audio {port} RTP/AVP 8 0\r\n"))
}
