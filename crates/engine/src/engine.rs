//! The engine as its owner sees it: started, asked, shut down.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

use campanile_domain::{
    guard::day::{self, Spent},
    ids::{AttemptId, IdSource},
    scheduler::Scheduler,
};
use campanile_store::{Store, live::LiveHub};
use campanile_wire::ua::{UaConfig, UserAgent};
use jiff::Timestamp;
use mio::net::UdpSocket;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    clock::Clock,
    config::{EngineConfig, EngineError, PublicAddress},
    doorbell::Doorbell,
    media::{self, Media, MediaThread},
    ports::PortPool,
    route::{NameServers, RouterParts, ShardHandle, SipLine, Standings, Suspects, local_ip},
    runner::{LineBroke, Runner, RunnerParts},
    sip::{self, Datagrams, Gauges, LadderMessage, Shard},
    transport::{self, Connection, Links, Tls},
    upkeep::{Upkeep, UpkeepParts},
};

/// Media threads. One carries some thousands of G.711 calls (design/sip.md 8).
const MEDIA_THREADS: usize = 1;
/// A burst of a thousand calls must fit while the shard is busy.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;
/// Calls of the user agent for each of ours: one whose BYE nobody answers is reported at
/// once and stays with it for half a minute, in which others take its place.
const AGENT_CALLS_A_CALL: usize = 4;
/// Redirected calls that wait for the router; those beyond are not followed.
const REDIRECTS_MAX: usize = 256;
/// Room in a queue for everything that one call can put into it.
const MESSAGES_A_CALL: usize = 8;

/// A running dialler. Dropping it without [`Engine::shutdown`] ends its calls as a
/// shutdown without drain does, and nobody waits for that.
pub struct Engine {
    sip_addr: SocketAddr,
    sip_tcp_addr: Option<SocketAddr>,
    monitor: Monitor,
    shutdown: watch::Sender<bool>,
    runner: tokio::task::JoinHandle<()>,
    threads: Vec<JoinHandle<()>>,
}

/// Asks the engine how it is; outlives it, cheap to clone.
#[derive(Clone)]
pub struct Monitor {
    shard: ShardHandle,
    gauges: Arc<Gauges>,
    connections: watch::Receiver<Vec<Connection>>,
    max_calls: u32,
    faults: watch::Receiver<Option<Fault>>,
}

/// How much of the machine is in use, for `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Calls from INVITE to report.
    pub calls: u32,
    /// Calls of which SIP still knows: those up, and those that ended within the last 32 s, whose
    /// stragglers are answered (RFC 3261 17, Timers D and K).
    pub kept_calls: u32,
    /// `max_calls` as configured.
    pub max_calls: u32,
    /// TCP and TLS connections of SIP.
    pub connections: u32,
    /// RTP ports with a call on them.
    pub rtp_ports_used: u32,
    /// RTP ports that a call could take, used ones included.
    pub rtp_ports: u32,
    /// Threads of the engine.
    pub threads: u32,
}

/// The engine broke down and dials no more: a bug, or a thread that could not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {part} of the dialler stopped: {message}")]
pub struct Fault {
    /// Which thread or task.
    pub part: &'static str,
    /// What it said.
    pub message: String,
}

