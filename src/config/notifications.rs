//! `[notifications]`: where the provider's notifications are received.
//!
//! Owns: its keys and their checks. Must never know: what is done with a notification.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::account::AccountConfig;
use super::findings::Findings;
use crate::http::connections::Connections;
use crate::notifications::{Network, Settings, TestHooks, Tls, listener};
use crate::problem::Problem;
use crate::secret::{SecretLoader, SecretReference};

/// The largest file of certificates that is read, in bytes.
const LONGEST_PEM: u64 = 1024 * 1024;

/// `[notifications]` as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct NotificationsSection {
    listen: Option<SocketAddr>,
    certificate_file: Option<PathBuf>,
    key: Option<SecretReference>,
    public_url: Option<String>,
    trusted_proxies: Option<Vec<String>>,
    max_per_minute: Option<u32>,
    unverified_per_hour: Option<u32>,
    intermediates_file: Option<PathBuf>,
    test: Option<TestSection>,
}

/// `[notifications.test]` as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TestSection {
    ca_file: Option<PathBuf>,
    connect: Option<SocketAddr>,
}

impl NotificationsSection {
    /// Checks the section and reads the files that it names, unless `loader` is blind.
    pub(super) fn resolve(
        self,
        accounts: &[AccountConfig],
        loader: &SecretLoader,
        findings: &mut Findings<'_>,
    ) -> Settings {
        let default = Settings::default();
        let pem = |key: &str, path: &Option<PathBuf>, findings: &mut Findings<'_>| match path {
            Some(path) => read(key, path, loader.is_blind(), findings),
            None => Vec::new(),
        };
        let tls = match (&self.certificate_file, &self.key) {
            (None, None) => None,
            (Some(_), Some(key)) => {
                let certificate_pem = pem("notifications.certificate_file", &self.certificate_file, findings);
                match loader.load(key) {
                    Ok(key_pem) => Some(Tls { certificate_pem, key_pem }).filter(|_| !loader.is_blind()),
                    Err(problem) => {
                        findings.add("notifications.key", problem.what, problem.remedy);
                        None
                    }
                }
            }
            _ => {
                let remedy = "write both certificate_file and key, or leave both to the reverse proxy";
                findings.add("notifications", "has only one of certificate_file and key", remedy);
                None
            }
        };
        if let Some(url) = &self.public_url
            && !is_public(url)
        {
            let remedy = "write https://host or https://host/path, as the provider reaches it";
            findings.add("notifications.public_url", format!("{url:?} is not a public address"), remedy);
        }
        let mut trusted_proxies = match self.trusted_proxies {
            Some(_) => Vec::new(),
            None => default.trusted_proxies,
        };
        for (number, text) in self.trusted_proxies.unwrap_or_default().into_iter().enumerate() {
            match Network::from_text(&text) {
                Some(network) => trusted_proxies.push(network),
                None => findings.add(
                    &format!("notifications.trusted_proxies.{number}"),
                    format!("{text:?} is not an address"),
                    "write \"127.0.0.1\" or \"10.0.0.0/8\"",
                ),
            }
        }
        if self.max_per_minute == Some(0) {
            findings.add("notifications.max_per_minute", "is 0", "1200 is the default");
        }
        Settings {
            listen: self.listen,
            tls,
            trusted_proxies,
            max_per_minute: self.max_per_minute.unwrap_or(default.max_per_minute),
            unverified_per_hour: self.unverified_per_hour.unwrap_or(default.unverified_per_hour),
            intermediates_pem: pem("notifications.intermediates_file", &self.intermediates_file, findings),
            test: self.test.map(|test| test.resolve(accounts, loader, findings)),
            public_url: self.public_url,
        }
    }
}

impl TestSection {
    fn resolve(
        self,
        accounts: &[AccountConfig],
        loader: &SecretLoader,
        findings: &mut Findings<'_>,
    ) -> TestHooks {
        if let Some(account) = accounts.iter().find(|account| !account.api.is_sandbox()) {
            findings.add(
                "notifications.test",
                format!("is only for tests, and account \"{}\" is live", account.name),
                "remove the section: with it, anybody who has its key could send notifications",
            );
        }
        let ca_pem = match &self.ca_file {
            Some(path) => read("notifications.test.ca_file", path, loader.is_blind(), findings),
            None => {
                findings.add(
                    "notifications.test.ca_file",
                    "is missing",
                    "name the simulated authority's certificate",
                );
                Vec::new()
            }
        };
        TestHooks { ca_pem, connect: self.connect }
    }
}

/// Why the listener's certificate and key cannot be used together.
pub(super) fn fault(settings: &Settings) -> Option<Problem> {
    let what = settings.tls.as_ref().and_then(listener::fault)?;
    let remedy =
        "name the certificate and the key that were made together; the daemon starts without the listener";
    Some(Problem::new("notifications.certificate_file", format!("cannot be used: {what}"), remedy))
}

fn is_public(url: &str) -> bool {
    let is_plain = !url.contains(['?', '#', ' ']);
    is_plain && crate::http::address::checked(url).is_ok()
}

