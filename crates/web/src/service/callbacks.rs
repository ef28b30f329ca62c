//! Callbacks that people asked for.

use campanile_domain::ids::{AttemptId, CampaignId};
use campanile_store::rows::{Callback, CallbackFilter};

use super::{Result, campaigns};
use crate::{
    app::App,
    auth::{Act, Who},
};

/// Which callbacks are wanted.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// Of this run, the current one when `None`.
    pub run: Option<u32>,
    /// Only these.
    pub filter: CallbackFilter,
    /// After the one that was asked for in this attempt.
    pub after: Option<AttemptId>,
    /// At most this many.
    pub limit: u32,
}

/// In the order in which they were asked for.
pub async fn list(app: &App, who: &Who, id: CampaignId, asked: Asked) -> Result<Vec<Callback>> {
    who.require(Act::Look)?;
    let campaign = app.store.campaign(id).await?;
    let run = campaigns::run_of(&campaign, asked.run)?;
    Ok(app.store.callbacks(id, run, asked.filter, asked.after, asked.limit).await?)
}
