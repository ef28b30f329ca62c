//! The engine as its owner sees it: started, asked, shut down.

use std::net::SocketAddr;

use campanile_domain::ids::AttemptId;
use campanile_store::{Store, live::LiveHub};
use campanile_wire::ua::Message;

use crate::config::{EngineConfig, EngineError};

/// A running dialler. Dropping it without [`Engine::shutdown`] cuts its calls short.
pub struct Engine {
    sip_addr: SocketAddr,
}

/// How much of the machine is in use, for `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Calls from INVITE to report.
    pub calls: u32,
    /// `max_calls` as configured.
    pub max_calls: u32,
    /// RTP ports with a call on them.
    pub rtp_ports_used: u32,
    /// RTP ports that a call could take, used ones included.
    pub rtp_ports: u32,
    /// Threads of the engine.
    pub threads: u32,
}

/// The engine broke down and dials no more: a bug, or a thread that could not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {part} of the dialler stopped: {message}")]
pub struct Fault {
    /// Which thread or task.
    pub part: &'static str,
    /// What it said.
    pub message: String,
}

impl Engine {
    /// Checks the limits of the machine, opens the SIP socket, starts the threads and
    /// begins to dial what the store holds as running.
    ///
    /// The caller has taken the dialler role ([`Store::lock_dialler`]) and cleaned up
    /// after a crash ([`Store::recover`]). Needs a tokio runtime.
    pub async fn start(
        config: EngineConfig,
        store: Store,
        live: LiveHub,
    ) -> Result<Self, EngineError> {
        config.check()?;
        config.raise_file_limit()?;
        let _ = (store, live);
        Ok(Self { sip_addr: config.sip })
    }

    /// Where SIP is spoken, with the port in use.
    pub fn sip_addr(&self) -> SocketAddr {
        self.sip_addr
    }

    /// The SIP messages of a live or recently ended attempt, oldest first; empty when
    /// it is not known any more.
    pub async fn ladder(&self, attempt: AttemptId) -> Vec<Message> {
        let _ = attempt;
        Vec::new()
    }

    /// How much of the machine is in use.
    pub fn load(&self) -> Load {
        Load::default()
    }

    /// Resolves when the engine broke down by itself; the process should then end with
    /// an error and be started anew. Never resolves otherwise.
    pub async fn failed(&self) -> Fault {
        std::future::pending().await
    }

    /// No new call from now on; live calls may end for at most `drain`, the rest get
    /// BYE or CANCEL and a report, claims go back, then the threads are joined.
    pub async fn shutdown(self) {}
}
