//! The calling side of a call as a table: every state, every input, what to do.

use super::event::EndCause;

/// Where a call that we placed stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// INVITE sent, nothing came back.
    Calling,
    /// To be cancelled, but CANCEL must wait for a provisional (RFC 3261 9.1).
    CancelWait,
    /// A provisional came.
    Proceeding,
    /// CANCEL sent; the INVITE still wants its final answer.
    Cancelling,
    /// A 3xx was acknowledged; the owner says where to go.
    Redirected,
    /// Answered and acknowledged.
    Talking,
    /// BYE sent.
    Hanging,
    /// The answer crossed our CANCEL; BYE sent.
    HangingCrossed,
    /// Ended without a final answer, which may still come.
    Gone,
    /// Ended; only stragglers are answered.
    Over,
}

/// What can happen to it. Repeated answers, and answers of further forks, are dealt with before
/// the table, since they are the same in every state (RFC 3261 13.2.2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    /// 1xx.
    Provisional,
    /// A refusal that another INVITE may overcome: a challenge, too short a session, or 503 at
    /// the first of several addresses.
    Again,
    /// 3xx with somewhere to go.
    Redirect,
    /// The owner says where.
    Follow,
    /// The first 2xx.
    Success,
    /// 300 to 699.
    Failure,
    /// The owner wants an unanswered call back.
    Cancel,
    /// The owner wants it over.
    HangUp,
    /// Timer B, or the network says that nobody is there.
    NoReply,
    /// The network says that nobody is there, and there are further addresses.
    Elsewhere,
    /// There is no connection, and the INVITE never left.
    Unsent,
    /// The connection that the INVITE left on broke.
    Torn,
    /// The owner did not say in time where to go.
    RedirectTimeout,
    /// 64*T1 since CANCEL.
    CancelTimeout,
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
    /// Tell the owner of the provisional.
    ReportProvisional,
    /// ACK to a refusal, within the transaction (RFC 3261 17.1.1.3).
    AckFailure,
    /// INVITE again, as a new transaction.
    Repeat,
    /// Tell the owner where the 3xx points.
    ReportRedirect,
    /// ACK to the answer, a request of its own (RFC 3261 13.2.2.4).
    AckSuccess,
    /// Tell the owner of the answer; or, when BYE overtook it, end at once.
    ReportAnswer,
    /// CANCEL, unless it was sent.
    SendCancel,
    /// BYE.
    SendBye,
    /// 200 to BYE, or 481 when there is no such dialog.
    AnswerBye,
    /// 200 to a BYE that overtook the answer; remembered until the answer comes.
    AnswerEarlyBye,
    /// The call is over for its owner.
    End(EndCause),
}

