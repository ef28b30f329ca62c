//! The verbs of programs: one contact added, or some excluded.

use std::time::Duration;

use campanile_domain::{exclusion::Selector, ids::CampaignId};
use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::{
    error::StoreError,
    rows::{Actor, Trigger, Triggered},
    sqlite::{
        Sqlite,
        batch::Batch,
        chores::Chore,
        exclusions::{self, Wish},
        metadata,
        triggers::{self, Taken},
        writer::Lane,
    },
};

type Result<T> = std::result::Result<T, StoreError>;

/// A contact that is dialled within this time of the commit was dialled at once.
const AT_ONCE: Duration = Duration::from_millis(250);

impl Sqlite {
    pub(crate) async fn trigger(&self, trigger: Trigger, now: Timestamp) -> Result<Triggered> {
        let (campaign, key) = (trigger.campaign, trigger.key.clone());
        let taken = self
            .writer
            .write(Lane::Calls, move |batch| triggers::trigger(batch, &trigger, now))
            .await?;
        let dialled = match taken.dialled {
            Some(known) => known,
            None => {
                let dialled = self.is_dialled_soon(taken, now).await?;
                match key {
                    Some(key) => {
                        let answer = move |batch: &mut Batch<'_>| {
                            triggers::answer(batch.db, campaign, &key, dialled)
                        };
                        self.writer.write(Lane::Calls, answer).await?
                    }
                    None => dialled,
                }
            }
        };
        Ok(Triggered { contact: taken.contact, run: taken.run, dialled })
    }

    /// Waits for the attempt as long as it would have been dialled at once.
    async fn is_dialled_soon(&self, taken: Taken, now: Timestamp) -> Result<bool> {
        let told = self.awaited.register(taken.contact);
        // It may have been dialled between the commit and now.
        let mut dialled = self.read(move |db| triggers::was_dialled(db, &taken)).await?;
        if !dialled {
            let passed = now.duration_since(taken.at).unsigned_abs();
            dialled = tokio::time::timeout(AT_ONCE.saturating_sub(passed), told).await.is_ok();
        }
        self.awaited.forget(taken.contact);
        Ok(dialled)
    }

    pub(crate) async fn exclude(
        &self,
        campaign: CampaignId,
        selector: Selector,
        reason: Option<String>,
        by: Actor,
        now: Timestamp,
    ) -> Result<u64> {
        if let Selector::Metadata(values) = &selector {
            self.make_findable(campaign, values.iter().map(|(key, _)| key.clone()).collect())
                .await?;
        }
        let wish = Wish { campaign, selector, reason, by, at: now };
        let (mut after, mut matched) = (0, 0);
        loop {
            let wish = wish.clone();
            let piece =
                self.write(move |batch| exclusions::exclude(batch, &wish, after, matched)).await?;
            matched += piece.matched;
            match piece.next {
                Some(next) => after = next,
                None => return Ok(matched),
            }
        }
    }

    /// Waits until the contacts of a campaign can be found by these metadata keys.
    async fn make_findable(&self, campaign: CampaignId, keys: Vec<String>) -> Result<()> {
        let waiting = self
            .write(move |batch| {
                batch.current_run(campaign)?;
                let tasks = metadata::begin(batch, campaign, &keys)?;
                let mut waiting = Vec::with_capacity(tasks.len());
                for task in tasks {
                    let (done, finished) = oneshot::channel();
                    batch.chore(Chore::awaited(task, done));
                    waiting.push(finished);
                }
                Ok(waiting)
            })
            .await?;
        for finished in waiting {
            // A walk that failed is told by the look-up that follows.
            let _ = finished.await;
        }
        Ok(())
    }
}
