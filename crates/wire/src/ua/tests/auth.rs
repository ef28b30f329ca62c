//! Challenges (RFC 3261 22).

use super::{
    by_hand::{ByHand, answer, branch, header, headers, ok, what},
    net::invite,
};
use crate::{
    digest::verify,
    ua::{Auth, CallKey, EndCause, Invite},
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
fn the_first_challenge_that_can_be_answered_is() {
    let mut far = ByHand::new();
    let ask = "WWW-Authenticate: Digest realm=\"r\", nonce=\"a\", algorithm=SHA-512-256\r\n\
               WWW-Authenticate: Digest realm=\"r\", nonce=\"b\", algorithm=SHA-256, qop=\"auth\"\r\n\
               WWW-Authenticate: Digest realm=\"r\", nonce=\"c\", algorithm=MD5\r\n";
    let (_, _, sent) = challenged(&mut far, with_account(), 401, ask);
    assert!(verify(header(&sent[1], "Authorization"), "INVITE", "b", "u", "p"), "{}", sent[1]);
    assert!(header(&sent[1], "Authorization").contains("algorithm=SHA-256"));
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
