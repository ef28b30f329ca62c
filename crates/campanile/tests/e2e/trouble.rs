//! Carriers in trouble and strangers at the door: nothing panics, nothing is stuck, and
//! the campaign says what is wrong.

mod endings;
mod garbage;

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    path::Path,
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    far_end::FarEnd,
    server::{Server, contacts_from, open_campaign, text},
};

/// A server with several campaigns, each with a carrier of its own.
struct House {
    server: Server,
    dir: TempDir,
    bot: String,
    carriers: u32,
}

impl House {
    /// A server whose bot follows `script`.
    async fn new(script: Value, more: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start_with(dir.path(), more);
        let bot = json!({ "name": "script", "kind": "script", "settings": script });
        let bot = text(&server.call("POST", "/bots", bot).await["id"]);
        Self { server, dir, bot, carriers: 0 }
    }

    /// A campaign of `count` contacts of its own, 500 at most, started, through a carrier of
    /// its own.
    async fn dial(&mut self, count: usize, carrier: Value, settings: Value) -> String {
        self.carriers += 1;
        let name = format!("carrier {}", self.carriers);
        let carrier = with(
            json!({ "name": name, "host": "127.0.0.1", "transport": "udp", "cps": 50.0,
                    "burst": 5, "channels": 200 }),
            carrier,
        );
        let server = &self.server;
        let carrier = server.call("POST", "/carriers", carrier).await;
        let number = json!({ "e164": format!("+9122400{:05}", self.carriers),
                             "carrier_id": carrier["id"] });
        let number = text(&server.call("POST", "/numbers", number).await["id"]);
        let settings = with(open_campaign(&name, &number, &self.bot), settings);
        let campaign = text(&server.call("POST", "/campaigns", settings).await["id"]);
        let first = self.carriers as usize * 500;
        server.upload(&campaign, contacts_from(first, count)).await;
        self.act(&campaign, "start").await;
        campaign
    }

    async fn act(&self, campaign: &str, action: &str) -> Value {
        self.server.call("POST", &format!("/campaigns/{campaign}/{action}"), json!(null)).await
    }

    async fn live(&self, campaign: &str) -> Value {
        self.server.get(&format!("/campaigns/{campaign}/live")).await
    }

