//! The dashboard of a whole daemon with a month behind it: every page has what it should.

mod browser;
mod month;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use reconciled::access::Caller;
use reconciled::access::users::Users;
use reconciled::control::messages::{DashboardLink, DashboardRole};
use tower_service::Service as _;

use crate::process::Host;
use crate::world::World;
use month::a_month;

/// A page of the daemon, without a network.
async fn page(world: &World, path: &str, cookie: &str) -> (u16, axum::http::HeaderMap, String) {
    let mut pages = reconciled::dashboard::pages(world.daemon().service());
    let request = Request::get(path).header("cookie", cookie).body(Body::empty()).unwrap();
    let (head, body) = pages.call(request).await.unwrap().into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    (head.status.as_u16(), head.headers, String::from_utf8_lossy(&bytes).into_owned())
}

/// A link for the user that runs this test, as `reconciled dashboard` gets it.
pub async fn link(world: &World, role: DashboardRole) -> String {
    let request = DashboardLink { role: Some(role), ..DashboardLink::default() };
    let caller = Caller::own(&Users::of_machine());
    world.daemon().service().carry_out(request, &caller).await.unwrap().url
}

async fn session(world: &World, role: DashboardRole) -> String {
    let link = link(world, role).await;
    let (_, path) = link.split_at(link.find("/login").unwrap());
    let (status, headers, text) = page(world, path, "").await;
    assert_eq!(status, 303, "{text}");
    headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn after_some_days_every_page_says_what_happened() {
    let mut month = a_month(6).await;
    let world = &month.world;
    let cookie = session(world, DashboardRole::Operate).await;
    let declined = month.declined.clone();
    let object = format!("/objects/{declined}");
    for (path, parts) in [
        (
            "/",
            &[
                "Declined today",
                "Resolved today",
                "Moving, by age",
                "Quota left",
                "Outbox",
                "Schedules",
                "The last 30 days and today",
                "shop-de",
                "<rect class=\"bad",
            ][..],
        ),
        ("/objects", &["moving", "shop-de", "EUR", "Next page"]),
        ("/objects?show=quarantined", &["different-amount"]),
        ("/objects?show=finished&kind=refund", &["refund"]),
        ("/declines", &["What to do now", "I take it", "HardDeclined", "JPY"]),
        ("/declines?show=all", &["done by"]),
        ("/alerts", &["declined", "delivered", "Acknowledge", "in force", "the bank works on it"]),
        ("/alerts?kind=quarantined", &["quarantined"]),
        ("/accounts", &["shop-de", "shop-jp", "amazon-pay-v2", "GetCharge", "well"]),
        ("/reports", &["summary.json", "summary.html", "declined_"]),
        ("/batches", &["No batch was submitted"]),
        ("/calls", &["No operation was called"]),
        ("/audit", &["silence add", "done"]),
        (
            &object,
            &["Timeline", "Declined", "What to do now", "Poll now", "Alerts about it", "chat: delivered"],
        ),
    ] {
        let (status, _, text) = page(world, path, &cookie).await;
        assert_eq!(status, 200, "{path}: {text}");
        for part in parts {
            assert!(text.contains(part), "{path} lacks {part:?}:\n{text}");
        }
    }
    let (_, _, reports) = page(world, "/reports", &cookie).await;
    let file = reports.split("href=\"").find(|part| part.contains("/declined_")).unwrap();
    let file = file.split('"').next().unwrap();
    let (status, headers, csv) = page(world, file, &cookie).await;
    assert_eq!(status, 200);
    assert!(headers["content-disposition"].to_str().unwrap().contains("declined_"), "{headers:?}");
    assert!(csv.lines().count() >= 2 && csv.contains("Declined"), "{csv}");
    let (day, _) = file.rsplit_once('/').unwrap();
    let (status, headers, _) = page(world, &format!("{day}/summary.html"), &cookie).await;
    assert_eq!(status, 200);
    assert!(headers["content-security-policy"].to_str().unwrap().contains("sandbox"));
    month.world.stop().await;
}

/// The figures of today are those of tonight's report.
#[tokio::test(start_paused = true)]
async fn what_the_overview_says_of_today_is_what_the_report_of_the_night_says() {
    let mut month = a_month(1).await;
    let service = month.world.daemon().service();
    let today = service.today().await.unwrap();
    assert!(today.is_whole);
    let again = service.today().await.unwrap();
    assert_eq!(again.figures, today.figures, "rows that are counted once are not counted twice");
    let before_midnight = 24.0 - month.hour;
    month.world.pass_hours(before_midnight - 0.02).await;
    let today = service.today().await.unwrap();
    let figures = today.figures["live"].clone();
    assert!(figures.declined > 0 && figures.resolved() > 0, "{figures:?}");
    month.world.pass_hours(2.0).await;
    let reports =
        service.report_figures(&reconciled::control::messages::FiguresRequest::default()).await.unwrap();
    let day = reports.iter().find(|day| day.date == today.date).unwrap();
    assert_eq!(day.figures["live"], figures);
    assert_ne!(service.today().await.unwrap().date, today.date);
    month.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_prints_a_link_or_says_what_is_missing() {
    let host = Host::new().await;
    host.run(&["dashboard"]).await.expect(69, &["the daemon is not running"]);
    let daemon = host.start().await;
    host.run(&["dashboard"])
        .await
        .expect(65, &["the dashboard has no address", "add [control.tcp] with listen"]);
    daemon.stop(&host).await;
    let address = format!("127.0.0.1:{}", month::free_port());
    host.rewrite_config(|text| format!("{text}\n[control.tcp]\nlisten = \"{address}\"\n"));
    let daemon = host.start().await;
    let ran =
        host.run(&["dashboard", "--role", "read"]).await.expect(0, &["within 60 seconds", "the role read"]);
    let link = ran.out.trim();
    assert!(link.starts_with(&format!("http://{address}/login?token=")), "{link}");
    let browser = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
    let browser = browser.unwrap();
    let opened = browser.get(link).send().await.unwrap();
    assert_eq!(opened.status(), 303);
    let cookie = opened.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let get = |path: &str| browser.get(format!("http://{address}{path}")).header("cookie", &cookie);
    let status = async |request: reqwest::RequestBuilder| request.send().await.unwrap().status().as_u16();
    assert_eq!(status(get("/")).await, 200);
    assert_eq!(status(get("/v1/status")).await, 401, "a cookie opens the pages, not the API");
    assert_eq!(status(get("/").header("host", "evil.example")).await, 403);
    assert_eq!(status(get("/").header("sec-fetch-site", "cross-site")).await, 403);
    assert_eq!(status(get("/").header("origin", "https://evil.example")).await, 403);
    assert_eq!(status(browser.get(link)).await, 401, "a link works once");
    let log = host.log();
    let secret = link.split("token=").nth(1).unwrap();
    assert!(!log.contains(secret) && !log.contains(&cookie), "no secret is in the log");
    daemon.stop(&host).await;
}
