//! What waits to be written to a connection.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use campanile_wire::time::Time;

/// A far end that takes nothing while this many bytes gather is not served any more: about a
/// second of the messages of a thousand calls a second.
const BYTES_MAX: usize = 4 << 20;
/// How long a request waits for a connection: as long as its sender waits for the answer (Timer F).
const WAIT_MAX: Duration = Duration::from_secs(32);

/// Messages in order, the first perhaps written in part.
#[derive(Debug, Default)]
pub(super) struct Queue {
    messages: VecDeque<(Time, Arc<[u8]>)>,
    bytes: usize,
    /// Of the first message.
    written: usize,
}

impl Queue {
    /// False when there is no room.
    pub(super) fn push(&mut self, now: Time, message: Arc<[u8]>) -> bool {
        if self.bytes + message.len() > BYTES_MAX {
            return false;
        }
        self.bytes += message.len();
        self.messages.push_back((now, message));
        true
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// What is to be written of the first message.
    pub(super) fn front(&self) -> Option<&[u8]> {
        self.messages.front().map(|(_, message)| &message[self.written..])
    }

    /// What is to be written next, a piece a message, at most `max` of them.
    pub(super) fn pieces(&self, max: usize) -> impl Iterator<Item = &[u8]> {
        let written = |index| if index == 0 { self.written } else { 0 };
        let whole = self.messages.iter().take(max).enumerate();
        whole.map(move |(index, (_, message))| &message[written(index)..])
    }

    /// So many bytes of the pieces were written.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.written += bytes;
        while let Some((_, message)) = self.messages.front() {
            let len = message.len();
            if self.written < len {
                return;
            }
            self.written -= len;
            self.bytes -= len;
            self.messages.pop_front();
        }
    }

    /// The connection is gone: only what is `worth` another one waits for it, from its first byte.
    pub(super) fn keep(&mut self, now: Time, worth: fn(&[u8]) -> bool) {
        self.messages.retain(|(at, message)| now.since(*at) < WAIT_MAX && worth(message));
        self.bytes = self.messages.iter().map(|(_, message)| message.len()).sum();
        self.written = 0;
    }
}

/// Whether it is the far end that misses it when it does not arrive: ACK, BYE and CANCEL, without
/// which a phone rings on, or stays off the hook.
pub(super) fn ends_a_call(message: &[u8]) -> bool {
    is_ack(message) || message.starts_with(b"BYE ") || message.starts_with(b"CANCEL ")
}

/// Whether nobody sends it again: an ACK is not answered.
pub(super) fn is_ack(message: &[u8]) -> bool {
    message.starts_with(b"ACK ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(messages: &[&str]) -> Queue {
        let mut queue = Queue::default();
        for message in messages {
            assert!(queue.push(Time::ZERO, message.as_bytes().into()));
        }
        queue
    }

    fn rest(queue: &Queue) -> Vec<&str> {
        queue.pieces(9).map(|piece| str::from_utf8(piece).unwrap()).collect()
    }

    #[test]
    fn it_is_written_in_order_and_in_whatever_pieces() {
        let mut queue = queue(&["BYE 1", "INVITE 2", "BYE 3"]);
        queue.advance(3);
        assert_eq!(rest(&queue), [" 1", "INVITE 2", "BYE 3"]);
        assert_eq!(queue.front(), Some(&b" 1"[..]));
        assert_eq!(queue.pieces(2).count(), 2);
        queue.advance(2 + 8 + 1);
        assert_eq!(rest(&queue), ["YE 3"]);
        queue.advance(4);
        assert!(queue.is_empty() && queue.bytes == 0 && queue.written == 0);
    }

    #[test]
    fn what_ends_calls_outlives_the_connection_from_its_first_byte() {
        let mut queue = queue(&["BYE 1", "INVITE 2", "SIP/2.0 200", "CANCEL 4"]);
        queue.advance(3);
        queue.keep(Time(31_000_000), ends_a_call);
        assert_eq!(rest(&queue), ["BYE 1", "CANCEL 4"]);
        queue.keep(Time(32_000_000), ends_a_call);
        assert!(queue.is_empty() && queue.bytes == 0);
    }

    #[test]
    fn it_is_bounded() {
        let mut queue = Queue::default();
        let message: Arc<[u8]> = vec![b'x'; BYTES_MAX / 4].into();
        assert!((0..4).all(|_| queue.push(Time::ZERO, message.clone())));
        assert!(!queue.push(Time::ZERO, message));
    }
}
