//! Which conditions begin and end follows from all alerts, whether any target gets them or not.
//!
//! Owns: how far the alerts have been read. Must never know: any target.

use std::time::Duration;

use super::super::condition;
use super::Deliverer;
use crate::store::{AlertFilter, StoreError};
use crate::time::earlier;

/// The name under which the key of the newest alert that was read is stored.
const STORED_AT: &str = "alert-conditions-read";
/// How many alerts are read at once.
const PAGE: usize = 200;
/// After this many alerts, how far they have been read is stored in any case: a restart reads the rest again.
const STORED_EVERY: usize = 1_000;
/// Nothing older than this is read again.
const LONGEST_AGO: Duration = Duration::from_secs(40 * 24 * 3600);

/// How far the alerts have been read.
#[derive(Debug, Default)]
pub(super) struct Learnt {
    /// The key of the newest one; none until that is read from the store.
    newest: Option<String>,
    since_stored: usize,
}

impl Deliverer {
    /// Notes the beginnings and ends of conditions among the alerts that are new.
    pub(super) async fn learn(&self) -> Result<(), StoreError> {
        let mut learnt = self.learnt.lock().await;
        let newest = self.store.alerts(AlertFilter::default(), None, 1).await?.items.pop();
        let newest = newest.map(|row| row.alert.key).unwrap_or_default();
        if learnt.newest.is_none() {
            let stored = self.store.recall(STORED_AT).await?;
            if stored.is_none() {
                // Alerts of an earlier release say nothing about ends that it did not report.
                self.store.remember(STORED_AT, &newest).await?;
            }
            learnt.newest = Some(stored.unwrap_or_else(|| newest.clone()));
        }
        if learnt.newest.as_ref() == Some(&newest) {
            return Ok(());
        }
        let (now, mut about, mut after) = (self.clock.now(), Vec::new(), None);
        'pages: loop {
            let page = self.store.alerts(AlertFilter::default(), after, PAGE).await?;
            for row in page.items {
                let is_known = learnt.newest.as_ref() == Some(&row.alert.key);
                if is_known || row.alert.found_at < earlier(now, LONGEST_AGO) {
                    break 'pages;
                }
                learnt.since_stored += 1;
                let condition = condition::of(&row.alert).filter(|condition| !condition.is_repetition);
                about.extend(condition.map(|condition| (condition, row.alert)));
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        for (condition, alert) in about.iter().rev() {
            if condition.is_over {
                self.conditions().await?.end(condition, alert).await?;
                self.silences.resolve(&self.routes.candidate(alert), now).await?;
            } else {
                self.conditions().await?.begin(condition, alert).await?;
            }
        }
        if !about.is_empty() || learnt.since_stored >= STORED_EVERY {
            self.store.remember(STORED_AT, &newest).await?;
            learnt.since_stored = 0;
        }
        learnt.newest = Some(newest);
        Ok(())
    }
}
