//! Silences, acknowledgements and routes over the socket.

use super::*;
use crate::control::messages::Matchers;
use crate::control::verbs::Verb;
use crate::payments::alert::{Alert, Recipient, Severity};
use crate::store::{AlertFilter, OwedAlert};

fn overdue() -> Matchers {
    Matchers { kinds: ["overdue".to_owned()].into(), ..Matchers::default() }
}

fn wanted() -> SilenceAdd {
    SilenceAdd {
        matchers: overdue(),
        reason: " maintenance ".to_owned(),
        for_s: Some(3_600),
        ..SilenceAdd::default()
    }
}

#[test]
fn a_verb_that_counts_what_silences_hold_back_has_the_time_of_a_slow_one() {
    for spec in [SilenceList::SPEC, SilenceEnd::SPEC] {
        assert!(spec.is_slow, "{}", spec.path);
    }
}

#[tokio::test]
async fn a_silence_is_added_listed_and_ended_with_who_did_it() {
    let daemon = TestDaemon::open(Fixture::default(), |_| {}).await;
    let client = daemon.client().await;
    let added = client.ask(wanted()).await.unwrap();
    let own = format!("uid:{}", crate::access::users::own_uid().unwrap());
    assert_eq!((added.silence.number, added.is_active, added.held_back), (1, true, 0));
    assert_eq!((added.silence.by.as_str(), added.silence.reason.as_str()), (own.as_str(), "maintenance"));
    assert_eq!(client.ask(StatusRequest {}).await.unwrap().silences, 1);
    assert_eq!(client.ask(SilenceList::default()).await.unwrap(), [added]);
    let ended = client.ask(SilenceEnd { number: 1 }).await.unwrap();
    assert_eq!((ended.is_active, ended.silence.ended.unwrap().by), (false, own));
    assert_eq!(client.ask(StatusRequest {}).await.unwrap().silences, 0);
    assert_eq!(client.ask(SilenceEnd { number: 2 }).await.unwrap_err().cause, Cause::NotFound);
    let verbs: Vec<String> = client
        .ask(AuditRequest::default())
        .await
        .unwrap()
        .items
        .into_iter()
        .map(|entry| entry.verb)
        .collect();
    assert_eq!(verbs, ["silence end", "silence end", "silence add"]);
}

