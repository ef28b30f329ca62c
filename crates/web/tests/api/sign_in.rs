//! The first administrator, signing in and out.

use axum::{
    body::Body,
    http::{Request, header},
};
use campanile_store::rows::Role;

use crate::harness::{Answer, Server};

/// A form of the console, posted by one of its own pages.
pub(crate) async fn submit(server: &Server, path: &str, cookie: &str, form: &str) -> Answer {
    let request = Request::post(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "same-origin")
        .header(header::COOKIE, cookie)
        .body(Body::from(form.to_owned()))
        .unwrap();
    server.send(request).await
}

/// The session cookie that an answer sets, as a browser sends it back.
pub(crate) fn cookie(answer: &Answer) -> Option<String> {
    let set = answer.headers.get_all(header::SET_COOKIE).iter();
    let set = set.filter_map(|value| value.to_str().ok()).find(|value| value.starts_with("sid="));
    set.and_then(|value| value.split(';').next()).map(str::to_owned)
}

async fn status_with(server: &Server, cookie: &str) -> u16 {
    let request = Request::get("/api/v1/campaigns")
        .header(header::COOKIE, cookie)
        .body(Body::empty())
        .unwrap();
    server.send(request).await.status.as_u16()
}

const RIGHT: &str = "email=Me%40Example.com&password=correct+horse";

#[tokio::test]
async fn the_first_administrator_is_made_once_by_the_printed_link() {
    let server = Server::start().await;
    let token = server.app.first_run_token().await.unwrap().unwrap();
    let form = |token: &str, password: &str| {
        format!("token={token}&email=boss%40example.com&password={password}")
    };
    let guess = submit(&server, "/setup", "", &form("guess", "long+enough+password")).await;
    assert!(guess.status.is_client_error(), "{}", guess.status);
    let short = submit(&server, "/setup", "", &form(&token, "short")).await;
    assert_eq!(short.status, 422);
    assert_eq!(
        server.app.first_run_token().await.unwrap(),
        Some(token.clone()),
        "a fault leaves it alive"
    );

    let made = submit(&server, "/setup", "", &form(&token, "long+enough+password")).await;
    assert_eq!(made.status, 303, "{}", made.text());
    assert_eq!(status_with(&server, &cookie(&made).unwrap()).await, 200, "he is signed in");
    let users = server.app.store.users().await.unwrap();
    assert_eq!((users.len(), users[0].role), (1, Role::Admin));
    assert_eq!(server.app.first_run_token().await.unwrap(), None);
    let again = submit(&server, "/setup", "", &form(&token, "long+enough+password")).await;
    assert!(again.status.is_client_error(), "{}", again.status);
}

#[tokio::test]
async fn the_printed_link_dies_with_a_user_made_elsewhere() {
    let server = Server::start().await;
    let token = server.app.first_run_token().await.unwrap().unwrap();
    // As `campanile user create` does beside a server that runs.
    server.user("asha@example.com", Role::Viewer).await;
    assert_eq!(server.app.first_run_token().await.unwrap(), None);
    let page = Request::get(format!("/setup?token={token}")).body(Body::empty()).unwrap();
    assert_eq!(server.send(page).await.status, 404);
    let form = format!("token={token}&email=thief%40example.com&password=long+enough+password");
    assert_eq!(submit(&server, "/setup", "", &form).await.status, 404);
    assert_eq!(server.app.store.users().await.unwrap().len(), 1);
}

#[tokio::test]
async fn of_two_who_hold_the_link_one_becomes_administrator() {
    let server = Server::start().await;
    let token = server.app.first_run_token().await.unwrap().unwrap();
    let form = |who: &str| format!("token={token}&email={who}%40example.com&password=0123456789");
    let (asha, ravi) = (form("asha"), form("ravi"));
    let (first, second) =
        tokio::join!(submit(&server, "/setup", "", &asha), submit(&server, "/setup", "", &ravi));
    let mut statuses = [first.status.as_u16(), second.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 404]);
    assert_eq!(server.app.store.users().await.unwrap().len(), 1);
}

