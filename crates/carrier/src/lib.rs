//! The simulated carrier: a SIP far end with phones that behave as a seeded mix says, and its own
//! record of every call.
//!
//! A product feature (demo, rehearsal) and the judge of tests: what it wrote down is what really
//! reached the wire.

mod bad_line;
mod carrier;
mod exchange;
mod impairment;
mod mix;
mod phone;
mod record;
mod relay;
mod transit;
mod voice;

pub use bad_line::{BadLine, Passed};
pub use carrier::{CarrierConfig, SimCarrier};
pub use impairment::{Burst, Impairment};
pub use mix::{Fate, Mix, MixError, Range};
pub use record::{Line, Side, Summary};
pub use relay::{BoundRelay, Relay, Relayed};
pub use transit::Counts;
