//! The dashboard in a real browser: Chromium, driven over WebDriver, and judged by axe.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use reconciled::clock::{SharedClock, SystemClock};
use reconciled::control::messages::DashboardRole;
use serde_json::{Value, json};
use thirtyfour::prelude::*;
use thirtyfour::{ChromiumLikeCapabilities, LoggingPrefsLogLevel};

use super::link;
use super::month::{Month, a_month};
use crate::process::{PATIENCE, patiently};
use crate::sdk_node::install;
use crate::tools;

const TEST: &str = "the dashboard in a browser";
const PHONE: (u64, u64) = (390, 844);
const DESK: (u64, u64) = (1280, 900);
/// Names the folder where pictures of all pages are put.
const PICTURES: &str = "RECONCILED_PICTURES";

/// Ended with the test.
struct Driver {
    child: Child,
    address: String,
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn chromedriver() -> Option<Driver> {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new("chromedriver");
    command.arg(format!("--port={port}")).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().ok()?;
    Some(Driver { child, address: format!("http://127.0.0.1:{port}") })
}

/// A browser that lets nothing of the machine in.
async fn browser(driver: &Driver, profile: &Path) -> WebDriver {
    let mut wanted = DesiredCapabilities::chrome();
    for word in
        ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
    {
        wanted.add_arg(word).unwrap();
    }
    wanted.add_arg(&format!("--user-data-dir={}", profile.display())).unwrap();
    wanted.set_browser_log_level(LoggingPrefsLogLevel::All).unwrap();
    let clock: SharedClock = SystemClock::shared();
    let connect = async || WebDriver::new(&driver.address, wanted.clone()).await.ok();
    patiently(&clock, "the browser starts", connect, String::new).await
}

async fn resize(browser: &WebDriver, (width, height): (u64, u64)) {
    let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
    browser.cdp().send_raw("Emulation.setDeviceMetricsOverride", size).await.unwrap();
}

async fn colours(browser: &WebDriver, scheme: &str) {
    let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
    browser.cdp().send_raw("Emulation.setEmulatedMedia", media).await.unwrap();
}

/// What axe finds that keeps somebody from using the page.
async fn judged(browser: &WebDriver, axe: &str) -> Vec<String> {
    browser.execute(axe, Vec::<Value>::new()).await.unwrap();
    let script = "const done = arguments[0]; axe.run({ resultTypes: ['violations'] }).then(found => done(found.violations))";
    let found = browser.execute_async(script, Vec::<Value>::new()).await.unwrap();
    let violations = found.json().as_array().unwrap().clone();
    let serious = violations
        .iter()
        .filter(|one| ["serious", "critical"].contains(&one["impact"].as_str().unwrap_or("")));
    serious.map(|one| format!("{}: {} {}", one["id"], one["help"], one["nodes"][0]["html"])).collect()
}

/// What the console says that nobody should read there. The stream is cut off whenever a page is left; whether it works
/// is judged apart.
async fn complaints(browser: &WebDriver) -> Vec<String> {
    let lines = browser.browser_log().await.unwrap();
    let is_bad = |line: &&thirtyfour::BrowserLogEntry| {
        ["SEVERE", "WARNING"].contains(&line.level.as_str()) && !line.message.contains("/v1/stream")
    };
    let bad = lines.iter().filter(is_bad);
    bad.map(|line| line.message.clone()).collect()
}

/// A picture of the whole page, if somebody asked for pictures.
async fn picture(browser: &WebDriver, name: &str) {
    let Some(folder) = std::env::var_os(PICTURES).map(PathBuf::from) else { return };
    std::fs::create_dir_all(&folder).unwrap();
    let shot = json!({"format": "png", "captureBeyondViewport": true});
    let shot = browser.cdp().send_raw("Page.captureScreenshot", shot).await.unwrap();
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
    std::fs::write(folder.join(format!("{name}.png")), bytes).unwrap();
}

#[tokio::test(start_paused = true)]
async fn everybody_can_use_every_page_and_a_decline_appears_by_itself() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
    if let Err(why) = install(&source, &tools, "axe-core") {
        return tools::skipped(TEST, &why);
    }
    let Some(driver) = chromedriver() else {
        return tools::skipped(TEST, "chromedriver (Debian's package chromium-driver) is not installed");
    };
    tools::not_skipped(TEST);
    let axe = std::fs::read_to_string(tools.join("node_modules/axe-core/axe.min.js")).unwrap();
    // The pictures show a whole month.
    let mut month = a_month(if std::env::var_os(PICTURES).is_some() { 30 } else { 4 }).await;
    // From here on, time passes as it does for the browser.
    tokio::time::resume();
    let profile = tempfile::tempdir().unwrap();
    let browser = browser(&driver, profile.path()).await;
    let link = link(&month.world, DashboardRole::Operate).await;
    browser.goto(&link).await.unwrap();
    assert!(
        !browser.current_url().await.unwrap().as_str().contains("token"),
        "the secret leaves the address"
    );
    let base = link.split("/login").next().unwrap().to_owned();
    let object = format!("/objects/{}", month.declined);
    let pages = [
        ("overview", "/"),
        ("objects", "/objects"),
        ("object", &object),
        ("declines", "/declines"),
        ("alerts", "/alerts"),
        ("accounts", "/accounts"),
        ("reports", "/reports"),
        ("batches", "/batches"),
        ("calls", "/calls"),
        ("audit", "/audit"),
    ];
    let mut wrong = Vec::new();
    for (size_name, size) in [("desk", DESK), ("phone", PHONE)] {
        for scheme in ["light", "dark"] {
            resize(&browser, size).await;
            colours(&browser, scheme).await;
            for (name, path) in pages {
                browser.goto(format!("{base}{path}")).await.unwrap();
                let place = format!("{name} on a {size_name}, {scheme}");
                let width = "return document.documentElement.scrollWidth - window.innerWidth";
                let over = browser.execute(width, Vec::<Value>::new()).await.unwrap();
                if over.json().as_i64() != Some(0) {
                    wrong.push(format!("{place}: wider than the screen by {}", over.json()));
                }
                wrong.extend(judged(&browser, &axe).await.into_iter().map(|what| format!("{place}: {what}")));
                wrong.extend(complaints(&browser).await.into_iter().map(|what| format!("{place}: {what}")));
                picture(&browser, &format!("{name}-{size_name}-{scheme}")).await;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    a_decline_appears(&browser, &base, &month).await;
    browser.quit().await.unwrap();
    month.world.stop().await;
}

/// Leaves the list of declines open, lets one happen, and waits for it to be there.
async fn a_decline_appears(browser: &WebDriver, base: &str, month: &Month) {
    resize(browser, DESK).await;
    browser.goto(format!("{base}/declines")).await.unwrap();
    let clock: SharedClock = SystemClock::shared();
    let text = async |script: &str| {
        let found = browser.execute(script, Vec::<Value>::new()).await.unwrap();
        found.json().as_str().unwrap_or_default().to_owned()
    };
    let live =
        async || (text("return document.getElementById('live').textContent").await == "live").then_some(());
    patiently(&clock, "the page is live", live, String::new).await;
    // The browser itself notes when the page has it, on the same clock as this test.
    let watch = "window.shown = 0; new MutationObserver(() => {
                     if (!window.shown && document.body.innerText.includes('777.00')) window.shown = Date.now();
                 }).observe(document.body, { childList: true, subtree: true });";
    browser.execute(watch, Vec::<Value>::new()).await.unwrap();
    let store = month.world.daemon().store();
    let mut journal = store.journal_signal();
    let object =
        month.add("shop-de", "authorization", "777.00", &[(0, "Declined", Some("HardDeclined"))]).await;
    let committed = async {
        while store.record(&object).await.unwrap().is_none_or(|record| record.state() != Some("Declined")) {
            journal.changed().await.unwrap();
        }
        clock.now().as_millisecond()
    };
    let committed = tokio::time::timeout(PATIENCE, committed).await.expect("the decline is known");
    let shown = async || {
        let found = browser.execute("return window.shown", Vec::<Value>::new()).await.unwrap();
        found.json().as_i64().filter(|at| *at > 0)
    };
    let shown = patiently(&clock, "the decline appears", shown, String::new).await;
    println!("a decline appeared {} ms after its commit", shown - committed);
}
