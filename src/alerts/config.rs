//! The `[[alert]]` sections of the config.
//!
//! Owns: their keys, defaults and checks. Must never know: the rest of the config.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::post::checked_address;
use super::routes::Route;
use super::secret::{self, Hidden};
use super::slack::Slack;
use super::target::Target;
use super::webhook::{SigningKey, Webhook};
use crate::payments::alert::Severity;
use crate::payments::object::AccountName;

/// Something in the config that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which key.
    pub key: String,
    /// What is wrong with it.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

/// Which sort of target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetKind {
    /// A Slack incoming webhook, or a chat that takes Slack's messages.
    Slack,
    /// Any receiver of JSON.
    Webhook,
}

/// Real money or test money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Environment {
    /// Real.
    Live,
    /// Test.
    Sandbox,
}

/// The name of a secret's place. Prints only when it has the form of one: a secret written here by mistake
/// must not reach a log.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Reference(pub String);

impl fmt::Debug for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_place = self.0.starts_with("file:") || self.0.starts_with("credential:");
        formatter.write_str(if is_place { &self.0 } else { "[hidden]" })
    }
}

/// One `[[alert]]` section as written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetSection {
    /// The operator's name for the target; it also names what is owed to it, so keep it.
    pub name: String,
    /// What the target is.
    pub kind: TargetKind,
    /// Where the address stands: `file:/absolute/path` or `credential:name`. The whole address is a secret.
    pub url: Reference,
    /// Where signing secrets (`whsec_...`, one a line) stand; only for a webhook.
    #[serde(default)]
    pub secret: Option<Reference>,
    /// Only these accounts; empty: all.
    #[serde(default)]
    pub accounts: Vec<String>,
    /// Only these environments. Sandbox and live do not share a channel unless asked for
    /// (operations.md, section 3).
    #[serde(default = "live_only")]
    pub environments: Vec<Environment>,
    /// Nothing less urgent: `info`, `warning` or `critical`.
    #[serde(default = "info")]
    pub least_severity: Severity,
    /// Only these sorts (`declined`, `overdue`, ...); empty: all.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// The whole time for one delivery, in seconds.
    #[serde(default = "ten")]
    pub timeout_s: u64,
    /// A message that could not be delivered for so many hours is given up and told elsewhere.
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

/// The whole schedule of section 2.1 of operations.md: 75 h 35 min 5 s, and its jitter.
fn seventy_six() -> u64 {
    76
}

/// One target, checked and ready to be sent to.
#[derive(Debug, Clone)]
pub struct TargetConfig {
    /// The operator's name for it.
    pub name: String,
    /// What it is, with its secrets.
    pub target: Arc<dyn Target>,
    /// What it hears.
    pub route: Route,
    /// How long a message is tried.
    pub give_up_after: Duration,
}

impl TargetSection {
    /// Checks the section at `path` (`alert.0`) and reads its secrets. `accounts` are the names of all
    /// accounts of the config; `credentials_folder` is systemd's `$CREDENTIALS_DIRECTORY`. With
    /// `is_without_secrets` the secrets' places are checked by their form alone and nothing can be sent:
    /// for looking at a config on another host.
    ///
    /// # Errors
    /// All problems at once.
    pub fn resolve(
        &self,
        path: &str,
        accounts: &[&str],
        credentials_folder: Option<&Path>,
        is_without_secrets: bool,
    ) -> Result<TargetConfig, Vec<Problem>> {
        let secrets = Secrets { credentials_folder, is_without_secrets };
        let mut check = Check { section: self, path, problems: Vec::new() };
        check.name();
        check.numbers();
        let accounts = check.accounts(accounts);
        let target = check.target(&secrets);
        match target {
            Some(target) if check.problems.is_empty() => Ok(TargetConfig {
                name: self.name.clone(),
                target,
                route: Route {
                    target: self.name.clone(),
                    accounts,
                    hears_live: self.environments.contains(&Environment::Live),
                    hears_sandbox: self.environments.contains(&Environment::Sandbox),
                    least_severity: self.least_severity,
                    kinds: self.kinds.iter().cloned().collect(),
                },
                give_up_after: Duration::from_secs(self.give_up_after_h.saturating_mul(3600)),
            }),
            _ => Err(check.problems),
        }
    }
}

struct Secrets<'a> {
    credentials_folder: Option<&'a Path>,
    is_without_secrets: bool,
}

