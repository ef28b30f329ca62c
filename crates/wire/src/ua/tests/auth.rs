//! Challenges (RFC 3261 22).

use super::{
    by_hand::{ByHand, answer, branch, header, headers, ok, what},
    net::{End, invite},
};
use crate::{
    digest::verify,
    ua::{Auth, CallKey, EndCause, Invite, Peer},
};

const MD5: &str = "Digest realm=\"carrier\", nonce=\"n1\", qop=\"auth\", algorithm=MD5";

fn with_account() -> Invite {
    let auth = Auth { username: "u".to_owned(), password: "p".to_owned(), realm: None };
    Invite { auth: Some(auth), ..invite(1) }
}

/// Places a call and challenges it; the ACK and the INVITE that follow.
fn challenged(
    far: &mut ByHand,
    call: Invite,
    code: u16,
    header: &str,
) -> (CallKey, String, Vec<String>) {
    let (key, invited) = far.place(call);
    far.receive(answer(&invited, code, "x", header));
    (key, invited, far.taken())
}

#[test]
fn a_challenge_is_acknowledged_and_answered_by_a_new_transaction() {
    for (code, asks, proves) in [
        (401, "WWW-Authenticate", "Authorization"),
        (407, "Proxy-Authenticate", "Proxy-Authorization"),
    ] {
        let mut far = ByHand::new();
        let ask = format!("{asks}: {MD5}\r\n");
        let (key, first, sent) = challenged(&mut far, with_account(), code, &ask);
        assert_eq!(sent.iter().map(|sent| what(sent)).collect::<Vec<_>>(), ["ACK 1", "INVITE 2"]);
        let again = &sent[1];
        assert_ne!(branch(again), branch(&first));
        for name in ["From", "To", "Call-ID"] {
            assert_eq!(header(again, name), header(&first, name), "{name}");
        }
        assert!(verify(header(again, proves), "INVITE", "n1", "u", "p"), "{again}");

        // The challenge comes again, for its ACK was lost.
        far.receive(answer(&first, code, "x", &ask));
        assert_eq!(far.one(), sent[0]);

        far.receive(ok(again, "b"));
        let ack = far.one();
        assert_eq!(header(&ack, proves), header(again, proves), "RFC 3261 22.1");
        far.hang_up(key);
        let bye = far.one();
        assert!(verify(header(&bye, proves), "BYE", "n1", "u", "p"));
        assert!(header(&bye, proves).contains("nc=00000002"));
        let ladder = far.agent.ladder(key);
        let all: Vec<u8> = ladder.iter().flat_map(|message| message.bytes.to_vec()).collect();
        let all = String::from_utf8(all).unwrap();
        assert!(all.contains("(removed)") && !all.contains("response="), "{all}");
    }
}

#[test]
fn a_second_challenge_means_a_wrong_password_unless_the_nonce_was_stale() {
    let mut far = ByHand::new();
    let (_, _, sent) =
        challenged(&mut far, with_account(), 401, &format!("WWW-Authenticate: {MD5}\r\n"));
    let stale = MD5.replace("n1", "n2") + ", stale=TRUE";
    far.receive(answer(&sent[1], 401, "x", &format!("WWW-Authenticate: {stale}\r\n")));
    let sent = far.taken();
    assert_eq!(what(&sent[1]), "INVITE 3");
    assert!(verify(header(&sent[1], "Authorization"), "INVITE", "n2", "u", "p"));
    // Once more stale: this carrier would go on for ever.
    far.receive(answer(&sent[1], 401, "x", &format!("WWW-Authenticate: {stale}\r\n")));
    assert_eq!(what(&far.one()), "ACK 3");
    assert_eq!((far.cause(), far.ended().code), (EndCause::Refused, Some(401)));
    far.assert_all_released();

    let mut far = ByHand::new();
    let ask = format!("WWW-Authenticate: {MD5}\r\n");
    let (_, _, sent) = challenged(&mut far, with_account(), 401, &ask);
    far.receive(answer(&sent[1], 401, "x", &ask));
    assert_eq!((far.cause(), far.ended().code), (EndCause::Refused, Some(401)));
}

