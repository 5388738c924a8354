//! What the accounts' sections of all APIs have in common.
//!
//! Owns: regions, quotas and endpoints as written. Must never know: one provider's fields, files, the whole
//! configuration.

use std::time::Duration;

use serde::Deserialize;

use super::pace::Quota;
use crate::http::address;

pub use crate::payments::environment::Environment;
pub use crate::problem::{Check, Problem};

/// The time limit of one request unless the section says otherwise.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

/// What the sections of accounts have in common.
impl Check {
    /// `live` or `sandbox`; required.
    pub fn environment(&mut self, field: &str, value: Option<&str>) -> Option<Environment> {
        let remedy = "write \"live\" or \"sandbox\"";
        let text = self.required(field, value, remedy)?;
        let environment = Environment::from_word(text);
        if environment.is_none() {
            self.problem(field, format!("{text:?} is not an environment"), remedy);
        }
        environment
    }

    /// A region or one of its countries; required.
    pub fn region(&mut self, field: &str, value: Option<&str>) -> Option<Region> {
        let remedy = "write \"na\" (us), \"eu\" (uk, de, fr, it, es) or \"jp\"";
        let text = self.required(field, value, remedy)?;
        let region = Region::from_word(text);
        if region.is_none() {
            self.problem(field, format!("{text:?} is not a region"), remedy);
        }
        region
    }

    /// The time limit of one request in seconds, 1 to 300; [`DEFAULT_DEADLINE`] when not given.
    pub fn deadline(&mut self, field: &str, seconds: Option<u64>) -> Duration {
        match seconds {
            None => DEFAULT_DEADLINE,
            Some(seconds @ 1..=300) => Duration::from_secs(seconds),
            Some(seconds) => {
                self.problem(field, format!("{seconds} s is out of range"), "write a number from 1 to 300");
                DEFAULT_DEADLINE
            }
        }
    }

    /// A custom endpoint instead of the provider's.
    pub fn endpoint(&mut self, field: &str, text: Option<&str>) -> Option<Endpoint> {
        match Endpoint::from_text(text?) {
            Ok(endpoint) => Some(endpoint),
            Err(what) => {
                let remedy = "write https://host, https://host:port, or http:// for this machine only";
                self.problem(field, what, remedy);
                None
            }
        }
    }

    /// The chosen quota; the default when it is not given or not readable.
    pub fn quota(&mut self, field: &str, section: Option<&QuotaSection>) -> QuotaChoice {
        match section.map_or(Ok(QuotaChoice::Default), QuotaSection::choice) {
            Ok(choice) => choice,
            Err(what) => {
                let remedy = "write \"default\", \"documented\" or { burst = 10, per_second = 1.0 }";
                self.problem(field, what, remedy);
                QuotaChoice::Default
            }
        }
    }
}

/// A region of the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Region {
    /// North America.
    Na,
    /// Europe and the United Kingdom.
    Eu,
    /// Japan.
    Jp,
}

impl Region {
    /// Parses a region, or a country with a marketplace in it, in any case. `us`, `de`, `uk` and `jp` are the
    /// aliases of the official clients (docs/src/reference/amazon-pay-v2.md, section 1).
    pub fn from_word(word: &str) -> Option<Region> {
        match word.to_ascii_lowercase().as_str() {
            "na" | "us" => Some(Region::Na),
            "eu" | "uk" | "gb" | "de" | "fr" | "it" | "es" => Some(Region::Eu),
            "jp" => Some(Region::Jp),
            _ => None,
        }
    }

    /// `na`, `eu` or `jp`.
    pub fn as_str(self) -> &'static str {
        match self {
            Region::Na => "na",
            Region::Eu => "eu",
            Region::Jp => "jp",
        }
    }

    /// The front page where a merchant of this region signs in. No deeper link is documented.
    pub fn where_to_look(self) -> &'static str {
        match self {
            Region::Na => "https://sellercentral.amazon.com/",
            Region::Eu => "https://sellercentral-europe.amazon.com/",
            Region::Jp => "https://sellercentral.amazon.co.jp/",
        }
    }
}

/// A quota as written.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged, expecting = "expected \"default\", \"documented\" or { burst = 10, per_second = 1.0 }")]
pub enum QuotaSection {
    /// `"default"` or `"documented"`.
    Word(String),
    /// `{ burst = 10, per_second = 1.0 }`.
    Numbers(QuotaNumbers),
}

/// A quota in numbers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuotaNumbers {
    /// The most requests at once.
    pub burst: u32,
    /// Tokens restored per second; 0.5 is one every two seconds.
    pub per_second: f64,
}

/// A quota as chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaChoice {
    /// The environment's default for every operation.
    Default,
    /// The quota that the provider documents for each operation.
    Documented,
    /// The same for every operation.
    Own(Quota),
}

