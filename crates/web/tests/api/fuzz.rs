//! Bodies and query strings that nobody would send: the answer is never a 500, and every
//! refusal is a problem document.

use axum::{
    body::Body,
    http::{Method, Request},
};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngSeed, TestRunner},
};

use crate::{console::sign_in, harness::Server};
use campanile_store::rows::Role;

/// Requests of one run; all of them together take seconds.
const CASES: usize = 600;

/// Bodies that are right, or nearly.
const BODIES: [(&str, &str, &str); 7] = [
    (
        "POST",
        "/campaigns",
        r#"{"name":"A","window":{"start":"09:00","days":["mon"]},"pacing":{"ratio":1.5},
        "retry_on_system":["busy"],"retry_delay_minutes":0.5,"default_country":"IN"}"#,
    ),
    (
        "PATCH",
        "/campaigns/{campaign}",
        r#"{"concurrency":5,"allowed_countries":["IN"],"max_attempts":3}"#,
    ),
    (
        "POST",
        "/carriers",
        r#"{"name":"Acme","host":"sip.example.com","cps":10,"channels":50,"port":5061,
        "transport":"tls","auth":{"username":"u","password":"p","realm":null},"codecs":["PCMA"]}"#,
    ),
    ("POST", "/numbers", r#"{"e164":"+911140001235","carrier_id":"{carrier}","direction":"both"}"#),
    (
        "POST",
        "/bots",
        r#"{"name":"G","kind":"script","settings":{"start":"a","steps":{"a":{"say":["greeting"],
        "listen":{"keys":{"1":"a"},"seconds":2.5},"result":{"disposition":"x"}}}}}"#,
    ),
    ("POST", "/keys", r#"{"name":"k","scope":"read"}"#),
    ("POST", "/campaigns/{campaign}/contacts", "phone_number,a\n+919876500001,x\n"),
];

/// Addresses that read a query string.
const QUERIES: [(&str, &str); 8] = [
    ("/campaigns", "status=draft&search=a&limit=5&cursor=cmp_0000000000001"),
    ("/campaigns/{campaign}/contacts", "state=pending&phone=0001&limit=3&cursor=con_0000000000001"),
    ("/campaigns/{campaign}/attempts.csv", "run=1&raw=true"),
    ("/campaigns/{campaign}/stats", "run=1"),
    ("/campaigns/{campaign}/activity", "limit=5"),
    ("/uploads/imp_0000000000001/rejected.csv", "raw=false"),
    ("/dashboard/campaigns", "status=running&search=a&page=2"),
    (
        "/dashboard/campaigns/{campaign}",
        "tab=calls&state=pending&phone=1&import=imp_0000000000001&cursor=x",
    ),
];

/// A text with bytes and words put in and taken out.
fn changed(text: &str, words: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> + use<> {
    let text = text.as_bytes().to_vec();
    let edit = (any::<prop::sample::Index>(), 0..words.len() + 2, any::<u8>());
    prop::collection::vec(edit, 0..6).prop_map(move |edits| {
        let mut bytes = text.clone();
        for (place, what, byte) in edits {
            let at = place.index(bytes.len() + 1);
            let end = (at + usize::from(byte % 12)).min(bytes.len());
            match words.get(what) {
                Some(word) => drop(bytes.splice(at..end, word.bytes())),
                None if what == words.len() => drop(bytes.drain(at..end)),
                None => bytes.insert(at, byte),
            }
        }
        bytes
    })
}

const JSON_WORDS: &[&str] = &[
    "null",
    "-1",
    "1e400",
    "99999999999999999999",
    "\"\"",
    "\"\\ud800\"",
    "[[[[[[",
    "{\"a\":{}}",
    "\u{0}",
    "true",
    "\"\\u0000\"",
    "24:00",
    ",,",
    "\u{202e}",
];
const QUERY_WORDS: &[&str] = &[
    "%00",
    "%",
    "%ff",
    "%2500",
    "&&",
    "=",
    "&limit=-1",
    "&limit=99999999999",
    "%0d%0a",
    "+",
    "'",
    "cursor=",
    "[]",
    "%F0%9F%91%8D",
];

#[tokio::test]
async fn no_body_and_no_query_is_answered_with_a_500() {
    let server = Server::start().await;
    let campaign = server.draft().await;
    let id = campaign.rsplit('/').next().unwrap().to_owned();
    let session = sign_in(&server, Role::Admin).await;
    let config = Config { rng_seed: RngSeed::Fixed(7), ..Config::default() };
    let mut runner = TestRunner::new(config);
    for case in 0..CASES {
        let request = if case % 2 == 0 {
            let (method, path, body) = BODIES[case / 2 % BODIES.len()];
            let body = changed(body, JSON_WORDS).new_tree(&mut runner).unwrap().current();
            let is_file = path.ends_with("/contacts");
            let kind = if is_file { "text/csv" } else { "application/json" };
            let path = format!("/api/v1{}", path.replace("{campaign}", &id));
            let method: Method = method.parse().unwrap();
            server.request(method, &path).header("content-type", kind).body(Body::from(body))
        } else {
            let (path, query) = QUERIES[case / 2 % QUERIES.len()];
            let query = changed(query, QUERY_WORDS).new_tree(&mut runner).unwrap().current();
            // What cannot stand in a request line does not reach us.
            let query: String = query
                .into_iter()
                .filter(|byte| byte.is_ascii_graphic() && *byte != b'#')
                .map(char::from)
                .collect();
            let path = path.replace("{campaign}", &id);
            let is_page = path.starts_with("/dashboard");
            let path = if is_page { path } else { format!("/api/v1{path}") };
            let request = server.request(Method::GET, &format!("{path}?{query}"));
            let request = if is_page {
                Request::get(format!("{path}?{query}")).header("cookie", &session)
            } else {
                request
            };
            request.body(Body::empty())
        };
        let Ok(request) = request else { continue };
        let shown = format!("{} {}", request.method(), request.uri());
        let is_api = request.uri().path().starts_with("/api/");
        let answer = server.send(request).await;
        assert!(answer.status.as_u16() < 500, "{shown}: {} {:?}", answer.status, answer.body);
        if is_api && answer.status.is_client_error() {
            let kind = answer.headers.get("content-type").map(|kind| kind.to_str().unwrap());
            assert_eq!(kind, Some("application/problem+json"), "{shown}");
        }
    }
}
