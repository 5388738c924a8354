//! The APIs with batches, behind one set of verbs.
//!
//! Owns: which API a batch belongs to. Must never know: what any step means.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    Batch, Blocked, Carried, Content, Made, More, Next, Plan, Row, Settlement, Step, Submission, What, Wish,
};
use crate::apis::amazon_pay_mws::AmazonPayMws;
use crate::apis::amazon_pay_mws::feeds::batch::{FeedBatch, FeedNext};
use crate::apis::amazon_pay_mws::feeds::{settle, submission};
use crate::apis::aps::{self, Aps, batch::serving};
use crate::apis::pace::Permit;
use crate::payments::object::{Kind, ObjectId};
use crate::payments::record::Record;

/// One account that can send batches.
#[derive(Clone)]
pub enum Client {
    /// Amazon Payment Services.
    Aps(Arc<Aps>),
    /// Amazon Pay MWS.
    Mws(Arc<AmazonPayMws>),
}

/// What is stored about objects.
pub type Known<'a> = &'a (dyn Fn(&Kind, &ObjectId) -> Option<Record> + 'a);

impl Client {
    /// Whether batches that change anything may be sent.
    pub fn may_write(&self) -> bool {
        match self {
            Client::Aps(client) => client.settings().is_writing_allowed,
            Client::Mws(client) => client.settings().is_writing_allowed,
        }
    }

    /// Where a person can look.
    pub fn look(&self) -> &'static str {
        match self {
            Client::Aps(_) => aps::LOOK,
            Client::Mws(client) => client.settings().region.look(),
        }
    }

    /// Whose batches must go one after the other, whatever the account is called.
    pub fn queue(&self) -> String {
        match self {
            Client::Aps(client) => format!("aps/{}", client.settings().merchant_identifier),
            Client::Mws(client) => format!("amazon-pay-mws/{}", client.settings().seller_id),
        }
    }

    /// What its requests' numbers are unique for, where they are numbered by us.
    pub fn counter(&self) -> Option<String> {
        match self {
            Client::Aps(_) => None,
            Client::Mws(_) => Some(self.queue()),
        }
    }

    /// Checks an input and divides it into batches.
    ///
    /// # Errors
    /// Every problem of it, with its line.
    pub fn plan(&self, submission: &Submission<'_>) -> Result<Vec<Plan>, Vec<String>> {
        match self {
            Client::Aps(client) => serving::plan(client.settings(), submission),
            Client::Mws(client) => submission::plan(client.settings(), submission),
        }
    }

    /// Batches that only look at captures or refunds, for polling; none where the API has no such batches.
    pub fn plan_looks(&self, kind: &Kind, ids: Vec<ObjectId>, label: &str) -> Vec<Plan> {
        match self {
            Client::Aps(_) => Vec::new(),
            Client::Mws(client) => submission::plan_looks(client.settings(), kind, ids, label),
        }
    }

    /// Makes a batch as planned. `first_request_id` is the first number of its requests.
    pub fn make(&self, plan: Plan, first_request_id: u64, now: Timestamp) -> Made {
        match (plan.content, self) {
            (Content::File(file), _) => serving::make(file, now),
            (Content::Feed(content), Client::Mws(client)) => {
                submission::make(client.settings(), plan.reference, *content, first_request_id, now)
            }
            (Content::Feed(_), Client::Aps(_)) => unreachable!("only MWS plans feeds"),
        }
    }

    /// What to do at this time. `others` are all other batches of all accounts; `has_earlier` says that an
    /// earlier one of this account is not done with.
    ///
    /// # Errors
    /// When the batch belongs to another API.
    pub fn next<'a>(
        &self,
        batch: &Batch,
        others: impl Iterator<Item = &'a Batch>,
        has_earlier: bool,
        now: Timestamp,
    ) -> Result<Next, Blocked> {
        match (self, batch) {
            (Client::Aps(_), Batch::File(_)) if has_earlier => Ok(Next::Behind),
            (Client::Aps(client), Batch::File(batch)) => {
                Ok(serving::next(&client.settings().batch.patience, batch, now))
            }
            (Client::Mws(_), Batch::Feed(batch)) => Ok(match batch.next(others.filter_map(feed), now) {
                FeedNext::Act(step) => Next::Act(submission::step(step)),
                FeedNext::Settle => Next::Settle,
                FeedNext::Check => Next::Check,
                FeedNext::Wait(at) => Next::Wait(at),
                FeedNext::Behind => Next::Behind,
                FeedNext::Person => Next::Person,
                FeedNext::Ended => Next::Ended,
            }),
            _ => Err(Blocked::other_api(batch.reference())),
        }
    }

    /// Whether a step may be sent at all; to be asked before it is stored.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, batch: &Batch, step: &Step, document: &[u8]) -> Result<(), Blocked> {
        match (self, batch, &step.what) {
            (Client::Aps(client), Batch::File(batch), What::File(step)) => {
                client.check_step(batch, *step, document).map_err(serving::blocked)
            }
            (Client::Mws(client), Batch::Feed(batch), What::Feed(step)) => {
                submission::check(client.settings(), batch, step, document)
            }
            _ => Err(Blocked::other_api(batch.reference())),
        }
    }

    /// What must be stored before the step is carried out.
    #[must_use]
    pub fn about_to(&self, batch: &Batch, step: &Step, now: Timestamp) -> Batch {
        match (self, batch, &step.what) {
            (Client::Aps(client), Batch::File(batch), What::File(step)) => {
                Batch::File(batch.marked(&client.settings().batch.patience, *step, now))
            }
            (_, Batch::Feed(batch), What::Feed(step)) => Batch::Feed(batch.about_to(step, now)),
            _ => batch.clone(),
        }
    }

    /// Sends the step once. `others` are all other batches of all accounts; `more` gives leave for further
    /// requests, such as the next page of a list.
    ///
    /// # Errors
    /// When nothing was sent and nothing ever would be.
    pub async fn carry_out(
        &self,
        batch: &Batch,
        step: &Step,
        document: Vec<u8>,
        others: &[Batch],
        permit: Permit,
        more: More<'_>,
    ) -> Result<Carried, Blocked> {
        match (self, batch, &step.what) {
            (Client::Aps(client), Batch::File(batch), What::File(step)) => {
                let reply = client.carry_out(batch, *step, &document, permit).await;
                let reply = reply.map_err(serving::blocked)?;
                let patience = &client.settings().batch.patience;
                let batch = batch.took(patience, *step, &reply, client.now());
                Ok(Carried { batch: Batch::File(batch), result: None })
            }
            (Client::Mws(client), Batch::Feed(batch), What::Feed(step)) => {
                let known: Vec<&str> =
                    others.iter().filter_map(feed).flat_map(FeedBatch::known_ids).collect();
                let (outcome, result) =
                    client.carry_out(batch, step, document.into(), &known, permit, more).await;
                let mut taken = batch.took(outcome, client.now());
                if let Some(result) = &result {
                    taken.result_md5 = Some(submission::sum(result));
                }
                Ok(Carried { batch: Batch::Feed(taken), result })
            }
            _ => Err(Blocked::other_api(batch.reference())),
        }
    }

    /// What follows from a batch of which nothing more is sent. Document, lines and result are those that lie
    /// beside it.
    ///
    /// # Errors
    /// When they are not those of this batch.
    pub fn settle(
        &self,
        batch: &Batch,
        document: &[u8],
        lines: &[u64],
        result: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<Settlement, Blocked> {
        match batch {
            Batch::File(batch) => Ok(serving::settle(batch)),
            Batch::Feed(batch) => settle::settle(batch, document, lines, result, now),
        }
    }

    /// The rows of a batch that is not settled, as its document tells them.
    ///
    /// # Errors
    /// When the document is not that of this batch.
    pub fn rows_of(batch: &Batch, document: &[u8], lines: &[u64]) -> Result<Vec<Row>, Blocked> {
        match batch {
            Batch::File(_) => Ok(batch.rows().unwrap_or_default()),
            Batch::Feed(batch) => settle::rows_of(batch, document, lines),
        }
    }

    /// Objects whose records tell what became of a row without a result.
    pub fn asked_about(batch: &Batch, row: &Row) -> Option<(Kind, ObjectId)> {
        match batch {
            Batch::File(_) => None,
            Batch::Feed(batch) => settle::subject(batch, row),
        }
    }

    /// Concludes what single polls have brought about rows without a result; true when every row has its end.
    pub fn conclude(batch: &Batch, rows: &mut [Row], known: Known<'_>, now: Timestamp) -> (Batch, bool) {
        match batch {
            Batch::File(_) => (batch.clone(), true),
            Batch::Feed(feed) => {
                let (feed, is_settled) = settle::conclude(feed, rows, known, now);
                (Batch::Feed(feed), is_settled)
            }
        }
    }

    /// What an operator's wish makes of a batch.
    ///
    /// # Errors
    /// Why it cannot be granted now.
    pub fn grant(
        batch: &Batch,
        wish: &Wish,
        others: &[Batch],
        now: Timestamp,
    ) -> Result<Batch, &'static str> {
        match batch {
            Batch::File(batch) => serving::grant(batch, wish, now).map(Batch::File),
            Batch::Feed(batch) => {
                let mut known = others.iter().filter_map(feed).flat_map(FeedBatch::known_ids);
                submission::grant(batch, wish, |id| known.any(|known| known == id), now).map(Batch::Feed)
            }
        }
    }
}

fn feed(batch: &Batch) -> Option<&FeedBatch> {
    match batch {
        Batch::Feed(batch) => Some(batch),
        Batch::File(_) => None,
    }
}
