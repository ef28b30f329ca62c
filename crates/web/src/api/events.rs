//! The live state of a campaign as an event, for programs that follow it.

use campanile_domain::ids::CampaignId;
use campanile_store::StoreError;
use serde_json::json;

use crate::{
    api::{campaigns::Progress, live::Live},
    app::App,
    service::Result,
};

/// Status, progress and live figures in one line of JSON; `None` when the campaign
/// is gone. Who may see it was asked when the stream was opened.
pub(crate) async fn state(app: &App, id: CampaignId) -> Result<Option<String>> {
    let campaign = match app.store.campaign(id).await {
        Ok(campaign) => campaign,
        Err(StoreError::NotFound(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let figures = app.store.figures(id, campaign.run).await?;
    let view = app.live.latest(id);
    let live = Live::of(&campaign, view.as_deref(), figures.passes);
    let Progress { counts, processed, total } = Progress::of(&campaign);
    let state = json!({
        "id": campaign.id,
        "status": campaign.status,
        "run": campaign.run,
        "completion_reason": campaign.completion_reason,
        "counts": counts,
        "processed": processed,
        "total": total,
        "live": live,
    });
    Ok(Some(state.to_string()))
}
