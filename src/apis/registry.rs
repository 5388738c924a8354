//! Which APIs there are: one line each in three short lists. A new API is added here and in a folder of
//! its own, nowhere else.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::batch::Client;
use super::calls::Caller;
use super::config::{Environment, Problem};
use super::pace::Quota;
use super::reporting::{ReportKind, Source};
use super::transport::Transport;
use super::{Api, amazon_pay_mws, amazon_pay_v2, aps};
use crate::clock::SharedClock;
use crate::secret::SecretLoader;

/// The words that `api` of an account may have.
pub const NAMES: [&str; 3] = ["amazon-pay-v2", "amazon-pay-mws", "aps"];

/// Whoever reads configuration files hands an API its section through this.
pub trait ReadSection {
    /// The section as the API's own type; none when it cannot be read, which the reader has noted.
    fn read<T: DeserializeOwned>(&mut self) -> Option<T>;
}

/// The checked section of one account.
#[derive(Debug, Clone)]
pub enum Settings {
    /// `amazon-pay-v2`.
    AmazonPayV2(amazon_pay_v2::config::Settings),
    /// `amazon-pay-mws`.
    AmazonPayMws(amazon_pay_mws::config::Settings),
    /// `aps`.
    Aps(aps::config::Settings),
}

/// Reads and checks the section of an account of `api`; none when there is no such API. `path` is where
/// the section stands, for the problems.
pub fn settings(
    api: &str,
    reader: &mut impl ReadSection,
    path: &str,
    secrets: &SecretLoader,
) -> Option<Result<Settings, Vec<Problem>>> {
    // A section that cannot be read has its problems noted by the reader already.
    let unread = Err(Vec::new());
    match api {
        "amazon-pay-v2" => Some(
            reader
                .read::<amazon_pay_v2::config::AccountSection>()
                .map_or(unread, |section| section.resolve(path, secrets).map(Settings::AmazonPayV2)),
        ),
        "amazon-pay-mws" => Some(
            reader
                .read::<amazon_pay_mws::config::Section>()
                .map_or(unread, |section| section.resolve(path, secrets).map(Settings::AmazonPayMws)),
        ),
        "aps" => Some(
            reader
                .read::<aps::config::Section>()
                .map_or(unread, |section| section.resolve(path, secrets).map(Settings::Aps)),
        ),
        _ => None,
    }
}

impl Settings {
    /// Makes the client of the account.
    pub fn build(&self, transport: Arc<dyn Transport>, clock: SharedClock) -> Arc<dyn Api> {
        match self {
            Settings::AmazonPayV2(settings) => {
                Arc::new(amazon_pay_v2::AmazonPayV2::new(settings.clone(), transport, clock))
            }
            Settings::AmazonPayMws(settings) => {
                Arc::new(amazon_pay_mws::AmazonPayMws::new(settings.clone(), transport, clock))
            }
            Settings::Aps(settings) => Arc::new(aps::Aps::new(settings.clone(), transport, clock)),
        }
    }

    /// The client that sends batches; none for an API without them.
    pub fn build_batches(&self, transport: Arc<dyn Transport>, clock: SharedClock) -> Option<Client> {
        match self {
            Settings::AmazonPayV2(_) => None,
            Settings::AmazonPayMws(settings) => Some(Client::Mws(Arc::new(
                amazon_pay_mws::AmazonPayMws::new(settings.clone(), transport, clock),
            ))),
            Settings::Aps(settings) => {
                Some(Client::Aps(Arc::new(aps::Aps::new(settings.clone(), transport, clock))))
            }
        }
    }

