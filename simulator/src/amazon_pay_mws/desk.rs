//! A merchant's desk for the stories: signs calls, hands them to the provider, reads the answers.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};

use super::form::{Parameters, encode};
use super::front_door::string_to_sign;
use super::{MwsMerchant, MwsProvider};
use crate::exchange::{Incoming, Outgoing};
use crate::plan::{Plan, Step, Truth};
use crate::provider::{Provider, Random};

pub(super) const SELLER: &str = "A1EXAMPLESELLER";

pub(super) struct Desk {
    pub(super) provider: MwsProvider,
    pub(super) random: Random,
    pub(super) now: Timestamp,
    pub(super) path: &'static str,
    pub(super) seller: &'static str,
}

/// An answer, with the first text of any element.
pub(super) struct Answer {
    pub(super) outgoing: Outgoing,
    pub(super) text: String,
}

impl Answer {
    pub(super) fn status(&self) -> u16 {
        self.outgoing.status
    }

    /// The text of the first element of this name; panics when there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        self.find(name).unwrap_or_else(|| panic!("no {name} in {}", self.text))
    }

    pub(super) fn find(&self, name: &str) -> Option<&str> {
        let after = self.text.split_once(&format!("<{name}>"))?.1;
        after.split_once(&format!("</{name}>")).map(|(inside, _)| inside)
    }

    /// State and reason inside the status element of this name.
    pub(super) fn state(&self, status: &str) -> (String, Option<String>) {
        let inside = Answer { outgoing: self.outgoing.clone(), text: self.get(status).to_owned() };
        (inside.get("State").to_owned(), inside.find("ReasonCode").map(str::to_owned))
    }

    /// The ids of `IdList`.
    pub(super) fn ids(&self) -> Vec<String> {
        let list = self.find("IdList").unwrap_or_default();
        let parts = list.split("<member>").skip(1);
        parts.filter_map(|part| part.split_once("</member>").map(|(id, _)| id.to_owned())).collect()
    }
}

impl Desk {
    pub(super) fn new(is_sandbox: bool) -> Desk {
        let merchant = |seller_id: &str, access_key_id: &str| MwsMerchant {
            seller_id: seller_id.into(),
            access_key_id: access_key_id.into(),
            secret_key: "exampleSecretKey/With+Chars=0123456789AB".into(),
            is_sandbox,
            region: "na".into(),
        };
        let merchants = vec![merchant(SELLER, "AKIAEXAMPLEKEY000001"), merchant("A2OTHER", "AKIAOTHER")];
        Desk {
            provider: MwsProvider::new(merchants),
            random: Random::new(11),
            now: "2026-03-01T12:00:00Z".parse().expect("a time"),
            path: environment_path(is_sandbox),
            seller: SELLER,
        }
    }

    pub(super) fn wait(&mut self, duration: Duration) {
        self.now = super::timeline::later(self.now, duration);
    }

    pub(super) fn wait_minutes(&mut self, minutes: u64) {
        self.wait(Duration::from_secs(minutes * 60));
    }

    pub(super) fn wait_days(&mut self, days: u64) {
        self.wait_minutes(days * 24 * 60);
    }

