//! The configuration section of an Amazon Pay account via MWS.
//!
//! Owns: its keys, their checks, the provider's hosts and paths (docs/src/reference/amazon-pay-mws.md, section 1). Must
//! never know: the network, other sections, where secrets are stored.

use std::time::Duration;

use serde::Deserialize;

use super::kind::ObjectKind;
use super::limits::{Caps, FEED_QUOTAS, REPORT_QUOTAS};
use super::operations::{Group, OPERATIONS};
use super::sign::SigningKey;
use crate::apis::config::{Check, Endpoint, Environment, Problem, QuotaChoice, QuotaSection, Region};
use crate::apis::pace::Quota;
use crate::secret::{Secret, SecretLoader, SecretReference};

/// The documented production quota of the five read operations: 20, then 2 a second (section 3.1).
pub const DOCUMENTED_LIVE: Quota = Quota { burst: 20, per: Duration::from_millis(500) };
/// The same in the sandbox: 5, then 1 a second (section 3.1).
pub const DOCUMENTED_SANDBOX: Quota = Quota { burst: 5, per: Duration::from_secs(1) };

/// The longest seller id, access key id, token or secret key. The provider's have at most 45 characters.
const LONGEST_CREDENTIAL: usize = 256;

/// An account's section as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Section {
    /// `na`, `eu`, `jp` or one of their countries. Required.
    pub region: Option<String>,
    /// `live` or `sandbox`. Required.
    pub environment: Option<String>,
    /// The merchant id. Required. A solution provider gives the id of the merchant it acts for.
    pub seller_id: Option<String>,
    /// The MWS access key id, 20 characters. Required.
    pub access_key_id: Option<String>,
    /// Where the MWS secret key is stored. Required.
    pub secret_key: Option<SecretReference>,
    /// Where the `amzn.mws.…` token is stored; only for solution providers.
    pub mws_auth_token: Option<SecretReference>,
    /// `https://host[:port]` to use instead of the provider's; the path stays the same.
    pub endpoint: Option<String>,
    /// The Amazon Pay marketplace of batches and reports, if it is not that of the region and environment.
    pub marketplace_id: Option<String>,
    /// Whether the provider's own status (`GetServiceStatus`) steers polling; true by default.
    pub service_status: Option<bool>,
    /// `"default"`, `"documented"` or `{ burst, per_second }`.
    pub quota: Option<QuotaSection>,
    /// Seconds for one exchange, 1 to 300; 30 by default.
    pub deadline_s: Option<u64>,
    /// Whether anything may be changed at the provider; false by default.
    pub allow_writes: bool,
    /// How large one feed of a batch may be.
    pub batch: BatchSection,
}

/// How large one feed may be, as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchSection {
    /// Requests in one feed, 1 to 60000. The default is 30000, as the provider advises.
    pub max_requests: Option<usize>,
    /// Megabytes (10^6 bytes) in one feed, 1 to 100. The default is 10, as the provider advises.
    pub max_mb: Option<usize>,
}

/// An account's section as resolved: everything needed to sign and send.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The region.
    pub region: Region,
    /// Live or sandbox.
    pub environment: Environment,
    /// The merchant id.
    pub seller_id: String,
    /// The MWS access key id.
    pub access_key_id: String,
    /// The MWS secret key, ready for signing.
    pub key: SigningKey,
    /// The token of a solution provider.
    pub mws_auth_token: Option<Secret<String>>,
    /// Where requests go.
    pub endpoint: Endpoint,
    /// The Amazon Pay marketplace that batches go to; none where it is not known (live Japan).
    pub marketplace_id: Option<String>,
    /// Whether the provider's own status is polled and acted on.
    pub is_service_followed: bool,
    /// The budget of each operation.
    pub quota: QuotaChoice,
    /// The deadline of one whole exchange.
    pub deadline: Duration,
    /// Whether anything may be changed at the provider.
    pub is_writing_allowed: bool,
    /// How large one feed of a batch may be.
    pub batch_caps: Caps,
}

