//! Scenarios: which merchants exist, what becomes of their objects, and what goes wrong.
//!
//! Owns: the checked scenario, the reading of its file, and its problems in words. Must never know: how a
//! provider behaves, the network.

mod chat_script;
mod check;
mod mws;
mod notifications;
mod problem;
#[cfg(test)]
mod tests;
mod written;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::aps::{ApsHabits, ApsSignature};
use super::fate::Fates;
use super::fault::Fault;
use super::provider::Quota;

pub use mws::MwsConduct;
pub use notifications::{CertificateAnswer, Encoding, NotificationSettings, Subscription};
pub use problem::{Problem, ScenarioError};

/// The annotated example that ships with the program.
pub const EXAMPLE: &str = include_str!("../example.toml");

/// A whole scenario, checked.
#[derive(Debug, Clone, Default)]
pub struct Scenario {
    /// Decides every draw.
    pub seed: u64,
    /// How far a request's date may lie from the simulator's clock; `None`: 15 minutes.
    pub date_tolerance: Option<Duration>,
    /// The merchants.
    pub accounts: Vec<Account>,
    /// How the simulated MWS behaves towards single accounts.
    pub mws: Vec<MwsConduct>,
    /// What exists when the simulator starts, and what API calls will bring to life.
    pub populations: Vec<Population>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// The simulated chat.
    pub chat: ChatSettings,
    /// How Amazon Payment Services treats batches.
    pub aps: ApsHabits,
    /// Which accounts are notified, and what goes wrong on the way.
    pub notifications: Vec<NotificationSettings>,
}

/// A payment API that the simulator pretends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Api {
    /// `amazon-pay-v2`.
    AmazonPayV2,
    /// `amazon-pay-mws`.
    AmazonPayMws,
    /// `aps`.
    Aps,
}

impl Api {
    /// The name as scenarios spell it.
    pub fn name(self) -> &'static str {
        match self {
            Api::AmazonPayV2 => "amazon-pay-v2",
            Api::AmazonPayMws => "amazon-pay-mws",
            Api::Aps => "aps",
        }
    }

    /// The kinds of object that its populations may have.
    pub fn kinds(self) -> &'static [&'static str] {
        match self {
            Api::AmazonPayV2 => &["charge", "authorization", "capture", "refund", "charge-permission"],
            Api::AmazonPayMws => {
                &["authorization", "capture", "refund", "order-reference", "billing-agreement"]
            }
            Api::Aps => &["aps-order"],
        }
    }
}

/// A merchant.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its name in this scenario.
    pub name: String,
    /// Its API.
    pub api: Api,
    /// The merchant (seller) id, or merchant identifier.
    pub merchant_id: String,
    /// `na`, `eu` or `jp`; empty for an API without regions.
    pub region: String,
    /// Whether its objects live in the sandbox.
    pub is_sandbox: bool,
    /// What its signatures are verified with.
    pub credentials: Credentials,
    /// Quotas other than the documented ones, by the provider's operation name; `*` stands for all others.
    pub quotas: Vec<(String, Quota)>,
}

/// What a merchant's signatures are verified with.
#[derive(Clone)]
pub enum Credentials {
    /// An RSA key pair (Amazon Pay v2).
    PublicKey {
        /// Such as `SANDBOX-AE…`.
        id: String,
        /// The public key, DER (SubjectPublicKeyInfo); `None` until generated.
        der: Option<Vec<u8>>,
    },
    /// A shared secret (MWS).
    AccessKey {
        /// Such as `AKIA…`.
        id: String,
        /// The secret key; `None` until generated.
        secret: Option<String>,
    },
    /// Two shared phrases (Amazon Payment Services).
    Phrases {
        /// The access code, such as `zx0IPmPy5jp1vAz8Kpg7`.
        access_code: String,
        /// How both phrases sign.
        signature: ApsSignature,
        /// What requests are signed with, and what answers; `None` until generated.
        phrases: Option<(String, String)>,
    },
}

