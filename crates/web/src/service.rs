//! What can be done, whoever asks: the functions that both the console and the API
//! call.
//!
//! Each takes the [`App`](crate::App) and the [`Who`](crate::auth::Who) that asks,
//! and asks the table of ranks first.

pub mod bots;
pub mod callbacks;
pub mod campaigns;
pub mod carriers;
pub mod contact_files;
pub mod contacts;
pub mod do_not_call;
pub mod exclusions;
pub mod keys;
pub mod numbers;
pub mod triggers;
pub mod users;

use axum::http::StatusCode;
use campanile_domain::field::FieldError;
use campanile_store::StoreError;

use crate::{auth::Act, csv_import::ImportError};

/// Answer of a service function.
pub type Result<T> = std::result::Result<T, ServiceError>;

/// Why it was not done. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// His rank does not allow it.
    #[error("your role does not allow this ({})", .0.word())]
    Forbidden(Act),
    /// Fields at fault.
    #[error("the input has faults")]
    Invalid(Vec<FieldError>),
    /// There is no such thing.
    #[error("there is no {0} with this id")]
    NotFound(&'static str),
    /// The state of things does not allow it.
    #[error("{message}")]
    Conflict {
        /// Stable code, such as `wrong_state`.
        code: &'static str,
        /// What is the matter and what to do.
        message: String,
    },
    /// The contact file was not taken.
    #[error(transparent)]
    Import(ImportError),
    /// Too much at once; come back later.
    #[error("too many requests; try again in {retry_after_seconds} s")]
    TooMany {
        /// Seconds to wait.
        retry_after_seconds: u64,
    },
    /// The database does not take writes now; nothing was lost.
    #[error("the database does not take writes now; nothing was lost, try again")]
    Unavailable,
    /// A bug or a broken database; the cause is for the log, not for the caller.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ServiceError {
    /// The HTTP status that says it.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Conflict { .. } => StatusCode::CONFLICT,
            Self::Import(error) => error.status(),
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Forbidden(_) => "forbidden",
            Self::Invalid(_) => "invalid",
            Self::NotFound(_) => "not_found",
            Self::Conflict { code, .. } => code,
            Self::Import(error) => error.code(),
            Self::TooMany { .. } => "too_many_requests",
            Self::Unavailable => "unavailable",
            Self::Internal(_) => "internal",
        }
    }

    /// The fields at fault.
    pub fn fields(&self) -> &[FieldError] {
        match self {
            Self::Invalid(fields) => fields,
            _ => &[],
        }
    }

    /// One field at fault.
    pub(crate) fn field(
        pointer: impl Into<String>,
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self::Invalid(vec![FieldError::new(pointer, code, message)])
    }
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(what) => Self::NotFound(what),
            StoreError::WrongState(wrong) => {
                Self::Conflict { code: "wrong_state", message: wrong.to_string() }
            }
            StoreError::Conflict { code, message } => Self::Conflict { code, message },
            StoreError::Invalid(fields) => Self::Invalid(fields),
            StoreError::Unavailable(cause) => {
                tracing::error!(cause, "The database does not take writes");
                Self::Unavailable
            }
            StoreError::Internal(cause) => Self::Internal(cause),
        }
    }
}

impl From<ImportError> for ServiceError {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Store(error) => error.into(),
            ImportError::Failed(cause) => Self::Internal(cause),
            error => Self::Import(error),
        }
    }
}

impl From<tower_sessions::session::Error> for ServiceError {
    fn from(error: tower_sessions::session::Error) -> Self {
        Self::Internal(Box::new(error))
    }
}
