//! Owns: whether a certificate may sign SNS messages: its chain, validity, names, use and key.
//! Must never know: how a certificate is fetched or kept.
//!
//! The chain is built by rustls-webpki, the same code that checks TLS servers in rustls: signatures, validity, CA
//! flag, path length, name constraints, extended key usage, and bounds on the work that a hostile chain can cause.
//! It does not look into key usage and does not say until when a chain is valid; x509-parser reads these.

use std::time::Duration;

use aws_lc_rs::signature::{
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
};
use jiff::Timestamp;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage, anchor_from_trusted_cert, aws_lc_rs as algorithms};
use x509_parser::oid_registry::OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::AttributeTypeAndValue;

use crate::refusal::Refusal;
use crate::topic::{DOMAINS, Topic, is_region, partition_of};

/// The longest file of certificates that [`SigningCertificate::check`] reads.
const LONGEST: usize = 64 * 1024;
/// The most certificates in it.
const MOST: usize = 8;

/// How an issuer may sign a certificate. SHA-1 is not among them.
static ISSUERS: &[&dyn SignatureVerificationAlgorithm] = &[
    algorithms::RSA_PKCS1_2048_8192_SHA256,
    algorithms::RSA_PKCS1_2048_8192_SHA384,
    algorithms::RSA_PKCS1_2048_8192_SHA512,
    algorithms::ECDSA_P256_SHA256,
    algorithms::ECDSA_P256_SHA384,
    algorithms::ECDSA_P384_SHA256,
    algorithms::ECDSA_P384_SHA384,
];

/// The roots that are trusted, and intermediate certificates that are known.
///
/// SNS serves the leaf without its issuer, so the intermediates of Amazon Trust Services must come from
/// [`Roots::with_intermediates`]. An intermediate is not trusted: it only completes a chain to a root.
#[derive(Debug, Clone)]
pub struct Roots {
    anchors: Vec<TrustAnchor<'static>>,
    intermediates: Vec<CertificateDer<'static>>,
}

impl Roots {
    /// Roots from PEM. Certificates that cannot be read are skipped, as bundles of systems may hold such.
    ///
    /// # Errors
    /// When none is left.
    pub fn from_pem(pem: &[u8]) -> Result<Roots, Refusal> {
        Roots::from_certificates(CertificateDer::pem_slice_iter(pem).filter_map(Result::ok))
    }

    /// Roots from DER. Certificates that cannot be read are skipped.
    ///
    /// # Errors
    /// When none is left.
    pub fn from_der<'a>(roots: impl IntoIterator<Item = &'a [u8]>) -> Result<Roots, Refusal> {
        Roots::from_certificates(roots.into_iter().map(CertificateDer::from))
    }

    fn from_certificates<'a>(roots: impl Iterator<Item = CertificateDer<'a>>) -> Result<Roots, Refusal> {
        let anchors: Vec<_> =
            roots.filter_map(|root| Some(anchor_from_trusted_cert(&root).ok()?.to_owned())).collect();
        if anchors.is_empty() {
            Err(Refusal::Roots)
        } else {
            Ok(Roots { anchors, intermediates: Vec::new() })
        }
    }

    /// Adds intermediate certificates, as PEM or one as DER. They complete chains and are not trusted themselves.
    ///
    /// # Errors
    /// When no certificate can be read.
    pub fn with_intermediates(mut self, bytes: &[u8]) -> Result<Roots, Refusal> {
        let before = self.intermediates.len();
        let pem = CertificateDer::pem_slice_iter(bytes).filter_map(Result::ok);
        let der = [CertificateDer::from(bytes.to_vec())];
        let readable = pem.chain(der).filter(|certificate| parse(certificate).is_ok());
        self.intermediates.extend(readable);
        if self.intermediates.len() == before { Err(Refusal::CertificateForm) } else { Ok(self) }
    }
}

/// Where the issuer's certificate of a leaf is: `http://crt.NAME.amazontrust.com/FILE` in Amazon's repository.
///
/// A certificate that is refused with [`Refusal::CertificateChain`] may only lack its issuer. Fetch it from here,
/// without following redirects, add it to a copy of the roots by [`Roots::with_intermediates`], and check again. Plain
/// `http` does no harm, because the certificate must still lead to a trusted root.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IssuerUrl(String);