impl Engine {
    /// Checks the limits of the machine, opens the SIP socket, starts the threads and
    /// begins to dial what the store holds as running.
    ///
    /// The caller has taken the dialler role ([`Store::lock_dialler`]) and cleaned up
    /// after a crash ([`Store::recover`]). Needs a tokio runtime.
    pub async fn start(
        config: EngineConfig,
        store: Store,
        live: LiveHub,
    ) -> Result<Self, EngineError> {
        config.check()?;
        config.raise_file_limit()?;
        let socket = sip_socket(config.sip)
            .map_err(|source| EngineError::Sip { address: config.sip, source })?;
        let sip_addr = socket.local_addr()?;
        let tls = Tls::new(config.sip_ca_file.as_deref()).map_err(|source| {
            EngineError::CaFile { path: config.sip_ca_file.clone().unwrap_or_default(), source }
        })?;
        // First the ear, then the look: no change falls between them.
        let changes = store.changes();
        let setup = store.dialler_setup().await?;

        let clock = Clock::start();
        let room = MESSAGES_A_CALL * config.max_calls as usize + 64;
        let gauges = Arc::new(Gauges::default());
        let watch_over = Watch::new();
        let (events, events_out) = mpsc::channel(room);
        let (commands, commands_out) = mpsc::channel(room);
        let (media_events, media_events_out) = sync_channel(room);
        let (poll, bell) = Shard::poll()?;
        let mut media = Vec::new();
        let mut threads = Vec::new();
        for _ in 0..MEDIA_THREADS {
            let (channel, thread) =
                start_media(clock, room, media_events.clone(), bell.clone(), &watch_over)?;
            media.push(channel);
            threads.push(thread);
        }
        let suspects = Suspects::default();
        let standings = Standings::new(live.clone());
        let (connections, connections_out) = watch::channel(Vec::new());
        let mut links = Links::new(
            tls,
            config.sip.ip(),
            poll.registry().try_clone()?,
            sip::FIRST_LINK,
            connections,
        );
        let sip_tcp_addr = match config.sip_tcp_listen {
            None => None,
            Some(address) => Some(
                transport::listener(address)
                    .and_then(|listener| links.listen(listener, sip::LISTENER))
                    .map_err(|source| EngineError::SipTcp { address, source })?,
            ),
        };
        let (redirects, redirects_out) = mpsc::channel(REDIRECTS_MAX);
        let shard = Shard::new(sip::Parts {
            clock,
            datagrams: Datagrams::new(socket),
            links,
            agent: UserAgent::new(
                UaConfig {
                    max_calls: AGENT_CALLS_A_CALL * config.max_calls as usize,
                    ..UaConfig::new(contact(sip_addr, config.public_address))
                },
                rand::random(),
            ),
            ports: PortPool::new(config.sip.ip(), &config.rtp_ports),
            poll,
            bell: bell.clone(),
            commands: commands_out,
            events: events.clone(),
            media,
            media_events: media_events_out,
            max_calls: config.max_calls,
            gauges: gauges.clone(),
            suspects: suspects.clone(),
            standings: standings.clone(),
            redirects,
        })?;
        threads.push(watch_over.thread("SIP thread", "sip", move || shard.run())?);

        let shard = ShardHandle { commands, bell };
        let router = RouterParts {
            shard: shard.clone(),
            events,
            sip: sip_addr,
            public: config.public_address,
            name_servers: NameServers { instead: config.dns_servers },
            suspects: suspects.clone(),
            standings: standings.clone(),
            redirects: redirects_out,
        };
        let now = Timestamp::now();
        let ids = IdSource::new(now.as_millisecond(), rand::random());
        let spent = if config.daily_limits.is_limited() {
            store.spent_since(day::beginning(now)).await?
        } else {
            Spent::default()
        };
        let (shutdown, shutdown_out) = watch::channel(false);
        let line = SipLine::new(router, events_out);
        let upkeep = UpkeepParts {
            store: store.clone(),
            finder: line.finder(),
            shard: shard.clone(),
            standings,
            suspects,
            idle: config.options_after,
            shutdown: shutdown_out.clone(),
        };
        tokio::spawn(Upkeep::new(upkeep, setup.carriers.clone()).run());
        let runner = Runner::new(
            RunnerParts {
                scheduler: Scheduler::new(ids, config.max_calls, now)
                    .after_another()
                    .with_daily_limits(config.daily_limits, spent),
                store,
                live,
                line,
                shutdown: shutdown_out,
                drain: config.drain,
            },
            setup,
            changes,
        );
        let runner = watch_over.runner(runner.run());
        tracing::info!(sip.address = %sip_addr, max_calls = config.max_calls, "The dialler is up");
        let faults = watch_over.faults_out();
        let monitor = Monitor {
            shard,
            gauges,
            connections: connections_out,
            max_calls: config.max_calls,
            faults,
        };
        Ok(Self { sip_addr, sip_tcp_addr, monitor, shutdown, runner, threads })
    }

