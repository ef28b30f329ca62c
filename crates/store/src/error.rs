//! What a caller can do about a store that refused.

use campanile_domain::{campaign::WrongState, field::FieldError};

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
