//! Campanile's memory: domain verbs, each a whole transaction.
//!
//! SQL text lives here and nowhere else. One writer thread groups commits; readers
//! have connections of their own.

mod error;
pub mod live;
pub mod rows;
mod sqlite;
mod store;

pub use error::StoreError;
pub use store::{
    BackupFacts, Change, Leased, RecordRefused, Restored, Settled, Store, WriteStats, replies,
};
