//! The payment APIs: how to ask each provider about one object.
//!
//! Owns: which APIs there are, and the one shape they share. Must never know: storage, schedules, chats.
//! In each API only `mod.rs` talks; `sign`, `wire` and `lifecycle` are pure.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::payments::lifecycle::Lifecycle;
use crate::payments::object::{Kind, ObjectId};
use crate::payments::observation::{Failure, Observation};
use crate::payments::provider_health::ServiceReport;

pub mod amazon_pay_mws;
pub mod amazon_pay_v2;
pub mod aps;
pub mod batch;
pub mod calls;
pub mod config;
pub mod decoding;
pub mod marks;
pub mod pace;
mod registry;
pub mod reporting;
pub mod transport;

pub use registry::{NAMES, ReadSection, Settings, settings};

/// A sight of one object, some time later.
pub type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Observation, Failure>> + Send + 'a>>;

/// A provider's word about itself, some time later.
pub type Asking<'a> = Pin<Box<dyn Future<Output = Result<ServiceReport, Failure>> + Send + 'a>>;

/// One account at one provider: everything needed to ask about its objects.
pub trait Api: Send + Sync {
    /// The kinds of objects it can show, in its own words.
    fn kinds(&self) -> &'static [&'static str];
    /// The states of a kind; none for a kind it does not have.
    fn lifecycle(&self, kind: &Kind) -> Option<&'static dyn Lifecycle>;
    /// The operation whose quota one look at this kind uses.
    fn operation(&self, kind: &Kind) -> Option<&'static str>;
    /// Whether this id can belong to this account (environment and region letters, length), or why not.
    fn accepts(&self, kind: &Kind, id: &ObjectId) -> Result<(), String>;
    /// An id as the provider itself writes it, whatever case it was handed on in.
    fn canonical(&self, id: &ObjectId) -> ObjectId {
        id.clone()
    }
    /// The kind that an id's form suggests, if it does.
    fn kind_of(&self, id: &ObjectId) -> Option<Kind>;
    /// Asks once: sign, send, read. The permit says that the quota allows it. No retry inside: a
    /// failed poll is simply due again, later.
    fn fetch<'a>(&'a self, kind: &'a Kind, id: &'a ObjectId, permit: pace::Permit) -> Fetching<'a>;
    /// The operation that asks how the provider is; none when it has none, or must not be asked.
    fn service_operation(&self) -> Option<&'static str> {
        None
    }
    /// Asks the provider how it is. The permit is for [`Api::service_operation`].
    fn service_status(&self, permit: pace::Permit) -> Asking<'_> {
        drop(permit);
        Box::pin(async {
            let detail = "this API does not say how it is".to_owned();
            Err(Failure::Refused { is_whole_account: false, detail })
        })
    }
    /// What this client has learnt of its provider and should know again after a restart; none so far.
    fn learnt(&self) -> Option<&'static str> {
        None
    }
    /// Reminds the client of what one before it has learnt.
    fn remind(&self, learnt: &str) {
        let _ = learnt;
    }
    /// Where a person can look at the account's transactions (a page of the provider, never a secret).
    fn look(&self) -> &'static str;
}

/// Lets the budget learn from a failure. `wait` is what the answer asks for; a refusal of one object that asks
/// for a wait says nothing about the others, so that only throttling and outages hold an operation back.
fn obey(permit: &mut pace::Permit, failure: &Failure, wait: Option<Duration>) {
    match (failure, wait) {
        (Failure::Throttled { retry_after, .. }, _) => permit.throttled(*retry_after),
        (Failure::Transient { .. }, Some(wait)) => permit.hold(wait),
        _ => {}
    }
}
