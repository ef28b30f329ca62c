//! Requests within a call: what the callee's side may ask while the bot talks, and how the
//! two ends part.

use std::time::Duration;

use super::{
    Scenario,
    peer::{AS_SDP, Ear, Peer, audio},
};
use crate::far_end::{param, sdp};

const COMPLETED: (&str, &str) = ("completed", "200");

pub(super) fn all() -> Vec<Scenario> {
    let talks = vec![
        talk("OPTIONS", |far| is_told(far, "OPTIONS", "", "", 200)),
        talk("INFO with a key", |far| {
            let key = "Signal=5\r\nDuration=160\r\n";
            is_told(far, "INFO", "Content-Type: application/dtmf-relay\r\n", key, 200);
        }),
        talk("MESSAGE", |far| {
            is_told(far, "MESSAGE", "Content-Type: text/plain\r\n", "hello", 405);
        }),
        talk("REFER", |far| is_told(far, "REFER", "Refer-To: <sip:900@192.0.2.1>\r\n", "", 603)),
        talk("NOTIFY", |far| is_told(far, "NOTIFY", "Event: refer\r\n", "", 481)),
        talk("SUBSCRIBE", |far| is_told(far, "SUBSCRIBE", "Event: dialog\r\n", "", 405)),
        talk("a method of nobody's", |far| is_told(far, "BREW", "", "", 501)),
        talk("an extension that nobody has", |far| {
            is_told(far, "OPTIONS", "Require: teleport\r\n", "", 420);
        }),
        talk("UPDATE with a description", |far| {
            let ear = Ear::new();
            let answer = far.ask("UPDATE", &described(far), &audio(ear.port()));
            assert_eq!(answer.code, 200, "{answer:?}");
            assert!(answer.body().contains("m=audio "), "{answer:?}");
            ear.hears(8);
        }),
        talk("UPDATE without a description", |far| {
            let contact = far.contact();
            is_told(far, "UPDATE", &contact, "", 200);
        }),
        talk("held and taken back", |far| {
            let ear = Ear::new();
            let held = reinvite(far, &(audio(9) + "a=sendonly\r\n"));
            assert!(held.contains("a=recvonly") || held.contains("a=inactive"), "{held}");
            let back = reinvite(far, &(audio(ear.port()) + "a=sendrecv\r\n"));
            assert!(!back.contains("a=recvonly") && !back.contains("a=inactive"), "{back}");
            ear.hears(8);
        }),
        talk("held in the old way, with 0.0.0.0", |far| {
            let ear = Ear::new();
            reinvite(far, &audio(9).replacen("c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0", 1));
            reinvite(far, &audio(ear.port()));
            ear.hears(8);
        }),
        talk("inactive", |far| {
            let answer = reinvite(far, &(audio(9) + "a=inactive\r\n"));
            assert!(answer.contains("a=inactive"), "{answer}");
        }),
        talk("another codec", |far| {
            let ear = Ear::new();
            let answer = reinvite(far, &sdp(&format!("m=audio {} RTP/AVP 0\r\n", ear.port())));
            assert!(answer.contains("RTP/AVP 0"), "{answer}");
            ear.hears(0);
        }),
        talk("another ptime", |far| {
            let ear = Ear::new();
            reinvite(far, &(audio(ear.port()) + "a=ptime:40\r\n"));
            ear.hears(8);
        }),
        talk("another machine", |far| {
            let (one, two) = (Ear::new(), Ear::new());
            reinvite(far, &audio(one.port()));
            one.hears(8);
            reinvite(far, &audio(two.port()));
            two.hears(8);
            one.falls_silent();
        }),
        talk("a late offer", |far| {
            let ear = Ear::new();
            let answer = far.ask("INVITE", &far.contact(), "");
            assert_eq!(answer.code, 200, "{answer:?}");
            assert!(answer.body().contains("m=audio "), "our offer: {answer:?}");
            far.acknowledge(&audio(ear.port()));
            ear.hears(8);
        }),
        talk("a re-INVITE without a codec of ours", |far| {
            let offer = sdp("m=audio 9 RTP/AVP 18\r\n");
            let answer = far.ask("INVITE", &described(far), &offer);
            assert_eq!(answer.code, 488, "{answer:?}");
            far.acknowledge("");
        }),
        talk("a re-INVITE with a broken description", |far| {
            let answer = far.ask("INVITE", &described(far), "v=0\r\nm=banana\r\n");
            assert!((400..500).contains(&answer.code), "{answer:?}");
            far.acknowledge("");
        }),
        talk("a second re-INVITE before the first is acknowledged", |far| {
            let first = far.ask("INVITE", &described(far), &audio(9));
            assert_eq!(first.code, 200, "{first:?}");
            let second = far.ask("INVITE", &described(far), &audio(9));
            assert!(matches!(second.code, 491 | 500), "{second:?}");
            far.acknowledge("");
        }),
        talk("a request older than the last", |far| {
            let old = far.next_request("OPTIONS", "", "");
            is_told(far, "OPTIONS", "", "", 200);
            far.send(old.text());
            assert_eq!(far.is_answered(&old).code, 500);
        }),
        talk("a CANCEL that comes too late", |far| {
            let answer = far.ask("CANCEL", "", "");
            assert!(matches!(answer.code, 200 | 481), "{answer:?}");
        }),
        talk("an ACK that nobody waited for", |far| far.acknowledge("")),
    ];
    let mut all: Vec<_> = talks.into_iter().collect();
    all.extend(stranger_in_the_call());
    all.extend(partings());
    all
}

