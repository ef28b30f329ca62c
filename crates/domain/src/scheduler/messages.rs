//! What the scheduler is told and what it asks.

use std::sync::Arc;

use super::call::Call;
use crate::{
    attempt::{CallReport, Finish, Lease, NewAttempt, Progress},
    bot::Bot,
    carrier::Carrier,
    guard::Barred,
    ids::{AttemptId, CampaignId},
    settings::Settings,
    setup::{DiallerSetup, QueueState},
};

/// What happened.
#[derive(Debug, Clone)]
pub enum Input {
    /// The campaigns and carriers as they stand: at start-up and after every
    /// change. Idempotent; what is missing from it is gone.
    Setup(DiallerSetup),
    /// Answer to [`Command::Lease`]; may hold fewer claims than were asked for.
    Leased {
        /// Which campaign.
        campaign: CampaignId,
        /// Its run when asked.
        run: u32,
        /// The claims.
        leases: Vec<Lease>,
        /// The line after them.
        queue: QueueState,
    },
    /// Answer to [`Command::Record`] and [`Command::Reroute`]: that is durable.
    Recorded(AttemptId),
    /// Answer to [`Command::Record`]: no row was written and the claim is gone or
    /// went back. To [`Command::Reroute`]: the row is as it was. Nothing may be dialled.
    NotRecorded(AttemptId),
    /// The store failed to answer a lease, record, reroute or complete; ask again later.
    StoreFailed {
        /// Which campaign's command.
        campaign: CampaignId,
        /// The attempt, when it was a record or a reroute: that may or may not be
        /// durable, and must not be dialled.
        attempt: Option<AttemptId>,
    },
    /// A live call moved on.
    Call(AttemptId, CallEvent),
    /// A [`Command::Finish`] was committed; the line of its run after it.
    Settled {
        /// Which attempt.
        attempt: AttemptId,
        /// The line after the commit.
        queue: QueueState,
    },
    /// A [`Command::Finish`] will never be committed: the store knows no such attempt,
    /// or does not take its end. Nothing waits for it any longer.
    NotSettled(AttemptId),
    /// `poll_timeout` came.
    Tick,
    /// The process is asked to end: no new call.
    ShutDown,
}

/// How a live call moves on, as the line tells it.
#[derive(Debug, Clone)]
pub enum CallEvent {
    /// First 18x.
    Ringing,
    /// 200 OK: waits for [`Command::Connect`] or [`Command::Abandon`].
    Answered,
    /// The bot is attached.
    BotAttached,
    /// The one report that ends every call.
    Ended(Box<CallReport>),
}

/// What the owner of the scheduler shall do.
#[derive(Debug, Clone)]
pub enum Command {
    /// Claim contacts; answer with `Leased` or `StoreFailed`.
    Lease {
        /// Of which campaign.
        campaign: CampaignId,
        /// In which run.
        run: u32,
        /// At most this many.
        max: u32,
    },
    /// Give claims back.
    Release(Vec<Lease>),
    /// Make the attempt durable; answer with `Recorded`, `NotRecorded` or
    /// `StoreFailed`.
    Record(NewAttempt),
    /// The attempt goes on through another carrier: make that durable, as the n-th try
    /// that its `tries` says; answer as to `Record`.
    Reroute(NewAttempt),
    /// These claims may never be dialled: their contacts are done.
    Bar(Vec<(Lease, Barred)>),
    /// Tell the operator's log: something wants a look.
    Alarm(String),
    /// Send the INVITE.
    Place(Box<Placement>),
    /// The answered call has a seat: attach its bot.
    Connect(AttemptId),
    /// The answered call has no seat: play the message and hang up.
    Abandon(AttemptId),
    /// End the call, whatever state it is in.
    HangUp(AttemptId),
    /// Write how far a call has come.
    Progress(Progress),
    /// Write the end of an attempt; answer with `Settled` or `NotSettled`.
    Finish(Box<Finish>),
    /// The single day is over.
    Sweep {
        /// Which campaign.
        campaign: CampaignId,
        /// Which run.
        run: u32,
    },
    /// Complete the run if really nothing is left. When the store finds somebody
    /// waiting, a fresh `Setup` follows.
    Complete {
        /// Which campaign.
        campaign: CampaignId,
        /// Which run.
        run: u32,
    },
    /// The run cannot go on.
    Fail {
        /// Which campaign.
        campaign: CampaignId,
        /// Which run.
        run: u32,
        /// Shown to people.
        reason: String,
    },
}

/// Everything the line needs to place one call.
#[derive(Debug, Clone)]
pub struct Placement {
    /// The durable attempt.
    pub attempt: NewAttempt,
    /// Through whom.
    pub carrier: Arc<Carrier>,
    /// The callee in the carrier's format, with its prefix.
    pub callee: String,
    /// The caller ID in the carrier's format.
    pub caller: String,
    /// Limits of the call.
    pub settings: Arc<Settings>,
    /// What speaks.
    pub bot: Arc<Bot>,
}

impl Placement {
    pub(super) fn of(call: &Call) -> Self {
        let settings = &call.carrier.settings;
        let prefix = settings.prefix.as_deref();
        Self {
            callee: call.attempt.lease.phone.format_for(settings.number_format, prefix),
            caller: call.attempt.caller_id.format_for(settings.number_format, None),
            attempt: call.attempt.clone(),
            carrier: call.carrier.clone(),
            settings: call.settings.clone(),
            bot: call.bot.clone(),
        }
    }
}
