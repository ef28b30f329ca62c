//! What every backend of the store must do, told through the interface of `Store`
//! alone.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod callbacks;
mod campaigns;
mod dialling;
mod do_not_call;
mod exclusions;
mod failover;
mod imports;
mod life;
mod model;
mod people;
mod recovery;
mod reports;
mod restarts;
mod triggers;
mod world;
