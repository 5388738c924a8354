//! An account's section (docs/src/reference/amazon-pay-v2.md, sections 1, 2.1 and 8.4).
//!
//! Owns: its fields as written ([`AccountSection`]) and as checked ([`Settings`]).
//! Must never know: how a request is made, the time.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use crate::apis::config::{Check, Endpoint, Environment, Problem, QuotaChoice, QuotaSection, Region};
use crate::apis::pace::Quota;
use crate::secret::{SecretLoader, SecretReference};

use super::key::SigningKey;
use super::operations::{OPERATIONS, documented_quota};
use super::sign::Algorithm;

/// An account's section as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccountSection {
    /// `na`, `eu`, `jp`, or a country in one of them.
    pub region: Option<String>,
    /// `live` or `sandbox`.
    pub environment: Option<String>,
    /// As shown in Seller Central: `LIVE-...`, `SANDBOX-...`, or without a prefix in older accounts.
    pub public_key_id: Option<String>,
    /// `file:/absolute/path` or `credential:name` of the private key's PEM.
    pub private_key: Option<SecretReference>,
    /// The merchant's id, to tell accounts apart in notifications.
    pub merchant_id: Option<String>,
    /// `AMZN-PAY-RSASSA-PSS-V2` (the default) or `AMZN-PAY-RSASSA-PSS`.
    pub algorithm: Option<String>,
    /// An endpoint other than Amazon's: `https://host[:port]`, or `http` on this machine.
    pub endpoint: Option<String>,
    /// `"default"`, `"documented"` or `{ burst = 10, per_second = 1.0 }`.
    pub quota: Option<QuotaSection>,
    /// The time limit of one request in seconds, 1 to 300.
    pub deadline_s: Option<u64>,
    /// Whether operations that change anything may be called. The default is no.
    pub allow_writes: bool,
}

/// An account's section as checked, its key loaded.
#[derive(Clone)]
pub struct Settings {
    pub(super) region: Region,
    pub(super) environment: Environment,
    pub(super) public_key_id: String,
    pub(super) signing_key: SigningKey,
    pub(super) algorithm: Algorithm,
    pub(super) endpoint: Endpoint,
    pub(super) deadline: Duration,
    pub(super) is_writing_allowed: bool,
    merchant_id: Option<String>,
    quota: QuotaChoice,
}

impl AccountSection {
    /// Checks everything and loads the key; `path` is the section's place in the configuration (`account.shop`). All
    /// problems are returned together.
    pub fn resolve(&self, path: &str, secrets: &SecretLoader) -> Result<Settings, Vec<Problem>> {
        let mut check = Check::new(path);
        let region = check.region("region", self.region.as_deref());
        let environment = check.environment("environment", self.environment.as_deref());
        let public_key_id = public_key_id(&mut check, self.public_key_id.as_deref(), environment);
        let signing_key = self.signing_key(&mut check, secrets);
        let algorithm = algorithm(&mut check, self.algorithm.as_deref());
        let own_endpoint = check.endpoint("endpoint", self.endpoint.as_deref());
        let quota = check.quota("quota", self.quota.as_ref());
        let deadline = check.deadline("deadline_s", self.deadline_s);
        let settings = (|| {
            let region = region?;
            Some(Settings {
                region,
                environment: environment?,
                public_key_id: public_key_id?,
                signing_key: signing_key?,
                algorithm: algorithm?,
                endpoint: own_endpoint.unwrap_or_else(|| Endpoint::of_host(host(region))),
                deadline,
                is_writing_allowed: self.allow_writes,
                merchant_id: self.merchant_id.clone(),
                quota,
            })
        })();
        check.finish(settings)
    }

    fn signing_key(&self, check: &mut Check, secrets: &SecretLoader) -> Option<SigningKey> {
        let Some(reference) = &self.private_key else {
            check.problem(
                "private_key",
                "is missing",
                "write \"file:/absolute/path\" or \"credential:name\"",
            );
            return None;
        };
        let pem = check.secret("private_key", secrets.load(reference))?;
        if secrets.is_blind() {
            return Some(SigningKey::absent());
        }
        match SigningKey::from_pem(pem.expose()) {
            Ok(key) => Some(key),
            Err(bad) => {
                let what = format!("the private key cannot be used: {bad}");
                check.problem("private_key", what, bad.remedy());
                None
            }
        }
    }
}

