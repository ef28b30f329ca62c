//! A store, a carrier, an engine, and a campaign between them.

#![allow(dead_code, reason = "each test file that takes it in uses a part")]
#![expect(clippy::unwrap_used, reason = "a test that cannot make its world has failed")]

use std::{
    fmt::Debug,
    net::SocketAddr,
    ops::RangeInclusive,
    path::PathBuf,
    time::{Duration, Instant},
};

use campanile_carrier::{CarrierConfig, Line, Mix, SimCarrier};
use campanile_domain::{
    bot::BotKind,
    campaign::Status,
    carrier::Direction,
    ids::CampaignId,
    phone::PhoneNumber,
    settings::Settings,
    window::{Day, Window},
};
use campanile_engine::{Engine, EngineConfig, PublicAddress};
use campanile_store::{
    Store,
    live::LiveHub,
    rows::{Actor, Attempt, Campaign, StagedRow},
};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Longer than anything takes on a busy machine; a test that waits this long has failed.
const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) live: LiveHub,
    pub(crate) engine: Engine,
    pub(crate) campaign: CampaignId,
}

/// What differs between tests.
pub(crate) struct Plan {
    pub(crate) contacts: u64,
    /// The carrier's host and port.
    pub(crate) carrier: (String, Option<u16>),
    /// Laid over the carrier's settings.
    pub(crate) carrier_settings: Value,
    /// Laid over the campaign's settings.
    pub(crate) settings: Settings,
    pub(crate) rtp_ports: RangeInclusive<u16>,
    pub(crate) drain: Duration,
    /// When an idle carrier is asked; never when zero.
    pub(crate) options_after: Duration,
    /// The name servers; those of the system when empty.
    pub(crate) dns_servers: Vec<SocketAddr>,
    /// Where the engine speaks SIP.
    pub(crate) sip: SocketAddr,
    pub(crate) sip_tcp_listen: Option<SocketAddr>,
    pub(crate) sip_ca_file: Option<PathBuf>,
}

impl Plan {
    pub(crate) fn through(carrier: SocketAddr, first_port: u16) -> Self {
        Self {
            contacts: 20,
            carrier: (carrier.ip().to_string(), Some(carrier.port())),
            carrier_settings: json!({}),
            settings: Settings { max_attempts: 1, concurrency: 50, ..Settings::default() },
            rtp_ports: first_port..=first_port + 399,
            drain: Duration::ZERO,
            options_after: Duration::ZERO,
            dns_servers: Vec::new(),
            sip: "127.0.0.1:0".parse().unwrap(),
            sip_tcp_listen: None,
            sip_ca_file: None,
        }
    }
}

/// A carrier on loopback with a record in a directory that lives as long as the test.
pub(crate) fn carrier(mix: Value) -> (SimCarrier, tempfile::TempDir) {
    carrier_at("127.0.0.1:0".parse().unwrap(), mix)
}

/// A carrier at an address of the test's choice.
pub(crate) fn carrier_at(sip: SocketAddr, mix: Value) -> (SimCarrier, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut whole = json!({
        "answer": 0.0, "ring_out": 0.0, "busy": 0.0, "rejected": 0.0, "not_found": 0.0,
        "unavailable_480": 0.0, "congestion_503": 0.0, "voicemail": 0.0, "silent": 0.0,
        "vanish": 0.0, "ring_seconds": [0.05, 0.2],
    });
    overlay(&mut whole, mix);
    let mix: Mix = serde_json::from_value(whole).unwrap();
    let config = CarrierConfig {
        sip,
        seed: 7,
        mix,
        record: Some(dir.path().join("record")),
        time_scale: 1.0,
        auth: None,
    };
    (SimCarrier::start(config).unwrap(), dir)
}

