//! The feed document: requests to bytes, and back (docs/src/reference/amazon-pay-batch.md, sections 2.1 and 2.3).
//!
//! Owns: the envelope, escaping, caps. Must never know: where requests come from, how bytes are sent.

use std::sync::Arc;

use quick_xml::Reader;
use quick_xml::events::Event;

use super::request::{BatchOperation, BatchRequest, Field};
use crate::apis::amazon_pay_mws::md5::content_md5;
use crate::apis::amazon_pay_mws::wire::{Element, Wanted, parse};
use crate::payments::money::Money;
use crate::payments::object::ObjectId;

pub use crate::apis::amazon_pay_mws::limits::Caps;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Batch><Product>Amazon Payments</Product>\
                    <Connection><Version>2013-01-01</Version></Connection><Requests>";
const TAIL: &str = "</Requests></Batch>";

/// One document and what it contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// The operation of all its requests.
    pub operation: BatchOperation,
    /// `SellerRequestId` of the first request; the others follow without a gap.
    pub first_request_id: u64,
    /// How many requests it has.
    pub count: usize,
    /// The exact bytes that are hashed, stored and sent.
    pub bytes: Arc<[u8]>,
    /// Their `ContentMD5Value`.
    pub md5: String,
}

impl Feed {
    /// The `SellerRequestId` after its last one.
    pub fn next_request_id(&self) -> u64 {
        self.first_request_id.saturating_add(u64::try_from(self.count).unwrap_or(u64::MAX))
    }
}

/// Builds the documents for all requests and begins a new one where a cap is reached. `SellerRequestId`s are counted
/// from `first_request_id`, which the caller keeps unique over all batches of the seller (section 5.4, rule 6).
pub fn build<'a>(
    operation: BatchOperation,
    seller_id: &str,
    requests: impl IntoIterator<Item = &'a BatchRequest>,
    first_request_id: u64,
    caps: Caps,
) -> Vec<Feed> {
    let mut feeds = Vec::new();
    let mut begun = Begun::new(first_request_id);
    let mut payload = String::with_capacity(512);
    for request in requests {
        payload.clear();
        write_payload(&mut payload, operation, seller_id, request);
        let is_full = begun.count >= caps.requests.max(1);
        let is_too_long = begun.text.len() + begun.length_of(&payload) + TAIL.len() > caps.bytes;
        if begun.count > 0 && (is_full || is_too_long) {
            let feed = begun.finish(operation);
            begun = Begun::new(feed.next_request_id());
            feeds.push(feed);
        }
        begun.add(&payload);
    }
    if begun.count > 0 {
        feeds.push(begun.finish(operation));
    }
    feeds
}

struct Begun {
    first_request_id: u64,
    next_request_id: u64,
    count: usize,
    text: String,
}

impl Begun {
    fn new(first_request_id: u64) -> Begun {
        Begun { first_request_id, next_request_id: first_request_id, count: 0, text: HEAD.to_owned() }
    }

    fn length_of(&self, payload: &str) -> usize {
        // Plus the tags around it and at most 20 digits of the number.
        payload.len() + 120
    }

    fn add(&mut self, payload: &str) {
        self.text.push_str("<Request><SellerRequestId>");
        self.text.push_str(&self.next_request_id.to_string());
        self.text.push_str("</SellerRequestId><RequestData><![CDATA[");
        self.text.push_str(payload);
        self.text.push_str("]]></RequestData></Request>");
        self.next_request_id = self.next_request_id.saturating_add(1);
        self.count += 1;
    }

    fn finish(mut self, operation: BatchOperation) -> Feed {
        self.text.push_str(TAIL);
        let md5 = content_md5(self.text.as_bytes());
        Feed {
            operation,
            first_request_id: self.first_request_id,
            count: self.count,
            bytes: self.text.into_bytes().into(),
            md5,
        }
    }
}

/// One operation element, without declaration and namespace. Its text is escaped, so `]]>` cannot occur.
fn write_payload(into: &mut String, operation: BatchOperation, seller_id: &str, request: &BatchRequest) {
    let name = operation.name();
    into.extend(["<", name, "Request>"]);
    element(into, "SellerId", seller_id);
    for field in operation.fields() {
        match *field {
            Field::Id(name) => element(into, name, request.id.as_str()),
            Field::Reference(name) => optional(into, name, request.reference_id.as_deref()),
            Field::Price(name) => price(into, name, request.amount.as_ref()),
            Field::Text(name, _) => optional(into, name, request.text.as_deref()),
            Field::Descriptor(name, _) => optional(into, name, request.soft_descriptor.as_deref()),
        }
    }
    into.extend(["</", name, "Request>"]);
}