    /// Where SIP is spoken, with the port in use.
    pub fn sip_addr(&self) -> SocketAddr {
        self.sip_addr
    }

    /// Where connections of far ends are taken, with the port in use; `None` when nowhere.
    pub fn sip_tcp_addr(&self) -> Option<SocketAddr> {
        self.sip_tcp_addr
    }

    /// The SIP messages of a live or recently ended attempt, oldest first; empty when
    /// it is not known any more.
    pub async fn ladder(&self, attempt: AttemptId) -> Vec<LadderMessage> {
        self.monitor.ladder(attempt).await
    }

    /// How much of the machine is in use.
    pub fn load(&self) -> Load {
        self.monitor.gauges.load(self.monitor.max_calls)
    }

    /// A view of the engine for those who only ask how it is.
    pub fn monitor(&self) -> Monitor {
        self.monitor.clone()
    }

    /// Resolves when the engine broke down by itself; the process should then end with
    /// an error and be started anew. Never resolves otherwise.
    pub async fn failed(&self) -> Fault {
        let mut faults = self.monitor.faults.clone();
        if let Ok(fault) = faults.wait_for(Option::is_some).await
            && let Some(fault) = fault.clone()
        {
            return fault;
        }
        std::future::pending().await
    }

    /// No new call from now on; live calls may end for at most `drain`, the rest get
    /// BYE or CANCEL and a report, claims go back, then the threads are joined.
    pub async fn shutdown(self) {
        // A runner that broke has nobody listening, and is joined all the same.
        let _ = self.shutdown.send(true);
        if let Err(error) = self.runner.await {
            tracing::error!(%error, "The runner could not be joined");
        }
        // The runner has told the shard to stop, unless it broke.
        self.monitor.shard.send(sip::Command::Stop).await;
        let threads = self.threads;
        let join = move || threads.into_iter().for_each(|thread| drop(thread.join()));
        // Panics of theirs were caught and reported by the watch.
        if tokio::task::spawn_blocking(join).await.is_err() {
            tracing::error!("The threads could not be joined");
        }
        tracing::info!("The dialler is down");
    }
}

impl Monitor {
    /// How much of the machine is in use; `None` once the engine broke down.
    pub fn load(&self) -> Option<Load> {
        self.faults.borrow().is_none().then(|| self.gauges.load(self.max_calls))
    }

    /// How it stands with the connections to carriers over TCP and TLS.
    pub fn connections(&self) -> Vec<Connection> {
        self.connections.borrow().clone()
    }

    /// As [`Engine::ladder`]; empty when the engine is down.
    pub async fn ladder(&self, attempt: AttemptId) -> Vec<LadderMessage> {
        let (answer, answered) = oneshot::channel();
        self.shard.send(sip::Command::Ladder(attempt, answer)).await;
        answered.await.unwrap_or_default()
    }
}

impl Gauges {
    fn load(&self, max_calls: u32) -> Load {
        Load {
            calls: self.calls.load(Ordering::Relaxed),
            kept_calls: self.kept_calls.load(Ordering::Relaxed),
            max_calls,
            connections: self.connections.load(Ordering::Relaxed),
            rtp_ports_used: self.ports_used.load(Ordering::Relaxed),
            rtp_ports: self.ports.load(Ordering::Relaxed),
            threads: 1 + MEDIA_THREADS as u32,
        }
    }
}

/// Sees to it that no thread or task ends unnoticed.
struct Watch {
    faults: Arc<watch::Sender<Option<Fault>>>,
}

impl Watch {
    fn new() -> Self {
        Self { faults: Arc::new(watch::Sender::new(None)) }
    }

