//! The audit log: what is kept, for how many requests, and what is never in it.

use std::time::Duration;

use super::{enrolment_request, named};
use crate::access::{Access, Caller, Role};
use crate::clock::HandClock;
use crate::control::Service;
use crate::control::audit::{Audit, Subject};
use crate::control::messages::*;
use crate::control::problem::Cause;
use crate::control::test_service::{Fixture, ORIGIN, service_in};

fn own() -> Caller {
    Caller {
        uid: Some(1000),
        name: Some("alice".to_owned()),
        pid: Some(7),
        is_own: true,
        ..Caller::default()
    }
}

fn stranger() -> Caller {
    Caller { uid: Some(33), ..Caller::default() }
}

async fn listed(service: &Service, request: AuditRequest) -> Vec<String> {
    let page = service.audit_entries(&request).await.unwrap();
    page.items.iter().map(shown).collect()
}

fn shown(entry: &AuditEntry) -> String {
    let AuditEntry { verb, outcome, times, objects, cause, .. } = entry;
    let cause = cause.as_deref().unwrap_or("-");
    format!("{} {verb} {outcome:?} {cause} x{times} {}", entry.who(), objects.join(" "))
}

#[tokio::test]
async fn what_changes_anything_is_kept_with_its_caller_and_outcome_through_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Fixture { access: Some(Access::default()), ..Fixture::default() };
    let (service, store) = service_in(folder.path(), fixture.clone()).await;
    let lines = vec![enrolment_request(r#"{"id":"S01"}"#), enrolment_request(r#"{"id":"S02"}"#)];
    service.carry_out(Enrol::from(lines), &own()).await.unwrap();
    service.carry_out(Forget(named("S01")), &own()).await.unwrap();
    service.carry_out(Accept(named("S02")), &own()).await.unwrap_err();
    service.carry_out(StatusRequest {}, &own()).await.unwrap();
    let refused = service.carry_out(Forget(named("S02")), &stranger()).await.unwrap_err();
    assert_eq!(refused.cause, Cause::Forbidden);
    let all = [
        "uid 33 forget Refused needs operate x1 S02",
        "alice (1000) accept Failed unprocessable x1 S02",
        "alice (1000) forget Done - x1 S01 shop/charge/S01",
        "alice (1000) enrol Done - x1 S01 S02",
    ];
    assert_eq!(listed(&service, AuditRequest::default()).await, all);
    drop(store);
    service.close().await.unwrap();

    let (service, _store) = service_in(folder.path(), fixture).await;
    assert_eq!(listed(&service, AuditRequest::default()).await, all);
    let about = |object: &str| AuditRequest { object: Some(object.to_owned()), ..AuditRequest::default() };
    assert_eq!(listed(&service, about("S01")).await, [all[2], all[3]]);
    assert_eq!(listed(&service, about("shop/charge/S01")).await, [all[2]]);
    assert_eq!(listed(&service, about("shop")).await, [all[2]]);
    assert_eq!(listed(&service, about("01")).await, Vec::<String>::new());
    let mut request = AuditRequest { limit: Some(3), ..AuditRequest::default() };
    let first = service.audit_entries(&request).await.unwrap();
    request.cursor = first.next_cursor;
    assert_eq!((first.items.len(), listed(&service, request).await), (3, vec![all[3].to_owned()]));
    for cursor in ["", "quota-levels", "audit/~~"] {
        let request = AuditRequest { cursor: Some(cursor.to_owned()), ..AuditRequest::default() };
        assert_eq!(service.audit_entries(&request).await.unwrap_err().cause, Cause::Malformed, "{cursor}");
    }
    let since = |time: &str| AuditRequest { since: Some(time.parse().unwrap()), ..AuditRequest::default() };
    assert_eq!(listed(&service, since(ORIGIN)).await.len(), 4);
    assert_eq!(listed(&service, since("2026-01-16T00:00:00Z")).await.len(), 0);
}

#[tokio::test]
async fn what_was_begun_stays_when_nobody_knows_the_outcome() {
    let folder = tempfile::tempdir().unwrap();
    let (service, _store) = service_in(folder.path(), Fixture::default()).await;
    let subject = || Subject::one("shop").how("CaptureCharge");
    drop(service.audit.begin(&own(), "call", subject(), false).await.unwrap());
    assert_eq!(listed(&service, AuditRequest::default()).await, ["alice (1000) call Begun - x1 shop"]);
    let begun = service.audit.begin(&own(), "call", subject(), false).await.unwrap();
    service
        .audit
        .end(begun, AuditOutcome::Failed, Some("in doubt"), vec!["CaptureCharge/1".to_owned()])
        .await;
    let newest = listed(&service, AuditRequest::default()).await.remove(0);
    assert_eq!(newest, "alice (1000) call Failed in doubt x1 shop CaptureCharge/1");
}

#[tokio::test]
async fn refusals_and_repeated_enrolments_share_an_entry_and_fill_no_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (mut service, store) = service_in(folder.path(), Fixture::default()).await;
    let clock = HandClock::starting_at(ORIGIN.parse().unwrap());
    service.audit = std::sync::Arc::new(Audit::new(store.clone(), clock.clone()));
    let before = store.stats().journal_sequence;
    for number in 0..1_000 {
        let subject = Subject::one(format!("S{number}"));
        service.audit.refused(&stranger(), "forget", subject, Role::Operate).await;
    }
    assert_eq!(store.stats().journal_sequence - before, 10, "1, 2, 4, ... 512");
    let one_entry = ["uid 33 forget Refused needs operate x1000 S0"];
    assert_eq!(listed(&service, AuditRequest::default()).await, one_entry);

    let before = store.stats().journal_sequence;
    for _ in 0..100 {
        let one = EnrolOne(enrolment_request(r#"{"id":"S01"}"#));
        service.carry_out(one, &own()).await.unwrap();
        let bad = EnrolOne(enrolment_request(r#"{"id":"X01"}"#));
        service.carry_out(bad, &own()).await.unwrap_err();
    }
    assert!(store.stats().journal_sequence - before < 20, "the same object again changes nothing");
    let listed_now = listed(&service, AuditRequest::default()).await;
    assert_eq!(listed_now[0], "alice (1000) enrol Failed unprocessable x100 X01");
    assert_eq!(listed_now[1], "alice (1000) enrol Done - x100 S01");

    clock.set(Duration::from_secs(3600));
    service.audit.refused(&stranger(), "forget", Subject::default(), Role::Operate).await;
    let listed_now = listed(&service, AuditRequest::default()).await;
    assert_eq!(listed_now[0], "uid 33 forget Refused needs operate x1 ");
    assert_eq!(listed_now[3], one_entry[0], "the count of the last hour is kept when the next one begins");
    service.audit = std::sync::Arc::new(Audit::new(store, clock));
    let stored = service.audit_entries(&AuditRequest::default()).await.unwrap().items;
    assert_eq!((shown(&stored[3]).as_str(), stored[3].number), (one_entry[0], 1_000), "in the store, too");
}

#[tokio::test]
async fn tokens_and_the_spool_folder_have_entries_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let (service, _store) = service_in(folder.path(), Fixture::default()).await;
    let token = Caller::of_token(Role::Enrol);
    let spool = Caller { name: Some("spool:".to_owned()), ..token.clone() };
    for caller in [&token, &spool, &token] {
        let one = EnrolOne(enrolment_request(r#"{"id":"S01"}"#));
        service.carry_out(one, caller).await.unwrap();
    }
    let entries = listed(&service, AuditRequest::default()).await;
    assert_eq!(entries, ["spool: enrol Done - x1 S01", "token:enrol enrol Done - x2 S01"]);
}

#[tokio::test]
async fn nothing_of_a_buyer_and_no_free_text_of_a_call_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Fixture { access: Some(Access::default()), ..Fixture::default() };
    let (service, store) = service_in(folder.path(), fixture).await;
    let call = r#"{"account":"shop","operation":"CreateRefund","wait_s":0,"parameters":{
        "chargeId":"S01","SellerNote":"canary-note","buyerId":"canary-buyer","softDescriptorId":"two words"}}"#;
    let call: CallWanted = serde_json::from_str(call).unwrap();
    service.carry_out(call, &own()).await.unwrap_err();
    let kept = store.recall_all("audit/").await.unwrap();
    assert_eq!(kept.len(), 1);
    assert!(kept[0].1.contains("S01") && kept[0].1.contains("CreateRefund"), "{}", kept[0].1);
    assert!(!kept[0].1.contains("canary") && !kept[0].1.contains("two words"), "{}", kept[0].1);
}