    /// Waits until the live view is as wanted; gives it.
    async fn live_until(
        &self,
        campaign: &str,
        limit: Duration,
        is: impl Fn(&Value) -> bool,
    ) -> Value {
        let deadline = Instant::now() + limit;
        loop {
            let live = self.live(campaign).await;
            if is(&live) {
                return live;
            }
            if Instant::now() > deadline {
                panic!("not so after {limit:?}: {live:#}\n{}", log(self.dir.path()));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Attempts that have ended and whose INVITE left, row by row. Those that the rest of
    /// a carrier withdrew before are none of its calls.
    async fn ended(&self, campaign: &str) -> Vec<HashMap<String, String>> {
        let mut rows = self.server.report(campaign).await;
        let withdrawn = |row: &HashMap<String, String>| {
            (&*row["outcome"], &*row["counts"], &*row["sip_code"]) == ("cancelled", "false", "")
        };
        rows.retain(|row| !row["outcome"].is_empty() && !withdrawn(row));
        rows
    }

    async fn status(&self, campaign: &str) -> String {
        text(&self.server.get(&format!("/campaigns/{campaign}")).await["status"])
    }

    /// Nothing went wrong inside.
    fn is_sound(&self) {
        let log = log(self.dir.path());
        assert!(!log.contains("panicked") && !log.contains("stopped:"), "{log}");
    }
}

/// `settings` laid over `base`.
fn with(mut base: Value, settings: Value) -> Value {
    for (field, value) in settings.as_object().unwrap() {
        base[field] = value.clone();
    }
    base
}

fn log(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("server.log")).unwrap()
}

/// Hangs up as soon as it is connected.
fn hang_up() -> Value {
    json!({ "start": "end", "steps": { "end": {} } })
}

/// Listens until somebody else ends the call.
fn listen() -> Value {
    json!({ "start": "on", "steps": { "on": { "listen": { "seconds": 60.0 }, "next": "on" } } })
}

/// A port on which nobody listens, and that nobody else is given meanwhile: a socket
/// that speaks to another peer alone, so that ours hear of ICMP.
fn closed_port() -> (u16, UdpSocket) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.connect((Ipv4Addr::LOCALHOST, 1)).unwrap();
    (socket.local_addr().unwrap().port(), socket)
}

fn rests(live: &Value) -> bool {
    live["reason_code"] == "carrier_resting"
}

/// The carrier rests, the campaign says so and until when, and it obeys all the same.
async fn rests_and_obeys(house: &House, campaign: &str, said: &str) {
    let live = house.live_until(campaign, Duration::from_secs(15), rests).await;
    let reason = text(&live["reason"]);
    assert!(reason.contains(said), "{reason}");
    let until: jiff::Timestamp = text(&live["until"]).parse().unwrap();
    let rest = until.duration_since(jiff::Timestamp::now()).as_secs_f64();
    assert!((-1.0..=20.0).contains(&rest), "a first rest of ten seconds, not {rest}");
    assert_eq!(house.status(campaign).await, "running");

    // What left before is all that left: a carrier that rests is left alone.
    let before = house.server.report(campaign).await.len();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let after = house.server.report(campaign).await.len();
    assert!(after <= before + 1, "{before} attempts, 3 s later {after}");

    assert_eq!(house.act(campaign, "pause").await["status"], "paused");
    house.live_until(campaign, Duration::from_secs(3), |live| live["state"] == "paused").await;
    assert_eq!(house.act(campaign, "resume").await["status"], "running");
    house.live_until(campaign, Duration::from_secs(3), rests).await;
    house.act(campaign, "stop").await;
    house.server.wait_completed(campaign, Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_carrier_that_is_not_there_rests_and_the_campaign_says_so() {
    let mut house = House::new(hang_up(), &[]).await;
    let (port, _closed) = closed_port();
    let nobody = house.dial(200, json!({ "port": port }), json!({})).await;
    let nowhere = json!({ "host": "no-such-carrier.invalid", "port": 5060 });
    let nowhere = house.dial(20, nowhere, json!({})).await;
    tokio::join!(
        rests_and_obeys(&house, &nobody, "is unreachable"),
        rests_and_obeys(&house, &nowhere, "no-such-carrier.invalid"),
    );
    for campaign in [&nobody, &nowhere] {
        let rows = house.ended(campaign).await;
        // A second passes until ICMP is asked for: at most a second and a half of dials.
        assert!((3..=80).contains(&rows.len()), "{} attempts", rows.len());
        for row in rows {
            assert_eq!((&*row["outcome"], &*row["counts"]), ("network_error", "false"), "{row:#?}");
            assert_eq!(row["sip_code"], "", "no code that nobody sent");
        }
    }
    house.is_sound();
}

#[tokio::test]
async fn a_carrier_that_says_nothing_or_nonsense_is_given_up_after_timer_b() {
    let mut house = House::new(hang_up(), &[]).await;
    let silent = FarEnd::black_hole();
    let mut random = StdRng::seed_from_u64(1);
    let babbling = FarEnd::start(move |_, answers| {
        answers.extend((0..20).map(|_| garbage::bytes(&mut random, 1_200)));
    });
    let begun = Instant::now();
    let mut campaigns = Vec::new();
    for far_end in [&silent, &babbling] {
        campaigns.push(house.dial(1, json!({ "port": far_end.port }), json!({})).await);
    }
    for campaign in &campaigns {
        let live = house.live_until(campaign, Duration::from_secs(5), |live| live["ringing"] == 1);
        assert_eq!(live.await["state"], "live");
    }
    for (campaign, far_end) in campaigns.iter().zip([&silent, &babbling]) {
        let ended = |live: &Value| live["ringing"] == 0;
        let left = Duration::from_secs(40).saturating_sub(begun.elapsed());
        let live = house.live_until(campaign, left, ended).await;
        assert!(begun.elapsed() > Duration::from_secs(30), "before Timer B: {live:#}");
        // The phone may still ring, so the contact waits; and the page says after what.
        let waits = |live: &Value| live["reason_code"] == "retry_wait";
        let live = house.live_until(campaign, Duration::from_secs(3), waits).await;
        assert!(text(&live["reason"]).contains("no reply"), "{live:#}");
        let rows = house.ended(campaign).await;
        assert_eq!(rows.len(), 1);
        assert_eq!((&*rows[0]["outcome"], &*rows[0]["sip_code"]), ("network_error", ""));
        assert_eq!(rows[0]["counts"], "false");
        // RFC 3261 17.1.1.2: seven INVITEs, each after twice the wait of the one before.
        let times = far_end.times("INVITE");
        assert_eq!(times.len(), 7, "{times:?}");
        house.act(campaign, "stop").await;
        house.server.wait_completed(campaign, Duration::from_secs(5)).await;
    }
    house.is_sound();
}

#[tokio::test]
async fn a_carrier_that_refuses_our_credentials_is_not_asked_for_ever() {
    let mut house = House::new(hang_up(), &[]).await;
    let auth = json!({ "username": "dialler", "password": "s3cret" });
    let challenge = |status: &'static str, header: &'static str| {
        let mut nonce = 0;
        FarEnd::start(move |request, answers| {
            if request.method == "INVITE" {
                nonce += 1;
                let more = format!(
                    "{header}: Digest realm=\"far\", nonce=\"n{nonce}\", stale=true, qop=\"auth\"\r\n"
                );
                answers.push(request.answer(status, &more, ""));
            }
        })
    };
    let www = challenge("401 Unauthorized", "WWW-Authenticate");
    let proxy = challenge("407 Proxy Authentication Required", "Proxy-Authenticate");
    let refuses = FarEnd::start(|request, answers| {
        if request.method == "INVITE" {
            answers.push(request.answer("403 Bad Credentials", "", ""));
        }
    });
    let mut campaigns = Vec::new();
    for far_end in [&www, &proxy, &refuses] {
        let carrier = json!({ "port": far_end.port, "auth": auth, "cps": 20.0 });
        campaigns.push(house.dial(40, carrier, json!({})).await);
    }
    // The same without credentials: there is nothing to answer the challenge with.
    let carrier = json!({ "port": www.port, "cps": 20.0 });
    campaigns.push(house.dial(40, carrier, json!({})).await);
    tokio::join!(
        rests_and_obeys(&house, &campaigns[0], "401"),
        rests_and_obeys(&house, &campaigns[1], "407"),
        rests_and_obeys(&house, &campaigns[2], "403"),
        rests_and_obeys(&house, &campaigns[3], "401"),
    );
    for (campaign, code) in campaigns.iter().zip(["401", "407", "403", "401"]) {
        let rows = house.ended(campaign).await;
        assert!(!rows.is_empty(), "nothing was dialled through {code}");
        for row in &rows {
            assert_eq!(row["sip_code"], code, "{row:#?}");
            let expected: &[&str] = match code {
                // Ten refusals in a row are the carrier's, not the callees' (api.md).
                "403" => &["rejected", "congestion"],
                _ => &["unreachable"],
            };
            assert!(expected.contains(&&*row["outcome"]), "{row:#?}");
            // Bad credentials are between the carrier and us.
            let counts = if row["outcome"] == "rejected" { "true" } else { "false" };
            assert_eq!(row["counts"], counts, "{row:#?}");
        }
        assert!(rows.len() <= 20, "{} attempts through {code}", rows.len());
    }
    let calls = www.calls("INVITE").len() + proxy.calls("INVITE").len();
    let invites = www.requests("INVITE") + proxy.requests("INVITE");
    assert!(invites <= 3 * calls, "{invites} INVITEs for {calls} calls");
    house.is_sound();
}

#[tokio::test]
async fn a_carrier_that_comes_back_is_used_again_by_itself() {
    let mut house = House::new(hang_up(), &[]).await;
    let mut overloaded_until = None;
    let carrier = FarEnd::start(move |request, answers| {
        if request.method == "INVITE" {
            let until = *overloaded_until.get_or_insert(request.at + Duration::from_secs(1));
            if request.at < until {
                let later = "Retry-After: 2\r\n";
                answers.push(request.answer("503 Service Unavailable", later, ""));
            } else {
                answers.push(request.accept());
            }
        }
        request.part(answers);
    });
    let campaign = house.dial(10, json!({ "port": carrier.port }), json!({})).await;
    let live = house.live_until(&campaign, Duration::from_secs(5), rests).await;
    assert!(text(&live["reason"]).contains("503"), "{live:#}");
    house.server.wait_completed(&campaign, Duration::from_secs(20)).await;
    let rows = house.ended(&campaign).await;
    let ended = |outcome: &str| rows.iter().filter(|row| row["outcome"] == outcome).count();
    assert_eq!(ended("completed"), 10, "{rows:#?}");
    // The burst; as much of it as the first refusal did not hold back.
    assert!((1..=5).contains(&ended("congestion")), "{rows:#?}");
    house.is_sound();
}

/// A BYE is repeated for 32 seconds; the next callees do not wait for it.
#[tokio::test]
async fn calls_whose_bye_nobody_answers_do_not_fill_the_machine() {
    let mut house = House::new(hang_up(), &["--max-calls", "2"]).await;
    let rude = FarEnd::start(|request, answers| {
        if request.method == "INVITE" {
            answers.push(request.accept());
        }
    });
    let campaign = house.dial(6, json!({ "port": rude.port }), json!({})).await;
    house.server.wait_completed(&campaign, Duration::from_secs(10)).await;
    for row in house.ended(&campaign).await {
        assert_eq!(row["outcome"], "completed", "{row:#?}");
    }
    assert_eq!(rude.calls("BYE").len(), 6);
    house.is_sound();
}

#[tokio::test]
async fn strangers_at_the_sip_port_do_not_disturb_a_campaign() {
    let mut house = House::new(hang_up(), &[]).await;
    let sip = house.server.sip;
    let carrier = FarEnd::start(|request, answers| {
        if request.method == "INVITE" {
            answers.push(request.answer("180 Ringing", "", ""));
            answers.push(request.accept());
        }
        request.part(answers);
    });
    let campaign = house.dial(60, json!({ "port": carrier.port, "cps": 20.0 }), json!({})).await;
    let stranger = std::thread::spawn(move || {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let seed = rand::random();
        let mut random = StdRng::seed_from_u64(seed);
        for _ in 0..100 {
            for _ in 0..100 {
                let bytes = garbage::bytes(&mut random, 700);
                socket.send_to(&bytes, sip).unwrap();
            }
            for method in ["INVITE", "OPTIONS", "REGISTER", "BYE", "SUBSCRIBE", "ACK", "BREW"] {
                let call: u64 = random.random();
                let request = stranger_asks(method, &socket, sip, call);
                socket.send_to(request.as_bytes(), sip).unwrap();
            }
            // Ten thousand in a second: what the socket's buffer cannot hold, is lost for all.
            std::thread::sleep(Duration::from_millis(10));
        }
        answers_to(&socket)
    });
    let answers = tokio::task::spawn_blocking(move || stranger.join().unwrap()).await.unwrap();
    for (method, code) in
        [("INVITE", 480), ("OPTIONS", 200), ("REGISTER", 405), ("BYE", 481), ("BREW", 501)]
    {
        let codes = answers.get(method).unwrap_or_else(|| panic!("{method} was not answered"));
        assert!(codes.iter().all(|each| *each == code), "{method}: {codes:?}");
    }
    assert!(!answers.contains_key("ACK"), "an ACK is never answered");

    house.server.wait_completed(&campaign, Duration::from_secs(20)).await;
    let rows = house.ended(&campaign).await;
    assert_eq!(rows.len(), 60);
    for row in rows {
        assert_eq!(row["outcome"], "completed", "{row:#?}");
    }
    house.is_sound();
}

fn stranger_asks(method: &str, socket: &UdpSocket, sip: SocketAddr, call: u64) -> String {
    let me = socket.local_addr().unwrap();
    format!(
        "{method} sip:0099123@{sip} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{call}\r\n\
         From: <sip:100@{me}>;tag={call}\r\nTo: <sip:0099123@{sip}>\r\nCall-ID: {call}@x\r\n\
         CSeq: 1 {method}\r\nContact: <sip:100@{me}>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
}

/// The codes that were answered, by method.
fn answers_to(socket: &UdpSocket) -> HashMap<String, Vec<u16>> {
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut codes: HashMap<String, Vec<u16>> = HashMap::new();
    let mut buffer = [0; 2_048];
    while let Ok(length) = socket.recv(&mut buffer) {
        let answer = String::from_utf8_lossy(&buffer[..length]);
        let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
        let cseq = answer.lines().find_map(|line| line.strip_prefix("CSeq: "));
        if let (Some(code), Some(method)) = (code, cseq.and_then(|cseq| cseq.split(' ').nth(1))) {
            codes.entry(method.to_owned()).or_default().push(code);
        }
    }
    codes
}
