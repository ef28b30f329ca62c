//! Far ends that answer wrongly, in every way that we could think of.

use std::{collections::HashMap, time::Duration};

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;

use super::{House, hang_up};
use crate::far_end::{FarEnd, Request, sdp};

/// Some random bytes; now and then with the look of SIP.
pub(super) fn bytes(random: &mut StdRng, longest: usize) -> Vec<u8> {
    let mut bytes = vec![0; random.random_range(0..longest)];
    random.fill_bytes(&mut bytes);
    let look: &[u8] = match random.random_range(0..4) {
        0 => b"SIP/2.0 200 OK\r\nVia: ",
        1 => b"INVITE sip:x@y SIP/2.0\r\nContent-Length: 99999999999999999999\r\n",
        _ => b"",
    };
    let length = look.len().min(bytes.len());
    bytes[..length].copy_from_slice(&look[..length]);
    bytes
}

/// Says `nonsense` to every INVITE; and busy to each that comes again, for those whose
/// nonsense was rightly ignored.
struct Case {
    name: &'static str,
    /// The outcome, and the code when it was not ignored.
    expected: (&'static str, &'static str),
    nonsense: fn(&Request, &mut StdRng) -> Vec<Vec<u8>>,
}

impl Case {
    /// One where the first answer rests the carrier: the second would wait for minutes.
    fn contacts(&self) -> usize {
        if self.expected.0 == "congestion" { 1 } else { 2 }
    }
}

const IGNORED: (&str, &str) = ("busy", "486");
const ANY: (&str, &str) = ("", "");
const NO_CODEC: (&str, &str) = ("unreachable", "200");
const AS_SDP: &str = "Content-Type: application/sdp\r\n";

fn ok(request: &Request, body: &str) -> Vec<Vec<u8>> {
    vec![request.answer("200 OK", AS_SDP, body)]
}

fn edited(answer: Vec<u8>, from: &str, to: &str) -> Vec<Vec<u8>> {
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.contains(from), "nothing to edit: {answer}");
    vec![answer.replacen(from, to, 1).into_bytes()]
}

fn busy(request: &Request) -> Vec<u8> {
    request.answer("486 Busy Here", "", "")
}

