//! The life of a campaign: its statuses, and every move between them (CL).

use serde::{Deserialize, Serialize};

use crate::outcome::words;

words! {
    /// Where a campaign stands (CL-1).
    Status {
        /// Created, or prepared for another run; not dialling.
        Draft = "draft" / 0,
        /// The dialler may place calls.
        Running = "running" / 1,
        /// No new INVITE leaves.
        Paused = "paused" / 2,
        /// The run is over.
        Completed = "completed" / 3,
        /// The run could not go on.
        Failed = "failed" / 4,
    }
}

words! {
    /// What a person or the dialler asks of a campaign (CL-2 to CL-8).
    Action {
        /// draft → running.
        Start = "start" / 0,
        /// running → paused.
        Pause = "pause" / 1,
        /// paused → running.
        Resume = "resume" / 2,
        /// running or paused → completed, at once; live calls end by themselves.
        Stop = "stop" / 3,
        /// The dialler: nothing is left to do.
        Complete = "complete" / 4,
        /// The dialler: it cannot go on.
        Fail = "fail" / 5,
        /// completed or failed → draft: prepares another run. Cancel Restart is no move of
        /// a run: it takes the prepared run back, and the campaign has the finished one
        /// again.
        Restart = "restart" / 6,
    }
}

words! {
    /// Why a run is over (R-3, CL-5).
    CompletionReason {
        /// A person stopped it.
        ManuallyStopped = "manually_stopped" / 0,
        /// A single-day campaign whose window ended.
        WindowEnded = "window_ended" / 1,
        /// No INVITE was sent in the run.
        NoCallableContacts = "no_callable_contacts" / 2,
        /// Some contact ended because its attempts were used up.
        MaxRetries = "max_retries" / 3,
        /// Everyone reached a final state.
        AllFinal = "all_final" / 4,
    }
}

impl CompletionReason {
    /// The sentence on the page (CL-5).
    pub fn label(self) -> &'static str {
        match self {
            Self::ManuallyStopped => "Manually stopped",
            Self::WindowEnded => "Calling window ended",
            Self::NoCallableContacts => "No callable contacts",
            Self::MaxRetries => "Max retries completed",
            Self::AllFinal => "All contacts reached a final state",
        }
    }
}

/// The action is not open to a campaign in this status: HTTP 409 `wrong_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a {} campaign cannot be asked to {}", .status.word(), .action.word())]
pub struct WrongState {
    /// Where it stands.
    pub status: Status,
    /// What was asked.
    pub action: Action,
}

impl Status {
    /// The status after `action`. Every pair is listed: a new status or action
    /// does not compile until someone has decided what it means.
    pub fn after(self, action: Action) -> Result<Self, WrongState> {
        use Action as A;
        use Status as S;
        match (self, action) {
            (S::Draft, A::Start) | (S::Paused, A::Resume) => Ok(S::Running),
            (S::Running, A::Pause) => Ok(S::Paused),
            (S::Running | S::Paused, A::Stop | A::Complete) => Ok(S::Completed),
            (S::Running | S::Paused, A::Fail) => Ok(S::Failed),
            (S::Completed | S::Failed, A::Restart) => Ok(S::Draft),

            (S::Draft, A::Pause | A::Resume | A::Stop | A::Complete | A::Fail | A::Restart)
            | (S::Running, A::Start | A::Resume | A::Restart)
            | (S::Paused, A::Start | A::Pause | A::Restart)
            | (
                S::Completed | S::Failed,
                A::Start | A::Pause | A::Resume | A::Stop | A::Complete | A::Fail,
            ) => Err(WrongState { status: self, action }),
        }
    }

    /// Whether settings may be edited (CL-11).
    pub fn is_editable(self) -> bool {
        matches!(self, Self::Draft | Self::Paused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_answers_every_action() {
        let mut table = String::new();
        for status in Status::ALL {
            for action in Action::ALL {
                let after = match status.after(*action) {
                    Ok(next) => next.word(),
                    Err(_) => "409 wrong_state",
                };
                table += &format!("{:10} {:9} {after}\n", status.word(), action.word());
            }
        }
        insta::assert_snapshot!(table);
    }
}
