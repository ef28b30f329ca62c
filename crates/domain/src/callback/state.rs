//! What becomes of a callback.

use serde::{Deserialize, Serialize};

use crate::outcome::words;

words! {
    /// How far a callback has come.
    CallbackState {
        /// Waits for its time.
        Pending = "pending" / 0,
        /// Its call is out.
        Dialling = "dialling" / 1,
        /// Its call was made, whatever it came to.
        Completed = "completed" / 2,
        /// Stop, the end of the day or an exclusion came first.
        Cancelled = "cancelled" / 3,
        /// Its contact was called for another reason first.
        Superseded = "superseded" / 4,
    }
}

/// What happens to the contact that waits for a callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallbackEvent {
    /// Its call is about to leave.
    Dialled,
    /// The call never left: the claim went back.
    NotSent,
    /// The call ended.
    Ended,
    /// The contact was excluded, or its run was ended.
    Withdrawn,
    /// The contact waits for something else now, such as a trigger.
    Overtaken,
}

impl CallbackEvent {
    /// Every event.
    pub const ALL: [Self; 5] =
        [Self::Dialled, Self::NotSent, Self::Ended, Self::Withdrawn, Self::Overtaken];
}

impl CallbackState {
    /// The state after an event. A call that is out ends by itself, and what has ended
    /// stays as it is.
    pub fn after(self, event: CallbackEvent) -> Self {
        use CallbackEvent::{Dialled, Ended, NotSent, Overtaken, Withdrawn};
        match (self, event) {
            (Self::Pending, Dialled) => Self::Dialling,
            (Self::Pending, Withdrawn) => Self::Cancelled,
            (Self::Pending, Overtaken) => Self::Superseded,
            (Self::Pending, NotSent | Ended) => Self::Pending,
            (Self::Dialling, NotSent) => Self::Pending,
            (Self::Dialling, Ended) => Self::Completed,
            (Self::Dialling, Dialled | Withdrawn | Overtaken) => Self::Dialling,
            (Self::Completed | Self::Cancelled | Self::Superseded, _) => self,
        }
    }

    /// Whether it is over.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled | Self::Superseded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_after_every_event() {
        let mut table = format!("{:12}", "");
        for event in CallbackEvent::ALL {
            table += &format!("{:12}", format!("{event:?}"));
        }
        for state in CallbackState::ALL {
            table += &format!("\n{:12}", state.word());
            for event in CallbackEvent::ALL {
                table += &format!("{:12}", state.after(event).word());
            }
        }
        let table: Vec<&str> = table.lines().map(str::trim_end).collect();
        insta::assert_snapshot!(table.join("\n"), @"
                    Dialled     NotSent     Ended       Withdrawn   Overtaken
        pending     dialling    pending     pending     cancelled   superseded
        dialling    dialling    pending     completed   dialling    dialling
        completed   completed   completed   completed   completed   completed
        cancelled   cancelled   cancelled   cancelled   cancelled   cancelled
        superseded  superseded  superseded  superseded  superseded  superseded
        ");
    }
}
