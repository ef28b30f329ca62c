//! Answers to writes that carried an `Idempotency-Key` (API-2).

use jiff::Timestamp;

use crate::{error::StoreError, store::Store};

type Result<T> = std::result::Result<T, StoreError>;

/// A request that carries a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Id of the user or API key that asks: keys of different callers never meet.
    pub who: String,
    /// The `Idempotency-Key`.
    pub key: String,
    /// SHA-256 of method, address and body.
    pub request: [u8; 32],
    /// A number that this process made up when it began.
    pub process: i64,
}

/// An answer as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers and body, as JSON of whoever keeps it.
    pub answer: String,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// It is new, and this request has it now: do it, then [`Store::keep_reply`].
    Nothing,
    /// The same request was answered so.
    Reply(Reply),
    /// Another request had it.
    Other,
    /// The same request is being worked on.
    Unanswered,
    /// The same request was begun by a process that ended before it answered.
    Lost,
}

impl Store {
    /// Takes the key for a request, durably, before anything is done for it. Keys are
    /// forgotten after 24 hours.
    pub async fn begin_reply(&self, asked: Asked, now: Timestamp) -> Result<Kept> {
        self.inner.begin_reply(asked, now).await
    }

    /// Keeps the answer of a request that has its key.
    pub async fn keep_reply(&self, asked: Asked, reply: Reply) -> Result<()> {
        self.inner.keep_reply(asked, reply).await
    }

    /// Gives the key of a request free for which nothing was done.
    pub async fn forget_reply(&self, asked: Asked) -> Result<()> {
        self.inner.forget_reply(asked).await
    }
}
