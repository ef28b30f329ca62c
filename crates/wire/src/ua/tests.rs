//! Whole scenarios in virtual time: two user agents, or one and a far end written by hand.

mod caller;
mod lossy;
mod net;
