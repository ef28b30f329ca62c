//! Final answers of 300 and more: api.md's table, line by line.

use super::Scenario;

/// Codes and what they come to.
const TABLE: &[(&str, &[&str])] = &[
    ("no_answer", &["408 Request Timeout", "480 Temporarily Unavailable"]),
    ("busy", &["486 Busy Here", "600 Busy Everywhere"]),
    ("rejected", &["403 Forbidden", "603 Decline", "607 Unwanted", "608 Rejected"]),
    (
        "invalid_number",
        &["404 Not Found", "410 Gone", "484 Address Incomplete", "604 Does Not Exist Anywhere"],
    ),
    (
        "unreachable",
        &["415 Unsupported Media Type", "488 Not Acceptable Here", "606 Not Acceptable"],
    ),
    // Other 3xx and 4xx.
    (
        "unreachable",
        &[
            "300 Multiple Choices",
            "302 Moved Temporarily",
            "305 Use Proxy",
            "380 Alternative Service",
            "400 Bad Request",
            "402 Payment Required",
            "405 Method Not Allowed",
            "406 Not Acceptable",
            "413 Request Entity Too Large",
            "416 Unsupported URI Scheme",
            "420 Bad Extension",
            "433 Anonymity Disallowed",
            "481 Call/Transaction Does Not Exist",
            "482 Loop Detected",
            "483 Too Many Hops",
            "485 Ambiguous",
            "491 Request Pending",
            "493 Undecipherable",
            "499 Nobody Knows",
        ],
    ),
    (
        "congestion",
        &[
            "429 Provide Referrer Identity",
            "500 Server Internal Error",
            "501 Not Implemented",
            "502 Bad Gateway",
            "503 Service Unavailable",
            "504 Server Time-out",
            "505 Version Not Supported",
            "513 Message Too Large",
            "580 Precondition Failure",
            "599 Nobody Knows",
        ],
    ),
    // Other 6xx.
    ("rejected", &["601 Nobody Knows", "699 Nobody Knows"]),
];

pub(super) fn all() -> Vec<Scenario> {
    let codes = TABLE.iter().flat_map(|(outcome, codes)| {
        codes.iter().flat_map(move |status| [at_once(outcome, status), rung(outcome, status)])
    });
    codes.collect()
}

/// The first code of each line.
pub(super) fn one_of_each() -> Vec<Scenario> {
    TABLE.iter().map(|(outcome, codes)| at_once(outcome, codes[0])).collect()
}

fn at_once(outcome: &'static str, status: &'static str) -> Scenario {
    Scenario::new(status, (outcome, &status[..3]), move |far| {
        let invite = far.expect("INVITE");
        far.say(&invite, status);
        far.expect("ACK");
    })
    .hung_up_by(match outcome {
        // Somebody at the other end said no; else the carrier did.
        "busy" => "callee",
        "rejected" if matches!(&status[..3], "603" | "607" | "608") => "callee",
        _ => "carrier",
    })
}

/// The phone rings first, and the answer is repeated because its ACK came too late.
fn rung(outcome: &'static str, status: &'static str) -> Scenario {
    Scenario::new(format!("180, {status}"), (outcome, &status[..3]), move |far| {
        let invite = far.expect("INVITE");
        far.say(&invite, "100 Trying");
        far.say(&invite, "180 Ringing");
        far.say(&invite, status);
        far.expect("ACK");
        far.say(&invite, status);
        far.expect_again("ACK");
    })
    .by_datagrams()
}
