//! Callbacks as the store answers with them.

use campanile_domain::{
    callback::{CallbackState, Understood},
    ids::{AttemptId, ContactId},
    phone::PhoneNumber,
    result::CallbackWish,
};
use jiff::Timestamp;

/// A call back that somebody asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Callback {
    /// The attempt in which it was asked for; identifies it.
    pub asked_in: AttemptId,
    /// Run.
    pub run: u32,
    /// Who asked.
    pub contact: ContactId,
    /// Their number.
    pub phone: PhoneNumber,
    /// How far it has come.
    pub state: CallbackState,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// From when on it is dialled.
    pub due_at: Timestamp,
    /// The time that was wanted, before the calling hours; `None` when it is unclear.
    pub wanted_at: Option<Timestamp>,
    /// What kind of time was asked for.
    pub understood: Understood,
    /// Their words, as the bot gave them.
    pub wish: CallbackWish,
    /// The attempt that honours it.
    pub dialled_in: Option<AttemptId>,
    /// When that began.
    pub dialled_at: Option<Timestamp>,
}

/// Which callbacks, and the contacts that have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallbackFilter {
    /// All that were asked for.
    Requested,
    /// Those in this state.
    In(CallbackState),
}

impl CallbackFilter {
    /// The filters of the call list, in the order of its buttons (CB-4).
    pub const LISTED: [Self; 4] = [
        Self::Requested,
        Self::In(CallbackState::Pending),
        Self::In(CallbackState::Completed),
        Self::In(CallbackState::Cancelled),
    ];

    /// The word in addresses.
    pub fn word(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::In(state) => state.word(),
        }
    }

    /// The filter of the call list with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::LISTED.into_iter().find(|filter| filter.word() == word)
    }

    pub(crate) fn state(self) -> Option<CallbackState> {
        match self {
            Self::Requested => None,
            Self::In(state) => Some(state),
        }
    }
}
