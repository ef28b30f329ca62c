//! Registration with a registrar written by hand, and signs of life; its own record of what
//! it was asked is the judge.

#![expect(clippy::unwrap_used, reason = "a test that cannot make its world has failed")]

#[path = "calls/world.rs"]
mod world;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use campanile_domain::{
    carrier::{CarrierHealth, CarrierSettings, CarrierState, RegistrationState},
    outcome::Outcome,
};
use campanile_wire::digest;
use serde_json::json;
use tokio::net::UdpSocket;
use world::{Plan, World, until};

const NONCE: &str = "f84f1cec41e6cbe5aea9c8e88d359";

/// How it treats who comes.
#[derive(Clone, Copy)]
struct Manner {
    /// Of its challenge, such as `SHA-256`.
    algorithm: &'static str,
    /// The shortest registration it takes; shorter ones are answered 423.
    min_expires: u32,
    /// What it grants at most.
    grants: u32,
}

const PLAIN: Manner = Manner { algorithm: "MD5", min_expires: 0, grants: 3_600 };

/// Method, whether it was proved, and the `Expires` of a request.
type Asked = (String, bool, Option<u32>);

/// A carrier that registers `alice` with the password `secret`, answers OPTIONS, and is busy
/// for every call.
struct Registrar {
    addr: SocketAddr,
    /// In the order that they came.
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Registrar {
    async fn start(manner: Manner) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let addr = socket.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let record = asked.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 4_096];
            while let Ok((bytes, from)) = socket.recv_from(&mut buffer).await {
                let text = String::from_utf8_lossy(&buffer[..bytes]).into_owned();
                let Some(method) = text.split(' ').next().filter(|_| text.contains("SIP/2.0"))
                else {
                    continue;
                };
                let proof = header(&text, "Authorization");
                let proved = proof
                    .is_some_and(|proof| digest::verify(proof, method, NONCE, "alice", "secret"));
                let expires = header(&text, "Expires").and_then(|value| value.parse().ok());
                record.lock().unwrap().push((method.to_owned(), proved, expires));
                let answer = match method {
                    "REGISTER" => manner.answer(proved, expires.unwrap_or(3_600)),
                    "INVITE" => "486 Busy Here\r\n".to_owned(),
                    "OPTIONS" => "200 OK\r\n".to_owned(),
                    _ => continue,
                };
                socket.send_to(reply(&text, &answer).as_bytes(), from).await.unwrap();
            }
        });
        Self { addr, asked }
    }

    /// The REGISTERs so far: whether each was proved, and what it asked for.
    fn registers(&self) -> Vec<(bool, u32)> {
        let asked = self.asked.lock().unwrap();
        let registers = asked.iter().filter(|(method, ..)| method == "REGISTER");
        registers.map(|(_, proved, expires)| (*proved, expires.unwrap())).collect()
    }

    fn count(&self, wanted: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|(method, ..)| method == wanted).count()
    }
}

impl Manner {
    fn answer(self, proved: bool, expires: u32) -> String {
        if !proved {
            let Self { algorithm, .. } = self;
            return format!(
                "401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"{NONCE}\", \
                 algorithm={algorithm}, qop=\"auth\"\r\n"
            );
        }
        if (1..self.min_expires).contains(&expires) {
            return format!("423 Interval Too Brief\r\nMin-Expires: {}\r\n", self.min_expires);
        }
        format!("200 OK\r\nExpires: {}\r\n", expires.min(self.grants))
    }
}

fn header<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let named = |line: &&'t str| line.split(':').next() == Some(name);
    Some(text.lines().find(named)?.split_once(':')?.1.trim())
}

/// The answer to a request; `answer` is the status and further headers.
fn reply(request: &str, answer: &str) -> String {
    let mut reply = format!("SIP/2.0 {answer}");
    for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
        let tag = if name == "To" { ";tag=far" } else { "" };
        reply += &format!("{name}: {}{tag}\r\n", header(request, name).unwrap());
    }
    // Where the caller is registered (RFC 3261 10.3), shortened as the status says.
    if let Some(contact) = header(request, "Contact").filter(|_| answer.starts_with("200")) {
        let granted = header(answer, "Expires").unwrap_or("0");
        reply += &format!("Contact: {contact};expires={granted}\r\n");
    }
    reply + "Content-Length: 0\r\n\r\n"
}

/// One contact through a registrar; the account's password is `password`.
async fn world(registrar: &Registrar, password: &str, first_port: u16) -> World {
    let mut plan = Plan::through(registrar.addr, first_port);
    plan.contacts = 1;
    plan.carrier_settings =
        json!({"register": true, "auth": {"username": "alice", "password": password}});
    World::start(plan).await
}

