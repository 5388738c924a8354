//! `[control.tcp]`: the API over TCP.
//!
//! Owns: its keys and checks. Must never know: how a request is let in.

use std::net::SocketAddr;

use serde::Deserialize;

use super::findings::Findings;
use crate::access::Role;
use crate::alerts::link::Links;
use crate::secret::{Secret, SecretLoader, SecretReference};

/// The shortest token, in characters: nobody guesses 32 random ones.
const SHORTEST: usize = 32;

/// `[control.tcp]`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpConfig {
    /// An address of this machine itself.
    pub listen: SocketAddr,
    /// Other names under which it is called, behind a proxy.
    pub hosts: Vec<String>,
    /// What lets in, and as whom.
    pub tokens: Vec<(Role, Secret<String>)>,
    /// The links of alerts, if they are wanted.
    pub links: Option<Links>,
}

/// `[control.tcp]`, as written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TcpSection {
    listen: SocketAddr,
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    tokens: TokenSection,
    links: Option<LinkSection>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkSection {
    base: String,
    secret: SecretReference,
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
        let is_name = |host: &&String| {
            let is_letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.');
            !host.is_empty() && host.chars().all(is_letter)
        };
        for host in self.hosts.iter().filter(|host| !is_name(host)) {
            let what = format!("{host:?} is not the name of a host");
            findings.add("control.tcp.hosts", what, "write it without http:// and without a port");
        }
        let written = [
            (Role::Metrics, self.tokens.metrics),
            (Role::Read, self.tokens.read),
            (Role::Enrol, self.tokens.enrol),
            (Role::Operate, self.tokens.operate),
        ];
        let mut tokens: Vec<(Role, Secret<String>)> = Vec::new();
        for (role, reference) in written {
            let Some(reference) = reference else { continue };
            let key = format!("control.tcp.tokens.{}", role.as_str());
            let remedy = "store the output of: openssl rand -base64 32";
            match loader.load_line(&reference) {
                Ok(_) if loader.is_blind() => {}
                Ok(token) if token.expose().chars().count() < SHORTEST => {
                    findings.add(&key, format!("it has fewer than {SHORTEST} characters"), remedy);
                }
                Ok(token) if !token.expose().bytes().all(|letter| letter.is_ascii_graphic()) => {
                    findings.add(&key, "it has characters that a header cannot have", remedy);
                }
                Ok(token) if tokens.iter().any(|(_, known)| *known == token) => {
                    findings.add(&key, "another role has the same token", remedy);
                }
                Ok(token) => tokens.push((role, token)),
                Err(bad) => findings.add(&key, bad.what, bad.remedy),
            }
        }
        let links = self.links.and_then(|links| links.resolve(&self.hosts, loader, findings));
        TcpConfig { listen: self.listen, hosts: self.hosts, tokens, links }
    }
}

impl LinkSection {
    /// Whether the base is this port's address: behind a proxy with TLS, or on this machine itself.
    fn is_reachable(&self, hosts: &[String]) -> bool {
        let base = self.base.trim_end_matches('/');
        let is_bare = |host: &str| !host.is_empty() && !host.contains(['/', '?', '#', '@']);
        if let Some(port) = base.strip_prefix("http://127.0.0.1:") {
            return is_bare(port);
        }
        base.strip_prefix("https://").is_some_and(|host| {
            let name = host.split(':').next().unwrap_or_default();
            is_bare(host) && hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
        })
    }

    fn resolve(self, hosts: &[String], loader: &SecretLoader, findings: &mut Findings<'_>) -> Option<Links> {
        if !self.is_reachable(hosts) {
            let what = "it is not an address under which people reach this port";
            let remedy = "write https:// and one of control.tcp.hosts, without a path";
            findings.add("control.tcp.links.base", what, remedy);
        }
        let remedy = "store the output of: openssl rand -base64 32";
        match loader.load_line(&self.secret) {
            Ok(_) if loader.is_blind() => None,
            Ok(secret) if secret.expose().chars().count() < SHORTEST => {
                let what = format!("it has fewer than {SHORTEST} characters");
                findings.add("control.tcp.links.secret", what, remedy);
                None
            }
            Ok(secret) => Some(Links::new(&self.base, secret)),
            Err(bad) => {
                findings.add("control.tcp.links.secret", bad.what, bad.remedy);
                None
            }
        }
    }
}
