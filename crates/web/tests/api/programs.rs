//! Trigger and Exclude, as a CRM asks them (EX-1, EX-2).

use campanile_store::rows::Scope;
use serde_json::{Value, json};

use crate::harness::{Answer, PHONE, Server};

const TRIGGER: &str = "/api/v1/campaigns/trigger";
const EXCLUDE: &str = "/api/v1/contacts/exclude";

/// A running campaign with two contacts; its id.
async fn running(server: &Server) -> String {
    let path = server.draft().await;
    let file = format!("phone_number,crm\n+{PHONE},7\n+{},8\n", PHONE + 1);
    server.csv(&format!("{path}/contacts"), file).await;
    assert_eq!(server.post(&format!("{path}/start"), json!({})).await.status, 200);
    path.rsplit('/').next().unwrap().to_owned()
}

fn faults(answer: &Answer) -> Vec<String> {
    let errors = answer.json()["errors"].as_array().cloned().unwrap_or_default();
    let told = errors.iter().map(|error| {
        format!("{} {}", error["pointer"].as_str().unwrap(), error["code"].as_str().unwrap())
    });
    told.collect()
}

#[tokio::test]
async fn a_trigger_and_its_repeat_are_answered_the_same() {
    let server = Server::start().await;
    let id = running(&server).await;
    let body = json!({
        "campaign_id": id, "mobile": format!("+{}", PHONE + 9),
        "metadata": {"name": "Meera", "crm": 9}, "idempotency_key": "order-9",
    });
    let first = server.post(TRIGGER, body.clone()).await;
    insta::assert_snapshot!("trigger", server.show(&first));
    assert_eq!(server.post(TRIGGER, body.clone()).await.body, first.body);
    let mut other = body;
    other["metadata"]["crm"] = json!(10);
    let mismatch = server.post(TRIGGER, other).await;
    assert_eq!(mismatch.status, 422);
    assert_eq!(faults(&mismatch), ["/idempotency_key idempotency_mismatch"]);
}

#[tokio::test]
async fn a_hundred_equal_triggers_at_once_make_one_contact() {
    let server = Server::start().await;
    let id = running(&server).await;
    let body = json!({
        "campaign_id": id, "mobile": format!("+{}", PHONE + 9), "idempotency_key": "order-9",
    });
    let asked = (0..100).map(|_| server.post(TRIGGER, body.clone()));
    let answers = futures_util::future::join_all(asked).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert!(answers.iter().all(|answer| answer.body == answers[0].body));
    assert_eq!(server.get(&format!("/api/v1/campaigns/{id}")).await.json()["total"], 3);
}

#[tokio::test]
async fn each_fault_of_a_trigger_names_its_field() {
    let server = Server::start().await;
    let id = running(&server).await;
    let with = |changes: Value| {
        let mut body = json!({"campaign_id": id, "mobile": format!("+{PHONE}")});
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        server.post(TRIGGER, body)
    };
    for (changes, told) in [
        (json!({"mobile": "9876500000"}), "/mobile invalid_number"),
        (json!({"mobile": "+44 7400 123456"}), "/mobile country_not_allowed"),
        (json!({"mobile": "+112"}), "/mobile forbidden_number"),
        (json!({"metadata": {"x": "y".repeat(70_000)}}), "/metadata too_large"),
        (json!({"metadata": [1]}), "/metadata invalid"),
        (json!({"idempotency_key": ""}), "/idempotency_key invalid"),
        (json!({"mobil": 1}), "/mobil unknown"),
        (json!({"campaign_id": "cmp_x"}), "/campaign_id invalid"),
    ] {
        let answer = with(changes.clone()).await;
        assert_eq!(
            (answer.status.as_u16(), faults(&answer)),
            (422, vec![told.to_owned()]),
            "{changes}"
        );
    }
    let nobody = with(json!({"campaign_id": "cmp_0000000000001"})).await;
    assert_eq!((nobody.status.as_u16(), nobody.json()["code"].clone()), (404, json!("not_found")));
    // A number is read as people write it, as long as it names its country.
    assert_eq!(with(json!({"mobile": "+91 98765-00000"})).await.status, 200);
}

#[tokio::test]
async fn a_campaign_that_does_not_run_takes_no_trigger() {
    let server = Server::start().await;
    let path = server.draft().await;
    let id = path.rsplit('/').next().unwrap();
    let body = json!({"campaign_id": id, "mobile": format!("+{PHONE}")});
    let refused = server.post(TRIGGER, body).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (409, &json!("not_accepting")));
}