/// Amazon's host of a region (section 1).
fn host(region: Region) -> &'static str {
    match region {
        Region::Na => "pay-api.amazon.com",
        Region::Eu => "pay-api.amazon.eu",
        Region::Jp => "pay-api.amazon.jp",
    }
}

/// The environment that a key's prefix names, if it has one.
fn environment_of_key(public_key_id: &str) -> Option<Environment> {
    let id = public_key_id.to_ascii_uppercase();
    if id.starts_with("LIVE") {
        Some(Environment::Live)
    } else if id.starts_with("SANDBOX") {
        Some(Environment::Sandbox)
    } else {
        None
    }
}

fn public_key_id(check: &mut Check, text: Option<&str>, environment: Option<Environment>) -> Option<String> {
    let remedy = "copy the public key id from Seller Central (Integration Central)";
    let id = check.required("public_key_id", text, remedy)?;
    let is_plain = id.len() <= 100
        && id.bytes().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'_' | b'.'));
    if !is_plain {
        check.problem("public_key_id", "has characters that a key id cannot have", remedy);
        return None;
    }
    if let (Some(of_key), Some(of_account)) = (environment_of_key(id), environment)
        && of_key != of_account
    {
        let what = format!("is a {} key, but the environment is {}", of_key.as_str(), of_account.as_str());
        check.problem("public_key_id", what, "use the key of the environment, or change the environment");
    }
    Some(id.to_owned())
}

fn algorithm(check: &mut Check, text: Option<&str>) -> Option<Algorithm> {
    let Some(label) = text else { return Some(Algorithm::PssV2) };
    let algorithm = Algorithm::from_label(label);
    if algorithm.is_none() {
        let remedy = "leave it out, or write \"AMZN-PAY-RSASSA-PSS-V2\" or \"AMZN-PAY-RSASSA-PSS\"";
        check.problem("algorithm", format!("{label:?} is not a signing algorithm"), remedy);
    }
    algorithm
}

