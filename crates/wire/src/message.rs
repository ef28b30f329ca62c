//! SIP messages on the wire (RFC 3261 7, 25): scanned in place, then checked.
//!
//! The scanner takes whatever has the shape of a message, in any bytes: a display name in
//! Latin-1 must not lose an answer. [`Message::check`] then asks for what RFC 3261 8.1.1 demands.

pub(crate) mod header;
mod uri;
mod values;
mod via;

use std::borrow::Cow;

pub use header::{Name, NameAddr, param, split_list};
pub use uri::{UnknownTransport, Uri};
pub use values::{Expiry, Rack, Refresher};
pub use via::Via;

/// More header lines than this are an attack, not a call.
const HEADERS_MAX: usize = 256;

/// A scanned message. Its values are the bytes of the datagram, folded lines joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'a> {
    /// The first line.
    pub start: Start<'a>,
    headers: Vec<(Name, Cow<'a, [u8]>)>,
    rest: &'a [u8],
}

/// The first line of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start<'a> {
    /// `INVITE sip:… SIP/2.0`
    Request {
        /// Case matters (RFC 3261 7.1).
        method: &'a str,
        /// As it stands there.
        uri: &'a str,
        /// Whether the version is 2.0.
        version_2: bool,
    },
    /// `SIP/2.0 486 Busy Here`
    Response {
        /// 100 to 699.
        code: u16,
        /// Any bytes, mostly UTF-8.
        reason: &'a [u8],
    },
}

/// What every message must have, taken from a message that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope<'m> {
    /// The call.
    pub call_id: &'m str,
    /// The number in CSeq, below 2^31.
    pub cseq: u32,
    /// The method in CSeq.
    pub method: &'m str,
    /// The tag of From.
    pub from_tag: Option<&'m str>,
    /// The tag of To, absent until somebody answers.
    pub to_tag: Option<&'m str>,
    /// The topmost Via.
    pub via: Via<'m>,
    /// As long as Content-Length says, or all there is.
    pub body: &'m [u8],
}

/// The bytes are not a SIP message at all: nothing can be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSip {
    /// Only line breaks: a keep-alive (RFC 5626 3.5.1).
    #[error("a keep-alive")]
    KeepAlive,
    /// The first line is neither a request line nor a status line.
    #[error("no request or status line")]
    FirstLine,
    /// No empty line after the headers: the datagram was cut.
    #[error("the headers do not end")]
    Cut,
    /// Absurdly many header lines.
    #[error("too many headers")]
    TooManyHeaders,
}