#[tokio::test]
async fn contacts_are_excluded_by_number_or_by_metadata() {
    let server = Server::start().await;
    let id = running(&server).await;
    let by_metadata = json!({"campaign_id": id, "match": {"crm": 7}, "reason": "bought already"});
    let first = server.post(EXCLUDE, by_metadata.clone()).await;
    assert_eq!((first.status.as_u16(), first.json()), (200, json!({"matched": 1})));
    assert_eq!(server.post(EXCLUDE, by_metadata).await.json(), json!({"matched": 1}));
    let by_number = json!({"campaign_id": id, "mobile": format!("+{}", PHONE + 1)});
    assert_eq!(server.post(EXCLUDE, by_number).await.json(), json!({"matched": 1}));
    let campaign = server.get(&format!("/api/v1/campaigns/{id}")).await.json();
    assert_eq!(campaign["counts"]["excluded"], 2);
    let log = server.get(&format!("/api/v1/campaigns/{id}/activity")).await.json();
    assert_eq!(log["data"][1]["detail"], "by crm, 1 matched: bought already");
}

#[tokio::test]
async fn each_fault_of_an_exclusion_names_its_field() {
    let server = Server::start().await;
    let id = running(&server).await;
    for (body, told) in [
        (json!({}), " invalid"),
        (json!({"mobile": "+919876500000", "match": {"crm": 7}}), " invalid"),
        (json!({"match": {}}), "/match invalid"),
        (json!({"match": {"a": 1, "b": 2, "c": 3}}), "/match invalid"),
        (json!({"match": {"a": {"b": 1}}}), "/match/a invalid"),
        (json!({"mobile": "x"}), "/mobile letters"),
        (json!({"mobile": "+919876500000", "reason": "y".repeat(501)}), "/reason too_long"),
    ] {
        let mut whole = body.clone();
        whole["campaign_id"] = json!(id);
        let answer = server.post(EXCLUDE, whole).await;
        assert_eq!(
            (answer.status.as_u16(), faults(&answer)),
            (422, vec![told.to_owned()]),
            "{body}"
        );
    }
    let nobody = json!({"campaign_id": "cmp_0000000000001", "mobile": "+919876500000"});
    assert_eq!(server.post(EXCLUDE, nobody).await.status, 404);
}

#[tokio::test]
async fn a_trigger_key_may_trigger_and_exclude_and_nothing_else() {
    let server = Server::start().await;
    let id = running(&server).await;
    let ask = async |scope, path: &str, body: Value| {
        let key = server.key(scope).await;
        let request = axum::http::Request::builder()
            .method("POST")
            .uri(path)
            .header("x-api-key", key)
            .header("content-type", "application/json")
            .body(axum::body::Body::from(body.to_string()))
            .unwrap();
        server.send(request).await.status.as_u16()
    };
    let one = json!({"campaign_id": id, "mobile": format!("+{PHONE}")});
    for path in [TRIGGER, EXCLUDE] {
        assert_eq!(ask(Scope::Trigger, path, one.clone()).await, 200);
        assert_eq!(ask(Scope::Read, path, one.clone()).await, 403);
    }
    assert_eq!(ask(Scope::Trigger, &format!("/api/v1/campaigns/{id}/stop"), json!({})).await, 403);
}

#[tokio::test]
async fn a_number_on_the_do_not_call_list_is_shown_refused_and_taken_off() {
    let server = Server::start().await;
    let id = running(&server).await;
    let number = format!("+{}", PHONE + 9);
    let made = server.post("/api/v1/dnc", json!({"number": number, "source": "register"})).await;
    insta::assert_snapshot!("do_not_call", server.show(&made));
    let listed = server.get("/api/v1/dnc").await.json();
    assert_eq!(listed["data"], json!([made.json()]));
    assert_eq!(server.get(&format!("/api/v1/dnc/{number}")).await.json(), made.json());

    let asked = json!({"campaign_id": id, "mobile": number});
    let refused = server.post(TRIGGER, asked.clone()).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (409, &json!("excluded")));
    assert_eq!(server.delete(&format!("/api/v1/dnc/{number}")).await.status, 204);
    assert_eq!(server.delete(&format!("/api/v1/dnc/{number}")).await.status, 404);
    assert_eq!(server.post(TRIGGER, asked).await.status, 200);
}

#[tokio::test]
async fn each_fault_of_an_entry_names_its_field() {
    let server = Server::start().await;
    for (body, told) in [
        (json!({}), "/number required"),
        (json!({"number": "9876500000"}), "/number invalid_number"),
        (
            json!({"number": "+919876500000", "expires_at": "2020-01-01T00:00:00Z"}),
            "/expires_at past",
        ),
        (json!({"number": "+919876500000", "source": "y".repeat(201)}), "/source too_long"),
    ] {
        let answer = server.post("/api/v1/dnc", body.clone()).await;
        assert_eq!(
            (answer.status.as_u16(), faults(&answer)),
            (422, vec![told.to_owned()]),
            "{body}"
        );
    }
}
