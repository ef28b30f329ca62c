//! The called side of a call as a table: every state, every input, what to do.

use super::event::EndCause;

/// Where a call that came in stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// INVITE came; 100 or 18x went.
    Ringing,
    /// 200 sent, not acknowledged.
    Answered,
    /// To be hung up, but BYE must wait for ACK (RFC 3261 15).
    HangWait,
    /// Acknowledged.
    Talking,
    /// BYE sent.
    Hanging,
    /// BYE sent because ACK never came.
    HangingNoAck,
    /// A refusal was sent, not acknowledged.
    Refusing,
    /// The caller gave up; 487 sent, not acknowledged.
    Withdrawn,
    /// Ended; only stragglers are answered.
    Over,
}

/// What can happen to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    /// The owner answers.
    Answer,
    /// The owner refuses.
    Reject,
    /// The owner wants it over.
    HangUp,
    /// CANCEL came.
    Cancel,
    /// The final answer was acknowledged.
    Ack,
    /// It was not (Timer H).
    NoAck,
    /// BYE came.
    Bye,
    /// The far end is gone: it did not refresh the session, or answers nothing any more.
    Lost,
    /// Our BYE was answered, or Timer F.
    ByeDone,
}

/// What to do about it, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Send the final answer that the owner gave.
    SendFinal,
    /// Send this final answer.
    Refuse(u16),
    /// 200 to CANCEL.
    AnswerCancel,
    /// 200 to BYE.
    AnswerBye,
    /// BYE.
    SendBye,
    /// Tell the owner of the ACK.
    ReportAck,
    /// Tell the owner that the caller gave up.
    ReportCancelled,
    /// The call is over for its owner.
    End(EndCause),
}

impl Phase {
    /// Where `input` leads and what it asks for.
    pub(super) fn after(self, input: Input) -> (Self, &'static [Action]) {
        use Action::*;
        use EndCause::*;
        match (self, input) {
            (Self::Ringing, Input::Answer) => (Self::Answered, &[SendFinal]),
            (Self::Ringing, Input::Reject) => (Self::Refusing, &[SendFinal]),
            (Self::Ringing, Input::HangUp) => (Self::Refusing, &[Refuse(480)]),
            (Self::Ringing, Input::Cancel) => {
                (Self::Withdrawn, &[AnswerCancel, Refuse(487), ReportCancelled])
            }
            // The caller may end an early dialog by BYE as well (RFC 3261 15).
            (Self::Ringing, Input::Bye) => {
                (Self::Withdrawn, &[AnswerBye, Refuse(487), ReportCancelled])
            }

            (Self::Answered, Input::Ack) => (Self::Talking, &[ReportAck]),
            (Self::Answered, Input::HangUp) => (Self::HangWait, &[]),
            (Self::HangWait, Input::Ack) => (Self::Hanging, &[ReportAck, SendBye]),
            (Self::Answered | Self::HangWait | Self::Talking, Input::NoAck) => {
                (Self::HangingNoAck, &[SendBye])
            }
            (Self::Answered | Self::HangWait | Self::Talking, Input::Bye) => {
                (Self::Over, &[AnswerBye, End(ByeReceived)])
            }
            (Self::Talking, Input::HangUp) => (Self::Hanging, &[SendBye]),
            (Self::Talking, Input::Lost) => (Self::Over, &[End(SessionExpired), SendBye]),

            (Self::Hanging, Input::Bye) => (Self::Over, &[AnswerBye, End(ByeSent)]),
            (Self::Hanging, Input::ByeDone) => (Self::Over, &[End(ByeSent)]),
            (Self::HangingNoAck, Input::Bye) => (Self::Over, &[AnswerBye, End(NoAck)]),
            (Self::HangingNoAck, Input::ByeDone) => (Self::Over, &[End(NoAck)]),

            (Self::Refusing, Input::Ack) => (Self::Over, &[ReportAck, End(Refused)]),
            (Self::Refusing, Input::NoAck) => (Self::Over, &[End(NoAck)]),
            (Self::Withdrawn, Input::Ack) => (Self::Over, &[ReportAck, End(Cancelled)]),
            (Self::Withdrawn, Input::NoAck) => (Self::Over, &[End(Cancelled)]),

            // Too late: the final answer stands (RFC 3261 9.2).
            (
                Self::Answered
                | Self::HangWait
                | Self::Talking
                | Self::Hanging
                | Self::HangingNoAck
                | Self::Refusing
                | Self::Withdrawn
                | Self::Over,
                Input::Cancel,
            ) => (self, &[AnswerCancel]),
            (Self::Refusing | Self::Withdrawn | Self::Over, Input::Bye) => (self, &[AnswerBye]),

            (_, Input::Lost)
            | (Self::Ringing, Input::Ack | Input::NoAck | Input::ByeDone)
            | (Self::Answered, Input::Answer | Input::Reject | Input::ByeDone)
            | (Self::HangWait, Input::Answer | Input::Reject | Input::HangUp | Input::ByeDone)
            | (Self::Talking, Input::Answer | Input::Reject | Input::Ack | Input::ByeDone)
            | (
                Self::Hanging | Self::HangingNoAck,
                Input::Answer | Input::Reject | Input::HangUp | Input::Ack | Input::NoAck,
            )
            | (
                Self::Refusing | Self::Withdrawn,
                Input::Answer | Input::Reject | Input::HangUp | Input::ByeDone,
            )
            | (
                Self::Over,
                Input::Answer
                | Input::Reject
                | Input::HangUp
                | Input::Ack
                | Input::NoAck
                | Input::ByeDone,
            ) => (self, &[]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table() {
        use Phase::*;
        let phases = [
            Ringing,
            Answered,
            HangWait,
            Talking,
            Hanging,
            HangingNoAck,
            Refusing,
            Withdrawn,
            Over,
        ];
        let inputs = [
            Input::Answer,
            Input::Reject,
            Input::HangUp,
            Input::Cancel,
            Input::Ack,
            Input::NoAck,
            Input::Bye,
            Input::Lost,
            Input::ByeDone,
        ];
        let mut table = String::new();
        for phase in phases {
            for input in inputs {
                let (next, actions) = phase.after(input);
                if (next, actions.len()) != (phase, 0) {
                    table += &format!("{phase:?} + {input:?} -> {next:?} {actions:?}\n");
                }
            }
        }
        insta::assert_snapshot!(table);
    }
}
