use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA256, RsaParameters, UnparsedPublicKey};
use proptest::prelude::*;
use rustls::pki_types::SubjectPublicKeyInfoDer;

use aws_lc_rs::rsa::KeyPair;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject;

use super::super::key::SigningKey;
use super::*;

/// The throwaway key of the examples (docs/src/reference/amazon-pay-v2.md, section 2.6).
pub(in crate::apis::amazon_pay_v2) const PUBLIC_KEY: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAio9pXlMM7TITL455qxWD\n\
zkRJ0G9+DlgL2dAWXWY8OeliCIgnfqNmckCBQVPDOJDYMfZ3WkqEggarh197LTRR\n\
to/JbbMP4q1Vw8kUcYe4NAOOWSKHx/l6/nDU1dCPQDlyTISNRak5SdFDCeKqOJsP\n\
wcN6hzFkiSYNDu3ce11VUJBO2nbabKaf1htuIULU2MOKQWfCxqMFUqOvv3P9O/O+\n\
S6SL61N5p8s3abtqxXLxaWrwdZOaOJFVF0RlUXewFV1Blbf5x+0ac9itpXh5xfVq\n\
dSomN6b6jAdLb8KDWS7fSRMnNKTH4P47uXEvd1De2ALMBysHO5nNVq6WtPH+xGwk\n\
7QIDAQAB\n\
-----END PUBLIC KEY-----\n";

const SIGNATURE_V2: &str = "GiRueA7s6yLQ7Z5QQWMmfQjzEo5ZOO3wciWroySYlZ9tc64AZ5OwUZldf/bN8IgehTPq55d6KI2z6io0Rim6XamEkZ\
    +sxTwy53dI2rRx+aniJPylV+Pkrh8YEqetMNCwUMKlDrltffZG6N1TenfXD+QhCjYiBjvQMFy9KBsJeabnkZf2f5m6\
    EBrp5bRujZoE9WLMe94F1FkIa4IhfzZAGG90OK83gd62KOwTsahlpxclJ+Fzh7REbSvlrRhYOgDb7hhkbYBM9SKJ16\
    bUxEc0God53IlXhXoXRnvCTnoadURG95x2OBjtvRSzhYWqNmOb9Lzy/g40T3SfGz9pGF1GUg==";
const SIGNATURE_OLD: &str = "gyswUZxc7o1m4luNrrDbYCvYPuBGvDgqNMfB5fpYpVe4Hfg36kE9DX+pGnnHDswgjFcP56Vf81tAoFkZPRgg/Taz50\
    S/pvubH7pVbJN3HxY4C/luqSjIv4GIgONYQ2Y6dpCG0Heb7ORWrb2UTVOZ+mDq3e++DMB7u0WCHSYQ/phvrS0PkLpk\
    /jT81wYKT7W1ycxis3bADnzQ7j0HruKPubcvwF7pNJQ6bG3/qc7q+yY169JpIxLBD3DMX4TQ1vJFZ7tRAJvUKvsDOG\
    7IGYp9fjXZ6Lb0m0WaR1b8CHMR/ME1dzAQ7SIHAWT7TlnrO7ZljYnzq5N2bshaw71i0BVEQg==";
const SIGNATURE_REFUND: &str = "fYi7zvQAYg/qll5EWPAIJFlxY+ISVZa+Af9EJ/BbHLioqiUd6RWcFkGtgYsz9mg23WNkzR3CxuFiLXCdMMZJp1ZqYy\
    8Axod4k357PBl+nYic7pznzxi24I8N9IIl7SxlY0NI7QyQHi4BIQGpySJiP3EqRYN9QnzzxUTA9zMq+ozbfClkpVC7\
    EPUSZmaY9c3Ka1AD4E8oHxuVAJgDrThchMeZYaLo0ruyWfVpVg+Lpgpnb9QgD1dVVakZMp7cb8Rkwt9rnZHqmdKTWb\
    tOYNBW8q2dS7dFHLsf0vPOK+GUHJOgPvNHebsITWk/Jd4KXcl2XyGhKSJO/pn2NXJqniW4JQ==";

