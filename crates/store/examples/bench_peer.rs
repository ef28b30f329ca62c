//! What `cargo xtask bench store|report|page` lays beside the server: the raw engine,
//! and data directories that would take hours to dial.
//!
//! It is an example and no part of the product, because only this crate may speak SQL.

use std::{error::Error, fs::File, io::BufReader, path::Path};

use campanile_domain::{
    bot::BotKind,
    carrier::Direction,
    ids::{CampaignId, ContactId},
    phone::PhoneNumber,
    settings::Settings,
};
use campanile_store::{
    Store,
    rows::{Actor, StagedRow},
};
use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "bench_peer raw FILE.csv DATABASE | fill DIR CONTACTS ATTEMPTS VARIABLE_BYTES";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["raw", file, database] => raw(Path::new(file), Path::new(database)),
        ["fill", dir, contacts, attempts, bytes] => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(fill(
                Path::new(dir),
                contacts.parse()?,
                attempts.parse()?,
                bytes.parse()?,
            ))
        }
        _ => Err(USAGE.into()),
    }
}

/// The least that an import can be: each line read, its variables made JSON, one row
/// in one table without an index, all in one transaction, durable at its end.
fn raw(file: &Path, database: &Path) -> Result<()> {
    let mut db = Connection::open(database)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "cache_size", -16_000)?;
    db.execute_batch(
        "CREATE TABLE contact (id INTEGER PRIMARY KEY, phone TEXT NOT NULL,
                               variables TEXT NOT NULL)",
    )?;
    let mut reader = csv::Reader::from_reader(BufReader::new(File::open(file)?));
    let header = reader.headers()?.clone();
    let names: Vec<String> = header.iter().map(|name| json!(name).to_string()).collect();
    let transaction = db.transaction()?;
    {
        let mut insert =
            transaction.prepare("INSERT INTO contact (phone, variables) VALUES (?1, ?2)")?;
        let mut record = csv::StringRecord::new();
        let mut variables = String::new();
        while reader.read_record(&mut record)? {
            variables.clear();
            for (name, cell) in names.iter().zip(&record).skip(1) {
                variables.push(if variables.is_empty() { '{' } else { ',' });
                variables.push_str(name);
                variables.push(':');
                variables.push_str(&serde_json::to_string(cell)?);
            }
            variables.push('}');
            insert.execute(params![&record[0], variables])?;
        }
    }
    transaction.commit()?;
    Ok(())
}

/// A paused campaign with so many contacts, the first of which were dialled once, with
/// so many bytes of variables each. Prints its id, and that of the contact in its middle.
async fn fill(dir: &Path, contacts: u64, attempts: u64, bytes: usize) -> Result<()> {
    let store = Store::open(dir)?;
    let now = Timestamp::now();
    let by = Actor { id: "usr_bench".into(), name: "bench".into() };
    let carrier = json!({ "name": "Tata", "host": "192.0.2.1", "cps": 5, "channels": 30 });
    let carrier = store.create_carrier(serde_json::from_value(carrier)?, now).await?.id;
    let e164: PhoneNumber = "+918045670001".parse()?;
    let number = store.create_number(e164, carrier, None, Direction::Outbound, now).await?;
    let bot = store.create_bot("Hello".into(), BotKind::Script, json!({}), now).await?;
    let settings: Settings = serde_json::from_value(json!({
        "name": "A big run", "number_ids": [number.id], "bot_id": bot.id,
        "window": { "start": "00:00", "end": "24:00", "timezone": "Asia/Kolkata" },
    }))?;
    let campaign = store.create_campaign(settings, by.clone(), now).await?.id;

    let import = store.begin_import(campaign, now).await?;
    let variables = match bytes {
        0 => "{}".to_owned(),
        // With the rest of the object it comes to what was asked for.
        bytes => {
            json!({ "name": "Asha Rao", "note": "x".repeat(bytes.saturating_sub(29)) }).to_string()
        }
    };
    for first in (0..contacts).step_by(2_000) {
        let rows = first..contacts.min(first + 2_000);
        let rows = rows.map(|index| StagedRow {
            line: index + 2,
            phone: PhoneNumber::from_digits(919_000_000_000 + index).expect("12 digits"),
            variables: variables.clone(),
        });
        store.stage_rows(import, rows.collect(), Vec::new()).await?;
    }
    store.accept_import(import, by.clone(), now).await?;
    store.start(campaign, by.clone(), now).await?;
    store.pause(campaign, by, now).await?;
    drop(store);
    let middle = dial(dir, campaign, attempts, contacts / 2)?;
    println!("{campaign} {middle}");
    Ok(())
}

/// One attempt for each of the first contacts: every second one talked, the others were
/// busy. Returns the contact that so many others stand before.
fn dial(dir: &Path, campaign: CampaignId, attempts: u64, middle: u64) -> Result<ContactId> {
    let mut db = Connection::open(dir.join("campanile.db"))?;
    let transaction = db.transaction()?;
    let made = transaction.execute(
        "INSERT INTO attempt (id, campaign, run, contact, number, pass, revision, counts, phone,
             caller_id, number_id, carrier_id, carrier, dialled_at, ringing_at, answered_at,
             bot_attached_at, first_bot_audio_at, ended_at, sip_code, sip_reason, outcome,
             conversation, result, hangup_by)
         SELECT contact, campaign, run, contact, 1, 1, 1, 1, phone, 918045670001,
             (SELECT id FROM number), (SELECT id FROM carrier), 'Tata', at, at + 900,
             iif(good, at + 7300, NULL), iif(good, at + 7420, NULL), iif(good, at + 7440, NULL),
             at + 37300, iif(good, 200, 486), iif(good, 'OK', 'Busy Here'), iif(good, 0, 1), good,
             iif(good, '{\"disposition\":\"interested\"}', '{\"disposition\":\"busy\"}'),
             iif(good, 0, NULL)
         FROM (SELECT *, 1764000000000 + phone % 1000000 * 50 AS at, phone % 2 AS good FROM dial
               WHERE campaign = ?1 AND run = 1 ORDER BY contact LIMIT ?2)",
        params![campaign.0, i64::try_from(attempts)?],
    )?;
    // The sums that a page and a report show; kinds as in sqlite/counters.rs.
    for kind in [100, 101] {
        transaction.execute(
            "INSERT OR REPLACE INTO counter (campaign, run, kind, n) VALUES (?1, 1, ?2, ?3)",
            params![campaign.0, kind, made as i64],
        )?;
    }
    let middle = transaction.query_row(
        "SELECT contact FROM dial WHERE campaign = ?1 AND run = 1
         ORDER BY contact LIMIT 1 OFFSET ?2",
        params![campaign.0, i64::try_from(middle)?],
        |row| row.get(0).map(ContactId),
    )?;
    transaction.commit()?;
    Ok(middle)
}
