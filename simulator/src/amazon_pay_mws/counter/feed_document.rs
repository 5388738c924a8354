//! The feed document as the provider takes it: docs/src/reference/amazon-pay-batch.md sections 2.1 and 2.2.
//!
//! Owns: the envelope, the seven operations, the order of their fields. Must never know: what becomes of a
//! request.

use std::collections::BTreeSet;

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

use super::super::form::Parameters;

/// The most requests of one batch.
const MOST_REQUESTS: usize = 60_000;

/// One request of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) seller_request_id: String,
    /// Named as in the single call; `SellerId` is not among them.
    pub(super) parameters: Parameters,
}

/// A whole batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) action: &'static str,
    pub(super) requests: Vec<Request>,
}

/// The seven with the order of their fields.
const OPERATIONS: [(&str, &[&str]); 7] = [
    ("CancelOrderReference", &["SellerId", "AmazonOrderReferenceId", "CancelationReason"]),
    ("CloseOrderReference", &["SellerId", "AmazonOrderReferenceId", "ClosureReason"]),
    ("CloseAuthorization", &["SellerId", "AmazonAuthorizationId", "ClosureReason"]),
    (
        "Capture",
        &[
            "SellerId",
            "AmazonAuthorizationId",
            "CaptureReferenceId",
            "CaptureAmount",
            "SellerCaptureNote",
            "SoftDescriptor",
        ],
    ),
    ("GetCaptureDetails", &["SellerId", "AmazonCaptureId"]),
    (
        "Refund",
        &[
            "SellerId",
            "AmazonCaptureId",
            "RefundReferenceId",
            "RefundAmount",
            "SellerRefundNote",
            "SoftDescriptor",
        ],
    ),
    ("GetRefundDetails", &["SellerId", "AmazonRefundId"]),
];

/// An element with its text and children.
#[derive(Debug, Default)]
struct Node {
    name: String,
    text: String,
    has_attributes: bool,
    has_cdata: bool,
    children: Vec<Node>,
}

/// Reads a document or says why the whole feed is refused.
pub(super) fn read(bytes: &[u8], seller_id: &str) -> Result<Batch, String> {
    let root = tree(bytes)?;
    if root.name != "Batch" || root.has_attributes {
        return Err("The root element must be Batch, without attributes".to_owned());
    }
    let [product, connection, requests] = root.children.as_slice() else {
        return Err("Batch must have Product, Connection and Requests".to_owned());
    };
    let is_head = product.name == "Product"
        && product.text == "Amazon Payments"
        && connection.name == "Connection"
        && matches!(connection.children.as_slice(), [version] if version.name == "Version" && version.text == "2013-01-01");
    if !is_head || requests.name != "Requests" {
        return Err("Product, Connection or Requests is not as it must be".to_owned());
    }
    if requests.children.is_empty() || requests.children.len() > MOST_REQUESTS {
        return Err(format!("A batch must have 1 to {MOST_REQUESTS} requests"));
    }
    let mut ids = BTreeSet::new();
    let mut batch = Batch { action: "", requests: Vec::with_capacity(requests.children.len()) };
    for node in &requests.children {
        let (action, request) = request(node, seller_id)?;
        if batch.action.is_empty() {
            batch.action = action;
        } else if batch.action != action {
            return Err("A batch must not mix operations".to_owned());
        }
        if !ids.insert(request.seller_request_id.clone()) {
            return Err(format!("SellerRequestId {} stands twice", request.seller_request_id));
        }
        batch.requests.push(request);
    }
    Ok(batch)
}

fn request(node: &Node, seller_id: &str) -> Result<(&'static str, Request), String> {
    let (id, data) = match node.children.as_slice() {
        [id, data]
            if node.name == "Request" && id.name == "SellerRequestId" && data.name == "RequestData" =>
        {
            (id, data)
        }
        _ => return Err("A Request must have SellerRequestId and RequestData".to_owned()),
    };
    let is_number =
        !id.text.is_empty() && id.text.len() <= 20 && id.text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        return Err("A SellerRequestId is no number".to_owned());
    }
    let refuse = |why: &str| format!("Request {}: {why}", id.text);
    if !data.has_cdata {
        return Err(refuse("RequestData must be a CDATA section"));
    }
    let payload = tree(data.text.as_bytes()).map_err(|why| refuse(&why))?;
    let known = OPERATIONS.iter().find(|(name, _)| payload.name.strip_suffix("Request") == Some(name));
    let Some((action, order)) = known else {
        return Err(refuse("the operation cannot stand in a batch"));
    };
    let mut parameters = Parameters::new();
    let mut places = Vec::new();
    for field in &payload.children {
        let place = order.iter().position(|name| *name == field.name);
        places.push(place.ok_or_else(|| refuse("a field is not of this operation"))?);
        match field.children.as_slice() {
            [] => drop(parameters.insert(field.name.clone(), field.text.clone())),
            [amount, currency] if amount.name == "Amount" && currency.name == "CurrencyCode" => {
                parameters.insert(format!("{}.Amount", field.name), amount.text.clone());
                parameters.insert(format!("{}.CurrencyCode", field.name), currency.text.clone());
            }
            _ => return Err(refuse("a price must have Amount and CurrencyCode")),
        }
    }
    if !places.windows(2).all(|pair| pair[0] < pair[1]) {
        return Err(refuse("the fields are not in their order"));
    }
    if parameters.remove("SellerId").as_deref() != Some(seller_id) {
        return Err(refuse("SellerId is not the seller's"));
    }
    Ok((action, Request { seller_request_id: id.text.clone(), parameters }))
}

