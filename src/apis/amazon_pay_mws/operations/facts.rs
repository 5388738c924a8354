//! Answers about things that are not watched: lists of orders, provider credits, the status of the account.
//!
//! Owns: which elements are shown, and their names in the output. Must never know: what they mean.
//!
//! Only the elements listed here are read: nothing about a buyer, no notes.

use std::collections::BTreeMap;

use crate::apis::amazon_pay_mws::wire::{
    Element, Unreadable, Wanted, check_root, garbled, is_home_namespace, read_root, request_id,
    safe_request_id,
};
use crate::payments::observation::Failure;

/// The longest text that is accepted, in bytes: page tokens are long.
const LONGEST: usize = 4096;

/// Elements that repeat: numbered from 1.
const LISTED: [&str; 2] = ["OrderReference", "member"];

/// Elements that only hold a list: their names are left out.
const LISTS: [&str; 1] = ["OrderReferenceList"];

fn is_told(name: &str) -> bool {
    const TOLD: [&str; 37] = [
        "AccountStatus",
        "AmazonOrderReferenceId",
        "AmazonProviderCreditId",
        "AmazonProviderCreditReversalId",
        "Amount",
        "CreationTimestamp",
        "CreditAmount",
        "CreditReferenceId",
        "CreditReversalAmount",
        "CreditReversalIdList",
        "CreditReversalReferenceId",
        "CreditReversalStatus",
        "CreditStatus",
        "CurrencyCode",
        "ExpirationTimestamp",
        "IdList",
        "LastUpdateTimestamp",
        "NextPageToken",
        "OrderReference",
        "OrderReferenceList",
        "OrderReferenceStatus",
        "OrderTotal",
        "ProviderCreditDetails",
        "ProviderCreditReversalDetails",
        "ProviderId",
        "ProviderSellerId",
        "ReasonCode",
        "ReleaseEnvironment",
        "RequestID",
        "RequestId",
        "ResponseMetadata",
        "SellerId",
        "SellerOrderAttributes",
        "SellerOrderId",
        "State",
        "StoreName",
        "member",
    ];
    TOLD.contains(&name) || name.ends_with("Result")
}

/// What an operation shows, by element name, and the provider's id of the exchange.
type Told = (BTreeMap<String, String>, Option<String>);

/// Reads the answer to an operation of this name.
pub(super) fn read(name: &str, body: &[u8], header_request_id: Option<&str>) -> Result<Told, Failure> {
    let root = read_root(body, Wanted { is_read: is_told, is_home: is_home_namespace })?;
    check_root(name, root.name())?;
    let unreadable = |problem: Unreadable| garbled(&problem.to_string());
    let result = root.result(&format!("{name}Result")).map_err(unreadable)?;
    let result = result.ok_or_else(|| unreadable(Unreadable::Missing("Result")))?;
    let mut facts = BTreeMap::new();
    collect(result, "", &mut facts).map_err(unreadable)?;
    let request_id = request_id(&root).or_else(|| header_request_id.and_then(safe_request_id));
    Ok((facts, request_id))
}

/// Collects every text below an element, under the names that lead to it (`OrderReference.1.OrderTotal.Amount`).
fn collect(
    element: &Element<'_>,
    path: &str,
    facts: &mut BTreeMap<String, String>,
) -> Result<(), Unreadable> {
    let mut number = 0;
    for child in element.children() {
        let name = match child.name() {
            name if LISTS.contains(&name) => path.to_owned(),
            name if LISTED.contains(&name) => {
                number += 1;
                format!("{path}{name}.{number}.")
            }
            name => format!("{path}{name}."),
        };
        match child.text() {
            Some(text) if text.len() > LONGEST => return Err(Unreadable::Unfit("(text)")),
            Some(text) if child.children().next().is_none() => {
                facts.insert(name.trim_end_matches('.').to_owned(), text.to_owned());
            }
            _ => collect(child, &name, facts)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(name: &str, result: &str) -> BTreeMap<String, String> {
        let body = format!(
            "<{name}Response xmlns=\"http://mws.amazonservices.com/schema/OffAmazonPayments/2013-01-01\">\
             <{name}Result>{result}</{name}Result><ResponseMetadata><RequestId>00-1</RequestId>\
             </ResponseMetadata></{name}Response>"
        );
        match read(name, body.as_bytes(), None) {
            Ok((facts, request_id)) => {
                assert_eq!(request_id.as_deref(), Some("00-1"));
                facts
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_list_of_orders_is_told_without_its_buyers() {
        let order = |id: &str, state: &str| {
            format!(
                "<OrderReference><AmazonOrderReferenceId>{id}</AmazonOrderReferenceId><Buyer><Name>Jane</Name>\
                 </Buyer><Destination><DestinationType>Physical</DestinationType></Destination><OrderTotal>\
                 <CurrencyCode>EUR</CurrencyCode><Amount>14.00</Amount></OrderTotal><OrderReferenceStatus>\
                 <State>{state}</State><ReasonDescription>Jane</ReasonDescription></OrderReferenceStatus>\
                 <IdList><member>A-1</member><member>A-2</member></IdList></OrderReference>"
            )
        };
        let list = format!(
            "<OrderReferenceList>{}{}</OrderReferenceList><NextPageToken>abc=</NextPageToken>",
            order("S02-1", "Open"),
            order("S02-2", "Closed")
        );
        let told = facts("ListOrderReference", &list);
        assert_eq!(told["OrderReference.1.AmazonOrderReferenceId"], "S02-1");
        assert_eq!(told["OrderReference.2.OrderReferenceStatus.State"], "Closed");
        assert_eq!(told["OrderReference.2.OrderTotal.Amount"], "14.00");
        assert_eq!(told["OrderReference.1.IdList.member.2"], "A-2");
        assert_eq!(told["NextPageToken"], "abc=");
        assert!(!format!("{told:?}").contains("Jane"));
    }

    #[test]
    fn credits_and_the_account_are_told_in_the_providers_words() {
        let told = facts("GetMerchantAccountStatus", "<AccountStatus>ACTIVE</AccountStatus>");
        assert_eq!(told, BTreeMap::from([("AccountStatus".to_owned(), "ACTIVE".to_owned())]));
        let credit = "<ProviderCreditDetails><AmazonProviderCreditId>S02-1-P000001</AmazonProviderCreditId>\
                      <CreditAmount><Amount>1.50</Amount><CurrencyCode>EUR</CurrencyCode></CreditAmount>\
                      <CreditStatus><State>Completed</State></CreditStatus></ProviderCreditDetails>";
        let told = facts("GetProviderCreditDetails", credit);
        assert_eq!(told["ProviderCreditDetails.CreditAmount.Amount"], "1.50");
        assert_eq!(told["ProviderCreditDetails.CreditStatus.State"], "Completed");
        assert_eq!(facts("ListOrderReference", "<OrderReferenceList/>"), BTreeMap::new());
    }

    #[test]
    fn another_answer_is_garbled() {
        for body in ["", "<ListOrderReferenceResponse/>", "<OtherResponse><OtherResult/></OtherResponse>"] {
            let read = read("ListOrderReference", body.as_bytes(), None);
            assert!(matches!(read, Err(Failure::Garbled { .. })), "{body}: {read:?}");
        }
    }
}
