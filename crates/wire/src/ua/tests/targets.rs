//! Where a call goes: routes, further addresses (RFC 3263 4.3) and redirection (RFC 3261 8.1.3.4).

use std::{net::SocketAddr, time::Duration};

use super::{
    by_hand::{ByHand, answer, branch, header, headers, ok, what},
    net::{End, invite},
};
use crate::{
    digest::verify,
    ua::{Auth, CallKey, EndCause, Event, Invite, Peer, Redirect, Refused},
};

const MD5: &str = "WWW-Authenticate: Digest realm=\"carrier\", nonce=\"n1\", algorithm=MD5\r\n";

fn second() -> Peer {
    Peer::udp("192.0.2.3:5060".parse().unwrap())
}

fn third() -> Peer {
    Peer::tcp("192.0.2.4:5060".parse().unwrap())
}

fn several() -> Invite {
    let auth = Auth { username: "u".to_owned(), password: "p".to_owned(), realm: None };
    Invite { further: vec![second(), third()], auth: Some(auth), ..invite(1) }
}

/// A 302 to `contacts` for a call with an account.
fn redirected(contacts: &str) -> (ByHand, CallKey, String) {
    let mut far = ByHand::new();
    let (key, invited) = far.place(several());
    far.receive(answer(&invited, 302, "x", contacts));
    assert_eq!(what(&far.one()), "ACK 1");
    (far, key, invited)
}

fn contacts(far: &ByHand) -> Vec<(&str, u16)> {
    let Some((_, Event::Redirected { contacts, .. })) = far.events.last() else {
        panic!("no redirection: {:?}", far.events)
    };
    contacts.iter().map(|Redirect { uri, q }| (uri.as_str(), *q)).collect()
}

#[test]
fn an_outbound_proxy_stands_in_route_of_all_that_belongs_to_the_invite() {
    let mut far = ByHand::new();
    let route = vec!["sip:proxy.example;lr".to_owned(), "sip:192.0.2.77:5070;lr".to_owned()];
    let (key, invited) = far.place(Invite { route, ..invite(1) });
    let said = ["<sip:proxy.example;lr>", "<sip:192.0.2.77:5070;lr>"];
    assert_eq!(headers(&invited, "Route"), said);
    far.receive(answer(&invited, 180, "b", ""));
    far.cancel(key);
    assert_eq!(headers(&far.one(), "Route"), said, "CANCEL");
    far.receive(answer(&invited, 487, "b", ""));
    assert_eq!(headers(&far.one(), "Route"), said, "ACK");

    let mut far = ByHand::new();
    let bad = Invite { route: vec!["sip:a>,<sip:evil".to_owned()], ..invite(1) };
    assert_eq!(far.agent.invite(far.now, bad), Err(Refused::InvalidHeader("a route")));
}

#[test]
fn an_unreachable_address_sends_the_call_to_the_next_at_once() {
    let mut far = ByHand::new();
    let (_, first) = far.place(several());
    far.agent.handle_unreachable(far.now, Peer::udp(End::Callee.addr()));
    let (to, again) = far.addressed().remove(0);
    assert_eq!((to, what(&again).as_str()), (second(), "INVITE 2"));
    assert_ne!(branch(&again), branch(&first));
    for name in ["Call-ID", "From", "To"] {
        assert_eq!(header(&again, name), header(&first, name), "{name}");
    }
    // The old address is of no importance any more.
    far.agent.handle_unreachable(far.now, Peer::udp(End::Callee.addr()));
    assert_eq!(far.taken(), [""; 0]);
    far.agent.handle_unreachable(far.now, second());
    let (to, third_invite) = far.addressed().remove(0);
    assert_eq!(to, third());
    assert!(header(&third_invite, "Via").starts_with("SIP/2.0/TCP "), "{third_invite}");
    assert!(header(&third_invite, "Contact").ends_with(";transport=tcp>"));
    assert!(far.is_up());
    far.agent.handle_unreachable(far.now, third());
    far.taken();
    let ended = far.ended();
    assert_eq!(ended.cause, EndCause::NoReply);
    assert_eq!(ended.reason.as_deref(), Some("tcp:192.0.2.4:5060 is unreachable"));
    far.assert_all_released();
}

