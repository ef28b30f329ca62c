//! The one thread that writes.
//!
//! Verbs are closures sent over a bounded queue. Whatever waits there when a
//! transaction begins is applied in it, each verb in a savepoint of its own, and one
//! commit makes all of them durable: while it reaches the disk the next batch gathers.
//! Verbs of calls come by the thousand and gather for some milliseconds more. Nobody is
//! answered before the commit.

mod job;
mod log;
mod transaction;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use campanile_domain::{
    attempt::Progress,
    ids::{AttemptId, CampaignId, IdSource},
};
use rusqlite::Connection;
use tokio::sync::{Semaphore, broadcast};

use crate::{
    error::StoreError,
    sqlite::{
        attempt,
        batch::{Batch, Effects},
        chores::{self, Chore},
        sql,
        writer::{
            job::Message,
            log::WriteAheadLog,
            transaction::{apply, transact},
        },
    },
    store::{Change, WriteStats},
};

pub(crate) use self::job::Lane;

type Result<T> = std::result::Result<T, StoreError>;

/// Verbs that may wait in the queue; more callers wait outside.
const CALLS_MAX: usize = 4_096;
/// Chunks of files that may wait.
const BULK_MAX: usize = 8;
/// Verbs that share one commit.
const BATCH_MAX: usize = 1_000;
/// Between two commits for calls alone: one that finds the disk idle goes at once, and a
/// busy machine commits a hundred times a second, however many calls it has.
const COMMIT_EVERY: Duration = Duration::from_millis(10);
/// Live calls whose progress is remembered until the next commit.
const PROGRESS_MAX: usize = 65_536;
/// How long progress and quiet changes may wait.
const TICK: Duration = Duration::from_millis(500);
/// How long a chore rests after the database did not take a write.
const REST: Duration = Duration::from_secs(1);

/// What the writer has done since it began; for metrics.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// Transactions committed for verbs.
    commits: AtomicU64,
    /// Verbs made durable by them, or refused.
    verbs: AtomicU64,
    /// Transactions that failed as a whole.
    failures: AtomicU64,
    /// Bytes of the write-ahead log at the last look.
    wal_bytes: AtomicU64,
}

/// Handle to the writer thread; its drop waits for what is queued.
pub(crate) struct Writer {
    queue: Option<mpsc::SyncSender<Message>>,
    calls: Arc<Semaphore>,
    bulk: Arc<Semaphore>,
    progress: Arc<Mutex<HashMap<AttemptId, Progress>>>,
    work: Arc<Work>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(
        db: Connection,
        ids: IdSource,
        changes: broadcast::Sender<Change>,
    ) -> Result<Self> {
        // The semaphores bound the queue; with a place for each permit no send blocks.
        let (queue, inbox) = mpsc::sync_channel(CALLS_MAX + BULK_MAX);
        let progress = Arc::<Mutex<HashMap<_, _>>>::default();
        let work = Arc::<Work>::default();
        let seen_version = data_version(&db)?;
        let state = Thread {
            log: WriteAheadLog::of(&db),
            db,
            ids,
            changes,
            inbox,
            progress: progress.clone(),
            work: work.clone(),
            bulk: VecDeque::new(),
            chores: VecDeque::new(),
            committed: Instant::now(),
            rest_until: None,
            quiet: HashSet::new(),
            seen_version,
        };
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || state.run())
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self {
            queue: Some(queue),
            calls: Arc::new(Semaphore::new(CALLS_MAX)),
            bulk: Arc::new(Semaphore::new(BULK_MAX)),
            progress,
            work,
            thread: Some(thread),
        })
    }

    /// Applies a verb; answers after the commit that made it durable.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        lane: Lane,
        apply: impl FnOnce(&mut Batch<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.write_then(lane, apply, |applied, _| Ok(applied)).await
    }

    /// Applies a verb, and reads for its answer when the counters of the whole batch
    /// are written.
    pub(crate) async fn write_then<T: Send + 'static, U: Send + 'static>(
        &self,
        lane: Lane,
        apply: impl FnOnce(&mut Batch<'_>) -> Result<T> + Send + 'static,
        conclude: impl FnOnce(T, &Batch<'_>) -> Result<U> + Send + 'static,
    ) -> Result<U> {
        let places = match lane {
            Lane::People | Lane::Calls => &self.calls,
            Lane::Bulk => &self.bulk,
        };
        let place = places.clone().acquire_owned().await.map_err(|_| stopped())?;
        let (message, answer) = Message::of(lane, apply, conclude, place);
        let queue = self.queue.as_ref().expect("taken only by drop");
        queue.send(message).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Verbs that were sent and are not answered.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        CALLS_MAX + BULK_MAX - self.calls.available_permits() - self.bulk.available_permits()
    }

    /// What was done so far.
    pub(crate) fn work(&self) -> WriteStats {
        WriteStats {
            commits: self.work.commits.load(Ordering::Relaxed),
            verbs: self.work.verbs.load(Ordering::Relaxed),
            failures: self.work.failures.load(Ordering::Relaxed),
            wal_bytes: self.work.wal_bytes.load(Ordering::Relaxed),
        }
    }

    /// Remembers how far a call has come, for the next commit.
    pub(crate) fn note(&self, news: Progress) {
        let mut noted = self.progress.lock().expect("no holder of this lock panics");
        if let Some(earlier) = noted.get_mut(&news.attempt) {
            earlier.ringing_at = earlier.ringing_at.or(news.ringing_at);
            earlier.answered_at = earlier.answered_at.or(news.answered_at);
            earlier.bot_attached_at = earlier.bot_attached_at.or(news.bot_attached_at);
        } else if noted.len() < PROGRESS_MAX {
            noted.insert(news.attempt, news);
        }
    }

    /// The end of the attempt is about to be written, which says more than its progress.
    pub(crate) fn forget(&self, attempt: AttemptId) {
        self.progress.lock().expect("no holder of this lock panics").remove(&attempt);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("The store's writer ended by a panic");
        }
    }
}