const CASES: &[Case] = &[
    Case {
        name: "random bytes",
        expected: IGNORED,
        nonsense: |_, random| (0..200).map(|_| bytes(random, 1_500)).collect(),
    },
    Case {
        name: "a 200 without a description",
        expected: NO_CODEC,
        nonsense: |request, _| vec![request.answer("200 OK", "", "")],
    },
    Case {
        name: "a 200 with a broken description",
        expected: NO_CODEC,
        nonsense: |request, _| ok(request, "v=0\r\nm=audio banana RTP/AVP\r\nc=\r\n=\r\n"),
    },
    Case {
        name: "a 200 that describes no codec of ours",
        expected: NO_CODEC,
        nonsense: |request, _| ok(request, &sdp("m=audio 9000 RTP/AVP 18\r\n")),
    },
    Case {
        name: "a 200 that refuses the audio",
        expected: NO_CODEC,
        nonsense: |request, _| ok(request, &sdp("m=audio 0 RTP/AVP 8\r\n")),
    },
    Case {
        name: "a 200 with the description of a film",
        expected: NO_CODEC,
        nonsense: |request, _| ok(request, &sdp("m=video 9000 RTP/AVP 31\r\n")),
    },
    Case {
        name: "a 200 with random bytes for a description",
        expected: NO_CODEC,
        nonsense: |request, random| {
            let noise: String = (0..400).map(|_| random.random::<char>()).collect();
            ok(request, &noise)
        },
    },
    Case {
        name: "a huge Content-Length",
        expected: ANY,
        nonsense: |request, _| {
            let many = "Content-Length: 18446744073709551616";
            edited(busy(request), "Content-Length: 0", many)
        },
    },
    Case {
        name: "a Content-Length beyond the datagram",
        expected: ANY,
        nonsense: |request, _| edited(busy(request), "Content-Length: 0", "Content-Length: 60000"),
    },
    Case {
        name: "a negative Content-Length",
        expected: ANY,
        nonsense: |request, _| edited(busy(request), "Content-Length: 0", "Content-Length: -1"),
    },
    Case {
        name: "a flood of 180 and 183",
        expected: IGNORED,
        nonsense: |request, _| {
            let sdp = sdp("m=audio 9 RTP/AVP 8\r\n");
            let mut flood = Vec::new();
            for _ in 0..1_000 {
                flood.push(request.answer("180 Ringing", "", ""));
                flood.push(request.answer("183 Session Progress", AS_SDP, &sdp));
            }
            flood.push(busy(request));
            flood
        },
    },
    Case {
        name: "statuses that do not exist",
        expected: IGNORED,
        nonsense: |request, _| {
            let odd = ["99999 Odd", "000 Odd", "-1 Odd", "4E2 Odd", " Odd", "99 Odd", "700 Odd"];
            odd.iter().map(|status| request.answer(status, "", "")).collect()
        },
    },
    Case {
        name: "statuses that nobody has heard of",
        expected: ("rejected", "699"),
        nonsense: |request, _| vec![request.answer("699 Never Heard Of", "", "")],
    },
    Case {
        name: "a reason that is no text",
        expected: IGNORED,
        nonsense: |request, _| {
            let mut answer = busy(request);
            answer[12..16].copy_from_slice(&[0xFF, 0xC0, 0x00, 0x80]);
            vec![answer, busy(request)]
        },
    },
    Case {
        name: "sixty kilobytes of header",
        expected: IGNORED,
        nonsense: |request, _| {
            let long = format!("X-Long: {}\r\n", "a".repeat(60_000));
            vec![request.answer("486 Busy Here", &long, ""), busy(request)]
        },
    },
    Case {
        name: "ten thousand headers",
        expected: IGNORED,
        nonsense: |request, _| {
            vec![request.answer("486 Busy Here", &"X: y\r\n".repeat(9_000), ""), busy(request)]
        },
    },
    Case {
        name: "answers cut short",
        expected: ANY,
        nonsense: |request, _| {
            let whole = busy(request);
            (0..whole.len()).step_by(3).map(|length| whole[..length].to_vec()).collect()
        },
    },
    Case {
        name: "answers with some bytes wrong",
        expected: ANY,
        nonsense: |request, random| {
            let mutate = |_| {
                let body = sdp("m=audio 9 RTP/AVP 8\r\n");
                let mut answer = request.answer("183 Session Progress", AS_SDP, &body);
                for _ in 0..random.random_range(1..8) {
                    let at = random.random_range(0..answer.len());
                    answer[at] = random.random();
                }
                answer
            };
            (0..500).map(mutate).chain([busy(request)]).collect()
        },
    },
    Case {
        name: "answers to calls that we did not place",
        expected: IGNORED,
        nonsense: |request, _| {
            let answer = || request.accept();
            let mut answers = edited(answer(), &request.call_id(), "nobody@nowhere");
            answers.extend(edited(answer(), "branch=z9hG4bK", "branch=z9hG4bKx"));
            answers.extend(edited(answer(), ";tag=", ";tag=0"));
            answers.extend(edited(answer(), "INVITE\r\n", "MESSAGE\r\n"));
            answers
        },
    },
    Case {
        name: "answers that contradict each other",
        expected: IGNORED,
        nonsense: |request, _| {
            vec![
                busy(request),
                request.accept(),
                request.answer("180 Ringing", "", ""),
                request.answer("503 Service Unavailable", "", ""),
                busy(request),
            ]
        },
    },
    Case {
        name: "ten forks that all answer",
        expected: NO_CODEC,
        nonsense: |request, _| {
            let fork = |n: u32| {
                let answer = request.answer("200 OK", "", "");
                edited(answer, ";tag=far", &format!(";tag=far{n}")).remove(0)
            };
            (0..10).map(fork).collect()
        },
    },
    Case {
        name: "a Retry-After of ages",
        expected: ("congestion", "503"),
        nonsense: |request, _| {
            let never = "Retry-After: 99999999999999999999 (never)\r\n";
            vec![request.answer("503 Service Unavailable", never, "")]
        },
    },
    Case {
        name: "a challenge that challenges nothing",
        expected: ("unreachable", "401"),
        nonsense: |request, _| {
            let header = "WWW-Authenticate: Digest realm=\", nonce=,,=\"\r\nWWW-Authenticate:\r\n";
            vec![request.answer("401 Unauthorized", header, "")]
        },
    },
    Case {
        name: "a redirection to itself",
        // It is followed, as to any other place of the callee.
        expected: ("busy", "486"),
        nonsense: |request, _| {
            let here = format!("Contact: {}\r\n", request.header("To"));
            vec![request.answer("302 Moved Temporarily", &here, "")]
        },
    },
    Case {
        name: "requests instead of answers",
        expected: IGNORED,
        nonsense: |request, _| {
            let turned = |method: &str| {
                let answer = String::from_utf8(busy(request)).unwrap();
                let line = format!("{method} sip:dialler@127.0.0.1 SIP/2.0");
                let answer = answer.replacen("SIP/2.0 486 Busy Here", &line, 1);
                answer.replacen(" INVITE\r\n", &format!(" {method}\r\n"), 1).into_bytes()
            };
            ["INVITE", "BYE", "CANCEL", "ACK", "INFO", "REFER", "NOTIFY", "UPDATE", "PRACK"]
                .map(turned)
                .into()
        },
    },
    Case {
        name: "a BYE before the answer, and then the answer",
        expected: ANY,
        nonsense: |request, _| {
            let from = format!("From: {}", request.header("From"));
            let to = format!("To: {};tag=far", request.header("To"));
            let bye = String::from_utf8(busy(request)).unwrap();
            let bye = bye
                .replacen("SIP/2.0 486 Busy Here", "BYE sip:dialler@127.0.0.1 SIP/2.0", 1)
                .replacen(&from, "From: <sip:far@127.0.0.1>;tag=far", 1)
                .replacen(&to, &from.replacen("From", "To", 1), 1)
                .replacen(" INVITE\r\n", " BYE\r\n", 1);
            vec![bye.into_bytes(), request.accept()]
        },
    },
];