/// A message that must not be acted upon. A request with one is answered [`Fault::code`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not SIP/2.0.
    #[error("SIP version")]
    Version,
    /// A header that every message has is not there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A header that may stand only once stands twice.
    #[error("{0} stands twice")]
    Twice(&'static str),
    /// A header does not follow its grammar.
    #[error("{0} is malformed")]
    Malformed(&'static str),
    /// CSeq names another method than the request line.
    #[error("CSeq names another method")]
    CSeqMethod,
    /// Content-Length is more than what came.
    #[error("Content-Length is more than what came")]
    Short,
}

impl Fault {
    /// The answer to a request with this fault.
    pub fn code(self) -> u16 {
        match self {
            Self::Version => 505,
            Self::Missing(_)
            | Self::Twice(_)
            | Self::Malformed(_)
            | Self::CSeqMethod
            | Self::Short => 400,
        }
    }
}

impl<'a> Message<'a> {
    /// Scans a datagram.
    pub fn scan(bytes: &'a [u8]) -> Result<Self, NotSip> {
        let begin = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'));
        let mut rest = &bytes[begin.ok_or(NotSip::KeepAlive)?..];
        let first = line(&mut rest).ok_or(NotSip::Cut)?;
        let start = Start::scan(first).ok_or(NotSip::FirstLine)?;
        let mut headers: Vec<(Name, Cow<'a, [u8]>)> = Vec::with_capacity(16);
        loop {
            let line = line(&mut rest).ok_or(NotSip::Cut)?;
            if line.is_empty() {
                return Ok(Self { start, headers, rest });
            }
            if matches!(line[0], b' ' | b'\t') {
                if let Some((_, value)) = headers.last_mut() {
                    let value = value.to_mut();
                    value.push(b' ');
                    value.extend_from_slice(line.trim_ascii());
                }
                continue;
            }
            // A line without a colon is somebody's mistake that need not cost the call.
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            if headers.len() == HEADERS_MAX {
                return Err(NotSip::TooManyHeaders);
            }
            let name = Name::of(line[..colon].trim_ascii_end());
            headers.push((name, Cow::Borrowed(line[colon + 1..].trim_ascii())));
        }
    }

    /// Asks for the headers that every message must have and takes them.
    pub fn check(&self) -> Result<Envelope<'_>, Fault> {
        if matches!(self.start, Start::Request { version_2: false, .. }) {
            return Err(Fault::Version);
        }
        let call_id = text(self.single(Name::CallId, "Call-ID")?, "Call-ID")?;
        if call_id.is_empty() || call_id.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(Fault::Malformed("Call-ID"));
        }
        let cseq = text(self.single(Name::CSeq, "CSeq")?, "CSeq")?;
        let (number, method) = cseq.split_once([' ', '\t']).ok_or(Fault::Malformed("CSeq"))?;
        let method = method.trim_start();
        let number = header::number(number.as_bytes())
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| *number < 1 << 31)
            .ok_or(Fault::Malformed("CSeq"))?;
        if let Start::Request { method: requested, .. } = self.start
            && requested != method
        {
            return Err(Fault::CSeqMethod);
        }
        let tag = |name, label| -> Result<Option<&str>, Fault> {
            let party =
                NameAddr::parse(self.single(name, label)?).ok_or(Fault::Malformed(label))?;
            party.tag().map_err(|()| Fault::Malformed(label))
        };
        let vias = self.get(Name::Via).ok_or(Fault::Missing("Via"))?;
        let via = split_list(vias).next().and_then(Via::parse).ok_or(Fault::Malformed("Via"))?;
        Ok(Envelope {
            call_id,
            cseq: number,
            method,
            from_tag: tag(Name::From, "From")?,
            to_tag: tag(Name::To, "To")?,
            via,
            body: self.body()?,
        })
    }

    /// The first value of a header, the whole line.
    pub fn get(&self, name: Name) -> Option<&[u8]> {
        self.all(name).next()
    }

    /// The values of a header, a line each.
    pub fn all(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.headers.iter().filter(move |(known, _)| *known == name).map(|(_, value)| &**value)
    }

    /// The values of a header that is a list, several on a line or not.
    pub fn list(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.all(name).flat_map(split_list)
    }

    /// The URI of the first Contact, when it is one that a request can go to.
    pub fn contact(&self) -> Option<&str> {
        let contact = NameAddr::parse(self.list(Name::Contact).next()?)?.uri;
        Uri::parse(contact).is_some().then_some(contact)
    }

    fn single(&self, name: Name, label: &'static str) -> Result<&[u8], Fault> {
        let mut all = self.all(name);
        let value = all.next().ok_or(Fault::Missing(label))?;
        if all.next().is_some() { Err(Fault::Twice(label)) } else { Ok(value) }
    }

    fn body(&self) -> Result<&[u8], Fault> {
        let mut length = None;
        for value in self.all(Name::ContentLength) {
            let said = header::number(value).ok_or(Fault::Malformed("Content-Length"))?;
            if length.is_some_and(|length| length != said) {
                return Err(Fault::Twice("Content-Length"));
            }
            length = Some(said);
        }
        // Bytes beyond it are to be dropped, bytes missing are an error (RFC 3261 18.3).
        let length = match length {
            Some(length) => usize::try_from(length).map_err(|_| Fault::Short)?,
            None => self.rest.len(),
        };
        self.rest.get(..length).ok_or(Fault::Short)
    }
}

impl<'a> Start<'a> {
    fn scan(line: &'a [u8]) -> Option<Self> {
        if line.get(..8).is_some_and(|begin| begin.eq_ignore_ascii_case(b"SIP/2.0 ")) {
            let code = header::number(line.get(8..11)?)? as u16;
            let reason = match line.get(11) {
                None => &[][..],
                Some(b' ') => &line[12..],
                Some(_) => return None,
            };
            return (100..700).contains(&code).then_some(Self::Response { code, reason });
        }
        let mut words = str::from_utf8(line).ok()?.split(' ').filter(|word| !word.is_empty());
        let (method, uri, version) = (words.next()?, words.next()?, words.next()?);
        let version_2 = version.eq_ignore_ascii_case("SIP/2.0");
        let named = version.get(..4).is_some_and(|begin| begin.eq_ignore_ascii_case("SIP/"));
        (named && words.next().is_none() && header::is_token(method)).then_some(Self::Request {
            method,
            uri,
            version_2,
        })
    }
}

/// Takes the next line, without its end, off `rest`; bare LF is forgiven.
fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let (line, after) = rest.split_at(end);
    *rest = &after[1..];
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

fn text<'m>(value: &'m [u8], label: &'static str) -> Result<&'m str, Fault> {
    str::from_utf8(value).map_err(|_| Fault::Malformed(label))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod torture;
