//! Carriers on other lines than a good one over IPv4: what the figures of a call say of a bad
//! line, and calls over IPv6.

use std::{
    io::{BufRead, BufReader, Read},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    process::Stdio,
    time::Duration,
};

use campanile_carrier::{BadLine, CarrierConfig, Impairment, Line, Mix, Passed, Range, SimCarrier};
use campanile_domain::{attempt::Audio, ids::AttemptId};
use campanile_store::Store;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use crate::server::{Process, Server, binary, contacts, open_campaign, text};

/// Audio that is lost, uneven, out of order and doubled (design/reliability.md, F4).
const BAD: Impairment = Impairment {
    loss: 0.2,
    burst: None,
    duplicate: 0.05,
    reorder: 0.05,
    delay_ms: 10,
    jitter_ms: 100,
};
const CALLS: usize = 12;
const TALK_SECONDS: f64 = 8.0;

/// Everybody answers, talks for so long and hangs up.
fn talkers(ip: IpAddr, talk_seconds: f64, record: std::path::PathBuf) -> CarrierConfig {
    let mix = Mix {
        answer: 1.0,
        ring_out: 0.0,
        busy: 0.0,
        rejected: 0.0,
        not_found: 0.0,
        unavailable_480: 0.0,
        congestion_503: 0.0,
        voicemail: 0.0,
        silent: 0.0,
        vanish: 0.0,
        ring_seconds: Range(0.1, 0.3),
        talk_seconds: Range(talk_seconds, talk_seconds),
        hangs_up: 1.0,
        ..Mix::default()
    };
    let sip = SocketAddr::new(ip, 0);
    CarrierConfig { sip, seed: 4, mix, record: Some(record), time_scale: 1.0, auth: None }
}

fn listen() -> Value {
    json!({ "start": "on", "steps": { "on": { "listen": { "seconds": 60.0 }, "next": "on" } } })
}

/// Calls so many contacts at this carrier; the attempts, all of them completed.
async fn dialled(server: &Server, carrier: Value, port: u16, count: usize) -> Vec<String> {
    let (number, bot) = server.setup(port, carrier, listen()).await;
    let mut settings = open_campaign("a line", &number, &bot);
    settings["retry_on_system"] = json!([]);
    let campaign = text(&server.call("POST", "/campaigns", settings).await["id"]);
    server.upload(&campaign, contacts(count)).await;
    server.call("POST", &format!("/campaigns/{campaign}/start"), Value::Null).await;
    server.wait_completed(&campaign, Duration::from_secs(60)).await;
    let rows = server.report(&campaign).await;
    assert_eq!(rows.len(), count, "{rows:#?}");
    for row in &rows {
        let ended = (&*row["outcome"], &*row["hangup_by"]);
        assert_eq!(ended, ("completed", "callee"), "{row:#?}");
    }
    rows.into_iter().map(|row| row["attempt_id"].clone()).collect()
}

#[tokio::test]
async fn the_figures_of_a_call_on_a_bad_line_are_those_of_the_line() {
    let dir = tempfile::tempdir().unwrap();
    let loopback = Ipv4Addr::LOCALHOST.into();
    let config = talkers(loopback, TALK_SECONDS, dir.path().join("record"));
    let line = BadLine { audio: BAD, ..BadLine::default() };
    let carrier = SimCarrier::start_on(config, line).unwrap();
    let mut server = Server::start(dir.path());
    let ids = dialled(&server, json!({}), carrier.addr().port(), CALLS).await;
    server.process.terminate();
    let Passed { signals, audio } = carrier.passed();
    assert_eq!((signals.there.lost, signals.back.lost), (0, 0), "SIP was not to suffer");

    let store = Store::open(dir.path()).unwrap();
    let mut heard: Vec<Audio> = Vec::new();
    for id in ids {
        let id: AttemptId = id.parse().unwrap();
        heard.push(store.attempt(id).await.unwrap().media.expect("it was counted"));
    }
    let sum = |of: fn(&Audio) -> u32| heard.iter().map(|each| f64::from(of(each))).sum::<f64>();
    let (received, lost) = (sum(|each| each.heard.received), sum(|each| each.heard.lost));
    let [told, true_loss] =
        [lost / (received + lost), audio.back.lost as f64 / audio.back.came as f64];
    assert!((told - true_loss).abs() < 0.01, "told {told:.4}, lost {true_loss:.4}: {heard:#?}");
    let [told, copies] = [
        sum(|each| each.heard.duplicates) / received,
        audio.back.copies as f64 / (audio.back.came - audio.back.lost) as f64,
    ];
    assert!((told - copies).abs() < 0.01, "told {told:.4}, doubled {copies:.4}: {heard:#?}");
    let jitter = heard.iter().map(|each| f64::from(each.heard.jitter_ms)).sum::<f64>();
    let (jitter, expected) = (jitter / CALLS as f64, jitter_of_such_a_line());
    assert!((jitter / expected - 1.0).abs() < 0.3, "{jitter:.1} ms is not {expected:.1} ms");
    for each in &heard {
        let mos = each.heard.mos.expect("enough was heard to tell");
        assert!((1.0..3.0).contains(&mos), "a fifth lost sounds bad: {each:#?}");
    }
    // No stall: the bot's own audio went on in its time.
    let sent = sum(|each| each.sent + each.skipped) / CALLS as f64;
    assert!((sent / (TALK_SECONDS * 50.0) - 1.0).abs() < 0.1, "{sent} frames: {heard:#?}");
}

