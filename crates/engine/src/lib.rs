//! The dialler at work: real sockets, real time, real calls.
//!
//! `domain` decides, `wire` speaks; this crate has the effects. One task, the
//! `runner`, owns the scheduler and talks to the store and to the `line`.
//! Behind the line are two threads: the SIP shard, which owns every call from its
//! INVITE to its one report, and the media thread, which sends and hears RTP.
//!
//! ```text
//! store <--> runner (tokio task, owns the scheduler)
//!              |  ^
//!      place,  |  |  ringing, answered, one report a call
//!    hang up   v  |
//!            SIP shard (thread, one UDP socket)  <-->  media (thread, one UDP socket a call)
//! ```

pub mod bot;
mod call;
mod clock;
mod config;
mod doorbell;
mod engine;
mod line;
mod media;
mod ports;
mod prompts;
mod route;
mod runner;
mod sip;
mod transport;
mod upkeep;

pub use bot::speaks;
pub use config::{EngineConfig, EngineError, InvalidPublicAddress, PublicAddress};
pub use engine::{Engine, Fault, Load, Monitor};
pub use prompts::Clip;
pub use sip::LadderMessage;
pub use transport::Connection;

pub use campanile_wire::ua::{Flow, Peer, Transport};
