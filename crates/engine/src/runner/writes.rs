//! What is under way in the store.

use std::{collections::VecDeque, future::Future, time::Duration};

use campanile_domain::{
    attempt::{Finish, Lease, NewAttempt, Progress},
    guard::Barred,
    ids::{AttemptId, CampaignId},
    outcome::Ending,
    scheduler::Input,
    setup::DiallerSetup,
};
use campanile_store::{RecordRefused, Store, StoreError};
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use jiff::Timestamp;

/// Under way at once; what is more waits in order. A group commit takes 1,000.
const UNDER_WAY_MAX: usize = 1_000;
/// Progress that may be lost is not queued behind so much else.
const PROGRESS_QUEUE_MAX: usize = 2_000;
/// Pause before a write that must not be lost is tried again, doubled up to the longest.
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_LONGEST: Duration = Duration::from_secs(10);

/// Something to ask of the store.
#[derive(Debug)]
pub(super) enum Work {
    Setup,
    Lease { campaign: CampaignId, run: u32, max: u32 },
    Release(Vec<Lease>),
    Record(Box<NewAttempt>),
    Reroute(Box<NewAttempt>),
    Bar(Vec<(Lease, Barred)>),
    Progress(Progress),
    Finish(Box<Finish>),
    Sweep { campaign: CampaignId, run: u32 },
    Complete { campaign: CampaignId, run: u32 },
    Fail { campaign: CampaignId, run: u32, reason: String },
}

/// What follows from the store's answer.
#[derive(Debug)]
pub(super) enum Answer {
    /// The scheduler shall know.
    Tell(Box<Input>),
    /// The scheduler shall know, and the setup changed.
    TellAndReread(Box<Input>),
    /// The campaigns and carriers as they stand.
    Setup(Result<DiallerSetup, StoreError>),
    /// The setup changed.
    Reread,
    /// It failed: look at the setup in a while and decide anew.
    RereadLater,
    /// Nothing.
    Nothing,
}

/// See the module. The queue is bounded by what the scheduler holds: a lease and a
/// completion a campaign, a record and a finish a call.
pub(super) struct Writes {
    store: Store,
    under_way: FuturesUnordered<BoxFuture<'static, Answer>>,
    queue: VecDeque<Work>,
}

impl Writes {
    pub(super) fn new(store: Store) -> Self {
        Self { store, under_way: FuturesUnordered::new(), queue: VecDeque::new() }
    }

    /// Asks, at once or when there is room.
    pub(super) fn ask(&mut self, work: Work) {
        if self.under_way.len() < UNDER_WAY_MAX {
            self.under_way.push(Box::pin(answer(self.store.clone(), work)));
        } else if !matches!(work, Work::Progress(_)) || self.queue.len() < PROGRESS_QUEUE_MAX {
            self.queue.push_back(work);
        }
    }

    /// The next answer; `None` when nothing is under way. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Answer> {
        let answer = self.under_way.next().await?;
        if let Some(work) = self.queue.pop_front() {
            self.ask(work);
        }
        Some(answer)
    }

    /// Whether everything was answered.
    pub(super) fn is_settled(&self) -> bool {
        self.under_way.is_empty()
    }
}

