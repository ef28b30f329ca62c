//! What is changed about a world: rules that are broken on purpose, so that every check
//! has something to find.

/// What is changed about a world.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Something that is broken on purpose, so that a check has something to find.
    pub fault: Option<Fault>,
    /// The last things that happened are kept in words, for a violation to tell.
    pub traced: bool,
}

/// A rule that the model of the store or the loop breaks on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The store says that a row is durable before it is.
    AnswersBeforeWriting,
    /// The store claims a contact for two dials at once.
    ClaimsTwice,
    /// The loop loses the reports of ended calls.
    LosesReports,
    /// The loop does not tell the scheduler of changes.
    HidesChanges,
    /// The line sends each INVITE as two dialogs.
    DialsTwice,
    /// The line reports calls as ended and leaves them up.
    ForgetsToHangUp,
    /// The line reports another code than the far end answered.
    MisreadsRefusals,
}
