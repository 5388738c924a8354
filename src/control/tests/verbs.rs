//! The table of verbs: requests from programs and commands of an earlier release are still understood, exactly.

use std::collections::BTreeSet;

use super::{TestDaemon, named};
use crate::control::messages::*;
use crate::control::test_service::Fixture;
use crate::control::verbs::{Incoming, Method, Outgoing, Role, Run, TABLE, Verb};

#[test]
fn every_verb_has_an_address_of_its_own_and_says_what_it_does() {
    let mut addresses = BTreeSet::new();
    for spec in TABLE.iter().map(|entry| entry.spec) {
        let key = (format!("{:?}", spec.method), spec.path, spec.tag);
        assert!(addresses.insert(key.clone()), "{key:?} appears twice");
        // Monitoring expects its own two addresses.
        let is_versioned = spec.path.starts_with("/v1/");
        assert!(is_versioned || spec.path.starts_with("/-/") || spec.path == "/metrics", "{}", spec.path);
        assert!(spec.help.ends_with('.'), "{}", spec.path);
        assert!(spec.method != Method::Get || spec.tag.is_none(), "{}", spec.path);
    }
    let written = [
        include_str!("../verbs/table.rs"),
        include_str!("../verbs/dashboard.rs"),
        include_str!("../verbs/operations.rs"),
        include_str!("../verbs/enrol.rs"),
        include_str!("../verbs/notifications.rs"),
        include_str!("../verbs/reports.rs"),
        include_str!("../verbs/silences.rs"),
        include_str!("../verbs/events.rs"),
    ];
    let verbs: usize = written.iter().map(|text| text.matches("\nimpl Verb for ").count()).sum();
    let answered = TABLE.iter().filter(|entry| !matches!(entry.run, Run::Events)).count();
    assert_eq!(answered, verbs, "a verb that is not in the table has no route");
    let writers: Vec<&str> = TABLE
        .iter()
        .filter(|entry| entry.spec.role == Role::WriteMoney)
        .map(|entry| entry.spec.command)
        .collect();
    assert_eq!(writers, ["batch submit", "batch release", "call", "call resolve"]);
}

fn sent(verb: &impl Verb, path: &str, query: &str, body: &str) {
    let Outgoing { path: to, query: pairs, body: bytes, .. } = verb.write();
    let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!((to.as_str(), pairs.join("&").as_str()), (path, query));
    assert_eq!(String::from_utf8(bytes).unwrap(), body);
}

#[test]
fn requests_travel_as_they_always_did() {
    sent(&Show(named("shop/charge/S01")), "/v1/tracked/shop/charge/S01", "", "");
    sent(&Explain(named("charge/S01")), "/v1/explain/~/charge/S01", "", "");
    sent(&Forget(named("..")), "/v1/tracked/~/~/%252E%252E", "", "");
    sent(&Accept(named("S01")), "/v1/accept/~/~/S01", "", "");
    let list = ListRequest { quarantined: Some(true), limit: Some(7), ..ListRequest::default() };
    sent(&list, "/v1/tracked", "quarantined=true&limit=7", "");
    sent(&ReportRequest { date: None }, "/v1/reports/latest:run", "", "");
    let day = ReportRequest { date: Some("2026-01-15".parse().unwrap()) };
    sent(&day, "/v1/reports/2026-01-15:run", "", "");
    sent(
        &Enrol::from(vec![super::enrolment_request(r#"{"id":"S01"}"#)]),
        "/v1/tracked:batch",
        "",
        "{\"line\":1,\"id\":\"S01\"}\n",
    );
    let one = EnrolOne(super::enrolment_request(r#"{"line":0,"id":"S01","account":"shop","reference":"A"}"#));
    sent(&one, "/v1/tracked/shop/~/S01", "", r#"{"reference":"A"}"#);
    let show = BatchShow { reference: "rcd-1".to_owned() };
    sent(&show, "/v1/batches", "", r#"{"show":{"reference":"rcd-1"}}"#);
    let account = "shop".parse().unwrap();
    let resolve = CallResolve { account, attempt: "Capture/1".to_owned(), was_done: true };
    sent(&resolve, "/v1/calls", "", r#"{"end":{"account":"shop","attempt":"Capture/1","was_done":true}}"#);
    let go = FetchGo { account: "shop".parse().unwrap() };
    sent(&go, "/v1/provider-reports", "", r#"{"go":{"account":"shop"}}"#);
    sent(&StoreCheck {}, "/v1/store:check", "", "{}");
}

#[test]
fn what_is_written_is_read_back() {
    let check = |day: Option<&str>| {
        let verb = ReportRequest { date: day.map(|day| day.parse().unwrap()) };
        let text = verb.write().path.trim_start_matches("/v1/reports/").to_owned();
        let incoming = Incoming { parameters: vec![("day".to_owned(), text)], ..Incoming::default() };
        assert_eq!(ReportRequest::read(&incoming), Ok(verb));
    };
    check(None);
    check(Some("2026-01-15"));
    let release = BatchRelease { reference: "rcd-1".to_owned(), adopt: Some("5001".to_owned()) };
    let incoming = Incoming { body: release.write().body, ..Incoming::default() };
    assert_eq!(BatchRelease::read(&incoming), Ok(release));
}

#[tokio::test]
async fn verbs_that_share_an_address_are_told_apart_and_answered_under_their_old_keys() {
    let daemon = TestDaemon::open(Fixture::default(), |_| {}).await;
    for (line, body, status, part) in [
        ("POST /v1/batches", r#"{"list":{}}"#, 200, r#"{"listed":[]}"#),
        ("POST /v1/batches", r#"{"show":{"reference":"rcd-1"}}"#, 404, "there is no batch rcd-1"),
        ("POST /v1/batches", r#"{"submit":{"account":"shop","content":""}}"#, 422, "cannot send batches"),
        ("POST /v1/batches", r#"{"lost":{}}"#, 400, "submit, list, show, release, cancel"),
        ("POST /v1/batches", r#"{"list":{},"show":{"reference":"x"}}"#, 400, "exactly one key"),
        ("POST /v1/batches", "", 400, "exactly one key"),
        ("POST /v1/calls", r#"{"list":{"all":true}}"#, 200, r#"{"listed":[]}"#),
        ("POST /v1/calls", r#"{"operations":{"account":"shop"}}"#, 422, "there is no account shop"),
        ("POST /v1/calls", r#"{"list":{"of":"shop"}}"#, 400, "unknown field"),
        ("POST /v1/provider-reports", r#"{"go":{"account":"shop"}}"#, 422, "provider's reports"),
    ] {
        let (found, answer) = daemon.ask(line, body).await;
        assert_eq!(found, status, "{body}: {answer}");
        assert!(answer.to_string().contains(part), "{body}: {answer}");
    }
}
