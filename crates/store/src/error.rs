//! What a caller can do about a store that refused.

use campanile_domain::{campaign::WrongState, field::FieldError};
use rusqlite::ErrorCode;

/// Why a verb did not happen. Nothing of it was written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such thing.
    #[error("no {0} with this id")]
    NotFound(&'static str),
    /// The campaign's status does not allow it (HTTP 409 `wrong_state`).
    #[error(transparent)]
    WrongState(#[from] WrongState),
    /// The campaign's status does not allow it, in other words (HTTP 409 with this code).
    #[error("{message}")]
    Conflict {
        /// Stable code, such as `wrong_state`, `draining`, `in_use`.
        code: &'static str,
        /// What is the matter and what to do.
        message: String,
    },
    /// Fields at fault (HTTP 422).
    #[error("the input has faults")]
    Invalid(Vec<FieldError>),
    /// The disk is full or the database does not take writes; nothing was lost.
    #[error("the database does not take writes: {0}")]
    Unavailable(String),
    /// A bug or a broken database.
    #[error("internal error: {0}")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    pub(crate) fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::Conflict { code, message: message.into() }
    }

    pub(crate) fn invalid(pointer: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(pointer, code, message)])
    }

    /// Whether the fault lies in the batch as a whole: the machine, the file or our own
    /// code, not in what one caller asked for.
    pub(crate) fn is_everybodys(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// The same news for another waiter of a batch that failed as a whole.
    pub(crate) fn for_another(&self) -> Self {
        match self {
            Self::Unavailable(text) => Self::Unavailable(text.clone()),
            other => Self::Internal(other.to_string().into()),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(
                ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::DatabaseBusy
                | ErrorCode::OutOfMemory,
            ) => Self::Unavailable(error.to_string()),
            _ => Self::Internal(Box::new(error)),
        }
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Internal(Box::new(error))
    }
}
