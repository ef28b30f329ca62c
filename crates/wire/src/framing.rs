//! SIP on a byte stream (RFC 3261 18.3): where one message ends and the next begins.
//!
//! [`Framer`] takes the bytes of a TCP or TLS connection as they come, in whatever pieces, and
//! gives whole messages. What cannot be framed breaks the connection: after it nobody knows where
//! the next message begins.

use std::ops::Range;

use crate::message::{Message, Name, NotSip, header};

/// A longer message is an attack, not a call.
pub const MESSAGE_MAX: usize = 64 * 1024;

/// Cuts the byte stream of one connection into messages. Holds at most one unfinished message
/// and what came with the last [`push`](Self::push).
#[derive(Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    /// What lies before has been given out.
    begin: usize,
    /// No empty line lies between `begin` and here: a message that comes byte by byte is not
    /// searched again from its first.
    searched: usize,
    /// How much of two line breaks came since the last message.
    blank: usize,
    /// The whole of the message at `begin`, once its headers are there.
    wanted: Option<usize>,
}

/// What stands on the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A whole message, as a datagram would bring it.
    Message(&'a [u8]),
    /// One line break between messages: the answer to a ping, or the first half of one.
    Pong,
    /// A second one after it: a keep-alive that wants a line break in return (RFC 5626 3.5.1).
    Ping,
}

/// The stream cannot be read any further; close the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// What stands there is not the first line of a SIP message.
    #[error("it sent something that is not SIP")]
    NotSip,
    /// `Content-Length` is no number, or two different ones.
    #[error("it sent a message whose Content-Length cannot be read")]
    Length,
    /// More than [`MESSAGE_MAX`], or absurdly many headers.
    #[error("it sent a message that is too long")]
    TooLong,
}

impl Framer {
    /// Takes in what came. Empty it with [`next`](Self::next) before the next piece.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.begin);
        self.searched -= self.begin;
        self.begin = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next thing on the stream; `None` until more bytes come.
    ///
    /// After an error the stream stays broken.
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot lend")]
    pub fn next(&mut self) -> Option<Result<Frame<'_>, Broken>> {
        if let Some(blank) = self.line_break() {
            return Some(Ok(blank));
        }
        match self.whole() {
            Ok(Some(message)) => Some(Ok(Frame::Message(&self.buffer[message]))),
            Ok(None) => None,
            Err(broken) => Some(Err(broken)),
        }
    }

    /// Whether a message has begun and not ended: its sender should not take for ever.
    pub fn is_within_message(&self) -> bool {
        self.begin < self.buffer.len()
    }

    /// Takes line breaks off the front until they make up a keep-alive.
    fn line_break(&mut self) -> Option<Frame<'static>> {
        const PING: &[u8] = b"\r\n\r\n";
        while let Some(byte) = self.buffer.get(self.begin) {
            if !matches!(byte, b'\r' | b'\n') {
                self.blank = 0;
                return None;
            }
            // A bare LF or a CR too many is no keep-alive, and no harm (RFC 3261 7.5).
            self.blank = match *byte {
                byte if byte == PING[self.blank] => self.blank + 1,
                b'\r' => 1,
                _ => 0,
            };
            self.begin += 1;
            self.searched = self.begin;
            match self.blank {
                2 => return Some(Frame::Pong),
                4 => {
                    self.blank = 0;
                    return Some(Frame::Ping);
                }
                _ => {}
            }
        }
        None
    }

    fn whole(&mut self) -> Result<Option<Range<usize>>, Broken> {
        let wanted = match self.wanted {
            Some(wanted) => wanted,
            None => match self.head()? {
                Some(head) => {
                    let wanted = head + length(&self.buffer[self.begin..self.begin + head])?;
                    if wanted > MESSAGE_MAX {
                        return Err(Broken::TooLong);
                    }
                    *self.wanted.insert(wanted)
                }
                None => return Ok(None),
            },
        };
        let message = self.begin..self.begin + wanted;
        if message.end > self.buffer.len() {
            return Ok(None);
        }
        self.wanted = None;
        self.begin = message.end;
        self.searched = message.end;
        Ok(Some(message))
    }

    /// How long the headers are, with the empty line that ends them.
    fn head(&mut self) -> Result<Option<usize>, Broken> {
        let message = &self.buffer[self.begin..];
        let mut from = self.searched - self.begin;
        while let Some(found) = message[from..].iter().position(|byte| *byte == b'\n') {
            let end = from + found + 1;
            if matches!(message[..end - 1], [.., b'\n'] | [.., b'\n', b'\r']) {
                return if end > MESSAGE_MAX { Err(Broken::TooLong) } else { Ok(Some(end)) };
            }
            // The first line tells at once whether anybody speaks SIP there.
            if !message[..end - 1].contains(&b'\n')
                && !matches!(Message::scan(&message[..end]), Err(NotSip::Cut))
            {
                return Err(Broken::NotSip);
            }
            from = end;
        }
        self.searched = self.buffer.len();
        if message.len() > MESSAGE_MAX { Err(Broken::TooLong) } else { Ok(None) }
    }
}

