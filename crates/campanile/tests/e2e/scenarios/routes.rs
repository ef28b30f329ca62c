//! Who is asked on the way: Record-Route, strict routers, Contacts elsewhere.

use super::{
    Scenario,
    peer::{Beside, Peer},
};

const COMPLETED: (&str, &str) = ("completed", "200");

pub(super) fn all() -> Vec<Scenario> {
    let all = vec![
        Scenario::new("through two proxies", COMPLETED, |far| {
            let (mut near, distant) = (Beside::new(), Beside::new());
            let invite = far.expect("INVITE");
            let routes = [distant.addr(), near.addr()].map(|addr| format!("<sip:{addr};lr>"));
            let lines = format!("Record-Route: {}\r\nRecord-Route: {}\r\n", routes[0], routes[1]);
            far.accept_with(&invite, &lines);
            // The one nearest to us is passed first (RFC 3261 12.1.2).
            let in_turn = [routes[1].as_str(), routes[0].as_str()];
            for method in ["ACK", "BYE"] {
                let request = near.expect(method);
                assert_eq!(request.values("Route").collect::<Vec<_>>(), in_turn);
                assert_eq!(request.uri(), far.uri(), "{}", request.text());
                if method == "BYE" {
                    near.send(&request.answer("200 OK", "", ""));
                }
            }
        }),
        Scenario::new("two proxies in one line", COMPLETED, |far| {
            let invite = far.expect("INVITE");
            let me = far.addr();
            let line = format!("Record-Route: <sip:b@{me};lr>, <sip:a@{me};lr;x=\"1,2\">\r\n");
            far.accept_with(&invite, &line);
            let ack = far.expect("ACK");
            let routes: Vec<_> = ack.values("Route").flat_map(|line| line.split(">, <")).collect();
            assert_eq!(routes.len(), 2, "{}", ack.text());
            assert!(routes[0].contains("sip:a@"), "{}", ack.text());
            far.is_hung_up();
        }),
        Scenario::new("through a strict router", COMPLETED, |far| {
            let mut router = Beside::new();
            let invite = far.expect("INVITE");
            let uri = format!("sip:{}", router.addr());
            far.accept_with(&invite, &format!("Record-Route: <{uri}>\r\n"));
            for method in ["ACK", "BYE"] {
                let request = router.expect(method);
                assert_eq!(request.uri(), uri, "{}", request.text());
                let target = format!("<{}>", far.uri());
                assert_eq!(request.values("Route").last(), Some(target.as_str()));
                if method == "BYE" {
                    router.send(&request.answer("200 OK", "", ""));
                }
            }
        }),
        Scenario::new(
            "the routes of the answer count, not those of the ringing",
            COMPLETED,
            |far| {
                let (early, mut late) = (Beside::new(), Beside::new());
                let invite = far.expect("INVITE");
                let route = |proxy: &Beside| format!("Record-Route: <sip:{};lr>\r\n", proxy.addr());
                far.send(invite.answer("180 Ringing", &route(&early), ""));
                far.accept_with(&invite, &route(&late));
                late.expect("ACK");
                let bye = late.expect("BYE");
                late.send(&bye.answer("200 OK", "", ""));
            },
        ),
        Scenario::new("a Contact at another port", COMPLETED, |far| {
            let mut phone = Beside::new();
            let invite = far.expect("INVITE");
            let contact = format!("Contact: <sip:phone@{};transport=udp>\r\n", phone.addr());
            accept_as(far, &invite, &contact);
            assert!(phone.expect("ACK").uri().starts_with("sip:phone@"));
            let bye = phone.expect("BYE");
            assert_eq!(bye.uri(), phone_uri(&contact));
            phone.send(&bye.answer("200 OK", "", ""));
        }),
        Scenario::new(
            "a refusal goes back the way it came, routes or not",
            ("busy", "486"),
            |far| {
                let invite = far.expect("INVITE");
                let elsewhere =
                    "Record-Route: <sip:192.0.2.1;lr>\r\nContact: <sip:x@192.0.2.2>\r\n";
                far.send(invite.answer("180 Ringing", elsewhere, ""));
                far.send(invite.answer("486 Busy Here", elsewhere, ""));
                far.expect("ACK");
            },
        ),
    ];
    // They speak from several sockets.
    all.into_iter().map(Scenario::by_datagrams).collect()
}

fn accept_as(far: &mut Peer, invite: &crate::far_end::Request, contact: &str) {
    let answer = String::from_utf8(invite.accept()).unwrap();
    let typed = super::peer::AS_SDP;
    far.send(answer.replacen(typed, &format!("{contact}{typed}"), 1));
}

fn phone_uri(contact: &str) -> &str {
    contact.split(['<', '>']).nth(1).expect("it was written so")
}
