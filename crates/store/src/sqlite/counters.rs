//! Counters of a run, kept by delta.
//!
//! What a row contributes is a pure function of the row, so a delta is what the row
//! contributes after a change less what it contributed before, and a recount is the
//! sum over all rows. Deltas are added up in memory while a batch is applied and
//! written once for each counter.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use campanile_domain::{
    callback::CallbackState,
    contact::{ContactClass, ContactState},
    figures::{CallbackSums, PassRow, Sums},
    ids::CampaignId,
    outcome::Outcome,
    passes,
    setup::QueueState,
};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::sqlite::{
    callbacks::CallbackFacts,
    dial::{Dial, Line, fresh, moved},
    sql,
};

/// A run of a campaign: what counters are kept for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RunKey {
    pub(crate) campaign: CampaignId,
    pub(crate) run: u32,
}

/// What is counted; the number is what the table keeps. Never renumbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind(i64);

impl Kind {
    pub(crate) const DIALS: Self = Self(100);
    const ATTEMPTS: Self = Self(101);
    const ANSWERED: Self = Self(102);
    const CONNECTED: Self = Self(103);
    const CONVERSATIONS: Self = Self(104);
    const ABANDONED: Self = Self(105);
    const TALK_MS: Self = Self(106);
    const RANG: Self = Self(107);
    const RING_MS: Self = Self(108);
    /// Contacts that ended because their attempts were used up.
    pub(crate) const EXHAUSTED: Self = Self(110);
    /// Callbacks by state follow, then what they sum up to (CB-4).
    const CALLBACKS: i64 = 130;
    const CALLBACKS_DIALLED: Self = Self(140);
    const CALLBACK_DELAY_MS: Self = Self(141);
    const CALLBACK_LATE_MS: Self = Self(142);
    /// Outcome codes follow.
    const OUTCOMES: i64 = 200;

    pub(crate) fn state(state: ContactState) -> Self {
        Self(i64::from(state.code()))
    }

    fn callback(state: CallbackState) -> Self {
        Self(Self::CALLBACKS + i64::from(state.code()))
    }

    pub(crate) fn outcome(outcome: Outcome) -> Self {
        Self(Self::OUTCOMES + i64::from(outcome.code()))
    }
}

/// What an attempt contributes to the sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AttemptFacts {
    pub(crate) pass: u32,
    pub(crate) counts: bool,
    /// `None` while it lives.
    pub(crate) outcome: Option<Outcome>,
    pub(crate) answered: bool,
    pub(crate) bot_attached: bool,
    pub(crate) conversation: bool,
    pub(crate) talk_ms: u64,
    pub(crate) ring_ms: Option<u64>,
}

/// Changes of one run's counters.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct RunDeltas {
    counters: BTreeMap<Kind, i64>,
    passes: BTreeMap<u32, PassDeltas>,
    last_dial: Option<i64>,
    /// The newest time that a verb of the batch was told.
    now: i64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct PassDeltas {
    eligible: i64,
    attempted: i64,
    connected: i64,
    open: i64,
    started_at: Option<i64>,
}

/// Changes of counters that are not written yet.
#[derive(Debug, Default)]
pub(crate) struct Deltas {
    runs: HashMap<RunKey, RunDeltas>,
}

impl Deltas {
    /// `times` contacts like this one came to be (or, negative, are no more).
    pub(crate) fn contact(&mut self, key: RunKey, dial: &Dial, times: i64) {
        let run = self.runs.entry(key).or_default();
        *run.counters.entry(Kind::state(dial.state)).or_default() += times;
        if dial.exhausted {
            *run.counters.entry(Kind::EXHAUSTED).or_default() += times;
        }
        // Excluded before its first dial: it belongs to no pass.
        let never = dial.state == ContactState::Excluded && dial.dialled == 0;
        let eligible = if never { 0 } else { dial.wave };
        let attempted = if dial.wave_dialled { dial.wave } else { dial.wave - 1 };
        for pass in 1..=dial.wave {
            let deltas = run.passes.entry(pass).or_default();
            deltas.eligible += if pass <= eligible { times } else { 0 };
            deltas.attempted += if pass <= attempted { times } else { 0 };
        }
        if matches!(dial.state.class(), ContactClass::Waiting | ContactClass::Active) {
            run.passes.entry(dial.wave).or_default().open += times;
        }
    }

