//! Registrations (RFC 3261 10) and pings (RFC 3261 11).

use std::time::Duration;

use super::{
    by_hand::{ByHand, answer, branch, header, headers, what},
    net::End,
};
use crate::{
    digest::verify,
    time::Time,
    ua::{Auth, Peer, Ping, PingKey, Refused, Registration, RegistrationEvent, RegistrationKey},
};

const SECOND: Duration = Duration::from_secs(1);
const ASK: &str = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n";

fn registration() -> Registration {
    Registration {
        to: Peer::udp(End::Callee.addr()),
        route: Vec::new(),
        registrar: "sip:carrier.example".to_owned(),
        address_of_record: "sip:u@carrier.example".to_owned(),
        contact: End::Caller.addr(),
        auth: Some(Auth { username: "u".to_owned(), password: "p".to_owned(), realm: None }),
        expires: 3_600,
    }
}

/// A registration whose first REGISTER is on the way.
fn asked(registration: Registration) -> (ByHand, RegistrationKey, String) {
    let mut far = ByHand::new();
    let key = far.agent.register(far.now, registration).unwrap();
    let register = far.one();
    (far, key, register)
}

/// One that the carrier agreed to.
fn registered() -> (ByHand, RegistrationKey, String) {
    let (mut far, key, register) = asked(registration());
    far.receive(answer(&register, 200, "x", "Expires: 3600\r\n"));
    assert!(matches!(event(&mut far), RegistrationEvent::Registered { .. }));
    (far, key, register)
}

fn event(far: &mut ByHand) -> RegistrationEvent {
    let (_, event) = far.agent.poll_registration().expect("something happened");
    assert_eq!(far.agent.poll_registration(), None, "and only that");
    event
}

/// Lets time pass until something is sent; what, and after how long.
fn next(far: &mut ByHand) -> (Duration, String) {
    let began = far.now;
    loop {
        far.now = far.agent.poll_timeout().expect("something is to come");
        far.agent.handle_timeout(far.now);
        if let Some(sent) = far.taken().pop() {
            return (far.now - began, sent);
        }
    }
}

