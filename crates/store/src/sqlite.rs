//! The store on SQLite.

/// One data directory.
pub(crate) struct Sqlite;
