//! The `[[alert]]` sections of the configuration.
//!
//! Owns: their keys, defaults and checks. Must never know: the rest of the configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::Deserialize;

use super::routes::{Route, Routes};
use super::slack::Slack;
use super::target::Target;
use super::webhook::{SigningKey, Webhook};
use crate::delimited::nearest;
use crate::http::address;
use crate::payments::alert::{AlertKind, Severity};
use crate::payments::environment::Environment;
use crate::payments::object::AccountName;
use crate::problem::{self, Problem};
use crate::secret::{Secret, SecretLoader, SecretReference};

/// The kind of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetKind {
    /// A Slack incoming webhook, or a chat that accepts Slack's messages.
    Slack,
    /// Any receiver of JSON.
    Webhook,
}

/// One `[[alert]]` section as written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertSection {
    /// The operator's name for the target. Pending alerts are stored under it, so do not change it.
    pub name: String,
    /// The kind of the target.
    pub kind: TargetKind,
    /// Where to read the address: `file:/absolute/path` or `credential:name`. The whole address is a secret.
    pub url: SecretReference,
    /// Where to read the signing secrets (`whsec_...`, one per line); only for a webhook.
    #[serde(default)]
    pub secret: Option<SecretReference>,
    /// Only these accounts; empty means all.
    #[serde(default)]
    pub accounts: Vec<String>,
    /// Only these environments. Sandbox and live share a channel only if configured to
    /// (docs/src/reference/operations.md, section 3).
    #[serde(default = "live_only")]
    pub environments: Vec<Environment>,
    /// The lowest severity: `info`, `warning` or `critical`.
    #[serde(default = "info")]
    pub min_severity: Severity,
    /// Only these kinds (`declined`, `overdue`, ...); empty means all.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// The time limit for one delivery, in seconds.
    #[serde(default = "ten")]
    pub timeout_s: u64,
    /// After this many hours without success, a message is given up and this is reported to the other targets.
    #[serde(default = "seventy_six")]
    pub give_up_after_h: u64,
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
#[derive(Debug)]
pub struct Channel {
    /// The target.
    pub target: Box<dyn Target>,
    /// When a message to it is given up.
    pub give_up_after: Duration,
}

/// All sections, checked.
#[derive(Debug)]
pub struct AlertConfig {
    /// The targets.
    pub channels: Vec<Channel>,
    /// Which target receives which alerts.
    pub routes: Routes,
    /// The sandbox accounts, for the marks in the messages.
    pub sandbox_accounts: BTreeSet<AccountName>,
    /// The zone for times in messages; UTC is shown beside it.
    pub zone: TimeZone,
}

impl Default for AlertConfig {
    fn default() -> AlertConfig {
        AlertConfig {
            channels: Vec::new(),
            routes: Routes::default(),
            sandbox_accounts: BTreeSet::new(),
            zone: TimeZone::UTC,
        }
    }
}

/// Checks all sections and reads their secrets. `accounts` holds every configured account with whether it is a
/// sandbox; `secrets` says where secrets are.
///
/// # Errors
/// All problems at once.
pub fn resolve(
    sections: &[AlertSection],
    accounts: &BTreeMap<AccountName, bool>,
    secrets: &SecretLoader,
) -> Result<AlertConfig, Vec<Problem>> {
    let sandbox_accounts: BTreeSet<AccountName> =
        accounts.iter().filter(|(_, is_sandbox)| **is_sandbox).map(|(name, _)| name.clone()).collect();
    let mut config = AlertConfig { sandbox_accounts, ..AlertConfig::default() };
    let mut problems = Vec::new();
    let mut names = BTreeSet::new();
    for (number, section) in sections.iter().enumerate() {
        let mut check = Check { section, problems: problem::Check::new(format!("alert.{number}")) };
        check.name(&mut names);
        check.numbers();
        let accounts = check.accounts(accounts);
        check.kinds();
        let target = check.target(&config.sandbox_accounts, secrets);
        problems.extend(check.problems.finish(Some(())).err().unwrap_or_default());
        // Without secrets there is nothing to send to, but which target would receive what is still known.
        match target {
            Some(target) => config.channels.push(Channel {
                target,
                give_up_after: Duration::from_secs(section.give_up_after_h.saturating_mul(3600)),
            }),
            None if !secrets.is_blind() => continue,
            None => {}
        }
        config.routes.0.push(Route {
            target: section.name.clone(),
            accounts,
            hears_live: section.environments.contains(&Environment::Live),
            hears_sandbox: section.environments.contains(&Environment::Sandbox),
            min_severity: section.min_severity,
            kinds: section.kinds.iter().cloned().map(AlertKind::from).collect(),
        });
    }
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

struct Check<'a> {
    section: &'a AlertSection,
    problems: problem::Check,
}

