//! The section of an account at Amazon Pay through MWS.
//!
//! Owns: its keys, their checks, the hosts and paths of the provider (docs/src/reference/amazon-pay-mws.md,
//! section 1). Must never know: the network, other sections, where secrets lie.

use std::time::Duration;

use serde::Deserialize;

use super::feeds::document::Caps;
use super::kind::ObjectKind;
use super::operations::{Group, OPERATIONS};
use super::sign::SigningKey;
use crate::apis::config::{Check, Endpoint, Environment, Problem, QuotaChoice, QuotaSection, Region};
use crate::apis::pace::Quota;
use crate::secret::{Secret, SecretLoader, SecretReference};

/// The documented quota of the five reading operations in production: 20, then 2 a second (section 3.1).
pub const DOCUMENTED_LIVE: Quota = Quota { burst: 20, per: Duration::from_millis(500) };
/// The same in the sandbox: 5, then 1 a second (section 3.1).
pub const DOCUMENTED_SANDBOX: Quota = Quota { burst: 5, per: Duration::from_secs(1) };

/// The longest seller id, access key id, token or secret key; the provider's have at most 45 letters.
const LONGEST_CREDENTIAL: usize = 256;

/// An account's section as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Section {
    /// `na`, `eu`, `jp` or a country of theirs. Needed.
    pub region: Option<String>,
    /// `live` or `sandbox`. Needed.
    pub environment: Option<String>,
    /// The merchant id. Needed; for a solution provider, that of the merchant acted for.
    pub seller_id: Option<String>,
    /// The MWS access key id, 20 letters. Needed.
    pub access_key_id: Option<String>,
    /// Where the MWS secret key lies. Needed.
    pub secret_key: Option<SecretReference>,
    /// Where the `amzn.mws.…` token lies; only for solution providers.
    pub mws_auth_token: Option<SecretReference>,
    /// `https://host[:port]` instead of the provider's; the path stays.
    pub endpoint: Option<String>,
    /// The Amazon Pay marketplace of batches and reports, where it is not that of the region and environment.
    pub marketplace_id: Option<String>,
    /// Whether the provider's word about itself (`GetServiceStatus`) steers polling; true when not given.
    pub service_status: Option<bool>,
    /// `"default"`, `"documented"` or `{ burst, per_second }`.
    pub quota: Option<QuotaSection>,
    /// Seconds for one exchange, 1 to 300; 30 when not given.
    pub deadline_s: Option<u64>,
    /// Whether anything may be changed at the provider; not unless it says so.
    pub allow_writes: bool,
    /// How large one feed of a batch may be.
    pub batch: BatchSection,
}

/// How large one feed may be, as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchSection {
    /// Requests of one feed, 1 to 60000; 30000, as the provider advises.
    pub max_requests: Option<usize>,
    /// Megabytes (10^6 bytes) of one feed, 1 to 100; 10, as the provider advises.
    pub max_mb: Option<usize>,
}

/// An account's section as resolved: everything needed to sign and send.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where in the world.
    pub region: Region,
    /// Real money or not.
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
    /// The Amazon Pay marketplace that batches go to; none where nobody knows it (live Japan).
    pub marketplace_id: Option<String>,
    /// Whether the provider is asked how it is, and heeded.
    pub is_service_followed: bool,
    /// The budget of each operation.
    pub quota: QuotaChoice,
    /// For one whole exchange.
    pub deadline: Duration,
    /// Whether anything may be changed at the provider.
    pub is_writing_allowed: bool,
    /// How large one feed of a batch may be.
    pub batch_caps: Caps,
}

impl Section {
    /// Checks everything and loads the secrets. `path` is where the section stands (`account.shop`).
    ///
    /// Errors: all problems at once, with key and remedy.
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

    /// The marketplace that was written, else the known one of the region's word: the United Kingdom has another
    /// than the rest of Europe (docs/src/reference/amazon-pay-batch.md, section 1).
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
    /// What the provider advises, where nothing else is written (docs/src/reference/amazon-pay-batch.md,
    /// section 2.3).
    fn caps(&self, check: &mut Check) -> Caps {
        let mut caps = Caps::ADVISED;
        match self.max_requests {
            None => {}
            Some(requests) if (1..=Caps::MOST.requests).contains(&requests) => caps.requests = requests,
            Some(_) => check.problem(
                "batch.max_requests",
                "is outside 1 to 60000",
                "30000 is what the provider advises",
            ),
        }
        match self.max_mb {
            None => {}
            Some(mb @ 1..=100) => caps.bytes = mb * 1_000_000 - 1,
            Some(_) => {
                check.problem("batch.max_mb", "is outside 1 to 100", "10 is what the provider advises");
            }
        }
        caps
    }
}

