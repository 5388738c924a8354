//! One step of a feed, carried out once.
//!
//! Owns: which request a step is, and what its answer means for the step. Must never know: the store, schedules, what
//! is done next.

use std::sync::Arc;
use std::time::Duration;

use super::answer::{self, FeedRow, File};
use super::batch::FeedBatch;
use super::steps::{Outcome, Step};
use super::{cancel, list_by_ids, next_page, result, result_of, search, submit};
use crate::apis::amazon_pay_mws::AmazonPayMws;
use crate::apis::amazon_pay_mws::ask::Ask;
use crate::apis::batch::More;
use crate::apis::pace::Permit;
use crate::payments::observation::Failure;

/// The most pages of one list: 100 feeds each, submitted in the last hour or so.
const MOST_PAGES: usize = 50;

impl AmazonPayMws {
    /// Takes a step. `known` are the ids of other batches, which a search must not mistake for this one. Returns the
    /// outcome and, if there is one, a result document. Store it before drawing conclusions from it.
    pub(super) async fn take_feed_step(
        &self,
        batch: &FeedBatch,
        step: &Step,
        document: Arc<[u8]>,
        known: &[&str],
        permit: Permit,
        more: More<'_>,
    ) -> (Outcome, Option<Vec<u8>>) {
        let listed = |rows: Result<Vec<FeedRow>, Failure>, made: fn(Vec<FeedRow>) -> Outcome| match rows {
            Ok(rows) => made(rows),
            Err(failure) => failed(&failure),
        };
        let outcome = match step {
            Step::Submit => {
                let marketplace = self.settings().marketplace_id.as_deref().unwrap_or_default();
                let reply = self.ask(&submit(document, marketplace), permit).await;
                Outcome::Submitted(answer::submission(&reply, self.now()))
            }
            Step::Search { from } => {
                let rows = self
                    .rows(&search(*from), permit, more)
                    .await
                    .map(|rows| rows.into_iter().filter(|row| !known.contains(&row.id.as_str())).collect());
                listed(rows, Outcome::Listed)
            }
            Step::Look { feed_id } => match list_by_ids(&[feed_id]) {
                Some(ask) => listed(self.rows(&ask, permit, more).await, Outcome::Seen),
                None => Outcome::Failed { retry_after_s: None },
            },
            Step::Cancel { feed_id } => {
                listed(self.rows(&cancel(feed_id), permit, more).await, Outcome::CancelAnswered)
            }
            Step::FetchResult { feed_id } => return self.file(&result_of(feed_id), permit).await,
            Step::WaitUntil(_) | Step::AskAPerson | Step::Nothing => Outcome::Failed { retry_after_s: None },
        };
        tracing::debug!(batch = batch.reference, step = ?std::mem::discriminant(step), "feed step taken");
        (outcome, None)
    }

    /// All pages of a list. A missing page could hold the very feed that is searched for.
    async fn rows(&self, ask: &Ask, permit: Permit, more: More<'_>) -> Result<Vec<FeedRow>, Failure> {
        let reply = self.ask(ask, permit).await;
        let mut page = answer::list(ask.action, &reply, self.now())?;
        let mut rows = std::mem::take(&mut page.rows);
        for _ in 0..MOST_PAGES {
            let Some(token) = page.next_token.take() else { return Ok(rows) };
            let next = next_page(&token);
            let permit = more(next.action).map_err(|wait| Failure::Throttled {
                retry_after: Some(wait),
                detail: "the budget for further pages is spent".to_owned(),
            })?;
            let reply = self.ask(&next, permit).await;
            page = answer::list(next.action, &reply, self.now())?;
            rows.append(&mut page.rows);
        }
        let detail = format!("the list has more than {MOST_PAGES} pages");
        Err(Failure::Garbled { detail })
    }

    async fn file(&self, ask: &Ask, permit: Permit) -> (Outcome, Option<Vec<u8>>) {
        let reply = self.ask(ask, permit).await;
        match answer::file(reply, self.now()) {
            File::Whole { bytes, .. } => {
                let outcome = match result::read(&bytes) {
                    Ok(read) => {
                        Outcome::Collected { answers: read.answers.len(), is_rejection: read.is_rejection() }
                    }
                    // Kept as evidence; a later fetch may bring a readable one.
                    Err(_) => Outcome::Spoilt,
                };
                (outcome, Some(bytes))
            }
            File::NotReady => (Outcome::NotReady, None),
            File::Spoilt => (Outcome::Spoilt, None),
            File::Never { .. } => (Outcome::Never, None),
            File::Failed(failure) => (failed(&failure), None),
        }
    }
}

fn failed(failure: &Failure) -> Outcome {
    tracing::warn!(%failure, "a request about a feed failed");
    let retry_after_s = match failure {
        Failure::Refused { is_whole_account: true, detail } => {
            return Outcome::AccountRefused { detail: detail.clone() };
        }
        Failure::Throttled { retry_after, .. } => retry_after.as_ref().map(Duration::as_secs),
        _ => None,
    };
    Outcome::Failed { retry_after_s }
}