#[test]
fn a_proxy_and_the_callee_may_both_ask() {
    let mut far = ByHand::new();
    let ask = format!("Proxy-Authenticate: {MD5}\r\n");
    let (_, _, sent) = challenged(&mut far, with_account(), 407, &ask);
    far.receive(answer(
        &sent[1],
        401,
        "x",
        "WWW-Authenticate: Digest realm=\"r\", nonce=\"m\"\r\n",
    ));
    let again = far.taken().remove(1);
    assert_eq!(what(&again), "INVITE 3");
    assert!(verify(header(&again, "Proxy-Authorization"), "INVITE", "n1", "u", "p"));
    assert!(verify(header(&again, "Authorization"), "INVITE", "m", "u", "p"));
}

#[test]
fn the_strongest_challenge_of_a_realm_is_answered() {
    const SHA_512: &str = "WWW-Authenticate: Digest realm=\"r\", nonce=\"a\", \
                           algorithm=SHA-512-256, qop=\"auth\"\r\n";
    const SHA_256: &str =
        "WWW-Authenticate: Digest realm=\"r\", nonce=\"b\", algorithm=SHA-256, qop=\"auth\"\r\n";
    const MD5: &str = "WWW-Authenticate: Digest realm=\"r\", nonce=\"c\", algorithm=MD5\r\n";
    const UNKNOWN: &str = "WWW-Authenticate: Digest realm=\"r\", nonce=\"d\", algorithm=SHA-3\r\n";
    for (ask, nonce, algorithm) in [
        ([MD5, SHA_256, SHA_512, UNKNOWN], "a", "SHA-512-256"),
        ([SHA_512, SHA_256, UNKNOWN, MD5], "a", "SHA-512-256"),
        ([UNKNOWN, MD5, "", SHA_256], "b", "SHA-256"),
        ([UNKNOWN, "", MD5, ""], "c", "MD5"),
    ] {
        let mut far = ByHand::new();
        let (_, _, sent) = challenged(&mut far, with_account(), 401, &ask.concat());
        let proof = header(&sent[1], "Authorization");
        assert!(verify(proof, "INVITE", nonce, "u", "p"), "{proof}");
        assert!(proof.contains(&format!("algorithm={algorithm}")), "{proof}");
        assert_eq!(headers(&sent[1], "Authorization").len(), 1, "one proof a realm");
    }
}

#[test]
fn every_realm_that_asks_at_once_gets_its_proof() {
    let mut far = ByHand::new();
    let ask = "Proxy-Authenticate: Digest realm=\"a\", nonce=\"1\"\r\n\
               Proxy-Authenticate: Digest realm=\"b\", nonce=\"2\", qop=auth\r\n";
    let (_, _, sent) = challenged(&mut far, with_account(), 407, ask);
    let proofs = headers(&sent[1], "Proxy-Authorization");
    assert_eq!(proofs.len(), 2);
    assert!(proofs[0].contains("realm=\"a\"") && verify(proofs[0], "INVITE", "1", "u", "p"));
    assert!(proofs[1].contains("realm=\"b\"") && verify(proofs[1], "INVITE", "2", "u", "p"));
    // A third realm behind these may ask as well, and the first again only because of its age.
    let more = "Proxy-Authenticate: Digest realm=\"c\", nonce=\"3\"\r\n\
                Proxy-Authenticate: Digest realm=\"a\", nonce=\"4\", stale=true\r\n";
    far.receive(answer(&sent[1], 407, "x", more));
    let again = far.taken().remove(1);
    assert_eq!(headers(&again, "Proxy-Authorization").len(), 3);
    assert!(verify(headers(&again, "Proxy-Authorization")[0], "INVITE", "4", "u", "p"));
    let refused = "Proxy-Authenticate: Digest realm=\"b\", nonce=\"5\"\r\n";
    far.receive(answer(&again, 407, "x", refused));
    assert_eq!(what(&far.one()), "ACK 3");
    assert_eq!((far.cause(), far.ended().code), (EndCause::Refused, Some(407)));
}