#[test]
fn any_of_the_carriers_addresses_may_answer() {
    let mut far = ByHand::new();
    let (_, invited) = far.place(several());
    far.receive_from("192.0.2.99:5060", answer(&invited, 486, "b", ""));
    assert_eq!(far.taken(), [""; 0], "this is none of them");
    far.receive_from("192.0.2.3:5060", answer(&invited, 486, "b", ""));
    assert_eq!(what(&far.one()), "ACK 1");
    assert_eq!(far.cause(), EndCause::Refused);
}

#[test]
fn a_503_before_anything_rang_sends_the_call_to_the_next_address() {
    let mut far = ByHand::new();
    let (_, first) = far.place(several());
    far.receive(answer(&first, 100, "", ""));
    let overload = answer(&first, 503, "x", "Retry-After: 7\r\n");
    far.receive(&overload);
    let sent = far.addressed();
    assert_eq!(sent[0].0, Peer::udp(End::Callee.addr()), "the ACK goes where the 503 was");
    assert_eq!(branch(&sent[0].1), branch(&first));
    assert_eq!((sent[1].0, what(&sent[1].1).as_str()), (second(), "INVITE 2"));
    far.receive(&overload);
    let (to, ack) = far.addressed().remove(0);
    assert_eq!((to, ack), sent[0].clone(), "the 503 comes again, for its ACK was lost");
    // The next address asks for a proof of its own.
    far.receive_from("192.0.2.3:5060", answer(&sent[1].1, 401, "y", MD5));
    let proved = far.taken().remove(1);
    assert!(verify(header(&proved, "Authorization"), "INVITE", "n1", "u", "p"));
    far.receive_from("192.0.2.3:5060", answer(&proved, 503, "y", ""));
    let last = far.addressed().remove(1);
    assert_eq!((last.0, headers(&last.1, "Authorization").len()), (third(), 0));
    far.receive_by(third(), answer(&last.1, 503, "z", "Retry-After: 9\r\n"));
    let ended = far.ended();
    assert_eq!((ended.cause, ended.code), (EndCause::Refused, Some(503)));
    assert_eq!(ended.retry_after, Some(9));
}

#[test]
fn a_phone_that_rang_is_not_rung_through_another_address() {
    let mut far = ByHand::new();
    let (_, invited) = far.place(several());
    far.receive(answer(&invited, 180, "b", ""));
    far.receive(answer(&invited, 503, "b", ""));
    assert_eq!(what(&far.one()), "ACK 1");
    assert_eq!((far.cause(), far.ended().code), (EndCause::Refused, Some(503)));
}

#[test]
fn silence_and_other_refusals_send_a_call_nowhere_else() {
    let mut far = ByHand::new();
    far.place(several());
    let sent = far.pass(Duration::from_secs(33));
    assert!(sent.iter().all(|(_, what)| what == "INVITE 1"), "{sent:?}");
    assert_eq!(far.cause(), EndCause::NoReply);
    for code in [404, 480, 486, 500, 502, 504, 600, 603] {
        let mut far = ByHand::new();
        let (_, invited) = far.place(several());
        far.receive(answer(&invited, code, "b", ""));
        assert_eq!(what(&far.one()), "ACK 1");
        assert_eq!((far.cause(), far.ended().code), (EndCause::Refused, Some(code)));
    }
}

#[test]
fn a_call_to_be_cancelled_does_not_go_on() {
    let mut far = ByHand::new();
    let (key, invited) = far.place(several());
    far.cancel(key);
    far.receive(answer(&invited, 503, "b", ""));
    assert_eq!(what(&far.one()), "ACK 1");
    assert_eq!(far.cause(), EndCause::Cancelled);

    let mut far = ByHand::new();
    let (key, _) = far.place(several());
    far.cancel(key);
    far.agent.handle_unreachable(far.now, Peer::udp(End::Callee.addr()));
    assert_eq!(far.taken(), [""; 0]);
    assert_eq!(far.cause(), EndCause::NoReply);
}

