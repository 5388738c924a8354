//! A certificate authority for one run, so that clients can be tried over HTTPS.
//!
//! Owns: the throw-away certificates. Must never know: what is served under them.

use std::io;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// What is wrong with the server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CertificateFlaw {
    /// Nothing.
    #[default]
    None,
    /// It belongs to another host.
    OtherHost,
    /// It ran out in 2001.
    Expired,
    /// It is signed by itself alone.
    SelfSigned,
}

/// An authority and one server certificate issued by it.
#[derive(Clone)]
pub struct ThrowAwayAuthority {
    issuer: Arc<CertifiedIssuer<'static, KeyPair>>,
    authority_pem: String,
    certificate: CertificateDer<'static>,
    key: Arc<PrivatePkcs8KeyDer<'static>>,
}

impl std::fmt::Debug for ThrowAwayAuthority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ThrowAwayAuthority").finish_non_exhaustive()
    }
}

impl ThrowAwayAuthority {
    /// A fresh authority with a certificate for these names and addresses.
    ///
    /// # Errors
    /// When a name is not fit for a certificate, or the system yields no randomness.
    pub fn generate(names: &[&str]) -> io::Result<ThrowAwayAuthority> {
        ThrowAwayAuthority::generate_flawed(names, CertificateFlaw::None)
    }

    /// The same with a flaw that a client must notice.
    ///
    /// # Errors
    /// As [`ThrowAwayAuthority::generate`].
    pub fn generate_flawed(names: &[&str], flaw: CertificateFlaw) -> io::Result<ThrowAwayAuthority> {
        let issuer = issuer().map_err(io::Error::other)?;
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = match flaw {
            CertificateFlaw::SelfSigned => server(names, flaw).and_then(|server| server.self_signed(&key)),
            _ => server(names, flaw).and_then(|server| server.signed_by(&key, &issuer)),
        };
        Ok(ThrowAwayAuthority {
            authority_pem: issuer.pem(),
            issuer: Arc::new(issuer),
            certificate: certificate.map_err(io::Error::other)?.der().clone(),
            key: Arc::new(PrivatePkcs8KeyDer::from(key.serialize_der())),
        })
    }

    /// The authority's own certificate, PEM: what a client must trust.
    pub fn authority_pem(&self) -> &str {
        &self.authority_pem
    }

    /// One more certificate by this authority, PEM.
    pub(crate) fn issue(&self, mut params: CertificateParams, key: &KeyPair) -> io::Result<String> {
        params.use_authority_key_identifier_extension = true;
        params.signed_by(key, &self.issuer).map(|issued| issued.pem()).map_err(io::Error::other)
    }

    /// What a TLS server needs.
    ///
    /// # Errors
    /// When the certificate does not fit the key, which would be a fault of this module.
    pub fn server_config(&self) -> io::Result<Arc<rustls::ServerConfig>> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivateKeyDer::Pkcs8(self.key.clone_key());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], key)
            .map_err(io::Error::other)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn issuer() -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "reconciled simulator, for one run only");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn server(names: &[&str], flaw: CertificateFlaw) -> Result<CertificateParams, rcgen::Error> {
    let names: Vec<String> = match flaw {
        CertificateFlaw::OtherHost => vec!["elsewhere.example".to_owned()],
        _ => names.iter().map(|name| (*name).to_owned()).collect(),
    };
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "reconciled simulator");
    params.use_authority_key_identifier_extension = true;
    if flaw == CertificateFlaw::Expired {
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    }
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flaw_still_makes_a_server() {
        for flaw in [
            CertificateFlaw::None,
            CertificateFlaw::OtherHost,
            CertificateFlaw::Expired,
            CertificateFlaw::SelfSigned,
        ] {
            let authority =
                ThrowAwayAuthority::generate_flawed(&["localhost", "127.0.0.1"], flaw).expect("it is made");
            assert!(authority.authority_pem().starts_with("-----BEGIN CERTIFICATE-----"));
            assert!(authority.server_config().is_ok(), "{flaw:?}");
        }
    }
}
