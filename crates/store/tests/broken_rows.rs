//! Rows that no version of ours wrote: the store says that they are broken, or what can
//! be understood of them, and nothing panics.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    panic,
    sync::atomic::{AtomicUsize, Ordering},
};

use campanile_domain::{
    bot::BotKind,
    carrier::{CarrierSettings, Direction},
    settings::Settings,
};
use campanile_store::{
    Store, StoreError,
    rows::{Actor, ContactFilter, ImportFile, ImportIdentity, RejectedRow, StagedRow},
};
use jiff::Timestamp;
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngSeed, TestRunner},
};
use rusqlite::{Connection, params, types::Value};

/// Columns that hold JSON.
const COLUMNS: [(&str, &str); 6] = [
    ("campaign", "settings"),
    ("carrier", "settings"),
    ("bot", "settings"),
    ("contact", "variables"),
    ("import", "file"),
    ("import_rejected", "variables"),
];

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// JSON with bytes and words put in and taken out.
fn changed(json: &str) -> impl Strategy<Value = String> + use<> {
    const WORDS: [&str; 9] =
        ["null", "-1", "1e400", "\"\"", "[", "{\"a\":[]}", "99999999999999999999", "x", "\u{fffd}"];
    let json: Vec<char> = json.chars().collect();
    let edit = (any::<prop::sample::Index>(), 0..WORDS.len() + 2, any::<char>());
    prop::collection::vec(edit, 0..5).prop_map(move |edits| {
        let mut text = json.clone();
        for (place, what, letter) in edits {
            let at = place.index(text.len() + 1);
            let end = (at + letter as usize % 9).min(text.len());
            match WORDS.get(what) {
                Some(word) => drop(text.splice(at..end, word.chars())),
                None if what == WORDS.len() => drop(text.drain(at..end)),
                None => text.insert(at, letter),
            }
        }
        text.into_iter().collect()
    })
}

/// A campaign with a contact, a refused row, a carrier, a number and a bot.
async fn furnish(
    store: &Store,
) -> (campanile_domain::ids::CampaignId, campanile_domain::ids::ImportId) {
    let now = Timestamp::UNIX_EPOCH;
    let carrier: CarrierSettings =
        serde_json::from_str(r#"{"name":"Acme","host":"sip.example.com","cps":10,"channels":50}"#)
            .unwrap();
    let carrier = store.create_carrier(carrier, now).await.unwrap();
    let number = "+911140001234".parse().unwrap();
    store.create_number(number, carrier.id, None, Direction::Both, now).await.unwrap();
    let settings = serde_json::json!({});
    store.create_bot("Greeter".into(), BotKind::Script, settings, now).await.unwrap();
    let settings = Settings { name: "Diwali".into(), ..Settings::default() };
    let campaign = store.create_campaign(settings, Actor::dialler(), now).await.unwrap().id;
    let import = store.begin_import(campaign, now).await.unwrap();
    let variables = r#"{"name":"Asha"}"#.to_owned();
    let row = StagedRow {
        line: 2,
        phone: "+919876500001".parse().unwrap(),
        variables: variables.clone(),
    };
    let refused = RejectedRow { line: 3, text: "x".into(), reason: "letters".into(), variables };
    store.stage_rows(import, vec![row], vec![refused]).await.unwrap();
    let file = ImportFile {
        encoding: "UTF-8".into(),
        separator: "comma".into(),
        columns: vec!["phone_number".into()],
    };
    let identity = ImportIdentity { sha256: [0; 32], key: None };
    store.describe_import(import, file, identity).await.unwrap();
    store.accept_import(import, Actor::dialler(), now).await.unwrap();
    (campaign, import)
}

#[tokio::test]
async fn a_row_that_nobody_understands_is_an_error_and_no_panic() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let (campaign, import) = furnish(&store).await;
    let raw = Connection::open(dir.path().join("campanile.db")).unwrap();
    raw.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    let whole: Vec<String> = COLUMNS
        .iter()
        .map(|(table, column)| {
            let sql = format!("SELECT {column} FROM {table} LIMIT 1");
            raw.query_row(&sql, [], |row| row.get(0)).unwrap()
        })
        .collect();
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        before(info);
    }));
    let config = Config { rng_seed: RngSeed::Fixed(7), ..Config::default() };
    let mut runner = TestRunner::new(config);
    let mut broken = 0;
    for case in 0..600 {
        let which = case % COLUMNS.len();
        let (table, column) = COLUMNS[which];
        let text = changed(&whole[which]).new_tree(&mut runner).unwrap().current();
        let set = format!("UPDATE {table} SET {column} = ?1");
        raw.execute(&set, params![Value::Text(text.clone())]).unwrap();
        let read: [Result<(), StoreError>; 8] = [
            store.campaign(campaign).await.map(drop),
            store.campaigns(Default::default()).await.map(drop),
            store.carriers().await.map(drop),
            store.numbers().await.map(drop),
            store.bots().await.map(drop),
            store
                .contacts(campaign, ContactFilter { limit: 10, ..Default::default() })
                .await
                .map(drop),
            store.import(import).await.map(drop),
            store.rejected_rows(import, 0, 10).await.map(drop),
        ];
        for answer in read {
            match answer {
                Ok(()) => {}
                Err(StoreError::Internal(_)) => broken += 1,
                Err(other) => panic!("{table}.{column} = {text:?}: {other:?}"),
            }
        }
        raw.execute(&set, params![whole[which]]).unwrap();
    }
    assert!(broken > 100, "{broken} broken rows were noticed");
    assert_eq!(PANICS.load(Ordering::Relaxed), 0);
    // Mended, all is as it was.
    assert_eq!(store.campaign(campaign).await.unwrap().settings.name, "Diwali");
}
