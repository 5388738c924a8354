//! The methods of the store for what must be delivered.
//!
//! Owns: these methods. Must never know: targets, texts, how anything is stored.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::deliveries::{Acknowledgement, AlertFilter, AlertRow, Delivery, OutboxCounts, Owed, OwedAlert};
use super::group::Input;
use super::handle::Store;
use super::index::outbox::reading;
use super::operations;
use super::types::{Cursor, Page, StoreError};

impl Store {
    /// Raises alerts that belong to no commit; returns how many are new. An alert that is known already is not raised
    /// again.
    pub async fn raise(&self, alerts: Vec<OwedAlert>) -> Result<usize, StoreError> {
        let mut alerts = Input::new(alerts);
        self.engine.write(move |group| operations::raise(group, alerts.get(group))).await
    }

    /// Deliveries to a target that are due, the longest due first.
    pub async fn owed(&self, target: &str, now: Timestamp, limit: usize) -> Result<Vec<Owed>, StoreError> {
        self.owed_behind(target, None, now, limit).await
    }

    /// The same, without those up to and including `after`.
    pub async fn owed_behind(
        &self,
        target: &str,
        after: Option<Owed>,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Owed>, StoreError> {
        let target = target.to_owned();
        self.read(move |index| reading::owed(index, &target, after.as_ref(), now, limit)).await
    }

    /// Deliveries to a target that wait until after `latest`. No rule makes them wait that long: they were written by a
    /// clock that was ahead, and are due now.
    pub async fn owed_after(
        &self,
        target: &str,
        latest: Timestamp,
        limit: usize,
    ) -> Result<Vec<Owed>, StoreError> {
        let target = target.to_owned();
        self.read(move |index| reading::owed_after(index, &target, latest, limit)).await
    }

    /// When the next delivery to a target is due; in the past if some are due already.
    pub async fn next_owed(&self, target: &str) -> Result<Option<Timestamp>, StoreError> {
        let target = target.to_owned();
        self.read(move |index| reading::next_owed(index, &target)).await
    }

    /// When the delivery directly before this one, in a series such as the events of one object, is due; none if there
    /// is none, or it is settled. The keys of a series differ only in the number behind the last `/`.
    pub async fn pending_before(&self, target: &str, key: &str) -> Result<Option<Timestamp>, StoreError> {
        let (target, key) = (target.to_owned(), key.to_owned());
        self.read(move |index| reading::pending_before(index, &target, &key)).await
    }

    /// The numbers of deliveries to every target whose name begins so.
    pub async fn outbox_counts(&self, beginning: &str) -> Result<BTreeMap<String, OutboxCounts>, StoreError> {
        let beginning = beginning.to_owned();
        self.read(move |index| reading::counts(index, &beginning)).await
    }

    /// Records the outcome of a delivery attempt. A delivery that is settled already, or unknown, stays as it is.
    pub async fn settle(
        &self,
        key: &str,
        target: &str,
        delivery: Delivery,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (key, target) = (key.to_owned(), target.to_owned());
        self.engine.write(move |group| operations::settle(group, &key, &target, &delivery, now)).await
    }

    /// Records that a silence holds an alert back: nothing that is pending of it is delivered, escalations included.
    pub async fn withhold(&self, key: &str, silence: u64, now: Timestamp) -> Result<(), StoreError> {
        let key = key.to_owned();
        self.engine.write(move |group| operations::withhold(group, &key, silence, now)).await
    }

    /// Records that a person has acknowledged an alert: its pending escalations are not delivered. The first
    /// acknowledgement counts. False if there is no such alert.
    pub async fn acknowledge(&self, key: &str, by: &str, now: Timestamp) -> Result<bool, StoreError> {
        let (key, acknowledgement) = (key.to_owned(), Acknowledgement { by: by.to_owned(), at: now });
        self.engine.write(move |group| operations::acknowledge(group, &key, &acknowledgement)).await
    }

    /// Makes an alert pending again, for one of its targets or for all; returns the number of deliveries.
    pub async fn redeliver(
        &self,
        key: &str,
        target: Option<&str>,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let (key, target) = (key.to_owned(), target.map(str::to_owned));
        self.engine.write(move |group| operations::redeliver(group, &key, target.as_deref(), now)).await
    }

    /// An alert by its key.
    pub async fn alert(&self, key: &str) -> Result<Option<AlertRow>, StoreError> {
        let key = key.to_owned();
        self.read(move |index| reading::by_key_if_known(index, &key)).await
    }

    /// Alerts, or events, with their deliveries, newest first.
    pub async fn alerts(
        &self,
        filter: AlertFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<AlertRow>, StoreError> {
        self.read(move |index| reading::list(index, &filter, after.as_ref(), limit)).await
    }
}
