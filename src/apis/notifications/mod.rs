//! What a provider's notifications announce: that an object has news. A notification is a hint. It never says what the
//! news is; a poll finds that out.
//!
//! Owns: the interface that the APIs share, and the envelope that several of them share ([`sns`]). Must never know:
//! sockets, storage, what follows from a hint.

use std::time::Duration;

use crate::payments::object::{Kind, ObjectId};

pub mod sns;

/// The most hints that one notification may hold.
pub const MOST_HINTS: usize = 20;

/// How an API proves that a notification is its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Envelope {
    /// An SNS envelope ([`sns`]). [`Notifier::read`] reads the text inside, once the envelope is verified.
    Sns,
    /// A signature of the API's own, which [`Notifier::read`] verifies.
    Own,
}

/// The notifications of one account.
pub trait Notifier: Send + Sync {
    /// How they prove that they are genuine.
    fn envelope(&self) -> Envelope;
    /// Reads one notification. `media_type` is the request's content type in lower case, without parameters.
    ///
    /// # Errors
    /// Why it is refused.
    fn read(&self, text: &[u8], media_type: &str) -> Result<Notification, Refused>;
    /// How long after its first delivery the provider may still deliver a notification again.
    fn redelivered_for(&self) -> Duration;
    /// The kinds of objects whose final states are announced.
    fn announced_kinds(&self) -> &'static [&'static str];
    /// Where a person enters the address to notify.
    fn where_to_paste(&self) -> &'static str;
    /// A notification that is certainly refused. It shows that the way from the outside to the listener works.
    fn refused_example(&self) -> (&'static str, Vec<u8>);
}

/// What a notification announces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notification {
    /// Identifies it across redeliveries; none if its envelope does.
    pub key: Option<String>,
    /// The objects with news.
    pub hints: Vec<Hint>,
    /// A batch is complete, and this report of the provider describes it.
    pub report_id: Option<String>,
    /// It was sent to try the channel.
    pub is_sample: bool,
}

/// An object with news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: ObjectId,
    /// Watched objects whose ids begin so may have news, too.
    pub wakes: Option<String>,
}

/// Why a notification is refused. Only the reason is kept: what was sent may be anybody's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refused {
    /// A stable word for counts, such as `wrong_signature`.
    pub reason: &'static str,
}

impl Refused {
    /// Refused for this reason.
    pub const fn because(reason: &'static str) -> Refused {
        Refused { reason }
    }
}

/// It is not in the form that the provider documents.
pub const UNREADABLE: Refused = Refused::because("unreadable");
/// Genuine, and sent longer ago than the provider repeats it.
pub const TOO_OLD: Refused = Refused::because("too_old");
/// It is about another merchant or another environment.
pub const OTHER_ACCOUNT: Refused = Refused::because("other_account");
