//! Feeds behind the interface that all batches share.
//!
//! Owns: the translation. Must never know: the network, the store.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::batch::{FeedBatch, FeedNext};
use super::steps::{Ending as FeedEnding, Outcome, Phase, Step};
use super::{settle, submission};
use crate::apis::Settings as _;
use crate::apis::amazon_pay_mws::AmazonPayMws;
use crate::apis::amazon_pay_mws::md5::content_md5;
use crate::apis::batch::{
    self, Batch, BatchApi, Blocked, Carried, Carrying, Ending, Known, Made, Next, Papers, Plan, PollLimits,
    Row, Sending, Settlement, Submission, Trouble, Wish, own,
};
use crate::payments::object::{Kind, ObjectId};

/// Reads a feed as it is stored.
///
/// # Errors
/// If it is not one.
pub(in crate::apis) fn read(stored: &Value) -> serde_json::Result<Box<dyn Batch>> {
    Ok(Box::new(FeedBatch::deserialize(stored)?))
}

/// The feeds among batches of any API.
fn feeds<'a>(batches: &'a [&'a dyn Batch]) -> impl Iterator<Item = &'a FeedBatch> {
    batches.iter().filter_map(|batch| own(*batch).ok())
}

impl BatchApi for AmazonPayMws {
    fn may_write(&self) -> bool {
        self.settings().is_writing_allowed
    }

    fn queue(&self) -> String {
        format!("amazon-pay-mws/{}", self.settings().seller_id)
    }

    fn counter(&self) -> Option<String> {
        Some(self.queue())
    }

    fn plan(&self, submission: &Submission<'_>) -> Result<Vec<Plan>, Vec<String>> {
        submission::plan(self.settings(), submission)
    }

    fn poll_limits(&self) -> Option<PollLimits> {
        self.settings().poll_limits()
    }

    fn plan_polls(&self, kind: &Kind, ids: Vec<ObjectId>, label: &str) -> Vec<Plan> {
        submission::plan_polls(self.settings(), kind, ids, label)
    }

    fn make(&self, plan: Plan, first_request_id: u64, now: Timestamp) -> Result<Made, Blocked> {
        submission::make(self.settings(), plan, first_request_id, now)
    }

    fn next(
        &self,
        batch: &dyn Batch,
        others: &[&dyn Batch],
        _has_earlier: bool,
        now: Timestamp,
    ) -> Result<Next, Blocked> {
        let batch: &FeedBatch = own(batch)?;
        Ok(match batch.next(feeds(others), now) {
            FeedNext::Act(step) => Next::Act(submission::step(step)),
            FeedNext::Settle => Next::Settle,
            FeedNext::Check => Next::Check,
            FeedNext::Wait(at) => Next::Wait(at),
            FeedNext::Behind => Next::Behind,
            FeedNext::Person => Next::Person,
            FeedNext::Ended => Next::Ended,
        })
    }

    fn check(&self, batch: &dyn Batch, step: &batch::Step, document: &[u8]) -> Result<(), Blocked> {
        submission::check(self.settings(), own(batch)?, step.own()?, document)
    }

    fn about_to(
        &self,
        batch: &dyn Batch,
        step: &batch::Step,
        now: Timestamp,
    ) -> Result<Box<dyn Batch>, Blocked> {
        let batch: &FeedBatch = own(batch)?;
        Ok(Box::new(batch.about_to(step.own()?, now)))
    }

    fn one_is_complete(&self, batch: &dyn Batch, now: Timestamp) -> Option<Box<dyn Batch>> {
        let batch: &FeedBatch = own(batch).ok()?;
        let is_waiting = matches!(&batch.state.phase, Phase::Following { .. } | Phase::Collecting { .. });
        is_waiting.then(|| Box::new(batch.took(Outcome::OneIsComplete, now)) as Box<dyn Batch>)
    }

    fn carry_out<'a>(&'a self, sending: Sending<'a>) -> Carrying<'a> {
        Box::pin(async move {
            let (batch, step): (&FeedBatch, &Step) = (own(sending.batch)?, sending.step.own()?);
            let known: Vec<&str> = feeds(sending.others).flat_map(FeedBatch::known_ids).collect();
            let (outcome, result) = self
                .take_feed_step(batch, step, sending.document.into(), &known, sending.permit, sending.more)
                .await;
            let is_accepted = outcome.is_acceptance();
            let mut taken = batch.took(outcome, self.now());
            if let Some(result) = &result {
                taken.result_md5 = Some(content_md5(result));
            }
            Ok(Carried { batch: Box::new(taken), result, is_accepted })
        })
    }
}

impl Batch for FeedBatch {
    fn reference(&self) -> &str {
        &self.reference
    }

    fn stage(&self) -> &'static str {
        self.stage()
    }

    fn next_at(&self) -> Option<Timestamp> {
        self.next_at()
    }

    fn last_code(&self) -> Option<&str> {
        match FeedBatch::ending(self) {
            Some(FeedEnding::NotTaken { detail }) => Some(detail),
            _ => None,
        }
    }

    fn provider_id(&self) -> Option<&str> {
        self.feed_id.as_deref()
    }

    fn document_sum(&self) -> (&'static str, &str) {
        ("md5", &self.document_md5)
    }

    fn document_name(&self) -> String {
        format!("{}.xml", self.reference)
    }

    fn sendings(&self) -> (u32, u32) {
        (self.state.sendings, self.state.sendings)
    }

    fn is_poll(&self) -> bool {
        self.is_poll
    }

    fn trouble(&self, now: Timestamp) -> Option<Trouble> {
        let (word, what, advice, is_critical) = FeedBatch::trouble(self, now)?;
        Some(Trouble { word, what, advice: advice.replace("REFERENCE", &self.reference), is_critical })
    }

    fn ending(&self) -> Option<Ending> {
        self.settled()
    }

    fn rows_of(&self, papers: &Papers<'_>) -> Result<Vec<Row>, Blocked> {
        settle::rows_of(self, papers)
    }

    fn settle(&self, papers: &Papers<'_>, now: Timestamp) -> Result<Settlement, Blocked> {
        settle::settle(self, papers, now)
    }

    fn asked_about(&self, row: &Row) -> Option<(Kind, ObjectId)> {
        settle::subject(self, row)
    }

    fn conclude(&self, rows: &mut [Row], known: Known<'_>, now: Timestamp) -> (Box<dyn Batch>, bool) {
        let (batch, is_settled) = settle::conclude(self, rows, known, now);
        (Box::new(batch), is_settled)
    }

    fn grant(
        &self,
        wish: &Wish,
        others: &[&dyn Batch],
        now: Timestamp,
    ) -> Result<Box<dyn Batch>, &'static str> {
        let mut known = feeds(others).flat_map(FeedBatch::known_ids);
        Ok(Box::new(submission::grant(self, wish, |id| known.any(|known| known == id), now)?))
    }

    fn copy(&self) -> Box<dyn Batch> {
        Box::new(self.clone())
    }

    fn json(&self) -> serde_json::Result<Value> {
        serde_json::to_value(self)
    }
}
