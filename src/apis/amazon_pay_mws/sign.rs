//! Signature Version 2: HMAC-SHA256 over the sorted, escaped parameters (docs/src/reference/amazon-pay-mws.md,
//! section 2).
//!
//! Owns: escaping, the order of the parameters, the string to sign, the signed body. Must never know:
//! the clock, the network, what the parameters mean.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The parameters of a call in signing order: bytewise by name, so that `AWSAccessKeyId` precedes `Action` and `Foo.10`
/// precedes `Foo.2` (section 2.1, step 3).
pub type Parameters = BTreeMap<String, String>;

/// The secret key of an MWS account, ready for signing. Its debug output hides the key.
#[derive(Clone)]
pub struct SigningKey(hmac::Key);

impl SigningKey {
    /// Takes the secret key as Amazon issues it; its bytes are used unchanged.
    pub fn new(secret_key: &str) -> SigningKey {
        SigningKey(hmac::Key::new(hmac::HMAC_SHA256, secret_key.as_bytes()))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningKey([hidden])")
    }
}

/// The target of a signed call. All of it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `POST` or `GET`, in capitals.
    pub method: &'static str,
    /// The host in lower case, with its port unless that is 443.
    pub host: String,
    /// The path exactly as requested; a trailing slash changes the signature.
    pub path: String,
}

/// Escapes according to RFC 3986: everything but `A-Z a-z 0-9 - _ . ~` becomes `%XX` (section 2.1, step 2).
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    push_escaped(&mut escaped, text);
    escaped
}

fn push_escaped(line: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            line.push(char::from(byte));
        } else {
            line.push('%');
            line.push(char::from(HEX[usize::from(byte >> 4)]));
            line.push(char::from(HEX[usize::from(byte & 0x0f)]));
        }
    }
}

/// The parameters as one escaped line, without a signature (section 2.1, steps 1 to 4).
pub fn canonical_query<Text: AsRef<str>>(parameters: &BTreeMap<Text, Text>) -> String {
    let mut line = String::with_capacity(512);
    for (name, value) in parameters {
        let (name, value) = (name.as_ref(), value.as_ref());
        if name == "Signature" {
            continue;
        }
        if !line.is_empty() {
            line.push('&');
        }
        push_escaped(&mut line, name);
        line.push('=');
        push_escaped(&mut line, value);
    }
    line
}

/// The four lines that are signed (section 2.1, step 5).
pub fn string_to_sign(target: &Target, parameters: &Parameters) -> String {
    lines_to_sign(target, &canonical_query(parameters))
}

fn lines_to_sign(target: &Target, canonical_query: &str) -> String {
    let path = if target.path.is_empty() { "/" } else { &target.path };
    format!("{}\n{}\n{path}\n{canonical_query}", target.method, target.host)
}

/// The signature in base64 with padding (section 2.1, step 6).
pub fn signature(key: &SigningKey, string_to_sign: &str) -> String {
    STANDARD.encode(hmac::sign(&key.0, string_to_sign.as_bytes()))
}

