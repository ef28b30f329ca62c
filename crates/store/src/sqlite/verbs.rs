//! The verbs of `Store`, each one transaction of the writer or one view of a reader.

mod access;
mod contact_files;
mod programs;
mod restarts;

use std::ops::ControlFlow;

use campanile_domain::{
    attempt::{Finish, Lease, NewAttempt, Progress},
    bot::{Bot, BotKind},
    campaign::CompletionReason,
    carrier::{Carrier, CarrierSettings, Direction, Number},
    guard::day::Spent,
    ids::{AttemptId, BotId, CampaignId, CarrierId, ContactId, KeyId, UserId},
    phone::PhoneNumber,
    settings::Settings,
    setup::DiallerSetup,
};
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    error::StoreError,
    rows::*,
    sqlite::{
        Sqlite, activity, attempt, batch::Batch, callbacks, campaigns, chores, claims, contacts,
        counters::RunKey, failover, people, recount, report, runs, setup, sql, writer::Lane,
    },
    store::{Leased, RecordRefused, Settled, WriteStats},
};

type Result<T> = std::result::Result<T, StoreError>;

/// Contacts that recovery settles in one transaction.
const RECOVERED_AT_ONCE: u32 = 500;

/// The dialler's.
impl Sqlite {
    pub(crate) async fn recover(&self, now: Timestamp) -> Result<Vec<(CampaignId, u64)>> {
        let runs = self
            .read(|db| {
                Ok(sql::all(
                    db,
                    "SELECT DISTINCT campaign, run FROM counter
                     WHERE kind BETWEEN 3 AND 9 AND n > 0 ORDER BY campaign, run",
                    [],
                    |row| Ok(RunKey { campaign: CampaignId(row.get()?), run: row.get()? }),
                )?)
            })
            .await?;
        let mut unknown: Vec<(CampaignId, u64)> = Vec::new();
        for key in runs {
            loop {
                let taken = self
                    .write(move |batch| claims::take_back(batch, key, RECOVERED_AT_ONCE, now))
                    .await?;
                match unknown.iter_mut().find(|(campaign, _)| *campaign == key.campaign) {
                    Some((_, count)) => *count += taken.unknown,
                    None if taken.unknown > 0 => unknown.push((key.campaign, taken.unknown)),
                    None => {}
                }
                if taken.seen < RECOVERED_AT_ONCE as usize {
                    break;
                }
            }
        }
        self.write(|batch| chores::find(batch, true)).await?;
        Ok(unknown)
    }

    pub(crate) async fn dialler_setup(&self) -> Result<DiallerSetup> {
        self.read(setup::dialler_setup).await
    }

    pub(crate) async fn lease(
        &self,
        campaign: CampaignId,
        run: u32,
        max: u32,
        now: Timestamp,
    ) -> Result<Leased> {
        let key = RunKey { campaign, run };
        self.writer
            .write_then(
                Lane::Calls,
                move |batch| claims::lease(batch, key, max, now),
                move |leases, batch| Ok(Leased { leases, queue: batch.queue(key)? }),
            )
            .await
    }

    pub(crate) async fn release(&self, leases: Vec<Lease>) -> Result<()> {
        self.write(move |batch| claims::release(batch, &leases)).await
    }

    pub(crate) async fn record(
        &self,
        attempt: NewAttempt,
    ) -> Result<std::result::Result<(), RecordRefused>> {
        let contact = attempt.lease.contact;
        let recorded =
            self.writer.write(Lane::Calls, move |batch| claims::record(batch, &attempt)).await?;
        if recorded.is_ok() {
            self.awaited.dialled(contact);
        }
        Ok(recorded)
    }

    pub(crate) async fn reroute(
        &self,
        attempt: NewAttempt,
    ) -> Result<std::result::Result<(), RecordRefused>> {
        self.write(move |batch| failover::reroute(batch, &attempt)).await
    }

