//! How an attempt ended: a closed list, what the wire says becomes one of it.

use serde::{Deserialize, Serialize};

/// A closed list of words: an enum with its API word and its stored number.
#[doc(hidden)]
#[macro_export]
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal / $code:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $crate::schema::schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(
                _: &mut $crate::schema::schemars::SchemaGenerator,
            ) -> $crate::schema::schemars::Schema {
                $crate::schema::of_words(Self::ALL.iter().map(|each| each.word()))
            }
        }

        impl $name {
            /// Every variant, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word used in the API, the report and the pages.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The variant with this word.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }

            /// The small number that the store keeps. Never renumbered.
            pub fn code(self) -> u8 {
                match self { $(Self::$variant => $code,)* }
            }

            /// The variant with this stored number.
            pub fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }
        }
    };
}
pub use crate::words;

words! {
    /// How an attempt ended (api.md, "Words").
    Outcome {
        /// A callee was connected to the bot, or answered and hung up before he could be.
        Completed = "completed" / 0,
        /// Answered, but no seat was free in time.
        Abandoned = "abandoned" / 1,
        /// An answering machine.
        Machine = "machine" / 2,
        /// Rang, nobody answered.
        NoAnswer = "no_answer" / 3,
        /// The line is busy.
        Busy = "busy" / 4,
        /// The callee or the network refused the call.
        Rejected = "rejected" / 5,
        /// The number does not exist or is incomplete.
        InvalidNumber = "invalid_number" / 6,
        /// The callee cannot be reached in this way.
        Unreachable = "unreachable" / 7,
        /// The carrier has no room.
        Congestion = "congestion" / 8,
        /// Nothing final came from the wire.
        NetworkError = "network_error" / 9,
        /// Answered, but the bot failed.
        BotError = "bot_error" / 10,
        /// We stopped it before it was answered.
        Cancelled = "cancelled" / 11,
        /// The process died after the INVITE left.
        Unknown = "unknown" / 12,
    }
}

words! {
    /// Who ended a call.
    HangupBy {
        /// The person called, or the callee's network.
        Callee = "callee" / 0,
        /// The bot.
        Bot = "bot" / 1,
        /// This dialler: a limit, a timeout, a shutdown.
        Dialler = "dialler" / 2,
        /// The carrier refused or failed before an answer.
        Carrier = "carrier" / 3,
    }
}

impl Outcome {
    /// Whether `retry_on_system` may list it (DI-6).
    pub fn may_be_retried(self) -> bool {
        match self {
            Self::Busy
            | Self::NoAnswer
            | Self::Rejected
            | Self::Unreachable
            | Self::Congestion
            | Self::NetworkError
            | Self::Abandoned
            | Self::Machine
            | Self::BotError => true,
            Self::Completed | Self::InvalidNumber | Self::Cancelled | Self::Unknown => false,
        }
    }

    /// The word on the page when no SIP code says it better.
    pub fn label(self) -> &'static str {
        match self {
            Self::Completed => "Completed",
            Self::Abandoned => "Abandoned",
            Self::Machine => "Machine",
            Self::NoAnswer => "No answer",
            Self::Busy => "Line busy",
            Self::Rejected => "Rejected",
            Self::InvalidNumber => "Invalid number",
            Self::Unreachable => "Unreachable",
            Self::Congestion => "Carrier congestion",
            Self::NetworkError => "No reply from carrier",
            Self::BotError => "Bot failed",
            Self::Cancelled => "Cancelled",
            Self::Unknown => "Unknown",
        }
    }
}

/// What the call leg came to, before it is given a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Answered and connected to the bot.
    Connected {
        /// The bot broke down.
        bot_failed: bool,
    },
    /// Answered, no seat in time.
    NoSeat,
    /// Answered, and the callee hung up while there was still time to give him a seat. Nobody
    /// let him wait, so it is not abandoned: a talk of no length, and there is no outcome of
    /// its own for a short talk (api.md).
    Left,
    /// A final answer of 300 or more that ended the INVITE.
    Refused {
        /// The status code.
        sip_code: u16,
        /// Milliseconds from the INVITE to that answer.
        after_ms: u32,
        /// A 18x came first.
        rang: bool,
    },
    /// Our ring timeout ended it; the code of the final answer, if one came
    /// (487, or 200 when the answer crossed our CANCEL).
    RingTimeout {
        /// Final answer to the INVITE.
        sip_code: Option<u16>,
    },
    /// Timer B, an ICMP error, or a broken connection (RFC 3261 17.1.1.2): the phone may ring
    /// all the same.
    NoReply,
    /// The carrier was not found or not connected to, so that no INVITE left: no phone can
    /// ring, and another carrier may have the call at once.
    NoConnection,
    /// We withdrew it before it was answered, not by the ring timeout.
    Withdrawn,
    /// We withdrew it after its row was durable and before its INVITE left: the
    /// campaign was paused, stopped, or its window closed in between. The callee
    /// noticed nothing, so the contact waits again as if it had never been claimed.
    NotSent,
}

/// The refusals that may be the carrier shedding load (DI-9, api.md).
pub const INSTANT_REFUSAL_MS: u32 = 300;
/// A failure within this time without any 18x is marked `instant` (DI-9).
pub const INSTANT_FAILURE_MS: u32 = 1_000;

impl Ending {
    /// The outcome by api.md's table. `carrier_storms` tells whether ten or more
    /// of the carrier's last twenty calls were instant 403, 480 or 486.
    pub fn outcome(self, carrier_storms: bool) -> Outcome {
        match self {
            Self::Connected { bot_failed: false } => Outcome::Completed,
            Self::Connected { bot_failed: true } => Outcome::BotError,
            Self::Left => Outcome::Completed,
            Self::NoSeat => Outcome::Abandoned,
            Self::RingTimeout { .. } => Outcome::NoAnswer,
            Self::NoReply | Self::NoConnection => Outcome::NetworkError,
            Self::Withdrawn | Self::NotSent => Outcome::Cancelled,
            Self::Refused { sip_code, .. } if self.may_be_storm() && carrier_storms => {
                let _ = sip_code;
                Outcome::Congestion
            }
            Self::Refused { sip_code, .. } => outcome_of_code(sip_code),
        }
    }

    /// An instant 403, 480 or 486: one sign of a carrier that sheds load.
    pub fn may_be_storm(self) -> bool {
        matches!(
            self,
            Self::Refused { sip_code: 403 | 480 | 486, after_ms, rang: false }
                if after_ms <= INSTANT_REFUSAL_MS
        )
    }
}

/// The outcome of a final SIP answer of 300 or more.
pub fn outcome_of_code(sip_code: u16) -> Outcome {
    match sip_code {
        408 | 480 | 487 => Outcome::NoAnswer,
        486 | 600 => Outcome::Busy,
        403 | 603 | 607 | 608 => Outcome::Rejected,
        404 | 410 | 484 | 604 => Outcome::InvalidNumber,
        415 | 488 | 606 => Outcome::Unreachable,
        429 | 500..=599 => Outcome::Congestion,
        300..=499 => Outcome::Unreachable,
        _ => Outcome::Rejected,
    }
}

/// The friendly words for a final SIP code, if it has any (DI-9).
pub fn label_of_code(sip_code: u16) -> Option<&'static str> {
    Some(match sip_code {
        408 => "No answer",
        480 => "Temporarily unavailable",
        486 | 600 => "Line busy",
        603 => "Declined",
        607 | 608 => "Blocked",
        404 | 410 | 604 => "Number not in service",
        484 => "Incomplete number",
        415 | 488 | 606 => "No common codec",
        503 => "Carrier congestion",
        _ => return None,
    })
}
