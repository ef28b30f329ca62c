//! Users and their ranks, masked numbers, the rate of a caller, and repeated writes.

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use campanile_store::rows::{Role, Scope};
use campanile_web::ApiRate;
use serde_json::{Value, json};

use crate::{
    harness::{Answer, Server},
    sign_in::{cookie, submit},
};

/// The session of a new user, and his id.
async fn signed_in(server: &Server, name: &str, role: Role) -> (String, String) {
    let email = format!("{name}@example.com");
    server.user(&email, role).await;
    let form = format!("email={name}%40example.com&password=correct+horse");
    let session = cookie(&submit(server, "/signin", "", &form).await).unwrap();
    let user = server.app.store.user_by_email(&email).await.unwrap().unwrap();
    (session, user.id.to_string())
}

async fn ask(server: &Server, session: &str, method: Method, path: &str, body: Value) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(format!("/api/v1{path}"))
        .header(header::COOKIE, session)
        .header(header::CONTENT_TYPE, "application/json")
        .header("sec-fetch-site", "same-origin");
    server.send(request.body(Body::from(body.to_string())).unwrap()).await
}

#[tokio::test]
async fn nobody_acts_on_a_higher_rank_or_removes_himself() {
    let server = Server::start().await;
    let (_, admin) = signed_in(&server, "admin", Role::Admin).await;
    let (supervisor, own) = signed_in(&server, "supervisor", Role::Supervisor).await;
    let act = async |method: Method, path: &str, body: Value| {
        let answer = ask(&server, &supervisor, method, path, body).await;
        let code = if answer.body.is_empty() { Value::Null } else { answer.json()["code"].clone() };
        (answer.status.as_u16(), code.as_str().unwrap_or_default().to_owned())
    };
    let forbidden = (403, "forbidden".to_owned());
    let above = format!("/users/{admin}");
    assert_eq!(act(Method::PATCH, &above, json!({"enabled": false})).await, forbidden);
    assert_eq!(act(Method::PATCH, &above, json!({"password": "0123456789"})).await, forbidden);
    assert_eq!(act(Method::DELETE, &above, json!({})).await, forbidden);
    assert_eq!(act(Method::GET, &format!("{above}/sign-ins"), json!({})).await, forbidden);
    assert_eq!(act(Method::DELETE, &format!("{above}/sign-ins"), json!({})).await, forbidden);
    let new = json!({"email": "a@example.com", "role": "admin", "password": "0123456789"});
    assert_eq!(act(Method::POST, "/users", new).await, forbidden);
    let himself = (409, "yourself".to_owned());
    let own = format!("/users/{own}");
    assert_eq!(act(Method::PATCH, &own, json!({"role": "admin"})).await, forbidden);
    assert_eq!(act(Method::PATCH, &own, json!({"role": "viewer"})).await, himself);
    assert_eq!(act(Method::PATCH, &own, json!({"enabled": false})).await, himself);
    assert_eq!(act(Method::DELETE, &own, json!({})).await, himself);
    let new = json!({"email": "b@example.com", "role": "operator", "password": "0123456789"});
    assert_eq!(act(Method::POST, "/users", new.clone()).await.0, 201);
    assert_eq!(act(Method::POST, "/users", new).await, (409, "exists".to_owned()));
    // A key has no self, and yet nobody may be left who can administer.
    let alone = server.delete(&format!("/api/v1{above}")).await;
    assert_eq!((alone.status.as_u16(), &alone.json()["code"]), (409, &json!("last_admin")));
}

#[tokio::test]
async fn a_disabled_user_is_out_at_once_and_cannot_come_back() {
    let server = Server::start().await;
    let (session, id) = signed_in(&server, "op", Role::Operator).await;
    let path = format!("/api/v1/users/{id}");
    let listed = server.get(&format!("{path}/sign-ins")).await.json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    assert_eq!(ask(&server, &session, Method::GET, "/campaigns", json!({})).await.status, 200);
    let one = listed["data"][0]["id"].as_str().unwrap();
    assert_eq!(server.delete(&format!("{path}/sign-ins/{one}")).await.status, 204);
    assert_eq!(server.delete(&format!("{path}/sign-ins/{one}")).await.status, 404);
    assert_eq!(ask(&server, &session, Method::GET, "/campaigns", json!({})).await.status, 401);

    let form = "email=op%40example.com&password=correct+horse";
    let session = cookie(&submit(&server, "/signin", "", form).await).unwrap();
    assert_eq!(ask(&server, &session, Method::GET, "/campaigns", json!({})).await.status, 200);
    let off = server.patch(&path, json!({"enabled": false})).await;
    assert_eq!(off.json()["enabled"], false);
    assert_eq!(ask(&server, &session, Method::GET, "/campaigns", json!({})).await.status, 401);
    assert_eq!(cookie(&submit(&server, "/signin", "", form).await), None);
    assert_eq!(server.delete(&path).await.status, 204);
    assert_eq!(server.get(&path).await.status, 404);
}

