//! Single operations through the public binary: refused without the daemon, killed at the worst moments, done once.

use std::process::Stdio;

use amazon_pay_simulator::fault::{Fault, FaultKind};

use crate::calls::plan;
use crate::process::Host;

/// A permanent fault of one operation.
fn always(host: &Host, kind: FaultKind, operation: &str) {
    host.simulator.set_faults(vec![Fault {
        kind,
        account: None,
        operation: Some(operation.to_owned()),
        share: 1.0,
        from: std::time::Duration::ZERO,
        until: None,
        retry_after_s: None,
        status: 401,
        skew_s: 0,
    }]);
}

fn count(host: &Host, kind: &str) -> usize {
    host.simulator.truths().iter().filter(|truth| truth.kind == kind).count()
}

async fn acted(host: &Host, account: &str, operation: &str) {
    host.until(&format!("the provider has carried out {operation}"), async || {
        let counts = host.simulator.counts();
        let known = counts.operations.get(&(account.to_owned(), operation.to_owned()))?;
        (known.answered >= 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_are_found_tried_and_done_once_with_and_without_the_daemon() {
    let host = Host::new().await;
    let permission = host.simulator.plant("shop", &plan("charge-permission", "Chargeable", "EUR")).unwrap();
    let daemon = host.start().await;
    host.run(&["call", "shop"]).await.expect(
        0,
        &[
            "CreateRefund",
            "chargeId refundAmount.amount",
            "via the running daemon",
            "400, then 400 per second",
        ],
    );
    let help = ["call", "old-shop", "Capture", "--help-parameters"];
    host.run(&help).await.expect(0, &["SellerCaptureNote", "text, at most 255 characters", "--yes"]);
    let help = ["call", "old-shop", "CreateRefund", "--help-parameters"];
    host.run(&help).await.expect(65, &["CreateRefund is not an operation of old-shop", "GetServiceStatus"]);
    host.run(&["call", "shop", "CreateCharge", "oops"]).await.expect(64, &["write it as KEY=VALUE"]);
    let bad = ["call", "shop", "CreateCharge", "chargeAmount.amount=ten", "--yes"];
    host.run(&bad).await.expect(65, &["chargePermissionId: is missing", "nothing was sent"]);

    let id = format!("chargePermissionId={permission}");
    let pairs = [id.as_str(), "chargeAmount.amount=14.00", "chargeAmount.currencyCode=EUR"];
    let create = [&["call", "shop", "CreateCharge"], &pairs[..]].concat();
    host.run(&create)
        .await
        .expect(77, &["would send", "/v2/charges", "chargeAmount.amount = 14.00", "--yes"]);
    let confirmed = [&create[..], &["--yes"]].concat();
    let made = host.run(&confirmed).await;
    let made =
        made.expect(0, &["CreateCharge of shop: done", "state:", "Authorized", "now watched: shop/charge/"]);
    assert!(made.out.contains("14.00 EUR"), "{}", made.out);
    host.run(&confirmed).await.expect(0, &["was already done; not sent again", "its own reference"]);
    let json = host.run(&[&confirmed[..], &["--json"]].concat()).await.expect(0, &[]).json();
    assert_eq!((json["outcome"].as_str(), json["was_done_before"].as_bool()), (Some("done"), Some(true)));
    let charge_id = json["object"]["id"].as_str().unwrap().to_owned();
    assert_eq!(json["watched"][0], format!("shop/charge/{charge_id}"));
    host.run(&["explain", &charge_id]).await.expect(0, &["Authorized"]);
    assert_eq!(count(&host, "authorization") + count(&host, "charge"), 1);
    daemon.stop(&host).await;

    let charge = format!("chargeId={charge_id}");
    let capture = [
        "call",
        "shop",
        "CaptureCharge",
        &charge,
        "captureAmount.amount=14.00",
        "captureAmount.currencyCode=EUR",
    ];
    let confirmed = [&capture[..], &["--yes"]].concat();
    let refused =
        ["call needs the role write-money, which only the running daemon can check", "start the daemon"];
    host.run(&confirmed).await.expect(77, &refused);
    let read = ["call", "shop", "GetCharge", &charge];
    host.run(&read).await.expect(0, &["Authorized", "daemon not running: read the store at"]);
    let daemon = host.start().await;
    host.run(&confirmed).await.expect(0, &["Captured", "via the running daemon"]);
    host.run(&["call", "--list", "--all"]).await.expect(0, &["CaptureCharge/", "done", "0 calls in doubt"]);
    host.rewrite_config(|text| text.replace("allow_writes = true", "allow_writes = false"));
    host.run(&["reload"]).await.expect(0, &[]);
    host.run(&[&capture[..], &["idempotencyKey=b", "--yes"]].concat())
        .await
        .expect(77, &["set allow_writes = true on account shop"]);
    host.until("the daemon has observed the capture", async || {
        host.run(&["explain", &charge_id]).await.out.contains("Captured").then_some(())
    })
    .await;
    daemon.stop(&host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_killed_between_the_act_and_its_answer_is_resolved_and_never_done_twice() {
    let host = Host::new().await;
    // The daemon is killed. The refund has a key, so it is sent again under the same key.
    let daemon = host.start().await;
    let captured = host.plant("shop", "capture", "Captured", None, 0);
    always(&host, FaultKind::HangMidBody, "CreateRefund");
    let charge = format!("chargeId={}", captured.id());
    let refund = [
        "call",
        "shop",
        "CreateRefund",
        charge.as_str(),
        "refundAmount.amount=5.00",
        "refundAmount.currencyCode=EUR",
        "--yes",
    ];
    let mut child = host.command(&refund).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    acted(&host, "shop", "CreateRefund").await;
    daemon.kill();
    child.wait().unwrap();
    host.run(&["call", "--list"])
        .await
        .expect(0, &["CreateRefund/", "in doubt", "5.00 EUR", "1 call in doubt"]);
    let audit = ["audit", "--object", captured.id()];
    host.run(&audit).await.expect(0, &["CreateRefund", "begun, outcome unknown", captured.id(), "1 entry"]);
    host.simulator.calm();
    let daemon = host.start().await;
    host.run(&refund).await.expect(0, &["RefundInitiated", "now watched: shop/refund/"]);
    assert_eq!(count(&host, "refund"), 1);
    host.run(&audit)
        .await
        .expect(0, &["begun, outcome unknown", "done", "2 entries", "via the running daemon"]);
    daemon.stop(&host).await;

    // The capture has no key, so it is looked up.
    let host = Host::new().await;
    let order = host.simulator.plant("old-shop", &plan("order-reference", "Open", "USD")).unwrap();
    let daemon = host.start().await;
    let order = format!("AmazonOrderReferenceId={order}");
    let authorize = [
        "call",
        "old-shop",
        "Authorize",
        &order,
        "AuthorizationReferenceId=auth-1",
        "AuthorizationAmount.Amount=60.00",
        "AuthorizationAmount.CurrencyCode=USD",
        "TransactionTimeout=0",
        "--yes",
    ];
    always(&host, FaultKind::HangMidBody, "Authorize");
    let mut asking = host.command(&authorize).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    acted(&host, "old-shop", "Authorize").await;
    daemon.kill();
    asking.wait().unwrap();
    let daemon = host.start().await;
    host.run(&["call", "old-shop", "--list"]).await.expect(0, &["Authorize/auth-1", "in doubt"]);
    host.run(&["status"]).await.expect(1, &["1 call is in doubt; see: reconciled call --list"]);
    host.run(&authorize).await.expect(0, &["Open", "now watched: old-shop/authorization/"]);
    let counts = host.simulator.counts();
    let sent = counts.operations[&("old-shop".to_owned(), "Authorize".to_owned())].requests;
    assert_eq!((sent, count(&host, "authorization")), (1, 1), "it was looked up, not sent again");
    daemon.stop(&host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_stays_unknown_has_its_own_exit_code_and_is_resolved_by_a_person() {
    let host = Host::new().await;
    let agreement = host.simulator.plant("old-shop", &plan("billing-agreement", "Open", "USD")).unwrap();
    let _daemon = host.start().await;
    always(&host, FaultKind::Reset, "CreateOrderReferenceForId");
    let id = format!("Id={agreement}");
    let create = ["call", "old-shop", "CreateOrderReferenceForId", &id, "IdType=BillingAgreement", "--yes"];
    host.run(&create).await.expect(76, &["IN DOUBT", "--outcome done", "it is unknown"]);
    host.run(&create).await.expect(76, &["IN DOUBT"]);
    let counts = host.simulator.counts();
    let sent = counts.operations[&("old-shop".to_owned(), "CreateOrderReferenceForId".to_owned())].requests;
    assert_eq!(sent, 1);
    let label = format!("CreateOrderReferenceForId/{agreement}");
    let resolve = ["call", "resolve", "old-shop", &label, "--outcome", "not-done"];
    host.run(&resolve).await.expect(0, &["is not done"]);
    host.run(&resolve).await.expect(65, &["is not in doubt"]);
    let old = ["call", "old-shop", "--end", &label, "--was", "not-done"];
    host.run(&old).await.expect(65, &["are now `call resolve`", "is not in doubt"]);
    host.simulator.calm();
    host.run(&create).await.expect(0, &["now watched: old-shop/order-reference/"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_beside_payments_can_be_called_and_their_ids_are_shown() {
    let host = Host::new().await;
    let permission = host.simulator.plant("shop", &plan("charge-permission", "Chargeable", "EUR")).unwrap();
    let order = host.simulator.plant("old-shop", &plan("order-reference", "Open", "USD")).unwrap();
    // A second one with the same reference, so that a list has two pages.
    host.simulator.plant("old-shop", &plan("order-reference", "Open", "USD")).unwrap();
    let authorization = host.simulator.plant("old-shop", &plan("authorization", "Open", "USD")).unwrap();
    let _daemon = host.start().await;

    let id = format!("chargePermissionId={permission}");
    let update =
        ["call", "shop", "UpdateChargePermission", &id, "merchantMetadata.merchantReferenceId=ORDER-NEW"];
    host.run(&update).await.expect(77, &["would send", "PATCH", "ORDER-NEW", "--yes"]);
    let confirmed = [&update[..], &["--yes"]].concat();
    host.run(&confirmed)
        .await
        .expect(0, &["UpdateChargePermission of shop: done", "ORDER-NEW", "Chargeable"]);

    let list = ["QueryId=ORDER-1", "QueryIdType=SellerOrderId", "PaymentDomain=NA_USD"];
    let listed = [&["call", "old-shop", "ListOrderReference"], &list[..]].concat();
    host.run(&listed).await.expect(0, &["OrderReference.1.AmazonOrderReferenceId", &order, "Open"]);
    let page = [&listed[..], &["PageSize=1"]].concat();
    let json = host.run(&[&page[..], &["--json"]].concat()).await.expect(0, &[]).json();
    let token = format!("NextPageToken={}", json["facts"]["NextPageToken"].as_str().unwrap());
    let more = ["call", "old-shop", "ListOrderReferenceByNextToken", &token];
    host.run(&more).await.expect(0, &["OrderReference.1.AmazonOrderReferenceId"]);
    let status = ["call", "old-shop", "GetMerchantAccountStatus"];
    host.run(&status).await.expect(0, &["AccountStatus", "ACTIVE"]);

    let id = format!("AmazonAuthorizationId={authorization}");
    let capture = [
        "call",
        "old-shop",
        "Capture",
        &id,
        "CaptureReferenceId=capture-1",
        "CaptureAmount.Amount=100.00",
        "CaptureAmount.CurrencyCode=USD",
        "ProviderCreditList.member.1.ProviderId=A2PROVIDER",
        "ProviderCreditList.member.1.CreditAmount.Amount=4.00",
        "ProviderCreditList.member.1.CreditAmount.CurrencyCode=USD",
        "--yes",
    ];
    host.run(&capture).await.expect(0, &["Completed"]);
    let credit = host.simulator.truths().into_iter().find(|truth| truth.kind == "provider-credit").unwrap();
    let credit_id = format!("AmazonProviderCreditId={}", credit.id);
    let shown = ["call", "old-shop", "GetProviderCreditDetails", &credit_id];
    host.run(&shown).await.expect(0, &["ProviderCreditDetails.CreditStatus.State", "Completed", "4.00"]);
    let reverse = [
        "call",
        "old-shop",
        "ReverseProviderCredit",
        &credit_id,
        "CreditReversalReferenceId=back-1",
        "CreditReversalAmount.Amount=4.00",
        "CreditReversalAmount.CurrencyCode=USD",
    ];
    host.run(&reverse).await.expect(77, &["would send", "--yes"]);
    let confirmed = [&reverse[..], &["--yes"]].concat();
    host.run(&confirmed).await.expect(0, &["ReverseProviderCredit of old-shop: done", "-Q"]);
    host.run(&confirmed).await.expect(0, &["was already done; not sent again"]);
    // Its answer is lost: nothing shows what happened to it, so it is never sent twice.
    always(&host, FaultKind::Reset, "ReverseProviderCredit");
    let lost: Vec<&str> = confirmed
        .iter()
        .map(|word| if word.contains("back-1") { "CreditReversalReferenceId=back-2" } else { word })
        .collect();
    for _ in 0..2 {
        host.run(&lost).await.expect(76, &["IN DOUBT"]);
    }
    let counts = host.simulator.counts();
    let sent = counts.operations[&("old-shop".to_owned(), "ReverseProviderCredit".to_owned())].requests;
    assert_eq!(sent, 2, "once done, once in doubt");
}
