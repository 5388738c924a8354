//! `[control.tcp]`: the API over TCP.
//!
//! Owns: its keys and checks. Must never know: how a request is let in.

use std::net::SocketAddr;

use serde::Deserialize;

use super::findings::Findings;
use crate::access::Role;
use crate::alerts::link::Links;
use crate::secret::{Secret, SecretLoader, SecretReference};

const MAKE_ONE: &str = "store the output of: openssl rand -base64 32";
/// The shortest token, in characters: nobody guesses 32 random ones.
const SHORTEST: usize = 32;

/// `[control.tcp]`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpConfig {
    /// An address of this machine itself.
    pub listen: SocketAddr,
    /// Other names under which it is called, behind a proxy. That of `public_url` is among them.
    pub hosts: Vec<String>,
    /// Where browsers reach the dashboard through a proxy with TLS: `https://host` or `https://host:port`.
    pub public_url: Option<String>,
    /// What lets in, and as whom.
    pub tokens: Vec<(Role, Secret<String>)>,
    /// The links of alerts, if they are wanted.
    pub links: Option<Links>,
}

impl TcpConfig {
    /// Where browsers reach the dashboard, without a path.
    pub fn base_url(&self) -> String {
        self.public_url.clone().unwrap_or_else(|| format!("http://{}", self.listen))
    }
}

/// `[control.tcp]`, as written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TcpSection {
    listen: SocketAddr,
    #[serde(default)]
    hosts: Vec<String>,
    public_url: Option<String>,
    #[serde(default)]
    tokens: TokenSection,
    link_secret: Option<SecretReference>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TokenSection {
    metrics: Option<SecretReference>,
    read: Option<SecretReference>,
    enrol: Option<SecretReference>,
    operate: Option<SecretReference>,
}

impl TcpSection {
    /// Checks it and reads the tokens.
    pub(super) fn resolve(self, loader: &SecretLoader, findings: &mut Findings<'_>) -> TcpConfig {
        if !self.listen.ip().is_loopback() {
            let remedy = "write 127.0.0.1 or [::1], and put a TLS proxy in front for other machines";
            findings.add("control.tcp.listen", "it is not a loopback address", remedy);
        }
        for host in self.hosts.iter().filter(|host| !is_name(host)) {
            let what = format!("{host:?} is not the name of a host");
            findings.add("control.tcp.hosts", what, "write it without http:// and without a port");
        }
        let mut hosts = self.hosts;
        if let Some(url) = &self.public_url {
            match host_of(url) {
                Some(host) => hosts.push(host.to_owned()),
                None => findings.add(
                    "control.tcp.public_url",
                    format!("{url:?} is not the address of a host with TLS"),
                    "write https://host or https://host:port, without a path",
                ),
            }
        }
        let written = [
            (Role::Metrics, self.tokens.metrics),
            (Role::Read, self.tokens.read),
            (Role::Enrol, self.tokens.enrol),
            (Role::Operate, self.tokens.operate),
        ];
        let mut tokens: Vec<(Role, Secret<String>)> = Vec::new();
        for (role, reference) in written {
            let key = format!("control.tcp.tokens.{}", role.as_str());
            match reference.and_then(|reference| random_text(&key, &reference, loader, findings)) {
                Some(token) if !token.expose().bytes().all(|letter| letter.is_ascii_graphic()) => {
                    findings.add(&key, "it has characters that a header cannot have", MAKE_ONE);
                }
                Some(token) if tokens.iter().any(|(_, known)| *known == token) => {
                    findings.add(&key, "another role has the same token", MAKE_ONE);
                }
                Some(token) => tokens.push((role, token)),
                None => {}
            }
        }
        let secret = self
            .link_secret
            .and_then(|reference| random_text("control.tcp.link_secret", &reference, loader, findings));
        let public_url = self.public_url.map(|url| url.trim_end_matches('/').to_owned());
        let mut tcp = TcpConfig { listen: self.listen, hosts, public_url, tokens, links: None };
        tcp.links = secret.map(|secret| Links::new(&tcp.base_url(), secret));
        tcp
    }
}

/// A secret that nobody guesses. `None` if it is not usable, which is then among the findings, or not to be read.
fn random_text(
    key: &str,
    reference: &SecretReference,
    loader: &SecretLoader,
    findings: &mut Findings<'_>,
) -> Option<Secret<String>> {
    match loader.load_line(reference) {
        Ok(_) if loader.is_blind() => None,
        Ok(text) if text.expose().chars().count() < SHORTEST => {
            findings.add(key, format!("it has fewer than {SHORTEST} characters"), MAKE_ONE);
            None
        }
        Ok(text) => Some(text),
        Err(bad) => {
            findings.add(key, bad.what, bad.remedy);
            None
        }
    }
}

fn is_name(host: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.');
    !host.is_empty() && host.chars().all(is_letter)
}

/// The name in `https://name` or `https://name:port`.
fn host_of(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://")?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (name, port) = rest.split_once(':').unwrap_or((rest, "443"));
    (is_name(name) && port.parse::<u16>().is_ok()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_a_host_with_tls_and_nothing_more() {
        for (url, host) in [
            ("https://rec.example", Some("rec.example")),
            ("https://rec.example:8443/", Some("rec.example")),
            ("http://rec.example", None),
            ("https://rec.example/path", None),
            ("https://user@rec.example", None),
            ("https://rec.example:port", None),
            ("https://", None),
        ] {
            assert_eq!(host_of(url), host, "{url}");
        }
    }
}