impl Credentials {
    /// The public key id, the access key id or the access code.
    pub fn key_id(&self) -> &str {
        match self {
            Credentials::PublicKey { id, .. }
            | Credentials::AccessKey { id, .. }
            | Credentials::Phrases { access_code: id, .. } => id,
        }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, id, is_known) = match self {
            Credentials::PublicKey { id, der } => ("PublicKey", id, der.is_some()),
            Credentials::AccessKey { id, secret } => ("AccessKey", id, secret.is_some()),
            Credentials::Phrases { access_code, phrases, .. } => ("Phrases", access_code, phrases.is_some()),
        };
        formatter.debug_struct(name).field("id", id).field("is_known", &is_known).finish_non_exhaustive()
    }
}

/// Many objects of one kind.
#[derive(Debug, Clone)]
pub struct Population {
    /// The account's name.
    pub account: String,
    /// The kind of object, as in [`super::plan::Plan::kind`].
    pub kind: String,
    /// How many exist when the simulator starts.
    pub count: u64,
    /// How long before the start they were created, shortest and longest.
    pub age: (Duration, Duration),
    /// How long a look-up answers "not found" after the start, shortest and longest.
    pub invisible_for: (Duration, Duration),
    /// The merchant's references are this and a number.
    pub reference_prefix: String,
    /// Currencies and amounts.
    pub currencies: Vec<CurrencyShare>,
    /// What becomes of them.
    pub fates: Fates,
    /// Whether objects of this kind that API calls create share these fates.
    pub decides_created: bool,
    /// The line in the scenario's file, when it came from one.
    pub line: Option<usize>,
}

/// One currency of a population.
#[derive(Debug, Clone, PartialEq)]
pub struct CurrencyShare {
    /// ISO 4217.
    pub code: String,
    /// Its weight against the other currencies.
    pub share: f64,
    /// The smallest amount, in units of the last decimal place.
    pub amount_min_minor: u64,
    /// The largest amount, in units of the last decimal place.
    pub amount_max_minor: u64,
    /// Decimal places of the amounts.
    pub decimals: u32,
}

/// How the simulated chat behaves.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChatSettings {
    /// The share of messages answered with 500.
    pub failure_share: f64,
    /// The share of messages answered with 429.
    pub throttled_share: f64,
    /// Times after the start, from and until, in which every message is answered with 429.
    pub throttled_windows: Vec<(Duration, Duration)>,
    /// The `Retry-After` of a 429, seconds.
    pub retry_after_s: u64,
    /// Accepted messages are appended to this file, one JSON object a line.
    pub file: Option<PathBuf>,
    /// Answers decided beforehand, target by target.
    pub scripts: Vec<super::chat::Script>,
    /// How many messages a target takes, by its name; the others are not limited.
    pub limits: Vec<(String, Quota)>,
}

impl Scenario {
    /// Reads a scenario file. Paths in it are relative to its folder.
    ///
    /// # Errors
    /// When the file cannot be read, or every problem in it, each with line, key and remedy.
    pub fn read(path: &Path) -> Result<Scenario, ScenarioError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            ScenarioError::one(Problem {
                line: None,
                key: path.display().to_string(),
                problem: format!("cannot be read: {error}"),
                remedy: "name a scenario file that exists".to_owned(),
            })
        })?;
        Scenario::parse(&text, path.parent().unwrap_or(Path::new(".")))
    }

    /// Reads a scenario's text. Paths in it are relative to `folder`.
    ///
    /// # Errors
    /// Every problem, each with line, key and remedy.
    pub fn parse(text: &str, folder: &Path) -> Result<Scenario, ScenarioError> {
        let written = written::Written::parse(text)?;
        check::check(written, text, folder)
    }

    /// The account of this name.
    pub fn account(&self, name: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.name == name)
    }
}
