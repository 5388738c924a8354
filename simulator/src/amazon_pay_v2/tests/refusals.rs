//! What is refused, simulated, repeated, or none of the caller's business.

use serde_json::json;

use super::*;

#[test]
fn requests_are_refused_with_the_documented_codes() {
    let mut shop = Shop::open();
    let permission = shop.plant("charge-permission", "100.00", "USD", &[]);
    let charge = shop.plant("charge", "20.00", "USD", &[(0, "Authorized", None)]);
    let capture = format!("charges/{charge}/capture");
    let with = |key: &str, value: Value| {
        let mut body = charge_body(&permission, "10.00");
        body[key] = value;
        body
    };
    let eur = json!({"amount": "10.00", "currencyCode": "EUR"});
    for (method, path, body, status, code) in [
        ("POST", "charges", with("surprise", json!(1)), 400, "UnrecognizedField"),
        ("POST", "charges", with("chargeAmount", json!(null)), 400, "MissingParameterValue"),
        ("POST", "charges", with("chargeAmount", usd("1.001")), 400, "InvalidParameterValue"),
        ("POST", "charges", with("chargeAmount", usd("100.01")), 400, "TransactionAmountExceeded"),
        ("POST", "charges", with("chargeAmount", eur.clone()), 400, "CurrencyMismatch"),
        ("POST", "charges", with("captureNow", json!("yes")), 400, "InvalidParameterValue"),
        ("POST", "charges", with("softDescriptor", json!("x")), 400, "InvalidParameterCombination"),
        (
            "POST",
            "charges",
            with("chargePermissionId", json!("S01-0000000-0000000")),
            404,
            "ResourceNotFound",
        ),
        ("POST", "charges", json!([]), 400, "InvalidRequestFormat"),
        ("POST", &capture, json!({"captureAmount": usd("20.01")}), 400, "TransactionAmountExceeded"),
        ("POST", &capture, json!({"captureAmount": eur}), 400, "CurrencyMismatch"),
        (
            "POST",
            "refunds",
            json!({"chargeId": charge, "refundAmount": usd("1")}),
            422,
            "InvalidChargeStatus",
        ),
        ("GET", "charges/S01-0000000-0000000-C000000", json!(null), 404, "ResourceNotFound"),
        ("GET", "refunds/x", json!(null), 404, "ResourceNotFound"),
        ("GET", "chargePermissions/x", json!(null), 404, "ResourceNotFound"),
        ("PUT", "charges/x", json!(null), 405, "UnsupportedOperation"),
        ("GET", "unicorns/x", json!(null), 404, "ResourceNotFound"),
    ] {
        shop.check(method, path, body, status, code);
    }
}

#[test]
fn ten_refunds_and_twenty_five_charges_are_the_most() {
    let mut shop = Shop::open();
    let charge = shop.plant("charge", "100.00", "USD", &[(0, "Captured", None)]);
    let refund = json!({"chargeId": charge, "refundAmount": usd("1.00")});
    for _ in 0..10 {
        assert_eq!(shop.call("POST", "refunds", refund.clone(), &[]).0, 201);
    }
    shop.check("POST", "refunds", refund, 422, "TransactionCountExceeded");
    let permission = shop.plant("charge-permission", "100.00", "USD", &[]);
    for _ in 0..25 {
        assert_eq!(shop.call("POST", "charges", charge_body(&permission, "1.00"), &[]).0, 201);
    }
    shop.check("POST", "charges", charge_body(&permission, "1.00"), 422, "TransactionCountExceeded");
}

