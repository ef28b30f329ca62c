//! The decisions of a dialler, without its effects.
//!
//! Nothing here opens a socket, runs a query, reads a clock or draws a random
//! number: `now` and the random source are arguments, so a week of calling is a
//! test of a second and a seed replays it.

pub mod attempt;
pub mod bot;
pub mod breaker;
pub mod callback;
pub mod campaign;
pub mod carrier;
pub mod contact;
pub mod exclusion;
pub mod field;
pub mod figures;
pub mod fuzz;
pub mod guard;
pub mod ids;
pub mod limits;
pub mod live;
pub mod outcome;
pub mod pacing;
pub mod passes;
pub mod phone;
pub mod result;
pub mod retry;
pub mod scheduler;
pub mod schema;
pub mod settings;
pub mod setup;
pub mod why;
pub mod window;
pub mod zone;
