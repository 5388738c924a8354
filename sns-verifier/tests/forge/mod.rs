//! Makes genuine and forged messages: keys, authorities, certificates, envelopes, signatures.
//!
//! The signed text is made here a second time, from `docs/src/reference/sns.md`, section 3, and from nothing of the
//! crate, so that a fault in the crate cannot hide in both.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "several tests use a part each")]

use std::cell::Cell;
use std::sync::OnceLock;

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use num_bigint::BigUint;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
    PKCS_RSA_SHA256, PublicKeyData, SanType, SignatureAlgorithm, date_time_ymd,
};
use serde_json::Value;

pub mod cases;

/// The present time of all tests.
pub const NOW: &str = "2026-01-15T12:00:00Z";
pub const TOPIC: &str = "arn:aws:sns:eu-west-1:291180941288:A1EXAMPLE_LIVE";
pub const TOPIC_CN: &str = "arn:aws-cn:sns:cn-north-1:291180941288:A1EXAMPLE";
pub const CERTIFICATE: &str =
    "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem";
pub const ID: &str = "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324";
pub const TOKEN: &str = "2336412f37fb687f5d51e6e241d09c805a5a57b30d712f794cc5f6a988666d92";
/// As Amazon Pay v2 sends it (`docs/src/reference/amazon-pay-v2.md`, section 9).
const BODY_V2: &str = r#"{"MerchantID":"A1EXAMPLE","ObjectType":"CHARGE","ObjectId":"S01-1234567-1234567-C123456","ChargePermissionId":"S01-1234567-1234567","NotificationType":"STATE_CHANGE","NotificationId":"4fd1","NotificationVersion":"V2"}"#;
/// As Amazon Pay MWS sends it (`docs/src/reference/amazon-pay-mws.md`, section 8).
const BODY_MWS: &str = r#"{"NotificationReferenceId":"32d195c3","NotificationType":"PaymentCapture","SellerId":"A1EXAMPLE","ReleaseEnvironment":"Live","Version":"2013-01-01","NotificationData":"<?xml version=\"1.0\" encoding=\"UTF-8\"?><CaptureNotification><CaptureDetails><AmazonCaptureId>S01-1234567-1234567-C123456</AmazonCaptureId></CaptureDetails></CaptureNotification>","Timestamp":"2026-01-15T11:59:00.000Z"}"#;

thread_local! {
    static VERSION: Cell<&'static str> = const { Cell::new("2") };
}

/// Drafts that are made meanwhile have this signature version, and the text of the API that uses it.
pub fn as_version<T>(version: &'static str, make: impl FnOnce() -> T) -> T {
    VERSION.set(version);
    let made = make();
    VERSION.set("2");
    made
}

/// What a draft says.
pub fn body() -> &'static str {
    if VERSION.get() == "1" { BODY_MWS } else { BODY_V2 }
}

pub fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// An RSA key that can sign by both versions.
pub struct RsaKey {
    public: KeyPair,
    signer: RsaKeyPair,
    modulus: BigUint,
    exponent: BigUint,
    length: usize,
}

impl RsaKey {
    fn generate() -> RsaKey {
        let public = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
        let der = public.serialize_der();
        // PKCS #8: a sequence of version, algorithm and an octet string, which holds the sequence of PKCS #1: version,
        // modulus, public exponent, private exponent.
        let outer = children(contents(&der));
        let inner = children(contents(outer[2]));
        let numbers: Vec<BigUint> = inner.iter().map(|number| BigUint::from_bytes_be(number)).collect();
        let length = usize::try_from(numbers[1].bits().div_ceil(8)).unwrap();
        RsaKey {
            signer: RsaKeyPair::from_pkcs8(&der).unwrap(),
            modulus: numbers[1].clone(),
            exponent: numbers[3].clone(),
            length,
            public,
        }
    }

    /// PKCS #1.
    pub fn public_key(&self) -> &[u8] {
        self.public.der_bytes()
    }