    fn faults_out(&self) -> watch::Receiver<Option<Fault>> {
        self.faults.subscribe()
    }

    fn thread(
        &self,
        part: &'static str,
        name: &str,
        run: impl FnOnce() -> std::io::Result<()> + Send + 'static,
    ) -> std::io::Result<JoinHandle<()>> {
        let faults = self.faults.clone();
        std::thread::Builder::new().name(format!("campanile-{name}")).spawn(move || {
            let message = match catch_unwind(AssertUnwindSafe(run)) {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.to_string(),
                Err(panic) => panic_message(&*panic),
            };
            note(&faults, part, message);
        })
    }

    fn runner(
        &self,
        run: impl Future<Output = Result<(), LineBroke>> + Send + 'static,
    ) -> tokio::task::JoinHandle<()> {
        let faults = self.faults.clone();
        let runner = tokio::spawn(run);
        tokio::spawn(async move {
            let message = match runner.await {
                Ok(Ok(())) => return,
                Ok(Err(LineBroke)) => "the line broke".to_owned(),
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => panic_message(&*panic),
                    // The runtime is going down, and the process with it.
                    Err(_) => return,
                },
            };
            note(&faults, "runner", message);
        })
    }
}

fn note(faults: &watch::Sender<Option<Fault>>, part: &'static str, message: String) {
    let fault = Fault { part, message };
    tracing::error!("{fault}");
    // The first one is the cause of those that follow.
    faults.send_if_modified(|first| {
        let news = first.is_none();
        if news {
            *first = Some(fault);
        }
        news
    });
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_owned())
}

fn start_media(
    clock: Clock,
    room: usize,
    events: SyncSender<media::Event>,
    owner: Arc<Doorbell>,
    watch_over: &Watch,
) -> std::io::Result<(Media, JoinHandle<()>)> {
    let (poll, bell) = MediaThread::poll()?;
    let (commands, commands_out) = sync_channel(room);
    let thread = MediaThread::new(clock, poll, commands_out, events, owner, bell.clone());
    let joined = watch_over.thread("media thread", "media", move || thread.run())?;
    Ok((Media { commands, bell }, joined))
}

fn sip_socket(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
    if address.is_ipv6() {
        // All addresses are those of both families, whatever the system's habit.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(UdpSocket::from_std(socket.into()))
}

/// What Via and Contact say.
fn contact(sip: SocketAddr, public: PublicAddress) -> SocketAddr {
    let ip = match public {
        PublicAddress::Ip(ip) => ip,
        PublicAddress::Auto if !sip.ip().is_unspecified() => sip.ip(),
        // The route to anywhere; a machine without one can only call itself.
        PublicAddress::Auto => local_ip(SocketAddr::new(Ipv4Addr::new(192, 0, 2, 1).into(), 5060))
            .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
    };
    SocketAddr::new(ip, sip.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_thread_or_task_that_ends_by_itself_is_noted_and_the_first_is_the_cause() {
        let watch_over = Watch::new();
        let mut faults = watch_over.faults_out();
        let quiet = watch_over.thread("quiet", "quiet", || Ok(())).unwrap();
        quiet.join().unwrap();
        assert_eq!(*faults.borrow(), None, "its end was asked for");
        let panics = watch_over.thread("SIP thread", "sip", || panic!("no {}", "good"));
        panics.unwrap().join().unwrap();
        watch_over.runner(async { Err(LineBroke) }).await.unwrap();
        let fault = faults.wait_for(Option::is_some).await.unwrap().clone().unwrap();
        assert_eq!(fault.to_string(), "the SIP thread of the dialler stopped: no good");

        let watch_over = Watch::new();
        watch_over.runner(async { panic!("at once") }).await.unwrap();
        let fault = watch_over.faults_out().borrow().clone().unwrap();
        assert_eq!(fault.to_string(), "the runner of the dialler stopped: at once");
    }
}
