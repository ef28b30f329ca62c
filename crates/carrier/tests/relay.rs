//! The relay over real sockets: what it says that it did is what the two ends saw.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by its panic")]

use std::{
    collections::HashSet,
    net::{Ipv4Addr, UdpSocket},
    time::Duration,
};

use campanile_carrier::{Impairment, Relay};

/// So many bytes at most: the socket buffer of the far end holds them all.
const COUNT: u32 = 400;

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    socket
}

/// Everything that comes until nothing does, by its number.
fn numbers(socket: &UdpSocket) -> Vec<u32> {
    let mut buffer = [0; 4];
    std::iter::from_fn(|| socket.recv(&mut buffer).ok().map(|_| u32::from_be_bytes(buffer)))
        .collect()
}

#[test]
fn what_was_relayed_is_what_arrived() {
    let (near, far) = (socket(), socket());
    let bound = Relay::bind(Ipv4Addr::LOCALHOST.into()).unwrap();
    let there = Impairment {
        loss: 0.1,
        duplicate: 0.1,
        reorder: 0.1,
        delay_ms: 5,
        jitter_ms: 20,
        ..Impairment::default()
    };
    let relay = bound.start(far.local_addr().unwrap(), there, Impairment::default(), 42).unwrap();
    for number in 0..COUNT {
        near.send_to(&number.to_be_bytes(), relay.addr()).unwrap();
        if number % 20 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let arrived = numbers(&far);
    let different: HashSet<u32> = arrived.iter().copied().collect();
    let counts = relay.relayed().there;
    assert_eq!(counts.came, u64::from(COUNT));
    assert_eq!(counts.arrived, arrived.len() as u64);
    assert_eq!(counts.lost, u64::from(COUNT) - different.len() as u64);
    assert_eq!(counts.copies, (arrived.len() - different.len()) as u64);
    assert_eq!(counts.dropped, 0);
    assert!(counts.lost > 10 && counts.copies > 10 && counts.held_back > 10, "{counts:?}");
    assert!(!arrived.is_sorted(), "some were overtaken");
}

#[test]
fn callers_are_told_apart_and_each_is_answered() {
    let (one, two, far) = (socket(), socket(), socket());
    let bound = Relay::bind(Ipv4Addr::LOCALHOST.into()).unwrap();
    let perfect = Impairment::default();
    let relay = bound.start(far.local_addr().unwrap(), perfect, perfect, 1).unwrap();
    let mut seen = HashSet::new();
    for (caller, number) in [(&one, 1u32), (&two, 2), (&one, 3)] {
        caller.send_to(&number.to_be_bytes(), relay.addr()).unwrap();
        let mut buffer = [0; 4];
        let (_, from) = far.recv_from(&mut buffer).unwrap();
        assert_eq!(u32::from_be_bytes(buffer), number);
        seen.insert(from);
        far.send_to(&(number + 10).to_be_bytes(), from).unwrap();
    }
    assert_eq!(seen.len(), 2, "one address for each caller");
    assert_eq!((numbers(&one), numbers(&two)), (vec![11, 13], vec![12]));
    assert_eq!(relay.stop().back.arrived, 3);
}
