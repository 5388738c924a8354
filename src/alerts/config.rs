//! The `[[alert]]` sections of the configuration.
//!
//! Owns: their keys, defaults and checks. Must never know: the rest of the configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::de::{Deserialize, Deserializer, Error};
use toml::Table;

use super::alerting::Alerting;
use super::link::Links;
use super::routes::{Route, Routes};
use super::setting::Setting;
use super::target::{Registration, SectionError, Target, TargetSection};
use super::targets;
use crate::http::Transport;
use crate::http::connections::Connections;
use crate::payments::alert::{AlertKind, Severity};
use crate::payments::environment::Environment;
use crate::payments::object::AccountName;
use crate::problem::Problem;
use crate::secret::SecretLoader;

/// The keys that the section of every target has.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct CommonKeys {
    /// The operator's name for the target. Pending alerts are stored under it, so do not change it.
    name: String,
    /// The kind of the target.
    kind: Kind,
    /// Only these accounts; empty means all.
    #[serde(default)]
    accounts: Vec<String>,
    /// Only these environments. Sandbox and live share a channel only if configured to
    /// (docs/src/reference/operations.md, section 3).
    #[serde(default = "live_only")]
    environments: Vec<Environment>,
    /// The lowest severity: `info`, `warning` or `critical`.
    #[serde(default = "info")]
    min_severity: Severity,
    /// Only these kinds (`declined`, `overdue`, ...); empty means all.
    #[serde(default)]
    kinds: Vec<String>,
    /// The time limit for one delivery, in seconds.
    #[serde(default = "ten")]
    timeout_s: u64,
    /// After this many hours without success, a message is given up and this is reported to the other targets.
    #[serde(default = "seventy_six")]
    give_up_after_h: u64,
    /// The target that gets a message when this one has not taken it.
    #[serde(default)]
    fallback: Option<String>,
    /// Certificates (PEM) that are trusted for this target in addition to the system's, in the place of `http.ca_file`.
    #[serde(default)]
    ca_file: Option<PathBuf>,
}

/// Their names. All other keys belong to the kind of target.
const COMMON: &[&str] = &[
    "name",
    "kind",
    "accounts",
    "environments",
    "min_severity",
    "kinds",
    "timeout_s",
    "give_up_after_h",
    "fallback",
    "ca_file",
];

/// A kind of target, as written.
#[derive(Debug)]
struct Kind(&'static Registration);

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Kind, D::Error> {
        let word = String::deserialize(deserializer)?;
        targets::find(&word).map(Kind).ok_or_else(|| {
            let known: Vec<&str> = targets::ALL.iter().map(|registration| registration.kind).collect();
            let shown: String = word.chars().take(64).collect();
            D::Error::custom(format!("there is no kind {shown:?}, expected one of {}", known.join(", ")))
        })
    }
}

/// One `[[alert]]` section as written.
#[derive(Debug)]
pub struct AlertSection {
    common: CommonKeys,
    target: Box<dyn TargetSection>,
}

impl AlertSection {
    /// Reads a section.
    ///
    /// # Errors
    /// The first problem, with its key.
    pub fn read(table: Table) -> Result<AlertSection, SectionError> {
        let (common, own) =
            table.into_iter().partition(|(key, _): &(String, _)| COMMON.contains(&key.as_str()));
        let (common, own): (Table, Table) = (common, own);
        if !common.contains_key("kind")
            && let Some(error) = unknown_to_all(&own)
        {
            return Err(error);
        }
        let common: CommonKeys = serde_path_to_error::deserialize(common)?;
        let target = (common.kind.0.read)(own).map_err(with_common_keys)?;
        Ok(AlertSection { common, target })
    }
}

fn is_unknown(error: &SectionError) -> bool {
    error.inner().message().starts_with("unknown field")
}

/// The error about a key that no kind of target has.
fn unknown_to_all(own: &Table) -> Option<SectionError> {
    own.iter().find_map(|(key, value)| {
        let alone: Table = [(key.clone(), value.clone())].into_iter().collect();
        let errors = targets::ALL.iter().map(|kind| (kind.read)(alone.clone()).err().filter(is_unknown));
        errors.collect::<Option<Vec<_>>>()?.pop().map(with_common_keys)
    })
}

