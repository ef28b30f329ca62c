//! What one transaction of the writer gathers while its verbs are applied.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    rc::Rc,
};

use campanile_domain::{
    campaign::{CompletionReason, Status},
    ids::{CampaignId, CarrierId, IdSource},
    retry::RunEnd,
    settings::Settings,
    setup::QueueState,
};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::{
    error::StoreError,
    sqlite::{
        chores::Chore,
        counters::{self, Counters, Deltas, RunKey},
        sql,
    },
    store::Change,
};

/// What a verb has to know of the run it works on.
#[derive(Debug, Clone)]
pub(crate) struct RunNow {
    pub(crate) key: RunKey,
    /// Whether it is the campaign's latest run.
    pub(crate) current: bool,
    pub(crate) status: Status,
    pub(crate) settings: Rc<Settings>,
    pub(crate) revision: u32,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) end: RunEnd,
    /// When it was swept or ended, Unix milliseconds.
    pub(crate) ended_at: Option<i64>,
}

impl RunNow {
    /// Whether an INVITE may leave in this run.
    pub(crate) fn may_dial(&self) -> bool {
        self.current && self.status == Status::Running
    }

    pub(crate) fn read(db: &Connection, key: RunKey) -> Result<Self, StoreError> {
        let found = sql::first(
            db,
            "SELECT campaign.run, campaign.settings, run.status, run.revision, run.started_at,
                    run.reason, run.swept_at IS NOT NULL, coalesce(run.swept_at, run.ended_at)
             FROM run JOIN campaign ON campaign.id = run.campaign
             WHERE run.campaign = ?1 AND run.run = ?2",
            params![key.campaign.0, key.run],
            |row| {
                Ok(Self {
                    key,
                    current: row.get::<u32>()? == key.run,
                    settings: Rc::new(row.json()?),
                    status: row.code(Status::from_code)?,
                    revision: row.get()?,
                    started_at: row.maybe_at()?,
                    end: match (row.maybe_code(CompletionReason::from_code)?, row.get()?) {
                        (Some(CompletionReason::ManuallyStopped), _) => RunEnd::Stopped,
                        (_, true) => RunEnd::Swept,
                        (_, false) => RunEnd::Open,
                    },
                    ended_at: row.get()?,
                })
            },
        )?;
        found.ok_or(StoreError::NotFound("campaign"))
    }
}

/// Everything that takes effect only with the commit.
#[derive(Default)]
pub(crate) struct Effects {
    deltas: Deltas,
    /// Told at once.
    pub(crate) loud: HashSet<Change>,
    /// Campaigns of which only contacts and counters moved: told a little later,
    /// because a busy campaign moves a thousand times a second.
    pub(crate) quiet: HashSet<CampaignId>,
    pub(crate) chores: Vec<Chore>,
}

/// One transaction of the writer.
pub(crate) struct Batch<'w> {
    pub(crate) db: &'w Connection,
    pub(crate) ids: &'w mut IdSource,
    /// Of the verb that is being applied; dropped when it is refused.
    verb: Effects,
    /// Of the verbs that were applied.
    kept: Effects,
    runs: HashMap<RunKey, Rc<RunNow>>,
    carriers: HashMap<CarrierId, Rc<str>>,
    /// Lines after the flush: every end of a batch asks for the same few.
    queues: RefCell<HashMap<RunKey, QueueState>>,
}

impl<'w> Batch<'w> {
    pub(crate) fn new(db: &'w Connection, ids: &'w mut IdSource) -> Self {
        Self {
            db,
            ids,
            verb: Effects::default(),
            kept: Effects::default(),
            runs: HashMap::new(),
            carriers: HashMap::new(),
            queues: RefCell::default(),
        }
    }

    pub(crate) fn deltas(&mut self) -> &mut Deltas {
        &mut self.verb.deltas
    }

    /// To be told at once.
    pub(crate) fn loud(&mut self, change: Change) {
        self.verb.loud.insert(change);
    }

    /// To be told within half a second.
    pub(crate) fn quiet(&mut self, campaign: CampaignId) {
        self.verb.quiet.insert(campaign);
    }

