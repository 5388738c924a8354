//! What only the running daemon, or the configuration, knows: the control room asks it through here.
//!
//! Owns: the questions to the host. Must never know: who answers them.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;

use super::batching::{BatchAnswer, BatchRequest};
use super::calling::{CallAnswer, CallRequest};
use super::explain::moment;
use super::fetching::{FetchAnswer, FetchRequest};
use super::messages::{Health, Reloaded, ReportMade, Tested};
use super::problem::Problem;
use crate::payments::lifecycle::Lifecycle;
use crate::payments::object::{AccountName, Kind, ObjectId, ObjectRef};
use crate::payments::record::Enrolment;
use crate::payments::schedule::Policy;
use crate::payments::tail::Tail;

/// Something that is ready later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The quota that one look at a kind of object uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    /// The provider's operation; kinds with the same operation share one bucket.
    pub operation: String,
    /// How many requests may go at once when the bucket is full; at least 1.
    pub burst: u32,
    /// How long one request's worth takes to come back.
    pub refill: Duration,
    /// Until when the provider wants no such request; none when it does not say so, or it is not known.
    pub held_until: Option<Timestamp>,
}

impl Rate {
    /// What a person should know about a hold.
    pub fn held_words(&self, now: Timestamp) -> Option<String> {
        let until = moment(self.held_until?, now);
        Some(format!(
            "the provider wants no {} before {until}; then one request asks again and the others follow its answer",
            self.operation
        ))
    }
}

/// The daemon, or a command that read the configuration. Every error is a sentence for the operator.
pub trait Host: Send + Sync {
    /// Whether account and kind exist and the id can belong to them. Gives back what to store.
    fn check_enrolment(&self, enrolment: &Enrolment) -> Result<Enrolment, String>;
    /// The accounts and kinds that an id's form suits, narrowed by what is known of them. One is an
    /// answer; none or several make the operator say more.
    fn candidates(&self, id: &ObjectId, account: Option<&AccountName>, kind: Option<&Kind>)
    -> Vec<ObjectRef>;
    /// The states of an object; none when its account or kind is no longer configured.
    fn lifecycle(&self, object: &ObjectRef) -> Option<&'static dyn Lifecycle>;
    /// How often objects of this kind are looked at; none when its account or kind is not configured.
    fn policy(&self, object: &ObjectRef) -> Option<Policy>;
    /// The quota that one look at this kind uses; none when account or kind is not configured.
    fn rate(&self, account: &AccountName, kind: &Kind) -> Option<Rate>;
    /// How the moving objects of a kind are visited, where it is visited by batch.
    fn tail(&self, _account: &AccountName, _kind: &Kind, _moving: u64) -> Option<Tail> {
        None
    }
    /// Where a person can look at the account's transactions; never a secret.
    fn look(&self, account: &AccountName) -> Option<String>;
    /// Makes the report of a finished business day, or finds it made.
    fn make_report(&self, date: Date) -> Later<'_, Result<ReportMade, String>>;
    /// The last finished business day in the configured zone.
    fn last_finished_day(&self) -> Date;
    /// Sends a test message to one target or to all.
    fn test_alerts(&self, target: Option<String>) -> Later<'_, Result<Vec<Tested>, String>>;
    /// Answers what is asked about batches.
    fn batch(&self, request: BatchRequest) -> Later<'_, Result<BatchAnswer, Problem>>;
    /// Answers what is asked about single operations.
    fn call(&self, request: CallRequest) -> Later<'_, Result<CallAnswer, Problem>>;
    /// Answers what is asked about provider reports.
    fn provider_reports(&self, request: FetchRequest) -> Later<'_, Result<FetchAnswer, Problem>>;
    /// Re-reads the configuration.
    fn reload(&self) -> Later<'_, Reloaded>;
    /// How the process, its accounts, targets and schedules are.
    fn health(&self) -> Health;
}
