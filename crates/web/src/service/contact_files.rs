//! Contact files before they are sent: how one would be read.

use std::{fmt::Display, pin::pin};

use bytes::Bytes;
use campanile_domain::ids::CampaignId;
use futures_util::{Stream, StreamExt};
use tokio::task::spawn_blocking;

use crate::{
    app::App,
    auth::{Act, Who},
    csv_import::{self, ImportError, ImportOptions, PREVIEW_BYTES, Preview},
    service::Result,
};

/// Reads the beginning of a file, as it would be read for a campaign. Nothing is kept.
pub async fn preview_for<E: Display + Send>(
    app: &App,
    who: &Who,
    campaign: CampaignId,
    body: impl Stream<Item = std::result::Result<Bytes, E>> + Send,
    options: ImportOptions,
) -> Result<Preview> {
    who.require(Act::Run)?;
    let country = app.store.campaign(campaign).await?.settings.default_country.clone();
    preview(who, country, body, true, options).await
}

/// Reads the beginning of a file, as it would be read for a campaign of `country`.
/// Nothing is kept. `is_whole` says whether the end of the body is that of the file.
pub async fn preview<E: Display + Send>(
    who: &Who,
    country: String,
    body: impl Stream<Item = std::result::Result<Bytes, E>> + Send,
    is_whole: bool,
    options: ImportOptions,
) -> Result<Preview> {
    who.require(Act::Run)?;
    let mut body = pin!(body);
    let mut head = Vec::new();
    let mut ended = false;
    while head.len() < PREVIEW_BYTES {
        match body.next().await {
            Some(piece) => head.extend_from_slice(&piece.map_err(|_| ImportError::BrokenOff)?),
            None => {
                ended = true;
                break;
            }
        }
    }
    // A piece may be larger than all that is looked at.
    let is_whole = is_whole && ended && head.len() <= PREVIEW_BYTES;
    head.truncate(PREVIEW_BYTES);
    let reading =
        spawn_blocking(move || csv_import::preview(&head, is_whole, &options, &country)).await;
    Ok(reading.map_err(|error| ImportError::Failed(Box::new(error)))??)
}