    pub(crate) async fn bar(&self, leases: Vec<Lease>) -> Result<()> {
        self.write(move |batch| failover::bar(batch, &leases)).await
    }

    pub(crate) async fn spent_since(&self, since: Timestamp) -> Result<Spent> {
        self.read(move |db| failover::spent_since(db, since)).await
    }

    pub(crate) fn progress(&self, progress: Progress) {
        self.writer.note(progress);
    }

    pub(crate) async fn finish(&self, finish: Finish, now: Timestamp) -> Result<Settled> {
        let attempt = finish.attempt.id;
        self.writer.forget(attempt);
        self.writer
            .write_then(
                Lane::Calls,
                move |batch| attempt::finish(batch, &finish, now),
                move |(key, next), batch| Ok(Settled { attempt, next, queue: batch.queue(key)? }),
            )
            .await
    }

    pub(crate) async fn sweep(&self, campaign: CampaignId, run: u32, now: Timestamp) -> Result<()> {
        self.write(move |batch| runs::sweep(batch, RunKey { campaign, run }, now)).await
    }

    pub(crate) async fn complete(
        &self,
        campaign: CampaignId,
        run: u32,
        now: Timestamp,
    ) -> Result<Option<CompletionReason>> {
        self.write(move |batch| runs::complete(batch, RunKey { campaign, run }, now)).await
    }

    pub(crate) async fn fail(
        &self,
        campaign: CampaignId,
        run: u32,
        reason: String,
        now: Timestamp,
    ) -> Result<()> {
        self.write(move |batch| runs::fail(batch, RunKey { campaign, run }, &reason, now)).await
    }
}

/// Of campaigns.
impl Sqlite {
    /// A verb that answers with the campaign as it is after the commit.
    async fn campaign_after(
        &self,
        verb: impl FnOnce(&mut Batch<'_>) -> Result<CampaignId> + Send + 'static,
    ) -> Result<Campaign> {
        self.writer
            .write_then(Lane::People, verb, |id, batch| campaigns::campaign(batch.db, id))
            .await
    }

    pub(crate) async fn create_campaign(
        &self,
        settings: Settings,
        by: Actor,
        now: Timestamp,
    ) -> Result<Campaign> {
        self.campaign_after(move |batch| campaigns::create(batch, &settings, &by, now)).await
    }

    pub(crate) async fn update_campaign(
        &self,
        id: CampaignId,
        settings: Settings,
        by: Actor,
        now: Timestamp,
    ) -> Result<Campaign> {
        self.campaign_after(move |batch| {
            campaigns::update(batch, id, &settings, &by, now).map(|()| id)
        })
        .await
    }

    pub(crate) async fn delete_campaign(
        &self,
        id: CampaignId,
        by: Actor,
        now: Timestamp,
    ) -> Result<()> {
        self.write(move |batch| campaigns::delete(batch, id)).await?;
        // Its log went with it, so the deed is told here.
        tracing::info!(campaign.id = %id, by.id, by.name, at = %now, "A draft was deleted");
        Ok(())
    }

    pub(crate) async fn start(
        &self,
        id: CampaignId,
        by: Actor,
        now: Timestamp,
    ) -> Result<Campaign> {
        self.campaign_after(move |batch| runs::start(batch, id, &by, now).map(|()| id)).await
    }

    pub(crate) async fn pause(
        &self,
        id: CampaignId,
        by: Actor,
        now: Timestamp,
    ) -> Result<Campaign> {
        self.campaign_after(move |batch| runs::pause(batch, id, &by, now).map(|()| id)).await
    }

    pub(crate) async fn resume(
        &self,
        id: CampaignId,
        by: Actor,
        now: Timestamp,
    ) -> Result<Campaign> {
        self.campaign_after(move |batch| runs::resume(batch, id, &by, now).map(|()| id)).await
    }

    pub(crate) async fn stop(&self, id: CampaignId, by: Actor, now: Timestamp) -> Result<Campaign> {
        self.campaign_after(move |batch| runs::stop(batch, id, &by, now).map(|()| id)).await
    }

    pub(crate) async fn campaign(&self, id: CampaignId) -> Result<Campaign> {
        self.read(move |db| campaigns::campaign(db, id)).await
    }

    pub(crate) async fn campaigns(&self, filter: CampaignFilter) -> Result<Vec<Campaign>> {
        self.read(move |db| campaigns::page(db, &filter)).await
    }

    pub(crate) async fn figures(&self, campaign: CampaignId, run: u32) -> Result<RunFigures> {
        self.read(move |db| campaigns::figures(db, RunKey { campaign, run })).await
    }

    pub(crate) async fn activity(&self, id: CampaignId) -> Result<Vec<Activity>> {
        self.read(move |db| activity::newest(db, id)).await
    }

    pub(crate) async fn setup_snapshots(&self, id: CampaignId) -> Result<Vec<SetupSnapshot>> {
        self.read(move |db| campaigns::snapshots(db, id)).await
    }
}

/// Of contacts, files and attempts.
impl Sqlite {
    pub(crate) async fn contacts(
        &self,
        campaign: CampaignId,
        filter: ContactFilter,
    ) -> Result<Vec<Contact>> {
        self.read(move |db| contacts::page(db, campaign, &filter)).await
    }