async fn answer(store: Store, work: Work) -> Answer {
    let now = Timestamp::now();
    let tell = |input| Answer::Tell(Box::new(input));
    match work {
        Work::Setup => Answer::Setup(store.dialler_setup().await),
        Work::Lease { campaign, run, max } => match store.lease(campaign, run, max, now).await {
            Ok(leased) => {
                tell(Input::Leased { campaign, run, leases: leased.leases, queue: leased.queue })
            }
            Err(error) => {
                tracing::error!(campaign.id = %campaign, %error, "No contacts could be claimed");
                tell(Input::StoreFailed { campaign, attempt: None })
            }
        },
        Work::Record(attempt) => {
            let (id, campaign) = (attempt.id, attempt.lease.campaign);
            recorded(id, campaign, store.record(*attempt).await)
        }
        Work::Reroute(attempt) => {
            let (id, campaign) = (attempt.id, attempt.lease.campaign);
            recorded(id, campaign, store.reroute(*attempt).await)
        }
        Work::Bar(barred) => {
            for (lease, why) in &barred {
                tracing::warn!(
                    campaign.id = %lease.campaign,
                    contact.id = %lease.contact,
                    "A number is not dialled: {why}"
                );
            }
            let leases: Vec<Lease> = barred.into_iter().map(|(lease, _)| lease).collect();
            match until_taken("Barring numbers", || store.bar(leases.clone())).await {
                Ok(()) => Answer::Reread,
                Err(error) => {
                    tracing::error!(%error, "Barred numbers could not be written");
                    Answer::RereadLater
                }
            }
        }
        Work::Progress(progress) => {
            if let Err(error) = store.progress(progress).await {
                tracing::debug!(attempt.id = %progress.attempt, %error, "Progress was not kept");
            }
            Answer::Nothing
        }
        Work::Release(leases) => {
            match until_taken("Giving claims back", || store.release(leases.clone())).await {
                Ok(()) => Answer::Reread,
                Err(error) => {
                    tracing::error!(%error, "Claims could not be given back");
                    Answer::RereadLater
                }
            }
        }
        Work::Finish(finish) => {
            let write = || store.finish(Finish::clone(&finish), now);
            match until_taken("Writing the end of an attempt", write).await {
                Ok(settled) => {
                    tell(Input::Settled { attempt: settled.attempt, queue: settled.queue })
                }
                // It was doubtful whether there is a row, and there is none.
                Err(StoreError::NotFound(_)) if finish.report.ending == Ending::NotSent => {
                    tell(Input::NotSettled(finish.attempt.id))
                }
                Err(error) => {
                    let attempt = finish.attempt.id;
                    tracing::error!(attempt.id = %attempt, %error, "The end of an attempt is lost");
                    Answer::TellAndReread(Box::new(Input::NotSettled(attempt)))
                }
            }
        }
        Work::Sweep { campaign, run } => reread(store.sweep(campaign, run, now).await, campaign),
        Work::Complete { campaign, run } => match store.complete(campaign, run, now).await {
            Ok(_) => Answer::Reread,
            Err(error) => {
                tracing::error!(campaign.id = %campaign, %error, "The run could not be completed");
                Answer::TellAndReread(Box::new(Input::StoreFailed { campaign, attempt: None }))
            }
        },
        Work::Fail { campaign, run, reason } => {
            tracing::warn!(campaign.id = %campaign, "The run cannot go on: {reason}");
            reread(store.fail(campaign, run, reason, now).await, campaign)
        }
    }
}

/// What follows from the answer to a record or a reroute.
fn recorded(
    id: AttemptId,
    campaign: CampaignId,
    answer: Result<Result<(), RecordRefused>, StoreError>,
) -> Answer {
    match answer {
        Ok(Ok(())) => Answer::Tell(Box::new(Input::Recorded(id))),
        Ok(Err(refused)) => {
            let input = Box::new(Input::NotRecorded(id));
            match refused {
                RecordRefused::LeaseLost => {
                    tracing::warn!(attempt.id = %id, "A claim was lost before its call");
                    Answer::Tell(input)
                }
                RecordRefused::Excluded => Answer::Tell(input),
                // We have not heard of the pause yet: hear of it now.
                RecordRefused::NotRunning => Answer::TellAndReread(input),
            }
        }
        Err(error) => {
            tracing::error!(attempt.id = %id, %error, "An attempt was not recorded or not surely");
            Answer::Tell(Box::new(Input::StoreFailed { campaign, attempt: Some(id) }))
        }
    }
}

fn reread(done: Result<(), StoreError>, campaign: CampaignId) -> Answer {
    match done {
        Ok(()) => Answer::Reread,
        Err(error) => {
            tracing::error!(campaign.id = %campaign, %error, "The run's status was not written");
            Answer::RereadLater
        }
    }
}

/// Tries until the store takes it. An error of another kind than a full disk, a stall
/// or a broken database is one that trying again does not mend, and comes back.
async fn until_taken<T, F>(what: &str, mut write: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut pause = RETRY_FIRST;
    loop {
        match write().await {
            Err(error @ (StoreError::Unavailable(_) | StoreError::Internal(_))) => {
                tracing::error!(%error, retry_ms = pause.as_millis(), "{what} failed");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY_LONGEST);
            }
            done => return done,
        }
    }
}
