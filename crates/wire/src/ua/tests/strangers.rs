//! What comes from nowhere: other people's requests, forged answers, values that break out.

use super::{
    by_hand::{ByHand, answer, branch, header, ok},
    net::{End, invite},
};
use crate::ua::{Auth, EndCause, Invite, Refused, UaConfig};

fn stranger(method: &str, more: &str) -> String {
    format!(
        "{method} sip:caller@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK7\r\n\
         From: <sip:s@x>;tag=1\r\nTo: <sip:caller@192.0.2.1>{more}\r\nCall-ID: strange\r\n\
         CSeq: 1 {method}\r\n\r\n"
    )
}

#[test]
fn strangers_are_answered_and_nothing_of_them_is_kept() {
    for (method, to_tag, code) in [
        ("INVITE", "", 480),
        ("OPTIONS", "", 200),
        ("BYE", "", 481),
        ("CANCEL", "", 481),
        ("REGISTER", "", 405),
        ("SUBSCRIBE", "", 405),
        ("DANCE", "", 501),
        ("INVITE", ";tag=gone", 481),
        ("BYE", ";tag=0.0.0000000000000000", 481),
        ("BYE", ";tag=ffffffff.ffffffff.0", 481),
    ] {
        let mut far = ByHand::new();
        far.receive(stranger(method, to_tag));
        let first = far.one();
        assert!(first.starts_with(&format!("SIP/2.0 {code} ")), "{method}{to_tag}: {first}");
        far.receive(stranger(method, to_tag));
        assert_eq!(far.one(), first, "the same To tag each time");
        assert_eq!((far.agent.kept_calls(), far.events.len()), (0, 0));
    }
    for to_tag in ["", ";tag=gone"] {
        let mut far = ByHand::new();
        far.receive(stranger("ACK", to_tag));
        assert_eq!(far.taken(), [""; 0], "an ACK is never answered");
    }
}

#[test]
fn a_scanner_learns_nothing_from_the_user_it_asks_for() {
    for method in ["INVITE", "REGISTER", "OPTIONS", "SUBSCRIBE", "MESSAGE"] {
        let answer_for = |user: &str| {
            let mut far = ByHand::new();
            far.call();
            far.receive(stranger(method, "").replace("sip:caller@", &format!("sip:{user}@")));
            far.one().replace(&format!("sip:{user}@"), "sip:caller@")
        };
        let known = answer_for("+911140001000");
        for user in ["100", "admin", "00442079460000", "+911140001000", "caller"] {
            assert_eq!(answer_for(user), known, "{method} {user}");
        }
        assert!(!known.contains("-Authenticate"), "nobody is challenged: {known}");
    }
}

#[test]
fn a_source_that_asks_without_end_is_answered_less_and_others_are_not() {
    let mut far = ByHand::new();
    let answered = |far: &mut ByHand, from: &str, times: u32| {
        (0..times).for_each(|_| far.receive_from(from, stranger("OPTIONS", "")));
        far.taken().len()
    };
    assert_eq!(answered(&mut far, "198.51.100.1:5060", 1_000), 100);
    assert_eq!(answered(&mut far, "198.51.100.1:7777", 10), 0, "another port is the same source");
    assert_eq!(answered(&mut far, "198.51.100.2:5060", 10), 10);
    assert_eq!(answered(&mut far, "[2001:db8::1]:5060", 1_000), 100);
    assert_eq!(answered(&mut far, "[2001:db8::2]:5060", 10), 0, "one /64 is one source");
    far.receive_from("198.51.100.1:5060", stranger("OPTIONS", "").replace("1 OPTIONS", "1 BYE"));
    assert_eq!(far.taken(), [""; 0], "what is faulty counts as well");
    far.pass(std::time::Duration::from_secs(1));
    assert_eq!(answered(&mut far, "198.51.100.1:5060", 1_000), 50);

    // Calls are served however much the same source asks besides.
    let (_, invited) = far.call();
    answered(&mut far, "192.0.2.2:5060", 1_000);
    far.receive(ok(&invited, "b"));
    assert!(far.one().starts_with("ACK "));
}

