//! Attempts: written before the INVITE, moved on while the call lives, ended once.

use campanile_domain::{
    attempt::{Finish, NewAttempt, Next, Progress},
    campaign::Status,
    contact::{ContactClass, ContactState},
    ids::{AttemptId, CampaignId, ContactId},
    outcome::{Ending, Outcome},
    phone::PhoneNumber,
    result::ConversationResult,
    retry::{self, After},
    settings::Settings,
};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::{
    error::StoreError,
    sqlite::{
        batch::{Batch, RunNow},
        callbacks,
        counters::{AttemptFacts, RunKey},
        dial::Dial,
        do_not_call, exclusions, failover,
        sql::{self, Cells, digits, ms},
    },
};

/// What ends an attempt has to know of its row.
struct Row {
    id: AttemptId,
    key: RunKey,
    contact: ContactId,
    number: u32,
    tries: u32,
    result: Option<ConversationResult>,
    facts: AttemptFacts,
}

/// A SELECT whose columns are those that [`Row::read`] expects.
macro_rules! select_row {
    ($rest:literal) => {
        concat!(
            "SELECT id, campaign, run, contact, number, tries, result, pass, counts, outcome,
                    ringing_at, answered_at, bot_attached_at IS NOT NULL, ended_at, conversation
             FROM attempt ",
            $rest
        )
    };
}

impl Row {
    fn load(db: &Connection, id: AttemptId) -> rusqlite::Result<Option<Self>> {
        sql::first(db, select_row!("WHERE id = ?1"), [id.0], Self::read)
    }

    fn read(row: &mut Cells<'_>) -> rusqlite::Result<Self> {
        let id = AttemptId(row.get()?);
        let key = RunKey { campaign: CampaignId(row.get()?), run: row.get()? };
        let contact = ContactId(row.get()?);
        let (number, tries) = (row.get()?, row.get()?);
        let result = row.maybe_json()?;
        let (pass, counts) = (row.get()?, row.get()?);
        let outcome = row.maybe_code(Outcome::from_code)?;
        let ringing_at: Option<i64> = row.get()?;
        let answered_at: Option<i64> = row.get()?;
        let bot_attached = row.get()?;
        let ended_at: Option<i64> = row.get()?;
        let facts = AttemptFacts {
            pass,
            counts,
            outcome,
            answered: answered_at.is_some(),
            bot_attached,
            conversation: row.get()?,
            talk_ms: elapsed(answered_at, ended_at).unwrap_or(0),
            ring_ms: elapsed(ringing_at, answered_at.or(ended_at)),
        };
        Ok(Self { id, key, contact, number, tries, result, facts })
    }
}

/// What every attempt of a run contributes to its sums.
pub(crate) fn facts_of_run(db: &Connection, key: RunKey) -> rusqlite::Result<Vec<AttemptFacts>> {
    sql::all(
        db,
        select_row!("WHERE campaign = ?1 AND run = ?2"),
        params![key.campaign.0, key.run],
        |row| Row::read(row).map(|row| row.facts),
    )
}

/// Milliseconds from one time to another, never negative.
fn elapsed(from: Option<i64>, to: Option<i64>) -> Option<u64> {
    Some(u64::try_from(to? - from?).unwrap_or(0))
}

/// The durable write before the INVITE.
pub(crate) fn insert(
    batch: &mut Batch<'_>,
    key: RunKey,
    new: &NewAttempt,
) -> Result<(), StoreError> {
    let carrier = batch.carrier_name(new.carrier)?;
    sql::run(
        batch.db,
        "INSERT INTO attempt (id, campaign, run, contact, number, pass, revision, counts, phone,
                              caller_id, number_id, carrier_id, carrier, dialled_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8, ?9, ?10, ?11, ?12, ?13)",
        params![
            new.id.0,
            key.campaign.0,
            key.run,
            new.lease.contact.0,
            new.number,
            new.pass,
            new.revision,
            digits(new.lease.phone),
            digits(new.caller_id),
            new.number_id.0,
            new.carrier.0,
            carrier,
            ms(new.at)
        ],
    )?;
    let facts = AttemptFacts {
        pass: new.pass,
        counts: true,
        outcome: None,
        answered: false,
        bot_attached: false,
        conversation: false,
        talk_ms: 0,
        ring_ms: None,
    };
    batch.deltas().attempt(key, &facts, 1);
    Ok(())
}

