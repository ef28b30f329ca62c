//! A server without sockets: a store of its own, a clock that stands still, an
//! engine that only states facts.

use std::{
    collections::HashMap,
    fmt::Write,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use campanile_domain::bot::BotKind;
use campanile_store::{
    Store,
    live::LiveHub,
    rows::{Role, Scope},
};
use campanile_web::{
    ApiRate, App, AppSettings, EngineFacts, EngineLoad, csv_import::ImportLimits, hash_password,
    mint_key,
};
use http_body_util::BodyExt;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tower::ServiceExt;

/// A Monday morning inside the default window, in India.
pub(crate) const NOW: &str = "2030-01-07T05:30:00Z";

/// A number that can be dialled; add to the last digits for more.
pub(crate) const PHONE: u64 = 919_876_500_000;

struct Facts {
    reports: bool,
}

impl EngineFacts for Facts {
    fn speaks(&self, kind: BotKind) -> bool {
        kind == BotKind::Script
    }

    fn load(&self) -> Option<EngineLoad> {
        self.reports.then_some(EngineLoad {
            calls_up: 3,
            calls_max: 100,
            rtp_ports_used: 6,
            rtp_ports: 20_000,
            kept_calls: 40,
            connections: 1,
        })
    }
}

/// The server, and the key of somebody who may do everything.
pub(crate) struct Server {
    pub(crate) app: App,
    router: Router,
    admin: String,
    clock: Arc<Mutex<Timestamp>>,
    names: Mutex<Names>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(ImportLimits::default(), true).await
    }

    pub(crate) async fn with(import_limits: ImportLimits, dialler_reports: bool) -> Self {
        Self::build(import_limits, dialler_reports, ApiRate::default()).await
    }

    /// A server that lets each caller ask so often.
    pub(crate) async fn with_rate(api_rate: ApiRate) -> Self {
        Self::build(ImportLimits::default(), true, api_rate).await
    }

    async fn build(import_limits: ImportLimits, dialler_reports: bool, api_rate: ApiRate) -> Self {
        let store = Store::open_temporary().unwrap();
        let clock = Arc::new(Mutex::new(NOW.parse().unwrap()));
        let told = clock.clone();
        let engine = Arc::new(Facts { reports: dialler_reports });
        let mut settings =
            AppSettings::new(store, LiveHub::default(), engine, "http://campanile.test");
        settings.clock = Arc::new(move || *told.lock().unwrap());
        settings.import_limits = import_limits;
        settings.api_rate = api_rate;
        let app = App::new(settings).await.unwrap();
        let router = campanile_web::router(app.clone());
        let mut server = Self { app, router, admin: String::new(), clock, names: Mutex::default() };
        server.admin = server.key(Scope::Admin).await;
        server
    }

    /// Moves the clock.
    pub(crate) fn pass(&self, seconds: i64) {
        self.pass_by(SignedDuration::from_secs(seconds));
    }

    /// Moves the clock by less than a second, or more.
    pub(crate) fn pass_by(&self, time: SignedDuration) {
        let mut now = self.clock.lock().unwrap();
        *now = now.checked_add(time).unwrap();
    }

    /// A new key.
    pub(crate) async fn key(&self, scope: Scope) -> String {
        let key = mint_key();
        let name = format!("test {}", scope.word());
        self.app.store.create_key(name, key.prefix, key.hash, scope, self.app.now()).await.unwrap();
        key.secret
    }

    /// A new user with the password `correct horse`.
    pub(crate) async fn user(&self, email: &str, role: Role) {
        let hash = hash_password("correct horse").unwrap();
        self.app.store.create_user(email.into(), role, hash, self.app.now()).await.unwrap();
    }

    /// Any request.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("the whole answer").to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Any request, whose answer is a stream.
    pub(crate) async fn open(&self, request: Request<Body>) -> axum::http::Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// A request of the administrator's key.
    pub(crate) fn request(&self, method: Method, path: &str) -> axum::http::request::Builder {
        Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.admin))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.json(Method::POST, path, body).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.json(Method::PATCH, path, body).await
    }

    async fn json(&self, method: Method, path: &str, body: Value) -> Answer {
        let request = self
            .request(method, path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        self.send(request).await
    }

    /// A contact file.
    pub(crate) async fn csv(&self, path: &str, file: impl Into<Body>) -> Answer {
        let request = self
            .request(Method::POST, path)
            .header(header::CONTENT_TYPE, "text/csv")
            .body(file.into())
            .unwrap();
        self.send(request).await
    }

    /// A carrier, a number and a script bot; their ids.
    pub(crate) async fn furnish(&self) -> (String, String, String) {
        let carrier = self
            .post(
                "/api/v1/carriers",
                serde_json::json!({"name": "Acme", "host": "sip.example.com", "cps": 10, "channels": 50}),
            )
            .await
            .id();
        let number = self
            .post(
                "/api/v1/numbers",
                serde_json::json!({"e164": "+911140001234", "carrier_id": carrier}),
            )
            .await
            .id();
        let bot = self
            .post("/api/v1/bots", serde_json::json!({"name": "Greeter", "kind": "script"}))
            .await
            .id();
        (carrier, number, bot)
    }

    /// A draft that can be started once it has contacts; its address.
    pub(crate) async fn draft(&self) -> String {
        let (_, number, bot) = self.furnish().await;
        let body = serde_json::json!({
            "name": "Diwali offer", "bot_id": bot, "number_ids": [number],
        });
        let made = self.post("/api/v1/campaigns", body).await;
        format!("/api/v1/campaigns/{}", made.id())
    }

    /// The answer for a snapshot: status, telling headers, body; ids by their order
    /// of appearance on this server.
    pub(crate) fn show(&self, answer: &Answer) -> String {
        let mut shown = format!("{}\n", answer.status);
        for name in [
            "content-type",
            "location",
            "allow",
            "retry-after",
            "content-disposition",
            "campanile-rows",
            "www-authenticate",
        ] {
            if let Some(value) = answer.headers.get(name) {
                let _ = writeln!(shown, "{name}: {}", value.to_str().unwrap());
            }
        }
        let body = match serde_json::from_slice::<Value>(&answer.body) {
            Ok(value) => serde_json::to_string_pretty(&value).unwrap(),
            Err(_) => answer.text(),
        };
        shown.push('\n');
        shown.push_str(&body);
        self.names.lock().unwrap().replace(&shown)
    }
}

