//! The operations beside a payment's life, and who is let in: lists, provider credits, the account's standing.

use super::desk::{Desk, is};
use crate::provider::Provider as _;

const QUERY: [(&str, &str); 3] =
    [("QueryId", "order-1"), ("QueryIdType", "SellerOrderId"), ("PaymentDomain", "NA_USD")];

#[test]
fn orders_are_listed_page_by_page_without_their_buyers() {
    let mut desk = Desk::new(true);
    let reference = {
        let id = desk.plant("order-reference", &[(0, "Open", None)]);
        desk.done("GetOrderReferenceDetails", &[("AmazonOrderReferenceId", &id)])
            .get("SellerOrderId")
            .to_owned()
    };
    desk.wait_minutes(1);
    desk.plant("order-reference", &[(0, "Open", None)]);
    desk.plant("order-reference", &[(0, "Draft", None)]);
    let mut query = QUERY.to_vec();
    query[0].1 = &reference;
    let ids = |text: &str| text.matches("<AmazonOrderReferenceId>").count();
    let all = desk.done("ListOrderReference", &query);
    assert_eq!((ids(&all.text), all.find("NextPageToken")), (3, None));
    assert!(!all.text.contains("erika.mustermann") && !all.text.contains("<Buyer>"), "{}", all.text);
    let open = ("OrderReferenceStatusListFilter.OrderReferenceStatus.1", "Open");
    let page = [&query[..], &[open, ("PageSize", "1")]].concat();
    let first = desk.done("ListOrderReference", &page);
    let token = first.get("NextPageToken").to_owned();
    let second = desk.done("ListOrderReferenceByNextToken", &[("NextPageToken", &token)]);
    assert_eq!((ids(&first.text), ids(&second.text), second.find("NextPageToken")), (1, 1, None));
    assert_ne!(first.get("AmazonOrderReferenceId"), second.get("AmazonOrderReferenceId"));
    let other = [("QueryId", "nobody"), query[1], query[2]];
    assert_eq!(ids(&desk.done("ListOrderReference", &other).text), 0);
    let half = [&query[..], &[("CreatedTimeRange.StartTime", "2026-03-01T00:00:00Z")]].concat();
    assert_eq!(desk.refused("ListOrderReference", &half), "InvalidParameterValue");
    let bad = [("NextPageToken", "bm8=")];
    assert_eq!(desk.refused("ListOrderReferenceByNextToken", &bad), "InvalidParameterValue");
}

#[test]
fn a_capture_gives_credits_that_can_be_taken_back_once() {
    let mut desk = Desk::new(true);
    let authorization = desk.plant("authorization", &[(0, "Open", None)]);
    let credit = [
        ("ProviderCreditList.member.1.ProviderId", "A2PROVIDER"),
        ("ProviderCreditList.member.1.CreditAmount.Amount", "4.00"),
        ("ProviderCreditList.member.1.CreditAmount.CurrencyCode", "USD"),
    ];
    let half = desk.capture(&authorization, "capture-0", &credit[..1]);
    assert_eq!(half.get("Code"), "InvalidParameterValue");
    let capture = desk.capture(&authorization, "capture-1", &credit);
    let id = capture.get("ProviderCreditId").to_owned();
    assert!(id.contains("-P"), "{id}");
    let seen = desk.done("GetProviderCreditDetails", &[("AmazonProviderCreditId", &id)]);
    assert_eq!((seen.get("ProviderId"), seen.state("CreditStatus")), ("A2PROVIDER", is("Completed", "")));
    let reverse = |amount| {
        [
            ("AmazonProviderCreditId", id.as_str()),
            ("CreditReversalReferenceId", "back-1"),
            ("CreditReversalAmount.Amount", amount),
            ("CreditReversalAmount.CurrencyCode", "USD"),
        ]
    };
    assert_eq!(desk.refused("ReverseProviderCredit", &reverse("4.01")), "TransactionAmountExceeded");
    let reversal = desk.done("ReverseProviderCredit", &reverse("4.00"));
    let reversal = reversal.get("AmazonProviderCreditReversalId").to_owned();
    assert!(reversal.contains("-Q"), "{reversal}");
    let again = desk.done("ReverseProviderCredit", &reverse("4.00"));
    assert_eq!(again.get("AmazonProviderCreditReversalId"), reversal, "the same call is the same reversal");
    let other = ("CreditReversalReferenceId", "back-2");
    let more = [reverse("0.01")[0], other, reverse("0.01")[2], reverse("0.01")[3]];
    assert_eq!(desk.refused("ReverseProviderCredit", &more), "TransactionAmountExceeded");
    let shown = [("AmazonProviderCreditReversalId", reversal.as_str())];
    let shown = desk.done("GetProviderCreditReversalDetails", &shown);
    assert_eq!(shown.state("CreditReversalStatus"), is("Completed", ""));
    let seen = desk.done("GetProviderCreditDetails", &[("AmazonProviderCreditId", &id)]);
    assert!(seen.get("CreditReversalAmount").contains("<Amount>4.00</Amount>"), "{}", seen.text);
    assert_eq!(
        desk.refused("GetProviderCreditDetails", &[("AmazonProviderCreditId", "S01-1-P1")]),
        "InvalidTransactionId"
    );
}

#[test]
fn the_account_is_active_an_unknown_operation_and_a_nameless_client_are_refused() {
    let mut desk = Desk::new(false);
    assert_eq!(desk.done("GetMerchantAccountStatus", &[]).get("AccountStatus"), "ACTIVE");
    assert_eq!(desk.refused("GetEverything", &[]), "InvalidAddress");
    let mut nameless = desk.request("GetMerchantAccountStatus", &[]);
    nameless.headers.retain(|(name, _)| name != "user-agent");
    assert!(desk.provider.claims(&nameless));
    let refused = desk.send(&nameless);
    assert_eq!((refused.status(), refused.get("Code")), (400, "UserAgentHeaderMissing"));
}