impl Settings {
    /// Whose requests the provider takes these for: it counts by seller and key (section 5.1).
    pub fn credentials(&self) -> Vec<&str> {
        vec![self.endpoint.base(), self.environment.as_str(), &self.seller_id, &self.access_key_id]
    }

    /// The path of every request, as it is signed and sent: without a slash at its end, as the official
    /// SDKs have it (section 1.1).
    pub fn path(&self) -> &'static str {
        match self.environment {
            Environment::Live => "/OffAmazonPayments/2013-01-01",
            Environment::Sandbox => "/OffAmazonPayments_Sandbox/2013-01-01",
        }
    }

    /// The host that is signed: in small letters, with its port unless that is the usual one
    /// (section 2.1, step 5).
    pub fn signed_host(&self) -> String {
        let base = self.endpoint.base();
        base.split_once("://").map_or(base, |(_, host)| host).to_ascii_lowercase()
    }

    /// The budget of every operation that is used. What was chosen holds for the looks at objects; all others have
    /// their documented quotas, which are smaller (section 3.1; docs/src/reference/amazon-pay-batch.md, section 8).
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
        quotas.extend(super::feeds::QUOTAS.iter().chain(super::reports::QUOTAS).copied());
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

/// A field that must be there and can have no space in it; one with a space was copied wrongly.
fn plain(check: &mut Check, field: &str, value: Option<&str>, remedy: &str) -> Option<String> {
    let text = check.required(field, value, remedy)?;
    if is_plain(text) {
        return Some(text.to_owned());
    }
    check.problem(field, "has spaces or letters that cannot be in it, or is too long", remedy);
    None
}

