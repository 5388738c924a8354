//! What answers look like: XML to [`Observation`] (docs/src/reference/amazon-pay-mws.md, sections 3.4 and 6).
//!
//! Owns: which element means what. Must never know: the network, the clock, what a state means. An answer without the
//! object's id and state is not used; any other field that cannot be read is marked. Buyer, addresses, payment
//! descriptor, notes, and the seller's free texts and descriptors are never read.

mod document;
mod failure;
mod quota;
mod shape;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub use self::document::LONGEST_BODY_BYTES;
pub(in crate::apis::amazon_pay_mws) use self::document::{
    Element, Unreadable, Wanted, declared_encoding, parse, resolved,
};
pub(in crate::apis::amazon_pay_mws) use self::failure::envelope;
pub use self::failure::{failure, safe_request_id};
pub use self::quota::{QuotaHeaders, read_time};
use self::shape::{Shape, shape};
use super::kind::ObjectKind;
use crate::apis::marks::Marks;
use crate::payments::money::{Amounts, Money};
use crate::payments::object::ObjectId;
use crate::payments::observation::{Child, Failure, Observation};
use crate::text::sha256;

/// The longest state word, reason code or id. The longest documented word has 26 letters, an id 27.
const LONGEST_WORD_BYTES: usize = 64;

/// Reads an answer to `Get…Details` that came with status 200. `header_request_id` is used if the body names no
/// exchange.
///
/// Errors: [`Failure::Garbled`] if it is not the complete, well-formed answer about this object.
pub fn read(
    kind: ObjectKind,
    asked: &ObjectId,
    body: &[u8],
    header_request_id: Option<&str>,
) -> Result<Observation, Failure> {
    read_object(kind.operation(), kind, Some(asked), body, header_request_id)
}

/// Reads the object in the answer to any operation that shows one (section 3.4). `asked` is the id that it must have,
/// if the request named it.
///
/// Errors: as [`read`].
pub(in crate::apis::amazon_pay_mws) fn read_object(
    operation: &'static str,
    kind: ObjectKind,
    asked: Option<&ObjectId>,
    body: &[u8],
    header_request_id: Option<&str>,
) -> Result<Observation, Failure> {
    let root = read_root(body, Wanted { is_read: shape::is_read, is_home: is_home_namespace })?;
    let mut observation =
        observe(operation, kind, asked, &root).map_err(|problem| garbled(&problem.to_string()))?;
    if observation.request_id.is_none() {
        observation.request_id = header_request_id.and_then(safe_request_id);
    }
    observation.answer_sha256 = Some(sha256(body));
    Ok(observation)
}

/// The tree of an answer with status 200, unless it is an error in disguise.
pub(in crate::apis::amazon_pay_mws) fn read_root(
    body: &[u8],
    wanted: Wanted,
) -> Result<Element<'_>, Failure> {
    let root = parse(body, wanted).map_err(|problem| garbled(&problem.to_string()))?;
    if root.name() == "ErrorResponse" {
        let code = envelope(body).code.unwrap_or_else(|| "without a code".to_owned());
        return Err(garbled(&format!("but the body is an error: {code}")));
    }
    Ok(root)
}

/// The root element must be that of the operation's answer.
pub(in crate::apis::amazon_pay_mws) fn check_root(operation: &str, root: &str) -> Result<(), Failure> {
    if root.strip_suffix("Response") == Some(operation) {
        return Ok(());
    }
    Err(garbled(&format!("the root element is not {operation}Response")))
}

/// An answer with status 200 that cannot be used. `detail` says why, without quoting it.
pub(in crate::apis::amazon_pay_mws) fn garbled(detail: &str) -> Failure {
    Failure::Garbled { detail: format!("HTTP 200, {detail}") }
}

