//! The answers about declines as a work list: what to do about each, who has taken it, what is done.
//!
//! Owns: the mark that one is done. Must never know: alert texts, targets, pages.

use crate::control::messages::*;
use crate::control::problem::{Cause, Problem};
use crate::control::service::{Answer, EMPTY_PAGES_MAX, Service, rows, storage};
use crate::payments::alert::{AlertKind, RECOVERED_OF};
use crate::store::{Acknowledgement, AlertFilter, StoreError};

/// Begins the names of the marks in the store; the key of the alert follows. The value is the mark, or `null` where it
/// was taken back.
const DONE: &str = "decline-done/";

/// How many declines without a match a page may skip.
const LOOKED_AT_MAX: usize = 1_000;

impl Service {
    /// One page of declines, the newest first.
    pub async fn declines(&self, request: &DeclineList) -> Answer<Listing<DeclineRow>> {
        let kind = Some(AlertKind::Declined.as_str().to_owned());
        let filter = AlertFilter { kind, ..AlertFilter::default() };
        let mut after = request.cursor.clone();
        let limit = rows(request.limit);
        for _ in 0..(LOOKED_AT_MAX / limit).clamp(1, EMPTY_PAGES_MAX) {
            let page = self.store.alerts(filter.clone(), after, limit).await.map_err(storage)?;
            let mut items = Vec::new();
            for row in page.items {
                let row = self.decline(row).await.map_err(storage)?;
                if request.all || row.done.is_none() && row.recovered_at.is_none() {
                    items.push(row);
                }
            }
            if !items.is_empty() || page.next.is_none() {
                return Ok(Listing { items, next_cursor: page.next });
            }
            after = page.next;
        }
        Ok(Listing { items: Vec::new(), next_cursor: after })
    }

    /// Marks a decline as done, or as not done.
    pub async fn mark_decline(&self, request: &DeclineDone, actor: &str) -> Answer<DeclineMarked> {
        let known = self.store.alert(&request.key).await.map_err(storage)?;
        if known.is_none_or(|row| row.alert.kind != AlertKind::Declined) {
            let what = format!("there is no decline {}", request.key);
            return Err(Problem::new(Cause::NotFound, what, "the list of declines has their keys"));
        }
        let done = request.done.then(|| Acknowledgement { by: actor.to_owned(), at: self.clock.now() });
        let text = serde_json::to_string(&done).expect("a mark has text keys only");
        self.store.remember(&format!("{DONE}{}", request.key), &text).await.map_err(storage)?;
        Ok(DeclineMarked { key: request.key.clone(), done })
    }

    async fn decline(&self, row: AlertRow) -> Result<DeclineRow, StoreError> {
        let mark = self.store.recall(&format!("{DONE}{}", row.alert.key)).await?;
        // A mark that cannot be read is as good as none: the decline is listed.
        let done = mark.and_then(|mark| serde_json::from_str(&mark).ok().flatten());
        let recovered = self.store.alert(&format!("{RECOVERED_OF}{}", row.alert.key)).await?;
        Ok(DeclineRow { row, done, recovered_at: recovered.map(|recovered| recovered.alert.found_at) })
    }
}
