//! The `[[events]]` sections of the configuration.
//!
//! Owns: their keys, defaults and checks, and which receiver gets which event. Must never know: the rest of the
//! configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::body::{self, Format};
use super::{TARGETS, types};
use crate::alerts::setting::Setting;
use crate::http::connections::Connections;
use crate::http::{Transport, address};
use crate::payments::alert::Alert;
use crate::payments::change::{Announce, Change};
use crate::payments::environment::Environment;
use crate::payments::object::AccountName;
use crate::problem::Problem;
use crate::secret::{Secret, SecretLoader, SecretReference};
use crate::webhook::SigningKey;

/// One `[[events]]` section as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventSection {
    /// The operator's name for the receiver. Pending events are stored under it, so do not change it.
    name: String,
    /// Where the address is.
    url: SecretReference,
    /// Where the signing secrets are (`whsec_...`, one per line).
    secret: SecretReference,
    /// Only these accounts; empty means all.
    #[serde(default)]
    accounts: Vec<String>,
    /// Only these environments.
    #[serde(default = "live_only")]
    environments: Vec<Environment>,
    /// Only these types (`charge.captured`, ...); empty means all.
    #[serde(default)]
    types: Vec<String>,
    /// The form of the body.
    #[serde(default)]
    format: Format,
    /// Certificates (PEM) that are trusted for this receiver in addition to the system's, in the place of
    /// `http.ca_file`.
    #[serde(default)]
    ca_file: Option<PathBuf>,
    /// The time limit for one delivery, in seconds.
    #[serde(default = "fifteen")]
    timeout_s: u64,
    /// After this many hours without success an event is given up, and this is reported to the alert targets.
    #[serde(default = "seventy_six")]
    give_up_after_h: u64,
    /// Whether the receiver may be in a private network.
    #[serde(default)]
    allow_private: bool,
}

fn live_only() -> Vec<Environment> {
    vec![Environment::Live]
}

fn fifteen() -> u64 {
    15
}

/// The whole schedule of section 2.1 of docs/src/reference/operations.md: 75 h 35 min 5 s, plus its jitter.
fn seventy_six() -> u64 {
    76
}

/// A receiver, checked.
#[derive(Clone)]
pub struct Receiver {
    /// The operator's name for it.
    pub name: String,
    /// Its address.
    pub url: Secret<String>,
    /// Every message is signed with each of these.
    pub keys: Arc<Vec<SigningKey>>,
    /// The form of the body.
    pub format: Format,
    /// The time limit for one delivery.
    pub timeout: Duration,
    /// When an event is given up.
    pub give_up_after: Duration,
    /// How it is reached; none for the client of all others.
    pub transport: Option<Arc<dyn Transport>>,
    /// An account whose events it gets, a live one if there is one: alerts about the receiver as a whole are routed by
    /// it.
    pub account_for_alerts: Option<AccountName>,
    accounts: BTreeSet<AccountName>,
    hears_live: bool,
    hears_sandbox: bool,
    types: BTreeSet<String>,
}

impl fmt::Debug for Receiver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Receiver").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Receiver {
    /// Its name in the outbox.
    pub fn target(&self) -> String {
        format!("{TARGETS}{}", self.name)
    }

    fn hears(&self, account: &AccountName, is_sandbox: bool) -> bool {
        let of_environment = if is_sandbox { self.hears_sandbox } else { self.hears_live };
        of_environment && (self.accounts.is_empty() || self.accounts.contains(account))
    }
}

/// All receivers, in the order of the configuration.
#[derive(Debug, Clone, Default)]
pub struct Receivers(pub Vec<Receiver>);

impl Announce for Receivers {
    fn is_heard(&self, account: &AccountName, is_sandbox: bool) -> bool {
        self.0.iter().any(|receiver| receiver.hears(account, is_sandbox))
    }

