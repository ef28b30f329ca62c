//! The verbs of another run: prepared, and taken back.

use campanile_domain::ids::CampaignId;
use jiff::Timestamp;

use crate::{
    error::StoreError,
    rows::{Actor, Campaign},
    sqlite::{Sqlite, restarts},
};

type Result<T> = std::result::Result<T, StoreError>;

impl Sqlite {
    pub(crate) async fn restart(
        &self,
        id: CampaignId,
        by: Actor,
        now: Timestamp,
    ) -> Result<Campaign> {
        self.campaign_after(move |batch| restarts::restart(batch, id, &by, now).map(|()| id)).await
    }

    pub(crate) async fn cancel_restart(
        &self,
        id: CampaignId,
        by: Actor,
        now: Timestamp,
    ) -> Result<Campaign> {
        self.campaign_after(move |batch| restarts::cancel(batch, id, &by, now).map(|()| id)).await
    }
}
