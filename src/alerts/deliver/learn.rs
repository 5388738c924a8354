//! Which conditions begin and end follows from all alerts, whether any target gets them or not.
//!
//! Owns: how far the alerts have been read. Must never know: any target.

use super::super::condition;
use super::super::matchers::Candidate;
use super::Deliverer;
use crate::store::{AlertFilter, StoreError};

/// The name under which the key of the newest alert that was read is stored.
const STORED_AT: &str = "alert-conditions-read";
/// How many alerts are read at once: usually few are new.
const PAGES: [usize; 3] = [8, 40, 200];
/// After this many alerts, how far they have been read is stored in any case: a restart reads the rest again.
const STORED_EVERY: usize = 1_000;

/// How far the alerts have been read.
#[derive(Debug, Default)]
pub(super) struct Learnt {
    /// The key of the newest one; none until that is read from the store.
    newest: Option<String>,
    since_stored: usize,
}

impl Deliverer {
    /// Like [`Deliverer::learn`], for a host that does not deliver alerts. Only the very first call on a store does
    /// anything.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn learn_if_first(&self) -> Result<(), StoreError> {
        if self.store.recall(STORED_AT).await?.is_some() { Ok(()) } else { self.learn().await }
    }

    /// Reads again what is stored, and continues from there: another host may have learnt more since.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn learn_again(&self) -> Result<(), StoreError> {
        *self.learnt.lock().await = Learnt::default();
        *self.conditions.lock().await = None;
        self.learn().await
    }

    /// Applies the beginnings and ends of conditions among the alerts that are new, in the order in which they were
    /// raised. Nothing else changes conditions. To be called before the first alert is raised, and whenever alerts are
    /// about to be delivered.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn learn(&self) -> Result<(), StoreError> {
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
        let (now, mut newest, mut unread, mut after) = (self.clock.now(), None, Vec::new(), None);
        let mut sizes = PAGES.into_iter().chain(std::iter::repeat(PAGES[PAGES.len() - 1]));
        'pages: loop {
            let size = sizes.next().expect("it never ends");
            let page = self.store.alerts(AlertFilter::default(), after, size).await?;
            for row in page.items {
                // No alert is ever removed, so this one is found.
                if learnt.newest.as_ref() == Some(&row.alert.key) {
                    break 'pages;
                }
                newest.get_or_insert_with(|| row.alert.key.clone());
                learnt.since_stored += 1;
                let condition = condition::of(&row.alert).filter(|condition| !condition.is_repetition);
                unread.extend(condition.map(|condition| (condition, row.alert)));
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        unread.reverse();
        let mut conditions = self.conditions().await?;
        unread.iter().for_each(|(condition, alert)| conditions.learn(condition, alert));
        conditions.save(now).await?;
        drop(conditions);
        let ends = unread.iter().filter(|(condition, _)| condition.is_over);
        let ends: Vec<Candidate<'_>> = ends.map(|(_, alert)| self.routes.candidate(alert)).collect();
        self.silences.resolve(&ends, now).await?;
        let newest = newest.unwrap_or_default();
        if !unread.is_empty() || learnt.since_stored >= STORED_EVERY {
            self.store.remember(STORED_AT, &newest).await?;
            learnt.since_stored = 0;
        }
        learnt.newest = Some(newest);
        Ok(())
    }
}
