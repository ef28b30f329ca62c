//! Who is believed to be the carrier, and what an operator is told otherwise.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::Arc,
    thread::JoinHandle,
};

use campanile_wire::ua::{Peer, Transport};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{
    super::Tls,
    BYE, INVITE, OK,
    certificates::{Authority, Flaw},
    rig::{Far, Rig},
    seconds,
};

/// Answers each message on one connection with 200; gives what it heard when that ends.
fn carrier(config: Arc<ServerConfig>) -> (Peer, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = Peer::tls(listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let connection = ServerConnection::new(config).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        let mut heard = String::new();
        let mut buffer = [0; 4_096];
        while let Ok(bytes) = stream.read(&mut buffer) {
            if bytes == 0 {
                break;
            }
            heard += str::from_utf8(&buffer[..bytes]).unwrap();
            let _ = stream.write_all(OK.as_bytes());
        }
        heard
    });
    (peer, thread)
}

fn rig(authority: &Authority) -> Rig {
    let dir = tempfile::tempdir().unwrap();
    Rig::trusting(Tls::new(Some(&authority.file(&dir))).unwrap())
}

/// What an operator is told of a carrier called `sip.example` with this certificate.
fn trouble(rig: &mut Rig, config: Arc<ServerConfig>) -> String {
    let (peer, thread) = carrier(config);
    rig.links.name(peer, &"sip.example".into(), rig.now).unwrap();
    rig.send(peer, INVITE);
    rig.until(|rig| rig.unreachable.contains(&peer));
    assert_eq!(thread.join().unwrap(), "", "nothing is told to whom we do not trust");
    let told = rig.told.borrow().clone();
    let connection = told.iter().find(|connection| connection.peer == peer).unwrap();
    assert!(!connection.up);
    connection.trouble.clone().unwrap().replace(&peer.addr.to_string(), "HERE")
}

#[test]
fn a_carrier_that_proves_its_name_is_spoken_to() {
    let authority = Authority::new();
    let mut rig = rig(&authority);
    let (peer, thread) = carrier(authority.server(&["sip.example", "other.example"], Flaw::None));
    rig.links.name(peer, &"sip.example".into(), rig.now).unwrap();
    rig.send(peer, INVITE);
    rig.until(|rig| rig.heard == [OK]);
    assert!(rig.told.borrow()[0].up);
    // Another carrier at the same address shares the connection if it proves that name too.
    assert_eq!(rig.links.name(peer, &"other.example".into(), rig.now), Ok(()));
    let why = rig.links.name(peer, &"third.example".into(), rig.now).unwrap_err();
    assert!(why.contains("is for sip.example, other.example, not for third.example"), "{why}");
    rig.send(peer, BYE);
    rig.until(|rig| rig.heard.len() == 2);
    drop(rig);
    assert_eq!(thread.join().unwrap(), [INVITE, BYE].concat());
}

#[test]
fn a_certificate_that_proves_nothing_is_one_clear_alarm() {
    let authority = Authority::new();
    let mut rig = rig(&authority);
    let expired = trouble(&mut rig, authority.server(&["sip.example"], Flaw::Expired));
    assert_eq!(
        expired,
        "no connection to sip.example (HERE over TLS): its certificate expired on 2025-12-31; the \
         carrier must renew it"
    );
    let other = trouble(&mut rig, authority.server(&["other.example"], Flaw::None));
    assert_eq!(
        other,
        "no connection to sip.example (HERE over TLS): its certificate is for other.example, not \
         for sip.example; set the carrier's host to a name that it is for, or ask the carrier for \
         the right one"
    );
    let stranger = trouble(&mut rig, Authority::new().server(&["sip.example"], Flaw::None));
    assert_eq!(
        stranger,
        "no connection to sip.example (HERE over TLS): its certificate was issued by nobody whom \
         this machine trusts; if that is meant, name a file with the issuer's certificate as \
         `sip_ca_file`"
    );
}

#[test]
fn a_name_that_is_asked_for_during_the_handshake_for_another_one_is_not_believed() {
    let authority = Authority::new();
    let mut rig = rig(&authority);
    let mut far = Far::at(TcpListener::bind("127.0.0.1:0").unwrap());
    far.peer.transport = Transport::Tls;
    rig.links.name(far.peer, &"sip.example".into(), rig.now).unwrap();
    rig.send(far.peer, INVITE);
    far.accept(&mut rig);
    let why = rig.links.name(far.peer, &"other.example".into(), rig.now).unwrap_err();
    assert!(why.ends_with("is being asked to prove that it is sip.example"), "{why}");
    // Without a connection the next one is to prove the new name.
    far.close();
    rig.until(|rig| !rig.unreachable.is_empty());
    assert_eq!(rig.links.name(far.peer, &"other.example".into(), rig.now), Ok(()));
}

#[test]
fn a_wrong_certificate_is_not_tried_again_with_every_call() {
    let authority = Authority::new();
    let mut rig = rig(&authority);
    let mut far = Far::at(TcpListener::bind("127.0.0.1:0").unwrap());
    far.peer.transport = Transport::Tls;
    rig.send(far.peer, INVITE);
    far.accept(&mut rig);
    // What a web server would say to it.
    far.write("HTTP/1.1 400 Bad Request\r\n\r\n");
    rig.until(|rig| !rig.unreachable.is_empty());
    let trouble = rig.links.trouble(far.peer).unwrap();
    assert!(trouble.ends_with("what answers there does not speak TLS"), "{trouble}");
    for _ in 0..50 {
        rig.send(far.peer, INVITE);
        rig.turn();
    }
    assert_eq!(rig.unreachable.len(), 51, "each call is told");
    assert!(far.nobody_else_connects(), "and the far end is left alone");
    rig.pass(seconds(1));
    rig.send(far.peer, INVITE);
    far.accept(&mut rig);
}
