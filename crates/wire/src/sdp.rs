//! The session descriptions of a telephone call (RFC 8866, RFC 3264): one audio stream, G.711
//! and telephone events.

use std::{
    io::{self, Write as _},
    net::{IpAddr, SocketAddr},
};

use sdp_types::{Attribute, Media, RtpMap, Session};

/// The payload type that we offer for telephone events.
const DTMF_PAYLOAD_TYPE: u8 = 101;
/// Milliseconds of audio in a packet.
const PTIME_MS: u32 = 20;
/// What we can send instead.
const PTIMES_MS: [u32; 5] = [10, 20, 30, 40, 60];

/// An audio codec that we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 A-law: Europe, India and most of the world.
    Pcma,
    /// G.711 µ-law: North America, Japan.
    Pcmu,
}

/// Which way audio flows, as the side that wrote the description sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// The writer sends only: he put us on hold, perhaps with music.
    SendOnly,
    /// The writer listens only.
    RecvOnly,
    /// Neither way.
    Inactive,
}

/// What we say about ourselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// Where we receive audio: the public address.
    pub addr: SocketAddr,
    /// In the order of preference; not empty.
    pub codecs: Vec<Codec>,
    /// The number of the session, the same in all its descriptions.
    pub session: u64,
    /// Goes up with each new description of the session (RFC 3264 8).
    pub version: u64,
}

/// What the far end said, reduced to what a call needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remote {
    /// Where it wants its audio; an unspecified address is the old way to put us on hold.
    pub addr: SocketAddr,
    /// The first of its codecs that we speak.
    pub codec: Codec,
    /// The payload type of that codec.
    pub payload_type: u8,
    /// The payload type of telephone events, when it takes them.
    pub dtmf: Option<u8>,
    /// As the far end sees it.
    pub direction: Direction,
    /// Milliseconds of audio in a packet that it asks for: 10, 20, 30, 40 or 60.
    pub ptime: u32,
    /// Where it wants RTCP: the port above that of the audio, unless it named another (RFC
    /// 3605).
    pub rtcp: SocketAddr,
}

/// Why a description cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// Not a session description.
    #[error("not a session description")]
    Malformed,
    /// No audio stream over RTP.
    #[error("no audio stream")]
    NoAudio,
    /// Audio over SRTP alone (RFC 3711), which we do not speak and never offer: what it would
    /// be sent in the clear is not for everybody's ears.
    #[error("encrypted audio alone (SRTP)")]
    Encrypted,
    /// The audio stream has port 0 (RFC 3264 6).
    #[error("the audio stream is refused")]
    Refused,
    /// No address, or a name, which only a resolver could turn into one.
    #[error("no usable address")]
    NoAddress,
    /// None of its codecs is spoken here.
    #[error("no common codec")]
    NoCommonCodec,
}

impl Codec {
    /// The static payload type (RFC 3551 6).
    pub fn payload_type(self) -> u8 {
        match self {
            Self::Pcma => 8,
            Self::Pcmu => 0,
        }
    }

    /// The name in `a=rtpmap`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcma => "PCMA",
            Self::Pcmu => "PCMU",
        }
    }

    fn of(payload_type: u8, map: Option<&RtpMap>) -> Option<Self> {
        let codecs = [Self::Pcma, Self::Pcmu];
        match map {
            Some(map) => codecs.into_iter().find(|codec| {
                map.encoding_name.eq_ignore_ascii_case(codec.name()) && map.clock_rate == 8_000
            }),
            // Static types need no rtpmap.
            None => codecs.into_iter().find(|codec| codec.payload_type() == payload_type),
        }
    }
}

impl Direction {
    fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// What the other side answers when it wants both ways (RFC 3264 6.1).
    fn answered(self) -> Self {
        match self {
            Self::SendOnly => Self::RecvOnly,
            Self::RecvOnly => Self::SendOnly,
            Self::SendRecv | Self::Inactive => self,
        }
    }
}