    pub(crate) async fn callbacks(
        &self,
        campaign: CampaignId,
        run: u32,
        filter: CallbackFilter,
        after: Option<AttemptId>,
        limit: u32,
    ) -> Result<Vec<Callback>> {
        self.read(move |db| callbacks::page(db, campaign, run, filter, after, limit)).await
    }

    pub(crate) async fn contact(&self, campaign: CampaignId, id: ContactId) -> Result<Contact> {
        self.read(move |db| contacts::contact(db, campaign, id)).await
    }

    pub(crate) async fn attempts(
        &self,
        campaign: CampaignId,
        run: Option<u32>,
        after: Option<AttemptId>,
        limit: u32,
    ) -> Result<Vec<Attempt>> {
        self.read(move |db| report::chunk(db, campaign, run, after, limit)).await
    }

    pub(crate) async fn report<Sink: Send + 'static>(
        &self,
        campaign: CampaignId,
        run: Option<u32>,
        after: Option<AttemptId>,
        mut sink: Sink,
        take: impl Fn(&mut Sink, &ReportRow<'_>) -> ControlFlow<()> + Send + 'static,
    ) -> Result<(Sink, Option<AttemptId>)> {
        self.read(move |db| {
            let last = report::each(db, campaign, run, after, |row| take(&mut sink, row))?;
            Ok((sink, last))
        })
        .await
    }

    pub(crate) async fn attempt(&self, id: AttemptId) -> Result<Attempt> {
        self.read(move |db| report::attempt(db, id)).await
    }
}

/// Of carriers, numbers and bots.
impl Sqlite {
    pub(crate) async fn create_carrier(
        &self,
        settings: CarrierSettings,
        now: Timestamp,
    ) -> Result<Carrier> {
        self.write(move |batch| setup::create_carrier(batch, settings, now)).await
    }

    pub(crate) async fn update_carrier(
        &self,
        id: CarrierId,
        enabled: bool,
        settings: CarrierSettings,
    ) -> Result<Carrier> {
        let carrier = Carrier { id, enabled, settings };
        self.write(move |batch| setup::update_carrier(batch, carrier)).await
    }

    pub(crate) async fn carriers(&self) -> Result<Vec<Carrier>> {
        self.read(setup::carriers).await
    }

    pub(crate) async fn create_number(
        &self,
        e164: PhoneNumber,
        carrier: CarrierId,
        label: Option<String>,
        direction: Direction,
        now: Timestamp,
    ) -> Result<Number> {
        self.write(move |batch| setup::create_number(batch, e164, carrier, label, direction, now))
            .await
    }

