//! Real sockets on loopback in virtual time: what a far end does happens at once, what waits for
//! a clock happens when the test says so.

#[path = "../../tests/calls/certificates.rs"]
mod certificates;
mod rig;
mod tls;

use std::{io::Write, net::TcpListener, time::Duration};

use rig::{Far, Rig, closed_port};

const BYE: &str = "BYE sip:a@b SIP/2.0\r\nContent-Length: 0\r\n\r\n";
const INVITE: &str = "INVITE sip:a@b SIP/2.0\r\nContent-Length: 0\r\n\r\n";
const OK: &str = "SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn all_calls_share_one_connection_and_messages_come_whole() {
    let (mut rig, mut far) = Rig::connected();
    let all: String = (0..200).map(|call| INVITE.replace("a@b", &format!("{call}@b"))).collect();
    for call in 0..200 {
        rig.send(far.peer, &INVITE.replace("a@b", &format!("{call}@b")));
    }
    assert_eq!(far.read(&mut rig, all.len()), all);
    let (first, rest) = OK.split_at(17);
    far.write(first);
    rig.turn();
    assert!(rig.heard.is_empty(), "half a message is none");
    far.write(&format!("{rest}\r\n{OK}{BYE}"));
    rig.until(|rig| rig.heard.len() == 3);
    assert_eq!(rig.heard, [OK, OK, BYE]);
    assert!(far.nobody_else_connects());
    assert_eq!(rig.links.len(), 1);
}