    pub fn sign_sha256(&self, text: &str) -> Vec<u8> {
        let mut signature = vec![0; self.length];
        self.signer.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
        signature
    }

    /// aws-lc-rs signs nothing with SHA-1, so this does it with whole numbers.
    pub fn sign_sha1(&self, text: &str) -> Vec<u8> {
        let padded = BigUint::from_bytes_be(&padded_sha1(text, self.length));
        let signature = padded.modpow(&self.exponent, &self.modulus).to_bytes_be();
        [vec![0; self.length - signature.len()], signature].concat()
    }

    pub fn sign(&self, version: &str, text: &str) -> Vec<u8> {
        if version == "1" { self.sign_sha1(text) } else { self.sign_sha256(text) }
    }
}

/// EMSA-PKCS1-v1_5 with SHA-1.
pub fn padded_sha1(text: &str, length: usize) -> Vec<u8> {
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    let info = [b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14", hash.as_ref()].concat();
    let mut padded = vec![0xff; length - info.len()];
    (padded[0], padded[1]) = (0, 1);
    *padded.last_mut().unwrap() = 0;
    [padded, info].concat()
}

/// The contents of one DER value.
fn contents(der: &[u8]) -> &[u8] {
    let (header, length) = header(der);
    &der[header..header + length]
}

/// The contents of each value in a sequence's contents.
fn children(mut der: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while !der.is_empty() {
        let (header, length) = header(der);
        found.push(&der[header..header + length]);
        der = &der[header + length..];
    }
    found
}

fn header(der: &[u8]) -> (usize, usize) {
    match der[1] {
        short @ 0..0x80 => (2, usize::from(short)),
        long => {
            let count = usize::from(long & 0x7f);
            (2 + count, der[2..2 + count].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
        }
    }
}

/// A public key that nobody needs to have the private part of.
struct RawKey(Vec<u8>);

impl PublicKeyData for RawKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_RSA_SHA256
    }
}

/// PKCS #1 of a public key with a modulus of this many bytes.
fn raw_key(length: usize, exponent: u8) -> RawKey {
    let value = |tag: u8, contents: &[u8]| {
        let size = u16::try_from(contents.len()).unwrap().to_be_bytes();
        [&[tag, 0x82], size.as_slice(), contents].concat()
    };
    let mut modulus = vec![0xa5; length + 1];
    modulus[0] = 0;
    let exponent = vec![0x02, 0x01, exponent];
    RawKey(value(0x30, &[value(0x02, &modulus), exponent].concat()))
}

type Authority = CertifiedIssuer<'static, KeyPair>;

/// What a leaf certificate says.
#[derive(Clone)]
pub struct Leaf {
    pub names: Vec<&'static str>,
    pub common_name: Option<&'static str>,
    pub from: (i32, u8, u8),
    pub until: (i32, u8, u8),
    pub usages: Vec<KeyUsagePurpose>,
    pub purposes: Vec<ExtendedKeyUsagePurpose>,
    pub is_ca: bool,
    /// Where it says that its issuer's certificate is.
    pub issuer_url: Option<&'static str>,
}

impl Default for Leaf {
    fn default() -> Leaf {
        Leaf {
            names: vec!["sns.amazonaws.com"],
            common_name: Some("sns.amazonaws.com"),
            from: (2025, 6, 1),
            until: (2026, 6, 1),
            usages: vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment],
            purposes: vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
            is_ca: false,
            issuer_url: None,
        }
    }
}

impl Leaf {
    pub fn named(name: &'static str) -> Leaf {
        Leaf { names: vec![name], common_name: Some(name), ..Leaf::default() }
    }

    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.subject_alt_names =
            self.names.iter().map(|name| SanType::DnsName((*name).try_into().unwrap())).collect();
        params.distinguished_name = DistinguishedName::new();
        if let Some(name) = self.common_name {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        params.not_before = date_time_ymd(self.from.0, self.from.1, self.from.2);
        params.not_after = date_time_ymd(self.until.0, self.until.1, self.until.2);
        params.key_usages = self.usages.clone();
        params.extended_key_usages = self.purposes.clone();
        if let Some(url) = self.issuer_url {
            params.custom_extensions.push(authority_access(url));
        }
        if self.is_ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        params
    }
}

