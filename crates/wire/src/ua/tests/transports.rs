//! TCP and TLS (RFC 3261 17, 18): what is not sent again, how long is waited, what is resent when
//! a connection breaks.

use std::time::Duration;

use super::{
    by_hand::{ByHand, answer, bare, branch, header, ok, what},
    net::{End, invite},
};
use crate::ua::{CallKey, EndCause, Event, Invite, Peer, Transport, UaConfig};

const SECOND: Duration = Duration::from_secs(1);

fn tcp() -> Peer {
    Peer::tcp(End::Callee.addr())
}

/// A call that was placed over TCP.
fn placed() -> (ByHand, CallKey, String) {
    let mut far = ByHand::new();
    let (key, invited) = far.place(Invite { to: tcp(), ..invite(1) });
    (far, key, invited)
}

fn talking() -> (ByHand, CallKey, String) {
    let (mut far, key, invited) = placed();
    far.receive_by(tcp(), ok(&invited, "b").replace("5070>", "5070;transport=tcp>"));
    let (to, ack) = far.addressed().remove(0);
    assert_eq!((to.transport, what(&ack).as_str()), (Transport::Tcp, "ACK 1"));
    (far, key, invited)
}

#[test]
fn via_and_contact_say_how_a_call_travels() {
    for (to, via, contact) in [
        (Peer::udp(End::Callee.addr()), "SIP/2.0/UDP ", "@192.0.2.1:5060>"),
        (tcp(), "SIP/2.0/TCP ", "@192.0.2.1:5060;transport=tcp>"),
        (Peer::tls(End::Callee.addr()), "SIP/2.0/TLS ", "@192.0.2.1:5060;transport=tls>"),
    ] {
        let mut far = ByHand::new();
        far.agent.invite(far.now, Invite { to, ..invite(1) }).unwrap();
        let (went, invited) = far.addressed().remove(0);
        assert_eq!(went, to);
        assert!(header(&invited, "Via").starts_with(via), "{invited}");
        assert!(header(&invited, "Contact").ends_with(contact), "{invited}");
    }
    let mut far = ByHand::with(UaConfig::new("[2001:db8::1]:5062".parse().unwrap()));
    let to = Peer::tcp("[2001:db8::2]:5060".parse().unwrap());
    let (key, invited) = far.place(Invite { to, ..invite(1) });
    assert!(header(&invited, "Via").starts_with("SIP/2.0/TCP [2001:db8::1]:5062;"), "{invited}");
    assert!(header(&invited, "Contact").ends_with("@[2001:db8::1]:5062;transport=tcp>"));
    let contact = "Record-Route: <sip:[2001:db8::3]:5070;transport=tcp;lr>\r\n\
                   Contact: <sip:c@[2001:db8::4]>\r\n";
    far.receive_by(to, answer(&invited, 200, "b", contact));
    far.hang_up(key);
    let (to, bye) = far.addressed().pop().unwrap();
    assert_eq!(to, Peer::tcp("[2001:db8::3]:5070".parse().unwrap()));
    assert!(bye.starts_with("BYE sip:c@[2001:db8::4] SIP/2.0"), "{bye}");
}

#[test]
fn over_a_connection_nothing_is_sent_again_but_everything_is_given_up() {
    let (mut far, _, _) = placed();
    assert_eq!(far.pass(33 * SECOND), [], "Timer A");
    assert_eq!(far.cause(), EndCause::NoReply, "Timer B");

    let (mut far, key, invited) = placed();
    far.receive_by(tcp(), answer(&invited, 180, "b", ""));
    far.cancel(key);
    assert_eq!(what(&far.one()), "CANCEL 1");
    assert_eq!(far.pass(33 * SECOND), [], "Timer E");
    assert_eq!(far.cause(), EndCause::Cancelled);

    let (mut far, key, _) = talking();
    far.hang_up(key);
    let (to, _) = far.addressed().remove(0);
    assert_eq!(to, Peer::tcp("192.0.2.2:5070".parse().unwrap()), "where the Contact says");
    assert_eq!(far.pass(33 * SECOND), [], "Timer E");
    assert_eq!(far.cause(), EndCause::ByeSent, "Timer F");
    far.assert_all_released();
}

