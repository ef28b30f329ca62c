//! Contacts: from files, in lists, explained; and the files that come out.

use axum::body::{Body, Bytes};
use campanile_web::csv_import::ImportLimits;
use futures_util::stream;
use serde_json::json;

use crate::harness::{PHONE, Server};

#[tokio::test]
async fn a_file_is_counted_and_its_refused_rows_can_be_fetched() {
    let server = Server::start().await;
    let path = server.draft().await;
    let file = format!(
        "Phone Number;name\r\n+{PHONE};Asha\r\n0{};Ravi\r\n+{PHONE};Asha again\r\n=1+1;x\r\n;y\r\n",
        (PHONE + 1) % 10_000_000_000,
    );
    let answer = server.csv(&format!("{path}/contacts"), file).await;
    insta::assert_snapshot!("import", server.show(&answer));
    let rejected = answer.json()["rejected_url"].as_str().unwrap().to_owned();
    insta::assert_snapshot!("rejected_rows", server.show(&server.get(&rejected).await));
    let upload = server.get(rejected.trim_end_matches("/rejected.csv")).await;
    insta::assert_snapshot!("upload", server.show(&upload));

    let list = server.get(&format!("{path}/contacts")).await;
    insta::assert_snapshot!("contacts", server.show(&list));
    let id = list.json()["data"][0]["id"].as_str().unwrap().to_owned();
    let one = server.get(&format!("{path}/contacts/{id}")).await;
    insta::assert_snapshot!("contact", server.show(&one));
    assert_eq!(server.get(&path).await.json()["counts"]["pending"], 2);
}

/// DI-14: by default a campaign calls its own country alone.
#[tokio::test]
async fn numbers_of_countries_that_are_not_allowed_are_refused_and_said_of_contacts() {
    let server = Server::start().await;
    let path = server.draft().await;
    let contacts = format!("{path}/contacts");
    let file = format!("phone_number\n+{PHONE}\n+447400123456\n+12015550123\n+881612345678\n");
    let home = server.csv(&contacts, file.clone()).await.json();
    assert_eq!((home["accepted"].as_u64(), home["invalid"].as_u64()), (Some(1), Some(3)));
    let rejected = server.get(home["rejected_url"].as_str().unwrap()).await.text();
    assert_eq!(rejected.matches("country_not_allowed").count(), 2, "{rejected}");
    assert_eq!(rejected.matches("forbidden_number").count(), 1, "{rejected}");

    let unknown = server.patch(&path, json!({"allowed_countries": ["IN", "UK"]})).await;
    assert_eq!(unknown.status, 422);
    assert_eq!(unknown.json()["errors"][0]["code"], "unknown_country");
    let wider = server.patch(&path, json!({"allowed_countries": ["IN", "GB"]})).await;
    assert_eq!(wider.json()["allowed_countries"], json!(["IN", "GB"]));
    let abroad = server.csv(&contacts, file).await.json();
    assert_eq!((abroad["accepted"].as_u64(), abroad["invalid"].as_u64()), (Some(2), Some(2)));

    // Narrowed again: whoever is in the list already is told why he is not called.
    server.patch(&path, json!({"allowed_countries": ["IN"]})).await;
    let list = server.get(&contacts).await.json();
    let guest = list["data"].as_array().unwrap().iter();
    let mut guest = guest.filter(|contact| contact["phone_number"] == "+447400123456");
    let id = guest.next().unwrap()["id"].as_str().unwrap();
    let told = server.get(&format!("{contacts}/{id}")).await.json();
    assert_eq!(told["waiting_for"][0]["code"], "number_barred", "{told}");
    let why = "Not dialled: GB is not among the countries that this campaign may call.";
    assert!(told["waiting_for"].to_string().contains(why), "{told}");
}

