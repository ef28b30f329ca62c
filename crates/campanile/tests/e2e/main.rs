//! The real binary against far ends that none of us wrote.

mod browser;
mod demo;
mod kill;
mod server;
mod sipp;
