//! The whole engine on real sockets, against the simulated carrier; the carrier's own
//! record is the judge.

#[path = "calls/world.rs"]
mod world;

use std::{collections::BTreeSet, time::Duration};

use campanile_carrier::Fate;
use campanile_domain::{
    contact::ContactState,
    outcome::{HangupBy, Outcome},
    settings::Settings,
};
use campanile_engine::Flow;
use campanile_store::rows::{Actor, Attempt};
use jiff::Timestamp;
use serde_json::json;
use world::{Plan, World, attempts, carrier, carrier_at, record, until};

fn me() -> Actor {
    Actor { id: "usr_test".into(), name: "Test".into() }
}

fn disposition(attempt: &Attempt) -> Option<&str> {
    attempt.result.as_ref().map(|result| result.disposition.as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_is_dialled_to_its_end_and_the_carriers_record_agrees() {
    let (carrier, dir) = carrier(json!({
        "answer": 12.0, "busy": 4.0, "not_found": 4.0, "rejected": 2.0,
        "presses_key": 1.0, "keys": "1", "press_after_seconds": [0.5, 1.0],
        "hangs_up": 1.0, "talk_seconds": [2.0, 3.0],
    }));
    let world = World::start(Plan::through(carrier.addr(), 21_000)).await;
    world.completed().await;

    let attempts = world.attempts().await;
    assert_eq!(attempts.len(), 20, "one attempt a contact");
    let answered = attempts.iter().find(|attempt| attempt.answered_at.is_some()).unwrap();
    let ladder = world.engine.ladder(answered.id).await;
    let told: Vec<_> = ladder
        .iter()
        .map(|message| (message.flow, message.first_line.split(' ').next().unwrap()))
        .collect();
    assert_eq!(told.first(), Some(&(Flow::Sent, "INVITE")), "{told:?}");
    assert!(told.contains(&(Flow::Received, "SIP/2.0")), "{told:?}");
    assert!(told.iter().any(|(_, line)| *line == "BYE"), "{told:?}");
    assert!(world.engine.ladder(campanile_domain::ids::AttemptId(1)).await.is_empty());
    let load = world.engine.load();
    assert_eq!((load.calls, load.rtp_ports_used, load.rtp_ports), (0, 0, 200));
    world.engine.shutdown().await;

    let record = record(carrier, &dir);
    assert_eq!(record.len(), attempts.len(), "every INVITE has its attempt row");
    let mut call_ids = BTreeSet::new();
    for line in &record {
        let of = |attempt: &&Attempt| line.call_id.starts_with(&format!("{}.1@", attempt.id));
        let attempt = attempts.iter().find(of).expect("no INVITE without an attempt");
        assert!(call_ids.insert(&line.call_id), "dialled twice: {}", line.call_id);
        assert_eq!(line.callee, attempt.phone.to_string());
        assert_eq!(line.caller, "+912240001000");
        assert_eq!(line.code, attempt.sip_code, "{attempt:?}");
        let expected = match line.fate {
            Fate::Answer => Outcome::Completed,
            Fate::Busy => Outcome::Busy,
            Fate::NotFound => Outcome::InvalidNumber,
            Fate::Rejected => Outcome::Rejected,
            other => panic!("not in the mix: {other:?}"),
        };
        assert_eq!(attempt.outcome, Some(expected));
        assert!(attempt.ended_at.is_some());
        if line.fate == Fate::Answer {
            assert_eq!(line.key, Some('1'));
            assert_eq!(disposition(attempt), Some("interested"));
            assert_eq!(attempt.hangup_by, Some(HangupBy::Callee));
            let (answered, heard) = (attempt.answered_at, attempt.first_bot_audio_at);
            let wait = heard.unwrap().duration_since(answered.unwrap());
            assert!(wait.as_millis() < 1_000, "the bot spoke after {wait:?}");
            // Two to three seconds at 50 packets a second, both ways.
            assert!((80..=170).contains(&line.rtp_in), "{line:?}");
            assert!(line.rtp_out > 80, "{line:?}");
        }
    }
    let fates: BTreeSet<_> = record.iter().map(|line| format!("{:?}", line.fate)).collect();
    assert!(fates.len() >= 3, "the mix should show several fates: {fates:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bot_hangs_up_when_it_has_said_everything() {
    let (carrier, dir) = carrier(json!({
        "answer": 1.0, "presses_key": 1.0, "keys": "9", "press_after_seconds": [0.2, 0.3],
        "hangs_up": 0.0,
    }));
    let plan = Plan { contacts: 3, ..Plan::through(carrier.addr(), 21_400) };
    let world = World::start(plan).await;
    world.completed().await;
    for attempt in world.attempts().await {
        assert_eq!(attempt.hangup_by, Some(HangupBy::Bot), "{attempt:?}");
        assert_eq!(disposition(&attempt), Some("opt_out"));
        // 3.2 s of prompt after the key.
        let talk = attempt.ended_at.unwrap().duration_since(attempt.answered_at.unwrap());
        assert!((3_000..6_000).contains(&talk.as_millis()), "{talk:?}");
    }
    world.engine.shutdown().await;
    for line in record(carrier, &dir) {
        assert_eq!(line.bye_by, Some(campanile_carrier::Side::Caller));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_lets_no_invite_leave_and_resume_goes_on() {
    let (carrier, dir) = carrier(json!({"rejected": 1.0}));
    let plan = Plan {
        contacts: 200,
        carrier_settings: json!({"cps": 25, "burst": 1}),
        ..Plan::through(carrier.addr(), 21_800)
    };
    let world = World::start(plan).await;
    until(async || (carrier.summary().invites >= 10).then_some(())).await;
    world.store.pause(world.campaign, me(), Timestamp::now()).await.unwrap();
    // No row is written after that commit, and no INVITE leaves without a row.
    let rows = world.attempts().await.len();
    assert!(rows < 200);
    let still = until(async || {
        let attempts = world.attempts().await;
        let ended = attempts.iter().all(|attempt| attempt.ended_at.is_some());
        let given_back = world.campaign().await.count(ContactState::Leased) == 0;
        (ended && given_back).then_some(attempts.len())
    })
    .await;
    assert_eq!(still, rows);
    assert!(carrier.summary().invites <= rows as u64);
    until(async || {
        let view = world.live.latest(world.campaign)?;
        (view.reason.code == campanile_domain::why::ReasonCode::Paused).then_some(())
    })
    .await;
    world.store.resume(world.campaign, me(), Timestamp::now()).await.unwrap();
    world.completed().await;
    let sent = world.attempts().await;
    // An attempt whose row was written just before the pause is never sent, and dialled
    // under a number of its own later.
    let invites = sent.iter().filter(|attempt| attempt.sip_code.is_some()).count();
    assert_eq!(invites, 200);
    world.engine.shutdown().await;
    let record = record(carrier, &dir);
    assert_eq!(record.len(), invites);
    let numbers: BTreeSet<_> = record.iter().map(|line| &line.callee).collect();
    assert_eq!(numbers.len(), 200, "nobody was lost, nobody called twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_ends_live_calls_and_leaves_nothing_leased() {
    let (carrier, dir) = carrier(json!({
        "answer": 10.0, "ring_out": 5.0, "presses_key": 0.0, "hangs_up": 0.0,
    }));
    let plan = Plan {
        contacts: 40,
        settings: Settings { max_attempts: 3, concurrency: 30, ..Settings::default() },
        drain: Duration::from_millis(300),
        ..Plan::through(carrier.addr(), 22_200)
    };
    let world = World::start(plan).await;
    until(async || {
        let attempts = world.attempts().await;
        let talking = attempts.iter().filter(|attempt| attempt.bot_attached_at.is_some());
        (talking.count() >= 3 && carrier.summary().invites >= 15).then_some(())
    })
    .await;
    let World { store, engine, campaign, .. } = world;
    engine.shutdown().await;

    let rows = attempts(&store, campaign).await;
    assert!(rows.iter().all(|attempt| attempt.ended_at.is_some()), "{rows:?}");
    let outcomes: BTreeSet<_> = rows.iter().map(|attempt| attempt.outcome.unwrap()).collect();
    assert!(outcomes.contains(&Outcome::Completed), "{outcomes:?}");
    assert!(!outcomes.contains(&Outcome::Unknown), "{outcomes:?}");
    let counts = store.campaign(campaign).await.unwrap().counts;
    for (state, count) in counts {
        let active = [
            ContactState::Leased,
            ContactState::Dialling,
            ContactState::Ringing,
            ContactState::InProgress,
        ];
        assert!(count == 0 || !active.contains(&state), "{count} contacts are {state:?}");
    }
    assert_eq!(carrier.summary().calls_now, 0, "every phone was hung up");
    for line in record(carrier, &dir) {
        assert!(line.bye_at.is_some() || line.cancelled_at.is_some(), "{line:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_that_is_not_there_is_a_network_error_at_once() {
    let closed = {
        let probe = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        probe.local_addr().unwrap()
    };
    let plan = Plan { contacts: 2, ..Plan::through(closed, 22_600) };
    let world = World::start(plan).await;
    let ended = until(async || {
        world.attempts().await.into_iter().find(|attempt| attempt.ended_at.is_some())
    })
    .await;
    assert_eq!((ended.outcome, ended.sip_code), (Some(Outcome::NetworkError), None));
    let took = ended.ended_at.unwrap().duration_since(ended.dialled_at);
    assert!(took.as_secs() < 20, "found out before Timer B: {took:?}");
    world.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_whose_name_does_not_resolve_is_a_network_error_in_words() {
    let plan = Plan::through("127.0.0.1:5060".parse().unwrap(), 23_000);
    let plan = Plan { contacts: 1, carrier: ("carrier.invalid".into(), Some(5060)), ..plan };
    let world = World::start(plan).await;
    let ended = until(async || {
        world.attempts().await.into_iter().find(|attempt| attempt.ended_at.is_some())
    })
    .await;
    assert_eq!(ended.outcome, Some(Outcome::NetworkError));
    let reason = ended.sip_reason.unwrap();
    assert!(reason.contains("carrier.invalid"), "{reason}");
    world.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_sends_no_audio_is_hung_up_after_the_limit() {
    let (carrier, _dir) = carrier(json!({"silent": 1.0, "hangs_up": 0.0}));
    let settings = Settings { no_media_seconds: 2, max_attempts: 1, ..Settings::default() };
    let plan = Plan { contacts: 2, settings, ..Plan::through(carrier.addr(), 23_400) };
    let world = World::start(plan).await;
    world.completed().await;
    for attempt in world.attempts().await {
        assert_eq!(attempt.hangup_by, Some(HangupBy::Dialler), "{attempt:?}");
        let talk = attempt.ended_at.unwrap().duration_since(attempt.answered_at.unwrap());
        assert!((2_000..5_000).contains(&talk.as_millis()), "{talk:?}");
    }
    world.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_rings_out_is_taken_back_at_the_ring_timeout() {
    let (carrier, dir) = carrier(json!({"ring_out": 1.0}));
    let settings = Settings {
        ring_timeout_seconds: 15,
        max_attempts: 1,
        retry_on_system: Vec::new(),
        ..Settings::default()
    };
    let plan = Plan { contacts: 1, settings, ..Plan::through(carrier.addr(), 23_800) };
    let world = World::start(plan).await;
    world.completed().await;
    let attempt = &world.attempts().await[0];
    assert_eq!((attempt.outcome, attempt.sip_code), (Some(Outcome::NoAnswer), Some(487)));
    assert_eq!(attempt.hangup_by, Some(HangupBy::Dialler));
    world.engine.shutdown().await;
    assert!(record(carrier, &dir)[0].cancelled_at.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_their_audio_pass_over_both_families() {
    for (ours, theirs, first_port) in [
        ("[::]:0", "127.0.0.1:0", 24_600),
        ("[::]:0", "[::1]:0", 24_600),
        ("[::1]:0", "[::1]:0", 24_600),
    ] {
        let (carrier, dir) = carrier_at(
            theirs.parse().unwrap(),
            json!({
                "answer": 1.0, "presses_key": 1.0, "keys": "1", "press_after_seconds": [0.2, 0.3],
                "hangs_up": 1.0, "talk_seconds": [0.8, 1.0],
            }),
        );
        let plan = Plan {
            contacts: 2,
            sip: ours.parse().unwrap(),
            ..Plan::through(carrier.addr(), first_port)
        };
        let world = World::start(plan).await;
        world.completed().await;
        for attempt in world.attempts().await {
            // The key was heard, so audio passes both ways.
            assert_eq!(disposition(&attempt), Some("interested"), "{ours} {theirs}: {attempt:?}");
        }
        world.engine.shutdown().await;
        for line in record(carrier, &dir) {
            assert!(line.rtp_in > 20, "{line:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_engine_cannot_take_the_same_sip_address() {
    let (carrier, _dir) = carrier(json!({"busy": 1.0}));
    let world = World::start(Plan { contacts: 1, ..Plan::through(carrier.addr(), 24_200) }).await;
    let config = campanile_engine::EngineConfig {
        sip: world.engine.sip_addr(),
        sip_tcp_listen: None,
        sip_ca_file: None,
        public_address: campanile_engine::PublicAddress::Auto,
        rtp_ports: 24_200..=24_599,
        max_calls: 10,
        daily_limits: Default::default(),
        drain: Duration::ZERO,
        options_after: Duration::ZERO,
        dns_servers: Vec::new(),
    };
    let store = campanile_store::Store::open_temporary().unwrap();
    let refused = campanile_engine::Engine::start(config, store, Default::default()).await;
    let Err(error) = refused else { panic!("two engines on one address") };
    assert!(error.to_string().starts_with("SIP cannot listen on 127.0.0.1:"), "{error}");
    world.engine.shutdown().await;
}