fn stopped() -> StoreError {
    StoreError::Internal("the store's writer has stopped".into())
}

fn data_version(db: &Connection) -> Result<i64> {
    Ok(db.pragma_query_value(None, "data_version", |row| row.get(0))?)
}

struct Thread {
    db: Connection,
    log: WriteAheadLog,
    ids: IdSource,
    changes: broadcast::Sender<Change>,
    inbox: mpsc::Receiver<Message>,
    progress: Arc<Mutex<HashMap<AttemptId, Progress>>>,
    work: Arc<Work>,
    bulk: VecDeque<Message>,
    chores: VecDeque<Chore>,
    /// The last commit began then.
    committed: Instant,
    /// The database did not take a write: chores wait until then.
    rest_until: Option<Instant>,
    /// Campaigns to be told of at the next tick.
    quiet: HashSet<CampaignId>,
    /// Moves when another process commits.
    seen_version: i64,
}

impl Thread {
    fn run(mut self) {
        let mut tick = Instant::now() + TICK;
        loop {
            let (calls, open) = self.gather(tick);
            if !calls.is_empty() {
                self.commit(calls);
            }
            if let Some(piece) = self.bulk.pop_front() {
                self.commit(vec![piece]);
            } else if self.may_do_chores() {
                self.do_chore();
            }
            if Instant::now() >= tick {
                self.tick();
                tick = Instant::now() + TICK;
            }
            if !open && self.bulk.is_empty() {
                break;
            }
        }
        self.write_progress();
    }

    fn may_do_chores(&self) -> bool {
        !self.chores.is_empty() && self.rest_until.is_none_or(|until| Instant::now() >= until)
    }

    /// Everything that waits, at most [`BATCH_MAX`]; blocks until something does, the
    /// tick comes or there is other work. Pieces of files are put aside. `false` when
    /// no handle is left.
    fn gather(&mut self, tick: Instant) -> (Vec<Message>, bool) {
        let mut calls = Vec::new();
        let wait = if self.may_do_chores() || !self.bulk.is_empty() {
            Duration::ZERO
        } else {
            tick.saturating_duration_since(Instant::now())
        };
        match self.inbox.recv_timeout(wait) {
            Ok(message) => self.sort(message, &mut calls),
            Err(mpsc::RecvTimeoutError::Timeout) => return (calls, true),
            Err(mpsc::RecvTimeoutError::Disconnected) => return (calls, false),
        }
        self.drain(&mut calls);
        let early = COMMIT_EVERY.saturating_sub(self.committed.elapsed());
        let patient = self.bulk.is_empty() && calls.iter().all(|call| call.lane == Lane::Calls);
        if patient && calls.len() < BATCH_MAX && !early.is_zero() {
            // Not a wait on the queue: being woken for each verb is what this saves.
            std::thread::sleep(early);
            self.drain(&mut calls);
        }
        (calls, true)
    }

    /// Everything that waits now, as far as it fits.
    fn drain(&mut self, calls: &mut Vec<Message>) {
        while calls.len() < BATCH_MAX
            && let Ok(message) = self.inbox.try_recv()
        {
            self.sort(message, calls);
        }
    }

    fn sort(&mut self, message: Message, calls: &mut Vec<Message>) {
        match message.lane {
            Lane::People | Lane::Calls => calls.push(message),
            Lane::Bulk => self.bulk.push_back(message),
        }
    }