/// A secret that can have no space in it. What is wrong is told without the value.
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
        "the secret has spaces or letters that cannot be in it, or is too long",
        "store exactly what Seller Central showed, on one line, and nothing else",
    );
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn loader(directory: &Path) -> SecretLoader {
        std::fs::write(directory.join("mws-secret"), "exampleSecretKey/With+Chars=0123456789AB\n").unwrap();
        std::fs::write(directory.join("mws-token"), "amzn.mws.4ea38b7b-f563-7709-4bae-87aeaEXAMPLE\n")
            .unwrap();
        std::fs::write(directory.join("spaced"), "two words of a secret").unwrap();
        SecretLoader::new(Some(directory.to_owned()))
    }

    fn resolve(text: &str) -> Result<Settings, Vec<Problem>> {
        let directory = tempfile::tempdir().unwrap();
        let section: Section = toml::from_str(text).unwrap();
        section.resolve("account.shop", &loader(directory.path()))
    }

    const WHOLE: &str = r#"
        region = "de"
        environment = "sandbox"
        seller_id = "A1EXAMPLESELLER"
        access_key_id = "AKIAEXAMPLEKEY000001"
        secret_key = "credential:mws-secret"
    "#;

    #[test]
    fn a_whole_section_leads_to_the_right_place() {
        let settings = resolve(WHOLE).unwrap();
        assert_eq!(settings.endpoint.base(), "https://mws-eu.amazonservices.com");
        assert_eq!(settings.signed_host(), "mws-eu.amazonservices.com");
        assert_eq!(settings.path(), "/OffAmazonPayments_Sandbox/2013-01-01");
        assert_eq!(settings.deadline, Duration::from_secs(30));
        assert!(settings.mws_auth_token.is_none());
        let shown = format!("{settings:?}");
        assert!(!shown.contains("exampleSecretKey"), "{shown}");
    }

    #[test]
    fn every_region_and_environment_has_its_host_and_path() {
        for (region, host) in [
            ("us", "mws.amazonservices.com"),
            ("uk", "mws-eu.amazonservices.com"),
            ("jp", "mws.amazonservices.jp"),
        ] {
            let settings = resolve(&WHOLE.replace("\"de\"", &format!("\"{region}\""))).unwrap();
            assert_eq!(settings.signed_host(), host);
        }
        let live = resolve(&WHOLE.replace("sandbox", "live")).unwrap();
        assert_eq!(live.path(), "/OffAmazonPayments/2013-01-01");
    }

    #[test]
    fn the_marketplace_follows_region_and_environment() {
        let of = |text: &str| resolve(text).unwrap().marketplace_id;
        assert_eq!(of(WHOLE).as_deref(), Some("A1G8446IYHA4MR"));
        assert_eq!(of(&WHOLE.replace("\"de\"", "\"uk\"")).as_deref(), Some("A3M3RRFO9XDT2G"));
        let live_japan = WHOLE.replace("\"de\"", "\"jp\"").replace("sandbox", "live");
        assert_eq!(of(&live_japan), None);
        let own = format!("{live_japan}\nmarketplace_id = \"A1OWN\"");
        assert_eq!(of(&own).as_deref(), Some("A1OWN"));
    }

    #[test]
    fn nothing_is_written_unless_said_and_feeds_are_as_large_as_advised() {
        let settings = resolve(WHOLE).unwrap();
        assert!(!settings.is_writing_allowed);
        assert_eq!(settings.batch_caps, Caps::ADVISED);
        let large = "allow_writes = true\nbatch = { max_requests = 60000, max_mb = 50 }";
        let settings = resolve(&format!("{WHOLE}\n{large}")).unwrap();
        assert!(settings.is_writing_allowed);
        assert_eq!(settings.batch_caps, Caps { requests: 60_000, bytes: 49_999_999 });
        for bad in ["max_requests = 60001", "max_requests = 0", "max_mb = 0", "max_mb = 101"] {
            let problems = resolve(&format!("{WHOLE}\nbatch = {{ {bad} }}")).unwrap_err();
            assert!(problems[0].key.starts_with("account.shop.batch."), "{problems:?}");
        }
    }

    #[test]
    fn an_endpoint_of_ones_own_is_signed_with_its_port() {
        let at =
            |endpoint: &str| resolve(&format!("{WHOLE}\nendpoint = \"{endpoint}\"")).unwrap().signed_host();
        assert_eq!(at("http://127.0.0.1:8089"), "127.0.0.1:8089");
        assert_eq!(at("https://Proxy.Shop:443"), "proxy.shop");
    }

    #[test]
    fn quotas_are_those_chosen() {
        let quota = |more: &str| {
            let quotas = resolve(&format!("{WHOLE}\n{more}")).unwrap().quotas();
            assert!(quotas[..5].iter().all(|(_, quota)| *quota == quotas[0].1));
            let of = |name: &str| quotas.iter().find(|(known, _)| *known == name).unwrap().1;
            assert_eq!(of("Capture"), Quota { burst: 2, per: Duration::from_secs(2) });
            assert_eq!(of("GetServiceStatus"), Quota { burst: 2, per: Duration::from_secs(300) });
            assert_eq!(of("SubmitFeed"), Quota { burst: 15, per: Duration::from_secs(120) });
            assert_eq!(of("GetReportList"), Quota { burst: 10, per: Duration::from_secs(60) });
            quotas[0].1
        };
        assert_eq!(quota(""), Quota::SANDBOX);
        assert_eq!(quota("quota = \"documented\""), DOCUMENTED_SANDBOX);
        let own = Quota { burst: 3, per: Duration::from_secs(4) };
        assert_eq!(quota("quota = { burst = 3, per_second = 0.25 }"), own);
        let live = WHOLE.replace("sandbox", "live");
        assert_eq!(resolve(&live).unwrap().quotas()[0].1, Quota::LIVE);
        let documented = resolve(&format!("{live}\nquota = \"documented\"")).unwrap();
        assert_eq!(documented.quotas()[0], ("GetAuthorizationDetails", DOCUMENTED_LIVE));
    }

    #[test]
    fn all_problems_come_at_once_and_show_no_secret() {
        let problems = resolve(
            r#"
            region = "moon"
            access_key_id = "AKIA EXAMPLE"
            secret_key = "exampleSecretKeyInline"
            mws_auth_token = "credential:spaced"
            endpoint = "http://far.away"
            quota = "fast"
            deadline_s = 0
            "#,
        )
        .unwrap_err();
        let keys: Vec<&str> =
            problems.iter().map(|problem| problem.key.trim_start_matches("account.shop.")).collect();
        let expected = [
            "region",
            "environment",
            "seller_id",
            "access_key_id",
            "secret_key",
            "mws_auth_token",
            "endpoint",
            "quota",
            "deadline_s",
        ];
        assert_eq!(keys, expected);
        for problem in &problems {
            let text = problem.to_string();
            assert!(!problem.remedy.is_empty(), "{text}");
            assert!(!text.contains("exampleSecretKeyInline") && !text.contains("two words"), "{text}");
        }
    }

    #[test]
    fn unknown_keys_are_refused() {
        assert!(toml::from_str::<Section>("secretkey = \"file:/x\"").is_err());
    }
}
