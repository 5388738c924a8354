//! How every HTTP connection of this process is made: directly or through a proxy, and which root certificates it
//! trusts.
//!
//! Owns: the common part of the clients' builders, the checks of a proxy's address and of certificates. Must
//! never know: the configuration, the environment, what a connection carries.

use std::fmt;
use std::path::Path;

use reqwest::{Certificate, Client, ClientBuilder, NoProxy, Proxy, Url};

/// The largest file of certificates that is read, in bytes.
const LONGEST_CA_FILE: u64 = 1024 * 1024;
/// This machine is never reached through a proxy.
const HERE: &str = "localhost,127.0.0.0/8,::1";

/// How connections are made. The default is the safest: directly, trusting only the system's root certificates.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Connections {
    proxy: Option<ProxyServer>,
    extra_roots_pem: Vec<u8>,
}

/// The proxy that connections go through.
#[derive(Clone, PartialEq, Eq)]
struct ProxyServer {
    /// May contain a user and password.
    url: Url,
    /// Hosts that are reached directly, as `NO_PROXY` lists them.
    except: String,
}

impl Connections {
    /// These connections, through the proxy at `url`, except for this machine and the hosts in `except` (listed as in
    /// `NO_PROXY`). Only `https` goes through it: the proxy sees which hosts we connect to, but not the content.
    ///
    /// # Errors
    /// What is wrong with the address. The address itself is left out: it may contain a password.
    pub fn through(mut self, url: &str, except: &str) -> Result<Connections, &'static str> {
        let url = url.trim();
        let is_bare = !url.contains("://");
        let whole = if is_bare { format!("http://{url}") } else { url.to_owned() };
        let url = Url::parse(&whole).map_err(|_| "it is not an address")?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("only http:// and https:// proxies are supported");
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err("it names no host");
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err("it must be only scheme, host and port, without a path");
        }
        Proxy::https(url.clone()).map_err(|_| "it is not an address")?;
        self.proxy = Some(ProxyServer { url, except: except.trim().to_owned() });
        Ok(self)
    }

    /// These connections, trusting the certificates of a PEM text in addition to the system's root certificates.
    ///
    /// # Errors
    /// When it contains no certificate, or one that cannot be used.
    pub fn trusting(mut self, pem: &[u8]) -> Result<Connections, BadRoots> {
        let found = Certificate::from_pem_bundle(pem).map_err(|_| BadRoots::Garbled)?;
        if found.is_empty() {
            return Err(BadRoots::None);
        }
        // Building a client parses them. Without the system's root certificates it can fail for no other reason.
        Client::builder().tls_certs_only(found).build().map_err(|_| BadRoots::Garbled)?;
        self.extra_roots_pem = pem.to_vec();
        Ok(self)
    }

    /// These connections, trusting the certificates of a PEM file in addition to the system's root certificates.
    ///
    /// # Errors
    /// What is wrong with the file, and what to do.
    pub fn trusting_file(self, path: &Path) -> Result<Connections, (String, &'static str)> {
        self.trusting(&read(path)?).map_err(|bad| {
            let remedy = match bad {
                BadRoots::None => "name the CA's certificate in PEM form, not its key; openssl x509 -inform DER -in FILE turns DER into PEM",
                BadRoots::Garbled => "look for a missing or broken line; openssl x509 -noout -text -in FILE shows what can be read",
            };
            (format!("{} {bad}", path.display()), remedy)
        })
    }

    /// A builder for a client that makes its connections this way. It ignores the environment's proxy variables.
    pub fn builder(&self) -> ClientBuilder {
        let roots = Certificate::from_pem_bundle(&self.extra_roots_pem).unwrap_or_default();
        let builder = Client::builder().tls_certs_merge(roots).no_proxy();
        match &self.proxy {
            None => builder,
            Some(server) => {
                let proxy = Proxy::https(server.url.clone()).expect("the address was checked by `through`");
                builder.proxy(proxy.no_proxy(server.exceptions()))
            }
        }
    }

    /// The certificates that are trusted in addition to the system's (PEM); empty for none.
    pub fn extra_roots_pem(&self) -> &[u8] {
        &self.extra_roots_pem
    }

    /// The host and port of the proxy, if there is one; never its user or password.
    pub fn proxy_address(&self) -> Option<String> {
        let url = &self.proxy.as_ref()?.url;
        let port = url.port_or_known_default().map(|port| format!(":{port}")).unwrap_or_default();
        Some(format!("{}{port}", url.host_str().unwrap_or_default()))
    }
}