    /// How many objects one batch that only looks may name, and which kinds; none where the API has no such
    /// batches, or the account's marketplace is not known.
    pub fn looks_by_batch(&self) -> Option<(usize, &'static [&'static str])> {
        match self {
            Settings::AmazonPayMws(settings) if settings.marketplace_id.is_some() => {
                Some((settings.batch_caps.requests, &["capture", "refund"]))
            }
            Settings::AmazonPayV2(_) | Settings::AmazonPayMws(_) | Settings::Aps(_) => None,
        }
    }

    /// The client that carries out single operations; none for an API whose operations go in batches.
    pub fn build_caller(&self, transport: Arc<dyn Transport>, clock: SharedClock) -> Option<Arc<dyn Caller>> {
        match self {
            Settings::AmazonPayV2(settings) => {
                Some(Arc::new(amazon_pay_v2::AmazonPayV2::new(settings.clone(), transport, clock)))
            }
            Settings::AmazonPayMws(settings) => {
                Some(Arc::new(amazon_pay_mws::AmazonPayMws::new(settings.clone(), transport, clock)))
            }
            Settings::Aps(_) => None,
        }
    }

    /// The client that fetches the provider's reports; none for an API without them.
    pub fn build_reports(
        &self,
        transport: Arc<dyn Transport>,
        clock: SharedClock,
    ) -> Option<Arc<dyn Source>> {
        match self {
            Settings::AmazonPayMws(settings) => {
                Some(Arc::new(amazon_pay_mws::AmazonPayMws::new(settings.clone(), transport, clock)))
            }
            Settings::AmazonPayV2(_) | Settings::Aps(_) => None,
        }
    }

    /// The types of reports that the provider makes; none for an API without them.
    pub fn report_kinds(&self) -> Vec<ReportKind> {
        match self {
            Settings::AmazonPayMws(settings) => amazon_pay_mws::reports::kinds_in(settings.environment),
            Settings::AmazonPayV2(_) | Settings::Aps(_) => Vec::new(),
        }
    }

    /// The word in `api`.
    pub fn name(&self) -> &'static str {
        match self {
            Settings::AmazonPayV2(_) => NAMES[0],
            Settings::AmazonPayMws(_) => NAMES[1],
            Settings::Aps(_) => NAMES[2],
        }
    }

    /// The key of the section that names the credentials, and what they are at the provider: two accounts
    /// with the same are one there. Not secret.
    pub fn credentials(&self) -> (&'static str, String) {
        let (key, parts) = match self {
            Settings::AmazonPayV2(settings) => ("public_key_id", settings.credentials()),
            Settings::AmazonPayMws(settings) => ("access_key_id", settings.credentials()),
            Settings::Aps(settings) => ("access_code", settings.credentials()),
        };
        (key, format!("{} {}", self.name(), parts.join(" ").to_ascii_uppercase()))
    }

    /// The kinds of objects that the API shows.
    pub fn kinds(&self) -> &'static [&'static str] {
        match self {
            Settings::AmazonPayV2(_) => amazon_pay_v2::KINDS,
            Settings::AmazonPayMws(_) => &amazon_pay_mws::kind::ObjectKind::NAMES,
            Settings::Aps(_) => aps::KINDS,
        }
    }

    /// The budget of each operation.
    pub fn quotas(&self) -> Vec<(&'static str, Quota)> {
        match self {
            Settings::AmazonPayV2(settings) => settings.quotas(),
            Settings::AmazonPayMws(settings) => settings.quotas(),
            Settings::Aps(settings) => settings.quotas(),
        }
    }

    /// `na`, `eu`, `jp`; `aps` where the provider has no regions.
    pub fn region(&self) -> &'static str {
        match self {
            Settings::AmazonPayV2(settings) => settings.region(),
            Settings::AmazonPayMws(settings) => settings.region.as_str(),
            Settings::Aps(_) => "aps",
        }
    }

    /// Play money.
    pub fn is_sandbox(&self) -> bool {
        let environment = match self {
            Settings::AmazonPayV2(settings) => settings.environment(),
            Settings::AmazonPayMws(settings) => settings.environment,
            Settings::Aps(settings) => settings.environment,
        };
        environment == Environment::Sandbox
    }
}
