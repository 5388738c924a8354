//! What each API says about itself, so that it can be listed: its name, its section of the configuration, its
//! objects, its batches.
//!
//! Owns: the shape of a registry entry and of a checked section. Must never know: which APIs there are.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Api;
use super::batch::{Batch, PollLimits};
use super::config::Problem;
use super::pace::Quota;
use super::reporting::ReportKind;
use super::transport::Transport;
use crate::clock::SharedClock;
use crate::payments::lifecycle::Lifecycle;
use crate::secret::SecretLoader;

/// An API's entry in the registry.
pub struct Registration {
    /// The value of `api` in an account.
    pub name: &'static str,
    /// Reads and checks the section of an account.
    pub settings: ReadSettings,
    /// Its kinds of objects.
    pub kinds: fn() -> Vec<KindFacts>,
    /// Reads a stored batch; none for an API without batches.
    pub batch: Option<ReadBatch>,
    /// Whether the provider makes reports that can be fetched.
    pub has_reports: bool,
}

/// Reads and checks the section at a path (`account.shop`). The error has all problems that the reader has not
/// recorded itself.
pub type ReadSettings =
    fn(&mut dyn ReadSection, &str, &SecretLoader) -> Result<Arc<dyn Settings>, Vec<Problem>>;

/// Reads a stored batch. The error means that it is not a batch of this API.
pub type ReadBatch = fn(&Value) -> serde_json::Result<Box<dyn Batch>>;

/// One kind of object of an API.
#[derive(Clone, Copy)]
pub struct KindFacts {
    /// The name under which it is enrolled and stored.
    pub name: &'static str,
    /// The operation that fetches one.
    pub operation: &'static str,
    /// Its states.
    pub lifecycle: &'static dyn Lifecycle,
}

/// The checked section of one account.
pub trait Settings: Any + fmt::Debug + Send + Sync {
    /// The value of `api`.
    fn name(&self) -> &'static str;
    /// The section's key that names the credentials, and what identifies them at the provider: two accounts with the
    /// same values are one account there. Not secret.
    fn credentials(&self) -> (&'static str, Vec<&str>);
    /// The kinds of objects that the API can poll.
    fn kinds(&self) -> &'static [&'static str];
    /// The budget of each operation.
    fn quotas(&self) -> Vec<(&'static str, Quota)>;
    /// `na`, `eu`, `jp`, or the API's name where the provider has no regions.
    fn region(&self) -> &'static str;
    /// Whether it is a sandbox account, without real money.
    fn is_sandbox(&self) -> bool;
    /// The key that must be there before a notification may add objects, if it is missing: without it, nothing says
    /// whether a notification is for this account.
    fn missing_for_discovery(&self) -> Option<&'static str> {
        None
    }
    /// What can be polled by batch. None where the API or the account has no such batches.
    fn poll_limits(&self) -> Option<PollLimits> {
        None
    }
    /// The types of reports that the provider makes; none for an API without them.
    fn report_kinds(&self) -> Vec<ReportKind> {
        Vec::new()
    }
    /// Creates the client of the account.
    fn build(&self, transport: Arc<dyn Transport>, clock: SharedClock) -> Arc<dyn Api>;
}

impl dyn Settings {
    /// The section in the API's own type; none when it belongs to another API.
    pub fn own<T: Settings>(&self) -> Option<&T> {
        let any: &dyn Any = self;
        any.downcast_ref()
    }

    /// A text that is the same for two accounts if they are one account at the provider.
    pub fn identity(&self) -> String {
        format!("{} {}", self.name(), self.credentials().1.join(" ").to_ascii_uppercase())
    }
}

/// Why an attempt to read a section failed, and at which key.
pub type SectionError = serde_path_to_error::Error<toml::de::Error>;

/// Gives an API the section of its account.
pub trait ReadSection {
    /// Calls `attempt` with the section until it succeeds or nothing more can be found out about what is wrong. True
    /// when the section is valid. The reader records the problems.
    fn read_with(&mut self, attempt: &mut dyn FnMut(toml::Table) -> Result<(), SectionError>) -> bool;
}

impl dyn ReadSection + '_ {
    /// The section as the API's own type. The error has no problems, because the reader has recorded them.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read<T: DeserializeOwned>(&mut self) -> Result<T, Vec<Problem>> {
        let mut read = None;
        let is_whole = self.read_with(&mut |table| {
            read = Some(serde_path_to_error::deserialize(table)?);
            Ok(())
        });
        read.filter(|_| is_whole).ok_or_else(Vec::new)
    }
}