impl ProxyServer {
    fn exceptions(&self) -> Option<NoProxy> {
        NoProxy::from_string(&format!("{HERE},{}", self.except))
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Connections")
            .field("proxy", &self.proxy_address())
            .field("has_extra_roots", &!self.extra_roots_pem.is_empty())
            .finish()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, (String, &'static str)> {
    if !path.is_absolute() {
        return Err(("is not an absolute path".to_owned(), "begin it with /"));
    }
    let remedy = "name a file that the service's user can read";
    let cannot = |error: std::io::Error| {
        (format!("{} cannot be read: {}", path.display(), crate::text::why_unread(&error)), remedy)
    };
    // Opening a pipe would wait for a writer.
    let known = std::fs::metadata(path).map_err(cannot)?;
    if !known.is_file() {
        return Err((format!("{} is not a file", path.display()), remedy));
    }
    if known.len() > LONGEST_CA_FILE {
        return Err((
            format!("{} is longer than 1 MiB", path.display()),
            "keep only the CA's certificates in it",
        ));
    }
    std::fs::read(path).map_err(cannot)
}

/// Why certificates cannot be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRoots {
    /// The text contains none.
    #[error("holds no certificate (-----BEGIN CERTIFICATE-----)")]
    None,
    /// One of them cannot be parsed.
    #[error("holds a certificate that cannot be read")]
    Garbled,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(url: &str) -> Result<String, &'static str> {
        let connections = Connections::default().through(url, "")?;
        Ok(connections.proxy_address().unwrap())
    }

    #[test]
    fn a_proxy_is_an_address_and_its_password_is_never_shown() {
        assert_eq!(through("http://proxy.shop:3128").as_deref(), Ok("proxy.shop:3128"));
        assert_eq!(through("https://proxy.shop/").as_deref(), Ok("proxy.shop:443"));
        assert_eq!(through(" proxy.shop:3128 ").as_deref(), Ok("proxy.shop:3128"));
        assert_eq!(through("http://user:canary@10.0.0.1:80").as_deref(), Ok("10.0.0.1:80"));
        let shown =
            format!("{:?}", Connections::default().through("http://user:canary@10.0.0.1:80", "").unwrap());
        assert!(
            shown.contains("10.0.0.1") && !shown.contains("canary") && !shown.contains("user"),
            "{shown}"
        );
        for bad in ["", "http://", "socks5://proxy:1080", "http://proxy/path", "http://proxy?canary", "a b"] {
            assert!(through(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_certificates_are_trusted() {
        let trusting = |pem: &[u8]| Connections::default().trusting(pem).map(|_| ());
        let good = rcgen::generate_simple_self_signed(vec!["ca".to_owned()]).unwrap();
        assert_eq!(trusting(good.cert.pem().as_bytes()), Ok(()));
        assert_eq!(trusting(b""), Err(BadRoots::None));
        assert_eq!(trusting(b"no certificate"), Err(BadRoots::None));
        assert_eq!(trusting(good.signing_key.serialize_pem().as_bytes()), Err(BadRoots::None));
        let garbled = b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
        assert_eq!(trusting(garbled), Err(BadRoots::Garbled));
        let other = b"-----BEGIN CERTIFICATE-----\naGVsbG8gd29ybGQ=\n-----END CERTIFICATE-----\n";
        assert_eq!(trusting(other), Err(BadRoots::Garbled));
    }
}
