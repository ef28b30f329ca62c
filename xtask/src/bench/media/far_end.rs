//! The callees: a far end that answers every call at once and talks for as long as it lasts.
//!
//! SIP and RTP are written by hand, so that nothing of ours judges ours.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use super::arrivals::{Arrivals, Judged, header, is_passing};

const SLOT: Duration = Duration::from_millis(2);
const SLOTS: usize = 10;
/// Half a second: as often an unanswered BYE is repeated.
const BYE_SLOTS: u32 = 250;

/// A thread with the phones of all callees.
pub(super) struct FarEnd {
    sip: SocketAddr,
    up: Arc<AtomicU32>,
    stop: Arc<AtomicBool>,
    hang_up: Arc<AtomicBool>,
    measure: SyncSender<Duration>,
    judged: Receiver<Result<Judged>>,
    thread: Option<JoinHandle<Result<()>>>,
}

struct Phones {
    sip: UdpSocket,
    arrivals: Arrivals,
    has_events: bool,
    /// By Call-ID.
    calls: BTreeMap<String, Call>,
    /// Calls for the 2 ms in which their phones send.
    slots: [Vec<Voice>; SLOTS],
    next_slot: usize,
    up: Arc<AtomicU32>,
    /// All calls are to be hung up.
    hang_up: Arc<AtomicBool>,
}