fn tree(bytes: &[u8]) -> Result<Node, String> {
    let malformed = || "The document is not well-formed XML".to_owned();
    let text = std::str::from_utf8(bytes).map_err(|_| "The document is not UTF-8".to_owned())?;
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<Node> = vec![Node::default()];
    loop {
        match reader.read_event().map_err(|_| malformed())? {
            Event::Start(start) => open.push(Node {
                name: start.name().into_inner().to_owned(),
                has_attributes: start.attributes().next().is_some(),
                ..Node::default()
            }),
            Event::End(_) => {
                let closed = open.pop().ok_or_else(malformed)?;
                open.last_mut().ok_or_else(malformed)?.children.push(closed);
            }
            Event::Text(text) => add(&mut open, &text.xml10_content()),
            Event::CData(text) => {
                add(&mut open, &text.xml10_content());
                if let Some(node) = open.last_mut() {
                    node.has_cdata = true;
                }
            }
            Event::GeneralRef(reference) => match reference.resolve_char_ref().map_err(|_| malformed())? {
                Some(letter) => add(&mut open, letter.encode_utf8(&mut [0; 4])),
                None => {
                    let name = reference.xml10_content();
                    add(&mut open, resolve_predefined_entity(&name).ok_or_else(malformed)?);
                }
            },
            Event::DocType(_) => return Err("The document must not declare a document type".to_owned()),
            Event::Eof => break,
            _ => {}
        }
    }
    match (open.pop(), open.is_empty()) {
        (Some(mut outside), true) if outside.children.len() == 1 && outside.text.trim().is_empty() => {
            outside.children.pop().ok_or_else(malformed)
        }
        _ => Err(malformed()),
    }
}

fn add(open: &mut [Node], text: &str) {
    if let Some(node) = open.last_mut() {
        node.text.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The published body of section 14, 530 bytes.
    const PUBLISHED: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Batch><Product>Amazon Payments</Product><Connection><Version>2013-01-01</Version></Connection><Requests><Request><SellerRequestId>1</SellerRequestId><RequestData><![CDATA[<CaptureRequest><SellerId>A1EXAMPLESELLER</SellerId><AmazonAuthorizationId>S01-1234567-1234567-A000001</AmazonAuthorizationId><CaptureReferenceId>cap-1</CaptureReferenceId><CaptureAmount><Amount>10.00</Amount><CurrencyCode>USD</CurrencyCode></CaptureAmount></CaptureRequest>]]></RequestData></Request></Requests></Batch>";

    #[test]
    fn the_published_document_is_taken() {
        assert_eq!(PUBLISHED.len(), 530);
        let batch = read(PUBLISHED.as_bytes(), "A1EXAMPLESELLER").expect("a good document");
        assert_eq!((batch.action, batch.requests.len()), ("Capture", 1));
        let parameters = &batch.requests[0].parameters;
        assert_eq!(parameters["CaptureAmount.CurrencyCode"], "USD");
        assert!(!parameters.contains_key("SellerId"));
    }

    #[test]
    fn what_is_not_as_it_must_be_is_refused_as_a_whole() {
        for (from, to) in [
            ("<Batch>", "<Batch xmlns='x'>"),
            ("Amazon Payments", "Amazon"),
            ("2013-01-01", "2013-01-02"),
            ("<SellerRequestId>1", "<SellerRequestId>a"),
            ("<![CDATA[", ""),
            ("A1EXAMPLESELLER", "A2OTHER"),
            ("CaptureRequest", "AuthorizeRequest"),
            ("CaptureReferenceId", "captureReferenceId"),
            ("</Batch>", ""),
            ("<Amount>10.00</Amount><CurrencyCode>USD</CurrencyCode>", "<CurrencyCode>USD</CurrencyCode>"),
        ] {
            let spoilt = PUBLISHED.replace(from, to);
            assert!(read(spoilt.as_bytes(), "A1EXAMPLESELLER").is_err(), "{from} -> {to}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0..530_usize) {
            prop_assert!(read(&bytes, "A1").is_err());
            prop_assert!(read(&PUBLISHED.as_bytes()[..cut], "A1EXAMPLESELLER").is_err());
        }
    }
}
