//! Every verb and every role: who is let in, and who is refused.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;

use crate::access::{Access, Caller, Grant, Grantee, Role};
use crate::control::messages::CallWanted;
use crate::control::routes::{Patience, router};
use crate::control::test_service::{Fixture, service_in};
use crate::control::verbs::{Entry, Method, TABLE, Verb};

/// Each verb by its command or path, with the role that it needs.
const ROLES: &[(&str, Role)] = &[
    ("list", Role::Read),
    ("show", Role::Read),
    ("explain", Role::Read),
    ("rhythm", Role::Read),
    ("enrol", Role::Enrol),
    ("enrol", Role::Enrol),
    ("forget", Role::Operate),
    ("accept", Role::Operate),
    ("poll", Role::Operate),
    ("batch submit", Role::WriteMoney),
    ("batch list", Role::Read),
    ("batch show", Role::Read),
    ("batch release", Role::WriteMoney),
    ("batch cancel", Role::Operate),
    ("call", Role::WriteMoney),
    ("call", Role::Read),
    ("call", Role::Read),
    ("call resolve", Role::WriteMoney),
    ("fetch-reports", Role::Operate),
    ("fetch-reports", Role::Operate),
    ("notifications list", Role::Read),
    ("notifications trust", Role::Operate),
    ("notifications confirm", Role::Operate),
    ("notifications check", Role::Operate),
    ("status", Role::Read),
    ("/v1/accounts", Role::Read),
    ("/v1/today", Role::Read),
    ("dashboard", Role::Read),
    ("/v1/declines", Role::Read),
    ("/v1/declines:done", Role::Operate),
    ("alerts list", Role::Read),
    ("alerts redeliver", Role::Operate),
    ("alerts test", Role::Operate),
    ("alerts acknowledge", Role::Operate),
    ("alerts route", Role::Read),
    ("silence add", Role::Operate),
    ("silence list", Role::Read),
    ("silence end", Role::Operate),
    ("events list", Role::Read),
    ("events redeliver", Role::Operate),
    ("events test", Role::Operate),
    ("events enable", Role::Operate),
    ("/v1/reports:figures", Role::Read),
    ("report", Role::Operate),
    ("/v1/reports", Role::Read),
    ("/v1/reports/{day}/{file}", Role::Read),
    ("audit", Role::Read),
    ("audit verify", Role::Operate),
    ("reload", Role::Operate),
    ("/v1/config", Role::Read),
    ("/v1/store", Role::Read),
    ("store check", Role::Operate),
    ("store backup", Role::Operate),
    ("store compact", Role::Operate),
    ("metrics", Role::Metrics),
    ("/v1/openapi.json", Role::Read),
    ("/v1/stream", Role::Read),
    ("/-/healthy", Role::Connect),
    ("/-/ready", Role::Connect),
];

#[test]
fn every_verb_has_a_role() {
    let found: Vec<(&str, Role)> = TABLE.iter().map(|entry| (entry.spec.name(), entry.spec.role)).collect();
    assert_eq!(found, ROLES);
    let unaudited =
        TABLE.iter().map(|entry| entry.spec).filter(|spec| spec.role > Role::Read && !spec.is_audited());
    let unaudited: Vec<&str> = unaudited.map(|spec| spec.name()).collect();
    assert_eq!(
        unaudited,
        [
            "fetch-reports",
            "notifications check",
            "audit verify",
            "store check",
            "store backup",
            "store compact"
        ]
    );
}

/// One user for each role that is granted; anybody else has none.
fn access() -> Access {
    let grant = |role: Role| Grant { role, to: Grantee::User(uid(role)), written: "x".to_owned() };
    Access { grants: Role::GRANTED.map(grant).to_vec() }
}

fn uid(role: Role) -> u32 {
    1_000 + role as u32
}

