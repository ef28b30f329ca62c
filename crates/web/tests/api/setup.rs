//! Carriers, numbers, bots and keys.

use campanile_domain::carrier::{CarrierHealth, Registration, RegistrationState};
use jiff::Timestamp;
use serde_json::json;

use crate::harness::Server;

#[tokio::test]
async fn a_carrier_is_made_shown_and_changed_and_its_password_never_leaves() {
    let server = Server::start().await;
    let made = server
        .post(
            "/api/v1/carriers",
            json!({
                "name": "Acme", "host": "sip.example.com", "port": 5080,
                "auth": {"username": "me", "password": "hunter2-canary"},
                "cps": 10, "burst": 2, "channels": 50, "prefix": "0091",
            }),
        )
        .await;
    insta::assert_snapshot!("carrier_made", server.show(&made));
    let path = format!("/api/v1/carriers/{}", made.id());
    let changed = server.patch(&path, json!({"cps": 2.5, "enabled": false})).await;
    insta::assert_snapshot!("carrier_changed", server.show(&changed));
    let list = server.get("/api/v1/carriers").await;
    for answer in [&made, &changed, &server.get(&path).await, &list] {
        assert!(!answer.text().contains("canary"), "{}", answer.text());
    }
    let kept = server.app.store.carriers().await.unwrap();
    let auth = kept[0].settings.auth.as_ref().unwrap();
    assert_eq!(auth.password, "hunter2-canary", "a patch of other fields keeps it");
}

#[tokio::test]
async fn a_faulty_carrier_names_every_field_at_fault() {
    let server = Server::start().await;
    let types = json!({
        "name": "Acme", "host": "h", "cps": "ten", "channels": -1, "chanels": 4,
    });
    insta::assert_snapshot!(
        "carrier_of_wrong_types",
        server.show(&server.post("/api/v1/carriers", types).await)
    );
    let values = json!({
        "name": " ", "host": "sip.example.com\r\nVia: x", "port": 0, "transport": "tls",
        "auth": {"username": "a\nb", "password": ""}, "cps": 0, "burst": 0, "channels": 0,
        "codecs": ["G729"], "register": true, "outbound_proxy": "x y", "prefix": "call me",
    });
    insta::assert_snapshot!(
        "carrier_of_wrong_values",
        server.show(&server.post("/api/v1/carriers", values).await)
    );
}

#[tokio::test]
async fn a_carrier_over_tls_that_registers_is_taken_and_registering_takes_an_account() {
    let server = Server::start().await;
    let mut carrier = json!({
        "name": "Acme", "host": "sip.example.com", "transport": "tls", "register": true,
        "cps": 1, "channels": 1,
    });
    let refused = server.post("/api/v1/carriers", carrier.clone()).await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.json()["errors"][0]["pointer"], "/auth");
    carrier["auth"] = json!({"username": "me", "password": "secret"});
    let made = server.post("/api/v1/carriers", carrier).await;
    let said = made.json();
    assert_eq!((said["transport"].as_str(), said["register"].as_bool()), (Some("tls"), Some(true)));
    assert!(said["port"].is_null() && said["health"].is_null(), "{said}");
}

#[tokio::test]
async fn how_a_carrier_stands_is_told_once_the_dialler_knows() {
    let server = Server::start().await;
    let (carrier, ..) = server.furnish().await;
    let id = carrier.parse().unwrap();
    let at = |second| Timestamp::from_second(second).unwrap();
    let mut health = CarrierHealth::unknown(id);
    health.failed("cannot resolve sip.example.com: no such name", at(1_900_000_000));
    health.registration = Some(Registration {
        state: RegistrationState::Registered,
        since: at(1_900_000_000),
        until: Some(at(1_900_003_600)),
        reason: None,
    });
    server.app.live.publish_carrier(health);
    let said = server.get(&format!("/api/v1/carriers/{carrier}")).await.json()["health"].clone();
    assert_eq!(
        said,
        json!({
            "state": "down", "since": "2030-03-17T17:46:40Z",
            "reason": "cannot resolve sip.example.com: no such name", "addresses": [],
            "registration": {
                "state": "registered", "since": "2030-03-17T17:46:40Z",
                "until": "2030-03-17T18:46:40Z", "reason": null,
            },
        })
    );
}