struct Check<'a> {
    section: &'a TargetSection,
    path: &'a str,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn problem(&mut self, key: &str, what: impl Into<String>, remedy: impl Into<String>) {
        let key = format!("{}.{key}", self.path);
        self.problems.push(Problem { key, what: what.into(), remedy: remedy.into() });
    }

    fn name(&mut self) {
        if AccountName::new(self.section.name.clone()).is_err() {
            self.problem("name", "it is not a plain name", "use 1 to 64 letters, digits, `-`, `_` or `.`");
        }
    }

    fn numbers(&mut self) {
        if !(1..=120).contains(&self.section.timeout_s) {
            let what = format!("{} s is not from 1 to 120 s", self.section.timeout_s);
            self.problem("timeout_s", what, "10 suits chats, 15 to 30 a back office");
        }
        if !(1..=720).contains(&self.section.give_up_after_h) {
            let what = format!("{} h is not from 1 to 720 h", self.section.give_up_after_h);
            self.problem("give_up_after_h", what, "76 rides out a long weekend");
        }
        if self.section.environments.is_empty() {
            self.problem(
                "environments",
                "it is empty, so nothing would ever be sent",
                "name live or sandbox",
            );
        }
    }

    fn accounts(&mut self, known: &[&str]) -> BTreeSet<AccountName> {
        let mut wanted = BTreeSet::new();
        for text in &self.section.accounts {
            match AccountName::new(text.clone()) {
                Ok(account) if known.contains(&text.as_str()) => {
                    wanted.insert(account);
                }
                _ => {
                    let shown: String = text.chars().take(64).collect();
                    let remedy = format!("the accounts are: {}", known.join(", "));
                    self.problem("accounts", format!("there is no account {shown:?}"), remedy);
                }
            }
        }
        wanted
    }

    fn target(&mut self, secrets: &Secrets<'_>) -> Option<Arc<dyn Target>> {
        let name = self.section.name.clone();
        let timeout = Duration::from_secs(self.section.timeout_s);
        let url = self.address(secrets);
        let keys = self.keys(secrets);
        let (url, keys) = (url?, keys?);
        Some(match self.section.kind {
            TargetKind::Slack => Arc::new(Slack::new(name, url, timeout)),
            TargetKind::Webhook => Arc::new(Webhook::new(name, url, keys, timeout)),
        })
    }

    /// The secret; an empty one when secrets are not looked at.
    fn secret(&mut self, key: &str, reference: &Reference, secrets: &Secrets<'_>) -> Option<Hidden> {
        let found = if secrets.is_without_secrets {
            secret::check_form(&reference.0).map(|()| Hidden::new(""))
        } else {
            secret::read(&reference.0, secrets.credentials_folder)
        };
        found.map_err(|bad| self.problem(key, bad.what, bad.remedy)).ok()
    }

    fn address(&mut self, secrets: &Secrets<'_>) -> Option<Hidden> {
        let url = self.secret("url", &self.section.url, secrets)?;
        if secrets.is_without_secrets {
            return Some(url);
        }
        match checked_address(url.reveal()) {
            Ok(_) => Some(url),
            Err(error) => {
                self.problem("url", error.to_string(), "put the https address of the webhook into the file");
                None
            }
        }
    }

    fn keys(&mut self, secrets: &Secrets<'_>) -> Option<Vec<SigningKey>> {
        let Some(reference) = &self.section.secret else { return Some(Vec::new()) };
        if self.section.kind != TargetKind::Webhook {
            self.problem("secret", "only a webhook is signed", "remove it");
            return None;
        }
        let text = self.secret("secret", reference, secrets)?;
        match text.reveal().lines().map(SigningKey::parse).collect() {
            Ok(keys) => Some(keys),
            Err(what) => {
                self.problem(
                    "secret",
                    what,
                    "write whsec_ and base64 of 24 to 64 random bytes, one key a line",
                );
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::routes::Routes;
    use super::super::tests::alert;
    use super::*;

    #[derive(Deserialize)]
    struct Whole {
        alert: Vec<TargetSection>,
    }

    fn sections(text: &str) -> Vec<TargetSection> {
        toml::from_str::<Whole>(text).unwrap().alert
    }

    const ACCOUNTS: &[&str] = &["shop-de", "shop-test"];

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
        let config = written[0].resolve("alert.0", ACCOUNTS, Some(folder.path()), false).unwrap();
        let routes = Routes(vec![config.route.clone()]);
        assert_eq!(routes.targets_for(&alert("a/1"), false), ["ops"]);
        assert!(routes.targets_for(&alert("a/1"), true).is_empty());
        assert_eq!(config.give_up_after, Duration::from_secs(76 * 3600));
        assert!(!format!("{config:?}").contains("canary"));
        assert!(written[0].resolve("alert.0", ACCOUNTS, None, false).is_err());
        assert!(written[0].resolve("alert.0", ACCOUNTS, None, true).is_ok());
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
        let resolved = |(number, section): (usize, &TargetSection)| {
            section.resolve(&format!("alert.{number}"), ACCOUNTS, Some(folder.path()), false).unwrap_err()
        };
        let problems: Vec<Problem> = written.iter().enumerate().flat_map(resolved).collect();
        let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "alert.0.timeout_s",
                "alert.0.accounts",
                "alert.0.url",
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
        assert!(problems.iter().all(|problem| !problem.what.is_empty() && !problem.remedy.is_empty()));
    }

    #[test]
    fn unknown_keys_are_refused() {
        let text = "[[alert]]\nname = \"a\"\nkind = \"slack\"\nurl = \"credential:x\"\nchannel = \"#ops\"\n";
        assert!(toml::from_str::<Whole>(text).is_err());
    }
}