/// What `Content-Length` says, read as [`Message`] reads it, so that both agree where a body
/// ends. Nothing is 0: it must be there on a stream, and who forgets it mostly has no body.
fn length(head: &[u8]) -> Result<usize, Broken> {
    let message = Message::scan(head).map_err(|fault| match fault {
        NotSip::TooManyHeaders => Broken::TooLong,
        NotSip::KeepAlive | NotSip::FirstLine | NotSip::Cut => Broken::NotSip,
    })?;
    let mut length = None;
    for value in message.all(Name::ContentLength) {
        let said = header::number(value).ok_or(Broken::Length)?;
        if length.is_some_and(|length| length != said) {
            return Err(Broken::Length);
        }
        length = Some(said);
    }
    usize::try_from(length.unwrap_or(0))
        .ok()
        .filter(|said| *said <= MESSAGE_MAX)
        .ok_or(Broken::TooLong)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::Index};

    use super::*;
    use crate::message::torture::TORTURE;

    const OK: &[u8] = b"SIP/2.0 200 OK\r\nCall-ID: 1\r\nContent-Length: 5\r\n\r\nhello";
    const BYE: &[u8] = b"BYE sip:a@b SIP/2.0\r\nCall-ID: 2\r\nl: 0\r\n\r\n";

    /// What came of a stream in these pieces.
    fn told(pieces: &[&[u8]]) -> Vec<String> {
        let mut framer = Framer::default();
        let mut told = Vec::new();
        for piece in pieces {
            framer.push(piece);
            while let Some(frame) = framer.next() {
                told.push(match frame {
                    Ok(Frame::Message(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
                    other => format!("{other:?}"),
                });
                if told.last().unwrap().starts_with("Err") {
                    return told;
                }
            }
        }
        if framer.is_within_message() {
            told.push("unfinished".into());
        }
        told
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn glued_messages_come_one_by_one_and_split_ones_whole() {
        let glued = [OK, BYE, OK].concat();
        let all = [text(OK), text(BYE), text(OK)];
        assert_eq!(told(&[&glued]), all);
        assert_eq!(told(&glued.chunks(1).collect::<Vec<_>>()), all);
        assert_eq!(told(&[&OK[..52]]), ["unfinished"], "its body is cut");
        assert_eq!(told(&[&OK[..20]]), ["unfinished"], "its headers are cut");
    }

    #[test]
    fn keep_alives_between_messages_are_told_and_are_no_part_of_them() {
        let stream = [b"\r\n", BYE, b"\r\n\r\n", OK, b"\r\n"].concat();
        let all = ["Ok(Pong)".into(), text(BYE), "Ok(Pong)".into(), "Ok(Ping)".into(), text(OK)];
        assert_eq!(told(&[&stream])[..5], all);
        assert_eq!(told(&stream.chunks(1).collect::<Vec<_>>()), told(&[&stream]));
    }

    #[test]
    fn what_is_not_sip_breaks_the_stream_at_its_first_line() {
        assert_eq!(told(&[b"GET / HTTP/1.1\r\n"]), ["Err(NotSip)"]);
        assert_eq!(told(&[BYE, b"v=0\r\n"]), [text(BYE), "Err(NotSip)".into()]);
        assert_eq!(told(&[&[0x16, 3, 1, 0, 200, b'\n']]), ["Err(NotSip)"]);
    }

    #[test]
    fn a_length_that_cannot_be_believed_breaks_the_stream() {
        let with = |lines: &str| told(&[format!("BYE sip:a@b SIP/2.0\r\n{lines}\r\n").as_bytes()]);
        for (lines, expected) in [
            ("Content-Length: -1\r\n", "Err(Length)"),
            ("Content-Length: ten\r\n", "Err(Length)"),
            ("Content-Length: 0\r\nl: 4\r\n", "Err(Length)"),
            ("Content-Length: 65536\r\n", "Err(TooLong)"),
            ("Content-Length: 99999999999999999999\r\n", "Err(Length)"),
        ] {
            assert_eq!(with(lines), [expected], "{lines}");
        }
        assert!(with("Subject: none\r\n")[0].starts_with("BYE"), "a missing one is 0");
    }

    #[test]
    fn a_message_that_does_not_end_breaks_the_stream_when_it_is_too_long() {
        let endless = [b"BYE sip:a@b SIP/2.0\r\nX: ".to_vec(), vec![b'x'; MESSAGE_MAX]].concat();
        assert_eq!(told(&endless.chunks(1_000).collect::<Vec<_>>()), ["Err(TooLong)"]);
        assert_eq!(told(&[&vec![b'x'; MESSAGE_MAX + 1]]), ["Err(TooLong)"]);
        let many = "X: y\r\n".repeat(300);
        let many = format!("BYE sip:a@b SIP/2.0\r\n{many}\r\n");
        assert_eq!(told(&[many.as_bytes()]), ["Err(TooLong)"]);
    }

    /// Streams of messages, keep-alives and garbage.
    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            4 => Just(OK.to_vec()),
            4 => Just(BYE.to_vec()),
            2 => Just(b"\r\n".to_vec()),
            1 => any::<Index>().prop_map(|index| TORTURE[index.index(TORTURE.len())].2.to_vec()),
            1 => vec(any::<u8>(), 0..40),
        ];
        vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn the_same_stream_gives_the_same_messages_in_whatever_pieces(
            stream in stream(),
            cuts in vec(any::<Index>(), 0..20),
        ) {
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]).collect();
            prop_assert_eq!(told(&pieces), told(&[&stream]));
        }

        #[test]
        fn whole_messages_come_out_as_they_went_in(
            bodies in vec(vec(any::<u8>(), 0..300), 1..8),
            size in 1_usize..500,
        ) {
            let messages: Vec<Vec<u8>> = bodies
                .iter()
                .map(|body| {
                    let head = format!("INFO sip:a SIP/2.0\r\nContent-Length: {}\r\n\r\n", body.len());
                    [head.as_bytes(), body].concat()
                })
                .collect();
            let mut framer = Framer::default();
            let mut heard = Vec::new();
            for piece in messages.concat().chunks(size) {
                framer.push(piece);
                while let Some(frame) = framer.next() {
                    let Ok(Frame::Message(bytes)) = frame else { panic!("{frame:?}") };
                    heard.push(bytes.to_vec());
                }
            }
            prop_assert_eq!(heard, messages);
            prop_assert!(!framer.is_within_message());
        }

        #[test]
        fn no_bytes_make_it_panic_or_hoard(pieces in vec(vec(any::<u8>(), 0..300), 0..8)) {
            let mut framer = Framer::default();
            framer.push(b"BYE sip:a@b SIP/2.0\r\nContent-Length");
            for piece in pieces {
                framer.push(&piece);
                while let Some(frame) = framer.next() {
                    if frame.is_err() {
                        return Ok(());
                    }
                }
                prop_assert!(framer.buffer.len() <= MESSAGE_MAX + piece.len());
            }
        }
    }
}