#[tokio::test]
async fn numbers_belong_to_a_carrier_and_are_there_once() {
    let server = Server::start().await;
    let carrier = server
        .post(
            "/api/v1/carriers",
            json!({"name": "Acme", "host": "sip.example.com", "cps": 1, "channels": 1}),
        )
        .await
        .id();
    let number = json!({"e164": "+91 11 4000 1234", "carrier_id": carrier, "label": "Delhi"});
    let made = server.post("/api/v1/numbers", number.clone()).await;
    insta::assert_snapshot!("number_made", server.show(&made));
    let again = server.post("/api/v1/numbers", number).await;
    assert_eq!(again.status, 409, "{}", again.text());
    let national = json!({"e164": "01140001234", "carrier_id": carrier});
    insta::assert_snapshot!(
        "number_national",
        server.show(&server.post("/api/v1/numbers", national).await)
    );
    let nowhere = json!({"e164": "+911140001235", "carrier_id": "car_0000000000001"});
    assert_eq!(server.post("/api/v1/numbers", nowhere).await.status, 422);
    assert_eq!(server.get(&format!("/api/v1/numbers/{}", made.id())).await.status, 200);
}

#[tokio::test]
async fn a_script_bot_with_empty_settings_is_valid() {
    let server = Server::start().await;
    let made = server.post("/api/v1/bots", json!({"name": "Greeter", "kind": "script"})).await;
    insta::assert_snapshot!("bot_made", server.show(&made));
    let path = format!("/api/v1/bots/{}", made.id());
    let changed = server.patch(&path, json!({"name": "Hello", "enabled": false})).await;
    insta::assert_snapshot!("bot_changed", server.show(&changed));
    let faulty = json!({"name": "x", "kind": "script", "settings": {"start": "nowhere"}});
    let faulty = server.post("/api/v1/bots", faulty).await;
    assert_eq!(faulty.status, 422);
    assert_eq!(faulty.json()["errors"][0]["pointer"], "/settings/start");
    let kind = server.post("/api/v1/bots", json!({"name": "x", "kind": "robot"})).await;
    assert_eq!(kind.json()["errors"][0]["pointer"], "/kind");
}

#[tokio::test]
async fn a_key_is_shown_once_works_and_ends() {
    let server = Server::start().await;
    let made = server.post("/api/v1/keys", json!({"name": "CRM", "scope": "read"})).await;
    insta::assert_snapshot!("key_made", server.show(&made));
    let secret = made.json()["key"].as_str().unwrap().to_owned();
    let list = server.get("/api/v1/keys").await;
    assert!(!list.text().contains(&secret));
    let ask = || async {
        let request = axum::http::Request::get("/api/v1/campaigns")
            .header("x-api-key", &secret)
            .body(axum::body::Body::empty())
            .unwrap();
        server.send(request).await.status
    };
    assert_eq!(ask().await, 200);
    let used = server.app.store.keys().await.unwrap();
    assert!(used.iter().any(|key| key.name == "CRM" && key.last_used_at.is_some()));
    assert_eq!(server.delete(&format!("/api/v1/keys/{}", made.id())).await.status, 204);
    assert_eq!(ask().await, 401);
}

#[tokio::test]
async fn lists_are_paged_by_cursor() {
    let server = Server::start().await;
    for index in 0..5 {
        server.post("/api/v1/bots", json!({"name": format!("b{index}"), "kind": "script"})).await;
    }
    let mut names = Vec::new();
    let mut path = "/api/v1/bots?limit=2".to_owned();
    loop {
        let page = server.get(&path).await.json();
        names.extend(page["data"].as_array().unwrap().iter().map(|bot| bot["name"].clone()));
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/v1/bots?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(names, ["b0", "b1", "b2", "b3", "b4"]);
}