#[test]
fn an_answer_to_a_stranger_is_hardly_longer_than_its_request() {
    for method in ["INVITE", "OPTIONS", "BYE", "REGISTER", "DANCE"] {
        for asked in
            [stranger(method, ""), stranger(method, "").replace("Call-ID: strange\r\n", "")]
        {
            let mut far = ByHand::new();
            far.receive(&asked);
            let given = far.one();
            assert!(given.len() <= asked.len() + 250, "{} {}", given.len(), asked.len());
            assert_eq!(far.pass(std::time::Duration::from_secs(60)), [], "and comes once");
        }
    }
}

#[test]
fn faulty_requests_are_told_so_and_faulty_answers_are_dropped() {
    for (from, to, code) in [
        ("SIP/2.0\r\nVia", "SIP/7.0\r\nVia", 505),
        ("CSeq: 1 OPTIONS", "CSeq: 1 BYE", 400),
        ("CSeq: 1 OPTIONS", "CSeq: 99999999999 OPTIONS", 400),
        ("Call-ID: strange\r\n", "", 400),
        ("From: <sip:s@x>;tag=1\r\n", "", 400),
        ("\r\n\r\n", "\r\nContent-Length: 9\r\n\r\n", 400),
        ("\r\n\r\n", "\r\nContent-Length: -1\r\n\r\n", 400),
        ("From: <sip:s@x>", "From: \"open <sip:s@x>", 400),
    ] {
        let mut far = ByHand::new();
        let faulty = stranger("OPTIONS", "").replace(from, to);
        far.receive(&faulty);
        assert!(far.one().starts_with(&format!("SIP/2.0 {code} ")), "{faulty}");
        far.receive(faulty.replace("OPTIONS", "ACK"));
        assert_eq!(far.taken(), [""; 0], "not even a faulty ACK is answered");
    }
    let mut far = ByHand::new();
    let (_, invited) = far.call();
    for (from, to) in [
        ("Content-Length: 0", "Content-Length: 10"),
        ("CSeq: 1 INVITE", "CSeq: one INVITE"),
        ("SIP/2.0 200", "SIP/2.0 099"),
        ("SIP/2.0 200", "SIP/3.0 200"),
    ] {
        far.receive(ok(&invited, "b").replace(from, to));
        assert_eq!((far.taken().len(), far.events.len()), (0, 0), "{to}");
    }
}

#[test]
fn an_answer_must_fit_in_branch_tag_call_id_method_and_host() {
    let mut far = ByHand::new();
    let (_, invited) = far.call();
    let good = answer(&invited, 486, "b", "");
    let foreign = branch(&invited).replace(|digit: char| digit.is_ascii_digit(), "7");
    for bad in [
        good.replace(branch(&invited), &foreign),
        good.replace(branch(&invited), "z9hG4bK0.0.0"),
        good.replace("Call-ID: att_1", "Call-ID: att_2"),
        good.replace("CSeq: 1 INVITE", "CSeq: 2 INVITE"),
        good.replace("CSeq: 1 INVITE", "CSeq: 1 BYE"),
        good.replace(";tag=0", ";tag=1"),
    ] {
        assert_ne!(bad, good);
        far.receive(&bad);
        assert_eq!((far.taken().len(), far.events.len()), (0, 0), "{bad}");
    }
    far.receive_from("203.0.113.77:5060", &good);
    assert_eq!((far.taken().len(), far.events.len()), (0, 0), "from another host");
    // A host may answer from another port, and a dual-stack socket writes its address otherwise.
    far.receive_from("[::ffff:192.0.2.2]:9999", &good);
    far.taken();
    assert_eq!(far.cause(), EndCause::Refused);

    let anywhere = UaConfig { answers_from_anywhere: true, ..UaConfig::new(End::Caller.addr()) };
    let mut far = ByHand::with(anywhere);
    let (_, invited) = far.call();
    far.receive_from("203.0.113.77:5060", answer(&invited, 486, "b", ""));
    assert_eq!(far.cause(), EndCause::Refused);
}

