//! Calls that end otherwise than they began: no audio that can be agreed, a callee who holds
//! or leaves at once, a connection that breaks, or never comes about.

use std::{
    net::{Ipv4Addr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    Authority, Scenario, Stage, Transport,
    peer::{AS_SDP, Ear, Peer},
};
use crate::{
    far_end::sdp,
    server::{open_campaign, text},
};

const COMPLETED: (&str, &str) = ("completed", "200");

pub(super) fn all() -> Vec<Scenario> {
    let mut all = vec![
        Scenario::new("200 with encrypted audio alone", ("unreachable", "200"), |far| {
            let ear = Ear::new();
            let media = format!(
                "m=audio {} RTP/SAVP 8\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 \
                 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n",
                ear.port()
            );
            let invite = far.expect("INVITE");
            far.send(invite.answer("200 OK", &format!("{}{AS_SDP}", far.contact()), &sdp(&media)));
            far.expect("ACK");
            let bye = far.expect("BYE");
            assert!(bye.header("Reason").starts_with("SIP ;cause=488"), "{}", bye.text());
            far.say(&bye, "200 OK");
            ear.heard_nothing();
        })
        .listens()
        .hung_up_by("dialler"),
        Scenario::new("BYE right behind the ACK", COMPLETED, |far| {
            far.answers();
            far.hangs_up();
        })
        .listens()
        .hung_up_by("callee"),
        Scenario::new("a connection that breaks while it rings", ("network_error", ""), |far| {
            let invite = far.expect("INVITE");
            far.say(&invite, "180 Ringing");
            far.breaks_off();
            // It says so over a new one; the callee has answered meanwhile.
            let cancel = far.expect("CANCEL");
            far.say(&cancel, "200 OK");
            far.accept(&invite);
            far.expect("ACK");
            far.is_hung_up();
        })
        .over_tcp()
        .hung_up_by("carrier"),
    ];
    for direction in ["sendonly", "inactive"] {
        let name = format!("200 that holds from the start: {direction}");
        let held = Scenario::new(name, COMPLETED, move |far| {
            let ear = Ear::new();
            let media = format!("m=audio {} RTP/AVP 8\r\na={direction}\r\n", ear.port());
            let invite = far.expect("INVITE");
            far.send(invite.answer("200 OK", &format!("{}{AS_SDP}", far.contact()), &sdp(&media)));
            far.expect("ACK");
            far.is_hung_up();
            ear.heard_nothing();
        });
        let limit = json!({ "no_media_seconds": 2 });
        all.push(held.settings(limit).listens().hung_up_by("dialler"));
    }
    all
}

/// A carrier that cannot be connected to was not asked anything: the call goes on through the
/// next of its pool at once, and the operator reads why.
pub(super) async fn hand_on_what_never_left() {
    let stage = Stage::new().await;
    // Nobody takes connections from a listener that is gone; its port is not given out again
    // before long.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let closed = listener.local_addr().unwrap().port();
    drop(listener);
    // An authority that the dialler has never heard of.
    let certificate = Authority::new().proves("127.0.0.1");
    let mut unproven = Peer::at(Ipv4Addr::LOCALHOST.into(), Transport::Tls(certificate));
    let shown = unproven.addr().port();
    let over = Arc::new(AtomicBool::new(false));
    let ends = Arc::clone(&over);
    let unproven = std::thread::spawn(move || unproven.stays(&ends));
    for (index, (transport, port, why)) in
        [("tcp", closed, "connection refused"), ("tls", shown, "certificate")]
            .into_iter()
            .enumerate()
    {
        let mut far = Peer::new();
        let next = far.addr().port();
        let far = std::thread::spawn(move || {
            let invite = far.answers();
            far.is_hung_up();
            invite.call_id()
        });
        let server = &stage.server;
        let mut numbers = Vec::new();
        for (order, (transport, port)) in [(transport, port), ("udp", next)].into_iter().enumerate()
        {
            let carrier = json!({
                "name": format!("{index}: {order}"), "host": "127.0.0.1", "port": port,
                "transport": transport, "cps": 50.0, "burst": 5, "channels": 10,
            });
            let carrier = server.call("POST", "/carriers", carrier).await;
            let number = json!({ "e164": format!("+9122402{index}000{order}"), "carrier_id": carrier["id"] });
            numbers.push(server.call("POST", "/numbers", number).await["id"].clone());
        }
        let mut campaign = open_campaign(&format!("on from {transport}"), "", &stage.hangs_up);
        campaign["number_ids"] = Value::Array(numbers);
        campaign["retry_on_system"] = json!([]);
        let campaign = text(&server.call("POST", "/campaigns", campaign).await["id"]);
        server.upload(&campaign, format!("phone_number\n+91983010{index:04}\n")).await;
        server.call("POST", &format!("/campaigns/{campaign}/start"), Value::Null).await;
        server.wait_completed(&campaign, Duration::from_secs(60)).await;
        let rows = server.report(&campaign).await;
        let [row] = &rows[..] else { panic!("not one attempt: {rows:#?}") };
        assert_eq!((&*row["outcome"], &*row["sip_code"]), COMPLETED, "{row:#?}");
        assert_eq!(row["carrier"], format!("{index}: 1"), "{row:#?}");
        let call_id = far.join().unwrap();
        assert!(call_id.contains(".2@"), "the second carrier of one attempt: {call_id}");
        let carriers = server.get("/carriers").await.to_string();
        assert!(carriers.contains(why), "{why}: {carriers}");
    }
    over.store(true, Ordering::Relaxed);
    unproven.join().unwrap();
}