impl QuotaSection {
    /// The choice, or what is wrong with it.
    pub fn choice(&self) -> Result<QuotaChoice, String> {
        match self {
            QuotaSection::Word(word) if word == "default" => Ok(QuotaChoice::Default),
            QuotaSection::Word(word) if word == "documented" => Ok(QuotaChoice::Documented),
            QuotaSection::Word(word) => Err(format!("{word:?} is not a quota")),
            QuotaSection::Numbers(QuotaNumbers { burst, per_second }) => {
                if !(1..=10_000).contains(burst) {
                    return Err(format!("a burst of {burst} is not between 1 and 10000"));
                }
                if !(0.001..=1000.0).contains(per_second) {
                    return Err(format!("{per_second} a second is not between 0.001 and 1000"));
                }
                Ok(QuotaChoice::Own(Quota { burst: *burst, per: Duration::from_secs_f64(1.0 / per_second) }))
            }
        }
    }
}

/// Where requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    base: String,
    host: String,
}

impl Endpoint {
    /// The provider's own, by host name.
    pub fn of_host(host: &str) -> Endpoint {
        Endpoint { base: format!("https://{host}"), host: host.to_owned() }
    }

    /// Parses `https://host[:port]`. `http` is allowed only for this machine, because only the provider may read a
    /// request. The error says what is wrong.
    pub fn from_text(text: &str) -> Result<Endpoint, String> {
        let url = address::checked(text.trim())?;
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err("it must be only scheme and host, without a path".to_owned());
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Ok(Endpoint { base: format!("{}://{host}{port}", url.scheme()), host })
    }

    /// `https://host[:port]`, without a slash at the end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The host without the port.
    pub fn host(&self) -> &str {
        &self.host
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_https_or_this_machine() {
        let base = |text| Endpoint::from_text(text).map(|endpoint| endpoint.base);
        assert_eq!(base("https://pay-api.amazon.com/").as_deref(), Ok("https://pay-api.amazon.com"));
        assert_eq!(base("https://proxy.shop:8443").as_deref(), Ok("https://proxy.shop:8443"));
        assert_eq!(base("http://127.0.0.1:8089").as_deref(), Ok("http://127.0.0.1:8089"));
        assert_eq!(base("http://[::1]:8089").as_deref(), Ok("http://[::1]:8089"));
        assert_eq!(base("http://localhost").as_deref(), Ok("http://localhost"));
        for bad in [
            "http://pay-api.amazon.com",
            "http://127.0.0.1.evil.com",
            "https://user:secret@host",
            "https://host/path",
            "https://host?query",
            "ftp://host",
            "host",
            "",
        ] {
            let what = base(bad).unwrap_err();
            assert!(!what.contains("secret"), "{what}");
        }
        assert_eq!(Endpoint::from_text("http://localhost:80/").unwrap().host(), "localhost");
    }

    #[test]
    fn quotas_are_read_from_words_and_numbers() {
        let read = |text: &str| {
            #[derive(Deserialize)]
            struct Section {
                quota: QuotaSection,
            }
            let section: Section =
                toml::from_str(&format!("quota = {text}")).map_err(|_| "form".to_owned())?;
            section.quota.choice()
        };
        assert_eq!(read("\"default\""), Ok(QuotaChoice::Default));
        assert_eq!(read("\"documented\""), Ok(QuotaChoice::Documented));
        let half = Quota { burst: 4, per: Duration::from_secs(2) };
        assert_eq!(read("{ burst = 4, per_second = 0.5 }"), Ok(QuotaChoice::Own(half)));
        for bad in [
            "\"fast\"",
            "{ burst = 0, per_second = 1.0 }",
            "{ burst = 1, per_second = 0.0 }",
            "{ burst = 1, per_second = nan }",
            "{ burst = 1, per_second = -1.0 }",
            "{ burst = 1 }",
            "{ burst = 1, per_second = 1.0, more = 1 }",
            "7",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn all_problems_are_collected_with_their_keys() {
        let mut check = Check::new("account.shop");
        assert_eq!(check.region("region", Some("moon")), None);
        assert_eq!(check.environment("environment", None), None);
        assert_eq!(check.deadline("deadline_s", Some(0)), DEFAULT_DEADLINE);
        assert_eq!(check.endpoint("endpoint", Some("http://far.away")), None);
        let problems = check.finish::<()>(None).unwrap_err();
        let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
        let expected = [
            "account.shop.region",
            "account.shop.environment",
            "account.shop.deadline_s",
            "account.shop.endpoint",
        ];
        assert_eq!(keys, expected);
        assert!(problems[1].to_string().contains("is missing → write \"live\" or \"sandbox\""));
    }

    #[test]
    fn countries_lead_to_their_region() {
        assert_eq!(Region::from_word("US"), Some(Region::Na));
        assert_eq!(Region::from_word("uk"), Some(Region::Eu));
        assert_eq!(Region::from_word("de"), Some(Region::Eu));
        assert_eq!(Region::from_word("jp"), Some(Region::Jp));
        assert_eq!(Region::from_word(""), None);
    }
}
