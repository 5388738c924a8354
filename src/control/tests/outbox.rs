//! What waits for targets of alerts: how it is counted, and for those that have left the configuration.

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::control::Service;
use crate::control::test_service::{ORIGIN, alert};
use crate::store::{Delivery, OwedAlert};

async fn service(keys: &[&str], target: &str) -> (TempDir, Service) {
    let folder = tempfile::tempdir().unwrap();
    let (service, store) = service_in(&folder.path().join("store"), Fixture::default()).await;
    let owed = |key: &&str| OwedAlert { alert: alert(key, "shop/charge/S01"), targets: vec![target.into()] };
    store.raise(keys.iter().map(owed).collect()).await.unwrap();
    (folder, service)
}

/// How many messages wait for a target, as a scrape says it.
async fn figure(service: &Service, target: &str) -> Option<f64> {
    let text = service.metrics().await.unwrap();
    let beginning = format!("reconciled_outbox_messages{{target=\"{target}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&beginning)?.trim().parse().ok())
}

#[tokio::test]
async fn alerts_for_a_target_that_has_left_the_configuration_are_shown() {
    let (_folder, service) = service(&["declined/1", "declined/2"], "old-chat").await;
    let status = service.status().await.unwrap();
    let rows: Vec<(&str, u64, bool)> =
        status.outbox.iter().map(|row| (row.target.as_str(), row.pending, row.is_removed)).collect();
    assert_eq!(rows, [("chat", 0, false), ("old-chat", 2, true)]);
    let figures = (figure(&service, "old-chat").await, figure(&service, "chat").await);
    assert_eq!(figures, (Some(2.0), Some(0.0)));
}

#[tokio::test]
async fn what_is_postponed_on_purpose_does_not_count_as_stuck() {
    let (_folder, service) = service(&["backlog/1", "declined/2", "declined/3"], "chat").await;
    let now: Timestamp = ORIGIN.parse().unwrap();
    let later = now + SignedDuration::from_hours(6);
    let explained = Delivery::Postponed { at: later, why: "explained by another".to_owned() };
    service.store.settle("backlog/1", "chat", explained, now).await.unwrap();
    let failed = Delivery::Retry { at: later, error: "HTTP 503".to_owned(), message: None };
    service.store.settle("declined/2", "chat", failed, now).await.unwrap();
    assert_eq!(figure(&service, "chat").await, Some(2.0));
    assert_eq!(service.status().await.unwrap().outbox[0].pending, 2);
}
