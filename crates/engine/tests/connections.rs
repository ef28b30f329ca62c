//! The whole engine with a carrier over TCP and TLS (design/reliability.md F8); the carrier's own
//! record is the judge.

#[path = "calls/certificates.rs"]
mod certificates;
#[path = "connections/far_end.rs"]
mod far_end;
#[path = "calls/world.rs"]
mod world;

use std::{net::SocketAddr, time::Duration};

use campanile_domain::{
    outcome::{HangupBy, Outcome},
    settings::Settings,
};
use campanile_store::rows::Attempt;
use certificates::{Authority, Flaw};
use far_end::{FarEnd, Manner};
use serde_json::json;
use world::{Plan, World, attempts, carrier, record, until};

const SHORT: Option<Duration> = Some(Duration::from_millis(100));

fn over(transport: &str, carrier: SocketAddr, first_port: u16) -> Plan {
    Plan {
        carrier_settings: json!({"transport": transport}),
        settings: Settings {
            max_attempts: 1,
            concurrency: 50,
            retry_on_system: Vec::new(),
            ..Settings::default()
        },
        ..Plan::through(carrier, first_port)
    }
}

async fn first_ended(world: &World) -> Attempt {
    until(async || world.attempts().await.into_iter().find(|attempt| attempt.ended_at.is_some()))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_calls_share_one_tcp_connection() {
    let far = FarEnd::start(Manner::Answer(SHORT), None);
    let settings = json!({"transport": "tcp", "cps": 100, "burst": 20});
    let plan =
        Plan { contacts: 200, carrier_settings: settings, ..over("tcp", far.addr(), 25_000) };
    let world = World::start(plan).await;
    world.completed().await;
    let attempts = world.attempts().await;
    assert_eq!(attempts.len(), 200);
    for attempt in &attempts {
        assert_eq!(attempt.outcome, Some(Outcome::Completed), "{attempt:?}");
        assert_eq!(attempt.hangup_by, Some(HangupBy::Callee));
    }
    let load = world.engine.load();
    assert_eq!((load.calls, load.connections, load.rtp_ports_used), (0, 1, 0));
    let record = far.record();
    assert_eq!((record.connections, record.acked, record.hung_up_here), (1, 200, 200));
    assert!(record.invites.values().all(|times| *times == 1), "nothing is sent again on TCP");
    assert_eq!(record.invites.len(), 200);
    let invite = &record.last_invite;
    assert!(invite.contains("\r\nVia: SIP/2.0/TCP 127.0.0.1:"), "{invite}");
    let contact = invite.lines().find(|line| line.starts_with("Contact:")).unwrap();
    assert!(contact.contains(";transport=tcp"), "{contact}");
    world.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_over_tls_to_a_carrier_that_proves_its_name() {
    let (authority, dir) = (Authority::new(), tempfile::tempdir().unwrap());
    let server = authority.server(&["localhost"], Flaw::None);
    let far = FarEnd::start(Manner::Answer(SHORT), Some(server));
    let plan = Plan {
        contacts: 10,
        carrier: ("localhost".into(), Some(far.addr().port())),
        sip_ca_file: Some(authority.file(&dir)),
        ..over("tls", far.addr(), 25_400)
    };
    let world = World::start(plan).await;
    world.completed().await;
    for attempt in world.attempts().await {
        assert_eq!(attempt.outcome, Some(Outcome::Completed), "{attempt:?}");
    }
    let record = far.record();
    assert_eq!((record.connections, record.acked, record.hung_up_here), (1, 10, 10));
    assert!(record.last_invite.contains("\r\nVia: SIP/2.0/TLS "), "{}", record.last_invite);
    let connections = world.engine.monitor().connections();
    assert!(connections.len() == 1 && connections[0].up, "{connections:?}");
    world.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_is_a_network_error_that_says_so_and_no_storm() {
    let (authority, dir) = (Authority::new(), tempfile::tempdir().unwrap());
    let far =
        FarEnd::start(Manner::Answer(SHORT), Some(authority.server(&["localhost"], Flaw::Expired)));
    let plan = Plan {
        contacts: 30,
        carrier: ("localhost".into(), Some(far.addr().port())),
        sip_ca_file: Some(authority.file(&dir)),
        ..over("tls", far.addr(), 25_800)
    };
    let world = World::start(plan).await;
    let ended = first_ended(&world).await;
    assert_eq!((ended.outcome, ended.sip_code), (Some(Outcome::NetworkError), None));
    let reason = ended.sip_reason.unwrap();
    assert!(reason.contains("localhost (127.0.0.1:"), "{reason}");
    assert!(reason.contains("its certificate expired on 2025-12-31"), "{reason}");
    let took = ended.ended_at.unwrap().duration_since(ended.dialled_at);
    assert!(took.as_secs() < 5, "no call waits for a timer: {took:?}");
    let connections = world.engine.monitor().connections();
    assert!(!connections[0].up && connections[0].trouble.as_deref() == Some(&*reason));
    assert!(far.record().connections <= 2, "tried at most every half minute");
    assert!(far.record().invites.is_empty(), "nothing is told to whom we do not trust");
    world.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_nobody_listens_on_is_a_network_error_at_once() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let world = World::start(Plan { contacts: 2, ..over("tcp", closed, 26_200) }).await;
    let ended = first_ended(&world).await;
    assert_eq!(ended.outcome, Some(Outcome::NetworkError));
    let reason = ended.sip_reason.unwrap();
    assert_eq!(
        reason,
        format!("no connection to {closed} over TCP: connection refused: nobody listens there")
    );
    let took = ended.ended_at.unwrap().duration_since(ended.dialled_at);
    assert!(took.as_secs() < 2, "{took:?}");
    world.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_survive_a_reset_connection_and_are_hung_up_over_a_new_one() {
    let far = FarEnd::start(Manner::Answer(None), None);
    let world = World::start(Plan { contacts: 5, ..over("tcp", far.addr(), 26_600) }).await;
    until(async || (far.record().acked == 5).then_some(())).await;
    far.reset();
    // The bot hangs up when it has said everything.
    world.completed().await;
    for attempt in world.attempts().await {
        assert_eq!(attempt.outcome, Some(Outcome::Completed), "{attempt:?}");
        assert_eq!(attempt.hangup_by, Some(HangupBy::Bot));
    }
    until(async || (far.record().hung_up_there == 5).then_some(())).await;
    let record = far.record();
    assert_eq!((record.connections, record.invites.len()), (2, 5));
    world.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_far_end_may_connect_to_us_when_the_configuration_says_so() {
    let far = FarEnd::start(Manner::Answer(None), None);
    let plan = Plan {
        contacts: 3,
        sip_tcp_listen: Some("127.0.0.1:0".parse().unwrap()),
        ..over("tcp", far.addr(), 27_000)
    };
    let world = World::start(plan).await;
    until(async || (far.record().acked == 3).then_some(())).await;
    let ours = world.engine.sip_tcp_addr().unwrap();
    let invite = far.record().last_invite;
    let contact = invite.lines().find(|line| line.starts_with("Contact:")).unwrap();
    assert!(contact.contains(&format!("{ours};transport=tcp")), "{contact}");
    far.reset();
    far.hang_up();
    world.completed().await;
    for attempt in world.attempts().await {
        assert_eq!(attempt.hangup_by, Some(HangupBy::Callee), "{attempt:?}");
    }
    until(async || (far.record().hung_up_here == 3).then_some(())).await;
    assert_eq!(far.record().connections, 1, "ours was reset, the BYE came over theirs");
    world.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_ends_live_calls_over_tls() {
    let (authority, dir) = (Authority::new(), tempfile::tempdir().unwrap());
    let server = || authority.server(&["127.0.0.1"], Flaw::None);
    for manner in [Manner::Answer(None), Manner::Ring] {
        let far = FarEnd::start(manner, Some(server()));
        let plan = Plan {
            contacts: 8,
            sip_ca_file: Some(authority.file(&dir)),
            ..over("tls", far.addr(), 27_400)
        };
        let world = World::start(plan).await;
        until(async || (far.record().invites.len() == 8).then_some(())).await;
        until(async || {
            let rows = world.attempts().await;
            let reached =
                rows.iter().filter(|row| row.answered_at.is_some() || row.ringing_at.is_some());
            (reached.count() == 8).then_some(())
        })
        .await;
        let World { store, engine, campaign, .. } = world;
        engine.shutdown().await;
        let rows = attempts(&store, campaign).await;
        assert!(rows.iter().all(|attempt| attempt.ended_at.is_some()), "{rows:?}");
        assert_eq!(far.record().ended(), 8, "every phone was hung up: {:?}", far.record());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirection_is_followed_to_the_same_callee_only() {
    let (elsewhere, dir) = carrier(json!({"busy": 1.0}));
    // The first contact's number; the others are sent to it too.
    let contact = format!("<sip:+919812301000@{};transport=udp>", elsewhere.addr());
    let far = FarEnd::start(Manner::Redirect(contact), None);
    let world = World::start(Plan { contacts: 3, ..over("tcp", far.addr(), 27_800) }).await;
    world.completed().await;
    for attempt in world.attempts().await {
        let expected = match attempt.phone.to_string().as_str() {
            "+919812301000" => (Some(Outcome::Busy), Some(486)),
            _ => (Some(Outcome::Unreachable), Some(302)),
        };
        assert_eq!((attempt.outcome, attempt.sip_code), expected, "{attempt:?}");
    }
    world.engine.shutdown().await;
    let record = record(elsewhere, &dir);
    assert_eq!(record.len(), 1, "nobody is called at another's number");
    assert_eq!(record[0].callee, "+919812301000");
}