#[test]
fn a_302_is_told_in_order_and_followed_where_the_owner_says() {
    let list = "Contact: <sip:b@203.0.113.5:5070;x=y?Subject=z>;q=0.5, <mailto:c@d>, \
                <tel:+911>;q=1\r\nContact: \"A\" <sip:a@other.example>;q=0.7\r\n";
    let (mut far, key, first) = redirected(list);
    assert_eq!(contacts(&far), [("sip:a@other.example", 700), ("sip:b@203.0.113.5:5070;x=y", 500)]);
    let to = Peer::udp("203.0.113.5:5070".parse().unwrap());
    assert_eq!(
        far.agent.follow(far.now, key, to, "sip:x\r\nEvil: y@z"),
        Err(Refused::InvalidHeader("the request URI"))
    );
    assert_eq!(far.taken(), [""; 0]);
    far.agent.follow(far.now, key, to, "sip:b@203.0.113.5:5070").unwrap();
    let (went, again) = far.addressed().remove(0);
    assert_eq!(went, to);
    assert!(again.starts_with("INVITE sip:b@203.0.113.5:5070 SIP/2.0"), "{again}");
    assert_eq!(what(&again), "INVITE 2");
    assert_ne!(branch(&again), branch(&first));
    for name in ["Call-ID", "From", "To"] {
        assert_eq!(header(&again, name), header(&first, name), "{name}");
    }
    far.agent.follow(far.now, key, second(), "sip:b@192.0.2.3").unwrap();
    assert_eq!(far.taken(), [""; 0], "it waits for no decision any more");
    far.receive_from("203.0.113.5:5070", ok(&again, "b"));
    assert_eq!(what(&far.one()), "ACK 2");
    assert!(far.is_up());
}

#[test]
fn neither_credentials_nor_the_proxy_go_along_to_a_strange_target() {
    for (to, known) in [("203.0.113.5:5070", false), ("192.0.2.3:5080", true)] {
        let to: SocketAddr = to.parse().unwrap();
        let mut far = ByHand::new();
        let route = vec!["sip:192.0.2.2;lr".to_owned()];
        let (key, invited) = far.place(Invite { route, ..several() });
        far.receive(answer(&invited, 401, "x", MD5));
        let proved = far.taken().remove(1);
        assert_eq!(headers(&proved, "Authorization").len(), 1);
        far.receive(answer(&proved, 302, "x", "Contact: <sip:t@target>\r\n"));
        far.taken();
        far.agent.follow(far.now, key, Peer::udp(to), "sip:t@target").unwrap();
        let again = far.one();
        assert_eq!(headers(&again, "Authorization").len(), 0, "before it is asked for");
        assert_eq!(headers(&again, "Route").len(), usize::from(known));
        far.receive_from(&to.to_string(), answer(&again, 401, "y", MD5));
        let sent: Vec<_> = far.taken().iter().map(|sent| what(sent)).collect();
        if known {
            assert_eq!(sent, ["ACK 3", "INVITE 4"]);
        } else {
            assert_eq!(sent, ["ACK 3"]);
            assert_eq!((far.cause(), far.ended().code), (EndCause::Refused, Some(401)));
        }
    }
}

#[test]
fn three_redirections_are_followed_and_the_fourth_is_a_refusal() {
    let (mut far, key, _) = redirected("Contact: <sip:1@192.0.2.2>\r\n");
    for hop in 1..=3 {
        let to = Peer::udp(End::Callee.addr());
        far.agent.follow(far.now, key, to, "sip:x@192.0.2.2").unwrap();
        let again = far.one();
        assert_eq!(what(&again), format!("INVITE {}", hop + 1));
        far.receive(answer(&again, 301, "x", "Contact: <sip:2@192.0.2.2>\r\n"));
        assert_eq!(what(&far.one()), format!("ACK {}", hop + 1));
    }
    let told = far.events.iter().filter(|(_, e)| matches!(e, Event::Redirected { .. })).count();
    assert_eq!(told, 3);
    assert_eq!((far.cause(), far.ended().code), (EndCause::Refused, Some(301)));
    far.assert_all_released();
}

#[test]
fn a_redirection_to_nowhere_or_that_nobody_follows_is_a_refusal() {
    for contacts in ["", "Contact: <tel:+911>\r\n", "Contact: *\r\n", "Contact: <sip:>\r\n"] {
        let (far, _, _) = redirected(contacts);
        assert_eq!((far.cause(), far.ended().code), (EndCause::Refused, Some(302)), "{contacts}");
    }
    let (mut far, key, _) = redirected("Contact: <sip:a@b>\r\n");
    far.hang_up(key);
    assert_eq!(far.taken(), [""; 0], "there is nothing to cancel");
    assert_eq!((far.cause(), far.ended().code), (EndCause::Refused, Some(302)));
    far.assert_all_released();

    let (mut far, _, _) = redirected("Contact: <sip:a@b>\r\n");
    far.pass(Duration::from_secs(31));
    assert!(far.is_up());
    far.pass(Duration::from_secs(2));
    assert_eq!((far.cause(), far.ended().code), (EndCause::Refused, Some(302)));
    far.assert_all_released();
}