#[tokio::test]
async fn a_key_ends_when_it_was_said_to() {
    let server = Server::start().await;
    let past = json!({"name": "k", "scope": "read", "expires_at": "2030-01-07T05:30:00Z"});
    assert_eq!(server.post("/api/v1/keys", past).await.json()["errors"][0]["code"], "past");
    let new = json!({"name": "k", "scope": "read", "expires_at": "2030-01-07T05:31:00Z"});
    let key = server.post("/api/v1/keys", new).await.json()["key"].as_str().unwrap().to_owned();
    let look = async || {
        let request = Request::get("/api/v1/campaigns").header("x-api-key", &key);
        server.send(request.body(Body::empty()).unwrap()).await.status.as_u16()
    };
    assert_eq!(look().await, 200);
    server.pass(59);
    assert_eq!(look().await, 200);
    server.pass(1);
    assert_eq!(look().await, 401);
}

#[tokio::test]
async fn who_may_not_see_numbers_gets_them_masked_and_cannot_search_for_digits() {
    let server = Server::start().await;
    let draft = server.draft().await;
    server.csv(&format!("{draft}/contacts"), "phone_number\n+919876500001\n").await;
    let path = format!("{draft}/contacts");
    for (scope, shown) in [(Scope::Read, "+9198••••••01"), (Scope::Operator, "+919876500001")]
    {
        let key = server.key(scope).await;
        let get = async |path: &str| {
            let request = Request::get(path).header("x-api-key", &key);
            server.send(request.body(Body::empty()).unwrap()).await
        };
        let listed = get(&path).await.json();
        assert_eq!(listed["data"][0]["phone_number"], shown);
        let id = listed["data"][0]["id"].as_str().unwrap().to_owned();
        let one = get(&format!("{path}/{id}")).await;
        assert_eq!(one.json()["phone_number"], shown);
        assert_eq!(one.text().contains("9876500001"), scope == Scope::Operator);
        let searched = get(&format!("{path}?phone=0001")).await.status.as_u16();
        assert_eq!(searched, if scope == Scope::Operator { 200 } else { 403 });
    }
}

async fn make(server: &Server, key: &str, name: &str) -> Answer {
    let request = server
        .request(Method::POST, "/api/v1/campaigns")
        .header(header::CONTENT_TYPE, "application/json")
        .header("idempotency-key", key)
        .body(Body::from(json!({ "name": name }).to_string()));
    server.send(request.unwrap()).await
}

#[tokio::test]
async fn a_repeated_write_is_done_once_and_answered_the_same() {
    let server = Server::start().await;
    let first = make(&server, "offer-1", "Diwali").await;
    assert_eq!(first.status, 201);
    assert!(!first.headers.contains_key("idempotency-replayed"));
    let again = make(&server, "offer-1", "Diwali").await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.headers["location"], first.headers["location"]);
    let other = make(&server, "offer-1", "Holi").await;
    assert_eq!(
        (other.status.as_u16(), other.json()["code"].clone()),
        (422, json!("idempotency_mismatch"))
    );
    // Refusals are answers too.
    let refused = make(&server, "offer-2", "").await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.headers["content-type"], "application/problem+json");
    let again = make(&server, "offer-2", "").await;
    assert_eq!((again.status, &again.body), (refused.status, &refused.body));
    assert_eq!(again.headers["content-type"], "application/problem+json");
    assert_eq!(make(&server, "two words", "x").await.json()["code"], "invalid_idempotency_key");
    assert_eq!(server.get("/api/v1/campaigns").await.json()["data"].as_array().unwrap().len(), 1);
    // A day later the key is free.
    server.pass(86_400);
    assert_eq!(make(&server, "offer-1", "Holi").await.status, 201);
}

#[tokio::test]
async fn many_equal_writes_at_once_make_one() {
    let server = Server::start().await;
    let answers = futures_util::future::join_all((0..100).map(|_| make(&server, "k", "One"))).await;
    let mut made = Vec::new();
    for answer in &answers {
        match answer.status.as_u16() {
            201 => made.push(answer.id()),
            _ => {
                assert_eq!(answer.json()["code"], "in_flight");
                assert_eq!(answer.headers["retry-after"], "1");
            }
        }
    }
    made.dedup();
    assert_eq!(made.len(), 1);
    assert_eq!(server.get("/api/v1/campaigns").await.json()["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_back() {
    let server = Server::with_rate(ApiRate { per_second: 2.0, burst: 4 }).await;
    let key = server.key(Scope::Read).await;
    let ask = async || {
        let request = Request::get("/api/v1/bots").header("x-api-key", &key);
        server.send(request.body(Body::empty()).unwrap()).await
    };
    let first = ask().await;
    assert_eq!(first.headers["ratelimit-policy"], "\"caller\";q=4;w=2");
    assert_eq!(first.headers["ratelimit"], "\"caller\";r=3;t=1");
    for _ in 0..3 {
        assert_eq!(ask().await.status, 200);
    }
    let refused = ask().await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.json()["code"], "too_many_requests");
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(refused.headers["ratelimit"], "\"caller\";r=0;t=2");
    // Others are not held up by it, and it comes back.
    assert_eq!(server.get("/api/v1/bots").await.status, 200);
    server.pass(1);
    assert_eq!(ask().await.status, 200);
}
