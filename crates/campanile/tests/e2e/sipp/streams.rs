//! The main scenarios over TCP, as sipp takes them: all calls on one connection.

use serde_json::{Value, json};

use super::{Case, Dialled, dial, hang_up, listen};

/// One connection for all calls.
const ON_ONE: &[&str] = &["-t", "t1", "-d", "2000"];

fn tcp() -> Value {
    json!({ "transport": "tcp" })
}

async fn dial_over_tcp(scenario: &'static str, script: Value, settings: Value) -> Dialled {
    dial(Case { scenario, sipp: ON_ONE, carrier: tcp(), settings, script, ..Case::default() }).await
}

#[tokio::test]
async fn over_tcp_a_call_is_answered_and_the_callee_hangs_up() {
    let done = dial_over_tcp("uas_answer_talk_bye", listen(), json!({})).await;
    assert_eq!(done.rows.len(), 4);
    done.all("outcome", "completed");
    done.all("hangup_by", "callee");
    assert_eq!((done.successful, done.failed), (4, 0));
}

#[tokio::test]
async fn over_tcp_a_call_is_answered_and_the_bot_hangs_up() {
    let done = dial_over_tcp("uas_answer_wait", hang_up(), json!({})).await;
    done.all("outcome", "completed");
    done.all("hangup_by", "bot");
    assert_eq!((done.successful, done.failed), (4, 0));
}

#[tokio::test]
async fn over_tcp_a_busy_line_is_busy() {
    let settings = json!({ "retry_on_system": [] });
    let done = dial_over_tcp("uas_busy", hang_up(), settings).await;
    assert_eq!(done.rows.len(), 4);
    done.all("outcome", "busy");
    assert_eq!((done.successful, done.failed), (4, 0));
}

#[tokio::test]
async fn over_tcp_an_answer_that_crosses_our_cancel_is_no_answer() {
    let settings = json!({ "ring_timeout_seconds": 15 });
    let done = dial_over_tcp("uas_late200_after_cancel", hang_up(), settings).await;
    done.all("outcome", "no_answer");
    done.all("sip_code", "200");
    assert_eq!((done.successful, done.failed), (4, 0));
}

#[tokio::test]
async fn over_tcp_a_401_is_answered_with_a_digest_that_sipp_verifies() {
    let mut carrier = tcp();
    carrier["auth"] = json!({ "username": "dialler", "password": "s3cret" });
    let script = hang_up();
    let case = Case { scenario: "uas_401_auth", sipp: ON_ONE, carrier, script, ..Case::default() };
    let done = dial(case).await;
    done.all("outcome", "completed");
    assert_eq!((done.successful, done.failed), (4, 0));
}
