//! The real binary against far ends that none of us wrote.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by its panic")]

mod backup;
mod browser;
mod demo;
mod disk;
mod far_end;
mod integration;
mod kill;
mod lines;
mod restart;
mod scenarios;
mod server;
mod sipp;
mod soak;
mod trouble;
