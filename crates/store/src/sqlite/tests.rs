//! What is true of this backend alone: plans, checks, commits, a full disk, versions.

mod versions;

use std::sync::{Arc, Mutex, mpsc};

use campanile_domain::{
    bot::BotKind,
    callback::{CallbackState, Understood},
    campaign::{CompletionReason, Status},
    carrier::Direction,
    contact::ContactState,
    ids::CampaignId,
    outcome::{HangupBy, Outcome},
    phone::PhoneNumber,
    settings::Settings,
};
use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::json;

use crate::{
    error::StoreError,
    rows::{Actor, ImportStage, Role, Scope, StagedRow},
    sqlite::{
        Sqlite,
        chores::Budget,
        contacts, counters,
        dial::{self, Line},
        imports, report, restarts, schema, sql,
        writer::Lane,
    },
};

fn t0() -> Timestamp {
    "2026-06-01T10:00:00Z".parse().unwrap()
}

fn by() -> Actor {
    Actor { id: "usr_1".into(), name: "asha@example.org".into() }
}

fn rows(count: u64) -> Vec<StagedRow> {
    let rows = (1..=count).map(|n| StagedRow {
        line: n + 1,
        phone: PhoneNumber::from_digits(919_810_000_000 + n).unwrap(),
        variables: format!(r#"{{"note":"{}"}}"#, "x".repeat(200)),
    });
    rows.collect()
}

async fn add(store: &Sqlite, campaign: CampaignId, count: u64) -> Result<(), StoreError> {
    let import = store.begin_import(campaign, t0()).await?;
    store.stage_rows(import, rows(count), Vec::new()).await?;
    store.accept_import(import, by(), t0()).await.map(drop)
}

async fn running(store: &Sqlite, contacts: u64) -> CampaignId {
    let carrier = json!({"name": "Tata", "host": "sip.example.org", "cps": 5, "channels": 30});
    let carrier = serde_json::from_value(carrier).unwrap();
    let carrier = store.create_carrier(carrier, t0()).await.unwrap().id;
    let e164 = "+918045670001".parse().unwrap();
    let number = store.create_number(e164, carrier, None, Direction::Outbound, t0()).await.unwrap();
    let bot = store.create_bot("Hello".into(), BotKind::Script, json!({}), t0()).await.unwrap();
    let settings = Settings {
        name: "Renewals".into(),
        bot_id: Some(bot.id),
        number_ids: vec![number.id],
        ..Settings::default()
    };
    let id = store.create_campaign(settings, by(), t0()).await.unwrap().id;
    add(store, id, contacts).await.unwrap();
    store.start(id, by(), t0()).await.unwrap();
    id
}

#[tokio::test]
async fn every_statement_over_many_rows_walks_an_index_in_order() {
    let store = Sqlite::open_temporary().unwrap();
    let plans = store.read(|db| {
        let mut plans = String::new();
        for (name, statement) in [
            ("lease fresh", dial::FRESH),
            ("lease", dial::DUE),
            ("next fresh", counters::FRESH_DUE),
            ("next due", counters::NEXT_DUE),
            ("recover", dial::ACTIVE),
            ("close line", dial::WAITING),
            ("page", contacts::PAGE),
            ("page of state", contacts::PAGE_OF_STATE),
            ("page of pending", contacts::PAGE_OF_PENDING),
            ("page of phone", contacts::PAGE_OF_PHONE),
            ("trails", report::TRAILS),
            ("report", report::CHUNK),
            ("staged contacts", imports::END_OF_PIECE),
        ] {
            let mut explain = db.prepare(&format!("EXPLAIN QUERY PLAN {statement}"))?;
            let mut steps = explain.raw_query();
            while let Some(step) = steps.next()? {
                plans += &format!("{name:16}{}\n", step.get::<_, String>(3)?);
            }
        }
        Ok(plans)
    });
    insta::assert_snapshot!(plans.await.unwrap());
}

/// The codes in the CHECK of a column.
fn checked(db: &Connection, table: &str, column: &str) -> Vec<u8> {
    let schema = "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    let schema: String = sql::first(db, schema, [table], |row| row.get()).unwrap().unwrap();
    let start = format!("CHECK ({column} IN (");
    let list = schema.split_once(&start).expect("the column has a CHECK").1;
    let list = list.split_once(')').expect("the list ends").0;
    list.split(',').map(|code| code.trim().parse().unwrap()).collect()
}

/// The codes that a column of `dial`, whose checks are no lists, takes.
fn taken(db: &Connection, column: &str) -> Vec<u8> {
    let row = |code: i64| {
        let [state, line] = ["state", "line"].map(|name| if name == column { code } else { 0 });
        let insert =
            "INSERT INTO dial VALUES (1, 1, ?1, 1, ?2, ?3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)";
        db.execute(insert, [code, state, line]).is_ok()
    };
    assert!(!row(-1) && !row(256));
    let codes = (0..=255).filter(|code| row(i64::from(*code))).collect();
    db.execute("DELETE FROM dial", []).unwrap();
    codes
}

#[test]
fn every_check_takes_the_codes_of_its_enum() {
    let dir = tempfile::tempdir().unwrap();
    let db = schema::open(dir.path()).unwrap();
    let codes = |table: &str, column: &str| checked(&db, table, column);
    fn all<T: Copy>(variants: &[T], code: fn(T) -> u8) -> Vec<u8> {
        variants.iter().map(|each| code(*each)).collect()
    }
    assert_eq!(taken(&db, "state"), all(ContactState::ALL, ContactState::code));
    assert_eq!(taken(&db, "line"), all(&Line::ALL, Line::code));
    assert_eq!(codes("run", "status"), all(Status::ALL, Status::code));
    assert_eq!(codes("run", "reason"), all(CompletionReason::ALL, CompletionReason::code));
    assert_eq!(codes("attempt", "outcome"), all(Outcome::ALL, Outcome::code));
    assert_eq!(codes("attempt", "hangup_by"), all(HangupBy::ALL, HangupBy::code));
    assert_eq!(codes("callback", "state"), all(CallbackState::ALL, CallbackState::code));
    assert_eq!(codes("callback", "understood"), all(Understood::ALL, Understood::code));
    assert_eq!(codes("import", "stage"), all(ImportStage::ALL, ImportStage::code));
    assert_eq!(codes("number", "direction"), all(Direction::ALL, Direction::code));
    assert_eq!(codes("bot", "kind"), all(BotKind::ALL, BotKind::code));
    assert_eq!(codes("user", "role"), all(Role::ALL, Role::code));
    assert_eq!(codes("api_key", "scope"), all(Scope::ALL, Scope::code));
}

/// Keeps the writer busy until the answer is dropped; returns when it is.
async fn hold(store: &Arc<Sqlite>) -> (mpsc::SyncSender<()>, tokio::task::JoinHandle<()>) {
    let (go_on, wait) = mpsc::sync_channel::<()>(0);
    let (begun, begins) = tokio::sync::oneshot::channel();
    let store = store.clone();
    let held = tokio::spawn(async move {
        let verb = store.write(move |_| {
            begun.send(()).unwrap();
            // Ends with an error when the other side is dropped: that is the sign.
            let _ = wait.recv();
            Ok(())
        });
        verb.await.unwrap();
    });
    begins.await.unwrap();
    (go_on, held)
}

/// Returns when so many verbs wait, the one that is held among them.
async fn queued(store: &Sqlite, verbs: usize) {
    while store.writer.waiting() < verbs {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn verbs_that_wait_together_share_one_commit() {
    let store = Arc::new(Sqlite::open_temporary().unwrap());
    let (go_on, held) = hold(&store).await;
    let before = store.write_stats();
    let mut verbs = Vec::new();
    for n in 0..100 {
        let store = store.clone();
        verbs.push(tokio::spawn(async move {
            let email = format!("user{n}@example.org");
            store.create_user(email, Role::Viewer, String::new(), t0()).await
        }));
    }
    queued(&store, 101).await;
    drop(go_on);
    held.await.unwrap();
    for verb in verbs {
        verb.await.unwrap().unwrap();
    }
    let after = store.write_stats();
    assert_eq!(after.verbs - before.verbs, 101);
    assert_eq!(after.commits - before.commits, 2, "the one that was held, and one for all");
    assert_eq!(store.users().await.unwrap().len(), 100);
}

#[tokio::test]
async fn a_refused_verb_does_not_take_its_neighbours_along() {
    let store = Arc::new(Sqlite::open_temporary().unwrap());
    let (go_on, held) = hold(&store).await;
    let mut verbs = Vec::new();
    for email in ["a@example.org", "b@example.org", "A@example.org", "c@example.org"] {
        let store = store.clone();
        verbs.push(tokio::spawn(async move {
            store.create_user(email.into(), Role::Viewer, String::new(), t0()).await
        }));
    }
    queued(&store, 5).await;
    drop(go_on);
    held.await.unwrap();
    let mut answers = Vec::new();
    for verb in verbs {
        answers.push(verb.await.unwrap().is_ok());
    }
    assert_eq!(answers, [true, true, false, true]);
    assert_eq!(store.users().await.unwrap().len(), 3);
}

#[tokio::test]
async fn calls_go_before_pieces_of_a_file() {
    let store = Arc::new(Sqlite::open_temporary().unwrap());
    let (go_on, held) = hold(&store).await;
    let order: Arc<Mutex<Vec<&str>>> = Arc::default();
    let mut verbs = Vec::new();
    for (lane, name) in [(Lane::Bulk, "file"), (Lane::Bulk, "file"), (Lane::Calls, "call")] {
        let (store, order) = (store.clone(), order.clone());
        verbs.push(tokio::spawn(async move {
            let verb = move |_: &mut crate::sqlite::batch::Batch<'_>| {
                order.lock().unwrap().push(name);
                Ok(())
            };
            store.writer.write(lane, verb).await.unwrap();
        }));
    }
    queued(&store, 4).await;
    drop(go_on);
    held.await.unwrap();
    for verb in verbs {
        verb.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), ["call", "file", "file"]);
}

/// Pages that the database may have; what is there already stays.
async fn limit_pages(store: &Sqlite, pages: i64) {
    let limit = move |batch: &mut crate::sqlite::batch::Batch<'_>| {
        let limit = format!("PRAGMA max_page_count = {pages}");
        Ok(batch.db.query_row(&limit, [], |_| Ok(()))?)
    };
    store.write(limit).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_loses_nothing() {
    let store = Sqlite::open_temporary().unwrap();
    let id = running(&store, 50).await;
    limit_pages(&store, 1).await;
    let before = store.campaign(id).await.unwrap();

    // Some writes still fit into pages that are there; then none does.
    let import = store.begin_import(id, t0()).await;
    let failure = match import {
        Ok(import) => store.stage_rows(import, rows(5_000), Vec::new()).await.unwrap_err(),
        Err(failure) => failure,
    };
    assert!(matches!(failure, StoreError::Unavailable(_)), "{failure:?}");
    assert_eq!(store.campaign(id).await.unwrap(), before);
    assert!(store.recount(id).await.unwrap().is_empty());
    assert!(store.write_stats().failures > 0);

    limit_pages(&store, 1 << 30).await;
    add(&store, id, 60).await.unwrap();
    assert_eq!(store.campaign(id).await.unwrap().total(), 60);
    assert!(store.recount(id).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_accepted_file_goes_on_by_itself_when_there_is_room_again() {
    let store = Arc::new(Sqlite::open_temporary().unwrap());
    let id = running(&store, 1).await;
    let import = store.begin_import(id, t0()).await.unwrap();
    store.stage_rows(import, rows(3_000), Vec::new()).await.unwrap();
    let (go_on, held) = hold(&store).await;
    let accepting = {
        let store = store.clone();
        tokio::spawn(async move { store.accept_import(import, by(), t0()).await })
    };
    queued(&store, 2).await;
    // The disk is full right after the file was accepted.
    let filled = tokio::spawn({
        let store = store.clone();
        async move { limit_pages(&store, 1).await }
    });
    queued(&store, 3).await;
    drop(go_on);
    held.await.unwrap();
    filled.await.unwrap();
    while store.write_stats().failures == 0 {
        // A probe is a commit, after which the writer tries a piece of the file.
        store.ready().await.unwrap();
    }
    assert_eq!(store.import(import).await.unwrap().stage, ImportStage::Applying);
    limit_pages(&store, 1 << 30).await;
    let import = accepting.await.unwrap().unwrap();
    assert_eq!((import.stage, import.accepted, import.duplicates), (ImportStage::Done, 2_999, 1));
    assert!(store.recount(id).await.unwrap().is_empty());
}

#[test]
fn a_database_of_a_newer_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let db = schema::open(dir.path()).unwrap();
    let newer = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
                 VALUES (9999, 'later', '2030-01-01T00:00:00Z', '1')";
    db.execute(newer, []).unwrap();
    drop(db);
    let refused = Sqlite::open(dir.path()).err();
    let Some(StoreError::Conflict { code, message }) = refused else {
        panic!("expected a conflict, got {refused:?}");
    };
    assert_eq!(code, "newer_database");
    assert!(message.contains("schema 9999"), "{message}");
}

#[tokio::test]
async fn a_database_is_opened_again_as_it_was_left() {
    let dir = tempfile::tempdir().unwrap();
    let store = Sqlite::open(dir.path()).unwrap();
    let id = running(&store, 3).await;
    let before = store.campaign(id).await.unwrap();
    drop(store);
    let store = Sqlite::open(dir.path()).unwrap();
    assert_eq!(store.campaign(id).await.unwrap(), before);
}

#[tokio::test]
async fn the_activity_log_cannot_be_changed_unnoticed() {
    let store = Sqlite::open_temporary().unwrap();
    let id = running(&store, 1).await;
    let change = "UPDATE activity SET detail = 'nothing'";
    let refused = store.write(move |batch| Ok(sql::run(batch.db, change, [])?)).await;
    assert!(matches!(refused, Err(StoreError::Internal(_))), "{refused:?}");
    assert!(store.recount(id).await.unwrap().is_empty());

    let removal = "DELETE FROM activity WHERE seq = 1";
    store.write(move |batch| Ok(sql::run(batch.db, removal, [])?)).await.unwrap();
    let differences = store.recount(id).await.unwrap();
    assert_eq!(differences, ["the activity log is broken at entry 1"]);
}

#[tokio::test]
async fn a_counter_that_is_wrong_is_named() {
    let store = Sqlite::open_temporary().unwrap();
    let id = running(&store, 2).await;
    let change = "UPDATE counter SET n = n + 1 WHERE kind = 0";
    store.write(move |batch| Ok(sql::run(batch.db, change, [])?)).await.unwrap();
    assert_eq!(store.recount(id).await.unwrap(), ["run 1 Kind(0): 3, rows 2"]);
}

#[tokio::test]
async fn what_a_deleted_draft_left_is_taken_away() {
    let store = Sqlite::open_temporary().unwrap();
    let settings = Settings { name: "Gone".into(), ..Settings::default() };
    let id = store.create_campaign(settings, by(), t0()).await.unwrap().id;
    add(&store, id, 1_500).await.unwrap();
    store.delete_campaign(id, by(), t0()).await.unwrap();
    let left = async || {
        let tables = ["contact", "contact_phone", "dial", "import", "import_numbers", "garbage"];
        let count = move |db: &Connection| {
            let mut left = 0;
            for table in tables {
                let count = format!("SELECT count(*) FROM {table}");
                left += sql::first(db, &count, [], |row| row.get::<i64>())?.unwrap_or(0);
            }
            Ok(left)
        };
        store.read(count).await.unwrap()
    };
    while left().await > 0 {
        // A probe is a commit, after which the writer does a piece of what is left.
        store.ready().await.unwrap();
    }
}

/// Until this is so; every write lets chores go on.
async fn until(store: &Sqlite, sql: &'static str) {
    loop {
        let left = store.read(move |db| Ok(db.query_row(sql, [], |row| row.get::<_, i64>(0))?));
        if left.await.unwrap() == 0 {
            return;
        }
        store.ready().await.unwrap();
    }
}

#[tokio::test]
async fn a_prepared_run_is_filled_and_taken_away_to_the_end_by_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let store = Sqlite::open(dir.path()).unwrap();
    let id = running(&store, 500).await;
    store.stop(id, by(), t0()).await.unwrap();
    let before = store.campaign(id).await.unwrap();
    let cut = store.write(move |batch| {
        let key = restarts::prepare(batch, id, &by(), t0())?;
        restarts::fill(batch, key, &Budget::spent())
    });
    assert!(!cut.await.unwrap(), "some are left");
    assert_eq!(store.campaign(id).await.unwrap().count(ContactState::Pending), 200);
    let refused = store.start(id, by(), t0()).await;
    assert!(matches!(refused, Err(StoreError::Conflict { code: "preparing", .. })), "{refused:?}");
    drop(store);

    let store = Sqlite::open(dir.path()).unwrap();
    store.recover(t0()).await.unwrap();
    until(&store, "SELECT count(*) FROM run WHERE filling IS NOT NULL").await;
    assert_eq!(store.campaign(id).await.unwrap().count(ContactState::Pending), 500);
    assert_eq!(store.recount(id).await.unwrap(), [""; 0]);
    let cut = store.write(move |batch| {
        let key = restarts::discard(batch, id, &by(), t0())?;
        restarts::clear(batch, key, &Budget::spent())
    });
    assert!(!cut.await.unwrap(), "some are left");
    let refused = store.restart(id, by(), t0()).await;
    assert!(matches!(refused, Err(StoreError::Conflict { code: "draining", .. })), "{refused:?}");
    drop(store);

    let store = Sqlite::open(dir.path()).unwrap();
    store.recover(t0()).await.unwrap();
    until(&store, "SELECT count(*) FROM cancelled_run").await;
    until(&store, "SELECT count(*) FROM dial WHERE run = 2").await;
    let campaign = store.campaign(id).await.unwrap();
    assert_eq!(campaign.counts, before.counts);
    assert_eq!((campaign.status, campaign.run), (Status::Completed, 1));
    store.restart(id, by(), t0()).await.unwrap();
    assert_eq!(store.recount(id).await.unwrap(), [""; 0]);
}