static VERIFY_20: RsaParameters = RSA_PSS_2048_8192_SHA256.with_pss_salt_length(RsaPssSaltLength::Custom(20));
static VERIFY_32: RsaParameters = RSA_PSS_2048_8192_SHA256.with_pss_salt_length(RsaPssSaltLength::Custom(32));

const REFUND_BODY: &str = r#"{"chargeId":"S01-1234567-1234567-C123456","refundAmount":{"amount":"14.00","currencyCode":"USD"},"softDescriptor":"Descriptor"}"#;
const COMPACT_DATE: &str = "20260115T123456Z";
const NODE_DATE: &str = "2026-01-15T12:34:56Z";
const NODE_AGENT: (&str, &str) = ("user-agent", "amazon-pay-api-sdk-nodejs/2.3.4 (JS/20.20.2; linux)");

/// Headers in arbitrary order and case: normalizing both is the canonicalizer's job.
fn headers(date: &'static str, part: &str) -> Vec<(&'static str, &'static str)> {
    let (host, region) = match part {
        "na" => ("pay-api.amazon.com", "na"),
        "eu" => ("pay-api.amazon.eu", "eu"),
        _ => ("pay-api.amazon.eu", "EU"),
    };
    vec![
        ("x-amz-pay-region", region),
        ("X-Amz-Pay-Date", date),
        ("Content-Type", "  application/json "),
        ("x-amz-pay-host", host),
        ("accept", "application/json"),
    ]
}

fn example_1(date: &'static str, more: &[(&'static str, &'static str)]) -> Canonical {
    let headers = [headers(date, "na"), more.to_vec()].concat();
    let path = canonical_path("/v2/charges/S01-1234567-1234567-C123456");
    Canonical::new(Method::Get, &path, "", &headers, b"")
}

fn example_2(date: &'static str, more: &[(&'static str, &'static str)]) -> Canonical {
    let mut headers = [headers(date, "na"), more.to_vec()].concat();
    headers.push(("x-amz-pay-idempotency-key", "AVLo5tI10BHgEk2jEXAMPLEKEY"));
    Canonical::new(Method::Post, &canonical_path("/v2/refunds"), "", &headers, REFUND_BODY.as_bytes())
}

fn example_3(date: &'static str, more: &[(&'static str, &'static str)]) -> Canonical {
    let query = canonical_query(&[
        ("reportTypes", "_GET_FLAT_FILE_OFFAMAZONPAYMENTS_SETTLEMENT_DATA_"),
        ("processingStatuses", "COMPLETED,FAILED"),
        ("createdSince", "20260101T000000Z"),
        ("pageSize", "10"),
    ]);
    let headers = [headers(date, "eu"), more.to_vec()].concat();
    Canonical::new(Method::Get, &canonical_path("/live/v2/reports"), &query, &headers, b"")
}

fn check(canonical: &Canonical, bytes: usize, sha256: &str) {
    assert_eq!(super::sha256(canonical.text.as_bytes()), sha256, "{}", canonical.text);
    assert_eq!(canonical.text.len(), bytes);
}

#[test]
fn the_sheet_s_examples_and_the_node_sdk_s_own_requests_come_out_byte_for_byte() {
    let compact = COMPACT_DATE;
    check(&example_1(compact, &[]), 317, "f0468c724785d977d0a4306f2c01b287c19b7f98c00f45beebad45a2eaa9047d");
    check(&example_2(compact, &[]), 369, "6a0dd96fb8696b4444083c1937dfc5fd58e82654eff9b9c6a1ca40a106769d86");
    check(&example_3(compact, &[]), 434, "c091902a5bb97add3a836c83e63bd50d72d44203e43ea6298525ba248a802346");
    let (date, agent) = (NODE_DATE, &[NODE_AGENT]);
    check(&example_1(date, agent), 395, "a720842c5c56a27ad5d1b6e4c440d98d2ad5c4ade143f19897ae544b14f9bb2c");
    check(&example_2(date, agent), 447, "db973b15816823ce72d9fdea2714994682f51ea668137d057bfad883024afa07");
    check(&example_3(date, agent), 512, "eceacf41e576f853c363e97e32539484bed551d46d82e094cd2e79aa94e35fc6");
}

