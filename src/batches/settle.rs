//! What follows once nothing more of a batch is sent: its objects are watched, its observations are handed on,
//! objects without a result are polled one by one, and an alert is raised. Every part can safely be repeated.
//!
//! Owns: the order. Must never know: what an answer means, what an observation leads to.

use std::collections::HashMap;

use jiff::Timestamp;

use super::entry::Entry;
use super::kept_files::{RESULT, file_name};
use super::{Account, BatchError, Batches, Sender, alert_text};
use crate::apis::batch::{Batch, Papers, Row, Settlement, Shown, Tally};
use crate::blocking;
use crate::payments::object::{Kind, ObjectId, ObjectRef};
use crate::payments::record::{Enrolment, Record};

/// How many objects are enrolled, polled or handed on at once.
const AT_ONCE: usize = 1_000;

impl Batches {
    /// True when the batch is finished; otherwise its open rows are being checked.
    pub(super) async fn settle(
        &self,
        sender: Sender<'_>,
        mut entry: Entry,
        now: Timestamp,
    ) -> Result<bool, BatchError> {
        let settlement = self.settlement(&entry, now).await?;
        let Sender { account, ports, .. } = sender;
        let store = self.stored.store();
        let object = |(kind, id): (Kind, ObjectId)| ObjectRef { account: account.name.clone(), kind, id };
        let mut watch = settlement
            .watch
            .into_iter()
            .map(|(kind, id, details)| Enrolment { object: object((kind, id)), details });
        while let Some(first) = watch.next() {
            let some = std::iter::once(first).chain(watch.by_ref().take(AT_ONCE - 1)).collect();
            store.enrol(some, now).await?;
        }
        let mut shown = settlement.shown.into_iter();
        while let Some(first) = shown.next() {
            let some: Vec<Shown> = std::iter::once(first).chain(shown.by_ref().take(AT_ONCE - 1)).collect();
            if settlement.is_shown_watched {
                // In chunks: an enrolled object is due at once, and its observation should arrive before a poll.
                let enrolment = |shown: &Shown| Enrolment {
                    object: object((shown.kind.clone(), shown.id.clone())),
                    details: shown.details.clone(),
                };
                store.enrol(some.iter().map(enrolment).collect(), now).await?;
            }
            (ports.ledger)(account.name.clone(), some, settlement.asked_at).await?;
        }
        let mut ask = settlement.ask.into_iter().map(object);
        while let Some(first) = ask.next() {
            // This ignores objects that are not watched.
            let some = std::iter::once(first).chain(ask.by_ref().take(AT_ONCE - 1)).collect();
            store.ask(some, now).await?;
        }
        entry.batch = settlement.batch;
        if let Some(rows) = settlement.rows {
            entry.tally = Tally::of(rows.iter().map(|row| row.fate));
            self.keep_rows(&entry, rows).await?;
        }
        if entry.is_ended() {
            self.finish(sender, &mut entry, now).await?;
            return Ok(true);
        }
        self.stored.write(&mut entry).await?;
        Ok(false)
    }

    async fn settlement(&self, entry: &Entry, now: Timestamp) -> Result<Settlement, BatchError> {
        let (document, lines, result) = match entry.batch.rows() {
            Some(_) => (Vec::new(), Vec::new(), None),
            None => {
                let name = file_name(entry.reference(), RESULT);
                let result = self.archive.bytes_if_there(&entry.account, &name).await?;
                let document = self.archive.bytes(&entry.account, &entry.batch.document_name()).await?;
                (document, self.lines(entry).await?, result)
            }
        };
        let batch = entry.batch.clone();
        let settled = blocking::run(move || {
            let papers = Papers { document: &document, lines: &lines, result: result.as_deref() };
            batch.settle(&papers, now)
        });
        let unreadable = BatchError::unreadable(entry.reference());
        settled.await?.map_err(|blocked| unreadable(blocked.why))
    }

    /// Checks what single polls have found about rows without a result. True when the batch is finished.
    pub(super) async fn check(
        &self,
        sender: Sender<'_>,
        mut entry: Entry,
        now: Timestamp,
    ) -> Result<bool, BatchError> {
        let mut rows = self.rows(&entry).await?;
        let known = self.records_about(sender.account, &*entry.batch, &rows).await?;
        let before = Tally::of(rows.iter().map(|row| row.fate));
        let find = |kind: &Kind, id: &ObjectId| known.get(&(kind.clone(), id.clone())).cloned();
        let (batch, is_settled) = entry.batch.conclude(&mut rows, &find, now);
        entry.batch = batch;
        entry.tally = Tally::of(rows.iter().map(|row| row.fate));
        if is_settled || entry.tally != before {
            self.keep_rows(&entry, rows).await?;
        }
        if is_settled {
            self.finish(sender, &mut entry, now).await?;
            return Ok(true);
        }
        self.stored.write(&mut entry).await?;
        Ok(false)
    }

    /// The records of the objects that open rows refer to, and of their children.
    async fn records_about(
        &self,
        account: &Account,
        batch: &dyn Batch,
        rows: &[Row],
    ) -> Result<HashMap<(Kind, ObjectId), Record>, BatchError> {
        let mut known = HashMap::new();
        for (kind, id) in rows.iter().filter_map(|row| batch.asked_about(row)) {
            let Some(record) = self.known(account, &kind, &id).await? else { continue };
            let children = record.observed.as_ref().map(|observed| observed.observation.children.clone());
            for child in children.unwrap_or_default() {
                if let Some(record) = self.known(account, &child.kind, &child.id).await? {
                    known.insert((child.kind, child.id), record);
                }
            }
            known.insert((kind, id), record);
        }
        Ok(known)
    }

    async fn known(
        &self,
        account: &Account,
        kind: &Kind,
        id: &ObjectId,
    ) -> Result<Option<Record>, BatchError> {
        let object = ObjectRef { account: account.name.clone(), kind: kind.clone(), id: id.clone() };
        Ok(self.stored.store().record(&object).await?)
    }

    /// Raises the final alert, if any, and marks the batch as finished.
    pub(super) async fn finish(
        &self,
        sender: Sender<'_>,
        entry: &mut Entry,
        now: Timestamp,
    ) -> Result<(), BatchError> {
        let account = sender.account;
        if let Some(alert) = alert_text::ended(entry, account.api.where_to_look(), now) {
            self.tell(sender, alert).await?;
        }
        entry.is_folded = true;
        entry.ended_at = Some(now);
        self.stored.write(entry).await?;
        tracing::info!(
            account = %account.name, batch = entry.reference(), end = entry.stage(),
            rows = entry.row_count, "batch ended"
        );
        Ok(())
    }
}
