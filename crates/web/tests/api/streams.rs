//! Live streams: the first frame at once, the newest frame after a change, an end.

use axum::{
    body::Body,
    http::{Method, Request, Response, header},
};
use campanile_domain::{
    live::{LiveState, LiveView},
    why::{Reason, ReasonCode},
};
use campanile_store::rows::Role;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::{
    harness::{NOW, PHONE, Server},
    sign_in::{cookie, submit},
};

/// What an engine might publish of the campaign at this address.
pub(crate) fn view(path: &str, ringing: u32) -> LiveView {
    LiveView {
        campaign: path.rsplit('/').next().unwrap().parse().unwrap(),
        run: 1,
        at: NOW.parse().unwrap(),
        state: LiveState::Live,
        reason: Reason {
            code: ReasonCode::SeatsFull,
            sentence: "Dialling 9.2 a second, held by concurrency".into(),
            until: None,
        },
        ringing,
        in_progress: 2,
        seats: 50,
        dials_per_second: Some(9.2),
        connected_per_hour: None,
        avg_ring_seconds: Some(7.5),
        last_dial_at: Some(NOW.parse().unwrap()),
        eta_seconds: Some(3_600),
        carriers: Vec::new(),
        engaged: Vec::new(),
    }
}

/// The next event of a stream: name and data. Comments are passed over.
async fn next(response: &mut Response<Body>) -> Option<(String, String)> {
    loop {
        let frame = response.body_mut().frame().await?.unwrap().into_data().unwrap();
        let text = String::from_utf8(frame.to_vec()).unwrap();
        if text.starts_with(':') {
            continue;
        }
        assert!(text.ends_with("\n\n"), "one whole event a frame: {text:?}");
        let mut lines = text.lines();
        let name = lines.next().unwrap().strip_prefix("event: ").unwrap().to_owned();
        let data: Vec<_> = lines.filter_map(|line| line.strip_prefix("data: ")).collect();
        return Some((name, data.join("\n")));
    }
}

async fn started(server: &Server) -> String {
    let path = server.draft().await;
    server.csv(&format!("{path}/contacts"), format!("phone_number\n+{PHONE}\n")).await;
    let answer = server.post(&format!("{path}/start"), json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    path
}

#[tokio::test]
async fn events_tell_the_state_at_once_and_every_change() {
    let server = Server::start().await;
    let path = started(&server).await;
    let events = format!("{path}/events");
    let request = server.request(Method::GET, &events).body(Body::empty()).unwrap();
    let mut stream = server.open(request).await;
    assert_eq!(stream.headers()[header::CONTENT_TYPE], "text/event-stream");
    assert_eq!(stream.headers()[header::CACHE_CONTROL], "no-store");
    assert_eq!(stream.headers()["x-accel-buffering"], "no");

    let (name, data) = next(&mut stream).await.unwrap();
    let state: Value = serde_json::from_str(&data).unwrap();
    assert_eq!((name.as_str(), &state["status"]), ("campaign", &json!("running")));
    server.app.live.publish(view(&path, 7));
    let state = loop {
        let (_, data) = next(&mut stream).await.unwrap();
        let state: Value = serde_json::from_str(&data).unwrap();
        if state["live"]["ringing"] == 7 {
            break state;
        }
    };
    assert_eq!(state["live"]["reason_code"], "seats_full");
    server.post(&format!("{path}/pause"), json!({})).await;
    loop {
        let (_, data) = next(&mut stream).await.unwrap();
        let state: Value = serde_json::from_str(&data).unwrap();
        if state["status"] == "paused" {
            break;
        }
    }
    server.app.close_streams();
    while next(&mut stream).await.is_some() {}
}

#[tokio::test]
async fn one_stream_carries_many_topics() {
    let server = Server::start().await;
    let path = started(&server).await;
    let id = path.rsplit('/').next().unwrap().to_owned();
    server.user("me@example.com", Role::Viewer).await;
    let form = "email=me%40example.com&password=correct+horse";
    let session = cookie(&submit(&server, "/signin", "", form).await).unwrap();
    let open = |topics: String| {
        let request = Request::get(format!("/live?topics={topics}"))
            .header(header::COOKIE, &session)
            .body(Body::empty())
            .unwrap();
        server.open(request)
    };
    let mut stream = open(format!("campaign:{id},list")).await;
    let mut names = vec![next(&mut stream).await.unwrap().0, next(&mut stream).await.unwrap().0];
    names.sort();
    assert_eq!(names, [format!("campaign:{id}"), "list".to_owned()]);
    assert_eq!(open("nonsense".into()).await.status(), 422);
    assert_eq!(open(String::new()).await.status(), 422);
    let request = Request::get("/live?topics=list").body(Body::empty()).unwrap();
    assert_eq!(server.open(request).await.status(), 401);
}

#[tokio::test]
async fn a_stream_ends_when_its_campaign_is_deleted() {
    let server = Server::start().await;
    let path = server.draft().await;
    let request =
        server.request(Method::GET, &format!("{path}/events")).body(Body::empty()).unwrap();
    let mut stream = server.open(request).await;
    assert!(next(&mut stream).await.is_some());
    assert_eq!(server.delete(&path).await.status, 204);
    while next(&mut stream).await.is_some() {}
}

#[tokio::test]
async fn a_stream_ends_soon_after_its_viewer_signed_out() {
    let server = Server::start().await;
    server.user("me@example.com", Role::Viewer).await;
    let form = "email=me%40example.com&password=correct+horse";
    let session = cookie(&submit(&server, "/signin", "", form).await).unwrap();
    let request = Request::get("/live?topics=list")
        .header(header::COOKIE, &session)
        .body(Body::empty())
        .unwrap();
    let mut stream = server.open(request).await;
    assert_eq!(next(&mut stream).await.unwrap().0, "list");
    submit(&server, "/signout", &session, "").await;
    // The check comes with the ping, 15 s on: time passes by itself from here.
    tokio::time::pause();
    while next(&mut stream).await.is_some() {}
}