/// The extension "authority information access" with one place of the issuer's certificate.
fn authority_access(url: &str) -> CustomExtension {
    let value = |tag: u8, contents: &[u8]| [&[tag, u8::try_from(contents.len()).unwrap()], contents].concat();
    let method = value(0x06, b"\x2b\x06\x01\x05\x05\x07\x30\x02");
    let place = value(0x86, url.as_bytes());
    let content = value(0x30, &value(0x30, &[method, place].concat()));
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], content)
}

fn authority_params(
    name: &str,
    until: i32,
    path_length: Option<u8>,
    usages: &[KeyUsagePurpose],
) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Example Trust");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca =
        IsCa::Ca(path_length.map_or(BasicConstraints::Unconstrained, BasicConstraints::Constrained));
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    params.key_usages = usages.to_vec();
    params
}

/// All keys and authorities, made once for each test program.
pub struct World {
    /// The trusted root (P-384), its intermediate (P-256), and a second trusted root (RSA).
    pub root: Authority,
    pub intermediate: Authority,
    pub rsa_root: Authority,
    /// A root that nobody trusts.
    pub foreign_root: Authority,
    /// Intermediates of the trusted root with a flaw.
    pub expired_intermediate: Authority,
    pub not_for_certificates: Authority,
    pub path_length_zero: Authority,
    pub below_path_length_zero: Authority,
    /// The key of the genuine certificate, and another one.
    pub key: RsaKey,
    pub other_key: RsaKey,
}

pub fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(World::new)
}

impl World {
    fn new() -> World {
        let certificates = [KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let p256 = || KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let p384 = || KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let root =
            Authority::self_signed(authority_params("Root", 2035, None, &certificates), p384()).unwrap();
        let below = |name, until, length, usages: &[_], issuer: &Authority| {
            Authority::signed_by(authority_params(name, until, length, usages), p256(), issuer).unwrap()
        };
        let path_length_zero = below("No further issuers", 2030, Some(0), &certificates, &root);
        World {
            intermediate: below("Issuer", 2030, None, &certificates, &root),
            rsa_root: Authority::self_signed(
                authority_params("RSA root", 2035, None, &certificates),
                KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap(),
            )
            .unwrap(),
            foreign_root: Authority::self_signed(
                authority_params("Foreign root", 2035, None, &certificates),
                p384(),
            )
            .unwrap(),
            expired_intermediate: below("Expired issuer", 2026, None, &certificates, &root),
            not_for_certificates: below("Other use", 2030, None, &[KeyUsagePurpose::CrlSign], &root),
            below_path_length_zero: below("Too deep", 2030, None, &certificates, &path_length_zero),
            path_length_zero,
            root,
            key: RsaKey::generate(),
            other_key: RsaKey::generate(),
        }
    }

    /// What is trusted.
    pub fn roots_pem(&self) -> String {
        [self.root.pem(), self.rsa_root.pem()].concat()
    }

    /// The leaf for the genuine key, and its issuers.
    pub fn issue(&self, leaf: &Leaf, issuer: &Authority, others: &[&Authority]) -> String {
        let certificate = leaf.params().signed_by(&self.key.public, issuer).unwrap();
        others.iter().fold(certificate.pem(), |pem, other| pem + &*other.pem())
    }

    pub fn issue_by_intermediate(&self, leaf: &Leaf) -> String {
        self.issue(leaf, &self.intermediate, &[&self.intermediate])
    }

    /// What SNS would serve, with its issuer.
    pub fn genuine_pem(&self) -> String {
        self.issue_by_intermediate(&Leaf::default())
    }

    pub fn self_signed(&self, leaf: &Leaf) -> String {
        leaf.params().self_signed(&self.key.public).unwrap().pem()
    }

    /// A certificate with a modulus of this many bytes and this exponent.
    pub fn issue_raw(&self, length: usize, exponent: u8) -> String {
        let certificate =
            Leaf::default().params().signed_by(&raw_key(length, exponent), &self.intermediate).unwrap();
        certificate.pem() + &*self.intermediate.pem()
    }

    pub fn issue_elliptic(&self) -> String {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let certificate = Leaf::default().params().signed_by(&key, &self.intermediate).unwrap();
        certificate.pem() + &*self.intermediate.pem()
    }

    /// A leaf that is signed by the genuine leaf as if that were an authority.
    pub fn issued_by_leaf(&self) -> String {
        let issuer = rcgen::Issuer::new(Leaf::default().params(), &self.key.public);
        let certificate = Leaf::default().params().signed_by(&self.other_key.public, &issuer).unwrap();
        certificate.pem() + &*self.genuine_pem()
    }
}

/// The keys that are signed, in their order. A field that is absent or null is left out.
const SIGNED: [&str; 8] =
    ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"];

/// An envelope in the making: pairs of key and value, in the order of the JSON.
#[derive(Debug, Clone)]
pub struct Draft(pub Vec<(String, Value)>);

impl Draft {
    pub fn notification() -> Draft {
        Draft(Vec::new())
            .with("Type", "Notification")
            .with("MessageId", ID)
            .with("TopicArn", TOPIC)
            .with("Message", body())
            .with("Timestamp", "2026-01-15T11:59:00.123Z")
            .with("SignatureVersion", VERSION.get())
            .with("SigningCertURL", CERTIFICATE)
            .with(
                "UnsubscribeURL",
                "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=arn:aws:sns:eu-west-1:\
                 291180941288:A1EXAMPLE_LIVE:c9135db0-26c4-47ec-8998-413945fb5a96",
            )
    }

