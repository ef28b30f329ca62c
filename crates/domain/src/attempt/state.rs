//! The life of an attempt in the dialler's memory.

/// Where an attempt stands, from the moment its row is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttemptState {
    /// Its row is being made durable, or the carrier that it goes on through. Nothing
    /// has left for that carrier.
    Recording,
    /// That is durable; the INVITE waits for the carrier's next token.
    Queued,
    /// The INVITE is out: from here on the callee may be disturbed.
    Dialling,
    /// A 18x came.
    Ringing,
    /// Answered, and waits for a seat.
    Answered,
    /// Has a seat; its bot is being attached.
    Attaching,
    /// Talks to its bot.
    InProgress,
    /// No seat came in time: hears the message and is hung up.
    Abandoning,
    /// Over.
    Ended,
}

/// What may happen to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttemptEvent {
    /// The store made it durable.
    Recorded,
    /// Its INVITE was handed to the line.
    Placed,
    /// Its carrier refused it before anything rang, and another takes it (DI-10).
    FailedOver,
    /// A 18x.
    Ringing,
    /// 200 OK.
    Answered,
    /// It was given a seat.
    Seated,
    /// It was given up for want of a seat.
    Unseated,
    /// The bot is attached.
    BotAttached,
    /// The row was not written, we withdrew it, or the call is over.
    Ended,
}

/// An event that makes no sense in the state it came in: a fault of ours or of the
/// line, never of the callee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} cannot happen to an attempt that is {state:?}")]
pub struct UnexpectedEvent {
    /// Where it stood.
    pub state: AttemptState,
    /// What was said to have happened.
    pub event: AttemptEvent,
}

impl AttemptState {
    /// Every state, in the order of a call.
    pub const ALL: [Self; 9] = [
        Self::Recording,
        Self::Queued,
        Self::Dialling,
        Self::Ringing,
        Self::Answered,
        Self::Attaching,
        Self::InProgress,
        Self::Abandoning,
        Self::Ended,
    ];

    /// The state after `event`.
    pub fn after(self, event: AttemptEvent) -> Result<Self, UnexpectedEvent> {
        use AttemptEvent as E;
        use AttemptState as S;
        match (self, event) {
            (S::Recording, E::Recorded) => Ok(S::Queued),
            (S::Queued, E::Placed) => Ok(S::Dialling),
            (S::Dialling, E::FailedOver) => Ok(S::Recording),
            (S::Dialling, E::Ringing) => Ok(S::Ringing),
            (S::Dialling | S::Ringing, E::Answered) => Ok(S::Answered),
            (S::Answered, E::Seated) => Ok(S::Attaching),
            (S::Answered, E::Unseated) => Ok(S::Abandoning),
            (S::Attaching, E::BotAttached) => Ok(S::InProgress),
            (
                S::Recording
                | S::Queued
                | S::Dialling
                | S::Ringing
                | S::Answered
                | S::Attaching
                | S::InProgress
                | S::Abandoning,
                E::Ended,
            ) => Ok(S::Ended),

            // A second 18x or 200 changes nothing, and a 18x that overtook nothing but the
            // 200 neither.
            (
                same @ (S::Ringing | S::Answered | S::Attaching | S::InProgress | S::Abandoning),
                E::Ringing,
            )
            | (
                same @ (S::Answered | S::Attaching | S::InProgress | S::Abandoning),
                E::Answered,
            )
            | (same @ S::InProgress, E::BotAttached)
            // The first ending stands.
            | (same @ S::Ended, E::Ringing | E::Answered | E::BotAttached | E::Ended) => Ok(same),

            (
                state @ S::Recording,
                event @ (E::Placed
                | E::FailedOver
                | E::Ringing
                | E::Answered
                | E::Seated
                | E::Unseated
                | E::BotAttached),
            )
            | (
                state @ S::Queued,
                event @ (E::Recorded
                | E::FailedOver
                | E::Ringing
                | E::Answered
                | E::Seated
                | E::Unseated
                | E::BotAttached),
            )
            | (
                state @ (S::Dialling | S::Ringing),
                event @ (E::Recorded | E::Placed | E::Seated | E::Unseated | E::BotAttached),
            )
            // The phone rings, or rang: no other carrier may ring it again.
            | (state @ S::Ringing, event @ E::FailedOver)
            | (
                state @ S::Answered,
                event @ (E::Recorded | E::Placed | E::FailedOver | E::BotAttached),
            )
            | (
                state @ (S::Attaching | S::InProgress | S::Ended),
                event @ (E::Recorded | E::Placed | E::FailedOver | E::Seated | E::Unseated),
            )
            | (
                state @ S::Abandoning,
                event @ (E::Recorded
                | E::Placed
                | E::FailedOver
                | E::Seated
                | E::Unseated
                | E::BotAttached),
            ) => Err(UnexpectedEvent { state, event }),
        }
    }

    /// Whether it may still take a seat: what pacing counts against the free ones.
    pub fn is_in_flight(self) -> bool {
        match self {
            Self::Recording | Self::Queued | Self::Dialling | Self::Ringing | Self::Answered => {
                true
            }
            Self::Attaching | Self::InProgress | Self::Abandoning | Self::Ended => false,
        }
    }

    /// Whether its INVITE is out and nobody has answered it yet.
    pub fn is_ringing(self) -> bool {
        match self {
            Self::Dialling | Self::Ringing => true,
            Self::Recording
            | Self::Queued
            | Self::Answered
            | Self::Attaching
            | Self::InProgress
            | Self::Abandoning
            | Self::Ended => false,
        }
    }

    /// Whether it holds a seat.
    pub fn is_seated(self) -> bool {
        match self {
            Self::Attaching | Self::InProgress => true,
            Self::Recording
            | Self::Queued
            | Self::Dialling
            | Self::Ringing
            | Self::Answered
            | Self::Abandoning
            | Self::Ended => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole machine on one screen: read this before `after`.
    #[test]
    fn every_state_answers_every_event() {
        use AttemptEvent as E;
        let events = [
            E::Recorded,
            E::Placed,
            E::FailedOver,
            E::Ringing,
            E::Answered,
            E::Seated,
            E::Unseated,
            E::BotAttached,
            E::Ended,
        ];
        let mut table = String::new();
        for state in AttemptState::ALL {
            for event in events {
                let after = match state.after(event) {
                    Ok(next) => format!("{next:?}"),
                    Err(_) => "unexpected".into(),
                };
                table +=
                    &format!("{:11}{:13}{after}\n", format!("{state:?}"), format!("{event:?}"));
            }
        }
        insta::assert_snapshot!(table);
    }
}