/// The form body of a call: its parameters, then `Signature` (section 2.1, step 7).
pub fn signed_body<Text: AsRef<str>>(
    key: &SigningKey,
    target: &Target,
    parameters: &BTreeMap<Text, Text>,
) -> String {
    let mut body = canonical_query(parameters);
    let signature = signature(key, &lines_to_sign(target, &body));
    if !body.is_empty() {
        body.push('&');
    }
    body.push_str("Signature=");
    push_escaped(&mut body, &signature);
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NA: &str = "mws.amazonservices.com";
    const EU: &str = "mws-eu.amazonservices.com";
    const JP: &str = "mws.amazonservices.jp";
    const LIVE: &str = "/OffAmazonPayments/2013-01-01";
    const SANDBOX: &str = "/OffAmazonPayments_Sandbox/2013-01-01";
    const NOON: &str = "2015-12-31T23:59:58Z";
    const NOTE: &str = "Größe 5*~ (a/b) 'q' !@#$%^&=+,;:?[] 日本 x";
    const NOTE_ESCAPED: &str = "Gr%C3%B6%C3%9Fe%205%2A~%20%28a%2Fb%29%20%27q%27%20%21%40%23%24%25%5E%26%3D%2B%2C%3B%3A%3F%5B%5D%20%E6%97%A5%E6%9C%AC%20x";

    fn target(method: &'static str, host: &str, path: &str) -> Target {
        Target { method, host: host.to_owned(), path: path.to_owned() }
    }

    fn parameters(access_key: &str, seller: &str, timestamp: &str, own: &[(&str, &str)]) -> Parameters {
        let common = [
            ("AWSAccessKeyId", access_key),
            ("SellerId", seller),
            ("SignatureVersion", "2"),
            ("SignatureMethod", "HmacSHA256"),
            ("Timestamp", timestamp),
            ("Version", "2013-01-01"),
        ];
        let both = common.iter().chain(own);
        both.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// Set 1: the vectors published with the official Java SDK.
    fn check_published(seller: &str, own: &[(&str, &str)], expected: &str) {
        let parameters = parameters("TEST_ACCESS_KEY", seller, NOON, own);
        let lines = string_to_sign(&target("POST", NA, SANDBOX), &parameters);
        assert_eq!(signature(&SigningKey::new("TEST_SECRET_KEY"), &lines), expected, "{lines}");
    }

    /// Set 2: vectors made for this project and checked against the official Python SDK.
    fn check_at(target: &Target, timestamp: &str, own: &[(&str, &str)], expected: &str) {
        let parameters = parameters("AKIAEXAMPLEKEY000001", "A1EXAMPLESELLER", timestamp, own);
        let lines = string_to_sign(target, &parameters);
        let key = SigningKey::new("exampleSecretKey/With+Chars=0123456789AB");
        assert_eq!(signature(&key, &lines), expected, "{lines}");
        let body = signed_body(&key, target, &parameters);
        assert!(body.ends_with(&format!("&Signature={}", escape(expected))), "{body}");
    }

    fn check(host: &str, path: &str, own: &[(&str, &str)], expected: &str) {
        check_at(&target("POST", host, path), NOON, own, expected);
    }

    #[test]
    fn the_published_vectors_j1_to_j6_come_out() {
        let order = ("AmazonOrderReferenceId", "AMAZON_ORDER_REFERENCE_ID");
        let token = ("MWSAuthToken", "TEST_MWS_AUTH_TOKEN");
        let get = ("Action", "GetOrderReferenceDetails");
        let confirm = ("Action", "ConfirmOrderReference");
        let amount = ("AuthorizationAmount.Amount", "0.01");
        let success = ("SuccessUrl", "https://pay.amazon.com/success.html");
        check_published("TEST_MERCHANT_ID", &[get, order], "cpkDC72d5lMIbo5ET2dvERTw4F2cGQJL3eQPzUe2pAE=");
        let second = "MelQJXDdQJ85Z7aB85s7eYWm5TdGv6xYAQt/joOhXCo=";
        check_published("OVERRIDE_SELLER_ID", &[get, order, token], second);
        check_published(
            "TEST_MERCHANT_ID",
            &[
                ("Action", "SetOrderReferenceDetails"),
                order,
                ("OrderReferenceAttributes.OrderTotal.Amount", "2"),
                ("OrderReferenceAttributes.OrderTotal.CurrencyCode", "USD"),
            ],
            "i51MSGv9O2G2LHIlhCXLigA3ZKaZRoc7Mb5A1VX2QTA=",
        );
        let fourth = "mbJBrZKC4Jz8J+rhRqyfYsY6TkSapWOvCTlC+UDUTok=";
        check_published("OVERRIDE_SELLER_ID", &[confirm, order, token], fourth);
        check_published(
            "OVERRIDE_SELLER_ID",
            &[
                confirm,
                order,
                token,
                amount,
                ("AuthorizationAmount.CurrencyCode", "EUR"),
                success,
                ("FailureUrl", "https://pay.amazon.com/failure.html"),
            ],
            "KeZbecFqPMxhR4g35iFWsdLmq1rAgwdn4B2WTIFMTHg=",
        );
        check_published(
            "OVERRIDE_SELLER_ID",
            &[confirm, order, token, amount, ("AuthorizationAmount.CurrencyCode", "USD"), success],
            "vGiWtNsdtNKx3QGB+cNNq8tLisqwOeg2a5aIy3p6exw=",
        );
    }

    #[test]
    fn vector_a_comes_out_in_full_and_in_its_variants() {
        let own =
            [("Action", "GetAuthorizationDetails"), ("AmazonAuthorizationId", "S01-1234567-1234567-A012345")];
        let query = "AWSAccessKeyId=AKIAEXAMPLEKEY000001&Action=GetAuthorizationDetails&AmazonAuthorizationId=S01-1234567-1234567-A012345&SellerId=A1EXAMPLESELLER&SignatureMethod=HmacSHA256&SignatureVersion=2&Timestamp=2015-12-31T23%3A59%3A58Z&Version=2013-01-01";
        let all = parameters("AKIAEXAMPLEKEY000001", "A1EXAMPLESELLER", NOON, &own);
        let post = target("POST", NA, SANDBOX);
        let lines = string_to_sign(&post, &all);
        assert_eq!(lines, format!("POST\n{NA}\n{SANDBOX}\n{query}"));
        assert_eq!(lines.len(), 307);
        let key = SigningKey::new("exampleSecretKey/With+Chars=0123456789AB");
        assert_eq!(
            signed_body(&key, &post, &all),
            format!("{query}&Signature=%2FNFHg5xwXgUHRZtI30jlPcgdtCwFiRpXrpXVqA5fIoQ%3D")
        );
        check_at(&post, NOON, &own, "/NFHg5xwXgUHRZtI30jlPcgdtCwFiRpXrpXVqA5fIoQ=");
        let get = target("GET", NA, SANDBOX);
        check_at(&get, NOON, &own, "NUPqnlKQqvRKd0W7ktZQ1sEletLapSAceDlEeHOYlAY=");
        let slash = format!("{SANDBOX}/");
        check(NA, &slash, &own, "OuDlcCF4NwnRoKtr9/w8XJBl0RFB0Ae5fjPAMP0PJt0=");
        let with_ms = "2015-12-31T23:59:58.000Z";
        check_at(&post, with_ms, &own, "A2aYSe1TutGKhv86Kp7iNxLuzOMIqwopMxYlBifdxEE=");
    }

    #[test]
    fn vectors_b_and_c_come_out_for_other_regions() {
        check(
            EU,
            LIVE,
            &[("Action", "GetCaptureDetails"), ("AmazonCaptureId", "P02-1234567-1234567-C012345")],
            "J94Eovliyo4wxp+z3I+74y118itffp0KDWgBiB2F9vo=",
        );
        check(
            JP,
            LIVE,
            &[
                ("Action", "GetRefundDetails"),
                ("AmazonRefundId", "P03-1234567-1234567-R012345"),
                ("MWSAuthToken", "amzn.mws.4ea38b7b-f563-7709-4bae-87aeaEXAMPLE"),
            ],
            "rhj5jR/4G0aGjFoKNP328p/9qoln8L4ITkMcD0SJrbg=",
        );
    }

    #[test]
    fn vectors_d_and_e_come_out_with_every_awkward_letter() {
        assert_eq!(escape(NOTE), NOTE_ESCAPED);
        let authorize = ("Action", "Authorize");
        check(
            EU,
            SANDBOX,
            &[
                authorize,
                ("AmazonOrderReferenceId", "S02-1234567-1234567"),
                ("AuthorizationReferenceId", "auth_ref-1"),
                ("AuthorizationAmount.Amount", "94.50"),
                ("AuthorizationAmount.CurrencyCode", "EUR"),
                ("CaptureNow", "false"),
                ("TransactionTimeout", "0"),
                ("SellerAuthorizationNote", NOTE),
            ],
            "XKOtjvVaYH/DlSkzhjr9bDzsQn1kHLJABaY/8lWGCb8=",
        );
        check(
            NA,
            SANDBOX,
            &[
                authorize,
                ("AmazonOrderReferenceId", "S01-1234567-1234567"),
                ("AuthorizationReferenceId", "auth_ref-2"),
                ("AuthorizationAmount.Amount", "10.00"),
                ("AuthorizationAmount.CurrencyCode", "USD"),
                ("CaptureNow", "false"),
                ("TransactionTimeout", "1440"),
                (
                    "SellerAuthorizationNote",
                    r#"{"SandboxSimulation":{"State":"Declined","ReasonCode":"AmazonRejected"}}"#,
                ),
            ],
            "buF693ELxulTnHM3nmhTNm9YWQ2k6VmjDJd1WgKqvcw=",
        );
    }

    #[test]
    fn vectors_f_fs_and_g_come_out() {
        let status = [("Action", "GetServiceStatus")];
        check(NA, LIVE, &status, "qraXtXDXgDWxrhfw+/6KZ+lsKAVj62ioqRaN5v/C+Eo=");
        check(NA, &format!("{LIVE}/"), &status, "ocEO1T/Gam1zXYXVIqga6Ziku0Xd/t/A0/zhTb/Qvsc=");
        let categories =
            ["Antiques", "Apparel", "Baby", "Books", "Camera", "Car", "CDs", "Coins", "Comics", "Toys"];
        let names: Vec<String> = (1..=10)
            .map(|number| {
                format!(
                    "OrderAttributes.SellerOrderAttributes.OrderItemCategories.OrderItemCategory.{number}"
                )
            })
            .collect();
        let mut own =
            vec![("Action", "SetOrderAttributes"), ("AmazonOrderReferenceId", "S01-1234567-1234567")];
        own.extend(names.iter().map(String::as_str).zip(categories));
        check(NA, SANDBOX, &own, "efa1ig1ou2+Vxbxi0pco0qC3vx+dQj0Ca5UofxhxDwk=");
    }

    #[test]
    fn a_signature_never_signs_itself_and_an_empty_value_keeps_its_sign() {
        let mut all = Parameters::new();
        all.insert("Empty".to_owned(), String::new());
        all.insert("Signature".to_owned(), "old".to_owned());
        assert_eq!(canonical_query(&all), "Empty=");
        assert!(string_to_sign(&target("POST", NA, ""), &all).contains("\n/\n"));
    }

    #[test]
    fn a_key_never_prints_itself() {
        let key = SigningKey::new("exampleSecretKey");
        assert_eq!(format!("{key:?}"), "SigningKey([hidden])");
    }

    proptest! {
        #[test]
        fn escaping_can_be_undone_and_leaves_only_harmless_letters(text in any::<String>()) {
            let escaped = escape(&text);
            prop_assert!(escaped.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~%".contains(&byte)));
            let mut bytes = Vec::new();
            let mut rest = escaped.as_bytes();
            while let Some((&first, tail)) = rest.split_first() {
                if first == b'%' {
                    let digits = std::str::from_utf8(&tail[..2]).unwrap();
                    bytes.push(u8::from_str_radix(digits, 16).unwrap());
                    rest = &tail[2..];
                } else {
                    bytes.push(first);
                    rest = tail;
                }
            }
            prop_assert_eq!(String::from_utf8(bytes).unwrap(), text);
        }
    }
}
