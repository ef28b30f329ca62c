//! Who asks, and what he may do: keys, passwords, sessions, ranks.

pub mod first_run;
pub mod keys;
pub(crate) mod limiter;
pub mod passwords;
pub mod rights;
pub(crate) mod same_origin;
pub mod sessions;
pub mod signed_in;

pub use rights::{Act, Who};
pub use signed_in::{Caller, SignedIn};
