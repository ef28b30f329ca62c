//! What every backend of the store must do, told through the interface of `Store`
//! alone.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod dialling;
mod world;