#[test]
fn the_string_to_sign_is_label_and_digest() {
    let digest_of =
        |canonical: &Canonical, algorithm| super::sha256(canonical.string_to_sign(algorithm).as_bytes());
    let get = example_1(COMPACT_DATE, &[]);
    assert_eq!(
        get.string_to_sign(Algorithm::PssV2),
        "AMZN-PAY-RSASSA-PSS-V2\nf0468c724785d977d0a4306f2c01b287c19b7f98c00f45beebad45a2eaa9047d"
    );
    assert_eq!(
        digest_of(&get, Algorithm::PssV2),
        "9d7f675dac1bce71975cb9289fdebce32094076dd8de649c8f4a6e89035d51a3"
    );
    assert_eq!(
        digest_of(&get, Algorithm::Pss),
        "dd6722ccc1dff7c727ce7f1ac221a624746a4b9ebf55a3d65030f85aa2afee97"
    );
    assert_eq!(
        digest_of(&example_2(COMPACT_DATE, &[]), Algorithm::PssV2),
        "475f62cad2cfa1b58c712aa0eabaac8d763327203910a2b0c2b00bd04284ab11"
    );
}

fn verifies(public_key: &[u8], salt: &'static RsaParameters, text: &str, signature: &str) -> bool {
    let signature = STANDARD.decode(signature).unwrap();
    UnparsedPublicKey::new(salt, public_key).verify(text.as_bytes(), &signature).is_ok()
}

#[test]
fn the_sheet_s_signatures_verify_with_their_own_salt_only() {
    let public_key = SubjectPublicKeyInfoDer::from_pem_slice(PUBLIC_KEY.as_bytes()).unwrap();
    let get = example_1(COMPACT_DATE, &[]);
    let (v2, old) = (get.string_to_sign(Algorithm::PssV2), get.string_to_sign(Algorithm::Pss));
    assert!(verifies(&public_key, &VERIFY_32, &v2, SIGNATURE_V2));
    assert!(!verifies(&public_key, &VERIFY_20, &v2, SIGNATURE_V2));
    assert!(verifies(&public_key, &VERIFY_20, &old, SIGNATURE_OLD));
    assert!(!verifies(&public_key, &VERIFY_32, &old, SIGNATURE_OLD));
    let refund = example_2(COMPACT_DATE, &[]).string_to_sign(Algorithm::PssV2);
    assert!(verifies(&public_key, &VERIFY_32, &refund, SIGNATURE_REFUND));
    assert!(!verifies(&public_key, &VERIFY_32, &v2, SIGNATURE_REFUND));
}

fn official(method: Method, path: &str, parameters: &[(&str, &str)]) -> String {
    let headers = headers("20180524T223710Z", "official");
    let query = canonical_query(parameters);
    let canonical = Canonical::new(method, &canonical_path(path), &query, &headers, b"");
    super::sha256(canonical.text.as_bytes())
}

