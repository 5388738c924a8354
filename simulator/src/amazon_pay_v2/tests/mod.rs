//! The provider through its front door, every request truly signed.

mod refusals;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::super::signing_for_tests::{public_key_der, request};
use super::*;
use crate::fate::{Fate, FateStep};

const KEY: &str = "SANDBOX-AEKEY";

struct Shop {
    provider: AmazonPayV2,
    random: Random,
    now: Timestamp,
}

impl Shop {
    fn open() -> Shop {
        let merchant = |merchant_id: &str, public_key_id: &str, is_sandbox, region: &str| Merchant {
            merchant_id: merchant_id.into(),
            public_key_id: public_key_id.into(),
            public_key_der: public_key_der(),
            is_sandbox,
            region: region.into(),
        };
        let merchants = vec![
            merchant("A1", KEY, true, "na"),
            merchant("A2", "LIVE-AEKEY", false, "eu"),
            merchant("A3", "AEPLAIN", true, "na"),
        ];
        let provider = AmazonPayV2::new(merchants, None).expect("the key is good");
        let now = "2026-01-15T12:34:56Z".parse().expect("it is a timestamp");
        Shop { provider, random: Random::new(1), now }
    }

    fn plant(
        &mut self,
        kind: &str,
        amount: &str,
        currency: &str,
        steps: &[(u64, &str, Option<&str>)],
    ) -> String {
        self.plant_for("A1", kind, amount, currency, steps)
    }

    fn plant_for(
        &mut self,
        merchant: &str,
        kind: &str,
        amount: &str,
        currency: &str,
        steps: &[(u64, &str, Option<&str>)],
    ) -> String {
        let steps = steps.iter().map(|(after_s, state, reason)| Step {
            after: Duration::from_secs(*after_s),
            state: (*state).to_owned(),
            reason: reason.map(ToOwned::to_owned),
        });
        let plan = Plan {
            kind: kind.into(),
            amount: amount.into(),
            currency: currency.into(),
            merchant_reference: "order-1".into(),
            steps: steps.collect(),
            invisible_for: Duration::ZERO,
        };
        self.provider.plant(merchant, &plan, self.now, &mut self.random).expect("the plan is possible")
    }