impl Check<'_> {
    fn problem(&mut self, key: &str, what: impl Into<String>, remedy: impl Into<String>) {
        self.problems.problem(key, what, remedy);
    }

    fn name(&mut self, names: &mut BTreeSet<String>) {
        let name = &self.section.name;
        if AccountName::new(name.clone()).is_err() {
            self.problem("name", "it is not a valid name", "use 1 to 64 letters, digits, `-`, `_` or `.`");
        } else if !names.insert(name.clone()) {
            self.problem(
                "name",
                format!("another alert section is also called {name}"),
                "give each its own name",
            );
        }
    }

    fn numbers(&mut self) {
        if !(1..=120).contains(&self.section.timeout_s) {
            let what = format!("{} s is not from 1 to 120 s", self.section.timeout_s);
            self.problem("timeout_s", what, "use 10 for a chat, 15 to 30 for a back office");
        }
        if !(1..=720).contains(&self.section.give_up_after_h) {
            let what = format!("{} h is not from 1 to 720 h", self.section.give_up_after_h);
            self.problem("give_up_after_h", what, "76 covers a long weekend");
        }
        if self.section.environments.is_empty() {
            self.problem(
                "environments",
                "it is empty, so nothing would ever be sent",
                "name live or sandbox",
            );
        }
    }

    fn accounts(&mut self, known: &BTreeMap<AccountName, bool>) -> BTreeSet<AccountName> {
        let mut wanted = BTreeSet::new();
        for text in &self.section.accounts {
            match known.keys().find(|account| account.as_str() == text) {
                Some(account) => {
                    wanted.insert(account.clone());
                }
                None => {
                    let names: Vec<&str> = known.keys().map(AccountName::as_str).collect();
                    let shown: String = text.chars().take(64).collect();
                    let remedy = format!("known accounts: {}", names.join(", "));
                    self.problem("accounts", format!("there is no account {shown:?}"), remedy);
                }
            }
        }
        wanted
    }

    fn kinds(&mut self) {
        let known = AlertKind::ALL.iter().map(AlertKind::as_str);
        for word in &self.section.kinds {
            if known.clone().any(|kind| kind == word) {
                continue;
            }
            let shown: String = word.chars().take(64).collect();
            let remedy = match nearest(word, known.clone()) {
                Some(kind) => format!("did you mean {kind}?"),
                None => format!("known kinds: {}", known.clone().collect::<Vec<_>>().join(", ")),
            };
            self.problem("kinds", format!("{shown:?} is not a kind of alert"), remedy);
        }
    }

    fn target(
        &mut self,
        sandbox_accounts: &BTreeSet<AccountName>,
        secrets: &SecretLoader,
    ) -> Option<Box<dyn Target>> {
        let name = self.section.name.clone();
        let timeout = Duration::from_secs(self.section.timeout_s);
        let url = self.address(secrets);
        let keys = self.keys(secrets);
        let (url, keys) = (url?, keys?);
        if secrets.is_blind() {
            return None;
        }
        Some(match self.section.kind {
            TargetKind::Slack => Box::new(Slack::new(name, url, timeout)),
            TargetKind::Webhook => Box::new(Webhook::new(name, url, keys, timeout, sandbox_accounts.clone())),
        })
    }

    fn address(&mut self, secrets: &SecretLoader) -> Option<Secret<String>> {
        let url = self.problems.secret("url", secrets.load_line(&self.section.url))?;
        match address::checked(url.expose()) {
            _ if secrets.is_blind() => Some(url),
            Ok(_) => Some(url),
            Err(what) => {
                let what = format!("the address is not accepted: {what}");
                self.problem("url", what, "put the https address of the webhook into the file");
                None
            }
        }
    }

    fn keys(&mut self, secrets: &SecretLoader) -> Option<Vec<SigningKey>> {
        let section = self.section;
        let Some(reference) = &section.secret else { return Some(Vec::new()) };
        if section.kind != TargetKind::Webhook {
            self.problem("secret", "only a webhook is signed", "remove it");
            return None;
        }
        let text = self.problems.secret("secret", secrets.load_lines(reference))?;
        if secrets.is_blind() {
            return Some(Vec::new());
        }
        match text.expose().lines().map(SigningKey::parse).collect() {
            Ok(keys) => Some(keys),
            Err(what) => {
                self.problem(
                    "secret",
                    what,
                    "write whsec_ and base64 of 24 to 64 random bytes, one key per line",
                );
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::alert;
    use super::*;

    #[derive(Deserialize)]
    struct Whole {
        alert: Vec<AlertSection>,
    }

    fn sections(text: &str) -> Vec<AlertSection> {
        toml::from_str::<Whole>(text).unwrap().alert
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
        let config =
            resolve(&written, &accounts(), &SecretLoader::new(Some(folder.path().to_owned()))).unwrap();
        assert_eq!(config.routes.targets_for(&alert("a/1"), false), ["ops"]);
        assert!(config.routes.targets_for(&alert("a/1"), true).is_empty());
        assert_eq!(config.channels[0].give_up_after, Duration::from_secs(76 * 3600));
        assert_eq!(config.sandbox_accounts.len(), 1);
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
            secret = "credential:keys"
            "#,
        );
        let problems =
            resolve(&written, &accounts(), &SecretLoader::new(Some(folder.path().to_owned()))).unwrap_err();
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
                "alert.2.url",
                "alert.2.secret",
            ]
        );
        assert!(!format!("{problems:?} {written:?}").contains("canary"));
        assert_eq!(problems[2].remedy, "did you mean declined?");
        assert!(problems[3].remedy.starts_with("known kinds: declined, "), "{}", problems[3].remedy);
        assert!(problems.iter().all(|problem| !problem.what.is_empty() && !problem.remedy.is_empty()));
    }

    #[test]
    fn unknown_keys_are_refused() {
        let text = "[[alert]]\nname = \"a\"\nkind = \"slack\"\nurl = \"credential:x\"\nchannel = \"#ops\"\n";
        assert!(toml::from_str::<Whole>(text).is_err());
    }
}
