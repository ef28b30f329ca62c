//! Messages of all kinds: torture, mutation, and what is read from the good ones.

use proptest::prelude::*;

use super::{
    torture::{Fate, TORTURE},
    *,
};
use crate::ua::{Event, Peer, Transport, UaConfig, UserAgent};

fn fate(bytes: &[u8]) -> Fate {
    match Message::scan(bytes) {
        Err(_) => Fate::NotSip,
        Ok(message) if message.check().is_err() => Fate::Faulty,
        Ok(_) => Fate::Good,
    }
}

#[test]
fn torture_messages_meet_the_fate_they_deserve() {
    for (why, expected, bytes) in TORTURE {
        let message = Message::scan(bytes);
        let checked = message.as_ref().map(Message::check);
        assert_eq!(fate(bytes), *expected, "{why}: {checked:?}");
    }
}

#[test]
fn the_tortuous_invite_is_understood() {
    let message = Message::scan(TORTURE[0].2).unwrap();
    let envelope = message.check().unwrap();
    assert_eq!((envelope.cseq, envelope.method), (9, "INVITE"));
    assert_eq!((envelope.from_tag, envelope.to_tag), (Some("98asjd8"), Some("1918181833n")));
    assert_eq!((envelope.via.host, envelope.via.branch), ("192.0.2.2", Some("390skdjuw")));
    assert_eq!(message.list(Name::Via).count(), 3);
    assert_eq!(message.contact(), Some("sip:jdrosen@example.com"));
}

#[test]
fn bytes_beyond_content_length_are_dropped() {
    let text = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nFrom: <sip:a@b>\r\nTo: <sip:a@b>\r\n";
    for (length, body) in [("Content-Length: 3\r\n", "v=0"), ("l: 0\r\n", ""), ("", "v=0 and more")]
    {
        let bytes = format!("{text}{length}\r\nv=0 and more");
        let message = Message::scan(bytes.as_bytes()).unwrap();
        assert_eq!(message.check().unwrap().body, body.as_bytes(), "{length}");
    }
}

#[test]
fn too_many_headers_are_not_read() {
    let mut bytes = b"OPTIONS sip:a SIP/2.0\r\n".to_vec();
    for _ in 0..10_000 {
        bytes.extend_from_slice(b"X: y\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    assert_eq!(Message::scan(&bytes), Err(NotSip::TooManyHeaders));
}

/// One way to spoil a message.
#[derive(Debug, Clone)]
enum Spoil {
    Byte(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Remove(prop::sample::Index, prop::sample::Index),
    Double(prop::sample::Index, prop::sample::Index),
}

fn spoil() -> impl Strategy<Value = Spoil> {
    let interesting =
        prop_oneof![any::<u8>(), prop::sample::select(&b"\r\n\0\"<>;:,=\\@ \t%[]"[..])];
    prop_oneof![
        4 => (any::<prop::sample::Index>(), interesting).prop_map(|(at, byte)| Spoil::Byte(at, byte)),
        1 => any::<prop::sample::Index>().prop_map(Spoil::Cut),
        1 => any::<(prop::sample::Index, prop::sample::Index)>().prop_map(|(at, to)| Spoil::Remove(at, to)),
        1 => any::<(prop::sample::Index, prop::sample::Index)>().prop_map(|(at, to)| Spoil::Double(at, to)),
    ]
}

fn spoilt(mut bytes: Vec<u8>, spoils: &[Spoil]) -> Vec<u8> {
    for spoil in spoils {
        if bytes.is_empty() {
            return bytes;
        }
        let range = |at: &prop::sample::Index, to: &prop::sample::Index| {
            let (at, to) = (at.index(bytes.len()), to.index(bytes.len()));
            at.min(to)..at.max(to).min(at.min(to) + 64)
        };
        match spoil {
            Spoil::Byte(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Spoil::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Spoil::Remove(at, to) => drop(bytes.drain(range(at, to))),
            Spoil::Double(at, to) => {
                let piece = bytes[range(at, to)].to_vec();
                bytes.extend(piece);
            }
        }
    }
    bytes
}

/// Reads everything that there is to read.
fn read_all(bytes: &[u8]) {
    let Ok(message) = Message::scan(bytes) else { return };
    let _ = (message.check(), message.contact(), message.retry_after());
    for name in
        [Name::Via, Name::From, Name::To, Name::Contact, Name::RecordRoute, Name::WwwAuthenticate]
    {
        for value in message.list(name) {
            let party = NameAddr::parse(value);
            let _ =
                party.map(|party| Uri::parse(party.uri).map(|uri| uri.socket_addr(Transport::Udp)));
            let _ = Via::parse(value);
            let _ = crate::digest::Challenge::parse(value);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn no_spoilt_message_makes_the_parser_or_the_user_agent_panic(
        index in 0..TORTURE.len(),
        spoils in prop::collection::vec(spoil(), 0..8),
    ) {
        let bytes = spoilt(TORTURE[index].2.to_vec(), &spoils);
        read_all(&bytes);
        let here = "192.0.2.1:5060".parse().unwrap();
        let config = UaConfig { accept_calls: true, ..UaConfig::new(here) };
        let mut agent = UserAgent::new(config, [3; 32]);
        let from = Peer::udp("192.0.2.9:5060".parse().unwrap());
        agent.handle_message(crate::time::Time(1), from, &bytes);
        while let Some(transmit) = agent.poll_transmit() {
            // What we send is SIP, whatever we were sent, and nothing smuggled a header into it.
            prop_assert!(Message::scan(&transmit.bytes).is_ok());
            prop_assert!(!transmit.bytes.contains(&0));
        }
        while let Some((key, event)) = agent.poll_event() {
            if let Event::Incoming(_) = event {
                agent.answer(crate::time::Time(2), key, b"v=0".to_vec());
            }
        }
    }

    #[test]
    fn what_is_written_is_read_back(
        code in 100u16..700,
        reason in "[ -~\u{80}-\u{7FF}]{0,20}",
        tag in "[a-zA-Z0-9.!%*_+`'~-]{1,12}",
        call_id in "[a-zA-Z0-9@._-]{1,30}",
        cseq in 0u32..1 << 31,
        display in "[a-zA-Z ]{0,10}",
        body: Vec<u8>,
    ) {
        let mut bytes = format!(
            "SIP/2.0 {code} {reason}\r\nVia: SIP/2.0/UDP h:5062;branch=z9hG4bK1\r\n\
             From: \"{display}\" <sip:a@b>;tag={tag}\r\nTo: <sip:c@d>\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} INVITE\r\nContent-Length: {}\r\n\r\n",
            body.len(),
        ).into_bytes();
        bytes.extend_from_slice(&body);
        let message = Message::scan(&bytes).unwrap();
        prop_assert_eq!(&message.start, &Start::Response { code, reason: reason.as_bytes() });
        let envelope = message.check().unwrap();
        prop_assert_eq!(envelope.from_tag, Some(&*tag));
        prop_assert_eq!(envelope.to_tag, None);
        prop_assert_eq!((envelope.call_id, envelope.cseq), (&*call_id, cseq));
        prop_assert_eq!(envelope.via.port, Some(5062));
        prop_assert_eq!(envelope.body, &body[..]);
    }
}