#[tokio::test]
async fn contacts_are_filtered_and_paged() {
    let server = Server::start().await;
    let path = server.draft().await;
    let rows: String = (0..5).map(|index| format!("+{}\n", PHONE + index)).collect();
    server.csv(&format!("{path}/contacts"), format!("phone_number\n{rows}")).await;
    let ends = async |query: &str| -> Vec<String> {
        let page = server.get(&format!("{path}/contacts{query}")).await.json();
        let data = page["data"].as_array().unwrap_or_else(|| panic!("{page}"));
        let number = |contact: &serde_json::Value| {
            contact["phone_number"].as_str().unwrap()[10..].to_owned()
        };
        data.iter().map(number).collect()
    };
    assert_eq!(ends("").await, ["000", "001", "002", "003", "004"]);
    assert_eq!(ends("?phone=0003").await, ["003"]);
    assert_eq!(ends("?state=completed").await, [""; 0]);
    let first = server.get(&format!("{path}/contacts?limit=3&state=pending")).await.json();
    let cursor = first["next_cursor"].as_str().unwrap();
    assert_eq!(ends(&format!("?limit=3&cursor={cursor}")).await, ["003", "004"]);
}

#[tokio::test]
async fn a_draft_keeps_its_contacts_when_the_new_file_has_no_good_row() {
    let server = Server::start().await;
    let path = server.draft().await;
    let contacts = format!("{path}/contacts");
    server.csv(&contacts, format!("phone_number\n+{PHONE}\n")).await;
    let refused = server.csv(&contacts, "phone_number\nbanana\n\"\"x\nsip:a@b\n").await;
    insta::assert_snapshot!("import_without_a_good_row", server.show(&refused));
    assert_eq!(server.get(&path).await.json()["counts"]["pending"], 1);
    let replaced =
        server.csv(&contacts, format!("phone_number\n+{}\n+{}\n", PHONE + 1, PHONE + 2)).await;
    assert_eq!(replaced.json()["accepted"], 2);
    assert_eq!(server.get(&path).await.json()["counts"]["pending"], 2);
}

#[tokio::test]
async fn contacts_are_added_while_it_runs_and_not_when_it_is_over() {
    let server = Server::start().await;
    let path = server.draft().await;
    let contacts = format!("{path}/contacts");
    server.csv(&contacts, format!("phone_number\n+{PHONE}\n")).await;
    server.post(&format!("{path}/start"), json!({})).await;
    let more = format!("phone_number\n+{PHONE}\n+{}\n", PHONE + 1);
    let added = server.csv(&contacts, more.clone()).await.json();
    assert_eq!((&added["accepted"], &added["duplicates"]), (&json!(1), &json!(1)), "{added}");
    server.post(&format!("{path}/stop"), json!({})).await;
    assert_eq!(server.csv(&contacts, more).await.status, 409);
}

#[tokio::test]
async fn files_over_a_limit_are_refused_and_leave_nothing() {
    let limits = ImportLimits { bytes_max: 1_000, rows_max: 3 };
    let server = Server::with(limits, true).await;
    let path = server.draft().await;
    let contacts = format!("{path}/contacts");
    let rows = |count: u64| -> String {
        (0..count)
            .fold("phone_number\n".into(), |text, index| text + &format!("+{}\n", PHONE + index))
    };
    let many = server.csv(&contacts, rows(4)).await;
    insta::assert_snapshot!("import_of_too_many_rows", server.show(&many));
    let large = server.csv(&contacts, rows(100)).await;
    insta::assert_snapshot!("import_of_too_many_bytes", server.show(&large));
    // The same without a length in front.
    let pieces = rows(100).into_bytes().chunks(64).map(Bytes::copy_from_slice).collect::<Vec<_>>();
    let pieces = stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
    let endless = server.csv(&contacts, Body::from_stream(pieces)).await;
    assert_eq!(endless.status, 413, "{}", endless.text());
    assert_eq!(server.get(&path).await.json()["total"], 0);
    assert_eq!(server.csv(&contacts, rows(3)).await.status, 200);
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let server = Server::start().await;
    let path = server.draft().await;
    let pieces = [
        Ok(Bytes::from(format!("phone_number\n+{PHONE}\n"))),
        Err(std::io::Error::other("the browser was closed")),
    ];
    let answer =
        server.csv(&format!("{path}/contacts"), Body::from_stream(stream::iter(pieces))).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (400, &json!("broken_off")));
    assert_eq!(server.get(&path).await.json()["total"], 0);
}

#[tokio::test]
async fn the_report_of_a_campaign_without_attempts_is_its_header() {
    let server = Server::start().await;
    let path = server.draft().await;
    let report = server.get(&format!("{path}/attempts.csv?run=1")).await;
    insta::assert_snapshot!("empty_report", server.show(&report));
    assert_eq!(server.get(&format!("{path}/attempts.csv?run=7")).await.status, 404);
}