/// An error about an unknown key that names the keys of every target as well.
fn with_common_keys(error: SectionError) -> SectionError {
    with_keys(error, COMMON)
}

/// An error about an unknown key that names more keys as well.
pub(super) fn with_keys(error: SectionError, keys: &[&str]) -> SectionError {
    let message = error.inner().message();
    let Some((what, own)) = message.split_once("expected ").filter(|_| is_unknown(&error)) else {
        return error;
    };
    let own = own.trim_start_matches("one of ").replace(" or ", ", ");
    let known = format!("{what}expected one of {own}, {}", keys.join(", "));
    SectionError::new(error.path().clone(), toml::de::Error::custom(known))
}

fn live_only() -> Vec<Environment> {
    vec![Environment::Live]
}

fn info() -> Severity {
    Severity::Info
}

fn ten() -> u64 {
    10
}

/// The whole schedule of section 2.1 of docs/src/reference/operations.md: 75 h 35 min 5 s, plus its jitter.
fn seventy_six() -> u64 {
    76
}

/// A target that is ready for use.
pub struct Channel {
    /// The operator's name for it.
    pub name: String,
    /// The target.
    pub target: Box<dyn Target>,
    /// The time limit for one delivery.
    pub timeout: Duration,
    /// When a message to it is given up.
    pub give_up_after: Duration,
    /// The target that then gets it.
    pub fallback: Option<String>,
    /// How it is reached, if it trusts certificates of its own; none for the client of all others.
    pub transport: Option<Arc<dyn Transport>>,
}

impl fmt::Debug for Channel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Channel")
            .field("name", &self.name)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

/// All sections, checked.
#[derive(Debug)]
pub struct AlertConfig {
    /// The targets.
    pub channels: Vec<Channel>,
    /// Which target receives which alerts.
    pub routes: Routes,
    /// Rules without effect, in words.
    pub remarks: Vec<String>,
    /// All accounts.
    pub accounts: BTreeSet<AccountName>,
    /// The targets of events, as the store names them.
    pub receivers: BTreeSet<String>,
    /// When alerts are combined, counted as late, and repeated.
    pub alerting: Alerting,
    /// The zone for times in messages; UTC is shown beside it.
    pub zone: TimeZone,
    /// Where alerts are acknowledged with a browser, if that is wanted.
    pub links: Option<Links>,
}

impl Default for AlertConfig {
    fn default() -> AlertConfig {
        AlertConfig {
            channels: Vec::new(),
            routes: Routes::default(),
            remarks: Vec::new(),
            accounts: BTreeSet::new(),
            receivers: BTreeSet::new(),
            alerting: Alerting::default(),
            zone: TimeZone::UTC,
            links: None,
        }
    }
}