    fn announce(&self, change: &Change<'_>) -> Vec<(Alert, String)> {
        let Some(event_type) = types::of(change) else { return Vec::new() };
        let account = &change.row.object.account;
        let wanting = self.0.iter().filter(|receiver| {
            receiver.hears(account, change.is_sandbox)
                && (receiver.types.is_empty() || receiver.types.contains(&event_type))
        });
        wanting
            .filter_map(|receiver| {
                let target = receiver.target();
                Some((body::made(change, receiver.format, &target)?, target))
            })
            .collect()
    }
}

/// Checks all sections and reads their secrets. `accounts` holds every configured account with whether it is a
/// sandbox; `secrets` says where secrets are, `connections` how other machines are reached.
///
/// # Errors
/// All problems at once.
pub fn resolve(
    sections: &[EventSection],
    accounts: &BTreeMap<AccountName, bool>,
    secrets: &SecretLoader,
    connections: &Connections,
) -> Result<Receivers, Vec<Problem>> {
    let (mut receivers, mut problems, mut names) = (Vec::new(), Vec::new(), BTreeSet::new());
    let (types, none) = (types::all(), BTreeSet::new());
    for (number, section) in sections.iter().enumerate() {
        let mut setting = Setting::new(("events", number), secrets, &none, Vec::new());
        setting.name(&section.name, &mut names);
        setting.numbers(section.timeout_s, section.give_up_after_h, &section.environments);
        let wanted = setting.accounts(&section.accounts, accounts);
        setting.words("types", "a type of event", &section.types, types.iter().map(String::as_str));
        let url = section.address(&mut setting);
        let keys = setting.signing_keys("secret", &section.secret);
        let transport = setting.transport(section.ca_file.as_deref(), !section.allow_private, connections);
        problems.extend(setting.finish());
        let (Some(url), Some(keys)) = (url, keys) else { continue };
        let mut receiver = Receiver {
            name: section.name.clone(),
            url,
            keys: Arc::new(keys),
            format: section.format,
            timeout: Duration::from_secs(section.timeout_s),
            give_up_after: Duration::from_secs(section.give_up_after_h.saturating_mul(3600)),
            transport,
            account_for_alerts: None,
            accounts: wanted,
            hears_live: section.environments.contains(&Environment::Live),
            hears_sandbox: section.environments.contains(&Environment::Sandbox),
            types: section.types.iter().cloned().collect(),
        };
        let heard = accounts.iter().filter(|(account, is_sandbox)| receiver.hears(account, **is_sandbox));
        receiver.account_for_alerts =
            heard.min_by_key(|(_, is_sandbox)| **is_sandbox).map(|(account, _)| account.clone());
        receivers.push(receiver);
    }
    if problems.is_empty() { Ok(Receivers(receivers)) } else { Err(problems) }
}