impl Section {
    /// Checks everything and loads the secrets. `path` is the path of the section (`account.shop`).
    ///
    /// Errors: all problems at once, each with its key and a remedy.
    pub fn resolve(&self, path: &str, secrets: &SecretLoader) -> Result<Settings, Vec<Problem>> {
        let mut check = Check::new(path);
        let region = check.region("region", self.region.as_deref());
        let environment = check.environment("environment", self.environment.as_deref());
        let seller_id = plain(
            &mut check,
            "seller_id",
            self.seller_id.as_deref(),
            "write the merchant id that Seller Central shows under Integration, such as \"A1EXAMPLESELLER\"",
        );
        let access_key_id = plain(
            &mut check,
            "access_key_id",
            self.access_key_id.as_deref(),
            "write the MWS access key id that Seller Central shows under Integration, 20 letters and digits",
        );
        let key = self.signing_key(&mut check, secrets);
        let mws_auth_token = self
            .mws_auth_token
            .as_ref()
            .and_then(|reference| secret(&mut check, secrets, "mws_auth_token", reference));
        let has_own_endpoint = self.endpoint.is_some();
        let own_endpoint = check.endpoint("endpoint", self.endpoint.as_deref());
        let endpoint = match (own_endpoint, region) {
            (Some(endpoint), _) => Some(endpoint),
            (None, Some(region)) if !has_own_endpoint => Some(Endpoint::of_host(host(region))),
            (None, _) => None,
        };
        let marketplace_id = self.marketplace_of(&mut check, region, environment);
        let quota = check.quota("quota", self.quota.as_ref());
        let deadline = check.deadline("deadline_s", self.deadline_s);
        let batch_caps = self.batch.caps(&mut check);
        let settings = (|| {
            Some(Settings {
                region: region?,
                environment: environment?,
                seller_id: seller_id?,
                access_key_id: access_key_id?,
                key: key?,
                mws_auth_token,
                endpoint: endpoint?,
                marketplace_id,
                is_service_followed: self.service_status.unwrap_or(true),
                quota,
                deadline,
                is_writing_allowed: self.allow_writes,
                batch_caps,
            })
        })();
        check.finish(settings)
    }

    /// The configured marketplace, else the known one of the configured region word: the United Kingdom has a different
    /// one from the rest of Europe (docs/src/reference/amazon-pay-batch.md, section 1).
    fn marketplace_of(
        &self,
        check: &mut Check,
        region: Option<Region>,
        environment: Option<Environment>,
    ) -> Option<String> {
        if let Some(written) = &self.marketplace_id {
            let remedy = "write the Amazon Pay marketplace id, such as \"A3BXB0YN3XH17H\", or leave it out";
            return plain(check, "marketplace_id", Some(written), remedy);
        }
        let word = self.region.as_deref().unwrap_or_default().to_ascii_lowercase();
        let is_uk = matches!(word.as_str(), "uk" | "gb");
        let id = match (region?, is_uk, environment?) {
            (Region::Na, _, Environment::Live) => "AGWSWK15IEJJ7",
            (Region::Na, _, Environment::Sandbox) => "A3BXB0YN3XH17H",
            (Region::Eu, true, Environment::Live) => "AZAJMM36N6WQL",
            (Region::Eu, true, Environment::Sandbox) => "A3M3RRFO9XDT2G",
            (Region::Eu, false, Environment::Live) => "A53RDEWN57UU5",
            (Region::Eu, false, Environment::Sandbox) => "A1G8446IYHA4MR",
            (Region::Jp, _, Environment::Sandbox) => "A31YDYE76E6TCP",
            (Region::Jp, _, Environment::Live) => return None,
        };
        Some(id.to_owned())
    }

    fn signing_key(&self, check: &mut Check, secrets: &SecretLoader) -> Option<SigningKey> {
        let Some(reference) = &self.secret_key else {
            check.problem(
                "secret_key",
                "is missing",
                "put the MWS secret key into a file of its own and write \"file:/absolute/path\" or \
                 \"credential:name\"",
            );
            return None;
        };
        let text = secret(check, secrets, "secret_key", reference)?;
        Some(SigningKey::new(text.expose()))
    }
}