    /// An attempt came to be (`times` 1) or is no more what it was (-1).
    pub(crate) fn attempt(&mut self, key: RunKey, facts: &AttemptFacts, times: i64) {
        let run = self.runs.entry(key).or_default();
        let mut add = |kind, n: u64| {
            *run.counters.entry(kind).or_default() +=
                times * i64::try_from(n).expect("milliseconds fit 63 bits");
        };
        add(Kind::DIALS, 1);
        let Some(outcome) = facts.outcome else { return };
        add(Kind::outcome(outcome), 1);
        if outcome == Outcome::Unknown {
            return;
        }
        let connected = facts.bot_attached && outcome != Outcome::Machine;
        add(Kind::ATTEMPTS, 1);
        add(Kind::ANSWERED, u64::from(facts.answered));
        add(Kind::CONNECTED, u64::from(connected));
        add(Kind::CONVERSATIONS, u64::from(facts.conversation));
        add(Kind::ABANDONED, u64::from(outcome == Outcome::Abandoned));
        add(Kind::TALK_MS, if connected { facts.talk_ms } else { 0 });
        add(Kind::RANG, u64::from(facts.ring_ms.is_some()));
        add(Kind::RING_MS, facts.ring_ms.unwrap_or(0));
        // An uncounted attempt is followed by another of the same pass: only the one
        // that counts may make the contact a connected one of the pass.
        if connected && facts.counts {
            run.passes.entry(facts.pass).or_default().connected += times;
        }
    }

    /// A callback came to be what it is (`times` 1) or is no more what it was (-1).
    pub(crate) fn callback(&mut self, key: RunKey, facts: &CallbackFacts, times: i64) {
        let run = self.runs.entry(key).or_default();
        let mut add = |kind, n: i64| *run.counters.entry(kind).or_default() += times * n;
        add(Kind::callback(facts.state), 1);
        if let Some(dialled_at) = facts.dialled_at {
            add(Kind::CALLBACKS_DIALLED, 1);
            add(Kind::CALLBACK_DELAY_MS, (dialled_at - facts.requested_at).max(0));
            add(Kind::CALLBACK_LATE_MS, (dialled_at - facts.due_at).max(0));
        }
    }

    /// An INVITE of this pass is about to leave.
    pub(crate) fn dialled(&mut self, key: RunKey, pass: u32, at: i64) {
        let run = self.runs.entry(key).or_default();
        run.last_dial = run.last_dial.max(Some(at));
        let started = &mut run.passes.entry(pass).or_default().started_at;
        *started = Some(started.map_or(at, |earlier| earlier.min(at)));
    }

    /// The time that `ended_at` of a pass is given, if one ends by this batch.
    pub(crate) fn now(&mut self, key: RunKey, now: i64) {
        let run = self.runs.entry(key).or_default();
        run.now = run.now.max(now);
    }

    /// The run is no more.
    pub(crate) fn forget(&mut self, key: RunKey) {
        self.runs.remove(&key);
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for (key, theirs) in other.runs {
            let ours = self.runs.entry(key).or_default();
            for (kind, n) in theirs.counters {
                *ours.counters.entry(kind).or_default() += n;
            }
            for (pass, theirs) in theirs.passes {
                let ours = ours.passes.entry(pass).or_default();
                ours.eligible += theirs.eligible;
                ours.attempted += theirs.attempted;
                ours.connected += theirs.connected;
                ours.open += theirs.open;
                ours.started_at = match (ours.started_at, theirs.started_at) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
            }
            ours.last_dial = ours.last_dial.max(theirs.last_dial);
            ours.now = ours.now.max(theirs.now);
        }
    }

    /// Writes everything and starts from nothing.
    pub(crate) fn flush(&mut self, db: &Connection) -> rusqlite::Result<()> {
        for (key, deltas) in self.runs.drain() {
            let (campaign, run) = (key.campaign.0, key.run);
            for (kind, n) in deltas.counters.into_iter().filter(|(_, n)| *n != 0) {
                sql::run(
                    db,
                    "INSERT INTO counter (campaign, run, kind, n) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT DO UPDATE SET n = n + excluded.n",
                    params![campaign, run, kind.0, n],
                )?;
            }
            if let Some(at) = deltas.last_dial {
                sql::run(
                    db,
                    "UPDATE run SET last_dial_at = max(coalesce(last_dial_at, ?3), ?3)
                     WHERE campaign = ?1 AND run = ?2",
                    params![campaign, run, at],
                )?;
            }
            let mut touched = false;
            for (pass, n) in deltas.passes {
                if n == PassDeltas::default() {
                    continue;
                }
                touched = true;
                sql::run(
                    db,
                    "INSERT INTO pass (campaign, run, pass, eligible, attempted, connected, open,
                                       started_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                     ON CONFLICT DO UPDATE SET
                         eligible = eligible + excluded.eligible,
                         attempted = attempted + excluded.attempted,
                         connected = connected + excluded.connected,
                         open = open + excluded.open,
                         started_at = coalesce(min(started_at, excluded.started_at),
                                               started_at, excluded.started_at)",
                    params![
                        campaign,
                        run,
                        pass,
                        n.eligible,
                        n.attempted,
                        n.connected,
                        n.open,
                        n.started_at
                    ],
                )?;
            }
            if touched {
                end_passes(db, key, deltas.now)?;
            }
        }
        Ok(())
    }
}