/// A live call came further. Of an attempt that has ended, or is not there, nothing is
/// changed.
pub(crate) fn progress(batch: &mut Batch<'_>, news: &Progress) -> Result<(), StoreError> {
    let moved = sql::run(
        batch.db,
        "UPDATE attempt SET ringing_at = coalesce(ringing_at, ?2),
             answered_at = coalesce(answered_at, ?3),
             bot_attached_at = coalesce(bot_attached_at, ?4)
         WHERE id = ?1 AND outcome IS NULL",
        params![
            news.attempt.0,
            news.ringing_at.map(ms),
            news.answered_at.map(ms),
            news.bot_attached_at.map(ms)
        ],
    )?;
    if moved == 0 {
        return Ok(());
    }
    let Some(row) = Row::load(batch.db, news.attempt)? else { return Ok(()) };
    let state = match (news.bot_attached_at, news.answered_at, news.ringing_at) {
        (Some(_), ..) => ContactState::InProgress,
        (None, Some(_), _) => ContactState::Attaching,
        (None, None, Some(_)) => ContactState::Ringing,
        (None, None, None) => return Ok(()),
    };
    let Some(before) = Dial::load(batch.db, row.key, row.contact)? else { return Ok(()) };
    // Active states are numbered in the order in which a call passes through them.
    if before.attempt == Some(news.attempt.0) && is_in_call(before.state) && before.state < state {
        Dial { state, ..before.clone() }.replace(batch, &before)?;
    }
    Ok(())
}

fn is_in_call(state: ContactState) -> bool {
    state.class() == ContactClass::Active && state != ContactState::Leased
}

/// The end of an attempt and what becomes of its contact, in one piece. A second end
/// of the same attempt changes nothing.
pub(crate) fn finish(
    batch: &mut Batch<'_>,
    finish: &Finish,
    now: Timestamp,
) -> Result<(RunKey, Next), StoreError> {
    let Some(row) = Row::load(batch.db, finish.attempt.id)? else {
        return Err(StoreError::NotFound("attempt"));
    };
    let Some(before) = Dial::load(batch.db, row.key, row.contact)? else {
        return Err(StoreError::NotFound("contact"));
    };
    let mut dial = before.clone();
    match row.facts.outcome {
        None if before.attempt == Some(row.id.0) && is_in_call(before.state) => {}
        // Recovered as `unknown`, and then the real end came. It replaces `unknown` as
        // long as nobody has taken the contact up again.
        Some(Outcome::Unknown)
            if before.attempt == Some(row.id.0) && before.state.class() != ContactClass::Active =>
        {
            dial.counted -= u32::from(row.facts.counts);
            dial.wave = row.facts.pass;
            dial.wave_dialled = true;
        }
        _ => return Ok((row.key, before.next())),
    }

    let run = batch.run(row.key)?;
    let not_sent = finish.report.ending == Ending::NotSent;
    let counted = dial.counted + u32::from(finish.counts);
    if finish.result.opt_out == Some(true) {
        do_not_call::opt_out(batch, before.phone, now)?;
    }
    let excluded = is_barred(batch.db, row.key.campaign, before.phone, now)?;
    let after = After::of(finish, &run.settings, counted, run.end, excluded, now);
    let after = callbacks::inform(batch.db, &before, after)?;
    let next = match retry::settle(&after) {
        // The run completed while this end was not known: its finals do not revive.
        Next::Retry(_) | Next::Callback(_) if run.status == Status::Completed => {
            Next::Final(retry::final_state(finish.outcome))
        }
        next => next,
    };
    let exhausted = is_exhausted(next, &run.settings, |settings| {
        retry::settle(&After { settings, ..after.clone() })
    });
    dial.settle((!not_sent).then_some(finish.counts), next, exhausted);
    dial.last_number = Some(finish.attempt.number_id.0);
    dial.seat_owed = match finish.outcome {
        Outcome::Abandoned => true,
        Outcome::Completed => false,
        _ => dial.seat_owed,
    };
    dial.replace(batch, &before)?;
    callbacks::keep(batch, &dial, row.id, &after, next)?;

    failover::name_last_carrier(batch, &finish.attempt, row.tries)?;
    end(batch, &row, &run, finish)?;
    batch.deltas().now(row.key, ms(now));
    Ok((row.key, dial.next()))
}

/// Whether the number may not be called again: excluded meanwhile, or on the do-not-call list.
fn is_barred(
    db: &Connection,
    campaign: CampaignId,
    number: PhoneNumber,
    now: Timestamp,
) -> Result<bool, StoreError> {
    Ok(exclusions::is_excluded(db, campaign, number)? || do_not_call::bars(db, number, now)?)
}