impl EventSection {
    fn address(&self, setting: &mut Setting<'_>) -> Option<Secret<String>> {
        let url = setting.address("url", &self.url)?;
        if self.allow_private || setting.is_blind() {
            return Some(url);
        }
        match address::checked_public(url.expose()) {
            Ok(_) => Some(url),
            Err(what) => {
                let remedy = "set allow_private = true if the back office is in your own network";
                setting.problem("url", what, remedy);
                None
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::events::body::tests::found;
    use crate::payments::lifecycle::{Outcome, Phase};

    const KEY: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn resolved(text: &str, files: &[(&str, &str)]) -> Result<Receivers, Vec<Problem>> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let mut whole: toml::Table = toml::from_str(text).unwrap();
        let sections: Vec<EventSection> = whole.remove("events").unwrap().try_into().unwrap();
        let accounts = [("shop-de".parse().unwrap(), false), ("shop-test".parse().unwrap(), true)].into();
        let loader = SecretLoader::new(Some(folder.path().to_owned()));
        resolve(&sections, &accounts, &loader, &Connections::default())
    }

    const SECTION: &str =
        "[[events]]\nname = \"shop\"\nurl = \"credential:url\"\nsecret = \"credential:key\"\n";
    const FILES: [(&str, &str); 2] = [("url", "https://office.example/canary"), ("key", KEY)];

    /// A receiver that is reached by the client of all others.
    pub(in crate::events) fn receiver(name: &str) -> Receiver {
        let text = SECTION.replace("\"shop\"", &format!("{name:?}")) + "allow_private = true\n";
        resolved(&text, &FILES).unwrap().0.remove(0)
    }

    #[test]
    fn a_receiver_gets_live_events_of_every_account_and_type() {
        let receivers = resolved(SECTION, &FILES).unwrap();
        let (live, sandbox) = ("shop-de".parse().unwrap(), "shop-test".parse().unwrap());
        assert!(receivers.is_heard(&live, false) && !receivers.is_heard(&sandbox, true));
        let shop = &receivers.0[0];
        assert_eq!((shop.timeout.as_secs(), shop.give_up_after.as_secs()), (15, 76 * 3600));
        assert!(shop.transport.is_some(), "it must not reach private networks");
        assert!(receiver("shop").transport.is_none());
        assert_eq!(shop.account_for_alerts, Some(live));
        let of_sandbox = format!("{SECTION}environments = [\"sandbox\"]\n");
        assert_eq!(resolved(&of_sandbox, &FILES).unwrap().0[0].account_for_alerts, Some(sandbox));
        assert!(!format!("{receivers:?}").contains("canary"));
    }

    #[test]
    fn filters_choose_types_and_accounts() {
        let announced = |keys: &str, state: &str| {
            let receivers = resolved(&format!("{SECTION}{keys}\n"), &FILES).unwrap();
            let (record, row) = found(None, state, Phase::Final, Outcome::Succeeded);
            let change = Change { record: &record, row: &row, earlier: &[], is_sandbox: false };
            receivers.announce(&change).into_iter().map(|(_, target)| target).collect::<Vec<_>>()
        };
        assert_eq!(announced("", "Captured"), ["events/shop"]);
        assert_eq!(announced("types = [\"charge.captured\"]", "Captured"), ["events/shop"]);
        assert_eq!(announced("types = [\"charge.captured\"]", "Declined"), [""; 0]);
        assert_eq!(announced("accounts = [\"shop-test\"]", "Captured"), [""; 0]);
        assert_eq!(announced("environments = [\"sandbox\"]", "Captured"), [""; 0]);
    }

    #[test]
    fn all_problems_are_found_at_once_and_no_secret_is_in_them() {
        let text = r#"
            [[events]]
            name = "shop"
            url = "credential:private"
            secret = "credential:bad"
            types = ["charge.captured", "charge.captrued", "wibble"]
            accounts = ["shop-fr"]
            timeout_s = 0
            environments = []
            [[events]]
            name = "shop"
            url = "credential:plain"
            secret = "credential:missing"
            ca_file = "/nowhere/ca.pem"
            [[events]]
            name = "third"
            url = "https://office.example/canary"
            secret = "whsec_canary"
            "#;
        let files = [
            ("private", "https://10.0.0.7/canary"),
            ("bad", "canary"),
            ("plain", "http://office.example/canary"),
        ];
        let problems = resolved(text, &files).unwrap_err();
        let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "events.0.timeout_s",
                "events.0.environments",
                "events.0.accounts",
                "events.0.types",
                "events.0.types",
                "events.0.url",
                "events.0.secret",
                "events.1.name",
                "events.1.url",
                "events.1.secret",
                "events.1.ca_file",
                "events.2.url",
                "events.2.secret",
            ]
        );
        assert!(!format!("{problems:?}").contains("canary"), "{problems:?}");
        assert_eq!(problems[3].remedy, "did you mean charge.captured?");
        assert!(problems[5].remedy.contains("allow_private"));
        assert!(problems.iter().all(|problem| !problem.what.is_empty() && !problem.remedy.is_empty()));
    }
}