impl Remote {
    /// Whether it wants to hear us: false when it put us on hold.
    pub fn listens(&self) -> bool {
        matches!(self.direction, Direction::SendRecv | Direction::RecvOnly)
            && !self.addr.ip().is_unspecified()
    }
}

/// Writes an offer: the codecs in the order given, telephone events, 20 ms, both ways.
pub fn offer(local: &Local) -> Vec<u8> {
    let codecs: Vec<_> = local.codecs.iter().map(|codec| (*codec, codec.payload_type())).collect();
    write(local, &codecs, Some(DTMF_PAYLOAD_TYPE), Direction::SendRecv)
}

/// Answers an offer with the first of its codecs that `local` has, its payload types and its
/// direction turned round; also says what the far end will be like.
pub fn answer(offer: &[u8], local: &Local) -> Result<(Vec<u8>, Remote), SdpError> {
    let remote = parse(offer, &local.codecs)?;
    let codecs = [(remote.codec, remote.payload_type)];
    Ok((write(local, &codecs, remote.dtmf, remote.direction.answered()), remote))
}

/// Reads what the far end said, when we speak `codecs`.
pub fn parse(bytes: &[u8], codecs: &[Codec]) -> Result<Remote, SdpError> {
    let session = Session::parse(bytes).map_err(|_| SdpError::Malformed)?;
    // More than one stream: the first that is audio in the clear and not refused is ours.
    let streams = || session.medias.iter().filter(|media| media.media == "audio");
    let is_open = |media: &&Media| media.port != 0;
    let media = streams().filter(is_open).find(|media| is_plain(media)).ok_or_else(|| {
        if streams().filter(is_open).any(is_encrypted) {
            SdpError::Encrypted
        } else if streams().any(is_plain) {
            SdpError::Refused
        } else {
            SdpError::NoAudio
        }
    })?;

    let connection = media.connections.first().or(session.connection.as_ref());
    let ip: IpAddr = connection
        .and_then(|connection| connection.try_address().ok())
        .map(|address| address.ip)
        .ok_or(SdpError::NoAddress)?;

    let maps: Vec<RtpMap> = media.attributes_typed::<RtpMap>().filter_map(Result::ok).collect();
    let map_of = |payload_type| maps.iter().find(|map| map.payload_type == payload_type);
    let formats: Vec<u8> =
        media.fmt.split_ascii_whitespace().filter_map(|format| format.parse().ok()).collect();
    let (payload_type, codec) = formats
        .iter()
        .find_map(|format| {
            let codec = Codec::of(*format, map_of(*format))?;
            codecs.contains(&codec).then_some((*format, codec))
        })
        .ok_or(SdpError::NoCommonCodec)?;
    let dtmf = formats.iter().copied().find(|format| {
        map_of(*format).is_some_and(|map| {
            map.encoding_name.eq_ignore_ascii_case("telephone-event") && map.clock_rate == 8_000
        })
    });

    let addr = SocketAddr::new(ip, media.port);
    Ok(Remote {
        addr,
        codec,
        payload_type,
        dtmf,
        direction: direction(&media.attributes)
            .or_else(|| direction(&session.attributes))
            .unwrap_or(Direction::SendRecv),
        ptime: packet_time(&media.attributes),
        rtcp: rtcp_address(&media.attributes, addr),
    })
}

/// RTP that is not encrypted; with early feedback (RFC 4585) it is still that.
fn is_plain(media: &Media) -> bool {
    ["RTP/AVP", "RTP/AVPF"].iter().any(|proto| media.proto.eq_ignore_ascii_case(proto))
}

/// `RTP/SAVP`, `RTP/SAVPF` and `UDP/TLS/RTP/SAVPF` (RFC 3711, RFC 5124, RFC 5764).
fn is_encrypted(media: &Media) -> bool {
    let profile = media.proto.rsplit('/').next().unwrap_or_default();
    ["SAVP", "SAVPF"].iter().any(|secure| profile.eq_ignore_ascii_case(secure))
}

