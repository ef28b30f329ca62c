//! Campaigns: made, looked at, started and stopped.

use std::sync::Arc;

use campanile_domain::{
    bot::Bot, field::FieldError, ids::CampaignId, live::LiveView, settings::Settings,
};
use campanile_store::rows::{Activity, Campaign, CampaignFilter, RunFigures, SetupSnapshot};
use serde_json::{Map, Value};

use crate::{
    app::App,
    auth::{Act, Who},
    service::{Result, ServiceError, bots},
};

/// Newest first, by status and name.
pub async fn list(app: &App, who: &Who, filter: CampaignFilter) -> Result<Vec<Campaign>> {
    who.require(Act::Look)?;
    Ok(app.store.campaigns(filter).await?)
}

/// One campaign.
pub async fn get(app: &App, who: &Who, id: CampaignId) -> Result<Campaign> {
    who.require(Act::Look)?;
    Ok(app.store.campaign(id).await?)
}

/// A new draft with these settings laid over the defaults of api.md.
pub async fn create(app: &App, who: &Who, patch: &Map<String, Value>) -> Result<Campaign> {
    who.require(Act::Edit)?;
    let settings = Settings::default().patched(patch).map_err(ServiceError::Invalid)?;
    Ok(app.store.create_campaign(settings, who.actor.clone(), app.now()).await?)
}

/// The settings of a campaign with these laid over them: any of a draft or paused one
/// (CL-11), few of a running one (CL-19).
pub async fn update(
    app: &App,
    who: &Who,
    id: CampaignId,
    patch: &Map<String, Value>,
) -> Result<Campaign> {
    who.require(Act::Edit)?;
    let campaign = app.store.campaign(id).await?;
    let settings = campaign.settings.patched(patch).map_err(ServiceError::Invalid)?;
    Ok(app.store.update_campaign(id, settings, who.actor.clone(), app.now()).await?)
}

/// Deletes a draft that never ran, with its contacts (CL-10).
pub async fn delete(app: &App, who: &Who, id: CampaignId) -> Result<()> {
    who.require(Act::Edit)?;
    Ok(app.store.delete_campaign(id, who.actor.clone(), app.now()).await?)
}

/// draft → running, after the checks of CL-2.
pub async fn start(app: &App, who: &Who, id: CampaignId) -> Result<Campaign> {
    who.require(Act::Run)?;
    let campaign = app.store.campaign(id).await?;
    if campaign.status.after(campanile_domain::campaign::Action::Start).is_ok()
        && let Some(bot) = bot_of(app, &campaign.settings).await?
        && !app.engine.speaks(bot.kind)
    {
        return Err(ServiceError::Invalid(vec![FieldError::new(
            "/bot_id",
            "unsupported",
            format!(
                "this build cannot speak through a bot of kind `{}`; choose a script bot",
                bot.kind.word()
            ),
        )]));
    }
    Ok(app.store.start(id, who.actor.clone(), app.now()).await?)
}

/// running → paused: no new INVITE.
pub async fn pause(app: &App, who: &Who, id: CampaignId) -> Result<Campaign> {
    who.require(Act::Run)?;
    Ok(app.store.pause(id, who.actor.clone(), app.now()).await?)
}

/// paused → running.
pub async fn resume(app: &App, who: &Who, id: CampaignId) -> Result<Campaign> {
    who.require(Act::Run)?;
    Ok(app.store.resume(id, who.actor.clone(), app.now()).await?)
}

/// → completed; live calls end by themselves (CL-4).
pub async fn stop(app: &App, who: &Who, id: CampaignId) -> Result<Campaign> {
    who.require(Act::Run)?;
    Ok(app.store.stop(id, who.actor.clone(), app.now()).await?)
}

/// completed or failed → draft: prepares the next run (CL-7).
pub async fn restart(app: &App, who: &Who, id: CampaignId) -> Result<Campaign> {
    who.require(Act::Run)?;
    Ok(app.store.restart(id, who.actor.clone(), app.now()).await?)
}

/// Takes a prepared run back; the finished one is there again as it was (CL-8).
pub async fn cancel_restart(app: &App, who: &Who, id: CampaignId) -> Result<Campaign> {
    who.require(Act::Run)?;
    Ok(app.store.cancel_restart(id, who.actor.clone(), app.now()).await?)
}

/// Sums, passes and outcomes of a run, the current one when `None`.
pub async fn figures(app: &App, who: &Who, id: CampaignId, run: Option<u32>) -> Result<RunFigures> {
    who.require(Act::Look)?;
    let campaign = app.store.campaign(id).await?;
    let run = run_of(&campaign, run)?;
    Ok(app.store.figures(id, run).await?)
}

/// The newest live view, if the engine has published one.
pub async fn live(app: &App, who: &Who, id: CampaignId) -> Result<Option<Arc<LiveView>>> {
    who.require(Act::Look)?;
    Ok(app.live.latest(id))
}

/// The log, newest first (CL-14).
pub async fn activity(app: &App, who: &Who, id: CampaignId) -> Result<Vec<Activity>> {
    who.require(Act::Look)?;
    app.store.campaign(id).await?;
    Ok(app.store.activity(id).await?)
}

/// The setup snapshots, newest first (CL-15).
pub async fn setup_snapshots(app: &App, who: &Who, id: CampaignId) -> Result<Vec<SetupSnapshot>> {
    who.require(Act::Look)?;
    app.store.campaign(id).await?;
    Ok(app.store.setup_snapshots(id).await?)
}

/// The run asked for, if the campaign has it.
pub(crate) fn run_of(campaign: &Campaign, run: Option<u32>) -> Result<u32> {
    match run {
        None => Ok(campaign.run),
        Some(run) if (1..=campaign.run).contains(&run) => Ok(run),
        Some(_) => Err(ServiceError::NotFound("run")),
    }
}

async fn bot_of(app: &App, settings: &Settings) -> Result<Option<Bot>> {
    match settings.bot_id {
        Some(id) => bots::find(app, id).await,
        None => Ok(None),
    }
}