#[test]
fn simulation_codes_do_what_the_manual_says() {
    let create = |shop: &mut Shop, code: &str, captures_now: bool| {
        let permission = shop.plant("charge-permission", "100.00", "USD", &[]);
        let mut body = charge_body(&permission, "10.00");
        body["captureNow"] = captures_now.into();
        let answered = shop.simulated("charges", body, code);
        (answered, shop.state(&format!("chargePermissions/{permission}")).0)
    };
    let mut shop = Shop::open();
    for (code, captures_now, status, word, permission) in [
        ("SoftDeclined", false, 422, "SoftDeclined", "Chargeable"),
        ("HardDeclined", false, 422, "HardDeclined", "NonChargeable"),
        ("AmazonRejected", false, 422, "AmazonRejected", "Closed"),
        ("TransactionTimedOut", false, 422, "TransactionTimedOut", "Chargeable"),
        ("CaptureInitiated", true, 201, "CaptureInitiated", "Chargeable"),
        ("CaptureInitiated", false, 400, "InvalidSandboxSimulationSpecified", "Chargeable"),
        ("Nonsense", false, 400, "InvalidSandboxSimulationSpecified", "Chargeable"),
    ] {
        let expected = ((status, word.to_owned()), permission.to_owned());
        assert_eq!(create(&mut shop, code, captures_now), expected, "{code} {captures_now}");
    }
    for (code, end) in [("CaptureInitiated", "Captured"), ("AmazonRejected", "Declined")] {
        let charge = shop.plant("charge", "10.00", "USD", &[(0, "Authorized", None)]);
        let body = json!({"captureAmount": usd("10.00")});
        let answered = shop.simulated(&format!("charges/{charge}/capture"), body, code);
        assert_eq!(answered, (200, "CaptureInitiated".to_owned()));
        shop.wait(30);
        assert_eq!(shop.state(&format!("charges/{charge}")).0, end);
    }
    let permission = shop.plant("charge-permission", "100.00", "USD", &[]);
    let path = format!("chargePermissions/{permission}");
    shop.simulated(&format!("{path}/close"), json!({"closureReason": "x"}), "AmazonClosed");
    shop.check_state(&path, "Closed", Some("AmazonClosed"));
}

#[test]
fn simulation_is_for_the_sandbox_alone() {
    let mut shop = Shop::open();
    let permission = shop.plant_for("A2", "charge-permission", "100.00", "EUR", &[]);
    let body = json!({
        "chargePermissionId": permission,
        "chargeAmount": {"amount": "1.00", "currencyCode": "EUR"},
    });
    let code = [("x-amz-pay-simulation-code", "SoftDeclined")];
    let (status, answer) = shop.send("LIVE-AEKEY", "POST", "/v2/charges", &body.to_string(), &code);
    assert_eq!((status, &answer["reasonCode"]), (400, &json!("InvalidSandboxSimulationSpecified")));
}

#[test]
fn an_idempotency_key_gives_the_first_answer_again() {
    let mut shop = Shop::open();
    let permission = shop.plant("charge-permission", "100.00", "USD", &[]);
    let key = [("x-amz-pay-idempotency-key", "once")];
    let (status, first) = shop.call("POST", "charges", charge_body(&permission, "10.00"), &key);
    assert_eq!(status, 201);
    shop.wait(3600);
    assert_eq!(shop.call("POST", "charges", charge_body(&permission, "10.00"), &key), (201, first));
    let (status, changed) = shop.call("POST", "charges", charge_body(&permission, "11.00"), &key);
    assert_eq!((status, &changed["reasonCode"]), (400, &json!("DuplicateIdempotencyKey")));
    let other = [("x-amz-pay-idempotency-key", "twice")];
    assert_eq!(shop.call("POST", "charges", charge_body(&permission, "10.00"), &other).0, 201);
    for bad in ["x".repeat(33), "ä".to_owned(), "a b".to_owned()] {
        let key = [("x-amz-pay-idempotency-key", bad.as_str())];
        let (status, answer) = shop.call("POST", "charges", charge_body(&permission, "10.00"), &key);
        assert_eq!((status, &answer["reasonCode"]), (400, &json!("InvalidHeaderValue")), "{bad}");
    }
    assert_eq!(shop.call("GET", &format!("chargePermissions/{permission}"), json!(null), &key).0, 200);
}

