//! Which addresses may be requested.
//!
//! Owns: the rules, for addresses as written and for those that a name resolves to. Must never know: whose address
//! it is. An address may itself be a secret, so no error repeats it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

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

/// Which addresses may be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// All but link-local ones.
    Networks,
    /// Neither those of private networks: an address that somebody else chose must not lead into ours. This machine may
    /// be named by `localhost` or its address, but not by another name.
    Internet,
}

/// As [`checked`], for an address that must not lead into a private network.
///
/// # Errors
/// Names the broken rule, never the address.
pub fn checked_public(text: &str) -> Result<Url, &'static str> {
    let url = checked(text)?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    match host.parse::<IpAddr>() {
        Ok(literal) if is_private(literal) && !literal.to_canonical().is_loopback() => {
            Err("addresses of private networks are refused")
        }
        _ => Ok(url),
    }
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

/// Whether an address is reached only within this machine or network, or is none of a host.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [first, second, third, _] = address.octets();
            address.is_private()
                || address.is_loopback()
                || address.is_broadcast()
                || address.is_documentation()
                || first == 0
                || first >= 224
                || (first, second & 0xc0) == (100, 64)
                || (first, second & 0xfe) == (198, 18)
                || (first, second, third) == (192, 0, 0)
        }
        IpAddr::V6(address) => {
            let [first, second, third, fourth, fifth, sixth, high, low] = address.segments();
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            // A translator leads on to the IPv4 address within.
            let is_translated = [first, second, third, fourth] == [0x64, 0xff9b, 0, 0];
            // Tunnels lead on to an IPv4 address, too: 6to4, Teredo, and the old form ::a.b.c.d.
            let is_tunnel = first == 0x2002
                || (first, second) == (0x2001, 0)
                || [first, second, third, fourth, fifth, sixth] == [0; 6];
            // Site-local addresses are the forerunners of the unique local ones; 2001:db8::/32 is for documentation.
            address.is_loopback()
                || is_tunnel
                || first & 0xffc0 == 0xfec0
                || (first, second) == (0x2001, 0xdb8)
                || address.is_unique_local()
                || address.is_multicast()
                || (first, second) == (0x64, 0xff9b) && third != 0
                || (is_translated && is_private(Ipv4Addr::new(a, b, c, d).into()))
                || (is_translated && is_refused(Ipv4Addr::new(a, b, c, d).into()))
        }
    }
}

/// Resolves names as the system does and drops addresses that are refused. The connection goes to exactly the
/// addresses that were checked. Behind a proxy, the proxy resolves names and decides.
#[derive(Debug)]
pub(super) struct CarefulResolver(pub(super) Reach);

impl Resolve for CarefulResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let is_limited = self.0 == Reach::Internet && name.as_str() != "localhost";
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let is_kept =
                |address: &SocketAddr| !(is_refused(address.ip()) || is_limited && is_private(address.ip()));
            let kept: Vec<SocketAddr> = found.filter(is_kept).collect();
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

    #[test]
    fn an_address_for_the_internet_leads_into_no_private_network() {
        for good in [
            "https://office.example/x",
            "https://203.1.113.9/x",
            "https://[2a00:1450::1]/x",
            "http://localhost:8080/x",
            "http://127.0.0.1:8080/x",
            "http://[::1]/x",
            "https://[64:ff9b::8.8.8.8]/x",
            "https://[2001:4860:4860::8888]/x",
        ] {
            assert!(checked_public(good).is_ok(), "{good}");
        }
        for bad in [
            "https://10.0.0.7/x",
            "https://172.31.255.1/x",
            "https://192.168.1.1/x",
            "https://100.100.100.200/x",
            "https://198.19.0.1/x",
            "https://192.0.0.8/x",
            "https://240.0.0.1/x",
            "https://[fd00:ec2::254]/x",
            "https://[ff02::1]/x",
            "https://[::ffff:10.0.0.7]/x",
            "https://[64:ff9b::10.0.0.7]/x",
            "https://[64:ff9b::169.254.169.254]/x",
            "https://[64:ff9b:1::1]/x",
            "https://[2002:a00:7::1]/x",
            "https://[2001:0:53aa:64c::1]/x",
            "https://[fec0::1]/x",
            "https://[feff::1]/x",
            "https://[::10.0.0.7]/x",
            "https://[2001:db8::1]/x",
            "https://169.254.169.254/x",
            "https://0x0a000007/x",
            "http://office.example/x",
        ] {
            assert!(checked_public(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_refused_for_the_internet_but_not_localhost() {
        let found = |reach: Reach, name: &str| CarefulResolver(reach).resolve(name.parse().unwrap());
        assert!(found(Reach::Networks, "localhost").await.is_ok());
        assert!(found(Reach::Internet, "localhost").await.is_ok());
        assert!(found(Reach::Networks, "127.0.0.2").await.is_ok());
        assert!(found(Reach::Internet, "127.0.0.2").await.is_err());
        assert!(found(Reach::Internet, "10.0.0.7").await.is_err());
        assert!(found(Reach::Networks, "169.254.169.254").await.is_err());
    }
}
