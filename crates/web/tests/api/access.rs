//! Who may do what: every route of the API with every scope and role.

use std::collections::BTreeSet;

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use campanile_store::rows::{Role, Scope};
use campanile_web::auth::Act;

use crate::{
    harness::Server,
    sign_in::{cookie, submit},
};

/// Every route, the act it is, and a body that is well-formed but changes nothing.
const ROUTES: &[(&str, &str, Act, &str)] = &[
    ("GET", "/carriers", Act::Look, ""),
    ("POST", "/carriers", Act::Administer, r#"{"name":"","host":"h","cps":1,"channels":1}"#),
    ("GET", "/carriers/{id}", Act::Look, ""),
    ("PATCH", "/carriers/{id}", Act::Administer, r#"{"cps":0}"#),
    ("GET", "/numbers", Act::Look, ""),
    ("POST", "/numbers", Act::Administer, r#"{"e164":"x","carrier_id":"car_0000000000001"}"#),
    ("GET", "/numbers/{id}", Act::Look, ""),
    ("GET", "/bots", Act::Look, ""),
    ("POST", "/bots", Act::Edit, r#"{"name":"","kind":"script"}"#),
    ("GET", "/bots/{id}", Act::Look, ""),
    ("PATCH", "/bots/{id}", Act::Edit, r#"{"name":""}"#),
    ("GET", "/campaigns", Act::Look, ""),
    ("POST", "/campaigns", Act::Edit, r#"{"name":""}"#),
    ("GET", "/campaigns/{id}", Act::Look, ""),
    ("PATCH", "/campaigns/{id}", Act::Edit, r#"{"name":""}"#),
    ("DELETE", "/campaigns/{id}", Act::Edit, ""),
    ("POST", "/campaigns/{id}/start", Act::Run, ""),
    ("POST", "/campaigns/{id}/pause", Act::Run, ""),
    ("POST", "/campaigns/{id}/resume", Act::Run, ""),
    ("POST", "/campaigns/{id}/stop", Act::Run, ""),
    ("POST", "/campaigns/{id}/restart", Act::Run, ""),
    ("POST", "/campaigns/{id}/cancel-restart", Act::Run, ""),
    ("GET", "/campaigns/{id}/live", Act::Look, ""),
    ("GET", "/campaigns/{id}/events", Act::Look, ""),
    ("GET", "/campaigns/{id}/stats", Act::Look, ""),
    ("GET", "/campaigns/{id}/callbacks", Act::Look, ""),
    ("GET", "/campaigns/{id}/activity", Act::Look, ""),
    ("GET", "/campaigns/{id}/setup", Act::Look, ""),
    ("GET", "/campaigns/{id}/contacts", Act::Look, ""),
    ("POST", "/campaigns/{id}/contacts", Act::Run, "csv"),
    ("POST", "/campaigns/{id}/contacts/preview", Act::Run, "csv"),
    ("GET", "/campaigns/{id}/contacts/{contact_id}", Act::Look, ""),
    ("GET", "/campaigns/{id}/attempts.csv", Act::Export, ""),
    (
        "POST",
        "/campaigns/trigger",
        Act::Trigger,
        r#"{"campaign_id":"cmp_0000000000001","mobile":"+919876500000"}"#,
    ),
    (
        "POST",
        "/contacts/exclude",
        Act::Trigger,
        r#"{"campaign_id":"cmp_0000000000001","mobile":"+919876500000"}"#,
    ),
    ("GET", "/dnc", Act::Export, ""),
    ("POST", "/dnc", Act::Trigger, r#"{"number":"x"}"#),
    ("GET", "/dnc/{number}", Act::Look, ""),
    ("DELETE", "/dnc/{number}", Act::Edit, ""),
    ("GET", "/uploads/{id}", Act::Look, ""),
    ("GET", "/uploads/{id}/rejected.csv", Act::Export, ""),
    ("GET", "/keys", Act::Administer, ""),
    ("POST", "/keys", Act::Administer, r#"{"name":"","scope":"read"}"#),
    ("DELETE", "/keys/{id}", Act::Administer, ""),
    ("GET", "/users", Act::People, ""),
    ("POST", "/users", Act::People, r#"{"email":"","role":"viewer","password":""}"#),
    ("GET", "/users/{id}", Act::People, ""),
    ("PATCH", "/users/{id}", Act::People, r#"{"enabled":true}"#),
    ("DELETE", "/users/{id}", Act::People, ""),
    ("GET", "/users/{id}/sign-ins", Act::People, ""),
    ("DELETE", "/users/{id}/sign-ins", Act::People, ""),
    ("DELETE", "/users/{id}/sign-ins/{sign_in}", Act::People, ""),
    ("DELETE", "/carriers/{id}", Act::Administer, ""),
    ("PATCH", "/numbers/{id}", Act::Administer, r#"{"label":""}"#),
    ("DELETE", "/numbers/{id}", Act::Administer, ""),
    ("DELETE", "/bots/{id}", Act::Edit, ""),
];

/// What anybody may read.
const OPEN_ROUTES: &[&str] = &["/openapi.json", "/docs"];

/// The address of things that do not exist, so that nothing changes.
pub(crate) fn address(route: &str) -> String {
    let kind = match route.split('/').nth(1).unwrap() {
        "carriers" => "car",
        "numbers" => "num",
        "bots" => "bot",
        "campaigns" => "cmp",
        "uploads" => "imp",
        "users" => "usr",
        _ => "key",
    };
    let path = route
        .replace("{id}", &format!("{kind}_0000000000001"))
        .replace("{contact_id}", "con_0000000000001")
        .replace("{number}", "+919876500000")
        .replace("{sign_in}", "0123456789abcdef");
    format!("/api/v1{path}")
}

fn request(method: &str, route: &str, body: &str) -> axum::http::request::Builder {
    let kind = if body == "csv" { "text/csv" } else { "application/json" };
    Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap())
        .uri(address(route))
        .header(header::CONTENT_TYPE, kind)
        .header("sec-fetch-site", "same-origin")
}

#[test]
fn the_table_holds_every_route_of_the_api() {
    let rules: BTreeSet<_> = ROUTES
        .iter()
        .map(|(method, path, ..)| (*method, *path))
        .chain(OPEN_ROUTES.iter().map(|path| ("GET", *path)))
        .map(|(method, path)| (method.to_owned(), path.to_owned()))
        .collect();
    let routed: BTreeSet<_> = described().into_iter().collect();
    let unruled: Vec<_> = routed.difference(&rules).collect();
    assert!(
        unruled.is_empty(),
        "{unruled:?} stand in api/routes.rs and have no rule here: say in ROUTES who may use them"
    );
    let gone: Vec<_> = rules.difference(&routed).collect();
    assert!(gone.is_empty(), "{gone:?} have a rule and no line in api/routes.rs");
}

/// Method and address of every route, as the description has them.
pub(crate) fn described() -> Vec<(String, String)> {
    let paths = campanile_web::openapi()["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone()))
        })
        .collect()
}

#[tokio::test]
async fn nobody_gets_anywhere_without_a_key() {
    let server = Server::start().await;
    for (method, route, _, body) in ROUTES {
        for key in [None, Some("cmpk_00000000_00000000000000000000000000000000"), Some("")] {
            let mut request = request(method, route, body);
            if let Some(key) = key {
                request = request.header("x-api-key", key);
            }
            let answer = server.send(request.body(Body::from(*body)).unwrap()).await;
            assert_eq!(answer.status, 401, "{method} {route}");
        }
    }
}

#[tokio::test]
async fn a_key_of_each_scope_may_do_its_part_on_every_route() {
    let server = Server::start().await;
    for scope in Scope::ALL {
        let key = server.key(*scope).await;
        for (method, route, act, body) in ROUTES {
            let request = request(method, route, body).header("x-api-key", &key);
            let answer = server.send(request.body(Body::from(*body)).unwrap()).await;
            let may = match act {
                Act::Look => true,
                Act::Trigger => *scope >= Scope::Trigger,
                Act::Run | Act::Export => *scope >= Scope::Operator,
                Act::SeeNumbers => *scope >= Scope::Operator,
                Act::Edit | Act::Administer | Act::People => *scope == Scope::Admin,
            };
            assert_eq!(answer.status != 403, may, "{} {method} {route}", scope.word());
        }
    }
}

#[tokio::test]
async fn a_user_of_each_role_may_do_his_part_on_every_route() {
    let server = Server::start().await;
    for role in Role::ALL {
        let email = format!("{}@example.com", role.word());
        server.user(&email, *role).await;
        let form = format!("email={}&password=correct+horse", email.replace('@', "%40"));
        let session = cookie(&submit(&server, "/signin", "", &form).await).unwrap();
        for (method, route, act, body) in ROUTES {
            let request = request(method, route, body).header(header::COOKIE, &session);
            let answer = server.send(request.body(Body::from(*body)).unwrap()).await;
            let may = match act {
                Act::Look => true,
                Act::Trigger | Act::Run | Act::Export | Act::SeeNumbers => *role >= Role::Operator,
                Act::Edit | Act::People => *role >= Role::Supervisor,
                Act::Administer => *role == Role::Admin,
            };
            assert_eq!(answer.status != 403, may, "{} {method} {route}", role.word());
        }
    }
}

/// Every page and action of the console that needs somebody signed in.
const PAGES: &[(&str, &str, Act)] = &[
    ("GET", "/dashboard/campaigns", Act::Look),
    ("GET", "/dashboard/campaigns/new", Act::Edit),
    ("POST", "/dashboard/campaigns/new", Act::Edit),
    ("GET", "/dashboard/campaigns/{id}", Act::Look),
    ("GET", "/dashboard/campaigns/{id}/edit", Act::Edit),
    ("POST", "/dashboard/campaigns/{id}/edit", Act::Edit),
    ("POST", "/dashboard/campaigns/{id}/start", Act::Run),
    ("POST", "/dashboard/campaigns/{id}/pause", Act::Run),
    ("POST", "/dashboard/campaigns/{id}/resume", Act::Run),
    ("POST", "/dashboard/campaigns/{id}/stop", Act::Run),
    ("POST", "/dashboard/campaigns/{id}/restart", Act::Run),
    ("POST", "/dashboard/campaigns/{id}/cancel-restart", Act::Run),
    ("POST", "/dashboard/campaigns/{id}/delete", Act::Edit),
    ("POST", "/dashboard/campaigns/{id}/contacts", Act::Run),
    ("GET", "/dashboard/campaigns/{id}/log", Act::Look),
    ("GET", "/dashboard/campaigns/{id}/rows", Act::Look),
    ("GET", "/dashboard/campaigns/{id}/attempts/{attempt}", Act::Look),
    ("GET", "/dashboard/setup", Act::Look),
    ("POST", "/dashboard/setup/carriers", Act::Administer),
    ("POST", "/dashboard/setup/carriers/{id}/toggle", Act::Administer),
    ("POST", "/dashboard/setup/numbers", Act::Administer),
    ("POST", "/dashboard/setup/bots", Act::Edit),
    ("POST", "/dashboard/setup/bots/{id}/toggle", Act::Edit),
];

/// What anybody may ask for.
const OPEN: &[&str] = &[
    "/",
    "/dashboard",
    "/signin",
    "/signout",
    "/setup",
    "/assets/{name}",
    "/dashboard/theme",
    "/dashboard/{*rest}",
];

#[test]
fn the_table_holds_every_route_of_the_console() {
    let sources = [
        include_str!("../../src/console.rs"),
        include_str!("../../src/console/assets.rs"),
        include_str!("../../src/console/campaign/handlers.rs"),
        include_str!("../../src/console/campaigns.rs"),
        include_str!("../../src/console/new.rs"),
        include_str!("../../src/console/setup.rs"),
        include_str!("../../src/console/signin.rs"),
    ];
    let routed: BTreeSet<_> = sources
        .iter()
        .flat_map(|source| source.split(".route(").skip(1))
        .map(|route| route.split('"').nth(1).unwrap())
        .collect();
    let known: BTreeSet<_> =
        PAGES.iter().map(|(_, path, _)| *path).chain(OPEN.iter().copied()).collect();
    assert_eq!(routed, known);
}

#[tokio::test]
async fn the_console_leads_strangers_to_the_sign_in_page() {
    let server = Server::start().await;
    for (method, route, _) in PAGES {
        let path =
            route.replace("{id}", "cmp_0000000000001").replace("{attempt}", "att_0000000000001");
        let request = Request::builder().method(*method).uri(&path);
        let answer = server.send(request.body(Body::empty()).unwrap()).await;
        let location = answer.headers.get(header::LOCATION).map(|value| value.to_str().unwrap());
        assert_eq!(answer.status, 303, "{method} {route}");
        assert!(location.unwrap().starts_with("/signin"), "{method} {route}");
    }
}

#[tokio::test]
async fn the_console_lets_each_role_do_its_part() {
    let server = Server::start().await;
    let campaign = server.draft().await.replace("/api/v1/campaigns/", "");
    let carrier = server.app.store.carriers().await.unwrap()[0].id.to_string();
    let bot = server.app.store.bots().await.unwrap()[0].id.to_string();
    for role in [Role::Viewer, Role::Operator, Role::Supervisor] {
        let email = format!("{}@example.com", role.word());
        server.user(&email, role).await;
        let form = format!("email={}&password=correct+horse", email.replace('@', "%40"));
        let session = cookie(&submit(&server, "/signin", "", &form).await).unwrap();
        for (method, route, act) in PAGES {
            let may = match act {
                Act::Look => true,
                Act::Trigger | Act::Run | Act::Export | Act::SeeNumbers => role >= Role::Operator,
                Act::Edit | Act::People => role >= Role::Supervisor,
                Act::Administer => role == Role::Admin,
            };
            // What he may do is the matter of other tests.
            if may && *method == "POST" {
                continue;
            }
            let id = if route.contains("carriers") {
                &carrier
            } else if route.contains("bots") {
                &bot
            } else {
                &campaign
            };
            let path = route.replace("{id}", id).replace("{attempt}", "att_0000000000001");
            let request = Request::builder()
                .method(*method)
                .uri(&path)
                .header(header::COOKIE, &session)
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header("sec-fetch-site", "same-origin")
                .body(Body::from("name=x&host=h&cps=1&channels=1&e164=x&carrier_id=x&kind=script"));
            let answer = server.send(request.unwrap()).await;
            assert!(!answer.status.is_server_error(), "{} {method} {route}", role.word());
            if !may {
                assert!(answer.status != 200, "{} {method} {route}", role.word());
            }
        }
    }
    let kept = server
        .app
        .store
        .campaigns(campanile_store::rows::CampaignFilter { limit: 10, ..Default::default() });
    assert_eq!(kept.await.unwrap().len(), 1, "nobody made or deleted one");
    assert!(server.app.store.carriers().await.unwrap()[0].enabled);
    assert!(server.app.store.bots().await.unwrap()[0].enabled);
}
