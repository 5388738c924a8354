//! What every target can do.
//!
//! Owns: the shape of a target. Must never know: any one target, the outbox, the network.
//! A target is pure: it makes bytes and judges answers, so that a test sees exactly what would be sent.

use std::fmt::Debug;
use std::time::Duration;

use jiff::Timestamp;

use super::classify::{Answer, Verdict};
use super::words::Message;
use crate::secret::Secret;

/// One try at sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// When it is made.
    pub at: Timestamp,
}

/// A request ready for the wire, always POST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Where to; the address is itself a secret.
    pub url: Secret<String>,
    /// Headers beside those that HTTP needs.
    pub headers: Vec<(&'static str, String)>,
    /// The exact bytes.
    pub body: Vec<u8>,
    /// The whole time that it may take.
    pub timeout: Duration,
}

/// A place where alerts go.
pub trait Target: Debug + Send + Sync {
    /// The operator's name for it.
    fn name(&self) -> &str;
    /// The least time between two messages; zero when there is no known limit.
    fn pace(&self) -> Duration;
    /// Whether a person reads it, so that many messages at once are better told together.
    fn likes_digests(&self) -> bool;
    /// Makes the request. The same message makes the same body, however often.
    fn compose(&self, message: &Message, attempt: &Attempt) -> Outgoing;
    /// Says what an answer means.
    fn judge(&self, answer: &Answer, now: Timestamp) -> Verdict;
}