/// The body of a request that can be read.
fn body(entry: &Entry) -> String {
    let fields = match entry.spec.name() {
        "batch submit" => r#"{"account":"shop","content":""}"#,
        "batch show" | "batch release" | "batch cancel" => r#"{"reference":"x"}"#,
        "call resolve" => r#"{"account":"shop","attempt":"x","was_done":true}"#,
        "call" if entry.spec.tag == Some("run") => r#"{"account":"shop","operation":"X","wait_s":0}"#,
        "call" if entry.spec.tag == Some("operations") => r#"{"account":"shop"}"#,
        "fetch-reports" if entry.spec.tag == Some("go") => r#"{"account":"shop"}"#,
        "fetch-reports" => r#"{"account":"shop","from":"2026-01-01","to":"2026-01-01"}"#,
        "notifications trust" => r#"{"account":"shop","topic":""}"#,
        "notifications confirm" | "notifications check" => r#"{"account":"shop"}"#,
        "poll" => r#"{"all":true,"dry_run":true}"#,
        "alerts redeliver" | "events redeliver" => r#"{"all_dead":true}"#,
        "/v1/declines:done" => r#"{"key":"x","done":true}"#,
        "events enable" => r#"{"receiver":"x"}"#,
        "store backup" => r#"{"to":"relative"}"#,
        _ => "{}",
    };
    match entry.spec.tag {
        Some(tag) => format!("{{\"{tag}\":{fields}}}"),
        None => fields.to_owned(),
    }
}

async fn status(router: &Router, entry: &Entry, caller: &Caller) -> u16 {
    let path = entry.spec.path.replace("{account}", "shop").replace("{kind}", "charge");
    let path = path
        .replace("{id}", "S01")
        .replace("{day}", "2026-01-14")
        .replace("{number}", "1")
        .replace("{file}", "x.csv");
    let method = match entry.spec.method {
        Method::Get => "GET",
        Method::Put => "PUT",
        Method::Post => "POST",
        Method::Delete => "DELETE",
    };
    let body = if entry.spec.method == Method::Get { Body::empty() } else { Body::from(body(entry)) };
    let request = Request::builder().method(method).uri(path).extension(caller.clone()).body(body).unwrap();
    router.clone().call(request).await.unwrap().status().as_u16()
}

fn patience() -> Patience {
    let long = Duration::from_secs(3600);
    Patience { body: long, answer: long, slow_answer: long }
}

#[tokio::test]
async fn each_role_opens_its_verbs_and_those_of_weaker_roles() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Fixture { access: Some(access()), ..Fixture::default() };
    let (service, _store) = service_in(&folder.path().join("store"), fixture).await;
    let router = router(service, patience(), CancellationToken::new());
    let mut wrong = Vec::new();
    for entry in TABLE {
        for role in [Role::Connect].into_iter().chain(Role::GRANTED) {
            let caller = Caller { uid: Some(uid(role)), ..Caller::default() };
            let status = status(&router, entry, &caller).await;
            if (status != 403) != (role >= entry.spec.role) || status >= 500 {
                wrong.push(format!("{} as {}: {status}", entry.spec.name(), role.as_str()));
            }
        }
        for (uid, is_own) in [(0, false), (998, true)] {
            let caller = Caller { uid: Some(uid), is_own, ..Caller::default() };
            let status = status(&router, entry, &caller).await;
            if (status != 403) != (entry.spec.role <= Role::Operate) {
                wrong.push(format!("{} as the privileged uid {uid}: {status}", entry.spec.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_command_in_the_daemons_place_may_all_that_moves_no_money() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Fixture { is_daemon: false, ..Fixture::default() };
    let (service, _store) = service_in(&folder.path().join("store"), fixture).await;
    let router = router(service.clone(), patience(), CancellationToken::new());
    let own = Caller { uid: Some(1000), is_own: true, ..Caller::default() };
    for entry in TABLE {
        let is_refused = status(&router, entry, &own).await == 403;
        assert_eq!(is_refused, entry.spec.role == Role::WriteMoney, "{}", entry.spec.name());
    }
    let call: CallWanted = serde_json::from_str(r#"{"account":"shop","operation":"X","wait_s":0}"#).unwrap();
    assert_eq!(call.role(&service), Role::WriteMoney, "what is not known to read may write");
}