    pub(super) fn request(&self, action: &str, parameters: &[(&str, &str)]) -> Incoming {
        let access_key_id = if self.seller == SELLER { "AKIAEXAMPLEKEY000001" } else { "AKIAOTHER" };
        let timestamp = self.now.round(jiff::Unit::Second).expect("a rounded time");
        let timestamp = timestamp.to_string();
        let mut all: Parameters =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        for (name, value) in [
            ("AWSAccessKeyId", access_key_id),
            ("Action", action),
            ("SellerId", self.seller),
            ("SignatureMethod", "HmacSHA256"),
            ("SignatureVersion", "2"),
            ("Timestamp", &timestamp),
            ("Version", "2013-01-01"),
        ] {
            all.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
        self.signed("POST", &all)
    }

    pub(super) fn signed(&self, method: &str, parameters: &Parameters) -> Incoming {
        let mut incoming = Incoming {
            method: method.into(),
            host: "127.0.0.1:8443".into(),
            path: self.path.into(),
            query: String::new(),
            headers: vec![
                ("content-type".into(), "application/x-www-form-urlencoded".into()),
                ("user-agent".into(), "shop/1.0 (Language=Rust)".into()),
            ],
            body: Vec::new(),
            at: self.now,
        };
        let is_sha1 = parameters.get("SignatureMethod").is_some_and(|method| method == "HmacSHA1");
        let algorithm = if is_sha1 { hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY } else { hmac::HMAC_SHA256 };
        let key = hmac::Key::new(algorithm, b"exampleSecretKey/With+Chars=0123456789AB");
        let signature = STANDARD.encode(hmac::sign(&key, string_to_sign(&incoming, parameters).as_bytes()));
        let mut pairs: Vec<String> =
            parameters.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        pairs.push(format!("Signature={}", encode(&signature)));
        if method == "GET" {
            incoming.query = pairs.join("&");
        } else {
            incoming.body = pairs.join("&").into_bytes();
        }
        incoming
    }

    pub(super) fn send(&mut self, incoming: &Incoming) -> Answer {
        let outgoing = self.provider.answer(incoming, &mut self.random);
        let text = String::from_utf8(outgoing.body.clone()).expect("XML is UTF-8");
        Answer { outgoing, text }
    }

    pub(super) fn call(&mut self, action: &str, parameters: &[(&str, &str)]) -> Answer {
        let incoming = self.request(action, parameters);
        self.send(&incoming)
    }

    /// The error code of a call that must fail with its documented status.
    pub(super) fn refused(&mut self, action: &str, parameters: &[(&str, &str)]) -> String {
        let answer = self.call(action, parameters);
        assert_ne!(answer.status(), 200, "{}", answer.text);
        assert!(answer.text.contains("<ErrorResponse "), "{}", answer.text);
        answer.get("Code").to_owned()
    }

    /// A call that must succeed.
    pub(super) fn done(&mut self, action: &str, parameters: &[(&str, &str)]) -> Answer {
        let answer = self.call(action, parameters);
        assert_eq!(answer.status(), 200, "{action}: {}", answer.text);
        assert!(answer.text.contains(&format!("<{action}Response ")), "{}", answer.text);
        answer
    }

    pub(super) fn plant(&mut self, kind: &str, steps: &[(u64, &str, Option<&str>)]) -> String {
        let plan = plan(kind, steps);
        self.provider.plant(SELLER, &plan, self.now, &mut self.random).expect("a plan that MWS has")
    }

    pub(super) fn truth(&self, id: &str) -> Truth {
        let truths = self.provider.truths(self.now);
        truths.into_iter().find(|truth| truth.id == id).expect("the object exists")
    }

    /// A planted order that the merchant has set and confirmed.
    pub(super) fn open_order(&mut self) -> String {
        self.plant("order-reference", &[(0, "Open", None)])
    }

    pub(super) fn authorize(&mut self, order_id: &str, reference: &str, more: &[(&str, &str)]) -> Answer {
        let mut parameters = vec![
            ("AmazonOrderReferenceId", order_id),
            ("AuthorizationReferenceId", reference),
            ("AuthorizationAmount.Amount", "94.50"),
            ("AuthorizationAmount.CurrencyCode", "USD"),
        ];
        parameters.extend_from_slice(more);
        self.call("Authorize", &parameters)
    }

    pub(super) fn capture(
        &mut self,
        authorization_id: &str,
        reference: &str,
        more: &[(&str, &str)],
    ) -> Answer {
        let mut parameters = vec![
            ("AmazonAuthorizationId", authorization_id),
            ("CaptureReferenceId", reference),
            ("CaptureAmount.Amount", "94.50"),
            ("CaptureAmount.CurrencyCode", "USD"),
        ];
        parameters.extend_from_slice(more);
        self.call("Capture", &parameters)
    }

    pub(super) fn refund(&mut self, capture_id: &str, reference: &str, amount: &str) -> Answer {
        self.call(
            "Refund",
            &[
                ("AmazonCaptureId", capture_id),
                ("RefundReferenceId", reference),
                ("RefundAmount.Amount", amount),
                ("RefundAmount.CurrencyCode", "USD"),
            ],
        )
    }

    pub(super) fn authorization_state(&mut self, id: &str) -> (String, Option<String>) {
        self.done("GetAuthorizationDetails", &[("AmazonAuthorizationId", id)]).state("AuthorizationStatus")
    }

    pub(super) fn capture_state(&mut self, id: &str) -> (String, Option<String>) {
        self.done("GetCaptureDetails", &[("AmazonCaptureId", id)]).state("CaptureStatus")
    }

    pub(super) fn refund_state(&mut self, id: &str) -> (String, Option<String>) {
        self.done("GetRefundDetails", &[("AmazonRefundId", id)]).state("RefundStatus")
    }

    pub(super) fn order_state(&mut self, id: &str) -> (String, Option<String>) {
        self.done("GetOrderReferenceDetails", &[("AmazonOrderReferenceId", id)]).state("OrderReferenceStatus")
    }

    pub(super) fn agreement_state(&mut self, id: &str) -> (String, Option<String>) {
        self.done("GetBillingAgreementDetails", &[("AmazonBillingAgreementId", id)])
            .state("BillingAgreementStatus")
    }
}

pub(super) fn environment_path(is_sandbox: bool) -> &'static str {
    if is_sandbox { "/OffAmazonPayments_Sandbox/2013-01-01" } else { "/OffAmazonPayments/2013-01-01" }
}

/// A plan over 100.00 USD; the delays in seconds.
pub(super) fn plan(kind: &str, steps: &[(u64, &str, Option<&str>)]) -> Plan {
    Plan {
        kind: kind.into(),
        amount: "100.00".into(),
        currency: "USD".into(),
        merchant_reference: "order-1".into(),
        steps: steps
            .iter()
            .map(|(after_s, state, reason)| Step {
                after: Duration::from_secs(*after_s),
                state: (*state).into(),
                reason: reason.map(str::to_owned),
            })
            .collect(),
        invisible_for: Duration::ZERO,
    }
}

/// State and reason, to compare with.
pub(super) fn is(state: &str, reason: &str) -> (String, Option<String>) {
    (state.to_owned(), (!reason.is_empty()).then(|| reason.to_owned()))
}

/// The time so many seconds from another.
pub(super) fn seconds_after(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(seconds)).expect("within time")
}
