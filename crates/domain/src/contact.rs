//! The states of a contact within a run (CT-7).

use crate::outcome::words;
use serde::{Deserialize, Serialize};

words! {
    /// Where a contact stands in the current run (CT-7).
    ContactState {
        /// Waiting for its first dial.
        Pending = "pending" / 0,
        /// Waiting for a retry.
        RetryScheduled = "retry_scheduled" / 1,
        /// Waiting for the time that the callee asked for.
        CallbackScheduled = "callback_scheduled" / 2,
        /// Claimed by a node; nothing has left this machine.
        Leased = "leased" / 3,
        /// The attempt row exists; an INVITE may have left.
        Dialling = "dialling" / 4,
        /// A 18x came.
        Ringing = "ringing" / 5,
        /// Answered; the answering-machine detector listens.
        AmdScreening = "amd_screening" / 6,
        /// Answered; the bot is being attached.
        Attaching = "attaching" / 7,
        /// Talking to the bot. Shown as `connected`.
        InProgress = "in_progress" / 8,
        /// Hung up; the result of the conversation is awaited.
        Processing = "processing" / 9,
        /// Final: a conversation took place.
        Completed = "completed" / 20,
        /// Final: not reached.
        Failed = "failed" / 21,
        /// Final: answered with no seat free.
        Abandoned = "abandoned" / 22,
        /// Final: an answering machine.
        AmdMachine = "amd_machine" / 23,
        /// Final: the single day ended first.
        WindowClosed = "window_closed" / 24,
        /// Final: stopped by a person.
        ManualStopped = "manual_stopped" / 25,
        /// Never to be dialled by this campaign.
        Excluded = "excluded" / 30,
    }
}

/// What kind of state it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContactClass {
    /// Waits to be dialled.
    Waiting,
    /// Claimed, in a call, or being settled.
    Active,
    /// One of the six processed states.
    Final,
    /// Excluded.
    Excluded,
}

impl ContactState {
    /// Its class (CT-7, CT-8).
    pub fn class(self) -> ContactClass {
        match self {
            Self::Pending | Self::RetryScheduled | Self::CallbackScheduled => ContactClass::Waiting,
            Self::Leased
            | Self::Dialling
            | Self::Ringing
            | Self::AmdScreening
            | Self::Attaching
            | Self::InProgress
            | Self::Processing => ContactClass::Active,
            Self::Completed
            | Self::Failed
            | Self::Abandoned
            | Self::AmdMachine
            | Self::WindowClosed
            | Self::ManualStopped => ContactClass::Final,
            Self::Excluded => ContactClass::Excluded,
        }
    }

    /// The words on a badge.
    pub fn label(self) -> &'static str {
        match self {
            Self::Pending => "Waiting",
            Self::RetryScheduled => "Retry",
            Self::CallbackScheduled => "Callback",
            Self::Leased => "Leased",
            Self::Dialling => "Dialling",
            Self::Ringing => "Ringing",
            Self::AmdScreening => "Screening",
            Self::Attaching => "Attaching",
            Self::InProgress => "Connected",
            Self::Processing => "Processing",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::Abandoned => "Abandoned",
            Self::AmdMachine => "Machine",
            Self::WindowClosed => "Window closed",
            Self::ManualStopped => "Stopped",
            Self::Excluded => "Excluded",
        }
    }
}