    pub(crate) async fn numbers(&self) -> Result<Vec<Number>> {
        self.read(setup::numbers).await
    }

    pub(crate) async fn create_bot(
        &self,
        name: String,
        kind: BotKind,
        settings: Value,
        now: Timestamp,
    ) -> Result<Bot> {
        self.write(move |batch| setup::create_bot(batch, name, kind, settings, now)).await
    }

    pub(crate) async fn update_bot(
        &self,
        id: BotId,
        enabled: bool,
        name: String,
        settings: Value,
    ) -> Result<Bot> {
        self.write(move |batch| setup::update_bot(batch, id, enabled, name, settings)).await
    }

    pub(crate) async fn bots(&self) -> Result<Vec<Bot>> {
        self.read(setup::bots).await
    }
}

/// Of people.
impl Sqlite {
    pub(crate) async fn create_first_user(
        &self,
        email: String,
        password_hash: String,
        now: Timestamp,
    ) -> Result<User> {
        self.write(move |batch| people::create_first_user(batch, &email, password_hash, now)).await
    }

    pub(crate) async fn create_user(
        &self,
        email: String,
        role: Role,
        password_hash: String,
        now: Timestamp,
    ) -> Result<User> {
        self.write(move |batch| people::create_user(batch, &email, role, password_hash, now)).await
    }

    pub(crate) async fn users(&self) -> Result<Vec<User>> {
        self.read(people::users).await
    }

    pub(crate) async fn user_by_email(&self, email: &str) -> Result<Option<User>> {
        let email = email.to_owned();
        self.read(move |db| people::user_by_email(db, &email)).await
    }

    pub(crate) async fn user(&self, id: UserId) -> Result<User> {
        self.read(move |db| people::user(db, id)).await
    }

    pub(crate) async fn create_key(
        &self,
        name: String,
        prefix: String,
        hash: [u8; 32],
        scope: Scope,
        now: Timestamp,
    ) -> Result<Key> {
        let new = NewKey { name, prefix, hash, scope, expires_at: None };
        self.add_key(new, now).await
    }

    pub(crate) async fn keys(&self) -> Result<Vec<Key>> {
        self.read(people::keys).await
    }

    pub(crate) async fn key_by_prefix(&self, prefix: &str) -> Result<Option<Key>> {
        let prefix = prefix.to_owned();
        self.read(move |db| people::key_by_prefix(db, &prefix)).await
    }

    pub(crate) async fn touch_key(&self, id: KeyId, now: Timestamp) -> Result<()> {
        if self.read(move |db| people::is_stale(db, id, now)).await? {
            self.write(move |batch| people::touch_key(batch, id, now)).await?;
        }
        Ok(())
    }

    pub(crate) async fn delete_key(&self, id: KeyId) -> Result<()> {
        self.write(move |batch| people::delete_key(batch, id)).await
    }

    pub(crate) async fn save_session(&self, session: Session) -> Result<()> {
        let now = Timestamp::now();
        self.write(move |batch| people::save_session(batch, &session, now)).await
    }

    pub(crate) async fn session(
        &self,
        id_hash: [u8; 32],
        now: Timestamp,
    ) -> Result<Option<Session>> {
        self.read(move |db| people::session(db, id_hash, now)).await
    }

    pub(crate) async fn delete_session(&self, id_hash: [u8; 32]) -> Result<()> {
        self.write(move |batch| people::delete_session(batch, id_hash)).await
    }
}

/// Of its own health.
impl Sqlite {
    pub(crate) async fn ready(&self) -> Result<()> {
        let probe = "UPDATE meta SET value = value + 1 WHERE key = 'probe'";
        self.write(move |batch| Ok(sql::run(batch.db, probe, []).map(drop)?)).await
    }

    pub(crate) fn write_stats(&self) -> WriteStats {
        self.writer.work()
    }

    pub(crate) async fn recount(&self, id: CampaignId) -> Result<Vec<String>> {
        self.read(move |db| recount::differences(db, id)).await
    }
}