/// Why a well-formed document is not the answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::apis::amazon_pay_mws) enum NotTheAnswer {
    #[error("the root element is not {0}Response")]
    OtherRoot(&'static str),
    #[error("the answer is about another {0}, not the requested one")]
    OtherObject(&'static str),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

/// The object in a `<…Response>` of this operation.
pub(in crate::apis::amazon_pay_mws) fn observe(
    operation: &'static str,
    kind: ObjectKind,
    asked: Option<&ObjectId>,
    root: &Element<'_>,
) -> Result<Observation, NotTheAnswer> {
    let shape = shape(kind);
    if root.name().strip_suffix("Response") != Some(operation) {
        return Err(NotTheAnswer::OtherRoot(operation));
    }
    let result = root.result(&format!("{operation}Result"))?;
    let details = result.map(|result| result.one(shape.details)).transpose()?.flatten();
    let details = details.ok_or(Unreadable::Missing(shape.details))?;
    let id = word(details, &[kind.id_name()])?.ok_or(Unreadable::Missing(kind.id_name()))?;
    if asked.is_some_and(|asked| !id.eq_ignore_ascii_case(asked.as_str())) {
        return Err(NotTheAnswer::OtherObject(kind.name()));
    }
    // An object that was enrolled in another letter case keeps its id here.
    let id = asked.map_or(id, |asked| asked.as_str());
    let state = word(details, &[shape.status, "State"])?.ok_or(Unreadable::Missing("State"))?.to_owned();
    let mut marks = Marks::default();
    let mut evidence = evidence(details, &shape, &mut marks);
    let mut time = |path: &[&'static str]| read_time_or_mark(details, path, &mut evidence, &mut marks);
    let updated_at = time(&[shape.status, "LastUpdateTimestamp"])
        // The agreement's status spells it this way (section 3.4).
        .or_else(|| time(&[shape.status, "LastUpdatedTimestamp"]));
    let created_at = time(&["CreationTimestamp"]);
    let expires_at = time(&["ExpirationTimestamp"]);
    let other_amounts = other_amounts(details, &shape, &mut evidence, &mut marks);
    let amount = marks.take(main_amount(details, &shape, &mut evidence));
    let amounts = amounts(kind, amount, &other_amounts);
    marks.check_amounts(amount, &amounts);
    let mut own_word = |path: &[&'static str]| marks.take(word(details, path)).map(str::to_owned);
    Ok(Observation {
        id: id.to_owned(),
        state,
        parent: own_word(&["ParentDetails", "Id"]),
        environment: own_word(&["ReleaseEnvironment"]),
        reasons: marks.take(reasons(details, &shape)),
        updated_at,
        created_at,
        expires_at,
        amount,
        amounts,
        other_amounts,
        merchant_reference: marks.take(details.text_at(shape.reference)).map(str::to_owned),
        children: children(details, &shape, &mut marks),
        is_soft_decline: marks.take(truth(details, "SoftDecline")),
        evidence,
        request_id: request_id(root),
        answer_sha256: None,
        marks: marks.into_list(),
    })
}

/// A short word of the provider, letter for letter.
pub(in crate::apis::amazon_pay_mws) fn word<'a>(
    place: &'a Element<'_>,
    path: &[&'static str],
) -> Result<Option<&'a str>, Unreadable> {
    let last = path.last().copied().unwrap_or("(root)");
    let text = place.text_at(path)?;
    if text.is_some_and(|text| text.len() > LONGEST_WORD_BYTES) {
        return Err(Unreadable::Unfit(last));
    }
    Ok(text)
}

/// The reason code, without the literal `None` that test messages carry (section 8.3).
fn reasons(details: &Element<'_>, shape: &Shape) -> Result<Vec<String>, Unreadable> {
    let code = word(details, &[shape.status, "ReasonCode"])?;
    Ok(code.filter(|code| !code.eq_ignore_ascii_case("none")).map(str::to_owned).into_iter().collect())
}

/// The amount that the object is about.
fn main_amount(
    details: &Element<'_>,
    shape: &Shape,
    evidence: &mut BTreeMap<String, String>,
) -> Result<Option<Money>, Unreadable> {
    for name in shape.amount {
        let Some(element) = details.one(name)? else { continue };
        if let Some(money) = money(element, name, evidence)? {
            return Ok(Some(money));
        }
    }
    Ok(None)
}

/// An amount. If it is incomplete or not exact, its text is kept as evidence.
fn money(
    element: &Element<'_>,
    name: &'static str,
    evidence: &mut BTreeMap<String, String>,
) -> Result<Option<Money>, Unreadable> {
    let amount = element.text_of("Amount")?.unwrap_or_default();
    let currency = element.text_of("CurrencyCode")?.unwrap_or_default();
    if amount.is_empty() && currency.is_empty() {
        return Ok(None);
    }
    Money::parse(amount, currency).map(Some).map_err(|_| {
        evidence.insert(name.to_owned(), format!("{amount} {currency}").trim().to_owned());
        Unreadable::Unfit(name)
    })
}

/// Fees and sums. No decision depends on fees, so one that is finer than its currency is not odd.
fn other_amounts(
    details: &Element<'_>,
    shape: &Shape,
    evidence: &mut BTreeMap<String, String>,
    marks: &mut Marks,
) -> BTreeMap<String, Money> {
    let mut amounts = BTreeMap::new();
    for path in shape.other_amounts {
        let name = path.last().copied().unwrap_or_default();
        let Some(element) = marks.take(details.at(path)) else { continue };
        match money(element, name, evidence) {
            Err(Unreadable::Unfit(_)) if !matches!(name, "CapturedAmount" | "RefundedAmount") => {}
            read => drop(marks.take(read).map(|money| amounts.insert(name.to_owned(), money))),
        }
    }
    amounts
}

/// Which of the amounts are authorized, captured and refunded. An order or an agreement itself moves no money.
fn amounts(kind: ObjectKind, amount: Option<Money>, others: &BTreeMap<String, Money>) -> Amounts {
    let named = |name: &str| others.get(name).copied();
    match kind {
        ObjectKind::Authorization => {
            Amounts { authorized: amount, captured: named("CapturedAmount"), refunded: None }
        }
        ObjectKind::Capture => {
            Amounts { authorized: None, captured: amount, refunded: named("RefundedAmount") }
        }
        ObjectKind::Refund => Amounts { refunded: amount, ..Amounts::default() },
        ObjectKind::OrderReference | ObjectKind::BillingAgreement => Amounts::default(),
    }
}

/// A time. If it cannot be read, its text is kept as evidence.
fn read_time_or_mark(
    details: &Element<'_>,
    path: &[&'static str],
    evidence: &mut BTreeMap<String, String>,
    marks: &mut Marks,
) -> Option<Timestamp> {
    let text = marks.take(details.text_at(path))?;
    let read: Option<Timestamp> = text.parse().ok();
    if read.is_none() {
        evidence.insert(path.join("."), text.to_owned());
        let problem = Unreadable::Unfit(path.last().copied().unwrap_or_default());
        return marks.take(Err(problem));
    }
    read
}

fn truth(details: &Element<'_>, name: &'static str) -> Result<bool, Unreadable> {
    match details.text_of(name)? {
        None => Ok(false),
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(_) => Err(Unreadable::Unfit(name)),
    }
}

/// The ids in `IdList`: `member` in answers, `Id` in notifications (sections 3.4 and 8.3). An entry that cannot be an
/// id is marked, because its object is not found through this one.
fn children(details: &Element<'_>, shape: &Shape, marks: &mut Marks) -> Vec<Child> {
    let Some(kind) = shape.child else { return Vec::new() };
    let Some(list) = marks.take(details.one("IdList")) else { return Vec::new() };
    let mut children: Vec<Child> = Vec::new();
    for element in ["member", "Id"].iter().flat_map(|name| marks.take(list.all(name))).collect::<Vec<_>>() {
        let Some(text) = element.text() else { continue };
        let id = ObjectId::new(text).map(Some).map_err(|_| Unreadable::Unfit("IdList"));
        let Some(id) = marks.take(id) else { continue };
        let child = Child { kind: kind.kind(), id };
        if !children.contains(&child) {
            children.push(child);
        }
    }
    children
}

/// The fields on the allow-list, by their path.
fn evidence(details: &Element<'_>, shape: &Shape, marks: &mut Marks) -> BTreeMap<String, String> {
    let mut evidence = BTreeMap::new();
    for path in shape.evidence {
        if let Some(text) = marks.take(details.text_at(path)) {
            evidence.insert(path.join("."), text.to_owned());
        }
    }
    if let Some(constraints) = marks.take(details.one("Constraints")) {
        let names: Vec<&str> = marks
            .take(constraints.all("Constraint"))
            .into_iter()
            .filter_map(|constraint| marks.take(constraint.text_of("ConstraintID")))
            .collect();
        if !names.is_empty() {
            evidence.insert("Constraints".to_owned(), names.join(" "));
        }
    }
    evidence
}

pub(in crate::apis::amazon_pay_mws) fn request_id(root: &Element<'_>) -> Option<String> {
    let places: [&[&'static str]; 4] = [
        &["ResponseMetadata", "RequestId"],
        &["ResponseMetadata", "RequestID"],
        &["RequestId"],
        &["RequestID"],
    ];
    places.iter().find_map(|path| root.text_at(path).ok().flatten()).and_then(safe_request_id)
}

/// The namespace of the payment section, in the forms used by the documentation, the fixtures and the traffic: `http`
/// or `https`, any of the three hosts, `schema/`, `ipn/` or neither, with or without `_Sandbox` (sections 3.4, 6.1 and
/// 8.2).
pub(in crate::apis::amazon_pay_mws) fn is_home_namespace(space: &str) -> bool {
    let rest = space.strip_prefix("http://").or_else(|| space.strip_prefix("https://"));
    let Some((host, path)) = rest.and_then(|rest| rest.split_once('/')) else { return false };
    let section = path.strip_prefix("schema/").or_else(|| path.strip_prefix("ipn/")).unwrap_or(path);
    let version = section
        .strip_prefix("OffAmazonPayments")
        .map(|rest| rest.strip_prefix("_Sandbox").unwrap_or(rest).trim_end_matches('/'));
    host.starts_with("mws") && host.contains(".amazonservices.") && version == Some("/2013-01-01")
}

#[cfg(test)]
mod tests;