/// The certificates in a file.
fn read(key: &str, path: &Path, is_blind: bool, findings: &mut Findings<'_>) -> Vec<u8> {
    if !path.is_absolute() {
        findings.add(key, "is not an absolute path", "begin it with /");
        return Vec::new();
    }
    if is_blind {
        return Vec::new();
    }
    let remedy = "name a PEM file of certificates that the service's user can read";
    let facts = std::fs::metadata(path);
    if let Ok(facts) = &facts
        && (!facts.is_file() || facts.len() > LONGEST_PEM)
    {
        findings.add(key, format!("{} is not a file of certificates", path.display()), remedy);
        return Vec::new();
    }
    match facts.and_then(|_| std::fs::read(path)) {
        Ok(pem) if Connections::default().trusting(&pem).is_ok() => pem,
        Ok(_) => {
            findings.add(key, format!("{} holds no certificate that can be read", path.display()), remedy);
            Vec::new()
        }
        Err(error) => {
            findings.add(key, format!("{} cannot be read: {}", path.display(), error.kind()), remedy);
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{ConfigError, Surroundings, check_text};

    const ACCOUNT: &str = "[[account]]\nname = \"shop\"\napi = \"amazon-pay-v2\"\nregion = \"eu\"\n\
        environment = \"sandbox\"\npublic_key_id = \"SANDBOX-A\"\nprivate_key = \"file:/x\"\n";

    fn problems(text: &str) -> Vec<String> {
        let text = format!("[reports]\ntime_zone = \"UTC\"\n{text}\n{ACCOUNT}");
        match check_text(&text, Path::new("/etc/config.toml"), &Surroundings::default()) {
            Ok(_) => Vec::new(),
            Err(ConfigError::Bad { problems, .. }) => problems.iter().map(ToString::to_string).collect(),
            Err(error) => vec![error.to_string()],
        }
    }

    #[test]
    fn a_listener_is_off_unless_it_has_an_address_and_all_keys_are_checked() {
        assert_eq!(problems(""), [""; 0]);
        let whole = "[notifications]\nlisten = \"127.0.0.1:8081\"\npublic_url = \"https://shop.example/hooks\"\n\
            trusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]\nmax_per_minute = 60\nunverified_per_hour = 0\n\
            certificate_file = \"/c.pem\"\nkey = \"file:/k.pem\"\nintermediates_file = \"/i.pem\"";
        assert_eq!(problems(whole), [""; 0]);
        for (bad, part) in [
            ("listen = \"8081\"", "listen"),
            ("public_url = \"http://shop.example\"", "public_url"),
            ("public_url = \"https://shop.example/?x\"", "public_url"),
            ("trusted_proxies = [\"proxy\"]", "trusted_proxies"),
            ("max_per_minute = 0", "max_per_minute"),
            ("certificate_file = \"/c.pem\"", "only one of"),
            ("key = \"file:/k.pem\"", "only one of"),
            ("intermediates_file = \"i.pem\"", "absolute"),
            ("port = 8081", "port"),
            ("[notifications.test]\nconnect = \"127.0.0.1:1\"", "ca_file"),
        ] {
            let found = problems(&format!("[notifications]\n{bad}"));
            assert!(found.len() == 1 && found[0].contains(part), "{bad}: {found:?}");
        }
    }

    #[test]
    fn test_hooks_are_refused_when_any_account_is_live() {
        let hooks = "[notifications.test]\nca_file = \"/ca.pem\"\nconnect = \"127.0.0.1:8443\"";
        assert_eq!(problems(hooks), [""; 0]);
        let live = ACCOUNT.replace("sandbox", "live").replace("SANDBOX", "LIVE").replace("shop", "live-shop");
        let found = problems(&format!("{hooks}\n{live}"));
        assert!(found.len() == 1 && found[0].contains("live-shop\" is live"), "{found:?}");
    }
    #[test]
    fn a_notification_adds_objects_only_to_an_account_that_names_its_merchant() {
        let discover = |more: &str| {
            let account = ACCOUNT.replace("shop", "other").replace("SANDBOX-A", "SANDBOX-B");
            problems(&format!("{account}discover = true\n{more}"))
        };
        assert_eq!(discover("merchant_id = \"A1SHOP\""), [""; 0]);
        let found = discover("");
        assert!(found.len() == 1 && found[0].contains("discover: is true without merchant_id"), "{found:?}");
    }

    #[test]
    fn proxies_of_this_host_are_trusted_unless_others_are_named() {
        let proxies = |line: &str| {
            let text = format!("[reports]\ntime_zone = \"UTC\"\n[notifications]\n{line}\n{ACCOUNT}");
            let config = check_text(&text, Path::new("/etc/config.toml"), &Surroundings::default()).unwrap();
            let has = |address: &str| {
                let networks = &config.notifications.trusted_proxies;
                networks.iter().any(|network| network.has(address.parse().unwrap()))
            };
            [has("127.0.0.1"), has("::1"), has("10.0.0.7")]
        };
        assert_eq!(proxies(""), [true, true, false]);
        assert_eq!(proxies("trusted_proxies = []"), [false, false, false]);
        assert_eq!(proxies("trusted_proxies = [\"10.0.0.7\"]"), [false, false, true]);
    }
}