#[test]
fn odd_bytes_and_odd_spelling_do_not_lose_an_answer() {
    let mut far = ByHand::new();
    let (_, invited) = far.call();
    let text = answer(&invited, 183, "b", "Subject: folded\r\n over two lines\r\n")
        .replace("Via:", "v :")
        .replace("Call-ID:", "i:")
        .replace("From: ", "f: ")
        .replace("To: ", "tO:\t\"Jos~\"")
        .replace("CSeq:", "CSEQ:")
        .replace("Whatever", "Progr~s");
    let latin_1: Vec<u8> =
        text.bytes().map(|byte| if byte == b'~' { 0xE9 } else { byte }).collect();
    far.receive(latin_1);
    assert_eq!(far.events.len(), 1, "{:?}", far.events);
    far.receive(
        [&b"SIP/2.0 404 Kein Anschlu\xDF"[..], &answer(&invited, 404, "b", "").as_bytes()[20..]]
            .concat(),
    );
    assert_eq!(far.ended().reason.as_deref(), Some("Kein Anschlu\u{FFFD}"));
}

#[test]
fn values_that_would_break_out_of_their_header_are_refused() {
    let evil = "x\r\nRoute: <sip:evil>";
    let account = |username: &str| {
        Some(Auth { username: username.to_owned(), password: "p".to_owned(), realm: None })
    };
    let more = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    for (call, what) in [
        (Invite { request_uri: format!("sip:{evil}"), ..invite(1) }, "the request URI"),
        (Invite { request_uri: "http://x".to_owned(), ..invite(1) }, "the request URI"),
        (Invite { from_uri: "sip:a>;tag=b@c".to_owned(), ..invite(1) }, "the URI of From"),
        (Invite { to_uri: String::new(), ..invite(1) }, "the URI of To"),
        (Invite { from_display: Some(evil.to_owned()), ..invite(1) }, "the display name"),
        (Invite { call_id: "a b".to_owned(), ..invite(1) }, "the Call-ID"),
        (Invite { call_id: String::new(), ..invite(1) }, "the Call-ID"),
        (Invite { auth: account("u\0"), ..invite(1) }, "the account"),
        (Invite { headers: more("X-A", evil), ..invite(1) }, "a further header"),
        (Invite { headers: more("X A", "v"), ..invite(1) }, "a further header"),
        (Invite { headers: more("l", "0"), ..invite(1) }, "a further header"),
        (Invite { headers: more("Contact", "<sip:x>"), ..invite(1) }, "a further header"),
    ] {
        let mut far = ByHand::new();
        assert_eq!(far.agent.invite(far.now, call), Err(Refused::InvalidHeader(what)));
        assert_eq!((far.taken().len(), far.agent.kept_calls()), (0, 0));
    }
    let mut far = ByHand::new();
    let call = Invite {
        from_display: Some("A \"B\" \\ C".to_owned()),
        headers: more("P-Asserted-Identity", "<sip:a@b>"),
        ..invite(1)
    };
    let (_, invited) = far.place(call);
    assert!(header(&invited, "From").starts_with(r#""A \"B\" \\ C" <sip:"#), "{invited}");
    assert_eq!(header(&invited, "P-Asserted-Identity"), "<sip:a@b>");
}

#[test]
fn the_invite_says_all_that_a_carrier_asks_for() {
    let mut far = ByHand::new();
    let (_, invited) = far.call();
    let (head, _) = invited.split_once("\r\n\r\n").unwrap();
    insta::assert_snapshot!(
        head.replace("\r\n", "\n").replace(env!("CARGO_PKG_VERSION"), "VERSION")
    );
}
