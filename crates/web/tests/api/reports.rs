//! The attempt report and the contact page, of attempts that were really recorded.

use campanile_domain::{
    attempt::{CallReport, Finish, Lease, NewAttempt},
    ids::{AttemptId, CampaignId},
    outcome::{Ending, HangupBy, Outcome},
    result::ConversationResult,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::harness::{NOW, PHONE, Server};

fn at(ms: i64) -> Timestamp {
    NOW.parse::<Timestamp>().unwrap().checked_add(SignedDuration::from_millis(ms)).unwrap()
}

/// Records an attempt as the engine does.
async fn dial(server: &Server, campaign: CampaignId, lease: Lease, index: i64) -> NewAttempt {
    let store = &server.app.store;
    let number = store.numbers().await.unwrap().remove(0);
    let attempt = NewAttempt {
        id: AttemptId((1 << 40) + index),
        number: lease.dialled + 1,
        pass: lease.counted + 1,
        revision: 1,
        carrier: number.carrier_id,
        caller_id: number.e164,
        number_id: number.id,
        tries: 1,
        at: at(0),
        lease,
    };
    assert_eq!(attempt.lease.campaign, campaign);
    store.record(attempt.clone()).await.unwrap().unwrap();
    attempt
}

#[tokio::test]
async fn the_report_holds_every_attempt_and_no_formula() {
    let server = Server::start().await;
    let path = server.draft().await;
    let campaign: CampaignId = path.rsplit('/').next().unwrap().parse().unwrap();
    let file = format!(
        "phone_number,name,note\n+{},\"=HYPERLINK(\"\"http://evil\"\")\",\"a\nb\"\n+{},Ravi,\n+{},Mina,\n",
        PHONE,
        PHONE + 1,
        PHONE + 2,
    );
    server.csv(&format!("{path}/contacts"), file).await;
    let started = server.post(&format!("{path}/start"), json!({})).await;
    assert_eq!(started.status, 200, "{}", started.text());
    let leases = server.app.store.lease(campaign, 1, 3, at(0)).await.unwrap().leases;
    let [talked, refused, alive]: [Lease; 3] = leases.try_into().unwrap();

    let attempt = dial(&server, campaign, talked, 1).await;
    let mut result = ConversationResult::of("+interested, \"very\"");
    result.callback = Some(serde_json::from_value(json!({"at": "2030-01-08T05:30:00Z"})).unwrap());
    let report = CallReport {
        attempt: attempt.id,
        ending: Ending::Connected { bot_failed: false },
        sip_code: Some(200),
        sip_reason: Some("OK".into()),
        retry_after_seconds: None,
        hangup_by: Some(HangupBy::Bot),
        ringing_at: Some(at(350)),
        answered_at: Some(at(4_600)),
        bot_attached_at: Some(at(4_601)),
        first_bot_audio_at: Some(at(4_620)),
        ended_at: at(34_725),
        result: None,
        rtp_sent: 1,
        rtp_received: 1,
        media: None,
    };
    let finish = Finish { attempt, report, outcome: Outcome::Completed, counts: true, result };
    server.app.store.finish(finish, at(34_725)).await.unwrap();

    let attempt = dial(&server, campaign, refused, 2).await;
    let report = CallReport {
        attempt: attempt.id,
        ending: Ending::Refused { sip_code: 486, after_ms: 120, rang: false },
        sip_code: Some(486),
        sip_reason: Some(" =cmd|' /C calc'!A0".into()),
        retry_after_seconds: None,
        hangup_by: Some(HangupBy::Callee),
        ringing_at: None,
        answered_at: None,
        bot_attached_at: None,
        first_bot_audio_at: None,
        ended_at: at(120),
        result: None,
        rtp_sent: 0,
        rtp_received: 0,
        media: None,
    };
    let result = ConversationResult::of("no_answer");
    let finish = Finish { attempt, report, outcome: Outcome::Busy, counts: true, result };
    server.app.store.finish(finish, at(120)).await.unwrap();
    dial(&server, campaign, alive, 3).await;

    let report = server.get(&format!("{path}/attempts.csv")).await;
    insta::assert_snapshot!("report", server.show(&report));
    assert_eq!(report.headers["campanile-rows"], "3");

    // Whatever program reads it, no cell begins a formula but our own numbers.
    let mut reader = csv::Reader::from_reader(&report.body[..]);
    let header = reader.headers().unwrap().clone();
    for record in reader.records() {
        for (column, cell) in header.iter().zip(&record.unwrap()) {
            let begins_formula = cell.trim_start().starts_with(['=', '+', '-', '@']);
            assert!(
                !begins_formula || matches!(column, "phone_number" | "caller_id"),
                "{column}: {cell}"
            );
        }
    }

    let busy = server.get(&format!("{path}/contacts?phone={}", PHONE + 1)).await.json();
    let id = busy["data"][0]["id"].as_str().unwrap();
    let contact = server.get(&format!("{path}/contacts/{id}")).await;
    insta::assert_snapshot!("contact_that_was_busy", server.show(&contact));
}