impl IssuerUrl {
    /// The URL that the first certificate names. None when there is none in Amazon's repository.
    pub fn of(pem: &[u8]) -> Option<IssuerUrl> {
        let leaf = CertificateDer::pem_slice_iter(pem.get(..LONGEST).unwrap_or(pem)).next()?.ok()?;
        let parsed = parse(&leaf).ok()?;
        let access = parsed.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityInfoAccess(access) => Some(access),
            _ => None,
        })?;
        access.iter().find_map(|description| match description.access_location {
            GeneralName::URI(url) if description.access_method == OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS => {
                IssuerUrl::check(url)
            }
            _ => None,
        })
    }

    fn check(url: &str) -> Option<IssuerUrl> {
        let (name, file) = url.strip_prefix("http://crt.")?.split_once(".amazontrust.com/")?;
        let is_plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let file = file.strip_suffix(".cer").or_else(|| file.strip_suffix(".crt"))?;
        (is_plain(name) && is_plain(file)).then(|| IssuerUrl(url.to_owned()))
    }

    /// The whole URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A certificate whose chain, use, names and key were checked. Keep it, and use it for many messages.
#[derive(Debug, Clone)]
pub struct SigningCertificate {
    sha1: ParsedPublicKey,
    sha256: ParsedPublicKey,
    signers: Vec<Signer>,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl SigningCertificate {
    /// Checks what was fetched from [`crate::Message::certificate_url`]: the leaf, then perhaps its issuers.
    ///
    /// A subject alternative name of the leaf must be SNS: `sns.amazonaws.com`, `sns.REGION.amazonaws.com`,
    /// `sns-signing.REGION.amazonaws.com`, and in China and for governments also `sns-REGION` in their domain. There
    /// are no wildcards. A common name, if there is one, must be such a name too. [`crate::Message::verify`] compares
    /// the region.
    ///
    /// # Errors
    /// When it cannot be read or must not sign messages.
    pub fn check(pem: &[u8], roots: &Roots, now: Timestamp) -> Result<SigningCertificate, Refusal> {
        if pem.len() > LONGEST {
            return Err(Refusal::TooLarge("the certificate"));
        }
        let mut chain = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            if chain.len() == MOST {
                return Err(Refusal::TooLarge("the chain of certificates"));
            }
            chain.push(certificate.map_err(|_| Refusal::CertificateForm)?);
        }
        let (leaf, given) = chain.split_first().ok_or(Refusal::CertificateForm)?;
        let intermediates: Vec<_> = given.iter().chain(&roots.intermediates).cloned().collect();
        let end_entity = EndEntityCert::try_from(leaf).map_err(|_| Refusal::CertificateForm)?;
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        let path = end_entity
            .verify_for_usage(
                ISSUERS,
                &roots.anchors,
                &intermediates,
                UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
                KeyUsage::server_auth(),
                None,
                None,
            )
            .map_err(|error| refusal_of(&error))?;
        let parsed = parse(leaf)?;
        let mut valid = validity(&parsed);
        for issuer in path.intermediate_certificates() {
            let der = issuer.der();
            let parsed = parse(&der)?;
            let own = validity(&parsed);
            valid = (valid.0.max(own.0), valid.1.min(own.1));
            let usage = parsed.key_usage().map_err(|_| Refusal::CertificateForm)?;
            if usage.is_some_and(|usage| !usage.value.key_cert_sign()) {
                return Err(Refusal::CertificateUsage);
            }
        }
        let usage = parsed.key_usage().map_err(|_| Refusal::CertificateForm)?;
        if usage.is_some_and(|usage| !usage.value.digital_signature()) {
            return Err(Refusal::CertificateUsage);
        }
        let signers = signers(&parsed)?;
        let Ok(PublicKey::RSA(rsa)) = parsed.public_key().parsed() else {
            return Err(Refusal::CertificateKey);
        };
        if !(2048..=8192).contains(&rsa.key_size()) {
            return Err(Refusal::CertificateKey);
        }
        let key = end_entity.subject_public_key_info();
        Ok(SigningCertificate {
            sha1: ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, &key)
                .map_err(|_| Refusal::CertificateKey)?,
            sha256: ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &key)
                .map_err(|_| Refusal::CertificateKey)?,
            signers,
            not_before: valid.0,
            not_after: valid.1,
        })
    }

    /// Until when the whole chain is valid. Fetch the certificate again afterwards.
    pub fn expires(&self) -> Timestamp {
        self.not_after
    }

    pub(crate) fn check_for(&self, topic: &Topic, now: Timestamp) -> Result<(), Refusal> {
        if now > self.not_after {
            return Err(Refusal::CertificateExpired);
        }
        if now < self.not_before {
            return Err(Refusal::CertificateNotYetValid);
        }
        let is_for_topic = self.signers.iter().any(|signer| signer.signs_for(topic));
        if is_for_topic { Ok(()) } else { Err(Refusal::CertificateSubject) }
    }

    pub(crate) fn check_signature(
        &self,
        is_sha256: bool,
        text: &str,
        signature: &[u8],
    ) -> Result<(), Refusal> {
        let key = if is_sha256 { &self.sha256 } else { &self.sha1 };
        key.verify_sig(text.as_bytes(), signature).map_err(|_| Refusal::WrongSignature)
    }
}

