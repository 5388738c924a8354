//! Every genuine and forged message of the table is judged as expected.

#![allow(clippy::unwrap_used, reason = "a test")]

mod forge;

use std::collections::BTreeSet;
use std::time::Duration;

use forge::cases::{self, Case, VERIFIED};
use forge::{Draft, Leaf, now, world};
use sns_verifier::{AgeBound, IssuerUrl, Limits, Message, Refusal, Roots, SigningCertificate};

/// For the hourly repeated deliveries of 14 days.
const AGE: AgeBound = AgeBound::new(Duration::from_secs(15 * 86_400), Duration::from_secs(300));

fn roots() -> Roots {
    Roots::from_pem(world().roots_pem().as_bytes()).unwrap()
}

fn judge(case: &Case, roots: &Roots) -> Result<(), Refusal> {
    let message = Message::read(&case.body, &Limits::default())?;
    let certificate = SigningCertificate::check(case.pem.as_bytes(), roots, case.now)?;
    message.verify(&certificate, case.now, &AGE)?;
    Ok(())
}

#[test]
fn every_case_is_judged_as_expected() {
    let roots = roots();
    let cases = cases::all();
    let names: BTreeSet<_> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len(), "two cases have one name");
    let mut wrong = Vec::new();
    for case in &cases {
        let judged = judge(case, &roots).map_or_else(|refusal| refusal.reason(), |()| VERIFIED);
        if judged != case.expected {
            wrong.push(format!("{}: {judged} instead of {}", case.name, case.expected));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    let forged = cases.iter().filter(|case| case.expected != VERIFIED).count();
    assert!(forged >= 60, "{forged}");
    println!("{} genuine, {forged} forged", cases.len() - forged);
}

#[test]
fn known_intermediates_complete_a_chain_and_are_not_trusted() {
    let world = world();
    let leaf = world.issue(&Leaf::default(), &world.intermediate, &[]);
    let check = |roots: &Roots| SigningCertificate::check(leaf.as_bytes(), roots, now()).map(|_| ());
    assert_eq!(check(&roots()), Err(Refusal::CertificateChain));
    let known = roots().with_intermediates(world.intermediate.pem().as_bytes()).unwrap();
    assert_eq!(check(&known), Ok(()));
    let known = roots().with_intermediates(world.intermediate.der()).unwrap();
    assert_eq!(check(&known), Ok(()), "as DER");
    let foreign = Roots::from_pem(world.foreign_root.pem().as_bytes()).unwrap();
    let known =
        foreign.with_intermediates((world.intermediate.pem() + &world.root.pem()).as_bytes()).unwrap();
    assert_eq!(check(&known), Err(Refusal::CertificateChain));
}

#[test]
fn a_kept_certificate_is_refused_after_the_end_of_its_chain() {
    let world = world();
    let issuer = &world.expired_intermediate;
    let pem = world.issue(&Leaf::default(), issuer, &[issuer]);
    let before = "2025-12-31T12:00:00Z".parse().unwrap();
    let certificate = SigningCertificate::check(pem.as_bytes(), &roots(), before).unwrap();
    assert_eq!(certificate.expires(), "2026-01-01T00:00:00Z".parse().unwrap(), "its issuer ends first");
    let message = Message::read(&Draft::notification().signed().json(), &Limits::default()).unwrap();
    assert_eq!(message.verify(&certificate, now(), &AGE), Err(Refusal::CertificateExpired));
    let kept = SigningCertificate::check(world.genuine_pem().as_bytes(), &roots(), now()).unwrap();
    assert!(message.verify(&kept, now(), &AGE).is_ok());
    let long_before = "2024-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(message.verify(&kept, long_before, &AGE), Err(Refusal::CertificateNotYetValid));
}

#[test]
fn roots_that_cannot_be_read_are_skipped_unless_none_is_left() {
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let certificate = |roots| SigningCertificate::check(world().genuine_pem().as_bytes(), &roots, now());
    let some = Roots::from_pem((broken.to_owned() + &world().root.pem()).as_bytes()).unwrap();
    assert!(certificate(some).is_ok());
    let der = Roots::from_der([world().root.der().as_ref()]).unwrap();
    assert!(certificate(der).is_ok());
    for nothing in ["", broken, "root"] {
        assert_eq!(Roots::from_pem(nothing.as_bytes()).unwrap_err(), Refusal::Roots);
    }
    for nothing in ["", broken, "issuer"] {
        assert_eq!(roots().with_intermediates(nothing.as_bytes()).unwrap_err(), Refusal::CertificateForm);
    }
}

#[test]
fn sizes_at_the_limits_are_read() {
    let draft = Draft::notification().with("Message", "x".repeat(1000)).signed();
    let body = draft.json();
    let limits = Limits { envelope: body.len(), message: 1000, unknown_fields: 0 };
    assert!(Message::read(&body, &limits).is_ok());
    let refused = |limits| Message::read(&body, &limits).unwrap_err();
    assert_eq!(refused(Limits { envelope: body.len() - 1, ..limits }), Refusal::TooLarge("the body"));
    assert_eq!(refused(Limits { message: 999, ..limits }), Refusal::TooLarge("Message"));
    let unknown = draft.with("x", 1).json();
    let limits = Limits { envelope: unknown.len(), ..limits };
    assert_eq!(Message::read(&unknown, &limits).unwrap_err().reason(), "too_large");
}

#[test]
fn what_was_read_is_what_was_sent() {
    let draft = Draft::confirmation("SubscriptionConfirmation").signed();
    let message = Message::read(&draft.json(), &Limits::default()).unwrap();
    assert_eq!(message.kind, sns_verifier::Kind::SubscriptionConfirmation);
    assert_eq!(
        (message.topic.region.as_str(), message.topic.account.as_str()),
        ("eu-west-1", "291180941288")
    );
    assert_eq!((message.topic.partition.as_str(), message.topic.name.as_str()), ("aws", "A1EXAMPLE_LIVE"));
    assert_eq!(message.token.as_deref(), draft.get("Token"));
    let url = message.subscribe_url.as_ref().unwrap();
    assert_eq!((Some(url.as_str()), url.host()), (draft.get("SubscribeURL"), "sns.eu-west-1.amazonaws.com"));
    assert_eq!(Some(message.certificate_url().as_str()), draft.get("SigningCertURL"));
    assert_eq!(message.certificate_url().host(), "sns.eu-west-1.amazonaws.com");
    assert_eq!(message.signed_text(), draft.signed_text());
    assert_eq!(message.timestamp, "2026-01-15T11:59:00.123Z".parse().unwrap());
    assert_eq!((message.subject, message.unsubscribe_url), (None, None));
}

/// A refusal can only hold what the program itself says: it is `Copy` and `'static`.
#[test]
fn every_reason_has_a_sentence_and_a_name_of_its_own() {
    fn holds_no_text<T: Copy + 'static>(_: &T) {}
    let mut names = BTreeSet::new();
    for case in cases::all() {
        let Err(refusal) = judge(&case, &roots()) else { continue };
        holds_no_text(&refusal);
        assert!(refusal.to_string().split(" ").count() >= 3, "{refusal}");
        names.insert(refusal.reason());
    }
    // All but the one for missing roots.
    assert_eq!(names.len(), 30, "{names:?}");
}

#[test]
fn the_issuer_is_only_fetched_from_amazons_repository() {
    let url_of = |url| {
        let leaf = Leaf { issuer_url: Some(url), ..Leaf::default() };
        let pem = world().issue(&leaf, &world().intermediate, &[]);
        IssuerUrl::of(pem.as_bytes()).map(|url| url.as_str().to_owned())
    };
    for good in ["http://crt.r2m01.amazontrust.com/r2m01.cer", "http://crt.sca1b.amazontrust.com/sca1b.crt"] {
        assert_eq!(url_of(good).as_deref(), Some(good));
    }
    for bad in [
        "http://crt.r2m01.amazontrust.com.evil.example/r2m01.cer",
        "http://evil.example/crt.r2m01.amazontrust.com/r2m01.cer",
        "http://crt.evil.example/x.amazontrust.com/r2m01.cer",
        "http://crt.r2m01.amazontrust.com:8080/r2m01.cer",
        "http://crt.x@r2m01.amazontrust.com/r2m01.cer",
        "http://crt..amazontrust.com/r2m01.cer",
        "http://crt.r2m01.amazontrust.com/../r2m01.cer",
        "http://crt.r2m01.amazontrust.com/r2m01.cer?x",
        "http://crt.r2m01.amazontrust.com/.cer",
        "ldap://crt.r2m01.amazontrust.com/r2m01.cer",
        "http://127.0.0.1/r2m01.cer",
    ] {
        assert_eq!(url_of(bad), None, "{bad}");
    }
    assert_eq!(IssuerUrl::of(world().genuine_pem().as_bytes()), None);
    assert_eq!(IssuerUrl::of(b"none"), None);
}
