//! The SIP ladder: the last messages of a call, for the operator who asks what went wrong.

use std::{collections::VecDeque, sync::Arc};

use super::compose::first_line;
use crate::time::Time;

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// From us.
    Sent,
    /// To us.
    Received,
}

/// One message of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// When it went or came.
    pub at: Time,
    /// Which way.
    pub flow: Flow,
    /// The request or status line, such as `SIP/2.0 486 Busy Here`.
    pub first_line: String,
    /// The whole of it; the value of `Authorization` and `Proxy-Authorization` is removed.
    pub bytes: Arc<[u8]>,
}

/// The last messages of one call, as they went; made readable when somebody asks.
#[derive(Debug, Default)]
pub(super) struct Ring(VecDeque<(Time, Flow, Arc<[u8]>)>);

impl Ring {
    pub(super) fn push(&mut self, kept_max: usize, at: Time, flow: Flow, bytes: &Arc<[u8]>) {
        if kept_max == 0 {
            return;
        }
        if self.0.len() == kept_max {
            self.0.pop_front();
        }
        self.0.push_back((at, flow, Arc::clone(bytes)));
    }

    pub(super) fn messages(&self) -> Vec<Message> {
        self.0
            .iter()
            .map(|(at, flow, bytes)| Message {
                at: *at,
                flow: *flow,
                first_line: first_line(bytes),
                bytes: without_credentials(bytes),
            })
            .collect()
    }

    pub(super) fn clear(&mut self) {
        self.0 = VecDeque::new();
    }
}

fn without_credentials(bytes: &Arc<[u8]>) -> Arc<[u8]> {
    let is_secret = |line: &[u8]| {
        // Almost every line is told apart by its first letter.
        if !matches!(line.first(), Some(b'A' | b'a' | b'P' | b'p')) {
            return false;
        }
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default().trim_ascii();
        name.eq_ignore_ascii_case(b"Authorization")
            || name.eq_ignore_ascii_case(b"Proxy-Authorization")
    };
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    if !lines.any(is_secret) {
        return Arc::clone(bytes);
    }
    let mut kept = Vec::with_capacity(bytes.len());
    let mut removing = false;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let folded = matches!(line.first(), Some(b' ' | b'\t'));
        if !folded {
            removing = is_secret(line);
        }
        match (removing, folded) {
            (true, true) => {}
            (true, false) => {
                let colon = line.iter().position(|byte| *byte == b':').unwrap_or(0);
                kept.extend_from_slice(&line[..colon]);
                kept.extend_from_slice(b": (removed)\r\n");
            }
            (false, _) => kept.extend_from_slice(line),
        }
    }
    kept.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_message_makes_room_and_credentials_are_removed() {
        let mut ring = Ring::default();
        for text in [
            "INVITE sip:a SIP/2.0\r\n\r\n",
            "SIP/2.0 100 Trying\r\n\r\n",
            "INVITE sip:b SIP/2.0\r\nproxy-authorization: Digest\r\n response=\"secret\"\r\nTo: x\r\n\r\n",
        ] {
            ring.push(2, Time(1), Flow::Sent, &Arc::from(text.as_bytes()));
        }
        let messages = ring.messages();
        let lines: Vec<_> = messages.iter().map(|message| message.first_line.as_str()).collect();
        assert_eq!(lines, ["SIP/2.0 100 Trying", "INVITE sip:b SIP/2.0"]);
        assert_eq!(
            str::from_utf8(&messages[1].bytes).unwrap(),
            "INVITE sip:b SIP/2.0\r\nproxy-authorization: (removed)\r\nTo: x\r\n\r\n"
        );
        ring.push(0, Time(1), Flow::Sent, &Arc::from(&b"x"[..]));
        assert_eq!(ring.messages().len(), 2, "nothing is kept when nothing is to be kept");
    }
}
