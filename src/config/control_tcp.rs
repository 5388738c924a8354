//! `[control.tcp]`: the API over TCP.
//!
//! Owns: its keys and checks. Must never know: how a request is let in.

use std::net::SocketAddr;

use serde::Deserialize;

use super::findings::Findings;
use crate::access::Role;
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
        TcpConfig { listen: self.listen, hosts: self.hosts, tokens }
    }
}
