//! Checks the keys of one `[[alert]]` or `[[events]]` section.
//!
//! Owns: the checks that several kinds of receivers share, and the problems found. Must never know: any one target, the
//! rest of the configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::delimited::nearest;
use crate::http::connections::Connections;
use crate::http::{HttpClient, Transport, address};
use crate::payments::alert::AlertKind;
use crate::payments::environment::Environment;
use crate::payments::object::AccountName;
use crate::problem::{self, Problem};
use crate::secret::{Secret, SecretLoader, SecretReference};
use crate::webhook::SigningKey;

/// What a target's section is checked with.
#[derive(Debug)]
pub struct Setting<'a> {
    problems: problem::Check,
    secrets: &'a SecretLoader,
    sandbox_accounts: &'a BTreeSet<AccountName>,
    roots_pem: Vec<u8>,
}

impl<'a> Setting<'a> {
    /// For the section with this number among those of its name. `roots_pem` holds the certificates that are trusted
    /// besides the system's.
    pub fn new(
        (section, number): (&str, usize),
        secrets: &'a SecretLoader,
        sandbox_accounts: &'a BTreeSet<AccountName>,
        roots_pem: Vec<u8>,
    ) -> Setting<'a> {
        Setting {
            problems: problem::Check::new(format!("{section}.{number}")),
            secrets,
            sandbox_accounts,
            roots_pem,
        }
    }

    /// Records a problem of a key.
    pub fn problem(&mut self, key: &str, what: impl Into<String>, remedy: impl Into<String>) {
        self.problems.problem(key, what, remedy);
    }

    /// All problems.
    pub fn finish(self) -> Vec<Problem> {
        self.problems.finish(Some(())).err().unwrap_or_default()
    }

    /// Whether secrets are out of reach: each is then a stand-in.
    pub fn is_blind(&self) -> bool {
        self.secrets.is_blind()
    }

    /// The sandbox accounts.
    pub fn sandbox_accounts(&self) -> &BTreeSet<AccountName> {
        self.sandbox_accounts
    }

    /// The certificates (PEM) that this target trusts in addition to the system's.
    pub fn roots_pem(&self) -> &[u8] {
        &self.roots_pem
    }

    /// A secret of one line.
    pub fn secret(&mut self, key: &str, reference: &SecretReference) -> Option<Secret<String>> {
        self.problems.secret(key, self.secrets.load_line(reference))
    }

    /// A secret that becomes a part of a path or a header: visible ASCII characters only.
    pub fn token(&mut self, key: &str, reference: &SecretReference) -> Option<Secret<String>> {
        let secret = self.secret(key, reference)?;
        if secret.expose().bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
            return Some(secret);
        }
        self.problem(key, "it has characters that a token cannot have", "store the token as it was issued");
        None
    }

    /// A secret of one or more lines.
    pub fn secret_lines(&mut self, key: &str, reference: &SecretReference) -> Option<Secret<String>> {
        self.problems.secret(key, self.secrets.load_lines(reference))
    }

    /// Signing secrets, one per line. Several let a receiver change its key without a gap.
    pub fn signing_keys(&mut self, key: &str, reference: &SecretReference) -> Option<Vec<SigningKey>> {
        let text = self.secret_lines(key, reference)?;
        if self.is_blind() {
            return Some(Vec::new());
        }
        let keys: Result<_, String> = text.expose().lines().map(SigningKey::parse).collect();
        let remedy = "write whsec_ and base64 of 24 to 64 random bytes, one key per line";
        keys.map_err(|what| self.problem(key, what, remedy)).ok()
    }

    /// A secret address.
    pub fn address(&mut self, key: &str, reference: &SecretReference) -> Option<Secret<String>> {
        let url = self.secret(key, reference)?;
        match address::checked(url.expose()) {
            _ if self.is_blind() => Some(url),
            Ok(_) => Some(url),
            Err(what) => {
                let what = format!("the address is not accepted: {what}");
                self.problem(key, what, "put the https address of the webhook into the file");
                None
            }
        }
    }

    /// The base address of a service, without a slash at the end. It is no secret.
    pub fn base(&mut self, key: &str, written: &str) -> Option<String> {
        let base = written.trim().trim_end_matches('/').to_owned();
        match address::checked(&base) {
            Ok(url) if url.query().is_none() && url.fragment().is_none() => Some(base),
            Ok(_) => {
                self.problem(key, "it has more than host and path", "remove everything from the ? or # on");
                None
            }
            Err(what) => {
                self.problem(key, what, "write it as https://host or https://host/path");
                None
            }
        }
    }

    /// A client of the target's own if its section names certificates, or if it must not reach private networks.
    pub fn transport(
        &mut self,
        ca_file: Option<&Path>,
        is_internet_only: bool,
        connections: &Connections,
    ) -> Option<Arc<dyn Transport>> {
        if self.is_blind() || (ca_file.is_none() && !is_internet_only) {
            return None;
        }
        let mut trusting = connections.clone();
        if let Some(path) = ca_file {
            let read = trusting.trusting_file(path);
            trusting = read.map_err(|(what, remedy)| self.problem("ca_file", what, remedy)).ok()?;
            self.roots_pem = trusting.extra_roots_pem().to_vec();
        }
        let client = match is_internet_only {
            true => HttpClient::to_the_internet(&trusting),
            false => HttpClient::over(&trusting),
        };
        let remedy = "install the package ca-certificates";
        Some(Arc::new(client.map_err(|error| self.problem("ca_file", error.to_string(), remedy)).ok()?))
    }

    /// The operator's name for the receiver.
    pub fn name(&mut self, name: &str, names: &mut BTreeSet<String>) {
        if AccountName::new(name.to_owned()).is_err() {
            self.problem("name", "it is not a valid name", "use 1 to 64 letters, digits, `-`, `_` or `.`");
        } else if !names.insert(name.to_owned()) {
            let what = format!("another section of this kind is also called {name}");
            self.problem("name", what, "give each its own name");
        }
    }

    /// The time limits, and which environments are meant.
    pub fn numbers(&mut self, timeout_s: u64, give_up_after_h: u64, environments: &[Environment]) {
        if !(1..=120).contains(&timeout_s) {
            let what = format!("{} s is outside 1 to 120 s", timeout_s);
            self.problem("timeout_s", what, "use 10 for a chat, 15 to 30 for a back office");
        }
        if !(1..=720).contains(&give_up_after_h) {
            let what = format!("{} h is outside 1 to 720 h", give_up_after_h);
            self.problem("give_up_after_h", what, "76 covers a long weekend");
        }
        if environments.is_empty() {
            let what = "it is empty, so nothing would ever be sent";
            self.problem("environments", what, "name live or sandbox");
        }
    }

    /// The accounts that are meant. `known` holds every configured one, with whether it is a sandbox.
    pub fn accounts(
        &mut self,
        written: &[String],
        known: &BTreeMap<AccountName, bool>,
    ) -> BTreeSet<AccountName> {
        let mut wanted = BTreeSet::new();
        for text in written {
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

    /// Checks the fallback of the `number`th of all targets: it exists, and the fallbacks lead to an end.
    pub(super) fn fallback(&mut self, number: usize, all: &[(&str, Option<&str>)]) {
        let next_of = |name: &str| all.iter().find(|(known, _)| *known == name).map(|(_, next)| *next);
        let Some((name, Some(fallback))) = all.get(number).copied() else { return };
        if next_of(fallback).is_none() {
            let shown: String = fallback.chars().take(64).collect();
            let names: Vec<&str> =
                all.iter().map(|(known, _)| *known).filter(|known| *known != name).collect();
            let remedy = format!("name another alert section: {}", names.join(", "));
            return self.problem("fallback", format!("there is no alert section {shown:?}"), remedy);
        }
        let mut seen = vec![name];
        let mut next = Some(fallback);
        while let Some(target) = next {
            if target == name {
                let what = format!("the fallbacks form a loop: {}, {name}", seen.join(", "));
                return self.problem("fallback", what, "remove the fallback of one of them");
            }
            if seen.contains(&target) {
                // A circle further on; it is reported there.
                return;
            }
            seen.push(target);
            next = next_of(target).flatten();
        }
    }

    pub(super) fn kinds(&mut self, written: &[String]) {
        let known = AlertKind::ALL.iter().map(AlertKind::as_str);
        self.words("kinds", "a kind of alert", written, known);
    }

    /// Words of a list. Each must be known.
    pub fn words<'w>(
        &mut self,
        key: &str,
        what: &str,
        written: &[String],
        known: impl Iterator<Item = &'w str> + Clone,
    ) {
        for word in written {
            if known.clone().any(|known| known == word) {
                continue;
            }
            let shown: String = word.chars().take(64).collect();
            let remedy = match nearest(word, known.clone()) {
                Some(nearest) => format!("did you mean {nearest}?"),
                None => format!("known {key}: {}", known.clone().collect::<Vec<_>>().join(", ")),
            };
            self.problem(key, format!("{shown:?} is not {what}"), remedy);
        }
    }
}
