//! The console from outside, as a browser without scripts uses it.

use axum::{
    body::Body,
    http::{Request, header},
};
use campanile_domain::carrier::{CarrierHealth, Registration, RegistrationState};
use campanile_store::rows::Role;

use crate::{
    harness::{Answer, Server},
    sign_in::{cookie, submit},
};

/// A person with a session.
struct Person {
    server: Server,
    session: String,
}

impl Person {
    async fn signed_in(role: Role) -> Self {
        let server = Server::start().await;
        let session = sign_in(&server, role).await;
        Self { server, session }
    }

    async fn get(&self, path: &str) -> Answer {
        // What follows `#` never leaves the browser.
        let path = path.split('#').next().unwrap_or(path);
        let request = Request::get(path).header(header::COOKIE, &self.session);
        self.server.send(request.body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, form: &str) -> Answer {
        submit(&self.server, path, &self.session, form).await
    }

    /// Posts a form and follows its 303.
    async fn done(&self, path: &str, form: &str) -> (String, String) {
        let answer = self.post(path, form).await;
        assert_eq!(answer.status, 303, "{path}: {}", answer.text());
        let to = answer.headers[header::LOCATION].to_str().unwrap().to_owned();
        let page = self.get(&to).await;
        assert_eq!(page.status, 200, "{to}");
        (to, page.text())
    }

    async fn upload(&self, campaign: &str, file: &str) -> Answer {
        let request = Request::post(format!("{campaign}/contacts"))
            .header(header::COOKIE, &self.session)
            .header("sec-fetch-site", "same-origin")
            .header(header::CONTENT_TYPE, "text/csv")
            .body(Body::from(file.to_owned()))
            .unwrap();
        self.server.send(request).await
    }
}

/// The cookie of a new person.
pub(crate) async fn sign_in(server: &Server, role: Role) -> String {
    let name = role.word();
    server.user(&format!("{name}@example.com"), role).await;
    let form = format!("email={name}%40example.com&password=correct+horse");
    cookie(&submit(server, "/signin", "", &form).await).unwrap()
}

/// The first value of an attribute in a page.
fn value_of<'p>(page: &'p str, before: &str) -> &'p str {
    let (_, rest) = page.split_once(before).unwrap_or_else(|| panic!("no {before} in {page}"));
    rest.split('"').next().unwrap()
}

const CARRIER: &str = "name=Acme&host=sip.example.com&port=5060&cps=10&channels=50&\
                       username=&password=&prefix=&number_format=e164_plus";

/// The create form as a browser sends it, with its defaults.
fn campaign_form(page: &str, name: &str) -> String {
    let bot = value_of(page, "<option value=\"bot_");
    let number = value_of(page, "name=\"number_ids\" value=\"");
    format!(
        "name={name}&bot_id=bot_{bot}&number_ids={number}&mode=continuous&concurrency=10&\
         start=00%3A00&end=24%3A00&timezone=Asia%2FKolkata&days=mon&days=tue&default_country=IN&\
         max_attempts=3&retry_delay_minutes=0.5&ring_timeout_seconds=45&retry_on_system=busy&\
         retry_on_custom=&stop_redials_after_seconds=&redial_only_under_seconds="
    )
}

/// Carrier, number and bot, by the forms of the setup page.
async fn furnish(person: &Person) {
    let (_, page) = person.done("/dashboard/setup/carriers", CARRIER).await;
    let carrier = value_of(&page, "<option value=\"car_");
    let number = format!("e164=%2B911140001234&carrier_id=car_{carrier}&label=Delhi");
    person.done("/dashboard/setup/numbers", &number).await;
    person.done("/dashboard/setup/bots", "name=Greeter&settings=").await;
}

/// A draft without contacts; its address.
async fn draft(person: &Person) -> String {
    let page = person.get("/dashboard/campaigns/new").await.text();
    person.done("/dashboard/campaigns/new", &campaign_form(&page, "Diwali")).await.0
}