/// Reads one of our own descriptions back, to answer a re-INVITE in its terms.
pub(crate) fn own(bytes: &[u8]) -> Option<Local> {
    let session = Session::parse(bytes).ok()?;
    let remote = parse(bytes, &[Codec::Pcma, Codec::Pcmu]).ok()?;
    let media = session.medias.first()?;
    let codecs = media
        .fmt
        .split_ascii_whitespace()
        .filter_map(|format| Codec::of(format.parse().ok()?, None))
        .collect();
    Some(Local {
        addr: remote.addr,
        codecs,
        session: session.origin.sess_id.parse().ok()?,
        version: session.origin.sess_version,
    })
}

fn direction(attributes: &[Attribute]) -> Option<Direction> {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    [SendRecv, SendOnly, RecvOnly, Inactive]
        .into_iter()
        .find(|direction| attributes.iter().any(|known| known.attribute == direction.name()))
}

/// What `ptime` asks for, or else 20 ms; never more than `maxptime` allows (RFC 8866 6.4).
fn packet_time(attributes: &[Attribute]) -> u32 {
    let number = |name| -> Option<u32> { attribute(attributes, name)?.trim().parse().ok() };
    let wish = number("ptime").filter(|ptime| (1..=200).contains(ptime)).unwrap_or(PTIME_MS);
    let most = number("maxptime").filter(|most| *most > 0).unwrap_or(u32::MAX);
    let fits = |time: &&u32| **time <= wish.min(most);
    *PTIMES_MS.iter().rev().find(fits).unwrap_or(&PTIMES_MS[0])
}

/// `a=rtcp:PORT [IN IP4 ADDRESS]`.
fn rtcp_address(attributes: &[Attribute], audio: SocketAddr) -> SocketAddr {
    let above = SocketAddr::new(audio.ip(), audio.port().saturating_add(1));
    let Some(value) = attribute(attributes, "rtcp") else { return above };
    let mut words = value.split_ascii_whitespace();
    let Some(port) = words.next().and_then(|port| port.parse().ok()).filter(|port| *port != 0)
    else {
        return above;
    };
    let ip = words.nth(2).and_then(|ip| ip.parse().ok()).unwrap_or(audio.ip());
    SocketAddr::new(ip, port)
}

fn attribute<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    attributes.iter().find(|known| known.attribute == name)?.value.as_deref()
}

/// Every call is offered one, so it is written as the text that it is, line by line.
fn write(local: &Local, codecs: &[(Codec, u8)], dtmf: Option<u8>, direction: Direction) -> Vec<u8> {
    let mut out = Vec::with_capacity(320);
    put(&mut out, local, codecs, dtmf, direction).expect("a Vec takes every byte");
    out
}

fn put(
    out: &mut Vec<u8>,
    local: &Local,
    codecs: &[(Codec, u8)],
    dtmf: Option<u8>,
    direction: Direction,
) -> io::Result<()> {
    let (ip, port) = (local.addr.ip(), local.addr.port());
    let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
    write!(out, "v=0\r\no=- {} {} IN {family} {ip}\r\n", local.session, local.version)?;
    write!(out, "s=-\r\nc=IN {family} {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP")?;
    for payload_type in codecs.iter().map(|(_, payload_type)| *payload_type).chain(dtmf) {
        write!(out, " {payload_type}")?;
    }
    out.extend_from_slice(b"\r\n");
    for (codec, payload_type) in codecs {
        write!(out, "a=rtpmap:{payload_type} {}/8000\r\n", codec.name())?;
    }
    if let Some(dtmf) = dtmf {
        write!(out, "a=rtpmap:{dtmf} telephone-event/8000\r\na=fmtp:{dtmf} 0-15\r\n")?;
    }
    write!(out, "a=ptime:{PTIME_MS}\r\na={}\r\n", direction.name())
}

#[cfg(test)]
mod tests;
