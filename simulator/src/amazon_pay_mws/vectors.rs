//! The published signature vectors, given to this verifier.

use super::form::encode;
use super::front_door::{is_signed_with, let_in, parameters, string_to_sign};
use super::merchant::MwsMerchant;
use super::refusal::Code;
use crate::exchange::Incoming;

struct Vector {
    name: &'static str,
    method: &'static str,
    host: &'static str,
    path: &'static str,
    timestamp: &'static str,
    /// Key id, secret.
    keys: (&'static str, &'static str),
    parameters: Vec<(String, String)>,
    signature: &'static str,
}

const NA: &str = "mws.amazonservices.com";
const EU: &str = "mws-eu.amazonservices.com";
const JP: &str = "mws.amazonservices.jp";
const LIVE: &str = "/OffAmazonPayments/2013-01-01";
const SANDBOX: &str = "/OffAmazonPayments_Sandbox/2013-01-01";
const MOMENT: &str = "2015-12-31T23:59:58Z";
const NOTE: &str = "Größe 5*~ (a/b) 'q' !@#$%^&=+,;:?[] 日本 x";

impl Vector {
    fn body(&self) -> String {
        let mut pairs = vec![
            ("AWSAccessKeyId", self.keys.0),
            ("SignatureMethod", "HmacSHA256"),
            ("SignatureVersion", "2"),
            ("Timestamp", self.timestamp),
            ("Version", "2013-01-01"),
        ];
        pairs.extend(self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        pairs.push(("Signature", self.signature));
        let pairs: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        pairs.join("&")
    }

    fn request(&self, body: &str) -> Incoming {
        let is_get = self.method == "GET";
        Incoming {
            method: self.method.into(),
            host: self.host.into(),
            path: self.path.into(),
            query: if is_get { body.into() } else { String::new() },
            headers: vec![
                ("content-type".into(), "application/x-www-form-urlencoded".into()),
                ("user-agent".into(), "shop/1.0 (Language=Rust)".into()),
            ],
            body: if is_get { Vec::new() } else { body.into() },
            at: MOMENT.parse().expect("a time"),
        }
    }

    fn is_accepted(&self, incoming: &Incoming) -> bool {
        parameters(incoming).is_ok_and(|read| is_signed_with(self.keys.1, incoming, &read))
    }

    fn merchant(&self) -> MwsMerchant {
        let seller = self.parameters.iter().find(|(name, _)| name == "SellerId").expect("always there");
        MwsMerchant {
            seller_id: seller.1.clone(),
            access_key_id: self.keys.0.into(),
            secret_key: self.keys.1.into(),
            is_sandbox: true,
            region: "na".into(),
        }
    }
}

fn published(name: &'static str, action: &str, others: &[(&str, &str)], signature: &'static str) -> Vector {
    let mut parameters = vec![
        ("Action".to_owned(), action.to_owned()),
        ("AmazonOrderReferenceId".to_owned(), "AMAZON_ORDER_REFERENCE_ID".to_owned()),
    ];
    if others.iter().any(|(name, _)| *name == "MWSAuthToken") {
        parameters.push(("SellerId".into(), "OVERRIDE_SELLER_ID".into()));
    } else {
        parameters.push(("SellerId".into(), "TEST_MERCHANT_ID".into()));
    }
    parameters.extend(others.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Vector {
        name,
        method: "POST",
        host: NA,
        path: SANDBOX,
        timestamp: MOMENT,
        keys: ("TEST_ACCESS_KEY", "TEST_SECRET_KEY"),
        parameters,
        signature,
    }
}

fn own(
    name: &'static str,
    target: (&'static str, &'static str, &'static str),
    parameters: &[(&str, &str)],
    signature: &'static str,
) -> Vector {
    let mut all = vec![("SellerId".to_owned(), "A1EXAMPLESELLER".to_owned())];
    all.extend(parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Vector {
        name,
        method: target.0,
        host: target.1,
        path: target.2,
        timestamp: MOMENT,
        keys: ("AKIAEXAMPLEKEY000001", "exampleSecretKey/With+Chars=0123456789AB"),
        parameters: all,
        signature,
    }
}

/// Set 1 of docs/src/reference/amazon-pay-mws.md section 2.2.
fn set_one() -> Vec<Vector> {
    let token = ("MWSAuthToken", "TEST_MWS_AUTH_TOKEN");
    let success = ("SuccessUrl", "https://pay.amazon.com/success.html");
    let failure = ("FailureUrl", "https://pay.amazon.com/failure.html");
    let amount = ("AuthorizationAmount.Amount", "0.01");
    let (euro, dollar) =
        (("AuthorizationAmount.CurrencyCode", "EUR"), ("AuthorizationAmount.CurrencyCode", "USD"));
    vec![
        published("J1", "GetOrderReferenceDetails", &[], "cpkDC72d5lMIbo5ET2dvERTw4F2cGQJL3eQPzUe2pAE="),
        published("J2", "GetOrderReferenceDetails", &[token], "MelQJXDdQJ85Z7aB85s7eYWm5TdGv6xYAQt/joOhXCo="),
        published(
            "J3",
            "SetOrderReferenceDetails",
            &[
                ("OrderReferenceAttributes.OrderTotal.Amount", "2"),
                ("OrderReferenceAttributes.OrderTotal.CurrencyCode", "USD"),
            ],
            "i51MSGv9O2G2LHIlhCXLigA3ZKaZRoc7Mb5A1VX2QTA=",
        ),
        published("J4", "ConfirmOrderReference", &[token], "mbJBrZKC4Jz8J+rhRqyfYsY6TkSapWOvCTlC+UDUTok="),
        published(
            "J5",
            "ConfirmOrderReference",
            &[token, amount, euro, success, failure],
            "KeZbecFqPMxhR4g35iFWsdLmq1rAgwdn4B2WTIFMTHg=",
        ),
        published(
            "J6",
            "ConfirmOrderReference",
            &[token, amount, dollar, success],
            "vGiWtNsdtNKx3QGB+cNNq8tLisqwOeg2a5aIy3p6exw=",
        ),
    ]
}

/// Set 2 of docs/src/reference/amazon-pay-mws.md section 2.2.
fn set_two() -> Vec<Vector> {
    let slashed = "/OffAmazonPayments_Sandbox/2013-01-01/";
    let read =
        [("Action", "GetAuthorizationDetails"), ("AmazonAuthorizationId", "S01-1234567-1234567-A012345")];
    let status = [("Action", "GetServiceStatus")];
    let mut milliseconds =
        own("Ams", ("POST", NA, SANDBOX), &read, "A2aYSe1TutGKhv86Kp7iNxLuzOMIqwopMxYlBifdxEE=");
    milliseconds.timestamp = "2015-12-31T23:59:58.000Z";
    vec![
        own("A", ("POST", NA, SANDBOX), &read, "/NFHg5xwXgUHRZtI30jlPcgdtCwFiRpXrpXVqA5fIoQ="),
        own("Ag", ("GET", NA, SANDBOX), &read, "NUPqnlKQqvRKd0W7ktZQ1sEletLapSAceDlEeHOYlAY="),
        own("As", ("POST", NA, slashed), &read, "OuDlcCF4NwnRoKtr9/w8XJBl0RFB0Ae5fjPAMP0PJt0="),
        milliseconds,
        own(
            "B",
            ("POST", EU, LIVE),
            &[("Action", "GetCaptureDetails"), ("AmazonCaptureId", "P02-1234567-1234567-C012345")],
            "J94Eovliyo4wxp+z3I+74y118itffp0KDWgBiB2F9vo=",
        ),
        own(
            "C",
            ("POST", JP, LIVE),
            &[
                ("Action", "GetRefundDetails"),
                ("AmazonRefundId", "P03-1234567-1234567-R012345"),
                ("MWSAuthToken", "amzn.mws.4ea38b7b-f563-7709-4bae-87aeaEXAMPLE"),
            ],
            "rhj5jR/4G0aGjFoKNP328p/9qoln8L4ITkMcD0SJrbg=",
        ),
        own("D", ("POST", EU, SANDBOX), &vector_d(), "XKOtjvVaYH/DlSkzhjr9bDzsQn1kHLJABaY/8lWGCb8="),
        own("E", ("POST", NA, SANDBOX), &vector_e(), "buF693ELxulTnHM3nmhTNm9YWQ2k6VmjDJd1WgKqvcw="),
        own("F", ("POST", NA, LIVE), &status, "qraXtXDXgDWxrhfw+/6KZ+lsKAVj62ioqRaN5v/C+Eo="),
        own(
            "Fs",
            ("POST", NA, "/OffAmazonPayments/2013-01-01/"),
            &status,
            "ocEO1T/Gam1zXYXVIqga6Ziku0Xd/t/A0/zhTb/Qvsc=",
        ),
        vector_g(),
    ]
}

fn vector_d() -> [(&'static str, &'static str); 8] {
    [
        ("Action", "Authorize"),
        ("AmazonOrderReferenceId", "S02-1234567-1234567"),
        ("AuthorizationReferenceId", "auth_ref-1"),
        ("AuthorizationAmount.Amount", "94.50"),
        ("AuthorizationAmount.CurrencyCode", "EUR"),
        ("CaptureNow", "false"),
        ("TransactionTimeout", "0"),
        ("SellerAuthorizationNote", NOTE),
    ]
}

fn vector_e() -> [(&'static str, &'static str); 8] {
    [
        ("Action", "Authorize"),
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
    ]
}

fn vector_g() -> Vector {
    let base = [("Action", "SetOrderAttributes"), ("AmazonOrderReferenceId", "S01-1234567-1234567")];
    let mut vector = own("G", ("POST", NA, SANDBOX), &base, "efa1ig1ou2+Vxbxi0pco0qC3vx+dQj0Ca5UofxhxDwk=");
    let categories =
        ["Antiques", "Apparel", "Baby", "Books", "Camera", "Car", "CDs", "Coins", "Comics", "Toys"];
    let prefix = "OrderAttributes.SellerOrderAttributes.OrderItemCategories.OrderItemCategory";
    for (number, category) in (1..).zip(categories) {
        vector.parameters.push((format!("{prefix}.{number}"), category.to_owned()));
    }
    vector
}

fn all() -> Vec<Vector> {
    let mut all = set_one();
    all.extend(set_two());
    assert_eq!(all.len(), 17);
    all
}

#[test]
fn every_published_vector_is_accepted() {
    for vector in all() {
        assert!(vector.is_accepted(&vector.request(&vector.body())), "{}", vector.name);
    }
}

#[test]
fn the_front_door_lets_every_vector_in() {
    for vector in all() {
        let token = vector.parameters.iter().find(|(name, _)| name == "MWSAuthToken");
        let merchant = vector.merchant();
        let delegations = token.map(|(_, token)| (merchant.seller_id.clone(), token.clone()));
        let visitor = let_in(
            &vector.request(&vector.body()),
            &[merchant],
            &delegations.into_iter().collect::<Vec<_>>(),
        );
        assert!(visitor.is_ok(), "{}: {visitor:?}", vector.name);
    }
}

#[test]
fn a_delegated_call_needs_the_token_of_its_seller() {
    let vector = &set_one()[1];
    let mut developer = vector.merchant();
    developer.seller_id = "DEVELOPER".into();
    let request = vector.request(&vector.body());
    let token = |text: &str| vec![("OVERRIDE_SELLER_ID".to_owned(), text.to_owned())];
    assert!(let_in(&request, &[developer.clone()], &token("TEST_MWS_AUTH_TOKEN")).is_ok());
    for delegations in [token("ANOTHER_TOKEN"), Vec::new()] {
        let refused = let_in(&request, &[developer.clone()], &delegations).expect_err("no such delegation");
        assert_eq!(refused.code, Code::AccessDenied);
    }
}

#[test]
fn one_changed_character_anywhere_is_refused() {
    for vector in all() {
        let body = vector.body();
        for at in 0..body.len() {
            let mut changed = body.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("the body is ASCII");
            assert!(!vector.is_accepted(&vector.request(&changed)), "{} at {at}: {changed}", vector.name);
        }
    }
}

#[test]
fn another_method_host_path_or_secret_is_refused() {
    for vector in all() {
        let request = vector.request(&vector.body());
        let mut other_host = request.clone();
        other_host.host = format!("{}x", vector.host);
        let mut other_path = request.clone();
        other_path.path = format!("{}/", vector.path);
        let read = parameters(&request).expect("well-formed");
        assert!(!vector.is_accepted(&other_host) && !vector.is_accepted(&other_path), "{}", vector.name);
        assert!(!is_signed_with("another secret", &request, &read), "{}", vector.name);
        let mut other_method = request.clone();
        other_method.method = if vector.method == "GET" { "POST".into() } else { "GET".into() };
        assert!(!is_signed_with(vector.keys.1, &other_method, &read), "{}", vector.name);
    }
}

#[test]
fn the_port_443_is_not_signed_and_another_is() {
    let vector = &set_two()[0];
    let mut request = vector.request(&vector.body());
    request.host = "MWS.amazonservices.com:443".into();
    assert!(vector.is_accepted(&request));
    request.host = "mws.amazonservices.com:8443".into();
    assert!(!vector.is_accepted(&request));
}

#[test]
fn the_string_to_sign_of_vector_a() {
    let vector = &set_two()[0];
    let request = vector.request(&vector.body());
    let text = string_to_sign(&request, &parameters(&request).expect("well-formed"));
    assert_eq!(text.len(), 307);
    assert_eq!(
        text,
        "POST\nmws.amazonservices.com\n/OffAmazonPayments_Sandbox/2013-01-01\nAWSAccessKeyId=AKIAEXAMPLEKEY000001&Action=GetAuthorizationDetails&AmazonAuthorizationId=S01-1234567-1234567-A012345&SellerId=A1EXAMPLESELLER&SignatureMethod=HmacSHA256&SignatureVersion=2&Timestamp=2015-12-31T23%3A59%3A58Z&Version=2013-01-01"
    );
}

#[test]
fn each_flaw_has_its_code() {
    let vector = &set_two()[0];
    let merchants = [vector.merchant()];
    let body = vector.body();
    let table = [
        (body.replace("AKIAEXAMPLE", "AKIAUNKNOWN"), Code::InvalidAccessKeyId),
        (body.replace("A012345", "A012346"), Code::SignatureDoesNotMatch),
        (body.split("&Signature=").next().expect("one part").to_owned(), Code::MissingAuthenticationToken),
        (body.replace("SignatureVersion=2", "SignatureVersion=1"), Code::InvalidParameterValue),
        (body.replace("HmacSHA256", "HmacMD5"), Code::InvalidParameterValue),
        (body.replace("Version=2013-01-01", "Version=2010-01-01"), Code::InvalidParameterValue),
        (format!("{body}&Action=Capture"), Code::InvalidParameterValue),
        (format!("{body}&a=%"), Code::InvalidParameterValue),
    ];
    for (changed, code) in table {
        let refused = let_in(&vector.request(&changed), &merchants, &[]).expect_err("flawed");
        assert_eq!(refused.code, code, "{changed}");
    }
    let mut late = vector.request(&body);
    late.at = "2016-01-01T00:15:00Z".parse().expect("a time");
    assert_eq!(let_in(&late, &merchants, &[]).expect_err("late").code, Code::InvalidParameterValue);
    let mut plain = vector.request(&body);
    plain.headers.clear();
    assert_eq!(let_in(&plain, &merchants, &[]).expect_err("no type").code, Code::InvalidParameterValue);
}
