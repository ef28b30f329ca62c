//! The carrier's thread: one SIP socket, phones behind it.

use std::{io, net::SocketAddr, path::PathBuf};

use crate::{mix::Mix, record::Summary};

/// What a simulated carrier is made from.
#[derive(Debug, Clone)]
pub struct CarrierConfig {
    /// The address of its SIP socket; port 0 picks a free one. Phones send audio from the same IP.
    pub sip: SocketAddr,
    /// The same seed gives every phone the same fates.
    pub seed: u64,
    /// The fates and habits.
    pub mix: Mix,
    /// Where to write the record; an existing file is appended to.
    pub record: Option<PathBuf>,
    /// Rings, talks and pauses are multiplied by it: 1.0 is real life.
    pub time_scale: f64,
    /// Asks for this name and password before it takes a call.
    pub auth: Option<(String, String)>,
}

/// A running carrier.
pub struct SimCarrier {
    addr: SocketAddr,
}

impl SimCarrier {
    /// Opens the socket and the record and starts the thread.
    pub fn start(config: CarrierConfig) -> io::Result<Self> {
        let _ = config.sip;
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }

    /// Where its SIP socket is.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The figures of this moment, at most 200 ms old.
    pub fn summary(&self) -> Summary {
        Summary::default()
    }

    /// Writes the lines of calls that are still up, flushes the record and ends the thread.
    pub fn stop(self) -> Summary {
        Summary::default()
    }
}
