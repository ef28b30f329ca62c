//! The description of the API against the server that gives it.

use std::collections::BTreeSet;

use axum::{
    body::Body,
    http::{Method, Request, StatusCode},
};
use serde_json::{Value, json};

use crate::{
    access::{address, described},
    harness::Server,
};

#[tokio::test]
async fn every_described_route_is_there_and_no_method_beside_it() {
    let server = Server::start().await;
    let described = described();
    let paths: BTreeSet<_> = described.iter().map(|(_, path)| path).collect();
    for path in paths {
        let mut allowed: BTreeSet<_> = described
            .iter()
            .filter(|(_, each)| each == path)
            .map(|(method, _)| method.as_str())
            .collect();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            // Nobody may do anything: 401 tells that there is a route.
            let request = Request::builder().method(method).uri(address(path));
            let answer = server.send(request.body(Body::empty()).unwrap()).await;
            if allowed.contains(method) {
                assert!(
                    matches!(answer.status.as_u16(), 200 | 401),
                    "{method} {path} is described and answers {}",
                    answer.status
                );
            } else {
                assert_eq!(answer.status, 405, "{method} {path} is not described");
                assert_eq!(answer.json()["code"], "method_not_allowed", "{method} {path}");
                let told = answer.headers["allow"].to_str().unwrap().to_owned();
                let told: BTreeSet<_> = told.split(',').map(str::trim).collect();
                if allowed.contains("GET") {
                    allowed.insert("HEAD");
                }
                assert_eq!(told, allowed, "Allow of {path}");
            }
        }
    }
}

#[test]
fn every_operation_is_told_whole() {
    let document = campanile_web::openapi();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id), "{id} twice");
            let title = operation["summary"].as_str().unwrap();
            assert!(!title.is_empty() && !title.ends_with('.'), "{method} {path}");
            let names: Vec<_> = path.split('/').filter(|part| part.starts_with('{')).collect();
            let told = operation["parameters"].as_array().into_iter().flatten();
            assert_eq!(told.filter(|each| each["in"] == "path").count(), names.len(), "{path}");
            assert!(operation["responses"]["500"].is_object(), "{method} {path}");
        }
    }
    references(document, &mut |reference| {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    });
}

fn references(value: &Value, see: &mut impl FnMut(&str)) {
    match value {
        Value::Object(object) => {
            if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
                see(reference);
            }
            object.values().for_each(|each| references(each, see));
        }
        Value::Array(items) => items.iter().for_each(|each| references(each, see)),
        _ => {}
    }
}

#[tokio::test]
async fn the_description_and_its_page_are_open_and_come_from_this_server_alone() {
    let server = Server::start().await;
    let ask = |path: &str| {
        let request = Request::builder().method(Method::GET).uri(path.to_owned());
        server.send(request.body(Body::empty()).unwrap())
    };
    let document = ask("/api/v1/openapi.json").await;
    assert_eq!(document.status, StatusCode::OK);
    assert_eq!(&document.json(), campanile_web::openapi());
    let page = ask("/api/v1/docs").await;
    assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    for (_, path) in described() {
        assert!(page.text().contains(&format!("/api/v1{path}")), "{path}");
    }
    assert_eq!(ask("/api/v1/docs?sarch=x").await.status, 422);
}

#[tokio::test]
async fn lists_name_their_next_page_in_a_link() {
    let server = Server::start().await;
    for index in 0..3 {
        server.post("/api/v1/campaigns", json!({"name": format!("Offer {index}")})).await;
    }
    let mut address = "/api/v1/campaigns?status=draft&limit=2".to_owned();
    let mut names = Vec::new();
    loop {
        let answer = server.get(&address).await;
        let page = answer.json();
        names.extend(page["data"].as_array().unwrap().iter().map(|each| each["name"].clone()));
        let Some(link) = answer.headers.get("link") else {
            assert_eq!(page["next_cursor"], Value::Null);
            break;
        };
        let link = link.to_str().unwrap();
        let query = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap();
        let cursor = page["next_cursor"].as_str().unwrap();
        assert_eq!(query, format!("?status=draft&limit=2&cursor={cursor}"));
        address = format!("/api/v1/campaigns{query}");
    }
    assert_eq!(names, ["Offer 2", "Offer 1", "Offer 0"]);
}

/// What is wrong with the body, its type, the body, and what it is answered with.
const FAULTS: [(&str, &str, &str, u16, &str); 3] = [
    ("no JSON", "text/plain", "{}", 415, "unsupported_media_type"),
    ("broken JSON", "application/json", "{", 400, "malformed_json"),
    ("no object", "application/json", "[]", 422, "invalid"),
];

#[tokio::test]
async fn every_body_that_cannot_be_read_is_a_problem_document_on_every_route_that_takes_one() {
    let server = Server::start().await;
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(1 << 20));
    let faults = FAULTS.into_iter().chain([(
        "too large",
        "application/json",
        large.as_str(),
        413,
        "too_large",
    )]);
    let mut seen = 0;
    for (what, kind, body, status, code) in faults {
        for (method, path) in described() {
            let operation = &campanile_web::openapi()["paths"][&path][method.to_lowercase()];
            if operation["requestBody"]["content"]["application/json"].is_null() {
                continue;
            }
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let request = server.request(method.clone(), &address(&path));
            let request = request.header("content-type", kind).body(Body::from(body.to_owned()));
            let answer = server.send(request.unwrap()).await;
            assert_eq!(answer.status, status, "{what}: {method} {path}");
            assert_eq!(answer.headers["content-type"], "application/problem+json");
            assert_eq!(answer.json()["code"], code, "{what}: {method} {path}");
            assert!(operation["responses"][status.to_string()].is_object(), "{method} {path}");
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen}");
}