impl BatchSection {
    /// The configured caps, else what the provider advises (docs/src/reference/amazon-pay-batch.md, section 2.3).
    fn caps(&self, check: &mut Check) -> Caps {
        let mut caps = Caps::ADVISED;
        match self.max_requests {
            None => {}
            Some(requests) if (1..=Caps::MOST.requests).contains(&requests) => caps.requests = requests,
            Some(_) => {
                check.problem("batch.max_requests", "is outside 1 to 60000", "the provider advises 30000")
            }
        }
        match self.max_mb {
            None => {}
            Some(mb @ 1..=100) => caps.bytes = mb * 1_000_000 - 1,
            Some(_) => {
                check.problem("batch.max_mb", "is outside 1 to 100", "the provider advises 10");
            }
        }
        caps
    }
}

impl Settings {
    /// The identity under which the provider counts requests: seller and key (section 5.1).
    pub fn credentials(&self) -> Vec<&str> {
        vec![self.endpoint.base(), self.environment.as_str(), &self.seller_id, &self.access_key_id]
    }

    /// The path of every request, as signed and sent: without a trailing slash, as in the official SDKs (section 1.1).
    pub fn path(&self) -> &'static str {
        match self.environment {
            Environment::Live => "/OffAmazonPayments/2013-01-01",
            Environment::Sandbox => "/OffAmazonPayments_Sandbox/2013-01-01",
        }
    }

    /// The host to sign: in lower case, with its port unless that is the default (section 2.1, step 5).
    pub fn signed_host(&self) -> String {
        let base = self.endpoint.base();
        base.split_once("://").map_or(base, |(_, host)| host).to_ascii_lowercase()
    }

    /// The budget of every operation in use. The configured quota applies to polls of objects. All other operations
    /// have their documented quotas, which are smaller (section 3.1; docs/src/reference/amazon-pay-batch.md, section
    /// 8).
    pub fn quotas(&self) -> Vec<(&'static str, Quota)> {
        let is_sandbox = self.environment == Environment::Sandbox;
        let looks = match (self.quota, self.environment) {
            (QuotaChoice::Default, environment) => Quota::usual(environment),
            (QuotaChoice::Documented, Environment::Live) => DOCUMENTED_LIVE,
            (QuotaChoice::Documented, Environment::Sandbox) => DOCUMENTED_SANDBOX,
            (QuotaChoice::Own(quota), _) => quota,
        };
        let mut quotas: Vec<(&'static str, Quota)> =
            ObjectKind::ALL.into_iter().map(|kind| (kind.operation(), looks)).collect();
        let others = OPERATIONS.iter().filter(|operation| operation.group != Group::Read);
        quotas.extend(others.map(|operation| (operation.name, operation.quota(is_sandbox))));
        quotas.extend(FEED_QUOTAS.iter().chain(REPORT_QUOTAS).copied());
        quotas
    }
}

/// The provider's host in a region; the same for production and sandbox (section 1.1).
fn host(region: Region) -> &'static str {
    match region {
        Region::Na => "mws.amazonservices.com",
        Region::Eu => "mws-eu.amazonservices.com",
        Region::Jp => "mws.amazonservices.jp",
    }
}

fn is_plain(text: &str) -> bool {
    text.len() <= LONGEST_CREDENTIAL && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A required field that can contain no spaces; one with a space was copied wrongly.
fn plain(check: &mut Check, field: &str, value: Option<&str>, remedy: &str) -> Option<String> {
    let text = check.required(field, value, remedy)?;
    if is_plain(text) {
        return Some(text.to_owned());
    }
    check.problem(field, "contains a space or an invalid character, or is too long", remedy);
    None
}

/// A secret that can contain no spaces. Problems are reported without its value.
fn secret(
    check: &mut Check,
    secrets: &SecretLoader,
    field: &str,
    reference: &SecretReference,
) -> Option<Secret<String>> {
    let text = check.secret(field, secrets.load_line(reference))?;
    if !text.expose().is_empty() && is_plain(text.expose()) {
        return Some(text);
    }
    check.problem(
        field,
        "the secret contains a space or an invalid character, or is too long",
        "store exactly what Seller Central showed, on one line, and nothing else",
    );
    None
}

#[cfg(test)]
mod tests;
