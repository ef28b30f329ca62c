//! SIP, SDP, RTP, DTMF and G.711 without sockets, clocks or ambient randomness.
//!
//! The loop that owns a [`ua::UserAgent`] hands it datagrams and the time, sends
//! what it asks to send and wakes it in time. So the same code runs over UDP and,
//! in tests, over a simulated network in virtual time.

pub mod comfort;
pub mod conceal;
pub mod digest;
pub mod dtmf;
pub mod framing;
pub mod fuzz;
pub mod g711;
pub mod jitter;
pub mod message;
pub mod playout;
pub mod quality;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod time;
mod tokens;
pub mod tones;
pub mod ua;