async fn health(world: &World, is_it: impl Fn(&CarrierHealth) -> bool) -> CarrierHealth {
    let id = world.store.carriers().await.unwrap()[0].id;
    until(async || world.live.carrier(id).filter(|health| is_it(health))).await.as_ref().clone()
}

fn is(state: RegistrationState) -> impl Fn(&CarrierHealth) -> bool {
    move |health| health.registration.as_ref().is_some_and(|it| it.state == state)
}

#[tokio::test(flavor = "multi_thread")]
async fn we_register_with_proof_and_take_leave_at_the_end() {
    for algorithm in ["MD5", "SHA-256"] {
        let registrar = Registrar::start(Manner { algorithm, ..PLAIN }).await;
        let world = world(&registrar, "secret", 27_400).await;
        let health = health(&world, is(RegistrationState::Registered)).await;
        let registration = health.registration.unwrap();
        let granted = registration.until.unwrap().duration_since(registration.since);
        assert!((3_500..=3_600).contains(&granted.as_secs()), "{granted}");
        assert_eq!((health.state, registration.reason), (CarrierState::Up, None));
        world.completed().await;
        world.engine.shutdown().await;
        let registers = registrar.registers();
        assert_eq!(registers[..2], [(false, 3_600), (true, 3_600)], "{algorithm}");
        assert_eq!(registers.last(), Some(&(true, 0)), "{algorithm}: {registers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registrar_that_wants_longer_registrations_gets_them() {
    let manner = Manner { min_expires: 7_200, ..PLAIN };
    let registrar = Registrar::start(Manner { grants: 7_200, ..manner }).await;
    let world = world(&registrar, "secret", 27_800).await;
    health(&world, is(RegistrationState::Registered)).await;
    world.engine.shutdown().await;
    assert!(registrar.registers().contains(&(true, 7_200)), "{:?}", registrar.registers());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_shown_and_calls_are_placed_all_the_same() {
    let registrar = Registrar::start(PLAIN).await;
    let world = world(&registrar, "wrong", 28_200).await;
    let health = health(&world, is(RegistrationState::Failed)).await;
    let reason = health.registration.unwrap().reason.unwrap();
    assert_eq!(reason, "REGISTER was answered 401 Unauthorized");
    world.completed().await;
    assert_eq!(world.attempts().await[0].outcome, Some(Outcome::Busy));
    let asked = registrar.registers().len();
    assert!(asked <= 3, "no storm of wrong passwords: {asked}");
    world.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_that_is_disabled_or_registers_no_more_is_left() {
    let registrar = Registrar::start(PLAIN).await;
    let world = world(&registrar, "secret", 28_600).await;
    health(&world, is(RegistrationState::Registered)).await;
    let carrier = world.store.carriers().await.unwrap()[0].clone();
    world.store.update_carrier(carrier.id, false, carrier.settings.clone()).await.unwrap();
    health(&world, |health| health.registration.is_none()).await;
    until(async || (registrar.registers().last() == Some(&(true, 0))).then_some(())).await;
    let before = registrar.registers().len();
    world.store.update_carrier(carrier.id, true, carrier.settings).await.unwrap();
    health(&world, is(RegistrationState::Registered)).await;
    assert!(registrar.registers().len() > before);
    world.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_carrier_is_asked_for_a_sign_of_life_and_one_in_use_is_not() {
    let registrar = Registrar::start(PLAIN).await;
    let mut plan = Plan::through(registrar.addr, 29_000);
    plan.contacts = 1;
    plan.options_after = Duration::from_secs(1);
    let world = World::start(plan).await;
    world.completed().await;
    until(async || (registrar.count("OPTIONS") >= 2).then_some(())).await;
    let up = health(&world, |health| health.state == CarrierState::Up).await;
    assert_eq!(up.addresses, [registrar.addr.to_string()]);
    world.engine.shutdown().await;
    let seen = registrar.count("OPTIONS");
    assert!((2..20).contains(&seen), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_carrier_that_is_gone_is_shown_so_before_any_call_finds_out() {
    let registrar = Registrar::start(PLAIN).await;
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut plan = Plan::through(registrar.addr, 29_400);
    plan.contacts = 1;
    plan.options_after = Duration::from_secs(1);
    plan.dns_servers = vec![nobody];
    let world = World::start(plan).await;
    world.completed().await;
    let carrier = world.store.carriers().await.unwrap()[0].clone();
    let moved = CarrierSettings { host: "sip.gone.example".into(), ..carrier.settings };
    world.store.update_carrier(carrier.id, true, moved).await.unwrap();
    let down = health(&world, |health| health.state == CarrierState::Down).await;
    let why = down.reason.unwrap();
    assert!(why.starts_with("cannot resolve sip.gone.example: "), "{why}");
    world.engine.shutdown().await;
}
