//! How the engine finds its carriers: a name server of our own, carriers on loopback whose
//! records are the judge (design/reliability.md F7).

#![expect(clippy::unwrap_used, reason = "a test that cannot make its world has failed")]

#[path = "calls/world.rs"]
mod world;

#[path = "dns/server.rs"]
mod server;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use campanile_domain::{
    carrier::{CarrierHealth, CarrierState},
    outcome::Outcome,
};
use campanile_engine::Flow;
use campanile_store::rows::Attempt;
use jiff::Timestamp;
use serde_json::json;
use server::{NameServer, SERVFAIL, Says};
use world::{Plan, World, attempts, carrier, carrier_at, record, until};

const HOST: &str = "sip.carrier.example";

fn ip(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

/// Twenty contacts through `HOST`, as a name server of the test's says.
fn plan(server: &NameServer, port: Option<u16>, first_port: u16) -> Plan {
    Plan {
        carrier: (HOST.into(), port),
        dns_servers: vec![server.addr()],
        ..Plan::through(server.addr(), first_port)
    }
}

async fn ended(world: &World) -> Attempt {
    until(async || world.attempts().await.into_iter().find(|attempt| attempt.ended_at.is_some()))
        .await
}

async fn health(world: &World) -> CarrierHealth {
    let id = world.store.carriers().await.unwrap()[0].id;
    until(async || world.live.carrier(id)).await.as_ref().clone()
}

/// A port of loopback on which nobody listens.
fn closed_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_goes_over_to_the_new_address_when_the_record_changes() {
    let (old, old_dir) = carrier(json!({"busy": 1.0}));
    let port = old.addr().port();
    let (new, new_dir) = carrier_at(SocketAddr::new(ip(2), port), json!({"busy": 1.0}));
    let server = NameServer::start().await;
    server.set(HOST, Says::At(vec![ip(1)], 1));
    let mut plan = plan(&server, Some(port), 25_000);
    plan.carrier_settings = json!({"cps": 2.0, "burst": 1});
    let begun = Instant::now();
    let world = World::start(plan).await;
    until(async || (world.attempts().await.len() >= 2).then_some(())).await;
    server.set(HOST, Says::At(vec![ip(2)], 1));
    world.completed().await;
    let health = health(&world).await;
    assert_eq!(health.state, CarrierState::Up);
    assert_eq!(health.addresses, [format!("127.0.0.2:{port}")]);
    world.engine.shutdown().await;

    let (before, after) = (record(old, &old_dir), record(new, &new_dir));
    assert_eq!(before.len() + after.len(), 20, "nobody was lost, nobody called twice");
    assert!(before.len() >= 2 && after.len() >= 2, "{} {}", before.len(), after.len());
    // Asked at the start, and every four fifths of five seconds after.
    let asked = server.asked(&format!("A {HOST}"));
    let most = 2 + begun.elapsed().as_secs() as usize / 4;
    assert!((2..=most).contains(&asked), "{asked} of {most}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_address_serves_while_the_name_server_is_ill() {
    let (carrier, dir) = carrier(json!({"busy": 1.0}));
    let server = NameServer::start().await;
    server.set(HOST, Says::At(vec![ip(1)], 1));
    let mut plan = plan(&server, Some(carrier.addr().port()), 25_400);
    plan.carrier_settings = json!({"cps": 2.0, "burst": 1});
    plan.contacts = 15;
    let world = World::start(plan).await;
    until(async || (!world.attempts().await.is_empty()).then_some(())).await;
    server.set(HOST, SERVFAIL);
    world.completed().await;
    assert!(server.asked(&format!("A {HOST}")) >= 2, "it was asked again");
    for attempt in world.attempts().await {
        assert_eq!(attempt.outcome, Some(Outcome::Busy), "{attempt:?}");
    }
    world.engine.shutdown().await;
    assert_eq!(record(carrier, &dir).len(), 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_srv_target_costs_the_first_call_two_seconds_and_the_others_nothing() {
    let (carrier, dir) = carrier(json!({"busy": 1.0}));
    let server = NameServer::start().await;
    let targets = vec![
        (10, 1, closed_port(), "dead.example"),
        (20, 1, carrier.addr().port(), "alive.example"),
    ];
    server.set("_sip._udp.far.example", Says::Srv(targets, 60));
    let naptr = vec![(10, 10, "s", "SIP+D2U", "_sip._udp.far.example")];
    server.set(HOST, Says::Naptr(naptr, 60));
    server.set("dead.example", Says::At(vec![ip(1)], 60));
    server.set("alive.example", Says::At(vec![ip(1)], 60));
    let mut plan = plan(&server, None, 25_800);
    plan.carrier_settings = json!({"cps": 1.0, "burst": 1});
    plan.contacts = 5;
    let world = World::start(plan).await;
    world.completed().await;
    let mut attempts = world.attempts().await;
    attempts.sort_by_key(|attempt| attempt.dialled_at);
    let mut tries = Vec::new();
    for attempt in &attempts {
        assert_eq!(attempt.outcome, Some(Outcome::Busy), "{attempt:?}");
        tries.push(invites(&world, attempt).await);
    }
    world.engine.shutdown().await;
    assert_eq!(tries[0].len(), 2, "the first call went to both");
    let wait = tries[0][1].duration_since(tries[0][0]);
    assert!(wait.as_millis() < 2_000, "it failed over after {wait}");
    // Those placed before that was found out may have tried both as well.
    assert_eq!((tries[3].len(), tries[4].len()), (1, 1), "the next calls know: {tries:?}");
    assert_eq!(record(carrier, &dir).len(), 5);
}

/// When the INVITE of an attempt first went to each address it tried: a new one has a new
/// branch.
async fn invites(world: &World, attempt: &Attempt) -> Vec<Timestamp> {
    let mut branches = BTreeMap::new();
    for message in world.engine.ladder(attempt.id).await {
        if message.flow == Flow::Sent && message.first_line.starts_with("INVITE ") {
            let text = String::from_utf8_lossy(&message.bytes).into_owned();
            let (_, rest) = text.split_once(";branch=").expect("a Via has a branch");
            let branch = rest.split(['\r', ';']).next().unwrap_or_default().to_owned();
            branches.entry(branch).or_insert(message.at);
        }
    }
    let mut times: Vec<_> = branches.into_values().collect();
    times.sort();
    times
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_name_server_holds_up_its_own_carrier_and_no_other() {
    let (carrier, dir) = carrier(json!({"busy": 1.0}));
    let server = NameServer::start().await;
    let late = Says::At(vec![ip(1)], 60);
    server.set(HOST, Says::Later(Duration::from_secs(30), Box::new(late)));
    let mut plan = plan(&server, Some(carrier.addr().port()), 26_200);
    plan.contacts = 1;
    let world = World::start(plan).await;
    until(async || (!world.attempts().await.is_empty()).then_some(())).await;
    let other = world.second_campaign(carrier.addr(), 10).await;
    let fast = until(async || {
        let attempts = attempts(&world.store, other).await;
        let over = attempts.len() == 10 && attempts.iter().all(|each| each.ended_at.is_some());
        over.then_some(attempts)
    })
    .await;
    let slow = ended(&world).await;
    assert_eq!(slow.outcome, Some(Outcome::NetworkError));
    let why = slow.sip_reason.unwrap();
    assert!(why.starts_with(&format!("cannot resolve {HOST}: the name server d")), "{why}");
    // Given up long before the server would have said anything, whatever else runs here.
    let given_up = slow.ended_at.unwrap().duration_since(slow.dialled_at);
    assert!((4..30).contains(&given_up.as_secs()), "{given_up}");
    for attempt in fast {
        assert_eq!(attempt.outcome, Some(Outcome::Busy), "{attempt:?}");
        let took = attempt.ended_at.unwrap().duration_since(attempt.dialled_at);
        assert!(took < given_up, "{took}, and the other was given up after {given_up}");
    }
    world.engine.shutdown().await;
    assert_eq!(record(carrier, &dir).len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_does_not_exist_is_a_network_error_in_words() {
    let server = NameServer::start().await;
    let mut plan = plan(&server, Some(5060), 26_600);
    plan.contacts = 1;
    let world = World::start(plan).await;
    let lost = ended(&world).await;
    assert_eq!((lost.outcome, lost.sip_code), (Some(Outcome::NetworkError), None));
    let why = format!("cannot resolve {HOST}: no such name");
    assert_eq!(lost.sip_reason.as_ref(), Some(&why));
    let down = health(&world).await;
    assert_eq!((down.state, down.reason), (CarrierState::Down, Some(why)));
    world.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_of_the_other_family_is_refused_at_once_with_what_to_change() {
    let server = NameServer::start().await;
    let mut plan = plan(&server, Some(5060), 27_000);
    plan.contacts = 1;
    plan.carrier.0 = "::1".into();
    let world = World::start(plan).await;
    let refused = ended(&world).await;
    assert_eq!(refused.outcome, Some(Outcome::NetworkError));
    let why = "the carrier is at [::1]:5060, and --sip speaks IPv4 only";
    assert_eq!(refused.sip_reason.as_deref(), Some(why));
    world.engine.shutdown().await;
}