impl Settings {
    /// `na`, `eu`, `jp`.
    pub fn region(&self) -> &'static str {
        self.region.as_str()
    }

    /// Real money or not.
    pub fn environment(&self) -> Environment {
        self.environment
    }

    /// What identifies the sender of these requests to the provider.
    pub fn credentials(&self) -> Vec<&str> {
        vec![self.endpoint.base(), self.environment.as_str(), &self.public_key_id]
    }

    /// The merchant's id, if the section names it.
    pub fn merchant_id(&self) -> Option<&str> {
        self.merchant_id.as_deref()
    }

    /// The path before every operation: a prefixed key names its environment itself (section 1).
    pub(super) fn base_path(&self) -> &'static str {
        match (environment_of_key(&self.public_key_id), self.environment) {
            (Some(_), _) => "/v2",
            (None, Environment::Live) => "/live/v2",
            (None, Environment::Sandbox) => "/sandbox/v2",
        }
    }

    /// The request budget of every operation, for [`crate::apis::pace::Pace::set_quota`].
    pub fn quotas(&self) -> Vec<(&'static str, Quota)> {
        let quota_of = |operation| match self.quota {
            QuotaChoice::Default => Quota::usual(self.environment),
            QuotaChoice::Documented => documented_quota(self.environment, operation),
            QuotaChoice::Own(quota) => quota,
        };
        OPERATIONS.iter().map(|known| (known.name, quota_of(known.name))).collect()
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("region", &self.region)
            .field("environment", &self.environment)
            .field("endpoint", &self.endpoint.base())
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::LazyLock;

    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use aws_lc_rs::signature::KeyPair as _;
    use base64::Engine;

    use super::*;

    /// One key for all tests, as PEM, and its public half.
    static KEY: LazyLock<(String, Vec<u8>)> = LazyLock::new(|| {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let text = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
        (pem, public.as_ref().to_vec())
    });

    /// A directory of credentials that holds a key named `key`; and the key's public half.
    pub(in crate::apis::amazon_pay_v2) fn credentials() -> (tempfile::TempDir, SecretLoader, Vec<u8>) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("key"), &KEY.0).unwrap();
        let loader = SecretLoader::new(Some(directory.path().to_owned()));
        (directory, loader, KEY.1.clone())
    }

    const SECTION: &str = r#"
        region = "us"
        environment = "sandbox"
        public_key_id = "SANDBOX-AFFGBXYDWKVJD7Z5CPVFH2TD"
        private_key = "credential:key"
    "#;

    fn section(text: &str) -> AccountSection {
        toml::from_str(text).unwrap()
    }

    fn resolve(text: &str) -> Result<Settings, Vec<String>> {
        let (_directory, loader, _) = credentials();
        section(text)
            .resolve("account.shop", &loader)
            .map_err(|problems| problems.iter().map(|problem| problem.key.clone()).collect())
    }

    #[test]
    fn the_shortest_section_has_sensible_defaults() {
        let settings = resolve(SECTION).unwrap();
        assert_eq!(settings.endpoint.base(), "https://pay-api.amazon.com");
        assert_eq!(settings.algorithm, Algorithm::PssV2);
        assert_eq!(settings.base_path(), "/v2");
        assert_eq!(settings.deadline.as_secs(), 30);
        assert_eq!(settings.environment(), Environment::Sandbox);
        assert!(settings.quotas().iter().all(|(_, quota)| *quota == Quota::SANDBOX));
        assert!(!format!("{settings:?}").contains("AFFGBX"));
    }

    #[test]
    fn key_prefix_and_environment_choose_the_path() {
        let path = |key: &str, environment: &str| {
            let text = SECTION
                .replace("SANDBOX-AFFGBXYDWKVJD7Z5CPVFH2TD", key)
                .replace("\"sandbox\"", &format!("\"{environment}\""));
            resolve(&text).map(|settings| settings.base_path())
        };
        assert_eq!(path("LIVE-A1", "live"), Ok("/v2"));
        assert_eq!(path("sandbox-a1", "sandbox"), Ok("/v2"));
        assert_eq!(path("AHLQPQ2NG3", "live"), Ok("/live/v2"));
        assert_eq!(path("AHLQPQ2NG3", "Sandbox"), Ok("/sandbox/v2"));
        assert_eq!(path("LIVE-A1", "sandbox"), Err(vec!["account.shop.public_key_id".to_owned()]));
        assert_eq!(path("SANDBOX-A1", "live"), Err(vec!["account.shop.public_key_id".to_owned()]));
    }

    #[test]
    fn regions_choose_the_host() {
        for (word, host) in [("uk", "https://pay-api.amazon.eu"), ("jp", "https://pay-api.amazon.jp")] {
            let settings = resolve(&SECTION.replace("\"us\"", &format!("\"{word}\""))).unwrap();
            assert_eq!(settings.endpoint.base(), host);
        }
    }

    #[test]
    fn documented_and_own_quotas_replace_the_default() {
        let quota = |line: &str| resolve(&format!("{SECTION}\n{line}")).unwrap().quotas();
        let documented = quota("quota = \"documented\"");
        for (operation, quota) in documented {
            let burst = if operation.starts_with("Get") { 5 } else { 2 };
            assert_eq!(quota, Quota { burst, per: Duration::from_secs(1) }, "{operation}");
        }
        let own = quota("quota = { burst = 3, per_second = 4.0 }");
        assert!(own.iter().all(|(_, quota)| *quota == Quota { burst: 3, per: Duration::from_millis(250) }));
        assert_eq!(own.len(), OPERATIONS.len());
    }

    #[test]
    fn all_problems_come_at_once() {
        let empty = resolve("").unwrap_err();
        let keys: Vec<&str> = empty.iter().map(|key| key.trim_start_matches("account.shop.")).collect();
        assert_eq!(keys, ["region", "environment", "public_key_id", "private_key"]);
        let wrong = resolve(
            r#"
            region = "moon"
            environment = "test"
            public_key_id = "with spaces"
            private_key = "credential:none"
            algorithm = "HS256"
            endpoint = "http://example.com"
            quota = "fast"
            deadline_s = 0
            "#,
        );
        assert_eq!(wrong.unwrap_err().len(), 8);
    }

    #[test]
    fn a_misspelt_field_and_a_key_that_is_none_are_refused() {
        assert!(toml::from_str::<AccountSection>("publik_key_id = \"x\"").is_err());
        let (directory, loader, _) = credentials();
        std::fs::write(directory.path().join("key"), "hunter2").unwrap();
        let problems = section(SECTION).resolve("account.shop", &loader).unwrap_err();
        let text = problems[0].to_string();
        assert!(text.contains("cannot be used: it is not a PEM file") && !text.contains("hunter2"), "{text}");
    }
}