/// What RFC 3550 A.8 makes of packets that are lost and late as `BAD` says, in the mean.
fn jitter_of_such_a_line() -> f64 {
    let mut rng = StdRng::seed_from_u64(1);
    let streams = 200;
    let ends = (0..streams).map(|_| {
        let (mut arrivals, mut last) = (Vec::new(), 0.0_f64);
        for nth in 0..400 {
            let sent = f64::from(nth) * 20.0;
            let [lost, overtaken, late] = std::array::from_fn(|_| rng.random::<f64>());
            if lost < BAD.loss {
                continue;
            }
            let at = sent + f64::from(BAD.delay_ms) + f64::from(BAD.jitter_ms) * late;
            if overtaken < BAD.reorder {
                arrivals.push((at + 30.0, sent));
            } else {
                last = last.max(at);
                arrivals.push((last, sent));
            }
        }
        arrivals.sort_by(|one, other| one.0.total_cmp(&other.0));
        arrivals.windows(2).fold(0.0, |jitter, pair| {
            let [before, now] = [pair[0].0 - pair[0].1, pair[1].0 - pair[1].1];
            jitter + ((now - before).abs() - jitter) / 16.0
        })
    });
    ends.sum::<f64>() / f64::from(streams)
}

#[tokio::test]
async fn a_carrier_of_ours_can_be_put_on_a_bad_line() {
    let dir = tempfile::tempdir().unwrap();
    let record = dir.path().join("record");
    let mix = dir.path().join("mix.json");
    let sure = talkers(Ipv4Addr::LOCALHOST.into(), 1.0, record.clone()).mix;
    std::fs::write(&mix, serde_json::to_string(&sure).unwrap()).unwrap();
    let mut carrier = Process(
        binary()
            .args(["carrier", "--sip", "127.0.0.1:0", "--seed", "9"])
            .args(["--impair", "loss=0.1,duplicate=0.1,delay_ms=5,jitter_ms=30"])
            .args(["--mix".as_ref(), mix.as_os_str(), "--record".as_ref(), record.as_os_str()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut lines = BufReader::new(carrier.0.stdout.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    let addr: SocketAddr = line.strip_prefix("sip  udp ").unwrap().parse().unwrap();
    let server = Server::start(dir.path());
    dialled(&server, json!({}), addr.port(), 20).await;
    carrier.terminate();
    let mut said = String::new();
    carrier.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    let passed = said.lines().find_map(|line| line.strip_prefix("line ")).expect(&said);
    let passed: Value = serde_json::from_str(passed).unwrap();
    for (what, way) in [("signals", "there"), ("signals", "back"), ("audio", "back")] {
        let counts = &passed[what][way];
        let [lost, copies] = ["lost", "copies"].map(|name| counts[name].as_u64().unwrap());
        assert!(lost > 0 && copies > 0, "{what} {way}: {counts}");
    }
    let record = std::fs::read_to_string(record).unwrap();
    assert_eq!(record.lines().count(), 20, "nobody was called twice: {record}");
}

#[tokio::test]
async fn a_carrier_on_ipv6_is_called_over_ipv6() {
    let loopback = IpAddr::V6(Ipv6Addr::LOCALHOST);
    if let Err(error) = UdpSocket::bind((loopback, 0)) {
        eprintln!("not tested: this machine has no IPv6 loopback ({error})");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let record = dir.path().join("record");
    let carrier = SimCarrier::start(talkers(loopback, 1.0, record.clone())).unwrap();
    let speaks = ["--sip", "[::1]:0", "--public-address", "::1"];
    let server = Server::start_with(dir.path(), &speaks);
    assert_eq!(server.sip.ip(), loopback);
    dialled(&server, json!({ "host": "::1" }), carrier.addr().port(), 4).await;
    carrier.stop();
    let text = std::fs::read_to_string(record).unwrap();
    let lines: Vec<Line> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4);
    for line in lines {
        assert!(line.acked_at.is_some() && line.rtp_in > 10, "heard the bot: {line:#?}");
    }
}
