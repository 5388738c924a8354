//! What every target can do.
//!
//! Owns: the shape of a target. Must never know: any one target, the outbox, the network.
//!
//! A target is pure: it builds requests and classifies answers, so a test sees exactly what would be sent.

use std::fmt::Debug;
use std::time::Duration;

use jiff::Timestamp;

use super::classify::Verdict;
use super::message::Message;
use crate::http::{Method, Request, Response};
use crate::secret::Secret;

/// One attempt to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// When it happens.
    pub at: Timestamp,
}

/// How much of an answer is read, in bytes: enough for any chat's error word.
pub const LONGEST_ANSWER: usize = 64 * 1024;

/// A POST request with these bytes. The address is itself a secret.
pub(super) fn post(
    url: &Secret<String>,
    mut headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    deadline: Duration,
) -> Request {
    headers.push(("user-agent", concat!("reconciled/", env!("CARGO_PKG_VERSION")).to_owned()));
    Request {
        method: Method::Post,
        url: url.expose().clone(),
        headers,
        body,
        deadline,
        longest_body: LONGEST_ANSWER,
        is_beginning_enough: true,
    }
}

/// A destination for alerts.
pub trait Target: Debug + Send + Sync {
    /// The operator's name for it.
    fn name(&self) -> &str;
    /// The minimum time between two messages; zero if there is no known limit.
    fn pace(&self) -> Duration;
    /// Whether a person reads it, so that many alerts at once are better combined.
    fn likes_digests(&self) -> bool;
    /// Builds the request. The same message always gives the same body.
    fn compose(&self, message: &Message, attempt: &Attempt) -> Request;
    /// Classifies an answer.
    fn judge(&self, answer: &Response, now: Timestamp) -> Verdict;
}