#[test]
fn credentials_go_to_the_carrier_and_to_nobody_else() {
    // The callee names himself, at another host, as Contact, and then asks for a proof.
    let elsewhere = "Contact: <sip:thief@203.0.113.66:5060>\r\n";
    let ask = format!("WWW-Authenticate: {MD5}\r\n");
    let mut far = ByHand::new();
    let (key, _, sent) = challenged(&mut far, with_account(), 401, &ask);
    far.receive(answer(&sent[1], 200, "b", elsewhere));
    let ack = far.one();
    assert!(headers(&ack, "Authorization").is_empty(), "not even that of the INVITE: {ack}");
    far.hang_up(key);
    let bye = far.one();
    assert!(headers(&bye, "Authorization").is_empty(), "{bye}");
    far.receive_from("203.0.113.66:5060", answer(&bye, 401, "", &ask));
    assert_eq!(far.taken(), [""; 0], "a challenge from there is not answered");
    assert_eq!(far.cause(), EndCause::ByeSent);

    // The same through the carrier's proxy is answered, for there it was asked.
    let mut far = ByHand::new();
    let (key, _, sent) = challenged(&mut far, with_account(), 401, &ask);
    let routed = format!("Record-Route: <sip:192.0.2.2;lr>\r\n{elsewhere}");
    far.receive(answer(&sent[1], 200, "b", &routed));
    assert_eq!(headers(&far.one(), "Authorization").len(), 1);
    far.hang_up(key);
    assert!(verify(header(&far.one(), "Authorization"), "BYE", "n1", "u", "p"));
}

#[test]
fn what_is_kept_for_tls_is_not_told_in_the_clear() {
    let mut far = ByHand::new();
    let to = Peer::tls(End::Callee.addr());
    let (key, invited) = far.place(Invite { to, ..with_account() });
    let ask = format!("WWW-Authenticate: {MD5}\r\n");
    far.receive_by(to, answer(&invited, 401, "x", &ask));
    let again = far.taken().remove(1);
    assert_eq!(headers(&again, "Authorization").len(), 1);
    far.receive_by(to, answer(&again, 302, "x", "Contact: <sip:x@192.0.2.2>\r\n"));
    far.taken();
    let plain = Peer::udp(End::Callee.addr());
    far.agent.follow(far.now, key, plain, "sip:x@192.0.2.2").unwrap();
    let invited = far.one();
    far.receive(answer(&invited, 401, "x", &ask));
    assert_eq!(what(&far.one()), "ACK 3");
    assert_eq!((far.cause(), far.ended().code), (EndCause::Refused, Some(401)));
}

#[test]
fn what_cannot_be_answered_is_a_refusal() {
    let other_realm =
        Auth { username: "u".to_owned(), password: "p".to_owned(), realm: Some("x".to_owned()) };
    for (call, ask, why) in [
        (invite(1), format!("WWW-Authenticate: {MD5}\r\n"), "no account"),
        (with_account(), String::new(), "no challenge"),
        (with_account(), "WWW-Authenticate: Basic realm=\"r\"\r\n".to_owned(), "another scheme"),
        (
            Invite { auth: Some(other_realm), ..invite(1) },
            format!("WWW-Authenticate: {MD5}\r\n"),
            "another realm",
        ),
    ] {
        let mut far = ByHand::new();
        let (_, _, sent) = challenged(&mut far, call, 401, &ask);
        assert_eq!(sent.len(), 1, "{why}");
        assert_eq!((far.cause(), far.ended().code), (EndCause::Refused, Some(401)), "{why}");
    }
}

#[test]
fn a_challenged_call_that_is_to_be_cancelled_is_not_tried_again() {
    let mut far = ByHand::new();
    let (key, invited) = far.place(with_account());
    far.cancel(key);
    far.receive(answer(&invited, 407, "x", &format!("Proxy-Authenticate: {MD5}\r\n")));
    assert_eq!(what(&far.one()), "ACK 1");
    assert_eq!(far.cause(), EndCause::Cancelled);
    far.assert_all_released();
}

#[test]
fn a_challenged_bye_is_sent_again_once() {
    let mut far = ByHand::new();
    let (key, invited) = far.place(with_account());
    far.receive(ok(&invited, "b"));
    far.taken();
    far.hang_up(key);
    let bye = far.one();
    assert!(headers(&bye, "Authorization").is_empty(), "nobody asked so far");
    let ask = format!("WWW-Authenticate: {MD5}\r\n");
    far.receive(answer(&bye, 401, "", &ask));
    let again = far.one();
    assert_eq!(what(&again), "BYE 3");
    assert!(verify(header(&again, "Authorization"), "BYE", "n1", "u", "p"));
    assert!(far.is_up());
    far.receive(answer(&again, 401, "", &ask));
    assert_eq!(far.taken(), [""; 0]);
    assert_eq!(far.cause(), EndCause::ByeSent);
    far.assert_all_released();
}
