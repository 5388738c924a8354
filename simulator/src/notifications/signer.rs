//! Who signs as Amazon SNS: an authority of its own, and under it the signing certificate and that of the SNS hosts.
//!
//! Owns: the certificates of notifications. Must never know: which account a message is for.

use std::io;
use std::sync::{Arc, LazyLock};

use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256,
    date_time_ymd,
};
use rustls::pki_types::PrivatePkcs8KeyDer;

use super::signing::SigningKey;
use crate::authority::ThrowAwayAuthority;

/// Whose name the signing certificate bears.
pub const SIGNING_NAME: &str = "sns.amazonaws.com";

/// Regions of SNS: those of Amazon Pay in North America, Europe and Japan.
const SNS_REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "ap-northeast-1"];

/// What is wrong with a signing certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SigningFlaw {
    /// Nothing.
    #[default]
    None,
    /// It ran out in 2001.
    Expired,
    /// It is valid from the year 4000 on.
    NotYetValid,
    /// It bears another name.
    OtherName,
    /// It is self-signed.
    SelfSigned,
}

/// An authority with its signing key and certificate, and a second key that no certificate knows.
#[derive(Debug)]
pub struct Signer {
    authority: ThrowAwayAuthority,
    key: SigningKey,
    stranger: SigningKey,
    certificate_pem: String,
}

impl Signer {
    /// The signer of this process. Keys take a while to make, so that all simulators of a process share them.
    ///
    /// # Errors
    /// When the system yields no randomness.
    pub fn shared() -> io::Result<Arc<Signer>> {
        static SHARED: LazyLock<Result<Arc<Signer>, String>> =
            LazyLock::new(|| Signer::generate().map(Arc::new).map_err(|error| error.to_string()));
        SHARED.clone().map_err(io::Error::other)
    }

    /// A fresh signer: another authority and other keys than every other.
    ///
    /// # Errors
    /// When the system yields no randomness.
    pub fn generate() -> io::Result<Signer> {
        let hosts: Vec<String> = SNS_REGIONS.iter().map(|region| host(region)).collect();
        let names = ["localhost", "127.0.0.1", "::1"].into_iter().chain(hosts.iter().map(String::as_str));
        let authority = ThrowAwayAuthority::generate(&names.collect::<Vec<_>>())?;
        let key = SigningKey::generate()?;
        let certificate_pem = certificate(&authority, &key, SigningFlaw::None)?;
        Ok(Signer { authority, key, stranger: SigningKey::generate()?, certificate_pem })
    }

    /// The authority: what a client must trust, and a certificate for the TLS server at the SNS hosts, `localhost`,
    /// `127.0.0.1` and `::1`.
    pub fn authority(&self) -> &ThrowAwayAuthority {
        &self.authority
    }

    /// The key that signs.
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// A key of the same kind that belongs to no certificate.
    pub fn stranger(&self) -> &SigningKey {
        &self.stranger
    }

    /// The certificate of the key, PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Another certificate of the same key, with a flaw that a client must notice, PEM.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn flawed_certificate_pem(&self, flaw: SigningFlaw) -> io::Result<String> {
        certificate(&self.authority, &self.key, flaw)
    }
}

/// The host of SNS in a region.
pub(super) fn host(region: &str) -> String {
    format!("sns.{region}.amazonaws.com")
}

fn certificate(authority: &ThrowAwayAuthority, key: &SigningKey, flaw: SigningFlaw) -> io::Result<String> {
    let der = PrivatePkcs8KeyDer::from(key.pkcs8());
    let pair = KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_RSA_SHA256).map_err(io::Error::other)?;
    let name = match flaw {
        SigningFlaw::OtherName => "mail.example.com",
        _ => SIGNING_NAME,
    };
    let mut params = CertificateParams::new([name.to_owned()]).map_err(io::Error::other)?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    match flaw {
        SigningFlaw::Expired => {
            (params.not_before, params.not_after) = (date_time_ymd(2000, 1, 1), date_time_ymd(2001, 1, 1));
        }
        SigningFlaw::NotYetValid => params.not_before = date_time_ymd(4000, 1, 1),
        _ => {}
    }
    match flaw {
        SigningFlaw::SelfSigned => {
            params.self_signed(&pair).map(|issued| issued.pem()).map_err(io::Error::other)
        }
        _ => authority.issue(params, &pair),
    }
}
