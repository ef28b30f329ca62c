//! What programs ask of a campaign, contact by contact: dial this one, never dial that one.

use campanile_domain::{exclusion::Selector, ids::CampaignId};
use jiff::Timestamp;

use crate::{
    error::StoreError,
    rows::{Actor, Trigger, Triggered},
    store::Store,
};

type Result<T> = std::result::Result<T, StoreError>;

impl Store {
    /// Adds one contact to a running or paused campaign, or brings a known one back to the
    /// line (R-11). The same request under the same key is taken once, and answered the same
    /// for seven days. Answers when the contact was dialled, or a quarter of a second after the
    /// commit.
    ///
    /// # Errors
    ///
    /// `Conflict` `not_accepting`, `outside_window`, `excluded` or `importing`; `Invalid`
    /// `idempotency_mismatch` when something else was asked under the key.
    pub async fn trigger(&self, trigger: Trigger, now: Timestamp) -> Result<Triggered> {
        self.inner.trigger(trigger, now).await
    }

    /// Excludes the contacts that are meant, in whatever state, and says how many there are, so
    /// that a repeat gives the same number. Who waits is excluded at once, who is in a
    /// call when it ends. With sticky exclusion the selector stands for numbers to come.
    ///
    /// The first time that a campaign is asked for a metadata key, its contacts are walked
    /// once; from then on the key is looked up.
    pub async fn exclude(
        &self,
        campaign: CampaignId,
        selector: Selector,
        reason: Option<String>,
        by: Actor,
        now: Timestamp,
    ) -> Result<u64> {
        self.inner.exclude(campaign, selector, reason, by, now).await
    }
}
