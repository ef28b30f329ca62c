//! What every handler is given: the store, the live hub, a clock, and a few facts
//! about the engine.

use std::{ops::Deref, sync::Arc};

use campanile_domain::bot::BotKind;
use campanile_store::{Store, StoreError, live::LiveHub};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::{
    api::rates::{ApiRate, Rates},
    auth::{first_run::FirstRun, limiter::SignInLimiter, passwords::Passwords},
    csv_import::ImportLimits,
    live::{Histories, Pages},
};

/// Tells the time; tests fix it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What `web` may know of the engine, which it cannot reach.
pub trait EngineFacts: Send + Sync + 'static {
    /// Whether this build can speak through such a bot: Start refuses the others.
    fn speaks(&self, kind: BotKind) -> bool;

    /// Its load now; `None` while no dialler reports, so that `/readyz` says so.
    fn load(&self) -> Option<EngineLoad>;
}

/// How busy the engine is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EngineLoad {
    /// Calls between INVITE and end.
    pub calls_up: u64,
    /// The most that `--max-calls` allows.
    pub calls_max: u64,
    /// RTP ports in use or resting.
    pub rtp_ports_used: u64,
    /// RTP ports of the range.
    pub rtp_ports: u64,
    /// Calls of which SIP still knows: those up, and those that ended within the last 32 s.
    pub kept_calls: u64,
    /// TCP and TLS connections of SIP.
    pub connections: u64,
}

/// What the binary decides about the web face.
pub struct AppSettings {
    /// The database.
    pub store: Store,
    /// Live views, published by the engine.
    pub live: LiveHub,
    /// Facts about the engine.
    pub engine: Arc<dyn EngineFacts>,
    /// Where people reach the console, without a slash at the end, such as
    /// `http://127.0.0.1:8080`. Cookies are `Secure` when it begins with `https`.
    pub base_url: String,
    /// The time; [`Timestamp::now`] outside tests.
    pub clock: Clock,
    /// Limits of a contact file.
    pub import_limits: ImportLimits,
    /// How often a user or API key may ask the API.
    pub api_rate: ApiRate,
}

impl AppSettings {
    /// Settings with the system's clock, the limits of CT-1 and the usual rate.
    pub fn new(
        store: Store,
        live: LiveHub,
        engine: Arc<dyn EngineFacts>,
        base_url: impl Into<String>,
    ) -> Self {
        Self {
            store,
            live,
            engine,
            base_url: base_url.into(),
            clock: Arc::new(Timestamp::now),
            import_limits: ImportLimits::default(),
            api_rate: ApiRate::default(),
        }
    }
}

/// State of the web face; cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// The parts of [`App`], which dereferences to them.
pub struct Parts {
    /// The database.
    pub store: Store,
    /// Live views, published by the engine.
    pub live: LiveHub,
    /// Facts about the engine.
    pub engine: Arc<dyn EngineFacts>,
    /// Where people reach the console, without a slash at the end.
    pub base_url: String,
    /// Limits of a contact file.
    pub import_limits: ImportLimits,
    /// Version of this build.
    pub version: &'static str,
    /// Rendered live fragments.
    pub(crate) pages: Pages,
    /// What the small curves are drawn from.
    pub(crate) histories: Histories,
    pub(crate) passwords: Passwords,
    pub(crate) sign_ins: SignInLimiter,
    pub(crate) first_run: FirstRun,
    pub(crate) api_rates: Rates,
    /// Tells this process from those before it.
    pub(crate) process: i64,
    clock: Clock,
    closing: watch::Sender<bool>,
}

impl App {
    /// Reads whether anybody can sign in yet; nobody: a one-time setup token is
    /// made ([`App::first_run_token`]).
    pub async fn new(settings: AppSettings) -> Result<Self, StoreError> {
        let first_run = FirstRun::new(settings.store.users().await?.is_empty());
        Ok(Self(Arc::new(Parts {
            store: settings.store,
            live: settings.live,
            engine: settings.engine,
            base_url: settings.base_url.trim_end_matches('/').to_owned(),
            import_limits: settings.import_limits,
            version: env!("CARGO_PKG_VERSION"),
            pages: Pages::default(),
            histories: Histories::default(),
            passwords: Passwords::default(),
            sign_ins: SignInLimiter::default(),
            first_run,
            api_rates: Rates::new(settings.api_rate),
            process: rand::random(),
            clock: settings.clock,
            closing: watch::Sender::new(false),
        })))
    }

    /// The time, to the millisecond: what is kept and told is no finer.
    pub fn now(&self) -> Timestamp {
        to_millisecond((self.clock)())
    }

    /// The token that lets the first administrator in by `/setup?token=…`; `None`
    /// once a user exists, whoever made it: the command line does so beside a server
    /// that runs.
    pub async fn first_run_token(&self) -> Result<Option<String>, StoreError> {
        Ok(match self.first_run.token() {
            Some(token) if self.store.users().await?.is_empty() => Some(token),
            Some(_) | None => None,
        })
    }

    /// Ends the live streams, without which a graceful shutdown would wait for
    /// ever.
    pub fn close_streams(&self) {
        self.closing.send_replace(true);
    }

    /// Whether cookies must be `Secure`.
    pub fn is_https(&self) -> bool {
        self.base_url.starts_with("https:")
    }

    /// Turns true when streams must end.
    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }
}

/// `at` without its fraction of a millisecond, in which the API tells every time.
pub(crate) fn to_millisecond(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
