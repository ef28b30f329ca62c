//! The verbs of contact files.

use campanile_domain::{
    ids::{CampaignId, ImportId},
    phone::PhoneNumber,
};
use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::{
    error::StoreError,
    rows::{Actor, Import, ImportFile, ImportIdentity, RejectedRow, StagedRow},
    sqlite::{
        Sqlite,
        imports::{self, Accepted},
        writer::Lane,
    },
};

type Result<T> = std::result::Result<T, StoreError>;

/// Rows of a file that are staged in one transaction: calls wait for it.
const STAGED_AT_ONCE: usize = 1_000;

impl Sqlite {
    pub(crate) async fn begin_import(
        &self,
        campaign: CampaignId,
        now: Timestamp,
    ) -> Result<ImportId> {
        self.seen.has_room()?;
        let import = self.write(move |batch| imports::begin(batch, campaign, now)).await?;
        self.seen.open(import);
        Ok(import)
    }

    pub(crate) async fn stage_rows(
        &self,
        import: ImportId,
        rows: Vec<StagedRow>,
        rejected: Vec<RejectedRow>,
    ) -> Result<()> {
        let (mut rows, mut rejected) = (rows.into_iter(), rejected.into_iter());
        loop {
            let rows: Vec<StagedRow> = rows.by_ref().take(STAGED_AT_ONCE).collect();
            let rejected: Vec<RejectedRow> = rejected.by_ref().take(STAGED_AT_ONCE).collect();
            if rows.is_empty() && rejected.is_empty() {
                return Ok(());
            }
            let (rows, duplicates) = self.seen.sift(import, rows);
            let phones: Vec<PhoneNumber> = rows.iter().map(|row| row.phone).collect();
            let staged = self.writer.write(Lane::Bulk, move |batch| {
                imports::stage(batch, import, &rows, &duplicates, &rejected)
            });
            if let Err(refused) = staged.await {
                self.seen.take_back(import, &phones);
                return Err(refused);
            }
        }
    }

    pub(crate) async fn describe_import(
        &self,
        import: ImportId,
        file: ImportFile,
        identity: ImportIdentity,
    ) -> Result<()> {
        self.write(move |batch| imports::describe(batch, import, &file, &identity)).await
    }

    pub(crate) async fn accept_import(
        &self,
        import: ImportId,
        by: Actor,
        now: Timestamp,
    ) -> Result<Import> {
        let (done, applied) = oneshot::channel();
        self.seen.close(import);
        let accepted =
            self.write(move |batch| imports::accept(batch, import, &by, now, done)).await?;
        match accepted {
            Accepted::Empty => Err(StoreError::invalid(
                "",
                "no_contacts",
                "the file holds no number that can be called; nothing was changed",
            )),
            Accepted::Before(other) => self.import(other).await,
            Accepted::Yes => {
                applied.await.map_err(|_| {
                    StoreError::Internal(
                        "the file is accepted; its rows are applied at the next start".into(),
                    )
                })?;
                self.import(import).await
            }
        }
    }

    pub(crate) async fn discard_import(&self, import: ImportId) -> Result<()> {
        self.seen.close(import);
        self.write(move |batch| imports::discard(batch, import)).await
    }

    pub(crate) async fn import(&self, id: ImportId) -> Result<Import> {
        self.read(move |db| imports::import(db, id)).await
    }

    pub(crate) async fn rejected_rows(
        &self,
        import: ImportId,
        after_line: u64,
        limit: u32,
    ) -> Result<Vec<RejectedRow>> {
        self.read(move |db| imports::rejected(db, import, after_line, limit)).await
    }
}
