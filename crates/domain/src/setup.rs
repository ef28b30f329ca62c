//! What the scheduler must know of a campaign, read in one piece from the store.

use std::sync::Arc;

use jiff::Timestamp;

use crate::{
    bot::Bot,
    campaign::Status,
    carrier::{Carrier, Number},
    figures::Sums,
    ids::CampaignId,
    settings::Settings,
};

/// A campaign that is running, or was and still has calls: read again whenever
/// it changed, and laid over what the scheduler holds.
#[derive(Debug, Clone, PartialEq)]
pub struct CampaignSetup {
    /// Identity.
    pub id: CampaignId,
    /// Where it stands.
    pub status: Status,
    /// Current run, from 1.
    pub run: u32,
    /// Revision of the settings within the run, from 1 (CL-15).
    pub revision: u32,
    /// When the run was started.
    pub started_at: Timestamp,
    /// The settings of that revision.
    pub settings: Arc<Settings>,
    /// The bot; `None` when it was removed.
    pub bot: Option<Arc<Bot>>,
    /// The enabled outbound numbers of the pool.
    pub numbers: Arc<[Number]>,
    /// The waiting line.
    pub queue: QueueState,
    /// Sums of the run so far.
    pub sums: Sums,
}

/// What waits to be dialled in a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueState {
    /// Contacts waiting, due or not.
    pub waiting: u64,
    /// Contacts leased, in a call, or being settled.
    pub active: u64,
    /// When the first waiting contact falls due (may be past); `None` when nobody
    /// waits.
    pub next_due: Option<Timestamp>,
}

/// Everything the dialler needs to know at start-up and after a change.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DiallerSetup {
    /// Running campaigns, and paused ones.
    pub campaigns: Vec<CampaignSetup>,
    /// All carriers.
    pub carriers: Vec<Arc<Carrier>>,
}