/// An answer, read whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{} {}", self.status, self.text()))
    }

    pub(crate) fn id(&self) -> String {
        let id = self.json()["id"].as_str().map(str::to_owned);
        id.unwrap_or_else(|| panic!("{} {}", self.status, self.text()))
    }
}

/// Ids and secrets differ from run to run; snapshots name them by order.
#[derive(Default)]
struct Names {
    known: HashMap<String, String>,
    counts: HashMap<String, usize>,
}

impl Names {
    fn replace(&mut self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((start, length)) = find_id(rest) {
            shown.push_str(&rest[..start]);
            let id = &rest[start..start + length];
            let kind = id.split('_').next().unwrap();
            let name = self.known.entry(id.to_owned()).or_insert_with(|| {
                let count = self.counts.entry(kind.to_owned()).or_default();
                *count += 1;
                format!("{kind}_{count}")
            });
            shown.push_str(name);
            rest = &rest[start + length..];
        }
        shown + rest
    }
}

/// Where the next id is, and how long.
fn find_id(text: &str) -> Option<(usize, usize)> {
    const KINDS: [(&str, &[usize]); 11] = [
        ("cmp_", &[13]),
        ("con_", &[13]),
        ("att_", &[13]),
        ("car_", &[13]),
        ("num_", &[13]),
        ("bot_", &[13]),
        ("usr_", &[13]),
        ("key_", &[13]),
        ("imp_", &[13]),
        ("req_", &[22]),
        ("cmpk_", &[8 + 1 + 32, 8]),
    ];
    KINDS
        .iter()
        .flat_map(|(kind, lengths)| {
            text.match_indices(kind).filter_map(move |(start, _)| {
                let tail = &text.as_bytes()[start + kind.len()..];
                let run = tail
                    .iter()
                    .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
                    .count();
                lengths.contains(&run).then_some((start, kind.len() + run))
            })
        })
        .min()
}
