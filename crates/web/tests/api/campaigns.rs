//! Campaigns: made, patched, started, paused, resumed, stopped, deleted.

use campanile_domain::{ids::CarrierId, live::CarrierLoad};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::harness::{PHONE, Server};

#[tokio::test]
async fn a_campaign_is_made_with_the_promised_defaults() {
    let server = Server::start().await;
    let made = server.post("/api/v1/campaigns", json!({"name": "Diwali offer"})).await;
    insta::assert_snapshot!("campaign_made", server.show(&made));
    let path = format!("/api/v1/campaigns/{}", made.id());
    assert_eq!(server.get(&path).await.json(), made.json());
}

/// Every text of `value` that is a time.
fn times(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(values) => values.iter().flat_map(times).collect(),
        Value::Object(values) => values.values().flat_map(times).collect(),
        Value::String(text) if text.parse::<Timestamp>().is_ok() => vec![text],
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn times_are_told_in_utc_to_the_millisecond() {
    let server = Server::start().await;
    server.pass_by(SignedDuration::from_nanos(123_456_789));
    let path = server.draft().await;
    let added = server.csv(&format!("{path}/contacts"), format!("phone_number\n+{PHONE}\n")).await;
    let started = server.post(&format!("{path}/start"), json!({})).await;
    let fine: Timestamp = "2030-01-07T05:30:01.987654321Z".parse().unwrap();
    let mut view = crate::streams::view(&path, 1);
    (view.at, view.last_dial_at, view.reason.until) = (fine, Some(fine), Some(fine));
    view.carriers = vec![CarrierLoad {
        carrier: CarrierId(1),
        name: "Acme".into(),
        dials_per_second: 1.0,
        cps: 1.0,
        channels_used: 1,
        channels: 1,
        resting_until: Some(fine),
    }];
    server.app.live.publish(view);
    let contacts = server.get(&format!("{path}/contacts")).await;
    let contact = contacts.json()["data"][0]["id"].as_str().unwrap().to_owned();
    let answers = [
        server.post("/api/v1/keys", json!({"name": "crm", "scope": "read"})).await,
        started,
        added,
        contacts,
        server.get(&format!("{path}/contacts/{contact}")).await,
        server.get(&format!("{path}/live")).await,
        server.get(&format!("{path}/activity")).await,
        server.get(&format!("{path}/setup")).await,
        server.get("/api/v1/keys").await,
    ];
    let mut told = 0;
    for answer in &answers {
        assert!(answer.status.is_success(), "{}", answer.text());
        for time in times(&answer.json()) {
            let fraction = time.strip_suffix('Z').expect("UTC").split_once('.');
            assert!(fraction.is_none_or(|(_, digits)| digits.len() <= 3), "{time}");
            told += 1;
        }
    }
    assert!(told > 12, "only {told} times were looked at");
}

#[tokio::test]
async fn a_patch_changes_only_the_fields_it_names() {
    let server = Server::start().await;
    let path = server.draft().await;
    let before = server.get(&path).await.json();
    let patch = json!({"max_attempts": 5, "retry_delay_minutes": 0.5});
    let after = server.patch(&path, patch.clone()).await;
    assert_eq!(after.status, 200, "{}", after.text());
    let mut expected = before;
    expected.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
    let mut after = after.json();
    // An edit counts as a revision or not: that is the store's to say.
    expected["revision"] = after["revision"].take();
    after["revision"] = expected["revision"].clone();
    assert_eq!(after, expected);
}

#[tokio::test]
async fn faulty_settings_name_every_field_at_fault() {
    let server = Server::start().await;
    let faulty = json!({
        "name": "x", "concurency": 5, "max_attempts": "three", "mode": "weekly",
        "window": {"start": "21:00", "end": "09:00"},
    });
    let answer = server.post("/api/v1/campaigns", faulty).await;
    insta::assert_snapshot!("campaign_of_wrong_types", server.show(&answer));
    let values = json!({"name": "", "concurrency": 0, "ring_timeout_seconds": 5});
    let answer = server.post("/api/v1/campaigns", values).await;
    insta::assert_snapshot!("campaign_of_wrong_values", server.show(&answer));
    let always_on = json!({"name": "x", "always_on": true, "mode": "single_day"});
    let answer = server.post("/api/v1/campaigns", always_on).await;
    assert_eq!(answer.json()["errors"][0]["code"], "needs_continuous");
    let stranger = json!({"name": "x", "bot_id": "bot_0000000000001"});
    let answer = server.post("/api/v1/campaigns", stranger).await;
    assert_eq!(answer.status, 422, "{}", answer.text());
}

#[tokio::test]
async fn a_campaign_lives_from_draft_to_completed() {
    let server = Server::start().await;
    let path = server.draft().await;
    let file = format!("phone_number,name\n+{PHONE},Asha\n+{},Ravi\n", PHONE + 1);
    let added = server.csv(&format!("{path}/contacts"), file).await;
    assert_eq!(added.status, 200, "{}", added.text());

    let act = async |action: &str| server.post(&format!("{path}/{action}"), json!({})).await;
    for wrong in ["pause", "resume", "stop"] {
        let answer = act(wrong).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (409, &json!("wrong_state")));
    }
    let started = act("start").await;
    insta::assert_snapshot!("campaign_started", server.show(&started));
    insta::assert_snapshot!("campaign_started_twice", server.show(&act("start").await));
    let edit = server.patch(&path, json!({"max_attempts": 2})).await;
    assert_eq!((edit.status.as_u16(), &edit.json()["code"]), (409, &json!("locked")));
    assert!(edit.text().contains("`max_attempts`"), "{}", edit.text());
    server.pass(60);
    assert_eq!(act("pause").await.json()["status"], "paused");
    let locked = server.patch(&path, json!({"name": "Other"})).await;
    assert!(matches!(locked.status.as_u16(), 409 | 422), "{}", locked.text());
    server.pass(60);
    assert_eq!(act("resume").await.json()["status"], "running");
    server.pass(60);
    let stopped = act("stop").await.json();
    assert_eq!(stopped["status"], "completed");
    let over = server.get(&path).await;
    insta::assert_snapshot!("campaign_stopped", server.show(&over));
    assert_eq!(server.delete(&path).await.status, 409);

    let log = server.get(&format!("{path}/activity")).await.json();
    let actions: Vec<_> =
        log["data"].as_array().unwrap().iter().map(|entry| entry["action"].clone()).collect();
    for action in ["start", "pause", "resume", "stop"] {
        assert!(actions.contains(&json!(action)), "{action} in {actions:?}");
    }
    let setup = server.get(&format!("{path}/setup")).await.json();
    assert_eq!(setup["data"][0]["run"], 1, "{setup}");
}

