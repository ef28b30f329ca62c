//! Databases of earlier versions, made by those versions: each is taken over with all
//! that it holds, work in the middle of which it was left included.

use campanile_domain::{contact::ContactState, ids::CampaignId, outcome::Outcome};
use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;

use super::t0;
use crate::{
    rows::{ContactFilter, ImportStage},
    sqlite::{Sqlite, schema, sql},
};

/// A dialler of version 1 that was killed: one contact is called, one claimed, one file
/// half entered and another half read. Dumped with `.dump`.
const V1: &str = include_str!("../../../tests/fixtures/v1.sql");

const RUNNING: CampaignId = CampaignId(1_882_683_853_684_202_461);
const STOPPED: CampaignId = CampaignId(1_882_683_853_684_202_477);
const DRAFT: CampaignId = CampaignId(1_882_683_853_684_202_481);

fn count(db: &Connection, table: &str) -> i64 {
    let count = format!("SELECT count(*) FROM {table}");
    sql::first(db, &count, [], |row| row.get()).unwrap().unwrap()
}

/// The same, taken over by a later version, which left it there.
fn left_by(version: i32, dir: &std::path::Path) {
    let mut db = left(dir);
    schema::migrate_to(&mut db, version);
    let schema = "SELECT max(version) FROM refinery_schema_history";
    assert_eq!(sql::first(&db, schema, [], |row| row.get::<i32>()).unwrap(), Some(version));
}

fn left(dir: &std::path::Path) -> Connection {
    let db = Connection::open(dir.join(schema::FILE)).unwrap();
    // A dump is in order of names, and a row may come before the one that it refers to.
    db.pragma_update(None, "foreign_keys", false).unwrap();
    db.execute_batch(V1).unwrap();
    db
}

#[tokio::test]
async fn a_database_of_version_1_goes_on_as_if_it_had_always_been_of_this_one() {
    let dir = tempfile::tempdir().unwrap();
    drop(left(dir.path()));
    goes_on(dir.path()).await;
}

#[tokio::test]
async fn so_does_one_of_every_version_between() {
    for version in 2..=5 {
        let dir = tempfile::tempdir().unwrap();
        left_by(version, dir.path());
        goes_on(dir.path()).await;
    }
}

async fn goes_on(dir: &std::path::Path) {
    let store = Sqlite::open(dir).unwrap();
    let now: Timestamp = t0() + SignedDuration::from_secs(100);
    let unknown = store.recover(now).await.unwrap();
    assert_eq!(unknown, [(RUNNING, 1)]);
    while store.read(|db| Ok(count(db, "garbage"))).await.unwrap() > 0
        || store.campaign(RUNNING).await.unwrap().total() < 9
    {
        // A probe is a commit, after which the writer does a piece of what is left.
        store.ready().await.unwrap();
    }
    for campaign in [RUNNING, STOPPED, DRAFT] {
        assert_eq!(store.recount(campaign).await.unwrap(), Vec::<String>::new());
        assert_eq!(store.setup_snapshots(campaign).await.unwrap().is_empty(), campaign == DRAFT);
        assert!(!store.activity(campaign).await.unwrap().is_empty());
    }
    let filter = ContactFilter { limit: 100, ..ContactFilter::default() };
    let contacts = store.contacts(RUNNING, filter).await.unwrap();
    let states: Vec<ContactState> = contacts.iter().map(|contact| contact.state).collect();
    use ContactState::{Completed, Failed, Pending, RetryScheduled};
    assert_eq!(
        states,
        [
            Completed,
            RetryScheduled,
            RetryScheduled,
            Failed,
            Pending,
            Pending,
            Pending,
            Pending,
            Pending
        ]
    );
    assert_eq!(contacts[3].trail[0].outcome, Some(Outcome::Unknown));
    let attempts = store.attempts(RUNNING, None, None, 100).await.unwrap();
    assert_eq!(attempts.len(), 4);
    assert_eq!(attempts[0].result.as_ref().unwrap().disposition, "interested");

    let imports = store.read(|db| {
        let stages =
            "SELECT stage, accepted, duplicates FROM import WHERE campaign = ?1 ORDER BY id";
        Ok(sql::all(db, stages, [RUNNING.0], |row| {
            Ok((row.code(ImportStage::from_code)?, row.count()?, row.count()?))
        })?)
    });
    let expected =
        [(ImportStage::Done, 6, 0), (ImportStage::Done, 3, 1), (ImportStage::Discarded, 2, 0)];
    assert_eq!(imports.await.unwrap(), expected);
    assert_eq!(store.read(|db| Ok(count(db, "contact"))).await.unwrap(), 9 + 2 + 3);

    assert_eq!(store.carriers().await.unwrap()[0].settings.name, "Tata");
    assert_eq!(store.numbers().await.unwrap().len(), 1);
    assert_eq!(store.bots().await.unwrap()[0].name, "Hello");
    let user = store.user_by_email("asha@example.org").await.unwrap().unwrap();
    assert_eq!(store.user(user.id).await.unwrap(), user);
    assert_eq!(store.key_by_prefix("cmk_1234").await.unwrap().unwrap().name, "crm");
}

#[test]
fn every_table_of_version_1_is_there_with_its_rows() {
    let dir = tempfile::tempdir().unwrap();
    let before = left(dir.path());
    let tables =
        sql::all(&before, "SELECT name FROM sqlite_schema WHERE type = 'table'", [], |row| {
            row.get::<String>()
        });
    let mut tables = tables.unwrap();
    // Its rows are packed into another one.
    tables.retain(|table| table != "import_phone" && table != "refinery_schema_history");
    let rows: Vec<i64> = tables.iter().map(|table| count(&before, table)).collect();
    assert!(rows.iter().sum::<i64>() > 60, "the fixture holds something: {tables:?} {rows:?}");
    drop(before);
    let after = schema::open(dir.path()).unwrap();
    let now: Vec<i64> = tables.iter().map(|table| count(&after, table)).collect();
    assert_eq!(now, rows, "{tables:?}");
    let problem: String = after.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(problem, "ok");
}