impl Phase {
    /// Where `input` leads and what it asks for.
    pub(super) fn after(self, input: Input) -> (Self, &'static [Action]) {
        use Action::*;
        use EndCause::*;
        match (self, input) {
            (Self::Calling | Self::Proceeding, Input::Provisional) => {
                (Self::Proceeding, &[ReportProvisional])
            }
            (Self::Calling | Self::Proceeding, Input::Again) => {
                (Self::Calling, &[AckFailure, Repeat])
            }
            (Self::Calling, Input::Elsewhere) => (Self::Calling, &[Repeat]),
            (Self::Calling | Self::Proceeding, Input::Redirect) => {
                (Self::Redirected, &[AckFailure, ReportRedirect])
            }
            (Self::Calling | Self::Proceeding, Input::Success) => {
                (Self::Talking, &[AckSuccess, ReportAnswer])
            }
            (Self::Calling | Self::Proceeding, Input::Failure) => {
                (Self::Over, &[AckFailure, End(Refused)])
            }
            (Self::Calling, Input::Cancel | Input::HangUp) => (Self::CancelWait, &[]),
            (Self::Calling, Input::NoReply | Input::Torn) => (Self::Gone, &[End(NoReply)]),
            (Self::Calling | Self::CancelWait, Input::Unsent) => (Self::Over, &[End(NoConnection)]),
            // Whoever rings there rings for nobody; a server that lives still may be told so.
            (Self::Proceeding, Input::Torn) => (Self::Gone, &[End(NoReply), SendCancel]),
            (Self::Proceeding, Input::Cancel | Input::HangUp) => (Self::Cancelling, &[SendCancel]),
            (Self::Calling | Self::Proceeding, Input::Bye) => (self, &[AnswerEarlyBye]),

            (Self::CancelWait, Input::Provisional) => (Self::Cancelling, &[SendCancel]),
            // No CANCEL left yet: this is what the carrier itself had to say.
            (Self::CancelWait, Input::Failure | Input::Redirect) => {
                (Self::Over, &[AckFailure, End(Refused)])
            }
            (Self::CancelWait, Input::NoReply | Input::Elsewhere | Input::Torn) => {
                (Self::Gone, &[End(NoReply)])
            }

            (Self::Cancelling, Input::Failure | Input::Redirect) => {
                (Self::Over, &[AckFailure, End(Cancelled)])
            }
            (Self::Cancelling, Input::CancelTimeout) => (Self::Gone, &[End(Cancelled)]),
            (Self::CancelWait | Self::Cancelling, Input::Again) => {
                (Self::Over, &[AckFailure, End(Cancelled)])
            }
            (Self::CancelWait | Self::Cancelling, Input::Success) => {
                (Self::HangingCrossed, &[AckSuccess, SendBye])
            }
            (Self::CancelWait | Self::Cancelling, Input::Bye) => (self, &[AnswerEarlyBye]),

            (Self::Redirected, Input::Follow) => (Self::Calling, &[Repeat]),
            (Self::Redirected, Input::Cancel | Input::HangUp | Input::RedirectTimeout) => {
                (Self::Over, &[End(Refused)])
            }
            (Self::Redirected, Input::Bye) => (self, &[AnswerBye]),

            (Self::Talking, Input::HangUp) => (Self::Hanging, &[SendBye]),
            (Self::Talking, Input::Bye) => (Self::Over, &[AnswerBye, End(ByeReceived)]),
            // Nobody is expected to answer this BYE, so the owner need not wait for that.
            (Self::Talking, Input::Lost) => (Self::Over, &[End(SessionExpired), SendBye]),

            // Both hung up: ours left first as far as we know, and needs no answer any more.
            (Self::Hanging, Input::Bye) => (Self::Over, &[AnswerBye, End(ByeSent)]),
            (Self::Hanging, Input::ByeDone) => (Self::Over, &[End(ByeSent)]),
            (Self::HangingCrossed, Input::Bye) => {
                (Self::Over, &[AnswerBye, End(AnsweredWhileCancelling)])
            }
            (Self::HangingCrossed, Input::ByeDone) => (Self::Over, &[End(AnsweredWhileCancelling)]),

            // Too late for us, but a phone may ring or a person may have answered.
            (Self::Gone, Input::Provisional) => (Self::Gone, &[SendCancel]),
            (Self::Gone | Self::Over, Input::Success) => (Self::Over, &[AckSuccess, SendBye]),
            (Self::Gone, Input::Failure | Input::Again | Input::Redirect) => {
                (Self::Over, &[AckFailure])
            }
            (Self::Gone | Self::Over, Input::Bye) => (self, &[AnswerBye]),

            (
                _,
                Input::Cancel
                | Input::HangUp
                | Input::Provisional
                | Input::NoReply
                | Input::Elsewhere
                | Input::Unsent
                | Input::Torn
                | Input::Redirect
                | Input::Follow
                | Input::RedirectTimeout
                | Input::CancelTimeout
                | Input::Lost
                | Input::ByeDone,
            )
            | (
                Self::Redirected
                | Self::Talking
                | Self::Hanging
                | Self::HangingCrossed
                | Self::Over,
                Input::Again | Input::Failure,
            )
            | (
                Self::Redirected | Self::Talking | Self::Hanging | Self::HangingCrossed,
                Input::Success,
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
            Calling,
            CancelWait,
            Proceeding,
            Cancelling,
            Redirected,
            Talking,
            Hanging,
            HangingCrossed,
            Gone,
            Over,
        ];
        let inputs = [
            Input::Provisional,
            Input::Again,
            Input::Redirect,
            Input::Follow,
            Input::Success,
            Input::Failure,
            Input::Cancel,
            Input::HangUp,
            Input::NoReply,
            Input::Elsewhere,
            Input::Unsent,
            Input::Torn,
            Input::RedirectTimeout,
            Input::CancelTimeout,
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

    #[test]
    fn nothing_ends_a_call_twice() {
        for phase in [Phase::Gone, Phase::Over] {
            for input in [Input::Success, Input::Failure, Input::NoReply, Input::Bye] {
                let (next, actions) = phase.after(input);
                assert!(matches!(next, Phase::Gone | Phase::Over));
                assert!(!actions.iter().any(|action| matches!(action, Action::End(_))));
            }
        }
    }
}