#[tokio::test]
async fn from_nothing_to_a_stopped_campaign_without_a_script() {
    let person = Person::signed_in(Role::Admin).await;
    let page = person.get("/dashboard/campaigns").await.text();
    assert!(page.contains("Your first calls, in three steps"));
    furnish(&person).await;
    let campaign = draft(&person).await;
    let page = person.get(&campaign).await.text();
    assert!(page.contains("3 of 4 in order"), "contacts are missing");

    // Start is refused on the page itself, with what is missing.
    let refused = person.post(&format!("{campaign}/start"), "").await;
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("Mend this first"), "{}", refused.text());

    let rows = "csv=phone_number%2Cname%0A9876500001%2CAsha%0A9876500002%2CRavi%0A12%2CBad%0A";
    let (_, page) = person.done(&format!("{campaign}/contacts"), rows).await;
    assert!(page.contains("taken</b> of 3"), "{page}");
    assert!(page.contains("4 of 4 in order"));

    let (_, page) = person.done(&format!("{campaign}/start"), "").await;
    assert!(page.contains("<title>Diwali · Running · Campanile</title>"));
    assert!(page.contains("The dialler has not reported yet"));
    let again = person.post(&format!("{campaign}/start"), "").await;
    assert_eq!(again.status, 409, "a running campaign cannot be started");
    assert!(again.text().contains("<!DOCTYPE html>"), "told on its page");

    let (to, page) = person.done(&format!("{campaign}/pause"), "back=list").await;
    assert_eq!(to, "/dashboard/campaigns");
    assert!(page.contains("Paused by admin@example.com"));
    let (_, page) = person.done(&format!("{campaign}/resume"), "").await;
    assert!(page.contains("Running"));
    let (_, page) = person.done(&format!("{campaign}/stop"), "").await;
    assert!(page.contains("Stopped by admin@example.com"), "{page}");
    assert!(page.contains("Manually stopped"));
}

