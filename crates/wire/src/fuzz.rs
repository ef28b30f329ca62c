//! Bodies of fuzzing: each takes any bytes whatever and panics when a parser does, or when
//! it breaks a promise of its own. Run by property tests here, for long by
//! `cargo xtask fuzz`, and as they are by any fuzzer.
//!
//! They are a part of the crate and not of its tests, so that a parser cannot change its
//! face without them.

pub mod dice;
pub mod seeds;
pub mod storm;

use std::time::Duration;

use crate::{
    digest::{self, Challenge},
    dtmf,
    framing::{Frame, Framer},
    message::{self, Message, Name, NameAddr, Uri, Via},
    playout::Playout,
    rtcp,
    rtp::{self, Packet},
    sdp::{self, Codec, Local},
    time::Time,
    ua::Transport,
};

/// A body: any bytes are fine.
pub type Body = fn(&[u8]);

/// Every body of a parser by its name; for the user agent see [`storm`].
pub const BODIES: [(&str, Body); 9] = [
    ("message", message),
    ("uri", uri),
    ("via", via),
    ("challenge", challenge),
    ("framing", framing),
    ("sdp", sdp),
    ("rtp", rtp),
    ("rtcp", rtcp),
    ("dtmf", dtmf),
];

/// A SIP message: scanned, checked, and every value read that anybody reads.
pub fn message(bytes: &[u8]) {
    let Ok(message) = Message::scan(bytes) else { return };
    if let Ok(envelope) = message.check() {
        sdp(envelope.body);
    }
    for name in [Name::Via, Name::RecordRoute, Name::Contact] {
        for value in message.list(name) {
            via(value);
            if let Some(found) = NameAddr::parse(value) {
                uri(found.uri.as_bytes());
            }
        }
    }
    for name in [Name::WwwAuthenticate, Name::ProxyAuthenticate] {
        message.all(name).for_each(challenge);
    }
    let _ = (message.retry_after(), message.session_expires(), message.min_se());
    let _ = (message.min_expires(), message.expires(), message.rseq(), message.rack());
    let _ = (message.q850(), message.lists(Name::Supported, "100rel"));
    let _ = message.required_beyond(&["timer"]);
    let best = message.contacts_by_q();
    assert!(best.is_sorted_by(|one, next| one.1 >= next.1), "the best come first: {best:?}");
    if let Some(contact) = message.contact() {
        uri(contact.as_bytes());
    }
}

/// A `sip:` URI: one that is read can stand in a request.
pub fn uri(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let Some(uri) = Uri::parse(text) else { return };
    let _ = (uri.transport(), uri.has_param("lr"));
    let _ = uri.socket_addr(Transport::Udp);
}

/// A `Via` value, a name and address, parameters and lists: the small grammars of headers.
pub fn via(bytes: &[u8]) {
    let _ = Via::parse(bytes);
    let _ = NameAddr::parse(bytes);
    let _ = message::param(bytes, "branch");
    let mut rest = bytes.len();
    for part in message::split_list(bytes) {
        rest = rest.checked_sub(part.len()).expect("parts of a list do not overlap");
    }
}

/// A digest challenge: what answers it can stand in a header.
pub fn challenge(bytes: &[u8]) {
    let Some(challenge) = Challenge::parse(bytes) else { return };
    let answer = challenge.answer("campanile", "secret", "INVITE", "sip:+91@example.com", 1, 7);
    assert!(!answer.contains(['\r', '\n', '\0']), "an answer in one line: {answer:?}");
    let _ = digest::verify(&answer, "INVITE", "nonce", "campanile", "secret");
    if let Ok(text) = str::from_utf8(bytes) {
        let _ = digest::verify(text, "INVITE", "nonce", "campanile", "secret");
    }
}

/// A stream of SIP: the same messages however it is cut into pieces.
pub fn framing(bytes: &[u8]) {
    let whole = frames(bytes, bytes.len().max(1));
    let cut = bytes.first().map_or(1, |byte| usize::from(byte % 7) + 1);
    assert_eq!(frames(bytes, cut), whole, "in pieces of {cut}");
}

/// How many messages and keep-alives a stream has before its end or its break, and how
/// many bytes of messages.
fn frames(bytes: &[u8], piece: usize) -> (usize, usize, usize, bool) {
    let mut framer = Framer::default();
    let (mut messages, mut alive, mut length) = (0, 0, 0);
    for piece in bytes.chunks(piece) {
        framer.push(piece);
        while let Some(frame) = framer.next() {
            match frame {
                Ok(Frame::Message(message)) => {
                    messages += 1;
                    length += message.len();
                }
                Ok(Frame::Ping | Frame::Pong) => alive += 1,
                Err(_) => return (messages, alive, length, true),
            }
        }
    }
    (messages, alive, length, false)
}

/// A session description, read and answered: our answers can be read again.
pub fn sdp(bytes: &[u8]) {
    let ours = Local {
        addr: ([192, 0, 2, 1], 20_000).into(),
        codecs: vec![Codec::Pcma, Codec::Pcmu],
        session: 1,
        version: 1,
    };
    let Ok((answer, _)) = sdp::answer(bytes, &ours) else { return };
    sdp::parse(&answer, &ours.codecs).expect("our own answer can be read");
}

/// An RTP packet, and what plays it.
pub fn rtp(bytes: &[u8]) {
    let Ok(packet) = Packet::parse(bytes) else { return };
    assert!(packet.payload.len() <= bytes.len(), "a payload is a part of its packet");
    let mut receiver = rtp::Receiver::new();
    let mut playout = Playout::new();
    let mut frame = [0; 160];
    for millis in [0, 20, 21, 60] {
        let now = Time::from_origin(Duration::from_millis(millis));
        let _ = receiver.receive(now, &packet.header);
        let _ = playout.audio(now, &packet.header, Codec::Pcma, packet.payload);
        playout.comfort(&packet.header, packet.payload);
        let _ = playout.frame(now, &mut frame);
    }
    let _ = (receiver.heard(), receiver.figures());
}

/// An RTCP packet, and the session that hears it.
pub fn rtcp(bytes: &[u8]) {
    let _ = rtcp::parse(bytes, 0x1234_5678);
    let mut session = rtcp::Session::new(0x1234_5678, 1, 0, 7, Time::ZERO);
    let sender = rtp::Sender::new(0x1234_5678, 1, 0);
    let _ = session.receive(Time::from_origin(Duration::from_secs(5)), &sender, bytes);
    let _ = (session.told(), session.round_trip());
}

/// Telephone events, four bytes each after a timestamp of four.
pub fn dtmf(bytes: &[u8]) {
    let mut receiver = dtmf::Receiver::new();
    for event in bytes.chunks(8) {
        let (stamp, payload) = event.split_at(event.len().min(4));
        let stamp = stamp.iter().fold(0, |stamp, byte| stamp << 8 | u32::from(*byte));
        let _ = receiver.receive(stamp, payload);
    }
}

#[cfg(test)]
mod tests;
