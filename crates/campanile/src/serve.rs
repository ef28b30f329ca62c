//! `campanile serve`: the rooms wired together, from the first line to the last call.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use campanile_domain::bot::BotKind;
use campanile_engine::{Engine, EngineConfig, Monitor};
use campanile_store::{Store, live::LiveHub};
use campanile_web::{App, AppSettings, EngineFacts, EngineLoad, csv_import::ImportLimits};
use jiff::Timestamp;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    task::JoinHandle,
};

use crate::config::ServeArgs;

/// A running dialler with its console.
pub(crate) struct Server {
    pub(crate) store: Store,
    pub(crate) url: String,
    pub(crate) sip: SocketAddr,
    /// The address that makes the first admin, while there is none.
    pub(crate) first_run: Option<String>,
    pub(crate) app: App,
    engine: Engine,
    stop_web: watch::Sender<bool>,
    web: JoinHandle<std::io::Result<()>>,
}

impl Server {
    /// Takes the dialler role of the data directory, cleans up after a crash and
    /// starts engine and console.
    pub(crate) async fn start(
        store: Store,
        listen: SocketAddr,
        import_limits: ImportLimits,
        engine: EngineConfig,
    ) -> anyhow::Result<Self> {
        store.lock_dialler()?;
        for (campaign, unknown) in store.recover(Timestamp::now()).await? {
            tracing::warn!(
                campaign.id = %campaign, attempts = unknown,
                "The last process ended in mid call; the fate of {unknown} attempts is unknown"
            );
        }
        let live = LiveHub::default();
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot listen on {listen}; choose another --listen"))?;
        let url = format!("http://{}", listener.local_addr()?);
        let engine = Engine::start(engine, store.clone(), live.clone())
            .await
            .context("the dialler cannot start")?;
        let facts = Arc::new(Facts(engine.monitor()));
        let settings = AppSettings::new(store.clone(), live, facts, url.clone());
        let app = App::new(AppSettings { import_limits, ..settings }).await?;
        let first_run =
            app.first_run_token().await?.map(|token| format!("{url}/setup?token={token}"));
        let (stop_web, mut stopped) = watch::channel(false);
        let web = tokio::spawn(campanile_web::serve(listener, app.clone(), async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        }));
        Ok(Self { store, url, sip: engine.sip_addr(), first_run, app, engine, stop_web, web })
    }

    /// No new call; live ones may end in the engine's drain time, then all ends.
    pub(crate) async fn stop(self) {
        // Nobody needs to watch an ending console, and an open stream would hold it up.
        self.app.close_streams();
        self.engine.shutdown().await;
        self.stop_web.send_replace(true);
        // A browser that never closes its connection must not hold up the exit.
        let _ = tokio::time::timeout(Duration::from_secs(2), self.web).await;
    }
}

/// What the console may know of the engine.
struct Facts(Monitor);

impl EngineFacts for Facts {
    fn speaks(&self, kind: BotKind) -> bool {
        campanile_engine::speaks(kind)
    }

    fn load(&self) -> Option<EngineLoad> {
        let load = self.0.load()?;
        Some(EngineLoad {
            calls_up: load.calls.into(),
            calls_max: load.max_calls.into(),
            rtp_ports_used: load.rtp_ports_used.into(),
            rtp_ports: load.rtp_ports.into(),
            kept_calls: load.kept_calls.into(),
            connections: load.connections.into(),
        })
    }
}

pub(crate) async fn run(args: ServeArgs) -> anyhow::Result<()> {
    let config = args.settle()?;
    let store = open(&config.data)?;
    let engine = EngineConfig {
        sip: config.sip,
        sip_tcp_listen: config.sip_tcp_listen,
        sip_ca_file: config.sip_ca_file,
        public_address: config.public_address,
        rtp_ports: config.rtp_ports,
        max_calls: config.max_calls,
        daily_limits: config.daily_limits,
        drain: config.drain,
        options_after: config.options_after,
        dns_servers: config.dns_servers,
    };
    let server = Server::start(store, config.listen, config.import_limits, engine).await?;
    println!("console  {}", server.url);
    println!("sip      udp {}", server.sip);
    if let Some(address) = &server.first_run {
        println!("sign-in  {address}");
    }
    // Listened for before anybody is told that we are ready, and by one listener: no
    // signal kills us in between, and none is missed.
    let mut signals = EndSignals::listen();
    println!("ready");
    tokio::select! {
        () = signals.next() => {}
        fault = server.engine.failed() => bail!("{fault}"),
    }
    tracing::info!(
        drain_seconds = config.drain.as_secs(),
        "Ending: no new calls, live calls may end; a second signal ends at once"
    );
    tokio::select! {
        () = server.stop() => Ok(()),
        () = signals.next() => bail!("asked twice: ended with calls up"),
    }
}

/// Opens the database, and says what to do when that fails.
pub(crate) fn open(data: &Path) -> anyhow::Result<Store> {
    Store::open(data).with_context(|| format!("cannot open the data directory {}", data.display()))
}

/// SIGTERM and Ctrl-C.
struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl EndSignals {
    fn listen() -> Self {
        Self {
            terminate: signal(SignalKind::terminate()).expect("SIGTERM can be handled"),
            interrupt: signal(SignalKind::interrupt()).expect("SIGINT can be handled"),
        }
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Waits for the first SIGTERM or Ctrl-C.
pub(crate) async fn end_signal() {
    EndSignals::listen().next().await;
}
