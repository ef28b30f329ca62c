//! 3xx: followed to where they lead, not on and on, and never with our credentials
//! (RFC 3261 8.1.3.4).

use std::time::Duration;

use serde_json::json;

use super::{
    Scenario,
    peer::{AS_SDP, Beside, Peer, audio},
};
use crate::far_end::Request;

const COMPLETED: (&str, &str) = ("completed", "200");
const MOVED: &str = "302 Moved Temporarily";

pub(super) fn all() -> Vec<Scenario> {
    let all = vec![
        Scenario::new("302 to another machine, which answers", COMPLETED, |far| {
            let mut next = Beside::new();
            let first = redirected(far, MOVED, &[next.addr().to_string()]);
            let second = next.expect("INVITE");
            assert_eq!(second.call_id(), first.call_id(), "the same attempt");
            assert_ne!(second.branch(), first.branch());
            assert!(second.cseq() > first.cseq(), "{}", second.text());
            answers(&mut next, &second);
        }),
        Scenario::new("302 to another machine, which is busy", ("busy", "486"), |far| {
            let mut next = Beside::new();
            redirected(far, MOVED, &[next.addr().to_string()]);
            let second = next.expect("INVITE");
            next.send(&second.answer("486 Busy Here", "", ""));
            next.expect("ACK");
        }),
        Scenario::new("301, then the answer", COMPLETED, |far| {
            let mut next = Beside::new();
            redirected(far, "301 Moved Permanently", &[next.addr().to_string()]);
            let second = next.expect("INVITE");
            answers(&mut next, &second);
        }),
        Scenario::new("300: the best of several", COMPLETED, |far| {
            let (mut best, mut worse) = (Beside::new(), Beside::new());
            let invite = far.expect("INVITE");
            let callee = invite.callee();
            let more = format!(
                "Contact: <sip:{callee}@{}>;q=0.1, <sip:{callee}@{}>;q=0.9\r\n",
                worse.addr(),
                best.addr()
            );
            far.send(invite.answer("300 Multiple Choices", &more, ""));
            far.expect("ACK");
            let second = best.expect("INVITE");
            answers(&mut best, &second);
            assert!(worse.next_within(Duration::from_millis(300)).is_none());
        }),
        Scenario::new("302 three times, then the answer", COMPLETED, |far| {
            let mut hops = [Beside::new(), Beside::new(), Beside::new()];
            redirected(far, MOVED, &[hops[0].addr().to_string()]);
            for index in 0..2 {
                let to = hops[index + 1].addr();
                let invite = hops[index].expect("INVITE");
                let contact = format!("Contact: <sip:{}@{to}>\r\n", invite.callee());
                hops[index].send(&invite.answer(MOVED, &contact, ""));
                hops[index].expect("ACK");
            }
            let last = hops[2].expect("INVITE");
            answers(&mut hops[2], &last);
        }),
        Scenario::new("302 to and fro for ever", ("unreachable", "302"), |far| {
            let here = far.addr().to_string();
            for _ in 0..4 {
                redirected(far, MOVED, std::slice::from_ref(&here));
            }
        }),
        Scenario::new("302 to a telephone number", ("unreachable", "302"), |far| {
            let invite = far.expect("INVITE");
            far.send(invite.answer(MOVED, "Contact: <tel:+919000000000>\r\n", ""));
            far.expect("ACK");
        }),
        Scenario::new("302 to a web page", ("unreachable", "302"), |far| {
            let invite = far.expect("INVITE");
            far.send(invite.answer(MOVED, "Contact: <https://far.invalid/>\r\n", ""));
            far.expect("ACK");
        }),
        Scenario::new("302 to nonsense", ("unreachable", "302"), |far| {
            let invite = far.expect("INVITE");
            far.send(invite.answer(MOVED, "Contact: <<>>,,;q=\r\n", ""));
            far.expect("ACK");
        }),
        Scenario::new("the next machine asks for our credentials", ("unreachable", "401"), |far| {
            let mut thief = Beside::elsewhere();
            redirected(far, MOVED, &[thief.addr().to_string()]);
            let second = thief.expect("INVITE");
            let asks = "WWW-Authenticate: Digest realm=\"far\", nonce=\"stolen\", qop=\"auth\"\r\n";
            thief.send(&second.answer("401 Unauthorized", asks, ""));
            thief.expect("ACK");
            while let Some(request) = thief.next_within(Duration::from_secs(1)) {
                for name in ["Authorization", "Proxy-Authorization"] {
                    assert!(request.find(name).is_none(), "credentials: {}", request.text());
                }
            }
        })
        .carrier(json!({ "auth": { "username": "dialler", "password": "s3cret" } })),
    ];
    // They speak from several sockets.
    all.into_iter().map(Scenario::by_datagrams).collect()
}

/// Sends the call that comes to these hosts; the INVITE.
fn redirected(far: &mut Peer, status: &str, hosts: &[String]) -> Request {
    let invite = far.expect("INVITE");
    let contacts: String =
        hosts.iter().map(|host| format!("Contact: <sip:{}@{host}>\r\n", invite.callee())).collect();
    far.send(invite.answer(status, &contacts, ""));
    far.expect("ACK");
    invite
}

fn answers(next: &mut Beside, invite: &Request) {
    let more = format!("Contact: <sip:far@{}>\r\n{AS_SDP}", next.addr());
    next.send(&invite.answer("200 OK", &more, &audio(9)));
    next.expect("ACK");
    let bye = next.expect("BYE");
    next.send(&bye.answer("200 OK", "", ""));
}
