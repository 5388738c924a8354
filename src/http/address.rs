//! Which addresses may be requested.
//!
//! Owns: the rules, for addresses as written and for those that a name resolves to. Must never know: whose address
//! it is. An address may itself be a secret, so no error repeats it.

use std::net::{IpAddr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Parses an address and applies the rules: https, or http to this machine; no credentials in it; not link-local,
/// where cloud providers serve credentials.
///
/// # Errors
/// Names the broken rule, never the address.
pub fn checked(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "it is not a URL")?;
    let host = url.host_str().ok_or("it names no host")?;
    let literal: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    let is_loopback = literal.map_or(host == "localhost", |address| address.to_canonical().is_loopback());
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it must not contain a user name or password");
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback || is_repository(host) => {}
        "http" => return Err("it must be https (http only to this host)"),
        _ => return Err("it must be https"),
    }
    if literal.is_some_and(is_refused) {
        return Err("link-local addresses are refused");
    }
    Ok(url)
}

/// Hosts that publish certificates by plain http: a certificate proves itself, because it must lead to a trusted root.
fn is_repository(host: &str) -> bool {
    host.strip_prefix("crt.").and_then(|rest| rest.strip_suffix(".amazontrust.com")).is_some()
}

fn is_refused(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local() || address.is_unspecified(),
        IpAddr::V6(address) => address.is_unicast_link_local() || address.is_unspecified(),
    }
}

/// Resolves names as the system does and drops addresses that are refused. The connection goes to exactly the
/// addresses that were checked. Behind a proxy, the proxy resolves names and decides.
#[derive(Debug)]
pub(super) struct CarefulResolver;

impl Resolve for CarefulResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let kept: Vec<SocketAddr> = found.filter(|address| !is_refused(address.ip())).collect();
            if kept.is_empty() {
                return Err("the name resolves only to refused addresses".into());
            }
            Ok(Box::new(kept.into_iter()) as Addrs)
        })
    }
}

/// Resolves every name to one address. Its port replaces the default port of a URL that names none.
#[derive(Debug)]
pub(super) struct FixedResolver(pub(super) SocketAddr);

impl Resolve for FixedResolver {
    fn resolve(&self, _name: Name) -> Resolving {
        let address = self.0;
        Box::pin(async move { Ok(Box::new(std::iter::once(address)) as Addrs) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_by_the_rules() {
        for good in [
            "https://hooks.slack.com/services/T/B/x",
            "http://127.0.0.1:8080/x",
            "http://[::1]:8080/x",
            "http://localhost/x",
            "https://10.0.0.7/hook",
            "http://crt.r2m01.amazontrust.com/r2m01.cer",
        ] {
            assert!(checked(good).is_ok(), "{good}");
        }
        for bad in [
            "http://hooks.slack.com/canary",
            "http://amazontrust.com/canary",
            "http://crt.amazontrust.com.example/canary",
            "https://169.254.169.254/canary",
            "https://[fe80::1]/canary",
            "https://[::ffff:169.254.169.254]/canary",
            "https://0.0.0.0/canary",
            "https://user:pass@host/canary",
            "ftp://host/canary",
            "file:///canary",
            "canary",
            "",
        ] {
            let error = checked(bad).unwrap_err();
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
