//! Each kind of forgery is what its name says.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::*;
use super::support::*;
use crate::exchange::Carriage;
use crate::scenario::{CertificateAnswer, Encoding, NotificationSettings};

/// What a strict receiver finds wrong.
#[derive(Debug, PartialEq, Eq)]
enum Wrong {
    /// The signature does not fit.
    Signature,
    /// The signature fits, but the certificate is not where SNS has it.
    CertificateUrl,
    /// Signature and certificate are right: only the topic tells.
    Topic,
    /// Signature, certificate and topic are right: a field is not what such a field is.
    Field(&'static str),
}

fn judged(body: &str, forger: &Forger) -> Wrong {
    let value: Value = serde_json::from_str(body).unwrap();
    let text = |name: &str| value[name].as_str().unwrap_or_default();
    if verified(body, forger.signer().certificate_pem()).is_err() {
        return Wrong::Signature;
    }
    if text("SigningCertURL") != forger.certificate_url() {
        return Wrong::CertificateUrl;
    }
    if text("TopicArn") != forger.topic_arn() {
        return Wrong::Topic;
    }
    if text("MessageId").len() != 36 {
        return Wrong::Field("MessageId");
    }
    if text("Timestamp") < "2026-01-15" {
        return Wrong::Field("Timestamp");
    }
    panic!("it is genuine: {body}")
}

#[test]
fn every_forgery_of_sns_is_wrong_in_its_own_way() {
    let forger = Forger::new("v2", "A1V2", "eu").unwrap();
    let message = "{\"NotificationType\":\"STATE_CHANGE\"}";
    let genuine = forger.envelope(message, moment(0));
    let expected = [
        (Forgery::WrongKey, Wrong::Signature),
        (Forgery::ChangedMessage, Wrong::Signature),
        (Forgery::LookAlikeHost, Wrong::CertificateUrl),
        (Forgery::BucketHost, Wrong::CertificateUrl),
        (Forgery::PlainUrl, Wrong::CertificateUrl),
        (Forgery::OtherTopic, Wrong::Topic),
        (Forgery::UnknownVersion, Wrong::Signature),
        (Forgery::Unsigned, Wrong::Signature),
        (Forgery::StrangeConfirmation, Wrong::Signature),
        (Forgery::Old, Wrong::Field("Timestamp")),
    ];
    let mut bodies = BTreeSet::new();
    for version in [SignatureVersion::One, SignatureVersion::Two] {
        for (forgery, wrong) in &expected {
            let (_, body) = forger.forge(*forgery, &genuine, version);
            assert_eq!(judged(&body, &forger), *wrong, "{forgery:?}");
            bodies.insert(body);
        }
        // The verifier of these stories reads fields as SNS joins them: a recut message passes it.
        let (recut, body) = forger.forge(Forgery::Recut, &genuine, version);
        assert_eq!(judged(&body, &forger), Wrong::Field("MessageId"));
        let whole = Envelope { subject: Some("Amazon Pay".into()), ..genuine.clone() };
        assert_eq!(recut.string_to_sign(), whole.string_to_sign());
    }
    assert_eq!(expected.len() + 1, Forgery::all(true).len(), "every kind is in the table");
    assert!(bodies.len() > expected.len());
}

#[test]
fn every_forgery_of_feedback_is_wrong_in_its_own_way() {
    for (forgery, verifies) in [
        (Forgery::WrongPhrase, false),
        (Forgery::ChangedAmount, false),
        (Forgery::UnsignedFeedback, false),
        (Forgery::RecutFeedback, true),
    ] {
        let settings = NotificationSettings {
            encoding: Encoding::Json,
            forge: 1.0,
            forgeries: vec![forgery],
            ..NotificationSettings::flawless("aps", "http://127.0.0.1:1/")
        };
        let world = World::new(vec![settings]);
        world.pass(60);
        world.plant("aps", "aps-order", &[(1, "14", "")]);
        world.pass(2 * 3600);
        let sent = world.simulator.notifications_until(world.now());
        let [genuine, forged] = sent.as_slice() else { panic!("{} messages", sent.len()) };
        check_genuine(&world, genuine);
        assert_eq!(forged.forgery, Some(forgery));
        let (fields, good) = (fields_of(forged), fields_of(genuine));
        let signature = fields.iter().find(|(name, _)| name == "signature").map(|(_, value)| value.clone());
        assert_eq!(signature == Some(sha_signature(&fields)), verifies, "{forgery:?}");
        assert_ne!(fields, good);
        let reference = |fields: &[(String, String)]| {
            fields.iter().find(|(name, _)| name == "merchant_reference").map(|(_, value)| value.clone())
        };
        assert_eq!(reference(&fields) != reference(&good), forgery.invents(), "{forgery:?}");
    }
}

#[test]
fn a_forged_message_names_an_object_that_is_nobodys_or_none_at_all() {
    let settings = NotificationSettings {
        forge: 1.0,
        signature_version: SignatureVersion::Two,
        ..NotificationSettings::flawless("v2", "http://127.0.0.1:1/")
    };
    let world = World::new(vec![settings]);
    world.plant_many(60);
    world.pass(2 * 3600);
    let known: BTreeSet<String> = world.simulator.truths().into_iter().map(|truth| truth.id).collect();
    let sent = world.simulator.notifications_until(world.now());
    let mut invented = 0;
    for one in sent.iter().filter(|one| one.forgery.is_some()) {
        let invents = one.forgery.expect("it is forged").invents();
        assert_eq!(!known.contains(&one.id), invents, "{:?}", one.forgery);
        let body = String::from_utf8(one.body.clone()).unwrap();
        assert!(body.contains(&one.id), "{body}");
        invented += u32::from(invents);
        // Nobody insists on a forgery.
        world.simulator.notification_answered(one, Outcome::Status(503));
    }
    assert!(invented > 20, "{invented}");
    world.pass(4 * 3600);
    assert_eq!(world.simulator.notifications_until(world.now()).len(), 0);
}

#[test]
fn the_scenario_says_what_is_at_the_address_of_the_certificate() {
    let good = Signer::shared().unwrap().certificate_pem().to_owned();
    for (certificate, status, is_good) in [
        (CertificateAnswer::Good, 200, true),
        (CertificateAnswer::Expired, 200, false),
        (CertificateAnswer::NotYetValid, 200, false),
        (CertificateAnswer::OtherName, 200, false),
        (CertificateAnswer::SelfSigned, 200, false),
        (CertificateAnswer::Redirect, 302, false),
        (CertificateAnswer::Endless, 200, false),
    ] {
        let settings = NotificationSettings {
            certificate,
            ..NotificationSettings::flawless("v2", "http://127.0.0.1:1/")
        };
        let world = World::new(vec![settings]);
        let answer = world.visit(&world.certificate_url("v2"));
        assert_eq!((answer.status, answer.body == good.as_bytes()), (status, is_good), "{certificate:?}");
        assert_eq!(answer.header("location").is_some(), certificate == CertificateAnswer::Redirect);
        assert_eq!(answer.carriage != Carriage::Whole, certificate == CertificateAnswer::Endless);
        world.simulator.calm();
        assert_eq!(world.visit(&world.certificate_url("v2")).body, good.as_bytes(), "{certificate:?}");
    }
}

#[test]
fn flawed_certificates_differ_from_the_good_one() {
    let signer = Signer::shared().unwrap();
    let flaws = [
        SigningFlaw::None,
        SigningFlaw::Expired,
        SigningFlaw::NotYetValid,
        SigningFlaw::OtherName,
        SigningFlaw::SelfSigned,
    ];
    let certificates: BTreeSet<String> =
        flaws.iter().map(|flaw| signer.flawed_certificate_pem(*flaw).unwrap()).collect();
    assert_eq!(certificates.len(), flaws.len());
    // All of them are of one key: only the certificate tells.
    let forger = Forger::new("v2", "A1V2", "eu").unwrap();
    let body = forger.sign(&forger.envelope("{}", moment(0)), SignatureVersion::Two);
    for pem in &certificates {
        assert_eq!(verified(&body, pem), Ok(()));
    }
}
