//! The SIP ladders of attempts: what was sent and received, for the operator who asks
//! what went wrong.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use campanile_domain::ids::AttemptId;
use campanile_wire::ua::{Flow, Message};
use jiff::Timestamp;

use crate::clock::Now;

/// One SIP message of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LadderMessage {
    /// When it went or came.
    pub at: Timestamp,
    /// Which way.
    pub flow: Flow,
    /// The request or status line, such as `SIP/2.0 486 Busy Here`.
    pub first_line: String,
    /// The whole of it, credentials removed; not always UTF-8.
    pub bytes: Arc<[u8]>,
}

/// The ladders of the attempts that ended last.
pub(super) struct Recent {
    max: usize,
    order: VecDeque<AttemptId>,
    ladders: HashMap<AttemptId, Vec<LadderMessage>>,
}

impl Recent {
    pub(super) fn new(max: usize) -> Self {
        Self { max, order: VecDeque::new(), ladders: HashMap::new() }
    }

    /// Keeps what was said in a call; behind what was said in an earlier one of the same
    /// attempt, through another carrier.
    pub(super) fn keep(&mut self, attempt: AttemptId, messages: Vec<LadderMessage>) {
        if let Some(ladder) = self.ladders.get_mut(&attempt) {
            ladder.extend(messages);
            return;
        }
        if self.order.len() == self.max
            && let Some(oldest) = self.order.pop_front()
        {
            self.ladders.remove(&oldest);
        }
        self.order.push_back(attempt);
        self.ladders.insert(attempt, messages);
    }

    pub(super) fn of(&self, attempt: AttemptId) -> Vec<LadderMessage> {
        self.ladders.get(&attempt).cloned().unwrap_or_default()
    }
}

/// The user agent counts from its own origin; people read the time of day.
pub(super) fn in_wall_time(messages: Vec<Message>, now: Now) -> Vec<LadderMessage> {
    let told = messages.into_iter().map(|message| LadderMessage {
        at: now.wall_at(message.at),
        flow: message.flow,
        first_line: message.first_line,
        bytes: message.bytes,
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_ladder_makes_room() {
        let message = LadderMessage {
            at: Timestamp::UNIX_EPOCH,
            flow: Flow::Sent,
            first_line: "BYE sip:a@b SIP/2.0".into(),
            bytes: Arc::from(&b"BYE"[..]),
        };
        let mut recent = Recent::new(2);
        for attempt in 1..=3 {
            recent.keep(AttemptId(attempt), vec![message.clone(); attempt as usize]);
        }
        assert!(recent.of(AttemptId(1)).is_empty());
        assert_eq!(recent.of(AttemptId(2)).len(), 2);
        assert_eq!(recent.of(AttemptId(3)).len(), 3);
        recent.keep(AttemptId(3), vec![message.clone(); 2]);
        assert_eq!(recent.of(AttemptId(3)).len(), 3 + 2, "one ladder for both carriers");
        assert_eq!(recent.of(AttemptId(2)).len(), 2, "which makes nobody's room smaller");
        assert_eq!(recent.ladders.len(), recent.order.len());
    }
}