/// Checks all sections and reads their secrets. `accounts` holds every configured account with whether it is a
/// sandbox; `secrets` says where secrets are, `connections` how other machines are reached.
///
/// # Errors
/// All problems at once.
pub fn resolve(
    sections: &[AlertSection],
    accounts: &BTreeMap<AccountName, bool>,
    secrets: &SecretLoader,
    connections: &Connections,
) -> Result<AlertConfig, Vec<Problem>> {
    let sandbox_accounts: BTreeSet<AccountName> =
        accounts.iter().filter(|(_, is_sandbox)| **is_sandbox).map(|(name, _)| name.clone()).collect();
    let all = accounts.keys().cloned().collect();
    let mut config = AlertConfig { accounts: all, ..AlertConfig::default() };
    config.routes.sandbox_accounts = sandbox_accounts;
    let fallbacks: Vec<(&str, Option<&str>)> =
        sections.iter().map(|section| (&*section.common.name, section.common.fallback.as_deref())).collect();
    let mut problems = Vec::new();
    let mut names = BTreeSet::new();
    for (number, section) in sections.iter().enumerate() {
        let common = &section.common;
        let mut setting = Setting::new(
            ("alert", number),
            secrets,
            &config.routes.sandbox_accounts,
            connections.extra_roots_pem().to_vec(),
        );
        setting.name(&common.name, &mut names);
        setting.numbers(common.timeout_s, common.give_up_after_h, &common.environments);
        let accounts = setting.accounts(&common.accounts, accounts);
        setting.kinds(&common.kinds);
        setting.fallback(number, &fallbacks);
        let fallback = sections.iter().find(|other| Some(&other.common.name) == common.fallback.as_ref());
        let hears = |environment: &&Environment| {
            fallback.is_none_or(|fallback| fallback.common.environments.contains(environment))
        };
        if let Some(environment) = common.environments.iter().find(|environment| !hears(environment)) {
            let what = format!("its environments do not include {}", environment.as_str());
            setting.problem("fallback", what, "add it there, or name another alert section");
        }
        let transport = setting.transport(common.ca_file.as_deref(), false, connections);
        let target = section.target.build(&mut setting);
        problems.extend(setting.finish());
        // Without secrets there is nothing to send to, but which target would receive what is still known.
        match target {
            _ if secrets.is_blind() => {}
            None => continue,
            Some(target) => config.channels.push(Channel {
                name: common.name.clone(),
                target,
                timeout: Duration::from_secs(common.timeout_s),
                give_up_after: Duration::from_secs(common.give_up_after_h.saturating_mul(3600)),
                fallback: common.fallback.clone(),
                transport,
            }),
        }
        config.routes.filters.push(Route {
            target: common.name.clone(),
            accounts,
            hears_live: common.environments.contains(&Environment::Live),
            hears_sandbox: common.environments.contains(&Environment::Sandbox),
            min_severity: common.min_severity,
            kinds: common.kinds.iter().cloned().map(AlertKind::from).collect(),
        });
    }
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::alert;
    use super::*;

    fn tables(text: &str) -> Vec<Table> {
        let mut whole: Table = toml::from_str(text).unwrap();
        whole.remove("alert").unwrap().try_into().unwrap()
    }

    fn sections(text: &str) -> Vec<AlertSection> {
        tables(text).into_iter().map(|table| AlertSection::read(table).unwrap()).collect()
    }

    fn resolved(written: &[AlertSection], secrets: &tempfile::TempDir) -> Result<AlertConfig, Vec<Problem>> {
        let loader = SecretLoader::new(Some(secrets.path().to_owned()));
        resolve(written, &accounts(), &loader, &Connections::default())
    }

    fn accounts() -> BTreeMap<AccountName, bool> {
        [("shop-de".parse().unwrap(), false), ("shop-test".parse().unwrap(), true)].into()
    }

    fn secrets(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn defaults_are_for_live_money_and_all_alerts() {
        let folder = secrets(&[("hook", "https://hooks.slack.com/services/T/B/canary\n")]);
        let written = sections("[[alert]]\nname = \"ops\"\nkind = \"slack\"\nurl = \"credential:hook\"\n");
        let config = resolved(&written, &folder).unwrap();
        assert_eq!(config.routes.targets_for(&alert("a/1"), false), ["ops".into()]);
        assert!(config.routes.targets_for(&alert("a/1"), true).is_empty());
        assert_eq!(config.channels[0].give_up_after, Duration::from_secs(76 * 3600));
        assert_eq!(config.routes.sandbox_accounts.len(), 1);
        assert!(!format!("{config:?}").contains("canary"));
    }

    #[test]
    fn all_problems_are_told_at_once_and_no_secret_with_them() {
        let key = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let folder =
            secrets(&[("plain", "http://hooks.example/canary"), ("keys", &format!("{key}\ncanary"))]);
        let written = sections(
            r#"
            [[alert]]
            name = "ops"
            kind = "slack"
            url = "https://hooks.slack.com/services/canary"
            accounts = ["shop-fr"]
            timeout_s = 0
            kinds = ["declined", "declinde", "overdue", "refusal"]
            [[alert]]
            name = "ops"
            kind = "webhook"
            url = "credential:plain"
            secret = "credential:keys"
            give_up_after_h = 0
            environments = []
            [[alert]]
            name = "a b"
            kind = "slack"
            url = "credential:missing"
            ca_file = "/nowhere/ca.pem"
            "#,
        );
        let problems = resolved(&written, &folder).unwrap_err();
        let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "alert.0.timeout_s",
                "alert.0.accounts",
                "alert.0.kinds",
                "alert.0.kinds",
                "alert.0.url",
                "alert.1.name",
                "alert.1.give_up_after_h",
                "alert.1.environments",
                "alert.1.url",
                "alert.1.secret",
                "alert.2.name",
                "alert.2.ca_file",
                "alert.2.url",
            ]
        );
        assert!(!format!("{problems:?} {written:?}").contains("canary"));
        assert_eq!(problems[2].remedy, "did you mean declined?");
        assert!(problems[3].remedy.starts_with("known kinds: declined, "), "{}", problems[3].remedy);
        assert!(problems.iter().all(|problem| !problem.what.is_empty() && !problem.remedy.is_empty()));
    }

    #[test]
    fn a_fallback_exists_and_leads_to_an_end() {
        let folder = secrets(&[("hook", "https://hooks.slack.com/services/T/B/canary\n")]);
        let check = |fallbacks: &[(&str, &str)]| {
            let section = |(name, fallback): &(&str, &str)| {
                let line =
                    if fallback.is_empty() { String::new() } else { format!("fallback = \"{fallback}\"\n") };
                format!("[[alert]]\nname = \"{name}\"\nkind = \"slack\"\nurl = \"credential:hook\"\n{line}")
            };
            let text: String = fallbacks.iter().map(section).collect();
            match resolved(&sections(&text), &folder) {
                Ok(config) => Ok(config.channels.into_iter().map(|channel| channel.fallback).collect()),
                Err(problems) => {
                    Err(problems.iter().map(|one| format!("{}: {}", one.key, one.what)).collect())
                }
            }
        };
        let good: Result<Vec<Option<String>>, Vec<String>> = check(&[("a", "b"), ("b", "c"), ("c", "")]);
        assert_eq!(good, Ok(vec![Some("b".to_owned()), Some("c".to_owned()), None]));
        for (wrong, expected) in [
            (vec![("a", "b")], vec!["alert.0.fallback: there is no alert section \"b\""]),
            (vec![("a", "a")], vec!["alert.0.fallback: the fallbacks form a loop: a, a"]),
            (
                vec![("a", "b"), ("b", "c"), ("c", "b")],
                vec![
                    "alert.1.fallback: the fallbacks form a loop: b, c, b",
                    "alert.2.fallback: the fallbacks form a loop: c, b, c",
                ],
            ),
        ] {
            assert_eq!(check(&wrong), Err(expected.into_iter().map(str::to_owned).collect()));
        }
    }

    #[test]
    fn unknown_keys_and_kinds_are_refused_with_what_is_known() {
        let refusal = |text: &str| AlertSection::read(toml::from_str(text).unwrap()).unwrap_err();
        let error = refusal("name = \"a\"\nkind = \"slack\"\nurl = \"credential:x\"\nchannel = \"#ops\"\n");
        assert_eq!(error.path().to_string(), "channel");
        let what = error.inner().message();
        assert!(what.starts_with("unknown field `channel`, expected one of `url`, name, kind, "), "{what}");
        let error = refusal("name = \"a\"\nkind = \"pager\"\n");
        assert_eq!(error.path().to_string(), "kind");
        assert!(error.inner().message().contains("expected one of slack, "), "{error}");
    }

    #[test]
    fn the_list_of_common_keys_is_the_struct_s() {
        let table: Table = COMMON.iter().map(|key| ((*key).to_owned(), toml::Value::Boolean(true))).collect();
        for key in COMMON {
            let alone: Table = [((*key).to_owned(), table[*key].clone())].into_iter().collect();
            let error = serde_path_to_error::deserialize::<_, CommonKeys>(alone).unwrap_err();
            assert!(!error.inner().message().starts_with("unknown field"), "{key}");
        }
    }
}