/// Stops the carrier and reads what it wrote down.
pub(crate) fn record(carrier: SimCarrier, dir: &tempfile::TempDir) -> Vec<Line> {
    carrier.stop();
    let text = std::fs::read_to_string(dir.path().join("record")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn overlay(whole: &mut Value, with: Value) {
    for (field, value) in with.as_object().unwrap() {
        whole[field] = value.clone();
    }
}

impl World {
    /// Everything is made and the campaign is started.
    pub(crate) async fn start(plan: Plan) -> Self {
        let store = Store::open_temporary().unwrap();
        let campaign = furnish(&store, &plan, 912_240_001_000).await;
        store.lock_dialler().unwrap();
        store.recover(Timestamp::now()).await.unwrap();
        let live = LiveHub::default();
        let config = EngineConfig {
            sip: plan.sip,
            sip_tcp_listen: plan.sip_tcp_listen,
            sip_ca_file: plan.sip_ca_file,
            public_address: PublicAddress::Auto,
            rtp_ports: plan.rtp_ports,
            max_calls: 100,
            drain: plan.drain,
            options_after: plan.options_after,
            dns_servers: plan.dns_servers,
            daily_limits: Default::default(),
        };
        let engine = Engine::start(config, store.clone(), live.clone()).await.unwrap();
        Self { store, live, engine, campaign }
    }

    /// Another campaign, started, through a carrier and a number of its own.
    pub(crate) async fn second_campaign(&self, carrier: SocketAddr, contacts: u64) -> CampaignId {
        let plan = Plan { contacts, ..Plan::through(carrier, 1) };
        furnish(&self.store, &plan, 912_240_002_000).await
    }

    pub(crate) async fn campaign(&self) -> Campaign {
        self.store.campaign(self.campaign).await.unwrap()
    }

    pub(crate) async fn attempts(&self) -> Vec<Attempt> {
        attempts(&self.store, self.campaign).await
    }

    /// Waits until the campaign has completed by itself.
    pub(crate) async fn completed(&self) {
        let mut seen = None;
        let ended = tokio::time::timeout(DEADLINE, async {
            until(async || {
                let campaign = self.campaign().await;
                let status = campaign.status;
                seen = Some((campaign.counts, self.live.latest(self.campaign)));
                Some(status).filter(is_over)
            })
            .await
        });
        let Ok(status) = ended.await else { panic!("it does not complete: {seen:#?}") };
        assert_eq!(status, Status::Completed);
    }
}

/// A carrier, a number, a bot, and a started campaign with its contacts.
async fn furnish(store: &Store, plan: &Plan, number: u64) -> CampaignId {
    let now = Timestamp::now();
    let me = Actor { id: "usr_test".into(), name: "Test".into() };
    let mut settings = json!({
        "name": "Simulated", "host": plan.carrier.0, "port": plan.carrier.1, "cps": 50,
        "burst": 5, "channels": 100, "transport": "udp",
    });
    overlay(&mut settings, plan.carrier_settings.clone());
    let settings = serde_json::from_value(settings).unwrap();
    let carrier = store.create_carrier(settings, now).await.unwrap();
    let e164 = PhoneNumber::from_digits(number).unwrap();
    let first_contact = 919_812_300_000 + number % 1_000_000;
    let number =
        store.create_number(e164, carrier.id, None, Direction::Outbound, now).await.unwrap();
    let bot = store.create_bot("Bot".into(), BotKind::Script, json!({}), now).await.unwrap();
    let settings = Settings {
        name: "Test".into(),
        bot_id: Some(bot.id),
        number_ids: vec![number.id],
        window: Window {
            start: "00:00".into(),
            end: "24:00".into(),
            timezone: "UTC".into(),
            days: Day::ALL.to_vec(),
        },
        ..plan.settings.clone()
    };
    let campaign = store.create_campaign(settings, me.clone(), now).await.unwrap().id;
    let import = store.begin_import(campaign, now).await.unwrap();
    let rows = (0..plan.contacts).map(|index| StagedRow {
        line: index + 2,
        phone: PhoneNumber::from_digits(first_contact + index).unwrap(),
        variables: "{}".into(),
    });
    store.stage_rows(import, rows.collect(), Vec::new()).await.unwrap();
    store.accept_import(import, me.clone(), now).await.unwrap();
    store.start(campaign, me, Timestamp::now()).await.unwrap();
    campaign
}

fn is_over(status: &Status) -> bool {
    matches!(status, Status::Completed | Status::Failed)
}

pub(crate) async fn attempts(store: &Store, campaign: CampaignId) -> Vec<Attempt> {
    store.attempts(campaign, None, None, 10_000).await.unwrap()
}

/// Asks until there is an answer; looks fifty times a second and gives up at the deadline.
pub(crate) async fn until<T: Debug>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begun.elapsed() < DEADLINE * 2, "what was waited for did not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