#[test]
fn the_official_vectors_come_out() {
    let alphabets = "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let plain = "bb49552975c396f1e49d5510e1555b8b0627dc491bc61aaefdb561f202ad8020";
    for (path, parameters, sha256) in [
        ("/", &[][..], plain),
        ("", &[], plain),
        ("//", &[], plain),
        (alphabets, &[], "a0e5dd63e175587f29d51c6b08be5c746a568209ac66ab1f967e0ba515aa80bc"),
        ("/\u{1234}", &[], "77f6544c8fb336d430895659da1e30415a1558b4b013f4d7926bb3a6275f701d"),
        ("/", &[("\u{1234}", "bar")], "ef1007307504f2ca9f0b6310b04056f5d3d6d18e7bf3d90663133f19ec132ecc"),
        ("/", &[("foo", "bar")], "6837f80baf1801c75db8119cffbadc26a89d20adb9cf3f3de4ce0fac31b4ae52"),
        (
            "/",
            &[("foo", "b"), ("foo", "a")],
            "a33266ec31c7f0ca8a0738eb49fb8c81319f14374a0b86d52e6911a9748a6d42",
        ),
        (
            "/",
            &[("b", "foo"), ("a", "foo")],
            "6615ba7ca3734e97b35013f77c74d111ce2fa63ab52be161ad41bcd4b010120f",
        ),
        (
            "/",
            &[("A.1", "foo"), ("A.2", "foo"), ("A.10", "foo")],
            "29d908d70c4bb50d62272976787245b52ed52e569fdae56ef3aa6d8979978ee7",
        ),
        (
            "/",
            &[("foo", "aha"), ("foo", "Zoo")],
            "f379cbd2e2fc9d5d50667a07ec22996335f731b474bb8bd366647d05d958c9d5",
        ),
    ] {
        assert_eq!(official(Method::Get, path, parameters), sha256, "GET {path} {parameters:?}");
    }
    for (parameters, sha256) in [
        (&[][..], "54156f5badd6da7fa630b2c334c808ad376530001d334ae9960457215aa626d3"),
        (&[("foo", "bar")], "cc82525870b2d03666c287fd8b2c0d2fc6fa1693d9f357d27f7cac8cbcc12832"),
        (&[("f oo", "b ar")], "99be3aeb19b5a1aebafc807d59f3740d3e604ae31cf928592fa70739ea64bb32"),
    ] {
        assert_eq!(official(Method::Post, "/", parameters), sha256, "POST {parameters:?}");
    }
}

pub(in crate::apis::amazon_pay_v2) fn pem(label: &str, der: &[u8]) -> String {
    let lines: Vec<String> = STANDARD
        .encode(der)
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// A new key as PKCS#8 and as PKCS#1, and its public half.
pub(in crate::apis::amazon_pay_v2) fn new_key() -> (String, String, Vec<u8>) {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::KeyPair as _;
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let pkcs8: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    // The PKCS#1 structure is the last field of the PKCS#8 one, after 26 bytes of header.
    let pkcs1 = &pkcs8.as_ref()[26..];
    (pem("PRIVATE KEY", pkcs8.as_ref()), pem("RSA PRIVATE KEY", pkcs1), public.as_ref().to_vec())
}

#[test]
fn keys_of_both_forms_sign_with_the_right_salt() {
    let (pkcs8, pkcs1, public) = new_key();
    for text in [pkcs8.as_str(), pkcs1.as_str(), &pkcs8.replace('\n', "\r\n"), &format!("# note\n{pkcs8}")] {
        let key = SigningKey::from_pem(text.as_bytes()).unwrap();
        let old = key.sign(Algorithm::Pss, "text").unwrap();
        assert!(verifies(&public, &VERIFY_20, "text", &old));
        assert!(!verifies(&public, &VERIFY_32, "text", &old));
        let v2 = key.sign(Algorithm::PssV2, "text").unwrap();
        assert!(verifies(&public, &VERIFY_32, "text", &v2));
        assert!(!verifies(&public, &VERIFY_20, "text", &v2));
        assert_ne!(v2, key.sign(Algorithm::PssV2, "text").unwrap(), "the salt is random");
        assert_eq!(format!("{key:?}"), "[hidden]");
    }
}

#[test]
fn the_header_is_punctuated_as_documented() {
    let canonical = example_1(COMPACT_DATE, &[]);
    assert_eq!(
        authorization(Algorithm::PssV2, "SANDBOX-KEY", &canonical, "c2ln"),
        "AMZN-PAY-RSASSA-PSS-V2 PublicKeyId=SANDBOX-KEY, SignedHeaders=accept;content-type;x-amz-pay-date;\
         x-amz-pay-host;x-amz-pay-region, Signature=c2ln"
    );
}

proptest! {
    #[test]
    fn any_path_and_query_is_sendable(path in "\\PC{0,40}", key in "\\PC{0,20}", value in "\\PC{0,20}") {
        let path = canonical_path(&path);
        prop_assert!(path.starts_with('/') && !path.contains("//"));
        let sent = format!("{path}?{}", canonical_query(&[(&key, &value)]));
        prop_assert!(sent.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
    }
}