    fn wait(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    fn send(
        &mut self,
        key: &str,
        method: &str,
        path: &str,
        body: &str,
        extra: &[(&str, &str)],
    ) -> (u16, Value) {
        let region = if key.starts_with("LIVE") { "eu" } else { "na" };
        let incoming = request(key, region, method, path, body, extra, self.now);
        let answer = self.provider.answer(&incoming, &mut self.random);
        assert_eq!(answer.header("x-amz-pay-request-id").map(str::len), Some(16));
        (answer.status, serde_json::from_slice(&answer.body).expect("answers are JSON"))
    }

    fn get(&mut self, path: &str) -> Value {
        let (status, body) = self.send(KEY, "GET", &format!("/v2/{path}"), "", &[]);
        assert_eq!(status, 200, "{body}");
        body
    }

    fn state(&mut self, path: &str) -> (String, Option<String>) {
        let status = self.get(path)["statusDetails"].clone();
        let reason = status["reasonCode"].as_str().or(status["reasons"][0]["reasonCode"].as_str());
        (status["state"].as_str().expect("there is a state").to_owned(), reason.map(ToOwned::to_owned))
    }

    fn check_state(&mut self, path: &str, state: &str, reason: Option<&str>) {
        assert_eq!(self.state(path), (state.to_owned(), reason.map(ToOwned::to_owned)), "{path}");
    }

    fn call(&mut self, method: &str, path: &str, body: Value, extra: &[(&str, &str)]) -> (u16, Value) {
        self.send(KEY, method, &format!("/v2/{path}"), &body.to_string(), extra)
    }

    fn check(&mut self, method: &str, path: &str, body: Value, status: u16, code: &str) {
        let (answered, answer) = self.call(method, path, body, &[]);
        assert_eq!((answered, answer["reasonCode"].as_str().unwrap_or_default()), (status, code), "{answer}");
    }

    fn simulated(&mut self, path: &str, body: Value, code: &str) -> (u16, String) {
        let method = if path.ends_with("close") { "DELETE" } else { "POST" };
        let (status, answer) = self.call(method, path, body, &[("x-amz-pay-simulation-code", code)]);
        let word = answer["reasonCode"].as_str().or(answer["statusDetails"]["state"].as_str());
        (status, word.expect("there is a code or a state").to_owned())
    }
}

fn usd(amount: &str) -> Value {
    json!({"amount": amount, "currencyCode": "USD"})
}

fn charge_body(permission: &str, amount: &str) -> Value {
    json!({"chargePermissionId": permission, "chargeAmount": usd(amount)})
}

fn id(answer: &Value, key: &str) -> String {
    answer[key].as_str().expect("there is an id").to_owned()
}

#[test]
fn permissions_and_charges_are_updated_until_they_are_closed() {
    let mut shop = Shop::open();
    let permission = shop.plant("charge-permission", "500.00", "USD", &[]);
    let path = format!("chargePermissions/{permission}");
    let update = json!({
        "merchantMetadata": {"merchantReferenceId": "order-2", "noteToBuyer": "thanks"},
        "recurringMetadata": {"frequency": {"unit": "Month", "value": "1"}},
    });
    let (status, answer) = shop.call("PATCH", &path, update, &[]);
    assert_eq!((status, answer["merchantMetadata"]["merchantReferenceId"].as_str()), (200, Some("order-2")));
    let seen = shop.get(&path);
    assert_eq!(seen["merchantMetadata"]["noteToBuyer"], "thanks");
    assert_eq!(seen["recurringMetadata"]["frequency"]["unit"], "Month");
    let wrong = json!({"merchantMetadata": {"orderNumber": "1"}});
    shop.check("PATCH", &path, wrong, 400, "UnrecognizedField");
    let wrong = json!({"merchantMetadata": {"noteToBuyer": 1}});
    shop.check("PATCH", &path, wrong, 400, "InvalidParameterValue");
    shop.check("PATCH", "chargePermissions/S01-1-1", json!({}), 404, "ResourceNotFound");
    let (_, charge) = shop.call("POST", "charges", charge_body(&permission, "14.00"), &[]);
    let charge = format!("charges/{}", id(&charge, "chargeId"));
    let provider = json!({"providerMetadata": {"providerReferenceId": "psp-1"}});
    shop.check("PATCH", &charge, provider, 200, "");
    assert_eq!(shop.get(&charge)["providerMetadata"]["providerReferenceId"], "psp-1");
    shop.check("PATCH", &charge, json!({}), 400, "MissingParameterValue");
    shop.check("DELETE", &format!("{path}/close"), json!({"closureReason": "done"}), 200, "");
    shop.check("PATCH", &path, json!({"merchantMetadata": {}}), 422, "ChargePermissionNotModifiable");
}

#[test]
fn a_planted_authorization_lives_its_plan_and_expires() {
    let mut shop = Shop::open();
    let charge = shop.plant("authorization", "14.00", "USD", &[(60, "Authorized", None)]);
    let path = format!("charges/{charge}");
    shop.check_state(&path, "AuthorizationInitiated", None);
    shop.wait(60);
    let body = shop.get(&path);
    assert_eq!(body["chargeAmount"], usd("14.00"));
    assert_eq!(body["captureAmount"], Value::Null);
    assert_eq!(body["creationTimestamp"], "20260115T123456Z");
    assert_eq!(body["expirationTimestamp"], "20260214T123456Z");
    assert_eq!(body["merchantMetadata"]["merchantReferenceId"], "order-1");
    assert_eq!(body["statusDetails"]["lastUpdatedTimestamp"], "20260115T123556Z");
    shop.wait(30 * 86_400);
    shop.check_state(&path, "Canceled", Some("ExpiredUnused"));
    let truths = shop.provider.truths(shop.now);
    let truth = truths.iter().find(|truth| truth.id == charge).expect("it is in the book");
    assert!(truth.is_final && !truth.is_declined);
    assert_eq!((truth.kind.as_str(), truth.merchant_reference.as_str()), ("authorization", "order-1"));
}

#[test]
fn every_documented_state_and_reason_is_reached() {
    for (kind, words, path) in [
        ("charge", charge::WORDS, "charges"),
        ("capture", charge::WORDS, "charges"),
        ("refund", refund::WORDS, "refunds"),
        ("charge-permission", permission::WORDS, "chargePermissions"),
    ] {
        for word in words {
            for reason in word.reasons.iter().map(|reason| Some(*reason)).chain([None]) {
                let mut shop = Shop::open();
                let planted = shop.plant(kind, "500", "JPY", &[(1, word.state, reason)]);
                shop.wait(1);
                shop.check_state(&format!("{path}/{planted}"), word.state, reason);
            }
        }
    }
}

#[test]
fn captures_and_refunds_are_planted_with_their_parents() {
    let mut shop = Shop::open();
    let capture = shop.plant("capture", "10.00", "USD", &[(5, "Declined", Some("AmazonRejected"))]);
    shop.check_state(&format!("charges/{capture}"), "CaptureInitiated", None);
    let permission = id(&shop.get(&format!("charges/{capture}")), "chargePermissionId");
    shop.wait(5);
    shop.check_state(&format!("charges/{capture}"), "Declined", Some("AmazonRejected"));
    shop.check_state(&format!("chargePermissions/{permission}"), "Closed", Some("AmazonCanceled"));
    let refund = shop.plant("refund", "10.00", "USD", &[(5, "Refunded", None)]);
    let charge = id(&shop.get(&format!("refunds/{refund}")), "chargeId");
    assert_eq!(shop.get(&format!("charges/{charge}"))["refundedAmount"], usd("0.00"));
    shop.wait(5);
    shop.check_state(&format!("refunds/{refund}"), "Refunded", None);
    assert_eq!(shop.get(&format!("charges/{charge}"))["refundedAmount"], usd("10.00"));
}

#[test]
fn a_charge_is_created_captured_and_refunded() {
    let mut shop = Shop::open();
    let permission = shop.plant("charge-permission", "100.00", "USD", &[]);
    let (status, charge) = shop.call("POST", "charges", charge_body(&permission, "40.00"), &[]);
    assert_eq!((status, &charge["statusDetails"]["state"]), (201, &json!("Authorized")));
    let charge = id(&charge, "chargeId");
    assert_eq!(shop.get(&format!("chargePermissions/{permission}"))["limits"]["amountBalance"], usd("60.00"));
    let capture = json!({"captureAmount": usd("30.00"), "softDescriptor": "Shop"});
    let (status, captured) = shop.call("POST", &format!("charges/{charge}/capture"), capture, &[]);
    assert_eq!((status, &captured["captureAmount"]), (200, &usd("30.00")));
    assert_eq!(captured["softDescriptor"], "Shop");
    let refund = json!({"chargeId": charge, "refundAmount": usd("34.50")});
    let (status, refunded) = shop.call("POST", "refunds", refund, &[]);
    assert_eq!((status, &refunded["statusDetails"]["state"]), (201, &json!("RefundInitiated")));
    shop.wait(30);
    shop.check_state(&format!("refunds/{}", id(&refunded, "refundId")), "Refunded", None);
    shop.check(
        "POST",
        "refunds",
        json!({"chargeId": charge, "refundAmount": usd("0.01")}),
        400,
        "TransactionAmountExceeded",
    );
}

#[test]
fn a_late_capture_is_pending_and_takes_the_scenarios_fate() {
    let mut shop = Shop::open();
    let step = FateStep {
        after_min: Duration::from_secs(7200),
        after_max: Duration::from_secs(7200),
        state: "Declined".into(),
        reason: Some("ProcessingFailure".into()),
    };
    let fates = Fates::new(vec![Fate { share: 1.0, steps: vec![step.clone()] }]);
    shop.provider.set_fates("A1", "capture", fates).expect("the words are documented");
    let wrong = FateStep { state: "Lost".into(), ..step };
    let wrong = Fates::new(vec![Fate { share: 1.0, steps: vec![wrong] }]);
    assert!(shop.provider.set_fates("A1", "capture", wrong).is_err());
    let charge = shop.plant("charge", "20.00", "USD", &[(0, "Authorized", None)]);
    shop.wait(8 * 86_400);
    let capture = json!({"captureAmount": usd("20.00")});
    let (status, answer) = shop.call("POST", &format!("charges/{charge}/capture"), capture, &[]);
    assert_eq!((status, &answer["statusDetails"]["state"]), (200, &json!("CaptureInitiated")));
    shop.wait(7199);
    shop.check_state(&format!("charges/{charge}"), "CaptureInitiated", None);
    shop.wait(1);
    shop.check_state(&format!("charges/{charge}"), "Declined", Some("ProcessingFailure"));
    assert_eq!(shop.get(&format!("charges/{charge}"))["captureAmount"], Value::Null);
}

#[test]
fn a_pending_authorization_goes_on_to_captured_when_asked() {
    let mut shop = Shop::open();
    let permission = shop.plant("charge-permission", "100.00", "USD", &[]);
    let mut body = charge_body(&permission, "40.00");
    body["canHandlePendingAuthorization"] = true.into();
    body["captureNow"] = true.into();
    let (status, charge) = shop.call("POST", "charges", body, &[]);
    assert_eq!((status, &charge["statusDetails"]["state"]), (201, &json!("AuthorizationInitiated")));
    shop.check_state(&format!("chargePermissions/{permission}"), "NonChargeable", Some("ChargeInProgress"));
    shop.check("POST", "charges", charge_body(&permission, "1.00"), 422, "InvalidChargePermissionStatus");
    shop.wait(30);
    shop.check_state(&format!("charges/{}", id(&charge, "chargeId")), "Captured", None);
    shop.check_state(&format!("chargePermissions/{permission}"), "Chargeable", None);
}

#[test]
fn cancelling_and_closing_have_their_side_effects() {
    let mut shop = Shop::open();
    let permission = shop.plant("charge-permission", "100.00", "USD", &[]);
    let mut charges = Vec::new();
    for _ in 0..3 {
        let (_, charge) = shop.call("POST", "charges", charge_body(&permission, "10.00"), &[]);
        charges.push(format!("charges/{}", id(&charge, "chargeId")));
    }
    let reason = json!({"cancellationReason": "out of stock"});
    let (status, _) = shop.call("DELETE", &format!("{}/cancel", charges[0]), reason.clone(), &[]);
    assert_eq!(status, 200);
    shop.check_state(&charges[0], "Canceled", Some("MerchantCanceled"));
    shop.check("DELETE", &format!("{}/cancel", charges[0]), reason, 422, "InvalidChargeStatus");
    shop.check("DELETE", &format!("{}/cancel", charges[1]), json!({}), 400, "MissingParameterValue");
    let (_, captured) =
        shop.call("POST", &format!("{}/capture", charges[1]), json!({"captureAmount": usd("10.00")}), &[]);
    assert_eq!(captured["statusDetails"]["state"], "Captured");
    let close = json!({"closureReason": "done", "cancelPendingCharges": true});
    let path = format!("chargePermissions/{permission}");
    assert_eq!(shop.call("DELETE", &format!("{path}/close"), close.clone(), &[]).0, 200);
    shop.check_state(&path, "Closed", Some("MerchantClosed"));
    shop.check_state(&charges[1], "Captured", None);
    shop.check_state(&charges[2], "Canceled", Some("ChargePermissionCanceled"));
    shop.check("DELETE", &format!("{path}/close"), close, 422, "InvalidChargePermissionStatus");
    shop.check("POST", "charges", charge_body(&permission, "1.00"), 422, "InvalidChargePermissionStatus");
}

#[test]
fn a_permission_ends_when_all_is_captured_and_after_half_a_year() {
    let mut shop = Shop::open();
    let whole = shop.plant("charge-permission", "50.00", "USD", &[]);
    let mut body = charge_body(&whole, "50.00");
    body["captureNow"] = true.into();
    assert_eq!(shop.call("POST", "charges", body, &[]).0, 201);
    shop.check_state(&format!("chargePermissions/{whole}"), "Closed", Some("AmazonClosed"));
    let idle = shop.plant("charge-permission", "50.00", "USD", &[]);
    let path = format!("chargePermissions/{idle}");
    let shown = shop.get(&path).to_string();
    assert!(PERSONAL_DATA.iter().all(|word| shown.contains(word)), "{shown}");
    shop.wait(31 * 86_400);
    assert_eq!(shop.get(&path)["buyer"], Value::Null);
    shop.wait(149 * 86_400);
    shop.check_state(&path, "Closed", Some("Expired"));
}