#[tokio::test]
async fn one_signs_in_under_a_new_id_and_out_for_good() {
    let server = Server::start().await;
    server.user("me@example.com", Role::Operator).await;
    let wrong = submit(&server, "/signin", "", "email=me%40example.com&password=wrong").await;
    assert!(wrong.status.is_client_error());
    assert_eq!(cookie(&wrong), None);

    let first = submit(&server, "/signin", "", RIGHT).await;
    let set = first.headers[header::SET_COOKIE].to_str().unwrap();
    for part in ["sid=", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=43200"] {
        assert!(set.contains(part), "{part} in {set}");
    }
    assert!(!set.contains("Secure"), "the console is served over http here");
    let planted = cookie(&first).unwrap();
    let again = submit(&server, "/signin", &planted, RIGHT).await;
    let session = cookie(&again).unwrap();
    assert_ne!(session, planted);
    assert_eq!(status_with(&server, &planted).await, 401, "the id before the sign-in is dead");
    assert_eq!(status_with(&server, &session).await, 200);

    assert!(submit(&server, "/signout", &session, "").await.status.is_redirection());
    assert_eq!(status_with(&server, &session).await, 401);
}

#[tokio::test]
async fn a_session_ends_twelve_hours_after_its_last_use_and_seven_days_after_its_first() {
    let server = Server::start().await;
    server.user("me@example.com", Role::Viewer).await;
    let session = cookie(&submit(&server, "/signin", "", RIGHT).await).unwrap();
    for _ in 0..15 {
        server.pass(11 * 3_600);
        assert_eq!(status_with(&server, &session).await, 200);
    }
    server.pass(4 * 3_600);
    assert_eq!(status_with(&server, &session).await, 401, "169 hours");

    let session = cookie(&submit(&server, "/signin", "", RIGHT).await).unwrap();
    server.pass(12 * 3_600 + 1);
    assert_eq!(status_with(&server, &session).await, 401);
}

#[tokio::test]
async fn a_guesser_is_asked_to_wait_even_with_the_right_password() {
    let server = Server::start().await;
    server.user("me@example.com", Role::Viewer).await;
    for _ in 0..5 {
        submit(&server, "/signin", "", "email=me%40example.com&password=guess").await;
    }
    let refused = submit(&server, "/signin", "", RIGHT).await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.headers["retry-after"], "900");
    server.pass(900);
    assert_eq!(submit(&server, "/signin", "", RIGHT).await.status, 303);
}

#[tokio::test]
async fn a_foreign_page_changes_nothing() {
    let server = Server::start().await;
    server.user("me@example.com", Role::Admin).await;
    let session = cookie(&submit(&server, "/signin", "", RIGHT).await).unwrap();
    let post = |site: &'static str| {
        let request = Request::post("/api/v1/bots")
            .header(header::COOKIE, &session)
            .header(header::CONTENT_TYPE, "application/json")
            .header("sec-fetch-site", site)
            .body(Body::from(r#"{"name":"x","kind":"script"}"#))
            .unwrap();
        server.send(request)
    };
    let disguised = Request::post("/dashboard/setup/bots")
        .header(header::COOKIE, &session)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "cross-site")
        .header("x-api-key", "cmpk_x")
        .body(Body::from("name=x&kind=script"));
    assert_eq!(server.send(disguised.unwrap()).await.status, 403, "a key is no pass to a page");
    let refused = post("cross-site").await;
    assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (403, &"cross_site".into()));
    assert_eq!(post("same-origin").await.status, 201);
}

#[tokio::test]
async fn who_is_not_signed_in_is_led_to_the_sign_in_page_and_back() {
    let server = Server::start().await;
    server.user("me@example.com", Role::Viewer).await;
    let request = Request::get("/dashboard/campaigns?status=running").body(Body::empty()).unwrap();
    let answer = server.send(request).await;
    assert_eq!(answer.status, 303);
    let location = answer.headers[header::LOCATION].to_str().unwrap();
    assert_eq!(location, "/signin?next=/dashboard/campaigns%3Fstatus%3Drunning");
}
