//! A running `campanile serve` and its API, as an outsider sees them.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// The binary under test; `cargo xtask kill` names the one of a release.
pub(crate) fn binary() -> Command {
    let ours = || env!("CARGO_BIN_EXE_campanile").into();
    Command::new(std::env::var_os("CAMPANILE_BINARY").unwrap_or_else(ours))
}

/// Ends a process that this test started, by its id, whatever way the test ends.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    /// `kill -9`
    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Asks it to end with SIGTERM, and waits.
    pub(crate) fn terminate(&mut self) {
        self.signal("TERM");
        let _ = self.0.wait();
    }

    /// Sends it a signal by name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        let _ = Command::new("kill").args([&format!("-{name}"), &id]).status();
    }

    /// Waits until it has ended by itself; panics when that takes longer than `limit`.
    pub(crate) async fn ends_within(&mut self, limit: Duration) -> ExitStatus {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it still runs after {limit:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A server in a data directory of its own.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) url: String,
    /// Where it speaks SIP.
    pub(crate) sip: SocketAddr,
    /// The one-time address that makes the first admin, on a new directory.
    pub(crate) setup: Option<String>,
    key: String,
    /// Further variables of its environment.
    environment: Vec<(String, String)>,
    http: reqwest::Client,
}

impl Server {
    /// Starts it on free ports and makes an admin key.
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    /// The same, with further arguments of `serve`.
    pub(crate) fn start_with(data: &Path, more: &[&str]) -> Self {
        Self::start_with_key(data, Self::create_key(data), more, Vec::new())
    }

    /// Starts it in an environment of its own, on a directory that has this key.
    pub(crate) fn start_in(data: &Path, key: String, environment: Vec<(String, String)>) -> Self {
        Self::start_with_key(data, key, &[], environment)
    }

    /// Makes an admin key, and the directory if there is none.
    pub(crate) fn create_key(data: &Path) -> String {
        let key = binary()
            .args(["key", "create", "--name", "test", "--scope", "admin", "--data"])
            .arg(data)
            .output()
            .unwrap();
        assert!(key.status.success(), "{}", String::from_utf8_lossy(&key.stderr));
        String::from_utf8(key.stdout).unwrap().trim().to_owned()
    }

    /// Starts it again on the same directory.
    pub(crate) fn restart(self, data: &Path) -> Self {
        let (key, environment) = (self.key.clone(), self.environment.clone());
        drop(self);
        Self::start_with_key(data, key, &[], environment)
    }

    /// The same; what its log says when it does not come up.
    pub(crate) fn try_restart(self, data: &Path) -> Result<Self, String> {
        let (key, environment) = (self.key.clone(), self.environment.clone());
        drop(self);
        Self::try_start(data, key, &[], environment)
    }

    /// Another process on the same directory, for one that may end before it is up.
    pub(crate) fn spawn_again(&self, data: &Path) -> Process {
        Process(Self::spawn(data, &[], &self.environment))
    }

    fn start_with_key(
        data: &Path,
        key: String,
        more: &[&str],
        environment: Vec<(String, String)>,
    ) -> Self {
        Self::try_start(data, key, more, environment).unwrap_or_else(|log| panic!("{log}"))
    }

    fn spawn(data: &Path, more: &[&str], environment: &[(String, String)]) -> Child {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(data.join("server.log"))
            .unwrap();
        // A test that speaks SIP elsewhere says so itself.
        let ours = ["--sip", "127.0.0.1:0", "--public-address", "127.0.0.1"];
        // Below the ports that far ends are given by the system: one whose ear is closed must
        // not leave its audio to another call. And not where the last server began: phones of a
        // test that killed its server speak on to its ports.
        let random = std::process::id().wrapping_mul(97).wrapping_add(next_server() * 401);
        // The last of them still leaves as many as there may be calls.
        let first = 20_000 + 2 * (random % 5_300);
        let range = format!("{first}-32767");
        let hears: &[&str] =
            if more.contains(&"--rtp-ports") { &[] } else { &["--rtp-ports", &range] };
        let speaks: &[&str] = if more.contains(&"--sip") { &[] } else { &ours };
        binary()
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(speaks)
            .args(hears)
            .args(more)
            .envs(environment.iter().cloned())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    fn try_start(
        data: &Path,
        key: String,
        more: &[&str],
        environment: Vec<(String, String)>,
    ) -> Result<Self, String> {
        let mut process = Process(Self::spawn(data, more, &environment));
        let mut lines = BufReader::new(process.0.stdout.take().unwrap()).lines();
        let (mut url, mut sip, mut setup) = (None, None, None);
        // `serve` prints a block of `name  value` lines and then `ready`.
        for line in &mut lines {
            let line = line.unwrap();
            match line.split_once(char::is_whitespace) {
                Some(("console", value)) => url = Some(value.trim().to_owned()),
                Some(("sip", value)) => sip = value.trim().strip_prefix("udp ").map(str::to_owned),
                Some(("sign-in", value)) => setup = Some(value.trim().to_owned()),
                Some(_) => {}
                None if line == "ready" => break,
                None => {}
            }
        }
        std::thread::spawn(move || lines.for_each(drop));
        let Some(url) = url else {
            let log = std::fs::read_to_string(data.join("server.log")).unwrap();
            return Err(format!("no console: {log}"));
        };
        let sip = sip.expect("it says where it speaks SIP").parse().unwrap();
        let http = reqwest::Client::new();
        Ok(Self { process, url, sip, setup, key, environment, http })
    }

    /// One API call that must succeed.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.try_call(method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// One API call, whatever comes of it.
    pub(crate) async fn try_call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let method: reqwest::Method = method.parse().unwrap();
        let mut request =
            self.http.request(method, format!("{}/api/v1{path}", self.url)).bearer_auth(&self.key);
        if !body.is_null() {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.call("GET", path, Value::Null).await
    }

    /// The open stream of a campaign's events.
    pub(crate) async fn events(&self, campaign: &str) -> reqwest::Response {
        let url = format!("{}/api/v1/campaigns/{campaign}/events", self.url);
        let response = self.http.get(url).bearer_auth(&self.key).send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.status());
        response
    }