#[tokio::test]
async fn a_fault_keeps_what_was_typed_and_stands_beside_its_field() {
    let person = Person::signed_in(Role::Admin).await;
    furnish(&person).await;
    let page = person.get("/dashboard/campaigns/new").await.text();
    let form = campaign_form(&page, "%3Cb%3EDiwali").replace("end=24%3A00", "end=08%3A00x");
    let answer = person.post("/dashboard/campaigns/new", &form).await;
    assert_eq!(answer.status, 422);
    let page = answer.text();
    assert!(page.contains(r#"value="&lt;b&gt;Diwali""#) && page.contains(r#"value="08:00x""#));
    assert!(page.contains("One field needs a look"));
    assert!(page.contains(r#"<p class="err red" id="hours-hint">"#));

    let host = CARRIER.replace("sip.example.com", "no+host");
    let answer = person.post("/dashboard/setup/carriers", &host).await;
    assert_eq!(answer.status, 422);
    assert!(answer.text().contains(r#"value="no host""#) && answer.text().contains("host-err"));
}

#[tokio::test]
async fn an_edit_is_kept_and_a_draft_can_be_deleted() {
    let person = Person::signed_in(Role::Admin).await;
    furnish(&person).await;
    let campaign = draft(&person).await;
    let page = person.get(&format!("{campaign}/edit")).await.text();
    let form = campaign_form(&page, "Holi").replace("concurrency=10", "concurrency=25");
    let (to, page) = person.done(&format!("{campaign}/edit"), &form).await;
    assert_eq!(to, campaign);
    assert!(page.contains("<h1>Holi</h1>") && page.contains("<dt>Concurrency</dt><dd>25<small>"));
    person.done(&format!("{campaign}/delete"), "").await;
    let gone = person.get(&campaign).await;
    assert_eq!(gone.status, 404);
    assert!(gone.text().contains("There is no campaign with this id"), "{}", gone.text());
}

#[tokio::test]
async fn a_viewer_looks_and_changes_nothing() {
    let person = Person::signed_in(Role::Admin).await;
    furnish(&person).await;
    let campaign = draft(&person).await;
    let viewer = Person { session: sign_in(&person.server, Role::Viewer).await, ..person };
    let page = viewer.get(&campaign).await.text();
    for action in ["start", "edit", "delete", "contacts", "attempts.csv"] {
        assert!(!page.contains(&format!("/{action}\"")), "{action} is offered");
    }
    for action in ["start", "pause", "resume", "stop", "delete"] {
        let answer = viewer.post(&format!("{campaign}/{action}"), "").await;
        assert_eq!(answer.status, 403, "{action}");
    }
    assert_eq!(viewer.get("/dashboard/campaigns/new").await.status, 403);
    assert_eq!(viewer.post("/dashboard/setup/bots", "name=x").await.status, 403);
    assert_eq!(viewer.upload(&campaign, "phone_number\n9876500001\n").await.status, 403);
    assert_eq!(viewer.get("/dashboard/setup").await.status, 200);
}

#[tokio::test]
async fn a_file_is_answered_with_the_page_that_tells_of_it_or_with_the_reason() {
    let person = Person::signed_in(Role::Admin).await;
    furnish(&person).await;
    let campaign = draft(&person).await;
    let taken = person.upload(&campaign, "phone_number,name\n9876500001,Asha\n").await;
    assert_eq!(taken.status, 200, "{}", taken.text());
    let next = taken.json()["next"].as_str().unwrap().to_owned();
    assert!(person.get(&next).await.text().contains("1\u{a0}contact taken"), "{next}");
    let refused = person.upload(&campaign, "mobile,name\n9876500001,Asha\n").await;
    assert_eq!(refused.status, 422);
    assert!(refused.json()["message"].as_str().unwrap().contains("phone_number"));
}

#[tokio::test]
async fn the_rows_on_a_page_can_be_asked_for_again() {
    let person = Person::signed_in(Role::Admin).await;
    furnish(&person).await;
    let campaign = draft(&person).await;
    person.upload(&campaign, "phone_number,name\n9876500001,<b>Asha\n9876500002,Ravi\n").await;
    let page = person.get(&campaign).await.text();
    let ids: Vec<&str> =
        page.split("<tr id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(ids.len(), 2);
    let wanted = format!("{campaign}/rows?ids={},con_0000000000001,nonsense", ids[1]);
    let rows = person.get(&wanted).await.text();
    assert!(rows.starts_with(&format!("<tr id=\"{}\"", ids[1])), "{rows}");
    assert_eq!(rows.matches("<tr").count(), 1);
    assert!(page.contains("&lt;b&gt;Asha") && !page.contains("<b>Asha"));
}

#[tokio::test]
async fn every_asset_that_a_page_names_is_there_and_kept_for_ever() {
    let person = Person::signed_in(Role::Admin).await;
    let page = person.get("/dashboard/setup").await.text();
    let mut names: Vec<&str> =
        page.split("\"/assets/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    names.dedup();
    for kind in [".css", ".js", ".woff2", ".svg"] {
        assert!(names.iter().any(|name| name.ends_with(kind)), "{kind} in {names:?}");
    }
    for name in names {
        let answer = person.get(&format!("/assets/{name}")).await;
        assert_eq!(answer.status, 200, "{name}");
        let kept = answer.headers[header::CACHE_CONTROL].to_str().unwrap();
        assert!(kept.contains("immutable"), "{name}: {kept}");
        let request = Request::get(format!("/assets/{name}")).header("accept-encoding", "br");
        let packed = person.server.send(request.body(Body::empty()).unwrap()).await;
        let is_packed = packed.headers.get("content-encoding").is_some_and(|coding| coding == "br");
        assert_eq!(is_packed, !name.ends_with(".woff2"), "{name}");
        assert!(!is_packed || packed.body.len() < answer.body.len(), "{name}");
    }
    assert_eq!(person.get("/assets/app.css").await.status, 404, "only by its hash");
}

#[tokio::test]
async fn the_theme_is_a_cookie_and_leads_nowhere_else() {
    let person = Person::signed_in(Role::Viewer).await;
    let back = "theme=dark&back=%2F%2Fevil.example";
    let answer = person.post("/dashboard/theme", back).await;
    assert_eq!(answer.headers[header::LOCATION], "/dashboard/campaigns");
    let mut set = answer.headers.get_all(header::SET_COOKIE).iter();
    assert!(set.any(|value| value.to_str().unwrap().starts_with("theme=dark;")));
    let request = Request::get("/signin").header(header::COOKIE, "theme=dark");
    let page = person.server.send(request.body(Body::empty()).unwrap()).await.text();
    assert!(page.contains(r#"<html lang="en" data-theme="dark">"#));
}

#[tokio::test]
async fn addresses_that_lead_nowhere_are_pages_too() {
    let person = Person::signed_in(Role::Viewer).await;
    for path in [
        "/dashboard/nothing",
        "/dashboard/campaigns/cmp_0000000000001",
        "/dashboard/campaigns/nonsense",
        "/dashboard/campaigns/cmp_0000000000001/attempts/att_0000000000001",
    ] {
        let answer = person.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.text().contains("Back to the campaigns"), "{path}");
    }
}

#[tokio::test]
async fn the_setup_page_says_how_a_carrier_stands_and_until_when_it_is_registered() {
    let person = Person::signed_in(Role::Admin).await;
    furnish(&person).await;
    let page = person.get("/dashboard/setup").await.text();
    assert!(!page.contains("Answers") && !page.contains("egistered<"), "nothing is known yet");
    let carrier = person.server.app.store.carriers().await.unwrap()[0].id;
    let at = |second| jiff::Timestamp::from_second(second).unwrap();
    let mut health = CarrierHealth::unknown(carrier);
    health.answered(at(1_900_000_000));
    health.registration = Some(Registration {
        state: RegistrationState::Failed,
        since: at(1_900_000_060),
        until: None,
        reason: Some("403 Forbidden <b>".into()),
    });
    person.server.app.live.publish_carrier(health);
    let page = person.get("/dashboard/setup").await.text();
    assert!(page.contains("Answers") && page.contains("17 Mar, 17:46 UTC"), "{page}");
    assert!(page.contains("Not registered") && page.contains("403 Forbidden &lt;b&gt;"), "{page}");
}