#[tokio::test]
async fn a_silence_that_makes_no_sense_is_refused_with_a_remedy() {
    let daemon = TestDaemon::open(Fixture::default(), |_| {}).await;
    let client = daemon.client().await;
    let typo = Matchers { kinds: ["overdeu".to_owned()].into(), ..Matchers::default() };
    let lasting = Matchers { kinds: ["no-success".to_owned()].into(), ..Matchers::default() };
    for (request, part) in [
        (SilenceAdd { matchers: Matchers::default(), ..wanted() }, "hide everything"),
        (SilenceAdd { matchers: typo, ..wanted() }, "\"overdeu\" is not a kind of alert"),
        (SilenceAdd { reason: "  ".to_owned(), ..wanted() }, "the reason"),
        (SilenceAdd { reason: "x".repeat(301), ..wanted() }, "the reason"),
        (SilenceAdd { for_s: None, ..wanted() }, "it has no end"),
        (SilenceAdd { for_s: Some(0), ..wanted() }, "it would end at"),
        (SilenceAdd { for_s: Some(u64::MAX), ..wanted() }, "it would end at"),
        (SilenceAdd { for_s: Some(30 * 86_400 + 1), ..wanted() }, "it would end at"),
        (
            SilenceAdd { for_s: None, until: "2026-01-15T09:29:59Z".parse().ok(), ..wanted() },
            "it would end at",
        ),
        (SilenceAdd { until: "2026-01-16T00:00:00Z".parse().ok(), ..wanted() }, "it has two ends"),
        (SilenceAdd { until_resolved: true, ..wanted() }, "no condition that ends"),
    ] {
        let refused = client.ask(request.clone()).await.unwrap_err();
        assert_eq!(refused.cause, Cause::Unprocessable, "{request:?}");
        assert!(refused.detail.contains(part) && !refused.remedy.is_empty(), "{refused:?}");
    }
    let longest = SilenceAdd { for_s: Some(30 * 86_400), ..wanted() };
    assert_eq!(client.ask(longest).await.unwrap().silence.number, 1);
    let until = SilenceAdd { matchers: lasting, for_s: None, until_resolved: true, ..wanted() };
    let until = client.ask(until).await.unwrap().silence;
    assert!(until.ends_at.to_string().starts_with("2026-02-14T09:30:00"), "within 30 days in any case");
    let (status, answer) = daemon.ask("POST /v1/silences", r#"{"matchers":{"min_amount":"5"}}"#).await;
    assert!(status == 400 && answer.to_string().contains("with its currency"), "{answer}");
    let (status, answer) = daemon.ask("DELETE /v1/silences/x", "").await;
    assert_eq!(status, 400, "{answer}");
}

#[tokio::test]
async fn alerts_are_acknowledged_by_key_or_all_that_escalate() {
    let daemon = TestDaemon::open(Fixture::default(), |_| {}).await;
    with_alerts(&daemon.store).await;
    let client = daemon.client().await;
    let known = daemon.store.alert("declined/1").await.unwrap().unwrap().alert;
    let escalating = |key: &str| {
        let at = "2026-01-15T09:45:00Z".parse().unwrap();
        let alert = Alert { key: key.to_owned(), ..known.clone() };
        OwedAlert {
            alert,
            targets: vec!["chat".into(), Recipient::Escalation { target: "pager".to_owned(), at }],
        }
    };
    daemon.store.raise(["declined/3", "declined/4"].map(escalating).into()).await.unwrap();
    let by_key = AcknowledgeRequest { keys: vec!["declined/1".to_owned(), "nothing".to_owned()], all: false };
    let done = client.ask(by_key).await.unwrap();
    assert_eq!((done.keys, done.unknown), (vec!["declined/1".to_owned()], vec!["nothing".to_owned()]));
    let all = AcknowledgeRequest { all: true, ..AcknowledgeRequest::default() };
    assert_eq!(client.ask(all.clone()).await.unwrap().keys, ["declined/4", "declined/3"]);
    assert_eq!(client.ask(all).await.unwrap().keys, [""; 0]);
    assert_eq!(client.ask(AcknowledgeRequest::default()).await.unwrap_err().cause, Cause::Malformed);
    let filter = AlertFilter { status: Some(DeliveryStatus::Acknowledged), ..AlertFilter::default() };
    assert_eq!(daemon.store.alerts(filter, None, 10).await.unwrap().items.len(), 2);
    let entries = client.ask(AuditRequest::default()).await.unwrap().items;
    assert_eq!(entries[1].verb, "alerts acknowledge");
}

#[tokio::test]
async fn a_route_is_explained_for_an_example_and_for_an_alert() {
    let daemon = TestDaemon::open(Fixture::default(), |_| {}).await;
    with_alerts(&daemon.store).await;
    let client = daemon.client().await;
    let plain = client.ask(RouteRequest::default()).await.unwrap();
    assert!(plain.alert.starts_with("declined, "), "{}", plain.alert);
    assert!(plain.rules.is_empty() && plain.targets.is_empty());
    let described = RouteRequest {
        kind: Some("overdue".to_owned()),
        account: Some("market".parse().unwrap()),
        severity: Some(Severity::Warning),
        object_kind: Some("refund".to_owned()),
        reason: Some("Late".to_owned()),
        amount: Some("14.00".to_owned()),
        currency: Some("EUR".to_owned()),
        key: None,
    };
    let explained = client.ask(described.clone()).await.unwrap().alert;
    assert_eq!(explained, "overdue, warning, market (live), refund, 14.00 EUR, reason Late");
    let of_key = |key: &str| RouteRequest { key: Some(key.to_owned()), ..RouteRequest::default() };
    assert!(client.ask(of_key("declined/1")).await.unwrap().alert.starts_with("declined"));
    assert_eq!(client.ask(of_key("nothing")).await.unwrap_err().cause, Cause::NotFound);
    for (request, part) in [
        (RouteRequest { key: Some("declined/1".to_owned()), ..described.clone() }, "its own kind"),
        (RouteRequest { kind: Some("declinde".to_owned()), ..described.clone() }, "\"declinde\" is not"),
        (RouteRequest { account: Some("nobody".parse().unwrap()), ..described.clone() }, "no account nobody"),
        (RouteRequest { object_kind: Some("chrage".to_owned()), ..described.clone() }, "the kind \"chrage\""),
        (RouteRequest { currency: None, ..described.clone() }, "without its currency"),
        (RouteRequest { amount: Some("1.001".to_owned()), ..described.clone() }, "more decimals"),
    ] {
        let refused = client.ask(request).await.unwrap_err();
        assert!(refused.detail.contains(part) && !refused.remedy.is_empty(), "{refused:?}");
    }
}