impl Deltas {
    /// Where the tables say otherwise than these sums over all rows of a run.
    pub(crate) fn differences(
        &self,
        db: &Connection,
        key: RunKey,
    ) -> rusqlite::Result<Vec<String>> {
        let mut differences = Vec::new();
        let counted = self.runs.get(&key).cloned().unwrap_or_default();
        let kept = Counters::read(db, key)?;
        let kinds: BTreeSet<Kind> =
            counted.counters.keys().chain(kept.counts.keys()).copied().collect();
        for kind in kinds {
            let rows = counted.counters.get(&kind).copied().unwrap_or_default();
            let counter = kept.counts.get(&kind).copied().unwrap_or_default();
            if rows != counter {
                differences.push(format!("run {} {kind:?}: {counter}, rows {rows}", key.run));
            }
        }
        let kept = sql::all(
            db,
            "SELECT pass, eligible, attempted, connected, open FROM pass
             WHERE campaign = ?1 AND run = ?2",
            params![key.campaign.0, key.run],
            |row| {
                let pass = row.get::<u32>()?;
                let deltas = PassDeltas {
                    eligible: row.get()?,
                    attempted: row.get()?,
                    connected: row.get()?,
                    open: row.get()?,
                    started_at: None,
                };
                Ok((pass, deltas))
            },
        )?;
        let kept: BTreeMap<u32, PassDeltas> = kept.into_iter().collect();
        let passes: BTreeSet<u32> = counted.passes.keys().chain(kept.keys()).copied().collect();
        for pass in passes {
            let rows = counted.passes.get(&pass).copied().unwrap_or_default();
            let table = kept.get(&pass).copied().unwrap_or_default();
            if rows != table {
                differences.push(format!("run {} pass {pass}: {table:?}, rows {rows:?}", key.run));
            }
        }
        Ok(differences)
    }
}

/// Notes the end of passes that nobody waits for any more, and takes it back where
/// somebody was added.
fn end_passes(db: &Connection, key: RunKey, now: i64) -> rusqlite::Result<()> {
    let rows = sql::all(
        db,
        "SELECT pass, open, started_at IS NOT NULL, ended_at FROM pass
         WHERE campaign = ?1 AND run = ?2 ORDER BY pass",
        params![key.campaign.0, key.run],
        |row| Ok((row.get::<u32>()?, row.count()?, row.get()?, row.get::<Option<i64>>()?)),
    )?;
    // A contact passes through every pass before its own, so the rows have no gap.
    let open: Vec<u64> = rows.iter().map(|(_, open, ..)| *open).collect();
    for (pass, _, started, ended_at) in rows {
        let ended = passes::has_ended(pass, started, &open);
        if ended != ended_at.is_some() {
            sql::run(
                db,
                "UPDATE pass SET ended_at = ?4 WHERE campaign = ?1 AND run = ?2 AND pass = ?3",
                params![key.campaign.0, key.run, pass, ended.then_some(now)],
            )?;
        }
    }
    Ok(())
}

/// The counters of a run as they stand.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Counters {
    counts: BTreeMap<Kind, i64>,
}

impl Counters {
    pub(crate) fn read(db: &Connection, key: RunKey) -> rusqlite::Result<Self> {
        let rows = sql::all(
            db,
            "SELECT kind, n FROM counter WHERE campaign = ?1 AND run = ?2",
            params![key.campaign.0, key.run],
            |row| Ok((Kind(row.get()?), row.get()?)),
        )?;
        Ok(Self { counts: rows.into_iter().collect() })
    }

    /// With changes laid over that are not written yet.
    pub(crate) fn with(mut self, deltas: &Deltas, key: RunKey) -> Self {
        for (kind, n) in deltas.runs.get(&key).into_iter().flat_map(|run| &run.counters) {
            *self.counts.entry(*kind).or_default() += n;
        }
        self
    }

    pub(crate) fn get(&self, kind: Kind) -> u64 {
        self.counts.get(&kind).map_or(0, |n| u64::try_from(*n).unwrap_or(0))
    }

