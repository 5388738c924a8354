//! Client, socket, service and a real store together.

mod access;
mod audit;
mod conditional;
mod enrol_lines;
mod events;
mod live;
mod outbox;
mod silences;
mod socket;
mod verbs;

use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::enrolment_request::{EnrolmentRequest, from_json};
use super::messages::*;
use super::problem::{Cause, Problem};
use super::server::{Options, Server};
use super::test_service::{Fixture, service_in, settle, with_alerts};
use crate::store::Store;

struct TestDaemon {
    folder: TempDir,
    path: PathBuf,
    store: Store,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl TestDaemon {
    async fn open(fixture: Fixture, change: impl FnOnce(&mut Options)) -> TestDaemon {
        let folder = tempfile::tempdir().unwrap();
        let (service, store) = service_in(&folder.path().join("store"), fixture).await;
        let path = folder.path().join("socket");
        let mut options = Options::at(&path);
        change(&mut options);
        let server = Server::bind(options).await.unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(server.serve(service, stop.clone()));
        TestDaemon { folder, path, store, stop, serving }
    }

    async fn client(&self) -> Client {
        Client::connect(&self.path).await.unwrap()
    }

    /// Sends raw bytes; returns everything that arrives until the other end closes.
    async fn raw(&self, request: &str) -> String {
        let mut stream = UnixStream::connect(&self.path).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// One request with a body; returns the status and JSON of the answer.
    async fn ask(&self, line: &str, body: &str) -> (u16, serde_json::Value) {
        let answer = self
            .raw(&format!(
                "{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            ))
            .await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        if status >= 400 {
            assert!(head.contains("content-type: application/problem+json"), "{head}");
        }
        assert!(head.contains("cache-control: no-store"), "{head}");
        (status, serde_json::from_str(body).unwrap_or(serde_json::Value::Null))
    }
}

fn enrolment_request(json: &str) -> EnrolmentRequest {
    from_json(json.as_bytes(), 1).unwrap()
}

fn named(text: &str) -> Selector {
    text.parse().unwrap()
}

async fn outcomes(client: &Client, lines: &[&str]) -> Vec<EnrolOutcome> {
    let lines: Vec<EnrolmentRequest> = lines.iter().map(|line| enrolment_request(line)).collect();
    client.ask(Enrol::from(lines.clone())).await.unwrap().into_iter().map(|result| result.outcome).collect()
}

#[tokio::test]
async fn enrolments_are_taken_line_by_line_and_twice_is_once() {
    use EnrolOutcome::{Bad, Conflict, Enriched, New, Same};
    let daemon = TestDaemon::open(Fixture::default(), |_| {}).await;
    let client = daemon.client().await;
    let lines = [
        r#"{"id":"S01-1-1-C1"}"#,
        r#"{"id":"P01-1-1-R1","kind":"refund","account":"market"}"#,
        r#"{"id":"S01-1-1-C1","amount":"14.00","currency":"EUR"}"#,
        r#"{"id":"S01-1-1-C1","amount":"15.00","currency":"EUR"}"#,
        r#"{"id":"X01"}"#,
        r#"{"id":"S02","account":"nobody","kind":"charge"}"#,
        r#"{"id":"S02","account":"shop","kind":"capture"}"#,
    ];
    assert_eq!(outcomes(&client, &lines).await, [New, New, Enriched, Conflict, Bad, Bad, Bad]);
    assert_eq!(outcomes(&client, &lines).await, [Same, Same, Same, Conflict, Bad, Bad, Bad]);
    let results = client
        .ask(Enrol::from(vec![enrolment_request(lines[4]), enrolment_request(lines[3])]))
        .await
        .unwrap();
    assert!(results[0].reason.as_deref().unwrap().contains("fits no configured account and kind"));
    assert!(results[1].reason.as_deref().unwrap().contains("14.00 EUR"));
    assert_eq!(results[1].object.as_ref().unwrap().to_string(), "shop/charge/S01-1-1-C1");
    let many = vec![enrolment_request(lines[0]); BATCH_LINES_MAX + 1];
    assert_eq!(client.ask(Enrol::from(many)).await.unwrap().len(), BATCH_LINES_MAX + 1);
    assert_eq!(client.ask(Enrol::from(vec![])).await.unwrap(), []);
}

#[tokio::test]
async fn ids_that_http_clients_fold_are_refused_and_stored_ones_stay_within_reach() {
    let daemon = TestDaemon::open(Fixture::default(), |_| {}).await;
    let client = daemon.client().await;
    for id in [".", ".."] {
        let line = format!("{{\"id\":\"{id}\",\"account\":\"shop\",\"kind\":\"charge\"}}");
        let results = client.ask(Enrol::from(vec![enrolment_request(&line)])).await.unwrap();
        assert_eq!(results[0].outcome, EnrolOutcome::Bad);
        assert!(results[0].reason.as_deref().unwrap().contains("not an object id"), "{results:?}");
        let (status, _) = daemon.ask(&format!("PUT /v1/tracked/shop/charge/{id}"), "{}").await;
        assert_eq!(status, 422);
        // An object that an earlier release accepted.
        let object = format!("shop/charge/{id}").parse().unwrap();
        let enrolment = crate::payments::record::Enrolment { object, details: Default::default() };
        daemon.store.enrol(vec![enrolment], "2026-01-15T09:00:00Z".parse().unwrap()).await.unwrap();
        assert_eq!(client.ask(Show(named(id))).await.unwrap().object.id.as_str(), id);
        assert!(client.ask(Forget(named(&format!("shop/charge/{id}")))).await.unwrap().was_watched);
    }
}

#[tokio::test]
async fn an_object_is_found_in_whatever_case_its_id_is_handed_on() {
    let daemon = TestDaemon::open(Fixture::default(), |_| {}).await;
    let client = daemon.client().await;
    client.ask(Enrol::from(vec![enrolment_request(r#"{"id":"S01-1-1-C1"}"#)])).await.unwrap();
    for name in ["s01-1-1-c1", "charge/s01-1-1-c1", "shop/charge/s01-1-1-c1"] {
        assert_eq!(client.ask(Show(named(name))).await.unwrap().object.id.as_str(), "S01-1-1-C1");
    }
}

#[tokio::test]
async fn a_batch_reads_json_lines_and_tells_unreadable_ones_in_their_place() {
    let daemon = TestDaemon::open(Fixture::default(), |_| {}).await;
    let body = "{\"id\":\"S01\"}\r\n\nnonsense\n{\"line\":40,\"id\":\"S02\"}";
    let answer = daemon
        .raw(&format!(
            "POST /v1/tracked:batch HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await;
    let (head, lines) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("application/x-ndjson"), "{head}");
    let results: Vec<EnrolResult> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let shown: Vec<_> = results.iter().map(|result| (result.line, result.outcome)).collect();
    assert_eq!(shown, [(1, EnrolOutcome::New), (3, EnrolOutcome::Bad), (40, EnrolOutcome::New)]);
    assert!(results[1].reason.as_deref().unwrap().starts_with("not JSON"));
}

#[tokio::test]
async fn lists_are_filtered_and_paged_without_gap_or_repetition() {
    let daemon = TestDaemon::open(Fixture::default(), |_| {}).await;
    let client = daemon.client().await;
    let lines: Vec<EnrolmentRequest> =
        (0..25).map(|number| enrolment_request(&format!("{{\"id\":\"S{number:02}\"}}"))).collect();
    client.ask(Enrol::from(lines.clone())).await.unwrap();
    client.ask(Enrol::from(vec![enrolment_request(r#"{"id":"P01"}"#)])).await.unwrap();
    settle(&daemon.store, "shop/charge/S03", "Captured", Vec::new()).await;
    let mut request =
        ListRequest { limit: Some(7), account: Some("shop".parse().unwrap()), ..ListRequest::default() };
    let mut seen = Vec::new();
    loop {
        let page = client.ask(request.clone()).await.unwrap();
        assert!(page.items.len() <= 7);
        seen.extend(page.items.into_iter().map(|record| record.id.to_string()));
        request.cursor = page.next_cursor;
        if request.cursor.is_none() {
            break;
        }
    }
    let expected: Vec<String> = (0..25).map(|number| format!("S{number:02}")).collect();
    seen.sort();
    assert_eq!(seen, expected);
    let check = async |request: ListRequest, number: usize| {
        let page = client.ask(request.clone()).await.unwrap();
        assert_eq!(page.items.len(), number, "{request:?}");
    };
    check(ListRequest { finished: Some(true), ..ListRequest::default() }, 1).await;
    check(ListRequest { finished: Some(false), ..ListRequest::default() }, 25).await;
    check(ListRequest { state: Some("Captured".to_owned()), ..ListRequest::default() }, 1).await;
    check(ListRequest { kind: Some("capture".parse().unwrap()), ..ListRequest::default() }, 1).await;
    check(ListRequest { quarantined: Some(true), ..ListRequest::default() }, 0).await;
    check(ListRequest { older_than_s: Some(600), ..ListRequest::default() }, 1).await;
    let odd = ListRequest { state: Some("a&b=c d\u{1b}".to_owned()), ..ListRequest::default() };
    check(odd, 0).await;
}

#[tokio::test]
async fn one_object_is_shown_explained_asked_for_and_forgotten() {
    let daemon = TestDaemon::open(Fixture::default(), |_| {}).await;
    let client = daemon.client().await;
    client.ask(Enrol::from(vec![enrolment_request(r#"{"id":"S01-1-1-C1"}"#)])).await.unwrap();
    settle(&daemon.store, "shop/charge/S01-1-1-C1", "Declined", Vec::new()).await;
    with_alerts(&daemon.store).await;
    let shown = client.ask(Show(named("S01-1-1-C1"))).await.unwrap();
    assert_eq!(shown.object.state.as_deref(), Some("Declined"));
    assert_eq!((shown.history.len(), shown.alerts.len()), (1, 2));
    let told = client.ask(Explain(named("charge/S01-1-1-C1"))).await.unwrap();
    assert_eq!(told.advice.as_deref(), Some("Ask for another payment method."));
    assert_eq!(told.where_to_look.as_deref(), Some("Seller Central"));

    let request = PollRequest { objects: vec![named("S01-1-1-C1"), named("S99")], ..PollRequest::default() };
    let answer = client.ask(request.clone()).await.unwrap();
    assert_eq!((answer.objects, answer.unknown.as_slice()), (1, &["S99".to_owned()][..]));
    assert!(client.ask(Show(named("S01-1-1-C1"))).await.unwrap().object.poll_requested);

    let forgotten = client.ask(Forget(named("S01-1-1-C1"))).await.unwrap();
    assert!(forgotten.was_watched);
    assert!(!client.ask(Forget(named("shop/charge/S01-1-1-C1"))).await.unwrap().was_watched);
    let gone = client.ask(Show(named("shop/charge/S01-1-1-C1"))).await.unwrap_err();
    assert_eq!(gone.cause, Cause::NotFound);
    assert!(gone.detail.contains("forgotten by uid:"), "{}", gone.detail);
}

#[tokio::test]
async fn a_hold_of_the_provider_shows_wherever_somebody_waits_for_an_answer() {
    let held_for = Some(Duration::from_secs(1_200));
    let daemon = TestDaemon::open(Fixture { held_for, ..Fixture::default() }, |_| {}).await;
    let client = daemon.client().await;
    client.ask(Enrol::from(vec![enrolment_request(r#"{"id":"S01-1-1-C1"}"#)])).await.unwrap();
    let words = "the provider allows no Get-charge before 2026-01-15T09:50:0";
    let told = client.ask(Explain(named("S01-1-1-C1"))).await.unwrap();
    assert!(told.next_look.contains(words), "{}", told.next_look);
    let request = PollRequest { all: true, dry_run: true, ..PollRequest::default() };
    let answer = client.ask(request.clone()).await.unwrap();
    assert!(answer.plan[0].remark.as_deref().unwrap().contains(words), "{answer:?}");
    let expected: jiff::Timestamp = "2026-01-15T09:50:00Z".parse().unwrap();
    assert!(answer.first_at.unwrap() >= expected, "{answer:?}");
    settle(&daemon.store, "shop/charge/S01-1-1-C1", "Declined", Vec::new()).await;
    let told = client.ask(Explain(named("S01-1-1-C1"))).await.unwrap();
    assert!(!told.next_look.contains("allows no"), "it is final: {}", told.next_look);
}

#[tokio::test]
async fn polling_everything_costs_what_the_dry_run_said() {
    let daemon = TestDaemon::open(Fixture::default(), |_| {}).await;
    let client = daemon.client().await;
    let lines: Vec<EnrolmentRequest> =
        (0..12).map(|number| enrolment_request(&format!("{{\"id\":\"S{number}\"}}"))).collect();
    client.ask(Enrol::from(lines.clone())).await.unwrap();
    client
        .ask(Enrol::from(vec![enrolment_request(r#"{"id":"S1-R1"}"#), enrolment_request(r#"{"id":"P1"}"#)]))
        .await
        .unwrap();
    settle(&daemon.store, "shop/charge/S3", "Captured", Vec::new()).await;
    let all = PollRequest { all: true, dry_run: true, ..PollRequest::default() };
    let plan = client.ask(all.clone()).await.unwrap();
    let shown: Vec<_> =
        plan.plan.iter().map(|row| (row.operation.as_deref(), row.requests, row.lasts_ms)).collect();
    assert_eq!(
        shown,
        [(Some("Get-capture"), 1, 0), (Some("Get-charge"), 11, 9_000), (Some("Get-refund"), 1, 0)]
    );
    assert!(!client.ask(Show(named("S1"))).await.unwrap().object.poll_requested);
    let done = client.ask(PollRequest { dry_run: false, ..all.clone() }).await.unwrap();
    assert_eq!((done.objects, &done.plan.len()), (13, &plan.plan.len()));
    assert!(client.ask(Show(named("S1"))).await.unwrap().object.poll_requested);
    assert!(!client.ask(Show(named("S3"))).await.unwrap().object.poll_requested);
    let narrow = PollRequest { kind: Some("refund".parse().unwrap()), ..all };
    assert_eq!(client.ask(narrow.clone()).await.unwrap().objects, 1);
    let neither = client.ask(PollRequest::default()).await.unwrap_err();
    assert_eq!(neither.cause, Cause::Malformed);
}

#[tokio::test]
async fn status_alerts_report_and_reload_are_answered() {
    let problems = vec!["quota.burst: 0 is too small; use 1 or more".to_owned()];
    let daemon =
        TestDaemon::open(Fixture { reload_problems: problems.clone(), ..Fixture::default() }, |_| {}).await;
    let client = daemon.client().await;
    assert_eq!(
        (client.greeting().pid, client.greeting().version.as_str()),
        (std::process::id(), env!("CARGO_PKG_VERSION"))
    );
    client
        .ask(Enrol::from(vec![
            enrolment_request(r#"{"id":"S01-1-1-C1"}"#),
            enrolment_request(r#"{"id":"S02"}"#),
        ]))
        .await
        .unwrap();
    settle(&daemon.store, "shop/charge/S02", "Captured", Vec::new()).await;
    with_alerts(&daemon.store).await;

    let status = client.ask(StatusRequest {}).await.unwrap();
    assert_eq!((status.open, status.objects, status.store.outbox_dead), (1, 2, 1));
    assert_eq!(status.oldest_moving.unwrap().object.id.as_str(), "S01-1-1-C1");
    assert_eq!(
        status.outbox,
        [OutboxRow {
            target: "chat".to_owned(),
            pending: 1,
            next_at: status.outbox[0].next_at,
            is_removed: false
        }]
    );

    let dead = AlertsRequest { state: Some(DeliveryStatus::Dead), ..AlertsRequest::default() };
    assert_eq!(client.ask(dead.clone()).await.unwrap().items[0].alert.key, "declined/2");
    assert_eq!(client.ask(AlertsRequest::default()).await.unwrap().items.len(), 2);
    let request = RedeliverRequest { all_dead: true, ..RedeliverRequest::default() };
    assert_eq!(client.ask(request.clone()).await.unwrap().deliveries, 1);
    assert_eq!(client.ask(request.clone()).await.unwrap().deliveries, 0);
    let request = RedeliverRequest { keys: vec!["nothing".to_owned()], ..RedeliverRequest::default() };
    assert_eq!(client.ask(request.clone()).await.unwrap().unknown, ["nothing"]);
    assert!(client.ask(dead.clone()).await.unwrap().items.is_empty());
    assert!(client.ask(TestRequest::default()).await.unwrap()[0].is_delivered);
    let nobody = TestRequest { target: Some("pager".to_owned()) };
    assert_eq!(client.ask(nobody).await.unwrap_err().cause, Cause::Unprocessable);

    let made = client.ask(ReportRequest { date: None }).await.unwrap();
    assert!(made.path.contains("reports/2026/01/2026-01-14") && !made.was_there, "{made:?}");
    assert!(client.ask(ReportRequest { date: Some(made.date) }).await.unwrap().was_there);
    let early = client.ask(ReportRequest { date: Some("2026-01-15".parse().unwrap()) }).await.unwrap_err();
    assert!(early.detail.contains("cannot be reported before"));
    let reloaded = client.ask(Reload {}).await.unwrap();
    assert_eq!((reloaded.is_applied, reloaded.problems), (false, problems));
    assert_eq!(daemon.ask("GET /-/ready", "").await.0, 200);
    assert_eq!(daemon.ask("GET /-/healthy", "").await.0, 200);
}

#[tokio::test]
async fn put_tells_new_same_conflict_and_unusable_apart() {
    let daemon = TestDaemon::open(Fixture::default(), |_| {}).await;
    let address = "PUT /v1/tracked/shop/charge/S01";
    assert_eq!(daemon.ask(address, "").await.0, 201);
    assert_eq!(daemon.ask(address, r#"{"amount":"1","currency":"EUR","reference":"A"}"#).await.0, 200);
    assert_eq!(daemon.ask(address, r#"{"amount":"1.00","currency":"EUR"}"#).await.0, 200);
    let (status, problem) = daemon.ask(address, r#"{"reference":"B"}"#).await;
    assert_eq!((status, problem["cause"].as_str()), (409, Some("conflict")));
    assert!(problem["remedy"].as_str().unwrap().contains("forget"));
    assert_eq!(daemon.ask(address, r#"{"amout":"1"}"#).await.0, 422);
    assert_eq!(daemon.ask(address, r#"{"id":"S02"}"#).await.0, 422);
    assert_eq!(daemon.ask("PUT /v1/tracked/nobody/charge/S01", "").await.0, 422);
    assert_eq!(daemon.ask("PUT /v1/tracked/~/~/S07", "").await.0, 201);
    assert_eq!(daemon.ask("DELETE /v1/tracked/shop/charge/S07", "").await.0, 200);
}

#[tokio::test]
async fn bad_requests_get_a_problem_that_names_what_and_remedy() {
    let daemon = TestDaemon::open(Fixture::default(), |_| {}).await;
    let check = async |line: &str, body: &str, status: u16, part: &str| {
        let (found, problem) = daemon.ask(line, body).await;
        assert_eq!(found, status, "{line}: {problem}");
        let problem: Problem = serde_json::from_value(problem).unwrap();
        assert!(problem.detail.contains(part), "{line}: {}", problem.detail);
        assert_eq!(problem.cause.status(), status);
    };
    check("GET /nowhere", "", 404, "no path /nowhere").await;
    check("POST /v1/status", "", 405, "method").await;
    check("GET /v1/tracked/a/b/%00", "", 400, "not allowed").await;
    check("GET /v1/tracked/a/B%2FC/d", "", 400, "not allowed").await;
    check("GET /v1/tracked/shop/charge/S404", "", 404, "is not watched").await;
    check("GET /v1/tracked?limit=many", "", 400, "query").await;
    check("GET /v1/tracked?colour=red", "", 400, "colour").await;
    check("GET /v1/tracked?cursor=%C3%A4", "", 400, "not a cursor").await;
    check("POST /v1/poll", "{", 400, "the body").await;
    check("POST /v1/poll", r#"{"al":true}"#, 400, "unknown field").await;
    check("POST /v1/poll", "", 400, "either objects or all").await;
    check("POST /v1/reports/tomorrow:run", "", 400, "not a date").await;
    check("POST /v1/reports/2026-01-14", "", 404, "no such path").await;
    check("POST /v1/reports/2026-01-15:run", "", 422, "cannot be reported before").await;
    let large = "x".repeat(1024 * 1024 + 1);
    check("POST /v1/poll", &large, 413, "larger than 1048576").await;
    let allowed = daemon.raw("POST /v1/status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(allowed.to_lowercase().contains("allow: get,head"), "{allowed}");
    let chunk = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    let answer = daemon
        .raw(&format!("POST /v1/poll HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n{chunk}"))
        .await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{}", &answer[..80]);
}

#[tokio::test]
async fn an_id_that_names_two_objects_is_not_guessed() {
    let daemon = TestDaemon::open(Fixture::default(), |_| {}).await;
    let client = daemon.client().await;
    client
        .ask(Enrol::from(vec![
            enrolment_request(r#"{"id":"S01","kind":"charge"}"#),
            enrolment_request(r#"{"id":"S01","kind":"refund"}"#),
        ]))
        .await
        .unwrap();
    let problem = client.ask(Show(named("S01"))).await.unwrap_err();
    assert_eq!(problem.cause, Cause::Ambiguous);
    assert_eq!(problem.candidates, ["shop/charge/S01", "shop/refund/S01"]);
    assert!(client.ask(Show(named("refund/S01"))).await.is_ok());
    assert_eq!(client.ask(Forget(named("S01"))).await.unwrap_err().cause, Cause::Ambiguous);
}

#[test]
fn selectors_survive_their_own_text() {
    let check = |text: &str, shown: &str| assert_eq!(named(text).to_string(), shown);
    check("S01", "S01");
    check("charge/S01", "charge/S01");
    check("~/~/S01", "S01");
    check("shop/~/S01", "shop/~/S01");
    check("shop/CHARGE_PERMISSION/S01", "shop/charge-permission/S01");
    for bad in ["", "a/b/c/d", "shop/charge/", "a b"] {
        assert!(bad.parse::<Selector>().is_err(), "{bad}");
    }
}
