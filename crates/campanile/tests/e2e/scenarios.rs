//! What a carrier may do to a call, and the outcome of api.md that it must end in. Each
//! scenario is a far end of its own; one server calls all of them at once.

mod answers;
mod cancels;
mod certificates;
mod dialogs;
mod differential;
mod early;
mod ends;
mod forks;
mod judge;
mod link;
mod odd;
mod peer;
mod proofs;
mod redirects;
mod refusals;
mod routes;
mod sessions;

use std::{
    any::Any,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use self::{certificates::Authority, link::Transport, peer::Peer};
use crate::server::{Server, open_campaign, text};

/// Far ends that are called at once.
const AT_ONCE: usize = 100;
/// So many connections the dialler has; it keeps those of calls that are just over, and each far
/// end is a carrier of its own.
const CONNECTIONS: usize = 128;

/// A far end's lines and what the dialler makes of them.
struct Scenario {
    name: String,
    /// Outcome and SIP code of the report.
    ends: (&'static str, &'static str),
    hangup_by: Option<&'static str>,
    /// The bot listens until the far end hangs up; else it hangs up as soon as it is connected.
    listens: bool,
    carrier: Value,
    settings: Value,
    /// It makes sense over datagrams alone: it repeats itself, or speaks from elsewhere.
    by_datagrams: bool,
    peer: Peer,
    play: Box<dyn FnOnce(&mut Peer) + Send>,
}

impl Scenario {
    fn new(
        name: impl Into<String>,
        ends: (&'static str, &'static str),
        play: impl FnOnce(&mut Peer) + Send + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            ends,
            hangup_by: None,
            listens: false,
            carrier: json!({}),
            settings: json!({}),
            by_datagrams: false,
            peer: Peer::new(),
            play: Box::new(play),
        }
    }

    fn listens(mut self) -> Self {
        self.listens = true;
        self
    }

    fn hung_up_by(mut self, who: &'static str) -> Self {
        self.hangup_by = Some(who);
        self
    }

    fn by_datagrams(mut self) -> Self {
        self.by_datagrams = true;
        self
    }

    fn over_tcp(mut self) -> Self {
        self.peer = Peer::at(Ipv4Addr::LOCALHOST.into(), Transport::Tcp);
        self
    }

    fn carrier(mut self, carrier: Value) -> Self {
        self.carrier = carrier;
        self
    }

    fn settings(mut self, settings: Value) -> Self {
        self.settings = settings;
        self
    }
}

/// One server with the two bots that scenarios need.
struct Stage {
    server: Server,
    dir: tempfile::TempDir,
    hangs_up: String,
    listens: String,
}

/// A scenario under way.
struct Playing {
    name: String,
    ends: (&'static str, &'static str),
    hangup_by: Option<&'static str>,
    campaign: String,
    over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Stage {
    async fn new() -> Self {
        Self::with(tempfile::tempdir().unwrap(), &[]).await
    }

    /// A server whose carriers prove who they are to an authority.
    async fn trusting(authority: &Authority) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let [certificate, config] = ["ca.pem", "config.toml"].map(|name| dir.path().join(name));
        std::fs::write(&certificate, &authority.pem).unwrap();
        std::fs::write(&config, format!("sip_ca_file = {certificate:?}\n")).unwrap();
        Self::with(dir, &["--config", config.to_str().unwrap()]).await
    }

    async fn with(dir: tempfile::TempDir, more: &[&str]) -> Self {
        let server = Server::start_with(dir.path(), more);
        let mut bots = Vec::new();
        for (name, script) in [
            ("hangs up", json!({ "start": "end", "steps": { "end": {} } })),
            (
                "listens",
                json!({ "start": "on",
                        "steps": { "on": { "listen": { "seconds": 60.0 }, "next": "on" } } }),
            ),
        ] {
            let bot = json!({ "name": name, "kind": "script", "settings": script });
            bots.push(text(&server.call("POST", "/bots", bot).await["id"]));
        }
        let [hangs_up, listens] = bots.try_into().expect("two were made");
        Self { server, dir, hangs_up, listens }
    }

    /// Plays all scenarios, many at once and those that were given first first; panics with
    /// everything that went wrong in any of them.
    async fn play(&self, scenarios: Vec<Scenario>) {
        // More contact files at once than this the server would put off.
        let beginning = Semaphore::new(16);
        let ended = stream::iter(scenarios.into_iter().enumerate())
            .map(async |(index, each)| {
                let turn = beginning.acquire().await.unwrap();
                let playing = self.begin(index, each).await;
                drop(turn);
                self.judge(playing).await
            })
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<_>>();
        let failed: Vec<_> = ended.await.into_iter().filter_map(Result::err).collect();
        assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
        let log = std::fs::read_to_string(self.dir.path().join("server.log")).unwrap();
        assert!(!log.contains("panicked") && !log.contains("stopped:"), "{log}");
    }