#[test]
fn a_far_end_that_nobody_is_at_is_told_at_once_and_held_back_ever_longer() {
    let mut rig = Rig::new();
    let peer = closed_port();
    rig.send(peer, INVITE);
    rig.until(|rig| rig.unreachable == [peer]);
    let trouble = rig.links.trouble(peer).unwrap();
    assert_eq!(
        &*trouble,
        format!(
            "no connection to {} over TCP: connection refused: nobody listens there",
            peer.addr
        )
    );
    let mut waits = Vec::new();
    for _ in 0..7 {
        rig.send(peer, INVITE);
        assert_eq!(rig.unreachable.len(), 2, "told without a try");
        let since = rig.now;
        rig.unreachable.clear();
        while rig.unreachable.is_empty() {
            rig.send(peer, BYE);
            rig.pass(seconds(1));
            rig.turn();
        }
        waits.push(rig.now.since(since).as_secs());
        rig.unreachable.truncate(1);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
}

#[test]
fn a_far_end_that_comes_back_is_used_again() {
    let mut rig = Rig::new();
    let peer = closed_port();
    rig.send(peer, INVITE);
    rig.until(|rig| !rig.unreachable.is_empty());
    let mut far = Far::at(TcpListener::bind(peer.addr).unwrap());
    // The BYE waits for it, the INVITE does not.
    rig.send(peer, BYE);
    rig.send(peer, INVITE);
    assert_eq!(rig.unreachable, [peer, peer]);
    rig.pass(seconds(1));
    far.accept(&mut rig);
    assert_eq!(far.read(&mut rig, BYE.len()), BYE);
    assert_eq!(rig.links.trouble(peer), None);
    assert!(rig.told.borrow()[0].up);
}

#[test]
fn a_connection_that_was_reset_is_told_and_made_anew() {
    let (mut rig, mut far) = Rig::connected();
    for _ in 0..3 {
        rig.pass(seconds(5));
        rig.broken.clear();
        far.reset();
        rig.until(|rig| !rig.broken.is_empty());
        assert_eq!((&*rig.broken, rig.links.len()), (&[far.peer][..], 0));
        rig.send(far.peer, BYE);
        far.accept(&mut rig);
        assert_eq!(far.read(&mut rig, BYE.len()), BYE);
    }
    assert!(rig.unreachable.is_empty());
}

#[test]
fn connections_that_break_at_once_are_no_storm() {
    let (mut rig, mut far) = Rig::connected();
    far.reset();
    rig.until(|rig| rig.broken == [far.peer]);
    rig.send(far.peer, INVITE);
    far.accept(&mut rig);
    far.reset();
    rig.until(|rig| rig.unreachable == [far.peer]);
    let trouble = rig.links.trouble(far.peer).unwrap();
    assert!(trouble.ends_with("it broke the connection"), "{trouble}");
    rig.send(far.peer, INVITE);
    rig.turn();
    assert_eq!(rig.unreachable, [far.peer; 2]);
    assert!(far.nobody_else_connects());
}

#[test]
fn garbage_ends_the_connection_and_nothing_else() {
    let (mut rig, mut far) = Rig::connected();
    far.write("HTTP/1.1 400 Bad Request\r\n\r\n");
    assert!(far.is_closed(&mut rig));
    rig.pass(seconds(1));
    rig.send(far.peer, INVITE);
    far.accept(&mut rig);
    assert_eq!(far.read(&mut rig, INVITE.len()), INVITE);
}

#[test]
fn a_message_that_comes_too_slowly_ends_the_connection() {
    let (mut rig, mut far) = Rig::connected();
    for byte in OK.chars().take(32) {
        far.write(&byte.to_string());
        rig.turn();
        rig.pass(seconds(1));
    }
    assert!(far.is_closed(&mut rig));
    assert!(rig.heard.is_empty());
}

#[test]
fn a_far_end_that_takes_nothing_any_more_is_given_up() {
    let (mut rig, mut far) = Rig::connected();
    let long = format!("INFO sip:a@b SIP/2.0\r\nX: {}\r\n\r\n", "x".repeat(60_000));
    for _ in 0..400 {
        rig.send(far.peer, &long);
        rig.turn();
    }
    rig.pass(seconds(14));
    assert!(rig.broken.is_empty());
    rig.pass(seconds(1));
    assert_eq!(rig.broken, [far.peer]);
    assert!(far.is_closed(&mut rig));
}

#[test]
fn an_idle_connection_is_kept_alive_and_one_whose_far_end_stops_answering_is_dropped() {
    let (mut rig, mut far) = Rig::connected();
    rig.pass(seconds(29));
    rig.pass(seconds(1));
    assert_eq!(far.read(&mut rig, 4), "\r\n\r\n");
    far.write("\r\n");
    rig.turn();
    rig.pass(seconds(30));
    assert_eq!(far.read(&mut rig, 4), "\r\n\r\n");
    assert_eq!(rig.links.len(), 1);
    rig.pass(seconds(10));
    assert_eq!(rig.links.len(), 0, "it used to answer");
    assert_eq!((rig.broken, rig.unreachable), (vec![far.peer], vec![]));
}

#[test]
fn a_far_end_that_never_answers_keep_alives_is_left_in_peace() {
    let (mut rig, mut far) = Rig::connected();
    for _ in 0..4 {
        rig.pass(seconds(30));
        assert_eq!(far.read(&mut rig, 4), "\r\n\r\n");
    }
    assert_eq!(rig.links.len(), 1);
}

#[test]
fn a_ping_of_the_far_end_is_answered() {
    let (mut rig, mut far) = Rig::connected();
    far.write("\r\n\r\n");
    assert_eq!(far.read(&mut rig, 2), "\r\n");
}

#[test]
fn an_idle_connection_is_closed_once_no_call_needs_it_and_nothing_stays_behind() {
    let (mut rig, mut far) = Rig::connected();
    rig.needed = true;
    for _ in 0..25 {
        rig.pass(seconds(30));
    }
    assert_eq!(rig.links.len(), 1, "the far end of a long call may hang up on it");
    rig.needed = false;
    rig.pass(seconds(1));
    rig.pass(seconds(1));
    assert_eq!((rig.links.len(), rig.links.places.len()), (0, 0));
    assert_eq!(rig.links.next(false), None);
    far.read(&mut rig, 4 * 25);
    assert!(far.is_closed(&mut rig));
}

#[test]
fn connections_of_strangers_are_bounded_answered_and_closed_when_idle() {
    let mut rig = Rig::new();
    let mut strangers: Vec<_> = (0..12).map(|_| rig.stranger()).collect();
    rig.until(|rig| rig.links.len() == super::THEIRS_A_SOURCE_MAX);
    let refused: usize = strangers.iter_mut().map(|far| usize::from(far.is_closed_now())).sum();
    assert_eq!(refused, 4);
    let mut far = strangers.remove(0);
    far.write(BYE);
    rig.until(|rig| rig.heard == [BYE]);
    rig.send(far.peer, OK);
    assert_eq!(far.read(&mut rig, OK.len()), OK);
    far.close();
    rig.until(|rig| rig.links.len() == super::THEIRS_A_SOURCE_MAX - 1);
    // An answer to somebody who left goes nowhere.
    rig.send(far.peer, OK);
    rig.turn();
    rig.pass(seconds(120));
    assert_eq!((rig.links.len(), rig.links.places.len()), (0, 0));
    assert!(rig.unreachable.is_empty());
}

#[test]
fn a_far_end_that_does_not_finish_connecting_delays_nobody_and_is_given_up() {
    let mut rig = Rig::new();
    // Accepts, and never shakes hands.
    let mut silent = Far::at(TcpListener::bind("127.0.0.1:0").unwrap());
    silent.peer.transport = campanile_wire::ua::Transport::Tls;
    rig.send(silent.peer, INVITE);
    rig.turn();
    let mut other = Far::at(TcpListener::bind("127.0.0.1:0").unwrap());
    rig.send(other.peer, INVITE);
    other.accept(&mut rig);
    assert_eq!(other.read(&mut rig, INVITE.len()), INVITE);
    rig.pass(seconds(5));
    assert_eq!(rig.unreachable, [silent.peer]);
    let trouble = rig.links.trouble(silent.peer).unwrap();
    assert!(trouble.ends_with("it does not answer"), "{trouble}");
}

#[test]
fn the_far_ends_that_nobody_uses_make_room_for_new_ones() {
    let mut rig = Rig::new();
    let peers: Vec<_> = (0..super::OURS_MAX + 20).map(|_| closed_port()).collect();
    for peer in &peers {
        rig.send(*peer, INVITE);
        rig.until(|rig| rig.unreachable.pop() == Some(*peer));
    }
    assert!(rig.links.places.len() <= super::OURS_MAX);
    assert!(rig.links.trouble(peers[0]).is_none());
    assert!(rig.links.trouble(*peers.last().unwrap()).is_some());
}

#[test]
fn a_peer_that_closes_in_mid_message_is_forgotten() {
    let (mut rig, mut far) = Rig::connected();
    far.stream().write_all(b"SIP/2.0 200").unwrap();
    far.close();
    rig.until(|rig| rig.links.len() == 0);
    assert!(rig.heard.is_empty());
}
