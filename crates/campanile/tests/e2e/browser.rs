//! One story in a real browser: from the first sign-in to the downloaded report.

use std::{
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use thirtyfour::{
    ChromeCapabilities, ChromiumLikeCapabilities, Key, TypingData, WebDriver,
    prelude::{By, ElementQueryable, ElementWaitable},
};

use crate::{
    kill,
    server::{Process, Server, contacts, rows},
};

const CONTACTS: usize = 40;
const AXE: &str = include_str!("../vendor/axe.min.js");

/// Chromium behind chromedriver, with a directory that downloads go to.
struct Browser {
    driver: WebDriver,
    _process: Process,
}

impl Browser {
    async fn start(dir: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed: `cargo xtask test` installs it");
        let process = Process(child);
        let mut wanted = ChromeCapabilities::new();
        for argument in [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--window-size=1366,900",
        ] {
            wanted.add_arg(argument).unwrap();
        }
        wanted.add_arg(&format!("--user-data-dir={}", dir.join("profile").display())).unwrap();
        let downloads = json!({ "download.default_directory": dir.join("downloads") });
        wanted.add_experimental_option("prefs", downloads).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        let driver = loop {
            match WebDriver::new(format!("http://127.0.0.1:{port}"), wanted.clone()).await {
                Ok(driver) => break driver,
                Err(error) => assert!(Instant::now() < deadline, "no browser: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        Self { driver, _process: process }
    }

    async fn fill(&self, name: &str, text: &str) {
        let field = self.driver.query(By::Css(format!("[name={name}]"))).first().await.unwrap();
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Presses the visible button or link with these words.
    async fn press(&self, words: &str) {
        let path = format!(
            "//*[self::button or self::a][normalize-space()='{words}' or .//span[normalize-space()='{words}']]"
        );
        let found = self.driver.query(By::XPath(path)).and_displayed().first().await;
        let element = found.unwrap_or_else(|error| panic!("nothing says {words:?}: {error}"));
        element.wait_until().clickable().await.unwrap();
        element.click().await.unwrap();
    }

    /// Types into whatever has the focus.
    async fn types(&self, keys: impl Into<TypingData>) {
        self.driver.action_chain().send_keys(keys).perform().await.unwrap();
    }

    /// Waits until the page's text holds `words`.
    async fn sees(&self, words: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let text = self.text().await;
            if text.contains(words) {
                return;
            }
            assert!(Instant::now() < deadline, "{words:?} never came: {text}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn text(&self) -> String {
        let text = self.driver.execute("return document.body.innerText", vec![]).await.unwrap();
        // A figure and its unit are held together by a no-break space.
        text.json().as_str().unwrap_or_default().replace('\u{a0}', " ")
    }

    /// No violation of WCAG A, AA or best practice, in light and in dark, once the
    /// colours have changed.
    async fn accessible(&self, page: &str) {
        for theme in ["light", "dark"] {
            let dress = format!("document.documentElement.dataset.theme = '{theme}'");
            self.driver.execute(dress, vec![]).await.unwrap();
            self.driver.execute(AXE, vec![]).await.unwrap();
            let found = self
                .driver
                .execute_async(
                    "const done = arguments[arguments.length - 1]; \
                     const fades = document.getAnimations() \
                     .filter((each) => each instanceof CSSTransition).map((each) => each.finished); \
                     Promise.allSettled(fades).then(() => axe.run()) \
                     .then((found) => done(found.violations.map((each) => \
                     ({ id: each.id, nodes: each.nodes.map((node) => node.html) }))))",
                    vec![],
                )
                .await
                .unwrap();
            let none = Value::Array(vec![]);
            assert_eq!(found.json(), &none, "{page} in {theme}: {:#}", found.json());
        }
    }
}

#[tokio::test]
async fn a_newcomer_signs_in_runs_a_campaign_and_downloads_its_report() {
    let dir = tempfile::tempdir().unwrap();
    let (_carrier, port) = kill::carrier(&dir.path().join("carrier.jsonl"), dir.path());
    let server = Server::start(dir.path());
    let limits = json!({ "cps": 6.0, "channels": 50 });
    server.setup(port, limits, json!({})).await;
    let csv = dir.path().join("people.csv");
    std::fs::write(&csv, contacts(CONTACTS)).unwrap();
    let browser = Browser::start(dir.path()).await;

    // The one-time link makes the first administrator.
    browser.driver.goto(server.setup.as_ref().unwrap()).await.unwrap();
    browser.accessible("first run").await;
    browser.fill("email", "asha@example.com").await;
    browser.fill("password", "correct horse battery").await;
    browser
        .driver
        .query(By::Css("form [type=submit]"))
        .first()
        .await
        .unwrap()
        .click()
        .await
        .unwrap();
    browser.sees("Campaigns").await;
    browser.accessible("empty list").await;
    browser.driver.goto(format!("{}/dashboard/setup", server.url)).await.unwrap();
    browser.accessible("setup").await;

    // A campaign from a file.
    browser.driver.goto(format!("{}/dashboard/campaigns/new", server.url)).await.unwrap();
    browser.accessible("new campaign").await;
    browser.fill("name", "November reminders").await;
    browser.fill("start", "00:00").await;
    browser.fill("end", "24:00").await;
    browser.fill("concurrency", "20").await;
    browser.fill("max_attempts", "1").await;
    browser
        .driver
        .query(By::XPath("//select[@name='bot_id']/option[text()='script']"))
        .first()
        .await
        .unwrap()
        .click()
        .await
        .unwrap();
    let pool =
        "const box = document.querySelector('[name=number_ids]'); if (!box.checked) box.click()";
    browser.driver.execute(pool, vec![]).await.unwrap();
    let file = browser.driver.query(By::Css("input[type=file]")).first().await.unwrap();
    file.send_keys(csv.to_str().unwrap()).await.unwrap();
    browser.press("Create draft").await;
    browser.sees("November reminders").await;
    browser.sees("40 contacts").await;
    browser.accessible("draft").await;
    browser.types("?").await;
    browser.sees("Turn these shortcuts off").await;
    browser.accessible("shortcuts").await;
    browser.types(Key::Escape).await;
    browser.types("/").await;
    browser.types("?").await;
    let text = browser.text().await;
    assert!(!text.contains("Turn these shortcuts off"), "no key is heard while one types");
    browser.types(Key::Escape).await;

    // Started: the counters move by themselves.
    browser.press("Start").await;
    browser.sees("Live Activity").await;
    browser.accessible("running").await;
    let id = {
        let list = server.get("/campaigns").await;
        crate::server::text(&list["data"][0]["id"])
    };
    let path = format!("/campaigns/{id}");
    let moved = Instant::now() + Duration::from_secs(30);
    let processed = |text: &str| {
        let line =
            text.lines().find(|line| line.contains("processed")).unwrap_or_default().to_owned();
        line.split_whitespace().next().and_then(|figure| figure.parse::<usize>().ok()).unwrap_or(0)
    };
    while processed(&browser.text().await) == 0 {
        assert!(Instant::now() < moved, "the counters do not move: {}", browser.text().await);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    // By key, which asks first.
    browser.types("p").await;
    browser.sees("Pause this campaign?").await;
    assert_eq!(server.get(&path).await["status"], "running", "it only asks");
    browser.press("Pause now").await;
    browser.sees("Paused").await;
    assert_eq!(server.get(&path).await["status"], "paused");
    browser.accessible("paused").await;
    let page = format!("{}/dashboard/campaigns/{id}", server.url);
    browser.driver.goto(format!("{page}/edit")).await.unwrap();
    browser.accessible("edit").await;
    browser.driver.goto(&page).await.unwrap();
    browser.sees("Paused").await;
    browser.press("Resume").await;
    browser.sees("Live Activity").await;
    let done = server.wait_completed(&id, Duration::from_secs(90)).await;
    browser.sees("Max retries completed").await;
    browser.accessible("completed").await;

    // The report, as the browser saved it, says what the database says.
    browser.press("Attempt Report").await;
    browser.sees("rows downloaded").await;
    let saved = wait_for_file(&dir.path().join("downloads")).await;
    let saved = rows(&saved);
    let kept = server.report(&id).await;
    assert_eq!(saved, kept);
    let counted = saved.iter().filter(|row| row["counts"] == "true").count();
    assert_eq!(counted, CONTACTS, "one attempt a contact");
    // The pause may have come between a row and its INVITE.
    let withdrawn = saved.iter().filter(|row| row["outcome"] == "cancelled").count();
    assert_eq!(saved.len(), CONTACTS + withdrawn, "{saved:#?}");
    let answered = saved.iter().filter(|row| !row["answered_at"].is_empty()).count();
    let rate = answered as f64 / saved.len() as f64;
    assert!((done["metrics"]["answer_rate"].as_f64().unwrap() - rate).abs() < 1e-9, "{done:#}");

    browser.driver.goto(format!("{page}/attempts/{}", kept[0]["attempt_id"])).await.unwrap();
    browser.sees("Where the time went").await;
    browser.accessible("attempt").await;

    browser.driver.goto(format!("{}/dashboard/campaigns", server.url)).await.unwrap();
    browser.sees("November reminders").await;
    browser.accessible("list").await;
    browser.driver.goto(format!("{}/signin", server.url)).await.unwrap();
    browser.accessible("sign-in").await;
    browser.driver.quit().await.unwrap();
}

/// The one finished file of a download directory.
async fn wait_for_file(dir: &Path) -> String {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let found =
            std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
        if let Some(path) =
            found.into_iter().find(|path| path.extension().is_some_and(|end| end == "csv"))
        {
            return std::fs::read_to_string(path).unwrap();
        }
        assert!(Instant::now() < deadline, "nothing was downloaded");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