#[test]
fn keys_paths_and_merchants_keep_apart() {
    let mut shop = Shop::open();
    let mine = shop.plant("charge", "1.00", "USD", &[]);
    let live = shop.plant_for("A2", "charge", "1.00", "EUR", &[]);
    let plain = shop.plant_for("A3", "charge", "1.00", "USD", &[]);
    assert!(mine.starts_with("S01-") && live.starts_with("P02-"), "{mine} {live}");
    for (key, path, id, status) in [
        (KEY, "/v2", &mine, 200),
        (KEY, "/sandbox/v2", &mine, 200),
        (KEY, "/live/v2", &mine, 401),
        (KEY, "/v2", &plain, 404),
        (KEY, "/v2", &live, 404),
        ("LIVE-AEKEY", "/v2", &live, 200),
        ("LIVE-AEKEY", "/sandbox/v2", &live, 401),
        ("AEPLAIN", "/sandbox/v2", &plain, 200),
        ("AEPLAIN", "/live/v2", &plain, 404),
        ("AEPLAIN", "/v2", &plain, 401),
        ("SANDBOX-OTHER", "/v2", &mine, 403),
    ] {
        let answered = shop.send(key, "GET", &format!("{path}/charges/{id}"), "", &[]).0;
        assert_eq!(answered, status, "{key} {path}");
    }
    let region = request(KEY, "jp", "GET", &format!("/v2/charges/{mine}"), "", &[], shop.now);
    assert_eq!(shop.provider.answer(&region, &mut Random::new(1)).status, 404);
    let mut unsigned = request(KEY, "na", "GET", &format!("/v2/charges/{mine}"), "", &[], shop.now);
    unsigned.headers.retain(|(name, _)| name != "authorization");
    assert_eq!(shop.provider.answer(&unsigned, &mut Random::new(1)).status, 401);
    assert_eq!(shop.provider.operation(&unsigned), None);
}

#[test]
fn operations_are_read_without_verifying() {
    let shop = Shop::open();
    let operation = |key: &str, path: &str| {
        let incoming = request(key, "na", "GET", path, "", &[], shop.now);
        shop.provider.operation(&incoming)
    };
    let expected = Operation { merchant: "A1".into(), name: "GetCharge".into(), is_sandbox: true };
    assert_eq!(operation(KEY, "/v2/charges/x"), Some(expected));
    let live = operation("AEPLAIN", "/live/v2/refunds/x").expect("it is recognisable");
    assert_eq!((live.merchant.as_str(), live.is_sandbox), ("A3", false));
    assert_eq!(
        operation("STRANGER", "/sandbox/v2/refunds/x").map(|found| found.merchant),
        Some("STRANGER".into())
    );
    assert_eq!(operation(KEY, "/v2/unicorns/x"), None);
    let incoming = request(KEY, "na", "GET", "/v2/charges/x", "", &[], shop.now);
    let throttled = shop.provider.throttled(&incoming);
    assert_eq!((throttled.status, throttled.header("retry-after")), (429, None));
    assert!(throttled.body.starts_with(b"{\"reasonCode\":\"TooManyRequests\""));
}

#[test]
fn impossible_plans_are_refused_in_words() {
    let mut shop = Shop::open();
    let plan = Plan {
        kind: "charge".into(),
        amount: "1.00".into(),
        currency: "USD".into(),
        merchant_reference: String::new(),
        steps: Vec::new(),
        invisible_for: Duration::from_secs(10),
    };
    let step = Step { after: Duration::ZERO, state: "Lost".into(), reason: None };
    for (merchant, plan) in [
        ("A9", plan.clone()),
        ("A1", Plan { kind: "unicorn".into(), ..plan.clone() }),
        ("A1", Plan { amount: "1.001".into(), ..plan.clone() }),
        ("A1", Plan { currency: "XXX".into(), ..plan.clone() }),
        ("A1", Plan { steps: vec![step], ..plan.clone() }),
    ] {
        assert!(shop.provider.plant(merchant, &plan, shop.now, &mut Random::new(1)).is_err(), "{plan:?}");
    }
    let hidden = shop.provider.plant("A1", &plan, shop.now, &mut Random::new(1)).expect("the plan is good");
    let path = format!("/v2/charges/{hidden}");
    shop.wait(9);
    assert_eq!(shop.send(KEY, "GET", &path, "", &[]).0, 404);
    shop.wait(1);
    assert_eq!(shop.send(KEY, "GET", &path, "", &[]).0, 200);
}
