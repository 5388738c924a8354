//! A simulated SNS: an authority, a signing certificate, and messages signed by it.

use std::path::PathBuf;
use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize,
};
use serde_json::{Value, json};

pub const TOPIC: &str = "arn:aws:sns:eu-west-1:291180941288:A3BXB0YN3XH17HA1SHOP";
pub const CERTIFICATE_URL: &str =
    "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem";

/// The authority and the key that signs messages; made once, because RSA keys are slow to make.
pub struct Sns {
    pub ca_pem: String,
    pub certificate_pem: String,
    key: RsaKeyPair,
}

impl Sns {
    pub fn get() -> &'static Sns {
        static SNS: OnceLock<Sns> = OnceLock::new();
        SNS.get_or_init(Sns::new)
    }

    fn new() -> Sns {
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.distinguished_name.push(DnType::CommonName, "Pretend Services Root");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        authority.not_before = rcgen::date_time_ymd(2020, 1, 1);
        authority.not_after = rcgen::date_time_ymd(2040, 1, 1);
        let ca_pem = authority.self_signed(&authority_key).unwrap().pem();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let mut leaf = CertificateParams::new(vec!["sns.amazonaws.com".to_owned()]).unwrap();
        leaf.distinguished_name.push(DnType::CommonName, "sns.amazonaws.com");
        leaf.not_before = rcgen::date_time_ymd(2020, 1, 1);
        leaf.not_after = rcgen::date_time_ymd(2039, 1, 1);
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate_pem = leaf.signed_by(&key, &issuer).unwrap().pem();
        Sns { ca_pem, certificate_pem, key: RsaKeyPair::from_pkcs8(&key.serialize_der()).unwrap() }
    }

    /// Writes the authority's certificate into a folder; returns the section that trusts it.
    pub fn section(&self, folder: &std::path::Path, more: &str) -> String {
        let path: PathBuf = folder.join("sns-ca.pem");
        std::fs::write(&path, &self.ca_pem).unwrap();
        format!(
            "[notifications]\nlisten = \"127.0.0.1:0\"\npublic_url = \"https://shop.example\"\n{more}\n\
             [notifications.test]\nca_file = \"{}\"\n",
            path.display()
        )
    }

    /// A message whose fields are signed, in the text's own order.
    pub fn signed(&self, mut fields: Value) -> Value {
        let names: &[&str] = match fields["Type"].as_str().unwrap() {
            "Notification" => &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"],
            _ => &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"],
        };
        let mut text = String::new();
        for name in names {
            if let Some(value) = fields[*name].as_str() {
                text.push_str(&format!("{name}\n{value}\n"));
            }
        }
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
        fields["SignatureVersion"] = json!("2");
        fields["Signature"] = json!(STANDARD.encode(signature));
        fields["SigningCertURL"] = json!(CERTIFICATE_URL);
        fields
    }

    /// A notification with this text, sent at `at`. `number` makes its id.
    pub fn notification(&self, number: u64, text: &str, at: jiff::Timestamp) -> Value {
        self.signed(json!({
            "Type": "Notification",
            "MessageId": format!("00000000-0000-4000-8000-{number:012}"),
            "TopicArn": TOPIC,
            "Message": text,
            "Timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string(),
        }))
    }

    /// The topic asks for a confirmation.
    pub fn confirmation(&self, at: jiff::Timestamp) -> Value {
        let url = format!(
            "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=abc123"
        );
        self.signed(json!({
            "Type": "SubscriptionConfirmation",
            "MessageId": "00000000-0000-4000-8000-00000000c0de",
            "TopicArn": TOPIC,
            "Message": "You have chosen to subscribe",
            "Token": "abc123",
            "SubscribeURL": url,
            "Timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string(),
        }))
    }
}

/// The text of a notification of Amazon Pay v2.
pub fn v2(object_type: &str, id: &str) -> String {
    format!(
        r#"{{"MerchantID":"A1SHOP","ObjectType":"{object_type}","ObjectId":"{id}","ChargePermissionId":"{}","NotificationType":"STATE_CHANGE","NotificationId":"n","NotificationVersion":"V2"}}"#,
        &id[..19]
    )
}

#[test]
fn the_pretend_certificate_is_one_that_the_verifier_accepts() {
    use reconciled::apis::notifications::sns;
    let roots = sns::Roots::from_pem(Sns::get().ca_pem.as_bytes()).unwrap();
    let now = "2027-01-15T06:00:00Z".parse().unwrap();
    let checked = sns::SigningCertificate::check(Sns::get().certificate_pem.as_bytes(), &roots, now);
    assert_eq!(checked.err(), None);
}
