//! Further scenarios of the papers, one outcome each.

use serde_json::json;

use super::{Case, dial, hang_up, listen};

#[tokio::test]
async fn a_100_and_nothing_more_is_no_answer_and_the_call_is_freed() {
    let done = dial(Case {
        scenario: "uas_100_only",
        contacts: 2,
        settings: json!({ "ring_timeout_seconds": 15, "retry_on_system": [] }),
        ..Case::default()
    })
    .await;
    assert_eq!(done.rows.len(), 2);
    done.all("outcome", "no_answer");
    done.all("hangup_by", "dialler");
    done.all("ringing_at", "");
}

#[tokio::test]
async fn early_media_rings_until_the_answer() {
    let done = dial(Case { scenario: "uas_183_early", script: hang_up(), ..Case::default() }).await;
    assert_eq!(done.rows.len(), 4);
    done.all("outcome", "completed");
    for ring in done.column("ring_seconds") {
        let ring: f64 = ring.parse().unwrap();
        assert!((2.8..6.0).contains(&ring), "three seconds of early media: {ring}");
    }
    assert_eq!((done.successful, done.failed), (4, 0));
}

#[tokio::test]
async fn a_200_sent_four_times_is_one_answer_and_four_acks() {
    let done = dial(Case { scenario: "uas_dup200", script: listen(), ..Case::default() }).await;
    assert_eq!(done.rows.len(), 4, "one attempt each: {:#?}", done.rows);
    done.all("outcome", "completed");
    assert_eq!((done.successful, done.failed), (4, 0), "each got its ACKs");
}

#[tokio::test]
async fn a_480_is_no_answer() {
    refused("uas_reject_480", "no_answer", "480").await;
}

#[tokio::test]
async fn a_603_is_rejected() {
    refused("uas_reject_603", "rejected", "603").await;
}

async fn refused(scenario: &'static str, outcome: &str, code: &str) {
    let settings = json!({ "retry_on_system": [] });
    let done = dial(Case { scenario, settings, ..Case::default() }).await;
    assert_eq!(done.rows.len(), 4);
    done.all("outcome", outcome);
    done.all("sip_code", code);
    assert_eq!((done.successful, done.failed), (4, 0));
}