#[tokio::test]
async fn a_finished_campaign_is_prepared_again_and_brought_back_as_it_was() {
    let server = Server::start().await;
    let path = server.draft().await;
    let file = format!("phone_number,name\n+{PHONE},Asha\n+{},Ravi\n", PHONE + 1);
    server.csv(&format!("{path}/contacts"), file).await;
    let act = async |action: &str| server.post(&format!("{path}/{action}"), json!({})).await;
    for status in ["draft", "running"] {
        for wrong in ["restart", "cancel-restart"] {
            let refused = act(wrong).await;
            let told = (refused.status.as_u16(), refused.json()["code"].clone());
            assert_eq!(told, (409, json!("wrong_state")), "{wrong} in {status}");
        }
        act("start").await;
    }
    act("stop").await;
    let everything = async || {
        let mut told = Vec::new();
        for part in ["", "/stats", "/stats?run=1", "/contacts", "/attempts.csv", "/setup"] {
            told.push((part, server.get(&format!("{path}{part}")).await.text()));
        }
        told
    };
    let before = everything().await;

    server.pass(60);
    let prepared = act("restart").await;
    assert_eq!(prepared.status, 200, "{}", prepared.text());
    let prepared = prepared.json();
    assert_eq!((&prepared["status"], &prepared["run"]), (&json!("draft"), &json!(2)));
    assert_eq!(prepared["prepared_run"], 2);
    assert_eq!(prepared["counts"]["pending"], 2);
    let edited = server.patch(&path, json!({"max_attempts": 7})).await;
    assert_eq!(edited.status, 200, "{}", edited.text());
    let late = format!("phone_number\n+{}\n", PHONE + 2);
    assert_eq!(server.csv(&format!("{path}/contacts"), late).await.status, 409);
    let back = act("cancel-restart").await;
    assert_eq!(back.status, 200, "{}", back.text());
    assert_eq!(everything().await, before);

    act("restart").await;
    assert_eq!(act("start").await.json()["status"], "running");
    assert_eq!(act("cancel-restart").await.status, 409);
    let log = server.get(&format!("{path}/activity")).await.json();
    let actions: Vec<_> =
        log["data"].as_array().unwrap().iter().map(|entry| entry["action"].clone()).collect();
    assert_eq!(actions[..5], ["start", "restart", "cancel_restart", "edit", "restart"]);
}

