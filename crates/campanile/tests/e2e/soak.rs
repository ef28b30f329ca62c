//! Many calls: over bad lines, one after the other for long, and more than a carrier takes.
//!
//! The tests are short; `cargo xtask soak` runs the same with more calls, told by the
//! environment.

mod leaks;
mod loss;
mod overload;

use std::{collections::HashMap, str::FromStr, time::Duration};

use serde_json::{Value, json};

use crate::server::{Server, open_campaign, text};

/// A number that `cargo xtask soak` gives in the environment, or that of the short test.
fn asked<T: FromStr>(name: &str, short: T) -> T {
    match std::env::var(name) {
        Ok(value) => value.parse().unwrap_or_else(|_| panic!("{name}={value}")),
        Err(_) => short,
    }
}

/// A campaign that calls each contact once, whatever comes of it.
fn once(name: &str, number: &str, bot: &str, seats: usize) -> Value {
    let mut settings = open_campaign(name, number, bot);
    settings["retry_on_system"] = json!([]);
    settings["concurrency"] = json!(seats);
    settings
}

/// Starts a campaign of these settings; its id.
async fn start(server: &Server, settings: Value, contacts: String) -> String {
    let campaign = text(&server.call("POST", "/campaigns", settings).await["id"]);
    server.upload(&campaign, contacts).await;
    server.call("POST", &format!("/campaigns/{campaign}/start"), Value::Null).await;
    campaign
}

/// Waits until a campaign is completed, and gives its report.
async fn report(server: &Server, campaign: &str, limit: Duration) -> Vec<HashMap<String, String>> {
    server.wait_completed(campaign, limit).await;
    server.report(campaign).await
}

/// How many rows have each outcome.
fn outcomes(rows: &[HashMap<String, String>]) -> HashMap<&str, usize> {
    let mut counts = HashMap::new();
    for row in rows {
        *counts.entry(row["outcome"].as_str()).or_default() += 1;
    }
    counts
}

/// The figures of `/metrics`, by name.
async fn metrics(server: &Server) -> HashMap<String, f64> {
    let answer = reqwest::get(format!("{}/metrics", server.url)).await.unwrap();
    let text = answer.text().await.unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap_or(f64::NAN)))
        .collect()
}

/// Memory that a process holds, in KiB.
fn memory(process: u32) -> u64 {
    status(process, "VmRSS")
}

/// A number of `/proc/PID/status`.
fn status(process: u32, field: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
