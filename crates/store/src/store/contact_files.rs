//! Contact files: staged row by row, accepted by one commit, applied in pieces (CT-6).

use campanile_domain::ids::{CampaignId, ImportId};
use jiff::Timestamp;

use crate::{
    error::StoreError,
    rows::{Actor, Import, ImportFile, ImportIdentity, RejectedRow, StagedRow},
    store::Store,
};

type Result<T> = std::result::Result<T, StoreError>;

impl Store {
    /// A staging area for one file. `Conflict` unless the campaign is a draft
    /// that never ran (replaces, CT-4), running or paused (appends, CT-5).
    pub async fn begin_import(&self, campaign: CampaignId, now: Timestamp) -> Result<ImportId> {
        self.inner.begin_import(campaign, now).await
    }

    /// Adds rows; duplicates within the file are found here.
    pub async fn stage_rows(
        &self,
        import: ImportId,
        rows: Vec<StagedRow>,
        rejected: Vec<RejectedRow>,
    ) -> Result<()> {
        self.inner.stage_rows(import, rows, rejected).await
    }

    /// Notes how a file in staging was read, and what tells it from others.
    pub async fn describe_import(
        &self,
        import: ImportId,
        file: ImportFile,
        identity: ImportIdentity,
    ) -> Result<()> {
        self.inner.describe_import(import, file, identity).await
    }

    /// One commit accepts the file (`Invalid` and discarded when it holds no good
    /// row), then it is applied in chunks; returns when all rows are contacts.
    pub async fn accept_import(
        &self,
        import: ImportId,
        by: Actor,
        now: Timestamp,
    ) -> Result<Import> {
        self.inner.accept_import(import, by, now).await
    }

    /// Forgets a file that was not accepted.
    pub async fn discard_import(&self, import: ImportId) -> Result<()> {
        self.inner.discard_import(import).await
    }

    /// How far it has come.
    pub async fn import(&self, id: ImportId) -> Result<Import> {
        self.inner.import(id).await
    }

    /// In file order.
    pub async fn rejected_rows(
        &self,
        import: ImportId,
        after_line: u64,
        limit: u32,
    ) -> Result<Vec<RejectedRow>> {
        self.inner.rejected_rows(import, after_line, limit).await
    }
}