#[tokio::test]
async fn whatever_a_carrier_answers_every_attempt_ends_and_the_campaign_completes() {
    let seed: u64 = rand::random();
    let mut house = House::new(hang_up(), &[]).await;
    let mut running = Vec::new();
    for (index, case) in CASES.iter().enumerate() {
        let mut random = StdRng::seed_from_u64(seed.wrapping_add(index as u64));
        let mut came: HashMap<String, u32> = HashMap::new();
        let nonsense = case.nonsense;
        let far_end = FarEnd::start(move |request, answers| {
            if request.method == "INVITE" {
                let times = came.entry(request.call_id()).or_default();
                *times += 1;
                match *times {
                    1 => *answers = nonsense(request, &mut random),
                    _ => answers.push(busy(request)),
                }
            }
            request.part(answers);
        });
        // Once: what is to be seen is how the attempts end, not how they are repeated. The
        // ring timeout is for those who only ever ring.
        let settings = json!({ "retry_on_system": [], "ring_timeout_seconds": 15 });
        let count = case.contacts();
        let campaign = house.dial(count, json!({ "port": far_end.port }), settings).await;
        running.push((case, campaign, far_end));
    }
    for (case, campaign, far_end) in running {
        let (Case { name, expected, .. }, count) = (case, case.contacts());
        let done = house.server.wait_completed(&campaign, Duration::from_secs(25)).await;
        assert_eq!(done["processed"], count, "{name}, seed {seed}");
        let rows = house.server.report(&campaign).await;
        assert_eq!(rows.len(), count, "{name}, seed {seed}: {rows:#?}");
        for row in rows {
            assert!(!row["outcome"].is_empty(), "{name}, seed {seed}: {row:#?}");
            assert_ne!(row["outcome"], "unknown", "{name}, seed {seed}: {row:#?}");
            if *expected != ANY {
                let ended = (&*row["outcome"], &*row["sip_code"]);
                assert_eq!(ended, *expected, "{name}, seed {seed}: {row:#?}");
            }
        }
        // Whoever was answered was acknowledged and told that it is over.
        if *expected == NO_CODEC {
            assert_eq!(far_end.calls("ACK").len(), count, "{name}");
            assert_eq!(far_end.calls("BYE").len(), count, "{name}");
        }
    }
    house.is_sound();
}
