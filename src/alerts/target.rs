//! What every target can do.
//!
//! Owns: the shape of a target and of its section in the configuration. Must never know: any one target, the outbox,
//! the network.
//!
//! A target is pure: it composes what is sent and classifies answers, so a test sees exactly what would be sent.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use toml::Table;

use super::classify::{Verdict, by_status};
use super::command::Invocation;
use super::mail::Mail;
use super::message::Message;
use super::setting::Setting;
use crate::http::{Method, Request, Response};
use crate::secret::{Secret, SecretReference};

/// One attempt to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// When it happens.
    pub at: Timestamp,
    /// The time limit for the whole delivery.
    pub timeout: Duration,
}

/// What is sent.
#[derive(Debug)]
pub enum Composed {
    /// An HTTP request. [`Target::judge`] classifies its answer.
    Http(Request),
    /// An e-mail.
    Mail(Box<Mail>),
    /// A program to run.
    Command(Invocation),
    /// Nothing can be composed from this message, for this reason. It is given up.
    Impossible(String),
}

/// How much of an answer is read, in bytes: enough for any chat's error word.
pub const LONGEST_ANSWER: usize = 64 * 1024;

/// A POST request with these bytes. The address may itself be a secret.
pub(super) fn post(
    url: String,
    mut headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    attempt: &Attempt,
) -> Composed {
    headers.push(("user-agent", concat!("reconciled/", env!("CARGO_PKG_VERSION")).to_owned()));
    Composed::Http(Request {
        method: Method::Post,
        url,
        headers,
        body,
        deadline: attempt.timeout,
        longest_body: LONGEST_ANSWER,
        is_beginning_enough: true,
    })
}

/// A POST request with a JSON body.
pub(super) fn post_json(
    url: String,
    mut headers: Vec<(&'static str, String)>,
    body: &Value,
    attempt: &Attempt,
) -> Composed {
    headers.push(("content-type", "application/json; charset=utf-8".to_owned()));
    post(url, headers, body.to_string().into_bytes(), attempt)
}

/// A destination for alerts.
pub trait Target: Debug + Send + Sync {
    /// The minimum time between two messages; zero if there is no known limit.
    fn pace(&self) -> Duration {
        Duration::from_secs(1)
    }
    /// Whether a person reads it, so that many alerts at once are better combined.
    fn likes_digests(&self) -> bool {
        true
    }
    /// Composes what is sent. The same message always gives the same content.
    fn compose(&self, message: &Message, attempt: &Attempt) -> Composed;
    /// Classifies the answer to the request that carried `message`.
    fn judge(&self, answer: &Response, _message: &Message, now: Timestamp) -> Verdict {
        by_status(answer, now)
    }
}

/// The keys of an `[[alert]]` section that only its kind of target has.
pub trait TargetSection: Debug + Send + Sync {
    /// Checks the keys and creates the target. None when there is a problem, which `setting` then holds.
    fn build(&self, setting: &mut Setting<'_>) -> Option<Box<dyn Target>>;
}

/// Why an attempt to read a section failed, and at which key.
pub type SectionError = serde_path_to_error::Error<toml::de::Error>;

/// A kind of target.
#[derive(Debug)]
pub struct Registration {
    /// Its word in the configuration.
    pub kind: &'static str,
    /// Reads the keys that only this kind has.
    pub read: fn(Table) -> Result<Box<dyn TargetSection>, SectionError>,
}

impl Registration {
    /// The kind whose section is a `T`.
    pub const fn new<T: TargetSection + DeserializeOwned + 'static>(kind: &'static str) -> Registration {
        Registration { kind, read: read::<T> }
    }

    /// A kind that needs nothing but an address.
    pub const fn at_address<T: AtAddress>(kind: &'static str) -> Registration {
        Registration::new::<AddressSection<T>>(kind)
    }
}

/// A target that is an address and nothing else, such as a chat's webhook.
pub trait AtAddress: Target + Sized + 'static {
    /// Creates the target. None when there is a problem with the address, which `setting` then holds.
    fn at(url: Secret<String>, setting: &mut Setting<'_>) -> Option<Self>;
}

/// The only key of such a target.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
struct AddressSection<T> {
    /// Where the address is. The whole address is a secret.
    url: SecretReference,
    #[serde(skip)]
    target: PhantomData<fn() -> T>,
}

impl<T: AtAddress> TargetSection for AddressSection<T> {
    fn build(&self, setting: &mut Setting<'_>) -> Option<Box<dyn Target>> {
        let url = setting.address("url", &self.url)?;
        Some(Box::new(T::at(url, setting)?))
    }
}

fn read<T: TargetSection + DeserializeOwned + 'static>(
    own: Table,
) -> Result<Box<dyn TargetSection>, SectionError> {
    let section: T = serde_path_to_error::deserialize(own)?;
    Ok(Box::new(section))
}

/// A wait in seconds, with a fraction, as several chats write it into the body; none when it is no wait.
pub(super) fn seconds(wish: Option<f64>) -> Option<Duration> {
    Duration::try_from_secs_f64(wish?).ok()
}

/// An address with one more parameter.
pub(super) fn with_query(url: &str, parameter: &str) -> String {
    let joint = if url.contains('?') { '&' } else { '?' };
    format!("{url}{joint}{parameter}")
}