    /// Posts a contact file.
    pub(crate) async fn upload(&self, campaign: &str, csv: String) -> Value {
        let response = self
            .http
            .post(format!("{}/api/v1/campaigns/{campaign}/contacts", self.url))
            .bearer_auth(&self.key)
            .header("content-type", "text/csv")
            .body(csv)
            .send()
            .await
            .unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// The attempt report, row by row, each as a map from column to cell.
    pub(crate) async fn report(
        &self,
        campaign: &str,
    ) -> Vec<std::collections::HashMap<String, String>> {
        let text = self
            .http
            .get(format!("{}/api/v1/campaigns/{campaign}/attempts.csv", self.url))
            .bearer_auth(&self.key)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        rows(&text)
    }

    /// A carrier at `port` on loopback, a number and a script bot: the ids of the
    /// number and the bot.
    pub(crate) async fn setup(&self, port: u16, carrier: Value, script: Value) -> (String, String) {
        let mut settings = json!({
            "name": "far end", "host": "127.0.0.1", "port": port, "transport": "udp",
            "cps": 50.0, "burst": 5, "channels": 100,
        });
        for (field, value) in carrier.as_object().unwrap() {
            settings[field] = value.clone();
        }
        let carrier = self.call("POST", "/carriers", settings).await;
        let number = self
            .call(
                "POST",
                "/numbers",
                json!({ "e164": "+912240001000", "carrier_id": carrier["id"] }),
            )
            .await;
        let bot = self
            .call(
                "POST",
                "/bots",
                json!({ "name": "script", "kind": "script", "settings": script }),
            )
            .await;
        (text(&number["id"]), text(&bot["id"]))
    }

    /// Waits until the campaign is completed; panics with what it says of itself
    /// when that takes longer than `limit`.
    pub(crate) async fn wait_completed(&self, campaign: &str, limit: Duration) -> Value {
        let deadline = Instant::now() + limit;
        loop {
            let now = self.get(&format!("/campaigns/{campaign}")).await;
            if now["status"] == "completed" {
                return now;
            }
            if Instant::now() > deadline {
                let live = self.get(&format!("/campaigns/{campaign}/live")).await;
                panic!("not completed after {limit:?}: {now:#}\n{live:#}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// A campaign that dials at any time of any day.
pub(crate) fn open_campaign(name: &str, number: &str, bot: &str) -> Value {
    json!({
        "name": name, "number_ids": [number], "bot_id": bot,
        "window": { "start": "00:00", "end": "24:00", "timezone": "Asia/Kolkata",
                    "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] },
        "max_attempts": 1,
    })
}

/// Counts the servers of this process.
fn next_server() -> u32 {
    static SERVERS: AtomicU32 = AtomicU32::new(0);
    SERVERS.fetch_add(1, Ordering::Relaxed)
}

/// The text of a JSON string.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a string: {value}")).to_owned()
}

/// `count` Indian mobile numbers with a name each.
pub(crate) fn contacts(count: usize) -> String {
    contacts_from(0, count)
}

/// The same, of other numbers: no number is called by two campaigns at once.
pub(crate) fn contacts_from(first: usize, count: usize) -> String {
    let mut csv = String::from("phone_number,name\n");
    for index in first..first + count {
        csv += &format!("+9198200{index:05},Contact {index}\n");
    }
    csv
}

/// A CSV with a header, as maps.
pub(crate) fn rows(csv: &str) -> Vec<std::collections::HashMap<String, String>> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let header = reader.headers().unwrap().clone();
    reader
        .records()
        .map(|record| {
            let record = record.unwrap();
            header.iter().map(str::to_owned).zip(record.iter().map(str::to_owned)).collect()
        })
        .collect()
}

/// Where the sipp scenarios lie.
pub(crate) fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sipp")
}