fn failed(event: RegistrationEvent) -> (Option<u16>, String, Time) {
    match event {
        RegistrationEvent::Failed { code, why, again } => (code, why, again),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_registration_says_who_and_where_and_is_proved_when_asked() {
    let route = vec!["sip:192.0.2.2;lr".to_owned()];
    let (mut far, key, register) = asked(Registration { route, ..registration() });
    insta::assert_snapshot!(
        register.replace("\r\n", "\n").replace(env!("CARGO_PKG_VERSION"), "VERSION")
    );
    far.receive(answer(&register, 401, "x", ASK));
    let again = far.one();
    assert_eq!(what(&again), "REGISTER 2");
    assert_ne!(branch(&again), branch(&register));
    for name in ["Call-ID", "From", "To", "Contact"] {
        assert_eq!(header(&again, name), header(&register, name), "{name}");
    }
    assert!(verify(header(&again, "Authorization"), "REGISTER", "n", "u", "p"), "{again}");
    assert_eq!(far.agent.poll_registration(), None);
    far.receive(answer(&again, 200, "x", "Expires: 600\r\n"));
    let until = far.now + 600 * SECOND;
    assert_eq!(far.agent.poll_registration(), Some((key, RegistrationEvent::Registered { until })));
}

#[test]
fn the_time_granted_to_our_own_contact_counts_and_is_not_used_up() {
    for (said, seconds) in [
        ("Contact: <sip:u@192.0.2.1:5060>;expires=60\r\nExpires: 900\r\n", 60),
        ("m: <sip:o@203.0.113.1>;expires=30, <sip:u@192.0.2.1>;expires=120\r\n", 120),
        ("Contact: <sip:u@192.0.2.1:5060>\r\nExpires: 900\r\n", 900),
        ("Contact: <sip:u@203.0.113.1>;expires=30\r\n", 3_600),
        ("", 3_600),
    ] {
        let (mut far, _, register) = asked(registration());
        far.receive(answer(&register, 200, "x", said));
        let until = far.now + seconds * SECOND;
        assert_eq!(event(&mut far), RegistrationEvent::Registered { until }, "{said}");
        let (after, again) = next(&mut far);
        let share = after.as_secs_f64() / f64::from(seconds);
        assert!((0.6..=0.8).contains(&share), "{said}: refreshed after {share} of it");
        assert_eq!(what(&again), "REGISTER 2");
        assert_eq!(header(&again, "Call-ID"), header(&register, "Call-ID"));
    }
}

#[test]
fn refreshes_use_the_nonce_again_until_it_is_too_old() {
    let (mut far, _, register) = asked(registration());
    far.receive(answer(&register, 401, "x", ASK));
    let proved = far.one();
    far.receive(answer(&proved, 200, "x", ""));
    event(&mut far);
    let (_, refresh) = next(&mut far);
    let proof = header(&refresh, "Authorization");
    assert!(verify(proof, "REGISTER", "n", "u", "p") && proof.contains("nc=00000002"), "{proof}");
    let stale = ASK.replace("\"n\"", "\"n2\", stale=true");
    far.receive(answer(&refresh, 401, "x", &stale));
    let again = far.one();
    assert!(verify(header(&again, "Authorization"), "REGISTER", "n2", "u", "p"));
    far.receive(answer(&again, 200, "x", ""));
    assert!(matches!(event(&mut far), RegistrationEvent::Registered { .. }));
}

#[test]
fn a_wrong_password_is_told_and_not_tried_at_once() {
    let (mut far, _, register) = asked(registration());
    far.receive(answer(&register, 401, "x", ASK));
    let proved = far.one();
    far.receive(answer(&proved, 401, "x", ASK));
    assert_eq!(far.taken(), [""; 0]);
    let (code, why, again) = failed(event(&mut far));
    assert_eq!((code, why.as_str()), (Some(401), "Whatever"));
    assert!(again - far.now >= 15 * SECOND);
    let (mut far, _, register) = asked(Registration { auth: None, ..registration() });
    far.receive(answer(&register, 407, "x", &ASK.replace("WWW", "Proxy")));
    assert_eq!(failed(event(&mut far)).0, Some(407));
}

#[test]
fn a_423_is_asked_again_for_longer() {
    let (mut far, _, register) = asked(Registration { expires: 60, ..registration() });
    assert_eq!(header(&register, "Expires"), "60");
    far.receive(answer(&register, 423, "x", "Min-Expires: 300\r\n"));
    let again = far.one();
    assert_eq!((what(&again).as_str(), header(&again, "Expires")), ("REGISTER 2", "300"));
    far.receive(answer(&again, 423, "x", "Min-Expires: 300\r\n"));
    assert_eq!(failed(event(&mut far)).0, Some(423), "it got what it wanted");
}

#[test]
fn failures_are_tried_again_ever_later_and_as_the_carrier_says() {
    let (mut far, _, mut register) = asked(registration());
    let mut waits = Vec::new();
    for _ in 0..10 {
        far.receive(answer(&register, 503, "x", ""));
        let (code, _, again) = failed(event(&mut far));
        assert_eq!(code, Some(503));
        let (after, sent) = next(&mut far);
        assert_eq!(far.now, again);
        waits.push(after.as_secs());
        register = sent;
    }
    assert!((15..=30).contains(&waits[0]), "{waits:?}");
    assert!((30..=60).contains(&waits[1]), "{waits:?}");
    assert!(waits[7..].iter().all(|wait| (900..=1_800).contains(wait)), "{waits:?}");
    far.receive(answer(&register, 503, "x", "Retry-After: 3000\r\n"));
    event(&mut far);
    assert_eq!(next(&mut far).0, 3_000 * SECOND);

    let (mut far, _, register) = registered();
    let (_, refresh) = next(&mut far);
    assert_ne!(refresh, register);
    far.receive(answer(&refresh, 503, "x", ""));
    event(&mut far);
    let (_, refresh) = next(&mut far);
    far.receive(answer(&refresh, 200, "x", ""));
    assert!(matches!(event(&mut far), RegistrationEvent::Registered { .. }), "it recovers");
}

#[test]
fn silence_is_given_up_after_32_seconds_and_tried_again() {
    let (mut far, _, _) = asked(registration());
    let sent = far.pass(Duration::from_millis(31_999));
    let at: Vec<_> = sent.iter().map(|(at, _)| *at).collect();
    assert_eq!(at, [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    far.pass(SECOND);
    let (code, why, _) = failed(event(&mut far));
    assert_eq!((code, why.as_str()), (None, "no answer"));
    assert_eq!(what(&next(&mut far).1), "REGISTER 2");

    far.agent.handle_unreachable(far.now, Peer::udp(End::Callee.addr()));
    assert_eq!(failed(event(&mut far)).1, "192.0.2.2:5060 is unreachable");

    let to = Peer::tcp(End::Callee.addr());
    let (mut far, _, register) = asked(Registration { to, ..registration() });
    assert!(header(&register, "Contact").ends_with(";transport=tcp>"), "{register}");
    assert_eq!(far.pass(31 * SECOND), [], "nothing is repeated over TCP");
    far.agent.handle_broken(far.now, to);
    assert_eq!(far.one(), register);
    far.pass(2 * SECOND);
    assert_eq!(failed(event(&mut far)).0, None);
}

#[test]
fn whoever_leaves_says_so_and_is_gone() {
    let (mut far, key, _) = registered();
    far.agent.unregister(far.now, key);
    let goodbye = far.one();
    assert_eq!((what(&goodbye).as_str(), header(&goodbye, "Expires")), ("REGISTER 2", "0"));
    far.receive(answer(&goodbye, 401, "x", ASK));
    let proved = far.one();
    assert_eq!((headers(&proved, "Authorization").len(), header(&proved, "Expires")), (1, "0"));
    far.receive(answer(&proved, 200, "x", ""));
    assert_eq!(event(&mut far), RegistrationEvent::Unregistered);
    assert_eq!(far.agent.poll_timeout(), None);
    far.agent.unregister(far.now, key);
    assert_eq!(far.taken(), [""; 0], "the key names nothing any more");

    let (mut far, key, _) = registered();
    far.agent.unregister(far.now, key);
    far.pass(33 * SECOND);
    assert_eq!(event(&mut far), RegistrationEvent::Unregistered, "nobody listens");
    assert_eq!(far.agent.poll_timeout(), None);
}

#[test]
fn forged_answers_register_nothing() {
    let (mut far, _, register) = asked(registration());
    let good = answer(&register, 200, "x", "");
    for bad in [
        good.replace("CSeq: 1", "CSeq: 2"),
        good.replace("Call-ID: ", "Call-ID: 0"),
        good.replace(branch(&register), "z9hG4bKr0.0.0000000000000000"),
        good.replace(branch(&register), "z9hG4bKr7.0.0000000000000000"),
        good.replace(";tag=", ";tag=0"),
    ] {
        assert_ne!(bad, good);
        far.receive(bad);
        assert_eq!(far.agent.poll_registration(), None);
    }
    far.receive_from("203.0.113.1:5060", &good);
    assert_eq!(far.agent.poll_registration(), None, "another host");
    far.receive(good);
    event(&mut far);
}

#[test]
fn what_would_break_out_of_its_header_is_not_registered() {
    let mut far = ByHand::new();
    let evil = "sip:x\r\nEvil: y".to_owned();
    for (bad, what) in [
        (Registration { registrar: evil.clone(), ..registration() }, "the request URI"),
        (Registration { address_of_record: evil.clone(), ..registration() }, "the URI of To"),
        (Registration { route: vec![evil.clone()], ..registration() }, "a route"),
    ] {
        let refused = far.agent.register(far.now, bad);
        assert_eq!(refused, Err(Refused::InvalidHeader(what)));
    }
    for _ in 0..256 {
        far.agent.register(far.now, registration()).unwrap();
    }
    assert_eq!(far.agent.register(far.now, registration()), Err(Refused::Full));
}

fn ping(far: &mut ByHand) -> (PingKey, String) {
    let ping = Ping {
        to: Peer::udp(End::Callee.addr()),
        uri: "sip:carrier.example".to_owned(),
        from_uri: "sip:192.0.2.1".to_owned(),
        contact: End::Caller.addr(),
    };
    (far.agent.ping(far.now, &ping).unwrap(), far.one())
}

#[test]
fn whatever_answers_a_ping_lives_and_what_does_not_is_dead() {
    let mut far = ByHand::new();
    for code in [200, 404, 503] {
        let (key, options) = ping(&mut far);
        assert!(options.starts_with("OPTIONS sip:carrier.example SIP/2.0\r\n"), "{options}");
        far.receive(answer(&options, 100, "", ""));
        assert_eq!(far.agent.poll_ping(), None);
        far.receive_from("203.0.113.1:5060", answer(&options, code, "x", ""));
        assert_eq!(far.agent.poll_ping(), None, "another host");
        far.receive(answer(&options, code, "x", ""));
        assert_eq!(far.agent.poll_ping(), Some((key, Some(code))));
        far.receive(answer(&options, code, "x", ""));
        assert_eq!((far.agent.poll_ping(), far.agent.poll_timeout()), (None, None));
    }
    let (key, _) = ping(&mut far);
    assert_eq!(far.pass(33 * SECOND).len(), 10);
    assert_eq!(far.agent.poll_ping(), Some((key, None)));
    let (key, _) = ping(&mut far);
    far.agent.handle_unreachable(far.now, Peer::udp(End::Callee.addr()));
    assert_eq!(far.agent.poll_ping(), Some((key, None)));
    assert_eq!(far.agent.poll_timeout(), None);
}

#[test]
fn two_agents_ping_each_other() {
    use super::net::{Net, Weather};
    let mut net = Net::new(1, Weather::FAIR, |_, _, _, _| {});
    let ping = Ping {
        to: Peer::udp(End::Callee.addr()),
        uri: "sip:192.0.2.2".to_owned(),
        from_uri: "sip:192.0.2.1".to_owned(),
        contact: End::Caller.addr(),
    };
    let key = net.caller.ping(net.now, &ping).unwrap();
    net.run(SECOND);
    assert_eq!(net.caller.poll_ping(), Some((key, Some(200))));
    super::pair::assert_empty(&mut net);
}