#[test]
fn over_a_connection_an_ended_call_is_gone_at_once() {
    let (mut far, _, invited) = placed();
    far.receive_by(tcp(), answer(&invited, 486, "b", ""));
    assert_eq!(what(&far.one()), "ACK 1");
    far.pass(Duration::ZERO);
    assert_eq!(far.agent.kept_calls(), 0, "Timer D is zero");

    // But another fork may still answer for 64*T1 after the first (RFC 3261 13.2.2.4).
    let (mut far, _, invited) = talking();
    far.receive_by(tcp(), bare(&invited, "BYE", 1, "b"));
    far.taken();
    far.pass(31 * SECOND);
    far.receive_by(tcp(), ok(&invited, "c"));
    let sent: Vec<_> = far.taken().iter().map(|sent| what(sent)).collect();
    assert_eq!(sent, ["ACK 1", "BYE 2"]);
    far.assert_all_released();
}

#[test]
fn an_answer_goes_back_on_the_connection_that_brought_the_request() {
    let config = UaConfig { accept_calls: true, ..UaConfig::new(End::Caller.addr()) };
    let mut far = ByHand::with(config);
    let from = Peer::tcp("192.0.2.2:41000".parse().unwrap());
    let invited = "INVITE sip:+9198@192.0.2.1 SIP/2.0\r\n\
        Via: SIP/2.0/TCP 192.0.2.2:5060;branch=z9hG4bKa\r\nFrom: <sip:c@far>;tag=a\r\n\
        To: <sip:+9198@near>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\
        Contact: <sip:c@192.0.2.2:5060;transport=tcp>\r\n\r\n";
    far.receive_by(from, invited);
    let (key, _) = far.events.remove(0);
    let (to, trying) = far.addressed().remove(0);
    assert!(trying.starts_with("SIP/2.0 100 ") && to == from, "{to}");
    far.agent.answer(far.now, key, Vec::new());
    let (to, ok) = far.addressed().remove(0);
    assert_eq!(to, from);
    assert_eq!(header(&ok, "Contact"), "<sip:192.0.2.1:5060;transport=tcp>");
    assert_eq!(far.pass(SECOND).len(), 1, "a 2xx is repeated end to end (RFC 3261 13.3.1.4)");

    far.receive_by(from, invited.replace("Call-ID: c", "Call-ID: d"));
    let (second, _) = far.events.remove(0);
    far.agent.reject(far.now, second, 486, &[]);
    far.taken();
    let repeated = far.pass(SECOND);
    let of_second = repeated.iter().filter(|(_, what)| what.contains("486")).count();
    assert_eq!(of_second, 0, "Timer G does not run");
}

#[test]
fn a_call_on_tls_never_leaves_its_connection() {
    let to = Peer::tls("192.0.2.2:5061".parse().unwrap());
    for contact in
        ["<sip:c@203.0.113.9>", "<sip:c@203.0.113.9;transport=udp>", "<sips:c@203.0.113.9:5071>"]
    {
        let mut far = ByHand::new();
        let (key, invited) = far.place(Invite { to, ..invite(1) });
        far.receive_by(to, answer(&invited, 200, "b", &format!("Contact: {contact}\r\n")));
        far.hang_up(key);
        assert!(far.addressed().iter().all(|(went, _)| *went == to), "{contact}");
    }
}

#[test]
fn what_a_broken_connection_may_have_lost_is_sent_once_more_as_it_was() {
    let (mut far, _, invited) = placed();
    far.agent.handle_broken(far.now, Peer::tcp("192.0.2.99:5060".parse().unwrap()));
    assert_eq!(far.taken(), [""; 0], "another connection");
    far.agent.handle_broken(far.now, tcp());
    assert_eq!(far.one(), invited, "the same transaction, so nobody is rung twice");
    far.agent.handle_broken(far.now, tcp());
    assert_eq!(far.taken(), [""; 0], "a far end that hangs up on each of our messages");
    assert_eq!(far.cause(), EndCause::NoReply);

    let (mut far, key, invited) = placed();
    far.receive_by(tcp(), answer(&invited, 100, "", ""));
    far.cancel(key);
    let cancel = far.one();
    far.agent.handle_broken(far.now, tcp());
    assert_eq!(far.one(), cancel);

    let (mut far, key, invited) = talking();
    let contact = Peer::tcp("192.0.2.2:5070".parse().unwrap());
    far.agent.handle_broken(far.now, tcp());
    far.agent.handle_broken(far.now, contact);
    assert_eq!(far.taken(), [""; 0]);
    assert!(far.is_up(), "a call does not hang on its connection");
    far.hang_up(key);
    let bye = far.one();
    assert_ne!(branch(&bye), branch(&invited));
    far.agent.handle_broken(far.now, contact);
    assert_eq!(far.one(), bye);
    far.receive_by(contact, answer(&bye, 200, "", ""));
    assert_eq!(far.cause(), EndCause::ByeSent);
    assert!(far.events.iter().any(|(_, event)| matches!(event, Event::Answered { .. })));
}

