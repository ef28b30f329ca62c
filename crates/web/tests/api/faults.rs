//! Every error is a problem document (RFC 9457).

use axum::{
    body::Body,
    http::{Method, Request},
};
use serde_json::json;

use crate::harness::Server;

#[tokio::test]
async fn every_fault_is_a_problem_document() {
    let server = Server::start().await;
    let json_body = |method, path: &str, kind: &str, body: &str| {
        let request = server
            .request(method, path)
            .header("content-type", kind)
            .body(Body::from(body.to_owned()))
            .unwrap();
        server.send(request)
    };
    let plain = |method: Method, path: &str| {
        server.send(Request::builder().method(method).uri(path).body(Body::empty()).unwrap())
    };
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(2 << 20));
    let answers = [
        ("unknown address", server.get("/api/v1/nothing").await),
        ("unknown address outside v1", server.get("/api/v2").await),
        ("unknown id", server.get("/api/v1/campaigns/cmp_0000000000001").await),
        ("not an id", server.get("/api/v1/campaigns/1%27").await),
        ("wrong method", server.delete("/api/v1/carriers").await),
        ("malformed JSON", json_body(Method::POST, "/api/v1/bots", "application/json", "{").await),
        ("not an object", json_body(Method::POST, "/api/v1/bots", "application/json", "[]").await),
        ("no JSON at all", json_body(Method::POST, "/api/v1/bots", "text/plain", "{}").await),
        ("too large", json_body(Method::POST, "/api/v1/bots", "application/json", &large).await),
        ("missing field", server.post("/api/v1/bots", json!({"kind": "script"})).await),
        ("unknown parameter", server.get("/api/v1/campaigns?stat=draft").await),
        ("faulty parameter", server.get("/api/v1/campaigns?limit=many").await),
        ("limit", server.get("/api/v1/campaigns?limit=0").await),
        ("cursor", server.get("/api/v1/campaigns?cursor=con_0000000000001").await),
        ("no key", plain(Method::GET, "/api/v1/campaigns").await),
        (
            "not CSV",
            json_body(
                Method::POST,
                "/api/v1/campaigns/cmp_0000000000001/contacts",
                "application/x-www-form-urlencoded",
                "phone_number=1",
            )
            .await,
        ),
    ];
    let mut shown = String::new();
    for (what, answer) in &answers {
        assert_eq!(
            answer.headers.get("content-type").map(|kind| kind.to_str().unwrap()),
            Some("application/problem+json"),
            "{what}"
        );
        assert_eq!(answer.json()["status"], answer.status.as_u16(), "{what}");
        let id = answer.headers["x-request-id"].to_str().unwrap();
        assert_eq!(answer.json()["request_id"], id, "{what}");
        shown += &format!("## {what}\n{}\n\n", server.show(answer));
    }
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn a_request_id_from_outside_is_not_taken_over() {
    let server = Server::start().await;
    let request = server
        .request(Method::GET, "/api/v1/nothing")
        .header("x-request-id", "forged")
        .body(Body::empty())
        .unwrap();
    let answer = server.send(request).await;
    assert!(answer.json()["request_id"].as_str().unwrap().starts_with("req_"));
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let server = Server::start().await;
    for path in ["/healthz", "/signin", "/api/v1/campaigns", "/api/v1/nothing", "/nowhere"] {
        let answer = server.get(path).await;
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none';"), "{path}");
        assert!(!policy.contains("unsafe"), "{path}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(answer.headers["referrer-policy"], "same-origin", "{path}");
    }
}

#[tokio::test]
async fn pages_are_compressed_and_reports_are_not() {
    let server = Server::start().await;
    let path = server.draft().await;
    let asked = |path: &str| {
        let request = server.request(Method::GET, path).header("accept-encoding", "gzip");
        server.send(request.body(Body::empty()).unwrap())
    };
    assert_eq!(asked("/api/v1/campaigns").await.headers["content-encoding"], "gzip");
    let report = asked(&format!("{path}/attempts.csv")).await;
    assert!(!report.headers.contains_key("content-encoding"));
}

#[tokio::test]
async fn machines_are_told_whether_it_is_alive_and_ready() {
    let server = Server::start().await;
    assert_eq!(server.get("/healthz").await.text(), "ok\n");
    insta::assert_snapshot!("ready", server.show(&server.get("/readyz").await));
    let path = server.draft().await;
    server.csv(&format!("{path}/contacts"), "phone_number\n+919876500000\n").await;
    server.post(&format!("{path}/start"), json!({})).await;
    server.app.live.publish(crate::streams::view(&path, 1));
    // The series of a family come in any order.
    let shown = server.show(&server.get("/metrics").await);
    // How many tasks and bytes there are is not ours to say.
    let unsteady = ["campanile_tasks ", "campanile_wal_bytes "];
    let steady = |line: &&str| !unsteady.iter().any(|name| line.starts_with(name));
    assert_eq!(shown.lines().filter(|line| !steady(line)).count(), unsteady.len());
    let mut lines: Vec<_> = shown.lines().filter(steady).collect();
    let is_comment = |line: &str| line.starts_with('#');
    for lines in lines.chunk_by_mut(|one, other| is_comment(one) == is_comment(other)) {
        if !is_comment(lines[0]) {
            lines.sort_unstable();
        }
    }
    insta::assert_snapshot!("metrics", lines.join("\n"));

    let headless = Server::with(Default::default(), false).await;
    insta::assert_snapshot!("not_ready", headless.show(&headless.get("/readyz").await));
}