    /// One transaction for all of them, and their answers.
    fn commit(&mut self, mut messages: Vec<Message>) {
        self.committed = Instant::now();
        // Calls move on many times in half a second; their ends need none of it.
        let calls_alone = messages.iter().all(|message| message.lane == Lane::Calls);
        let progress = if calls_alone { Vec::new() } else { self.take_progress() };
        let outcome = transact(&self.db, &mut self.ids, |batch| {
            apply_progress(batch, &progress)?;
            let mut refusals = Vec::with_capacity(messages.len());
            for message in &mut messages {
                refusals.push(apply(batch, message.job.as_mut())?);
            }
            batch.flush()?;
            for (message, refusal) in messages.iter_mut().zip(&refusals) {
                if refusal.is_none() {
                    message.job.conclude(batch)?;
                }
            }
            Ok(refusals)
        });
        match outcome {
            Ok((refusals, effects)) => {
                self.rest_until = None;
                self.work.commits.fetch_add(1, Ordering::Relaxed);
                self.work.verbs.fetch_add(messages.len() as u64, Ordering::Relaxed);
                for (message, refusal) in messages.into_iter().zip(refusals) {
                    message.job.answer(refusal);
                }
                self.take_effect(effects);
            }
            Err(failure) => {
                self.work.failures.fetch_add(1, Ordering::Relaxed);
                tracing::error!(error = %failure, "A batch of {} writes failed", messages.len());
                for message in messages {
                    message.job.answer(Some(failure.for_another()));
                }
            }
        }
    }

    fn do_chore(&mut self) {
        let Some(mut chore) = self.chores.pop_front() else { return };
        let outcome = transact(&self.db, &mut self.ids, |batch| {
            let finished = chore.step(batch)?;
            batch.keep();
            batch.flush()?;
            Ok(finished)
        });
        match outcome {
            Ok((finished, effects)) => {
                self.take_effect(effects);
                if !finished {
                    self.chores.push_back(chore);
                } else {
                    for done in chore.done {
                        // Whoever waited may have gone away.
                        let _ = done.send(());
                    }
                }
            }
            Err(failure) => {
                self.work.failures.fetch_add(1, Ordering::Relaxed);
                tracing::error!(error = %failure, "Work between calls failed: {:?}", chore.task);
                if failure.is_everybodys() {
                    self.rest_until = Some(Instant::now() + REST);
                    self.chores.push_back(chore);
                }
                // Else it is a bug: its waiter hears that the chore is gone, and the
                // next start tries again.
            }
        }
    }

    fn take_effect(&mut self, effects: Effects) {
        for change in effects.loud {
            // Nobody listens: nobody has to be told.
            let _ = self.changes.send(change);
        }
        self.quiet.extend(effects.quiet);
        for chore in effects.chores {
            let known = self.chores.iter_mut().find(|each| each.task == chore.task);
            match known {
                Some(known) => known.done.extend(chore.done),
                None => self.chores.push_back(chore),
            }
        }
    }

    /// What comes due twice a second.
    fn tick(&mut self) {
        self.write_progress();
        self.work.wal_bytes.store(self.log.look(), Ordering::Relaxed);
        for campaign in self.quiet.drain() {
            let _ = self.changes.send(Change::Campaign(campaign));
        }
        match data_version(&self.db) {
            Ok(version) if version != self.seen_version => {
                self.seen_version = version;
                self.look_around();
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "Cannot look for changes of other processes"),
        }
    }

    /// Another process committed something: everybody looks again.
    fn look_around(&mut self) {
        let _ = self.changes.send(Change::Setup);
        let found = transact(&self.db, &mut self.ids, |batch| {
            chores::find(batch, false)?;
            let campaigns = sql::all(
                batch.db,
                "SELECT id FROM campaign ORDER BY id DESC LIMIT 500",
                [],
                |row| row.get().map(CampaignId),
            )?;
            for campaign in campaigns {
                batch.loud(Change::Campaign(campaign));
            }
            batch.keep();
            Ok(())
        });
        match found {
            Ok(((), effects)) => self.take_effect(effects),
            Err(error) => tracing::error!(%error, "Cannot read what another process changed"),
        }
    }

    fn take_progress(&self) -> Vec<Progress> {
        let mut noted = self.progress.lock().expect("no holder of this lock panics");
        noted.drain().map(|(_, news)| news).collect()
    }

    /// Progress that no other write took along.
    fn write_progress(&mut self) {
        let progress = self.take_progress();
        if progress.is_empty() {
            return;
        }
        let written = transact(&self.db, &mut self.ids, |batch| {
            apply_progress(batch, &progress)?;
            batch.flush()
        });
        match written {
            Ok(((), effects)) => self.take_effect(effects),
            Err(error) => tracing::warn!(%error, "The progress of calls was not written"),
        }
    }
}

fn apply_progress(batch: &mut Batch<'_>, progress: &[Progress]) -> Result<()> {
    for news in progress {
        attempt::progress(batch, news)?;
    }
    batch.keep();
    Ok(())
}
