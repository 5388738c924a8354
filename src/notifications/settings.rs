//! What the configuration says about notifications.
//!
//! Owns: the shape. Must never know: how it is written.

use std::net::{IpAddr, SocketAddr};

use crate::secret::Secret;

/// `[notifications]`, checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where to listen; none when notifications are off.
    pub listen: Option<SocketAddr>,
    /// The listener's own certificate and key in PEM; none when a proxy in front of it has them.
    pub tls: Option<Tls>,
    /// What the provider can reach: `https://shop.example`, without a path.
    pub public_url: Option<String>,
    /// Proxies whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<Network>,
    /// The most requests a minute from one source.
    pub max_per_minute: u32,
    /// The most polls an hour, per account, because of hints that cannot be verified.
    pub unverified_per_hour: u32,
    /// Certificates in PEM that complete the chain of a signing certificate.
    pub intermediates_pem: Vec<u8>,
    /// For tests against a simulated provider.
    pub test: Option<TestHooks>,
}

/// A certificate and its key.
#[derive(Clone, PartialEq, Eq)]
pub struct Tls {
    /// The chain in PEM.
    pub certificate_pem: Vec<u8>,
    /// The key in PEM.
    pub key_pem: Secret<Vec<u8>>,
}

/// Hooks that no account with real money may be used with.
#[derive(Clone, PartialEq, Eq)]
pub struct TestHooks {
    /// The only authority that is trusted to sign messages, and one more for the SNS host's TLS.
    pub ca_pem: Vec<u8>,
    /// Where connections to SNS hosts really go. The host name stays the one that is checked.
    pub connect: Option<SocketAddr>,
}

/// Addresses that share their first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            listen: None,
            tls: None,
            public_url: None,
            trusted_proxies: ["127.0.0.1", "::1"].into_iter().filter_map(Network::from_text).collect(),
            max_per_minute: 1200,
            unverified_per_hour: 12,
            intermediates_pem: Vec::new(),
            test: None,
        }
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Settings").field("listen", &self.listen).finish_non_exhaustive()
    }
}

impl Network {
    /// Reads `10.0.0.0/8`, or one address.
    pub fn from_text(text: &str) -> Option<Network> {
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().ok()?;
        let address = address.to_canonical();
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(most), |bits| bits.parse().ok())?;
        (bits <= most).then_some(Network { address, bits })
    }

    /// Whether it is this host itself.
    pub fn is_loopback(&self) -> bool {
        self.address.is_loopback()
    }

    /// Whether an address belongs to it.
    pub fn has(&self, other: IpAddr) -> bool {
        let shared = match (self.address, other.to_canonical()) {
            (IpAddr::V4(one), IpAddr::V4(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
            (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
            _ => return false,
        };
        shared >= self.bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_the_addresses_that_share_its_bits() {
        let has =
            |network: &str, address: &str| Network::from_text(network).unwrap().has(address.parse().unwrap());
        assert!(has("10.0.0.0/8", "10.255.0.1") && !has("10.0.0.0/8", "11.0.0.1"));
        assert!(has("127.0.0.1", "127.0.0.1") && !has("127.0.0.1", "127.0.0.2"));
        assert!(has("127.0.0.1", "::ffff:127.0.0.1") && !has("0.0.0.0/0", "::1"));
        assert!(has("fd00::/8", "fd12::1") && !has("fd00::/8", "fe80::1") && has("::/0", "fe80::1"));
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/", "host"] {
            assert_eq!(Network::from_text(bad), None, "{bad}");
        }
    }
}
