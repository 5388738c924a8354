//! The payment APIs: how to poll one object at each provider.
//!
//! Owns: which APIs there are, and the interface that they share. Must never know: storage, schedules, chats.
//! In each API only `mod.rs` sends requests; `sign`, `wire` and `lifecycle` are pure.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::payments::lifecycle::Lifecycle;
use crate::payments::object::{Kind, ObjectId};
use crate::payments::observation::{Failure, Observation};
use crate::payments::provider_health::ServiceReport;

mod account;
pub mod amazon_pay_mws;
pub mod amazon_pay_v2;
pub mod aps;
pub mod batch;
pub mod calls;
pub mod config;
pub mod decoding;
pub mod marks;
pub mod notifications;
pub mod pace;
pub mod registration;
pub mod registry;
pub mod reporting;
pub mod transport;

pub use account::{Accepted, Account, Relaxed};
pub use registration::Settings;

/// A future with an observation of one object.
pub type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Observation, Failure>> + Send + 'a>>;

/// A future with a provider's report about its own health.
pub type Asking<'a> = Pin<Box<dyn Future<Output = Result<ServiceReport, Failure>> + Send + 'a>>;

/// One account at one provider: everything needed to poll its objects.
pub trait Api: Send + Sync {
    /// The kinds of objects that it can poll, in its own words.
    fn kinds(&self) -> &'static [&'static str];
    /// The states of a kind; none for a kind that it does not have.
    fn lifecycle(&self, kind: &Kind) -> Option<&'static dyn Lifecycle>;
    /// The operation whose quota one poll of this kind uses.
    fn operation(&self, kind: &Kind) -> Option<&'static str>;
    /// Whether this id can belong to this account (its environment, kind and length), or why not.
    fn accepts(&self, kind: &Kind, id: &ObjectId) -> Result<(), String>;
    /// An id as the provider itself writes it, in whatever case it was given.
    fn canonical(&self, id: &ObjectId) -> ObjectId {
        id.clone()
    }
    /// The kind that the form of an id suggests, if any.
    fn kind_of(&self, id: &ObjectId) -> Option<Kind>;
    /// Polls once: sign, send, read. The permit says that the quota allows it. It does not retry: a
    /// failed poll is simply due again later.
    fn fetch<'a>(&'a self, kind: &'a Kind, id: &'a ObjectId, permit: pace::Permit) -> Fetching<'a>;
    /// The operation that fetches the provider's service status; none when it has none or must not be used.
    fn service_operation(&self) -> Option<&'static str> {
        None
    }
    /// Fetches the provider's service status. The permit is for [`Api::service_operation`].
    fn service_status(&self, permit: pace::Permit) -> Asking<'_> {
        drop(permit);
        Box::pin(async {
            let detail = "this API does not report its status".to_owned();
            Err(Failure::Refused { is_whole_account: false, detail })
        })
    }
    /// What this client has learnt about its provider and must remember across a restart; none if nothing yet.
    fn learnt(&self) -> Option<&'static str> {
        None
    }
    /// Passes on what an earlier client has learnt.
    fn remind(&self, learnt: &str) {
        let _ = learnt;
    }
    /// Where a person can see the account's transactions (a page of the provider, never a secret).
    fn where_to_look(&self) -> &'static str;
    /// Operations that are sent in batches; none where the API has no batches.
    fn batches(&self) -> Option<&dyn batch::BatchApi> {
        None
    }
    /// Operations that can be called one by one; none where they are only sent in batches.
    fn calls(&self) -> Option<&dyn calls::Caller> {
        None
    }
    /// Notifications that the provider sends; none where it sends none.
    fn notifications(&self) -> Option<&dyn notifications::Notifier> {
        None
    }
    /// The provider's own reports; none where it makes none.
    fn reports(&self) -> Option<&dyn reporting::Source> {
        None
    }
}

/// Applies a failure to the budget. `wait` is the wait that the answer asks for. If the refusal of one object asks for
/// a wait, that says nothing about the others, so only throttling and outages hold back an operation.
fn obey(permit: &mut pace::Permit, failure: &Failure, wait: Option<Duration>) {
    match (failure, wait) {
        (Failure::Throttled { retry_after, .. }, _) => permit.throttled(*retry_after),
        (Failure::Transient { .. }, Some(wait)) => permit.hold(wait),
        _ => {}
    }
}