struct Call {
    to: SocketAddr,
    slot: usize,
    answer: Vec<u8>,
    /// Where the call came from, and what ends it.
    caller: SocketAddr,
    bye: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Voice {
    to: SocketAddr,
    sequence: u16,
    timestamp: u32,
}

impl FarEnd {
    /// Starts it; `has_events` says whether its phones send keys as telephone events.
    pub(super) fn start(has_events: bool) -> Result<Self> {
        let sip = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        sip.set_nonblocking(true)?;
        let address = sip.local_addr()?;
        let up = Arc::new(AtomicU32::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let hang_up = Arc::new(AtomicBool::new(false));
        let (measure, asked) = sync_channel(1);
        let (told, judged) = sync_channel(1);
        let mut phones = Phones {
            sip,
            arrivals: Arrivals::bind()?,
            has_events,
            calls: BTreeMap::new(),
            slots: Default::default(),
            next_slot: 0,
            up: up.clone(),
            hang_up: hang_up.clone(),
        };
        let stopped = stop.clone();
        let thread = thread::spawn(move || phones.run(&stopped, &asked, &told));
        Ok(Self { sip: address, up, stop, hang_up, measure, judged, thread: Some(thread) })
    }

    /// Where to send INVITEs.
    pub(super) fn sip(&self) -> SocketAddr {
        self.sip
    }

    /// Calls that were answered and not hung up.
    pub(super) fn up(&self) -> u32 {
        self.up.load(Ordering::Relaxed)
    }

    /// Hangs all calls up; those that come afterwards stay.
    pub(super) fn hang_up(&self) {
        self.hang_up.store(true, Ordering::Relaxed);
    }

    /// Judges what comes in the next `window`.
    pub(super) fn measure(&self, window: Duration) -> Result<Judged> {
        self.measure.send(window).context("the far end is gone")?;
        self.judged.recv().context("the far end is gone")?
    }
}

impl Drop for FarEnd {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(Ok(Err(error))) = self.thread.take().map(JoinHandle::join) {
            eprintln!("the far end broke: {error:#}");
        }
    }
}

impl Phones {
    fn run(
        &mut self,
        stop: &AtomicBool,
        asked: &Receiver<Duration>,
        told: &SyncSender<Result<Judged>>,
    ) -> Result<()> {
        let began = Instant::now();
        let mut buffer = vec![0; 65_536];
        let mut recording: Option<(Instant, Duration)> = None;
        for slot in 0u32.. {
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            self.speak(slot as usize % SLOTS)?;
            self.arrivals.read()?;
            self.signal(&mut buffer)?;
            if slot % BYE_SLOTS == 0 && self.hang_up.load(Ordering::Relaxed) {
                // Until each has been answered.
                for call in self.calls.values() {
                    self.sip.send_to(&call.bye, call.caller)?;
                }
                self.hang_up.store(!self.calls.is_empty(), Ordering::Relaxed);
            }
            if let Ok(window) = asked.try_recv() {
                self.arrivals.record();
                recording = Some((Instant::now() + window, window));
            }
            if let Some((end, window)) = recording
                && Instant::now() >= end
            {
                recording = None;
                let judged = self.arrivals.judge(self.up.load(Ordering::Relaxed), window);
                told.send(judged).context("nobody waits for the figures")?;
            }
            let next = began + SLOT * (slot + 1);
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        Ok(())
    }

    /// Sends what the phones of a slot say.
    fn speak(&mut self, slot: usize) -> Result<()> {
        // Loud enough to be a voice, in A-law.
        let mut packet = [0x2A; 172];
        for voice in &mut self.slots[slot] {
            voice.sequence = voice.sequence.wrapping_add(1);
            voice.timestamp = voice.timestamp.wrapping_add(160);
            let ssrc = u32::from(voice.to.port());
            packet[..12].copy_from_slice(&header(voice.sequence, voice.timestamp, ssrc));
            match self.arrivals.socket().send_to(&packet, voice.to) {
                Err(error) if !is_passing(&error) => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }

    fn signal(&mut self, buffer: &mut [u8]) -> Result<()> {
        loop {
            let (bytes, from) = match self.sip.recv_from(buffer) {
                Ok(got) => got,
                Err(error) if is_passing(&error) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let text = String::from_utf8_lossy(&buffer[..bytes]).into_owned();
            if let Some(answer) = self.answer(&text, from)? {
                self.sip.send_to(&answer, from)?;
            }
        }
    }

    fn answer(&mut self, request: &str, from: SocketAddr) -> Result<Option<Vec<u8>>> {
        let (head, body) = request.split_once("\r\n\r\n").unwrap_or((request, ""));
        let method = head.split(' ').next().unwrap_or_default();
        let call_id = field(head, "Call-ID").context("a request without Call-ID")?.to_owned();
        match method {
            "ACK" => Ok(None),
            "INVITE" => {
                if let Some(known) = self.calls.get(&call_id) {
                    return Ok(Some(known.answer.clone()));
                }
                let to = audio_of(body).with_context(|| format!("no audio in {body:?}"))?;
                let answer = ok(head, self.sip.local_addr()?, &self.description()?);
                let slot = self.next_slot;
                self.next_slot = (slot + 1) % SLOTS;
                self.slots[slot].push(Voice { to, sequence: 0, timestamp: 0 });
                let bye = bye(head, from, self.sip.local_addr()?)?;
                let call = Call { to, slot, answer: answer.clone(), caller: from, bye };
                self.calls.insert(call_id, call);
                self.up.fetch_add(1, Ordering::Relaxed);
                Ok(Some(answer))
            }
            // Our BYE was answered.
            "SIP/2.0" => {
                self.end(&call_id);
                Ok(None)
            }
            "BYE" => {
                self.end(&call_id);
                Ok(Some(ok(head, self.sip.local_addr()?, "")))
            }
            _ => Ok(Some(ok(head, self.sip.local_addr()?, ""))),
        }
    }

    fn end(&mut self, call_id: &str) {
        if let Some(call) = self.calls.remove(call_id) {
            self.slots[call.slot].retain(|voice| voice.to != call.to);
            self.arrivals.forget(call.to.port());
            self.up.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn description(&self) -> Result<String> {
        let port = self.arrivals.address()?.port();
        let (format, events) = match self.has_events {
            true => (" 101", "a=rtpmap:101 telephone-event/8000\r\n"),
            false => ("", ""),
        };
        Ok(format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 8{format}\r\n{events}a=ptime:20\r\n"
        ))
    }
}

/// 200 to a request.
fn ok(head: &str, contact: SocketAddr, body: &str) -> Vec<u8> {
    let mut answer = String::from("SIP/2.0 200 OK\r\n");
    for line in head.lines().skip(1) {
        let name = line.split(':').next().unwrap_or_default();
        if ["Via", "Record-Route", "From", "Call-ID", "CSeq"]
            .iter()
            .any(|copied| name.eq_ignore_ascii_case(copied))
        {
            answer += &format!("{line}\r\n");
        } else if name.eq_ignore_ascii_case("To") {
            let tag = if line.contains(";tag=") { "" } else { ";tag=far" };
            answer += &format!("{line}{tag}\r\n");
        }
    }
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let length = body.len();
    answer +=
        &format!("Contact: <sip:far@{contact}>\r\n{kind}Content-Length: {length}\r\n\r\n{body}");
    answer.into_bytes()
}

/// What ends the call that this INVITE began.
fn bye(head: &str, caller: SocketAddr, contact: SocketAddr) -> Result<Vec<u8>> {
    let of = |name: &str| field(head, name).with_context(|| format!("an INVITE without {name}"));
    let call_id = of("Call-ID")?;
    Ok(format!(
        "BYE sip:{caller} SIP/2.0\r\nVia: SIP/2.0/UDP {contact};branch=z9hG4bK{}\r\nMax-Forwards: 70\r\n\
         From: {};tag=far\r\nTo: {}\r\nCall-ID: {call_id}\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
        call_id.replace(|letter: char| !letter.is_ascii_alphanumeric(), ""),
        of("To")?,
        of("From")?,
    )
    .into_bytes())
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (known, value) = line.split_once(':')?;
        known.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// Where a description wants its audio.
fn audio_of(description: &str) -> Option<SocketAddr> {
    let line = |prefix: &str| description.lines().find_map(|line| line.strip_prefix(prefix));
    let ip: Ipv4Addr = line("c=IN IP4 ")?.trim().parse().ok()?;
    let port: u16 = line("m=audio ")?.split(' ').next()?.parse().ok()?;
    Some((ip, port).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "INVITE sip:+91@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:1;branch=z9hG4bKx\r\n\
        From: <sip:a@b>;tag=1\r\nTo: <sip:+91@127.0.0.1>\r\nCall-ID: x@y\r\nCSeq: 1 INVITE\r\n\r\n\
        v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 20000 RTP/AVP 8\r\n";

    #[test]
    fn a_call_is_answered_once_and_ends_with_its_bye() {
        let far_end = FarEnd::start(true).unwrap();
        let caller = UdpSocket::bind("127.0.0.1:0").unwrap();
        caller.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let ask = |request: &str| {
            let mut buffer = [0; 2_048];
            caller.send_to(request.as_bytes(), far_end.sip()).unwrap();
            let bytes = caller.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..bytes].to_vec()).unwrap()
        };
        let answer = ask(INVITE);
        assert!(answer.starts_with("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:1"), "{answer}");
        assert!(answer.contains("To: <sip:+91@127.0.0.1>;tag=far\r\n"), "{answer}");
        assert!(audio_of(&answer).is_some(), "{answer}");
        assert_eq!(ask(INVITE), answer);
        assert_eq!(far_end.up(), 1);
        assert!(ask(&INVITE.replace("INVITE", "BYE")).starts_with("SIP/2.0 200 OK"));
        assert_eq!(far_end.up(), 0);
        ask(&INVITE.replace("x@y", "z@y"));
        far_end.hang_up();
        let mut buffer = [0; 2_048];
        let bytes = caller.recv(&mut buffer).unwrap();
        let bye = String::from_utf8_lossy(&buffer[..bytes]).into_owned();
        assert!(bye.starts_with("BYE sip:127.0.0.1:"), "{bye}");
        assert!(
            bye.contains("From: <sip:+91@127.0.0.1>;tag=far\r\nTo: <sip:a@b>;tag=1\r\n"),
            "{bye}"
        );
        caller.send_to(b"SIP/2.0 200 OK\r\nCall-ID: z@y\r\n\r\n", far_end.sip()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while far_end.up() > 0 {
            assert!(Instant::now() < deadline, "an answered BYE ends the call");
            thread::sleep(Duration::from_millis(2));
        }
    }
}