/// Once the call is up, `ask` is played, after which it must be up still: the callee hangs up.
fn talk(name: &str, ask: fn(&mut Peer)) -> Scenario {
    Scenario::new(name, COMPLETED, move |far| {
        far.talks();
        ask(far);
        far.hangs_up();
    })
    .listens()
    .hung_up_by("callee")
}

/// Requests that name the call almost right are no part of it.
fn stranger_in_the_call() -> Vec<Scenario> {
    ["their tag", "our tag", "the Call-ID", "no tag of ours"]
        .into_iter()
        .map(|wrong| {
            Scenario::new(format!("BYE with a mistake in {wrong}"), COMPLETED, move |far| {
                far.talks();
                let bye = far.next_request("BYE", "", "");
                let (from, to) = (bye.header("From"), bye.header("To"));
                let ours = format!(";tag={}", param(to, "tag").expect("a tag of ours"));
                let text = match wrong {
                    "their tag" => bye.text().replace(from, &from.replace("tag=far", "tag=near")),
                    "our tag" => bye.text().replace(&ours, ";tag=00"),
                    "no tag of ours" => bye.text().replace(&ours, ""),
                    _ => bye.text().replace("Call-ID: ", "Call-ID: x"),
                };
                far.send(text);
                assert_eq!(far.is_answered(&bye).code, 481);
                far.hangs_up();
            })
            .listens()
            .hung_up_by("callee")
        })
        .collect()
}

fn partings() -> Vec<Scenario> {
    vec![
        Scenario::new("the same BYE twice", COMPLETED, |far| {
            far.talks();
            let bye = far.request("BYE", "", "");
            assert_eq!(far.is_answered(&bye).code, 200);
            far.send(bye.text());
            assert_eq!(far.is_answered(&bye).code, 200);
        })
        .listens(),
        Scenario::new("another BYE after the first", COMPLETED, |far| {
            far.talks();
            far.hangs_up();
            let answer = far.ask("BYE", "", "");
            assert!(matches!(answer.code, 200 | 481), "{answer:?}");
        })
        .listens(),
        Scenario::new("both hang up at once", COMPLETED, |far| {
            far.answers();
            let ours = far.expect("BYE");
            far.hangs_up();
            far.say(&ours, "200 OK");
        }),
        Scenario::new("both hang up at once, and ours is refused", COMPLETED, |far| {
            far.answers();
            let ours = far.expect("BYE");
            far.hangs_up();
            far.say(&ours, "481 Call/Transaction Does Not Exist");
        }),
        Scenario::new("our BYE is refused", COMPLETED, |far| {
            far.answers();
            let bye = far.expect("BYE");
            far.say(&bye, "500 Server Internal Error");
        })
        .hung_up_by("bot"),
        Scenario::new("our BYE is answered 100, then 200", COMPLETED, |far| {
            far.answers();
            let bye = far.expect("BYE");
            far.say(&bye, "100 Trying");
            far.say(&bye, "200 OK");
        }),
        Scenario::new("our BYE is answered late", COMPLETED, |far| {
            far.answers();
            let bye = far.expect("BYE");
            far.expect_again("BYE");
            far.expect_again("BYE");
            far.say(&bye, "200 OK");
        })
        .by_datagrams(),
        Scenario::new("a re-INVITE that crosses our BYE", COMPLETED, |far| {
            far.answers();
            let bye = far.expect("BYE");
            let answer = far.ask("INVITE", &described(far), &audio(9));
            assert!(answer.code >= 400, "{answer:?}");
            far.acknowledge("");
            far.say(&bye, "200 OK");
        }),
        Scenario::new("a BYE with a reason and a body", COMPLETED, |far| {
            far.talks();
            let more = "Reason: Q.850;cause=16;text=\"Normal\"\r\nContent-Type: text/plain\r\n";
            assert_eq!(far.ask("BYE", more, "bye").code, 200);
        })
        .listens(),
        Scenario::new("a target that moves is followed", COMPLETED, |far| {
            far.talks();
            let moved = far.contact().replace("far@", "moved@");
            let answer = far.ask("INVITE", &format!("{moved}{AS_SDP}"), &audio(9));
            assert_eq!(answer.code, 200, "{answer:?}");
            far.acknowledge("");
            let bye = far.expect_within("BYE", Duration::from_secs(20));
            assert!(bye.uri().starts_with("sip:moved@"), "{}", bye.text());
            far.say(&bye, "200 OK");
        })
        // It stops listening by itself when nobody is heard.
        .settings(serde_json::json!({ "no_media_seconds": 5 }))
        .listens(),
    ]
}

fn is_told(far: &mut Peer, method: &str, more: &str, body: &str, code: u16) {
    let answer = far.ask(method, more, body);
    assert_eq!(answer.code, code, "{answer:?}");
}

/// A re-INVITE that is agreed to; what was answered.
fn reinvite(far: &mut Peer, offer: &str) -> String {
    let answer = far.ask("INVITE", &described(far), offer);
    assert_eq!(answer.code, 200, "{answer:?}");
    assert!(answer.header("Contact").is_some(), "{answer:?}");
    far.acknowledge("");
    answer.body().to_owned()
}

fn described(far: &Peer) -> String {
    format!("{}{AS_SDP}", far.contact())
}