#[tokio::test]
async fn start_lists_what_is_missing_by_field() {
    let server = Server::start().await;
    let made = server.post("/api/v1/campaigns", json!({"name": "Bare"})).await;
    let answer = server.post(&format!("/api/v1/campaigns/{}/start", made.id()), json!({})).await;
    assert_eq!(answer.status, 422);
    let pointers: Vec<_> = answer.json()["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap().to_owned())
        .collect();
    for pointer in ["/bot_id", "/number_ids"] {
        assert!(pointers.contains(&pointer.to_owned()), "{pointer} in {pointers:?}");
    }
}

#[tokio::test]
async fn a_bot_that_this_build_cannot_speak_through_is_refused_at_start() {
    let server = Server::start().await;
    let path = server.draft().await;
    let bot = server.post("/api/v1/bots", json!({"name": "Model", "kind": "sip", "settings": {}}));
    let bot = bot.await.id();
    server.patch(&path, json!({"bot_id": bot})).await;
    server.csv(&format!("{path}/contacts"), format!("phone_number\n+{PHONE}\n")).await;
    let answer = server.post(&format!("{path}/start"), json!({})).await;
    insta::assert_snapshot!("start_with_silent_bot", server.show(&answer));
}

#[tokio::test]
async fn a_draft_that_never_ran_is_deleted() {
    let server = Server::start().await;
    let path = server.draft().await;
    assert_eq!(server.delete(&path).await.status, 204);
    insta::assert_snapshot!("campaign_gone", server.show(&server.get(&path).await));
}

#[tokio::test]
async fn campaigns_are_listed_newest_first_by_status_and_name() {
    let server = Server::start().await;
    for name in ["Alpha", "beta", "Alphabet"] {
        server.post("/api/v1/campaigns", json!({"name": name})).await;
        server.pass(1);
    }
    let names = async |query: &str| -> Vec<String> {
        let page = server.get(&format!("/api/v1/campaigns{query}")).await.json();
        let data = page["data"].as_array().unwrap_or_else(|| panic!("{page}"));
        data.iter().map(|campaign| campaign["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("").await, ["Alphabet", "beta", "Alpha"]);
    assert_eq!(names("?search=ALPHA").await, ["Alphabet", "Alpha"]);
    assert_eq!(names("?status=running").await, [""; 0]);
    assert_eq!(names("?status=draft&search=bet&limit=1").await, ["Alphabet"]);
    let first = server.get("/api/v1/campaigns?limit=2").await.json();
    let cursor = first["next_cursor"].as_str().unwrap();
    assert_eq!(names(&format!("?limit=2&cursor={cursor}")).await, ["Alpha"]);
}

#[tokio::test]
async fn live_says_why_nothing_is_dialled() {
    let server = Server::start().await;
    let path = server.draft().await;
    let draft = server.get(&format!("{path}/live")).await;
    insta::assert_snapshot!("live_of_a_draft", server.show(&draft));
    server.csv(&format!("{path}/contacts"), format!("phone_number\n+{PHONE}\n")).await;
    server.post(&format!("{path}/start"), json!({})).await;
    let unreported = server.get(&format!("{path}/live")).await.json();
    assert_eq!(
        (&unreported["state"], &unreported["reason_code"]),
        (&json!("idle"), &json!("dialler_down"))
    );
    server.app.live.publish(crate::streams::view(&path, 1));
    let live = server.get(&format!("{path}/live")).await;
    insta::assert_snapshot!("live_of_a_running_campaign", server.show(&live));
    let stats = server.get(&format!("{path}/stats")).await;
    insta::assert_snapshot!("stats", server.show(&stats));
    assert_eq!(server.get(&format!("{path}/stats?run=2")).await.status, 404);
    let callbacks = server.get(&format!("{path}/callbacks")).await.json();
    assert_eq!(callbacks, json!({ "data": [], "next_cursor": null }));
    assert_eq!(server.get(&format!("{path}/callbacks?run=2")).await.status, 404);
    for wrong in ["callbacks?state=requested", "contacts?callback=superseded"] {
        assert_eq!(server.get(&format!("{path}/{wrong}")).await.status, 422, "{wrong}");
    }
    for filter in ["requested", "pending", "completed", "cancelled"] {
        let none = server.get(&format!("{path}/contacts?callback={filter}")).await.json();
        assert_eq!(none["data"], json!([]), "{filter}");
    }
}

#[tokio::test]
async fn a_running_campaign_is_tuned_by_the_same_patch() {
    let server = Server::start().await;
    let path = server.draft().await;
    let file = format!("phone_number,name\n+{PHONE},Asha\n");
    assert_eq!(server.csv(&format!("{path}/contacts"), file).await.status, 200);
    let windows = json!({"windows": [{"end": "12:00"}, {"start": "14:00", "end": "18:00"}]});
    let two = server.patch(&path, windows).await.json();
    assert_eq!(
        (&two["window"]["end"], &two["windows"][1]["end"]),
        (&json!("12:00"), &json!("18:00"))
    );
    assert_eq!(server.post(&format!("{path}/start"), json!({})).await.status, 200);

    let later = json!({
        "concurrency": 9, "windows": [{"end": "12:30"}, {"start": "14:00", "end": "19:00"}],
    });
    let tuned = server.patch(&path, later).await.json();
    assert_eq!((&tuned["concurrency"], &tuned["revision"]), (&json!(9), &json!(2)));
    assert_eq!(tuned["windows"][1]["end"], "19:00");
    for locked in ["holidays", "priority"] {
        let value = if locked == "holidays" { json!(["2030-01-26"]) } else { json!(5) };
        let refused = server.patch(&path, json!({locked: value})).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (409, &json!("locked")));
        assert!(refused.text().contains(&format!("`{locked}`")), "{}", refused.text());
    }
}
