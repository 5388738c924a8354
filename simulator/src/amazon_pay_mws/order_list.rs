//! `ListOrderReference` and its further pages (docs/src/reference/amazon-pay-mws.md section 3.2).
//!
//! Owns: which orders a query finds, pages, tokens. A token is the query itself with the place where it goes on.
//! Must never know: signatures.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::books::{Object, Order};
use super::details;
use super::refusal::{Code, Refusal};
use super::world::{Call, World};
use super::xml::Element;

/// Orders of a page; the reference prints no number.
const USUAL_PAGE: usize = 10;
const LONGEST_PAGE: usize = 100;
/// The longest time that a query may cover.
const LONGEST_RANGE: SignedDuration = SignedDuration::from_hours(31 * 24);

#[derive(Debug, Serialize, Deserialize)]
struct Query {
    seller_order_id: String,
    currency: String,
    states: Vec<String>,
    range: Option<(Timestamp, Timestamp)>,
    is_descending: bool,
    page: usize,
    start: usize,
}

/// `ListOrderReference`.
pub(super) fn list(world: &World<'_>, call: &Call) -> Result<Vec<Element>, Refusal> {
    let given = |name: &str| call.arguments.get(name);
    let page = match given("PageSize").map(str::parse) {
        None => USUAL_PAGE,
        Some(Ok(size @ 1..=LONGEST_PAGE)) => size,
        Some(_) => return Err(Code::InvalidParameterValue.because("PageSize must be 1 to 100")),
    };
    let domain = call.arguments.required("PaymentDomain");
    let query = Query {
        seller_order_id: call.arguments.required("QueryId").to_owned(),
        currency: domain.rsplit('_').next().unwrap_or_default().to_owned(),
        states: call
            .arguments
            .list("OrderReferenceStatusListFilter.OrderReferenceStatus")
            .into_iter()
            .map(str::to_owned)
            .collect(),
        range: range(given("CreatedTimeRange.StartTime"), given("CreatedTimeRange.EndTime"))?,
        is_descending: given("SortOrder") == Some("Descending"),
        page,
        start: 0,
    };
    answer(world, call, query)
}

fn range(start: Option<&str>, end: Option<&str>) -> Result<Option<(Timestamp, Timestamp)>, Refusal> {
    let bad = |why: &str| Code::InvalidParameterValue.because(format!("CreatedTimeRange {why}"));
    let (start, end) = match (start, end) {
        (None, None) => return Ok(None),
        (Some(start), Some(end)) => (start, end),
        _ => return Err(bad("needs both StartTime and EndTime")),
    };
    let read = |text: &str| text.parse::<Timestamp>().map_err(|_| bad("has no times"));
    let (start, end) = (read(start)?, read(end)?);
    if end < start || end.duration_since(start) > LONGEST_RANGE {
        return Err(bad("covers 31 days at most"));
    }
    Ok(Some((start, end)))
}

/// `ListOrderReferenceByNextToken`.
pub(super) fn list_more(world: &World<'_>, call: &Call) -> Result<Vec<Element>, Refusal> {
    let bad = || Code::InvalidParameterValue.because("NextPageToken is not a token of this list");
    let token = STANDARD.decode(call.arguments.required("NextPageToken")).map_err(|_| bad())?;
    let query: Query = serde_json::from_slice(&token).map_err(|_| bad())?;
    if query.page == 0 || query.page > LONGEST_PAGE {
        return Err(bad());
    }
    answer(world, call, query)
}

fn answer(world: &World<'_>, call: &Call, mut query: Query) -> Result<Vec<Element>, Refusal> {
    let at = call.caller.at;
    let is_found = |order: &&Object<Order>| {
        order.seller_id == call.caller.seller_id
            && order.is_sandbox == call.caller.is_sandbox
            && order.exists(at)
            && order.reference == query.seller_order_id
            && order.is.total.as_ref().is_none_or(|total| total.currency == query.currency)
            && (query.states.is_empty() || query.states.iter().any(|state| state == order.at(at).state))
            && query.range.is_none_or(|(start, end)| (start..=end).contains(&order.created))
    };
    let mut found: Vec<&Object<Order>> = world.books.orders.all().filter(is_found).collect();
    found.sort_by_key(|order| order.created);
    if query.is_descending {
        found.reverse();
    }
    let page: Vec<Element> = found
        .iter()
        .skip(query.start)
        .take(query.page)
        .map(|order| details::listed_order(order, at))
        .collect();
    let mut result = vec![Element::of("OrderReferenceList", page)];
    query.start = query.start.saturating_add(query.page);
    if query.start < found.len() {
        let token = serde_json::to_vec(&query).expect("a query has plain fields only");
        result.push(Element::text("NextPageToken", STANDARD.encode(token)));
    }
    Ok(result)
}