    /// Work that goes on in pieces after the commit.
    pub(crate) fn chore(&mut self, chore: Chore) {
        self.verb.chores.push(chore);
    }

    /// The run as its rows say now.
    pub(crate) fn run(&mut self, key: RunKey) -> Result<Rc<RunNow>, StoreError> {
        if let Some(run) = self.runs.get(&key) {
            return Ok(run.clone());
        }
        let run = Rc::new(RunNow::read(self.db, key)?);
        self.runs.insert(key, run.clone());
        Ok(run)
    }

    /// The campaign's latest run.
    pub(crate) fn current_run(&mut self, campaign: CampaignId) -> Result<Rc<RunNow>, StoreError> {
        let run =
            sql::first(self.db, "SELECT run FROM campaign WHERE id = ?1", [campaign.0], |row| {
                row.get::<u32>()
            })?;
        let run = run.ok_or(StoreError::NotFound("campaign"))?;
        self.run(RunKey { campaign, run })
    }

    /// A verb changed the campaign or one of its runs: what was read of them is stale.
    pub(crate) fn changed(&mut self, campaign: CampaignId) {
        self.runs.retain(|key, _| key.campaign != campaign);
        self.loud(Change::Campaign(campaign));
    }

    /// A verb changed a carrier: its name may be another.
    pub(crate) fn renamed(&mut self) {
        self.carriers.clear();
    }

    /// The name of a carrier, as the report shows it.
    pub(crate) fn carrier_name(&mut self, id: CarrierId) -> Result<Rc<str>, StoreError> {
        if let Some(name) = self.carriers.get(&id) {
            return Ok(name.clone());
        }
        let name = sql::first(
            self.db,
            "SELECT settings ->> 'name' FROM carrier WHERE id = ?1",
            [id.0],
            |row| row.get::<String>(),
        )?;
        let name: Rc<str> = name.unwrap_or_else(|| id.to_string()).into();
        self.carriers.insert(id, name.clone());
        Ok(name)
    }

    /// The counters of a run, with what this batch has not written yet.
    pub(crate) fn counters(&self, key: RunKey) -> Result<Counters, StoreError> {
        let written = Counters::read(self.db, key)?;
        Ok(written.with(&self.kept.deltas, key).with(&self.verb.deltas, key))
    }

    /// The run is no more: nothing that was counted of it is written.
    pub(crate) fn forget_counters(&mut self, key: RunKey) {
        self.verb.deltas.forget(key);
        self.kept.deltas.forget(key);
    }

    /// The line of a run; for use after [`Self::flush`].
    pub(crate) fn queue(&self, key: RunKey) -> Result<QueueState, StoreError> {
        if let Some(queue) = self.queues.borrow().get(&key) {
            return Ok(*queue);
        }
        let started_at = match self.runs.get(&key) {
            Some(run) => run.started_at,
            None => RunNow::read(self.db, key)?.started_at,
        };
        let counters = Counters::read(self.db, key)?;
        let queue = counters::queue(self.db, key, &counters, started_at)?;
        self.queues.borrow_mut().insert(key, queue);
        Ok(queue)
    }

    /// The verb was applied.
    pub(crate) fn keep(&mut self) {
        let verb = std::mem::take(&mut self.verb);
        self.kept.deltas.merge(verb.deltas);
        self.kept.loud.extend(verb.loud);
        self.kept.quiet.extend(verb.quiet);
        self.kept.chores.extend(verb.chores);
    }

    /// The verb was refused: nothing of it stays, and what it made the batch remember
    /// may be wrong.
    pub(crate) fn forget(&mut self) {
        self.verb = Effects::default();
        self.runs.clear();
        self.carriers.clear();
    }

    /// Writes the counters; the last act before the commit.
    pub(crate) fn flush(&mut self) -> Result<(), StoreError> {
        Ok(self.kept.deltas.flush(self.db)?)
    }

    /// What takes effect now that the commit succeeded.
    pub(crate) fn into_effects(self) -> Effects {
        self.kept
    }
}