    /// Contacts by state, those that there are.
    pub(crate) fn states(&self) -> Vec<(ContactState, u64)> {
        let counts = ContactState::ALL.iter().map(|state| (*state, self.get(Kind::state(*state))));
        counts.filter(|(_, count)| *count > 0).collect()
    }

    /// Contacts whose state is of a class.
    pub(crate) fn class(&self, class: ContactClass) -> u64 {
        let states = ContactState::ALL.iter().filter(|state| state.class() == class);
        states.map(|state| self.get(Kind::state(*state))).sum()
    }

    /// Attempts by outcome, those that there are.
    pub(crate) fn outcomes(&self) -> Vec<(Outcome, u64)> {
        let counts = Outcome::ALL.iter().map(|each| (*each, self.get(Kind::outcome(*each))));
        counts.filter(|(_, count)| *count > 0).collect()
    }

    /// Callbacks (CB-4).
    pub(crate) fn callbacks(&self) -> CallbackSums {
        let of = |state| self.get(Kind::callback(state));
        CallbackSums {
            requested: CallbackState::ALL.iter().copied().map(of).sum(),
            pending: of(CallbackState::Pending),
            completed: of(CallbackState::Completed),
            cancelled: of(CallbackState::Cancelled),
            dialled: self.get(Kind::CALLBACKS_DIALLED),
            delay_ms: self.get(Kind::CALLBACK_DELAY_MS),
            late_ms: self.get(Kind::CALLBACK_LATE_MS),
        }
    }

    pub(crate) fn sums(&self) -> Sums {
        Sums {
            dials: self.get(Kind::DIALS),
            attempts: self.get(Kind::ATTEMPTS),
            answered: self.get(Kind::ANSWERED),
            connected: self.get(Kind::CONNECTED),
            conversations: self.get(Kind::CONVERSATIONS),
            abandoned: self.get(Kind::ABANDONED),
            talk_ms: self.get(Kind::TALK_MS),
            rang: self.get(Kind::RANG),
            ring_ms: self.get(Kind::RING_MS),
        }
    }
}

/// When the first contact of one part of the line falls due, but for the fresh ones.
pub(crate) const NEXT_DUE: &str = concat!(
    "SELECT due_at FROM dial INDEXED BY dial_line
     WHERE campaign = ?1 AND run = ?2 AND line = ?3 AND state < 3 AND ",
    moved!(),
    " ORDER BY due_at LIMIT 1"
);

/// The same for those present at Start whom nobody has dialled: all have the place 0.
pub(crate) const FRESH_DUE: &str = concat!(
    "SELECT 0 FROM dial INDEXED BY dial_fresh WHERE campaign = ?1 AND run = ?2 AND ",
    fresh!(),
    " LIMIT 1"
);

/// The waiting line of a run. `started_at` is the place of those present at Start.
pub(crate) fn queue(
    db: &Connection,
    key: RunKey,
    counters: &Counters,
    started_at: Option<Timestamp>,
) -> rusqlite::Result<QueueState> {
    let mut next_due = None;
    for line in Line::ALL {
        let fresh = match line {
            Line::Callbacks | Line::Triggered => None,
            Line::Rest => {
                sql::first(db, FRESH_DUE, params![key.campaign.0, key.run], |row| row.at())?
            }
        };
        let due = match fresh {
            Some(due) => Some(due),
            None => {
                let params = params![key.campaign.0, key.run, line.code()];
                sql::first(db, NEXT_DUE, params, |row| row.at())?
            }
        };
        let due = due.map(|due| match started_at {
            Some(started_at) => due.max(started_at),
            None => due,
        });
        next_due = match (next_due, due) {
            (Some(a), Some(b)) => Some(std::cmp::min::<Timestamp>(a, b)),
            (a, b) => a.or(b),
        };
    }
    Ok(QueueState {
        waiting: counters.class(ContactClass::Waiting),
        active: counters.class(ContactClass::Active),
        next_due,
    })
}

/// The pass table (MO-6).
pub(crate) fn pass_rows(db: &Connection, key: RunKey) -> rusqlite::Result<Vec<PassRow>> {
    sql::all(
        db,
        "SELECT pass, attempted, eligible, connected, started_at, ended_at FROM pass
         WHERE campaign = ?1 AND run = ?2 AND (eligible > 0 OR attempted > 0) ORDER BY pass",
        params![key.campaign.0, key.run],
        |row| {
            Ok(PassRow {
                pass: row.get()?,
                attempted: row.count()?,
                eligible: row.count()?,
                connected: row.count()?,
                started_at: row.maybe_at()?,
                ended_at: row.maybe_at()?,
            })
        },
    )
}