fn parse<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Refusal> {
    X509Certificate::from_der(der).map(|(_, certificate)| certificate).map_err(|_| Refusal::CertificateForm)
}

/// From when to when; times outside of what can be said are cut off.
fn validity(certificate: &X509Certificate<'_>) -> (Timestamp, Timestamp) {
    let validity = certificate.validity();
    let time = |seconds: i64, usual| Timestamp::from_second(seconds).unwrap_or(usual);
    (
        time(validity.not_before.timestamp(), Timestamp::MAX),
        time(validity.not_after.timestamp(), Timestamp::MIN),
    )
}

/// A name of SNS as a signer: `docs/src/reference/sns.md`, section 4.
#[derive(Debug, Clone)]
struct Signer {
    domain: &'static str,
    /// For all regions of the domain if there is none.
    region: Option<String>,
}

impl Signer {
    /// `sns.DOMAIN`, `sns.REGION.DOMAIN`, `sns-signing.REGION.DOMAIN` and, in China and for governments,
    /// `sns-REGION.DOMAIN`.
    fn of_name(name: &str) -> Option<Signer> {
        let name = name.to_ascii_lowercase();
        let (label, domain) = DOMAINS
            .into_iter()
            .find_map(|domain| Some((name.strip_suffix(domain)?.strip_suffix('.')?, domain)))?;
        if label == "sns" {
            return Some(Signer { domain, region: None });
        }
        let region = label
            .strip_prefix("sns.")
            .or_else(|| label.strip_prefix("sns-signing."))
            .or_else(|| label.strip_prefix("sns-").filter(|region| partition_of(region) != "aws"))?;
        is_region(region).then(|| Signer { domain, region: Some(region.to_owned()) })
    }

    /// One government region signs for the other too.
    fn signs_for(&self, topic: &Topic) -> bool {
        let region = self.region.as_deref();
        self.domain == topic.domain()
            && (region.is_none_or(|region| region == topic.region)
                || topic.partition == "aws-us-gov" && region == Some("us-gov-west-1"))
    }
}

/// The names of the leaf that are SNS. A common name of something else is refused, alternative names are not.
fn signers(certificate: &X509Certificate<'_>) -> Result<Vec<Signer>, Refusal> {
    let alternative = certificate.subject_alternative_name().map_err(|_| Refusal::CertificateForm)?;
    let signers: Vec<Signer> = alternative
        .into_iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Signer::of_name(name),
            _ => None,
        })
        .collect();
    let is_foreign =
        |name: &AttributeTypeAndValue<'_>| name.as_str().ok().and_then(Signer::of_name).is_none();
    if signers.is_empty() || certificate.subject().iter_common_name().any(is_foreign) {
        return Err(Refusal::CertificateSubject);
    }
    Ok(signers)
}

fn refusal_of(error: &Error) -> Refusal {
    match error {
        Error::CertExpired { .. } => Refusal::CertificateExpired,
        Error::CertNotValidYet { .. } => Refusal::CertificateNotYetValid,
        Error::RequiredEkuNotFoundContext(_) | Error::CaUsedAsEndEntity | Error::EmptyEkuExtension => {
            Refusal::CertificateUsage
        }
        _ => Refusal::CertificateChain,
    }
}