#[test]
fn a_broken_connection_means_nothing_over_udp() {
    let mut far = ByHand::new();
    far.call();
    far.agent.handle_broken(far.now, Peer::udp(End::Callee.addr()));
    assert_eq!(far.taken(), [""; 0]);
}

#[test]
fn a_ringing_call_ends_with_its_connection_and_a_late_answer_is_hung_up() {
    for code in [100, 180, 183] {
        let (mut far, _, invited) = placed();
        far.receive_by(tcp(), answer(&invited, code, "b", ""));
        far.agent.handle_broken(far.now, tcp());
        let cancel = far.one();
        assert_eq!(what(&cancel), "CANCEL 1", "over a new connection");
        assert_eq!(branch(&cancel), branch(&invited));
        assert_eq!(far.cause(), EndCause::NoReply);
        far.agent.handle_broken(far.now, tcp());
        assert_eq!(far.taken(), [""; 0], "nothing more is tried");
        far.pass(20 * SECOND);
        // Over the connection that the far end made to where our Via says.
        let new = Peer::tcp("192.0.2.2:43210".parse().unwrap());
        far.receive_by(new, ok(&invited, "b"));
        let sent: Vec<_> = far.taken().iter().map(|sent| what(sent)).collect();
        assert_eq!(sent, ["ACK 1", "BYE 2"]);
        far.assert_all_released();
        let answered = |(_, event): &(CallKey, Event)| matches!(event, Event::Answered { .. });
        assert!(!far.events.iter().any(answered), "not for its owner");
    }
}

#[test]
fn what_never_left_rings_nowhere_and_what_may_have_left_is_told_from_it() {
    // No connection: another address may have it at once, and then the owner.
    let further = Peer::tcp("192.0.2.3:5060".parse().unwrap());
    let both = || Invite { to: tcp(), further: vec![further], ..invite(1) };
    let mut far = ByHand::new();
    let (_, invited) = far.place(both());
    far.agent.handle_unconnected(far.now, tcp());
    let (to, next) = far.addressed().remove(0);
    assert_eq!((to, what(&next).as_str()), (further, "INVITE 2"));
    assert_ne!(branch(&next), branch(&invited));
    far.agent.handle_unconnected(far.now, further);
    assert_eq!(far.taken(), [""; 0]);
    assert_eq!(far.cause(), EndCause::NoConnection);
    far.pass(Duration::ZERO);
    assert_eq!(far.agent.kept_calls(), 0, "nothing can come");

    // It left on a connection that broke, and there is no other: it may ring.
    let mut far = ByHand::new();
    let (_, invited) = far.place(both());
    far.agent.handle_broken(far.now, tcp());
    assert_eq!(far.one(), invited);
    far.agent.handle_unconnected(far.now, tcp());
    assert_eq!(far.taken(), [""; 0], "no other address rings it a second time");
    assert_eq!(far.cause(), EndCause::NoReply);

    // Nor where connections come about and fall again.
    let mut far = ByHand::new();
    far.place(both());
    far.agent.handle_unreachable(far.now, tcp());
    assert_eq!(far.taken(), [""; 0]);
    assert_eq!(far.cause(), EndCause::NoReply);

    let (mut far, key, _) = placed();
    far.cancel(key);
    far.agent.handle_unconnected(far.now, tcp());
    assert_eq!(far.taken(), [""; 0]);
    assert_eq!(far.cause(), EndCause::NoConnection);
}

#[test]
fn a_bye_says_why_when_its_owner_does() {
    let (mut far, key, _) = talking();
    far.agent.hang_up_because(far.now, key, 488, "No common codec");
    let bye = far.one();
    assert_eq!(header(&bye, "Reason"), "SIP ;cause=488 ;text=\"No common codec\"");
}

#[test]
fn the_owner_is_told_the_code_and_the_words_of_the_answer() {
    for (line, code, words) in [
        ("SIP/2.0 200 Whatever", 200, "Whatever"),
        ("SIP/2.0 202 Accepted", 202, "Accepted"),
        ("SIP/2.0 299 ", 299, ""),
    ] {
        let (mut far, _, invited) = placed();
        far.receive_by(tcp(), ok(&invited, "b").replace("SIP/2.0 200 Whatever", line));
        let answered = far.events.iter().find_map(|(_, event)| match event {
            Event::Answered { code, reason, .. } => Some((*code, reason.as_str())),
            _ => None,
        });
        assert_eq!(answered, Some((code, words)));
    }
}
