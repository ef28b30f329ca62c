//! Whole scenarios in virtual time: two user agents, or one and a far end written by hand.

mod auth;
mod beside;
mod by_hand;
mod callee;
mod dialogs;
mod early;
mod endings;
mod lossy;
mod net;
mod pair;
mod renewals;
mod sessions;
mod strangers;
mod targets;
mod transports;