/// Whether a final state is final only because the attempts were used up: with
/// more of them the same decision would have been to dial again.
fn is_exhausted(next: Next, settings: &Settings, decide: impl FnOnce(&Settings) -> Next) -> bool {
    let is_final = matches!(next, Next::Final(_));
    is_final
        && !matches!(
            decide(&Settings { max_attempts: u32::MAX, ..settings.clone() }),
            Next::Final(_)
        )
}

fn end(batch: &mut Batch<'_>, row: &Row, run: &RunNow, finish: &Finish) -> Result<(), StoreError> {
    let report = &finish.report;
    let long_enough = u64::from(run.settings.conversation_min_seconds) * 1_000;
    let conversation = finish.outcome == Outcome::Completed && report.talk_ms() >= long_enough;
    // What was already seen stays: a report after a crash may know less.
    sql::run(
        batch.db,
        "UPDATE attempt SET counts = ?2, outcome = ?3, conversation = ?4, result = ?5,
             hangup_by = ?6, sip_code = ?7, sip_reason = ?8,
             ringing_at = coalesce(?9, ringing_at),
             answered_at = coalesce(?10, answered_at),
             bot_attached_at = coalesce(?11, bot_attached_at),
             first_bot_audio_at = ?12, ended_at = ?13, rtp_sent = ?14, rtp_received = ?15,
             media = ?16
         WHERE id = ?1",
        params![
            row.id.0,
            finish.counts,
            finish.outcome.code(),
            conversation,
            serde_json::to_string(&finish.result)?,
            report.hangup_by.map(|by| by.code()),
            report.sip_code,
            report.sip_reason,
            report.ringing_at.map(ms),
            report.answered_at.map(ms),
            report.bot_attached_at.map(ms),
            report.first_bot_audio_at.map(ms),
            ms(report.ended_at),
            report.rtp_sent,
            report.rtp_received,
            report.media.as_ref().map(serde_json::to_string).transpose()?
        ],
    )?;
    count_change(batch, row)
}

/// After the row was written: what it contributes now instead of what it did.
fn count_change(batch: &mut Batch<'_>, before: &Row) -> Result<(), StoreError> {
    let after = Row::load(batch.db, before.id)?.ok_or(StoreError::NotFound("attempt"))?;
    batch.deltas().attempt(before.key, &before.facts, -1);
    batch.deltas().attempt(before.key, &after.facts, 1);
    Ok(())
}

/// After a crash: the contact was in a call, or its result was awaited. Returns
/// whether the attempt became `unknown`.
pub(crate) fn recover(
    batch: &mut Batch<'_>,
    run: &RunNow,
    before: &Dial,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let row = match before.attempt {
        Some(id) => Row::load(batch.db, AttemptId(id))?,
        None => None,
    };
    let Some(row) = row.filter(|row| row.number == before.dialled) else {
        // Cannot be: `record` writes both rows in one transaction.
        return Err(StoreError::Internal(
            format!("contact {} is in a call without an attempt", before.contact).into(),
        ));
    };
    let mut dial = before.clone();
    let counts = row.facts.counts;
    let counted = dial.counted + u32::from(counts);
    let excluded = is_barred(batch.db, row.key.campaign, before.phone, now)?;
    let Some(outcome) = row.facts.outcome else {
        let decide =
            |settings: &Settings| retry::settle_unknown(settings, counted, run.end, excluded, now);
        let next = decide(&run.settings);
        dial.settle(Some(counts), next, is_exhausted(next, &run.settings, decide));
        dial.replace(batch, before)?;
        sql::run(
            batch.db,
            "UPDATE attempt SET outcome = ?2 WHERE id = ?1",
            params![row.id.0, Outcome::Unknown.code()],
        )?;
        count_change(batch, &row)?;
        return Ok(true);
    };
    // `processing`: the attempt is final, only its contact was not settled.
    let result = row.result.clone().unwrap_or_else(|| ConversationResult::of("error"));
    let after = After {
        settings: &run.settings,
        outcome,
        counts,
        sent: true,
        result: &result,
        talk_ms: row.facts.talk_ms,
        counted,
        now,
        ended: run.end,
        excluded,
        zone: None,
        callbacks: 0,
    };
    let after = callbacks::inform(batch.db, before, after)?;
    let next = retry::settle(&after);
    let exhausted = is_exhausted(next, &run.settings, |settings| {
        retry::settle(&After { settings, ..after.clone() })
    });
    dial.settle(Some(counts), next, exhausted);
    dial.replace(batch, before)?;
    callbacks::keep(batch, &dial, row.id, &after, next)?;
    Ok(false)
}
