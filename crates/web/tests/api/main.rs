//! The API from outside: each answer whole, as a program gets it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod access;
mod campaigns;
mod console;
mod contact_files;
mod contacts;
mod description;
mod faults;
mod fuzz;
mod harness;
mod programs;
mod reports;
mod setup;
mod sign_in;
mod streams;
mod users;