    /// One contact, called once through a carrier of its own.
    async fn begin(&self, index: usize, scenario: Scenario) -> Playing {
        let Scenario { name, ends, hangup_by, listens, carrier, settings, mut peer, play, .. } =
            scenario;
        let server = &self.server;
        let addr = peer.addr();
        let carrier = laid_over(
            json!({ "name": format!("{index}: {name}"), "host": addr.ip().to_string(),
                    "port": addr.port(), "transport": peer.transport(), "cps": 50.0, "burst": 5,
                    "channels": 10 }),
            carrier,
        );
        let carrier = server.call("POST", "/carriers", carrier).await;
        let number = json!({ "e164": format!("+9122401{index:05}"), "carrier_id": carrier["id"] });
        let number = text(&server.call("POST", "/numbers", number).await["id"]);
        let bot = if listens { &self.listens } else { &self.hangs_up };
        let settings = laid_over(
            laid_over(
                open_campaign(&format!("{index}: {name}"), &number, bot),
                json!({ "ring_timeout_seconds": 15, "retry_on_system": [] }),
            ),
            settings,
        );
        let campaign = text(&server.call("POST", "/campaigns", settings).await["id"]);
        let contact = format!("phone_number\n+9198300{index:05}\n");
        server.upload(&campaign, contact).await;
        let over = Arc::new(AtomicBool::new(false));
        let ends_then = Arc::clone(&over);
        let thread = std::thread::Builder::new()
            .name(name.clone())
            .spawn(move || {
                play(&mut peer);
                peer.stays(&ends_then);
            })
            .unwrap();
        server.call("POST", &format!("/campaigns/{campaign}/start"), Value::Null).await;
        Playing { name, ends, hangup_by, campaign, over, thread }
    }

    /// What went wrong, if anything did.
    async fn judge(&self, playing: Playing) -> Result<(), String> {
        let Playing { name, ends, hangup_by, campaign, over, thread } = playing;
        let deadline = Instant::now() + Duration::from_secs(120);
        let path = format!("/campaigns/{campaign}");
        // A scenario that broke is not waited for: its far end says why.
        while self.server.get(&path).await["status"] != "completed"
            && !thread.is_finished()
            && Instant::now() < deadline
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // What follows an end, such as a BYE too many, follows at once.
        tokio::time::sleep(Duration::from_millis(300)).await;
        over.store(true, Ordering::Relaxed);
        let played = tokio::task::spawn_blocking(|| thread.join()).await.unwrap();
        if let Err(panic) = played {
            return Err(format!("── {name}: the far end says: {}", said(&*panic)));
        }
        let rows = self.server.report(&campaign).await;
        let [row] = &rows[..] else {
            return Err(format!("── {name}: not one attempt: {rows:#?}"));
        };
        let ended = (&*row["outcome"], &*row["sip_code"]);
        if ended != ends {
            return Err(format!("── {name}: {ended:?} is not {ends:?}: {row:#?}"));
        }
        match hangup_by {
            Some(by) if row["hangup_by"] != by => {
                Err(format!("── {name}: hung up by {:?}, not {by:?}", row["hangup_by"]))
            }
            _ => Ok(()),
        }
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref().cloned()).unwrap_or_default()
}

/// `settings` laid over `base`.
fn laid_over(mut base: Value, settings: Value) -> Value {
    for (field, value) in settings.as_object().unwrap() {
        base[field] = value.clone();
    }
    base
}

/// Everything that may happen to a call on one line.
fn all() -> Vec<Scenario> {
    let all = [
        early::all(),
        answers::all(),
        forks::all(),
        dialogs::all(),
        routes::all(),
        redirects::all(),
        sessions::all(),
        proofs::all(),
        odd::all(),
        ends::all(),
    ];
    all.into_iter().flatten().collect()
}

/// All scenarios. Those of rings that nobody answers take longest, so they begin first.
fn every() -> Vec<Scenario> {
    [cancels::all(), all(), refusals::all()].into_iter().flatten().collect()
}

#[tokio::test]
async fn whatever_a_carrier_does_to_a_call_ends_in_its_outcome() {
    Stage::new().await.play(every()).await;
}

#[tokio::test]
async fn a_carrier_without_a_connection_hands_its_calls_on_at_once() {
    ends::hand_on_what_never_left().await;
}

#[tokio::test]
async fn over_tcp_it_ends_in_the_same_outcome() {
    Stage::new().await.play(over(&Transport::Tcp)).await;
}

#[tokio::test]
async fn over_tls_it_ends_in_the_same_outcome() {
    let authority = Authority::new();
    let stage = Stage::trusting(&authority).await;
    stage.play(over(&Transport::Tls(authority.proves("127.0.0.1")))).await;
}

/// The scenarios that a stream can carry, on streams. Of the refusals there is one for each
/// outcome: which code means what does not depend on what carried it.
fn over(transport: &Transport) -> Vec<Scenario> {
    let every = [cancels::all(), all(), refusals::one_of_each()].into_iter().flatten();
    let able = every.filter(|each| !each.by_datagrams);
    let moved: Vec<_> = able
        .map(|mut each| {
            each.peer = Peer::at(Ipv4Addr::LOCALHOST.into(), transport.clone());
            each
        })
        .collect();
    assert!(moved.len() < CONNECTIONS, "{} far ends are too many", moved.len());
    moved
}
