//! Pages, sessions and forms on a real store.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use tower_service::Service as _;

use super::pages;
use crate::access::sessions::Sessions;
use crate::access::users::own_uid;
use crate::access::{Access, Caller, Grant, Grantee, Role};
use crate::control::Service;
use crate::control::messages::{AuditOutcome, AuditRequest, DashboardLink, DashboardRole, Enrol};
use crate::control::test_service::{Fixture, alert, service_in, settle, with_alerts};
use crate::store::{OwedAlert, Store};
use crate::text::is_harmful;

const PATHS: [&str; 9] =
    ["/", "/objects", "/declines", "/alerts", "/accounts", "/reports", "/batches", "/calls", "/audit"];
const OBJECT: &str = "/objects/shop/charge/S01-1-1-C1";

struct TestDaemon {
    _folder: tempfile::TempDir,
    service: Service,
    store: Store,
    router: Router,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The secret that the forms of this page send.
    fn csrf(&self) -> String {
        let (_, rest) = self.text.split_once("name=\"csrf\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    }
}

impl TestDaemon {
    async fn open() -> TestDaemon {
        let folder = tempfile::tempdir().unwrap();
        let uid = own_uid().unwrap();
        let grant = Grant { role: Role::Operate, to: Grantee::User(uid), written: uid.to_string() };
        let fixture = Fixture { access: Some(Access { grants: vec![grant] }), ..Fixture::default() };
        let (service, store) = service_in(&folder.path().join("store"), fixture).await;
        TestDaemon { _folder: folder, router: pages(service.clone()), service, store }
    }

    async fn enrol(&self, reference: &str) {
        let line = serde_json::json!({"id": "S01-1-1-C1", "reference": reference}).to_string();
        let request = crate::control::enrolment_request::from_json(line.as_bytes(), 1).unwrap();
        let results = self.service.carry_out(Enrol::from(vec![request]), &me()).await.unwrap();
        assert_eq!(results[0].reason, None);
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let answer = self.router.clone().call(request).await.unwrap();
        let (head, body) = answer.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    async fn get(&self, path: &str, cookie: &str) -> Answer {
        self.send(Request::get(path).header("cookie", cookie).body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, cookie: &str, fields: &str) -> Answer {
        let request = Request::post(path)
            .header("cookie", cookie)
            .header("content-type", "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(fields.to_owned())).unwrap()).await
    }

    /// The path and query of a new link.
    async fn link(&self, role: DashboardRole) -> String {
        let request = DashboardLink { role: Some(role), ..DashboardLink::default() };
        let linked = self.service.carry_out(request, &me()).await.unwrap();
        linked.url.strip_prefix("http://127.0.0.1:8490").unwrap().to_owned()
    }

    /// A new session's cookie.
    async fn sign_in(&self, role: DashboardRole) -> String {
        let answer = self.get(&self.link(role).await, "").await;
        assert_eq!((answer.status, answer.header("location")), (303, "/"));
        answer.header("set-cookie").split(';').next().unwrap().to_owned()
    }
}

fn me() -> Caller {
    Caller { uid: own_uid(), name: Some("alice".to_owned()), ..Caller::default() }
}

#[tokio::test]
async fn without_a_session_there_is_only_the_way_to_get_one() {
    let daemon = TestDaemon::open().await;
    daemon.enrol("A-1").await;
    for path in PATHS.into_iter().chain([OBJECT, "/reports/2026-01-14/manifest.json", "/batches/x"]) {
        for cookie in ["", "reconciled_session=", "reconciled_session=0000"] {
            let answer = daemon.get(path, cookie).await;
            assert_eq!(answer.status, 401, "{path}");
            assert!(answer.text.contains("reconciled dashboard") && !answer.text.contains("S01"), "{path}");
        }
    }
    for path in ["/do/poll", "/do/forget", "/do/decline", "/logout"] {
        assert_eq!(daemon.post(path, "", "csrf=x").await.status, 401, "{path}");
    }
    assert_eq!(daemon.get("/assets/app.css", "").await.status, 200);
    let script = daemon.get("/assets/app.js", "").await;
    assert_eq!((script.status, script.header("content-type")), (200, "text/javascript; charset=utf-8"));
    let known = Request::get("/assets/app.js").header("if-none-match", script.header("etag"));
    assert_eq!(daemon.send(known.body(Body::empty()).unwrap()).await.status, 304);
    assert_eq!(daemon.get("/nowhere", "").await.status, 404);
}

#[tokio::test]
async fn behind_a_proxy_with_tls_the_link_leads_there_and_no_cookie_is_sent_without_tls() {
    let mut daemon = TestDaemon::open().await;
    daemon.service.sessions = Some(Arc::new(Sessions::at("https://rec.example")));
    daemon.router = pages(daemon.service.clone());
    let request = DashboardLink { role: Some(DashboardRole::Read), ..DashboardLink::default() };
    let link = daemon.service.carry_out(request, &me()).await.unwrap().url;
    let opened = daemon.get(link.strip_prefix("https://rec.example").unwrap(), "").await;
    assert!(opened.header("set-cookie").contains("; Secure;"), "{}", opened.header("set-cookie"));
    let plain = TestDaemon::open().await;
    let opened = plain.get(&plain.link(DashboardRole::Read).await, "").await;
    assert!(!opened.header("set-cookie").contains("Secure"), "a browser would not keep it");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_sends_too_many_requests_waits() {
    let daemon = TestDaemon::open().await;
    let cookie = daemon.sign_in(DashboardRole::Read).await;
    // A page that needs no store, so that no time passes.
    let odd = "/alerts?state=odd";
    daemon.service.clock().sleep(std::time::Duration::from_secs(2)).await;
    for _ in 0..100 {
        assert_eq!(daemon.get(odd, &cookie).await.status, 400);
    }
    assert_eq!(daemon.get(odd, &cookie).await.status, 429);
    daemon.service.clock().sleep(std::time::Duration::from_millis(20)).await;
    assert_eq!(daemon.get(odd, &cookie).await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn a_link_works_once_and_for_a_minute_and_its_secret_leaves_the_address() {
    let daemon = TestDaemon::open().await;
    let link = daemon.link(DashboardRole::Read).await;
    let ahead = Request::head(&link).body(Body::empty()).unwrap();
    assert_eq!(daemon.send(ahead).await.status, 401, "a preview does not use it up");
    let opened = daemon.get(&link, "").await;
    assert_eq!((opened.status, opened.header("location")), (303, "/"));
    let cookie = opened.header("set-cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let again = daemon.get(&link, "").await;
    assert_eq!(again.status, 401);
    assert!(again.text.contains("used already") && again.header("set-cookie").is_empty());
    let late = daemon.link(DashboardRole::Read).await;
    daemon.service.clock().sleep(std::time::Duration::from_secs(60)).await;
    assert_eq!(daemon.get(&late, "").await.status, 401);
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(daemon.get("/", cookie).await.status, 200);
    daemon.service.clock().sleep(std::time::Duration::from_secs(12 * 3600)).await;
    assert_eq!(daemon.get("/", cookie).await.status, 401, "a session ends after twelve hours");
}

#[tokio::test]
async fn every_page_may_load_only_what_is_its_own() {
    let daemon = TestDaemon::open().await;
    daemon.enrol("A-1").await;
    with_alerts(&daemon.store).await;
    let cookie = daemon.sign_in(DashboardRole::Operate).await;
    for path in PATHS.into_iter().chain([OBJECT]) {
        let answer = daemon.get(path, &cookie).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        let policy = answer.header("content-security-policy");
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(part) && !policy.contains("unsafe"), "{policy}");
        }
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        // Nothing that the policy would refuse, and nothing from elsewhere.
        for part in [" style=", " onclick=", "<style", "javascript:", "src=\"http", "href=\"http"] {
            assert!(!answer.text.contains(part), "{path} has {part}");
        }
        for part in ["<main id=\"main\"", "aria-current=\"page\"", "class=\"skip\"", "lang=\"en\""] {
            assert!(answer.text.contains(part), "{path} lacks {part}");
        }
    }
    assert_eq!(daemon.get("/objects?q=S09-1-1-C9", &cookie).await.status, 404);
    assert_eq!(daemon.get("/objects?q=a/b/c/d", &cookie).await.status, 400);
    let found = daemon.get("/objects?q=S01-1-1-C1", &cookie).await;
    assert_eq!((found.status, found.header("location")), (303, OBJECT));
    assert_eq!(daemon.get("/objects?cursor=nonsense", &cookie).await.status, 400);
    assert_eq!(daemon.get("/reports/2026-01-14/..%2Fstore", &cookie).await.status, 404);
}

#[tokio::test]
async fn hostile_text_is_text() {
    let daemon = TestDaemon::open().await;
    let hostile = format!("<script>alert(1)</script>\"'>&\u{202e}\u{200b}{}", "x".repeat(10_000));
    daemon.enrol("A-1").await;
    let mut bad = alert("declined/<script>\"'", "shop/charge/S01-1-1-C1");
    for text in [&mut bad.headline, &mut bad.explanation, &mut bad.advice, &mut bad.where_to_look] {
        text.clone_from(&hostile);
    }
    bad.reason = Some(hostile.clone());
    bad.merchant_reference = Some(hostile.clone());
    let owed = OwedAlert { alert: bad, targets: vec!["chat".into()] };
    daemon.store.raise(vec![owed]).await.unwrap();
    let cookie = daemon.sign_in(DashboardRole::Operate).await;
    let state = "/alerts?state=%3Cscript%3Ealert(1)%3C/script%3E";
    assert!(!daemon.get(state, &cookie).await.text.contains("<script>alert"));
    for path in ["/", "/declines", "/alerts", OBJECT, "/objects?state=%22%3E%3Cscript%3Ealert(1)"] {
        let answer = daemon.get(path, &cookie).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.text.contains("<script>alert"), "{path}");
        assert!(!answer.text.chars().any(|letter| is_harmful(letter) && letter != '\n'), "{path}");
    }
    let shown = daemon.get("/declines", &cookie).await.text;
    assert!(shown.contains("\\u{202e}") && shown.contains(&"x".repeat(10_000)), "it is shown, as text");
    assert!(!shown.contains("value=\"declined/<"), "also where it is an attribute");
}

#[tokio::test]
async fn a_form_changes_something_only_with_the_secret_of_its_own_session() {
    let daemon = TestDaemon::open().await;
    daemon.enrol("A-1").await;
    let (cookie, other) =
        (daemon.sign_in(DashboardRole::Operate).await, daemon.sign_in(DashboardRole::Operate).await);
    let (own, foreign) = (daemon.get(OBJECT, &cookie).await.csrf(), daemon.get(OBJECT, &other).await.csrf());
    assert_ne!(own, foreign);
    let form = |csrf: &str| format!("csrf={csrf}&object=shop%2Fcharge%2FS01-1-1-C1&back=%2Fobjects");
    for csrf in ["", "x", &foreign] {
        assert_eq!(daemon.post("/do/forget", &cookie, &form(csrf)).await.status, 403, "{csrf}");
    }
    let json =
        Request::post("/do/forget").header("cookie", &cookie).header("content-type", "application/json");
    assert_eq!(daemon.send(json.body(Body::from(form(&own))).unwrap()).await.status, 400);
    let large = format!("{}&x={}", form(&own), "x".repeat(70_000));
    assert_eq!(daemon.post("/do/forget", &cookie, &large).await.status, 400);
    assert_eq!(daemon.get(OBJECT, &cookie).await.status, 200, "nothing has happened yet");
    let done = daemon.post("/do/forget", &cookie, &form(&own)).await;
    assert_eq!((done.status, done.header("location")), (303, "/objects?said=forgotten"));
    assert_eq!(daemon.get(OBJECT, &cookie).await.status, 404);
    assert!(daemon.get("/objects?said=forgotten", &cookie).await.text.contains("It is no longer watched."));
    let log = daemon.service.audit_entries(&AuditRequest::default()).await.unwrap().items;
    let forgotten = log.iter().find(|entry| entry.verb == "forget").unwrap();
    assert_eq!((forgotten.name.as_deref(), forgotten.outcome), (Some("alice"), AuditOutcome::Done));
}

#[tokio::test]
async fn the_role_read_sees_all_and_changes_nothing() {
    let daemon = TestDaemon::open().await;
    daemon.enrol("A-1").await;
    with_alerts(&daemon.store).await;
    let cookie = daemon.sign_in(DashboardRole::Read).await;
    let mut csrf = String::new();
    for path in PATHS.into_iter().chain([OBJECT]) {
        let answer = daemon.get(path, &cookie).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.text.contains("action=\"/do/"), "{path} has a button");
        csrf = answer.csrf();
    }
    for (path, fields) in [
        ("/do/poll", "object=S01-1-1-C1"),
        ("/do/accept", "object=S01-1-1-C1"),
        ("/do/forget", "object=S01-1-1-C1"),
        ("/do/acknowledge", "key=declined/1"),
        ("/do/decline", "key=declined/1&done=yes"),
        ("/do/add-silence", "kind=declined&reason=x&hours=4"),
        ("/do/end-silence", "number=1"),
    ] {
        let answer = daemon.post(path, &cookie, &format!("csrf={csrf}&{fields}")).await;
        assert_eq!(answer.status, 403, "{path}");
        assert!(answer.text.contains("get another link"), "{}", answer.text);
    }
    let log = daemon.service.audit_entries(&AuditRequest::default()).await.unwrap().items;
    assert!(log.iter().any(|entry| entry.verb == "forget" && entry.outcome == AuditOutcome::Refused));
    assert_eq!(daemon.get(OBJECT, &cookie).await.status, 200);
    let out = daemon.post("/logout", &cookie, &format!("csrf={csrf}")).await;
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(daemon.get("/", &cookie).await.status, 401);
}

#[tokio::test]
async fn a_silence_is_added_with_the_conditions_of_the_form_or_refused_with_the_reason() {
    let daemon = TestDaemon::open().await;
    let cookie = daemon.sign_in(DashboardRole::Operate).await;
    let csrf = daemon.get("/alerts", &cookie).await.csrf();
    let add = async |fields: &str| {
        let form = format!("csrf={csrf}&back=%2Falerts&reason=+the+bank+works+&hours=4&{fields}");
        daemon.post("/do/add-silence", &cookie, &form).await
    };
    for (status, fields, part) in [
        (422, "kind=", "would hide everything"),
        (422, "account=shpo", "is not an account"),
        (422, "kind=declined&until_resolved=yes", "no condition that ends"),
        (400, "min_amount=500", "written with its currency"),
        (400, "label=team", "write NAME=VALUE"),
        (400, "min_severity=grave", "the severity is not known"),
    ] {
        let refused = add(fields).await;
        assert_eq!(refused.status, status, "{fields}");
        assert!(refused.text.contains(part), "{fields}: {}", refused.text);
    }
    let fields = "kind=declined&code=HardDeclined&min_severity=warning&min_amount=500.00+EUR";
    assert_eq!(add(fields).await.header("location"), "/alerts?said=silence-added");
    let page = daemon.get("/alerts?said=silence-added", &cookie).await.text;
    for part in [
        "kinds: declined; reasons: HardDeclined; at least warning; at least 500.00 EUR",
        "the bank works",
        "in force",
        "The silence is in force.",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let log = daemon.service.audit_entries(&AuditRequest::default()).await.unwrap().items;
    assert!(log.iter().any(|entry| entry.verb == "silence add" && entry.outcome == AuditOutcome::Done));
}

#[tokio::test]
async fn a_form_returns_to_a_page_of_the_dashboard_and_to_no_other_site() {
    let daemon = TestDaemon::open().await;
    daemon.enrol("A-1").await;
    let cookie = daemon.sign_in(DashboardRole::Operate).await;
    let csrf = daemon.get("/", &cookie).await.csrf();
    for (back, location) in [
        ("%2Fobjects%3Fshow%3Dall", "/objects?show=all&said=polled"),
        ("%2Fobjects%3Fsaid%3Daccepted%26show%3Dall", "/objects?show=all&said=polled"),
        ("%2F%2Fevil.example", "/?said=polled"),
        ("https%3A%2F%2Fevil.example", "/?said=polled"),
        ("%2F%5Cevil.example", "/?said=polled"),
        ("%2Fx%0D%0Aset-cookie%3Aa", "/?said=polled"),
        ("", "/?said=polled"),
    ] {
        let form = format!("csrf={csrf}&object=S01-1-1-C1&back={back}");
        assert_eq!(daemon.post("/do/poll", &cookie, &form).await.header("location"), location);
    }
}

#[tokio::test]
async fn a_decline_is_taken_done_and_back_on_the_list() {
    let daemon = TestDaemon::open().await;
    daemon.enrol("A-1").await;
    let owed =
        |key: &str| OwedAlert { alert: alert(key, "shop/charge/S01-1-1-C1"), targets: vec!["chat".into()] };
    settle(&daemon.store, "shop/charge/S01-1-1-C1", "Declined", vec![owed("declined/1")]).await;
    let cookie = daemon.sign_in(DashboardRole::Operate).await;
    let page = daemon.get("/declines", &cookie).await;
    for part in ["14.00 EUR", "HardDeclined", "Ask for another payment method.", "nobody has taken it", "A-1"]
    {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    let csrf = page.csrf();
    let form = |fields: &str| format!("csrf={csrf}&key=declined%2F1&back=%2Fdeclines&{fields}");
    daemon.post("/do/acknowledge", &cookie, &form("as=taken")).await;
    let taken = daemon.get("/declines?said=taken", &cookie).await.text;
    assert!(
        taken.contains("taken by") && taken.contains("You have taken it") && !taken.contains("I take it")
    );
    daemon.post("/do/decline", &cookie, &form("done=yes")).await;
    assert!(daemon.get("/declines", &cookie).await.text.contains("None. Nobody has to do anything"));
    let all = daemon.get("/declines?show=all", &cookie).await.text;
    assert!(all.contains("done by") && all.contains("Not done after all"));
    daemon.post("/do/decline", &cookie, &form("done=no")).await;
    assert!(daemon.get("/declines", &cookie).await.text.contains("14.00 EUR"));
    let unknown = format!("csrf={csrf}&key=nothing&done=yes");
    assert_eq!(daemon.post("/do/decline", &cookie, &unknown).await.status, 404);
    let overview = daemon.get("/", &cookie).await.text;
    for part in ["Declined today", "14.00 EUR", "Declines to deal with", "Charge declined", "HardDeclined"] {
        assert!(overview.contains(part), "{part}: {overview}");
    }
    let object = daemon.get(OBJECT, &cookie).await.text;
    for part in ["Declined", "Timeline", "chargeId", "req-1", "Poll now", "Stop watching it"] {
        assert!(object.contains(part), "{part}: {object}");
    }
}

#[tokio::test]
async fn a_session_does_not_outlast_the_grant_of_its_user() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Fixture { access: Some(Access::default()), ..Fixture::default() };
    let (service, _store) = service_in(folder.path(), fixture).await;
    let stranger = Caller { uid: Some(4_242), ..Caller::default() };
    let refused = service.carry_out(DashboardLink::default(), &stranger).await.unwrap_err();
    assert_eq!(refused.cause.status(), 403);
    // Somebody who had a grant when the link was made.
    let sessions = service.sessions.clone().unwrap();
    let now = service.clock().monotonic();
    let link = sessions.link(&stranger, Role::Operate, now).unwrap();
    let cookie = sessions.open(&link, now).unwrap().unwrap();
    let request = Request::get("/").header("cookie", format!("reconciled_session={cookie}"));
    let answer = pages(service).call(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 403);
}