    /// `SubscriptionConfirmation` or `UnsubscribeConfirmation`.
    pub fn confirmation(kind: &str) -> Draft {
        Draft::notification()
            .with("Type", kind)
            .with("Message", "You have chosen to subscribe to the topic.")
            .without("UnsubscribeURL")
            .with("Token", TOKEN)
            .with(
                "SubscribeURL",
                format!(
                    "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token={TOKEN}"
                ),
            )
    }

    /// Replaces or adds a field.
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Draft {
        let value = value.into();
        match self.0.iter_mut().find(|(name, _)| name == key) {
            Some(field) => field.1 = value,
            None => self.0.push((key.to_owned(), value)),
        }
        self
    }

    /// Adds a field even if there is one.
    pub fn with_again(mut self, key: &str, value: impl Into<Value>) -> Draft {
        self.0.push((key.to_owned(), value.into()));
        self
    }

    pub fn without(mut self, key: &str) -> Draft {
        self.0.retain(|(name, _)| name != key);
        self
    }

    pub fn renamed(mut self, key: &str, other: &str) -> Draft {
        self.0.iter_mut().filter(|(name, _)| name == key).for_each(|field| field.0 = other.to_owned());
        self
    }

    pub fn reversed(mut self) -> Draft {
        self.0.reverse();
        self
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).and_then(|(_, value)| value.as_str())
    }

    pub fn signed_text(&self) -> String {
        let lines = SIGNED.iter().filter_map(|key| Some(format!("{key}\n{}\n", self.get(key)?)));
        lines.collect()
    }

    /// Signs what it says now, by its version.
    pub fn signed(self) -> Draft {
        self.signed_by(&world().key)
    }

    pub fn signed_by(self, key: &RsaKey) -> Draft {
        let signature = key.sign(self.get("SignatureVersion").unwrap_or("2"), &self.signed_text());
        self.with("Signature", STANDARD.encode(signature))
    }

    pub fn json(&self) -> Vec<u8> {
        let fields = self.0.iter().map(|(key, value)| format!("  {} : {value}", Value::from(key.as_str())));
        format!("{{\n{}\n}}", fields.collect::<Vec<_>>().join(",\n")).into_bytes()
    }
}