fn optional(into: &mut String, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        element(into, name, value);
    }
}

fn price(into: &mut String, name: &str, amount: Option<&Money>) {
    let Some(amount) = amount else { return };
    into.extend(["<", name, ">"]);
    element(into, "Amount", &amount.amount_text());
    element(into, "CurrencyCode", amount.currency.as_str());
    into.extend(["</", name, ">"]);
}

fn element(into: &mut String, name: &str, value: &str) {
    into.push('<');
    into.push_str(name);
    into.push('>');
    let mut rest = value;
    while let Some(place) = rest.find(['&', '<', '>', '\r']) {
        into.push_str(&rest[..place]);
        into.push_str(match rest.as_bytes()[place] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            // Both parsers on the way would turn a literal carriage return into a line feed.
            _ => "&#13;",
        });
        rest = &rest[place + 1..];
    }
    into.push_str(rest);
    into.push_str("</");
    into.push_str(name);
    into.push('>');
}

/// A stored document that is not one of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stored batch document cannot be read: {0}")]
pub struct BadDocument(String);

/// What a document contains: the operation and every request with its `SellerRequestId`. The stored bytes are the only
/// record of what was sent, so nothing else about a batch's requests needs to be kept.
///
/// # Errors
/// If it is not a document that [`build`] makes.
pub fn read_back(bytes: &[u8]) -> Result<(BatchOperation, Vec<(u64, BatchRequest)>), BadDocument> {
    let bad = |what: &str| BadDocument(what.to_owned());
    let text = std::str::from_utf8(bytes).map_err(|_| bad("it is not UTF-8"))?;
    let mut reader = Reader::from_str(text);
    let mut requests = Vec::new();
    let mut operation = None;
    let (mut name, mut number) = (String::new(), None);
    loop {
        match reader.read_event().map_err(|_| bad("it is not well-formed"))? {
            Event::Start(start) => name = start.local_name().into_inner().to_owned(),
            Event::Text(text) if name == "SellerRequestId" => {
                number = Some(text.parse::<u64>().map_err(|_| bad("a SellerRequestId is not a number"))?);
            }
            Event::CData(data) if name == "RequestData" => {
                let number = number.take().ok_or_else(|| bad("a request has no SellerRequestId"))?;
                let (of, request) =
                    read_payload(data.as_bytes()).ok_or_else(|| bad("a request cannot be read"))?;
                if *operation.get_or_insert(of) != of {
                    return Err(bad("it mixes operations"));
                }
                requests.push((number, request));
            }
            Event::End(_) => name.clear(),
            Event::Eof => break,
            _ => {}
        }
    }
    Ok((operation.ok_or_else(|| bad("it has no requests"))?, requests))
}

fn read_payload(bytes: &[u8]) -> Option<(BatchOperation, BatchRequest)> {
    let root = parse(bytes, Wanted { is_read: |_| true, is_home: |_| true }).ok()?;
    let operation = BatchOperation::of(root.name().strip_suffix("Request")?)?;
    let text = |name: &'static str| root.one(name).ok().flatten().map(|found| found.raw_text().to_owned());
    let (mut id, mut reference_id, mut amount, mut note, mut soft_descriptor) =
        (None, None, None, None, None);
    for field in operation.fields() {
        match *field {
            Field::Id(name) => id = ObjectId::new(text(name)?).ok(),
            Field::Reference(name) => reference_id = text(name),
            Field::Price(name) => amount = read_price(&root, name),
            Field::Text(name, _) => note = text(name),
            Field::Descriptor(name, _) => soft_descriptor = text(name),
        }
    }
    Some((operation, BatchRequest { id: id?, reference_id, amount, text: note, soft_descriptor }))
}

fn read_price(root: &Element<'_>, name: &'static str) -> Option<Money> {
    let price = root.one(name).ok().flatten()?;
    Money::parse(price.text_of("Amount").ok().flatten()?, price.text_of("CurrencyCode").ok().flatten()?).ok()
}
